"""The one strict reader of table submissions, the same for `check` and for `submit`.

It accepts: UTF-8 text, with or without a byte order mark; lines that end in LF, CRLF or CR CR LF (as Python's csv
module writes on Windows into a file opened without `newline=""`); a last line with or without a line end; blank lines
only at the end; a header with exactly the expected names, in any order, blanks around them ignored; rows in any order.
Ids are compared as text, character by character. A number is a finite decimal number in ASCII, blanks around it
ignored. Text is kept unchanged: `NA` and `null` are words, an empty cell is the empty text.

Quotes follow RFC 4180 with one restriction: a quoted cell begins and ends on one line. A cell that begins with a quote
and does not end with its partner is refused, since other readers would swallow rows there. A quote further inside a
text cell stands for itself, as in every common reader.

There are two implementations. `_read_anything` is the reference: it reads cell by cell and finds every problem.
`submissions.plain` reads plain files in one pass over the bytes, with the same values to the last bit.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from submissions.cells import FLOAT, accepted, cell_reader
from submissions.ids import Ids
from submissions.plain import read_plain
from submissions.text import CODES as FILE_CODES
from submissions.text import Report, clip, refusal, text_of, too_large, without_end
from tasks.base import Columns
from tasks.formats import TableFormat

CODES: dict[str, str] = {
    **FILE_CODES,
    "E_LINE_END": "A carriage return is inside a line or ends it alone. End every line with LF or CRLF.",
    "E_LINE_LONG": "A line is longer than any row. Write one row per line.",
    "E_BLANK": "There is a blank line before the last row. Remove it.",
    "E_HEADER": "The first line is a row, not the header. Write the header of the sample submission first.",
    "E_COLUMNS": (
        "The header does not have exactly the expected names. Use the header of the sample submission; with "
        "pandas, write index=False."
    ),
    "E_YEAR": (
        "Header, ids and number of rows match another test set of the course. Predict the test file of this "
        "competition."
    ),
    "E_ROWS": "The file has no rows, or far too many. Write one row for each id of the sample submission.",
    "E_CELLS": "A row has more or fewer cells than the header. Look for stray commas.",
    "E_QUOTE": "A cell begins with a quote that does not close it on the same line. Remove or close the quote.",
    "E_NUMBER": (
        "A cell is not a finite decimal number, or not a whole number where one is expected. Check for NaN, "
        "units and decimal commas."
    ),
    "E_RANGE": "A number is outside the range of its column. Check the units, and clip your predictions.",
    "E_TEXT_LONG": "A text is longer than any answer. Shorten it.",
    "E_CHOICE": (
        "A text is not one of the names that its column may have. Take the names from the data, letter by letter."
    ),
    "E_RUNS": (
        "A cell is not a mask of run lengths. Write pairs of a start and a length with blanks between them, pixels "
        "counted from 1, in ascending order and without overlap; leave the cell of an empty mask empty."
    ),
    "E_ID_ZEROS": "Ids have lost or gained leading zeros. Read and write ids as text; with pandas, dtype=str.",
    "E_ID_FLOAT": "Ids are written as decimal numbers, such as 7.0. Write whole numbers.",
    "E_ID_FILE": "Ids are written as file names, such as 0001.jpg. Write the id alone.",
    "E_ID_SHIFTED": "Ids count from 1 instead of 0, or the other way round. Count as the sample submission does.",
    "E_SWAPPED": "The ids are in the other column. Swap the columns, or their names in the header.",
    "E_ID_SPACE": "Ids have blanks around them. Remove the blanks.",
    "E_ID_UNKNOWN": "Ids are not in the sample submission. Copy the ids from it.",
    "E_ID_TWICE": "Ids appear on more than one line. Write each id once.",
    "E_ID_MISSING": "Ids of the sample submission have no row. Write a row for each of them.",
}
"""The error codes for tables, with their meanings. Codes are stable: scripts may rely on them."""

MAX_LINE = 100_000
MAX_COLUMNS = 1_000

_QUOTED = re.compile(r'"((?:[^"]|"")*)"(?=,|$)')
_SEPARATORS = {";": "semicolons", "\t": "tabs", "|": "bars"}


def read_table(data: bytes, format: TableFormat) -> Columns:
    """The predictions of a submitted table, by column name, each in the order of `format.ids`.

    Raises SubmissionError with every problem found, up to `SHOWN`; the rest is counted.
    """
    if len(data) > format.max_bytes:
        raise too_large(len(data), format.max_bytes)
    if format.pattern:
        format = _with_ids_of(data, format)
    columns = read_plain(data, format)
    return _read_anything(data, format) if columns is None else columns


def _with_ids_of(data: bytes, format: TableFormat) -> TableFormat:
    """The format with the ids that a file has, where they are not known here; others stay missing."""
    cell = re.compile(rf'(?:^|,)"?({format.pattern})"?(?=,|\r*$)', re.MULTILINE)
    found = tuple(dict.fromkeys(cell.findall(data.decode("utf-8", "replace"))))[: len(format.ids)]
    return replace(format, ids=(*found, *format.ids[len(found) :]))


# The general way: every file, every problem.


def _read_anything(data: bytes, format: TableFormat) -> Columns:
    lines = _lines(text_of(data), format)
    report = Report()
    start = next(number for number, line in enumerate(lines) if line.strip(" \t\r"))
    for number in range(start):
        report.line("E_BLANK", "blank before the header; remove the line.", number + 1, "")
    names = _header(lines[start])
    rows = sum(1 for line in lines[start + 1 :] if line.strip(" \t\r"))
    _refuse_other_year(names, lines[start + 1 :], rows, format)
    if _is_row(names, format):
        report.file(
            "E_HEADER",
            f'the first line is a row ("{clip(lines[start])}"); add the header {",".join(format.header)} above it.',
            line=start + 1,
            found=lines[start],
            expected=",".join(format.header),
        )
        names, rows = list(format.header), rows + 1
    else:
        start += 1
        _check_names(names, start, format, report)
    if rows == 0:
        report.file("E_ROWS", f"the file has a header and no rows; expected {len(format.ids):,} rows.", line=start)
        report.end()
    columns = _rows(lines[start:], start + 1, names, format, report)
    report.end()
    return columns


def _lines(text: str, format: TableFormat) -> list[str]:
    """The lines without blank ones at the end, each with its trailing carriage returns.

    Raises SubmissionError for a header that is far too long, and for far too many rows.
    """
    first = text[: MAX_LINE + 1].partition("\n")[0]
    if "\r" in without_end(first):
        raise refusal("E_LINE_END", "line 1: a carriage return alone; save the file with LF or CRLF line ends.", 1)
    if first.count(",") >= MAX_COLUMNS:
        columns = text.count(",", 0, text.find("\n") if "\n" in text else len(text)) + 1
        message = f"the header has {columns:,} columns; expected {', '.join(format.header)}."
        raise refusal("E_COLUMNS", message, 1, expected=",".join(format.header))
    if len(first) > MAX_LINE:
        raise refusal("E_LINE_LONG", f"line 1: longer than {MAX_LINE:,} characters; check the line ends.", 1)
    end = text.find("\n", len(text.rstrip(" \t\r\n")))  # the end of the last line that is not blank
    text = text if end < 0 else text[:end]
    rows = text.count("\n")
    if rows > 4 * len(format.ids) * format.most_rows + 1000:
        if any(year.rows == rows for year in format.years):
            _refuse_other_year(_header(first), text.split("\n")[1:], rows, format)
        most = len(format.ids) * format.most_rows
        expected = f"{most:,}" if format.most_rows == 1 else f"at most {most:,}"
        raise refusal("E_ROWS", f"the file has {rows:,} rows; expected {expected}.")
    return text.split("\n")


def _header(line: str) -> list[str]:
    """The names in the first line, without blanks and quotes around them."""
    cells = _cells(without_end(line)) or line.split(",")
    return [cell.strip(" \t\r") for cell in cells]


def _refuse_other_year(names: Sequence[str], lines: Sequence[str], rows: int, format: TableFormat) -> None:
    """Refuses a file whose header, ids and number of rows match another of the course's test sets.

    Ids are compared by the first and the last one: "0" and "3346", or "0001" and "3347".
    """
    years = [year for year in format.years if sorted(names) == sorted(year.header) and rows == year.rows]
    if not years:
        return
    at = list(names).index(years[0].header[0])
    ids = {cells[at].strip(' \t"') for line in lines if len(cells := line.split(",")) > at}
    own = {str(format.ids[0]), str(format.ids[-1])}
    if sorted(names) == sorted(format.header) and rows == len(format.ids) and own <= ids:
        return
    years = [year for year in years if not year.first or {year.first, year.last} <= ids]
    if not years:
        return
    header, first = years[0].header, years[0].first
    message = (
        f"this is a file for the course's test set of {' or '.join(year.name for year in years)}: {rows:,} rows"
        f"{f', ids {first} to {years[0].last}' if first else ''}, header {','.join(header)}. This competition expects "
        f"{len(format.ids):,} rows, ids {clip(str(format.ids[0]))} to {clip(str(format.ids[-1]))}, header "
        f"{','.join(format.header)}: predict its own test set."
    )
    raise refusal("E_YEAR", message, found=f"{rows} rows", expected=f"{len(format.ids)} rows")


def _is_row(names: Sequence[str], format: TableFormat) -> bool:
    """Whether the first line has the shape of a row and none of the expected names."""
    known = {name.casefold() for name in format.header}
    if len(names) != len(format.header) or any(name.casefold() in known for name in names):
        return False
    values = zip(names[1:], format.columns, strict=True)
    return any(
        name in column.choices or (column.kind != "text" and FLOAT.fullmatch(name)) for name, column in values
    ) or names[0] in (
        str(format.ids[0]),
        str(format.ids[-1]),
    )


def _check_names(names: Sequence[str], line: int, format: TableFormat, report: Report) -> None:
    """Reports missing, unexpected, repeated and misspelled (in capitals) columns."""
    expected = ",".join(format.header)

    def wrong(message: str, found: str) -> None:
        message = f"{message}; expected the columns {', '.join(format.header)}."
        report.file("E_COLUMNS", message, line=line, found=found, expected=expected)

    counts = Counter(names)
    missing = [name for name in format.header if name not in counts]
    extra = [name for name in counts if name not in format.header]
    for name in list(missing):
        near = [other for other in extra if other.casefold() == name.casefold()]
        if near:
            wrong(f'the header has "{clip(near[0])}" instead of "{name}": capitals matter', near[0])
            missing.remove(name)
            extra.remove(near[0])
    mark = next((mark for mark in _SEPARATORS if mark in names[0]), None)
    if missing and len(names) == 1 and mark is not None:
        how = 'in pandas, to_csv(path, sep=",", decimal=".", index=False); from a spreadsheet, choose commas'
        wrong(f"the cells are separated by {_SEPARATORS[mark]}, write commas ({how})", names[0])
        report.end()
    if missing:
        wrong(f"missing {_columns(missing)}", ",".join(names))
    if "" in extra:
        extra.remove("")
        hint = "a comma at the end of the header" if names[-1] == "" else "in pandas, write with index=False"
        wrong(f"the header has a column without a name ({hint})", ",".join(names))
    if extra:
        hint = " (in pandas, write with index=False)" if extra[0].startswith("Unnamed:") else ""
        wrong(f"unexpected {_columns(extra)}{hint}", ",".join(extra))
    twice = [name for name, count in counts.items() if count > 1 and name in format.header]
    if twice:
        wrong(f"the header has {_some(twice)} more than once", ",".join(names))


def _rows(lines: Sequence[str], first: int, names: Sequence[str], format: TableFormat, report: Report) -> Columns:
    """The values by column; rows begin at line `first`. Unreadable cells and rows go to the report."""
    import numpy as np

    at = _places(names, format)
    ids = Ids(format)
    readers = [
        (at[column.name], column, cell_reader(column, len(format.ids)))
        for column in format.columns
        if column.name in at
    ]
    several = format.most_rows > 1
    values: dict[str, list[Any]] = {
        column.name: ["" if several else None] * len(format.ids) for column in format.columns
    }
    for number, ended in enumerate(lines, start=first):
        line = without_end(ended)
        cells = _row_cells(line, number, names, format, report)
        if cells is None:
            if format.id in at:
                ids.excuse(line.split(",", at[format.id] + 1)[at[format.id] :], number)
            continue
        place = ids.note(cells[at[format.id]], number) if format.id in at else None
        for where, column, read in readers:
            cell = cells[where]
            value, code, why = read(cell)
            if code is not None:
                shown = f'"{clip(cell)}"' if cell else "an empty cell"
                report.line(code, f"{shown}: {why}.", number, cell, accepted(column), column.name)
            elif place is not None and several:
                values[column.name][place] += f"{cell}\n"
            elif place is not None:
                values[column.name][place] = value
    if format.id in at and (report.counts or ids.odd) and _swapped(lines, at, format):
        message = (
            f"the ids are in the column {format.columns[0].name} and the predictions in the column {format.id}: swap "
            "the columns, or their names in the header."
        )
        raise refusal("E_SWAPPED", message, first)
    if format.id in at:
        ids.report(report, sum(1 for line in lines if line.strip(" \t\r")))
    if report.counts:
        return {}
    if several:
        return {name: np.array(texts, dtype=object) for name, texts in values.items()}
    dtypes: dict[str, Any] = {"float": np.float64, "int": np.int64, "text": np.str_}
    return {column.name: np.array(values[column.name], dtype=dtypes[column.kind]) for column in format.columns}


def _places(names: Sequence[str], format: TableFormat) -> dict[str, int]:
    """The place of each column: that of its exact name, else of the only one that differs from it in capitals alone.

    A name that another column has is never taken for it: expected names may differ in capitals alone.
    """
    at = {name: names.index(name) for name in format.header if name in names}
    for name in format.header:
        near = [place for place, other in enumerate(names) if other.casefold() == name.casefold()]
        if name not in at and len(near) == 1 and near[0] not in at.values():
            at[name] = near[0]
    return at


def _swapped(lines: Sequence[str], at: Mapping[str, int], format: TableFormat) -> bool:
    """Whether the only prediction column holds all the ids, and the id column does not."""
    if len(format.columns) != 1 or len(at) != 2:
        return False
    rows = [line.split(",", max(at.values()) + 1) for line in map(without_end, lines)]
    ids, values = (
        {row[at[name]].strip(' \t"') for row in rows if at[name] < len(row)}
        for name in (format.id, format.columns[0].name)
    )
    expected = set(map(str, format.ids))
    return expected <= values and not expected <= ids


def _row_cells(line: str, number: int, names: Sequence[str], format: TableFormat, report: Report) -> list[str] | None:
    """The cells of a row, or None after reporting a problem."""
    if not line.strip(" \t"):
        hint = 'remove it (Python on Windows: open the file with newline="")'
        report.line("E_BLANK", f"blank; {hint}.", number, line)
        return None
    if len(line) > MAX_LINE:
        report.line(
            "E_LINE_LONG", f"longer than {MAX_LINE:,} characters; check the line ends and quotes.", number, line
        )
        return None
    if "\r" in line:
        report.line("E_LINE_END", "a carriage return inside the line; remove it or end the line with LF.", number, line)
        return None
    most = len(names) + MAX_COLUMNS
    cells = _cells(line, most) if '"' in line else line.split(",", most)
    if cells is None:
        message = (
            'a cell begins with a quote that does not close it on this line; write "…" around it, inner quotes twice.'
        )
        report.line("E_QUOTE", message, number, line[line.index('"') :])
        return None
    if len(cells) != len(names):
        more = "more than " if len(cells) > most else ""
        have = "1 cell" if len(cells) == 1 else f"{more}{min(len(cells), most):,} cells"
        why = _why_cells(cells, len(names), format)
        report.line("E_CELLS", f"{have}, expected {len(names)}: {why}.", number, line, f"{len(names)} cells")
        return None
    return cells


def _cells(line: str, most: int = MAX_COLUMNS) -> list[str] | None:
    """The cells of a line with quotes, or None if a cell's opening quote is never closed.

    At most `most` + 1 cells are returned.
    """
    cells, start = [], 0
    while True:
        quoted = _QUOTED.match(line, start)
        if quoted:
            cells.append(quoted[1].replace('""', '"'))
            end = quoted.end()
        else:
            end = line.find(",", start)
            end = len(line) if end < 0 else end
            cell = line[start:end]
            if cell.lstrip(" \t").startswith('"'):
                return None
            cells.append(cell)
        if end == len(line) or len(cells) > most:
            return cells
        start = end + 1


def _why_cells(cells: Sequence[str], width: int, format: TableFormat) -> str:
    if len(cells) < width:
        if any(mark in cells[0] for mark in ";\t|"):
            return "separate the cells with commas"
        return "write one cell for each column"
    if all(cell == "" for cell in cells[width:]):
        return "a comma at the end of the line shifts the columns, remove it"
    if any(column.kind == "text" for column in format.columns):
        return "put text that contains a comma in double quotes"
    return "write numbers without thousands separators and with a decimal point"


def _columns(names: Sequence[str]) -> str:
    return f"column{'' if len(names) == 1 else 's'} {_some(names)}"


def _some(names: Sequence[str]) -> str:
    """The first three names, and the number of the others."""
    shown = ", ".join(f'"{clip(name)}"' for name in names[:3])
    return shown if len(names) <= 3 else f"{shown} and {len(names) - 3:,} more"
