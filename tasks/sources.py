"""The files that an importer is given: a folder, a zip or a tar, and the archives inside it, read in one way.

    with opened(place, r"covid\\.(train|test)\\.csv") as source:
        text = source.text(source.need("covid.train.csv"), 64 * 2**20)

A path is relative to the place and may lead through archives: `ted2020.tgz/raw.en`. Zips are read in place. A tar can
only be read from its beginning to its end, and so can an archive inside an archive: their wanted files are unpacked
into a temporary folder. What is not wanted is never unpacked. Files that macOS and notebooks add (`__MACOSX`, and names
with a leading dot) are left out, and links in a folder are not followed.
"""

from __future__ import annotations

import bz2
import contextlib
import gzip
import hashlib
import json
import lzma
import os
import re
import shutil
import stat
import tarfile
import tempfile
import unicodedata
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO, Any, cast

from tasks.errors import UserError

CODES: dict[str, str] = {
    "E_SOURCE_PLACE": "There is no folder or archive at this path. Give the path of the course's files.",
    "E_SOURCE_MISSING": "A file of the course is not in the folder or archive. The message lists what is there.",
    "E_SOURCE_TWICE": "The folder or archive has different files of the same name. Remove the wrong ones.",
    "E_SOURCE_ARCHIVE": "An archive, or a file in it, is damaged, encrypted or packed in an unknown way. Download it"
    " again.",
    "E_SOURCE_MEMBER": "An archive has a link, a device, or a name that leads out of it. It is not the course's.",
    "E_SOURCE_SIZE": "A file is too large, or there are too many of them. It is not the course's.",
    "E_SOURCE_CONTENT": "A file's content is not that of the course's file. The message says what was expected.",
}
"""The codes of errors in the files that an importer reads: what each means and what to do."""

MOST_FILES = 500_000
MOST_BYTES = 32 * 2**30
"""The most bytes that an archive may have unpacked, and `MOST_RATIO` times its packed bytes and a gibibyte."""
MOST_RATIO = 200
MOST_PATH = 1024
DEPTH = 2
"""Archives inside archives are opened down to this depth."""
PIECE = 2**20
ARCHIVES = re.compile(r".\.(zip|tar|tgz|tar\.(gz|bz2|xz))$", re.IGNORECASE)
DAMAGED = (
    zipfile.BadZipFile, tarfile.TarError, lzma.LZMAError, zlib.error, EOFError, RuntimeError, OSError, UnicodeError
)  # fmt: skip
"""The exceptions of the standard library for an archive that is damaged, encrypted or packed in an unknown way."""
KINDS = {
    b"PK": "a zip", b"\x1f\x8b": "a gzip file", b"BZh": "a bzip2 file", b"\xfd7zXZ": "an xz file",
    b"\xff\xfe": "text in UTF-16", b"\xfe\xff": "text in UTF-16", b"\x93NUMPY": "a NumPy array",
    b"\xff\xd8\xff": "a JPEG picture", b"\x89PNG": "a PNG picture", b"%PDF": "a PDF",
}  # fmt: skip


def refused(message: str, code: str = "E_SOURCE_CONTENT") -> UserError:
    """The error for a file that is not what was expected."""
    return UserError(message, code=code)


@dataclass(frozen=True)
class _File:
    """Where the bytes of a file are: at a path, or in an opened zip; `inside` says whether an archive holds it."""

    place: Path | zipfile.ZipInfo
    size: int
    archive: zipfile.ZipFile | None = None
    inside: bool = False


