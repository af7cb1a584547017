"""The board: participants ranked by exact scores.

"Earlier" always means accepted earlier: the order of submission ids, which are assigned under the lock, whatever the
clock said.
"""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from leaderboard.database import Database
from leaderboard.rows import Row, made

Kind = Literal["person", "baseline", "sample"]
Unselected = Literal["best_public", "first", "last", "all"]


@dataclass(frozen=True)
class RankedRow:
    """One place on a board. `score` is the exact public (or private) value, or None if nothing is graded yet.

    `details` and `passed` are those recorded for that board; the public board reads nothing private.
    `entries` and `last` count the submissions that were neither rejected nor practice; `submission` gave the score.
    """

    rank: int
    participant: str
    kind: Kind
    score: float | None
    details: str
    passed: tuple[str, ...]
    entries: int
    last: datetime
    submission: int | None


def board(
    db: Database,
    competition: str,
    data_version: str,
    metric_version: str,
    higher_is_better: bool,
    *,
    private: bool = False,
    selections: int = 2,
    unselected: Unselected = "best_public",
    unselected_count: int | None = None,
) -> list[RankedRow]:
    """The ranking by exact score; of equal scores the earlier accepted one ranks higher; ungraded names come last.

    The public board takes the best public score of each participant. The private board takes the best private score
    among the submissions a participant selected or, if none is selected, among those of the rule `unselected`: the
    `unselected_count` (None: `selections`) best on the public board, as many of the first or last, or all. If more than
    `selections` are selected, because the limit was lowered, the earliest count. Practice never counts. The caller
    checks who may see the private board.
    """
    with db.reading():
        version = find_version(db, competition, data_version, metric_version)
        if version is not None and version.higher_is_better != higher_is_better:
            raise ValueError(f"{competition}: the direction of {metric_version} is not what was recorded")
        number = version.id if version else 0
        if private:
            asked = _counting(number, competition, selections, unselected, unselected_count)
            return _private_board(db, competition, number, higher_is_better, asked)
        rows = db.fetch(PUBLIC_BOARD, competition=competition, version=number)
    return [
        made(RankedRow, row | {"rank": rank, "details": row["details"] or "{}"}) for rank, row in enumerate(rows, 1)
    ]


# Seeks only, whatever the number of submissions: one for the best grade and one for the last entry of each participant
# that counts, whose number, less the rejected and the practice ones before it, is the number of entries.
_ENTRIES = """
    l.entry - (SELECT count(CASE WHEN s.entry < l.entry THEN 1 END) FROM submissions s
        WHERE s.participant_id = p.id AND s.rejected_at IS NOT NULL)
    - (SELECT count(CASE WHEN s.entry < l.entry AND s.rejected_at IS NULL THEN 1 END) FROM submissions s
        WHERE s.participant_id = p.id AND s.practice) AS entries, l.accepted_at AS last
"""
_PEOPLE = "FROM participants p CROSS JOIN submissions l"  # CROSS: SQLite then starts from the participants
_LAST_VALID = """
    WHERE p.competition = :competition AND l.id = (
        SELECT s.id FROM submissions s WHERE s.participant_id = p.id AND s.rejected_at IS NULL AND NOT s.practice
        ORDER BY s.entry DESC LIMIT 1)
"""
_BEST = """
    SELECT {column} FROM grades b CROSS JOIN submissions t WHERE b.participant_id = p.id AND b.version_id = :version
    AND t.id = b.submission_id AND NOT t.practice AND t.rejected_at IS NULL
    ORDER BY b.public_key DESC, b.submission_id LIMIT {count}
"""
PUBLIC_BOARD = f"""
    SELECT p.name AS participant, p.kind, g.submission_id AS submission, g.public AS score, g.details,
    g.passed_public AS passed, {_ENTRIES}
    {_PEOPLE} LEFT JOIN grades g ON g.id = ({_BEST.format(column="b.id", count=1)})
    {_LAST_VALID}
    ORDER BY g.public_key DESC NULLS LAST, g.submission_id NULLS LAST, p.id
"""
_PASSED = f"""
    SELECT p.name, g.submission_id AS submission, g.passed_public AS passed
    FROM participants p JOIN grades g ON g.id = ({_BEST.format(column="b.id", count=1)})
    WHERE p.competition = :competition
"""

_VALID = "FROM submissions s WHERE s.participant_id = p.id AND s.rejected_at IS NULL AND NOT s.practice"
_UNSELECTED = {  # a condition on the submission u of the participant p
    "best_public": f"u.id IN ({_BEST.format(column='b.submission_id', count=':count')})",
    "first": f"u.id IN (SELECT s.id {_VALID} ORDER BY s.entry LIMIT :count)",
    "last": f"u.id IN (SELECT s.id {_VALID} ORDER BY s.entry DESC LIMIT :count)",
    "all": "u.rejected_at IS NULL AND NOT u.practice",
}


