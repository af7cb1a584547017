"""Accepting a file, or refusing it: roster, deadline, quota, receipt and log in one transaction."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Literal

from leaderboard import events, queue, receipts, roster
from leaderboard.competitions import check_current, name_of
from leaderboard.database import Database
from leaderboard.disqualified import refuse_disqualified
from leaderboard.ranking import Kind
from leaderboard.receipts import from_microseconds, microseconds, rfc3339
from leaderboard.records import count_on_day, find_submission, participant_id, replace_selection, revealed, storable
from leaderboard.rows import Row
from tasks.errors import UserError

STEPS = ("begun", "participant", "event", "receipt", "submission", "committed")
"""The points at which `accept` calls `step`, in order; nothing is stored before the last one."""

CLOCK_TOLERANCE = timedelta(seconds=1)
"""A smaller backward step of the clock may just be waiting for the lock, and is not logged."""

KEPT_FILES, KEPT_BYTES = 5, 4 * 2**20
"""Limits on the refused files kept for a participant and quota day: number and total bytes."""

MAX_NAME = 200
MAX_MESSAGE = 1000


@dataclass(frozen=True)
class Upload:
    """A file that was sent and stored: its bytes' hash and number, its name and message, and when its last byte came.

    `client_key` is the same when a client sends the file again; one that is the hash is none.
    """

    sha256: str
    size: int
    filename: str
    message: str
    client_key: str
    arrived: datetime


@dataclass(frozen=True)
class Terms:
    """The rules of a competition for one participant, at one instant.

    `closes` is the last instant in time, None for an open competition; `quota` is that of the quota day `day`, the date
    in the quota's zone, and `next_slot` is the start of the next day. `late` decides whether a late file is refused, or
    accepted as practice with separate slots; without `limited`, as for baselines, no quota and no deadline holds.
    `again` is "latest" for a competition in which the last file counts.
    """

    closes: datetime | None
    quota: int
    rejections: int
    day: str
    next_slot: datetime
    late: Literal["refuse", "practice"] = "practice"
    again: Literal["any", "latest"] = "any"
    limited: bool = True


@dataclass(frozen=True)
class Acceptance:
    """An accepted submission. `receipt` is signed JSON (see `leaderboard.receipts`).

    `practice` means that it was late: scored for practice, not ranked, with a separate quota. `used` counts those of
    the quota day, by the rules in `terms`, now that the file arrived. `again` means that the same bytes were accepted
    before: this is that receipt, and no second slot was used.
    """

    submission: int
    entry: int
    receipt: str
    used: int
    terms: Terms = field(compare=False)
    again: bool
    practice: bool = False


@dataclass(frozen=True)
class QuotaDay:
    """The used quota and the rejected files of one day."""

    day: str
    used: int
    rejected: int


def accept(
    db: Database,
    upload: Upload,
    terms: Terms,
    *,
    course: str,
    competition: str,
    participant: str,
    kind: Kind,
    sign: Callable[[bytes], bytes],
    person: str | None = None,
    step: Callable[[str], None] = lambda name: None,
) -> Acceptance:
    """Accept one file in one transaction, with identity, deadline, quota, hash, event and receipt, or change nothing.

    Everything is late once the private scores were revealed. With a roster, the participant must have a member on it:
    `person`, if the caller knows who sent the file. The first file of a participant fixes its members in this
    competition (`roster.participant_of`). The same bytes from the same participant give the same receipt again,
    whatever their client key and even after the deadline, unless they were rejected since, or were practice and are in
    time now; a client key that was used with other bytes is refused. Where the last file counts, bytes in time are the
    same submission only if they are those of the latest file, or come with the key of their earlier one: a late retry
    does not count again. If the clock has stepped back to a day before the participant's last one, the submission
    counts against that last day, so that a wrong clock never opens fresh slots.

    Raises UserError: E_CLOSED (exit 5), E_QUOTA and E_REJECTIONS (exit 4), E_CLIENT_KEY (exit 8) if the key was
    used with other bytes, E_NAME (exit 2 or 6), E_DISABLED and E_ROSTER (exit 6).
    """
    now, sha256, client_key = upload.arrived, upload.sha256, upload.client_key
    day = date.fromisoformat(terms.day)
    _check_name("The name", participant)
    _check_name("The client key", client_key)
    if len(upload.message) > MAX_MESSAGE:
        raise UserError(
            f"The message has {len(upload.message)} characters; at most {MAX_MESSAGE} are kept.",
            code="E_MESSAGE",
            exit_code=2,
        )
    with db.transaction():
        step("begun")
        check_current(db, competition)
        members = check_roster(db, competition, participant, kind, person)
        owner = find_or_add_participant(db, competition, participant, kind, now)
        step("participant")
        over = _over(db, competition, terms.closes, now) if terms.limited else ""
        practice = bool(over)
        earlier = _earlier(db, owner, sha256, client_key, practice)
        if earlier is not None and terms.again == "latest" and not practice:
            keyed = None if client_key == sha256 else _keyed(db, owner, client_key)
            earlier = keyed or _latest(db, owner, sha256)
            if earlier is None and client_key == sha256:  # the earlier submission has this key
                client_key = f"{client_key[: MAX_NAME - 20]}/{_last_entry(db, owner, terms.day)[0] + 1}"
        entry, quota_day = _last_entry(db, owner, terms.day)
        used = _used(db, owner, quota_day, practice)
        if earlier is not None:
            number, entry, receipt = earlier["id"], earlier["entry"], earlier["receipt"]
            return Acceptance(number, entry, receipt, used, terms, again=True, practice=bool(earlier["practice"]))
        refuse_disqualified(db, competition, participant, sha256)
        if over and terms.late == "refuse":
            raise UserError(over, code="E_CLOSED", exit_code=5)
        next_slot = terms.next_slot + (date.fromisoformat(quota_day) - day)
        if terms.limited:
            _check_quota(db, owner, quota_day, practice, used, terms, next_slot)
        full = terms.limited and used + 1 >= terms.quota
        number = db.next_id("submissions")
        fields = {
            "competition": competition,
            "participant": participant,
            "submission": number,
            "entry": entry + 1,
            "sha256": sha256,
            "size": upload.size,
            "accepted_at": rfc3339(now),
            "quota_day": quota_day,
            **({"practice": True} if practice else {}),
        }
        log_clock_step(db, now)
        joined = {"members": [member.key for member in members]} if members else {}
        body = {**fields, "course": course, "client_key": client_key, **joined}
        event = events.append(db, "accepted", participant, body, now)
        for member in members:
            roster.fix_membership(db, competition, member.id, participant, event.seq)
        step("event")
        receipt = receipts.write(
            receipts.Receipt(
                schema=receipts.SCHEMA,
                course=course,
                competition=competition,
                participant=participant,
                submission=number,
                entry=entry + 1,
                sha256=sha256,
                size=upload.size,
                accepted_at=rfc3339(now),
                quota_day=quota_day,
                quota_used=used + 1,
                quota_limit=terms.quota if terms.limited else None,
                next_slot=rfc3339(next_slot) if full else None,
                chain_seq=event.seq,
                chain_hash=event.hash,
                practice=practice,
            ),
            sign,
        )
        step("receipt")
        db.execute(
            "INSERT INTO submissions (id, participant_id, entry, client_key, sha256, size, filename, message, "
            "accepted_at, quota_day, event_seq, receipt, practice) VALUES (:id, :participant, :entry, :key, :sha, "
            ":size, :filename, :message, :at, :day, :seq, :receipt, :practice)",
            id=number,
            participant=owner,
            entry=entry + 1,
            key=client_key,
            sha=sha256,
            size=upload.size,
            filename=storable(upload.filename),
            message=storable(upload.message),
            at=microseconds(now),
            day=quota_day,
            seq=event.seq,
            receipt=receipt,
            practice=practice,
        )
        step("submission")
    step("committed")
    return Acceptance(number, entry + 1, receipt, used + 1, terms, again=False, practice=practice)


def reject(db: Database, submission_id: int, problems_code: str, now: datetime, details: str | None = None) -> bool:
    """Reject an invalid file: its slot is given back, and it counts towards the limit of rejected files.

    `details` is JSON of its problems, kept for its owner and never in an event. Beyond `KEPT_FILES` and `KEPT_BYTES`
    the bytes need not be kept, and `drop` may remove them. Returns False if it was already rejected.
    Raises UserError E_CONFLICT if it has a grade.
    """
    with db.transaction():
        row = find_submission(db, submission_id)
        queue.end(db, submission_id)
        if row.rejected is not None:
            return False
        if db.one("SELECT 1 FROM grades WHERE submission_id = :id LIMIT 1", id=submission_id):
            raise UserError(
                f"Submission {submission_id} has a grade and cannot be rejected.", code="E_CONFLICT", exit_code=8
            )
        if row.selected:
            replace_selection(db, row.competition, row.participant, [], now, drop=submission_id)
        db.execute(
            "UPDATE submissions SET rejected_at = :at, rejected_code = :code, rejected_details = :details "
            "WHERE id = :id",
            at=microseconds(now),
            code=problems_code,
            details=details,
            id=submission_id,
        )
        kept = _keeps_refused(db, submission_id, row.size)
        if not kept:
            db.execute(
                "INSERT INTO dropped (submission_id, at) VALUES (:id, :at)", id=submission_id, at=microseconds(now)
            )
        body = {"submission": submission_id, "code": problems_code, **({} if kept else {"kept": False})}
        events.append(db, "rejected", row.participant, body, now)
        return True


def _keeps_refused(db: Database, submission_id: int, size: int) -> bool:
    """Whether the refused files kept for its participant and day leave room for this one."""
    before = db.one(
        "SELECT count(*) AS files, coalesce(sum(o.size), 0) AS bytes FROM submissions s JOIN submissions o "
        "ON o.participant_id = s.participant_id AND o.quota_day = s.quota_day AND o.rejected_at IS NOT NULL "
        "AND o.id <> s.id WHERE s.id = :id AND NOT EXISTS (SELECT 1 FROM dropped d WHERE d.submission_id = o.id)",
        id=submission_id,
    )
    assert before is not None, "an aggregate has a row"
    return bool(before["files"] < KEPT_FILES and before["bytes"] + size <= KEPT_BYTES)


def dropped(db: Database, submission_id: int | None = None) -> dict[int, str]:
    """The SHA-256 of refused submissions whose bytes need not be kept, by id: of all, or of one."""
    only = "" if submission_id is None else "WHERE d.submission_id = :id"
    values = {} if submission_id is None else {"id": submission_id}
    rows = db.fetch(
        f"SELECT s.id, s.sha256 FROM dropped d JOIN submissions s ON s.id = d.submission_id {only} ORDER BY s.id",
        **values,
    )
    return {row["id"]: row["sha256"] for row in rows}


def drop(db: Database, sha256: str, remove: Callable[[str], None]) -> bool:
    """Calls `remove` for bytes that no submission, verification or attachment needs; returns whether it did.

    It holds the lock of acceptance, so that nobody submits the same bytes meanwhile. A crash before it leaves unneeded
    bytes, never a submission without its bytes.
    """
    with db.transaction():
        wanted = db.one(
            "SELECT 1 FROM submissions s WHERE s.sha256 = :sha AND NOT EXISTS "
            "(SELECT 1 FROM dropped d WHERE d.submission_id = s.id) UNION SELECT 1 FROM verifications "
            "WHERE model = :sha UNION SELECT 1 FROM attachments WHERE sha256 = :sha LIMIT 1",
            sha=sha256,
        )  # fmt: skip
        if wanted is None:
            remove(sha256)
        return wanted is None


def quota_state(db: Database, competition: str, participant: str, day: str, *, practice: bool = False) -> QuotaDay:
    """The used quota of `day`, or of the participant's last day if the clock says an earlier one.

    Practice, after the deadline, has a separate quota.
    """
    with db.reading():
        who = participant_id(db, competition, participant)
        if who is None:
            return QuotaDay(day, 0, 0)
        _, quota_day = _last_entry(db, who, day)
        used, rejected = _used(db, who, quota_day, practice), _rejected(db, who, quota_day, practice)
        return QuotaDay(quota_day, used, rejected)


def find_or_add_participant(db: Database, competition: str, name: str, kind: Kind, now: datetime) -> int:
    """The id of a participant, added if it is new. Within a transaction; raises UserError E_NAME for another kind."""
    row = db.one(
        "SELECT id, kind FROM participants WHERE competition = :competition AND name = :name",
        competition=competition, name=name,
    )  # fmt: skip
    if row is not None:
        if row["kind"] != kind:
            raise UserError(
                f"The name {name} belongs to a {row['kind']} in {name_of(competition)}; choose another.",
                code="E_NAME",
                exit_code=6,
            )
        return int(row["id"])
    number = db.next_id("participants")
    db.execute(
        "INSERT INTO participants (id, competition, name, kind, created_at) VALUES (:id, :where, :name, :kind, :at)",
        id=number,
        where=competition,
        name=name,
        kind=kind,
        at=microseconds(now),
    )
    return number


def _over(db: Database, competition: str, closes: datetime | None, now: datetime) -> str:
    """Why a file that arrives now is late, or "" if it is in time."""
    if closes is not None and now > closes:
        at = closes.isoformat(timespec="seconds")
        return f"{name_of(competition)} closed at {at}; this file arrived at {rfc3339(now)}."
    opened = revealed(db, competition)
    if opened is not None:
        return f"{name_of(competition)} is over: its private board was revealed at {rfc3339(opened)}."
    return ""


def check_roster(
    db: Database, competition: str, participant: str, kind: Kind, person: str | None
) -> list[roster.Member]:
    """Checks, with a roster, that an active person on it acts under this participant, and no baseline uses its names.

    Returns the members that this participant's first file fixes.
    """
    if roster.is_empty(db):
        return []
    if kind != "person":
        names = "SELECT key AS name FROM people UNION SELECT handle FROM teams UNION SELECT name FROM teams"
        if db.one(f"SELECT 1 FROM ({names}) n WHERE n.name = :name", name=participant):
            raise UserError(
                f"{participant} is on the roster; choose another name for the {kind}.", code="E_NAME", exit_code=6
            )
        return []
    under = roster.members_of(db, competition, participant)
    if not under:
        acts = roster.participant_of(db, competition, participant)
        team = roster.display_names(db).get(acts, acts)
        where = f"is in the team {team} and submits under its name" if acts != participant else "is not on the roster"
        raise UserError(f"{participant} {where}.", code="E_ROSTER", exit_code=6)
    if person is not None and person not in {member.key for member in under}:
        raise UserError(
            f"{person} was just moved to another team; submit the file again.", code="E_ROSTER", exit_code=6
        )
    if all(member.disabled for member in under) or any(one.disabled for one in under if one.key == person):
        raise UserError(
            f"{person or participant} was taken off the roster; ask the course staff.", code="E_DISABLED", exit_code=6
        )
    return [member for member in under if not member.fixed]


_VALID = (
    "SELECT id, entry, receipt, sha256, practice FROM submissions WHERE participant_id = :id AND rejected_at IS NULL"
)
_RANKED = f"{_VALID} AND NOT practice"


def _earlier(db: Database, participant_id: int, sha256: str, client_key: str, practice: bool) -> Row | None:
    """The earlier submission of the same bytes: ranked ones first, and practice ones only for practice.

    One that was disqualified stays the submission of its bytes.
    """
    live = f"{_VALID} AND (NOT practice OR :practice)"
    values = {"id": participant_id, "practice": practice}
    keyed = db.one(f"{live} AND client_key = :key ORDER BY practice LIMIT 1", **values, key=client_key)
    if keyed is not None and keyed["sha256"] != sha256:
        raise UserError(
            f"This client key was used with other bytes, for submission {keyed['id']}; a retry must send the same"
            " file.",
            code="E_CLIENT_KEY",
            exit_code=8,
        )
    return db.one(
        "SELECT id, entry, receipt, sha256, practice FROM submissions WHERE participant_id = :id AND sha256 = :sha "
        "AND (rejected_at IS NULL OR rejected_code = :disqualified) AND (NOT practice OR :practice) "
        "ORDER BY practice, id LIMIT 1",
        **values,
        sha=sha256,
        disqualified=events.DISQUALIFIED,
    )


def _latest(db: Database, participant_id: int, sha256: str) -> Row | None:
    """The participant's latest valid file in time, if it has these bytes."""
    row = db.one(f"{_RANKED} ORDER BY entry DESC LIMIT 1", id=participant_id)
    return None if row is None or row["sha256"] != sha256 else row


