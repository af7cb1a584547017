"""What a day's quota can tell of hidden answers through shown scores: at most, and by the attacks that are known.

    python tests/bench/tells.py [--trials N]

The first table counts. A score that is cut can be one of so many numbers; the logarithm of that is the most that one
submission tells, in bits (yes-or-no facts), and five a day tell five times as much, whatever the file. The two ends of
an interval are counted with all their values too, although most of them follow from the score.

The second table attacks. A made-up class has HW1's 893 rows and a student whose model is off by 0.9, as the strong
baseline's is. One attack changes one cell to the far end of its bounds and solves for the label. The other changes k
cells by steps of different size, which add up differently for each choice of public rows, and takes the choice that
fits the score best. Each is run against the scores as they are shown and against exact ones, within the bounds of the
column and without any.
"""

from __future__ import annotations

import argparse
import itertools
import math
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT)]

from harness.shown import SIGNIFICANT, SIGNIFICANT_ENDS, shown  # noqa: E402

QUOTA = 5
"""Submissions a day in every edition."""

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Case:
    """A homework's public board: its metric, how many rows it has, and the ends of what can be shown.

    `levels` are the values that n hits can have, where the score is a share of them.
    """

    homework: str
    metric: str
    rows: int
    digits: int
    least: float
    most: float
    levels: int | None = None
    interval: bool = True


CASES = (
    Case("HW1", "RMSE", 447, 5, 0, 100),
    Case("HW1, 2022", "MSE", 539, 5, 0, 10_000),
    Case("HW3", "accuracy", 500, 5, 0, 1, levels=501),
    Case("HW5", "BLEU", 500, 2, 0, 100),
    Case("HW6", "FID", 1000, 5, 0, 1000, interval=False),
    Case("HW6", "face rate", 1000, 5, 0, 1, levels=1001),
    Case("HW8", "AUC", 1000, 5, 0, 1),
)
"""The built-in editions in their small size, half of the rows public."""


def values(least: float, most: float, digits: int, significant: int = SIGNIFICANT) -> int:
    """How many different numbers from `least` to `most` are left of them by a cut.

    >>> values(0, 1, 5), values(0, 100, 5)
    (100001, 1900001)
    """
    if least < 0:
        return values(0, -least, digits, significant) + values(0, most, digits, significant) - 1
    count, low = 0.0, 0.0
    while low < most:
        power = max(significant - digits, math.floor(math.log10(low)) + 1 if low else -math.inf)
        high = min(most, 10.0**power)
        step = 10.0 ** -min(digits, significant - int(power))
        count += (high - low) / step
        low = high
    return round(count) + 1


def bits(case: Case) -> tuple[float, float]:
    """The most that one score tells, and the most that its interval adds."""
    score = math.log2(case.levels or values(case.least, case.most, case.digits))
    if case.levels or not case.interval:  # a share's interval follows from it
        return score, 0.0
    return score, 2 * math.log2(values(case.least, case.most, max(case.digits - 2, 2), SIGNIFICANT_ENDS))


@dataclass(frozen=True)
class World:
    """Labels, which of them are public, what a good model says of them, and how the score comes back."""

    labels: Floats
    public: NDArray[np.bool_]
    model: Floats
    answer: Callable[[float], float]

    def score(self, predictions: Floats) -> float:
        """The public RMSE as it is told."""
        return self.answer(math.sqrt(float(np.mean((predictions - self.labels)[self.public] ** 2))))

    def moved(self, places: Sequence[int], to: Floats) -> float:
        """By how much these cells change the sum of squared errors, as far as the scores say."""
        changed = self.model.copy()
        changed[list(places)] = to
        return float(self.public.sum()) * (self.score(changed) ** 2 - self.score(self.model) ** 2)


def world(seed: int, answer: Callable[[float], float], error: float = 0.9) -> World:
    """HW1's size: 893 labels in per cent, half of them public."""
    random = np.random.default_rng(seed)
    labels = np.clip(random.gamma(4, 4, 893), 0, 100)
    public = np.zeros(893, bool)
    public[random.permutation(893)[:447]] = True
    return World(labels, public, labels + random.normal(0, error, 893), answer)


