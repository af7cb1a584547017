"""Download of a homework's files, which resumes, and changes nothing that is not its own."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from harness.archive import most_bytes, unpack
from harness.course.transport import UNKNOWN, Body, interrupted, pieces, quoted
from harness.home import making, write_json
from tasks.errors import UserError

if TYPE_CHECKING:
    from harness.course.remote import RemoteCourse
    from harness.course.types import Files


Progress = Callable[[int, str], AbstractContextManager[Callable[[int], None]]]


MANIFEST = "manifest.json"
"""The list of the downloaded files, in their folder."""


def cache_folder(url: str) -> Path:
    import platformdirs

    return platformdirs.user_cache_path("lhy-grade") / hashlib.sha256(url.encode()).hexdigest()[:16]


def download(server: RemoteCourse, listing: Files, folder: Path, progress: Progress) -> Path:
    """Downloads the files of a listing into a folder, as one archive, and returns the folder.

    A new folder is created completely or not at all. In an existing one, unlisted files stay, and unchanged files of an
    earlier download are replaced. An interrupted download resumes. Raises UserError for a name outside the folder, and
    if a different file already has the name of a listed one.
    """
    hw, files = listing.homework, [vars(file) for file in listing.files]
    check_names([entry["file"] for entry in files])
    folder = folder.absolute()
    with making(folder):
        before = _untouched(folder, hw)
        missing = _missing(folder, files, before)
        gone = sorted(set(before) - {entry["file"] for entry in files})
        if missing or gone or not (folder / MANIFEST).is_file():
            work = folder / ".part" if folder.exists() else folder.with_name(f".{folder.name}.part")
            _get(server, listing, work, progress)
            if folder.exists():
                for name in [*missing, MANIFEST]:
                    target = _inside(folder, name)
                    target.parent.mkdir(parents=True, exist_ok=True)
                    (work / "files" / name).replace(target)
                for name in gone:
                    _inside(folder, name).unlink()
            else:
                (work / "files").rename(folder)
            shutil.rmtree(work)
    remember_download(server.url, hw, folder)
    return folder


def _get(server: RemoteCourse, listing: Files, work: Path, progress: Progress) -> None:
    """Downloads the files of a listing and their manifest into `work`/files, and checks them all."""
    hw, files = listing.homework, [vars(file) for file in listing.files]
    archive = None if listing.archive is None else vars(listing.archive)
    if work.is_symlink():
        raise UserError(f"{work} is a link; nothing is written to it.", code="E_MANIFEST", exit_code=8)
    work.mkdir(parents=True, exist_ok=True)
    unpacked, size = work / "files", sum(entry["bytes"] for entry in files)
    if unpacked.exists() or unpacked.is_symlink():
        shutil.rmtree(unpacked)  # incomplete, from an interrupted call; this follows no link
    if archive is not None:
        check_names([archive["file"]])
        if archive["bytes"] > most_bytes(files):
            raise UserError(
                "the archive is larger than its files; it is not downloaded.", code="E_MANIFEST", exit_code=8
            )
    with _goes_on():
        if archive is None:  # a server of an earlier version
            with progress(size, "downloading") as tell:
                for entry in files:
                    target = unpacked / entry["file"]
                    target.parent.mkdir(parents=True, exist_ok=True)
                    fetch(server, address_of(hw, entry), entry, target, tell)
            listed = {entry["file"]: {"sha256": entry["sha256"], "bytes": entry["bytes"]} for entry in files}
            write_json(unpacked / MANIFEST, {"schema": 1, "files": listed})
            return
        packed = work / archive["file"]
        if not _is_whole(packed, archive):
            packed.unlink(missing_ok=True)
            with progress(archive["bytes"], "downloading") as tell:
                fetch(server, f"/homeworks/{quoted(hw)}/archive", archive, packed, tell)
        with progress(size, "unpacking") as tell:
            unpack(packed, files, unpacked, tell)


@contextlib.contextmanager
def _goes_on() -> Iterator[None]:
    """Adds to the error of an interrupted download how to resume it."""
    try:
        yield
    except (UserError, KeyboardInterrupt) as caught:
        error = caught if isinstance(caught, UserError) else interrupted("Interrupted.")
        if error.exit_code not in UNKNOWN:
            raise
        text = f"{error}\nRun the same command again to resume."
        raise UserError(text, code=error.code, exit_code=error.exit_code) from None


def _untouched(folder: Path, hw: str) -> dict[str, Body]:
    """The unchanged files of an earlier download of that homework, by name."""
    try:
        listed = json.loads((folder / MANIFEST).read_bytes())["files"]
        check_names(list(listed))
        form = folder / "format.json"
        if not _is_whole(form, listed["format.json"]) or json.loads(form.read_bytes())["name"] != hw:
            return {}
        return {name: entry for name, entry in listed.items() if _is_whole(_inside(folder, name), entry)}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError, UserError):
        return {}


def _missing(folder: Path, files: Sequence[Body], before: Mapping[str, Body]) -> list[str]:
    """The files of a list that a folder does not have yet, or has unchanged from an earlier list.

    Raises UserError if a different file has the name of one.
    """
    missing, others = [], []
    for entry in files:
        name = entry["file"]
        path = _inside(folder, name)
        if not path.exists() or (name in before and before[name]["sha256"] != entry["sha256"]):
            missing.append(name)
        elif not (name in before or _is_whole(path, entry)):
            others.append(name)
    if others:
        shown = ", ".join(others[:5]) + (f" and {len(others) - 5} more" if len(others) > 5 else "")
        raise UserError(
            f"{folder} already has different files named {shown}. Move them away, or choose another folder:"
            " --download DIR",
            code="E_EXISTS",
            exit_code=8,
        )
    return missing


def _downloads() -> Path:
    import platformdirs

    return platformdirs.user_state_path("lhy-grade") / "downloads.json"


def remember_download(url: str, homework: str, folder: Path) -> None:
    """Remembers the last download folder of a homework of that server; ignores a failure to write it."""
    path = _downloads()
    known = _read_downloads()
    known.setdefault(url, {})[homework] = str(folder)
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        new = path.with_name(f".{path.name}.{os.getpid()}")
        write_json(new, known, mode=0o600)
        new.replace(path)


def find_download(url: str, homework: str) -> Path | None:
    """The last download folder of a homework of that server, if it still exists."""
    folder = _read_downloads().get(url, {}).get(homework)
    return Path(folder) if isinstance(folder, str) and Path(folder).is_dir() else None


def _read_downloads() -> dict[str, dict[str, str]]:
    try:
        known = json.loads(_downloads().read_bytes())
    except (OSError, ValueError):
        return {}
    well = isinstance(known, dict) and all(isinstance(inner, dict) for inner in known.values())
    return known if well else {}


def check_names(names: Sequence[str]) -> None:
    """Raises UserError for a name that is not a plain relative path on every system, and for duplicate names."""
    for name in names:
        parts = name.split("/")
        plain = name.isprintable() and not set(name) & set('\\:*?"<>|') and len(name) < 200
        if not plain or any(part.strip(". ") != part.lstrip(".") or not part.strip(".") for part in parts):
            raise UserError(
                f"the server lists {name[:100]!r}, which is not a valid file name.", code="E_MANIFEST", exit_code=8
            )
    folded = [name.casefold() for name in [*names, MANIFEST]]
    if len(set(folded)) < len(folded):
        raise UserError("the server lists two files with the same name.", code="E_MANIFEST", exit_code=8)


def _inside(folder: Path, name: str) -> Path:
    """The path of a checked name; no link may lead out of the folder."""
    path = folder / name
    if not path.parent.resolve().is_relative_to(folder.resolve()) or path.is_symlink():
        raise UserError(
            f"{path} is a link or leads out of {folder}; nothing is written to it.", code="E_MANIFEST", exit_code=8
        )
    return path


def _is_whole(path: Path, entry: Body) -> bool:
    if not path.is_file() or path.stat().st_size != entry["bytes"]:
        return False
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest() == str(entry["sha256"])


def address_of(hw: str, entry: Body) -> str:
    """The API path of a listed file."""
    return f"/homeworks/{quoted(hw)}/files/{quote(entry['file'], safe='/')}"


def fetch(server: RemoteCourse, where: str, entry: Body, path: Path, tell: Callable[[int], None]) -> None:
    """Downloads one file and checks it; resumes a partial download, once."""
    part = path.with_name(f".{path.name}.part")
    for attempt in range(2):
        begun = part.stat().st_size if part.is_file() and not part.is_symlink() and not attempt else 0
        _fetch_rest(server, where, entry, part, begun, tell)
        if _is_whole(part, entry):
            part.replace(path)
            return
        part.unlink()
        if not begun:
            break
    raise UserError(
        f"{entry['file']} does not match the server's list; it may just have changed. Run the same command again.",
        code="E_MANIFEST",
        exit_code=8,
    )


def _fetch_rest(
    server: RemoteCourse, where: str, entry: Body, part: Path, begun: int, tell: Callable[[int], None]
) -> None:
    """Downloads the bytes of a file from offset `begun`, never more than listed."""
    size = int(entry["bytes"])
    if 0 < begun == size:
        tell(begun)
        return
    headers = {"Range": f"bytes={begun}-"} if 0 < begun < size else {}
    flags = os.O_WRONLY | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
    with server.send("GET", where, headers=headers) as response, os.fdopen(os.open(part, flags, 0o644), "wb") as stream:
        goes_on = response.status == 206 and (response.headers.get("Content-Range") or "").startswith(f"bytes {begun}-")
        at = begun if headers and goes_on else 0
        stream.truncate(at)
        stream.seek(at)
        tell(at)
        for chunk in pieces(response, decode=False):
            at += len(chunk)
            if at > size:
                break
            stream.write(chunk)
            tell(len(chunk))


def save_new(path: Path, chunks: Iterable[bytes]) -> None:
    """Writes a new file, or leaves none. Raises UserError E_EXISTS if it is there."""
    try:
        with path.open("xb") as stream:
            try:
                for chunk in chunks:
                    stream.write(chunk)
            except BaseException:
                path.unlink()
                raise
    except FileExistsError:
        raise UserError(f"{path} is there already; name another file.", code="E_EXISTS", exit_code=8) from None
    except OSError as error:
        raise UserError(f"{path} cannot be written: {error.strerror or error}.") from None
