"""One archive with all files of a homework, so that a download is one request that can be resumed.

`public/.archives/hw01-1.zip` has the files of `public/hw01` and their manifest: sorted names and a fixed time stamp, so
the same files give the same bytes. `hw01-1.json` next to it has its size, its SHA-256 and the SHA-256 of the manifest.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from harness.home import Home, making, write_json
from tasks.errors import UserError

if TYPE_CHECKING:
    from zipfile import ZipFile, ZipInfo

    from harness.competition import Competition

MANIFEST = "manifest.json"
PACKED = (".jpg", ".jpeg", ".png", ".gz", ".tgz", ".zip", ".npz")
"""Files that are stored uncompressed: they are compressed already."""

PIECE = 2**18
LISTED = 12
"""The most top-level files, and the most folders, that a list for people shows one by one."""

MOST_FILES = 500_000

Row = Mapping[str, Any]


def make_archive(home: Home, competition: Competition, public: Path) -> dict[str, Any]:
    """Makes the archive of the folder `public` if it does not exist, removes those of other versions, and describes it.

    The caller holds the lock of the home (`harness.home.locked`).
    """
    manifest = (public / MANIFEST).read_bytes()
    target, about = _places(home, competition)
    found = find_archive(home, competition, public)
    if found is not None:
        return found
    with making(target.parent):
        target.parent.mkdir(exist_ok=True)
        new = target.with_name(f".{target.name}.{os.getpid()}")
        try:
            with new.open("wb") as stream:
                _write(stream, public, sorted([*json.loads(manifest)["files"], MANIFEST]))
                stream.flush()
                os.fsync(stream.fileno())
            with new.open("rb") as stream:
                digest = hashlib.file_digest(stream, "sha256").hexdigest()
            body = {"file": target.name, "bytes": new.stat().st_size, "sha256": digest}
            about.unlink(missing_ok=True)
            new.replace(target)
            write_json(about, body | {"manifest": hashlib.sha256(manifest).hexdigest()})
        finally:
            new.unlink(missing_ok=True)
        for other in target.parent.iterdir():  # other versions, and partial files of a killed process
            if other.name.lstrip(".").rpartition("-")[0] == competition.name and other not in (target, about):
                other.unlink()
    return body


def find_archive(home: Home, competition: Competition, public: Path) -> dict[str, Any] | None:
    """`file`, `bytes` and `sha256` of the archive of that folder; None if it is missing or has other files."""
    target, about = _places(home, competition)
    try:
        body = json.loads(about.read_text(encoding="utf-8"))
        manifest = (public / MANIFEST).read_bytes()
        if body.pop("manifest") != hashlib.sha256(manifest).hexdigest() or target.stat().st_size != body["bytes"]:
            return None
    except (OSError, ValueError, KeyError):
        return None
    return {key: body[key] for key in ("file", "bytes", "sha256")}


def archive_path(home: Home, competition: Competition) -> Path:
    """The path of the archive."""
    return _places(home, competition)[0]


def _places(home: Home, competition: Competition) -> tuple[Path, Path]:
    folder = home.root / "public" / ".archives"
    name = f"{competition.name}-{competition.version}"
    return folder / f"{name}.zip", folder / f"{name}.json"


def _write(stream: BinaryIO, public: Path, names: Sequence[str]) -> None:
    from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile, ZipInfo

    with ZipFile(stream, "w") as archive:
        for name in names:
            entry = ZipInfo(name)  # the time stamp is 1980-01-01 for all
            entry.create_system = 3
            entry.external_attr = (stat.S_IFREG | 0o644) << 16
            entry.compress_type = ZIP_STORED if name.lower().endswith(PACKED) else ZIP_DEFLATED
            entry.file_size = (public / name).stat().st_size
            with (public / name).open("rb") as source, archive.open(entry, "w") as packed:
                while piece := source.read(PIECE):
                    packed.write(piece)


def most_bytes(files: Sequence[Row]) -> int:
    """The most bytes that an archive of these files can have."""
    return sum(int(entry["bytes"]) * 101 // 100 + 1024 + 2 * len(entry["file"].encode()) for entry in files) + 2**20


def unpack(path: Path, files: Sequence[Row], folder: Path, tell: Callable[[int], None]) -> None:
    """Writes the listed files and their manifest from an archive into a new folder.

    Names are those of the list, which the caller has checked; the archive cannot choose where files are written.
    `tell` gets the bytes as they are written. Raises UserError if the archive has more, fewer or different files.
    """
    import zlib
    from zipfile import BadZipFile, ZipFile

    wanted = {entry["file"]: entry for entry in files}
    try:
        with ZipFile(path) as archive:
            entries = archive.infolist()
            names = [entry.filename for entry in entries]
            if len(names) > MOST_FILES or sorted(names) != sorted([*wanted, MANIFEST]):
                raise _strange("its files are not those of the server's list")
            for entry in entries:
                _check_entry(entry, wanted.get(entry.filename), 2**16 + 2**11 * len(wanted))
            folder.mkdir()
            for entry in entries:
                target = folder / entry.filename
                target.parent.mkdir(parents=True, exist_ok=True)
                _unpack_one(archive, entry, target, wanted.get(entry.filename), tell)
    except (BadZipFile, EOFError, NotImplementedError, RuntimeError, ValueError, zlib.error) as error:
        raise _strange("it cannot be read") from error
    _check_manifest(folder / MANIFEST, wanted)


def _check_entry(entry: ZipInfo, listed: Row | None, most: int) -> None:
    """Raises UserError for a member that is a link or a folder, encrypted, or not of the listed size."""
    mode = entry.external_attr >> 16
    plain = stat.S_IFMT(mode) in (0, stat.S_IFREG) and not entry.is_dir() and not entry.flag_bits & 1
    size = entry.file_size <= most if listed is None else entry.file_size == listed["bytes"]
    if not plain or not size:
        raise _strange(f"{entry.filename[:100]!r} in it is not a file of the listed size")


def _unpack_one(
    archive: ZipFile, entry: ZipInfo, target: Path, listed: Row | None, tell: Callable[[int], None]
) -> None:
    digest, left = hashlib.sha256(), entry.file_size
    with archive.open(entry) as source, target.open("xb") as stream:
        while piece := source.read(min(PIECE, left + 1)):
            left -= len(piece)
            if left < 0:
                break
            digest.update(piece)
            stream.write(piece)
            tell(len(piece))
    if left or (listed is not None and digest.hexdigest() != listed["sha256"]):
        raise _strange(f"{entry.filename[:100]!r} in it does not match the server's list")


def _check_manifest(path: Path, wanted: Mapping[str, Row]) -> None:
    """Raises UserError if the manifest of an archive differs from the server's list."""
    try:
        listed = json.loads(path.read_bytes())["files"]
        same = {name: (entry["bytes"], entry["sha256"]) for name, entry in listed.items()}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        same = {}
    if same != {name: (entry["bytes"], entry["sha256"]) for name, entry in wanted.items()}:
        raise _strange("its manifest does not match the server's list")