@dataclass(frozen=True)
class Counting:
    """The counting submissions of a participant, in the order of acceptance, and whether they were selected."""

    participant: str
    submissions: tuple[int, ...]
    selected: bool


@dataclass(frozen=True)
class RankedPlace:
    """A participant's place on a board, out of `of` people; other fields as in `RankedRow`."""

    rank: int
    of: int
    submission: int | None
    score: float | None
    details: str
    passed: tuple[str, ...]


def place(
    db: Database, competition: str, data_version: str, metric_version: str, participant: str
) -> RankedPlace | None:
    """One participant's place on the public board, without computing the whole board."""
    with db.reading():
        version = find_version(db, competition, data_version, metric_version)
        values: dict[str, Any] = {"competition": competition, "version": version.id if version else 0}
        own = db.one(_OWN, **values, name=participant)
        if own is None:
            return None
        number, key, graded = own.pop("id"), own.pop("public_key"), own["submission"] is not None
        values |= {
            "key": key if graded else -math.inf,
            "submission": own["submission"] or 0,
            "before": 0 if graded else number,
        }
        row = db.one(_AHEAD, **values)
    assert row is not None, "it counts"
    return made(RankedPlace, own | {"rank": row["ahead"] + 1, "of": row["people"], "details": own["details"] or "{}"})


_OWN = f"""
    SELECT p.id, g.submission_id AS submission, g.public_key, g.public AS score, g.details, g.passed_public AS passed
    FROM participants p LEFT JOIN grades g ON g.id = ({_BEST.format(column="b.id", count=1)})
    WHERE p.competition = :competition AND p.name = :name AND EXISTS (SELECT 1 {_VALID})
"""
_AHEAD = f"""
    SELECT count(CASE WHEN p.id < :before OR EXISTS (
        SELECT 1 FROM grades b CROSS JOIN submissions t WHERE b.participant_id = p.id AND b.version_id = :version
        AND b.public_key >= :key AND (b.public_key > :key OR b.submission_id < :submission)
        AND t.id = b.submission_id AND NOT t.practice AND t.rejected_at IS NULL) THEN 1 END) AS ahead,
    count(CASE WHEN p.kind = 'person' THEN 1 END) AS people
    FROM participants p WHERE p.competition = :competition AND EXISTS (SELECT 1 {_VALID})
"""


def private_place(
    db: Database,
    competition: str,
    data_version: str,
    metric_version: str,
    higher_is_better: bool,
    participant: str,
    *,
    selections: int,
    unselected: Unselected,
    unselected_count: int | None = None,
) -> RankedPlace | None:
    """One participant's place on the private board, without its details. The caller checks who may see it."""
    with db.reading():
        version = find_version(db, competition, data_version, metric_version)
        number = version.id if version else 0
        asked = _counting(number, competition, selections, unselected, unselected_count)
        best = _best_private(db, "c.participant_id", number, higher_is_better, asked)
        people = db.fetch(
            f"SELECT p.id, p.name, p.kind FROM participants p WHERE p.competition = :competition "
            f"AND EXISTS (SELECT 1 {_VALID})",
            competition=competition,
        )
    by_number = {row.pop("participant_id"): row for row in best}
    _put_in_order(people, by_number, higher_is_better)
    of = sum(person["kind"] == "person" for person in people)
    none: Row = {"submission": None, "score": None, "passed": None}
    for rank, person in enumerate(people, 1):
        if person["name"] == participant:
            return made(RankedPlace, by_number.get(person["id"], none) | {"rank": rank, "of": of, "details": "{}"})
    return None


def what_counts(
    db: Database,
    competition: str,
    data_version: str,
    metric_version: str,
    *,
    selections: int,
    unselected: Unselected,
    unselected_count: int | None = None,
    among: Collection[str] | None = None,
) -> dict[str, Counting]:
    """The submissions that would count on the private board now, by participant; None for `among`: of all.

    These are the selected submissions or, if there are none, those of the rule `unselected`. A participant without any
    is left out. `board` uses the same query.
    """
    with db.reading():
        version = find_version(db, competition, data_version, metric_version)
        only, names = _only(among)
        number = version.id if version else 0
        sql, values = _counting(number, competition, selections, unselected, unselected_count, only)
        rows = db.fetch(f"SELECT name, submission, selected FROM ({sql}) c ORDER BY submission", **values, **names)
    counting: dict[str, Counting] = {}
    for row in rows:
        name, selected = row["name"], bool(row["selected"])
        before = counting.get(name, Counting(name, (), selected))
        counting[name] = Counting(name, (*before.submissions, row["submission"]), selected)
    return counting


@dataclass(frozen=True)
class Passed:
    """The bars that a participant passes on a board, and the submission that is there."""

    submission: int
    passed: tuple[str, ...]


