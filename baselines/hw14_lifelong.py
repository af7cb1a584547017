"""HW14 in four levels: fine-tuning, elastic weight consolidation, rehearsal with logits, the same with more pictures.

On `builtin`, small, the mean of three seeds: average accuracy .357, .573, .832 and .901 on the public board, backward
transfer -.62, -.39, -.12 and -.02, in 2 to 4 seconds of one core each (December 2026; docs/homeworks/hw14.md has
spreads, both boards and known tricks).

Every level trains the given network on one task after another with a new Adam for each; they differ in what they keep:
nothing, how much each weight mattered, or some pictures with the network's own logits. EWC, MAS, SI, RWalk and SCP are
settings (`--set method=mas --set strength=0.02`), and so are joint training and the mean of the weights.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import nn
from torch.nn import functional
from torch.nn.utils import parameters_to_vector, vector_to_parameters

from baselines.common import main, rate
from baselines.run import Run
from tasks.base import UserError
from tasks.hw14_lifelong import BUFFER, CLASSES, TASKS

FILES = ("manifest.json",)
SUFFIX, THREADS, AUTO = ".safetensors", 1, "cuda"
Method = Literal["none", "ewc", "mas", "si", "rwalk", "scp"]


@dataclass(frozen=True)
class Config:
    """The settings of a level; the defaults train on one task after another and keep nothing."""

    method: Method = "none"  # what holds the weights that matter to earlier tasks
    strength: float = 0.0  # of that penalty
    buffer: int = 0  # training pictures kept of each finished task
    distil: float = 0.0  # weight of the squared distance to the logits kept with the pictures of the buffer
    rehearse: float = 1.0  # weight of the loss on the buffer's labels
    joint: bool = False  # the upper line: all tasks' pictures from the start, which the rules forbid
    mean: bool = False  # hand in the mean of the weights after each task so far
    hidden: tuple[int, ...] = (256, 256)  # given by the edition
    epochs: int = 4  # of each task
    batch: int = 64
    lr: float = 1e-3
    schedule: Literal["constant", "cosine"] = "constant"  # within a task
    clip: float = 5.0  # largest norm of the gradient
    samples: int = 1000  # pictures by which importance is measured


LEVELS = {
    "simple": Config(epochs=1),  # the longer it trains on a task, the more it forgets of the others
    "medium": Config(method="ewc", strength=200.0),
    "strong": Config(buffer=50, distil=0.5),
    "boss": Config(buffer=200, distil=0.5),
}


def settings(level: str, public: Path) -> Config:
    """The settings of a level, for the network that the edition gives."""
    path = public / "format.json"
    arrays = json.loads(path.read_text(encoding="utf-8"))["arrays"] if path.exists() else []
    widths = tuple(one["shape"][0] for one in arrays if one["name"].startswith("after_1/") and len(one["shape"]) == 2)
    return replace(LEVELS[level], hidden=widths[:-1] or LEVELS[level].hidden)


@dataclass(frozen=True)
class Part:
    """The training pictures of a task (n, 784), 0 to 1, and their labels (n,)."""

    x: torch.Tensor
    y: torch.Tensor


def read(folder: Path, device: str) -> Part:
    x, y = (torch.from_numpy(np.load(folder / f"{name}.npy", allow_pickle=False)) for name in ("images", "labels"))
    return Part((x.flatten(1).float() / 255).to(device), y.long().to(device))


class Network(nn.Sequential):
    """Linear layers with ReLU between them: (b, 784) to (b, 10)."""

    def __init__(self, hidden: tuple[int, ...], pixels: int = 784) -> None:
        widths = (pixels, *hidden, CLASSES)
        layers: list[nn.Module] = []
        for before, after in pairwise(widths):
            layers += [nn.Linear(before, after), nn.ReLU()]
        super().__init__(*layers[:-1])

    def traced(self, x: torch.Tensor) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
        """The inputs and the outputs of every linear layer."""
        inputs, outputs = [], []
        for layer in self:
            if isinstance(layer, nn.Linear):
                inputs.append(x)
            x = layer(x)
            if isinstance(layer, nn.Linear):
                outputs.append(x)
        return inputs, outputs


# What holds the weights. Each importance is a vector (p,) over all weights.


def sensitivity(
    network: Network, x: torch.Tensor, value: Callable[[torch.Tensor], torch.Tensor], power: int
) -> torch.Tensor:
    """The mean over pictures of |d value / d weight|^power, (p,), where `value` gives (b,) for logits (b, 10).

    Exact for every picture at the cost of one step back: the gradient of a linear layer's weights is the outer product
    of its inputs and the gradient of its outputs, so a power of it is that of both.
    """
    inputs, outputs = network.traced(x)
    slopes = torch.autograd.grad(value(outputs[-1]).sum(), outputs)
    found: list[torch.Tensor] = []
    for a, g in zip(inputs, slopes, strict=True):
        steep = g.abs() ** power
        found += [(steep.T @ a.detach().abs() ** power).flatten(), steep.sum(0)]
    return torch.cat(found) / len(x)


def ewc(network: Network, part: Part) -> torch.Tensor:
    """The diagonal of the Fisher information at the given labels (Kirkpatrick et al., arXiv 1612.00796)."""
    return sensitivity(network, part.x, lambda z: -functional.cross_entropy(z, part.y, reduction="none"), 2)


def mas(network: Network, part: Part) -> torch.Tensor:
    """Memory aware synapses: how the output's length changes, without labels (Aljundi et al., arXiv 1711.09601)."""
    return sensitivity(network, part.x, lambda z: (z**2).sum(1), 1)


