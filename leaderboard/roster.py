"""Who is in the course: people and teams, their tokens, extensions, and points entered by hand.

Plain values go in, frozen dataclasses come out; instants are aware datetimes. Every change is one transaction with one
event, which names the actor and the reason. Events hold keys but neither names nor e-mail addresses: of those only a
hash, so that `events.verify` finds a change and the log does not reveal anyone's identity.

A person's key and a team's handle never change; records hold them, and names are looked up. The first submission of a
team or a person fixes its members for that competition (`participant_of`), whatever the roster says later.
"""

from __future__ import annotations

import hashlib
import math
import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import count
from typing import Any, Literal

from leaderboard import events
from leaderboard.competitions import name_of
from leaderboard.database import Database, LeaderboardError
from leaderboard.events import extension_body, part_body, person_digest, team_digest
from leaderboard.receipts import instant, microseconds, rfc3339

Role = Literal["student", "auditor", "ta", "instructor"]
Scope = Literal["all", "submit", "read"]
Whom = Literal["person", "team", "all"]

ROLES: tuple[Role, ...] = ("student", "auditor", "ta", "instructor")
MAX_LENGTH = 60
"""Characters of a key, a name or a team."""

MAX_REASON = 500
INVITATION = "invitation"
"""The label of the tokens in a CSV of invitations."""


@dataclass(frozen=True)
class Entry:
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


@dataclass(frozen=True)
class Imported:
    """The result of an import: the keys added and changed, and the number of people left unchanged.

    `moved` counts the memberships that `force` changed in homeworks with submissions.
    """

    added: tuple[str, ...]
    changed: tuple[str, ...]
    unchanged: int
    moved: int = 0


@dataclass(frozen=True)
class Token:
    """A token, without its secret. It is valid from `created_at` until just before `expires_at`."""

    id: int
    person_id: int
    scope: Scope
    label: str
    created_at: datetime
    expires_at: datetime
    revoked_at: datetime | None


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
    """One person's points for one part of a homework, entered by hand."""

    competition: str
    person_key: str
    part: str
    points: float
    reason: str
    actor: str
    at: datetime


# People and teams


def is_empty(db: Database) -> bool:
    """Whether there is no roster, as on a home without a class."""
    return db.one("SELECT 1 FROM people LIMIT 1") is None


def people(db: Database) -> list[Person]:
    """Everyone on the roster, disabled people included, sorted by key."""
    rows = db.fetch(f"SELECT {_PERSON} FROM {_PEOPLE} ORDER BY p.id")
    return sorted((_as_person(row) for row in rows), key=lambda person: person.key)


def find_person(db: Database, key: str) -> Person | None:
    """The person with that key, disabled or not."""
    row = db.one(f"SELECT {_PERSON} FROM {_PEOPLE} WHERE p.key = :key", key=key)
    return None if row is None else _as_person(row)


def display_names(db: Database) -> dict[str, str]:
    """The names that boards show, by a person's key or a team's handle."""
    return dict(db.fetch("SELECT handle, name FROM teams UNION ALL SELECT key, name FROM people"))


def teams(db: Database) -> list[Team]:
    """All present and former teams, in the order they were formed."""
    return [Team(*row) for row in db.fetch("SELECT handle, name FROM teams ORDER BY id")]


def find_team(db: Database, name: str) -> Team:
    """The team with that current name. Raises LeaderboardError E_ROSTER."""
    row = db.one("SELECT handle, name FROM teams WHERE name = :name", name=name)
    if row is None:
        raise LeaderboardError(f"There is no team {name} on the roster.", code="E_ROSTER", exit_code=2)
    return Team(*row)


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
    row = db.one(f"SELECT {_ACTS} FROM people p WHERE p.key = :who", competition=competition, who=who)
    row = row or db.one("SELECT handle FROM teams WHERE name = :who", who=who)
    return who if row is None else str(row[0])


def participants_of(db: Database, competition: str) -> dict[str, str]:
    """Each person's participant in a competition, by key."""
    return dict(db.fetch(f"SELECT p.key, {_ACTS} FROM people p", competition=competition))


