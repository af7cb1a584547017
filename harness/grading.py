"""Check, accept, grade and record submissions, and finish interrupted ones."""

from __future__ import annotations

import hashlib
import hmac
import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from harness.competition import (
    Competition,
    Secret,
    competitions_to_grade,
    find_competition,
    read_secret,
    read_versions,
    receipts_key,
)
from harness.home import Home
from harness.rules import closing as closing
from harness.rules import quota_day as quota_day
from harness.rules import terms
from submissions.quiz import remarks
from submissions.reader import load, read
from tasks.base import (
    METRICS_VERSION,
    PRIVATE,
    PUBLIC,
    Bar,
    Columns,
    Grade,
    Judge,
    Judged,
    Score,
    SubmissionError,
    UserError,
)
from tasks.errors import internal
from tasks.formats import Format, QuizFormat, TableFormat

if TYPE_CHECKING:
    from leaderboard.database import Database
    from leaderboard.store import Accepted, Submission

Step = Callable[[str], None]


def check(path: Path, form: Format, judge: Judge | None, public: Path | None) -> Judged:
    """The predictions in a file, aligned to the format, after the judge's check with the public folder, if it is here.

    Raises SubmissionError; `submit` uses the same steps. A note says what could not be checked.
    """
    predictions = read(load(path, form.max_bytes), form)
    if judge is None:
        return unjudged(form, predictions)
    if lacking := judge.lacks(public):
        note = f"not checked against {' and '.join(lacking)}, which are not here; the course checks that too"
        return Judged(predictions, (note,))
    return judge.check(form, predictions, public)


def unjudged(form: Format, predictions: Columns) -> Judged:
    """Predictions that are scored as they are; of a quiz, with a note on blanks."""
    return Judged(predictions, remarks(form, predictions) if isinstance(form, QuizFormat) else ())


def grade(secret: Secret, predictions: Columns) -> Grade:
    """The exact public and private scores of aligned predictions: a pure function.

    Raises SubmissionError for predictions that the judge cannot score.
    """
    import numpy as np

    answers, judge = secret.answers, secret.judge
    form = secret.competition.format
    judged = unjudged(form, predictions) if judge is None else judge.judged(form, predictions, secret.folder)
    assert answers.usage is not None
    public, private = answers.usage == PUBLIC, answers.usage == PRIVATE
    n_public, n_private = int(public.sum()), int(private.sum())
    scores, notes = [], list(judged.notes)
    matrices: list[tuple[tuple[float, ...], ...]] = []
    for metric in secret.metrics:
        rows = metric.rows(answers.columns, judged.columns)
        own = np.ones(len(rows) - len(answers), dtype=bool)
        weights = [side if not len(own) else np.concatenate([side, own]) for side in (public, private)]
        score = Score(
            metric=metric.name,
            public=metric.value(rows, weights[0]),
            private=metric.value(rows, weights[1]) if n_private else None,
            public_interval=metric.interval(rows, weights[0], answers.groups),
            private_interval=metric.interval(rows, weights[1], answers.groups) if n_private else None,
        )
        scores.append(score)
        if metric.matrix is not None:
            sides = weights if n_private else weights[:1]
            matrices = [tuple(map(tuple, np.nan_to_num(metric.matrix(rows, side)).tolist())) for side in sides]
        if metric.hint is not None and (hint := metric.hint(score.public)) is not None:
            notes.append(hint)
    signature = "|".join(
        (
            secret.metric_version,
            f"edition:{secret.competition.edition}",
            f"data:{secret.data_version}",
            f"n:{n_public}+{n_private}",
        )
    )
    return Grade(tuple(scores), n_public, n_private, signature, tuple(notes), *matrices)


def public_side(grade: Grade) -> Grade:
    """The grade without its private part and without the signature, which contains the hash of the answers."""
    scores = (replace(score, private=None, private_interval=None) for score in grade.scores)
    return replace(grade, scores=tuple(scores), signature="")


def cleared(competition: Competition, grade: Grade, bars: tuple[Bar, ...], *, private: bool) -> tuple[str, ...]:
    """The names of the bars that the public or private scores clear; none if there are no such rows."""
    values = {score.metric: score.private if private else score.public for score in grade.scores}
    exact = {name: value for name, value in values.items() if value is not None}
    if len(exact) < len(values):
        return ()
    return tuple(bar.name for bar in bars if bar.passed(exact, competition.higher_is_better, private=private))


