"""HW11 in four levels: the source alone, DaNN, DaNN with a norm for each domain, and self-ensembling.

On `builtin`, small, the mean of three seeds: accuracy .524, .668, .836 and .890 on the public board in 15, 31, 26 and
47 seconds of one core (November 2026; docs/homeworks/hw11.md has spreads, both boards and known tricks).

All levels see the edges of the paintings (Canny), as the course's sample code does, and the drawings as they are.
DaNN (Ganin et al., JMLR 17, 2016, arXiv 1505.07818) wants features of which a second head cannot tell the domain.
Self-ensembling (French et al., ICLR 2018, arXiv 1706.05208) learns from what the mean of its own past says.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from baselines.common import main, rate, size_of, table
from baselines.lines import BINS, Move, canny, draw_features, moved, orientations
from baselines.run import Run

FILES = ("manifest.json",)
SUFFIX, THREADS, AUTO = ".csv", 1, "cuda"
ROOT, SIDE, CLASSES = "real_or_drawing", 32, 10
LOW, HIGH = 170, 300  # of Canny's edges, the sample's
SOURCE, TARGET = 0, 1  # the domains
SHOWN = 200  # pictures of each domain in the picture of the features
DRAWS = 8  # random numbers that one augmented picture takes
MOVES = {"course": Move(15), "wide": Move(26, 0.35, 0.2, 0.2, 0.1)}


@dataclass(frozen=True)
class Config:
    """The settings of a level; the defaults are the course's sample code, narrower, with the source alone."""

    maps: Literal["edges", "orientations"] = "edges"  # what the first convolution sees
    channels: tuple[int, ...] = (12, 24, 48, 64)  # of the extractor
    hidden: int = 128  # units of the head that tells the domains apart
    moves: Literal["course", "wide"] = "course"  # see MOVES
    domain_weight: float = 0.0  # λ: how much of the reversed gradient reaches the extractor
    domain_schedule: Literal["fixed", "rising"] = "fixed"  # of λ
    domain_norm: bool = False  # batch normalisation with statistics and weights for each domain
    teacher_weight: float = 0.0  # of the loss on what the mean teacher says of the drawings
    confidence: float = 0.8  # the probability from which the teacher is believed
    decay: float = 0.98  # of the teacher's weights
    epochs: int = 6
    steps: int = 25  # of an epoch
    batch: int = 48  # pictures of each domain
    lr: float = 2e-3
    weight_decay: float = 1e-2
    schedule: Literal["constant", "cosine"] = "constant"


DANN = Config(domain_weight=0.1, epochs=12)
ADAPTED = replace(
    DANN, maps="orientations", channels=(48, 96), moves="wide", domain_schedule="rising", domain_norm=True, epochs=16,
    schedule="cosine",
)  # fmt: skip
BOSS = replace(ADAPTED, teacher_weight=1.0, epochs=26)
LEVELS = {"simple": Config(), "medium": DANN, "strong": ADAPTED, "boss": BOSS}


def settings(level: str, public: Path) -> Config:
    """The settings of a level for the data in `public`: the sample's widths for the course's sizes, and longer."""
    config = LEVELS[level]
    if size_of(public) == "small":
        return config
    channels = (64, 128, 256, 512) if config.maps == "edges" else (128, 256)
    return replace(config, channels=channels, hidden=512, steps=150, batch=128, lr=1e-3, epochs=config.epochs * 2)


# Data


@dataclass(frozen=True)
class Domains:
    """Edges of the source (n, 1, 32, 32), 0 or 1, with labels (n,), and drawings (m, 1, 28, 28), uint8."""

    source: torch.Tensor
    labels: torch.Tensor
    target: torch.Tensor

    def to(self, device: str) -> Domains:
        return Domains(self.source.to(device), self.labels.to(device), self.target.to(device))


def read(public: Path) -> Domains:
    """Both domains; drawings in the order of their ids."""
    paths = sorted((public / ROOT / "train_data").glob("*/*.bmp"), key=lambda path: int(path.stem))
    colours = np.stack([pixels(path, "RGB") for path in paths]).astype(np.float64)
    grey = torch.from_numpy(np.rint(colours @ [0.299, 0.587, 0.114]))  # (n, 32, 32)
    labels = torch.tensor([int(path.parent.name) for path in paths])
    drawings = np.stack([pixels(path, "L") for path in sorted((public / ROOT / "test_data" / "0").glob("*.bmp"))])
    return Domains(canny(grey, LOW, HIGH), labels, torch.from_numpy(drawings)[:, None])


