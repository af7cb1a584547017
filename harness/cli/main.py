"""The command line: the commands for everyone, and the list of all commands.

Each other module of this folder is loaded when one of its commands is called. A command gets its data from
`common.source()`, a home or a server, and shows them the same way.
"""

from __future__ import annotations

import sys
from typing import Any

import click

from harness.cli import common
from tasks.errors import UserError

ELSEWHERE = {
    "audit": ("operate", "Show the log, and verify the integrity of all records."),
    "calibrate": ("training", "For instructors: what each level scores on your data."),
    "causes": ("causes", "After the reveal, write a page with the causes of HW9."),
    "demo": ("operate", "Run a tour of everything in a new course, from data to board."),
    "doctor": ("operate", "Check this installation, and the home folder or the login."),
    "extend": ("rules", "Give more time or more submissions to a person, a team or all."),
    "grade": ("operate", "Finish grading that a crash interrupted."),
    "gradebook": ("points", "Show each student's points, by bars and by hand."),
    "leaderboard": ("board", "Show the board of a homework, or all boards."),
    "new": ("competitions", "Create your own competition, or a quiz."),
    "points": ("points", "Show your points, or enter those given by hand."),
    "prepare": ("competitions", "Prepare a homework: its data, hidden answers and split."),
    "reveal": ("competitions", "Show the private board to everyone; this cannot be undone."),
    "roster": ("people", "Manage the people of the course, their teams and tokens."),
    "rules": ("rules", "Show or change the rules of a homework."),
    "select": ("hand_in", "Choose which submissions count on the private board."),
    "serve": ("serve", "Serve this course to a class over the network."),
    "starter": ("starter", "Write the sample code that a homework begins with."),
    "status": ("hand_in", "Show a submission's score, queue position or problems."),
    "submissions": ("hand_in", "List your submissions with their scores."),
    "submit": ("hand_in", "Submit a file: record it, score it and put it on the board."),
    "train": ("training", "Train a baseline, or resume an interrupted run."),
    "verify": ("verify", "Verify an entry's size with a model that gives the same file."),
    "worker": ("serve", "Grade what a server has accepted, here or on a Ray cluster."),
}
"""The commands of the other modules of this folder: the module of each, and its line in the list of all commands."""


LINE = 62
"""The longest line in the list of commands, in characters."""


