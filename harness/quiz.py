"""Quizzes: a competition made from a key, without public score and board, whose points open after the deadline."""

from __future__ import annotations

import hashlib
from datetime import datetime
from pathlib import Path

from harness.home import Home, check_free, local
from harness.prepare import Plan
from harness.rules import last_instant
from tasks.base import Made, Rules, UserError
from tasks.homeworks import canonical, find_task

RULES = Rules(quota=10, selections=0, unselected="last", unselected_count=1)
"""The rules of a quiz: the last file handed in counts, and none can be chosen."""


def plan_quiz(home: Home, name: str, key: Path, *, title: str | None, deadline: str | None, now: datetime) -> Plan:
    """The plan of a quiz from its key. Raises UserError for an invalid key, and for no deadline or one that passed."""
    from dataclasses import replace

    from tasks.quiz import POINTS, read_key, sample, sheet

    name = canonical(name)
    if find_task(name) is not None:
        raise UserError(f"{name} is a homework of the course; choose another name for your quiz.")
    check_free(name)
    if deadline is None:
        raise UserError("a quiz needs a deadline, after which its points open: add --deadline 2027-03-26T23:59+08:00")
    end = last_instant(deadline, "--deadline")
    if end <= now and not home.public(name).exists():
        raise UserError(f"--deadline {local(home, end)} has passed: the points of the quiz would be open at once.")
    found, title = read_key(key), title or name

    def make(public: Path, streams: object, secret: Path) -> Made:
        return Made(found.answers, sample=sample(found.form))

    return Plan(
        name=name,
        title=title,
        edition="own",
        source="made by the instructor of this course",
        format=found.form,
        metrics=(POINTS,),
        bars=(),
        rules=replace(RULES, deadline=deadline),
        sheet=sheet(title, found.form),
        make=make,
        metric="points",
        provenance=(
            ("key", hashlib.sha256(key.read_bytes()).hexdigest()),
            ("title", title),
            ("deadline", deadline),
        ),
    )
