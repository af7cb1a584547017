"""A gradebook by the course's schemes, which a spreadsheet and a learning platform take as it is."""

from __future__ import annotations

import csv
import io
import json
import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.competition import find_competition
from harness.course import access, points
from harness.course import gradebook as module
from harness.course.gradebook import BONUS, Scheme, find_scheme, find_schemes, gradebook, parts_of
from harness.home import Home, open_home
from harness.sheets import cell, uncell, write_rows
from leaderboard import adjustments, enrolment, events, records
from leaderboard.database import Database
from leaderboard.roster import RosterEntry
from tasks.errors import UserError
from tasks.homeworks import all_tasks
from tests import gradebooks
from tests.gradebooks import NOW, WHY, call, configure, hand_in

pytestmark = pytest.mark.slow_on_postgresql

home, db, _noon = gradebooks.home, gradebooks.db, gradebooks._noon


def lines_of(home: Home, db: Database, *private: str) -> dict[str, module.GradebookLine]:
    return {line.key: line for line in gradebook(home, db, find_schemes(home, "hw1"), private)}


OFFICIAL = [
    (task, edition) for task in all_tasks() for edition in task.editions if edition.official or task.name == "hw12"
]


@pytest.mark.parametrize(
    ("task", "edition"),
    [(task.name, edition.name) for task, edition in OFFICIAL if edition.name in ("2021", "2022")],
)
def test_the_points_of_every_homework_of_the_course_add_up_to_ten(tmp_path: Path, task: str, edition: str) -> None:
    """HW8 of 2022 told no bars, whose four points are missing."""
    from harness.competition import Competition, MetricCard

    found = next(each for one, each in OFFICIAL if (one.name, each.name) == (task, edition))
    cards = tuple(MetricCard(one.name, one.label, one.higher_is_better, one.digits) for one in found.metrics)
    private = any(points for bar in found.bars for points in bar.points[1:])
    competition = Competition(
        task, "", edition, 1, "", cards, found.bars, found.rules, found.format, False, two_boards=private
    )
    scheme = find_scheme(open_home(tmp_path), task, competition)
    assert scheme.maximum == (6 if (task, edition) == ("hw08", "2022") else 10)


@pytest.mark.parametrize("year", ["2021", "2022"])
def test_every_homework_of_a_year_has_parts_by_hand(year: str) -> None:
    expected = {"2021": {4: 11, 6: 1, 10: 3}, "2022": {2: 1, 6: 12, 10: 2}}[year]
    found: dict[float, int] = {}
    for number in range(1, 16):
        most = sum(points for part, points in parts_of(f"hw{number:02d}", year).items() if part != BONUS)
        found[most] = found.get(most, 0) + 1
    assert found == expected
    bonus = [number for number in range(1, 16) if BONUS in parts_of(f"hw{number:02d}", year)]
    assert bonus == {"2021": [*range(1, 9), *range(10, 14)], "2022": [1, 7, *range(10, 14), 15]}[year]


def test_a_built_in_world_can_be_given_the_points_of_a_year(home: Home, database_url: str) -> None:
    def scheme(rules: str) -> Scheme:
        return find_schemes(configure(home.root, database_url, f"[hw01]\n{rules}"), "hw1")["hw01"]

    assert scheme("").maximum == 10
    of_2021 = scheme('scheme = "2021"')
    assert of_2021.bars == {"simple": (1, 1), "medium": (1, 1), "strong": (1, 1), "boss": (0, 0)}
    assert (of_2021.parts["code"], of_2021.maximum) == (4, 10)
    assert scheme('scheme = "2022"').maximum == 10
    own = scheme("points = { boss = [0.5, 0.25] }\nparts = { code = 1, talk = 2.5 }")
    assert own.bars["boss"] == (0.5, 0.25)
    assert own.parts == {"code": 1, "talk": 2.5}
    for wrong in (
        'scheme = "1999"',
        "points = { top = [1, 1] }",
        "points = { boss = 1 }",
        "points = 3",
        "points = { boss = [-1, 1] }",
        "parts = { code = -1 }",
        "parts = { code = nan }",
        "parts = 3",
        "points = { boss = [true, 1] }",
    ):
        with pytest.raises(UserError, match=r"config\.toml"):
            scheme(wrong)


