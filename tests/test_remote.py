"""The client against the real server, and against servers and networks that do not behave."""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import shutil
import socket
import stat
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from harness import notebook, options, remote
from harness.cli import cli
from harness.grading import grade_pending
from harness.home import Home, open_home
from leaderboard import queue, roster, store
from tasks.base import SubmissionError, UserError

NOW = datetime(2027, 3, 1, 12, tzinfo=UTC)
ROOT = Path(__file__).parents[1]
TOKEN = "lhy_" + "x" * 43


def issue(home: Home, key: str, label: str = "test") -> str:
    token = roster.new_token()
    with home.database() as database:
        ends = NOW + timedelta(days=200)
        roster.issue_token(database, key, roster.hash_token(token), "all", label, ends, "prof", NOW)
    return token


@dataclass
class Served:
    """A running server, its home, and how it was asked; `grade` does a worker's turn."""

    home: Home
    url: str
    requests: list[dict[str, Any]]
    stop: Callable[[], None]

    def grade(self, _: float = 0) -> None:
        grade_pending(self.home, NOW, ["hw01"])

    def uploads(self) -> list[int]:
        """The statuses of all uploads, once the server has stopped: it logs after it has answered."""
        return [r["status"] for r in self.requests if r["method"] == "POST" and r["route"].endswith("/submissions")]

    def entries(self) -> list[store.Submission]:
        with self.home.database() as database:
            return store.submissions(database)


@contextlib.contextmanager
def serving(home: Home, **tls: str) -> Iterator[Served]:
    """The application on a free port of this machine, in a thread."""
    import uvicorn

    from harness.server.app import make_app
    from harness.server.settings import Settings

    requests: list[dict[str, Any]] = []
    app = make_app(home, Settings(), lambda: NOW, lambda line: requests.append(json.loads(line)))
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
        yield Served(home, f"{scheme}://127.0.0.1:{listening.getsockname()[1]}", requests, stop)
    finally:
        stop()


@pytest.fixture
def home(course: Path, tmp_path: Path) -> Home:
    """A course with an instructor and three students, whose names on boards are their ids."""
    shutil.copytree(course, tmp_path / "served")
    home = open_home(tmp_path / "served")
    with home.database() as database:
        for key, role in (("prof", "instructor"), ("ada", "student"), ("bob", "student"), ("eve", "student")):
            entry = roster.Entry(key, key, "", "instructor" if role == "instructor" else "student")
            roster.add_person(database, entry, actor="prof", reason="start", now=NOW)
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
    monkeypatch.setattr(options, "clock", lambda: NOW)
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


# Logging in.


def test_login_keeps_the_token_where_only_its_owner_can_read_it_and_says_who_one_is(
    served: Served, folders: Path
) -> None:
    token = issue(served.home, "ada")
    done = call("login", served.url, input=f"{token}\n")
    assert done.exit_code == 0
    assert "ada, student" in done.stdout
    kept = folders / "config" / "lhy-grade" / "login.json"
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert stat.S_IMODE(kept.parent.stat().st_mode) == 0o700
    assert json.loads(kept.read_text())["token"] == token
    assert token not in done.stdout + done.stderr
    assert token not in repr(remote.read_login(kept))
    assert "ada, student" in call("login").stdout
    assert call("logout").exit_code == 0
    assert not kept.exists()
    assert call("logout").exit_code == 2
    assert "not prepared" in call("quota", "hw1").stderr  # the home of this user, which is empty


def test_a_token_that_does_not_hold_is_refused_and_not_kept(served: Served, folders: Path) -> None:
    for token in (TOKEN, "", "secret", "lhy_" + "é" * 43):
        done = call("login", served.url, input=f"{token}\n")
        assert done.exit_code == 6, token
        assert not (folders / "config").exists()
    log_in(served)
    with served.home.database() as database:
        for token_row in roster.tokens(database, "ada"):
            roster.revoke_token(database, token_row.id, "prof", NOW)
    assert call("quota", "hw1").exit_code == 6


def test_an_invitation_opens_once_and_leaves_a_token_of_this_machine(served: Served, folders: Path) -> None:
    invitation = issue(served.home, "ada", remote.INVITATION)
    assert remote.INVITATION == roster.INVITATION
    assert call("login", served.url, input=f"{invitation}\n").exit_code == 0
    kept = folders / "config" / "lhy-grade" / "login.json"
    assert json.loads(kept.read_text())["token"] != invitation
    assert call("quota", "hw1").exit_code == 0
    assert call("login", served.url, input=f"{invitation}\n").exit_code == 6
    further = call("login", "--new-token").stdout.strip()
    assert call("login", served.url, input=f"{further}\n").exit_code == 0


