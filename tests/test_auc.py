"""The AUC agrees with scikit-learn on everything that a file may hold, and its interval with resampling."""

from __future__ import annotations

import importlib
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st
from numpy.typing import NDArray

from submissions.table import read_table
from tasks.auc import AUC, flipped
from tasks.base import SubmissionError, UserError
from tasks.formats import Column, TableFormat
from tasks.metrics import percentile_interval, resample_counts

CLOSE = 1e-12

scores = st.one_of(
    st.floats(-1e100, 1e100, allow_nan=False),
    st.floats(-2, 2, allow_nan=False),
    st.integers(-3, 3).map(float),  # ties
    st.sampled_from([0.0, -0.0, 5e-324, -5e-324, 1e-310, 2.2250738585072014e-308, 1e-300, 1e100, -1e100, 0.1, 1 / 3]),
)
cases = st.lists(st.tuples(st.integers(0, 1), scores), min_size=2, max_size=40).filter(
    lambda rows: len({label for label, _ in rows}) == 2
)


def sides(rows: list[tuple[int, float]]) -> tuple[dict[str, NDArray[Any]], dict[str, NDArray[Any]]]:
    labels, values = zip(*rows, strict=True)
    return {"score": np.array(labels)}, {"score": np.array(values, dtype=np.float64)}


def area(labels: Any, values: Any, weight: Any = None) -> float:
    rows = AUC.rows({"y": np.asarray(labels)}, {"y": np.asarray(values, dtype=np.float64)})
    value: float = AUC.value(rows, weight)
    return value


def oracle(labels: Any, values: Any, weight: Any = None) -> float:
    sk: Any = importlib.import_module("sklearn.metrics")
    return float(sk.roc_auc_score(labels, values, sample_weight=weight))


def delong(labels: NDArray[Any], values: NDArray[Any]) -> tuple[float, float]:
    """The area and its error, as the paper writes them: every pair of a row of class 1 and one of class 0."""
    positives, negatives = values[labels == 1], values[labels == 0]
    pairs = (positives[:, None] > negatives) + 0.5 * (positives[:, None] == negatives)
    of_positives, of_negatives = pairs.mean(axis=1).var(ddof=1), pairs.mean(axis=0).var(ddof=1)
    return float(pairs.mean()), math.sqrt(of_positives / len(positives) + of_negatives / len(negatives))


@given(rows=cases)
@example(rows=[(1, 1e100), (0, 1e-300), (1, -1e100), (0, 5e-324), (1, -5e-324), (0, 0.0), (1, -0.0)])
@example(rows=[(0, 0.0), (1, -0.0)])
@example(rows=[(0, 1e100), (1, 5e-324), (0, 5e-324)])
def test_the_area_is_the_share_of_pairs_in_order_and_scikit_learns(rows: list[tuple[int, float]]) -> None:
    labels, values = (np.array(side) for side in zip(*rows, strict=True))
    wins = [
        1.0 if one > none else 0.5 if one == none else 0.0
        for one in values[labels == 1]
        for none in values[labels == 0]
    ]
    assert area(labels, values) == sum(wins) / len(wins)
    assert area(labels, values) == pytest.approx(oracle(labels, values), rel=0, abs=CLOSE)


@given(rows=cases, data=st.data())
def test_a_weighted_area_is_that_of_repeated_rows_and_scikit_learns(
    rows: list[tuple[int, float]], data: st.DataObject
) -> None:
    labels, values = (np.array(side) for side in zip(*rows, strict=True))
    counts = np.array(data.draw(st.lists(st.integers(0, 9), min_size=len(rows), max_size=len(rows))))
    assume({0, 1} <= set(labels[counts > 0].tolist()))
    found = AUC.rows(*sides(rows))
    value = AUC.value(found, counts)
    assert value == pytest.approx(area(labels.repeat(counts), values.repeat(counts)), rel=0, abs=CLOSE)
    assert value == pytest.approx(oracle(labels, values, counts), rel=0, abs=CLOSE)
    assert AUC.value(found, np.stack([counts, counts + 1]))[0] == value
    assert AUC.value(found, counts * 0.37) == pytest.approx(value, rel=0, abs=CLOSE)
    assert AUC.value(found, counts > 0) == AUC.value(found, (counts > 0).astype(np.int64))
    assert AUC.value(found[counts > 0]) == AUC.value(found, counts > 0)


