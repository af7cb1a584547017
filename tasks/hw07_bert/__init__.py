"""HW7: extractive question answering in Chinese. Which part of a paragraph answers a question?

The files are the course's: JSON with paragraphs, and questions that name their paragraph and the place of the answer in
it, in characters, the end included. In the test file the answers are null. Beside these the built-in world has text
without questions.
"""

from __future__ import annotations

from dataclasses import dataclass

from tasks.base import Bar, Edition, Place, Rules, Task, measured, official_bars
from tasks.formats import Column, TableFormat, Year
from tasks.metrics import ANSWER_MATCH, CHARACTER_F1

TARGET = "Answer"
TRAIN_FILE, DEV_FILE, TEST_FILE, TEXT_FILE = "hw7_train.json", "hw7_dev.json", "hw7_test.json", "hw7_text.txt"
ROOM = 300
"""Bytes of an answer, on average."""


@dataclass(frozen=True)
class Counts:
    """The paragraphs of each part, the questions about one, at most, and the lines of text without questions."""

    train: int
    dev: int
    test: int
    questions: int
    text: int


SIZES = {"small": Counts(400, 80, 320, 4, 6_000), "full": Counts(10_524, 1_490, 1_586, 3, 100_000)}
"""Size to counts; in "full" the paragraphs are as many as in the course of 2022."""
YEARS = tuple(Year(year, ("ID", TARGET), rows, "0") for year, rows in (("2021", 3493), ("2022", 4957), ("2023", 3504)))
MEASURED = measured(
    ANSWER_MATCH, "ladder.py hw7 --seeds 300-302 (and 310-312)",
    ("simple", 0.2799, 0.0444), ("medium", 0.4151, 0.0266), ("strong", 0.4714, 0.0369),
    ("boss", 0.5732, 0.0384),
)  # fmt: skip
BARS = {
    "2021": (
        *official_bars(ANSWER_MATCH, "2021", 1.0, ("simple", 0.44622), ("medium", 0.68421)),
        *official_bars(ANSWER_MATCH, "2021", 0.5, ("strong", 0.79290), ("boss", 0.84897)),
    ),
    "2022": official_bars(
        ANSWER_MATCH, "2022", 0.5, ("simple", 0.45139), ("medium", 0.65792), ("strong", 0.78136), ("boss", 0.84388)
    ),
    "2023": official_bars(
        ANSWER_MATCH, "2023", 0.5, ("simple", 0.46481), ("medium", 0.67139), ("strong", 0.75936), ("boss", 0.84108)
    ),
}
COURSE = (
    "the course's files of {}, from DRCD (Shao et al., arXiv 1806.00920, CC BY-SA 3.0){}; the official test answers "
    "were not handed out: the test is carved out of the labelled paragraphs, whose answers are public on the internet"
)
UNSURE = {
    "2021": (
        "the test questions: 3,493 in the slides, 3,492 in the notebook",
        "the source: not told, the counts are those of DRCD",
    ),
    "2022": ("the name on Kaggle: ml2022-spring-hw7 in the slides, ml2022spring-hw7 in students' notes",),
    "2023": (
        "the bars: those of the slides; a student's board has 0.45573, 0.67820, 0.76220 and 0.84506",
        "the public part: its size was not told, the bars fit half of the test",
    ),
}
SPOKEN = {"2021": "", "2022": " and its spoken versions", "2023": " and its spoken versions"}


def _edition(name: str, rows: int, source: str, maker: str, bars: tuple[Bar, ...]) -> Edition:
    return Edition(
        name,
        source,
        TableFormat("ID", (Column(TARGET, "text", room=ROOM),), range(rows), years=YEARS),
        (ANSWER_MATCH, CHARACTER_F1),
        bars,
        Rules(),
        Place(f"tasks.hw07_bert.{maker}:make"),
        official=maker == "official",
        unsure=UNSURE.get(name, ()),
    )


TASK = Task(
    "hw07",
    "BERT: extractive question answering in Chinese",
    (
        _edition(
            "builtin",
            3493,
            "a seeded world of stories with questions (tasks/hw07_bert/world.py), MIT",
            "world",
            MEASURED,
        ),
        *(
            _edition(year.name, year.rows, COURSE.format(year.name, SPOKEN[year.name]), "official", BARS[year.name])
            for year in YEARS
        ),
    ),
)
