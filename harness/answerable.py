"""Whether the answers of an own competition can be handed in: its solution goes through the reader of submissions."""

from __future__ import annotations

from bisect import bisect_right
from itertools import accumulate
from pathlib import Path

from submissions.lines import CODES as LINE_CODES
from submissions.lines import MAX_LINE
from submissions.reader import read
from submissions.table import CODES
from tasks.base import Answers, SubmissionError, UserError
from tasks.formats import Format, LinesFormat, TableFormat, longest_text


def refuse_unanswerable(path: Path, form: Format, answers: Answers) -> None:
    """Raises UserError where a submission with the answers of the solution `path` would be refused.

    A table has the columns of the solution. Lines have its answers where there is one column of them; where there are
    several, what a line holds is not known.
    """
    import numpy as np

    from tasks.samples import table_of

    if isinstance(form, LinesFormat):
        if len(answers.columns) > 1:
            return
        (texts,) = answers.columns.values()
        data, columns = "".join(f"{text}\n" for text in texts.tolist()).encode(), {form.column: texts}
    else:
        assert isinstance(form, TableFormat)
        data, columns = table_of(form, answers.columns), answers.columns
    if len(data) > form.max_bytes:
        raise UserError(
            f"{path.name}: with all its answers a submission has {len(data):,} bytes, more than the"
            f" {form.max_bytes:,} that are accepted; shorten ids or answers, or give fewer rows."
        )
    try:
        found = read(data, form)
    except SubmissionError as error:
        raise UserError(_why(path, form, answers, error)) from None
    same = all(np.array_equal(found[name], values) for name, values in columns.items())
    assert same, "what is read is what was written"


def _why(path: Path, form: TableFormat | LinesFormat, answers: Answers, error: SubmissionError) -> str:
    """What is wrong with the first answer that cannot be handed in, with its line and without itself."""
    from tasks.solution import ids_of, read_csv

    problem = next((one for one in error.problems if one.line), error.problems[0])
    cells = list(zip(*(map(str, values.tolist()) for values in answers.columns.values()), strict=True))
    ids = [str(one) for one in form.ids]
    table = isinstance(form, TableFormat)
    sizes = (1 + "".join((one, *row)).count("\n") for one, row in zip(ids, cells, strict=True))
    starts = list(accumulate(sizes, initial=2 if table else 1))
    broken = (at for at, row in enumerate(cells) if any("\n" in cell or "\r" in cell for cell in row))
    at = next(broken, bisect_right(starts, problem.line or 0) - 1)
    reason = f"the reader of submissions says {problem.code}: {(CODES | LINE_CODES).get(problem.code, '')}".rstrip()
    if not 0 <= at < len(ids):
        return f"{path.name}, line 1: nobody could hand in a file with these columns; {reason}"
    header, rows, lines = read_csv(path, "a solution CSV")
    of_id = header.index(form.id if isinstance(form, TableFormat) else ids_of(path)[0])
    line = next(line for line, row in zip(lines, rows, strict=True) if row[of_id] == ids[at])
    where = f"{path.name}, line {line}: nobody could hand in this answer"
    most = longest_text(len(ids)) if table else MAX_LINE
    for name, cell in zip(answers.columns, cells[at], strict=True):
        if "\n" in cell or "\r" in cell:
            return (
                f"{where}, since column {name!r} has a line break, which none of a submission has; write a blank in"
                " its place, or two characters such as \\n."
            )
        if len(cell) > most:
            return f"{where}, since column {name!r} has more than {most:,} characters; shorten it."
        if not table and not cell.strip():
            return f"{where}, since column {name!r} is blank, and no line may be; write a text of its own, such as -."
    return f"{where}; {reason}"
