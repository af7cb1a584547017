"""The one strict reader of text submissions, one sentence per line, the same for `check` and for `submit`.

It accepts: UTF-8 text, with or without a byte order mark, with exactly one line per sentence. A line ends in LF, CRLF
or CR CR LF; the last line end is optional. Nothing else ends a line: U+2028, U+2029 and the like are text. No line is
blank; an empty translation is written as `<unk>`. Lines are kept unchanged, with the blanks around them.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise

from submissions import text
from submissions.text import Report, clip, refusal, text_of, too_large, without_end
from tasks.base import Columns
from tasks.formats import LinesFormat

CODES: dict[str, str] = {
    **text.CODES,
    "E_LINES": (
        "The file has more or fewer lines than there are sentences. Write one line for each sentence, in order."
    ),
    "E_LINE_EMPTY": "A line is empty or blank. Write <unk> where your system outputs nothing.",
    "E_LINE_END": "A carriage return is inside a line or ends it alone. End every line with LF or CRLF.",
    "E_LINE_LONG": "A line is longer than any sentence. Check that your program writes one sentence per line.",
    "E_CONTROL": "A line has a control character. Remove it.",
    "E_LINE_IDS": "The lines begin with ids or line numbers. Write only the sentences.",
}
"""The error codes for text files, with their meanings. Codes are stable: scripts may rely on them."""

MAX_LINE = 10_000

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")  # all except tab and line feed
_NUMBERED = re.compile(r"\"?([0-9]{1,9})\"?[,;\t|]")
_HEADER = re.compile(r"[\w \"',;\t|.-]{1,80}", re.ASCII)


def read_lines(data: bytes, form: LinesFormat) -> Columns:
    """The lines of a submitted text as one column (n,) of str objects, in order.

    Raises SubmissionError with every problem found, up to `submissions.text.SHOWN`; the rest is counted.
    """
    import numpy as np

    if len(data) > form.max_bytes:
        raise too_large(len(data), form.max_bytes)
    content = text_of(data, "the text itself, one sentence per line")
    if "\r" in content and "\n" not in content:
        raise refusal("E_LINE_END", "line 1: a carriage return alone; save the file with LF or CRLF line ends.", 1)
    have = content.count("\n") + (not content.endswith("\n"))
    if have > 4 * len(form) + 1000:
        raise refusal("E_LINES", f"the file has {have:,} lines; expected {len(form):,}, one for each sentence.")
    lines = [without_end(line) for line in content.removesuffix("\n").split("\n")]
    report = Report()
    blank_explained = _check_count(lines, len(form), report)
    _check_ids(lines, report)
    for number, line in enumerate(lines, start=1):
        if not line or line.isspace():
            if not blank_explained:
                report.line("E_LINE_EMPTY", "an empty line; write <unk> where there is no translation", number, line)
        elif len(line) > MAX_LINE:
            message = f"{len(line):,} characters, at most {MAX_LINE:,} are accepted; check the line ends"
            report.line("E_LINE_LONG", message, number, line)
        if "\r" in line:
            message = "a carriage return inside the line; remove it, or end the line with LF or CRLF"
            report.line("E_LINE_END", message, number, line)
        elif control := _CONTROL.search(line):
            point = ord(control[0])
            message = f"the control character U+{point:04X} at character {control.start() + 1:,}; remove it"
            report.line("E_CONTROL", message, number, line)
    report.end()
    column = np.empty(len(lines), dtype=object)
    column[:] = lines
    return {form.column: column}


def _check_count(lines: Sequence[str], expected: int, report: Report) -> bool:
    """Reports a wrong number of lines; returns whether the report also explains the blank lines."""
    if len(lines) == expected:
        return False
    hint, blank_explained = _why_count(lines, expected)
    message = f"the file has {_lines(len(lines))}; expected {expected:,}, one for each sentence. {hint}"
    report.file("E_LINES", message, found=f"{len(lines):,}", expected=f"{expected:,}")
    return blank_explained


def _why_count(lines: Sequence[str], expected: int) -> tuple[str, bool]:
    """Advice on a wrong number of lines, and whether it is about blank ones."""
    some = [bool(line.strip()) for line in lines]
    written = sum(some)
    if len(lines) > expected:
        if written == expected and all(some[:expected]):
            return "There are blank lines after the last sentence: remove them.", True
        if written == expected and not any(some[1::2]):
            return "Every other line is blank: write one line end after each sentence.", True
        if len(lines) == expected + 1 and _HEADER.fullmatch(lines[0]) and any(not line.isascii() for line in lines[1:]):
            return f'The first line looks like a header ("{clip(lines[0])}"): remove it.', False
        return "A line end inside a translation splits it into two lines: replace it with a space.", False
    if len(lines) == expected - 1:
        return "Is the last translation empty? Every sentence needs a line: write <unk> for an empty one.", False
    return "Every sentence needs a line: write <unk> where there is no translation.", False


def _check_ids(lines: Sequence[str], report: Report) -> None:
    """Reports ids in front of the sentences: whole numbers that count up from line to line, as in a CSV."""
    numbers = [int(match[1]) for line in lines if (match := _NUMBERED.match(line))]
    if len(numbers) >= max(3, len(lines) - 1) and all(b - a == 1 for a, b in pairwise(numbers)):
        line = next(line for line in lines if _NUMBERED.match(line))
        message = f'the lines begin with ids ("{clip(line)}"): write only the sentences, in order, without a header.'
        report.file("E_LINE_IDS", message, found=line)


def _lines(count: int) -> str:
    return "1 line" if count == 1 else f"{count:,} lines"
