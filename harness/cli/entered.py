"""What was entered and done: the log of events, extensions, and points by hand."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import date
from typing import Any

from harness.cli.output import Field, Format, emit
from harness.competition import find_competition
from harness.home import Home, local
from leaderboard import adjustments, events, roster
from tasks.errors import UserError
from tasks.homeworks import canonical

LONGEST = 40
"""Texts of more characters without a space, as hashes, stand in JSON alone."""


def show_log(
    home: Home, format: Format, homework: str | None, by: str | None, kind: str | None, since: str | None, last: int
) -> None:
    """Prints the newest `last` events (0: all) that fit, in order. `since` is a day of the course's zone."""
    first = _day(since)
    with home.database() as database:
        found = []
        for event in events.events(database):
            body, at = json.loads(event.body), local(home, event.at)
            if (
                (by is None or event.actor == by)
                and (kind is None or kind in event.kind)
                and at[:10] >= first
                and (homework is None or homework_of(body) == canonical(homework))
            ):
                found.append((event, body, at))
    rows = [
        {"event": event.seq, "at": at, "what": event.kind, "who": event.actor}
        | {"about": "; ".join(_words(body)), "reason": body.get("reason", ""), "body": body}
        for event, body, at in found[-last if last else None :]
    ]
    fields = [
        Field("event", "#", right=True), Field("at", "at", lambda text: text[:19].replace("T", " ")),
        Field("what", "what"), Field("who", "who"), Field("about", "about"), Field("reason", "reason"),
    ]  # fmt: skip
    emit(format, "events", rows, fields)


def homework_of(body: Mapping[str, Any]) -> str:
    """The homework that an event is about; empty for one of the whole course."""
    return str(body.get("competition") or body.get("homework") or "").partition("/")[0]


def _day(text: str | None) -> str:
    try:
        return "" if text is None else date.fromisoformat(text).isoformat()
    except ValueError:
        raise UserError(f"--since must be a day like 2027-03-26, got {text!r}.") from None


def _words(body: Mapping[str, Any]) -> Iterator[str]:
    """The values of an event in words; of what holds many only how many."""
    for name, value in body.items():
        if name == "reason" or value in (None, "", [], {}):
            continue
        if isinstance(value, (dict, list)):
            many = len(value) > 3 or any(isinstance(one, (dict, list)) for one in value)
            text = str(len(value)) if many else ", ".join(map(str, value))
        else:
            text = str(value)
        if len(text) <= LONGEST or " " in text:
            yield f"{name.replace('_', ' ')} {text}"


def show_extensions(home: Home, homework: str, format: Format) -> None:
    """Prints all extensions of a homework in the order they were given; for the same people the last one counts."""
    competition = find_competition(home, homework)
    with home.database() as database:
        given = adjustments.extensions(database, competition.key)
        names = roster.display_names(database)
    rows = [
        {"id": one.id, "for": one.who_kind, "who": one.who, "name": names.get(one.who, ""), "slots": one.slots or None}
        | {"until": None if one.until is None else local(home, one.until)}
        | {"day": (one.day or "every") if one.slots or one.until is None else None}
        | {"by": one.actor, "at": local(home, one.at), "reason": one.reason}
        for one in given
    ]
    fields = [
        Field("id", "#", right=True), Field("for", "for"), Field("who", "who"), Field("name", "name", rank=1),
        Field("until", "until"), Field("slots", "slots", right=True), Field("day", "day"), Field("by", "by"),
        Field("at", "at", rank=2), Field("reason", "reason"),
    ]  # fmt: skip
    emit(format, "extensions", rows, fields)


def show_parts(home: Home, homework: str, format: Format) -> None:
    """Prints the points of a homework that were given by hand and are in force, by person and part."""
    with home.database() as database:
        entered = adjustments.parts(database, canonical(homework))
        names = roster.display_names(database)
    rows = [
        {"id": one.person_key, "name": names.get(one.person_key, ""), "part": one.part, "points": one.points}
        | {"by": one.actor, "at": local(home, one.at), "reason": one.reason}
        for one in sorted(entered.values(), key=lambda one: (one.person_key, one.part))
    ]
    fields = [
        Field("id", "id"), Field("name", "name", rank=1), Field("part", "part"),
        Field("points", "points", "{:g}".format, right=True), Field("by", "by"), Field("at", "at", rank=2),
        Field("reason", "reason"),
    ]  # fmt: skip
    emit(format, "points", rows, fields)
