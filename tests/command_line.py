"""A home with HW1, and commands that are called on it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from harness.cli.main import cli


@pytest.fixture
def home(course: Path, tmp_path: Path) -> Path:
    """A home of one's own with HW1 prepared."""
    shutil.copytree(course, tmp_path / "home")
    return tmp_path / "home"


def call(home: Path, *words: str, columns: int = 160, input: str | None = None) -> Result:
    return CliRunner().invoke(cli, ["--home", str(home), *words], env={"COLUMNS": str(columns)}, input=input)


def sample(home: Path) -> Path:
    return home / "public" / "hw01" / "sample_submission.csv"


def constant(home: Path, value: str, name: str) -> Path:
    """A valid file that predicts one value."""
    header, *rows = sample(home).read_text().splitlines()
    path = home / name
    path.write_text("\n".join([header, *(row.split(",")[0] + "," + value for row in rows)]) + "\n")
    return path


def fill(home: Path) -> None:
    for value, name in (("9.5", "ada"), ("12.25", "bob"), ("9.5", "eve")):
        done = call(home, "submit", "hw1", str(constant(home, value, f"{name}.csv")), "--as", name)
        assert done.exit_code == 0, done.stderr
