"""HW11: domain adaptation. Paintings have labels, drawings have none: which of ten things does a drawing show?

The files are those of the course's `real_or_drawing`: `train_data/0` to `train_data/9` with coloured pictures of 32 x
32 pixels, and `test_data/0` with grey ones of 28 x 28, all of them BMP. The folder `0` of the test says nothing.
"""

from __future__ import annotations

from tasks.base import Bar, Edition, Place, Rules, Task, measured, official_bars
from tasks.formats import Column, TableFormat, Year
from tasks.metrics import ACCURACY

TARGET = "label"
ROOT = "real_or_drawing"
CLASSES, SIDE, TEST_SIDE = 10, 32, 28
COURSE = (500, 100_000)
"""The course's pictures of each class, and its drawings."""
YEARS = (Year("2021, 2022 and 2023", ("id", TARGET), COURSE[1], "0"),)
"""The three years have the same files."""


def train_name(label: int, number: int, each: int) -> str:
    """The path of picture `number` of a class: names go on from class to class, as in the course.

    >>> train_name(1, 0, 500)
    'real_or_drawing/train_data/1/500.bmp'
    """
    return f"{ROOT}/train_data/{label}/{label * each + number}.bmp"


def test_name(number: int) -> str:
    """The path of the picture of an id."""
    return f"{ROOT}/test_data/0/{number:05d}.bmp"


HALF = "the public part: its size was not told, the bars fit half of the test"
SELECTED = "the selections: how many was not told, two are taken"
UNSURE = {
    "2021": (HALF, SELECTED),
    "2022": (
        HALF,
        SELECTED,
        "the bars: those of the slides; a blog and a student quote 0.44194, 0.64950 and 0.75470",
    ),
    "2023": (
        HALF,
        "the bars: a student's board shows 0.44012, 0.65928, 0.75518 and 0.80794, perhaps the private ones",
    ),
}


def _edition(name: str, source: str, maker: str, bars: tuple[Bar, ...]) -> Edition:
    return Edition(
        name,
        source,
        TableFormat("id", (Column(TARGET, "int", 0, CLASSES - 1),), range(COURSE[1]), years=YEARS),
        (ACCURACY,),
        bars,
        Rules(),
        Place(f"tasks.hw11_adaptation.{maker}:make"),
        official=maker == "official",
        unsure=UNSURE.get(name, ()),
    )


MEASURED = measured(
    ACCURACY, "ladder.py hw11 --seeds 300-302",
    ("simple", 0.5244, 0.1420), ("medium", 0.6678, 0.0598), ("strong", 0.8358, 0.0273), ("boss", 0.8896, 0.0434),
)  # fmt: skip
BARS = {
    "2021": (
        *official_bars(ACCURACY, "2021", 1.0, ("simple", 0.41962), ("medium", 0.59980)),
        *official_bars(ACCURACY, "2021", 0.75, ("strong", 0.71874)),
        *official_bars(ACCURACY, "2021", 0.25, ("boss", 0.77956)),
    ),
    "2022": official_bars(
        ACCURACY, "2022", 0.5, ("simple", 0.44616), ("medium", 0.64576), ("strong", 0.75840), ("boss", 0.80640)
    ),
    "2023": official_bars(
        ACCURACY, "2023", 0.5, ("simple", 0.44280), ("medium", 0.65994), ("strong", 0.75342), ("boss", 0.81072)
    ),
}
GIVEN = (
    "the course's real_or_drawing of {}; licence not stated; the labels of its drawings were never published:"
    " the hidden test is of lines traced from photographs that are taken out of the training part"
)


TASK = Task(
    "hw11",
    "Domain adaptation: from paintings to drawings",
    (
        _edition("builtin", "a seeded world of painted and drawn things (tasks/things.py), MIT", "world", MEASURED),
        *(_edition(year, GIVEN.format(year), "official", bars) for year, bars in BARS.items()),
    ),
)
