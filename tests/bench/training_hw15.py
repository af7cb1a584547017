"""How fast HW15 trains, next to the straightforward loop: a DataLoader over picture files, one at a time.

    python tests/bench/training_hw15.py [--level strong] [--epochs N] [--device cpu]

Both sides train the same network on the same characters for the same steps, with the settings of one level that learns
an embedding. Ours is the baseline itself, which keeps all pictures as one array. Theirs has a Dataset that opens one
file at a time, turns it where the level does, and samples of pictures or of episodes; it validates one task at a time.
They take turns epoch by epoch; the first is not counted. The score is that of the hidden test.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator
from pathlib import Path

import torch
from torch.nn import functional
from torch.utils.data import DataLoader, Dataset

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT)]

from baselines import hw15_meta as baseline  # noqa: E402
from baselines.characters import WAYS, read_characters, read_ink, read_tasks  # noqa: E402
from baselines.common import rate  # noqa: E402
from tasks.hw15_meta import TARGET, TASK, TEST, TRAINING  # noqa: E402
from tests.bench.turns import bench, options  # noqa: E402


class Files(Dataset[tuple[torch.Tensor, int]]):
    """The pictures of characters from their files; in four turns a character is four."""

    def __init__(self, characters: list[Path], turns: int) -> None:
        self.hands = [sorted(folder.glob("*.png")) for folder in characters]
        self.turns = turns
        self.each = min(map(len, self.hands))

    def __len__(self) -> int:
        return len(self.hands) * self.turns * self.each

    def __getitem__(self, row: int) -> tuple[torch.Tensor, int]:
        label, hand = divmod(row, self.each)
        turn, character = divmod(label, len(self.hands))
        ink = torch.from_numpy(read_ink(self.hands[character][hand])).float() / 255
        return torch.rot90(ink, turn, (0, 1)), label


class Sampler:
    """The rows of each batch of an epoch: any pictures, or the supports and then the queries of an episode."""

    def __init__(self, config: baseline.Config, files: Files, seed: int) -> None:
        self.config, self.files, self.rng = config, files, random.Random(seed)

    def __len__(self) -> int:
        return self.config.steps

    def __iter__(self) -> Iterator[list[int]]:
        config, each = self.config, self.files.each
        for _ in range(config.steps):
            if config.method == "classifier":
                yield self.rng.choices(range(len(self.files)), k=config.batch)
                continue
            labels = self.rng.sample(range(len(self.files) // each), config.ways)
            hands = [self.rng.sample(range(each), 1 + config.queries) for _ in labels]
            yield [
                label * each + own[at]
                for at in range(1 + config.queries)
                for label, own in zip(labels, hands, strict=True)
            ]


class Theirs:
    """The straightforward loop, an epoch a call."""

    def __init__(self, config: baseline.Config, public: Path, seed: int, device: str) -> None:
        torch.manual_seed(seed)
        rng = torch.Generator().manual_seed(seed)
        self.config, self.device, self.done = config, device, 0
        alphabets = sorted(path for path in (public / TRAINING).iterdir() if path.is_dir())
        order = torch.randperm(len(alphabets), generator=rng).tolist()
        held = {alphabets[number] for number in order[: -(-len(alphabets) // 10)]}
        known = [one for folder in alphabets if folder not in held for one in sorted(folder.iterdir())]
        files = Files(known, 4 if config.turned else 1)
        self.loader = DataLoader(files, batch_sampler=Sampler(config, files, seed))
        every = read_characters(public / TRAINING)
        out = torch.tensor([alphabets[number] in held for number in every.alphabets.tolist()])
        self.valid = every.taken(out).tasks(baseline.VALID, 1, rng).to(device)
        self.asked = read_tasks(public / TEST).to(device)
        classes = len(files) // files.each if config.method == "classifier" else WAYS
        network = baseline.Network(config.body, config.channels, classes)
        self.network = network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.optimiser = torch.optim.Adam(self.network.parameters(), lr=config.lr)

    def epoch(self) -> int:
        """Train for an epoch, look at the validation tasks, and return the number of steps."""
        config, network, ways = self.config, self.network, self.config.ways
        for step, (x, y) in enumerate(self.loader, self.done * config.steps):
            for group in self.optimiser.param_groups:
                group["lr"] = config.lr * rate(config.schedule, step, config.epochs * config.steps)
            features = network.embed(x.to(self.device))
            if config.method == "classifier":
                out = config.scale * baseline.cosines(features, network.head.weight)
                loss = functional.cross_entropy(out, y.to(self.device))
            else:
                apart = torch.cdist(features[ways:], features[:ways]).square() / config.temperature
                loss = functional.cross_entropy(-apart, torch.arange(ways, device=apart.device).repeat(config.queries))
            self.optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            self.optimiser.step()
            loss.item()
        self.done += 1
        self.classes(self.valid)
        return config.steps

    def classes(self, tasks: torch.Tensor) -> list[int]:
        parts = [baseline.guess(self.config, self.network, task[None]) for task in tasks]
        return [int(label) for label in torch.cat(parts).flatten().tolist()]


def main() -> None:
    given = options(__doc__, ("medium", "strong", "boss"), "strong").parse_args()
    with bench(given, TASK, baseline) as at:
        theirs = Theirs(at.config, at.public, at.seed, at.device)
        turns = at.in_turns(theirs.epoch)
        both = theirs.classes(theirs.asked), at.said(turns.run.submission.read_bytes())[TARGET]
    at.show(turns, "accuracy", [at.accuracy(said, TARGET) for said in both])


if __name__ == "__main__":
    main()
