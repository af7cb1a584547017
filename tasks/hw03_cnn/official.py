"""The course's own food-11 pictures, 2021 and 2022, and a hidden test carved out of their labelled part.

The labels of the course's test pictures were never published, so these pictures are left out, and a quarter of every
class becomes the hidden test: a quarter of its training pictures and a quarter of its validation pictures, so that the
three parts stay alike. 2021 keeps 2,310 labelled and 495 validation pictures in addition to its 6,786 unlabelled ones
and has 935 test pictures; 2022 keeps about 7,400 and 2,570, and has about 3,320.

Copies of a picture, equal but for size or compression, are one group and stay on one side; cropped, turned or
recoloured copies are not detected. Files are copied byte by byte under new names. Counts that differ from the course's
are accepted where all of them do, for your own pictures in the same layout; where one part has the course's count and
another does not, the download is incomplete.

The labels of these pictures are on the internet: these editions are for learning, not for grades.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tasks.base import Answers, Made
from tasks.copies import same_groups
from tasks.groups import carve
from tasks.hw03_cnn import CLASSES, LAYOUTS, TARGET, Layout
from tasks.pictures import MAX_BYTES, cells, given
from tasks.sources import Source, opened, refused
from tasks.streams import Streams

PACKED = r"(?:\.zip|\.tar|\.tgz|\.tar\.gz)?"
SHARE = 4  # one of so many becomes hidden
FEWEST = SHARE  # pictures of a class in a part
SAME = 8.0
"""The largest distance between thumbnails of the same picture, in grey levels, as a root mean square.

