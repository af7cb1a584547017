"""The data versions of each competition, each with the grading version of its board.

The highest number of a name is current. Preparing data adds a row, which is never removed: old boards need it.
`accept` refuses submissions for data that are not current.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from leaderboard import events
from leaderboard.database import Database
from leaderboard.ranking import find_version
from leaderboard.receipts import microseconds
from leaderboard.rows import Row, made
from tasks.errors import UserError


@dataclass(frozen=True)
class Data:
    """One version of a competition's data, and the grading version of its board.

    `description` is that of its public folder, without the ids; `digest` covers that folder's files. For data prepared
    by an older release both, and `prepared_at`, are None until they are first needed.
    """

    key: str
    name: str
    number: int
    data_version: str
    metric_version: str
    prepared_at: datetime | None
    description: Mapping[str, Any] | None
    digest: str | None

    @property
    def versions(self) -> tuple[str, str]:
        return self.data_version, self.metric_version


_DATA = """
    SELECT c.key, c.name, c.number, v.data_version, v.metric_version, c.prepared_at, c.description, c.digest
    FROM competitions c JOIN versions v ON v.id = c.version_id
"""


def name_of(key: str) -> str:
    """The name of the competition that has the data of that key.

    >>> name_of("hw01/2")
    'hw01'
    """
    return key.partition("/")[0]


def find(db: Database, key: str) -> Data | None:
    """The data with that key, like "hw01/1", or None."""
    row = db.one(f"{_DATA} WHERE c.key = :key", key=key)
    return None if row is None else _as_data(row)


def all_data(db: Database, name: str | None = None) -> list[Data]:
    """All data versions, or those of one competition, oldest first."""
    only, values = ("", {}) if name is None else ("WHERE c.name = :name", {"name": name})
    return [_as_data(row) for row in db.fetch(f"{_DATA} {only} ORDER BY c.name, c.number", **values)]


def numbers(db: Database, name: str) -> list[int]:
    """The numbers of all data versions of a competition, oldest first."""
    return db.column("SELECT number FROM competitions WHERE name = :name ORDER BY number", name=name)


def current(db: Database, name: str) -> Data | None:
    """The newest data of a competition, or None."""
    row = db.one(f"{_DATA} WHERE c.name = :name ORDER BY c.number DESC LIMIT 1", name=name)
    return None if row is None else _as_data(row)


def add(db: Database, data: Data, higher_is_better: bool) -> None:
    """Adds data and makes them current. Within a transaction; an existing key is left unchanged."""
    if find(db, data.key) is not None:
        return
    version = find_or_add_version(db, data.key, data.data_version, data.metric_version, higher_is_better)
    db.execute(
        "INSERT INTO competitions (key, name, number, version_id, prepared_at, description, digest) "
        "VALUES (:key, :name, :number, :version, :at, :description, :digest)",
        key=data.key,
        name=data.name,
        number=data.number,
        version=version,
        at=_moment(data.prepared_at),
        description=_text(data.description),
        digest=data.digest,
    )


def describe(db: Database, data: Data) -> None:
    """Updates description, digest and preparation time of existing data. Within a transaction."""
    db.execute(
        "UPDATE competitions SET prepared_at = :at, description = :description, digest = :digest WHERE key = :key",
        key=data.key,
        at=_moment(data.prepared_at),
        description=_text(data.description),
        digest=data.digest,
    )


@dataclass(frozen=True)
class Changed:
    """What the database has in place of what a competition was prepared with.

    `rules` are those that differ from the edition's, None before their first change; `bars` are with private
    thresholds, by the key of the data.
    """

    rules: dict[str, Any] | None = None
    bars: Mapping[str, list[dict[str, Any]]] = field(default_factory=dict)


def changed(db: Database, name: str) -> Changed:
    """The rules and bars of a competition that were changed."""
    rows = db.fetch(
        "SELECT name AS key, rules AS text, 1 AS ruled FROM rules WHERE name = :name "
        "UNION ALL SELECT key, bars, 0 FROM bars WHERE name = :name",
        name=name,
    )
    found = {(row["key"], row["ruled"]): json.loads(row["text"]) for row in rows}
    return Changed(found.pop((name, 1), None), {key: bars for (key, _), bars in found.items()})


def change_rules(
    db: Database, key: str, rules: Mapping[str, Any], said: Mapping[str, Any], actor: str, now: datetime
) -> None:
    """Sets the rules of a competition that differ from its edition's, with an event. Within a transaction."""
    event = events.append(db, "rules changed", actor, {"competition": key, "rules": dict(rules), **said}, now)
    db.execute(
        "INSERT INTO rules (name, rules, event_seq) VALUES (:name, :rules, :seq) "
        "ON CONFLICT (name) DO UPDATE SET rules = excluded.rules, event_seq = excluded.event_seq",
        name=key.rpartition("/")[0],
        rules=json.dumps(rules),
        seq=event.seq,
    )


