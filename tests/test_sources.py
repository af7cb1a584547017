"""The opener of what importers are given: folders, zips and tars, whole ones and hostile ones."""

from __future__ import annotations

import gzip
import io
import os
import re
import shutil
import stat
import subprocess
import sys
import tarfile
import tempfile
import unicodedata
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from tasks import sources
from tasks.errors import UserError
from tasks.sources import CODES, opened

FILES = {"top/raw.en": b"one\n", "top/raw.zh": "一\n".encode(), "top/deep/er/3.jpg": b"picture", "top/readme.md": b"x"}
WANTED = r"raw\.(en|zh)|\d+\.jpg"


def folder(place: Path, files: Mapping[str, bytes] = FILES) -> Path:
    for name, data in files.items():
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_bytes(data)
    return place


def zipped(files: Mapping[str, bytes] = FILES, method: int = zipfile.ZIP_DEFLATED) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", method) as archive:
        for name, data in files.items():
            archive.writestr(zipfile.ZipInfo(name), data, method)
    return stream.getvalue()


def tarred(files: Mapping[str, bytes] = FILES, mode: str = "w:gz", *more: tarfile.TarInfo) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode=mode) as tar:  # type: ignore[call-overload]
        for name, data in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data))
        for entry in more:
            tar.addfile(entry)
    return stream.getvalue()


def entry(name: str, kind: bytes = tarfile.REGTYPE, target: str = "") -> tarfile.TarInfo:
    made = tarfile.TarInfo(name)
    made.type, made.linkname = kind, target
    return made


def member(name: str, mode: int = 0, **fields: Any) -> bytes:
    """A zip with one member of this mode."""
    stream, info = io.BytesIO(), zipfile.ZipInfo(name)
    info.external_attr = mode << 16
    for field, value in fields.items():
        setattr(info, field, value)
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr(info, b"data")
    return stream.getvalue()


def contents(place: Path, wanted: str = WANTED) -> dict[str, bytes]:
    with opened(place, wanted) as source:
        return {path: source.read(path, 2**20) for path in source.paths}


def refused(place: Path, wanted: str = WANTED) -> tuple[str, str]:
    with pytest.raises(UserError) as error:
        contents(place, wanted)
    assert error.value.code in CODES
    return error.value.code, str(error.value)


def tails(found: Mapping[str, bytes]) -> dict[str, bytes]:
    return {"/".join(path.split("/")[path.split("/").index("top") :]): data for path, data in found.items()}


KEPT = {name: data for name, data in FILES.items() if name != "top/readme.md"}
PACKINGS: dict[str, Callable[[], bytes]] = {
    "stored.zip": lambda: zipped(method=zipfile.ZIP_STORED),
    "deflated.zip": zipped,
    "lzma.zip": lambda: zipped(method=zipfile.ZIP_LZMA),
    "plain.tar": lambda: tarred(mode="w"),
    "packed.tar.gz": tarred,
    "packed.tgz": tarred,
    "packed.tar.bz2": lambda: tarred(mode="w:bz2"),
    "packed.tar.xz": lambda: tarred(mode="w:xz"),
    "dotted.tgz": lambda: tarred({f"./{name}": data for name, data in FILES.items()}),
    "windows.zip": lambda: zipped({name.replace("/", "\\"): data for name, data in FILES.items()}),
    "without an ending": tarred,
    "zip in.zip": lambda: zipped({"x/inner.zip": zipped()}),
    "tar in.zip": lambda: zipped({"inner.tgz": tarred()}),
    "zip in.tar": lambda: tarred({"a/b/inner.zip": zipped()}, "w"),
    "twice in.tgz": lambda: tarred({"inner.tar": tarred({"most.zip": zipped()}, "w")}),
}


def test_a_folder_a_file_and_every_packing_give_the_same_files(tmp_path: Path) -> None:
    assert tails(contents(folder(tmp_path / "plain"))) == KEPT
    assert contents(tmp_path / "plain" / "top" / "raw.en") == {"raw.en": b"one\n"}
    for name, pack in PACKINGS.items():
        place = folder(tmp_path / name.partition(".")[0], {name: pack()})
        assert tails(contents(place / name)) == KEPT, name
        if "." in name:  # an archive inside is known by its ending
            assert tails(contents(place)) == KEPT, name


def test_archives_are_looked_into_to_a_depth_and_no_further(tmp_path: Path) -> None:
    inner = zipped()
    for depth in range(sources.DEPTH + 2):
        (tmp_path / "deep.zip").write_bytes(inner)
        assert bool(contents(tmp_path / "deep.zip")) == (depth <= sources.DEPTH)
        inner = zipped({f"{depth}.zip": inner})


