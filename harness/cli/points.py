"""The command points: one's own, or for staff to list and enter those given by hand."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import click

from harness.cli import common
from harness.cli.changes import YES
from harness.cli.output import Field, emit, emit_json
from harness.course.entries import to_json
from tasks.errors import UserError


@click.command()
@click.argument("homework", metavar="[HW]", required=False)
@click.argument("key", metavar="[KEY]", required=False)
@click.argument("part", metavar="[PART]", required=False)
@click.argument("points", metavar="[N]", required=False)
@click.option(
    "--csv",
    "file",
    metavar="FILE",
    type=click.Path(),
    help="Points of many students: a CSV with id and a column for each part.",
)
@click.option(
    "--attachment",
    metavar="ID",
    type=click.IntRange(min=1, max=10**9),
    help="With KEY PART N: the latest second file, which they are for. In a CSV: a column attachment.",
)
@click.option("--list", "listed", is_flag=True, help="Staff: what was entered by hand for HW, by whom and why.")
@click.option("--reason", metavar="TEXT", help="Why points are entered; kept in the log.")
@common.NAME
@YES
@common.FORMAT
@common.command
def points(
    homework: str | None,
    key: str | None,
    part: str | None,
    points: str | None,
    file: str | None,
    attachment: int | None,
    listed: bool,
    reason: str | None,
    name: str | None,
    yes: bool,
    format: Any,
) -> None:
    """Show your points, or enter those given by hand.

    With HW and KEY PART N, or with --csv, staff enter points, and say why with --reason; the latest entry wins."""
    if listed:
        from harness.cli.entered import show_parts

        if homework is None or key is not None or file is not None:
            raise UserError("--list shows what was entered for one homework: lhy-grade points HW --list.")
        show_parts(common.desk(), homework, format)
        return
    if attachment is not None and key is None:
        raise UserError("--attachment goes with KEY PART N; in a CSV it is a column.")
    if key is None and file is None and reason is None and not yes:
        _show_own(homework, name, format)
        return
    if homework is None or reason is None:
        raise UserError("to enter points, name the homework, and say why: --reason TEXT.")
    from harness.cli.gradebook import enter

    enter(homework, key, part, points, file, attachment, reason, name, yes)


def _show_own(homework: str | None, name: str | None, format: Any) -> None:
    """Prints one's own points: a line for each homework, or for each bar and part of one."""
    found = common.source(name).points(homework)
    if format == "json":
        emit_json(to_json(found))
        return
    if homework is None:
        rows: list[dict[str, Any]] = [
            {
                "homework": one.homework,
                "place": one.place and one.place.rank,
                "private_place": one.private_place and one.private_place.rank,
                "public": _sum(one.public),
                "private": _sum(one.private or {}),
                "by hand": _sum(one.parts),
                "total": one.total,
                "of": one.maximum,
                "counts": "yes" if one.counts else "no",
            }
            for one in found.homeworks
        ]
        fields = [Field("homework", "homework"), *(Field(key, key, "{:g}".format, right=True) for key in POINTS)]
        fields += [
            Field(key, title, right=True) for key, title in PLACES if format == "csv" or any(row[key] for row in rows)
        ]
        if found.rule:
            fields.append(Field("counts", "counts"))
    else:
        (one,) = found.homeworks
        rows = [
            {"for": f"{bar} bar", "public": points, "private": (one.private or {}).get(bar)}
            for bar, points in one.public.items()
        ] + [{"for": part, "by hand": points} for part, points in one.parts.items()]
        fields = [Field("for", "for"), *(Field(key, key, "{:g}".format, right=True) for key in POINTS[:3])]
    more = f"; in the total {found.rule}" if found.rule else ""
    if homework is not None:
        for place, title in ((one.place, "public"), (one.private_place, "private")):
            more += f"; {title} place {place.rank} of {place.of}" if place else ""
    emit(format, "points", rows, fields, title=f"your points: {found.total:g} of {found.maximum:g}{more}")


def _sum(points: Mapping[str, float | None]) -> float | None:
    """The sum of what is known; None where nothing is."""
    known = [number for number in points.values() if number is not None]
    return math.fsum(known) if known else None


POINTS = ("public", "private", "by hand", "total", "of")
PLACES = (("place", "public #"), ("private_place", "private #"))
