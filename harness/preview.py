"""What other data would do to a board: its files are scored again in a folder of their own, and nothing is kept."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from harness.answers import Secret, load_secret
from harness.build import build_folders, try_metric
from harness.competition import read_competition
from harness.home import Home
from harness.plans import Plan
from harness.shown import shown
from leaderboard import competitions, records, results
from submissions.store import fetch
from tasks.base import Grade, SubmissionError, UserError

Graded = Callable[[Secret, bytes], Grade]


@dataclass(frozen=True)
class Moved:
    """One person's best public score and place, now and with the other data; None where the file does not fit them."""

    name: str
    before: float
    place: int
    after: float | None
    new_place: int | None

    def line(self, digits: int) -> str:
        """The change in words, cut to the digits of the metric."""
        before, then = f"{shown(self.before, digits):.10g} (place {self.place})", "its file would be refused"
        if self.after is not None:
            then = f"{shown(self.after, digits):.10g} (place {self.new_place})"
        return f"{self.name}: {before} → {then}"


def preview(home: Home, plan: Plan, graded: Graded) -> list[Moved]:
    """The board of the current data, each person's best file scored again by `plan`.

    Raises UserError where the plan cannot be made.
    """
    with home.database() as database:
        old = competitions.current(database, plan.name)
        rows = [] if old is None else list(results.grade_rows(database, old.key))
        entries = [] if old is None else records.submissions(database, old.key)
        counting = {one.id for one in entries if one.rejected is None and not one.practice}
    assert old is not None, "there is a board"
    rows = [
        row for row in rows if (row.data_version, row.metric_version) == old.versions and row.submission in counting
    ]
    best: dict[str, results.GradeRow] = {}
    for row in rows:
        known = best.get(row.participant)
        if known is None or (row.public > known.public if row.higher_is_better else row.public < known.public):
            best[row.participant] = row
    scratch = Path(tempfile.mkdtemp(prefix=".preview-", dir=home.root / "secret"))
    try:
        key = home.key()
        there = replace(home, root=scratch)
        (scratch / "secret").mkdir(mode=0o700)
        shutil.copyfile(home.root / "secret" / "key", scratch / "secret" / "key")
        (scratch / "secret" / "key").chmod(0o600)
        version = old.number + 1
        hidden = there.secret(plan.name, version)
        competition, answers, _ = build_folders(
            plan, there.public(plan.name), hidden, version, None, key, lambda _: None
        )
        try_metric(plan, hidden, competition.format, answers)
        secret = load_secret(there, read_competition(there.public(plan.name)))
        after: dict[str, float | None] = {}
        for name, row in best.items():
            try:
                after[name] = graded(secret, fetch(home.submissions, row.sha256)).scores[0].public
            except (SubmissionError, UserError):
                after[name] = None
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    before = {name: row.public for name, row in best.items()}
    higher = next((row.higher_is_better for row in rows), True)
    scored = {name: value for name, value in after.items() if value is not None}
    new_places = _places(scored, plan.metrics[0].higher_is_better)
    places = _places(before, higher)
    found = [Moved(name, before[name], places[name], after[name], new_places.get(name)) for name in best]
    return sorted(found, key=lambda one: (one.place, one.name))


def _places(values: dict[str, float], higher_is_better: bool) -> dict[str, int]:
    """The place of each, equal values sharing the better one."""
    ordered = sorted(values.values(), reverse=higher_is_better)
    return {name: ordered.index(value) + 1 for name, value in values.items()}
