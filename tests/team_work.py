"""A class of teams that hand in, whose roster is changed on the command line."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from harness.cli import common
from harness.cli.main import cli
from harness.competition import find_competition
from harness.course import access, boards, catalogue, handing_in, limits, record
from harness.course.entries import Accepted, to_json
from harness.course.gradebook import find_schemes, gradebook
from harness.home import Home, open_home
from harness.versions import read_versions
from leaderboard import events, receipts, results
from leaderboard.acceptance import Upload
from submissions.store import keep

NOW = datetime(2027, 3, 1, 12, tzinfo=UTC)
YES = ("--reason", "the class", "--yes")
CLASS = """id,name,email,team,role
a1,Ada,,Owls,
a2,Bob,,Owls,
c1,Cyd,,Cats,
c2,Dan,,Cats,
e1,Eve,,,
f1,Fay,,,
prof,Lee,,,instructor
"""
STUDENTS = ("a1", "a2", "c1", "c2", "e1", "f1")


@dataclass
class School:
    """A class in the middle of HW1, and what each of its people sees."""

    home: Home
    files: Iterator[int] = field(default_factory=count)

    def hand_in(self, key: str, value: float | None = None) -> Accepted:
        """Hands in a table with one value everywhere, as this person; by default one that nobody sent before."""
        value = 10.0 + next(self.files) / 8 if value is None else value
        header, *rows = (self.home.public("hw01") / "sample_submission.csv").read_text().splitlines()
        data = "\n".join([header, *(f"{row.split(',')[0]},{value}" for row in rows)]).encode()
        sha256 = keep(self.home.submissions, data)
        return handing_in.submit_accept(
            self.home, access.Viewer("student", key), "hw1", Upload(sha256, len(data), f"{value}.csv", "", sha256, NOW)
        )

    def score(self) -> None:
        """Gives each file that waits a score and the bars of its owner's kind, both sides."""
        competition = find_competition(self.home, "hw1")
        versions = read_versions(self.home, competition)
        with self.home.database() as db:
            for entry in results.pending(db, {competition.key: versions}):
                points = 3.0 - len(entry.participant) / 8
                results.record(
                    db,
                    entry.id,
                    data_version=versions[0],
                    metric_version=versions[1],
                    public_version="1",
                    higher_is_better=False,
                    public=points,
                    private=points,
                    details="{}",
                    mac="",
                    passed_public=["simple"] if entry.participant < "D" else ["simple", "medium"],
                    passed_private=["simple"],
                    now=NOW,
                )

    def points(self) -> dict[str, tuple[float, tuple[int, ...]]]:
        """Each student's points in HW1, and the submissions that count."""
        with self.home.database() as db:
            lines = gradebook(self.home, db, find_schemes(self.home, "hw1"), ["hw01"])
        return {line.key: (line.scores["hw01"].total, line.scores["hw01"].submissions) for line in lines}

    def seen(self, key: str) -> dict[str, Any]:
        """What one person has: own list, receipts, quota, selection and the line on the board."""
        viewer = access.Viewer("student", key)
        numbers = [row.id for row in record.submissions(self.home, viewer, "hw1", now=NOW).submissions]
        chosen = limits.selection(self.home, viewer, "hw1", NOW)
        course = str(catalogue.course(self.home).receipt_key)
        written = [record.receipt(self.home, viewer, number) for number in numbers]
        for receipt in written:
            receipts.verify(json.dumps(receipt), course)
        board = boards.board(self.home, viewer, "hw1", now=NOW).board
        return {
            "numbers": numbers,
            "receipts": written,
            "quota": to_json(limits.quota(self.home, viewer, "hw1", NOW).quota),
            "selected": chosen.selected,
            "counts": [row.id for row in chosen.counts],
            "own": [(row.rank, row.score, row.entries) for row in board if row.own],
            "board": [(row.rank, row.score, row.entries) for row in board],
        }

    def state(self) -> dict[str, Any]:
        """All that no change of the roster may change in a homework that has begun."""
        return {"points": self.points()} | {key: self.seen(key) for key in STUDENTS}

    def names(self) -> list[str]:
        rows = boards.board(self.home, access.Viewer("student", "e1"), "hw1", now=NOW).board
        return sorted(row.name for row in rows)

    def call(self, *words: str, input: str | None = None) -> Result:
        return CliRunner().invoke(cli, ["--home", str(self.home.root), *words], env={"COLUMNS": "160"}, input=input)

    def import_(self, text: str, *words: str, input: str | None = None) -> Result:
        path = self.home.root / "people.csv"
        path.write_text(text)
        return self.call("roster", "import", str(path), *(words or YES), input=input)

    def verified(self) -> None:
        with self.home.database() as db:
            assert events.verify(db, catalogue.course(self.home).receipt_key) == []


@pytest.fixture(autouse=True)
def _noon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(common, "clock", lambda: NOW)


@pytest.fixture
def school(course: Path, tmp_path: Path, database_url: str) -> School:
    """A class with two teams and two people alone; all but Fay have handed in, and the Owls and Eve have chosen."""
    shutil.copytree(course, tmp_path / "home")
    config = f'name = "prof"\ndatabase = "{database_url}"\n[hw01]\nquota = 3\n'
    (tmp_path / "home" / "config.toml").write_text(config)
    made = School(open_home(tmp_path / "home"))
    done = made.import_(CLASS)
    assert done.exit_code == 0, done.output
    for key in ("a1", "a2", "c1", "e1", "e1"):
        made.hand_in(key)
    made.score()
    limits.select(made.home, access.Viewer("student", "a2"), "hw1", [1], NOW)
    limits.select(made.home, access.Viewer("student", "e1"), "hw1", [5], NOW)
    return made
