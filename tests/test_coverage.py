"""How often intervals hold the truth, by 10,000 draws: within 93.5 to 96.5 % but for what is listed here by name."""

from __future__ import annotations

import pytest

from tests.bench.coverage import WANTED, Law, coverage, laws
from tests.bench.one_ranking import LAWS, covered

DRAWS, SEED = 10_000, 1
SHORT = {
    # What `python tests/bench/coverage.py` measured outside the wanted range, for each number of rows.
    ("RMSE", "Laplace errors"): {50: 93.0},
    ("RMSE", "heavy tails, t of 5"): {50: 91.8, 500: 92.9},
    ("RMSE", "very heavy tails, t of 3"): {50: 84.0, 500: 84.0, 5000: 85.7},
    ("MSE", "Laplace errors"): {50: 93.4},
    ("MSE", "heavy tails, t of 5"): {50: 92.0, 500: 93.3},
    ("MSE", "very heavy tails, t of 3"): {50: 84.4, 500: 84.6, 5000: 85.3},
    ("AUC", "AUC 0.983, 50% class 1"): {50: 97.0},
    ("AUC", "AUC 0.760, 10% class 1"): {50: 91.0},
    ("reward", "3% crashes"): {50: 85.2},
    ("reward", "10% crashes"): {50: 92.5},
    ("MCRMSE", "two columns"): {50: 80.2, 500: 87.4},
}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """The laws, whose pools take seconds to make, where slow tests run.

    Of metrics by name that are resampled, which takes longest, the larger boards alone; the benchmark measures both.
    """
    if "law" not in metafunc.fixturenames:
        return
    found = () if metafunc.config.option.markexpr == "not slow" else laws()
    sizes = [
        pytest.param(law, n, id=f"{law.metric.label}, {law.name}-{n}")
        for law in found
        for n in (law.sizes if law.share > 1 / 30 else law.sizes[-1:])
    ]
    metafunc.parametrize(("law", "n"), sizes)


@pytest.mark.slow
def test_an_interval_holds_the_truth_as_often_as_it_says(law: Law, n: int) -> None:
    found = coverage(law, n, DRAWS, SEED)
    noise = 3 * 100 * (0.05 * 0.95 / (DRAWS * law.share)) ** 0.5  # three standard errors
    expected = SHORT.get((law.metric.label, law.name), {}).get(n)
    if expected is None:
        assert WANTED[0] - noise <= found <= WANTED[1] + noise
    else:
        assert abs(found - expected) <= 2 * noise
        assert not WANTED[0] <= expected <= WANTED[1]


@pytest.mark.slow
def test_resamples_of_one_ranking_would_hold_the_truth_too_rarely() -> None:
    assert covered(LAWS[1], 0, 50, 200, SEED) < 90
