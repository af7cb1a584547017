"""Properties that hold for every metric, agreement with scikit-learn, honest intervals, and how bars are compared."""

from __future__ import annotations

import importlib
import math
from decimal import Decimal, localcontext
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from tasks.auc import AUC
from tasks.base import Bar, Columns, as_written, clears, truncate
from tasks.bleu import BLEU
from tasks.frechet import FACE_RATE, FID
from tasks.homeworks import all_tasks
from tasks.hw12_reinforcement import CHAINED_REWARD, REWARD
from tasks.metrics import (
    ACCURACY,
    EXACT_MATCH,
    MAE,
    METRICS,
    MSE,
    PIECE,
    RMSE,
    Metric,
    estimate_mean,
    hall_interval,
    hits,
    interval_note,
    percentile_interval,
    resample_counts,
    resampled,
    squared_errors,
    weighted_mean,
)

EVERY = sorted(METRICS)
ERRORS = ("mae", "mse", "rmse")
CLOSE = 1e-12
few = settings(max_examples=40)

# The bounds of a float column (tasks.base.Column), very small ones, plain ones, and ties.
numbers = st.one_of(
    st.floats(-1e100, 1e100, allow_nan=False),
    st.floats(-1e3, 1e3, allow_nan=False),
    st.sampled_from([0.0, -0.0, 1.0, 1e-300, 5e-324, 1e100, -1e100, 0.1, 1 / 3]),
)
texts = st.text(st.sampled_from("ab 臺é"), min_size=1, max_size=3)
classes = st.one_of(st.integers(0, 3), st.integers(-(2**62), 2**62))


def array(cells: list[Any]) -> NDArray[Any]:
    if isinstance(cells[0], str):
        return np.array(cells, dtype=np.str_)
    return np.array(cells, dtype=np.int64 if isinstance(cells[0], int) else np.float64)


@st.composite
def cases(draw: st.DrawFn, metric: Metric, columns: int = 2) -> tuple[Columns, Columns]:
    """Answers and predictions of 1 to 30 rows and 1 or 2 columns; some predictions are right."""
    n = draw(st.integers(1, 30))
    answers: Columns = {}
    guesses: Columns = {}
    for column in range(draw(st.integers(1, columns))):
        kind = numbers if not metric.higher_is_better else draw(st.sampled_from([classes, texts]))
        truth = draw(st.lists(kind, min_size=n, max_size=n))
        guess = draw(st.lists(kind, min_size=n, max_size=n))
        right = draw(st.lists(st.booleans(), min_size=n, max_size=n))
        answers[f"y{column}"] = array(truth)
        guesses[f"y{column}"] = array([t if r else g for t, g, r in zip(truth, guess, right, strict=True)])
    return answers, guesses


def take(columns: Columns, rows: Any) -> Columns:
    return {name: values[rows] for name, values in columns.items()}


def length(columns: Columns) -> int:
    return len(next(iter(columns.values())))


# Properties -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", EVERY)
@few
@given(data=st.data())
def test_whole_number_weights_equal_repeated_rows_and_a_batch_has_the_value_of_each(
    name: str, data: st.DataObject
) -> None:
    metric = METRICS[name]
    answers, guesses = data.draw(cases(metric))
    n = length(answers)
    rows = metric.rows(answers, guesses)
    one = st.lists(st.integers(0, 5), min_size=n, max_size=n).filter(any)
    weights = np.array(data.draw(st.lists(one, min_size=1, max_size=3)))
    values = metric.value(rows, weights)
    assert values.shape == (len(weights),)
    for weight, value in zip(weights, values, strict=True):
        again = np.repeat(np.arange(n), weight)
        repeated = metric.value(metric.rows(take(answers, again), take(guesses, again)))
        assert value == pytest.approx(repeated, rel=CLOSE, abs=0)
        for kind in (np.int64, np.uint16, np.float64):
            assert metric.value(rows, weight.astype(kind)) == pytest.approx(repeated, rel=CLOSE, abs=0)
    mask = weights[0] > 0
    value = metric.value(rows, mask)
    assert isinstance(value, float)
    assert value == pytest.approx(metric.value(rows, mask.astype(float)), rel=CLOSE, abs=0)
    assert value == pytest.approx(metric.value(metric.rows(take(answers, mask), take(guesses, mask))), rel=CLOSE, abs=0)
    assert value == pytest.approx(metric.value(rows, mask[None, :])[0], rel=CLOSE, abs=0)


