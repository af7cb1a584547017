"""Files that are accepted and graded directly in a database, and the places that they get."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from itertools import count
from typing import Any

import pytest

from leaderboard import acceptance, ranking, receipts, results
from leaderboard.database import Database
from tasks.errors import UserError
from tests.accepting import accepted

SEED = bytes(range(32))
NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
DATA, METRIC = "data 1", "metric 1"
_keys = count()


def hand_in(db: Database, participant: str = "ann", **changes: Any) -> acceptance.Acceptance:
    """Accept a file with a fresh client key, bytes of the key's own and a quota of five, unless told otherwise."""
    key = str(changes.get("client_key", f"k{next(_keys)}"))
    values: dict[str, Any] = {
        "course": "Machine Learning", "competition": "hw01", "participant": participant, "kind": "person",
        "sha256": hashlib.sha256(key.encode()).hexdigest(), "size": 10, "filename": "predictions.csv", "message": "",
        "client_key": key, "now": NOW, "day": "2026-11-20", "next_slot": datetime(2026, 11, 21, tzinfo=UTC),
        "quota": 5, "rejections": 3, "closes": None, "sign": receipts.signer(SEED),
    }  # fmt: skip
    return accepted(db, **(values | changes))


def grade(db: Database, submission: int, public: float, private: float | None = None, **changes: Any) -> bool:
    """Record a grade where lower is better, unless told otherwise."""
    values: dict[str, Any] = {
        "data_version": DATA, "metric_version": METRIC, "public_version": "hw01 version 1", "higher_is_better": False,
        "public": public, "private": private, "details": "{}", "passed_public": [], "passed_private": [], "mac": "",
        "now": NOW,
    }  # fmt: skip
    return results.record(db, submission, **(values | changes))


def places(rows: list[ranking.RankedRow]) -> list[tuple[int, str, float | None]]:
    return [(row.rank, row.participant, row.score) for row in rows]


def code_of(error: pytest.ExceptionInfo[UserError]) -> tuple[str, int]:
    return error.value.code, error.value.exit_code
