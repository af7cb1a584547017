"""The built-in world of HW3: pictures of eleven kinds of dish, drawn from a key.

The key decides the kitchen (`tasks.hw03_cnn.dishes`): its colours, its shapes and marks, and the recipes of each class,
two in `small` and four in `full`. Every picture draws its colours from the same few, so that colour says nothing.

The surroundings are drawn in the same way for all: a table with its pattern, a plate, bowl, board or nothing, a shape
without a mark or a mark without a shape, chopsticks, spoons or paper over the edge. A picture is turned by any angle,
scaled, stretched, shifted, lit from one side, shaded, tinted by its camera, blurred, made noisy and saved as JPEG of
any quality.

Every picture has its own random stream, named by its part and its number. Points are in the dish's own plane, where
the plate has radius 1, and are put on a larger canvas than the picture.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

from tasks.base import Answers, Made
from tasks.hw03_cnn import CLASSES, TARGET, Layout
from tasks.hw03_cnn.dishes import (
    Brush,
    Colour,
    Kitchen,
    Random,
    box,
    draw_kitchen,
    ground,
    ink,
    oval,
    rotation,
    segment,
    serve,
    tone,
    vary,
)
from tasks.pictures import tiles
from tasks.processes import mapped
from tasks.streams import Streams


@dataclass(frozen=True)
class Counts:
    """Pictures per class (training, validation), in total (unlabelled, test), and their side in pixels."""

    training: int
    validation: int
    unlabelled: int
    test: int
    side: int
    recipes: int  # of each class


COUNTS = {
    ("2021", "small"): Counts(150, 20, 2200, 1000, 40, 2),
    ("2022", "small"): Counts(200, 40, 0, 1000, 40, 2),
    ("2021", "full"): Counts(280, 60, 6786, 3347, 128, 4),
    ("2022", "full"): Counts(897, 312, 0, 3347, 128, 4),  # a class; the course has 9866 and 3430 in all
}
OVER = 3  # pixels of the canvas for one of the picture
BLOCK = 500  # pictures that one process draws at a time


# Pictures


def table(draw: ImageDraw.ImageDraw, canvas: int, kitchen: Kitchen, rng: Random) -> Colour:
    """Draws a table with stripes, lines, squares or nothing on it, seen at any angle; its colour."""
    base = ground(kitchen, rng)
    other = vary(rng, base, 0.1)
    draw.rectangle((0, 0, canvas, canvas), fill=ink(base))
    kind, step = int(rng.integers(6)), canvas * rng.uniform(0.08, 0.25)
    brush = Brush(draw, rotation(rng.uniform(0, math.pi)), np.full(2, canvas / 2), rng)
    places = np.arange(-canvas, canvas, step)
    for i, at in enumerate(places):
        if kind == 1:
            brush.fill(box(at, 0, step / 2, 2 * canvas), other)
        elif kind == 2:
            brush.line(segment(at, -canvas, at, canvas), 1.5, other * 0.8)
        elif kind == 3:
            for j in range(i % 2, len(places), 2):
                brush.fill(box(at, places[j], step, step), other)
    return base


def support(b: Brush, kitchen: Kitchen, below: Colour) -> Colour:
    """Draws what the food lies on, a plate, a bowl, a board, or the table itself; its colour."""
    kind = b.rng.random()
    colour = ground(kitchen, b.rng)
    if kind < 0.45:
        b.fill(oval(0.04, 0.06, 1.02, n=32), colour * 0.5)
        b.fill(oval(0, 0, 1.0, n=32), colour)
        b.fill(oval(0, 0, b.rng.uniform(0.82, 0.92), n=32), colour * 0.93)
    elif kind < 0.6:
        b.fill(oval(0, 0, 1.0, n=32), colour * 1.3)
        b.fill(oval(0, 0, 0.92, n=32), colour)
    elif kind < 0.85:
        b.fill(box(0, 0, b.rng.uniform(1.7, 2.1), b.rng.uniform(1.7, 2.1)), colour)
    else:
        return below
    return colour


def cover(b: Brush, kitchen: Kitchen) -> None:
    """Draws something over the edge of the dish: chopsticks, a spoon, paper or the rim of another plate."""
    s = b.near(0, 0, 1.0)
    kind, colour = int(b.rng.integers(4)), tone(kitchen, b.rng, b.rng.uniform(40, 215))
    away = b.rng.uniform(0.65, 0.95)
    if kind == 0:
        for offset in (0.0, 0.13):
            s.line(segment(-1.6, away + offset, 1.6, away + offset * 2), 0.07, colour)
    elif kind == 1:
        s.line(segment(0.2, away, 1.8, away), 0.1, colour)
        s.fill(oval(0.1, away, 0.28, 0.18), colour)
        s.fill(oval(0.08, away, 0.2, 0.12), colour * 0.75)
    elif kind == 2:
        s.fill(np.array([[-2, away], [2, away + 0.2], [2, 3], [-2, 3]]), colour)
    else:
        s.fill(oval(0, away + 1.0, 1.0, n=28), colour)
        s.fill(oval(0, away + 1.0, 0.8, n=28), colour * 0.85)


def picture(kitchen: Kitchen, label: int, side: int, rng: Random) -> NDArray[np.uint8]:
    """One picture of a class (side, side, 3)."""
    canvas = OVER * side
    image = Image.new("RGB", (canvas, canvas))
    draw = ImageDraw.Draw(image)
    below = table(draw, canvas, kitchen, rng)
    unit = canvas * rng.uniform(0.48, 0.57)
    stretch = np.diag([1.0, rng.uniform(0.85, 1.0)])  # the camera looks from the side
    turn = rotation(rng.uniform(0, 2 * math.pi)) @ stretch @ rotation(rng.uniform(0, 2 * math.pi)) * unit
    if rng.random() < 0.5:
        turn = np.diag([1.0, -1.0]) @ turn
    brush = Brush(draw, turn, canvas * (0.5 + rng.uniform(-0.05, 0.05, 2)), rng)
    below = support(brush, kitchen, below)
    recipes = kitchen.menu[label]
    serve(brush, kitchen, recipes[int(rng.integers(len(recipes)))], below)
    if rng.random() < 0.2:
        cover(brush, kitchen)
    image = image.resize((side, side), Image.Resampling.BOX)
    if rng.random() < 0.4:
        image = image.filter(ImageFilter.GaussianBlur(rng.uniform(0.2, 0.5) * side / 40))
    return photograph(np.asarray(image, dtype=np.float32), rng)


def photograph(scene: NDArray[np.float32], rng: Random) -> NDArray[np.uint8]:
    """The scene as a camera sees it: light from one side, a shadow, a tint, faded colours, noise."""
    side = len(scene)
    y, x = np.mgrid[0:side, 0:side].astype(np.float32) / side - 0.5
    angle = rng.uniform(0, 2 * math.pi)
    along = (x * math.cos(angle) + y * math.sin(angle)).astype(np.float32)
    light = rng.uniform(0.75, 1.2) * (1 + rng.uniform(0, 0.5) * along)
    if rng.random() < 0.2:
        light = light * (1 - rng.uniform(0.2, 0.5) / (1 + np.exp(-(along - rng.uniform(-0.4, 0.4)) / 0.02)))
    seen = scene * light[..., None]
    strength = rng.uniform(0.6, 1.2)
    seen = seen.mean(axis=2, keepdims=True) * (1 - strength) + seen * strength
    seen = seen * np.exp(rng.normal(0, 0.08, 3)) + rng.normal(0, rng.uniform(1.5, 5), seen.shape)
    pixels: NDArray[np.uint8] = np.clip(np.rint(seen), 0, 255).astype(np.uint8)
    return pixels


def draw_block(
    kitchen: Kitchen, public: Path, streams: Streams, side: int, block: Sequence[tuple[int, str, int]]
) -> NDArray[np.float64]:
    """Write the pictures (number in its part, name, class) of a block and return their thumbnails (n, d)."""
    images = []
    for number, name, label in block:
        rng = streams.generator(str(number))
        images.append(picture(kitchen, label, side, rng))
        (public / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(images[-1]).save(public / name, "JPEG", quality=int(rng.integers(60, 95)))
    return tiles(np.array(images))


def make(
    layout: Layout,
    public: Path,
    streams: Streams,
    size: str,
    source: Path | None = None,
    secret: Path | None = None,
    processes: int | None = None,
) -> Made:
    """Write the pictures of a world into `public`.

    The files are the same however many `processes` draw them; default: one for each core in `full`.
    """
    counts = COUNTS[layout.year, size]
    kitchen = draw_kitchen(streams.generator("kitchen"), len(CLASSES), counts.recipes)
    hidden = streams.generator("test/labels").integers(0, len(CLASSES), counts.test)
    kinds = range(len(CLASSES))
    unlabelled = streams.generator("unlabelled/labels").integers(0, len(CLASSES), counts.unlabelled)
    parts = {  # the classes of the pictures, and after how many of them the numbers in their names begin again
        "training": (np.repeat(kinds, counts.training), counts.training),
        "validation": (np.repeat(kinds, counts.validation), counts.validation),
        "unlabelled": (unlabelled, counts.unlabelled),
        "test": (hidden, counts.test),
    }
    thumbnails = {}
    for part, (labels, each) in parts.items():
        every = [(at, layout.name(part, label, at % each), label) for at, label in enumerate(labels.tolist())]
        work = partial(draw_block, kitchen, public, streams.within(part), counts.side)
        blocks = [every[start : start + BLOCK] for start in range(0, len(every), BLOCK)]
        thumbnails[part] = mapped(work, blocks, processes or (None if size == "full" else 1))
    return Made(
        Answers(layout.ids(counts.test), {TARGET: hidden}, strata=np.array([CLASSES[label] for label in hidden])),
        train=np.concatenate(thumbnails["training"] + thumbnails["validation"] + thumbnails["unlabelled"]),
        test=np.concatenate(thumbnails["test"]),
    )
