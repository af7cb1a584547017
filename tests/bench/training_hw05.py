"""How fast HW5's Transformer trains, next to the straightforward loop, with the BLEU of both.

    python tests/bench/training_hw05.py [--epochs N] [--pairs N] [--level medium] [--seed N] [--device auto]

Both train the same network from the same start on the same cleaned pairs of the built-in world, with the same settings,
on the same device in one process, first ours, then theirs. Ours is the baseline's `fit`: token rows that lie padded on
the device, batches by a number of tokens of rows of like length, a fused optimiser. Theirs is a torch DataLoader over a
Python dataset that turns one pair into numbers at a time, shuffled batches of a fixed number of pairs padded to the
longest, moved to the device one by one, and torch's default Adam. A batch of theirs has as many pairs as one of ours on
the mean, so that both take about as many steps. Rates are of target tokens without padding.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT)]

from baselines.common import pick_device, tuned  # noqa: E402
from baselines.hw05_transformer import (  # noqa: E402
    FILES,
    Config,
    clean,
    fit,
    loss_of,
    new_model,
    noam,
    read_lines,
    settings,
    tidy,
    tokenizers,
    translate,
)
from baselines.run import Run  # noqa: E402
from baselines.text import BOS, EOS, PAD, Pairs, Tokens  # noqa: E402
from tasks.bleu import BLEU  # noqa: E402
from tasks.hw05_transformer import COLUMN, TASK  # noqa: E402
from tasks.streams import fixed  # noqa: E402


class Items(torch.utils.data.Dataset[tuple[list[int], list[int]]]):
    """One pair at a time, as in most courses' code."""

    def __init__(self, pairs: Sequence[tuple[str, str]], en: Tokens, zh: Tokens) -> None:
        self.pairs, self.en, self.zh = pairs, en, zh

    def __len__(self) -> int:
        return len(self.pairs)

    def __getitem__(self, place: int) -> tuple[list[int], list[int]]:
        en, zh = self.pairs[place]
        return [*self.en.encode([en])[0], EOS], [BOS, *self.zh.encode([zh])[0], EOS]


def collate(rows: list[tuple[list[int], list[int]]]) -> list[torch.Tensor]:
    sides = [[torch.tensor(row[side]) for row in rows] for side in (0, 1)]
    return [torch.nn.utils.rnn.pad_sequence(side, batch_first=True, padding_value=PAD) for side in sides]


def plain_fit(model: Any, data: Items, batch: int, config: Config, device: str, seed: int) -> int:
    """The straightforward loop; returns its steps."""
    generator = torch.Generator().manual_seed(seed)
    loader = torch.utils.data.DataLoader(data, batch, shuffle=True, collate_fn=collate, generator=generator)
    optimiser = torch.optim.Adam(model.parameters(), lr=config.lr, betas=(0.9, 0.98), eps=1e-9)
    steps = 0
    for _ in range(config.epochs):
        model.train()
        for source, target in loader:
            steps += 1
            rate = config.lr if config.schedule == "constant" else noam(config, steps)
            for group in optimiser.param_groups:
                group["lr"] = rate
            loss = loss_of(model, source.to(device), target.to(device), config.label_smoothing)
            optimiser.zero_grad()
            torch.autograd.backward(loss)
            torch.nn.utils.clip_grad_norm_(model.parameters(), config.clip_norm)
            optimiser.step()
            loss.item()
    return steps


def plain_loop(config: Config, public: Path, device: str, seed: int) -> None:
    """The straightforward loop on the files of a world, with all of their pairs."""
    english, chinese = (read_lines(public / file) for file in FILES[:2])
    pairs = clean(list(zip(english, chinese, strict=True)))
    english, chinese = ([pair[side] for pair in pairs] for side in (0, 1))
    with tempfile.TemporaryDirectory() as name:
        en, zh = tokenizers(config, english, chinese, [], Run(Path(name), seed, device))
    data = Pairs.of(en.encode(english), zh.encode(chinese), device)
    each = -(-len(pairs) // len(data.groups(config.batch_tokens, random.Random(0))))
    model = new_model(config, en.size, zh.size, seed).to(device)
    plain_fit(model, Items(pairs, en, zh), each, config, device, seed)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--epochs", type=int, help="default: those of the level")
    parser.add_argument("--pairs", type=int, help="default: all")
    parser.add_argument("--level", choices=("medium", "strong"), default="medium")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="auto")
    given = parser.parse_args()
    device = pick_device(given.device)
    with tempfile.TemporaryDirectory() as name, tuned(device, 1):
        folder = Path(name)
        made = TASK.edition("builtin").make(folder, fixed(given.seed), "small", None)
        config = settings(given.level, folder)
        config = replace(config, epochs=given.epochs or config.epochs, average_checkpoints=1)
        english, chinese, test = (read_lines(folder / file) for file in FILES[:3])
        pairs = clean(list(zip(english, chinese, strict=True)))[: given.pairs]
        run = Run(folder, given.seed, device, ".txt")
        english, chinese = ([pair[side] for pair in pairs] for side in (0, 1))
        en, zh = tokenizers(config, english, chinese, [], run)
        data = Pairs.of(en.encode(english), zh.encode(chinese), device)
        few = Pairs.of([[5]], [[5]], device)  # so that no time goes into validation
        groups = len(data.groups(config.batch_tokens, random.Random(0)))
        tokens = sum(length - 1 for _, length in data.lengths) * config.epochs
        results = []
        for ours in (True, False):
            model: Any = new_model(config, en.size, zh.size, given.seed).to(device)
            start = time.perf_counter()
            if ours:
                fit(model, data, few, config, run, config.epochs)
                steps = groups * config.epochs
            else:
                steps = plain_fit(model, Items(pairs, en, zh), -(-len(pairs) // groups), config, device, given.seed)
            if device == "cuda":
                torch.cuda.synchronize()
            seconds = time.perf_counter() - start
            rows = translate(model, en.encode([tidy(line) for line in test]), config, device, 1)
            guess = {COLUMN: np.array([zh.decode(row) for row in rows], dtype=object)}
            score = float(BLEU.value(BLEU.rows(made.answers.columns, guess)))
            results.append((seconds, tokens / seconds, steps / seconds, score))
    print(f"level {given.level}, {len(pairs)} pairs, {config.epochs} epochs, {device}, torch {torch.__version__}")
    print(f"{'':24}{'seconds':>10}{'tokens/s':>12}{'steps/s':>10}{'BLEU':>8}")
    for label, (seconds, speed, step_rate, score) in zip(("baseline", "straightforward"), results, strict=True):
        print(f"{label:24}{seconds:10.1f}{speed:12.0f}{step_rate:10.2f}{score:8.2f}")
    print(f"ratio of tokens/s {results[0][1] / results[1][1]:.2f}")


if __name__ == "__main__":
    main()
