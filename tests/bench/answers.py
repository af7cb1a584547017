"""How fast exact match and character F1 are, next to the plain evaluation of SQuAD.

    python tests/bench/answers.py [--answers N] [--rounds N]

Both run in one process, in turns, on the same made-up answers, a tenth of which have two right ones. Ours is the rows
of both metrics, and of each the values of all, of the public and of the private answers and the two 95 % intervals by
paragraph; theirs is the usual loop over the answers, three times, without any interval. All values are equal.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2]))

from tasks.metrics import ANSWER_MATCH, CHARACTER_F1

Texts = tuple[list[list[str]], list[str]]  # right answers and predictions


def draw(n: int) -> Texts:
    """Answers of 2 to 12 characters, and predictions of which half are right and the others have more or less."""
    rng = np.random.default_rng(0)
    signs = np.array([chr(0x4E00 + place) for place in range(2000)] + list("0123456789,元"))
    right, said = [], []
    for length in rng.integers(2, 13, n).tolist():
        several = ["".join(rng.choice(signs, length)) for _ in range(1 + (rng.random() < 0.1))]
        right.append(several)
        kind, last = rng.random(), several[-1]
        said.append(last if kind < 0.5 else last[1:] if kind < 0.75 else last + "".join(rng.choice(signs, 3)))
    return right, said


def ours(texts: Texts, public: Any, groups: Any) -> list[float]:
    answers = {"answer": np.array(["\n".join(right) for right in texts[0]])}
    predictions = {"answer": np.array(texts[1])}
    found = []
    for metric in (ANSWER_MATCH, CHARACTER_F1):
        rows = metric.rows(answers, predictions)
        for mask in (np.ones(len(rows), dtype=bool), public, ~public):
            found.append(metric.value(rows, mask))
        assert metric.interval(rows, public, groups) is not None
        assert metric.interval(rows, ~public, groups) is not None
    return found


def normalised(text: str) -> str:
    return text.replace(",", "").strip()


def f1(right: str, said: str) -> float:
    same = sum((Counter(normalised(right)) & Counter(normalised(said))).values())
    if not same:
        return 0.0
    precision, recall = same / len(normalised(said)), same / len(normalised(right))
    return 2 * precision * recall / (precision + recall)


def theirs(texts: Texts, public: Any) -> list[float]:
    exact, overlap = [], []
    for mask in (np.ones(len(public), dtype=bool), public, ~public):
        hits, total, count = 0.0, 0.0, 0
        for right, said, inside in zip(*texts, mask.tolist(), strict=True):
            if inside:
                hits += max(normalised(one) == normalised(said) for one in right)
                total += max(f1(one, said) for one in right)
                count += 1
        exact.append(hits / count)
        overlap.append(total / count)
    return exact + overlap


def milliseconds(function: Callable[[], Any]) -> float:
    start = time.perf_counter()
    function()
    return (time.perf_counter() - start) * 1e3


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--answers", type=int, default=5000)
    parser.add_argument("--rounds", type=int, default=9)
    given = parser.parse_args()
    texts = draw(given.answers)
    public, groups = np.arange(given.answers) % 8 < 4, np.arange(given.answers) // 4
    assert np.allclose(ours(texts, public, groups), theirs(texts, public), atol=1e-12), "the values differ"
    pairs = [
        (milliseconds(lambda: theirs(texts, public)), milliseconds(lambda: ours(texts, public, groups)))
        for _ in range(given.rounds)
    ]
    ratios = sorted(slow / fast for slow, fast in pairs)
    slow, fast = (statistics.median(pair[side] for pair in pairs) for side in (0, 1))
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, Python {sys.version.split()[0]}, ", end="")
    print(f"numpy {np.__version__}")
    print(f"exact match and F1, {given.answers:,} answers: SQuAD's loop x3 {slow:.0f} ms, ours {fast:.1f} ms, ", end="")
    print(f"ratio {statistics.median(ratios):.1f} (from {ratios[0]:.1f} to {ratios[-1]:.1f}, {given.rounds} rounds)")


if __name__ == "__main__":
    main()
