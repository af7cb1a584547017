"""Columns of tables in which an id may have several rows: one text for each id, with the cells of its rows.

Each cell ends in a line feed, which no cell of a submission has, so that no row and one row with an empty cell differ.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy.typing import NDArray

MOST_ROWS = 1000
"""The most rows of an id."""


def joined(cells: Iterable[str]) -> str:
    """The text of an id.

    >>> joined(["0.5", ""]), joined([])
    ('0.5\\n\\n', '')
    """
    return "".join(f"{cell}\n" for cell in cells)


def cells_in(text: str) -> list[str]:
    """The inverse of `joined`."""
    return text.split("\n")[:-1]


def by_id(ids: Sequence[str], rows_of: Mapping[str, Sequence[Sequence[str]]], at: int) -> NDArray[Any]:
    """The cells in column `at` of the rows of each id, as objects (n,)."""
    import numpy as np

    found = np.empty(len(ids), dtype=object)
    found[:] = [joined(row[at] for row in rows_of.get(one, ())) for one in ids]
    return found


def is_repeated(columns: Sequence[Sequence[str]], most: int) -> bool:
    """Whether texts of several columns, in the order of the ids, can be those of rows, at most so many for an id."""
    for texts in zip(*columns, strict=True):
        counts = {text.count("\n") for text in texts}
        if len(counts) > 1 or not max(counts) <= most or any(text and not text.endswith("\n") for text in texts):
            return False
    return True
