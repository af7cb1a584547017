"""The command gradebook, and the entering of points given by hand, both for staff."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from harness.cli import common
from harness.cli.changes import ACTOR, agree, counted
from harness.cli.output import Field, emit, emit_json, say
from harness.course.entries import to_json
from harness.course.gradebook import find_schemes, gradebook_table
from harness.course.types import Gradebook, GradebookScore
from harness.sheets import read_rows, write_rows
from harness.words import inert
from leaderboard import adjustments, records, roster
from tasks.errors import UserError
from tasks.homeworks import canonical


def enter(
    homework: str,
    key: str | None,
    part: str | None,
    points: float | None,
    file: str | None,
    reason: str,
    name: str | None,
    yes: bool,
) -> None:
    """Enters points given by hand, after a question."""
    home = common.find_home()
    homework = canonical(homework)
    parts = find_schemes(home, homework)[homework].parts
    if file is not None and key is None:
        entries = _read_points(file, parts)
    elif key is not None and part is not None and points is not None and file is None:
        entries = [("", key, part, points)]
    else:
        raise UserError("give KEY, PART and N, or --csv FILE.")
    problems = []
    seen: set[tuple[str, str]] = set()
    with home.database() as database:
        if roster.is_empty(database):
            known = {one.name for one in records.participants(database) if one.kind == "person"}
        else:
            known = {person.key for person in roster.people(database) if person.role == "student"}
        for where, who, which, number in entries:
            if which not in parts:
                of = ", ".join(parts) or "none"
                problems.append(f"{where}{homework} has no part {which!r} graded by hand; its parts: {of}.")
            elif not 0 <= number <= parts[which]:  # also false for what is not a number
                problems.append(
                    f"{where}expected 0 to {parts[which]:g} points for {which} of {homework}, got {number:g}."
                )
            if who not in known:
                problems.append(f"{where}there is no student with the id {who}.")
            if (who, which) in seen:
                problems.append(f"{where}{who} is listed twice for {which}.")
            seen.add((who, which))
        if problems:
            raise UserError("\n".join([*problems[:20], "Nothing was entered."]))
        before = adjustments.parts(database, homework)
        again = [before[who, which].points for _, who, which, _ in entries if (who, which) in before]
        details = [
            f"{who}: {which} from {before[who, which].points:g} to {number:g}"
            for _, who, which, number in entries
            if (who, which) in before and before[who, which].points != number
        ]
        if file is None:
            _, who, which, number = entries[0]
            told = f"{homework}: {number:g} of {parts[which]:g} points for the {which} of {who}"
            instead = f", replacing {again[0]:g}" if again else ""
        else:
            told = f"{homework}: {counted(len(entries), 'entry', 'entries')}"
            instead = f", {len(again)} of them replacing earlier ones" if again else ""
        agree(yes, f"{told}{instead}?", details if file is not None else ())
        adjustments.enter_all_points(
            database,
            homework,
            [(who, which, number) for _, who, which, number in entries],
            actor=common.who(home, name),
            reason=reason,
            now=common.clock(),
        )
    click.echo(inert(told))


def _read_points(file: str, parts: Any) -> list[tuple[str, str, str, float]]:
    """(where, key, part, points) of every cell of a CSV that is not empty."""
    try:
        data = Path(file).read_bytes()
    except OSError as error:
        raise UserError(f"{file} cannot be read: {error.strerror}.") from None
    what = Path(file).name
    entries = []
    for line, row in read_rows(data, what, ("id",), ("id", "name", "email", "team", *parts)):
        for part in parts:
            if text := row.get(part, ""):
                try:
                    number = float(text)
                except ValueError:
                    raise UserError(f"{what} line {line}: {part} must be a number, got {text[:40]!r}.") from None
                entries.append((f"{what} line {line}: ", row["id"], part, number))
    return entries


@click.command()
@click.argument("homework", metavar="[HW]", required=False)
@click.option("--unrevealed", is_flag=True, help="Include private points before the reveal; this is logged.")
@common.VERSION
@ACTOR
@common.FORMAT
@common.command
def gradebook(homework: str | None, unrevealed: bool, version: int | None, name: str | None, format: Any) -> None:
    """Show each student's points, by bars and by hand."""
    book = common.source(name).gradebook(homework, unrevealed, version)
    if format == "json":
        emit_json(to_json(book))
    elif format == "csv":
        click.echo(write_rows(*gradebook_table(book, homework is not None)), nl=False)
    else:
        _show_gradebook(book, homework is not None)
    if book.hidden:
        say(f"Private points of {', '.join(book.hidden)} are left out: not revealed yet; --unrevealed includes them.")


def _show_gradebook(book: Gradebook, one: bool) -> None:
    """Prints the gradebook: for one homework the sums of both boards and each part, for all of them the totals."""

    def points(scores: Mapping[str, GradebookScore]) -> dict[str, float | None]:
        if not one:
            return {name: score.total for name, score in scores.items()}
        (score,) = scores.values()
        private = None if score.private is None else math.fsum(score.private.values())
        told: dict[str, float | None] = {"public": math.fsum(score.public.values()), "private": private}
        return told | score.parts

    names = [homework.name for homework in book.homeworks]
    asking = [name for name in names if any(student.homeworks[name].model for student in book.students)]
    rows = []
    for student in book.students:
        told = {name: getattr(student, name) for name in ("id", "name", "email", "team")}
        rows.append(
            told | points(student.homeworks) | {"total": student.total}
            | {f"{name} model": student.homeworks[name].model for name in asking}
        )  # fmt: skip
    fields = [Field("id", "id"), Field("name", "name"), Field("email", "email", rank=2), Field("team", "team", rank=1)]
    shown = rows[0] if rows else {"total": 0.0}
    models = [Field(f"{name} model", "model" if one else f"{name} model") for name in asking]
    known = {field.key for field in (*fields, *models)}
    fields += [Field(name, name, "{:g}".format, right=True) for name in shown if name not in known] + models
    most = ", ".join(f"{homework.name} {homework.maximum:g}" for homework in book.homeworks)
    counts = f"; in the total {book.total.rule}" if book.total.rule else ""
    emit("table", "gradebook", rows, fields, title=f"points{counts}; maximum: {most}")
