"""Archives of images: what is taken has the pixels of a plain loop, what is hostile is refused by name, unwritten."""

from __future__ import annotations

import gzip
import io
import random
import struct
import tarfile
import tracemalloc
import zipfile
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from submissions.images import CODES, read_images
from submissions.reader import read
from tasks.base import SubmissionError
from tasks.formats import ImagesFormat

SHARED = Path(__file__).parents[1].parent / "shared" / "data" / "submissions" / "hw06-2022"
SIDE, COUNT = 16, 4
FORM = ImagesFormat(COUNT, SIDE, SIDE, 50_000)

Entry = tuple[tarfile.TarInfo, bytes]


def pixels(number: int, mode: str = "RGB", size: tuple[int, int] = (SIDE, SIDE)) -> Image.Image:
    """A picture that is another one for each number."""
    generator = np.random.default_rng(number)
    image = Image.fromarray(generator.integers(0, 256, (4, 4, 3), dtype=np.uint8))
    return image.resize(size, Image.Resampling.BICUBIC).convert(mode)


def jpeg(number: int = 1, mode: str = "RGB", size: tuple[int, int] = (SIDE, SIDE), **options: object) -> bytes:
    file = io.BytesIO()
    pixels(number, mode, size).save(file, "JPEG", **{"quality": 90, **options})
    return file.getvalue()


def other(kind: str) -> bytes:
    file = io.BytesIO()
    pixels(1).save(file, kind)
    return file.getvalue()


def entry(name: str, data: bytes = b"", kind: bytes = tarfile.REGTYPE, target: str = "") -> Entry:
    member = tarfile.TarInfo(name)
    member.size, member.type, member.linkname = len(data), kind, target
    return member, data


def good() -> list[Entry]:
    return [entry(f"{number}.jpg", jpeg(number)) for number in range(1, COUNT + 1)]


def tar(entries: Sequence[Entry], form: int = tarfile.USTAR_FORMAT) -> bytes:
    file = io.BytesIO()
    with tarfile.open(mode="w", fileobj=file, format=form) as archive:
        for member, data in entries:
            archive.addfile(member, io.BytesIO(data))
    return file.getvalue()


def tgz(entries: Sequence[Entry], form: int = tarfile.USTAR_FORMAT) -> bytes:
    return gzip.compress(tar(entries, form), mtime=0)


def swapped(number: int, data: bytes) -> bytes:
    """The good archive with other bytes for one image."""
    entries = good()
    entries[number - 1] = entry(f"{number}.jpg", data)
    return tgz(entries)


def plain(data: bytes, form: ImagesFormat) -> NDArray[np.uint8]:
    """The pixels as tarfile and Pillow give them."""
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        files = {member.name.removeprefix("./"): archive.extractfile(member) for member in archive if member.isfile()}
        images = [np.asarray(Image.open(files[name])) for name in form.files]  # type: ignore[arg-type]
    return np.stack(images)


def refusal(data: bytes, form: ImagesFormat = FORM) -> SubmissionError:
    with pytest.raises(SubmissionError) as caught:
        read_images(data, form)
    return caught.value


def codes(error: SubmissionError) -> set[str]:
    return {problem.code for problem in error.problems}


def outcome(data: bytes) -> str:
    """ "read" or "refused", after a check of what came."""
    try:
        images = read_images(data, FORM)["image"]
    except SubmissionError as refused:
        unknown = codes(refused) - set(CODES)
        return f"refused with {unknown}" if unknown else "refused"
    return "read" if images.shape == (COUNT, SIDE, SIDE, 3) else "read in another shape"


# What is taken.


def with_pax(headers: dict[str, str]) -> bytes:
    entries = good()
    for member, _ in entries:
        member.pax_headers = dict(headers)
    return tgz(entries, tarfile.PAX_FORMAT)


def with_folder(name: str) -> bytes:
    return tgz(
        [entry(name, kind=tarfile.DIRTYPE)] + [entry(f"./{member.name}", data) for member, data in good()],
        tarfile.GNU_FORMAT,
    )


