"""Answers that can be read from archives that students get, and from what pictures hold beside their pixels."""

from __future__ import annotations

import contextlib
import lzma
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray

from tasks.base import Answers
from tasks.leaks.cells import read_from_texts
from tasks.leaks.chance import LIMIT, Leak, labels_of, number_association, one_of_each_group

ARCHIVES = (".zip", ".tar", ".tgz", ".gz", ".bz2", ".xz")
PICTURES = (".png", ".jpg", ".jpeg")
LARGEST_FILE = 2**31
LARGEST_PICTURE = 2**24
LONGEST_TEXT = 4096
UNREADABLE = (
    OSError, EOFError, ValueError, RuntimeError, NotImplementedError, zlib.error, lzma.LZMAError, tarfile.TarError,
    zipfile.BadZipFile,
)  # fmt: skip
CRITICAL = {b"IHDR", b"PLTE", b"IDAT", b"IEND"}
"""The chunks of a PNG that its pixels need; a palette is part of them."""


@dataclass(frozen=True)
class Member:
    """A file of an archive or a folder: where it stands, its size and time, and what its header and picture say."""

    name: PurePosixPath
    place: int
    size: int
    time: float
    header: str = ""
    beside: str = ""


def answers_in_archives(public: Path, answers: Answers) -> list[Leak]:
    """Answers in the order, times, sizes, folders or headers of the files of an archive that are named after ids, and
    in texts, EXIF and other data beside the pixels of PNG and JPEG pictures, in archives and outside of them.

    As for plain files, a size must also explain half of the variation of the ranks.
    """
    leaks: dict[Leak, None] = {}
    loose = []
    for path in sorted(path for path in public.rglob("*") if path.is_file()):
        name = PurePosixPath(path.relative_to(public).as_posix())
        if path.suffix.lower() in ARCHIVES and path.stat().st_size <= LARGEST_FILE:
            for files in _by_id(_members(path), answers):
                leaks |= dict.fromkeys(_told(files, answers, f"the files in {name}", whole=True))
        elif path.suffix.lower() in PICTURES and path.stat().st_size <= LARGEST_PICTURE:
            loose.append(Member(name, 0, 0, 0.0, "", beside_pixels(path.read_bytes())))
    for files in _by_id(loose, answers):
        leaks |= dict.fromkeys(_told(files, answers, "the files", whole=False))
    return list(leaks)


def _told(files: dict[int, Member], answers: Answers, where: str, *, whole: bool) -> Iterator[Leak]:
    """The leaks of files by row; with `whole`, of what an archive says of them too."""
    kept = [row for row in one_of_each_group(answers).tolist() if row in files]
    found = [files[row] for row in kept]
    for name, values in answers.columns.items():
        labels = labels_of(values[kept]) if len(kept) >= 20 else None
        if labels is None:
            continue
        what = f"the answers in column {name!r}"

        def texts(every: Iterable[str], values: NDArray[np.generic] = values) -> str | None:
            said = tuple(every)
            return read_from_texts(said, values[kept], np.arange(len(kept))) if len(set(said)) > 1 else None

        if (how := texts(one.beside for one in found)) is not None:
            yield Leak(
                "E_LEAK_PICTURE",
                f"{what} can be read from data beside the pixels of the pictures among {where}: {how}.",
            )
        if not whole:
            continue
        places, sizes, times = (
            np.array([getattr(one, fact) for one in found], dtype=np.float64) for fact in ("place", "size", "time")
        )
        if number_association(places, labels)[0] < LIMIT:
            yield Leak("E_LEAK_ARCHIVE_ORDER", f"{what} correlate with the order of {where}.")
        if number_association(times, labels)[0] < LIMIT:
            yield Leak("E_LEAK_FILE_TIME", f"{what} correlate with the times of {where}.")
        chance, strength = number_association(sizes, labels)
        if chance < LIMIT and strength > 0.5:
            yield Leak("E_LEAK_FILE_SIZE", f"{what} correlate with the sizes of {where}.")
        if (how := texts(str(one.name.parent / one.name.suffix.lstrip(".")) for one in found)) is not None:
            yield Leak("E_LEAK_FILE_NAME", f"{what} can be read from folders or endings of {where}: {how}.")
        if (how := texts(one.header for one in found)) is not None:
            yield Leak("E_LEAK_FILE_NAME", f"{what} can be read from owners, modes or remarks of {where}: {how}.")


