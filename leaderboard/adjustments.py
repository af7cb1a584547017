"""Extensions, and points by hand."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from leaderboard import events
from leaderboard.bodies import extension_body, part_body
from leaderboard.competitions import name_of
from leaderboard.database import Database
from leaderboard.receipts import microseconds
from leaderboard.roster import (
    checked_reason,
    display_names,
    find_team,
    is_empty,
    known_person,
    members_of,
    participant_of,
)
from leaderboard.rows import made
from tasks.errors import UserError

Whom = Literal["person", "team", "all"]


@dataclass(frozen=True)
class Extension:
    """More time or more slots. `until` is the last valid instant; an empty `day` gives the slots on every day."""

    id: int
    competition: str
    who_kind: Whom
    who: str
    until: datetime | None
    slots: int
    day: str
    reason: str
    actor: str
    at: datetime


@dataclass(frozen=True)
class Part:
    """One person's points for one part of a homework, entered by hand, `attachment` being the file they are for."""

    id: int
    competition: str
    person_key: str
    part: str
    points: float
    reason: str
    actor: str
    at: datetime
    attachment: int | None = None


def extend(
    db: Database,
    competition: str,
    who_kind: Whom,
    who: str,
    *,
    until: datetime | None,
    slots: int = 0,
    day: str = "",
    actor: str,
    reason: str,
    now: datetime,
) -> Extension:
    """Give a person (by key), a team (by current name) or everyone more time or more slots.

    Raises UserError: E_ROSTER (exit 2) for an unknown person or team, E_CLOSED (exit 5) once the private scores
    were revealed, since nobody who knows them may continue.
    """
    return extend_all(
        db, competition, [(who_kind, who)], until=until, slots=slots, day=day, actor=actor, reason=reason, now=now
    )[0]


def extend_all(
    db: Database,
    competition: str,
    whom: Sequence[tuple[Whom, str]],
    *,
    until: datetime | None,
    slots: int = 0,
    day: str = "",
    actor: str,
    reason: str,
    now: datetime,
    last: int | None = None,
) -> list[Extension]:
    """The same extension for all of these, or for none. `last` is the number of the newest extension of the homework
    that the caller knows of; raises UserError E_CHANGED (exit 8) if there is another one.
    """
    reason = checked_reason(reason)
    assert slots >= 0, "the command line accepts no negative number"
    given = []
    with db.transaction():
        if last is not None and last != newest(db, "extensions", competition):
            raise changed_meanwhile(f"the extensions of {name_of(competition)}")
        if db.one("SELECT 1 FROM reveals WHERE competition = :competition", competition=competition):
            raise UserError(
                f"{name_of(competition)} was revealed and can no longer be extended.", code="E_CLOSED", exit_code=5
            )
        for who_kind, named in whom:
            who = find_team(db, named).handle if who_kind == "team" else named
            check_whom(db, competition, who_kind, who)
            values = {
                "id": db.next_id("extensions"),
                "competition": competition,
                "who_kind": who_kind,
                "who": who,
                "until": None if until is None else microseconds(until),
                "slots": slots,
                "day": day,
                "reason": reason,
                "actor": actor,
                "at": microseconds(now),
            }
            _keep_extension(db, values, now)
            given.append(made(Extension, values))
    return given


def newest(db: Database, table: Literal["extensions", "parts"], competition: str) -> int:
    """The number of the newest extension, or entry of points, of a competition; 0 without one."""
    if table == "parts":
        return int(db.value("SELECT max(id) FROM parts WHERE competition = :key", key=competition) or 0)
    return int(db.value("SELECT max(id) FROM extensions WHERE competition = :key", key=competition) or 0)


def changed_meanwhile(what: str) -> UserError:
    """The error for a change that was made for a state that is no more."""
    return UserError(
        f"somebody else changed {what} meanwhile, so nothing was changed. Look at what is there now, and enter it"
        " again.",
        code="E_CHANGED",
        exit_code=8,
    )


def carry_extensions(db: Database, old: str, new: str, actor: str, now: datetime) -> None:
    """Copies the extensions of a competition's old data to its new data, in order. Within a transaction."""
    for row in db.fetch(f"SELECT {_EXTENSION} FROM extensions WHERE competition = :old ORDER BY id", old=old):
        changed = {"id": db.next_id("extensions"), "competition": new, "actor": actor, "at": microseconds(now)}
        _keep_extension(db, row | changed, now)


def _keep_extension(db: Database, values: dict[str, Any], now: datetime) -> None:
    event = events.append(db, "extended", values["actor"], extension_body(values), now)
    db.execute(
        f"INSERT INTO extensions ({_EXTENSION}, event_seq) VALUES (:id, :competition, :who_kind, :who, :until, :slots, "
        ":day, :reason, :actor, :at, :event_seq)",
        **values,
        event_seq=event.seq,
    )


