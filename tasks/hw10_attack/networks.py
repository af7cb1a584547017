"""The networks of HW10: small classifiers of colour pictures, of three kinds. Students get this file as `model.py`.

    network = load("proxies/1_plain.safetensors")
    logits = network(pixels)  # float32 (n, 3, s, s) from 0 to 1 gives (n, 10)

It needs torch and safetensors alone. A file's metadata have the kind and the widths of its network.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import torch
from torch import Tensor, nn

CLASSES = 10


def convolution(before: int, after: int, kernel: int = 3, stride: int = 1) -> nn.Sequential:
    """A convolution and its batch normalisation."""
    conv = nn.Conv2d(before, after, kernel, stride, kernel // 2, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(after, momentum=0.2))


class Block(nn.Module):
    """Two convolutions and a way around them (He et al., Deep Residual Learning, arXiv 1512.03385)."""

    def __init__(self, before: int, after: int, stride: int) -> None:
        super().__init__()
        self.first, self.second = convolution(before, after, 3, stride), convolution(after, after)
        self.around = nn.Identity() if before == after and stride == 1 else convolution(before, after, 1, stride)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = torch.relu(self.second(torch.relu(self.first(x))) + self.around(x))
        return out


def plain(widths: Sequence[int]) -> list[nn.Module]:
    """Convolutions of 3 x 3 with ReLU, and a maximum over 2 x 2 after each but the last."""
    layers: list[nn.Module] = []
    for before, after in pairwise((3, *widths)):
        layers += [convolution(before, after), nn.MaxPool2d(2), nn.ReLU()]
    return [*layers, convolution(widths[-1], widths[-1]), nn.ReLU()]


def residual(widths: Sequence[int]) -> list[nn.Module]:
    """A convolution, a maximum over 2 x 2, and residual blocks, each on half the side."""
    layers: list[nn.Module] = [convolution(3, widths[0]), nn.MaxPool2d(2), nn.ReLU()]
    return [*layers, *(Block(before, after, 2) for before, after in pairwise(widths))]


def smooth(widths: Sequence[int]) -> list[nn.Module]:
    """A convolution of 5 x 5 with stride 2 and others of 3 x 3, all with SiLU, a maximum over 2 x 2 between them."""
    layers: list[nn.Module] = [convolution(3, widths[0], 5, 2), nn.SiLU()]
    for before, after in pairwise(widths):
        layers += [convolution(before, after), nn.MaxPool2d(2), nn.SiLU()]
    return [*layers, convolution(widths[-1], widths[-1]), nn.SiLU()]


KINDS = {"plain": plain, "residual": residual, "smooth": smooth}


class Network(nn.Module):
    """A classifier: pixels (n, 3, s, s) from 0 to 1 to logits (n, 10)."""

    def __init__(self, kind: str, widths: Sequence[int]) -> None:
        super().__init__()
        self.kind, self.widths = kind, tuple(widths)
        self.body = nn.Sequential(*KINDS[kind](self.widths))
        self.head = nn.Linear(self.widths[-1], CLASSES)

    def forward(self, pixels: Tensor) -> Tensor:
        out: Tensor = self.head(self.body(4 * pixels - 2).mean((2, 3)))
        return out


def dump(network: Network) -> bytes:
    """The file of a network."""
    from safetensors.torch import save

    weights = {name: value.detach().cpu().contiguous() for name, value in network.state_dict().items()}
    return save(weights, {"network": json.dumps([network.kind, network.widths])})  # several entries have no fixed order


def loads(data: bytes) -> Network:
    """The network of a file, ready to be attacked: it does not train, and its weights take no gradients."""
    from safetensors.torch import load as read

    told = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])["__metadata__"]
    network = Network(*json.loads(told["network"]))
    network.load_state_dict(read(data))
    network.eval()
    return network.requires_grad_(False)


def load(path: str | Path) -> Network:
    return loads(Path(path).read_bytes())
