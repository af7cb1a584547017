"""The area under the ROC curve: how often a row of class 1 has a higher score than one of class 0, ties counting half.

The value is the Mann-Whitney statistic over the number of pairs, which weights count as often as they repeat a row; the
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
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tasks.errors import UserError
from tasks.metrics import PIECE, Z95, resample_counts, resampled_interval, wilson

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from tasks.base import Columns

    Counts = tuple[NDArray[Any], NDArray[Any]]  # rows of class 0 and of class 1 at each score, in ascending order


@dataclass(frozen=True, eq=False)
class Scored:
    """The rows of a submission (n,), each twice a whole number that is ordered as the scores are, plus the label.

    `boards` caches the counts of a choice of rows, since value and interval need the same.
    """

    codes: NDArray[np.int64]
    boards: dict[bytes, Counts] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.codes)

    def __getitem__(self, places: Any) -> Scored:
        return Scored(self.codes[places])


@dataclass(frozen=True)
class AucMetric:
    """ROC AUC of one column: 0 or 1 in the answers, any finite number in the predictions. Higher is better."""

    name: str = "roc_auc_score"
    label: str = "AUC"
    digits: int = 5
    higher_is_better: bool = True
    best: float = 1.0
    worst: float = 0.0

    def rows(self, answers: Columns, predictions: Columns) -> Scored:
        """The rows of the column that the answers have."""
        import numpy as np

        (name,) = answers
        label = answers[name] == 1
        assert bool((label | (answers[name] == 0)).all()), "the answers of AUC are 0 or 1"
        codes = _ordered(np.asarray(predictions[name], dtype=np.float64))
        return Scored(np.add(codes, label, out=codes))

    def value(self, rows: Scored, weight: NDArray[Any] | None = None) -> Any:
        """The area; a resample (b, n) with rows of only one class gets 0.5. Raises UserError for such a board."""
        import numpy as np

        if weight is None:
            weight = np.ones(len(rows), dtype=bool)
        if weight.ndim == 2:
            return _areas(rows, weight)
        if weight.dtype == bool:
            return _area(*_counted(rows, weight))
        order = np.argsort(rows.codes)
        return _area(*_weighed(rows.codes.take(order), weight.take(order)))

    def interval(
        self, rows: Scored, weight: NDArray[Any], groups: NDArray[Any] | None = None
    ) -> tuple[float, float] | None:
        """DeLong's interval of the rows of weight 1, or that of 1,000 shared resamples of whole groups.

        None with fewer than two rows of a class, or fewer than two groups.
        """
        import numpy as np

        if groups is None:
            negatives, positives = _counted(rows, weight != 0)
            value, error = _delong(negatives, positives)
            if not math.isfinite(error):
                return None
            if error == 0 and value in (0.0, 1.0):
                return _one_sided(value, int(negatives.sum()), int(positives.sum()))
            return _on_logits(value, error)
        places = np.flatnonzero(weight)
        kept, which = rows[places], np.unique(groups[places], return_inverse=True)[1]
        ones = np.count_nonzero(kept.codes & 1)
        if which.max() < 1 or min(ones, len(kept) - ones) < 2:
            return None
        units, value = int(which.max()) + 1, self.value(kept)
        low, high = resampled_interval(self, kept, resample_counts(len(kept), groups=which), units)
        if value in (0.0, 1.0):  # so are all resamples
            low, high = _one_sided(value, *(len(np.unique(which[kept.codes & 1 == side])) for side in (0, 1)))
        return min(low, value), max(high, value)

    def hint(self, value: float) -> str | None:
        """Under 0.5 the opposite order would be better."""
        if value >= 0.5:
            return None
        return "The AUC is under 0.5: did you flip the sign? A higher score must mean class 1 (an anomaly)."


def _ordered(scores: NDArray[np.float64]) -> NDArray[np.int64]:
    """Even whole numbers that are ordered as the scores (n,) are, and equal where those are."""
    import numpy as np

    # The bits of a positive double, read as a whole number, are ordered like the double.
    codes = np.abs(scores).view(np.int64)
    least, most = int(codes.min(initial=2**62)), int(codes.max(initial=0))
    assert most < 0x7FF << 52, "scores are finite"
    zero = codes == 0 if least == 0 else None
    if zero is not None:
        least = int(codes.min(where=~zero, initial=2**62))
    if most - least >= 2**61:  # such as 1e100 and 1e-300
        return 2 * np.unique(scores, return_inverse=True)[1].astype(np.int64)
    codes -= least - 1
    if zero is not None:
        codes[zero] = 0
    for start in range(0, len(codes), PIECE):
        piece = codes[start : start + PIECE]
        negative = scores[start : start + PIECE].view(np.int64) >> 63  # -1 or 0
        piece ^= negative
        piece -= negative
        piece <<= 1
    return codes


def _counted(rows: Scored, weight: NDArray[np.bool_]) -> Counts:
    """The counts of the rows of weight 1."""
    import numpy as np

    key = weight.tobytes()
    if key not in rows.boards:
        codes = _sorted(rows.codes.take(np.flatnonzero(weight)))
        positives = codes & 1
        negatives = 1 - positives
        start = _starts(codes)
        if len(start) < len(codes):
            negatives, positives = np.add.reduceat(negatives, start), np.add.reduceat(positives, start)
        rows.boards[key] = negatives, positives
    return rows.boards[key]


def _sorted(codes: NDArray[np.int64]) -> NDArray[np.int64]:
    """As numpy.sort, in half the time: by 16 bits first, which it does by counting, then the rest nearly in order."""
    import numpy as np

    least = int(codes.min(initial=0))
    shift = max(0, (int(codes.max(initial=0)) - least).bit_length() - 16)
    first = codes >> shift
    first -= least >> shift
    nearly = codes.take(np.argsort(first.astype(np.uint16), kind="stable"))
    nearly.sort(kind="stable")
    return nearly


def _starts(codes: NDArray[np.int64]) -> NDArray[np.int64]:
    """Where each run of equal scores begins in sorted codes."""
    import numpy as np

    scores = codes >> 1
    fresh = np.ones(len(codes), dtype=bool)
    np.not_equal(scores[1:], scores[:-1], out=fresh[1:])
    return np.flatnonzero(fresh)


def _weighed(codes: NDArray[np.int64], weight: NDArray[Any]) -> Counts:
    """The counts of sorted codes with weights (n,)."""
    import numpy as np

    start = _starts(codes)
    weight = weight.astype(np.float64)
    positives = np.add.reduceat(weight * (codes & 1), start)
    return np.add.reduceat(weight, start) - positives, positives


def _area(negatives: NDArray[Any], positives: NDArray[Any]) -> float:
    """The share of pairs in which class 1 has the higher score, ties counting half."""
    pairs = float(negatives.sum()) * float(positives.sum())
    if not pairs:
        raise UserError("AUC needs rows of both classes on each board; prepare the homework with a different split.")
    return sum(float((own * twice).sum()) for own, twice in _beaten(negatives, positives)) / (2 * pairs)


def _beaten(others: NDArray[Any], own: NDArray[Any]) -> Iterator[tuple[NDArray[Any], NDArray[Any]]]:
    """In pieces that stay in the cache: the rows of one class at each score, and twice those of the other below it.

    Rows of the other class at the same score count once, which is half.
    """
    below = 0
    for start in range(0, len(own), PIECE):
        piece = others[start : start + PIECE]
        until = piece.cumsum()
        until += below
        below = until[-1]
        yield own[start : start + PIECE], 2 * until - piece


def _areas(rows: Scored, weight: NDArray[Any]) -> NDArray[np.float64]:
    """The areas (b,) for weights (b, n)."""
    import numpy as np

    order = np.argsort(rows.codes)
    codes = rows.codes.take(order)
    areas = np.full(len(weight), 0.5)
    for place, row in enumerate(weight):
        negatives, positives = _weighed(codes, row.take(order))
        if positives.any() and negatives.any():
            areas[place] = _area(negatives, positives)
    return areas


def _delong(negatives: NDArray[Any], positives: NDArray[Any]) -> tuple[float, float]:
    """The area and its standard error; infinite where a class has fewer than two rows."""
    n, p = int(negatives.sum()), int(positives.sum())
    if min(n, p) < 2:
        return math.nan, math.inf
    value = _area(negatives, positives)
    return value, math.sqrt(_variance(negatives, positives, value) / p + _variance(positives, negatives, 1 - value) / n)


def _on_logits(value: float, error: float) -> tuple[float, float]:
    """The normal interval of an area strictly between 0 and 1, on the scale of the logit."""
    middle, half = math.log(value / (1 - value)), Z95 * error / (value * (1 - value))
    low, high = (0.5 * (1 + math.tanh(0.5 * end)) for end in (middle - half, middle + half))
    return min(low, value), max(high, value)


def _one_sided(value: float, negatives: int, positives: int) -> tuple[float, float]:
    """The interval of an area of 0 or 1 of so many rows, or groups, of the classes."""
    return wilson(value, negatives * positives / (1 + ((negatives + positives) / 2 - 1) / 2))


def _variance(others: NDArray[Any], own: NDArray[Any], mean: float) -> float:
    """The variance, over the rows of one class, of the share of the other class that has a lower score."""
    import numpy as np

    pairs = 2 * float(others.sum())
    squares = (float((rows * np.square(twice / pairs - mean)).sum()) for rows, twice in _beaten(others, own))
    return sum(squares) / (float(own.sum()) - 1)


AUC = AucMetric()
