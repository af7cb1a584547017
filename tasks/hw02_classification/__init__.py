"""HW2: phoneme classification. Which of 39 phonemes (41 in 2022 and 2023) is heard in each 10 ms of speech?

The files are the same in every edition: one array of MFCC frames (n, 39) for all utterances, and a table that says
where each of them lies in it. The course gives eleven frames side by side (2021) or a file for each utterance (2022).
"""

from __future__ import annotations

from dataclasses import dataclass

from tasks.base import Bar, Edition, Place, Rules, Task, measured, official_bars
from tasks.formats import Column, TableFormat, Year
from tasks.metrics import ACCURACY

TARGET = "Class"
FEATURES_FILE, LABELS_FILE, UTTERANCES_FILE = "features.npy", "labels.npy", "utterances.csv"
PARTS = ("train", "test")
WIDTH = 39
"""The MFCC numbers of a frame."""


@dataclass(frozen=True)
class Layout:
    """One year: its classes, and the course's own test frames and training utterances, 0 where not told."""

    year: str
    classes: int
    test_frames: int
    utterances: int = 0


LAYOUT_2021 = Layout("2021", 39, 451_552)
LAYOUT_2022 = Layout("2022", 41, 646_268, 4286)
LAYOUT_2023 = Layout("2023", 41, 527_364, 3429)
LAYOUTS = (LAYOUT_2021, LAYOUT_2022, LAYOUT_2023)
YEARS = tuple(Year(layout.year, ("Id", TARGET), layout.test_frames, "0") for layout in LAYOUTS)
SOURCES = {
    "2021": "the course's files of Kaggle ml2021spring-hw2, made from TIMIT (LDC93S1), which may not be passed on",
    "2022": "the course's files of Kaggle ml2022spring-hw2, made from LibriSpeech (openslr 12); licence not stated",
    "2023": "the course's files of Kaggle ml2023spring-hw2, made from LibriSpeech (openslr 12); licence not stated",
}


HALF = "the public part: its size was not told, half is taken"
CLASSES_2022 = "the 41 classes: their names were not told"
UNSURE = {
    "2021": (
        HALF,
        "the deadlines: 11:59 in one copy of the slides, 23:59 in a later one",
        "the labels: as text or as numbers in the file was not told, both are read",
    ),
    "2022": (
        HALF,
        CLASSES_2022,
        "the training utterances: 4,268 in the slides, 4,286 in the notebook's output",
        "the points: one a level, how much for which board was not told, half each is taken",
    ),
    "2023": (HALF, CLASSES_2022),
}


def _edition(layout: Layout, bars: tuple[Bar, ...]) -> Edition:
    return Edition(
        layout.year,
        f"{SOURCES[layout.year]}; the official test labels were never published: the hidden utterances are taken out of"
        " the training set",
        form_of(layout),
        (ACCURACY,),
        bars,
        Rules(),
        Place("tasks.hw02_classification.official:make", (layout,)),
        official=True,
        unsure=UNSURE[layout.year],
    )


def form_of(layout: Layout) -> TableFormat:
    """The format of a submission of a year, with the course's ids."""
    column = Column(TARGET, "int", 0, layout.classes - 1)
    return TableFormat("Id", (column,), range(layout.test_frames), years=YEARS)


TASK = Task(
    "hw02",
    "Phonemes: which sound is in each frame of speech",
    (
        Edition(
            "builtin",
            "a seeded world of sentences read by espeak-ng in drawn voices and rooms"
            " (tasks/hw02_classification/world.py), MIT",
            form_of(LAYOUT_2021),
            (ACCURACY,),
            measured(
                ACCURACY, "ladder.py hw2 --seeds 300-302",
                ("simple", 0.5526, 0.0299), ("medium", 0.6386, 0.0248), ("strong", 0.7036, 0.0210),
                ("boss", 0.7742, 0.0270),
            ),
            Rules(),
            Place("tasks.hw02_classification.world:make"),
        ),
        _edition(LAYOUT_2021, official_bars(ACCURACY, "2021", 1.0, ("simple", 0.68334), ("strong", 0.76023))),
        _edition(
            LAYOUT_2022,
            official_bars(
                ACCURACY, "2022", 0.5,
                ("simple", 0.45797), ("medium", 0.69747), ("strong", 0.75028), ("boss", 0.82324),
            ),
        ),
        _edition(
            LAYOUT_2023,
            official_bars(
                ACCURACY, "2023", 0.5,
                ("simple", 0.49798), ("medium", 0.66440), ("strong", 0.74944), ("boss", 0.83017),
            ),
        ),
    ),
)  # fmt: skip
