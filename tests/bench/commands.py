"""Whole commands against the usual program: `python tests/bench/commands.py [--runs N]`.

`--help` against a bare `import click`; `quota` under a login against a bare `import click, urllib3`; `submit` and
`leaderboard` of HW1 against `tests/bench/typical.py`, which does the same work with everything imported at the top.
Commands run in turn, A B A B; medians and ratios are printed.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT)]

from harness.course.login import write_login  # noqa: E402
from harness.course.remote import RemoteCourse  # noqa: E402

TYPICAL = ROOT / "tests" / "bench" / "typical.py"
GRADE = ["-c", "import sys; from harness.cli.main import main; sys.argv[0] = 'lhy-grade'; main()"]
PARTICIPANTS = 20


LOGIN = tempfile.mkdtemp(prefix="lhy-grade-bench-login-")


def run(words: list[str]) -> str:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "120", "XDG_CONFIG_HOME": LOGIN}
    environment.pop("LHY_GRADE_HOME", None)
    done = subprocess.run([sys.executable, *words], capture_output=True, text=True, check=False, env=environment)
    if done.returncode:
        raise SystemExit(f"{' '.join(words)} ended with {done.returncode}:\n{done.stderr}")
    return done.stdout


def timed(words: Callable[[], list[str]]) -> float:
    command = words()
    begun = time.perf_counter()
    run(command)
    return time.perf_counter() - begun


def compare(title: str, ours: Callable[[], list[str]], other: Callable[[], list[str]], runs: int) -> None:
    """Runs both in turn after one warm-up each and prints medians, and the median and range of the ratios."""
    timed(ours), timed(other)
    pairs = [(timed(ours), timed(other)) for _ in range(runs)]
    ratios = sorted(b / a for a, b in pairs)
    print(
        f"{title:<34} ours {1000 * statistics.median(a for a, _ in pairs):7.1f} ms   other"
        f" {1000 * statistics.median(b for _, b in pairs):7.1f} ms   other/ours {statistics.median(ratios):6.2f}"
        f"  ({ratios[0]:.2f} – {ratios[-1]:.2f})"
    )


def main() -> None:
    """Prepares a course and the usual program's files with the same answers, then compares."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=9)
    runs = parser.parse_args().runs
    folder = Path(tempfile.mkdtemp(prefix="lhy-grade-bench-"))
    home, other = folder / "home", folder / "typical"
    other.mkdir()
    run([*GRADE, "--home", str(home), "prepare", "hw1", "--seed", "1"])
    (home / "config.toml").write_text("[hw01]\nquota = 100000\n")
    sample = home / "public" / "hw01" / "sample_submission.csv"
    header, *rows = sample.read_text().splitlines()
    ids = [row.split(",")[0] for row in rows]
    write_key(home, other / "hw01.csv", ids)
    files = []
    for n in range(PARTICIPANTS + 2 * runs + 2):
        files.append(folder / f"{n}.csv")
        files[-1].write_text("\n".join([header, *(f"{i},{7 + n / 64 + int(i) % 13 / 3!r}" for i in ids)]) + "\n")
    fresh = iter(files)

    def ours(file: Path, name: str) -> list[str]:
        return [*GRADE, "--home", str(home), "submit", "hw1", str(file), "--as", name]

    def usual(file: Path, name: str) -> list[str]:
        return [str(TYPICAL), "--home", str(other), "submit", "hw01", str(file), "--as", name]

    for n in range(PARTICIPANTS):
        file = next(fresh)
        mine, theirs = run(ours(file, f"p{n}")), run(usual(file, f"p{n}"))
        score = json.loads(
            run([*GRADE, "--home", str(home), "submissions", "hw1", "--exact", "--as", f"p{n}", "--format", "json"])
        )
        exact = score["submissions"][0]["score"]
        assert f"{exact:.5f}" in theirs, (mine, theirs)

    print(f"{runs} runs each in turn, Python {sys.version.split()[0]}, {os.cpu_count()} cores")
    compare("--help / import click", lambda: [*GRADE, "--help"], lambda: ["-c", "import click"], 3 * runs)
    with answering() as url:
        write_login(Path(LOGIN) / "lhy-grade" / "login.json", RemoteCourse(url, "lhy_" + "x" * 43))
        quota = [*GRADE, "quota", "hw1", "--format", "json"]
        compare(
            "quota, login / import click, urllib3", lambda: quota, lambda: ["-c", "import click, urllib3"], 3 * runs
        )
    place = iter(range(10**6))
    compare(
        f"submit, {len(ids)} rows",
        lambda: ours(files[next(place) % len(files)], f"q{next(place)}"),
        lambda: usual(files[next(place) % len(files)], f"q{next(place)}"),
        runs,
    )
    compare(
        "leaderboard",
        lambda: [*GRADE, "--home", str(home), "leaderboard", "hw1"],
        lambda: [str(TYPICAL), "--home", str(other), "leaderboard", "hw01"],
        runs,
    )
    shutil.rmtree(folder)
    shutil.rmtree(LOGIN)


@contextlib.contextmanager
def answering() -> Iterator[str]:
    """A server with a prepared response, so that only the client is measured."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = b'{"schema": 1, "zone": "Asia/Taipei", "quota": []}'
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


def write_key(home: Path, path: Path, ids: list[str]) -> None:
    """The answers as the usual program keeps them: a CSV of id, value and usage."""
    import numpy as np

    folder = home / "secret" / "hw01" / "1"
    values, usage = (np.load(folder / f"{name}.npy").tolist() for name in ("column-0", "usage"))
    words = ("Ignored", "Public", "Private")
    lines = [f"{i},{value!r},{words[use]}" for i, value, use in zip(ids, values, usage, strict=True)]
    path.write_text("id,tested_positive,usage\n" + "\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
