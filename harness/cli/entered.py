"""What was entered and done: the log of events, extensions, points by hand, and tokens."""

from __future__ import annotations

import json
from typing import Any

from harness.cli.output import Field, Format, emit
from harness.course.desk import Desk, LogQuestion


def show_log(desk: Desk, format: Format, asked: LogQuestion) -> None:
    """Prints the events that fit, oldest first."""
    rows = [
        {"event": row.event, "at": row.at, "what": row.what, "who": row.who, "about": row.about}
        | {"reason": row.reason, "body": json.loads(row.body)}
        for row in desk.log(asked).events
    ]
    fields = [
        Field("event", "#", right=True), Field("at", "at", lambda text: text[:19].replace("T", " ")),
        Field("what", "what"), Field("who", "who"), Field("about", "about"), Field("reason", "reason"),
    ]  # fmt: skip
    emit(format, "events", rows, fields)


def show_extensions(desk: Desk, homework: str, format: Format) -> None:
    """Prints all extensions of a homework in the order they were given; for the same people the last one counts."""
    rows: list[dict[str, Any]] = [
        {("for" if name == "kind" else name): value for name, value in vars(one).items()}
        for one in desk.extensions(homework).extensions
    ]
    fields = [
        Field("id", "#", right=True), Field("for", "for"), Field("who", "who"), Field("name", "name", rank=1),
        Field("until", "until"), Field("slots", "slots", right=True), Field("day", "day"), Field("by", "by"),
        Field("at", "at", rank=2), Field("reason", "reason"),
    ]  # fmt: skip
    emit(format, "extensions", rows, fields)


def show_parts(desk: Desk, homework: str, format: Format) -> None:
    """Prints the points of a homework that were given by hand and are in force, by person and part."""
    rows = [vars(one) for one in desk.parts(homework).points]
    fields = [
        Field("id", "id"), Field("name", "name", rank=1), Field("part", "part"),
        Field("points", "points", "{:g}".format, right=True), Field("by", "by"), Field("at", "at", rank=2),
        Field("reason", "reason"),
    ]  # fmt: skip
    emit(format, "points", rows, fields)


def show_tokens(desk: Desk, key: str | None, format: Format) -> None:
    """Prints the tokens of everybody, or of one person, the newest first."""
    rows = [vars(one) for one in desk.person_tokens(key).tokens]
    fields = [
        Field("token", "#", right=True), Field("id", "id"), Field("name", "name", rank=1), Field("role", "role"),
        Field("label", "label"), Field("scope", "scope"), Field("state", "state"), Field("created", "created", rank=2),
        Field("expires", "expires"),
    ]  # fmt: skip
    emit(format, "tokens", rows, fields)
