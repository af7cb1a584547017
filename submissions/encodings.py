"""JPEG and PNG files, checked by their headers before they are decoded, and stripped of everything but the pixels."""

from __future__ import annotations

import struct
import zlib

from submissions.text import MAGIC
from tasks.formats import ImagesFormat

MAX_SEGMENTS = 200  # of a JPEG before its first scan
MAX_SCANS = 100  # of a progressive JPEG; encoders write ten

TRUNCATED = ("E_IMAGE_BROKEN", "truncated or damaged; check that your program closed the file")
DAMAGED = ("E_IMAGE_BROKEN", "a damaged header; write the file again")

AS_RGB = 'expected RGB; in Pillow, image.convert("RGB") before saving'

_PNG = b"\x89PNG\r\n\x1a\n"
OTHER_KINDS = (*MAGIC, (b"GIF8", "a GIF image"), (b"BM", "a BMP image"), (b"RIFF", "a WebP image"))
_FRAMES = {0xC0, 0xC1, 0xC2}  # baseline, extended, progressive
_OTHER_FRAMES = {0xC3, *range(0xC5, 0xC8), *range(0xC9, 0xCC), *range(0xCD, 0xD0)}
_BARE = {0x01, *range(0xD0, 0xD8)}  # markers without a length


def _other_kind(content: bytes, expected: str) -> tuple[str, str]:
    if not content:
        return "E_IMAGE_BROKEN", "an empty file"
    what = next((what for magic, what in OTHER_KINDS if content.startswith(magic)), "not an image")
    return "E_IMAGE_KIND", f"expected a {expected} file, this is {what}; renaming is not enough"


def jpeg_fault(content: bytes, form: ImagesFormat) -> bytes | tuple[str, str]:
    """The JPEG without its metadata, or its fault as (code, advice)."""
    if not content.startswith(b"\xff\xd8\xff"):
        return _other_kind(content, "JPEG")
    kept, at, frame = [b"\xff\xd8"], 2, b""
    for _ in range(MAX_SEGMENTS):
        # Any number of fill bytes may stand before a marker.
        while content[at : at + 2] == b"\xff\xff":
            at += 1
        if at + 4 > len(content) or content[at] != 0xFF:
            return TRUNCATED
        marker = content[at + 1]
        if marker in _BARE:
            at += 2
            continue
        end = at + 2 + int.from_bytes(content[at + 2 : at + 4])
        if marker in _OTHER_FRAMES:
            return "E_IMAGE_KIND", "expected a baseline or progressive JPEG; save it with Pillow or OpenCV"
        if marker in _FRAMES:
            if frame or end - at < 10 or end > len(content):
                return DAMAGED
            frame = content[at + 4 : end]
        if marker == 0xDA:
            break
        if not (0xE1 <= marker <= 0xED or marker in (0xEF, 0xFE)):
            kept.append(content[at:end])
        at = end
    else:
        return DAMAGED
    if not frame or content.count(b"\xff\xda", at) > MAX_SCANS:
        return DAMAGED
    depth, height, width, colours = struct.unpack(">BHHB", frame[:6])
    if depth != 8:
        return "E_IMAGE_KIND", "expected 8 bits per colour; save it with Pillow or OpenCV"
    if (width, height) != (form.width, form.height):
        return "E_IMAGE_PIXELS", f"{width} × {height} pixels, expected {form.width} × {form.height}"
    if colours != 3:
        mode = {1: "grey", 4: "CMYK"}.get(colours, f"{colours} colours")
        return "E_IMAGE_MODE", f"{mode}, {AS_RGB}"
    return b"".join(kept) + content[at:]


def png_fault(content: bytes, form: ImagesFormat) -> bytes | tuple[str, str]:
    """The PNG with its header and pixels alone, or its fault as (code, advice).

    Pillow returns black rows where the compressed data end early, so they are expanded and counted here.
    """
    if not content.startswith(_PNG):
        return _other_kind(content, "PNG")
    at = len(_PNG)
    pieces: list[bytes] = []
    kinds: list[bytes] = []
    while not kinds or kinds[-1] != b"IEND":
        size, kind = int.from_bytes(content[at : at + 4]), content[at + 4 : at + 8]
        piece, check = content[at + 8 : at + 8 + size], content[at + 8 + size : at + 12 + size]
        if len(check) < 4:
            return TRUNCATED
        if kind in (b"IHDR", b"IDAT") and zlib.crc32(kind + piece) != int.from_bytes(check):
            return TRUNCATED
        if (kind == b"IHDR") != (not kinds) or (kind == b"IDAT" and kind in kinds and kinds[-1] != kind):
            return DAMAGED
        if not kinds:
            fault = _png_header_fault(piece, form)
            if fault is not None:
                return fault
            header = piece
        if kind == b"IDAT":
            pieces.append(piece)
        elif kind == b"tRNS":
            return "E_IMAGE_MODE", f"a transparent colour, {AS_RGB}"
        elif kind not in (b"IHDR", b"PLTE", b"IEND") and kind[:1].isupper():
            return "E_IMAGE_KIND", "a PNG of an unknown kind; save it with Pillow or OpenCV"
        kinds.append(kind)
        at += 12 + size
    packed, most = b"".join(pieces), form.height * (1 + 3 * form.width)
    stream = zlib.decompressobj()
    try:
        rows = stream.decompress(packed, most + 1)
    except zlib.error:
        return TRUNCATED
    if len(rows) != most or not stream.eof or max(rows[:: 1 + 3 * form.width]) > 4:
        return TRUNCATED
    return _PNG + b"".join(map(_chunk, (b"IHDR", b"IDAT", b"IEND"), (header, packed, b"")))


def _png_header_fault(header: bytes, form: ImagesFormat) -> tuple[str, str] | None:
    if len(header) != 13:
        return DAMAGED
    width, height, depth, colours, packing, filtering, interlaced = struct.unpack(">IIBBBBB", header)
    if (width, height) != (form.width, form.height):
        return "E_IMAGE_PIXELS", f"{width} × {height} pixels, expected {form.width} × {form.height}"
    if colours != 2:
        modes = {0: "grey", 3: "a palette", 4: "grey with transparency", 6: "RGB with transparency"}
        mode = modes.get(colours, "unknown colours")
        return "E_IMAGE_MODE", f"{mode}, {AS_RGB}"
    if depth != 8:
        return "E_IMAGE_KIND", "expected 8 bits per colour; save it with Pillow or OpenCV"
    if interlaced == 1:
        return "E_IMAGE_KIND", "interlaced, expected a PNG that is not; save it with Pillow or OpenCV"
    return DAMAGED if packing or filtering or interlaced else None


def _chunk(kind: bytes, content: bytes) -> bytes:
    return len(content).to_bytes(4) + kind + content + zlib.crc32(kind + content).to_bytes(4)
