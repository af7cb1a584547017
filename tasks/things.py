"""Ten kinds of things by their parts: painted in colours and textures, or drawn with the lines of a wobbly pen.

A thing is a list of parts, from the one furthest behind to the one in front, in a plane of its own: x to the right and
y down, between -1 and 1. Its proportions are dials between 0 and 1 (`Dials`); a `Maker` has the ranges of these dials
for each kind (its *breeds*), the colours and the textures that it paints with, and its pen. All of them are drawn, so
that two makers' things are of the same kinds and look different. Both pictures of one thing show the same parts.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import cos, pi, sin

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from tasks.pen import Hands, Stroke, curve, draw_hand, handwritten, ink

Random = np.random.Generator
NAMES = ("horse", "bed", "clock", "apple", "cat", "plane", "television", "dog", "dolphin", "spider")
"""The kinds, in the order of the course's classes."""
DIALS = 10
BODY, SECOND, DARK, LIGHT = 1, 2, 3, 4
"""The colours of a thing; 0 is the ground."""
OVER = 3  # pixels of a painting's canvas for one of the picture


@dataclass(frozen=True)
class Part:
    """A closed shape, or a line with a width, in one of the thing's colours; a drawing may leave out a `spare` one."""

    points: Stroke
    colour: int = BODY
    width: float = 0.0  # of a line; 0 for a closed shape
    spare: bool = False


@dataclass(frozen=True)
class Dials:
    """The proportions of one thing: `dials(3, 0.2, 0.5)` is dial 3 as a number from 0.2 to 0.5."""

    values: NDArray[np.float64]

    def __call__(self, number: int, low: float = 0.0, high: float = 1.0) -> float:
        return low + (high - low) * float(self.values[number])


# Shapes


def oval(x: float, y: float, rx: float, ry: float, turn: float = 0.0, points: int = 14) -> Stroke:
    angles = np.linspace(0, 2 * pi, points, endpoint=False)
    across, down = rx * np.cos(angles), ry * np.sin(angles)
    return np.stack([x + across * cos(turn) - down * sin(turn), y + across * sin(turn) + down * cos(turn)], axis=1)


def box(left: float, top: float, right: float, bottom: float) -> Stroke:
    return np.array([[left, top], [right, top], [right, bottom], [left, bottom]])


def blob(*points: tuple[float, float], steps: int = 4) -> Stroke:
    """A smooth closed shape through the points."""
    p = np.array(points)
    around = np.concatenate([p[-2:], p, p[:2]])
    return curve(around, steps)[2 * steps : -2 * steps]


def polygon(*points: tuple[float, float]) -> Stroke:
    return np.array(points, dtype=np.float64)


def line(*points: tuple[float, float], width: float = 0.06, colour: int = DARK, spare: bool = False) -> Part:
    path = np.array(points, dtype=np.float64)
    return Part(curve(path, 4) if len(path) > 2 else path, colour, width, spare)


# The kinds


def eyes(x: float, y: float, apart: float, size: float, spare: bool = False) -> list[Part]:
    return [Part(oval(x + side * apart, y, size, size, points=8), DARK, spare=spare) for side in (-1, 1)]


def four_legs(front: float, back: float, top: float, bottom: float, width: float, bend: float) -> list[Part]:
    made = []
    for x, way in ((back, -1), (back + 0.22, 1), (front - 0.22, -1), (front, 1)):
        foot = x + way * bend
        made.append(Part(polygon((x - width, top), (x + width, top), (foot + width, bottom), (foot - width, bottom))))
    return made


