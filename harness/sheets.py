"""CSV for and from spreadsheets: no formulas, and ids kept as text."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Sequence

from tasks.errors import UserError

MAX_BYTES = 4 << 20
FORMULA = "-=+@\t\r\n－＝＋＠"
"""The first characters of formulas, including the wide ones of some locales. Some programs ignore blanks and quotes
before them."""
_BEGINS = rf"[\s'\"]*[{FORMULA}]"


def cell(text: str) -> str:
    """Text that no spreadsheet reads as a formula: an apostrophe is put in front of one.

    >>> cell("=1+1"), cell("0012"), cell("'=")
    ("'=1+1", '0012', "''=")
    """
    return f"'{text}" if re.match(_BEGINS, text) else text


def uncell(text: str) -> str:
    """The inverse of `cell`.

    >>> uncell("'=1+1"), uncell("O'Brien")
    ('=1+1', "O'Brien")
    """
    return text[1:] if re.match(f"'{_BEGINS}", text) else text


def write_rows(header: Sequence[str], rows: Iterable[Sequence[str | float | None]]) -> str:
    """CSV with all text in quotes, so that 0012 stays text; numbers are unquoted, with all their digits."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n", quoting=csv.QUOTE_NONNUMERIC)
    writer.writerow([cell(name) for name in header])
    writer.writerows(
        [cell(value) if isinstance(value, str) else "" if value is None else value for value in row] for row in rows
    )
    return stream.getvalue()


def decoded(data: bytes, what: str) -> str:
    """The text of a CSV. Raises UserError unless it is UTF-8 of at most `MAX_BYTES`."""
    if len(data) > MAX_BYTES:
        raise UserError(f"{what} has {len(data):,} bytes; at most {MAX_BYTES:,} are read.")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise UserError(f'{what} is not UTF-8; save it as "CSV UTF-8".') from None


def read_rows(data: bytes, what: str, needed: Sequence[str], known: Sequence[str]) -> list[tuple[int, dict[str, str]]]:
    """The rows of a CSV by column, each with the number of its last line.

    Raises UserError unless it is a UTF-8 CSV with all the needed and only known columns.
    """
    reader = csv.reader(io.StringIO(decoded(data, what), newline=""), strict=True)
    try:
        spelled = {name.lower(): name for name in known}
        header = [spelled.get(name.strip().lower(), name.strip()) for name in next(reader, [])]
        if not set(needed) <= set(header) or not set(header) <= set(known) or len(set(header)) < len(header):
            raise UserError(
                f"{what} must have the columns {', '.join(needed)} and can have"
                f" {', '.join(name for name in known if name not in needed)}; got {', '.join(header) or 'none'}."
            )
        rows: list[tuple[int, dict[str, str]]] = []
        for values in reader:
            if not any(value.strip() for value in values):
                continue
            if len(values) != len(header):
                raise UserError(f"{what} line {reader.line_num}: {len(values)} cells, expected {len(header)}.")
            cells = (uncell(value.strip()) for value in values)
            rows.append((reader.line_num, dict(zip(header, cells, strict=True))))
    except csv.Error as error:
        raise UserError(f"{what} line {reader.line_num}: not CSV ({error}).") from None
    return rows
