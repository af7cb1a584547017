"""The sample submission of a format, made from the format alone."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.base import Columns
from tasks.formats import Column, Format, LinesFormat, TableFormat
from tasks.repeats import cells_in
from tasks.tensor_formats import Array, ArraysFormat


def sample_rows(form: TableFormat) -> Columns:
    """The predictions of a sample submission: 0 or the allowed number nearest to it, for text "0" or the first choice,
    for masks empty ones.

    They are the same in every row and made from the format alone: even the most frequent class would reveal something
    about the answers.
    """
    n = len(form.ids)
    rows: Columns = {}
    for column in form.columns:
        if column.kind == "text":
            rows[column.name] = np.full(n, column.choices[0] if column.choices else "" if column.runs else "0")
        else:
            dtype = np.int64 if column.kind == "int" else np.float64
            rows[column.name] = np.full(n, _nearest_to_0(column, column.kind == "int"), dtype)
    return rows


def _nearest_to_0(bounds: Column | Array, whole: bool) -> float:
    low, high = bounds.minimum, bounds.maximum
    return min(max(0, math.ceil(low)), math.floor(high)) if whole else min(max(0.0, low), high)


def _sample_array(array: Array) -> NDArray[Any]:
    dtype = np.dtype(array.dtype)
    value = np.asarray(_nearest_to_0(array, dtype.kind != "f"), dtype)
    if dtype.kind == "f" and not array.minimum <= float(value) <= array.maximum:  # rounded out of the range
        value = np.nextafter(value, np.asarray(np.inf if float(value) < array.minimum else -np.inf, dtype))
    return np.full(array.shape, value)


def sample_submission(form: Format) -> bytes:
    """The bytes of a sample submission: a table's header and `sample_rows` in the order of the ids, or lines of 。

    Arrays have the allowed number nearest to 0 everywhere. For archives and episodes the format does not give a sample;
    `Made.sample` does.
    """
    if isinstance(form, LinesFormat):
        return "。\n".encode() * len(form)
    if isinstance(form, ArraysFormat):
        from safetensors.numpy import save

        return save({array.name: _sample_array(array) for array in form.arrays})
    assert isinstance(form, TableFormat)
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(form.header)
    cells = [_shown(values[0].item()) for values in sample_rows(form).values()] if len(form.ids) else []
    writer.writerows([number, *cells] for number in form.ids)
    return out.getvalue().encode()


def table_of(form: TableFormat, cells: Columns) -> bytes:
    """The bytes of a table with these cells, as written, in the order of the ids."""
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(form.header)
    writer.writerows(table_rows(form, cells))
    return out.getvalue().encode()


def table_rows(form: TableFormat, cells: Columns) -> Iterator[tuple[Any, ...]]:
    """The rows of a table with these cells, ids first; several of an id where the format allows them."""
    rows = zip(form.ids, *(cells[column.name].tolist() for column in form.columns), strict=True)
    if form.most_rows == 1:
        yield from rows
        return
    for one, *texts in rows:
        yield from ((one, *row) for row in zip(*map(cells_in, texts), strict=True))


def _shown(value: float | str) -> str:
    return str(int(value)) if isinstance(value, float) and value.is_integer() and abs(value) < 2**53 else str(value)