@given(rows=cases)
def test_only_the_order_of_the_scores_counts_and_a_turned_sign_turns_the_area(rows: list[tuple[int, float]]) -> None:
    labels, values = (np.array(side) for side in zip(*rows, strict=True))
    value = area(labels, values)
    assert area(labels, np.unique(values, return_inverse=True)[1]) == value
    assert area(labels, -values) == pytest.approx(1 - value, rel=0, abs=CLOSE)
    assert area(labels[::-1], values[::-1]) == value
    assert area(labels.astype(np.float64), values) == value


def test_the_example_of_the_slides_constants_and_the_answers_themselves() -> None:
    assert area([0, 1, 1, 0, 0], [11383, 256676, 862365, 152435, 848171]) == 5 / 6
    assert area([0, 1, 1, 0], [10000.0] * 4) == 0.5
    assert area([0, 1, 1, 0], [0, 1, 1, 0]) == AUC.best
    assert area([0, 1, 1, 0], [1, 0, 0, 1]) == AUC.worst


@pytest.mark.parametrize("scale", [5e-324, 1e-300, 1.0, 1e99])
@pytest.mark.parametrize("distinct", [3, 1000, 10**9])
def test_two_hundred_thousand_rows_of_any_scale_agree_with_scikit_learn(scale: float, distinct: int) -> None:
    generator = np.random.default_rng(1)
    n = 200_000
    labels = generator.integers(0, 2, n)
    values = generator.integers(-distinct, distinct, n) * scale + labels * scale
    board = generator.random(n) < 0.5
    rows = AUC.rows({"y": labels}, {"y": values})
    for side in (board, ~board):
        assert AUC.value(rows, side) == pytest.approx(oracle(labels[side], values[side]), rel=0, abs=CLOSE)
        assert AUC.value(rows, side.astype(np.float64)) == pytest.approx(AUC.value(rows, side), rel=0, abs=CLOSE)


def test_a_board_of_one_class_is_an_error_that_says_so_and_never_nan() -> None:
    rows = AUC.rows({"y": np.array([1, 0, 1, 1])}, {"y": np.arange(4.0)})
    for weight in (np.array([True, False, True, True]), np.array([2, 0, 1, 0])):
        with pytest.raises(UserError, match="both classes"):
            AUC.value(rows, weight)
    assert AUC.value(rows, np.array([[1, 0, 1, 1], [0, 3, 0, 0], [1, 1, 0, 0]])).tolist() == [0.5, 0.5, 0.0]
    with pytest.raises(AssertionError, match="0 or 1"):
        AUC.rows({"y": np.array([0, 2])}, {"y": np.arange(2.0)})
    for wrong in (math.nan, math.inf, -math.inf):
        with pytest.raises(AssertionError, match="finite"):
            AUC.rows({"y": np.array([0, 1])}, {"y": np.array([wrong, 0.0])})


@pytest.mark.parametrize("cell", ["nan", "NaN", "inf", "-inf", "Infinity", "1e400", "1e101"])
def test_the_reader_of_tables_refuses_what_has_no_order(cell: str) -> None:
    with pytest.raises(SubmissionError) as caught:
        read_table(f"ID,score\n0,{cell}\n1,2\n".encode(), TableFormat("ID", (Column("score"),), range(2)))
    assert caught.value.code in ("E_NUMBER", "E_RANGE")


def test_only_an_area_under_one_half_draws_the_hint_of_the_turned_sign() -> None:
    assert "sign" in (flipped(0.4999) or "")
    assert [flipped(value) for value in (0.5, 0.7, 1.0)] == [None] * 3
    assert AUC.hint is flipped


# Intervals ------------------------------------------------------------------------------------------------------------