def horse(d: Dials) -> list[Part]:
    long, thick = d(0, 0.45, 0.6), d(1, 0.2, 0.28)
    neck, head = d(2, 0.5, 0.75), d(3, 0.3, 0.42)
    top = -neck + 0.0
    chest = long - 0.05
    tail_end = d(4, 0.3, 0.6)
    return [
        line((-long, -0.1), (-long - 0.22, 0.05), (-long - 0.24, tail_end), width=0.1, colour=SECOND),
        *four_legs(chest - 0.06, -long + 0.08, 0.1, 0.95, d(5, 0.045, 0.075), d(6, 0.0, 0.12)),
        Part(
            blob(
                (-long - 0.08, 0.0),
                (-long + 0.2, -thick),
                (0.1, -thick + 0.06),
                (chest, -thick),
                (chest + 0.12, 0.02),
                (chest - 0.1, thick),
                (-long + 0.15, thick),
            )
        ),
        Part(polygon((chest - 0.22, -0.1), (chest + 0.12, 0.02), (chest + 0.34, top + 0.14), (chest + 0.08, top))),
        Part(oval(chest + 0.2 + head / 2, top + 0.16, head * 0.62, 0.12, d(7, 0.35, 0.8))),
        Part(polygon((chest + 0.06, top + 0.06), (chest + 0.1, top - 0.17), (chest + 0.2, top + 0.02))),
        line(
            (chest - 0.2, -0.16), (chest - 0.08, top * 0.6), (chest + 0.04, top), width=0.1, colour=SECOND, spare=True
        ),
        Part(oval(chest + 0.24, top + 0.08, 0.035, 0.035, points=6), DARK, spare=True),
    ]


def bed(d: Dials) -> list[Part]:
    if d(9) < 0.5:  # from the side
        floor, seat, head, foot = 0.75, d(0, 0.0, 0.2), d(1, -0.75, -0.4), d(2, -0.2, 0.1)
        deep = seat + d(3, 0.25, 0.38)
        cover = d(4, -0.45, 0.0)
        return [
            Part(oval(-0.6, seat - 0.08, 0.22, 0.12), LIGHT),
            Part(box(-0.9, seat, 0.9, deep), LIGHT),
            Part(
                blob((cover, seat - 0.06), (0.3, seat - 0.1), (0.88, seat - 0.04), (0.88, deep), (cover, deep)), SECOND
            ),
            Part(box(-1.0, head, -0.86, floor)),
            Part(box(0.86, foot, 1.0, floor)),
            line((-0.86, deep + 0.06), (0.86, deep + 0.06), width=0.07, colour=BODY, spare=True),
        ]
    wide, top, bottom = d(0, 0.45, 0.6), d(1, -0.75, -0.5), d(2, 0.7, 0.95)  # from above
    near = wide + d(3, 0.05, 0.25)
    fold = top + d(4, 0.5, 0.75)
    at = wide + (near - wide) * (fold - top) / (bottom - top)
    pillows = [(-wide / 2, wide * 0.4), (wide / 2, wide * 0.4)] if d(5) > 0.4 else [(0.0, wide * 0.6)]
    return [
        Part(box(-wide - 0.06, top - d(6, 0.2, 0.4), wide + 0.06, top + 0.08)),
        Part(polygon((-wide, top), (wide, top), (near, bottom), (-near, bottom)), LIGHT),
        *(Part(oval(x, top + 0.2, half, 0.13), LIGHT) for x, half in pillows),
        Part(polygon((-at, fold), (at, fold), (near, bottom), (-near, bottom)), SECOND),
        line((-at, fold + 0.14), (at, fold + 0.14), width=0.05, colour=LIGHT, spare=True),
    ]


def clock(d: Dials) -> list[Part]:
    r = d(0, 0.7, 0.85)
    made = []
    if d(9) < 0.5:  # an alarm clock
        made += [Part(oval(side * 0.5, -r + 0.05, 0.26, 0.17, side * 0.7), SECOND) for side in (-1, 1)]
        made += [line((side * 0.4, r * 0.7), (side * 0.62, r + 0.18), width=0.12, colour=SECOND) for side in (-1, 1)]
        made.append(Part(oval(0, 0, r, r, points=20)))
    elif d(8) < 0.5:
        made.append(Part(box(-r, -r, r, r)))
    else:
        made.append(Part(oval(0, 0, r, r, points=20)))
    inner = r * d(1, 0.76, 0.88)
    made.append(Part(oval(0, 0, inner, inner, points=20), LIGHT))
    count = 12 if d(2) > 0.6 else 4
    for angle in np.linspace(0, 2 * pi, count, endpoint=False):
        x, y = cos(angle), sin(angle)
        long = 0.82 if count == 4 else 0.86
        made.append(
            line((inner * long * x, inner * long * y), (inner * 0.96 * x, inner * 0.96 * y), width=0.05, spare=True)
        )
    hour, minute = d(3, 0, 2 * pi), d(4, 0, 2 * pi)
    for angle, long, width in ((hour, 0.45, 0.1), (minute, 0.72, 0.07)):
        made.append(line((0, 0), (inner * long * cos(angle), inner * long * sin(angle)), width=width))
    return made


