"""Your own competitions in Kaggle's layout: a solution file, a sample submission and a metric in a Python file.

The solution is a CSV of an id column, answer columns and an optional `Usage` column (Public, Private or Ignored). The
metric file has Kaggle's `score(solution, submission, row_id_column_name)` on pandas frames, and may raise a class named
`ParticipantVisibleError` whose text is meant for the participant.
"""

from __future__ import annotations

import contextlib
import csv
import hashlib
import importlib
import importlib.util
import inspect
import io
import math
import re
import sys
import traceback
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from tasks.apart import FORKS, Died, Limits, apart, confine
from tasks.base import IGNORED, PRIVATE, PUBLIC, Answers, Columns, Problem, SubmissionError, UserError
from tasks.formats import Column, Format, LinesFormat, TableFormat
from tasks.metrics import METRICS, Metric, no_interval
from tasks.tensor_formats import Array, ArraysFormat

USAGES = {"ignored": IGNORED, "public": PUBLIC, "private": PRIVATE}
WHOLE = re.compile(r"-?(?:0|[1-9][0-9]*)", re.ASCII)
DECIMAL = re.compile(r"[+-]?(?:(?:0|[1-9][0-9]*)(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?", re.ASCII)
FAILED = "the metric could not score this file; it is kept, and the instructor can find out why."
CODES: dict[str, str] = {
    "E_METRIC": "The metric file failed on this submission. The submission is kept and waits for the instructor.",
    "E_METRIC_REFUSED": "The metric file refuses this submission and says why. Correct the file as it says.",
}
LONGEST_MESSAGE = 500


@dataclass(frozen=True)
class Solution:
    """A solution file: rows in file order, and in `lines` the line on which each begins."""

    path: Path
    id: str
    columns: tuple[Column, ...]
    answers: Answers
    lines: tuple[int, ...]


def read_solution(path: Path, id_column: str | None = None) -> Solution:
    """Reads a solution in Kaggle's layout; the first column holds the ids unless `id_column` names another.

    Ids are kept as text. An answer column is "int" where every cell is a plain whole number, "float" where every cell
    is a plain decimal number, else "text"; `0001`, `NA`, `inf` and `1_000` are text. Raises UserError with the line,
    never with the value of an answer.
    """
    header, cells, lines = read_csv(path, "a solution CSV")
    usage_at = [at for at, name in enumerate(header) if name.lower() == "usage"]
    if len(usage_at) > 1:
        raise UserError(f"{path.name}: more than one Usage column.")
    id_column = id_column or next(name for name in (*header, "") if name.lower() != "usage")
    if id_column not in header:
        raise UserError(f"{path.name}: expected an id column {id_column!r}; got the columns {', '.join(header)}.")
    id_at = header.index(id_column)
    answer_at = [at for at in range(len(header)) if at != id_at and at not in usage_at]
    if not answer_at:
        raise UserError(f"{path.name}: expected at least one answer column next to {id_column!r}; found none.")

    seen: dict[str, int] = {}
    for line, row in zip(lines, cells, strict=True):
        text = row[id_at]
        if not text or text != text.strip() or not text.isprintable():
            raise UserError(
                f"{path.name}, line {line}: the id is empty, or has spaces or control characters around it."
            )
        if text in seen:
            raise UserError(f"{path.name}, line {line}: the id {text!r} is already on line {seen[text]}.")
        seen[text] = line
    columns, values = [], {}
    for at in answer_at:
        column = [row[at] for row in cells]
        for line, cell in zip(lines, column, strict=True):
            if not cell.strip():
                raise UserError(f"{path.name}, line {line}: column {header[at]!r} is empty; give every row an answer.")
        kind = _kind(column)
        columns.append(Column(header[at], kind))
        values[header[at]] = _array(column, kind)
    usage = _usage(path, lines, [row[usage_at[0]] for row in cells]) if usage_at else None
    return Solution(path, id_column, tuple(columns), Answers(tuple(seen), values, usage=usage), tuple(lines))


