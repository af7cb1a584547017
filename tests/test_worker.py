"""Grading apart: limits, and faults of graders, after each of which the books balance."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from harness.cli.main import cli
from harness.competition import find_competition
from harness.grading import accept, scoring, worker
from harness.home import Home
from leaderboard import acceptance, records, results
from tasks.base import SubmissionError
from tests import working
from tests.working import NOW, balanced, hand_in, hang, state, work

pytestmark = [pytest.mark.slow_on_postgresql, pytest.mark.skipif(os.name != "posix", reason="graders are forked")]

home = working.home


def test_a_worker_grades_as_submit_at_home_does_to_the_last_bit(home: Home, tmp_path: Path) -> None:
    number = hand_in(home)
    assert state(home, number) == "queued"
    assert work(home) == (True, [])
    assert work(home) == (False, [])
    sample = home.public("hw01") / "sample_submission.csv"
    accept.submit(home, find_competition(home, "hw1"), sample, participant="bob", now=NOW)
    with home.database() as database:
        mine, other = [
            (row.public, row.private, row.details, row.private_details, row.passed_public, row.passed_private)
            for row in results.grade_rows(database)
        ]
        assert database.fetch("SELECT submission_id FROM leases") == []
    assert mine == other
    balanced(home)


def test_a_broken_file_is_rejected_with_the_same_problems_as_at_home_and_gives_its_slot_back(home: Home) -> None:
    number = hand_in(home, b"id,tested_positive\n0,nan\n")
    assert work(home) == (True, [])
    with home.database() as database:
        entry = records.submission(database, number)
        used = acceptance.quota_state(database, "hw01/1", "ada", "2027-03-01").used
    assert used == 0
    assert entry.rejected is not None
    found = json.loads(entry.rejected_details or "")
    problems = found["problems"]
    assert problems[0]["code"] == entry.rejected
    (home.root / "broken.csv").write_bytes(b"id,tested_positive\n0,nan\n")
    competition = find_competition(home, "hw1")
    with pytest.raises(SubmissionError) as caught:
        accept.submit(home, competition, home.root / "broken.csv", participant="bob", now=NOW)
    assert "\n".join(f"{problem['code']}  {problem['message']}" for problem in problems) == str(caught.value)
    assert found["total"] == caught.value.total
    balanced(home)


def eat(*_: Any) -> Any:
    hoard = [bytes(2**26) for _ in range(2**10)]
    return len(hoard)


def die(*_: Any) -> Any:
    os.kill(os.getpid(), signal.SIGKILL)


def leave(*_: Any) -> Any:
    os._exit(0)


def err(*_: Any) -> Any:
    raise ValueError("the answer is 42")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("fault", "said"),
    [(hang, "longer than"), (eat, "memory"), (die, "signal 9"), (leave, "without an answer"), (err, "ValueError")],
)
def test_a_grading_that_fails_is_tried_once_more_and_then_given_up(
    home: Home, monkeypatch: pytest.MonkeyPatch, fault: Callable[..., Any], said: str
) -> None:
    number = hand_in(home)
    monkeypatch.setattr(scoring, "grade", fault)
    limits = worker.Limits(seconds=0.5 if fault is hang else 20.0, memory=2**32)
    for attempt in (1, 2):
        assert state(home, number) == "queued"
        done, lines = work(home, limits=limits)
        assert done
        assert said in lines[0]
        assert f"attempt {attempt} failed" in lines[0]
        assert "42" not in lines[0], "what an unforeseen error says may hold answers"
    assert state(home, number) == "failed"
    assert work(home) == (False, [])
    monkeypatch.undo()
    with home.database() as database:
        assert acceptance.quota_state(database, "hw01/1", "ada", "2027-03-01").used == 1
    assert accept.grade_pending(home, NOW, ["hw01"]) == [("hw01", number, "graded")]
    assert state(home, number) == "graded"
    balanced(home)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("fault", "said"),
    [(hang, "it took longer than 3 s"), (eat, "memory"), (die, "signal 9"), (err, "internal error: ValueError")],
)
def test_grading_by_hand_keeps_the_limits_of_the_server(
    home: Home, monkeypatch: pytest.MonkeyPatch, fault: Callable[..., Any], said: str
) -> None:
    first, second = hand_in(home), hand_in(home, b"id,tested_positive\n0,nan\n", "bob")
    with (home.root / "config.toml").open("a") as config:
        config.write(f"[server]\nseconds = {3 if fault is hang else 60}\n")
    words = ["--home", str(home.root), "grade", "--pending"]
    with monkeypatch.context() as broken:
        broken.setattr(scoring, "grade", fault)
        told = CliRunner().invoke(cli, words).stdout.splitlines()
    assert told[0].startswith(f"hw01: submission {first} still waiting: ")
    assert said in told[0]
    assert "42" not in told[0]
    assert told[1:] == [f"hw01: submission {second} refused: E_ID_MISSING"]
    assert CliRunner().invoke(cli, words).stdout == f"hw01: submission {first} graded\n"
    balanced(home)


def test_a_grading_that_works_the_second_time_is_recorded_once(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    number = hand_in(home)
    monkeypatch.setattr(scoring, "grade", die)
    assert work(home)[0]
    monkeypatch.undo()
    assert work(home) == (True, [])
    assert state(home, number) == "graded"
    balanced(home)


def test_one_that_fails_does_not_keep_others_from_being_graded(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    real = scoring.grade

    def picky(secret: Any, predictions: Any) -> Any:
        return die() if float(predictions["tested_positive"][0]) == 7.0 else real(secret, predictions)

    sample = (home.public("hw01") / "sample_submission.csv").read_text().splitlines()
    bad = "\n".join([sample[0], f"{sample[1].split(',')[0]},7.0", *sample[2:]]) + "\n"
    first, second = hand_in(home, bad.encode(), "eve"), hand_in(home)
    monkeypatch.setattr(scoring, "grade", picky)
    for _ in range(4):
        work(home)
    assert (state(home, first), state(home, second)) == ("failed", "graded")
    balanced(home, failed=1)
