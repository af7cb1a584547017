"""The judge of HW9: how much of each map lies on the food and on the sticker, and what its largest cells do.

The mass of a map: each cell is cut at the 200th largest of its map, and what is left is divided by its sum. So the size
of the numbers means nothing, and a few cells alone hold nothing. A map whose 200th cell is 0 has no mass anywhere.

Deletion: the largest 5, 10 and 20 % of the cells take the mean colour of their picture, and the network says what is
left of the probability of the class that it named before. Of equal cells the first ones, row by row, are taken.

The network runs as a few products of matrices in double precision, over batches that always have as many pictures; its
outputs are rounded to single precision.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tasks.base import Columns, Judged
from tasks.formats import Format
from tasks.hw09_explainable import ATTRIBUTION, CAUSE, CUT, GRID, NETWORK_FILE

PICTURES_FILE, MASKS_FILE = "pictures.npy", "masks.npy"
"""The pictures (n, s, s, 3), and where the food and the sticker of each are, (n, 2, 64, 64)."""
SHARES = (0.05, 0.1, 0.2)
ROWS = 20
"""The pictures of every batch."""
STRIDES = (2, 2, 2, 1)
"""Of the network's convolutions, whose kernels are padded by half of their width."""

Floats = NDArray[np.float64]
Weights = Mapping[str, NDArray[np.float32]]


def version() -> str:
    """What can change a score beside the folders."""
    return f"maps 1 numpy {np.__version__}"


def cut(maps: NDArray[np.float32]) -> Floats:
    """Maps (n, 64, 64) cut at their 200th largest cell and divided by it, 0 where that is 0."""
    flat = maps.reshape(len(maps), -1).astype(np.float64)
    most = np.partition(flat, -CUT, axis=1)[:, -CUT, None]
    found: Floats = np.divide(np.minimum(flat, most), most, out=np.zeros_like(flat), where=most > 0)
    return found.reshape(maps.shape)


def mass(maps: NDArray[np.float32], masks: NDArray[np.bool_]) -> Floats:
    """The shares of each map's mass on the food and on the sticker, (n, 2); 0 for a map without mass."""
    kept = cut(maps)
    total = kept.sum(axis=(1, 2))[:, None]
    own = (kept[:, None] * masks).sum(axis=(2, 3))
    found: Floats = np.divide(own, total, out=np.zeros_like(own), where=total > 0)
    return found


def _convolved(x: Floats, weight: NDArray[np.float32], bias: NDArray[np.float32], stride: int) -> Floats:
    """A convolution of x (n, c, h, w) with ReLU, padded by half of the kernel's width."""
    half = weight.shape[2] // 2
    padded = np.pad(x, ((0, 0), (0, 0), (half, half), (half, half)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, weight.shape[2:], axis=(2, 3))[:, :, ::stride, ::stride]
    n, _, height, width = windows.shape[:4]
    rows = windows.transpose(0, 2, 3, 1, 4, 5).reshape(n * height * width, -1)
    out = np.maximum(rows @ weight.reshape(len(weight), -1).T.astype(np.float64) + bias.astype(np.float64), 0.0)
    return out.reshape(n, height, width, -1).transpose(0, 3, 1, 2)


def probabilities(weights: Weights, pictures: NDArray[np.uint8]) -> Floats:
    """The network's probabilities (n, classes) of pictures (n, s, s, 3)."""
    found = []
    for at in range(0, len(pictures), ROWS):
        here = pictures[at : at + ROWS]
        x = np.zeros((ROWS, 3, *pictures.shape[1:3]))
        x[: len(here)] = here.transpose(0, 3, 1, 2) / 255.0
        for layer, stride in enumerate(STRIDES):
            name = f"features.{2 * layer}"
            x = _convolved(x, weights[f"{name}.weight"], weights[f"{name}.bias"], stride)
        flat = x.mean(axis=(2, 3)) @ weights["classes.weight"].T.astype(np.float64) + weights["classes.bias"]
        logits = flat[: len(here)].astype(np.float32).astype(np.float64)
        powers = np.exp(logits - logits.max(axis=1, keepdims=True))
        found.append(powers / powers.sum(axis=1, keepdims=True))
    return np.concatenate(found)


def deletion(maps: NDArray[np.float32], pictures: NDArray[np.uint8], weights: Weights) -> Floats:
    """The share of the class's probability that is lost with the largest cells, the mean over their numbers, (n,)."""
    before = probabilities(weights, pictures)
    named, places = before.argmax(axis=1), np.arange(len(pictures))
    order = np.argsort(-maps.reshape(len(maps), -1), axis=1, kind="stable")
    ranks = np.empty_like(order)
    np.put_along_axis(ranks, order, np.arange(GRID * GRID)[None], axis=1)
    times = pictures.shape[1] // GRID
    mean = np.rint(pictures.mean(axis=(1, 2))).astype(np.uint8)[:, None, None]  # (n, 1, 1, 3)
    lost = np.zeros(len(pictures))
    for share in SHARES:
        gone = (ranks < round(share * GRID * GRID)).reshape(maps.shape).repeat(times, axis=1).repeat(times, axis=2)
        after = probabilities(weights, np.where(gone[..., None], mean, pictures))
        lost += 1 - np.minimum(after[places, named] / before[places, named], 1.0)
    return lost / len(SHARES)


def run(form: Format, predictions: Columns, secret: Path) -> Judged:
    """The columns "mass" (n, 2), "deletion" (n,) and "cause" (n,)."""
    from safetensors.numpy import load_file

    pictures, masks = (np.load(secret / name, allow_pickle=False) for name in (PICTURES_FILE, MASKS_FILE))
    maps = predictions[ATTRIBUTION]
    lost = deletion(maps, pictures, load_file(secret / NETWORK_FILE))
    return Judged({"mass": mass(maps, masks), "deletion": lost, CAUSE: predictions[CAUSE]})
