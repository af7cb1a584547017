"""Submissions, selections, reveals and participants, as they are recorded."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from leaderboard import events
from leaderboard.competitions import name_of
from leaderboard.database import Database
from leaderboard.ranking import Kind
from leaderboard.receipts import from_microseconds, microseconds
from leaderboard.rows import made
from tasks.errors import METRIC_REFUSED, UserError


@dataclass(frozen=True)
class StoredSubmission:
    """One submission. `rejected` is the error code of an invalid one, None for a valid or unread one.

    `rejected_details` are the reader's problems, as the JSON passed to `reject`; only its owner may see them.
    """

    id: int
    competition: str
    participant: str
    kind: Kind
    entry: int
    client_key: str
    sha256: str
    size: int
    filename: str
    message: str
    accepted_at: datetime
    quota_day: str
    rejected: str | None
    selected: bool
    practice: bool
    rejected_details: str | None


@dataclass(frozen=True)
class Participant:
    """A participant of one competition; `name` never changes (boards show `roster.display_names`)."""

    competition: str
    name: str
    kind: Kind
    created_at: datetime


def submissions(db: Database, competition: str | None = None, participant: str | None = None) -> list[StoredSubmission]:
    """Submissions in the order of acceptance, optionally of one competition and one participant."""
    conditions, values = ["1 = 1"], {}
    if competition is not None:
        conditions.append("p.competition = :competition")
        values["competition"] = competition
    if participant is not None:
        conditions.append("p.name = :participant")
        values["participant"] = participant
    rows = db.fetch(f"{SELECT_SUBMISSIONS} WHERE {' AND '.join(conditions)} ORDER BY s.id", **values)
    return [made(StoredSubmission, row) for row in rows]


def submission(db: Database, submission_id: int) -> StoredSubmission:
    """One submission. Raises UserError E_NO_SUBMISSION."""
    return find_submission(db, submission_id)


def receipt(db: Database, submission_id: int) -> str:
    """The signed receipt of a submission. Raises UserError E_NO_SUBMISSION."""
    number = find_submission(db, submission_id).id
    return str(db.value("SELECT receipt FROM submissions WHERE id = :id", id=number))


def select(
    db: Database,
    competition: str,
    participant: str,
    ids: Sequence[int],
    limit: int,
    now: datetime,
    closes: datetime | None = None,
) -> None:
    """Choose the submissions for the private board, replacing the earlier choice; none clears it.

    Raises UserError: E_CLOSED (exit 5) after `closes` or once the private scores were revealed, E_SELECTION
    (exit 2) for too many, or for one that is not a valid submission of the participant; practice does not count.
    """
    chosen = sorted(set(ids))
    with db.transaction():
        if (closes is not None and now > closes) or revealed(db, competition) is not None:
            raise UserError(
                f"{name_of(competition)} is closed; the selection can no longer be changed.",
                code="E_CLOSED",
                exit_code=5,
            )
        if len(chosen) > limit:
            raise UserError(
                f"{len(chosen)} submissions were given; at most {limit} may count.", code="E_SELECTION", exit_code=2
            )
        own = {row.id for row in submissions(db, competition, participant) if row.rejected is None and not row.practice}
        strange = [str(number) for number in chosen if number not in own]
        if strange:
            raise UserError(
                f"{', '.join(strange)}: not a valid submission of {participant} in {name_of(competition)}.",
                code="E_SELECTION",
                exit_code=2,
            )
        if own:
            replace_selection(db, competition, participant, chosen, now)


def participants(db: Database, competition: str | None = None) -> list[Participant]:
    """The participants with submissions, in the order of their first one."""
    only = "" if competition is None else "WHERE competition = :competition"
    values = {} if competition is None else {"competition": competition}
    rows = db.fetch(f"SELECT competition, name, kind, created_at FROM participants {only} ORDER BY id", **values)
    return [made(Participant, row) for row in rows]


def count_submissions(db: Database, competition: str) -> int:
    """The number of submissions of a competition, rejected ones included."""
    return int(
        db.value(
            "SELECT count(*) FROM submissions s JOIN participants p ON p.id = s.participant_id "
            "WHERE p.competition = :name",
            name=competition,
        )
    )


@dataclass(frozen=True)
class Handed:
    """How many files of a participant are in time, practice, and refused."""

    counted: int
    practice: int
    refused: int


def handed_in(db: Database, competition: str) -> dict[str, Handed]:
    """How many files each participant of a competition has handed in."""
    rows = db.fetch(
        "SELECT p.name, count(CASE WHEN s.rejected_at IS NULL AND NOT s.practice THEN 1 END) AS counted, "
        "count(CASE WHEN s.rejected_at IS NULL AND s.practice THEN 1 END) AS practice, "
        "count(CASE WHEN s.rejected_at IS NOT NULL THEN 1 END) AS refused "
        "FROM participants p JOIN submissions s ON s.participant_id = p.id WHERE p.competition = :competition "
        "GROUP BY p.name",
        competition=competition,
    )
    return {row.pop("name"): made(Handed, row) for row in rows}


def reveal(
    db: Database, competition: str, actor: str, reason: str, now: datetime, check: Callable[[], None] = lambda: None
) -> datetime:
    """Reveal the private scores of a competition, permanently; returns when that first happened.

    `check` is called in the transaction, and ends it by what it raises.
    """
    with db.transaction():
        before = revealed(db, competition)
        if before is not None:
            return before
        check()
        db.execute(
            "INSERT INTO reveals (competition, at, actor, reason) VALUES (:competition, :at, :actor, :reason)",
            competition=competition,
            at=microseconds(now),
            actor=storable(actor),
            reason=storable(reason),
        )
        events.append(db, "revealed", storable(actor), {"competition": competition, "reason": reason}, now)
        return now


def revealed(db: Database, competition: str) -> datetime | None:
    """When the private scores were revealed, or None."""
    at = db.value("SELECT at FROM reveals WHERE competition = :competition", competition=competition)
    return None if at is None else from_microseconds(at)


def log_event(db: Database, kind: str, actor: str, body: Mapping[str, Any], now: datetime) -> events.Event:
    """Append the caller's event to the log. Nothing in it may depend on a hidden answer."""
    with db.transaction():
        return events.append(db, kind, storable(actor), body, now)