def apple(d: Dials) -> list[Part]:
    wide, high, dent = d(0, 0.68, 0.85), d(1, 0.62, 0.75), d(2, 0.12, 0.25)
    low = 0.2 + high
    waist = d(3, 0.75, 0.95)
    lean = d(4, -0.15, 0.15)
    made = [
        line((0, 0.2 - high + dent), (lean / 2, 0.05 - high), (lean, -0.1 - high), width=0.09),
        Part(
            blob(
                (0, 0.2 - high + dent),
                (wide * 0.5, 0.14 - high),
                (wide, 0.1),
                (wide * waist, 0.5),
                (wide * 0.4, low),
                (0, low - dent / 2),
                (-wide * 0.4, low),
                (-wide * waist, 0.5),
                (-wide, 0.1),
                (-wide * 0.5, 0.14 - high),
            )
        ),
    ]
    if d(5) > 0.35:
        side = 1 if d(6) > 0.4 else -1
        made.append(Part(oval(side * 0.32, 0.0 - high, 0.26, 0.11, -side * d(7, 0.1, 0.7)), SECOND))
    made.append(
        line((-wide * 0.6, -0.1), (-wide * 0.68, 0.15), (-wide * 0.6, 0.35), width=0.08, colour=LIGHT, spare=True)
    )
    return made


def cat(d: Dials) -> list[Part]:
    made: list[Part] = []
    y, r = 0.1, d(0, 0.62, 0.75)
    if d(9) < 0.5:  # sits
        y, r = -0.45, d(0, 0.38, 0.46)
        end = d(1, -0.2, 0.5)
        made.append(line((0.3, 0.85), (0.75, 0.8), (0.8, 0.35), (0.62 + end / 3, end - 0.1), width=0.12, colour=BODY))
        made.append(
            Part(blob((0, -0.4), (0.32, 0.0), (0.48, 0.6), (0.36, 0.95), (-0.36, 0.95), (-0.48, 0.6), (-0.32, 0.0)))
        )
        made.append(line((0, 0.5), (0, 0.93), width=0.05, spare=True))
    ear, apart = d(2, 0.5, 0.75) * r, d(3, 0.85, 0.98) * r
    for side in (-1, 1):
        made.append(
            Part(
                polygon((side * apart, y - r * 0.25), (side * apart, y - r * 0.6 - ear), (side * r * 0.2, y - r * 0.8))
            )
        )
    flat = d(4, 0.8, 0.95)
    made.append(Part(oval(0, y, r, r * flat, points=18)))
    made += eyes(0, y - r * 0.15, r * d(5, 0.33, 0.45), r * 0.11)
    made.append(Part(polygon((-r * 0.12, y + r * 0.12), (r * 0.12, y + r * 0.12), (0, y + r * 0.27)), SECOND))
    long = d(6, 1.15, 1.45) * r
    for side in (-1, 1):
        for k in (-1, 0, 1) if d(7) > 0.4 else (-1, 1):
            near, far = (side * r * 0.35, y + r * (0.3 + 0.05 * k)), (side * long, y + r * (0.26 + 0.22 * k))
            made.append(line(near, far, width=0.035))
    made.append(line((-r * 0.2, y + r * 0.5), (0, y + r * 0.33), (r * 0.2, y + r * 0.5), width=0.04, spare=True))
    return made


