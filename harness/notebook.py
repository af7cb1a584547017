"""Submitting from a notebook.

    from harness.notebook import submit
    submit(predictions, "hw1", "dropout 0.3")

sends a DataFrame to the server that you are logged in to, or else to the home folder, and shows its score.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


class SubmitError(Exception):
    """A submission that was refused or could not be sent: the only exception that `submit` raises.

    `code` is the same as on the command line (`docs/errors.md`); `problems` lists the problems in the file.
    """

    def __init__(self, message: str, code: str, problems: tuple[Any, ...] = ()) -> None:
        super().__init__(message)
        self.code = code
        self.problems = problems

    def _render_traceback_(self) -> list[str]:
        """The traceback that a notebook shows: only the message, without the grader's own code."""
        from harness.render import inert

        return [f"SubmitError ({self.code})", *(inert(line) for line in str(self).split("\n"))]


@dataclass(frozen=True)
class Result:
    """The result of a submission. It displays itself; `result["rank"]` reads a field of `submit --format json`."""

    body: dict[str, Any] = field(repr=False)

    def __getitem__(self, name: str) -> Any:
        return self.body[name]

    @property
    def submission(self) -> int:
        """The number of the submission."""
        return int(self.body["submission"])

    @property
    def score(self) -> float | None:
        """The public score; None before grading."""
        return float(self.body["scores"][0]["public"]) if self.body["scores"] else None

    @property
    def rank(self) -> int | None:
        """The rank on the public board; None before grading, or if it is not ranked."""
        return None if self.body["rank"] is None else int(self.body["rank"])

    @property
    def left(self) -> int:
        """The remaining submissions for today."""
        return int(self.body["quota"]["left"])

    def __repr__(self) -> str:
        shown, said = self._lines()
        return "\n".join([*shown, *said])

    def _repr_html_(self) -> str:
        from html import escape

        shown, said = ([escape(line) for line in lines] for lines in self._lines())
        first = "".join(f"<strong>{line}</strong><br>" for line in shown)
        return f"<div>{first}<small>{'<br>'.join(said)}</small></div>"

    def _lines(self) -> tuple[list[str], list[str]]:
        from harness.handin import result_lines, slot_lines
        from harness.render import inert

        shown, said = result_lines(self.body)
        return [inert(line) for line in shown], [inert(line) for line in [*said, *slot_lines(self.body)]]


def submit(frame: Any, homework: str, message: str = "", *, wait: bool = True) -> Result:
    """Checks a DataFrame, submits it and returns its score, rank and the remaining submissions.

    `frame` is a DataFrame of pandas or polars with the columns of the sample submission, or the path of a file. Numbers
    arrive with all their digits; the index of a frame is left out. Raises only SubmitError; a file that could not
    be sent is kept, and the error says where.
    """
    from tasks.errors import SubmissionError, internal

    try:
        return Result(_submit(frame, homework, message, wait))
    except Exception as error:
        known = error if hasattr(error, "exit_code") and hasattr(error, "code") else internal(error)
        problems = known.problems if isinstance(known, SubmissionError) else ()
        lines = [str(known), *getattr(error, "__notes__", ())]
        if problems:
            lines.append("The file was refused; no slot was used.")
        failed = SubmitError("\n".join(lines), str(getattr(known, "code", "")), problems)
    raise failed


def _submit(frame: Any, homework: str, message: str, wait: bool) -> dict[str, Any]:
    from harness import options
    from tasks.errors import SubmissionError, UserError

    source = options.source()
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
            body: dict[str, Any] = source.submit(homework, path, message, wait)
        except SubmissionError as error:
            if error.code == "E_COLUMNS" and any(getattr(getattr(frame, "index", None), "names", ())):
                error.add_note("The index of a frame is not submitted; if it has the ids, use frame.reset_index()")
            raise
    return body
