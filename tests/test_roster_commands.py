"""People, invitations, extensions and the reveal on the command line."""

from __future__ import annotations

import csv
import json
import shutil
import stat
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st

from harness.cli import common
from harness.cli.main import cli
from harness.course.people import TERM_DAYS
from harness.home import open_home
from harness.roster import read_roster
from leaderboard import adjustments, enrolment, events, roster
from leaderboard.roster import RosterEntry
from tasks.errors import UserError
from tests.enrolled import NOW, SECOND, hand_in, opened_by

pytestmark = pytest.mark.slow_on_postgresql


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
    assert (done.exit_code, done.stdout) == (0, "add 4 to the roster, and change 0 already on it\n")


def verified(home: Path) -> list[str]:
    with open_home(home).database() as db:
        assert events.verify(db) == []
        return [event.kind for event in events.events(db) if event.kind != "prepared"]


def test_a_roster_goes_in_and_comes_out_the_same(home: Path) -> None:
    enrol(home)
    shown = json.loads(call(home, "roster", "list", "--format", "json").stdout)["people"]
    assert [row["id"] for row in shown] == ["0012", "b02", "b03", "guest"], "leading zeros are kept"
    assert shown[3] == {
        "id": "guest",
        "name": "=1+1",
        "email": "",
        "team": None,
        "role": "auditor",
        "disabled": False,
        "login": "none",
    }
    some = json.loads(call(home, "roster", "list", "--find", "AUDIT", "--format", "json").stdout)["people"]
    assert [row["id"] for row in some] == ["guest"]
    assert "The roster is empty" not in call(home, "roster", "list", "--find", "nobody").stderr
    out = call(home, "roster", "list", "--format", "csv").stdout
    assert '"0012"' in out
    assert '"\'=1+1"' in out, "no cell is a formula"
    (home / "again.csv").write_text(out)
    again = call(home, "roster", "import", str(home / "again.csv"), *YES)
    assert again.stdout == "add 0 to the roster, and change 0 already on it\n"
    assert "Eve, the second" in call(home, "roster", "list").stdout
    assert verified(home) == ["roster imported"]


def test_what_is_wrong_with_a_roster_is_told_by_line_and_nothing_is_changed(home: Path) -> None:
    (home / "people.csv").write_text('id,name,team\n0012,Ada,\n1.09E+08,Bob,\nb03,ada,\n\nb04,"Zo\ne",0012\n')
    done = call(home, "roster", "import", str(home / "people.csv"), *YES)
    assert done.exit_code == 2
    told = done.stderr.splitlines()
    assert [line.partition(":")[0] for line in told[:-1]] == [f"the CSV line {n}" for n in (3, 4, 7, 7)]
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
    from harness.roster import COLUMNS, roster_rows
    from harness.sheets import write_rows

    entries = [RosterEntry(key, name.strip()) for key, name in rows]
    entries = [one for one, problems in zip(entries, enrolment.problems_of(entries), strict=True) if not problems]
    people = [roster.Person(0, one.key, one.name, "", "student", None, None, NOW) for one in entries]
    text = write_rows(COLUMNS, [[row[name] for name in COLUMNS] for row in roster_rows(people)])
    assert read_roster(text.encode(), "x.csv", (), ()) == entries
    for line in csv.reader(text.splitlines()):
        assert not [cell for cell in line if cell.startswith(("=", "+", "-", "@", "\t", "\r"))]


def test_a_column_that_is_left_out_keeps_what_there_was(home: Path) -> None:
    enrol(home)
    (home / "names.csv").write_text("\ufeffid,name\nb02,Robert\n")
    done = call(home, "roster", "import", str(home / "names.csv"), *YES)
    assert done.stdout == "add 0 to the roster, and change 1 already on it\n"
    with open_home(home).database() as db:
        found = roster.find_person(db, "b02")
    assert found is not None
    assert (found.name, found.email, found.team) == ("Robert", "bob@example.org", "Owls")


CHANGES = {  # and what is told before it is done
    ("roster", "import", "people.csv"): ("b09: new, Zoe, student", "add 1 to the roster", "change 1",
                                         "b02: team from Owls to none, role from student to ta"),
    ("roster", "rename", "Owls", "Eagles"): ("rename the team Owls, with 2 members, to Eagles?",),
    ("roster", "disable", "b02"): ("take Bob (b02) off the roster?", "1 token ends", "the team Owls remains"),
    ("roster", "enable", "b03"): ("put Eve, the second (b03) back",),
    ("roster", "end-token", "1"): ("end token 1 (", "no other valid token"),
    ("roster", "invite", "b02"): ("b02: Bob", "valid for 200 days", "revoke older invitations"),
    ("extend", "hw1", "--all", "--hours", "2"): ("until 2027-03-27T01:59:59+08:00 for all",
                                                 "replaces the extension until 2027-03-27T00:59:59+08:00"),
    ("extend", "hw1", "--all", "--slots", "1"): ("1 more submissions on 2027-03-01 for all",
                                                 "replaces 4 more submissions on 2027-03-01"),
    ("points", "hw1", "0012", "code", "1"): ("1 of 2 points for the code of 0012", "replacing 0.5"),
    ("points", "hw1", "--csv", "points.csv"): ("0012: code from 0.5 to 1", "1 of them replacing earlier ones"),
    ("rules", "hw1", "quota=3"): ("quota from 5 to 3",),
    ("reveal", "hw1"): ("students can still submit until 2027-03-27T00:59:59+08:00", "scores of hw01 to everyone"),
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
    elsewhere = {"--new-data", "--set-bars", "--undo"}
    found = {name: options for name, options in wanting.items() if not elsewhere & options}
    assert wanting.keys() - found.keys() == {("prepare",), ("new",), ("calibrate",), ("disqualify",)}, (
        "--new-data is tested below, --set-bars in test_bars, --undo in test_disqualified"
    )
    assert {" ".join(name) for name in found} == {
        " ".join(words[: 2 if words[0] == "roster" else 1]) for words in CHANGES
    }
    assert all({"--yes", "--as"} <= options for options in found.values())


@pytest.mark.parametrize("words", CHANGES, ids=" ".join)
@pytest.mark.parametrize("home", ["sqlite"], indirect=True)
def test_every_change_asks_wants_a_reason_and_leaves_an_event(home: Path, words: tuple[str, ...]) -> None:
    enrol(home)
    told = CHANGES[words]
    for before_it in (
        ("roster", "disable", "b03"),
        ("roster", "invite", "b02"),
        ("extend", "hw1", "--all", "--hours", "1"),
        ("extend", "hw1", "--all", "--slots", "4"),
        ("points", "hw1", "0012", "code", "0.5"),
    ):
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
        end = NOW + timedelta(days=TERM_DAYS)
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
        "key": "hw01/1",
        "submissions": 1,
        "revealed": False,
    }
    assert verified(home) == ["roster imported", "accepted", "graded"]
