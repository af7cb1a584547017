"""How much a shown score tells: the numbers of docs/security.md, and that what protects the answers does."""

from __future__ import annotations

import itertools
import math
import re
from pathlib import Path

import numpy as np
import pytest

from harness.shown import decimals, shown
from tasks.base import Rules
from tasks.homeworks import canonical, find_task
from tests.bench import tells

DOCS = Path(__file__).parents[1] / "docs" / "security.md"


@pytest.mark.parametrize(("least", "most", "digits"), [(0, 1, 2), (0, 25, 2), (-3, 12, 1)])
def test_the_values_that_are_counted_are_those_that_are_shown(least: int, most: int, digits: int) -> None:
    fine = 10 ** (digits + 1)
    seen = {shown(n / fine, digits) for n in range(least * fine, most * fine + 1)}
    assert tells.values(least, most, digits) == len(seen)


def test_large_values_are_counted_with_the_fewer_decimals_that_they_have() -> None:
    cells = (n / 100 for n in range(15_001))
    seen = {math.floor(cell * 10 ** decimals(cell, 1, 3) + 1e-9) / 10 ** decimals(cell, 1, 3) for cell in cells}
    assert tells.values(0, 150, 1, 3) == len(seen) == 1000 + 50 + 1


def test_the_documentation_shows_the_bounds_as_they_are_counted() -> None:
    found = re.search(r"<!-- tells -->\n(.*?)\n<!-- /tells -->", DOCS.read_text(), re.DOTALL)
    assert found is not None
    assert found[1].splitlines() == tells.bound_table()


def test_the_homeworks_are_those_of_the_table() -> None:
    assert Rules().quota == tells.QUOTA
    for case in tells.CASES:
        name, _, year = case.homework.partition(", ")
        task = find_task(canonical(name))
        assert task is not None
        edition = task.edition(f"builtin-{year}" if year else "builtin")
        metrics = {metric.label: metric for metric in edition.metrics}
        assert case.metric in metrics
        assert case.digits == metrics[case.metric].digits
        assert edition.rules.quota == tells.QUOTA


def test_one_far_cell_still_tells_its_side_and_label() -> None:
    """What docs/security.md admits; were it no longer so, the page would be wrong."""
    right, error = tells.label_errors(cut=True, trials=40)
    assert right == 1.0
    assert 1e-6 < error < 1e-3
    assert tells.label_errors(cut=False, trials=40)[1] < 1e-9


def test_within_bounds_one_file_does_not_tell_the_sides_of_many_rows_and_without_them_it_does() -> None:
    def share(cut: bool, most: float, ratio: float) -> float:
        steps = most * ratio ** np.arange(10, dtype=np.float64)
        right = 0
        for seed in range(8):
            made = tells.world(seed, cut)
            rows = np.random.default_rng(seed).permutation(893)[:10]
            right += int((tells.sides(made, rows.tolist(), steps) == made.public[rows]).sum())
        return right / 80

    assert share(True, 1e9, 0.5) >= 0.95, "the attack works where cells have no bounds"
    assert max(itertools.starmap(share, ((True, 60.0, ratio) for ratio in (0.5, 0.6, 0.7, 0.8)))) < 0.95
