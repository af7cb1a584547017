"""HW10 with few pictures, files that its judge refuses, and files as the course gives them."""

from __future__ import annotations

import io
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from harness.answers import Secret, read_secret
from harness.competition import find_competition
from harness.home import Home
from tasks.base import PRIVATE
from tasks.hw10_attack import (
    CIFAR,
    KINDS,
    PICTURES_FILE,
    form_of,
)
from tasks.hw10_attack.pack import png
from tasks.hw10_attack.victims import Pictures
from tasks.streams import fixed
from tests.bench.tricks import hw10 as tricks
from tests.bench.tricks.frame import World
from tests.files import archive_of, members
from tests.test_images_png import END, chunk, header
from tests.test_images_png import packed as rows_of

FORM = form_of(KINDS)
PLACE = "cat/cat7.png"


def winner(home: Home, secret: Secret) -> bytes:
    """An attack on the hidden networks themselves, but for three private pictures."""
    usage = secret.answers.usage
    assert usage is not None
    files = dict(members(tricks.white_box(World(home.public("hw10"), secret), fixed(0), "small")))
    given = dict(members((home.public("hw10") / "sample_submission.tgz").read_bytes()))
    kept = {name: given[name] for name in np.array(FORM.names)[usage == PRIVATE][:3].tolist()}
    return archive_of((files | kept).items())


def swapped(change: Callable[[bytes], bytes]) -> Callable[[bytes], bytes]:
    """An archive with another file in place of one picture."""

    def make(data: bytes) -> bytes:
        return archive_of((name, change(one) if name == PLACE else one) for name, one in members(data))

    return make


def saved(mode: str = "RGB", kind: str = "PNG", side: int = 32) -> Callable[[bytes], bytes]:
    def make(data: bytes) -> bytes:
        stream = io.BytesIO()
        Image.open(io.BytesIO(data)).convert(mode).resize((side, side)).save(stream, kind)
        return stream.getvalue()

    return make


def moved(by: int, place: tuple[int, int, int] = (5, 9, 1)) -> Callable[[bytes], bytes]:
    """One colour of one pixel changed, to the side where there is room."""

    def make(data: bytes) -> bytes:
        pixels = np.asarray(Image.open(io.BytesIO(data))).astype(np.int16)
        pixels[place] += by if pixels[place] < 128 else -by
        return png(pixels.astype(np.uint8))

    return make


def of_rows(head: bytes, data: bytes) -> bytes:
    """A PNG of a header and given rows."""
    return b"\x89PNG\r\n\x1a\n" + head + rows_of(data) + END


WRONG: dict[str, Callable[[bytes], bytes]] = {
    "off by nine in one pixel": swapped(moved(9)),
    "around the end of the bytes": swapped(moved(127)),
    "another picture": swapped(lambda data: png(np.zeros((32, 32, 3), np.uint8))),
    "JPEG named .png": swapped(saved(kind="JPEG")),
    "a palette": swapped(saved("P")),
    "transparency": swapped(saved("RGBA")),
    "grey": swapped(saved("L")),
    "a transparent colour": swapped(lambda data: data[:33] + chunk(b"tRNS", bytes(6)) + data[33:]),
    "16 bits": swapped(lambda data: of_rows(header(32, 32, depth=16), bytes(32 * 193))),
    "interlaced": swapped(lambda data: of_rows(header(32, 32, interlaced=1), bytes(32 * 97))),
    "another size": swapped(saved(side=33)),
    "a long text": swapped(lambda data: data[:33] + chunk(b"tEXt", b"a\0" + bytes(10**5)) + data[33:]),
    "a picture too few": lambda data: archive_of(members(data)[1:]),
    "cat07": lambda data: archive_of((name.replace("cat7.", "cat07."), one) for name, one in members(data)),
    "a folder around all": lambda data: archive_of((f"data/{name}", one) for name, one in members(data)),
}
TOLD = {
    **dict.fromkeys(("off by nine in one pixel", "around the end of the bytes", "another picture"), ("E_BALL", PLACE)),
    **dict.fromkeys(("JPEG named .png", "16 bits", "interlaced"), ("E_IMAGE_KIND", PLACE)),
    **dict.fromkeys(("a palette", "transparency", "grey", "a transparent colour"), ("E_IMAGE_MODE", PLACE)),
    "another size": ("E_IMAGE_PIXELS", PLACE),
    "a long text": ("E_MEMBER_SIZE", PLACE),
    "a picture too few": ("E_MEMBER_MISSING", ""),
    "cat07": ("E_MEMBER_UNKNOWN", ""),
    "a folder around all": ("E_MEMBER_FOLDER", ""),
}
"""The code of a refusal, and the picture that it names."""


@pytest.fixture
def home(homes: Callable[[str], Home]) -> Home:
    return homes("hw10")


@pytest.fixture
def public(home: Home) -> Path:
    return home.public("hw10")


@pytest.fixture
def secret(home: Home) -> Secret:
    return read_secret(home, find_competition(home, "hw10"))


def given_pictures(public: Path) -> Pictures:
    return np.asarray(np.load(public / PICTURES_FILE))


def drawn(rng: np.random.Generator, label: int) -> NDArray[np.uint8]:
    """A picture whose mean colour tells its class."""
    colour = np.array([40 + 20 * label, 220 - 20 * label, 30 + 90 * (label % 3)])
    return (colour + rng.normal(0, 20, (32, 32, 3))).clip(0, 255).astype(np.uint8)


def given(place: Path, kind: str = "course") -> Path:
    rng = np.random.default_rng(0)
    for label, name in enumerate(CIFAR):
        for number in range(24):
            folders = {"train": f"cifar/train/{name}/{number:04d}.png"}
            if kind == "cifar10":
                folders["test"] = f"cifar/test/{name}/{number:04d}.png"
            elif number < 20:
                folders["course"] = f"data/{name}/{name}{number + 1}.png"
            for path in folders.values():
                (place / path).parent.mkdir(parents=True, exist_ok=True)
                (place / path).write_bytes(png(drawn(rng, label)))
    return place


DAMAGED: list[tuple[str, Callable[[Path], object], str]] = [
    ("2022", lambda place: (place / "data/cat/cat7.png").unlink(), "1 are missing, first cat/cat7.png"),
    ("2022", lambda place: shutil.rmtree(place / "data"), "airplane/airplane1.png to truck/truck20.png"),
    ("2022", lambda place: shutil.rmtree(place / "cifar"), "pictures such as train/airplane/1.png"),
    ("2022", lambda place: shutil.rmtree(place / "cifar/train/dog"), "pictures in train/dog; found 0"),
    (
        "2022",
        lambda place: (
            shutil.copytree(place / "data/dog", place / "more/cat", dirs_exist_ok=True)
            and (place / "more/cat/dog1.png").rename(place / "more/cat/cat1.png")
        ),
        "expected one cat/cat1.png",
    ),
    ("2022", lambda place: (place / "data/dog/dog1.png").write_bytes(b"GIF8"), "dog1.png: expected a whole PNG"),
    (
        "2022",
        lambda place: (place / "data/dog/dog1.png").write_bytes(png(np.zeros((33, 32, 3), np.uint8))),
        "expected 32 x 32 pixels; found 32 x 33",
    ),
    ("cifar10", lambda place: shutil.rmtree(place / "cifar/test/ship"), "at least 20 pictures in test/ship"),
]
"""An edition, what is missing or damaged of its files, and what the refusal says."""
