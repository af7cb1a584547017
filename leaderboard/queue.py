"""Who grades what next: leases on accepted submissions, handed out in a fair order.

A submission waits while it is accepted, not rejected, without a grade of the present version, without a live lease, and
tried fewer than `ATTEMPTS` times. A lease lasts until an instant; whoever does not record a grade by then, dead or
hanging, has lost it, and the submission is handed out once more. After the last attempt it is failed, and waits for
`grade --pending`. Two who grade the same submission do no harm: a second grade of one version is never kept.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from leaderboard.database import Database
from leaderboard.receipts import instant, microseconds

ATTEMPTS = 2
"""How often a submission is handed out before it counts as failed."""

FAILED = "E_GRADER"
"""What a submission is told whose grading failed `ATTEMPTS` times."""

OVER = 0
"""Until when a lease lasts that was given back: long past, whatever the clock will say."""

PAGE = 200

Versions = Mapping[str, tuple[str, str]]
"""The present (data version, metric version) of each competition, by its key."""


@dataclass(frozen=True)
class Lease:
    """The right to grade a submission until an instant; `attempt` counts from 1."""

    submission: int
    competition: str
    participant: str
    sha256: str
    worker: str
    attempt: int
    until: datetime


@dataclass(frozen=True)
class Standing:
    """Where an accepted submission without a grade stands; `position` counts from 1 among those that wait."""

    state: Literal["queued", "grading", "failed"]
    position: int | None
    code: str | None


# Waiting: no grade of the present versions, and no lease that is live, used up or failed.
_OPEN = """
    FROM submissions s JOIN participants p ON p.id = s.participant_id
    WHERE s.id > :after AND p.competition IN ({keys}) AND s.rejected_at IS NULL
    AND NOT EXISTS (SELECT 1 FROM grades g WHERE g.submission_id = s.id AND g.version_id IN ({numbers}))
"""
_LEASED = """
    AND NOT EXISTS (SELECT 1 FROM leases l WHERE l.submission_id = s.id
        AND (l.until > :now OR l.attempts >= :most OR l.failed_code IS NOT NULL))
"""
# Leases are few, and SQLite must begin with them: the order of CROSS JOIN is the one that it keeps.
_RUNNING = """
    FROM leases l CROSS JOIN submissions s CROSS JOIN participants p
    WHERE s.id = l.submission_id AND p.id = s.participant_id AND l.until > :now
