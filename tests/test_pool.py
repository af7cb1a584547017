"""The pool of a server's database connections: whole, tested and rolled back, however many threads tear at it."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import Pool

from leaderboard import database as database_module
from leaderboard.database import Database, DatabaseError, open_database, open_pool, pooled
from tasks.errors import UserError
from tests.postgres import Server

SIZE = 3
THREADS = 24
ROUNDS = 20


@pytest.fixture
def pool(database_url: str) -> Iterator[Pool]:
    """A pool for a database that has the table `counts` with one row."""
    made = open_pool(database_url, SIZE)
    with pooled(made, database_url) as database, database.transaction():
        database.execute("CREATE TABLE counts (n INTEGER)")
        database.execute("INSERT INTO counts (n) VALUES (0)")
    yield made
    made.dispose()


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Every connection that is made from now on."""
    made: list[Any] = []

    def remember(url: str, **options: Any) -> Database:
        database = open_database(url, **options)
        made.append(database.connection)
        return database

    monkeypatch.setattr(database_module, "open_database", remember)
    return made


def works(connection: Any) -> bool:
    try:
        connection.execute("SELECT 1")
    except Exception:
        return False
    return True


def driver(database: Database) -> Any:
    """The connection itself, without its pool."""
    return database.connection.driver_connection


def within_transaction(database: Database) -> bool:
    connection = driver(database)
    return bool(connection.in_transaction if database.dialect == "sqlite" else connection.info.transaction_status)


def ask_nowhere(database: Database) -> None:
    with database.transaction():
        database.execute("UPDATE counts SET n = n + 1")
        database.fetch("SELECT 1 FROM nowhere")


def test_a_refusal_and_a_wrong_statement_keep_the_connection(pool: Pool, database_url: str) -> None:
    with pooled(pool, database_url) as first:
        kept = driver(first)
    with contextlib.suppress(UserError), pooled(pool, database_url) as second, second.transaction():
        assert driver(second) is kept
        second.execute("UPDATE counts SET n = n + 1")
        raise UserError("refused", code="E_QUOTA")
    with pytest.raises(Exception, match="nowhere"), pooled(pool, database_url) as third:
        ask_nowhere(third)
    with pooled(pool, database_url) as fourth:
        assert driver(fourth) is kept
        assert not within_transaction(fourth)
        assert fourth.value("SELECT n FROM counts") == 0


def test_a_connection_returned_within_a_transaction_is_lent_without_it(pool: Pool, database_url: str) -> None:
    with pooled(pool, database_url) as first:
        kept = driver(first)
        first.connection.execute("BEGIN")
        first.connection.execute("UPDATE counts SET n = 7")
        assert within_transaction(first)
    with pooled(pool, database_url) as second:
        assert driver(second) is kept
        assert not within_transaction(second)
        with open_database(database_url) as other, other.transaction():
            assert other.execute("UPDATE counts SET n = n + 1") == 1, "and without its lock"
        assert second.value("SELECT n FROM counts") == 1


def test_each_connection_has_the_settings_of_its_kind(pool: Pool, database_url: str) -> None:
    with contextlib.ExitStack() as stack:
        many = [stack.enter_context(pooled(pool, database_url)) for _ in range(SIZE + 2)]
        assert len({id(driver(one)) for one in many}) == SIZE + 2, "none is lent twice, and none waits"
        for one in many:
            if one.dialect == "sqlite":
                found = [one.value(f"PRAGMA {name}") for name in ("foreign_keys", "synchronous", "journal_mode")]
                assert found == [1, 2, "wal"]
            else:
                assert one.value("SHOW lock_timeout") == "30s"
                assert one.value("SHOW idle_in_transaction_session_timeout") == "1min"


def test_an_old_connection_is_replaced_unasked(
    database_url: str, opened: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database_module, "RENEW_SECONDS", 0)
    pool = open_pool(database_url, SIZE)
    for _ in range(2):
        with pooled(pool, database_url) as database:
            assert database.value("SELECT 1") == 1
    assert len(opened) > 1
    assert [works(connection) for connection in opened] == [False] * (len(opened) - 1) + [True]
    pool.dispose()
    assert not works(opened[-1])


def test_many_threads_lose_no_connection_and_no_count(pool: Pool, database_url: str, opened: list[Any]) -> None:
    pool.dispose()  # of what the fixture opened
    pool = open_pool(database_url, SIZE)
    start = threading.Barrier(THREADS)
    added = [0] * THREADS

    def tear(number: int) -> None:
        start.wait(60)
        for turn in range(ROUNDS):
            kind = (number + turn) % 4
            with contextlib.suppress(UserError, RuntimeError), pooled(pool, database_url) as database:
                if kind == 0:
                    with pooled(pool, database_url) as within:  # of the same thread, as where one call asks another
                        assert driver(within) is not driver(database)
                        assert within.value("SELECT count(*) FROM counts") == 1
                elif kind == 1:
                    database.connection.execute("BEGIN")  # and never ended
                    database.connection.execute("SELECT n FROM counts")
                else:
                    with database.transaction():
                        database.execute("UPDATE counts SET n = n + 1")
                        if kind == 3:
                            raise RuntimeError
                    added[number] += 1

    with ThreadPoolExecutor(THREADS) as crowd:
        list(crowd.map(tear, range(THREADS)))
    with pooled(pool, database_url) as database:
        assert database.value("SELECT n FROM counts") == sum(added) == THREADS * ROUNDS // 4
    assert sum(map(works, opened)) <= SIZE
    assert len(opened) >= SIZE
    pool.dispose()
    assert not any(map(works, opened))


def test_a_connection_that_a_restart_of_the_database_cut_is_replaced_before_it_is_asked(
    mortal: Server, opened: list[Any], caplog: pytest.LogCaptureFixture
) -> None:
    url = mortal.new_database()
    pool = open_pool(url, SIZE)
    with pooled(pool, url) as first, pooled(pool, url) as second:
        assert second.value("SELECT 1") == first.value("SELECT 1") == 1
    mortal.kill()
    with pytest.raises(DatabaseError, match="cannot be reached"), pooled(pool, url):
        pass
    assert mortal.start()
    with pooled(pool, url) as third:
        assert third.value("SELECT 1") == 1
    assert [works(connection) for connection in opened] == [False, False, True]
    assert mortal.process is not None
    mortal.process.send_signal(signal.SIGINT)  # a quick stop, which says good-bye first
    mortal.process.wait(20)
    assert mortal.start()
    with pooled(pool, url) as fourth:
        assert fourth.value("SELECT 1") == 1
        mortal.kill()
        with pytest.raises(DatabaseError, match="cannot be reached"):
            fourth.value("SELECT 1")
    assert mortal.start()
    with pooled(pool, url) as fifth:
        assert fifth.value("SELECT 1") == 1
    assert [works(connection) for connection in opened] == [False] * 4 + [True]
    assert caplog.records == []
    pool.dispose()
