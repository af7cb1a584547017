"""The course's 200 pictures of CIFAR-10 (2021, 2022 and 2023), and an edition of one's own 200 of its test part.

The course's black box was never published, and its proxies are networks of others. So six networks are trained here on
pictures of CIFAR-10's training part that are given too: half of them are for the proxies, half for the black box.
Pictures lie in folders named by their class: `train/cat/*.png` (or `.jpg`), `test/cat/*.png` for the edition `cifar10`,
and the course's own `data/cat/cat1.png` to `cat20.png`.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from tasks.base import Made
from tasks.hw10_attack import CIFAR, EACH, SIDE, form_of, victims
from tasks.hw10_attack.victims import Labels, Pictures
from tasks.hw10_attack.world import finished
from tasks.pictures import BOTH, given
from tasks.sources import Source, opened, refused
from tasks.streams import Streams

CLASS = "|".join(CIFAR)
COURSE = re.compile(rf"(?:.*/)?(?P<label>{CLASS})/(?P<name>(?P=label)[1-9][0-9]?\.png)")
PART = re.compile(rf"(?:.*/)?(?P<part>train|test)/(?P<label>{CLASS})/[^/]+\.(?:png|jpe?g)")
LEAST = 20
"""Training pictures of each class, at least."""
STEPS = 60_000
"""Pictures that a network sees in training, about, where `EPOCHS` allow it."""
EPOCHS = (10, 24)


def picture(source: Source, path: str, kinds: tuple[str, ...] = BOTH) -> Pictures:
    """A picture of the course's size (32, 32, 3)."""
    found, _ = given(source, path, kinds)
    if found.size != (SIDE, SIDE):
        size = f"{found.width} x {found.height}"
        raise refused(f"{source.name}, {path}: expected {SIDE} x {SIDE} pixels; found {size}.")
    return np.asarray(found)


def read_part(source: Source, part: str, least: int) -> tuple[Pictures, Labels]:
    """The pictures of a part of CIFAR-10 and their classes, in the order of the paths."""
    every = [match for path in source.paths if (match := PART.fullmatch(path)) and match["part"] == part]
    labels = np.array([CIFAR.index(match["label"]) for match in every], np.int64)
    if not every:
        raise source.missing(f"pictures such as {part}/{CIFAR[0]}/1.png of the {part} part of CIFAR-10")
    for label, count in enumerate(np.bincount(labels, minlength=len(CIFAR)).tolist()):
        if count < least:
            raise refused(
                f"{source.name}: expected at least {least} pictures in {part}/{CIFAR[label]}; found {count}.",
                "E_SOURCE_MISSING",
            )
    return np.stack([picture(source, match[0]) for match in every]), labels


def read_course(source: Source) -> Pictures:
    """The course's pictures in the order of the names, cat2 before cat10."""
    found: dict[str, Pictures] = {}
    for path in source.paths:
        match = COURSE.fullmatch(path)
        if match is None or PART.fullmatch(path):
            continue
        name, here = f"{match['label']}/{match['name']}", picture(source, path, ("PNG",))
        if not np.array_equal(found.setdefault(name, here), here):
            raise refused(f"{source.name}: expected one {name}; {path} is another.", "E_SOURCE_TWICE")
    names = form_of(CIFAR).names
    if not found:
        raise source.missing(f"the course's pictures {names[0]} to {names[-1]}")
    missing = [name for name in names if name not in found]
    if missing:
        raise refused(
            f"{source.name}: expected {len(names)} pictures; {len(missing)} are missing, first {missing[0]}.",
            "E_SOURCE_MISSING",
        )
    return np.stack([found[name] for name in names])


def make(
    kind: str,
    public: Path,
    streams: Streams,
    size: str,
    source: Path | None,
    secret: Path,
    processes: int | None = None,
) -> Made:
    """Train the networks; attacked are the course's pictures, or those of the test part that most networks know."""
    with opened(source, rf"(?:{CLASS})/[^/]+\.(?:png|jpe?g)") as files:
        pictures = read_course(files) if kind == "course" else None
        x, y = read_part(files, "train", LEAST)
        test = None if kind == "course" else read_part(files, "test", EACH)
    order = streams.generator("training").permutation(len(y))
    halves = dict(zip(("proxies", "hidden"), (order[::2], order[1::2]), strict=True))
    images, labels = {name: x[half] for name, half in halves.items()}, {name: y[half] for name, half in halves.items()}
    epochs = min(max(EPOCHS[0], STEPS // len(halves["proxies"])), EPOCHS[1])
    trained = victims.trained(streams.within("networks"), images, labels, epochs, 1, processes)
    if test is not None:
        shuffled = streams.generator("attacked").permutation(len(test[1]))
        candidates, classes = test[0][shuffled], test[1][shuffled]
        pictures = candidates[victims.chosen(trained, candidates, classes)]
    assert pictures is not None
    return finished(public, secret, form_of(CIFAR), trained, pictures, (images["proxies"], labels["proxies"]))
