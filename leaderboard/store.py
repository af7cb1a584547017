"""The operations on a course's submissions: accept, reject, record, select, reveal.

Plain values go in, frozen dataclasses come out; instants are aware datetimes, and the clock is never read here.
Acceptance comes first and is one transaction; grades are recorded later, once for each submission and version.
"Earlier" always means accepted earlier: the order of submission ids, which are assigned under the lock, whatever the
clock said.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Literal

from leaderboard import events, receipts, roster
from leaderboard.competitions import check_current, find_or_add_version, name_of
from leaderboard.database import Database, LeaderboardError
from leaderboard.ranking import Kind, find_version, texts
from leaderboard.receipts import instant, microseconds, rfc3339

STEPS = ("begun", "participant", "event", "receipt", "submission", "committed")
"""The points at which `accept` calls `step`, in order; nothing is stored before the last one."""

CLOCK_TOLERANCE = timedelta(seconds=1)
"""A smaller backward step of the clock may just be waiting for the lock, and is not logged."""

KEPT_FILES, KEPT_BYTES = 5, 4 * 2**20
"""Limits on the refused files kept for a participant and quota day: number and total bytes."""

MAX_NAME = 200
MAX_MESSAGE = 1000


@dataclass(frozen=True)
class Accepted:
    """An accepted submission. `receipt` is signed JSON (see `leaderboard.receipts`).

    `practice` means that it was late: scored for practice, not ranked, with a separate quota. `used` counts this one
    and those before it on its quota day; `next_slot` is None while slots are left. `again` means that the same bytes
    were accepted before: this is that receipt, and no second slot was used.
    """

    submission: int
    entry: int
    receipt: str
    used: int
    next_slot: datetime | None
    again: bool
    practice: bool = False


@dataclass(frozen=True)
class Submission:
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
class PublicGrade:
    """The part of a grade that students may see before the private scores are revealed."""

    public: float
    details: str
    passed: tuple[str, ...]
    graded_at: datetime


@dataclass(frozen=True)
class GradeRow:
    """All fields of one grade, for the instructor and for checking `mac`."""

    submission: int
    competition: str
    participant: str
    sha256: str
    data_version: str
    metric_version: str
    higher_is_better: bool
    public: float
    private: float | None
    details: str
    private_details: str
    passed_public: tuple[str, ...]
    passed_private: tuple[str, ...]
    mac: str
    graded_at: datetime


@dataclass(frozen=True)
class QuotaState:
    """The used quota and the rejected files of one day."""

    day: str
    used: int
    rejected: int


@dataclass(frozen=True)
class Participant:
    """A participant of one competition; `name` never changes (boards show `roster.display_names`)."""

    competition: str
    name: str
    kind: Kind
    created_at: datetime


def accept(
    db: Database,
    *,
    course: str,
    competition: str,
    participant: str,
    kind: Kind,
    sha256: str,
    size: int,
    filename: str,
    message: str,
    client_key: str,
    now: datetime,
    day: str,
    next_slot: datetime | None,
    quota: int | None,
    rejections: int | None,
    closes: datetime | None,
    sign: Callable[[bytes], bytes],
    late: Literal["refuse", "practice", "never"] = "refuse",
    person: str | None = None,
    again: Literal["any", "latest"] = "any",
    step: Callable[[str], None] | None = None,
) -> Accepted:
    """Accept one file in one transaction, with identity, deadline, quota, hash, event and receipt, or change nothing.

    `day` is the date of `now` in the quota's zone, `next_slot` the start of the next day. `closes` is the last instant
    in time, and everything is late once the private scores were revealed; `late` decides whether a late file is
    refused, accepted as practice with separate slots, or never late. With a roster, the participant must have a member
    on it: `person`, if the caller knows who sent the file. The first file of a participant fixes its members in this
    competition (`roster.participant_of`). The same bytes from the same participant give the same receipt again,
    whatever their client key and even after the deadline, unless they were rejected since, or were practice and are in
    time now; a client key that was used with other bytes is refused. With `again` "latest", for a competition in which
    the last file counts, bytes in time are the same submission only if they are those of the latest file, or come with
    the key of their earlier one: a late retry does not count again. A key that is the hash is none. If the clock has
    stepped back to a day before the participant's last one, the submission counts against that last day, so that a
    wrong clock never opens fresh slots.

    Raises LeaderboardError: E_CLOSED (exit 5), E_QUOTA and E_REJECTIONS (exit 4), E_CLIENT_KEY (exit 8) if the key was
    used with other bytes, E_NAME (exit 2 or 6), E_DISABLED and E_ROSTER (exit 6).
    """
    at_step = step or _no_step
    date.fromisoformat(day)
    _check_name("The name", participant)
    _check_name("The client key", client_key)
    if len(message) > MAX_MESSAGE:
        raise LeaderboardError(
            f"The message has {len(message)} characters; at most {MAX_MESSAGE} are kept.", code="E_MESSAGE", exit_code=2
        )
    with db.transaction():
        at_step("begun")
        check_current(db, competition)
        members = _check_roster(db, competition, participant, kind, person)
        participant_id = _participant(db, competition, participant, kind, now)
        at_step("participant")
        over = "" if late == "never" else _over(db, competition, closes, now)
        practice = bool(over)
        earlier = _earlier(db, participant_id, sha256, client_key, practice)
        if earlier is not None and again == "latest" and not practice:
            keyed = None if client_key == sha256 else _keyed(db, participant_id, client_key)
            earlier = keyed or _latest(db, participant_id, sha256)
            if earlier is None and client_key == sha256:  # the earlier submission has this key
                client_key = f"{client_key[: MAX_NAME - 20]}/{_last_entry(db, participant_id, day)[0] + 1}"
        if earlier is not None:
            return earlier
        if over and late == "refuse":
            raise LeaderboardError(over, code="E_CLOSED", exit_code=5)
        entry, quota_day = _last_entry(db, participant_id, day)
        next_slot = next_slot and next_slot + (date.fromisoformat(quota_day) - date.fromisoformat(day))
        used = _used(db, participant_id, quota_day, practice)
        _check_quota(db, participant_id, quota_day, practice, used, quota, rejections, next_slot)
        full = quota is not None and used + 1 >= quota
        number = _next_id(db, "SELECT max(id) FROM submissions")
        fields = {
            "competition": competition, "participant": participant, "submission": number, "entry": entry + 1,
            "sha256": sha256, "size": size, "accepted_at": rfc3339(now), "quota_day": quota_day,
            **({"practice": True} if practice else {}),
        }  # fmt: skip
        _log_clock_step(db, now)
        joined = {"members": [key for _, key in members]} if members else {}
        body = {**fields, "course": course, "client_key": client_key, **joined}
        event = events.append(db, "accepted", participant, body, now)
        for person_id, _ in members:
            roster.fix_membership(db, competition, person_id, participant, event.seq)
        at_step("event")
        receipt = receipts.write(
            receipts.Receipt(
                schema=receipts.SCHEMA,
                course=course,
                competition=competition,
                participant=participant,
                submission=number,
                entry=entry + 1,
                sha256=sha256,
                size=size,
                accepted_at=rfc3339(now),
                quota_day=quota_day,
                quota_used=used + 1,
                quota_limit=quota,
                next_slot=rfc3339(next_slot) if full and next_slot else None,
                chain_seq=event.seq,
                chain_hash=event.hash,
                practice=practice,
            ),
            sign,
        )
        at_step("receipt")
        db.execute(
            "INSERT INTO submissions (id, participant_id, entry, client_key, sha256, size, filename, message, "
            "accepted_at, quota_day, event_seq, receipt, practice) VALUES (:id, :participant, :entry, :key, :sha, "
            ":size, :filename, :message, :at, :day, :seq, :receipt, :practice)",
            id=number, participant=participant_id, entry=entry + 1, key=client_key, sha=sha256, size=size,
            filename=_storable(filename), message=_storable(message), at=microseconds(now), day=quota_day,
            seq=event.seq, receipt=receipt, practice=practice,
        )  # fmt: skip
        at_step("submission")
    at_step("committed")
    return Accepted(number, entry + 1, receipt, used + 1, next_slot if full else None, again=False, practice=practice)


def reject(db: Database, submission_id: int, problems_code: str, now: datetime, details: str | None = None) -> bool:
    """Reject an invalid file: its slot is given back, and it counts towards the limit of rejected files.

    `details` is JSON of its problems, kept for its owner and never in an event. Beyond `KEPT_FILES` and `KEPT_BYTES`
    the bytes need not be kept, and `drop` may remove them. Returns False if it was already rejected.
    Raises LeaderboardError E_CONFLICT if it has a grade.
    """
    with db.transaction():
        row = _submission(db, submission_id)
        if row.rejected is not None:
            return False
        if db.one("SELECT 1 FROM grades WHERE submission_id = :id LIMIT 1", id=submission_id):
            raise LeaderboardError(
                f"Submission {submission_id} has a grade and cannot be rejected.", code="E_CONFLICT", exit_code=8
            )
        if row.selected:
            _replace_selection(db, row.competition, row.participant, [], now, drop=submission_id)
        db.execute(
            "UPDATE submissions SET rejected_at = :at, rejected_code = :code, rejected_details = :details "
            "WHERE id = :id",
            at=microseconds(now), code=problems_code, details=details, id=submission_id,
        )  # fmt: skip
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
        "SELECT count(*), coalesce(sum(o.size), 0) FROM submissions s JOIN submissions o ON o.participant_id = "
        "s.participant_id AND o.quota_day = s.quota_day AND o.rejected_at IS NOT NULL AND o.id <> s.id "
        "WHERE s.id = :id AND NOT EXISTS (SELECT 1 FROM dropped d WHERE d.submission_id = o.id)",
        id=submission_id,
    )
    assert before is not None, "an aggregate has a row"
    return bool(before[0] < KEPT_FILES and before[1] + size <= KEPT_BYTES)


def dropped(db: Database, submission_id: int | None = None) -> dict[int, str]:
    """The SHA-256 of refused submissions whose bytes need not be kept, by id: of all, or of one."""
    only = "" if submission_id is None else "WHERE d.submission_id = :id"
    values = {} if submission_id is None else {"id": submission_id}
    rows = db.fetch(
        f"SELECT d.submission_id, s.sha256 FROM dropped d JOIN submissions s ON s.id = d.submission_id {only} "
        "ORDER BY s.id",
        **values,
    )
    return {int(number): str(sha256) for number, sha256 in rows}


def drop(db: Database, sha256: str, remove: Callable[[str], None]) -> bool:
    """Calls `remove` for bytes that no submission and no verification needs; returns whether it did.

    It holds the lock of acceptance, so that nobody submits the same bytes meanwhile. A crash before it leaves unneeded
    bytes, never a submission without its bytes.
    """
    with db.transaction():
        wanted = db.one(
            "SELECT 1 FROM submissions s WHERE s.sha256 = :sha AND NOT EXISTS "
            "(SELECT 1 FROM dropped d WHERE d.submission_id = s.id) UNION SELECT 1 FROM verifications "
            "WHERE model = :sha LIMIT 1",
            sha=sha256,
        )  # fmt: skip
        if wanted is None:
            remove(sha256)
        return wanted is None


def record(
    db: Database,
    submission_id: int,
    *,
    data_version: str,
    metric_version: str,
    public_version: str,
    higher_is_better: bool,
    public: float,
    private: float | None,
    details: str,
    passed_public: Sequence[str],
    passed_private: Sequence[str],
    mac: str,
    now: datetime,
    private_details: str = "{}",
) -> bool:
    """Record the grade of a submission for one data and metric version; returns False if it already has one.

    `public_version` names the version without secrets and is logged; `data_version` and `metric_version` may depend on
    the answers and are not logged. `details` is JSON for all readers of the public board, `private_details` for the
    private board only.

    Raises ValueError for a score that is not finite, which SQLite would store as NULL, and LeaderboardError E_CONFLICT
    for a rejected submission.
    """
    if not math.isfinite(public) or not (private is None or math.isfinite(private)):
        raise ValueError(f"the scores of submission {submission_id} are not finite")
    public, private = float(public) + 0.0, None if private is None else float(private) + 0.0  # -0.0 becomes 0.0
    with db.transaction():
        row = _submission(db, submission_id)
        if row.rejected is not None:
            raise LeaderboardError(
                f"Submission {submission_id} was rejected and cannot be graded.", code="E_CONFLICT", exit_code=8
            )
        version = find_or_add_version(db, row.competition, data_version, metric_version, higher_is_better)
        if db.one("SELECT 1 FROM grades WHERE submission_id = :id AND version_id = :v", id=submission_id, v=version):
            return False
        event = events.append(
            db, "graded", row.participant, {"submission": submission_id, "version": public_version}, now
        )
        db.execute(
            "INSERT INTO grades (id, submission_id, participant_id, version_id, public, public_key, private, details, "
            "private_details, passed_public, passed_private, mac, graded_at, event_seq) SELECT :id, :submission, "
            "participant_id, :version, :public, :key, :private, :details, :private_details, :passed_public, "
            ":passed_private, :mac, :at, :seq FROM submissions WHERE id = :submission",
            id=_next_id(db, "SELECT max(id) FROM grades"), submission=submission_id, version=version, public=public,
            key=public if higher_is_better else -public, private=private, details=details,
            private_details=private_details, passed_public=json.dumps(list(passed_public)),
            passed_private=json.dumps(list(passed_private)), mac=mac, at=microseconds(now), seq=event.seq,
        )  # fmt: skip
        return True


def pending(db: Database, versions: Mapping[str, tuple[str, str]]) -> list[Submission]:
    """Submissions that are neither rejected nor graded under their competition's (data version, metric version)."""
    found = []
    for competition, (data_version, metric_version) in versions.items():
        rows = db.fetch(
            f"{_SUBMISSIONS} WHERE p.competition = :competition AND s.rejected_at IS NULL AND NOT EXISTS "
            "(SELECT 1 FROM grades g JOIN versions v ON v.id = g.version_id WHERE g.submission_id = s.id "
            "AND v.competition = :competition AND v.data_version = :data AND v.metric_version = :metric) ORDER BY s.id",
            competition=competition, data=data_version, metric=metric_version,
        )  # fmt: skip
        found += [_as_submission(row) for row in rows]
    return sorted(found, key=lambda submission: submission.id)


