"""Several rows of an id, where a metric file takes them: boxes of images from the file to both boards."""

from __future__ import annotations

import csv
import io
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner, Result
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.cli.main import cli
from harness.grading.decode import _packed, received
from harness.grading.scoring import read_predictions, unjudged
from submissions.reader import read
from tasks.apart import Died
from tasks.base import PUBLIC, SubmissionError, UserError
from tasks.formats import Column, TableFormat, format_from_json
from tasks.kaggle import cells_of, score_file
from tasks.repeats import cells_in, joined
from tasks.samples import table_of
from tasks.solution import own_format, read_sample, read_solution
from tests.conftest import Write

pytestmark = pytest.mark.skipif(os.name != "posix", reason="graders are forked")

IMAGES = ("cat", "dog", "emu", "fox")
SOLUTION = "image,left,right,Usage\n" + "".join(
    f"{image},{10 * at + box},{10 * at + box + 5},{('Public', 'Private')[at % 2]}\n"
    for box in range(3)
    for at, image in enumerate(IMAGES)
    if box <= at
)
SAMPLE = "image,score,left,right\n" + "".join(f"{image},0,0,1\n" for image in reversed(IMAGES))
FOUND = """
def score(solution, submission, row_id_column_name):
    assert list(submission.columns) == [row_id_column_name, "score", "left", "right"]
    found = 0
    for _, box in solution.iterrows():
        mine = submission[submission[row_id_column_name] == box[row_id_column_name]]
        found += bool(((mine["left"] == box["left"]) & (mine["right"] == box["right"])).any())
    return (found - 0.1 * len(submission)) / len(solution)
"""


def call(home: Path, *words: str) -> Result:
    return CliRunner().invoke(cli, ["--home", str(home), *words])


def make(folder: Path, *words: str, solution: str = SOLUTION, sample: str | None = SAMPLE) -> Result:
    (folder / "solution.csv").write_text(solution)
    (folder / "metric.py").write_text(FOUND)
    files = ["--solution", str(folder / "solution.csv"), "--metric", str(folder / "metric.py"), "--higher-is-better"]
    if sample is not None:
        (folder / "sample.csv").write_text(sample)
        files += ["--sample", str(folder / "sample.csv")]
    return call(folder / "home", "new", "own", *files, *(words or ("--rows-per-id", "4")))


def test_boxes_of_images_are_scored_on_both_boards(tmp_path: Path) -> None:
    made = make(tmp_path)
    assert made.exit_code == 0, made.output
    assert "2 public and 2 private hidden rows" in made.stdout
    home = tmp_path / "home"
    assert (home / "public/own/sample_submission.csv").read_text().splitlines()[1:] == [f"{i},0,0,1" for i in IMAGES]
    assert "at most 4 rows for each id" in (home / "public/own/sheet.md").read_text()
    boxes = {"cat": [(0, 5)], "dog": [(10, 15), (11, 16), (10, 15)], "fox": [(30, 35), (99, 100)]}
    rows = [f"{image},0.5,{left},{right}\n" for image in ("fox", "dog", "cat") for left, right in boxes[image]]
    (tmp_path / "a.csv").write_text("image,score,left,right\n" + "".join(rows[::-1]))
    checked = call(home, "check", "own", str(tmp_path / "a.csv"))
    assert checked.exit_code == 0, checked.output
    assert "valid: 4 ids" in checked.stdout + checked.stderr
    assert "1 of 4 ids have no row" in checked.stdout + checked.stderr
    sent = call(home, "submit", "own", str(tmp_path / "a.csv"), "--as", "ada", "--format", "json")
    assert sent.exit_code == 0, sent.output
    public, private = (1 - 0.1 * 1) / (1 + 3), (3 - 0.1 * 5) / (2 + 3)
    assert json.loads(sent.stdout)["scores"][0]["public"] == pytest.approx(public, abs=1.0001e-5)
    assert call(home, "reveal", "own", "--reason", "the end", "--yes").exit_code == 0
    board = json.loads(call(home, "leaderboard", "own", "--private", "--format", "json").stdout)["board"]
    assert board[0]["score"] == pytest.approx(private, abs=1.0001e-5)
    assert call(home, "audit", "verify").exit_code == 0
    assert "same data, version 1" in make(tmp_path).stdout
    assert make(tmp_path, "--rows-per-id", "5").exit_code == 8


