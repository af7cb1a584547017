"""HW14: networks that learned nothing or little, statistics that never forget, and what the rules forbid.

The references are the methods of the course between joint training, the upper line, and fine-tuning, the lower one.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Sequence
from itertools import pairwise, product
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load, save

from baselines.common import train_level
from tasks.hw14_lifelong import CLASSES, IMAGES_FILE, LABELS_FILE, LAYERS, TASKS, names, task_folder
from tasks.hw14_lifelong.digits import draw_style
from tasks.hw14_lifelong.world import STEP, Change, parts
from tasks.streams import Streams
from tasks.tensor_formats import ArraysFormat
from tests.bench.tricks.frame import NO_LEARNING, OTHER_DATA, PUBLIC_DATA, Given, Reference, Trick, World

Floats = NDArray[Any]
Task = tuple[NDArray[np.uint8], NDArray[np.int64]]
HIDDEN = LAYERS[1]


def tasks_of(public: Path) -> list[Task]:
    """Pictures (n, 28, 28) and labels of each task."""
    folders = [public / task_folder(task) for task in range(1, TASKS + 1)]
    return [
        (np.load(folder / IMAGES_FILE, allow_pickle=False), np.load(folder / LABELS_FILE, allow_pickle=False))
        for folder in folders
    ]


def flat(pictures: NDArray[np.uint8]) -> Floats:
    return pictures.reshape(len(pictures), -1) / 255


def file_of(networks: Sequence[Sequence[tuple[Floats, Floats]]]) -> bytes:
    """The file of networks given by their layers: weights (inputs, outputs) and biases."""
    arrays = {}
    for task, layers in enumerate(networks, 1):
        for (weight, bias), (w, b) in zip(names(task, widths_of(layers)), layers, strict=True):
            arrays[weight], arrays[bias] = np.ascontiguousarray(w.T, np.float32), np.asarray(b, np.float32)
    return save(arrays)


def widths_of(layers: Sequence[tuple[Floats, Floats]]) -> tuple[int, ...]:
    return (LAYERS[0], *(len(bias) for _, bias in layers))


def linear(weight: Floats, bias: Floats, widths: Sequence[int] = LAYERS) -> list[tuple[Floats, Floats]]:
    """A network that is a linear classifier (784, 10): its scores pass all ReLUs, lifted above 0."""
    wide, lift = np.zeros((LAYERS[0], widths[1])), np.zeros(widths[1])
    wide[:, :CLASSES] = weight
    lift[:CLASSES] = bias + np.abs(weight).sum(axis=0).max() + np.abs(bias).max()
    size = max(1.0, np.abs(lift).max() / 500)  # within what is accepted
    return [
        (wide / size, lift / size),
        *((np.eye(inputs, outputs), np.zeros(outputs)) for inputs, outputs in pairwise(widths[1:])),
    ]


EPOCHS = "epochs=4"


def level(given: Given, name: str, *settings: str, public: Path | None = None, run: str = "run") -> bytes:
    """The file of a level with other settings, or on other data, trained as long as the upper levels."""
    settings = (EPOCHS, *settings)
    path = train_level(
        "hw14", name, public or given.public, given.scratch / run, seed=given.seed, device="cpu", overrides=settings
    )
    return path.read_bytes()


# Without learning


def random_weights(given: Given) -> bytes:
    assert isinstance(given.form, ArraysFormat)
    return save({one.name: given.rng.normal(0, 0.05, one.shape).astype(np.float32) for one in given.form.arrays})


# From the public data, task by task, as the rules want it


def class_means(given: Given) -> bytes:
    """The nearest of ten mean pictures, over all tasks so far."""
    assert isinstance(given.form, ArraysFormat)
    each = given.form.arrays[: len(given.form.arrays) // TASKS : 2]
    widths = (LAYERS[0], *(weight.shape[0] for weight in each))
    sums, counts, networks = np.zeros((CLASSES, LAYERS[0])), np.zeros(CLASSES), []
    for pictures, labels in tasks_of(given.public):
        one = np.eye(CLASSES)[labels]
        sums, counts = sums + one.T @ flat(pictures), counts + one.sum(axis=0)
        means = sums / counts[:, None]
        networks.append(linear(means.T, -0.5 * (means**2).sum(axis=1), widths))
    return file_of(networks)


def ridge_steps(
    given: Given,
    features: Callable[[Floats], Floats],
    build: Callable[[Floats, Floats], list[tuple[Floats, Floats]]],
    penalty: float,
) -> bytes:
    """Least squares on features, from sums over the tasks so far: the same as on all their pictures at once."""
    networks, square, cross = [], np.zeros(()), np.zeros(())
    for pictures, labels in tasks_of(given.public):
        x = np.pad(features(flat(pictures)), ((0, 0), (0, 1)), constant_values=1.0)
        square, cross = square + x.T @ x, cross + x.T @ (2 * np.eye(CLASSES)[labels] - 1)
        found = np.linalg.solve(square + penalty * np.eye(len(square)), cross)
        networks.append(build(found[:-1], found[-1]))
    return file_of(networks)


def least_squares(given: Given) -> bytes:
    return ridge_steps(given, lambda x: x, linear, 10.0)


def relu(x: Floats) -> Floats:
    return np.maximum(x, 0)


def frozen(given: Given, layers: list[tuple[Floats, Floats]]) -> bytes:
    """The two hidden layers stay, the last one is fitted to sums over the tasks so far."""

    def features(x: Floats) -> Floats:
        for weight, bias in layers:
            x = relu(x @ weight + bias)
        return x

    return ridge_steps(given, features, lambda w, b: [*layers, (w, b)], 1.0)


def random_features(given: Given) -> bytes:
    sizes = [(LAYERS[0], HIDDEN), (HIDDEN, HIDDEN)]
    return frozen(given, [(given.rng.normal(0, (2 / n) ** 0.5, (n, m)), given.rng.normal(0, 0.3, m)) for n, m in sizes])


def first_features(given: Given) -> bytes:
    """Analytic class-incremental learning on the features of the first task (Zhuang et al., arXiv 2205.14922)."""
    arrays = load(level(given, "simple"))
    layers = [(arrays[w].T.astype(np.float64), arrays[b].astype(np.float64)) for w, b in names(1)]
    return frozen(given, layers[:2])


def mean_weights(given: Given) -> bytes:
    return level(given, "simple", "mean=true")


def hardly_moved(given: Given) -> bytes:
    return level(given, "simple", "lr=2e-5")


def all_first(given: Given) -> bytes:
    """The network after the first task, handed in for all."""
    arrays = load(level(given, "simple"))
    return save({name: arrays[f"after_1/{name.partition('/')[2]}"] for name in arrays})


# What the rules forbid and no file shows


def with_tasks(given: Given, folder: str, change: Callable[[int, list[Task]], Task]) -> Path:
    """The public folder with other pictures of each task."""
    public = given.scratch / folder
    shutil.copytree(given.public, public)
    every = tasks_of(given.public)
    for task in range(TASKS):
        pictures, labels = change(task, every)
        np.save(public / task_folder(task + 1) / IMAGES_FILE, pictures, allow_pickle=False)
        np.save(public / task_folder(task + 1) / LABELS_FILE, labels, allow_pickle=False)
    return public


def joined(parts: Sequence[Task]) -> Task:
    return np.concatenate([pictures for pictures, _ in parts]), np.concatenate([labels for _, labels in parts])


def everything_kept(given: Given) -> bytes:
    """Each task is learned with all pictures of those before it."""
    return level(given, "simple", public=with_tasks(given, "kept", lambda task, every: joined(every[: task + 1])))


def turned_back(given: Given) -> bytes:
    """Each task is learned with its own pictures turned back to the tasks before it, whose moves are not known."""

    def change(task: int, every: list[Task]) -> Task:
        pictures, labels = every[task]
        way = direction(every)
        parts = [every[task]]
        for before in range(task):
            turn = Change(-way * STEP * (task - before)).matrix()
            back = (pictures.reshape(len(pictures), -1) @ turn).round().clip(0, 255).astype(np.uint8)
            parts.append((back.reshape(pictures.shape), labels))
        return joined(parts)

    return level(given, "simple", public=with_tasks(given, "turned", change))


def direction(every: Sequence[Task]) -> float:
    """Which way the second task is turned: the way that brings its mean picture of ones nearer to the first's."""
    first, second = (pictures[labels == 1].mean(axis=0).ravel() for pictures, labels in every[:2])
    return max((1.0, -1.0), key=lambda way: float((first @ Change(way * STEP).matrix()) @ second))


