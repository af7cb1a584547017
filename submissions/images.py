"""The strict reader of image submissions: a gzipped tar archive of JPEG or PNG files of known names, read in memory.

Nothing is written to disk, names in the archive are only compared, and every length is limited before it is trusted:
the expanded archive, the number of members, the bytes of a member, the size of an image by its header before decoding.
The tar headers (POSIX.1-2017, pax, section "ustar Interchange Format") are read here, since it is enough to find plain
files and to name everything else.

`./1.jpg` counts as `1.jpg`, and an entry for `./` itself or for a folder of expected names is skipped, as
`tar czf x.tgz ./*` and `tar czf x.tgz -C FOLDER .` write them. Only the pixels of an image are read: APPn segments and
comments of a JPEG (EXIF rotation, colour profiles, previews) and ancillary chunks of a PNG are dropped unread; a plain
`Image.open` does not apply them either.
"""

from __future__ import annotations

import io
import re
import struct
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from submissions.encodings import OTHER_KINDS, TRUNCATED, jpeg_fault, png_fault
from submissions.text import CODES as COMMON
from submissions.text import Report, clip, empty, refusal, too_large
from tasks.base import Columns
from tasks.formats import ImagesFormat

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

CODES: dict[str, str] = {code: COMMON[code] for code in ("E_EMPTY", "E_SIZE")} | {
    "E_NOT_TGZ": (
        "The file is not a gzipped tar archive: a zip, a plain tar, an image, another compression. Write it with "
        "tar czf, inside the folder of the images."
    ),
    "E_ARCHIVE": "The archive is truncated or damaged, or other bytes follow its end. Write it again.",
    "E_EXPANDED": "The archive expands to more bytes than the images need. Check its contents.",
    "E_MEMBERS": "The archive has far more entries than expected images. Include only the images.",
    "E_MEMBER_PATH": (
        "An entry has an absolute path, or one through a parent folder. Create the archive from inside the folder "
        "of the images."
    ),
    "E_MEMBER_LINK": (
        "An entry is a symbolic or a hard link. Archive the files themselves: tar --dereference --hard-dereference"
    ),
    "E_MEMBER_DEVICE": "An entry is a device or a pipe. Archive plain files only.",
    "E_MEMBER_KIND": (
        "An entry is not a plain file: a sparse file, a part of a volume, a header that hides its real size. "
        "Write the archive with tar czf, inside the folder of the images."
    ),
    "E_MEMBER_FOLDER": (
        "The archive has an unexpected folder, or files inside one. Create it from inside the folder of the images."
    ),
    "E_MEMBER_SYSTEM": (
        "The archive has files that macOS adds: ._*, .DS_Store, __MACOSX. Write it with COPYFILE_DISABLE=1."
    ),
    "E_MEMBER_CASE": "A name differs from the expected one in capitals. Use the names of the sample submission.",
    "E_MEMBER_UNKNOWN": (
        "The archive has an unexpected file. Include only the images, with the names of the sample submission."
    ),
    "E_MEMBER_TWICE": "The archive has two files with the same name. Include each image once.",
    "E_MEMBER_MISSING": "An expected image is missing. Include every image of the sample submission.",
    "E_MEMBER_SIZE": "An image, or its header, is too large. Save the images again without texts and other metadata.",
    "E_IMAGE_KIND": (
        "A file is not an image of the expected kind: a baseline or progressive JPEG with 8 bits, or a PNG with 8 bits "
        "that is not interlaced. Save it with Pillow or OpenCV; renaming is not enough."
    ),
    "E_IMAGE_PIXELS": "An image does not have the expected width and height. Resize it before saving.",
    "E_IMAGE_MODE": (
        "An image is not RGB: grey, CMYK, a palette, transparency. Convert it before saving; in Pillow, convert(RGB)."
    ),
    "E_IMAGE_BROKEN": "An image is truncated or damaged. Save it again, and close the file.",
}
"""The error codes for an archive of images."""

