"""HW8: anomaly detection. Score each image; higher means less like a face.

The files are the course's: arrays of images (n, 64, 64, 3), uint8 RGB, the training set of normal faces only. The
header and the folder differ by year.
"""

from __future__ import annotations

from dataclasses import dataclass

from tasks.auc import AUC
from tasks.base import Bar, Edition, Place, Rules, Task, measured, official_bars
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


COURSE = (
    "the course's face images of Kaggle ml{}spring-hw8, source and licence not stated; the official test labels were "
    "never published: the hidden images are faces taken out of the training set, original or altered, and other images"
)
SOURCES = {
    "world": "a seeded world of drawn faces and drawn anomalies (tasks/hw08_anomaly/world.py); no real person's face,"
    " MIT",
    "own": "the instructor's own pictures, from the folders normal and anomalous; no bars: none are measured on them",
}
"""What the data of an edition are, by the module that makes them."""


def _edition(name: str, layout: Layout, maker: str, bars: tuple[Bar, ...] = (), source: str = "") -> Edition:
    return Edition(
        name,
        source or SOURCES[maker],
        TableFormat(
            layout.id, (Column(layout.column, minimum=-MOST, maximum=MOST),), range(layout.test_images), years=YEARS
        ),
        (AUC,),
        bars,
        Rules(),
        Place(f"tasks.hw08_anomaly.{maker}:make", (layout,)),
        official=maker != "world",
    )


MEASURED = measured(
    AUC, "ladder.py hw8 --seeds 300-302",
    ("simple", 0.5384, 0.0321), ("medium", 0.5757, 0.0199), ("strong", 0.6961, 0.0063), ("boss", 0.8142, 0.0216),
)  # fmt: skip
OFFICIAL = (
    *official_bars(AUC, "2021", 1.0, ("simple", 0.64046), ("medium", 0.75719)),
    *official_bars(AUC, "2021", 0.5, ("strong", 0.81304), ("boss", 0.86590)),
)

TASK = Task(
    "hw08",
    "Anomaly detection: which images are not faces",
    (
        _edition("builtin", LAYOUT_2021, "world", MEASURED),
        _edition("builtin-2022", LAYOUT_2022, "world", MEASURED),
        _edition("2021", LAYOUT_2021, "official", OFFICIAL, COURSE.format(2021)),
        _edition(
            "2022", LAYOUT_2022, "official", source=COURSE.format(2022) + "; the course published no bars for 2022"
        ),
        _edition("own", LAYOUT_2022, "own"),
    ),
)
