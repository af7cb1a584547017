"""Changing the rules of a homework while it runs."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, replace
from datetime import datetime

from harness.clocks import attachment_closing, closing, last_instant, opened
from harness.competition import Competition, read_competition, refuse_best
from harness.home import ATTACHMENT, CHANGEABLE, Home, override
from harness.words import in_words
from leaderboard import competitions, roster
from leaderboard.adjustments import changed_meanwhile
from tasks.base import Rules, UserError


def change_rules(
    home: Home,
    competition: Competition,
    wanted: Mapping[str, str],
    actor: str,
    reason: str,
    now: datetime,
    *,
    expected: Rules | None = None,
    preview: bool = False,
) -> dict[str, list[str | int | None]]:
    """Sets rules in the database, and writes the change to the log; an empty value restores the edition's rule.

    Returns the old and the new value of each changed rule; a `preview` writes nothing. The first change takes over the
    rules of config.toml, which are not read any more.
    Raises UserError for an unknown rule or an invalid value, E_CLOSED after the reveal but for rules of the second
    file, and E_CHANGED where the rules in force are not the `expected` ones.
    """
    name, edition = competition.name, read_competition(home.public(competition.name)).rules
    for rule in wanted:
        if rule not in CHANGEABLE:
            raise UserError(f"{rule!r} is not a rule that can be changed; choose from: {', '.join(CHANGEABLE)}.")
    with home.database() as database, database.transaction():
        own = competitions.changed(database, name).rules
        if own is None:
            own = {rule: value for rule, value in home.first_rules(name).items() if rule in CHANGEABLE}
        new = own | {rule: _typed(rule, written) for rule, written in wanted.items()}
        new = {rule: value for rule, value in new.items() if value is not None}
        before, rules = override(edition, own, name), override(edition, new, name)
        closing(rules)
        attachment_closing(rules)
        refuse_best(replace(competition, rules=rules))
        if expected is not None and before != expected:
            raise changed_meanwhile(f"the rules of {name}")
        was, becomes = asdict(before), asdict(rules)
        changes = {rule: [was[rule], becomes[rule]] for rule in wanted if was[rule] != becomes[rule]}
        if not changes:
            return {}
        of_scores = changes.keys() - set(ATTACHMENT)
        if of_scores and opened(database, replace(competition, rules=before), now) is not None:
            raise UserError(f"{name} was revealed; its rules are final.", code="E_CLOSED", exit_code=5)
        if preview:
            return changes
        said = {"changes": changes, "reason": roster.checked_reason(reason)}
        competitions.change_rules(database, competition.key, new, said, actor, now)
    return changes


def _typed(rule: str, written: str) -> int | str | None:
    if not written:
        return None
    if type(getattr(Rules(), rule)) is not int:
        return written
    if not re.fullmatch(r"[0-9]{1,9}", written):
        raise UserError(f"{rule} must be a whole number, got {written!r}.")
    return int(written)


def unread_rules(home: Home, competition: Competition) -> list[str]:
    """The rules of a homework in config.toml that are not in force, since they were changed in the database."""
    there = home.first_rules(competition.name)
    in_force = asdict(competition.rules)
    return [f"{rule} = {value!r}" for rule, value in there.items() if in_force.get(rule, value) != value]


def consequences(name: str, changes: Mapping[str, list[str | int | None]], now: datetime) -> list[str]:
    """Warnings about what a change of the rules stops at once; empty if nothing."""
    found = []
    if changes.get("quota", [None, None])[1] == 0:
        found.append(f"With quota=0 nobody can submit anything for {name}, except with `extend --slots`.")
    deadline = changes.get("deadline", [None, None])[1]
    if deadline:
        ago = now - last_instant(str(deadline), "deadline")
        if ago.total_seconds() > 0:
            found.append(
                f"That deadline passed {in_words(ago)} ago: {name} closes at once, submissions from now on are only"
                " practice, and the selections are locked."
            )
    later = changes.get("attachment_deadline", [None, None])[1]
    if later and (passed := now - last_instant(str(later), "attachment_deadline")).total_seconds() > 0:
        found.append(
            f"That deadline of the second file passed {in_words(passed)} ago: nobody can hand one in any more for"
            f" {name}, except with an extension."
        )
    if "attachment" in changes and not changes["attachment"][1]:
        found.append(f"{name} asks for no second file any more; those that were handed in are kept.")
    return found
