"""The columns of a solution by which its split is drawn: groups, strata and times.

They are hidden like the answers, and no part of a submission.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tasks.base import PRIVATE, PUBLIC, Answers, UserError

if TYPE_CHECKING:
    from numpy.typing import NDArray

_NUMBER = re.compile(r"[+-]?(?:[0-9]{1,40}(?:\.[0-9]{0,40})?|\.[0-9]{1,40})(?:[eE][+-]?[0-9]{1,3})?", re.ASCII)


@dataclass(frozen=True)
class SplitColumns:
    """Names of columns: whole groups, strata with equal shares, or a time of which the earliest rows are public.

    `drawn` is a file of ids and their Usage, as it was drawn before: then nothing is drawn again.
    """

    group: str | None = None
    strata: str | None = None
    time: str | None = None
    public_share: float = 0.5
    drawn: Path | None = None

    @property
    def options(self) -> dict[str, str]:
        """The columns that are named, by option."""
        named = {"--group": self.group, "--strata": self.strata, "--by-time": self.time}
        return {option: name for option, name in named.items() if name is not None}

    def check(self, path: Path, header: Sequence[str], id_column: str, usage: str | None) -> None:
        """Raises UserError for columns that cannot be used, or not together."""
        for option, name in self.options.items():
            if name not in header:
                raise UserError(f"{option}: {path.name} has no column {name!r}; it has {', '.join(header)}.")
            if name in (id_column, usage):
                raise UserError(
                    f"{option}: {name!r} is the column of the {'ids' if name == id_column else 'Usage'};"
                    f" name another one, or leave out {option}."
                )
        if self.time is not None and len(self.options) > 1:
            raise UserError("--by-time makes the earliest rows public; leave out --group and --strata.")
        if len(set(self.options.values())) < len(self.options):
            raise UserError("--group and --strata name one column; leave out --strata.")
        if usage is not None and self.drawn is not None:
            raise UserError(f"{path.name} has a Usage column, and {self.drawn.name} says the same; remove one of them.")
        if usage is not None and (self.strata or self.time):
            raise UserError(
                f"{path.name} has a Usage column, so that nothing is drawn; remove it, or leave out --strata and"
                " --by-time. --group may stay: intervals resample its groups."
            )


NO_COLUMNS = SplitColumns()

Cells = Mapping[str, Sequence[str]]


def with_split(answers: Answers, columns: SplitColumns, path: Path, cells: Cells, lines: Sequence[int]) -> Answers:
    """The answers with the groups, strata or usage of the named columns, whose cells are in the order of the rows.

    Raises UserError with the line for an empty cell, a time that cannot be read, and for columns that cannot split.
    """
    for option, name in columns.options.items():
        for line, cell in zip(lines, cells[name], strict=True):
            if not cell.strip():
                raise UserError(f"{path.name}, line {line}: column {name!r} of {option} is empty; fill it in each row.")
    if columns.time is not None:
        return _by_time(answers, columns, path, cells[columns.time], lines)
    groups = None if columns.group is None else np.array([cell.strip() for cell in cells[columns.group]])
    strata = None if columns.strata is None else np.array([cell.strip() for cell in cells[columns.strata]])
    n = len(lines)
    if strata is not None:
        if 2 * len(np.unique(strata)) > n > 2:
            raise UserError(
                f"--strata: column {columns.strata!r} has {len(np.unique(strata)):,} values in {n:,} rows, too many to"
                " share out; name a column of few values, such as a class or a region."
            )
        if groups is not None:
            _one_each(
                path,
                lines,
                groups,
                strata,
                f"--strata: a group of {columns.group!r} is in two strata; give the"
                " rows of a group one stratum, or leave out --strata.",
            )
    if groups is not None:
        if len(np.unique(groups)) < 2:
            raise UserError(
                f"--group: all rows have the same {columns.group!r}, so they cannot be split; name a column of more"
                " values, or leave out --group."
            )
        if answers.usage is not None:
            scored = np.flatnonzero(answers.usage).tolist()  # not those that are ignored
            why = f"--group: a group of {columns.group!r} is both Public and Private; give its rows one Usage."
            _one_each(path, [lines[row] for row in scored], groups[scored], answers.usage[scored], why)
    return replace(answers, groups=groups, strata=strata)


def _one_each(path: Path, lines: Sequence[int], groups: NDArray[Any], values: NDArray[Any], why: str) -> None:
    """Raises UserError where two rows of a group have different values."""
    first: dict[str, Any] = {}
    for line, group, value in zip(lines, groups.tolist(), values.tolist(), strict=True):
        if first.setdefault(group, value) != value:
            raise UserError(f"{path.name}, line {line}: {why}")


def _by_time(
    answers: Answers, columns: SplitColumns, path: Path, cells: Sequence[str], lines: Sequence[int]
) -> Answers:
    """Public are the rows of the earliest times, as many as come nearest to the share; those of one time are a group.

    Of two cuts equally near the one with fewer public rows is taken.
    """
    name = columns.time
    found: list[Any] = []
    kinds: dict[str, int] = {}
    for line, cell in zip(lines, cells, strict=True):
        kind, value = read_time(cell.strip())
        if kind is None:
            raise UserError(
                f"{path.name}, line {line}: column {name!r} of --by-time is not a time. Write all of it as dates"
                " (2026-03-01), as times (2026-03-01T12:00, or all with a zone: 2026-03-01T12:00+08:00) or as numbers."
            )
        kinds.setdefault(kind, line)
        if len(kinds) > 1:
            (one, at), (other, here) = kinds.items()
            raise UserError(
                f"{path.name}: column {name!r} of --by-time mixes {one} (line {at}) and {other} (line {here}); write"
                " all of it in one way."
            )
        found.append(value)
    times = sorted(set(found))
    if len(times) < 2:
        raise UserError(f"--by-time: all rows have the same {name!r}, so they cannot be split; name another column.")
    place = {time: at for at, time in enumerate(times)}
    which = np.array([place[time] for time in found])
    public = np.cumsum(np.bincount(which))[:-1].tolist()
    wanted = Fraction(str(columns.public_share)) * len(found)
    last = min(range(len(public)), key=lambda at: (abs(public[at] - wanted), at))
    usage = np.where(which <= last, PUBLIC, PRIVATE).astype(np.int8) if answers.usage is None else answers.usage
    return replace(answers, usage=usage, groups=None if len(times) == len(found) else which.astype(np.str_))


def read_time(text: str) -> tuple[str | None, Any]:
    """The kind of a time and a value that sorts, exact for numbers; (None, None) for what is none.

    >>> [read_time(text)[0] for text in ("1700000000123456789", "-2.5", "2026-03-01", "2026-03-01T12:00", "now")]
    ['numbers', 'numbers', 'dates', 'times without a zone', None]
    """
    if _NUMBER.fullmatch(text):
        return "numbers", Decimal(text)
    readers: tuple[Callable[[str], Any], ...] = (date.fromisoformat, datetime.fromisoformat)
    for read in readers:
        try:
            value = read(text)
        except ValueError:
            continue
        if not isinstance(value, datetime):
            return "dates", value
        return f"times with{'out' if value.tzinfo is None else ''} a zone", value
    return None, None
