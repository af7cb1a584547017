"""HW15: distances between pictures without learning, learned metrics, assignments, MAML, and other keys' alphabets."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import affine_transform, distance_transform_edt, gaussian_filter
from scipy.optimize import linear_sum_assignment
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from torch.nn import functional

from baselines import hw15_meta as baseline
from baselines.characters import WAYS, read_characters, read_tasks
from baselines.common import train_level
from baselines.run import Run
from submissions.reader import read
from tasks.hw15_meta import SIDE, TARGET, TEST, TRAINING
from tasks.hw15_meta.alphabets import alphabet, draw_family
from tasks.hw15_meta.world import draw_writing, picture
from tasks.pen import draw_hand
from tasks.streams import Streams
from tests.bench.tricks import general
from tests.bench.tricks.frame import NO_LEARNING, OTHER_DATA, PUBLIC_DATA, Given, Reference, Trick, World

Pictures = NDArray[np.float32]
Classes = NDArray[np.int64]
MAPS = [(turn, slant) for turn in (-0.4, -0.2, 0.0, 0.2, 0.4) for slant in (-0.4, 0.0, 0.4)]
MORE = 5
SHIFTS = [(dy, dx) for dy in (-2, 0, 2) for dx in (-2, 0, 2)]


def tasks_of(given: Given) -> Pictures:
    """Ink of the tasks (t, 10, 28, 28): supports, then queries."""
    return read_tasks(given.public / TEST).numpy()


# Without learning


def blurred(given: Given) -> bytes:
    x = gaussian_filter(tasks_of(given), (0, 0, 1.5, 1.5)).reshape(-1, 10, SIDE**2)
    return general.table(given.form, nearest(x[:, WAYS:], x[:, :WAYS]))


def nearest(queries: Pictures, supports: Pictures) -> Classes:
    """The class of the most similar support (t * 5,), by cosine; several rows of a picture are its variants.

    (t, q, d) or (t, q, v, d), and (t, 5, d) or (t, 5, v, d).
    """
    q, s = (x.reshape(len(x), WAYS, -1, x.shape[-1]) for x in (queries, supports))
    q, s = (x / np.linalg.norm(x, axis=-1, keepdims=True) for x in (q, s))
    close = np.einsum("tqvd,tswd->tqsvw", q, s, optimize=True).max(axis=(3, 4))
    found: Classes = close.argmax(axis=2).ravel()
    return found


def warped(pictures: Pictures, turn: float, slant: float) -> Pictures:
    """Pictures (n, 28, 28) turned and slanted around the middle."""
    cos, sin = np.cos(turn), np.sin(turn)
    matrix = np.array([[cos, sin], [-sin, cos]]) @ np.array([[1, 0], [slant, 1]])
    middle = np.full(2, (SIDE - 1) / 2)
    whole = np.eye(3)
    whole[1:, 1:] = matrix
    offset = np.array([0, *(middle - matrix @ middle)])
    moved: Pictures = affine_transform(pictures, whole, offset, order=1).astype(np.float32)
    return moved


def hog(pictures: Pictures) -> Pictures:
    """Histograms of oriented gradients of ink (n, 28, 28), (n, d)."""
    soft = gaussian_filter(pictures, (0, 0.7, 0.7)) * 255
    return general.hog(np.repeat(soft[..., None], 3, axis=3).astype(np.uint8), cell=4)


def affine_hog(given: Given) -> bytes:
    tasks = tasks_of(given)
    count = len(tasks)
    supports, queries = (x.reshape(-1, SIDE, SIDE) for x in (tasks[:, :WAYS], tasks[:, WAYS:]))
    s = np.stack([hog(warped(supports, *each)) for each in MAPS], axis=1)
    q = np.stack([hog(np.roll(queries, each, axis=(1, 2))) for each in SHIFTS], axis=1)
    parts = zip(*(np.array_split(x.reshape(count, WAYS, -1, x.shape[-1]), 32) for x in (q, s)), strict=True)
    return general.table(given.form, np.concatenate([nearest(one, other) for one, other in parts]))


def distortion(given: Given, reach: int = 2) -> bytes:
    """The image distortion model on gradients with 3 x 3 contexts (Keysers and others, PAMI 29, 2007)."""
    x = torch.from_numpy(gaussian_filter(tasks_of(given), (0, 0, 0.7, 0.7)))
    y, z = (functional.pad(torch.diff(x, dim=d), (1, 0) if d == 3 else (0, 0, 1, 0)) for d in (2, 3))
    slopes = torch.stack([y, z], dim=2)  # (t, 10, 2, 28, 28)
    out = []
    for task in torch.split(slopes, 8):
        q, s = task[:, WAYS:, None], functional.pad(task[:, None, :WAYS], [reach] * 4)
        best = torch.full((len(task) * WAYS * WAYS, 1, SIDE, SIDE), torch.inf)
        for dy in range(2 * reach + 1):
            for dx in range(2 * reach + 1):
                apart = (q - s[..., dy : dy + SIDE, dx : dx + SIDE]).square().sum(3)
                apart = functional.avg_pool2d(apart.reshape(-1, 1, SIDE, SIDE), 3, 1, 1)
                best = torch.minimum(best, apart)
        out.append(best.sum((1, 2, 3)).reshape(-1, WAYS).argmin(1))
    return general.table(given.form, torch.cat(out).numpy())


def hausdorff(given: Given) -> bytes:
    """The modified Hausdorff distance of the ink, moved to its middle (Dubuisson and Jain 1994; Lake and others)."""
    found = []
    for task in tasks_of(given) > 0.5:
        inks, fields = [], []
        for there in task:
            points = np.argwhere(there) if there.any() else np.full((1, 2), SIDE // 2)
            moved = np.rint(points - points.mean(axis=0)).astype(int) + SIDE
            blank = np.ones((2 * SIDE, 2 * SIDE), bool)
            blank[tuple(moved.T)] = False
            inks.append(tuple(moved.T))
            fields.append(distance_transform_edt(blank))
        for q in range(WAYS, 2 * WAYS):
            far = [max(fields[s][inks[q]].mean(), fields[q][inks[s]].mean()) for s in range(WAYS)]
            found.append(int(np.argmin(far)))
    return general.table(given.form, np.array(found))


# From the public data


def discriminant(given: Given, turned: bool) -> bytes:
    """Nearest supports in the space in which LDA on HOG separates the characters to learn from."""
    known = read_characters(given.public / TRAINING)
    known = known.in_turns() if turned else known
    pictures = known.ink.numpy()
    labels = np.repeat(np.arange(len(pictures)), pictures.shape[1])
    model = LinearDiscriminantAnalysis(solver="eigen", shrinkage=0.1).fit(hog(pictures.reshape(-1, SIDE, SIDE)), labels)
    tasks = tasks_of(given)
    x = model.transform(hog(tasks.reshape(-1, SIDE, SIDE))).reshape(len(tasks), 2 * WAYS, -1)
    return general.table(given.form, nearest(x[:, WAYS:], x[:, :WAYS]))


def level_of(given: Given, level: str, public: Path, *settings: str) -> Classes:
    """What a level predicts that is trained on a public folder."""
    path = train_level("hw15", level, public, given.scratch / "run", seed=given.seed, device="cpu", overrides=settings)
    classes: Classes = read(path.read_bytes(), given.form)[TARGET]
    return classes


def level(name: str, *settings: str) -> Callable[[Given], bytes]:
    return lambda given: general.table(given.form, level_of(given, name, given.public, *settings))


def assigned(given: Given) -> bytes:
    """The strong level, but each class once in each task: the assignment with the largest similarities."""
    config = baseline.settings("strong", given.public)
    (given.scratch / "run").mkdir()
    network = baseline.learn(
        config, read_characters(given.public / TRAINING), Run(given.scratch / "run", given.seed, "cpu")
    )
    tasks = read_tasks(given.public / TEST)
    network.eval()
    with torch.inference_mode():
        features = network.embed(tasks.flatten(0, 1)).reshape(len(tasks), 2 * WAYS, -1)
        near = baseline.cosines(features[:, WAYS:], features[:, :WAYS]).numpy()
    return general.table(given.form, np.concatenate([linear_sum_assignment(-one)[1] for one in near]))


# Other data


def mixed(given: Given, others: Sequence[int], public_too: bool) -> Path:
    """The public folder with other keys' alphabets to learn from, in place of its own or beside them."""
    public = given.scratch / "public"
    shutil.copytree(given.public, public)
    if not public_too:
        shutil.rmtree(public / TRAINING)
    for number in others:
        for folder in sorted((given.other(number).public / TRAINING).iterdir()):
            shutil.copytree(folder, public / TRAINING / f"{folder.name}{number}")
    return public


