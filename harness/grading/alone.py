"""Grading in a program of its own, for a process with threads, which must not fork.

It reads requests as lines of JSON from its standard input and answers each with a line of JSON, as
`harness.grading.grader.Grader.values` does. The competition comes with the request: nothing is read of the database.
"""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from harness.answers import Secret, load_secret
from harness.competition import Competition, competition_from_json
from harness.grading.decode import KEPT
from harness.grading.grader import Grader
from harness.grading.worker import MARGIN
from harness.home import open_home
from submissions.store import fetch
from tasks.apart import Limits, die_with
from tasks.errors import UserError, internal

START = "from harness.grading.alone import serve; serve()"
MOST_ANSWER = 2**26
"""The most bytes of one answer."""

Loaded = dict[tuple[str, str, str], Secret]


def request_of(root: Path, competition: Competition, versions: tuple[str, str], sha256: str, limits: Limits) -> bytes:
    """The line that asks for the grade of a file by the answers of these versions (data, metric)."""
    values = {
        "root": str(root), "competition": competition.to_json(), "written": competition.written, "versions": versions,
        "sha256": sha256, "seconds": limits.seconds, "memory": limits.memory,
    }  # fmt: skip
    return json.dumps(values).encode() + b"\n"


def answered(request: dict[str, Any], grader: Grader, loaded: Loaded) -> dict[str, Any]:
    """The grade, the problems or the failure of one request, as plain values."""
    home, versions = open_home(Path(request["root"])), tuple(request["versions"])
    competition = replace(competition_from_json(request["competition"]), written=request["written"])
    place = (request["root"], competition.key, "/".join(versions))
    try:
        data = fetch(home.submissions, request["sha256"])
        if place not in loaded:
            secret = load_secret(home, competition)
            if (secret.data_version, secret.metric_version) != versions:
                return {"failure": "this node has other answers, or another lhy-grade, than the course"}
            if secret.metric_file:
                import pandas  # noqa: F401  # once, for all children
            loaded[place] = secret
        values = grader.values(loaded[place], data, Limits(request["seconds"], request["memory"]))
    except UserError as error:
        return {"failure": str(error)}
    assert values is not None, "nothing stops it"
    return values


def serve() -> None:
    """Answers requests until the input ends, or the process that started this one does."""
    die_with(int(os.environ["LHY_GRADE_PARENT"]))
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    grader, loaded, answers = Grader(), Loaded(), os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints is no answer
    for line in sys.stdin.buffer:
        try:
            values = answered(json.loads(line), grader, loaded)
        except Exception as error:  # its text may contain answers, so only type and place are shown
            values = {"failure": str(internal(error))}
        answers.write(json.dumps(values, allow_nan=False).encode() + b"\n")
        answers.flush()


@dataclass
class Program:
    """The other end: such a program, started on first use and again after it had to be killed."""

    process: subprocess.Popen[bytes] | None = None

    def ask(self, request: bytes, seconds: float) -> dict[str, Any]:
        """The answer to a request; a failure if there is none within `seconds` and a margin for reading the answers."""
        if self.process is None or self.process.poll() is not None:
            environment = {name: os.environ[name] for name in KEPT if name in os.environ}
            environment |= {
                "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
                "LHY_GRADE_PARENT": str(os.getpid()),
            }
            self.process = subprocess.Popen(
                [sys.executable, "-c", START], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment, bufsize=0
            )
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        try:
            self.process.stdin.write(request)
            line = _line(self.process.stdout.fileno(), time.monotonic() + seconds + MARGIN.total_seconds() / 2)
            values = json.loads(line)
        except (OSError, ValueError):
            self.close()
            return {"failure": "its grader ended without an answer, or took too long"}
        return values if isinstance(values, dict) else {"failure": "its grader sent an unreadable answer"}

    def close(self) -> None:
        """Ends the program, whatever it does."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None


def _line(descriptor: int, until: float) -> bytes:
    """The next line; what came of it when `until` has passed, the other end is closed, or it is too long."""
    got = b""
    while (left := until - time.monotonic()) > 0 and not got.endswith(b"\n") and len(got) <= MOST_ANSWER:
        if select.select([descriptor], [], [], left)[0]:
            chunk = os.read(descriptor, 2**16)
            if not chunk:
                break
            got += chunk
    return got
