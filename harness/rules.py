"""The clocks of a course: what holds for one participant at one instant, extensions applied."""

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
"""The rules that may change while a competition runs."""


@dataclass(frozen=True)
class Terms:
    """The rules of a competition for one participant.

    `closes` is the last instant that is in time, None for an open competition; `quota` holds for the quota day `day`,
    and `next_slot` is when the day after it begins.
    """

    closes: datetime | None
    quota: int
    rejections: int
    day: str
    next_slot: datetime


def terms(home: Home, database: Database, competition: Competition, participant: str, now: datetime) -> Terms:
    """What holds for a participant now, with `next_slot` in the course's zone.

    Of several extensions for the same people the newest counts, so that a mistake can be mended; of those for all, for
    a team and for a person the latest end counts, and their slots add up. None of them ends before the deadline.
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
    if any(when == day for _, when in slots):  # after a step back of the clock a later day counts, without these slots
        counted = store.quota_state(database, competition.key, participant, day).day
    quota += sum(number for (_, when), number in slots.items() if when in ("", counted))
    return Terms(closes, quota, rules.rejections, day, next_slot.astimezone(zone_of(home.zone, "zone")))


def closing(rules: Rules) -> datetime | None:
    """The last instant that is in time, in the deadline's own zone; None for an open competition.

    A deadline includes what it does not write: 23:59 its 59 seconds, 23:59:59 its fraction.

    >>> closing(Rules(deadline="2027-03-26T23:59+08:00")).isoformat()
    '2027-03-26T23:59:59.999999+08:00'
    """
    if rules.deadline is None:
        return None
    moment = last_instant(rules.deadline, "deadline")
    return moment.astimezone(zone_of(rules.deadline_zone, "deadline_zone"))


def last_instant(text: str, where: str) -> datetime:
    """The last instant that an RFC 3339 text names, as `closing` tells. Raises UserError for what is no such text."""
    moment: datetime = instant(text, where)
    written = re.match(r"\d\d:?\d\d(:?\d\d)?([.,]\d+)?", re.split("[Tt ]", text, maxsplit=1)[1])
    assert written is not None, "`instant` read it"
    try:
        if not written[2]:
            moment += timedelta(seconds=0 if written[1] else 59, microseconds=999_999)
        moment.astimezone(UTC) + timedelta(days=1)  # every zone can tell it
    except OverflowError:
        raise UserError(f"{where} is too far away: {text!r}.") from None
    return moment


def last_closing(database: Database, competition: Competition) -> datetime | None:
    """The last instant that is in time for anybody; None for an open competition."""
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


def quota_day(now: datetime, zone: str) -> tuple[str, datetime]:
    """The quota day of an instant in that zone, and when the next one begins."""
    local = now.astimezone(zone_of(zone, "quota_zone"))
    tomorrow = (local + timedelta(days=1)).date()
    # Midnight of the next date in the zone itself, so that days of 23 and 25 hours come out right; by way of UTC, which
    # turns a midnight that the clocks skip into the time they show.
    midnight = datetime.combine(tomorrow, datetime.min.time(), tzinfo=local.tzinfo)
    return local.date().isoformat(), midnight.astimezone(UTC).astimezone(local.tzinfo)


def change_rules(
    home: Home, competition: Competition, wanted: Mapping[str, str], actor: str, reason: str, now: datetime
) -> None:
    """Writes rules into config.toml and the change into the log; an empty value takes the edition's rule again.

    Raises UserError for a rule that does not exist or cannot have that value, and E_CLOSED after the reveal.
    """
    from dataclasses import asdict, replace

    from harness.competition import read_competition
    from leaderboard import events, roster, store

    before, section = asdict(competition.rules), dict(home.settings.get(competition.name, {}))
    path = home.root / "config.toml"
    old = path.read_text(encoding="utf-8") if path.exists() else ""
    text = old
    for rule, written in wanted.items():
        if rule not in CHANGEABLE:
            raise UserError(f"{rule!r} is no rule that can be changed; these are: {', '.join(CHANGEABLE)}.")
        section.pop(rule, None)
        if written:
            section[rule] = _typed(rule, written)
        text = with_setting(text, competition.name, rule, section.get(rule))
    settings = _same_but(home, text, competition.name, section)
    after = asdict(
        replace(home, settings=settings).rules(competition.name, read_competition(home.public(competition.name)).rules)
    )
    closing(Rules(**after))
    changes = {rule: [before[rule], after[rule]] for rule in wanted if before[rule] != after[rule]}
    if not changes:
        return
    with home.database() as database:
        if store.revealed(database, competition.key) is not None:
            raise UserError(f"{competition.name} was revealed; its rules stay.", code="E_CLOSED", exit_code=5)
        new = path.with_name(f".config.{os.getpid()}")
        try:
            with making(home.root), database.transaction():
                body = {"competition": competition.key, "changes": changes, "reason": roster.checked_reason(reason)}
                events.append(database, "rules changed", actor, body, now)
                if (path.read_text(encoding="utf-8") if path.exists() else "") != old:
                    raise UserError("config.toml was changed by somebody else meanwhile; try again.", exit_code=8)
                write_file(new, text.encode())
                new.replace(path)
        except BaseException:
            new.unlink(missing_ok=True)
            if path.exists() and path.read_text(encoding="utf-8") == text:  # it was not recorded, so it is taken back
                write_file(path, old.encode())
            raise


def _typed(rule: str, written: str) -> int | str:
    if type(getattr(Rules(), rule)) is not int:
        return written
    if not re.fullmatch(r"[0-9]{1,9}", written):
        raise UserError(f"{rule} must be a whole number, got {written!r}.")
    return int(written)


def with_setting(text: str, section: str, key: str, value: int | str | None) -> str:
    """The text of config.toml with one line of one section changed, added or (None) left out; all else as it was.

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
    """The settings of a text. Raises UserError where more than the section would change."""
    import tomllib

    try:
        settings = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        settings = {}
    if settings != home.settings | {name: dict(section)}:
        raise UserError(f"config.toml is written in a way that cannot be changed from here; edit its [{name}] by hand.")
    return settings


def unrecorded(home: Home, database: Database, competitions: Mapping[str, Rules]) -> list[str]:
    """Rules that were changed with `change_rules` once and are not what the log says last, as sentences."""
    import json
    from dataclasses import asdict

    from leaderboard import events

    last: dict[tuple[str, str], Any] = {}
    for event in events.events(database):
        if event.kind == "rules changed":
            with contextlib.suppress(ValueError, KeyError, TypeError, AttributeError):  # `events.verify` tells of that
                body = json.loads(event.body)
                last |= {(body["competition"], rule): after for rule, (_, after) in body["changes"].items()}
    found = []
    for (key, rule), said in last.items():
        if key in competitions and (now := asdict(competitions[key]).get(rule)) != said:
            found.append(f"{key}: {rule} is {now!r} by config.toml; the log says {said!r}")
    return found
