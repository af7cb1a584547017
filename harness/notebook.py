"""Handing in from a notebook.

    from harness.notebook import submit
    submit(predictions, "hw1", "dropout 0.3")

hands in a DataFrame to the server that `lhy-grade login` was told of, or else to the home folder.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any


def submit(frame: Any, homework: str, message: str = "", *, wait: bool = True) -> dict[str, Any]:
    """Checks a DataFrame, hands it in and returns what `submit --format json` prints: scores, bars, rank, receipt.

    `frame` is a DataFrame of pandas or polars with the columns of the sample submission, or the path of a file. Numbers
    arrive with all their digits; the index of a frame is left out. Raises SubmissionError with all that is wrong with
    it; what could not be sent is kept, and the error says where.
    """
    from harness import options
    from tasks.errors import SubmissionError

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
            raise TypeError(f"expected a DataFrame of pandas or polars, or a path; got {type(frame).__name__}")
        try:
            body: dict[str, Any] = source.submit(homework, path, message, wait)
        except SubmissionError as error:
            if error.code == "E_COLUMNS" and any(getattr(getattr(frame, "index", None), "names", ())):
                error.add_note("The index of a frame is not handed in; if the ids are there: frame.reset_index()")
            raise
    return body
