"""The instructor's commands for a class: the roster, extensions, points by hand, the gradebook.

Each change asks for confirmation (`--yes` skips that), needs a reason, and is recorded in the log.
"""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from harness import options
from tasks.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from leaderboard.roster import Entry, Person, Whom

TERM_DAYS = 200
"""The days that a token is valid: a term, and the weeks after it."""

SHOWN = 50
"""The most details shown before a question."""

REASON = click.option("--reason", required=True, metavar="TEXT", help="Why; kept in the log.")
ACTOR = click.option(
    "--as", "name", metavar="NAME", help="Your name, for the log; default: `name` in config.toml, or your user name."
)
YES = click.option("--yes", is_flag=True, help="Do not ask.")


def agree(yes: bool, question: str, details: Sequence[str] = ()) -> None:
    """Asks for confirmation of a change, after up to `SHOWN` lines of detail; with --yes it neither asks nor shows."""
    from harness.render import inert

    if not yes:
        for line in details[:SHOWN]:
            click.echo(inert(line), err=True)
        if len(details) > SHOWN:
            click.echo(f"… and {len(details) - SHOWN} more", err=True)
        options.confirm(question)


def _count(number: int, one: str, many: str = "") -> str:
    return f"{number} {one if number == 1 else many or one + 's'}"


@click.group(cls=options.Group)
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
@options.command
def import_(
    file: str, renamed: tuple[str, ...], formed: tuple[str, ...], force: bool, reason: str, name: str | None, yes: bool
) -> None:
    """Add and change people from a CSV file.

    Its columns are id and name, and optionally email, team and role. The id identifies a person.

    People who are not in the file do not change; `roster disable` removes people. If all members of a team move to the
    same new team, this asks whether the team is renamed. Homeworks that have begun keep their teams.
    """
    from harness.render import inert, say
    from harness.sheets import read_roster
    from leaderboard import roster as people
    from leaderboard import store

    home = options.find_home()
    given = _renames(renamed)
    try:
        data = Path(file).read_bytes()
    except OSError as error:
        raise UserError(f"{file} cannot be read: {error.strerror}.") from None
    with home.database() as database:
        before = people.people(database)
        taken = [one.name for one in store.participants(database) if one.kind != "person"]
        teams = people.teams(database)
        names, guessed = {team.name for team in teams}, dict[str, str]()
        for old, new_name in list(given.items()):
            if old not in names and new_name in names:
                del given[old]
                say(f"There is no team {inert(old)}, and {inert(new_name)} exists: nothing to rename.")

        def rename(entries: Sequence[Entry]) -> dict[str, str]:
            found = people.possible_renames(entries, before, teams)
            guessed.update({old: new for old, new in found.items() if old not in given and new not in formed})
            return given | guessed

        entries = read_roster(data, Path(file).name, before, taken, teams, rename)
        renames, now = given | guessed, options.clock()
        known = {person.key: person for person in before}
        changed = [line for entry in entries if (person := known.get(entry.key)) is not None
                   if (line := _difference(entry, person, renames))]  # fmt: skip
        added = [_difference(entry, None, renames) for entry in entries if entry.key not in known]
        follows = people.follows(database, entries, now=now, renames=renames, force=force)
        words = [f"Add {_count(len(added), 'person', 'people')} to the roster", f"change {len(changed)} already on it"]
        words += [f"rename the team {old} to {new_name}" for old, new_name in renames.items()]
        for line in [*follows, *changed] if yes else ():  # the changes that --yes accepts
            say(inert(line))
        try:
            agree(yes, f"{', and '.join(words)}?", [*follows, *changed, *added])
        except (click.Abort, UserError):  # the answer was no, or there is no terminal
            for old, new_name in guessed.items():
                say(
                    f"Nothing was changed. If {new_name} is the new name of {old}, pass --rename '{old}={new_name}'"
                    f" --yes; if {new_name} is another team, pass --new-team '{new_name}' --yes."
                )
            raise
        done = people.import_people(
            database, entries, actor=options.who(home, name), reason=reason, now=now, renames=renames, force=force
        )
    moved = f"; {done.moved} changed teams in homeworks that have begun" if done.moved else ""
    click.echo(f"{len(done.added)} added, {len(done.changed)} changed, {done.unchanged} unchanged{moved}")


