"""RMSE, MSE, MAE, accuracy and exact match, each as rows and a value (see `tasks.base.Metric`).

Intervals come from the law of the estimate where there is one: Wilson's score interval for a share of hits, the delta
method for means, both with whole groups as the unit of sampling where the answers have groups. `resampled_interval`
gives the same from shared resample counts and serves every other metric.

>>> import numpy as np
>>> truth, guess = {"y": np.array([1.0, 2.0, 4.0, 9.0])}, {"y": np.array([1.0, 2.0, 6.0, 5.0])}
>>> {name: METRICS[name].value(METRICS[name].rows(truth, guess)) for name in ("mse", "mae", "accuracy")}
{'mse': 5.0, 'mae': 1.5, 'accuracy': 0.5}
>>> METRICS["rmse"].value(METRICS["rmse"].rows(truth, guess), np.array([1, 1, 0, 2]))  # the last row counts twice
2.8284271247461903
>>> words = EXACT_MATCH.rows({"answer": np.array(["Taipei", "1895"])}, {"answer": np.array(["Taipei ", "1896"])})
>>> EXACT_MATCH.value(words)
0.5
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from tasks.base import Columns, Metric

Z95 = 1.959963984540054  # the 97.5 % point of the normal law
PIECE = 2**15  # rows that stay in the processor's cache


def mean_of_rows(rows: NDArray[Any], weight: NDArray[Any] | None = None) -> Any:
    """The weighted mean of rows (n,): a float, or (b,) means for weights (b, n)."""
    import numpy as np

    if weight is None:
        return float(np.mean(rows, dtype=np.float64))
    if weight.dtype == bool and weight.ndim == 1:
        if rows.dtype == bool:
            return np.count_nonzero(rows & weight) / np.count_nonzero(weight)
        pieces = (slice(start, start + PIECE) for start in range(0, len(rows), PIECE))
        total = sum(float(rows[piece].take(np.flatnonzero(weight[piece])).sum(dtype=np.float64)) for piece in pieces)
        return total / np.count_nonzero(weight)
    total = weight.sum(axis=-1, dtype=np.float64)
    sums = weight.astype(np.float64, copy=False) @ rows.astype(np.float64, copy=False)
    return sums / total if weight.ndim == 2 else float(sums) / float(total)


def moments(rows: NDArray[Any], weight: NDArray[Any]) -> tuple[int, float, float]:
    """Number, mean and sum of squared deviations of the rows of weight 1, in pieces that stay in the cache.

    Pieces are joined by the update of Chan, Golub and LeVeque, The American Statistician 37 (1983). Rows of weight 0 do
    not count even where they are infinite; the sum is not finite where a square leaves the doubles.
    """
    import numpy as np

    n, mean, squares = 0, 0.0, 0.0
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        for start in range(0, len(rows), PIECE):
            kept = rows[start : start + PIECE].take(np.flatnonzero(weight[start : start + PIECE]))
            if not len(kept):
                continue
            here = float(kept.mean(dtype=np.float64))
            deviations = kept - here
            away = here - mean
            squares += float(np.square(deviations, out=deviations).sum()) + away * away * n * len(kept) / (
                n + len(kept)
            )
            n += len(kept)
            mean += away * len(kept) / n
    return n, mean, squares


def mean_and_error(rows: NDArray[Any], weight: NDArray[Any], groups: NDArray[Any] | None) -> tuple[float, float, int]:
    """Mean of the rows of weight 1, its standard error, and how many units (rows, or whole groups) were drawn.

    With groups the mean is a ratio of group totals, and the error is the linearised one of that ratio
    (Cochran, Sampling Techniques, 1977, §6.3), with the factor G/(G-1). The error is infinite where fewer than two
    units were drawn or the mean is infinite.
    """
    import numpy as np

    n, mean, squares = moments(rows, weight)
    if not math.isfinite(mean):
        return mean, math.inf, n
    units, deviations = n, None
    if groups is not None or not 1e-280 < squares < math.inf:
        places = np.flatnonzero(weight)
        deviations = rows.take(places).astype(np.float64) - mean
        if groups is not None:
            which = np.unique(groups.take(places), return_inverse=True)[1]
            deviations = np.bincount(which, weights=deviations).astype(np.float64, copy=False)
            units = len(deviations)
    if units < 2:
        return mean, math.inf, units
    length = math.sqrt(squares) if deviations is None else _length(deviations)
    return mean, length * math.sqrt(units / (units - 1)) / n, units


def _length(deviations: NDArray[np.float64]) -> float:
    """The root of the sum of squares, also where the squares leave the doubles."""
    import numpy as np

    scale = float(np.abs(deviations).max(initial=0.0))
    return scale * math.sqrt(np.square(deviations / scale).sum()) if scale > 0 else 0.0


@dataclass(frozen=True)
class ErrorMetric:
    """The mean of a row error, or its square root. Lower is better; the best value is 0."""

    name: str
    label: str
    row_error: Callable[[NDArray[Any], NDArray[Any]], NDArray[Any]]
    root: bool = False
    digits: int = 5
    higher_is_better: bool = False
    best: float = 0.0
    worst: float = math.inf

    def rows(self, answers: Columns, predictions: Columns) -> NDArray[Any]:
        """The error of each row (n,), the mean over the columns where there are several."""
        import numpy as np

        errors = [self.row_error(answers[name], predictions[name]) for name in answers]
        return errors[0] if len(errors) == 1 else np.mean(errors, axis=0)

    def value(self, rows: NDArray[Any], weight: NDArray[Any] | None = None) -> Any:
        mean = mean_of_rows(rows, weight)
        if not self.root:
            return mean
        return math.sqrt(mean) if isinstance(mean, float) else mean**0.5

    def interval(
        self, rows: NDArray[Any], weight: NDArray[Any], groups: NDArray[Any] | None = None
    ) -> tuple[float, float] | None:
        """Delta method: the normal interval of the mean, through the root where there is one."""
        mean, error, _ = mean_and_error(rows, weight, groups)
        if not math.isfinite(error):
            return None
        if not self.root:
            return max(0.0, mean - Z95 * error), mean + Z95 * error
        value = math.sqrt(mean)
        half = Z95 * error / (2 * value) if value > 0 else 0.0
        return max(0.0, value - half), value + half

    def hint(self, value: float) -> str | None:
        return None


@dataclass(frozen=True)
class HitMetric:
    """The share of rows in which every column is hit. Higher is better; the best value is 1."""

    name: str
    label: str
    normalise: Callable[[NDArray[Any]], NDArray[Any]] | None = None
    digits: int = 5
    higher_is_better: bool = True
    best: float = 1.0
    worst: float = 0.0

    def rows(self, answers: Columns, predictions: Columns) -> NDArray[np.bool_]:
        """Whether each row (n,) is a hit."""
        import numpy as np

        change = self.normalise or (lambda cells: cells)
        hits = [change(answers[name]) == change(predictions[name]) for name in answers]
        every: NDArray[np.bool_] = hits[0] if len(hits) == 1 else np.logical_and.reduce(hits)
        return every

    def value(self, rows: NDArray[np.bool_], weight: NDArray[Any] | None = None) -> Any:
        return mean_of_rows(rows, weight)

    def interval(
        self, rows: NDArray[np.bool_], weight: NDArray[Any], groups: NDArray[Any] | None = None
    ) -> tuple[float, float] | None:
        """Wilson's interval, with the number of rows that would give the error the groups show.

        Brown, Cai and DasGupta, Interval Estimation for a Binomial Proportion, Statistical Science 16 (2001).
        """
        import numpy as np

        if groups is None:
            n = float(np.count_nonzero(weight))
            share = mean_of_rows(rows, weight != 0)
        else:
            share, error, units = mean_and_error(rows, weight, groups)
            if units < 2:
                return None
            n = share * (1 - share) / error**2 if error > 0 else float(units)
        centre = (share + Z95**2 / (2 * n)) / (1 + Z95**2 / n)
        half = Z95 / (1 + Z95**2 / n) * math.sqrt(share * (1 - share) / n + Z95**2 / (4 * n * n))
        # Rounding must not leave the value outside: at 0 the lower end is 0, at 1 the upper end is 1.
        return min(share, max(0.0, centre - half)), max(share, min(1.0, centre + half))

    def hint(self, value: float) -> str | None:
        return None


def resample_counts(
    n: int, resamples: int = 1000, groups: NDArray[Any] | None = None, seed: int = 0
) -> NDArray[np.uint16]:
    """How often each of n rows is drawn in each bootstrap resample, (resamples, n); groups are drawn whole.

    The seed is fixed for a homework, so that all submissions share the draws and can be compared in pairs.
    """
    import numpy as np

    generator = np.random.default_rng(seed)
    which = np.arange(n) if groups is None else np.unique(groups, return_inverse=True)[1]
    units = int(which.max()) + 1 if n else 0
    counts = np.empty((resamples, n), dtype=np.uint16)
    for row in range(resamples):
        counts[row] = np.bincount(generator.integers(0, units, units), minlength=units)[which]
    return counts


def resampled_interval(metric: Metric, rows: Any, counts: NDArray[Any]) -> tuple[float, float]:
    """The 95 % percentile interval of a metric from resample counts (b, n)."""
    import numpy as np

    values = metric.value(rows, counts)
    low, high = np.quantile(values, [0.025, 0.975])
    return float(low), float(high)


def _squared(truth: NDArray[Any], guess: NDArray[Any]) -> NDArray[Any]:
    import numpy as np

    difference: NDArray[Any] = np.subtract(truth, guess, dtype=np.float64)
    np.square(difference, out=difference)
    return difference


def _absolute(truth: NDArray[Any], guess: NDArray[Any]) -> NDArray[Any]:
    import numpy as np

    difference: NDArray[Any] = np.subtract(truth, guess, dtype=np.float64)
    np.abs(difference, out=difference)
    return difference


def _stripped(cells: NDArray[Any]) -> NDArray[Any]:
    import numpy as np

    return np.char.strip(cells) if cells.dtype.kind == "U" else cells


RMSE = ErrorMetric("root_mean_squared_error", "RMSE", _squared, root=True)
MSE = ErrorMetric("mean_squared_error", "MSE", _squared)
MAE = ErrorMetric("mean_absolute_error", "MAE", _absolute)
ACCURACY = HitMetric("accuracy_score", "accuracy")
EXACT_MATCH = HitMetric("exact_match_score", "exact match", normalise=_stripped)

METRICS: dict[str, ErrorMetric | HitMetric] = {
    "rmse": RMSE, "mse": MSE, "mae": MAE, "accuracy": ACCURACY, "exact_match": EXACT_MATCH,
}  # fmt: skip
"""The metrics by the short names that `lhy-grade new --metric` takes."""
