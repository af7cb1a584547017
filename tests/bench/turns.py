"""What the benches of training share: options, a small world, a baseline and a loop in turns, and the lines printed.

A bench's `main` is `options`, `bench` around its own loop and score, and `Bench.show`.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from baselines.common import pick_device, tuned
from baselines.run import Run
from submissions.reader import read
from tasks.base import Columns, Made, Task
from tasks.formats import Format
from tasks.streams import fixed


def options(
    about: str | None, levels: Iterable[str], level: str, epochs: str = "at least 2"
) -> argparse.ArgumentParser:
    """A parser with the options of every bench; `about` is its docstring, `epochs` what its help says of them."""
    parser = argparse.ArgumentParser(description=(about or "").partition("\n")[0])
    parser.add_argument("--level", default=level, choices=tuple(levels))
    parser.add_argument("--epochs", type=int, help=f"{epochs}; default: those of the level")
    parser.add_argument("--device", default="auto", help="auto, cuda or cpu")
    parser.add_argument("--seed", type=int, default=0)
    return parser


@dataclass(frozen=True)
class Turns:
    """The finished run of the baseline, and the steps a second of both sides, without the first epoch."""

    run: Run
    ours: float
    theirs: float


@dataclass(frozen=True)
class Bench:
    """A level's settings on a world of the built-in edition, made in `folder` with the options' seed."""

    baseline: Any
    config: Any
    folder: Path
    form: Format
    made: Made
    level: str
    seed: int
    device: str

    @property
    def public(self) -> Path:
        return self.folder / "public"

    @property
    def secret(self) -> Path:
        return self.folder / "secret"

    def in_turns(self, theirs: Callable[[], int], suffix: str = ".csv", wall: bool = False) -> Turns:
        """Train the baseline, and after each of its epochs run one of `theirs`, which returns the number of its steps.

        Seconds are those of whole epochs with their validation, of the processor on the CPU unless `wall`, which other
        processes or threads need.
        """
        seconds: dict[str, list[float]] = {"ours": [], "theirs": []}

        def now() -> float:
            if self.device == "cuda":
                torch.cuda.synchronize()
            return time.perf_counter() if wall or self.device == "cuda" else time.process_time()

        steps, mark = 0, now()

        def turn(done: int, total: int, metrics: Any) -> None:
            """After each of our epochs: one of theirs."""
            nonlocal mark, steps
            between = now()
            steps = theirs()
            end = now()
            if done > 1:
                seconds["ours"].append(between - mark)
                seconds["theirs"].append(end - between)
            mark = now()

        run = Run(self.folder / "run", self.seed, self.device, suffix, progress=turn)
        run.folder.mkdir()
        self.baseline.train(self.config, self.public, run)
        rates = {side: steps * len(values) / sum(values) for side, values in seconds.items()}
        return Turns(run, rates["ours"], rates["theirs"])

    def said(self, file: bytes) -> Columns:
        """The columns of a submission, read as `submit` reads it."""
        return read(file, self.form.fit(self.made.answers))

    def accuracy(self, said: Any, column: str) -> float:
        """The share of the answers that a list or an array has right."""
        return float(np.mean(np.asarray(said) == self.made.answers.columns[column]))

    def show(
        self, turns: Turns, score: str, both: Sequence[float], unit: str = "", size: str = "", more: str = ""
    ) -> None:
        """Print the rates and scores of both sides, theirs first, and the ratio.

        `unit` is what a batch counts, `more` ends the last line.
        """
        config, (theirs, ours) = self.config, both
        print(f"DataLoader loop  {turns.theirs:8.1f} steps a second   {score} {theirs:.4f}")
        print(f"baseline         {turns.ours:8.1f} steps a second   {score} {ours:.4f}")
        shape = f"batches of {config.batch}{unit}, {size}{self.level}, {config.epochs} epochs{more}"
        print(f"ratio {turns.ours / turns.theirs:.2f} at {shape}")


@contextmanager
def bench(
    given: argparse.Namespace, task: Task, baseline: Any, size: str = "small", threads: int = 1
) -> Iterator[Bench]:
    """Print the machine, make the world with the seed of the options, and give its bench; torch has `threads`."""
    device = pick_device(given.device)
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, {device}, torch {torch.__version__}")
    with tempfile.TemporaryDirectory() as name, tuned(device, threads):
        public, secret = Path(name) / "public", Path(name) / "secret"
        public.mkdir()
        secret.mkdir()
        edition = task.edition("builtin")
        made = edition.make(public, fixed(given.seed), size, None, secret)
        config = baseline.settings(given.level, public)
        config = replace(config, epochs=given.epochs or config.epochs)
        yield Bench(baseline, config, Path(name), edition.format, made, given.level, given.seed, device)
