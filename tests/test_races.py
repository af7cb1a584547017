"""Many processes at once, and processes that are killed: on SQLite and on PostgreSQL."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from leaderboard import acceptance, events, records, results
from leaderboard.database import open_database
from tests.accepting import accepted

ROOT = Path(__file__).parents[1]
NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
VALUES: dict[str, Any] = {
    "course": "Machine Learning", "competition": "hw01", "kind": "person", "sha256": "ab" * 32, "size": 10,
    "filename": "predictions.csv", "message": "", "now": NOW, "day": "2026-11-20", "next_slot": None, "quota": 5,
    "rejections": 3, "closes": None,
}  # fmt: skip

WORKER = """
import json, os, signal, sys
from datetime import datetime, timezone
from leaderboard import acceptance, records, results
from leaderboard.database import Database, open_database
from tasks.errors import UserError
from tests.accepting import accepted

NOW = datetime(2026, 11, 20, 12, tzinfo=timezone.utc)
statements = 0

def grade(db, public):
    return results.record(db, 1, data_version="d", metric_version="m", public_version="1", higher_is_better=True,
        public=public, private=public, details="{}", passed_public=[], passed_private=[], mac="", now=NOW)

def digest(key):  # of bytes of its own for each key, or of the same ones for all that begin with "same"
    return "ab" * 32 if key.startswith("same") else key.encode().hex().rjust(64, "0")

def work(db, what, key, kill_at):
    def step(name):
        if name == kill_at:
            os.kill(os.getpid(), signal.SIGKILL)

    def counted(self, sql, values, run=Database._run):
        global statements
        statements += 1
        step(str(statements))
        return run(self, sql, values)

    Database._run = counted
    if what == "accept":
        values = dict(course="Machine Learning", competition="hw01", kind="person", sha256=digest(key), size=10,
            filename="predictions.csv", message="", day="2026-11-20", next_slot=None, quota=5, rejections=3,
            closes=None, participant="ann", client_key=key, now=NOW, sign=lambda text: b"", step=step)
        return "accepted " + accepted(db, **values).receipt
    if what == "grade":
        return f"graded {grade(db, float(key))}"
    if what == "reject":
        return f"rejected {acceptance.reject(db, 1, 'E_X', NOW)}"
    return f"selected {records.select(db, 'hw01', 'ann', [1], 2, NOW)}"

url, jobs = sys.argv[1], json.loads(sys.argv[2])
if url.startswith("postgresql"):
    import psycopg  # once for all
for number, job in enumerate(jobs):
    if os.fork() == 0:
        with open_database(url) as db:
            os.write(1, b"ready\\n")
            os.read(0, 1)  # returns when the test closes the other end
            try:
                text = work(db, *job)
            except UserError as error:
                text = error.code
        os.write(1, f"{number} {text}\\n".encode())
        os._exit(0)
