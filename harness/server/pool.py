"""Database connections kept open by the threads of a server: connecting takes longer than a query."""

from __future__ import annotations

import contextlib
import threading
import time
from dataclasses import dataclass, field

from leaderboard.database import Database, open_database

FRESH_SECONDS = 30.0
"""A connection idle for longer than this may be lost without notice, and is replaced."""


@dataclass
class Pool:
    """Connections by thread; each is used only by the thread that opened it. Give `connect` to a `Home`."""

    everyone: list[Database] = field(default_factory=list)
    own: threading.local = field(default_factory=threading.local)

    def connect(self, url: str) -> Database:
        """A free connection of this thread, or a new one; leaving its `with` block returns it."""
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
        """Closes every connection that can be closed; no thread may still use one."""
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
        with contextlib.suppress(Exception):  # SQLite closes only in its own thread; a server may be gone
            database.close()