def submissions(db: Database, competition: str | None = None, participant: str | None = None) -> list[Submission]:
    """Submissions in the order of acceptance, optionally of one competition and one participant."""
    conditions, values = ["1 = 1"], {}
    if competition is not None:
        conditions.append("p.competition = :competition")
        values["competition"] = competition
    if participant is not None:
        conditions.append("p.name = :participant")
        values["participant"] = participant
    rows = db.fetch(f"{_SUBMISSIONS} WHERE {' AND '.join(conditions)} ORDER BY s.id", **values)
    return [_as_submission(row) for row in rows]


def submission(db: Database, submission_id: int) -> Submission:
    """One submission. Raises LeaderboardError E_NO_SUBMISSION."""
    return _submission(db, submission_id)


def receipt(db: Database, submission_id: int) -> str:
    """The signed receipt of a submission. Raises LeaderboardError E_NO_SUBMISSION."""
    number = _submission(db, submission_id).id
    return str(db.fetch("SELECT receipt FROM submissions WHERE id = :id", id=number)[0][0])


def public_grades(
    db: Database, competition: str, data_version: str, metric_version: str, participant: str | None = None
) -> dict[int, PublicGrade]:
    """The public part of the grades of one version, by submission id; optionally of one participant."""
    columns = "g.public, g.details, g.passed_public, g.graded_at"
    rows = _grades(db, columns, competition, data_version, metric_version, participant)
    return {row[0]: PublicGrade(row[1], row[2], texts(row[3]), instant(row[4])) for row in rows}


