"""Who is in the course: people and teams, their tokens, extensions, and points entered by hand.

Plain values go in, frozen dataclasses come out; instants are aware datetimes. Every change is one transaction with one
event, which names the actor and the reason. Events hold keys but neither names nor e-mail addresses: of those only a
hash, so that `events.verify` finds a change and the log tells nobody who somebody is.
"""

from __future__ import annotations

import hashlib
import math
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from leaderboard import events
from leaderboard.database import Database, LeaderboardError
from leaderboard.events import extension_body, part_body, person_digest
from leaderboard.receipts import instant, microseconds, rfc3339

Role = Literal["student", "auditor", "ta", "instructor"]
Scope = Literal["all", "submit", "read"]
Whom = Literal["person", "team", "all"]

ROLES: tuple[Role, ...] = ("student", "auditor", "ta", "instructor")
MAX_LENGTH = 60
"""Characters of a key, a name or a team."""

MAX_REASON = 500
INVITATION = "invitation"
"""The label of a token that was made for a CSV of invitations."""


@dataclass(frozen=True)
class Entry:
    """One line of a roster as it comes in."""

    key: str
    name: str
    email: str = ""
    role: Role = "student"
    team: str | None = None


@dataclass(frozen=True)
class Person:
    """Somebody on the roster. `key` is the student id or the login name, `name` is what the boards show."""

    id: int
    key: str
    name: str
    email: str
    role: Role
    team: str | None
    disabled_at: datetime | None
    created_at: datetime

    @property
    def participant(self) -> str:
        """The name under which this person hands in."""
        return self.team or self.key


@dataclass(frozen=True)
class Imported:
    """What an import did: the keys that were added and changed, and how many people stayed as they were."""

    added: tuple[str, ...]
    changed: tuple[str, ...]
    unchanged: int


@dataclass(frozen=True)
class Token:
    """A token without itself. It opens from `created_at` until just before `expires_at`."""

    id: int
    person_id: int
    scope: Scope
    label: str
    created_at: datetime
    expires_at: datetime
    revoked_at: datetime | None


@dataclass(frozen=True)
class Extension:
    """More time or more slots. `until` is the last instant in time; `day` is empty where the slots hold every day."""

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
    """Points of one person for one part of a homework, entered by hand."""

    competition: str
    person_key: str
    part: str
    points: float
    reason: str
    actor: str
    at: datetime


# People and teams


def is_empty(db: Database) -> bool:
    """Whether there is no roster, as at home."""
    return db.one("SELECT 1 FROM people LIMIT 1") is None


def people(db: Database) -> list[Person]:
    """Everybody who is or was on the roster, by key."""
    rows = db.fetch(f"SELECT {_PERSON} FROM people ORDER BY id")
    return sorted((_as_person(row) for row in rows), key=lambda person: person.key)


def find_person(db: Database, key: str) -> Person | None:
    """The person of that key, also a disabled one."""
    row = db.one(f"SELECT {_PERSON} FROM people WHERE key = :key", key=key)
    return None if row is None else _as_person(row)


def display_names(db: Database) -> dict[str, str]:
    """What boards show of a participant, by the key under which it hands in; a team is shown by its own name."""
    return dict(db.fetch("SELECT key, name FROM people"))