@pytest.mark.parametrize("name", EVERY)
@few
@given(data=st.data())
def test_the_order_of_rows_and_of_columns_is_irrelevant(name: str, data: st.DataObject) -> None:
    metric = METRICS[name]
    answers, guesses = data.draw(cases(metric))
    order = data.draw(st.permutations(range(length(answers))))
    value = metric.value(metric.rows(answers, guesses))
    moved = metric.value(metric.rows(take(answers, order), take(guesses, order)))
    assert moved == pytest.approx(value, rel=CLOSE, abs=0)
    turned = dict(reversed(guesses.items()))
    assert metric.value(metric.rows(answers, turned)) == value


@pytest.mark.parametrize("name", EVERY)
@few
@given(data=st.data())
def test_the_answers_get_the_best_value_and_no_file_a_better_one(name: str, data: st.DataObject) -> None:
    metric = METRICS[name]
    answers, guesses = data.draw(cases(metric))
    assert metric.value(metric.rows(answers, answers)) == metric.best
    value = metric.value(metric.rows(answers, guesses))
    assert min(metric.best, metric.worst) <= value <= max(metric.best, metric.worst)
    assert math.isfinite(value)


@pytest.mark.parametrize("name", EVERY)
@few
@given(data=st.data())
def test_a_better_prediction_never_scores_worse(name: str, data: st.DataObject) -> None:
    metric = METRICS[name]
    answers, guesses = data.draw(cases(metric))
    row = data.draw(st.integers(0, length(answers) - 1))
    column = data.draw(st.sampled_from(sorted(answers)))
    before = metric.value(metric.rows(answers, guesses))
    better = take(guesses, slice(None)) | {column: guesses[column].copy()}
    truth, guess = answers[column][row], guesses[column][row]
    if not metric.higher_is_better:
        share = data.draw(st.floats(0, 1))
        closer = guess + share * (truth - guess)
        assume(min(truth, guess) <= closer <= max(truth, guess))
        better[column][row] = closer
    else:
        width = max(answers[column].dtype, better[column].dtype)
        better[column] = better[column].astype(width)
        better[column][row] = truth
    after = metric.value(metric.rows(answers, better))
    assert after >= before if metric.higher_is_better else after <= before


@pytest.mark.parametrize("name", ERRORS)
def test_a_row_of_weight_zero_does_not_count_even_where_it_is_infinite(name: str) -> None:
    metric = METRICS[name]
    rows = np.array([4.0, math.inf, 4.0])
    expected = 2.0 if name == "rmse" else 4.0
    assert metric.value(rows, np.array([True, False, True])) == expected
    low, high = metric.interval(rows, np.array([True, False, True])) or (math.nan, math.nan)
    assert low == high == expected


# Every metric of the house --------------------------------------------------------------------------------------------


def any_answer(answers: Columns, predictions: Columns) -> NDArray[Any]:
    """Hits of one of several right answers, with a line end between them."""
    pairs = zip(answers["right"].tolist(), predictions["answer"].tolist(), strict=True)
    return np.array([guess in right.split("\n") for right, guess in pairs])


def worse_side(rows: NDArray[Any], weight: NDArray[Any] | None = None) -> Any:
    """The smaller mean of the rows of two kinds; rows are (kind, share)."""
    sides = [weighted_mean(rows[rows[:, 0] == kind, 1], _of(weight, rows[:, 0] == kind)) for kind in (0, 1)]
    return np.minimum(*sides) if weight is not None and weight.ndim == 2 else min(sides)


def _of(weight: NDArray[Any] | None, which: NDArray[Any]) -> NDArray[Any] | None:
    return None if weight is None else weight[..., which]


def after_the_last(answers: Columns, predictions: Columns) -> NDArray[Any]:
    """Hits (n,) after the last of T tasks, of the (n, T) hits after each."""
    hit: NDArray[np.bool_] = predictions["label"][:, -1] == answers["label"]
    return hit


FORMS = {
    "exact match of any right answer": Metric("exact_match_score", "EM", True, 1.0, 0.0, 5, any_answer),
    "hits that an attack leaves": Metric("robust_accuracy_error", "accuracy left", False, 0.0, 1.0, 5, hits),
    "worse of two kinds": Metric(
        "attribution_score", "mass", True, 1.0, -1.0, 5,
        lambda answers, predictions: np.column_stack([answers["kind"], predictions["share"]]),
        value=worse_side, interval=lambda *given: resampled(worse_side, *given),
    ),
    "a matrix of tasks": Metric("average_accuracy_score", "average accuracy", True, 1.0, 0.0, 5, after_the_last),
    "several columns a row": Metric("mean_squared_error", "MSE", False, 0.0, math.inf, 5, squared_errors),
}  # fmt: skip
"""Metrics of other forms, made of the dataclass alone."""


