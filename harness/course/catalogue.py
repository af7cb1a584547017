"""The course and its homeworks: descriptions, sheets, files."""

from __future__ import annotations

import contextlib
import json
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from harness.archive import archive_path, find_archive, make_archive
from harness.clocks import opened as opened_at
from harness.competition import (
    Competition,
    find_competition,
    prepared,
)
from harness.course.access import Body, Viewer, find, is_over, not_found, participant_of, require_login, terms_of
from harness.course.boards import place_of
from harness.course.limits import quota_of
from harness.home import Home, local, locked
from tasks.errors import UserError

if TYPE_CHECKING:
    from harness.show import Picture


def course(home: Home) -> Body:
    """The course, its time zone, the key that verifies receipts, and this version: a client's first request."""
    from importlib import metadata

    version = metadata.version("lhy-grade")
    return {
        "schema": 1, "course": home.course, "zone": home.zone, "receipt_key": receipt_key_of(home), "version": version,
    }  # fmt: skip


def receipt_key_of(home: Home) -> str | None:
    try:
        values = json.loads((home.root / "public" / "course.json").read_text(encoding="utf-8"))
        return str(values["receipt_key"])
    except (OSError, ValueError, KeyError):
        return None


def me(home: Home, viewer: Viewer) -> Body:
    """Who is logged in."""
    require_login(viewer)
    with home.database() as database:
        from leaderboard import roster

        person = None if viewer.at_home else roster.find_person(database, viewer.key)
    body: Body = {"schema": 1, "role": viewer.role, "scope": viewer.scope, "key": viewer.key}
    body |= {"participant": viewer.key, "name": viewer.key, "email": None, "team": None}
    if person is not None:
        body |= {"participant": person.team or person.key}
        body |= {"name": person.name, "email": person.email, "team": person.team}
    return body


def homeworks(home: Home, viewer: Viewer, now: datetime) -> Body:
    """The homeworks: at home all that this version knows, in a class the prepared ones with their deadlines.

    In a class each row also has the names of the bars that can be cleared, and the viewer's rank on the public board.
    """
    from tasks.homeworks import all_tasks

    here = prepared(home)
    rows: list[Body] = []
    if viewer.at_home:
        for task in all_tasks():
            rows.append(
                {
                    "name": task.name,
                    "title": task.title,
                    "metric": task.editions[0].metrics[0].label,
                    "editions": [edition.name for edition in task.editions],
                    "prepared": task.name in here,
                }
            )
        here = [name for name in here if name not in {row["name"] for row in rows}]
    for name in here:
        competition = find_competition(home, name)
        row = {
            "name": name,
            "title": competition.title,
            "editions": [competition.edition],
            "metric": competition.ranking.label,
            "prepared": True,
        }
        if competition.quiz:
            row["quiz"] = True
        if not viewer.at_home:
            row |= _clocks(home, viewer, competition, now)
            row["bars"] = [bar.name for bar in competition.bars if bar.comparable]
            with home.database() as database:
                row["place"] = place_of(home, database, competition, participant_of(database, competition, viewer))
        rows.append(row)
    return {"schema": 1, "tasks": rows}


def homework(home: Home, viewer: Viewer, hw: str, now: datetime) -> Body:
    """The public description of a homework, without its ids: title, metrics, rules, bars and deadlines."""
    competition = find(home, viewer, hw)
    described = {key: value for key, value in competition.to_json().items() if key != "ids"}
    return described | _clocks(home, viewer, competition, now)


def _clocks(home: Home, viewer: Viewer, competition: Competition, now: datetime) -> Body:
    """The deadline for the viewer, whether it has passed, the time of the reveal, and the viewer's quota."""

    with home.database() as database:
        terms = terms_of(home, database, competition, viewer, now)
        opened = opened_at(database, competition, now)
        body: Body = {
            "closes": local(home, terms.closes),
            "closed": is_over(database, competition, terms, now),
            "revealed": local(home, opened),
        }
        if viewer.key:
            body["quota"] = quota_of(home, database, competition, viewer, now)
    return body


def sheet(home: Home, viewer: Viewer, hw: str) -> str:
    """The sheet of a homework, in Markdown."""
    return (home.public(find(home, viewer, hw).name) / "sheet.md").read_text(encoding="utf-8")


def files(home: Home, viewer: Viewer, hw: str) -> Body:
    """The public files with sizes and SHA-256, and their archive; at home also their folder."""
    require_login(viewer)
    competition = find(home, viewer, hw)
    body: Body = {"schema": 1, "homework": competition.name, "version": competition.version}
    if viewer.at_home:
        body["folder"] = str(home.public(competition.name))
    body["archive"] = _archive(home, viewer, competition)
    return body | {"files": [{"file": name, **entry} for name, entry in _manifest(home, competition).items()]}


def archive(home: Home, viewer: Viewer, hw: str) -> Path:
    """The path of the archive of a homework's files."""
    require_login(viewer)
    competition = find(home, viewer, hw)
    if _archive(home, viewer, competition) is None:
        raise not_found(f"there is no archive of {competition.name}")
    return archive_path(home, competition)


def picture(home: Home, viewer: Viewer, hw: str) -> Picture | None:
    """The picture of a homework's data, for those who get them; None where there is none."""
    from harness.show import find_picture

    require_login(viewer)
    return find_picture(home.public(find(home, viewer, hw).name))


def _archive(home: Home, viewer: Viewer, competition: Competition) -> Body | None:
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


def _manifest(home: Home, competition: Competition) -> dict[str, Body]:
    path = home.public(competition.name) / "manifest.json"
    listed: dict[str, Body] = json.loads(path.read_text(encoding="utf-8"))["files"]
    return listed
