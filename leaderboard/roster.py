"""Who is in the course: people and teams, their tokens, extensions, and points entered by hand.

Plain values go in, frozen dataclasses come out; instants are aware datetimes. Every change is one transaction with one
event, which names the actor and the reason. Events hold keys but neither names nor e-mail addresses: of those only a
hash, so that `events.verify` finds a change and the log does not reveal anyone's identity.

A person's key and a team's handle never change; records hold them, and names are looked up. The first submission of a
team or a person fixes its members for that competition (`participant_of`), whatever the roster says later.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from leaderboard.database import Database
from leaderboard.rows import made
from tasks.errors import UserError

Role = Literal["student", "auditor", "ta", "instructor"]


ROLES: tuple[Role, ...] = ("student", "auditor", "ta", "instructor")
MAX_LENGTH = 60
"""Characters of a key, a name or a team."""

MAX_REASON = 500


@dataclass(frozen=True)
class RosterEntry:
    """One line of an imported roster."""

    key: str
    name: str
    email: str = ""
    role: Role = "student"
    team: str | None = None


@dataclass(frozen=True)
class Person:
    """A person on the roster. `key` is the student id or the login name, `name` is what the boards show."""

    id: int
    key: str
    name: str
    email: str
    role: Role
    team: str | None
    disabled_at: datetime | None
    created_at: datetime
    handle: str | None = None

    @property
    def participant(self) -> str:
        """The participant for this person's first submission: the team's handle, or the key without a team."""
        return self.handle or self.key


@dataclass(frozen=True)
class Team:
    """A present or former team. Records hold `handle`, which never changes; people see `name`."""

    handle: str
    name: str


def is_empty(db: Database) -> bool:
    """Whether there is no roster, as on a home without a class."""
    return db.one("SELECT 1 FROM people LIMIT 1") is None


def people(db: Database) -> list[Person]:
    """Everyone on the roster, disabled people included, sorted by key."""
    rows = db.fetch(f"SELECT {SELECT_PERSON} FROM {SELECT_PEOPLE} ORDER BY p.id")
    return sorted((made(Person, row) for row in rows), key=lambda person: person.key)


def digest(db: Database) -> str:
    """A digest of the whole roster: another one after every change of a person or a team."""
    rows = [people(db), teams(db)]
    return hashlib.sha256(repr(rows).encode()).hexdigest()[:16]


def find_person(db: Database, key: str) -> Person | None:
    """The person with that key, disabled or not."""
    row = db.one(f"SELECT {SELECT_PERSON} FROM {SELECT_PEOPLE} WHERE p.key = :key", key=key)
    return None if row is None else made(Person, row)


def display_names(db: Database) -> dict[str, str]:
    """The names that boards show, by a person's key or a team's handle."""
    rows = db.fetch("SELECT handle, name FROM teams UNION ALL SELECT key, name FROM people")
    return {row["handle"]: row["name"] for row in rows}


def teams(db: Database) -> list[Team]:
    """All present and former teams, in the order they were formed."""
    return [made(Team, row) for row in db.fetch("SELECT handle, name FROM teams ORDER BY id")]


def find_team(db: Database, name: str) -> Team:
    """The team with that current name. Raises UserError E_ROSTER."""
    row = db.one("SELECT handle, name FROM teams WHERE name = :name", name=name)
    if row is None:
        raise UserError(f"There is no team {name} on the roster.", code="E_ROSTER", exit_code=2)
    return made(Team, row)


_ACTS = """
    COALESCE(
        (SELECT m.participant FROM memberships m WHERE m.competition = :competition AND m.person_id = p.id),
        CASE WHEN p.team IS NULL
            OR EXISTS (SELECT 1 FROM participants b WHERE b.competition = :competition AND b.name = p.key)
            OR EXISTS (SELECT 1 FROM participants b JOIN memberships m ON m.competition = b.competition
                AND m.participant = b.name WHERE b.competition = :competition AND b.name = p.team)
        THEN p.key ELSE p.team END)
"""
"""The participant of person p: as fixed, else the team, unless either one has already submitted alone."""


def participant_of(db: Database, competition: str, who: str) -> str:
    """The participant of a person (by key), a team (by name) or, without a roster, any name in a competition."""
    acts = db.value(
        f"SELECT COALESCE((SELECT {_ACTS} FROM people p WHERE p.key = :who), "
        "(SELECT handle FROM teams WHERE name = :who))",
        competition=competition, who=who,
    )  # fmt: skip
    return acts or who


def participants_of(db: Database, competition: str, keys: Collection[str] | None = None) -> dict[str, str]:
    """Each person's participant in a competition, by key; None for `keys`: of all persons."""
    names = {} if keys is None else {f"key{place}": key for place, key in enumerate(keys or ("",))}
    places = ", ".join(f":{name}" for name in names)
    only = f"WHERE p.key IN ({places})" if names else ""
    rows = db.fetch(f"SELECT p.key, {_ACTS} AS participant FROM people p {only}", competition=competition, **names)
    return {row["key"]: row["participant"] for row in rows}


@dataclass(frozen=True)
class Member:
    """A person of a participant; `fixed` says that the membership of this competition is recorded."""

    id: int
    key: str
    disabled: bool
    fixed: bool


def members_of(db: Database, competition: str, participant: str) -> list[Member]:
    """The members of a participant, in the order of their numbers."""
    rows = db.fetch(
        "SELECT p.id, p.key, p.disabled_at IS NOT NULL AS disabled, EXISTS (SELECT 1 FROM memberships m "
        "WHERE m.competition = :competition AND m.person_id = p.id) AS fixed FROM people p WHERE (p.key = :who "
        "OR p.team = :who OR p.id IN (SELECT n.person_id FROM memberships n "
        f"WHERE n.competition = :competition AND n.participant = :who)) AND {_ACTS} = :who ORDER BY p.id",
        competition=competition, who=participant,
    )  # fmt: skip
    return [made(Member, row) for row in rows]


def fix_membership(db: Database, competition: str, person_id: int, participant: str, event_seq: int) -> None:
    """Record a person's participant in a competition, replacing an earlier record."""
    db.execute(
        "INSERT INTO memberships (competition, person_id, participant, event_seq) "
        "VALUES (:competition, :person, :participant, :seq) ON CONFLICT (competition, person_id) "
        "DO UPDATE SET participant = :participant, event_seq = :seq",
        competition=competition,
        person=person_id,
        participant=participant,
        seq=event_seq,
    )


def checked_reason(text: str) -> str:
    """The reason, stripped and valid. Raises UserError E_REASON (exit 2) otherwise."""
    text = text.strip()
    if not text or len(text) > MAX_REASON or not text.isprintable():
        raise UserError(
            f"a reason must have 1 to {MAX_REASON} printable characters; it is kept in the log.",
            code="E_REASON",
            exit_code=2,
        )
    return text


SELECT_PERSON = (
    "p.id, p.key, p.name, p.email, p.role, COALESCE(t.name, p.team) AS team, p.disabled_at, p.created_at, "
    "p.team AS handle"
)
SELECT_PEOPLE = "people p LEFT JOIN teams t ON t.handle = p.team"


def known_person(db: Database, key: str) -> Person:
    found = find_person(db, key)
    if found is None:
        raise UserError(f"Nobody on the roster has the id {key}.", code="E_ROSTER", exit_code=2)
    return found


def baseline_names(db: Database) -> list[str]:
    return db.column("SELECT DISTINCT name FROM participants WHERE kind <> 'person'")


def as_entry(person: Person) -> RosterEntry:
    return RosterEntry(person.key, person.name, person.email, person.role, person.team)