def check_whom(db: Database, competition: str, who_kind: Whom, who: str) -> None:
    """Raises UserError E_ROSTER (exit 2) unless that person, or team by its handle, can get an extension."""
    if who_kind == "all":
        assert who == ""
        return
    if is_empty(db):  # without a roster only the names on the board are known
        known = db.one(
            "SELECT 1 FROM participants WHERE competition = :competition AND name = :who",
            competition=competition, who=who,
        )  # fmt: skip
        if known is None or who_kind == "team":
            raise UserError(f"Nobody called {who} has submitted anything.", code="E_ROSTER", exit_code=2)
    elif who_kind == "team":
        if not members_of(db, competition, who):
            raise UserError(f"Nobody submits as the team {who}.", code="E_ROSTER", exit_code=2)
    elif (under := participant_of(db, competition, known_person(db, who).key)) != who:
        team = display_names(db).get(under, under)
        raise UserError(f"{who} submits with the team {team}; extend the team.", code="E_ROSTER", exit_code=2)


def extensions(db: Database, competition: str | None = None) -> list[Extension]:
    """All extensions in the order they were given, or only those of one competition."""
    only = "" if competition is None else "WHERE competition = :competition"
    values = {} if competition is None else {"competition": competition}
    rows = db.fetch(f"SELECT {_EXTENSION} FROM extensions {only} ORDER BY id", **values)
    return [made(Extension, row) for row in rows]


def extensions_of(db: Database, competition: str, participant: str) -> list[Extension]:
    """The extensions that apply to a participant, oldest first: those for everyone, and its own."""
    rows = db.fetch(
        f"SELECT {_EXTENSION} FROM extensions WHERE competition = :competition "
        "AND (who_kind = 'all' OR who = :participant) ORDER BY id",
        competition=competition, participant=participant,
    )  # fmt: skip
    return [made(Extension, row) for row in rows]


def enter_points(
    db: Database, competition: str, person_key: str, part: str, points: float, *, actor: str, reason: str, now: datetime
) -> Part:
    """Enter a person's points for one part of a homework, replacing earlier ones."""
    entries = [(person_key, part, points, None)]
    return enter_all_points(db, competition, entries, actor=actor, reason=reason, now=now)[0]


def enter_all_points(
    db: Database,
    competition: str,
    entries: Sequence[tuple[str, str, float, int | None]],
    *,
    actor: str,
    reason: str,
    now: datetime,
    last: int | None = None,
    check: Callable[[], None] = lambda: None,
) -> list[Part]:
    """Enter points as (person's key, part, points, attachment), all or none; each is logged as its own event.

    `check` is called under the lock, and raises UserError where the entries do not hold any more.

    `last` is the number of the homework's newest entry that the caller knows of; raises UserError E_CHANGED (exit 8)
    if there is another one.
    """
    reason = checked_reason(reason)
    entered = []
    with db.transaction():
        check()
        if last is not None and last != newest(db, "parts", competition):
            raise changed_meanwhile(f"the points of {competition}")
        at_home, number = is_empty(db), db.next_id("parts")
        for place, (key, part, points, attachment) in enumerate(entries):
            if not math.isfinite(points):
                raise ValueError("points are finite")
            if not at_home and known_person(db, key).role != "student":
                raise UserError(f"{key} is not a student and cannot have points.", code="E_ROSTER", exit_code=2)
            values = {
                "id": number + place, "competition": competition, "person_key": key, "part": part,
                "points": float(points) + 0.0, "reason": reason, "actor": actor, "at": microseconds(now),
                "attachment": attachment,
            }  # fmt: skip
            event = events.append(db, "points entered", actor, part_body(values), now)
            db.execute(
                f"INSERT INTO parts ({_PART}, event_seq) VALUES (:id, :competition, :person_key, :part, :points, "
                ":reason, :actor, :at, :attachment, :event_seq)",
                **values,
                event_seq=event.seq,
            )
            entered.append(made(Part, values))
    return entered


def parts(db: Database, competition: str) -> dict[tuple[str, str], Part]:
    """The current points of one homework, by (person's key, part): the latest entry wins."""
    rows = db.fetch(f"SELECT {_PART} FROM parts WHERE competition = :competition ORDER BY id", competition=competition)
    return {(row["person_key"], row["part"]): made(Part, row) for row in rows}


_EXTENSION = "id, competition, who_kind, who, until, slots, day, reason, actor, at"
_PART = "id, competition, person_key, part, points, reason, actor, at, attachment"