def members_of(db: Database, competition: str, participant: str) -> list[tuple[int, str, bool, bool]]:
    """The members of a participant: number, key, whether disabled, and whether the membership is fixed."""
    return [
        (number, key, disabled is not None, bool(fixed))
        for number, key, disabled, fixed in db.fetch(
            "SELECT p.id, p.key, p.disabled_at, EXISTS (SELECT 1 FROM memberships m "
            "WHERE m.competition = :competition AND m.person_id = p.id) FROM people p WHERE (p.key = :who "
            "OR p.team = :who OR p.id IN (SELECT n.person_id FROM memberships n "
            f"WHERE n.competition = :competition AND n.participant = :who)) AND {_ACTS} = :who ORDER BY p.id",
            competition=competition, who=participant,
        )
    ]  # fmt: skip


def fix_membership(db: Database, competition: str, person_id: int, participant: str, event_seq: int) -> None:
    """Record a person's participant in a competition, replacing an earlier record."""
    db.execute(
        "INSERT INTO memberships (competition, person_id, participant, event_seq) "
        "VALUES (:competition, :person, :participant, :seq) ON CONFLICT (competition, person_id) "
        "DO UPDATE SET participant = :participant, event_seq = :seq",
        competition=competition, person=person_id, participant=participant, seq=event_seq,
    )  # fmt: skip


def problems_of(
    entries: Sequence[Entry],
    before: Sequence[Person] = (),
    taken: Sequence[str] = (),
    known: Sequence[Team] = (),
    renames: Mapping[str, str] | None = None,
) -> list[list[str]]:
    """The problems of each entry, as sentences.

    `before` is the roster that the entries are added to, `taken` the names of baselines on a board, `known` all present
    and former teams, `renames` their new names by the old ones.
    """
    renames = renames or {}
    problems = [_own_problems(entry) for entry in entries]
    others = {alike(name) for name in taken}
    keys: dict[str, int] = {}
    for place, entry in enumerate(entries):
        first = keys.setdefault(alike(entry.key), place)
        if first != place:
            problems[place].append(f"the id {entry.key} appears twice")
        for text in (entry.key, entry.name, entry.team):
            if text is not None and alike(text) in others:
                problems[place].append(f"{text} is the name of a baseline on a board")
    stay = [person for person in before if alike(person.key) not in keys]
    for person in before:
        place_of = keys.get(alike(person.key))
        if place_of is not None and entries[place_of].key != person.key:
            problems[place_of].append(f"the id {entries[place_of].key} differs from {person.key} only in capitals")
    names = {alike(person.name): f"that of {person.key}" for person in stay if person.disabled_at is None}
    all_keys = set(keys) | {alike(person.key) for person in stay}
    named = [*(person.team for person in stay if person.team), *(team.name for team in known)]
    old_teams = {alike(renames.get(team, team)): renames.get(team, team) for team in named}
    handles = {alike(team.handle) for team in known}
    teams = dict(old_teams)
    disabled = {person.key for person in before if person.disabled_at is not None}
    for place, entry in enumerate(entries):
        if entry.key in disabled:
            continue
        whose = names.setdefault(alike(entry.name), f"that of {entry.key}")
        if whose != f"that of {entry.key}":
            problems[place].append(f"the name {entry.name} is also {whose}; boards show names, so change one of them")
    for place, entry in enumerate(entries):
        if entry.team is None:
            continue
        spelled = teams.setdefault(alike(entry.team), entry.team)
        if spelled != entry.team:
            problems[place].append(f"the team {entry.team} differs from {spelled} only in capitals")
        if alike(entry.team) in all_keys or alike(entry.team) in names:
            problems[place].append(f"the team {entry.team} has the id or the name of a person")
        if entry.role in ("ta", "instructor"):
            problems[place].append("staff cannot be in a team")
    for place, entry in enumerate(entries):
        for what, text in (("id", entry.key), ("name", entry.name)):
            if alike(text) in old_teams or (what == "id" and alike(text) in handles):
                problems[place].append(f"the {what} {text} is the name of a team")
    return problems


def alike(text: str) -> str:
    """Text normalised for comparison, so that names that look alike are equal."""
    return unicodedata.normalize("NFKC", text).casefold()


