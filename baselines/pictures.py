"""Pictures for training: read once into memory, moved a whole batch at a time on their device, and described."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional


def read_pictures(paths: Sequence[Path], side: int) -> torch.Tensor:
    """The pictures in the order of the paths, uint8 (n, 3, side, side), each resized whatever its shape."""
    from PIL import Image

    pixels = np.empty((len(paths), side, side, 3), dtype=np.uint8)
    for place, path in enumerate(paths):
        with Image.open(path) as picture:
            picture.draft("RGB", (side, side))  # a large JPEG is decoded at a half, quarter or eighth of its size
            small = picture.convert("RGB")
            if small.size != (side, side):
                small = small.resize((side, side), Image.Resampling.BILINEAR)
            pixels[place] = np.asarray(small)
    return torch.from_numpy(pixels).permute(0, 3, 1, 2).contiguous()


def normalised(pixels: torch.Tensor) -> torch.Tensor:
    """Pictures as float32 around 0, channels last."""
    return ((pixels.float() - 128) / 64).contiguous(memory_format=torch.channels_last)


def moved(x: torch.Tensor, draws: torch.Tensor, turn: float) -> torch.Tensor:
    """Pictures (n, 3, s, s) turned, flipped, zoomed, stretched and shifted by `draws` (n, 6 or more) from 0 to 1.

    `turn` is the largest angle in degrees. With draws of one half nothing is moved.
    """
    spread = 2 * draws - 1
    angle = spread[:, 0] * math.radians(turn)
    zoom = torch.exp(spread[:, 1] * 0.2)
    stretch = torch.exp(spread[:, 2] * 0.1)
    flip = torch.where(draws[:, 3] < 0.5, -1.0, 1.0)
    cosine, sine = torch.cos(angle) * zoom, torch.sin(angle) * zoom
    shift = spread[:, 4:6] * 0.1
    above = torch.stack([cosine * stretch * flip, -sine / stretch, shift[:, 0]], dim=1)
    below = torch.stack([sine * stretch * flip, cosine / stretch, shift[:, 1]], dim=1)
    grid = functional.affine_grid(torch.stack([above, below], dim=1), list(x.shape), align_corners=False)
    return functional.grid_sample(x, grid, mode="bilinear", padding_mode="reflection", align_corners=False)


def oriented_gradients(images: torch.Tensor, cell: int = 8, bins: int = 9) -> torch.Tensor:
    """Histograms of oriented gradients (n, 1764) of images in -1 to 1 (HOG, Dalal and Triggs 2005)."""
    light = (images * images.new_tensor([0.299, 0.587, 0.114])[:, None, None]).sum(1).add(1).clamp(min=0).div(2).sqrt()
    dy, dx = torch.zeros_like(light), torch.zeros_like(light)
    dy[:, 1:-1], dx[:, :, 1:-1] = light[:, 2:] - light[:, :-2], light[:, :, 2:] - light[:, :, :-2]
    place = (torch.atan2(dy, dx) % math.pi) / math.pi * bins  # (n, 64, 64): a pixel is shared by two bins
    apart = (place[:, None] - torch.arange(bins, device=images.device)[:, None, None]).abs()
    share = (1 - torch.minimum(apart, bins - apart)).clamp(min=0)
    cells = functional.avg_pool2d(torch.hypot(dx, dy)[:, None] * share, cell) * cell**2  # (n, 9, 8, 8)
    blocks = functional.unfold(cells, 2)  # (n, 36, 49): every 2 x 2 cells
    return torch.flatten(blocks / (torch.linalg.vector_norm(blocks, dim=1, keepdim=True) + 1e-3), 1)