def problems_of(entries: Sequence[Entry], before: Sequence[Person] = (), taken: Sequence[str] = ()) -> list[list[str]]:
    """What is wrong with each entry, as sentences; an entry without problems has none.

    `before` is the roster that the entries are added to, `taken` are names that baselines have on a board.
    """
    problems = [_own_problems(entry) for entry in entries]
    others = {alike(name) for name in taken}
    keys: dict[str, int] = {}
    for place, entry in enumerate(entries):
        first = keys.setdefault(alike(entry.key), place)
        if first != place:
            problems[place].append(f"the id {entry.key} is there twice")
        for text in (entry.key, entry.name, entry.team):
            if text is not None and alike(text) in others:
                problems[place].append(f"{text} is the name of a baseline on a board")
    stay = [person for person in before if alike(person.key) not in keys]
    for person in before:
        place_of = keys.get(alike(person.key))
        if place_of is not None and entries[place_of].key != person.key:
            problems[place_of].append(f"the id {entries[place_of].key} differs from {person.key} in capitals only")
    names = {alike(person.name): f"that of {person.key}" for person in stay if person.disabled_at is None}
    all_keys = set(keys) | {alike(person.key) for person in stay}
    old_teams = {alike(team): team for team in [person.team for person in stay] if team}
    teams = dict(old_teams)
    disabled = {person.key for person in before if person.disabled_at is not None}
    for place, entry in enumerate(entries):
        if entry.key in disabled:
            continue
        whose = names.setdefault(alike(entry.name), f"that of {entry.key}")
        if whose != f"that of {entry.key}":
            problems[place].append(f"the name {entry.name} is {whose}, too; boards show it, so add something to one")
    for place, entry in enumerate(entries):
        if entry.team is None:
            continue
        spelled = teams.setdefault(alike(entry.team), entry.team)
        if spelled != entry.team:
            problems[place].append(f"the team {entry.team} differs from {spelled} in capitals only")
        if alike(entry.team) in all_keys or alike(entry.team) in names:
            problems[place].append(f"the team {entry.team} has the id or the name of a person")
        if entry.role in ("ta", "instructor"):
            problems[place].append("staff are in no team")
    for place, entry in enumerate(entries):
        for what, text in (("id", entry.key), ("name", entry.name)):
            if alike(text) in old_teams:
                problems[place].append(f"the {what} {text} is that of a team")
    return problems


def alike(text: str) -> str:
    """Text as it is compared where a person could take one for the other."""
    return unicodedata.normalize("NFKC", text).casefold()


def _own_problems(entry: Entry) -> list[str]:
    problems = []
    for what, text in (("id", entry.key), ("name", entry.name), ("team", entry.team)):
        if text is not None and (not text or len(text) > MAX_LENGTH or not text.isprintable() or text != text.strip()):
            problems.append(f"the {what} must have 1 to {MAX_LENGTH} printable characters")
    if any(character.isspace() for character in entry.key):
        problems.append("an id has no spaces")
    if not re.fullmatch(r"([^@\s]+@[^@\s]+)?", entry.email) or len(entry.email) > 254 or not entry.email.isprintable():
        problems.append("the e-mail address is none")
    if entry.role not in ROLES:
        problems.append(f"the role must be one of {', '.join(ROLES)}")
    return problems


def import_people(db: Database, entries: Sequence[Entry], *, actor: str, reason: str, now: datetime) -> Imported:
    """Add people and change those who are there; nobody is taken off, and who is disabled stays so.

    Raises LeaderboardError E_ROSTER (exit 2) for entries that `problems_of` finds fault with.
    """
    reason = checked_reason(reason)
    with db.transaction():
        before = people(db)
        found = [text for problems in problems_of(entries, before, _baselines(db)) for text in problems]
        if found:
            raise LeaderboardError("; ".join(found[:20]), code="E_ROSTER", exit_code=2)
        known = {person.key: person for person in before}
        added = [entry for entry in entries if entry.key not in known]
        changed = [entry for entry in entries if entry.key in known and entry != _as_entry(known[entry.key])]
        for entry in changed:  # names may change places: each one is unique at every moment
            db.execute("UPDATE people SET name = :name WHERE key = :key", name=f"\x01{entry.key}", key=entry.key)
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
        if added or changed:
            digests = {
                entry.key: person_digest(entry.key, entry.name, entry.email, entry.role, entry.team)
                for entry in (*added, *changed)
            }
            events.append(db, "roster imported", actor, {"reason": reason, "people": digests}, now)
    unchanged = len(entries) - len(added) - len(changed)
    return Imported(tuple(entry.key for entry in added), tuple(entry.key for entry in changed), unchanged)


