"""The course and its homeworks: descriptions, sheets, files."""

from __future__ import annotations

import contextlib
import json
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.archive import archive_path, find_archive, make_archive
from harness.clocks import opened as opened_at
from harness.competition import (
    Competition,
    bar_to_json,
    find_competition,
    prepared,
)
from harness.course.access import Viewer, find, is_over, not_found, participant_of, require_login, terms_of
from harness.course.boards import place_of, private_place_of
from harness.course.limits import quota_of
from harness.course.types import About, BarCard, DataFile, Files, Homework, HomeworkRow, Homeworks, Me
from harness.home import Home, local, locked
from harness.show import find_picture
from harness.versions import read_versions
from leaderboard import competitions, roster
from tasks.errors import UserError
from tasks.homeworks import all_tasks

if TYPE_CHECKING:
    from harness.show import Picture


def course(home: Home) -> About:
    """The course, its time zone, the key that verifies receipts, and this version: a client's first request."""
    from importlib import metadata

    version = metadata.version("lhy-grade")
    return About(home.course, home.zone, version, receipt_key_of(home))


def receipt_key_of(home: Home) -> str | None:
    try:
        values = json.loads((home.root / "public" / "course.json").read_text(encoding="utf-8"))
        return str(values["receipt_key"])
    except (OSError, ValueError, KeyError):
        return None


def me(home: Home, viewer: Viewer) -> Me:
    """Who is logged in."""
    require_login(viewer)
    with home.database() as database:
        person = None if viewer.at_home else roster.find_person(database, viewer.key)
    if person is None:
        return Me(viewer.role, viewer.scope, viewer.key, viewer.key, viewer.key, None, None)
    participant = person.team or person.key
    return Me(viewer.role, viewer.scope, viewer.key, participant, person.name, person.email, person.team)


def homeworks(home: Home, viewer: Viewer, now: datetime) -> Homeworks:
    """The homeworks: at home all that this version knows, in a class the prepared ones with their deadlines.

    In a class each row also has the names of the bars that can be cleared, and the viewer's places on the boards.
    """
    here = prepared(home)
    rows: list[HomeworkRow] = []
    if viewer.at_home:
        for task in all_tasks():
            editions = [edition.name for edition in task.editions]
            metric = task.editions[0].metrics[0].label
            rows.append(HomeworkRow(task.name, task.title, metric, editions, task.name in here))
        here = [name for name in here if name not in {row.name for row in rows}]
    for name in here:
        competition = find_competition(home, name)
        row = HomeworkRow(
            name,
            competition.title,
            competition.ranking.label,
            [competition.edition],
            True,
            quiz=competition.quiz or None,
        )
        if not viewer.at_home:
            with home.database() as database:
                versions = read_versions(home, competition, database)
                asked = database, competition, versions, participant_of(database, competition, viewer)
                place, private = place_of(*asked), private_place_of(*asked)
            bars = [bar.name for bar in competition.bars if bar.comparable]
            row = replace(row, **_clocks(home, viewer, competition, now), bars=bars, place=place, private_place=private)
        rows.append(row)
    return Homeworks(rows)


def homework(home: Home, viewer: Viewer, hw: str, now: datetime, version: int | None = None) -> Homework:
    """The public description of a homework, without its ids: title, metrics, rules, bars and deadlines.

    `version` selects an older data version.
    """
    competition = find(home, viewer, hw, version)
    form = competition.format.to_json()
    return Homework(
        **_clocks(home, viewer, competition, now),
        name=competition.name,
        title=competition.title,
        edition=competition.edition,
        version=competition.version,
        source=competition.source,
        metrics=list(competition.metrics),
        bars=[BarCard(**bar_to_json(bar)) for bar in competition.bars],
        rules=competition.rules,
        demo=competition.demo,
        two_boards=competition.two_boards,
        judge=competition.judge,
        size=competition.size,
        kind=form["kind"],
        max_bytes=competition.format.max_bytes,
        format={key: value for key, value in form.items() if key not in ("ids", "kind", "max_bytes")},
        older=_older(home, competition),
    )


def _older(home: Home, competition: Competition) -> list[int]:
    """The data versions before that of a competition."""
    if competition.version == 1:
        return []
    with home.database() as database:
        return [n for n in competitions.numbers(database, competition.name) if n < competition.version]


def _clocks(home: Home, viewer: Viewer, competition: Competition, now: datetime) -> dict[str, Any]:
    """The deadline for the viewer, whether it has passed, the time of the reveal, and the viewer's quota."""
    with home.database() as database:
        terms = terms_of(home, database, competition, viewer, now)
        return {
            "closes": local(home, terms.closes),
            "closed": is_over(database, competition, terms, now),
            "revealed": local(home, opened_at(database, competition, now)),
            "quota": quota_of(home, database, competition, viewer, now) if viewer.key else None,
        }


def sheet(home: Home, viewer: Viewer, hw: str) -> str:
    """The sheet of a homework, in Markdown."""
    return (home.public(find(home, viewer, hw).name) / "sheet.md").read_text(encoding="utf-8")


def files(home: Home, viewer: Viewer, hw: str) -> Files:
    """The public files with sizes and SHA-256, and their archive; at home also their folder."""
    require_login(viewer)
    competition = find(home, viewer, hw)
    packed = _archive(home, viewer, competition)
    return Files(
        homework=competition.name,
        version=competition.version,
        archive=None if packed is None else DataFile(**packed),
        files=[DataFile(name, one["bytes"], one["sha256"]) for name, one in _manifest(home, competition).items()],
        folder=str(home.public(competition.name)) if viewer.at_home else None,
    )


def archive(home: Home, viewer: Viewer, hw: str) -> Path:
    """The path of the archive of a homework's files."""
    require_login(viewer)
    competition = find(home, viewer, hw)
    if _archive(home, viewer, competition) is None:
        raise not_found(f"there is no archive of {competition.name}")
    return archive_path(home, competition)


def picture(home: Home, viewer: Viewer, hw: str) -> Picture | None:
    """The picture of a homework's data, for those who get them; None where there is none."""
    require_login(viewer)
    return find_picture(home.public(find(home, viewer, hw).name))


def _archive(home: Home, viewer: Viewer, competition: Competition) -> dict[str, Any] | None:
    """`file`, `bytes` and `sha256` of the archive; a server makes it if an earlier version did not."""
    public = home.public(competition.name)
    found = find_archive(home, competition, public)
    if found is None and not viewer.at_home:
        with contextlib.suppress(UserError, OSError), locked(home.root):
            found = make_archive(home, competition, public)
    return found


def file_path(home: Home, viewer: Viewer, hw: str, name: str) -> Path:
    """The path of a file, which must be listed in the manifest."""
    require_login(viewer)
    competition = find(home, viewer, hw)
    if name not in _manifest(home, competition):
        raise not_found(f"there is no file {name[:100]!r} in {competition.name}")
    return home.public(competition.name) / name


def _manifest(home: Home, competition: Competition) -> dict[str, dict[str, Any]]:
    path = home.public(competition.name) / "manifest.json"
    listed: dict[str, dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))["files"]
    return listed