def plane(d: Dials) -> list[Part]:
    if d(9) < 0.5:  # from above
        long, wide = d(0, 0.85, 1.0), d(1, 0.11, 0.17)
        span, sweep, chord = d(2, 0.75, 0.98), d(3, 0.1, 0.5), d(4, 0.2, 0.32)
        tail = d(5, 0.3, 0.42)
        made = []
        for side in (-1, 1):
            made.append(
                Part(
                    polygon(
                        (-0.12 * side, 0.0),
                        (side * span, sweep),
                        (side * span, sweep + chord * 0.5),
                        (-0.12 * side, chord + 0.1),
                    ),
                    SECOND,
                )
            )
            made.append(
                Part(
                    polygon((0, long - 0.32), (side * tail, long - 0.08), (side * tail, long + 0.04), (0, long - 0.1)),
                    SECOND,
                )
            )
        made.append(
            Part(
                blob(
                    (0, -long),
                    (wide, -long + 0.3),
                    (wide, 0.2),
                    (0.05, long),
                    (-0.05, long),
                    (-wide, 0.2),
                    (-wide, -long + 0.3),
                )
            )
        )
        made.append(line((-wide * 0.6, -long + 0.3), (wide * 0.6, -long + 0.3), width=0.06, spare=True))
        return made
    high = d(0, 0.16, 0.24)  # from the side
    fin, wing = d(1, 0.4, 0.6), d(2, 0.35, 0.6)
    made = [
        Part(polygon((-0.95, -0.05), (-1.0 - d(3, -0.05, 0.1), -fin), (-0.8, -fin), (-0.5, -high * 0.6)), SECOND),
        Part(
            blob(
                (1.0, 0.05),
                (0.75, -high),
                (0.2, -high),
                (-0.5, -high * 0.8),
                (-1.0, -0.1),
                (-0.5, high * 0.8),
                (0.5, high),
                (0.85, high * 0.8),
            )
        ),
        Part(polygon((0.3, 0.05), (-0.05, 0.05), (-0.45 - d(4, -0.1, 0.1), wing), (-0.22, wing)), SECOND),
        Part(polygon((-0.7, 0.0), (-0.85, 0.0), (-1.02, 0.2), (-0.9, 0.2)), SECOND, spare=True),
    ]
    made += [Part(oval(x, -high * 0.3, 0.05, 0.05, points=6), DARK, spare=True) for x in np.linspace(-0.3, 0.6, 4)]
    return made


def television(d: Dials) -> list[Part]:
    wide, high = d(0, 0.8, 1.0), d(1, 0.5, 0.65)
    made = []
    if d(9) < 0.6:  # with an aerial
        lean = d(2, 0.3, 0.6)
        made += [line((side * 0.08, -high), (side * lean, -high - d(3, 0.3, 0.45)), width=0.06) for side in (-1, 1)]
    if d(8) < 0.5:
        made += [line((side * wide * 0.6, high), (side * wide * 0.75, high + 0.3), width=0.1) for side in (-1, 1)]
    else:
        made.append(Part(box(-0.1, high, 0.1, high + 0.2), SECOND))
        made.append(Part(box(-0.45, high + 0.18, 0.45, high + 0.28), SECOND))
    made.append(Part(box(-wide, -high, wide, high)))
    knobs = d(4) < 0.6
    right = wide - (0.36 if knobs else 0.13)
    rim = d(5, 0.1, 0.16)
    screen = box(-wide + rim, -high + rim, right, high - rim)
    if d(6) < 0.5:
        (left, top), (end, bottom) = screen[0], screen[2]
        screen = blob(
            (left + 0.1, top),
            (end - 0.1, top),
            (end, top + 0.1),
            (end, bottom - 0.1),
            (end - 0.1, bottom),
            (left + 0.1, bottom),
            (left, bottom - 0.1),
            (left, top + 0.1),
        )
    made.append(Part(screen, LIGHT))
    if knobs:
        made += [Part(oval(wide - 0.18, y, 0.08, 0.08, points=8), DARK) for y in (-0.25, 0.02)]
    made.append(line((-wide * 0.6, high * 0.3), (-wide * 0.2, -high * 0.4), width=0.05, colour=SECOND, spare=True))
    return made


