"""Rows of the database, by the names of their columns, and the dataclasses made of them."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import fields
from functools import lru_cache
from typing import Any, TypeVar

from leaderboard.receipts import from_microseconds

Row = dict[str, Any]
"""A row by the names of its columns."""

T = TypeVar("T")


def made(kind: type[T], row: Row) -> T:
    """The dataclass of a row that has a column for each of its fields, and no others.

    Columns become what the fields are: numbers instants or booleans, and JSON lists of texts tuples.
    """
    return kind(**row | {name: read(row[name]) for name, read in _readers(kind)})  # type: ignore[arg-type]


@lru_cache(maxsize=64)
def _readers(kind: Any) -> tuple[tuple[str, Callable[[Any], Any]], ...]:
    return tuple((field.name, _READ[field.type]) for field in fields(kind) if field.type in _READ)


@lru_cache(maxsize=1024)
def _texts(stored: str | None) -> tuple[str, ...]:
    return tuple(json.loads(stored)) if stored else ()


_READ: dict[Any, Callable[[Any], Any]] = {
    "bool": bool,
    "datetime": from_microseconds,
    "datetime | None": lambda at: None if at is None else from_microseconds(at),
    "tuple[str, ...]": _texts,
}
"""How a column becomes a field, by the type of the field as it is written."""
