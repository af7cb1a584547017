"""Handing in: record a file, and at home grade it at once."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from harness.competition import Competition
from harness.course.access import Viewer, find, participant_of, require_write
from harness.course.entries import Accepted, Slots, Submitted
from harness.course.record import Standing, states_of, submission_of
from harness.course.requests import check_message
from harness.grading.accept import accept_file
from harness.grading.accept import submit as submit_file
from harness.home import Home, local
from harness.versions import read_versions
from leaderboard import records, results, roster

if TYPE_CHECKING:
    from leaderboard.acceptance import Acceptance, Upload


def submit_limit(home: Home, viewer: Viewer, hw: str, now: datetime) -> int:
    """The size limit in bytes for a file of this homework. Raises the same errors as `submit_accept`."""
    require_write(viewer)
    return find(home, viewer, hw).format.max_bytes


def submit_accept(
    home: Home,
    viewer: Viewer,
    hw: str,
    upload: Upload,
    step: Callable[[str], None] = lambda name: None,
) -> Accepted:
    """Records a file whose bytes are stored; it is graded later. The same key and bytes give the same receipt."""
    require_write(viewer)
    check_message(upload.message)
    competition = find(home, viewer, hw)
    with home.database() as database:
        acts = participant_of(database, competition, viewer)
        person = None if viewer.at_home else viewer.key
        accepted = accept_file(home, database, competition, upload, participant=acts, person=person, step=step)
        entry = records.submission(database, accepted.submission)
        grades = results.public_grades(database, competition.key, *read_versions(home, competition, database), acts)
        standing = states_of(home, database, competition, [entry], grades, upload.arrived)[entry.id]
        return _card(home, competition, accepted, standing, acts, roster.display_names(database).get(acts, acts))


def submit(home: Home, viewer: Viewer, hw: str, path: Path, message: str, now: datetime) -> Submitted:
    """Records a file and grades it at once, which needs the answers: `submit` at home."""
    require_write(viewer)
    check_message(message)
    with home.database() as database:
        home = home.holding(database)
        competition = find(home, viewer, hw)
        acts = participant_of(database, competition, viewer)
        done = submit_file(home, competition, path, participant=acts, now=now, message=message)
        seen = submission_of(home, database, competition, acts, done.accepted.submission, now, own=True)
    standing = Standing(seen.state, seen.position, seen.code)
    return Submitted(_card(home, competition, done.accepted, standing, acts, seen.name), seen)


def _card(
    home: Home, competition: Competition, accepted: Acceptance, standing: Standing, participant: str, name: str
) -> Accepted:
    """The answer to an accepted file: its number, queue position, remaining quota and receipt."""
    used, terms = accepted.used, accepted.terms
    return Accepted(
        **vars(standing),
        homework=competition.name,
        edition=competition.edition,
        submission=accepted.submission,
        again=accepted.again,
        participant=participant,
        name=name,
        practice=accepted.practice,
        quota=Slots(used, max(0, terms.quota - used), terms.quota, local(home, terms.next_slot)),
        receipt=json.loads(accepted.receipt),
    )
