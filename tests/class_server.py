"""A class server in this process, a client of it, and networks that lose what they carry."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from harness.cli import common
from harness.cli.main import cli
from harness.course import remote
from harness.grading.accept import grade_pending
from harness.home import Home, open_home
from leaderboard import access_tokens, enrolment, records, roster

NOW = datetime(2027, 3, 1, 12, tzinfo=UTC)
ROOT = Path(__file__).parents[1]
TOKEN = "lhy_" + "x" * 43


def issue(home: Home, key: str, label: str = "test") -> str:
    token = access_tokens.new_token()
    with home.database() as database:
        ends = NOW + timedelta(days=200)
        access_tokens.issue_token(database, key, access_tokens.hash_token(token), "all", label, ends, "prof", NOW)
    return token


@dataclass
class Served:
    """A running server, its home, and how it was asked; `grade` does a worker's turn."""

    home: Home
    url: str
    requests: list[dict[str, Any]]
    stop: Callable[[], None]
    clock: list[datetime]

    def grade(self, _: float = 0) -> None:
        grade_pending(self.home, NOW, ["hw01"])

    def uploads(self) -> list[int]:
        """The statuses of all uploads, once the server has stopped: it logs after it has answered."""
        return [r["status"] for r in self.requests if r["method"] == "POST" and r["route"].endswith("/submissions")]

    def entries(self) -> list[records.StoredSubmission]:
        with self.home.database() as database:
            return records.submissions(database)


@contextlib.contextmanager
def serving(home: Home, **tls: str) -> Iterator[Served]:
    """The application on a free port of this machine, in a thread."""
    import uvicorn

    from harness.server.app import make_app
    from harness.settings import Settings

    requests: list[dict[str, Any]] = []
    clock = [NOW]
    app = make_app(home, Settings(), lambda: clock[0], lambda line: requests.append(json.loads(line)))
    listening = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, lifespan="on", **tls))  # type: ignore[arg-type]
    thread = threading.Thread(target=server.run, args=([listening],))
    thread.start()

    def stop() -> None:
        server.should_exit = True
        thread.join(20)
        listening.close()

    scheme = "https" if tls else "http"
    try:
        yield Served(home, f"{scheme}://127.0.0.1:{listening.getsockname()[1]}", requests, stop, clock)
    finally:
        stop()


@pytest.fixture
def home(course: Path, tmp_path: Path) -> Home:
    """A course with an instructor and three students, whose names on boards are their ids."""
    shutil.copytree(course, tmp_path / "served")
    home = open_home(tmp_path / "served")
    with home.database() as database:
        for key, role in (("prof", "instructor"), ("ada", "student"), ("bob", "student"), ("eve", "student")):
            entry = roster.RosterEntry(key, key, "", "instructor" if role == "instructor" else "student")
            enrolment.add_person(database, entry, actor="prof", reason="start", now=NOW)
    return home


@pytest.fixture
def served(home: Home) -> Iterator[Served]:
    with serving(home) as running:
        yield running


@pytest.fixture(autouse=True)
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user of one's own, without pauses between tries."""
    import platformdirs

    user = tmp_path / "user"
    for name in ("config", "cache", "state", "data"):
        monkeypatch.setattr(platformdirs, f"user_{name}_path", lambda app, name=name: user / name / app)
    monkeypatch.delenv("LHY_GRADE_HOME", raising=False)
    monkeypatch.setattr(remote, "PAUSES", (0.0, 0.0))
    monkeypatch.setattr(common, "clock", lambda: NOW)
    monkeypatch.chdir(tmp_path)
    return user


def call(*words: str, input: str | None = None, columns: int = 160) -> Result:
    return CliRunner().invoke(cli, [*words], env={"COLUMNS": str(columns)}, input=input)


def log_in(served: Served, key: str = "ada") -> None:
    done = call("login", served.url, input=issue(served.home, key) + "\n")
    assert done.exit_code == 0, done.output


def work(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """While the client waits, a worker grades."""
    monkeypatch.setattr(remote, "sleep", served.grade)


def sample(home: Home) -> Path:
    return home.public("hw01") / "sample_submission.csv"


def constant(home: Home, folder: Path, value: object) -> Path:
    """A file that predicts one value."""
    header, *rows = sample(home).read_text().splitlines()
    path = folder / f"{value}.csv"
    path.write_text("\n".join([header, *(f"{row.split(',')[0]},{value}" for row in rows)]) + "\n")
    return path


def interrupt(*_: Any) -> None:
    raise KeyboardInterrupt


@contextlib.contextmanager
def forgetful(url: str, lost: int, part: float = 1.0, keys: list[str] | None = None) -> Iterator[str]:
    """A network that loses the answers of the first `lost` uploads, and delivers only a part of their bodies.

    `keys` gets the key of each upload.
    """
    target = int(url.rpartition(":")[2])
    left = [lost]

    class Handler(BaseHTTPRequestHandler):
        def do(self) -> None:
            import http.client

            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            there = http.client.HTTPConnection("127.0.0.1", target, timeout=30)
            if keys is not None and self.command == "POST":
                keys.append(self.headers["Idempotency-Key"])
            if self.command == "POST" and left[0] and part < 1:
                left[0] -= 1
                there.request(self.command, self.path, body[: int(part * len(body))], dict(self.headers))
                there.close()
                self.close_connection = True
                return
            there.request(self.command, self.path, body, dict(self.headers))
            answer = there.getresponse()
            data = answer.read()
            there.close()
            if self.command == "POST" and left[0]:
                left[0] -= 1
                self.close_connection = True
                return
            self.send_response(answer.status)
            for name in ("Content-Type", "Content-Range"):
                if answer.headers[name]:
                    self.send_header(name, answer.headers[name])
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = do_PUT = do_DELETE = do

        def log_message(self, *_: Any) -> None:
            pass

    with standing(Handler) as address:
        yield address


@contextlib.contextmanager
def standing(handler: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    """A little server of one's own."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def environment(folders: Path) -> dict[str, str]:
    """The variables of a process of the same user."""
    names = ("config", "cache", "state", "data")
    more = {f"XDG_{name.upper()}_HOME": str(folders / name) for name in names} | {"PYTHONPATH": str(ROOT)}
    return {name: value for name, value in os.environ.items() if name != "LHY_GRADE_HOME"} | more
