"""An archive from a server is unpacked with suspicion."""

from __future__ import annotations

import hashlib
import json
import shutil
import stat
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness import archive
from harness.course import remote
from harness.course.types import Files
from tasks.base import UserError
from tests import archived, class_server
from tests.class_server import Served, call

folders, home = class_server.folders, class_server.home
pictures, food = archived.pictures, archived.food


def listing_of(files: dict[str, bytes]) -> list[dict[str, Any]]:
    return [
        {"file": name, "bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()} for name, data in files.items()
    ]


def manifest_of(files: dict[str, bytes]) -> bytes:
    listed = {entry["file"]: {k: entry[k] for k in ("bytes", "sha256")} for entry in listing_of(files)}
    return json.dumps({"schema": 1, "files": listed}).encode()


FILES = {"a.csv": b"a,b\n" * 2000, "d/b.csv": b"b" * 100}


def write(path: Path, members: list[tuple[str, bytes, int]]) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, data, mode in members:
            entry = zipfile.ZipInfo(name)
            entry.external_attr = mode << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            packed.writestr(entry, data)


PLAIN = [(name, data, 0) for name, data in FILES.items()]
MANIFEST = ("manifest.json", manifest_of(FILES), 0)
HOSTILE = {
    "a member too many": [*PLAIN, MANIFEST, ("../../evil", b"x", 0)],
    "a member with an absolute name": [PLAIN[0], ("/tmp/evil", b"b" * 100, 0), MANIFEST],
    "a member too few": [PLAIN[0], MANIFEST],
    "no manifest": PLAIN,
    "a member twice": [*PLAIN, PLAIN[0], MANIFEST],
    "a link": [PLAIN[0], ("d/b.csv", b"b" * 100, stat.S_IFLNK | 0o777), MANIFEST],
    "a device": [PLAIN[0], ("d/b.csv", b"b" * 100, stat.S_IFCHR | 0o777), MANIFEST],
    "another size": [PLAIN[0], ("d/b.csv", b"b" * 99, 0), MANIFEST],
    "another content": [PLAIN[0], ("d/b.csv", b"c" * 100, 0), MANIFEST],
    "a bomb": [PLAIN[0], ("d/b.csv", b"b" * 10_000_000, 0), MANIFEST],
    "another manifest": [*PLAIN, ("manifest.json", manifest_of(FILES | {"x": b"y"}), 0)],
    "a manifest of nonsense": [*PLAIN, ("manifest.json", b"[" * 100_000, 0)],
    "a folder in place of a file": [PLAIN[0], ("d/b.csv/", b"", 0), MANIFEST],
}


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("what", HOSTILE)
def test_a_strange_archive_is_refused_and_writes_nothing_elsewhere(what: str, tmp_path: Path) -> None:
    path, folder = tmp_path / "x.zip", tmp_path / "in" / "files"
    folder.parent.mkdir()
    write(path, HOSTILE[what])
    with pytest.raises(UserError) as error:
        archive.unpack(path, listing_of(FILES), folder, lambda count: None)
    assert (error.value.code, error.value.exit_code) == ("E_MANIFEST", 8)
    assert {p.name for p in tmp_path.iterdir()} == {"x.zip", "in"}
    assert {p.name for p in (tmp_path / "in").iterdir()} <= {"files"}
    assert not [p for p in tmp_path.rglob("*") if p.is_symlink()]
    assert sum(p.stat().st_size for p in folder.rglob("*") if p.is_file()) < 20_000


def test_a_good_archive_is_unpacked(tmp_path: Path) -> None:
    write(tmp_path / "x.zip", [*PLAIN, MANIFEST])
    told: list[int] = []
    archive.unpack(tmp_path / "x.zip", listing_of(FILES), tmp_path / "files", told.append)
    assert {name: (tmp_path / "files" / name).read_bytes() for name in FILES} == FILES
    assert sum(told) == sum(map(len, FILES.values())) + len(MANIFEST[1])


@pytest.mark.parametrize("at", range(0, 1000, 37))
def test_a_damaged_archive_never_ends_in_a_traceback_or_in_damaged_files(tmp_path: Path, at: int) -> None:
    path = tmp_path / "x.zip"
    write(path, [*PLAIN, MANIFEST])
    data = bytearray(path.read_bytes())
    data[at * len(data) // 1000] ^= 0x41
    for content in (bytes(data), bytes(data[: at * len(data) // 1000])):
        path.write_bytes(content)
        try:
            archive.unpack(path, listing_of(FILES), tmp_path / "files", lambda count: None)
        except UserError:
            pass
        else:
            assert {name: (tmp_path / "files" / name).read_bytes() for name in FILES} == FILES
        shutil.rmtree(tmp_path / "files", ignore_errors=True)


@pytest.mark.parametrize(
    "change",
    [
        {"bytes": 10**12},
        {"file": "../evil.zip"},
        {"file": "/tmp/evil.zip"},
        {"sha256": "0" * 64},
    ],
)
def test_what_a_server_says_of_its_archive_is_not_believed(
    food: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: dict[str, Any]
) -> None:
    real = remote.RemoteCourse.files

    def lying(self: remote.RemoteCourse, hw: str) -> Files:
        listing = real(self, hw)
        assert listing.archive is not None
        return replace(listing, archive=replace(listing.archive, **change))

    monkeypatch.setattr(remote.RemoteCourse, "files", lying)
    done = call("files", "food", "--download")
    assert done.exit_code == 8, done.output
    assert "internal" not in done.stderr
    assert not (tmp_path / "food").exists()
    assert not list(tmp_path.rglob("evil.zip"))


def test_a_full_disk_while_it_is_unpacked_is_said_as_such(
    food: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(archive, "_unpack_one", full)
    done = call("files", "food", "--download")
    assert done.exit_code == 10
    assert "No space left" in done.stderr
    assert not (tmp_path / "food").exists()