def private_scores(
    db: Database, competition: str, data_version: str, metric_version: str, participant: str | None = None
) -> dict[int, float]:
    """The private scores of one version, by submission id. The caller checks who may see them."""
    rows = _grades(db, "g.private", competition, data_version, metric_version, participant)
    return {number: score for number, score in rows if score is not None}


def private_details(db: Database, submission_id: int, data_version: str, metric_version: str) -> str | None:
    """The JSON of a submission's private grade of one version. The caller checks who may see it."""
    row = db.one(
        "SELECT g.private_details FROM grades g JOIN versions v ON v.id = g.version_id WHERE g.submission_id = :id "
        "AND v.data_version = :data AND v.metric_version = :metric",
        id=submission_id, data=data_version, metric=metric_version,
    )  # fmt: skip
    return None if row is None else str(row[0])


def _grades(
    db: Database, columns: str, competition: str, data_version: str, metric_version: str, participant: str | None
) -> list[tuple[Any, ...]]:
    """Rows of the submission id and these columns, of all participants or of one."""
    version = find_version(db, competition, data_version, metric_version)
    if version is None:
        return []
    only = "" if participant is None else "AND p.name = :participant"
    values = {} if participant is None else {"participant": participant}
    return db.fetch(
        f"SELECT g.submission_id, {columns} FROM participants p JOIN grades g ON g.participant_id = p.id "
        f"WHERE p.competition = :competition AND g.version_id = :version {only}",
        competition=competition, version=version[0], **values,
    )  # fmt: skip


