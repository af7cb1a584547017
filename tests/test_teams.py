"""Names, teams and rosters that change in the middle of a homework: nobody's work moves and nothing is lost."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from harness.cli import common
from harness.cli.main import cli
from harness.competition import find_competition
from harness.course import access, boards, catalogue, handing_in, limits, record
from harness.course.entries import Accepted, to_json
from harness.course.gradebook import find_schemes, gradebook
from harness.grading import audit
from harness.home import Home, open_home
from harness.versions import read_versions
from leaderboard import enrolment, events, receipts, results, roster
from leaderboard.acceptance import Upload
from leaderboard.database import Database
from leaderboard.roster import Entry
from submissions.store import keep
from tasks.base import UserError
from tests import accepting

pytestmark = pytest.mark.slow_on_postgresql

NOW = datetime(2027, 3, 1, 12, tzinfo=UTC)
WHY: dict[str, Any] = {"actor": "prof", "reason": "the class", "now": NOW}
YES = ("--reason", "the class", "--yes")
CLASS = """id,name,email,team,role
a1,Ada,,Owls,
a2,Bob,,Owls,
c1,Cyd,,Cats,
c2,Dan,,Cats,
e1,Eve,,,
f1,Fay,,,
prof,Lee,,,instructor
"""
STUDENTS = ("a1", "a2", "c1", "c2", "e1", "f1")


@dataclass
class School:
    """A class in the middle of HW1, and what each of its people sees."""

    home: Home
    files: Iterator[int] = field(default_factory=count)

    def hand_in(self, key: str, value: float | None = None) -> Accepted:
        """Hands in a table with one value everywhere, as this person; by default one that nobody sent before."""
        value = 10.0 + next(self.files) / 8 if value is None else value
        header, *rows = (self.home.public("hw01") / "sample_submission.csv").read_text().splitlines()
        data = "\n".join([header, *(f"{row.split(',')[0]},{value}" for row in rows)]).encode()
        sha256 = keep(self.home.submissions, data)
        return handing_in.submit_accept(
            self.home, access.Viewer("student", key), "hw1", Upload(sha256, len(data), f"{value}.csv", "", sha256, NOW)
        )

    def score(self) -> None:
        """Gives each file that waits a score and the bars of its owner's kind, both sides."""
        competition = find_competition(self.home, "hw1")
        versions = read_versions(self.home, competition)
        with self.home.database() as db:
            for entry in results.pending(db, {competition.key: versions}):
                points = 3.0 - len(entry.participant) / 8
                results.record(
                    db, entry.id, data_version=versions[0], metric_version=versions[1], public_version="1",
                    higher_is_better=False, public=points, private=points, details="{}", mac="",
                    passed_public=["simple"] if entry.participant < "D" else ["simple", "medium"],
                    passed_private=["simple"], now=NOW,
                )  # fmt: skip

    def points(self) -> dict[str, tuple[float, tuple[int, ...]]]:
        """Each student's points in HW1, and the submissions that count."""
        with self.home.database() as db:
            lines = gradebook(self.home, db, find_schemes(self.home, "hw1"), ["hw01"])
        return {line.key: (line.scores["hw01"].total, line.scores["hw01"].submissions) for line in lines}

    def seen(self, key: str) -> dict[str, Any]:
        """What one person has: own list, receipts, quota, selection and the line on the board."""
        viewer = access.Viewer("student", key)
        numbers = [row.id for row in record.submissions(self.home, viewer, "hw1", now=NOW).submissions]
        chosen = limits.selection(self.home, viewer, "hw1", NOW)
        course = str(catalogue.course(self.home).receipt_key)
        written = [record.receipt(self.home, viewer, number) for number in numbers]
        for receipt in written:
            receipts.verify(json.dumps(receipt), course)
        board = boards.board(self.home, viewer, "hw1", now=NOW).board
        return {
            "numbers": numbers,
            "receipts": written,
            "quota": to_json(limits.quota(self.home, viewer, "hw1", NOW).quota),
            "selected": chosen.selected,
            "counts": [row.id for row in chosen.counts],
            "own": [(row.rank, row.score, row.entries) for row in board if row.own],
            "board": [(row.rank, row.score, row.entries) for row in board],
        }

    def state(self) -> dict[str, Any]:
        """All that no change of the roster may change in a homework that has begun."""
        return {"points": self.points()} | {key: self.seen(key) for key in STUDENTS}

    def names(self) -> list[str]:
        rows = boards.board(self.home, access.Viewer("student", "e1"), "hw1", now=NOW).board
        return sorted(row.name for row in rows)

    def call(self, *words: str, input: str | None = None) -> Result:
        return CliRunner().invoke(cli, ["--home", str(self.home.root), *words], env={"COLUMNS": "160"}, input=input)

    def import_(self, text: str, *words: str, input: str | None = None) -> Result:
        path = self.home.root / "people.csv"
        path.write_text(text)
        return self.call("roster", "import", str(path), *(words or YES), input=input)

    def verified(self) -> None:
        with self.home.database() as db:
            assert events.verify(db, catalogue.course(self.home).receipt_key) == []


