"""Metric files with `rows` beside `score`: intervals, both boards from the values of rows, and what `new` compares."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from harness.answers import read_secret
from harness.cli.main import cli
from harness.competition import find_competition
from harness.grading.grader import grade_within
from harness.home import open_home
from tasks.apart import Limits
from tasks.base import PRIVATE, PUBLIC, SubmissionError, UserError
from tasks.kaggle import score_file
from tasks.metrics import mean_interval
from tests.conftest import Write

pytestmark = pytest.mark.skipif(os.name != "posix", reason="graders are forked")

N = 40
TRUTH = np.random.default_rng(5).normal(size=N).round(3)
GUESS = TRUTH + np.random.default_rng(6).normal(size=N).round(2)
SIDES = ["Public" if n % 3 else "Private" for n in range(N)]
SOLUTION = "id,y,Usage\n" + "".join(f"{n},{y},{side}\n" for n, (y, side) in enumerate(zip(TRUTH, SIDES, strict=True)))
ERRORS = """
class ParticipantVisibleError(Exception):
    pass


def rows(solution, submission):
    if (submission["y"] > 50).any():
        raise ParticipantVisibleError("above 50")
    print(solution)
    return (solution["y"] - submission["y"]).abs()


def score(solution, submission, row_id_column_name):
    return float(rows(solution, submission).mean())