def read_csv(path: Path, what: str) -> tuple[list[str], list[list[str]], list[int]]:
    """Header, rows and the line on which each row begins, all rows of the header's width."""
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        raise UserError(f"{path} does not exist; give the path of {what}.") from None
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise UserError(f"{path.name}, line {line}: not UTF-8 text; save it as CSV in UTF-8.") from None
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    header: list[str] = []
    rows: list[list[str]] = []
    lines: list[int] = []
    begin = 1
    try:
        for row in reader:
            if not header:
                header = [name.strip() for name in row]
            elif row:
                if len(row) != len(header):
                    raise UserError(f"{path.name}, line {begin}: expected {len(header)} cells, got {len(row)}.")
                rows.append(row)
                lines.append(begin)
            begin = reader.line_num + 1
    except csv.Error as error:
        raise UserError(f"{path.name}, line {begin}: not a well-formed CSV row ({error}).") from None
    if not header or not rows:
        raise UserError(f"{path.name}: expected a header line and at least one row.")
    if "" in header or len(set(header)) < len(header):
        raise UserError(f"{path.name}, line 1: the column names must not be empty and must differ.")
    return header, rows, lines


def _kind(cells: Sequence[str]) -> Literal["float", "int", "text"]:
    if all(WHOLE.fullmatch(cell) and len(cell) <= 18 for cell in cells):
        return "int"
    # A long whole number may be a code whose last digits a double would lose.
    decimal = all(DECIMAL.fullmatch(cell) and not (len(cell) > 15 and WHOLE.fullmatch(cell)) for cell in cells)
    return "float" if decimal and all(abs(float(cell)) <= 1e100 for cell in cells) else "text"


def _array(cells: Sequence[str], kind: str) -> NDArray[Any]:
    if kind == "int":
        return np.array([int(cell) for cell in cells], dtype=np.int64)
    if kind == "float":
        return np.array([float(cell) for cell in cells], dtype=np.float64)
    return np.array(cells, dtype=np.str_)


def _usage(path: Path, lines: Sequence[int], cells: Sequence[str]) -> NDArray[Any]:
    for line, cell in zip(lines, cells, strict=True):
        if cell.strip().lower() not in USAGES:
            raise UserError(f"{path.name}, line {line}: Usage must be Public, Private or Ignored; got {cell[:40]!r}.")
    usage = np.array([USAGES[cell.strip().lower()] for cell in cells], dtype=np.int8)
    for code, word in ((PUBLIC, "Public"), (PRIVATE, "Private")):
        if not (usage == code).any():
            raise UserError(f"{path.name}: no row has the Usage {word}; mark at least one, or leave the column out.")
    return usage


SIDE = 0.45
"""The share of a submission's time that a metric file gets for each of the two sides."""

TRIAL = Limits(SIDE * Limits().seconds)
"""The limits of a metric file for each side when a competition is made: the defaults of a server."""

OWN_METRICS = (*METRICS, "auc")
"""The metrics that your own competition can name."""


def named_metric(name: str) -> Metric:
    """The metric of a name: one of `OWN_METRICS`, or "points" of a quiz."""
    if name == "points":
        from tasks.quiz import POINTS

        return POINTS
    if name == "auc":
        from tasks.auc import AUC

        return AUC
    return METRICS[name]


def for_auc(solution: Solution, answers: Answers) -> Answers:
    """The answers with a stratum for each class. Raises UserError unless they are one column of zeros and ones."""
    if len(answers.columns) != 1:
        raise UserError(f"{solution.path.name}: auc needs one answer column; got {', '.join(answers.columns)}.")
    (labels,) = answers.columns.values()
    if not np.isin(labels, (0, 1)).all():
        raise UserError(f"{solution.path.name}: auc needs answers that are 0 or 1.")
    return replace(answers, strata=labels.astype(np.int64).astype(np.str_))


def refuse_one_class(name: str, answers: Answers) -> None:
    """Raises UserError where a side of the split, drawn or given, has rows of only one class."""
    (labels,) = answers.columns.values()
    if any(len(set(labels[answers.usage == side].tolist())) < 2 for side in (PUBLIC, PRIVATE)):
        raise UserError(
            f"{name}: auc needs rows of both classes on the public and on the private side; give more rows of the rarer"
            " class, a share nearer to 0.5, or a Usage column."
        )


