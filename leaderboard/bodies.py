"""The bodies of events about rows of tables: made from a row, and compared with it by `events.verify`."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Any

from leaderboard.receipts import canonical, from_microseconds, rfc3339, verify_any
from leaderboard.rows import Row
from tasks.errors import UserError


@dataclass(frozen=True)
class Finding:
    """An inconsistency. `seq` is the number of the event where it shows, or None."""

    seq: int | None
    message: str


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
    given_for = {} if row["attachment"] is None else {"attachment": row["attachment"]}
    return {"entry": row["id"], **{name: row[name] for name in names}, **given_for}


def attachment_body(row: Row) -> dict[str, Any]:
    """The event body of a row of `attachments`."""
    names = ("competition", "participant", "client_key", "kind", "sha256", "size", "day")
    return {"attachment": row["id"], **{name: row[name] for name in names}, "at": time_text(row["at"])}


def fits_attachment(row: Row, digest: str | None, public_key: str | None) -> bool:
    """Whether the receipt in a row of `attachments` is what the row says, at the event with that hash, and signed."""
    names = ("competition", "participant", "kind", "sha256", "size")
    said = {"attachment": row["id"], **{name: row[name] for name in names}, "accepted_at": time_text(row["at"])}
    try:
        if public_key is not None:
            verify_any(row["receipt"], public_key)
        found = json.loads(row["receipt"])
        return bool(found.items() >= {**said, "chain_seq": row["event_seq"], "chain_hash": digest}.items())
    except (UserError, ValueError, TypeError, AttributeError):
        return False


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
        return rfc3339(from_microseconds(at))
    except (OverflowError, TypeError):  # no instant at all
        return repr(at)
