"""A process killed at any step loses nothing, charges no second slot, and leaves a state that goes on."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from harness.build import damaged_files
from harness.cli.main import cli
from harness.competition import find_competition, read_competition, recover
from harness.grading import audit, worker
from harness.grading.accept import accept_file, submit
from harness.home import Home, open_home
from harness.plans import plan_homework
from harness.prepare import prepare
from harness.versions import read_versions
from leaderboard import acceptance, queue, records, results
from leaderboard.acceptance import Acceptance, Upload
from leaderboard.database import Database
from submissions.store import keep
from tasks.errors import UserError
from tests.conftest import books_balance
from tests.postgres import Server

pytestmark = pytest.mark.slow_on_postgresql

ROOT = Path(__file__).parents[1]
OTHER = ("prepare", "hw1", "--new-data", "--yes", "--reason", "a label was wrong")
NOW = datetime(2027, 3, 1, 12, tzinfo=UTC)
SUBMIT = """
import os, signal, sys
from datetime import UTC, datetime
from pathlib import Path
from harness.competition import find_competition
from harness.grading.accept import submit
from harness.home import open_home
left = [int(sys.argv[3])]
def step(name):
    left[0] -= 1
    if left[0] < 0:
        os.kill(os.getpid(), signal.SIGKILL)
home = open_home(Path(sys.argv[1]))
submit(home, find_competition(home, "hw1"), Path(sys.argv[2]), participant="ada",
       now=datetime(2027, 3, 1, 12, tzinfo=UTC), step=step)
"""
PREPARE = """
import os, signal, sys
from datetime import UTC, datetime
from pathlib import Path
from harness.home import open_home
from harness.plans import plan_homework; from harness.prepare import prepare
left = [int(sys.argv[2])]
def step(name):
    left[0] -= 1
    if left[0] < 0:
        os.kill(os.getpid(), signal.SIGKILL)
prepare(open_home(Path(sys.argv[1])), plan_homework("hw1", None, None, "small"), seed=None, new_data=True,
        accept_leaks=False, now=datetime(2027, 3, 2, 12, tzinfo=UTC), step=step)