def passed(
    db: Database,
    competition: str,
    data_version: str,
    metric_version: str,
    higher_is_better: bool,
    *,
    private: bool,
    selections: int,
    unselected: Unselected,
    unselected_count: int | None = None,
    among: Collection[str] | None = None,
) -> dict[str, Passed]:
    """What stands on a board for each participant with a score, as `board` has it, without ranks and entries."""
    with db.reading():
        version = find_version(db, competition, data_version, metric_version)
        number = version.id if version else 0
        only, names = _only(among)
        if not private:
            rows = db.fetch(f"{_PASSED} {only}", competition=competition, version=number, **names)
        else:
            asked = _counting(number, competition, selections, unselected, unselected_count, only)
            rows = _best_private(db, "c.name", number, higher_is_better, (asked[0], asked[1] | names))
    return {row["name"]: made(Passed, {name: row[name] for name in ("submission", "passed")}) for row in rows}


def _only(among: Collection[str] | None) -> tuple[str, dict[str, Any]]:
    """A condition on participants' names, and its values."""
    if among is None:
        return "", {}
    names = {f"name{place}": name for place, name in enumerate(among or ("",))}
    places = ", ".join(f":{name}" for name in names)
    return f"AND p.name IN ({places})", names


def _counting(
    version: int,
    competition: str,
    selections: int,
    unselected: Unselected,
    unselected_count: int | None,
    only: str = "",
) -> tuple[str, dict[str, Any]]:
    """A query with its values for (participant id, name, submission, selected) of all counting submissions."""
    values: dict[str, Any] = {"competition": competition, "most": selections}
    if unselected != "all":
        values["count"] = selections if unselected_count is None else unselected_count
    if unselected == "best_public":
        values["version"] = version
    sql = f"""
        SELECT p.id AS participant_id, p.name AS name, c.submission_id AS submission, 1 AS selected
        FROM participants p JOIN selections c ON c.participant_id = p.id WHERE p.competition = :competition {only}
        AND (SELECT count(*) FROM selections d WHERE d.participant_id = p.id AND d.submission_id < c.submission_id)
        < :most
        UNION ALL
        SELECT p.id, p.name, u.id, 0 FROM participants p JOIN submissions u ON u.participant_id = p.id
        AND {_UNSELECTED[unselected]} WHERE p.competition = :competition {only}
        AND NOT EXISTS (SELECT 1 FROM selections c WHERE c.participant_id = p.id)
    """
    return sql, values


def _private_board(
    db: Database, competition: str, version: int, higher_is_better: bool, asked: tuple[str, dict[str, Any]]
) -> list[RankedRow]:
    best = {
        row.pop("participant_id"): row
        for row in _best_private(db, "c.participant_id, g.private_details AS details", version, higher_is_better, asked)
    }
    people = db.fetch(
        f"SELECT p.id, p.name AS participant, p.kind, {_ENTRIES} {_PEOPLE} {_LAST_VALID}", competition=competition
    )
    _put_in_order(people, best, higher_is_better)
    none: Row = {"submission": None, "score": None, "details": "{}", "passed": None}
    return [
        made(RankedRow, person | best.get(person.pop("id"), none) | {"rank": rank})
        for rank, person in enumerate(people, 1)
    ]


def _put_in_order(people: list[Row], best: dict[int, Row], higher_is_better: bool) -> None:
    """Sorts participants as the private board has them; `best` is the best graded one of each, by number."""

    def place(row: Row) -> tuple[bool, tuple[float, int]]:
        graded = best.get(row["id"])
        return graded is None, (0.0, row["id"]) if graded is None else _order(graded, higher_is_better)

    people.sort(key=place)


def _best_private(
    db: Database, columns: str, version: int, higher_is_better: bool, asked: tuple[str, dict[str, Any]]
) -> list[Row]:
    """The best graded one of the counting submissions of each participant: these columns, its score and its bars."""
    counting, values = asked
    grades = db.fetch(
        f"SELECT {columns}, c.participant_id AS whose, g.submission_id AS submission, g.private AS score, "
        f"g.passed_private AS passed FROM ({counting}) c JOIN grades g ON g.submission_id = c.submission "
        "AND g.version_id = :version WHERE g.private IS NOT NULL",
        **(values | {"version": version}),
    )
    best: dict[int, Row] = {}
    for row in sorted(grades, key=lambda row: _order(row, higher_is_better)):
        best.setdefault(row.pop("whose"), row)
    return list(best.values())


def _order(row: Row, higher_is_better: bool) -> tuple[float, int]:
    return (-row["score"] if higher_is_better else row["score"]), row["submission"]


@dataclass(frozen=True)
class Version:
    """One way of grading a competition: its number, and the direction of its ranking."""

    id: int
    higher_is_better: bool


def find_version(db: Database, competition: str, data_version: str, metric_version: str) -> Version | None:
    """A version, or None if nothing was graded with it."""
    row = db.one(
        "SELECT id, higher_is_better FROM versions "
        "WHERE competition = :competition AND data_version = :data AND metric_version = :metric",
        competition=competition, data=data_version, metric=metric_version,
    )  # fmt: skip
    return None if row is None else made(Version, row)