def drawn(name: str, rng: np.random.Generator, n: int) -> tuple[Columns, Columns]:
    """Answers and predictions of n rows for a metric."""
    label, guess = (rng.permutation(np.arange(n) % 3) for _ in range(2))
    text = np.array(["貓", "貓咪真可愛", "12.5 ab"])
    if name == "roc_auc_score":
        return {"y": label % 2}, {"y": guess.astype(np.float64)}
    if name == "bleu_score":
        return {"zh": text[label]}, {"zh": text[guess]}
    if name in ("answer_match_score", "character_f1_score"):
        return {"a": np.array(["a,b\ncd", "b", "c"])[label]}, {"a": np.array(["ab", "b", "cb"])[guess]}
    if name in ("frechet_inception_distance", "face_rate_score"):
        made = {"features": rng.normal(size=(n, 4)), "face": guess == 1}
        return {"features": rng.normal(size=(n, 4))}, made
    if name == "mean_return_score":
        return {}, {"return": rng.normal(size=n)}
    if name == "attacked_accuracy_loss":
        return {}, {"right": rng.random(n) < 0.5}
    if name in ("relevance_score", "cause_accuracy_score", "deletion_score"):
        mass = rng.dirichlet([1, 1, 1], n)[:, :2]
        return {"cause": label % 2}, {"cause": guess % 2, "mass": mass, "deletion": rng.random(n)}
    if name == "attribution_score":
        return {"kind": label % 2}, {"share": rng.normal(size=n)}
    if name in ("average_accuracy_score", "backward_transfer_score", "forgetting_loss"):
        said = rng.integers(0, 3, (n, 5))
        return {"label": label, "task": rng.permutation(np.arange(n) % 5)}, {"label": said, "classes": said}
    if name == "exact_match_score":
        return {"right": np.array(["a\nb", "b", "c"])[label]}, {"answer": np.array(["a", "b", "c"])[guess]}
    if name in ("accuracy_score", "robust_accuracy_error"):
        return {"y": label}, {"y": guess}
    return {"y": rng.normal(size=n), "z": rng.normal(size=n)}, {"y": rng.normal(size=n), "z": rng.normal(size=n)}


def of_the_house() -> dict[str, Metric]:
    """Every metric that a homework or a competition of one's own can name, and those of other forms."""
    used = [metric for task in all_tasks() for edition in task.editions for metric in edition.metrics]
    assert {FID, FACE_RATE, BLEU, AUC, REWARD, CHAINED_REWARD, RMSE, ACCURACY} <= set(used)
    found = {f"{metric.name} {place}": metric for place, metric in enumerate(dict.fromkeys([*used, MAE, MSE]))}
    return found | FORMS


HOUSE = of_the_house()


