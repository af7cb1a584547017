"""What a judge's check and run get, and who calls them: `check`, `submit` and grading."""

from __future__ import annotations

import shutil
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from harness import answers
from harness.answers import Secret, read_secret
from harness.cli.main import cli
from harness.competition import find_competition
from harness.grading import scoring
from harness.home import Home, open_home
from tasks.base import Columns, Judge, Judged, Problem, SubmissionError
from tasks.formats import Format

NOW = datetime(2027, 3, 1, 12, tzinfo=UTC)
NEAR = "near.npy"
"""What a file of this judge's homework must stay close to, in the public folder."""


@pytest.fixture
def home(course: Path, tmp_path: Path) -> Home:
    shutil.copytree(course, tmp_path / "home")
    return open_home(tmp_path / "home")


def close(form: Format, predictions: Columns, folder: Path | None) -> Judged:
    """Refuses values further than 8 from the given ones, as an attack on pictures must not leave its ball."""
    assert folder is not None
    (values,) = predictions.values()
    far = np.flatnonzero(np.abs(values - np.load(folder / NEAR)) > 8)
    if len(far):
        raise SubmissionError([Problem("E_BALL", f"row {far[0]}: further than 8 from the given value")], len(far))
    return Judged(predictions, ("all within 8",))


def halved(form: Format, predictions: Columns, secret: Path) -> Judged:
    """Uses a hidden file, as a victim's weights."""
    factor = float(np.load(secret / "factor.npy"))
    return Judged({name: values * factor for name, values in predictions.items()}, ("by the hidden half",))


JUDGE = Judge(lambda: "1", check=close, run=halved, needs=(NEAR,))


def with_judge(home: Home) -> tuple[Secret, Columns]:
    """The answers of HW1 with that judge and its files, and the predictions of zeros."""
    secret = read_secret(home, find_competition(home, "hw01"))
    predictions = {name: np.zeros(len(secret.answers)) for name in secret.answers.columns}
    for folder in (home.public("hw01"), secret.folder):
        np.save(folder / NEAR, np.zeros(len(secret.answers)))
    np.save(secret.folder / "factor.npy", np.array(0.5))
    return replace(secret, judge=JUDGE), predictions


def test_grading_checks_then_runs_and_keeps_the_notes_of_both(home: Home) -> None:
    secret, predictions = with_judge(home)
    four = {name: values + 4.0 for name, values in predictions.items()}
    graded = scoring.grade(secret, four)
    assert graded.notes[:2] == ("all within 8", "by the hidden half")
    two = {name: values + 2.0 for name, values in predictions.items()}
    assert graded.scores == scoring.grade(replace(secret, judge=None), two).scores
    alone = Judge(lambda: "1", check=close, needs=(NEAR,))
    assert scoring.grade(replace(secret, judge=alone), two).scores == graded.scores


def test_grading_refuses_what_the_check_refuses_whatever_the_public_folder_has_by_then(home: Home) -> None:
    secret, predictions = with_judge(home)
    far = {name: values + 9.0 for name, values in predictions.items()}
    np.save(home.public("hw01") / NEAR, np.full(len(secret.answers), 9.0))
    for public in ("newer", "gone"):
        if public == "gone":
            (home.public("hw01") / NEAR).unlink()
        with pytest.raises(SubmissionError) as caught:
            scoring.grade(secret, far)
        assert caught.value.code == "E_BALL"


def test_a_grading_without_what_the_check_needs_gives_no_score(home: Home) -> None:
    secret, predictions = with_judge(home)
    (secret.folder / NEAR).unlink()
    with pytest.raises(AssertionError, match="make writes"):
        scoring.grade(secret, predictions)


def test_the_command_check_asks_the_judge_and_says_what_it_could_not_compare(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_judge(home)
    monkeypatch.setattr(answers, "find_judge", lambda _: JUDGE)
    sample = home.public("hw01") / "sample_submission.csv"

    def check() -> Result:
        return CliRunner().invoke(cli, ["--home", str(home.root), "check", "hw1", str(sample)])

    done = check()
    assert (done.exit_code, "all within 8" in done.stderr) == (0, True), done.output
    np.save(home.public("hw01") / NEAR, np.full(len(find_competition(home, "hw01").format), 9.0))
    far = check()
    assert (far.exit_code, "E_BALL" in far.stderr) == (3, True)
    (home.public("hw01") / NEAR).unlink()
    without = check()
    assert without.exit_code == 0
    assert f"not checked against {NEAR}" in without.stderr


def test_a_judge_is_offline_where_its_check_does_something() -> None:
    assert JUDGE.offline
    assert not Judge(lambda: "1", run=halved).offline
    assert JUDGE.lacks(None) == (NEAR,)
    assert Judge(lambda: "1", run=halved).lacks(None) == ()
