"""Whatever is changed behind the log's back is found, and the event where it shows is named."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from leaderboard import acceptance, events, receipts, records, results
from leaderboard.database import Database
from tests.accepting import accepted

pytestmark = pytest.mark.slow_on_postgresql

SEED = bytes(range(32))
KEY = receipts.public_key(SEED)
NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
ACCEPTED, GRADED, REJECTED, SELECTED, REVEALED, LAST = 1, 4, 6, 7, 8, 9


@pytest.fixture
def course(database: Database) -> Database:
    """Three submissions (events 1 to 3), two grades, a rejection, a selection, a reveal and the caller's own event."""
    for number in range(1, 4):
        accepted(
            database,
            course="ML",
            competition="hw01",
            participant=f"student {number}",
            kind="person",
            sha256=f"{number:064x}",
            size=number,
            filename="a.csv",
            message="",
            client_key="key",
            now=NOW,
            day="2026-11-20",
            next_slot=None,
            quota=5,
            rejections=5,
            closes=None,
            sign=receipts.signer(SEED),
        )
    for number in (1, 2):
        results.record(
            database,
            number,
            data_version="d",
            metric_version="m",
            public_version="hw01 version 1",
            higher_is_better=False,
            public=0.5,
            private=0.25,
            details="{}",
            passed_public=[],
            passed_private=[],
            mac="seal",
            now=NOW,
        )
    acceptance.reject(database, 3, "E_ID_MISSING", NOW)
    records.select(database, "hw01", "student 1", [1], 2, NOW)
    records.reveal(database, "hw01", "prof", "the end", NOW)
    records.log_event(database, "prepared", "prof", {"files": 3}, NOW)
    assert events.count(database) == LAST
    return database


def change(db: Database, *statements: str, **values: Any) -> None:
    with db.transaction():
        for statement in statements:
            assert db.execute(statement, **values) > 0, statement


def found(db: Database) -> list[int | None]:
    return [finding.seq for finding in events.verify(db, KEY)]


def messages(db: Database) -> str:
    return "\n".join(finding.message for finding in events.verify(db, KEY))


def test_an_untouched_log_has_no_findings(course: Database) -> None:
    assert events.verify(course, KEY) == []
    assert events.verify(course) == []
    kinds = [event.kind for event in events.events(course)]
    assert kinds == ["accepted"] * 3 + ["graded"] * 2 + ["rejected", "selected", "revealed", "prepared"]


def test_an_empty_log_has_no_findings(database: Database) -> None:
    assert events.verify(database, KEY) == []


@pytest.mark.parametrize("column", ["at", "kind", "actor", "body", "previous", "hash"])
def test_a_changed_byte_is_found_in_every_column_of_every_event(course: Database, column: str) -> None:
    for seq in range(1, LAST + 1):
        value = course.value(f"SELECT {column} FROM events WHERE seq = :seq", seq=seq)
        if column == "at":
            other = value + 1
        else:
            middle = len(value) // 2
            other = value[:middle] + chr(ord(value[middle]) ^ 1) + value[middle + 1 :]
        change(course, f"UPDATE events SET {column} = :other WHERE seq = :seq", other=other, seq=seq)
        first = events.verify(course, KEY)[0]
        assert (first.seq, first.message.partition(":")[0]) == (seq, f"event {seq} was changed")
        change(course, f"UPDATE events SET {column} = :value WHERE seq = :seq", value=value, seq=seq)
    assert found(course) == []


def test_every_single_byte_of_a_body_counts(course: Database) -> None:
    body = course.value("SELECT body FROM events WHERE seq = 2")
    for place in range(0, len(body), 7):
        other = body[:place] + chr(ord(body[place]) ^ 1) + body[place + 1 :]
        change(course, "UPDATE events SET body = :other WHERE seq = 2", other=other)
        assert "event 2 was changed" in messages(course)
    change(course, "UPDATE events SET body = :body WHERE seq = 2", body=body)
    assert found(course) == []