def one_row(made: World, row: int) -> tuple[bool, float]:
    """Whether a row is said to be public, and its label as the attack has it: two scores tell both.

    A step of some 100 serves it best, also where cells have no bounds.
    """
    before = made.model[row]
    far = 0.0 if before > 50 else 100.0
    moved = made.moved([row], np.array([far]))
    is_public = abs(moved) > 0.5 * (far - before) ** 2
    return is_public, (far + before) / 2 - moved / (2 * (far - before))


def sides(made: World, rows: Sequence[int], steps: Floats, error: float = 0.9) -> NDArray[np.bool_]:
    """Which of the rows are public by one more score: the choice whose sum of squares fits it best."""
    before = made.model[list(rows)]
    direction = np.where(before < 50, 1.0, -1.0)
    moved = made.moved(rows, before + direction * steps)
    choices = np.array(list(itertools.product((False, True), repeat=len(rows))))
    expected, spread = choices @ steps**2, choices @ (2 * steps * error) ** 2 + 1e-2
    likely = -((moved - expected) ** 2) / spread - np.log(spread)
    best: NDArray[np.bool_] = choices[int(np.argmax(likely))]
    return best


def label_errors(answer: Callable[[float], float], trials: int) -> tuple[float, float]:
    """The share of rows whose side the one-row attack gets right, and the median error of the public labels."""
    right, errors = 0, []
    for seed in range(trials):
        made = world(seed, answer)
        row = seed % 893
        is_public, label = one_row(made, row)
        right += is_public == made.public[row]
        if made.public[row]:
            errors.append(abs(label - made.labels[row]))
    return right / trials, float(np.median(errors))


def sides_told(answer: Callable[[float], float], most: float, trials: int) -> int:
    """The most rows in one file, up to twelve, of which 95 % of the sides come out right.

    The steps go down from the largest that the bounds allow, by the ratio that serves the attack best.
    """
    best = 0
    for ratio in (0.5, 0.6, 0.7, 0.8):
        for count in range(1, 13):
            steps: Floats = most * ratio ** np.arange(count, dtype=np.float64)
            right = 0
            for seed in range(trials):
                made = world(seed, answer)
                rows = np.random.default_rng(seed).permutation(893)[:count]
                right += int((sides(made, rows.tolist(), steps) == made.public[rows]).sum())
            if right / (count * trials) >= 0.95:
                best = max(best, count)
    return best


def bound_table() -> list[str]:
    """The most that a day tells, as rows of a table in Markdown."""
    lines = ["| homework | metric | public rows | a score, bits | its interval, bits | a day's five, bits |",
             "|---|---|---|---|---|---|"]  # fmt: skip
    for case in CASES:
        score, ends = bits(case)
        day = QUOTA * (score + ends)
        lines.append(f"| {case.homework} | {case.metric} | {case.rows:,} | {score:.1f} | {ends:.1f} | {day:.0f} |")
    return lines


def exact(value: float) -> float:
    return value


def cut(value: float) -> float:
    return shown(value, 5)


WAYS: tuple[tuple[str, Callable[[float], float], float], ...] = (
    ("cut, cells from 0 to 100", cut, 100.0),
    ("exact, cells from 0 to 100", exact, 100.0),
    ("cut, cells without bounds", cut, 1e9),
    ("exact, cells without bounds", exact, 1e9),
)


def attack_table(trials: int) -> list[str]:
    """What the attacks get, as rows of a table in Markdown."""
    lines = ["| scores and cells | side of one row right | its label, median error | sides that one file tells |",
             "|---|---|---|---|"]  # fmt: skip
    for name, answer, most in WAYS:
        right, error = label_errors(answer, trials)
        count = sides_told(answer, 0.6 * most, trials)
        more = " or more" if count == 12 else ""
        lines.append(f"| {name} | {right:.0%} | {error:.1g} | {count}{more} |")
    return lines


def main(words: Sequence[str] | None = None) -> Any:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=100, help="made-up classes for each attack")
    options = parser.parse_args(words)
    print("\n".join(bound_table()))
    print()
    print("\n".join(attack_table(options.trials)))


if __name__ == "__main__":
    main()
