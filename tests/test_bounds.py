"""No cell of a table makes a shown score a microscope: columns have bounds, and shown digits are few."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from harness.plans import plan_own
from submissions.reader import read
from tasks.base import SubmissionError, truncate
from tasks.formats import TableFormat
from tasks.homeworks import find_task
from tasks.metrics import RMSE

BOUNDED = {"hw01": (0.0, 100.0), "hw03": (0, 10), "hw08": (-1e12, 1e12)}


def table(form: TableFormat, cell: str) -> bytes:
    """A file with `cell` for the first id and 1 for the others."""
    lines = [",".join(form.header), f"{form.ids[0]},{cell}", *(f"{number},1" for number in form.ids[1:])]
    return ("\n".join(lines) + "\n").encode()


@pytest.mark.parametrize("name", BOUNDED)
def test_every_edition_refuses_a_cell_that_its_quantity_cannot_be(name: str) -> None:
    low, high = BOUNDED[name]
    task = find_task(name)
    assert task is not None
    for edition in task.editions:
        form = edition.format
        assert isinstance(form, TableFormat)
        for column in form.columns:
            assert (column.minimum, column.maximum) == (low, high)
        for cell in (low, high):
            assert float(read(table(form, f"{cell:g}"), form)[form.columns[0].name][0]) == cell
        beyond = (low - 1, high + 1) if isinstance(low, int) else (math.nextafter(low, -math.inf), "1e100", "-1e100")
        for text in beyond:
            with pytest.raises(SubmissionError) as refused:
                read(table(form, str(text)), form)
            assert [problem.code for problem in refused.value.problems] == ["E_RANGE"]


def shown(score: float) -> float:
    """An RMSE as students see it: cut to its five decimals and to six significant digits."""
    decimals = min(RMSE.digits, 5 - math.floor(math.log10(score)))
    return float(truncate(score, decimals))


def test_one_cell_of_hw1_moves_the_shown_score_by_under_five_and_tells_under_twenty_bits() -> None:
    rng = np.random.default_rng(1)
    truth = rng.uniform(0, 60, 446)
    guess = np.clip(truth + rng.normal(0, 1, len(truth)), 0, 100)

    def score(first_truth: float, cell: float) -> float:
        rows = RMSE.rows({"y": np.array([first_truth, *truth[1:]])}, {"y": np.array([cell, *guess[1:]])})
        return float(RMSE.value(rows))

    # One cell moves the root of a mean of squares by at most the root of the most it can add, over n.
    moved = [
        abs(shown(score(y, a)) - shown(score(y, b))) for y in (0.0, 30.0, 100.0) for a in (0, 100) for b in (0, 50)
    ]
    assert 3 < max(moved) <= 100 / math.sqrt(len(truth)) + 1e-5 < 4.74
    # The truth behind the cell at its bound is known to the shown digits alone, whatever the cell.
    rest = score(0.0, 0.0) ** 2 * len(truth)
    for cell in (0.0, 100.0):
        every = np.sqrt((rest + (np.linspace(0, 100, 2**21) - cell) ** 2) / len(truth))
        assert len(np.unique(np.trunc(every * 1e5))) < 2**19


SOLUTION = "id,y\n" + "".join(f"{i},{value}\n" for i, value in enumerate((0.25, 3.5, 1.0, 4.75)))


def own(folder: Path, solution: str, metric: str) -> TableFormat:
    path = folder / "solution.csv"
    path.write_text(solution)
    plan = plan_own("own", path, metric, title=None, public=None, higher_is_better=None, public_share=0.5)
    assert isinstance(plan.format, TableFormat)
    return plan.format


@pytest.mark.parametrize("metric", ["rmse", "mse", "mae"])
def test_predictions_of_ones_own_competition_stay_near_the_range_of_its_answers(tmp_path: Path, metric: str) -> None:
    form = own(tmp_path, SOLUTION, metric)
    for cell in (0.25 - 45, 4.75 + 45, -100, 100):
        assert read(table(form, str(cell)), form)["y"][0] == cell
    with pytest.raises(SubmissionError) as refused:
        read(table(form, "1e100"), form)
    assert [problem.code for problem in refused.value.problems] == ["E_RANGE"]


@pytest.mark.parametrize(
    ("answers", "bound"),
    [
        ((0, 0, 0), 1),
        ((5, 5, 5), 100),
        ((1e-8, 2e-8, 0), 1),
        ((1e99, 0, 1), 1e100),
        ((-3, 0, 6.5), 1000),
        ((-3, 0, 9), 1000),
        ((1000, 1001, 1002), 10_000),
    ],
)
def test_bounds_are_a_power_of_ten_and_do_not_give_the_largest_answer_away(
    tmp_path: Path, answers: tuple[float, ...], bound: float
) -> None:
    form = own(tmp_path, "id,y\n" + "".join(f"{i},{value}\n" for i, value in enumerate(answers)), "rmse")
    assert [(column.minimum, column.maximum) for column in form.columns] == [(-bound, bound)]


def test_metrics_that_compare_the_order_or_hits_leave_numbers_unbounded(tmp_path: Path) -> None:
    form = own(tmp_path, "id,y\n0,0\n1,1\n2,1\n3,0\n", "auc")
    assert (form.columns[0].minimum, form.columns[0].maximum) == (-1e100, 1e100)