def test_bars_give_points_on_the_public_side_of_the_best_and_on_the_private_side_of_what_counts(
    home: Home, db: Database
) -> None:
    hand_in(home, db, "0012", 0.2, 0.9, "simple medium", "simple")
    best = hand_in(home, db, "0012", 0.1, 0.8, "simple medium strong", "simple medium")
    poor = hand_in(home, db, "0012", 0.5, 0.1, "simple", "simple medium strong boss")
    score = lines_of(home, db, "hw01")["0012"].scores["hw01"]
    assert score.public == {"simple": 1, "medium": 1, "strong": 1, "boss": 0}
    assert score.private == {"simple": 1, "medium": 1, "strong": 0, "boss": 0}
    assert (score.submissions, score.total) == ((best - 1, best), 5)
    records.select(db, "hw01/1", "0012", [poor], 2, NOW)
    score = lines_of(home, db, "hw01")["0012"].scores["hw01"]
    assert score.private == {"simple": 1, "medium": 1, "strong": 1, "boss": 1}
    assert (score.submissions, score.total) == ((poor,), 7)


def test_practice_gives_no_points(home: Home, db: Database) -> None:
    hand_in(
        home,
        db,
        "0012",
        0.1,
        0.1,
        "simple boss",
        "simple boss",
        closes=datetime(2027, 1, 1, tzinfo=UTC),
        late="practice",
    )
    assert lines_of(home, db, "hw01")["0012"].scores["hw01"].total == 0


