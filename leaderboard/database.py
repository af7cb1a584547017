"""Access to the database: the same SQL on SQLite and PostgreSQL, and readable errors.

Student commands avoid the cost of importing SQLAlchemy, so statements go straight to the DBAPI. Tables are declared
with SQLAlchemy in `leaderboard.schema` and created by Alembic, which is imported only when a database is new or
older than this code. `transaction()` is exclusive: one writer at a time on both databases, so its counts stay true
until it commits.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import time
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from leaderboard.rows import Row
from tasks.errors import UserError

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

if TYPE_CHECKING:
    from sqlalchemy import Pool

VERSIONS = ("0001", "0002", "0003", "0004", "0005", "0006", "0007", "0008", "0009", "0010", "0011", "0012", "0013")
"""The schema versions this code knows, oldest first; the last is Alembic's head."""

WAIT_SECONDS = 30
"""How long a writer waits for the previous one."""

CONNECT_SECONDS = 10

RENEW_SECONDS = 30
"""A pool replaces older connections unasked: one lost without notice would not answer whether it still works."""

AGAIN = "Nothing was recorded. Run the same command again afterwards; nothing is counted twice."


class DatabaseError(UserError):
    """The database itself failed, or cannot be opened: it says nothing about one homework or one submission."""

    def __init__(self, message: str, *, code: str, exit_code: int = 10) -> None:
        super().__init__(message, code=code, exit_code=exit_code)


