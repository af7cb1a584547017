"""Bars set to what the levels were measured to score: who sees what, when they are final, and what is found."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner

from harness.cli.main import cli
from harness.competition import find_competition
from harness.course import bars as bars_of
from harness.course import boards
from harness.course.access import Viewer
from harness.grading import accept, audit, worker
from harness.home import Home, open_home
from harness.plans import plan_homework
from harness.prepare import prepare
from harness.sweep import Spread
from harness.versions import read_bars
from leaderboard import events, records, results
from leaderboard.acceptance import Upload
from submissions.store import keep
from tasks.base import UserError

NOW = datetime(2027, 3, 1, 12, tzinfo=UTC)
TWO = (
    Spread("simple", "root_mean_squared_error", 3, 9.5123456, 0.25, 8.7654321, 0.5),
    Spread("medium", "root_mean_squared_error", 3, 7.25, 0.125, 6.78901, 0.0625),
)
STUDENT, PROF = Viewer("student", "ada"), Viewer("instructor", "prof")

pytestmark = pytest.mark.slow_on_postgresql


@pytest.fixture
def home(course: Path, tmp_path: Path, database_url: str) -> Home:
    root = tmp_path / "home"
    shutil.copytree(course, root)
    (root / "config.toml").write_text(f'database = "{database_url}"\n')
    return open_home(root)


def set_bars(home: Home, found: tuple[Spread, ...] = TWO) -> None:
    bars_of.set_bars(home, find_competition(home, "hw1"), found, "prof", "a run of our own", NOW)


def hand_in(home: Home, who: str = "ada") -> int:
    competition, data = find_competition(home, "hw1"), (home.public("hw01") / "sample_submission.csv").read_bytes()
    sha256 = keep(home.submissions, data)
    upload = Upload(sha256, len(data), "a.csv", "", sha256, NOW)
    with home.database() as database:
        return accept.accept_file(home, database, competition, upload, participant=who).submission


def shown(home: Home, viewer: Viewer, private: bool = False) -> dict[str, tuple[float, float | None]]:
    """The thresholds on the board, by level: public, and private where they are told."""
    found = boards.board(home, viewer, "hw1", private=private, now=NOW)
    return {bar.name: (bar.public[0][1], bar.private[0][1] if bar.private else None) for bar in found.bars}


def test_bars_are_the_means_of_each_board_and_the_private_ones_show_with_its_reveal(home: Home) -> None:
    before = {bar.name: bar for bar in find_competition(home, "hw1").bars}
    set_bars(home)
    competition = find_competition(home, "hw1")
    now = {bar.name: bar for bar in competition.bars}
    assert list(now) == list(before)
    assert now["strong"] == before["strong"]
    assert now["simple"].points == before["simple"].points
    assert now["simple"].source == (
        "measured here: level simple, 3 seeds, public RMSE mean 9.51235 ± 0.25000 (standard deviation)"
    )
    assert shown(home, STUDENT)["simple"] == (9.51235, None)
    with home.database() as database:
        records.reveal(database, competition.key, "prof", "the end", NOW)
    assert shown(home, STUDENT, private=True)["simple"] == (9.51235, 8.76543)
    assert audit.verify(home)[0] == []


def test_what_a_student_can_see_before_the_reveal_says_nothing_of_private_means(home: Home) -> None:
    set_bars(home)
    before = json.dumps(boards.board(home, STUDENT, "hw1", now=NOW).bars, default=vars)
    log = [event.body for event in told(home)]
    set_bars(home, tuple(replace(one, private=(one.private or 0.0) - 0.5, private_spread=9.0) for one in TWO))
    assert json.dumps(boards.board(home, STUDENT, "hw1", now=NOW).bars, default=vars) == before
    assert [event.body for event in told(home)] == log * 2, "not even a seal, which would be in the receipts' hash"
    assert find_competition(home, "hw1").bars[0].private is None


def told(home: Home) -> list[events.Event]:
    with home.database() as database:
        return [event for event in events.events(database) if event.kind == "bars set"]


def test_a_grade_counts_by_the_bars_of_the_moment_also_of_a_worker_that_began_before(home: Home) -> None:
    with home.database() as database:
        one = worker.new_worker(home, worker.Limits(20.0), print)
        assert not worker.work(one, database, lambda: NOW)
        easy = Spread("simple", "root_mean_squared_error", 2, 1000.0, 0.0, 1000.0, 0.0)
        set_bars(home, (easy, replace(TWO[1], public=1e-6, private=999.0)))
        hand_in(home)
        assert worker.work(one, database, lambda: NOW)
        (row,) = results.grade_rows(database)
        one.grader.close()
    assert (row.passed_public, row.passed_private) == (("simple",), ("simple", "medium"))
    assert audit.verify(home)[0] == []


def test_with_the_first_file_of_anybody_bars_are_final(home: Home) -> None:
    set_bars(home)
    before = shown(home, STUDENT)
    hand_in(home)
    with pytest.raises(UserError, match="hw01/1 has submissions") as caught:
        set_bars(home, (TWO[0],))
    assert (caught.value.code, caught.value.exit_code) == ("E_CLOSED", 5)
    assert (shown(home, STUDENT), len(told(home))) == (before, 1)


WRONG: dict[str, tuple[tuple[Spread, ...], str]] = {
    "one seed": ((replace(TWO[0], seeds=1),), "at least 2 seeds"),
    "a level that is worse on the public board": ((TWO[0], replace(TWO[1], public=9.6)), "does not score better"),
    "a level that is worse on the private board": ((TWO[0], replace(TWO[1], private=8.8)), "does not score better"),
    "two levels alike": ((TWO[0], replace(TWO[0], level="medium")), "does not score better"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_cannot_be_bars_changes_nothing_and_tells_no_number(home: Home, name: str) -> None:
    found, said = WRONG[name]
    before = read_bars(home, find_competition(home, "hw1"))
    with pytest.raises(UserError, match=said) as caught:
        set_bars(home, found)
    assert not any(character.isdecimal() for character in str(caught.value).replace("2 seeds", "").replace("0-4", ""))
    assert (read_bars(home, find_competition(home, "hw1")), told(home)) == (before, [])


def lowered(text: str) -> str:
    return text.replace("9.51235", "99.5")


def earlier(home: Home) -> None:
    """The whole row of the bars that were set first, as it was."""
    with home.database() as database:
        (row,) = database.fetch("SELECT bars, mac, event_seq FROM bars")
        set_bars(home, (TWO[0],))
        with database.transaction():
            database.execute("UPDATE bars SET bars = :bars, mac = :mac, event_seq = :event_seq", **row)


def write(home: Home, change: Callable[[str], str] | None) -> None:
    with home.database() as database, database.transaction():
        if change is None:
            database.execute("DELETE FROM bars")
            return
        text = database.value("SELECT bars FROM bars")
        assert change(text) != text
        database.execute("UPDATE bars SET bars = :bars", bars=change(text))


TAMPERED: dict[str, Callable[[Home], None]] = {
    "a public threshold": lambda home: write(home, lowered),
    "a private threshold": lambda home: write(home, lambda text: text.replace("8.76543", "99.5")),
    "the bars of before": earlier,
    "no row": lambda home: write(home, None),
}


@pytest.mark.parametrize("name", TAMPERED)
def test_bars_that_are_changed_behind_the_logs_back_are_found(home: Home, name: str) -> None:
    set_bars(home)
    assert audit.verify(home)[0] == []
    TAMPERED[name](home)
    assert any("hw01/1: the bars in the database" in problem for problem in audit.verify(home)[0])


def test_new_data_have_the_bars_of_their_edition_and_old_data_keep_theirs(home: Home) -> None:
    edition = read_bars(home, find_competition(home, "hw1"))
    set_bars(home)
    mine = read_bars(home, find_competition(home, "hw1"))
    plan = plan_homework("hw1", None, None, "small")
    prepare(home, plan, seed=None, new_data=False, accept_leaks=False, now=NOW)
    assert read_bars(home, find_competition(home, "hw1")) == mine, "prepared again is not new"
    prepare(home, plan, seed=None, new_data=True, reason="a label", accept_leaks=False, now=NOW)
    assert read_bars(home, find_competition(home, "hw1")) == edition
    assert [bar.public for bar in find_competition(home, "hw1", 1).bars] == [bar.public for bar in mine]
    assert read_bars(home, find_competition(home, "hw1", 1)) == mine
    assert audit.verify(home)[0] == []


@pytest.mark.slow
def test_calibrate_trains_and_sets_the_bars_for_a_reason(home: Home) -> None:
    words = ["--home", str(home.root), "calibrate", "hw1", "--levels", "simple", "--seeds", "0-1", "--device", "cpu"]
    refused = CliRunner().invoke(cli, [*words, "--set-bars"])
    assert (refused.exit_code, "a reason must have" in refused.stderr) == (2, True)
    assert not home.runs.exists(), "nothing was trained"
    words += ["--set-bars", "--reason", "ours", "--as", "prof", "--format", "json"]
    asked = CliRunner().invoke(cli, words, input="n\n")
    assert (asked.exit_code, "hw01/1: train simple, and make their scores the bars?" in asked.stderr) == (1, True)
    assert not home.runs.exists()
    done = CliRunner().invoke(cli, [*words, "--yes"])
    assert done.exit_code == 0, done.stderr
    (row,) = json.loads(done.stdout)["levels"]
    (event,) = told(home)
    assert (event.actor, json.loads(event.body)["levels"]) == ("prof", ["simple"])
    (bar,) = [one for one in read_bars(home, find_competition(home, "hw1")) if one.name == "simple"]
    assert bar.public == (("root_mean_squared_error", round(row["public"], 5)),)
    assert bar.private == (("root_mean_squared_error", round(row["private"], 5)),)
