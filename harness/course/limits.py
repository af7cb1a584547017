"""What is left: the quota of today, and the selection for the private board."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING

from harness.clocks import opened as opened_at
from harness.competition import (
    Competition,
)
from harness.course.access import (
    Viewer,
    cut_of,
    find,
    is_over,
    participant_of,
    require_login,
    require_write,
    terms_of,
)
from harness.course.entries import Counted, Selection
from harness.course.record import entry_fields
from harness.course.requests import unselected_words
from harness.course.types import Quota, QuotaState
from harness.home import Home, local
from harness.versions import read_versions
from leaderboard import acceptance, ranking, records, results
from tasks.errors import UserError

if TYPE_CHECKING:
    from leaderboard.database import Database


def quota(home: Home, viewer: Viewer, hw: str, now: datetime) -> Quota:
    """The viewer's remaining submissions for today, and when the next day begins."""
    require_login(viewer)
    competition = find(home, viewer, hw)
    with home.database() as database:
        row = quota_of(home, database, competition, viewer, now)
    return Quota(home.zone, [replace(row, homework=competition.name)])


def quota_of(home: Home, database: Database, competition: Competition, viewer: Viewer, now: datetime) -> QuotaState:
    terms = terms_of(home, database, competition, viewer, now)
    over = is_over(database, competition, terms, now)
    acts = participant_of(database, competition, viewer)
    state = acceptance.quota_state(database, competition.key, acts, terms.day, practice=over)
    return QuotaState(
        used=state.used,
        left=max(0, terms.quota - state.used),
        limit=terms.quota,
        refused=state.rejected,
        next_day=local(home, terms.next_slot),
        closes=local(home, terms.closes),
        practice=over,
        revealed=local(home, opened_at(database, competition, now)),
    )


def selection(home: Home, viewer: Viewer, hw: str, now: datetime) -> Selection:
    """The viewer's selection for the private board, what would count if it ended now, and whether it is locked."""
    require_login(viewer)
    competition = find(home, viewer, hw)
    rules, versions = competition.rules, read_versions(home, competition)
    with home.database() as database:
        terms = terms_of(home, database, competition, viewer, now)
        over = is_over(database, competition, terms, now)
        acts = participant_of(database, competition, viewer)
        entries = [
            entry
            for entry in records.submissions(database, competition.key, acts)
            if entry.rejected is None and not entry.practice
        ]
        grades = results.public_grades(database, competition.key, *versions, acts)
        counting = ranking.what_counts(
            database,
            competition.key,
            *versions,
            selections=rules.selections,
            unselected=rules.unselected,
            unselected_count=rules.unselected_most,
            among=[acts],
        )
    numbers = counting[acts].submissions if acts in counting else ()
    return Selection(
        homework=competition.name,
        selections=rules.selections,
        unselected=rules.unselected,
        unselected_count=rules.unselected_most,
        closes=local(home, terms.closes),
        locked=over,
        selected=[entry.id for entry in entries if entry.selected],
        metric=competition.ranking.label,
        digits=competition.ranking.digits,
        counts=[
            Counted(
                **entry_fields(home, competition, entry),
                id=entry.id,
                state="graded" if entry.id in grades else "queued",
                score=cut_of(competition).score(grades[entry.id].public)
                if entry.id in grades and not competition.quiz
                else None,
            )
            for entry in entries
            if entry.id in numbers
        ],
    )


def select(home: Home, viewer: Viewer, hw: str, ids: Sequence[int], now: datetime) -> Selection:
    """Chooses which of the viewer's submissions count on the private board; an empty list clears the choice."""
    require_write(viewer)
    competition = find(home, viewer, hw)
    if competition.rules.selections == 0:
        raise UserError(f"nothing is selected in {competition.name}: {unselected_words(competition.rules)}.")
    with home.database() as database:
        closes = terms_of(home, database, competition, viewer, now).closes
        most = competition.rules.selections
        acts = participant_of(database, competition, viewer)
        records.select(database, competition.key, acts, list(ids), most, now, closes)
    return selection(home, viewer, hw, now)
