"""Who grades what next: leases and their fair order, on SQLite and on PostgreSQL, also with many processes at once."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import uuid
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from leaderboard import acceptance, events, queue, results
from leaderboard.database import Database, open_database
from tests.accepting import accepted

pytestmark = pytest.mark.slow_on_postgresql

ROOT = Path(__file__).parents[1]
NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
LENGTH = timedelta(minutes=2)
VERSIONS = {"hw01": ("d", "m")}

WORKER = """
import os, signal, sys
from datetime import datetime, timedelta, timezone
from leaderboard import queue, results
from leaderboard.database import open_database

url, workers, kill_every = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
now, versions = datetime(2026, 11, 20, 12, tzinfo=timezone.utc), {"hw01": ("d", "m")}
if url.startswith("postgresql"):
    import psycopg  # once for all
for number in range(workers):
    if os.fork() == 0:
        with open_database(url) as db:
            os.write(1, b"ready\\n")
            os.read(0, 1)  # returns when the test closes the other end
            count = 0
            while count < 200 and (lease := queue.lease(db, versions, f"w{number}", now, timedelta(minutes=2))):
                count += 1
                os.write(1, f"{lease.submission} {lease.attempt}\\n".encode())
                if kill_every and count % kill_every == 0:
                    os.kill(os.getpid(), signal.SIGKILL)
                results.record(db, lease.submission, data_version="d", metric_version="m", public_version="1",
                    higher_is_better=True, public=0.5, private=0.5, details="{}", passed_public=[],
                    passed_private=[], mac="", now=now)
                queue.finish(db, lease.submission)
        os._exit(0)
for number in range(workers):
    os.wait()
