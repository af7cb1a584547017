"""Rules that change while a homework runs: what is in force, and what the log says."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from harness.cli.main import cli
from harness.clocks import last_closing
from harness.competition import Competition, find_competition
from harness.course.rules import change_rules, unread_rules
from harness.grading.accept import accept_file
from harness.home import CHANGEABLE, Home, open_home
from leaderboard import acceptance, events, records
from leaderboard.acceptance import Upload
from leaderboard.database import Database
from tasks.base import Rules, UserError
from tests import deadlines
from tests.deadlines import DEADLINE, LATE, SECOND, extend, hand_in

pytestmark = pytest.mark.slow_on_postgresql

home, db, hw1, written = deadlines.home, deadlines.db, deadlines.hw1, deadlines.written


def change(root: Path, now: datetime = DEADLINE, **wanted: str) -> Home:
    home = open_home(root)
    change_rules(home, find_competition(home, "hw1"), wanted, "prof", "agreed in class", now)
    return home


def problems(home: Home) -> list[str]:
    from harness.grading.audit import verify

    return verify(home)[0]


def logged(home: Home) -> list[events.Event]:
    with home.database() as db:
        return [event for event in events.events(db) if event.kind == "rules changed"]


def test_the_first_change_takes_over_the_rules_of_the_file_and_the_log_says_so(written: Path) -> None:
    before, file = find_competition(open_home(written), "hw1").rules, (written / "config.toml").read_text()
    home = change(written, quota="3", unselected="first")
    rules = find_competition(home, "hw1").rules
    assert rules == replace(before, quota=3, unselected="first")
    assert (rules.deadline, rules.public_share) == ("2027-03-26T23:59+08:00", 0.4)
    assert (written / "config.toml").read_text() == file, "no command writes it"
    (last,) = logged(home)
    assert (last.actor, json.loads(last.body)) == (
        "prof",
        {
            "competition": "hw01/1",
            "reason": "agreed in class",
            "changes": {"quota": [2, 3], "unselected": ["best_public", "first"]},
            "rules": {"quota": 3, "unselected": "first", "deadline": "2027-03-26T23:59+08:00"},
        },
    )
    assert problems(home) == []
    assert find_competition(change(written, deadline=""), "hw1").rules.deadline is None
    assert find_competition(change(written, quota="", unselected=""), "hw1").rules.quota == Rules().quota
    assert len(logged(home)) == 3
    assert problems(home) == []


def test_after_a_change_the_rules_of_the_file_are_not_read_and_that_is_said(written: Path) -> None:
    path = written / "config.toml"
    path.write_text(path.read_text().replace("quota = 2", "quota = 4"))
    assert find_competition(open_home(written), "hw1").rules.quota == 4, "until then they are"
    change(written, quota="3")
    file = path.read_text()
    for text in ("quota = 50", ""):
        path.write_text(file.replace("quota = 4", text))
        home = open_home(written)
        rules = find_competition(home, "hw1").rules
        assert (rules.quota, rules.deadline, rules.public_share) == (3, "2027-03-26T23:59+08:00", 0.4)
        assert unread_rules(home, find_competition(home, "hw1")) == (["quota = 50"] if text else [])
        assert problems(home) == []


@pytest.mark.parametrize(
    "tampering",
    [
        "UPDATE rules SET rules = '{\"quota\": 50}'",
        "DELETE FROM rules",
        "UPDATE rules SET name = 'hw02'",
        "UPDATE rules SET event_seq = 98",
        "INSERT INTO rules (name, rules, event_seq) VALUES ('hw04', '{}', 99)",
    ],
)
def test_rules_that_are_changed_behind_the_logs_back_are_found(written: Path, tampering: str) -> None:
    home = change(written, quota="3")
    with home.database() as db, db.transaction():
        db.execute(tampering)
    assert [text for text in problems(home) if "rules in the database are not what the log says" in text]


def test_what_changes_nothing_leaves_no_event(written: Path) -> None:
    assert logged(change(written, quota="2")) == []
    assert len(logged(change(written, quota="3"))) == len(logged(change(written, quota="3"))) == 1


def test_two_changes_at_once_are_both_in_force(written: Path) -> None:
    home = open_home(written)
    seen = find_competition(home, "hw1")  # by both
    for wanted in ({"quota": "3"}, {"rejections": "7"}):
        change_rules(home, seen, wanted, "prof", "agreed in class", DEADLINE)
    assert replace(seen.rules, quota=3, rejections=7) == find_competition(home, "hw1").rules
    assert [json.loads(event.body)["changes"] for event in logged(home)] == [
        {"quota": [2, 3]},
        {"rejections": [seen.rules.rejections, 7]},
    ]


def test_a_file_is_accepted_by_the_rules_of_the_moment_that_it_is_accepted_in(
    home: Home, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The rules change after they were read for it, and before it has the lock."""
    accept, pending = acceptance.accept, ["5", "1", "9"]

    def meanwhile(*values: Any, **more: Any) -> acceptance.Acceptance:
        if pending:
            change_rules(home, find_competition(home, "hw1"), {"quota": pending.pop(0)}, "prof", "late", DEADLINE)
        return accept(*values, **more)

    stale = find_competition(home, "hw1")
    monkeypatch.setattr(acceptance, "accept", meanwhile)
    accepted = accept_file(home, db, stale, Upload("ab" * 32, 1, "a.csv", "", "a", DEADLINE), participant="ada")
    assert (pending, json.loads(accepted.receipt)["quota_limit"]) == ([], 9)
    change_rules(home, stale, {"deadline": "2027-03-01T12:00+08:00"}, "prof", "earlier", DEADLINE)
    assert hand_in(home, db, DEADLINE).practice
    assert events.verify(db) == []


