"""The built-in world of HW11: things in colours with labels, and drawings of the same kinds of things without.

The key decides the maker (`tasks.things`): proportions, colours, textures, the pen, and how often each breed of a kind
is painted and drawn. The drawings are turned, slanted, stretched and bent, lines are missing, too long or belong to
nothing. How often each class is drawn is drawn from the key too and hidden. Every picture has its own random stream.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tasks.base import Answers, Made
from tasks.figures import NAMES
from tasks.hw11_adaptation import CLASSES, COURSE, SIDE, TARGET, TEST_SIDE, test_name, train_name
from tasks.pictures import tiles
from tasks.processes import mapped
from tasks.streams import Streams
from tasks.things import Maker, draw_maker, drawing, painting

COUNTS = {"small": (150, 3000), "full": COURSE}
"""Size to the paintings of each class, and the drawings."""
LEAST = 0.03
"""The smallest share of a class among the drawings."""
BLOCK = 500  # pictures that one process makes at a time


def draw_shares(rng: np.random.Generator) -> NDArray[np.float64]:
    """How often each class is drawn (10,); they differ by a factor of about four."""
    shares: NDArray[np.float64] = LEAST + (1 - CLASSES * LEAST) * rng.dirichlet(np.full(CLASSES, 5.0))
    return shares


def write_picture(path: Path, pixels: NDArray[np.uint8]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, "BMP")


def features(images: NDArray[np.uint8]) -> NDArray[np.float64]:
    """What the leak checks compare: the means of 4 x 4 tiles of pictures (n, s, s) or (n, s, s, 3), each (48,)."""
    return tiles(images if images.ndim == 4 else np.repeat(images[..., None], 3, axis=3), 4)


def paint_block(
    maker: Maker, public: Path, streams: Streams, block: Sequence[tuple[int, str, int]]
) -> NDArray[np.float64]:
    """Write the paintings (number, name, class) of a block and return their features."""
    images = [painting(maker, label, streams.generator(str(number)), SIDE) for number, _, label in block]
    for (_, name, _), pixels in zip(block, images, strict=True):
        write_picture(public / name, pixels)
    return features(np.array(images))


def draw_block(
    maker: Maker, public: Path, streams: Streams, block: Sequence[tuple[int, str, int]]
) -> NDArray[np.float64]:
    """Write the drawings of a block and return their features."""
    images = [drawing(maker, label, streams.generator(str(number)), TEST_SIDE) for number, _, label in block]
    for (_, name, _), pixels in zip(block, images, strict=True):
        write_picture(public / name, pixels)
    return features(np.array(images))


def make(
    public: Path,
    streams: Streams,
    size: str,
    source: Path | None = None,
    secret: Path | None = None,
    processes: int | None = None,
) -> Made:
    """Write both domains into `public`, the same however many `processes` there are; default: all cores in `full`."""
    each, count = COUNTS[size]
    maker = draw_maker(streams.generator("maker"))
    shares = draw_shares(streams.generator("test/shares"))
    hidden = streams.generator("test/labels").choice(CLASSES, count, p=shares)
    known = [(label * each + at, train_name(label, at, each), label) for label in range(CLASSES) for at in range(each)]
    asked = [(number, test_name(number), label) for number, label in enumerate(hidden.tolist())]
    parts = []
    for part, work, rows in (("train", paint_block, known), ("test", draw_block, asked)):
        blocks = [rows[start : start + BLOCK] for start in range(0, len(rows), BLOCK)]
        found = mapped(
            partial(work, maker, public, streams.within(part)), blocks, processes or (None if size == "full" else 1)
        )
        parts.append(np.concatenate(found))
    return Made(
        Answers(range(count), {TARGET: hidden}, strata=np.array([NAMES[label] for label in hidden])),
        train=parts[0],
        test=parts[1],
    )