@dataclass(frozen=True)
class Source:
    """The wanted files of an opened place by their paths, sorted; `others` are up to ten of the other files."""

    place: Path
    files: Mapping[str, _File]
    others: tuple[str, ...] = ()
    links: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The place as it was given, for messages."""
        return str(self.place)

    @property
    def paths(self) -> tuple[str, ...]:
        return tuple(self.files)

    def size(self, path: str) -> int:
        """The size of a file in bytes, unpacked."""
        return self.files[path].size

    def unpacked(self) -> Source:
        """This source without what is in archives, unless all of it is: an archive often lies next to its content."""
        plain = {path: file for path, file in self.files.items() if not file.inside}
        return replace(self, files=plain or self.files)

    @contextlib.contextmanager
    def open(self, path: str) -> Iterator[IO[bytes]]:
        """A file's bytes as a stream; the check sum of a zip's member is verified at the end."""
        file = self.files[path]
        with _readable(f"{self.name}, {path}"):
            if file.archive is None:
                with cast(Path, file.place).open("rb") as plain:
                    yield plain
            else:
                with file.archive.open(cast(zipfile.ZipInfo, file.place)) as stream:
                    yield stream
                    while stream.read(PIECE):
                        pass

    def read(self, path: str, most: int) -> bytes:
        """The bytes of a file, at most `most`."""
        if self.size(path) > most:
            raise refused(
                f"{self.name}, {path}: expected at most {most:,} bytes; found {self.size(path):,}. This is not the"
                " course's file.",
                "E_SOURCE_SIZE",
            )
        with self.open(path) as stream:
            return stream.read(most)

    def text(self, path: str, most: int) -> str:
        """The text of a file in UTF-8, with or without a byte order mark."""
        return decoded(self.read(path, most), f"{self.name}, {path}")

    def json(self, path: str, most: int) -> Any:
        """The content of a JSON file in UTF-8."""
        text = self.text(path, most)
        try:
            return json.loads(text)
        except (ValueError, RecursionError) as error:
            raise refused(f"{self.name}, {path}: expected JSON; it cannot be read ({error}).") from None

    def find(self, *names: str) -> str | None:
        """The path of the only file with one of these names, capitals aside; None where there is none.

        Equal files count as one. Raises UserError for two that differ.
        """
        wanted = {name.casefold() for name in names}
        found = [path for path in self.files if path.rpartition("/")[2].casefold() in wanted]
        for other in found[1:]:
            if self.size(other) != self.size(found[0]) or self._digest(other) != self._digest(found[0]):
                raise refused(
                    f"{self.name}: expected one {names[0]}; found {found[0]} and {other}, which differ.",
                    "E_SOURCE_TWICE",
                )
        return found[0] if found else None

    def _digest(self, path: str) -> bytes:
        digest = hashlib.sha256()
        with self.open(path) as stream:
            while piece := stream.read(PIECE):
                digest.update(piece)
        return digest.digest()

    def need(self, *names: str, note: str = "") -> str:
        """The path of the only file with one of these names. Raises UserError where it is missing."""
        path = self.find(*names)
        if path is None:
            raise self.missing(f"the file {names[0]}{note}")
        return path

    def missing(self, what: str, advice: str = "") -> UserError:
        """The error for something that is not there: it lists what is."""
        seen = [*self.paths[:3], *self.others[:3]]
        found = f"found {', '.join(path[:100] for path in seen)}" if seen else "found no files"
        more = len(self.files) + len(self.others) > len(seen)
        links = f" Links are not followed: {', '.join(self.links[:3])}." if self.links else ""
        return refused(
            f"{self.name}: expected {what}; it is not there: {found}{', …' if more else ''}.{links}{advice}",
            "E_SOURCE_MISSING",
        )


def decoded(data: bytes, where: str) -> str:
    """Text in UTF-8. Raises UserError with the line and what was found instead."""
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        found = next((kind for magic, kind in KINDS.items() if data.startswith(magic)), "other bytes")
        raise refused(
            f"{where}, line {line}: expected UTF-8 text; found {found}. This is not the course's file."
        ) from None


@contextlib.contextmanager
def _readable(where: str) -> Iterator[None]:
    """Turns what the standard library raises for damaged files into a UserError."""
    try:
        yield
    except DAMAGED as error:
        raise refused(
            f"{where}: expected a whole file or archive; it cannot be read ({error}). Download it again.",
            "E_SOURCE_ARCHIVE",
        ) from error


@contextlib.contextmanager
def opened(place: Path | None, wanted: str) -> Iterator[Source]:
    """The files of a folder, an archive, or one file, whose paths end with the pattern `wanted`, capitals aside.

    Raises UserError for what cannot be read, and for archives with links, odd names or too much in them.
    """
    assert place is not None, "an official edition is made from files"
    with contextlib.ExitStack() as stack:
        reader = _Reader(place, re.compile(rf"(?:.*/)?(?:{wanted})", re.IGNORECASE), stack)
        reader.read()
        yield Source(place, dict(sorted(reader.files.items())), tuple(reader.others), tuple(reader.links))


@dataclass
class _Reader:
    """Collects the wanted files of a place."""

    place: Path
    wanted: re.Pattern[str]
    stack: contextlib.ExitStack
    files: dict[str, _File] = field(default_factory=dict)
    others: list[str] = field(default_factory=list)
    links: list[str] = field(default_factory=list)
    count: int = 0
    spent: int = 0
    folder: Path | None = None

    def read(self) -> None:
        if self.place.is_dir():
            self._read_folder()
        elif not self.place.exists():
            raise refused(
                f"{self.place}: no such folder or archive; give the path of the course's files.", "E_SOURCE_PLACE"
            )
        elif not self.wanted.fullmatch(self.place.name) and (_packed(self.place) or ARCHIVES.search(self.place.name)):
            self._read_archive(self.place, "", 0)
        else:
            self._add(_spelled(self.place.name), _File(self.place, self.place.stat().st_size))

    def _read_folder(self) -> None:
        archives: list[tuple[Path, str]] = []
        for folder, names, files in os.walk(self.place, onerror=_raise):
            names[:] = sorted(name for name in names if not _hidden(name))
            below = Path(folder).relative_to(self.place)
            for name in (*names, *sorted(files)):
                path, inner = Path(folder) / name, _spelled((below / name).as_posix())
                if _hidden(name) or (name in names and not path.is_symlink()):
                    continue
                mode = path.lstat()
                if stat.S_ISLNK(mode.st_mode):
                    self.links.append(inner)
                elif stat.S_ISREG(mode.st_mode):
                    archives += [(path, inner)] if self._add(inner, _File(path, mode.st_size)) else []
        for path, inner in archives:
            self._read_archive(path, f"{inner}/", 0)

    def _add(self, path: str, file: _File) -> bool:
        """Takes a file where it is wanted; says whether it is an archive to look into instead."""
        self.count += 1
        if self.count > MOST_FILES:
            raise refused(f"{self.place}: expected at most {MOST_FILES:,} files; found more.", "E_SOURCE_SIZE")
        if not self.wanted.fullmatch(path):
            if ARCHIVES.search(path):
                return True
            if len(self.others) < 10:
                self.others.append(path)
        elif path in self.files:
            raise refused(f"{self.place}: {path} is there twice; create the archive again.", "E_SOURCE_TWICE")
        else:
            self.files[path] = file
        return False

    def _read_archive(self, place: Path, prefix: str, depth: int) -> None:
        """Takes the wanted files of an archive, and of those in it."""
        where = f"{self.place}, {prefix[:-1]}" if prefix else str(self.place)
        most = min(MOST_BYTES - self.spent, 2**30 + MOST_RATIO * place.stat().st_size)
        with _readable(where):
            read = self._read_zip if _packed(place) == "a zip" else self._read_tar
            inner = read(place, prefix, where, most, depth)
        for file, path in inner:
            self._read_archive(file, f"{path}/", depth + 1)

    def _read_zip(self, place: Path, prefix: str, where: str, most: int, depth: int) -> list[tuple[Path, str]]:
        archive, inner = self.stack.enter_context(zipfile.ZipFile(place)), []
        if min((member.header_offset for member in archive.infolist()), default=0) > 4:  # the mark of a split archive
            raise zipfile.BadZipFile("its end is missing; the end that was found is that of an archive inside it")
        self._spend(sum(member.file_size for member in archive.infolist()), most, where)
        for member in archive.infolist():
            kind, name = stat.S_IFMT(member.external_attr >> 16), _safe(member.filename, where)
            if member.flag_bits & 1:
                raise refused(f"{where}: cannot be read: {name} is encrypted.", "E_SOURCE_ARCHIVE")
            if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
                raise _odd(name, where)
            if name is None or member.is_dir() or kind == stat.S_IFDIR:
                continue
            if self._add(prefix + name, _File(member, member.file_size, archive, inside=True)) and depth < DEPTH:
                with archive.open(member) as stream:
                    inner.append((self._unpack(stream), prefix + name))
        return inner

    def _read_tar(self, place: Path, prefix: str, where: str, most: int, depth: int) -> list[tuple[Path, str]]:
        openers: dict[str | None, Any] = {
            "a gzip file": gzip.open, "a bzip2 file": bz2.open, "an xz file": lzma.open
        }  # fmt: skip
        inner = []
        with openers.get(_packed(place), open)(place, "rb") as plain:
            stream = _Capped(plain, most, where)
            with tarfile.open(fileobj=cast(IO[bytes], stream), mode="r:") as tar:
                while (member := tar.next()) is not None:
                    tar.members.clear()  # type: ignore[attr-defined]  # the list would hold all of them
                    name = _safe(member.name, where)
                    if not (member.isreg() or member.isdir()) or member.issparse():
                        raise _odd(name, where)
                    if name is None or member.isdir():
                        continue
                    path = prefix + name
                    archive = self._add(path, _File(place, member.size, inside=True)) and depth < DEPTH
                    if archive or path in self.files:
                        content = tar.extractfile(member)
                        assert content is not None
                        unpacked = self._unpack(content)
                        if archive:
                            inner.append((unpacked, path))
                        else:
                            self.files[path] = replace(self.files[path], place=unpacked)
            rest = stream.last  # the header that was none: zeros at the end of a whole archive
            while rest:
                if rest.strip(b"\0"):
                    raise tarfile.ReadError("other bytes stand where the archive should end")
                rest = stream.read(PIECE)
            self._spend(stream.tell(), most, where)
        return inner

    def _spend(self, count: int, most: int, where: str) -> None:
        if count > most:
            raise _too_large(where, most)
        self.spent += count

    def _unpack(self, stream: IO[bytes]) -> Path:
        """The stream's bytes as a numbered file in the temporary folder."""
        if self.folder is None:
            self.folder = Path(self.stack.enter_context(tempfile.TemporaryDirectory(prefix="lhy-grade-")))
        path = self.folder / str(self.count)
        with path.open("wb") as file:
            shutil.copyfileobj(stream, file, PIECE)
        return path


