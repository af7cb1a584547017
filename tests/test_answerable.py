"""`new` refuses answers that no file could have, and takes all others: the solution itself passes `check`."""

from __future__ import annotations

import csv
import os
from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner, Result

from harness.cli.main import cli

SECRET = "sesame"
SCORE = "def score(solution, submission, row_id_column_name):\n    return 1.0\n"


def call(home: Path, *words: str) -> Result:
    return CliRunner().invoke(cli, ["--home", str(home), *words])


def made(folder: Path, answers: list[str], metric: str = "exact_match", **names: str) -> Result:
    """`new` with these answers, written by pandas."""
    ids = [f"r{at}" for at in range(len(answers))]
    sides = ["Public" if at % 2 else "Private" for at in range(len(answers))]
    table = pd.DataFrame({names.get("id", "id"): ids, names.get("y", "y"): answers, "Usage": sides})
    table.to_csv(folder / "solution.csv", index=False, quoting=csv.QUOTE_ALL)
    table.drop(columns="Usage").to_csv(folder / "own.csv", index=False, quoting=csv.QUOTE_ALL)
    (folder / "metric.py").write_text(SCORE)
    words = [metric] if metric != "file" else [str(folder / "metric.py"), "--higher-is-better"]
    return call(folder / "home", "new", "own", "--solution", str(folder / "solution.csv"), "--metric", *words)


@pytest.mark.parametrize(
    ("answers", "said"),
    [
        (
            ["a", "b", f"{SECRET}\n2", "d"],
            "line 4: nobody could hand in this answer, since column 'y' has a line break",
        ),
        (["a\n1", "b", f"{SECRET}\n2", "d"], "line 2: nobody could hand in this answer, since column 'y' has a line"),
        (
            ["a", "b", f"{SECRET}\r2", "d"],
            "line 4: nobody could hand in this answer, since column 'y' has a line break",
        ),
        (["a", "b", f"{SECRET}\r\n", "d"], "line 4: nobody could hand in this answer, since column 'y' has a line"),
        (["a", "b", "c", f"\0{SECRET}"], "line 5: nobody could hand in this answer; the reader of submissions says E_"),
        (["a", "b", "c", SECRET * 2000], "line 5: the answer in column 'y' is longer than 10,000 characters"),
    ],
)
def test_an_answer_that_no_file_can_have_is_refused_with_its_line(
    tmp_path: Path, answers: list[str], said: str
) -> None:
    refused = made(tmp_path, answers)
    assert (refused.exit_code, said in " ".join(refused.stderr.split())) == (2, True), refused.output
    assert SECRET not in refused.output
    assert not (tmp_path / "home" / "public" / "own").exists()


@pytest.mark.skipif(os.name != "posix", reason="graders are forked")
@pytest.mark.parametrize(
    ("answers", "said"),
    [
        (
            ["a", "b", f"{SECRET}\n2", "d"],
            "line 4: nobody could hand in this answer, since column 'y' has a line break",
        ),
        (["a", "b", "c", SECRET * 2000], "line 5: nobody could hand in this answer, since column 'y' has more than"),
    ],
)
def test_it_is_refused_for_a_metric_file_too(tmp_path: Path, answers: list[str], said: str) -> None:
    refused = made(tmp_path, answers, "file")
    assert (refused.exit_code, said in " ".join(refused.stderr.split())) == (2, True), refused.output
    assert SECRET not in refused.output


def test_names_of_columns_that_no_header_can_have_are_refused(tmp_path: Path) -> None:
    refused = made(tmp_path, ["a", "b", "c", "d"], y="p\nq")
    assert refused.exit_code == 2
    assert "line 1: nobody could hand in a file with these columns" in " ".join(refused.stderr.split())


@pytest.mark.parametrize("metric", ["exact_match", "accuracy", "file"])
def test_odd_answers_that_a_file_can_have_are_taken(tmp_path: Path, metric: str) -> None:
    if metric == "file" and os.name != "posix":
        pytest.skip("graders are forked")
    odd = ['"', 'a"b', '"a", "b"', "NA", "null", " x ", "\u2028", "a\u0085b", ",", "-", "x" * 9999, "=1", "\t", "'"]
    done = made(tmp_path, odd if metric == "file" else [text for text in odd if text.strip()], metric, y='p,"q"')
    assert done.exit_code == 0, done.output
    checked = call(tmp_path / "home", "check", "own", str(tmp_path / "own.csv"))
    assert checked.exit_code == 0, checked.output


@pytest.mark.skipif(os.name != "posix", reason="graders are forked")
def test_answers_that_are_missing_are_taken_for_a_metric_file(tmp_path: Path) -> None:
    done = made(tmp_path, ["1", "", "3", ""], "file")
    assert done.exit_code == 0, done.output
    assert call(tmp_path / "home", "check", "own", str(tmp_path / "own.csv")).exit_code == 0


def test_more_answers_than_a_file_may_have_bytes_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tasks.formats.MOST_BYTES", 2**20)
    refused = made(tmp_path, [f"{at}" + "中" * 1500 for at in range(400)])
    assert refused.exit_code == 2
    assert "bytes, more than the 1,048,576 that are accepted; shorten ids" in " ".join(refused.stderr.split())
