"""Log loss, F1, balanced accuracy, the quadratic weighted kappa and Matthews' correlation as rows and a value.

>>> import numpy as np
>>> truth, guess = {"y": np.array([1, 0, 1, 1])}, {"y": np.array([1, 0, 0, 1])}
>>> made = {
...     "f1": f1({"average": "binary", "beta": 1.0, "positive": "1"}, 1), "qwk": kappa({}, 1), "mcc": matthews({}, 1)
... }
>>> {name: round(metric.value(metric.rows(truth, guess)), 4) for name, metric in made.items()}
{'f1': 0.8, 'qwk': 0.5, 'mcc': 0.5774}
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.base import Columns
from tasks.boards import flipped, for_each, resampled_interval, stacked
from tasks.metrics import Metric, error_interval

Options = Mapping[str, Any]


def log_loss(options: Options, columns: int) -> Metric:
    """The mean of -log of the probability of what is true, which counts as no smaller than `clip`.

    One column holds the probability of a 1. Several are the classes of a row, whose probabilities are divided by their
    sum; or, with `columns=labels`, independent ones, whose losses are averaged.
    """
    clip = options["clip"]

    def rows(answers: Columns, predictions: Columns) -> NDArray[np.float64]:
        sides = stacked(answers, predictions).astype(np.float64)
        right, guess = sides[..., 0] == 1, sides[..., 1]
        if columns > 1 and options["columns"] == "classes":
            total = guess.sum(axis=1)
            true = (guess * right).sum(axis=1) / np.where(total == 0, 1.0, total)
        else:
            true = np.where(right, guess, 1 - guess)
        losses: NDArray[np.float64] = 0.0 - np.log(np.clip(true, clip, 1.0))  # no -0
        found: NDArray[np.float64] = losses if losses.ndim == 1 else losses.mean(axis=1)
        return found

    return Metric("log_loss", "log loss", False, 0.0, -math.log(clip), 5, rows, interval=error_interval)


def codes(answers: Columns, predictions: Columns) -> NDArray[np.int64]:
    """The labels of both sides as whole numbers from 0 (n, 2), in the order of the labels."""
    (name,) = answers
    n = len(answers[name])
    found = np.unique(np.concatenate([answers[name], predictions[name]]), return_inverse=True)[1]
    return np.stack([found[:n], found[n:]], axis=1)


def _counts(rows: NDArray[np.int64], weight: NDArray[np.float64]) -> tuple[NDArray[Any], ...]:
    """How often each label is hit, is true and is predicted, for the labels that occur."""
    most = int(rows.max()) + 1
    hit = np.bincount(rows[:, 0], weight * (rows[:, 0] == rows[:, 1]), most)
    true, said = (np.bincount(rows[:, side], weight, most) for side in (0, 1))
    occurs = true + said > 0
    return hit[occurs], true[occurs], said[occurs]


def f1(options: Options, columns: int) -> Metric:
    """The F measure, with recall weighing `beta` times as much as precision; a label never hit has 0.

    `binary`: of the label `positive` alone. `macro`: the mean over the labels that occur on the board. `micro`: of all
    hits together. `weighted`: the mean over labels by how often they are true. Several columns of 0 and 1 are one label
    each.
    """
    average, beta, positive = options["average"], options["beta"], str(options["positive"])

    def rows(answers: Columns, predictions: Columns) -> NDArray[Any]:
        if average != "binary" and columns == 1:
            return codes(answers, predictions)
        is_one = {
            name: [side[name].astype(np.str_) == (positive if average == "binary" else "1") for side in sides]
            for name, sides in ((name, (answers, predictions)) for name in answers)
        }
        return np.stack([np.stack(sides, axis=-1) for sides in is_one.values()], axis=1)

    def value_of(rows: NDArray[Any], weight: NDArray[np.float64]) -> float:
        if rows.ndim == 2:
            hit, true, said = _counts(rows, weight)
        else:
            hit, true, said = (weight @ side for side in (rows.all(axis=-1), rows[..., 0], rows[..., 1]))
        return f_of(hit, true, said, average, beta)

    value = for_each(value_of)
    name = "f1_score" if beta == 1 else "fbeta_score"
    label = f"F{beta:g}" if average == "binary" else f"{average} F{beta:g}"
    return Metric(name, label, True, 1.0, 0.0, 5, rows, value=value, interval=resampled_interval(value))


def f_of(
    hit: NDArray[np.float64], true: NDArray[np.float64], said: NDArray[np.float64], average: str, beta: float
) -> float:
    """The F measure from how often each label is hit, is true and is predicted (k,)."""
    if average == "micro":
        hit, true, said = (np.array([side.sum()]) for side in (hit, true, said))
    gained = (1 + beta**2) * hit
    below = gained + beta**2 * (true - hit) + (said - hit)
    each = gained / np.where(below == 0, 1.0, below)
    if average == "weighted":
        return float(each @ true / true.sum()) if true.any() else 0.0
    return float(each.mean())


def balanced_accuracy(options: Options, columns: int) -> Metric:
    """The mean over the labels that are true on the board of the share of their rows that is hit."""

    def value_of(rows: NDArray[np.int64], weight: NDArray[np.float64]) -> float:
        hit, true, _ = _counts(rows, weight)
        return float((hit[true > 0] / true[true > 0]).mean())

    value = for_each(value_of)
    return Metric(
        "balanced_accuracy_score",
        "balanced accuracy",
        True,
        1.0,
        0.0,
        5,
        codes,
        value=value,
        interval=resampled_interval(value),
    )


def matthews(options: Options, columns: int) -> Metric:
    """Matthews' correlation of two or more labels; 0 where only one is true, or only one is predicted.

    Gorodkin, Comparing two K-category assignments by a K-category correlation coefficient, Computational Biology and
    Chemistry 28 (2004).
    """

    def value_of(rows: NDArray[np.int64], weight: NDArray[np.float64]) -> float:
        hit, true, said = _counts(rows, weight)
        total = weight.sum()
        below = (total**2 - said @ said) * (total**2 - true @ true)
        found = (hit.sum() * total - true @ said) / math.sqrt(below) if below > 0 else 0.0
        return float(min(max(found, -1.0), 1.0))

    value = for_each(value_of)
    return Metric(
        "matthews_correlation_score",
        "MCC",
        True,
        1.0,
        -1.0,
        5,
        codes,
        value=value,
        interval=resampled_interval(value),
        hint=flipped,
    )


def kappa(options: Options, columns: int) -> Metric:
    """Cohen's kappa with quadratic weights of whole-number ratings; 1 where all ratings of both sides are the same.

    The weight of a pair is the squared difference of its ratings, so the value follows from means alone: it is 1 less
    the mean squared error over that of independent ratings. Cohen, Weighted kappa, Psychological Bulletin 70 (1968).
    """

    def rows(answers: Columns, predictions: Columns) -> NDArray[np.float64]:
        sides = stacked(answers, predictions)[:, 0]
        found: NDArray[np.float64] = (sides - sides.min()).astype(np.float64)
        return found

    def value_of(rows: NDArray[np.float64], weight: NDArray[np.float64]) -> float:
        right, guess = rows[:, 0], rows[:, 1]
        total = weight.sum()
        # Whole numbers, so that sums are exact.
        errors = total * float(weight @ np.square(right - guess))
        by_chance = total * float(weight @ (np.square(right) + np.square(guess)))
        by_chance -= 2 * float(weight @ right) * float(weight @ guess)
        return 1 - errors / by_chance if by_chance > 0 else 1.0

    value = for_each(value_of)
    return Metric(
        "quadratic_weighted_kappa_score",
        "quadratic weighted kappa",
        True,
        1.0,
        -1.0,
        5,
        rows,
        value=value,
        interval=resampled_interval(value),
        hint=flipped,
    )
