"""The course's own `real_or_drawing`, the same in 2021, 2022 and 2023, and a hidden test made from its photographs.

The labels of the course's 100,000 drawings were never published, so that they cannot be graded and are left out. A
fifth of the photographs of every class are taken out and become the hidden test: lines traced from them, turned,
slanted, stretched and with gaps, in grey and 28 x 28 pixels (`traced`). It is a test of adapting to lines, and not to
what people draw from memory: the course's bars are shown for orientation only.

Copies of a photograph, equal but for compression, are one group and stay on one side. The photographs of the training
are copied byte by byte under new names.
"""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from tasks.base import Answers, Made
from tasks.copies import same_groups
from tasks.groups import carve
from tasks.hw11_adaptation import CLASSES, COURSE, ROOT, SIDE, TARGET, TEST_SIDE, test_name
from tasks.hw11_adaptation.world import features, write_picture
from tasks.pictures import MAX_BYTES, cells, given
from tasks.sources import Source, opened, refused
from tasks.streams import Streams

PHOTO = re.compile(r"(?P<root>(?:.*/)?)train_data/(?P<label>[^/]+)/[^/]+\.bmp", re.IGNORECASE)
SHARE = 5  # one of so many becomes hidden
FEWEST = 2 * SHARE  # photographs of a class
SAME = 8.0  # between the thumbnails of one photograph, as in HW3
OVER = 4  # pixels of the canvas that lines are traced on for one of the picture
STRONGEST = 0.88  # the share of pixels whose gradient is too weak for a line


def find_photographs(source: Source) -> list[tuple[str, int]]:
    """The path and the class of each photograph, in the order of the paths.

    Raises UserError for a folder that is no class, a missing class, two roots, and where only some classes have the
    course's count.
    """
    matches = [match for path in source.paths if (match := PHOTO.fullmatch(path))]
    if not matches:
        raise source.missing(f"the folder {ROOT}/train_data with pictures in BMP")
    roots = sorted({match["root"] for match in matches})
    if len(roots) > 1:
        raise refused(f"{source.name}: expected one folder train_data; found one in {' and in '.join(roots[:3])}.")
    for match in matches:
        if not re.fullmatch("[0-9]", match["label"]):
            raise refused(f"{source.name}, {match[0]}: expected a folder 0 to 9; found {match['label'][:40]!r}.")
    counts = Counter(int(match["label"]) for match in matches)
    for label in range(CLASSES):
        few = counts[label] < FEWEST
        if few or (counts[label] != COURSE[0] and COURSE[0] in counts.values()):
            raise refused(
                f"{source.name}: expected {f'at least {FEWEST}' if few else COURSE[0]} pictures in train_data/{label};"
                f" found {counts[label]}. There are {CLASSES} classes; download the files again."
            )
    return [(match[0], int(match["label"])) for match in matches]


def photograph(source: Source, path: str) -> Image.Image:
    """A photograph of the course's size."""
    picture, _ = given(source, path, ("BMP",))
    if picture.size != (SIDE, SIDE):
        found = f"{picture.width} x {picture.height}"
        raise refused(f"{source.name}, {path}: expected {SIDE} x {SIDE} pixels; found {found}.")
    return picture


def traced(picture: Image.Image, rng: np.random.Generator) -> NDArray[np.uint8]:
    """The lines of a photograph (28, 28), white on black: its strongest edges, moved as a drawing's, with gaps."""
    canvas = OVER * TEST_SIDE
    grey = picture.convert("L").resize((canvas, canvas), Image.Resampling.BICUBIC).filter(ImageFilter.GaussianBlur(2.5))
    down, right = np.gradient(np.asarray(grey, dtype=np.float64))
    size = np.hypot(down, right)
    way = np.rint(4 * np.arctan2(down, right) / np.pi).astype(int) % 4  # across the edge, in steps of 45 degrees
    thin = np.zeros(size.shape, bool)
    for number, (y, x) in enumerate(((0, 1), (1, 1), (1, 0), (1, -1))):
        top = (size > np.roll(size, (y, x), (0, 1))) & (size >= np.roll(size, (-y, -x), (0, 1)))
        thin |= (way == number) & top
    edges = thin & (size > np.quantile(size, STRONGEST))
    for _ in range(int(rng.integers(3, 8))):
        y, x = rng.integers(0, canvas, 2)
        edges[max(0, y - 5) : y + 5, max(0, x - 5) : x + 5] = False
    lines = Image.fromarray((255 * edges).astype(np.uint8)).filter(ImageFilter.MaxFilter(3))
    angle, slant = rng.uniform(-0.35, 0.35), rng.uniform(-0.3, 0.3)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    matrix = turn @ np.array([[1, slant], [0, 1]]) @ np.diag(np.exp(rng.uniform(-0.15, 0.25, 2)))
    if rng.random() < 0.5:
        matrix = matrix @ np.diag([-1.0, 1.0])
    shift = canvas / 2 - matrix @ np.full(2, canvas / 2)
    values = (*matrix[0], shift[0], *matrix[1], shift[1])
    moved = lines.transform((canvas, canvas), Image.Transform.AFFINE, values, Image.Resampling.BILINEAR)
    small = np.asarray(moved.resize((TEST_SIDE, TEST_SIDE), Image.Resampling.BOX), dtype=np.float64)
    drawn: NDArray[np.uint8] = np.clip(small * 1.6, 0, 255).astype(np.uint8)
    return drawn


def make(public: Path, streams: Streams, size: str, source: Path | None, secret: Path | None = None) -> Made:
    """Write the photographs that stay, and the lines of the others, in the course's layout."""
    with opened(source, r".+\.bmp") as found:
        files = found.unpacked()
        photographs = find_photographs(files)
        pictures = [photograph(files, path) for path, _ in photographs]
        labels = np.array([label for _, label in photographs])
        groups = same_groups(np.array([cells(picture) for picture in pictures]), SAME)
        hidden = carve(groups.tolist(), labels.tolist(), SHARE, streams.generator("hidden photographs"))
        if len(np.unique(labels[hidden])) < CLASSES:
            raise refused(f"{files.name}: expected photographs that differ; almost all of some class are the same.")
        order = streams.generator("order").permutation(len(labels))
        known, asked = order[~hidden[order]], order[hidden[order]]
        known = known[np.argsort(labels[known], kind="stable")]
        for number, place in enumerate(known.tolist()):
            path = public / ROOT / "train_data" / str(labels[place]) / f"{number}.bmp"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(files.read(photographs[place][0], MAX_BYTES))
    lines = np.array([traced(pictures[at], streams.generator(f"lines/{k}")) for k, at in enumerate(asked.tolist())])
    for number, drawn in enumerate(lines):
        write_picture(public / test_name(number), drawn)
    names = np.array([f"photograph {group}" for group in groups])
    return Made(
        Answers(
            range(len(asked)),
            {TARGET: labels[asked]},
            groups=names[asked],
            strata=np.array([f"class {label}" for label in labels[asked]]),
        ),
        train=features(np.array([np.asarray(pictures[place]) for place in known])),
        test=features(lines),
        train_groups=names[known],
    )
