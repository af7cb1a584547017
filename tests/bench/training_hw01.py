"""How fast the networks of HW1 are trained, next to the straightforward loop, with the scores of both.

    python tests/bench/training_hw01.py [--level boss] [--epochs N] [--seed N] [--device cpu]

Both sides train networks of the same form on the same inputs of the built-in world with the same settings, each up to
its best epoch, on one device with one thread, after an epoch of each that is not counted. Ours is the baseline, all
networks of an ensemble at once, with a checkpoint every epoch; theirs is the loop of the course's sample code, one
network after the other: a DataLoader over a Dataset of one row, a step that reads its loss, and a pass over the
validation rows. A step is one update of one network.
"""

from __future__ import annotations

import argparse
import copy
import os
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT)]

from baselines import hw01_regression as baseline  # noqa: E402
from baselines.common import rate, tuned  # noqa: E402
from baselines.run import Run  # noqa: E402
from tasks.hw01_regression import TASK  # noqa: E402
from tasks.streams import fixed  # noqa: E402

Parts = tuple[torch.Tensor, ...]


class Rows(Dataset[Parts]):
    """One row at a time: its inputs, its target, and the base and the unit of an output."""

    def __init__(self, data: baseline.Prepared, chosen: Any) -> None:
        self.parts = [torch.from_numpy(part[chosen]) for part in (data.x, data.train.days[:, -1, -1], *data.goal)]

    def __len__(self) -> int:
        return len(self.parts[0])

    def __getitem__(self, place: int) -> Parts:
        return tuple(part[place] for part in self.parts)


def one_network(config: baseline.Config, data: baseline.Prepared, held: Any, device: str) -> tuple[int, Any]:
    """The steps that a network took, and its predictions for the test."""
    network = baseline.new_model(config, 1, data, torch.Generator().manual_seed(torch.initial_seed())).to(device)

    def squares(batch: Parts) -> torch.Tensor:
        x, y, base, unit = (part.to(device) for part in batch)
        out: torch.Tensor = (base + unit * network(x[None])[0] - y).square()
        return out

    optimiser: torch.optim.Optimizer
    if config.optimiser == "sgd":
        optimiser = torch.optim.SGD(network.parameters(), config.lr, config.momentum, weight_decay=config.weight_decay)
    else:
        optimiser = torch.optim.AdamW(network.parameters(), config.lr, weight_decay=config.weight_decay)
    training = DataLoader(Rows(data, ~held), config.batch, shuffle=True)
    validation = DataLoader(Rows(data, held), config.batch)
    best_loss, best, stale, steps = float("inf"), network.state_dict(), 0, 0
    for epoch in range(config.epochs):
        if stale > config.patience:
            break
        for group in optimiser.param_groups:
            group["lr"] = config.lr * rate(config.schedule, epoch, config.epochs)
        network.train()
        for batch in training:
            loss = squares(batch).mean()
            optimiser.zero_grad()
            torch.autograd.backward(loss)
            optimiser.step()
            loss.item()
            steps += 1
        network.eval()
        total = 0.0
        with torch.no_grad():
            for batch in validation:
                total += squares(batch).sum().item()
        stale += 1
        if total < best_loss:
            best_loss, best, stale = total, copy.deepcopy(network.state_dict()), 0
    network.load_state_dict(best)
    with torch.no_grad():
        out = network(torch.from_numpy(data.x_test).to(device)[None])[0].cpu().numpy().astype(np.float64)
    base, unit = data.goal_test
    return steps, base + unit * out


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--level", default="boss", choices=tuple(baseline.LEVELS))
    parser.add_argument("--epochs", type=int, help="at most; default: those of the level")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="cpu")
    given = parser.parse_args()
    print(
        f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, {given.device}, torch {torch.__version__}, one thread"
    )
    with tempfile.TemporaryDirectory() as name, tuned(given.device, 1):
        public = Path(name) / "public"
        public.mkdir()
        made = TASK.edition("builtin").make(public, fixed(given.seed), "small", None)
        config = baseline.settings(given.level, public)
        config = replace(config, epochs=given.epochs or config.epochs)
        data = baseline.prepare(config, public)
        metric = TASK.edition("builtin").metrics[0]

        def score(values: Any) -> float:
            return float(metric.value(metric.rows(made.answers.columns, {baseline.TARGET: values})))

        ends: list[float] = []
        for place, settings in enumerate((replace(config, epochs=1), config)):
            run = Run(
                Path(name) / str(place), given.seed, given.device,
                progress=lambda done, total, metrics: ends.append(time.perf_counter()),
            )  # fmt: skip
            run.folder.mkdir()
            start = time.perf_counter()
            baseline.train(settings, public, run)
        fast = ends[-1] - start
        own = score(np.loadtxt(run.submission, delimiter=",", skiprows=1)[:, 1])
        each = int((~data.held).sum(axis=1).min())
        ours = -(-each // config.batch) * (len(ends) - 1) * len(data.held)
        torch.manual_seed(given.seed)
        one_network(replace(config, epochs=1), data, data.held[0], given.device)
        start = time.perf_counter()
        networks = [one_network(config, data, held, given.device) for held in data.held]
        slow = time.perf_counter() - start
        steps = sum(one for one, _ in networks)
        values = np.mean([outputs for _, outputs in networks], axis=0)
        values = np.clip(values, 0, 100)
    print(f"{given.level}, {len(data.held)} networks of at most {config.epochs} epochs")
    print(f"straightforward loop {steps:7} steps {slow:6.1f} s {steps / slow:8.1f} a second   RMSE {score(values):.4f}")
    print(f"baseline             {ours:7} steps {fast:6.1f} s {ours / fast:8.1f} a second   RMSE {own:.4f}")
    print(f"ratio {ours / fast / (steps / slow):.2f}")


if __name__ == "__main__":
    main()
