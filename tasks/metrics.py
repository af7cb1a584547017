"""RMSE, MSE, MAE, accuracy and exact match, each as rows and a value (see `tasks.base.Metric`).

Intervals are Wilson's for a share of hits and, for means, Student's with Hall's correction for skewness, since squared
errors are skewed; both take whole groups as the unit of sampling where the answers have groups. `resampled_interval`
gives the same from shared resample counts and serves every other metric. `python tests/bench/coverage.py` shows how
often each contains the true value, and `interval_note` says where one is known to fall short.

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

Z95 = 1.959963984540054  # the 97.5 % point of the normal distribution
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


def moments(rows: NDArray[Any], weight: NDArray[Any]) -> tuple[int, float, float, float]:
    """Number, mean, and sums of squared and cubed deviations of the rows of weight 1, in pieces that fit the cache.

    Pieces are joined by the updates of Chan, Golub and LeVeque, The American Statistician 37 (1983), and Pébay, Sandia
    report SAND2008-6212. Rows of weight 0 do not count even where they are infinite; a sum is not finite where a power
    leaves the doubles.
    """
    import numpy as np

    n, mean, squares, cubes = 0, 0.0, 0.0, 0.0
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        for start in range(0, len(rows), PIECE):
            kept = rows[start : start + PIECE].take(np.flatnonzero(weight[start : start + PIECE]))
            if not len(kept):
                continue
            here = float(kept.mean(dtype=np.float64))
            deviations = kept - here
            own = np.square(deviations)
            fresh, fresh_cubes, k = float(own.sum()), float(np.multiply(own, deviations, out=own).sum()), len(kept)
            away = here - mean
            if n:
                cubes += 3 * away * (n * fresh - k * squares) / (n + k)
                cubes += away * away * away * n * k * (n - k) / (n + k) ** 2
            cubes += fresh_cubes
            squares += fresh + away * away * n * k / (n + k)
            n += k
            mean += away * k / n
    return n, mean, squares, cubes


@dataclass(frozen=True)
class Estimate:
    """A mean, its standard error, how many units (rows, or whole groups) were drawn, and the units' skewness."""

    mean: float
    error: float
    units: int
    skewness: float = 0.0


def estimate_mean(rows: NDArray[Any], weight: NDArray[Any], groups: NDArray[Any] | None) -> Estimate:
    """The mean of the rows of weight 1.

    With groups the mean is a ratio of group totals, and the error is the linearised one of that ratio
    (Cochran, Sampling Techniques, 1977, §6.3), with the factor G/(G-1). The error is infinite where fewer than two
    units were drawn or the mean is infinite.
    """
    import numpy as np

    n, mean, squares, cubes = moments(rows, weight)
    if not math.isfinite(mean):
        return Estimate(mean, math.inf, n)
    units, deviations = n, None
    if groups is not None or not 1e-180 < squares < 1e180:
        places = np.flatnonzero(weight)
        deviations = rows.take(places).astype(np.float64) - mean
        if groups is not None:
            which = np.unique(groups.take(places), return_inverse=True)[1]
            deviations = np.bincount(which, weights=deviations).astype(np.float64, copy=False)
            units = len(deviations)
    if units < 2:
        return Estimate(mean, math.inf, units)
    if deviations is None:
        length, skewness = math.sqrt(squares), cubes / squares**1.5 * math.sqrt(units)
    else:  # scaled, since powers may leave the doubles
        scale = float(np.abs(deviations).max(initial=0.0)) or 1.0
        deviations /= scale
        root = math.sqrt(float(np.square(deviations).sum()))
        length = scale * root
        skewness = float((deviations**3).sum()) / root**3 * math.sqrt(units) if root else 0.0
    return Estimate(mean, length * math.sqrt(units / (units - 1)) / n, units, skewness)


def mean_interval(estimate: Estimate) -> tuple[float, float] | None:
    """The 95 % interval of a mean: Student's, with Hall's cubic transformation against skewness; contains the mean.

    Hall, On the Removal of Skewness by Transformation, Journal of the Royal Statistical Society B 54 (1992). None where
    there is no finite error.
    """
    if not math.isfinite(estimate.error):
        return None
    t, u = student(estimate.units - 1), estimate.skewness / math.sqrt(estimate.units)

    def deviate(z: float) -> float:
        """The deviation of the mean, in standard errors, whose transformed value is z."""
        straight = z - u / 6
        return straight if abs(u) < 1e-6 else 3 / u * (math.cbrt(1 + u * straight) - 1)

    return estimate.mean - deviate(t) * estimate.error, estimate.mean - deviate(-t) * estimate.error