@pytest.mark.parametrize(
    ("url", "insecure", "code"),
    [
        ("https://example.org", False, None),
        ("https://example.org/ml/", False, None),
        ("http://127.0.0.1:8600", False, None),
        ("http://[::1]:8600", False, None),
        ("http://localhost", False, None),
        ("http://example.org", True, None),
        ("http://example.org", False, "E_INSECURE"),
        ("http://127.0.0.1.example.org", False, "E_INSECURE"),
        ("http://localhost.example.org", False, "E_INSECURE"),
        ("http://2130706433", False, "E_INSECURE"),
        ("example.org", False, "E_USAGE"),
        ("ftp://example.org", True, "E_USAGE"),
        ("https://", False, "E_USAGE"),
        ("https://ada:pw@example.org", False, "E_USAGE"),
        ("https://example.org/?token=x", False, "E_USAGE"),
        ("https://example.org:99999", False, "E_USAGE"),
        ("https://[::1", False, "E_USAGE"),
    ],
)
def test_plain_http_is_for_this_machine_alone_unless_it_is_asked_for(
    url: str, insecure: bool, code: str | None
) -> None:
    if code is None:
        assert remote.check_url(url, insecure) == url.rstrip("/")
        return
    with pytest.raises(UserError) as error:
        remote.check_url(url, insecure)
    assert error.value.code == code


def test_as_is_refused_where_the_login_says_who_one_is(served: Served) -> None:
    log_in(served)
    refused = call("quota", "hw1", "--as", "bob")
    assert refused.exit_code == 2
    assert "login" in refused.stderr


# The verbs.


