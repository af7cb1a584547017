"""What was entered and done, for staff: the log, extensions, points by hand, tokens."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Mapping
from datetime import date, datetime, time
from typing import Any

from harness.competition import Competition
from harness.course.access import Viewer, canonical_or_empty, find, not_found, require_staff
from harness.course.desk import (
    ExtensionRow,
    Extensions,
    Log,
    LogQuestion,
    LogRow,
    PartRow,
    Parts,
    PersonToken,
    PersonTokens,
)
from harness.course.gradebook import Scheme, find_schemes
from harness.home import Home, local, zone_of
from leaderboard import access_tokens, adjustments, roster
from leaderboard.competitions import name_of
from leaderboard.log import newest, numbers_of
from tasks.errors import UserError

UNSAID = {"reason", "at", "client_key"}
"""What stands in an event's body alone, or beside its words."""
LONGEST = 40
"""Texts of more characters without a space, as hashes, stand in an event's body alone."""


def log(home: Home, viewer: Viewer, asked: LogQuestion) -> Log:
    """The newest events that fit, oldest first. `since` is a day of the course's zone."""
    require_staff(viewer, "read the log")
    if asked.homework and not canonical_or_empty(asked.homework):
        raise not_found(f"there is no homework {asked.homework[:60]!r} in this course")
    homework, since = canonical_or_empty(asked.homework), _day(home, asked.since)
    found: list[LogRow] = []
    older = False
    with home.database() as database:
        numbers = numbers_of(database, homework) if homework else set()
        for event in newest(database, by=asked.by, since=since, before=asked.before):
            body = json.loads(event.body)
            if asked.kind not in event.kind or (homework and not is_about(body, homework, numbers)):
                continue
            if len(found) == asked.last != 0:
                older = True
                break
            about, reason = "; ".join(_words(home, body)), str(body.get("reason") or "")
            at = local(home, event.at)
            found.append(LogRow(event.seq, at, event.kind, event.actor, about, reason, event.body))
    return Log(found[::-1], older)


def is_about(body: Mapping[str, Any], homework: str, numbers: Collection[int]) -> bool:
    """Whether an event is about a homework, by its name or by one of the `numbers` of its submissions."""
    named = body.get("competition") or body.get("homework")
    if named or "submission" not in body:
        moved = [where for where, *_ in body.get("memberships", ())]
        return homework in {name_of(str(key)) for key in (named, *moved)}
    return body["submission"] in numbers


def _day(home: Home, text: str) -> datetime | None:
    try:
        return datetime.combine(date.fromisoformat(text), time(), zone_of(home.zone, "zone")) if text else None
    except ValueError:
        raise UserError(f"the first day must be a day like 2027-03-26, got {text[:40]!r}.", code="E_INPUT") from None


def _words(home: Home, body: Mapping[str, Any]) -> Iterator[str]:
    """The values of an event in words, times in the course's zone; of what holds many only how many."""
    for name, value in body.items():
        if name in UNSAID or value in (None, "", [], {}) or (name == "rules" and "changes" in body):
            continue
        if name == "changes":
            for rule, pair in value.items():
                was, now = ("–" if one in (None, "") else one for one in pair)
                yield f"{rule.replace('_', ' ')} {was} → {now}"
            continue
        if isinstance(value, (dict, list)):
            many = len(value) > 3 or any(isinstance(one, (dict, list)) for one in value)
            text = str(len(value)) if many else ", ".join(map(str, value))
        else:
            text = _instant(home, str(value))
        if len(text) <= LONGEST or " " in text:
            yield f"{name.replace('_', ' ')} {text}"


def _instant(home: Home, text: str) -> str:
    """An instant of UTC in the course's zone; other texts as they are."""
    if not re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", text):
        return text
    return str(local(home, datetime.fromisoformat(text.replace("Z", "+00:00"))))


def extensions(home: Home, viewer: Viewer, hw: str) -> Extensions:
    """All extensions of a homework."""
    competition = competition_for_staff(home, viewer, hw, "see extensions")
    with home.database() as database:
        given = adjustments.extensions(database, competition.key)
        names = roster.display_names(database)
    rows = [
        ExtensionRow(
            id=one.id,
            kind=one.who_kind,
            who=one.who,
            name=names.get(one.who, ""),
            until=local(home, one.until),
            slots=one.slots or None,
            day=(one.day or "every") if one.slots or one.until is None else None,
            by=one.actor,
            at=local(home, one.at),
            reason=one.reason,
        )
        for one in given
    ]
    return Extensions(competition.name, rows)


def parts(home: Home, viewer: Viewer, hw: str) -> Parts:
    """The points of a homework that were given by hand and are in force."""
    scheme = scheme_for_staff(home, viewer, hw, "see points by hand")
    with home.database() as database:
        entered = adjustments.parts(database, scheme.homework)
        names = roster.display_names(database)
    rows = [
        PartRow(
            id=one.person_key,
            name=names.get(one.person_key, ""),
            part=one.part,
            points=one.points,
            by=one.actor,
            at=local(home, one.at),
            reason=one.reason,
            attachment=one.attachment,
        )
        for one in sorted(entered.values(), key=lambda one: (one.person_key, one.part))
    ]
    return Parts(scheme.homework, dict(scheme.parts), rows)


def person_tokens(home: Home, viewer: Viewer, key: str | None, now: datetime) -> PersonTokens:
    """Everybody's tokens, or those of one person, without their secrets; the newest first."""
    require_staff(viewer, "see the tokens of others")
    with home.database() as database:
        found = access_tokens.tokens_of_all(database)
    rows = [
        PersonToken(
            token=token.id,
            id=person.key,
            name=person.name,
            role=person.role,
            label=token.label,
            scope=token.scope,
            created=local(home, token.created_at),
            expires=local(home, token.expires_at),
            state="revoked" if token.revoked_at is not None else "expired" if token.expires_at <= now else "valid",
        )
        for token, person in reversed(found)
        if key is None or person.key == key
    ]
    return PersonTokens(rows)


def competition_for_staff(home: Home, viewer: Viewer, hw: str, what: str) -> Competition:
    """The homework that staff ask about; `what` is what only they can do."""
    require_staff(viewer, what)
    return find(home, viewer, hw)


def scheme_for_staff(home: Home, viewer: Viewer, hw: str, what: str) -> Scheme:
    """The points of a homework, which may have points by hand alone."""
    require_staff(viewer, what)
    if not viewer.at_home and not canonical_or_empty(hw):
        raise not_found(f"there is no homework {hw[:60]!r} in this course")
    (scheme,) = find_schemes(home, hw).values()
    return scheme
