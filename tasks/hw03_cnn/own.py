"""An instructor's own pictures: a folder for each class, and one named `unlabelled` for pictures without a class.

    mushrooms/amanita/*.jpg    mushrooms/boletus/*.png    …    mushrooms/unlabelled/*.jpg

The classes are numbered in the order of their folders' names; `classes.csv` gives the names to students. A quarter of
every class becomes the hidden test and a fifth of the others the validation pictures. Every picture is cut to its
middle square, made as large as all others and saved anew, so that names, sizes and what a camera wrote into a file say
nothing of its class; where formats or sizes differ by class they are refused, because traces stay in the pixels. Copies
of a picture are one group, as in the official editions, and stay on one side.
"""

from __future__ import annotations

import csv
import io
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tasks.base import Made
from tasks.copies import same_groups
from tasks.hw03_cnn import Layout, form_of
from tasks.hw03_cnn.official import SAME, Picture, hidden_ones, made, numbered
from tasks.pictures import cells, given
from tasks.sources import Source, opened, refused
from tasks.streams import Streams

KINDS = r".+\.(?:jpe?g|png|webp|bmp)"
UNLABELLED = ("unlabelled", "unlabeled")
FEWEST, MOST_CLASSES = 12, 200
SIDES = (128, 64, 40)
"""The side of all pictures: the first of these that none is smaller than."""
QUALITY = 92
VALIDATION = 5  # one of so many of the pictures that stay
TELLING = 0.5
"""The total variation between formats or sizes of a class and of the others from which on they give it away."""


def find(source: Source) -> tuple[list[Picture], tuple[str, ...]]:
    """The pictures below the folders of classes, however deep those lie together, and the classes' names in order.

    Raises UserError for fewer than two classes or too many, pictures beside the folders, and classes with too few.
    """
    parts = {path: path.split("/") for path in source.paths}
    depth = 0  # of the folders that lead to those of the classes
    while parts and len({tuple(part[: depth + 1]) for part in parts.values()}) == 1 < min(map(len, parts.values())):
        depth += 1
    beside = [path for path, part in parts.items() if len(part) == depth + 1]
    if beside and len(parts) > len(beside):
        raise refused(f"{source.name}, {beside[0]}: expected every picture in the folder of its class.")
    folders = Counter(part[depth] for part in parts.values() if len(part) > depth + 1)
    names = tuple(sorted(name for name in folders if name.casefold() not in UNLABELLED))
    if len(names) < 2:
        raise source.missing("at least two folders of pictures, one for each class")
    if len(names) > MOST_CLASSES:
        raise refused(f"{source.name}: expected at most {MOST_CLASSES} folders of classes; found {len(names)}.")
    for name in names:
        if folders[name] < FEWEST:
            raise refused(f"{source.name}, {name}: expected at least {FEWEST} pictures; found {folders[name]}.")
    numbers = {name: number for number, name in enumerate(names)}
    pictures = []
    for path, part in parts.items():
        label = numbers.get(part[depth], -1)
        pictures.append(Picture(path, "training" if label >= 0 else "unlabelled", label))
    return pictures, names


def square(source: Source, path: str) -> tuple[Image.Image, str]:
    """The middle square of a picture, and the format of its file. Raises UserError unless it is large enough."""
    upright, kind = given(source, path, ("JPEG", "PNG", "WEBP", "BMP"), SIDES[-1])
    side = min(upright.size)
    left, top = (upright.width - side) // 2, (upright.height - side) // 2
    pixels = np.asarray(upright)[top : top + side, left : left + side]
    return Image.fromarray(pixels), kind  # a new one: `save` would write the comment of the file that was read


def check_facts(source: Source, labels: NDArray[np.int64], kinds: NDArray[np.str_], sides: NDArray[np.int64]) -> None:
    """Raises UserError where the format or the size of the files gives the classes away."""
    _, formats = np.unique(kinds, return_inverse=True)
    for what, facts in (("format", formats), ("size", np.digitize(sides, np.quantile(sides, (0.25, 0.5, 0.75))))):
        counts = np.zeros((labels.max() + 1, facts.max() + 1))
        np.add.at(counts, (labels, facts), 1)
        others = counts.sum(axis=0) - counts
        shares, other_shares = (part / part.sum(axis=1, keepdims=True) for part in (counts, others))
        if np.abs(shares - other_shares).sum(axis=1).max() / 2 >= TELLING:
            raise refused(
                f"{source.name}: the {what} of the files differs from class to class, and what it left in the pixels"
                " would give the classes away. Save all pictures in one format and size, from originals made alike."
            )


def make(
    layout: Layout, public: Path, streams: Streams, size: str, source: Path | None, secret: Path | None = None
) -> Made:
    """Write what students get into `public`, and return the hidden classes and the format with the classes' number."""
    with opened(source, KINDS) as files:
        pictures, classes = find(files)
        thumbnails, kinds, sides = [], [], []
        for picture in pictures:
            cut, kind = square(files, picture.path)
            thumbnails.append(cells(cut))
            kinds.append(kind)
            sides.append(cut.width)
        every = np.array([picture.label for picture in pictures], dtype=np.int64)
        known = every >= 0
        check_facts(files, every[known], np.array(kinds)[known], np.array(sides)[known])
        side = next(side for side in SIDES if side <= min(sides))
        groups = same_groups(np.array(thumbnails), SAME)
        hidden = hidden_ones(pictures, groups, streams.generator("hidden pictures"))
        few = np.flatnonzero(np.bincount(every[hidden], minlength=len(classes)) == 0)
        if len(few):
            raise refused(
                f"{files.name}, {classes[few[0]]}: expected pictures that differ from each other and from those of"
                " other classes; almost all of them are copies."
            )
        order = streams.generator("order").permutation(len(pictures))
        pictures = validated(pictures, hidden, groups, order)
        names = numbered(layout, pictures, hidden, order)
        for place, name in names.items():
            cut, _ = square(files, pictures[place].path)
            (public / name).parent.mkdir(parents=True, exist_ok=True)
            cut.resize((side, side), Image.Resampling.LANCZOS).save(public / name, "JPEG", quality=QUALITY)
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([("number", "name"), *enumerate(classes)])
    (public / layout.root / "classes.csv").write_text(text.getvalue(), encoding="utf-8")
    hidden_side = made(layout, pictures, groups, hidden, names, np.array(thumbnails))
    return replace(hidden_side, form=form_of(layout, len(classes)))


def validated(
    pictures: list[Picture], hidden: NDArray[np.bool_], groups: NDArray[np.int64], order: NDArray[np.int64]
) -> list[Picture]:
    """The pictures with a share of each class moved from training to validation; copies are in one part."""
    sizes = Counter(pictures[place].label for place in order if not hidden[place])
    left = Counter({label: size // VALIDATION for label, size in sizes.items() if label >= 0})
    copies, parts = Counter(groups.tolist()), list(pictures)
    for place in order:
        one = pictures[place]
        if left[one.label] and not hidden[place] and copies[groups[place]] == 1:
            left[one.label] -= 1
            parts[place] = replace(one, part="validation")
    return parts
