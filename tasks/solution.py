"""The solution of your own competition in Kaggle's layout, and the format and the answers that it gives.

It is a CSV of an id column, answer columns and an optional `Usage` column (Public, Private or Ignored). Further columns
may say how the split is drawn.
"""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from tasks.base import IGNORED, PRIVATE, PUBLIC, Answers, Columns, UserError
from tasks.formats import Column, TableFormat
from tasks.repeats import by_id
from tasks.split_columns import NO_COLUMNS, SplitColumns, with_split

MOST_CHARACTERS = 2**26
"""The most characters of the longest id's answers times the ids: they are kept as an array of texts."""
USAGES = {"ignored": IGNORED, "public": PUBLIC, "private": PRIVATE}
WHOLE = re.compile(r"-?(?:0|[1-9][0-9]*)", re.ASCII)
DECIMAL = re.compile(r"[+-]?(?:(?:0|[1-9][0-9]*)(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?", re.ASCII)


@dataclass(frozen=True)
class Solution:
    """A solution file: rows in file order, and in `lines` the line on which each begins."""

    path: Path
    id: str
    columns: tuple[Column, ...]
    answers: Answers
    lines: tuple[int, ...]


def read_solution(
    path: Path,
    id_column: str | None = None,
    *,
    as_text: bool = False,
    empty: bool = False,
    split: SplitColumns = NO_COLUMNS,
    most_rows: int = 1,
) -> Solution:
    """Reads a solution in Kaggle's layout; the first column holds the ids unless `id_column` names another.

    Ids are kept as text. An answer column is "int" where every cell is a plain whole number, "float" where every cell
    is a plain decimal number, else "text", and always with `as_text`; `0001`, `NA`, `inf` and `1_000` are text. With
    `empty` an answer may be empty. The columns of `split` are no answers. Raises UserError with the line,
    never with the value of an answer.

    With `most_rows` above 1 an id may be on several lines, whose split is the same; then the answers have one row for
    each id, as `tasks.repeats` says, and `lines` are those of its first row.
    """
    header, cells, lines = read_csv(path, "a solution CSV")
    usage_at = [at for at, name in enumerate(header) if name.lower() == "usage"]
    if len(usage_at) > 1:
        raise UserError(f"{path.name}: more than one Usage column.")
    _refuse_alike(path.name, header)
    id_column = id_column or next(name for name in (*header, "") if name.lower() != "usage")
    if id_column not in header:
        raise UserError(f"{path.name}: expected an id column {id_column!r}; got the columns {', '.join(header)}.")
    split.check(path, header, id_column, header[usage_at[0]] if usage_at else None)
    id_at, drawn = header.index(id_column), split.options
    answer_at = [
        at for at in range(len(header)) if at != id_at and at not in usage_at and header[at] not in drawn.values()
    ]
    if not answer_at:
        copy = f"; the column of {' and of '.join(drawn)} is none: copy an answer under another name" if drawn else ""
        raise UserError(f"{path.name}: expected at least one answer column next to {id_column!r}; found none{copy}.")

    seen: dict[str, int] = {}
    for line, row in zip(lines, cells, strict=True):
        text = row[id_at]
        if not text or text != text.strip() or not text.isprintable():
            raise UserError(
                f"{path.name}, line {line}: the id is empty, or has spaces or control characters around it."
            )
        if text in seen and most_rows == 1:
            raise UserError(
                f"{path.name}, line {line}: the id {text!r} is already on line {seen[text]}; give each id one row, or"
                " --rows-per-id N with a metric file that takes several rows of an id."
            )
        seen.setdefault(text, line)
    columns, values = [], {}
    for at in answer_at:
        column = [row[at] for row in cells]
        for line, cell in zip(lines, column, strict=True):
            if not cell.strip() and not empty:
                raise UserError(f"{path.name}, line {line}: column {header[at]!r} is empty; give every row an answer.")
        kind = "text" if as_text else _kind(column)
        columns.append(Column(header[at], kind, room=_room(column) if kind == "text" else Column.room))
        values[header[at]] = np.array([]) if most_rows > 1 else _array(column, kind)
    if most_rows > 1:
        same = [header.index(name) for name in drawn.values()] + usage_at
        cells, lines, values = _by_id(path, cells, lines, id_at, answer_at, same, header)
    usage = _usage(path, lines, [row[usage_at[0]] for row in cells]) if usage_at else None
    if split.drawn is not None:
        usage = _drawn(split.drawn, tuple(seen))
    answers = Answers(tuple(seen), values, usage=usage)
    by = {name: [row[header.index(name)] for row in cells] for name in drawn.values()}
    return Solution(path, id_column, tuple(columns), with_split(answers, split, path, by, lines), tuple(lines))


