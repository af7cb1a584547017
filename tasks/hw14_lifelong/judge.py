"""The judge of HW14: runs the networks of a submission on the hidden pictures, and looks for what cannot have been.

A network is a few products of matrices in double precision, over batches that always have the same number of rows; its
outputs are rounded to single precision before the largest is taken (the first of equal ones). So the class of a picture
depends neither on the other pictures nor on the number of threads.

Notes name what is odd in the networks, by some of the training pictures, so that they say nothing of the hidden ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tasks.base import Columns, Judged
from tasks.formats import Format
from tasks.hw14_lifelong import SIDE, TASKS
from tasks.models import machine
from tasks.tensor_formats import ArraysFormat

HIDDEN_FILE, KNOWN_FILE, KNOWN_LABELS_FILE = "hidden.npy", "known.npy", "known_labels.npy"
"""The hidden pictures in the order of the answers; some training pictures of each task, with their labels."""
ROWS = 250
"""The rows of every batch."""
EARLY = 0.9
"""The share of what a network knows of a task just learned, from which on to know it before is noted."""
GAIN = 0.005
"""A backward transfer above this is noted."""

Pictures = NDArray[np.uint8]
Layer = tuple[NDArray[np.float64], NDArray[np.float64]]


def version() -> str:
    """What can change a class beside the folders: how networks are run, numpy, and the machine."""
    return f"networks 1 numpy {np.__version__} {machine()}"


def networks(form: Format, predictions: Columns) -> list[list[Layer]]:
    """The layers of the network after each task: weights (inputs, outputs) and biases (outputs,)."""
    assert isinstance(form, ArraysFormat)
    names = [array.name for array in form.arrays]
    each = len(names) // TASKS
    numbers = [predictions[name].astype(np.float64) for name in names]
    return [
        [(numbers[at].T, numbers[at + 1]) for at in range(task * each, (task + 1) * each, 2)] for task in range(TASKS)
    ]


def classes(layers: Sequence[Layer], pictures: Pictures) -> NDArray[np.int8]:
    """The class of each picture (n,) by linear layers with ReLU between them, from its pixels divided by 255."""
    found = np.empty(len(pictures), np.int8)
    for at in range(0, len(pictures), ROWS):
        here = pictures[at : at + ROWS].reshape(-1, layers[0][0].shape[0])
        x = np.zeros((ROWS, here.shape[1]))
        x[: len(here)] = here / 255.0
        for place, (weight, bias) in enumerate(layers):
            x = (np.maximum(x, 0) if place else x) @ weight + bias
        found[at : at + ROWS] = x[: len(here)].astype(np.float32).argmax(axis=1)
    return found


def run(form: Format, predictions: Columns, secret: Path) -> Judged:
    """The column "classes" (n, 5): what the network after each task says of each hidden picture."""
    pictures = np.load(secret / HIDDEN_FILE, allow_pickle=False)
    every = networks(form, predictions)
    found = np.stack([classes(layers, pictures) for layers in every], axis=1)
    return Judged({"classes": found}, odd(every, secret))


def odd(every: Sequence[Sequence[Layer]], secret: Path) -> tuple[str, ...]:
    """Notes on networks that are equal, know a task before it was learned, or know old tasks better at the end."""
    notes = []
    for task in range(1, TASKS):
        pairs = zip(every[task - 1], every[task], strict=True)
        if all(np.array_equal(one, other) for before, after in pairs for one, other in zip(before, after, strict=True)):
            notes.append(f"the networks after task {task} and after task {task + 1} are equal")
    known = np.load(secret / KNOWN_FILE, allow_pickle=False)
    labels = np.load(secret / KNOWN_LABELS_FILE, allow_pickle=False)
    said = np.stack([classes(layers, known.reshape(-1, SIDE, SIDE)) for layers in every]).reshape(TASKS, TASKS, -1)
    right = (said == labels).mean(axis=2)  # after each task (first) on each task
    for task in range(1, TASKS):
        early, learned = right[task - 1, task], right[task, task]
        if learned > 0.5 and early >= EARLY * learned:
            notes.append(
                f"the network after task {task} already names {early:.0%} of some training pictures of task {task + 1},"
                f" and {learned:.0%} once it is learned: ask how it was trained"
            )
    gain = float((right[-1] - right.diagonal())[:-1].mean())
    if gain > GAIN:
        notes.append(
            f"the last network knows training pictures of earlier tasks better than when they were learned ({gain:+.1%}"
            " in the mean), as after training on all tasks at once: ask how it was trained"
        )
    return tuple(notes)