def add_person(db: Database, entry: Entry, *, actor: str, reason: str, now: datetime) -> Person:
    """Add one person, or change the one of that key."""
    import_people(db, [entry], actor=actor, reason=reason, now=now)
    found = find_person(db, entry.key)
    assert found is not None
    return found


def disable(db: Database, key: str, *, actor: str, reason: str, now: datetime) -> Person:
    """Take a person off the roster: tokens are revoked and nothing more is accepted; what there is stays."""
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
    """Put a person back on the roster; the old tokens stay revoked. Raises E_ROSTER where the name is taken."""
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
    """Keep the hash of a new token of a person; the token's number. Raises LeaderboardError E_DISABLED (exit 6)."""
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
    """Keep the hashes of new tokens, one for each person by key; where `replace`, older ones of that label end."""
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
    """The token of that hash and its person, where it opens now: not revoked, not expired, the person not disabled.

    Of a browser that was signed out, whose `session` was ended, it opens nothing.
    """
    row = db.one(
        "SELECT t.id, t.person_id, t.scope, t.label, t.created_at, t.expires_at, t.revoked_at, "
        "p.id, p.key, p.name, p.email, p.role, p.team, p.disabled_at, p.created_at "
        "FROM tokens t JOIN people p ON p.id = t.person_id WHERE t.hash = :hash AND t.revoked_at IS NULL "
        "AND p.disabled_at IS NULL AND t.expires_at > :now "
        "AND NOT EXISTS (SELECT 1 FROM ended_sessions e WHERE e.session = :session)",
        hash=hash, now=microseconds(now), session=session,
    )  # fmt: skip
    return None if row is None else (_as_token(row[:7]), _as_person(row[7:]))


def end_session(db: Database, session: str, ends: datetime, now: datetime) -> None:
    """Sign a browser out, whose session would have lasted until `ends`. It leaves no event: nothing else changes."""
    with db.transaction():
        db.execute("DELETE FROM ended_sessions WHERE ends_at < :now", now=microseconds(now))
        db.execute(
            "INSERT INTO ended_sessions (session, ends_at) VALUES (:session, :ends) ON CONFLICT DO NOTHING",
            session=session, ends=microseconds(ends),
        )  # fmt: skip


def tokens(db: Database, key: str) -> list[Token]:
    """All tokens of a person, also those that no longer open, in the order in which they were made."""
    rows = db.fetch(
        "SELECT t.id, t.person_id, t.scope, t.label, t.created_at, t.expires_at, t.revoked_at FROM tokens t "
        "JOIN people p ON p.id = t.person_id WHERE p.key = :key ORDER BY t.id",
        key=key,
    )
    return [_as_token(row) for row in rows]


def revoke_token(db: Database, token_id: int, actor: str, now: datetime, reason: str = "") -> bool:
    """End a token; False where there is no such one or it was revoked before."""
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
    """Exchange an invitation for a token of the same scope: the invitation is spent. None where it does not open.

    What is no invitation is left alone and gives None, too.
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
    """Give a person, a team or all more time or more slots.

    Raises LeaderboardError: E_ROSTER (exit 2) for somebody unknown, E_CLOSED (exit 5) once the private part was
    revealed, since who knows it may not go on.
    """
    reason = checked_reason(reason)
    assert slots >= 0, "the command line takes no other"
    with db.transaction():
        if db.one("SELECT 1 FROM reveals WHERE competition = :competition", competition=competition):
            raise LeaderboardError(
                f"{competition} was revealed; it cannot be extended any more.", code="E_CLOSED", exit_code=5
            )
        _check_whom(db, competition, who_kind, who)
        values = {
            "id": _next_id(db, "extensions"), "competition": competition, "who_kind": who_kind, "who": who,
            "until": None if until is None else microseconds(until), "slots": slots, "day": day, "reason": reason,
            "actor": actor, "at": microseconds(now),
        }  # fmt: skip
        _keep_extension(db, values, now)
        return _as_extension(tuple(values.values()))


def carry_extensions(db: Database, old: str, new: str, actor: str, now: datetime) -> None:
    """Gives the extensions of a competition's old data for its new data too, in their order. Within a transaction."""
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