def test_every_verb_prints_the_same_on_the_server_as_at_home(
    served: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    work(served, monkeypatch)
    for who in ("bob", "ada"):
        log_in(served, who)
        for value in (9, 12.25) if who == "ada" else (11,):
            done = call("submit", "hw1", str(constant(served.home, tmp_path, value)), "-m", "dropout 0.3")
            assert done.exit_code == 0, done.output
    assert call("select", "hw1", "3").stdout == "hw01: 3 will count on the private board.\n"
    root = str(served.home.root)
    file = str(constant(served.home, tmp_path, 9))
    for words in (
        ["quota", "hw1"], ["submissions"], ["submissions", "hw01"], ["leaderboard"],
        ["leaderboard", "hw1", "--top", "1"], ["leaderboard", "hw1", "--private"], ["submit", "hw1", file],
        ["select", "hw1", "--preview"],
        ["select", "hw1", "3", "2", "1"], ["status", "99"], ["tasks", "hw1"], ["receipt", "3"], ["status", "3"],
        ["check", "hw1", file], ["receipt", "99"],
    ):  # fmt: skip
        unformatted = words[0] in ("receipt",)
        unnamed = words[0] in ("tasks", "receipt", "status", "check")
        for format in ("table",) if unformatted else ("table", "json", "csv"):
            more = [] if unformatted else ["--format", format]
            there = call(*words, *more)
            here = call("--home", root, *words, *more, *([] if unnamed else ["--as", "ada"]))
            assert there.exit_code == here.exit_code, words
            if words[:2] == ["leaderboard", "hw1"] and format == "json" and "--top" in words:
                board = json.loads(here.stdout)
                board["board"][0]["submission"] = json.loads(there.stdout)["board"][0]["submission"]
                assert json.loads(there.stdout) == board
            elif words[0] == "leaderboard" and "--private" in words:
                assert "not revealed" in there.stdout + there.stderr
            elif words[0] == "tasks" and format == "json":
                known = json.loads(here.stdout)
                assert {**json.loads(there.stdout), "quota": None} == {**known, "quota": None}
            elif words[0] != "leaderboard" or format == "table":
                assert (there.stdout, there.stderr) == (here.stdout, here.stderr), words


def test_a_class_lists_what_is_prepared_and_staff_sees_everybodys(
    served: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    work(served, monkeypatch)
    log_in(served)
    assert [row["name"] for row in json.loads(call("tasks", "--format", "json").stdout)["tasks"]] == ["hw01"]
    assert call("submit", "hw1", str(sample(served.home))).exit_code == 0
    assert call("submissions", "--all").exit_code == 6
    log_in(served, "prof")
    listed = json.loads(call("submissions", "--all", "--format", "json").stdout)["submissions"]
    assert [row["participant"] for row in listed] == ["ada"]
    assert call("leaderboard", "hw1", "--private").exit_code == 6
    assert call("leaderboard", "hw1", "--private", "--unrevealed").exit_code == 0


def test_a_saved_receipt_verifies_without_the_server(
    served: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    work(served, monkeypatch)
    log_in(served)
    assert call("submit", "hw1", str(sample(served.home))).exit_code == 0
    saved = tmp_path / "receipt.json"
    saved.write_text(call("receipt", "1").stdout)
    served.stop()
    assert call("receipt", "--verify", str(saved)).stdout.startswith("genuine: submission 1 of ada")
    saved.write_text(saved.read_text().replace('"size":', '"size":1'))
    assert call("receipt", "--verify", str(saved)).exit_code == 3


# Handing in.


def test_submit_tells_the_place_in_the_queue_and_then_the_score(
    served: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log_in(served, "bob")
    waiting = call("submit", "hw1", str(constant(served.home, tmp_path, 60)), "--no-wait")
    assert waiting.exit_code == 0
    assert "submission 1 waits, position 1" in waiting.stdout
    assert "lhy-grade status 1" in waiting.stderr
    log_in(served)
    seen: list[tuple[str, int | None]] = []
    turns = iter([lambda: None, served.grade])
    monkeypatch.setattr(remote, "sleep", lambda _: next(turns)())
    server = options.remote()
    body = server.submit("hw1", constant(served.home, tmp_path, 15), "", True,
                         lambda body: seen.append((body["state"], body["position"])))  # fmt: skip
    assert seen == [("queued", 2), ("queued", 2)]
    assert (body["state"], body["rank"], body["again"]) == ("graded", 1, False)
    assert "rank 1" in call("status", "2").stdout
    assert json.loads(call("status", "2", "--format", "json").stdout)["scores"] == body["scores"]


def test_nobody_waits_for_ever(served: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log_in(served)
    waited: list[float] = []
    monkeypatch.setattr(remote, "sleep", waited.append)
    monkeypatch.setattr(remote, "MOST_SECONDS", 30.0)
    done = call("submit", "hw1", str(constant(served.home, tmp_path, 9)))
    assert done.exit_code == 0
    assert "position 1" in done.stdout
    assert 30 <= sum(waited) < 40
    assert waited == sorted(waited)


def test_an_invalid_file_is_refused_before_anything_is_sent(served: Served, tmp_path: Path) -> None:
    log_in(served)
    bad = constant(served.home, tmp_path, "nan")
    for format in ("table", "json"):
        there = call("submit", "hw1", str(bad), "--no-wait", "--format", format)
        here = call("--home", str(served.home.root), "check", "hw1", str(bad), "--format", format)
        assert there.exit_code == here.exit_code == 3
        assert (there.stdout, there.stderr) == (here.stdout, here.stderr)
    too_long = call("submit", "hw1", str(sample(served.home)), "-m", "x" * 501)
    assert too_long.exit_code == 2
    served.stop()
    assert served.uploads() == []


def test_what_only_the_server_refuses_or_cannot_grade_ends_with_its_own_exit_code(
    served: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log_in(served)

    def refuse(_: float) -> None:
        with served.home.database() as database:
            store.reject(database, 1, "E_FACES", NOW, json.dumps([{"code": "E_FACES", "message": "\x1b[31mno face"}]))

    monkeypatch.setattr(remote, "sleep", refuse)
    refused = call("submit", "hw1", str(constant(served.home, tmp_path, 9)))
    assert refused.exit_code == 3
    assert "E_FACES  \\x1b[31mno face" in refused.stderr
    assert "E_FACES" in call("status", "1").stdout

    def fail(_: float) -> None:
        from harness.competition import find_competition, read_versions

        versions = {"hw01/1": read_versions(served.home, find_competition(served.home, "hw1"))}
        with served.home.database() as database:
            for attempt in range(queue.ATTEMPTS):
                now = NOW - timedelta(hours=1) + timedelta(minutes=attempt)
                leased = queue.lease(database, versions, "worker", now, timedelta(seconds=1))
                assert leased is not None
                queue.fail(database, leased)

    monkeypatch.setattr(remote, "sleep", fail)
    failed = call("submit", "hw1", str(constant(served.home, tmp_path, 10)), "--format", "json")
    assert failed.exit_code == 10
    assert json.loads(failed.stdout)["error"]["code"] == "E_GRADER"


def test_the_quota_of_the_server_ends_with_exit_code_4_and_the_next_slot(served: Served, tmp_path: Path) -> None:
    (served.home.root / "config.toml").write_text("[hw01]\nquota = 1\n")
    served.stop()
    with serving(open_home(served.home.root)) as limited:
        log_in(limited)
        assert call("submit", "hw1", str(constant(limited.home, tmp_path, 1)), "--no-wait").exit_code == 0
        used = call("submit", "hw1", str(constant(limited.home, tmp_path, 2)), "--no-wait", "--format", "json")
        assert used.exit_code == 4
        error = json.loads(used.stdout)["error"]
        assert error["code"] == "E_QUOTA"
        assert "2027-03-02T08:00:00+08:00" in error["message"]
        assert call("submit", "hw1", str(constant(limited.home, tmp_path, 1)), "--no-wait").exit_code == 0


def test_without_a_network_the_file_is_kept_and_the_printed_command_sends_it(
    served: Served, tmp_path: Path, folders: Path
) -> None:
    log_in(served)
    assert call("check", "hw1", str(sample(served.home))).exit_code == 0
    served.stop()
    file = constant(served.home, tmp_path, 9)
    content = file.read_bytes()
    lost = call("submit", "hw1", str(file), "-m", "it's late", "--no-wait")
    assert lost.exit_code == 7
    file.write_text("changed since")
    command = lost.stderr.strip().splitlines()[-1].strip()
    words = shlex.split(command)
    assert words[:3] == ["lhy-grade", "submit", "hw1"]
    kept = Path(words[3])
    assert kept.read_bytes() == content
    assert kept.name == "9.csv"
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert call(*words[1:]).exit_code == 7  # still no network
    with serving(served.home) as again:
        log_in(again)
        assert call(*words[1:]).exit_code == 0
        entries = again.entries()
        assert [(entry.message, entry.filename, entry.size) for entry in entries] == [
            ("it's late", "9.csv", len(content))
        ]
    assert not list((folders / "state").rglob("*.csv"))


def test_a_file_that_was_never_checked_is_kept_too_when_there_is_no_network(
    served: Served, tmp_path: Path, folders: Path
) -> None:
    log_in(served)
    served.stop()
    lost = call("submit", "hw1", str(constant(served.home, tmp_path, 9)))
    assert lost.exit_code == 7
    assert len(list((folders / "state").rglob("9.csv"))) == 1
    assert call("submit", "hw1", str(tmp_path / "nothing.csv")).exit_code == 2


@contextlib.contextmanager
def forgetful(url: str, lost: int) -> Iterator[str]:
    """A network that delivers every request, but of the first `lost` uploads loses the answer."""
    target = int(url.rpartition(":")[2])
    left = [lost]

    class Handler(BaseHTTPRequestHandler):
        def do(self) -> None:
            import http.client

            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            there = http.client.HTTPConnection("127.0.0.1", target, timeout=30)
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

        do_GET = do_POST = do_PUT = do

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


@pytest.mark.parametrize("lost", [1, 2, 3])
def test_a_lost_answer_never_costs_a_second_slot(served: Served, tmp_path: Path, lost: int) -> None:
    file = constant(served.home, tmp_path, 9)
    with forgetful(served.url, lost) as url:
        remote.write_login(options.login_file(), remote.Server(url, issue(served.home, "ada")))
        done = call("submit", "hw1", str(file), "--no-wait")
        assert done.exit_code == (7 if lost == 3 else 0)
        words = ["", "submit", "hw1", str(file), "--no-wait"]
        again = call(*(shlex.split(done.stderr.strip().splitlines()[-1]) if lost == 3 else words)[1:])
        assert again.exit_code == 0
        assert "no slot was used" in again.stderr
        assert json.loads(call("quota", "hw1", "--format", "json").stdout)["quota"][0]["used"] == 1
    assert len(served.entries()) == 1
    served.stop()
    assert served.uploads()[0] == 202
    assert set(served.uploads()[1:]) == {200}


def test_when_the_network_fails_while_waiting_the_submission_is_known_to_be_recorded(
    served: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log_in(served)
    monkeypatch.setattr(remote, "sleep", lambda _: served.stop())
    lost = call("submit", "hw1", str(constant(served.home, tmp_path, 9)))
    assert lost.exit_code == 7
    assert "Submission 1 is recorded" in lost.stderr
    assert "lhy-grade status 1" in lost.stderr


def test_a_busy_server_is_asked_again_and_a_quota_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = [(503, "7"), (429, "3"), (429, "86400")]
    waited: list[float] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, after = answers.pop(0)
            body = json.dumps({"error": {"code": "E_X", "message": "\x1b[2Jlater", "details": []}}).encode()
            self.send_response(status)
            self.send_header("Retry-After", after)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    monkeypatch.setattr(remote, "sleep", waited.append)
    with standing(Handler) as url:
        remote.write_login(options.login_file(), remote.Server(url, TOKEN))
        done = call("quota", "hw1")
    assert done.exit_code == 4
    assert waited == [7.0, 3.0]
    assert "\x1b" not in done.stderr


# The data.


def test_download_gets_all_files_and_goes_on_where_it_stopped(served: Served, tmp_path: Path) -> None:
    log_in(served)
    public, folder = served.home.public("hw01"), tmp_path / "data"
    whole = (public / "covid.train.csv").read_bytes()
    folder.mkdir()
    (folder / ".covid.train.csv.part").write_bytes(whole[:100_000])
    (folder / ".covid.test.csv.part").write_bytes(b"of an older version")
    asked: list[str | None] = []
    real = remote.Server._once

    def once(self: remote.Server, method: str, path: str, query: Any, body: Any, headers: Any) -> Any:
        if path.endswith("train.csv"):
            asked.append((headers or {}).get("Range"))
        return real(self, method, path, query, body, headers)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(remote.Server, "_once", once)
        done = call("files", "hw1", "--download", str(folder))
    assert done.exit_code == 0, done.output
    assert asked == ["bytes=100000-"]
    names = {path.name for path in folder.iterdir()}
    assert names == {path.name for path in public.iterdir()}
    assert all((folder / name).read_bytes() == (public / name).read_bytes() for name in names - {"manifest.json"})
    from harness.prepare import damaged_files

    assert damaged_files(folder) == []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(remote, "_fetch", None)
        assert call("files", "hw1", "--download", str(folder)).exit_code == 0
    assert call("files", "hw1", "--download").exit_code == 0
    assert (tmp_path / "hw01" / "sheet.md").exists()


def test_download_never_writes_over_another_file(served: Served, tmp_path: Path) -> None:
    log_in(served)
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "sheet.md").write_text("my notes")
    refused = call("files", "hw1", "--download", str(folder))
    assert refused.exit_code == 8
    assert "sheet.md" in refused.stderr
    assert [path.name for path in folder.iterdir()] == ["sheet.md"]
    assert (folder / "sheet.md").read_text() == "my notes"


def test_a_file_that_is_not_what_the_list_says_is_not_kept(served: Served, tmp_path: Path) -> None:
    log_in(served)
    path = served.home.public("hw01") / "sheet.md"
    before = path.read_bytes()
    for changed in (b"x" * len(before), before + b"more", before[:-1]):
        path.write_bytes(changed)
        folder = tmp_path / f"data{len(changed)}{changed[:1]!r}"
        refused = call("files", "hw1", "--download", str(folder))
        assert refused.exit_code == 8
        assert "sheet.md" in refused.stderr
        assert not list(folder.glob("*sheet.md*"))
        assert not (folder / "manifest.json").exists()


@pytest.mark.parametrize(
    "name",
    ["../x", "/etc/passwd", "a/../../x", "..", ".", "", "a//b", "a/./b", "C:\\x", "a\\b", "C:x", "x\0", "x\n", "a/",
     "\u202ex", "x" * 300, "MANIFEST.json", "ok.txt. ", " ", "~/x/..", "...", "nul:"],
)  # fmt: skip
def test_a_name_that_would_leave_the_folder_is_refused(name: str) -> None:
    with pytest.raises(UserError) as error:
        remote.check_names(["ok.txt", name])
    assert error.value.exit_code == 8


def test_names_in_folders_are_taken_and_two_of_one_name_are_not() -> None:
    remote.check_names(["a/b/c.csv", "a/b/d.csv", ".hidden", "with space.csv", "李.csv"])
    with pytest.raises(UserError):
        remote.check_names(["a/x.csv", "A/X.csv"])


def test_a_link_in_the_folder_leads_nowhere(served: Served, tmp_path: Path) -> None:
    log_in(served)
    outside, folder = tmp_path / "outside", tmp_path / "data"
    outside.mkdir()
    folder.mkdir()
    (folder / "sheet.md").symlink_to(outside / "sheet.md")
    assert call("files", "hw1", "--download", str(folder)).exit_code == 8
    (folder / "sheet.md").unlink()
    (folder / ".sheet.md.part").symlink_to(outside / "sheet.md")
    assert call("files", "hw1", "--download", str(folder)).exit_code != 0
    assert list(outside.iterdir()) == []


def test_check_goes_on_offline_with_the_form_that_was_fetched(served: Served, tmp_path: Path) -> None:
    log_in(served)
    good, bad = constant(served.home, tmp_path, 9), constant(served.home, tmp_path, "nan")
    online = [call("check", "hw1", str(path)) for path in (good, bad)]
    served.stop()
    offline = [call("check", "hw1", str(path)) for path in (good, bad)]
    assert [done.exit_code for done in online] == [done.exit_code for done in offline] == [0, 3]
    assert [done.stdout for done in online] == [done.stdout for done in offline]
    assert "does not answer" in offline[0].stderr
    assert call("check", "hw3", str(good)).exit_code == 7


def test_a_form_that_changed_is_fetched_again(served: Served, tmp_path: Path) -> None:
    from harness.prepare import plan_homework, prepare

    log_in(served)
    assert call("check", "hw1", str(sample(served.home))).exit_code == 0
    plan = plan_homework("hw1", "builtin-2022", None, "small")
    prepare(served.home, plan, seed=None, replace_old=True, accept_leaks=False, now=NOW)
    done = call("check", "hw1", str(sample(served.home)))
    assert done.exit_code == 0
    assert "edition builtin-2022" in done.stdout


# Servers that do not behave.


@dataclass
class Heard:
    tokens: list[str | None] = field(default_factory=list)


def test_a_redirect_is_not_followed_and_takes_no_token_along() -> None:
    heard = Heard()

    class Other(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            heard.tokens.append(self.headers.get("Authorization"))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    with standing(Other) as elsewhere:

        class Redirecting(Other):
            def do_GET(self) -> None:
                self.send_response(302)
                self.send_header("Location", f"{elsewhere}{self.path}")
                self.send_header("Content-Length", "0")
                self.end_headers()

        with standing(Redirecting) as url:
            done = call("login", url, input=f"{TOKEN}\n")
            assert done.exit_code == 7
            assert elsewhere.removeprefix("http://") in done.stderr
    assert heard.tokens == []
    assert not options.login_file().exists()


@pytest.mark.parametrize(
    ("status", "body", "code"),
    [
        (200, b"<html>a hotel's login page</html>", 10),
        (200, b"[]", 10),
        (404, b"no such page", 10),
        (502, b"<html>bad gateway</html>", 7),
        (200, b"[" * 100_000, 10),
        (400, b'{"error": {"code": 7, "message": null, "details": "x"}}', 2),
        (422, b'{"error": {"code": "E_X", "message": "m", "details": [1, {}, {"code": "E_X"}]}}', 3),
    ],
)
def test_an_answer_that_is_none_of_ours_is_told_without_a_traceback(status: int, body: bytes, code: int) -> None:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    with standing(Handler) as url:
        remote.write_login(options.login_file(), remote.Server(url, TOKEN))
        done = call("quota", "hw1")
    assert done.exit_code == code
    assert "internal error" not in done.stderr


def test_a_server_that_is_not_there_or_breaks_off_ends_with_exit_code_7() -> None:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", "1000")
            self.end_headers()
            self.wfile.write(b"{")
            self.close_connection = True

        def log_message(self, *_: Any) -> None:
            pass

    with standing(Handler) as url:
        remote.write_login(options.login_file(), remote.Server(url, TOKEN))
        broken = call("quota", "hw1")
    gone = call("quota", "hw1")
    for done in (broken, gone):
        assert done.exit_code == 7
        assert "cannot be reached" in done.stderr
        assert TOKEN not in done.stderr


def test_a_certificate_is_checked_and_a_courses_own_authority_can_be_trusted(home: Home, tmp_path: Path) -> None:
    certificate, key = self_signed(tmp_path)
    with serving(home, ssl_certfile=str(certificate), ssl_keyfile=str(key)) as served:
        token = issue(home, "ada")
        refused = call("login", served.url, input=f"{token}\n")
        assert refused.exit_code == 7
        assert "cannot be trusted" in refused.stderr
        assert all(request["token"] is None for request in served.requests)
        assert call("login", served.url, "--ca", str(certificate), input=f"{token}\n").exit_code == 0
        assert call("quota", "hw1").exit_code == 0
        assert call("login", served.url, "--ca", str(tmp_path / "none"), input=f"{token}\n").exit_code == 2


def self_signed(folder: Path) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1 and its key."""
    import ipaddress

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "a test")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
        .sign(key, hashes.SHA256())
    )
    paths = folder / "certificate.pem", folder / "key.pem"
    paths[0].write_bytes(made.public_bytes(serialization.Encoding.PEM))
    paths[1].write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return paths


# Notebooks, and what is loaded.


def test_a_notebook_hands_in_a_frame_of_pandas_or_polars(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    import pandas as pd
    import polars as pl

    work(served, monkeypatch)
    log_in(served)
    frame = pd.read_csv(sample(served.home), dtype={"id": str})
    target = frame.columns[1]
    frame[target] = 9.5
    done = notebook.submit(frame, "hw1", "from a notebook")
    assert (done["state"], done["rank"], done["again"]) == ("graded", 1, False)
    again = notebook.submit(pl.DataFrame({name: frame[name].tolist() for name in frame}), "hw1")
    assert again["scores"] == done["scores"]
    assert notebook.submit(sample(served.home), "hw1", wait=False)["state"] == "queued"
    frame[target] = float("nan")
    with pytest.raises(SubmissionError):
        notebook.submit(frame, "hw1")
    with pytest.raises(TypeError):
        notebook.submit([1, 2], "hw1")
    call("logout")
    monkeypatch.setenv("LHY_GRADE_HOME", str(served.home.root))
    (served.home.root / "config.toml").write_text('name = "bob"\n')
    assert notebook.submit(sample(served.home), "hw1")["receipt"]["participant"] == "bob"


SCRIPT = """
import json, sys
before = set(sys.modules)
from harness.cli import cli
try:
    cli.main(sys.argv[2:], standalone_mode=False)
finally:
    names = {name.split(".")[0] for name in set(sys.modules) - before}
    ours = {"harness", "tasks", "submissions", "leaderboard"}
    outside = sorted(names - set(sys.stdlib_module_names) - ours)
    more = [name for name in ("sqlite3", "leaderboard.database") if name in sys.modules]
    open(sys.argv[1], "w").write(json.dumps(outside + more))
"""
CLIENT = {"click", "urllib3", "platformdirs"}


@pytest.mark.skipif(sys.platform != "linux", reason="the folders of a user are told by variables on Linux alone")
@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        (["quota", "hw1", "--format", "json"], CLIENT),
        (["leaderboard", "hw1", "--format", "json"], CLIENT),
        (["submissions", "hw1"], CLIENT | {"rich"}),
        (["submit", "hw1", "FILE", "--no-wait"], CLIENT | {"numpy"}),
        (["check", "hw1", "FILE"], CLIENT | {"numpy"}),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_the_client_loads_neither_a_database_nor_torch_nor_pandas(
    served: Served, tmp_path: Path, words: list[str], wanted: set[str]
) -> None:
    environment = {**os.environ, **{f"XDG_{n}_HOME": str(tmp_path / n) for n in ("CONFIG", "CACHE", "STATE", "DATA")}}
    environment.pop("LHY_GRADE_HOME", None)
    login = tmp_path / "CONFIG" / "lhy-grade" / "login.json"
    remote.write_login(login, remote.Server(served.url, issue(served.home, "ada")))
    loaded = tmp_path / "loaded.json"
    given = [str(sample(served.home)) if word == "FILE" else word for word in words]
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(loaded), *given],
        cwd=ROOT, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert {name for name in json.loads(loaded.read_text()) if not name.startswith("_sysconfigdata")} == wanted