BLOCK = 512
LINKS, DEVICES, FOLDER = b"12", b"346", b"5"
MAX_HEADER = 2**16  # bytes of an extended header
MAX_RECORDS = 100  # of a pax header
MAX_PARTS = 1000  # gzip members


_RECORD = re.compile(rb"([0-9]{1,6}) ([^=\n]{1,200})=")  # of a pax header, before its value


@dataclass
class Faults:
    """Faulty members by code and advice; each pair is reported as one problem with its count and first names."""

    found: dict[tuple[str, str], list[str]] = field(default_factory=dict)

    def add(self, code: str, name: str, advice: str) -> None:
        self.found.setdefault((code, advice), []).append(name)

    def tell(self, report: Report) -> None:
        for (code, advice), names in self.found.items():
            first = ", ".join(clip(name) for name in names[:3]) + (", …" if len(names) > 3 else "")
            count = "" if len(names) == 1 else f"{len(names):,} entries: "
            report.file(code, f"{count}{first}: {advice}.", found=names[0])


def read_images(data: bytes, form: ImagesFormat) -> Columns:
    """The pixels of an archive, `{"image": uint8 (n, height, width, 3)}`, in the order of `form.files`.

    Raises SubmissionError with every problem found.
    """
    if len(data) > form.max_bytes:
        raise too_large(len(data), form.max_bytes)
    if not data:
        raise empty()
    report, faults = Report(), Faults()
    files = _files(_expanded(data, form), form, faults)
    images = _decoded(files, form, faults)
    missing = [name for name in form.files if name not in files]
    if missing:
        names = missing[0] if len(missing) == 1 else f"{len(missing):,} images, first {', '.join(missing[:3])}"
        message = f"{names}: not in the archive, expected {_expected(form)}."
        report.file("E_MEMBER_MISSING", message, expected=missing[0])
    faults.tell(report)
    report.end()
    return {"image": images}


def _expected(form: ImagesFormat) -> str:
    """The names of the images, in words."""
    first, last = form.files[0], form.files[-1]
    return f"{len(form):,} images with names such as {first}" if form.names else f"{first} to {last}"


def _tar(form: ImagesFormat, file: str = "x.tgz") -> str:
    """The command that writes the archive."""
    shallow = not any("/" in name for name in form.names)
    return f"tar czf {file} {'*.' + form.files[0].rpartition('.')[2] if shallow else '*'}"


# The archive.


def _expanded(data: bytes, form: ImagesFormat) -> bytes:
    """The tar bytes of a gzip file, which may have several members (RFC 1952) and trailing zeros."""
    if not data.startswith(b"\x1f\x8b"):
        kinds = ((b"PK\x03\x04", "a zip archive"), *OTHER_KINDS)
        what = next((what for magic, what in kinds if data.startswith(magic)), None)
        if what is None and data[257:262] == b"ustar":
            what = "an uncompressed tar archive"
        what = f"this is {what}" if what else "this file does not start like one"
        raise refusal("E_NOT_TGZ", f"Expected a gzipped tar archive, {what}; write it with: {_tar(form)}")
    most = 8 * form.max_bytes + form.count * 16 * BLOCK
    parts: list[bytes] = []
    total, rest = 0, data
    for _ in range(MAX_PARTS):
        if not rest.startswith(b"\x1f\x8b"):
            break
        stream = zlib.decompressobj(wbits=31)
        try:
            part = stream.decompress(rest, most - total + 1)
        except zlib.error:
            raise refusal("E_ARCHIVE", "The gzip data are damaged; create the archive again.") from None
        total += len(part)
        if total > most:
            large = _largest(b"".join((*parts, part)))
            message = f"The archive expands to more than {most:,} bytes{large}; submit only the images."
            raise refusal("E_EXPANDED", message)
        if not stream.eof:
            raise refusal("E_ARCHIVE", "The archive is truncated; check that your program closed it, or copy it again.")
        parts.append(part)
        rest = stream.unused_data
    if rest.strip(b"\0"):
        raise refusal("E_ARCHIVE", f"{len(rest):,} bytes follow the end of the gzip data; create the archive again.")
    return b"".join(parts)


