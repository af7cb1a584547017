"""Homes of this release and of the first one, with HW1 and competitions of one's own."""

from __future__ import annotations

import json
import shutil
import tarfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from harness.cli.main import cli
from harness.home import Home, open_home

NOW = datetime(2027, 3, 1, 12, tzinfo=UTC)
FIRST_RELEASE = Path(__file__).parent / "data" / "first_release.tar.xz"
"""Made by the code of the first release: two competitions of one's own, three graded files, one board revealed."""


METRIC = """\
def score(solution, submission, row_id_column_name):
    return float(abs(solution["weight"] - submission["weight"]).max())
"""


def call(home: Home, *words: str, exit_code: int | None = 0) -> Result:
    result = CliRunner().invoke(cli, ["--home", str(home.root), *words], env={"COLUMNS": "160"})
    assert exit_code is None or result.exit_code == exit_code, result.stdout + result.stderr
    return result


@pytest.fixture
def home(course: Path, tmp_path: Path) -> Home:
    shutil.copytree(course, tmp_path / "home")
    return open_home(tmp_path / "home")


def sample(home: Home, name: str = "hw01") -> str:
    return str(home.public(name) / "sample_submission.csv")


def flip(path: Path, place: int) -> None:
    """Turns one bit of a file."""
    data = bytearray(path.read_bytes())
    data[place] ^= 1
    path.write_bytes(data)


@pytest.fixture
def own(tmp_path: Path) -> Home:
    """A home with a competition of one's own, scored by a metric file."""
    home = open_home(tmp_path / "own")
    solution, metric = tmp_path / "solution.csv", tmp_path / "metric.py"
    solution.write_text("id,weight\n" + "".join(f"{number},{number**3 % 101}\n" for number in range(40)))
    metric.write_text(METRIC)
    call(home, "new", "worst", "--solution", str(solution), "--metric", str(metric), "--lower-is-better")
    return home


@pytest.fixture
def first(tmp_path: Path) -> Home:
    """A home as the first release left it."""
    with tarfile.open(FIRST_RELEASE) as archive:
        archive.extractall(tmp_path / "first", filter="data")
    return open_home(tmp_path / "first" / "home")


def again(home: Home, name: str) -> list[str]:
    """The command that prepares a competition of the second release again."""
    if name != "weights":
        return ["prepare", name]
    solution = home.root.parent / "solution.csv"
    solution.write_text("id,weight\n" + "".join(f"{number},{number**3 % 101}\n" for number in range(3, 80, 2)))
    return ["new", "weights", "--solution", str(solution), "--metric", "rmse", "--title", "Weights"]


def boards(home: Home, name: str) -> list[str]:
    """Every board of a competition, in every format, as anybody gets them."""
    sides = [[], ["--private"]]
    return [
        call(home, "leaderboard", name, *side, "--format", format, exit_code=None).stdout
        for side in sides
        for format in ("table", "json", "csv")
    ]


def everything(folder: Path) -> dict[str, tuple[bytes, int]]:
    """Each file of a folder with its time."""
    return {
        path.relative_to(folder).as_posix(): (path.read_bytes(), path.stat().st_mtime_ns)
        for path in folder.rglob("*")
        if path.is_file() and not path.name.startswith(("leaderboard.db", ".lock"))
    }


def asked(home: Home, *words: str) -> Any:
    return json.loads(call(home, *words, "--format", "json").stdout)
