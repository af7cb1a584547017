"""Grading by hand what waits, beside workers and among what cannot be graded; and the audit of damaged homes."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from harness.competition import find_competition
from harness.grading import accept, audit, scoring
from harness.home import Home, open_home
from harness.versions import read_versions, written_versions
from leaderboard import competitions, events, queue, results
from leaderboard.acceptance import Upload
from submissions import reader
from submissions.store import keep
from tasks.errors import UserError

ROOT = Path(__file__).parents[1]
NOW = datetime(2027, 3, 1, 12, tzinfo=UTC)
LEASE = timedelta(minutes=3)
BOTH = """
import sys, os
from datetime import UTC, datetime
from pathlib import Path
from harness.grading import worker
from harness.grading.accept import grade_pending
from harness.home import open_home
home, now = open_home(Path(sys.argv[1])), datetime(2027, 3, 1, 12, tzinfo=UTC)
print("ready", flush=True)
sys.stdin.read()
if sys.argv[2] == "worker":
    with home.database() as database:
        one = worker.new_worker(home, worker.Limits(60.0), print)
        while worker.work(one, database, lambda: now):
            pass
else:
    grade_pending(home, now, ["hw01"])
"""


@pytest.fixture
def home(course: Path, tmp_path: Path, database_url: str) -> Home:
    """A prepared course on each kind of database in turn."""
    shutil.copytree(course, tmp_path / "home")
    (tmp_path / "home" / "config.toml").write_text(f"database = {json.dumps(database_url)}\n")
    return open_home(tmp_path / "home")


@pytest.fixture
def at_home(course: Path, tmp_path: Path) -> Home:
    """A prepared course on SQLite."""
    shutil.copytree(course, tmp_path / "home")
    return open_home(tmp_path / "home")


def hand_in(home: Home, number: int = 0) -> int:
    """Records a file of its own content, which waits."""
    competition = find_competition(home, "hw1")
    lines = (home.public("hw01") / "sample_submission.csv").read_text().splitlines()
    data = "\n".join([*lines[:-1], f"{lines[-1].partition(',')[0]},{number}.25"]).encode()
    sha256 = keep(home.submissions, data)
    with home.database() as database:
        return accept.accept_file(
            home,
            database,
            competition,
            Upload(sha256, len(data), "a.csv", "", sha256, NOW),
            participant=f"p{number % 3}",
        ).submission


def fail(home: Home) -> queue.Lease:
    """Uses up all attempts at the next submission."""
    versions = {"hw01/1": read_versions(home, find_competition(home, "hw1"))}
    with home.database() as database:
        leased = [queue.lease(database, versions, "w:1:a", NOW, LEASE)]
        while (lease := leased[-1]) is not None and not queue.fail(database, lease):
            leased.append(queue.lease(database, versions, "w:1:a", NOW, LEASE))
    assert lease is not None
    return lease


def leases(home: Home) -> list[int]:
    with home.database() as database:
        return database.column("SELECT submission_id FROM leases")


def test_what_is_graded_or_refused_by_hand_leaves_no_failed_lease(home: Home) -> None:
    good = hand_in(home)
    assert fail(home).submission == good
    with home.database() as database:
        bad = accept.accept_file(
            home, database, find_competition(home, "hw1"),
            Upload(keep(home.submissions, b"x"), 1, "a.csv", "", "x", NOW), participant="ada",
        ).submission  # fmt: skip
    assert fail(home).submission == bad
    assert leases(home) == [good, bad]
    done = accept.grade_pending(home, NOW, ["hw01"])
    assert [(number, came.partition(":")[0]) for _, number, came in done] == [(good, "graded"), (bad, "refused")]
    assert leases(home) == []
    assert audit.verify(home)[0] == []


@pytest.mark.skipif(os.name != "posix", reason="graders are forked")
def test_graders_by_hand_beside_workers_grade_each_submission_once(home: Home) -> None:
    count = 8
    numbers = [hand_in(home, number) for number in range(count)]
    fail(home)
    read, start = os.pipe()
    crowd = [
        subprocess.Popen(
            [sys.executable, "-c", BOTH, str(home.root), who], cwd=ROOT, stdin=read, stdout=subprocess.PIPE, text=True
        )
        for who in ("worker", "hand", "worker", "hand")
    ]
    os.close(read)
    try:
        for one in crowd:
            assert one.stdout is not None
            assert one.stdout.readline() == "ready\n"
    finally:
        os.close(start)
    assert [(one.communicate(timeout=120)[0], one.returncode) for one in crowd] == [("", 0)] * len(crowd)
    with home.database() as database:
        assert [
            row.submission for row in sorted(results.grade_rows(database), key=lambda row: row.submission)
        ] == numbers
        told = [json.loads(event.body)["submission"] for event in events.events(database) if event.kind == "graded"]
    assert sorted(told) == numbers
    assert leases(home) == []
    assert audit.verify(home)[0] == []


def broken(*_: Any) -> Any:
    raise ValueError("the answer is 42")


def waits(*_: Any) -> Any:
    raise UserError("install torch")


@pytest.mark.parametrize(("fault", "said"), [(broken, "still waiting: internal error: ValueError"), (waits, "torch")])
def test_one_that_cannot_be_graded_by_hand_does_not_keep_the_others_waiting(
    at_home: Home, monkeypatch: pytest.MonkeyPatch, fault: Callable[..., Any], said: str
) -> None:
    first, second = hand_in(at_home, 0), hand_in(at_home, 1)
    whole, calls = scoring.grade, []

    def grade(*values: Any) -> Any:
        calls.append(values)
        return fault() if len(calls) == 1 else whole(*values)

    monkeypatch.setattr(scoring, "grade", grade)
    done = accept.grade_pending(at_home, NOW, ["hw01"])
    assert [number for _, number, _ in done] == [first, second]
    assert said in done[0][2]
    assert "42" not in done[0][2], "what an unforeseen error says may hold answers"
    assert done[1][2] == "graded"
    assert accept.grade_pending(at_home, NOW, ["hw01"]) == [("hw01", first, "graded")]


def test_a_file_with_an_older_grade_that_is_refused_now_keeps_it_and_the_others_go_on(
    at_home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tasks.base import SubmissionError
    from tasks.errors import Problem

    first, second = hand_in(at_home, 0), hand_in(at_home, 1)
    accept.grade_pending(at_home, NOW, ["hw01"])
    monkeypatch.setattr("harness.competition.METRICS_VERSION", 10**6)
    with at_home.database() as database, database.transaction():  # as a rejudging would have it
        (data,) = competitions.all_data(database)
        metric = written_versions(at_home, find_competition(at_home, "hw1"))[1]
        number = competitions.find_or_add_version(database, data.key, data.data_version, metric, False)
        database.execute("UPDATE competitions SET version_id = :number", number=number)
    whole, calls = reader.read, []

    def read(*values: Any) -> Any:
        calls.append(values)
        if len(calls) == 1:
            raise SubmissionError([Problem("E_X", "a stricter reader")])
        return whole(*values)

    monkeypatch.setattr(scoring, "read", read)
    done = accept.grade_pending(at_home, NOW, ["hw01"])
    assert [number for _, number, _ in done] == [first, second]
    assert "has a grade and cannot be rejected" in done[0][2]
    assert done[1][2] == "graded"
    assert audit.verify(at_home)[0] == []


# The audit


def damage_description(home: Home) -> None:
    (home.public("hw01") / "format.json").write_text("{")


def remove_description(home: Home) -> None:
    (home.public("hw01") / "format.json").unlink()


def remove_answers(home: Home) -> None:
    shutil.rmtree(home.root / "secret" / "hw01")


def remove_one_column(home: Home) -> None:
    (home.root / "secret" / "hw01" / "1" / "column-0.npy").unlink()


def change_answers(home: Home) -> None:
    path = home.root / "secret" / "hw01" / "1" / "column-0.npy"
    data = path.read_bytes()
    path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))


def damage_rules(home: Home) -> None:
    (home.root / "config.toml").write_text("[hw01]\nquota = -1\n")


def damage_manifest(home: Home) -> None:
    (home.public("hw01") / "manifest.json").write_text('{"files": [1]}')


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (damage_description, "format.json is damaged"),
        (remove_description, "hw01 is not prepared"),
        (remove_answers, "hw01"),
        (remove_one_column, "restore"),
        (change_answers, "the answers of hw01 were changed"),
        (damage_rules, "quota must not be -1"),
        (damage_manifest, "manifest.json"),
    ],
)
def test_the_audit_collects_what_is_damaged_and_goes_on_with_the_rest(
    at_home: Home, harm: Callable[[Home], None], said: str
) -> None:
    number = hand_in(at_home)
    accept.grade_pending(at_home, NOW, ["hw01"])
    shutil.copytree(at_home.public("hw01"), at_home.public("hw02"))
    (at_home.public("hw02") / "sheet.md").write_text("changed")
    stored = next(path for path in at_home.submissions.rglob("*") if path.is_file())
    stored.unlink()
    harm(at_home)
    problems, counts = audit.verify(open_home(at_home.root))
    assert any(said in text for text in problems), problems
    assert any("sheet.md" in text for text in problems), "another homework is looked at"
    assert any(f"submission {number}:" in text for text in problems)
    assert (counts["submissions"], counts["grades"], counts["competitions"]) == (1, 1, 2)


@pytest.mark.parametrize(
    ("column", "value"), [("passed_public", "x"), ("passed_private", "3"), ("details", "x"), ("mac", "\u00e9")]
)
def test_a_grade_whose_values_cannot_be_read_is_a_finding_and_no_crash(home: Home, column: str, value: str) -> None:
    number = hand_in(home)
    accept.grade_pending(home, NOW, ["hw01"])
    with home.database() as database, database.transaction():
        database.execute(f"UPDATE grades SET {column} = :value", value=value)
    problems, counts = audit.verify(home)
    assert f"the grade of submission {number} was changed after it was recorded" in problems
    assert counts["grades"] == 1
