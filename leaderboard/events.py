"""The event log: append-only, each event hashed together with the previous one.

A chain that only the instructor has proves nothing against the instructor; together with the signed receipts it does,
since students keep these and they contain the chain's hash. For that reason nothing that depends on a hidden answer
may enter an event: no score, no bar, no hash of answers.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from leaderboard.bodies import (
    Finding,
    announcement_body,
    attachment_body,
    extension_body,
    fits_attachment,
    part_body,
    person_digest,
    team_digest,
    time_text,
    verification_body,
)
from leaderboard.database import Database
from leaderboard.receipts import canonical, microseconds
from leaderboard.receipts import verify as verify_receipt
from leaderboard.rows import Row, made
from tasks.errors import UserError

GENESIS = "0" * 64
DISQUALIFIED = "E_DISQUALIFIED"
"""The code of a submission that staff took out of the count."""

_PAGE = 5000
_LOG = "SELECT seq, at, kind, actor, body, previous, hash FROM events WHERE seq > :last ORDER BY seq LIMIT :page"


@dataclass(frozen=True)
class Event:
    """One row of the log. `body` is canonical JSON, kept as it was hashed."""

    seq: int
    at: datetime
    kind: str
    actor: str
    body: str
    hash: str


def chain_hash(previous: str, seq: int, at: int, kind: str, actor: str, body: str) -> str:
    """SHA-256 over the previous hash and the canonical JSON of the fields, in hexadecimal."""
    return hashlib.sha256(f"{previous}\n{canonical([seq, at, kind, actor, body])}".encode()).hexdigest()


def append(db: Database, kind: str, actor: str, body: Mapping[str, Any], now: datetime) -> Event:
    """Append an event, within `db.transaction()`."""
    head = db.one("SELECT seq, hash FROM chain_head WHERE id = 1")
    assert head is not None, "the migration made the head"
    seq, previous = int(head["seq"]) + 1, str(head["hash"])
    at, text = microseconds(now), canonical(body)
    digest = chain_hash(previous, seq, at, kind, actor, text)
    db.execute(
        "INSERT INTO events (seq, at, kind, actor, body, previous, hash) "
        "VALUES (:seq, :at, :kind, :actor, :body, :previous, :hash)",
        seq=seq,
        at=at,
        kind=kind,
        actor=actor,
        body=text,
        previous=previous,
        hash=digest,
    )
    db.execute("UPDATE chain_head SET seq = :seq, hash = :hash WHERE id = 1", seq=seq, hash=digest)
    return Event(seq, now, kind, actor, text, digest)


def events(db: Database) -> Iterator[Event]:
    """All events in order."""
    for row in _pages(db, _LOG):
        del row["previous"]
        yield made(Event, row)


def count(db: Database) -> int:
    """The number of events according to the head of the log."""
    return int(db.value("SELECT seq FROM chain_head WHERE id = 1") or 0)


def verify(db: Database, public_key: str | None = None) -> list[Finding]:
    """All inconsistencies in the log, and between the log and the tables; none means that everything is consistent.

    Locates a changed byte, a removed, inserted or reordered event, and a truncated log; then checks that each accepted
    submission, rejection, grade, selection and reveal matches its event, and so does each person, team, membership,
    token, extension, entry of points, verified model, second file and change of rules; that every participant is on the
    roster; and that the signature (if the public key is given) and chain hash of each receipt are correct. Findings
    about the chain come first. Scores are not in the log.
    """
    chain: list[Finding] = []
    tables: list[Finding] = []
    with db.reading():
        hashes: dict[int, str] = {}
        told = _Told()
        for event in _chain(db, chain):
            hashes[event["seq"]] = event["hash"]
            told.add(event["seq"], event["kind"], event["actor"], event["body"], chain)
        _check_submissions(db, told, hashes, public_key, tables)
        _check_grades(db, told, tables)
        _check_choices(db, told, tables)
        _check_people(db, told, tables)
        _check_teams(db, told, tables)
        _check_members(db, told, tables)
        _check_given(db, told, tables)
        _check_attached(db, hashes, public_key, tables)
        _check_rules(db, told, tables)
    return chain + sorted(tables, key=lambda finding: (finding.seq is None, finding.seq or 0))


def _chain(db: Database, findings: list[Finding]) -> Iterator[Row]:
    """The rows of the events; faults of the chain itself are added to the findings.

    An event whose own hash fails was changed. One with a correct hash that does not follow its intact predecessor shows
    that an event was removed, inserted or moved.
    """
    expected, allowed = 1, {GENESIS}
    for row in _pages(db, _LOG):
        seq, previous, stored = row["seq"], row["previous"], row["hash"]
        try:
            computed = chain_hash(previous, seq, row["at"], row["kind"], row["actor"], row["body"])
        except TypeError:  # a byte string where text should be
            computed = ""
        if seq > expected:
            which = f"event {expected} is" if seq == expected + 1 else f"events {expected} to {seq - 1} are"
            findings.append(Finding(expected, f"{which} missing"))
        elif seq < expected:
            findings.append(Finding(seq, f"event {seq} was inserted: the log starts at 1"))
        if computed != stored:
            findings.append(Finding(seq, f"event {seq} was changed: its content does not match its hash"))
        elif seq == expected and previous not in allowed:
            findings.append(Finding(seq, f"event {seq} does not follow event {seq - 1}: one of them was inserted"))
        # After a changed event either hash may be the original one; it is reported already.
        allowed = {computed, stored}
        expected = seq + 1
        yield row
    head = db.one("SELECT seq, hash FROM chain_head WHERE id = 1")
    if head is None:
        findings.append(Finding(None, "the head of the log is missing"))
    elif head["seq"] >= expected:
        where = f"it ends at {expected - 1}, its head says {head['seq']}"
        findings.append(Finding(expected, f"the log was truncated: {where}"))
    elif head["seq"] != expected - 1:
        findings.append(Finding(expected - 1, f"the head of the log says {head['seq']}, but it ends at {expected - 1}"))
    elif head["hash"] not in allowed:
        findings.append(Finding(expected - 1, "the head of the log does not match the hash of its last event"))


class _Told:
    """The expected contents of the tables, collected from the events."""

    def __init__(self) -> None:
        self.accepted: dict[int, tuple[int, dict[str, Any]]] = {}
        self.carried: set[int] = set()
        self.rejected: dict[int, tuple[int, str]] = {}
        self.graded: dict[int, int] = {}
        self.selected: dict[tuple[str, str], tuple[int, list[int]]] = {}
        self.revealed: dict[str, int] = {}
        self.people: dict[str, tuple[int, str]] = {}
        self.disabled: dict[str, int] = {}
        self.tokens: dict[int, tuple[int, str, str, str, str, str]] = {}
        self.revoked: set[int] = set()
        self.extended: dict[int, tuple[int, dict[str, Any], str]] = {}
        self.points: dict[int, tuple[int, dict[str, Any], str]] = {}
        self.announced: dict[int, tuple[int, dict[str, Any], str]] = {}
        self.ended: set[int] = set()
        self.verified: dict[int, tuple[int, dict[str, Any], str]] = {}
        self.attached: dict[int, tuple[int, dict[str, Any], str]] = {}
        self.teams: dict[str, tuple[int, str]] = {}
        self.members: dict[tuple[str, str], tuple[int, str]] = {}
        self.rules: dict[str, tuple[int, dict[str, Any]]] = {}
        self.bars: dict[str, int] = {}
        self.roster: int | None = None

    def add(self, seq: int, kind: str, actor: str, text: str, findings: list[Finding]) -> None:
        try:
            body = json.loads(text)
            match kind:
                case "accepted":
                    self.accepted[body["submission"]] = seq, body
                    self.carried |= {seq} if "carried_from" in body else set()
                    for key in body.get("members", ()):
                        self.members[body["competition"], key] = seq, body["participant"]
                case "rejected":
                    self.rejected[body["submission"]] = seq, body["code"]
                case "disqualified":
                    self.rejected[body["submission"]] = seq, DISQUALIFIED
                case "reinstated":
                    self.rejected.pop(body["submission"])
                case "graded":
                    self.graded[seq] = body["submission"]
                case "selected":
                    self.selected[body["competition"], body["participant"]] = seq, sorted(body["submissions"])
                case "revealed":
                    self.revealed.setdefault(body["competition"], seq)
                case "roster imported":
                    self.people.update({key: (seq, digest) for key, digest in body["people"].items()})
                    self.teams.update({handle: (seq, digest) for handle, digest in body.get("teams", {}).items()})
                    self.roster = self.roster or seq
                case "memberships fixed" | "memberships moved":
                    for competition, key, participant in body["memberships"]:
                        self.members[competition, key] = seq, participant
                case "person disabled":
                    self.disabled[body["person"]] = seq
                    self.revoked.update(body["tokens"])
                case "person enabled":
                    self.disabled.pop(body["person"])
                case "tokens issued":
                    for number, key, digest in body["tokens"]:
                        self.tokens[number] = seq, key, digest, body["scope"], body["label"], body["expires_at"]
                    self.revoked.update(body["revoked"])
                case "token revoked":
                    self.revoked.update(body["tokens"])
                case "extended":
                    self.extended[body["extension"]] = seq, body, actor
                case "points entered":
                    self.points[body["entry"]] = seq, body, actor
                case "rules changed" if "rules" in body:  # older ones were of config.toml
                    self.rules[body["competition"].rpartition("/")[0]] = seq, body["rules"]
                case "bars set":
                    self.bars[body["competition"]] = seq
                case "announced":
                    self.announced[body["announcement"]] = seq, body, actor
                case "announcement ended":
                    self.ended.add(body["announcement"])
                case "model verified":
                    self.verified[body["verification"]] = seq, body, actor
                case "attached":
                    self.attached[body["attachment"]] = seq, body, actor
        except (ValueError, TypeError, KeyError):
            if not any(finding.seq == seq for finding in findings):
                findings.append(Finding(seq, f"event {seq} ({kind}) cannot be read"))


def _check_submissions(
    db: Database, told: _Told, hashes: Mapping[int, str], public_key: str | None, findings: list[Finding]
) -> None:
    accepted, rejected = dict(told.accepted), dict(told.rejected)
    for row in _pages(
        db,
        "SELECT s.id AS submission, p.competition, p.name AS participant, s.entry, s.sha256, s.size, s.accepted_at, "
        "s.quota_day, s.practice, s.rejected_code, s.event_seq, s.receipt FROM submissions s "
        "JOIN participants p ON p.id = s.participant_id WHERE s.id > :last ORDER BY s.id LIMIT :page",
    ):
        number, code, seq, receipt = (row["submission"], *map(row.pop, ("rejected_code", "event_seq", "receipt")))
        row |= {"accepted_at": time_text(row["accepted_at"]), "practice": bool(row["practice"])}
        said_seq, said = accepted.pop(number, (None, {}))
        if said_seq is None or said_seq != seq:
            findings.append(Finding(seq, f"submission {number} has no event that accepted it"))
        else:
            said = {"practice": False} | said  # missing in events older than practice
            different = [name for name, value in row.items() if said.get(name) != value]
            if different:
                findings.append(Finding(seq, f"submission {number}: {', '.join(different)} differ from event {seq}"))
        rejected_seq, rejected_code = rejected.pop(number, (None, None))
        if rejected_code != code:
            states = [f"rejected ({one})" if one else "not rejected" for one in (code, rejected_code)]
            message = f"submission {number} is {states[0]}; the log says {states[1]}"
            findings.append(Finding(rejected_seq or seq, message))
        _check_receipt(number, row, seq, hashes.get(seq), receipt, public_key, findings)
    for number, (seq, _) in [*accepted.items(), *rejected.items()]:
        findings.append(Finding(seq, f"submission {number} of event {seq} is missing"))


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
        receipt = {"practice": False} | receipt
        same = all(receipt[name] == value for name, value in row.items())
    except (UserError, ValueError, TypeError, KeyError):
        findings.append(Finding(seq, f"the receipt of submission {number} was changed: its signature is not valid"))
        return
    if not fits:
        findings.append(Finding(seq, f"the receipt of submission {number} does not match the chain at event {seq}"))
    elif not same:
        findings.append(Finding(seq, f"the receipt of submission {number} differs from its row"))


def _check_grades(db: Database, told: _Told, findings: list[Finding]) -> None:
    graded = dict(told.graded)
    for row in _pages(
        db,
        "SELECT g.id, g.submission_id, g.event_seq, g.public, g.public_key, v.higher_is_better, s.rejected_code, "
        "g.participant_id = s.participant_id AS own FROM grades g JOIN versions v ON v.id = g.version_id "
        "JOIN submissions s ON s.id = g.submission_id WHERE g.id > :last ORDER BY g.id LIMIT :page",
    ):
        number, seq, public = row["submission_id"], row["event_seq"], row["public"]
        if graded.pop(seq, None) != number:
            findings.append(Finding(seq, f"a grade of submission {number} has no event"))
        if (
            not isinstance(public, float)
            or row["public_key"] != (public if row["higher_is_better"] else -public)
            or row["rejected_code"] not in (None, DISQUALIFIED)
            or not row["own"]
        ):
            findings.append(
                Finding(seq, f"a grade of submission {number} was changed: its columns contradict each other")
            )
    for seq, number in graded.items():
        findings.append(Finding(seq, f"the grade of submission {number} of event {seq} is missing"))


def _check_choices(db: Database, told: _Told, findings: list[Finding]) -> None:
    chosen: dict[tuple[str, str], list[int]] = {}
    for row in db.fetch(
        "SELECT p.competition, p.name, c.submission_id FROM selections c JOIN participants p ON p.id = c.participant_id"
    ):
        chosen.setdefault((row["competition"], row["name"]), []).append(row["submission_id"])
    for who in chosen.keys() | told.selected.keys():
        seq, said = told.selected.get(who, (None, []))
        if sorted(chosen.get(who, [])) != said:
            findings.append(Finding(seq, f"{who[0]}: the selection of {who[1]} is not what the log says"))
    shown = set(db.column("SELECT competition FROM reveals"))
    for competition in shown ^ told.revealed.keys():
        said_it = "not " if competition in shown else ""
        findings.append(Finding(told.revealed.get(competition), f"{competition} was {said_it}revealed, says the log"))


def _check_people(db: Database, told: _Told, findings: list[Finding]) -> None:
    people, disabled = dict(told.people), dict(told.disabled)
    for row in _pages(
        db, "SELECT id, key, name, email, role, team, disabled_at FROM people WHERE id > :last ORDER BY id LIMIT :page"
    ):
        key = row["key"]
        seq, digest = people.pop(key, (None, None))
        if digest != person_digest(key, row["name"], row["email"], row["role"], row["team"]):
            findings.append(Finding(seq, f"{key} on the roster is not what the log says"))
        said = disabled.pop(key, None)
        if (row["disabled_at"] is None) != (said is None):
            is_it = "not disabled" if row["disabled_at"] is None else "disabled"
            findings.append(Finding(said, f"{key} on the roster is {is_it}; the log says otherwise"))
    for key, (seq, _) in people.items():
        findings.append(Finding(seq, f"{key} of event {seq} is missing from the roster"))
    tokens = dict(told.tokens)
    for row in _pages(
        db,
        "SELECT t.id, p.key, t.hash, t.scope, t.label, t.expires_at, t.revoked_at FROM tokens t "
        "JOIN people p ON p.id = t.person_id WHERE t.id > :last ORDER BY t.id LIMIT :page",
    ):
        number, key = row["id"], row["key"]
        seq, *issued = tokens.pop(number, (None,))
        if issued != [key, row["hash"], row["scope"], row["label"], time_text(row["expires_at"])]:
            findings.append(Finding(seq, f"token {number} of {key} is not what the log says"))
        if (row["revoked_at"] is not None) != (number in told.revoked):
            is_it = "not revoked" if row["revoked_at"] is None else "revoked"
            findings.append(Finding(seq, f"token {number} of {key} is {is_it}; the log says otherwise"))
    for number, (seq, *_) in tokens.items():
        findings.append(Finding(seq, f"token {number} of event {seq} is missing"))


def _check_teams(db: Database, told: _Told, findings: list[Finding]) -> None:
    said = dict(told.teams)
    for row in db.fetch("SELECT handle, name FROM teams"):
        handle = row["handle"]
        seq, digest = said.pop(handle, (None, team_digest(handle, handle)))  # older teams have their name as handle
        if digest != team_digest(handle, row["name"]):
            findings.append(Finding(seq, f"the team {handle} does not have the name that the log says"))
    for handle, (seq, _) in said.items():
        findings.append(Finding(seq, f"the team {handle} of event {seq} is missing"))
    for row in db.fetch(
        "SELECT p.key, p.team FROM people p LEFT JOIN teams t ON t.handle = p.team "
        "WHERE p.team IS NOT NULL AND t.handle IS NULL"
    ):
        findings.append(Finding(None, f"{row['key']} is in the team {row['team']}, which does not exist"))


def _check_members(db: Database, told: _Told, findings: list[Finding]) -> None:
    """Checks memberships against the log; each participant is a person, a team or older than the roster."""
    said = dict(told.members)
    for row in db.fetch(
        "SELECT m.competition, COALESCE(p.key, '?') AS key, m.participant, m.event_seq "
        "FROM memberships m LEFT JOIN people p ON p.id = m.person_id ORDER BY m.competition, m.person_id"
    ):
        competition, key, participant, seq = row["competition"], row["key"], row["participant"], row["event_seq"]
        if said.pop((competition, key), None) != (seq, participant):
            findings.append(Finding(seq, f"{competition}: the membership of {key} is not what the log says"))
    for (competition, key), (seq, _) in said.items():
        findings.append(Finding(seq, f"{competition}: the membership of {key} of event {seq} is missing"))
    if told.roster is None:
        return
    for row in db.fetch(
        "SELECT p.competition, p.name, COALESCE(min(s.event_seq), (SELECT min(a.event_seq) FROM attachments a WHERE a."
        "participant = p.name AND substr(p.competition, 1, length(a.competition) + 1) = a.competition || '/')) AS seq "
        "FROM participants p LEFT JOIN submissions s ON s.participant_id = p.id WHERE p.kind = 'person' "
        "AND NOT EXISTS (SELECT 1 FROM people q WHERE q.key = p.name) "
        "AND NOT EXISTS (SELECT 1 FROM teams t WHERE t.handle = p.name) GROUP BY p.id, p.competition, p.name"
    ):
        if row["seq"] in told.carried:  # by new data, from a submission that is looked at itself
            continue
        if row["seq"] is None or row["seq"] > told.roster:  # before the roster there were only names
            who = f"{row['competition']}: {row['name']}"
            findings.append(Finding(row["seq"], f"{who} has submissions but is not on the roster"))


def _check_given(db: Database, told: _Told, findings: list[Finding]) -> None:
    """Checks extensions, points and verified models against the log, both ways."""
    tables = (
        ("extension", told.extended, extension_body,
         "SELECT id, competition, who_kind, who, until, slots, day, reason, actor, at, event_seq FROM extensions"),
        ("entry of points", told.points, part_body,
         "SELECT id, competition, person_key, part, points, reason, actor, at, event_seq, attachment FROM parts"),
        ("announcement", told.announced, announcement_body,
         "SELECT id, text, actor, at, event_seq FROM announcements"),
        ("verification", told.verified, verification_body,
         "SELECT id, submission_id, model, size, parameters, equal_rows, all_rows, actor, at, event_seq "
         "FROM verifications"),
        ("attachment", told.attached, attachment_body,
         "SELECT id, competition, participant, person_key AS actor, client_key, kind, sha256, size, day, at, event_seq "
         "FROM attachments"),
    )  # fmt: skip
    for what, said, body_of, sql in tables:
        left = dict(said)
        for row in _pages(db, f"{sql} WHERE id > :last ORDER BY id LIMIT :page"):
            seq, body, actor = left.pop(row["id"], (None, None, None))
            if (seq, body, actor) != (row["event_seq"], body_of(row), row["actor"]):
                findings.append(Finding(seq or row["event_seq"], f"{what} {row['id']} is not what the log says"))
        for number, (seq, *_) in left.items():
            findings.append(Finding(seq, f"{what} {number} of event {seq} is missing"))
    for number in told.ended ^ set(db.column("SELECT id FROM announcements WHERE ended_at IS NOT NULL")):
        findings.append(Finding(None, f"announcement {number}: its end is not what the log says"))


def _check_attached(db: Database, hashes: Mapping[int, str], public_key: str | None, findings: list[Finding]) -> None:
    """Checks the receipts of second files."""
    for row in _pages(db, "SELECT * FROM attachments WHERE id > :last ORDER BY id LIMIT :page"):
        if not fits_attachment(row, hashes.get(row["event_seq"]), public_key):
            findings.append(Finding(row["event_seq"], f"the receipt of attachment {row['id']} was changed"))


def _check_rules(db: Database, told: _Told, findings: list[Finding]) -> None:
    rows = db.fetch("SELECT name, rules, event_seq FROM rules")
    there = {row["name"]: (row["event_seq"], json.loads(row["rules"])) for row in rows}
    for name in sorted({*there, *told.rules}):
        if there.get(name) != told.rules.get(name):
            seq = told.rules[name][0] if name in told.rules else None
            findings.append(Finding(seq, f"{name}: the rules in the database are not what the log says"))
    bars = {row["key"]: row["event_seq"] for row in db.fetch("SELECT key, event_seq FROM bars")}
    for key in sorted({*bars, *told.bars}):
        if bars.get(key) != told.bars.get(key):
            findings.append(Finding(told.bars.get(key), f"{key}: the bars in the database are not what the log says"))


def _pages(db: Database, sql: str) -> Iterator[Row]:
    """The rows of a query in the order of its first column, fetched a page at a time."""
    last = -(2**62)
    while rows := db.fetch(sql, last=last, page=_PAGE):
        last = next(iter(rows[-1].values()))
        yield from rows
