"""The grading queue: leases on accepted submissions, handed out in a fair order.

A submission waits while it is accepted, not rejected, without a grade of the current version, without a live lease, and
not failed. A lease lasts until an instant; a worker that has not recorded a grade by then has lost it, and the
submission is handed out again. A failed grading uses one of `ATTEMPTS`. A lease whose worker was killed, or whose
machine is gone, uses one of `LOSSES`, of which there are more: it says nothing about the file, unless it happens every
time. A new lease counts as lost until its worker reports, so that no crash goes uncounted. A failed submission waits
for `grade --pending`. Grading the same submission twice does no harm: a second grade of one version is never kept.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from leaderboard.database import Database
from leaderboard.receipts import microseconds
from leaderboard.rows import Row, made

ATTEMPTS = 2
"""Failed gradings after which a submission counts as failed."""

LOSSES = 10
"""Lost workers after which a submission counts as failed."""

FAILED = "E_GRADER"
"""The code of a submission that could not be graded."""

OVER = 0
"""The end of a lease that was given back: long past, whatever the clock says."""

PAGE = 200

Versions = Mapping[str, tuple[str, str]]
"""The current (data version, metric version) of each competition, by its key."""


@dataclass(frozen=True)
class Lease:
    """The right to grade a submission until an instant.

    `attempt` counts the gradings from 1; `losses` counts the lost leases, including this one until it ends properly.
    """

    submission: int
    competition: str
    participant: str
    sha256: str
    worker: str
    attempt: int
    losses: int
    until: datetime


@dataclass(frozen=True)
class QueuePlace:
    """The state of an accepted submission without a grade; `position` in the queue counts from 1."""

    state: Literal["queued", "grading", "failed"]
    position: int | None
    code: str | None


@dataclass(frozen=True)
class OpenSubmission:
    """A submission without a grade, and its state; `failed` and `lost` count gradings that failed and lost workers."""

    submission: int
    competition: str
    participant: str
    arrived: datetime
    state: Literal["queued", "grading", "failed"]
    position: int | None
    failed: int
    lost: int


# Waiting: no grade of the current versions, and no lease that is live, lost too often or failed.
_OPEN = """
    FROM submissions s JOIN participants p ON p.id = s.participant_id
    WHERE s.id > :after AND p.competition IN ({keys}) AND s.rejected_at IS NULL
    AND NOT EXISTS (SELECT 1 FROM grades g WHERE g.submission_id = s.id AND g.version_id IN ({numbers}))
"""
_LEASED = """
    AND NOT EXISTS (SELECT 1 FROM leases l WHERE l.submission_id = s.id
        AND (l.until > :now OR l.losses >= :most OR l.failed_code IS NOT NULL))
"""
# Leases are few, and SQLite must start with them: it keeps the order of a CROSS JOIN.
_RUNNING = """
    FROM leases l CROSS JOIN submissions s CROSS JOIN participants p
    WHERE s.id = l.submission_id AND p.id = s.participant_id AND l.until > :now
