"""Pictures for HW9: food on a table or plate, and a sticker beside it, each of which can be painted or left out.

Shapes, colours and surroundings are those of HW3's dishes (`tasks.hw03_cnn.dishes`), the food without the marks that
lie on it there. A sticker is a bright square with a dark sign. Food and sticker lie anywhere in the picture, apart.
A scene is painted from a few numbers, each layer from its own, so that the same scene without its sticker, or without
its food, differs in nothing else.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from tasks.hw03_cnn import dishes
from tasks.hw03_cnn.dishes import Brush, Kitchen, Points, Random, box, rotation, vary
from tasks.hw03_cnn.world import photograph, support, table
from tasks.hw09_explainable import DISHES
from tasks.processes import mapped

Pictures = NDArray[np.uint8]
Masks = NDArray[np.bool_]

OVER = 3  # pixels of the canvas for one of the picture
PLAIN = 2
"""Kinds of food that say nothing about the class."""
BITE = 0.27  # the radius of a bite, about, in units of half a picture
RICH, PALE = 0.8, 0.4  # of the colours of food, where 1 is pure; of the ground's, where 1 is as in HW3
STICKER = 0.27  # half the side of a sticker, in the same unit
TRIED = 20
"""Places that are drawn at once, of which the first without overlap are taken."""
PIECE = 250
"""Scenes that a process paints at once."""


@dataclass(frozen=True)
class Family:
    """What a key decides: colours and surroundings, the shape of each food, and the look of each sticker."""

    kitchen: Kitchen
    shapes: tuple[Points, ...]
    """Of the food of each dish, then of the plain food."""
    bodies: NDArray[np.float64]  # (dishes + plain, 3), the colours of the food
    colours: NDArray[np.float64]  # (dishes, 3), of stickers
    signs: tuple[tuple[Points, ...], ...]


@dataclass(frozen=True)
class Scene:
    """A scene: the number of its food and of its sticker (None: without), and what the rest is drawn from."""

    food: int | None
    sticker: int | None
    seed: int

    def generator(self, layer: int) -> Random:
        return np.random.default_rng([self.seed, layer])


def hues(rng: Random, count: int) -> NDArray[np.float64]:
    """Colours (count, 3) from 0 to 1, about evenly round the circle of hues, in random order."""
    hue = (np.arange(count) + rng.uniform(-0.2, 0.2, count)) / count + rng.random()
    found: NDArray[np.float64] = 0.5 + 0.5 * np.cos(2 * math.pi * (rng.permutation(hue)[:, None] - np.arange(3) / 3))
    return found


def draw_family(rng: Random) -> Family:
    kitchen = dishes.draw_kitchen(rng, DISHES, 1)
    grey = kitchen.palette.mean(axis=1, keepdims=True)
    kitchen = replace(kitchen, palette=grey + PALE * (kitchen.palette - grey))
    shapes = [dishes.whole(draw(rng)) for kind in dishes.SHAPES for draw in kind]
    signs = [kitchen.marks[at] for at in rng.permutation(len(kitchen.marks))[:DISHES].tolist()]
    order = rng.permutation(len(shapes)).tolist()
    foods = tuple(shapes[at] for at in order[: DISHES + PLAIN])
    colours = hues(rng, len(foods) + DISHES)
    bodies, stickers = colours[: len(foods)], colours[len(foods) :]
    return Family(kitchen, foods, 150 * (1 - RICH + RICH * bodies), 60 + 180 * stickers, tuple(signs))


def draw_places(rng: Random, radii: NDArray[np.float64]) -> NDArray[np.float64]:
    """Places (n, 2) of discs of these radii in the square from -1 to 1, none over another."""
    pairs = np.triu_indices(len(radii), 1)
    apart = (radii[:, None] + radii)[pairs] ** 2
    while True:
        tried = rng.uniform(-1, 1, (TRIED, len(radii), 2)) * (1 - radii)[:, None]
        between = ((tried[:, pairs[0]] - tried[:, pairs[1]]) ** 2).sum(axis=2)
        good = np.flatnonzero((between > apart).all(axis=1))
        if len(good):
            found: NDArray[np.float64] = tried[good[0]]
            return found


@dataclass(frozen=True)
class Layers:
    """The canvas of a scene on which layers are painted one after another."""

    family: Family
    scene: Scene
    side: int

    def brush(self, image: Image.Image, place: NDArray[np.float64], scale: float, rng: Random) -> Brush:
        half = OVER * self.side / 2
        return Brush(ImageDraw.Draw(image), scale * half * np.eye(2), half * (1 + place), rng)

    def ground(self, image: Image.Image) -> dishes.Colour:
        rng, kitchen = self.scene.generator(0), self.family.kitchen
        below = table(ImageDraw.Draw(image), OVER * self.side, kitchen, rng)
        return support(self.brush(image, rng.uniform(-0.2, 0.2, 2), rng.uniform(0.8, 1.0), rng), kitchen, below)

    @cached_property
    def places(self) -> NDArray[np.float64]:
        """Of the bites (all but the last) and the sticker."""
        rng = self.scene.generator(1)
        return draw_places(rng, np.array([1.2 * BITE] * int(rng.integers(2, 4)) + [1.45 * STICKER]))

    def food(self, image: Image.Image, below: dishes.Colour) -> None:
        assert self.scene.food is not None
        rng, kitchen, shape = self.scene.generator(2), self.family.kitchen, self.family.shapes[self.scene.food]
        light = below.mean() + kitchen.contrast[0] * rng.uniform(55, 85)
        body = self.family.bodies[self.scene.food]
        body = np.clip(vary(rng, body, 0.1) + light - body.mean(), 0, 255)
        for place in self.places[:-1]:
            brush = self.brush(image, place, BITE * rng.uniform(0.9, 1.05), rng)
            outline = shape @ rotation(rng.uniform(0, 2 * math.pi)) @ np.diag(np.exp(rng.normal(0, 0.05, 2)))
            brush.fill(outline * 1.08, body * 0.5)
            brush.fill(outline, vary(rng, body, 0.05))

    def sticker(self, image: Image.Image) -> None:
        assert self.scene.sticker is not None
        rng = self.scene.generator(3)
        brush = self.brush(image, self.places[-1], STICKER, rng)
        turn, colour = rotation(rng.uniform(0, 2 * math.pi)), self.family.colours[self.scene.sticker]
        brush.fill(box(0, 0, 2, 2) @ turn, vary(rng, colour, 0.05))
        for part in self.family.signs[self.scene.sticker]:
            brush.fill(part @ turn, colour * 0.25)


def paint(family: Family, side: int, scene: Scene) -> Pictures:
    """The picture of a scene, (side, side, 3)."""
    layers = Layers(family, scene, side)
    image = Image.new("RGB", (OVER * side, OVER * side))
    below = layers.ground(image)
    if scene.food is not None:
        layers.food(image, below)
    if scene.sticker is not None:
        layers.sticker(image)
    small = image.resize((side, side), Image.Resampling.BOX)
    return photograph(np.asarray(small, dtype=np.float32), scene.generator(4))


def masks(family: Family, side: int, scene: Scene) -> Masks:
    """Where food and sticker of a scene are, (2, side, side): the pixels of which they cover a part, none twice."""
    layers, found = Layers(family, scene, side), []
    for which in (0, 1):
        image = Image.new("RGB", (OVER * side, OVER * side))
        if which == 0:
            layers.food(image, np.full(3, 128.0))
        else:
            layers.sticker(image)
        cover = (np.asarray(image).max(axis=2) > 0).reshape(side, OVER, side, OVER)
        found.append(cover.any(axis=(1, 3)))
    return np.stack([found[0] & ~found[1], found[1]])


def _painted(family: Family, side: int, scenes: Sequence[Scene]) -> Pictures:
    return np.stack([paint(family, side, scene) for scene in scenes])


def painted(family: Family, side: int, scenes: Sequence[Scene], processes: int | None = 1) -> Pictures:
    """The pictures (n, side, side, 3) of scenes, the same however many `processes` paint them."""
    parts = [scenes[at : at + PIECE] for at in range(0, len(scenes), PIECE)]
    return np.concatenate(mapped(partial(_painted, family, side), parts, processes))