@pytest.fixture(autouse=True)
def _noon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(common, "clock", lambda: NOW)


@pytest.fixture
def school(course: Path, tmp_path: Path, database_url: str) -> School:
    """A class with two teams and two people alone; all but Fay have handed in, and the Owls and Eve have chosen."""
    shutil.copytree(course, tmp_path / "home")
    config = f'name = "prof"\ndatabase = "{database_url}"\n[hw01]\nquota = 3\n'
    (tmp_path / "home" / "config.toml").write_text(config)
    made = School(open_home(tmp_path / "home"))
    done = made.import_(CLASS)
    assert done.exit_code == 0, done.output
    for key in ("a1", "a2", "c1", "e1", "e1"):
        made.hand_in(key)
    made.score()
    limits.select(made.home, access.Viewer("student", "a2"), "hw1", [1], NOW)
    limits.select(made.home, access.Viewer("student", "e1"), "hw1", [5], NOW)
    return made


def without(*keys: str) -> str:
    return "".join(line for line in CLASS.splitlines(keepends=True) if line.partition(",")[0] not in keys)


CHANGES: dict[str, Callable[[School], Any]] = {
    "a team gets a new name by an import": lambda one: one.import_(CLASS.replace("Owls", "Eagles")),
    "a team gets a new name by its command": lambda one: one.call("roster", "rename", "Owls", "Eagles", *YES),
    "a team gets a new name twice": lambda one: [
        one.call("roster", "rename", "Owls", "Eagles", *YES), one.import_(CLASS.replace("Owls", "Ducks"))
    ][-1],
    "a team is called what another team was called before": lambda one: [
        one.call("roster", "rename", "Owls", "Eagles", *YES),
        one.import_(CLASS.replace("Owls", "Eagles").replace("Cats", "Owls")),
    ][-1],
    "the old name of a team becomes that of a new one": lambda one: [
        one.call("roster", "rename", "Owls", "Eagles", *YES),
        one.import_(CLASS.replace("Owls", "Eagles").replace("e1,Eve,,,", "e1,Eve,,Owls,")),
    ][-1],
    "a person gets a new name": lambda one: one.import_(CLASS.replace("Ada", "Ada L.").replace("Eve", "Eva")),
    "two people swap their names": lambda one: one.import_(
        CLASS.replace("a1,Ada", "a1,Eve").replace("e1,Eve", "e1,Ada")
    ),
    "a person leaves a team": lambda one: one.import_(CLASS.replace("a1,Ada,,Owls", "a1,Ada,,")),
    "all leave a team": lambda one: one.import_(CLASS.replace("Owls", "")),
    "a person who handed in alone joins a team": lambda one: one.import_(CLASS.replace("e1,Eve,,", "e1,Eve,,Owls")),
    "a person who handed in nothing joins a team": lambda one: one.import_(CLASS.replace("f1,Fay,,", "f1,Fay,,Owls")),
    "two teams become one": lambda one: one.import_(CLASS.replace("Owls", "Cats")),
    "two teams become a third": lambda one: one.import_(
        CLASS.replace("Owls", "Lynx").replace("Cats", "Lynx"), "--new-team", "Lynx", *YES
    ),
    "all of a team form another team": lambda one: one.import_(
        CLASS.replace("Owls", "Eagles"), "--new-team", "Eagles", *YES
    ),
    "two people swap teams": lambda one: one.import_(
        CLASS.replace("a1,Ada,,Owls", "a1,Ada,,Cats").replace("c1,Cyd,,Cats", "c1,Cyd,,Owls")
    ),
    "two teams swap their names": lambda one: one.import_(
        CLASS.replace("Owls", "x").replace("Cats", "Owls").replace("x", "Cats")
    ),
    "an older roster comes again after a new name": lambda one: [
        one.import_(CLASS.replace("Owls", "Eagles")), one.import_(CLASS)
    ][-1],
    "an older roster comes again after a merge": lambda one: [
        one.import_(CLASS.replace("Owls", "Cats")), one.import_(CLASS)
    ][-1],
    "a person is taken off and comes back": lambda one: [
        one.call("roster", "disable", "a1", *YES), one.call("roster", "enable", "a1", *YES)
    ][-1],
    "a person is taken off, the team is renamed and the person comes back": lambda one: [
        one.call("roster", "disable", "a1", *YES), one.import_(without("a1").replace("Owls", "Eagles")),
        one.call("roster", "enable", "a1", *YES),
    ][-1],
    "a part of the class is imported": lambda one: one.import_(without("a1", "c2", "e1").replace("Dan", "Daniel")),
}  # fmt: skip


