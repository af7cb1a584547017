"""How fast HW4 trains, next to the loop of the course's sample code: a DataLoader over utterances, one at a time.

    python tests/bench/training_hw04.py [--level strong] [--epochs N] [--device cpu]

Both sides train the same network on the same utterances for the same steps, with the settings of one level. Ours is the
baseline itself, which cuts the parts of a batch out of one array and passes them through other microphones at once.
Theirs has a Dataset that does so with one utterance, and validates one utterance at a time. They take turns epoch by
epoch; the first is not counted. The score is that of the hidden test.
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from torch.utils.data import DataLoader, Dataset

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT)]

from baselines import hw04_self_attention as baseline  # noqa: E402
from baselines.common import rate  # noqa: E402
from tasks.hw04_self_attention import TARGET, TASK  # noqa: E402
from tests.bench.turns import bench, options  # noqa: E402


class Heard(Dataset[tuple[torch.Tensor, int]]):
    """The utterances with their speakers: a random part of each in training, the whole without `parts`."""

    def __init__(self, config: baseline.Config, speech: baseline.Speech, some: baseline.Utterances, parts: bool):
        self.config, self.speech, self.some, self.parts = config, speech, some, parts
        self.rng = torch.Generator().manual_seed(0)

    def __len__(self) -> int:
        return len(self.some.starts)

    def __getitem__(self, row: int) -> tuple[torch.Tensor, int]:
        start, length = int(self.some.starts[row]), int(self.some.lengths[row])
        x = self.speech.frames[start : start + length].float()
        if self.parts:
            size = self.config.frames
            x = x.repeat(-(-size // length), 1) if length < size else x
            begin = int(torch.randint(len(x) - size + 1, (1,), generator=self.rng))
            x = x[begin : begin + size]
            x = baseline.through_another_channel(x[None], self.rng)[0] if self.config.augment else x
        return x, int(self.some.speakers[row])


class Theirs:
    """The straightforward loop, an epoch a call."""

    def __init__(self, config: baseline.Config, public: Path, seed: int, device: str) -> None:
        torch.manual_seed(seed)
        self.config, self.device, self.done = config, device, 0
        self.speech = speech = baseline.read(public, "cpu")
        order = torch.randperm(len(speech.known.starts), generator=torch.Generator().manual_seed(seed))
        held, known = (speech.known[rows] for rows in order.tensor_split([round(config.valid * len(order))]))
        batch = min(config.batch, len(known.starts))
        self.training = DataLoader(Heard(config, speech, known, True), batch, shuffle=True, drop_last=True)
        self.validation, self.test = (DataLoader(Heard(config, speech, some, False)) for some in (held, speech.asked))
        self.network = baseline.new_network(config, len(speech.speakers), seed, device)
        self.optimiser = torch.optim.AdamW(self.network.parameters(), config.lr, weight_decay=config.weight_decay)

    def epoch(self) -> int:
        """Train for an epoch, look at the validation utterances, and return the number of steps."""
        config, steps = self.config, len(self.training)
        for step, (x, y) in enumerate(self.training, self.done * steps):
            for group in self.optimiser.param_groups:
                group["lr"] = config.lr * rate("cosine", step, config.epochs * steps, config.warmup * steps)
            scores, speakers = self.network(x.to(self.device)), y.to(self.device)
            if config.margin:
                loss = baseline.am_softmax(scores, speakers, config.margin, config.scale)
            else:
                loss = torch.nn.functional.cross_entropy(scores, speakers)
            self.optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(self.network.parameters(), 5.0)
            self.optimiser.step()
            loss.item()
        self.done += 1
        self.speakers(self.validation)
        return steps

    def speakers(self, utterances: DataLoader[tuple[torch.Tensor, int]]) -> list[str]:
        self.network.eval()
        with torch.no_grad():
            found = [int(self.network(x.to(self.device)).argmax()) for x, _ in utterances]
        self.network.train()
        return [self.speech.speakers[number] for number in found]


def main() -> None:
    given = options(__doc__, baseline.LEVELS, "strong").parse_args()
    with bench(given, TASK, baseline) as at:
        theirs = Theirs(at.config, at.public, at.seed, at.device)
        turns = at.in_turns(theirs.epoch)
        both = theirs.speakers(theirs.test), at.said(turns.run.submission.read_bytes())[TARGET]
    at.show(turns, "accuracy", [at.accuracy(said, TARGET) for said in both])


if __name__ == "__main__":
    main()
