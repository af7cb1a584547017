"""Second files as staff see them: who handed in, one archive, points that name them, and what the audit finds."""

from __future__ import annotations

import csv
import hashlib
import io
import zipfile
from typing import Any

import httpx
import pytest

from harness.grading import audit
from leaderboard import events
from tests import classes
from tests.classes import PDF, Class, attach, error
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
