"""Submissions as their owner and the staff see them: list, one, receipt."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.clocks import opened as opened_at
from harness.competition import (
    Competition,
    prepared,
)
from harness.course.access import (
    Viewer,
    allow_exact,
    cut_of,
    find,
    marks_of,
    not_found,
    own_submission,
    participant_of,
    require_login,
)
from harness.course.boards import place_of
from harness.course.entries import FileProblem, MetricScore, Signed, State, Submission, SubmissionRow, Submissions
from harness.home import Home, local
from harness.versions import all_versions, read_versions
from leaderboard import queue, records, results, roster
from submissions.store import path_of
from tasks.errors import UserError

if TYPE_CHECKING:
    from leaderboard.database import Database
    from leaderboard.records import StoredSubmission
    from leaderboard.results import PublicGrade


@dataclass(frozen=True)
class Standing:
    """The state of a submission, its position in the queue, and the code of a refused or failed one."""

    state: State
    position: int | None
    code: str | None


def submissions(
    home: Home,
    viewer: Viewer,
    hw: str | None,
    *,
    everyone: bool = False,
    exact: bool = False,
    version: int | None = None,
    now: datetime,
) -> Submissions:
    """The viewer's submissions, or for staff all of them, of one homework or of all, in order of acceptance.

    `version` selects an older data version of the one homework.
    """
    require_login(viewer)
    allow_exact(viewer, exact)
    if everyone and not viewer.staff:
        raise UserError("only course staff can see the submissions of others.", code="E_NOT_ALLOWED", exit_code=6)
    if version is not None and hw is None:
        raise UserError("an older data version belongs to one homework: name the homework.")
    rows = []
    for competition in [find(home, viewer, name, version) for name in ([hw] if hw else prepared(home))]:
        versions, cut = read_versions(home, competition), cut_of(competition, exact)
        with home.database() as database:
            person = None if everyone else participant_of(database, competition, viewer)
            names = roster.display_names(database)
            grades = results.public_grades(database, competition.key, *versions, person)
            entries = records.submissions(database, competition.key, person)
            states = states_of(home, database, competition, entries, grades, now)
            private = _private_scores(database, competition, versions, person, now)
            marked = marks_of(database, competition)
        for entry in entries:
            grade = grades.get(entry.id) if entry.rejected is None else None
            details = json.loads(grade.details) if grade else {}
            rows.append(
                SubmissionRow(
                    **entry_fields(home, competition, entry),
                    **vars(states[entry.id]),
                    id=entry.id,
                    name=names.get(entry.participant, entry.participant),
                    score=cut.score(grade.public if grade and not competition.quiz else None),
                    private=cut.score(private.get(entry.id) if grade else None),
                    metric=competition.ranking.label,
                    digits=competition.ranking.digits,
                    notes=details.get("notes", []),
                    model="" if marked is None else marked(entry.id) if grade else None,
                    matrix=cut.matrix(details.get("matrix")),
                )
            )
    return Submissions(rows)


def submission(home: Home, viewer: Viewer, number: int, now: datetime) -> Submission:
    """One submission: its state, its problems, its public scores, and its rank on the public board."""
    with home.database() as database:
        entry, competition = own_submission(home, viewer, database, number)
        own = viewer.at_home or participant_of(database, competition, viewer) == entry.participant
        return submission_of(home, database, competition, entry.participant, number, now, own=own)


def submission_of(
    home: Home, database: Database, competition: Competition, participant: str, number: int, now: datetime, *, own: bool
) -> Submission:
    """The same for a submission of this participant, by a reader who may see it."""
    entries = records.submissions(database, competition.key, participant)
    entry = next(one for one in entries if one.id == number)
    shown = roster.display_names(database).get(participant, participant)
    versions = read_versions(home, competition, database)
    grades = results.public_grades(database, competition.key, *versions, participant)
    grade = grades.get(number) if entry.rejected is None else None
    states = states_of(home, database, competition, [entry], grades, now)
    private = _private_scores(database, competition, versions, participant, now)
    opened = results.private_details(database, number, *versions) if grade and number in private else None
    cut, counts = cut_of(competition), grade is not None and not entry.practice and not competition.quiz
    place = place_of(database, competition, versions, participant) if counts else None
    marked = marks_of(database, competition)
    details, hidden = json.loads(grade.details) if grade else {}, json.loads(opened or "{}")
    found = json.loads(entry.rejected_details or "[]")
    problems, total = (found, len(found)) if isinstance(found, list) else (found["problems"], found["total"])
    return Submission(
        **entry_fields(home, competition, entry),
        **vars(states[entry.id]),
        edition=competition.edition,
        submission=entry.id,
        own=own,
        name=shown,
        size=entry.size,
        sha256=entry.sha256,
        problems=[FileProblem(**problem) for problem in problems],
        total=total,
        scores=[
            MetricScore(score["metric"], score["value"], score["interval"])
            for score in map(cut.recorded, [] if competition.quiz else details.get("scores", []))
        ],
        private=cut.score(private.get(entry.id) if grade else None),
        metrics=list(competition.metrics),
        notes=details.get("notes", []),
        bars=list(grade.passed) if grade else [],
        has_bars=any(bar.comparable for bar in competition.bars),
        rank=place.rank if place and place.submission == entry.id else None,
        best=place.best if place else None,
        improved=_improved(competition, entry, entries, grades) if counts else None,
        demo=competition.demo,
        model="" if marked is None else marked(entry.id) if grade else None,
        matrix=cut.matrix(details.get("matrix")),
        private_matrix=cut.matrix(hidden.get("matrix")),
    )


def _improved(
    competition: Competition,
    entry: StoredSubmission,
    entries: Sequence[StoredSubmission],
    grades: dict[int, PublicGrade],
) -> bool:
    """Whether a graded submission is better, by exact scores, than all of the same participant before it."""
    sign = 1 if competition.ranking.higher_is_better else -1
    before = [
        one.id for one in entries if one.id < entry.id and one.id in grades and not (one.practice or one.rejected)
    ]
    return all(sign * grades[entry.id].public > sign * grades[number].public for number in before)


def entry_fields(home: Home, competition: Competition, entry: StoredSubmission) -> dict[str, Any]:
    """The fields that every answer has of a submission."""
    return {
        "homework": competition.name,
        "participant": entry.participant,
        "at": local(home, entry.accepted_at),
        "selected": entry.selected,
        "practice": entry.practice,
        "file": entry.filename,
        "message": entry.message,
    }


def _private_scores(
    database: Database, competition: Competition, versions: tuple[str, str], participant: str | None, now: datetime
) -> dict[int, float]:
    """The private scores by submission after the reveal; before, none for any viewer."""
    if not competition.two_boards or opened_at(database, competition, now) is None:
        return {}
    return results.private_scores(database, competition.key, *versions, participant)


_settled: dict[tuple[Any, ...], tuple[int, int]] = {}
"""The submission number up to which everything is graded, and the number of the log at which this process knew that, by
home and versions."""


def settled(home: Home, database: Database, versions: queue.Versions) -> int:
    """The submission number up to which everything is graded, as far as this process knows."""
    about = (home.root, *sorted(versions.items()))
    after, event = queue.still_settled(database, *_settled.get(about, (0, 0)))
    after = queue.settled(database, versions, after)
    _settled[about] = after, event
    return after


def states_of(
    home: Home,
    database: Database,
    competition: Competition,
    entries: Sequence[StoredSubmission],
    grades: dict[int, PublicGrade],
    now: datetime,
) -> dict[int, Standing]:
    """State, position in the queue and code of each submission."""
    waiting = [entry.id for entry in entries if entry.rejected is None and entry.id not in grades]
    standing = {}
    if waiting:
        versions = all_versions(home, database) | {competition.key: read_versions(home, competition, database)}
        standing = queue.standing(database, versions, waiting, now, settled(home, database, versions))
    states: dict[int, Standing] = {}
    for entry in entries:
        if entry.rejected is not None:
            states[entry.id] = Standing("rejected", None, entry.rejected)
        elif entry.id in grades:
            states[entry.id] = Standing("graded", None, None)
        else:
            states[entry.id] = Standing(**vars(standing[entry.id]))
    return states


def receipt(home: Home, viewer: Viewer, number: int) -> Signed:
    """The signed receipt of a submission."""
    with home.database() as database:
        own_submission(home, viewer, database, number)
        fields: Signed = json.loads(records.receipt(database, number))
    return fields


@dataclass(frozen=True)
class Bytes:
    """The bytes of a submission: their file in the store, their hash, and the name that they were handed in with."""

    path: Path
    sha256: str
    name: str
    at: datetime


def file(home: Home, viewer: Viewer, number: int) -> Bytes:
    """The file of a submission, for its owner and staff. Raises UserError E_NOT_FOUND where it is not kept."""
    with home.database() as database:
        entry, _ = own_submission(home, viewer, database, number)
    path = path_of(home.submissions, entry.sha256)
    if not path.is_file():
        raise not_found(f"The bytes of submission {number}, which was refused, are no longer kept")
    return Bytes(path, entry.sha256, entry.filename, entry.accepted_at)
