"""Drafts: answers to a quiz that a participant has saved and not handed in."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from leaderboard.database import Database
from leaderboard.receipts import microseconds
from leaderboard.rows import made


@dataclass(frozen=True)
class SavedDraft:
    """The saved answer to each question; `revision` counts the changes, 0 where nothing was saved."""

    answers: Mapping[str, str]
    revision: int = 0
    saved_at: datetime | None = None


def find(db: Database, competition: str, participant: str) -> SavedDraft:
    """A participant's draft, an empty one where nothing was saved."""
    row = db.one(
        "SELECT answers, revision, saved_at FROM drafts WHERE competition = :competition AND participant = :name",
        competition=competition, name=participant,
    )  # fmt: skip
    return SavedDraft({}) if row is None else made(SavedDraft, row | {"answers": json.loads(row["answers"])})


def save(
    db: Database,
    competition: str,
    participant: str,
    answers: Mapping[str, str],
    now: datetime,
    seen: int | None = None,
) -> tuple[SavedDraft, tuple[str, ...]]:
    """Changes some answers of a draft, and returns it with the questions that were in the way.

    `seen` is the revision that the writer saw; None changes the answers whatever there is. Where another revision came
    meanwhile and has other answers to some of the questions, nothing is changed, and those questions are returned.
    """
    with db.transaction():
        before = find(db, competition, participant)
        other = tuple(name for name, answer in answers.items() if before.answers.get(name, "") != answer)
        if seen is not None and seen != before.revision and other:
            return before, other
        if before.revision and not other:
            return before, ()
        after = SavedDraft({**before.answers, **answers}, before.revision + 1, now)
        db.execute(
            "INSERT INTO drafts (competition, participant, answers, revision, saved_at) VALUES (:competition, :name, "
            ":answers, :revision, :at) ON CONFLICT (competition, participant) DO UPDATE SET "
            "answers = excluded.answers, revision = excluded.revision, saved_at = excluded.saved_at",
            competition=competition,
            name=participant,
            answers=json.dumps(after.answers, sort_keys=True),
            revision=after.revision,
            at=microseconds(now),
        )
        return after, ()
