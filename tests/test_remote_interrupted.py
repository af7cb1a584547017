"""A client that is interrupted or killed loses no file, and the command that it prints sends it."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from harness.cli import common
from harness.course import download, login, remote
from harness.home import Home, open_home
from tests import class_server
from tests.class_server import (
    NOW,
    ROOT,
    Served,
    call,
    constant,
    environment,
    forgetful,
    interrupt,
    issue,
    log_in,
    sample,
    serving,
)

home, served, folders = class_server.home, class_server.served, class_server.folders


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
