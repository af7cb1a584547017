"""HW8: anomaly detection. Score each image; higher means less like a face.

The files are the course's: arrays of images (n, 64, 64, 3), uint8 RGB, the training set of normal faces only. The
header and the folder differ by year.
"""

from __future__ import annotations

from dataclasses import dataclass

from tasks.auc import AUC
from tasks.base import Bar, Edition, Place, Rules, Task, measured
from tasks.formats import Column, TableFormat, Year

TRAIN_FILE, TEST_FILE = "trainingset.npy", "testingset.npy"
SIDE = 64
MOST = 1e12
"""The largest score of an image, and with a minus sign the smallest: a thousand times a sum of squared byte errors."""


@dataclass(frozen=True)
class Layout:
    """One year's folder, header and counts; the answers are in the column that the header names."""

    year: str
    folder: str
    id: str
    column: str
    train_images: int
    test_images: int


LAYOUT_2021 = Layout("2021", "data-bin", "Id", "Predicted", 140_001, 19_999)
LAYOUT_2022 = Layout("2022", "data", "ID", "score", 100_000, 19_636)
LAYOUTS = (LAYOUT_2021, LAYOUT_2022)
YEARS = (
    *(Year(layout.year, (layout.id, layout.column), layout.test_images, "0") for layout in LAYOUTS),
    Year("2023", (LAYOUT_2022.id, LAYOUT_2022.column), LAYOUT_2022.test_images, "0"),
)


def _format(layout: Layout) -> TableFormat:
    column = Column(layout.column, minimum=-MOST, maximum=MOST)
    return TableFormat(layout.id, (column,), range(layout.test_images), years=YEARS)


def _points(name: str) -> tuple[float, float]:
    return (1.0, 1.0) if name in ("simple", "medium") else (0.5, 0.5)


WORLD = "a seeded world of drawn faces and drawn anomalies (tasks/hw08_anomaly/world.py); no real person's face, MIT"
COURSE = (
    "the course's face images of Kaggle ml{}spring-hw8, source and licence not stated; the official test labels were "
    "never published: the hidden images are faces taken out of the training set, original or altered, and other images"
)

MEASURED = measured(
    AUC, "ladder.py hw8 --seeds 300-302",
    ("simple", 0.5384, 0.0321), ("medium", 0.5757, 0.0199), ("strong", 0.6961, 0.0063), ("boss", 0.8142, 0.0216),
)  # fmt: skip

TASK = Task(
    "hw08",
    "Anomaly detection: which images are not faces",
    (
        Edition(
            "builtin", WORLD, _format(LAYOUT_2021), (AUC,), MEASURED, Rules(),
            Place("tasks.hw08_anomaly.world:make", (LAYOUT_2021,)),
        ),
        Edition(
            "builtin-2022", WORLD, _format(LAYOUT_2022), (AUC,), MEASURED, Rules(),
            Place("tasks.hw08_anomaly.world:make", (LAYOUT_2022,)),
        ),
        Edition(
            "2021",
            COURSE.format(2021),
            _format(LAYOUT_2021),
            (AUC,),
            tuple(
                Bar(name, ((AUC.name, value),), "official 2021", points=_points(name))
                for name, value in (("simple", 0.64046), ("medium", 0.75719), ("strong", 0.81304), ("boss", 0.86590))
            ),
            Rules(),
            Place("tasks.hw08_anomaly.official:make", (LAYOUT_2021,)),
            official=True,
        ),
        Edition(
            "2022",
            COURSE.format(2022) + "; the course published no bars for 2022",
            _format(LAYOUT_2022),
            (AUC,),
            (),
            Rules(),
            Place("tasks.hw08_anomaly.official:make", (LAYOUT_2022,)),
            official=True,
        ),
        Edition(
            "own",
            "the instructor's own pictures, from the folders normal and anomalous; no bars: none are measured on them",
            _format(LAYOUT_2022),
            (AUC,),
            (),
            Rules(),
            Place("tasks.hw08_anomaly.own:make", (LAYOUT_2022,)),
            official=True,
        ),
    ),
)  # fmt: skip
