"""Grading and training on a Ray cluster. The only file that imports ray, of the extra `cluster`.

The database hands out leases to this process, Ray places each grading on a node, and this process records the result.
A grading is a function of the home's files and a submission's hash, so one that is lost is run again, and never counted
twice. Every node needs the home at the same path, the same Python and the same packages, which is checked at the start.
"""

from __future__ import annotations

import hashlib
import logging
import os
import socket
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from importlib import metadata
from pathlib import Path
from typing import Any

import ray
from ray.exceptions import RayError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from harness.answers import Secret
from harness.grading.alone import Program, request_of
from harness.grading.grader import answer_of
from harness.grading.worker import IDLE_SECONDS, TROUBLE_SECONDS, Worker, next_lease, reclaim, settle_lease
from leaderboard import queue
from leaderboard.database import Database
from leaderboard.queue import Lease
from tasks.apart import Limits
from tasks.errors import UserError

PACKAGES = ("baselines", "harness", "leaderboard", "submissions", "tasks")
"""Our own code, which must be the same on every node, to the byte."""

CONNECT_SECONDS = 5.0

RETRIES = 3
"""How often Ray starts a training anew whose node is gone; it goes on after its last checkpoint."""

_grader = Program()
_same: set[str] = set()
"""The nodes that have what this process has."""


def grade_file(request: bytes, seconds: float, wanted: Mapping[str, str]) -> dict[str, Any] | None:
    """The plain values of one grading, in a process of Ray: its own program reads the file and has the limits.

    None on a node that has something else than `wanted`: it joined after the others were asked.
    """
    return _grader.ask(request, seconds) if own() == wanted else None


def train_there(wanted: Mapping[str, str], function: Callable[..., Any], job: Mapping[str, Any]) -> Any:
    """A training, in a process of Ray. Raises UserError on a node that has something else than `wanted`."""
    if own() != wanted:
        raise UserError(f"the node {socket.gethostname()} has other code or packages: every node needs the same.")
    return function(**job)


def installed() -> dict[str, str]:
    """What must be the same on every node: the authentication, Python, our code, and the packages that it needs."""
    code, root = hashlib.sha256(), Path(__file__).parents[2]
    for package in PACKAGES:
        for path in sorted((root / package).rglob("*.py")):
            code.update(str(path.relative_to(root)).encode() + path.read_bytes())
    found = {
        "RAY_AUTH_MODE": os.environ.get("RAY_AUTH_MODE", ""),
        "Python": sys.version.partition(" ")[0],
        "lhy-grade": code.hexdigest()[:16],
    }
    return found | {each.name: each.version for each in metadata.distributions() if each.name in NUMBERS}


@lru_cache(maxsize=1)
def own() -> dict[str, str]:
    """What this process has, which it loaded once."""
    return installed()


NUMBERS = ("ray", "numpy", "pillow", "polars", "torch", "scikit-learn", "scipy", "pandas", "onnx", "onnxruntime")
"""Packages whose version can change a score."""


def connect(address: str) -> None:
    """Joins the cluster at `address`. Raises UserError without authentication, and for a node that differs."""
    if os.environ.get("RAY_AUTH_MODE") != "token":
        raise UserError(
            "a Ray cluster runs whatever it is sent, so it must ask for a token: set RAY_AUTH_MODE=token on every node"
            " before `ray start`, and here, with the token that `ray get-auth-token --generate` made."
        )
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal():
        raise UserError(f"--ray must be the HOST:PORT of the cluster's head, got {address!r}.")
    try:  # Ray itself tries for minutes
        socket.create_connection((host, int(port)), CONNECT_SECONDS).close()
        ray.init(address=address, namespace="lhy-grade", log_to_driver=False, logging_level=logging.ERROR)
    except (RayError, OSError, RuntimeError, OverflowError) as error:
        reason = str(error).strip().partition("\n")[0]
        raise UserError(f"cannot join a Ray cluster at {address}: {reason}", exit_code=7) from None
    check_nodes()


def check_nodes() -> None:
    """Asks the nodes that were not asked yet what they have. Raises UserError for one that has something else."""
    here, alive = own(), _alive()
    asked = {node: (host, _on(node)) for node, host in alive.items() if node not in _same}
    for node, (host, answer) in asked.items():
        try:
            found = ray.get(answer)
        except RayError:
            if node in _alive():
                raise UserError(f"the node {host} does not answer; try again.", exit_code=7) from None
            continue  # it has just gone
        if other := sorted(name for name in here.keys() | found.keys() if here.get(name) != found.get(name)):
            name = other[0]
            raise UserError(
                f"the node {host} has {name} {found.get(name) or 'not'}, this machine has"
                f" {here.get(name) or 'not'}: every node needs the same."
            )
        _same.add(node)


def _alive() -> dict[str, str]:
    """The host of each node of the cluster, by the node's number."""
    nodes = ray.nodes()  # type: ignore[no-untyped-call]
    return {node["NodeID"]: node["NodeManagerHostname"] for node in nodes if node["Alive"]}


