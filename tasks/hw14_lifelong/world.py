"""The built-in world of HW14: five tasks of digits that a pen writes, turned further or their pixels in another order.

A key draws the style of its digits, and how the tasks differ: from which angle and in which direction they turn, by
how many pixels each of them is moved, or the order of its pixels. No digit is in two tasks, or in training and test.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tasks.base import Answers, Made
from tasks.hw14_lifelong import (
    CLASSES,
    IMAGES_FILE,
    KNOWN,
    LABELS_FILE,
    LAYERS,
    SIDE,
    TASKS,
    form_of,
    task_folder,
)
from tasks.hw14_lifelong.digits import Style, digit, draw_style
from tasks.hw14_lifelong.judge import HIDDEN_FILE, KNOWN_FILE, KNOWN_LABELS_FILE, Pictures
from tasks.processes import mapped
from tasks.streams import Streams
from tasks.tensor_formats import ArraysFormat

SIZES = {"small": (3000, 1000), "full": (60_000, 10_000)}
"""Size to the pictures of each task in training and in the test."""
STEP = 36.0
"""Degrees by which each task is turned further than the one before it."""
MOVE = 2.5
"""The most pixels by which a task is moved, to each side."""
PIECE = 500
"""Pictures that come from one stream."""
JOB = 1000
"""The least pictures that a process makes at once, but for the last ones."""

Part = tuple[Pictures, NDArray[np.int64]]
"""Pictures (n, 28, 28) and their labels (n,)."""


@dataclass(frozen=True)
class Change:
    """What a task does to all its pictures: degrees counter-clockwise and pixels (x, y), or another order of pixels."""

    degrees: float = 0.0
    move: tuple[float, float] = (0.0, 0.0)
    order: tuple[int, ...] = ()

    def matrix(self) -> NDArray[np.float32]:
        """From the pixels of an upright picture (rows) to those that are seen, (784, 784); turns are bilinear."""
        mixer = np.zeros((SIDE * SIDE, SIDE * SIDE), np.float32)
        if self.order:
            mixer[list(self.order), np.arange(SIDE * SIDE)] = 1
            return mixer
        angle, middle = np.deg2rad(self.degrees), (SIDE - 1) / 2
        y, x = np.mgrid[:SIDE, :SIDE].reshape(2, -1) - middle
        x, y = x - self.move[0], y - self.move[1]
        from_x = np.cos(angle) * x - np.sin(angle) * y + middle
        from_y = np.sin(angle) * x + np.cos(angle) * y + middle
        for dx in (0, 1):
            for dy in (0, 1):
                column, row = np.floor(from_x).astype(int) + dx, np.floor(from_y).astype(int) + dy
                share = (1 - np.abs(from_x - column)) * (1 - np.abs(from_y - row))
                seen = np.flatnonzero((column >= 0) & (column < SIDE) & (row >= 0) & (row < SIDE))
                mixer[row[seen] * SIDE + column[seen], seen] += share[seen].astype(np.float32)
        return mixer


def draw_changes(rng: np.random.Generator, kind: str) -> list[Change]:
    """How each task changes pictures; the first one of `permuted` leaves them as they are."""
    if kind == "permuted":
        return [Change(), *(Change(order=tuple(rng.permutation(SIDE * SIDE).tolist())) for _ in range(TASKS - 1))]
    start, way = rng.uniform(-15, 15), rng.choice([-1.0, 1.0])
    moves = rng.uniform(-MOVE, MOVE, (TASKS, 2)).tolist()
    return [Change(start + way * STEP * task, (x, y)) for task, (x, y) in enumerate(moves)]


@dataclass(frozen=True)
class Piece:
    """Some pictures of a part of a task: the name of their stream, their labels, and how the task changes them."""

    stream: str
    labels: list[int]
    change: Change


def written(streams: Streams, style: Style, job: Sequence[Piece]) -> list[Pictures]:
    """The pictures (n, 28, 28) of each of some pieces."""
    return [_written(style, piece, streams.generator(piece.stream)) for piece in job]


def _written(style: Style, piece: Piece, rng: np.random.Generator) -> Pictures:
    flat = np.stack([digit(label, style, rng) for label in piece.labels]).reshape(len(piece.labels), -1)
    spread = rng.uniform(*style.noise, (len(flat), 1)).astype(np.float32)
    seen = flat @ piece.change.matrix() + rng.normal(0, 1, flat.shape).astype(np.float32) * spread
    return (seen.clip(0, 1) * 255).round().astype(np.uint8).reshape(-1, SIDE, SIDE)


def parts(
    streams: Streams, style: Style, changes: Sequence[Change], counts: dict[str, int], processes: int | None = None
) -> dict[str, list[Part]]:
    """The pictures of each task in each part, by the part's name: as many of each class as can be, in random order."""
    pieces: list[Piece] = []
    labels: dict[str, list[NDArray[np.int64]]] = {name: [] for name in counts}
    for name, count in counts.items():
        for task, change in enumerate(changes, 1):
            own = streams.generator(f"{name}/{task}/labels").permutation(np.arange(count) % CLASSES)
            labels[name].append(own)
            pieces += [
                Piece(f"{name}/{task}/{at // PIECE}", own[at : at + PIECE].tolist(), change)
                for at in range(0, count, PIECE)
            ]
    jobs: list[list[Piece]] = [[]]
    for piece in pieces:
        if sum(len(one.labels) for one in jobs[-1]) >= JOB:
            jobs.append([])
        jobs[-1].append(piece)
    made = (some for job in mapped(partial(written, streams, style), jobs, processes) for some in job)
    return {
        name: [(np.concatenate([next(made) for _ in range(0, count, PIECE)]), own) for own in labels[name]]
        for name, count in counts.items()
    }