def _keyed(db: Database, participant_id: int, client_key: str) -> Row | None:
    """The participant's valid file in time that came with this key."""
    return db.one(f"{_RANKED} AND client_key = :key", id=participant_id, key=client_key)


def _last_entry(db: Database, participant_id: int, day: str) -> tuple[int, str]:
    """The participant's last entry number, and the quota day for now: never before that of the last entry."""
    row = db.one(
        "SELECT entry, quota_day FROM submissions WHERE participant_id = :id ORDER BY entry DESC LIMIT 1",
        id=participant_id,
    )
    return (row["entry"], max(day, row["quota_day"])) if row else (0, day)


def _used(db: Database, participant_id: int, day: str, practice: bool) -> int:
    return count_on_day(db, "(rejected_at IS NULL OR rejected_code IN (:metric, :out))", participant_id, day, practice)


def _rejected(db: Database, participant_id: int, day: str, practice: bool) -> int:
    return count_on_day(
        db, "rejected_at IS NOT NULL AND rejected_code NOT IN (:metric, :out)", participant_id, day, practice
    )


def _check_quota(
    db: Database,
    participant_id: int,
    day: str,
    practice: bool,
    used: int,
    terms: Terms,
    next_slot: datetime,
) -> None:
    after = f" The next slot opens at {next_slot.isoformat(timespec='seconds')}."
    if used >= terms.quota:
        raise UserError(f"All {terms.quota} submissions of {day} are used.{after}", code="E_QUOTA", exit_code=4)
    if _rejected(db, participant_id, day, practice) >= terms.rejections:
        raise UserError(
            f"{terms.rejections} files were rejected on {day}, the limit for one day.{after}",
            code="E_REJECTIONS",
            exit_code=4,
        )


def log_clock_step(db: Database, now: datetime) -> None:
    """Adds an event if the clock is before the latest event."""
    last = db.value("SELECT e.at FROM chain_head h JOIN events e ON e.seq = h.seq WHERE h.id = 1")
    if last is not None and now < from_microseconds(last) - CLOCK_TOLERANCE:
        body = {"before": rfc3339(from_microseconds(last)), "now": rfc3339(now)}
        events.append(db, "clock stepped back", "lhy-grade", body, now)


def _check_name(what: str, text: str) -> None:
    if not text.strip() or len(text) > MAX_NAME or text != storable(text):
        raise UserError(f"{what} is empty, longer than {MAX_NAME} characters or not text.", code="E_NAME", exit_code=2)
