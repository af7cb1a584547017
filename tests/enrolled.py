"""A class with people of each kind, and files that they hand in, directly in a database."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import pytest

from leaderboard import acceptance, access_tokens, enrolment
from leaderboard.database import Database
from leaderboard.roster import RosterEntry
from tests.accepting import accepted

NOW = datetime(2027, 3, 1, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)
WHY: dict[str, Any] = {"actor": "prof", "reason": "start of term", "now": NOW}
CLASS = (
    RosterEntry("0012", "Ada", "ada@example.org"),
    RosterEntry("b02", "Bob", "bob@example.org", team="Owls"),
    RosterEntry("b03", "Eve", "eve@example.org", team="Owls"),
    RosterEntry("guest", "Max", role="auditor"),
    RosterEntry("prof", "Lee", role="instructor"),
)
_keys = count()


@pytest.fixture
def db(database: Database) -> Database:
    """A class of two students in a team, one without, an auditor and an instructor."""
    enrolment.import_people(database, CLASS, **WHY)
    return database


def hand_in(db: Database, participant: str, **changes: Any) -> acceptance.Acceptance:
    values: dict[str, Any] = {
        "course": "ML", "competition": "hw01/1", "participant": participant, "kind": "person",
        "sha256": f"{next(_keys):064x}", "size": 10, "filename": "a.csv", "message": "",
        "client_key": f"k{next(_keys)}", "now": NOW,
        "day": "2027-03-01", "next_slot": None, "quota": 5, "rejections": 5, "closes": None, "sign": lambda _: b"",
    }  # fmt: skip
    return accepted(db, **(values | changes))


def opened_by(db: Database, token: str, now: datetime = NOW) -> str | None:
    found = access_tokens.find_token(db, access_tokens.hash_token(token), now)
    return None if found is None else found[1].key
