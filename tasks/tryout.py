"""A metric file is tried out, on the solution and on the sample submission, before its competition is in place."""

from __future__ import annotations

import contextlib
import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from tasks.base import PRIVATE, PUBLIC, Answers, Columns, SubmissionError, UserError
from tasks.formats import TableFormat
from tasks.kaggle import ScoreFile
from tasks.metrics import weighted_mean
from tasks.samples import sample_rows
from tasks.solution import solution_cells


@dataclass(frozen=True)
class Tried:
    """The public and private scores of the solution and of the sample submission.

    None where the sample is refused, and where the solution has other columns than a submission.
    """

    solution: tuple[float, float] | None
    sample: tuple[float, float] | None
    warning: str | None


def _check_rows(file: ScoreFile, answers: Answers, what: str, columns: Columns, scores: tuple[float, float]) -> None:
    """Raises UserError unless the values of `rows` have both scores as their means, and other calls give the same.

    One call has other random numbers, another one the rows in reversed order, in which their values must come then.
    """
    assert answers.usage is not None
    values, again = (
        replace(file, seed=seed).row_values(answers.columns, columns) for seed in (file.seed, file.seed + 1)
    )
    for score, side, board in zip(scores, (PUBLIC, PRIVATE), ("public", "private"), strict=True):
        mean = weighted_mean(values, answers.usage == side)
        if not math.isclose(mean, score, rel_tol=1e-9, abs_tol=1e-12):
            raise UserError(
                f"{file.path.name}: the mean of what `rows` gives the {board} rows of {what} is {mean!r}, but `score`"
                f" gives {score!r}. No competition was made. Let `score` return the mean of `rows`, or rename `rows`"
                " where it is another function.",
                code="E_METRIC",
            )
    if not np.array_equal(values, again):
        raise UserError(
            f"{file.path.name}: `rows` gives {what} other values when it is called again. No competition was made. Draw"
            " random numbers from numpy.random.default_rng(0).",
            code="E_METRIC",
        )
    _refuse_other_order(file, answers, what, columns, values)


def _refuse_other_order(
    file: ScoreFile, answers: Answers, what: str, columns: Columns, values: NDArray[np.float64]
) -> None:
    """Raises UserError unless the values of `rows` come in the order of the rows: intervals are of rows and groups."""
    several = isinstance(file.form, TableFormat) and file.form.most_rows > 1
    order = "in the order in which ids first appear in `solution`, such as by groupby(..., sort=False)"
    try:
        turned = file.row_values(answers.columns, columns, backwards=True)
        same = np.allclose(values, turned, rtol=1e-9, atol=1e-9 * max(1e-3, float(np.abs(values).max())))
        why = "other values in place of the reversed ones"
    except UserError as error:
        same, why = False, str(error.__cause__ or error).removeprefix(f"{file.path.name}: ")
    if not same:
        raise UserError(
            f"{file.path.name}: with the {'ids' if several else 'rows'} of both frames in reversed order, `rows` gives"
            f" {what} {why}. No competition was made. Return the value of each {'id' if several else 'row'}"
            f" {order if several else 'in the order of the rows of `solution`, without sorting them'}.",
            code="E_METRIC",
        )


def _refuse_deaf_rows(file: ScoreFile, answers: Answers, sample: Columns, text: str) -> None:
    """Raises UserError unless `rows`, which alone is called in grading, refuses the sample submission as well."""
    with contextlib.suppress(SubmissionError):
        file.row_values(answers.columns, sample)
        raise UserError(
            f"{file.path.name}: `score` refuses the sample submission ({text}), but `rows` does not, and grading calls"
            " `rows` alone. No competition was made. Put the check into `rows` as well.",
            code="E_METRIC",
        )


def _mixed(own: Columns, sample: Columns) -> Columns:
    """A submission whose every other row is the solution's own, the others those of the sample."""
    mixed = {}
    for name, values in sample.items():
        pairs = enumerate(zip(own[name].tolist(), values.tolist(), strict=True))
        cells = [str(pair[at % 2]) for at, pair in pairs]
        mixed[name] = np.array(cells, dtype=object if values.dtype == object else np.str_)
    return mixed


def _of_data(why: str) -> str:
    """Advice where a metric file found no file."""
    if not any(name in why for name in ("FileNotFoundError", "NotADirectoryError", "OSError")):
        return ""
    return (
        " Data files beside a metric file are not kept with the competition, and paths are not those of its folder: put"
        " the numbers into the .py file, or into a module beside it that it imports."
    )


def try_out(file: ScoreFile, answers: Answers) -> Tried:
    """Scores the solution and the sample submission on both sides, twice with other random numbers.

    Raises UserError where the metric file cannot score one of them, as a student's file would fail as well, and where
    the second score is another. If it refuses the sample submission with a ParticipantVisibleError, that is a warning.
    """
    assert file.form is not None
    assert file.solution is not None
    assert answers.usage is not None
    found: list[tuple[float, float]] = []
    table = file.form if isinstance(file.form, TableFormat) else None
    sample = ("the sample submission", dict(file.sample) if table is None or file.sample else sample_rows(table))
    own = None if table is None else solution_cells(file.solution, table)
    tried = [("the solution itself", own), sample] if own else [sample]
    if own and file.per_row:
        tried.append(("a file that is half of each", _mixed(own, sample[1])))
    for what, columns in tried:
        try:
            rows = file.rows(answers.columns, columns)
            public, private = (file.value(rows, answers.usage == side) for side in (PUBLIC, PRIVATE))
            other = replace(file, seed=file.seed + 1)
            again = tuple(other.value(rows, answers.usage == side) for side in (PUBLIC, PRIVATE))
            if file.per_row:
                _check_rows(file, answers, what, columns, (public, private))
        except SubmissionError as error:
            if what == sample[0]:
                text = error.problems[0].message
                if file.per_row:
                    _refuse_deaf_rows(file, answers, columns, text)
                return Tried(
                    found[0] if found else None, None, f"{file.path.name} refuses the sample submission: {text}"
                )
            why = f"it raises ParticipantVisibleError: {error.problems[0].message}"
        except UserError as error:
            if error.__cause__ is None and error.code == "E_METRIC":  # of `rows`, and says all
                raise
            why = str(error.__cause__ or error).removeprefix(f"{file.path.name}: ")
        else:
            for one, two, board in zip((public, private), again, ("public", "private"), strict=True):
                if one != two:
                    raise UserError(
                        f"{file.path.name} gives {what} another score when it is called again ({one!r}, then {two!r} on"
                        f" the {board} rows). No competition was made. It draws random numbers or reads the clock: draw"
                        " them from numpy.random.default_rng(0), so that a score can be checked later.",
                        code="E_METRIC",
                    )
            found.append((public, private))
            continue
        raise UserError(
            f"{file.path.name} cannot score {what}: {why}. No competition was made. A metric file has a function"
            " score(solution, submission, row_id_column_name) that returns one finite number; it may read files and"
            f" takes at most {file.limits.seconds:g} s and {file.limits.memory / 2**30:g} GiB, but may not write"
            " files. Fix it, or let it raise ParticipantVisibleError for the files that it refuses." + _of_data(why),
            code="E_METRIC",
        )
    if own is None:
        return Tried(None, found[0], None)
    (best, _), (least, _) = found[:2]
    warning = None
    if (least > best) if file.higher_is_better else (least < best):
        warning = f"the sample submission ({least:g}) scores better than the solution ({best:g})"
        warning += ": did you flip the direction?"
    return Tried(found[0], found[1], warning)
