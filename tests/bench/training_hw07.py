"""How fast HW7 trains, next to the loop of the course's sample code: a DataLoader over questions, one at a time.

    python tests/bench/training_hw07.py [--level medium] [--epochs N] [--device cpu]

Both sides train the same network on the same questions, with the settings of one level. Ours is the baseline itself,
which reads a window once for all questions on it, and answers the validation questions many at a time. Theirs has a
Dataset of questions, each with a window of its own, and validates window by window. A batch has as many questions on
both sides. They take turns epoch by epoch; the first is not counted. The score is that of the hidden test.
"""

from __future__ import annotations

import random
import sys
from functools import partial
from pathlib import Path

import torch
from torch.utils.data import DataLoader, Dataset

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT)]

from baselines import hw07_bert as baseline  # noqa: E402
from baselines.spans import Asked, Batch, Row, Signs, read_questions, submission  # noqa: E402
from tasks.hw07_bert import TASK  # noqa: E402
from tasks.metrics import ANSWER_MATCH  # noqa: E402
from tests.bench.turns import bench, options  # noqa: E402

Item = tuple[str, Asked, int]


class Questions(Dataset[Item]):
    """Each question with a window around its answer, and where that begins."""

    def __init__(self, config: baseline.Config, texts: list[str], asked: list[Asked], seed: int) -> None:
        self.config, self.texts, self.asked, self.rng = config, texts, asked, random.Random(seed)

    def __len__(self) -> int:
        return len(self.asked)

    def __getitem__(self, number: int) -> Item:
        one = self.asked[number]
        text = self.texts[one.paragraph]
        begin = baseline.window_of(self.config, len(text), one.spans[0], self.rng)
        return text[begin : begin + self.config.window], one, begin


class Theirs:
    """The straightforward loop, an epoch a call."""

    def __init__(self, config: baseline.Config, public: Path, seed: int, device: str) -> None:
        torch.manual_seed(seed)
        self.config, self.device, self.done = config, device, 0
        (texts, known, _), self.valid, self.test = (read_questions(public / part) for part in baseline.PARTS)
        every = [*texts, *self.valid[0], *self.test[0]]
        signs = Signs.of([*every, *(one.text for one in (*known, *self.valid[1], *self.test[1]))])
        self.make = partial(Batch.of, signs, device)
        paragraphs = len({one.paragraph for one in known})
        batch = max(1, round(config.batch * len(known) / paragraphs))
        questions = Questions(config, texts, known, seed)
        self.training = DataLoader(questions, batch, shuffle=True, collate_fn=self.collated)
        self.network = baseline.new_network(config, signs, seed).to(device)
        self.optimiser = torch.optim.AdamW(self.network.parameters(), config.lr, weight_decay=config.weight_decay)

    def collated(self, items: list[Item]) -> Batch:
        rows: list[Row] = [(place, one, begin) for place, (_, one, begin) in enumerate(items)]
        return self.make([text for text, _, _ in items], rows)

    def epoch(self) -> int:
        """Train for an epoch, answer the validation questions, and return the number of steps."""
        config, steps = self.config, len(self.training)
        self.network.train()
        for number, batch in enumerate(self.training, self.done * steps):
            share = min(1.0, (number + 1) / config.warmup)
            if config.schedule == "linear":
                share *= 1 - number / (config.epochs * steps)
            for group in self.optimiser.param_groups:
                group["lr"] = config.lr * share
            loss = batch.loss(self.network)
            self.optimiser.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(self.network.parameters(), config.clip)
            self.optimiser.step()
            loss.item()
        self.done += 1
        self.answers(self.valid[0], self.valid[1][: config.valid])
        return steps

    def answers(self, texts: list[str], asked: list[Asked]) -> list[str]:
        """The answer of each question, window by window."""
        self.network.eval()
        said = []
        with torch.inference_mode():
            for one in asked:
                found = []
                for window in baseline.windows_of(self.config, texts, [one]):
                    starts, ends = self.make([window.text], [(0, one, window.begin)]).logits(self.network)
                    found.append((window, torch.stack([starts[0].log_softmax(0), ends[0].log_softmax(0)]).cpu()))
                said.append(baseline.best_span(self.config, found).replace(",", ""))
        return said


def main() -> None:
    given = options(__doc__, ("simple", "medium"), "medium").parse_args()
    with bench(given, TASK, baseline) as at:
        theirs = Theirs(at.config, at.public, at.seed, at.device)
        turns = at.in_turns(theirs.epoch)
        files = submission(theirs.test[2], theirs.answers(*theirs.test[:2])), turns.run.submission.read_bytes()
        scores = [ANSWER_MATCH.value(ANSWER_MATCH.rows(at.made.answers.columns, at.said(file))) for file in files]
    at.show(turns, "exact match", scores, unit=" paragraphs")


if __name__ == "__main__":
    main()
