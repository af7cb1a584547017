"""The commands for who runs a course: grade, audit, demo, doctor."""

from __future__ import annotations

import os
import sys
from contextlib import nullcontext
from typing import Any

import click

from harness.cli import common
from tasks.errors import UserError


@click.command()
@click.option("--pending", is_flag=True, required=True, help="Grade accepted submissions that have no score yet.")
@common.command
def grade(pending: bool) -> None:
    """Finish grading that a crash interrupted."""
    from harness.competition import prepared
    from harness.grading.accept import grade_pending
    from harness.grading.grader import grade_within
    from harness.grading.scoring import grade_here
    from harness.server.settings import read_settings
    from tasks.apart import Limits

    home = common.find_home()
    settings = read_settings(home)
    limits = Limits(settings.seconds, settings.memory_gb * 2**30)
    with grade_within(limits) if os.name == "posix" else nullcontext(grade_here) as grader:
        done = grade_pending(home, common.clock(), prepared(home), grader)
    for name, submission, result in done:
        click.echo(f"{name}: submission {submission} {result}")
    if not done:
        click.echo("nothing is waiting")


@click.group(cls=common.Group)
def audit() -> None:
    """Show the log of the course, and verify the integrity of all records."""


@audit.command()
@click.option("--hw", "homework", metavar="HW", help="Only what is about this homework.")
@click.option("--by", metavar="WHO", help="Only what this person or team did.")
@click.option("--kind", metavar="WORDS", help="Only events with these words in their kind, like `extended`.")
@click.option("--since", metavar="DAY", help="Only from this day on, like 2027-03-26.")
@click.option("--last", type=click.IntRange(min=0), default=50, show_default=True, metavar="N",
              help="The newest N; 0: all.")  # fmt: skip
@common.FORMAT
@common.command
def log(homework: str | None, by: str | None, kind: str | None, since: str | None, last: int, format: Any) -> None:
    """Show what was done, by whom and why, oldest first."""
    from harness.cli.entered import show_log

    show_log(common.find_home(), format, homework, by, kind, since, last)


@audit.command()
@common.command
def verify() -> None:
    """Check events, receipts, scores and files for tampering or damage."""
    from harness.grading.audit import verify as verify_home

    home = common.find_home()
    problems, counts = verify_home(home)
    if problems:
        raise UserError("\n".join(problems), code="E_AUDIT", exit_code=8)
    click.echo(", ".join(f"{number:,} {what}" for what, number in counts.items()) + ": all intact")


@click.command()
@click.option("--seed", type=int, metavar="N", help="Use repeatable data; default: new data from a new key.")
@common.command
def demo(seed: int | None) -> None:
    """Run a tour of everything in a new course, from data to board.

    With --home, the course is made in that folder and kept; without, in a temporary folder that is removed.
    """
    from pathlib import Path

    from click.core import ParameterSource

    from harness.cli.demo import run

    root = click.get_current_context().find_root()
    named = root.get_parameter_source("home") == ParameterSource.COMMANDLINE  # not LHY_GRADE_HOME, a course in use
    run(Path(root.obj).absolute() if named else None, seed)


@click.command()
@common.FORMAT
@common.command
def doctor(format: Any) -> None:
    """Check this installation, and the home folder or the login."""
    from harness.cli.doctor import examine
    from harness.cli.output import Field, emit

    rows = examine(common.find_home, sys.version_info[:3], common.remote())
    fields = [Field("what", "what"), Field("state", "state"), Field("detail", "detail")]
    emit(format, "checks", rows, fields)
    if any(row["state"] == "bad" for row in rows):
        raise UserError("the grader cannot work until the rows marked bad are fixed.", code="E_DOCTOR", exit_code=10)
