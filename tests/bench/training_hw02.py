"""How fast HW2 trains on windows of frames, next to the loop of the course's sample code: a DataLoader over frames.

    python tests/bench/training_hw02.py [--level strong] [--epochs N] [--device cpu]

Both sides train the same network on the same frames for the same steps, with the settings of one level. Ours is the
baseline itself, which takes the windows of a batch from the frames. Theirs puts the neighbours beside each frame once,
for all frames, and a DataLoader draws them one by one. They take turns epoch by epoch; the first is not counted. Steps
a second are those of whole epochs with their validation, of the processor's time on the CPU. The score is that of the
hidden test.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import torch
from torch.utils.data import DataLoader, TensorDataset

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT)]

from baselines import hw02_classification as baseline  # noqa: E402
from baselines.common import rate  # noqa: E402
from tasks.hw02_classification import TARGET, TASK  # noqa: E402
from tests.bench.turns import bench, options  # noqa: E402


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
    given = options(__doc__, ("simple", "medium", "strong"), "strong").parse_args()
    with bench(given, TASK, baseline) as at:
        theirs = Theirs(at.config, at.public, at.seed, at.device)
        turns = at.in_turns(theirs.epoch)
        both = theirs.classes(theirs.test), at.said(turns.run.submission.read_bytes())[TARGET]
    at.show(turns, "accuracy", [at.accuracy(said, TARGET) for said in both])


if __name__ == "__main__":
    main()
