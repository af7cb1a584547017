"""The kitchen of HW3: which dishes there are, drawn from the key, and how their food is drawn.

The food of a dish is bites, each a shape with a mark on it, such as a star with a ring. A class has several recipes,
each with a bite of its own. No shape and no mark belongs to one class: every shape lies with each mark in another
class, so that what lies on what decides.

Points are in the dish's own plane, where the plate has radius 1, or in a bite's own plane, where a bite covers `AREA`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial

import numpy as np
from numpy.typing import NDArray
from PIL import ImageDraw

Points = NDArray[np.float64]
Colour = NDArray[np.float64]
Random = np.random.Generator

SIZE = 0.42  # of a bite in the dish's plane
AREA = 2.7  # of every shape in a bite's plane, so that size says nothing
Bite = tuple[int, int]
"""The numbers of a shape and of a mark."""


@dataclass(frozen=True)
class Kitchen:
    """What the key decides: colours, which of them are light, shapes, marks, and the recipes."""

    palette: NDArray[np.float64]  # (n, 3)
    contrast: tuple[int, int]  # 1 where bites are lighter than what they lie on, marks than their bite; else -1
    shapes: tuple[Points, ...]
    marks: tuple[tuple[Points, ...], ...]
    menu: tuple[tuple[Bite, ...], ...]
    """The bite of each recipe of each class."""


@dataclass(frozen=True)
class Brush:
    """A canvas, how the dish's plane lies on it (`turn` (2, 2) and `place` (2,), in pixels), and its random stream."""

    draw: ImageDraw.ImageDraw
    turn: NDArray[np.float64]
    place: NDArray[np.float64]
    rng: Random

    def points(self, points: Points) -> list[tuple[float, float]]:
        return list(map(tuple, (points @ self.turn + self.place).tolist()))

    def fill(self, points: Points, colour: Colour) -> None:
        self.draw.polygon(self.points(points), fill=ink(colour))

    def line(self, points: Points, width: float, colour: Colour) -> None:
        """A line of a width in the dish's units, with round joints."""
        (a, b), (c, d) = self.turn.tolist()
        pixels = max(1, round(width * math.sqrt(abs(a * d - b * c))))
        self.draw.line(self.points(points), fill=ink(colour), width=pixels, joint="curve" if pixels > 2 else None)

    def near(self, x: float, y: float, scale: float) -> Brush:
        """A brush for something smaller around a point, at a new random angle."""
        turn = scale * rotation(self.rng.uniform(0, 2 * math.pi)) @ self.turn
        return Brush(self.draw, turn, np.array([x, y]) @ self.turn + self.place, self.rng)


def ink(colour: Colour) -> tuple[int, int, int]:
    red, green, blue = (min(255, max(0, int(value))) for value in colour)
    return red, green, blue


# Outlines, each an array of points (n, 2)


def rotation(angle: float) -> NDArray[np.float64]:
    return np.array([[math.cos(angle), math.sin(angle)], [-math.sin(angle), math.cos(angle)]])


@cache
def circle(n: int) -> Points:
    """`n` points around a circle of radius 1; cached, so never change them."""
    t = np.linspace(0, 2 * math.pi, n, endpoint=False)
    return np.stack([np.cos(t), np.sin(t)], axis=1)


def oval(x: float, y: float, a: float, b: float | None = None, n: int = 20) -> Points:
    """An ellipse of half axes a and b."""
    moved: Points = circle(n) * np.array([a, a if b is None else b]) + np.array([x, y])
    return moved


def box(x: float, y: float, width: float, height: float) -> Points:
    moved: Points = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * np.array([width, height]) / 2 + np.array([x, y])
    return moved


def segment(x0: float, y0: float, x1: float, y1: float) -> Points:
    return np.array([[x0, y0], [x1, y1]])


def rod(length: float, width: float, bend: float) -> Points:
    """A rod with round ends; `bend` moves its middle to the side."""
    t = np.linspace(-math.pi / 2, math.pi / 2, 9)
    right = np.stack([length / 2 + width / 2 * np.cos(t), width / 2 * np.sin(t)], axis=1)
    side = np.stack([np.linspace(length / 2, -length / 2, 7)[1:-1], np.full(5, width / 2)], axis=1)
    points = np.concatenate([right, side, -right, -side])
    points[:, 1] += bend * (0.5 - (2 * points[:, 0] / length) ** 2)
    return points


def polar(radius: NDArray[np.float64]) -> Points:
    """The points at these distances from the middle, evenly round."""
    return radius[:, None] * circle(len(radius))