@dataclass
class _Capped:
    """A decompressed stream that stops at a number of bytes, and refuses to read a header of many at once."""

    stream: IO[bytes]
    most: int
    where: str
    last: bytes = b""

    def read(self, size: int = -1) -> bytes:
        if not 0 <= size <= 16 * PIECE:
            raise tarfile.ReadError("a header of many megabytes")
        self.last = self.stream.read(size)
        if self.stream.tell() > self.most:
            raise _too_large(self.where, self.most)
        return self.last

    def seek(self, at: int, whence: int = 0) -> int:
        if at > self.most:
            raise _too_large(self.where, self.most)
        return self.stream.seek(at, whence)

    def tell(self) -> int:
        return self.stream.tell()


def _too_large(where: str, most: int) -> UserError:
    return refused(f"{where}: expected an archive of at most {most:,} bytes, unpacked; found more.", "E_SOURCE_SIZE")


def _odd(name: str | None, where: str) -> UserError:
    return refused(
        f"{where}: expected files and folders; {name} is a link, a device or the like. Create the archive again"
        " without it.",
        "E_SOURCE_MEMBER",
    )


def _safe(name: str, where: str) -> str | None:
    """A member's path below the archive, with slashes; None for what macOS adds. Raises UserError for odd names."""
    parts = [part for part in name.replace("\\", "/").split("/") if part not in ("", ".")]
    if name.startswith(("/", "\\")) or re.match("[A-Za-z]:", name) or ".." in parts:
        raise refused(f"{where}: the name {name[:100]!r} leads out of the archive.", "E_SOURCE_MEMBER")
    if len(name.encode(errors="surrogateescape")) > MOST_PATH or re.search("[\0-\x1f\x7f]", name):
        raise refused(
            f"{where}: the name {name[:40]!r}… is longer than {MOST_PATH} bytes or has control characters.",
            "E_SOURCE_MEMBER",
        )
    return None if any(map(_hidden, parts)) or not parts else _spelled("/".join(parts))


def _spelled(path: str) -> str:
    """A path in Unicode's composed form, as macOS does not write it, without the bytes that are not UTF-8."""
    return unicodedata.normalize("NFC", path.encode(errors="surrogateescape").decode(errors="replace"))


def _hidden(name: str) -> bool:
    return name.startswith(".") or name == "__MACOSX"


def _packed(place: Path) -> str | None:
    """The kind of archive or compressed file, by its first bytes; None for another file."""
    with _readable(str(place)), place.open("rb") as stream:
        head = stream.read(512)
    if head[257:262] == b"ustar":
        return "a tar"
    return next((kind for magic, kind in list(KINDS.items())[:4] if head.startswith(magic)), None)


def _raise(error: OSError) -> None:
    raise refused(f"{error.filename}: the folder cannot be read ({error.strerror}).", "E_SOURCE_PLACE")