def test_what_macos_and_notebooks_add_is_left_out_and_names_are_composed(tmp_path: Path) -> None:
    spare = {"__MACOSX/top/._raw.en": b"m", "top/._raw.en": b"m", "top/.ipynb_checkpoints/raw.en": b"n"}
    decomposed = {unicodedata.normalize("NFD", "top/é/1.jpg"): b"e"}
    files = FILES | spare | decomposed
    (tmp_path / "a.zip").write_bytes(zipped(files))
    (tmp_path / "a.tgz").write_bytes(tarred(files))
    for place in (tmp_path / "a.zip", tmp_path / "a.tgz", folder(tmp_path / "a", files | {"top/._b.zip": b"m"})):
        assert tails(contents(place)) == KEPT | {"top/é/1.jpg": b"e"}
    assert tails(contents(tmp_path / "a.zip", r"RAW\.EN")) == {"top/raw.en": b"one\n"}


def test_nothing_is_left_behind_and_nothing_unwanted_is_unpacked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    (tmp_path / "a.tgz").write_bytes(tarred(FILES | {"large.bin": bytes(10**6)}))
    with opened(tmp_path / "a.tgz", WANTED) as source:
        below = [path for path in (tmp_path / "temporary").rglob("*") if path.is_file()]
        assert sum(path.stat().st_size for path in below) == sum(map(len, KEPT.values()))
        assert set(source.others) == {"large.bin", "top/readme.md"}
    assert list((tmp_path / "temporary").iterdir()) == []
    (tmp_path / "a.tgz").write_bytes((tmp_path / "a.tgz").read_bytes()[:-9])
    assert refused(tmp_path / "a.tgz")[0] == "E_SOURCE_ARCHIVE"
    assert list((tmp_path / "temporary").iterdir()) == []


def test_a_file_is_found_by_name_and_equal_ones_count_as_one(tmp_path: Path) -> None:
    place = folder(tmp_path, {"a/raw.en": b"one", "b/Raw.En": b"one", "c.tgz": tarred({"raw.zh": b"x"}), "d.txt": b""})
    with opened(place, WANTED) as source:
        assert source.find("raw.en") == "a/raw.en"
        assert source.need("train_dev.raw.zh", "raw.zh") == "c.tgz/raw.zh"
        assert source.find("1.jpg") is None
        assert source.unpacked().paths == ("a/raw.en", "b/Raw.En")
        with pytest.raises(
            UserError, match=r"expected the file 1\.jpg of 2021; it is not there: found a/raw\.en"
        ) as error:
            source.need("1.jpg", note=" of 2021")
        assert error.value.code == "E_SOURCE_MISSING"
    (tmp_path / "b" / "Raw.En").write_bytes(b"two")
    with (
        opened(place, WANTED) as source,
        pytest.raises(UserError, match=r"a/raw\.en and b/Raw\.En, which differ") as error,
    ):
        source.find("raw.en")
    assert error.value.code == "E_SOURCE_TWICE"


def test_links_in_a_folder_are_not_followed_and_are_named_where_something_is_missing(tmp_path: Path) -> None:
    folder(tmp_path / "away")
    place = folder(tmp_path / "given", {"notes.txt": b""})
    (place / "raw.en").symlink_to(tmp_path / "away" / "top" / "raw.en")
    (place / "top").symlink_to(tmp_path / "away" / "top")
    (place / "loop").symlink_to(place)
    with opened(place, WANTED) as source:
        assert source.paths == ()
        with pytest.raises(UserError, match=r"found notes\.txt\. Links are not followed: loop, top, raw\.en\."):
            source.need("raw.en")
    (tmp_path / "link").symlink_to(tmp_path / "away")
    assert tails(contents(tmp_path / "link")) == KEPT  # the place itself may be one


def test_text_is_decoded_or_its_line_and_kind_are_named(tmp_path: Path) -> None:
    cases = {
        "first\nsecond".encode("utf-16"): r"line 1: expected UTF-8 text; found text in UTF-16",
        b"fine\nfine\n\xa4\xa4\xa4\xe5": r"raw\.en, line 3: expected UTF-8 text; found other bytes",
        gzip.compress(b"text"): "found a gzip file",
    }
    for data, message in cases.items():
        place = folder(tmp_path, {"raw.en": data})
        with opened(place, WANTED) as source, pytest.raises(UserError, match=message) as error:
            source.text("raw.en", 100)
        assert error.value.code == "E_SOURCE_CONTENT"
    with opened(folder(tmp_path, {"raw.en": b"\xef\xbb\xbfone\r\n"}), WANTED) as source:
        assert source.text("raw.en", 100) == "one\r\n"
        with pytest.raises(UserError, match="expected at most 7 bytes; found 8") as error:
            source.text("raw.en", 7)
    assert error.value.code == "E_SOURCE_SIZE"


