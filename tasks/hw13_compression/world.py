"""The built-in world of HW13: HW3's dishes, a teacher that has seen many of them, and hidden pictures for the judge.

The key draws the kitchen, every picture and the first weights of the teacher. The teacher learns from labelled pictures
that nobody gets, so that it knows more than the few labels of the students say; each picture has its own stream.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from importlib.resources import files as resource
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch.nn import functional

from tasks.base import Answers, Made
from tasks.hw03_cnn.dishes import Kitchen, draw_kitchen
from tasks.hw03_cnn.world import picture
from tasks.hw13_compression import (
    CLASSES,
    LAYOUT,
    MODEL_FILE,
    PICTURES_FILE,
    SIDE,
    STUDENT,
    TARGET,
    TEACHER_FILE,
    networks,
)
from tasks.models import Node, graph
from tasks.nets import one_thread
from tasks.pictures import tiles
from tasks.processes import mapped
from tasks.streams import Streams

Pictures = NDArray[np.uint8]
Labels = NDArray[np.int64]


@dataclass(frozen=True)
class Counts:
    """Pictures of each class (training, validation) and in all (without labels, hidden), and those of the teacher."""

    training: int
    validation: int
    unlabelled: int
    test: int
    teacher: int
    epochs: int
    widths: tuple[int, ...]


SIZES = {
    "small": Counts(15, 10, 4000, 2000, 20_000, 4, (32, 64, 128)),
    "full": Counts(280, 60, 6786, 3347, 60_000, 8, (48, 96, 192)),
}
"""`full` has the course's counts of 2021."""
RECIPES = 2  # of each class
BLOCK = 500  # pictures that one process draws at a time
BATCH, RATE, DECAY, SMOOTHING = 32, 4e-3, 0.02, 0.05
"""Of the teacher's training: pictures of a step, largest learning rate, weight decay, smoothing of the labels."""


def draw_block(kitchen: Kitchen, streams: Streams, block: Sequence[tuple[int, int]]) -> list[bytes]:
    """The pictures (number in its part, class) of a block, as JPEG files."""
    drawn = []
    for number, label in block:
        rng, stream = streams.generator(str(number)), io.BytesIO()
        image = Image.fromarray(picture(kitchen, label, SIDE, rng))
        image.save(stream, "JPEG", quality=int(rng.integers(60, 95)))
        drawn.append(stream.getvalue())
    return drawn


def draw_part(kitchen: Kitchen, streams: Streams, labels: Labels, processes: int | None) -> list[bytes]:
    """A picture of each label, as JPEG files."""
    every = list(enumerate(labels.tolist()))
    blocks = [every[start : start + BLOCK] for start in range(0, len(every), BLOCK)]
    drawn = mapped(partial(draw_block, kitchen, streams), blocks, processes)
    return [data for block in drawn for data in block]


def opened(drawn: Sequence[bytes]) -> Pictures:
    """The pixels (n, s, s, 3) of JPEG files."""
    return np.stack([np.asarray(Image.open(io.BytesIO(data))) for data in drawn])


def train_teacher(images: Pictures, labels: Labels, counts: Counts, seed: int) -> bytes:
    """The file of the teacher: Adam with weight decay and one cycle of the rate, on one thread, the same by seed.

    Its pictures are turned by quarters and mirrored, a whole batch at a time.
    """
    pixels, classes = torch.from_numpy(images).permute(0, 3, 1, 2), torch.from_numpy(labels)
    with one_thread(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = networks.Teacher(counts.widths)
        network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        optimiser = torch.optim.AdamW(network.parameters(), lr=RATE, weight_decay=DECAY)
        total = counts.epochs * (len(classes) // BATCH)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, RATE, total_steps=total + 1)
        for _ in range(counts.epochs):
            for rows in torch.split(torch.randperm(len(classes)), BATCH):
                if len(rows) < BATCH:
                    continue
                x = pixels[rows].float() / 255
                mirror, turns = torch.randint(0, 2, ()), torch.randint(0, 4, ())
                x = torch.rot90(x.flip(3) if mirror else x, int(turns), (2, 3))
                x = x.contiguous(memory_format=torch.channels_last)
                loss = functional.cross_entropy(network(x), classes[rows], label_smoothing=SMOOTHING)
                optimiser.zero_grad()
                loss.backward()  # type: ignore[no-untyped-call]
                optimiser.step()
                schedule.step()
        return networks.dump(network)


def brightness() -> bytes:
    """The sample submission: a graph that says class 0 the more surely the lighter the picture is."""
    weight = np.zeros((3, len(CLASSES)), np.float32)
    weight[:, 0] = 1.0
    nodes: list[Node] = [
        ("GlobalAveragePool", ["pixels"], "mean", {}),
        ("Flatten", ["mean"], "colours", {}),
        ("Gemm", ["colours", "weight"], "logits", {}),
    ]
    return graph(STUDENT, "brightness", nodes, {"weight": weight})


def make(
    public: Path,
    streams: Streams,
    size: str,
    source: Path | None = None,
    secret: Path | None = None,
    processes: int | None = None,
) -> Made:
    """Write the pictures of the students and the teacher into `public`, the hidden pictures into `secret`.

    The files are the same however many `processes` draw them (default: all cores).
    """
    assert secret is not None
    counts, kinds = SIZES[size], len(CLASSES)
    kitchen = draw_kitchen(streams.generator("kitchen"), kinds, RECIPES)
    labels = {
        "teacher": np.arange(counts.teacher) % kinds,
        "training": np.repeat(np.arange(kinds), counts.training),
        "validation": np.repeat(np.arange(kinds), counts.validation),
        "unlabelled": streams.generator("unlabelled/labels").integers(0, kinds, counts.unlabelled),
        "test": streams.generator("test/labels").integers(0, kinds, counts.test),
    }
    few = 1 if counts.teacher <= BLOCK else processes
    drawn = {part: draw_part(kitchen, streams.within(part), labels[part], few) for part in labels}
    for part, each in (("training", counts.training), ("validation", counts.validation), ("unlabelled", 0)):
        for number, (label, data) in enumerate(zip(labels[part].tolist(), drawn[part], strict=True)):
            path = public / LAYOUT.name(part, label, number % each if each else number)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
    images = opened(drawn["teacher"])
    teacher = train_teacher(images, labels["teacher"], counts, streams.seed("teacher/weights"))
    (public / TEACHER_FILE).write_bytes(teacher)
    (public / MODEL_FILE).write_bytes(resource("tasks.hw13_compression").joinpath("networks.py").read_bytes())
    hidden = opened(drawn["test"])
    np.save(secret / PICTURES_FILE, hidden, allow_pickle=False)
    shown = opened(drawn["training"] + drawn["validation"] + drawn["unlabelled"])
    return Made(
        Answers(
            range(counts.test), {TARGET: labels["test"]}, strata=np.array([CLASSES[one] for one in labels["test"]])
        ),
        train=tiles(shown),
        test=tiles(hidden),
        sample=brightness(),
        secret=secret,
    )