def test_a_competition_of_one_board_gives_the_points_of_what_counts(
    home: Home, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = find_competition(home, "hw1")
    one_board = replace(found, two_boards=False, rules=replace(found.rules, selections=1, unselected="first"))
    monkeypatch.setattr(module, "find_competition", lambda home, name, version=None: one_board)
    hand_in(home, db, "0012", 0.5, 0.5, "simple")
    better = hand_in(home, db, "0012", 0.1, 0.1, "simple medium strong boss", "simple")
    (score,) = (line.scores["hw01"] for line in lines_of(home, db, "hw01").values() if line.key == "0012")
    assert (sum(score.public.values()), score.total) == (1, 1), "the first counts, as in HW6 of 2022"
    records.select(db, "hw01/1", "0012", [better], 1, NOW)
    assert lines_of(home, db, "hw01")["0012"].scores["hw01"].total == 4
    assert find_schemes(home, "hw1")["hw01"].maximum == 6


def test_students_are_in_the_gradebook_and_nobody_else(home: Home, db: Database) -> None:
    enrolment.disable(db, "b04", **WHY)
    hand_in(home, db, "guest", 0.1, 0.1, "simple boss", "simple")
    hand_in(home, db, "strong", 0.1, 0.1, "boss", kind="baseline")
    lines = lines_of(home, db)
    assert {key: line.disabled for key, line in lines.items()} == {
        "0012": False,
        "b02": False,
        "b03": False,
        "b04": True,
    }, "who was taken off stays"
    body = json.loads(call(home, "gradebook", "hw1", "--format", "json").stdout)
    assert [line["id"] for line in body["students"] if line["disabled"]] == ["b04"]


def test_a_team_shares_its_points_and_each_has_parts_of_ones_own(home: Home, db: Database) -> None:
    hand_in(home, db, "Owls", 0.1, 0.1, "simple medium", "simple")
    adjustments.enter_points(db, "hw01", "b03", "code", 1.5, **WHY)
    lines = lines_of(home, db, "hw01")
    assert [lines[key].scores["hw01"].total for key in ("b02", "b03", "0012")] == [3, 4.5, 0]
    assert lines["b03"].scores["hw01"].parts == {"code": 1.5, "bonus": None}


def test_who_joins_a_team_later_stays_alone_in_what_has_begun(home: Home, db: Database) -> None:
    hand_in(home, db, "0012", 0.1, 0.1, "simple", "simple")
    enrolment.import_people(db, [RosterEntry("0012", "Ada", "ada@example.org", team="Owls")], **WHY)
    assert lines_of(home, db, "hw01")["0012"].scores["hw01"].total == 2
    hand_in(home, db, "Owls", 0.2, 0.2, "simple medium", "simple")
    lines = lines_of(home, db, "hw01")
    assert [lines[key].scores["hw01"].total for key in ("0012", "b02", "b03")] == [2, 3, 3]


def test_without_a_roster_the_names_on_the_board_are_the_students(home: Home) -> None:
    with home.database() as db:
        hand_in(home, db, "ada", 0.1, 0.1, "simple", "simple")
        hand_in(home, db, "strong", 0.1, 0.1, "boss", kind="baseline")
    assert call(home, "points", "hw1", "ada", "code", "2", "--reason", "read", "--yes").exit_code == 0
    assert call(home, "points", "hw1", "eve", "code", "2", "--reason", "read", "--yes").exit_code == 2
    body = json.loads(call(home, "gradebook", "hw1", "--format", "json").stdout)
    (line,) = body["students"]
    assert (line["id"], line["homeworks"]["hw01"]["total"]) == ("ada", 3)


def read_csv(text: str) -> list[dict[str, str]]:
    return [{key: uncell(value) for key, value in row.items()} for row in csv.DictReader(io.StringIO(text))]


def test_private_points_wait_for_the_reveal_and_an_early_look_is_logged(home: Home, db: Database) -> None:
    hand_in(home, db, "0012", 0.1, 0.1, "simple", "simple medium")

    def ada(*words: str) -> dict[str, str]:
        shown = call(home, "gradebook", "hw1", "--format", "csv", *words)
        assert shown.exit_code == 0, shown.stderr
        return {row["id"]: row for row in read_csv(shown.stdout)}["0012"]

    assert (ada()["medium private"], ada()["simple public"], ada()["total"]) == ("", "1.0", "1.0")
    assert "not revealed" in call(home, "gradebook").stderr
    assert "private board seen" not in [event.kind for event in events.events(db)]
    assert (ada("--unrevealed")["medium private"], ada("--unrevealed")["total"]) == ("1.0", "3.0")
    seen = [event for event in events.events(db) if event.kind == "private board seen"]
    assert [event.actor for event in seen] == ["prof", "prof"]
    records.reveal(db, "hw01/1", "prof", "the end", NOW)
    assert ada()["total"] == "3.0"
    shown = call(home, "gradebook", "hw1")
    assert shown.stderr == ""
    assert shown.stdout.splitlines()[2].split() == [
        "id",
        "name",
        "email",
        "team",
        "public",
        "private",
        "code",
        "bonus",
        "total",
    ]
    line = next(line for line in shown.stdout.splitlines() if line.strip().startswith("0012")).split()
    assert line[-3:] == ["1", "2", "3"], "bars of both boards are summed up, and no part is entered"
    assert events.verify(db) == []


def test_the_gradebook_comes_back_from_its_csv_as_it_is_in_json(home: Home, db: Database) -> None:
    hand_in(home, db, "0012", 0.1, 0.1, "simple", "simple medium")
    hand_in(home, db, "Owls", 0.2, 0.1, "simple medium strong boss")
    adjustments.enter_points(db, "hw01", "b03", "code", 0.1 + 0.2, **WHY)
    records.reveal(db, "hw01/1", "prof", "the end", NOW)
    text = call(home, "gradebook", "hw1", "--format", "csv").stdout
    body = json.loads(call(home, "gradebook", "hw1", "--format", "json").stdout)
    rows = read_csv(text)
    assert text.splitlines()[1].startswith('"0012","Ada","ada@example.org","",')
    assert [row["id"] for row in rows] == ["0012", "b02", "b03", "b04"], "leading zeros are kept"
    assert '"\'=Eve"' in text
    for row, line in zip(rows, body["students"], strict=True):
        assert [row["id"], row["name"], row["email"], row["team"] or None] == [
            line[name] for name in ("id", "name", "email", "team")
        ]
        score = line["homeworks"]["hw01"]
        for bar in ("simple", "medium", "strong", "boss"):
            assert float(row[f"{bar} public"]) == score["public"][bar]
            assert float(row[f"{bar} private"]) == score["private"][bar]
        assert (float(row["code"]) if row["code"] else None) == score["parts"]["code"]
        assert float(row["total"]) == score["total"]
    assert rows[2]["code"] == "0.30000000000000004", "numbers keep all their digits"
    assert not [one for row in csv.reader(io.StringIO(text)) for one in row if one.startswith(("=", "+", "-", "@"))]


def test_all_homeworks_in_one_table_with_quizzes_that_have_no_board(
    home: Home, db: Database, database_url: str
) -> None:
    home = configure(home.root, database_url, '[hw09]\nscheme = "2021"\n[server]\nport = 8000\n')
    hand_in(home, db, "0012", 0.1, 0.1, "simple")
    assert call(home, "points", "hw9", "0012", "quiz", "7.5", "--reason", "quiz", "--yes").exit_code == 0
    rows = read_csv(call(home, "gradebook", "--format", "csv").stdout)
    assert list(rows[0]) == ["id", "name", "email", "team", "hw01", "hw09", "total"]
    assert [rows[0][name] for name in ("id", "hw01", "hw09", "total")] == ["0012", "1.0", "7.5", "8.5"]
    shown = call(home, "gradebook").stdout
    assert "hw01 10, hw09 10" in shown
    assert "=Eve" in shown


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (("hw1", "0012", "code", "2.1"), "0 to 2 points"),
        (("hw1", "0012", "code", "nan"), "a number like 3 or 3.5"),
        (("hw1", "0012", "code", "inf"), "a number like 3 or 3.5"),
        (("hw1", "0012", "code", "0_1"), "a number like 3 or 3.5"),
        (("hw1", "0012", "code", "1e0"), "a number like 3 or 3.5"),
        (("hw1", "0012", "beauty", "1"), "no part 'beauty'"),
        (("hw1", "nobody", "code", "1"), "no student with the id nobody"),
        (("hw1", "guest", "code", "1"), "no student with the id guest"),
        (("own-contest", "0012", "code", "1"), "no competition"),
    ],
)
def test_points_that_cannot_be_are_refused(home: Home, db: Database, words: tuple[str, ...], problem: str) -> None:
    done = call(home, "points", *words, "--reason", "read", "--yes")
    assert (done.exit_code, problem in done.stderr) == (2, True), done.stderr
    assert adjustments.parts(db, "hw01") == {}