MIDST = ("a team gets a new name by an import", "two people swap teams", "an older roster comes again after a merge")
"""What is tried on PostgreSQL, too; there each of the many calls opens a connection."""


@pytest.mark.parametrize(
    ("database_url", "change"),
    [*(("sqlite", change) for change in CHANGES), *(("postgresql", change) for change in MIDST)],
    indirect=["database_url"],
)
def test_whatever_changes_on_the_roster_in_the_middle_of_a_homework_moves_no_work(school: School, change: str) -> None:
    before, people = school.state(), len(school.names())
    done = CHANGES[change](school)
    assert done.exit_code == 0, done.output
    assert school.state() == before
    assert len(school.names()) == people, "no ghost on the board"
    school.verified()
    left = {key: before[key]["quota"][0]["left"] for key in ("a1", "a2", "c1", "c2", "e1", "f1")}
    assert left == {"a1": 1, "a2": 1, "c1": 2, "c2": 2, "e1": 1, "f1": 3}
    for key, mate in (("a2", "a1"), ("c2", "c1"), ("e1", "e1")):  # the next file is that of the same side
        number = school.hand_in(key).submission
        assert school.seen(mate)["numbers"][-1] == number
    for key in ("a1", "a2", "e1"):
        with pytest.raises(UserError) as error:
            school.hand_in(key)
        assert error.value.code == "E_QUOTA", "no fresh slots"
    alone = school.hand_in("f1")
    assert (alone.quota.left, school.seen("f1")["numbers"]) == (2, [alone.submission])
    school.verified()
    made_up = [f"the grade of submission {number} was changed after it was recorded" for number in range(1, 6)]
    assert audit.verify(school.home)[0] == made_up, "all else holds"


def test_a_new_name_is_on_the_board_at_once_and_the_handle_stays_in_receipts_and_extensions(school: School) -> None:
    assert school.call("extend", "hw1", "--team", "Owls", "--slots", "2", *YES).exit_code == 0
    assert school.call("extend", "hw1", "--person", "e1", "--slots", "1", *YES).exit_code == 0
    done = school.import_(CLASS.replace("Owls", "Eagles").replace("Eve", "Eva"))
    assert "the team Owls is renamed to Eagles and keeps its submissions" in done.stderr
    assert "e1: name from Eve to Eva" in done.stderr
    assert "a1: team" not in done.stderr, "nobody moves"
    assert school.names() == ["Cats", "Eagles", "Eva"]
    body = school.hand_in("a1")
    assert (body.name, body.participant, body.receipt["participant"]) == ("Eagles", "Owls", "Owls")
    assert body.quota.limit == 5
    assert school.seen("e1")["quota"][0]["limit"] == 4
    one = record.submission(school.home, access.Viewer("ta", "prof"), body.submission, NOW)
    assert (one.name, one.own) == ("Eagles", False)
    assert catalogue.me(school.home, access.Viewer("student", "a1")).team == "Eagles"
    refused = school.call("extend", "hw1", "--team", "Owls", "--slots", "2", *YES)
    assert (refused.exit_code, "no team Owls" in refused.stderr) == (2, True)
    again = school.call("extend", "hw1", "--team", "Eagles", "--slots", "4", "--reason", "x", input="n\n")
    assert "replaces 2 more submissions" in again.stderr
    shown = json.loads(school.call("roster", "list", "--format", "json").stdout)["people"]
    assert [row["team"] for row in shown][:2] == ["Eagles", "Eagles"]


