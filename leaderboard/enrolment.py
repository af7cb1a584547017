"""Changing the roster: the import of a list of people, and single people."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import count

from leaderboard import events
from leaderboard.access_tokens import revoke_numbers, tokens
from leaderboard.adjustments import changed_meanwhile, extensions
from leaderboard.bodies import person_digest, team_digest
from leaderboard.competitions import name_of
from leaderboard.database import Database
from leaderboard.receipts import canonical, microseconds
from leaderboard.roster import (
    MAX_LENGTH,
    ROLES,
    Person,
    RosterEntry,
    Team,
    as_entry,
    baseline_names,
    checked_reason,
    digest,
    display_names,
    find_person,
    fix_membership,
    known_person,
    participant_of,
    participants_of,
    people,
    teams,
)
from tasks.errors import UserError


@dataclass(frozen=True)
class Imported:
    """The result of an import: the keys added and changed, and the number of people left unchanged.

    `moved` counts the memberships that `force` changed in homeworks with submissions.
    """

    added: tuple[str, ...]
    changed: tuple[str, ...]
    unchanged: int
    moved: int = 0


def problems_of(
    entries: Sequence[RosterEntry],
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


def _own_problems(entry: RosterEntry) -> list[str]:
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


def possible_renames(entries: Sequence[RosterEntry], before: Sequence[Person], known: Sequence[Team]) -> dict[str, str]:
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
    entries: Sequence[RosterEntry],
    *,
    actor: str,
    reason: str,
    now: datetime,
    renames: Mapping[str, str] | None = None,
    force: bool = False,
    expected: str | None = None,
) -> Imported:
    """Add people and update existing ones; nobody is removed, and disabled people stay disabled.

    `renames` gives the new names of teams by their current ones. Homeworks with submissions keep their members, unless
    `force` brings those of the entries in line with the roster.

    Raises UserError E_ROSTER (exit 2) for entries with problems (`problems_of`), E_LAST_INSTRUCTOR (exit 8) if no
    instructor would be left, and E_CHANGED (exit 8) if the digest of the roster is not the `expected` one.
    """
    reason = checked_reason(reason)
    with db.transaction():
        if expected is not None and digest(db) != expected:
            raise changed_meanwhile("the roster")
        return _import(db, entries, actor, reason, now, renames or {}, force)


def follows(
    db: Database,
    entries: Sequence[RosterEntry],
    *,
    now: datetime,
    renames: Mapping[str, str] | None = None,
    force: bool = False,
) -> list[str]:
    """The effects of an import on homeworks with submissions, as sentences. The import runs and is rolled back."""
    lines = [
        f"the team {old} is renamed to {new} and keeps its submissions, quota and receipts"
        for old, new in (renames or {}).items()
    ]
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
    begun = db.column(
        "SELECT DISTINCT p.competition FROM participants p WHERE p.kind = 'person' AND NOT EXISTS (SELECT 1 "
        "FROM competitions c JOIN competitions n ON n.name = c.name AND n.number > c.number "
        "WHERE c.key = p.competition) ORDER BY p.competition"
    )
    return {competition: participants_of(db, competition) for competition in begun}


def _told(db: Database, before: Mapping[str, str], acted: Mapping[str, Mapping[str, str]]) -> list[str]:
    """Sentences on whose participant changes, whose stays despite the new roster, and which work counts for nobody."""
    names, lines = display_names(db), []

    def side(who: str, key: str) -> str:
        return "alone" if who == key else f"with {names.get(who, who)}"

    for competition, acts in _acting(db).items():
        homework = name_of(competition)
        begun = db.column(
            "SELECT name FROM participants WHERE competition = :competition AND kind = 'person' ORDER BY id",
            competition=competition,
        )
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
    db: Database,
    entries: Sequence[RosterEntry],
    actor: str,
    reason: str,
    now: datetime,
    renames: Mapping[str, str],
    force: bool,
) -> Imported:
    before, formed = people(db), teams(db)
    instructors = _instructors(db)
    entries = [replace(entry, team=renames.get(entry.team or "", entry.team)) for entry in entries]
    _check_renames(formed, renames)
    problems = problems_of(entries, before, baseline_names(db), formed, renames)
    found = [text for own in problems for text in own]
    if found:
        raise UserError("; ".join(found[:20]), code="E_ROSTER", exit_code=2)
    named = _rename_and_form(db, formed, renames, [entry.team for entry in entries if entry.team])
    handles = {team.name: team.handle for team in teams(db)}
    rows = [replace(entry, team=entry.team and handles[entry.team]) for entry in entries]  # as the table has them
    known = {person.key: replace(as_entry(person), team=person.handle) for person in before}
    added = [entry for entry in rows if entry.key not in known]
    changed = [entry for entry in rows if entry.key in known and entry != known[entry.key]]
    for entry in changed:  # two people may swap names, and names are unique at every moment
        db.execute("UPDATE people SET name = :name WHERE key = :key", name=f"{entry.key}", key=entry.key)
    for entry in changed:
        db.execute(
            "UPDATE people SET name = :name, email = :email, role = :role, team = :team WHERE key = :key",
            name=entry.name,
            email=entry.email,
            role=entry.role,
            team=entry.team,
            key=entry.key,
        )
    number = db.next_id("people")
    for place, entry in enumerate(added):
        db.execute(
            "INSERT INTO people (id, key, name, email, role, team, created_at) "
            "VALUES (:id, :key, :name, :email, :role, :team, :at)",
            id=number + place,
            key=entry.key,
            name=entry.name,
            email=entry.email,
            role=entry.role,
            team=entry.team,
            at=microseconds(now),
        )
    if instructors and not _instructors(db):
        raise _last_instructor(instructors)
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
            raise UserError(f"There is no team {old}.", code="E_ROSTER", exit_code=2)
        if new in names or list(renames.values()).count(new) > 1:
            raise UserError(f"The team name {new} is taken; choose another.", code="E_ROSTER", exit_code=2)


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
    number = db.next_id("teams")
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


def add_person(db: Database, entry: RosterEntry, *, actor: str, reason: str, now: datetime) -> Person:
    """Add one person, or update the one with that key."""
    import_people(db, [entry], actor=actor, reason=reason, now=now)
    found = find_person(db, entry.key)
    assert found is not None
    return found


def standing(db: Database, key: str) -> str:
    """A digest of whether a person is on the roster, and of their tokens that are not revoked."""
    person = known_person(db, key)
    live = [token.id for token in tokens(db, key) if token.revoked_at is None]
    return hashlib.sha256(canonical([key, person.disabled_at is None, live]).encode()).hexdigest()[:16]


def disable(db: Database, key: str, *, actor: str, reason: str, now: datetime, expected: str | None = None) -> Person:
    """Take a person off the roster: tokens are revoked, submissions refused, and existing records kept.

    Raises UserError E_LAST_INSTRUCTOR (exit 8) for the last instructor, and E_CHANGED (exit 8) if the person's
    `standing` is not the expected one.
    """
    reason = checked_reason(reason)
    with db.transaction():
        person = known_person(db, key)
        if expected not in (None, standing(db, key)):
            raise changed_meanwhile("the roster")
        if person.disabled_at is not None:
            return person
        refuse_last_instructor(db, key)
        db.execute("UPDATE people SET disabled_at = :at WHERE id = :id", at=microseconds(now), id=person.id)
        live = [token.id for token in tokens(db, key) if token.revoked_at is None]
        revoke_numbers(db, live, now)
        events.append(db, "person disabled", actor, {"person": key, "tokens": live, "reason": reason}, now)
        return known_person(db, key)


def refuse_last_instructor(db: Database, key: str) -> None:
    """Raises UserError E_LAST_INSTRUCTOR (exit 8) if this person is the only instructor on the roster."""
    if _instructors(db) == [key]:
        raise _last_instructor([key])


def _instructors(db: Database) -> list[str]:
    """The instructors who were not taken off the roster, by key."""
    return [one.key for one in people(db) if one.role == "instructor" and one.disabled_at is None]


def _last_instructor(keys: Sequence[str]) -> UserError:
    who = f"{keys[0]} is the last instructor" if len(keys) == 1 else f"{', '.join(keys)[:200]} are the last instructors"
    return UserError(
        f"{who} on the roster. Make somebody else an instructor first: import them with the role instructor. Nothing"
        " was changed.",
        code="E_LAST_INSTRUCTOR",
        exit_code=8,
    )


def enable(db: Database, key: str, *, actor: str, reason: str, now: datetime, expected: str | None = None) -> Person:
    """Put a person back on the roster; old tokens stay revoked.

    Raises UserError E_ROSTER if the name is taken, E_CHANGED (exit 8) if their `standing` is not the expected one.
    """
    reason = checked_reason(reason)
    with db.transaction():
        person = known_person(db, key)
        if expected not in (None, standing(db, key)):
            raise changed_meanwhile("the roster")
        if person.disabled_at is None:
            return person
        others = [other for other in people(db) if other.key != key]
        problems = problems_of([as_entry(person)], others)[0]
        if problems:
            raise UserError("; ".join(problems), code="E_ROSTER", exit_code=2)
        db.execute("UPDATE people SET disabled_at = NULL WHERE id = :id", id=person.id)
        events.append(db, "person enabled", actor, {"person": key, "reason": reason}, now)
        return known_person(db, key)
