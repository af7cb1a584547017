"""What a leak is, and how likely answers agree with something by chance: by formula, without random numbers."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.base import IGNORED, Answers

LIMIT = 1e-6
"""A leak is reported where a result at least that strong is less probable than this if nothing leaks."""
FEW_CLASSES = 20  # whole-number answers with at most so many values are classes


@dataclass(frozen=True)
class Leak:
    """One way to read the answers. `code` is stable and starts with `E_LEAK_`."""

    code: str
    message: str


@dataclass(frozen=True)
class Labels:
    """Answers as numbers (`numbers` given, `ranks` their mid-ranks) or as classes (`ranks` the class codes)."""

    ranks: NDArray[np.float64]
    numbers: NDArray[np.float64] | None
    classes: int


def labels_of(values: NDArray[Any]) -> Labels | None:
    """None where there are too few rows or only one value."""
    unique, codes = np.unique(values, return_inverse=True)
    if len(values) < 10 or len(unique) < 2:
        return None
    if values.dtype.kind in "fi" and (len(unique) > FEW_CLASSES or not np.array_equal(unique, np.rint(unique))):
        return Labels(mid_ranks(values), values.astype(np.float64), 0)
    return Labels(codes.astype(np.float64), None, len(unique))


def one_of_each_group(answers: Answers) -> NDArray[Any]:
    """The first scored row of each group, or every scored row, in row order."""
    rows = np.arange(len(answers)) if answers.usage is None else np.flatnonzero(answers.usage != IGNORED)
    if answers.groups is None:
        return rows
    first: NDArray[Any] = np.sort(rows[np.unique(answers.groups[rows], return_index=True)[1]])
    return first


def mid_ranks(values: NDArray[Any]) -> NDArray[np.float64]:
    """The rank of each value, from 1, equal values at the mean of theirs."""
    _, which, counts = np.unique(values, return_inverse=True, return_counts=True)
    ranks: NDArray[np.float64] = (np.cumsum(counts) - (counts - 1) / 2)[which]
    return ranks


def correlation(one: NDArray[np.float64], two: NDArray[np.float64]) -> float:
    """Pearson's, 0 where one side is constant."""
    a, b = one - one.mean(), two - two.mean()
    length = float(np.linalg.norm(a) * np.linalg.norm(b))
    return float(a @ b) / length if length > 0 else 0.0


def number_association(numbers: NDArray[np.float64], labels: Labels) -> tuple[float, float]:
    """The probability of ranks this strongly related by chance, and the share of variation explained."""
    n = len(numbers)
    ranks = mid_ranks(numbers)
    if labels.numbers is not None:
        strength = correlation(ranks, labels.ranks) ** 2
        return math.erfc(math.sqrt(strength * (n - 1) / 2)), strength
    return kruskal_wallis(ranks, labels.ranks.astype(int))


def word_association(words: NDArray[Any], labels: Labels) -> float:
    """The probability of a word (or remainder) of each row this strongly related to the labels by chance."""
    _, words = np.unique(words, return_inverse=True)
    kinds = int(words.max()) + 1
    if kinds < 2 or kinds > len(words) / 2:
        return 1.0
    if labels.numbers is not None:
        return kruskal_wallis(labels.ranks, words)[0]
    codes = labels.ranks.astype(int)
    cells, counts = np.unique(words * labels.classes + codes, return_counts=True)
    rows, share = np.bincount(words), np.bincount(codes) / len(codes)
    # The unlikeliest cell of the table of words and classes, times the number of cells.
    chances = [
        tail(int(rows[cell // labels.classes]), int(count), float(share[cell % labels.classes]))
        for cell, count in zip(cells.tolist(), counts.tolist(), strict=True)
    ]
    return min(1.0, min(chances) * kinds * labels.classes)


def kruskal_wallis(ranks: NDArray[np.float64], which: NDArray[Any]) -> tuple[float, float]:
    """Probability and share of variation by Kruskal and Wallis's H, corrected for ties; tail of Wilson and Hilferty."""
    counts = np.bincount(which)
    centred = ranks - ranks.mean()
    sums = np.bincount(which, weights=centred)[counts > 0]
    total = float(centred @ centred)
    kinds = len(sums)
    if total == 0 or kinds < 2:
        return 1.0, 0.0
    strength = float((sums**2 / counts[counts > 0]).sum()) / total
    free = kinds - 1
    if free >= len(ranks) - 1:
        return 1.0, strength
    z = ((strength * (len(ranks) - 1) / free) ** (1 / 3) - (1 - 2 / (9 * free))) / math.sqrt(2 / (9 * free))
    return 0.5 * math.erfc(z / math.sqrt(2)), strength


def serial(labels: Labels, lag: int) -> float:
    """The probability of rows `lag` apart this alike (or unlike) by chance."""
    n = len(labels.ranks)
    if n < 4 * lag or n < 30:
        return 1.0
    if labels.numbers is not None:
        centred = labels.ranks - labels.ranks.mean()
        r = float(centred[lag:] @ centred[:-lag]) / float(centred @ centred)
        return math.erfc(abs(r + 1 / n) * math.sqrt(n / 2))
    counts = np.bincount(labels.ranks.astype(int)).astype(np.float64)
    second, third = float(((counts / n) ** 2).sum()), float(((counts / n) ** 3).sum())
    pairs = n - lag
    expected = pairs * float((counts * (counts - 1)).sum()) / (n * (n - 1))
    spread = math.sqrt(max(pairs * (second + second**2 - 2 * third), 1e-9))
    equal = float(np.count_nonzero(labels.ranks[lag:] == labels.ranks[:-lag]))
    # Few expected pairs are a Poisson count, whose tail is longer than the normal one.
    if equal > expected and expected < 100:
        return tail(pairs, int(equal), expected / pairs)
    return math.erfc(abs(equal - expected) / spread / math.sqrt(2))


def tail(n: int, hits: int, chance: float) -> float:
    """An upper bound on the probability of that many hits or more in n trials (Hoeffding 1963, Theorem 1)."""
    share = hits / n if n else 0.0
    if share <= chance or hits == 0:
        return 1.0
    if chance <= 0:
        return 0.0
    bound = share * math.log(share / chance)
    if share < 1:
        bound += (1 - share) * math.log((1 - share) / (1 - chance))
    return math.exp(-n * bound)
