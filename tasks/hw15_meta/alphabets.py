"""Invented alphabets: a few parts that are put together to characters, in a style that the alphabet keeps.

A key draws a family: how many strokes, which parts are common, how free the angles are. An alphabet of it draws its
parts (lines, bends, arcs, hooks, loops, waves), the angles at which they stand, how they join, and whether most of its
characters hang from a line, stand on one, share a stem or a ring. Points are in the unit square, x to the right, y
down.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tasks.pen import Stroke, arc, curve, fitted, ink

Random = np.random.Generator
KINDS = ("line", "bend", "arc", "hook", "loop", "wave", "crook")
FRAMES = ("none", "head", "base", "stem", "ring")
LEAST = 0.2
"""The least share of ink by which two characters of an alphabet differ, of what both have."""
THIN = 0.25
"""The least share of a character's longer side that its shorter one has."""
TRIES = 40
BOX = 0.8
"""The longer side of a character."""


@dataclass(frozen=True)
class Family:
    """What a key decides of all its alphabets."""

    kinds: NDArray[np.float64]  # how common each kind of part is (KINDS,)
    frames: NDArray[np.float64]  # how common each frame is (FRAMES,)
    strokes: tuple[float, float]  # the range of an alphabet's mean number of strokes
    angles: tuple[int, ...]  # into how many directions an alphabet's circle may be cut
    dots: float  # the largest share of characters with dots
    copies: float  # the largest share of strokes that repeat the one before


@dataclass(frozen=True)
class Style:
    """One alphabet."""

    parts: tuple[Stroke, ...]  # along the x axis, around (0, 0)
    strokes: float  # the mean number of strokes
    directions: NDArray[np.float64]  # radians
    joined: float  # the share of strokes that begin at another one
    crossed: float  # of these, the share that cross in the middle
    copies: float
    dots: float
    frame: str
    framed: float  # the share of characters with the frame
    narrow: float  # width by height


def draw_family(rng: Random) -> Family:
    few = rng.uniform(2.2, 2.6)
    return Family(
        kinds=rng.dirichlet(np.full(len(KINDS), 2.0)),
        frames=rng.dirichlet(np.array([4.0, 1.0, 1.0, 1.0, 0.7])),
        strokes=(few, few + rng.uniform(0.8, 1.4)),
        angles=tuple(rng.choice([4, 6, 8, 12], 3, replace=False).tolist()),
        dots=rng.uniform(0.1, 0.4),
        copies=rng.uniform(0.2, 0.5),
    )


def draw_part(kind: str, rng: Random) -> Stroke:
    """A part of a kind, of its own size and bend."""
    if kind == "line":
        points = np.array([[-0.5, 0.0], [0.5, 0.0]])
    elif kind == "bend":
        points = np.array([[-0.5, 0.0], [rng.uniform(-0.2, 0.5), 0.0], [rng.uniform(0.1, 0.5), rng.uniform(0.3, 0.7)]])
    elif kind == "arc":
        half = rng.uniform(0.6, 2.4)
        points = arc((0, 0), (0.5, 0.5 * rng.uniform(0.6, 1.2)), math.pi / 2 - half, math.pi / 2 + half, 5)
    elif kind == "hook":
        points = np.array([[-0.5, 0.0], [0.2, 0.0], [0.5, 0.15], [0.42, 0.4], [rng.uniform(0.0, 0.25), 0.35]])
    elif kind == "loop":
        points = arc((0, 0), (0.32, 0.32 * rng.uniform(0.6, 1.3)), 0, 2 * math.pi, 7)
    elif kind == "wave":
        high = rng.uniform(0.15, 0.35)
        points = np.array([[-0.5, 0.0], [-0.25, -high], [0.0, 0.0], [0.25, high], [0.5, 0.0]])
    else:  # a line that ends in a small loop
        points = np.array([[-0.5, 0.1], [0.1, 0.1], [0.45, 0.0], [0.35, -0.28], [0.1, -0.2], [0.15, 0.1]])
    return points * rng.uniform(0.35, 0.75)


