"""Pictures that somebody gives, as files: read whole, upright, and without what a camera wrote into the file."""

from __future__ import annotations

import io
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from tasks.errors import UserError
from tasks.sources import Source, refused

T = TypeVar("T", bound=np.generic)
MAX_BYTES = 32 * 2**20  # of one file
MAX_PIXELS = 64 * 2**20
BOTH = ("JPEG", "PNG")


def decoded(data: bytes, where: str, kinds: tuple[str, ...] = BOTH) -> tuple[Image.Image, str]:
    """The picture of a file, RGB and upright, and which of the kinds the file is.

    Raises UserError unless it is a whole picture of one of the kinds with at most `MAX_PIXELS`.
    """
    try:
        with Image.open(io.BytesIO(data), formats=kinds) as picture:
            if picture.width * picture.height > MAX_PIXELS:
                found = f"{picture.width} x {picture.height}"
                raise refused(f"{where}: expected at most {MAX_PIXELS:,} pixels; found {found}.")
            return ImageOps.exif_transpose(picture).convert("RGB"), picture.format or ""
    except UserError:
        raise
    except Exception as error:  # whatever the decoder raises: the file is not a picture
        named = " or ".join([", ".join(kinds[:-1]), kinds[-1]]) if kinds[1:] else kinds[0]
        raise refused(f"{where}: expected a whole {named} picture; it cannot be read ({error}).") from error


def given(source: Source, path: str, kinds: tuple[str, ...] = BOTH, least: int = 1) -> tuple[Image.Image, str]:
    """The picture at a path of a source, of at least `least` pixels on each side, and which of the kinds it is."""
    where = f"{source.name}, {path}"
    picture, kind = decoded(source.read(path, MAX_BYTES), where, kinds)
    if min(picture.size) < least:
        found = f"{picture.width} x {picture.height}"
        raise refused(f"{where}: expected at least {least} x {least} pixels; found {found}.")
    return picture, kind


def square(picture: Image.Image, side: int) -> NDArray[np.uint8]:
    """The middle square of a picture at `side` pixels, (side, side, 3)."""
    return np.asarray(ImageOps.fit(picture, (side, side)), dtype=np.uint8)


def cells(picture: Image.Image, side: int = 8) -> NDArray[np.float64]:
    """The means of a picture over the cells of a coarse grid, one after another, (3 * side²,)."""
    return np.asarray(picture.resize((side, side), Image.Resampling.BOX), dtype=np.float64).ravel()


def tiles(images: NDArray[np.uint8], side: int = 8) -> NDArray[np.float64]:
    """The means of pictures (n, s, s, 3) over the tiles of a coarse grid, (n, 3 * side²), as the leak checks take them.

    What the equal tiles do not cover is left out.
    """
    step = images.shape[1] // side
    parts = images[:, : side * step, : side * step].reshape(len(images), side, step, side, step, 3)
    means: NDArray[np.float64] = parts.mean(axis=(2, 4), dtype=np.float64).reshape(len(images), -1)
    return means


def jigsaw(image: NDArray[T], cells: int, rng: np.random.Generator) -> NDArray[T]:
    """A picture (s, s, 3) cut into `cells` x `cells` squares that change places: none stays where it was."""
    side = len(image) // cells
    squares = image.reshape(cells, side, cells, side, 3).transpose(0, 2, 1, 3, 4).reshape(-1, side, side, 3)
    order = rng.permutation(len(squares))
    squares = squares[np.roll(order, 1)[np.argsort(order)]]  # one cycle
    return squares.reshape(cells, cells, side, side, 3).transpose(0, 2, 1, 3, 4).reshape(image.shape)
