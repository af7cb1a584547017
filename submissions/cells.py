"""The cells of a table: how a number, a word and a text are read, and what is wrong with the others."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from typing import Any

from submissions.text import clip
from tasks.formats import Column, longest_text
from tasks.runs import read_runs

SHOWN_CHOICES = 5
FLOAT = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_INT = re.compile(r"[+-]?[0-9]+")

_NOT_NUMBERS = (
    (re.compile(r""), "the cell is empty; predict a number for every row"),
    (
        re.compile(r"[+-]?(nan|inf|infinity|1\.#\w+)|n/?a|<na>|nat|null|none|nil|missing|-+|\?+|\.", re.I),
        "missing and infinite values cannot be scored; predict a finite number for every row",
    ),
    (re.compile(r"[+-]?0[xX].*"), "hexadecimal numbers are not accepted; write it in decimal digits"),
    (re.compile(r"[+-]?[0-9]{1,3}(,[0-9]{3})+(\.[0-9]*)?"), "write it without thousands separators"),
    (re.compile(r"[+-]?[0-9]*,[0-9]+"), "write it with a decimal point"),
    (re.compile(r"[+-]?[0-9.]+(_[0-9.]+)+"), "write it without underscores"),
    (re.compile(r".*%"), "write it without a percent sign"),
    (re.compile(r"[\[({<].*|(tensor|array|np\.).*"), "write only the number, without brackets"),
    (re.compile(r"[^0-9]*[$€£¥].*|.*[$€£¥]"), "write it without a currency sign"),
    (re.compile(r"(true|false|yes|no)", re.I), "write 1 or 0 instead of a word"),
    (re.compile(r".*[^\x00-\x7f].*"), "only the digits 0-9 and the ASCII characters + - . e are accepted"),
)


def cell_reader(column: Column, rows: int) -> Callable[[str], tuple[Any, str | None, str]]:
    """A function from a cell to (value, None, "") or (None, code, problem)."""
    longest = longest_text(rows) if column.runs else int(min(longest_text(rows), column.maximum))

    def text(cell: str) -> tuple[Any, str | None, str]:
        if len(cell) > longest:
            return None, "E_TEXT_LONG", f"{len(cell):,} characters, at most {longest:,} are accepted"
        if column.pattern and not re.fullmatch(column.pattern, cell):
            return None, "E_CHOICE", f"expected {accepted(column)}"
        if column.runs:
            try:
                read_runs(cell, int(column.maximum))
            except ValueError as error:
                return None, "E_RUNS", f"{error}, expected {accepted(column)}"
        return cell, None, ""

    def choice(cell: str) -> tuple[Any, str | None, str]:
        return (cell, None, "") if cell in choices else (None, "E_CHOICE", _why_no_choice(cell, column, folded))

    def whole(cell: str) -> tuple[Any, str | None, str]:
        cell = cell.strip(" \t")
        if not _INT.fullmatch(cell):
            return None, "E_NUMBER", _why_not_number(cell, column)
        digits = cell.lstrip("+-0") or "0"  # int() accepts at most 4,300 digits, leading zeros included
        value = int(f"-{digits}" if cell.startswith("-") else digits) if len(digits) < 20 else 2**63
        if not -(2**63) <= value < 2**63 or not column.minimum <= value <= column.maximum:
            return None, "E_RANGE", f"out of range, expected {accepted(column)}"
        return value, None, ""

    def number(cell: str) -> tuple[Any, str | None, str]:
        cell = cell.strip(" \t")
        if not FLOAT.fullmatch(cell):
            return None, "E_NUMBER", _why_not_number(cell, column)
        value = float(cell)
        if not column.minimum <= value <= column.maximum or math.isinf(value):
            return None, "E_RANGE", f"out of range, expected {accepted(column)}"
        return value, None, ""

    choices = frozenset(column.choices)
    folded = {name.casefold(): name for name in column.choices} | {name: name for name in column.choices}
    return choice if choices else {"text": text, "int": whole, "float": number}[column.kind]


def _why_not_number(cell: str, column: Column) -> str:
    for pattern, why in _NOT_NUMBERS:
        if pattern.fullmatch(cell[:100]):
            return why
    if column.kind == "int" and FLOAT.fullmatch(cell):
        return "write whole numbers without a point or exponent (in pandas, astype(int))"
    return f"not a number, expected {accepted(column)}"


def _why_no_choice(cell: str, column: Column, folded: Mapping[str, str]) -> str:
    """Why a text is none of the choices, which `folded` has by their spelling, and without capitals."""
    bare = cell.strip()
    meant = folded.get(bare) or folded.get(bare.casefold())
    if meant is None:
        return f"expected {accepted(column)}"
    if meant == bare:
        return "remove the blanks around it"
    return f'capitals matter, expected "{clip(meant)}"'


def accepted(column: Column) -> str:
    """The values a column accepts, in words."""
    if column.choices:
        shown = ", ".join(clip(choice) for choice in column.choices[:SHOWN_CHOICES])
        many = len(column.choices)
        return f"one of {shown}" if many <= SHOWN_CHOICES else f"one of {many:,} names, such as {shown}"
    if column.runs:
        return f"`start length` pairs from pixel 1 to {int(column.maximum):,} in ascending order, or an empty cell"
    if column.kind == "text":
        return f"a name of the form {column.pattern}" if column.pattern else "text"
    kind = "a whole number" if column.kind == "int" else "a finite decimal number"
    low, high = column.minimum, column.maximum
    return kind if low <= -1e100 and high >= 1e100 else f"{kind} from {low:.15g} to {high:.15g}"
