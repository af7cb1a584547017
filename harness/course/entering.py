"""What staff enter: extensions, points by hand, rules. Each is previewed, and then done whole or not at all."""

from __future__ import annotations

import contextlib
import csv
import hashlib
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, date, datetime, timedelta
from functools import partial

from harness.clocks import attachment_closing, closing, last_instant, opened, quota_day
from harness.competition import Competition, find_competition
from harness.course.access import Viewer, own_submission, require_instructor
from harness.course.attached import ATTACHED, HANDED
from harness.course.desk import Change, Extending, How, PartEntry, RuleRow, RulesInForce
from harness.course.entered import competition_for_staff, scheme_for_staff
from harness.course.rules import change_rules, consequences, unread_rules
from harness.home import CHANGEABLE, Home, local
from harness.sheets import read_rows
from harness.words import inert
from leaderboard import adjustments, attachments, disqualified, records, roster
from leaderboard.adjustments import Whom
from leaderboard.competitions import name_of
from leaderboard.database import Database
from leaderboard.roster import checked_reason
from tasks.errors import UserError

SHOWN = 20
"""The most problems that a message names."""


@contextlib.contextmanager
def of_input() -> Iterator[None]:
    """Turns a usage error of what was entered into UserError E_INPUT: the home is in order."""
    try:
        yield
    except UserError as error:
        if error.code != "E_USAGE":
            raise
        raise UserError(str(error), code="E_INPUT", exit_code=error.exit_code) from None


def refuse(problems: Sequence[str], code: str = "E_INPUT") -> None:
    """Raises UserError with all problems, if there are any."""
    if problems:
        more = [f"… and {len(problems) - SHOWN} more."] if len(problems) > SHOWN else []
        raise UserError("\n".join([*problems[:SHOWN], *more, "Nothing was entered."]), code=code, exit_code=2)


def numbered(seen: str | None) -> int | None:
    """The number that a preview gave as its state; -1, which nothing has, for anything else."""
    if seen is None:
        return None
    return int(seen) if re.fullmatch(r"[0-9]{1,18}", seen) else -1


def extend(home: Home, viewer: Viewer, hw: str, asked: Extending, how: How, now: datetime) -> Change:
    """Gives all of these people and teams, or everybody, more time or more submissions."""
    with of_input():
        competition = competition_for_staff(home, viewer, hw, "give extensions")
        whom, name = _whom(asked), competition.name
        if (asked.until and asked.hours is not None) or (not asked.until and asked.hours is asked.slots is None):
            raise UserError(
                "say what to extend: --until TIME or --hours N for more time, --slots N for more submissions."
            )
        if asked.day and asked.slots is None:
            raise UserError("--day needs --slots.")
        if asked.slots == 0 and (asked.until or asked.hours is not None):
            raise UserError("--slots 0 takes slots back; use it alone, and give more time in a separate command.")
        if (
            (asked.slots or 0) > 10_000
            or (asked.slots or 0) < 0
            or not 0 < (1 if asked.hours is None else asked.hours) <= 10_000
        ):
            raise UserError("hours and submissions must be numbers up to 10,000.")
        if not how.preview:
            checked_reason(how.reason)
        with home.database() as database:  # who comes first: a name that was mistyped is no question of deadlines
            problems, handles = [], {}
            for kind, who in whom:
                try:
                    handles[who] = roster.find_team(database, who).handle if kind == "team" else who
                    adjustments.check_whom(database, competition.key, kind, handles[who])
                except UserError as error:
                    problems.append(str(error))
            refuse(problems, "E_ROSTER")
        with home.database() as database:
            if competition.quiz and (shown := opened(database, competition, now)) is not None:
                raise UserError(
                    f"the points of {name} are open since {local(home, shown)}, so nobody gets more time.",
                    code="E_CLOSED",
                    exit_code=5,
                )
        end, day = _end(competition, asked), _day(competition, asked, now)
        resolved = hashlib.sha256(repr((end and end.isoformat(), day, state_of(competition))).encode()).hexdigest()[:16]
        last_seen, _, as_seen = (how.seen or "").partition("-")
        if how.seen is not None and as_seen != resolved:
            raise adjustments.changed_meanwhile(f"the rules of {name}, or a new day began,")
        giving = [] if end is None else [f"until {local(home, end)}"]
        giving += [] if asked.slots is None else [f"{asked.slots} more submissions {day_of(day)}"]
        told = ", ".join(who for _, who in whom) if len(whom) <= 3 else f"{len(whom)} people and teams"
        what = f"{name}: {' and '.join(giving)} for {told or 'all'}"
        with home.database() as database:
            last = adjustments.newest(database, "extensions", competition.key)
            before = adjustments.extensions(database, competition.key)
            lines = []
            for kind, who in whom:
                own = [one for one in before if (one.who_kind, one.who) == (kind, handles[who])]
                mine = [f"replaces the extension until {local(home, one.until)}" for one in own if one.until]
                found = mine[-1:] if end is not None else []
                if asked.slots is not None:
                    given = [one.slots for one in own if one.day == day and (one.slots or one.until is None)]
                    found += [f"replaces {number} more submissions {day_of(day)}" for number in given[-1:]]
                alone = len(whom) == 1
                lines += found if alone else [f"{who}: {'; '.join(found) or 'new'}"]
            if not how.preview:
                adjustments.extend_all(
                    database,
                    competition.key,
                    whom,
                    until=end,
                    slots=asked.slots or 0,
                    day=day,
                    actor=viewer.key,
                    reason=how.reason,
                    now=now,
                    last=numbered(None if how.seen is None else last_seen),
                )
    return Change(what, lines, f"{last}-{resolved}", not how.preview)