def test_new_teams_hold_in_the_next_homework(school: School) -> None:
    school.import_(CLASS.replace("a1,Ada,,Owls", "a1,Ada,,Cats").replace("f1,Fay,,", "f1,Fay,,Owls"))
    with school.home.database() as db:
        assert roster.participants_of(db, "hw02/1") == {
            "a1": "Cats", "a2": "Owls", "c1": "Cats", "c2": "Cats", "e1": "e1", "f1": "Owls", "prof": "prof"
        }  # fmt: skip
        assert roster.participants_of(db, "hw01/1") == {
            "a1": "Owls", "a2": "Owls", "c1": "Cats", "c2": "Cats", "e1": "e1", "f1": "f1", "prof": "prof"
        }  # fmt: skip


def test_the_import_tells_what_follows_for_whom_before_it_changes_anything(school: School) -> None:
    before = school.state()
    text = CLASS.replace("a1,Ada,,Owls", "a1,Ada,,Cats").replace("e1,Eve,,", "e1,Eve,,Owls")
    asked = school.import_(text.replace("f1,Fay,,", "f1,Fay,,Cats"), "--reason", "why", input="n\n")
    assert asked.exit_code == 1
    told = asked.stderr.splitlines()
    for line in (
        "hw01: a1 still submits with Owls, because Owls has already submitted",
        "hw01: e1 still submits alone, because Eve has already submitted",
        "hw01: f1 still submits alone, because Cats has already submitted",
        "a1: team from Owls to Cats",
        "e1: team from none to Owls",
    ):
        assert line in told, (line, told)
    assert school.state() == before
    with school.home.database() as db:
        assert roster.teams(db) == [roster.Team("Owls", "Owls"), roster.Team("Cats", "Cats")]


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize("answer", ["n\n", ""])
def test_a_new_name_of_a_team_is_asked_for_and_without_an_answer_refused_with_what_to_pass(
    school: School, answer: str
) -> None:
    text = CLASS.replace("Owls", "Eagles")
    asked = school.import_(text, "--reason", "why", input=answer)
    assert asked.exit_code == 1
    assert "rename the team Owls to Eagles?" in asked.stderr
    assert "--rename 'Owls=Eagles' --yes" in asked.stderr
    assert "--new-team 'Eagles' --yes" in asked.stderr
    assert school.names() == ["Cats", "Eve", "Owls"]
    assert school.import_(text, "--reason", "why", input="y\n").exit_code == 0
    assert school.names() == ["Cats", "Eagles", "Eve"]


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_the_same_import_with_the_same_rename_can_be_run_twice(school: School) -> None:
    text = CLASS.replace("Owls", "Eagles")
    assert school.import_(text, "--rename", "Owls=Eagles", *YES).exit_code == 0
    before = school.state()
    again = school.import_(text, "--rename", "Owls=Eagles", *YES)
    assert again.exit_code == 0, again.output
    assert "There is no team Owls, and Eagles exists: nothing to rename." in again.stderr
    assert "0 added, 0 changed" in again.stdout
    assert school.state() == before


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize(("who", "name"), [("--person", "nobody"), ("--team", "Dogs")])
def test_an_extension_for_a_wrong_name_says_so_whatever_else_is_wrong(school: School, who: str, name: str) -> None:
    done = school.call("extend", "hw1", who, name, "--hours", "1", *YES)
    assert done.exit_code == 2
    assert name in done.stderr
    assert "deadline" not in done.stderr


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize(
    ("text", "words", "problem"),
    [
        (CLASS, ("--rename", "Owls"), "must be OLD=NEW"),
        (CLASS, ("--rename", "Owls=A", "--rename", "Owls=B"), "must be OLD=NEW"),
        (CLASS, ("--rename", "Dogs=A"), "no team Dogs"),
        (CLASS, ("--rename", "Owls=Cats"), "The team name Cats is taken"),
        (CLASS, ("--rename", "Owls=Eve"), "has the id or the name of a person"),
        (CLASS, ("--rename", "Owls=x", "--rename", "Cats=x"), "The team name x is taken"),
        (CLASS.replace("f1,Fay", "Owls,Fay"), (), "the id Owls is the name of a team"),
        (CLASS.replace("Fay", "Owls"), (), "the name Owls is the name of a team"),
    ],
)
def test_a_name_that_would_confuse_is_refused_and_nothing_is_changed(
    school: School, text: str, words: tuple[str, ...], problem: str
) -> None:
    before = school.state()
    done = school.import_(text, *words, *YES)
    assert (done.exit_code, problem in done.stderr) == (2, True), done.output
    assert school.state() == before
    school.verified()


