"""The metric of your own competition in a Python file, as on Kaggle.

The file has Kaggle's `score(solution, submission, row_id_column_name)` on pandas frames, and may raise a class named
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
import random
import sys
import traceback
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast
from urllib.parse import quote

import numpy as np
from numpy.typing import NDArray

from tasks import kaggle_utilities
from tasks.apart import FORKS, Died, Limits, apart, confine
from tasks.base import PRIVATE, PUBLIC, Answers, Columns, Problem, SubmissionError, UserError
from tasks.formats import TableFormat
from tasks.metric_code import UTILITIES, modules_beside
from tasks.metrics import Metric, no_interval
from tasks.repeats import cells_in
from tasks.samples import sample_rows
from tasks.solution import read_csv, solution_cells

FAILED = "the metric could not score this file; it is kept, and the instructor can find out why."
CODES: dict[str, str] = {
    "E_METRIC": "The metric file failed on this submission. The submission is kept and waits for the instructor.",
    "E_METRIC_REFUSED": "The metric file refuses this submission and says why. Correct the file as it says.",
}
LONGEST_MESSAGE = 500
SIDE = 0.45
"""The share of a submission's time that a metric file gets for each of the two sides."""
TRIAL = Limits(SIDE * Limits().seconds)
"""The limits of a metric file for each side when a competition is made: the defaults of a server."""


@dataclass(frozen=True)
class Frames:
    """Both sides as pandas frames in the solution's order of ids.

    `order` gives each id's place in the order of the answers; `public` says which ids are public (None: unknown). Where
    an id may have several rows, `of_solution` and `of_submission` number the id of each row of a frame.
    """

    solution: Any
    submission: Any
    order: NDArray[Any]
    public: NDArray[Any] | None
    of_solution: NDArray[Any] | None = None
    of_submission: NDArray[Any] | None = None

    def __len__(self) -> int:
        return len(self.order)

    def taken(self, which: NDArray[Any]) -> tuple[Any, Any]:
        """Both frames of the ids of these numbers, which may be there several times."""
        sides = ((self.solution, self.of_solution), (self.submission, self.of_submission))
        one, other = (frame.iloc[_rows_of(which, ids)].reset_index(drop=True).copy() for frame, ids in sides)
        return one, other


class Unfit(Exception):
    """Why a metric file gave no score, for the instructor; contains no data."""


@dataclass(frozen=True)
class ScoreFile:
    """A metric in a Python file, whose bytes are `source`; `metric` is what grading uses.

    Nothing of the file runs in this process: each call of `score` gets its own child process, which loads the file
    again, under `limits`. `score` is called on the rows, repeated according to their whole-number weights.

    `solution` is the solution file; without it the frames are made from the answers as they were read. The generators
    of `random` and `numpy.random` begin at `seed` in each call. `modules` are those beside the file that it imports,
    as (name, source), and `arguments` the keyword arguments of `score` beside Kaggle's three. `sample` has the cells of
    the instructor's own sample submission, in the order of the answers.
    """

    name: str
    higher_is_better: bool
    path: Path
    source: bytes
    form: TableFormat | None = None
    usage: NDArray[Any] | None = None
    solution: Path | None = None
    limits: Limits = field(default_factory=Limits)
    seed: int = 0
    modules: tuple[tuple[str, bytes], ...] = ()
    arguments: tuple[tuple[str, Any], ...] = ()
    sample: tuple[tuple[str, NDArray[Any]], ...] = ()

    @property
    def digest(self) -> str:
        """The SHA-256 of the file's bytes."""
        return hashlib.sha256(self.source).hexdigest()

    @property
    def identity(self) -> str:
        """What names the metric in a signature: digests of the file and of the modules beside it, and arguments."""
        text = f"file:{self.digest[:16]}"
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
        several = self.form is not None and self.form.most_rows > 1
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
            solution = pd.read_csv(self.solution).rename(columns=str.strip)
            solution = solution.drop(columns=[name for name in solution.columns if name.lower() == "usage"])
        submission = pd.read_csv(io.StringIO(_as_csv(header, ids, predictions, order, several)))
        rows = [n, n]
        if several:
            each = [text.count("\n") for text in predictions[header[1]][order].tolist()]
            of_submission = np.repeat(np.arange(n), each)
            rows = [n if of_solution is None else len(of_solution), len(of_submission)]
        if [len(solution), len(submission)] != rows:
            raise UserError(FAILED, code="E_METRIC", exit_code=10) from Unfit("pandas reads a different number of rows")
        public = None if self.usage is None else self.usage[order] == PUBLIC
        return Frames(solution, submission, order, public, of_solution, of_submission)

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
        solution, submission = rows.taken(which)
        name = str(submission.columns[0])
        random.seed(self.seed)
        np.random.seed(self.seed)
        silent = io.StringIO()  # what a metric prints may hold answers
        with contextlib.redirect_stdout(silent), contextlib.redirect_stderr(silent), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                arguments = dict(self.arguments)
                function = _function(_load(self.path, self.source, dict(self.modules)), arguments)
                score = function(solution=solution, submission=submission, row_id_column_name=name, **arguments)
                return {"score": _one_number(score)}
            except Unfit as error:
                return {"failed": str(error)}
            except (Exception, SystemExit) as error:
                if _is_visible(error):
                    return {"refused": str(error)[:LONGEST_MESSAGE] or "the metric refuses this file."}
                return {"failed": _what_and_where(error, self.path)}


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
    return number + 0.0  # no negative zero


