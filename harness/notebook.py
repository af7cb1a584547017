"""A homework in a notebook or a script: its data, a place for checkpoints, `check` and `submit`.

    from harness.notebook import check, data_folder, submit, work_folder
    data = data_folder("hw1")
    print(check(predictions, "hw1"))
    submit(predictions, "hw1", "dropout 0.3")

The course is the home folder of LHY_GRADE_HOME, or the server of LHY_GRADE_SERVER and LHY_GRADE_TOKEN, or the one that
you are logged in to, or else the default home folder. On Colab, its secrets of these names count too.
"""

from __future__ import annotations

import contextlib
import functools
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

from harness.cli import common
from harness.cli.check import check_with
from harness.cli.hand_in import result_lines, slot_lines, valid_line
from harness.course.download import download
from harness.course.remote import RemoteCourse
from harness.words import inert, slot_words
from tasks.errors import SubmissionError, UserError, internal
from tasks.homeworks import canonical

if TYPE_CHECKING:
    from harness.course.entries import Submitted

DRIVE = Path("/content/drive")
"""Where the Drive is mounted on Colab."""


class GraderError(Exception):
    """A file that was refused or could not be sent, or data that are not there: the only exception that is raised.

    `code` is the same as on the command line (`docs/errors.md`); `problems` lists the problems in the file.
    """

    def __init__(self, message: str, code: str, problems: tuple[Any, ...] = ()) -> None:
        super().__init__(message)
        self.code = code
        self.problems = problems

    def _render_traceback_(self) -> list[str]:
        """The traceback that a notebook shows: only the message, without the grader's own code."""
        return [f"GraderError ({self.code})", *(inert(line) for line in str(self).split("\n"))]


@dataclass(frozen=True)
class Result:
    """The result of a submission. It displays itself; `result["rank"]` reads a field of `submit --format json`."""

    done: Submitted = field(repr=False)

    def __getitem__(self, name: str) -> Any:
        return self.done.body[name]

    @property
    def submission(self) -> int:
        """The number of the submission."""
        return self.done.accepted.submission

    @property
    def score(self) -> float | None:
        """The public score; None before grading."""
        scores = self.done.submission.scores
        return scores[0].public if scores else None

    @property
    def rank(self) -> int | None:
        """The rank on the public board; None before grading, or if it is not ranked."""
        return self.done.submission.rank

    @property
    def left(self) -> int:
        """The remaining submissions for today."""
        return self.done.accepted.quota.left

    def __repr__(self) -> str:
        shown, said = self._lines()
        return "\n".join([*shown, *said])

    def _repr_html_(self) -> str:
        from html import escape

        shown, said = ([escape(line) for line in lines] for lines in self._lines())
        first = "".join(f"<strong>{line}</strong><br>" for line in shown)
        return f"<div>{first}<small>{'<br>'.join(said)}</small></div>"

    def _lines(self) -> tuple[list[str], list[str]]:
        shown, said = result_lines(self.done.submission)
        return [inert(line) for line in shown], [inert(line) for line in [*said, *slot_lines(self.done)]]


F = TypeVar("F", bound=Callable[..., Any])


def _one_error(function: F) -> F:
    """Turns every exception of a function into a GraderError, without the inside of the grader."""

    @functools.wraps(function)
    def run(*args: Any, **kwargs: Any) -> Any:
        try:
            return function(*args, **kwargs)
        except Exception as error:
            known = error if hasattr(error, "exit_code") and hasattr(error, "code") else internal(error)
            problems = known.problems if isinstance(known, SubmissionError) else ()
            lines = [str(known), *getattr(error, "__notes__", ())]
            if problems:
                lines.append(f"The file was refused; {slot_words(known.code)}.")
            failed = GraderError("\n".join(lines), str(getattr(known, "code", "")), problems)
        raise failed

    return cast(F, run)


@_one_error
def data_folder(homework: str) -> Path:
    """The folder with the data of a homework: in the home folder, or downloaded from the server to ./hwNN.

    A download is one archive; what is there already is not fetched again. Raises only GraderError.
    """
    _colab_secrets()
    source = common.source(named=False)
    listing = source.files(homework)
    if listing.folder is not None:
        return Path(listing.folder)
    assert isinstance(source, RemoteCourse)
    return download(source, listing, Path(listing.homework), common.progress_bar)


@_one_error
def work_folder(homework: str) -> Path:
    """The folder for checkpoints and results: ./hwNN-work, or on Colab lhy-grade/hwNN on your Drive.

    A machine of Colab is taken away after some hours; what lies on the Drive survives. Raises only GraderError.
    """
    name = canonical(homework)
    folder = Path(f"{name}-work")
    if "google.colab" in sys.modules:
        from google.colab import drive

        drive.mount(str(DRIVE))
        folder = DRIVE / "MyDrive" / "lhy-grade" / name
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"{folder} cannot be made: {error.strerror or error}.", code="E_DISK", exit_code=10) from None
    return folder


@_one_error
def check(frame: Any, homework: str) -> str:
    """Checks a DataFrame or a file as `submit` does, without recording anything; returns what was found valid.

    Raises only GraderError.
    """
    _colab_secrets()
    said: list[str] = []
    with _file(frame) as path:
        competition, _, notes = check_with(common.source(named=False), homework, path, said.append)
    first = valid_line(competition.format, competition.name, competition.edition)
    return "\n".join([first, *(inert(note) for note in (*said, *notes))])


@_one_error
def submit(frame: Any, homework: str, message: str = "", *, wait: bool = True) -> Result:
    """Checks a DataFrame, submits it and returns its score, rank and the remaining submissions.

    `frame` is a DataFrame of pandas or polars with the columns of the sample submission, or the path of a file. Numbers
    arrive with all their digits; the index of a frame is left out. Raises only GraderError; a file that could not
    be sent is kept, and the error says where.
    """
    _colab_secrets()
    source = common.source()
    with _file(frame) as path:
        return Result(source.submit(homework, path, message, wait))


@contextlib.contextmanager
def _file(frame: Any) -> Iterator[Path]:
    """The path of a frame written to a file, or of a file itself."""
    with tempfile.TemporaryDirectory(prefix="lhy-grade-") as folder:
        path = Path(folder) / "notebook.csv"
        if isinstance(frame, (str, Path)):
            path = Path(frame)
        elif hasattr(frame, "to_csv"):
            frame.to_csv(path, index=False)
        elif hasattr(frame, "write_csv"):
            frame.write_csv(path)
        else:
            raise UserError(f"expected a DataFrame of pandas or polars, or a path; got {type(frame).__name__}.")
        try:
            yield path
        except SubmissionError as error:
            if error.code == "E_COLUMNS" and any(getattr(getattr(frame, "index", None), "names", ())):
                error.add_note("The index of a frame is not submitted; if it has the ids, use frame.reset_index()")
            raise


def _colab_secrets() -> None:
    """On Colab, takes the address and the token from its secrets, where they are not in the environment."""
    if "google.colab" not in sys.modules:
        return
    from google.colab import userdata

    for name in ("LHY_GRADE_SERVER", "LHY_GRADE_TOKEN"):
        if not os.environ.get(name):
            with contextlib.suppress(userdata.SecretNotFoundError, userdata.NotebookAccessError):
                os.environ[name] = userdata.get(name)