def dog(d: Dials) -> list[Part]:
    if d(9) < 0.5:  # the face
        r = d(0, 0.55, 0.68)
        ear = d(1, 0.45, 0.62)
        made = [Part(oval(0, 0, r * d(2, 0.82, 0.95), r * 1.1, points=18))]
        for side in (-1, 1):
            made.append(Part(oval(side * r * 1.02, -r * 0.2, 0.2, ear, -side * d(3, 0.05, 0.4)), SECOND))
        made += eyes(0, -r * 0.3, r * d(4, 0.32, 0.42), r * 0.12)
        made.append(Part(oval(0, r * 0.5, r * d(5, 0.45, 0.6), r * 0.42), LIGHT))
        if d(6) > 0.5:
            made.append(Part(oval(0.03, r * 0.9, r * 0.16, r * 0.3), SECOND, spare=True))
        made.append(Part(oval(0, r * 0.3, r * 0.2, r * 0.14, points=8), DARK))
        made.append(line((0, r * 0.4), (0, r * 0.65), width=0.04, spare=True))
        return made
    long, thick, legs = d(0, 0.5, 0.66), d(1, 0.2, 0.27), d(2, 0.5, 0.68)  # from the side
    r = d(3, 0.24, 0.31)
    hx, hy = long + 0.1, -0.42
    return [
        line((-long, -0.05), (-long - 0.2, -0.3), (-long - d(4, 0.1, 0.25), -0.6), width=0.1, colour=BODY),
        *four_legs(long - 0.08, -long + 0.08, 0.1, legs, d(5, 0.06, 0.09), 0.02),
        Part(
            blob(
                (-long - 0.05, 0),
                (-long + 0.1, -thick),
                (long - 0.1, -thick),
                (long + 0.08, 0),
                (long - 0.1, thick),
                (-long + 0.1, thick),
            )
        ),
        Part(polygon((long - 0.2, -0.12), (long + 0.1, 0.0), (hx + 0.1, hy + 0.1), (hx - 0.18, hy + 0.05))),
        Part(oval(hx, hy, r, r * 0.85)),
        Part(oval(hx + r, hy + 0.08, d(6, 0.16, 0.24), 0.11)),
        Part(oval(hx - r * 0.55, hy + 0.08, 0.11, d(7, 0.2, 0.32), 0.2), SECOND),
        Part(oval(hx + r + 0.17, hy + 0.03, 0.05, 0.045, points=6), DARK),
        Part(oval(hx + 0.06, hy - 0.08, 0.035, 0.035, points=6), DARK, spare=True),
    ]


def dolphin(d: Dials) -> list[Part]:
    arch, thick = d(0, 0.3, 0.55), d(1, 0.24, 0.34)
    fin, fluke = d(2, 0.28, 0.42), d(3, 0.26, 0.36)
    ty = arch * 0.9
    made = [
        Part(
            polygon((-0.72, ty - 0.12), (-1.0, ty - fluke * 0.5), (-0.9, ty), (-0.92, ty + fluke), (-0.68, ty + 0.06)),
            SECOND,
        ),
        Part(
            polygon((-0.15, -thick - arch * 0.35), (-0.3, -thick - arch * 0.3 - fin), (0.22, -thick - arch * 0.35)),
            SECOND,
        ),
        Part(
            blob(
                (1.0, ty * 0.62),
                (0.78, ty * 0.3),
                (0.62, -0.06),
                (0.2, -thick - arch * 0.4),
                (-0.3, -thick * 0.7 - arch * 0.2),
                (-0.74, ty - 0.12),
                (-0.7, ty + 0.04),
                (-0.3, thick * 0.5),
                (0.25, thick * 0.55),
                (0.66, ty * 0.6),
                (0.98, ty * 0.78),
            )
        ),
        Part(polygon((0.3, thick * 0.3), (0.45, thick * 0.3), (0.22, thick * 0.3 + d(4, 0.3, 0.42))), SECOND),
        Part(oval(0.6, ty * 0.25, 0.04, 0.04, points=6), DARK),
        line((0.7, ty * 0.5), (0.98, ty * 0.7), width=0.04, spare=True),
    ]
    if d(9) > 0.5:
        made.append(
            line(
                (-0.95, 0.85),
                (-0.5, 0.72),
                (0.0, 0.85),
                (0.5, 0.72),
                (0.95, 0.85),
                width=0.06,
                colour=SECOND,
                spare=True,
            )
        )
    return made


