"""Second files, such as reports and code: handing one in, reading one's own, and those of a class for staff.

A file is kept by its hash and never opened. A reading by staff is an event.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from harness.answers import receipts_key
from harness.clocks import attachment_terms
from harness.competition import Competition, read_competition
from harness.course.access import Viewer, find, not_found, participant_of, require_login, require_write
from harness.course.attached import HANDED, Asked, Attached, AttachmentRow, Attachments, Handed, HandedRow
from harness.course.classwork import ArchiveMember, Uploads, archive, safe
from harness.course.download import save_new
from harness.course.entered import competition_for_staff
from harness.course.entries import Signed
from harness.course.gradebook import students
from harness.course.record import Bytes
from harness.home import Home, local
from harness.sheets import write_rows
from leaderboard import attachments as table
from leaderboard import receipts, records, roster
from leaderboard.acceptance import Upload
from submissions.attachments import Checked
from submissions.store import fetch, has, path_of, receiving
from tasks.base import Rules
from tasks.errors import UserError

if TYPE_CHECKING:
    from leaderboard.attachments import Attachment
    from leaderboard.database import Database

PIECE = 2**18


def asked_for(home: Home, viewer: Viewer, hw: str) -> Rules:
    """The rules of a homework's second file. Raises UserError E_ATTACHMENT_NONE where none is asked for."""
    require_write(viewer)
    competition = find(home, viewer, hw)
    return _asking(competition.name, competition.rules)


def _asking(name: str, rules: Rules) -> Rules:
    if not rules.attachment_kinds:
        raise UserError(f"{name} asks for no second file; nothing was recorded.", code="E_ATTACHMENT_NONE")
    return rules


def attach(
    home: Home,
    viewer: Viewer,
    hw: str,
    upload: Upload,
    kind: str,
    step: Callable[[str], None] = lambda name: None,
) -> Attached:
    """Records a second file, whose bytes `step` stores at "row". The same key and bytes give the same receipt."""
    require_write(viewer)
    competition = find(home, viewer, hw)
    with home.database() as database:
        acts = participant_of(database, competition, viewer)

        def terms() -> table.Terms:
            edition = read_competition(home.public(competition.name)).rules
            rules = _asking(competition.name, home.rules(competition.name, edition, database))
            if kind not in rules.attachment_kinds or upload.size > rules.attachment_bytes:
                raise UserError(
                    f"the rules of {competition.name} were just changed; hand the second file in again.",
                    code="E_CHANGED",
                    exit_code=8,
                )
            return attachment_terms(database, replace(competition, rules=rules), acts, upload.arrived)

        done = table.attach(
            database,
            upload,
            kind,
            terms,
            course=home.course,
            competition=competition.key,
            participant=acts,
            person=viewer.key,
            on_roster=None if viewer.at_home else viewer.key,
            sign=receipts.signer(receipts_key(home)),
            step=step,
        )
        own = table.attachments(database, competition.name, acts)
        (row,) = [one for one in _rows(home, database, own) if one.id == done.attachment.id]
    return Attached(row, done.again, done.left, json.loads(done.receipt))


def attach_file(home: Home, viewer: Viewer, hw: str, path: Path, now: datetime, key: str) -> Attached:
    """Records a second file of this machine, read piece by piece."""
    rules = asked_for(home, viewer, hw)
    most = rules.attachment_bytes
    with receiving(home.submissions, most) as arriving:
        file = Checked(arriving, rules.attachment_kinds, most)
        for piece in pieces_of(path):
            file.write(piece)
            if file.refused:
                break
        kind, sha256 = file.end(), arriving.sync()

        def step(name: str) -> None:
            if name == "row":
                arriving.keep()

        return attach(home, viewer, hw, Upload(sha256, arriving.size, path.name, "", key, now), kind, step)


def pieces_of(path: Path) -> Iterator[bytes]:
    """The bytes of a file, piece by piece. Raises UserError."""
    try:
        with path.open("rb") as stream:
            while piece := stream.read(PIECE):
                yield piece
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror or error}.") from None


def attachments(home: Home, viewer: Viewer, hw: str, now: datetime) -> Attachments:
    """The viewer's second files of a homework, those of the team where it hands in, and what is asked for."""
    require_login(viewer)
    competition = find(home, viewer, hw)
    with home.database() as database:
        acts = participant_of(database, competition, viewer)
        asked = _asked(home, database, competition, acts, now)
        rows = _rows(home, database, table.attachments(database, competition.name, acts))
    return Attachments(competition.name, asked, rows)


def handed(home: Home, viewer: Viewer, hw: str, now: datetime) -> Handed:
    """Each student who is on the roster or has a file, with the latest second file, for staff."""
    competition = competition_for_staff(home, viewer, hw, "see the second files of others")
    with home.database() as database:
        asked = _asked(home, database, competition, "", now)
        rows = _rows(home, database, table.attachments(database, competition.name))
        acts = roster.participants_of(database, competition.key)
        enrolled = students(database)
    latest = {row.participant: row for row in rows if row.latest}
    found = []
    for one in enrolled:
        row = latest.get(acts.get(one.key, one.key))
        if row is not None or not one.disabled:
            found.append(HandedRow(one.key, one.name, one.email, one.team, row))
    return Handed(competition.name, asked, found)


