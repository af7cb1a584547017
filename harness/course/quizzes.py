"""The saved answers of a quiz."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from harness.competition import (
    Competition,
)
from harness.course.access import (
    Viewer,
    find,
    is_over,
    not_found,
    participant_of,
    require_login,
    require_write,
    terms_of,
)
from harness.course.types import Draft
from harness.home import Home, local
from leaderboard import drafts
from submissions.quiz import checked
from tasks.errors import UserError
from tasks.formats import QuizFormat

if TYPE_CHECKING:
    from leaderboard.drafts import SavedDraft as Saved


def draft(home: Home, viewer: Viewer, hw: str, now: datetime) -> Draft:
    """The questions of a quiz with the viewer's saved answers, which the members of a team share."""
    require_login(viewer)
    competition, form = find(home, viewer, hw), quiz(home, viewer, hw)
    with home.database() as database:
        found = drafts.find(database, competition.key, participant_of(database, competition, viewer))
    return _draft(home, competition, form, found)


def save_draft(
    home: Home, viewer: Viewer, hw: str, answers: Mapping[str, Sequence[str]], now: datetime, seen: int | None = None
) -> Draft:
    """Saves the chosen options of some questions, while the quiz is open for the viewer.

    `seen` is the revision of the draft that the viewer saw. Where somebody saved other answers meanwhile, nothing is
    changed, and `conflict` names those questions. Raises UserError for what is no question or option, and E_CLOSED.
    """
    require_write(viewer)
    competition, form = find(home, viewer, hw), quiz(home, viewer, hw)
    cells = checked(form, answers)
    with home.database() as database:
        terms = terms_of(home, database, competition, viewer, now)
        if is_over(database, competition, terms, now):
            text = f"{competition.name} closed at {local(home, terms.closes)}; these answers were not saved."
            raise UserError(text, code="E_CLOSED", exit_code=5)
        acts = participant_of(database, competition, viewer)
        found, other = drafts.save(database, competition.key, acts, cells, now, seen)
    return _draft(home, competition, form, found, other)


def quiz(home: Home, viewer: Viewer, hw: str) -> QuizFormat:
    """The questions of a quiz. Raises UserError for another competition."""
    competition = find(home, viewer, hw)
    if not isinstance(competition.format, QuizFormat):
        raise not_found(f"{competition.name} is no quiz")
    return competition.format


def _draft(home: Home, competition: Competition, form: QuizFormat, found: Saved, conflict: Sequence[str] = ()) -> Draft:
    return Draft(
        homework=competition.name,
        revision=found.revision,
        saved_at=local(home, found.saved_at),
        answers={name: found.answers.get(name, "").split() for name in form.ids},
        conflict=list(conflict),
    )