def draw_style(family: Family, rng: Random) -> Style:
    cut = int(rng.choice(family.angles))
    kinds = rng.dirichlet(0.3 + 6 * family.kinds)
    names = rng.choice(KINDS, int(rng.integers(5, 9)), p=kinds)
    return Style(
        parts=tuple(draw_part(str(kind), rng) for kind in names),
        strokes=rng.uniform(*family.strokes),
        directions=2 * math.pi / cut * np.arange(cut) + rng.choice([0, 0, rng.uniform(0, 0.5)]),
        joined=rng.uniform(0.4, 0.95),
        crossed=rng.uniform(0, 0.5),
        copies=rng.uniform(0, family.copies),
        dots=rng.uniform(0, family.dots) * (rng.random() < 0.5),
        frame=str(rng.choice(FRAMES, p=family.frames)),
        framed=rng.uniform(0.6, 1.0),
        narrow=rng.uniform(0.7, 1.25),
    )


def turned(points: Stroke, angle: float, mirrored: bool) -> Stroke:
    cos, sin = math.cos(angle), math.sin(angle)
    flip = points * [1, -1] if mirrored else points
    out: Stroke = flip @ np.array([[cos, sin], [-sin, cos]])
    return out


def character(style: Style, rng: Random) -> list[Stroke]:
    """A character within the unit square."""
    count = max(2, round(rng.normal(style.strokes, 0.8)))
    strokes: list[Stroke] = []
    for _ in range(count):
        if strokes and rng.random() < style.copies:  # beside the last one
            away = turned(np.array([[rng.uniform(0.2, 0.35), 0.0]]), float(rng.choice(style.directions)), False)
            strokes.append(strokes[-1] + away)
            continue
        part = style.parts[int(rng.integers(len(style.parts)))]
        points = turned(part, float(rng.choice(style.directions)), bool(rng.random() < 0.3))
        if strokes and rng.random() < style.joined:
            other = strokes[int(rng.integers(len(strokes)))]
            at = other[int(rng.choice([0, len(other) // 2, len(other) - 1]))]
            own = points[len(points) // 2] if rng.random() < style.crossed else points[0]
            points = points - own + at
        else:
            points = points + rng.uniform(-0.25, 0.25, 2)
        strokes.append(points)
    if rng.random() < style.dots:
        every = np.concatenate(strokes)
        place = np.array([rng.uniform(every[:, 0].min(), every[:, 0].max()), every[:, 1].min() - 0.18])
        strokes.append(place + arc((0, 0), (0.02, 0.02), 0, 2 * math.pi, 4))
    if rng.random() < style.framed:
        strokes += frame(style.frame, np.concatenate(strokes))
    return fitted([stroke * [style.narrow, 1.0] for stroke in strokes], BOX)


def frame(kind: str, points: Stroke) -> list[Stroke]:
    """What many characters of an alphabet share: the line they hang from or stand on, a stem or a ring."""
    (left, top), (right, bottom) = points.min(axis=0), points.max(axis=0)
    middle = (left + right) / 2, (top + bottom) / 2
    if kind == "head":
        return [np.array([[left - 0.1, top], [right + 0.1, top]])]
    if kind == "base":
        return [np.array([[left - 0.1, bottom], [right + 0.1, bottom]])]
    if kind == "stem":
        return [np.array([[left, top - 0.15], [left, bottom + 0.15]])]
    if kind == "ring":
        return [arc(middle, (0.2 + (right - left) / 2, 0.2 + (bottom - top) / 2), 0.5, 0.5 + 1.8 * math.pi, 7)]
    return []


def alphabet(family: Family, count: int, rng: Random) -> list[list[Stroke]]:
    """The characters of a new alphabet, none of which looks like another."""
    style = draw_style(family, rng)
    characters: list[list[Stroke]] = []
    seen: list[NDArray[np.float32]] = []
    while len(characters) < count:
        for _ in range(TRIES):
            one = character(style, rng)
            shape = ink([curve(stroke, 3) for stroke in one], 14, 2.0)
            sides = np.ptp(np.concatenate(one), axis=0)
            if sides.min() > THIN * sides.max() and all(difference(shape, other) > LEAST for other in seen):
                break
        else:  # this alphabet is exhausted
            style = draw_style(family, rng)
            continue
        characters.append(one)
        seen.append(shape)
    return characters


def difference(one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    """The share of the ink of both that only one has."""
    return float(np.abs(one - other).sum() / (one + other).sum())
