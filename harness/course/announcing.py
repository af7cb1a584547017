"""What staff tell the course, and everybody in it reads."""

from __future__ import annotations

from datetime import datetime

from harness.course.access import Viewer, not_found, require_login, require_staff
from harness.course.types import AnnouncementRow, Announcements, Done
from harness.home import Home, local
from leaderboard import announcements, roster


def read(home: Home, viewer: Viewer) -> Announcements:
    """The announcements that stand, the newest first."""
    require_login(viewer)
    with home.database() as database:
        found = announcements.standing(database)
        names = roster.display_names(database) if found else {}
    return Announcements(
        [AnnouncementRow(one.id, one.text, names.get(one.actor, one.actor), local(home, one.at)) for one in found]
    )


def announce(home: Home, viewer: Viewer, text: str, now: datetime) -> Announcements:
    """Tells the course something. Raises UserError E_INPUT for a text that is not plain lines."""
    require_staff(viewer, "announce something")
    with home.database() as database:
        announcements.announce(database, text, actor=viewer.key, now=now)
    return read(home, viewer)


def end(home: Home, viewer: Viewer, number: int, now: datetime) -> Done:
    """Ends an announcement. Raises UserError E_NOT_FOUND for one that does not stand."""
    require_staff(viewer, "end an announcement")
    with home.database() as database:
        if not announcements.end(database, number, actor=viewer.key, now=now):
            raise not_found(f"there is no announcement {number}")
    return Done()