def handed_table(found: Handed) -> tuple[list[str], list[list[str | float | None]]]:
    """The students with their latest second files as a table: header and rows."""
    header = ["id", "name", "email", "team", *HANDED]
    rows: list[list[str | float | None]] = []
    for one in found.students:
        row = one.attachment
        of_file = [""] * 6 if row is None else [row.id, row.at, row.file, row.bytes, row.by, row.sha256]
        rows.append([one.id, one.name, one.email, one.team, *of_file])
    return header, rows


def latest_of(home: Home, database: Database, competition: Competition, key: str) -> AttachmentRow | None:
    """A person's latest second file of a homework, or None."""
    acts = roster.participant_of(database, competition.key, key)
    rows = _rows(home, database, table.attachments(database, competition.name, acts))
    return rows[-1] if rows else None


def file(home: Home, viewer: Viewer, number: int, now: datetime) -> Bytes:
    """A second file, for its owner and staff, whose reading is an event. Raises UserError E_NOT_FOUND."""
    with home.database() as database:
        found, own = _readable(home, viewer, database, number)
        if not own:
            _log_reading(database, viewer, {"competition": found.competition, "attachment": number}, now)
    path = path_of(home.submissions, found.sha256)
    if not path.is_file():
        raise UserError(
            f"the bytes of attachment {number} are not in the store; restore them from a backup.",
            code="E_STORE",
            exit_code=10,
        )
    return Bytes(path, found.sha256, _named(found), found.at)


def save(home: Home, viewer: Viewer, number: int, path: Path, now: datetime) -> None:
    """Writes a second file to a new file."""
    with home.database() as database:
        found, _ = _readable(home, viewer, database, number)
    data = fetch(home.submissions, found.sha256)
    file(home, viewer, number, now)
    save_new(path, [data])


def receipt(home: Home, viewer: Viewer, number: int) -> Signed:
    """The signed receipt of a second file."""
    with home.database() as database:
        _readable(home, viewer, database, number)
        there = table.find(database, number)
    assert there is not None, "it is readable"
    signed: Signed = json.loads(there[1])
    return signed


def uploads(home: Home, viewer: Viewer, hw: str, latest: bool, now: datetime) -> Uploads:
    """All second files of a homework, or the latest ones alone, for an archive; that they are read is an event."""
    competition = competition_for_staff(home, viewer, hw, "download the files of others")
    with home.database() as database:
        found = table.attachments(database, competition.name)
        rows = _rows(home, database, found)
        chosen = [(one, row) for one, row in zip(found, rows, strict=True) if row.latest or not latest]
        if chosen:
            newest = chosen[-1][0].id
            read: dict[str, str | int] = {"competition": competition.name, "files": len(chosen), "newest": newest}
            _log_reading(database, viewer, read, now)
    members, lines = [], []
    for one, row in chosen:
        name = f"{competition.name}/{safe(one.participant)}/{one.id}-{_named(one)}"
        kept = has(home.submissions, one.sha256)
        if kept:
            members.append(ArchiveMember(name, one.sha256, one.size, one.at))
        values: list[str | float | None] = [row.id, row.participant, row.name, row.by, name if kept else "", row.file]
        lines.append([*values, row.bytes, row.sha256, row.at, "latest" if row.latest else ""])
    header = ["attachment", "participant", "name", "by", "path", "file", "bytes", "sha256", "arrived", "latest"]
    return Uploads(competition.name, members, write_rows(header, lines).encode())


def save_archive(home: Home, viewer: Viewer, hw: str, path: Path, latest: bool, now: datetime) -> int:
    """Writes the archive of second files to a new file, and returns how many are in it."""
    found = uploads(home, viewer, hw, latest, now)
    save_new(path, archive(home, found))
    return len(found.members)


def _readable(home: Home, viewer: Viewer, database: Database, number: int) -> tuple[Attachment, bool]:
    """A second file that the viewer may read, and whether it is the viewer's own. Raises UserError E_NOT_FOUND."""
    require_login(viewer)
    there = table.find(database, number)
    if there is not None:
        found = there[0]
        acts = participant_of(database, find(home, viewer, found.competition), viewer)
        own = acts == found.participant or viewer.key == found.person_key
        if own or viewer.staff:
            return found, own
    raise not_found(f"There is no attachment {number}")


def _log_reading(database: Database, viewer: Viewer, read: dict[str, str | int], now: datetime) -> None:
    records.log_event(database, "attachments read", viewer.key, read, now)


def _asked(home: Home, database: Database, competition: Competition, acts: str, now: datetime) -> Asked | None:
    rules = competition.rules
    if not rules.attachment_kinds:
        return None
    terms = attachment_terms(database, competition, acts, now)
    closed = terms.closes is not None and now > terms.closes
    left = table.left_of(database, competition.name, acts, terms.day)
    kinds = list(rules.attachment_kinds)
    return Asked(kinds, rules.attachment_bytes, local(home, terms.closes), closed, left)


def _rows(home: Home, database: Database, found: Sequence[Attachment]) -> list[AttachmentRow]:
    names = roster.display_names(database) if found else {}
    latest = {one.participant: one.id for one in found}
    return [
        AttachmentRow(
            id=one.id,
            homework=one.competition,
            participant=one.participant,
            name=names.get(one.participant, one.participant),
            by=one.person_key,
            kind=one.kind,
            file=one.filename,
            bytes=one.size,
            sha256=one.sha256,
            at=local(home, one.at),
            latest=latest[one.participant] == one.id,
        )
        for one in found
    ]


def _named(one: Attachment) -> str:
    """The name under which a second file is saved: safe in every system, with the ending of its kind."""
    name = safe(one.filename)
    return name if name.lower().endswith(f".{one.kind}") else f"{name}.{one.kind}"
