"""Names, teams and rosters that change in the middle of a homework: nobody's work moves and nothing is lost."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from harness.course import access, catalogue, record
from harness.grading import audit
from leaderboard import roster
from tasks.base import UserError
from tests import accepting, team_work
from tests.team_work import CLASS, NOW, YES, School

pytestmark = pytest.mark.slow_on_postgresql

_noon, school = team_work._noon, team_work.school


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
            "a1": "Cats",
            "a2": "Owls",
            "c1": "Cats",
            "c2": "Cats",
            "e1": "e1",
            "f1": "Owls",
            "prof": "prof",
        }
        assert roster.participants_of(db, "hw01/1") == {
            "a1": "Owls",
            "a2": "Owls",
            "c1": "Cats",
            "c2": "Cats",
            "e1": "e1",
            "f1": "f1",
            "prof": "prof",
        }


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
    assert "all of Owls move to Eagles: that is taken for its new name; if it is another team" in asked.stderr
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
    assert "there is no team Owls, and Eagles exists: nothing to rename" in again.stderr
    assert "add 0 to the roster, and change 0" in again.stdout
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
                    db,
                    course="",
                    competition="hw01/1",
                    participant=name,
                    kind="baseline",
                    sha256="0" * 64,
                    size=1,
                    filename="",
                    message="",
                    client_key="k",
                    now=NOW,
                    day="2027-03-01",
                    next_slot=None,
                    quota=None,
                    rejections=None,
                    closes=None,
                    sign=lambda _: b"",
                )
