"""Whether what is recorded is whole: the event log, receipts, the seals of grades, the stored bytes, the data."""

from __future__ import annotations

import hmac

from harness.competition import find_competition, prepared
from harness.grading import grade_mac
from harness.home import Home
from harness.prepare import damaged_files
from harness.rules import unrecorded
from tasks.base import UserError


def verify(home: Home) -> tuple[list[str], dict[str, int]]:
    """All problems found, and how much of what was looked at. Nothing is changed."""
    from leaderboard import events, receipts, store
    from submissions.store import fetch
    from tasks.split import derive

    key = home.key()
    problems: list[str] = []
    counts = {"events": 0, "submissions": 0, "grades": 0, "competitions": 0}
    with home.database() as database:
        problems += [
            finding.message for finding in events.verify(database, receipts.public_key(derive(key, "receipts")))
        ]
        counts["events"] = sum(1 for _ in events.events(database))
        for entry in store.submissions(database):
            counts["submissions"] += 1
            try:
                fetch(home.submissions, entry.sha256)
            except UserError as error:
                problems.append(f"submission {entry.id}: {error}")
        for row in store.grade_rows(database):
            counts["grades"] += 1
            if not hmac.compare_digest(grade_mac(key, row.submission, vars(row)), row.mac):
                problems.append(f"the grade of submission {row.submission} was changed after it was recorded")
        rules = {one.key: one.rules for one in (find_competition(home, name) for name in prepared(home))}
        problems += unrecorded(home, database, rules)
    for name in prepared(home):
        folder = home.public(find_competition(home, name).name)
        problems += [f"{folder / file} was changed, removed or added" for file in damaged_files(folder)]
        counts["competitions"] += 1
    return problems, counts