def test_a_changed_number_leaves_a_gap_and_a_stranger(course: Database) -> None:
    change(course, "UPDATE events SET seq = 1002 WHERE seq = 2")
    assert "event 2 is missing" in messages(course)
    assert {2, 1002} <= set(found(course))


@pytest.mark.parametrize("seq", [1, 4, 6, 8])
def test_a_removed_event_is_named(course: Database, seq: int) -> None:
    change(course, f"DELETE FROM events WHERE seq = {seq}")
    assert found(course)[0] == seq
    assert f"event {seq} is missing" in messages(course)


def test_events_that_changed_places_are_named(course: Database) -> None:
    change(
        course,
        "UPDATE events SET seq = 100 WHERE seq = 4",
        "UPDATE events SET seq = 4 WHERE seq = 5",
        "UPDATE events SET seq = 5 WHERE seq = 100",
    )
    assert {4, 5} <= set(found(course))


def rewrite(db: Database, edit: Callable[[list[dict[str, Any]]], None]) -> None:
    """What somebody with the database and this code would do: edit the log and compute every hash anew."""
    rows = db.fetch("SELECT seq, at, kind, actor, body FROM events")
    rows.sort(key=lambda row: int(row["seq"]))
    edit(rows)
    with db.transaction():
        db.execute("DELETE FROM events")
        db.execute("UPDATE chain_head SET seq = 0, hash = :hash", hash=events.GENESIS)
        for row in rows:
            at = receipts.from_microseconds(row["at"])
            events.append(db, row["kind"], row["actor"], json.loads(row["body"]), at)


def test_a_log_computed_anew_is_given_away_by_the_receipts(course: Database) -> None:
    rewrite(course, lambda rows: rows[0].update(actor="somebody else"))
    assert "the receipt of submission 1 does not match the chain" in messages(course)
    assert found(course) == [1, 2, 3]


def test_an_event_put_between_others_is_given_away(course: Database) -> None:
    rewrite(course, lambda rows: rows.insert(1, {**rows[-1], "kind": "outage"}))
    assert 2 in found(course)


def test_an_event_before_the_first_is_named(course: Database) -> None:
    change(
        course,
        "INSERT INTO events (seq, at, kind, actor, body, previous, hash) "
        "SELECT 0, at, kind, actor, body, previous, hash FROM events WHERE seq = 9",
    )
    assert found(course)[0] == 0


def test_an_event_added_behind_the_heads_back_is_named(course: Database) -> None:
    change(
        course,
        "INSERT INTO events (seq, at, kind, actor, body, previous, hash) "
        "SELECT 10, at, kind, actor, body, hash, hash FROM events WHERE seq = 9",
    )
    assert found(course) == [10, 10]
    assert "event 10 was changed" in messages(course)


@pytest.mark.parametrize("kept", [0, 1, 5, LAST - 1])
def test_a_cut_tail_is_named(course: Database, kept: int) -> None:
    change(course, f"DELETE FROM events WHERE seq > {kept}")
    assert kept + 1 in found(course)
    assert f"the log was truncated: it ends at {kept}, its head says {LAST}" in messages(course)


def test_a_cut_tail_with_a_mended_head_is_given_away_by_the_tables(course: Database) -> None:
    digest = course.value("SELECT hash FROM events WHERE seq = 2")
    change(course, "DELETE FROM events WHERE seq > 2")
    change(course, "UPDATE chain_head SET seq = 2, hash = :digest", digest=digest)
    assert "submission 3 has no event that accepted it" in messages(course)
    assert "a grade of submission 1 has no event" in messages(course)