"""


def call(home: Path, *words: str) -> Result:
    return CliRunner().invoke(cli, ["--home", str(home), *words])


def make(folder: Path, metric: str = ERRORS, *words: str, solution: str = SOLUTION) -> Result:
    (folder / "solution.csv").write_text(solution)
    (folder / "metric.py").write_text(metric)
    return call(
        folder / "home",
        "new",
        "own",
        "--solution",
        str(folder / "solution.csv"),
        "--lower-is-better",
        "--metric",
        str(folder / "metric.py"),
        *words,
    )


def submit(folder: Path, guess: np.ndarray) -> Result:
    (folder / "a.csv").write_text("id,y\n" + "".join(f"{n},{y}\n" for n, y in reversed(list(enumerate(guess)))))
    return call(folder / "home", "submit", "own", str(folder / "a.csv"), "--as", "ada", "--format", "json")


def test_both_boards_have_the_means_and_the_intervals_of_the_rows(tmp_path: Path) -> None:
    made = make(tmp_path)
    assert made.exit_code == 0, made.output
    sent = submit(tmp_path, GUESS)
    assert sent.exit_code == 0, sent.output
    shown = json.loads(sent.stdout)["scores"][0]
    errors, public = np.abs(TRUTH - GUESS), np.array([side == "Public" for side in SIDES])
    assert shown["public"] == pytest.approx(errors[public].mean(), abs=1.0001e-5)
    assert shown["interval"] == pytest.approx(mean_interval(errors, public), abs=0.0101), "cut outward"
    home = tmp_path / "home"
    assert call(home, "reveal", "own", "--reason", "the end", "--yes").exit_code == 0
    board = json.loads(call(home, "leaderboard", "own", "--private", "--format", "json").stdout)["board"]
    assert board[0]["score"] == pytest.approx(errors[~public].mean(), abs=1.0001e-5)
    found = open_home(home)
    secret = read_secret(found, find_competition(found, "own"))
    assert "+rows|v:" in secret.metric_version
    with grade_within(Limits()) as graded:
        score = graded(secret, (tmp_path / "a.csv").read_bytes()).scores[0]
    assert score.private_interval == pytest.approx(mean_interval(errors, ~public))
    values = secret.metrics[0].rows(secret.answers.columns, {"y": GUESS.astype(np.str_)})
    assert secret.metrics[0].value(values, np.stack([public * 2, ~public])) == pytest.approx(
        [errors[public].mean(), errors[~public].mean()]
    )
    assert call(home, "audit", "verify").exit_code == 0


def test_without_rows_there_is_no_interval_and_with_them_it_is_another_metric(tmp_path: Path) -> None:
    plain = "def score(solution, submission, id_):\n    return float((solution.y - submission.y).abs().mean())\n"
    plain = plain.replace("id_", "row_id_column_name")
    assert make(tmp_path, plain).exit_code == 0
    assert json.loads(submit(tmp_path, GUESS).stdout)["scores"][0]["interval"] is None
    assert "another metric" in make(tmp_path).stderr


def test_truth_values_are_hits_whose_interval_is_wilsons(write: Write, tmp_path: Path) -> None:
    source = "def rows(solution, submission):\n    return solution.y == submission.y\n"
    write(source, "metric.py")
    file = score_file(tmp_path / "metric.py", higher_is_better=True, name="hits")
    assert file.per_row
    truth, guess = {"y": np.arange(6)}, {"y": np.array([0, 1, 2, 9, 9, 9])}
    values = file.metric.rows(truth, guess)
    assert (values.dtype, values.tolist()) == (np.dtype(bool), [True] * 3 + [False] * 3)
    assert file.metric.interval(values, np.ones(6)) == mean_interval(np.arange(6) < 3, np.ones(6))


def test_the_public_rows_never_meet_the_private_ones_and_only_theirs_are_told(write: Write, tmp_path: Path) -> None:
    write(ERRORS, "metric.py")
    file = score_file(tmp_path / "metric.py", higher_is_better=False, name="error")
    file = replace(file, usage=np.array([PUBLIC, PRIVATE, PRIVATE, 0], dtype=np.int8))
    truth = {"y": np.arange(4.0)}
    assert file.row_values(truth, {"y": np.array([1.0, 2, 3, 99])}).tolist() == [1, 1, 1, 0], (
        "ignored rows are left out"
    )
    with pytest.raises(SubmissionError, match="above 50"):
        file.row_values(truth, {"y": np.array([51.0, 51, 51, 51])})
    with pytest.raises(UserError) as hidden:
        file.row_values(truth, {"y": np.array([1.0, 51, 51, 51])})
    assert not isinstance(hidden.value, SubmissionError)
    assert "above" not in str(hidden.value)


def body(rows: str, score: str = "return float((solution.y - submission.y).abs().mean())") -> str:
    return (
        f"import numpy, random\ndef rows(solution, submission, *more, **others):\n    {rows}\n"
        f"def score(solution, submission, row_id_column_name):\n    {score}\n"
    )


@pytest.mark.parametrize(
    ("metric", "said"),
    [
        (body("return (solution.y - submission.y) ** 2"), "rename `rows` where it is another function"),
        (body("return solution.y - submission.y"), "the mean of what `rows` gives the public rows of"),
        (body("return [1.0]"), "rows returned list of shape (1,); expected one number for each of"),
        (body("return 0.5"), "rows returned float of shape ()"),
        (body("return [[1], [2, 3]]"), "expected one number for each of"),
        (body("return solution.y.astype(str)"), "expected one number for each of"),
        (body("return solution.y * numpy.nan"), "rows returned a number that is not finite"),
        (body("return (solution.y - submission.y).abs() + random.random()"), "the mean of what `rows` gives"),
        (
            body("d = (solution.y - submission.y).abs().to_numpy().copy(); numpy.random.shuffle(d); return d"),
            "other values when it is called again",
        ),
        (
            body(
                "both = solution.merge(submission, on='id').sort_values('y_x'); return (both.y_x - both.y_y).abs()",
            ),
            "reversed order, `rows` gives the sample submission other values in place of the reversed ones. No",
        ),
        (
            body("both = solution.merge(submission, on='id', how='outer'); return (both.y_x - both.y_y).abs()"),
            "in the order of the rows of `solution`, without sorting them",
        ),
        (
            body("assert solution.id.is_monotonic_increasing; return (solution.y - submission.y).abs()"),
            "with the rows of both frames in reversed order, `rows` gives the solution itself AssertionError in line 3",
        ),
        (body("raise KeyError('5318008')"), "KeyError in line 3"),
        (body("x").replace("(solution, submission, *more, **others)", "(a, b)"), "got other parameters"),
        (body("x").replace("submission, *more, **others", "submission, more"), "got other parameters"),
    ],
)
def test_rows_that_do_not_give_the_score_are_refused(tmp_path: Path, metric: str, said: str) -> None:
    refused = make(tmp_path, metric)
    assert refused.exit_code == 2, refused.output
    assert said in " ".join(refused.stderr.split())
    assert "5318008" not in refused.output
    assert not (tmp_path / "home" / "public" / "own").exists()


SEVERAL = """
def rows(solution, submission):
    right = solution.groupby("id", sort=SORT)["y"].sum()
    given = submission.groupby("id")["y"].sum().reindex(right.index, fill_value=0)
    return (right - given).abs()


def score(solution, submission, row_id_column_name):
    return float(rows(solution, submission).mean())
