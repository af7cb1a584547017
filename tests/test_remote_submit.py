"""Handing in to a server: waiting, refusals, quotas, lost answers, and files that are kept for later."""

from __future__ import annotations

import json
import shlex
import stat
from datetime import timedelta
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest

from harness.cli import common
from harness.course import login, remote
from harness.home import open_home
from leaderboard import acceptance, queue
from tests import class_server
from tests.class_server import NOW, TOKEN, Served, call, constant, forgetful, issue, log_in, sample, serving, standing

home, served, folders = class_server.home, class_server.served, class_server.folders


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