Recompressed at quality 50, or halved in size, pictures of 32 pixels move by up to 8 levels and those of 96 by 3; of
the 6,000 different pictures in CIFAR-10's first files the nearest two are 9 apart.
"""


@dataclass(frozen=True)
class Picture:
    """One file of the source: its path in it, its part ("training", "validation" or "unlabelled") and its class."""

    path: str
    part: str
    label: int


def find_pictures(source: Source, layout: Layout, years: tuple[Layout, ...] = LAYOUTS) -> list[Picture]:
    """The labelled and unlabelled pictures in the course's layout, in the order of their paths.

    The folder with the course's name may be anywhere, or be the source itself. Raises UserError for the layout of
    another of the homework's `years`, two such folders, a missing class, and where only some of the counts are the
    course's.
    """
    pattern, root = _pattern(layout), source.place.resolve().name
    pictures, numbers, roots = [], Counter[tuple[str, int]](), set()
    for path in source.paths:
        found = pattern.search(f"{root}/{path}")
        if not found:
            continue
        roots.add(found.string[: found.start("part")])
        part, rest = found["part"].lower(), found["rest"]
        if part not in ("training", "validation"):
            numbers["test", -1] += 1
            continue
        folder, _, inside = rest.partition("/")
        kind = folder.lower() if layout.folders and part == "training" else ""
        label = -1
        if kind == "unlabeled":
            part = "unlabelled"
        else:
            label = _label(source, path, inside if kind == "labeled" else rest, layout)
        numbers[part, label] += 1
        pictures.append(Picture(path, part, label))
    if len(roots) > 1:
        raise refused(f"{source.name}: expected one folder {layout.root}; found {', '.join(sorted(roots)[:3])}.")
    if not pictures:
        for other in years:
            if any(_pattern(other).search(f"{root}/{path}") for path in source.paths):
                raise refused(
                    f"{source.name}: the folder {other.root} is the layout of {other.year}, not of {layout.year}; "
                    f"use --edition {other.year}."
                )
        raise source.missing(
            f"the folder {layout.root} with training and validation pictures of the {layout.year} edition"
        )
    _check_numbers(source, layout, numbers)
    return pictures


def _pattern(layout: Layout) -> re.Pattern[str]:
    parts = f"training|validation|{layout.testing.partition('/')[0]}"
    return re.compile(rf"(?:^|/){layout.root}{PACKED}/(?P<part>{parts})/(?P<rest>.+)$", re.IGNORECASE)


def _label(source: Source, path: str, rest: str, layout: Layout) -> int:
    """The class of a labelled picture, from its folder (2021) or the number before its name (2022)."""
    text, _, _ = rest.partition("/" if layout.folders else "_")
    if not (re.fullmatch("[0-9]{1,2}", text) and int(text) < len(CLASSES)):
        what = "a folder 00 to 10" if layout.folders else "a name that begins with its class, as in 3_12.jpg"
        raise refused(f"{source.name}, {path}: expected {what}; found {text[:40]!r}.")
    return int(text)


def _check_numbers(source: Source, layout: Layout, numbers: Counter[tuple[str, int]]) -> None:
    """Raises UserError for a missing class, and where only some of the counts are the course's."""
    for part in ("training", "validation"):
        for label in range(len(CLASSES)):
            if numbers[part, label] < FEWEST:
                raise refused(
                    f"{source.name}: expected at least {FEWEST} pictures of class {label} in {part}; found "
                    f"{numbers[part, label]}. There are {len(CLASSES)} classes; download the files again."
                )
    if layout.unlabelled and not numbers["unlabelled", -1]:
        raise refused(f"{source.name}: expected unlabelled pictures in {layout.unlabelled_folder}; found none.")
    every = range(len(CLASSES))
    wanted: dict[tuple[str, tuple[int, ...]], int] = {}
    for part, count in (("training", layout.training), ("validation", layout.validation)):
        if layout.folders:
            wanted |= {(part, (label,)): count // len(CLASSES) for label in every}
        else:
            wanted[part, tuple(every)] = count
    if layout.unlabelled:
        wanted["unlabelled", (-1,)] = layout.unlabelled
    if numbers["test", -1]:
        wanted["test", (-1,)] = layout.test
    found = {key: sum(numbers[key[0], label] for label in key[1]) for key in wanted}
    wrong = [key for key in wanted if found[key] != wanted[key]]
    if wrong and len(wrong) < len(wanted):
        part, labels = wrong[0]
        of_class = f" of class {labels[0]}" if len(labels) == 1 and labels[0] >= 0 else ""
        raise refused(
            f"{source.name}: expected {wanted[wrong[0]]} pictures{of_class} in {part} of the {layout.year} edition; "
            f"found {found[wrong[0]]}, while other parts have the course's numbers. The download or the unpacking is "
            "incomplete; download the files again."
        )


def hidden_ones(pictures: list[Picture], groups: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.bool_]:
    """Which pictures become hidden: about a quarter of every class in both labelled parts, by whole groups.

    A group with unlabelled pictures, or with pictures of two classes, stays in the training data.
    """
    kinds = [(picture.part, picture.label) if picture.label >= 0 else None for picture in pictures]
    return carve(groups.tolist(), kinds, SHARE, rng, [picture.label for picture in pictures])


def make(
    layout: Layout,
    public: Path,
    streams: Streams,
    size: str,
    source: Path | None,
    secret: Path | None = None,
    years: tuple[Layout, ...] = LAYOUTS,
) -> Made:
    """Write the pictures that students get into `public`, in the course's layout, and return the hidden classes."""
    with opened(source, r".+\.jpe?g") as found:
        files = found.unpacked()
        pictures = find_pictures(files, layout, years)
        thumbnails = np.array([cells(given(files, one.path, ("JPEG",))[0]) for one in pictures])
        groups = same_groups(thumbnails, SAME)
        hidden = hidden_ones(pictures, groups, streams.generator("hidden pictures"))
        if len({pictures[place].label for place in np.flatnonzero(hidden)}) < 2:
            raise refused(f"{files.name}: expected pictures that differ; almost all of them are the same.")
        names = numbered(layout, pictures, hidden, streams.generator("order").permutation(len(pictures)))
        for place, name in names.items():
            (public / name).parent.mkdir(parents=True, exist_ok=True)
            (public / name).write_bytes(files.read(pictures[place].path, MAX_BYTES))
    return made(layout, pictures, groups, hidden, names, thumbnails)


def numbered(
    layout: Layout, pictures: list[Picture], hidden: NDArray[np.bool_], order: NDArray[np.int64]
) -> dict[int, str]:
    """The path below `public` of the picture at each place, numbered in a secret order, which names say nothing of."""
    names: dict[int, str] = {}
    counts = Counter[tuple[str, int]]()
    for place in order.tolist():
        one = pictures[place]
        part, label = ("test", -1) if hidden[place] else (one.part, one.label)
        names[place] = layout.name(part, label, counts[part, label])
        counts[part, label] += 1
    return names


def made(
    layout: Layout,
    pictures: list[Picture],
    groups: NDArray[np.int64],
    hidden: NDArray[np.bool_],
    order: Iterable[int],
    thumbnails: NDArray[np.float64],
) -> Made:
    """The hidden classes, with ids in this order of the pictures' places."""
    places = np.array(list(order))
    test, train = places[hidden[places]], places[~hidden[places]]
    labels = np.array([pictures[place].label for place in test], dtype=np.int64)
    names = np.array([f"picture {group}" for group in groups])
    return Made(
        Answers(
            layout.ids(len(test)),
            {TARGET: labels},
            groups=names[test],
            strata=np.array([f"class {label}" for label in labels]),
        ),
        train=thumbnails[train],
        test=thumbnails[test],
        train_groups=names[train],
    )
