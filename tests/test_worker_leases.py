"""Grading apart: workers that are killed or stopped, leases, and answers or databases that are gone for a while."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from harness.competition import find_competition
from harness.grading import scoring, worker
from harness.home import Home
from harness.versions import read_versions
from leaderboard import acceptance, queue, results
from leaderboard.database import Database, DatabaseError
from tests import working
from tests.working import LIMITS, NOW, balanced, hand_in, hang, state, work

pytestmark = [pytest.mark.slow_on_postgresql, pytest.mark.skipif(os.name != "posix", reason="graders are forked")]

home = working.home


ROOT = Path(__file__).parents[1]
KILLED = """
import os, signal, sys
from datetime import UTC, datetime
from pathlib import Path
from harness.grading import worker
from harness.home import open_home
def step(name):
    if name == sys.argv[2]:
        os.kill(os.getpid(), signal.SIGKILL)
home = open_home(Path(sys.argv[1]))
with home.database() as database:
    graded = worker.work(worker.new_worker(home, worker.Limits(20.0), print), database,
                         lambda: datetime(2027, 3, 1, 12, tzinfo=UTC), step=step)
    print(graded)
"""


@pytest.mark.slow
@pytest.mark.parametrize("step", worker.STEPS)
def test_a_kill_of_a_worker_at_any_step_ends_in_one_grade(home: Home, step: str) -> None:
    number = hand_in(home)
    done = subprocess.run(
        [sys.executable, "-c", KILLED, str(home.root), step], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
    recorded = worker.STEPS.index(step) >= worker.STEPS.index("recorded")
    assert state(home, number) == ("graded" if recorded else "grading")
    assert work(home) == (False, []), "its lease still runs"
    later = NOW + timedelta(seconds=20) + worker.MARGIN
    assert work(home, later) == (not recorded, [])
    assert state(home, number, later) == "graded"
    with home.database() as database:
        assert len(list(results.grade_rows(database))) == 1
        assert acceptance.quota_state(database, "hw01/1", "ada", "2027-03-01").used == 1
    balanced(home)


def test_a_new_worker_takes_up_at_once_what_a_dead_one_of_its_machine_held(home: Home) -> None:
    number = hand_in(home)
    command = [sys.executable, "-c", KILLED, str(home.root), "forked"]
    for loss in range(1, 4):
        assert subprocess.run(command, cwd=ROOT, capture_output=True, check=False).returncode == -signal.SIGKILL
        said: list[str] = []
        with home.database() as database:
            one = worker.new_worker(home, LIMITS, said.append)
            worker.reclaim(one, database, NOW)
            assert said[0] == f"submission {number}: its worker died, loss {loss} of {queue.LOSSES}"
            assert database.one("SELECT attempts, losses FROM leases") == {"attempts": 0, "losses": loss}
    assert state(home, number) == "queued"
    with home.database() as database, database.transaction():
        database.execute("UPDATE leases SET losses = :most", most=queue.LOSSES - 1)  # one by one takes long
    assert subprocess.run(command, cwd=ROOT, capture_output=True, check=False).returncode == -signal.SIGKILL
    with home.database() as database:
        worker.reclaim(worker.new_worker(home, LIMITS, said.append), database, NOW)
    assert "given up" in said[-1]
    assert state(home, number) == "failed"
    balanced(home, failed=1)


def test_a_worker_leaves_alone_what_a_living_one_or_one_of_another_machine_holds(home: Home) -> None:
    number = hand_in(home)
    versions = {"hw01/1": read_versions(home, find_competition(home, "hw1"))}
    one = worker.new_worker(home, LIMITS, lambda line: None)
    for name in (f"{one.name}0", "elsewhere:999999999:0", f"{one.name.partition(':')[0]}:1:0"):
        with home.database() as database:
            lease = queue.lease(database, versions, name, NOW, timedelta(seconds=9))
            assert lease is not None
            worker.reclaim(one, database, NOW)
            assert state(home, number) == "grading"
            queue.give_back(database, lease)


def test_two_lost_workers_cost_an_innocent_file_nothing_and_ten_end_it(home: Home) -> None:
    number = hand_in(home)
    other = hand_in(home, who="bob")
    versions = {"hw01/1": read_versions(home, find_competition(home, "hw1"))}
    later = NOW

    def lose(times: int) -> None:
        nonlocal later
        for _ in range(times):
            with home.database() as database:
                lease = queue.lease(database, versions, "gone", later, timedelta(seconds=1))
            assert lease is not None
            assert lease.submission == number
            later += timedelta(seconds=1)

    lose(2)
    assert state(home, number, later) == "queued"
    lose(queue.LOSSES - 2)
    assert state(home, number, later) == "failed"
    assert work(home, later) == (True, [])
    assert (state(home, number, later), state(home, other, later)) == ("failed", "graded")
    balanced(home, failed=1)


def test_a_worker_that_is_told_to_stop_gives_its_lease_back_unused(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    number = hand_in(home)
    monkeypatch.setattr(scoring, "grade", hang)
    told: list[bool] = []
    done = work(home, stopped=lambda: bool(told), step=lambda name: told.append(name == "forked"))
    assert done == (False, [])
    monkeypatch.undo()
    assert state(home, number) == "queued"
    with home.database() as database:
        assert database.one("SELECT attempts, losses FROM leases") == {"attempts": 0, "losses": 0}
    assert work(home) == (True, [])
    balanced(home)


def test_a_stop_that_reaches_the_grading_process_first_uses_no_attempt(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    number = hand_in(home)
    monkeypatch.setattr(scoring, "grade", hang)
    asked: list[bool] = []

    def stopped() -> bool:
        asked.append(True)
        return len(asked) > 4

    def step(name: str) -> None:
        if name == "forked":
            for child in Path(f"/proc/self/task/{os.getpid()}/children").read_text().split():
                if Path(f"/proc/{child}/cmdline").read_bytes() == Path("/proc/self/cmdline").read_bytes():
                    os.kill(int(child), signal.SIGTERM)

    before = signal.signal(signal.SIGTERM, lambda *_: None)
    try:
        assert work(home, stopped=stopped, step=step) == (False, [])
    finally:
        signal.signal(signal.SIGTERM, before)
    with home.database() as database:
        assert database.one("SELECT attempts, losses FROM leases") == {"attempts": 0, "losses": 0}
    monkeypatch.undo()
    assert work(home) == (True, [])
    assert state(home, number) == "graded"
    balanced(home)


def test_a_file_with_an_older_grade_that_can_no_longer_be_read_is_given_up_and_not_tried_for_ever(home: Home) -> None:
    number = hand_in(home, b"id,tested_positive\n0,nan\n")
    data_version, _ = read_versions(home, find_competition(home, "hw1"))
    with home.database() as database:
        results.record(
            database,
            number,
            data_version=data_version,
            metric_version="an older one",
            public_version="1",
            higher_is_better=False,
            public=1.0,
            private=1.0,
            details="{}",
            passed_public=[],
            passed_private=[],
            mac="",
            now=NOW,
        )
    for _ in range(2):
        done, said = work(home)
        assert done
        assert "another version" in said[0]
    assert state(home, number) == "failed"
    assert work(home) == (False, [])


def test_bytes_that_are_gone_are_a_fault_of_the_grader_not_of_the_student(home: Home) -> None:
    number = hand_in(home)
    for path in home.submissions.rglob("*"):
        if path.is_file():
            path.rename(home.root / "elsewhere")
            there = path
    assert "not in the store" in work(home)[1][0]
    (home.root / "elsewhere").rename(there)
    assert work(home) == (True, [])
    assert state(home, number) == "graded"
    balanced(home)


def test_a_homework_whose_answers_are_missing_waits_and_uses_no_attempt(home: Home) -> None:
    number = hand_in(home)
    answers = home.secret("hw01", 1)
    answers.rename(home.root / "elsewhere")
    done, said = work(home)
    assert (done, "hw01 is not graded" in said[0]) == (False, True)
    assert (home.root / "elsewhere").rename(answers)
    with home.database() as database:
        assert database.fetch("SELECT submission_id FROM leases") == []
    assert work(home) == (True, [])
    assert state(home, number) == "graded"


def test_a_worker_whose_database_fails_while_it_reads_the_answers_reads_them_again(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    number = hand_in(home)
    one = worker.new_worker(home, LIMITS, print)

    def lost(*_: Any) -> Any:
        raise DatabaseError("the database cannot be reached", code="E_DATABASE")

    with home.database() as database:
        with monkeypatch.context() as away:
            away.setattr(worker, "competitions_to_grade", lost)
            with pytest.raises(DatabaseError):
                worker.work(one, database, lambda: NOW)
        assert worker.work(one, database, lambda: NOW)
    assert state(home, number) == "graded"
    one.grader.close()
    balanced(home)


def test_answers_that_are_restored_in_place_are_graded_by_the_same_worker_which_complains_once(home: Home) -> None:
    number = hand_in(home)
    path = home.secret("hw01", 1) / "column-0.npy"
    whole = path.read_bytes()
    path.write_bytes(whole[:-1])
    said: list[str] = []
    one = worker.new_worker(home, LIMITS, said.append)
    with home.database() as database:
        for _ in range(3):
            assert not worker.work(one, database, lambda: NOW)
            one.again = 0.0  # later
        assert len(said) == 1
        path.write_bytes(whole)
        assert worker.work(one, database, lambda: NOW)
    assert (state(home, number), len(said)) == ("graded", 1)
    one.grader.close()
    balanced(home)


def test_a_worker_notices_that_a_homework_was_prepared_anew(home: Home) -> None:
    from harness.plans import plan_homework
    from harness.prepare import prepare

    hand_in(home)
    said: list[str] = []
    with home.database() as database:
        one = worker.new_worker(home, LIMITS, said.append)
        assert worker.work(one, database, lambda: NOW)
        assert not worker.work(one, database, lambda: NOW)
        plan = plan_homework("hw1", None, None, "small")
        prepare(home, plan, seed=None, new_data=True, reason="a label was wrong", accept_leaks=False, now=NOW)
        assert hand_in(home) == 2
        assert worker.work(one, database, lambda: NOW)
        assert {row.competition for row in results.grade_rows(database)} == {"hw01/1", "hw01/2"}
    assert said == []


def test_a_worker_goes_on_after_its_database_was_gone(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    number = hand_in(home)
    monkeypatch.setattr(worker, "TROUBLE_SECONDS", 0.0)
    tries: list[int] = []
    real = Home.database

    def unreachable(self: Home) -> Database:
        tries.append(1)
        if len(tries) < 3:
            raise DatabaseError("it cannot be reached", code="E_UNREACHABLE", exit_code=7)
        return real(self)

    monkeypatch.setattr(Home, "database", unreachable)
    said: list[str] = []
    worker.run(worker.new_worker(home, LIMITS, said.append), lambda: NOW, lambda: len(tries) >= 3 and graded(home))
    assert said == ["waiting: it cannot be reached"] * 2
    assert state(home, number) == "graded"


def graded(home: Home) -> bool:
    with home.database() as database:
        return bool(list(results.grade_rows(database)))