def test_points_entered_again_are_told_and_replace_the_old(home: Home, db: Database) -> None:
    assert call(home, "points", "hw1", "0012", "code", "2", "--reason", "read", "--yes").exit_code == 0
    asked = call(home, "points", "hw1", "0012", "code", "1.5", "--reason", "read again", input="y\n")
    assert "replacing 2" in asked.stderr
    assert asked.exit_code == 0
    assert lines_of(home, db)["0012"].scores["hw01"].parts["code"] == 1.5
    assert [event.kind for event in events.events(db)].count("points entered") == 2
    assert events.verify(db) == []


def test_the_points_of_a_class_come_from_one_csv_all_or_none(home: Home, db: Database) -> None:
    file = home.root / "code.csv"
    file.write_text("id,name,code,bonus\n0012,Ada,2,\nb02,Bob,1.5,0.5\n")
    done = call(home, "points", "hw1", "--csv", str(file), "--reason", "read", "--yes")
    assert (done.exit_code, done.stdout) == (0, "hw01: 3 entries\n")
    entered = {key: part.points for key, part in adjustments.parts(db, "hw01").items()}
    assert entered == {("0012", "code"): 2, ("b02", "code"): 1.5, ("b02", "bonus"): 0.5}
    file.write_text("id,code\n0012,1\nb02,9\nnobody,1\nguest,1\n")
    done = call(home, "points", "hw1", "--csv", str(file), "--reason", "read", "--yes")
    assert done.exit_code == 2
    assert [line.partition(":")[0] for line in done.stderr.splitlines()] == [
        "code.csv line 3",
        "code.csv line 4",
        "code.csv line 5",
        "Nothing was entered.",
    ]
    for content, problem in (
        ("id,code\n0012,two\n", "must be a number"),
        *((f"id,code\n0012,{text}\n", "a number like 3 or 3.5") for text in ("0_2", "２", "-0", "+1", '"1,5"', "1e0")),
        ("id,code\n0012,1\n0012,2\n", "twice"),
        ("id,beauty\n0012,2\n", "columns"),
    ):
        file.write_text(content)
        done = call(home, "points", "hw1", "--csv", str(file), "--reason", "read", "--yes")
        assert (done.exit_code, problem in done.stderr) == (2, True)
    assert {key: part.points for key, part in adjustments.parts(db, "hw01").items()} == entered
    assert events.verify(db) == []
    for words in ((), ("0012",), ("0012", "code"), ("0012", "code", "1", "--csv", str(file))):
        assert call(home, "points", "hw1", *words, "--reason", "read", "--yes").exit_code == 2