killed = sum(os.waitstatus_to_exitcode(os.wait()[1]) == -signal.SIGKILL for _ in jobs)
print("killed", killed)
"""


def crowd(url: str, jobs: list[tuple[str, str, str]]) -> list[str]:
    """What each of several processes said that opened the database and then started on one signal; "" if killed."""
    read, start = os.pipe()
    parent = subprocess.Popen(
        [sys.executable, "-c", WORKER, url, json.dumps(jobs)], cwd=ROOT, stdin=read, stdout=subprocess.PIPE, text=True
    )
    os.close(read)
    assert parent.stdout is not None
    try:
        for _ in jobs:
            assert parent.stdout.readline() == "ready\n"
    finally:
        os.close(start)
    *lines, last = parent.communicate(timeout=60)[0].splitlines()
    said = {int(number): text for number, _, text in (line.partition(" ") for line in lines)}
    assert last == f"killed {len(jobs) - len(said)}"
    return [said.get(number, "") for number in range(len(jobs))]


def run(url: str, what: str, key: str, kill_at: str = "never") -> str:
    return crowd(url, [(what, key, kill_at)])[0]


pytestmark = pytest.mark.skipif(os.name != "posix", reason="SIGKILL and inherited pipes are POSIX")


def test_of_forty_processes_that_race_for_a_quota_of_five_exactly_five_are_accepted(database_url: str) -> None:
    open_database(database_url).close()
    printed = crowd(database_url, [("accept", f"key {number}", "never") for number in range(40)])
    assert Counter(line.split()[0] for line in printed) == {"accepted": 5, "E_QUOTA": 35}
    with open_database(database_url) as db:
        assert [row.entry for row in records.submissions(db, "hw01", "ann")] == [1, 2, 3, 4, 5]
        assert acceptance.quota_state(db, "hw01", "ann", "2026-11-20").used == 5
        assert events.count(db) == 5
        assert events.verify(db) == []


def test_the_same_bytes_sent_by_forty_processes_under_forty_keys_use_one_slot(database_url: str) -> None:
    open_database(database_url).close()
    printed = crowd(database_url, [("accept", f"same {number}", "never") for number in range(40)])
    assert len(set(printed)) == 1
    assert printed[0].startswith("accepted")
    with open_database(database_url) as db:
        assert records.count_submissions(db, "hw01") == 1
        assert acceptance.quota_state(db, "hw01", "ann", "2026-11-20").used == 1
        assert events.count(db) == 1


def test_one_client_key_sent_by_twelve_processes_gives_one_receipt(database_url: str) -> None:
    open_database(database_url).close()
    printed = crowd(database_url, [("accept", "once", "never")] * 12)
    assert len(set(printed)) == 1
    assert printed[0].startswith("accepted")
    with open_database(database_url) as db:
        assert records.count_submissions(db, "hw01") == 1


def test_twelve_graders_of_one_submission_leave_one_grade(database_url: str) -> None:
    with open_database(database_url) as db:
        accepted(db, **VALUES, participant="ann", client_key="once", sign=lambda _: b"")
    printed = crowd(database_url, [("grade", "0.5", "never")] * 12)
    assert Counter(printed) == {"graded True": 1, "graded False": 11}
    with open_database(database_url) as db:
        assert len(list(results.grade_rows(db))) == 1
        assert events.verify(db) == []


@pytest.mark.slow_on_postgresql
def test_a_kill_at_any_step_of_acceptance_leaves_nothing_or_everything(database_url: str) -> None:
    open_database(database_url).close()
    for place, step in enumerate(acceptance.STEPS):
        assert run(database_url, "accept", "once", step) == ""
        with open_database(database_url) as db:
            kept = place == len(acceptance.STEPS) - 1
            assert records.count_submissions(db, "hw01") == kept, step
            assert len(records.participants(db)) == kept, step
            assert events.count(db) == kept, step
            assert events.verify(db) == []
    assert run(database_url, "accept", "once").startswith("accepted")
    with open_database(database_url) as db:
        assert acceptance.quota_state(db, "hw01", "ann", "2026-11-20").used == 1
        assert [row.id for row in results.pending(db, {"hw01": ("d", "m")})] == [1], "what was left is graded later"
    assert [run(database_url, "grade", "0.5") for _ in range(2)] == ["graded True", "graded False"]


@pytest.mark.slow
@pytest.mark.parametrize("what", ["grade", "reject", "select"])
def test_a_kill_at_any_statement_leaves_nothing_or_everything(database_url: str, what: str) -> None:
    with open_database(database_url) as db:
        accepted(db, **VALUES, participant="ann", client_key="once", sign=lambda _: b"")
        before = events.count(db)
    for statement in range(1, 40):
        printed = run(database_url, what, "0.5", str(statement))
        with open_database(database_url) as db:
            assert events.verify(db) == [], "the tables and the log agree"
            changed = events.count(db) - before
            (row,) = records.submissions(db)
            done = {
                "grade": bool(list(results.grade_rows(db))),
                "reject": row.rejected is not None,
                "select": row.selected,
            }[what]
        assert done == bool(printed)
        if printed:
            break
        assert changed == 0
    assert statement > 5, "it was killed at several statements"
    assert changed == 1