def scp(network: Network, part: Part, generator: torch.Generator, slices: int = 20) -> torch.Tensor:
    """Sliced Cramér preservation: how projections of the output change (Kolouri et al., ICLR 2020)."""
    total = torch.zeros(())
    for _ in range(slices):
        way = functional.normalize(torch.randn(CLASSES, generator=generator), dim=0).to(part.x.device)
        total = total + sensitivity(network, part.x, partial(torch.matmul, other=way), 2) / slices
    return total


def si(path: torch.Tensor, moved: torch.Tensor, damping: float = 0.1) -> torch.Tensor:
    """Synaptic intelligence: what each weight did for the loss on its way (Zenke et al., arXiv 1703.04200)."""
    return (path / (moved**2 + damping)).clamp(min=0)


def rwalk(path: torch.Tensor, moved: torch.Tensor, fisher: torch.Tensor) -> torch.Tensor:
    """Riemannian walk: the Fisher information and the loss gained per distance (Chaudhry et al., arXiv 1801.10112)."""
    score = (path / (0.5 * fisher * moved**2 + 1e-3)).clamp(min=0)
    return fisher / fisher.max().clamp(min=1e-12) + score / score.max().clamp(min=1e-12)


class Guard:
    """The penalty on weights that matter to earlier tasks: the sum of their importances, and where they were last."""

    def __init__(self, network: Network) -> None:
        now = parameters_to_vector(network.parameters()).detach()
        self.parts = {"anchor": now.clone(), "importance": torch.zeros_like(now), "path": torch.zeros_like(now)}

    def penalty(self, network: Network) -> torch.Tensor:
        now = parameters_to_vector(network.parameters())
        return (self.parts["importance"] * (now - self.parts["anchor"]) ** 2).sum()

    def walked(self, slope: torch.Tensor, step: torch.Tensor) -> None:
        """A step of training: the loss fell by about -slope · step."""
        self.parts["path"] -= slope * step

    def learned(self, method: Method, network: Network, part: Part, generator: torch.Generator) -> None:
        """The end of a task: adds its importance."""
        now = parameters_to_vector(network.parameters()).detach()
        moved, path = now - self.parts["anchor"], self.parts["path"]
        found = {
            "none": lambda: torch.zeros_like(now),
            "ewc": lambda: ewc(network, part),
            "mas": lambda: mas(network, part),
            "scp": lambda: scp(network, part, generator),
            "si": lambda: si(path, moved),
            "rwalk": lambda: rwalk(path, moved, ewc(network, part)),
        }[method]()
        self.parts["importance"] += found.detach()
        self.parts["anchor"].copy_(now)
        path.zero_()


# Rehearsal


