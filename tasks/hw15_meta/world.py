"""The built-in world of HW15: alphabets that nobody has seen, written by hands.

A key draws the family of its alphabets (`tasks.hw15_meta.alphabets`) and of its hands. What is learned from are some
alphabets, each written by twenty hands. Every task of the test has an alphabet of its own: five characters of it, that
are nowhere else, once each as support; and five queries, whose characters are drawn with replacement, so that some are
asked twice and others not at all. Every picture of a task has a hand of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tasks.base import Answers, Made
from tasks.hw15_meta import HANDS, QUERIES, SIDE, TARGET, TASKS, WAYS, picture_name, task_name
from tasks.hw15_meta.alphabets import Family, alphabet, draw_family
from tasks.pen import Hand, Hands, Stroke, curve, draw_hand, handwritten, ink
from tasks.processes import blocks, mapped
from tasks.streams import Streams

Random = np.random.Generator
Pictures = NDArray[np.uint8]
SYLLABLES = ("ba", "do", "fi", "gu", "ka", "lo", "mi", "nu", "pe", "ri", "sa", "to", "ve", "wa", "yo", "za")
MIDDLE = 0.5
STEPS = 4  # lines between two points of a stroke
SQUARED = 0.3  # of the ruled papers
BLOCK = 40
"""Tasks that a process draws at once."""


@dataclass(frozen=True)
class Counts:
    """Alphabets and characters to learn from, and tasks."""

    alphabets: int
    characters: int
    tasks: int


SIZES = {"small": Counts(12, 204, TASKS), "full": Counts(30, 964, TASKS)}


@dataclass(frozen=True)
class Writing:
    """What a key decides of how its characters are written: by which hands, how loosely, on which paper."""

    hands: Hands
    loose: float  # by how much each stroke is turned and stretched (no unit), and moved
    bent: float  # by how much a whole character is bent
    ruled: float  # the share of pictures on ruled or squared paper
    stray: float  # the mean number of strokes that do not belong to the character


def draw_writing(rng: Random) -> Writing:
    slant, turn, wide = rng.uniform(0.25, 0.45), rng.uniform(0.2, 0.35), rng.uniform(1.3, 1.6)
    return Writing(
        hands=Hands((-slant, slant), (1 / wide, wide), (-turn, turn), (1.2, rng.uniform(2.2, 2.8)), (0.005, 0.015)),
        loose=rng.uniform(0.06, 0.1),
        bent=rng.uniform(0.02, 0.04),
        ruled=rng.uniform(0.7, 0.95),
        stray=rng.uniform(0.3, 0.6),
    )


def loosened(strokes: Sequence[Stroke], writing: Writing, rng: Random) -> list[Stroke]:
    """A character as it is meant once: each stroke a little otherwise, then all of it larger or smaller, and bent."""
    moved = []
    for stroke in strokes:
        middle = stroke.mean(axis=0)
        bend = np.eye(2) + rng.normal(0, writing.loose, (2, 2))
        moved.append((stroke - middle) @ bend + middle + rng.normal(0, writing.loose / 3, 2))
    size, place = rng.uniform(0.8, 1.05), rng.uniform(-0.06, 0.06, 2)
    waves, phases = rng.uniform(2, 5, (2, 2)), rng.uniform(0, 2 * np.pi, 2)
    bent = [stroke + writing.bent * np.sin(stroke @ waves + phases) for stroke in moved]
    return [(stroke - MIDDLE) * size + MIDDLE + place for stroke in bent]


def marks(writing: Writing, rng: Random) -> list[Stroke]:
    """The lines of ruled or squared paper, and stray strokes."""
    found: list[Stroke] = []
    if rng.random() < writing.ruled:
        step, tilt = rng.uniform(0.3, 0.6), rng.normal(0, 0.06)
        found += [np.array([[-0.1, y - tilt], [1.1, y + tilt]]) for y in np.arange(rng.uniform(0, step), 1.0, step)]
        if rng.random() < SQUARED:
            found += [line[:, ::-1] * [-1, 1] + [1, 0] for line in found]  # a quarter turn of them
    for _ in range(int(rng.poisson(writing.stray))):
        points = rng.uniform(0, 1, 2) + np.cumsum(rng.normal(0, 0.2, (3, 2)), axis=0)
        found.append(curve(points, STEPS))
    return found


def picture(strokes: Sequence[Stroke], hand: Hand, writing: Writing, rng: Random) -> Pictures:
    """A character by a hand, (28, 28), dark on white."""
    covered = ink(handwritten(loosened(strokes, writing, rng), hand, rng, STEPS), SIDE, hand.width)
    if lines := marks(writing, rng):
        covered = np.maximum(covered, ink(lines, SIDE, rng.uniform(0.8, 1.6)))
    return 255 - (255 * covered).round().astype(np.uint8)


def save(public: Path, name: str, picture: Pictures) -> None:
    path = public / name
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(picture).save(path, "PNG")


def coarse(pictures: Pictures) -> NDArray[np.float64]:
    """The means of pictures (n, 28, 28) over 7 x 7 tiles, as the leak checks take them."""
    n, side = len(pictures), SIDE // 4
    tiles = pictures.reshape(n, side, 4, side, 4)
    means: NDArray[np.float64] = tiles.mean(axis=(2, 4), dtype=np.float64).reshape(n, -1)
    return means


def draw_alphabet(
    family: Family, writing: Writing, public: Path, streams: Streams, part: tuple[int, str, int, int]
) -> Pictures:
    """Write an alphabet to learn from (number, name, characters, the number of its first), and return its pictures."""
    number, name, count, first = part
    rng = streams.generator(str(number))
    hands = [draw_hand(rng, writing.hands) for _ in range(HANDS)]
    pictures = []
    for at, strokes in enumerate(alphabet(family, count, rng)):
        for place, hand in enumerate(hands):
            pictures.append(picture(strokes, hand, writing, rng))
            save(public, picture_name(name, at + 1, first + at, place + 1), pictures[-1])
    return np.array(pictures)


def draw_tasks(
    family: Family, writing: Writing, public: Path, streams: Streams, numbers: range
) -> tuple[Pictures, list[int]]:
    """Write some tasks, and return their queries and the classes of these."""
    queries, classes = [], []
    for task in numbers:
        rng = streams.generator(f"{task}/characters")
        characters = alphabet(family, WAYS, rng)
        asked = streams.generator(f"{task}/queries").integers(0, WAYS, QUERIES).tolist()
        for part, labels in (("support", range(WAYS)), ("query", asked)):
            for place, label in enumerate(labels):
                one = picture(characters[label], draw_hand(rng, writing.hands), writing, rng)
                save(public, task_name(task, part, place), one)
                if part == "query":
                    queries.append(one)
        classes += asked
    return np.array(queries), classes


def names(count: int, rng: Random) -> list[str]:
    """Different names of alphabets, in order."""
    found: set[str] = set()
    while len(found) < count:
        found.add("".join(rng.choice(SYLLABLES, int(rng.integers(2, 4)))).capitalize())
    return sorted(found)


def make(
    public: Path,
    streams: Streams,
    size: str,
    source: Path | None = None,
    secret: Path | None = None,
    processes: int | None = None,
) -> Made:
    """Write the alphabets and the tasks into `public`, the same however many `processes` there are."""
    counts = SIZES[size]
    family = draw_family(streams.generator("family"))
    writing = draw_writing(streams.generator("writing"))
    sizes = np.full(counts.alphabets, counts.characters // counts.alphabets)
    sizes[: counts.characters % counts.alphabets] += 1
    firsts = np.cumsum([1, *sizes.tolist()])[:-1]
    known = names(counts.alphabets, streams.generator("train/names"))
    parts = list(zip(range(counts.alphabets), known, sizes.tolist(), firsts.tolist(), strict=True))
    count = processes or (None if size == "full" else 1)
    train = mapped(partial(draw_alphabet, family, writing, public, streams.within("train")), parts, count)
    work = partial(draw_tasks, family, writing, public, streams.within("test"))
    test = mapped(work, blocks(counts.tasks, BLOCK), count)
    return finished(
        np.concatenate(train),
        np.repeat(known, sizes * HANDS),
        np.concatenate([queries for queries, _ in test]),
        [label for _, labels in test for label in labels],
    )


def finished(train: Pictures, alphabets: NDArray[np.str_], queries: Pictures, classes: Sequence[int]) -> Made:
    """The hidden classes of the queries of all tasks, in order; a task is a group."""
    tasks = np.repeat([f"task {number}" for number in range(len(classes) // QUERIES)], QUERIES)
    return Made(
        Answers(range(len(classes)), {TARGET: np.array(classes)}, groups=tasks),
        train=coarse(train),
        test=coarse(queries),
        train_groups=alphabets,
    )