class Commands(common.Group):
    """The group of all commands; lists the commands of other modules without loading them."""

    def list_commands(self, context: click.Context) -> list[str]:
        return sorted((*self.commands, *ELSEWHERE))

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        if name in ELSEWHERE:
            from importlib import import_module

            found: click.Command = getattr(import_module(f"harness.cli.{ELSEWHERE[name][0]}"), name)
            return found
        return super().get_command(context, name)

    def format_commands(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        own = {name: command.get_short_help_str(LINE) for name, command in self.commands.items()}
        rows = sorted((own | {name: line for name, (_, line) in ELSEWHERE.items()}).items())
        with formatter.section("Commands"):
            formatter.write_dl(rows)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.option(
    "--home",
    metavar="DIR",
    envvar="LHY_GRADE_HOME",
    type=click.Path(),
    help="The course's folder; default: LHY_GRADE_HOME, or the user's data folder.",
)
@click.option("--debug", is_flag=True, help="Show the traceback of an internal error.")
@click.version_option(package_name="lhy-grade")
@click.pass_context
def cli(context: click.Context, home: str | None, debug: bool) -> None:
    """Run the competitions of a machine learning course: data, bars, hidden scores and leaderboards."""
    context.obj = home


@cli.command()
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
    from harness.cli.output import Field, emit, emit_json, say
    from harness.course.entries import to_json
    from harness.words import inert, short_time, words

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
    from pathlib import Path

    from harness.show import find_picture, show

    if folder is None:
        if homework is None:
            raise UserError("name a homework, or give the folder with its data: --from DIR.")
        folder = common.source(named=False).files(homework).folder
        if folder is None:
            raise UserError(f"download the data first: lhy-grade files {homework} --download. Then: --show --from DIR.")
    found = find_picture(Path(folder))
    click.echo(show(Path(folder)) if found is None else found.path)


@cli.command()
@common.HW
@click.option(
    "--download", metavar="[DIR]", is_flag=False, flag_value="", help="Download them from the server; default: ./HW."
)
@click.option("--all", "every", is_flag=True, help="List every file, including those in folders.")
@common.FORMAT
@common.command
def files(homework: str, download: str | None, every: bool, format: Any) -> None:
    """List the data files of a homework, or download them.

    A folder is one line; --all, JSON and CSV list every file."""
    from dataclasses import replace
    from pathlib import Path

    from harness.archive import grouped
    from harness.cli.output import Field, emit, say
    from harness.course.entries import to_json

    source = common.source(named=False)
    listing = source.files(homework)
    folder = listing.folder
    if download is not None:
        if folder is not None:
            raise UserError(f"the files are already on this machine: {folder}")
        from harness.course.download import download as fetch
        from harness.course.remote import RemoteCourse

        assert isinstance(source, RemoteCourse)
        folder = str(fetch(source, listing, Path(download or listing.homework), common.progress_bar))
    size = Field("bytes", "bytes", lambda n: f"{n:,}", right=True)
    body = to_json(replace(listing, folder=folder))
    more = {key: value for key, value in body.items() if key not in ("schema", "files")}
    if every or format != "table":
        emit(format, "files", body["files"], [Field("file", "file"), size, Field("sha256", "SHA-256", rank=1)], **more)
    else:
        rows = grouped(body["files"])
        fields = [Field("name", "name"), Field("files", "files", lambda n: f"{n:,}", right=True), size]
        emit(format, "files", rows, fields)
    if format == "table":
        total = f"{len(listing.files):,} files, {sum(file.bytes for file in listing.files):,} bytes"
        there = f"in {folder}" if folder is not None else f"download them: lhy-grade files {homework} --download"
        say(f"{total}; {there}")
    if folder is not None and download is None:
        from harness.build import damaged_files

        damaged = damaged_files(Path(folder))
        if damaged:
            raise UserError(
                f"changed, missing or added since the data were prepared: {', '.join(damaged)}. Get the files again.",
                exit_code=8,
            )


@cli.command()
@common.HW
@common.FILE
@click.option("--edition", metavar="YEAR", help="Check against the course's format of that year; needs no data.")
@common.FORMAT
@common.command
def check(homework: str, file: str, edition: str | None, format: Any) -> None:
    """Check a file as `submit` does, without recording anything."""
    from pathlib import Path

    from harness.cli.hand_in import check_with, valid_line
    from harness.cli.output import emit_json, say
    from harness.grading.scoring import check as check_file
    from harness.words import inert
    from tasks.homeworks import canonical, find_task, unknown

    if edition is None:
        competition, said, notes = check_with(common.source(named=False), homework, Path(file), say)
        name, form, edition = competition.name, competition.format, competition.edition
    else:
        name = canonical(homework)
        task = find_task(name)
        if task is None:
            raise unknown(name)
        form, judge, public = task.edition(edition).format, task.edition(edition).judge, None
        if not len(form):
            raise UserError(f"edition {edition} has no format until `prepare` draws its data; leave out --edition.")
        said, notes = (), check_file(Path(file), form, judge, public).notes
    rows = len(form)
    if format == "json":
        body = {"schema": 1, "valid": True, "homework": name, "edition": edition, form.unit: rows}
        emit_json(body | {"notes": [*said, *notes]})
    elif format == "csv":
        click.echo(inert(f"valid,homework,edition,{form.unit}") + "\n" + inert(f"True,{name},{edition},{rows}"))
    else:
        click.echo(valid_line(form, name, edition))
        for note in notes:
            say(note)


@cli.command()
@common.HW
@common.NAME
@common.FORMAT
@common.command
def quota(homework: str, name: str | None, format: Any) -> None:
    """Show your remaining submissions for today."""
    from harness.cli.output import Field, emit, emit_json, say
    from harness.course.entries import to_json
    from harness.words import short_time

    found = common.source(name).quota(homework)
    if format == "json":
        emit_json(to_json(found))
        return
    row = found.quota[0]
    fields = [
        Field("homework", "homework"),
        Field("used", "practice today" if row.practice else "used today", right=True),
        Field("left", "left", right=True),
        Field("limit", "a day", right=True),
        Field("refused", "refused files", right=True, rank=1),
        Field("next_day", f"next day begins ({found.zone})", short_time),
    ]
    if row.closes and not row.revealed:
        fields.append(Field("closes", "closed" if row.practice else "closes", short_time, rank=1))
    emit(format, "quota", to_json(found.quota), fields)
    if row.practice and format == "table":
        since = "revealed" if row.revealed else "closed"
        since += f" {short_time(row.revealed or row.closes or '')}"
        say(f"{row.homework} is over ({since}): what you submit now is scored for practice, not ranked.")


@cli.command()
@click.argument("id", metavar="ID", type=int, required=False)
@click.option("--verify", "file", metavar="FILE", type=click.Path(), help="Verify a saved receipt.")
@click.option("--key", metavar="KEY", help="The course's public key; default: that of this home or login.")
@common.command
def receipt(id: int | None, file: str | None, key: str | None) -> None:
    """Print the receipt of a submission, or verify a saved one."""
    from pathlib import Path

    from harness.words import inert
    from leaderboard import receipts

    source = common.source(named=False)
    if file is None:
        if id is None:
            raise UserError("give the number of a submission, or a saved receipt: --verify FILE.")
        click.echo(receipts.canonical(source.receipt(id)))
        return
    if key is None:
        key = source.receipt_key()
        if key is None:
            raise UserError("the course's public key is not known on this machine; give it with --key.")
    try:
        text = Path(file).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        raise UserError(f"{file} cannot be read as a receipt.") from None
    found = receipts.verify(text, key)
    text = f"genuine: submission {found.submission} of {found.participant}, {found.competition}, {found.accepted_at}"
    click.echo(inert(text))


@cli.command()
@click.argument("url", required=False)
@click.option("--ca", metavar="FILE", type=click.Path(), help="Trust certificates signed by this authority.")
@click.option("--insecure", is_flag=True, help="Allow plain http to another machine; the token can be read on the way.")
@click.option("--new-token", is_flag=True, help="Print a new token, for a browser or another machine.")
@common.command
def login(url: str | None, ca: str | None, insecure: bool, new_token: bool) -> None:
    """Log in to a course's server, or show who is logged in.

    Asks for the token, or reads it from standard input, and keeps it in a file that only you can read. An invitation
    works once: the first login replaces it with a token for this machine.
    """
    from harness.course import login
    from harness.words import inert

    path = common.login_file()
    if url is None:
        server = login.read_login(path) if path.exists() else None
        if server is None:
            raise UserError("you are not logged in; log in with: lhy-grade login URL")
    else:
        url = login.check_url(url, insecure)
        token = click.prompt("Token", hide_input=True, err=True) if sys.stdin.isatty() else sys.stdin.readline()
        server = login.log_in(url, token.strip(), ca)
    if url is not None:
        login.write_login(path, server)
    if new_token:
        click.echo(inert(server.new_token("further").token))
        return
    person = server.me()
    click.echo(inert(f"{server.course}: {person.name}, {person.role}, at {server.url}"))


@cli.command()
@common.command
def logout() -> None:
    """Log out and revoke the token of this machine.

    Commands then use the home folder again."""
    from harness.cli.output import say
    from harness.course import login
    from harness.words import inert

    path = common.login_file()
    if not path.exists():
        raise UserError("you are not logged in.")
    text, expires = "logged out; the token has been revoked", "it expires"
    try:
        server = login.read_login(path)
        expires = server.expires or expires
        server.revoke()
    except (UserError, KeyboardInterrupt) as error:
        if getattr(error, "code", "") != "E_LOGIN":
            say(str(error) or "Interrupted.")
            text = f"logged out on this machine; the token stays valid until {expires}, or until course staff revoke it"
    finally:
        path.unlink()
    click.echo(inert(text))


def main() -> None:
    """The entry point of `lhy-grade`."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")  # a terminal that cannot show a character shows its code
    try:
        cli()
    except SystemExit as end:
        if end.code == 1 and common.close_unread():  # click exits by itself, as after a help text
            sys.exit(common.PIPE_EXIT)
        raise
