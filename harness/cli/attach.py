"""The commands for second files, such as reports and code: attach, attachments."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from harness.cli import common
from harness.cli.output import Field, emit, emit_json, say
from harness.course.entries import to_json
from harness.words import inert, short_time
from leaderboard.receipts import canonical
from tasks.errors import UserError

if TYPE_CHECKING:
    from harness.course.attached import Asked
    from harness.course.desk import Desk


@click.command()
@common.HW
@common.FILE
@common.NAME
@common.FORMAT
@common.command
def attach(homework: str, file: str, name: str | None, format: Any) -> None:
    """Hand in a second file, such as a report or code.

    The course says which kinds it takes, a PDF or a zip archive, and until when. The latest one counts."""
    done = common.source(name).attach(homework, Path(file))
    row = done.attachment
    if format == "json":
        emit_json(to_json(done))
        return
    if format == "csv":
        emit("csv", "attachments", [vars(row)], FIELDS)
        return
    again = "was already handed in as" if done.again else "is handed in as"
    click.echo(inert(f"{row.file}, {row.bytes:,} bytes, {again} attachment {row.id} of {row.homework}, {row.at}"))
    click.echo(f"SHA-256 {row.sha256}")
    say(f"{done.left} more today. Receipt: lhy-grade attachments {row.homework} --receipt {row.id}")


FIELDS = [
    Field("id", "id", right=True), Field("homework", "homework", rank=3), Field("at", "arrived", short_time),
    Field("kind", "kind"), Field("file", "file"), Field("bytes", "bytes", "{:,}".format, right=True),
    Field("by", "by", rank=2), Field("latest", "counts", lambda yes: "yes" if yes else "", rank=1),
    Field("sha256", "SHA-256", rank=4),
]  # fmt: skip


@click.command()
@common.HW
@click.option(
    "--save",
    "saved",
    nargs=2,
    type=(click.IntRange(min=1, max=2**62), click.Path(path_type=Path)),
    metavar="ID FILE",
    help="Write attachment ID into this new file.",
)
@click.option("--receipt", "signed", metavar="ID", type=click.IntRange(min=1, max=2**62), help="Print a receipt.")
@click.option("--all", "everyone", is_flag=True, help="For staff: each student's latest one, or that there is none.")
@click.option(
    "--download",
    "archive",
    metavar="ZIP",
    type=click.Path(path_type=Path),
    help="For staff: write all second files of HW into this archive.",
)
@click.option("--latest", is_flag=True, help="With --download: only the latest one of each.")
@common.NAME
@common.FORMAT
@common.command
def attachments(
    homework: str,
    saved: tuple[int, Path] | None,
    signed: int | None,
    everyone: bool,
    archive: Path | None,
    latest: bool,
    name: str | None,
    format: Any,
) -> None:
    """List the second files that you handed in, or save one.

    That staff read the file of another person is logged."""
    if (saved is not None) + (signed is not None) + everyone + (archive is not None) > 1 or (latest and not archive):
        raise UserError("choose one: --save ID FILE, --receipt ID, --all, or --download ZIP, which may have --latest.")
    if everyone:
        _show_students(common.desk(name), homework, format)
    elif archive is not None:
        number = common.desk(name).attachments(homework, archive, latest)
        say(f"{number} files are in {archive}; index.csv there lists them.")
    elif saved is not None:
        common.source(name).save_attachment(*saved)
        say(f"Attachment {saved[0]} is in {saved[1]}.")
    elif signed is not None:
        click.echo(canonical(common.source(name).attachment_receipt(signed)))
    else:
        source = common.source(name)
        found = source.attachments(homework)
        asked = to_json(found.asked)
        emit(format, "attachments", to_json(found.attachments), FIELDS, homework=found.homework, asked=asked)
        if format == "table":
            say(_asked(found.homework, found.asked))


def _asked(homework: str, asked: Asked | None) -> str:
    """What a homework asks for, in words."""
    if asked is None:
        return f"{homework} asks for no second file."
    until = "" if asked.closes is None else f"; {'closed' if asked.closed else 'closes'} {short_time(asked.closes)}"
    what = f"{homework} asks for {' or '.join(asked.kinds)}, up to {asked.max_bytes:,} bytes{until}"
    return f"{what}." if asked.closed else f"{what}; {asked.left} more today."


def _show_students(desk: Desk, homework: str, format: Any) -> None:
    """Prints each student with the latest second file, or without one."""
    found = desk.handed(homework)
    rows = [
        {"id": one.id, "name": one.name, "email": one.email, "team": one.team}
        | ({} if one.attachment is None else {"attachment": one.attachment.id})
        | ({} if one.attachment is None else {key: getattr(one.attachment, key) for key in OF_FILE})
        for one in found.students
    ]
    fields = [
        Field("id", "id"),
        Field("name", "name", rank=1),
        Field("email", "e-mail", rank=4),
        Field("team", "team", rank=2),
        Field("attachment", "attachment", right=True),
        Field("at", "arrived", short_time),
        Field("file", "file", rank=1),
        Field("bytes", "bytes", "{:,}".format, right=True, rank=1),
        Field("by", "by", rank=3),
        Field("sha256", "SHA-256", rank=5),
    ]
    there = sum("attachment" in row for row in rows)
    title = f"{found.homework}: {there} of {len(rows)} students have handed in a second file"
    emit(format, "students", rows, fields, title=title, homework=found.homework)


OF_FILE = ("at", "kind", "file", "bytes", "by", "sha256")