def _renames(words: Sequence[str]) -> dict[str, str]:
    """The new name of each renamed team, from OLD=NEW. Raises UserError for anything else."""
    found: dict[str, str] = {}
    for word in words:
        old, sign, new = word.partition("=")
        if not (old and sign and new) or old in found:
            raise UserError(f"--rename must be OLD=NEW, once for each team; got {word[:80]!r}.")
        found[old] = new
    return found


def _difference(entry: Entry, person: Person | None, renames: Mapping[str, str]) -> str:
    """The line for a person that an import changes; empty if nothing changes."""
    if person is None:
        where = f", team {entry.team}" if entry.team else ""
        return f"{entry.key}: new, {entry.name}, {entry.role}{where}"
    person = replace(person, team=renames.get(person.team or "", person.team))
    values = [(name, getattr(person, name) or "none", getattr(entry, name) or "none")
              for name in ("name", "email", "team", "role")]  # fmt: skip
    changes = [f"{name} from {old} to {new}" for name, old, new in values if old != new]
    return f"{entry.key}: {', '.join(changes)}" if changes else ""


@roster.command("list")
@options.FORMAT
@options.command
def list_(format: Any) -> None:
    """Show the roster. Its CSV can be imported again."""
    from harness.render import Field, emit, say
    from harness.sheets import COLUMNS, roster_rows, write_rows
    from leaderboard import roster as people

    home = options.find_home()
    with home.database() as database:
        rows = roster_rows(people.people(database))
    if format == "csv":
        click.echo(write_rows(COLUMNS, [[row[name] for name in COLUMNS] for row in rows]), nl=False)
        return
    fields = [Field("id", "id"), Field("name", "name"), Field("team", "team"), Field("role", "role"),
              Field("email", "e-mail", rank=1),
              Field("disabled", "disabled", lambda yes: "yes" if yes else "")]  # fmt: skip
    emit(format, "people", rows, fields)
    if not rows and format == "table":
        say("The roster is empty. Begin with: lhy-grade roster import people.csv --reason TEXT")


@roster.command()
@click.argument("old", metavar="OLD")
@click.argument("new", metavar="NEW")
@REASON
@ACTOR
@YES
@options.command
def rename(old: str, new: str, reason: str, name: str | None, yes: bool) -> None:
    """Rename a team; it keeps its submissions, quota and receipts."""
    from harness.render import inert
    from leaderboard import roster as people

    home = options.find_home()
    with home.database() as database:
        members = [person for person in people.people(database) if person.team == people.find_team(database, old).name]
        if not members:
            raise UserError(f"the team {old} has no members.", code="E_ROSTER")
        entries = [people.Entry(one.key, one.name, one.email, one.role, one.team) for one in members]
        agree(yes, f"Rename the team {old}, with {_count(len(members), 'member')}, to {new}?")
        people.import_people(
            database, entries, actor=options.who(home, name), reason=reason, now=options.clock(), renames={old: new}
        )
    click.echo(inert(f"the team {old} is now called {new}; it keeps its submissions, quota and receipts"))


@roster.command()
@click.argument("key", metavar="KEY")
@REASON
@ACTOR
@YES
@options.command
def disable(key: str, reason: str, name: str | None, yes: bool) -> None:
    """Remove a person from the roster; their submissions stay.

    Their tokens are revoked, and they cannot submit any more."""
    from harness.render import inert
    from leaderboard import roster as people

    home = options.find_home()
    with home.database() as database:
        person = _person(people.find_person(database, key), key)
        live = sum(one.revoked_at is None for one in people.tokens(database, key))
        under = f"; the team {person.team} remains" if person.team else ""
        details = [
            f"{_count(live, 'token')} will be revoked; submissions made so far stay, no more are accepted{under}."
        ]
        agree(yes, f"Remove {person.name} ({person.key}) from the roster?", details)
        people.disable(database, key, actor=options.who(home, name), reason=reason, now=options.clock())
    click.echo(inert(f"{person.name} is removed from the roster; their submissions stay"))


