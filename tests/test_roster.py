"""People, tokens, extensions and points by hand: in the library, in the log, and on the command line."""

from __future__ import annotations

import csv
import json
import shutil
import stat
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st

from harness.cli import common, people
from harness.cli.main import cli
from harness.home import open_home
from harness.sheets import read_roster
from leaderboard import acceptance, access_tokens, adjustments, enrolment, events, records, roster
from leaderboard.database import Database
from leaderboard.roster import Entry
from tasks.errors import UserError
from tests.accepting import accepted

pytestmark = pytest.mark.slow_on_postgresql

NOW = datetime(2027, 3, 1, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)
HASH = "ab" * 32
WHY: dict[str, Any] = {"actor": "prof", "reason": "start of term", "now": NOW}
CLASS = (
    Entry("0012", "Ada", "ada@example.org"),
    Entry("b02", "Bob", "bob@example.org", team="Owls"),
    Entry("b03", "Eve", "eve@example.org", team="Owls"),
    Entry("guest", "Max", role="auditor"),
    Entry("prof", "Lee", role="instructor"),
)
_keys = count()


@pytest.fixture
def db(database: Database) -> Database:
    """A class of two students in a team, one without, an auditor and an instructor."""
    enrolment.import_people(database, CLASS, **WHY)
    return database


def hand_in(db: Database, participant: str, **changes: Any) -> acceptance.Accepted:
    values: dict[str, Any] = {
        "course": "ML", "competition": "hw01/1", "participant": participant, "kind": "person",
        "sha256": f"{next(_keys):064x}", "size": 10, "filename": "a.csv", "message": "",
        "client_key": f"k{next(_keys)}", "now": NOW,
        "day": "2027-03-01", "next_slot": None, "quota": 5, "rejections": 5, "closes": None, "sign": lambda _: b"",
    }  # fmt: skip
    return accepted(db, **(values | changes))


def code_of(error: pytest.ExceptionInfo[UserError]) -> tuple[str, int]:
    return error.value.code, error.value.exit_code


def give_token(db: Database, key: str, **changes: Any) -> str:
    token = access_tokens.new_token()
    values: dict[str, Any] = {"scope": "all", "label": "laptop", "expires": NOW + timedelta(days=1), "actor": key,
                              "now": NOW}  # fmt: skip
    access_tokens.issue_token(db, key, access_tokens.hash_token(token), **(values | changes))
    return token


def opened_by(db: Database, token: str, now: datetime = NOW) -> str | None:
    found = access_tokens.find_token(db, access_tokens.hash_token(token), now)
    return None if found is None else found[1].key


def test_an_import_adds_changes_and_leaves_alone(db: Database) -> None:
    done = enrolment.import_people(
        db, [CLASS[0], Entry("b02", "Bob B.", "bob@example.org", team="Owls"), Entry("b04", "Zoe")], **WHY
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
    enrolment.import_people(db, [Entry("0012", "Bob"), Entry("b02", "Ada")], **WHY)
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
        (Entry("b 9", "Zoe"), "cannot contain spaces"),
        (Entry("", "Zoe"), "the id must have"),
        (Entry("b09", ""), "the name must have"),
        (Entry("b09", "x" * 61), "the name must have"),
        (Entry("b09", "\u202eZoe"), "printable"),
        (Entry("b09", "Zoe\x1b[31m"), "printable"),
        (Entry("b09", "Zoe", "zoe"), "e-mail"),
        (Entry("b09", "Zoe", "a@b\nBcc: x@y"), "e-mail"),
        (Entry("b09", "Zoe", role="dean"), "role"),  # type: ignore[arg-type]
        (Entry("b09", "Ada"), "the name Ada is also that of 0012"),
        (Entry("b09", "ＡＤＡ"), "that of 0012"),
        (Entry("B02", "Zoe"), "differs from b02 only in capitals"),
        (Entry("b09", "Zoe", team="b02"), "has the id or the name of a person"),
        (Entry("b09", "Zoe", team="Ada"), "has the id or the name of a person"),
        (Entry("b09", "OWLS"), "the name OWLS is the name of a team"),
        (Entry("owls", "Zoe"), "the id owls is the name of a team"),
        (Entry("b09", "Strong"), "name of a baseline"),
        (Entry("b09", "Zoe", team="strong"), "name of a baseline"),
        (Entry("b09", "Zoe", team="owls"), "differs from Owls only in capitals"),
        (Entry("b09", "Owls "), "printable"),
        (Entry("b09", "Zoe", role="ta", team="Owls"), "staff"),
        (Entry("strong", "Zoe"), "name of a baseline"),
    ],
)
def test_an_entry_that_would_confuse_people_is_refused_and_nothing_is_changed(
    tmp_path: Path, entry: Entry, problem: str
) -> None:
    with open_home(tmp_path).database() as db:
        enrolment.import_people(db, CLASS, **WHY)
        hand_in(db, "strong", kind="baseline")
        before = roster.people(db)
        with pytest.raises(UserError, match=problem) as error:
            enrolment.import_people(db, [Entry("b08", "Kim"), entry], **WHY)
        assert code_of(error) == ("E_ROSTER", 2)
        assert roster.people(db) == before


