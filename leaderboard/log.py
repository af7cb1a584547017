"""The log as it is read: the newest events first."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from leaderboard.competitions import name_of
from leaderboard.database import Database
from leaderboard.events import Event
from leaderboard.receipts import microseconds
from leaderboard.rows import made

PAGE = 500


def newest(db: Database, *, by: str = "", since: datetime | None = None, before: int = 0) -> Iterator[Event]:
    """The events from the newest on, of one actor (empty: of all), since an instant, before a number (0: all)."""
    last = before or 2**62
    while True:
        rows = db.fetch(
            "SELECT seq, at, kind, actor, body, hash FROM events WHERE seq < :last AND at >= :since "
            "AND (:actor = '' OR actor = :actor) ORDER BY seq DESC LIMIT :page",
            last=last,
            since=0 if since is None else microseconds(since),
            actor=by,
            page=PAGE,
        )
        for row in rows:
            yield made(Event, row)
        if len(rows) < PAGE:
            return
        last = int(rows[-1]["seq"])


def numbers_of(db: Database, homework: str) -> set[int]:
    """The numbers of all submissions of a homework, of older data too."""
    keys = [key for key in db.column("SELECT DISTINCT competition FROM participants") if name_of(key) == homework]
    return {
        number
        for key in keys
        for number in db.column(
            "SELECT s.id FROM submissions s JOIN participants p ON p.id = s.participant_id WHERE p.competition = :key",
            key=key,
        )
    }
