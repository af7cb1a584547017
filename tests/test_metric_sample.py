"""Metric files in Kaggle's layout: a sample submission with other columns, arguments, and modules beside the file."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner, Result

from harness.answers import read_secret
from harness.cli.main import cli
from harness.competition import find_competition
from harness.home import open_home
from tasks.base import UserError
from tasks.kaggle_utilities import (
    HostVisibleError,
    ParticipantVisibleError,
    safe_call_score,
    verify_valid_probabilities,
)
from tasks.metric_code import modules_beside, read_arguments
from tests.conftest import Write

pytestmark = pytest.mark.skipif(os.name != "posix", reason="graders are forked")

SOLUTION = "id,time,event,Usage\n" + "".join(
    f"{n},{(n * 7) % 10 + 1},{int(n % 3 > 0)},{('Public', 'Private')[n % 2]}\n" for n in range(12)
)
SAMPLE = "id,risk\n" + "".join(f"{n},0\n" for n in reversed(range(12)))
CONCORDANCE = """
import kaggle_metric_utilities
import pandas as pd
from pairs import count


def score(solution: pd.DataFrame, submission: pd.DataFrame, row_id_column_name: str, ties: float) -> float:
    if (submission["risk"] > 1000).any():
        raise kaggle_metric_utilities.ParticipantVisibleError("risks go up to 1000")
    return count(solution, submission, ties)
"""
PAIRS = """
from helpers_of_pairs import ordered


def count(solution, submission, ties):
    won = all_pairs = 0
    rows = list(zip(solution["time"], solution["event"], submission["risk"]))
    for time, event, risk in rows:
        for other, _, other_risk in rows:
            if event and time < other:
                all_pairs += 1
                won += ordered(risk, other_risk, ties)
    return won / all_pairs