@dataclass(frozen=True)
class Submitted:
    """An accepted submission, the public part of its grade, and the bars it clears."""

    competition: Competition
    accepted: Accepted
    grade: Grade
    bars: tuple[str, ...]


def submit(
    home: Home,
    name: str,
    path: Path,
    *,
    participant: str,
    now: datetime,
    message: str = "",
    client_key: str | None = None,
    kind: Literal["person", "baseline", "sample"] = "person",
    limited: bool = True,
    step: Step = lambda name: None,
) -> Submitted:
    """Records a file, then grades it. Recorded files are never lost; `grade_pending` resumes after a crash.

    The same bytes from the same participant are the same submission: the first receipt is returned and no slot is
    used. A late file is scored for practice. `limited=False` ignores quota and deadline, for baselines. `step` is
    called after each step, for fault tests. Raises SubmissionError for a file that cannot be scored, and
    LeaderboardError for an exhausted quota or a participant who cannot submit.
    """
    from submissions.store import keep

    competition = find_competition(home, name)
    data = load(path, competition.format.max_bytes)
    secret = read_secret(home, competition)
    key = home.key()

    def accept_step(name: str) -> None:
        if name == "submission":  # under the lock: the bytes may have been dropped since, after a refusal
            keep(home.submissions, data)
        step(name)

    with home.database() as database:
        sha256 = keep(home.submissions, data, step)
        step("bytes kept")
        accepted = accept_file(
            home,
            database,
            competition,
            participant=participant,
            sha256=sha256,
            size=len(data),
            filename=path.name,
            message=message,
            client_key=client_key or sha256,
            now=now,
            kind=kind,
            limited=limited,
            step=accept_step,
        )
        step("accepted")
        try:
            predictions = read_predictions(data, competition.format, secret.metric_file)
            step("read")
            result = grade(secret, predictions)
        except SubmissionError as error:
            reject(home, database, accepted.submission, error, now)
            raise
        step("graded")
        record(database, key, secret, accepted.submission, result, now)
        step("recorded")
    return Submitted(
        competition, accepted, public_side(result), cleared(competition, result, competition.bars, private=False)
    )


def accept_file(
    home: Home,
    database: Database,
    competition: Competition,
    *,
    participant: str,
    sha256: str,
    size: int,
    filename: str,
    message: str,
    client_key: str,
    now: datetime,
    kind: Literal["person", "baseline", "sample"] = "person",
    limited: bool = True,
    person: str | None = None,
    step: Step = lambda name: None,
) -> Accepted:
    """Records a stored file by the current rules for this participant; a late one is practice.

    Raises LeaderboardError as `leaderboard.store.accept` does.
    """
    from leaderboard import receipts, store

    own = terms(home, database, competition, participant, now)
    return store.accept(
        database,
        course=home.course,
        competition=competition.key,
        participant=participant,
        kind=kind,
        sha256=sha256,
        size=size,
        filename=filename,
        message=message,
        client_key=client_key,
        now=now,
        day=own.day,
        next_slot=own.next_slot,
        quota=own.quota if limited else None,
        rejections=own.rejections if limited else None,
        closes=own.closes if limited else None,
        sign=receipts.signer(receipts_key(home)),
        late="practice" if limited else "never",
        person=person,
        again="latest" if competition.quiz else "any",
        step=step,
    )


def grade_here(secret: Secret, data: bytes) -> Grade:
    """Reads and scores the bytes of a submission in this process, without limits."""
    return grade(secret, read_predictions(data, secret.competition.format, secret.metric_file))


def read_predictions(data: bytes, form: Format, cells: bool) -> Columns:
    """The predictions in the bytes of a file; with `cells`, the checked cells as text, for a metric file."""
    predictions = read(data, form)
    if not cells:
        return predictions
    from tasks.kaggle import cells_of

    assert isinstance(form, TableFormat)
    return read(data, cells_of(form))


def grade_pending(
    home: Home, now: datetime, names: list[str], grader: Callable[[Secret, bytes], Grade] = grade_here
) -> list[tuple[str, int, str]]:
    """Grades accepted submissions without a grade; returns (competition, submission, outcome) of each.

    `grader` raises SubmissionError for a file that cannot be scored, and UserError if it cannot be graded now.
    """
    from leaderboard import store
    from leaderboard.database import LeaderboardError

    done = []
    key = home.key()
    for competition in [one for name in names for one in competitions_to_grade(home, name)]:
        with home.database() as database:
            secret: Secret | None = None
            for entry in store.pending(database, {competition.key: read_versions(home, competition, database)}):
                try:
                    secret = secret or read_secret(home, competition)
                    came = _grade_one(home, database, key, secret, entry, now, grader)
                except UserError as error:  # it keeps waiting; the others are graded
                    came = f"still waiting: {error}"
                except LeaderboardError as error:
                    if error.code != "E_CONFLICT":
                        raise
                    came = f"unchanged: {error}"
                done.append((competition.name, entry.id, came))
    return done