def spider(d: Dials) -> list[Part]:
    r, head = d(0, 0.28, 0.42), d(1, 0.15, 0.24)
    reach, knee = d(2, 0.75, 0.98), d(3, 0.12, 0.4)
    made = []
    if d(9) > 0.5:
        made.append(line((0, -0.2), (0, -1.0), width=0.04, colour=LIGHT, spare=True))
    for side in (-1, 1):
        for k in range(4):
            angle = (-0.95 + 0.6 * k) * d(4, 0.85, 1.1)
            root = (side * r * 0.5, -0.1 + 0.12 * k)
            middle = (side * reach * 0.55, root[1] + 0.5 * sin(angle) - knee)
            end = (side * reach * (0.95 if k in (0, 3) else 1.0), root[1] + 0.75 * sin(angle) + knee * 0.3)
            made.append(Part(polygon(root, middle, end), DARK, d(5, 0.05, 0.08)))
    made.append(Part(oval(0, 0.2, r * d(6, 0.85, 1.0), r, points=16)))
    made.append(Part(oval(0, 0.2 - r - head * 0.6, head, head * 0.9), SECOND))
    made += eyes(0, 0.16 - r - head * 0.6, head * 0.4, 0.04, spare=True)
    return made


KINDS: tuple[Callable[[Dials], list[Part]], ...] = (
    horse,
    bed,
    clock,
    apple,
    cat,
    plane,
    television,
    dog,
    dolphin,
    spider,
)


# What a key draws


@dataclass(frozen=True)
class Maker:
    """How one world's things look: all of it is drawn from its key."""

    breeds: NDArray[np.float64]  # (kinds, breeds, dials): the middle of each dial
    shares: NDArray[np.float64]  # (2, kinds, breeds): how often paintings and drawings show each breed
    spread: float  # of the dials within a breed
    palette: NDArray[np.float64]  # (colours, 3), 0 to 255
    textures: NDArray[
        np.float64
    ]  # (textures, 3): waves across the picture, their sharpness, their strength in grey levels
    hands: Hands
    warp: float  # how far a drawing bends the thing


def draw_maker(rng: Random, breeds: int = 3) -> Maker:
    """The breeds, colours, textures and the pen of a world."""
    hue = rng.uniform(0, 1, 14)[:, None] + np.array([0, 1 / 3, 2 / 3])
    strength = rng.uniform(0.15, 0.9, (14, 1))
    colours = rng.uniform(60, 225, (14, 1)) * (1 + 0.5 * strength * np.cos(2 * pi * hue))
    width = rng.uniform(0.9, 1.4)
    return Maker(
        rng.uniform(0.08, 0.92, (len(KINDS), breeds, DIALS)),
        rng.dirichlet(np.full(breeds, 4.0), (2, len(KINDS))),
        rng.uniform(0.08, 0.14),
        colours.clip(15, 245),
        np.stack([rng.uniform(1.5, 7, 5), rng.uniform(0.5, 3, 5), rng.uniform(4, 26, 5)], axis=1),
        Hands(
            slant=(-rng.uniform(0.25, 0.4), rng.uniform(0.25, 0.4)),
            aspect=(rng.uniform(0.65, 0.8), rng.uniform(1.25, 1.5)),
            turn=(-0.35, 0.35),
            width=(width, width + rng.uniform(0.3, 0.7)),
            jitter=(0.003, rng.uniform(0.006, 0.012)),
        ),
        rng.uniform(0.06, 0.1),
    )


def draw_thing(maker: Maker, kind: int, drawn: bool, rng: Random) -> list[Part]:
    """The parts of one thing, as likely to look to the left as to the right."""
    breed = rng.choice(maker.breeds.shape[1], p=maker.shares[int(drawn), kind])
    values = maker.breeds[kind, breed] + rng.normal(0, maker.spread, DIALS)
    parts = KINDS[kind](Dials(values.clip(0, 1)))
    if rng.random() < 0.5:
        parts = [replace(part, points=part.points * [-1.0, 1.0]) for part in parts]
    return parts


# Paintings


def wave(
    texture: NDArray[np.float64], x: NDArray[np.float64], y: NDArray[np.float64], rng: Random
) -> NDArray[np.float64]:
    """A texture over a picture's points: stripes, or blotches where two of them cross."""
    count, sharp, strength = (float(value) for value in texture)
    total = np.zeros_like(x)
    for _ in range(int(rng.integers(1, 3))):
        angle, phase = rng.uniform(0, pi), rng.uniform(0, 2 * pi)
        along = 2 * pi * count * rng.uniform(0.8, 1.25) * (x * cos(angle) + y * sin(angle)) + phase
        total = total + np.tanh(sharp * np.sin(along))
    return total * strength


