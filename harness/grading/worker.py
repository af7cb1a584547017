"""Grading workers: processes that lease accepted submissions, grade them and record the result.

A worker has the answers. Each submission is read and scored in child processes (`harness.grading.grader`) with limits
of wall time and address space. If a child dies, hangs or exceeds its memory, the lease is given back and the submission
is tried once more. A worker that dies loses its lease when it runs out, which does not count against the file. Each
result is recorded in one transaction, so a worker can be killed at any step.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from harness.answers import Secret, read_secret
from harness.competition import prepared
from harness.grading.grader import Answer, Grader, Step
from harness.grading.settle import settle
from harness.home import Home
from harness.versions import competitions_to_grade
from leaderboard import queue, results
from leaderboard.database import DatabaseError
from submissions.store import fetch
from tasks.apart import Limits as Limits
from tasks.base import UserError

if TYPE_CHECKING:
    from leaderboard.database import Database
    from leaderboard.queue import Lease


STEPS = ("leased", "forked", "answered", "recorded")
"""The names that `work` passes to `step`, in order, for tests that kill it there."""

MARGIN = timedelta(seconds=60)
"""The time a lease lasts beyond the time limit, for reading the answers and recording the grade."""

IDLE_SECONDS = 0.25
"""How long an idle worker waits before it looks again."""

TROUBLE_SECONDS = 5.0
"""How long a worker waits after the database or the answers could not be read."""

SHARED_DISKS = (
    "9p", "afs", "beegfs", "ceph", "cifs", "gpfs", "lustre", "nfs", "nfs4", "panfs", "smb3", "smbfs", "fuse.sshfs",
    "fuse.glusterfs", "fuse.ceph", "fuse.juicefs",
)  # fmt: skip
"""File systems of several machines, on which the locks of SQLite do not hold."""


@dataclass
class Worker:
    """One worker: its name, and its state between submissions.

    `answers` are of the competitions that it grades, `troubles` says why others are not, to be tried again at the time
    `again` of the monotonic clock, and `settled` is the last settled submission, known as such at the number
    `event` of the log.
    """

    home: Home
    name: str
    limits: Limits
    log: Callable[[str], None]
    seen: tuple[tuple[str, int], ...] | None = None
    answers: dict[str, Secret] = field(default_factory=dict)
    troubles: list[str] = field(default_factory=list)
    again: float = 0.0
    grader: Grader = field(default_factory=Grader)
    settled: int = 0
    event: int = 0

    @property
    def versions(self) -> dict[str, tuple[str, str]]:
        return {key: (secret.data_version, secret.metric_version) for key, secret in self.answers.items()}


def new_worker(home: Home, limits: Limits, log: Callable[[str], None]) -> Worker:
    """A worker with a unique name."""
    return Worker(home, f"{_host()}:{os.getpid()}:{secrets.token_hex(4)}", limits, log)


def _host() -> str:
    return socket.gethostname()[:40]


def refuse_shared_disk(home: Home, mounts: str) -> None:
    """Raises UserError for a SQLite database on a disk of several machines; `mounts` is /proc/self/mounts."""
    kind, _, place = home.database_url.partition(":///")
    if kind != "sqlite":
        return
    path = Path(place).absolute()
    places = [line.split()[1:3] for line in mounts.splitlines()]
    kind = max(((len(place), kind) for place, kind in places if path.is_relative_to(place)), default=(0, ""))[1]
    if kind in SHARED_DISKS:
        raise UserError(
            f"{path} is a SQLite database on a disk of several machines ({kind}), where its locks do not hold. Use"
            " PostgreSQL (`database` in config.toml), or keep the home on a disk of this machine."
        )


def run(worker: Worker, clock: Callable[[], datetime], stopped: Callable[[], bool]) -> None:
    """Grades until `stopped`; a lost database is tried again."""
    try:
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
    finally:
        worker.grader.close()


def reclaim(worker: Worker, database: Database, now: datetime) -> None:
    """Takes back the leases of dead workers on this machine, and its own from before a failure."""
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
    if not _record(worker, database, secret, lease, answer, now):
        last = queue.fail(database, lease)
        why = answer.failure or "it has a grade of another version and can no longer be read"
        worker.log(f"submission {lease.submission}: attempt {lease.attempt} failed: {why}")
        if last:
            worker.log(f"submission {lease.submission}: given up; `lhy-grade grade --pending` tries it again")
        return
    step("recorded")


def next_lease(worker: Worker, database: Database, clock: Callable[[], datetime]) -> Lease | None:
    """The lease of the next submission that waits and whose answers are here; None if there is none."""
    refresh(worker)
    worker.settled, worker.event = queue.still_settled(database, worker.settled, worker.event)
    if queue.newest(database) <= worker.settled:
        return None  # checked without taking the writers' lock
    length = timedelta(seconds=worker.limits.seconds) + MARGIN
    lease = queue.lease(database, worker.versions, worker.name, clock(), length, worker.settled)
    if lease is None:
        worker.settled = queue.settled(database, worker.versions, worker.settled)
    return lease


def _grade_leased(
    worker: Worker, secret: Secret, lease: Lease, stopped: Callable[[], bool], step: Step
) -> Answer | None:

    try:
        data = fetch(worker.home.submissions, lease.sha256)
    except UserError as error:
        return Answer(failure=str(error))
    return worker.grader.answer(secret, data, worker.limits, stopped, step)


def _record(worker: Worker, database: Database, secret: Secret, lease: Lease, answer: Answer, now: datetime) -> bool:
    """Records a grade or a rejection, which ends the lease; returns whether there was one."""
    result = answer.grade or answer.refused
    if result is None:
        return False
    try:
        settle(worker.home, database, secret, lease.submission, result, now)
    except UserError as error:
        if error.code != "E_CONFLICT":
            raise
        # Another worker was first, or a file with a grade of an older version can no longer be read: that one fails.
        versions = worker.versions[lease.competition]
        settled = answer.refused is None or lease.submission in results.public_grades(
            database, lease.competition, *versions, lease.participant
        )
        if settled:
            queue.finish(database, lease.submission)
        return settled
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
