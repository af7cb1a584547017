"""What a day's submissions can reveal of hidden answers through shown scores: upper bounds, and known attacks.

    python tests/bench/tells.py [--trials N]

The first table counts. A score that is cut can be one of so many numbers; the logarithm of that is the most that one
submission tells, in bits (yes-or-no facts), and five a day tell five times as much, whatever the file. The two ends of
an interval are counted with all their values too, although most of them follow from the score.

The second table attacks. A made-up class has HW1's 893 rows and a student whose model is off by 0.9, as the strong
baseline's is. One attack changes one cell to the far end of its bounds and solves for the label. The other changes k
cells by steps of different size, which add up differently for each choice of public rows, and takes the choice that
fits the score and the width of its interval best, whatever the labels are within the model's error. Each is run against
scores and intervals as they are shown and against exact ones, within the bounds of the column and without any.
"""

from __future__ import annotations

import argparse
import itertools
import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT)]

from harness.shown import SIGNIFICANT, SIGNIFICANT_ENDS, interval_decimals, shown, shown_interval  # noqa: E402
from tasks.metrics import Z95  # noqa: E402

ERROR = 0.9
"""The standard deviation of the student's model from the labels, in per cent."""

MOST_ROWS = 10
"""The most rows that one file asks about; all their combinations are weighed."""

QUOTA = 5
"""Submissions a day in every edition."""

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Case:
    """A homework's public board: its metric, its number of rows, and the range of scores.

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
    Case("HW2", "accuracy", 19_244, 5, 0, 1, levels=19_245),
    Case("HW3", "accuracy", 500, 5, 0, 1, levels=501),
    Case("HW4", "accuracy", 480, 5, 0, 1, levels=481),
    Case("HW5", "BLEU", 500, 2, 0, 100),
    Case("HW6", "FID", 1000, 5, 0, 1000, interval=False),
    Case("HW6", "face rate", 1000, 5, 0, 1, levels=1001),
    Case("HW7", "exact match", 320, 5, 0, 1, levels=321),
    Case("HW7", "character F1", 320, 5, 0, 1),
    Case("HW8", "AUC", 1000, 5, 0, 1),
    Case("HW11", "accuracy", 1500, 5, 0, 1, levels=1501),
    Case("HW15", "accuracy", 1600, 5, 0, 1, levels=1601),
)
"""The built-in editions in their small size, half of the rows public; those of HW2 and HW7 differ a little by key."""


def values(least: float, most: float, digits: int, significant: int = SIGNIFICANT) -> int:
    """How many different numbers from `least` to `most` truncation leaves.

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
    """The most that one score reveals, and the most that its interval adds."""
    score = math.log2(case.levels or values(case.least, case.most, case.digits))
    if case.levels or not case.interval:  # a share's interval follows from it
        return score, 0.0
    return score, 2 * math.log2(values(case.least, case.most, max(case.digits - 2, 2), SIGNIFICANT_ENDS))


@dataclass(frozen=True)
class World:
    """Labels, which of them are public, a good model's predictions, and whether scores are truncated."""

    labels: Floats
    public: NDArray[np.bool_]
    model: Floats
    cut: bool

    def sums(self, predictions: Floats) -> tuple[float, float, float]:
        """The public sums of squared errors and of their squares as the answer tells them, and how far off the last is.

        The answer is the RMSE with the interval of the delta method.
        """
        n = int(self.public.sum())
        squares = (predictions - self.labels)[self.public] ** 2
        rmse = math.sqrt(float(squares.mean()))
        half = Z95 * float(squares.std(ddof=1)) / (2 * math.sqrt(n) * rmse)
        off = 1e-9
        if self.cut:
            ends = rmse - half, rmse + half
            unit = 10.0 ** -interval_decimals(ends, 5)
            low, high = shown_interval(ends, 5)
            rmse, half, off = shown(rmse, 5), max((high - low - unit) / 2, unit / 8), unit / math.sqrt(24)
        spread = (2 * rmse * half * math.sqrt(n) / Z95) ** 2
        return n * rmse**2, spread * (n - 1) + n * rmse**4, 2 * spread * off / half * (n - 1)


def world(seed: int, cut: bool) -> World:
    """HW1's size: 893 labels in per cent, half of them public."""
    random = np.random.default_rng(seed)
    labels = np.clip(random.gamma(4, 4, 893), 0, 100)
    public = np.zeros(893, bool)
    public[random.permutation(893)[:447]] = True
    return World(labels, public, labels + random.normal(0, ERROR, 893), cut)


def one_row(made: World, row: int) -> tuple[bool, float]:
    """Whether the attack takes a row for public, and the label it finds: two scores reveal both.

    A step of some 100 serves it best, also where cells have no bounds.
    """
    changed, before = made.model.copy(), made.model[row]
    changed[row] = far = 0.0 if before > 50 else 100.0
    moved = made.sums(changed)[0] - made.sums(made.model)[0]
    return abs(moved) > 0.5 * (far - before) ** 2, (far + before) / 2 - moved / (2 * (far - before))


