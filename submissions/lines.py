"""The one strict reader of text submissions, one sentence per line, the same for `check` and for `submit`.

It accepts: UTF-8 text, with or without a byte order mark, with exactly one line per sentence. A line ends in LF, CRLF
or CR CR LF; the last line end is optional. Nothing else ends a line: U+2028, U+2029 and the like are text. No line is
blank; an empty translation is written as `<unk>`. Lines are kept unchanged, with the blanks around them.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

from submissions import text
from submissions.text import Report, clip, refusal, text_of, too_large, without_end
from tasks.base import Columns
from tasks.formats import TRANSLATION, LinesFormat

CODES: dict[str, str] = {
    **text.CODES,
    "E_LINES": (
        "The file has more or fewer lines than there are sentences or rows. Write one line for each of them, in order."
    ),
    "E_LINE_EMPTY": "A line is empty or blank. Write a text on each line; for a translation, <unk> where it is empty.",
    "E_LINE_END": "A carriage return is inside a line or ends it alone. End every line with LF or CRLF.",
    "E_LINE_LONG": "A line is longer than any answer. Check that your program writes one answer per line.",
    "E_CONTROL": "A line has a control character. Remove it.",
    "E_LINE_IDS": "The lines begin with ids or line numbers. Write only the texts.",
}
"""The error codes for text files, with their meanings. Codes are stable: scripts may rely on them."""

MAX_LINE = 10_000

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")  # all except tab and line feed
_NUMBERED = re.compile(r"\"?([0-9]{1,9})\"?[,;\t|]")
_HEADER = re.compile(r"[\w \"',;\t|.-]{1,80}", re.ASCII)


class Words(NamedTuple):
    """What a line stands for, what it has, and what to write where that is empty."""

    row: str
    text: str
    empty: str


OF_TRANSLATIONS = Words("sentence", "translation", "write <unk>")
OF_TEXTS = Words("row", "answer", "write a text of its own, such as -,")


def read_lines(data: bytes, form: LinesFormat) -> Columns:
    """The lines of a submitted text as one column (n,) of str objects, in order.

    Raises SubmissionError with every problem found, up to `submissions.text.SHOWN`; the rest is counted.
    """
    import numpy as np

    if len(data) > form.max_bytes:
        raise too_large(len(data), form.max_bytes)
    words = OF_TRANSLATIONS if form.column == TRANSLATION else OF_TEXTS
    content = text_of(data, f"the text itself, one {words.row} per line")
    if "\r" in content and "\n" not in content:
        raise refusal("E_LINE_END", "line 1: a carriage return alone; save the file with LF or CRLF line ends.", 1)
    have = content.count("\n") + (not content.endswith("\n"))
    if have > 4 * len(form) + 1000:
        raise refusal("E_LINES", f"the file has {have:,} lines; expected {len(form):,}, one for each {words.row}.")
    lines = [without_end(line) for line in content.removesuffix("\n").split("\n")]
    report = Report()
    blank_explained = _check_count(lines, len(form), words, report)
    _check_ids(lines, words, report)
    for number, line in enumerate(lines, start=1):
        if not line or line.isspace():
            if not blank_explained:
                message = f"an empty line; {words.empty} where there is no {words.text}"
                report.line("E_LINE_EMPTY", message, number, line)
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


def _check_count(lines: Sequence[str], expected: int, words: Words, report: Report) -> bool:
    """Reports a wrong number of lines; returns whether the report also explains the blank lines."""
    if len(lines) == expected:
        return False
    hint, blank_explained = _why_count(lines, expected, words)
    message = f"the file has {_lines(len(lines))}; expected {expected:,}, one for each {words.row}. {hint}"
    report.file("E_LINES", message, found=f"{len(lines):,}", expected=f"{expected:,}")
    return blank_explained


def _why_count(lines: Sequence[str], expected: int, words: Words) -> tuple[str, bool]:
    """Advice on a wrong number of lines, and whether it is about blank ones."""
    some = [bool(line.strip()) for line in lines]
    written = sum(some)
    if len(lines) > expected:
        if written == expected and all(some[:expected]):
            return f"There are blank lines after the last {words.row}: remove them.", True
        if written == expected and not any(some[1::2]):
            return f"Every other line is blank: write one line end after each {words.row}.", True
        if len(lines) == expected + 1 and _HEADER.fullmatch(lines[0]) and any(not line.isascii() for line in lines[1:]):
            return f'The first line looks like a header ("{clip(lines[0])}"): remove it.', False
        return (
            f"A line end inside the {words.text} of a {words.row} splits it into two lines: replace it with a space.",
            False,
        )
    if len(lines) == expected - 1:
        why = f"Is the last {words.text} empty? Every {words.row} needs a line: {words.empty} for an empty one."
        return why, False
    return f"Every {words.row} needs a line: {words.empty} where there is no {words.text}.", False


def _check_ids(lines: Sequence[str], words: Words, report: Report) -> None:
    """Reports ids in front of the texts: whole numbers that count up from line to line, as in a CSV."""
    numbers = [int(match[1]) for line in lines if (match := _NUMBERED.match(line))]
    if len(numbers) >= max(3, len(lines) - 1) and all(b - a == 1 for a, b in pairwise(numbers)):
        line = next(line for line in lines if _NUMBERED.match(line))
        message = (
            f'the lines begin with ids ("{clip(line)}"): write only the {words.text}s, in order, without a header.'
        )
        report.file("E_LINE_IDS", message, found=line)


def _lines(count: int) -> str:
    return "1 line" if count == 1 else f"{count:,} lines"