def painting(maker: Maker, kind: int, rng: Random, side: int = 32) -> NDArray[np.uint8]:
    """One thing in colours (side, side, 3) before a ground with other shapes on it."""
    canvas = OVER * side
    image = Image.new("L", (canvas, canvas), 0)
    draw = ImageDraw.Draw(image)
    if rng.random() < 0.6:  # a horizon
        height = canvas * rng.uniform(0.45, 0.85)
        draw.polygon([(0, height), (canvas, height + rng.normal(0, 4)), (canvas, canvas), (0, canvas)], fill=5)
    for _ in range(int(rng.integers(0, 4))):  # something behind it, mostly near the rim
        x, y = canvas * (0.5 + rng.choice([-1, 1], 2) * rng.uniform(0.2, 0.5, 2))
        w, h = canvas * rng.uniform(0.08, 0.3, 2)
        (draw.ellipse if rng.random() < 0.5 else draw.rectangle)(
            (x - w, y - h, x + w, y + h), fill=int(rng.integers(6, 8))
        )
    angle, scale = rng.normal(0, 0.06), canvas * rng.uniform(0.36, 0.46)
    turn = np.array([[cos(angle), sin(angle)], [-sin(angle), cos(angle)]]) * scale * np.exp(rng.normal(0, 0.05, 2))
    middle = canvas * (0.5 + rng.uniform(-0.05, 0.05, 2))
    for part in draw_thing(maker, kind, False, rng):
        points = [tuple(point) for point in (part.points @ turn + middle).tolist()]
        if part.width:
            draw.line(points, fill=part.colour, width=max(1, round(part.width * scale)), joint="curve")
        else:
            draw.polygon(points, fill=part.colour)
    region = np.asarray(image)
    y, x = np.mgrid[:canvas, :canvas] / canvas
    colours = maker.palette[rng.choice(len(maker.palette), 8, replace=False)]
    colours = colours * np.array([1.0, 1.0, 1.0, 0.35, 1.0, 1.0, 1.0, 1.0])[:, None]
    colours[LIGHT] = 0.4 * colours[LIGHT] + 0.6 * 235
    seen = colours[region]
    for places in (region == BODY, region == SECOND, (region == 0) | (region >= 5)):
        seen = seen + (wave(maker.textures[int(rng.integers(len(maker.textures)))], x, y, rng) * places)[..., None]
    seen = seen.reshape(side, OVER, side, OVER, 3).mean(axis=(1, 3))
    light = rng.uniform(0.8, 1.2) * (1 + rng.uniform(-0.4, 0.4) * (x - 0.5) + rng.uniform(-0.4, 0.4) * (y - 0.5))
    seen = seen * light[::OVER, ::OVER, None] + rng.normal(0, rng.uniform(1, 6), seen.shape)
    pixels: NDArray[np.uint8] = np.clip(np.rint(seen), 0, 255).astype(np.uint8)
    return pixels


# Drawings


def inside(points: Stroke, shape: Stroke) -> NDArray[np.bool_]:
    """Which of the points (n, 2) lie in a closed shape: a ray to the right crosses its edge an odd number of times."""
    a, b = shape, np.concatenate([shape[1:], shape[:1]])
    x, y = points[:, :1], points[:, 1:]
    crosses = (a[:, 1] > y) != (b[:, 1] > y)
    steep = np.where(b[:, 1] == a[:, 1], 1.0, b[:, 1] - a[:, 1])
    right = a[:, 0] + (y - a[:, 1]) / steep * (b[:, 0] - a[:, 0]) > x
    return np.asarray((crosses & right).sum(axis=1) % 2 == 1)


def dense(points: Stroke, closed: bool, step: float = 0.11) -> Stroke:
    """The same line with points about `step` apart."""
    ends = np.concatenate([points, points[:1]]) if closed else points
    lengths = np.hypot(*np.diff(ends, axis=0).T)
    along = np.concatenate([[0], lengths.cumsum()])
    places = np.linspace(0, along[-1], max(3, int(np.ceil(along[-1] / step)) + 1))
    return np.stack([np.interp(places, along, ends[:, axis]) for axis in (0, 1)], axis=1)