"""


def run(script: str, *words: str) -> int:
    return subprocess.run([sys.executable, "-c", script, *words], cwd=ROOT, capture_output=True, check=False).returncode


def call(home: Path, *words: str) -> Result:
    return CliRunner().invoke(cli, ["--home", str(home), *words])


@pytest.mark.slow
def test_a_kill_at_any_step_of_submit_costs_one_slot_at_most_and_ends_in_one_grade(
    course: Path, tmp_path: Path
) -> None:
    file = course / "public" / "hw01" / "sample_submission.csv"
    names: list[str] = []
    whole = tmp_path / "whole"
    shutil.copytree(course, whole)
    first = open_home(whole)
    submit(first, find_competition(first, "hw1"), file, participant="ada", now=NOW, step=names.append)
    assert {"bytes kept", "accepted", "read", "graded", "recorded"} <= set(names)
    recorded = set()
    for place in range(len(names)):
        home = tmp_path / str(place)
        shutil.copytree(course, home)
        assert run(SUBMIT, str(home), str(file), str(place)) == -signal.SIGKILL
        assert call(home, "grade", "--pending").exit_code == 0
        entries = json.loads(call(home, "submissions", "--all", "--format", "json").stdout)["submissions"]
        recorded.add(len(entries))
        assert [entry["state"] for entry in entries] in ([], ["graded"])
        again = json.loads(call(home, "submit", "hw1", str(file), "--as", "ada", "--format", "json").stdout)
        assert again["quota"]["used"] in (0, 1)  # the kill lies on another day than this hand-in
        assert again["again"] == bool(entries)
        entries = json.loads(call(home, "submissions", "--all", "--format", "json").stdout)["submissions"]
        assert [entry["state"] for entry in entries] == ["graded"]
        board = json.loads(call(home, "leaderboard", "hw1", "--format", "json").stdout)["board"]
        assert [row["entries"] for row in board] == [1]
        assert call(home, "audit", "verify").exit_code == 0
        assert "nothing is waiting" in call(home, "grade", "--pending").stdout
    assert recorded == {0, 1}


@pytest.mark.slow
def test_a_kill_at_any_step_of_prepare_leaves_the_old_competition_or_the_new_one_whole(
    course: Path, tmp_path: Path
) -> None:
    names: list[str] = []
    whole = tmp_path / "whole"
    shutil.copytree(course, whole)
    plan = plan_homework("hw1", None, None, "small")
    prepare(open_home(whole), plan, seed=None, new_data=True, accept_leaks=False, now=NOW, step=names.append)
    versions = set()
    for place in range(len(names)):
        home = tmp_path / str(place)
        shutil.copytree(course, home)
        assert run(PREPARE, str(home), str(place)) == -signal.SIGKILL
        recover(open_home(home), "hw01")
        folder = home / "public" / "hw01"
        assert damaged_files(folder) == []
        versions.add(read_competition(folder).version)
        sample = folder / "sample_submission.csv"
        assert call(home, "submit", "hw1", str(sample), "--as", "ada").exit_code == 0
        assert "already prepared" in call(home, "prepare", "hw1").stdout
        assert call(home, *OTHER).exit_code == 0
        assert read_competition(folder).version > max(versions)
        assert call(home, "audit", "verify").exit_code == 0
    assert versions == {1, 2}


def test_an_existing_competition_with_submissions_is_not_written_over(course: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    shutil.copytree(course, home)
    sample = home / "public" / "hw01" / "sample_submission.csv"
    assert call(home, "submit", "hw1", str(sample), "--as", "ada").exit_code == 0
    before = {path: path.read_bytes() for path in (home / "public").rglob("*") if path.is_file()}
    refused = call(home, "prepare", "hw1", "--size", "full")
    assert refused.exit_code == 8
    assert "--new-data" in refused.stderr
    assert before == {path: path.read_bytes() for path in (home / "public").rglob("*") if path.is_file()}
    assert call(home, *OTHER).exit_code == 0
    assert json.loads(call(home, "leaderboard", "hw1", "--format", "json").stdout)["board"] == []
    assert (home / "secret" / "hw01" / "1" / "column-0.npy").exists()


def test_a_full_disk_gives_a_clear_error_and_leaves_no_half_state(
    course: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    shutil.copytree(course, home)
    before = {path: path.read_bytes() for path in (home / "public").rglob("*") if path.is_file()}
    written = [0]
    real = os.fsync

    def full(descriptor: int) -> None:
        written[0] += 1
        if written[0] > 3:
            raise OSError(28, "No space left on device")
        real(descriptor)

    monkeypatch.setattr(os, "fsync", full)
    refused = call(home, *OTHER)
    monkeypatch.setattr(os, "fsync", real)
    assert refused.exit_code == 10
    assert "No space left on device" in refused.stderr
    assert before == {path: path.read_bytes() for path in (home / "public").rglob("*") if path.is_file()}
    assert call(home, *OTHER).exit_code == 0


@pytest.mark.parametrize("problem", [(28, "grader's disk is full"), (30, "cannot write")])
def test_a_disk_that_takes_no_more_leaves_no_half_submission(
    course: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, problem: tuple[int, str]
) -> None:
    home = tmp_path / "home"
    shutil.copytree(course, home)
    sample = home / "public" / "hw01" / "sample_submission.csv"

    def full(descriptor: int) -> None:
        raise OSError(*problem)

    monkeypatch.setattr(os, "fsync", full)
    refused = call(home, "submit", "hw1", str(sample), "--as", "ada")
    monkeypatch.undo()
    assert refused.exit_code == 10
    assert problem[1] in refused.stderr
    assert json.loads(call(home, "submissions", "--all", "--format", "json").stdout)["submissions"] == []
    assert [path for path in (home / "submissions").rglob("*") if path.is_file()] == []
    assert json.loads(call(home, "submit", "hw1", str(sample), "--as", "ada", "--format", "json").stdout)["rank"] == 1


# The database's server is killed at each step, and its disk is full at each step.


@pytest.fixture
def class_of_one(course: Path, tmp_path: Path, mortal: Server) -> Home:
    home = tmp_path / "home"
    shutil.copytree(course, home)
    (home / "config.toml").write_text(f'database = "{mortal.new_database()}"\n')
    return open_home(home)


def hand_in(home: Home, step: Callable[[str], None] = lambda name: None) -> Acceptance:
    data = (home.public("hw01") / "sample_submission.csv").read_bytes()
    sha256 = keep(home.submissions, data)
    with home.database() as database:
        return accept_file(
            home,
            database,
            find_competition(home, "hw1"),
            Upload(sha256, len(data), "a.csv", "", sha256, NOW),
            participant="ada",
            step=step,
        )


def grade_all(home: Home) -> None:
    """A worker that goes on until all is graded, as that of the server does."""

    def done() -> bool:
        with home.database() as database:
            return not results.pending(database, {"hw01/1": read_versions(home, find_competition(home, "hw1"))})

    worker.run(worker.new_worker(home, worker.Limits(), print), lambda: NOW, done)


@pytest.mark.slow
@pytest.mark.parametrize("step", acceptance.STEPS)
def test_a_kill_of_the_database_at_any_step_of_an_acceptance_costs_one_slot_at_most(
    class_of_one: Home, mortal: Server, step: str
) -> None:
    def kill(name: str) -> None:
        if name == step:
            mortal.kill()

    if step == "committed":
        first = hand_in(class_of_one, kill)
    else:
        with pytest.raises(UserError) as caught:
            hand_in(class_of_one, kill)
        assert caught.value.code == "E_UNREACHABLE"
    assert mortal.start()
    again = hand_in(class_of_one)
    assert (again.submission, again.used, again.again) == (1, 1, step == "committed")
    assert step != "committed" or again.receipt == first.receipt
    grade_all(class_of_one)
    books_balance(class_of_one)


@pytest.mark.slow
@pytest.mark.parametrize("step", worker.STEPS)
def test_a_kill_of_the_database_at_any_step_of_a_grading_uses_no_attempt_and_ends_in_one_grade(
    class_of_one: Home, mortal: Server, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    hand_in(class_of_one)
    monkeypatch.setattr(worker, "TROUBLE_SECONDS", 0.0)
    said: list[str] = []
    one = worker.new_worker(class_of_one, worker.Limits(), said.append)
    real, steps = worker.work, []
    attempts = []

    def work(
        one: worker.Worker, database: Database, clock: Callable[[], datetime], stopped: Callable[[], bool]
    ) -> bool:
        def kill(name: str) -> None:
            steps.append(name)
            if name == "leased":
                attempts.append(database.one("SELECT attempts, losses FROM leases"))
            if steps.count(step) == 1 and name == step:
                mortal.kill()
                assert mortal.start()

        return real(one, database, clock, stopped, kill)

    monkeypatch.setattr(worker, "work", work)
    worker.run(one, lambda: NOW, lambda: steps.count(step) > 0 and graded(class_of_one))
    lost = {"attempts": 0, "losses": 1}
    assert all(one == lost for one in attempts), "the database's death is no failure of the submission"
    assert [line.partition(":")[0] for line in said] == ([] if step == "recorded" else ["waiting"])
    books_balance(class_of_one)


def graded(home: Home) -> bool:
    with home.database() as database:
        return bool(list(results.grade_rows(database)))


def test_a_copy_made_while_files_come_in_is_a_course_that_goes_on(course: Path, tmp_path: Path) -> None:
    home = open_home(tmp_path / "home")
    shutil.copytree(course, home.root)
    (home.root / "config.toml").write_text("[hw01]\nquota = 10000\n")
    header, *rows = (home.public("hw01") / "sample_submission.csv").read_text().splitlines()
    copied = threading.Event()

    def class_hands_in() -> None:
        busy = open_home(home.root)
        for number in itertools.count():
            data = "\n".join([header, *(f"{row.split(',')[0]},{number}" for row in rows)]).encode()
            sha256 = keep(busy.submissions, data)
            with busy.database() as database:
                accept_file(
                    busy,
                    database,
                    find_competition(busy, "hw1"),
                    Upload(sha256, len(data), "a.csv", "", sha256, NOW),
                    participant="ada",
                )
            if copied.is_set():
                return

    def count() -> int:
        with home.database() as database:
            return records.count_submissions(database, "hw01/1")

    with ThreadPoolExecutor(1) as other:
        busy = other.submit(class_hands_in)
        try:
            while count() < 3 and not busy.done():
                time.sleep(0.01)
            # The two steps of docs/class.md: the database first, then the files.
            copy = tmp_path / "copy"
            copy.mkdir()
            with (
                contextlib.closing(sqlite3.connect(home.root / "leaderboard.db")) as old,
                contextlib.closing(sqlite3.connect(copy / "leaderboard.db")) as new,
            ):
                old.backup(new)
            shutil.copytree(home.root, copy, dirs_exist_ok=True, ignore=shutil.ignore_patterns("leaderboard.db*"))
        finally:
            copied.set()
        busy.result()
    restored = open_home(copy)
    assert audit.verify(restored)[0] == []
    grade_all(restored)
    with restored.database() as database:
        entries = records.count_submissions(database, "hw01/1")
        assert len(list(results.grade_rows(database))) == entries
    assert 3 <= entries <= count()
    assert hand_in(restored).submission == entries + 1


@pytest.fixture(params=["sqlite", "postgresql"])
def full(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Callable[[Home, str], None]:
    """Makes the disk full for a table's rows from now on; "" frees it again."""

    def fill_sqlite(home: Home, table: str) -> None:
        def run(self: Database, sql: str, values: dict[str, Any]) -> Any:
            if table and re.match(rf"(INSERT INTO|UPDATE) {table}\b", sql):
                pages = self.connection.execute("PRAGMA page_count").fetchone()[0]
                self.connection.execute(f"PRAGMA max_page_count = {pages}")
                values = values | {
                    name: "x" * 10**6 for name in ("receipt", "details", "worker", "body") if name in values
                }
            return real(self, sql, values)

        monkeypatch.setattr(Database, "_run", run if table else real)

    def fill_postgresql(home: Home, table: str) -> None:
        with home.database() as database, database.transaction():
            if table:
                database.execute(
                    "CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS "
                    "$$BEGIN RAISE 'no space left' USING ERRCODE = '53100'; END$$"
                )
                database.execute(
                    f"CREATE TRIGGER full_disk BEFORE INSERT OR UPDATE ON {table} EXECUTE FUNCTION full_disk()"
                )
            else:
                database.execute("DROP FUNCTION full_disk CASCADE")

    real = Database._run
    return fill_sqlite if request.param == "sqlite" else fill_postgresql


