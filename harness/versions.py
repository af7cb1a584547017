"""The versions of a competition's data in the database."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING

from harness.competition import (
    HIDDEN_BARS,
    Competition,
    bar_from_json,
    competition_from_json,
    described,
    find_competition,
    metric_version_of,
    prepared,
    public_digest,
    read_competition,
    read_sealed,
)
from harness.home import Home
from tasks.base import Bar, UserError

if TYPE_CHECKING:
    from leaderboard.competitions import Data
    from leaderboard.database import Database


def competitions_to_grade(home: Home, name: str) -> list[Competition]:
    """The current data of a competition, and older data with submissions that still wait for a grade.

    Raises UserError if the current data cannot be read.
    """
    from leaderboard import competitions, results

    found = [find_competition(home, name)]
    with home.database() as database:
        for data in competitions.all_data(database, found[0].name):
            if data.number != found[0].version and results.pending(database, {data.key: data.versions}):
                with contextlib.suppress(OSError, ValueError, KeyError, TypeError, UserError):
                    text = (home.secret(data.name, data.number) / "format.json").read_bytes()
                    found.append(competition_from_json(json.loads(text)))
    return found


def read_bars(home: Home, competition: Competition) -> tuple[Bar, ...]:
    """The bars with their private thresholds, as the database has them.

    Raises UserError where it has none and they are not in this home either.
    """
    bars = home.changed(competition.name).bars.get(competition.key)
    if bars is None:
        bars = (find_data(home, competition).description or {}).get(HIDDEN_BARS)
    return tuple(bar_from_json(bar) for bar in (read_sealed(home, competition)["bars"] if bars is None else bars))


def complete_data(home: Home) -> None:
    """Puts into the database what boards need of all data, and what an older release left in the secret folders."""
    from dataclasses import replace

    from leaderboard import competitions

    for name in prepared(home):
        with _readable():  # its board says what is wrong
            find_data(home, find_competition(home, name))
    with home.database() as database:
        known = competitions.all_data(database)
    for data in known:
        if data.description is None or HIDDEN_BARS not in data.description:
            with _readable():
                competition = find_competition(home, data.name, data.number)
                bars = read_sealed(home, competition)["bars"]
                description = {**(data.description or described(competition)), HIDDEN_BARS: bars}
                with home.database() as database, database.transaction():
                    competitions.describe(database, replace(data, description=description))


@contextlib.contextmanager
def _readable() -> Iterator[None]:
    """Skips a competition that cannot be read. A database that fails is not its fault, and raises."""
    from leaderboard.database import DatabaseError

    try:
        yield
    except DatabaseError:
        raise
    except UserError:
        pass


def read_versions(home: Home, competition: Competition, database: Database | None = None) -> tuple[str, str]:
    """The data and metric version whose grades count on a competition's board, from the database."""
    return find_data(home, competition, database).versions


def find_data(home: Home, competition: Competition, opened: Database | None = None) -> Data:
    """A competition's data in the database; data prepared by an older release are added."""
    from leaderboard import competitions

    with home.database() if opened is None else contextlib.nullcontext(opened) as database:
        data = competitions.find(database, competition.key)
        if data is not None and data.description is not None:
            return data
        return _adopt(home, database, competition, data)


def _adopt(home: Home, database: Database, competition: Competition, data: Data | None) -> Data:
    """Adds data of an older release to the database; their grades still count under their version."""
    from dataclasses import replace

    from leaderboard import competitions

    name, number, before = competition.name, competition.version, data
    newest = competitions.current(database, name)
    if data is None and newest is not None and newest.number > number:
        raise UserError(
            f"the public folder of {name} has version {number}, but the course has version {newest.number}; the"
            " instructor must restore it from a backup.",
            code="E_STALE_DATA",
        )
    if data is None:
        data = competitions.Data(competition.key, name, number, *written_versions(home, competition), None, None, None)
    with contextlib.suppress(UserError):
        public = read_competition(home.public(name))
        if public.version == number:
            bars = None if home.served else read_sealed(home, public)["bars"]
            data = replace(data, description=described(public, bars), digest=public_digest(home.public(name)))
    with contextlib.suppress(UserError, OSError, ValueError, KeyError, TypeError):
        provenance = json.loads((home.secret(name, number) / "provenance.json").read_bytes())
        data = replace(data, prepared_at=datetime.fromisoformat(provenance["prepared_at"]))
    if data != before:
        with database.transaction():
            competitions.add(database, data, competition.ranking.higher_is_better)
            competitions.describe(database, data)
    return data


def written_versions(home: Home, competition: Competition) -> tuple[str, str]:
    """The data and metric version with which this lhy-grade grades, from the answers in the home."""
    values = read_sealed(home, competition)
    return values["data_version"], metric_version_of(values)


def all_versions(home: Home, opened: Database | None = None) -> dict[str, tuple[str, str]]:
    """The current versions of all data with answers in this home, by key; they determine what is waiting.

    A web process cannot tell which answers are in the home, and takes all data.
    """
    from leaderboard import competitions

    with home.database() if opened is None else contextlib.nullcontext(opened) as database:
        known = competitions.all_data(database)
    found = {
        data.key: data.versions
        for data in known
        if home.served or (home.secret(data.name, data.number) / "competition.json").exists()
    }
    for name in prepared(home):
        with _readable():
            competition = read_competition(home.public(name))
            if competition.key not in {data.key for data in known}:
                found[competition.key] = read_versions(home, competition, opened)
    return found