def pixels(path: Path, mode: str) -> np.ndarray[Any, np.dtype[np.uint8]]:
    from PIL import Image

    with Image.open(path) as picture:
        return np.asarray(picture.convert(mode))


def resized(drawings: torch.Tensor) -> torch.Tensor:
    """Drawings as the extractor takes them: 0 to 1, (n, 1, 32, 32)."""
    return functional.interpolate(drawings.float() / 255, size=(SIDE, SIDE), mode="bilinear")


# Model


class DomainNorm(nn.Module):
    """Batch normalisation with its own statistics and weights for each domain (Chang et al., arXiv 1906.03950)."""

    def __init__(self, channels: int, domains: int) -> None:
        super().__init__()
        self.norms = nn.ModuleList(nn.BatchNorm2d(channels) for _ in range(domains))

    def forward(self, x: torch.Tensor, domain: int) -> torch.Tensor:
        out: torch.Tensor = self.norms[domain % len(self.norms)](x)
        return out


class Network(nn.Module):
    """The extractor and the head for the classes."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.oriented = config.maps == "orientations"
        widths = (BINS if self.oriented else 1, *config.channels)
        self.layers = nn.ModuleList(
            nn.Conv2d(a, b, 3, padding=1) if a > 1 else nn.Conv2d(a, b, 5, 2, 2) for a, b in pairwise(widths)
        )
        self.norms = nn.ModuleList(DomainNorm(width, 1 + config.domain_norm) for width in config.channels)
        side = (8 if self.oriented else SIDE) >> len(config.channels)  # every layer halves it
        self.width = side**2 * config.channels[-1]
        self.head = nn.Linear(self.width, CLASSES)

    def features(self, x: torch.Tensor, domain: int) -> torch.Tensor:
        """(n, 1, 32, 32) to (n, width): the sides are 16, 8, 4, 2, those of orientations 8, 4, 2."""
        x = orientations(x) if self.oriented else x
        for number, (layer, norm) in enumerate(zip(self.layers, self.norms, strict=True)):
            x = torch.relu(norm(layer(x), domain))
            x = functional.max_pool2d(x, 2) if number or self.oriented else x
        return x.flatten(1)

    def forward(self, x: torch.Tensor, domain: int) -> torch.Tensor:  # (n, 1, 32, 32) to (n, 10)
        out: torch.Tensor = self.head(self.features(x, domain))
        return out


class Reversal(torch.autograd.Function):
    """Leaves features as they are, and turns their gradient round, times λ (gradient reversal, Ganin et al. 2016)."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, weight: float) -> torch.Tensor:
        ctx.weight = weight
        return x.view_as(x)

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor, None]:
        return -ctx.weight * gradient, None


def reversal_weight(config: Config, progress: float) -> float:
    """λ at a progress from 0 to 1: as it is set, or rising from 0, so that noise of the beginning does no harm."""
    if config.domain_schedule == "fixed":
        return config.domain_weight
    return config.domain_weight * (2 / (1 + math.exp(-10 * progress)) - 1)


class Networks(nn.Module):
    """The network, its teacher and the head that tells the domains apart, with weights drawn by the seed on the CPU."""

    def __init__(self, config: Config, seed: int) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.network = Network(config)
            self.teacher = copy.deepcopy(self.network).eval()
            self.domain = nn.Sequential(
                nn.Linear(self.network.width, config.hidden), nn.ReLU(), nn.Linear(config.hidden, 1)
            )


# Training


def domain_loss(head: nn.Module, source: torch.Tensor, target: torch.Tensor, weight: float) -> torch.Tensor:
    """How badly the head tells the domains of reversed features apart."""
    turned = Reversal.apply(torch.cat([source, target]), weight)  # type: ignore[no-untyped-call]
    is_source = torch.arange(len(turned), device=turned.device) < len(source)
    return functional.binary_cross_entropy_with_logits(head(turned)[:, 0], is_source.float())


def teacher_loss(teacher: nn.Module, seen: torch.Tensor, out: torch.Tensor, confidence: float) -> torch.Tensor:
    """The loss of `out` (n, 10), of drawings that were moved, on the classes that the teacher is sure of unmoved."""
    with torch.no_grad():
        sure, kind = torch.softmax(teacher(seen, TARGET), dim=1).max(dim=1)
    each = functional.cross_entropy(out, kind, reduction="none")
    return (each * (sure >= confidence)).mean()


