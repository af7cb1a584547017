"""Submissions whose model was handed in later and gave their rows again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from leaderboard import events, records
from leaderboard.bodies import verification_body
from leaderboard.database import Database
from leaderboard.receipts import microseconds
from leaderboard.rows import made
from tasks.errors import UserError


@dataclass(frozen=True)
class Verification:
    """The SHA-256 and the size in bytes of the model, how many numbers it holds, and how many rows it gave again."""

    submission: int
    model: str
    size: int
    parameters: int
    equal_rows: int
    all_rows: int
    actor: str
    at: datetime


def verify(db: Database, found: Verification, keep: Callable[[], object] = lambda: None) -> bool:
    """Records that a model has reproduced a submission; False if one did before, and nothing changes.

    `keep` stores the model's bytes, under the lock that also `store.drop` takes.

    Raises UserError E_NO_SUBMISSION, and E_CONFLICT for a rejected submission.
    """
    with db.transaction():
        entry = records.submission(db, found.submission)
        if entry.rejected is not None:
            message = f"Submission {entry.id} was rejected and cannot be verified."
            raise UserError(message, code="E_CONFLICT", exit_code=8)
        if db.one("SELECT 1 FROM verifications WHERE submission_id = :id", id=entry.id):
            return False
        keep()
        row = {
            "id": db.next_id("verifications"), "submission_id": entry.id, "model": found.model, "size": found.size,
            "parameters": found.parameters, "equal_rows": found.equal_rows, "all_rows": found.all_rows,
        }  # fmt: skip
        event = events.append(db, "model verified", found.actor, verification_body(row), found.at)
        db.execute(
            "INSERT INTO verifications (id, submission_id, model, size, parameters, equal_rows, all_rows, actor, at, "
            "event_seq) VALUES (:id, :submission_id, :model, :size, :parameters, :equal_rows, :all_rows, :actor, :at, "
            ":seq)",
            **row,
            actor=found.actor,
            at=microseconds(found.at),
            seq=event.seq,
        )
        return True


def verifications(
    db: Database, competition: str | None = None, participant: str | None = None
) -> dict[int, Verification]:
    """The verified submissions by number: all, or those of one competition or participant."""
    conditions, values = ["1 = 1"], {}
    if competition is not None:
        conditions.append("p.competition = :competition")
        values["competition"] = competition
    if participant is not None:
        conditions.append("p.name = :participant")
        values["participant"] = participant
    rows = db.fetch(
        "SELECT v.submission_id AS submission, v.model, v.size, v.parameters, v.equal_rows, v.all_rows, v.actor, v.at "
        "FROM verifications v JOIN submissions s ON s.id = v.submission_id JOIN participants p "
        f"ON p.id = s.participant_id WHERE {' AND '.join(conditions)} ORDER BY v.submission_id",
        **values,
    )
    return {row["submission"]: made(Verification, row) for row in rows}
