"""The teacher of HW13, a residual network. Students get this file as `model.py`.

    teacher = load("teacher.safetensors")
    logits = teacher(pixels)         # float32 (n, 3, 40, 40) from 0 to 1 gives (n, 11)
    maps = teacher.stages(pixels)    # what it sees after each of its three stages, the last one before the mean

It needs torch and safetensors alone. A file's metadata have the widths of its network.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import torch
from torch import Tensor, nn

CLASSES = 11


def convolution(before: int, after: int, kernel: int = 3, stride: int = 1) -> nn.Sequential:
    """A convolution and its batch normalisation."""
    conv = nn.Conv2d(before, after, kernel, stride, kernel // 2, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(after))


class Residual(nn.Module):
    """Two convolutions beside a connection that skips them (He et al., arXiv 1512.03385); it begins as the identity."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first, self.second = convolution(width, width), convolution(width, width)
        nn.init.zeros_(self.second[1].weight)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(x + self.second(torch.relu(self.first(x))))


class Teacher(nn.Module):
    """A classifier: pixels (n, 3, s, s) from 0 to 1 to logits (n, 11). Each stage halves its map."""

    def __init__(self, widths: Sequence[int]) -> None:
        super().__init__()
        self.widths = tuple(widths)
        stem = nn.Sequential(convolution(3, widths[0], 5, 2), nn.ReLU())
        later = (
            nn.Sequential(convolution(before, after, 3, 2), nn.ReLU(), Residual(after))
            for before, after in pairwise(widths)
        )
        self.body = nn.ModuleList([stem, *later])
        self.head = nn.Linear(widths[-1], CLASSES)

    def stages(self, pixels: Tensor) -> list[Tensor]:
        """The maps after the stages, (n, width, s / 2, s / 2), (n, width, s / 4, s / 4), …"""
        x, maps = 4 * pixels - 2, []
        for stage in self.body:
            maps.append(x := stage(x))
        return maps

    def forward(self, pixels: Tensor) -> Tensor:
        out: Tensor = self.head(self.stages(pixels)[-1].mean((2, 3)))
        return out


def dump(network: Teacher) -> bytes:
    """The file of a network."""
    from safetensors.torch import save

    weights = {name: value.detach().cpu().contiguous() for name, value in network.state_dict().items()}
    return save(weights, {"widths": json.dumps(network.widths)})


def loads(data: bytes) -> Teacher:
    """The network of a file, in evaluation mode, whose weights take no gradients."""
    from safetensors.torch import load as read

    told = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])["__metadata__"]
    network = Teacher(json.loads(told["widths"]))
    network.load_state_dict(read(data))
    network.eval()
    return network.requires_grad_(False)


def load(path: str | Path) -> Teacher:
    return loads(Path(path).read_bytes())
