"""A class with a viewer of each role, and what each of them gets from every function of `harness.course`."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from harness.course import boards, catalogue, classwork, handing_in, limits, points, record
from harness.course.access import NOBODY, Viewer
from harness.course.entries import Accepted, to_json
from harness.grading.accept import grade_pending
from harness.home import Home, open_home
from leaderboard import enrolment, roster
from leaderboard.acceptance import Upload
from submissions.store import keep
from tasks.base import UserError

NOW = datetime(2027, 3, 1, 12, tzinfo=UTC)
PEOPLE = (
    roster.RosterEntry("prof-hung", "The Professor", "hung@ntu.example", "instructor"),
    roster.RosterEntry("ta-wei", "Assistant Wei", "wei@ntu.example", "ta"),
    roster.RosterEntry("b10901001", "Ann", "ann@ntu.example"),
    roster.RosterEntry("b10901002", "Bob", "bob@ntu.example", "student", "Blue"),
    roster.RosterEntry("b10901003", "Cyd", "cyd@ntu.example", "student", "Blue"),
    roster.RosterEntry("aud-1", "Eve", "eve@ntu.example", "auditor"),
)
PROF, TA, ANN, BOB, CYD, EVE = (Viewer(p.role, p.key) for p in PEOPLE)
ROLES = {"nobody": NOBODY, "student": ANN, "member of a team": CYD, "auditor": EVE, "ta": TA, "instructor": PROF}
WEAK_STAFF = [Viewer("ta", TA.key, "submit"), Viewer("instructor", PROF.key, "read")]


@pytest.fixture
def home(course: Path, tmp_path: Path, database_url: str) -> Home:
    """A course with a roster, on each kind of database in turn."""
    return course_at(course, tmp_path / "home", f'database = "{database_url}"\n')


def course_at(course: Path, root: Path, config: str = "") -> Home:
    shutil.copytree(course, root)
    (root / "config.toml").write_text(config)
    home = open_home(root)
    with home.database() as database:
        for entry in PEOPLE:
            enrolment.add_person(database, entry, actor="prof-hung", reason="start", now=NOW)
    return home


def predictions(home: Home, value: object) -> bytes:
    """A file that predicts one value everywhere."""
    header, *rows = (home.public("hw01") / "sample_submission.csv").read_text().splitlines()
    return "\n".join([header, *(f"{row.split(',')[0]},{value}" for row in rows)]).encode()


def hand_in(home: Home, viewer: Viewer, value: object, now: datetime = NOW) -> Accepted:
    data = predictions(home, value)
    sha256 = keep(home.submissions, data)
    upload = Upload(sha256, len(data), "preds.csv", "a note", sha256, now)
    return handing_in.submit_accept(home, viewer, "hw1", upload)


def graded(home: Home, viewer: Viewer, *values: object, now: datetime = NOW) -> list[int]:
    """Hands in and grades; the numbers of the submissions."""
    numbers = [hand_in(home, viewer, value, now).submission for value in values]
    grade_pending(home, now, ["hw01"])
    return numbers


def asked(home: Home, viewer: Viewer, numbers: list[int], now: datetime = NOW) -> dict[str, str]:
    """What every reading function answers that viewer, errors included, as text."""
    calls: dict[str, Callable[[], Any]] = {
        "homeworks": lambda: catalogue.homeworks(home, viewer, now),
        "homework": lambda: catalogue.homework(home, viewer, "hw1", now),
        "sheet": lambda: catalogue.sheet(home, viewer, "hw1"),
        "files": lambda: catalogue.files(home, viewer, "hw1"),
        "archive": lambda: str(catalogue.archive(home, viewer, "hw1").relative_to(home.root)),
        "file": lambda: str(catalogue.file_path(home, viewer, "hw1", "sheet.md").relative_to(home.root)),
        "me": lambda: catalogue.me(home, viewer),
        "points": lambda: asdict(points.points(home, viewer, None, now)),
        "points of one": lambda: asdict(points.points(home, viewer, "hw1", now)),
        "quota": lambda: limits.quota(home, viewer, "hw1", now),
        "selection": lambda: limits.selection(home, viewer, "hw1", now),
        "submissions": lambda: record.submissions(home, viewer, None, now=now),
        "everybody's": lambda: record.submissions(home, viewer, "hw1", everyone=True, now=now),
        "public board": lambda: boards.board(home, viewer, "hw1", now=now),
        "private board": lambda: boards.board(home, viewer, "hw1", private=True, now=now),
        "gradebook": lambda: points.gradebook(home, viewer, "hw1", now=now),
        "gradebook of all": lambda: points.gradebook(home, viewer, None, now=now),
        "full gradebook": lambda: points.gradebook(home, viewer, "hw1", unrevealed=True, now=now),
        "queue": lambda: classwork.waiting(home, viewer, now),
        "early look": lambda: boards.board(home, viewer, "hw1", private=True, unrevealed=True, now=now),
    }
    for n in numbers:
        calls[f"submission {n}"] = partial(record.submission, home, viewer, n, now)
        calls[f"receipt {n}"] = partial(record.receipt, home, viewer, n)
    answers = {}
    for name, call in calls.items():
        try:
            answers[name] = json.dumps(to_json(call()), allow_nan=False)
        except UserError as error:
            answers[name] = f"{error.code}: {error}"
    return answers


def code(answer: str) -> str:
    return answer.partition(":")[0] if answer.startswith("E_") else "ok"
