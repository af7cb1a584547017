"""Deadlines and quotas: the rules for one participant at one instant, extensions applied."""

from __future__ import annotations

import contextlib
import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from harness.home import Home, instant, zone_of
from tasks.base import Rules, UserError

if TYPE_CHECKING:
    from harness.competition import Competition
    from leaderboard import attachments
    from leaderboard.acceptance import Terms
    from leaderboard.database import Database


LAST = datetime.max.replace(tzinfo=UTC) - timedelta(days=2)
"""An instant that exists in every zone."""


def terms(home: Home, database: Database, competition: Competition, participant: str, now: datetime) -> Terms:
    """The current rules for a participant, with `next_slot` in the course's time zone.

    Of several extensions for the same people the latest entry wins, so that a mistake can be corrected; of those for
    everyone, for a team and for a person the latest end wins, and their slots add up. None ends before the deadline.
    """
    from leaderboard import acceptance, adjustments

    rules = competition.rules
    day, next_slot = quota_day(now, rules.quota_zone)
    closes, quota = closing(rules), rules.quota
    until: dict[str, datetime] = {}
    slots: dict[tuple[str, str], int] = {}
    for extension in adjustments.extensions_of(database, competition.key, participant):
        if extension.until is not None:
            until[extension.who_kind] = extension.until
        if extension.slots or extension.until is None:
            slots[extension.who_kind, extension.day] = extension.slots
    if closes is not None and until:
        closes = max(closes, *until.values()).astimezone(closes.tzinfo)
    counted = day
    if any(when == day for _, when in slots):  # after the clock stepped back a later day counts, without these slots
        counted = acceptance.quota_state(database, competition.key, participant, day).day
    quota += sum(number for (_, when), number in slots.items() if when in ("", counted))
    return acceptance.Terms(
        closes,
        quota,
        rules.rejections,
        day,
        next_slot.astimezone(zone_of(home.zone, "zone")),
        again="latest" if competition.quiz else "any",
    )


def attachment_terms(
    database: Database, competition: Competition, participant: str, now: datetime
) -> attachments.Terms:
    """The rules of the second file for a participant.

    Extensions of a homework shift its deadline by as long as they shift the homework's; where the homework has none,
    they give its new deadline.
    """
    from leaderboard import adjustments, attachments

    day, _ = quota_day(now, competition.rules.quota_zone)
    base, closes = attachment_closing(competition.rules), closing(competition.rules)
    until = {
        one.who_kind: one.until
        for one in adjustments.extensions_of(database, competition.key, participant)
        if one.until is not None
    }
    if base is None or not until:
        return attachments.Terms(base, day)
    end = max(until.values())
    if closes is not None:
        shift = max(end - closes, timedelta())
        with contextlib.suppress(OverflowError):  # no later instant exists than the one that was given
            end = base.astimezone(UTC) + shift
    return attachments.Terms(min(max(base, end), LAST).astimezone(base.tzinfo), day)


def attachment_closing(rules: Rules) -> datetime | None:
    """The last instant in time for the second file, as in `closing`; None for no deadline.

    >>> attachment_closing(Rules(attachment_deadline="2027-04-02T12:00Z")).isoformat()
    '2027-04-02T20:00:59.999999+08:00'
    """
    if rules.attachment_deadline is None:
        return closing(rules)
    moment = last_instant(rules.attachment_deadline, "attachment_deadline")
    return moment.astimezone(zone_of(rules.deadline_zone, "deadline_zone"))


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
    from leaderboard import adjustments

    closes = closing(competition.rules)
    if closes is None:
        return None
    newest = {
        (one.who_kind, one.who): one.until
        for one in adjustments.extensions(database, competition.key)
        if one.until is not None
    }
    return max([closes, *newest.values()])


def opened(database: Database, competition: Competition, now: datetime) -> datetime | None:
    """When the private scores were revealed, or None; those of a quiz open once nobody has time left.

    Those of a quiz whose data were replaced never open: the questions may still be asked in the new ones.
    """
    from leaderboard import competitions, records

    if not competition.quiz:
        return records.revealed(database, competition.key)
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
