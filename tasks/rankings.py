"""Metrics of an order: the mean AUC of several columns, Spearman's correlation, NDCG, and MAP@k of lists.

>>> import numpy as np
>>> lists = map_at_k({"k": 2}, 1)
>>> lists.rows({"y": np.array(["a b", "c"])}, {"y": np.array(["a x b", "x c"])}).tolist()
[0.5, 0.5]
>>> order = spearman({}, 1)
>>> order.value(order.rows({"y": np.array([1.0, 2.0, 3.0])}, {"y": np.array([1.0, 5.0, 9.0])}))
1.0
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks import auc
from tasks.base import Columns
from tasks.boards import flipped, for_each, resampled_interval, share_interval, stacked
from tasks.metrics import Metric, no_interval
from tasks.regressions import mean_correlation

Options = Mapping[str, Any]


def area(options: Options, columns: int) -> Metric:
    """The area under the ROC curve; of several columns of 0 and 1 the mean of their areas."""
    if columns == 1:
        return auc.AUC

    def rows(answers: Columns, predictions: Columns) -> NDArray[np.int64]:
        each = [auc.ordered({name: answers[name]}, {name: predictions[name]}) for name in answers]
        return np.stack(each, axis=1)

    def value(rows: NDArray[np.int64], weight: NDArray[Any] | None = None) -> Any:
        areas = [auc.area(np.ascontiguousarray(rows[:, column]), weight) for column in range(rows.shape[1])]
        found = np.mean(areas, axis=0)
        return found if weight is not None and weight.ndim == 2 else float(found)

    return Metric(
        "mean_roc_auc_score",
        "mean AUC",
        True,
        1.0,
        0.0,
        5,
        rows,
        value=value,
        interval=resampled_interval(value),
        hint=auc.flipped,
    )


def dense(values: NDArray[Any]) -> NDArray[np.int64]:
    """Whole numbers from 0 in the order of the values (n,), equal ones for equal values."""
    return np.unique(values, return_inverse=True)[1].astype(np.int64)


def spearman(options: Options, columns: int) -> Metric:
    """The correlation of ranks, ties with their mean rank; the mean over columns. 0 for a constant side."""

    def rows(answers: Columns, predictions: Columns) -> NDArray[np.int64]:
        sides = stacked(answers, predictions)
        each = [[dense(sides[:, column, side]) for side in (0, 1)] for column in range(sides.shape[1])]
        return np.moveaxis(np.array(each), -1, 0)

    def value_of(rows: NDArray[np.int64], weight: NDArray[np.float64]) -> float:
        ranks = np.empty(rows.shape)
        for column in range(rows.shape[1]):
            for side in (0, 1):
                code = rows[:, column, side]
                times = np.bincount(code, weight)
                ranks[:, column, side] = (times.cumsum() - times / 2)[code]
        return mean_correlation(ranks, weight)

    value = for_each(value_of)
    return Metric(
        "spearman_correlation_score",
        "Spearman correlation",
        True,
        1.0,
        -1.0,
        5,
        rows,
        value=value,
        interval=resampled_interval(value),
        hint=flipped,
    )


@lru_cache(maxsize=16)
def gains_of_ranks(total: int, k: int) -> NDArray[np.float64]:
    """The sums (total + 1,) of 1 / log2(1 + rank) over the first 0, 1, … ranks; ranks above k (0: none) add nothing."""
    discount = 1 / np.log2(np.arange(2, total + 2))
    if k:
        discount[k:] = 0
    sums = np.concatenate([[0.0], discount.cumsum()])
    sums.flags.writeable = False
    return sums


def dcg(order: NDArray[np.int64], relevance: NDArray[np.float64], weight: NDArray[np.float64], k: int) -> float:
    """The discounted gain of rows, those of the smallest `order` first, ties with the mean of their discounts."""
    times = np.bincount(order, weight)
    ends = times.cumsum().round().astype(np.int64)
    sums = gains_of_ranks(int(ends[-1]), k)
    gained = np.bincount(order, weight * relevance)
    here = times > 0
    shares = np.diff(sums[np.concatenate([[0], ends])])[here] / times[here]
    return float(gained[here] @ shares)


def ndcg(options: Options, columns: int) -> Metric:
    """The normalised discounted cumulative gain at `k` (0: of all), gains being the relevances, ties averaged.

    The rows of a board are one ranking, or with several columns each row ranks its columns and the value is the mean.
    One ranking has no interval: a resample has rows several times and is no ranking like it (`docs/intervals.md`).
    Without anything relevant it is 0. Järvelin and Kekäläinen, ACM Transactions on Information Systems 20 (2002).
    """
    k = options["k"]

    def of_one(order: NDArray[np.int64], best: NDArray[np.int64], relevance: NDArray[Any], weight: Any) -> float:
        ideal = dcg(best, relevance, weight, k)
        return min(1.0, dcg(order, relevance, weight, k) / ideal) if ideal > 0 else 0.0

    def rows(answers: Columns, predictions: Columns) -> NDArray[np.float64]:
        sides = stacked(answers, predictions).astype(np.float64)
        if columns == 1:
            relevance, score = sides[:, 0, 0], sides[:, 0, 1]
            return np.stack([dense(-score), dense(-relevance), relevance], axis=1)
        once = np.ones(columns)
        return np.array([of_one(dense(-row[:, 1]), dense(-row[:, 0]), row[:, 0], once) for row in sides])

    label = f"NDCG@{k}" if k else "NDCG"
    if columns > 1:
        return Metric("ndcg_score", label, True, 1.0, 0.0, 5, rows, interval=share_interval)
    value = for_each(lambda r, w: of_one(r[:, 0].astype(np.int64), r[:, 1].astype(np.int64), r[:, 2], w))
    return Metric("ndcg_score", label, True, 1.0, 0.0, 5, rows, value=value, interval=no_interval)


def average_precision(right: str, guess: str, k: int) -> float:
    """The average precision of the first k words of a guess: the mean, over the right words, of the precision at each.

    A word that is there twice counts as a miss the second time.

    >>> average_precision("a b", "b a", 5), average_precision("a b", "x a a", 3)
    (1.0, 0.25)
    """
    wanted, said = set(right.split()), guess.split()[:k]
    found, total = 0, 0.0
    for place, word in enumerate(said, start=1):
        if word in wanted and word not in said[: place - 1]:
            found += 1
            total += found / place
    return total / min(len(wanted), k)


def map_at_k(options: Options, columns: int) -> Metric:
    """The mean average precision at `k` of words with blanks between them, the best guess first."""
    k = options["k"]

    def rows(answers: Columns, predictions: Columns) -> NDArray[np.float64]:
        ((name, cells),) = answers.items()
        pairs = zip(cells.tolist(), predictions[name].tolist(), strict=True)
        return np.array([average_precision(right, guess, k) for right, guess in pairs])

    return Metric("mean_average_precision_score", f"MAP@{k}", True, 1.0, 0.0, 5, rows, interval=share_interval)