@roster.command()
@click.argument("key", metavar="KEY")
@REASON
@ACTOR
@YES
@options.command
def enable(key: str, reason: str, name: str | None, yes: bool) -> None:
    """Put a removed person back on the roster.

    To give them a new token: `roster invite KEY`."""
    from harness.render import inert
    from leaderboard import roster as people

    home = options.find_home()
    with home.database() as database:
        person = _person(people.find_person(database, key), key)
        agree(yes, f"Put {person.name} ({person.key}) back on the roster?")
        people.enable(database, key, actor=options.who(home, name), reason=reason, now=options.clock())
    click.echo(inert(f"{person.name} is on the roster again"))


def _person(found: Person | None, key: str) -> Person:
    if found is None:
        raise UserError(f"there is nobody with the id {key} on the roster.", code="E_ROSTER")
    return found


@roster.command()
@click.argument("keys", metavar="[KEY]...", nargs=-1)
@click.option("--out", metavar="CSV", type=click.Path(), help="Write a file that only you can read; default: print.")
@click.option("--days", type=click.IntRange(min=1, max=1000), default=TERM_DAYS, show_default=True,
              help="How many days the tokens are valid.")  # fmt: skip
@REASON
@ACTOR
@YES
@options.command
def invite(keys: tuple[str, ...], out: str | None, days: int, reason: str, name: str | None, yes: bool) -> None:
    """Make login tokens, shown only once, as a CSV. They replace older invitations of the same people.

    Without a KEY: for everyone without a valid token.
    """
    from datetime import timedelta

    from harness.render import say
    from leaderboard import roster as people

    home, now = options.find_home(), options.clock()
    with home.database() as database:
        chosen = [_person(people.find_person(database, key), key) for key in dict.fromkeys(keys)]
        if not keys:
            chosen = [
                person
                for person in people.people(database)
                if person.disabled_at is None
                and not any(_opens(one, now) for one in people.tokens(database, person.key))
            ]
        if not chosen:
            say("Everyone on the roster has a valid token; name the people who need another one.")
            return
        details = [f"{person.key}: {person.name}, {person.role}" for person in chosen]
        agree(
            yes,
            f"Make tokens for {_count(len(chosen), 'person', 'people')}, valid for {days} days,"
            " and revoke older invitations?",
            details,
        )
        made = {person.key: people.new_token() for person in chosen}
        text = _invitations(chosen, made)
        if out is not None:
            _write_private(Path(out), text)
        try:
            people.issue_tokens(
                database,
                {key: people.hash_token(token) for key, token in made.items()},
                scope="all",
                label=people.INVITATION,
                expires=now + timedelta(days=days),
                actor=options.who(home, name),
                reason=people.checked_reason(reason),
                now=now,
                replace=True,
            )
        except BaseException:
            if out is not None:
                Path(out).unlink()
            raise
    if out is None:
        click.echo(text, nl=False)
    else:
        say(f"{len(made)} invitations are in {out}; send each person only their own line, then delete the file.")


def _opens(token: Any, now: datetime) -> bool:
    return token.revoked_at is None and token.expires_at > now


def _invitations(chosen: list[Person], made: dict[str, str]) -> str:
    from harness.sheets import write_rows

    rows = [[person.key, person.name, person.email, made[person.key]] for person in chosen]
    return write_rows(["id", "name", "email", "token"], rows)


def _write_private(path: Path, text: str) -> None:
    """Writes a new file that only its owner can read."""
    import os

    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise UserError(f"{path} cannot be written: {error.strerror}. No token was made.") from None
    with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as stream:
        stream.write(text)


@click.command()
@options.HW
@click.option("--person", metavar="KEY", help="For one person.")
@click.option("--team", metavar="NAME", help="For one team.")
@click.option("--all", "everybody", is_flag=True, help="For everyone, for example after an outage.")
@click.option("--until", metavar="TIME", help="The new deadline, like 2027-03-28T23:59+08:00.")
@click.option("--hours", type=click.FloatRange(min=0, min_open=True, max=10_000), metavar="N",
              help="The new deadline, in hours after the deadline of the homework.")  # fmt: skip