def _whom(asked: Extending) -> list[tuple[Whom, str]]:
    if (bool(asked.people) or bool(asked.teams)) == asked.everybody:
        raise UserError("say who gets the extension: people, teams, or everybody.")
    whom: list[tuple[Whom, str]] = [("person", who) for who in dict.fromkeys(asked.people)]
    whom += [("team", who) for who in dict.fromkeys(asked.teams)]
    return whom or [("all", "")]


def _end(competition: Competition, asked: Extending) -> datetime | None:
    if not asked.until and asked.hours is None:
        return None
    closes = closing(competition.rules)
    if closes is None and competition.rules.attachment:
        closes = attachment_closing(competition.rules)
    if closes is None:
        raise UserError(f"{competition.name} has no deadline, so there is nothing to extend.")
    if asked.until:
        end = last_instant(asked.until, "until")
    else:
        end = closes.astimezone(UTC) + timedelta(hours=asked.hours or 0)
    if end < closes:
        when = closes.isoformat(timespec="seconds")
        raise UserError(f"the new deadline must not be before the deadline, {when}.")
    return end


def _day(competition: Competition, asked: Extending, now: datetime) -> str:
    today, _ = quota_day(now, competition.rules.quota_zone)
    if asked.slots is None or asked.day == "every":
        return ""
    try:
        return date.fromisoformat(asked.day or today).isoformat()
    except ValueError:
        raise UserError(f"the day must be a date like {today}, or every; got {asked.day[:40]!r}.") from None


def day_of(day: str) -> str:
    return f"on {day}" if day else "every day"


def ids_in(text: str) -> list[str]:
    """The ids in a text: one a line, or with blanks or commas between; of a CSV with a column `id` those in it.

    >>> ids_in("b01, b02\\nb03"), ids_in("name,id\\nAda,b01\\n")
    (['b01', 'b02', 'b03'], ['b01'])
    """
    lines = [line for line in text.removeprefix("\ufeff").splitlines() if line.strip()]
    header = [cell.strip().lower() for cell in lines[0].split(",")] if lines else []
    if "id" in header:
        rows = csv.reader(io.StringIO("\n".join(lines[1:])))
        at = header.index("id")
        return list(dict.fromkeys(row[at].strip() for row in rows if len(row) > at and row[at].strip()))
    return list(dict.fromkeys(word for word in re.split(r"[\s,;]+", text.removeprefix("\ufeff")) if word))