def _by_id(
    path: Path,
    cells: list[list[str]],
    lines: list[int],
    id_at: int,
    answer_at: list[int],
    same: list[int],
    header: list[str],
) -> tuple[list[list[str]], list[int], Columns]:
    """The first row of each id with its line, and the answers of all its rows.

    Raises UserError where the rows of an id differ in the columns `same`.
    """
    rows_of: dict[str, list[list[str]]] = {}
    first: dict[str, int] = {}
    for line, row in zip(lines, cells, strict=True):
        if any("\n" in row[at] or "\r" in row[at] for at in answer_at):
            raise UserError(f"{path.name}, line {line}: an answer with a line break, which --rows-per-id cannot take.")
        rows_of.setdefault(row[id_at], []).append(row)
        first.setdefault(row[id_at], line)
        for at in same:
            if row[at].strip() != rows_of[row[id_at]][0][at].strip():
                raise UserError(
                    f"{path.name}, line {line}: column {header[at]!r} is not as on line"
                    f" {first[row[id_at]]}, which has the same id."
                )
    ids = list(rows_of)
    values = {header[at]: by_id(ids, rows_of, at).astype(np.str_) for at in answer_at}
    most = max((len(text) for column in values.values() for text in column.tolist()), default=0)
    if most * len(ids) > MOST_CHARACTERS:
        raise UserError(
            f"{path.name}: one id has {most:,} characters of answers, too many for {len(ids):,} ids; give"
            " the longest ones fewer rows."
        )
    return [rows[0] for rows in rows_of.values()], list(first.values()), values


def _refuse_alike(what: str, header: Sequence[str]) -> None:
    """Raises UserError for names that differ in capitals alone: people, and other programs, take one for the other."""
    first: dict[str, str] = {}
    for name in header:
        if (other := first.setdefault(name.casefold(), name)) != name:
            raise UserError(
                f"{what}, line 1: the columns {other!r} and {name!r} differ in capitals alone; rename one of them."
            )


def _refuse_separator(path: Path, header: Sequence[str]) -> None:
    """Raises UserError for a header of one name that has another separator than commas."""
    for mark, name in ((";", "semicolons"), ("\t", "tabs"), ("|", "bars")):
        if len(header) == 1 and mark in header[0]:
            raise UserError(
                f"{path.name}, line 1: the cells are separated by {name}; write commas between them, and numbers with a"
                ' decimal point: in pandas to_csv(path, sep=",", decimal=".", index=False).'
            )


