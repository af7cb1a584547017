"""A class with people and teams whose files get scores as given, at noon of one day."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from harness.cli import common
from harness.cli.main import cli
from harness.competition import find_competition
from harness.course import access
from harness.course.points import points
from harness.course.types import Points
from harness.home import Home, open_home
from harness.versions import read_versions
from leaderboard import enrolment, results
from leaderboard.database import Database
from leaderboard.roster import RosterEntry
from tests.accepting import accepted

NOW = datetime(2027, 3, 1, 12, tzinfo=UTC)
WHY: dict[str, Any] = {"actor": "prof", "reason": "graded", "now": NOW}
CLASS = [
    RosterEntry("0012", "Ada", "ada@example.org"),
    RosterEntry("b02", "Bob", team="Owls"),
    RosterEntry("b03", "=Eve", team="Owls"),
    RosterEntry("b04", "Gone"),
    RosterEntry("guest", "Max", role="auditor"),
    RosterEntry("prof", "Lee", role="instructor"),
]
_keys = count()


@pytest.fixture
def home(course: Path, tmp_path: Path, database_url: str) -> Home:
    """A home with HW1 prepared, its leaderboard on each kind of database in turn."""
    shutil.copytree(course, tmp_path / "home")
    return configure(tmp_path / "home", database_url, "")


def configure(root: Path, url: str, rules: str) -> Home:
    (root / "config.toml").write_text(f'name = "prof"\ndatabase = {json.dumps(url)}\n{rules}')
    return open_home(root)


@pytest.fixture
def db(home: Home) -> Iterator[Database]:
    """The class above; b04 was taken off."""
    with home.database() as opened:
        enrolment.import_people(opened, CLASS, **WHY)
        yield opened


@pytest.fixture(autouse=True)
def _noon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(common, "clock", lambda: NOW)


def hand_in(
    home: Home, db: Database, who: str, public: float, private: float, bars: str = "", hidden: str = "", **more: Any
) -> int:
    """Accepts and grades a file, with the bars it passes on either side."""
    values: dict[str, Any] = {
        "course": "", "competition": "hw01/1", "participant": who, "kind": "person",
        "sha256": f"{next(_keys):064x}", "size": 1, "filename": "", "message": "", "client_key": f"k{next(_keys)}",
        "now": NOW, "day": "2027-03-01", "next_slot": None, "quota": None, "rejections": None,
        "closes": None, "sign": lambda _: b"",
    }  # fmt: skip
    number = accepted(db, **(values | more)).submission
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
        passed_public=bars.split(),
        passed_private=hidden.split(),
        mac="",
        now=NOW,
    )
    return number


def call(home: Home, *words: str, input: str | None = None) -> Result:
    return CliRunner().invoke(cli, ["--home", str(home.root), *words], env={"COLUMNS": "160"}, input=input)


def own(home: Home, key: str, hw: str | None = None, now: datetime = NOW) -> Points:
    return points(home, access.Viewer("student", key), hw, now)