"""


def lease(
    db: Database, versions: Versions, worker: str, now: datetime, length: timedelta, after: int = 0
) -> Lease | None:
    """Takes the next submission: first from participants with none running, then by arrival; None if none waits.

    Submissions up to the number `after` are skipped (see `settled`). Leases that ran out for the last time are marked
    as failed, and none lasts longer than a new one would, as it could after the clock stepped back.
    """
    at = microseconds(now)
    with db.transaction():
        db.execute("UPDATE leases SET until = :most WHERE until > :most", most=microseconds(now + length))
        db.execute(
            "UPDATE leases SET failed_code = :code WHERE failed_code IS NULL AND losses >= :most AND until <= :now",
            code=FAILED,
            most=LOSSES,
            now=at,
        )
        row = _first(db, versions, at, after)
        if row is None:
            return None
        number = row["submission"]
        before = db.one("SELECT attempts, losses FROM leases WHERE submission_id = :id", id=number)
        attempts, losses = (0, 0) if before is None else (before["attempts"], before["losses"])
        values = {"id": number, "worker": worker, "until": microseconds(now + length), "losses": losses + 1}
        if before is None:
            db.execute(
                "INSERT INTO leases (submission_id, worker, until, attempts, losses) "
                "VALUES (:id, :worker, :until, :attempts, :losses)",
                attempts=0,
                **values,
            )
        else:
            db.execute(
                "UPDATE leases SET worker = :worker, until = :until, losses = :losses WHERE submission_id = :id",
                **values,
            )
    return Lease(**row, worker=worker, attempt=attempts + 1, losses=losses + 1, until=now + length)


def finish(db: Database, submission_id: int) -> None:
    """Removes the lease of a submission that was graded or rejected, where that did not (see `end`)."""
    with db.transaction():
        end(db, submission_id)


def end(db: Database, submission_id: int) -> None:
    """Removes a lease, within the transaction that records a grade or a rejection."""
    db.execute("DELETE FROM leases WHERE submission_id = :id", id=submission_id)


def fail(db: Database, lease: Lease) -> bool:
    """Gives a lease back after a failed grading; returns whether it was the last attempt.

    A lease that another worker has taken over since is left alone.
    """
    last = lease.attempt >= ATTEMPTS
    return _end(db, lease, lease.attempt, lease.losses - 1, FAILED if last else None) and last


def lose(db: Database, lease: Lease) -> bool:
    """Takes back the lease of a lost worker; returns whether it was the last loss."""
    last = lease.losses >= LOSSES
    return _end(db, lease, lease.attempt - 1, lease.losses, FAILED if last else None) and last


def give_back(db: Database, lease: Lease) -> None:
    """Gives back an unused lease, as a stopping worker does: nothing is counted."""
    _end(db, lease, lease.attempt - 1, lease.losses - 1, None)


def _end(db: Database, lease: Lease, attempts: int, losses: int, code: str | None) -> bool:
    with db.transaction():
        changed = db.execute(
            "UPDATE leases SET until = :over, attempts = :attempts, losses = :losses, failed_code = :code "
            "WHERE submission_id = :id AND worker = :worker AND attempts = :attempts_then AND losses = :losses_then "
            "AND until > :over",
            over=OVER, attempts=attempts, losses=losses, code=code, id=lease.submission, worker=lease.worker,
            attempts_then=lease.attempt - 1, losses_then=lease.losses,
        )  # fmt: skip
    return bool(changed)


def held(db: Database, now: datetime) -> list[Lease]:
    """The leases that are live."""
    rows = db.fetch(
        "SELECT l.submission_id AS submission, p.competition, p.name AS participant, s.sha256, l.worker, "
        "l.attempts + 1 AS attempt, l.losses, l.until "
        f"{_RUNNING} ORDER BY l.submission_id",
        now=microseconds(now),
    )
    return [made(Lease, row) for row in rows]


def newest(db: Database) -> int:
    """The number of the last submission; 0 where there is none. It asks without the writers' lock."""
    return int(db.value("SELECT max(id) FROM submissions") or 0)


def settled(db: Database, versions: Versions, after: int = 0) -> int:
    """The largest number up to which no submission of these versions can wait again; at least `after`.

    The search for work then skips the graded ones of a whole term. Failed ones count as settled, and so do those out of
    the count, until one is reinstated (see `still_settled`).
    """
    with db.reading():  # later arrivals are not seen here, and so not settled
        last = newest(db)
        text, values = _open(db, versions)
        first = db.value(
            f"SELECT s.id {text} AND NOT EXISTS (SELECT 1 FROM leases l WHERE l.submission_id = s.id "
            "AND l.failed_code IS NOT NULL) ORDER BY s.id LIMIT :page",
            after=after, page=1, **values,
        )  # fmt: skip
    return max(after, int(first) - 1 if first else last)


def still_settled(db: Database, after: int, event: int) -> tuple[int, int]:
    """What of `after` is settled still, and the newest event to ask with the next time.

    Nothing is, where a submission was reinstated after `event`: it may have no grade of the current versions.
    """
    last = int(db.value("SELECT seq FROM chain_head WHERE id = 1") or 0)
    if after and last != event:
        back = db.value("SELECT seq FROM events WHERE seq > :seq AND kind = 'reinstated' LIMIT 1", seq=event)
        after = 0 if back else after
    return after, last


def waiting(db: Database, versions: Versions, now: datetime, after: int = 0) -> list[int]:
    """The numbers of the waiting submissions, in the order they are handed out.

    Submissions up to the number `after` are skipped (see `settled`).
    """
    at = microseconds(now)
    text, values = _open(db, versions)
    rows = db.fetch(f"SELECT s.id, p.name {text} {_LEASED}", after=after, now=at, most=LOSSES, **values)
    busy = _busy(db, at)
    return [number for _, number in sorted((row["name"] in busy, int(row["id"])) for row in rows)]