def test_ids_twice_in_one_import_are_named(db: Database) -> None:
    assert enrolment.problems_of([Entry("a", "A"), Entry("A", "B"), Entry("c", "C")])[1] == ["the id A appears twice"]


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
    enrolment.import_people(db, [Entry("b09", "Ada")], **WHY)
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
        ("team", "Owls"), ("person", "0012"), ("all", "")
    ]  # fmt: skip
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
        ("0012", "code"): 3.5, ("0012", "report"): 2.0
    }  # fmt: skip
    assert adjustments.parts(db, "hw02") == {}
    for key, problem in (("guest", "not a student"), ("nobody", "Nobody on the roster has the id")):
        with pytest.raises(UserError, match=problem):
            adjustments.enter_points(db, "hw01", key, "code", 1.0, **WHY)
    assert events.verify(db) == []


@pytest.mark.parametrize("reason", ["", "  ", "a\nb", "x" * 501, "\x1b[31m"])
def test_every_change_wants_a_reason_that_can_be_read(db: Database, reason: str) -> None:
    why = WHY | {"reason": reason}
    for change in (
        lambda: enrolment.import_people(db, [Entry("b09", "Zoe")], **why),
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


# The command line


@pytest.fixture(params=["sqlite", "postgresql"])
def home(course: Path, tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """A home with HW1, its leaderboard on each kind of database in turn."""
    shutil.copytree(course, tmp_path / "home")
    (tmp_path / "home" / "config.toml").write_text('name = "prof"\n[hw01]\ndeadline = "2027-03-26T23:59+08:00"\n')
    if request.param == "postgresql":
        server = request.getfixturevalue("postgresql")
        config = tmp_path / "home" / "config.toml"
        config.write_text(f'database = "{server.new_database()}"\n{config.read_text()}')
    return tmp_path / "home"


@pytest.fixture(autouse=True)
def _noon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(common, "clock", lambda: NOW)


def call(home: Path, *words: str, input: str | None = None) -> Result:
    return CliRunner().invoke(cli, ["--home", str(home), *words], env={"COLUMNS": "160"}, input=input)


ROSTER = """id,name,email,team,role
0012,Ada,ada@example.org,,
b02,Bob,bob@example.org,Owls,
b03,"Eve, the second",,Owls,student
guest,'=1+1,,,auditor
"""
YES = ("--reason", "start of term", "--yes")


def enrol(home: Path) -> None:
    (home / "people.csv").write_text(ROSTER)
    done = call(home, "roster", "import", str(home / "people.csv"), *YES)
    assert (done.exit_code, done.output) == (0, "4 added, 0 changed, 0 unchanged\n")


def verified(home: Path) -> list[str]:
    with open_home(home).database() as db:
        assert events.verify(db) == []
        return [event.kind for event in events.events(db) if event.kind != "prepared"]


def test_a_roster_goes_in_and_comes_out_the_same(home: Path) -> None:
    enrol(home)
    shown = json.loads(call(home, "roster", "list", "--format", "json").stdout)["people"]
    assert [row["id"] for row in shown] == ["0012", "b02", "b03", "guest"], "leading zeros are kept"
    assert shown[3] == {"id": "guest", "name": "=1+1", "email": "", "team": None, "role": "auditor", "disabled": False}
    out = call(home, "roster", "list", "--format", "csv").stdout
    assert '"0012"' in out
    assert '"\'=1+1"' in out, "no cell is a formula"
    (home / "again.csv").write_text(out)
    assert call(home, "roster", "import", str(home / "again.csv"), *YES).output == "0 added, 0 changed, 4 unchanged\n"
    assert "Eve, the second" in call(home, "roster", "list").stdout
    assert verified(home) == ["roster imported"]


def test_what_is_wrong_with_a_roster_is_told_by_line_and_nothing_is_changed(home: Path) -> None:
    (home / "people.csv").write_text('id,name,team\n0012,Ada,\n1.09E+08,Bob,\nb03,ada,\n\nb04,"Zo\ne",0012\n')
    done = call(home, "roster", "import", str(home / "people.csv"), *YES)
    assert done.exit_code == 2
    told = done.stderr.splitlines()
    assert [line.partition(":")[0] for line in told[:-1]] == [f"people.csv line {n}" for n in (3, 4, 7, 7)]
    assert "spreadsheet" in told[0]
    assert "that of 0012" in told[1]
    assert told[-1] == "Nothing was changed."
    assert verified(home) == []


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"", "columns id, name"),
        (b"id,name,age\n", "got id, name, age"),
        (b"id,name,name\n", "columns"),
        ("id,name\n1,李宏毅\n".encode("big5"), "not UTF-8"),
        (b"id,name\n1\n", "line 2: 1 cells, expected 2"),
        (b'id,name\n1,"x\n', "not CSV"),
        (b"x" * (5 << 20), "bytes"),
    ],
)
def test_a_file_that_is_no_roster_is_refused(data: bytes, problem: str) -> None:
    with pytest.raises(UserError, match=problem):
        read_roster(data, "people.csv", (), ())


