"""Clients that misbehave, against a server in a thread."""

from __future__ import annotations

import contextlib
import os
import re
import socket
import threading
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from harness.server import run
from harness.server.app import make_app
from harness.server.state import GRACE_SECONDS
from harness.settings import Settings
from leaderboard import records
from tests import started
from tests.classes import Class, kept
from tests.started import Running, answering, head, heard, send, until

pytestmark = pytest.mark.skipif(os.name != "posix", reason="the server needs POSIX")

local = started.local


@pytest.fixture
def patience() -> float:
    """How many seconds a file may take beyond what its size allows."""
    return GRACE_SECONDS


@pytest.fixture
def loopback(local: Class, patience: float) -> Iterator[Running]:
    """The same application behind the same HTTP server, in a thread."""
    import uvicorn

    listening = run.listen(Settings(port=0))
    settings = Settings(port=listening.getsockname()[1])
    app = make_app(local.home, settings, lambda: local.now, local.lines.append, grace=patience)
    server = uvicorn.Server(run.web_config(app, settings))
    thread = threading.Thread(target=lambda: server.run(sockets=[listening]))
    thread.start()
    try:
        answering(settings.address, local.home)
        process: Any = server
        yield Running(process, settings.address, "", local.home.root)
    finally:
        server.should_exit = True
        thread.join()
        listening.close()


@contextlib.contextmanager
def dialled(server: Running) -> Iterator[socket.socket]:
    host, _, port = server.url.rpartition("/")[2].partition(":")
    with socket.create_connection((host, int(port)), timeout=30) as link:
        yield link


def nothing_left(local: Class) -> None:
    until(lambda: not list(local.home.submissions.rglob("*.part")))
    assert kept(local.home) == set()
    with local.home.database() as database:
        assert records.count_submissions(database, "hw01/1") == 0


@pytest.mark.parametrize("patience", [0.5])
def test_a_client_of_a_byte_a_second_is_sent_away(local: Class, loopback: Running) -> None:
    with dialled(loopback) as link:
        link.sendall(head(local, "b01", 900))
        answer = b""
        link.settimeout(0.1)
        for _ in range(100):
            with contextlib.suppress(ConnectionError):
                link.sendall(b"x")
            with contextlib.suppress(TimeoutError):
                answer = link.recv(2**16)
                break
        answer += heard(link, 2.0)
        assert answer.startswith(b"HTTP/1.1 408")
        assert b"E_SLOW" in answer
    nothing_left(local)


def test_a_client_that_leaves_half_way_leaves_nothing(local: Class, loopback: Running) -> None:
    for length in (len(local.sample), 10**5):
        with dialled(loopback) as link:
            link.sendall(head(local, "b01", length) + local.sample[: length // 2])
            until(lambda: list(local.home.submissions.glob(".*.part")))
        nothing_left(local)
    until(lambda: len(local.lines) >= 3)
    assert '"error": "the client disconnected"' in local.lines[-1]


def test_a_length_that_is_too_short_ends_the_file_there_and_the_rest_is_no_request(
    local: Class, loopback: Running
) -> None:
    with dialled(loopback) as link:
        link.sendall(head(local, "b01", 100) + local.sample[:200] + b"\r\n\r\n")
        answer = heard(link)
    assert answer.startswith(b"HTTP/1.1 202")
    assert answer.count(b"HTTP/1.1 ") == 2
    assert b"HTTP/1.1 400" in answer
    with local.home.database() as database:
        assert [row.size for row in records.submissions(database)] == [100]


@pytest.mark.parametrize(
    "lines",
    [
        "Content-Length: 5\r\nContent-Length: 6",
        "Content-Length: 5\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked",
        "Content-Length: +5",
        "Content-Length: 0x5",
        "Content-Length: 5, 5x",
        "Transfer-Encoding: gzip\r\nContent-Length: 5",
    ],
)
def test_a_message_whose_length_is_not_plain_is_refused(local: Class, loopback: Running, lines: str) -> None:
    with dialled(loopback) as link:
        with contextlib.suppress(ConnectionError):
            link.sendall(
                f"POST /api/v1/homeworks/hw1/submissions HTTP/1.1\r\nHost: x\r\n{lines}\r\n"
                f"Authorization: Bearer {local.tokens['b01']}\r\n\r\n5\r\nabcde\r\n0\r\n\r\n".encode()
            )
        answer = heard(link)
    assert re.match(rb"HTTP/1.1 4\d\d ", answer) or answer == b""
    nothing_left(local)


def test_a_header_without_end_is_refused(local: Class, loopback: Running) -> None:
    with dialled(loopback) as link:
        with contextlib.suppress(ConnectionError):
            link.sendall(b"GET /api/v1/course HTTP/1.1\r\nHost: x\r\n")
            for _ in range(100):
                link.sendall(b"X: " + b"x" * 10_000 + b"\r\n")
        answer = heard(link)
    assert answer.startswith(b"HTTP/1.1 4") or answer == b""


@pytest.mark.parametrize(
    "path",
    [
        "/api/v1/homeworks/hw1/files/../../../secret/key",
        "/api/v1/homeworks/hw1/files/%2e%2e%2f%2e%2e%2fsecret%2fkey",
        "/api/v1/homeworks/../../secret/key",
        "/../secret/key",
        "//secret/key",
        "/api/v1/submissions/../course/x",
        "/api/v1/homeworks/hw1/files//etc/passwd",
        "/api/v1/homeworks/hw1/files/\\..\\..\\secret\\key",
        "/api/v1/homeworks/hw1/files/sample_submission.csv%00.png",
        "http://other.example/api/v1/secret",
    ],
)
def test_a_path_with_dots_as_it_stands_finds_nothing(local: Class, loopback: Running, path: str) -> None:
    with dialled(loopback) as link:
        link.sendall(
            f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
            f"Authorization: Bearer {local.tokens['ian']}\r\n\r\n".encode()
        )
        answer = heard(link)
    assert answer.startswith(b"HTTP/1.1 404")
    assert (local.home.root / "secret" / "key").read_bytes() not in answer


def test_a_token_sends_few_files_at_the_same_time(local: Class, loopback: Running) -> None:
    with contextlib.ExitStack() as stack:
        for _ in range(4):
            link = stack.enter_context(dialled(loopback))
            link.sendall(head(local, "b01", 10**5) + b"x" * 100)
        until(lambda: len(list(local.home.submissions.glob(".*.part"))) == 4)
        assert send(loopback.url, local, "b01", local.sample).status_code == 429
        assert send(loopback.url, local, "b02", local.sample).status_code == 202
    until(lambda: not list(local.home.submissions.glob(".*.part")))
    assert send(loopback.url, local, "b01", local.sample).status_code == 202


def test_a_connection_that_asks_nothing_is_closed(local: Class, loopback: Running, monkeypatch: Any) -> None:
    monkeypatch.setattr(run, "IDLE_SECONDS", 0.5)
    server: Any = loopback.process
    watch = threading.Thread(target=run.watch, args=(server, os.getppid()))
    watch.start()
    try:
        with dialled(loopback) as silent, dialled(loopback) as slow:
            slow.sendall(b"GET /api/v1/course HTTP/1.1\r\nHo")
            for link in (silent, slow):
                link.settimeout(20)
                assert link.recv(1) == b""
        assert httpx.get(f"{loopback.url}/api/v1/course").status_code == 200
    finally:
        server.should_exit = True
        watch.join()
