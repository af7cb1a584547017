"""The metric of your own competition in a Python file, as on Kaggle.

The file has Kaggle's `score(solution, submission, row_id_column_name)` on pandas frames, and may raise a class named
`ParticipantVisibleError` whose text is meant for the participant.
"""

from __future__ import annotations

import ast
import base64
import csv
import hashlib
import importlib
import io
import math
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
from numpy.typing import NDArray

from tasks.apart import FORKS, MOST_ANSWER, Died, Limits, apart, confine
from tasks.base import PRIVATE, PUBLIC, Columns, Problem, SubmissionError, UserError
from tasks.errors import METRIC_REFUSED
from tasks.formats import Format, LinesFormat, TableFormat
from tasks.metric_code import modules_beside
from tasks.metric_run import Code, Unfit, compiled
from tasks.metrics import Metric, mean_interval, no_interval, weighted_mean
from tasks.repeats import cells_in
from tasks.solution import ids_of, read_csv

FAILED = "the metric could not score this file; it is kept, and the instructor can find out why."
CODES: dict[str, str] = {
    "E_METRIC": "The metric file failed on this submission. The submission is kept and waits for the instructor.",
    METRIC_REFUSED: (
        "The metric file refuses this submission and says why. Correct the file as it says; this refusal uses a slot."
    ),
}
SIDE = 0.45
"""The share of a submission's time that a metric file gets for each of the two sides."""
TRIAL = Limits(SIDE * Limits().seconds)
"""The limits of a metric file for each side when a competition is made: the defaults of a server."""


@dataclass(frozen=True)
class Frames:
    """Both sides as pandas frames in the solution's order of ids.

    `order` gives each id's place in the order of the answers; `public` says which ids are public (None: unknown). Where
    an id may have several rows, `of_solution` and `of_submission` number the id of each row of a frame. A submission of
    arrays or images is no frame but arrays by name, with an element of the first axis for each id.
    """

    solution: Any
    submission: Any
    order: NDArray[Any]
    public: NDArray[Any] | None
    id: str = "id"
    of_solution: NDArray[Any] | None = None
    of_submission: NDArray[Any] | None = None

    def __len__(self) -> int:
        return len(self.order)

    def taken(self, which: NDArray[Any]) -> tuple[Any, Any]:
        """Both frames of the ids of these numbers, which may be there several times."""
        if isinstance(self.submission, dict):
            frame = self.solution.iloc[which].reset_index(drop=True).copy()
            return frame, {name: values[which] for name, values in self.submission.items()}
        sides = ((self.solution, self.of_solution), (self.submission, self.of_submission))
        one, other = (frame.iloc[_rows_of(which, ids)].reset_index(drop=True).copy() for frame, ids in sides)
        return one, other


