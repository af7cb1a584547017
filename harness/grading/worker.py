"""Grading workers: processes that lease accepted submissions, grade them and record the result.

A worker has the answers. Each submission is read by a process without them (`harness.grading.decode`), and scored in a
forked child of the worker, which returns a grade or a list of problems through a pipe; both have limits of wall time
and address space. If a child dies, hangs or exceeds its memory, the lease is given back and the submission is tried
once more. A worker that dies loses its lease when it runs out, which does not count against the file. Each result is
recorded in one transaction, so a worker can be killed at any step.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import socket
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from harness.answers import Secret, read_secret
from harness.competition import prepared
from harness.grading.decode import Decoder, received
from harness.grading.settle import settle
from harness.home import Home
from harness.versions import competitions_to_grade
from leaderboard.database import DatabaseError
from tasks.apart import Died, Late, apart
from tasks.apart import Limits as Limits
from tasks.base import Grade, Score, SubmissionError, UserError
from tasks.errors import Problem, internal

if TYPE_CHECKING:
    from leaderboard.database import Database
    from leaderboard.queue import Lease


STEPS = ("leased", "forked", "answered", "recorded", "finished")
"""The names that `work` passes to `step`, in order, for tests that kill it there."""

MARGIN = timedelta(seconds=60)
"""The time a lease lasts beyond the time limit, for reading the answers and recording the grade."""

IDLE_SECONDS = 0.25
"""How long an idle worker waits before it looks again."""

TROUBLE_SECONDS = 5.0
"""How long a worker waits after the database or the answers could not be read."""

Step = Callable[[str], None]


@dataclass
class Worker:
    """One worker: its name, and its state between submissions.

    `answers` are of the competitions that it grades, `troubles` says why others are not, to be tried again at the time
    `again` of the monotonic clock, and `settled` is the last settled submission.
    """

    home: Home
    name: str
    limits: Limits
    log: Callable[[str], None]
    seen: tuple[tuple[str, int], ...] | None = None
    answers: dict[str, Secret] = field(default_factory=dict)
    troubles: list[str] = field(default_factory=list)
    again: float = 0.0
    decoder: Decoder = field(default_factory=Decoder)
    settled: int = 0

    @property
    def versions(self) -> dict[str, tuple[str, str]]:
        return {key: (secret.data_version, secret.metric_version) for key, secret in self.answers.items()}


def new_worker(home: Home, limits: Limits, log: Callable[[str], None]) -> Worker:
    """A worker with a unique name."""
    return Worker(home, f"{_host()}:{os.getpid()}:{secrets.token_hex(4)}", limits, log)


def _host() -> str:
    return socket.gethostname()[:40]


def run(worker: Worker, clock: Callable[[], datetime], stopped: Callable[[], bool]) -> None:
    """Grades until `stopped`; a lost database is tried again."""
    while not stopped():
        try:
            with worker.home.database() as database:
                reclaim(worker, database, clock())
                while not stopped():
                    if not work(worker, database, clock, stopped):
                        _wait(IDLE_SECONDS, stopped)
        except UserError as error:
            worker.log(f"waiting: {error}")
            _wait(TROUBLE_SECONDS, stopped)


def reclaim(worker: Worker, database: Database, now: datetime) -> None:
    """Takes back the leases of dead workers on this machine, and its own from before a failure."""
    from leaderboard import queue

    for lease in queue.held(database, now):
        if lease.worker == worker.name:  # the database was lost, which is not the submission's fault
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
    """Grades the next submission in the queue; False if none waits.

    If `stopped` becomes true meanwhile, the lease is given back and nothing is counted.
    """
    from leaderboard import queue

    lease = next_lease(worker, database, clock)
    if lease is None:
        return False
    step("leased")
    secret = worker.answers[lease.competition]
    answer = _grade_leased(worker, secret, lease, stopped, step)
    if answer is None:
        queue.give_back(database, lease)
        return False
    step("answered")
    settle_lease(worker, database, secret, lease, answer, clock(), step)
    return True


def settle_lease(
    worker: Worker,
    database: Database,
    secret: Secret,
    lease: Lease,
    answer: Answer,
    now: datetime,
    step: Step = lambda name: None,
) -> None:
    """Ends a lease with the answer to it: the result is recorded, or the attempt has failed."""
    from leaderboard import queue

    if not _record(worker, database, secret, lease, answer, now):
        last = queue.fail(database, lease)
        why = answer.failure or "it has a grade of another version and can no longer be read"
        worker.log(f"submission {lease.submission}: attempt {lease.attempt} failed: {why}")
        if last:
            worker.log(f"submission {lease.submission}: given up; `lhy-grade grade --pending` tries it again")
        return
    step("recorded")
    queue.finish(database, lease.submission)
    step("finished")


def next_lease(worker: Worker, database: Database, clock: Callable[[], datetime]) -> Lease | None:
    """The lease of the next submission that waits and whose answers are here; None if there is none."""
    from leaderboard import queue

    refresh(worker)
    if (database.value("SELECT max(id) FROM submissions") or 0) <= worker.settled:
        return None  # checked without taking the writers' lock
    length = timedelta(seconds=worker.limits.seconds) + MARGIN
    lease = queue.lease(database, worker.versions, worker.name, clock(), length, worker.settled)
    if lease is None:
        worker.settled = queue.settled(database, worker.versions, worker.settled)
    return lease


@dataclass(frozen=True)
class Answer:
    """The result of one attempt: a grade, the problems of a refused file, or the reason of a failure."""

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
    return grade_apart(worker.decoder, secret, data, worker.limits, stopped, step)


def grade_within(limits: Limits) -> Callable[[Secret, bytes], Grade]:
    """The grader of `grade_pending` with limits: child processes, whose failures become UserErrors."""
    decoder = Decoder()

    def graded(secret: Secret, data: bytes) -> Grade:
        answer = grade_apart(decoder, secret, data, limits)
        assert answer is not None, "nothing stops it"
        if answer.refused is not None:
            raise answer.refused
        if answer.grade is None:
            raise UserError(answer.failure)
        return answer.grade

    return graded


def grade_apart(
    decoder: Decoder,
    secret: Secret,
    data: bytes,
    limits: Limits,
    stopped: Callable[[], bool] = lambda: False,
    step: Step = lambda name: None,
) -> Answer | None:
    """Reads and scores the bytes of a submission, each in a child process; None once `stopped` is true."""
    values = values_apart(decoder, secret, data, limits, stopped, step)
    return None if values is None else answer_of(values)


def values_apart(
    decoder: Decoder,
    secret: Secret,
    data: bytes,
    limits: Limits,
    stopped: Callable[[], bool] = lambda: False,
    step: Step = lambda name: None,
) -> dict[str, Any] | None:
    """The same as plain values: a grade, the problems of the file, or a failure.

    The time limit covers both children. However a child ends, the caller gets an answer and no process is left behind.
    """
    begun = time.monotonic()
    form, cells = secret.competition.format, secret.metric_file
    try:
        whole = decoder.decode(data, form, cells, limits, stopped)
        if whole is None:
            return None
        rest = Limits(max(1.0, limits.seconds - (time.monotonic() - begun)), limits.memory)
        values: Any = apart(lambda: _grade(secret, whole, rest), rest, stopped, lambda: step("forked"))
    except Late:
        return {"failure": f"it took longer than {limits.seconds:g} s"}
    except Died as error:
        return {"failure": str(error)}
    return values if values is None or isinstance(values, dict) else {}


def _grade(secret: Secret, whole: bytes, limits: Limits) -> dict[str, Any]:
    """The answer of the scoring child, as plain values."""
    from harness.grading.scoring import grade

    try:
        predictions = received(whole, secret.competition.format, secret.metric_file)
        return {"grade": asdict(grade(_limited(secret, limits), predictions))}
    except SubmissionError as error:
        return {"problems": [problem._asdict() for problem in error.problems], "total": error.total}
    except Died as error:
        return {"failure": str(error)}
    except MemoryError:
        return {"failure": "it needed more memory than allowed"}
    except UserError as error:
        return {"failure": str(error) + (f" ({error.__cause__})" if secret.metric_file and error.__cause__ else "")}
    except Exception as error:  # its text may contain answers, so only type and place are shown
        return {"failure": str(internal(error))}


def _limited(secret: Secret, limits: Limits) -> Secret:
    """The same secret, with these limits for a metric file, shared among its calls."""
    if secret.score_file is None:
        return secret
    from tasks.kaggle import SIDE

    file = replace(secret.score_file, limits=Limits(SIDE * limits.seconds, limits.memory))
    return replace(secret, score_file=file, metrics=(file.metric,))


def answer_of(values: Any) -> Answer:
    """The answer from the plain values of a child, which are no more trusted than the child."""
    try:
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
        matrices = {name: tuple(map(tuple, fields[name])) for name in ("matrix", "private_matrix")}
        return Answer(Grade(**{**fields, "scores": scores, "notes": tuple(fields["notes"]), **matrices}))
    except (ValueError, TypeError, KeyError, AttributeError, IndexError):
        return Answer(failure="its process sent an unreadable answer")


def _record(worker: Worker, database: Database, secret: Secret, lease: Lease, answer: Answer, now: datetime) -> bool:
    """Records a grade or a rejection; returns whether there was one."""
    from leaderboard import results

    result = answer.grade or answer.refused
    if result is None:
        return False
    try:
        settle(worker.home, database, secret, lease.submission, result, now)
    except UserError as error:
        if error.code != "E_CONFLICT":
            raise
        # Another worker was first, or a file with a grade of an older version can no longer be read: that one fails.
        return answer.refused is None or lease.submission in results.public_grades(
            database, lease.competition, *worker.versions[lease.competition], lease.participant
        )
    return True


def refresh(worker: Worker) -> None:
    """Reads the answers of all prepared competitions, again after a change, and until all of them can be read.

    Raises DatabaseError if the database cannot be reached; the next call tries again.
    """
    seen = []
    for name in prepared(worker.home):
        for path in (worker.home.public(name) / "format.json", worker.home.root / "secret" / name):
            with contextlib.suppress(FileNotFoundError):
                seen.append((str(path), path.stat().st_mtime_ns))
    if worker.seen == tuple(seen) and (not worker.troubles or time.monotonic() < worker.again):
        return
    answers: dict[str, Secret] = {}
    troubles: list[str] = []
    for name in prepared(worker.home):
        try:
            found = competitions_to_grade(worker.home, name)
        except DatabaseError:
            raise
        except UserError as error:
            troubles.append(f"{name} is not graded: {error}")
            continue
        for competition in found:
            try:
                answers[competition.key] = secret = read_secret(worker.home, competition)
                if secret.metric_file:
                    import pandas  # noqa: F401  # once, for all children
            except DatabaseError:
                raise
            except UserError as error:
                which = name if competition == found[0] else competition.key
                troubles.append(f"{which} is not graded: {error}")
    for trouble in troubles:
        if trouble not in worker.troubles:
            worker.log(trouble)
    if worker.seen != tuple(seen) or worker.answers.keys() != answers.keys():
        worker.settled = 0
    worker.answers, worker.troubles, worker.seen = answers, troubles, tuple(seen)
    worker.again = time.monotonic() + TROUBLE_SECONDS


def _wait(seconds: float, stopped: Callable[[], bool]) -> None:
    until = time.monotonic() + seconds
    while not stopped() and time.monotonic() < until:
        time.sleep(min(0.1, seconds))