def whole(points: Points) -> Points:
    """The outline moved to its centre of mass and scaled to the area of every shape."""
    after = np.roll(points, -1, axis=0)
    cross = points[:, 0] * after[:, 1] - after[:, 0] * points[:, 1]
    middle = ((points + after) * cross[:, None]).sum(axis=0) / (3 * cross.sum())
    out: Points = (points - middle) * math.sqrt(AREA / abs(cross.sum() / 2))
    return out


# What the key draws


def draw_kitchen(rng: Random, classes: int, recipes: int) -> Kitchen:
    """A kitchen with so many classes and recipes each: up to two from five shapes and marks, up to four from eight."""
    few = recipes <= 2
    shapes = [whole(draw(rng)) for kind in SHAPES for draw in ((kind[rng.integers(len(kind))],) if few else kind)]
    marks = [draw(rng) for kind in MARKS for draw in ((kind[rng.integers(len(kind))],) if few else kind)]
    hue = (np.arange(8) + rng.uniform(-0.3, 0.3, 8)) / 8 + rng.random()
    waves = 0.5 + 0.5 * np.cos(2 * math.pi * (hue[:, None] - np.arange(3) / 3))
    strength = rng.uniform(0.15, 0.55, (8, 1))
    palette = 150 * (1 - strength + strength * waves)
    up, lighter = (int(sign) for sign in rng.choice([-1, 1], 2))
    menu = draw_menu(rng, classes, recipes, len(shapes))
    return Kitchen(palette, (up, lighter), tuple(shapes), tuple(marks), menu)


def draw_menu(rng: Random, classes: int, recipes: int, kinds: int) -> tuple[tuple[Bite, ...], ...]:
    """The recipes of each class, from so many shapes and as many marks.

    Every bite belongs to one recipe, the recipes of a class share no shape and no mark, and all are used about equally
    often: along the diagonals of the square of shapes and marks, these in an order that is drawn.
    """
    shapes, marks = (rng.permutation(kinds).tolist() for _ in range(2))
    bites = [(shapes[i], marks[(i + k) % kinds]) for k in range(kinds) for i in range(kinds)]
    return tuple(tuple(bites[recipes * k : recipes * (k + 1)]) for k in rng.permutation(classes).tolist())


def star(rng: Random) -> Points:
    return polar(np.tile([1.0, rng.uniform(0.42, 0.52)], int(rng.integers(4, 6))))


def flower(rng: Random) -> Points:
    return polar(1 + rng.uniform(0.25, 0.35) * np.cos(int(rng.integers(3, 6)) * np.arange(40) * (2 * math.pi / 40)))


def half_disc(rng: Random) -> Points:
    t = np.linspace(0, math.pi, 20)
    return np.stack([np.cos(t), rng.uniform(0.95, 1.2) * np.sin(t)], axis=1)


def cut_disc(rng: Random) -> Points:
    """A disc without a piece of the cake."""
    gap = rng.uniform(0.5, 0.65) * math.pi
    t = np.linspace(gap / 2, 2 * math.pi - gap / 2, 24)
    return np.concatenate([[[0.2, 0.0]], np.stack([np.cos(t), np.sin(t)], axis=1)])


def ring(rng: Random) -> tuple[Points, ...]:
    """A ring, as one polygon that goes round twice."""
    inner, ends = rng.uniform(0.3, 0.35), circle(24)[[*range(24), 0]]
    return (np.concatenate([ends * rng.uniform(0.58, 0.64), ends[::-1] * inner]),)


def two_bars(rng: Random) -> tuple[Points, ...]:
    away, width, length = rng.uniform(0.28, 0.34), rng.uniform(0.24, 0.3), rng.uniform(1.0, 1.2)
    return tuple(box(0, y, length, width) for y in (-away, away))


def rays(rng: Random, count: int) -> tuple[Points, ...]:
    """Lines from the middle."""
    width = rng.uniform(0.24, 0.3)
    return tuple(box(0.32, 0, 0.64, width) @ rotation(2 * math.pi * k / count) for k in range(count))


def dots(rng: Random, count: int) -> tuple[Points, ...]:
    away, size = rng.uniform(0.36, 0.42), rng.uniform(0.22, 0.26)
    return tuple(oval(0, 0, size, n=10) + away * circle(count)[k] for k in range(count))