def grade_one(home: Home) -> bool:
    with home.database() as database:
        return worker.work(worker.new_worker(home, worker.Limits(), print), database, lambda: NOW)


@pytest.mark.slow
@pytest.mark.parametrize("table", ["events", "submissions", "leases", "grades"])
def test_a_disk_that_fills_up_while_the_database_writes_loses_nothing(
    course: Path,
    tmp_path: Path,
    request: pytest.FixtureRequest,
    full: Callable[[Home, str], None],
    table: str,
) -> None:
    kind = request.node.callspec.params["full"]
    server = request.getfixturevalue("postgresql") if kind == "postgresql" else None
    url = server.new_database() if server else f"sqlite:///{tmp_path / 'leaderboard.db'}"
    shutil.copytree(course, tmp_path / "home")
    (tmp_path / "home" / "config.toml").write_text(f'database = "{url}"\n')
    home = open_home(tmp_path / "home")
    with home.database():
        pass
    early = table in ("events", "submissions")
    if not early:
        hand_in(home)
    full(home, table)
    with pytest.raises(UserError) as caught:
        (hand_in if early else grade_one)(home)
    assert caught.value.code == "E_DISK_FULL"
    full(home, "")
    again = hand_in(home)
    assert (again.submission, again.used, again.again) == (1, 1, not early)
    with home.database() as database:
        for lease in queue.held(database, NOW):
            queue.give_back(database, lease)
    grade_all(home)
    books_balance(home)
