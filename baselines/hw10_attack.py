"""HW10 in four levels: one step, many steps, momentum with input diversity, and the mean over diverse copies.

Every level attacks the mean of the logits of the three given networks; the black box is attacked by transfer alone.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from baselines.common import main
from baselines.run import Run
from tasks.base import UserError
from tasks.formats import ImagesFormat, format_from_json
from tasks.hw10_attack import PICTURES_FILE, PROXIES_FOLDER
from tasks.hw10_attack.networks import Network, load
from tasks.hw10_attack.pack import packed

FILES = ("manifest.json",)
SUFFIX, THREADS, AUTO = ".tgz", 1, "cuda"
EPSILON = 8 / 255
Proxies = Sequence[Network]


@dataclass(frozen=True)
class Config:
    """The settings of a level; the defaults are the fast gradient sign method."""

    epochs: int = 1  # steps of the attack
    step: float = 8.0  # of a colour, of 255
    momentum: float = 0.0  # decay of the gradients before; 0: none
    moves: int = 0  # pixels by which a copy is moved at most, mirrored and lit otherwise too; 0: the picture as it is
    copies: int = 1  # gradients at each step, each through its own copies
    diversity: float = 0.0  # probability that a copy is resized and padded, as in DI-FGSM; 0: none
    smallest: float = 0.75  # side of such a copy, at least, as a share


LEVELS = {
    "simple": Config(),
    "medium": Config(epochs=20, step=0.8),
    "strong": Config(epochs=20, step=1.6, momentum=1.0, moves=3),
    "boss": Config(epochs=30, step=1.0, momentum=1.0, moves=3, copies=4),
}


def settings(level: str, public: Path) -> Config:
    return LEVELS[level]


def read_form(public: Path) -> ImagesFormat:
    """The names of the pictures, from `format.json`."""
    form = format_from_json(json.loads((public / "format.json").read_text(encoding="utf-8")))
    assert isinstance(form, ImagesFormat)
    return form


def read_proxies(public: Path, device: str) -> list[Network]:
    """The given networks. Raises UserError where there are none."""
    paths = sorted((public / PROXIES_FOLDER).glob("*.safetensors"))
    if not paths:
        raise UserError(f"{public / PROXIES_FOLDER}: expected the given networks; found none.")
    return [load(path).to(device) for path in paths]


def labels_of(form: ImagesFormat) -> Tensor:
    """The class of each picture (n,), which stands in its name; classes are counted in the order of the names."""
    folders = [name.partition("/")[0] for name in form.names]
    classes = list(dict.fromkeys(folders))
    return torch.tensor([classes.index(folder) for folder in folders])


# The attack


def ensemble(proxies: Proxies, x: Tensor) -> Tensor:
    """The mean of the networks' logits (n, 10) (Dong et al., arXiv 1710.06081; Liu et al., arXiv 1611.02770)."""
    return torch.stack([network(x) for network in proxies]).mean(0)


def loss_of(proxies: Proxies, x: Tensor, y: Tensor) -> Tensor:
    """What every picture's attack wants to be large."""
    return functional.cross_entropy(ensemble(proxies, x), y, reduction="sum")


def sign_step(x: Tensor, way: Tensor, given: Tensor, step: float, epsilon: float = EPSILON) -> Tensor:
    """A step along the sign, back into the ball: FGSM with one step (Goodfellow et al., arXiv 1412.6572), I-FGSM with
    many (Kurakin et al., arXiv 1607.02533)."""
    moved = x + step * way.sign()
    return torch.minimum(torch.maximum(moved, given - epsilon), given + epsilon).clamp(0, 1)


def momentum(before: Tensor, fresh: Tensor, decay: float) -> Tensor:
    """MI-FGSM: gradients of mean size 1, summed with a decay (Dong et al., arXiv 1710.06081)."""
    return decay * before + fresh / fresh.abs().mean((1, 2, 3), keepdim=True).clamp(min=1e-12)


def turned(x: Tensor, most: int, generator: torch.Generator) -> Tensor:
    """A copy that is mirrored or not, moved by up to some pixels, and lit otherwise.

    Input diversity as in Xie et al., arXiv 1803.06978, by what small networks learn to overlook: they were trained on
    mirrored and moved pictures, and know nothing of resized ones.
    """
    if float(torch.rand((), generator=generator)) < 0.5:
        x = x.flip(3)
    moves = torch.randint(-most, most + 1, (2,), generator=generator).tolist()
    light = 0.7 + 0.6 * float(torch.rand((), generator=generator))
    return (x.roll(moves, (2, 3)) - 0.5) * light + 0.5


def resized(x: Tensor, probability: float, smallest: float, generator: torch.Generator) -> Tensor:
    """DI-FGSM as published: with a probability a copy is made smaller and padded (Xie et al., arXiv 1803.06978)."""
    if float(torch.rand((), generator=generator)) >= probability:
        return x
    side = x.shape[-1]
    small = int(torch.randint(round(smallest * side), side + 1, (), generator=generator))
    left, top = torch.randint(0, side - small + 1, (2,), generator=generator).tolist()
    x = functional.interpolate(x, (small, small), mode="bilinear", align_corners=False)
    return functional.pad(x, (left, side - small - left, top, side - small - top), value=0.5)


def diverse_gradient(proxies: Proxies, x: Tensor, y: Tensor, config: Config, generator: torch.Generator) -> Tensor:
    """The mean gradient through copies (as Athalye et al., arXiv 1707.07397, expect over transformations)."""
    total = torch.zeros_like(x)
    for _ in range(config.copies):
        leaf = x.detach().requires_grad_()
        seen = turned(leaf, config.moves, generator) if config.moves else leaf
        if config.diversity:
            seen = resized(seen, config.diversity, config.smallest, generator)
        total += torch.autograd.grad(loss_of(proxies, seen, y), leaf)[0]
    return total / config.copies


def train(config: Config, public: Path, run: Run) -> None:
    """Attack the pictures from within half a grey level of them, and write them."""
    form, device = read_form(public), run.device
    images = np.load(public / PICTURES_FILE, allow_pickle=False)
    given = (torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255).to(device)
    y, proxies = labels_of(form).to(device), read_proxies(public, device)
    generator = torch.Generator().manual_seed(run.seed)
    start = (torch.rand(given.shape, generator=generator) - 0.5) / 255
    x, velocity = (given + start.to(device)).clamp(0, 1), torch.zeros_like(given)
    for _ in run.epochs(config.epochs, {"x": x, "velocity": velocity, "rng": generator}):
        fresh = diverse_gradient(proxies, x, y, config, generator)
        velocity.copy_(momentum(velocity, fresh, config.momentum))
        x.copy_(sign_step(x, velocity, given, config.step / 255))
        with torch.inference_mode():
            loss = float(loss_of(proxies, x, y)) / len(y)
            right = [float((network(x).argmax(1) == y).float().mean()) for network in proxies]
        run.log({"loss": loss} | {f"proxy_{number}": share for number, share in enumerate(right, 1)})
    run.finish(packed(saved(x), form))


def saved(x: Tensor) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    """Pixels from 0 to 1 as they are saved (n, s, s, 3): whole numbers, which stay in the ball."""
    pixels = (x * 255).round().clamp(0, 255).to(torch.uint8)
    return pixels.permute(0, 2, 3, 1).contiguous().cpu().numpy()


if __name__ == "__main__":
    raise SystemExit(main("hw10"))
