"""Database connections that the threads of a server keep open: to connect anew takes longer than to ask."""

from __future__ import annotations

import contextlib
import threading
import time
from dataclasses import dataclass, field

from leaderboard.database import Database, open_database

FRESH_SECONDS = 30.0
"""A connection that lay unused for longer may have been lost without a sign of it, and is replaced."""


@dataclass
class Pool:
    """Connections by thread; each is used by the thread alone that opened it. Give `connect` to a `Home`."""

    everyone: list[Database] = field(default_factory=list)
    own: threading.local = field(default_factory=threading.local)

    def connect(self, url: str) -> Database:
        """A connection of this thread that is free, or a new one; leaving its `with` block gives it back."""
        free = self._free()
        while free:
            since, database = free.pop()
            if time.monotonic() - since < FRESH_SECONDS and not database.cut():
                return database
            self._close(database)
        database = open_database(url)
        database.release = self._release
        self.everyone.append(database)
        return database

    def close(self) -> None:
        """Closes what can be closed, when no thread uses it any more."""
        for database in list(self.everyone):
            self._close(database)

    def _release(self, database: Database) -> None:
        if database.sound:
            self._free().append((time.monotonic(), database))
        else:
            self._close(database)

    def _free(self) -> list[tuple[float, Database]]:
        if not hasattr(self.own, "free"):
            self.own.free = []
        free: list[tuple[float, Database]] = self.own.free
        return free

    def _close(self, database: Database) -> None:
        with contextlib.suppress(ValueError):
            self.everyone.remove(database)
        with contextlib.suppress(Exception):  # SQLite closes in its own thread alone; a server may be gone
            database.close()
