"""Lines of a pen: strokes through control points, the hand that writes them, and their ink on a grid of pixels.

A stroke is an array (k, 2) of points, x to the right and y down, in the unit square, which is the whole picture.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import cos, sin

import numpy as np
from numpy.typing import NDArray

Stroke = NDArray[np.float64]
Range = tuple[float, float]
MIDDLE = 0.5


@dataclass(frozen=True)
class Hand:
    """How somebody writes: the character's shape is the same, these differ."""

    slant: float = 0.0  # how far the top of the unit square moves to the right
    aspect: float = 1.0  # width over height
    turn: float = 0.0  # radians, clockwise
    width: float = 2.0  # of the line, in pixels
    jitter: float = 0.0  # standard deviation of a control point, in the unit square
    overshoot: float = 0.0  # by how much the ends of a stroke are too long (or short), in the unit square


@dataclass(frozen=True)
class Hands:
    """The ranges that hands are drawn from; `jitter` and `overshoot` of a hand are at most these."""

    slant: Range = (-0.2, 0.2)
    aspect: Range = (0.8, 1.25)
    turn: Range = (-0.15, 0.15)
    width: Range = (1.4, 2.6)
    jitter: Range = (0.005, 0.02)
    overshoot: Range = (-0.02, 0.04)


def draw_hand(rng: np.random.Generator, hands: Hands) -> Hand:
    return Hand(
        rng.uniform(*hands.slant),
        np.exp(rng.uniform(*np.log(hands.aspect))),
        rng.uniform(*hands.turn),
        rng.uniform(*hands.width),
        rng.uniform(*hands.jitter),
        rng.uniform(*hands.overshoot),
    )


def curve(points: Stroke, steps: int = 8) -> Stroke:
    """A smooth line (m, 2) through control points (k, 2), `steps` pieces between two of them: Catmull and Rom, 1974.

    >>> curve(np.array([[0.0, 0.0], [1.0, 0.0]]), 2).tolist()
    [[0.0, 0.0], [0.5, 0.0], [1.0, 0.0]]
    """
    if len(points) < 2:
        return points
    before, after = 2 * points[0] - points[1], 2 * points[-1] - points[-2]
    p = np.concatenate([before[None], points, after[None]])
    t = np.arange(steps)[:, None, None] / steps  # (steps, 1, 1)
    a, b, c, d = p[:-3], p[1:-2], p[2:-1], p[3:]  # (k - 1, 2) each
    made = b + 0.5 * t * (c - a + t * (2 * a - 5 * b + 4 * c - d + t * (3 * (b - c) + d - a)))
    line: Stroke = np.concatenate([made.transpose(1, 0, 2).reshape(-1, 2), points[-1:]])
    return line


def arc(middle: tuple[float, float], radii: tuple[float, float], start: float, end: float, points: int = 9) -> Stroke:
    """Points (points, 2) of an ellipse from one angle to another, in radians from the right, clockwise."""
    angles = np.linspace(start, end, points)
    return np.array(middle) + np.stack([radii[0] * np.cos(angles), radii[1] * np.sin(angles)], axis=1)


def prolonged(points: Stroke, overshoot: float) -> Stroke:
    """A stroke whose ends lie further out along their directions, or further in where `overshoot` is below zero."""
    if len(points) < 2:
        return points
    longer = points.copy()
    for end, next_ in ((0, 1), (-1, -2)):
        way = points[end] - points[next_]
        length = float(np.hypot(*way))
        if length > 0:
            longer[end] += way / length * max(overshoot, -0.5 * length)
    return longer


def handwritten(strokes: Sequence[Stroke], hand: Hand, rng: np.random.Generator, steps: int = 8) -> list[Stroke]:
    """The lines that a hand makes of control points, slanted, stretched and turned about the middle of the picture."""
    stretch = np.array([[np.sqrt(hand.aspect), 0.0], [0.0, 1 / np.sqrt(hand.aspect)]])
    slant = np.array([[1.0, -hand.slant], [0.0, 1.0]])
    turn = np.array([[cos(hand.turn), -sin(hand.turn)], [sin(hand.turn), cos(hand.turn)]])
    moves = turn @ slant @ stretch
    lines = []
    for points in strokes:
        shaken = prolonged(points + rng.normal(0, hand.jitter, points.shape), hand.overshoot)
        lines.append((curve(shaken, steps) - MIDDLE) @ moves.T + MIDDLE)
    return lines


def fitted(lines: Sequence[Stroke], box: float = 0.72) -> list[Stroke]:
    """The lines moved to the middle, and scaled so that the longer side of all of them together is `box`."""
    every = np.concatenate(lines)
    low, high = every.min(axis=0), every.max(axis=0)
    scale = box / max(float((high - low).max()), 1e-9)
    return [(line - (low + high) / 2) * scale + MIDDLE for line in lines]


def ink(lines: Sequence[Stroke], side: int, width: float) -> NDArray[np.float32]:
    """How much of each pixel is under a round pen of `width` pixels, (side, side), 0 to 1, with soft edges."""
    starts = np.concatenate([line[:-1] if len(line) > 1 else line for line in lines]).astype(np.float32) * side
    ends = np.concatenate([line[1:] if len(line) > 1 else line for line in lines]).astype(np.float32) * side
    ways = ends - starts  # (s, 2)
    lengths = np.maximum((ways**2).sum(axis=1), np.float32(1e-12))  # squared
    x, y = (np.arange(side, dtype=np.float32)[:, None] + np.float32(0.5) - starts[:, axis] for axis in (0, 1))
    along = (y * ways[:, 1])[:, None] + (x * ways[:, 0])[None]  # (side, side, s): rows, columns, segments
    part = np.clip(along / lengths, 0, 1)
    squared = (y**2)[:, None] + (x**2)[None] + part * (part * lengths - 2 * along)
    nearest = np.sqrt(np.maximum(squared.min(axis=2), 0))
    covered: NDArray[np.float32] = np.clip(np.float32(width / 2 + 0.5) - nearest, 0, 1)
    return covered


def written(strokes: Sequence[Stroke], hand: Hand, rng: np.random.Generator, side: int = 28) -> NDArray[np.uint8]:
    """What a hand writes of control points, (side, side): ink is 255, paper 0."""
    return (ink(handwritten(strokes, hand, rng), side, hand.width) * 255).round().astype(np.uint8)