def test_a_handle_of_a_renamed_team_is_no_persons_id_and_no_baselines_name(school: School) -> None:
    school.call("roster", "rename", "Owls", "Eagles", *YES)
    done = school.import_("id,name\nOwls,Zoe\n")
    assert (done.exit_code, "the id Owls is the name of a team" in done.stderr) == (2, True)
    with school.home.database() as db:
        for name in ("Owls", "Eagles", "a1"):
            with pytest.raises(UserError, match="on the roster"):
                accepting.accepted(
                    db, course="", competition="hw01/1", participant=name, kind="baseline", sha256="0" * 64, size=1,
                    filename="", message="", client_key="k", now=NOW, day="2027-03-01", next_slot=None, quota=None,
                    rejections=None, closes=None, sign=lambda _: b"",
                )  # fmt: skip


def test_force_with_a_reason_moves_a_person_in_a_homework_that_has_begun_and_says_whose_points_change(
    school: School,
) -> None:
    before = school.points()
    text = CLASS.replace("a1,Ada,,Owls", "a1,Ada,,Cats")
    assert school.import_(text, "--force", "--yes").exit_code == 2, "no reason"
    asked = school.import_(text, "--force", "--reason", "the wrong team", input="n\n")
    line = "hw01: a1 now submits with Cats, not with Owls; points, submissions and quota are the team's"
    assert line in asked.stderr.splitlines()
    assert school.points() == before
    done = school.import_(text, "--force", "--reason", "the wrong team", "--yes")
    assert (done.exit_code, "1 changed teams in homeworks that have begun" in done.stdout) == (0, True)
    assert line in done.stderr.splitlines()
    after = school.points()
    assert after["a1"] == after["c1"] == before["c1"]
    assert {key: after[key] for key in after if key != "a1"} == {key: before[key] for key in before if key != "a1"}
    assert school.seen("a1")["numbers"] == school.seen("c2")["numbers"] == [3]
    with school.home.database() as db:
        last = list(events.events(db))[-1]
    assert (last.kind, json.loads(last.body)) == (
        "memberships moved", {"reason": "the wrong team", "memberships": [["hw01/1", "a1", "Cats"]]}
    )  # fmt: skip
    school.verified()


def test_force_says_whose_work_counts_for_nobody_any_more(school: School) -> None:
    done = school.import_(CLASS.replace("e1,Eve,,", "e1,Eve,,Owls"), "--force", *YES)
    assert "hw01: the submissions of Eve no longer count for anyone" in done.stderr
    assert school.seen("e1")["numbers"] == school.seen("a1")["numbers"] == [1, 2]
    school.verified()


def test_force_later_puts_right_what_an_import_without_it_left(school: School) -> None:
    text = CLASS.replace("a1,Ada,,Owls", "a1,Ada,,Cats")
    assert school.import_(text).exit_code == 0
    assert school.seen("a1")["numbers"] == [1, 2]
    assert school.import_(text, "--force", *YES).exit_code == 0
    assert school.seen("a1")["numbers"] == [3]
    school.verified()


def test_a_file_that_is_under_way_while_its_sender_changes_teams_is_refused_and_can_be_sent_again(
    school: School,
) -> None:
    from harness.grading.accept import accept_file

    competition = find_competition(school.home, "hw1")
    with school.home.database() as db:
        assert roster.participant_of(db, competition.key, "f1") == "f1"
        enrolment.import_people(db, [Entry("f1", "Fay", team="Lynx")], **WHY)
        upload = Upload("0" * 64, 1, "", "", "k", NOW)
        with pytest.raises(UserError, match="in the team Lynx"):
            accept_file(school.home, db, competition, upload, participant="f1", person="f1")
        with pytest.raises(UserError, match="submit the file again"):
            accept_file(school.home, db, competition, upload, participant="Owls", person="f1")
    assert school.hand_in("f1").participant == "Lynx"