@given(st.lists(st.lists(st.text(max_size=12), min_size=3, max_size=3), max_size=4))
def test_any_text_comes_back_from_a_sheet_and_begins_no_formula(rows: list[list[str]]) -> None:
    text = write_rows(["a", "b", "c"], rows)
    read = list(csv.reader(io.StringIO(text, newline="")))[1:]
    assert [[uncell(value) for value in row] for row in read] == rows
    assert not [
        value
        for row in read
        for value in row
        if value.lstrip("\"' ")[:1] in tuple("=+-@\t\r\n＝＋－＠") and not value.startswith("'")
    ]
    assert [uncell(cell(value)) for row in rows for value in row] == [value for row in rows for value in row]


@pytest.mark.parametrize("sign", [*"=+-@", "\t=", "\r=", "\n=", "＝", "＠"])
@pytest.mark.parametrize("before", ["", "'", '"', " ", "' \"", "\u00a0"])
def test_what_begins_a_formula_also_after_quotes_and_blanks_gets_an_apostrophe(sign: str, before: str) -> None:
    text = f"{before}{sign}HYPERLINK(1)"
    assert cell(text) == f"'{text}"
    assert uncell(cell(text)) == text
    assert cell(f"0{text}") == f"0{text}"


def test_a_part_is_spelled_in_a_csv_with_or_without_capitals(home: Home, db: Database, database_url: str) -> None:
    home = configure(home.root, database_url, "[hw01]\nparts = { Talk = 3 }\n")
    file = home.root / "talk.csv"
    for number, header in ((1.5, "ID,Talk"), (2.5, "id,talk")):
        file.write_text(f"{header}\n0012,{number}\n")
        done = call(home, "points", "hw1", "--csv", str(file), "--reason", "heard", "--yes")
        assert done.exit_code == 0, done.stderr
        assert adjustments.parts(db, "hw01")["0012", "Talk"].points == number


def test_a_year_whose_bars_are_others_gives_no_points_silently(tmp_path: Path) -> None:
    """HW12 of the course gave points for bands of reward, which the built-in world's four levels are not."""
    from harness.competition import Competition

    found = next(task for task in all_tasks() if task.name == "hw12").edition("builtin-actions")
    competition = Competition("hw12", "", "builtin-actions", 1, "", (), found.bars, found.rules, found.format, False)
    (tmp_path / "config.toml").write_text('[hw12]\nscheme = "2021"\n')
    with pytest.raises(UserError, match="other bars"):
        find_scheme(open_home(tmp_path), "hw12", competition)


LINES = {"simple": 2.0, "medium": 1.5, "strong": 1.0, "boss": 0.5}
POINTS = {"2021": {"simple": 1, "medium": 1, "strong": 1, "boss": 0}, "2022": dict.fromkeys(LINES, 1)}


