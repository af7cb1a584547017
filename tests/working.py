"""A home with files that wait, and a worker that takes them."""

from __future__ import annotations

import os
import shutil
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from harness.competition import find_competition
from harness.grading import accept, worker
from harness.home import Home, open_home
from harness.versions import read_versions
from leaderboard import queue, records, results
from leaderboard.acceptance import Upload
from submissions.store import keep
from tests.conftest import books_balance

NOW = datetime(2027, 3, 1, 12, tzinfo=UTC)
LIMITS = worker.Limits(seconds=20.0)


@pytest.fixture
def home(course: Path, tmp_path: Path, database_url: str) -> Home:
    """A prepared course on each kind of database in turn."""
    root = tmp_path / "home"
    shutil.copytree(course, root)
    (root / "config.toml").write_text(f'database = "{database_url}"\n')
    return open_home(root)


def hand_in(home: Home, data: bytes | None = None, who: str = "ada") -> int:
    """Records a file as the server does; the sample submission where no bytes are given."""
    competition = find_competition(home, "hw1")
    data = (home.public("hw01") / "sample_submission.csv").read_bytes() if data is None else data
    sha256 = keep(home.submissions, data)
    with home.database() as database:
        accepted = accept.accept_file(
            home, database, competition, Upload(sha256, len(data), "a.csv", "", sha256, NOW),
            participant=who,
        )  # fmt: skip
    return accepted.submission


def work(home: Home, now: datetime = NOW, limits: worker.Limits = LIMITS, **more: Any) -> tuple[bool, list[str]]:
    said: list[str] = []
    with home.database() as database:
        done = worker.work(worker.new_worker(home, limits, said.append), database, lambda: now, **more)
    return done, said


def state(home: Home, number: int, now: datetime = NOW) -> str:
    competition = find_competition(home, "hw1")
    versions = read_versions(home, competition)
    with home.database() as database:
        entry = records.submission(database, number)
        if entry.rejected is not None:
            return entry.rejected
        if number in results.public_grades(database, competition.key, *versions):
            return "graded"
        return queue.standing(database, {competition.key: versions}, [number], now)[number].state


def balanced(home: Home, failed: int = 0) -> None:
    """The books balance, and no child is left."""
    books_balance(home, failed)
    mine = Path(f"/proc/self/task/{os.getpid()}/children")
    children = mine.read_text().split() if mine.exists() else []
    commands = [Path(f"/proc/{child}/cmdline").read_bytes() for child in children]
    assert [command for command in commands if command in (Path("/proc/self/cmdline").read_bytes(), b"")] == []


def hang(*_: Any) -> Any:
    time.sleep(600)
