"""How fast the AUC of both boards is, with its intervals, next to scikit-learn's two calls without any.

    python tests/bench/auc.py [--rows N] [--rounds N]

Both sides run in one process, in turns (A B A B), on the same arrays: ours is the metric's rows, the public and the
private value and their 95 % intervals; theirs is `sklearn.metrics.roc_auc_score` of the public and of the private rows.
The values of both must be equal in twelve decimals. Ratios are of wall time and of CPU time.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import sklearn
from sklearn.metrics import roc_auc_score

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT)]

from tasks.auc import AUC  # noqa: E402
from tasks.metrics import percentile_interval, resample_counts  # noqa: E402

Sides = tuple[Any, Any, Any]  # labels, scores, which rows are public


def ours(sides: Sides) -> tuple[float, float, Any, Any]:
    """Public and private value and their intervals."""
    labels, scores, public = sides
    rows = AUC.rows({"score": labels}, {"score": scores})
    private = ~public
    values = AUC.value(rows, public), AUC.value(rows, private)
    return (*values, AUC.interval(rows, public), AUC.interval(rows, private))


def theirs(sides: Sides) -> tuple[float, float]:
    labels, scores, public = sides
    private = ~public
    return roc_auc_score(labels[public], scores[public]), roc_auc_score(labels[private], scores[private])


def milliseconds(function: Callable[[Sides], Any], sides: Sides) -> tuple[float, float]:
    """Wall and CPU time."""
    start, start_cpu = time.perf_counter(), time.process_time()
    function(sides)
    return (time.perf_counter() - start) * 1e3, (time.process_time() - start_cpu) * 1e3


def draw(kind: str, n: int) -> Sides:
    """Labels, half of them 1, scores of a kind, and a half-and-half split."""
    generator = np.random.default_rng(0)
    labels = generator.integers(0, 2, n)
    scores = generator.normal(size=n) + labels
    if kind == "errors":  # of reconstruction: positive, of many sizes
        scores = np.exp(2 * scores) * 1000
    if kind == "ties":
        scores = scores.round(2)
    return labels, scores, generator.permutation(np.arange(n) % 2 == 0)


def compare(kind: str, n: int, rounds: int, goal: float) -> None:
    """Asserts equal values, runs both sides in turns, prints medians and ratios."""
    sides = draw(kind, n)
    mine, other = ours(sides), theirs(sides)
    assert all(abs(a - b) < 1e-12 for a, b in zip(mine[:2], other, strict=True)), (mine, other)
    pairs = [(milliseconds(theirs, sides), milliseconds(ours, sides)) for _ in range(rounds)]
    slow, fast = (statistics.median(side[0] for side in column) for column in zip(*pairs, strict=True))
    low, ratio, high = statistics.quantiles([a[0] / b[0] for a, b in pairs], n=4)
    cpu = statistics.median(a[1] for a, _ in pairs) / statistics.median(b[1] for _, b in pairs)
    print(f"AUC, {n:,} rows, {kind:7} scikit-learn {slow:8.2f} ms  ours {fast:7.2f} ms", end="  ")
    print(f"ratio {ratio:5.1f} (quartiles {low:.1f}-{high:.1f}, {rounds} pairs; CPU {cpu:.1f})", end="  ")
    print(f"goal {goal:g}: {'reached' if ratio >= goal else 'MISSED'}")
    value, (begin, end) = mine[0], mine[2]
    print(f"{'':20} public {value:.5f} [{begin:.5f}, {end:.5f}], equal to scikit-learn in 12 decimals")


def agree() -> None:
    """Prints DeLong's interval next to the one from 2,000 resamples of 20,000 rows."""
    labels, scores, _ = draw("scores", 20_000)
    rows = AUC.rows({"score": labels}, {"score": scores})
    analytic = AUC.interval(rows, np.ones(len(rows), dtype=bool))
    assert analytic is not None
    resampled = percentile_interval(AUC.value(rows, resample_counts(len(rows), 2000, seed=2)), len(rows))
    apart = max(abs(a - b) for a, b in zip(analytic, resampled, strict=True)) / (analytic[1] - analytic[0])
    ends = "  ".join(f"[{low:.5f}, {high:.5f}]" for low, high in (analytic, resampled))
    print(f"AUC, 20,000 rows, DeLong and 2,000 resamples: {ends}  apart {apart:.1%} of the width")


def main() -> None:
    parser = argparse.ArgumentParser(description="Speed of the AUC next to scikit-learn.")
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=11, help="pairs of runs of each case")
    options = parser.parse_args()
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, Python {sys.version.split()[0]}", end=", ")
    print(f"numpy {np.__version__}, scikit-learn {sklearn.__version__}")
    for kind in ("scores", "errors", "ties"):
        compare(kind, options.rows, options.rounds, 5)
    agree()


if __name__ == "__main__":
    main()
