"""The client against the real server, and against servers and networks that do not behave."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shlex
import shutil
import socket
import stat
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, fields, is_dataclass, replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import pytest
from click.testing import CliRunner, Result

from harness import notebook
from harness.cli import common
from harness.cli.main import cli
from harness.course import download, entries, login, remote, transport, types
from harness.course.entries import to_json
from harness.grading.accept import grade_pending
from harness.home import Home, open_home
from leaderboard import acceptance, access_tokens, enrolment, queue, records, roster
from tasks.base import UserError
from tests.conftest import self_signed

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

    def entries(self) -> list[records.Submission]:
        with self.home.database() as database:
            return records.submissions(database)


@contextlib.contextmanager
def serving(home: Home, **tls: str) -> Iterator[Served]:
    """The application on a free port of this machine, in a thread."""
    import uvicorn

    from harness.server.app import make_app
    from harness.server.settings import Settings

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
            entry = roster.Entry(key, key, "", "instructor" if role == "instructor" else "student")
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
    assert token not in repr(login.read_login(kept))
    assert "ada, student" in call("login").stdout
    assert call("logout").exit_code == 0
    assert not kept.exists()
    assert call("logout").exit_code == 2
    assert "not prepared" in call("quota", "hw1").stderr  # the home of this user, which is empty


def test_logout_ends_the_token_at_the_server(served: Served, folders: Path) -> None:
    token = issue(served.home, "ada")
    assert call("login", served.url, input=f"{token}\n").exit_code == 0
    done = call("logout")
    assert (done.exit_code, done.stdout) == (0, "logged out; the token has been revoked\n")
    assert call("login", served.url, input=f"{token}\n").exit_code == 6
    log_in(served)
    with served.home.database() as database:
        for row in access_tokens.tokens(database, "ada"):
            access_tokens.revoke_token(database, row.id, "prof", NOW)
    assert call("logout").stdout == "logged out; the token has been revoked\n"


def test_logout_without_the_server_forgets_the_token_here_and_says_until_when_it_holds(
    served: Served, folders: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = folders / "config" / "lhy-grade" / "login.json"
    log_in(served)
    with monkeypatch.context() as patch:
        patch.setattr(remote.RemoteCourse, "_once", interrupt)
        assert "until 2027-09-17" in call("logout").stdout
    assert not kept.exists()
    log_in(served)
    served.stop()
    done = call("logout")
    assert done.exit_code == 0
    assert "until 2027-09-17T20:00:00+08:00" in done.stdout
    assert "cannot be reached" in done.stderr
    assert not kept.exists()
    kept.write_text("no login")
    assert call("logout").exit_code == 0
    assert not kept.exists()


def interrupt(*_: Any) -> None:
    raise KeyboardInterrupt


def test_the_login_is_private_whatever_the_umask_and_whatever_lay_there(served: Served, folders: Path) -> None:
    kept = folders / "config" / "lhy-grade" / "login.json"
    kept.parent.mkdir(parents=True)
    kept.write_text("an old one")
    kept.chmod(0o644)
    before = os.umask(0)
    try:
        log_in(served)
    finally:
        os.umask(before)
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert [path.name for path in kept.parent.iterdir()] == ["login.json"]


@pytest.mark.parametrize("token", [TOKEN + "\n", TOKEN + "\r\nX-Y: 1", "é" + TOKEN, "", 7, None])
def test_a_login_that_was_damaged_is_refused_without_showing_its_token(token: object) -> None:
    path = common.login_file()
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps({"url": "http://127.0.0.1:9", "token": token}))
    done = call("--debug", "quota", "hw1")
    assert done.exit_code == 2
    assert "log in again" in done.stderr
    assert "xxxx" not in done.output + repr(done.exception)


def test_a_token_that_does_not_hold_is_refused_and_not_kept(served: Served, folders: Path) -> None:
    for token in (TOKEN, "", "secret", "lhy_" + "é" * 43):
        done = call("login", served.url, input=f"{token}\n")
        assert done.exit_code == 6, token
        assert not (folders / "config").exists()
    log_in(served)
    with served.home.database() as database:
        for token_row in access_tokens.tokens(database, "ada"):
            access_tokens.revoke_token(database, token_row.id, "prof", NOW)
    assert call("quota", "hw1").exit_code == 6


def test_an_invitation_opens_once_and_leaves_a_token_of_this_machine(served: Served, folders: Path) -> None:
    invitation = issue(served.home, "ada", login.INVITATION)
    assert login.INVITATION == access_tokens.INVITATION
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
        assert login.check_url(url, insecure) == url.rstrip("/")
        return
    with pytest.raises(UserError) as error:
        login.check_url(url, insecure)
    assert error.value.code == code


def test_as_is_refused_where_the_login_says_who_one_is(served: Served) -> None:
    log_in(served)
    refused = call("quota", "hw1", "--as", "bob")
    assert refused.exit_code == 2
    assert "login" in refused.stderr


# The verbs.


VERBS = (
    "quota hw1", "quota hw9", "submissions", "submissions hw01", "leaderboard", "leaderboard hw1",
    "leaderboard hw1 --top 1", "leaderboard hw1 --private", "leaderboard hw9", "submit hw1 9.csv",
    "submit hw1 none.csv", "submit hw1 1.csv", "select hw1 --preview", "select hw1 3 2 1", "select hw1 99",
    "select hw1", "status 99", "status 3", "receipt 3", "receipt 99", "tasks hw1", "check hw1 9.csv",
    "check hw1 nan.csv", "check hw1 none.csv", "files hw1",
)  # fmt: skip
UNNAMED = ("tasks", "receipt", "status", "check", "files")


def test_every_verb_prints_the_same_on_the_server_as_at_home(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (home.root / "config.toml").write_text("[hw01]\nquota = 2\n")
    with serving(open_home(home.root)) as served:
        work(served, monkeypatch)
        for who in ("bob", "ada"):
            log_in(served, who)
            for value in (9, 12.25) if who == "ada" else (11,):
                done = call("submit", "hw1", str(constant(home, tmp_path, value)), "-m", "dropout 0.3")
                assert done.exit_code == 0, done.output
        constant(home, tmp_path, 1)
        constant(home, tmp_path, "nan")
        assert call("select", "hw1", "3").stdout == "hw01: 3 will count on the private board.\n"
        for verb in VERBS:
            words = verb.split()
            for format in ("table",) if words[0] == "receipt" else ("table", "json", "csv"):
                more = [] if words[0] == "receipt" else ["--format", format]
                there = call(*words, *more)
                here = call("--home", str(home.root), *words, *more, *([] if words[0] in UNNAMED else ["--as", "ada"]))
                assert there.exit_code == here.exit_code, verb
                if "hw9" in words or "--private" in words:  # says what somebody there and here can do about it
                    continue
                if format == "json":
                    assert comparable(there.stdout, verb) == comparable(here.stdout, verb), verb
                elif words[0] == "leaderboard" and format == "csv":  # others' numbers are for staff
                    assert without_last(there.stdout) == without_last(here.stdout), verb
                elif words[0] == "files":
                    assert there.stdout == here.stdout
                else:
                    assert (there.stdout, there.stderr) == (here.stdout, here.stderr), (verb, format)


def comparable(text: str, verb: str) -> Any:
    """A JSON body without what a home and a class differ in: numbers of others' entries, the folder, the quota."""
    body = json.loads(text)
    for row in body.get("board", []):
        row["submission"] = row["submission"] if row["own"] else None
    body.pop("folder", None)
    if verb.startswith("tasks"):
        body.pop("quota", None)
    return body


