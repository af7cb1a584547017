"""Deadlines and quotas: the rules for one participant at one instant, extensions applied."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from harness.home import Home, instant, making, write_file, zone_of
from tasks.base import Rules, UserError

if TYPE_CHECKING:
    from harness.competition import Competition
    from leaderboard.database import Database

CHANGEABLE = ("quota", "quota_zone", "deadline", "deadline_zone", "selections", "unselected", "unselected_count",
              "rejections")  # fmt: skip
"""The rules that can be changed while a competition runs."""


@dataclass(frozen=True)
class Terms:
    """The rules of a competition for one participant.

    `closes` is the last instant in time, None for an open competition; `quota` is that of the quota day `day`, and
    `next_slot` is the start of the next day.
    """

    closes: datetime | None
    quota: int
    rejections: int
    day: str
    next_slot: datetime


def terms(home: Home, database: Database, competition: Competition, participant: str, now: datetime) -> Terms:
    """The current rules for a participant, with `next_slot` in the course's time zone.

    Of several extensions for the same people the latest entry wins, so that a mistake can be corrected; of those for
    everyone, for a team and for a person the latest end wins, and their slots add up. None ends before the deadline.
    """
    from leaderboard import roster, store

    rules = competition.rules
    day, next_slot = quota_day(now, rules.quota_zone)
    closes, quota = closing(rules), rules.quota
    until: dict[str, datetime] = {}
    slots: dict[tuple[str, str], int] = {}
    for extension in roster.extensions_of(database, competition.key, participant):
        if extension.until is not None:
            until[extension.who_kind] = extension.until
        if extension.slots or extension.until is None:
            slots[extension.who_kind, extension.day] = extension.slots
    if closes is not None and until:
        closes = max(closes, *until.values()).astimezone(closes.tzinfo)
    counted = day
    if any(when == day for _, when in slots):  # after the clock stepped back a later day counts, without these slots
        counted = store.quota_state(database, competition.key, participant, day).day
    quota += sum(number for (_, when), number in slots.items() if when in ("", counted))
    return Terms(closes, quota, rules.rejections, day, next_slot.astimezone(zone_of(home.zone, "zone")))


def closing(rules: Rules) -> datetime | None:
    """The last instant in time, in the deadline's own zone; None for an open competition.

    A deadline includes the rest of its minute or second: 23:59 means 23:59:59.999999.

    >>> closing(Rules(deadline="2027-03-26T23:59+08:00")).isoformat()
    '2027-03-26T23:59:59.999999+08:00'
    """
    if rules.deadline is None:
        return None
    moment = last_instant(rules.deadline, "deadline")
    return moment.astimezone(zone_of(rules.deadline_zone, "deadline_zone"))


def last_instant(text: str, where: str) -> datetime:
    """The last instant of an RFC 3339 text, as in `closing`. Raises UserError if it is not valid."""
    moment: datetime = instant(text, where)
    written = re.match(r"\d\d:?\d\d(:?\d\d)?([.,]\d+)?", re.split("[Tt ]", text, maxsplit=1)[1])
    assert written is not None, "`instant` read it"
    try:
        if not written[2]:
            moment += timedelta(seconds=0 if written[1] else 59, microseconds=999_999)
        moment.astimezone(UTC) + timedelta(days=1)  # valid in every zone
    except OverflowError:
        raise UserError(f"{where} is too far away: {text!r}.") from None
    return moment


def last_closing(database: Database, competition: Competition) -> datetime | None:
    """The last instant in time for anyone, extensions included; None for an open competition."""
    from leaderboard import roster

    closes = closing(competition.rules)
    if closes is None:
        return None
    newest = {
        (one.who_kind, one.who): one.until
        for one in roster.extensions(database, competition.key)
        if one.until is not None
    }
    return max([closes, *newest.values()])


def opened(database: Database, competition: Competition, now: datetime) -> datetime | None:
    """When the private scores were revealed, or None; those of a quiz open once nobody has time left.

    Those of a quiz whose data were replaced never open: the questions may still be asked in the new ones.
    """
    from leaderboard import competitions, store

    if not competition.quiz:
        return store.revealed(database, competition.key)
    current = competitions.current(database, competition.name)
    if current is not None and current.number != competition.version:
        return None
    end = last_closing(database, competition)
    return end if end is not None and now > end else None


def quota_day(now: datetime, zone: str) -> tuple[str, datetime]:
    """The quota day of an instant in that zone, and when the next one begins."""
    local = now.astimezone(zone_of(zone, "quota_zone"))
    tomorrow = (local + timedelta(days=1)).date()
    # Midnight of the next date in the zone itself, so that days of 23 and 25 hours are right; through UTC, which
    # turns a skipped midnight into a time that exists.
    midnight = datetime.combine(tomorrow, datetime.min.time(), tzinfo=local.tzinfo)
    return local.date().isoformat(), midnight.astimezone(UTC).astimezone(local.tzinfo)


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