def _largest(tar: bytes) -> str:
    """The entry with which a cut archive ends, in words; empty where no header leads to it."""
    at = 0
    while len(header := tar[at : at + BLOCK]) == BLOCK and (size := _number(header[124:136])) and _checked(header):
        name, at = _text(header[:100]), at + BLOCK + -(-size // BLOCK) * BLOCK
        if at > len(tar):
            return f", {clip(name)} alone to {size:,}"
    return ""


def _files(tar: bytes, form: ImagesFormat, faults: Faults) -> dict[str, bytes]:
    """The expected files by name. All other members go to the faults."""
    files: dict[str, bytes] = {}
    expected = {name.lower(): name for name in form.files}
    folders = {"", ".", *(parent.as_posix() for name in form.names for parent in PurePosixPath(name).parents)}
    most = 64 * 1024 + 4 * form.width * form.height
    for number, (name, kind, content) in enumerate(_members(tar, form)):
        if number > 3 * form.count + 100:
            raise refusal("E_MEMBERS", f"The archive has more than {number:,} entries, expected {form.count:,}.")
        bare = name.removeprefix("./")
        if kind == FOLDER and bare.rstrip("/") in folders:
            continue
        fault = _fault(bare, kind, form, expected, folders)
        if fault is not None:
            faults.add(fault[0], name, fault[1])
        elif bare in files:
            faults.add("E_MEMBER_TWICE", name, "appears twice in the archive, keep one file of each name")
        else:
            files[bare] = content
            if len(content) > most:
                how = "lower the quality and drop metadata" if form.encoding == "jpeg" else "save it without metadata"
                faults.add("E_MEMBER_SIZE", name, f"more than {most:,} bytes, {how}")
    return files


def _fault(
    name: str, kind: bytes, form: ImagesFormat, names: Mapping[str, str], folders: set[str]
) -> tuple[str, str] | None:
    """The fault of a member as (code, advice), or None for an expected plain file.

    `names` are the expected ones by their spelling in lower case.
    """
    parts = name.replace("\\", "/").split("/")
    expected, inside = names.get(name.lower()), f"run tar inside the folder: {_tar(form, '../x.tgz')}"
    if name.startswith(("/", "\\")) or ".." in parts or re.match("[A-Za-z]:", name):
        return "E_MEMBER_PATH", f"only plain names such as {form.files[0]} are accepted; {inside}"
    if kind in LINKS:
        return "E_MEMBER_LINK", "a link, submit the file itself (tar: --dereference --hard-dereference)"
    if kind in DEVICES:
        return "E_MEMBER_DEVICE", "a device or a pipe, submit only plain files"
    if any(part.startswith("._") or part in (".DS_Store", "__MACOSX") for part in parts):
        return "E_MEMBER_SYSTEM", f"added by macOS, write it without: COPYFILE_DISABLE=1 {_tar(form)}"
    if kind == FOLDER or (len(parts) > 1 and expected is None and "/".join(parts[:-1]) not in folders):
        which = "this folder is unexpected" if len(folders) > 2 else "folders are not accepted"
        return "E_MEMBER_FOLDER", f"{which}; {inside}"
    if kind not in b"0\0" or not kind:
        return "E_MEMBER_KIND", f"not a plain file; create the archive with: {_tar(form)}"
    if expected is not None:
        return None if name == expected else ("E_MEMBER_CASE", f"capitals matter, expected {expected}")
    if not form.names and name == form.files[0].replace("1", "0"):
        return "E_MEMBER_UNKNOWN", "count from 1, not from 0"
    return "E_MEMBER_UNKNOWN", f"unexpected, expected {_expected(form)}"


def _members(tar: bytes, form: ImagesFormat) -> Iterator[tuple[str, bytes, bytes]]:
    """Name, kind and content of each entry. A kind that cannot be trusted is b"?"."""
    at, extended = 0, None
    while at < len(tar):
        header = tar[at : at + BLOCK]
        if not header.strip(b"\0"):
            if tar[at:].strip(b"\0"):
                raise refusal("E_ARCHIVE", "Other bytes follow the end of the tar archive; create it again.")
            return
        size = _number(header[124:136])
        if len(header) < BLOCK or size is None or not _checked(header):
            what = "a tar archive inside the gzip file" if at == 0 else f"a tar header at byte {at:,}"
            code = "E_NOT_TGZ" if at == 0 else "E_ARCHIVE"
            raise refusal(code, f"Expected {what}, found other bytes; write it with: {_tar(form)}")
        kind, at = header[156:157], at + BLOCK
        if kind in LINKS + DEVICES + FOLDER:
            size = 0
        content = tar[at : at + size]
        at += -(-size // BLOCK) * BLOCK
        if at > len(tar):
            raise refusal("E_ARCHIVE", "The last entry of the archive is truncated; create it again.")
        if kind in b"xgXLK" and kind:
            if size > MAX_HEADER:
                raise refusal(
                    "E_MEMBER_SIZE", f"An entry has a header of {size:,} bytes; at most {MAX_HEADER:,} are read."
                )
            extended = _extended(kind, content, extended)
            continue
        name = _text(header[:100])
        if header[257:262] == b"ustar" and header[263:265] == b"00" and header[345]:
            name = f"{_text(header[345:500])}/{name}"
        if extended is not None:
            name, kind = extended[0] or name, extended[1] or kind
            extended = None
        yield name, kind, content


def _extended(kind: bytes, content: bytes, before: tuple[str, bytes] | None) -> tuple[str, bytes] | None:
    """The name and kind that an extended header gives the next entry; empty means unchanged.

    Times, owners and the like are skipped; a field that changes size or link target makes the kind "?".
    """
    name, new = before or ("", b"")
    if kind == b"L":
        return _text(content), new
    if kind == b"K":
        return name, b"?"
    at = 0
    for _ in range(MAX_RECORDS):
        if at >= len(content):
            return name, new
        record = _RECORD.match(content, at)
        end = at + int(record[1]) if record else 0
        if record is None or end <= record.end() or content[end - 1 : end] != b"\n":
            return name, b"?"
        key, value = record[2], content[record.end() : end - 1]
        if key == b"path" and kind != b"g":
            name = _text(value)
        elif key in (b"path", b"size", b"linkpath") or key.startswith(b"GNU.sparse"):
            new = b"?"
        at = end
    return name, b"?"


def _text(raw: bytes) -> str:
    return raw.partition(b"\0")[0].decode("utf-8", "surrogateescape")


def _number(raw: bytes) -> int | None:
    """An octal number of a tar header; None for other encodings, such as base 256 from 8 GiB on."""
    digits = raw.strip(b" \0")
    return int(digits, 8) if re.fullmatch(b"[0-7]+", digits) else (0 if not digits else None)


def _checked(header: bytes) -> bool:
    """Whether the checksum of the header is correct."""
    return _number(header[148:156]) == sum(header) - sum(header[148:156]) + 8 * 32


# The images.


def _decoded(files: dict[str, bytes], form: ImagesFormat, faults: Faults) -> NDArray[np.uint8]:
    """The pixels of all valid files; the others go to the faults."""
    import numpy as np
    from PIL.JpegImagePlugin import JpegImageFile
    from PIL.PngImagePlugin import PngImageFile

    opened, checked = (JpegImageFile, jpeg_fault) if form.encoding == "jpeg" else (PngImageFile, png_fault)
    images = np.zeros((form.count, form.height, form.width, 3), np.uint8)
    for place, name in enumerate(form.files):
        content = files.get(name)
        if content is None:
            continue
        fault = checked(content, form)
        if isinstance(fault, tuple):
            faults.add(fault[0], name, fault[1])
            continue
        try:
            with opened(io.BytesIO(fault)) as image:
                pixels = np.asarray(image)
        except (OSError, SyntaxError, ValueError, LookupError, TypeError, EOFError, struct.error, MemoryError):
            pixels = None
        if pixels is None or pixels.shape != images.shape[1:]:
            faults.add(TRUNCATED[0], name, TRUNCATED[1])
        else:
            images[place] = pixels
    return images