"""


def hand_in(db: Database, who: str, key: str, competition: str = "hw01") -> int:
    values: dict[str, Any] = {
        "course": "Machine Learning", "competition": competition, "kind": "person",
        "sha256": hashlib.sha256(key.encode()).hexdigest(), "size": 10,
        "filename": "predictions.csv", "message": "", "now": NOW, "day": "2026-11-20", "next_slot": None,
        "quota": None, "rejections": 3, "closes": None,
    }  # fmt: skip
    return accepted(db, **values, participant=who, client_key=key, sign=lambda _: b"").submission


def record(db: Database, number: int) -> None:
    results.record(
        db,
        number,
        data_version="d",
        metric_version="m",
        public_version="1",
        higher_is_better=True,
        public=0.5,
        private=0.5,
        details="{}",
        passed_public=[],
        passed_private=[],
        mac="",
        now=NOW,
    )
    queue.finish(db, number)


def take(db: Database, worker: str = "w", now: datetime = NOW, **more: Any) -> queue.Lease | None:
    return queue.lease(db, VERSIONS, worker, now, LENGTH, **more)


def numbers(db: Database, count: int) -> list[int]:
    return [lease.submission for lease in (take(db) for _ in range(count)) if lease is not None]


def state(db: Database, number: int, now: datetime = NOW) -> queue.QueuePlace:
    return queue.standing(db, VERSIONS, [number], now)[number]


def test_whoever_has_one_running_waits_behind_whoever_has_none(database: Database) -> None:
    for key in ("1", "2", "3"):
        hand_in(database, "ann", key)
    hand_in(database, "bob", "4")
    hand_in(database, "eve", "5")
    assert queue.waiting(database, VERSIONS, NOW) == [1, 2, 3, 4, 5]
    assert numbers(database, 1) == [1]
    assert queue.waiting(database, VERSIONS, NOW) == [4, 5, 2, 3]
    assert numbers(database, 9) == [4, 5, 2, 3]
    assert take(database) is None


def test_who_has_one_running_is_asked_of_the_leases_and_not_of_all_submissions(tmp_path: Path) -> None:
    with open_database(f"sqlite:///{tmp_path / 'a.db'}") as db:
        plan = db.fetch(f"EXPLAIN QUERY PLAN SELECT p.name {queue._RUNNING}", now=0)
    assert [row["detail"].partition(" USING")[0] for row in plan] == ["SCAN l", "SEARCH s", "SEARCH p"]


def test_one_person_with_a_running_file_in_one_homework_waits_in_the_other_too(database: Database) -> None:
    hand_in(database, "ann", "1")
    hand_in(database, "ann", "2", "hw03")
    hand_in(database, "bob", "3", "hw03")
    versions = {"hw01": ("d", "m"), "hw03": ("d", "m")}
    taken = [queue.lease(database, versions, "w", NOW, LENGTH) for _ in range(4)]
    assert [lease and lease.submission for lease in taken] == [1, 3, 2, None]


def test_what_is_graded_or_rejected_is_not_handed_out(database: Database) -> None:
    for key in ("1", "2", "3"):
        hand_in(database, key, key)
    record(database, 1)
    acceptance.reject(database, 2, "E_X", NOW)
    assert numbers(database, 3) == [3]
    # Answers of another version: what was graded before waits again, what was rejected does not.
    lease = queue.lease(database, {"hw01": ("other", "m")}, "w", NOW, LENGTH)
    assert lease is not None
    assert lease.submission == 1


def test_a_lease_that_ran_out_is_a_loss_and_no_attempt_and_ten_losses_are_the_end(database: Database) -> None:
    hand_in(database, "ann", "1")
    now = NOW
    for loss in range(1, queue.LOSSES + 1):
        lease = take(database, f"w{loss}", now)
        assert lease is not None
        assert (lease.attempt, lease.losses, lease.until) == (1, loss, now + LENGTH)
        assert take(database, "b", lease.until - timedelta(microseconds=1)) is None
        assert state(database, 1, now).state == "grading"
        now = lease.until
    assert state(database, 1, now) == queue.QueuePlace("failed", None, "E_GRADER")
    assert take(database, "c", now) is None
    assert database.value("SELECT failed_code FROM leases") == "E_GRADER"
    assert [row.id for row in results.pending(database, VERSIONS)] == [1], "`grade --pending` takes it up"
    assert acceptance.quota_state(database, "hw01", "ann", "2026-11-20").used == 1, "it used its slot once"


def test_losses_use_no_attempt_and_attempts_are_no_losses(database: Database) -> None:
    hand_in(database, "ann", "1")
    for losses in (1, 2):
        lease = take(database)
        assert lease is not None
        assert (lease.attempt, lease.losses) == (1, losses)
        assert queue.lose(database, lease) is False
        assert state(database, 1) == queue.QueuePlace("queued", 1, None)
    for attempt in (1, 2):
        lease = take(database)
        assert lease is not None
        assert (lease.attempt, lease.losses) == (attempt, 3)
        assert queue.fail(database, lease) is (attempt == queue.ATTEMPTS)
    assert state(database, 1).state == "failed"
    assert database.one("SELECT attempts, losses FROM leases") == {"attempts": 2, "losses": 2}


def test_a_worker_found_dead_for_the_tenth_time_is_the_end_at_once(database: Database) -> None:
    hand_in(database, "ann", "1")
    ends = []
    for _ in range(queue.LOSSES):
        taken = take(database)
        assert taken is not None
        (held,) = queue.held(database, NOW)
        assert held == taken
        ends.append(queue.lose(database, held))
        assert queue.lose(database, held) is False, "it is taken back once"
    assert ends == [False] * (queue.LOSSES - 1) + [True]
    assert state(database, 1).state == "failed"
    assert take(database) is None


def test_a_lease_that_is_given_back_after_a_failure_counts_and_one_that_was_not_used_does_not(
    database: Database,
) -> None:
    hand_in(database, "ann", "1")
    for _ in range(3):
        lease = take(database)
        assert lease is not None
        assert lease.attempt == 1
        queue.give_back(database, lease)
    assert state(database, 1) == queue.QueuePlace("queued", 1, None)
    for last in (False, True):
        lease = take(database)
        assert lease is not None
        assert queue.fail(database, lease) is last
    assert state(database, 1).state == "failed"
    assert take(database) is None


def test_a_worker_that_wakes_up_late_takes_nothing_from_the_one_that_came_after_it(database: Database) -> None:
    hand_in(database, "ann", "1")
    slow = take(database, "slow")
    quick = take(database, "quick", NOW + LENGTH)
    assert slow is not None
    assert quick is not None
    for end in (queue.fail, queue.lose, queue.give_back):
        assert not end(database, slow)
        assert not end(database, replace(quick, losses=1)), "nor does it by its own name"
    assert database.one("SELECT worker, attempts, losses, failed_code FROM leases") == {
        "worker": "quick",
        "attempts": 0,
        "losses": 2,
        "failed_code": None,
    }


def test_positions_count_from_one_in_the_order_of_handing_out(database: Database) -> None:
    hand_in(database, "ann", "1")
    hand_in(database, "ann", "2")
    hand_in(database, "bob", "3")
    hand_in(database, "bob", "4", "hw03")
    take(database)
    found = queue.standing(database, VERSIONS, [1, 2, 3], NOW)
    assert found == {
        1: queue.QueuePlace("grading", None, None),
        2: queue.QueuePlace("queued", 2, None),
        3: queue.QueuePlace("queued", 1, None),
    }
    assert queue.standing(database, VERSIONS, [], NOW) == {}
    hand_in(database, "bob", "5")
    both = VERSIONS | {"hw03": ("d", "m")}
    assert queue.standing(database, both, [5], NOW) == {5: queue.QueuePlace("queued", 3, None)}, (
        "bob's other one counts"
    )
    assert queue.standing(database, both, [5], NOW, 3) == {5: queue.QueuePlace("queued", 2, None)}, (
        "ann's is passed over"
    )


def test_what_is_settled_is_passed_over_and_nothing_else_is(database: Database) -> None:
    assert queue.settled(database, VERSIONS) == 0
    for number in range(1, 7):
        hand_in(database, f"p{number}", str(number))
    assert queue.settled(database, VERSIONS) == 0
    record(database, 1)
    acceptance.reject(database, 2, "E_X", NOW)
    record(database, 4)
    after = queue.settled(database, VERSIONS)
    assert after == 2
    lease = take(database, after=after)
    assert lease is not None
    assert lease.submission == 3
    assert queue.settled(database, VERSIONS, after) == 2, "what is being graded may come back"
    queue.fail(database, lease)
    lease = take(database, after=after)
    assert lease is not None
    queue.fail(database, lease)
    assert queue.settled(database, VERSIONS, after) == 4
    for number in (5, 6):
        record(database, number)
    assert queue.settled(database, VERSIONS, after) == 6
    assert queue.settled(database, {"hw01": ("other", "m")}) == 0, "other answers: all wait again"


def test_what_arrives_while_it_is_asked_what_is_settled_is_not_passed_over(
    database: Database, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    hand_in(database, "ann", "1")
    record(database, 1)
    real = Database.value

    with open_database(database_url) as other:

        def value(self: Database, sql: str, **values: Any) -> Any:
            found = real(self, sql, **values)
            if self is database:
                monkeypatch.undo()
                hand_in(other, "bob", "2")
            return found

        monkeypatch.setattr(Database, "value", value)
        after = queue.settled(database, VERSIONS)
    assert after <= 1
    assert queue.settled(database, VERSIONS, after) == 1
    assert queue.waiting(database, VERSIONS, NOW, after) == [2]


@pytest.mark.parametrize("give", [queue.fail, queue.lose, queue.give_back])
def test_what_was_given_back_waits_also_when_the_clock_steps_back(database: Database, give: Any) -> None:
    hand_in(database, "ann", "1")
    lease = take(database, now=NOW + timedelta(days=1))
    assert lease is not None
    give(database, lease)
    assert state(database, 1) == queue.QueuePlace("queued", 1, None)
    for _ in range(1 if give is queue.fail else 2):
        again = take(database)
        assert again is not None
        queue.fail(database, again)
    assert state(database, 1, NOW - timedelta(days=1)).state == "failed"


def test_a_lease_outlives_a_step_back_of_the_clock_by_its_own_length_only(database: Database) -> None:
    hand_in(database, "ann", "1")
    assert take(database, "gone", NOW + timedelta(days=1)) is not None
    assert take(database, "next") is None, "it may still be graded"
    second = take(database, "next", NOW + LENGTH)
    assert second is not None
    assert second.losses == 2


def test_a_step_forward_of_the_clock_hands_out_once_more_and_both_may_end(database: Database) -> None:
    hand_in(database, "ann", "1")
    first, second = take(database, "a"), take(database, "b", NOW + timedelta(days=1))
    assert first is not None
    assert second is not None
    assert state(database, 1, NOW + timedelta(days=2)).state == "queued"
    record(database, 1)
    assert queue.fail(database, second) is False, "what was graded meanwhile is not failed"
    assert database.fetch("SELECT submission_id FROM leases") == []
    assert results.pending(database, VERSIONS) == []


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty database to copy, which is quicker than to make one."""
    path = tmp_path_factory.mktemp("empty") / "empty.db"
    with open_database(f"sqlite:///{path}") as db:
        db.connection.execute("PRAGMA journal_mode = DELETE")
    return path