@pytest.mark.parametrize(
    ("rule", "value"),
    [
        ("quota", "many"),
        ("quota", "-1"),
        ("quota", "1e3"),
        ("selections", "0"),
        ("unselected", "random"),
        ("quota_zone", "Mars"),
        ("deadline", "tomorrow"),
        ("deadline", "2027-03-26"),
        ("public_share", "0.1"),
        ("colour", "red"),
        ("deadline_zone", "\x7f"),
        ("deadline", "9999-12-31T23:59Z"),
    ],
)
def test_a_rule_that_cannot_be_is_refused_and_nothing_is_written(written: Path, rule: str, value: str) -> None:
    with pytest.raises(UserError):
        change(written, DEADLINE, **{rule: value})
    home = open_home(written)
    assert logged(home) == []
    with home.database() as db:
        assert db.fetch("SELECT name FROM rules") == []


def test_each_rule_has_its_name_in_every_format(written: Path) -> None:
    words = ["--home", str(written), "rules", "hw1", "--format"]
    told = json.loads(CliRunner().invoke(cli, [*words, "json"]).stdout)["rules"]
    assert [row["rule"] for row in told] == list(CHANGEABLE)
    lines = CliRunner().invoke(cli, [*words, "csv"]).stdout.splitlines()
    assert [line.partition(",")[0] for line in lines] == ["rule", *CHANGEABLE]


def test_rules_stay_after_the_reveal(written: Path) -> None:
    with open_home(written).database() as db:
        records.reveal(db, "hw01/1", "prof", "the end", LATE)
    with pytest.raises(UserError, match="revealed") as error:
        change(written, selections="5")
    assert (error.value.code, error.value.exit_code) == ("E_CLOSED", 5)
    assert logged(open_home(written)) == []


def test_a_practice_file_that_is_made_to_count_behind_the_logs_back_is_found(home: Home, db: Database) -> None:
    hand_in(home, db, LATE)
    with db.transaction():
        db.execute("UPDATE submissions SET practice = :no", no=False)
    found = [finding.message for finding in events.verify(db)]
    assert any("practice differ" in text for text in found)
    assert any("receipt of submission 1 differs from its row" in text for text in found)


def test_the_last_instant_for_anybody_is_that_of_the_longest_extension(
    home: Home, db: Database, hw1: Competition
) -> None:
    assert last_closing(db, hw1) == DEADLINE
    extend(db, "all", "", DEADLINE + SECOND)
    assert last_closing(db, hw1) == DEADLINE + SECOND
    hand_in(home, db, DEADLINE)
    extend(db, "person", "ada", DEADLINE + timedelta(days=300))
    assert last_closing(db, hw1) == DEADLINE + timedelta(days=300)
    extend(db, "person", "ada", DEADLINE + 3 * SECOND)
    assert last_closing(db, hw1) == DEADLINE + 3 * SECOND, "a mended mistake is over"
