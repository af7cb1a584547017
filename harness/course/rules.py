"""Changing the rules of a homework in config.toml."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from harness.clocks import closing, opened
from harness.home import Home, making, write_file
from tasks.base import Rules, UserError

if TYPE_CHECKING:
    from harness.competition import Competition
    from leaderboard.database import Database


CHANGEABLE = ("quota", "quota_zone", "deadline", "deadline_zone", "selections", "unselected", "unselected_count",
              "rejections")  # fmt: skip
"""The rules that can be changed while a competition runs."""


def change_rules(
    home: Home, competition: Competition, wanted: Mapping[str, str], actor: str, reason: str, now: datetime
) -> None:
    """Writes rules to config.toml and the change to the log; an empty value restores the edition's rule.

    Raises UserError for an unknown rule or an invalid value, and E_CLOSED after the reveal.
    """
    from dataclasses import asdict, replace

    from harness.competition import read_competition, refuse_best
    from leaderboard import events, roster

    before, section = asdict(competition.rules), dict(home.settings.get(competition.name, {}))
    path = home.root / "config.toml"
    old = path.read_text(encoding="utf-8") if path.exists() else ""
    text = old
    for rule, written in wanted.items():
        if rule not in CHANGEABLE:
            raise UserError(f"{rule!r} is not a rule that can be changed; choose from: {', '.join(CHANGEABLE)}.")
        section.pop(rule, None)
        if written:
            section[rule] = _typed(rule, written)
        text = with_setting(text, competition.name, rule, section.get(rule))
    settings = _same_but(home, text, competition.name, section)
    after = asdict(
        replace(home, settings=settings).rules(competition.name, read_competition(home.public(competition.name)).rules)
    )
    closing(Rules(**after))
    refuse_best(replace(competition, rules=Rules(**after)))
    changes = {rule: [before[rule], after[rule]] for rule in wanted if before[rule] != after[rule]}
    if not changes:
        return
    with home.database() as database:
        if opened(database, competition, now) is not None:
            raise UserError(f"{competition.name} was revealed; its rules are final.", code="E_CLOSED", exit_code=5)
        new = path.with_name(f".config.{os.getpid()}")
        try:
            with making(home.root), database.transaction():
                body = {"competition": competition.key, "changes": changes, "reason": roster.checked_reason(reason)}
                events.append(database, "rules changed", actor, body, now)
                if (path.read_text(encoding="utf-8") if path.exists() else "") != old:
                    raise UserError("config.toml was changed by someone else meanwhile; try again.", exit_code=8)
                write_file(new, text.encode())
                new.replace(path)
        except BaseException:
            new.unlink(missing_ok=True)
            if path.exists() and path.read_text(encoding="utf-8") == text:  # undo: it was not recorded
                write_file(path, old.encode())
            raise


def _typed(rule: str, written: str) -> int | str:
    if type(getattr(Rules(), rule)) is not int:
        return written
    if not re.fullmatch(r"[0-9]{1,9}", written):
        raise UserError(f"{rule} must be a whole number, got {written!r}.")
    return int(written)


def with_setting(text: str, section: str, key: str, value: int | str | None) -> str:
    """Sets one key of one section in the text of config.toml, or removes it (None).

    >>> with_setting("[hw01]\\nquota = 5  # a day\\n", "hw01", "quota", 3)
    '[hw01]\\nquota = 3\\n'
    """
    import json

    line = [] if value is None else [f"{key} = {json.dumps(value, ensure_ascii=False)}"]
    lines = text.split("\n")
    heads = [place for place, one in enumerate(lines) if re.match(rf"\[\s*{re.escape(section)}\s*\]", one)]
    if not heads:
        return "\n".join([*([text.rstrip("\n"), ""] if text.strip() else []), f"[{section}]", *line, ""])
    start = heads[0] + 1
    end = next((place for place in range(start, len(lines)) if lines[place].startswith("[")), len(lines))
    kept = [one for one in lines[start:end] if not re.match(rf"\s*{re.escape(key)}\s*=", one)]
    return "\n".join([*lines[:start], *line, *kept, *lines[end:]])


def _same_but(home: Home, text: str, name: str, section: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of a text. Raises UserError if anything but this section would change."""
    import tomllib

    try:
        settings = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        settings = {}
    if settings != home.settings | {name: dict(section)}:
        raise UserError(f"config.toml cannot be edited automatically; edit its [{name}] by hand.")
    return settings


def unrecorded(home: Home, database: Database, competitions: Mapping[str, Rules]) -> list[str]:
    """Rules that differ from their last logged change with `change_rules`, as sentences."""
    import json
    from dataclasses import asdict

    from leaderboard import events

    last: dict[tuple[str, str], Any] = {}
    for event in events.events(database):
        if event.kind == "rules changed":
            with contextlib.suppress(ValueError, KeyError, TypeError, AttributeError):  # reported by `events.verify`
                body = json.loads(event.body)
                last |= {(body["competition"], rule): after for rule, (_, after) in body["changes"].items()}
    found = []
    for (key, rule), said in last.items():
        if key in competitions and (now := asdict(competitions[key]).get(rule)) != said:
            found.append(f"{key}: {rule} is {now!r} in config.toml; the log says {said!r}")
    return found