def grade_rows(db: Database, competition: str | None = None) -> Iterator[GradeRow]:
    """All grades, public and private, for the instructor: to check each `mac`, and to export."""
    only = "" if competition is None else "AND p.competition = :competition"
    values = {} if competition is None else {"competition": competition}
    last = 0
    while rows := db.fetch(
        "SELECT g.id, g.submission_id, p.competition, p.name, s.sha256, v.data_version, v.metric_version, "
        "v.higher_is_better, g.public, g.private, g.details, g.private_details, g.passed_public, g.passed_private, "
        "g.mac, g.graded_at FROM grades g JOIN versions v ON v.id = g.version_id JOIN submissions s "
        "ON s.id = g.submission_id JOIN participants p ON p.id = s.participant_id "
        f"WHERE g.id > :last {only} ORDER BY g.id LIMIT 5000",
        last=last, **values,
    ):  # fmt: skip
        for _, number, where, who, sha256, data, metric, higher, public, private, details, hidden, *rest in rows:
            passed_public, passed_private, mac, at = rest
            yield GradeRow(
                number, where, who, sha256, data, metric, bool(higher), public, private, details, hidden,
                _sealed_texts(passed_public), _sealed_texts(passed_private), mac, instant(at),
            )  # fmt: skip
        last = rows[-1][0]


