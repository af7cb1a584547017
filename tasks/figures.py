"""Ten kinds of figures, each a list of parts that its proportions set.

The parts go from the one furthest behind to the one in front, in a plane of their own: x to the right and y down,
between -1 and 1.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import cos, pi, sin

import numpy as np
from numpy.typing import NDArray

from tasks.pen import Stroke, curve

NAMES = ("horse", "bed", "clock", "apple", "cat", "plane", "television", "dog", "dolphin", "spider")
"""The kinds, in the order of the course's classes."""
DIALS = 10
BODY, SECOND, DARK, LIGHT = 1, 2, 3, 4
"""The colours of a thing; 0 is the ground."""


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
