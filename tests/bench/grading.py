"""How fast a table submission is read, checked, aligned and scored, next to the typical program.

    python tests/bench/grading.py [--rounds N]

Both sides run in one process, in turns (A B A B), on the same files: ours is `load`, `read_table`, the metric's rows,
the public and the private value and their 95 % intervals, with the answers read from .npy files each time, or kept in
memory where the line says so; theirs is `typical.grade`, with its answers in a CSV file and no intervals. The printed
digits of both must be equal. Ratios are of wall time and, since that depends on who else uses the cores, of CPU time.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT)]

from submissions.reader import load, read  # noqa: E402
from tasks.base import PRIVATE, PUBLIC  # noqa: E402
from tasks.formats import Column, TableFormat  # noqa: E402
from tasks.metrics import ACCURACY, RMSE, Metric, percentile_interval, resample_counts  # noqa: E402
from tests.bench import typical  # noqa: E402

Interval = tuple[float, float]


@dataclass(frozen=True)
class Case:
    """One competition on disk: a submission, and the key as each side keeps it."""

    name: str
    metric: Any
    word: str  # the metric in `typical`
    format: TableFormat
    goal: float
    rounds: int
    folder: Path
    kept: bool = False  # whether our side keeps the answers in memory between two submissions

    @property
    def submission(self) -> Path:
        return self.folder / f"{self.word}-{len(self.format.ids)}.csv"

    @property
    def key(self) -> Path:
        return self.submission.with_suffix(".key.csv")

    @property
    def answers(self) -> Path:
        return self.submission.with_suffix(".truth.npy")


def write(case: Case) -> None:
    """Draws answers, a submission and a half-and-half split."""
    generator = np.random.default_rng(0)
    n = len(case.format.ids)
    (column,) = case.format.columns
    truth: Any
    if column.kind == "int":
        truth = generator.integers(0, 39, n)
        guess = np.where(generator.random(n) < 0.7, truth, generator.integers(0, 39, n))
    else:
        truth = generator.gamma(4, 4, n)
        guess = truth + generator.normal(size=n)
    usage = generator.permutation(np.where(np.arange(n) < n // 2, PUBLIC, PRIVATE)).astype(np.int8)
    np.save(case.answers, truth)
    np.save(case.answers.with_suffix(".usage.npy"), usage)
    words = np.where(usage == PUBLIC, "Public", "Private").tolist()
    rows = list(zip(case.format.ids, truth.tolist(), guess.tolist(), words, strict=True))
    header = ",".join(case.format.header)
    case.submission.write_text(f"{header}\n" + "".join(f"{name},{value!r}\n" for name, _, value, _ in rows))
    case.key.write_text(f"{header},usage\n" + "".join(f"{name},{value!r},{word}\n" for name, value, _, word in rows))


def read_answers(path: Path) -> tuple[Any, Any]:
    return np.load(path), np.load(path.with_suffix(".usage.npy"))


keep_answers = lru_cache(read_answers)


def ours(case: Case) -> tuple[float, float, Interval, Interval]:
    """Public and private value and their intervals."""
    truth, usage = keep_answers(case.answers) if case.kept else read_answers(case.answers)
    (column,) = case.format.columns
    predictions = read(load(case.submission, case.format.max_bytes), case.format)
    rows = case.metric.rows({column.name: truth}, predictions)
    public, private = usage == PUBLIC, usage == PRIVATE
    return (
        case.metric.value(rows, public),
        case.metric.value(rows, private),
        case.metric.interval(rows, public),
        case.metric.interval(rows, private),
    )


def theirs(case: Case) -> tuple[float, float]:
    public, private = typical.grade(case.submission, case.key, case.word)
    return public, private


def milliseconds(function: Any, case: Case) -> tuple[float, float]:
    """Wall and CPU time."""
    start, start_cpu = time.perf_counter(), time.process_time()
    function(case)
    return (time.perf_counter() - start) * 1e3, (time.process_time() - start_cpu) * 1e3


def compare(case: Case, rounds: int) -> None:
    """Asserts equal results, runs both sides in turns, prints medians and ratios."""
    write(case)
    mine, other = ours(case), theirs(case)
    assert [f"{value:.10f}" for value in mine[:2]] == [f"{value:.10f}" for value in other], (mine, other)
    pairs = [(milliseconds(theirs, case), milliseconds(ours, case)) for _ in range(rounds)]
    slow, fast = (statistics.median(side[0] for side in sides) for sides in zip(*pairs, strict=True))
    ratios = sorted(a[0] / b[0] for a, b in pairs)
    low, ratio, high = statistics.quantiles(ratios, n=4)
    cpu = statistics.median(a[1] for a, _ in pairs) / statistics.median(b[1] for _, b in pairs)
    verdict = "reached" if ratio >= case.goal else "MISSED"
    print(f"{case.name:31} typical {slow:8.2f} ms  ours {fast:7.2f} ms", end="  ")
    print(f"ratio {ratio:5.1f} (quartiles {low:.1f}-{high:.1f}, {rounds} pairs; CPU {cpu:.1f})", end="  ")
    print(f"goal {case.goal:g}: {verdict}")
    (public_low, public_high), value = mine[2], mine[0]
    print(f"{'':31} public {value:.5f} [{public_low:.5f}, {public_high:.5f}], equal to typical in 10 decimals")


def agree() -> None:
    """Prints the analytic interval next to the one from 2,000 shared resamples of 20,000 rows."""
    generator = np.random.default_rng(1)
    n = 20_000
    counts = resample_counts(n, 2000, seed=2)
    every = np.ones(n, dtype=bool)
    truth = generator.gamma(4, 4, n)
    cases: tuple[tuple[Metric, Any, Any], ...] = (
        (RMSE, truth, truth + generator.normal(size=n)),
        (ACCURACY, generator.integers(0, 2, n), generator.integers(0, 2, n)),
    )
    for metric, answer, guess in cases:
        rows = metric.rows({"y": answer}, {"y": guess})
        analytic = metric.interval(rows, every)
        assert analytic is not None
        resampled = percentile_interval(metric.value(rows, counts), n)
        apart = max(abs(a - b) for a, b in zip(analytic, resampled, strict=True)) / (analytic[1] - analytic[0])
        ends = "  ".join(f"[{low:.5f}, {high:.5f}]" for low, high in (analytic, resampled))
        print(f"{metric.label:9} {n:,} rows, analytic and resampled: {ends}  apart {apart:.1%} of the width")


def main() -> None:
    parser = argparse.ArgumentParser(description="Grading speed next to the typical program.")
    parser.add_argument("--rounds", type=int, help="pairs of runs of each case")
    rounds = parser.parse_args().rounds
    classes, floats = Column("Class", "int", 0, 38), Column("tested_positive")
    million, thousand = range(1_000_000), range(1000)
    load_now = os.getloadavg()[0]
    print(f"{os.cpu_count()} cores, load {load_now:.1f}, Python {sys.version.split()[0]}, numpy {np.__version__}")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for case in (
            Case("accuracy, 10^6 rows", ACCURACY, "accuracy", TableFormat("Id", (classes,), million), 10, 11, folder),
            Case("RMSE, 10^6 rows", RMSE, "rmse", TableFormat("id", (floats,), million), 6, 11, folder),
            Case("RMSE, 1,000 rows", RMSE, "rmse", TableFormat("id", (floats,), thousand), 15, 301, folder),
            Case(
                "RMSE, 1,000 rows, answers kept",
                RMSE,
                "rmse",
                TableFormat("id", (floats,), thousand),
                15,
                301,
                folder,
                True,
            ),
        ):
            compare(case, rounds or case.rounds)
    agree()


if __name__ == "__main__":
    main()