@settings(max_examples=50)
@given(
    steps=st.lists(
        st.one_of(
            st.tuples(st.just("hand in"), st.integers(0, 3)),
            st.tuples(st.sampled_from(["take", "end", "fail", "give back", "die", "run out"]), st.integers(0, 1)),
        ),
        max_size=40,
    )
)
def test_the_order_is_that_of_arrival_behind_whoever_has_none_running(
    empty: Path, steps: list[tuple[str, int]]
) -> None:
    """Two workers against a list in memory that says who waits, who runs and who is next."""
    copy = empty.with_name(f"{uuid.uuid4()}.db")
    shutil.copyfile(empty, copy)
    with open_database(f"sqlite:///{copy}") as db:
        db.connection.execute("PRAGMA synchronous = OFF")
        now, waiting, failed, lost = NOW, [], Counter[int](), Counter[int]()
        names: dict[int, str] = {}
        running: list[queue.Lease | None] = [None, None]
        for what, number in steps:
            lease = running[number % 2] if what != "hand in" else None
            if what == "hand in":
                new = hand_in(db, f"p{number}", str(len(names)))
                names[new] = f"p{number}"
                waiting.append(new)
            elif what == "take" and lease is None:
                busy = {one.participant for one in running if one is not None}
                order = sorted(waiting, key=lambda one: (names[one] in busy, one))
                assert queue.waiting(db, VERSIONS, now) == order
                found = queue.standing(db, VERSIONS, order, now)
                assert [found[one].position for one in order] == list(range(1, len(order) + 1))
                taken = take(db, f"w{number}", now)
                assert (taken and taken.submission) == (order[0] if order else None)
                if taken is not None:
                    waiting.remove(taken.submission)
                    assert taken.attempt == failed[taken.submission] + 1
                    assert taken.losses == lost[taken.submission] + 1
                    running[number] = taken
            elif what == "run out" and any(running):
                now += LENGTH
                for one in running:
                    if one is not None:
                        lost[one.submission] += 1
                        waiting += [one.submission] if lost[one.submission] < queue.LOSSES else []
                running = [None, None]
            elif lease is not None and what != "take":
                running[number] = None
                if what == "end":
                    record(db, lease.submission)
                elif what == "fail":
                    assert queue.fail(db, lease) is (lease.attempt == queue.ATTEMPTS)
                    failed[lease.submission] += 1
                    waiting += [lease.submission] if lease.attempt < queue.ATTEMPTS else []
                elif what == "die":
                    assert queue.lose(db, lease) is (lease.losses == queue.LOSSES)
                    lost[lease.submission] += 1
                    waiting += [lease.submission] if lease.losses < queue.LOSSES else []
                elif what == "give back":
                    queue.give_back(db, lease)
                    waiting.append(lease.submission)
        seen = queue.settled(db, VERSIONS)
        open_ones = waiting + [one.submission for one in running if one is not None]
        assert seen < min(open_ones, default=len(names) + 1)


