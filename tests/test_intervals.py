"""Honest intervals of every metric, and how bars are compared."""

from __future__ import annotations

import importlib
import math
from decimal import Decimal, localcontext
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from numpy.typing import NDArray

from tasks.auc import AUC
from tasks.base import Bar, as_written, clears, truncate
from tasks.bleu import BLEU
from tasks.hw12_reinforcement import REWARD
from tasks.metrics import (
    ACCURACY,
    MAE,
    METRICS,
    MSE,
    PIECE,
    RMSE,
    Metric,
    estimate_mean,
    hall_interval,
    interval_note,
    percentile_interval,
    resample_counts,
)
from tasks.named import NAMED
from tests.test_metrics import CLOSE, ERRORS, EVERY, cases, few, length


def sample(metric: Metric, generator: np.random.Generator, n: int, groups: NDArray[Any] | None) -> NDArray[Any]:
    """Rows of a metric; with groups, rows of one group are alike."""
    shared = 0.0 if groups is None else generator.normal(size=int(groups.max()) + 1)[groups]
    noise = generator.normal(size=n) + shared
    rows: NDArray[Any] = noise > -0.5 if metric.higher_is_better else metric.rows({"y": np.zeros(n)}, {"y": noise})
    return rows


def truth_of(metric: Metric, grouped: bool) -> float:
    """The expected value of `sample`: noise of variance 1, or 2 with groups."""
    spread = math.sqrt(2) if grouped else 1.0
    if metric.higher_is_better:
        return 0.5 * math.erfc(-0.5 / spread / math.sqrt(2))
    return {"rmse": spread, "mse": spread**2, "mae": spread * math.sqrt(2 / math.pi)}[
        next(name for name in ERRORS if METRICS[name] is metric)
    ]


