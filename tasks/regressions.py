"""RMSLE, R², MAPE, the pinball loss, MCRMSE and Pearson's correlation as rows and a value.

Several columns count alike: each value is the mean of the values of the columns.

>>> import numpy as np
>>> truth, guess = {"y": np.array([1.0, 2.0, 4.0])}, {"y": np.array([1.0, 3.0, 4.0])}
>>> made = {"mape": mape({}, 1), "r2": r2({}, 1), "pinball": pinball({"quantile": 0.9}, 1), "pearson": pearson({}, 1)}
>>> {name: round(metric.value(metric.rows(truth, guess)), 4) for name, metric in made.items()}
{'mape': 0.1667, 'r2': 0.7857, 'pinball': 0.0333, 'pearson': 0.9286}
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.base import Columns
from tasks.boards import flipped, for_each, resampled_interval, stacked
from tasks.metrics import Metric, error_interval, root_interval, root_mean, squared_errors

Options = Mapping[str, Any]


def rmsle(options: Options, columns: int) -> Metric:
    """The root of the mean squared difference of log(1 + y); answers and predictions are not below 0."""

    def rows(answers: Columns, predictions: Columns) -> NDArray[np.float64]:
        logs = [{name: np.log1p(side[name].astype(np.float64)) for name in answers} for side in (answers, predictions)]
        found: NDArray[np.float64] = squared_errors(*logs)
        return found

    return Metric(
        "root_mean_squared_log_error", "RMSLE", False, 0.0, math.inf, 5, rows, value=root_mean, interval=root_interval
    )


def mape(options: Options, columns: int) -> Metric:
    """The mean of the absolute errors, each divided by the size of its answer, which is not 0; 0.1 means 10 %."""

    def rows(answers: Columns, predictions: Columns) -> NDArray[np.float64]:
        shares = [np.abs((predictions[name] - right) / right) for name, right in answers.items()]
        found: NDArray[np.float64] = np.mean(shares, axis=0)
        return found

    name = "mean_absolute_percentage_error"
    return Metric(name, "MAPE", False, 0.0, math.inf, 5, rows, interval=error_interval)


def pinball(options: Options, columns: int) -> Metric:
    """The mean pinball loss of a quantile q: an answer above its prediction costs q for each unit, below it 1 - q.

    Koenker and Bassett, Regression Quantiles, Econometrica 46 (1978).
    """
    quantile = options["quantile"]

    def rows(answers: Columns, predictions: Columns) -> NDArray[np.float64]:
        above = [right - predictions[name] for name, right in answers.items()]
        losses = [np.maximum(quantile * one, (quantile - 1) * one) for one in above]
        found: NDArray[np.float64] = np.mean(losses, axis=0) + 0.0  # no -0
        return found

    label = f"pinball loss ({quantile:g})"
    return Metric("mean_pinball_loss", label, False, 0.0, math.inf, 5, rows, interval=error_interval)


def mcrmse(options: Options, columns: int) -> Metric:
    """The mean of the columns' RMSE."""

    def rows(answers: Columns, predictions: Columns) -> NDArray[np.float64]:
        sides = stacked(answers, predictions)
        found: NDArray[np.float64] = np.square(sides[..., 0] - sides[..., 1])
        return found

    value = for_each(lambda rows, weight: float(np.sqrt(weight @ rows / weight.sum()).mean()))
    name = "mean_columnwise_root_mean_squared_error"
    return Metric(name, "MCRMSE", False, 0.0, math.inf, 5, rows, value=value, interval=resampled_interval(value))


def r2(options: Options, columns: int) -> Metric:
    """R²: 1 less the squared errors over the squared deviations of the answers from their mean on the board.

    Where all answers of a board are the same it is 1 for a perfect file and else 0, as in scikit-learn.
    """

    def rows(answers: Columns, predictions: Columns) -> NDArray[np.float64]:
        sides = stacked(answers, predictions)
        errors, deviations = sides[..., 0] - sides[..., 1], sides[..., 0] - sides[0, :, 0]
        scale = np.abs(deviations).max(axis=0)
        scale[scale == 0] = 1.0  # squares stay within the doubles
        return np.stack([np.square(errors / scale), deviations / scale], axis=-1)

    value = for_each(_mean_r2)
    return Metric("r2_score", "R²", True, 1.0, -math.inf, 5, rows, value=value, interval=resampled_interval(value))


def _mean_r2(rows: NDArray[np.float64], weight: NDArray[np.float64]) -> float:
    errors, answers = rows[..., 0], rows[..., 1]
    lost = weight @ errors
    spread = weight @ np.square(answers - weight @ answers / weight.sum())
    same = answers.max(axis=0) == answers.min(axis=0)
    found = np.where(same, np.where(lost == 0, 1.0, 0.0), 1 - lost / np.where(same, 1.0, spread))
    return float(found.mean())


def pearson(options: Options, columns: int) -> Metric:
    """Pearson's correlation; 0 where all answers or all predictions of a board are the same."""

    def rows(answers: Columns, predictions: Columns) -> NDArray[np.float64]:
        sides = stacked(answers, predictions).astype(np.float64)
        sides -= sides[0]
        scale = np.abs(sides).max(axis=0)
        scale[scale == 0] = 1.0
        found: NDArray[np.float64] = sides / scale
        return found

    value = for_each(mean_correlation)
    return Metric(
        "pearson_correlation_score",
        "Pearson correlation",
        True,
        1.0,
        -1.0,
        5,
        rows,
        value=value,
        interval=resampled_interval(value),
        hint=flipped,
    )


def mean_correlation(sides: NDArray[Any], weight: NDArray[np.float64]) -> float:
    """The mean over columns of the weighted correlations of both sides (n, columns, 2); 0 for a constant side."""
    sides = np.ascontiguousarray(np.moveaxis(sides, 0, -1), dtype=np.float64)  # sums are then all in the same order
    constant = (sides.max(axis=-1) == sides.min(axis=-1)).any(axis=-1)
    away = sides - (sides * weight).sum(axis=-1, keepdims=True) / weight.sum()
    largest = np.abs(away).max(axis=-1, keepdims=True)
    away /= np.where(largest == 0, 1.0, largest)
    squares = (np.square(away) * weight).sum(axis=-1)
    products = (away[:, 0] * away[:, 1] * weight).sum(axis=-1)
    sizes = np.sqrt(squares[:, 0] * squares[:, 1])
    constant |= sizes == 0
    found = np.where(constant, 0.0, products / np.where(constant, 1.0, sizes))
    return float(np.clip(found, -1.0, 1.0).mean())