@pytest.mark.skipif(os.name != "posix", reason="SIGKILL and inherited pipes are POSIX")
@pytest.mark.parametrize("kill_every", [0, 3])
def test_many_workers_grade_each_submission_once_also_where_some_are_killed(database_url: str, kill_every: int) -> None:
    count = 40
    with open_database(database_url) as db:
        for number in range(count):
            hand_in(db, f"p{number % 7}", str(number))
    read, start = os.pipe()
    crowd = subprocess.Popen(
        [sys.executable, "-c", WORKER, database_url, "6", str(kill_every)],
        cwd=ROOT, stdin=read, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    os.close(read)
    assert crowd.stdout is not None
    try:
        for _ in range(6):
            assert crowd.stdout.readline() == "ready\n"
    finally:
        os.close(start)
    handed = Counter(line.split()[0] for line in crowd.communicate(timeout=60)[0].splitlines())
    assert max(handed.values()) == 1, "no lease that is live is handed out twice"
    with open_database(database_url) as db:
        left = len(results.pending(db, VERSIONS))
        assert left == (0 if not kill_every else count - sum(handed.values()) + 6)
        later = NOW + LENGTH
        while (lease := queue.lease(db, VERSIONS, "w", later, LENGTH)) is not None:
            assert (lease.attempt, lease.losses) == (1, 2 if str(lease.submission) in handed else 1)
            record(db, lease.submission)
        assert len(list(results.grade_rows(db))) == count
        assert db.fetch("SELECT submission_id FROM leases") == []
        assert events.verify(db) == []
        told = [json.loads(event.body)["submission"] for event in events.events(db) if event.kind == "graded"]
        assert sorted(told) == list(range(1, count + 1))