def own_format(
    solution: Solution, *, numeric: bool = False, whole: bool = True, bounded: bool = False
) -> tuple[TableFormat, Answers]:
    """The submission format of your own competition, and its answers in the format's order.

    Ids are sorted in natural order (`img2` before `img10`), so that the order of the solution file reveals nothing;
    they become a range where they are plain whole numbers that count up by one. Rows marked Ignored belong to the
    format like all others. `numeric` asks for numbers, as RMSE needs, and makes every column a float one; `whole=False`
    lets predictions of a whole-number column be decimal numbers, as probabilities are; `bounded` bounds each column by
    `prediction_bound`. Raises UserError.
    """
    texts = [str(text) for text in solution.answers.ids]
    order = sorted(range(len(texts)), key=_natural_keys(texts).__getitem__)
    ids = tuple(texts[row] for row in order)
    values = {name: column[order] for name, column in solution.answers.columns.items()}
    if numeric:
        for column in solution.columns:
            if column.kind == "text":
                line = _first_text(solution, column.name)
                raise UserError(
                    f"{solution.path.name}, line {line}: column {column.name!r} is not a plain decimal number between"
                    " -1e100 and 1e100, which this metric needs."
                )
        values = {name: column.astype(np.float64) for name, column in values.items()}
    columns = tuple(
        Column(
            column.name,
            "float" if numeric or (column.kind == "int" and not whole) else column.kind,
            room=_room(values[column.name]) if column.kind == "text" else Column.room,
        )
        for column in solution.columns
    )
    if bounded:
        most = {name: prediction_bound(column) for name, column in values.items()}
        columns = tuple(replace(c, minimum=-most[c.name], maximum=most[c.name]) for c in columns)
    usage = solution.answers.usage
    answers = Answers(_as_range(ids), values, usage=None if usage is None else usage[order])
    return TableFormat(solution.id, columns, answers.ids), answers


def prediction_bound(values: NDArray[np.float64]) -> float:
    """How far from 0 a prediction may lie: the range of the answers widened by ten times its width on both sides.

    It is the next power of ten, at least 1, since students read it and it must not give the largest answer away.

    >>> import numpy as np
    >>> prediction_bound(np.array([3.5, 8.0])), prediction_bound(np.array([0.0, 0.01]))
    (100.0, 1.0)
    """
    low, high = float(values.min()), float(values.max())
    width = (high - low) or max(abs(low), abs(high))
    most = max(abs(low - 10 * width), abs(high + 10 * width), 1.0)
    return min(float(f"1e{math.ceil(math.log10(most))}"), 1e100)


def _room(answers: NDArray[Any]) -> int:
    """The bytes that a text of a submission may have on average: a power of two, four times the longest answer's.

    Students can infer it from the maximum file size, so it only reveals roughly how long the answers are.
    """
    longest = max(len(str(answer).encode()) for answer in answers.tolist())
    return max(256, 1 << (4 * longest - 1).bit_length())


def _first_text(solution: Solution, name: str) -> int:
    cells = solution.answers.columns[name].tolist()
    return next(line for line, cell in zip(solution.lines, cells, strict=True) if _kind([cell]) == "text")


def _natural_keys(texts: Sequence[str]) -> list[Any]:
    if all(WHOLE.fullmatch(text) and len(text) <= 18 for text in texts):
        return [int(text) for text in texts]

    def key(text: str) -> Any:
        parts = re.split(r"([0-9]+)", text)  # words and digits by turns, words at both ends
        digits = [part.lstrip("0") for part in (*parts[1::2], "")]
        return (tuple((word, len(number), number) for word, number in zip(parts[::2], digits, strict=True)), text)

    return [key(text) for text in texts]


def _as_range(ids: tuple[str, ...]) -> range | tuple[str, ...]:
    """The sorted ids as a range where they count up by one in canonical spelling, from 0 or more."""
    if not (WHOLE.fullmatch(ids[0]) and len(ids[0]) <= 18) or ids[0].startswith("-"):
        return ids
    numbers = range(int(ids[0]), int(ids[0]) + len(ids))
    return numbers if all(str(number) == text for number, text in zip(numbers, ids, strict=True)) else ids


