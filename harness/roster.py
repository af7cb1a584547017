"""The roster as a CSV: what is read from one, and what is written."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from harness.sheets import read_rows
from leaderboard.enrolment import problems_of
from leaderboard.roster import Person, RosterEntry, Team
from tasks.errors import UserError

COLUMNS = ("id", "name", "email", "team", "role")
MAX_SHOWN = 20
MOST = 20_000
"""The most people in one file."""


def read_roster(
    data: bytes,
    what: str,
    before: Sequence[Person],
    taken: Sequence[str],
    teams: Sequence[Team] = (),
    rename: Callable[[Sequence[RosterEntry]], Mapping[str, str]] = lambda entries: {},
) -> list[RosterEntry]:
    """The people of a CSV with the columns id and name, and optionally email, team and role.

    Without a column the roster's values are kept; `rename` gives the teams that the entries rename.
    Raises UserError with all problems by line.
    """
    known = {person.key: person for person in before}
    rows = read_rows(data, what, ("id", "name"), COLUMNS)
    if len(rows) > MOST:
        raise UserError(
            f"{what} has {len(rows):,} people; at most {MOST:,} can be imported at once. Nothing was changed.",
            code="E_ROSTER",
        )
    entries, problems = [], []
    for line, row in rows:
        if re.fullmatch(r"\d+(\.\d+)?[eE]\+\d+", row["id"]):
            problems.append((line, f"the id {row['id']} was rewritten by a spreadsheet; format that column as text"))
        old = known.get(row["id"])
        email, team, role = (
            (
                row.get(name, default)
                for name, default in (("email", old.email), ("team", old.team or ""), ("role", old.role))
            )
            if old
            else (row.get(name, "") for name in ("email", "team", "role"))
        )
        entries.append(RosterEntry(row["id"], row["name"], email, role or "student", team or None))  # type: ignore[arg-type]
    renames = rename(entries)
    entries = [replace(entry, team=renames.get(entry.team or "", entry.team)) for entry in entries]
    for (line, _), found in zip(rows, problems_of(entries, before, taken, teams, renames), strict=True):
        problems += [(line, text) for text in found]
    if problems:
        lines = [f"{what} line {line}: {text}." for line, text in sorted(problems)[:MAX_SHOWN]]
        more = [f"… and {len(problems) - MAX_SHOWN} more."] if len(problems) > MAX_SHOWN else []
        raise UserError("\n".join([*lines, *more, "Nothing was changed."]), code="E_ROSTER")
    return entries


def roster_rows(people: Sequence[Person]) -> list[dict[str, Any]]:
    """A roster as plain values; `read_roster` reads the columns of `COLUMNS`."""
    return [
        {
            "id": person.key,
            "name": person.name,
            "email": person.email,
            "team": person.team,
            "role": person.role,
            "disabled": person.disabled_at is not None,
        }
        for person in people
    ]
