"""A process killed at any step loses nothing, charges no second slot, and leaves a state that goes on."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from harness.cli import cli
from harness.competition import read_competition, recover
from harness.grading import submit
from harness.home import open_home
from harness.prepare import damaged_files, plan_homework, prepare

ROOT = Path(__file__).parents[1]
NOW = datetime(2027, 3, 1, 12, tzinfo=UTC)
SUBMIT = """
import os, signal, sys
from datetime import UTC, datetime
from pathlib import Path
from harness.grading import submit
from harness.home import open_home
left = [int(sys.argv[3])]
def step(name):
    left[0] -= 1
    if left[0] < 0:
        os.kill(os.getpid(), signal.SIGKILL)
submit(open_home(Path(sys.argv[1])), "hw1", Path(sys.argv[2]), participant="ada",
       now=datetime(2027, 3, 1, 12, tzinfo=UTC), step=step)
"""
PREPARE = """
import os, signal, sys
from datetime import UTC, datetime
from pathlib import Path
from harness.home import open_home
from harness.prepare import plan_homework, prepare
left = [int(sys.argv[2])]
def step(name):
    left[0] -= 1
    if left[0] < 0:
        os.kill(os.getpid(), signal.SIGKILL)
prepare(open_home(Path(sys.argv[1])), plan_homework("hw1", None, None, "small"), seed=None, replace_old=True,
        accept_leaks=False, now=datetime(2027, 3, 2, 12, tzinfo=UTC), step=step)
"""


def run(script: str, *words: str) -> int:
    return subprocess.run([sys.executable, "-c", script, *words], cwd=ROOT, capture_output=True, check=False).returncode


def call(home: Path, *words: str) -> Result:
    return CliRunner().invoke(cli, ["--home", str(home), *words])


def test_a_kill_at_any_step_of_submit_costs_one_slot_at_most_and_ends_in_one_grade(
    course: Path, tmp_path: Path
) -> None:
    file = course / "public" / "hw01" / "sample_submission.csv"
    names: list[str] = []
    whole = tmp_path / "whole"
    shutil.copytree(course, whole)
    submit(open_home(whole), "hw1", file, participant="ada", now=NOW, step=names.append)
    assert {"bytes kept", "accepted", "read", "graded", "recorded"} <= set(names)
    recorded = set()
    for place in range(len(names)):
        home = tmp_path / str(place)
        shutil.copytree(course, home)
        assert run(SUBMIT, str(home), str(file), str(place)) == -signal.SIGKILL
        assert call(home, "grade", "--pending").exit_code == 0
        entries = json.loads(call(home, "submissions", "--all", "--format", "json").stdout)["submissions"]
        recorded.add(len(entries))
        assert [entry["state"] for entry in entries] in ([], ["graded"])
        again = json.loads(call(home, "submit", "hw1", str(file), "--as", "ada", "--format", "json").stdout)
        assert again["quota"]["used"] in (0, 1)  # the kill lies on another day than this hand-in
        assert again["again"] == bool(entries)
        entries = json.loads(call(home, "submissions", "--all", "--format", "json").stdout)["submissions"]
        assert [entry["state"] for entry in entries] == ["graded"]
        board = json.loads(call(home, "leaderboard", "hw1", "--format", "json").stdout)["board"]
        assert [row["entries"] for row in board] == [1]
        assert call(home, "audit", "verify").exit_code == 0
        assert "nothing is waiting" in call(home, "grade", "--pending").stdout
    assert recorded == {0, 1}


def test_a_kill_at_any_step_of_prepare_leaves_the_old_competition_or_the_new_one_whole(
    course: Path, tmp_path: Path
) -> None:
    names: list[str] = []
    whole = tmp_path / "whole"
    shutil.copytree(course, whole)
    plan = plan_homework("hw1", None, None, "small")
    prepare(open_home(whole), plan, seed=None, replace_old=True, accept_leaks=False, now=NOW, step=names.append)
    versions = set()
    for place in range(len(names)):
        home = tmp_path / str(place)
        shutil.copytree(course, home)
        assert run(PREPARE, str(home), str(place)) == -signal.SIGKILL
        recover(open_home(home), "hw01")
        folder = home / "public" / "hw01"
        assert damaged_files(folder) == []
        versions.add(read_competition(folder).version)
        sample = folder / "sample_submission.csv"
        assert call(home, "submit", "hw1", str(sample), "--as", "ada").exit_code == 0
        assert call(home, "prepare", "hw1").exit_code == 8
        assert call(home, "prepare", "hw1", "--replace").exit_code == 0
    assert versions == {1, 2}


def test_an_existing_competition_with_submissions_is_not_written_over(course: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    shutil.copytree(course, home)
    sample = home / "public" / "hw01" / "sample_submission.csv"
    assert call(home, "submit", "hw1", str(sample), "--as", "ada").exit_code == 0
    before = {path: path.read_bytes() for path in (home / "public").rglob("*") if path.is_file()}
    refused = call(home, "prepare", "hw1")
    assert refused.exit_code == 8
    assert "--replace" in refused.stderr
    assert before == {path: path.read_bytes() for path in (home / "public").rglob("*") if path.is_file()}
    assert call(home, "prepare", "hw1", "--replace").exit_code == 0
    assert json.loads(call(home, "leaderboard", "hw1", "--format", "json").stdout)["board"] == []
    assert (home / "secret" / "hw01" / "1" / "column-0.npy").exists()


def test_a_full_disk_gives_a_clear_error_and_leaves_no_half_state(
    course: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    shutil.copytree(course, home)
    before = {path: path.read_bytes() for path in (home / "public").rglob("*") if path.is_file()}
    written = [0]
    real = os.fsync

    def full(descriptor: int) -> None:
        written[0] += 1
        if written[0] > 3:
            raise OSError(28, "No space left on device")
        real(descriptor)

    monkeypatch.setattr(os, "fsync", full)
    refused = call(home, "prepare", "hw1", "--replace")
    monkeypatch.setattr(os, "fsync", real)
    assert refused.exit_code == 10
    assert "No space left on device" in refused.stderr
    assert before == {path: path.read_bytes() for path in (home / "public").rglob("*") if path.is_file()}
    assert call(home, "prepare", "hw1", "--replace").exit_code == 0


@pytest.mark.parametrize("problem", [(28, "disk of the grader is full"), (30, "may not write")])
def test_a_disk_that_takes_no_more_leaves_no_half_submission(
    course: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, problem: tuple[int, str]
) -> None:
    home = tmp_path / "home"
    shutil.copytree(course, home)
    sample = home / "public" / "hw01" / "sample_submission.csv"

    def full(descriptor: int) -> None:
        raise OSError(*problem)

    monkeypatch.setattr(os, "fsync", full)
    refused = call(home, "submit", "hw1", str(sample), "--as", "ada")
    monkeypatch.undo()
    assert refused.exit_code == 10
    assert problem[1] in refused.stderr
    assert json.loads(call(home, "submissions", "--all", "--format", "json").stdout)["submissions"] == []
    assert [path for path in (home / "submissions").rglob("*") if path.is_file()] == []
    assert json.loads(call(home, "submit", "hw1", str(sample), "--as", "ada", "--format", "json").stdout)["rank"] == 1
