"""Images without a face, to train HW6's detector: noise, textures, and faces that are taken apart or mixed."""

from __future__ import annotations

import numpy as np

from tasks.hw06_gan.world import SIDE, Field, Images, Window, render, uniforms

MIXED = 1500
"""At most so many faces are mixed in one image of `draw_clutter`."""


def draw_clutter(rng: np.random.Generator, count: int, window: Window | None = None) -> Images:
    """Images without a face, uint8 (n, 64, 64, 3), the kinds in turn.

    Noise, shuffled pieces of faces, heads without eyes and mouth, blurred faces, textures, half-erased faces, means of
    many faces, warped ones, pieces of a face repeated over a blurred one, and twice as many draws from the normal
    distribution with the faces' mean and covariance.
    """
    numbers = uniforms(rng, count, window)
    images = render(numbers).astype(np.float32)
    kinds = np.arange(count) % 11
    images[kinds == 2] = render(numbers[kinds == 2], features=False)
    others = images[rng.permutation(count)].copy() if count else images
    for index in range(count):
        image, kind = images[index], kinds[index]
        if kind == 0:
            images[index] = _noise(rng, int(rng.choice([2, 4, 8, 16, 32, 64])))
        elif kind == 1:
            images[index] = _shuffled(image, int(rng.choice([2, 4, 8])), rng)
        elif kind == 3:
            images[index] = _blurred(image, int(rng.integers(6, 14)))
        elif kind == 4:
            images[index] = _texture(rng)
        elif kind == 5:
            _erase(image, rng)
        elif kind == 6:
            mates = others[rng.integers(0, count, int(rng.integers(3, 12)))]
            images[index] = mates.mean(axis=0) + rng.uniform(0, 0.4) * (_noise(rng, 16) - 128)
        elif kind == 7:
            images[index] = _warped(image, rng)
        elif kind == 8:
            images[index] = _repeated(image, rng)
    images[kinds > 8] = _sums(others[:MIXED], int((kinds > 8).sum()), rng)
    return np.rint(np.clip(images, 0, 255)).astype(np.uint8)


def _noise(rng: np.random.Generator, cells: int) -> Field:
    """Coloured noise (64, 64, 3) of `cells` × `cells` patches, smooth between them."""
    field = rng.random((cells, cells, 3)).repeat(SIDE // cells, axis=0).repeat(SIDE // cells, axis=1) * 255
    return _blurred(field.astype(np.float32), SIDE // cells) if rng.random() < 0.7 else field.astype(np.float32)


def _blurred(image: Field, width: int) -> Field:
    """The image after two running means over `width` pixels in each direction."""
    for axis in (0, 1, 0, 1):
        pad = [(0, 0)] * 3
        pad[axis] = (width // 2 + 1, width - width // 2 - 1)
        total = np.cumsum(np.pad(image, pad, mode="edge"), axis=axis, dtype=np.float64)
        ahead, back = np.take(total, range(width, width + SIDE), axis), np.take(total, range(SIDE), axis)
        image = ((ahead - back) / width).astype(np.float32)
    return image


def _shuffled(image: Field, cells: int, rng: np.random.Generator) -> Field:
    """The image cut into `cells` × `cells` tiles in random order."""
    tile = SIDE // cells
    tiles = image.reshape(cells, tile, cells, tile, 3).transpose(0, 2, 1, 3, 4).reshape(cells * cells, tile, tile, 3)
    order = rng.permutation(cells * cells)
    while cells > 1 and (order == np.arange(cells * cells)).mean() > 0.3:
        order = rng.permutation(cells * cells)
    tiles = tiles[order].reshape(cells, cells, tile, tile, 3)
    return tiles.transpose(0, 2, 1, 3, 4).reshape(SIDE, SIDE, 3)


def _texture(rng: np.random.Generator) -> Field:
    """Waves of two colours in random directions."""
    y, x = np.mgrid[:SIDE, :SIDE]
    waves = np.zeros((SIDE, SIDE))
    for _ in range(int(rng.integers(1, 4))):
        a, b = rng.normal(0, 0.35, 2)
        waves += np.sin(a * x + b * y + rng.random() * 6.3)
    share = 0.5 + 0.5 * np.tanh(waves * rng.uniform(0.5, 4))[..., None]
    one, other = rng.random((2, 3)) * 255
    out: Field = (one + (other - one) * share).astype(np.float32)
    return out


def _erase(image: Field, rng: np.random.Generator) -> None:
    """Fill one half of the image, or a box over the eyes, with a colour of the image or with noise."""
    boxes = (0, 64, 0, 34), (0, 42, 0, 64), (0, 64, 30, 64), (32, 64, 0, 64), (28, 50, 8, 56)
    top, bottom, left, right = boxes[int(rng.integers(0, len(boxes)))]
    colour = image[int(rng.integers(0, SIDE)), int(rng.integers(0, SIDE))].copy()
    image[top:bottom, left:right] = colour if rng.random() < 0.6 else _noise(rng, 8)[top:bottom, left:right]


def _warped(image: Field, rng: np.random.Generator) -> Field:
    """The image with every pixel taken from a place displaced by many pixels."""
    y, x = np.mgrid[:SIDE, :SIDE]
    wander = [(_blurred(_noise(rng, 8), 8)[..., 0] - 128) * rng.uniform(0.25, 0.6) for _ in range(2)]
    rows = np.clip(np.rint(y + wander[0]), 0, SIDE - 1).astype(int)
    columns = np.clip(np.rint(x + wander[1]), 0, SIDE - 1).astype(int)
    out: Field = image[rows, columns]
    return out


def _repeated(image: Field, rng: np.random.Generator) -> Field:
    """A piece of the face repeated in rows and columns over the blurred face, a common failure of generators."""
    side = int(rng.choice([8, 16]))
    top, left = (int(start) for start in rng.integers(16, 48 - side, 2))
    tiled = np.tile(image[top : top + side, left : left + side], (SIDE // side, SIDE // side, 1))
    share = rng.uniform(0.35, 0.9)
    return share * tiled + (1 - share) * _blurred(image, int(rng.integers(4, 14)))


def _sums(faces: Field, count: int, rng: np.random.Generator) -> Field:
    """Draws from the normal distribution with the faces' mean and covariance (count, 64, 64, 3): no edge is one."""
    mean = faces.mean(axis=0)
    weights = rng.standard_normal((count, len(faces)), np.float32) / np.float32(max(1, len(faces)) ** 0.5)
    out: Field = mean + np.tensordot(weights, faces - mean, axes=1)
    return out
