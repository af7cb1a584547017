"""Masks as run lengths: how they are read, Dice and IoU against plain pixels, and a competition of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from harness.cli.main import cli
from harness.grading import decode
from submissions.reader import read
from tasks.base import SubmissionError, UserError
from tasks.formats import Column, TableFormat, format_from_json, longest_text
from tasks.named import NAMED
from tasks.own import fitted
from tasks.runs import is_mask, read_runs
from tasks.samples import sample_submission
from tests.conftest import Write

PIXELS = 40
FORM = TableFormat("id", (Column("mask", "text", 1, PIXELS, runs=True),), range(2))
masks = st.lists(st.booleans(), min_size=PIXELS, max_size=PIXELS).map(np.array)


def written(mask: NDArray[np.bool_]) -> str:
    """The run lengths of a mask."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], mask.astype(int), [0]])))
    return " ".join(f"{start + 1} {end - start}" for start, end in edges.reshape(-1, 2).tolist())


@given(mask=masks)
def test_what_is_written_is_read(mask: NDArray[np.bool_]) -> None:
    again = np.zeros(PIXELS, dtype=bool)
    for start, end in read_runs(written(mask), PIXELS):
        again[start - 1 : end - 1] = True
    assert np.array_equal(again, mask)


@given(truth=masks, guess=masks, columns=st.integers(1, 2))
def test_dice_and_iou_are_those_of_the_pixels(truth: NDArray[Any], guess: NDArray[Any], columns: int) -> None:
    pairs = [(truth, guess), (truth, truth), (truth, ~truth), (truth & False, guess & False), (truth & False, guess)]
    answers = {f"m{c}": np.array([written(right) for right, _ in pairs]) for c in range(columns)}
    guesses = {f"m{c}": np.array([written(said) for _, said in pairs]) for c in range(columns)}
    both = [int((a & b).sum()) for a, b in pairs]
    below = {"dice": [int(a.sum() + b.sum()) for a, b in pairs], "iou": [int((a | b).sum()) for a, b in pairs]}
    for name, sizes in below.items():
        metric = NAMED[name].metric({"pixels": PIXELS}, columns)
        times = 2 if name == "dice" else 1
        expected = [times * hit / size if size else 1.0 for hit, size in zip(both, sizes, strict=True)]
        rows = metric.rows(answers, guesses)
        assert rows == pytest.approx(expected)
        assert metric.value(rows, np.array([1, 0, 2, 0, 0])) == pytest.approx((expected[0] + 2 * expected[2]) / 3)
        ends = metric.interval(rows, np.ones(5, dtype=bool))
        assert ends is not None
        assert 0 <= ends[0] <= metric.value(rows) <= ends[1] <= 1


WRONG = {
    "1": "a start without a length",
    "0 3": "count from 1",
    "5 0": "a length of 0",
    "5 3 7 2": "overlap",
    "9 2 1 2": "ascending",
    "40 2": "beyond 40",
    "1  2": "one blank",
    "1 2.0": "one blank",
    "-1 2": "one blank",
    "nan": "one blank",
    "1 99999999999": "one blank",
    "١ 2": "one blank",
}


@pytest.mark.parametrize("cell", WRONG)
def test_a_cell_that_is_no_mask_is_refused_by_its_line_and_says_why(cell: str) -> None:
    with pytest.raises(SubmissionError) as refused:
        read(f"id,mask\n0,1 2\n1,{cell}\n".encode(), FORM)
    (problem,) = refused.value.problems
    assert (problem.code, problem.line, problem.column) == ("E_RUNS", 3, "mask")
    assert WRONG[cell] in problem.message
    assert not is_mask(cell, PIXELS)


def test_runs_that_touch_an_empty_cell_and_minus_one_are_masks() -> None:
    found = read(b"id,mask\n1,\n0,1 2 3 38\n", FORM)["mask"].tolist()
    assert found == ["1 2 3 38", ""]
    assert read(b"id,mask\n1,-1\n0,\n", FORM)["mask"].tolist() == ["", "-1"]
    assert read(sample_submission(FORM), FORM)["mask"].tolist() == ["", ""]


def test_the_format_is_written_and_read_and_a_reply_of_another_kind_is_no_result() -> None:
    assert format_from_json(json.loads(json.dumps(FORM.to_json()))) == FORM
    assert decode._fits({"mask": np.array(["1 2", ""])}, FORM, False)
    assert not decode._fits({"mask": np.array(["1 2", "2 1 1 1"])}, FORM, False)


def test_a_solution_with_a_cell_that_is_no_mask_or_too_long_is_refused(write: Write) -> None:
    named = NAMED["dice"]
    with pytest.raises(UserError, match="line 3: column 'mask' is not a mask"):
        fitted(write("id,mask\n0,1 2\n1,2 1 1 1\n"), named, {"pixels": PIXELS})
    with pytest.raises(UserError, match="line 2: column 'mask' is not a mask"):
        fitted(write("id,mask\n0,1 41\n1,\n"), named, {"pixels": PIXELS})
    long = " ".join(f"{2 * n + 1} 1" for n in range(longest_text(2)))
    with pytest.raises(UserError, match="line 3: the answer in column 'mask' is longer than 10,000 characters"):
        fitted(write(f"id,mask\n0,1 2\n1,{long}\n"), named, named.read_options(()))


def call(home: Path, *words: str) -> Result:
    return CliRunner().invoke(cli, ["--home", str(home), *words])


def test_a_competition_of_masks_goes_from_its_solution_to_a_score(tmp_path: Path) -> None:
    home, solution, mine = tmp_path / "home", tmp_path / "solution.csv", tmp_path / "mine.csv"
    solution.write_text("id,mask,Usage\na,1 4,Public\nb,,Public\nc,2 2,Private\n")
    words = ["--solution", str(solution), "--metric", "dice", "--metric-arg", "pixels=40"]
    assert call(home, "new", "cells", *words).exit_code == 0
    mine.write_text("id,mask\na,3 4\nb,\nc,-1\n")
    assert call(home, "check", "cells", str(mine)).exit_code == 0
    done = call(home, "submit", "cells", str(mine), "--as", "ada", "--format", "json")
    assert json.loads(done.stdout)["scores"][0]["public"] == 0.75
    mine.write_text("id,mask\na,3 99\nb,\nc,-1\n")
    refused = call(home, "submit", "cells", str(mine), "--as", "ada")
    assert refused.exit_code == 3
    assert "beyond 40" in refused.stderr
