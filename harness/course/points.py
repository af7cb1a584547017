"""The points of the homeworks: one's own, and for staff the gradebook with those of everybody."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING

from harness.clocks import opened as opened_at
from harness.competition import Competition, find_competition, prepared
from harness.course.access import Viewer, canonical_or_empty, not_found, require_login
from harness.course.boards import place_of, private_place_of
from harness.course.gradebook import Student, Total, find_schemes, find_total, gradebook_of, students
from harness.course.gradebook import gradebook as lines_of
from harness.course.types import Gradebook, HomeworkPoints, Place, Points
from harness.home import Home
from harness.versions import read_versions
from leaderboard import records, roster
from tasks.errors import UserError

if TYPE_CHECKING:
    from leaderboard.database import Database


def points(home: Home, viewer: Viewer, hw: str | None, now: datetime) -> Points:
    """The viewer's points in one homework or in all; private ones after the reveal, those of a quiz when it opens."""
    require_login(viewer)
    if hw is not None and not viewer.at_home and not canonical_or_empty(hw):
        raise not_found(f"there is no homework {hw[:60]!r} in this course")
    return points_of(home, viewer.key, hw, now)


def points_of(home: Home, key: str, hw: str | None, now: datetime, *, placed: bool = True) -> Points:
    """The points of one person in one homework or in all, as that person sees them; places only if `placed`."""
    schemes = find_schemes(home, hw)
    rule = Total() if hw is not None else find_total(home, schemes)
    with home.database() as database:
        shown, _ = open_homeworks(home, database, schemes, now)
        (line,) = lines_of(home, database, schemes, shown, only=[Student(key, key)])
        places = {name: _places(home, database, name, key) for name in schemes} if placed else {}
    counts = rule.counts(line.points)
    rows = [
        HomeworkPoints(
            homework=name,
            public=dict(score.public),
            private=None
            if score.private is None
            else {bar: n for bar, n in score.private.items() if schemes[name].bars[bar][1]},
            parts=dict(score.parts),
            submissions=list(score.submissions),
            total=score.total,
            maximum=schemes[name].maximum,
            counts=name in counts,
            **places.get(name, {}),
        )
        for name, score in line.scores.items()
    ]
    most = rule.of({name: scheme.maximum for name, scheme in schemes.items()})
    return Points(rows, rule.of(line.points), most, rule.words)


def _places(home: Home, database: Database, name: str, key: str) -> dict[str, Place | None]:
    """A person's places on the boards of a homework, as the fields of its points."""
    if name not in prepared(home):
        return {}
    competition = find_competition(home, name)
    acts = roster.participant_of(database, competition.key, key)
    asked = database, competition, read_versions(home, competition, database), acts
    return {"place": place_of(*asked), "private_place": private_place_of(*asked)}


def gradebook(
    home: Home,
    viewer: Viewer,
    hw: str | None,
    *,
    unrevealed: bool = False,
    version: int | None = None,
    search: str = "",
    page: tuple[int, int] | None = None,
    now: datetime,
) -> Gradebook:
    """Each student's points of one homework or of all, for staff; private points follow the private board.

    `version` selects an older data version of the one homework, `search` students by a part of their name, id, address
    or team, and `page` the page of that number, from 1, with that many of them; the last one for a greater number.
    """
    require_login(viewer)
    if not viewer.staff:
        raise UserError("only course staff can see the gradebook.", code="E_NOT_ALLOWED", exit_code=6)
    if hw is not None and not viewer.at_home and not canonical_or_empty(hw):
        raise not_found(f"there is no homework {hw[:60]!r} in this course")
    if version is not None and hw is None:
        raise UserError("an older data version belongs to one homework: name the homework.")
    schemes = find_schemes(home, hw, version)
    total = Total() if hw is not None else find_total(home, schemes)
    with home.database() as database:
        included, closed = open_homeworks(home, database, schemes, now, version)
        for competition in closed.values() if unrevealed else ():
            records.log_event(database, "private board seen", viewer.key, {"competition": competition.key}, now)
        hidden = [] if unrevealed else list(closed)
        included = list(schemes) if unrevealed else included
        everyone = students(database)
        wanted = search.strip().casefold()
        found = shown = [
            one for one in everyone if wanted in "\n".join((one.key, one.name, one.email, one.team or "")).casefold()
        ]
        if page is not None:
            number, size = page
            first = size * (min(number, -(-len(found) // size) or 1) - 1)
            shown = found[first : first + size]
        lines = lines_of(home, database, schemes, included, version, None if shown == everyone else shown)
    return gradebook_of(schemes, lines, total, hidden, len(found), len(everyone))


def open_homeworks(
    home: Home, database: Database, names: Iterable[str], now: datetime, version: int | None = None
) -> tuple[list[str], dict[str, Competition]]:
    """The homeworks whose private points everybody may see, and the competitions of the others."""
    shown, closed = [], {}
    for name in names:
        competition = find_competition(home, name, version) if name in prepared(home) else None
        if competition is None or not competition.two_boards or opened_at(database, competition, now):
            shown.append(name)
        else:
            closed[name] = competition
    return shown, closed