@dataclass(frozen=True)
class ScoreFile:
    """A metric in a Python file, whose bytes are `source`; `metric` is what grading uses.

    Nothing of the file runs in this process: each call of `score` gets its own child process, which loads the file
    again, under `limits`. `score` is called on the rows, repeated according to their whole-number weights.

    `solution` is the solution file; without it the frames are made from the answers as they were read. The generators
    of `random` and `numpy.random` begin at `seed` in each call. `modules` are those beside the file that it imports,
    as (name, source), and `arguments` the keyword arguments of `score` beside Kaggle's three. `sample` has the cells of
    the instructor's own sample submission, in the order of the answers. Where `per_row`, the score is the mean of what
    the file's function `rows` gives each row. Where `texts`, the cells of the solution stay texts as written, but the
    ids, as the lines of a submission do. `kept` is the place of the copy that is graded with, if it is not `path`: code
    that asks finds itself there. A `trial` fails where it imports a file that is not kept.
    """

    name: str
    higher_is_better: bool
    path: Path
    source: bytes
    form: Format | None = None
    usage: NDArray[Any] | None = None
    solution: Path | None = None
    limits: Limits = field(default_factory=Limits)
    seed: int = 0
    modules: tuple[tuple[str, bytes], ...] = ()
    arguments: tuple[tuple[str, Any], ...] = ()
    kept: Path | None = None
    trial: bool = False
    sample: tuple[tuple[str, NDArray[Any]], ...] = ()
    per_row: bool = False
    texts: bool = False

    @property
    def code(self) -> Code:
        return Code(self.kept or self.path, self.source, self.modules, self.arguments, self.trial)

    @property
    def digest(self) -> str:
        """The SHA-256 of the file's bytes."""
        return hashlib.sha256(self.source).hexdigest()

    @property
    def identity(self) -> str:
        """What names the metric in a signature: digests of the file and of the modules beside it, and arguments."""
        text = f"file:{self.digest[:16]}" + ("+rows" if self.per_row else "") + ("+texts" if self.texts else "")
        if self.modules:
            every = hashlib.sha256()
            for name, source in self.modules:
                every.update(f"{name}\0{len(source)}\0".encode() + source)
            text += f"+{every.hexdigest()[:16]}"
        said = ",".join(f"{name}={quote(repr(value), safe='')}" for name, value in self.arguments)
        return f"{text}({said})" if said else text

    @property
    def metric(self) -> Metric:
        """The metric, named by its direction, without bounds.

        Without values of rows it has no interval: how its estimate is distributed is unknown, and each resample would
        be a call of unknown cost.
        """
        up, name = self.higher_is_better, self.name
        endings = ("_score",) if up else ("_error", "_loss")
        best = math.inf if up else -math.inf
        metric = Metric(
            name if name.endswith(endings) else name + endings[0],
            label=name,
            higher_is_better=up,
            best=best,
            worst=-best,
            digits=5,
            rows=self.rows,
            value=self.value,
            interval=no_interval,
        )
        if self.per_row:
            return replace(metric, rows=self.row_values, value=weighted_mean, interval=mean_interval)
        return metric

    def row_values(self, answers: Columns, predictions: Columns, *, backwards: bool = False) -> NDArray[Any]:
        """What the file's `rows` gives each row (n,), in the order of the answers; truth values are hits.

        It is called for the public rows, then for the private ones, so that neither sees the other; ignored rows get 0.
        With `backwards` it gets the rows, or the ids where they have several, from the last to the first.
        Raises as `value` does.
        """
        frames = self.rows(answers, predictions)
        values, hits = np.zeros(len(frames)), True
        usage = np.full(len(frames), PUBLIC) if self.usage is None else self.usage[frames.order]
        for side in (PUBLIC, PRIVATE):
            which = np.flatnonzero(usage == side)[:: -1 if backwards else 1]
            if len(which):
                came = self._called(frames, which, len(which))
                values[frames.order[which]] = np.frombuffer(base64.b64decode(came["rows"]), dtype="<f8")
                hits = hits and bool(came["hits"])
        return values.astype(bool) if hits else values

    def rows(self, answers: Columns, predictions: Columns) -> Frames:
        """Both frames as `pandas.read_csv` gives them for the two files, without Usage.

        Both are in the solution's order of rows; the submission's columns are in the order of the format. A file that
        is not kept is written from the values: numbers in the shortest form that reads as the same double. Ids are
        those of the format, or row numbers in a column `id` where no format is given.
        """
        pd: Any = importlib.import_module("pandas")
        n = len(next(iter(answers.values())))
        form = self.form
        ids: Sequence[Any] = range(n) if form is None else form.ids
        header: tuple[str, ...] = ("id", *answers)
        if isinstance(form, TableFormat):
            header = form.header
        elif form is not None:
            assert self.solution is not None
            name, ids = ids_of(self.solution)
            header = (name,)
        assert len(ids) == n, "the answers are the format's rows"
        assert self.usage is None or len(self.usage) == n, "the usage is the answers' own"
        order = np.arange(n)
        several = isinstance(form, TableFormat) and form.most_rows > 1
        of_solution = of_submission = None
        if self.solution is None:
            solution = pd.read_csv(io.StringIO(_as_csv(header, ids, answers, order)))
        else:
            names, cells, _ = read_csv(self.solution, "a solution CSV")
            texts = [row[names.index(header[0])] for row in cells]
            number = {text: at for at, text in enumerate(dict.fromkeys(texts))}
            place = {str(text): row for row, text in enumerate(ids)}
            order = np.array([place[text] for text in number])
            of_solution = np.array([number[text] for text in texts]) if several else None
            as_written: dict[str, Any] = {"dtype": str, "keep_default_na": False} if self.texts else {}
            solution = pd.read_csv(self.solution, **as_written).rename(columns=str.strip)
            if self.texts:  # the ids of lines are whole numbers
                solution[header[0]] = solution[header[0]].astype(np.int64)
            solution = solution.drop(columns=[name for name in solution.columns if name.lower() == "usage"])
        public = None if self.usage is None else self.usage[order] == PUBLIC
        if isinstance(form, LinesFormat):
            submission = solution[[header[0]]].assign(**{form.column: predictions[form.column][order]})
            return Frames(solution, submission, order, public, header[0])
        if form is not None and not isinstance(form, TableFormat):
            return Frames(solution, {name: each[order] for name, each in predictions.items()}, order, public, header[0])
        submission = pd.read_csv(io.StringIO(_as_csv(header, ids, predictions, order, several)))
        rows = [n, n]
        if several:
            each = [text.count("\n") for text in predictions[header[1]][order].tolist()]
            of_submission = np.repeat(np.arange(n), each)
            rows = [n if of_solution is None else len(of_solution), len(of_submission)]
        if [len(solution), len(submission)] != rows:
            raise UserError(FAILED, code="E_METRIC", exit_code=10) from Unfit("pandas reads a different number of rows")
        return Frames(solution, submission, order, public, header[0], of_solution, of_submission)

    def value(self, rows: Frames, weight: NDArray[Any] | None = None) -> Any:
        """The score of the rows, repeated by weight; weights (b, n) give (b,) values.

        Raises SubmissionError with the text of a ParticipantVisibleError, and only where all rows scored are known to
        be public. Everything else that goes wrong is a UserError of one fixed text, whose cause is an Unfit.
        """
        if weight is None:
            return self._score(rows, np.arange(len(rows)))
        if weight.ndim == 2:
            return np.array([self.value(rows, row) for row in weight])
        times = weight.astype(np.int64)
        assert np.array_equal(times, weight), "a metric file takes whole-number weights"
        return self._score(rows, np.repeat(np.arange(len(rows)), times[rows.order]))

    def _score(self, rows: Frames, which: NDArray[Any]) -> float:
        return float(self._called(rows, which)["score"])

    def _called(self, rows: Frames, which: NDArray[Any], per_row: int | None = None) -> dict[str, Any]:
        """The result of `Code.call` for the ids `which`, in a process of its own."""

        def work() -> dict[str, Any]:
            if FORKS:
                confine(reading=True)
                os.chdir("/")  # a path must not mean another file where another process grades
            solution, submission = rows.taken(which)
            return self.code.call(solution, submission, rows.id, self.seed, per_row)

        try:
            most = MOST_ANSWER + 16 * (per_row or 0)
            came: dict[str, Any] = apart(work, self.limits, most=most) if FORKS else work()
            if "score" in came or "rows" in came:
                return came
            if "refused" in came and rows.public is not None and bool(rows.public[which].all()):
                raise SubmissionError([Problem(METRIC_REFUSED, came["refused"])])
            why = came.get("failed", "ParticipantVisibleError")
        except Died as error:
            why = str(error)
        raise UserError(FAILED, code="E_METRIC", exit_code=10) from Unfit(f"{self.path.name}: {why}")