def _own_problems(entry: Entry) -> list[str]:
    problems = []
    for what, text in (("id", entry.key), ("name", entry.name), ("team", entry.team)):
        if text is not None and (not text or len(text) > MAX_LENGTH or not text.isprintable() or text != text.strip()):
            problems.append(f"the {what} must have 1 to {MAX_LENGTH} printable characters")
    if any(character.isspace() for character in entry.key):
        problems.append("an id cannot contain spaces")
    if not re.fullmatch(r"([^@\s]+@[^@\s]+)?", entry.email) or len(entry.email) > 254 or not entry.email.isprintable():
        problems.append("not a valid e-mail address")
    if entry.role not in ROLES:
        problems.append(f"the role must be one of {', '.join(ROLES)}")
    return problems


def possible_renames(entries: Sequence[Entry], before: Sequence[Person], known: Sequence[Team]) -> dict[str, str]:
    """Likely renames: the new names of teams, by current name, where all members of one team move to the same new team.

    Where members of two teams move to it, it is a new team and not a rename.
    """
    new = {entry.key: entry.team for entry in entries}
    names = {team.name for team in known} | {person.team for person in before}
    found: dict[str, str] = {}
    for team in sorted({person.team for person in before if person.team}):
        members = [person for person in before if person.team == team and person.disabled_at is None]
        (name, *others) = {new.get(person.key, team) for person in members} or {None}
        joined = {person.team for person in before if person.team and new.get(person.key) == name}
        if name is not None and not others and name not in names and joined == {team}:
            found[team] = name
    return found


def import_people(
    db: Database,
    entries: Sequence[Entry],
    *,
    actor: str,
    reason: str,
    now: datetime,
    renames: Mapping[str, str] | None = None,
    force: bool = False,
) -> Imported:
    """Add people and update existing ones; nobody is removed, and disabled people stay disabled.

    `renames` gives the new names of teams by their current ones. Homeworks with submissions keep their members, unless
    `force` brings those of the entries in line with the roster.

    Raises LeaderboardError E_ROSTER (exit 2) for entries with problems (`problems_of`).
    """
    reason = checked_reason(reason)
    with db.transaction():
        return _import(db, entries, actor, reason, now, renames or {}, force)


def follows(
    db: Database,
    entries: Sequence[Entry],
    *,
    now: datetime,
    renames: Mapping[str, str] | None = None,
    force: bool = False,
) -> list[str]:
    """The effects of an import on homeworks with submissions, as sentences. The import runs and is rolled back."""
    lines = [f"the team {old} is renamed to {new} and keeps its submissions, quota and receipts"
             for old, new in (renames or {}).items()]  # fmt: skip
    try:
        with db.transaction():
            before, acted = {person.key: person.participant for person in people(db)}, _acting(db)
            _import(db, entries, "preview", "preview", now, renames or {}, force)
            lines += _told(db, before, acted)
            raise _Undo
    except _Undo:
        return lines


class _Undo(Exception):
    """Rolls back the transaction of a preview."""


def _acting(db: Database) -> dict[str, dict[str, str]]:
    """Everyone's participant, by competition that has submissions and no newer data."""
    rows = db.fetch(
        "SELECT DISTINCT p.competition FROM participants p WHERE p.kind = 'person' AND NOT EXISTS (SELECT 1 "
        "FROM competitions c JOIN competitions n ON n.name = c.name AND n.number > c.number "
        "WHERE c.key = p.competition) ORDER BY p.competition"
    )
    return {competition: participants_of(db, competition) for (competition,) in rows}


def _told(db: Database, before: Mapping[str, str], acted: Mapping[str, Mapping[str, str]]) -> list[str]:
    """Sentences on whose participant changes, whose stays despite the new roster, and which work counts for nobody."""
    names, lines = display_names(db), []

    def side(who: str, key: str) -> str:
        return "alone" if who == key else f"with {names.get(who, who)}"

    for competition, acts in _acting(db).items():
        homework = name_of(competition)
        rows = db.fetch(
            "SELECT name FROM participants WHERE competition = :competition AND kind = 'person' ORDER BY id",
            competition=competition,
        )
        begun = [name for (name,) in rows]
        for person in people(db):
            key, target, was, acting = (
                person.key,
                person.participant,
                acted[competition].get(person.key),
                acts[person.key],
            )
            if was not in (None, acting):
                whose = "their own" if acting == key else "the team's"
                change = f"now submits {side(acting, key)}, not {side(str(was), key)}"
                lines.append(f"{homework}: {key} {change}; points, submissions and quota are {whose}")
            elif before.get(key) != target and acting != target:
                who = acting if acting in begun else target
                why = f"{names.get(who, who)} has already submitted"
                lines.append(f"{homework}: {key} still submits {side(acting, key)}, because {why}")
        for who in begun:
            if who not in acts.values() and who in acted[competition].values():
                lines.append(f"{homework}: the submissions of {names.get(who, who)} no longer count for anyone")
    for one in extensions(db):
        acting = participant_of(db, one.competition, one.who)
        if one.who_kind == "person" and before.get(one.who) == one.who != acting:
            homework = name_of(one.competition)
            lines.append(
                f"{homework}: the extension of {one.who} does not apply {side(acting, one.who)}; extend the team"
            )
    return list(dict.fromkeys(lines))


