"""Who asks, and what this person may do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal

from harness.clocks import terms
from harness.competition import (
    Competition,
    find_competition,
    find_reproduction,
    prepared,
)
from harness.home import Home
from harness.shown import Cut, mark
from tasks.errors import UserError
from tasks.homeworks import canonical, did_you_mean

if TYPE_CHECKING:
    from leaderboard.acceptance import Terms
    from leaderboard.database import Database
    from leaderboard.records import StoredSubmission


Role = Literal["nobody", "student", "auditor", "ta", "instructor"]
Scope = Literal["all", "submit", "read", "home"]
Body = dict[str, Any]
Tell = Callable[[Body], None]


@dataclass(frozen=True)
class Viewer:
    """The person behind a request. `participant_of` is the participant this person submits as in a competition.

    The scope is that of the token; "home" is the owner of a home folder on the command line, with all rights.
    """

    role: Role
    key: str = ""
    scope: Scope = "all"

    @property
    def at_home(self) -> bool:
        return self.scope == "home"

    @property
    def staff(self) -> bool:
        """Whether this viewer has staff rights: a token for submitting or reading does not give them."""
        return self.role in ("ta", "instructor") and self.scope in ("all", "home")


NOBODY = Viewer("nobody")


def owner(name: str) -> Viewer:
    """The owner of a home folder, who submits under that name."""
    return Viewer("instructor", name, "home")


def participant_of(database: Database, competition: Competition, viewer: Viewer) -> str:
    """The participant the viewer acts as in a competition; empty for nobody."""
    from leaderboard import roster

    return roster.participant_of(database, competition.key, viewer.key) if viewer.key else ""


def marks_of(database: Database, competition: Competition) -> Callable[[int], str] | None:
    """The mark of a submission by its number, in an edition that asks for a model beside the file; else None."""
    from leaderboard.verifications import verifications

    if find_reproduction(competition) is None:
        return None
    found = verifications(database, competition.key)
    return lambda number: mark(found[number].parameters if number in found else None)


def cut_of(competition: Competition, exact: bool = False) -> Cut:
    return Cut({metric.name: metric.digits for metric in competition.metrics}, exact)


def allow_exact(viewer: Viewer, exact: bool) -> None:
    if exact and not viewer.staff:
        raise UserError("only course staff can see exact scores.", code="E_NOT_ALLOWED", exit_code=6)


def find(home: Home, viewer: Viewer, hw: str, version: int | None = None) -> Competition:
    """The prepared competition, or an older version of it. In a class, an unprepared one is not found."""
    if not viewer.at_home and canonical_or_empty(hw) not in (there := prepared(home)):
        hint = did_you_mean(hw[:60], there) or " The first page and `lhy-grade tasks` list the homeworks."
        raise UserError(f"there is no homework {hw[:60]!r} in this course.{hint}", code="E_NOT_FOUND")
    return find_competition(home, hw, version)


def canonical_or_empty(hw: str) -> str:
    """The canonical spelling of a name; empty if it is not a valid name."""
    try:
        return canonical(hw)
    except UserError:
        return ""


def own_submission(home: Home, viewer: Viewer, database: Database, number: int) -> tuple[StoredSubmission, Competition]:
    """The viewer's submission of that number, and its competition as it was when the file arrived."""
    from leaderboard import records, roster

    require_login(viewer)
    try:
        entry = records.submission(database, number)
    except UserError as error:
        if error.code != "E_NO_SUBMISSION":
            raise
        entry = None
    if entry is None or not (
        viewer.staff or entry.participant == roster.participant_of(database, entry.competition, viewer.key)
    ):
        raise not_found(f"There is no submission {number}")
    name, _, version = entry.competition.rpartition("/")
    return entry, find(home, viewer, name, int(version))


def terms_of(home: Home, database: Database, competition: Competition, viewer: Viewer, now: datetime) -> Terms:
    return terms(home, database, competition, participant_of(database, competition, viewer), now)


def is_over(database: Database, competition: Competition, terms: Terms, now: datetime) -> bool:
    """Whether a file that arrives now is practice: after the deadline or the reveal."""
    from leaderboard import records

    return (terms.closes is not None and now > terms.closes) or records.revealed(database, competition.key) is not None


def require_login(viewer: Viewer) -> None:
    if viewer.role == "nobody":
        raise UserError("log in first: lhy-grade login URL", code="E_LOGIN", exit_code=6)


def require_staff(viewer: Viewer, what: str) -> None:
    """Raises UserError E_NOT_ALLOWED unless the viewer is staff; `what` is what only staff can do."""
    require_login(viewer)
    if not viewer.staff:
        raise UserError(f"only course staff can {what}.", code="E_NOT_ALLOWED", exit_code=6)


def require_instructor(viewer: Viewer, what: str) -> None:
    """Raises UserError E_NOT_ALLOWED unless the viewer is an instructor."""
    require_staff(viewer, what)
    if viewer.role != "instructor":
        raise UserError(f"only an instructor can {what}.", code="E_NOT_ALLOWED", exit_code=6)


def require_write(viewer: Viewer) -> None:
    require_login(viewer)
    if viewer.scope == "read":
        raise UserError("this token is read-only; ask for one that can submit.", code="E_SCOPE", exit_code=6)


def not_found(text: str) -> UserError:
    return UserError(f"{text}.", code="E_NOT_FOUND")
