"""Digits as strokes: several ways to write each, in a style that is drawn from a key, on 28 × 28 pixels."""

from __future__ import annotations

from dataclasses import dataclass
from math import pi

import numpy as np
from numpy.typing import NDArray

from tasks.pen import Hands, Range, Stroke, arc, draw_hand, fitted, handwritten, ink

SIDE = 28


def _line(*numbers: float) -> Stroke:
    """Points from their x, y, x, y, …"""
    return np.array(numbers).reshape(-1, 2)


def _joined(*parts: Stroke) -> Stroke:
    return np.concatenate(parts)


FULL = 1.5 * pi
TOP = -pi / 2
SHAPES: tuple[tuple[tuple[Stroke, ...], ...], ...] = (
    (  # 0: round, narrow, with a slash
        (arc((0.5, 0.5), (0.24, 0.34), TOP, FULL, 12),),
        (arc((0.5, 0.5), (0.17, 0.34), -1.0, 2 * pi - 1.3, 12),),
        (arc((0.5, 0.5), (0.25, 0.33), TOP, FULL, 12), _line(0.65, 0.25, 0.35, 0.75)),
    ),
    (  # 1: a stroke, with a flag, with a foot
        (_line(0.5, 0.15, 0.5, 0.5, 0.5, 0.85),),
        (_line(0.36, 0.32, 0.46, 0.24, 0.53, 0.15, 0.53, 0.5, 0.53, 0.85),),
        (_line(0.38, 0.3, 0.52, 0.15, 0.52, 0.5, 0.52, 0.84), _line(0.34, 0.85, 0.7, 0.85)),
    ),
    (  # 2: with a corner, with a loop, like a Z
        (_joined(arc((0.5, 0.34), (0.2, 0.19), -pi, 0.4, 7), _line(0.44, 0.68, 0.3, 0.84, 0.5, 0.84, 0.72, 0.84)),),
        (_joined(arc((0.5, 0.33), (0.19, 0.18), -2.6, 0.5, 7),
                 _line(0.4, 0.78, 0.29, 0.8, 0.35, 0.7, 0.52, 0.8, 0.73, 0.83)),),
        (_line(0.3, 0.2, 0.5, 0.17, 0.69, 0.19, 0.5, 0.5, 0.3, 0.82, 0.5, 0.83, 0.71, 0.82),),
    ),
    (  # 3: round, flat on top
        (_joined(arc((0.47, 0.33), (0.2, 0.17), -2.6, 1.4, 7), arc((0.47, 0.67), (0.23, 0.18), -1.4, 2.6, 8)),),
        (_line(0.3, 0.17, 0.5, 0.17, 0.68, 0.17, 0.57, 0.3, 0.46, 0.42),
         _joined(_line(0.46, 0.42), arc((0.46, 0.63), (0.24, 0.21), -1.1, 2.5, 8))),
    ),
    (  # 4: open, closed
        (_line(0.38, 0.16, 0.33, 0.36, 0.29, 0.56, 0.5, 0.56, 0.74, 0.55), _line(0.61, 0.3, 0.6, 0.6, 0.59, 0.86)),
        (_line(0.58, 0.15, 0.42, 0.37, 0.26, 0.6, 0.5, 0.61, 0.76, 0.6), _line(0.58, 0.15, 0.59, 0.5, 0.59, 0.86)),
    ),
    (  # 5: with its roof apart, in one stroke
        (_joined(_line(0.38, 0.17, 0.36, 0.42), arc((0.47, 0.63), (0.24, 0.2), -1.5, 2.6, 8)),
         _line(0.38, 0.17, 0.54, 0.17, 0.7, 0.16)),
        (_joined(_line(0.68, 0.18, 0.5, 0.18, 0.37, 0.19, 0.35, 0.44), arc((0.48, 0.62), (0.22, 0.2), -1.4, 2.4, 8)),),
    ),
    (  # 6: curved, straight
        (_joined(_line(0.66, 0.17, 0.45, 0.32), arc((0.5, 0.64), (0.2, 0.2), -pi, pi * 0.95, 11)),),
        (_joined(_line(0.55, 0.14, 0.42, 0.36, 0.32, 0.6), arc((0.5, 0.65), (0.18, 0.19), pi, -pi * 0.9, 10)),),
    ),
    (  # 7: plain, with a bar, with a hook
        (_line(0.28, 0.18, 0.5, 0.18, 0.71, 0.17, 0.58, 0.5, 0.46, 0.85),),
        (_line(0.28, 0.18, 0.5, 0.18, 0.71, 0.17, 0.57, 0.5, 0.45, 0.85), _line(0.38, 0.52, 0.7, 0.5)),
        (_line(0.3, 0.32, 0.3, 0.18, 0.5, 0.19, 0.71, 0.17, 0.6, 0.48, 0.53, 0.85),),
    ),
    (  # 8: one stroke, two circles
        (_line(0.66, 0.26, 0.5, 0.16, 0.35, 0.27, 0.48, 0.46, 0.66, 0.66, 0.5, 0.84, 0.34, 0.68, 0.5, 0.48,
               0.66, 0.28),),
        (arc((0.5, 0.33), (0.16, 0.17), TOP, FULL, 10), arc((0.5, 0.67), (0.2, 0.18), TOP, FULL, 10)),
    ),
    (  # 9: straight, curved
        (_joined(arc((0.48, 0.35), (0.18, 0.19), 0.0, -2 * pi, 11), _line(0.66, 0.5, 0.64, 0.7, 0.62, 0.86)),),
        (_joined(arc((0.48, 0.35), (0.19, 0.19), -0.3, -1.95 * pi, 11), _line(0.66, 0.55, 0.56, 0.78, 0.36, 0.83)),),
    ),
)  # fmt: skip
"""Digit to the ways to write it."""


