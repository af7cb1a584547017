"""Lines for training: edges of pictures, their directions, how they are moved, and a picture of features."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch.nn import functional

BINS = 9  # directions of lines


def canny(grey: torch.Tensor, low: int, high: int) -> torch.Tensor:
    """The edges (n, 1, s, s), 0 or 1, of grey pictures (n, s, s) from 0 to 255: Canny, PAMI 8, 1986, as in OpenCV.

    Gradients by Sobel's filters, in size |dx| + |dy|; an edge is as strong as any across it, above `low`, and connected
    with one above `high`.
    """
    side = grey.shape[-1]
    wide = functional.pad(grey[:, None].float(), (1, 1, 1, 1), mode="replicate")
    sobel = grey.new_tensor([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]], dtype=torch.float32)[None, None]
    dx, dy = functional.conv2d(wide, sobel).long(), functional.conv2d(wide, sobel.transpose(2, 3)).long()
    size = dx.abs() + dy.abs()  # (n, 1, s, s)
    around = functional.pad(size, (1, 1, 1, 1))

    def beside(down: int, right: int) -> torch.Tensor:
        return around[:, :, 1 + down : 1 + down + side, 1 + right : 1 + right + side]

    flat = dx.abs() * 13573  # tan 22.5° · 2^15: OpenCV's whole numbers
    up = dy.abs() << 15
    across = (size > beside(0, -1)) & (size >= beside(0, 1))
    upright = (size > beside(-1, 0)) & (size >= beside(1, 0))
    falling, rising = ((size > beside(-1, -way)) & (size > beside(1, way)) for way in (1, -1))
    slanted = torch.where(dx * dy >= 0, falling, rising)
    thin = torch.where(up < flat, across, torch.where(up > flat + (dx.abs() << 16), upright, slanted))
    weak = thin & (size > low)
    edges = weak & (size > high)
    while True:
        grown = (functional.max_pool2d(edges.float(), 3, 1, 1) > 0) & weak
        if torch.equal(grown, edges):
            return edges.float()
        edges = grown


def orientations(x: torch.Tensor) -> torch.Tensor:
    """How much of a line runs in each of 9 directions in cells of 4 x 4 pixels (n, 9, 8, 8), evened out locally.

    As in HOG (Dalal and Triggs, CVPR 2005): how thick or dark a line is does not matter, nor whether it has two edges.
    """
    wide = functional.pad(x[:, 0], (1, 1, 1, 1))
    dx, dy = wide[:, 1:-1, 2:] - wide[:, 1:-1, :-2], wide[:, 2:, 1:-1] - wide[:, :-2, 1:-1]
    size = torch.hypot(dx, dy)
    twice = (
        torch.stack([dx**2 - dy**2, 2 * dx * dy], dim=1) / (size + 1e-6)[:, None]
    )  # of twice the angle, times the size
    angles = torch.arange(BINS, device=x.device) * (2 * math.pi / BINS)
    weight = torch.stack([2 * torch.cos(angles), 2 * torch.sin(angles), -torch.ones_like(angles)], dim=1)
    along = functional.conv2d(torch.cat([twice, size[:, None]], dim=1), weight[:, :, None, None])  # (n, 9, 32, 32)
    cells = functional.avg_pool2d(along.relu_(), 4)
    around = functional.avg_pool2d((cells**2).sum(1, keepdim=True), 3, 1, 1) * 9
    return cells / torch.sqrt(around + 1e-3)


@dataclass(frozen=True)
class Move:
    """How far a picture is moved in training, at most."""

    turn: float  # in degrees
    slant: float = 0.0
    zoom: float = 0.0  # of the logarithm of the size
    stretch: float = 0.0  # of the logarithm of width over height
    shift: float = 0.0  # in halves of the side


def moved(x: torch.Tensor, draws: torch.Tensor, move: Move) -> torch.Tensor:
    """Pictures turned, slanted, zoomed, stretched, shifted, and half of them mirrored, by draws (n, 8) from 0 to 1."""
    spread = 2 * draws - 1
    angle, slant = spread[:, 0] * math.radians(move.turn), spread[:, 1] * move.slant
    zoom, stretch = torch.exp(spread[:, 2] * move.zoom), torch.exp(spread[:, 3] * move.stretch)
    flip = torch.where(draws[:, 4] < 0.5, -1.0, 1.0)
    cosine, sine = torch.cos(angle), torch.sin(angle)
    wide, high = zoom * stretch * flip, zoom / stretch
    shift = spread[:, 5:7] * move.shift
    above = torch.stack([cosine * wide, (cosine * slant - sine) * high, shift[:, 0]], dim=1)
    below = torch.stack([sine * wide, (sine * slant + cosine) * high, shift[:, 1]], dim=1)
    grid = functional.affine_grid(torch.stack([above, below], dim=1), list(x.shape), align_corners=False)
    return functional.grid_sample(x, grid, mode="bilinear", align_corners=False)


def draw_features(features: torch.Tensor, by: Mapping[str, Sequence[int]], path: Path) -> None:
    """Features (n, d) laid out by t-SNE (van der Maaten and Hinton, JMLR 9, 2008), coloured by each of `by`."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from sklearn.manifold import TSNE

    few = min(20, len(features) // 4)
    places = TSNE(perplexity=few, init="pca", max_iter=400, random_state=0).fit_transform(features.cpu().numpy())
    figure = Figure(figsize=(9, 4.5), layout="constrained")
    FigureCanvasAgg(figure)
    for number, (title, colours) in enumerate(by.items()):
        axes = figure.add_subplot(1, len(by), number + 1)
        axes.scatter(places[:, 0], places[:, 1], c=colours, cmap="tab10" if max(colours) > 1 else "coolwarm", s=8)
        axes.set(title=f"features by {title}", xticks=[], yticks=[])
    figure.savefig(path, dpi=100, metadata={"Software": None})
