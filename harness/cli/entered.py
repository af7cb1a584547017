"""What was entered and done: the log of events, extensions, points by hand, and tokens."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from typing import Any

from harness.cli.output import Field, OutputFormat, emit, emit_json, say
from harness.course.desk import Desk, LogQuestion, PersonCard
from harness.course.entries import to_json
from harness.words import inert, short_time


def show_log(desk: Desk, format: OutputFormat, asked: LogQuestion) -> None:
    """Prints the events that fit, oldest first."""
    rows = [
        {"event": row.event, "at": row.at, "what": row.what, "who": row.who, "about": row.about}
        | {"reason": row.reason, "body": json.loads(row.body)}
        for row in desk.log(asked).events
    ]
    fields = [
        Field("event", "#", right=True), Field("at", "at", lambda text: text[:19].replace("T", " ")),
        Field("what", "what"), Field("who", "who"), Field("about", "about", rank=1, wrap=True),
        Field("reason", "reason", wrap=True),
    ]  # fmt: skip
    emit(format, "events", rows, fields)


def show_extensions(desk: Desk, homework: str, format: OutputFormat) -> None:
    """Prints all extensions of a homework in the order they were given; for the same people the last one counts."""
    rows: list[dict[str, Any]] = [
        {("for" if name == "kind" else name): value for name, value in vars(one).items()}
        for one in desk.extensions(homework).extensions
    ]
    fields = [
        Field("id", "#", right=True), Field("for", "for"), Field("who", "who"), Field("name", "name", rank=1),
        Field("until", "until"), Field("slots", "slots", right=True), Field("day", "day"), Field("by", "by"),
        Field("at", "at", rank=2), Field("reason", "reason", wrap=True),
    ]  # fmt: skip
    emit(format, "extensions", rows, fields)


def show_parts(desk: Desk, homework: str, format: OutputFormat) -> None:
    """Prints the points of a homework that were given by hand and are in force, by person and part."""
    rows = [vars(one) for one in desk.parts(homework).points]
    fields = [
        Field("id", "id"), Field("name", "name", rank=1), Field("part", "part"),
        Field("points", "points", "{:g}".format, right=True), Field("by", "by"), Field("at", "at", rank=2),
        Field("reason", "reason", wrap=True),
    ]  # fmt: skip
    if any(row["attachment"] is not None for row in rows):
        fields.append(Field("attachment", "attachment", right=True, rank=1))
    emit(format, "points", rows, fields)


def show_tokens(desk: Desk, key: str | None, format: OutputFormat) -> None:
    """Prints the tokens of everybody, or of one person, the newest first."""
    rows = [vars(one) for one in desk.person_tokens(key).tokens]
    fields = [
        Field("token", "#", right=True), Field("id", "id"), Field("name", "name", rank=1), Field("role", "role"),
        Field("label", "label"), Field("scope", "scope"), Field("state", "state"), Field("created", "created", rank=2),
        Field("expires", "expires"),
    ]  # fmt: skip
    emit(format, "tokens", rows, fields)


def show_missing(desk: Desk, homework: str, format: OutputFormat) -> None:
    """Prints who has handed in no file that counts."""
    found = desk.missing(homework)
    rows = [vars(one) for one in found.missing]
    fields = [
        Field("id", "id"), Field("name", "name"), Field("email", "e-mail", rank=1), Field("team", "team", rank=2),
        Field("files", "files"),
    ]  # fmt: skip
    title = f"{found.homework}: {len(rows)} of {found.students} students have no file that counts"
    emit(format, "missing", rows, fields, title=title, homework=found.homework, students=found.students)


def show_histogram(desk: Desk, homework: str, format: OutputFormat) -> None:
    """Prints how many participants have a score in each range."""
    found = desk.histogram(homework)
    most = max((one.participants for one in found.bins), default=0)
    rows = [
        {"low": one.low, "high": one.high, "participants": one.participants}
        | ({"bar": "█" * math.ceil(40 * one.participants / most)} if format == "table" else {})
        for one in found.bins
    ]
    fields = [
        Field("low", "from", "{:g}".format, right=True), Field("high", "below", "{:g}".format, right=True),
        Field("participants", "participants", right=True),
    ]  # fmt: skip
    fields += [Field("bar", "")] if format == "table" else []
    better = "higher" if found.higher_is_better else "lower"
    title = f"{found.homework}: {found.metric} of {found.participants} participants, {better} is better"
    emit(format, "bins", rows, fields, title=title, homework=found.homework, median=found.median)


def show_person(desk: Desk, key: str, format: OutputFormat) -> None:
    """Prints everything of a person; a CSV has the submissions."""
    one = desk.person(key)
    if format == "json":
        emit_json(to_json(one))
        return
    rows: list[dict[str, Any]] = to_json(one.submissions)
    fields = [
        Field("id", "id", right=True), Field("homework", "homework"), Field("at", "arrived", short_time),
        Field("state", "state"), Field("score", "score", "{:g}".format, right=True), Field("file", "file", rank=1),
    ]  # fmt: skip
    where = [f"{one.id}, {one.role}", *([f"team {one.team}"] if one.team else []), *([one.email] if one.email else [])]
    emit(format, "submissions", rows, fields, title=f"{one.name}: {', '.join(where)}")
    if format == "table":
        for line in _given(one):
            say(inert(line))


def _given(one: PersonCard) -> Iterator[str]:
    """What a person was given, and has, in lines."""
    if one.points is not None:
        yield f"points: {one.points.total:g} of {one.points.maximum:g}"
    for given in one.extensions:
        for row in given.extensions:
            what = [f"until {row.until}"] if row.until else []
            what += [f"{row.slots} more submissions, day {row.day}"] if row.slots else []
            yield f"{given.homework}: extension for {row.kind}: {' and '.join(what)}, by {row.by}: {row.reason}"
    for attached in one.attachments:
        yield f"{attached.homework}: attachment {attached.id}, {attached.file}, {attached.at}"
    for by_hand in one.parts:
        for entry in by_hand.points:
            yield f"{by_hand.homework}: {entry.part} {entry.points:g}, by {entry.by}: {entry.reason}"
    live = sum(token.state == "valid" for token in one.tokens)
    yield f"tokens: {live} valid of {len(one.tokens)}; see: lhy-grade roster tokens {one.id}"