SELECT_SUBMISSIONS = """
    SELECT s.id, p.competition, p.name AS participant, p.kind, s.entry, s.client_key, s.sha256, s.size, s.filename,
    s.message, s.accepted_at, s.quota_day, s.rejected_code AS rejected,
    (SELECT 1 FROM selections c WHERE c.participant_id = p.id AND c.submission_id = s.id) AS selected, s.practice,
    s.rejected_details
    FROM submissions s JOIN participants p ON p.id = s.participant_id
"""


def find_submission(db: Database, submission_id: int) -> StoredSubmission:
    # Neither database accepts an id beyond 64 bits.
    row = db.one(f"{SELECT_SUBMISSIONS} WHERE s.id = :id", id=submission_id) if abs(submission_id) < 2**63 else None
    if row is None:
        raise UserError(f"There is no submission {submission_id}.", code="E_NO_SUBMISSION", exit_code=2)
    return made(StoredSubmission, row)


def count_on_day(db: Database, which: str, participant_id: int, day: str, practice: bool) -> int:
    counted = db.value(
        "SELECT count(*) FROM submissions WHERE participant_id = :id AND quota_day = :day "
        f"AND practice = :practice AND {which}",
        id=participant_id, day=day, practice=practice, metric=METRIC_REFUSED, out=events.DISQUALIFIED,
    )  # fmt: skip
    return int(counted)


def replace_selection(
    db: Database,
    competition: str,
    participant: str,
    chosen: list[int],
    now: datetime,
    drop: int | None = None,
    actor: str | None = None,
    reason: str | None = None,
) -> None:
    """Sets the selection of a participant, or takes `drop` out of it; staff who do so are the `actor`."""
    who = participant_id(db, competition, participant)
    assert who is not None, "the caller has seen a submission of this participant"
    if drop is not None:
        before = db.column("SELECT submission_id FROM selections WHERE participant_id = :id", id=who)
        chosen = sorted(number for number in before if number != drop)
    db.execute("DELETE FROM selections WHERE participant_id = :id", id=who)
    for number in chosen:
        db.execute("INSERT INTO selections (participant_id, submission_id) VALUES (:id, :n)", id=who, n=number)
    body = {"competition": competition, "participant": participant, "submissions": chosen}
    body |= {} if reason is None else {"reason": reason}
    events.append(db, "selected", actor or participant, body, now)


def participant_id(db: Database, competition: str, name: str) -> int | None:
    """The number of a participant, or None before its first submission."""
    number: int | None = db.value(
        "SELECT id FROM participants WHERE competition = :competition AND name = :name",
        competition=competition, name=name,
    )  # fmt: skip
    return number


def storable(text: str) -> str:
    """Text that both databases can store: undecodable bytes and NUL become escapes."""
    return text.encode("utf-8", "backslashreplace").decode().replace("\0", "\\x00")
