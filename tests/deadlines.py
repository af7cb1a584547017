"""HW1 with a deadline and two slots a day on each kind of database, and files that arrive at an instant."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from harness.competition import Competition, find_competition
from harness.grading.accept import accept_file
from harness.home import Home, open_home
from harness.versions import read_versions
from leaderboard import acceptance, adjustments, ranking, results
from leaderboard.acceptance import Upload
from leaderboard.database import Database
from tasks.base import UserError

SECOND = timedelta(seconds=1)
TICK = timedelta(microseconds=1)
_files = count()


# For each zone an instant that begins a quota day, and that day.
EDGES = [
    ("UTC", "2027-03-02T00:00:00Z", "2027-03-02"),
    ("Asia/Taipei", "2027-03-01T16:00:00Z", "2027-03-02"),
    ("America/New_York", "2027-03-14T05:00:00Z", "2027-03-14"),  # 23 hours begin
    ("America/New_York", "2027-03-15T04:00:00Z", "2027-03-15"),  # and end
    ("America/New_York", "2027-11-07T04:00:00Z", "2027-11-07"),  # 25 hours begin
    ("America/New_York", "2027-11-08T05:00:00Z", "2027-11-08"),
    ("Europe/Berlin", "2027-03-27T23:00:00Z", "2027-03-28"),
    ("Europe/Berlin", "2027-03-28T22:00:00Z", "2027-03-29"),
    ("Europe/Berlin", "2027-10-30T22:00:00Z", "2027-10-31"),  # 25 hours begin
    ("Europe/Berlin", "2027-10-31T23:00:00Z", "2027-11-01"),
    ("Africa/Cairo", "2026-04-23T22:00:00Z", "2026-04-24"),  # there is no midnight: 23:59:59 is followed by 01:00
    ("Africa/Cairo", "2026-10-29T22:00:00Z", "2026-10-30"),  # the hour before midnight came twice
    ("America/Havana", "2026-11-01T04:00:00Z", "2026-11-01"),  # midnight comes twice: the day begins with the first
    ("Australia/Lord_Howe", "2027-04-03T13:00:00Z", "2027-04-04"),  # half an hour
    ("Pacific/Apia", "2011-12-30T10:00:00Z", "2011-12-31"),  # a day that was left out
]


DEADLINE = datetime(2027, 3, 26, 16, tzinfo=UTC) - TICK  # the last instant of 23:59 in Taipei
LATE = DEADLINE + TICK


@pytest.fixture
def home(course: Path, tmp_path: Path, database_url: str) -> Home:
    """A home with HW1 prepared and two slots a day by UTC, closing at 23:59 in Taipei."""
    shutil.copytree(course, tmp_path / "home")
    url = f"database = {json.dumps(database_url)}\n"
    rules = '[hw01]\nquota = 2\nrejections = 2\ndeadline = "2027-03-26T23:59+08:00"\n'
    (tmp_path / "home" / "config.toml").write_text(url + rules)
    return open_home(tmp_path / "home")


@pytest.fixture
def db(home: Home) -> Iterator[Database]:
    with home.database() as opened:
        yield opened


@pytest.fixture
def hw1(home: Home) -> Competition:
    return find_competition(home, "hw1")


def hand_in(
    home: Home, db: Database, now: datetime, who: str = "ada", *, file: str | None = None, score: float | None = None
) -> acceptance.Acceptance:
    """Accepts a file of fresh content unless named, and records its score where one is given."""
    competition = find_competition(home, "hw1")
    sha256 = f"{next(_files):064x}" if file is None else file
    accepted = accept_file(home, db, competition, Upload(sha256, 1, "a.csv", "", sha256, now), participant=who)
    if score is not None:
        grade(home, db, accepted.submission, score, score, now)
    return accepted


def grade(home: Home, db: Database, number: int, public: float, private: float, now: datetime) -> None:
    data_version, metric_version = read_versions(home, find_competition(home, "hw1"))
    results.record(
        db,
        number,
        data_version=data_version,
        metric_version=metric_version,
        public_version="1",
        higher_is_better=False,
        public=public,
        private=private,
        details="{}",
        passed_public=[],
        passed_private=[],
        mac="",
        now=now,
    )


def both_boards(home: Home, db: Database) -> list[list[ranking.RankedRow]]:
    rules = find_competition(home, "hw1").rules
    versions = read_versions(home, find_competition(home, "hw1"))
    return [
        ranking.board(
            db, "hw01/1", *versions, False, private=side, selections=rules.selections, unselected=rules.unselected
        )
        for side in (False, True)
    ]


def code_of(error: pytest.ExceptionInfo[UserError]) -> tuple[str, int]:
    return error.value.code, error.value.exit_code


def extend(db: Database, kind: adjustments.Whom, who: str, until: datetime | None, **more: Any) -> None:
    adjustments.extend(db, "hw01/1", kind, who, until=until, actor="prof", reason="why", now=LATE, **more)


CONFIG = """\
name = "prof"

[hw03]
quota = 9

[hw01]
quota = 2
deadline = "2027-03-26T23:59+08:00"
public_share = 0.4
parts = { report = 2 }
"""


@pytest.fixture
def written(course: Path, tmp_path: Path, database_url: str) -> Path:
    shutil.copytree(course, tmp_path / "home")
    (tmp_path / "home" / "config.toml").write_text(f"database = {json.dumps(database_url)}\n{CONFIG}")
    return tmp_path / "home"