def _import(
    db: Database, entries: Sequence[Entry], actor: str, reason: str, now: datetime, renames: Mapping[str, str],
    force: bool,
) -> Imported:  # fmt: skip
    before, formed = people(db), teams(db)
    entries = [replace(entry, team=renames.get(entry.team or "", entry.team)) for entry in entries]
    _check_renames(formed, renames)
    problems = problems_of(entries, before, _baselines(db), formed, renames)
    found = [text for own in problems for text in own]
    if found:
        raise LeaderboardError("; ".join(found[:20]), code="E_ROSTER", exit_code=2)
    named = _rename_and_form(db, formed, renames, [entry.team for entry in entries if entry.team])
    handles = {team.name: team.handle for team in teams(db)}
    rows = [replace(entry, team=entry.team and handles[entry.team]) for entry in entries]  # as the table has them
    known = {person.key: replace(_as_entry(person), team=person.handle) for person in before}
    added = [entry for entry in rows if entry.key not in known]
    changed = [entry for entry in rows if entry.key in known and entry != known[entry.key]]
    for entry in changed:  # two people may swap names, and names are unique at every moment
        db.execute("UPDATE people SET name = :name WHERE key = :key", name=f"{entry.key}", key=entry.key)
    for entry in changed:
        db.execute(
            "UPDATE people SET name = :name, email = :email, role = :role, team = :team WHERE key = :key",
            name=entry.name, email=entry.email, role=entry.role, team=entry.team, key=entry.key,
        )  # fmt: skip
    number = _next_id(db, "people")
    for place, entry in enumerate(added):
        db.execute(
            "INSERT INTO people (id, key, name, email, role, team, created_at) "
            "VALUES (:id, :key, :name, :email, :role, :team, :at)",
            id=number + place, key=entry.key, name=entry.name, email=entry.email, role=entry.role,
            team=entry.team, at=microseconds(now),
        )  # fmt: skip
    if added or changed or named:
        digests = {
            entry.key: person_digest(entry.key, entry.name, entry.email, entry.role, entry.team)
            for entry in (*added, *changed)
        }
        body = {"reason": reason, "people": digests, **({"teams": named} if named else {})}
        events.append(db, "roster imported", actor, body, now)
    moved = _move(db, [entry.key for entry in entries], actor, reason, now) if force else 0
    unchanged = len(entries) - len(added) - len(changed)
    return Imported(tuple(entry.key for entry in added), tuple(entry.key for entry in changed), unchanged, moved)


def _check_renames(formed: Sequence[Team], renames: Mapping[str, str]) -> None:
    names = {team.name for team in formed}
    for old, new in renames.items():
        if old not in names:
            raise LeaderboardError(f"There is no team {old}.", code="E_ROSTER", exit_code=2)
        if new in names or list(renames.values()).count(new) > 1:
            raise LeaderboardError(f"The team name {new} is taken; choose another.", code="E_ROSTER", exit_code=2)


def _rename_and_form(
    db: Database, formed: Sequence[Team], renames: Mapping[str, str], wanted: Sequence[str]
) -> dict[str, str]:
    """Renames teams and creates missing ones; returns their log digests by handle."""
    named = {}
    for team in formed:
        if team.name in renames:
            name = renames[team.name]
            db.execute("UPDATE teams SET name = :name WHERE handle = :handle", name=name, handle=team.handle)
            named[team.handle] = team_digest(team.handle, name)
    there = {renames.get(team.name, team.name) for team in formed}
    handles = {alike(team.handle) for team in formed}
    number = _next_id(db, "teams")
    for name in dict.fromkeys(wanted):
        if name in there:
            continue
        handle = next(one for one in _spellings(name) if alike(one) not in handles)
        db.execute(
            "INSERT INTO teams (id, handle, name) VALUES (:id, :handle, :name)", id=number, handle=handle, name=name
        )
        handles.add(alike(handle))
        there.add(name)
        named[handle] = team_digest(handle, name)
        number += 1
    return named


