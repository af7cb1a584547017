"""In which zone times are shown: a course keeps its own, a home for oneself has that of the machine."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from harness import home as homes
from harness.home import Home, local, open_home
from leaderboard import enrolment, roster
from tests.postgres import Server

ROOT = Path(__file__).parents[1]
NOW = datetime(2027, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def home(course: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    monkeypatch.setattr(homes, "machine_zone", lambda: "America/New_York")
    shutil.copytree(course, tmp_path / "home")
    return open_home(tmp_path / "home")


def enrol(home: Home) -> None:
    with home.database() as database:
        enrolment.add_person(
            database, roster.RosterEntry("ada", "Ada", "", "student"), actor="prof", reason="start", now=NOW
        )


def test_a_home_for_oneself_uses_the_zone_of_the_machine(home: Home) -> None:
    assert local(home, NOW) == "2027-03-01T07:00:00-05:00"
    assert local(home, NOW.replace(month=7)) == "2027-07-01T08:00:00-04:00"


def test_a_home_with_a_roster_or_one_that_is_served_keeps_the_zone_of_a_course(home: Home) -> None:
    assert replace(home, served=True).zone == "Asia/Taipei"
    enrol(home)
    assert open_home(home.root).zone == "Asia/Taipei"
    assert local(open_home(home.root), NOW) == "2027-03-01T20:00:00+08:00"


def test_a_roster_in_another_database_is_one_too(home: Home, postgresql: Server) -> None:
    url = postgresql.new_database()
    (home.root / "config.toml").write_text(f'database = "{url}"\n')
    assert open_home(home.root).zone == "America/New_York"
    enrol(open_home(home.root))
    assert open_home(home.root).zone == "Asia/Taipei"
    postgresql.drop(url)


def test_the_zone_of_the_settings_comes_before_all(home: Home) -> None:
    (home.root / "config.toml").write_text('zone = "Europe/Berlin"\n')
    enrol(home)
    assert replace(open_home(home.root), served=True).zone == "Europe/Berlin"


def test_asking_for_the_zone_makes_no_database(home: Home, tmp_path: Path) -> None:
    new = open_home(tmp_path / "new")
    assert new.zone == "America/New_York"
    assert not new.root.exists()


@pytest.mark.parametrize("answer", [None, "no/such", "", LookupError("two files"), ValueError("x"), OSError("y")])
def test_a_machine_whose_zone_cannot_be_found_out_has_utc(answer: object, monkeypatch: pytest.MonkeyPatch) -> None:
    import tzlocal

    def found() -> object:
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(tzlocal, "get_localzone_name", found)
    assert homes.machine_zone() == "UTC"


@pytest.mark.parametrize("zone", ["America/New_York", "Asia/Kathmandu"])
def test_the_quota_of_a_home_for_oneself_is_told_in_the_zone_of_the_machine(home: Home, zone: str) -> None:
    words = ["--home", str(home.root), "quota", "hw1", "--format", "json"]
    done = subprocess.run(
        [sys.executable, "-c", "from harness.cli.main import main; main()", *words],
        cwd=ROOT, env=os.environ | {"TZ": zone}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["zone"] == zone