class Buffer:
    """Some training pictures of every finished task, with what the network said of them then."""

    def __init__(self, config: Config, like: torch.Tensor) -> None:
        self.each = min(config.buffer, len(like))
        size = self.each * (TASKS - 1)
        self.parts = {
            "x": like.new_zeros(size, like.shape[1]),
            "y": torch.zeros(size, dtype=torch.long, device=like.device),
            "logits": like.new_zeros(size, CLASSES),
        }

    def keep(self, task: int, network: Network, part: Part, generator: torch.Generator) -> None:
        """Keeps as many pictures of each class as can be."""
        order = torch.randperm(len(part.y), generator=generator).to(part.y.device)
        ranks = torch.cat([torch.arange(int(n)) for n in part.y[order].bincount(minlength=CLASSES)])
        by_class = order[part.y[order].argsort(stable=True)]
        chosen = by_class[ranks.to(order.device).argsort(stable=True)][: self.each]
        rows = slice(task * self.each, (task + 1) * self.each)
        self.parts["x"][rows], self.parts["y"][rows] = part.x[chosen], part.y[chosen]
        with torch.no_grad():
            self.parts["logits"][rows] = network(part.x[chosen])

    def loss(self, config: Config, task: int, network: Network, generator: torch.Generator) -> torch.Tensor:
        """Experience replay (Chaudhry et al., arXiv 1902.10486), with logits (Buzzega et al., arXiv 2004.07211)."""
        rows = torch.randint(task * self.each, (config.batch,), generator=generator).to(self.parts["y"].device)
        logits = network(self.parts["x"][rows])
        loss = config.rehearse * functional.cross_entropy(logits, self.parts["y"][rows])
        if config.distil:
            loss = loss + config.distil * functional.mse_loss(logits, self.parts["logits"][rows])
        return loss


def train(config: Config, public: Path, run: Run) -> None:
    """Train on one task after another, and write the weights after each. Raises UserError beyond the rule's buffer."""
    if config.buffer > BUFFER:
        raise UserError(f"buffer must be at most {BUFFER} pictures of each task, got {config.buffer}.")
    device = run.device
    tasks = [read(public / f"task_{number}", device) for number in range(1, TASKS + 1)]
    if config.joint:
        tasks = [Part(torch.cat([part.x for part in tasks]), torch.cat([part.y for part in tasks]))] * TASKS
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(run.seed)
        network = Network(config.hidden).to(device)
    weights = list(network.parameters())
    optimiser = torch.optim.Adam(weights, lr=config.lr, fused=True)
    generator = torch.Generator().manual_seed(run.seed)
    guard, buffer = Guard(network), Buffer(config, tasks[0].x)
    after = parameters_to_vector(weights).detach().repeat(TASKS, 1)
    walks = config.method in ("si", "rwalk")
    parts = {
        "network": network,
        "optimiser": optimiser,
        "rng": generator,
        "guard": guard.parts,
        "buffer": buffer.parts,
        "after": after,
    }
    for epoch in run.epochs(TASKS * config.epochs, parts):
        task, own = divmod(epoch, config.epochs)
        part = tasks[task]
        if own == 0:
            optimiser.state.clear()  # each task begins with a new one
        batches = torch.split(torch.randperm(len(part.y), generator=generator).to(device), config.batch)
        total = torch.zeros((), device=device)
        for step, rows in enumerate(batches, own * len(batches)):
            for group in optimiser.param_groups:
                group["lr"] = config.lr * rate(config.schedule, step, config.epochs * len(batches))
            loss = functional.cross_entropy(network(part.x[rows]), part.y[rows])
            if walks:
                slope = parameters_to_vector(torch.autograd.grad(loss, weights, retain_graph=True))
                before = parameters_to_vector(weights).detach()
            total += loss.detach()
            if task and config.strength:
                loss = loss + config.strength * guard.penalty(network)
            if task and config.buffer:
                loss = loss + buffer.loss(config, task, network, generator)
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(weights, config.clip)
            optimiser.step()
            if walks:
                guard.walked(slope, parameters_to_vector(weights).detach() - before)
        run.log({"task": task + 1, "train_loss": float(total) / len(batches)})
        if own + 1 == config.epochs:
            few = torch.randperm(len(part.y), generator=generator)[: config.samples].to(device)
            guard.learned(config.method, network, Part(part.x[few], part.y[few]), generator)
            if config.buffer and task + 1 < TASKS:
                buffer.keep(task, network, part, generator)
            after[task] = parameters_to_vector(weights).detach()
    run.finish(submission(network, after.cumsum(0) / torch.arange(1, TASKS + 1)[:, None] if config.mean else after))


def submission(network: Network, after: torch.Tensor) -> bytes:
    """The file: the weights after each task (5, p), named as torch names them."""
    from safetensors.torch import save

    arrays: dict[str, torch.Tensor] = {}
    for task, vector in enumerate(after, 1):
        vector_to_parameters(vector.to(next(network.parameters()).device), network.parameters())
        arrays |= {f"after_{task}/{name}": value.detach().cpu().clone() for name, value in network.state_dict().items()}
    return save(arrays)


if __name__ == "__main__":
    raise SystemExit(main("hw14"))