@pytest.mark.parametrize("which", HOUSE)
def test_in_every_metric_a_weight_repeats_a_row_and_a_batch_has_a_value_for_each(which: str) -> None:
    metric = HOUSE[which]
    for seed in range(5):
        rng = np.random.default_rng(seed)
        rows = metric.rows(*drawn(metric.name, rng, 12))
        weights = rng.integers(0, 4, (6, len(rows)))
        weights[:, ::4] += 1  # every class, kind and side has a row
        weights[:, 1::4] += 1
        values = metric.value(rows, weights)
        assert values.shape == (6,)
        for weight, value in zip(weights, values, strict=True):
            repeated = metric.value(rows[np.repeat(np.arange(len(rows)), weight)])
            assert isinstance(repeated, float)
            assert value == pytest.approx(repeated, rel=1e-9, abs=1e-9)
            assert metric.value(rows, weight) == pytest.approx(repeated, rel=1e-9, abs=1e-9)
        mask = weights[0] > 1
        assert metric.value(rows, mask) == pytest.approx(metric.value(rows[mask]), rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("which", HOUSE)
def test_in_every_metric_an_interval_holds_its_value_and_name_and_range_tell_the_direction(which: str) -> None:
    metric = HOUSE[which]
    rows = metric.rows(*drawn(metric.name, np.random.default_rng(1), 60))
    weight = np.arange(len(rows)) % 5 != 2
    for groups in (None, np.arange(len(rows)) // 4):
        interval = metric.interval(rows, weight, groups)
        assert interval is None or interval[0] <= metric.value(rows, weight) <= interval[1]
        assert interval is not None or metric in (FID, CHAINED_REWARD)
    assert metric.name.endswith("_score" if metric.higher_is_better else ("_error", "_loss", "_distance"))
    assert (metric.best > metric.worst) == metric.higher_is_better
    assert metric.digits > 0


# Agreement with scikit-learn ------------------------------------------------------------------------------------------


def oracle(name: str, answers: Columns, guesses: Columns, weight: NDArray[Any] | None = None) -> float:
    sk: Any = importlib.import_module("sklearn.metrics")
    truth, guess = list(answers.values()), [guesses[column] for column in answers]
    if name in ("accuracy", "exact_match"):
        codes: dict[Any, int] = {}
        sides = []
        for side in (truth, guess):
            cells = [[str(v).strip() if name == "exact_match" else v for v in column.tolist()] for column in side]
            sides.append([codes.setdefault(row, len(codes)) for row in zip(*cells, strict=True)])
        return float(sk.accuracy_score(*sides, sample_weight=weight))
    score = sk.mean_absolute_error if name == "mae" else sk.mean_squared_error
    value = float(score(np.column_stack(truth), np.column_stack(guess), sample_weight=weight))
    return math.sqrt(value) if name == "rmse" else value


@pytest.mark.parametrize("name", EVERY)
@few
@given(data=st.data())
def test_every_metric_agrees_with_scikit_learn(name: str, data: st.DataObject) -> None:
    metric = METRICS[name]
    answers, guesses = data.draw(cases(metric))
    n = length(answers)
    rows = metric.rows(answers, guesses)
    assert metric.value(rows) == pytest.approx(oracle(name, answers, guesses), rel=CLOSE, abs=0)
    weight = np.array(data.draw(st.lists(st.integers(0, 9), min_size=n, max_size=n).filter(any)))
    assert metric.value(rows, weight) == pytest.approx(oracle(name, answers, guesses, weight), rel=CLOSE, abs=0)


@pytest.mark.parametrize("name", ERRORS)
@pytest.mark.parametrize("scale", [1e-150, 1e-12, 1.0, 1e12, 1e99])
def test_a_hundred_thousand_rows_of_any_scale_agree_with_scikit_learn(name: str, scale: float) -> None:
    generator = np.random.default_rng(1)
    answers = {"y": scale * generator.normal(size=100_000)}
    guesses = {"y": answers["y"] + scale * generator.standard_cauchy(100_000).clip(-50, 50)}
    value = METRICS[name].value(METRICS[name].rows(answers, guesses))
    assert value == pytest.approx(oracle(name, answers, guesses), rel=CLOSE, abs=0)
    assert value > 0


@pytest.mark.parametrize("column", [["0001", "1", "01"], ["NA", "null", ""], [2**62, 2**62 + 1, -1]])
def test_classes_that_look_alike_are_told_apart(column: list[Any]) -> None:
    answers = {"y": array(column)}
    turned = {"y": array(column[1:] + column[:1])}
    assert ACCURACY.value(ACCURACY.rows(answers, turned)) == 0.0
    assert ACCURACY.value(ACCURACY.rows(answers, answers)) == 1.0


def test_several_columns_are_averaged_for_errors_and_must_all_be_hit_for_hits() -> None:
    answers = {"a": np.array([1.0, 2.0]), "b": np.array([0.0, 0.0])}
    guesses = {"b": np.array([2.0, 0.0]), "a": np.array([1.0, 2.0])}
    assert MSE.value(MSE.rows(answers, guesses)) == 1.0
    assert MAE.value(MAE.rows(answers, guesses)) == 0.5
    assert RMSE.value(RMSE.rows(answers, guesses)) == 1.0
    assert ACCURACY.value(ACCURACY.rows(answers, guesses)) == 0.5


def test_exact_match_ignores_white_space_around_a_text_and_nothing_else() -> None:
    answers = {"y": np.array(["臺北 市", "NA", "a", "a"])}
    guesses = {"y": np.array([" 臺北 市\t", "NA", "A", "a."])}
    assert EXACT_MATCH.rows(answers, guesses).tolist() == [True, True, False, False]
    assert ACCURACY.rows(answers, guesses).tolist() == [False, True, False, False]


# Intervals ------------------------------------------------------------------------------------------------------------


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
