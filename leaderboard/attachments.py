"""The second files of homeworks, such as reports and code: handed in several times, and the latest one counts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from leaderboard import events, receipts, roster
from leaderboard.acceptance import MAX_NAME, Upload, check_roster, find_or_add_participant, log_clock_step
from leaderboard.bodies import attachment_body
from leaderboard.competitions import check_current, name_of
from leaderboard.database import Database
from leaderboard.receipts import microseconds, rfc3339
from leaderboard.records import storable
from leaderboard.rows import Row, made
from tasks.errors import UserError

A_DAY = 10
"""The most files of a participant and homework in a day."""

IN_ALL = 60
"""The most files of a participant and homework."""

STEPS = ("begun", "row", "committed")
"""The points at which `attach` calls `step`, in order; nothing is stored before the last one."""


@dataclass(frozen=True)
class Attachment:
    """A second file. `competition` is the homework's name, `person_key` who handed it in, `at` when it arrived."""

    id: int
    competition: str
    participant: str
    person_key: str
    kind: str
    sha256: str
    size: int
    filename: str
    at: datetime


@dataclass(frozen=True)
class Terms:
    """The rules of a second file for one participant at one instant: its last instant in time, and the quota day."""

    closes: datetime | None
    day: str


@dataclass(frozen=True)
class Attached:
    """A recorded second file. `again` means that it was recorded before; `left` is how many more fit today."""

    attachment: Attachment
    receipt: str
    again: bool
    left: int


def attach(
    db: Database,
    upload: Upload,
    kind: str,
    terms: Callable[[], Terms],
    *,
    course: str,
    competition: str,
    participant: str,
    person: str,
    on_roster: str | None,
    sign: Callable[[bytes], bytes],
    step: Callable[[str], None] = lambda name: None,
) -> Attached:
    """Records one second file in one transaction, with event and receipt, or changes nothing.

    `competition` is the key of the current data, whose memberships the first file fixes as a submission does; the file
    itself belongs to the homework. `terms` is asked under the lock, so that a change of the rules comes wholly before
    or after it, and raises UserError where no file is asked for. `on_roster` is the person as in
    `leaderboard.acceptance.accept`. The bytes of the participant's latest file, and a key that was used with the same
    bytes, give the same receipt again, even after the deadline.

    Raises UserError: E_ATTACHMENT_LATE (exit 5), E_ATTACHMENT_QUOTA (exit 4), E_CLIENT_KEY (exit 8), and for the
    person as `accept` does.
    """
    now, homework = upload.arrived, name_of(competition)
    key = upload.client_key[:MAX_NAME]
    with db.transaction():
        step("begun")
        check_current(db, competition)
        holds = terms()
        members = check_roster(db, competition, participant, "person", on_roster)
        earlier = db.fetch(f"{_OF_PARTICIPANT} ORDER BY id", homework=homework, participant=participant)
        day, left = _left(earlier, holds.day)
        known = _known(earlier, upload.sha256, key)
        if known is not None:
            step("row")  # in case that the bytes were lost since
            return Attached(_made(known), known["receipt"], True, left)
        if holds.closes is not None and now > holds.closes:
            raise UserError(
                f"the second file of {homework} could be handed in until {holds.closes.isoformat(timespec='seconds')};"
                " nothing was recorded.",
                code="E_ATTACHMENT_LATE",
                exit_code=5,
            )
        if not left:
            most = f"{IN_ALL} in all" if len(earlier) >= IN_ALL else f"{A_DAY} a day"
            raise UserError(
                f"at most {most} second files of {homework} are kept; nothing was recorded. The latest one counts.",
                code="E_ATTACHMENT_QUOTA",
                exit_code=4,
            )
        find_or_add_participant(db, competition, participant, "person", now)
        log_clock_step(db, now)
        values: dict[str, Any] = {
            "id": db.next_id("attachments"),
            "competition": homework,
            "participant": participant,
            "person_key": person,
            "client_key": key,
            "kind": kind,
            "sha256": upload.sha256,
            "size": upload.size,
            "filename": storable(upload.filename),
            "day": day,
            "at": microseconds(now),
        }
        if members:
            fixed = {"memberships": [[competition, member.key, participant] for member in members]}
            seq = events.append(db, "memberships fixed", person, fixed, now).seq
            for member in members:
                roster.fix_membership(db, competition, member.id, participant, seq)
        event = events.append(db, "attached", person, attachment_body(values), now)
        receipt = receipts.write(
            receipts.AttachmentReceipt(
                schema=receipts.ATTACHED,
                course=course,
                competition=homework,
                participant=participant,
                attachment=values["id"],
                kind=kind,
                sha256=upload.sha256,
                size=upload.size,
                accepted_at=rfc3339(now),
                chain_seq=event.seq,
                chain_hash=event.hash,
            ),
            sign,
        )
        db.execute(
            "INSERT INTO attachments (id, competition, participant, person_key, client_key, kind, sha256, size, "
            "filename, day, at, event_seq, receipt) VALUES (:id, :competition, :participant, :person_key, :client_key, "
            ":kind, :sha256, :size, :filename, :day, :at, :event_seq, :receipt)",
            **values,
            event_seq=event.seq,
            receipt=receipt,
        )
        step("row")
    step("committed")
    return Attached(_made(values), receipt, False, left - 1)


