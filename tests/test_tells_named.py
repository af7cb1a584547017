"""What a file that is made for it reads of single public answers from one shown score, by metric."""

from __future__ import annotations

import math

import numpy as np
import pytest

from harness.shown import shown
from tasks.named import NAMED

READ = {(100, 1e-15): 16, (1000, 1e-15): 12, (10_000, 1e-15): 9, (100, 0.05): 12, (1000, 0.05): 9, (10_000, 0.05): 5}
"""How many labels one score of log loss tells whoever knows which rows are public, by public rows and `clip`."""


@pytest.mark.parametrize(("n", "clip"), READ)
def test_one_score_of_log_loss_tells_so_many_labels_and_no_more(n: int, clip: float) -> None:
    """Each of k rows gets a probability whose loss grows by another power of two of a step if its label is 1."""
    metric = NAMED["log_loss"].metric(NAMED["log_loss"].read_options([f"clip={clip}"]), 1)
    step, most = n * 10.0**-metric.digits * 1.01, math.log(1 / clip - 1)
    k = int(math.log2(most / step)) + 1
    assert k == READ[n, clip]
    rng = np.random.default_rng(n)
    for _ in range(5):
        labels = rng.integers(0, 2, n).astype(float)
        grows = step * 2.0 ** np.arange(k)
        guess = np.full(n, 0.5)
        guess[:k] = 1 / (1 + np.exp(grows))
        score = shown(metric.value(metric.rows({"y": labels}, {"y": guess})), metric.digits)
        without = (np.log1p(np.exp(-grows)).sum() + (n - k) * math.log(2)) / n
        found = math.ceil((score - without) * n / step - 1e-6)
        assert [found >> place & 1 for place in range(k)] == labels[:k].tolist()


@pytest.mark.parametrize("name", ["pearson", "spearman"])
@pytest.mark.parametrize("n", [100, 1000])
def test_one_hot_predictions_tell_one_standardised_answer(name: str, n: int) -> None:
    metric = NAMED[name].metric({}, 1)
    truth = np.random.default_rng(n).normal(size=n)
    ranks = truth if name == "pearson" else truth.argsort().argsort().astype(float)
    wanted = (ranks - ranks.mean()) / ranks.std()
    for row in (0, 7):
        guess = np.zeros(n)
        guess[row] = 1
        score = shown(metric.value(metric.rows({"y": truth}, {"y": guess})), metric.digits)
        assert score * math.sqrt(n - 1) == pytest.approx(wanted[row], abs=1.1e-5 * math.sqrt(n))
    assert metric.value(metric.rows({"y": truth}, {"y": np.zeros(n)})) == 0, "a row that is not public"


def test_one_wrong_probability_of_1_shows_on_a_board_of_a_million_rows() -> None:
    metric = NAMED["log_loss"].metric(NAMED["log_loss"].read_options(()), 1)
    labels, guess = np.zeros(10**6), np.full(10**6, 0.5)
    before = shown(metric.value(metric.rows({"y": labels}, {"y": guess})), metric.digits)
    guess[3] = 1
    assert shown(metric.value(metric.rows({"y": labels}, {"y": guess})), metric.digits) - before > 2e-5
