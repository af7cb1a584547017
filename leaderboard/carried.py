"""Submissions that go on to new data: copied with their receipts, graded anew, while those of the old data stay."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection
from dataclasses import replace
from datetime import datetime

from leaderboard import events, receipts, roster
from leaderboard.database import Database
from leaderboard.receipts import Receipt, microseconds, rfc3339
from leaderboard.records import StoredSubmission, participant_id, receipt, replace_selection, submissions


def carry_submissions(
    db: Database,
    old: str,
    new: str,
    without: Collection[int],
    *,
    sign: Callable[[bytes], bytes],
    actor: str,
    now: datetime,
) -> int:
    """Copies the submissions of a competition's old data to its new data; returns how many. Within a transaction.

    Not copied are those `without`, and the rejected ones. A copy has the time and the quota day of its original, a
    number, an entry number and a receipt of its own, and an event that names the original. Who acts under which name,
    and which submissions were chosen, is copied with them.
    """
    copies: dict[int, int] = {}
    owners: dict[str, int] = {}
    counts: dict[str, int] = {}
    for entry in submissions(db, old):
        if entry.rejected is not None or entry.id in without:
            continue
        members = []
        if entry.participant not in owners:
            owners[entry.participant] = _add_participant(db, old, new, entry.participant)
            members = db.fetch(
                "SELECT p.id, p.key FROM memberships m JOIN people p ON p.id = m.person_id "
                "WHERE m.competition = :old AND m.participant = :name ORDER BY p.id",
                old=old, name=entry.participant,
            )  # fmt: skip
        number = copies[entry.id] = db.next_id("submissions")
        counts[entry.participant] = counts.get(entry.participant, 0) + 1
        place = counts[entry.participant]  # without gaps, since the board counts by them
        before = json.loads(receipt(db, entry.id))
        del before["signature"]
        written = replace(Receipt(**before), competition=new, submission=number, entry=place)
        body = {
            **{name: getattr(entry, name) for name in ("participant", "sha256", "size", "quota_day")},
            "entry": place,
            "competition": new,
            "submission": number,
            "accepted_at": rfc3339(entry.accepted_at),
            "course": written.course,
            "client_key": entry.client_key,
            "carried_from": entry.id,
            **({"practice": True} if entry.practice else {}),
            **({"members": [member["key"] for member in members]} if members else {}),
        }
        event = events.append(db, "accepted", actor, body, now)
        for member in members:
            roster.fix_membership(db, new, member["id"], entry.participant, event.seq)
        text = receipts.write(replace(written, chain_seq=event.seq, chain_hash=event.hash), sign)
        _add(db, replace(entry, entry=place), number, owners[entry.participant], event.seq, text)
    chosen: dict[str, list[int]] = {}
    for entry in submissions(db, old):
        if entry.selected and entry.id in copies:
            chosen.setdefault(entry.participant, []).append(copies[entry.id])
    for participant, numbers in chosen.items():
        replace_selection(db, new, participant, numbers, now, actor=actor)
    return len(copies)


def _add_participant(db: Database, old: str, new: str, name: str) -> int:
    number = db.next_id("participants")
    db.execute(
        "INSERT INTO participants (id, competition, name, kind, created_at) SELECT :id, :new, name, kind, created_at "
        "FROM participants WHERE id = :old",
        id=number,
        new=new,
        old=participant_id(db, old, name),
    )
    return number


def _add(db: Database, entry: StoredSubmission, number: int, owner: int, seq: int, text: str) -> None:
    db.execute(
        "INSERT INTO submissions (id, participant_id, entry, client_key, sha256, size, filename, message, "
        "accepted_at, quota_day, event_seq, receipt, practice) VALUES (:id, :participant, :entry, :key, :sha, "
        ":size, :filename, :message, :at, :day, :seq, :receipt, :practice)",
        id=number,
        participant=owner,
        entry=entry.entry,
        key=entry.client_key,
        sha=entry.sha256,
        size=entry.size,
        filename=entry.filename,
        message=entry.message,
        at=microseconds(entry.accepted_at),
        day=entry.quota_day,
        seq=seq,
        receipt=text,
        practice=entry.practice,
    )