@pytest.mark.parametrize(
    ("words", "solution", "sample", "said"),
    [
        (("--title", "x"), SOLUTION, SAMPLE, "line 6: the id 'dog' is already on line 3; give each id one row, or"),
        (("--rows-per-id", "0"), SOLUTION, SAMPLE, "rows-per-id"),
        (("--rows-per-id", "1001"), SOLUTION, SAMPLE, "rows-per-id"),
        (("--rows-per-id", "3"), SOLUTION, None, "add --sample FILE"),
        ((), SOLUTION.replace("dog,11,16,Private", "dog,11,16,Public"), SAMPLE, "'Usage' is not as on line 3"),
        ((), SOLUTION, SAMPLE.replace("emu,0,0,1\n", ""), "no row for 1 ids of the solution, such as 'emu'"),
        ((), SOLUTION, SAMPLE + "gnu,0,0,1\n", "1 ids that the solution lacks, such as 'gnu'"),
        ((), SOLUTION, SAMPLE + "cat,0,0,1\n" * 4, "line 9: the id 'cat' is there more than 4 times"),
        (
            (),
            SOLUTION,
            SAMPLE + "dog,0,0,1\nemu,0,0,1\nfox,0,0,1\nemu,0,0,1\nfox,0,0,1\n",
            "3 rows of the id 'emu' and 1 of 'cat'",
        ),
        ((), SOLUTION, SAMPLE + "fox,0,0,1\n", "2 rows of the id 'fox' and 1 of 'cat'. That may tell"),
        ((), SOLUTION, SAMPLE + SAMPLE.partition("\n")[2].replace("0,1", "20,2"), None),
        ((), SOLUTION.replace("cat,0,5", 'cat,"0\n",5'), SAMPLE, "an answer with a line break"),
    ],
)
def test_what_does_not_fit_is_refused(
    tmp_path: Path, words: tuple[str, ...], solution: str, sample: str | None, said: str | None
) -> None:
    refused = make(tmp_path, *words, solution=solution, sample=sample)
    assert refused.exit_code == (0 if said is None else 2), refused.output
    assert (said or "") in " ".join(refused.stderr.split())
    assert (tmp_path / "home" / "public" / "own").exists() == (said is None)


def test_a_sample_with_the_answers_in_another_order_is_refused(write: Write) -> None:
    solution = write("id,y\na,1\na,2\nb,3\nb,4\n", "solution.csv")
    form, _ = own_format(read_solution(solution, most_rows=2), whole=False, most_rows=2)
    with pytest.raises(UserError, match="column 'y' has the answers"):
        read_sample(write("id,y,z\na,2,0\na,1,0\nb,3,0\nb,4,0\n", "sample.csv"), solution, form)


ONE_COLUMN = "".join(f"{line.rsplit(',', 2)[0]}\n" for line in SOLUTION.splitlines())
TIMES = "".join(f"{line.partition(',')[0]},{at}\n" for at, line in enumerate(SOLUTION.splitlines()))


@pytest.mark.parametrize(
    ("table", "code"),
    [
        (SOLUTION, "contains the answers in column 'left'"),
        (ONE_COLUMN, "contains the answers in column 'left'"),
        ("".join(ONE_COLUMN.splitlines(keepends=True)[::-1]), "contains the answers in column 'left'"),
        (TIMES, "as many rows of each id as the solution"),
        ("image,wide\n" + "".join(f"{image},{100 + at}\n" for at, image in enumerate(IMAGES)), ""),
    ],
    ids=["the solution", "a column of it", "in another order", "its rows alone", "something else"],
)
def test_a_file_of_students_that_has_the_answers_of_several_rows_is_a_leak(
    tmp_path: Path, table: str, code: str
) -> None:
    (public := tmp_path / "given").mkdir()
    (public / "boxes.csv").write_text(table)
    done = make(tmp_path, "--rows-per-id", "5", "--public", str(public))
    assert (done.exit_code == 0) == (code == ""), done.output
    assert code in done.output


def test_a_metric_by_name_takes_one_row_of_an_id(tmp_path: Path, write: Write) -> None:
    words = ["--solution", str(write("id,y\n0,1\n1,2\n")), "--metric", "rmse", "--rows-per-id", "2"]
    refused = call(tmp_path / "home", "new", "own", *words)
    assert (refused.exit_code, "--rows-per-id is for a metric file" in refused.stderr) == (2, True)


# The reader -----------------------------------------------------------------------------------------------------------

FORM = TableFormat("id", (Column("y"), Column("t", "text")), ("a", "b", "c"), most_rows=2)


