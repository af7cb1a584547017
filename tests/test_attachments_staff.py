"""Second files as staff see them: who handed in, one archive, points that name them, and what the audit finds."""

from __future__ import annotations

import csv
import hashlib
import io
import zipfile
from typing import Any

import httpx
import pytest

from harness.course import attachments
from harness.course.access import Viewer
from harness.course.gradebook import find_schemes
from harness.grading import audit
from harness.home import open_home
from harness.plans import plan_homework
from harness.prepare import prepare
from leaderboard import adjustments, enrolment, events, roster
from leaderboard.acceptance import Upload
from tasks.errors import UserError
from tests import classes
from tests.classes import NOW, PDF, Class, attach, error
from tests.classes import ask_for_attachment as ask

school, local = classes.school, classes.local
ZIP = b"PK\x03\x04 code"


def problems(school: Class) -> list[str]:
    return audit.verify(school.home)[0]


def count_reads(school: Class) -> int:
    with school.home.database() as database:
        return [event.kind for event in events.events(database)].count("attachments read")


CHANGED = {
    "UPDATE attachments SET sha256 = 'x'": "attachment 1 is not what the log says",
    "UPDATE attachments SET size = 1": "attachment 1 is not what the log says",
    "UPDATE attachments SET person_key = 'b02'": "attachment 1 is not what the log says",
    "UPDATE attachments SET participant = 'b02'": "attachment 1 is not what the log says",
    "UPDATE attachments SET at = at - 1": "attachment 1 is not what the log says",
    "UPDATE attachments SET receipt = '{}'": "the receipt of attachment 1 was changed",
    "DELETE FROM attachments": "attachment 1 of event",
}


@pytest.mark.parametrize("statement", CHANGED)
def test_the_audit_finds_a_changed_row(school: Class, statement: str) -> None:
    ask(school)
    attach(school.client("b01"), PDF)
    with school.home.database() as database, database.transaction():
        database.execute(statement)
    assert [text for text in problems(school) if CHANGED[statement] in text]


def test_the_audit_finds_damaged_and_missing_bytes(local: Class) -> None:
    ask(local)
    attach(local.client("b01"), PDF)
    sha256 = hashlib.sha256(PDF).hexdigest()
    path = local.home.submissions / sha256[:2] / sha256[2:]
    path.write_bytes(PDF + b"!")
    (text,) = problems(local)
    assert text.startswith("attachment 1: ")
    path.unlink()
    (text,) = problems(local)
    assert "is not in the store" in text
    assert local.client("b01").get("/api/v1/attachments/1/file").status_code == 503


def test_staff_see_who_handed_in_and_get_all_in_one_archive(school: Class) -> None:
    ask(school)
    for data in (PDF, ZIP):
        attach(school.client("b01"), data, **{"X-Filename": "CON"})
    attach(school.client("b03"), PDF, **{"X-Filename": "%C3%BCber%20uns.pdf"})
    tom = school.client("tom")
    rows = tom.get("/api/v1/homeworks/hw1/attachments/students").json()["students"]
    latest = {row["id"]: row["attachment"] and row["attachment"]["id"] for row in rows}
    assert latest == {"b01": 2, "b02": None, "b03": 3, "b04": 3}
    for query, wanted in (("", [1, 2, 3]), ("?latest=true", [2, 3])):
        sent = tom.get(f"/api/v1/homeworks/hw1/attachments/archive{query}")
        assert sent.headers["content-disposition"] == 'attachment; filename="hw01-second-files.zip"'
        with zipfile.ZipFile(io.BytesIO(sent.content)) as archive:
            *names, index = archive.namelist()
            table = list(csv.DictReader(io.StringIO(archive.read(index).decode())))
            assert [int(row["attachment"]) for row in table] == wanted
            assert names == [row["path"] for row in table]
            for row in table:
                assert hashlib.sha256(archive.read(row["path"])).hexdigest() == row["sha256"]
    assert names == ["hw01/b01/2-_CON.zip", "hw01/otters/3-über_uns.pdf"]
    assert count_reads(school) == 2
    assert problems(school) == []


def enter(school: Class, *entries: dict[str, Any], who: str = "tom") -> httpx.Response:
    body = {"entries": list(entries), "reason": "read them"}
    return school.client(who).post("/api/v1/homeworks/hw1/parts", json=body)


def test_points_by_hand_name_the_file_that_they_are_for(school: Class) -> None:
    ask(school)
    attach(school.client("b01"), PDF)
    attach(school.client("b03"), PDF)
    one = {"id": "b01", "part": "code", "points": 1, "attachment": 1}
    assert enter(school, one, {"id": "b04", "part": "code", "points": 2, "attachment": 2}).status_code == 200
    rows = school.client("tom").get("/api/v1/homeworks/hw1/parts").json()["points"]
    assert [(row["id"], row["attachment"]) for row in rows] == [("b01", 1), ("b04", 2)]
    for wrong in (one | {"attachment": 2}, one | {"id": "b02"}, one | {"attachment": 99}):
        assert error(enter(school, wrong)) == (400, "E_INPUT")
    attach(school.client("b01"), ZIP)
    refused = enter(school, one)
    assert error(refused) == (400, "E_INPUT")
    assert "has handed in 3 as the latest one" in refused.json()["error"]["message"]
    assert enter(school, one | {"attachment": None}).status_code == 200
    card = school.client("ian").get("/api/v1/roster/people/b01").json()
    assert [row["id"] for row in card["attachments"]] == [3]
    assert problems(school) == []
    with school.home.database() as database, database.transaction():
        database.execute("UPDATE parts SET attachment = 1 WHERE person_key = 'b04'")
    assert problems(school) == ["entry of points 2 is not what the log says"]


