"""The end of every grading: the grade is recorded, or the file refused, and the queue forgets it."""

from __future__ import annotations

import hashlib
import hmac
import json
import math
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from harness.answers import Secret
from harness.competition import bar_from_json
from harness.grading.scoring import cleared
from harness.home import Home
from leaderboard import acceptance, competitions, results
from submissions.store import has, remove
from tasks.base import (
    METRICS_VERSION,
    Grade,
    SubmissionError,
)

if TYPE_CHECKING:
    from leaderboard.database import Database


def settle(
    home: Home, database: Database, secret: Secret, submission: int, result: Grade | SubmissionError, now: datetime
) -> str:
    """Records a grade, or that a file cannot be scored, and removes the lease; returns which of the two.

    The bytes of refused files are dropped beyond their limits. A grading that was settled before changes nothing.

    Raises UserError E_CONFLICT if it was settled otherwise: a graded file is not refused, nor a refused one graded.
    """
    if isinstance(result, SubmissionError):
        acceptance.reject(database, submission, result.code, now, problems_json(result))
        drop_refused(home, database, submission)
        return f"refused: {result.code}"
    _record(database, home.key(), secret, submission, result, now)
    return "graded"


def drop_refused(home: Home, database: Database, submission: int | None = None) -> None:
    """Removes the bytes of refused files beyond the limits: of one submission, or of all, after a crash."""
    for sha256 in acceptance.dropped(database, submission).values():
        if has(home.submissions, sha256):
            acceptance.drop(database, sha256, lambda name: remove(home.submissions, name))


def problems_json(error: SubmissionError) -> str:
    """The problems of a file, as the JSON that `acceptance.reject` stores for its owner."""
    return _json({"problems": [problem._asdict() for problem in error.problems], "total": error.total})


def _record(database: Database, key: bytes, secret: Secret, submission: int, result: Grade, now: datetime) -> None:
    """Records a grade: public and private parts separately, sealed together."""
    competition, first = secret.competition, result.scores[0]
    changed = competitions.changed(database, competition.name).bars.get(competition.key)
    bars = secret.bars if changed is None else tuple(map(bar_from_json, changed))
    assert first.private is None or math.isfinite(first.private)
    values: dict[str, Any] = {
        "data_version": secret.data_version,
        "metric_version": secret.metric_version,
        "public": first.public,
        "private": first.private,
        "details": _json(
            {
                "n": result.n_public,
                "scores": [
                    {"metric": score.metric, "value": score.public, "interval": score.public_interval}
                    for score in result.scores
                ],
                "notes": list(result.notes),
            }
            | ({"matrix": result.matrix} if result.matrix else {})
        ),
        "private_details": _json(
            {
                "n": result.n_private,
                "signature": result.signature,
                "scores": [
                    {"metric": score.metric, "value": score.private, "interval": score.private_interval}
                    for score in result.scores
                ],
            }
            | ({"matrix": result.private_matrix} if result.private_matrix else {})
        ),
        "passed_public": list(cleared(competition, result, bars, private=False)),
        "passed_private": list(cleared(competition, result, bars, private=True)),
    }
    results.record(
        database,
        submission,
        **values,
        public_version=f"{competition.key} edition {competition.edition} metrics {METRICS_VERSION}",
        higher_is_better=competition.ranking.higher_is_better,
        mac=grade_mac(key, submission, values),
        now=now,
    )


SEALED = (
    "data_version", "metric_version", "public", "private", "details", "private_details", "passed_public",
    "passed_private",
)  # fmt: skip


def grade_mac(key: bytes, submission: int, values: Mapping[str, Any]) -> str:
    """The seal of a grade row, with which `audit verify` finds scores that were changed in the database."""
    sealed = [list(value) if isinstance(value, tuple) else value for value in (values[name] for name in SEALED)]
    return hmac.new(key, b"grade\0" + _json([submission, *sealed]).encode(), hashlib.sha256).hexdigest()


def _json(values: Any) -> str:
    return json.dumps(values, allow_nan=False, separators=(",", ":"))
