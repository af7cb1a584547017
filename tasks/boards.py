"""Values and intervals of metrics that are computed again for each board and each resample."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.metrics import Interval, mean_interval, resampled

MOST_RESAMPLED = 100_000
"""The most numbers of a board's rows of which a thousand resamples are computed; they take some seconds.

A row of most metrics has two numbers for each column.
"""


def for_each(value: Callable[[Any, NDArray[Any]], float]) -> Callable[..., Any]:
    """The `value` of a `Metric` from a function of rows and weights > 0 (n,), called for each of (b, n) weights."""

    def weighted(rows: Any, weight: NDArray[Any] | None = None) -> Any:
        if weight is None:
            return float(value(rows, np.ones(len(rows))))
        if weight.ndim == 2:
            return np.array([weighted(rows, one) for one in weight])
        places = np.flatnonzero(weight)
        return float(value(rows[places], weight[places].astype(np.float64)))

    return weighted


def resampled_interval(value: Callable[..., Any]) -> Callable[..., Interval]:
    """The `interval` of a `Metric` with that value, from 1,000 shared resamples, up to `MOST_RESAMPLED` numbers."""

    def interval(rows: Any, weight: NDArray[Any], groups: NDArray[Any] | None = None) -> Interval:
        numbers = np.count_nonzero(weight) * (rows.size // len(rows))
        return resampled(value, rows, weight, groups) if numbers <= MOST_RESAMPLED else None

    return interval


def share_interval(rows: Any, weight: NDArray[Any], groups: NDArray[Any] | None = None) -> Interval:
    """The interval of a mean of shares, which lies between 0 and 1."""
    ends = mean_interval(rows, weight, groups)
    return ends and (max(0.0, ends[0]), min(1.0, ends[1]))


def stacked(answers: dict[str, NDArray[Any]], predictions: dict[str, NDArray[Any]]) -> NDArray[Any]:
    """Both sides as (n, columns, 2): the answer, then the prediction."""
    return np.stack([np.stack([answers[name], predictions[name]], axis=-1) for name in answers], axis=1)


def flipped(value: float) -> str | None:
    """Under 0 the opposite order would be better."""
    return None if value >= 0 else "The correlation is under 0: did you flip the sign?"
