"""The instructor's commands for people: the roster and invitations.

Each change asks for confirmation (`--yes` skips that), needs a reason, and is recorded in the log.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from harness.cli import common
from harness.cli.changes import ACTOR, REASON, YES, agree, counted, read_file, show_lines
from harness.cli.entered import show_person, show_tokens
from harness.cli.output import Field, emit, say
from harness.course import people
from harness.course.access import owner
from harness.course.desk import How, Importing, Invitations, Inviting
from harness.course.people import TERM_DAYS
from harness.course.remote_desk import RemoteDesk
from harness.roster import COLUMNS
from harness.server.mail import not_set, send_all
from harness.settings import read_settings
from harness.sheets import decoded, write_rows
from harness.words import inert
from tasks.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Sequence


NOT_SENT = (
    "What was not sent has ended, and these people have no invitation. Correct their addresses, or the mail server;"
    " then run it again without a KEY: it sends to those who are left."
)


@click.group(cls=common.Group)
def roster() -> None:
    """Manage the people of the course, their teams and tokens."""


@roster.command("import")
@click.argument("file", metavar="CSV", type=click.Path())
@click.option("--rename", "renamed", metavar="OLD=NEW", multiple=True, help="Rename a team.")
@click.option("--new-team", "formed", metavar="NAME", multiple=True, help="This is a new team, not a renamed one.")
@click.option("--force", is_flag=True, help="Change teams also in homeworks that have begun.")
@REASON
@ACTOR
@YES
@common.command
def import_(
    file: str, renamed: tuple[str, ...], formed: tuple[str, ...], force: bool, reason: str, name: str | None, yes: bool
) -> None:
    """Add and change people from a CSV file.

    Its columns are id and name, and optionally email, team and role. The id identifies a person.

    People who are not in the file do not change; `roster disable` removes people. If all members of a team move to the
    same new team, this asks whether the team is renamed. Homeworks that have begun keep their teams.
    """
    data, desk = read_file(Path(file)), common.desk(name)
    asked = Importing(decoded(data, Path(file).name), list(formed), force, _renames(renamed))
    change = desk.import_roster(asked, How(reason, preview=True))
    if yes:  # the changes that --yes accepts
        show_lines(change.lines)
    agree(yes, f"{change.what}?", change.lines)
    click.echo(inert(desk.import_roster(asked, How(reason, seen=change.seen)).what))


def _renames(words: Sequence[str]) -> dict[str, str]:
    """The new name of each renamed team, from OLD=NEW. Raises UserError for anything else."""
    found: dict[str, str] = {}
    for word in words:
        old, sign, new = word.partition("=")
        if not (old and sign and new) or old in found:
            raise UserError(f"--rename must be OLD=NEW, once for each team; got {word[:80]!r}.")
        found[old] = new
    return found


@roster.command("list")
@click.option("--find", metavar="TEXT", default="", help="Only those with this text in name, id, e-mail, team or role.")
@common.FORMAT
@common.command
def list_(find: str, format: Any) -> None:
    """Show the roster. Its CSV can be imported again."""
    rows = [vars(row) for row in people.having(common.desk().people().people, find)]
    if format == "csv":
        click.echo(write_rows(COLUMNS, [[row[name] for name in COLUMNS] for row in rows]), nl=False)
        return
    fields = [Field("id", "id"), Field("name", "name"), Field("team", "team"), Field("role", "role"),
              Field("login", "can log in", rank=2), Field("email", "e-mail", rank=1),
              Field("disabled", "disabled", lambda yes: "yes" if yes else "")]  # fmt: skip
    emit(format, "people", rows, fields)
    if not rows and format == "table" and not find:
        say("The roster is empty. Begin with: lhy-grade roster import people.csv --reason TEXT")


@roster.command()
@click.argument("key", metavar="KEY")
@common.FORMAT
@common.command
def show(key: str, format: Any) -> None:
    """Show everything of a person: points, submissions, extensions, tokens."""
    show_person(common.desk(), key, format)


@roster.command()
@click.argument("key", metavar="[KEY]", required=False)
@common.FORMAT
@common.command
def tokens(key: str | None, format: Any) -> None:
    """Show the tokens of everybody, or of one person, without their secrets."""
    show_tokens(common.desk(), key, format)


@roster.command("end-token")
@click.argument("number", metavar="ID", type=click.IntRange(min=1, max=2**62))
@REASON
@ACTOR
@YES
@common.command
def end_token(number: int, reason: str, name: str | None, yes: bool) -> None:
    """End one token of somebody, as one that others may have seen.

    The others of the person stay valid; `roster tokens` has the numbers."""
    desk = common.desk(name)
    change = desk.end_token(number, How(reason, preview=True))
    agree(yes, f"{change.what}?", change.lines)
    desk.end_token(number, How(reason, seen=change.seen))
    click.echo(inert(change.what))


@roster.command()
@click.argument("old", metavar="OLD")
@click.argument("new", metavar="NEW")
@REASON
@ACTOR
@YES
@common.command
def rename(old: str, new: str, reason: str, name: str | None, yes: bool) -> None:
    """Rename a team; it keeps its submissions, quota and receipts."""
    desk = common.desk(name)
    change = desk.rename_team(old, new, How(reason, preview=True))
    agree(yes, f"{change.what}?", change.lines)
    click.echo(inert(desk.rename_team(old, new, How(reason, seen=change.seen)).what))


@roster.command()
@click.argument("key", metavar="KEY")
@REASON
@ACTOR
@YES
@common.command
def disable(key: str, reason: str, name: str | None, yes: bool) -> None:
    """Remove a person from the roster; their submissions stay.

    Their tokens are revoked, and they cannot submit any more. The last instructor stays."""
    _stand(key, True, reason, name, yes)


@roster.command()
@click.argument("key", metavar="KEY")
@REASON
@ACTOR
@YES
@common.command
def enable(key: str, reason: str, name: str | None, yes: bool) -> None:
    """Put a removed person back on the roster.

    To give them a new token: `roster invite KEY`."""
    _stand(key, False, reason, name, yes)


def _stand(key: str, disabled: bool, reason: str, name: str | None, yes: bool) -> None:
    """Takes a person off the roster, or puts one back, after its preview."""
    desk = common.desk(name)
    change = desk.stand(key, disabled, How(reason, preview=True))
    agree(yes, f"{change.what}?", change.lines)
    click.echo(inert(desk.stand(key, disabled, How(reason, seen=change.seen)).what))


@roster.command()
@click.argument("keys", metavar="[KEY]...", nargs=-1)
@click.option("--out", metavar="CSV", type=click.Path(), help="Write a file that only you can read; default: print.")
@click.option(
    "--days",
    type=click.IntRange(min=1, max=1000),
    default=TERM_DAYS,
    show_default=True,
    help="How many days the tokens are valid.",
)
@click.option("--mail", "by_mail", is_flag=True, help="Send them by mail, by the mail server in config.toml.")
@REASON
@ACTOR
@YES
@common.command
def invite(
    keys: tuple[str, ...], out: str | None, days: int, by_mail: bool, reason: str, name: str | None, yes: bool
) -> None:
    """Make login tokens, shown only once, as a CSV for a mail merge: with the address and a text for each person.

    They replace older invitations of the same people.

    Without a KEY: for everyone without a valid token.
    """
    asked = Inviting(list(keys), days)
    if (server := common.remote()) is not None:
        if name is not None:
            raise UserError("--as works only with a home folder; a server knows you by your login.")
        there = RemoteDesk(server)

        def ask(how: How) -> Invitations:
            return there.invite(asked, how, by_mail)
    else:
        home, settings = common.find_home(), read_settings(common.find_home())
        if by_mail and not settings.mail_host:
            raise not_set()
        viewer = owner(common.who(home, name))

        def ask(how: How) -> Invitations:
            done = people.invite(home, viewer, asked, how, settings.address, common.clock())
            if not by_mail or how.preview:
                return done
            return people.mailed(home, viewer, done, send_all(settings, done, common.clock()), common.clock())

    previewed = ask(How(reason, preview=True))
    chosen, how = previewed.invitations, How(reason, seen=previewed.seen)
    if not chosen:
        say("Everyone on the roster has a valid token; name the people who need another one.")
        return
    told = f"Make tokens for {counted(len(chosen), 'person', 'people')}, valid for {days} days"
    way = ", send them by mail," if by_mail else ""
    agree(yes, f"{told},{way} and revoke older invitations?", [f"{one.id}: {one.name}" for one in chosen])
    if out is None:
        done = ask(how)
        if not by_mail:
            click.echo(people.merge_file(done), nl=False)
    else:
        with private_file(Path(out)) as stream:
            done = ask(how)
            stream.write(people.merge_file(done))
        made = len(chosen) - len(done.unsent)
        say(f"{counted(made, 'invitation')} in {out}: send each person only their own line, then delete the file.")
    if by_mail:
        say(f"{len(chosen) - len(done.unsent)} of {len(chosen)} invitations were sent.")
        for key, why in done.unsent.items():
            say(inert(f"{key}: {why}"))
        if done.unsent:
            say(NOT_SENT)


@contextlib.contextmanager
def private_file(path: Path) -> Iterator[Any]:
    """A new file that only its owner can read; it is removed where what is written into it fails."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise UserError(f"{path} cannot be written: {error.strerror}. No token was made.") from None
    with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as stream:
        try:
            yield stream
        except BaseException:
            path.unlink()
            raise