@given(
    st.lists(
        st.tuples(st.from_regex(r"[0-9a-z=+@'-]{1,9}", fullmatch=True), st.text(min_size=1, max_size=20)), max_size=5
    )
)
def test_any_roster_comes_back_from_its_own_csv(rows: list[tuple[str, str]]) -> None:
    from harness.sheets import COLUMNS, roster_rows, write_rows

    entries = [Entry(key, name.strip()) for key, name in rows]
    entries = [one for one, problems in zip(entries, enrolment.problems_of(entries), strict=True) if not problems]
    people = [roster.Person(0, one.key, one.name, "", "student", None, None, NOW) for one in entries]
    text = write_rows(COLUMNS, [[row[name] for name in COLUMNS] for row in roster_rows(people)])
    assert read_roster(text.encode(), "x.csv", (), ()) == entries
    for line in csv.reader(text.splitlines()):
        assert not [cell for cell in line if cell.startswith(("=", "+", "-", "@", "\t", "\r"))]


def test_a_column_that_is_left_out_keeps_what_there_was(home: Path) -> None:
    enrol(home)
    (home / "names.csv").write_text("\ufeffid,name\nb02,Robert\n")
    assert call(home, "roster", "import", str(home / "names.csv"), *YES).stdout == "0 added, 1 changed, 0 unchanged\n"
    with open_home(home).database() as db:
        found = roster.find_person(db, "b02")
    assert found is not None
    assert (found.name, found.email, found.team) == ("Robert", "bob@example.org", "Owls")


CHANGES = {  # and what is told before it is done
    ("roster", "import", "people.csv"): ("b09: new, Zoe, student", "Add 1 person", "change 1",
                                         "b02: team from Owls to none, role from student to ta"),
    ("roster", "rename", "Owls", "Eagles"): ("Rename the team Owls, with 2 members, to Eagles",),
    ("roster", "disable", "b02"): ("Bob (b02)", "1 token will be revoked"),
    ("roster", "enable", "b03"): ("Eve, the second (b03)",),
    ("roster", "invite", "b02"): ("b02: Bob, student", "valid for 200 days", "revoke older invitations"),
    ("extend", "hw1", "--all", "--hours", "2"): ("until 2027-03-27T01:59:59+08:00 for all",
                                                 "replaces the extension until 2027-03-27T00:59:59+08:00"),
    ("extend", "hw1", "--all", "--slots", "1"): ("1 more submissions on 2027-03-01 for all",
                                                 "replaces 4 more submissions on 2027-03-01"),
    ("points", "hw1", "0012", "code", "1"): ("1 of 2 points for the code of 0012, replacing 0.5",),
    ("points", "hw1", "--csv", "points.csv"): ("0012: code from 0.5 to 1", "1 of them replacing earlier ones"),
    ("rules", "hw1", "quota=3"): ("quota from 5 to 3",),
    ("reveal", "hw1"): ("Students can still submit until 2027-03-27T00:59:59+08:00", "scores of hw01 to everyone"),
}  # fmt: skip


