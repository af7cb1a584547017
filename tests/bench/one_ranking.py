"""How often percentiles of resamples would contain the true NDCG of one ranking: too rarely, so it has no interval.

    python tests/bench/one_ranking.py [--boards 400] [--seed 1]

A board is one ranking of n rows from a pool of 20,000, and the truth is the mean NDCG of 3,000 boards of n rows. A
resample has rows several times, which share a place; so it is no ranking like the board, and its NDCG is another one.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))
from tasks.boards import resampled_interval  # noqa: E402
from tasks.named import NAMED  # noqa: E402

POOL, TRUTH = 20_000, 3_000
LAWS = ("four grades", "one row in twenty relevant")


def covered(law: str, k: int, n: int, boards: int, seed: int) -> float:
    """Per cent of the boards whose resampled interval contains the truth."""
    rng = np.random.default_rng(seed)
    gains = rng.integers(0, 4, POOL) if law == LAWS[0] else rng.random(POOL) < 0.05
    said = gains + rng.normal(0, 1, POOL)
    metric = NAMED["ndcg"].metric({"k": k}, 1)
    interval, every = resampled_interval(metric.value), np.ones(n)

    def board() -> Any:
        rows = rng.integers(0, POOL, n)
        return metric.rows({"y": gains[rows].astype(float)}, {"y": said[rows]})

    truth = np.mean([metric.value(board(), every) for _ in range(TRUTH)])
    ends = [interval(board(), every, None) for _ in range(boards)]
    return 100 * float(np.mean([pair is not None and pair[0] <= truth <= pair[1] for pair in ends]))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--boards", type=int, default=400)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    for law in LAWS:
        for k in (0, 10):
            found = [f"{n} rows {covered(law, k, n, given.boards, given.seed):5.1f} %" for n in (50, 500)]
            print(f"NDCG{f'@{k}' if k else ''}, {law}: {'   '.join(found)}", flush=True)


if __name__ == "__main__":
    main()
