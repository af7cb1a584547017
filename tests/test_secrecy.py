"""Nothing that a student can obtain depends on a private answer: hidden labels are flipped and every byte compared."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from harness.cli import common
from harness.cli.main import cli
from harness.home import open_home
from tasks.base import PRIVATE, PUBLIC
from tests.conftest import reseal


def change_answer(home: Path, usage: int, place: int, change: Callable[[float], float]) -> None:
    """Changes one hidden label of one side in a home's answers."""
    folder = home / "secret" / "hw01" / "1"
    row = np.flatnonzero(np.load(folder / "usage.npy") == usage)[place]
    answers = np.load(folder / "column-0.npy")
    answers[row] = change(answers[row])
    np.save(folder / "column-0.npy", answers)
    reseal(open_home(home))


def everything_a_student_sees(
    home: Path, files: Path, monkeypatch: pytest.MonkeyPatch
) -> list[tuple[str, int, bytes, bytes]]:
    """Runs a student's commands in all formats at fixed times: before and after the deadline and after the reveal.

    After the reveal those that tell private scores are left out. Then reads all files that are meant for students.
    """
    commands: list[list[str]] = [["tasks"], ["tasks", "hw1"], ["files", "hw1"], ["quota", "hw1", "--as", "ada"]]
    for file in sorted(files.iterdir()):
        for command in ("check", "submit"):
            commands += [[command, "hw1", str(file), *(["--as", "ada"] if command == "submit" else [])]]
            commands += [
                [command, "hw1", str(file), "--format", "json", *(["--as", "bob"] if command == "submit" else [])]
            ]
    commands += [["select", "hw1", "1", "--as", "ada"], ["receipt", "1"], ["receipt", "2"]]
    for command in ("leaderboard", "submissions", "quota", "tasks", "files"):
        for format in ("table", "json", "csv"):
            commands += [[command, *(["hw1"] if command != "tasks" else []), "--format", format]]
    commands += [["leaderboard", "hw1", "--private"], ["leaderboard", "hw1", "--private", "--format", "json"]]
    for format in ("table", "json", "csv"):
        commands += [["status", "1", "--format", format], ["status", "5", "--format", format]]
        commands += [["select", "hw1", "--preview", "--as", "bob", "--format", format]]
    commands += [["submissions", "--all", "--format", "json"]]
    shown = [words for words in commands if words[0] not in ("check", "submit")]
    late = [["submit", "hw1", str(files / "b.csv"), "--as", "cyd"], *shown]
    told = [words for words in shown if "--private" not in words and words[0] not in ("submissions", "status")]
    after = [["reveal", "hw1", "--yes", "--reason", "the end"], *told]
    (home / "config.toml").write_text('[hw01]\ndeadline = "2027-03-02T00:00:00Z"\n')
    seen = []
    for day, of_that_day in ((1, commands), (3, late), (4, after)):  # open, over, and revealed
        moments = iter(datetime(2027, 3, day, 12, tzinfo=UTC) + timedelta(minutes=n) for n in range(700))
        monkeypatch.setattr(common, "clock", partial(next, moments))
        for words in of_that_day:
            result = CliRunner().invoke(cli, ["--home", str(home), *words], env={"COLUMNS": "160"})
            seen.append((" ".join(words), result.exit_code, result.stdout_bytes, result.stderr_bytes))
    for path in sorted((home / "public").rglob("*")):
        if path.is_file():
            seen.append((str(path.relative_to(home)), int(path.stat().st_mtime), path.read_bytes(), b""))
    return seen


@pytest.fixture
def files(course: Path, tmp_path: Path) -> Path:
    """A good file, two that get better by a flipped label, a damaged one, and the sample."""
    folder = tmp_path / "files"
    folder.mkdir()
    sample = (course / "public" / "hw01" / "sample_submission.csv").read_text()
    header, *rows = sample.splitlines()
    ids = [row.split(",")[0] for row in rows]
    (folder / "a.csv").write_text("\n".join([header, *(f"{id},{7 + int(id) % 11}" for id in ids)]) + "\n")
    (folder / "b.csv").write_text("\n".join([header, *(f"{id},{1e4}" for id in ids)]) + "\n")
    (folder / "c.csv").write_text("\n".join([header, *(f"{id},nan" for id in ids)]) + "\n")
    (folder / "d.csv").write_text("\n".join([header, *(f"{id},30" for id in ids)]) + "\n")
    (folder / "sample.csv").write_text(sample)
    return folder


def compare(course: Path, files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, usage: int) -> list[str]:
    """The names of all student outputs that change when one hidden label of that side changes."""
    views = []
    for label in ("one", "two"):
        home = tmp_path / label / "home"  # paths of equal length
        shutil.copytree(course, home)
        if label == "two":
            change_answer(home, usage, 3, lambda value: value + 1e7)  # it turns round who is better
        there = everything_a_student_sees(home, files, monkeypatch)
        own = str(tmp_path / label).encode()
        views.append(
            [
                (name.replace(label, "…"), code, out.replace(own, b""), err.replace(own, b""))
                for name, code, out, err in there
            ]
        )
    return [left[0] for left, right in zip(*views, strict=True) if left != right]


def test_a_flipped_private_label_changes_no_byte_that_a_student_can_obtain(
    course: Path, files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert compare(course, files, tmp_path, monkeypatch, PRIVATE) == []


def test_a_flipped_public_label_shows_in_public_scores_so_that_the_comparison_can_fail(
    course: Path, files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    changed = compare(course, files, tmp_path, monkeypatch, PUBLIC)
    assert any(name.startswith("leaderboard") for name in changed)
    assert any(name.startswith("submit") for name in changed)
    assert not any(name.startswith(("check", "receipt", "public")) for name in changed)