def _spellings(name: str) -> Iterator[str]:
    """A name, then numbered variants of it for a handle that is already taken."""
    yield name
    yield from (f"{name} ({number})" for number in count(2))


def _move(db: Database, keys: Sequence[str], actor: str, reason: str, now: datetime) -> int:
    """Moves people to their roster teams in homeworks with submissions; returns the number of moves."""
    now_in = {person.key: person for person in people(db)}
    moves = [
        (competition, key, acts[key], now_in[key].participant)
        for competition, acts in _acting(db).items()
        for key in keys
        if acts[key] != now_in[key].participant
    ]
    if moves:
        body = {"reason": reason, "memberships": [[where, key, new] for where, key, _, new in moves]}
        event = events.append(db, "memberships moved", actor, body, now)
        for competition, key, _, new in moves:
            fix_membership(db, competition, now_in[key].id, new, event.seq)
    return len(moves)


def add_person(db: Database, entry: Entry, *, actor: str, reason: str, now: datetime) -> Person:
    """Add one person, or update the one with that key."""
    import_people(db, [entry], actor=actor, reason=reason, now=now)
    found = find_person(db, entry.key)
    assert found is not None
    return found


def disable(db: Database, key: str, *, actor: str, reason: str, now: datetime) -> Person:
    """Take a person off the roster: tokens are revoked, submissions refused, and existing records kept."""
    reason = checked_reason(reason)
    with db.transaction():
        person = _person(db, key)
        if person.disabled_at is not None:
            return person
        db.execute("UPDATE people SET disabled_at = :at WHERE id = :id", at=microseconds(now), id=person.id)
        live = [token.id for token in tokens(db, key) if token.revoked_at is None]
        _revoke(db, live, now)
        events.append(db, "person disabled", actor, {"person": key, "tokens": live, "reason": reason}, now)
        return _person(db, key)


def enable(db: Database, key: str, *, actor: str, reason: str, now: datetime) -> Person:
    """Put a person back on the roster; old tokens stay revoked. Raises E_ROSTER if the name is taken."""
    reason = checked_reason(reason)
    with db.transaction():
        person = _person(db, key)
        if person.disabled_at is None:
            return person
        others = [other for other in people(db) if other.key != key]
        problems = problems_of([_as_entry(person)], others)[0]
        if problems:
            raise LeaderboardError("; ".join(problems), code="E_ROSTER", exit_code=2)
        db.execute("UPDATE people SET disabled_at = NULL WHERE id = :id", id=person.id)
        events.append(db, "person enabled", actor, {"person": key, "reason": reason}, now)
        return _person(db, key)


# Tokens


def new_token() -> str:
    """A fresh token: 256 random bits. It is shown once and only its hash is kept."""
    import secrets

    return f"lhy_{secrets.token_urlsafe(32)}"


def hash_token(token: str) -> str:
    """The SHA-256 of a token, in hexadecimal."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def issue_token(
    db: Database, person_key: str, hash: str, scope: Scope, label: str, expires: datetime, actor: str, now: datetime
) -> int:
    """Store the hash of a person's new token; returns its number. Raises LeaderboardError E_DISABLED (exit 6)."""
    return issue_tokens(db, {person_key: hash}, scope=scope, label=label, expires=expires, actor=actor, reason="",
                        now=now)[0]  # fmt: skip


def issue_tokens(
    db: Database,
    hashes: Mapping[str, str],
    *,
    scope: Scope,
    label: str,
    expires: datetime,
    actor: str,
    reason: str,
    now: datetime,
    replace: bool = False,
) -> list[int]:
    """Store the hashes of new tokens by person's key; `replace` revokes older ones with that label."""
    with db.transaction():
        return _issue(db, hashes, scope, label, expires, actor, reason, now, replace)