def test_every_command_that_wants_a_reason_asks_and_is_looked_at_here() -> None:
    def commands_of(group: click.Group, *before: str) -> Iterator[tuple[tuple[str, ...], set[str]]]:
        context = click.Context(group)
        for name in group.list_commands(context):
            one = group.get_command(context, name)
            assert one is not None
            if isinstance(one, click.Group):
                yield from commands_of(one, *before, name)
            else:
                yield (*before, name), {option for parameter in one.params for option in parameter.opts}

    wanting = {name: options for name, options in commands_of(cli) if "--reason" in options}
    found = {name: options for name, options in wanting.items() if "--new-data" not in options}
    assert wanting.keys() - found.keys() == {("prepare",), ("new",)}, "where --new-data is the word; tested below"
    assert {" ".join(name) for name in found} == {
        " ".join(words[: 2 if words[0] == "roster" else 1]) for words in CHANGES
    }
    assert all({"--yes", "--as"} <= options for options in found.values())


@pytest.mark.parametrize("words", CHANGES, ids=" ".join)
@pytest.mark.parametrize("home", ["sqlite"], indirect=True)
def test_every_change_asks_wants_a_reason_and_leaves_an_event(home: Path, words: tuple[str, ...]) -> None:
    enrol(home)
    told = CHANGES[words]
    for before_it in (("roster", "disable", "b03"), ("roster", "invite", "b02"),
                      ("extend", "hw1", "--all", "--hours", "1"), ("extend", "hw1", "--all", "--slots", "4"),
                      ("points", "hw1", "0012", "code", "0.5")):  # fmt: skip
        assert call(home, *before_it, *YES).exit_code == 0
    (home / "people.csv").write_text("id,name,team,role\nb09,Zoe,,\nb02,Bob,,ta\n0012,Ada,,\n")
    (home / "points.csv").write_text("id,code\n0012,1\n")
    words = tuple(str(home / word) if word.endswith(".csv") else word for word in words)
    before = verified(home)
    assert call(home, *words, "--yes").exit_code == 2, "no reason"
    for reason in ("", " ", "a\x1b[31mb", "two\nlines", "\u202eback", "a\tb", "x" * 501):
        assert call(home, *words, "--reason", reason, "--yes").exit_code == 2, reason
        assert call(home, *words, "--reason", reason, input="y\n").exit_code == 2, reason
    for answer in ("n\n", "\n", ""):  # the last as from a script, where nobody answers
        refused = call(home, *words, "--reason", "why", input=answer)
        assert (refused.exit_code, refused.stdout) == (1, "")
        assert [text for text in told if text not in refused.stderr] == []
    assert verified(home) == before
    assert call(home, *words, "--reason", "why not", input="y\n").exit_code == 0
    after = verified(home)
    assert len(after) == len(before) + 1
    with open_home(home).database() as db:
        last = list(events.events(db))[-1]
    assert (last.actor, json.loads(last.body)["reason"]) == ("prof", "why not")


def test_invitations_open_are_shown_once_and_lie_in_a_file_of_ones_own(home: Path) -> None:
    enrol(home)
    assert call(home, "roster", "disable", "b03", *YES).exit_code == 0
    out = home / "invitations.csv"
    done = call(home, "roster", "invite", "--out", str(out), *YES)
    assert (done.exit_code, done.stdout) == (0, "")
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    rows = list(csv.DictReader(out.read_text(encoding="utf-8").splitlines()))
    assert [row["id"] for row in rows] == ["0012", "b02", "guest"]
    with open_home(home).database() as db:
        assert [opened_by(db, row["token"]) for row in rows] == ["0012", "b02", "guest"]
        end = NOW + timedelta(days=people.TERM_DAYS)
        assert [opened_by(db, rows[0]["token"], end + shift) for shift in (-SECOND, SECOND)] == ["0012", None]
    again = call(home, "roster", "invite", *YES)
    assert (again.exit_code, again.stdout) == (0, "")
    assert "Everyone" in again.stderr
    anew = list(csv.DictReader(call(home, "roster", "invite", "b02", *YES).stdout.splitlines()))
    with open_home(home).database() as db:
        assert opened_by(db, rows[1]["token"]) is None, "the older invitation ended"
        assert opened_by(db, anew[0]["token"]) == "b02"
    assert call(home, "roster", "invite", "b03", *YES).exit_code == 6, "who is disabled gets none"
    taken = call(home, "roster", "invite", "b02", "--out", str(out), *YES)
    assert taken.exit_code == 2
    assert "No token was made" in taken.stderr
    verified(home)