def joint_at_last(given: Given) -> bytes:
    """Fine-tuned networks after the first four tasks, and one that learned all at once after the last."""
    honest, joint = load(level(given, "simple")), load(level(given, "simple", "joint=true", run="joint"))
    return save({name: (joint if name.startswith("after_5") else honest)[name] for name in honest})


# Other data


def other_key(given: Given) -> bytes:
    """The boss level on the tasks of another key alone."""
    return level(given, "boss", public=given.other().public)


def both_keys(given: Given) -> bytes:
    """Each task is learned with all five tasks of another key beside it, from the start."""
    others = tasks_of(given.other().public)
    return level(given, "boss", public=with_tasks(given, "both", lambda task, every: joined([every[task], *others])))


def fitted(given: Given) -> bytes:
    """Each task is learned with another key's digits beside it, turned and moved as those before it are.

    For each task the turn and the move are those under which the other key's mean digits come nearest to the public
    ones. An order of pixels cannot be found so, and its tasks get what fits best of all turns.
    """
    style = draw_style(given.other_streams().generator("style"))
    (upright, labels), *_ = parts(given.other_streams(), style, [Change()], {"train": 3000}, 1)["train"]
    pixels, known = upright.reshape(len(upright), -1), np.eye(CLASSES)
    mean = np.stack([flat(upright[labels == label]).mean(axis=0) for label in range(CLASSES)])
    others = []
    for pictures, own in tasks_of(given.public):
        wanted = known[own].T @ flat(pictures) / known[own].sum(axis=0)[:, None]
        places = product(np.arange(-180.0, 180.0, 3.0), np.arange(-3.0, 3.5), np.arange(-3.0, 3.5))
        every = (Change(degrees, (x, y)).matrix() for degrees, x, y in places)
        best = min(every, key=lambda turn: float(((mean @ turn - wanted) ** 2).sum()))
        seen = (pixels @ best).round().clip(0, 255).astype(np.uint8).reshape(upright.shape)
        others.append((seen, labels))
    return level(
        given, "boss", public=with_tasks(given, "fitted", lambda task, every: joined([every[task], *others[:task]]))
    )