def _issue(
    db: Database, hashes: Mapping[str, str], scope: Scope, label: str, expires: datetime, actor: str, reason: str,
    now: datetime, replace: bool,
) -> list[int]:  # fmt: skip
    numbers, ended = [], []
    number = _next_id(db, "tokens")
    for key, digest in hashes.items():
        person = _person(db, key)
        if person.disabled_at is not None:
            raise LeaderboardError(f"{key} was taken off the roster.", code="E_DISABLED", exit_code=6)
        if replace:
            ended += [one.id for one in tokens(db, key) if one.label == label and one.revoked_at is None]
        db.execute(
            "INSERT INTO tokens (id, person_id, hash, scope, label, created_at, expires_at) "
            "VALUES (:id, :person, :hash, :scope, :label, :at, :expires)",
            id=number, person=person.id, hash=digest, scope=scope, label=label, at=microseconds(now),
            expires=microseconds(expires),
        )  # fmt: skip
        numbers.append(number)
        number += 1
    _revoke(db, ended, now)
    body = {
        "tokens": [[n, key, digest] for n, (key, digest) in zip(numbers, hashes.items(), strict=True)],
        "scope": scope, "label": label, "expires_at": rfc3339(expires), "revoked": ended, "reason": reason,
    }  # fmt: skip
    if numbers:
        events.append(db, "tokens issued", actor, body, now)
    return numbers


def find_token(db: Database, hash: str, now: datetime, session: str = "") -> tuple[Token, Person] | None:
    """The valid token with that hash, and its person: not revoked, not expired, the person not disabled.

    It is not valid in a browser `session` that was signed out.
    """
    row = db.one(
        "SELECT k.id, k.person_id, k.scope, k.label, k.created_at, k.expires_at, k.revoked_at, "
        f"{_PERSON} FROM tokens k, {_PEOPLE} WHERE p.id = k.person_id AND k.hash = :hash AND k.revoked_at IS NULL "
        "AND p.disabled_at IS NULL AND k.expires_at > :now "
        "AND NOT EXISTS (SELECT 1 FROM ended_sessions e WHERE e.session = :session)",
        hash=hash, now=microseconds(now), session=session,
    )  # fmt: skip
    return None if row is None else (_as_token(row[:7]), _as_person(row[7:]))


def end_session(db: Database, session: str, ends: datetime, now: datetime) -> None:
    """Sign a browser out of a session that would last until `ends`. No event is logged: nothing else changes."""
    with db.transaction():
        db.execute("DELETE FROM ended_sessions WHERE ends_at < :now", now=microseconds(now))
        db.execute(
            "INSERT INTO ended_sessions (session, ends_at) VALUES (:session, :ends) ON CONFLICT DO NOTHING",
            session=session, ends=microseconds(ends),
        )  # fmt: skip


def tokens(db: Database, key: str) -> list[Token]:
    """All of a person's tokens, expired and revoked ones included, in the order they were issued."""
    rows = db.fetch(
        "SELECT t.id, t.person_id, t.scope, t.label, t.created_at, t.expires_at, t.revoked_at FROM tokens t "
        "JOIN people p ON p.id = t.person_id WHERE p.key = :key ORDER BY t.id",
        key=key,
    )
    return [_as_token(row) for row in rows]


def revoke_token(db: Database, token_id: int, actor: str, now: datetime, reason: str = "") -> bool:
    """Revoke a token; False if it does not exist or is already revoked."""
    with db.transaction():
        row = db.one("SELECT revoked_at FROM tokens WHERE id = :id", id=token_id)
        if row is None or row[0] is not None:
            return False
        _revoke(db, [token_id], now)
        events.append(db, "token revoked", actor, {"tokens": [token_id], "reason": reason}, now)
        return True


def redeem_invitation(
    db: Database, hash: str, new_hash: str, *, label: str, expires: datetime, now: datetime
) -> tuple[Token, Person] | None:
    """Exchange an invitation for a token of the same scope, which uses it up. None if it is not valid.

    A token that is not an invitation also gives None and stays valid.
    """
    with db.transaction():
        found = find_token(db, hash, now)
        if found is None or found[0].label != INVITATION:
            return None
        token, person = found
        _revoke(db, [token.id], now)
        events.append(db, "token revoked", person.key, {"tokens": [token.id], "reason": "redeemed"}, now)
        _issue(db, {person.key: new_hash}, token.scope, label, expires, person.key, "redeemed", now, replace=False)
        return find_token(db, new_hash, now)


