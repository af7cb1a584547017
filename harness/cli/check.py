"""The command check, which a notebook shares."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from harness import answers
from harness.cli import common
from harness.cli.hand_in import valid_line
from harness.cli.output import emit_json, say
from harness.grading import scoring
from harness.words import inert
from tasks.errors import UserError
from tasks.homeworks import canonical, find_task, unknown

if TYPE_CHECKING:
    from harness.competition import Competition
    from harness.course.types import Course


def check_with(
    source: Course, homework: str, path: Path, say: Callable[[str], None]
) -> tuple[Competition, tuple[str, ...], tuple[str, ...]]:
    """Checks a file as `submit` does. Returns the competition, the notes that `say` already got, and the others."""
    competition = source.competition(homework, say)
    source.refuse_stale(competition, path)
    other = answers.other_judge(competition)
    if other is not None:
        say(other)
    checked = scoring.check(path, competition.format, answers.find_judge(competition), source.public(competition))
    return competition, () if other is None else (other,), tuple(checked.notes)


@click.command()
@common.HW
@common.FILE
@click.option("--edition", metavar="YEAR", help="Check against the course's format of that year; needs no data.")
@common.FORMAT
@common.command
def check(homework: str, file: str, edition: str | None, format: Any) -> None:
    """Check a file as `submit` does, without recording anything."""
    if edition is None:
        competition, said, notes = check_with(common.source(named=False), homework, Path(file), say)
        name, form, edition = competition.name, competition.format, competition.edition
    else:
        name = canonical(homework)
        task = find_task(name)
        if task is None:
            raise unknown(name)
        form, judge, public = task.edition(edition).format, task.edition(edition).judge, None
        if not len(form):
            raise UserError(f"edition {edition} has no format until `prepare` draws its data; leave out --edition.")
        said, notes = (), scoring.check(Path(file), form, judge, public).notes
    rows = len(form)
    if format == "json":
        body = {"schema": 1, "valid": True, "homework": name, "edition": edition, form.unit: rows}
        emit_json(body | {"notes": [*said, *notes]})
    elif format == "csv":
        click.echo(inert(f"valid,homework,edition,{form.unit}") + "\n" + inert(f"True,{name},{edition},{rows}"))
    else:
        click.echo(valid_line(form, name, edition))
        for note in notes:
            say(note)