def other_keys(count: int, public_too: bool, *settings: str) -> Callable[[Given], bytes]:
    def make(given: Given) -> bytes:
        public = mixed(given, range(count), public_too)
        return general.table(given.form, level_of(given, "boss", public, *settings))

    return make


# The reference


def prototypes(world: World, streams: Streams, size: str) -> bytes:
    """The level strong, which sees each character of a task written by `MORE` hands, not one."""
    family, writing = draw_family(streams.generator("family")), draw_writing(streams.generator("writing"))
    tasks, rng = read_tasks(world.public / TEST), np.random.default_rng(0)
    with TemporaryDirectory() as folder:
        config = baseline.settings("strong", world.public)
        network = baseline.learn(config, read_characters(world.public / TRAINING), Run(Path(folder), 0, "cpu"))
    network.eval()
    found = []
    with torch.inference_mode():
        for number, task in enumerate(tasks):
            characters = alphabet(family, WAYS, streams.generator(f"test/{number}/characters"))
            more = [
                255 - picture(strokes, draw_hand(rng, writing.hands), writing, rng)
                for strokes in characters
                for _ in range(MORE)
            ]
            known = network.embed(torch.from_numpy(np.array(more)).float() / 255)
            means = functional.normalize(known, dim=-1).reshape(WAYS, MORE, -1).mean(1)
            found.append(baseline.cosines(network.embed(task[WAYS:]), means).argmax(1).numpy())
    return general.table(world.secret.competition.format, np.concatenate(found))