def test_rows_of_an_id_are_kept_in_their_order_as_written() -> None:
    columns = read(b'id,t,y\r\nb,x, 1\r\na,"p, q",2e0\r\nb,,-3\r\n', FORM)
    assert {name: texts.tolist() for name, texts in columns.items()} == {
        "y": ["2e0\n", " 1\n-3\n", ""],
        "t": ["p, q\n", "x\n\n", ""],
    }
    assert unjudged(FORM, columns).notes == ("1 of 3 ids have no row",)
    assert table_of(FORM, columns) == b'id,y,t\na,2e0,"p, q"\nb, 1,x\nb,-3,\n'
    assert format_from_json(json.loads(json.dumps(FORM.to_json()))) == FORM


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"id,y,t\na,1,\na,1,\na,1,\n", "E_ID_TWICE"),
        (b"id,y,t\nd,1,\n", "E_ID_UNKNOWN"),
        (b"id,y,t\na,one,\n", "E_NUMBER"),
        (b"id,y,t\na,,\n", "E_NUMBER"),
        (b"id,y\na,1\n", "E_COLUMNS"),
        (b"id,y,t\n", "E_ROWS"),
        (b"id,y,t\n" + b"a,1,\n" * 1100, "E_ROWS"),
        (b"id,y,t\na,1\nb,1,x\n", "E_CELLS"),
    ],
)
def test_what_is_wrong_with_a_row_is_said_as_ever(data: bytes, code: str) -> None:
    with pytest.raises(SubmissionError) as caught:
        read_predictions(data, FORM, cells=True)
    assert code in {problem.code for problem in caught.value.problems}


CELL = st.text(st.characters(exclude_characters='\n\r"', exclude_categories=["Cs", "Cc"]), max_size=5)


@settings(deadline=None)
@given(rows=st.lists(st.tuples(st.sampled_from("abc"), st.integers(-9, 9), CELL), min_size=1, max_size=6))
def test_what_is_read_goes_between_processes_and_back_into_a_file(rows: list[tuple[str, int, str]]) -> None:
    form = TableFormat("id", FORM.columns, FORM.ids, most_rows=6)
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows([("id", "y", "t"), *rows])
    columns = read_predictions(out.getvalue().encode(), form, cells=True)
    back = received(_packed(columns), form, True)
    assert {name: texts.tolist() for name, texts in back.items()} == {n: t.tolist() for n, t in columns.items()}
    assert [joined(cells_in(text)) for text in columns["t"].tolist()] == columns["t"].tolist()
    kept = [(one, y, t) for name in "abc" for one, y, t in rows if one == name]
    assert list(csv.reader(io.StringIO(table_of(form, columns).decode())))[1:] == [[a, str(b), c] for a, b, c in kept]


@pytest.mark.parametrize("texts", [("1\n", ""), ("1", "x"), ("1\n" * 3, "x\n" * 3)])
def test_a_reply_whose_columns_have_other_rows_is_refused(texts: tuple[str, str]) -> None:
    columns: Any = {name: np.array([text, "", ""], dtype=object) for name, text in zip(("y", "t"), texts, strict=True)}
    with pytest.raises(Died):
        received(_packed(columns), cells_of(FORM), True)


def test_the_frames_have_the_rows_of_the_ids_of_a_side_and_repeat_them_by_weight(tmp_path: Path, write: Write) -> None:
    solution = write("id,y\nb,1\na,2\nb,3\nc,4\na,5\n", "solution.csv")
    form, answers = own_format(read_solution(solution, most_rows=3), whole=False, most_rows=3)
    assert (form.ids, answers.columns["y"].tolist()) == (("a", "b", "c"), ["2\n5\n", "1\n3\n", "4\n"])
    usage = np.array([PUBLIC, 2, 2], dtype=np.int8)
    write("def score(solution, submission, row_id_column_name):\n    return 0.0\n", "metric.py")
    file = score_file(
        tmp_path / "metric.py", higher_is_better=True, name="m", form=form, usage=usage, solution=solution
    )
    frames = file.rows(answers.columns, read_predictions(b"id,y\nc,9\na,8\nc,7\n", form, cells=True))
    assert len(frames) == 3

    def rows(which: list[int]) -> tuple[list[Any], list[Any]]:
        one, other = frames.taken(np.array(which))
        assert isinstance(one, pd.DataFrame)
        return one.to_numpy().tolist(), other.to_numpy().tolist()

    assert rows([0, 1, 2]) == (
        [["b", 1], ["a", 2], ["b", 3], ["c", 4], ["a", 5]],
        [["a", 8], ["c", 9], ["c", 7]],
    )
    assert rows([1]) == ([["a", 2], ["a", 5]], [["a", 8]])
    assert rows([0, 0]) == ([["b", 1], ["b", 3], ["b", 1], ["b", 3]], [])
    assert rows([2, 2]) == ([["c", 4], ["c", 4]], [["c", 9], ["c", 7], ["c", 9], ["c", 7]])
