"""The edition `own` of HW8: an instructor's pictures, of which no generator knows the anomalies.

The place has two folders, `normal` and `anomalous`, with JPEG and PNG files at any depth. A folder inside `normal` is a
group, such as the pictures of one person or one machine, and stays on one side of every split. A folder inside
`anomalous` is a kind, with the same share on both boards. Pictures are turned as their camera says, cropped to the
middle square and scaled to 64 x 64. Near-copies are dropped: of two normal pictures one stays, and an anomaly that is
nearly a normal picture or another anomaly is left out.

As many normal pictures as there are anomalies, but at most a third, become the test's normal half.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tasks.base import Made
from tasks.copies import same_groups
from tasks.hw08_anomaly import SIDE, TRAIN_FILE, Layout
from tasks.hw08_anomaly.official import SAME, finished
from tasks.pictures import given, square, tiles
from tasks.sources import Source, opened, refused
from tasks.streams import Streams

FOLDERS = ("normal", "anomalous")
FEWEST = (100, 20)
"""The fewest different pictures of each folder."""
MOST = 50_000
TELLING = 0.9
"""The AUC from which on the files' format or size gives an anomaly away."""


@dataclass(frozen=True)
class Pictures:
    """Pictures (n, 64, 64, 3), the folder each is in below its own (n,), and the facts of its file (n, 2).

    These are whether it is a PNG, and its shorter side in pixels.
    """

    images: NDArray[np.uint8]
    folders: NDArray[np.str_]
    facts: NDArray[np.float64]

    def take(self, places: NDArray[np.int64]) -> Pictures:
        return Pictures(self.images[places], self.folders[places], self.facts[places])


def read_pictures(source: Source, which: str) -> Pictures:
    """The pictures of a folder. Raises UserError for too few or too many, and for a file that is not a picture."""
    paths = {}
    for path in source.paths:
        parts = path.split("/")
        at = next(number for number, part in enumerate(parts) if part.casefold() in FOLDERS)
        if parts[at].casefold() == which:
            paths[path] = "/".join(parts[at + 1 : -1])
    if not paths:
        raise source.missing(f"a folder {which} with JPEG or PNG files")
    if len(paths) > MOST:
        raise refused(
            f"{source.name}: expected at most {MOST:,} pictures in {which}; found {len(paths):,}.", "E_SOURCE_SIZE"
        )
    images = np.empty((len(paths), SIDE, SIDE, 3), np.uint8)
    facts = np.empty((len(paths), 2))
    for number, path in enumerate(paths):
        picture, kind = given(source, path, least=SIDE)  # enlarged ones would be recognised by their blur
        images[number], facts[number] = square(picture, SIDE), (kind == "PNG", min(picture.size))
    return Pictures(images, np.array(list(paths.values())), facts)


def check_facts(source: Source, normal: Pictures, anomalous: Pictures) -> None:
    """Raises UserError where the format or the size of the files gives the anomalies away."""
    for at, fact in enumerate(("format", "size")):
        first, second = normal.facts[:, at], anomalous.facts[:, at]
        order = np.sort(first)
        ranks = (np.searchsorted(order, second) + np.searchsorted(order, second, side="right")) / 2
        if abs(ranks.mean() / len(first) - 0.5) >= TELLING - 0.5:
            raise refused(
                f"{source.name}: the {fact} of the files differs between normal and anomalous pictures, and what it"
                " left in the pixels would give the anomalies away. Save all pictures in one format and size, from"
                " originals that were made alike."
            )


def make(
    layout: Layout, public: Path, streams: Streams, size: str, place: Path | None, secret: Path | None = None
) -> Made:
    """Write the competition made of an instructor's pictures into the year's folder in `public`."""
    with opened(place, r"(normal|anomalous)/.*\.(jpe?g|png)") as source:
        normal, anomalous = (read_pictures(source, which) for which in FOLDERS)
        groups = same_groups(np.concatenate([tiles(normal.images), tiles(anomalous.images)]), SAME)
        first = np.unique(groups)
        count = len(normal.images)
        normal, anomalous = normal.take(first[first < count]), anomalous.take(first[first >= count] - count)
        for which, pictures, fewest in zip(FOLDERS, (normal, anomalous), FEWEST, strict=True):
            if len(pictures.images) < fewest:
                raise refused(
                    f"{source.name}: expected at least {fewest} different pictures in {which}; found"
                    f" {len(pictures.images)}, near-copies left out."
                )
        check_facts(source, normal, anomalous)
        hidden = hidden_places(normal.folders, min(len(anomalous.images), len(normal.images) // 3), streams)
        if hidden.sum() < FEWEST[1]:
            raise refused(
                f"{source.name}: at least {FEWEST[1]} pictures in normal must fit into the test, and a folder inside"
                f" normal stays whole; found only {hidden.sum()} that fit. Divide the folders, or add smaller ones."
            )

    train, test = normal.take(np.flatnonzero(~hidden)), normal.take(np.flatnonzero(hidden))
    (public / layout.folder).mkdir()
    np.save(public / layout.folder / TRAIN_FILE, train.images, allow_pickle=False)
    images = np.concatenate([test.images, anomalous.images])
    kinds = np.array(["normal"] * len(test.images) + [f"anomalous/{folder}" for folder in anomalous.folders])
    test_groups = grouped([*test.folders, *[""] * len(anomalous.images)], "picture")  # an anomaly is a group of its own
    train_groups = grouped(train.folders, "training")
    return finished(layout, public, streams, train.images, images, kinds, test_groups, train_groups)


def grouped(folders: Iterable[str], alone: str) -> NDArray[np.str_]:
    """The group of each picture: its folder, or where it has none, itself."""
    return np.array([f"folder {name}" if name else f"{alone} {at}" for at, name in enumerate(folders)])


def hidden_places(folders: NDArray[np.str_], wanted: int, streams: Streams) -> NDArray[np.bool_]:
    """Which normal pictures go into the test: whole folders in a secret order, while they fit, then single pictures."""
    names = np.array([name or f"\0{at}" for at, name in enumerate(folders)])
    units, which, sizes = np.unique(names, return_inverse=True, return_counts=True)
    chosen = np.zeros(len(units), dtype=bool)
    for unit in streams.generator("hidden pictures").permutation(len(units)):
        if sizes[chosen].sum() + sizes[unit] <= wanted:
            chosen[unit] = True
    return chosen[which]
