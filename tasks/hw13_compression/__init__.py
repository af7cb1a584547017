"""HW13: network compression. Hand in a network of at most 100,000 parameters that names dishes almost as a large one.

Students get few labelled pictures, many without labels, and a trained network, the teacher. What is handed in is the
network itself: the judge runs it on pictures that students never get.
"""

from __future__ import annotations

from dataclasses import replace

from tasks.base import Bar, Edition, Judge, Place, Reproduction, Rules, Task, measured, official_bars
from tasks.formats import Column, TableFormat, Year
from tasks.hw03_cnn import CLASSES, LAYOUT_2021, TARGET, Layout
from tasks.metrics import ACCURACY
from tasks.tensor_formats import ModelFormat, Tensor

SIDE = 40
"""The side of a picture in pixels, that of HW3's small world."""
STUDENT = ModelFormat((Tensor("pixels", (3, SIDE, SIDE)),), (Tensor("logits", (len(CLASSES),)),), 100_000)
"""Colours from 0 to 1 in, a number for each class out, of which the largest one names the class."""
LAYOUT = replace(LAYOUT_2021, test=0)
"""The folders of the pictures that students get, those of HW3 in 2021: nobody gets the test pictures."""
TEACHER_FILE, MODEL_FILE = "teacher.safetensors", "model.py"
PICTURES_FILE = "test.npy"
"""In the secret folder: the hidden pictures, uint8 (n, SIDE, SIDE, 3), in the order of the answers."""

LAYOUTS = (LAYOUT_2021, Layout("2022", "food11-hw13", 9866, 3430, 0, 0.3, testing="evaluation"))
"""The folders of the course's own pictures in 2021 and 2022."""
SIDES = (32, 40, 48, 64, 96, 112, 128, 160, 192, 224, 256)
"""The sides of a picture, in pixels, that a model which reproduces a table may ask for."""
STUDENTS = tuple(
    ModelFormat((Tensor("pixels", (3, side, side)),), STUDENT.outputs, STUDENT.most_parameters) for side in SIDES
)
YEARS = (
    *(Year(each.year, ("Id", TARGET), each.test, str(each.ids(1)[0])) for each in LAYOUTS),
    Year("2023", ("Id", TARGET), 2218, "0000"),  # at most 60,000 parameters; its files are not read
)


def _official(layout: Layout, bars: tuple[Bar, ...]) -> Edition:
    """The course's edition of a year: a table of classes, whose network has to be shown afterwards."""
    slug = {"2021": "ml2021spring-hw13", "2022": "ml2022spring-hw13"}[layout.year]
    return Edition(
        layout.year,
        f"the course's files of Kaggle {slug}, pictures of food-11; licence not stated; those of 2021 are for this"
        " course only and must not be passed on; the labels can be found on the internet",
        TableFormat("Id", (Column(TARGET, "int", 0, len(CLASSES) - 1),), layout.ids(layout.test), years=YEARS),
        (ACCURACY,),
        bars,
        Rules(public_share=layout.public_share),
        Place("tasks.hw13_compression.official:make", (layout,)),
        official=True,
        reproduction=Reproduction(STUDENTS, Place("tasks.hw13_compression.official:classes", (layout,))),
    )


TASK = Task(
    "hw13",
    "Network compression: a small student of a large teacher",
    (
        Edition(
            "builtin",
            "HW3's seeded world of drawn dishes (tasks/hw03_cnn/world.py), and a network trained on many of them, MIT",
            STUDENT,
            (ACCURACY,),
            measured(
                ACCURACY,
                "ladder.py hw13 --seeds 300-302 --no-tricks",
                ("simple", 0.2147, 0.0424),
                ("medium", 0.7410, 0.0313),
                ("strong", 0.9577, 0.0151),
                ("boss", 0.9790, 0.0132),
            ),
            Rules(),
            Place("tasks.hw13_compression.judge:make"),
            judge=Judge(
                Place("tasks.hw13_compression.judge:version"),
                Place("tasks.models:check"),
                Place("tasks.hw13_compression.judge:run"),
            ),
        ),
        _official(
            LAYOUTS[0],
            official_bars(ACCURACY, "2021", 1.0, ("simple", 0.59856), ("medium", 0.65412))
            + official_bars(ACCURACY, "2021", 0.75, ("strong", 0.72819))
            + official_bars(ACCURACY, "2021", 0.25, ("boss", 0.81003)),
        ),
        _official(
            LAYOUTS[1],
            official_bars(
                ACCURACY, "2022", 0.5, ("simple", 0.44820), ("medium", 0.64840), ("strong", 0.82370), ("boss", 0.85159)
            ),
        ),
    ),
)

__all__ = [
    "CLASSES",
    "LAYOUT",
    "LAYOUTS",
    "MODEL_FILE",
    "PICTURES_FILE",
    "SIDE",
    "STUDENT",
    "TARGET",
    "TASK",
    "TEACHER_FILE",
]
