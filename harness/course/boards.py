"""The boards, a participant's place, and the gradebook."""

from __future__ import annotations

import json
from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING

from harness.clocks import opened as opened_at
from harness.competition import (
    Competition,
    bar_to_json,
    find_competition,
    prepared,
    refuse_one_board,
)
from harness.course.access import (
    Viewer,
    allow_exact,
    canonical_or_empty,
    cut_of,
    find,
    marks_of,
    not_found,
    participant_of,
    require_login,
)
from harness.course.types import Board, BoardBar, BoardRow, Gradebook, Place
from harness.home import Home, local
from harness.shown import Cut
from harness.versions import read_bars, read_versions
from tasks.base import clears
from tasks.errors import UserError
from tasks.metrics import interval_note

if TYPE_CHECKING:
    from leaderboard.database import Database
    from leaderboard.ranking import BoardRow as Ranked


def place_of(database: Database, competition: Competition, versions: tuple[str, str], participant: str) -> Place | None:
    """A participant's row of the public board, without computing the rest of the board."""
    from leaderboard import ranking

    if not participant or competition.quiz:
        return None
    found = ranking.place(database, competition.key, *versions, participant)
    if found is None:
        return None
    return Place(
        rank=found.rank,
        of=found.of,
        score=cut_of(competition).score(found.score),
        digits=competition.ranking.digits,
        bars=list(found.passed),
        submission=found.submission,
    )


def board(
    home: Home,
    viewer: Viewer,
    hw: str,
    *,
    private: bool = False,
    unrevealed: bool = False,
    exact: bool = False,
    version: int | None = None,
    now: datetime,
) -> Board:
    """The public or private board. The private one opens with the reveal; `unrevealed` shows it to staff earlier.

    `version` selects an older data version, whose board stays unchanged.
    """
    from leaderboard import roster

    allow_exact(viewer, exact)
    competition = find(home, viewer, hw, version)
    if competition.quiz:
        raise UserError(
            f"{competition.name} is a quiz and has no board; your points: lhy-grade submissions {competition.name}",
            code="E_NO_BOARD",
        )
    versions = read_versions(home, competition)
    with home.database() as database:
        if private:
            _allow_private(database, competition, viewer, unrevealed, now)
        names = roster.display_names(database)
        own = participant_of(database, competition, viewer)
        rows = _ranked(database, competition, versions, private=private)
        ranks = {row.participant: row.rank for row in _ranked(database, competition, versions)} if private else None
        marked = marks_of(database, competition)
    n = next((count for row in rows if (count := json.loads(row.details).get("n"))), None)
    return Board(
        homework=competition.name,
        title=competition.title,
        edition=competition.edition,
        version=competition.version,
        size=competition.size,
        metric=competition.ranking.name,
        higher_is_better=competition.ranking.higher_is_better,
        side="private" if private else "public",
        demo=competition.demo,
        metrics=list(competition.metrics),
        interval_note=None if n is None else interval_note(competition.ranking.name, n),
        bars=_bars(home, competition, rows, private),
        board=[_board_row(home, viewer, row, own, names, ranks, cut_of(competition, exact), marked) for row in rows],
    )


def _bars(home: Home, competition: Competition, rows: Sequence[Ranked], private: bool) -> list[BoardBar]:
    """The bars, with their private thresholds if the private board is shown; they are reached by exact scores."""
    metric, scores = competition.ranking, [row.score for row in rows if row.score is not None]
    bars = read_bars(home, competition) if private else competition.bars
    shown = []
    for bar in bars:
        conditions = dict(bar.private if private and bar.private is not None else bar.public)
        threshold = conditions.get(metric.name) if bar.comparable else None
        reached = None
        if threshold is not None:
            better = metric.higher_is_better
            clearing = partial(
                clears, threshold=threshold, digits=bar.digits, higher_is_better=better, rounded=bar.rounded
            )
            reached = bisect_left(scores, True, key=lambda score: not clearing(score))
        shown.append(BoardBar(**bar_to_json(bar), private=bar.private if private else None, reached=reached))
    return shown


def _board_row(
    home: Home,
    viewer: Viewer,
    row: Ranked,
    acts: str,
    names: dict[str, str],
    public_ranks: dict[str, int] | None,
    cut: Cut,
    marked: Callable[[int], str] | None,
) -> BoardRow:
    scores = [cut.recorded(score) for score in json.loads(row.details).get("scores", [])]
    own = viewer.role != "nobody" and row.participant == acts
    public_rank = None if public_ranks is None else public_ranks.get(row.participant)
    return BoardRow(
        rank=row.rank,
        name=shown_name(viewer, row.participant, row.kind, names),
        kind=row.kind,
        score=cut.score(row.score),
        interval=scores[0]["interval"] if scores else None,
        bars=list(row.passed),
        entries=row.entries,
        last=local(home, row.last),
        submission=row.submission if own or viewer.staff or row.kind != "person" else None,
        own=own,
        others={score["metric"]: score["value"] for score in scores[1:]},
        public_rank=public_rank,
        move=None if public_rank is None else public_rank - row.rank,
        model="" if marked is None else None if row.submission is None else marked(row.submission),
    )


def shown_name(viewer: Viewer, participant: str, kind: str, names: dict[str, str]) -> str:
    """A participant's name as that viewer sees it: never a person's key, and no name without a login."""
    if kind != "person":
        return participant
    return "a participant" if viewer.role == "nobody" else names.get(participant, participant)


def _ranked(
    database: Database, competition: Competition, versions: tuple[str, str], *, private: bool = False
) -> list[Ranked]:
    from leaderboard import ranking

    return ranking.board(
        database,
        competition.key,
        *versions,
        competition.ranking.higher_is_better,
        private=private,
        selections=competition.rules.selections,
        unselected=competition.rules.unselected,
        unselected_count=competition.rules.unselected_most,
    )


def _allow_private(
    database: Database, competition: Competition, viewer: Viewer, unrevealed: bool, now: datetime
) -> None:
    """Allows the private board after its reveal; before, only for staff, and logs the access."""
    from leaderboard import records

    refuse_one_board(competition)
    if records.revealed(database, competition.key) is not None:
        return
    if not (viewer.staff and unrevealed):
        text = f"the private board of {competition.name} is not revealed yet."
        if viewer.staff:
            text += (
                f" An instructor reveals it with `lhy-grade reveal {competition.name}`; --unrevealed shows it to you"
                " alone, which is logged."
            )
        raise UserError(text, code="E_NOT_REVEALED", exit_code=6)
    records.log_event(database, "private board seen", viewer.key, {"competition": competition.key}, now)


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
    from harness.course.gradebook import Total, find_schemes, find_total, gradebook_of, students
    from harness.course.gradebook import gradebook as make
    from leaderboard import records

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
            one for one in everyone
            if wanted in "\n".join((one.key, one.name, one.email, one.team or "")).casefold()
        ]  # fmt: skip
        if page is not None:
            number, size = page
            first = size * (min(number, -(-len(found) // size) or 1) - 1)
            shown = found[first : first + size]
        lines = make(home, database, schemes, included, version, None if shown == everyone else shown)
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