def outlines(parts: list[Part]) -> list[tuple[Stroke, bool]]:
    """The visible lines of a thing, what lies behind another part left out, and whether each of them is closed."""
    shapes = [
        (place, part.points, part.points.min(axis=0), part.points.max(axis=0))
        for place, part in enumerate(parts)
        if not part.width
    ]
    made = []
    for place, part in enumerate(parts):
        points = dense(part.points, not part.width)
        seen = np.ones(len(points), bool)
        first, last = points.min(axis=0), points.max(axis=0)
        for number, shape, low, high in shapes:
            if number > place and (first < high).all() and (last > low).all():
                seen &= ~inside(points, shape)
        if seen.all():
            made.append((points, not part.width))
            continue
        edges = np.flatnonzero(np.diff(np.concatenate([[False], seen, [False]]).astype(np.int8)))
        made += [(points[low:high], False) for low, high in zip(edges[::2], edges[1::2], strict=True) if high - low > 1]
    return made


def wobbled(lines: list[tuple[Stroke, bool]], warp: float, rng: Random) -> list[Stroke]:
    """Lines of a quick pen: bent as a whole, each shaken, too long or too short, sometimes with a gap or missing."""
    waves = rng.uniform(0.8, 2.2, (2, 2))
    phases = rng.uniform(0, 2 * pi, (2, 2))
    made = []
    for points, closed in lines:
        if len(points) < 8 and rng.random() < 0.12:
            continue  # a short line is left out
        bent = points + warp * np.sin(points[:, ::-1] @ waves + phases[0]) + warp * np.sin(points @ waves.T + phases[1])
        knots = rng.normal(0, 0.035, (max(2, len(points) // 4), 2))
        places = np.linspace(0, len(knots) - 1, len(points))
        bent = bent + np.stack([np.interp(places, np.arange(len(knots)), knots[:, axis]) for axis in (0, 1)], axis=1)
        if closed:
            shift, extra = int(rng.integers(len(bent))), int(rng.integers(-2, 3)) if len(bent) > 12 else 1
            bent = np.concatenate([bent[shift:-1], bent[:shift]]) if shift < len(bent) - 1 else bent[:-1]
            bent = np.concatenate([bent, bent[:1], bent[1 : 1 + extra]]) if extra >= 0 else bent[:extra]
        if len(bent) > 12 and rng.random() < 0.3:  # a gap
            start, size = int(rng.integers(2, len(bent) - 4)), int(rng.integers(2, 2 + len(bent) // 6))
            made.append(bent[:start])
            bent = bent[start + size :]
        if len(bent) > 1:
            made.append(bent)
    return made


def drawing(maker: Maker, kind: int, rng: Random, side: int = 28) -> NDArray[np.uint8]:
    """One thing in lines (side, side): ink is 255, paper 0."""
    parts = [part for part in draw_thing(maker, kind, True, rng) if not (part.spare and rng.random() < 0.6)]
    lines = wobbled(outlines(parts), maker.warp, rng)
    hand = draw_hand(rng, maker.hands)
    every = np.concatenate(lines)
    low, high = every.min(axis=0), every.max(axis=0)
    scale = rng.uniform(0.66, 0.88) / float((high - low).max())
    placed = [(points - (low + high) / 2) * scale + 0.5 + rng.uniform(-0.05, 0.05, 2) for points in lines]
    made = handwritten(placed, replace(hand, overshoot=rng.uniform(-0.01, 0.04)), rng, steps=1)
    for _ in range(int(rng.integers(0, 3))):  # other marks: the ground, a hatching, a slip of the pen
        made.append(stray(rng))
    drawn: NDArray[np.uint8] = (ink(made, side, hand.width) * rng.uniform(200, 255)).round().astype(np.uint8)
    return drawn


def stray(rng: Random) -> Stroke:
    """A line that belongs to nothing, mostly near the rim."""
    start = rng.uniform(0.03, 0.97, 2)
    start[int(rng.integers(2))] = rng.choice([rng.uniform(0.02, 0.14), rng.uniform(0.86, 0.98)])
    angle, long = rng.uniform(0, 2 * pi), rng.uniform(0.05, 0.35)
    end = (start + long * np.array([cos(angle), sin(angle)])).clip(0.0, 1.0)
    return curve(np.stack([start, (start + end) / 2 + rng.normal(0, 0.03, 2), end]), 4)