def read_csv(path: Path, what: str) -> tuple[list[str], list[list[str]], list[int]]:
    """Header, rows and the line on which each row begins, all rows of the header's width."""
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        raise UserError(f"{path} does not exist; give the path of {what}.") from None
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise UserError(f"{path.name}, line {line}: not UTF-8 text; save it as CSV in UTF-8.") from None
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    header: list[str] = []
    rows: list[list[str]] = []
    lines: list[int] = []
    begin = 1
    try:
        for row in reader:
            if not header:
                header = [name.strip() for name in row]
                _refuse_separator(path, header)
            elif row:
                if len(row) != len(header):
                    some = "1 cell" if len(header) == 1 else f"{len(header)} cells"
                    raise UserError(f"{path.name}, line {begin}: expected {some}, got {len(row)}.")
                rows.append(row)
                lines.append(begin)
            begin = reader.line_num + 1
    except csv.Error as error:
        if "field limit" in str(error):
            raise UserError(
                f"{path.name}, line {begin}: a cell has more than {csv.field_size_limit():,} characters, more than any"
                " submission may have; make it shorter, or close the quote with which it begins."
            ) from None
        raise UserError(f"{path.name}, line {begin}: not a well-formed CSV row ({error}).") from None
    if not header or not rows:
        raise UserError(f"{path.name}: expected a header line and at least one row.")
    if "" in header or len(set(header)) < len(header):
        raise UserError(f"{path.name}, line 1: the column names must not be empty and must differ.")
    return header, rows, lines


def _kind(cells: Sequence[str]) -> Literal["float", "int", "text"]:
    if all(WHOLE.fullmatch(cell) and len(cell) <= 18 for cell in cells):
        return "int"
    # A long whole number may be a code whose last digits a double would lose.
    decimal = all(DECIMAL.fullmatch(cell) and not (len(cell) > 15 and WHOLE.fullmatch(cell)) for cell in cells)
    return "float" if decimal and all(abs(float(cell)) <= 1e100 for cell in cells) else "text"


def _array(cells: Sequence[str], kind: str) -> NDArray[Any]:
    if kind == "int":
        return np.array([int(cell) for cell in cells], dtype=np.int64)
    if kind == "float":
        return np.array([float(cell) for cell in cells], dtype=np.float64)
    return np.array(cells, dtype=np.str_)


def _usage(path: Path, lines: Sequence[int], cells: Sequence[str]) -> NDArray[Any]:
    for line, cell in zip(lines, cells, strict=True):
        if cell.strip().lower() not in USAGES:
            raise UserError(f"{path.name}, line {line}: Usage must be Public, Private or Ignored; got {cell[:40]!r}.")
    usage = np.array([USAGES[cell.strip().lower()] for cell in cells], dtype=np.int8)
    for code, word in ((PUBLIC, "Public"), (PRIVATE, "Private")):
        if not (usage == code).any():
            raise UserError(f"{path.name}: no row has the Usage {word}; mark at least one, or leave the column out.")
    return usage


def _drawn(path: Path, ids: Sequence[str]) -> NDArray[Any]:
    """The usage of each id from a file of ids and usages. Raises UserError where its ids are not these, each once."""
    header, cells, lines = read_csv(path, "a file with the columns id and Usage")
    if header != ["id", "Usage"]:
        raise UserError(f"{path.name}: expected the columns id, Usage; got {', '.join(header)}.")
    word = {row[0]: row[1] for row in cells}
    line_of = {row[0]: line for line, row in zip(lines, cells, strict=True)}
    if len(cells) != len(ids) or any(one not in word for one in ids):
        raise UserError(
            f"{path.name}: its ids are not those of the solution, each once; remove the file, and the split"
            " is drawn anew."
        )
    return _usage(path, [line_of[one] for one in ids], [word[one] for one in ids])


