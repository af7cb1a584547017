"""The log of what happened: only appended to, each event hashed together with the one before it.

A chain that lies with the instructor alone proves nothing against the instructor; it does so together with the signed
receipts, which hold the chain's hash and lie with the students. For that reason nothing that depends on a hidden answer
may enter an event: no score, no bar, no hash of answers.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from leaderboard.database import Database, LeaderboardError
from leaderboard.receipts import canonical, instant, microseconds, rfc3339
from leaderboard.receipts import verify as verify_receipt

GENESIS = "0" * 64

_PAGE = 5000


@dataclass(frozen=True)
class Event:
    """One row of the log. `body` is canonical JSON, kept as it was hashed."""

    seq: int
    at: datetime
    kind: str
    actor: str
    body: str
    hash: str


@dataclass(frozen=True)
class Finding:
    """Something that does not fit. `seq` is the number of the event where it shows, None where there is none."""

    seq: int | None
    message: str


def chain_hash(previous: str, seq: int, at: int, kind: str, actor: str, body: str) -> str:
    """SHA-256 over the hash before and the canonical JSON of the fields, in hexadecimal."""
    return hashlib.sha256(f"{previous}\n{canonical([seq, at, kind, actor, body])}".encode()).hexdigest()


def append(db: Database, kind: str, actor: str, body: Mapping[str, Any], now: datetime) -> Event:
    """Add an event, within `db.transaction()`."""
    head = db.one("SELECT seq, hash FROM chain_head WHERE id = 1")
    assert head is not None, "the migration made the head"
    seq, previous = int(head[0]) + 1, str(head[1])
    at, text = microseconds(now), canonical(body)
    digest = chain_hash(previous, seq, at, kind, actor, text)
    db.execute(
        "INSERT INTO events (seq, at, kind, actor, body, previous, hash) "
        "VALUES (:seq, :at, :kind, :actor, :body, :previous, :hash)",
        seq=seq, at=at, kind=kind, actor=actor, body=text, previous=previous, hash=digest,
    )  # fmt: skip
    db.execute("UPDATE chain_head SET seq = :seq, hash = :hash WHERE id = 1", seq=seq, hash=digest)
    return Event(seq, now, kind, actor, text, digest)


def events(db: Database) -> Iterator[Event]:
    """All events in order."""
    for seq, at, kind, actor, body, _, digest in _pages(
        db, "SELECT seq, at, kind, actor, body, previous, hash FROM events WHERE seq > :last ORDER BY seq LIMIT :page"
    ):
        yield Event(seq, instant(at), kind, actor, body, digest)


def count(db: Database) -> int:
    """How many events the head of the log says there are."""
    row = db.one("SELECT seq FROM chain_head WHERE id = 1")
    return int(row[0]) if row else 0


def verify(db: Database, public_key: str | None = None) -> list[Finding]:
    """Everything in the log that does not hold, and everything in the tables that the log does not bear out.

    Finds and locates a changed byte, a removed, inserted or reordered event, and a cut tail; then that every accepted
    submission, rejection, grade, selection and reveal is what its event says, and that every receipt's signature (where
    the public key is given) and chain hash fit. Scores are not in the log: `store.grade_rows` gives what to check them
    by. The chain's own findings come first; empty means that all holds.
    """
    chain: list[Finding] = []
    tables: list[Finding] = []
    with db.reading():
        hashes: dict[int, str] = {}
        told = _Told()
        for seq, kind, body, digest in _chain(db, chain):
            hashes[seq] = digest
            told.add(seq, kind, body, chain)
        _check_submissions(db, told, hashes, public_key, tables)
        _check_grades(db, told, tables)
        _check_choices(db, told, tables)
    return chain + sorted(tables, key=lambda finding: (finding.seq is None, finding.seq or 0))


def _chain(db: Database, findings: list[Finding]) -> Iterator[tuple[int, str, str, str]]:
    """Number, kind, body and hash of the events, with what is wrong in the chain itself added to the findings.

    An event whose own hash fails was changed. One whose own hash holds but that does not follow its sound neighbour
    tells of a neighbour that was removed, inserted or moved.
    """
    expected, allowed = 1, {GENESIS}
    for seq, at, kind, actor, body, previous, stored in _pages(
        db, "SELECT seq, at, kind, actor, body, previous, hash FROM events WHERE seq > :last ORDER BY seq LIMIT :page"
    ):
        try:
            computed = chain_hash(previous, seq, at, kind, actor, body)
        except TypeError:  # a byte string where text should be
            computed = ""
        if seq > expected:
            which = f"event {expected} is" if seq == expected + 1 else f"events {expected} to {seq - 1} are"
            findings.append(Finding(expected, f"{which} missing"))
        elif seq < expected:
            findings.append(Finding(seq, f"event {seq} was inserted: the log starts at 1"))
        if computed != stored:
            findings.append(Finding(seq, f"event {seq} was changed: its content does not fit its hash"))
        elif seq == expected and previous not in allowed:
            findings.append(Finding(seq, f"event {seq} does not follow event {seq - 1}: one of them was put there"))
        # After a changed event either hash may be the true one; it was reported already.
        allowed = {computed, stored}
        expected = seq + 1
        yield seq, kind, body, stored
    head = db.one("SELECT seq, hash FROM chain_head WHERE id = 1")
    if head is None:
        findings.append(Finding(None, "the head of the log is missing"))
    elif head[0] >= expected:
        findings.append(Finding(expected, f"the log was cut: it ends at {expected - 1}, its head says {head[0]}"))
    elif head[0] != expected - 1 or head[1] not in allowed:
        findings.append(
            Finding(
                expected - 1,
                f"the head of the log says {head[0]}, but it ends at {expected - 1}"
                if head[0] != expected - 1
                else "the head of the log has another hash than its end",
            )
        )


class _Told:
    """What the events say about the tables."""

    def __init__(self) -> None:
        self.accepted: dict[int, tuple[int, dict[str, Any]]] = {}
        self.rejected: dict[int, tuple[int, str]] = {}
        self.graded: dict[int, int] = {}
        self.selected: dict[tuple[str, str], tuple[int, list[int]]] = {}
        self.revealed: dict[str, int] = {}

    def add(self, seq: int, kind: str, text: str, findings: list[Finding]) -> None:
        try:
            body = json.loads(text)
            match kind:
                case "accepted":
                    self.accepted[body["submission"]] = seq, body
                case "rejected":
                    self.rejected[body["submission"]] = seq, body["code"]
                case "graded":
                    self.graded[seq] = body["submission"]
                case "selected":
                    self.selected[body["competition"], body["participant"]] = seq, sorted(body["submissions"])
                case "revealed":
                    self.revealed.setdefault(body["competition"], seq)
        except (ValueError, TypeError, KeyError):
            if not any(finding.seq == seq for finding in findings):
                findings.append(Finding(seq, f"event {seq} ({kind}) cannot be read"))


def _check_submissions(
    db: Database, told: _Told, hashes: Mapping[int, str], public_key: str | None, findings: list[Finding]
) -> None:
    accepted, rejected = dict(told.accepted), dict(told.rejected)
    for number, competition, participant, entry, sha256, size, at, day, code, seq, receipt in _pages(
        db,
        "SELECT s.id, p.competition, p.name, s.entry, s.sha256, s.size, s.accepted_at, s.quota_day, s.rejected_code, "
        "s.event_seq, s.receipt FROM submissions s JOIN participants p ON p.id = s.participant_id "
        "WHERE s.id > :last ORDER BY s.id LIMIT :page",
    ):
        said_seq, said = accepted.pop(number, (None, {}))
        row = {
            "submission": number, "competition": competition, "participant": participant, "entry": entry,
            "sha256": sha256, "size": size, "accepted_at": _time(at), "quota_day": day,
        }  # fmt: skip
        if said_seq is None or said_seq != seq:
            findings.append(Finding(seq, f"submission {number} has no event that accepted it"))
        else:
            different = [name for name, value in row.items() if said.get(name) != value]
            if different:
                findings.append(Finding(seq, f"submission {number}: {', '.join(different)} differ from event {seq}"))
        rejected_seq, rejected_code = rejected.pop(number, (None, None))
        if rejected_code != code:
            findings.append(
                Finding(
                    rejected_seq or seq, f"submission {number} is {_state(code)}; the log says {_state(rejected_code)}"
                )
            )
        _check_receipt(number, row, seq, hashes.get(seq), receipt, public_key, findings)
    for number, (seq, _) in [*accepted.items(), *rejected.items()]:
        findings.append(Finding(seq, f"submission {number} of event {seq} is missing"))


def _time(at: Any) -> str:
    try:
        return rfc3339(instant(at))
    except (OverflowError, TypeError):  # no instant at all
        return repr(at)


def _state(code: str | None) -> str:
    return f"rejected ({code})" if code else "not rejected"


def _check_receipt(
    number: int,
    row: Mapping[str, Any],
    seq: int,
    digest: str | None,
    text: str,
    public_key: str | None,
    findings: list[Finding],
) -> None:
    try:
        if public_key is not None:
            verify_receipt(text, public_key)
        receipt = json.loads(text)
        fits = receipt["chain_seq"] == seq and receipt["chain_hash"] == digest
        same = all(receipt[name] == value for name, value in row.items())
    except (LeaderboardError, ValueError, TypeError, KeyError):
        findings.append(Finding(seq, f"the receipt of submission {number} was changed: its signature does not hold"))
        return
    if not fits:
        findings.append(Finding(seq, f"the receipt of submission {number} names another chain than event {seq}"))
    elif not same:
        findings.append(Finding(seq, f"the receipt of submission {number} says something else than its row"))


def _check_grades(db: Database, told: _Told, findings: list[Finding]) -> None:
    graded = dict(told.graded)
    for _, number, seq, public, key, higher, code, participants in _pages(
        db,
        "SELECT g.id, g.submission_id, g.event_seq, g.public, g.public_key, v.higher_is_better, s.rejected_code, "
        "g.participant_id = s.participant_id FROM grades g JOIN versions v ON v.id = g.version_id "
        "JOIN submissions s ON s.id = g.submission_id WHERE g.id > :last ORDER BY g.id LIMIT :page",
    ):
        if graded.pop(seq, None) != number:
            findings.append(Finding(seq, f"a grade of submission {number} has no event"))
        if (
            not isinstance(public, float)
            or key != (public if higher else -public)
            or code is not None
            or not participants
        ):
            findings.append(
                Finding(seq, f"a grade of submission {number} was changed: its columns contradict each other")
            )
    for seq, number in graded.items():
        findings.append(Finding(seq, f"the grade of submission {number} of event {seq} is missing"))


def _check_choices(db: Database, told: _Told, findings: list[Finding]) -> None:
    chosen: dict[tuple[str, str], list[int]] = {}
    for competition, participant, number in db.fetch(
        "SELECT p.competition, p.name, c.submission_id FROM selections c JOIN participants p ON p.id = c.participant_id"
    ):
        chosen.setdefault((competition, participant), []).append(number)
    for who in chosen.keys() | told.selected.keys():
        seq, said = told.selected.get(who, (None, []))
        if sorted(chosen.get(who, [])) != said:
            findings.append(Finding(seq, f"{who[0]}: the selection of {who[1]} is not what the log says"))
    shown = {competition for (competition,) in db.fetch("SELECT competition FROM reveals")}
    for competition in shown ^ told.revealed.keys():
        said_it = "not " if competition in shown else ""
        findings.append(Finding(told.revealed.get(competition), f"{competition} was {said_it}revealed by the log"))


def _pages(db: Database, sql: str) -> Iterator[tuple[Any, ...]]:
    """The rows of a query that counts up by its first column, a page at a time."""
    last = -(2**62)
    while rows := db.fetch(sql, last=last, page=_PAGE):
        yield from rows
        last = rows[-1][0]
