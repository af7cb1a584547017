"""Whether the answers of an own competition can be handed in: its solution goes through the reader of submissions."""

from __future__ import annotations

from bisect import bisect_right
from itertools import accumulate
from pathlib import Path

from submissions.reader import read
from submissions.table import CODES
from tasks.base import Answers, SubmissionError, UserError
from tasks.formats import TableFormat, longest_text


def refuse_unanswerable(path: Path, form: TableFormat, answers: Answers) -> None:
    """Raises UserError where a submission with the answers of the solution `path` would be refused.

    The columns of a submission are those of the solution.
    """
    import numpy as np

    from tasks.samples import table_of

    data = table_of(form, answers.columns)
    if len(data) > form.max_bytes:
        raise UserError(
            f"{path.name}: with all its answers a submission has {len(data):,} bytes, more than the"
            f" {form.max_bytes:,} that are accepted; shorten ids or answers, or give fewer rows."
        )
    try:
        found = read(data, form)
    except SubmissionError as error:
        raise UserError(_why(path, form, answers, error)) from None
    same = all(np.array_equal(found[name], values) for name, values in answers.columns.items())
    assert same, "what is read is what was written"


def _why(path: Path, form: TableFormat, answers: Answers, error: SubmissionError) -> str:
    """What is wrong with the first answer that cannot be handed in, with its line and without itself."""
    from tasks.solution import read_csv

    problem = next((one for one in error.problems if one.line), error.problems[0])
    texts = [(str(one), *row) for one, row in zip(form.ids, _rows(answers), strict=True)]
    starts = list(accumulate((1 + "".join(row).count("\n") for row in texts), initial=2))
    row = bisect_right(starts, problem.line or 0) - 1
    reason = f"the reader of submissions says {problem.code}: {CODES.get(problem.code, '')}".rstrip()
    if not 0 <= row < len(texts):
        return f"{path.name}, line 1: nobody could hand in a file with these columns; {reason}"
    header, cells, lines = read_csv(path, "a solution CSV")
    at = header.index(form.id)
    line = next(line for line, cell in zip(lines, cells, strict=True) if cell[at] == texts[row][0])
    where = f"{path.name}, line {line}: nobody could hand in this answer"
    for name, cell in zip(answers.columns, texts[row][1:], strict=True):
        if "\n" in cell or "\r" in cell:
            return (
                f"{where}, since column {name!r} has a line break, which no cell of a submission has; write a blank in"
                " its place, or two characters such as \\n."
            )
        if len(cell) > longest_text(len(texts)):
            most = longest_text(len(texts))
            return f"{where}, since column {name!r} has more than {most:,} characters; shorten it."
    return f"{where}; {reason}"


def _rows(answers: Answers) -> list[tuple[str, ...]]:
    return list(zip(*(map(str, values.tolist()) for values in answers.columns.values()), strict=True))
