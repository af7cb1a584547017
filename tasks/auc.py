"""The area under the ROC curve: how often a row of class 1 has a higher score than one of class 0, ties counting half.

The value is the Mann-Whitney statistic over the number of pairs, which weights count as often as they repeat a row. The
interval is that of DeLong, DeLong and Clarke-Pearson, Comparing the Areas under Two or More Correlated Receiver
Operating Characteristic Curves, Biometrics 44 (1988), taken on the scale of the logit (Qin and Hotilovac, Statistical
Methods in Medical Research 17, 2008), which keeps it between 0 and 1. Where all pairs are ordered alike, DeLong's error
is 0 and the interval is Wilson's for the number of rows that the error of Hanley and McNeil (Radiology 143, 1982) has
in that limit.

>>> import numpy as np
>>> truth = {"score": np.array([0, 1, 1, 0, 0])}
>>> guess = {"score": np.array([11383.0, 256676.0, 862365.0, 152435.0, 848171.0])}
>>> AUC.value(AUC.rows(truth, guess)) == 5 / 6  # the example of the course's slides
True
>>> AUC.value(AUC.rows(truth, {"score": np.zeros(5)}))
0.5
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from tasks.errors import UserError
from tasks.metrics import Z95, Interval, Metric, resampled, wilson

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from tasks.base import Columns

    Counts = tuple[NDArray[Any], NDArray[Any]]


def ordered(answers: Columns, predictions: Columns) -> NDArray[np.int64]:
    """Twice a whole number that is ordered as each row's score is (n,), plus its label 0 or 1."""
    import numpy as np

    (name,) = answers
    label = answers[name] == 1
    assert bool((label | (answers[name] == 0)).all()), "the answers of AUC are 0 or 1"
    scores = np.asarray(predictions[name], dtype=np.float64)
    # The bits of a positive double, read as a whole number, are ordered like the double.
    size = np.abs(scores).view(np.int64)
    least, most = int(size.min(initial=2**62, where=size > 0)), int(size.max(initial=0))
    assert most < 0x7FF << 52, "scores are finite"
    if most - least < 2**61:
        size -= least - 1
        size *= np.sign(scores).astype(np.int64)
    else:  # such as 1e100 and 1e-300
        size = np.unique(scores, return_inverse=True)[1].astype(np.int64)
    size *= 2
    size += label
    return size


def area(rows: NDArray[np.int64], weight: NDArray[Any] | None = None) -> Any:
    """The area; a resample (b, n) with rows of only one class gets 0.5. Raises UserError for such a board."""
    import numpy as np

    if weight is None or (weight.dtype == bool and weight.ndim == 1):
        return _area(*_board(rows, weight))
    order = rows.argsort()
    rows = rows[order]
    if weight.ndim == 1:
        return _area(*_counted(rows, weight[order]))
    boards = (_counted(rows, row[order]) for row in weight)
    return np.array([_area(*board) if all(side.any() for side in board) else 0.5 for board in boards])


def area_interval(rows: NDArray[np.int64], weight: NDArray[Any], groups: NDArray[Any] | None = None) -> Interval:
    """DeLong's interval of the rows of weight 1, or that of 1,000 shared resamples of whole groups.

    None with fewer than two rows of a class, or fewer than two groups.
    """
    import numpy as np

    kept = weight != 0
    negatives, positives = _board(rows, kept)
    n, p = int(negatives.sum()), int(positives.sum())
    if min(n, p) < 2:
        return None
    value, ends = _area(negatives, positives), None
    if groups is not None:
        if (ends := resampled(area, rows, weight, groups)) is None:
            return None
        n, p = (len(np.unique(groups[kept & (rows & 1 == side)])) for side in (0, 1))
    if value in (0.0, 1.0):  # so are all resamples
        return wilson(value, n * p / (1 + ((n + p) / 2 - 1) / 2))
    if ends is not None:
        return ends
    variance = _variance(negatives, positives, value) / p + _variance(positives, negatives, 1 - value) / n
    middle, half = math.log(value / (1 - value)), Z95 * math.sqrt(variance) / (value * (1 - value))
    low, high = (0.5 * (1 + math.tanh(0.5 * end)) for end in (middle - half, middle + half))
    return min(low, value), max(high, value)


def _board(rows: NDArray[np.int64], weight: NDArray[np.bool_] | None) -> Counts:
    """The counts of the rows of weight 1."""
    import numpy as np

    kept = rows.copy() if weight is None else rows.take(np.flatnonzero(weight))
    kept.sort()
    return _counted(kept)


def _counted(rows: NDArray[np.int64], weight: NDArray[Any] | float = 1) -> Counts:
    """How many rows of class 0, and of class 1, have each score (m,), in ascending order; the rows are sorted."""
    import numpy as np

    positives = (rows & 1) * weight
    scores, fresh = rows | 1, np.ones(len(rows), dtype=bool)
    np.not_equal(scores[1:], scores[:-1], out=fresh[1:])
    negatives = np.subtract(weight, positives, out=scores if positives.dtype == scores.dtype else None)
    if fresh.all():
        return negatives, positives
    start = np.flatnonzero(fresh)
    return np.add.reduceat(negatives, start), np.add.reduceat(positives, start)


def _area(negatives: NDArray[Any], positives: NDArray[Any]) -> float:
    """The share of pairs in which class 1 has the higher score, ties counting half."""
    pairs = float(negatives.sum()) * float(positives.sum())
    if not pairs:
        raise UserError("AUC needs rows of both classes on each board; prepare the homework with a different split.")
    wins = _beaten(negatives)
    wins *= positives
    return float(wins.sum()) / (2 * pairs)


def _beaten(others: NDArray[Any]) -> NDArray[Any]:
    """Twice the rows of a class with a lower score than each score; those with the same count once, which is half."""
    twice = others.cumsum()
    twice *= 2
    twice -= others
    return twice


def _variance(others: NDArray[Any], own: NDArray[Any], mean: float) -> float:
    """The variance, over the rows of one class, of the share of the other class that has a lower score."""
    import numpy as np

    squares = _beaten(others) / (2 * float(others.sum()))
    squares -= mean
    np.square(squares, out=squares)
    squares *= own
    return float(squares.sum()) / (float(own.sum()) - 1)


def flipped(value: float) -> str | None:
    """Under 0.5 the opposite order would be better."""
    if value >= 0.5:
        return None
    return "The AUC is under 0.5: did you flip the sign? A higher score must mean class 1 (an anomaly)."


AUC = Metric("roc_auc_score", "AUC", True, 1.0, 0.0, 5, ordered, value=area, interval=area_interval, hint=flipped)
"""ROC AUC of one column: 0 or 1 in the answers, any finite number in the predictions."""