def _on(node: str) -> Any:
    place = NodeAffinitySchedulingStrategy(node, soft=False)
    return ray.remote(num_cpus=0)(installed).options(scheduling_strategy=place).remote()


@dataclass
class Running:
    """A grading that Ray has: its lease, and the answers that it is recorded with."""

    lease: Lease
    secret: Secret


@dataclass
class Cluster:
    """What this process has running on the cluster, by Ray's reference."""

    worker: Worker
    running: dict[Any, Running] = field(default_factory=dict)

    def fill(self, database: Database, clock: Callable[[], datetime]) -> None:
        """Leases submissions for the processors that are free, and hands them to Ray.

        Raises UserError for a node that joined and differs.
        """
        check_nodes()
        while len(self.running) < slots():
            lease = next_lease(self.worker, database, clock)
            if lease is None:
                return
            secret, limits = self.worker.answers[lease.competition], self.worker.limits
            versions = (secret.data_version, secret.metric_version)
            request = request_of(self.worker.home.root, secret.competition, versions, lease.sha256, limits)
            task = ray.remote(max_retries=0)(grade_file).options(**needs(secret, limits))
            self.running[task.remote(request, limits.seconds, own())] = Running(lease, secret)

    def collect(self, database: Database, clock: Callable[[], datetime]) -> None:
        """Records what has ended, and takes back the leases of what was lost or has run out."""
        done, waiting = ray.wait(list(self.running), num_returns=1, timeout=IDLE_SECONDS)
        if done:
            more, _ = ray.wait(waiting, num_returns=len(waiting), timeout=0) if waiting else ([], None)
            done = [*done, *more]
        for reference in done:
            one = self.running.pop(reference)
            try:
                values = ray.get(reference)
            except RayError as error:
                self.lost(database, one, type(error).__name__)
                continue
            if values is None:
                queue.give_back(database, one.lease)
                continue
            settle_lease(self.worker, database, one.secret, one.lease, answer_of(values), clock())
        for reference, one in list(self.running.items()):
            if clock() >= one.lease.until:
                ray.cancel(reference, force=True)
                self.lost(database, self.running.pop(reference), "it ran out")

    def lost(self, database: Database, one: Running, why: str) -> None:
        """Gives the lease of a lost grading back, which counts as a lost worker and not as a failed file."""
        last = queue.lose(database, one.lease)
        self.worker.log(f"submission {one.lease.submission}: lost ({why}), loss {one.lease.losses} of {queue.LOSSES}")
        if last:
            self.worker.log(f"submission {one.lease.submission}: given up; `lhy-grade grade --pending` tries it again")

    def give_back(self, database: Database) -> None:
        """Gives all leases back; what Ray still runs is stopped and not recorded."""
        for reference, one in self.running.items():
            ray.cancel(reference, force=True)
            queue.give_back(database, one.lease)
        self.running.clear()


def slots() -> int:
    """How many gradings this process may have running: one for each processor of the cluster."""
    return max(1, int(ray.cluster_resources().get("CPU", 1)))  # type: ignore[no-untyped-call]


def needs(secret: Secret, limits: Limits) -> dict[str, Any]:
    """What Ray sets aside for a grading: the limit of memory for a judge that runs something, else a quarter of it."""
    return {"num_cpus": 1, "memory": limits.memory if secret.judge is not None else limits.memory // 4}


def run(worker: Worker, clock: Callable[[], datetime], stopped: Callable[[], bool]) -> None:
    """Grades on the cluster until `stopped`, after `connect`; a lost database is tried again."""
    cluster = Cluster(worker)
    while not stopped():
        try:
            with worker.home.database() as database:
                reclaim(worker, database, clock())
                cluster.running.clear()  # their leases were just taken back
                while not stopped():
                    cluster.fill(database, clock)
                    if cluster.running:
                        cluster.collect(database, clock)
                    else:
                        time.sleep(IDLE_SECONDS)
                cluster.give_back(database)
        except UserError as error:
            worker.log(f"waiting: {error}")
            until = time.monotonic() + TROUBLE_SECONDS
            while not stopped() and time.monotonic() < until:
                time.sleep(0.1)


def each(function: Callable[..., Any], jobs: list[Mapping[str, Any]], gpus: float) -> Iterator[tuple[int, Any]]:
    """The number and result of each job, `function(**job)`, as they end; the error of one that failed.

    Each takes one processor and `gpus`, and is started anew up to `RETRIES` times if its node is gone.
    """
    task = ray.remote(num_cpus=1, num_gpus=gpus, max_retries=RETRIES)(train_there)
    running = {task.remote(own(), function, dict(job)): number for number, job in enumerate(jobs)}
    while running:
        with redirect_stdout(sys.stderr):  # where Ray would print that a node died, among the results
            (reference,), _ = ray.wait(list(running), num_returns=1)
        number = running.pop(reference)
        try:
            yield number, ray.get(reference)
        except RayError as error:
            yield number, getattr(error, "cause", None) or error