@pytest.mark.parametrize(
    ("statement", "seq", "message"),
    [
        ("UPDATE chain_head SET hash = 'x'", LAST, "does not match the hash of its last event"),
        ("UPDATE chain_head SET seq = 8", LAST, "the head of the log says 8"),
        ("DELETE FROM chain_head", None, "the head of the log is missing"),
        ("UPDATE submissions SET sha256 = 'x' WHERE id = 1", ACCEPTED, "submission 1: sha256 differ"),
        ("UPDATE submissions SET size = 9 WHERE id = 1", ACCEPTED, "submission 1: size differ"),
        ("UPDATE submissions SET entry = 9 WHERE id = 1", ACCEPTED, "submission 1: entry differ"),
        ("UPDATE submissions SET accepted_at = accepted_at - 1 WHERE id = 1", ACCEPTED, "accepted_at differ"),
        ("UPDATE submissions SET accepted_at = 4611686018427387904 WHERE id = 1", ACCEPTED, "accepted_at differ"),
        ("UPDATE submissions SET quota_day = '2026-11-21' WHERE id = 1", ACCEPTED, "quota_day differ"),
        ("UPDATE submissions SET event_seq = 77 WHERE id = 1", 77, "submission 1 has no event"),
        ("UPDATE participants SET name = 'x' WHERE id = 1", ACCEPTED, "participant differ"),
        ("UPDATE submissions SET receipt = replace(receipt, 'ML', 'MI')", ACCEPTED, "signature is not valid"),
        (
            "UPDATE submissions SET rejected_at = NULL, rejected_code = NULL",
            REJECTED,
            "3 is not rejected; the log says",
        ),
        ("UPDATE submissions SET rejected_at = 1, rejected_code = 'E' WHERE id = 2", 2, "2 is rejected"),
        ("DELETE FROM grades WHERE submission_id = 1", GRADED, "the grade of submission 1 of event 4 is missing"),
        ("UPDATE grades SET public = 0.75 WHERE submission_id = 1", GRADED, "columns contradict each other"),
        ("UPDATE grades SET public_key = 9 WHERE submission_id = 1", GRADED, "columns contradict each other"),
        ("UPDATE grades SET submission_id = 3 WHERE submission_id = 1", GRADED, "a grade of submission 3 has no event"),
        ("DELETE FROM selections", SELECTED, "the selection of student 1 is not what the log says"),
        ("UPDATE selections SET submission_id = 2", SELECTED, "the selection of student 1"),
        ("DELETE FROM reveals", REVEALED, "hw01 was revealed, says the log"),
        ("UPDATE reveals SET competition = 'hw02'", None, "hw02 was not revealed, says the log"),
    ],
)
def test_tables_that_the_log_does_not_bear_out_are_named(
    course: Database, statement: str, seq: int | None, message: str
) -> None:
    change(course, statement)
    assert seq in found(course)
    assert message in messages(course)


def test_a_removed_submission_is_named(course: Database) -> None:
    change(course, "DELETE FROM submissions WHERE id = 3")
    assert found(course) == [3, 6]
    assert "submission 3 of event 3 is missing" in messages(course)


def test_a_receipt_signed_by_another_key_is_found(course: Database) -> None:
    fields = json.loads(records.receipt(course, 2))
    del fields["signature"]
    forged = receipts.write(receipts.Receipt(**fields), receipts.signer(bytes(32)))
    change(course, "UPDATE submissions SET receipt = :forged WHERE id = 2", forged=forged)
    assert found(course) == [2]


def test_the_seal_of_every_grade_is_given_back_for_checking(course: Database) -> None:
    change(course, "UPDATE grades SET private = 0.125 WHERE submission_id = 2")
    rows = {row.submission: (row.public, row.private, row.mac) for row in results.grade_rows(course, "hw01")}
    assert rows == {1: (0.5, 0.25, "seal"), 2: (0.5, 0.125, "seal")}
    assert list(results.grade_rows(course, "hw02")) == []


def test_what_an_event_holds_must_be_plain_and_finite(database: Database) -> None:
    with pytest.raises(ValueError, match="JSON"):
        records.log_event(database, "odd", "prof", {"value": float("nan")}, NOW)
    assert events.count(database) == 0


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)  # PostgreSQL refuses such values by itself
def test_values_of_a_strange_type_are_findings_and_no_crash(course: Database) -> None:
    change(course, "UPDATE events SET body = x'ff', at = 'noon' WHERE seq = 1")
    change(course, "UPDATE submissions SET accepted_at = 'noon', receipt = x'ff' WHERE id = 2")
    change(course, "UPDATE grades SET public = 'high' WHERE submission_id = 2")
    assert set(found(course)) == {1, 2, 5}