def _revoke(db: Database, numbers: Sequence[int], now: datetime) -> None:
    for number in numbers:
        db.execute("UPDATE tokens SET revoked_at = :at WHERE id = :id", at=microseconds(now), id=number)


# Extensions


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

    Raises LeaderboardError: E_ROSTER (exit 2) for an unknown person or team, E_CLOSED (exit 5) once the private scores
    were revealed, since nobody who knows them may continue.
    """
    reason = checked_reason(reason)
    assert slots >= 0, "the command line accepts no negative number"
    with db.transaction():
        if db.one("SELECT 1 FROM reveals WHERE competition = :competition", competition=competition):
            raise LeaderboardError(
                f"{name_of(competition)} was revealed and can no longer be extended.", code="E_CLOSED", exit_code=5
            )
        if who_kind == "team":
            who = find_team(db, who).handle
        check_whom(db, competition, who_kind, who)
        values = {
            "id": _next_id(db, "extensions"), "competition": competition, "who_kind": who_kind, "who": who,
            "until": None if until is None else microseconds(until), "slots": slots, "day": day, "reason": reason,
            "actor": actor, "at": microseconds(now),
        }  # fmt: skip
        _keep_extension(db, values, now)
        return _as_extension(tuple(values.values()))


def carry_extensions(db: Database, old: str, new: str, actor: str, now: datetime) -> None:
    """Copies the extensions of a competition's old data to its new data, in order. Within a transaction."""
    names = [name.strip() for name in _EXTENSION.split(",")]
    rows = db.fetch(f"SELECT {_EXTENSION} FROM extensions WHERE competition = :old ORDER BY id", old=old)
    for row in rows:
        values = dict(zip(names, row, strict=True)) | {
            "id": _next_id(db, "extensions"), "competition": new, "actor": actor, "at": microseconds(now),
        }  # fmt: skip
        _keep_extension(db, values, now)


def _keep_extension(db: Database, values: dict[str, Any], now: datetime) -> None:
    event = events.append(db, "extended", values["actor"], extension_body(values), now)
    names = [name.strip() for name in _EXTENSION.split(",")]
    places = ", ".join(f":{name}" for name in names)
    db.execute(
        f"INSERT INTO extensions ({_EXTENSION}, event_seq) VALUES ({places}, :event_seq)",
        **values, event_seq=event.seq,
    )  # fmt: skip


def check_whom(db: Database, competition: str, who_kind: Whom, who: str) -> None:
    """Raises LeaderboardError E_ROSTER (exit 2) unless that person, or team by its handle, can get an extension."""
    if who_kind == "all":
        assert who == ""
        return
    if is_empty(db):  # without a roster only the names on the board are known
        known = db.one(
            "SELECT 1 FROM participants WHERE competition = :competition AND name = :who",
            competition=competition, who=who,
        )  # fmt: skip
        if known is None or who_kind == "team":
            raise LeaderboardError(f"Nobody called {who} has submitted anything.", code="E_ROSTER", exit_code=2)
    elif who_kind == "team":
        if not members_of(db, competition, who):
            raise LeaderboardError(f"Nobody submits as the team {who}.", code="E_ROSTER", exit_code=2)
    elif (under := participant_of(db, competition, _person(db, who).key)) != who:
        team = display_names(db).get(under, under)
        raise LeaderboardError(f"{who} submits with the team {team}; extend the team.", code="E_ROSTER", exit_code=2)


def extensions(db: Database, competition: str | None = None) -> list[Extension]:
    """All extensions in the order they were given, or only those of one competition."""
    only = "" if competition is None else "WHERE competition = :competition"
    values = {} if competition is None else {"competition": competition}
    return [_as_extension(row) for row in db.fetch(f"SELECT {_EXTENSION} FROM extensions {only} ORDER BY id", **values)]


def extensions_of(db: Database, competition: str, participant: str) -> list[Extension]:
    """The extensions that apply to a participant, oldest first: those for everyone, and its own."""
    rows = db.fetch(
        f"SELECT {_EXTENSION} FROM extensions WHERE competition = :competition "
        "AND (who_kind = 'all' OR who = :participant) ORDER BY id",
        competition=competition, participant=participant,
    )  # fmt: skip
    return [_as_extension(row) for row in rows]


# Points entered by hand