def sample_rows(form: TableFormat) -> Columns:
    """The predictions of a sample submission: 0 or the allowed number nearest to it, for text "0" or the first choice.

    They are the same in every row and made from the format alone: even the most frequent class would reveal something
    about the answers.
    """
    n = len(form.ids)
    rows: Columns = {}
    for column in form.columns:
        if column.kind == "text":
            rows[column.name] = np.full(n, column.choices[0] if column.choices else "0")
        else:
            dtype = np.int64 if column.kind == "int" else np.float64
            rows[column.name] = np.full(n, _nearest_to_0(column, column.kind == "int"), dtype)
    return rows


def _nearest_to_0(bounds: Column | Array, whole: bool) -> float:
    low, high = bounds.minimum, bounds.maximum
    return min(max(0, math.ceil(low)), math.floor(high)) if whole else min(max(0.0, low), high)


def _sample_array(array: Array) -> NDArray[Any]:
    dtype = np.dtype(array.dtype)
    value = np.asarray(_nearest_to_0(array, dtype.kind != "f"), dtype)
    if dtype.kind == "f" and not array.minimum <= float(value) <= array.maximum:  # rounded out of the range
        value = np.nextafter(value, np.asarray(np.inf if float(value) < array.minimum else -np.inf, dtype))
    return np.full(array.shape, value)


def sample_submission(form: Format) -> bytes:
    """The bytes of a sample submission: a table's header and `sample_rows` in the order of the ids, or lines of 。

    Arrays have the allowed number nearest to 0 everywhere. For archives and episodes the format does not give a sample;
    `Made.sample` does.
    """
    if isinstance(form, LinesFormat):
        return "。\n".encode() * len(form)
    if isinstance(form, ArraysFormat):
        from safetensors.numpy import save

        return save({array.name: _sample_array(array) for array in form.arrays})
    assert isinstance(form, TableFormat)
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(form.header)
    cells = [_shown(values[0].item()) for values in sample_rows(form).values()] if len(form.ids) else []
    writer.writerows([number, *cells] for number in form.ids)
    return out.getvalue().encode()


def _shown(value: float | str) -> str:
    return str(int(value)) if isinstance(value, float) and value.is_integer() and abs(value) < 2**53 else str(value)


@dataclass(frozen=True)
class Frames:
    """Both sides as pandas frames in the solution's order of rows.

    `order` gives each row's place in the order of the answers; `public` says which rows are public (None: unknown).
    """

    solution: Any
    submission: Any
    order: NDArray[Any]
    public: NDArray[Any] | None

    def __len__(self) -> int:
        return len(self.solution)


class Unfit(Exception):
    """Why a metric file gave no score, for the instructor; contains no data."""


