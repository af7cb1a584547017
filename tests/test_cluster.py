"""Grading and training on a Ray cluster of three nodes on this machine: nothing is lost, nothing counts twice."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import secrets
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from harness.cli.main import cli
from harness.competition import find_competition
from harness.grading.accept import accept_file
from harness.grading.worker import refuse_shared_disk
from harness.home import Home, open_home
from leaderboard import queue, results
from leaderboard.acceptance import Upload
from submissions.store import keep
from tasks.errors import UserError
from tests.conftest import books_balance, few
from tests.postgres import Server

ROOT = Path(__file__).parents[1]
PACKAGES = ("baselines", "harness", "leaderboard", "submissions", "tasks")
NOW = datetime(2027, 3, 1, 12, tzinfo=UTC)
PROGRAM = [sys.executable, "-c", "from harness.cli.main import main; main()", "--home"]
ODD = """\
import time
def score(solution, submission, row_id_column_name):
    first = float(submission["y"].iloc[0])
    if first == 666:
        time.sleep(600)
    if first == 777:
        return float(len(bytearray(2**36)))
    return float(abs(solution["y"] - submission["y"]).mean())
"""
pytestmark = pytest.mark.skipif(
    os.name != "posix" or (importlib.util.find_spec("ray") is None and "CI" not in os.environ),
    reason="needs the extra `cluster`, and a system that forks",
)


def call(home: Home, *words: str, exit_code: int = 0) -> Result:
    result = CliRunner().invoke(cli, ["--home", str(home.root), *words], env={"COLUMNS": "160"})
    assert result.exit_code == exit_code, result.stdout + result.stderr
    return result


# Without a cluster


def test_a_sqlite_database_on_a_disk_of_several_machines_is_refused(tmp_path: Path) -> None:
    shared = f"/dev/vda / ext4 rw 0 0\nserver:/homes {tmp_path} nfs4 rw 0 0\n"
    with pytest.raises(UserError, match=r"SQLite database on a disk of several machines \(nfs4\)"):
        refuse_shared_disk(Home(tmp_path, {}), shared)
    with pytest.raises(UserError, match="PostgreSQL"):
        refuse_shared_disk(Home(Path("/home"), {"database": f"sqlite:///{tmp_path}/a.db"}), shared)
    refuse_shared_disk(Home(tmp_path, {}), "/dev/vda / ext4 rw 0 0\n")
    refuse_shared_disk(Home(tmp_path, {"database": "postgresql://course@db/course"}), shared)
    refuse_shared_disk(Home(tmp_path.with_name("beside"), {}), shared)


def test_a_cluster_without_a_token_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, course: Path) -> None:
    monkeypatch.delenv("RAY_AUTH_MODE", raising=False)
    said = call(open_home(course), "worker", "--ray", "127.0.0.1:1", exit_code=2).stderr
    assert "set RAY_AUTH_MODE=token on every node" in said


@pytest.mark.parametrize(
    ("address", "said", "exit_code"),
    [("auto", "HOST:PORT", 2), ("head:x", "HOST:PORT", 2), (":6379", "HOST:PORT", 2), ("127.0.0.1:1", "refused", 7)],
)
def test_a_cluster_that_is_not_there_is_named_at_once(
    address: str, said: str, exit_code: int, monkeypatch: pytest.MonkeyPatch, course: Path
) -> None:
    monkeypatch.setenv("RAY_AUTH_MODE", "token")
    assert said in call(open_home(course), "worker", "--ray", address, exit_code=exit_code).stderr


@pytest.mark.parametrize("text", ["", "a", "3-1", "1-2-3", "-1", "1.5", "²"])
def test_seeds_that_are_none_are_named(text: str, course: Path) -> None:
    said = call(open_home(course), "train", "hw1", "--level", "simple", "--seeds", text, exit_code=2).stderr
    assert "--seeds must be like 0-4" in said


# With one


NODES = """
import sys
from ray.cluster_utils import Cluster
node = {"num_cpus": 1, "object_store_memory": 80 * 2**20}
made = Cluster(initialize_head=True, head_node_args=node | {"include_dashboard": False})
nodes = [made.add_node(**node) for _ in range(2)]
made.wait_for_nodes(timeout=120)
print("at", made.address, flush=True)
for line in sys.stdin:
    if line.strip():
        nodes.append(made.add_node(**node, env_vars={"PYTHONPATH": line.strip()}))
    else:
        made.remove_node(nodes.pop(), allow_graceful=False)
    print("at", made.address, flush=True)