@torch.no_grad()
def follow(teacher: nn.Module, network: nn.Module, decay: float) -> None:
    """The teacher becomes the moving mean of the network (mean teacher, Tarvainen and Valpola, arXiv 1703.01780)."""
    for old, new in zip(teacher.state_dict().values(), network.state_dict().values(), strict=True):
        if old.is_floating_point():
            old.lerp_(new, 1 - decay)
        else:
            old.copy_(new)


def classes(network: Network, x: torch.Tensor, domain: int) -> torch.Tensor:
    """The class of each picture (n,)."""
    before = network.training
    network.eval()
    with torch.inference_mode():
        found: torch.Tensor = network(x, domain).argmax(dim=1)
    network.train(before)
    return found


def batches(count: int, size: int, generator: torch.Generator, device: str) -> Iterator[torch.Tensor]:
    """Rows in one random order after another, without end."""
    while True:
        for rows in torch.split(torch.randperm(count, generator=generator), size):
            if len(rows) == size:
                yield rows.to(device)


def train(config: Config, public: Path, run: Run) -> None:
    """Train a level, and write the class of each drawing."""
    device, move = run.device, MOVES[config.moves]
    data = read(public).to(device)
    held = (torch.randperm(len(data.labels), generator=torch.Generator().manual_seed(run.seed)) % 10 == 0).to(device)
    known = (~held).nonzero()[:, 0]
    networks = Networks(config, run.seed).to(device)
    network, teacher = networks.network, networks.teacher
    weights = [*network.parameters(), *networks.domain.parameters()]
    optimiser = torch.optim.AdamW(weights, lr=config.lr, weight_decay=config.weight_decay)
    generator = torch.Generator().manual_seed(run.seed)
    adapts, taught = config.domain_weight > 0, config.teacher_weight > 0
    size = min(config.batch, len(known), len(data.target))
    best = teacher if taught else network
    for epoch in run.epochs(config.epochs, {"networks": networks, "optimiser": optimiser, "rng": generator}):
        source, target = (batches(count, size, generator, device) for count in (len(known), len(data.target)))
        sums = torch.zeros(2, device=device)
        for step in range(epoch * config.steps, (epoch + 1) * config.steps):
            progress = step / (config.epochs * config.steps)
            for group in optimiser.param_groups:
                group["lr"] = config.lr * rate(config.schedule, step, config.epochs * config.steps)
            rows, draws = known[next(source)], torch.rand(2, size, DRAWS, generator=generator).to(device)
            paintings = network.features(moved(data.source[rows], draws[0], move), SOURCE)
            loss = functional.cross_entropy(network.head(paintings), data.labels[rows])
            sums[0] += loss.detach()
            if adapts or taught:
                drawings = resized(data.target[next(target)])
                lines = network.features(moved(drawings, draws[1], move), TARGET)
            if adapts:
                apart = domain_loss(networks.domain, paintings, lines, reversal_weight(config, progress))
                sums[1] += apart.detach()
                loss = loss + apart
            if taught:
                ramp = config.teacher_weight * min(1.0, 3 * progress)
                loss = loss + ramp * teacher_loss(teacher, drawings, network.head(lines), config.confidence)
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            if taught:
                follow(teacher, network, min(config.decay, 1 - 1 / (step + 1)))
        accuracy = (classes(best, data.source[held], SOURCE) == data.labels[held]).float().mean()
        losses = {"train_loss": float(sums[0]) / config.steps, "domain_loss": float(sums[1]) / config.steps}
        run.log(losses | {"source_accuracy": float(accuracy)})
    guess = torch.cat([classes(best, resized(part), TARGET) for part in torch.split(data.target, 1000)])
    show_features(best, data, guess, run.folder / "features.png")
    run.finish(table(("id", "label"), list(map(str, range(len(guess)))), list(map(str, guess.tolist()))))


def show_features(network: Network, data: Domains, guess: torch.Tensor, path: Path) -> None:
    """`features.png`: some features of both domains, by class (that of drawings is the predicted one) and by domain."""
    rows, lines = (torch.linspace(0, n - 1, min(n, SHOWN)).long() for n in (len(data.labels), len(data.target)))
    with torch.inference_mode():
        network.eval()
        sides = network.features(data.source[rows], SOURCE), network.features(resized(data.target[lines]), TARGET)
    kinds = torch.cat([data.labels[rows], guess[lines]]).tolist()
    draw_features(torch.cat(sides), {"class": kinds, "domain": [SOURCE] * len(rows) + [TARGET] * len(lines)}, path)


if __name__ == "__main__":
    raise SystemExit(main("hw11"))
