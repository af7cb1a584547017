"""Each metric by name equals its reference, on whole files, with weights, ties, constant columns and missing labels."""

from __future__ import annotations

import importlib
import math
import warnings
from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tasks.base import Columns
from tasks.boards import MOST_RESAMPLED
from tasks.metrics import Metric
from tasks.named import NAMED
from tasks.rankings import average_precision

sk: Any = importlib.import_module("sklearn.metrics")
stats: Any = importlib.import_module("scipy.stats")

CASES: dict[str, tuple[str, int, dict[str, Any]]] = {
    "log_loss": ("log_loss", 1, {}),
    "log_loss of classes": ("log_loss", 3, {}),
    "log_loss of questions": ("log_loss", 3, {"columns": "labels"}),
    "log_loss that is clipped": ("log_loss", 1, {"clip": 0.05}),
    "rmsle": ("rmsle", 1, {}),
    "rmsle of columns": ("rmsle", 2, {}),
    "r2": ("r2", 1, {}),
    "r2 of columns": ("r2", 3, {}),
    "mape": ("mape", 1, {}),
    "mape of columns": ("mape", 2, {}),
    "pinball": ("pinball", 1, {"quantile": 0.9}),
    "pinball of columns": ("pinball", 2, {"quantile": 0.25}),
    "mcrmse": ("mcrmse", 3, {}),
    "pearson": ("pearson", 1, {}),
    "pearson of columns": ("pearson", 2, {}),
    "spearman": ("spearman", 1, {}),
    "spearman of columns": ("spearman", 3, {}),
    "f1": ("f1", 1, {}),
    "f2 of no": ("f1", 1, {"beta": 2.0, "positive": "0"}),
    "f1 macro": ("f1", 1, {"average": "macro"}),
    "f1 micro": ("f1", 1, {"average": "micro"}),
    "f0.3 weighted": ("f1", 1, {"average": "weighted", "beta": 0.3}),
    "f1 macro of columns": ("f1", 3, {"average": "macro"}),
    "f1 micro of columns": ("f1", 3, {"average": "micro"}),
    "f1 weighted of columns": ("f1", 3, {"average": "weighted"}),
    "balanced_accuracy": ("balanced_accuracy", 1, {}),
    "mcc": ("mcc", 1, {}),
    "qwk": ("qwk", 1, {}),
    "auc": ("auc", 1, {}),
    "auc of columns": ("auc", 3, {}),
    "ndcg": ("ndcg", 1, {}),
    "ndcg at 3": ("ndcg", 1, {"k": 3}),
    "ndcg of columns": ("ndcg", 5, {}),
    "ndcg of columns at 2": ("ndcg", 5, {"k": 2}),
    "map_at_k": ("map_at_k", 1, {"k": 3}),
}  # fmt: skip
BINARY = ("log_loss", "auc")


def made(case: str) -> tuple[Metric, dict[str, Any]]:
    name, columns, given = CASES[case]
    options = NAMED[name].read_options(()) | given
    return NAMED[name].metric(options, columns), options


def drawn(case: str, rng: np.random.Generator, n: int) -> tuple[Columns, Columns]:
    """Answers and predictions, with ties; some columns are constant, some labels are never true or never said."""
    name, columns, options = CASES[case]
    answers, guesses = {}, {}
    one_hot = np.eye(columns, dtype=np.int64)[rng.integers(0, columns, n)]
    for at in range(columns):
        if name == "map_at_k":
            words = np.array(["a", "b c", "d a b", "b e f", "c a d", "x"])
            truth, guess = words[rng.integers(0, 5, n)], words[rng.integers(0, 6, n)]
        elif name in BINARY or (name == "f1" and (columns > 1 or options.get("average", "binary") == "binary")):
            truth = one_hot[:, at] if case == "log_loss of classes" else rng.integers(0, 2, n)
            truth[:2] = (0, 1) if case != "log_loss of classes" else truth[:2]
            guess = (
                rng.integers(0, 2, n)
                if name == "f1"
                else np.round(rng.uniform(0, 1, n), rng.integers(1, 4)).clip(0.01, 0.99)
            )
        elif NAMED[name].cells == "rating":
            truth, guess = rng.integers(1, 6, n), rng.integers(1, 1 + rng.integers(1, 6), n)
        elif NAMED[name].cells == "label":
            truth, guess = (
                np.array(["a", "bb", "ç"])[rng.integers(0, 3, n)],
                np.array(["a", "d"])[rng.integers(0, 2, n)],
            )
        elif name == "ndcg":
            truth, guess = (
                rng.integers(0, 4, n).astype(float) + (columns > 1 and at == 0),
                np.round(rng.normal(size=n), 1),
            )
        else:
            truth = np.round(rng.gamma(2, 10.0 ** rng.integers(-3, 4), n), 4) + 1e-4
            guess = truth * rng.choice([1.0, 0.9, 1.5], n) if rng.random() < 0.8 else np.full(n, truth[0])
            if rng.random() < 0.1:
                truth = np.full(n, 0.5)
        answers[f"y{at}"], guesses[f"y{at}"] = truth, guess
    return answers, guesses


