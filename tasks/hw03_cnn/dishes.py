"""Draws the dishes of HW3: shapes, colours and the layouts of each class.

A layout is a function that draws food in the dish's own plane, where the plate has radius 1. The classes share one
palette, so shapes and their arrangement distinguish them, and colours say little.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL import ImageDraw

    Points = NDArray[np.float64]
    Colour = NDArray[np.float64]
    Random = np.random.Generator

PALETTE = {
    "white": (238, 234, 222), "cream": (240, 220, 170), "yellow": (240, 200, 70), "gold": (214, 150, 60),
    "orange": (226, 120, 50), "red": (190, 55, 45), "pink": (232, 160, 150), "brown": (140, 85, 45),
    "dark": (80, 50, 35), "green": (110, 150, 60),
}  # fmt: skip


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
        """A brush for a smaller dish around a point, at a new random angle."""
        import numpy as np

        turn = scale * rotation(self.rng.uniform(0, 2 * math.pi)) @ self.turn
        return Brush(self.draw, turn, np.array([x, y]) @ self.turn + self.place, self.rng)


def ink(colour: Colour) -> tuple[int, int, int]:
    red, green, blue = (min(255, max(0, int(value))) for value in colour)
    return red, green, blue


# Shapes, each an array of points (n, 2)


def rotation(angle: float) -> NDArray[np.float64]:
    import numpy as np

    return np.array([[math.cos(angle), math.sin(angle)], [-math.sin(angle), math.cos(angle)]])


def put(points: Points, x: float, y: float, angle: float) -> Points:
    """The points turned by an angle, then moved."""
    import numpy as np

    moved: Points = (points @ rotation(angle) if angle else points) + np.array([x, y])
    return moved


@cache
def circle(n: int) -> Points:
    """`n` points around a circle of radius 1; cached, so never change them."""
    import numpy as np

    t = np.linspace(0, 2 * math.pi, n, endpoint=False)
    return np.stack([np.cos(t), np.sin(t)], axis=1)


def oval(x: float, y: float, a: float, b: float | None = None, angle: float = 0.0, n: int = 20) -> Points:
    """An ellipse of half axes a and b."""
    import numpy as np

    return put(circle(n) * np.array([a, a if b is None else b]), x, y, angle)


def blob(rng: Random, x: float, y: float, a: float, b: float, rough: float, n: int = 28) -> Points:
    """An ellipse with an uneven edge."""
    import numpy as np

    t = np.linspace(0, 2 * math.pi, n, endpoint=False)
    k = np.arange(2, 7)
    waves = np.cos(t[:, None] * k + rng.uniform(0, 2 * math.pi, len(k))) @ (rng.normal(0, rough, len(k)) / np.sqrt(k))
    edge = np.stack([a * np.cos(t), b * np.sin(t)], axis=1) * (1 + waves)[:, None]
    return put(edge, x, y, rng.uniform(0, 2 * math.pi))


def box(x: float, y: float, width: float, height: float, angle: float = 0.0) -> Points:
    import numpy as np

    a, b = width / 2 * math.cos(angle), width / 2 * math.sin(angle)
    c, d = -height / 2 * math.sin(angle), height / 2 * math.cos(angle)
    return np.array([[x - a - c, y - b - d], [x + a - c, y + b - d], [x + a + c, y + b + d], [x - a + c, y - b + d]])


def capsule(x: float, y: float, length: float, width: float, angle: float, bend: float = 0.0) -> Points:
    """A rod with round ends; `bend` moves its middle to the side."""
    import numpy as np

    t = np.linspace(-math.pi / 2, math.pi / 2, 7)
    right = np.stack([length / 2 + width / 2 * np.cos(t), width / 2 * np.sin(t)], axis=1)
    middle = np.array([[0.0, width / 2]])
    points = np.concatenate([right, middle, -right, -middle])
    points[:, 1] += bend * (1 - (2 * points[:, 0] / length) ** 2)
    return put(points, x, y, angle)


def arc(x: float, y: float, a: float, start: float, end: float, n: int = 12, b: float | None = None) -> Points:
    import numpy as np

    t = np.linspace(start, end, n)
    return np.stack([x + a * np.cos(t), y + (a if b is None else b) * np.sin(t)], axis=1)


def spiral(x: float, y: float, radius: float, turns: float, start: float, n: int = 40) -> Points:
    import numpy as np

    t = np.linspace(0.1, 1, n)
    angle = start + 2 * math.pi * turns * t
    return np.stack([x + radius * t * np.cos(angle), y + radius * t * np.sin(angle)], axis=1)


def segment(x0: float, y0: float, x1: float, y1: float) -> Points:
    import numpy as np

    return np.array([[x0, y0], [x1, y1]])


def spots(rng: Random, n: int, radius: float, apart: float = 0.0) -> list[tuple[float, float]]:
    """Up to `n` places in a disc, those too near an earlier one left out."""
    kept: list[tuple[float, float]] = []
    for turn, share in rng.random((n, 2)).tolist():
        angle, distance = 2 * math.pi * turn, radius * math.sqrt(share)
        x, y = distance * math.cos(angle), distance * math.sin(angle)
        if not apart or all((x - a) ** 2 + (y - b) ** 2 >= apart**2 for a, b in kept):
            kept.append((x, y))
    return kept


def cluster(rng: Random, low: int, high: int, size: float) -> list[tuple[float, float]]:
    """Between `low` and `high` places for things of radius `size` that may overlap a little."""
    wanted = int(rng.integers(low, high + 1))
    return spots(rng, 12 * wanted, 0.85 - size, 1.5 * size)[:wanted]


# Colours


def tone(rng: Random, names: str) -> Colour:
    """One of the named colours, mixed with any other of the palette and made lighter or darker."""
    import numpy as np

    words = names.split()
    chosen = np.array(PALETTE[words[int(rng.integers(len(words)))]], dtype=np.float64)
    other = np.array(list(PALETTE.values()), dtype=np.float64)[int(rng.integers(len(PALETTE)))]
    mixed: Colour = (chosen + (other - chosen) * rng.uniform(0, 0.25)) * rng.uniform(0.8, 1.1)
    return mixed


def vary(rng: Random, colour: Colour, by: float = 0.08) -> Colour:
    varied: Colour = colour * (1 + by * rng.normal(size=3) * 0.4 + by * rng.normal())
    return varied


def specks(b: Brush, n: int, radius: float, size: float, colour: Colour, x: float = 0.0, y: float = 0.0) -> None:
    """Small dots strewn over a disc."""
    for px, py in spots(b.rng, n, radius):
        b.fill(oval(x + px, y + py, size * b.rng.uniform(0.6, 1.3), n=6), vary(b.rng, colour, 0.2))


# Dishes: the layouts of each class


def loaf(b: Brush) -> None:
    crust = tone(b.rng, "gold brown")
    a, c = b.rng.uniform(0.65, 0.85), b.rng.uniform(0.36, 0.5)
    b.fill(oval(0, 0, a, c), crust)
    b.fill(oval(-0.05, -0.06, a * 0.85, c * 0.7), crust * 1.12)
    slant = b.rng.uniform(0.1, 0.3)
    for x in _even(b.rng, 3, 5, a * 0.6):
        b.line(segment(x - slant, -c * 0.6, x + slant, c * 0.6), 0.09, crust * 1.45)


def toast(b: Brush) -> None:
    crust = tone(b.rng, "gold brown")
    for x, y in cluster(b.rng, 2, 3, 0.38):
        angle, side = b.rng.uniform(0, math.pi), b.rng.uniform(0.6, 0.75)
        b.fill(box(x, y, side, side * 0.95, angle), crust)
        b.fill(box(x, y, side * 0.8, side * 0.75, angle), crust * 1.5 + 25)
        specks(b, 14, side * 0.36, 0.02, crust * 1.25, x, y)


def baguette(b: Brush) -> None:
    crust = tone(b.rng, "gold brown")
    count = int(b.rng.integers(1, 4))
    for i in range(count):
        y, angle = (i - (count - 1) / 2) * 0.42, b.rng.normal(0, 0.08)
        b.fill(capsule(0, y, 1.25, 0.34, angle), vary(b.rng, crust))
        for x in _even(b.rng, 4, 6, 0.5):
            b.line(segment(x - 0.09, y - 0.11, x + 0.09, y + 0.11), 0.06, crust * 1.5)


def wedge(b: Brush) -> None:
    import numpy as np

    cheese = tone(b.rng, "yellow cream")
    r, half = b.rng.uniform(1.0, 1.3), b.rng.uniform(0.3, 0.45)
    tip = np.array([[-r * 0.5, 0]])
    edge = arc(-r * 0.5, 0, r, -half, half, 7)
    b.fill(np.concatenate([tip, edge]) + np.array([0, 0.16]), cheese * 0.75)
    b.fill(np.concatenate([tip, edge]), cheese)
    for _ in range(int(b.rng.integers(4, 8))):
        along = b.rng.uniform(0.45, 0.9)
        angle = b.rng.uniform(-half, half) * 0.7
        x, y = -r * 0.5 + r * along * math.cos(angle), r * along * math.sin(angle)
        b.fill(oval(x, y, b.rng.uniform(0.05, 0.1)), cheese * 0.68)


def glass(b: Brush) -> None:
    milk = tone(b.rng, "white cream")
    r = b.rng.uniform(0.5, 0.65)
    b.fill(oval(0, 0, r + 0.14), vary(b.rng, milk * 0.75 + 30))
    b.fill(oval(0, 0, r + 0.08), milk * 0.55)
    b.fill(oval(0, 0, r), milk * 1.05)
    b.line(arc(0, 0, r * 0.8, 3.6, 4.9), 0.06, milk * 1.3 + 15)
    if b.rng.random() < 0.5:
        b.line(segment(r * 0.2, 0, r + 0.5, -0.5), 0.08, tone(b.rng, "red green orange white"))


def cubes(b: Brush) -> None:
    cheese = tone(b.rng, "yellow cream white")
    for x, y in cluster(b.rng, 7, 12, 0.15):
        side, angle = b.rng.uniform(0.24, 0.32), b.rng.uniform(0, math.pi)
        b.fill(box(x + 0.05, y + 0.07, side, side, angle), cheese * 0.65)
        b.fill(box(x, y, side, side, angle), vary(b.rng, cheese, 0.05))
        b.fill(oval(x, y, 0.05, n=8), cheese * 0.72)


def cake(b: Brush) -> None:
    import numpy as np

    crumb, cream = tone(b.rng, "gold brown dark pink"), tone(b.rng, "white pink")
    layers = int(b.rng.integers(2, 5))
    height = 0.95 / layers
    for i in range(layers):
        y = 0.5 - height * (i + 0.5)
        b.fill(box(0, y, 1.3, height), crumb)
        b.fill(box(0, y - height * 0.35, 1.3, height * 0.36), cream)
    b.fill(np.array([[-0.65, -0.45], [0.65, -0.45], [0.35, -0.8], [-0.8, -0.75]]), cream * 1.06)
    b.fill(oval(b.rng.uniform(-0.4, 0.3), -0.68, 0.14), tone(b.rng, "red orange dark green"))


def ice_cream(b: Brush) -> None:
    import numpy as np

    cone = tone(b.rng, "gold brown orange")
    b.fill(np.array([[-0.34, 0.0], [0.34, 0.0], [0, 0.95]]), cone)
    for t in (0.25, 0.5, 0.75):
        b.line(segment(-0.34 * t, 0.95 * (1 - t), 0.34, 0.0 + 0.3 * (1 - t)), 0.035, cone * 0.7)
        b.line(segment(0.34 * t, 0.95 * (1 - t), -0.34, 0.0 + 0.3 * (1 - t)), 0.035, cone * 0.7)
    for x, y in ((-0.2, -0.1), (0.2, -0.12), (0, -0.42))[: int(b.rng.integers(1, 4))]:
        scoop = tone(b.rng, "white pink brown")
        b.fill(blob(b.rng, x, y, 0.33, 0.33, 0.03), scoop)
        b.fill(oval(x - 0.1, y - 0.1, 0.1), scoop * 1.2)


def donut(b: Brush) -> None:
    import numpy as np

    dough, icing = tone(b.rng, "gold brown"), tone(b.rng, "pink white dark")
    for x, y in cluster(b.rng, 1, 2, 0.45):
        r = b.rng.uniform(0.36, 0.48)
        ring = np.concatenate([oval(x, y, r), oval(x, y, r)[:2]])
        b.line(ring, 0.36, dough)
        b.line(ring, 0.25, icing)
        for angle in b.rng.uniform(0, 2 * math.pi, 14):
            d = r + b.rng.uniform(-0.09, 0.09)
            b.fill(oval(x + d * math.cos(angle), y + d * math.sin(angle), 0.035, n=6), tone(b.rng, "red white yellow"))


def fried_egg(b: Brush) -> None:
    import numpy as np

    white, yolk = tone(b.rng, "white cream"), tone(b.rng, "yellow orange")
    for x, y in cluster(b.rng, 1, 3, 0.4):
        shape = blob(b.rng, 0, 0, 0.44, 0.4, 0.09)
        b.fill(shape * 1.08 + np.array([x, y]), white * 0.8)
        b.fill(shape * 0.95 + np.array([x, y]), white)
        dx, dy = b.rng.normal(0, 0.06, 2)
        b.fill(oval(x + dx, y + dy, 0.18), yolk)
        b.fill(oval(x + dx - 0.06, y + dy - 0.06, 0.05, n=8), yolk * 1.25 + 20)


def egg_halves(b: Brush) -> None:
    white, yolk = tone(b.rng, "white cream"), tone(b.rng, "yellow orange")
    for x, y in cluster(b.rng, 3, 6, 0.26):
        angle = b.rng.uniform(0, math.pi)
        b.fill(oval(x, y, 0.33, 0.24, angle), white * 0.8)
        b.fill(oval(x, y, 0.29, 0.21, angle), white * 1.05)
        b.fill(oval(x + 0.04 * math.cos(angle), y + 0.04 * math.sin(angle), 0.13), yolk)


def omelette(b: Brush) -> None:
    import numpy as np

    egg = tone(b.rng, "yellow gold")
    half = np.concatenate(
        [arc(0, -0.25, 0.8, 0.0, math.pi, 16, 0.75), arc(0, -0.25, 0.8, math.pi, 2 * math.pi, 10, 0.12)]
    )
    b.fill(half, egg)
    b.line(arc(0, -0.2, 0.7, 0.15, math.pi - 0.15, 12, 0.45), 0.05, egg * 0.8)
    for x, y in spots(b.rng, 9, 0.5):
        b.fill(blob(b.rng, x, y * 0.6 + 0.05, 0.09, 0.05, 0.1, 10), egg * b.rng.uniform(0.6, 0.8))


def fries(b: Brush) -> None:
    fried = tone(b.rng, "yellow gold")
    main, spread = b.rng.uniform(0, math.pi), b.rng.uniform(0.3, 1.6)
    for x, y in spots(b.rng, int(b.rng.integers(14, 24)), 0.45):
        piece = vary(b.rng, fried, 0.12)
        angle, length = main + b.rng.normal(0, spread), b.rng.uniform(0.6, 0.95)
        b.fill(box(x + 0.02, y + 0.03, length, 0.13, angle), piece * 0.6)
        b.fill(box(x, y, length, 0.11, angle), piece)


def nuggets(b: Brush) -> None:
    crumb = tone(b.rng, "gold brown")
    for x, y in cluster(b.rng, 4, 8, 0.25):
        piece = vary(b.rng, crumb)
        shape = blob(b.rng, x, y, 0.28, 0.2, 0.1)
        b.fill(shape + 0.05, piece * 0.6)
        b.fill(shape, piece)
        specks(b, 12, 0.2, 0.03, piece * 0.72, x, y)
        specks(b, 10, 0.2, 0.03, piece * 1.3, x, y)


def onion_rings(b: Brush) -> None:
    import numpy as np

    batter = tone(b.rng, "gold yellow")
    for x, y in cluster(b.rng, 4, 8, 0.24):
        ring = blob(b.rng, x, y, b.rng.uniform(0.2, 0.33), b.rng.uniform(0.18, 0.28), 0.05, 18)
        ring = np.concatenate([ring, ring[:2]])
        b.line(ring, 0.15, batter * 0.65)
        b.line(ring, 0.1, vary(b.rng, batter))


def steak(b: Brush) -> None:
    meat = tone(b.rng, "brown dark")
    a, c = b.rng.uniform(0.65, 0.8), b.rng.uniform(0.42, 0.58)
    shape = blob(b.rng, 0, 0, a, c, 0.08)
    b.fill(shape, meat * 1.6 + 25)
    b.fill(shape * 0.87, meat)
    angle = b.rng.uniform(0, math.pi)
    for turn in (angle, angle + math.pi / 2)[: int(b.rng.integers(1, 3))]:
        for offset in (-0.27, -0.09, 0.09, 0.27):
            b.line(put(segment(-c * 0.8, offset, c * 0.8, offset), 0, 0, turn), 0.055, meat * 0.45)


def drumsticks(b: Brush) -> None:
    meat, bone = tone(b.rng, "brown orange"), tone(b.rng, "white cream")
    count = int(b.rng.integers(1, 4))
    for x, y in cluster(b.rng, count, count, 0.35)[:count] if count > 1 else [(0.0, 0.0)]:
        s = b.near(x, y, 1.1 if count == 1 else 0.75)
        piece = vary(b.rng, meat)
        s.line(segment(0, 0, 0.75, 0), 0.12, bone)
        s.fill(oval(0.75, -0.07, 0.1, n=10), bone)
        s.fill(oval(0.75, 0.07, 0.1, n=10), bone)
        s.fill(oval(-0.2, 0, 0.42, 0.3), piece)
        s.fill(oval(0.15, 0, 0.3, 0.19), piece)
        s.fill(oval(-0.28, -0.1, 0.18, 0.08), piece * 1.3)


def sausages(b: Brush) -> None:
    meat = tone(b.rng, "red brown")
    count, bend = int(b.rng.integers(2, 5)), b.rng.uniform(0.0, 0.2)
    for i in range(count):
        y, angle = (i - (count - 1) / 2) * 0.36, b.rng.normal(0, 0.15)
        piece = vary(b.rng, meat)
        b.fill(capsule(0.02, y + 0.05, 0.95, 0.26, angle, bend), piece * 0.6)
        b.fill(capsule(0, y, 0.95, 0.25, angle, bend), piece)
        b.line(put(segment(-0.4, -0.05, 0.4, -0.05), 0, y + bend * 0.6, angle), 0.04, piece * 1.35)
        for x in (-0.25, 0.0, 0.25):
            b.line(segment(x - 0.04, y + bend * 0.7 - 0.08, x + 0.04, y + bend * 0.7 + 0.08), 0.04, piece * 0.5)


def strands(b: Brush) -> None:
    import numpy as np

    noodle = tone(b.rng, "cream yellow gold")
    r = b.rng.uniform(0.6, 0.78)
    b.fill(oval(0, 0, r), noodle * 0.65)
    for _ in range(int(b.rng.integers(22, 32))):
        angle, offset = b.rng.uniform(0, 2 * math.pi), b.rng.uniform(-0.8, 0.8) * r
        reach = math.sqrt(max(r * r - offset * offset, 0.02))
        x = np.linspace(-reach, reach, 9)
        y = offset + b.rng.uniform(0.03, 0.12) * np.sin(x * b.rng.uniform(4, 8) + b.rng.uniform(0, 6))
        b.line(put(np.stack([x, y], axis=1), 0, 0, angle), 0.06, noodle * b.rng.uniform(0.8, 1.2))
    if b.rng.random() < 0.4:
        b.fill(blob(b.rng, 0, 0, 0.25, 0.2, 0.1), tone(b.rng, "red brown green"))


def nests(b: Brush) -> None:
    noodle = tone(b.rng, "cream yellow gold")
    for x, y in cluster(b.rng, 2, 5, 0.3):
        r = b.rng.uniform(0.28, 0.38)
        b.fill(oval(x, y, r), noodle * 0.6)
        for start in (0.0, 3.1):
            b.line(spiral(x, y, r, 2.4, start + b.rng.uniform(0, 1), 36), 0.055, noodle * b.rng.uniform(0.95, 1.15))


def waves(b: Brush) -> None:
    import numpy as np

    noodle = tone(b.rng, "cream yellow brown")
    height, bend, phase = b.rng.uniform(0.35, 0.5), b.rng.uniform(0.05, 0.14), b.rng.uniform(0, 6)
    x = np.linspace(-0.8, 0.8, 14)
    for y in np.arange(-height, height, 0.085):
        wave = y + bend * np.sin(5 * x + phase) + 0.02 * b.rng.normal(size=len(x))
        b.line(np.stack([x, wave], axis=1), 0.065, noodle * b.rng.uniform(0.7, 1.2))


def grains(b: Brush, n: int, radius: float, x: float, y: float, rice: Colour) -> None:
    """Short strokes in all directions over a disc."""
    for (px, py), angle in zip(spots(b.rng, n, radius), b.rng.uniform(0, math.pi, n), strict=True):
        dx, dy = 0.045 * math.cos(angle), 0.045 * math.sin(angle)
        b.line(segment(x + px - dx, y + py - dy, x + px + dx, y + py + dy), 0.045, rice * b.rng.uniform(0.82, 1.15))


def mound(b: Brush) -> None:
    rice = tone(b.rng, "white cream yellow")
    r = b.rng.uniform(0.55, 0.72)
    b.fill(blob(b.rng, 0, 0, r, r * 0.9, 0.03), rice * 0.75)
    grains(b, 110, r * 0.95, 0, 0, rice)
    if b.rng.random() < 0.5:
        for x, y in spots(b.rng, 8, r * 0.8):
            b.fill(oval(x, y, 0.05, n=8), tone(b.rng, "green orange red yellow"))


def sushi(b: Brush) -> None:
    rice, leaf = tone(b.rng, "white cream"), tone(b.rng, "dark green brown")
    for x, y in cluster(b.rng, 3, 6, 0.27):
        r = b.rng.uniform(0.25, 0.31)
        b.fill(oval(x, y, r), leaf * 0.7)
        b.fill(oval(x, y, r * 0.8), rice * 0.9)
        grains(b, 16, r * 0.7, x, y, rice * 1.05)
        b.fill(oval(x, y, r * 0.34, n=8), tone(b.rng, "orange red green yellow pink"))


def onigiri(b: Brush) -> None:
    import numpy as np

    rice, leaf = tone(b.rng, "white cream"), tone(b.rng, "dark green brown")
    for x, y in cluster(b.rng, 1, 3, 0.4):
        corner = np.array(
            [[0, -0.44], [0.1, -0.4], [0.42, 0.22], [0.36, 0.34], [-0.36, 0.34], [-0.42, 0.22], [-0.1, -0.4]]
        )
        angle = b.rng.uniform(0, 2 * math.pi)
        b.fill(put(corner, x, y, angle), rice * 0.85)
        grains(b, 34, 0.3, x, y, rice)
        b.fill(put(box(0, 0.2, 0.3, 0.3), x, y, angle), leaf * 0.6)


def fish(b: Brush) -> None:
    import numpy as np

    skin = tone(b.rng, "pink orange red")
    for i in range(int(b.rng.integers(1, 3))):
        s = b if not i else b.near(0.1, 0.45, 0.8)
        s.fill(np.array([[0.45, 0], [0.9, -0.3], [0.8, 0], [0.9, 0.3]]), skin * 0.8)
        s.fill(np.array([[-0.1, -0.25], [0.25, -0.45], [0.3, -0.15]]), skin * 0.8)
        s.fill(oval(-0.1, 0, 0.68, 0.3), skin)
        s.fill(oval(-0.1, 0.12, 0.5, 0.12), skin * 1.25)
        s.line(arc(-0.75, 0, 0.3, -0.7, 0.7, 6), 0.05, skin * 0.6)
        s.fill(oval(-0.6, -0.07, 0.06, n=8), skin * 0.25)
        for x in (-0.2, 0.0, 0.2):
            s.line(arc(x, 0, 0.12, -1, 1, 5), 0.035, skin * 0.75)


def shrimps(b: Brush) -> None:
    import numpy as np

    shell = tone(b.rng, "orange pink")
    for x, y in cluster(b.rng, 2, 5, 0.3):
        start, hand = b.rng.uniform(0, 2 * math.pi), 1 if b.rng.random() < 0.5 else -1
        angles = start + hand * np.linspace(0, 4.0, 8)
        for i, angle in enumerate(angles):
            px, py = x + 0.24 * math.cos(angle), y + 0.24 * math.sin(angle)
            b.fill(oval(px, py, 0.14 - 0.009 * i, n=10), shell * (1.1 if i % 2 else 0.8))
        px, py, angle = x + 0.24 * math.cos(angles[-1]), y + 0.24 * math.sin(angles[-1]), float(angles[-1]) + hand * 1.6
        tail = np.array([[0, 0], [0.24, -0.12], [0.24, 0.12]])
        b.fill(put(tail, px, py, angle), shell * 0.7)


def shells(b: Brush) -> None:
    import numpy as np

    shell = tone(b.rng, "white pink dark")
    for x, y in cluster(b.rng, 2, 5, 0.3):
        turn = b.rng.uniform(0, 2 * math.pi)
        fan = np.concatenate([np.zeros((1, 2)), arc(0, 0, 0.58, -0.8, 0.8, 9)]) - np.array([0.3, 0])
        b.fill(put(fan, x, y, turn), vary(b.rng, shell))
        for angle in np.linspace(-0.65, 0.65, 6):
            ray = segment(-0.3, 0, 0.55 * math.cos(angle) - 0.3, 0.55 * math.sin(angle))
            b.line(put(ray, x, y, turn), 0.035, shell * 0.6)


def liquid(b: Brush, names: str) -> tuple[float, Colour]:
    """A bowl seen from above, with its liquid; its radius and colour."""
    soup, bowl = tone(b.rng, names), tone(b.rng, "white cream dark red brown")
    r = b.rng.uniform(0.72, 0.86)
    b.fill(oval(0, 0, r + 0.14, n=28), bowl)
    b.fill(oval(0, 0, r + 0.05, n=28), bowl * 0.6)
    b.fill(oval(0, 0, r, n=28), soup)
    b.line(arc(0, 0, r * 0.9, 0.3, 1.6), 0.04, soup * 1.25)
    return r, soup


def clear_soup(b: Brush) -> None:
    r, soup = liquid(b, "gold orange green")
    for x, y in spots(b.rng, int(b.rng.integers(5, 10)), r * 0.7):
        b.line(arc(x, y, 0.1, 0, 2 * math.pi, 9), 0.035, soup * 1.4 + 15)
    for x, y in spots(b.rng, 6, r * 0.7):
        b.fill(box(x, y, 0.1, 0.05, b.rng.uniform(0, 3)), tone(b.rng, "green red white"))


def cream_soup(b: Brush) -> None:
    import numpy as np

    r, soup = liquid(b, "orange yellow green red")
    x = np.linspace(-0.7, 0.7, 18) * r
    if b.rng.random() < 0.5:
        b.line(np.stack([x, 0.35 * r * np.sign(np.sin(9 * x)) * b.rng.uniform(0.6, 1)], axis=1), 0.07, soup * 1.3 + 40)
    else:
        b.line(arc(0, 0, r * 0.5, 0, 2 * math.pi, 16), 0.07, soup * 1.3 + 40)
        b.fill(oval(0, 0, 0.12), soup * 1.3 + 40)
    specks(b, 18, r * 0.6, 0.03, tone(b.rng, "green dark red"))


def stew(b: Brush) -> None:
    r, soup = liquid(b, "brown red orange")
    for x, y in spots(b.rng, 24, r * 0.75, 0.22)[:9]:
        piece = tone(b.rng, "orange brown yellow green white")
        b.fill(blob(b.rng, x, y, 0.15, 0.12, 0.12, 10), piece)
        b.line(arc(x, y, 0.17, 0.2, 2.6, 6), 0.04, soup * 0.8)


def salad(b: Brush) -> None:
    import numpy as np

    leaf = tone(b.rng, "green green red")
    t = np.linspace(-1, 1, 7)
    side = 0.17 * (1 - t**2)
    shape = np.concatenate([np.stack([0.38 * t, side], axis=1), np.stack([-0.38 * t, -side], axis=1)])
    for x, y in spots(b.rng, int(b.rng.integers(9, 15)), 0.5):
        one, angle = vary(b.rng, leaf, 0.2), b.rng.uniform(0, 2 * math.pi)
        b.fill(put(shape, x, y, angle), one)
        b.line(put(segment(-0.34, 0, 0.34, 0), x, y, angle), 0.035, one * 1.4)


def slices(b: Brush) -> None:
    import numpy as np

    flesh = tone(b.rng, "orange yellow red green")
    for x, y in cluster(b.rng, 3, 6, 0.28):
        r, start = b.rng.uniform(0.26, 0.34), b.rng.uniform(0, 1)
        b.fill(oval(x, y, r), flesh * 0.85)
        b.fill(oval(x, y, r * 0.85), flesh * 1.2 + 45)
        for angle in start + np.arange(7) * 2 * math.pi / 7:
            part = np.concatenate([[[0.12 * r, 0]], arc(0, 0, r * 0.78, -0.33, 0.33, 4)])
            b.fill(put(part, x, y, angle), flesh)


def carrots(b: Brush) -> None:
    import numpy as np

    root, tuft = tone(b.rng, "orange red"), tone(b.rng, "green brown")
    count = int(b.rng.integers(2, 5))
    for i in range(count):
        y, angle = (i - (count - 1) / 2) * 0.34, b.rng.normal(0, 0.15)
        one = vary(b.rng, root)
        for turn in (-0.5, 0.0, 0.5):
            b.line(put(segment(0, 0, 0.35 * math.cos(turn), 0.35 * math.sin(turn)), 0.5, y, angle), 0.05, tuft)
        b.fill(put(np.array([[0.52, -0.14], [0.58, 0], [0.52, 0.14], [-0.75, 0.0]]), 0, y, angle), one)
        for x in (0.35, 0.1, -0.15):
            b.line(put(segment(x, -0.07, x, 0.02), 0, y, angle), 0.03, one * 0.7)


def _even(rng: Random, low: int, high: int, reach: float) -> list[float]:
    """Between `low` and `high` numbers, evenly from -reach to reach."""
    import numpy as np

    places: list[float] = np.linspace(-reach, reach, int(rng.integers(low, high + 1))).tolist()
    return places


Dish = Callable[[Brush], None]
DISHES: tuple[tuple[Dish, Dish, Dish], ...] = (
    (loaf, toast, baguette),
    (wedge, glass, cubes),
    (cake, ice_cream, donut),
    (fried_egg, egg_halves, omelette),
    (fries, nuggets, onion_rings),
    (steak, drumsticks, sausages),
    (strands, nests, waves),
    (mound, sushi, onigiri),
    (fish, shrimps, shells),
    (clear_soup, cream_soup, stew),
    (salad, slices, carrots),
)
"""The layouts of each class, in the order of `CLASSES`."""
