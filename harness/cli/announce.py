"""The command announce."""

from __future__ import annotations

from typing import Any

import click

from harness.cli import common
from harness.cli.changes import ACTOR
from harness.cli.output import Field, emit, say
from tasks.errors import UserError


@click.command()
@click.argument("text", metavar="[TEXT]", required=False)
@click.option("--list", "listed", is_flag=True, help="Show the announcements that stand.")
@click.option("--end", "ended", metavar="N", type=click.IntRange(min=1, max=2**62), help="End announcement N.")
@ACTOR
@common.FORMAT
@common.command
def announce(text: str | None, listed: bool, ended: int | None, name: str | None, format: Any) -> None:
    """Tell the whole course something, or read what was told.

    Everybody in the course reads it, as plain text, on the first page and with --list, until it ends."""
    if (text is not None) + listed + (ended is not None) != 1:
        raise UserError("give a text, or --list, or --end N.")
    desk = common.desk(name)
    if ended is not None:
        desk.end_announcement(ended)
        say(f"Announcement {ended} has ended.")
        return
    found = desk.announcements() if text is None else desk.announce(text)
    rows = [vars(row) for row in found.announcements]
    fields = [
        Field("id", "#", right=True), Field("at", "at", lambda at: at[:16].replace("T", " ")), Field("by", "by"),
        Field("text", "text", lambda lines: lines.replace("\n", " / "), wrap=True),
    ]  # fmt: skip
    emit(format, "announcements", rows, fields)
