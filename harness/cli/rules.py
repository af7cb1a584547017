"""The commands for rules: rules, extend."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from harness.cli import common
from harness.cli.changes import ACTOR, YES, agree
from harness.cli.entered import show_extensions
from harness.cli.output import Field, emit, say
from harness.clocks import closing, last_instant, opened, quota_day
from harness.competition import find_competition
from harness.course.rules import change_rules, unread_rules
from harness.home import CHANGEABLE, local
from harness.words import in_words, inert
from leaderboard import adjustments, roster
from leaderboard.roster import checked_reason
from tasks.errors import UserError

if TYPE_CHECKING:
    from datetime import datetime

    from leaderboard.adjustments import Whom


@click.command()
@common.HW
@click.option("--person", metavar="KEY", help="For one person.")
@click.option("--team", metavar="NAME", help="For one team.")
@click.option("--all", "everybody", is_flag=True, help="For everyone, for example after an outage.")
@click.option("--until", metavar="TIME", help="The new deadline, like 2027-03-28T23:59+08:00.")
@click.option("--hours", type=click.FloatRange(min=0, min_open=True, max=10_000), metavar="N",
              help="The new deadline, in hours after the deadline of the homework.")  # fmt: skip
@click.option("--slots", type=click.IntRange(min=0, max=10_000), metavar="N",
              help="N more submissions on one day; 0 takes them back.")  # fmt: skip
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
    from datetime import UTC, date, timedelta

    if listed:
        show_extensions(common.desk(), homework, format)
        return
    home, now = common.find_home(), common.clock()
    if reason is None:
        raise UserError("say why: --reason TEXT. It is kept in the log.")
    competition = find_competition(home, homework)
    if sum((person is not None, team is not None, everybody)) != 1:
        raise UserError("say who gets the extension: --person KEY, --team NAME or --all.")
    if (until is not None and hours is not None) or (until is None and hours is None and slots is None):
        raise UserError("say what to extend: --until TIME or --hours N for more time, --slots N for more submissions.")
    if day is not None and slots is None:
        raise UserError("--day needs --slots.")
    if slots == 0 and (until is not None or hours is not None):
        raise UserError("--slots 0 takes slots back; use it alone, and give more time in a separate command.")
    kind: Whom = "person" if person is not None else "team" if team is not None else "all"
    who = person if person is not None else team if team is not None else ""
    with home.database() as database:  # who comes first: a name that was mistyped is no question of deadlines
        adjustments.check_whom(
            database, competition.key, kind, who if team is None else roster.find_team(database, who).handle
        )
    closes = closing(competition.rules)
    with home.database() as database:
        if competition.quiz and (shown := opened(database, competition, now)) is not None:
            raise UserError(
                f"the points of {competition.name} are open since {local(home, shown)}, so nobody gets more time.",
                code="E_CLOSED",
                exit_code=5,
            )
    end: datetime | None = None
    if until is not None or hours is not None:
        if closes is None:
            raise UserError(f"{competition.name} has no deadline, so there is nothing to extend.")
        end = (
            last_instant(until, "--until")
            if until is not None
            else closes.astimezone(UTC) + timedelta(hours=hours or 0)
        )
        if end < closes:
            raise UserError(f"--until must not be before the deadline, {closes.isoformat(timespec='seconds')}.")
    today, _ = quota_day(now, competition.rules.quota_zone)
    try:
        when = "" if slots is None or day == "every" else date.fromisoformat(day or today).isoformat()
    except ValueError:
        raise UserError(f"--day must be a date like {today}, or every; got {day!r}.") from None
    giving = []
    if end is not None:
        giving.append(f"until {local(home, end)}")
    if slots is not None:
        giving.append(f"{slots} more submissions {day_of(when)}")
    told = f"{competition.name}: {' and '.join(giving)} for {who or 'all'}"
    with home.database() as database:
        whose = who if team is None else roster.find_team(database, who).handle
        before = [one for one in adjustments.extensions(database, competition.key)
                  if (one.who_kind, one.who) == (kind, whose)]  # fmt: skip
        details = [f"replaces the extension until {local(home, one.until)}" for one in before if one.until]
        details = details[-1:] if end is not None else []
        if slots is not None:
            given = [one.slots for one in before if one.day == when and (one.slots or one.until is None)]
            details += [f"replaces {number} more submissions {day_of(when)}" for number in given[-1:]]
        agree(yes, f"{told}?", details)
        adjustments.extend(
            database,
            competition.key,
            kind,
            who,
            until=end,
            slots=slots or 0,
            day=when,
            actor=common.who(home, name),
            reason=reason,
            now=now,
        )
    click.echo(inert(told))


def day_of(day: str) -> str:
    return f"on {day}" if day else "every day"


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
    from dataclasses import asdict

    home = common.find_home()
    competition = find_competition(home, homework)
    if changes:
        if reason is None:
            raise UserError("to change a rule, add --reason TEXT; it is kept in the log.")
        if bare := [change for change in changes if "=" not in change]:
            raise UserError(f"expected RULE=VALUE, got {bare[0]!r}; an empty value restores the edition's rule.")
        wanted = dict(change.partition("=")[::2] for change in changes)
        checked_reason(reason)
        if strange := [key for key in wanted if key not in CHANGEABLE]:
            raise UserError(f"{strange[0]!r} is not a rule that can be changed; choose from: {', '.join(CHANGEABLE)}.")
        before = asdict(competition.rules)
        told = [
            f"{key} from {before.get(key)} to {value or 'the rule of the edition'}" for key, value in wanted.items()
        ]
        for warning in _consequences(competition, wanted, common.clock()):
            say(warning)
        agree(yes, f"{competition.name}: change {', '.join(told)}?")
        change_rules(home, competition, wanted, common.who(home, name), reason, common.clock())
        competition = find_competition(home, homework)
    if unread := unread_rules(home, competition):
        say(
            f"config.toml: [{competition.name}] {', '.join(unread)} is not in force: the rules were changed here since."
        )
    values = asdict(competition.rules)
    rows = [{"rule": rule, "value": values[rule]} for rule in CHANGEABLE]
    emit(format, "rules", rows, [Field("rule", "rule"), Field("value", "value")], homework=competition.name)


def _consequences(competition: Any, wanted: dict[str, str], now: datetime) -> list[str]:
    """Warnings about what a change of the rules stops at once; empty if nothing."""
    name, found = competition.name, []
    if wanted.get("quota", "").isdecimal() and int(wanted["quota"]) == 0:
        found.append(f"With quota=0 nobody can submit anything for {name}, except with `extend --slots`.")
    if deadline := wanted.get("deadline"):
        ago = now - last_instant(deadline, "deadline")
        if ago.total_seconds() > 0:
            found.append(
                f"That deadline passed {in_words(ago)} ago: {name} closes at once, submissions from now on are only"
                " practice, and the selections are locked."
            )
    return found
