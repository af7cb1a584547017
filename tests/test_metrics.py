"""Properties that hold for every metric, and agreement with scikit-learn and other references."""

from __future__ import annotations

import importlib
import json
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from tasks.auc import AUC
from tasks.base import Columns
from tasks.bleu import BLEU
from tasks.frechet import FACE_RATE, FID
from tasks.homeworks import all_tasks
from tasks.hw12_reinforcement import CHAINED_REWARD, REWARD
from tasks.metrics import (
    ACCURACY,
    ANSWER_MATCH,
    CHARACTER_F1,
    EXACT_MATCH,
    MAE,
    METRICS,
    MSE,
    RMSE,
    Metric,
    hits,
    resampled,
    squared_errors,
    weighted_mean,
)
from tests.bench.answers import f1, normalised
from tests.conftest import SHARED, needs

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


def reference(right: list[str], guess: str) -> tuple[float, float]:
    """Exact match and F1 by the plain evaluation that the benchmark times."""
    return float(normalised(guess) in map(normalised, right)), max(f1(answer, guess) for answer in right)


signs = st.text(st.sampled_from("青溪鎮, 3元a"), max_size=6)


@given(
    st.lists(
        st.tuples(st.lists(signs.filter(lambda t: bool(t.strip(" ,"))), min_size=1, max_size=3), signs), min_size=1
    )
)
def test_both_metrics_of_answers_are_the_references(rows: list[tuple[list[str], str]]) -> None:
    answers = {"Answer": np.array(["\n".join(right) for right, _ in rows])}
    said = {"Answer": np.array([guess for _, guess in rows])}
    wanted = [reference(right, guess) for right, guess in rows]
    assert ANSWER_MATCH.rows(answers, said).tolist() == [bool(match) for match, _ in wanted]
    assert CHARACTER_F1.rows(answers, said).tolist() == pytest.approx([f1 for _, f1 in wanted], abs=1e-12)


@needs("hw7-qa")
def test_both_metrics_of_answers_are_the_references_on_real_answers_of_two_people() -> None:
    data = json.loads((SHARED / "hw7-qa" / "drcd" / "DRCD_dev.json").read_text(encoding="utf-8-sig"))
    pairs = [
        tuple(answer["text"] for answer in one["answers"])
        for article in data["data"]
        for paragraph in article["paragraphs"]
        for one in paragraph["qas"]
    ]
    assert len(pairs) == 3524
    answers = {"Answer": np.array([first for first, _ in pairs])}
    said = {"Answer": np.array([second for _, second in pairs])}
    wanted = np.array([reference([first], second) for first, second in pairs])
    assert ANSWER_MATCH.value(ANSWER_MATCH.rows(answers, said)) == wanted[:, 0].mean()
    assert CHARACTER_F1.value(CHARACTER_F1.rows(answers, said)) == pytest.approx(wanted[:, 1].mean(), abs=1e-12)