@pytest.mark.parametrize("home", ["sqlite"], indirect=True)
def test_a_reveal_says_who_may_still_hand_in_and_what_waits_and_happens_once(home: Path) -> None:
    (home / "config.toml").write_text('name = "prof"\n')
    with open_home(home).database() as db:
        hand_in(db, "ada", competition="hw01/1")
    asked = call(home, "reveal", "hw1", "--reason", "end", input="y\n")
    assert asked.exit_code == 0
    assert "hw01 has no deadline; submissions after the reveal are only practice" in asked.stderr
    assert "1 submissions have no score yet" in asked.stderr
    again = call(home, "reveal", "hw1", "--reason", "end")
    assert (again.exit_code, again.stderr) == (0, "")
    assert "was revealed at 2027-03-01" in again.stdout
    assert verified(home).count("revealed") == 1


@pytest.mark.parametrize("home", ["sqlite"], indirect=True)
def test_hours_are_hours_also_where_the_clocks_are_changed_in_between(home: Path) -> None:
    (home / "config.toml").write_text(
        '[hw01]\ndeadline = "2027-03-13T23:59:59-05:00"\ndeadline_zone = "America/New_York"\n'
    )
    done = call(home, "extend", "hw1", "--all", "--hours", "24", *YES)
    assert done.exit_code == 0, done.stderr
    with open_home(home).database() as db:
        (given,) = adjustments.extensions(db)
    assert given.until == datetime(2027, 3, 15, 5, tzinfo=UTC) - timedelta(microseconds=1)


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (("hw1", "--hours", "1"), "say who gets the extension"),
        (("hw1", "--all", "--team", "Owls", "--hours", "1"), "say who gets the extension"),
        (("hw1", "--all"), "say what"),
        (("hw1", "--all", "--hours", "1", "--until", "2027-03-27T00:00+08:00"), "say what"),
        (("hw1", "--all", "--day", "2027-03-01"), "say what"),
        (("hw1", "--all", "--hours", "1", "--day", "2027-03-01"), "--day needs --slots"),
        (("hw1", "--all", "--slots", "1", "--day", "tomorrow"), "must be a date"),
        (("hw1", "--all", "--slots", "0", "--hours", "1"), "alone"),
        (("hw1", "--all", "--until", "9999-12-31T23:59Z"), "too far"),
        (("hw1", "--all", "--until", "2027-03-27"), "offset"),
        (("hw1", "--all", "--until", "2027-03-20T00:00+08:00"), "before the deadline"),
        (("hw1", "--person", "b02", "--hours", "1"), "extend the team"),
        (("hw1", "--person", "", "--hours", "1"), "Nobody on the roster has the id"),
    ],
)
@pytest.mark.parametrize("home", ["sqlite"], indirect=True)
def test_an_extension_that_is_not_clear_is_refused(home: Path, words: tuple[str, ...], problem: str) -> None:
    enrol(home)
    done = call(home, "extend", *words, *YES)
    assert done.exit_code == 2
    assert problem in done.stderr
    assert verified(home) == ["roster imported"]


def test_a_class_loses_its_board_for_a_reason_alone_and_the_log_tells_it(home: Path) -> None:
    enrol(home)
    again = ("prepare", "hw1", "--new-data", "--as", "prof", "--yes")
    assert call(home, *again).exit_code == 2, "there is a class, though nobody has handed in"
    sample = home / "public" / "hw01" / "sample_submission.csv"
    assert call(home, "submit", "hw1", str(sample), "--as", "0012").exit_code == 0
    for words in ((), ("--reason", " ")):
        refused = call(home, *again, *words)
        assert (refused.exit_code, "reason" in refused.stderr) == (2, True)
    assert json.loads(call(home, "leaderboard", "hw1", "--format", "json").stdout)["board"]
    assert call(home, *again, "--reason", "a label was wrong").exit_code == 0
    assert json.loads(call(home, "leaderboard", "hw1", "--format", "json").stdout)["board"] == []
    with open_home(home).database() as db:
        told = [json.loads(event.body) for event in events.events(db) if event.kind == "prepared"]
    assert [(body["competition"], body["reason"]) for body in told[-1:]] == [("hw01/2", "a label was wrong")]
    assert {key: told[-1]["replaces"][key] for key in ("key", "submissions", "revealed")} == {
        "key": "hw01/1", "submissions": 1, "revealed": False
    }  # fmt: skip
    assert verified(home) == ["roster imported", "accepted", "graded"]