class Database:
    """One connection. Not for use from several threads at once; open one in each.

    Leaving the outermost `with` block closes it, or returns it to the pool that it is from.

    SQL uses named parameters (`:name`) and no literals, and must be valid on both databases.
    """

    def __init__(self, connection: Any, dialect: str, place: str) -> None:
        self.connection = connection
        self.dialect = dialect
        self.place = place
        self.in_transaction = False
        self._users = 0

    def fetch(self, sql: str, **values: Any) -> list[Row]:
        """All rows of a query."""
        with self._readable():
            cursor = self._run(sql, values)
            names = [column[0] for column in cursor.description]
            return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]

    def one(self, sql: str, **values: Any) -> Row | None:
        """The first row of a query, or None."""
        with self._readable():
            cursor = self._run(sql, values)
            row = cursor.fetchone()
            return (
                None
                if row is None
                else {column[0]: value for column, value in zip(cursor.description, row, strict=True)}
            )

    def column(self, sql: str, **values: Any) -> list[Any]:
        """The values of a query's only column."""
        with self._readable():
            return [value for (value,) in self._run(sql, values).fetchall()]

    def value(self, sql: str, **values: Any) -> Any:
        """The only column of a query's first row, or None."""
        with self._readable():
            row = self._run(sql, values).fetchone()
            return None if row is None else _only(*row)

    def next_id(self, table: str) -> int:
        """The number after the largest of a table; within a transaction it stays free."""
        return int(self.value(f"SELECT max(id) FROM {table}") or 0) + 1

    def execute(self, sql: str, **values: Any) -> int:
        """Change rows, within a transaction; the number of rows changed."""
        assert self.in_transaction, "writes belong in a transaction"
        with self._readable():
            return int(self._run(sql, values).rowcount)

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """An exclusive transaction: no other writer until it ends, so values read inside stay true."""
        with (
            self._turn(),
            self._block("BEGIN IMMEDIATE" if self.dialect == "sqlite" else "BEGIN ISOLATION LEVEL READ COMMITTED"),
        ):
            if self.dialect == "postgresql":  # the writers queue here; later statements see what the last one left
                self.fetch("SELECT seq FROM chain_head WHERE id = 1 FOR UPDATE")
            yield

    @contextlib.contextmanager
    def reading(self) -> Iterator[None]:
        """Several queries on one consistent state. Writers are not blocked."""
        with self._block("BEGIN" if self.dialect == "sqlite" else "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"):
            yield

    def close(self) -> None:
        self.connection.close()

    def __enter__(self) -> Database:
        self._users += 1
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._users -= 1
        if not self._users:
            self.close()

    @contextlib.contextmanager
    def _turn(self) -> Iterator[None]:
        """Queue for SQLite, whose own waiting sleeps longer and longer while others overtake.

        This is for fairness only: SQLite's own lock keeps writers apart, even without `fcntl`.
        """
        if self.dialect != "sqlite" or fcntl is None:
            yield
            return
        try:
            queue = os.open(f"{self.place}.lock", os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            text = f"{self.place}.lock cannot be written: {error.strerror}. {AGAIN}"
            code = "E_DISK_FULL" if error.errno == errno.ENOSPC else "E_READ_ONLY"
            raise DatabaseError(text, code=code) from None
        try:
            fcntl.flock(queue, fcntl.LOCK_EX)
            yield
        finally:
            os.close(queue)  # and with it the lock

    @contextlib.contextmanager
    def _block(self, begin: str) -> Iterator[None]:
        assert not self.in_transaction, "transactions do not nest"
        with self._readable():
            self._run(begin, {})
        self.in_transaction = True
        try:
            yield
            with self._readable():
                self._run("COMMIT", {})
        except BaseException:
            # A lost server has rolled back by itself, and so may SQLite have done on a full disk.
            with contextlib.suppress(Exception), self._readable():
                self._run("ROLLBACK", {})
            raise
        finally:
            self.in_transaction = False

    def _run(self, sql: str, values: dict[str, Any]) -> Any:
        if self.dialect == "postgresql":
            return self.connection.execute(_psycopg_text(sql), values or None)
        return self.connection.execute(sql, values)

    def _readable(self) -> contextlib.AbstractContextManager[None]:
        return _readable_errors(self.dialect, self.place)


def _only(value: Any) -> Any:
    return value


@lru_cache(maxsize=256)
def _psycopg_text(sql: str) -> str:
    return re.sub(r":([a-z][a-z_0-9]*)", r"%(\1)s", sql)


def open_database(url: str, *, any_thread: bool = False) -> Database:
    """Open `sqlite:///PATH` or `postgresql://…`, making or upgrading its tables where needed.

    Raises DatabaseError for an unknown scheme, a place that cannot be opened and a database made by newer code. No
    message contains a password.
    """
    dialect, place, rest = _parts(url)
    if dialect == "sqlite":
        connection = _connect_sqlite(Path(place), any_thread=any_thread)
    else:
        connection = _connect_postgresql(rest, place, autocommit=True)
    database = Database(connection, dialect, place)
    try:
        if _version(database) != VERSIONS[-1]:
            _upgrade(database, rest)
    except BaseException:
        database.close()
        raise
    return database


def open_pool(url: str, size: int) -> Pool:
    """A pool that keeps up to `size` connections open for the threads of a server, and makes more where all are used.

    It tests a connection before it lends it, and rolls back what a returned one has left open. Raises DatabaseError
    for an unknown scheme, and connects only when asked.
    """
    import logging

    import sqlalchemy

    dialect, _, _ = _parts(url)
    logging.getLogger("sqlalchemy.pool").setLevel(logging.CRITICAL)  # whoever lost a connection has its error already
    return sqlalchemy.create_pool_from_url(
        "sqlite://" if dialect == "sqlite" else "postgresql+psycopg://",
        creator=lambda: open_database(url, any_thread=True).connection,
        poolclass=sqlalchemy.QueuePool,
        pool_size=size,
        max_overflow=-1,
        pre_ping=True,
        recycle=RENEW_SECONDS,
        use_lifo=True,
    )


def pooled(pool: Pool, url: str) -> Database:
    """A connection of the pool for that URL; closing it returns it."""
    dialect, place, _ = _parts(url)
    with _readable_errors(dialect, place):
        return Database(pool.connect(), dialect, place)


def _parts(url: str) -> tuple[str, str, str]:
    """Dialect, place without a password, and what stands after `://`. Raises DatabaseError for an unknown scheme."""
    scheme, _, rest = url.partition("://")
    if scheme == "sqlite" and rest.startswith("/") and len(rest) > 1:
        return "sqlite", str(Path(rest[1:])), rest
    if scheme in ("postgresql", "postgresql+psycopg"):
        return "postgresql", _without_password(rest), rest
    name = scheme if rest else "none"
    raise DatabaseError(
        f"The database URL has the scheme {name!r}; expected sqlite:///PATH or postgresql://USER@HOST/NAME.",
        code="E_DATABASE_URL",
        exit_code=2,
    )


def _version(database: Database) -> str | None:
    """The schema version, or None for a database without our tables. Raises for an unknown version."""
    table = (
        "SELECT name FROM sqlite_master WHERE name = :name"
        if database.dialect == "sqlite"
        else "SELECT 1 WHERE to_regclass(:name) IS NOT NULL"
    )
    if database.one(table, name="alembic_version") is None:
        return None
    version: str | None = database.value("SELECT version_num FROM alembic_version")
    if version is not None and version not in VERSIONS:
        raise DatabaseError(
            f"{database.place} has schema {version}; this lhy-grade knows up to {VERSIONS[-1]}. It was written by a "
            "newer lhy-grade: upgrade this one.",
            code="E_DATABASE_NEWER",
        )
    return version


def _upgrade(database: Database, rest: str) -> None:
    """Upgrade the tables in one transaction; a second process waits and finds it done."""
    import sqlalchemy
    from alembic import command
    from alembic.config import Config

    def connect() -> Any:
        if database.dialect == "sqlite":
            return _connect_sqlite(Path(rest[1:]))
        return _connect_postgresql(rest, database.place, autocommit=False)

    dialect = "sqlite" if database.dialect == "sqlite" else "postgresql+psycopg"
    engine = sqlalchemy.create_engine(f"{dialect}://", creator=connect, poolclass=sqlalchemy.pool.NullPool)
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    with _readable_errors(database.dialect, database.place):
        try:
            with engine.connect() as connection:
                if database.dialect == "sqlite":
                    connection.exec_driver_sql("BEGIN IMMEDIATE")
                else:
                    connection.exec_driver_sql("SELECT pg_advisory_xact_lock(7237128888997147750)")
                    encoding = connection.exec_driver_sql("SHOW server_encoding").scalar_one()
                    if encoding != "UTF8":
                        raise DatabaseError(
                            f"{database.place} has the encoding {encoding}; expected UTF8.", code="E_DATABASE"
                        )
                config.attributes["connection"] = connection
                command.upgrade(config, "head")
                connection.commit()
        except sqlalchemy.exc.DBAPIError as error:
            raise error.orig or error from None
        finally:
            engine.dispose()


def _connect_sqlite(path: Path, *, any_thread: bool = False) -> Any:
    import sqlite3

    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))  # SQLite gives its other files the same mode
    except FileExistsError:
        pass  # and must not be opened here: closing it would release the locks of this process's other connections
    except OSError as error:
        raise DatabaseError(f"{path} cannot be created: {error.strerror}.", code="E_READ_ONLY") from None
    with _readable_errors("sqlite", str(path)):
        connection = sqlite3.connect(path, timeout=WAIT_SECONDS, isolation_level=None, check_same_thread=not any_thread)
        try:
            connection.execute("PRAGMA foreign_keys = ON")
            connection.execute("PRAGMA synchronous = FULL")
            for attempt in range(100):  # the switch to WAL does not wait for other connections by itself
                try:
                    if connection.execute("PRAGMA journal_mode").fetchone() != ("wal",):
                        connection.execute("PRAGMA journal_mode = WAL")
                    break
                except sqlite3.OperationalError as error:
                    if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or attempt == 99:
                        raise
                    time.sleep(0.05)
        except BaseException:
            connection.close()
            raise
    return connection


