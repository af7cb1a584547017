"""Second files, such as reports and code: handed in over the API, kept by hash, refused with a code, read by staff."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from harness.competition import find_competition, rules_to_json
from harness.course import attachments as handing
from harness.course.access import Viewer, owner
from harness.course.rules import change_rules
from harness.grading import audit
from harness.home import open_home
from leaderboard import acceptance, attachments, enrolment, events, receipts, roster
from leaderboard.acceptance import Upload
from submissions.store import receiving
from tasks.base import Rules
from tests import classes
from tests.classes import NOW, PDF, Class, attach, error, kept, submit
from tests.classes import ask_for_attachment as ask

school, local = classes.school, classes.local
ZIP = b"PK\x03\x04 code"
ENDS = datetime(2027, 4, 2, 12, 0, 59, 999999, tzinfo=UTC)


def problems(school: Class) -> list[str]:
    return audit.verify(school.home)[0]


def kinds(school: Class) -> list[str]:
    with school.home.database() as database:
        return [event.kind for event in events.events(database)]


def state(school: Class) -> tuple[Any, ...]:
    """All that a refused file must leave as it is."""
    with school.home.database() as database:
        return attachments.attachments(database), events.count(database), kept(school.home)


def test_a_second_file_is_kept_by_its_hash_and_comes_back_as_a_download(school: Class) -> None:
    ask(school)
    client = school.client("b01")
    made = attach(client, PDF, **{"X-Filename": "..%2Fmy%20report%0a.pdf"})
    assert made.status_code == 201
    body = made.json()
    row, sha256 = body["attachment"], hashlib.sha256(PDF).hexdigest()
    assert (row["id"], row["kind"], row["bytes"], row["sha256"]) == (1, "pdf", len(PDF), sha256)
    assert (row["by"], row["latest"], body["again"], body["left"]) == ("b01", True, False, attachments.A_DAY - 1)
    assert sha256 in kept(school.home)
    found = client.get("/api/v1/homeworks/hw1/attachments").json()
    assert found["attachments"] == [row]
    assert found["asked"]["kinds"] == ["pdf", "zip"]
    sent = client.get("/api/v1/attachments/1/file")
    assert sent.content == PDF
    assert sent.headers["content-type"] == "application/octet-stream"
    assert sent.headers["x-content-type-options"] == "nosniff"
    assert sent.headers["content-disposition"] == 'attachment; filename="my_report_.pdf"'
    key = client.get("/api/v1/course").json()["receipt_key"]
    receipt = receipts.verify_any(json.dumps(body["receipt"]), key)
    assert isinstance(receipt, receipts.AttachmentReceipt)
    assert (receipt.attachment, receipt.sha256, receipt.participant) == (1, sha256, "b01")
    assert client.get("/api/v1/attachments/1/receipt").json() == body["receipt"]
    assert client.get("/api/v1/homeworks/hw1/board").json()["board"] == [], "no submission, no place"
    assert "attachments read" not in kinds(school), "one's own"
    assert problems(school) == []


def test_the_latest_version_counts_and_all_are_kept(school: Class) -> None:
    ask(school)
    client = school.client("b01")
    numbers = [attach(client, data).json()["attachment"]["id"] for data in (PDF, ZIP, PDF)]
    assert numbers == [1, 2, 3], "an older version again is a new one"
    rows = client.get("/api/v1/homeworks/hw1/attachments").json()["attachments"]
    assert [(row["id"], row["kind"], row["latest"]) for row in rows] == [
        (1, "pdf", False),
        (2, "zip", False),
        (3, "pdf", True),
    ]
    assert {hashlib.sha256(data).hexdigest() for data in (PDF, ZIP)} <= kept(school.home)
    again = attach(client, PDF)
    assert (again.status_code, again.json()["attachment"]["id"], again.json()["again"]) == (200, 3, True)


def test_a_retry_with_its_key_is_the_same_file_also_after_a_newer_one_and_after_the_deadline(school: Class) -> None:
    ask(school)
    client = school.client("b01")
    first = attach(client, PDF, **{"Idempotency-Key": "k"})
    assert attach(client, ZIP).json()["attachment"]["id"] == 2
    school.now = ENDS + timedelta(days=9)
    again = attach(client, PDF, **{"Idempotency-Key": "k"})
    assert (again.status_code, again.json()["receipt"]) == (200, first.json()["receipt"])
    assert error(attach(client, ZIP + b"!", **{"Idempotency-Key": "k"})) == (409, "E_CLIENT_KEY")
    assert len(client.get("/api/v1/homeworks/hw1/attachments").json()["attachments"]) == 2


MB = 10**6
REFUSED: dict[str, tuple[bytes, dict[str, str], tuple[int, str]]] = {
    "an empty file": (b"", {}, (422, "E_ATTACHMENT_EMPTY")),
    "a text": (b"hello, this is my report", {}, (422, "E_ATTACHMENT_KIND")),
    "one byte": (b"%", {}, (422, "E_ATTACHMENT_KIND")),
    "a PDF that begins later": (b" " + PDF, {}, (422, "E_ATTACHMENT_KIND")),
    "an archive without files": (b"PK\x05\x06" + bytes(18), {}, (422, "E_ATTACHMENT_KIND")),
    "a web page with the name of a PDF": (b"<html>", {"X-Filename": "a.pdf"}, (422, "E_ATTACHMENT_KIND")),
    "a byte too much": (PDF.ljust(MB + 1), {}, (413, "E_TOO_LARGE")),
    "a bad key": (PDF, {"Idempotency-Key": "x" * 201}, (400, "E_USAGE")),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_refused_file_leaves_nothing(local: Class, name: str) -> None:
    ask(local, attachment_mb="1")
    data, headers, wanted = REFUSED[name]
    before = state(local)
    assert error(attach(local.client("b01"), data, **headers)) == wanted
    assert state(local) == before


def test_a_file_of_exactly_the_cap_is_taken(local: Class) -> None:
    ask(local, attachment_mb="1")
    assert attach(local.client("b01"), PDF.ljust(MB)).status_code == 201


def test_only_the_kinds_that_are_asked_for_are_taken(local: Class) -> None:
    ask(local, attachment="pdf")
    assert error(attach(local.client("b01"), ZIP)) == (422, "E_ATTACHMENT_KIND")
    assert attach(local.client("b01"), PDF).status_code == 201


def test_a_homework_that_asks_for_no_second_file_takes_none(local: Class) -> None:
    client = local.client("b01")
    before = state(local)
    assert error(attach(client, PDF)) == (400, "E_ATTACHMENT_NONE")
    assert client.get("/api/v1/homeworks/hw1/attachments").json()["asked"] is None
    assert state(local) == before
    ask(local)
    assert attach(client, PDF).status_code == 201
    ask(local, attachment="")
    assert error(attach(client, ZIP)) == (400, "E_ATTACHMENT_NONE")
    assert len(client.get("/api/v1/homeworks/hw1/attachments").json()["attachments"]) == 1, "what is there stays"


def test_a_body_that_ends_early_leaves_nothing(local: Class) -> None:
    ask(local)
    before = state(local)

    def half() -> Iterator[bytes]:
        yield PDF

    late = local.client("b01").post(
        "/api/v1/homeworks/hw1/attachments", content=half(), headers={"Content-Length": str(len(PDF) + 5)}
    )
    assert error(late) == (400, "E_USAGE")
    assert state(local) == before


def test_its_own_deadline_decides_to_the_microsecond(local: Class) -> None:
    ask(local)
    client = local.client("b01")
    local.now = ENDS
    assert attach(client, PDF).status_code == 201, "after the deadline of the homework, before its own"
    local.now = ENDS + timedelta(microseconds=1)
    before = state(local)
    assert error(attach(client, ZIP)) == (409, "E_ATTACHMENT_LATE")
    assert client.get("/api/v1/homeworks/hw1/attachments").json()["asked"]["closed"] is True
    assert state(local) == before


def test_without_its_own_deadline_it_has_that_of_the_homework(local: Class) -> None:
    ask(local, attachment_deadline="")
    closes = local.client("b01").get("/api/v1/homeworks/hw1/attachments").json()["asked"]["closes"]
    assert closes == local.client("b01").get("/api/v1/homeworks/hw1").json()["closes"] == "2027-03-26T23:59:59+08:00"


def test_an_extension_of_a_person_shifts_it_for_that_person_alone(local: Class) -> None:
    ask(local)
    asked = {"people": ["b01"], "hours": 48, "reason": "ill"}
    assert local.client("tom").post("/api/v1/homeworks/hw1/extensions", json=asked).status_code == 200
    local.now = ENDS + timedelta(hours=48)
    assert attach(local.client("b01"), PDF).status_code == 201
    assert error(attach(local.client("b02"), PDF)) == (409, "E_ATTACHMENT_LATE")
    local.now += timedelta(seconds=1)
    assert error(attach(local.client("b01"), ZIP)) == (409, "E_ATTACHMENT_LATE")


def test_a_homework_without_a_deadline_can_have_one_for_its_second_file_and_extend_it(local: Class) -> None:
    path = local.home.root / "config.toml"
    path.write_text(path.read_text().replace("deadline =", "# deadline ="))
    local.home = open_home(local.home.root)
    ask(local)
    assert local.client("b01").get("/api/v1/homeworks/hw1").json()["closes"] is None
    asked = {"people": ["b01"], "hours": 1, "reason": "ill"}
    assert local.client("tom").post("/api/v1/homeworks/hw1/extensions", json=asked).status_code == 200
    local.now = ENDS + timedelta(hours=1)
    assert attach(local.client("b01"), PDF).status_code == 201
    assert error(attach(local.client("b02"), PDF)) == (409, "E_ATTACHMENT_LATE")


def test_a_day_and_a_homework_have_a_most_of_files(local: Class, monkeypatch: pytest.MonkeyPatch) -> None:
    ask(local)
    client = local.client("b01")
    for number in range(attachments.A_DAY):
        left = attach(client, PDF + bytes([number])).json()["left"]
    assert left == 0
    before = state(local)
    assert error(attach(client, ZIP)) == (429, "E_ATTACHMENT_QUOTA")
    assert state(local) == before
    assert attach(client, PDF + bytes([attachments.A_DAY - 1])).status_code == 200, "the same again"
    assert attach(local.client("b02"), ZIP).status_code == 201
    local.now += timedelta(days=1)
    monkeypatch.setattr(attachments, "IN_ALL", attachments.A_DAY + 1)
    assert attach(client, ZIP).json()["left"] == 0
    assert error(attach(client, PDF)) == (429, "E_ATTACHMENT_QUOTA")


def test_nobody_else_reads_a_file_and_staff_leave_an_event(school: Class) -> None:
    ask(school)
    attach(school.client("b01"), PDF)
    for key, wanted in (("b02", 404), ("x01", 404), ("nobody", 401)):
        for part in ("file", "receipt"):
            assert school.client(key).get(f"/api/v1/attachments/1/{part}").status_code == wanted, (key, part)
    read = school.token("tom", scope="read")
    bearer = {"Authorization": f"Bearer {read}"}
    assert school.client().get("/api/v1/attachments/1/file", headers=bearer).status_code == 404, "no right of staff"
    assert "attachments read" not in kinds(school)
    for key in ("tom", "ian"):
        assert school.client(key).get("/api/v1/attachments/1/file").content == PDF
    with school.home.database() as database:
        read_by = [(one.actor, json.loads(one.body)) for one in events.events(database) if "read" in one.kind]
    assert read_by == [(who, {"competition": "hw01", "attachment": 1}) for who in ("tom", "ian")]
    log = school.client("ian").get("/api/v1/log?homework=hw1&kind=attach").json()["events"]
    assert [row["what"] for row in log] == ["attached", "attachments read", "attachments read"]
    assert problems(school) == []


def test_a_token_that_only_reads_hands_in_nothing(local: Class) -> None:
    ask(local)
    client = local.client()
    client.headers["Authorization"] = f"Bearer {local.token('b01', scope='read')}"
    assert error(attach(client, PDF)) == (403, "E_SCOPE")


def test_a_team_hands_in_one_file_and_its_members_are_fixed(school: Class) -> None:
    ask(school)
    assert attach(school.client("b03"), PDF).json()["attachment"]["participant"] == "otters"
    (row,) = school.client("b04").get("/api/v1/homeworks/hw1/attachments").json()["attachments"]
    assert (row["by"], row["name"]) == ("b03", "otters")
    assert school.client("b04").get("/api/v1/attachments/1/file").content == PDF
    with school.home.database() as database:
        entries = [roster.RosterEntry("b03", "Eve", "b03@example.org", "student", None)]
        enrolment.import_people(database, entries, actor="ian", reason="left", now=NOW)
        assert roster.participant_of(database, "hw01/1", "b03") == "otters", "as after a submission"
    assert problems(school) == []


def test_who_is_off_the_roster_hands_in_nothing(local: Class) -> None:
    ask(local)
    with local.home.database() as database:
        enrolment.disable(database, "b01", actor="ian", reason="left", now=NOW)
    assert attach(local.client("b01"), PDF).status_code == 401
    viewer, upload = Viewer("student", "b01"), Upload("0" * 64, 9, "a.pdf", "", "k", NOW)
    with pytest.raises(Exception, match="taken off the roster"):
        handing.attach(local.home, viewer, "hw1", upload, "pdf")


def test_two_at_once_give_two_versions_and_one_latest(school: Class) -> None:
    ask(school)
    clients = [school.client("b03"), school.client("b04")]
    data = [PDF + bytes([number]) for number in range(8)]
    with ThreadPoolExecutor(4) as pool:
        made = list(pool.map(lambda n: attach(clients[n % 2], data[n]), range(8)))
    assert sorted(one.json()["attachment"]["id"] for one in made) == list(range(1, 9))
    rows = clients[0].get("/api/v1/homeworks/hw1/attachments").json()["attachments"]
    assert [row["id"] for row in rows if row["latest"]] == [8]
    assert {hashlib.sha256(one).hexdigest() for one in data} <= kept(school.home)
    assert problems(school) == []


def test_the_same_file_sent_at_once_is_recorded_once(school: Class) -> None:
    ask(school)
    clients = [school.client("b01") for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        made = list(pool.map(lambda client: attach(client, PDF), clients))
    assert sorted(one.status_code for one in made) == [200, 200, 200, 201]
    with school.home.database() as database:
        assert len(attachments.attachments(database)) == 1


@pytest.mark.parametrize("where", ["written", "synced", "begun", "row", "renamed", "committed"])
def test_a_crash_leaves_the_whole_file_or_none(school: Class, where: str) -> None:
    ask(school)

    class Killed(BaseException):
        pass

    def die(step: str) -> None:
        if step == where:
            raise Killed

    def hand_in(die: Any) -> None:
        with receiving(school.home.submissions, 100, die) as arriving:
            arriving.write(PDF)
            sha256 = arriving.sync()

            def step(name: str) -> None:
                if name == "row":
                    arriving.keep()
                die(name)

            upload = Upload(sha256, arriving.size, "a.pdf", "", "k", NOW)
            handing.attach(school.home, Viewer("student", "b01"), "hw1", upload, "pdf", step)

    with pytest.raises(Killed):
        hand_in(die)
    with school.home.database() as database:
        assert len(attachments.attachments(database)) == (where == "committed")
    assert problems(school) == [], "no row without its bytes"
    hand_in(lambda step: None)
    with school.home.database() as database:
        assert [one.sha256 for one in attachments.attachments(database)] == [hashlib.sha256(PDF).hexdigest()]
    assert problems(school) == []


def test_bytes_that_a_second_file_needs_are_not_dropped(local: Class) -> None:
    ask(local)
    client = local.client("b01")
    attach(client, PDF)
    for number in range(acceptance.KEPT_FILES):  # so that the bytes of the next refused file need not be kept
        submit(client, b"nonsense %d" % number)
    submit(client, PDF)
    submit(client, b"one more")
    local.work()
    with local.home.database() as database:
        assert hashlib.sha256(PDF).hexdigest() in acceptance.dropped(database).values()
    assert hashlib.sha256(b"one more").hexdigest() not in kept(local.home)
    assert client.get("/api/v1/attachments/1/file").content == PDF
    assert problems(local) == []


def test_rules_of_a_second_file_are_checked_and_can_change_after_the_reveal(local: Class) -> None:
    from leaderboard import records

    client = local.client("ian")

    def change(**rules: str) -> httpx.Response:
        return client.request("PATCH", "/api/v1/homeworks/hw1/rules", json={"changes": rules, "reason": "a test"})

    for wrong in (
        {"attachment": "exe"},
        {"attachment": "pdf zip"},
        {"attachment_mb": "0"},
        {"attachment_mb": "501"},
        {"attachment_mb": "x"},
        {"attachment_deadline": "tomorrow"},
        {"attachment_deadline": "9999-12-31T23:59Z"},
    ):
        assert error(change(**wrong)) == (400, "E_INPUT"), wrong
    with local.home.database() as database:
        records.reveal(database, "hw01/1", "ian", "the end", NOW)
    assert error(change(quota="9")) == (409, "E_CLOSED")
    assert error(change(quota="9", attachment="pdf")) == (409, "E_CLOSED")
    assert change(attachment="pdf", attachment_deadline="2027-02-01T00:00Z").status_code == 200
    lines = change(attachment_deadline="2027-02-02T00:00Z").json()["lines"]
    assert "nobody can hand one in any more" in lines[0]


def test_a_file_that_arrives_while_the_rule_is_switched_off_is_refused(
    local: Class, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask(local)
    done = handing.attach

    def switched_off(*values: Any) -> Any:
        ask(local, attachment="zip")
        return done(*values)

    monkeypatch.setattr(handing, "attach", switched_off)
    assert error(attach(local.client("b01"), PDF)) == (409, "E_CHANGED")
    with local.home.database() as database:
        assert attachments.attachments(database) == []


def test_new_data_of_a_homework_leave_its_second_files_where_they_are(local: Class, tmp_path: Path) -> None:
    from harness.plans import plan_homework
    from harness.prepare import prepare

    ask(local)
    attach(local.client("b01"), PDF)
    plan = plan_homework("hw1", None, None, "small")
    prepare(local.home, plan, seed=None, new_data=True, accept_leaks=False, now=NOW, reason="new data")
    client = local.client("b01")
    assert [row["id"] for row in client.get("/api/v1/homeworks/hw1/attachments").json()["attachments"]] == [1]
    assert attach(client, ZIP).json()["attachment"]["id"] == 2
    assert client.get("/api/v1/attachments/1/file").content == PDF
    assert problems(local) == []


def test_who_attached_before_there_was_a_roster_is_no_finding(course: Path, tmp_path: Path) -> None:
    shutil.copytree(course, tmp_path / "home")
    home = open_home(tmp_path / "home")
    (tmp_path / "a.pdf").write_bytes(PDF)
    change_rules(home, find_competition(home, "hw1"), {"attachment": "pdf"}, "me", "a report", NOW)
    for name in ("me", "friend"):
        handing.attach_file(home, owner(name), "hw1", tmp_path / "a.pdf", NOW, name)
    with home.database() as database:
        entries = [roster.RosterEntry("b01", "Ada", "", "student", None)]
        enrolment.import_people(database, entries, actor="me", reason="a class", now=NOW)
    assert audit.verify(home)[0] == []


def test_data_without_a_second_file_are_described_as_in_older_releases(local: Class) -> None:
    described = json.loads((local.home.public("hw01") / "format.json").read_text())["rules"]
    assert {"quota", "deadline"} <= described.keys()
    assert not [name for name in described if name.startswith("attachment")]
    assert rules_to_json(Rules(attachment="pdf")).keys() - described.keys() == {"attachment"}