def test_the_gradebook_of_a_random_class_is_what_a_data_frame_gives(home: Home, database_url: str) -> None:
    """Fifty people in teams or alone, some auditors, some taken off, with practice, selections and parts by hand."""
    chance = random.Random(50)
    people = [
        RosterEntry(
            f"{number:04d}",
            f"Name {number}",
            team=f"Team {number // 3}" if number < 15 else None,
            role="auditor" if number % 10 == 9 else "student",
        )
        for number in range(50)
    ]
    made: list[dict[str, Any]] = []
    with home.database() as db:
        enrolment.import_people(db, people, **WHY)
        for who in sorted({one.team or one.key for one in people} - {"0040", "0041"}):
            for _ in range(chance.randint(1, 4)):
                public, private = round(chance.uniform(0, 2.5), 1), round(chance.uniform(0, 2.5), 1)
                late = chance.random() < 0.2
                passed = [
                    " ".join(name for name, line in LINES.items() if value <= line) for value in (public, private)
                ]
                more: dict[str, Any] = {"closes": NOW - timedelta(1), "late": "practice"} if late else {}
                number = hand_in(home, db, who, public, private, *passed, **more)
                made.append(
                    {
                        "who": who,
                        "number": number,
                        "public": public,
                        "private": private,
                        "practice": late,
                        "chosen": False,
                    }
                )
            own = [row for row in made if row["who"] == who and not row["practice"]]
            if own and chance.random() < 0.5:
                chosen = chance.sample(own, min(len(own), chance.randint(1, 2)))
                records.select(db, "hw01/1", who, [row["number"] for row in chosen], 2, NOW)
                for row in chosen:
                    row["chosen"] = True
        parts = [(f"{chance.randint(0, 48):04d}", round(chance.uniform(0, 2), 2)) for _ in range(60)]
        parts = [(key, points) for key, points in parts if not key.endswith("9")]
        for key, points in parts:
            adjustments.enter_points(db, "hw01", key, "code", points, **WHY)
        for key in ("0003", "0020"):
            enrolment.disable(db, key, **WHY)
        records.reveal(db, "hw01/1", "prof", "the end", NOW)
    frame = pd.DataFrame(made)
    frame = frame[~frame["practice"]]
    best = frame.sort_values(["public", "number"]).groupby("who").head(2)
    one = best.groupby("who").head(1).set_index("who")["public"]
    choosers = frame.groupby("who")["chosen"].transform("any")
    counting = pd.concat([frame[frame["chosen"]], best[~choosers.loc[best.index]]])
    other = counting.sort_values(["private", "number"]).groupby("who").head(1).set_index("who")["private"]
    code = dict(parts)  # the newest
    for year, worth in POINTS.items():
        configured = configure(home.root, database_url, f'[hw01]\nscheme = "{year}"\n')
        shown = call(configured, "gradebook", "hw1", "--format", "csv")
        assert shown.exit_code == 0, shown.stderr
        rows = pd.read_csv(io.StringIO(shown.stdout), dtype={"id": str, "team": str}).set_index("id")
        assert list(rows.index) == [person.key for person in people if person.role == "student"]
        for person in people:
            if person.role == "student":
                who = person.team or person.key
                told = sum(
                    each
                    for name, each in worth.items()
                    for side in (one, other)
                    if who in side.index and side[who] <= LINES[name]
                )
                assert rows.loc[person.key, "total"] == pytest.approx(told + code.get(person.key, 0.0), abs=1e-12)


def test_a_page_of_the_gradebook_is_that_part_of_the_whole(home: Home, db: Database) -> None:
    hand_in(home, db, "0012", 3.0, 2.0, "simple medium", "simple")
    owner = access.owner("prof")
    whole = points.gradebook(home, owner, None, unrevealed=True, now=NOW)
    assert (whole.found, whole.people) == (4, 4)
    for page, expected in ((1, whole.students[:3]), (2, whole.students[3:]), (9, whole.students[3:])):
        found = points.gradebook(home, owner, None, unrevealed=True, page=(page, 3), now=NOW)
        assert found == replace(whole, students=expected)
    for search, keys in (("owl", ["b02", "b03"]), ("ADA@", ["0012"]), ("eve", ["b03"]), ("nobody", [])):
        found = points.gradebook(home, owner, None, unrevealed=True, search=search, page=(1, 3), now=NOW)
        assert found == replace(whole, students=[one for one in whole.students if one.id in keys], found=len(keys))
