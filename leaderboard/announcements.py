"""What staff tell the whole course."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from leaderboard import events
from leaderboard.bodies import announcement_body
from leaderboard.database import Database
from leaderboard.receipts import microseconds
from leaderboard.rows import made
from tasks.errors import UserError

MOST = 2000
"""The most characters of an announcement."""


@dataclass(frozen=True)
class Announcement:
    """A text of some lines; `ended_at` is None while it stands."""

    id: int
    text: str
    actor: str
    at: datetime
    ended_at: datetime | None


def announce(db: Database, text: str, *, actor: str, now: datetime) -> Announcement:
    """Keep a text for the course. Raises UserError E_INPUT (exit 2) for one that is not plain lines."""
    text = "\n".join(line.rstrip() for line in text.replace("\r\n", "\n").strip().split("\n"))
    if not text or len(text) > MOST or not text.replace("\n", "").isprintable():
        raise UserError(
            f"an announcement must have 1 to {MOST:,} characters of plain text.", code="E_INPUT", exit_code=2
        )
    with db.transaction():
        values = {
            "id": db.next_id("announcements"), "text": text, "actor": actor, "at": microseconds(now), "ended_at": None,
        }  # fmt: skip
        event = events.append(db, "announced", actor, announcement_body(values), now)
        db.execute(
            "INSERT INTO announcements (id, text, actor, at, ended_at, event_seq) "
            "VALUES (:id, :text, :actor, :at, :ended_at, :event_seq)",
            **values,
            event_seq=event.seq,
        )
        return made(Announcement, values)


def standing(db: Database) -> list[Announcement]:
    """The announcements that have not ended, the newest first."""
    rows = db.fetch("SELECT id, text, actor, at, ended_at FROM announcements WHERE ended_at IS NULL ORDER BY id DESC")
    return [made(Announcement, row) for row in rows]


def end(db: Database, number: int, *, actor: str, now: datetime) -> bool:
    """End an announcement; False if it does not stand."""
    with db.transaction():
        if not db.one("SELECT 1 FROM announcements WHERE id = :id AND ended_at IS NULL", id=number):
            return False
        db.execute("UPDATE announcements SET ended_at = :at WHERE id = :id", at=microseconds(now), id=number)
        events.append(db, "announcement ended", actor, {"announcement": number}, now)
        return True
