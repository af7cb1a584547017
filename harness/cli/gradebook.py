"""The command gradebook, and the entering of points given by hand, both for staff."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from harness.cli import common
from harness.cli.changes import ACTOR, agree, read_file
from harness.cli.output import Field, emit, emit_json, say
from harness.course.desk import How, PartEntry
from harness.course.download import save_new
from harness.course.entering import points_in, read_points
from harness.course.entries import to_json
from harness.course.exports import fill_canvas, moodle_table, workbook
from harness.course.gradebook import gradebook_table
from harness.course.types import Gradebook, GradebookScore
from harness.sheets import write_rows
from harness.words import inert
from tasks.errors import UserError
from tasks.homeworks import canonical


def enter(
    homework: str,
    key: str | None,
    part: str | None,
    points: str | None,
    file: str | None,
    attachment: int | None,
    reason: str,
    name: str | None,
    yes: bool,
) -> None:
    """Enters points given by hand, after a question."""
    desk = common.desk(name)
    homework = canonical(homework)
    if file is not None and key is None:
        path = Path(file)
        entries = read_points(read_file(path), path.name, desk.parts(homework).parts)
    elif key is not None and part is not None and points is not None and file is None:
        entries = [PartEntry(key, part, points_in(points, "the points"), attachment=attachment)]
    else:
        raise UserError("give KEY, PART and N, or --csv FILE.")
    change = desk.enter_points(homework, entries, How(reason, preview=True))
    agree(yes, f"{change.what}?", change.lines)
    desk.enter_points(homework, entries, How(reason, seen=change.seen))
    click.echo(inert(change.what))


@click.command()
@click.argument("homework", metavar="[HW]", required=False)
@click.option("--unrevealed", is_flag=True, help="Include private points before the reveal; this is logged.")
@click.option(
    "--canvas",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Fill this export of Canvas and print it, to be imported there.",
)
@click.option("--partial", is_flag=True, help="With --canvas: the export has a part of the students, as of a section.")
@click.option("--xlsx", metavar="FILE", type=click.Path(path_type=Path), help="Write a spreadsheet into this new file.")
@click.option("--moodle", is_flag=True, help="Print the CSV that Moodle imports grades from.")
@common.VERSION
@ACTOR
@common.FORMAT
@common.command
def gradebook(
    homework: str | None,
    unrevealed: bool,
    canvas: Path | None,
    partial: bool,
    xlsx: Path | None,
    moodle: bool,
    version: int | None,
    name: str | None,
    format: Any,
) -> None:
    """Show each student's points, by bars and by hand."""
    if (canvas is not None) + moodle + (xlsx is not None) > 1 or (partial and canvas is None):
        raise UserError("choose --canvas FILE, which may have --partial, --xlsx FILE or --moodle.")
    book = common.source(name).gradebook(homework, unrevealed, version)
    if canvas is not None:
        filled = fill_canvas(book, read_file(canvas), canvas.name, partial)
        click.echo(filled.text, nl=False)
        for line in filled.lines:
            say(inert(line))
    elif xlsx is not None:
        save_new(xlsx, [workbook(book, homework is not None)])
        say(f"The gradebook is in {xlsx}.")
    elif moodle:
        click.echo(write_rows(*moodle_table(book, homework is not None)), nl=False)
    elif format == "json":
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
            told
            | points(student.homeworks)
            | {"total": student.total}
            | {f"{name} model": student.homeworks[name].model for name in asking}
        )
    fields = [Field("id", "id"), Field("name", "name"), Field("email", "email", rank=2), Field("team", "team", rank=1)]
    shown = rows[0] if rows else {"total": 0.0}
    models = [Field(f"{name} model", "model" if one else f"{name} model") for name in asking]
    known = {field.key for field in (*fields, *models)}
    fields += [Field(name, name, "{:g}".format, right=True) for name in shown if name not in known] + models
    most = ", ".join(f"{homework.name} {homework.maximum:g}" for homework in book.homeworks)
    counts = f"; in the total {book.total.rule}" if book.total.rule else ""
    emit("table", "gradebook", rows, fields, title=f"points{counts}; maximum: {most}")