def without_last(text: str) -> list[str]:
    return [line.rpartition(",")[0] for line in text.splitlines()]


def test_a_new_submission_and_the_list_of_homeworks_have_the_same_fields_as_at_home(
    served: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    work(served, monkeypatch)
    log_in(served)
    root = str(served.home.root)
    for value, format in enumerate(("json", "csv", "table")):
        file = str(constant(served.home, tmp_path, value))
        there = call("submit", "hw1", file, "--format", format)
        here = call("--home", root, "submit", "hw1", file, "--format", format, "--as", "bob")
        assert there.exit_code == here.exit_code == 0
        if format == "json":
            assert shape(json.loads(there.stdout)) == shape(json.loads(here.stdout))
        assert there.stdout.splitlines()[0] == here.stdout.splitlines()[0]
        assert len(there.stderr.splitlines()) == len(here.stderr.splitlines())
    (there,) = json.loads(call("tasks", "--format", "json").stdout)["tasks"]
    here = json.loads(call("--home", root, "tasks", "--format", "json").stdout)["tasks"][0]
    assert set(here) <= set(there)
    assert {key: there[key] for key in ("name", "title", "metric", "prepared")} == {
        key: here[key] for key in ("name", "title", "metric", "prepared")
    }


def shape(value: Any) -> Any:
    """The keys of a JSON value, down to its numbers and texts."""
    if isinstance(value, dict):
        return {key: shape(inner) for key, inner in value.items()}
    return [shape(inner) for inner in value[:1]] if isinstance(value, list) else None


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
    assert "submission 1 is waiting, position 1" in waiting.stdout
    assert "lhy-grade status 1" in waiting.stderr
    log_in(served)
    seen: list[tuple[str, int | None]] = []
    turns = iter([lambda: None, served.grade])
    monkeypatch.setattr(remote, "sleep", lambda _: next(turns)())
    done = common.source().submit(
        "hw1", constant(served.home, tmp_path, 15), "", True, lambda one: seen.append((one.state, one.position))
    )
    assert seen == [("queued", 2), ("queued", 2)]
    assert (done.submission.state, done.submission.rank, done.accepted.again) == ("graded", 1, False)
    assert "rank 1" in call("status", "2").stdout
    assert json.loads(call("status", "2", "--format", "json").stdout)["scores"] == done.body["scores"]


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
        no_slot = "The file was refused; no slot was used.\n" if format == "table" else ""
        assert (there.stdout, there.stderr) == (here.stdout, here.stderr + no_slot)
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
            acceptance.reject(
                database, 1, "E_FACES", NOW, json.dumps([{"code": "E_FACES", "message": "\x1b[31mno face"}])
            )

    monkeypatch.setattr(remote, "sleep", refuse)
    refused = call("submit", "hw1", str(constant(served.home, tmp_path, 9)))
    assert refused.exit_code == 3
    assert "E_FACES  \\x1b[31mno face" in refused.stderr
    assert "E_FACES" in call("status", "1").stdout

    def fail(_: float) -> None:
        from harness.competition import find_competition
        from harness.versions import read_versions

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


@pytest.mark.parametrize("lost", [1, 2, 3])
def test_a_lost_answer_never_costs_a_second_slot(served: Served, tmp_path: Path, lost: int) -> None:
    file, keys = constant(served.home, tmp_path, 9), list[str]()
    with forgetful(served.url, lost, keys=keys) as url:
        login.write_login(common.login_file(), remote.RemoteCourse(url, issue(served.home, "ada")))
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
    assert len(set(keys[:-1])) == 1, "a retry has the key of the first try"
    assert keys[-1] != keys[0], "and who hands the file in again has a new one"


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
        login.write_login(common.login_file(), remote.RemoteCourse(url, TOKEN))
        done = call("quota", "hw1")
    assert done.exit_code == 4
    assert waited == [7.0, 3.0]
    assert "\x1b" not in done.stderr


# The data. Archives are in test_archive.py.


def test_the_files_of_a_server_of_an_earlier_version_come_one_by_one(
    served: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from harness.build import damaged_files

    log_in(served)
    public, work = served.home.public("hw01"), tmp_path / ".hw01.part" / "files"
    real = remote.RemoteCourse.files
    monkeypatch.setattr(remote.RemoteCourse, "files", lambda self, hw: replace(real(self, hw), archive=None))
    done = call("files", "hw1", "--download")
    assert done.exit_code == 0, done.output
    assert not work.parent.exists()
    folder = tmp_path / "hw01"
    names = {path.name for path in folder.iterdir()}
    assert names == {path.name for path in public.iterdir()}
    assert all((folder / name).read_bytes() == (public / name).read_bytes() for name in names - {"manifest.json"})
    assert damaged_files(folder) == []


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


@pytest.mark.parametrize(
    "name",
    ["../x", "/etc/passwd", "a/../../x", "..", ".", "", "a//b", "a/./b", "C:\\x", "a\\b", "C:x", "x\0", "x\n", "a/",
     "\u202ex", "x" * 300, "MANIFEST.json", "ok.txt. ", " ", "~/x/..", "...", "nul:"],
)  # fmt: skip
def test_a_name_that_would_leave_the_folder_is_refused(name: str) -> None:
    with pytest.raises(UserError) as error:
        download.check_names(["ok.txt", name])
    assert error.value.exit_code == 8


def test_names_in_folders_are_taken_and_two_of_one_name_are_not() -> None:
    download.check_names(["a/b/c.csv", "a/b/d.csv", ".hidden", "with space.csv", "李.csv"])
    with pytest.raises(UserError):
        download.check_names(["a/x.csv", "A/X.csv"])


def test_a_link_in_the_folder_leads_nowhere(served: Served, tmp_path: Path) -> None:
    log_in(served)
    outside, folder = tmp_path / "outside", tmp_path / "data"
    outside.mkdir()
    folder.mkdir()
    for link, target in (("sheet.md", "sheet.md"), (".part", ".")):
        (folder / link).symlink_to(outside / target)
        assert call("files", "hw1", "--download", str(folder)).exit_code == 8
        (folder / link).unlink()
    (folder / ".part").mkdir()
    (folder / ".part" / "files").symlink_to(outside)
    assert call("files", "hw1", "--download", str(folder)).exit_code != 0
    (folder / ".part" / "files").unlink()
    (folder / ".part" / ".hw01-1.zip.part").symlink_to(outside / "x")
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
    assert "cannot be reached" in offline[0].stderr
    assert "fetched last" in offline[0].stderr
    assert call("check", "hw3", str(good)).exit_code == 7


def test_a_form_that_changed_is_fetched_again(served: Served, tmp_path: Path) -> None:
    from harness.plans import plan_homework
    from harness.prepare import prepare

    log_in(served)
    assert call("check", "hw1", str(sample(served.home))).exit_code == 0
    plan = plan_homework("hw1", "builtin-2022", None, "small")
    prepare(served.home, plan, seed=None, new_data=True, reason="why", accept_leaks=False, now=NOW)
    done = call("check", "hw1", str(sample(served.home)))
    assert done.exit_code == 0
    assert "edition builtin-2022" in done.stdout


def test_old_data_are_read_over_the_network(served: Served) -> None:
    from harness.plans import plan_homework
    from harness.prepare import prepare

    def asked(*words: str) -> Any:
        return json.loads(call(*words, "--format", "json").stdout)

    log_in(served)
    assert call("submit", "hw1", str(sample(served.home)), "--no-wait").exit_code == 0
    served.grade()
    commands = (("leaderboard", "hw1"), ("submissions", "hw1"))
    before = [asked(*words) for words in commands]
    plan = plan_homework("hw1", None, None, "small")
    prepare(served.home, plan, seed=None, new_data=True, reason="why", accept_leaks=False, now=NOW)
    assert [asked(*words, "--version", "1") for words in commands] == before
    assert [asked(*words)[name] for words, name in zip(commands, ("board", "submissions"), strict=True)] == [[], []]
    missing = call("leaderboard", "hw1", "--version", "5")
    assert (missing.exit_code, "there are: 1, 2" in missing.stderr) == (2, True)
    assert call("submissions", "--version", "1").exit_code == 2


def test_files_for_old_data_are_refused_with_the_command_that_gets_the_new_ones(
    served: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from harness.plans import plan_homework
    from harness.prepare import prepare

    def told(*words: str) -> str:
        done = call(*words, "--format", "json")
        assert done.exit_code == 3
        error = json.loads(done.stdout)["error"]
        assert error["code"] == "E_STALE_DATA"
        return str(error["message"])

    log_in(served)
    assert call("files", "hw1", "--download", "data").exit_code == 0
    (tmp_path / "work").mkdir()
    file = tmp_path / "work" / "predictions.csv"
    shutil.copy(sample(served.home), file)
    assert call("check", "hw1", str(file)).exit_code == 0
    plan = plan_homework("hw1", None, None, "small")
    prepare(served.home, plan, seed=None, new_data=True, reason="why", accept_leaks=False, now=NOW)
    monkeypatch.chdir(tmp_path / "work")
    for command in ("check", "submit"):
        assert "lhy-grade files hw01 --download" in told(command, "hw1", str(file))
    with pytest.raises(notebook.GraderError, match="version 1, but the competition uses version 2"):
        notebook.submit(file, "hw1")
    assert served.entries() == []
    assert call("files", "hw1", "--download", str(tmp_path / "data")).exit_code == 0
    assert call("submit", "hw1", str(file), "--no-wait").exit_code == 0
    served.stop()
    assert call("check", "hw1", str(file)).exit_code == 0


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
    assert not common.login_file().exists()


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
        login.write_login(common.login_file(), remote.RemoteCourse(url, TOKEN))
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
        login.write_login(common.login_file(), remote.RemoteCourse(url, TOKEN))
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


# Notebooks, and what is loaded.


def test_an_address_and_a_token_in_the_environment_are_a_login(
    served: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    work(served, monkeypatch)
    monkeypatch.setenv("LHY_GRADE_SERVER", served.url + "/")
    monkeypatch.setenv("LHY_GRADE_TOKEN", issue(served.home, "ada"))
    folder = notebook.data_folder("hw1")
    assert folder == tmp_path / "hw01"
    assert (folder / "covid.train.csv").read_bytes() == (served.home.public("hw01") / "covid.train.csv").read_bytes()
    assert sum("archive" in str(r["route"]) for r in served.requests) == 1
    assert notebook.data_folder("hw1") == folder
    assert sum("archive" in str(r["route"]) for r in served.requests) == 1, "it is fetched once"
    assert notebook.check(folder / "sample_submission.csv", "hw1") == "valid: 893 rows for hw01, edition builtin"
    assert notebook.submit(folder / "sample_submission.csv", "hw1").rank == 1
    assert call("quota", "hw1").exit_code == 0
    assert "for course staff" in call("rules", "hw1").output
    assert not common.login_file().exists()
    monkeypatch.setenv("LHY_GRADE_HOME", str(tmp_path / "other"))
    assert "lhy-grade prepare hw01" in call("files", "hw1").output


@pytest.mark.parametrize(
    ("url", "token", "words"),
    [
        ("https://ml.example.edu", "", "LHY_GRADE_TOKEN is not set"),
        ("", TOKEN, "LHY_GRADE_SERVER is not set"),
        ("https://ml.example.edu", "lhy_short", "copy all of it"),
        ("ml.example.edu", TOKEN, "Did you mean https://ml.example.edu?"),
        ("http://ml.example.edu", TOKEN, "not encrypted"),
    ],
)
def test_half_a_login_in_the_environment_is_an_error_without_the_token(
    url: str, token: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LHY_GRADE_SERVER", url)
    monkeypatch.setenv("LHY_GRADE_TOKEN", token)
    said = call("quota", "hw1").output
    assert words in said
    assert "lhy_" not in said.replace("lhy_ followed", "")


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
    with pytest.raises(notebook.GraderError):
        notebook.submit(frame, "hw1")
    with pytest.raises(notebook.GraderError):
        notebook.submit([1, 2], "hw1")
    call("logout")
    monkeypatch.setenv("LHY_GRADE_HOME", str(served.home.root))
    (served.home.root / "config.toml").write_text('name = "bob"\n')
    assert notebook.submit(sample(served.home), "hw1")["receipt"]["participant"] == "bob"


FAULTS: list[tuple[str, Callable[[Any, str], Any], str | None]] = [
    ("any order of rows and columns, any index", lambda f, y: f.sample(frac=1, random_state=1)[[y, "id"]], None),
    ("ids as whole numbers", lambda f, y: f.assign(id=f["id"].astype(int)), None),
    ("ids as categories", lambda f, y: f.assign(id=f["id"].astype("category")), None),
    ("ids as floats", lambda f, y: f.assign(id=f["id"].astype(float)), "E_ID_FLOAT"),
    ("ids in the index", lambda f, y: f.set_index("id"), "E_COLUMNS"),
    ("an index that was written", lambda f, y: f.reset_index(), "E_COLUMNS"),
    ("another name", lambda f, y: f.rename(columns={y: "y"}), "E_COLUMNS"),
    ("nan", lambda f, y: f.assign(**{y: float("nan")}), "E_NUMBER"),
    ("infinity", lambda f, y: f.assign(**{y: float("-inf")}), "E_NUMBER"),
    ("missing", lambda f, y: f.assign(**{y: f[y].astype("Float64").where(f[y] > 99)}), "E_NUMBER"),
    ("truth values", lambda f, y: f.assign(**{y: True}), "E_NUMBER"),
    ("arrays of one number", lambda f, y: f.assign(**{y: [[9.5]] * len(f)}), "E_NUMBER"),
    ("rows that are left out", lambda f, y: f.iloc[:-3], "E_ID_MISSING"),
    ("no rows", lambda f, y: f.iloc[:0], "E_ROWS"),
]


@pytest.mark.parametrize(("change", "code"), [row[1:] for row in FAULTS], ids=[row[0] for row in FAULTS])
def test_a_frame_is_read_as_a_file_is(
    home: Home, monkeypatch: pytest.MonkeyPatch, change: Callable[[Any, str], Any], code: str | None
) -> None:
    import pandas as pd

    monkeypatch.setenv("LHY_GRADE_HOME", str(home.root))
    (home.root / "config.toml").write_text('name = "ada"\n')
    frame = pd.read_csv(sample(home), dtype={"id": str})
    target = frame.columns[1]
    frame[target] = 9.5
    if code is None:
        expected = notebook.submit(frame, "hw1")["scores"]
        assert notebook.submit(change(frame, target), "hw1")["scores"] == expected
        return
    with pytest.raises(notebook.GraderError) as error:
        notebook.submit(change(frame, target), "hw1")
    assert error.value.code == code
    assert ("reset_index" in str(error.value)) == (change(frame, target).index.name == "id")


def test_the_numbers_of_a_frame_arrive_with_all_their_digits(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    import numpy as np
    import pandas as pd
    import polars as pl

    from harness.competition import find_competition
    from submissions.reader import read
    from submissions.store import fetch

    monkeypatch.setenv("LHY_GRADE_HOME", str(home.root))
    (home.root / "config.toml").write_text('name = "ada"\n')
    frame = pd.read_csv(sample(home), dtype={"id": str})
    target, random = frame.columns[1], np.random.default_rng(0)
    values = random.normal(size=len(frame)) * 10.0 ** random.integers(-300, 0, len(frame))
    values = abs(values).clip(0, 100)
    values[:4] = 0.1 + 0.2, 5e-324, 99.99999999999999, 1 / 3
    form = find_competition(home, "hw1").format
    for given in (frame.assign(**{target: values}), pl.DataFrame({"id": list(frame["id"]), target: values})):
        done = notebook.submit(given, "hw1")
        data = fetch(home.submissions, done["receipt"]["sha256"])
        assert read(data, form)[target].tolist() == values.tolist()
    small = values[:].clip(-100, 100).astype("float32")
    done = notebook.submit(frame.assign(**{target: small}), "hw1")
    data = fetch(home.submissions, done["receipt"]["sha256"])
    assert read(data, form)[target].astype("float32").tolist() == small.tolist()


def test_the_notebook_of_the_documentation_runs(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    text = (ROOT / "docs" / "student.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```[^\n]*\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    example = next(block for block in blocks if "harness.notebook" in block)
    work(served, monkeypatch)
    log_in(served)
    assert call("files", "hw1", "--download").exit_code == 0
    names: dict[str, Any] = {}
    exec(example, names)
    assert names["done"]["rank"] == 1


def test_the_commands_of_the_documentation_for_a_class_run(
    served: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the order of the page; the submissions that it numbers are made beside it."""
    text = (ROOT / "docs" / "student.md").read_text(encoding="utf-8").partition("## In a class\n")[2]
    lines = re.findall(r"^lhy-grade (.*)$", text.partition("```\n")[2].partition("```")[0], re.MULTILINE)
    work(served, monkeypatch)
    own = {"preds.csv": constant(served.home, tmp_path, 9), "more.csv": constant(served.home, tmp_path, 8)}
    for name, path in own.items():
        path.rename(tmp_path / name)
    log_in(served, "bob")
    for number in (1, 2):
        assert call("submit", "hw1", str(constant(served.home, tmp_path, number))).exit_code == 0
    ran = []
    for line in lines:
        words = [word.replace("https://ml.example.edu", served.url) for word in shlex.split(line, comments=True)]
        words, out = (words[: words.index(">")], words[-1]) if ">" in words else (words, None)
        if words[:2] == ["select", "hw1"] and words[2:] == ["3", "5"]:
            log_in(served, "bob")
            assert call("submit", "hw1", str(constant(served.home, tmp_path, 4))).exit_code == 0
            log_in(served, "ada")
            assert call("submit", "hw1", "more.csv").exit_code == 0
        done = call(*words, input=issue(served.home, "ada") + "\n" if words[0] == "login" else None)
        assert done.exit_code == 0, (line, done.output)
        if out is not None:
            (tmp_path / out).write_text(done.stdout, encoding="utf-8")
        ran.append(words[0])
    assert ran == [
        "login",
        "files",
        "tasks",
        "check",
        "submit",
        "status",
        "receipt",
        "receipt",
        "select",
        "login",
        "logout",
    ]


# Judges of other versions.


def test_check_and_doctor_say_where_the_course_judges_with_other_versions(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    import numpy as np

    from harness import answers
    from harness.plans import plan_homework
    from harness.prepare import prepare
    from tasks.base import Judge, Judged

    plan = plan_homework("hw12", None, None, "small")
    prepare(home, plan, seed=1, new_data=False, accept_leaks=False, now=NOW)
    shown = json.loads((home.public("hw12") / "format.json").read_text())["judge"]
    assert shown == plan.judge.version() if plan.judge else False
    file = str(next(home.public("hw12").glob("sample_submission.*")))
    with serving(home) as served:
        log_in(served)
        assert {"what": "hw12", "state": "ok"}.items() <= doctor_row("hw12").items()
        here = Judge(lambda: "gymnasium 0.1", check=lambda *_: Judged({"return": np.zeros(100)}))
        monkeypatch.setattr(answers, "find_judge", lambda _: here)
        for words in (["check", "hw12", file], ["--home", str(home.root), "check", "hw12", file]):
            done = call(*words)
            assert done.exit_code == 0
            assert shown in done.stderr
            assert "gymnasium 0.1" in done.stderr
            assert "gymnasium 0.1" in json.loads(call(*words, "--format", "json").stdout)["notes"][0]
        assert (doctor_row("hw12")["state"], shown in doctor_row("hw12")["detail"]) == ("note", True)
    rows = json.loads(call("--home", str(home.root), "doctor", "--format", "json").stdout.partition("\n{")[0])["checks"]
    assert any(row["what"] == "hw12" and row["state"] == "bad" and "gymnasium 0.1" in row["detail"] for row in rows)


def doctor_row(name: str) -> dict[str, str]:
    rows = json.loads(call("doctor", "--format", "json").stdout)["checks"]
    return next(row for row in rows if row["what"] == name)


SCRIPT = """
import json, sys
before = set(sys.modules)
from harness.cli.main import cli
try:
    cli.main(sys.argv[2:], standalone_mode=False)
finally:
    names = {name.split(".")[0] for name in set(sys.modules) - before}
    ours = {"harness", "tasks", "submissions", "leaderboard"}
    outside = sorted(names - set(sys.stdlib_module_names) - ours)
    more = [name for name in ("sqlite3", "leaderboard.database") if name in sys.modules]
    open(sys.argv[1], "w").write(json.dumps(outside + more))
"""
CLIENT = {"click", "msgspec", "platformdirs", "typing_extensions", "urllib3"}


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
    path = tmp_path / "CONFIG" / "lhy-grade" / "login.json"
    login.write_login(path, remote.RemoteCourse(served.url, issue(served.home, "ada")))
    loaded = tmp_path / "loaded.json"
    given = [str(sample(served.home)) if word == "FILE" else word for word in words]
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(loaded), *given],
        cwd=ROOT, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert {name for name in json.loads(loaded.read_text()) if not name.startswith("_sysconfigdata")} == wanted


# Proxies, slow and broken networks.


def test_a_proxy_sees_the_host_and_the_port_and_never_the_token(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard: list[bytes] = []
    certificate, key = self_signed(tmp_path)
    token = issue(home, "ada")
    with serving(home, ssl_certfile=str(certificate), ssl_keyfile=str(key)) as served:
        port = int(served.url.rpartition(":")[2])
        with tunnelling(port, heard) as proxy:
            monkeypatch.setenv("HTTPS_PROXY", proxy.replace("//", "//ada:pass%20word@"))
            url = "https://course.test:8600"
            done = call("login", url, "--ca", str(certificate), input=f"{token}\n")
            assert done.exit_code == 0, done.output
            assert call("quota", "hw1").exit_code == 0
            assert heard[0].startswith(b"CONNECT course.test:8600 HTTP/1.")
            assert b"Basic YWRhOnBhc3Mgd29yZA==" in heard[0]
            assert not any(token.encode() in part for part in heard)
            monkeypatch.setenv("NO_PROXY", "course.test")
            count = len(heard)
            assert call("quota", "hw1").exit_code == 7  # there is no such host
            assert len(heard) == count


def test_a_proxy_that_does_not_let_through_is_told_without_its_password(monkeypatch: pytest.MonkeyPatch) -> None:
    login.write_login(common.login_file(), remote.RemoteCourse("https://course.test", TOKEN))

    class Refusing(BaseHTTPRequestHandler):
        def do_CONNECT(self) -> None:
            self.send_error(407, "Proxy Authentication Required")

        def log_message(self, *_: Any) -> None:
            pass

    with standing(Refusing) as url:
        monkeypatch.setenv("https_proxy", url.replace("//", "//ada:secret@"))
        refused = call("quota", "hw1")
    gone = call("quota", "hw1")
    monkeypatch.setenv("https_proxy", "socks5://ada:secret@127.0.0.1:9")
    odd = call("quota", "hw1")
    assert (refused.exit_code, gone.exit_code, odd.exit_code) == (7, 7, 2)
    assert "answers 407 Proxy Authentication Required" in refused.stderr
    assert "does not answer" in gone.stderr
    assert "HTTPS_PROXY" in odd.stderr
    assert not any("secret" in done.output or "x" * 43 in done.output for done in (refused, gone, odd))


@pytest.mark.parametrize(
    ("url", "environment", "proxy"),
    [
        ("https://course.test", {"HTTPS_PROXY": "proxy.test:3128"}, "http://proxy.test:3128"),
        ("https://course.test", {"ALL_PROXY": "http://proxy.test:3128"}, "http://proxy.test:3128"),
        ("https://course.test", {"HTTP_PROXY": "http://proxy.test:3128"}, None),
        ("http://course.test", {"HTTP_PROXY": "http://proxy.test:3128", "ALL_PROXY": "http://proxy.test"}, None),
        ("https://127.0.0.1:8600", {"HTTPS_PROXY": "http://proxy.test:3128"}, None),
        ("https://a.course.test", {"HTTPS_PROXY": "http://proxy.test:3128", "NO_PROXY": ".course.test"}, None),
        ("https://course.test:8600", {"HTTPS_PROXY": "http://proxy.test:3128", "NO_PROXY": "course.test:8600"}, None),
    ],
)
def test_a_proxy_is_used_for_https_alone(
    url: str, environment: dict[str, str], proxy: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert transport.find_proxy(url) == proxy


@contextlib.contextmanager
def tunnelling(port: int, heard: list[bytes]) -> Iterator[str]:
    """A proxy that leads every CONNECT to that port of this machine, and keeps all that it is told."""
    import select

    class Handler(BaseHTTPRequestHandler):
        def do_CONNECT(self) -> None:
            heard.append(f"{self.requestline}\r\n{self.headers}".encode())
            with socket.create_connection(("127.0.0.1", port)) as there:
                self.connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
                ends = {self.connection: there, there: self.connection}
                while ends:
                    for end in select.select(list(ends), [], [], 30)[0]:
                        data = end.recv(2**16)
                        if not data:
                            return
                        if end is self.connection:
                            heard.append(data)
                        ends[end].sendall(data)

        def log_message(self, *_: Any) -> None:
            pass

    with standing(Handler) as url:
        yield url


@pytest.mark.parametrize("head", [b"", b"HTTP/1.1 200 OK\r\nX-A: ", b"HTTP/1.1 200 OK\r\n\r\n"])
def test_an_answer_that_drips_is_given_up(head: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (remote, transport):
        monkeypatch.setattr(module, "LONGEST_SECONDS", 0.3)
    done = threading.Event()

    class Dripping(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.wfile.write(head)
            with contextlib.suppress(OSError):
                while not done.wait(0.05):
                    self.wfile.write(b"1")

        def log_message(self, *_: Any) -> None:
            pass

    with standing(Dripping) as url:
        login.write_login(common.login_file(), remote.RemoteCourse(url, TOKEN))
        given_up = call("quota", "hw1")
        done.set()
    assert given_up.exit_code == 7
    assert "too slowly" in given_up.stderr


@pytest.mark.parametrize("said", [b"", b"HTTP/1.1 400 Bad Request\r\n\r\n"])
def test_a_server_without_tls_or_one_that_hangs_up_is_no_matter_of_certificates(said: bytes, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        url = f"https://127.0.0.1:{listening.getsockname()[1]}"
        login.write_login(common.login_file(), remote.RemoteCourse(url, TOKEN))

        def answer() -> None:
            with contextlib.suppress(OSError):
                while True:
                    connection, _ = listening.accept()
                    with connection:
                        connection.recv(2**16)
                        connection.sendall(said)

        thread = threading.Thread(target=answer)
        thread.start()
        (tmp_path / "a.csv").write_text("id,tested_positive\n")
        done = call("submit", "hw1", "a.csv")
        listening.shutdown(socket.SHUT_RDWR)
        thread.join()
    assert done.exit_code == 7
    assert "no secure connection" in done.stderr
    assert "--ca" not in done.stderr
    assert "The file is kept" in done.stderr


# Interrupted.


@pytest.mark.parametrize("step", ["form", "upload", "answer"])
def test_ctrl_c_keeps_the_file_and_prints_the_command_that_sends_it(
    served: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    log_in(served)
    file = constant(served.home, tmp_path, 9)
    real = remote.RemoteCourse._once

    def once(self: remote.RemoteCourse, method: str, *rest: Any) -> Any:
        if step == "form":
            raise KeyboardInterrupt
        answer = real(self, method, *rest) if method == "GET" or step == "answer" else None
        if method == "POST":
            if answer is not None:
                answer.close()
            raise KeyboardInterrupt
        return answer

    with monkeypatch.context() as patch:
        patch.setattr(remote.RemoteCourse, "_once", once)
        stopped = call("submit", "hw1", str(file), "--no-wait")
    assert stopped.exit_code == 130
    again = call(*shlex.split(stopped.stderr.strip().splitlines()[-1])[1:])
    assert again.exit_code == 0
    assert ("no slot was used" in again.stderr) == (step == "answer")
    assert len(served.entries()) == 1


def test_ctrl_c_while_a_score_is_waited_for_says_that_it_comes(
    served: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log_in(served)
    monkeypatch.setattr(remote, "sleep", interrupt)
    stopped = call("submit", "hw1", str(constant(served.home, tmp_path, 9)))
    assert stopped.exit_code == 130
    assert "Submission 1 is recorded. See its score later: lhy-grade status 1" in stopped.stderr


def test_ctrl_c_in_a_download_leaves_what_can_be_gone_on_with(
    served: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log_in(served)
    with monkeypatch.context() as patch:
        patch.setattr(download, "pieces", lambda *_, **__: interrupted_pieces())
        patch.setattr(remote, "read_all", lambda response: response.read())
        stopped = call("files", "hw1", "--download")
    assert stopped.exit_code == 130
    assert "Run the same command again" in stopped.stderr
    assert not (tmp_path / "hw01").exists()
    assert [path.name for path in (tmp_path / ".hw01.part").iterdir()] == [".hw01-1.zip.part"]
    assert call("files", "hw1", "--download").exit_code == 0
    assert not (tmp_path / ".hw01.part").exists()


def interrupted_pieces() -> Iterator[bytes]:
    yield b"x"
    raise KeyboardInterrupt


KILLED = """
import io, os, signal, sys
from harness.course import remote
from harness.cli.main import cli
step, real = sys.argv[1], remote.RemoteCourse._once

def die():
    os.kill(os.getpid(), signal.SIGKILL)

class Half(io.BytesIO):
    def read(self, *_):
        return super().read(3000) if self.tell() == 0 else die()

def once(self, method, *rest):
    if method == "POST" and step == "before":
        die()
    if method == "POST" and step == "midway":
        io.BytesIO = Half
    answer = real(self, method, *rest)
    if method == "POST":
        die()
    return answer

remote.RemoteCourse._once = once
cli.main(sys.argv[2:])
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="the folders of a user are told by variables on Linux alone")
@pytest.mark.parametrize("later", [timedelta(), timedelta(days=1), timedelta(days=3)], ids=["now", "next day", "late"])
@pytest.mark.parametrize("step", ["before", "midway", "after"])
def test_a_client_that_was_killed_can_hand_in_again_at_any_time(
    home: Home, folders: Path, tmp_path: Path, step: str, later: timedelta
) -> None:
    (home.root / "config.toml").write_text('[hw01]\ndeadline = "2027-03-03T23:59:59+08:00"\nquota = 2\n')
    with serving(open_home(home.root)) as served:
        log_in(served)
        file = constant(home, tmp_path, 9)
        words = ["submit", "hw1", str(file), "--no-wait", "--format", "json"]
        killed = subprocess.run(
            [sys.executable, "-c", KILLED, step, *words],
            cwd=ROOT, env=environment(folders), capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert killed.returncode == -9, killed.stderr
        served.clock[0] = NOW + later
        body = json.loads(call(*words).stdout)
        assert len(served.entries()) == 1
        assert body["again"] == (step == "after")
        assert body["practice"] == (step != "after" and later.days == 3)
        at = datetime.fromisoformat(body["receipt"]["accepted_at"])
        assert at == (NOW if step == "after" else NOW + later)
        used = 0 if step == "after" and later else 1
        assert (body["quota"]["used"], body["quota"]["left"]) == (used, 2 - used)


def environment(folders: Path) -> dict[str, str]:
    """The variables of a process of the same user."""
    names = ("config", "cache", "state", "data")
    more = {f"XDG_{name.upper()}_HOME": str(folders / name) for name in names} | {"PYTHONPATH": str(ROOT)}
    return {name: value for name, value in os.environ.items() if name != "LHY_GRADE_HOME"} | more


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="the folders of a user are told by variables on Linux alone")
@pytest.mark.parametrize("part", [0.5, 1.0])
@pytest.mark.parametrize(
    "name", ["my file.csv", 'it\'s "so".csv', "-m.csv", "李 宏毅.csv", "$(touch x);`id` & *.csv", "a\u202eb\n.csv"]
)
def test_the_printed_command_works_in_a_shell_as_it_stands(
    served: Served, folders: Path, tmp_path: Path, name: str, part: float
) -> None:
    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin" / "lhy-grade"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -c "from harness.cli.main import main; main()" "$@"\n')
    program.chmod(0o755)
    Path(name).write_bytes(sample(served.home).read_bytes())
    message = '-x "y" it\'s\n$HOME'
    with forgetful(served.url, 3, part) as url:
        login.write_login(common.login_file(), remote.RemoteCourse(url, issue(served.home, "ada")))
        lost = call("submit", "hw1", "--no-wait", "-m", message, "--", name)
        assert lost.exit_code == 7
        Path(name).unlink()
        command = lost.stderr.partition("counts:\n")[2]
        there = environment(folders) | {"PATH": f"{program.parent}:{os.environ['PATH']}"}
        again = subprocess.run(["sh", "-c", command], env=there, capture_output=True, text=True, check=False)
        assert again.returncode == 0, again.stderr
    assert not (tmp_path / "x").exists()
    (entry,) = served.entries()
    assert entry.message == message
    assert entry.filename == (name if name.isprintable() else "a_b_.csv") or part == 1.0


# What a home alone can do, and what a server says.


@pytest.mark.parametrize(
    "words",
    [
        ["gradebook"], ["gradebook", "hw1"], ["roster", "list"], ["rules", "hw1"], ["audit", "verify"],
        ["calibrate", "hw1"], ["worker"],
        ["grade", "--pending"], ["prepare", "hw1"], ["train", "hw1", "--level", "simple"],
        ["reveal", "hw1", "--reason", "x", "--yes"], ["extend", "hw1", "--all", "--hours", "1", "--reason", "x"],
        ["points", "hw1", "ada", "code", "1", "--reason", "x"], ["serve"],
        ["roster", "invite", "--reason", "x"],
    ],
    ids=" ".join,
)  # fmt: skip
def test_what_works_on_a_home_alone_is_not_taken_for_the_servers_by_a_login(folders: Path, words: list[str]) -> None:
    login.write_login(common.login_file(), remote.RemoteCourse("https://course.test", TOKEN))
    refused = call(*words)
    assert refused.exit_code == 6
    assert "you are logged in to https://course.test" in refused.stderr
    assert f"--home {folders / 'data' / 'lhy-grade'} " in refused.stderr
    assert not (folders / "data").exists()


def test_a_home_that_is_named_comes_before_a_login(served: Served) -> None:
    log_in(served)
    done = call("--home", str(served.home.root), "roster", "list", "--format", "csv")
    assert done.exit_code == 0
    assert "ada" in done.stdout


def test_doctor_tells_whether_the_login_holds(served: Served) -> None:
    log_in(served)
    rows = json.loads(call("doctor", "--format", "json").stdout)["checks"]
    assert {"what": "server", "state": "ok", "detail": f"{served.url}, as ada"} in rows
    served.stop()
    assert call("doctor").exit_code == 10


TIMES = ("next_day", "next_slot", "closes", "at", "last", "revealed")


def filled(kind: Any, text: str, name: str = "") -> Any:
    """A value of a type with `text` in every place for any text; times, of the fields `TIMES`, are valid."""
    origin, inside = get_origin(kind), get_args(kind)
    if is_dataclass(kind) and isinstance(kind, type):
        types = get_type_hints(kind)
        return kind(**{one.name: filled(types[one.name], text, one.name) for one in fields(kind)})
    if kind is str:
        return "2027-03-02T08:00:00+08:00" if name in TIMES else text
    if origin in (Union, UnionType):
        return filled(inside[0], text, name)
    if origin is dict:
        return {text: filled(inside[1], text)}
    if origin is list:
        return [filled(inside[0], text)]
    if origin is tuple:
        return tuple(filled(each, text) for each in inside if each is not Ellipsis)
    return inside[0] if origin is Literal else {float: 0.5, int: 1, bool: False, Any: text}[kind]


def test_nothing_that_a_server_says_reaches_the_terminal_as_a_command_to_it() -> None:
    evil = "\x1b[2J\u202e\x9b[red]\n"
    seen, description = filled(entries.Submission, evil), to_json(filled(types.Homework, evil))
    answers = {
        "quota": filled(types.Quota, evil),
        "submissions": filled(entries.Submissions, evil),
        "board": filled(types.Board, evil),
        "homeworks": filled(types.Homeworks, evil),
        "files": replace(filled(types.Files, evil), folder=None),
        "1": replace(seen, state="queued"),
        "2": replace(seen, state="rejected"),
        "3": replace(seen, state="graded"),
        "receipt": to_json(seen) | {evil: evil},
        "me": filled(types.Me, evil),
        "points": filled(types.Points, evil),
        "selection": filled(entries.Selection, evil),
        "hw1": description,
    }

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = evil.encode() if self.path.endswith("sheet") else b"{}"
            body = (
                json.dumps(to_json(answers[name])).encode()
                if (name := self.path.rpartition("/")[2]) in answers
                else body
            )
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_PUT = do_GET

        def log_message(self, *_: Any) -> None:
            pass

    with standing(Handler) as url:
        login.write_login(common.login_file(), remote.RemoteCourse(url, TOKEN, course=evil))
        for words in (
            ["quota", "hw1"], ["submissions"], ["leaderboard", "hw1"], ["tasks"], ["files", "hw1"], ["status", "1"],
            ["status", "2"], ["status", "3"], ["points"], ["select", "hw1", "--preview"], ["select", "hw1", "1"],
            ["receipt", "1"], ["login"], ["tasks", "hw1"],
        ):  # fmt: skip
            for format in ("table", "csv", "json"):
                more = [] if words[0] in ("receipt", "login") else ["--format", format]
                done = call(*words, *more)
                if words[:2] == ["tasks", "hw1"] and format == "json":
                    continue
                assert done.exit_code == 0, (words, format, done.output)
                assert not {"\x1b", "\x9b", "\u202e"} & set(done.output), (words, format)
                assert "2J" in done.output, (words, format)
                assert format == "json" or "[red]" in done.output, (words, format)
