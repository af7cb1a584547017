"""Archives of PNGs under given names: read to the pixel, and as strictly as JPEGs."""

from __future__ import annotations

import io
import random
import struct
import tarfile
import tracemalloc
import zlib
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from submissions.images import CODES
from submissions.reader import read
from tasks.base import SubmissionError
from tasks.formats import ImagesFormat
from tests import test_images as jpegs
from tests.test_images import COUNT, SHARED, SIDE, Entry, codes, entry, exif, pixels, plain, refusal, tgz

NAMES = ("plane/1.png", "plane/2.png", "ship/Deep/1.png", "cat.png")
FORM = ImagesFormat(len(NAMES), SIDE, SIDE, 50_000, "png", NAMES)
NUMBERED = ImagesFormat(COUNT, SIDE, SIDE, 50_000, "png")
KINDS = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
REAL = tuple(f"{kind}/{kind}{number}.png" for kind in KINDS for number in range(1, 21))


def png(number: int = 1, mode: str = "RGB", size: tuple[int, int] = (SIDE, SIDE), **options: object) -> bytes:
    file = io.BytesIO()
    pixels(number, mode, size).save(file, "PNG", **options)
    return file.getvalue()


def good() -> list[Entry]:
    return [entry(name, png(number)) for number, name in enumerate(NAMES)]


def moved(names: Callable[[str], str]) -> list[Entry]:
    return [entry(names(member.name), data) for member, data in good()]


def swapped(data: bytes, name: str = NAMES[0]) -> bytes:
    """The good archive with other bytes, or another name, for its first image."""
    return tgz([entry(name, data), *good()[1:]])


def folders(*names: str) -> list[Entry]:
    return [entry(name, kind=tarfile.DIRTYPE) for name in names]


def chunk(kind: bytes, content: bytes = b"") -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def header(width: int = SIDE, height: int = SIDE, depth: int = 8, packing: int = 0, interlaced: int = 0) -> bytes:
    return chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, 2, packing, 0, interlaced))


def built(*chunks: bytes) -> bytes:
    """The archive whose first image has these chunks after the signature."""
    return swapped(b"\x89PNG\r\n\x1a\n" + b"".join(chunks))


def packed(rows: bytes) -> bytes:
    return chunk(b"IDAT", zlib.compress(rows))


ROWS, END = bytes(SIDE * (1 + 3 * SIDE)), chunk(b"IEND")
TEXT = chunk(b"tEXt", b"a\0b")

TAKEN: dict[str, Callable[[], bytes]] = {
    "as it should be": lambda: tgz(good()),
    "with its folders": lambda: tgz(folders("plane/", "ship", "ship/Deep/") + good(), tarfile.GNU_FORMAT),
    "with its folders and ./": lambda: tgz(folders("./", "./plane/", "./ship/Deep") + moved("./{}".format)),
    "in any order": lambda: tgz(good()[::-1]),
    "in many pieces": lambda: built(
        header(), *(chunk(b"IDAT", bytes([byte])) for byte in zlib.compress(ROWS)), END
    ),
    "with a suggested palette": lambda: built(header(), chunk(b"PLTE", bytes(6)), packed(ROWS), END),
    "with texts": lambda: built(header(), chunk(b"zTXt", b"a\0\0" + zlib.compress(b"b" * 99)), TEXT, packed(ROWS), END),
    "with dots per inch, a profile and EXIF": lambda: swapped(png(0, dpi=(9, 9), icc_profile=b"x" * 99, exif=exif())),
    "with every row filter": lambda: built(
        header(),
        packed(b"".join(bytes([row % 5]) + bytes(range(row, row + 3 * SIDE)) for row in range(SIDE))),
        END,
    ),
    "with bytes after its end": lambda: swapped(png(0) + b"more"),
    "as an animation, of which the first picture counts": lambda: swapped(
        png(0, save_all=True, append_images=[pixels(5)])
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", TAKEN)
def test_an_archive_of_pngs_under_given_names_is_read_to_the_pixel(name: str) -> None:
    data = TAKEN[name]()
    images = read(data, FORM)["image"]
    assert np.array_equal(images, plain(data, FORM))
    assert np.array_equal(images[1], np.asarray(pixels(1)))


def test_a_bomb_in_a_text_is_not_expanded() -> None:
    bomb = chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(6 * 10**7)))  # some 58 kB, which fit in a file
    data = built(header(), bomb, packed(ROWS), END)
    tracemalloc.start()
    try:
        assert not read(data, FORM)["image"][0].any()
        assert tracemalloc.get_traced_memory()[1] < 2**20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("kind", "code"), [(b"tEXt", "E_EXPANDED"), (b"zTXt", "E_MEMBER_SIZE"), (b"iCCP", "E_MEMBER_SIZE")]
)
def test_a_text_of_100_mb_is_refused_and_its_picture_named(kind: bytes, code: str) -> None:
    text = bytes(10**8) if kind == b"tEXt" else b"\0" + zlib.compress(bytes(10**8))
    with pytest.raises(SubmissionError) as caught:
        read(built(header(), chunk(kind, b"a\0" + text), packed(ROWS), END), replace(FORM, max_bytes=10**6))
    (problem,) = caught.value.problems
    assert problem.code == code
    assert NAMES[0] in problem.message