def without_end(data: bytes) -> bytes:
    """A tar archive without the zeros after its last block."""
    return data[: -(-len(data.rstrip(b"\0")) // 512) * 512]


def exif() -> Image.Exif:
    tags = Image.Exif()
    tags[0x0112] = 6  # turned by 90 degrees
    return tags


TAKEN: dict[str, Callable[[], bytes]] = {
    "as it should be": lambda: tgz(good()),
    "in GNU's form": lambda: tgz(good(), tarfile.GNU_FORMAT),
    "in any order": lambda: tgz(good()[::-1]),
    "with ./ before each name": lambda: tgz([entry(f"./{member.name}", data) for member, data in good()]),
    "with an entry for ./ itself": lambda: with_folder("./"),
    "with an entry for . itself": lambda: with_folder("."),
    "with times and attributes in pax headers": lambda: with_pax({"mtime": "1.5", "LIBARCHIVE.xattr.a": "AA=="}),
    "with a name in a pax header": lambda: extended(b"x", record("path", "./1.jpg")),
    "with a name in a GNU header": lambda: extended(b"L", b"1.jpg\0"),
    "with a comment for all in a pax header": lambda: extended(b"g", record("comment", "made by a network")),
    "in two gzip members": lambda: gzip.compress(tar(good())[:1000]) + gzip.compress(tar(good())[1000:]),
    "with zeros after the gzip data": lambda: tgz(good()) + bytes(100),
    "without the blocks of zeros at the end": lambda: gzip.compress(without_end(tar(good()))),
    "progressive": lambda: swapped(2, jpeg(2, progressive=True)),
    "without chroma subsampling": lambda: swapped(2, jpeg(2, subsampling=0)),
    "with optimised tables": lambda: swapped(2, jpeg(2, optimize=True)),
    "with restart markers": lambda: swapped(2, jpeg(2, restart_marker_blocks=1)),
    "stored as RGB": lambda: swapped(2, jpeg(2, keep_rgb=True)),
    "with an EXIF rotation, which is not applied": lambda: swapped(2, jpeg(2, exif=exif())),
    "with a colour profile, which is not applied": lambda: swapped(2, jpeg(2, icc_profile=b"x" * 200)),
    "with a comment": lambda: swapped(2, jpeg(2, comment=b"made by a network")),
    "with bytes after the end of an image": lambda: swapped(2, jpeg(2) + b"more"),
}


@pytest.mark.parametrize("name", TAKEN)
def test_it_takes_an_archive_with_the_pixels_of_a_plain_loop(name: str) -> None:
    data = TAKEN[name]()
    read_back = read(data, FORM)
    assert list(read_back) == ["image"]
    assert read_back["image"].dtype == np.uint8
    assert read_back["image"].shape == (COUNT, SIDE, SIDE, 3)
    assert np.array_equal(read_back["image"], plain(data, FORM))


@pytest.mark.skipif(not SHARED.is_dir(), reason="the real submissions are not in ../shared/data")
@pytest.mark.parametrize("name", ["shihyu-90_5.tgz", "shihyu-200_4.tgz"])
def test_the_real_submissions_are_taken_as_a_plain_loop_reads_them(name: str) -> None:
    form = ImagesFormat(1000)
    data = (SHARED / name).read_bytes()
    images = read_images(data, form)["image"]
    assert images.shape == (1000, 64, 64, 3)
    assert np.array_equal(images, plain(data, form))


# What is refused.


def header(name: str, size: bytes, kind: bytes = b"0") -> bytes:
    """A tar header with any bytes as its size, with a right checksum."""
    raw = bytearray(struct.pack("100s8s8s8s12s12s8sc", name.encode(), b"644", b"0", b"0", size, b"0", b" " * 8, kind))
    raw += b"\0" * (512 - len(raw))
    raw[257:263], raw[263:265] = b"ustar\0", b"00"
    raw[148:156] = f"{sum(raw):06o}\0 ".encode()
    return bytes(raw)


def extended(kind: bytes, content: bytes, size: int | None = None) -> bytes:
    """The good archive, with an extended header before its first entry."""
    block = header("PaxHeaders/1.jpg", f"{len(content) if size is None else size:011o}".encode(), kind)
    return gzip.compress(block + content + bytes(-len(content) % 512) + tar(good()), mtime=0)


def record(key: str, value: str) -> bytes:
    length = len(key) + len(value) + 3
    while len(f"{length} {key}={value}\n") != length:
        length = len(f"{length} {key}={value}\n")
    return f"{length} {key}={value}\n".encode()


def as_zip() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for member, data in good():
            archive.writestr(member.name, data)
    return file.getvalue()


def with_size(width: int, height: int) -> bytes:
    """A JPEG whose header tells another size than its data have."""
    data = jpeg()
    at = data.index(b"\xff\xc0")
    return data[: at + 5] + struct.pack(">HH", height, width) + data[at + 9 :]


def many_scans() -> bytes:
    """A progressive JPEG whose last scan is repeated."""
    data = jpeg(progressive=True)
    last = data.rindex(b"\xff\xda")
    return data[:-2] + data[last:-2] * 200 + data[-2:]


def bomb(size: int) -> bytes:
    """A gzip file of zeros, much larger than what it expands from."""
    stream = zlib.compressobj(9, wbits=31)
    piece = bytes(2**20)
    return b"".join(stream.compress(piece) for _ in range(size // 2**20)) + stream.flush()


def nested(levels: int) -> bytes:
    data = tgz(good())
    for _ in range(levels):
        data = gzip.compress(data)
    return data


def plus(*entries: Entry) -> bytes:
    return tgz(good() + list(entries))


REFUSED: dict[str, tuple[str, Callable[[], bytes]]] = {
    # Not what it should be as a whole.
    "an empty file": ("E_EMPTY", lambda: b""),
    "a file over the cap": ("E_SIZE", lambda: bytes(FORM.max_bytes + 1)),
    "a zip in disguise": ("E_NOT_TGZ", as_zip),
    "a plain tar": ("E_NOT_TGZ", lambda: tar(good())),
    "one image": ("E_NOT_TGZ", jpeg),
    "a bzip2 archive": ("E_NOT_TGZ", lambda: b"BZh91AY&SY" + bytes(90)),
    "text": ("E_NOT_TGZ", lambda: b"1.jpg\n2.jpg\n"),
    "gzip of something else": ("E_NOT_TGZ", lambda: gzip.compress(b"hello" * 300)),
    "gzip of a short text": ("E_NOT_TGZ", lambda: gzip.compress(b"hello")),
    "gzip in gzip": ("E_NOT_TGZ", lambda: nested(1)),
    "gzip of nothing": ("E_MEMBER_MISSING", lambda: gzip.compress(b"")),
    "an empty tar": ("E_MEMBER_MISSING", lambda: tgz([])),
    "a cut archive": ("E_ARCHIVE", lambda: tgz(good())[:-200]),
    "a cut gzip trailer": ("E_ARCHIVE", lambda: tgz(good())[:-4]),
    "a wrong gzip checksum": ("E_ARCHIVE", lambda: tgz(good())[:-8] + b"\0\1\2\3" + tgz(good())[-4:]),
    "bytes after the gzip data": ("E_ARCHIVE", lambda: tgz(good()) + b"more"),
    "bytes after the tar data": ("E_ARCHIVE", lambda: gzip.compress(tar(good()) + b"more")),
    "two archives in one": ("E_ARCHIVE", lambda: tgz(good()) + tgz(good())),
    "a tar cut within a member": ("E_ARCHIVE", lambda: gzip.compress(tar(good())[:1200])),
    "a wrong tar checksum": ("E_ARCHIVE", lambda: gzip.compress(tar(good()).replace(b"2.jpg", b"3.jpg"))),
    # Bombs.
    "a gzip bomb": ("E_EXPANDED", lambda: bomb(20 * 2**20)),
    "a gzip bomb in many members": ("E_EXPANDED", lambda: b"".join(bomb(2**20) for _ in range(20))),
    "many gzip members": ("E_ARCHIVE", lambda: tgz(good()) + gzip.compress(b"") * 2000),
    "many pax records": ("E_MEMBER_KIND", lambda: extended(b"x", record("a", "") * 8000)),
    "many entries": ("E_MEMBERS", lambda: tgz([entry("1.jpg")] * 200)),
    "a member of a huge size": ("E_ARCHIVE", lambda: gzip.compress(header("1.jpg", b"77777777777") + bytes(512))),
    "a member of a size in base 256": ("E_NOT_TGZ", lambda: gzip.compress(header("1.jpg", b"\x80" + b"\xff" * 11))),
    "a member of a negative size": ("E_NOT_TGZ", lambda: gzip.compress(header("1.jpg", b"-0000000001"))),
    "a large image file": ("E_MEMBER_SIZE", lambda: swapped(1, jpeg() + bytes(100_000))),
    "a large pax header": ("E_MEMBER_SIZE", lambda: extended(b"x", bytes(70_000))),
    "a pax header that tells too large a size": ("E_ARCHIVE", lambda: extended(b"x", b"", 8**11 - 1)),
    "a pax record that tells too large a size": ("E_MEMBER_KIND", lambda: extended(b"x", b"999999 path=a\n")),
    "a pax record without a size": ("E_MEMBER_KIND", lambda: extended(b"x", b"path=a\n")),
    "a pax record of size 0": ("E_MEMBER_KIND", lambda: extended(b"x", b"0 path=a\n")),
    "a pax record of a negative size": ("E_MEMBER_KIND", lambda: extended(b"x", b"-9 path=a\n")),
    "a pax size that hides another": ("E_MEMBER_KIND", lambda: extended(b"x", record("size", "1"))),
    "an image of many pixels": ("E_IMAGE_PIXELS", lambda: swapped(1, with_size(65500, 65500))),
    "a progressive image of many scans": ("E_IMAGE_BROKEN", lambda: swapped(1, many_scans())),
    # Names and kinds.
    "a parent path": ("E_MEMBER_PATH", lambda: plus(entry("../1.jpg", jpeg()))),
    "a parent path inside": ("E_MEMBER_PATH", lambda: plus(entry("a/../../1.jpg", jpeg()))),
    "a parent path with backslashes": ("E_MEMBER_PATH", lambda: plus(entry("..\\1.jpg", jpeg()))),
    "an absolute path": ("E_MEMBER_PATH", lambda: plus(entry("/tmp/1.jpg", jpeg()))),
    "a path with a drive": ("E_MEMBER_PATH", lambda: plus(entry("C:1.jpg", jpeg()))),
    "an absolute path in a pax header": ("E_MEMBER_PATH", lambda: extended(b"x", record("path", "/etc/passwd"))),
    "a parent path in a GNU header": ("E_MEMBER_PATH", lambda: extended(b"L", b"../../1.jpg\0")),
    "a symbolic link": ("E_MEMBER_LINK", lambda: plus(entry("5.jpg", b"", tarfile.SYMTYPE, "/etc/passwd"))),
    "a symbolic link for an image": ("E_MEMBER_LINK", lambda: tgz([*good()[1:], entry("1.jpg", b"", b"2", "2.jpg")])),
    "a hard link for an image": ("E_MEMBER_LINK", lambda: tgz([*good()[1:], entry("1.jpg", b"", b"1", "2.jpg")])),
    "a link in a pax header": ("E_MEMBER_KIND", lambda: extended(b"x", record("linkpath", "/etc/passwd"))),
    "a long link name": ("E_MEMBER_KIND", lambda: extended(b"K", b"/etc/passwd\0")),
    "a character device": ("E_MEMBER_DEVICE", lambda: plus(entry("5.jpg", kind=tarfile.CHRTYPE))),
    "a block device": ("E_MEMBER_DEVICE", lambda: plus(entry("1.jpg", kind=tarfile.BLKTYPE))),
    "a pipe": ("E_MEMBER_DEVICE", lambda: plus(entry("fifo", kind=tarfile.FIFOTYPE))),
    "a sparse file": ("E_MEMBER_KIND", lambda: plus(entry("5.jpg", kind=tarfile.GNUTYPE_SPARSE))),
    "a sparse file in a pax header": ("E_MEMBER_KIND", lambda: extended(b"x", record("GNU.sparse.major", "1"))),
    "a pax size for all that follows": ("E_MEMBER_KIND", lambda: extended(b"g", record("size", "1"))),
    "a part of a volume": ("E_MEMBER_KIND", lambda: plus(entry("5.jpg", kind=b"M"))),
    "an entry of an unknown kind": ("E_MEMBER_KIND", lambda: plus(entry("5.jpg", kind=b"Z"))),
    "a folder": ("E_MEMBER_FOLDER", lambda: plus(entry("images", kind=tarfile.DIRTYPE))),
    "images within a folder": (
        "E_MEMBER_FOLDER", lambda: tgz([entry(f"images/{member.name}", data) for member, data in good()])
    ),
    "images within a folder of a long name": (
        "E_MEMBER_FOLDER", lambda: tgz([entry(f"{'a' * 110}/{member.name}", data) for member, data in good()])
    ),
    "macOS's resource forks": ("E_MEMBER_SYSTEM", lambda: plus(entry("._1.jpg", b"Mac OS X"))),
    "macOS's folder settings": ("E_MEMBER_SYSTEM", lambda: plus(entry("./.DS_Store", b"Bud1"))),
    "macOS's folder": ("E_MEMBER_SYSTEM", lambda: plus(entry("__MACOSX/._1.jpg", b"Mac OS X"))),
    "another file": ("E_MEMBER_UNKNOWN", lambda: plus(entry("readme.txt", b"hello"))),
    "an image too many": ("E_MEMBER_UNKNOWN", lambda: plus(entry("5.jpg", jpeg(5)))),
    "counting from 0": ("E_MEMBER_UNKNOWN", lambda: tgz([entry("0.jpg", jpeg()), *good()[:-1]])),
    "leading zeros": ("E_MEMBER_UNKNOWN", lambda: tgz([entry("01.jpg", jpeg()), *good()[1:]])),
    "another extension": ("E_MEMBER_UNKNOWN", lambda: tgz([entry("1.jpeg", jpeg()), *good()[1:]])),
    "a name that is no text": ("E_MEMBER_UNKNOWN", lambda: plus(entry("\udcff\x1b[31m.jpg", jpeg()))),
    "a name of nothing": ("E_MEMBER_UNKNOWN", lambda: plus(entry("", jpeg()))),
    "other capitals": ("E_MEMBER_CASE", lambda: tgz([entry("1.JPG", jpeg()), *good()[1:]])),
    "two names that clash": ("E_MEMBER_CASE", lambda: plus(entry("1.JPG", jpeg()))),
    "one name twice": ("E_MEMBER_TWICE", lambda: plus(entry("1.jpg", jpeg(9)))),
    "one name twice, once with ./": ("E_MEMBER_TWICE", lambda: plus(entry("./1.jpg", jpeg(9)))),
    "one image missing": ("E_MEMBER_MISSING", lambda: tgz(good()[1:])),
    # Images.
    "an empty image": ("E_IMAGE_BROKEN", lambda: swapped(1, b"")),
    "text for an image": ("E_IMAGE_KIND", lambda: swapped(1, b"hello")),
    "a PNG renamed": ("E_IMAGE_KIND", lambda: swapped(1, other("PNG"))),
    "a GIF renamed": ("E_IMAGE_KIND", lambda: swapped(1, other("GIF"))),
    "a BMP renamed": ("E_IMAGE_KIND", lambda: swapped(1, other("BMP"))),
    "a WebP renamed": ("E_IMAGE_KIND", lambda: swapped(1, other("WEBP"))),
    "an image with transparency": ("E_IMAGE_KIND", lambda: swapped(1, rgba())),
    "an image with arithmetic coding": ("E_IMAGE_KIND", lambda: swapped(1, jpeg().replace(b"\xff\xc0", b"\xff\xc9"))),
    "an image of 12 bits": (
        "E_IMAGE_KIND", lambda: swapped(1, jpeg().replace(b"\xff\xc0\0\x11\x08", b"\xff\xc1\0\x11\x0c"))
    ),
    "a grey image": ("E_IMAGE_MODE", lambda: swapped(1, jpeg(mode="L"))),
    "a CMYK image": ("E_IMAGE_MODE", lambda: swapped(1, jpeg(mode="CMYK"))),
    "a small image": ("E_IMAGE_PIXELS", lambda: swapped(1, jpeg(size=(8, 8)))),
    "a wide image": ("E_IMAGE_PIXELS", lambda: swapped(1, jpeg(size=(32, 16)))),
    "an image that tells another size": ("E_IMAGE_PIXELS", lambda: swapped(1, with_size(17, 16))),
    "an image of no size": ("E_IMAGE_PIXELS", lambda: swapped(1, with_size(0, 0))),
    "a cut image": ("E_IMAGE_BROKEN", lambda: swapped(1, jpeg()[:-60])),
    "an image cut in its header": ("E_IMAGE_BROKEN", lambda: swapped(1, jpeg()[:100])),
    "an image without tables": ("E_IMAGE_BROKEN", lambda: swapped(1, jpeg().replace(b"\xff\xdb", b"\xff\xfe"))),
    "an image with two headers": ("E_IMAGE_BROKEN", lambda: swapped(1, two_headers())),
    "an image of many segments": ("E_IMAGE_BROKEN", lambda: swapped(1, many_segments(b"\xff\xe0\0\2"))),
    "an image of many markers": ("E_IMAGE_BROKEN", lambda: swapped(1, many_segments(b"\xff\x01"))),
}  # fmt: skip


def rgba() -> bytes:
    file = io.BytesIO()
    pixels(1, "RGBA").save(file, "PNG")
    return file.getvalue()


def many_segments(segment: bytes) -> bytes:
    """A JPEG that would be read, with segments before its own."""
    return jpeg()[:2] + segment * 4000 + jpeg()[2:]


def two_headers() -> bytes:
    data = jpeg()
    at = data.index(b"\xff\xc0")
    return data[:at] + data[at : at + 19] + data[at:]


@pytest.fixture
def unwritten(monkeypatch: pytest.MonkeyPatch) -> None:
    """Opening a file by name fails."""

    def refuse(*arguments: object, **options: object) -> None:
        raise AssertionError(f"a file is opened: {arguments}")

    for name in ("open", "mkdir", "symlink", "link", "mkfifo", "mknod"):
        monkeypatch.setattr(f"os.{name}", refuse)
    monkeypatch.setattr("builtins.open", refuse)


@pytest.mark.usefixtures("unwritten")
@pytest.mark.parametrize("name", REFUSED)
def test_it_refuses(name: str) -> None:
    code, build = REFUSED[name]
    error = refusal(build())
    assert code in codes(error)
    # An image that stands under another name is missing under its own.
    assert codes(error) <= {code, "E_MEMBER_MISSING"}
    assert "\x1b" not in str(error)


def test_every_code_is_in_the_corpus_and_the_corpus_knows_no_other() -> None:
    assert {code for code, _ in REFUSED.values()} == set(CODES)


def test_a_bomb_takes_no_more_memory_than_the_cap() -> None:
    data = bomb(40 * 2**20)
    assert len(data) < FORM.max_bytes
    tracemalloc.start()
    try:
        assert codes(refusal(data)) == {"E_EXPANDED"}
        assert tracemalloc.get_traced_memory()[1] < 4 * 2**20
    finally:
        tracemalloc.stop()


def test_all_problems_are_told_at_once_with_counts_and_names() -> None:
    error = refusal(
        tgz([
            entry("images", kind=tarfile.DIRTYPE), entry("1.jpg", jpeg(mode="L")), entry("2.jpg", jpeg(mode="L")),
            entry("3.JPG", jpeg()), entry("._1.jpg"), entry("4.jpg", jpeg(size=(8, 8))), entry("a", kind=b"2"),
        ])
    )  # fmt: skip
    assert codes(error) == {
        "E_MEMBER_FOLDER",
        "E_IMAGE_MODE",
        "E_MEMBER_CASE",
        "E_MEMBER_SYSTEM",
        "E_IMAGE_PIXELS",
        "E_MEMBER_LINK",
        "E_MEMBER_MISSING",
    }
    text = str(error)
    assert "2 entries: 1.jpg, 2.jpg: grey, expected RGB" in text
    assert "3.jpg: not in the archive" in text
    assert "COPYFILE_DISABLE=1" in text
    assert "8 × 8 pixels, expected 16 × 16" in text


def test_a_message_shows_three_names_of_a_thousand() -> None:
    error = refusal(tgz(good() + [entry(f"{number}.png", b"") for number in range(1, 60)]))
    assert "59 entries: 1.png, 2.png, 3.png, …" in str(error)


@pytest.mark.parametrize("seed", range(6))
def test_flipped_bytes_are_read_or_refused_and_nothing_else(seed: int) -> None:
    rng = random.Random(seed)
    packed, unpacked = tgz(good()), tar(good())
    outcomes = set()
    for turn in range(150):
        # In the gzip file, where the checksum catches all, and in the tar before it is packed, where it does not.
        data = bytearray(packed if turn % 3 == 0 else unpacked)
        for _ in range(rng.choice([1, 1, 2, 8])):
            at = rng.randrange(len(data))
            data[at] = rng.randrange(256)
        if rng.random() < 0.1:
            del data[rng.randrange(len(data)) :]
        whole = bytes(data) if turn % 3 == 0 else gzip.compress(bytes(data), 1)
        outcomes.add(outcome(whole))
    assert outcomes == {"read", "refused"}


@pytest.mark.parametrize("seed", range(4))
def test_flipped_bytes_of_an_image_are_read_or_refused_and_nothing_else(seed: int) -> None:
    rng = random.Random(seed)
    sources = [jpeg(1), jpeg(1, progressive=True), jpeg(1, exif=exif(), icc_profile=b"x" * 50)]
    for turn in range(300):
        data = bytearray(sources[turn % 3])
        for _ in range(rng.choice([1, 2, 5, 20])):
            data[rng.randrange(2, len(data))] = rng.choice([0, 0xFF, 0xD8, 0xD9, 0xDA, 0xC0, rng.randrange(256)])
        assert outcome(swapped(1, bytes(data))) in ("read", "refused")
