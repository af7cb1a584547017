"""The commands for rules and what departs from them: rules, extend, disqualify."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from harness.cli import common
from harness.cli.changes import ACTOR, REASON, YES, agree, read_file
from harness.cli.entered import show_extensions
from harness.cli.output import Field, emit, say
from harness.course.desk import Extending, How
from harness.course.entering import ids_in
from harness.words import inert
from tasks.errors import UserError


@click.command()
@common.HW
@click.option("--person", metavar="KEY", help="For one person.")
@click.option(
    "--people",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="For many people: their ids in a file, or a CSV with a column id; all or none.",
)
@click.option("--team", metavar="NAME", help="For one team.")
@click.option("--all", "everybody", is_flag=True, help="For everyone, for example after an outage.")
@click.option("--until", metavar="TIME", help="The new deadline, like 2027-03-28T23:59+08:00.")
@click.option(
    "--hours",
    type=click.FloatRange(min=0, min_open=True, max=10_000),
    metavar="N",
    help="The new deadline, in hours after the deadline of the homework.",
)
@click.option(
    "--slots",
    type=click.IntRange(min=0, max=10_000),
    metavar="N",
    help="N more submissions on one day; 0 takes them back.",
)
@click.option("--day", metavar="DAY", help="The quota day of the slots, like 2027-03-26, or `every`; default: today's.")
@click.option("--list", "listed", is_flag=True, help="Show all extensions of HW, by whom and why.")
@click.option("--reason", metavar="TEXT", help="Why; kept in the log.")
@ACTOR
@YES
@common.FORMAT
@common.command
def extend(
    homework: str,
    person: str | None,
    people: Path | None,
    team: str | None,
    everybody: bool,
    until: str | None,
    hours: float | None,
    slots: int | None,
    day: str | None,
    listed: bool,
    reason: str | None,
    name: str | None,
    yes: bool,
    format: Any,
) -> None:
    """Give more time or more submissions to a person, a team or all.

    For the same people the latest extension wins, so a mistake can be corrected; none ends before the deadline.
    """
    desk = common.desk(name)
    if listed:
        show_extensions(desk, homework, format)
        return
    if reason is None:
        raise UserError("say why: --reason TEXT. It is kept in the log.")
    if (person is not None) + (team is not None) + (people is not None) + everybody != 1:
        raise UserError("say who gets the extension: --person KEY, --people FILE, --team NAME or --all.")
    chosen = [] if person is None else [person]
    if people is not None:
        chosen = ids_in(read_file(people).decode("utf-8", "replace"))
        if not chosen:
            raise UserError(f"{people} has no ids: it must be a list of them, or a CSV with a column id.")
    asked = Extending(chosen, [] if team is None else [team], everybody, until or "", hours, slots, day or "")
    change = desk.extend(homework, asked, How(reason, preview=True))
    agree(yes, f"{change.what}?", change.lines)
    desk.extend(homework, asked, How(reason, seen=change.seen))
    click.echo(inert(change.what))


@click.command()
@common.HW
@click.argument("changes", metavar="[RULE=VALUE]...", nargs=-1)
@click.option("--reason", metavar="TEXT", help="Why; required for a change, and kept in the log.")
@ACTOR
@YES
@common.FORMAT
@common.command
def rules(
    homework: str, changes: tuple[str, ...], reason: str | None, name: str | None, yes: bool, format: Any
) -> None:
    """Show or change the rules of a homework.

    Changes are kept in the database, for example: quota=3, deadline=2027-03-26T23:59+08:00."""
    desk = common.desk(name)
    if changes:
        if reason is None:
            raise UserError("to change a rule, add --reason TEXT; it is kept in the log.")
        if bare := [change for change in changes if "=" not in change]:
            raise UserError(f"expected RULE=VALUE, got {bare[0]!r}; an empty value restores the edition's rule.")
        wanted = dict(change.partition("=")[::2] for change in changes)
        change = desk.change_rules(homework, wanted, How(reason, preview=True))
        for warning in change.lines:
            say(warning)
        agree(yes, f"{change.what}?")
        desk.change_rules(homework, wanted, How(reason, seen=change.seen))
    found = desk.rules(homework)
    if found.unread:
        say(
            f"config.toml: [{found.homework}] {', '.join(found.unread)} is not in force: the rules were changed here"
            " since."
        )
    rows = [vars(row) for row in found.rules]
    emit(format, "rules", rows, [Field("rule", "rule"), Field("value", "value")], homework=found.homework)


@click.command()
@click.argument("number", metavar="ID", type=click.IntRange(min=1, max=2**62))
@click.option("--undo", is_flag=True, help="Let a disqualified submission count again.")
@REASON
@ACTOR
@YES
@common.command
def disqualify(number: int, undo: bool, reason: str, name: str | None, yes: bool) -> None:
    """Take a submission out of the count, for a reason.

    It leaves every board and selection, and its owner sees the reason; its slot, file and score stay."""
    desk = common.desk(name)
    change = desk.disqualify(number, undo, How(reason, preview=True))
    agree(yes, f"{change.what}?", change.lines)
    desk.disqualify(number, undo, How(reason, seen=change.seen))
    click.echo(inert(change.what))