def empty(form: ArraysFormat) -> bytes:
    """Networks whose numbers are all 0, which always name class 0."""
    from safetensors.numpy import save

    return save({array.name: np.zeros(array.shape, array.dtype) for array in form.arrays})


def finished(
    public: Path,
    secret: Path,
    training: Sequence[Part],
    hidden: Sequence[Part],
    streams: Streams,
    form: ArraysFormat,
    groups: Sequence[NDArray[np.str_]] | None = None,
) -> Made:
    """Write the training pictures of each task for students, and the hidden ones, in a secret order, for the judge.

    `groups` name the pictures of each task that must stay on one side of the split.
    """
    for task, (pictures, labels) in enumerate(training, 1):
        folder = public / task_folder(task)
        folder.mkdir()
        np.save(folder / IMAGES_FILE, pictures, allow_pickle=False)
        np.save(folder / LABELS_FILE, labels, allow_pickle=False)
    of_task = np.repeat(np.arange(TASKS), [len(labels) for _, labels in hidden])
    order = streams.generator("test/order").permutation(len(of_task))
    shown = np.concatenate([labels for _, labels in hidden])[order]
    of_task = of_task[order]
    np.save(secret / HIDDEN_FILE, np.concatenate([pictures for pictures, _ in hidden])[order], allow_pickle=False)
    np.save(secret / KNOWN_FILE, np.stack([pictures[:KNOWN] for pictures, _ in training]), allow_pickle=False)
    np.save(secret / KNOWN_LABELS_FILE, np.stack([labels[:KNOWN] for _, labels in training]), allow_pickle=False)
    if groups is None:
        named, strata = None, np.array([f"{task} {label}" for task, label in zip(of_task, shown, strict=True)])
    else:  # a group has pictures of every task
        named, strata = np.concatenate(groups)[order], shown.astype(np.str_)
    answers = Answers(range(len(shown)), {"label": shown, "task": of_task}, groups=named, strata=strata)
    return Made(answers, sample=empty(form), secret=secret)


def make(
    kind: str,
    public: Path,
    streams: Streams,
    size: str,
    source: Path | None,
    secret: Path,
    processes: int | None = None,
) -> Made:
    """The world "turned" or "permuted", the same however many `processes` make it (default: all cores)."""
    style = draw_style(streams.generator("style"))
    changes = draw_changes(streams.generator("tasks"), kind)
    found = parts(streams, style, changes, dict(zip(("train", "test"), SIZES[size], strict=True)), processes)
    return finished(public, secret, found["train"], found["test"], streams, form_of(LAYERS))