def _grade_one(
    home: Home,
    database: Database,
    key: bytes,
    secret: Secret,
    entry: Submission,
    now: datetime,
    grader: Callable[[Secret, bytes], Grade],
) -> str:
    """Grades or rejects one submission, removes its lease and returns the outcome. A worker may do the same meanwhile.

    Raises UserError if it cannot be graded now, also after an internal error, and LeaderboardError E_CONFLICT if the
    result contradicts the recorded one.
    """
    from leaderboard import queue
    from submissions.store import fetch

    try:
        result = grader(secret, fetch(home.submissions, entry.sha256))
    except SubmissionError as error:
        reject(home, database, entry.id, error, now)
        came = f"refused: {error.code}"
    except UserError:
        raise
    except Exception as error:  # its text may contain answers
        raise UserError(str(internal(error)).partition(". ")[0]) from None
    else:
        record(database, key, secret, entry.id, result, now)
        came = "graded"
    queue.finish(database, entry.id)
    return came


def reject(home: Home, database: Database, submission: int, error: SubmissionError, now: datetime) -> None:
    """Records that a file cannot be scored; its bytes are dropped beyond the limits for refused files."""
    from leaderboard import store

    store.reject(database, submission, error.code, now, problems_json(error))
    drop_refused(home, database, submission)


def drop_refused(home: Home, database: Database, submission: int | None = None) -> None:
    """Removes the bytes of refused files beyond the limits: of one submission, or of all, after a crash."""
    from leaderboard import store
    from submissions.store import has, remove

    for sha256 in store.dropped(database, submission).values():
        if has(home.submissions, sha256):
            store.drop(database, sha256, lambda name: remove(home.submissions, name))


def problems_json(error: SubmissionError) -> str:
    """The problems of a file, as the JSON that `store.reject` stores for its owner."""
    return _json({"problems": [problem._asdict() for problem in error.problems], "total": error.total})


def record(database: Database, key: bytes, secret: Secret, submission: int, result: Grade, now: datetime) -> None:
    """Records a grade: public and private parts separately, sealed together."""
    from leaderboard import store

    competition, first = secret.competition, result.scores[0]
    assert first.private is None or math.isfinite(first.private)
    values: dict[str, Any] = {
        "data_version": secret.data_version,
        "metric_version": secret.metric_version,
        "public": first.public,
        "private": first.private,
        "details": _json(
            {
                "n": result.n_public,
                "scores": [
                    {"metric": score.metric, "value": score.public, "interval": score.public_interval}
                    for score in result.scores
                ],
                "notes": list(result.notes),
            }
            | ({"matrix": result.matrix} if result.matrix else {})
        ),
        "private_details": _json(
            {
                "n": result.n_private,
                "signature": result.signature,
                "scores": [
                    {"metric": score.metric, "value": score.private, "interval": score.private_interval}
                    for score in result.scores
                ],
            }
            | ({"matrix": result.private_matrix} if result.private_matrix else {})
        ),
        "passed_public": list(cleared(competition, result, secret.bars, private=False)),
        "passed_private": list(cleared(competition, result, secret.bars, private=True)),
    }
    store.record(
        database,
        submission,
        **values,
        public_version=f"{competition.key} edition {competition.edition} metrics {METRICS_VERSION}",
        higher_is_better=competition.ranking.higher_is_better,
        mac=grade_mac(key, submission, values),
        now=now,
    )


SEALED = (
    "data_version", "metric_version", "public", "private", "details", "private_details", "passed_public",
    "passed_private",
)  # fmt: skip


def grade_mac(key: bytes, submission: int, values: Mapping[str, Any]) -> str:
    """The seal of a grade row, with which `audit verify` finds scores that were changed in the database."""
    sealed = [list(value) if isinstance(value, tuple) else value for value in (values[name] for name in SEALED)]
    return hmac.new(key, b"grade\0" + _json([submission, *sealed]).encode(), hashlib.sha256).hexdigest()


def _json(values: Any) -> str:
    return json.dumps(values, allow_nan=False, separators=(",", ":"))
