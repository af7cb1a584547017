"""The course's stream of HW14: MNIST in five orders of pixels (2021), or turned by 0 to 80 degrees (later years).

Read from the four files of MNIST as they are published (idx, gzipped or not). The hidden pictures are some of its test
set, each in all five tasks.
"""

from __future__ import annotations

import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tasks.base import Made
from tasks.hw14_lifelong import CLASSES, COURSE_LAYERS, SIDE, TASKS, form_of
from tasks.hw14_lifelong.judge import Pictures
from tasks.hw14_lifelong.world import finished
from tasks.sources import Source, opened, refused
from tasks.streams import Streams

HIDDEN = 2000
"""Pictures of MNIST's test set that are hidden, each in five tasks."""
FEWEST = 200
STEP = 20.0
MOST_BYTES = 64 * 2**20
NAMES = {"train": "train", "test": "t10k"}
WANTED = r"(train|t10k)-(images[-.]idx3|labels[-.]idx1)-ubyte(\.gz)?"
MAGIC = {"images": 2051, "labels": 2049}


def read_idx(source: Source, part: str, kind: str) -> NDArray[np.uint8]:
    """The pictures (n, 28, 28) or labels (n,) of a part. Raises UserError for what is no such file."""
    stem = f"{NAMES[part]}-{kind}"
    ends = {"images": "idx3-ubyte", "labels": "idx1-ubyte"}[kind]
    path = source.need(*(f"{stem}{dot}{ends}{gz}" for gz in (".gz", "") for dot in "-."), note=" of MNIST")
    where, data = f"{source.name}, {path}", source.read(path, MOST_BYTES)
    if data[:2] == b"\x1f\x8b":
        try:
            opener = zlib.decompressobj(wbits=31)
            data = opener.decompress(data, MOST_BYTES)
            if not opener.eof:
                raise EOFError("it is cut off, or too large")
        except (zlib.error, EOFError) as error:
            raise refused(
                f"{where}: expected a whole gzip file; it cannot be read ({error}). Download it again.",
                "E_SOURCE_ARCHIVE",
            ) from None
    sides = (SIDE, SIDE) if kind == "images" else ()
    head = np.frombuffer(data[: 8 + 4 * len(sides)], ">u4").tolist() if len(data) >= 8 + 4 * len(sides) else []
    if len(head) < 2 or head[0] != MAGIC[kind] or tuple(head[2:]) != sides:
        raise refused(f"{where}: expected {kind} of MNIST in the idx format; found something else.")
    values = np.frombuffer(data, np.uint8, offset=8 + 4 * len(sides))
    if len(values) != head[1] * int(np.prod(sides, dtype=int)):
        raise refused(f"{where}: its header says {head[1]:,} {kind}, but it has {len(values):,} bytes of them.")
    if kind == "labels" and len(values) and values.max() >= CLASSES:
        raise refused(f"{where}: expected labels from 0 to 9; found {values.max()}.")
    return values.reshape(head[1], *sides)


def read_part(source: Source, part: str) -> tuple[Pictures, NDArray[np.int64]]:
    """Pictures and labels of a part."""
    pictures, labels = read_idx(source, part, "images"), read_idx(source, part, "labels")
    if len(pictures) != len(labels) or len(labels) < FEWEST:
        raise refused(
            f"{source.name}: expected at least {FEWEST} {part} pictures, each with a label; found {len(pictures):,}"
            f" pictures and {len(labels):,} labels."
        )
    return pictures, labels.astype(np.int64)


def changes(year: str) -> list[NDArray[np.int64]]:
    """For each task the place (784,) from which each pixel is taken; -1 for paper.

    2021 draws its orders from numpy's old generator with the seed 0; later years turn counter-clockwise, to the nearest
    pixel.
    """
    places = np.arange(SIDE * SIDE)
    if year == "2021":
        rng = np.random.RandomState(0)
        return [places, *(rng.permutation(SIDE * SIDE) for _ in range(TASKS - 1))]
    grid = Image.fromarray(places.reshape(SIDE, SIDE).astype(np.int32))
    turned = (grid.rotate(STEP * task, Image.Resampling.NEAREST, fillcolor=-1) for task in range(TASKS))
    return [np.asarray(each).ravel().astype(np.int64) for each in turned]


def changed(pictures: Pictures, places: NDArray[np.int64]) -> Pictures:
    flat = np.pad(pictures.reshape(len(pictures), -1), ((0, 0), (0, 1)))  # the last pixel is paper
    return flat[:, places].reshape(pictures.shape)


def make(year: str, public: Path, streams: Streams, size: str, source: Path | None, secret: Path) -> Made:
    """Write the five tasks of a year."""
    with opened(source, WANTED) as files:
        (x, y), (x_test, y_test) = (read_part(files, part) for part in ("train", "test"))
    order = streams.generator("training order").permutation(len(y))
    x, y = x[order], y[order]
    chosen = streams.generator("hidden pictures").permutation(len(y_test))[:HIDDEN]
    groups = np.array([f"picture {number}" for number in chosen.tolist()])
    every = changes(year)
    training = [(changed(x, places), y) for places in every]
    hidden = [(changed(x_test[chosen], places), y_test[chosen]) for places in every]
    return finished(public, secret, training, hidden, streams, form_of(COURSE_LAYERS), [groups] * TASKS)
