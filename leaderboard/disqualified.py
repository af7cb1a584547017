"""Submissions that staff take out of the count, for a reason, and put back."""

from __future__ import annotations

import json
from datetime import datetime

from leaderboard import events, queue
from leaderboard.database import Database
from leaderboard.events import DISQUALIFIED
from leaderboard.receipts import microseconds
from leaderboard.records import Submission, find_submission, replace_selection
from leaderboard.roster import checked_reason
from tasks.errors import UserError


def disqualify(db: Database, submission_id: int, *, actor: str, reason: str, now: datetime) -> Submission:
    """Take a graded submission out of every board and selection; it keeps its slot, its bytes and its grade.

    Its owner sees the reason. Raises UserError E_DISQUALIFIED (exit 8) for one that is refused, disqualified already
    or has no grade yet.
    """
    reason = checked_reason(reason)
    with db.transaction():
        row = checked(db, submission_id, undo=False)
        queue.end(db, submission_id)
        if row.selected:
            replace_selection(db, row.competition, row.participant, [], now, drop=submission_id)
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
        events.append(db, "disqualified", actor, {"submission": submission_id, **about(row), "reason": reason}, now)
        return row


def reinstate(db: Database, submission_id: int, *, actor: str, reason: str, now: datetime) -> Submission:
    """Let a disqualified submission count again; a selection that it lost does not come back by itself.

    Raises UserError E_DISQUALIFIED (exit 8) for one that is not disqualified, or whose place was taken meanwhile.
    """
    reason = checked_reason(reason)
    with db.transaction():
        row = checked(db, submission_id, undo=True)
        db.execute(
            "UPDATE submissions SET rejected_at = NULL, rejected_code = NULL, rejected_details = NULL WHERE id = :id",
            id=submission_id,
        )
        events.append(db, "reinstated", actor, {"submission": submission_id, **about(row), "reason": reason}, now)
        return row


def about(row: Submission) -> dict[str, str]:
    return {"competition": row.competition, "participant": row.participant}


def checked(db: Database, submission_id: int, *, undo: bool) -> Submission:
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
