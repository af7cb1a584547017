"""What a metric is, and RMSE, MSE, MAE, accuracy and exact match as rows and a value.

Intervals are Wilson's for a share of hits and, for means, Student's with Hall's correction for skewness, since squared
errors are skewed; both take whole groups as the unit of sampling where the answers have groups. `resampled` gives the
same from shared resample counts and serves every other value. `python tests/bench/coverage.py` shows how often each
contains the true value, and `interval_note` says where one is known to fall short.

>>> import numpy as np
>>> truth, guess = {"y": np.array([1.0, 2.0, 4.0, 9.0])}, {"y": np.array([1.0, 2.0, 6.0, 5.0])}
>>> {name: METRICS[name].value(METRICS[name].rows(truth, guess)) for name in ("mse", "mae", "accuracy")}
{'mse': 5.0, 'mae': 1.5, 'accuracy': 0.5}
>>> RMSE.value(RMSE.rows(truth, guess), np.array([1, 1, 0, 2]))  # the last row counts twice
2.8284271247461903
>>> words = EXACT_MATCH.rows({"answer": np.array(["Taipei", "1895"])}, {"answer": np.array(["Taipei ", "1896"])})
>>> EXACT_MATCH.value(words)
0.5
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from tasks.base import Columns

Interval = tuple[float, float] | None

Z95 = 1.959963984540054  # the 97.5 % point of the normal distribution
PIECE = 2**15  # rows that stay in the processor's cache
MOST_KEPT = 20_000  # rows whose resample counts are kept for the next submission, in 40 MB


def weighted_mean(rows: NDArray[Any], weight: NDArray[Any] | None = None) -> Any:
    """The weighted mean of rows (n,): a float, or (b,) means for weights (b, n)."""
    import numpy as np

    if weight is None:
        return float(np.mean(rows, dtype=np.float64))
    if weight.dtype == bool and weight.ndim == 1:
        if rows.dtype == bool:
            return int(np.count_nonzero(rows & weight)) / int(np.count_nonzero(weight))
        pieces = (slice(start, start + PIECE) for start in range(0, len(rows), PIECE))
        total = sum(float(rows[piece].take(np.flatnonzero(weight[piece])).sum(dtype=np.float64)) for piece in pieces)
        return total / np.count_nonzero(weight)
    total = weight.sum(axis=-1, dtype=np.float64)
    sums = weight.astype(np.float64, copy=False) @ rows.astype(np.float64, copy=False)
    return sums / total if weight.ndim == 2 else float(sums) / float(total)


def numbered(names: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """The different names, sorted, and the place of each row's name in them; fast where equal names are side by side.

    >>> import numpy as np
    >>> [found.tolist() for found in numbered(np.array(["b", "b", "a", "b"]))]
    [['a', 'b'], [1, 1, 0, 1]]
    """
    import numpy as np

    fresh = np.ones(len(names), dtype=bool)
    fresh[1:] = names[1:] != names[:-1]
    unique, which = np.unique(names[fresh], return_inverse=True)
    return unique, which[np.cumsum(fresh) - 1]


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
            which = numbered(groups.take(places))[1]
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


def hall_interval(estimate: Estimate) -> Interval:
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
    which = np.arange(n) if groups is None else numbered(groups)[1]
    units = int(which.max()) + 1 if n else 0
    counts = np.empty((resamples, n), dtype=np.uint16)
    for row in range(resamples):
        counts[row] = np.bincount(generator.integers(0, units, units), minlength=units)[which]
    return counts


@lru_cache(maxsize=2)
def _kept_counts(n: int, groups: bytes | None) -> NDArray[np.uint16]:
    """Resample counts, kept for the next submission; `groups` are the bytes of int64 numbers (n,)."""
    import numpy as np

    return resample_counts(n, groups=None if groups is None else np.frombuffer(groups, np.int64))


def resampled(
    value: Callable[..., Any], rows: Any, weight: NDArray[Any], groups: NDArray[Any] | None = None
) -> Interval:
    """The 95 % interval of a value from 1,000 shared resamples of the rows of weight 1, or of whole groups.

    It is widened to the value where that lies outside. None for fewer than two rows, or groups.
    """
    import numpy as np

    places = np.flatnonzero(weight)
    kept = rows[places]
    which = None if groups is None else numbered(groups[places])[1]
    units = len(places) if which is None else len(np.unique(which))
    if units < 2:
        return None
    if len(places) > MOST_KEPT:
        counts = resample_counts(len(places), groups=which)
    else:
        counts = _kept_counts(len(places), None if which is None else which.astype(np.int64).tobytes())
    low, high = percentile_interval(value(kept, counts), units)
    middle = value(kept)
    return min(low, middle), max(high, middle)


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


def mean_interval(rows: NDArray[Any], weight: NDArray[Any], groups: NDArray[Any] | None = None) -> Interval:
    """The 95 % interval of the mean of the rows of weight 1; None where no reliable one exists.

    For hits (boolean rows) it is Wilson's, with groups for the number of rows that would give the same standard error.
    """
    import numpy as np

    if rows.dtype != bool:
        return hall_interval(estimate_mean(rows, weight, groups))
    if groups is None:
        return wilson(weighted_mean(rows, weight != 0), float(np.count_nonzero(weight)))
    found = estimate_mean(rows, weight, groups)
    if found.units < 2:
        return None
    n = found.mean * (1 - found.mean) / found.error**2 if found.error > 0 else float(found.units)
    return wilson(found.mean, n, student(found.units - 1))


def error_interval(rows: NDArray[Any], weight: NDArray[Any], groups: NDArray[Any] | None = None) -> Interval:
    """The interval of a mean that is not below 0."""
    ends = mean_interval(rows, weight, groups)
    return ends and (max(0.0, ends[0]), ends[1])


def no_interval(rows: Any, weight: NDArray[Any], groups: NDArray[Any] | None = None) -> Interval:
    """None, for a value without a reliable interval."""
    return None


@dataclass(frozen=True)
class Metric:
    """A score that is computed as one row of numbers for each answer and a value of weighted rows.

    `rows(answers, predictions)` gives the contribution of each row, (n,) or (n, k); both sides are aligned and checked.
    Rows beyond the n of the answers belong only to the submission and count once on either board.

    `value(rows, weight=None)` is the score: a float, or (b,) values for weights (b, n), which are ≥ 0 and not all 0.
    For whole-number weights it is the value of the rows repeated so often. So one pass over a submission gives the
    public score, the private score and every resample.

    `interval(rows, weight, groups=None)` is the 95 % interval of the rows of weight 1, or None. `hint(value)` is a hint
    to the participant where a public score suggests that something is wrong with the whole file, or None.
    `matrix(rows, weight)` gives shares (k, m) behind the value, to look at, each cut to two decimals where it is shown.

    `name` ends in `_score` where higher is better and in `_error`, `_loss` or `_distance` where lower is; `best` and
    `worst` are the ends of the range; `digits` are the decimals shown.
    """

    name: str
    label: str
    higher_is_better: bool
    best: float
    worst: float
    digits: int
    rows: Callable[[Columns, Columns], Any]
    value: Callable[..., Any] = weighted_mean
    interval: Callable[..., Interval] = mean_interval
    hint: Callable[[float], str | None] | None = None
    matrix: Callable[[Any, NDArray[Any]], NDArray[Any]] | None = None


def squared_errors(answers: Columns, predictions: Columns) -> NDArray[Any]:
    """The squared error of each row (n,), the mean over the columns where there are several."""
    import numpy as np

    return _errors(answers, predictions, np.square)


def absolute_errors(answers: Columns, predictions: Columns) -> NDArray[Any]:
    """The absolute error of each row (n,), the mean over the columns where there are several."""
    import numpy as np

    return _errors(answers, predictions, np.abs)


def _errors(answers: Columns, predictions: Columns, change: np.ufunc) -> NDArray[Any]:
    import numpy as np

    errors = [np.subtract(answers[name], predictions[name], dtype=np.float64) for name in answers]
    for error in errors:
        change(error, out=error)
    return errors[0] if len(errors) == 1 else np.mean(errors, axis=0)


def hits(answers: Columns, predictions: Columns) -> NDArray[np.bool_]:
    """Whether every column of each row (n,) is hit."""
    import numpy as np

    found = [answers[name] == predictions[name] for name in answers]
    every: NDArray[np.bool_] = found[0] if len(found) == 1 else np.logical_and.reduce(found)
    return every


def stripped_hits(answers: Columns, predictions: Columns) -> NDArray[np.bool_]:
    """`hits`, without the white space around texts."""
    import numpy as np

    def stripped(columns: Columns) -> Columns:
        return {name: np.char.strip(cells) if cells.dtype.kind == "U" else cells for name, cells in columns.items()}

    return hits(stripped(answers), stripped(predictions))


def right_answers(cell: str) -> list[str]:
    """The right answers of a cell, one a line, without ASCII commas, as HW7's course compares them.

    >>> right_answers("3,600元\\n三千六百元")
    ['3600元', '三千六百元']
    """
    return [answer.strip() for answer in cell.replace(",", "").split("\n")]


def _of_any_answer(answers: Columns, predictions: Columns, score: Callable[[str, str], float]) -> list[float]:
    """For each row the best score of the predicted answer, with any of the right ones."""
    ((name, cells),) = answers.items()
    return [
        max([score(right, guess.replace(",", "").strip()) for right in right_answers(cell)])
        for cell, guess in zip(cells.tolist(), predictions[name].tolist(), strict=True)
    ]


def answer_hits(answers: Columns, predictions: Columns) -> NDArray[np.bool_]:
    """Whether each row (n,) has one of the right answers; an empty one is never right."""
    import numpy as np

    return np.array(_of_any_answer(answers, predictions, lambda right, guess: bool(guess) and right == guess), bool)


def answer_overlaps(answers: Columns, predictions: Columns) -> NDArray[np.float64]:
    """The F1 of characters of each row (n,), as SQuAD has it of words (Rajpurkar et al., arXiv 1606.05250)."""
    import numpy as np

    return np.array(_of_any_answer(answers, predictions, character_f1))


def character_f1(right: str, guess: str) -> float:
    """The harmonic mean of precision and recall of the characters, counted as often as they occur.

    >>> character_f1("青溪鎮", "在青溪鎮上班")
    0.6666666666666666
    """
    if right == guess:
        return float(bool(guess))
    common = sum([min(right.count(sign), guess.count(sign)) for sign in set(right)])
    return 2 * common / (len(right) + len(guess))


def root_mean(rows: NDArray[Any], weight: NDArray[Any] | None = None) -> Any:
    """The root of the weighted mean."""
    mean = weighted_mean(rows, weight)
    return math.sqrt(mean) if isinstance(mean, float) else mean**0.5


def root_interval(rows: NDArray[Any], weight: NDArray[Any], groups: NDArray[Any] | None = None) -> Interval:
    """The interval of the mean, through the root."""
    ends = error_interval(rows, weight, groups)
    return ends and (math.sqrt(ends[0]), math.sqrt(ends[1]))


RMSE = Metric(
    "root_mean_squared_error", "RMSE", False, 0.0, math.inf, 5, squared_errors, value=root_mean, interval=root_interval
)
MSE = Metric("mean_squared_error", "MSE", False, 0.0, math.inf, 5, squared_errors, interval=error_interval)
MAE = Metric("mean_absolute_error", "MAE", False, 0.0, math.inf, 5, absolute_errors, interval=error_interval)
ACCURACY = Metric("accuracy_score", "accuracy", True, 1.0, 0.0, 5, hits)
EXACT_MATCH = Metric("exact_match_score", "exact match", True, 1.0, 0.0, 5, stripped_hits)
ANSWER_MATCH = Metric("answer_match_score", "exact match", True, 1.0, 0.0, 5, answer_hits)
CHARACTER_F1 = Metric("character_f1_score", "character F1", True, 1.0, 0.0, 5, answer_overlaps)

_LARGE = "misses more often than 1 in 20 times where a few errors are very large"
NOTES: dict[str, tuple[int, str]] = {
    "root_mean_squared_error": (1000, _LARGE), "mean_squared_error": (1000, _LARGE), "r2_score": (500, _LARGE),
    "mean_columnwise_root_mean_squared_error": (1000, _LARGE), "pearson_correlation_score": (500, _LARGE),
    "roc_auc_score": (500, "misses more often than 1 in 20 times where one class has few rows"),
    "mean_return_score": (200, "misses more often than 1 in 20 times where crashes are rare"),
}  # fmt: skip
"""The number of rows below which the 95 % interval of a metric is known to fall short, and how."""

METRICS: dict[str, Metric] = {
    "rmse": RMSE, "mse": MSE, "mae": MAE, "accuracy": ACCURACY, "exact_match": EXACT_MATCH,
}  # fmt: skip
"""The metrics by the short names that `lhy-grade new --metric` accepts."""