def sides(made: World, rows: Sequence[int], sizes: Floats) -> NDArray[np.bool_]:
    """The likeliest set of public rows, from one more file in which the rows are moved by these sizes.

    The model's errors e of the rows are unknown and normal. For each choice they are fitted to both sums by
    Gauss-Newton steps, and the choice is weighed by how likely the sums then are.
    """
    steps = np.where(made.model[list(rows)] < 50, sizes, -sizes)
    changed = made.model.copy()
    changed[list(rows)] += steps
    before, after = made.sums(made.model), made.sums(changed)
    told = np.array([after[0] - before[0], after[1] - before[1]])
    off = np.array([447 * 2 * math.sqrt(after[0] / 447) * 1e-5 if made.cut else 0.0, math.hypot(after[2], before[2])])
    choices = np.array(list(itertools.product((False, True), repeat=len(rows))))
    errors = np.zeros(choices.shape)
    for _ in range(6):
        ends = [choices * ((steps + errors) ** p - errors**p) for p in (2, 4)]
        moved = np.stack([end.sum(axis=1) for end in ends], axis=1)  # (choices, 2)
        slopes = np.stack([choices * p * ((steps + errors) ** (p - 1) - errors ** (p - 1)) for p in (2, 4)], axis=1)
        scale = np.maximum(np.abs(told), np.abs(moved)) + 1.0  # doubles hold no square of the largest sums
        slopes /= scale[:, :, None]
        rest = (told - moved) / scale + np.einsum("cpk,ck->cp", slopes, errors)
        noise = np.eye(2) * ((off / scale) ** 2 + 1e-12)[:, :, None]
        within = ERROR**2 * np.einsum("cpk,cqk->cpq", slopes, slopes) + noise
        weights = np.linalg.solve(within, rest[:, :, None])[:, :, 0]
        errors = np.clip(ERROR**2 * np.einsum("cpk,cp->ck", slopes, weights), -4 * ERROR, 4 * ERROR)
    likely = -np.einsum("cp,cp->c", rest, weights) - np.linalg.slogdet(within)[1] - 2 * np.log(scale).sum(axis=1)
    best: NDArray[np.bool_] = choices[int(np.argmax(likely))]
    return best


def label_errors(cut: bool, trials: int) -> tuple[float, float]:
    """The share of rows whose side the one-row attack gets right, and the median error of the public labels."""
    right, errors = 0, []
    for seed in range(trials):
        made = world(seed, cut)
        row = seed % 893
        is_public, label = one_row(made, row)
        right += is_public == made.public[row]
        if made.public[row]:
            errors.append(abs(label - made.labels[row]))
    return right / trials, float(np.median(errors))


def sides_told(cut: bool, most: float, trials: int) -> int:
    """The most rows in one file, up to `MOST_ROWS`, of which 95 % of the sides come out right.

    The steps go down from the largest that the bounds allow, by the ratio that serves the attack best.
    """
    best = 0
    for ratio in (0.5, 0.6, 0.7, 0.8):
        for count in range(1, MOST_ROWS + 1):
            steps: Floats = most * ratio ** np.arange(count, dtype=np.float64)
            right = 0
            for seed in range(trials):
                made = world(seed, cut)
                rows = np.random.default_rng(seed).permutation(893)[:count]
                right += int((sides(made, rows.tolist(), steps) == made.public[rows]).sum())
            if right / (count * trials) >= 0.95:
                best = max(best, count)
    return best


def bound_table() -> list[str]:
    """The most that a day reveals, as a Markdown table."""
    lines = [
        "| homework | metric | public rows | a score, bits | its interval, bits | a day's five, bits |",
        "|---|---|---|---|---|---|",
    ]
    for case in CASES:
        score, ends = bits(case)
        day = QUOTA * (score + ends)
        lines.append(f"| {case.homework} | {case.metric} | {case.rows:,} | {score:.1f} | {ends:.1f} | {day:.0f} |")
    return lines


WAYS = (
    ("cut, cells from 0 to 100", True, 60.0),
    ("exact, cells from 0 to 100", False, 60.0),
    ("cut, cells without bounds", True, 1e9),
    ("exact, cells without bounds", False, 1e9),
)
"""How scores are shown, and the largest step that is left to every cell."""


def attack_table(trials: int) -> list[str]:
    """The results of the attacks, as a Markdown table."""
    lines = [
        "| scores and cells | side of one row right | its label, median error | sides that one file tells |",
        "|---|---|---|---|",
    ]
    for name, cut, most in WAYS:
        right, error = label_errors(cut, trials)
        count = sides_told(cut, most, trials)
        more = " or more" if count == MOST_ROWS else ""
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