@dataclass(frozen=True)
class ScoreFile:
    """A metric in a Python file, whose bytes are `source`; `metric` is what grading uses.

    Nothing of the file runs in this process: each call of `score` gets its own child process, which loads the file
    again, under `limits`. `score` is called on the rows, repeated according to their whole-number weights.

    `solution` is the solution file; without it the frames are made from the answers as they were read.
    """

    name: str
    higher_is_better: bool
    path: Path
    source: bytes
    form: TableFormat | None = None
    usage: NDArray[Any] | None = None
    solution: Path | None = None
    limits: Limits = field(default_factory=Limits)

    @property
    def digest(self) -> str:
        """The SHA-256 of the file's bytes."""
        return hashlib.sha256(self.source).hexdigest()

    @property
    def metric(self) -> Metric:
        """The metric, named by its direction, without bounds.

        It has no interval: how its estimate is distributed is unknown, and each resample would be a call of unknown
        cost.
        """
        up, name = self.higher_is_better, self.name
        endings = ("_score",) if up else ("_error", "_loss")
        best = math.inf if up else -math.inf
        return Metric(
            name if name.endswith(endings) else name + endings[0],
            label=name, higher_is_better=up, best=best, worst=-best, digits=5,
            rows=self.rows, value=self.value, interval=no_interval,
        )  # fmt: skip

    def rows(self, answers: Columns, predictions: Columns) -> Frames:
        """Both frames as `pandas.read_csv` gives them for the two files, without Usage.

        Both are in the solution's order of rows; the submission's columns are in the order of the format. A file that
        is not kept is written from the values: numbers in the shortest form that reads as the same double. Ids are
        those of the format, or row numbers in a column `id` where no format is given.
        """
        pd: Any = importlib.import_module("pandas")
        n = len(next(iter(answers.values())))
        ids: Sequence[Any] = range(n) if self.form is None else self.form.ids
        assert len(ids) == n, "the answers are the format's rows"
        assert self.usage is None or len(self.usage) == n, "the usage is the answers' own"
        header = ("id", *answers) if self.form is None else self.form.header
        order = np.arange(n)
        if self.solution is None:
            solution = pd.read_csv(io.StringIO(_as_csv(header, ids, answers, order)))
        else:
            kept = read_solution(self.solution, header[0])
            place = {str(text): row for row, text in enumerate(ids)}
            order = np.array([place[str(text)] for text in kept.answers.ids])
            solution = pd.read_csv(self.solution).rename(columns=str.strip)
            solution = solution.drop(columns=[name for name in solution.columns if name.lower() == "usage"])
        submission = pd.read_csv(io.StringIO(_as_csv(header, ids, predictions, order)))
        if len(solution) != n or len(submission) != n:
            raise UserError(FAILED, code="E_METRIC", exit_code=10) from Unfit("pandas reads a different number of rows")
        public = None if self.usage is None else self.usage[order] == PUBLIC
        return Frames(solution, submission, order, public)

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
        def work() -> dict[str, Any]:
            if FORKS:
                confine(reading=True)
            return self._call(rows, which)

        try:
            came = apart(work, self.limits) if FORKS else work()
            if "score" in came:
                return float(came["score"])
            if "refused" in came and rows.public is not None and bool(rows.public[which].all()):
                raise SubmissionError([Problem("E_METRIC_REFUSED", came["refused"])])
            why = came.get("failed", "ParticipantVisibleError")
        except Died as error:
            why = str(error)
        raise UserError(FAILED, code="E_METRIC", exit_code=10) from Unfit(f"{self.path.name}: {why}")

    def _call(self, rows: Frames, which: NDArray[Any]) -> dict[str, Any]:
        """The file's result for the rows: "score", or "refused" with a text for the participant, or "failed"."""
        solution, submission = (
            frame.iloc[which].reset_index(drop=True).copy() for frame in (rows.solution, rows.submission)
        )
        name = str(submission.columns[0])
        silent = io.StringIO()  # what a metric prints may hold answers
        with contextlib.redirect_stdout(silent), contextlib.redirect_stderr(silent), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                function = _function(self.path, _load(self.path, self.source))
                score = function(solution=solution, submission=submission, row_id_column_name=name)
                return {"score": _one_number(score)}
            except Unfit as error:
                return {"failed": str(error)}
            except (Exception, SystemExit) as error:
                if _is_visible(error):
                    return {"refused": str(error)[:LONGEST_MESSAGE] or "the metric refuses this file."}
                return {"failed": _what_and_where(error, self.path)}


def solution_cells(path: Path, form: TableFormat) -> Columns:
    """The answer columns of a solution file as written, in the order of the format."""
    header, cells, _ = read_csv(path, "a solution CSV")
    row_of = {row[header.index(form.id)]: row for row in cells}
    rows = [row_of[str(text)] for text in form.ids]
    return {column.name: np.array([row[header.index(column.name)] for row in rows]) for column in form.columns}


def _as_csv(header: Sequence[str], ids: Sequence[Any], columns: Columns, order: NDArray[Any]) -> str:
    """A CSV of ids and columns, whose rows are those at the places `order`."""
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(header)
    names = header[1:]
    cells = [columns[name][order].tolist() for name in names]
    writer.writerows(zip([ids[row] for row in order.tolist()], *cells, strict=True))
    return out.getvalue()


def cells_of(form: TableFormat) -> TableFormat:
    """The format with every column as text: a metric file gets the cells as written."""
    return replace(form, columns=tuple(replace(column, kind="text", choices=()) for column in form.columns))


def _what_and_where(error: BaseException, path: Path) -> str:
    """The type of an error and the line of the metric file that raised it, without its text, which may hold answers."""
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(path)]
    return type(error).__name__ + (f" in line {lines[-1]}" if lines else "")


def _is_visible(error: BaseException) -> bool:
    return any(kind.__name__ == "ParticipantVisibleError" for kind in type(error).__mro__)