ODD: dict[str, tuple[str, Callable[[], bytes]]] = {
    "a symbolic link in a tar": ("E_SOURCE_MEMBER", lambda: tarred({}, "w", entry("raw.en", tarfile.SYMTYPE, "/etc"))),
    "a hard link": ("E_SOURCE_MEMBER", lambda: tarred(FILES, "w:gz", entry("1.jpg", tarfile.LNKTYPE, "top/raw.en"))),
    "a device": ("E_SOURCE_MEMBER", lambda: tarred({}, "w", entry("1.jpg", tarfile.CHRTYPE))),
    "a pipe": ("E_SOURCE_MEMBER", lambda: tarred({}, "w", entry("1.jpg", tarfile.FIFOTYPE))),
    "a symbolic link in a zip": ("E_SOURCE_MEMBER", lambda: member("raw.en", stat.S_IFLNK | 0o777)),
    "a socket in a zip": ("E_SOURCE_MEMBER", lambda: member("raw.en", stat.S_IFSOCK | 0o777)),
    "an absolute name in a tar": ("E_SOURCE_MEMBER", lambda: tarred({"/tmp/raw.en": b"x"})),
    "an absolute name in a zip": ("E_SOURCE_MEMBER", lambda: zipped({"/tmp/raw.en": b"x"})),
    "a name of a drive": ("E_SOURCE_MEMBER", lambda: zipped({"C:\\raw.en": b"x"})),
    "a way out of a tar": ("E_SOURCE_MEMBER", lambda: tarred({"a/../../raw.en": b"x"})),
    "a way out of a zip": ("E_SOURCE_MEMBER", lambda: zipped({"..\\raw.en": b"x"})),
    "a hidden way out": ("E_SOURCE_MEMBER", lambda: zipped({"__MACOSX/../../raw.en": b"x"})),
    "a long name": ("E_SOURCE_MEMBER", lambda: tarred({"a" * 1021 + ".jpg": b"x"})),
    "a name with a line break": ("E_SOURCE_MEMBER", lambda: tarred({"a\nb/1.jpg": b"x"})),
    "a name twice": ("E_SOURCE_TWICE", lambda: tarred({"raw.en": b"a", "./raw.en": b"b"})),
    "a name in two forms": ("E_SOURCE_TWICE", lambda: zipped({"e\u0301/1.jpg": b"a", "\u00e9/1.jpg": b"b"})),
    "an encrypted member": ("E_SOURCE_ARCHIVE", lambda: flagged(zipped({"raw.en": b"x"}))),
    "an unknown packing": ("E_SOURCE_ARCHIVE", lambda: unknown(zipped({"raw.en": b"x"}))),
    "half a zip": ("E_SOURCE_ARCHIVE", lambda: zipped()[:200]),
    "half a zip of whole zips": (
        "E_SOURCE_ARCHIVE", lambda: zipped({"a/1.jpg": zipped(), "a/2.jpg": zipped()}, method=0)[: len(zipped()) + 90],
    ),
    "half a tar.gz": ("E_SOURCE_ARCHIVE", lambda: tarred()[:-20]),
    "half a tar": ("E_SOURCE_ARCHIVE", lambda: tarred(mode="w")[:1200]),
    "a changed byte in a zip": ("E_SOURCE_ARCHIVE", lambda: zipped(method=0).replace(b"one\n", b"two\n")),
    "a damaged header in a tar": ("E_SOURCE_ARCHIVE", lambda: tarred(mode="w").replace(b"raw.zh\0", b"raw.zz\0")),
    "text": ("E_SOURCE_ARCHIVE", lambda: b"this is text"),
    "nothing": ("E_SOURCE_ARCHIVE", lambda: b""),
    "a damaged archive in an archive": ("E_SOURCE_ARCHIVE", lambda: zipped({"a/b.tgz": tarred()[:-20]})),
    "a header of a gibibyte": ("E_SOURCE_ARCHIVE", lambda: header_of(2**30)),
}  # fmt: skip


def flagged(data: bytes) -> bytes:
    listed = data.index(b"PK\1\2")
    return data[:6] + b"\1" + data[7 : listed + 8] + b"\1" + data[listed + 9 :]


def unknown(data: bytes) -> bytes:
    listed = data.index(b"PK\1\2")
    return data[:8] + b"\x63" + data[9 : listed + 10] + b"\x63" + data[listed + 11 :]


