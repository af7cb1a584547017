"""Shared by the commands that change something: the reason, the actor and the question."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from harness.cli import common
from harness.words import inert
from tasks.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


SHOWN = 50
"""The most details shown before a question."""

REASON = click.option("--reason", required=True, metavar="TEXT", help="Why; kept in the log.")
ACTOR = click.option(
    "--as", "name", metavar="NAME", help="Your name, for the log; default: `name` in config.toml, or your user name."
)
YES = click.option("--yes", is_flag=True, help="Do not ask.")


def agree(yes: bool, question: str, details: Sequence[str] = ()) -> None:
    """Asks for confirmation of a change, after up to `SHOWN` lines of detail; with --yes it neither asks nor shows."""
    if not yes:
        show_lines(details)
        common.confirm(question)


def show_lines(details: Sequence[str]) -> None:
    """Writes up to `SHOWN` lines of detail on stderr."""
    for line in details[:SHOWN]:
        click.echo(inert(line), err=True)
    if len(details) > SHOWN:
        click.echo(f"… and {len(details) - SHOWN} more", err=True)


def counted(number: int, one: str, many: str = "") -> str:
    return f"{number} {one if number == 1 else many or one + 's'}"


def read_file(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}.") from None