def told(*settings: str, level: str = "simple") -> Callable[[World, Streams, str], bytes]:
    """A level with other settings, trained as long as the upper levels."""

    def make(world: World, streams: Streams, size: str) -> bytes:
        with tempfile.TemporaryDirectory() as folder:
            run = Path(folder) / "run"
            path = train_level("hw14", level, world.public, run, seed=0, device="cpu", overrides=(EPOCHS, *settings))
            return path.read_bytes()

    return make


KEPT = "the rules forbid it, and no file shows it, but for a positive backward transfer: look at the code"
LIKE = (
    "digits of another key, turned as the public ones are, stand in for the pictures that may not be kept; the sheet"
    " forbids other data, and nothing shows it but perhaps a positive backward transfer"
)
REFERENCES = (
    Reference("joint training, the upper line", told("joint=true")),
    Reference("fine-tuning, the lower line", told()),
    Reference("rehearsal of fifty pictures, labels alone", told("buffer=50")),
    Reference("MAS", told("method=mas", "strength=0.02")),
    Reference("SI", told("method=si", "strength=10")),
    Reference("RWalk", told("method=rwalk", "strength=0.5")),
    Reference("SCP", told("method=scp", "strength=10")),
)
TRICKS = (
    Trick("random weights", NO_LEARNING, random_weights),
    Trick("mean picture of each class", PUBLIC_DATA, class_means),
    Trick("linear least squares, summed over the tasks", PUBLIC_DATA, least_squares),
    Trick("random features, least squares summed over the tasks", PUBLIC_DATA, random_features),
    Trick("features of task 1, least squares summed over the tasks", PUBLIC_DATA, first_features),
    Trick("mean of the weights after each task", PUBLIC_DATA, mean_weights),
    Trick("fine-tuning at a fiftieth of the rate", PUBLIC_DATA, hardly_moved),
    Trick("the network after task 1 for all", PUBLIC_DATA, all_first),
    Trick("all pictures of all tasks kept", PUBLIC_DATA, everything_kept, KEPT, long=True),
    Trick("own pictures turned back to earlier tasks", PUBLIC_DATA, turned_back, KEPT, long=True),
    Trick("joint training after task 5, fine-tuning before", PUBLIC_DATA, joint_at_last, KEPT, long=True),
    Trick("own generator, another key alone", OTHER_DATA, other_key),
    Trick("own generator, all tasks of another key beside each", OTHER_DATA, both_keys, KEPT, long=True),
    Trick("own generator, fitted: digits turned as earlier tasks are", OTHER_DATA, fitted, LIKE, long=True),
)