def set_bars(
    db: Database,
    key: str,
    bars: Sequence[Mapping[str, Any]],
    seal: Callable[[int], str],
    said: Mapping[str, Any],
    actor: str,
    now: datetime,
) -> None:
    """Sets the bars of data, with an event that tells no threshold. Within a transaction.

    `seal` gives their seal from the number of the event. Raises UserError E_CLOSED if a file was handed in: each grade
    says which bars it clears.
    """
    handed_in = "SELECT 1 FROM submissions s JOIN participants p ON p.id = s.participant_id WHERE p.competition = :key"
    if db.value(f"{handed_in} LIMIT 1", key=key) is not None:
        raise UserError(
            f"{key} has submissions, which were graded by its bars; nothing was changed. Only new data can have other"
            " bars: lhy-grade prepare --new-data",
            code="E_CLOSED",
            exit_code=5,
        )
    event = events.append(db, "bars set", actor, {"competition": key, **said}, now)
    db.execute(
        "INSERT INTO bars (key, name, bars, mac, event_seq) VALUES (:key, :name, :bars, :mac, :seq) "
        "ON CONFLICT (key) DO UPDATE SET bars = excluded.bars, mac = excluded.mac, event_seq = excluded.event_seq",
        key=key,
        name=name_of(key),
        bars=json.dumps(bars),
        mac=seal(event.seq),
        seq=event.seq,
    )


def bar_rows(db: Database) -> list[Row]:
    """All bars that were set: the key of their data, `bars`, their seal `mac`, and `event_seq`."""
    rows = db.fetch("SELECT key, bars, mac, event_seq FROM bars ORDER BY key")
    return [row | {"bars": json.loads(row["bars"])} for row in rows]


def check_current(db: Database, key: str) -> None:
    """Raises UserError E_STALE_DATA (exit 3) if the competition has newer data than this key."""
    newest = db.value(
        "SELECT n.key FROM competitions c JOIN competitions n ON n.name = c.name AND n.number > c.number "
        "WHERE c.key = :key ORDER BY n.number DESC LIMIT 1",
        key=key,
    )
    if newest is not None:
        raise UserError(
            f"{key} has been replaced by new data, {newest}; files for the old data are no longer accepted.",
            code="E_STALE_DATA",
            exit_code=3,
        )


def find_or_add_version(
    db: Database, competition: str, data_version: str, metric_version: str, higher_is_better: bool
) -> int:
    """The number of a version, added if it is new. Within a transaction."""
    found = find_version(db, competition, data_version, metric_version)
    if found is not None:
        if found.higher_is_better != higher_is_better:
            raise ValueError(f"{competition}: the direction of {metric_version} is not what was recorded")
        return found.id
    number = db.next_id("versions")
    db.execute(
        "INSERT INTO versions (id, competition, data_version, metric_version, higher_is_better) "
        "VALUES (:id, :competition, :data, :metric, :higher)",
        id=number,
        competition=competition,
        data=data_version,
        metric=metric_version,
        higher=higher_is_better,
    )
    return number


def _as_data(row: Row) -> Data:
    return made(Data, row | {"description": row["description"] and json.loads(row["description"])})


def _moment(at: datetime | None) -> int | None:
    return None if at is None else microseconds(at)


def _text(description: Mapping[str, Any] | None) -> str | None:
    return None if description is None else json.dumps(description, ensure_ascii=False)
