"""The command tasks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from harness.cli import common
from harness.cli.output import Field, emit, emit_json, say
from harness.course.entries import to_json
from harness.show import find_picture
from harness.show import show as draw
from harness.words import inert, short_time, words
from tasks.errors import UserError


@click.command()
@click.argument("homework", metavar="[HW]", required=False)
@click.option("--show", is_flag=True, help="Draw the data; the picture is saved next to their folder.")
@click.option("--from", "folder", metavar="DIR", help="The folder of downloaded data, for --show.")
@common.FORMAT
@common.command
def tasks(homework: str | None, show: bool, folder: str | None, format: Any) -> None:
    """List the homeworks, or show the overview or the data of one."""
    if show or folder is not None:
        _show(homework, folder)
        return
    source = common.source(named=False)
    if homework is not None:
        if format == "json":
            emit_json(to_json(source.homework(homework)))
        else:
            click.echo("\n".join(inert(line) for line in source.sheet(homework).splitlines()))
        return
    rows = source.homeworks().tasks
    fields = [
        Field("name", "name"),
        Field("title", "title"),
        Field("metric", "metric"),
        Field("editions", "editions", words, rank=1),
        Field("prepared", "prepared", lambda yes: "yes" if yes else "no"),
    ]
    if any(row.closes for row in rows):
        fields.append(Field("closes", "closes", short_time))
    emit(format, "tasks", to_json(rows), fields)
    if format == "table" and not any(row.prepared for row in rows):
        say(common.nothing_yet())


def _show(homework: str | None, folder: str | None) -> None:
    """Prints the path of the picture of a homework's data, and draws it if there is none."""
    if folder is None:
        if homework is None:
            raise UserError("name a homework, or give the folder with its data: --from DIR.")
        folder = common.source(named=False).files(homework).folder
        if folder is None:
            raise UserError(f"download the data first: lhy-grade files {homework} --download. Then: --show --from DIR.")
    found = find_picture(Path(folder))
    click.echo(draw(Path(folder)) if found is None else found.path)