SHAPES: tuple[tuple[Callable[[Random], Points], ...], ...] = (
    (lambda rng: oval(0, 0, 1, rng.uniform(0.75, 1.0), n=28),),
    (lambda rng: polar(rng.uniform(0.9, 1.1, 3)), lambda rng: box(0, 0, 1, rng.uniform(0.75, 1.0))),  # 3 or 4 corners
    (star, flower),
    (lambda rng: rod(rng.uniform(1.1, 1.5), 1.0, rng.uniform(0, 0.2)),),
    (half_disc, cut_disc),
)
MARKS: tuple[tuple[Callable[[Random], tuple[Points, ...]], ...], ...] = (
    (lambda rng: (oval(0, 0, rng.uniform(0.36, 0.44)),),),
    (ring,),
    (lambda rng: (box(0, 0, rng.uniform(1.1, 1.3), rng.uniform(0.32, 0.4)),), two_bars),
    (partial(rays, count=3), partial(rays, count=4)),
    (partial(dots, count=2), partial(dots, count=3)),
)
"""Kinds of shapes and of marks, and their varieties: a small world has one of each kind, drawn, a full one has all."""


# What a picture draws


GROUNDS = {(1, 1): (25, 65), (1, -1): (40, 115), (-1, 1): (135, 215), (-1, -1): (190, 230)}
"""How light, of 255, plates and tables are for each contrast, so that there is room for bites and marks."""


def tone(kitchen: Kitchen, rng: Random, light: float) -> Colour:
    """One of the kitchen's colours mixed with another of them, so light."""
    chosen, other = kitchen.palette[rng.integers(len(kitchen.palette), size=2)]
    mixed = chosen + (other - chosen) * rng.uniform(0, 0.3)
    lit: Colour = np.clip(mixed + light - mixed.mean(), 0, 255)
    return lit


def ground(kitchen: Kitchen, rng: Random) -> Colour:
    """The colour of a plate or a table."""
    return tone(kitchen, rng, rng.uniform(*GROUNDS[kitchen.contrast]))


def vary(rng: Random, colour: Colour, by: float = 0.08) -> Colour:
    varied: Colour = colour * (1 + by * rng.normal(size=3) * 0.4 + by * rng.normal())
    return varied


def draw_bite(b: Brush, kitchen: Kitchen, bite: tuple[int | None, int | None], body: Colour, top: Colour) -> None:
    """A shape, a mark, or a mark on a shape, around the brush's place."""
    shape, mark = bite
    stretch = np.diag(np.exp(b.rng.normal(0, 0.05, 2)))
    if shape is not None:
        outline = kitchen.shapes[shape] @ rotation(b.rng.uniform(0, 2 * math.pi)) @ stretch
        b.fill(outline * 1.08 + b.rng.normal(0, 0.05, 2), body * 0.5)
        b.fill(outline, body)
    if mark is not None:
        turn = rotation(b.rng.uniform(0, 2 * math.pi)) * b.rng.uniform(0.9, 1.1) @ stretch
        for part in kitchen.marks[mark]:
            b.fill(part @ turn, top)


def places(rng: Random, count: int) -> list[tuple[float, float]]:
    """So many places for bites, none over another: on a circle with uneven steps, around a point near the middle."""
    reach = {2: 0.4, 3: 0.47, 4: 0.55}[count] * rng.uniform(0.95, 1.15)
    x, y = rng.uniform(-0.1, 0.1, 2)
    angles = rng.uniform(0, 2 * math.pi) + 2 * math.pi * (np.arange(count) + rng.uniform(-0.06, 0.06, count)) / count
    return [(x + reach * math.cos(a), y + reach * math.sin(a)) for a in angles.tolist()]


def serve(b: Brush, kitchen: Kitchen, bite: Bite, below: Colour) -> None:
    """The food of a recipe on a ground of this colour: its bite two or three times, and sometimes what says nothing."""
    bites: list[tuple[int | None, int | None]] = [bite] * int(b.rng.integers(2, 4))
    shape, mark = int(b.rng.integers(len(kitchen.shapes))), int(b.rng.integers(len(kitchen.marks)))
    if b.rng.random() < 0.3:
        bites.append(((shape, None), (None, mark), (shape, mark))[int(b.rng.integers(3))])
    up, lighter = kitchen.contrast
    bodies = [tone(kitchen, b.rng, below.mean() + up * b.rng.uniform(55, 85)) for _ in range(2)]
    tops = [tone(kitchen, b.rng, body.mean() + lighter * b.rng.uniform(75, 110)) for body in bodies]
    same = b.rng.random() < 0.5  # all of one dough
    order = b.rng.permutation(len(bites)).tolist()
    for (x, y), number in zip(places(b.rng, len(bites)), order, strict=True):
        which = 0 if same else int(b.rng.integers(2))
        near = b.near(x, y, SIZE * b.rng.uniform(0.92, 1.08))
        draw_bite(near, kitchen, bites[number], vary(b.rng, bodies[which], 0.05), tops[which])