@pytest.mark.parametrize("grouped", [False, True])
@pytest.mark.parametrize("name", EVERY)
def test_analytic_and_resampled_intervals_agree(name: str, grouped: bool) -> None:
    # Each end of the resampled one has an error of about 0.06 standard errors (a 2.5 % point of 2,000 resamples), which
    # is 1.5 % of the interval's width; and the laws differ by their skewness, which falls with the root of 2,000 rows.
    # Eight per cent of the width is more than both and far less than the factor of 1.7 that leaving groups out makes.
    metric = METRICS[name]
    n = 2000
    groups = np.arange(n) // 5 if grouped else None
    rows = sample(metric, np.random.default_rng(7), n, groups)
    analytic = metric.interval(rows, np.ones(n, dtype=bool), groups)
    assert analytic is not None
    drawn = percentile_interval(metric.value(rows, resample_counts(n, 2000, groups)), n if groups is None else n // 5)
    width = analytic[1] - analytic[0]
    assert drawn == pytest.approx(analytic, abs=0.08 * width)
    assert analytic[0] < metric.value(rows) < analytic[1]


@pytest.mark.parametrize("grouped", [False, True])
@pytest.mark.parametrize("name", EVERY)
def test_intervals_cover_the_truth_about_ninety_five_times_in_a_hundred(name: str, grouped: bool) -> None:
    # 1,500 simulations have a standard error of 0.6 points; the delta method on 400 rows of skewed errors loses one.
    metric = METRICS[name]
    n, runs = 400, 1500
    groups = np.arange(n) // 4 if grouped else None
    generator = np.random.default_rng(11)
    expected = truth_of(metric, grouped)
    covered = 0
    for _ in range(runs):
        low, high = metric.interval(sample(metric, generator, n, groups), np.ones(n, dtype=bool), groups) or (1, 0)
        covered += low <= expected <= high
    assert 0.92 <= covered / runs <= 0.97


@given(hits=st.integers(0, 300), misses=st.integers(0, 300))
def test_the_interval_of_a_share_is_wilsons(hits: int, misses: int) -> None:
    binomtest: Any = importlib.import_module("scipy.stats").binomtest
    assume(hits + misses > 0)
    rows = np.array([True] * hits + [False] * misses + [True])  # the last row does not count
    weight = np.array([True] * (hits + misses) + [False])
    expected = binomtest(hits, hits + misses).proportion_ci(confidence_level=0.95, method="wilson")
    assert ACCURACY.interval(rows, weight) == pytest.approx((expected.low, expected.high), abs=1e-12)


@pytest.mark.parametrize("name", EVERY)
@few
@given(data=st.data())
def test_an_interval_holds_the_value_and_stays_in_the_range(name: str, data: st.DataObject) -> None:
    metric = METRICS[name]
    answers, guesses = data.draw(cases(metric))
    n = length(answers)
    rows = metric.rows(answers, guesses)
    mask = np.array(data.draw(st.lists(st.booleans(), min_size=n, max_size=n).filter(any)))
    groups = np.array(data.draw(st.lists(st.sampled_from("abcdef"), min_size=n, max_size=n)))
    value = metric.value(rows, mask)
    for some in (None, groups):
        interval = metric.interval(rows, mask, some)
        units = int(mask.sum()) if some is None else len(set(groups[mask].tolist()))
        if units < 2 and (some is not None or not metric.higher_is_better):
            assert interval is None
            continue
        assert interval is not None
        low, high = interval
        slack = CLOSE * abs(value)
        assert min(metric.best, metric.worst) <= low <= value + slack
        assert value - slack <= high <= max(metric.best, metric.worst)
        assert math.isfinite(high)


@pytest.mark.parametrize("name", EVERY)
def test_rows_of_weight_zero_do_not_move_an_interval(name: str) -> None:
    metric = METRICS[name]
    generator = np.random.default_rng(2)
    rows = sample(metric, generator, 300, None)
    mask = generator.random(300) < 0.5
    groups = np.array([f"g{group}" for group in generator.integers(0, 60, 300)])
    for some in (None, groups):
        part = metric.interval(rows[mask], np.ones(mask.sum(), dtype=bool), None if some is None else some[mask])
        assert metric.interval(rows, mask, some) == pytest.approx(part, rel=1e-9)
    assert metric.interval(rows, mask, np.arange(300).astype(str)) == pytest.approx(
        metric.interval(rows, mask), rel=0.02
    )


@pytest.mark.parametrize("scale", [1e-180, 1e-90, 1.0, 1e90, 1e180])
def test_the_error_of_a_mean_scales_with_the_rows(scale: float) -> None:
    rows = np.random.default_rng(3).gamma(2.0, size=200)
    every = np.ones(200, dtype=bool)
    found, big = estimate_mean(rows, every, None), estimate_mean(rows * scale, every, None)
    stats: Any = importlib.import_module("scipy.stats")
    assert found.units == big.units == 200
    assert found.error == pytest.approx(rows.std(ddof=1) / math.sqrt(200), rel=1e-12)
    assert (big.mean / scale, big.error / scale) == pytest.approx((found.mean, found.error), rel=1e-12)
    assert found.skewness == pytest.approx(stats.skew(rows), rel=1e-9)
    assert big.skewness == pytest.approx(found.skewness, rel=1e-9)


@pytest.mark.parametrize("n", [PIECE - 1, 3 * PIECE + 5])
def test_the_skewness_of_many_rows_is_scipys_and_groups_of_one_row_change_nothing(n: int) -> None:
    stats: Any = importlib.import_module("scipy.stats")
    generator = np.random.default_rng(5)
    rows = np.sort(generator.gamma(0.5, size=n)) + 1e3  # sorted, so that the pieces' means lie far apart
    weight = generator.random(n) < 0.7
    found = estimate_mean(rows, weight, None)
    assert found.skewness == pytest.approx(stats.skew(rows[weight]), rel=1e-6)
    grouped = estimate_mean(rows, weight, generator.permutation(n))
    assert (grouped.error, grouped.skewness) == pytest.approx((found.error, found.skewness), rel=1e-6)


def test_the_interval_of_a_mean_is_halls_transformation_of_students() -> None:
    stats: Any = importlib.import_module("scipy.stats")
    for seed, n in ((0, 12), (1, 50), (2, 400)):
        rows = np.random.default_rng(seed).normal(size=n) ** 2
        low, high = hall_interval(estimate_mean(rows, np.ones(n, dtype=bool), None)) or (0.0, 0.0)
        skewness, error = stats.skew(rows), rows.std(ddof=1) / math.sqrt(n)
        for end, tail in ((low, 0.975), (high, 0.025)):
            w = (rows.mean() - end) / error  # what follows is the paper's formula
            g = w + skewness * w**2 / 3 / math.sqrt(n) + skewness**2 * w**3 / 27 / n + skewness / 6 / math.sqrt(n)
            assert g == pytest.approx(stats.t.ppf(tail, n - 1), abs=1e-3)
        assert low < rows.mean() < high


def test_a_mean_of_equal_rows_has_no_width_and_one_row_no_interval() -> None:
    assert hall_interval(estimate_mean(np.full(9, 2.5), np.ones(9, dtype=bool), None)) == (2.5, 2.5)
    assert hall_interval(estimate_mean(np.full(1, 2.5), np.ones(1, dtype=bool), None)) is None


def test_a_note_names_the_metrics_whose_intervals_fall_short_of_few_rows() -> None:
    for metric in (RMSE, MSE, AUC, REWARD):
        assert "With 50 rows, the interval " in (interval_note(metric.name, 50) or "")
        assert interval_note(metric.name, 5000) is None
    assert all(interval_note(metric.name, 50) is None for metric in (MAE, ACCURACY, BLEU))
    for name in ("mcrmse", "r2", "pearson"):
        assert "a few errors are very large" in (interval_note(NAMED[name].metric({}, 2).name, 50) or "")


def test_resamples_draw_groups_whole_and_are_the_same_for_everybody() -> None:
    groups = np.array(["a", "b", "a", "c", "b", "a"])
    counts = resample_counts(6, 50, groups)
    assert counts.shape == (50, 6)
    for group in "abc":
        own = counts[:, groups == group]
        assert (own == own[:, :1]).all()
    assert (counts[:, [0, 1, 3]].sum(axis=1) == 3).all()
    assert np.array_equal(counts, resample_counts(6, 50, groups))
    assert not np.array_equal(counts, resample_counts(6, 50, groups, seed=1))
    assert (resample_counts(6, 50).sum(axis=1) == 6).all()


# Bars -----------------------------------------------------------------------------------------------------------------

KAGGLE = [
    # Public rows, and (hits, the threshold that Kaggle showed for them).
    (1674, [(751, 0.44862), (884, 0.52807), (1375, 0.82138)]),
    (1004, [(503, 0.50099), (735, 0.73207), (822, 0.81872), (888, 0.88446)]),
    (4200, [(3466, 0.82523), (3803, 0.90547), (4007, 0.95404)]),
    (4000, [(2433, 0.60824), (2815, 0.70375), (3110, 0.77750), (3460, 0.86500)]),
    (1748, [(780, 0.44622), (1196, 0.68421), (1386, 0.79290), (1484, 0.84897)]),
    (2479, [(1119, 0.45139), (1631, 0.65792), (1937, 0.78136), (2092, 0.84388)]),
]


@pytest.mark.parametrize(
    ("hits", "n", "threshold"), [(hits, n, threshold) for n, levels in KAGGLE for hits, threshold in levels]
)
def test_the_official_accuracies_are_cut_to_five_decimals_and_just_cleared(hits: int, n: int, threshold: float) -> None:
    assert truncate(hits / n, 5) == as_written(threshold, 5)
    assert clears(hits / n, threshold, 5, higher_is_better=True)
    assert not clears((hits - 1) / n, threshold, 5, higher_is_better=True)


@pytest.mark.parametrize("threshold", [2.03004, 1.28359, 0.88017, 2.28371, 1.49430, 1.05728, 0.86161])
def test_an_official_error_is_cleared_by_everything_that_is_shown_as_it(threshold: float) -> None:
    for more in (0.0, 4e-6, 9.9e-6):
        assert clears(threshold + more, threshold, 5, higher_is_better=False)
    assert not clears(threshold + 1.0001e-5, threshold, 5, higher_is_better=False)
    assert not clears(threshold - 1e-9, threshold, 5, higher_is_better=True)


@given(hundredths=st.integers(1, 100_000), digits=st.integers(2, 6), higher=st.booleans())
def test_a_bar_is_cleared_by_its_own_threshold_and_not_by_one_unit_less(
    hundredths: int, digits: int, higher: bool
) -> None:
    threshold, unit = hundredths / 100, 10.0**-digits
    worse = threshold - 1.001 * unit if higher else threshold + 1.001 * unit
    assert clears(threshold, threshold, digits, higher)
    assert not clears(worse, threshold, digits, higher)


@given(value=st.floats(-1e100, 1e100), digits=st.integers(0, 12))
def test_truncation_is_toward_zero_by_less_than_one_unit(value: float, digits: int) -> None:
    cut = truncate(value, digits)
    assert value >= 0 or cut <= 0
    with localcontext(prec=500):
        # The product of two doubles may round up to the next whole number: half an ulp, relative to the value.
        slack = abs(Decimal(value)) * Decimal(2) ** -52
        assert -slack <= abs(Decimal(value)) - abs(cut) < Decimal(1).scaleb(-digits) + slack


def test_a_bar_needs_all_its_conditions_and_has_its_own_private_thresholds() -> None:
    bar = Bar(
        "boss", (("fid_error", 9000.0), ("afd_score", 0.6)), "official 2022", private=(("fid_error", 9500.0),), digits=2
    )
    direction = {"fid_error": False, "afd_score": True}
    assert bar.passed({"fid_error": 9000.009, "afd_score": 0.6000001}, direction, private=False)
    assert not bar.passed({"fid_error": 9000.01, "afd_score": 0.7}, direction, private=False)
    assert not bar.passed({"fid_error": 8000.0, "afd_score": 0.599}, direction, private=False)
    assert bar.passed({"fid_error": 9400.0, "afd_score": 0.0}, direction, private=True)
