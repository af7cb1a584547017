"""Output: rows as a table for people, or as JSON or CSV for programs. Data go to stdout, messages to stderr."""

from __future__ import annotations

import csv
import io
import json
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import click

from harness.sheets import cell
from harness.words import inert

Row = Mapping[str, Any]
OutputFormat = Literal["table", "json", "csv"]


SHORT = 12
"""A column of at most this many characters is never cut."""
WRAPPED, NARROWEST = 16, 8
"""Others are left out before a column of texts that wrap has less room than the first; any has at least the second."""


@dataclass(frozen=True)
class Field:
    """One column of a table. On a narrow terminal, fields of the highest `rank` are left out first.

    Texts that may be long `wrap`: they go over several lines and are not cut.
    """

    key: str
    title: str
    show: Callable[[Any], str] = str
    right: bool = False
    rank: int = 0
    wrap: bool = False


def emit(format: OutputFormat, name: str, rows: Sequence[Row], fields: Sequence[Field], **more: Any) -> None:
    """Writes rows to stdout; `more` are further values of the JSON object, and a `title` for the table.

    A row with a true `mark` value is highlighted; a row with a true `divider` value is a line between the others.
    """
    title = more.pop("title", None)
    if format == "json":
        shown = [{k: v for k, v in row.items() if k not in ("mark", "divider")} for row in rows]
        emit_json({"schema": 1, **more, name: shown})
    elif format == "csv":
        stream = io.StringIO()
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(_csv_cell(field.key) for field in fields)
        writer.writerows([_csv_cell(row.get(field.key)) for field in fields] for row in rows)
        click.echo(stream.getvalue(), nl=False)
    else:
        _table(rows, fields, title)


def emit_json(values: Any) -> None:
    """Writes one JSON value to stdout. Raises ValueError for a number that is not finite."""
    click.echo(json.dumps(values, allow_nan=False, indent=2))


def _csv_cell(value: Any) -> Any:
    """A cell that no spreadsheet reads as a formula; numbers keep all their digits."""
    if isinstance(value, (list, tuple)):
        value = " ".join(str(part) for part in value)
    if isinstance(value, str):
        return cell(inert(value))
    return "" if value is None else repr(value) if isinstance(value, float) else value


def _table(rows: Sequence[Row], fields: Sequence[Field], title: str | None) -> None:
    """Prints a table, leaving out the fields of the highest ranks if it is too wide."""
    from rich.console import Console
    from rich.measure import Measurement
    from rich.text import Text

    width = shutil.get_terminal_size((120, 24)).columns
    console = Console(file=sys.stdout, width=width, highlight=False)
    kept = list(fields)
    while True:
        table = _rich_table(rows, kept)
        worst = max(kept, key=lambda field: field.rank)
        narrow = _rich_table(rows, kept, most=WRAPPED)
        if worst.rank == 0 or Measurement.get(console, console.options.update(width=10**4), narrow).maximum <= width:
            break
        kept.remove(worst)
    with console.capture() as shown:  # rich would end the program if the output is closed
        if title:
            console.print(Text(inert(title), style="bold"))
        console.print(table)
    click.echo(shown.get(), nl=False)


def _rich_table(rows: Sequence[Row], fields: Sequence[Field], most: int | None = None) -> Any:
    """The table; of texts that wrap only the first `most` characters."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    lines = [["" if row.get(f.key) is None else inert(f.show(row[f.key])) for f in fields] for row in rows]
    lines = [[text[:most] if f.wrap else text for f, text in zip(fields, line, strict=True)] for line in lines]
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for place, field in enumerate(fields):
        width = max((len(line[place]) for line in lines), default=0)
        width = max(width, len(field.title))
        side: Literal["right", "left"] = "right" if field.right else "left"
        kept = field.right or (width <= SHORT and not field.wrap)  # numbers and short words are never cut, names may be
        table.add_column(
            Text(inert(field.title)),
            justify=side,
            no_wrap=kept,  # to rich: it does not get narrower
            overflow="fold" if field.wrap else "ellipsis",
            min_width=width if kept else min(width, NARROWEST),
        )
    for row, line in zip(rows, lines, strict=True):
        style = "bold" if row.get("mark") else "cyan" if row.get("divider") else ""
        table.add_row(*(Text(cell, no_wrap=not f.wrap) for f, cell in zip(fields, line, strict=True)), style=style)
    return table


def say(text: str) -> None:
    """Prints a message on stderr, with text from outside made inert."""
    click.echo("\n".join(inert(line) for line in text.split("\n")), err=True)