def unfinished(db: Database, versions: Versions, now: datetime, after: int = 0) -> list[OpenSubmission]:
    """What is being graded, then what waits in the order it is handed out, then what failed.

    Submissions up to the number `after` are skipped (see `settled`), but for those that failed.
    """
    at = microseconds(now)
    with db.reading():
        text, values = _open(db, versions)
        found: dict[int, Row] = {}
        parts = ((after, ""), (0, "AND s.id IN (SELECT submission_id FROM leases)"))
        for start, condition in parts:
            rows = db.fetch(
                "SELECT s.id AS submission, p.competition, p.name AS participant, s.accepted_at AS arrived "
                f"{text} {condition}",
                after=start,
                **values,
            )
            found |= {row["submission"]: row for row in rows}
        leases = {
            row.pop("submission_id"): row
            for row in db.fetch("SELECT submission_id, until, attempts, losses, failed_code FROM leases")
        }
        places = {number: place for place, number in enumerate(waiting(db, versions, now, after), 1)}
    none: Row = {"until": OVER, "attempts": 0, "losses": 0, "failed_code": None}
    entries = []
    for number, row in found.items():
        lease = leases.get(number, none)
        live = lease["until"] > at
        over = lease["failed_code"] is not None or (lease["losses"] >= LOSSES and not live)
        state = "failed" if over else "grading" if live else "queued"
        told = {"state": state, "position": places.get(number) if state == "queued" else None}
        told |= {"failed": lease["attempts"], "lost": lease["losses"] - live}
        entries.append(made(OpenSubmission, row | told))
    order = ("grading", "queued", "failed")
    return sorted(entries, key=lambda one: (order.index(one.state), one.position or 0, one.submission))


def _open(db: Database, versions: Versions) -> tuple[str, dict[str, str | int]]:
    """The query's text and values for submissions of these competitions without a grade of these versions."""
    keys = {f"key{place}": key for place, key in enumerate(versions or ("",))}
    in_keys = ", ".join(f":{name}" for name in keys)
    rows = db.fetch(
        f"SELECT id, competition, data_version, metric_version FROM versions WHERE competition IN ({in_keys})", **keys
    )
    found = [row["id"] for row in rows if versions[row["competition"]] == (row["data_version"], row["metric_version"])]
    numbers = {f"number{place}": number for place, number in enumerate(found or (0,))}
    in_numbers = ", ".join(f":{name}" for name in numbers)
    return _OPEN.format(keys=in_keys, numbers=in_numbers), keys | numbers


def _busy(db: Database, at: int) -> set[str]:
    return set(db.column(f"SELECT p.name {_RUNNING}", now=at))


def _first(db: Database, versions: Versions, at: int, after: int) -> Row | None:
    """The next submission, competition, participant and SHA-256: first from participants with none running."""
    busy, first = _busy(db, at), None
    text, values = _open(db, versions)
    while rows := db.fetch(
        f"SELECT s.id AS submission, p.competition, p.name AS participant, s.sha256 {text} {_LEASED} "
        "ORDER BY s.id LIMIT :page",
        after=after,
        now=at,
        most=LOSSES,
        page=PAGE,
        **values,
    ):
        first = first or rows[0]
        for row in rows:
            if row["participant"] not in busy:
                return row
        after = rows[-1]["submission"]
    return first


def standing(
    db: Database, versions: Versions, ids: Collection[int], now: datetime, after: int = 0
) -> dict[int, QueuePlace]:
    """The state of each of these submissions, which must be neither rejected nor graded.

    Positions are in the queue of all these competitions, without submissions up to the number `after`.
    """
    if not ids:
        return {}
    at = microseconds(now)
    out, queued = {}, []
    for number in ids:
        row = db.one("SELECT until, losses, failed_code FROM leases WHERE submission_id = :id", id=number)
        live = row is not None and row["until"] > at
        if row is not None and (row["failed_code"] is not None or (row["losses"] >= LOSSES and not live)):
            out[number] = QueuePlace("failed", None, FAILED)
        elif live:
            out[number] = QueuePlace("grading", None, None)
        else:
            queued.append(number)
    if queued:
        places = {number: place for place, number in enumerate(waiting(db, versions, now, after), 1)}
        out |= {number: QueuePlace("queued", places.get(number, 1), None) for number in queued}
    return out