def _rows_of(which: NDArray[Any], ids: NDArray[Any] | None) -> NDArray[Any]:
    """The rows of the ids `which`, in the frame's own order where each is there once."""
    if ids is None:
        return which
    if (np.diff(which) > 0).all():
        return np.flatnonzero(np.isin(ids, which))
    order = np.argsort(ids, kind="stable")
    starts, ends = (np.searchsorted(ids[order], which, side=side) for side in ("left", "right"))
    found = [order[start:end] for start, end in zip(starts.tolist(), ends.tolist(), strict=True)]
    return np.concatenate([np.zeros(0, dtype=np.int64), *found])


def _as_csv(
    header: Sequence[str], ids: Sequence[Any], columns: Columns, order: NDArray[Any], several: bool = False
) -> str:
    """A CSV of ids and columns, whose rows are those at the places `order`; of each `several` as `tasks.repeats`."""
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(header)
    names = header[1:]
    cells = [columns[name][order].tolist() for name in names]
    rows: Iterable[tuple[Any, ...]] = zip([ids[row] for row in order.tolist()], *cells, strict=True)
    if several:
        rows = ((one, *row) for one, *texts in rows for row in zip(*map(cells_in, texts), strict=True))
    writer.writerows(rows)
    return out.getvalue()


def cells_of(form: TableFormat) -> TableFormat:
    """The format with every column as text: a metric file gets the cells as written."""
    return replace(form, columns=tuple(replace(column, kind="text", choices=()) for column in form.columns))


def score_file(
    path: Path,
    *,
    higher_is_better: bool,
    name: str,
    form: Format | None = None,
    usage: NDArray[Any] | None = None,
    solution: Path | None = None,
    modules: Mapping[str, bytes] | None = None,
    arguments: Mapping[str, Any] | None = None,
    per_row: bool | None = None,
    texts: bool = False,
) -> ScoreFile:
    """The metric in a Python file with Kaggle's `score(solution, submission, row_id_column_name)`.

    The file is read and compiled here, and runs where `ScoreFile.value` is called. `form` gives the frames their ids;
    `usage`, in the same order, says which rows are public; without it no ParticipantVisibleError is shown to a
    participant. `modules` are those that it imports; without them they are looked for beside the file. `per_row` says
    whether its function `rows` is used; without it, it is where the file defines one. `texts` is as in `ScoreFile`.
    Raises UserError for a file that
    cannot be read or is not Python.
    """
    try:
        source = path.read_bytes()
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}; give the path of a metric file.") from error
    if path.suffix != ".py":
        raise UserError(f"{path.name}: expected a Python file that ends in .py.")
    compiled(path, source)
    if per_row is None:
        per_row = any(isinstance(node, ast.FunctionDef) and node.name == "rows" for node in ast.parse(source).body)
    found = modules_beside(path, source) if modules is None else modules
    return ScoreFile(
        name,
        higher_is_better,
        path,
        source,
        form,
        usage,
        solution,
        modules=tuple(found.items()),
        arguments=tuple((arguments or {}).items()),
        per_row=per_row,
        texts=texts,
    )
