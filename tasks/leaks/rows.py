"""Rows of features, and groups of rows, that are on two sides."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.base import PRIVATE, PUBLIC, Answers
from tasks.leaks.chance import LIMIT, Leak, tail

Rows = NDArray[np.float64]

WIDEST = 256  # rows of more features are projected at random to half as many before distances are taken
MOST = 20_000  # test rows whose nearest training row is looked for
AXES = 11  # axes that training rows are sorted by, into at most 2,048 cells
PIECE = 2**19  # distances that are taken at once, which a processor's cache holds


def equal_rows(train: Rows, test: Rows) -> list[Leak]:
    """Test rows that equal a training row.

    One is enough where less than 1 % of the training rows have a twin among themselves; else (features of few values)
    there must be more of them than that share explains.
    """
    import polars

    if not len(train) or not len(test) or not train.shape[1]:
        return []
    of_train, of_test = (polars.from_numpy(side).hash_rows().to_numpy() for side in (train, test))
    order = np.argsort(of_train)
    ranked = of_train[order]
    place = np.minimum(np.searchsorted(ranked, of_test), len(ranked) - 1)
    found = np.flatnonzero(ranked[place] == of_test)
    one, other = test[found], train[order[place[found]]]
    found = found[((one == other) | (np.isnan(one) & np.isnan(other))).all(axis=1)]
    alike = ranked[1:] == ranked[:-1]
    twins = float(np.mean(np.append(alike, False) | np.insert(alike, 0, False)))
    if len(found) and (twins < 0.01 or tail(len(test), len(found), twins) < LIMIT):
        return [Leak("E_LEAK_EQUAL_ROWS", f"{_rows(found)} of the test features equal a training row.")]
    return []


def near_rows(train: Rows, test: Rows) -> list[Leak]:
    """Test rows that are a training row with a little noise.

    Features are divided by their spread in training. The natural distance to the nearest training row is learnt from
    1,000 training rows and their nearest other training rows: the smallest tenth of these distances gives a power law
    (Hill, Annals of Statistics 3, 1975) for still smaller ones. So neighbouring days of a smooth series are not
    reported, and copies with noise of 1e-4 spreads are, from about five features on. More than 256 features are
    projected at random, which keeps distances to within some ten per cent; at most 20,000 test rows are checked.
    """
    if len(train) < 30 or not len(test):
        return []
    test = test[np.linspace(0, len(test) - 1, min(len(test), MOST)).astype(int)]
    train, test = (np.nan_to_num(x, nan=0.0, posinf=0.0, neginf=0.0) for x in (train, test))
    centre, spread = train.mean(axis=0), train.std(axis=0)
    kept = spread > 1e-12 * np.abs(centre)
    if not kept.any():
        return []
    train, test = ((x[:, kept] - centre[kept]) / spread[kept] for x in (train, test))
    if train.shape[1] > WIDEST:
        project = np.random.default_rng(0).normal(size=(train.shape[1], WIDEST // 2)) / math.sqrt(WIDEST // 2)
        train, test = train @ project, test @ project
    sample = np.linspace(0, len(train) - 1, min(len(train), 1000)).astype(int)
    natural = np.sort(_nearest(train[sample], train, own=sample))
    positive = natural[natural > 0]
    if len(positive) < 20:
        return []
    tenth = max(10, len(positive) // 10)
    edge = float(positive[tenth])
    distances = np.sort(_nearest_within(edge / 5, test, train))
    power = tenth / max(float(np.log(edge / positive[:tenth]).sum()), 1e-9)
    for rank in range(int(np.searchsorted(distances, edge / 5)), 0, -1):
        distance = float(distances[rank - 1])
        chance = tenth / len(positive) * (distance / edge) ** power
        chance = max(chance, float(np.searchsorted(natural, distance, side="right")) / len(natural))
        if tail(len(distances), rank, chance) < LIMIT:
            text = f"{rank} rows of the test features are within {distance / float(np.median(natural)):.1g} times the"
            return [Leak("E_LEAK_NEAR_ROWS", f"{text} usual distance of a training row: copies with a little noise.")]
    return []


def _nearest(rows: Rows, others: Rows, own: NDArray[Any] | None = None) -> NDArray[np.float64]:
    """The distance of each row to the nearest of the others, except the one at index `own`."""
    least, place = np.full(len(rows), np.inf), np.zeros(len(rows), dtype=np.intp)
    step = max(1, PIECE // len(rows))
    for begin in range(0, len(others), step):
        piece = others[begin : begin + step]
        # The square of a row's own length is the same for all others, and left out.
        close = rows @ (-2 * piece.T)
        close += np.einsum("ij,ij->i", piece, piece)
        if own is not None:
            inside = np.flatnonzero((own >= begin) & (own < begin + len(piece)))
            close[inside, own[inside] - begin] = np.inf
        best = close.argmin(axis=1)
        found = close[np.arange(len(rows)), best]
        place = np.where(found < least, begin + best, place)
        least = np.minimum(found, least)
    # The short form loses digits where rows are nearly equal, so that the distance is taken again.
    distances: NDArray[np.float64] = np.linalg.norm(rows - others[place], axis=1)
    return distances


def _nearest_within(radius: float, rows: Rows, others: Rows) -> NDArray[np.float64]:
    """The distance of each row to the nearest of the others; infinite where it is more than the radius.

    The others are put into cells by the sides of the medians of their main axes on which they lie. What lies between
    a row and a cell bounds the distance from below, so that most cells are out of a row's reach.
    """
    count = min(AXES, others.shape[1], max(0, int(math.log2(len(others) / 256))))
    axes = np.linalg.eigh(others.T @ others)[1][:, others.shape[1] - count :]
    turned = others @ axes
    middle = np.median(turned, axis=0)
    cell = (turned > middle) @ 2 ** np.arange(count)
    order = np.argsort(cell, kind="stable")
    bounds = np.searchsorted(cell[order], np.arange(2**count + 1))
    gap = rows @ axes - middle
    # Squared: to a cell on the left of all medians, and what one on the right of each adds.
    left, right = (np.maximum(gap, 0) ** 2).sum(axis=1), -np.sign(gap) * gap**2
    least = np.full(len(rows), np.inf)
    for one in range(2**count):
        inside = others[order[bounds[one] : bounds[one + 1]]]
        reached = np.flatnonzero(left + right @ ((one >> np.arange(count)) & 1) <= radius**2 * (1 + 1e-6))
        if len(inside) and len(reached):
            least[reached] = np.minimum(least[reached], _nearest(rows[reached], inside))
    return np.where(least <= radius, least, np.inf)


def shared_groups(train_groups: NDArray[np.str_] | None, answers: Answers) -> list[Leak]:
    """Groups that have rows in training and among the answers."""
    if train_groups is None or answers.groups is None:
        return []
    shared = np.intersect1d(train_groups, answers.groups).tolist()
    if not shared:
        return []
    text = f"{len(shared)} groups have rows in training and in the test, such as {shared[0]!r}."
    return [Leak("E_LEAK_SHARED_GROUP", text)]


def split_groups(answers: Answers) -> list[Leak]:
    """Groups that have public and private rows."""
    if answers.groups is None or answers.usage is None:
        return []
    both = np.intersect1d(*(answers.groups[answers.usage == side] for side in (PUBLIC, PRIVATE))).tolist()
    if not both:
        return []
    return [Leak("E_LEAK_SPLIT_GROUP", f"{len(both)} groups have public and private rows, such as {both[0]!r}.")]


def _rows(rows: NDArray[Any]) -> str:
    shown = ", ".join(str(row + 1) for row in rows[:3].tolist())
    return f"row {shown}" if len(rows) == 1 else f"{len(rows)} rows (such as {shown})"