def enter_points(
    db: Database, competition: str, person_key: str, part: str, points: float, *, actor: str, reason: str, now: datetime
) -> Part:
    """Enter a person's points for one part of a homework, replacing earlier ones."""
    return enter_all_points(db, competition, [(person_key, part, points)], actor=actor, reason=reason, now=now)[0]


def enter_all_points(
    db: Database,
    competition: str,
    entries: Sequence[tuple[str, str, float]],
    *,
    actor: str,
    reason: str,
    now: datetime,
) -> list[Part]:
    """Enter points as (person's key, part, points), all or none; each is logged as its own event."""
    reason = checked_reason(reason)
    entered = []
    with db.transaction():
        at_home, number = is_empty(db), _next_id(db, "parts")
        for place, (key, part, points) in enumerate(entries):
            if not math.isfinite(points):
                raise ValueError("points are finite")
            if not at_home and _person(db, key).role != "student":
                raise LeaderboardError(f"{key} is not a student and cannot have points.", code="E_ROSTER", exit_code=2)
            values = {
                "id": number + place, "competition": competition, "person_key": key, "part": part,
                "points": float(points) + 0.0, "reason": reason, "actor": actor, "at": microseconds(now),
            }  # fmt: skip
            event = events.append(db, "points entered", actor, part_body(values), now)
            db.execute(
                f"INSERT INTO parts ({_PART}, event_seq) VALUES (:id, :competition, :person_key, :part, :points, "
                ":reason, :actor, :at, :event_seq)",
                **values, event_seq=event.seq,
            )  # fmt: skip
            entered.append(_as_part(tuple(values.values())))
    return entered


def parts(db: Database, competition: str) -> dict[tuple[str, str], Part]:
    """The current points of one homework, by (person's key, part): the latest entry wins."""
    rows = db.fetch(f"SELECT {_PART} FROM parts WHERE competition = :competition ORDER BY id", competition=competition)
    return {(part.person_key, part.part): part for part in map(_as_part, rows)}


# Helpers


def checked_reason(text: str) -> str:
    """The reason, stripped and valid. Raises LeaderboardError E_REASON (exit 2) otherwise."""
    text = text.strip()
    if not text or len(text) > MAX_REASON or not text.isprintable():
        raise LeaderboardError(
            f"a reason must have 1 to {MAX_REASON} printable characters; it is kept in the log.",
            code="E_REASON",
            exit_code=2,
        )
    return text


_PERSON = "p.id, p.key, p.name, p.email, p.role, COALESCE(t.name, p.team), p.disabled_at, p.created_at, p.team"
_PEOPLE = "people p LEFT JOIN teams t ON t.handle = p.team"
_EXTENSION = "id, competition, who_kind, who, until, slots, day, reason, actor, at"
_PART = "id, competition, person_key, part, points, reason, actor, at"


def _person(db: Database, key: str) -> Person:
    found = find_person(db, key)
    if found is None:
        raise LeaderboardError(f"Nobody on the roster has the id {key}.", code="E_ROSTER", exit_code=2)
    return found


def _baselines(db: Database) -> list[str]:
    return [name for (name,) in db.fetch("SELECT DISTINCT name FROM participants WHERE kind <> 'person'")]


def _next_id(db: Database, table: str) -> int:
    row = db.one(f"SELECT max(id) FROM {table}")
    return (row[0] if row and row[0] else 0) + 1


def _when(at: int | None) -> datetime | None:
    return None if at is None else instant(at)


def _as_person(row: tuple[Any, ...]) -> Person:
    number, key, name, email, role, team, disabled_at, created_at, handle = row
    return Person(number, key, name, email, role, team, _when(disabled_at), instant(created_at), handle)


def _as_entry(person: Person) -> Entry:
    return Entry(person.key, person.name, person.email, person.role, person.team)


def _as_token(row: tuple[Any, ...]) -> Token:
    number, person_id, scope, label, created_at, expires_at, revoked_at = row
    return Token(number, person_id, scope, label, instant(created_at), instant(expires_at), _when(revoked_at))


def _as_extension(row: tuple[Any, ...]) -> Extension:
    number, competition, who_kind, who, until, slots, day, reason, actor, at = row
    return Extension(number, competition, who_kind, who, _when(until), slots, day, reason, actor, instant(at))


def _as_part(row: tuple[Any, ...]) -> Part:
    _, competition, person_key, part, points, reason, actor, at = row
    return Part(competition, person_key, part, points, reason, actor, instant(at))