def _one_number(value: Any) -> float:
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, (int, float, np.integer, np.floating)):
        raise Unfit(f"score returned {type(value).__name__}; expected one number")
    number = float(value)
    if not math.isfinite(number):
        raise Unfit("score returned a number that is not finite")
    return number


def score_file(
    path: Path,
    *,
    higher_is_better: bool,
    name: str,
    form: TableFormat | None = None,
    usage: NDArray[Any] | None = None,
    solution: Path | None = None,
) -> ScoreFile:
    """The metric in a Python file with Kaggle's `score(solution, submission, row_id_column_name)`.

    The file is read and compiled here, and runs where `ScoreFile.value` is called. `form` gives the frames their ids;
    `usage`, in the same order, says which rows are public; without it no ParticipantVisibleError is shown to a
    participant. Raises UserError for a file that cannot be read or is not Python.
    """
    try:
        source = path.read_bytes()
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}; give the path of a metric file.") from error
    if path.suffix != ".py":
        raise UserError(f"{path.name}: expected a Python file that ends in .py.")
    _compiled(path, source)
    return ScoreFile(name, higher_is_better, path, source, form, usage, solution)


def try_out(file: ScoreFile, answers: Answers) -> tuple[float, float, str | None]:
    """Scores the solution and the sample submission on both sides; returns their public scores and a warning.

    Raises UserError where the metric file cannot score one of them: a student's file would fail as well. If it refuses
    the sample submission with a ParticipantVisibleError, that is a warning.
    """
    assert file.form is not None
    assert file.solution is not None
    assert answers.usage is not None
    found: list[float] = []
    own = solution_cells(file.solution, file.form)
    for what, columns in (("the solution itself", own), ("the sample submission", sample_rows(file.form))):
        try:
            rows = file.rows(answers.columns, columns)
            scores = [file.value(rows, answers.usage == side) for side in (PUBLIC, PRIVATE)]
        except SubmissionError as error:
            if found:
                text = error.problems[0].message
                return found[0], math.nan, f"{file.path.name} refuses the sample submission: {text}"
            why = f"it raises ParticipantVisibleError: {error.problems[0].message}"
        except UserError as error:
            why = str(error.__cause__ or error).removeprefix(f"{file.path.name}: ")
        else:
            found.append(scores[0])
            continue
        raise UserError(
            f"{file.path.name} cannot score {what}: {why}. No competition was made. A metric file has a function"
            " score(solution, submission, row_id_column_name) that returns one finite number; it may read files and"
            f" takes at most {file.limits.seconds:g} s and {file.limits.memory / 2**30:g} GiB, but may not write"
            " files. Fix it, or let it raise ParticipantVisibleError for the files that it refuses.",
            code="E_METRIC",
        )
    best, sample = found
    warning = None
    if (sample > best) if file.higher_is_better else (sample < best):
        warning = f"the sample submission ({sample:g}) scores better than the solution ({best:g})"
        warning += ": did you flip the direction?"
    return best, sample, warning


def _function(path: Path, module: Any) -> Callable[..., Any]:
    """The function `score` of the module. Raises Unfit unless it exists and takes Kaggle's parameters."""
    function = getattr(module, "score", None)
    expected = "expected a function score(solution, submission, row_id_column_name)"
    if not callable(function):
        raise Unfit(f"{expected}; there is none")
    try:
        inspect.signature(function).bind(solution=None, submission=None, row_id_column_name=None)
    except (TypeError, ValueError):
        raise Unfit(f"{expected}, further parameters only with defaults; got other parameters") from None
    result: Callable[..., Any] = function
    return result


def _compiled(path: Path, source: bytes) -> Any:
    try:
        return compile(source, str(path), "exec")
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        line = getattr(error, "lineno", None) or 1
        raise UserError(f"{path.name}, line {line}: not valid Python.") from error


def _load(path: Path, source: bytes) -> Any:
    """The module in the file, under a private name, without bytecode on disk. Raises Unfit."""
    name = f"_lhy_grade_metric_{hashlib.sha256(source).hexdigest()[:16]}"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses in the file look themselves up here
    try:
        exec(_compiled(path, source), module.__dict__)
    except (Exception, SystemExit) as error:
        what = f" ({error})" if isinstance(error, ImportError) else ""
        raise Unfit(f"it cannot be loaded: {_what_and_where(error, path)}{what}") from error
    return module