def test_the_same_bytes_of_two_members_are_one_submission_of_the_team(school: School) -> None:
    first, again = school.hand_in("a1", 9.5), school.hand_in("a2", 9.5)
    assert (again.again, again.submission, again.receipt) == (True, first.submission, first.receipt)
    assert (again.quota.left, school.hand_in("c1", 9.5).again) == (0, False)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_merge_of_two_teams_into_a_new_one_is_no_new_name_of_either(school: School) -> None:
    done = school.import_(CLASS.replace("Owls", "Lynx").replace("Cats", "Lynx"))
    assert "is renamed" not in done.stderr
    assert school.names() == ["Cats", "Eve", "Owls"]
    with school.home.database() as db:
        assert [team.name for team in roster.teams(db)] == ["Owls", "Cats", "Lynx"]
        assert roster.participants_of(db, "hw02/1")["a1"] == "Lynx"


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_an_extension_that_a_person_loses_by_joining_a_team_is_told(school: School) -> None:
    assert school.call("extend", "hw1", "--person", "f1", "--slots", "2", *YES).exit_code == 0
    done = school.import_(CLASS.replace("f1,Fay,,", "f1,Fay,,Lynx"))
    assert "hw01: the extension of f1 does not apply with Lynx; extend the team" in done.stderr
    assert school.call("extend", "hw1", "--team", "Lynx", "--slots", "2", *YES).exit_code == 0
    assert school.seen("f1")["quota"][0]["limit"] == 5


def test_the_receipt_of_another_side_stays_hidden_from_who_left_and_who_joined(school: School) -> None:
    school.import_(CLASS.replace("a1,Ada,,Owls", "a1,Ada,,Cats").replace("f1,Fay,,", "f1,Fay,,Owls"))
    for key, number in (("a1", 3), ("f1", 1), ("e1", 1)):
        with pytest.raises(UserError) as error:
            record.receipt(school.home, access.Viewer("student", key), number)
        assert error.value.code == "E_NOT_FOUND"


TAMPERED = [
    ("UPDATE participants SET name = 'Ghosts' WHERE name = 'Owls'", "Ghosts has submissions but is not on the roster"),
    ("INSERT INTO participants (id, competition, name, kind, created_at) VALUES (99, 'hw01/1', 'Ghosts', 'person', 1)",
     "Ghosts has submissions but is not on the roster"),
    ("UPDATE teams SET handle = 'Ghosts' WHERE name = 'Owls'", "a1 is in the team Owls, which does not exist"),
    ("UPDATE teams SET handle = 'Ghosts' WHERE name = 'Owls'", "Owls has submissions but is not on the roster"),
    ("DELETE FROM teams WHERE name = 'Owls'", "the team Owls of event 1 is missing"),
    ("UPDATE teams SET name = 'Best' WHERE name = 'Owls'", "the team Owls does not have the name that the log says"),
    ("UPDATE memberships SET participant = 'Cats' WHERE participant = 'Owls'", "the membership of a1 is not"),
    ("UPDATE memberships SET event_seq = 1 WHERE participant = 'e1'", "the membership of e1 is not"),
    ("UPDATE memberships SET competition = 'hw02/1' WHERE participant = 'e1'", "hw02/1: the membership of e1 is not"),
    ("DELETE FROM memberships WHERE participant = 'e1'", "the membership of e1 of event 5 is missing"),
    ("INSERT INTO memberships (competition, person_id, participant, event_seq) VALUES ('hw01/1', 6, 'Owls', 2)",
     "the membership of f1 is not"),
]  # fmt: skip


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize(("statement", "message"), TAMPERED)
def test_the_audit_finds_an_owner_that_is_not_there_and_a_membership_that_contradicts_the_log(
    school: School, statement: str, message: str
) -> None:
    with school.home.database() as db:
        with db.transaction():
            assert db.execute(statement) > 0
        found = [finding.message for finding in events.verify(db)]
    assert any(message in text for text in found), found
    assert any(message in text for text in audit.verify(school.home)[0])