def read_points(data: bytes, what: str, parts: Mapping[str, float]) -> list[PartEntry]:
    """The entries of a CSV with `id` and a column for each part; empty cells are left out.

    A column `attachment` has the number of the second file that the points are for.
    """
    entries = []
    known = ("id", "name", "email", "team", *parts, *(name for name in HANDED if name not in parts))
    for line, row in read_rows(data, what, ("id",), known):
        given = "" if ATTACHED in parts else row.get(ATTACHED, "")
        if given and not re.fullmatch(r"[0-9]{1,18}", given):
            raise UserError(f"{what} line {line}: attachment must be a number, got {given[:40]!r}.")
        for part in parts:
            if text := row.get(part, ""):
                where = f"{what} line {line}: "
                number = points_in(text, where + part)
                entries.append(PartEntry(row["id"], part, number, where, int(given) if given else None))
    return entries


def points_in(text: str, what: str) -> float:
    """The points that a text like "3" or "3.5" says. Raises UserError: float() would take "0_3" for 3."""
    if not re.fullmatch(r"[0-9]{1,9}([.][0-9]{0,9})?|[.][0-9]{1,9}", text):
        raise UserError(f"{what} must be a number like 3 or 3.5, got {text[:40]!r}.")
    return float(text)


def enter_points(home: Home, viewer: Viewer, hw: str, entries: Sequence[PartEntry], how: How, now: datetime) -> Change:
    """Enters points given by hand, all or none; the latest entry for a person and part wins."""
    with of_input():
        scheme = scheme_for_staff(home, viewer, hw, "enter points")
        name, parts = scheme.homework, scheme.parts
        problems = [] if entries else ["there are no points to enter."]
        seen: set[tuple[str, str]] = set()
        if not how.preview:
            checked_reason(how.reason)
        with home.database() as database:
            if roster.is_empty(database):
                known = {one.name for one in records.participants(database) if one.kind == "person"}
            else:
                known = {person.key for person in roster.people(database) if person.role == "student"}
            for one in entries:
                if one.part not in parts:
                    of = ", ".join(parts) or "none"
                    problems.append(f"{one.where}{name} has no part {one.part[:60]!r} graded by hand; its parts: {of}.")
                elif not 0 <= one.points <= parts[one.part]:  # also false for what is not a number
                    most = parts[one.part]
                    problems.append(
                        f"{one.where}expected 0 to {most:g} points for {one.part} of {name}, got {one.points:g}."
                    )
                if one.id not in known:
                    problems.append(f"{one.where}there is no student with the id {one.id[:60]}.")
                if (one.id, one.part) in seen:
                    problems.append(f"{one.where}{one.id} is listed twice for {one.part}.")
                seen.add((one.id, one.part))
            problems += _other_attachments(home, database, name, entries)
            refuse(problems)
            last = adjustments.newest(database, "parts", name)
            before = adjustments.parts(database, name)
            again = [before[one.id, one.part].points for one in entries if (one.id, one.part) in before]
            lines = [
                f"{one.id}: {one.part} from {before[one.id, one.part].points:g} to {one.points:g}"
                for one in entries
                if (one.id, one.part) in before and before[one.id, one.part].points != one.points
            ]
            if len(entries) == 1 and not entries[0].where:
                (one,) = entries
                what = f"{name}: {one.points:g} of {parts[one.part]:g} points for the {one.part} of {one.id}"
                lines = [f"replacing {again[0]:g}"] if again else []
            else:
                what = f"{name}: {len(entries)} {'entry' if len(entries) == 1 else 'entries'}"
                told = [f"{len(again)} of them replacing earlier ones"] if again else []
                lines = [*told, *_spread(entries), *lines]
            if not how.preview:
                rows = [(one.id, one.part, one.points, one.attachment) for one in entries]
                adjustments.enter_all_points(
                    database,
                    name,
                    rows,
                    actor=viewer.key,
                    reason=how.reason,
                    now=now,
                    last=numbered(how.seen),
                    check=lambda: refuse(_other_attachments(home, database, name, entries)),
                )
    return Change(what, lines, str(last), not how.preview)


