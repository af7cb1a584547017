"""The reveal of a private board, by an instructor; it cannot be undone."""

from __future__ import annotations

from datetime import datetime

from harness.clocks import last_closing
from harness.competition import Competition, refuse_one_board
from harness.course.access import Viewer, find, require_instructor
from harness.course.desk import Change, How
from harness.home import Home, local
from harness.versions import read_versions
from harness.words import in_words
from leaderboard import records, results
from leaderboard.adjustments import changed_meanwhile
from leaderboard.database import Database
from leaderboard.roster import checked_reason


def reveal(home: Home, viewer: Viewer, hw: str, how: How, now: datetime) -> Change:
    """Shows the private board of a homework to everyone; where that was done before, says when.

    Raises UserError for a homework without one, and E_CHANGED where its deadline is no more what was previewed.
    """
    require_instructor(viewer, "reveal a private board")
    competition = find(home, viewer, hw)
    refuse_one_board(competition)
    if not how.preview:
        checked_reason(how.reason)
    with home.database() as database:
        opened = records.revealed(database, competition.key)
        end = last_closing(database, competition)
        lines = _consequences(home, database, competition, end, now)
        state = "" if end is None else local(home, end)

        def check() -> None:
            last = last_closing(database, competition)
            if how.seen not in (None, "" if last is None else local(home, last)):
                raise changed_meanwhile(f"the deadline of {competition.name}")

        if opened is None and not how.preview:
            at = records.reveal(database, competition.key, viewer.key, how.reason, now, check)
            if at == now:
                return Change(f"{competition.name}: the private board is revealed", [], state, True)
            opened = at
    if opened is not None:
        return Change(f"the private board of {competition.name} was revealed at {local(home, opened)}", [], "", True)
    early = f" {in_words(end - now)} before the deadline" if end is not None and now <= end else ""
    return Change(f"show the private scores of {competition.name} to everyone{early}", lines, state, False)


def _consequences(
    home: Home, database: Database, competition: Competition, end: datetime | None, now: datetime
) -> list[str]:
    lines = ["this cannot be undone"]
    if end is None:
        lines.append(f"{competition.name} has no deadline; submissions after the reveal are only practice")
    elif now <= end:
        lines.append(
            f"students can still submit until {local(home, end)}, {in_words(end - now)} from now; after the reveal all"
            " submissions are only practice"
        )
    waiting = len(results.pending(database, {competition.key: read_versions(home, competition, database)}))
    if waiting:
        lines.append(f"{waiting} submissions have no score yet; the board will change when they are graded")
    return lines
