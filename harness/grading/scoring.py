"""The score of a file: read, judge, measure."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from harness.answers import Secret
from harness.competition import Competition
from submissions.quiz import remarks
from submissions.reader import load, read
from tasks.apart import Limits
from tasks.base import (
    PRIVATE,
    PUBLIC,
    Bar,
    Columns,
    Grade,
    Judge,
    Judged,
    Score,
)
from tasks.formats import Format, QuizFormat, TableFormat


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
    """Predictions that are scored as they are; with a note on blanks of a quiz, and on ids without a row."""
    if isinstance(form, QuizFormat):
        return Judged(predictions, remarks(form, predictions))
    if isinstance(form, TableFormat) and form.most_rows > 1:
        without = predictions[form.columns[0].name].tolist().count("")
        return Judged(predictions, (f"{without:,} of {len(form):,} ids have no row",) if without else ())
    return Judged(predictions)


def limited(secret: Secret, limits: Limits) -> Secret:
    """The same secret, with these limits for a metric file, shared among its calls."""
    if secret.score_file is None:
        return secret
    from tasks.kaggle import SIDE

    file = replace(secret.score_file, limits=Limits(SIDE * limits.seconds, limits.memory))
    return replace(secret, score_file=file, metrics=(file.metric,))


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


def grade_here(secret: Secret, data: bytes) -> Grade:
    """Reads and scores the bytes of a submission in this process, without limits."""
    return grade(secret, read_predictions(data, secret.competition.format, secret.metric_file))


def read_predictions(data: bytes, form: Format, cells: bool) -> Columns:
    """The predictions in the bytes of a file; with `cells`, the checked cells as text, for a metric file."""
    predictions = read(data, form)
    if not cells or not isinstance(form, TableFormat):
        return predictions
    from tasks.kaggle import cells_of

    return read(data, cells_of(form))
