"""What each command loads, without a clock: a heavy module on the way to `submit` is a second of everybody's time."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SCRIPT = """
import json, sys
before = set(sys.modules)
from harness.cli.main import cli
try:
    cli.main(sys.argv[2:], standalone_mode=False)
finally:
    names = {name.split(".")[0] for name in set(sys.modules) - before}
    outside = sorted(names - set(sys.stdlib_module_names) - {"harness", "tasks", "submissions", "leaderboard"})
    open(sys.argv[1], "w").write(json.dumps(outside))
"""
TABLE = {"click", "rich"}
ZONE = {"tzlocal"}
READER = {"click", "numpy"}
SIGNING = {"cryptography", "_cffi_backend", "_openssl"}
EXPECTED = {
    "--help": {"click"},
    "check": READER,
    "submit": READER | SIGNING | ZONE,
    "leaderboard": TABLE,
    "leaderboard --format json": {"click"},
    "quota": TABLE | ZONE,
    "submissions": TABLE,
}


@pytest.mark.parametrize("command", EXPECTED)
def test_a_command_loads_only_the_modules_it_needs(course: Path, tmp_path: Path, command: str) -> None:
    home = tmp_path / "home"
    shutil.copytree(course, home)
    words = command.split()
    if words[0] in ("check", "submit"):
        words += ["hw1", str(home / "public" / "hw01" / "sample_submission.csv")]
    elif words[0] != "--help":
        words += ["hw1"]
    loaded = tmp_path / "loaded.json"
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(loaded), "--home", str(home), *words],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    names = {name for name in json.loads(loaded.read_text()) if not name.startswith("_sysconfigdata")}
    assert names == EXPECTED[command]


def test_the_list_of_commands_loads_none_of_the_commands_of_other_modules() -> None:
    script = (
        "import sys; from harness.cli.main import cli; cli.main(['--help'], standalone_mode=False)\n"
        "print(*sorted(n for n in sys.modules if n.split('.')[0] in ('harness', 'tasks') or n == 'socket'))"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1].split() == [
        "harness",
        "harness.cli",
        "harness.cli.common",
        "harness.cli.main",
        "tasks",
        "tasks.errors",
    ]
