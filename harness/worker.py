"""Grading apart from the server: processes that lease what was accepted, grade it, and record what came of it.

A worker holds the answers; each submission is read and scored in a forked child of it with a limit of wall time and of
address space, which hands a grade or a list of problems back through a pipe. A child that dies, hangs or wants too much
memory gives the lease back, and the submission is tried once more. A worker that dies loses its lease when that runs
out, which is not held against the file. Whatever is recorded is recorded in one transaction, so a worker can be killed
at any step.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import select
import signal
import socket
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from harness.competition import Secret, competitions_to_grade, prepared, read_secret
from harness.home import Home
from tasks.base import Format, Grade, Score, SubmissionError, UserError
from tasks.errors import Problem, internal

if TYPE_CHECKING:
    from leaderboard.database import Database
    from leaderboard.queue import Lease

STEPS = ("leased", "forked", "answered", "recorded", "finished")
"""The names with which `work` calls `step`, in order, for tests that kill it there."""

MARGIN = timedelta(seconds=60)
"""How much longer than the time limit a lease lasts: for the answers to be read and the grade to be recorded."""

MOST_ANSWER = 2**20
"""The most bytes that a child hands back."""

IDLE_SECONDS = 0.25
"""How long a worker that found nothing to do waits before it looks again."""

TROUBLE_SECONDS = 5.0
"""How long a worker waits whose database or answers could not be read."""

Step = Callable[[str], None]


@dataclass(frozen=True)
class Limits:
    """What one submission may use: wall time in seconds, and address space in bytes."""

    seconds: float = 120.0
    memory: int = 4 * 2**30


@dataclass
class Worker:
    """One worker's name and what it keeps between submissions: the answers, and up to where all is settled."""

    home: Home
    name: str
    limits: Limits
    log: Callable[[str], None]
    seen: tuple[tuple[str, int], ...] | None = None
    answers: dict[str, Secret] = field(default_factory=dict)
    settled: int = 0

    @property
    def versions(self) -> dict[str, tuple[str, str]]:
        return {key: (secret.data_version, secret.metric_version) for key, secret in self.answers.items()}


def new_worker(home: Home, limits: Limits, log: Callable[[str], None]) -> Worker:
    """A worker with a name that no other one has."""
    return Worker(home, f"{_host()}:{os.getpid()}:{secrets.token_hex(4)}", limits, log)


def _host() -> str:
    return socket.gethostname()[:40]


def run(worker: Worker, clock: Callable[[], datetime], stopped: Callable[[], bool]) -> None:
    """Grades until `stopped`; a database that is gone is tried again."""
    from leaderboard.database import LeaderboardError

    while not stopped():
        try:
            with worker.home.database() as database:
                reclaim(worker, database, clock())
                while not stopped():
                    if not work(worker, database, clock, stopped):
                        _wait(IDLE_SECONDS, stopped)
        except (LeaderboardError, UserError) as error:
            worker.log(f"waiting: {error}")
            _wait(TROUBLE_SECONDS, stopped)