def own_format(
    solution: Solution, *, numeric: bool = False, whole: bool = True, bounded: bool = False, most_rows: int = 1
) -> tuple[TableFormat, Answers]:
    """The submission format of your own competition, and its answers in the format's order.

    Ids are sorted in natural order (`img2` before `img10`), so that the order of the solution file reveals nothing;
    they become a range where they are plain whole numbers that count up by one. Rows marked Ignored belong to the
    format like all others. `numeric` asks for numbers, as RMSE needs, and makes every column a float one; `whole=False`
    lets predictions of a whole-number column be decimal numbers, as probabilities are; `bounded` bounds each column by
    `prediction_bound`. Raises UserError.
    """
    texts = [str(text) for text in solution.answers.ids]
    order = _in_natural_order(texts)
    ids = tuple(texts[row] for row in order)
    values = {name: column[order] for name, column in solution.answers.columns.items()}
    if numeric:
        for column in solution.columns:
            if column.kind == "text":
                line = _first_text(solution, column.name)
                raise UserError(
                    f"{solution.path.name}, line {line}: column {column.name!r} is not a plain decimal number between"
                    " -1e100 and 1e100, which this metric needs."
                )
        values = {name: column.astype(np.float64) for name, column in values.items()}
    columns = tuple(
        Column(
            column.name,
            "float" if numeric or (column.kind == "int" and not whole) else column.kind,
            room=column.room,
        )
        for column in solution.columns
    )
    if bounded:
        most = {name: prediction_bound(column) for name, column in values.items()}
        columns = tuple(replace(c, minimum=-most[c.name], maximum=most[c.name]) for c in columns)
    sides = {name: getattr(solution.answers, name) for name in ("groups", "strata", "usage")}
    sides = {name: None if side is None else side[order] for name, side in sides.items()}
    answers = Answers(_as_range(ids), values, **sides)
    return TableFormat(solution.id, columns, answers.ids, most_rows=most_rows), answers


def prediction_bound(values: NDArray[np.float64]) -> float:
    """How far from 0 a prediction may lie: the range of the answers widened by ten times its width on both sides.

    It is the next power of ten, at least 1, since students read it and it must not give the largest answer away.

    >>> import numpy as np
    >>> prediction_bound(np.array([3.5, 8.0])), prediction_bound(np.array([0.0, 0.01]))
    (100.0, 1.0)
    """
    low, high = float(values.min()), float(values.max())
    width = (high - low) or max(abs(low), abs(high))
    most = max(abs(low - 10 * width), abs(high + 10 * width), 1.0)
    return min(float(f"1e{math.ceil(math.log10(most))}"), 1e100)


def _room(answers: Sequence[str]) -> int:
    """The bytes that a text of a submission may have on average: a power of two, four times the longest answer's.

    Students can infer it from the maximum file size, so it only reveals roughly how long the answers are.
    """
    longest = max(len(answer.encode()) for answer in answers)
    return max(256, 1 << (4 * longest - 1).bit_length())


def _first_text(solution: Solution, name: str) -> int:
    cells = solution.answers.columns[name].tolist()
    return next(line for line, cell in zip(solution.lines, cells, strict=True) if _kind([cell]) == "text")


def ids_of(path: Path) -> tuple[str, range | tuple[str, ...]]:
    """The name of the id column of a solution that was read before, and the ids in the order of its format."""
    header, cells, _ = read_csv(path, "a solution CSV")
    at = next(at for at, name in enumerate(header) if name.lower() != "usage")
    texts = list(dict.fromkeys(row[at] for row in cells))
    return header[at], _as_range(tuple(texts[row] for row in _in_natural_order(texts)))


def _in_natural_order(texts: Sequence[str]) -> list[int]:
    return sorted(range(len(texts)), key=_natural_keys(texts).__getitem__)


def _natural_keys(texts: Sequence[str]) -> list[Any]:
    if all(WHOLE.fullmatch(text) and len(text) <= 18 for text in texts):
        return [int(text) for text in texts]

    def key(text: str) -> Any:
        parts = re.split(r"([0-9]+)", text)  # words and digits by turns, words at both ends
        digits = [part.lstrip("0") for part in (*parts[1::2], "")]
        return (tuple((word, len(number), number) for word, number in zip(parts[::2], digits, strict=True)), text)

    return [key(text) for text in texts]


def _as_range(ids: tuple[str, ...]) -> range | tuple[str, ...]:
    """The sorted ids as a range where they count up by one in canonical spelling, from 0 or more."""
    if not (WHOLE.fullmatch(ids[0]) and len(ids[0]) <= 18) or ids[0].startswith("-"):
        return ids
    numbers = range(int(ids[0]), int(ids[0]) + len(ids))
    return numbers if all(str(number) == text for number, text in zip(numbers, ids, strict=True)) else ids