"""


@pytest.mark.parametrize("sort", [False, True])
def test_values_of_ids_with_several_rows_come_in_the_order_of_their_first_rows(tmp_path: Path, sort: bool) -> None:
    rows = [(n, n % 7 + 1, SIDES[n]) for n in [*range(N), *range(0, N, 3)]]
    solution = "id,y,Usage\n" + "".join(f"{n},{y},{side}\n" for n, y, side in rows)
    (tmp_path / "sample.csv").write_text("id,y\n" + "".join(f"{n},1\n" for n in range(N)))
    words = ("--rows-per-id", "3", "--sample", str(tmp_path / "sample.csv"))
    made = make(tmp_path, SEVERAL.replace("SORT", str(sort)), *words, solution=solution)
    assert made.exit_code == (2 if sort else 0), made.output
    said = "in the order in which ids first appear in `solution`, such as by groupby(..., sort=False)"
    assert (said in " ".join(made.stderr.split())) == sort


def test_rows_that_only_agree_on_the_solution_and_on_a_constant_are_refused(tmp_path: Path) -> None:
    other = body(
        "d = (solution.y - submission.y) ** 2; return d * (submission.y.nunique() == 1)",
        "return float(((solution.y - submission.y) ** 2).mean())",
    )
    refused = make(tmp_path, other)
    assert refused.exit_code == 2, refused.output
    assert "rows of a file that is half of each" in " ".join(refused.stderr.split())


def test_rows_may_take_the_id_and_the_arguments_of_score(tmp_path: Path) -> None:
    metric = (
        "def rows(solution, submission, row_id_column_name, power):\n"
        "    assert row_id_column_name == 'id'\n"
        "    return (solution.y - submission.y).abs() ** power\n\n"
        "def score(solution, submission, row_id_column_name, power, scale=1.0):\n"
        "    return float(rows(solution, submission, row_id_column_name, power).mean())\n"
    )
    made = make(tmp_path, metric, "--metric-arg", "power=3", "--metric-arg", "scale=1.0")
    assert made.exit_code == 0, made.output
    public = np.array([side == "Public" for side in SIDES])
    shown = json.loads(submit(tmp_path, GUESS).stdout)["scores"][0]["public"]
    assert shown == pytest.approx((np.abs(TRUTH - GUESS) ** 3)[public].mean(), abs=1.0001e-5)


def test_a_check_that_only_score_makes_is_refused(tmp_path: Path) -> None:
    check = """    if (submission["y"] == 0).all():
        raise ParticipantVisibleError("all are zero")
"""
    head, _, tail = ERRORS.partition("def score")
    name, _, body = tail.partition("\n")
    refused = make(tmp_path, f"{head}def score{name}\n{check}{body}")
    assert (refused.exit_code, "Put the check into `rows`" in " ".join(refused.stderr.split())) == (2, True), (
        refused.output
    )
    assert not (tmp_path / "home" / "public" / "own").exists()
    top, _, rest = ERRORS.partition("def rows(solution, submission):\n")
    made = make(tmp_path, f"{top}def rows(solution, submission):\n{check}{rest}")
    assert (made.exit_code, "refuses the sample submission: all are zero" in " ".join(made.output.split())) == (0, True)


LIMITED = {
    "seconds": ("seconds = 2", "import time\n", "time.sleep(4)"),
    "memory": ("memory_gb = 1", "import numpy\n", "numpy.empty(2**28)"),
}


@pytest.mark.parametrize("limit", LIMITED)
def test_a_submission_at_home_has_the_limits_of_the_server(tmp_path: Path, limit: str) -> None:
    setting, first, work = LIMITED[limit]
    called = f"    if (submission.y == 7).all():\n        {work}\n    return 1.0\n"
    assert make(tmp_path, f"{first}def score(solution, submission, row_id_column_name):\n{called}").exit_code == 0
    config = tmp_path / "home" / "config.toml"
    before = config.read_text()
    config.write_text(f"{before}\n[server]\nmemory_gb = 64\n")  # this process may be large already
    assert submit(tmp_path, np.full(N, 7)).exit_code == 0
    config.write_text(f"{before}\n[server]\n{setting}\n")
    sent = submit(tmp_path, np.full(N, 7.0))
    assert (sent.exit_code, "could not score this file" in sent.output) == (10, True), sent.output
    assert submit(tmp_path, np.full(N, 3)).exit_code == 0