def student(degrees: int) -> float:
    """The 97.5 % point of Student's t distribution, accurate to 0.001.

    Abramowitz and Stegun, Handbook of Mathematical Functions, 26.7.5, which is too small below four degrees.

    >>> [f"{student(degrees):.3f}" for degrees in (1, 4, 9, 49)]
    ['12.706', '2.776', '2.262', '2.010']
    """
    if degrees < 4:
        return (12.7062, 4.3027, 3.1824)[degrees - 1]
    z = Z95
    terms = (
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
        (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / 92160,
    )
    return z + sum(term / float(degrees) ** power for power, term in enumerate(terms, start=1))


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
        """The interval of the mean, through the root where there is one."""
        ends = mean_interval(estimate_mean(rows, weight, groups))
        if ends is None:
            return None
        low, high = max(0.0, ends[0]), ends[1]
        return (math.sqrt(low), math.sqrt(high)) if self.root else (low, high)

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
        """Wilson's interval, with groups for the number of rows that would give the same standard error."""
        import numpy as np

        if groups is None:
            return wilson(mean_of_rows(rows, weight != 0), float(np.count_nonzero(weight)))
        found = estimate_mean(rows, weight, groups)
        if found.units < 2:
            return None
        n = found.mean * (1 - found.mean) / found.error**2 if found.error > 0 else float(found.units)
        return wilson(found.mean, n, student(found.units - 1))

    def hint(self, value: float) -> str | None:
        return None


def wilson(share: float, n: float, z: float = Z95) -> tuple[float, float]:
    """Wilson's interval of a share of `n` rows.

    Brown, Cai and DasGupta, Interval Estimation for a Binomial Proportion, Statistical Science 16 (2001).
    """
    centre = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * math.sqrt(share * (1 - share) / n + z**2 / (4 * n * n))
    # Rounding must not leave the value outside: at 0 the lower end is 0, at 1 the upper end is 1.
    return min(share, max(0.0, centre - half)), max(share, min(1.0, centre + half))


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


def resampled_interval(
    metric: Metric, rows: Any, counts: NDArray[Any], units: int | None = None
) -> tuple[float, float]:
    """The 95 % interval of a metric from resample counts (b, n) of `units` rows or groups; all rows where not given."""
    return percentile_interval(metric.value(rows, counts), units or counts.shape[1])


def percentile_interval(values: Any, units: int) -> tuple[float, float]:
    """The 95 % percentile interval of the values of resamples, as much wider as Student's is for so few units.

    Hesterberg, What Teachers Should Know About the Bootstrap, The American Statistician 69 (2015).
    """
    import numpy as np

    tail = 0.5 * math.erfc(math.sqrt(units / (units - 1)) * student(units - 1) / math.sqrt(2))
    low, high = np.quantile(values, [tail, 1 - tail])
    return float(low), float(high)


def interval_note(metric: str, n: int) -> str | None:
    """A caveat on the 95 % intervals of a metric on a board of n rows; None where they are accurate.

    >>> interval_note("root_mean_squared_error", 50)
    'With 50 rows, the interval misses more often than 1 in 20 times where a few errors are very large.'
    >>> interval_note("root_mean_squared_error", 5000) is None
    True
    """
    if metric in NOTES and n < NOTES[metric][0]:
        return f"With {n:,} rows, the interval {NOTES[metric][1]}."
    return None


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

_LARGE = "misses more often than 1 in 20 times where a few errors are very large"
NOTES: dict[str, tuple[int, str]] = {
    "root_mean_squared_error": (1000, _LARGE),
    "mean_squared_error": (1000, _LARGE),
    "roc_auc_score": (500, "misses more often than 1 in 20 times where one class has few rows"),
    "mean_return_score": (200, "misses more often than 1 in 20 times where crashes are rare"),
}
"""The number of rows below which the 95 % interval of a metric is known to fall short, and how."""

METRICS: dict[str, ErrorMetric | HitMetric] = {
    "rmse": RMSE, "mse": MSE, "mae": MAE, "accuracy": ACCURACY, "exact_match": EXACT_MATCH,
}  # fmt: skip
"""The metrics by the short names that `lhy-grade new --metric` accepts."""