def score_file(
    path: Path,
    *,
    higher_is_better: bool,
    name: str,
    form: TableFormat | None = None,
    usage: NDArray[Any] | None = None,
    solution: Path | None = None,
    modules: Mapping[str, bytes] | None = None,
    arguments: Mapping[str, Any] | None = None,
) -> ScoreFile:
    """The metric in a Python file with Kaggle's `score(solution, submission, row_id_column_name)`.

    The file is read and compiled here, and runs where `ScoreFile.value` is called. `form` gives the frames their ids;
    `usage`, in the same order, says which rows are public; without it no ParticipantVisibleError is shown to a
    participant. `modules` are those that it imports; without them they are looked for beside the file. Raises UserError
    for a file that cannot be read or is not Python.
    """
    try:
        source = path.read_bytes()
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}; give the path of a metric file.") from error
    if path.suffix != ".py":
        raise UserError(f"{path.name}: expected a Python file that ends in .py.")
    _compiled(path, source)
    found = modules_beside(path, source) if modules is None else modules
    return ScoreFile(
        name, higher_is_better, path, source, form, usage, solution, modules=tuple(found.items()),
        arguments=tuple((arguments or {}).items()),
    )  # fmt: skip


@dataclass(frozen=True)
class Tried:
    """The public and private scores of the solution and of the sample submission.

    None where the sample is refused, and where the solution has other columns than a submission.
    """

    solution: tuple[float, float] | None
    sample: tuple[float, float] | None
    warning: str | None