def test_after_new_data_a_report_stays_with_those_who_wrote_it_whoever_is_in_the_team_then(school: Class) -> None:
    ask(school)
    assert attach(school.client("b03")).status_code == 201
    with school.home.database() as database:
        before = roster.participants_of(database, "hw01/1")
    plan = plan_homework("hw1", None, None, "small")
    prepare(school.home, plan, seed=None, new_data=True, accept_leaks=False, now=NOW, reason="new data")
    moved = [
        roster.RosterEntry("b04", "Kim", "b04@example.org", "student", "wolves"),
        roster.RosterEntry("b01", "Ada", "b01@example.org", "student", "otters"),
    ]
    with school.home.database() as database:
        enrolment.import_people(database, moved, actor="ian", reason="next weeks", now=NOW)
        after = roster.participants_of(database, "hw01/2")
    assert {key: after[key] for key in ("b03", "b04")} == {key: before[key] for key in ("b03", "b04")}
    codes = {key: school.client(key).get("/api/v1/attachments/1/file").status_code for key in ("b01", "b03", "b04")}
    assert codes == {"b01": 404, "b03": 200, "b04": 200}
    rows = school.client("tom").get("/api/v1/homeworks/hw1/attachments/students").json()["students"]
    counting = {row["id"]: (row["attachment"] or {}).get("id") for row in rows}
    assert counting == {"b01": None, "b02": None, "b03": 1, "b04": 1}
    assert problems(school) == []


def test_bytes_that_were_lost_come_back_with_the_same_file(local: Class) -> None:
    ask(local)
    attach(local.client("b01"), PDF)
    sha256 = hashlib.sha256(PDF).hexdigest()
    path = local.home.submissions / sha256[:2] / sha256[2:]
    for harm in (path.unlink, lambda: path.write_bytes(PDF + b"!")):
        harm()
        assert attach(local.client("b01"), PDF).json()["again"]
        assert path.read_bytes() == PDF
    assert problems(local) == []


def test_a_damaged_file_is_named_in_the_archive_and_the_others_are_there(local: Class) -> None:
    ask(local)
    for key, data in (("b01", PDF), ("b02", PDF + b"2")):
        attach(local.client(key), data)
    sha256 = hashlib.sha256(PDF).hexdigest()
    (local.home.submissions / sha256[:2] / sha256[2:]).write_bytes(b"other")
    sent = local.client("tom").get("/api/v1/homeworks/hw1/attachments/archive")
    with zipfile.ZipFile(io.BytesIO(sent.content)) as archive:
        names = archive.namelist()
        assert [name for name in names if name.startswith("hw01/b02/")]
        assert not [name for name in names if name.startswith("hw01/b01/")]
        assert "hw01/b01/" in archive.read("hw01/damaged.txt").decode()


def test_points_are_not_entered_for_a_file_that_a_newer_one_replaces_meanwhile(
    local: Class, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask(local)
    attach(local.client("b01"), PDF)
    real = adjustments.enter_all_points

    def late(*args: Any, **values: Any) -> Any:
        assert attach(local.client("b01"), PDF + b"2").status_code == 201
        return real(*args, **values)

    monkeypatch.setattr(adjustments, "enter_all_points", late)
    entries = [{"id": "b01", "part": "code", "points": 1, "attachment": 1}]
    sent = local.client("tom").post("/api/v1/homeworks/hw1/parts", json={"entries": entries, "reason": "report"})
    assert sent.status_code == 400
    assert "has handed in 2 as the latest one" in sent.text


def test_an_extension_to_the_end_of_time_is_no_error(school: Class) -> None:
    ask(school)
    with school.home.database() as database:
        until = NOW.replace(year=9999, month=12, day=24)
        adjustments.extend(
            database, "hw01/1", "person", "b02", until=until, slots=0, day="", actor="ian", reason="long", now=NOW
        )
    asked = school.client("b02").get("/api/v1/homeworks/hw1/attachments")
    assert asked.status_code == 200
    assert asked.json()["asked"]["closes"].startswith("9999-12-")


def test_a_member_who_is_taken_off_the_roster_during_an_upload_hands_in_nothing_for_the_team(school: Class) -> None:
    ask(school)
    with school.home.database() as database:
        enrolment.disable(database, "b04", actor="ian", reason="left", now=NOW)
    upload = Upload("0" * 64, 10, "a.pdf", "", "key", NOW)
    with pytest.raises(UserError, match="b04 was taken off the roster"):
        attachments.attach(school.home, Viewer("student", "b04"), "hw1", upload, "pdf")
    assert attach(school.client("b03")).status_code == 201


def test_a_part_has_no_name_of_a_column_of_the_list(school: Class) -> None:
    config = school.home.root / "config.toml"
    kept = [line for line in config.read_text().splitlines() if not line.startswith(("[hw01]", "parts"))]
    config.write_text("\n".join([*kept, "[hw01]", "parts = { attachment = 5 }", ""]))
    with pytest.raises(UserError, match="attachment is a column of the list of second files"):
        find_schemes(open_home(school.home.root), "hw01")