def _strange(why: str) -> UserError:
    return UserError(f"the archive was rejected: {why}. Run the same command again.", code="E_MANIFEST", exit_code=8)


def grouped(files: Sequence[Row]) -> list[dict[str, Any]]:
    """A list for people: single files of the top folder, and each folder with its number of files and bytes.

    >>> rows = [{"file": "a.csv", "bytes": 2}, *({"file": f"food/train/{n}.jpg", "bytes": 3} for n in range(50))]
    >>> [(row["name"], row["files"], row["bytes"]) for row in grouped(rows)]
    [('a.csv', 1, 2), ('food/train/', 50, 150)]
    """
    parts = [entry["file"].split("/")[:-1] for entry in files]
    depth = max(map(len, parts), default=0)
    while depth > 1 and len({tuple(path[:depth]) for path in parts}) > LISTED:
        depth -= 1
    folders = ["/".join(path[:depth]) for path in parts]
    whole = [""] if folders.count("") <= LISTED else []
    found: dict[str, dict[str, Any]] = {}
    for entry, folder in zip(files, folders, strict=True):
        name = entry["file"] if folder in whole else f"{folder or '.'}/"
        row = found.setdefault(name, {"name": name, "files": 0, "bytes": 0, "folder": folder not in whole})
        row["files"] += 1
        row["bytes"] += entry["bytes"]
    return sorted(found.values(), key=lambda row: row["folder"])
