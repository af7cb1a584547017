"""Everything of one person, for staff."""

from __future__ import annotations

from datetime import datetime

from harness.competition import prepared
from harness.course import attachments, entered, record
from harness.course.access import Viewer, find, not_found, require_staff
from harness.course.desk import Extensions, Parts, PersonCard
from harness.course.gradebook import find_schemes
from harness.course.points import points_of
from harness.home import Home, local
from leaderboard import roster


def person(home: Home, viewer: Viewer, key: str, now: datetime) -> PersonCard:
    """A person's points, files, extensions, points by hand and tokens. Raises UserError E_NOT_FOUND."""
    require_staff(viewer, "see everything of a person")
    with home.database() as database:
        found = roster.find_person(database, key)
    if found is None:
        raise not_found(f"there is nobody with the id {key[:60]} on the roster")
    extensions, parts, latest = [], [], []
    for name in prepared(home):
        given, competition = entered.extensions(home, viewer, name), find(home, viewer, name)
        with home.database() as database:
            acts = roster.participant_of(database, competition.key, key)
            attached = attachments.latest_of(home, database, competition, key)
        latest += [attached] if attached is not None else []
        rows = [row for row in given.extensions if row.kind == "all" or row.who == acts]
        extensions += [Extensions(given.homework, rows)] if rows else []
    for name in find_schemes(home, None):
        by_hand = entered.parts(home, viewer, name)
        own = [row for row in by_hand.points if row.id == key]
        parts += [Parts(by_hand.homework, by_hand.parts, own)] if own else []
    as_person = Viewer(found.role, found.key)
    return PersonCard(
        id=found.key,
        name=found.name,
        email=found.email,
        role=found.role,
        team=found.team,
        disabled=found.disabled_at is not None,
        since=local(home, found.created_at),
        points=points_of(home, key, None, now) if found.role == "student" else None,
        submissions=record.submissions(home, as_person, None, now=now).submissions,
        extensions=extensions,
        parts=parts,
        tokens=entered.person_tokens(home, viewer, key, now).tokens,
        attachments=latest,
    )