"""
HELPERS = "def ordered(risk, other, ties):\n    return 1.0 if risk > other else ties if risk == other else 0.0\n"


def call(home: Path, *words: str) -> Result:
    return CliRunner().invoke(cli, ["--home", str(home), *words])


def make(folder: Path, *words: str, sample: str = SAMPLE, solution: str = SOLUTION, pairs: str = PAIRS) -> Result:
    files = {"solution.csv": solution, "sample.csv": sample, "metric.py": CONCORDANCE, "pairs.py": pairs}
    for name, text in (files | {"helpers_of_pairs.py": HELPERS, "not_imported.py": "raise ValueError\n"}).items():
        (folder / name).write_text(text)
    more = words or ("--metric-arg", "ties=0.5")
    return call(
        folder / "home",
        "new",
        "own",
        "--solution",
        str(folder / "solution.csv"),
        "--higher-is-better",
        "--metric",
        str(folder / "metric.py"),
        "--sample",
        str(folder / "sample.csv"),
        *more,
    )


def concordance(side: int, risks: dict[int, float]) -> float:
    """The share of comparable pairs that are in order, on the rows of a side."""
    rows = [((n * 7) % 10 + 1, n % 3 > 0, risks[n]) for n in range(12) if n % 2 == side]
    pairs = [(a, b) for a in rows for b in rows if a[1] and a[0] < b[0]]
    return sum(1.0 if a[2] > b[2] else 0.5 if a[2] == b[2] else 0.0 for a, b in pairs) / len(pairs)


def test_a_submission_has_the_columns_of_the_sample_and_the_metric_gets_its_modules_and_arguments(
    tmp_path: Path,
) -> None:
    done = make(tmp_path)
    assert done.exit_code == 0, done.output
    assert "metric.py gives the sample submission 0.5." in " ".join(done.stderr.split())
    home = tmp_path / "home"
    sample = (home / "public" / "own" / "sample_submission.csv").read_text()
    assert sample == "id,risk\n" + "".join(f"{n},0\n" for n in range(12)), "in the order of the ids"
    for name in ("pairs.py", "helpers_of_pairs.py", "metric.py"):
        (tmp_path / name).unlink()  # the competition has its own
    risks = {n: float((n * 5) % 7) for n in range(12)}
    (tmp_path / "a.csv").write_text("id,risk\n" + "".join(f"{n},{risk}\n" for n, risk in risks.items()))
    sent = call(home, "submit", "own", str(tmp_path / "a.csv"), "--as", "ada", "--format", "json")
    assert sent.exit_code == 0, sent.output
    assert json.loads(sent.stdout)["scores"][0]["public"] == pytest.approx(concordance(0, risks), abs=1.0001e-5)
    assert call(home, "reveal", "own", "--reason", "the end", "--yes").exit_code == 0
    board = json.loads(call(home, "leaderboard", "own", "--private", "--format", "json").stdout)["board"]
    assert board[0]["score"] == pytest.approx(concordance(1, risks), abs=1.0001e-5)
    (tmp_path / "a.csv").write_text("id,risk\n" + "".join(f"{n},{1001}\n" for n in range(12)))
    refused = call(home, "submit", "own", str(tmp_path / "a.csv"), "--as", "ada")
    assert (refused.exit_code, "risks go up to 1000" in refused.stderr) == (3, True)
    (tmp_path / "b.csv").write_text("id,time,event\n0,1,1\n")
    assert call(home, "check", "own", str(tmp_path / "b.csv")).exit_code == 3
    secret = home / "secret" / "own" / "1"
    assert sorted(path.name for path in secret.glob("module-*")) == ["module-helpers_of_pairs.py", "module-pairs.py"]
    assert not list((home / "public").rglob("*pairs*")), "students get none of the code"
    found = open_home(home)
    assert "(ties=0.5)|" in read_secret(found, find_competition(found, "own")).metric_version
    (secret / "module-pairs.py").write_text(PAIRS.replace("won = all_pairs = 0", "won = all_pairs = 1"))
    changed = call(home, "submit", "own", str(tmp_path / "a.csv"), "--as", "bob")
    assert "were changed after they were made" in " ".join((changed.stdout + changed.stderr).split())


@pytest.mark.parametrize("change", ["ties", "pairs"])
def test_another_argument_and_another_module_are_another_metric(tmp_path: Path, change: str) -> None:
    assert make(tmp_path).exit_code == 0
    assert "same data, version 1" in make(tmp_path).stdout
    words = ["--metric-arg", "ties=0.25"] if change == "ties" else []
    other = make(tmp_path, *words, pairs=PAIRS + "\n" * (change == "pairs"))
    assert other.exit_code == 8
    assert "another metric" in other.stderr


@pytest.mark.parametrize(
    ("sample", "words", "said"),
    [
        (SAMPLE.replace("5,0\n", "", 1), (), "no row for 1 ids of the solution, such as '5'"),
        (SAMPLE + "99,0\n", (), "1 ids that the solution lacks, such as '99'"),
        (SAMPLE + "3,0\n", (), "the id '3' is there twice"),
        ("row,risk\n0,0\n", (), "needs the id column 'id'"),
        ("id\n0\n", (), "at least one more"),
        (
            SAMPLE.replace("risk", "risk,Risk").replace(",0", ",0,0"),
            (),
            "line 1: the columns 'risk' and 'Risk' differ in capitals alone",
        ),
        (
            SAMPLE,
            ("--title", "x"),
            "a --metric-arg for each further parameter without a default; got other parameters (given: none)",
        ),
        (SAMPLE, ("--metric-arg", "ties=0.5", "--metric-arg", "more=1"), "given: ties, more"),
        (SAMPLE, ("--metric-arg", "solution=1"), "given by lhy-grade itself"),
        (SAMPLE, ("--metric-arg", "ties"), "NAME=VALUE"),
        (SAMPLE, ("--metric-arg", "ties=high"), "cannot score the sample submission: TypeError"),
    ],
)
def test_a_sample_or_arguments_that_do_not_fit_are_refused(
    tmp_path: Path, sample: str, words: tuple[str, ...], said: str
) -> None:
    refused = make(tmp_path, *words, sample=sample)
    assert refused.exit_code == 2, refused.output
    assert said in " ".join(refused.stderr.split())
    assert not (tmp_path / "home" / "public" / "own").exists()


def test_a_sample_that_has_the_answers_is_refused(tmp_path: Path) -> None:
    answers = pd.read_csv(pd.io.common.StringIO(SOLUTION))[["id", "time"]].to_csv(index=False)
    refused = make(tmp_path, sample=answers)
    assert refused.exit_code == 2
    assert "its column 'time' has the answers" in " ".join(refused.stderr.split())


def test_an_empty_answer_is_a_missing_value_for_a_metric_file(tmp_path: Path) -> None:
    solution = SOLUTION.replace("0,1,0,Public", "0,1,,Public")
    (tmp_path / "x").mkdir()
    assert make(tmp_path, solution=solution).exit_code == 0
    assert (
        make(
            tmp_path / "x",
            solution=solution.replace("event", "event,more")
            .replace(",Public", ",,Public")
            .replace(",Private", ",a,Private"),
        ).exit_code
        == 0
    )


def test_a_metric_by_name_has_no_sample(tmp_path: Path, write: Write) -> None:
    words = ["--solution", str(write("id,y\n0,1\n1,2\n")), "--metric", "rmse", "--sample", str(write(SAMPLE, "s.csv"))]
    refused = call(tmp_path / "home", "new", "own", *words)
    assert (refused.exit_code, "--sample is for a metric file" in refused.stderr) == (2, True)


# Modules and arguments ------------------------------------------------------------------------------------------------


def test_only_what_is_imported_is_taken_and_nothing_of_ours_or_of_python(write: Write) -> None:
    for name in ("a", "b", "json", "tasks", "unused"):
        write(f"import {'b' if name == 'a' else 'math'}\n", f"{name}.py")
    path = write("import json, tasks, pandas\ndef f():\n    from a import math\n", "metric.py")
    assert list(modules_beside(path, path.read_bytes())) == ["a", "b"]
    write("def (", "b.py")
    with pytest.raises(UserError, match=r"b\.py, line 1: not valid Python"):
        modules_beside(path, path.read_bytes())


def test_arguments_are_truth_values_numbers_or_texts() -> None:
    found = read_arguments(["a=1", "b=0.5", "c=true", "d=x=y", "e=", "f=-2e3"])
    assert found == {"a": 1, "b": 0.5, "c": True, "d": "x=y", "e": "", "f": -2000.0}
    for wrong in (["a=1", "a=2"], ["1a=2"], ["row_id_column_name=x"]):
        with pytest.raises(UserError):
            read_arguments(wrong)


def test_the_utilities_check_probabilities_and_hide_every_other_error() -> None:
    verify_valid_probabilities(pd.DataFrame({"a": [0.25, 1.0], "b": [0.75, 0.0]}), "submission")
    for cells in ([0.5, "x"], [-0.5, 1.5], [1.5, -0.5], [0.5, 0.6], [float("nan"), 0.5]):
        with pytest.raises(ParticipantVisibleError, match="submission"):
            verify_valid_probabilities(pd.DataFrame([cells], columns=["a", "b"]), "submission")

    def metric(solution: float, submission: float, *, power: int) -> float:
        if submission < 0:
            raise ParticipantVisibleError("below 0")
        if submission == 13:
            raise ValueError(f"the answer is {solution}")
        return solution * submission**power

    assert safe_call_score(metric, 2, 3, power=2) == 18.0
    with pytest.raises(ParticipantVisibleError, match="below 0"):
        safe_call_score(metric, 2, -1, power=2)
    for submission in (13, float("inf")):
        with pytest.raises(HostVisibleError) as hidden:
            safe_call_score(metric, 2, submission, power=2)
        assert "2" not in str(hidden.value)