def _spread(entries: Sequence[PartEntry]) -> Iterator[str]:
    """How many points of each part are entered, from which to which."""
    for part in dict.fromkeys(one.part for one in entries):
        points = [one.points for one in entries if one.part == part]
        yield f"{part}: {len(points)}, from {min(points):g} to {max(points):g}, mean {sum(points) / len(points):.3g}"


def _other_attachments(home: Home, database: Database, name: str, entries: Sequence[PartEntry]) -> list[str]:
    """What is wrong with the second files that points are for: each must be the latest one of the person."""
    problems: list[str] = []
    if all(one.attachment is None for one in entries):
        return problems
    latest = {one.participant: one.id for one in attachments.attachments(database, name)}
    acts = roster.participants_of(database, find_competition(home, name).key)
    for one in entries:
        newest = latest.get(acts.get(one.id, one.id))
        if one.attachment not in (None, newest):
            has = "has handed in no second file" if newest is None else f"has handed in {newest} as the latest one"
            problems.append(f"{one.where}the attachment {one.attachment} is not the one that counts: {one.id} {has}.")
    return problems


def rules(home: Home, viewer: Viewer, hw: str) -> RulesInForce:
    """The rules of a homework that can be changed."""
    competition = competition_for_staff(home, viewer, hw, "see all rules")
    values = asdict(competition.rules)
    rows = [RuleRow(rule, values[rule]) for rule in CHANGEABLE]
    return RulesInForce(competition.name, rows, unread_rules(home, competition))


def change_rules_of(home: Home, viewer: Viewer, hw: str, wanted: Mapping[str, str], how: How, now: datetime) -> Change:
    """Changes rules; an empty value restores the edition's rule."""
    with of_input():
        competition = competition_for_staff(home, viewer, hw, "change rules")
        state = state_of(competition)
        if not how.preview:
            checked_reason(how.reason)
        if how.seen is not None and how.seen != state:
            raise adjustments.changed_meanwhile(f"the rules of {competition.name}")
        changes = change_rules(
            home, competition, wanted, viewer.key, how.reason, now, expected=competition.rules, preview=how.preview
        )
        told = [f"{rule} from {_value(old)} to {_value(new)}" for rule, (old, new) in changes.items()]
        what = f"{competition.name}: change {', '.join(told)}" if told else f"{competition.name}: nothing changes"
    return Change(inert(what), consequences(competition.name, changes, now), state, not how.preview)


def disqualify(home: Home, viewer: Viewer, number: int, undo: bool, how: How, now: datetime) -> Change:
    """Takes a submission out of the count, or puts it back, for an instructor."""
    require_instructor(viewer, "disqualify a submission")
    if not how.preview:
        checked_reason(how.reason)
    with home.database() as database:
        _, competition = own_submission(home, viewer, database, number)
        row = disqualified.checked(database, number, undo=undo)
        who = roster.display_names(database).get(row.participant, row.participant)
        most = competition.rules.selections
        state = disqualified.digest(database, row, most if undo else None)
        if undo:
            lines = _selected_again(database, row, most)
        else:
            lines = ["it leaves every board, keeps its slot, and its owner sees the reason"]
            lines += [
                "it is selected no more, and another one can be selected while the homework is open"
            ] * row.selected
        if not how.preview:
            change = partial(disqualified.reinstate, most=most) if undo else disqualified.disqualify
            change(database, number, actor=viewer.key, reason=how.reason, now=now, expected=how.seen)
    verb = "let it count again" if undo else "disqualify"
    what = f"{name_of(row.competition)}, submission {number} of {who}: {verb}"
    return Change(what, lines, state, not how.preview)


def _selected_again(database: Database, row: records.StoredSubmission, most: int) -> list[str]:
    """What becomes of the selection of a submission that was disqualified."""
    if not disqualified.was_selected(database, row.id):
        return []
    if len(disqualified.selection(database, row)) < most:
        return ["it was selected, and is again"]
    return [f"it was selected, and is no more: {most} others are"]


def _value(value: str | int | None) -> str:
    return "none" if value is None else str(value)


def state_of(competition: Competition) -> str:
    """The rules in force, as a digest."""
    return hashlib.sha256(repr(sorted(asdict(competition.rules).items())).encode()).hexdigest()[:16]
