"""A baseline and a straightforward loop that train in turns, epoch by epoch, with the steps a second of both."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from baselines.run import Run


@dataclass(frozen=True)
class Turns:
    """The finished run of the baseline, and the steps a second of both sides, without the first epoch."""

    run: Run
    ours: float
    theirs: float


def in_turns(
    train: Callable[[Run], None],
    theirs: Callable[[], int],
    folder: Path,
    seed: int,
    device: str,
    suffix: str = ".csv",
) -> Turns:
    """Run `train`, and after each of its epochs one of `theirs`, which returns the number of its steps.

    Seconds are those of whole epochs with their validation, of the processor on the CPU.
    """
    seconds: dict[str, list[float]] = {"ours": [], "theirs": []}

    def now() -> float:
        if device == "cuda":
            torch.cuda.synchronize()
            return time.perf_counter()
        return time.process_time()

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

    run = Run(folder, seed, device, suffix, progress=turn)
    run.folder.mkdir()
    train(run)
    rates = {side: steps * len(values) / sum(values) for side, values in seconds.items()}
    return Turns(run, rates["ours"], rates["theirs"])
