"""A server as a person starts it, in processes of its own, and requests to it."""

from __future__ import annotations

import contextlib
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from harness.home import Home
from leaderboard import results
from tests.classes import Class, make_class

ROOT = Path(__file__).parents[1]
START = "from harness.cli.main import main; main()"


@dataclass
class Running:
    """A server's process, where it answers, what it printed, and its log."""

    process: subprocess.Popen[str]
    url: str
    printed: str
    log: Path

    def children(self) -> list[int]:
        """The processes that the parent started: web processes first, then workers."""
        found = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text()
        return [int(pid) for pid in found.split()]


@contextlib.contextmanager
def running(home: Home, *words: str) -> Iterator[Running]:
    """`lhy-grade serve`, until the end of the block, where it must stop by itself in good order."""
    log, printed = home.root / "log", home.root / "printed"
    command = [sys.executable, "-c", START, "--home", str(home.root), "serve", "--port", "0", *words]
    with log.open("a") as stderr, printed.open("w") as stdout:
        process = subprocess.Popen(command, cwd=ROOT, stdout=stdout, stderr=stderr, text=True)
    try:
        until(lambda: process.poll() is not None or printed.read_text().count("\n"))
        first = printed.read_text().partition("\n")[0]
        assert " is served at " in first, log.read_text()
        url = first.rpartition(" ")[2]
        answering(url, home)
        yield Running(process, url, first, log)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)
    assert process.returncode in (0, -signal.SIGKILL), log.read_text()


def answering(url: str, home: Home) -> None:
    """Waits until the server answers."""
    verify = ssl.create_default_context(cafile=str(home.root / "certificate.pem")) if url.startswith("https") else True
    for _ in range(300):
        try:
            httpx.get(f"{url}/api/v1/course", verify=verify)
            return
        except httpx.TransportError:
            time.sleep(0.05)
    pytest.fail("the server does not answer")


def until(done: Callable[[], Any], where: Callable[[], str] = lambda: "") -> None:
    """Waits for something, for a minute at most; `where` says what there is instead."""
    for _ in range(600):
        if done():
            return
        time.sleep(0.1)
    pytest.fail(f"it never came to {done}: {where()}")


def bearer(school: Class, key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {school.tokens[key]}"}


def send(url: str, school: Class, key: str, data: bytes, **headers: str) -> httpx.Response:
    where = f"{url}/api/v1/homeworks/hw1/submissions"
    return httpx.post(where, content=data, headers=bearer(school, key) | headers, timeout=60)


def graded(school: Class, count: int) -> bool:
    with school.home.database() as database:
        return len(list(results.grade_rows(database))) >= count


@pytest.fixture
def school(course: Path, tmp_path: Path, database_url: str) -> Class:
    return make_class(course, tmp_path / "home", database_url)


@pytest.fixture
def local(course: Path, tmp_path: Path) -> Class:
    return make_class(course, tmp_path / "home", f"sqlite:///{tmp_path / 'leaderboard.db'}", quota=100)


def head(school: Class, key: str, length: int | str) -> bytes:
    return (
        f"POST /api/v1/homeworks/hw1/submissions HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n"
        f"Authorization: Bearer {school.tokens[key]}\r\n\r\n"
    ).encode()


def heard(link: socket.socket, first: float = 30.0) -> bytes:
    """All that comes until the other side closes or is silent for `first` seconds, or two when it has begun."""
    link.settimeout(first)
    parts = []
    with contextlib.suppress(TimeoutError, ConnectionError):
        while part := link.recv(2**16):
            parts.append(part)
            link.settimeout(2)
    return b"".join(parts)
