"""The boards, and a participant's place."""

from __future__ import annotations

import hashlib
import hmac
import json
from bisect import bisect_left
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING

from harness.competition import (
    Competition,
    bar_to_json,
    refuse_one_board,
)
from harness.course.access import (
    Viewer,
    allow_exact,
    cut_of,
    find,
    marks_of,
    participant_of,
)
from harness.course.types import Board, BoardBar, BoardRow, Place
from harness.home import Home, local
from harness.shown import Cut
from harness.versions import read_bars, read_versions
from leaderboard import ranking, records, roster
from tasks.base import clears
from tasks.errors import UserError
from tasks.metrics import interval_note

if TYPE_CHECKING:
    from leaderboard.database import Database
    from leaderboard.ranking import RankedPlace
    from leaderboard.ranking import RankedRow as Ranked


def place_of(database: Database, competition: Competition, versions: tuple[str, str], participant: str) -> Place | None:
    """A participant's row of the public board, without computing the rest of the board."""
    if not participant or competition.quiz:
        return None
    return _shown(competition, ranking.place(database, competition.key, *versions, participant))


def private_place_of(
    database: Database, competition: Competition, versions: tuple[str, str], participant: str
) -> Place | None:
    """A participant's row of the private board; None before its reveal, whoever asks."""
    if not participant or not competition.two_boards or records.revealed(database, competition.key) is None:
        return None
    rules, higher = competition.rules, competition.ranking.higher_is_better
    found = ranking.private_place(
        database,
        competition.key,
        *versions,
        higher,
        participant,
        selections=rules.selections,
        unselected=rules.unselected,
        unselected_count=rules.unselected_most,
    )
    return _shown(competition, found)


def _shown(competition: Competition, found: RankedPlace | None) -> Place | None:
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
    details = json.loads(row.details)
    scores = [cut.recorded(score) for score in details.get("scores", [])]
    own = viewer.role != "nobody" and row.participant == acts
    public_rank = None if public_ranks is None else public_ranks.get(row.participant)
    hidden = _anonymous(home) and row.kind == "person" and not own and not viewer.staff and viewer.role != "nobody"
    return BoardRow(
        rank=row.rank,
        name=alias(home, row.participant) if hidden else shown_name(viewer, row.participant, row.kind, names),
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
        matrix=cut.matrix(details.get("matrix")),
    )


def shown_name(viewer: Viewer, participant: str, kind: str, names: dict[str, str]) -> str:
    """A participant's name as that viewer sees it: never a person's key, and no name without a login."""
    if kind != "person":
        return participant
    return "a participant" if viewer.role == "nobody" else names.get(participant, participant)


def _anonymous(home: Home) -> bool:
    """Whether the course wants boards without names. Raises UserError for anything but true and false."""
    wanted = home.settings.get("anonymous", False)
    if type(wanted) is not bool:
        raise UserError(f"config.toml: anonymous must be true or false, got {wanted!r}.")
    return wanted


def alias(home: Home, participant: str) -> str:
    """The name that others see where a course wants no names: the same on every board, and no hash of the real one."""
    digest = hmac.new(home.derived("sessions"), f"alias\0{participant}".encode(), hashlib.sha256).hexdigest()
    return f"participant {digest[:8]}"


def _ranked(
    database: Database, competition: Competition, versions: tuple[str, str], *, private: bool = False
) -> list[Ranked]:

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
