"""The bodies of events about rows of tables: made from a row, and compared with it by `events.verify`."""

from __future__ import annotations

import hashlib
from typing import Any

from leaderboard.receipts import canonical, instant, rfc3339
from leaderboard.rows import Row


def person_digest(key: str, name: str, email: str, role: str, team: str | None) -> str:
    """A person in an event: a hash, so that the log reveals no name or address."""
    return hashlib.sha256(canonical([key, name, email, role, team]).encode()).hexdigest()


def team_digest(handle: str, name: str) -> str:
    """A team's name in an event, as a hash."""
    return hashlib.sha256(canonical([handle, name]).encode()).hexdigest()


def extension_body(row: Row) -> dict[str, Any]:
    """The event body of a row of `extensions`."""
    until = row["until"]
    return {
        "extension": row["id"],
        **{name: row[name] for name in ("competition", "who_kind", "who", "slots", "day", "reason")},
        "until": None if until is None else time_text(until),
    }


def part_body(row: Row) -> dict[str, Any]:
    """The event body of a row of `parts`."""
    names = ("competition", "person_key", "part", "points", "reason")
    return {"entry": row["id"], **{name: row[name] for name in names}}


def announcement_body(row: Row) -> dict[str, Any]:
    """The event body of a row of `announcements`; the text is a hash, so that a name in it is not in the log."""
    return {"announcement": row["id"], "text": hashlib.sha256(row["text"].encode()).hexdigest()}


def verification_body(row: Row) -> dict[str, Any]:
    """The event body of a row of `verifications`."""
    names = ("model", "size", "parameters", "equal_rows", "all_rows")
    return {"verification": row["id"], "submission": row["submission_id"], **{name: row[name] for name in names}}


def time_text(at: Any) -> str:
    """An instant of a row as an event has it; what is no instant as it stands."""
    try:
        return rfc3339(instant(at))
    except (OverflowError, TypeError):  # no instant at all
        return repr(at)
