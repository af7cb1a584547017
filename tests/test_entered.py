"""The lists of what staff entered, and the log as it is read."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from click.testing import Result

from harness.home import Home
from leaderboard import adjustments, events, records
from leaderboard.database import Database
from tests import command_line, gradebooks
from tests.gradebooks import CLASS, NOW, hand_in

home, db, _noon = gradebooks.home, gradebooks.db, gradebooks._noon


def call(home: Home, *words: str, exit_code: int = 0) -> Result:
    done = gradebooks.call(home, *words)
    assert done.exit_code == exit_code, done.stderr
    return done


def listed(home: Home, *words: str) -> list[dict[str, Any]]:
    body = json.loads(call(home, *words, "--format", "json").stdout)
    (rows,) = [value for value in body.values() if isinstance(value, list)]
    return list(rows)


def test_every_extension_is_listed_with_whom_until_when_and_why(home: Home, db: Database) -> None:
    why: dict[str, Any] = {"actor": "tom", "now": NOW}
    adjustments.extend(db, "hw01/1", "all", "", until=NOW, reason="an outage", **why)
    adjustments.extend(db, "hw01/1", "team", "Owls", until=None, slots=2, day="2027-03-02", reason="lost files", **why)
    adjustments.extend(db, "hw01/1", "person", "0012", until=None, slots=1, reason="ill", **why)
    rows = listed(home, "extend", "hw1", "--list")
    assert [(row["for"], row["until"], row["slots"], row["day"], row["by"], row["reason"]) for row in rows] == [
        ("all", "2027-03-01T20:00:00+08:00", None, None, "tom", "an outage"),
        ("team", None, 2, "2027-03-02", "tom", "lost files"),
        ("person", None, 1, "every", "tom", "ill"),
    ]
    assert [row["name"] for row in rows] == ["", "Owls", "Ada"]
    assert "lost files" in call(home, "extend", "hw1", "--list").stdout
    assert call(home, "extend", "hw1", "--list", "--format", "csv").stdout.count("\n") == 4


def test_points_by_hand_are_listed_as_they_are_in_force(home: Home, db: Database) -> None:
    call(home, "points", "hw1", "0012", "code", "1", "--reason", "late", "--yes")
    call(home, "points", "hw1", "b03", "code", "2", "--reason", "good", "--yes")
    call(home, "points", "hw1", "0012", "code", "1.5", "--reason", "looked again", "--yes")
    rows = listed(home, "points", "hw1", "--list")
    assert [(row["id"], row["part"], row["points"], row["reason"]) for row in rows] == [
        ("0012", "code", 1.5, "looked again"),
        ("b03", "code", 2.0, "good"),
    ]
    text = call(home, "points", "hw1", "--list", "--format", "csv").stdout
    assert "'=Eve" in text, "a name is no formula"
    for words in (["points", "--list"], ["points", "hw1", "b03", "--list"]):
        assert "lhy-grade points HW --list" in call(home, *words, exit_code=2).stderr


def test_the_log_is_read_by_homework_person_kind_and_day_and_tells_no_name(home: Home, db: Database) -> None:
    hand_in(home, db, "0012", 1.0, 2.0)
    call(home, "extend", "hw1", "--all", "--slots", "1", "--reason", "an outage", "--yes")
    records.log_event(db, "private board seen", "tom", {"competition": "hw02/1"}, NOW + timedelta(days=1))
    every = listed(home, "audit", "log", "--last", "0")
    assert [row["event"] for row in every] == [event.seq for event in events.events(db)]
    assert [json.loads(event.body) for event in events.events(db)] == [row["body"] for row in every]
    last = listed(home, "audit", "log", "--last", "2")
    assert last == every[-2:]
    assert {row["what"] for row in listed(home, "audit", "log", "--hw", "1")} >= {"accepted", "extended"}
    assert [row["who"] for row in listed(home, "audit", "log", "--hw", "hw2")] == ["tom"]
    assert [row["what"] for row in listed(home, "audit", "log", "--by", "0012")] == ["accepted", "graded"]
    (extended,) = listed(home, "audit", "log", "--kind", "extend")
    assert (extended["reason"], extended["who"]) == ("an outage", "prof")
    assert "slots 1" in extended["about"]
    (accepted,) = listed(home, "audit", "log", "--kind", "accepted")
    assert ("accepted at 2027-03-01T20:00:00+08:00" in accepted["about"], "client key" in accepted["about"]) == (
        True,
        False,
    )
    assert [row["who"] for row in listed(home, "audit", "log", "--since", "2027-03-02")] == ["tom"]
    text = call(home, "audit", "log", "--last", "0").stdout + json.dumps(every)
    assert not [person.name for person in CLASS if person.name in text], "the log holds a hash of names"
    assert "a day like" in call(home, "audit", "log", "--since", "March", exit_code=2).stderr


def test_the_log_tells_what_a_rule_was_and_is(home: Home, db: Database) -> None:
    call(home, "rules", "hw1", "quota=3", "attachment=pdf", "--reason", "announced", "--yes")
    call(home, "rules", "hw1", "quota=9", "--reason", "wrong", "--yes")
    rows = listed(home, "audit", "log", "--kind", "rules")
    own = [dict(part.split(" ", 1) for part in row["about"].split("; ")) for row in rows]
    assert own == [
        {"quota": "5 → 3", "attachment": "– → pdf", "competition": "hw01/1"},
        {"quota": "3 → 9", "competition": "hw01/1"},
    ]


@pytest.mark.parametrize("columns", [80, 100, 120, 200])
def test_the_log_shows_when_who_and_the_whole_reason_on_every_terminal(home: Home, db: Database, columns: int) -> None:
    hand_in(home, db, "0012", 1.0, 2.0)
    reason = "an outage from eight to eleven in the evening, see the notice of the computing centre of 2027-03-01"
    call(home, "extend", "hw1", "--all", "--slots", "1", "--reason", reason, "--yes")
    lines = command_line.call(home.root, "audit", "log", "--last", "0", columns=columns).stdout.splitlines()
    assert max(len(line.rstrip()) for line in lines) <= columns
    (at,) = [place for place, line in enumerate(lines) if "extended" in line]
    start = next(line for line in lines if "reason" in line).index("reason")
    assert " ".join("".join(line[start:].ljust(columns - start) for line in lines[at:]).split()) == reason
    assert "2027-03-01 20:00:00" in lines[at]
    assert "prof" in lines[at]


def test_the_log_of_a_homework_has_the_events_of_its_submissions_and_members(home: Home, db: Database) -> None:
    hand_in(home, db, "0012", 1.0, 2.0)
    with db.transaction():
        moved = {"reason": "x", "memberships": [["hw02/1", "b03", "b03"], ["hw01/1", "0012", "0012"]]}
        events.append(db, "memberships moved", "prof", moved, NOW)
        events.append(db, "memberships moved", "prof", moved | {"memberships": moved["memberships"][:1]}, NOW)
        events.append(db, "model verified", "prof", {"verification": 1, "submission": 1}, NOW)
        events.append(db, "rejected", "b03", {"submission": 77, "code": "E_X"}, NOW)
    one, two = ([row["what"] for row in listed(home, "audit", "log", "--hw", hw)] for hw in ("hw1", "hw2"))
    assert one == ["accepted", "graded", "memberships moved", "model verified"]
    assert two == ["memberships moved"] * 2


@pytest.mark.parametrize("words", [["--slots", "1"], ["--hours", "2"]])
def test_an_extension_without_a_reason_is_refused(home: Home, words: list[str]) -> None:
    assert "--reason" in call(home, "extend", "hw1", "--all", *words, "--yes", exit_code=2).stderr