KNOWN = (
    "alphabets of another key are drawn by the same program, so they teach as much as the given ones; the sheet forbids"
    " them, and no generator knows the official editions"
)
MAML = ("method=maml", "pretrained=true", "batch=8", "epochs=3", "steps=10", "lr=0.0005", "inner_lr=0.1")
LONGER = (
    "method=classifier",
    "body=quick",
    "turned=true",
    "steps=40",
    "batch=64",
    "lr=0.002",
    "schedule=cosine",
    "epochs=48",
)
"""Boss of `small`, three times as long: with so many characters its settings are else those of the course."""
REFERENCES = (Reference("level strong, five pictures of each character as supports", prototypes),)
TRICKS = (
    Trick("always class 0", NO_LEARNING, lambda given: general.table(given.form, np.zeros(len(given.form), int))),
    Trick("nearest blurred pixels", NO_LEARNING, blurred),
    Trick("HOG, best shift and affine map", NO_LEARNING, affine_hog),
    Trick("image distortion model", NO_LEARNING, distortion),
    Trick("modified Hausdorff distance", NO_LEARNING, hausdorff),
    Trick("LDA of characters on HOG", PUBLIC_DATA, lambda given: discriminant(given, False)),
    Trick("LDA of turned characters on HOG", PUBLIC_DATA, lambda given: discriminant(given, True), long=True),
    Trick("level strong, each class once", PUBLIC_DATA, assigned),
    Trick("MAML from the classifier", PUBLIC_DATA, level("simple", "head_only=false", *MAML), long=True),
    Trick(
        "first-order MAML from the classifier", PUBLIC_DATA,
        level("simple", "head_only=false", "first_order=true", *MAML), long=True,
    ),
    Trick("ANIL from the classifier", PUBLIC_DATA, level("simple", *MAML), long=True),
    Trick("own generator, another key's alphabets", OTHER_DATA, other_keys(1, False), KNOWN, long=True),
    Trick("own generator, with the public alphabets", OTHER_DATA, other_keys(1, True), KNOWN, long=True),
    Trick("own generator, ten keys", OTHER_DATA, other_keys(10, True, *LONGER), KNOWN, long=True),
)  # fmt: skip