def _by_id(members: Iterable[Member], answers: Answers) -> list[dict[int, Member]]:
    """Row to file, in each folder at the top and, where no id names two files, in all of it."""
    place = {str(text): row for row, text in enumerate(answers.ids)}
    parts: dict[str, dict[int, Member]] = {}
    whole: dict[int, Member] = {}
    unique = True
    for one in members:
        row = place.get(one.name.stem, place.get(one.name.stem.lstrip("0") or "0"))
        if row is not None:
            parts.setdefault(one.name.parts[0] if len(one.name.parts) > 1 else "", {})[row] = one
            unique = unique and row not in whole
            whole[row] = one
    return [*parts.values(), whole] if unique and len(parts) > 1 else list(parts.values())


def _members(path: Path) -> Iterator[Member]:
    """The plain files of an archive, in its order; none of one that cannot be read, up to where it cannot."""
    with contextlib.suppress(*UNREADABLE):
        if zipfile.is_zipfile(path):
            yield from _of_zip(path)
        else:
            yield from _of_tar(path)


def _of_zip(path: Path) -> Iterator[Member]:
    with zipfile.ZipFile(path) as archive:
        for place, one in enumerate(archive.infolist()):
            name = PurePosixPath(one.filename)
            if one.is_dir() or not name.name:
                continue
            year, month, day, hour, minute, second = one.date_time
            time = ((((year * 12 + month) * 31 + day) * 24 + hour) * 60 + minute) * 60 + second
            picture = name.suffix.lower() in PICTURES and one.file_size <= LARGEST_PICTURE
            beside = beside_pixels(archive.read(one)) if picture else ""
            remark = (one.comment + b" " + one.extra).decode("latin-1")[:LONGEST_TEXT]
            header = f"{one.external_attr} {one.create_system} {remark}"
            yield Member(name, place, one.file_size, float(time), header, beside)


def _of_tar(path: Path) -> Iterator[Member]:
    with tarfile.open(path) as archive:
        for place, one in enumerate(archive):
            name = PurePosixPath(one.name.removeprefix("./"))
            if not one.isfile() or not name.name:
                continue
            stream = archive.extractfile(one)
            picture = name.suffix.lower() in PICTURES and one.size <= LARGEST_PICTURE
            beside = beside_pixels(stream.read()) if picture and stream is not None else ""
            pax = " ".join(
                text for key, text in sorted(one.pax_headers.items()) if key not in ("mtime", "path", "size")
            )
            header = f"{one.mode} {one.uid} {one.gid} {one.uname} {one.gname} {pax[:LONGEST_TEXT]}"
            yield Member(name, place, one.size, float(one.mtime), header, beside)


def beside_pixels(data: bytes) -> str:
    """What a PNG or a JPEG holds beside its pixels, as text: chunks, segments, and what follows its end."""
    with contextlib.suppress(struct.error, zlib.error):
        if data.startswith(b"\x89PNG\r\n\x1a\n"):
            return _said(_of_png(data))
        if data.startswith(b"\xff\xd8"):
            return _said(_of_jpeg(data))
    return ""


def _said(parts: Iterable[bytes]) -> str:
    return b" ".join(parts).decode("latin-1")[:LONGEST_TEXT]


def _of_png(data: bytes) -> Iterator[bytes]:
    at = 8
    while at + 12 <= len(data):
        (size,), kind = struct.unpack_from(">I", data, at), data[at + 4 : at + 8]
        body = data[at + 8 : at + 8 + size]
        at += 12 + size
        if kind in (b"zTXt", b"iTXt", b"iCCP") and (begin := body.find(b"\x78")) >= 0:
            with contextlib.suppress(zlib.error):
                body = body[:begin] + b" " + zlib.decompressobj().decompress(body[begin:], LONGEST_TEXT)
        if kind not in CRITICAL:
            yield kind + b" " + body
        if kind == b"IEND":
            yield data[at:]
            return


def _of_jpeg(data: bytes) -> Iterator[bytes]:
    at = 2
    while at + 4 <= len(data) and data[at] == 0xFF:
        kind, (size,) = data[at + 1], struct.unpack_from(">H", data, at + 2)
        if kind == 0xDA:  # the pixels
            break
        if 0xE0 <= kind <= 0xEF or kind == 0xFE:
            yield data[at + 4 : at + 2 + size]
        at += 2 + size
    yield data[data.rfind(b"\xff\xd9") + 2 :]