def _connect_postgresql(rest: str, place: str, *, autocommit: bool) -> Any:
    try:
        import psycopg
    except ImportError:
        raise DatabaseError(
            'PostgreSQL needs one more package: pip install "lhy-grade[postgresql]".',
            code="E_EXTRA_MISSING",
            exit_code=2,
        ) from None
    with _readable_errors("postgresql", place, secret=_password(rest)):
        try:
            connection = psycopg.connect(f"postgresql://{rest}", autocommit=True, connect_timeout=CONNECT_SECONDS)
        except psycopg.ProgrammingError:  # its text repeats the URL
            raise DatabaseError(
                f"The database URL for {place} is not valid for PostgreSQL.",
                code="E_DATABASE_URL",
                exit_code=2,
            ) from None
        # A process that hangs inside a transaction must not block everyone.
        connection.execute(f"SET lock_timeout = {WAIT_SECONDS * 1000}")
        connection.execute(f"SET idle_in_transaction_session_timeout = {2 * WAIT_SECONDS * 1000}")
        connection.autocommit = autocommit
    return connection


def _without_password(rest: str) -> str:
    """The location of a PostgreSQL database, as `user@host/name`, from the URL after `://`.

    Raises for a password with characters that would make parts of it look like a host or an option.
    """
    authority, _, query = rest.partition("?")
    login, at, host = authority.rpartition("@")
    if "@" in login or "/" in login or "@" in query:
        raise DatabaseError(
            "The database URL has an @, / or ? that belongs to neither host nor name: write those characters of a "
            "password as %40, %2F and %3F.",
            code="E_DATABASE_URL",
            exit_code=2,
        )
    return f"postgresql://{login.partition(':')[0]}{at}{host}"