def reclaim(worker: Worker, database: Database, now: datetime) -> None:
    """Takes back the leases of dead workers of this machine, and its own of before a failure."""
    from leaderboard import queue

    for lease in queue.held(database, now):
        if lease.worker == worker.name:  # the database went away, which is no fault of the submission
            queue.give_back(database, lease)
            continue
        host, pid, _ = lease.worker.rsplit(":", 2)
        if host == _host() and not _alive(int(pid)):
            last = queue.lose(database, lease)
            worker.log(f"submission {lease.submission}: its worker died, loss {lease.losses} of {queue.LOSSES}")
            if last:
                worker.log(f"submission {lease.submission}: given up; `lhy-grade grade --pending` tries it again")


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def work(
    worker: Worker,
    database: Database,
    clock: Callable[[], datetime],
    stopped: Callable[[], bool] = lambda: False,
    step: Step = lambda name: None,
) -> bool:
    """Grades the submission that is next in the queue; False where none waits.

    Where `stopped` becomes true meanwhile, the lease is given back as if it had never been taken.
    """
    from leaderboard import queue

    refresh(worker)
    newest = database.one("SELECT max(id) FROM submissions")
    if newest is None or newest[0] is None or newest[0] <= worker.settled:
        return False  # found out without the lock that writers queue for
    length = timedelta(seconds=worker.limits.seconds) + MARGIN
    lease = queue.lease(database, worker.versions, worker.name, clock(), length, worker.settled)
    if lease is None:
        worker.settled = queue.settled(database, worker.versions, worker.settled)
        return False
    step("leased")
    secret = worker.answers[lease.competition]
    answer = _grade_leased(worker, secret, lease, stopped, step)
    if answer is None:
        queue.give_back(database, lease)
        return False
    step("answered")
    if not _record(worker, database, secret, lease, answer, clock()):
        last = queue.fail(database, lease)
        why = answer.failure or "it has a grade of another version, and can no longer be read"
        worker.log(f"submission {lease.submission}: attempt {lease.attempt} failed: {why}")
        if last:
            worker.log(f"submission {lease.submission}: given up; `lhy-grade grade --pending` tries it again")
        return True
    step("recorded")
    queue.finish(database, lease.submission)
    step("finished")
    return True


@dataclass(frozen=True)
class Answer:
    """What came of one attempt: a grade, or what is wrong with a file that cannot be scored, or why it failed."""

    grade: Grade | None = None
    refused: SubmissionError | None = None
    failure: str = ""


def _grade_leased(
    worker: Worker, secret: Secret, lease: Lease, stopped: Callable[[], bool], step: Step
) -> Answer | None:
    from submissions.store import fetch

    try:
        data = fetch(worker.home.submissions, lease.sha256)
    except UserError as error:
        return Answer(failure=str(error))
    return grade_apart(secret, data, worker.limits, stopped, step)


def grade_within(limits: Limits) -> Callable[[Secret, bytes], Grade]:
    """How `grade_pending` grades within limits: in a child process, whose failure is a UserError."""

    def graded(secret: Secret, data: bytes) -> Grade:
        answer = grade_apart(secret, data, limits)
        assert answer is not None, "nothing stops it"
        if answer.refused is not None:
            raise answer.refused
        if answer.grade is None:
            raise UserError(answer.failure)
        return answer.grade

    return graded


def grade_apart(
    secret: Secret,
    data: bytes,
    limits: Limits,
    stopped: Callable[[], bool] = lambda: False,
    step: Step = lambda name: None,
) -> Answer | None:
    """Reads and scores the bytes of a submission in a child process under the limits; None where `stopped` came true.

    However the child ends, the caller gets an answer and no process stays behind.
    """
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            os.close(reading)
            _limit(limits)
            _send(writing, _grade(secret, data, secret.competition.format))
            code = 0
        finally:
            os._exit(code)  # nothing of the parent's is flushed, closed or run by the child
    os.close(writing)
    try:
        step("forked")
        text = _receive(reading, limits.seconds, stopped)
    finally:
        os.close(reading)
        with contextlib.suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if text is None:
        return None if stopped() else Answer(failure=f"it took longer than {limits.seconds:g} s")
    return _answer(text, status)


def _limit(limits: Limits) -> None:
    """Binds this process for good: it ends by itself even where nobody is left to end it."""
    import resource

    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    for number in (signal.SIGTERM, signal.SIGINT):  # which go to all processes at once; the parent decides
        signal.signal(number, signal.SIG_IGN)
    nowhere = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):  # what a library says of a submission is for no log
        os.dup2(nowhere, descriptor)
    signal.setitimer(signal.ITIMER_REAL, limits.seconds + 5)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a dump would hold the answers
    if sys.platform != "darwin":  # which cannot limit it
        resource.setrlimit(resource.RLIMIT_AS, (limits.memory, limits.memory))


def _grade(secret: Secret, data: bytes, form: Format) -> dict[str, Any]:
    """The answer of a child as plain values."""
    from harness.grading import grade
    from submissions.reader import read

    try:
        return {"grade": asdict(grade(secret, read(data, form)))}
    except SubmissionError as error:
        return {"problems": [problem._asdict() for problem in error.problems], "total": error.total}
    except MemoryError:
        return {"failure": "it wanted more memory than it may have"}
    except Exception as error:  # its text may hold answers: its type and place must do
        return {"failure": str(error if isinstance(error, UserError) else internal(error))}


