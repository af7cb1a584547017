"""How fast HW2 trains on windows of frames, next to the loop of the course's sample code: a DataLoader over frames.

    python tests/bench/training_hw02.py [--level strong] [--epochs N] [--device cpu]

Both sides train the same network on the same frames for the same steps, with the settings of one level. Ours is the
baseline itself, which takes the windows of a batch from the frames. Theirs puts the neighbours beside each frame once,
for all frames, and a DataLoader draws them one by one. They take turns epoch by epoch; the first is not counted. Steps
a second are those of whole epochs with their validation, of the processor's time on the CPU. The score is that of the
hidden test.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader, TensorDataset

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT)]

from baselines import hw02_classification as baseline  # noqa: E402
from baselines.common import pick_device, rate, tuned  # noqa: E402
from tasks.hw02_classification import TARGET, TASK  # noqa: E402
from tasks.streams import fixed  # noqa: E402
from tests.bench.turns import in_turns  # noqa: E402


def joined(config: baseline.Config, speech: baseline.Speech) -> TensorDataset:
    """Each frame with its neighbours beside it, and its label."""
    near = baseline.Windows(config, speech.bounds).near(torch.arange(len(speech.frames)))
    return TensorDataset(speech.frames[near], speech.labels)


class Theirs:
    """The straightforward loop, an epoch a call."""

    def __init__(self, config: baseline.Config, public: Path, seed: int, device: str) -> None:
        torch.manual_seed(seed)
        self.config, self.device, self.done = config, device, 0
        every, asked = (baseline.read(public / part, config.cmvn) for part in ("train", "test"))
        held = torch.randperm(len(every.bounds), generator=torch.Generator().manual_seed(seed)) % 10 == 0
        known, valid = (joined(config, every.taken(part.nonzero()[:, 0])) for part in (~held, held))
        self.training = DataLoader(known, config.batch, shuffle=True)
        self.validation, self.test = (DataLoader(part, config.batch) for part in (valid, joined(config, asked)))
        self.network = baseline.new_network(config, int(every.labels.max()) + 1, seed, device)
        self.optimiser = torch.optim.AdamW(self.network.parameters(), lr=config.lr, weight_decay=config.weight_decay)

    def epoch(self) -> int:
        """Train for an epoch, look at the validation frames, and return the number of steps."""
        steps = len(self.training)
        for step, (x, y) in enumerate(self.training, self.done * steps):
            for group in self.optimiser.param_groups:
                group["lr"] = self.config.lr * rate(self.config.schedule, step, self.config.epochs * steps)
            loss = torch.nn.functional.cross_entropy(self.network(x.to(self.device)), y.to(self.device))
            self.optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(self.network.parameters(), self.config.clip)
            self.optimiser.step()
            loss.item()
        self.done += 1
        self.classes(self.validation)
        return steps

    def classes(self, frames: Any) -> list[int]:
        self.network.eval()
        with torch.no_grad():
            found = [kind for x, _ in frames for kind in self.network(x.to(self.device)).argmax(dim=1).tolist()]
        self.network.train()
        return found


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--level", default="strong", choices=("simple", "medium", "strong"))
    parser.add_argument("--epochs", type=int, help="at least 2; default: those of the level")
    parser.add_argument("--device", default="auto", help="auto, cuda or cpu")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    device = pick_device(given.device)
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, {device}, torch {torch.__version__}")
    with tempfile.TemporaryDirectory() as name, tuned(device, 1):
        public = Path(name) / "public"
        public.mkdir()
        made = TASK.edition("builtin").make(public, fixed(given.seed), "small")
        truth = made.answers.columns[TARGET]
        config = baseline.settings(given.level, public)
        config = replace(config, epochs=given.epochs or config.epochs)
        theirs = Theirs(config, public, given.seed, device)
        turns = in_turns(partial(baseline.train, config, public), theirs.epoch, Path(name) / "run", given.seed, device)
        mine = np.loadtxt(turns.run.submission, delimiter=",", skiprows=1)[:, 1]
        their_score = float(np.mean(np.array(theirs.classes(theirs.test)) == truth))
    print(f"DataLoader loop  {turns.theirs:8.1f} steps a second   accuracy {their_score:.4f}")
    print(f"baseline         {turns.ours:8.1f} steps a second   accuracy {np.mean(mine == truth):.4f}")
    ratio = turns.ours / turns.theirs
    print(f"ratio {ratio:.2f} at batches of {config.batch}, {given.level}, {config.epochs} epochs")


if __name__ == "__main__":
    main()