"""


def lease(
    db: Database, versions: Versions, worker: str, now: datetime, length: timedelta, after: int = 0
) -> Lease | None:
    """Takes the next submission: first of those who have none running, then by arrival; None where none waits.

    Submissions up to the number `after` are passed over (see `settled`). Leases that ran out for the last time are
    marked as failed on the way, and none lasts longer than a new one would, as it could after the clock stepped back.
    """
    at = microseconds(now)
    with db.transaction():
        db.execute("UPDATE leases SET until = :most WHERE until > :most", most=microseconds(now + length))
        db.execute(
            "UPDATE leases SET failed_code = :code WHERE failed_code IS NULL AND attempts >= :most AND until <= :now",
            code=FAILED, most=ATTEMPTS, now=at,
        )  # fmt: skip
        row = _first(db, versions, at, after)
        if row is None:
            return None
        number, competition, participant, sha256 = row
        before = db.one("SELECT attempts FROM leases WHERE submission_id = :id", id=number)
        until = now + length
        if before is None:
            db.execute(
                "INSERT INTO leases (submission_id, worker, until, attempts) VALUES (:id, :worker, :until, :attempts)",
                id=number, worker=worker, until=microseconds(until), attempts=1,
            )  # fmt: skip
        else:
            db.execute(
                "UPDATE leases SET worker = :worker, until = :until, attempts = :attempts WHERE submission_id = :id",
                id=number, worker=worker, until=microseconds(until), attempts=before[0] + 1,
            )  # fmt: skip
    attempt = 1 if before is None else before[0] + 1
    return Lease(number, competition, participant, sha256, worker, attempt, until)


def finish(db: Database, submission_id: int) -> None:
    """The submission has its grade or its rejection; no lease is needed any more."""
    with db.transaction():
        db.execute("DELETE FROM leases WHERE submission_id = :id", id=submission_id)


def fail(db: Database, lease: Lease) -> bool:
    """Gives a lease back after an attempt that came to nothing; whether it was the last one.

    A lease that somebody else has taken over since is left alone.
    """
    last = lease.attempt >= ATTEMPTS
    with db.transaction():
        changed = db.execute(
            "UPDATE leases SET until = :over, failed_code = :code WHERE submission_id = :id AND worker = :worker "
            "AND attempts = :attempt",
            over=OVER, code=FAILED if last else None, id=lease.submission, worker=lease.worker, attempt=lease.attempt,
        )  # fmt: skip
    return last and bool(changed)


def give_back(db: Database, lease: Lease) -> None:
    """Gives a lease back that was not used, as a worker does that is told to stop: the attempt does not count."""
    with db.transaction():
        db.execute(
            "UPDATE leases SET until = :over, attempts = attempts - :one WHERE submission_id = :id "
            "AND worker = :worker AND attempts = :attempt",
            over=OVER, one=1, id=lease.submission, worker=lease.worker, attempt=lease.attempt,
        )  # fmt: skip


def held(db: Database, now: datetime) -> list[Lease]:
    """The leases that are live."""
    rows = db.fetch(
        "SELECT l.submission_id, p.competition, p.name, s.sha256, l.worker, l.attempts, l.until "
        f"{_RUNNING} ORDER BY l.submission_id",
        now=microseconds(now),
    )
    return [
        Lease(number, competition, participant, sha256, worker, attempt, instant(until))
        for number, competition, participant, sha256, worker, attempt, until in rows
    ]


def settled(db: Database, versions: Versions, after: int = 0) -> int:
    """The largest number up to which no submission of these versions can ever wait again; at least `after`.

    Looking for work then need not pass over all the graded ones of a term. Failed ones count as settled.
    """
    with db.reading():  # what arrives meanwhile is not yet seen, and so not settled
        newest = db.one("SELECT max(id) FROM submissions")
        text, values = _open(db, versions)
        first = db.one(
            f"SELECT s.id {text} AND NOT EXISTS (SELECT 1 FROM leases l WHERE l.submission_id = s.id "
            "AND l.failed_code IS NOT NULL) ORDER BY s.id LIMIT :page",
            after=after, page=1, **values,
        )  # fmt: skip
    if first:
        return max(after, int(first[0]) - 1)
    return max(after, int(newest[0])) if newest and newest[0] else after


def waiting(db: Database, versions: Versions, now: datetime, after: int = 0) -> list[int]:
    """The numbers of the submissions that wait, in the order in which they are handed out.

    Submissions up to the number `after` are passed over (see `settled`).
    """
    at = microseconds(now)
    text, values = _open(db, versions)
    rows = db.fetch(f"SELECT s.id, p.name {text} {_LEASED}", after=after, now=at, most=ATTEMPTS, **values)
    busy = _busy(db, at)
    return [number for _, number in sorted((name in busy, int(number)) for number, name in rows)]


def _open(db: Database, versions: Versions) -> tuple[str, dict[str, str | int]]:
    """The query's text and values for submissions of these competitions without a grade of these versions."""
    keys = {f"key{place}": key for place, key in enumerate(versions or ("",))}
    in_keys = ", ".join(f":{name}" for name in keys)
    rows = db.fetch(
        f"SELECT id, competition, data_version, metric_version FROM versions WHERE competition IN ({in_keys})", **keys
    )
    found = [number for number, key, *version in rows if versions[key] == tuple(version)]
    numbers = {f"number{place}": number for place, number in enumerate(found or (0,))}
    in_numbers = ", ".join(f":{name}" for name in numbers)
    return _OPEN.format(keys=in_keys, numbers=in_numbers), keys | numbers


def _busy(db: Database, at: int) -> set[str]:
    return {name for (name,) in db.fetch(f"SELECT p.name {_RUNNING}", now=at)}


def _first(db: Database, versions: Versions, at: int, after: int) -> tuple[Any, ...] | None:
    """The first whose participant has none running, else the first: (number, competition, participant, SHA-256)."""
    busy, first = _busy(db, at), None
    text, values = _open(db, versions)
    while rows := db.fetch(
        f"SELECT s.id, p.competition, p.name, s.sha256 {text} {_LEASED} ORDER BY s.id LIMIT :page",
        after=after, now=at, most=ATTEMPTS, page=PAGE, **values,
    ):  # fmt: skip
        first = first or rows[0]
        for row in rows:
            if row[2] not in busy:
                return row
        after = rows[-1][0]
    return first


def standing(
    db: Database, versions: Versions, ids: Collection[int], now: datetime, after: int = 0
) -> dict[int, Standing]:
    """Where each of these submissions stands, which must be neither rejected nor graded.

    Positions count those of all these competitions, as they are handed out, but for those up to the number `after`.
    """
    if not ids:
        return {}
    at = microseconds(now)
    leases: dict[int, tuple[Any, ...]] = {}
    for number in ids:
        row = db.one("SELECT until, attempts, failed_code FROM leases WHERE submission_id = :id", id=number)
        if row is not None:
            leases[number] = row
    out, queued = {}, []
    for number in ids:
        until, attempts, failed = leases.get(number, (0, 0, None))
        if failed is not None or (attempts >= ATTEMPTS and until <= at):
            out[number] = Standing("failed", None, FAILED)
        elif until > at:
            out[number] = Standing("grading", None, None)
        else:
            queued.append(number)
    if queued:
        places = {number: place for place, number in enumerate(waiting(db, versions, now, after), 1)}
        out |= {number: Standing("queued", places.get(number, 1), None) for number in queued}
    return out
