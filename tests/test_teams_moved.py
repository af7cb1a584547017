"""People who are moved between teams by force, and owners that no roster knows."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from harness.competition import find_competition
from harness.course import access, handing_in, record
from harness.grading import audit
from harness.home import open_home
from leaderboard import enrolment, events, receipts, roster
from leaderboard.acceptance import Upload
from leaderboard.bodies import person_digest
from leaderboard.database import Database
from leaderboard.roster import RosterEntry
from tasks.base import UserError
from tests import team_work
from tests.team_work import CLASS, NOW, YES, School

pytestmark = pytest.mark.slow_on_postgresql

_noon, school = team_work._noon, team_work.school


WHY: dict[str, Any] = {"actor": "prof", "reason": "the class", "now": NOW}


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
    assert (done.exit_code, "and move 1 in homeworks that have begun" in done.stdout) == (0, True)
    assert line in done.stderr.splitlines()
    after = school.points()
    assert after["a1"] == after["c1"] == before["c1"]
    assert {key: after[key] for key in after if key != "a1"} == {key: before[key] for key in before if key != "a1"}
    assert school.seen("a1")["numbers"] == school.seen("c2")["numbers"] == [3]
    with school.home.database() as db:
        last = list(events.events(db))[-1]
    assert (last.kind, json.loads(last.body)) == (
        "memberships moved",
        {"reason": "the wrong team", "memberships": [["hw01/1", "a1", "Cats"]]},
    )
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
        enrolment.import_people(db, [RosterEntry("f1", "Fay", team="Lynx")], **WHY)
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
        enrolment.import_people(db, [RosterEntry("e1", "Eve"), RosterEntry("prof", "Lee", role="instructor")], **WHY)
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
                row["key"]: person_digest(row["key"], row["name"], "", "student", row["team"])
                for row in db.fetch("SELECT key, name, team FROM people")
            }
            events.append(db, "roster imported", "prof", {"reason": "start", "people": digests}, NOW)
            for number, who in enumerate(("a1", "Owls", "e1", "f1", "Dogs"), 1):
                accepted(db, number, who)
    with open_database(database_url) as db:
        assert [tuple(row.values()) for row in db.fetch("SELECT id, handle, name FROM teams ORDER BY id")] == [
            (1, "Cats", "Cats"),
            (2, "Owls", "Owls"),
        ]
        assert roster.participants_of(db, "hw01/1") == {"a1": "Owls", "a2": "Owls", "e1": "e1", "f1": "f1"}
        assert roster.participants_of(db, "hw02/1") == {"a1": "Owls", "a2": "Owls", "e1": "e1", "f1": "Cats"}
        (lost,) = events.verify(db)
        assert lost.message == "hw01/1: Dogs has submissions but is not on the roster", "renamed without an id"
        enrolment.import_people(db, [RosterEntry("a1", "Ada"), RosterEntry("a2", "Bob", team="Cats")], **WHY)
        assert roster.participants_of(db, "hw01/1") == {"a1": "Owls", "a2": "Owls", "e1": "e1", "f1": "f1"}
        enrolment.import_people(db, [RosterEntry("g1", "Gil", team="Dogs")], **WHY)
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
        id=number,
        who=who,
    )
    db.execute(
        "INSERT INTO submissions (id, participant_id, entry, client_key, sha256, size, filename, message, accepted_at, "
        "quota_day, event_seq, receipt) VALUES (:id, :id, 1, 'k', :sha, 1, '', '', :at, '2027-03-01', :seq, :receipt)",
        id=number,
        sha=row["sha256"],
        at=at,
        seq=event.seq,
        receipt=text,
    )