def reference(case: str, answers: Columns, guesses: Columns, options: Mapping[str, Any]) -> float:
    """The value by scikit-learn and scipy, or by a plain computation."""
    name, columns, _ = CASES[case]
    y, p = (np.stack(list(side.values()), axis=1) for side in (answers, guesses))
    one, said = y[:, 0], p[:, 0]
    match name:
        case "log_loss":
            if columns > 1 and options["columns"] == "classes":
                return float(sk.log_loss(y.argmax(axis=1), p / p.sum(axis=1, keepdims=True), labels=range(columns)))
            low = options["clip"]
            kept = np.where(y == 1, np.maximum(p, low), np.minimum(p, 1 - low))
            each = [sk.log_loss(y[:, c], kept[:, c], labels=[0, 1]) for c in range(columns)]
            return float(np.mean(each))
        case "rmsle":
            return math.sqrt(sk.mean_squared_log_error(y, p))
        case "r2":
            return float(sk.r2_score(y, p))
        case "mape":
            return float(sk.mean_absolute_percentage_error(y, p))
        case "pinball":
            return float(sk.mean_pinball_loss(y, p, alpha=options["quantile"]))
        case "mcrmse":
            return float(np.mean([math.sqrt(sk.mean_squared_error(y[:, c], p[:, c])) for c in range(columns)]))
        case "pearson" | "spearman":
            correlation = stats.pearsonr if name == "pearson" else stats.spearmanr
            return float(np.mean([plain(correlation, y[:, c], p[:, c]) for c in range(columns)]))
        case "f1":
            more = {"pos_label": int(options["positive"])} if options["average"] == "binary" else {}
            sides = (y, p) if columns > 1 else (one, said)
            return float(
                sk.fbeta_score(*sides, beta=options["beta"], average=options["average"], zero_division=0, **more)
            )
        case "balanced_accuracy":
            return float(sk.balanced_accuracy_score(one, said))
        case "mcc":
            return float(sk.matthews_corrcoef(one, said))
        case "qwk":
            every = range(int(min(one.min(), said.min())), int(max(one.max(), said.max())) + 1)
            value = sk.cohen_kappa_score(one, said, labels=every, weights="quadratic")
            return 1.0 if math.isnan(value) else float(value)
        case "auc":
            return float(np.mean([sk.roc_auc_score(y[:, c], p[:, c]) for c in range(columns)]))
        case "ndcg":
            k = options["k"] or None
            return float(sk.ndcg_score(y, p, k=k) if columns > 1 else sk.ndcg_score([one], [said], k=k))
    assert name == "map_at_k"
    return float(np.mean([plain_precision(right, guess, options["k"]) for right, guess in zip(one, said, strict=True)]))


def plain(correlation: Any, truth: NDArray[Any], guess: NDArray[Any]) -> float:
    return 0.0 if len(set(truth)) < 2 or len(set(guess)) < 2 else float(correlation(truth, guess)[0])


def plain_precision(right: str, guess: str, k: int) -> float:
    """The sum over ranks of precision times the change of recall, over the most that can be found."""
    wanted, said, total = right.split(), guess.split()[:k], 0.0
    for rank in range(1, len(said) + 1):
        new = said[rank - 1] in wanted and said.index(said[rank - 1]) == rank - 1
        total += new * len(set(said[:rank]) & set(wanted)) / rank
    return total / min(len(set(wanted)), k)


def take(columns: Columns, rows: Any) -> Columns:
    return {name: values[rows] for name, values in columns.items()}


@pytest.mark.parametrize("case", CASES)
def test_each_equals_its_reference_and_a_weight_repeats_a_row(case: str) -> None:
    metric, options = made(case)
    for seed in range(40):
        rng = np.random.default_rng(seed)
        answers, guesses = drawn(case, rng, int(rng.integers(2, 40)) if seed else 300)
        n = len(answers["y0"])
        weight = rng.integers(0, 4, n)
        weight[:2] += 1  # both classes
        again = np.repeat(np.arange(n), weight)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            expected = reference(case, answers, guesses, options)
            weighted = reference(case, take(answers, again), take(guesses, again), options)
        rows = metric.rows(answers, guesses)
        close: dict[str, Any] = {"rel": 1e-9, "abs": 1e-9}
        assert metric.value(rows) == pytest.approx(expected, **close), seed
        assert metric.value(rows, weight) == pytest.approx(weighted, **close), seed
        assert metric.value(rows, np.stack([weight, weight * 0 + 1])) == pytest.approx([weighted, expected], **close)
        mask = weight > 0
        if len(set(again.tolist())) == mask.sum() and weight.max() == 1:
            assert metric.value(rows, mask) == pytest.approx(weighted, **close)
        repeated = metric.value(metric.rows(take(answers, again), take(guesses, again)))
        assert repeated == pytest.approx(weighted, **close)