made.shutdown()
"""


@dataclass
class Nodes:
    """A cluster of three nodes, each with its own processes, as on three machines; the first one is the head."""

    process: subprocess.Popen[str]
    address: str = ""
    alive: int = 3

    def ready(self) -> None:
        """Waits until the program has done what it was told."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if line.startswith("at "):
                self.address = line.split()[1]
                return
        raise AssertionError("the cluster did not start")

    def tell(self, line: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        self.ready()

    def kill_one(self) -> None:
        """Kills the processes of the last node."""
        self.tell("")
        self.alive -= 1

    def add_one(self, code: Path) -> None:
        """Starts a node whose packages are those of a folder."""
        self.tell(str(code))
        self.alive += 1


@pytest.fixture(scope="module")
def cluster() -> Iterator[Nodes]:
    """In a program of its own: Ray reads whether it has to ask for a token when it is loaded, once for a process."""
    wanted = {
        "RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32), "PYTHONPATH": str(ROOT),
        "RAY_worker_niceness": "0",  # else other tests take the processors, and files end at the time limit
    }  # fmt: skip
    kept = {name: os.environ.get(name) for name in wanted}
    os.environ |= wanted
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", NODES], cwd=ROOT, stdin=pipe, stdout=pipe, text=True) as process:
        nodes = Nodes(process)
        try:
            nodes.ready()
            yield nodes
        finally:
            assert process.stdin is not None
            process.stdin.close()
            try:
                process.wait(60)
            finally:
                process.kill()
            for name, value in kept.items():
                os.environ.pop(name, None) if value is None else os.environ.__setitem__(name, value)


@pytest.fixture
def home(tmp_path: Path, postgresql: Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[Home]:
    """A course of four homeworks in PostgreSQL: two of the course, one of accuracy, one whose metric hangs at will."""
    name = f"t_{secrets.token_hex(8)}"
    postgresql.administer(f"CREATE SCHEMA {name}")
    root = tmp_path / "home"
    root.mkdir()
    url = f"{postgresql.url('postgres')}&options=-csearch_path%3D{name}"
    (root / "config.toml").write_text(f'database = "{url}"\n[server]\nseconds = 30\nmemory_gb = 4\n')
    opened, solution, metric = open_home(root), tmp_path / "solution.csv", tmp_path / "odd.py"
    solution.write_text("id,y\n" + "".join(f"{number},{number**3 % 101}\n" for number in range(20)))
    metric.write_text(ODD)
    call(opened, "new", "odd", "--solution", str(solution), "--metric", str(metric), "--lower-is-better")
    call(opened, "new", "kinds", "--solution", str(solution), "--metric", "accuracy")
    few(monkeypatch)
    for homework in ("hw1", "hw12"):
        call(opened, "prepare", homework, "--seed", "5")
    yield opened
    postgresql.administer(f"DROP SCHEMA {name} CASCADE")


def odd(first: int) -> bytes:
    """A file for the metric that hangs at 666 and eats memory at 777."""
    return f"id,y\n0,{first}\n".encode() + b"".join(b"%d,1\n" % number for number in range(1, 20))


def hand_in(home: Home, name: str, data: bytes, who: str) -> int:
    competition, sha256 = find_competition(home, name), keep(home.submissions, data)
    with home.database() as database:
        return accept_file(
            home, database, competition, Upload(sha256, len(data), "a", "", f"{who}{sha256}", NOW), participant=who
        ).submission


def driver(home: Home, cluster: Nodes, log: Path) -> subprocess.Popen[bytes]:
    """`lhy-grade worker --ray`, as a program of its own; Ray's workers find modules in the folder it runs in, too."""
    command = [*PROGRAM, str(home.root), "worker", "--ray", cluster.address]
    with log.open("ab") as stream:
        return subprocess.Popen(command, cwd=log.parent, stderr=stream)


def open_count(home: Home) -> int:
    """The submissions that have neither a grade nor a failed lease."""
    with home.database() as database:
        graded = sum(1 for _ in results.grade_rows(database))
        failed = database.value("SELECT count(*) FROM leases WHERE failed_code IS NOT NULL")
        every = database.value("SELECT count(*) FROM submissions")
    return int(every) - graded - int(failed)


def wait_until(home: Home, most: int, seconds: float, log: Path) -> None:
    until = time.monotonic() + seconds
    while open_count(home) > most:
        assert time.monotonic() < until, log.read_text()[-3000:]
        time.sleep(0.2)


@pytest.mark.slow
def test_four_hundred_files_survive_a_killed_node_a_killed_driver_and_files_that_hang_or_eat_memory(
    home: Home, cluster: Nodes, tmp_path: Path
) -> None:
    """400 submissions of four homeworks. Of the two that hang and eat memory, nothing comes but their failure."""
    log = tmp_path / "log"
    log.touch()
    samples = {
        name: next(home.public(name).glob("sample_submission*")).read_bytes() for name in ("hw01", "hw12", "kinds")
    }
    bad = [hand_in(home, "odd", odd(number), f"bad{number}") for number in (666, 777)]
    for number in range(98):
        hand_in(home, "odd", odd(number), f"s{number}")
    for name, data in samples.items():
        for number in range(100):
            hand_in(home, name, data, f"s{number}")
    first = driver(home, cluster, log)
    wait_until(home, 330, 200, log)
    cluster.kill_one()
    wait_until(home, 250, 200, log)
    first.send_signal(signal.SIGKILL)
    first.wait()
    second = driver(home, cluster, log)
    try:
        wait_until(home, 0, 300, log)
    finally:
        second.terminate()
        assert second.wait(60) == 0, log.read_text()[-3000:]
    with home.database() as database:
        failed = database.column("SELECT submission_id FROM leases WHERE failed_code IS NOT NULL")
        graded = {row.submission for row in results.grade_rows(database)}
    assert sorted(failed) == bad, log.read_text()[-5000:]
    assert len(graded) == 398
    books_balance(home, failed=len(bad))
    assert "lost (" in log.read_text() or "its worker died" in log.read_text(), "the kills took something away"


@pytest.mark.slow
def test_a_stopped_driver_gives_its_leases_back_and_counts_nothing(home: Home, cluster: Nodes, tmp_path: Path) -> None:
    """SIGTERM, as Slurm sends it before a job's end."""
    log = tmp_path / "log"
    hand_in(home, "odd", odd(666), "ada")
    process = driver(home, cluster, log)
    until = time.monotonic() + 120
    with home.database() as database:
        while not queue.held(database, datetime.now(UTC)):
            assert time.monotonic() < until, log.read_text()
            assert process.poll() is None, log.read_text()
            time.sleep(0.1)
        process.terminate()
        assert process.wait(60) == 0, log.read_text()
        assert queue.held(database, datetime.now(UTC)) == []
        assert database.fetch("SELECT attempts, losses FROM leases") == [{"attempts": 0, "losses": 0}]


@pytest.mark.slow
def test_a_node_with_other_code_is_named_and_nothing_is_graded(home: Home, cluster: Nodes, tmp_path: Path) -> None:
    for package in PACKAGES:
        shutil.copytree(ROOT / package, tmp_path / "other" / package, ignore=shutil.ignore_patterns("__pycache__"))
    changed = tmp_path / "other" / "tasks" / "errors.py"
    changed.write_text(changed.read_text() + "#\n")
    log = tmp_path / "log"
    hand_in(home, "kinds", next(home.public("kinds").glob("sample_submission*")).read_bytes(), "ada")
    cluster.add_one(tmp_path / "other")
    try:
        assert driver(home, cluster, log).wait(180) == 2, log.read_text()
    finally:
        cluster.kill_one()
    assert re.search(r"the node \S+ has lhy-grade [0-9a-f]{16}, this machine has [0-9a-f]{16}", log.read_text())
    assert open_count(home) == 1


@pytest.mark.slow
def test_a_node_with_other_code_that_joins_later_grades_nothing_and_is_named(
    home: Home, cluster: Nodes, tmp_path: Path
) -> None:
    for package in PACKAGES:
        shutil.copytree(ROOT / package, tmp_path / "other" / package, ignore=shutil.ignore_patterns("__pycache__"))
    changed = tmp_path / "other" / "harness" / "grading" / "alone.py"
    wrong = changed.read_text().replace("    return values\n\n\ndef serve", "    return {}\n\n\ndef serve")
    assert wrong != changed.read_text()
    changed.write_text(wrong)  # what it sent would be no answer, and count against the file
    log = tmp_path / "log"
    for number in range(60):
        hand_in(home, "odd", odd(number), f"s{number}")
    process = driver(home, cluster, log)
    try:
        wait_until(home, 55, 200, log)
        cluster.add_one(tmp_path / "other")
        for number in range(60, 90):
            hand_in(home, "odd", odd(number), f"s{number}")
        until = time.monotonic() + 120
        while "has lhy-grade" not in log.read_text():
            assert time.monotonic() < until, log.read_text()[-3000:]
            time.sleep(0.2)
        cluster.kill_one()
        wait_until(home, 0, 200, log)
    finally:
        process.terminate()
        assert process.wait(60) == 0, log.read_text()[-3000:]
    assert "failed" not in log.read_text()
    books_balance(home)


@pytest.mark.slow
def test_a_driver_that_joins_while_a_node_dies_grades_all(home: Home, cluster: Nodes, tmp_path: Path) -> None:
    log = tmp_path / "log"
    for number in range(12):
        hand_in(home, "odd", odd(number), f"s{number}")
    cluster.add_one(ROOT)
    cluster.kill_one()
    process = driver(home, cluster, log)
    try:
        wait_until(home, 0, 200, log)
    finally:
        process.terminate()
        assert process.wait(60) == 0, log.read_text()[-3000:]
    books_balance(home)


@pytest.mark.slow
def test_levels_and_seeds_are_trained_on_the_cluster_and_give_the_files_that_one_training_gives(
    course: Path, cluster: Nodes, tmp_path: Path
) -> None:
    for place in ("here", "there"):
        shutil.copytree(course, tmp_path / place)
    words = ["train", "hw1", "--levels", "simple", "--seeds", "3-4", "--device", "cpu"]
    for place, more in (("here", []), ("there", ["--ray", cluster.address])):
        done = subprocess.run(
            [*PROGRAM, str(tmp_path / place), *words, *more],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert len(done.stdout.splitlines()) == 2
    files = {place: sorted((tmp_path / place / "runs").rglob("submission.csv")) for place in ("here", "there")}
    assert [path.read_bytes() for path in files["here"]] == [path.read_bytes() for path in files["there"]]
    assert len(files["here"]) == 2
    rows = []
    for place, more in (("here", []), ("there", ["--ray", cluster.address])):
        shutil.rmtree(tmp_path / place / "runs")
        told = subprocess.run(
            [*PROGRAM, str(tmp_path / place), "calibrate", *words[1:], *more, "--format", "json"],
            cwd=ROOT, capture_output=True, text=True, timeout=240, check=True,
        )  # fmt: skip
        (row,) = json.loads(told.stdout)["levels"]
        rows.append(row)
    assert rows[0] == rows[1]
    assert rows[0]["seeds"] == 2
    assert rows[0]["public_spread"] > 0


@pytest.mark.slow
def test_a_training_whose_node_dies_is_started_anew_on_another(course: Path, cluster: Nodes, tmp_path: Path) -> None:
    home = shutil.copytree(course, tmp_path / "home")
    cluster.add_one(ROOT)
    last = cluster.alive + 1  # more trainings than nodes, each of which has one processor
    words = ["train", "hw1", "--levels", "simple", "--seeds", f"0-{last}", "--device", "cpu", "--ray", cluster.address]
    pipe = subprocess.PIPE
    with subprocess.Popen([*PROGRAM, str(home), *words], cwd=ROOT, stdout=pipe, stderr=pipe, text=True) as process:
        until = time.monotonic() + 200
        while len(list((home / "runs").glob("*/simple-*"))) < cluster.alive:
            assert process.poll() is None
            assert time.monotonic() < until
            time.sleep(0.02)
        assert not list((home / "runs").rglob("submission.csv")), "each node is at its first training"
        cluster.kill_one()
        out, err = process.communicate(timeout=240)
    assert process.returncode == 0, err
    assert len(out.splitlines()) == last + 1
    assert len({path.read_bytes() for path in (home / "runs").rglob("submission.csv")}) == last + 1
