"""The key of a quiz, answers to it, and a home that has it."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from harness.cli import common
from harness.cli.main import cli

KEY = """\
question,options,answer,points,text,choose,credit
q1,A: a minimum|B: a saddle point|C: both,B,0.4,"Where is *the* gradient <b>zero</b>?
=1+1",one,all
q2,A|B|C|D,A C,0.4,Which forget less?,any,share
q3,yes|no,no,1.2,,,
"""

ANSWERS = {
    "a": "question,answer\nq1,B\nq2,A\nq3,no\n",  # 0.4 + 0.2 + 1.2
    "b": 'question,answer\nq3,yes\nq2,"D, B"\nq1,C\n',  # 0, and all of it with the other key
    "c": "question,answer\nq1,\nq2,\nq3,\n",
}
END = datetime(2027, 3, 26, 15, 59, 59, 999_999, tzinfo=UTC)
DEADLINE = "2027-03-26T23:59+08:00"
BEFORE, AFTER = END - timedelta(days=1), END + timedelta(seconds=1)


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str | bytes], Path]:
    def write(text: str | bytes, name: str = "key.csv") -> Path:
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return write


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write: Callable[..., Path]) -> Callable[..., Result]:
    """Runs a command in a new home with a clock that stands still, with files by the names of `ANSWERS`."""
    for name, text in ANSWERS.items():
        write(text, f"{name}.csv")
    write(KEY)
    monkeypatch.chdir(tmp_path)

    def run(*words: str, now: datetime = BEFORE, code: int = 0) -> Result:
        monkeypatch.setattr(common, "clock", lambda: now)
        result = CliRunner().invoke(cli, ["--home", str(tmp_path / "home"), *words], env={"COLUMNS": "160"})
        assert result.exit_code == code, result.output + repr(result.exception)
        return result

    return run


def points(run: Callable[..., Result], who: str, now: datetime = AFTER) -> dict[int, float | None]:
    rows = json.loads(run("submissions", "quiz1", "--as", who, "--format", "json", now=now).stdout)["submissions"]
    assert all(row["score"] is None for row in rows)
    return {row["id"]: row["private"] for row in rows}