@pytest.mark.parametrize("case", CASES)
def test_the_answers_get_the_best_value_and_no_file_a_better_one(case: str) -> None:
    metric, _ = made(case)
    assert metric.name.endswith("_score" if metric.higher_is_better else ("_error", "_loss"))
    assert (metric.best > metric.worst) == metric.higher_is_better
    for seed in range(20):
        answers, guesses = drawn(case, np.random.default_rng(seed), 30)
        if all(len(np.unique(values)) > 1 for values in answers.values()):
            best = metric.value(metric.rows(answers, answers))
            assert best == metric.best
            assert math.copysign(1, best) == 1, "no negative zero"
        value = metric.value(metric.rows(answers, guesses))
        assert isinstance(value, float)
        assert min(metric.best, metric.worst) <= value <= max(metric.best, metric.worst)


@pytest.mark.parametrize("case", CASES)
def test_an_interval_holds_the_value_of_its_board(case: str) -> None:
    metric, _ = made(case)
    answers, guesses = drawn(case, np.random.default_rng(3), 80)
    rows = metric.rows(answers, guesses)
    weight = np.arange(80) % 5 != 2
    for groups in (None, np.arange(80) // 4):
        ends = metric.interval(rows, weight, groups)
        if case in ("ndcg", "ndcg at 3"):
            assert ends is None, "one ranking has none"
            continue
        assert ends is not None
        assert ends[0] <= metric.value(rows, weight) <= ends[1]
        if case.startswith(("map", "ndcg", "f1", "balanced")):
            assert 0 <= ends[0] <= ends[1] <= 1


def test_a_board_too_large_to_be_resampled_has_no_interval_and_a_value() -> None:
    metric, _ = made("spearman")
    values = np.arange(MOST_RESAMPLED // 2 + 1, dtype=float)
    rows = metric.rows({"y": values}, {"y": values})
    every = np.ones(len(rows), dtype=bool)
    assert metric.interval(rows, every) is None
    assert metric.value(rows, every) == 1.0
    columns = NAMED["mcrmse"].metric({}, 1001)
    wide = columns.rows(*({f"y{c}": values[:100] + c for c in range(1001)} for _ in range(2)))
    assert columns.interval(wide, every[:100]) is None
    assert columns.interval(wide, np.arange(100) < 99) == (0, 0)


@pytest.mark.parametrize("scale", [1e-150, 1e-6, 1e6, 1e95])
@pytest.mark.parametrize("name", ["pearson", "spearman", "r2", "mcrmse"])
def test_any_scale_gives_the_same(name: str, scale: float) -> None:
    rng = np.random.default_rng(0)
    truth, guess = rng.normal(size=50), rng.normal(size=50)
    metric, _ = made(name)
    once = metric.value(metric.rows({"y": truth}, {"y": guess}))
    scaled = metric.value(metric.rows({"y": truth * scale}, {"y": guess * scale}))
    assert scaled == pytest.approx(once * (scale if name == "mcrmse" else 1))


def test_a_correlation_of_answers_with_a_large_mean_keeps_its_digits() -> None:
    truth = np.random.default_rng(0).normal(size=100)
    metric, _ = made("pearson")
    far = metric.value(metric.rows({"y": truth + 2**30}, {"y": 2 * truth + 2**30}))
    assert far == pytest.approx(1, abs=1e-12)


def test_a_word_that_is_there_twice_counts_once() -> None:
    assert average_precision("a", "a a a", 3) == 1
    assert average_precision("a b", "a a b", 3) == (1 + 2 / 3) / 2
    assert average_precision("a b c", "a", 1) == 1
    assert average_precision("a", "", 5) == 0


def test_the_kappa_of_ratings_that_are_not_side_by_side_counts_their_distance() -> None:
    """Where a rating is never given, scikit-learn takes the next one for its neighbour unless all are listed."""
    truth, guess = np.array([0, 0, 9, 9, 4]), np.array([0, 9, 9, 0, 4])
    metric, _ = made("qwk")
    pairs, n = Counter(zip(truth.tolist(), guess.tolist(), strict=True)), 5
    chance = sum((a - b) ** 2 for a in truth.tolist() for b in guess.tolist()) / n**2
    seen = sum(times * (a - b) ** 2 for (a, b), times in pairs.items()) / n
    assert metric.value(metric.rows({"y": truth}, {"y": guess})) == pytest.approx(1 - seen / chance)