def header_of(size: int) -> bytes:
    """A tar.gz whose first extended header says that it has so many bytes; a part of them follows."""
    extended = tarfile.TarInfo("x")
    extended.type, extended.size = tarfile.XHDTYPE, size
    return gzip.compress(extended.tobuf(tarfile.USTAR_FORMAT) + bytes(2**20))


@pytest.mark.parametrize("what", ODD)
def test_an_archive_that_is_damaged_or_odd_is_refused_with_its_name(tmp_path: Path, what: str) -> None:
    code, pack = ODD[what]
    kind = "zip" if "zip" in what or "encrypted" in what or "unknown" in what or "drive" in what else "tgz"
    place = folder(tmp_path / "given", {f"some.{kind}": pack()})
    for given in (place, place / f"some.{kind}"):
        found, message = refused(given)
        assert found == code, message
        assert f"some.{kind}" in message
        assert len(message) < 600


def test_caps_on_files_and_bytes_hold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bomb = {"raw.en": b"x", "bomb.bin": bytes(3 * 10**6)}
    monkeypatch.setattr(sources, "MOST_BYTES", 2 * 10**6)
    for name, data in {"a.zip": zipped(bomb), "b.tgz": tarred(bomb), "c.tar": tarred(bomb, "w")}.items():
        place = folder(tmp_path / name[0], {name: data})
        code, message = refused(place)
        assert code == "E_SOURCE_SIZE"
        assert "unpacked; found more" in message
    inner = zipped({"raw.en": bytes(10**6)})
    (tmp_path / "nested.zip").write_bytes(zipped({"x.zip": inner, "y.zip": inner.replace(b"raw.en", b"raw.zh")}))
    assert refused(tmp_path / "nested.zip")[0] == "E_SOURCE_SIZE"
    monkeypatch.setattr(sources, "MOST_FILES", 3)
    (tmp_path / "many.zip").write_bytes(zipped({f"{n}.jpg": b"" for n in range(4)}))
    assert "at most 3 files" in refused(tmp_path / "many.zip")[1]
    assert "at most 3 files" in refused(folder(tmp_path / "many", {f"{n}.txt": b"" for n in range(4)}))[1]


def test_a_bomb_is_stopped_early_and_costs_no_memory(tmp_path: Path) -> None:
    with gzip.open(tmp_path / "a.tgz", "wb", 1) as stream:
        huge = tarfile.TarInfo("raw.en")
        huge.size = 4 * 2**30
        stream.write(huge.tobuf())
        block = bytes(2**24)
        for _ in range(8):
            stream.write(block)
    code = (
        "import resource, sys, pathlib; from tasks import sources\n"
        "sources.MOST_BYTES = 64 * 2**20\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (2**27, 2**27))\n"
        "try:\n    with sources.opened(pathlib.Path(sys.argv[1]), 'raw.en'): pass\n"
        "except sources.UserError as error: print(error.code)\n"
        "print(int(pathlib.Path('/proc/self/status').read_text().split('VmHWM:')[1].split()[0]) < 200_000)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "a.tgz")], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["E_SOURCE_SIZE", "True"]


def test_a_place_that_is_not_there_or_cannot_be_read_is_refused(tmp_path: Path) -> None:
    assert refused(tmp_path / "nowhere")[0] == "E_SOURCE_PLACE"
    os.mkfifo(tmp_path / "1.jpg")
    assert contents(tmp_path) == {}


def test_an_archive_is_read_while_the_folder_it_came_from_is_gone(tmp_path: Path) -> None:
    """Unpacked files and opened zips do not need their place any more."""
    place = folder(tmp_path / "given", {"a.zip": zipped(), "b.tgz": tarred({"b/raw.en": b"b"})})
    with opened(place, WANTED) as source:
        shutil.rmtree(place)
        assert {source.read(path, 99) for path in source.paths} == {*KEPT.values(), b"b"}


def test_a_writer_that_fails_is_not_called_a_damaged_archive(tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_bytes(zipped())
    with opened(tmp_path / "a.zip", WANTED) as source, pytest.raises(UserError) as error, source.open("top/raw.en"):
        raise UserError("the importer's own", code="E_OWN")
    assert error.value.code == "E_OWN"


def test_every_importer_opens_its_files_here() -> None:
    folder_of = Path(sources.__file__).parent
    for path in [*folder_of.rglob("official.py"), *folder_of.rglob("world.py")]:
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"zipfile|tarfile\.open\(s|ZipFile|rglob|\.glob\(", text), path