@click.option("--slots", type=click.IntRange(min=0, max=10_000), metavar="N",
              help="N more submissions on one day; 0 takes them back.")  # fmt: skip
@click.option("--day", metavar="DAY", help="The quota day of the slots, like 2027-03-26, or `every`; default: today's.")
@REASON
@ACTOR
@YES
@options.command
def extend(
    homework: str,
    person: str | None,
    team: str | None,
    everybody: bool,
    until: str | None,
    hours: float | None,
    slots: int | None,
    day: str | None,
    reason: str,
    name: str | None,
    yes: bool,
) -> None:
    """Give more time or more submissions to a person, a team or all.

    For the same people the latest extension wins, so a mistake can be corrected; none ends before the deadline.
    """
    from datetime import UTC, date, timedelta

    from harness.competition import find_competition
    from harness.home import local
    from harness.render import inert
    from harness.rules import closing, last_instant, opened, quota_day
    from leaderboard import roster as people

    home, now = options.find_home(), options.clock()
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
        people.check_whom(
            database, competition.key, kind, who if team is None else people.find_team(database, who).handle
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
            raise UserError(f"{competition.name} has no deadline in config.toml, so there is nothing to extend.")
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
        whose = who if team is None else people.find_team(database, who).handle
        before = [one for one in people.extensions(database, competition.key)
                  if (one.who_kind, one.who) == (kind, whose)]  # fmt: skip
        details = [f"replaces the extension until {local(home, one.until)}" for one in before if one.until]
        details = details[-1:] if end is not None else []
        if slots is not None:
            given = [one.slots for one in before if one.day == when and (one.slots or one.until is None)]
            details += [f"replaces {number} more submissions {day_of(when)}" for number in given[-1:]]
        agree(yes, f"{told}?", details)
        people.extend(
            database,
            competition.key,
            kind,
            who,
            until=end,
            slots=slots or 0,
            day=when,
            actor=options.who(home, name),
            reason=reason,
            now=now,
        )
    click.echo(inert(told))


def day_of(day: str) -> str:
    return f"on {day}" if day else "every day"


@click.command()
@options.HW
@click.argument("key", metavar="[KEY]", required=False)
@click.argument("part", metavar="[PART]", required=False)
@click.argument("points", metavar="[N]", type=float, required=False)
@click.option(
    "--csv",
    "file",
    metavar="FILE",
    type=click.Path(),
    help="Points of many students: a CSV with id and a column for each part.",
)
@REASON
@ACTOR
@YES
@options.command
def points(
    homework: str,
    key: str | None,
    part: str | None,
    points: float | None,
    file: str | None,
    reason: str,
    name: str | None,
    yes: bool,
) -> None:
    """Enter points given by hand; the latest entry wins."""
    from harness.gradebook import find_schemes
    from harness.render import inert
    from leaderboard import roster as people
    from leaderboard import store
    from tasks.homeworks import canonical

    home = options.find_home()
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
        if people.is_empty(database):
            known = {one.name for one in store.participants(database) if one.kind == "person"}
        else:
            known = {person.key for person in people.people(database) if person.role == "student"}
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
        before = people.parts(database, homework)
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
            told = f"{homework}: {_count(len(entries), 'entry', 'entries')}"
            instead = f", {len(again)} of them replacing earlier ones" if again else ""
        agree(yes, f"{told}{instead}?", details if file is not None else ())
        people.enter_all_points(
            database,
            homework,
            [(who, which, number) for _, who, which, number in entries],
            actor=options.who(home, name),
            reason=reason,
            now=options.clock(),
        )
    click.echo(inert(told))


def _read_points(file: str, parts: Any) -> list[tuple[str, str, str, float]]:
    """(where, key, part, points) of every cell of a CSV that is not empty."""
    from harness.sheets import read_rows

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
@options.VERSION
@ACTOR
@options.FORMAT
@options.command
def gradebook(homework: str | None, unrevealed: bool, version: int | None, name: str | None, format: Any) -> None:
    """Show each student's points, by bars and by hand."""
    from harness import view
    from harness.render import emit_json, say

    home = options.find_home()
    owner = view.owner(options.who(home, name))
    body = view.gradebook(home, owner, homework, unrevealed=unrevealed, version=version, now=options.clock())
    hidden, table = body.pop("hidden"), body.pop("table")
    if format == "json":
        emit_json(body)
    elif format == "csv":
        from harness.sheets import write_rows

        click.echo(write_rows(table["header"], table["rows"]), nl=False)
    else:
        _show_gradebook(body["homeworks"], body["students"], homework is not None, body["total"]["rule"])
    if hidden:
        say(f"Private points of {', '.join(hidden)} are left out: not revealed yet; --unrevealed includes them.")


def _show_gradebook(homeworks: list[dict[str, Any]], students: list[dict[str, Any]], one: bool, rule: str) -> None:
    """Prints the gradebook: for one homework the sums of both boards and each part, for all of them the totals.

    `rule` says which homeworks count in the course total; empty where all do.
    """
    from harness.render import Field, emit

    def points(scores: dict[str, dict[str, Any]]) -> dict[str, float | None]:
        if not one:
            return {name: score["total"] for name, score in scores.items()}
        (score,) = scores.values()
        private = None if score["private"] is None else math.fsum(score["private"].values())
        told: dict[str, float | None] = {"public": math.fsum(score["public"].values()), "private": private}
        told.update(score["parts"])
        return told

    asking = [each["name"] for each in homeworks if any(one["homeworks"][each["name"]]["model"] for one in students)]
    rows = []
    for student in students:
        told = {name: student[name] for name in ("id", "name", "email", "team")}
        rows.append(
            told | points(student["homeworks"]) | {"total": student["total"]}
            | {f"{name} model": student["homeworks"][name]["model"] for name in asking}
        )  # fmt: skip
    fields = [Field("id", "id"), Field("name", "name"), Field("email", "email", rank=2), Field("team", "team", rank=1)]
    shown = rows[0] if rows else {"total": 0.0}
    models = [Field(f"{name} model", "model" if one else f"{name} model") for name in asking]
    known = {field.key for field in (*fields, *models)}
    fields += [Field(name, name, "{:g}".format, right=True) for name in shown if name not in known] + models
    most = ", ".join(f"{homework['name']} {homework['maximum']:g}" for homework in homeworks)
    emit("table", "gradebook", rows, fields, title=f"points{f'; in the total {rule}' if rule else ''}; maximum: {most}")


@click.command()
@options.HW
@click.argument("changes", metavar="[RULE=VALUE]...", nargs=-1)
@click.option("--reason", metavar="TEXT", help="Why; required for a change, and kept in the log.")
@ACTOR
@YES
@options.FORMAT
@options.command
def rules(
    homework: str, changes: tuple[str, ...], reason: str | None, name: str | None, yes: bool, format: Any
) -> None:
    """Show or change the rules of a homework.

    Changes are written to config.toml, for example: quota=3, deadline=2027-03-26T23:59+08:00."""
    from dataclasses import asdict

    from harness.competition import find_competition
    from harness.render import Field, emit, say
    from harness.rules import CHANGEABLE, change_rules
    from leaderboard.roster import checked_reason

    home = options.find_home()
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
        for warning in _consequences(competition, wanted, options.clock()):
            say(warning)
        agree(yes, f"{competition.name}: change {', '.join(told)}?")
        change_rules(home, competition, wanted, options.who(home, name), reason, options.clock())
        home = options.find_home()
        competition = find_competition(home, homework)
    values = asdict(competition.rules)
    rows = [{"rule": rule, "value": values[rule]} for rule in CHANGEABLE]
    emit(format, "rules", rows, [Field("rule", "rule"), Field("value", "value")], homework=competition.name)


def _consequences(competition: Any, wanted: dict[str, str], now: datetime) -> list[str]:
    """Warnings about what a change of the rules stops at once; empty if nothing."""
    from harness.render import in_words
    from harness.rules import last_instant

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
