"""The errors whose text is shown to users; separate from `tasks.base` because every command loads them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

CODES: dict[str, str] = {
    "E_USAGE": "A command, an option, a setting or a request is not well formed. The message says what was expected.",
    "E_INTERNAL": "A bug in the grader. Accepted submissions are kept; an instructor can report it with --debug.",
}
"""The codes of errors that can happen anywhere: what each means and what to do."""


def inert(text: str) -> str:
    """Makes text from outside harmless wherever it is shown: escapes all that does not print as itself.

    That is control, format and unassigned characters, and every space but the plain one.

    >>> inert("a\\x1b[31mb\\u202ec")
    'a\\\\x1b[31mb\\\\u202ec'
    """
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


class UserError(Exception):
    """An error that a person can fix: the only exception whose text is shown to users.

    The text says what was expected, what was found and what to do; it never contains an answer.
    `code` is stable and starts with `E_`; `exit_code` is the exit code of the command line.
    """

    def __init__(self, message: str, *, code: str = "E_USAGE", exit_code: int = 2) -> None:
        super().__init__(message)
        self.code = code
        self.exit_code = exit_code


def internal(error: Exception) -> UserError:
    """The error shown for a bug of ours: its type and place, never its text, which may contain data."""
    from pathlib import Path

    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    place = f"{Path(trace.tb_frame.f_code.co_filename).name} line {trace.tb_lineno}" if trace else "an unknown place"
    return UserError(
        f"internal error: {type(error).__name__} in {place}. Accepted submissions are kept and can be graded later with"
        " `lhy-grade grade --pending`. An instructor can repeat the command as `lhy-grade --debug …` and report it.",
        code="E_INTERNAL",
        exit_code=10,
    )


class Problem(NamedTuple):
    """One problem of a submission. `line` counts from 1, the header being line 1."""

    code: str
    message: str
    line: int | None = None
    column: str | None = None
    found: str | None = None
    expected: str | None = None


METRIC_REFUSED = "E_METRIC_REFUSED"
"""A refusal that uses a slot: it depends on answers, and a free one would reveal a row's side of the split."""


class SubmissionError(UserError):
    """A submission that cannot be scored, with every problem found up to a cap.

    `problems` are those shown, `total` is the number of all. Nothing in them depends on an answer.
    """

    def __init__(self, problems: Sequence[Problem], total: int | None = None) -> None:
        self.problems = tuple(problems)
        self.total = len(self.problems) if total is None else total
        lines = [f"{problem.code}  {problem.message}" for problem in self.problems]
        if self.total > len(self.problems):
            lines.append(f"… and {self.total - len(self.problems)} more of the same kinds.")
        super().__init__("\n".join(lines), code=self.problems[0].code, exit_code=3)