def _sealed_texts(stored: str) -> tuple[str, ...]:
    """The texts of a stored list; unreadable text as it is, so that its `mac` fails."""
    try:
        return texts(stored)
    except (TypeError, ValueError):
        return (str(stored),)


def quota_state(db: Database, competition: str, participant: str, day: str, *, practice: bool = False) -> QuotaState:
    """The used quota of `day`, or of the participant's last day if the clock says an earlier one.

    Practice, after the deadline, has a separate quota.
    """
    with db.reading():
        row = db.one(
            "SELECT id FROM participants WHERE competition = :competition AND name = :name",
            competition=competition, name=participant,
        )  # fmt: skip
        if row is None:
            return QuotaState(day, 0, 0)
        _, quota_day = _last_entry(db, row[0], day)
        used, rejected = _used(db, row[0], quota_day, practice), _rejected(db, row[0], quota_day, practice)
        return QuotaState(quota_day, used, rejected)


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

    Raises LeaderboardError: E_CLOSED (exit 5) after `closes` or once the private scores were revealed, E_SELECTION
    (exit 2) for too many, or for one that is not a valid submission of the participant; practice does not count.
    """
    chosen = sorted(set(ids))
    with db.transaction():
        if (closes is not None and now > closes) or revealed(db, competition) is not None:
            raise LeaderboardError(
                f"{name_of(competition)} is closed; the selection can no longer be changed.",
                code="E_CLOSED",
                exit_code=5,
            )
        if len(chosen) > limit:
            raise LeaderboardError(
                f"{len(chosen)} submissions were given; at most {limit} may count.", code="E_SELECTION", exit_code=2
            )
        own = {row.id for row in submissions(db, competition, participant) if row.rejected is None and not row.practice}
        strange = [str(number) for number in chosen if number not in own]
        if strange:
            raise LeaderboardError(
                f"{', '.join(strange)}: not a valid submission of {participant} in {name_of(competition)}.",
                code="E_SELECTION",
                exit_code=2,
            )
        if own:
            _replace_selection(db, competition, participant, chosen, now)


def participants(db: Database, competition: str | None = None) -> list[Participant]:
    """The participants with submissions, in the order of their first one."""
    only = "" if competition is None else "WHERE competition = :competition"
    values = {} if competition is None else {"competition": competition}
    rows = db.fetch(f"SELECT competition, name, kind, created_at FROM participants {only} ORDER BY id", **values)
    return [Participant(row[0], row[1], row[2], instant(row[3])) for row in rows]


def count_submissions(db: Database, competition: str) -> int:
    """The number of submissions of a competition, rejected ones included."""
    row = db.one(
        "SELECT count(*) FROM submissions s JOIN participants p ON p.id = s.participant_id WHERE p.competition = :name",
        name=competition,
    )
    return int(row[0]) if row else 0


def reveal(db: Database, competition: str, actor: str, reason: str, now: datetime) -> datetime:
    """Reveal the private scores of a competition, permanently; returns when that first happened."""
    with db.transaction():
        before = revealed(db, competition)
        if before is not None:
            return before
        db.execute(
            "INSERT INTO reveals (competition, at, actor, reason) VALUES (:competition, :at, :actor, :reason)",
            competition=competition, at=microseconds(now), actor=_storable(actor), reason=_storable(reason),
        )  # fmt: skip
        events.append(db, "revealed", _storable(actor), {"competition": competition, "reason": reason}, now)
        return now


def revealed(db: Database, competition: str) -> datetime | None:
    """When the private scores were revealed, or None."""
    row = db.one("SELECT at FROM reveals WHERE competition = :competition", competition=competition)
    return None if row is None else instant(row[0])


def log_event(db: Database, kind: str, actor: str, body: Mapping[str, Any], now: datetime) -> events.Event:
    """Append the caller's event to the log. Nothing in it may depend on a hidden answer."""
    with db.transaction():
        return events.append(db, kind, _storable(actor), body, now)