def _password(rest: str) -> str:
    login = rest.partition("?")[0].rpartition("@")[0]
    option = re.search(r"[?&]password=([^&]*)", rest)
    return login.partition(":")[2] or (option[1] if option else "")


@contextlib.contextmanager
def _readable_errors(dialect: str, place: str, secret: str = "") -> Iterator[None]:
    """Turn failures of disk, file or server into DatabaseError; programming errors pass through."""
    try:
        yield
    except Exception as error:
        clear = _clear(error, dialect, place, secret)
        if clear is None:
            raise
    else:
        return
    raise clear


def _clear(error: Exception, dialect: str, place: str, secret: str) -> DatabaseError | None:
    if dialect == "sqlite":
        import sqlite3

        if not isinstance(error, sqlite3.DatabaseError) or not hasattr(error, "sqlite_errorcode"):
            return None
        known = {
            sqlite3.SQLITE_FULL: ("E_DISK_FULL", f"{place}: the disk is full. {AGAIN}"),
            sqlite3.SQLITE_IOERR: ("E_DISK", f"{place}: the disk failed ({error}). {AGAIN}"),
            sqlite3.SQLITE_READONLY: ("E_READ_ONLY", f"{place} is not writable. {AGAIN}"),
            sqlite3.SQLITE_PERM: ("E_READ_ONLY", f"{place} is not writable. {AGAIN}"),
            sqlite3.SQLITE_CANTOPEN: ("E_READ_ONLY", f"{place} or a file next to it cannot be opened for writing."),
            sqlite3.SQLITE_BUSY: ("E_BUSY", f"{place}: another process locked it for {WAIT_SECONDS} s. {AGAIN}"),
            sqlite3.SQLITE_NOTADB: ("E_DATABASE", f"{place} is not an lhy-grade database."),
            sqlite3.SQLITE_CORRUPT: ("E_DATABASE", f"{place} is damaged; restore it from a backup."),
        }
        code, message = known.get(error.sqlite_errorcode & 0xFF, ("", ""))
        return DatabaseError(message, code=code) if code else None
    import psycopg
    from psycopg import errors

    if isinstance(error, errors.DiskFull):
        return DatabaseError(f"{place}: the server's disk is full. {AGAIN}", code="E_DISK_FULL")
    if isinstance(error, errors.LockNotAvailable):
        return DatabaseError(f"{place}: another process locked it for {WAIT_SECONDS} s. {AGAIN}", code="E_BUSY")
    if isinstance(error, errors.ReadOnlySqlTransaction | errors.InsufficientPrivilege):
        return DatabaseError(f"{place} is not writable. {AGAIN}", code="E_READ_ONLY")
    if isinstance(error, psycopg.OperationalError | errors.IdleInTransactionSessionTimeout):
        text = " ".join(str(error).split())
        for word in {secret, unquote(secret)} - {""}:
            text = text.replace(word, "***")
        return DatabaseError(
            f"{place} cannot be reached: {text} Whether the last step was recorded is not known; run the same command "
            "again, nothing is counted twice.",
            code="E_UNREACHABLE",
            exit_code=7,
        )
    return None
