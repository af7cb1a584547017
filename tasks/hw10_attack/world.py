"""The built-in world of HW10: painted things of ten kinds, six networks that know them, and 200 pictures to attack.

The key draws how its things look (`tasks.things`), every picture, and the first weights of every network. The proxies
and the black box learn from different paintings of the same kinds; those of the proxies are given.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from importlib.resources import files as resource
from pathlib import Path

import numpy as np

from tasks.base import Answers, Made
from tasks.formats import ImagesFormat
from tasks.hw10_attack import (
    KINDS,
    LABELS_FILE,
    MODEL_FILE,
    PICTURES_FILE,
    PICTURES_FOLDER,
    PROXIES_FOLDER,
    SIDE,
    TRAINING_FILE,
    form_of,
    victims,
)
from tasks.hw10_attack.pack import packed, png
from tasks.hw10_attack.victims import Labels, Pictures
from tasks.pictures import tiles
from tasks.processes import mapped
from tasks.streams import Streams
from tasks.things import Maker, draw_maker, painting

SIZES = {"small": (3000, 800, 5, 1), "full": (20_000, 1000, 30, 2)}
"""Size to the pictures that the proxies learn from, as many as the black box does; the pictures of which 200 are
chosen; epochs; and how many times wider the networks are."""
BLOCK = 500  # pictures that one process makes at a time


def painted(streams: Streams, maker: Maker, block: Sequence[int]) -> Pictures:
    """The paintings of these numbers, each from its own stream; a number's last digit is the class."""
    return np.stack([painting(maker, number % len(KINDS), streams.generator(str(number)), SIDE) for number in block])


def part(streams: Streams, maker: Maker, name: str, count: int, processes: int | None) -> tuple[Pictures, Labels]:
    """So many paintings of a part and their classes."""
    blocks = [range(at, min(at + BLOCK, count)) for at in range(0, count, BLOCK)]
    images = np.concatenate(mapped(partial(painted, streams.within(name), maker), blocks, processes))
    return images, np.arange(count) % len(KINDS)


def finished(
    public: Path,
    secret: Path,
    form: ImagesFormat,
    files: dict[str, bytes],
    pictures: Pictures,
    training: tuple[Pictures, Labels],
) -> Made:
    """Write pictures, proxies and what these learned from for students, and the black box for the judge."""
    for name, picture in zip(form.names, pictures, strict=True):
        path = public / PICTURES_FOLDER / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(png(picture))
    for folder in (public, secret):
        np.save(folder / PICTURES_FILE, pictures, allow_pickle=False)
    np.save(public / TRAINING_FILE, training[0], allow_pickle=False)
    np.save(public / LABELS_FILE, training[1], allow_pickle=False)
    victims.write(files, public, secret)
    program = resource("tasks.hw10_attack").joinpath("networks.py").read_bytes()
    (public / PROXIES_FOLDER / MODEL_FILE).write_bytes(program)
    strata = np.array([name.partition("/")[0] for name in form.names])
    return Made(
        Answers(form.names, {}, strata=strata),
        train=tiles(training[0]),
        test=tiles(pictures),
        sample=packed(pictures, form),
        form=form,
        secret=secret,
    )


def make(
    kind: str,
    public: Path,
    streams: Streams,
    size: str,
    source: Path | None,
    secret: Path,
    processes: int | None = None,
) -> Made:
    """The built-in world, the same however many `processes` make it (default: all cores)."""
    count, candidates, epochs, wider = SIZES[size]
    maker = draw_maker(streams.generator("maker"))
    images, labels = {}, {}
    few = 1 if count <= BLOCK else processes
    for name in ("proxies", "hidden"):
        images[name], labels[name] = part(streams, maker, name, count, few)
    files = victims.trained(streams.within("networks"), images, labels, epochs, wider, processes)
    x, y = part(streams, maker, "attacked", candidates, few)
    places = victims.chosen(files, x, y)
    return finished(public, secret, form_of(KINDS), files, x[places], (images["proxies"], labels["proxies"]))