_SUBMISSIONS = """
    SELECT s.id, p.competition, p.name, p.kind, s.entry, s.client_key, s.sha256, s.size, s.filename, s.message,
    s.accepted_at, s.quota_day, s.rejected_code,
    (SELECT 1 FROM selections c WHERE c.participant_id = p.id AND c.submission_id = s.id), s.practice,
    s.rejected_details
    FROM submissions s JOIN participants p ON p.id = s.participant_id
"""


def _as_submission(row: tuple[Any, ...]) -> Submission:
    number, where, who, kind, entry, key, sha256, size, filename, message, at, day, rejected, *rest = row
    selected, practice, details = rest
    return Submission(
        number,
        where,
        who,
        kind,
        entry,
        key,
        sha256,
        size,
        filename,
        message,
        instant(at),
        day,
        rejected,
        bool(selected),
        bool(practice),
        details,
    )


def _submission(db: Database, submission_id: int) -> Submission:
    # Neither database accepts an id beyond 64 bits.
    row = db.one(f"{_SUBMISSIONS} WHERE s.id = :id", id=submission_id) if abs(submission_id) < 2**63 else None
    if row is None:
        raise LeaderboardError(f"There is no submission {submission_id}.", code="E_NO_SUBMISSION", exit_code=2)
    return _as_submission(row)


def _participant(db: Database, competition: str, name: str, kind: Kind, now: datetime) -> int:
    row = db.one(
        "SELECT id, kind FROM participants WHERE competition = :competition AND name = :name",
        competition=competition, name=name,
    )  # fmt: skip
    if row is not None:
        if row[1] != kind:
            raise LeaderboardError(
                f"The name {name} belongs to a {row[1]} in {name_of(competition)}; choose another.",
                code="E_NAME",
                exit_code=6,
            )
        return int(row[0])
    number = _next_id(db, "SELECT max(id) FROM participants")
    db.execute(
        "INSERT INTO participants (id, competition, name, kind, created_at) VALUES (:id, :where, :name, :kind, :at)",
        id=number, where=competition, name=name, kind=kind, at=microseconds(now),
    )  # fmt: skip
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


