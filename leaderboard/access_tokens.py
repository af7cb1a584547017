"""Tokens and invitations; only their hashes are kept."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from leaderboard import events
from leaderboard.adjustments import changed_meanwhile
from leaderboard.database import Database
from leaderboard.receipts import canonical, microseconds, rfc3339
from leaderboard.roster import SELECT_PEOPLE, SELECT_PERSON, Person, known_person, people
from leaderboard.rows import made
from tasks.errors import UserError

Scope = Literal["all", "submit", "read"]


INVITATION = "invitation"
"""The label of the tokens in a CSV of invitations."""


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
    """Store the hash of a person's new token; returns its number. Raises UserError E_DISABLED (exit 6)."""
    return issue_tokens(
        db, {person_key: hash}, scope=scope, label=label, expires=expires, actor=actor, reason="", now=now
    )[0]


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
    expected: str | None = None,
) -> list[int]:
    """Store the hashes of new tokens by person's key; `replace` revokes older ones with that label.

    Raises UserError E_CHANGED (exit 8) if the `digest` of these people is not the expected one.
    """
    with db.transaction():
        if expected not in (None, digest(db, hashes)):
            raise changed_meanwhile("the tokens of these people")
        return _issue(db, hashes, scope, label, expires, actor, reason, now, replace)


def digest(db: Database, keys: Iterable[str]) -> str:
    """These people, their addresses, and their tokens that are not revoked, as a digest."""
    live: dict[str, list[int]] = {}
    for token, person in tokens_of_all(db):
        if token.revoked_at is None:
            live.setdefault(person.key, []).append(token.id)
    addresses = {person.key: person.email for person in people(db)}
    state = [[key, addresses.get(key), live.get(key, [])] for key in keys]
    return hashlib.sha256(canonical(state).encode()).hexdigest()[:16]


def _issue(
    db: Database,
    hashes: Mapping[str, str],
    scope: Scope,
    label: str,
    expires: datetime,
    actor: str,
    reason: str,
    now: datetime,
    replace: bool,
) -> list[int]:
    numbers, ended = [], []
    number = db.next_id("tokens")
    for key, digest in hashes.items():
        person = known_person(db, key)
        if person.disabled_at is not None:
            raise UserError(f"{key} was taken off the roster.", code="E_DISABLED", exit_code=6)
        if replace:
            ended += [one.id for one in tokens(db, key) if one.label == label and one.revoked_at is None]
        db.execute(
            "INSERT INTO tokens (id, person_id, hash, scope, label, created_at, expires_at) "
            "VALUES (:id, :person, :hash, :scope, :label, :at, :expires)",
            id=number,
            person=person.id,
            hash=digest,
            scope=scope,
            label=label,
            at=microseconds(now),
            expires=microseconds(expires),
        )
        numbers.append(number)
        number += 1
    revoke_numbers(db, ended, now)
    body = {
        "tokens": [[n, key, digest] for n, (key, digest) in zip(numbers, hashes.items(), strict=True)],
        "scope": scope,
        "label": label,
        "expires_at": rfc3339(expires),
        "revoked": ended,
        "reason": reason,
    }
    if numbers:
        events.append(db, "tokens issued", actor, body, now)
    return numbers


def find_token(db: Database, hash: str, now: datetime, session: str = "") -> tuple[Token, Person] | None:
    """The valid token with that hash, and its person: not revoked, not expired, the person not disabled.

    It is not valid in a browser `session` that was signed out.
    """
    row = db.one(
        f"SELECT {_TOKEN} FROM tokens t JOIN people p ON p.id = t.person_id WHERE t.hash = :hash "
        "AND t.revoked_at IS NULL AND p.disabled_at IS NULL AND t.expires_at > :now "
        "AND NOT EXISTS (SELECT 1 FROM ended_sessions e WHERE e.session = :session)",
        hash=hash, now=microseconds(now), session=session,
    )  # fmt: skip
    if row is None:
        return None
    person = db.one(f"SELECT {SELECT_PERSON} FROM {SELECT_PEOPLE} WHERE p.id = :id", id=row["person_id"])
    return None if person is None else (made(Token, row), made(Person, person))


def end_session(db: Database, session: str, ends: datetime, now: datetime) -> None:
    """Sign a browser out of a session that would last until `ends`. No event is logged: nothing else changes."""
    with db.transaction():
        db.execute("DELETE FROM ended_sessions WHERE ends_at < :now", now=microseconds(now))
        db.execute(
            "INSERT INTO ended_sessions (session, ends_at) VALUES (:session, :ends) ON CONFLICT DO NOTHING",
            session=session,
            ends=microseconds(ends),
        )


def tokens(db: Database, key: str) -> list[Token]:
    """All of a person's tokens, expired and revoked ones included, in the order they were issued."""
    rows = db.fetch(
        f"SELECT {_TOKEN} FROM tokens t JOIN people p ON p.id = t.person_id WHERE p.key = :key ORDER BY t.id", key=key
    )
    return [made(Token, row) for row in rows]


def tokens_of_all(db: Database) -> list[tuple[Token, Person]]:
    """Everybody's tokens with their persons, in the order they were issued."""
    persons = {person.id: person for person in people(db)}
    rows = db.fetch(f"SELECT {_TOKEN} FROM tokens t ORDER BY t.id")
    return [(token, persons[token.person_id]) for token in (made(Token, row) for row in rows)]


def live(db: Database, key: str, now: datetime) -> list[Token]:
    """A person's tokens that are neither revoked nor expired."""
    return [token for token in tokens(db, key) if token.revoked_at is None and token.expires_at > now]


def find_numbered(db: Database, number: int) -> tuple[Token, Person] | None:
    """The token with that number, valid or not, and its person; None without one."""
    return next((found for found in tokens_of_all(db) if found[0].id == number), None)


def revoke_token(db: Database, token_id: int, actor: str, now: datetime, reason: str = "") -> bool:
    """Revoke a token; False if it does not exist or is already revoked."""
    with db.transaction():
        if not db.one("SELECT 1 FROM tokens WHERE id = :id AND revoked_at IS NULL", id=token_id):
            return False
        revoke_numbers(db, [token_id], now)
        events.append(db, "token revoked", actor, {"tokens": [token_id], "reason": reason}, now)
        return True


def revoke_hashes(db: Database, hashes: Sequence[str], actor: str, now: datetime, reason: str) -> list[int]:
    """Revoke the tokens with these hashes; returns the numbers of those that were not revoked already."""
    with db.transaction():
        found = [db.one("SELECT id FROM tokens WHERE hash = :hash AND revoked_at IS NULL", hash=one) for one in hashes]
        numbers = [int(row["id"]) for row in found if row is not None]
        revoke_numbers(db, numbers, now)
        if numbers:
            events.append(db, "token revoked", actor, {"tokens": numbers, "reason": reason}, now)
        return numbers


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
        revoke_numbers(db, [token.id], now)
        events.append(db, "token revoked", person.key, {"tokens": [token.id], "reason": "redeemed"}, now)
        _issue(db, {person.key: new_hash}, token.scope, label, expires, person.key, "redeemed", now, replace=False)
        return find_token(db, new_hash, now)


def revoke_numbers(db: Database, numbers: Sequence[int], now: datetime) -> None:
    for number in numbers:
        db.execute("UPDATE tokens SET revoked_at = :at WHERE id = :id", at=microseconds(now), id=number)


_TOKEN = "t.id, t.person_id, t.scope, t.label, t.created_at, t.expires_at, t.revoked_at"