@dataclass(frozen=True)
class Style:
    """What a key decides: its own shape and share of each way to write a digit, and the ranges of its hands."""

    shapes: tuple[tuple[tuple[Stroke, ...], ...], ...]
    shares: tuple[NDArray[np.float64], ...]
    hands: Hands
    box: Range  # size of a digit
    warp: float  # largest amplitude of the waves that bend a digit
    move: float  # its middle is up to so far from that of the picture
    ink: Range  # of the darkest pixel
    noise: Range  # standard deviation of every pixel


def draw_style(rng: np.random.Generator) -> Style:
    shapes = tuple(
        tuple(tuple(stroke + rng.normal(0, 0.01, stroke.shape) for stroke in way) for way in ways) for ways in SHAPES
    )
    low, wide = rng.uniform(-0.35, -0.15), rng.uniform(0.3, 0.5)
    hands = Hands(
        slant=(low, low + wide),
        aspect=(rng.uniform(0.6, 0.75), rng.uniform(1.15, 1.35)),
        turn=(-0.28, 0.28),
        width=(rng.uniform(1.3, 1.7), rng.uniform(2.8, 3.4)),
        jitter=(0.0, rng.uniform(0.008, 0.014)),
        overshoot=(-0.03, rng.uniform(0.02, 0.06)),
    )
    return Style(
        shapes=shapes,
        shares=tuple(rng.dirichlet(np.full(len(ways), 3.0)) for ways in SHAPES),
        hands=hands,
        box=(rng.uniform(0.56, 0.62), rng.uniform(0.74, 0.8)),
        warp=rng.uniform(0.03, 0.045),
        move=rng.uniform(0.04, 0.07),
        ink=(rng.uniform(0.55, 0.7), 1.0),
        noise=(0.0, rng.uniform(0.04, 0.08)),
    )


def bent(strokes: tuple[Stroke, ...], amplitude: float, rng: np.random.Generator) -> list[Stroke]:
    """Control points moved by a smooth field of three waves over the picture."""
    ways, phases, sizes = rng.normal(0, 4, (3, 2)), rng.uniform(0, 2 * pi, 3), rng.normal(0, amplitude, (3, 2))
    return [points + np.sin(points @ ways.T + phases) @ sizes for points in strokes]


def digit(label: int, style: Style, rng: np.random.Generator) -> NDArray[np.float32]:
    """One picture of a digit, (28, 28), 0 to 1, ink is bright."""
    way = style.shapes[label][int(rng.choice(len(style.shares[label]), p=style.shares[label]))]
    hand = draw_hand(rng, style.hands)
    lines = fitted(handwritten(bent(way, style.warp, rng), hand, rng, 4), rng.uniform(*style.box))
    move = rng.uniform(-style.move, style.move, 2)
    return ink([line + move for line in lines], SIDE, hand.width) * np.float32(rng.uniform(*style.ink))