def _check_roster(
    db: Database, competition: str, participant: str, kind: Kind, person: str | None
) -> list[tuple[int, str]]:
    """Checks, with a roster, that an active person on it acts under this participant, and no baseline uses its names.

    Returns id and key of the members that this participant's first file fixes.
    """
    if roster.is_empty(db):
        return []
    if kind != "person":
        names = "SELECT key AS name FROM people UNION SELECT handle FROM teams UNION SELECT name FROM teams"
        if db.one(f"SELECT 1 FROM ({names}) n WHERE n.name = :name", name=participant):
            raise LeaderboardError(
                f"{participant} is on the roster; choose another name for the {kind}.", code="E_NAME", exit_code=6
            )
        return []
    under = roster.members_of(db, competition, participant)
    if not under:
        acts = roster.participant_of(db, competition, participant)
        team = roster.display_names(db).get(acts, acts)
        where = f"is in the team {team} and submits under its name" if acts != participant else "is not on the roster"
        raise LeaderboardError(f"{participant} {where}.", code="E_ROSTER", exit_code=6)
    if person is not None and person not in {key for _, key, _, _ in under}:
        raise LeaderboardError(
            f"{person} was just moved to another team; submit the file again.", code="E_ROSTER", exit_code=6
        )
    if all(disabled for _, _, disabled, _ in under):
        raise LeaderboardError(
            f"{participant} was taken off the roster; ask the course staff.", code="E_DISABLED", exit_code=6
        )
    return [(number, key) for number, key, _, fixed in under if not fixed]


def _earlier(db: Database, participant_id: int, sha256: str, client_key: str, practice: bool) -> Accepted | None:
    """The earlier acceptance of the same bytes: ranked ones first, and practice ones only for practice."""
    live = "participant_id = :id AND rejected_at IS NULL AND (NOT practice OR :practice)"
    keyed = db.one(
        f"SELECT id, sha256 FROM submissions WHERE {live} AND client_key = :key ORDER BY practice LIMIT 1",
        id=participant_id, practice=practice, key=client_key,
    )  # fmt: skip
    if keyed is not None and keyed[1] != sha256:
        raise LeaderboardError(
            f"This client key was used with other bytes, for submission {keyed[0]}; a retry must send the same file.",
            code="E_CLIENT_KEY",
            exit_code=8,
        )
    row = db.one(
        f"SELECT id, entry, receipt FROM submissions WHERE {live} AND sha256 = :sha ORDER BY practice, id LIMIT 1",
        id=participant_id, practice=practice, sha=sha256,
    )  # fmt: skip
    return None if row is None else _accepted_again(*row)


def _latest(db: Database, participant_id: int, sha256: str) -> Accepted | None:
    """The acceptance of the participant's latest valid file in time, if it has these bytes."""
    row = db.one(
        "SELECT id, entry, receipt, sha256 FROM submissions WHERE participant_id = :id AND rejected_at IS NULL "
        "AND NOT practice ORDER BY entry DESC LIMIT 1",
        id=participant_id,
    )
    return None if row is None or row[3] != sha256 else _accepted_again(*row[:3])


def _keyed(db: Database, participant_id: int, client_key: str) -> Accepted | None:
    """The acceptance of the participant's valid file in time that came with this key."""
    row = db.one(
        "SELECT id, entry, receipt FROM submissions WHERE participant_id = :id AND rejected_at IS NULL "
        "AND NOT practice AND client_key = :key",
        id=participant_id, key=client_key,
    )  # fmt: skip
    return None if row is None else _accepted_again(*row)


def _accepted_again(number: int, entry: int, text: str) -> Accepted:
    fields = json.loads(text)
    next_slot = fields["next_slot"] and datetime.fromisoformat(fields["next_slot"])
    practice = fields.get("practice", False)
    return Accepted(number, entry, text, fields["quota_used"], next_slot, again=True, practice=practice)