def try_out(file: ScoreFile, answers: Answers) -> Tried:
    """Scores the solution and the sample submission on both sides, the public one twice with other random numbers.

    Raises UserError where the metric file cannot score one of them, as a student's file would fail as well, and where
    the second score is another. If it refuses the sample submission with a ParticipantVisibleError, that is a warning.
    """
    assert file.form is not None
    assert file.solution is not None
    assert answers.usage is not None
    found: list[tuple[float, float]] = []
    sample = ("the sample submission", dict(file.sample) or sample_rows(file.form))
    tried = [("the solution itself", own), sample] if (own := solution_cells(file.solution, file.form)) else [sample]
    for what, columns in tried:
        try:
            rows = file.rows(answers.columns, columns)
            public, private = (file.value(rows, answers.usage == side) for side in (PUBLIC, PRIVATE))
            again = replace(file, seed=file.seed + 1).value(rows, answers.usage == PUBLIC)
        except SubmissionError as error:
            if what == sample[0]:
                text = error.problems[0].message
                return Tried(
                    found[0] if found else None, None, f"{file.path.name} refuses the sample submission: {text}"
                )
            why = f"it raises ParticipantVisibleError: {error.problems[0].message}"
        except UserError as error:
            why = str(error.__cause__ or error).removeprefix(f"{file.path.name}: ")
        else:
            if again != public:
                raise UserError(
                    f"{file.path.name} gives {what} another score when it is called again ({public!r}, then {again!r})."
                    " No competition was made. It draws random numbers or reads the clock: draw them from"
                    " numpy.random.default_rng(0), so that a score can be checked later.",
                    code="E_METRIC",
                )
            found.append((public, private))
            continue
        raise UserError(
            f"{file.path.name} cannot score {what}: {why}. No competition was made. A metric file has a function"
            " score(solution, submission, row_id_column_name) that returns one finite number; it may read files and"
            f" takes at most {file.limits.seconds:g} s and {file.limits.memory / 2**30:g} GiB, but may not write"
            " files. Fix it, or let it raise ParticipantVisibleError for the files that it refuses.",
            code="E_METRIC",
        )
    if len(found) < 2:
        return Tried(None, found[0], None)
    (best, _), (least, _) = found
    warning = None
    if (least > best) if file.higher_is_better else (least < best):
        warning = f"the sample submission ({least:g}) scores better than the solution ({best:g})"
        warning += ": did you flip the direction?"
    return Tried(found[0], found[1], warning)


def _function(module: Any, arguments: Mapping[str, Any]) -> Callable[..., Any]:
    """The function `score` of the module. Raises Unfit unless it exists and takes Kaggle's parameters and these."""
    function = getattr(module, "score", None)
    expected = "expected a function score(solution, submission, row_id_column_name)"
    if not callable(function):
        raise Unfit(f"{expected}; there is none")
    try:
        inspect.signature(function).bind(solution=None, submission=None, row_id_column_name=None, **arguments)
    except (TypeError, ValueError):
        given = ", ".join(arguments) or "none"
        raise Unfit(
            f"{expected}, and a --metric-arg for each further parameter without a default; got other parameters"
            f" (given: {given})"
        ) from None
    result: Callable[..., Any] = function
    return result


def _compiled(path: Path, source: bytes) -> Any:
    try:
        return compile(source, str(path), "exec")
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        line = getattr(error, "lineno", None) or 1
        raise UserError(f"{path.name}, line {line}: not valid Python.") from error


class _Beside:
    """Finds and loads the modules beside a metric file, from their sources; an importer of `sys.meta_path`."""

    def __init__(self, path: Path, modules: Mapping[str, bytes]) -> None:
        self.path, self.modules = path, modules

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:
        return importlib.util.spec_from_loader(name, cast(Any, self)) if name in self.modules else None

    def create_module(self, spec: Any) -> Any:
        return None

    def exec_module(self, module: Any) -> None:
        name = module.__name__
        _execute(self.path.with_name(f"{name}.py"), self.modules[name], module)


def _execute(path: Path, source: bytes, module: Any) -> None:
    exec(_compiled(path, source), module.__dict__)


def _load(path: Path, source: bytes, modules: Mapping[str, bytes]) -> Any:
    """The module in the file, under a private name, without bytecode on disk. Raises Unfit."""
    sys.modules.setdefault(UTILITIES, kaggle_utilities)
    if modules:
        for old in modules:
            if isinstance(getattr(sys.modules.get(old), "__loader__", None), _Beside) or old == UTILITIES:
                del sys.modules[old]  # of another metric file, where there is no process for each call
        sys.meta_path.insert(0, cast(Any, _Beside(path, modules)))
    name = f"_lhy_grade_metric_{hashlib.sha256(source).hexdigest()[:16]}"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses in the file look themselves up here
    try:
        _execute(path, source, module)
    except (Exception, SystemExit) as error:
        what = f" ({error})" if isinstance(error, ImportError) else ""
        raise Unfit(f"it cannot be loaded: {_what_and_where(error, path)}{what}") from error
    return module
