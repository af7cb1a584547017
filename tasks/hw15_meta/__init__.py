"""HW15: meta learning. Five characters are shown once each; which of them does each of five other pictures show?

Files are laid out as in the course of 2022: characters to learn from by alphabet, each drawn by twenty hands, and 640
tasks of five support and five query pictures. Support picture i of a task has class i.
"""

from __future__ import annotations

from tasks.base import Edition, Place, Rules, Task, measured, official_bars
from tasks.formats import Column, TableFormat
from tasks.metrics import ACCURACY

TARGET = "class"
TASKS, WAYS, QUERIES = 640, 5, 5
HANDS = 20
"""The hands that draw each character to learn from."""
SIDE = 28
TRAINING, TEST = "Omniglot/images_background", "Omniglot-test"
FORM = TableFormat("id", (Column(TARGET, "int", 0, WAYS - 1),), range(TASKS * QUERIES))


def picture_name(alphabet: str, character: int, number: int, hand: int) -> str:
    """The path of a picture to learn from; characters and hands count from 1, and all characters have a `number`."""
    return f"{TRAINING}/{alphabet}/character{character:02d}/{number:04d}_{hand:02d}.png"


def task_name(task: int, part: str, place: int) -> str:
    """The path of a picture of a task, of its part "support" or "query"."""
    return f"{TEST}/{part}/{task:04d}/image_{place}.png"


MEASURED = measured(
    ACCURACY, "ladder.py hw15 --seeds 310-312",
    ("simple", 0.4637, 0.0191), ("medium", 0.6667, 0.0405), ("strong", 0.7606, 0.0207), ("boss", 0.7919, 0.0222),
)  # fmt: skip


HALF = "the public part: its size was not told, half is taken"
ABOUT = "the bars: told as about 0.6, 0.7, 0.9 and 0.95"
UNSURE = {
    "2022": (HALF, ABOUT, "the selections: how many was not told, two are taken"),
    "2023": (HALF, ABOUT),
}


def _edition(year: str) -> Edition:
    return Edition(
        year,
        f"the course's files of Kaggle ml{year}spring-hw15, drawn from Omniglot (Lake and others, MIT); the labels of"
        " its 640 tasks were never published: hidden tasks are drawn from alphabets that are taken out",
        FORM,
        (ACCURACY,),
        official_bars(ACCURACY, year, 0.5, ("simple", 0.6), ("medium", 0.7), ("strong", 0.9), ("boss", 0.95)),
        Rules(),
        Place("tasks.hw15_meta.official:make"),
        official=True,
        unsure=UNSURE[year],
    )


TASK = Task(
    "hw15",
    "Meta learning: characters seen once",
    (
        Edition(
            "builtin",
            "a seeded world of invented alphabets (tasks/hw15_meta/world.py), MIT",
            FORM,
            (ACCURACY,),
            MEASURED,
            Rules(),
            Place("tasks.hw15_meta.world:make"),
        ),
        _edition("2022"),
        _edition("2023"),
    ),
)  # fmt: skip
