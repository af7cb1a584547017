"""The fast reader for tables of numbers: a file is proven plain before any value is used.

A file is plain if every byte belongs to a decimal number or separates two, every row has the expected cells, and
every id has its exact spelling. Other files are left to `submissions.table`; plain ones get the same values to the
last bit.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from tasks.base import Columns
from tasks.formats import Column, TableFormat

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

SMALL = 100_000
"""Rows up to which the standard library is faster than importing polars."""

BOM = b"\xef\xbb\xbf"
MAX_HEADER = 100_000
NUMBER_BYTES = b"0123456789.+-eE"
PIECE = 2**18  # bytes that stay in the processor's cache
ROWS = 2**14  # rows that do
WORD = 8  # bytes of an id and its comma that are compared at once


def read_plain(data: bytes, format: TableFormat) -> Columns | None:
    """The columns of a plain file, in the order of `format.ids`; None if it is not proven plain."""
    if format.most_rows > 1 or any(column.kind == "text" for column in format.columns):
        return None
    start = data.find(b"\n", 0, MAX_HEADER) + 1
    header = data[:start].removeprefix(BOM)
    line_end = b"\r\n" if header.endswith(b"\r\n") else b"\n"
    if header.removesuffix(line_end) != ",".join(format.header).encode():
        return None
    large = len(format.ids) > SMALL and isinstance(format.ids, range) and format.ids.start >= 0
    columns = _plain_large(data, start, line_end, format) if large else _plain_small(data[start:], line_end, format)
    if columns is None or not all(_in_range(columns[column.name], column) for column in format.columns):
        return None
    return columns


def _plain_small(body: bytes, line_end: bytes, format: TableFormat) -> Columns | None:
    """Reads a plain file with the standard library, if its ids are in the expected order."""
    import numpy as np

    # Without the bytes of numbers, exactly the commas and line ends of the rows must remain.
    width = len(format.header)
    marks = (b"," * len(format.columns) + line_end) * len(format.ids)
    left = body.translate(None, NUMBER_BYTES)
    if left not in (marks, marks[: -len(line_end)]):
        return None
    cells = body.removesuffix(line_end).replace(line_end, b",").decode("ascii").split(",")
    if cells[::width] != _names(format.ids):
        return None
    columns: Columns = {}
    polars = _polars_if_loaded()
    for place, column in enumerate(format.columns, start=1):
        texts = cells[place::width]
        if polars is None:
            kind, dtype = (int, np.int64) if column.kind == "int" else (float, np.float64)
            try:
                columns[column.name] = np.array(list(map(kind, texts)), dtype=dtype)
            except (ValueError, OverflowError):  # an empty cell, 1e5 where a whole number is expected, 2**63
                return None
        else:
            dtype = polars.Int64 if column.kind == "int" else polars.Float64
            values = polars.Series(texts).cast(dtype, strict=False)  # null for a cell that is not such a number
            if values.null_count():
                return None
            columns[column.name] = values.to_numpy()
    return columns


@lru_cache(maxsize=4)
def _names(ids: range | tuple[str, ...]) -> list[str]:
    """The ids as text, kept for the next submission of the same homework."""
    return list(map(str, ids))


def _polars_if_loaded() -> Any:
    """Polars, if this process has already imported it; importing it takes too long for one small file."""
    module = sys.modules.get("polars")
    ready = all(hasattr(module, name) for name in ("Series", "Int64", "Float64"))  # another thread may be importing it
    return module if ready else None


def _plain_large(data: bytes, start: int, line_end: bytes, format: TableFormat) -> Columns | None:
    """Reads a plain file with polars: rows from byte `start` on, ids a range of numbers in any order."""
    import numpy as np
    import polars as pl

    if line_end == b"\r\n":
        data, start = data.replace(line_end, b"\n"), start - 1
    first, n = int(format.ids[0]), len(format.ids)
    if len(format.columns) == 1 and (kinds := _few_digits(data[start:], range(first, first + n), format.columns[0])):
        return kinds
    if not _large_is_plain(data, start - 1, zero=first == 0):
        return None
    schema: dict[str, Any] = {format.id: pl.UInt32 if first + n < 2**32 else pl.Int64}
    schema |= {column.name: pl.Float64 if column.kind == "float" else pl.Int64 for column in format.columns}
    try:
        frame = pl.read_csv(data, has_header=False, skip_rows=1, schema=schema, quote_char=None)
    except pl.exceptions.PolarsError:
        return None
    if frame.height != n or any(frame.null_count().row(0)):
        return None
    columns = {column.name: np.concatenate(_chunks(frame[column.name])) for column in format.columns}
    if all(np.array_equal(ids, np.arange(at, at + len(ids), dtype=ids.dtype)) for at, ids in _counted(frame, first)):
        return columns
    places = frame[format.id].to_numpy().astype(np.int64) - first
    if places.min() < 0 or places.max() >= n:
        return None
    seen = np.zeros(n, dtype=bool)
    seen[places] = True
    if not seen.all():
        return None
    for name, values in columns.items():
        columns[name] = np.empty_like(values)
        columns[name][places] = values
    return columns


def _few_digits(body: bytes, ids: range, column: Column) -> Columns | None:
    """Reads rows with the ids in their order and one whole number of at most four digits, such as a class, in each.

    Every byte is compared: the id and its comma with those expected, what is left of the row with the digits.
    """
    import numpy as np

    width = len(str(int(column.maximum))) if column.kind == "int" and 0 <= column.minimum <= column.maximum < 1e4 else 0
    if not width or len(f"{ids[-1]},") > WORD:
        return None
    words = np.zeros(len(body) // WORD + 3, "<u8")
    text = words.view(np.uint8)
    text[: len(body)] = np.frombuffer(body, np.uint8)
    text[len(body)] = ord("\n") * (not body.endswith(b"\n"))
    ends = np.flatnonzero(text == ord("\n"))
    if len(ends) != len(ids):
        return None
    every = np.ndarray((len(text) - WORD + 1,), "<u8", words, strides=(1,))  # the word that begins at each byte
    starts = np.empty(ROWS, np.int64)
    values = np.empty(len(ids), np.int64)
    at = begin = 0
    for marked, expected in _id_words(ids):
        mask = np.uint64(2 ** (8 * marked) - 1)
        for row in range(0, len(expected), ROWS):
            wanted = expected[row : row + ROWS]
            end = ends[at : at + len(wanted)]
            cell = starts[: len(wanted)]
            cell[0], begin = begin, int(end[-1]) + 1
            np.add(end[:-1], 1, out=cell[1:])
            if not np.array_equal(every[cell] & mask, wanted):
                return None
            cell += marked
            size = end - cell
            if size.min() < 1 or size.max() > width:
                return None
            value = np.zeros(len(wanted), np.uint16)
            for place in range(width):
                digit = text.take(np.subtract(end, place + 1, out=cell)) - np.uint8(ord("0"))
                digit *= size > place
                if digit.max() > 9:
                    return None
                value += digit * np.uint16(10**place)
            values[at : at + len(wanted)] = value
            at += len(wanted)
    return {column.name: values}


def _id_words(ids: range) -> Iterator[tuple[int, NDArray[np.uint64]]]:
    """The bytes of the ids and their commas as little-endian words: (bytes that count, words) for each length."""
    import numpy as np

    for digits in range(len(str(ids[0])), len(str(ids[-1])) + 1):
        low = max(ids[0], 10 ** (digits - 1) if digits > 1 else 0)
        high = min(ids[-1], 10**digits - 1)
        words, first = np.zeros(1, "<u8"), 0
        for place in range(digits):  # the beginnings of one digit more, those of the wanted ids alone
            step = 10 ** (digits - 1 - place)
            words = (words[:, None] | np.arange(ord("0"), ord("9") + 1, dtype="<u8") << np.uint64(8 * place)).ravel()
            words = words[low // step - 10 * first : high // step + 1 - 10 * first]
            first = low // step
        yield digits + 1, words | np.uint64(ord(",") << 8 * digits)


def _chunks(series: Any) -> list[NDArray[Any]]:
    """The chunks of a polars column as arrays, without a copy."""
    return [chunk.to_numpy() for chunk in series.get_chunks()]


def _counted(frame: Any, first: int) -> Iterator[tuple[int, NDArray[Any]]]:
    """The chunks of the ids, each with the number that its first row must have."""
    for chunk in _chunks(frame.to_series(0)):
        yield first, chunk
        first += len(chunk)


def _large_is_plain(data: bytes, start: int, *, zero: bool) -> bool:
    """Whether the bytes from the line end at `start` on are digits, letters e, signs, points, commas, slashes and line
    feeds alone, and each line begins with 1-9; with `zero`, one line may begin with the id 0.

    That each row has its cells, and that each cell is a number, is left to the reader of the rows: from these bytes no
    cell can be made that one reader takes for a number and another does not.
    """
    import numpy as np

    raw = np.frombuffer(data, np.uint8)[start:]
    zeros = 0
    for at in range(0, len(raw), PIECE):
        piece = raw[at : at + PIECE]
        ends = piece == ord("\n")
        if np.count_nonzero(piece < ord("+")) != np.count_nonzero(ends):
            return False
        if piece.max() > ord("9"):  # only the e of an exponent may come after the digits in ASCII
            letters = piece | 32
            if np.count_nonzero(piece > ord("9")) != np.count_nonzero(letters == ord("e")):
                return False
        following = raw[at + 1 : at + PIECE + 1]
        zeros += int(np.count_nonzero(ends[: len(following)] & (following < ord("1"))))
    return zeros == 0 or (zero and zeros == 1 and data.find(b"\n0,", start) >= 0)


def _in_range(values: NDArray[Any], column: Column) -> bool:
    low, high = float(values.min()), float(values.max())
    return column.minimum <= low and high <= column.maximum and math.isfinite(low) and math.isfinite(high)