def test_names_from_before_the_roster_are_their_own_owners(course: Path, tmp_path: Path) -> None:
    shutil.copytree(course, tmp_path / "home")
    home = open_home(tmp_path / "home")
    sample = home.public("hw01") / "sample_submission.csv"
    handing_in.submit(home, access.owner("ada"), "hw1", sample, "", NOW)
    with home.database() as db:
        enrolment.import_people(db, [Entry("e1", "Eve"), Entry("prof", "Lee", role="instructor")], **WHY)
    assert audit.verify(home)[0] == []
    body = record.submissions(home, access.owner("ada"), "hw1", now=NOW)
    assert [row.participant for row in body.submissions] == ["ada"]


OLD = """
INSERT INTO people (id, key, name, email, role, team, created_at) VALUES
(1, 'a1', 'Ada', '', 'student', 'Owls', 1), (2, 'a2', 'Bob', '', 'student', 'Owls', 1),
(3, 'e1', 'Eve', '', 'student', NULL, 1), (4, 'f1', 'Fay', '', 'student', 'Cats', 1)
"""


def test_a_database_from_before_teams_had_ids_keeps_every_owner_and_verifies(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Owls handed in, Eve alone, Fay alone before joining the Cats, a1 alone and then with the Owls."""
    from alembic import command

    from leaderboard import database as module
    from leaderboard.database import open_database

    newest = command.upgrade
    with monkeypatch.context() as old:
        old.setattr(command, "upgrade", lambda config, _: newest(config, "0004"))
        old.setattr(module, "VERSIONS", ("0001", "0002", "0003", "0004"))
        with open_database(database_url) as db, db.transaction():
            db.execute(OLD)
            digests = {
                row["key"]: events.person_digest(row["key"], row["name"], "", "student", row["team"])
                for row in db.fetch("SELECT key, name, team FROM people")
            }
            events.append(db, "roster imported", "prof", {"reason": "start", "people": digests}, NOW)
            for number, who in enumerate(("a1", "Owls", "e1", "f1", "Dogs"), 1):
                accepted(db, number, who)
    with open_database(database_url) as db:
        assert [tuple(row.values()) for row in db.fetch("SELECT id, handle, name FROM teams ORDER BY id")] == [
            (1, "Cats", "Cats"), (2, "Owls", "Owls")
        ]  # fmt: skip
        assert roster.participants_of(db, "hw01/1") == {"a1": "Owls", "a2": "Owls", "e1": "e1", "f1": "f1"}
        assert roster.participants_of(db, "hw02/1") == {"a1": "Owls", "a2": "Owls", "e1": "e1", "f1": "Cats"}
        (lost,) = events.verify(db)
        assert lost.message == "hw01/1: Dogs has submissions but is not on the roster", "renamed without an id"
        enrolment.import_people(db, [Entry("a1", "Ada"), Entry("a2", "Bob", team="Cats")], **WHY)
        assert roster.participants_of(db, "hw01/1") == {"a1": "Owls", "a2": "Owls", "e1": "e1", "f1": "f1"}
        enrolment.import_people(db, [Entry("g1", "Gil", team="Dogs")], **WHY)
        assert roster.participants_of(db, "hw01/1")["g1"] == "Dogs", "its name on the roster again gives it back"
        assert events.verify(db) == []


def accepted(db: Database, number: int, who: str) -> None:
    """A submission as it was recorded before there were memberships."""
    row: dict[str, Any] = {
        "competition": "hw01/1", "participant": who, "submission": number, "entry": 1, "sha256": f"{number:064x}",
        "size": 1, "accepted_at": receipts.rfc3339(NOW), "quota_day": "2027-03-01",
    }  # fmt: skip
    event = events.append(db, "accepted", who, row | {"course": "", "client_key": "k"}, NOW)
    text = json.dumps(row | {"chain_seq": event.seq, "chain_hash": event.hash})
    at = receipts.microseconds(NOW)
    db.execute(
        "INSERT INTO participants (id, competition, name, kind, created_at) VALUES (:id, 'hw01/1', :who, 'person', 1)",
        id=number, who=who,
    )  # fmt: skip
    db.execute(
        "INSERT INTO submissions (id, participant_id, entry, client_key, sha256, size, filename, message, accepted_at, "
        "quota_day, event_seq, receipt) VALUES (:id, :id, 1, 'k', :sha, 1, '', '', :at, '2027-03-01', :seq, :receipt)",
        id=number, sha=row["sha256"], at=at, seq=event.seq, receipt=text,
    )  # fmt: skip
