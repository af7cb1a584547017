"""The commands for the records of a course: grade, audit."""

from __future__ import annotations

import os
from contextlib import nullcontext
from typing import Any

import click

from harness.cli import common
from harness.cli.entered import show_log
from harness.competition import prepared
from harness.course.desk import LogQuestion
from harness.grading import audit as audits
from harness.grading.accept import grade_pending
from harness.grading.grader import grade_within
from harness.grading.scoring import grade_here
from harness.settings import read_settings
from tasks.errors import UserError


@click.command()
@click.option("--pending", is_flag=True, required=True, help="Grade accepted submissions that have no score yet.")
@common.command
def grade(pending: bool) -> None:
    """Finish grading that a crash interrupted."""
    home = common.find_home()
    with grade_within(read_settings(home).limits) if os.name == "posix" else nullcontext(grade_here) as grader:
        done = grade_pending(home, common.clock(), prepared(home), grader)
    for name, submission, result in done:
        click.echo(f"{name}: submission {submission} {result}")
    if not done:
        click.echo("nothing is waiting")


@click.group(cls=common.Group)
def audit() -> None:
    """Show the log, and verify the integrity of all records."""


@audit.command()
@click.option("--hw", "homework", metavar="HW", help="Only what is about this homework.")
@click.option("--by", metavar="WHO", help="Only what this person or team did.")
@click.option("--kind", metavar="WORDS", help="Only events with these words in their kind, like `extended`.")
@click.option("--since", metavar="DAY", help="Only from this day on, like 2027-03-26.")
@click.option(
    "--last", type=click.IntRange(min=0), default=50, show_default=True, metavar="N", help="The newest N; 0: all."
)
@common.FORMAT
@common.command
def log(homework: str | None, by: str | None, kind: str | None, since: str | None, last: int, format: Any) -> None:
    """Show what was done, by whom and why, oldest first."""
    asked = LogQuestion(homework or "", by or "", kind or "", since or "", last=last)
    show_log(common.desk(), format, asked)


@audit.command()
@common.command
def verify() -> None:
    """Check events, receipts, scores and files for tampering or damage."""
    home = common.find_home()
    problems, counts = audits.verify(home)
    if problems:
        raise UserError("\n".join(problems), code="E_AUDIT", exit_code=8)
    click.echo(", ".join(f"{number:,} {what}" for what, number in counts.items()) + ": all intact")