def _check_whom(db: Database, competition: str, who_kind: Whom, who: str) -> None:
    if who_kind == "all":
        assert who == ""
        return
    if is_empty(db):  # at home the names on the board are all there is
        known = db.one(
            "SELECT 1 FROM participants WHERE competition = :competition AND name = :who",
            competition=competition, who=who,
        )  # fmt: skip
        if known is None or who_kind == "team":
            raise LeaderboardError(f"Nobody called {who} has handed in.", code="E_ROSTER", exit_code=2)
    elif who_kind == "team":
        if db.one("SELECT 1 FROM people WHERE team = :who", who=who) is None:
            raise LeaderboardError(f"There is no team {who} on the roster.", code="E_ROSTER", exit_code=2)
    elif (team := _person(db, who).team) is not None:
        raise LeaderboardError(f"{who} hands in with the team {team}; extend the team.", code="E_ROSTER", exit_code=2)


def extensions(db: Database, competition: str | None = None) -> list[Extension]:
    """All extensions in the order in which they were given, of one competition where named."""
    only = "" if competition is None else "WHERE competition = :competition"
    values = {} if competition is None else {"competition": competition}
    return [_as_extension(row) for row in db.fetch(f"SELECT {_EXTENSION} FROM extensions {only} ORDER BY id", **values)]


def extensions_of(db: Database, competition: str, participant: str) -> list[Extension]:
    """The extensions that hold for a participant, oldest first: for all, for the team, and for its one person."""
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
    """Enter a person's points for one part of a homework, in place of those entered before."""
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
    """Enter points of (person's key, part), all or none; each leaves an event of its own."""
    reason = checked_reason(reason)
    entered = []
    with db.transaction():
        at_home, number = is_empty(db), _next_id(db, "parts")
        for place, (key, part, points) in enumerate(entries):
            if not math.isfinite(points):
                raise ValueError("points are finite")
            if not at_home and _person(db, key).role != "student":
                raise LeaderboardError(f"{key} is no student and has no points.", code="E_ROSTER", exit_code=2)
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
    """The points that count of one homework, by (person's key, part): the newest of each."""
    rows = db.fetch(f"SELECT {_PART} FROM parts WHERE competition = :competition ORDER BY id", competition=competition)
    return {(part.person_key, part.part): part for part in map(_as_part, rows)}


# Helpers


def checked_reason(text: str) -> str:
    """A reason that can be kept. Raises LeaderboardError E_REASON (exit 2) for none."""
    text = text.strip()
    if not text or len(text) > MAX_REASON or not text.isprintable():
        raise LeaderboardError(
            f"a reason has 1 to {MAX_REASON} printable characters; it is kept in the log.",
            code="E_REASON",
            exit_code=2,
        )
    return text


_PERSON = "id, key, name, email, role, team, disabled_at, created_at"
_EXTENSION = "id, competition, who_kind, who, until, slots, day, reason, actor, at"
_PART = "id, competition, person_key, part, points, reason, actor, at"


def _person(db: Database, key: str) -> Person:
    found = find_person(db, key)
    if found is None:
        raise LeaderboardError(f"There is nobody with the id {key} on the roster.", code="E_ROSTER", exit_code=2)
    return found


def _baselines(db: Database) -> list[str]:
    return [name for (name,) in db.fetch("SELECT DISTINCT name FROM participants WHERE kind <> 'person'")]


def _next_id(db: Database, table: str) -> int:
    row = db.one(f"SELECT max(id) FROM {table}")
    return (row[0] if row and row[0] else 0) + 1


def _when(at: int | None) -> datetime | None:
    return None if at is None else instant(at)


def _as_person(row: tuple[Any, ...]) -> Person:
    number, key, name, email, role, team, disabled_at, created_at = row
    return Person(number, key, name, email, role, team, _when(disabled_at), instant(created_at))


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
