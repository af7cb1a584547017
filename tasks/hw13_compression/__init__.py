"""HW13: network compression. Hand in a network of at most 100,000 parameters that names dishes almost as a large one.

Students get few labelled pictures, many without labels, and a trained network, the teacher. What is handed in is the
network itself: the judge runs it on pictures that students never get.
"""

from __future__ import annotations

from dataclasses import replace

from tasks.base import Edition, Judge, Place, Rules, Task, measured
from tasks.formats import ModelFormat, Tensor
from tasks.hw03_cnn import CLASSES, LAYOUT_2021, TARGET
from tasks.metrics import ACCURACY

SIDE = 40
"""The side of a picture in pixels, that of HW3's small world."""
STUDENT = ModelFormat((Tensor("pixels", (3, SIDE, SIDE)),), (Tensor("logits", (len(CLASSES),)),), 100_000)
"""Colours from 0 to 1 in, a number for each class out, of which the largest one names the class."""
LAYOUT = replace(LAYOUT_2021, test=0)
"""The folders of the pictures that students get, those of HW3 in 2021: nobody gets the test pictures."""
TEACHER_FILE, MODEL_FILE = "teacher.safetensors", "model.py"
PICTURES_FILE = "test.npy"
"""In the secret folder: the hidden pictures, uint8 (n, SIDE, SIDE, 3), in the order of the answers."""

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
                ("simple", 0.4363, 0.0715),
                ("medium", 0.7297, 0.0511),
                ("strong", 0.9570, 0.0217),
                ("boss", 0.9897, 0.0060),
            ),
            Rules(),
            Place("tasks.hw13_compression.judge:make"),
            judge=Judge(
                Place("tasks.hw13_compression.judge:version"),
                Place("tasks.hw13_compression.judge:check"),
                Place("tasks.hw13_compression.judge:run"),
            ),
        ),
    ),
)

__all__ = ["CLASSES", "LAYOUT", "MODEL_FILE", "PICTURES_FILE", "SIDE", "STUDENT", "TARGET", "TASK", "TEACHER_FILE"]