def _last_entry(db: Database, participant_id: int, day: str) -> tuple[int, str]:
    """The participant's last entry number, and the quota day for now: never before that of the last entry."""
    row = db.one(
        "SELECT entry, quota_day FROM submissions WHERE participant_id = :id ORDER BY entry DESC LIMIT 1",
        id=participant_id,
    )
    return (row[0], max(day, row[1])) if row else (0, day)


METRIC_REFUSED = "E_METRIC_REFUSED"
"""A rejection that uses a slot: it depends on answers, and a free one would reveal a row's side of the split."""


def _used(db: Database, participant_id: int, day: str, practice: bool) -> int:
    return _count(db, "(rejected_at IS NULL OR rejected_code = :metric)", participant_id, day, practice)


def _rejected(db: Database, participant_id: int, day: str, practice: bool) -> int:
    return _count(db, "rejected_at IS NOT NULL AND rejected_code <> :metric", participant_id, day, practice)


def _count(db: Database, which: str, participant_id: int, day: str, practice: bool) -> int:
    row = db.one(
        "SELECT count(*) FROM submissions WHERE participant_id = :id AND quota_day = :day "
        f"AND practice = :practice AND {which}",
        id=participant_id, day=day, practice=practice, metric=METRIC_REFUSED,
    )  # fmt: skip
    return int(row[0]) if row else 0


def _check_quota(
    db: Database,
    participant_id: int,
    day: str,
    practice: bool,
    used: int,
    quota: int | None,
    rejections: int | None,
    next_slot: datetime | None,
) -> None:
    after = f" The next slot opens at {next_slot.isoformat(timespec='seconds')}." if next_slot else ""
    if quota is not None and used >= quota:
        raise LeaderboardError(f"All {quota} submissions of {day} are used.{after}", code="E_QUOTA", exit_code=4)
    if rejections is not None and _rejected(db, participant_id, day, practice) >= rejections:
        raise LeaderboardError(
            f"{rejections} files were rejected on {day}, the limit for one day.{after}",
            code="E_REJECTIONS",
            exit_code=4,
        )


def _log_clock_step(db: Database, now: datetime) -> None:
    row = db.one("SELECT e.at FROM chain_head h JOIN events e ON e.seq = h.seq WHERE h.id = 1")
    if row is not None and now < instant(row[0]) - CLOCK_TOLERANCE:
        body = {"before": rfc3339(instant(row[0])), "now": rfc3339(now)}
        events.append(db, "clock stepped back", "lhy-grade", body, now)


def _replace_selection(
    db: Database, competition: str, participant: str, chosen: list[int], now: datetime, drop: int | None = None
) -> None:
    row = db.one(
        "SELECT id FROM participants WHERE competition = :competition AND name = :name",
        competition=competition, name=participant,
    )  # fmt: skip
    assert row is not None, "the caller has seen a submission of this participant"
    if drop is not None:
        before = db.fetch("SELECT submission_id FROM selections WHERE participant_id = :id", id=row[0])
        chosen = sorted(number for (number,) in before if number != drop)
    db.execute("DELETE FROM selections WHERE participant_id = :id", id=row[0])
    for number in chosen:
        db.execute("INSERT INTO selections (participant_id, submission_id) VALUES (:id, :n)", id=row[0], n=number)
    body = {"competition": competition, "participant": participant, "submissions": chosen}
    events.append(db, "selected", participant, body, now)


def _next_id(db: Database, newest: str) -> int:
    row = db.one(newest)
    return (row[0] if row and row[0] else 0) + 1


def _storable(text: str) -> str:
    """Text that both databases can store: undecodable bytes and NUL become escapes."""
    return text.encode("utf-8", "backslashreplace").decode().replace("\0", "\\x00")


def _check_name(what: str, text: str) -> None:
    if not text.strip() or len(text) > MAX_NAME or text != _storable(text):
        raise LeaderboardError(
            f"{what} is empty, longer than {MAX_NAME} characters or not text.", code="E_NAME", exit_code=2
        )


def _no_step(_: str) -> None:
    return None
