"""The board: participants ranked by exact scores, which are shown truncated, with the bars between them."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from harness.cli import common
from harness.cli.entered import show_histogram
from harness.cli.output import Field, emit, emit_json, say
from harness.course.entries import to_json
from harness.course.wording import with_bars
from harness.words import heat, interval, number, short_time, words
from tasks.errors import UserError

if TYPE_CHECKING:
    from harness.course.types import Board


@click.command()
@click.argument("homework", metavar="[HW]", required=False)
@click.option("--private", is_flag=True, help="The private board: after `reveal`, or with --unrevealed.")
@click.option("--unrevealed", is_flag=True, help="Show the private board before its reveal; this is logged.")
@common.VERSION
@click.option("--top", type=click.IntRange(min=1), metavar="N", help="Show only the first N places.")
@click.option(
    "--around",
    type=click.IntRange(min=1),
    is_flag=False,
    flag_value=5,
    metavar="N",
    help="Show your place with N above and below; without a number 5.",
)
@click.option("--find", metavar="TEXT", help="Show only names with this text.")
@click.option("--histogram", is_flag=True, help="For staff: how the scores of the public board are spread.")
@common.EXACT
@common.NAME
@common.FORMAT
@common.command
def leaderboard(
    homework: str | None,
    private: bool,
    unrevealed: bool,
    version: int | None,
    top: int | None,
    around: int | None,
    find: str | None,
    histogram: bool,
    exact: bool,
    name: str | None,
    format: Any,
) -> None:
    """Show the board of a homework, or all boards."""
    if sum(one is not None for one in (top, around, find)) > 1:
        raise UserError("choose one of --top, --around and --find.")
    if histogram:
        if homework is None:
            raise UserError("name one homework for --histogram.")
        show_histogram(common.desk(name), homework, format)
        return
    source = common.source(name)
    names = [homework] if homework else source.names()
    if not names:
        raise UserError(common.nothing_yet())
    if version is not None and homework is None:
        raise UserError("name a homework for --version.")
    if len(names) > 1 and format != "table":
        raise UserError(f"name one homework for --format {format}: {', '.join(names)}.")
    for each in names:
        try:
            found = source.board(each, private, unrevealed, exact, version)
        except UserError as error:
            if homework is not None or error.code != "E_NO_BOARD":
                raise
            continue  # a quiz
        _show(found, _choice(found, top, around, find), format, version)


def _choice(found: Board, top: int | None, around: int | None, find: str | None) -> range | list[int] | None:
    """The numbers of the places that are asked for, from 0; None for all."""
    if top is not None:
        return range(min(top, len(found.board)))
    if find is not None:
        return [at for at, row in enumerate(found.board) if find.casefold() in row.name.casefold()]
    if around is None:
        return None
    own = next((at for at, row in enumerate(found.board) if row.own), None)
    if own is None:
        raise UserError(f"you have no place on the board of {found.homework} yet.")
    return range(max(0, own - around), min(len(found.board), own + around + 1))


def _show(found: Board, chosen: range | list[int] | None, format: Any, version: int | None) -> None:
    rows = to_json(found.board if chosen is None else [found.board[at] for at in chosen])
    if format == "json":
        emit_json(to_json(found) | {"board": rows})
        return
    metric, *others = found.metrics
    private = found.side == "private"
    fields = [
        Field("rank", "#", right=True),
        Field("name", "name"),
        Field("score", metric.label, number(metric.digits), right=True),
        *(Field(other.name, other.label, number(other.digits), right=True) for other in others),
        Field("interval", "95 % interval", interval(metric.digits), rank=3),
        *(
            [Field("public_rank", "public #", right=True), Field("move", "move", lambda n: f"{n:+d}", right=True)]
            if private
            else []
        ),
        *([Field("model", "model")] if any("model" in row for row in rows) else []),
        Field("bars", "bars passed", words, rank=2),
        Field("entries", "entries", right=True, rank=1),
        Field("last", "last", short_time, rank=4),
    ]
    if format == "csv":
        emit(format, "board", rows, [*fields, Field("kind", "kind"), Field("submission", "submission")])
        return
    if any("matrix" in row for row in rows):
        fields.append(Field("matrix", "after each task", heat, rank=2))
    if all(row["interval"] is None for row in rows):
        fields = [field for field in fields if field.key != "interval"]
    rows = [row | {"mark": row["own"], "name": f"→ {row['name']}" if row["own"] else row["name"]} for row in rows]
    better = "higher" if metric.higher_is_better else "lower"
    title = f"{found.homework} · {found.title} · {found.side} board ({metric.label}, {better} is better)"
    if version is not None:
        title += f", data version {version}"
    if chosen is None:
        rows = with_bars(rows, found)
    emit(format, "board", rows, fields, title=title)
    if found.interval_note and any(field.key == "interval" for field in fields):
        say(found.interval_note)
    if found.size is not None and not found.bars:
        say(f"There are no measured bars for size {found.size}.")
    if not found.board:
        say(f"No submissions yet. Be the first: lhy-grade submit {found.homework} FILE")
    if found.demo and sys.stdout.isatty():
        say("Fixed seed: anyone can rebuild the answers; for practice only.")