def _send(descriptor: int, answer: dict[str, Any]) -> None:
    text = json.dumps(answer, allow_nan=False).encode()
    rest = memoryview(text + b"\n")
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def _receive(descriptor: int, seconds: float, stopped: Callable[[], bool]) -> bytes | None:
    """All that the child writes until it closes the pipe; None where it takes too long or `stopped` comes true."""
    until = time.monotonic() + seconds
    chunks: list[bytes] = []
    while (left := until - time.monotonic()) > 0 and not stopped():
        if select.select([descriptor], [], [], min(left, 0.25))[0]:
            chunk = os.read(descriptor, 2**16)
            if not chunk or sum(map(len, chunks)) > MOST_ANSWER:
                return b"".join(chunks)
            chunks.append(chunk)
    return None


def _answer(text: bytes, status: int) -> Answer:
    """The child's answer, which counts only where it came whole."""
    if not text.endswith(b"\n"):
        how = f"was ended by signal {-status}" if status < 0 and text == b"" else "ended without an answer"
        return Answer(failure=f"its process {how}")
    try:
        values = json.loads(text)
        if "problems" in values:
            problems = [Problem(**problem) for problem in values["problems"]]
            return Answer(refused=SubmissionError(problems, values["total"]))
        if "failure" in values:
            return Answer(failure=values["failure"])
        fields = values["grade"]
        for score in fields["scores"]:
            for name in ("public_interval", "private_interval"):
                score[name] = score[name] and tuple(score[name])
        scores = tuple(Score(**score) for score in fields["scores"])
        return Answer(Grade(**{**fields, "scores": scores, "notes": tuple(fields["notes"])}))
    except (ValueError, TypeError, KeyError, AttributeError, IndexError):
        return Answer(failure="its process gave an answer that cannot be read")


def _record(worker: Worker, database: Database, secret: Secret, lease: Lease, answer: Answer, now: datetime) -> bool:
    """Keeps a grade or a rejection; whether there was one to keep."""
    from harness import grading
    from leaderboard import store
    from leaderboard.database import LeaderboardError

    try:
        if answer.refused is not None:
            details = grading.problems_json(answer.refused)
            store.reject(database, lease.submission, answer.refused.code, now, details)
        elif answer.grade is not None:
            grading.record(database, worker.home.key(), secret, lease.submission, answer.grade, now)
        else:
            return False
    except LeaderboardError as error:
        if error.code != "E_CONFLICT":
            raise
        # Somebody else came first, or a file with a grade of an older version cannot be read any more: that one fails.
        return answer.refused is None or lease.submission in store.public_grades(
            database, lease.competition, *worker.versions[lease.competition], lease.participant
        )
    return True


def refresh(worker: Worker) -> None:
    """Reads the answers of what is prepared, anew after something was prepared or restored."""
    seen = []
    for name in prepared(worker.home):
        for path in (worker.home.public(name) / "format.json", worker.home.root / "secret" / name):
            with contextlib.suppress(FileNotFoundError):
                seen.append((str(path), path.stat().st_mtime_ns))
    if worker.seen == tuple(seen):
        return
    worker.answers, worker.settled, worker.seen = {}, 0, tuple(seen)
    for name in prepared(worker.home):
        try:
            found = competitions_to_grade(worker.home, name)
        except UserError as error:
            worker.log(f"{name} is not graded: {error}")
            continue
        for competition in found:
            try:
                worker.answers[competition.key] = read_secret(worker.home, competition)
            except UserError as error:
                which = name if competition == found[0] else competition.key
                worker.log(f"{which} is not graded: {error}")


def _wait(seconds: float, stopped: Callable[[], bool]) -> None:
    until = time.monotonic() + seconds
    while not stopped() and time.monotonic() < until:
        time.sleep(min(0.1, seconds))
