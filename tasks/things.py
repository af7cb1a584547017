"""Things of ten kinds (`tasks.figures`): painted in colours and textures, or drawn with the lines of a wobbly pen.

A `Maker` has the ranges of each kind's proportions (its *breeds*), the colours and the textures that it paints with,
and its pen. All of them are drawn, so that two makers' things are of the same kinds and look different. Both pictures
of one thing show the same parts.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import cos, pi, sin

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from tasks.figures import BODY, DIALS, KINDS, LIGHT, SECOND, Dials, Part
from tasks.pen import Hands, Stroke, curve, draw_hand, handwritten, ink

Random = np.random.Generator
OVER = 3  # pixels of a painting's canvas for one of the picture


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
