"""People, tokens, extensions and points by hand, in the library and in the log."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from harness.home import open_home
from leaderboard import access_tokens, adjustments, enrolment, events, records, roster
from leaderboard.database import Database, open_database
from leaderboard.roster import RosterEntry
from tasks.errors import UserError
from tests import enrolled
from tests.enrolled import CLASS, NOW, SECOND, WHY, hand_in, opened_by

pytestmark = pytest.mark.slow_on_postgresql

db = enrolled.db


def code_of(error: pytest.ExceptionInfo[UserError]) -> tuple[str, int]:
    return error.value.code, error.value.exit_code


def give_token(db: Database, key: str, **changes: Any) -> str:
    token = access_tokens.new_token()
    values: dict[str, Any] = {
        "scope": "all",
        "label": "laptop",
        "expires": NOW + timedelta(days=1),
        "actor": key,
        "now": NOW,
    }
    access_tokens.issue_token(db, key, access_tokens.hash_token(token), **(values | changes))
    return token


def test_an_import_adds_changes_and_leaves_alone(db: Database) -> None:
    done = enrolment.import_people(
        db, [CLASS[0], RosterEntry("b02", "Bob B.", "bob@example.org", team="Owls"), RosterEntry("b04", "Zoe")], **WHY
    )
    assert done == enrolment.Imported(("b04",), ("b02",), 1)
    assert [person.key for person in roster.people(db)] == ["0012", "b02", "b03", "b04", "guest", "prof"]
    assert roster.display_names(db)["b02"] == "Bob B."
    assert roster.find_person(db, "nobody") is None
    found = roster.find_person(db, "b03")
    assert found is not None
    assert (found.participant, found.role, found.created_at) == ("Owls", "student", NOW)
    assert events.verify(db) == []
    before = events.count(db)
    assert enrolment.import_people(db, CLASS[:1], **WHY) == enrolment.Imported((), (), 1)
    assert events.count(db) == before, "what changes nothing leaves no event"


def test_two_people_can_change_names_in_one_import(db: Database) -> None:
    enrolment.import_people(db, [RosterEntry("0012", "Bob"), RosterEntry("b02", "Ada")], **WHY)
    assert roster.display_names(db)["0012"] == "Bob"
    assert roster.display_names(db)["b02"] == "Ada"
    assert events.verify(db) == []


def test_the_log_holds_no_name_and_no_address_of_a_person(db: Database) -> None:
    enrolment.disable(db, "b02", **WHY)
    shown = repr([(event.actor, event.body) for event in events.events(db)])
    assert "b02" in shown
    assert not any(word in shown for person in CLASS for word in (person.name, person.email) if word)


@pytest.mark.parametrize(
    ("entry", "problem"),
    [
        (RosterEntry("b 9", "Zoe"), "cannot contain spaces"),
        (RosterEntry("", "Zoe"), "the id must have"),
        (RosterEntry("b09", ""), "the name must have"),
        (RosterEntry("b09", "x" * 61), "the name must have"),
        (RosterEntry("b09", "\u202eZoe"), "printable"),
        (RosterEntry("b09", "Zoe\x1b[31m"), "printable"),
        (RosterEntry("b09", "Zoe", "zoe"), "e-mail"),
        (RosterEntry("b09", "Zoe", "a@b\nBcc: x@y"), "e-mail"),
        (RosterEntry("b09", "Zoe", role="dean"), "role"),  # type: ignore[arg-type]
        (RosterEntry("b09", "Ada"), "the name Ada is also that of 0012"),
        (RosterEntry("b09", "ＡＤＡ"), "that of 0012"),
        (RosterEntry("B02", "Zoe"), "differs from b02 only in capitals"),
        (RosterEntry("b09", "Zoe", team="b02"), "has the id or the name of a person"),
        (RosterEntry("b09", "Zoe", team="Ada"), "has the id or the name of a person"),
        (RosterEntry("b09", "OWLS"), "the name OWLS is the name of a team"),
        (RosterEntry("owls", "Zoe"), "the id owls is the name of a team"),
        (RosterEntry("b09", "Strong"), "name of a baseline"),
        (RosterEntry("b09", "Zoe", team="strong"), "name of a baseline"),
        (RosterEntry("b09", "Zoe", team="owls"), "differs from Owls only in capitals"),
        (RosterEntry("b09", "Owls "), "printable"),
        (RosterEntry("b09", "Zoe", role="ta", team="Owls"), "staff"),
        (RosterEntry("strong", "Zoe"), "name of a baseline"),
    ],
)
def test_an_entry_that_would_confuse_people_is_refused_and_nothing_is_changed(
    tmp_path: Path, entry: RosterEntry, problem: str
) -> None:
    with open_home(tmp_path).database() as db:
        enrolment.import_people(db, CLASS, **WHY)
        hand_in(db, "strong", kind="baseline")
        before = roster.people(db)
        with pytest.raises(UserError, match=problem) as error:
            enrolment.import_people(db, [RosterEntry("b08", "Kim"), entry], **WHY)
        assert code_of(error) == ("E_ROSTER", 2)
        assert roster.people(db) == before


def test_ids_twice_in_one_import_are_named(db: Database) -> None:
    assert enrolment.problems_of([RosterEntry("a", "A"), RosterEntry("A", "B"), RosterEntry("c", "C")])[1] == [
        "the id A appears twice"
    ]


def test_only_who_is_on_the_roster_hands_in_as_a_team_or_alone(db: Database) -> None:
    assert hand_in(db, "0012").submission == 1
    assert hand_in(db, "Owls").submission == 2
    assert hand_in(db, "strong", kind="baseline").submission == 3
    for name in ("0012", "b02", "Owls"):
        with pytest.raises(UserError, match="choose another name") as error:
            hand_in(db, name, kind="baseline")
        assert code_of(error) == ("E_NAME", 6)
    for name, problem in (("b02", "in the team Owls"), ("stranger", "not on the roster")):
        with pytest.raises(UserError, match=problem) as error:
            hand_in(db, name)
        assert code_of(error) == ("E_ROSTER", 6)


def test_a_disabled_person_keeps_history_and_loses_tokens_and_submissions(db: Database) -> None:
    hand_in(db, "0012")
    token = give_token(db, "0012")
    assert opened_by(db, token) == "0012"
    assert enrolment.disable(db, "0012", **WHY).disabled_at == NOW
    assert opened_by(db, token) is None
    with pytest.raises(UserError, match="off the roster") as error:
        hand_in(db, "0012")
    assert code_of(error) == ("E_DISABLED", 6)
    with pytest.raises(UserError) as error:
        give_token(db, "0012")
    assert code_of(error) == ("E_DISABLED", 6)
    assert len(records.submissions(db, participant="0012")) == 1
    assert roster.display_names(db)["0012"] == "Ada"
    again = events.count(db)
    enrolment.disable(db, "0012", **WHY)
    assert events.count(db) == again
    enrolment.enable(db, "0012", **WHY)
    assert opened_by(db, token) is None, "an old token stays revoked"
    hand_in(db, "0012")
    assert events.verify(db) == []


LEE = RosterEntry("prof", "Lee", role="instructor")


def test_the_last_instructor_stays_until_there_is_another(db: Database) -> None:
    enrolment.import_people(db, [RosterEntry("old", "Wu", role="instructor")], **WHY)
    enrolment.disable(db, "old", **WHY)
    before = events.count(db)
    for change in (
        lambda: enrolment.disable(db, "prof", **WHY),
        lambda: enrolment.import_people(db, [replace(LEE, role="student")], **WHY),
        lambda: enrolment.import_people(db, [replace(LEE, role="ta"), RosterEntry("b09", "Zoe")], **WHY),
        lambda: enrolment.follows(db, [replace(LEE, role="auditor")], now=NOW),
    ):
        with pytest.raises(UserError, match="prof is the last instructor") as error:
            change()
        assert code_of(error) == ("E_LAST_INSTRUCTOR", 8)
    assert (events.count(db), len(roster.people(db))) == (before, 6)
    enrolment.import_people(db, [replace(LEE, role="ta"), RosterEntry("new", "Ho", role="instructor")], **WHY)
    enrolment.import_people(db, [LEE], **WHY)
    enrolment.disable(db, "new", **WHY)
    with pytest.raises(UserError, match="last instructor"):
        enrolment.disable(db, "prof", **WHY)
    enrolment.enable(db, "old", **WHY)
    enrolment.disable(db, "prof", **WHY)
    assert events.verify(db) == []


def test_a_roster_without_an_instructor_is_changed_as_ever(db: Database) -> None:
    with db.transaction():
        db.execute("UPDATE people SET role = 'ta' WHERE key = 'prof'")
    assert enrolment.import_people(db, [RosterEntry("b09", "Zoe")], **WHY).added == ("b09",)
    enrolment.disable(db, "prof", **WHY)
    enrolment.disable(db, "b09", **WHY)


def test_of_two_instructors_who_take_each_other_off_at_once_one_stays(database_url: str) -> None:
    with open_database(database_url) as db:
        both = [RosterEntry("amy", "Amy", role="instructor"), RosterEntry("ian", "Ian", role="instructor")]
        enrolment.import_people(db, both, **WHY)
    start = threading.Barrier(2)

    def disable(key: str) -> str:
        with open_database(database_url) as db:
            start.wait(20)
            try:
                enrolment.disable(db, key, **WHY)
            except UserError as error:
                return error.code
        return "off"

    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(disable, ("amy", "ian"))) == ["E_LAST_INSTRUCTOR", "off"]


def test_a_token_of_somebody_disabled_behind_its_back_opens_nothing(db: Database) -> None:
    token = give_token(db, "0012")
    with db.transaction():
        db.execute("UPDATE people SET disabled_at = 1 WHERE key = '0012'")
    assert opened_by(db, token) is None


def test_a_team_hands_in_while_one_of_its_people_is_there(db: Database) -> None:
    enrolment.disable(db, "b02", **WHY)
    hand_in(db, "Owls")
    enrolment.disable(db, "b03", **WHY)
    with pytest.raises(UserError) as error:
        hand_in(db, "Owls")
    assert code_of(error) == ("E_DISABLED", 6)


def test_the_name_of_a_disabled_person_is_free_and_cannot_come_back_while_it_is_taken(db: Database) -> None:
    enrolment.disable(db, "0012", **WHY)
    enrolment.import_people(db, [RosterEntry("b09", "Ada")], **WHY)
    with pytest.raises(UserError, match="the name Ada") as error:
        enrolment.enable(db, "0012", **WHY)
    assert code_of(error) == ("E_ROSTER", 2)
    assert events.verify(db) == []


def test_a_token_opens_until_the_instant_it_expires(db: Database) -> None:
    end = NOW + timedelta(days=1)
    token = give_token(db, "b02", expires=end)
    assert [opened_by(db, token, now) for now in (NOW, end - SECOND, end, end + SECOND)] == ["b02", "b02", None, None]
    assert opened_by(db, token.swapcase()) is None
    assert opened_by(db, "") is None


def test_a_revoked_token_opens_nothing_and_others_do(db: Database) -> None:
    one, two = give_token(db, "b02"), give_token(db, "b02", scope="read")
    found = access_tokens.find_token(db, access_tokens.hash_token(one), NOW)
    assert found is not None
    assert access_tokens.revoke_token(db, found[0].id, "b02", NOW)
    assert not access_tokens.revoke_token(db, found[0].id, "b02", NOW)
    assert not access_tokens.revoke_token(db, 99, "b02", NOW)
    assert (opened_by(db, one), opened_by(db, two)) == (None, "b02")
    assert [(one.scope, one.revoked_at) for one in access_tokens.tokens(db, "b02")] == [("all", NOW), ("read", None)]
    assert events.verify(db) == []


def test_no_token_is_kept_anywhere(db: Database) -> None:
    token = give_token(db, "b02")
    assert len(token) == 47
    assert token.startswith("lhy_")
    kept = repr([db.fetch(f"SELECT * FROM {table}") for table in ("tokens", "events", "people")])
    assert access_tokens.hash_token(token) in kept
    assert token not in kept
    assert token[4:] not in kept


def test_an_invitation_is_exchanged_once_for_a_token(db: Database) -> None:
    invitation = give_token(db, "b02", label=access_tokens.INVITATION, scope="submit")
    own, second = access_tokens.new_token(), access_tokens.new_token()
    end = NOW + timedelta(days=9)
    spend: dict[str, Any] = {"label": "laptop", "expires": end, "now": NOW}
    found = access_tokens.redeem_invitation(
        db, access_tokens.hash_token(invitation), access_tokens.hash_token(own), **spend
    )
    assert found is not None
    assert (found[0].scope, found[0].label, found[1].key) == ("submit", "laptop", "b02")
    assert (
        access_tokens.redeem_invitation(
            db, access_tokens.hash_token(invitation), access_tokens.hash_token(second), **spend
        )
        is None
    )
    assert (
        access_tokens.redeem_invitation(db, access_tokens.hash_token(own), access_tokens.hash_token(second), **spend)
        is None
    )
    assert [opened_by(db, token) for token in (invitation, own, second)] == [None, "b02", None]
    assert events.verify(db) == []


def test_extensions_are_kept_with_reason_and_actor(db: Database) -> None:
    until = NOW + timedelta(hours=5)
    given = adjustments.extend(db, "hw01/1", "team", "Owls", until=until, **WHY)
    assert (given.until, given.slots, given.reason, given.actor) == (until, 0, "start of term", "prof")
    adjustments.extend(db, "hw01/1", "person", "0012", until=None, slots=3, day="2027-03-01", **WHY)
    adjustments.extend(db, "hw02/1", "all", "", until=until, **WHY)
    assert [(one.who_kind, one.who) for one in adjustments.extensions(db)] == [
        ("team", "Owls"),
        ("person", "0012"),
        ("all", ""),
    ]
    assert [one.slots for one in adjustments.extensions_of(db, "hw01/1", "0012")] == [3]
    assert adjustments.extensions_of(db, "hw01/1", "b02") == []
    assert [one.who_kind for one in adjustments.extensions_of(db, "hw02/1", "0012")] == ["all"]
    assert events.verify(db) == []


@pytest.mark.parametrize(
    ("kind", "who", "problem"),
    [
        ("person", "nobody", "Nobody on the roster has the id"),
        ("team", "Cats", "no team Cats"),
        ("person", "b02", "extend the team"),
    ],
)
def test_an_extension_is_for_somebody_who_is_there(
    db: Database, kind: adjustments.Whom, who: str, problem: str
) -> None:
    with pytest.raises(UserError, match=problem) as error:
        adjustments.extend(db, "hw01/1", kind, who, until=NOW, **WHY)
    assert code_of(error) == ("E_ROSTER", 2)
    assert adjustments.extensions(db) == []


def test_nothing_is_extended_after_the_reveal(db: Database) -> None:
    records.reveal(db, "hw01/1", "prof", "the end", NOW)
    with pytest.raises(UserError) as error:
        adjustments.extend(db, "hw01/1", "all", "", until=NOW, **WHY)
    assert code_of(error) == ("E_CLOSED", 5)


def test_the_newest_points_of_a_part_count(db: Database) -> None:
    for points in (1.0, 3.5):
        adjustments.enter_points(db, "hw01", "0012", "code", points, **WHY)
    adjustments.enter_points(db, "hw01", "0012", "report", 2.0, **WHY)
    assert {key: part.points for key, part in adjustments.parts(db, "hw01").items()} == {
        ("0012", "code"): 3.5,
        ("0012", "report"): 2.0,
    }
    assert adjustments.parts(db, "hw02") == {}
    for key, problem in (("guest", "not a student"), ("nobody", "Nobody on the roster has the id")):
        with pytest.raises(UserError, match=problem):
            adjustments.enter_points(db, "hw01", key, "code", 1.0, **WHY)
    assert events.verify(db) == []


@pytest.mark.parametrize("reason", ["", "  ", "a\nb", "x" * 501, "\x1b[31m"])
def test_every_change_wants_a_reason_that_can_be_read(db: Database, reason: str) -> None:
    why = WHY | {"reason": reason}
    for change in (
        lambda: enrolment.import_people(db, [RosterEntry("b09", "Zoe")], **why),
        lambda: enrolment.disable(db, "b02", **why),
        lambda: enrolment.enable(db, "b02", **why),
        lambda: adjustments.extend(db, "hw01/1", "all", "", until=NOW, **why),
        lambda: adjustments.enter_points(db, "hw01", "0012", "code", 1.0, **why),
    ):
        with pytest.raises(UserError) as error:
            change()
        assert code_of(error) == ("E_REASON", 2)


TAMPERED = [
    ("UPDATE people SET name = 'Eva' WHERE key = 'b03'", "b03 on the roster"),
    ("UPDATE people SET email = '' WHERE key = 'b03'", "b03 on the roster"),
    ("UPDATE people SET role = 'instructor' WHERE key = 'b03'", "b03 on the roster"),
    ("UPDATE people SET team = NULL WHERE key = 'b03'", "b03 on the roster"),
    ("UPDATE people SET key = 'b33' WHERE key = 'b03'", "b03 of event 1 is missing"),
    ("UPDATE people SET disabled_at = 1 WHERE key = 'b03'", "b03 on the roster is disabled"),
    ("UPDATE people SET disabled_at = NULL", "guest on the roster is not disabled"),
    ("DELETE FROM people WHERE key = 'prof'", "prof of event 1 is missing"),
    ("UPDATE tokens SET hash = 'x' WHERE id = 1", "token 1 of b02 is not"),
    ("UPDATE tokens SET scope = 'all' WHERE id = 1", "token 1 of b02 is not"),
    ("UPDATE tokens SET person_id = 1 WHERE id = 1", "token 1 of 0012 is not"),
    ("UPDATE tokens SET expires_at = expires_at + 1 WHERE id = 1", "token 1 of b02 is not"),
    ("UPDATE tokens SET revoked_at = NULL", "token 2 of b02 is not revoked"),
    ("UPDATE tokens SET revoked_at = 1 WHERE id = 1", "token 1 of b02 is revoked"),
    ("DELETE FROM tokens WHERE id = 1", "token 1 of event 2 is missing"),
    ("UPDATE extensions SET until = until + 1", "extension 1 is not"),
    ("UPDATE extensions SET who = 'b02'", "extension 1 is not"),
    ("UPDATE extensions SET slots = 9", "extension 1 is not"),
    ("UPDATE extensions SET day = ''", "extension 1 is not"),
    ("UPDATE extensions SET reason = 'x'", "extension 1 is not"),
    ("UPDATE extensions SET actor = 'x'", "extension 1 is not"),
    ("UPDATE extensions SET competition = 'hw02/1'", "extension 1 is not"),
    ("DELETE FROM extensions", "extension 1 of event 6 is missing"),
    ("UPDATE parts SET points = 4", "entry of points 1 is not"),
    ("UPDATE parts SET person_key = 'b02'", "entry of points 1 is not"),
    ("UPDATE parts SET part = 'report'", "entry of points 1 is not"),
    ("DELETE FROM parts", "entry of points 1 of event 7 is missing"),
]


def test_whatever_is_changed_behind_the_logs_back_is_found(db: Database) -> None:
    give_token(db, "b02", scope="read")
    give_token(db, "b02")
    access_tokens.revoke_token(db, 2, "b02", NOW)
    enrolment.disable(db, "guest", **WHY)
    adjustments.extend(db, "hw01/1", "all", "", until=NOW, slots=2, day="2027-03-01", **WHY)
    adjustments.enter_points(db, "hw01", "0012", "code", 3.0, **WHY)
    assert events.verify(db) == []

    tables = ("people", "tokens", "extensions", "parts")
    kept = {table: db.fetch(f"SELECT * FROM {table}") for table in tables}
    for statement, message in TAMPERED:
        with db.transaction():
            if "DELETE FROM people" not in statement:
                assert db.execute(statement) > 0, statement
            else:
                assert db.execute(statement) == 1
        found = [finding.message for finding in events.verify(db)]
        assert any(message in text for text in found), (statement, found)
        with db.transaction():
            for table in reversed(tables):
                db.execute(f"DELETE FROM {table}")
            for table in tables:
                for row in kept[table]:
                    values = ", ".join(f":{name}" for name in row)
                    db.execute(f"INSERT INTO {table} ({', '.join(row)}) VALUES ({values})", **row)
    assert events.verify(db) == []
