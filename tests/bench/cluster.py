"""How fast a Ray cluster grades, next to local workers: `python tests/bench/cluster.py [--files 200]`.

The same submissions of HW1 are graded twice, in turns, on the processors of this machine: by as many `lhy-grade worker`
as it has processors, and by one `lhy-grade worker --ray` with a cluster of one node for each processor. Both start from
nothing; the time counts from the first grade to the last. The grades must be equal.
"""

from __future__ import annotations

import argparse
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT)]

from harness.competition import find_competition  # noqa: E402
from harness.grading.accept import accept_file  # noqa: E402
from harness.home import Home, open_home  # noqa: E402
from harness.plans import plan_homework  # noqa: E402
from harness.prepare import prepare  # noqa: E402
from leaderboard import results  # noqa: E402
from leaderboard.acceptance import Upload  # noqa: E402
from submissions.store import keep  # noqa: E402

WORKER = [sys.executable, "-c", "from harness.cli.main import main; main()", "--home"]
NODES = """
import sys
from ray.cluster_utils import Cluster
made = Cluster()
for _ in range(int(sys.argv[1])):
    made.add_node(num_cpus=1, object_store_memory=80 * 2**20, include_dashboard=False)
made.wait_for_nodes(timeout=120)
print("at", made.address, flush=True)
sys.stdin.read()
made.shutdown()
"""
WAIT_SECONDS = 500


def course(root: Path, count: int) -> Home:
    """A home with `count` submissions that wait."""
    home, now = open_home(root), datetime.now(UTC)
    prepare(home, plan_homework("hw1", None, None, "small"), seed=5, new_data=False, accept_leaks=False, now=now)
    competition = find_competition(home, "hw1")
    with home.database() as database:
        for number in range(count):
            rows = "".join(f"{id},{number / 100 + id % 7}\n" for id in map(int, competition.format.ids))
            data = f"id,tested_positive\n{rows}".encode()
            sha256 = keep(home.submissions, data)
            upload = Upload(sha256, len(data), "a.csv", "", sha256, now)
            accept_file(home, database, competition, upload, participant=f"s{number:04d}")
    return home


def graded(home: Home) -> int:
    with home.database() as database:
        return int(database.value("SELECT count(*) FROM grades"))


def throughput(home: Home, count: int, programs: Sequence[Sequence[str]]) -> float:
    """The grades a second of these programs together, without their start."""
    running = [subprocess.Popen([*WORKER, str(home.root), *words], cwd=ROOT) for words in programs]
    try:
        until = time.monotonic() + WAIT_SECONDS
        while (first := graded(home)) == 0:
            assert time.monotonic() < until
            time.sleep(0.02)
        begun = time.perf_counter()
        while graded(home) < count:
            assert time.monotonic() < until
            time.sleep(0.02)
        return (count - first) / (time.perf_counter() - begun)
    finally:
        for one in running:
            one.terminate()
        for one in running:
            one.wait(60)


def grades(home: Home) -> list[tuple[int, float, float | None]]:
    with home.database() as database:
        return sorted((row.submission, row.public, row.private) for row in results.grade_rows(database))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--files", type=int, default=200)
    given = parser.parse_args()
    cores = os.cpu_count() or 1
    print(f"{cores} cores, load {os.getloadavg()[0]:.1f}, Python {sys.version.split()[0]}")
    os.environ |= {
        "RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32), "PYTHONPATH": str(ROOT),
        "RAY_worker_niceness": "0",
    }  # fmt: skip
    with tempfile.TemporaryDirectory(prefix="lhy-cluster-") as folder:
        course(Path(folder) / "made", given.files)
        homes = [open_home(shutil.copytree(Path(folder) / "made", Path(folder) / name)) for name in ("local", "ray")]
        local = throughput(homes[0], given.files, [["worker"]] * cores)
        command = [sys.executable, "-c", NODES, str(cores)]
        pipe = subprocess.PIPE
        with subprocess.Popen(command, cwd=ROOT, stdin=pipe, stdout=pipe, text=True) as nodes:
            assert nodes.stdout is not None
            address = next(line.split()[1] for line in nodes.stdout if line.startswith("at "))
            cluster = throughput(homes[1], given.files, [["worker", "--ray", address]])
            assert nodes.stdin is not None
            nodes.stdin.close()
        assert grades(homes[0]) == grades(homes[1])
    print(
        f"{given.files} files of HW1, equal grades: {cores} local workers {local:.1f} a second, a Ray cluster of"
        f" {cores} nodes of one processor {cluster:.1f} a second, {cluster / local:.2f} of it"
    )


if __name__ == "__main__":
    main()
