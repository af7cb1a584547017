"""Grades: recording one, and reading the public and the private side."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from leaderboard import events, queue
from leaderboard.competitions import find_or_add_version
from leaderboard.database import Database
from leaderboard.receipts import microseconds
from leaderboard.records import SELECT_SUBMISSIONS, StoredSubmission, find_submission
from leaderboard.rows import Row, made
from tasks.errors import UserError


@dataclass(frozen=True)
class PublicGrade:
    """The part of a grade that students may see before the private scores are revealed."""

    public: float
    details: str
    passed: tuple[str, ...]
    graded_at: datetime


@dataclass(frozen=True)
class GradeRow:
    """All fields of one grade, for the instructor and for checking `mac`."""

    submission: int
    competition: str
    participant: str
    sha256: str
    data_version: str
    metric_version: str
    higher_is_better: bool
    public: float
    private: float | None
    details: str
    private_details: str
    passed_public: tuple[str, ...]
    passed_private: tuple[str, ...]
    mac: str
    graded_at: datetime


def record(
    db: Database,
    submission_id: int,
    *,
    data_version: str,
    metric_version: str,
    public_version: str,
    higher_is_better: bool,
    public: float,
    private: float | None,
    details: str,
    passed_public: Sequence[str],
    passed_private: Sequence[str],
    mac: str,
    now: datetime,
    private_details: str = "{}",
) -> bool:
    """Record the grade of a submission for one data and metric version; returns False if it already has one.

    `public_version` names the version without secrets and is logged; `data_version` and `metric_version` may depend on
    the answers and are not logged. `details` is JSON for all readers of the public board, `private_details` for the
    private board only.

    Raises ValueError for a score that is not finite, which SQLite would store as NULL, and UserError E_CONFLICT
    for a rejected submission.
    """
    if not math.isfinite(public) or not (private is None or math.isfinite(private)):
        raise ValueError(f"the scores of submission {submission_id} are not finite")
    public, private = float(public) + 0.0, None if private is None else float(private) + 0.0  # -0.0 becomes 0.0
    with db.transaction():
        row = find_submission(db, submission_id)
        if row.rejected is not None:
            raise UserError(
                f"Submission {submission_id} was rejected and cannot be graded.", code="E_CONFLICT", exit_code=8
            )
        version = find_or_add_version(db, row.competition, data_version, metric_version, higher_is_better)
        queue.end(db, submission_id)
        if db.one("SELECT 1 FROM grades WHERE submission_id = :id AND version_id = :v", id=submission_id, v=version):
            return False
        event = events.append(
            db, "graded", row.participant, {"submission": submission_id, "version": public_version}, now
        )
        db.execute(
            "INSERT INTO grades (id, submission_id, participant_id, version_id, public, public_key, private, details, "
            "private_details, passed_public, passed_private, mac, graded_at, event_seq) SELECT :id, :submission, "
            "participant_id, :version, :public, :key, :private, :details, :private_details, :passed_public, "
            ":passed_private, :mac, :at, :seq FROM submissions WHERE id = :submission",
            id=db.next_id("grades"),
            submission=submission_id,
            version=version,
            public=public,
            key=public if higher_is_better else -public,
            private=private,
            details=details,
            private_details=private_details,
            passed_public=json.dumps(list(passed_public)),
            passed_private=json.dumps(list(passed_private)),
            mac=mac,
            at=microseconds(now),
            seq=event.seq,
        )
        return True


def pending(db: Database, versions: Mapping[str, tuple[str, str]]) -> list[StoredSubmission]:
    """Submissions that are neither rejected nor graded under their competition's (data version, metric version)."""
    found = []
    for competition, (data_version, metric_version) in versions.items():
        rows = db.fetch(
            f"{SELECT_SUBMISSIONS} WHERE p.competition = :competition AND s.rejected_at IS NULL AND NOT EXISTS "
            "(SELECT 1 FROM grades g JOIN versions v ON v.id = g.version_id WHERE g.submission_id = s.id "
            "AND v.competition = :competition AND v.data_version = :data AND v.metric_version = :metric) ORDER BY s.id",
            competition=competition, data=data_version, metric=metric_version,
        )  # fmt: skip
        found += [made(StoredSubmission, row) for row in rows]
    return sorted(found, key=lambda submission: submission.id)


def public_grades(
    db: Database, competition: str, data_version: str, metric_version: str, participant: str | None = None
) -> dict[int, PublicGrade]:
    """The public part of the grades of one version, by submission id; optionally of one participant."""
    columns = "g.public, g.details, g.passed_public AS passed, g.graded_at"
    rows = _grades(db, columns, competition, data_version, metric_version, participant)
    return {row.pop("submission_id"): made(PublicGrade, row) for row in rows}


def private_scores(
    db: Database, competition: str, data_version: str, metric_version: str, participant: str | None = None
) -> dict[int, float]:
    """The private scores of one version, by submission id. The caller checks who may see them."""
    rows = _grades(db, "g.private", competition, data_version, metric_version, participant)
    return {row["submission_id"]: row["private"] for row in rows if row["private"] is not None}


def private_details(db: Database, submission_id: int, data_version: str, metric_version: str) -> str | None:
    """The JSON of a submission's private grade of one version. The caller checks who may see it."""
    details: str | None = db.value(
        "SELECT g.private_details FROM grades g JOIN versions v ON v.id = g.version_id WHERE g.submission_id = :id "
        "AND v.data_version = :data AND v.metric_version = :metric",
        id=submission_id, data=data_version, metric=metric_version,
    )  # fmt: skip
    return details


def _grades(
    db: Database, columns: str, competition: str, data_version: str, metric_version: str, participant: str | None
) -> list[Row]:
    """Rows of the submission id and these columns, of all participants or of one."""
    only = "" if participant is None else "AND p.name = :participant"
    values = {} if participant is None else {"participant": participant}
    return db.fetch(
        f"SELECT g.submission_id, {columns} FROM participants p JOIN grades g ON g.participant_id = p.id "
        "WHERE p.competition = :competition AND g.version_id = (SELECT id FROM versions WHERE "
        f"competition = :competition AND data_version = :data AND metric_version = :metric) {only}",
        competition=competition,
        data=data_version,
        metric=metric_version,
        **values,
    )


def grade_rows(db: Database, competition: str | None = None) -> Iterator[GradeRow]:
    """All grades, public and private, for the instructor: to check each `mac`, and to export."""
    only = "" if competition is None else "AND p.competition = :competition"
    values = {} if competition is None else {"competition": competition}
    last = 0
    while rows := db.fetch(
        "SELECT g.id, g.submission_id AS submission, p.competition, p.name AS participant, s.sha256, v.data_version, "
        "v.metric_version, v.higher_is_better, g.public, g.private, g.details, g.private_details, g.passed_public, "
        "g.passed_private, g.mac, g.graded_at FROM grades g JOIN versions v ON v.id = g.version_id "
        "JOIN submissions s ON s.id = g.submission_id JOIN participants p ON p.id = s.participant_id "
        f"WHERE g.id > :last {only} ORDER BY g.id LIMIT 5000",
        last=last,
        **values,
    ):
        for row in rows:
            last = row.pop("id")
            try:
                yield made(GradeRow, row)
            except (TypeError, ValueError):  # a list of bars that cannot be read: its `mac` must fail
                yield made(GradeRow, row | {name: json.dumps([str(row[name])]) for name in _BARS})


_BARS = ("passed_public", "passed_private")
