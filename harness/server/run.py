"""`lhy-grade serve`: web processes over one listening socket, and grading processes, under one parent.

The parent only binds the socket, and starts, restarts and stops the other processes: on SIGTERM or Ctrl-C each web
process finishes its open requests, and each worker returns its lease. A child whose parent is gone exits by itself.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from harness.answers import course_key
from harness.grading import settle
from harness.grading.worker import new_worker, run
from harness.home import keep_keys
from harness.versions import complete_data
from harness.words import inert
from submissions.store import sweep
from tasks.errors import UserError, internal

if TYPE_CHECKING:
    from harness.home import Home
    from harness.settings import Settings


STOP_SECONDS = 30
"""Seconds a stopping web process has to finish its open requests."""

IDLE_SECONDS = 60.0
"""Seconds a connection may stay open without a request."""

CONNECTIONS = 2**14

STOPS = (signal.SIGTERM, signal.SIGINT)
"""The signals that stop the server cleanly."""

LEFT_OVER = timedelta(hours=1)
"""A partial upload older than this belongs to a process that is gone."""

FIRST = "instructor"


def make_ready(home: Home) -> None:
    """Writes what web processes need of `secret/`, which they never open, into `keys/` and the database.

    Raises UserError where there is no course, and E_KEY where its keys do not belong together.
    """
    keep_keys(home, course_key(home))
    complete_data(home)


def listen(settings: Settings) -> socket.socket:
    """The listening socket, shared by all web processes. Raises UserError if the address is not available."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((settings.host, settings.port))
        listening.listen(1024)
    except OSError as error:
        listening.close()
        raise UserError(f"cannot listen at {settings.host} port {settings.port}: {error.strerror}.") from None
    return listening


def allow_connections() -> None:
    """Raises the limit on open connections as far as the system allows, up to `CONNECTIONS`."""
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = CONNECTIONS if hard == resource.RLIM_INFINITY else min(hard, CONNECTIONS)
    if soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


def sweep_left_overs(home: Home, now: datetime) -> None:
    """Removes partial uploads of killed processes, and refused files past their retention."""
    sweep(home.submissions, (now - LEFT_OVER).timestamp())
    with home.database() as database:
        settle.drop_refused(home, database)


@dataclass
class Child:
    """One process and the function it runs; `born` is its start on the monotonic clock."""

    run: Callable[[], None]
    pid: int
    born: float


def supervise(runs: list[Callable[[], None]]) -> None:
    """Runs each function in its own process until SIGTERM or SIGINT, and restarts one that ends before."""
    stopping: list[int] = []
    for number in STOPS:
        signal.signal(number, lambda number, _: stopping.append(number))
    children = [_start(run) for run in runs]
    while not stopping:
        time.sleep(0.1)
        for child in children:
            if _ended(child) and not stopping:
                time.sleep(max(0.0, 1.0 - (time.monotonic() - child.born)))  # no busy loop if it cannot start
                started = _start(child.run)
                child.pid, child.born = started.pid, started.born
    for child in children:
        _signal(child, signal.SIGTERM)
    until = time.monotonic() + STOP_SECONDS + 5
    while time.monotonic() < until and not all(child.pid == 0 for child in children):
        time.sleep(0.05)
        for child in children:
            _ended(child)
    for child in children:
        if not _ended(child):
            _signal(child, signal.SIGKILL)
            os.waitpid(child.pid, 0)


def _start(run: Callable[[], None]) -> Child:
    sys.stdout.flush()
    sys.stderr.flush()
    signal.pthread_sigmask(signal.SIG_BLOCK, STOPS)  # a signal before the child sets its handlers would be lost
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            for number in STOPS:
                signal.signal(number, signal.SIG_DFL)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPS)
            run()
            code = 0
        except BaseException as error:
            if isinstance(error, Exception):
                log(f"a server process died: {internal(error)}")
        finally:
            with contextlib.suppress(OSError):
                sys.stderr.flush()
            os._exit(code)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPS)
    return Child(run, pid, time.monotonic())


def _ended(child: Child) -> bool:
    if child.pid == 0:
        return True
    pid, _ = os.waitpid(child.pid, os.WNOHANG)
    if pid:
        child.pid = 0
    return bool(pid)


def _signal(child: Child, number: int) -> None:
    if child.pid:
        with contextlib.suppress(ProcessLookupError):
            os.kill(child.pid, number)


def log(line: str) -> None:
    """Writes one line of the server's log to stderr."""
    with contextlib.suppress(OSError, ValueError):
        sys.stderr.write(inert(line) + "\n")
        sys.stderr.flush()


def run_web(home: Home, settings: Settings, clock: Callable[[], datetime], listening: socket.socket) -> None:
    """Runs a web process until it is stopped or its parent is gone."""
    import uvicorn

    from harness.server.pages import make_site

    server = uvicorn.Server(web_config(make_site(home, settings, clock, log), settings))
    threading.Thread(target=watch, args=(server, os.getppid()), daemon=True).start()
    server.run(sockets=[listening])


def web_config(app: Any, settings: Settings) -> Any:
    """The configuration of the HTTP server."""
    import uvicorn

    return uvicorn.Config(
        app,
        http="h11",  # the strict one
        ws="none",
        loop="asyncio",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=bool(settings.trusted_proxies),
        forwarded_allow_ips=settings.trusted_proxies,
        timeout_graceful_shutdown=STOP_SECONDS,
        timeout_keep_alive=15,
        h11_max_incomplete_event_size=2**15,
        ssl_certfile=settings.certificate or None,
        ssl_keyfile=settings.key or None,
    )


def watch(server: Any, parent: int) -> None:
    """Stops a web process whose parent is gone, and closes idle connections."""
    seen: dict[Any, float] = {}
    while not server.should_exit:
        time.sleep(min(1.0, IDLE_SECONDS))
        if os.getppid() != parent:
            server.should_exit = True
        now = time.monotonic()
        seen = {
            connection: seen.get(connection, now)
            for connection in list(server.server_state.connections)
            if connection.cycle is None or connection.cycle.response_complete
        }
        for connection, since in seen.items():
            if now - since > IDLE_SECONDS and connection.transport is not None:
                connection.loop.call_soon_threadsafe(connection.transport.close)


def run_worker(
    home: Home,
    settings: Settings,
    clock: Callable[[], datetime],
    listening: socket.socket | None = None,
    loop: Callable[..., None] | None = None,
) -> None:
    """Runs a grading process until it is stopped or its parent is gone; `loop` is another one than the worker's."""
    if listening is not None:
        listening.close()
    stopping: list[int] = []
    for number in STOPS:
        signal.signal(number, lambda number, _: stopping.append(number))
    parent = os.getppid()
    os.nice(10)  # uploads have priority over grading

    def tell(text: str) -> None:
        log(json.dumps({"at": clock().isoformat(timespec="milliseconds"), "worker": os.getpid(), "text": text}))

    limits = settings.limits
    (loop or run)(new_worker(home, limits, tell), clock, lambda: bool(stopping) or os.getppid() != parent)