@given(rows=cases)
def test_the_interval_is_delongs_on_the_logit_scale_and_holds_the_value(
    rows: list[tuple[int, float]],
) -> None:
    labels, values = (np.array(side) for side in zip(*rows, strict=True))
    found = AUC.rows(*sides(rows))
    interval = AUC.interval(found, np.ones(len(rows), dtype=bool))
    if min(labels.sum(), (1 - labels).sum()) < 2:
        assert interval is None
        return
    value, error = delong(labels, values)
    assert interval is not None
    assert 0 <= interval[0] <= AUC.value(found) <= interval[1] <= 1
    if value in (0.0, 1.0):
        assert interval[1] - interval[0] > 1 / len(rows)
        return
    logit = math.log(value / (1 - value)) + np.array([-1, 1]) * 1.959963984540054 * error / (value * (1 - value))
    assert interval == pytest.approx(tuple(1 / (1 + np.exp(-logit))), rel=0, abs=1e-6)  # a variance may round to 0


@pytest.mark.parametrize("grouped", [False, True])
@pytest.mark.parametrize("ties", [False, True])
def test_the_interval_agrees_with_resampling(grouped: bool, ties: bool) -> None:
    # As for the other metrics: an end of a resampled interval has an error of 1.5 % of the width. All rows of a group
    # have one label and a shared part of the score: leaving the groups out would make the interval far narrower.
    generator = np.random.default_rng(3)
    n = 1500
    groups = np.arange(n) // 5 if grouped else None
    labels = generator.permutation(np.arange(n) % 3 == 0).astype(np.int64)[np.arange(n) // 5]
    values = labels + generator.normal(size=n) + (generator.normal(size=n)[groups] if groups is not None else 0)
    if ties:
        values = values.round()
    rows = AUC.rows({"y": labels}, {"y": values})
    interval = AUC.interval(rows, np.ones(n, dtype=bool), groups)
    assert interval is not None
    drawn = percentile_interval(
        AUC.value(rows, resample_counts(n, 2000, groups, seed=5)), n if groups is None else n // 5
    )
    assert drawn == pytest.approx(interval, abs=0.08 * (interval[1] - interval[0]))


def test_the_interval_covers_the_truth_about_ninety_five_times_in_a_hundred() -> None:
    generator = np.random.default_rng(11)
    n, runs, covered = 300, 1500, 0
    expected = 0.5 * math.erfc(-0.5)  # normal scores, one apart
    for _ in range(runs):
        labels = np.arange(n) % 2
        rows = AUC.rows({"y": labels}, {"y": labels + generator.normal(size=n)})
        low, high = AUC.interval(rows, np.ones(n, dtype=bool)) or (1.0, 0.0)
        covered += low <= expected <= high
    assert 0.93 <= covered / runs <= 0.97


def test_rows_of_weight_zero_do_not_move_an_interval_and_few_units_have_none() -> None:
    generator = np.random.default_rng(2)
    labels, values = generator.integers(0, 2, 300), generator.normal(size=300)
    mask = generator.random(300) < 0.5
    groups = np.array([f"g{group}" for group in generator.integers(0, 60, 300)])
    rows = AUC.rows({"y": labels}, {"y": values})
    for some in (None, groups):
        part = AUC.interval(rows[mask], np.ones(mask.sum(), dtype=bool), None if some is None else some[mask])
        assert AUC.interval(rows, mask, some) == part
    assert AUC.interval(rows, mask, np.full(300, "one")) is None
    one = np.flatnonzero(labels == 1)[:1]
    assert AUC.interval(rows, np.isin(np.arange(300), one) | (labels == 0)) is None
    assert AUC.interval(rows, np.isin(np.arange(300), one) | (labels == 0), groups) is None


def test_the_rows_of_two_boards_are_kept_apart() -> None:
    generator = np.random.default_rng(4)
    labels, values = generator.integers(0, 2, 200), generator.normal(size=200)
    rows = AUC.rows({"y": labels}, {"y": values})
    mask = generator.random(200) < 0.5
    twice = [(AUC.value(rows, side), AUC.interval(rows, side)) for side in (mask, ~mask, mask, ~mask)]
    assert twice[:2] == twice[2:]
    assert twice[0] != twice[1]
    mask[:100] ^= True  # the same array with other values
    assert AUC.value(rows, mask) == area(labels[mask], values[mask])
    assert len(rows) == 200
