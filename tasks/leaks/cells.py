"""Answers that can be read from the place, the id or the features of a row."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.base import IGNORED, Answers
from tasks.leaks.chance import (
    LIMIT,
    Labels,
    Leak,
    correlation,
    labels_of,
    number_association,
    one_of_each_group,
    serial,
    tail,
    word_association,
)

LAGS = 32


def constant_answers(answers: Answers) -> list[Leak]:
    """Answer columns with only one value among all scored rows."""
    scored = slice(None) if answers.usage is None else answers.usage != IGNORED
    return [
        Leak("E_LEAK_CONSTANT", f"the answers in column {name!r} are the same in all rows.")
        for name, values in answers.columns.items()
        if len(answers) > 1 and len(set(values[scored].tolist())) == 1
    ]


def answers_in_order(answers: Answers) -> list[Leak]:
    """Answers that can be read from the place of a row: sorted, rising, in blocks, in runs or periodic.

    Place against answer by Spearman's or Kruskal and Wallis's statistic, and each row against the one up to `LAGS`
    rows before by rank correlation or by the count of equal classes. Where there are groups, one row of each stands for
    it, since rows of one group may lie side by side and be alike.
    """
    leaks = []
    first = one_of_each_group(answers)
    for name, values in answers.columns.items():
        labels = labels_of(values[first])
        if labels is None:
            continue
        place = np.arange(len(first), dtype=np.float64)
        if number_association(place, labels)[0] < LIMIT:
            leaks.append(Leak("E_LEAK_ORDER", f"the answers in column {name!r} correlate with the order of the rows."))
            continue
        lag = next((lag for lag in range(1, LAGS + 1) if serial(labels, lag) < LIMIT / LAGS), None)
        if lag is not None:
            what = f"an answer in column {name!r} can be guessed from the one {lag} rows before it"
            leaks.append(Leak("E_LEAK_ORDER", f"{what}: the rows are not in random order."))
    return leaks


def answers_in_ids(answers: Answers) -> list[Leak]:
    """Answers that can be read from the text of an id.

    An id is cut into its numbers and words; each number, its remainders and each word are compared with the answers,
    and so is how often the answer itself appears in the id. Ids that count up by one reveal no more than the order.
    """
    if isinstance(answers.ids, range):
        return []
    leaks = []
    for name, values in answers.columns.items():
        how = read_from_texts(answers.ids, values, one_of_each_group(answers))
        if how is not None:
            leaks.append(Leak("E_LEAK_ID", f"the answers in column {name!r} can be read from the ids: {how}."))
    return leaks


def read_from_texts(texts: Sequence[str], values: NDArray[Any], rows: NDArray[Any]) -> str | None:
    """How the values can be read from the texts, or None."""
    labels = labels_of(values[rows])
    if labels is None:
        return None
    # How often the answer itself is a word of the text, against how often it is one of another row's text.
    shown = [str(value).strip().casefold() for value in values[rows].tolist()]
    words = [set(re.split(r"[\W_]+", texts[row].casefold())) | {texts[row].casefold()} for row in rows]
    shift = max(1, len(rows) // 3)
    own = sum(label in some for label, some in zip(shown, words, strict=True))
    moved = [sum(label in words[(at + k * shift) % len(words)] for at, label in enumerate(shown)) for k in (1, 2)]
    if tail(len(rows), own, (sum(moved) + 1) / (2 * len(rows) + 2)) < LIMIT:
        return f"the answer appears in {own} of {len(rows)} of them"
    pieces = [re.findall(r"[0-9]+|[^\W\d_]+", texts[row]) for row in rows]
    for at in range(min(8, max(map(len, pieces)))):
        column = [some[at] if at < len(some) else "" for some in pieces]
        numbers = [int(piece) if piece.isdecimal() and len(piece) <= 15 else -1 for piece in column]
        if max(numbers) >= 0:
            array = np.array(numbers, dtype=np.float64)
            if number_association(array, labels)[0] < LIMIT:
                return f"number {at + 1} in them correlates with the answers"
            for divisor in sorted({2, 3, 4, 5, 7, 10, labels.classes} - {0, 1}):
                if divisor < len(rows) / 10 and word_association(array % divisor, labels) < LIMIT:
                    return f"the remainder of number {at + 1} in them by {divisor} correlates with the answers"
        if word_association(np.unique(column, return_inverse=True)[1], labels) < LIMIT:
            return f"part {at + 1} of them correlates with the answers"
    return None


def answers_in_features(test: NDArray[np.float64], answers: Answers) -> list[Leak]:
    """Feature columns that are the answer: equal in 90 % of the rows, a linear map of it (|r| > 1 - 1e-6), or for
    classes a code of it (each value of the column stands for one class)."""
    leaks = []
    for name, values in answers.columns.items():
        labels = labels_of(values)
        if labels is None:
            continue
        for at in range(test.shape[1]):
            column = np.ascontiguousarray(test[:, at])
            if np.ptp(column) == 0 or not np.isfinite(column).all():
                continue
            if labels.numbers is None:
                found = _is_code(column, labels)
            else:
                equal = float(np.mean(np.abs(column - labels.numbers) <= 1e-9 * np.abs(labels.numbers)))
                found = equal >= 0.9 or abs(correlation(column, labels.numbers)) > 1 - 1e-6
            if found:
                text = f"column {at + 1} of the test features gives the answers in column {name!r} away."
                leaks.append(Leak("E_LEAK_FEATURE", text))
    return leaks


def _is_code(column: NDArray[np.float64], labels: Labels) -> bool:
    """Whether each value of the column stands for one class, of a few values that come often."""
    most = min(2 * labels.classes, len(column) // 10)
    if len(np.unique(column[: 10 * most])) > most:  # without sorting all of a column that has many values
        return False
    codes, code = np.unique(column, return_inverse=True)
    cells = len(np.unique(code * labels.classes + labels.ranks.astype(np.int64)))
    return len(codes) <= most and cells == len(codes)


def answers_in_other_rows(features: NDArray[np.float64], answers: Answers, *, own_rows: bool) -> list[Leak]:
    """Numeric answers that appear, to the last digit, in a feature column of other rows.

    So overlapping windows of a series give each other's answers away, within a group and across. `own_rows` says that
    the features are those of the answers' rows, where a row is not compared with itself. Only answers that mostly
    differ are checked. How often two values agree by chance (shares of a few hundred people, rounded numbers) is
    learnt from pairs of answers and from pairs of the column's cells; twice that many must agree.
    """
    leaks = []
    for name, values in answers.columns.items():
        known, counts = np.unique(values, return_counts=True)
        if values.dtype.kind not in "fi" or len(known) < max(20, len(values) // 2):
            continue
        wanted, known = values.astype(np.float64), known.astype(np.float64)
        marks = np.zeros(2**24, dtype=bool)
        marks[_hashes(known)] = True
        found: list[str] = []
        most = 0
        for at in range(features.shape[1]):
            column = np.ascontiguousarray(features[:, at])
            if own_rows:
                column = column[column != wanted]
            cells = column[marks[_hashes(column)]]  # few are left to be looked up
            place = np.minimum(np.searchsorted(known, cells), len(known) - 1)
            hits = int(counts[np.unique(place[known[place] == cells])].sum())
            if hits < 3:
                continue
            agree = math.sqrt(_agreement(wanted) * _agreement(features[:, at]))
            if tail(len(wanted), hits, min(1.0, 2 * len(column) * agree)) < LIMIT:
                found.append(str(at + 1))
                most = max(most, hits)
        if found:
            where = "other rows of the test features" if own_rows else "the training features"
            text = f"up to {most} of {len(wanted)} answers in column {name!r} appear in {where}"
            text += f", column {', '.join(found)}."
            leaks.append(Leak("E_LEAK_OTHER_ROW", text))
    return leaks


def _hashes(values: NDArray[np.float64]) -> NDArray[np.uint64]:
    """24 bits of each value, the same for equal ones (Knuth, The Art of Computer Programming 3, 6.4)."""
    bits = (np.ascontiguousarray(values, dtype=np.float64) + 0.0).view(np.uint64)
    return (bits * np.uint64(0x9E3779B97F4A7C15)) >> np.uint64(40)


def _agreement(values: NDArray[np.float64]) -> float:
    """The chance that two of the values are equal: the share of equal pairs, three standard errors up."""
    counts = np.unique(values, return_counts=True)[1].astype(np.float64)
    pairs = float((counts * (counts - 1) / 2).sum())
    return (pairs + 3 * math.sqrt(pairs) + 3) / (len(values) * (len(values) - 1) / 2)