def solution_cells(path: Path, form: TableFormat) -> Columns | None:
    """The answer columns of a solution file as written, in the order of the format; None if those are others.

    With more rows of an id than a submission may have it is None as well.
    """
    header, cells, _ = read_csv(path, "a solution CSV")
    if not set(form.header) <= set(header):
        return None
    rows_of: dict[str, list[list[str]]] = {}
    for row in cells:
        rows_of.setdefault(row[header.index(form.id)], []).append(row)
    if any(len(rows) > form.most_rows for rows in rows_of.values()):
        return None
    return {column.name: _in_order(form, rows_of, header.index(column.name)) for column in form.columns}


def _in_order(form: TableFormat, rows_of: Mapping[str, Sequence[Sequence[str]]], at: int) -> NDArray[Any]:
    """The cells of a column as written, in the order of the ids."""
    ids = [str(text) for text in form.ids]
    return by_id(ids, rows_of, at) if form.most_rows > 1 else np.array([rows_of[one][0][at] for one in ids])


def read_sample(path: Path, solution: Path, form: TableFormat) -> tuple[TableFormat, Columns]:
    """The format of a sample submission with the ids of `form`, and its cells as written, in the order of the ids.

    A column is "float" where every cell is a plain decimal number, else "text". Raises UserError where its ids are not
    those of the solution, each once, and where it holds the answers.
    """
    header, cells, lines = read_csv(path, "a sample submission")
    what = f"--sample: {path.name}"
    if form.id not in header or len(header) < 2:
        raise UserError(f"{what} needs the id column {form.id!r} and at least one more; got {', '.join(header)}.")
    _refuse_alike(what, header)
    at = header.index(form.id)
    rows_of: dict[str, list[list[str]]] = {}
    for line, row in zip(lines, cells, strict=True):
        rows_of.setdefault(row[at], []).append(row)
        if len(rows_of[row[at]]) > form.most_rows:
            more = "twice" if form.most_rows == 1 else f"more than {form.most_rows} times"
            raise UserError(
                f"{what}, line {line}: the id {row[at]!r} is there {more}; to accept that from students,"
                " give a higher --rows-per-id."
            )
    ids = [str(text) for text in form.ids]
    missing, unknown = [one for one in ids if one not in rows_of], rows_of.keys() - set(ids)
    if missing:
        raise UserError(
            f"{what} has no row for {len(missing):,} ids of the solution, such as {missing[0]!r}; add them."
        )
    if unknown:
        raise UserError(
            f"{what} has {len(unknown):,} ids that the solution lacks, such as {min(unknown)!r}; remove them."
        )
    values = {name: _in_order(form, rows_of, place) for place, name in enumerate(header) if place != at}
    names, rows, _ = read_csv(solution, "a solution CSV")
    right_of: dict[str, list[list[str]]] = {}
    for row in rows:
        right_of.setdefault(row[names.index(form.id)], []).append(row)
    counts = {len(rows_of[one]): one for one in reversed(ids)}
    if len(counts) > 1:
        (least, few), *_, (most, many) = sorted(counts.items())
        raise UserError(
            f"{what} has {most} rows of the id {many!r} and {least} of {few!r}. That may tell how many answers an id"
            " has, and students get this file. Give each id as many rows, such as one."
        )
    for name in values:
        if name not in names:
            continue
        found = [sorted(row[names.index(name)] for row in right_of[one]) for one in ids]
        given = [sorted(row[header.index(name)] for row in rows_of[one]) for one in ids]
        if found == given and len({cell for cells_of_id in given for cell in cells_of_id}) > 1:
            raise UserError(
                f"{what}: its column {name!r} has the answers, and students get this file. Fill it with one value,"
                " such as 0."
            )
    columns = tuple(
        Column(
            header[place],
            "text" if (kind := _kind(column)) == "text" else "float",
            room=max(Column.room, _room(column)) if kind == "text" else Column.room,
        )
        for place, column in enumerate(zip(*cells, strict=True))
        if place != at
    )
    return replace(form, columns=columns), values