def carry_members(db: Database, old: str, new: str, actor: str, now: datetime) -> None:
    """Copies who acts under the name of each participant with a second file from a competition's old data to its new.

    Within a transaction. Else such a file would go over to whoever is in the team next.
    """
    mine = "SELECT participant FROM attachments WHERE competition = :homework"
    members = db.fetch(
        "SELECT p.id, p.key, m.participant FROM memberships m JOIN people p ON p.id = m.person_id "
        f"WHERE m.competition = :old AND m.participant IN ({mine}) AND NOT EXISTS "
        "(SELECT 1 FROM memberships n WHERE n.competition = :new AND n.person_id = m.person_id) ORDER BY p.id",
        homework=name_of(old), old=old, new=new,
    )  # fmt: skip
    names = db.fetch(
        f"SELECT name FROM participants WHERE competition = :old AND kind = 'person' AND name IN ({mine}) ORDER BY id",
        homework=name_of(old), old=old,
    )  # fmt: skip
    for row in names:
        find_or_add_participant(db, new, row["name"], "person", now)
    if members:
        fixed = {"memberships": [[new, row["key"], row["participant"]] for row in members]}
        seq = events.append(db, "memberships fixed", actor, fixed, now).seq
        for row in members:
            roster.fix_membership(db, new, row["id"], row["participant"], seq)


def _known(earlier: list[Row], sha256: str, key: str) -> Row | None:
    """The earlier file that this one is again. Raises UserError E_CLIENT_KEY if its key came with other bytes."""
    for row in earlier:
        if row["client_key"] == key:
            if row["sha256"] != sha256:
                raise UserError(
                    f"This client key was used with other bytes, for attachment {row['id']}; a retry must send the"
                    " same file.",
                    code="E_CLIENT_KEY",
                    exit_code=8,
                )
            return row
    return earlier[-1] if earlier and earlier[-1]["sha256"] == sha256 else None


def attachments(db: Database, homework: str | None = None, participant: str | None = None) -> list[Attachment]:
    """All second files in the order they arrived, or those of a homework, of all or of one participant."""
    if homework is None:
        return [made(Attachment, row) for row in db.fetch(f"SELECT {_COLUMNS} FROM attachments ORDER BY id")]
    only = "" if participant is None else " AND participant = :participant"
    values = {} if participant is None else {"participant": participant}
    sql = f"SELECT {_COLUMNS} FROM attachments WHERE competition = :homework{only} ORDER BY id"
    return [made(Attachment, row) for row in db.fetch(sql, homework=homework, **values)]


def find(db: Database, number: int) -> tuple[Attachment, str] | None:
    """The second file of that number and its receipt, or None."""
    row = db.one(f"SELECT {_COLUMNS}, receipt FROM attachments WHERE id = :id", id=number)
    return None if row is None else (_made(row), row["receipt"])


def left_of(db: Database, homework: str, participant: str, day: str) -> int:
    """How many more files a participant can hand in on that day, or on the day of its latest one if that is later."""
    rows = db.fetch(f"{_OF_PARTICIPANT} ORDER BY id", homework=homework, participant=participant)
    return _left(rows, day)[1]


def _left(earlier: list[Row], day: str) -> tuple[str, int]:
    """The quota day, never before that of the latest file, and how many more files fit on it."""
    day = max([day, *(str(row["day"]) for row in earlier[-1:])])
    today = sum(row["day"] == day for row in earlier)
    return day, max(0, min(A_DAY - today, IN_ALL - len(earlier)))


def _made(row: Row) -> Attachment:
    return made(Attachment, {name: row[name] for name in _COLUMNS.split(", ")})


_COLUMNS = "id, competition, participant, person_key, kind, sha256, size, filename, at"
_OF_PARTICIPANT = (
    f"SELECT {_COLUMNS}, client_key, day, receipt FROM attachments WHERE competition = :homework "
    "AND participant = :participant"
)
