"""The total of a course, and what each student sees of it."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import asdict
from itertools import combinations
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.course.gradebook import Total
from harness.course.remote import RemoteCourse
from harness.course.types import HomeworkPoints, Points
from harness.home import Home
from leaderboard import adjustments, enrolment, records
from leaderboard.database import Database
from tasks.errors import UserError
from tests import gradebooks
from tests.gradebooks import CLASS, NOW, WHY, call, configure, hand_in, own

pytestmark = pytest.mark.slow_on_postgresql

home, db, _noon = gradebooks.home, gradebooks.db, gradebooks._noon


# The course total.


@given(
    st.dictionaries(st.sampled_from([f"hw{n:02d}" for n in range(1, 16)]), st.integers(0, 40), max_size=15),
    st.integers(0, 16),
    st.sets(st.sampled_from([f"hw{n:02d}" for n in range(1, 16)])),
)
def test_the_best_of_the_homeworks_make_the_largest_total_of_so_many(
    quarters: dict[str, int], best: int, among: set[str]
) -> None:
    points = {name: value / 4 for name, value in quarters.items()}
    rule = Total(best, tuple(among))
    chosen = [name for name in points if not among or name in among]
    fixed = sum(value for name, value in points.items() if name not in chosen)
    most = min(best or len(chosen), len(chosen))
    largest = max(sum(points[name] for name in some) for some in combinations(chosen, most))
    assert rule.of(points) == fixed + largest
    counts = rule.counts(points)
    assert list(counts) == [name for name in points if name in counts], "in the order of the gradebook"
    assert len(counts) == most + len(points) - len(chosen)


def test_of_equal_points_the_earlier_homework_counts_and_a_missing_one_counts_nothing() -> None:
    assert Total(2).counts({"hw01": 5.0, "hw02": 0.0, "hw03": 5.0, "hw04": 5.0}) == ("hw01", "hw03")
    assert Total(3).of({"hw01": 5.0, "hw02": 0.0, "hw03": 0.0}) == 5.0
    assert Total(10).of({"hw01": 5.0}) == 5.0, "there may be fewer than count"


def test_the_total_of_2023_counts_the_best_ten_of_fifteen_with_points_by_hand(tmp_path: Path) -> None:
    parts = "".join(f"[hw{n:02d}]\nparts = {{ code = 10 }}\n" for n in range(1, 16))
    home = configure(tmp_path, f"sqlite:///{tmp_path / 'leaderboard.db'}", f"{parts}[total]\nbest = 10\n")
    with home.database() as database:
        enrolment.import_people(database, CLASS, **WHY)
        for n in range(1, 16):
            adjustments.enter_points(database, f"hw{n:02d}", "0012", "code", n / 2, **WHY)
    body = json.loads(call(home, "gradebook", "--format", "json").stdout)
    ada, bob = (next(one for one in body["students"] if one["id"] == key) for key in ("0012", "b02"))
    assert ada["total"] == sum(n / 2 for n in range(6, 16))
    assert ada["counts"] == [f"hw{n:02d}" for n in range(6, 16)]
    assert bob["total"] == 0
    assert body["total"] == {"best": 10, "among": [], "maximum": 100, "rule": "only the best 10 count"}
    table = list(csv.DictReader(io.StringIO(call(home, "gradebook", "--format", "csv").stdout)))
    assert float(table[0]["total"]) == ada["total"]
    assert "only the best 10 count" in call(home, "gradebook").stdout


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("total = 3\n", "must be a table"),
        ("[total]\nworst = 3\n", "unknown key 'worst'"),
        ("[total]\nbest = -1\n", "must be a whole number"),
        ("[total]\nbest = true\n", "must be a whole number"),
        ("[total]\namong = 'hw01'\n", "must be a list of names"),
        ("[total]\namong = ['hw1', 'hw2']\n", "hw02 is not in the gradebook"),
    ],
)
def test_a_wrong_rule_of_the_total_is_refused(tmp_path: Path, text: str, said: str) -> None:
    parts = "" if text.startswith("total") else "[hw01]\nparts = { code = 10 }\n"
    home = configure(tmp_path, f"sqlite:///{tmp_path / 'leaderboard.db'}", f"{text}{parts}")
    assert said in call(home, "gradebook").stderr


# One's own points.


def test_ones_own_points_are_those_of_the_gradebook_and_nothing_private_before_the_reveal(
    home: Home, db: Database
) -> None:
    hand_in(home, db, "0012", 0.2, 0.9, "simple medium", "simple boss")
    adjustments.enter_points(db, "hw01", "0012", "code", 1.5, **WHY)
    before: dict[str, Points] = {}
    after: dict[str, Points] = {}
    for shown in (before, after):
        for key in ("0012", "b02", "b03", "x01"):
            shown[key] = own(home, key)
        if shown is before:
            records.reveal(db, "hw01/1", "prof", "the end", NOW)
    (mine,) = before["0012"].homeworks
    assert (mine.public, mine.private) == ({"simple": 1, "medium": 1, "strong": 0, "boss": 0}, None)
    assert (mine.parts, mine.total, mine.counts) == ({"code": 1.5, "bonus": None}, 3.5, True)
    assert [one.total for one in before["b02"].homeworks] == [0]
    (mine,) = after["0012"].homeworks
    assert mine.private == {"simple": 1, "medium": 0, "strong": 0, "boss": 1}
    assert after["0012"].total == mine.total == 5.5
    book = json.loads(call(home, "gradebook", "--format", "json").stdout)
    for student in book["students"]:
        found = own(home, student["id"])
        assert (found.total, found.maximum) == (student["total"], book["total"]["maximum"])
        for one in found.homeworks:
            told = student["homeworks"][one.homework]
            assert {name: told[name] for name in ("public", "private", "parts", "submissions", "total")} == {
                name: value for name, value in asdict(one).items() if name in told
            }


def test_members_of_a_team_have_its_points_and_each_ones_own_parts(home: Home, db: Database) -> None:
    hand_in(home, db, "Owls", 0.1, 0.1, "simple medium", "simple")
    adjustments.enter_points(db, "hw01", "b03", "code", 1.5, **WHY)
    assert [own(home, key).total for key in ("b02", "b03", "0012")] == [2, 3.5, 0]


def test_of_more_homeworks_than_count_the_others_are_marked(
    home: Home, db: Database, database_url: str, tmp_path: Path
) -> None:
    settings = "[total]\nbest = 1\n[hw09]\nparts = { quiz = 10 }\n[hw14]\nparts = { quiz = 10 }"
    class_ = configure(home.root, database_url, settings)
    for name, number in (("hw09", 4.0), ("hw14", 7.0)):
        adjustments.enter_points(db, name, "0012", "quiz", number, **WHY)
    found = own(class_, "0012")
    assert {one.homework: one.counts for one in found.homeworks} == {"hw01": False, "hw09": False, "hw14": True}
    assert (found.total, found.rule) == (7, "only the best 1 count")
    assert (own(class_, "0012", "hw9").total, own(class_, "0012", "hw9").rule) == (4, "")


def test_points_are_shown_on_the_command_line_and_entering_them_wants_a_reason(home: Home, db: Database) -> None:
    hand_in(home, db, "0012", 0.2, 0.9, "simple medium", "simple")
    shown = call(home, "points", "--as", "0012")
    assert "your points: 2 of 10" in shown.stdout
    assert json.loads(call(home, "points", "--as", "0012", "--format", "json").stdout) == asdict(own(home, "0012"))
    one = call(home, "points", "hw1", "--as", "0012")
    assert [line for line in one.stdout.splitlines() if "medium bar" in line]
    rows = call(home, "points", "hw1", "--as", "0012", "--format", "csv").stdout.splitlines()
    assert rows[:2] == ["for,public,private,by hand", "simple bar,1.0,,"]
    for words in (["hw1", "0012", "code", "1"], ["hw1", "0012"], ["--csv", "x.csv"]):
        refused = call(home, "points", *words, "--yes")
        assert refused.exit_code == 2
        assert "--reason TEXT" in refused.stderr
    assert call(home, "points", "hw99", "--as", "0012").exit_code == 2


def test_points_that_a_newer_server_adds_to_are_read() -> None:
    found = Points([HomeworkPoints("hw01", {"simple": 1.0}, None, {"code": None}, [3], 1.0, 10.0, True)], 1.0, 10.0, "")
    body = json.loads(json.dumps(asdict(found)))
    body["new"] = body["homeworks"][0]["new"] = 7
    assert RemoteCourse("https://course", "token").read(Points, body) == found
    del body["homeworks"][0]["total"]
    with pytest.raises(UserError, match="missing required field `total`"):
        RemoteCourse("https://course", "token").read(Points, body)