def test_pngs_may_be_numbered_too() -> None:
    data = tgz([entry(f"{number}.png", png(number)) for number in range(1, COUNT + 1)])
    assert np.array_equal(read(data, NUMBERED)["image"], plain(data, NUMBERED))
    with pytest.raises(SubmissionError, match=r"E_MEMBER_UNKNOWN.*expected 1\.png to 4\.png"):
        read(tgz(jpegs.good()), NUMBERED)


def test_jpegs_may_have_given_names_too() -> None:
    form = ImagesFormat(1, SIDE, SIDE, 50_000, names=("a/x.jpg",))
    assert read(tgz([entry("a/x.jpg", jpegs.jpeg(3))]), form)["image"].shape == (1, SIDE, SIDE, 3)


@pytest.mark.skipif(not SHARED.is_dir(), reason="the real submissions are not in ../shared/data")
def test_the_real_attacks_are_taken_as_a_plain_loop_reads_them() -> None:
    form = ImagesFormat(200, 32, 32, 2_000_000, "png", REAL)
    paths = sorted((SHARED.parent / "hw10-2022").glob("*.tgz"))
    assert paths
    for path in paths:
        data = path.read_bytes()
        assert np.array_equal(read(data, form)["image"], plain(data, form)), path.name


REFUSED: dict[str, tuple[str, Callable[[], bytes]]] = {
    "a folder around all": ("E_MEMBER_FOLDER", lambda: tgz(moved("mine/{}".format))),
    "an unexpected folder": ("E_MEMBER_FOLDER", lambda: tgz(good() + folders("plane/more"))),
    "a folder in other capitals": ("E_MEMBER_FOLDER", lambda: tgz(good() + folders("Plane"))),
    "without its folder": ("E_MEMBER_UNKNOWN", lambda: swapped(png(), "1.png")),
    "a name in other capitals": ("E_MEMBER_CASE", lambda: swapped(png(), "plane/1.PNG")),
    "another file in a folder": ("E_MEMBER_UNKNOWN", lambda: tgz([*good(), entry("plane/3.png", png())])),
    "a link for an image": ("E_MEMBER_LINK", lambda: tgz([entry(NAMES[0], b"", b"2", "2.png"), *good()[1:]])),
    "a link for a folder": ("E_MEMBER_LINK", lambda: tgz([entry("plane", b"", b"2", "/etc"), *good()])),
    "a folder of an image's name": ("E_MEMBER_FOLDER", lambda: tgz(folders("cat.png") + good()[:3])),
    "a path out of its folder": ("E_MEMBER_PATH", lambda: tgz([*good(), entry("plane/../../x.png", png())])),
    "backslashes": ("E_MEMBER_UNKNOWN", lambda: swapped(png(), "plane\\1.png")),
    "a name twice": ("E_MEMBER_TWICE", lambda: tgz([*good(), entry("./cat.png", png())])),
    "one missing": ("E_MEMBER_MISSING", lambda: tgz(good()[1:])),
    "a large image": ("E_MEMBER_SIZE", lambda: swapped(png() + bytes(70_000))),
    "a JPEG renamed": ("E_IMAGE_KIND", lambda: swapped(jpegs.jpeg())),
    "a BMP renamed": ("E_IMAGE_KIND", lambda: swapped(jpegs.other("BMP"))),
    "nothing": ("E_IMAGE_BROKEN", lambda: swapped(b"")),
    "grey": ("E_IMAGE_MODE", lambda: swapped(png(mode="L"))),
    "a palette": ("E_IMAGE_MODE", lambda: swapped(png(mode="P"))),
    "black and white": ("E_IMAGE_MODE", lambda: swapped(png(mode="1"))),
    "transparency": ("E_IMAGE_MODE", lambda: swapped(png(mode="RGBA"))),
    "grey with transparency": ("E_IMAGE_MODE", lambda: swapped(png(mode="LA"))),
    "a transparent colour": ("E_IMAGE_MODE", lambda: built(header(), chunk(b"tRNS", bytes(6)), packed(ROWS), END)),
    "16 bits": ("E_IMAGE_KIND", lambda: built(header(depth=16), packed(ROWS), END)),
    "interlaced": ("E_IMAGE_KIND", lambda: built(header(interlaced=1), packed(ROWS), END)),
    "an unknown chunk": ("E_IMAGE_KIND", lambda: built(header(), chunk(b"ABCD"), packed(ROWS), END)),
    "a small image": ("E_IMAGE_PIXELS", lambda: swapped(png(size=(8, 8)))),
    "2^31 pixels a side": ("E_IMAGE_PIXELS", lambda: built(header(2**31, 2**31), packed(ROWS), END)),
    "another compression": ("E_IMAGE_BROKEN", lambda: built(header(packing=1), packed(ROWS), END)),
    "a bomb of pixels": ("E_IMAGE_BROKEN", lambda: built(header(), packed(bytes(3 * 10**7)), END)),
    "fewer rows, which Pillow makes black": ("E_IMAGE_BROKEN", lambda: built(header(), packed(ROWS[:-49]), END)),
    "one byte more": ("E_IMAGE_BROKEN", lambda: built(header(), packed(ROWS + b"x"), END)),
    "an unknown row filter": ("E_IMAGE_BROKEN", lambda: built(header(), packed(b"\5" + ROWS[1:]), END)),
    "no pixels": ("E_IMAGE_BROKEN", lambda: built(header(), END)),
    "no end": ("E_IMAGE_BROKEN", lambda: built(header(), packed(ROWS))),
    "a wrong checksum": ("E_IMAGE_BROKEN", lambda: built(header(), packed(ROWS)[:-1] + b"x", END)),
    "a wrong checksum of the rows": (
        "E_IMAGE_BROKEN", lambda: built(header(), chunk(b"IDAT", zlib.compress(ROWS)[:-1] + b"x"), END)
    ),
    "cut pixels": ("E_IMAGE_BROKEN", lambda: built(header(), chunk(b"IDAT", zlib.compress(ROWS)[:-5]), END)),
    "a chunk longer than the file": ("E_IMAGE_BROKEN", lambda: built(header(), b"\xff\xff\xff\xffIDAT" + bytes(50))),
    "pixels in two places": ("E_IMAGE_BROKEN", lambda: built(header(), packed(ROWS), TEXT, packed(ROWS), END)),
    "two headers": ("E_IMAGE_BROKEN", lambda: built(header(), header(), packed(ROWS), END)),
    "no header": ("E_IMAGE_BROKEN", lambda: built(packed(ROWS), END)),
    "a short header": ("E_IMAGE_BROKEN", lambda: built(chunk(b"IHDR", bytes(12)), packed(ROWS), END)),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_it_refuses_among_pngs(name: str) -> None:
    code, build = REFUSED[name]
    data = build()
    tracemalloc.start()
    try:
        error = refusal(data, FORM)
        assert tracemalloc.get_traced_memory()[1] < 2**20
    finally:
        tracemalloc.stop()
    assert code in codes(error)
    assert codes(error) <= {code, "E_MEMBER_MISSING"}
    assert ".jpg" not in str(error)


def test_messages_about_given_names_show_one_of_them() -> None:
    text = str(refusal(tgz([entry("x.png", png()), entry("mine/1.png", png())]), FORM))
    assert "4 images, first plane/1.png, plane/2.png, ship/Deep/1.png: not in the archive, expected 4 images" in text
    assert "x.png: unexpected, expected 4 images with names such as plane/1.png." in text
    assert "mine/1.png: this folder is unexpected; run tar inside the folder: tar czf ../x.tgz *." in text


@pytest.mark.parametrize("seed", range(3))
def test_a_png_with_flipped_bytes_gives_its_own_pixels_or_is_refused(seed: int) -> None:
    rng = random.Random(seed)
    outcomes: set[str] = set()
    form = ImagesFormat(1, SIDE, SIDE, 50_000, "png")
    for _ in range(200):
        data = bytearray(png(1, icc_profile=b"x" * 50))
        for _ in range(rng.choice([1, 1, 2])):
            data[rng.randrange(8, len(data))] = rng.choice([0, 0xFF, 1, rng.randrange(256)])
        try:
            images = read(tgz([entry("1.png", bytes(data))]), form)["image"]
        except SubmissionError as error:
            outcomes |= codes(error)
        else:
            outcomes.add("read")
            assert np.array_equal(images[0], np.asarray(pixels(1)))
    assert {"read", "E_IMAGE_BROKEN"} <= outcomes <= {"read", *CODES}


@pytest.mark.parametrize(
    "names",
    [("a.png", "A.png"), ("a", "a"), ("../a.png",), ("/a.png",), ("a//b.png",), ("./a.png",), ("a\\b.png",), ("",)],
)
def test_names_that_clash_or_leave_the_archive_make_no_format(names: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="names"):
        ImagesFormat(len(names), names=names)
    with pytest.raises(ValueError, match="names"):
        ImagesFormat(2, names=("a",))
