"""How fast HW14 trains, next to the straightforward loop: a DataLoader over pictures, one at a time.

    python tests/bench/training_hw14.py [--level boss] [--epochs N] [--device cpu]

Both sides train the same network on the same tasks for the same steps, with the settings of one level. Ours is the
baseline itself. Theirs scales one picture at a time; its penalty goes through the layers, and its Fisher information
through the pictures, one step back for each; what it keeps of finished tasks is a list. They take turns epoch by epoch;
the first is not counted. The score is the average accuracy of the hidden test.
"""

from __future__ import annotations

import random
import sys
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional
from torch.utils.data import DataLoader, Dataset

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT)]

from baselines import hw14_lifelong as baseline  # noqa: E402
from tasks.hw14_lifelong import AVERAGE, LAYERS, TASK, TASKS, form_of, hits, judge, task_folder  # noqa: E402
from tests.bench.turns import bench, options  # noqa: E402

LEVELS = ("simple", "medium", "strong", "boss")


class Pictures(Dataset[tuple[torch.Tensor, int]]):
    """The training pictures of a task, scaled one at a time."""

    def __init__(self, folder: Path) -> None:
        self.images, self.labels = (np.load(folder / f"{name}.npy") for name in ("images", "labels"))

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, row: int) -> tuple[torch.Tensor, int]:
        return torch.from_numpy(self.images[row].reshape(-1)).float() / 255, int(self.labels[row])


class Theirs:
    """The straightforward loop, an epoch a call."""

    def __init__(self, config: baseline.Config, public: Path, seed: int, device: str) -> None:
        torch.manual_seed(seed)
        self.config, self.device, self.done, self.rng = config, device, 0, random.Random(seed)
        self.tasks = [Pictures(public / task_folder(task)) for task in range(1, TASKS + 1)]
        self.network = baseline.Network(config.hidden).to(device)
        self.optimiser = torch.optim.Adam(self.network.parameters(), config.lr)
        self.kept: list[tuple[torch.Tensor, int, torch.Tensor]] = []
        self.held: list[tuple[torch.Tensor, torch.Tensor]] = []  # where each tensor was last, and its importance
        self.after: list[torch.Tensor] = []

    def epoch(self) -> int:
        """Train for an epoch, at the end of a task keep what the level keeps, and return the number of steps."""
        config, device, network = self.config, self.device, self.network
        task, own = divmod(self.done, config.epochs)
        if own == 0:
            self.optimiser = torch.optim.Adam(network.parameters(), config.lr)
        loader = DataLoader(self.tasks[task], config.batch, shuffle=True)
        for x, y in loader:
            loss = functional.cross_entropy(network(x.to(device)), y.to(device))
            for weight, (before, importance) in zip(network.parameters(), self.held, strict=False):
                loss = loss + config.strength * (importance * (weight - before) ** 2).sum()
            if self.kept:
                some = self.rng.choices(self.kept, k=config.batch)
                inputs = torch.stack([x for x, _, _ in some]).to(device)
                logits = torch.stack([out for _, _, out in some]).to(device)
                labels = torch.tensor([y for _, y, _ in some], device=device)
                said = network(inputs)
                loss = loss + config.rehearse * functional.cross_entropy(said, labels)
                loss = loss + config.distil * functional.mse_loss(said, logits)
            self.optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(network.parameters(), config.clip)
            self.optimiser.step()
            loss.item()
        self.done += 1
        if own + 1 == config.epochs:
            self.finish(self.tasks[task])
        return len(loader)

    def finish(self, pictures: Pictures) -> None:
        config, network = self.config, self.network
        weights = list(network.parameters())
        if config.method == "ewc":
            importance = [one for _, one in self.held] or [torch.zeros_like(weight) for weight in weights]
            for row in self.rng.sample(range(len(pictures)), min(config.samples, len(pictures))):
                x, y = pictures[row]
                loss = functional.cross_entropy(network(x[None].to(self.device)), torch.tensor([y], device=self.device))
                for one, slope in zip(importance, torch.autograd.grad(loss, weights), strict=True):
                    one.add_(slope**2, alpha=1 / config.samples)
            self.held = [(weight.detach().clone(), one) for weight, one in zip(weights, importance, strict=True)]
        for row in self.rng.sample(range(len(pictures)), min(config.buffer, len(pictures))):
            x, y = pictures[row]
            with torch.no_grad():
                self.kept.append((x, y, network(x[None].to(self.device))[0].cpu()))
        self.after.append(torch.nn.utils.parameters_to_vector(network.parameters()).detach())


def main() -> None:
    given = options(__doc__, LEVELS, "boss", epochs="of each task").parse_args()
    with bench(given, TASK, baseline) as at:
        theirs = Theirs(at.config, at.public, at.seed, at.device)
        turns = at.in_turns(theirs.epoch, suffix=".safetensors")
        files = baseline.submission(theirs.network, torch.stack(theirs.after)), turns.run.submission.read_bytes()
        judged = [judge.run(form_of(LAYERS), at.said(file), at.secret).columns for file in files]
    at.show(
        turns,
        "average accuracy",
        [AVERAGE.value(hits(at.made.answers.columns, said)) for said in judged],
        more=" of each task",
    )


if __name__ == "__main__":
    main()
