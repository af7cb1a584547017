"""How fast HW11 trains, next to the loop of the course's sample code: DataLoaders over picture files, one at a time.

    python tests/bench/training_hw11.py [--level strong] [--epochs N] [--device cpu]

Both sides train the same network for the same steps, with the settings of one level. Ours is the baseline itself, which
reads every file once, finds all edges at once, and moves the pictures of a batch together. Theirs opens a file, finds
its edges and moves it whenever it is asked for. They take turns epoch by epoch; the first is not counted. The score is
that of the hidden test.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn import functional
from torch.utils.data import DataLoader, Dataset

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT)]

from baselines import hw11_adaptation as baseline  # noqa: E402
from baselines.common import rate  # noqa: E402
from baselines.lines import canny, moved  # noqa: E402
from tasks.hw11_adaptation import TARGET, TASK  # noqa: E402
from tests.bench.turns import bench, options  # noqa: E402


class Files(Dataset[tuple[torch.Tensor, torch.Tensor, int]]):
    """Pictures from their files: as they are, moved, and the label, which is 0 for a drawing."""

    def __init__(self, config: baseline.Config, paths: list[Path], drawings: bool) -> None:
        self.move, self.paths, self.drawings = baseline.MOVES[config.moves], paths, drawings
        self.rng = torch.Generator().manual_seed(0)

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, row: int) -> tuple[torch.Tensor, torch.Tensor, int]:
        path = self.paths[row]
        if self.drawings:
            plain = baseline.resized(torch.from_numpy(baseline.pixels(path, "L").copy())[None, None])
        else:
            grey = np.rint(baseline.pixels(path, "RGB") @ np.array([0.299, 0.587, 0.114]))
            plain = canny(torch.from_numpy(grey)[None], baseline.LOW, baseline.HIGH)
        draws = torch.rand(1, baseline.DRAWS, generator=self.rng)
        return plain[0], moved(plain, draws, self.move)[0], 0 if self.drawings else int(path.parent.name)


def endless(loader: DataLoader[Any]) -> Iterator[Any]:
    while True:
        yield from loader


class Theirs:
    """The straightforward loop, an epoch a call."""

    def __init__(self, config: baseline.Config, public: Path, seed: int, device: str) -> None:
        torch.manual_seed(seed)
        self.config, self.device, self.done = config, device, 0
        root = public / baseline.ROOT
        paintings = sorted((root / "train_data").glob("*/*.bmp"), key=lambda path: int(path.stem))
        held = torch.randperm(len(paintings), generator=torch.Generator().manual_seed(seed)) % 10 == 0
        known = [path for path, out in zip(paintings, held.tolist(), strict=True) if not out]
        asked = sorted((root / "test_data" / "0").glob("*.bmp"))
        size = min(config.batch, len(known), len(asked))
        self.source = DataLoader(Files(config, known, False), size, shuffle=True, drop_last=True)
        self.target = DataLoader(Files(config, asked, True), size, shuffle=True, drop_last=True)
        out = [path for path, one in zip(paintings, held.tolist(), strict=True) if one]
        self.validation = DataLoader(Files(config, out, False), size)
        self.test = DataLoader(Files(config, asked, True), 100)
        self.networks = baseline.Networks(config, seed).to(device)
        weights = [*self.networks.network.parameters(), *self.networks.domain.parameters()]
        self.optimiser = torch.optim.AdamW(weights, lr=config.lr, weight_decay=config.weight_decay)

    @property
    def best(self) -> baseline.Network:
        return self.networks.teacher if self.config.teacher_weight else self.networks.network

    def epoch(self) -> int:
        """Train for an epoch, look at the validation pictures, and return the number of steps."""
        config, device, network = self.config, self.device, self.networks.network
        source, target = endless(self.source), endless(self.target)
        first = self.done * config.steps
        for step in range(first, first + config.steps):
            progress = step / (config.epochs * config.steps)
            for group in self.optimiser.param_groups:
                group["lr"] = config.lr * rate(config.schedule, step, config.epochs * config.steps)
            _, x, labels = next(source)
            paintings = network.features(x.to(device), baseline.SOURCE)
            loss = functional.cross_entropy(network.head(paintings), labels.to(device))
            if config.domain_weight or config.teacher_weight:
                plain, x, _ = next(target)
                lines = network.features(x.to(device), baseline.TARGET)
            if config.domain_weight:
                turn = baseline.reversal_weight(config, progress)
                loss = loss + baseline.domain_loss(self.networks.domain, paintings, lines, turn)
            if config.teacher_weight:
                out, seen = network.head(lines), plain.to(device)
                taught = baseline.teacher_loss(self.networks.teacher, seen, out, config.confidence)
                loss = loss + config.teacher_weight * min(1.0, 3 * progress) * taught
            self.optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            self.optimiser.step()
            loss.item()
            if config.teacher_weight:
                baseline.follow(self.networks.teacher, network, min(config.decay, 1 - 1 / (step + 1)))
        self.done += 1
        for plain, _, _ in self.validation:
            baseline.classes(self.best, plain.to(device), baseline.SOURCE)
        return config.steps

    def labels(self) -> list[int]:
        parts = [baseline.classes(self.best, plain.to(self.device), baseline.TARGET) for plain, _, _ in self.test]
        return [int(label) for label in torch.cat(parts).tolist()]


def main() -> None:
    given = options(__doc__, baseline.LEVELS, "strong").parse_args()
    with bench(given, TASK, baseline) as at:
        theirs = Theirs(at.config, at.public, at.seed, at.device)
        turns = at.in_turns(theirs.epoch)
        both = theirs.labels(), at.said(turns.run.submission.read_bytes())[TARGET]
    at.show(turns, "accuracy", [at.accuracy(said, TARGET) for said in both])


if __name__ == "__main__":
    main()
