"""Submissions that staff take out of the count, for a reason, and put back."""

from __future__ import annotations

import hashlib
import json
from datetime import datetime

from leaderboard import events, queue
from leaderboard.adjustments import changed_meanwhile
from leaderboard.competitions import name_of
from leaderboard.database import Database
from leaderboard.events import DISQUALIFIED
from leaderboard.receipts import canonical, microseconds
from leaderboard.records import StoredSubmission, find_submission, replace_selection, submissions
from leaderboard.roster import checked_reason
from tasks.errors import UserError


def disqualify(
    db: Database, submission_id: int, *, actor: str, reason: str, now: datetime, expected: str | None = None
) -> StoredSubmission:
    """Take a graded submission out of every board and selection; it keeps its slot, its bytes and its grade.

    Its owner sees the reason, and the event says what was selected with it. Raises UserError E_DISQUALIFIED (exit 8)
    for one that is refused, disqualified already or has no grade yet, E_CHANGED if `digest` is not the expected one.
    """
    reason = checked_reason(reason)
    with db.transaction():
        row = checked(db, submission_id, undo=False)
        if expected not in (None, digest(db, row)):
            raise changed_meanwhile(f"submission {submission_id}")
        queue.end(db, submission_id)
        chosen = {"selected": selection(db, row)} if row.selected else {}
        if row.selected:
            who = row.competition, row.participant
            replace_selection(db, *who, [], now, drop=submission_id, actor=actor, reason=reason)
        problem = {"code": DISQUALIFIED, "message": f"Disqualified by the course staff: {reason}", "line": None}
        problem |= dict.fromkeys(("column", "found", "expected"))
        db.execute(
            "UPDATE submissions SET rejected_at = :at, rejected_code = :code, rejected_details = :details "
            "WHERE id = :id",
            at=microseconds(now),
            code=DISQUALIFIED,
            details=json.dumps([problem]),
            id=submission_id,
        )
        body = {"submission": submission_id, **about(row), **chosen, "reason": reason}
        events.append(db, "disqualified", actor, body, now)
        return row


def refuse_disqualified(db: Database, competition: str, participant: str, sha256: str) -> None:
    """Raises UserError E_DISQUALIFIED for bytes of this participant that were disqualified under older data."""
    if competition == f"{name_of(competition)}/1":
        return
    row = db.one(
        "SELECT s.id FROM submissions s JOIN participants p ON p.id = s.participant_id WHERE p.name = :name "
        "AND s.sha256 = :sha AND s.rejected_code = :code AND substr(p.competition, 1, length(:homework) + 1) = "
        ":homework || '/' LIMIT 1",
        name=participant, sha=sha256, code=DISQUALIFIED, homework=name_of(competition),
    )  # fmt: skip
    if row is not None:
        raise UserError(
            f"this file was disqualified as submission {row['id']}; ask the course staff.",
            code="E_DISQUALIFIED",
            exit_code=8,
        )


def reinstate(
    db: Database,
    submission_id: int,
    *,
    most: int,
    actor: str,
    reason: str,
    now: datetime,
    expected: str | None = None,
) -> StoredSubmission:
    """Let a disqualified submission count again. One that was selected is again, also after the close, where the
    selection has room: it has `most` submissions.

    Raises UserError E_DISQUALIFIED (exit 8) for one that is not disqualified, or whose place was taken meanwhile,
    E_CHANGED if `digest` is not the expected one.
    """
    reason = checked_reason(reason)
    with db.transaction():
        row = checked(db, submission_id, undo=True)
        if expected not in (None, digest(db, row, most)):
            raise changed_meanwhile(f"submission {submission_id}")
        own, back = selection(db, row), was_selected(db, submission_id)
        db.execute(
            "UPDATE submissions SET rejected_at = NULL, rejected_code = NULL, rejected_details = NULL WHERE id = :id",
            id=submission_id,
        )
        events.append(db, "reinstated", actor, {"submission": submission_id, **about(row), "reason": reason}, now)
        if back and len(own) < most:
            chosen = sorted([*own, submission_id])
            replace_selection(db, row.competition, row.participant, chosen, now, actor=actor, reason=reason)
        return row


def selection(db: Database, row: StoredSubmission) -> list[int]:
    """What the participant of a submission has selected, in order."""
    return [one.id for one in submissions(db, row.competition, row.participant) if one.selected]


def was_selected(db: Database, submission_id: int) -> bool:
    """Whether a disqualified submission was selected until then, by its last event."""
    for text in db.column("SELECT body FROM events WHERE kind = 'disqualified' ORDER BY seq DESC"):
        if (body := json.loads(text))["submission"] == submission_id:
            return submission_id in body.get("selected", ())  # events of older releases do not say
    return False


def digest(db: Database, row: StoredSubmission, most: int | None = None) -> str:
    """What a change of a submission is made for; with `most` its reinstatement."""
    state = [row.id, row.rejected, selection(db, row), most]
    return hashlib.sha256(canonical(state).encode()).hexdigest()[:16]


def about(row: StoredSubmission) -> dict[str, str]:
    return {"competition": row.competition, "participant": row.participant}


def checked(db: Database, submission_id: int, *, undo: bool) -> StoredSubmission:
    """The submission, if it can be disqualified, or with `undo` reinstated."""
    row, problem = find_submission(db, submission_id), ""
    if undo:
        if row.rejected != DISQUALIFIED:
            problem = "is not disqualified"
        elif db.one(
            "SELECT 1 FROM submissions s JOIN submissions o ON o.participant_id = s.participant_id "
            "AND o.client_key = s.client_key AND o.practice = s.practice AND o.id <> s.id AND o.rejected_at IS NULL "
            "WHERE s.id = :id",
            id=submission_id,
        ):
            problem = "was handed in again since, and that submission counts"
    elif row.rejected is not None:
        problem = "is disqualified already" if row.rejected == DISQUALIFIED else "was refused, so it does not count"
    elif not db.one("SELECT 1 FROM grades WHERE submission_id = :id LIMIT 1", id=submission_id):
        problem = "has no score yet; wait until it is graded"
    if problem:
        raise UserError(f"Submission {submission_id} {problem}.", code=DISQUALIFIED, exit_code=8)
    return row
