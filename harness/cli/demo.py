"""The command demo: a tour of everything in a new course, with the commands that a person types."""

from __future__ import annotations

import shlex
import tempfile
import time
from pathlib import Path

import click
from click.core import ParameterSource

from harness.cli import common
from tasks.errors import UserError


@click.command()
@click.option("--seed", type=int, metavar="N", help="Use repeatable data; default: new data from a new key.")
@common.command
def demo(seed: int | None) -> None:
    """Run a tour of everything in a new course, from data to board.

    With --home, the course is made in that folder and kept; without, in a temporary folder that is removed.
    """
    root = click.get_current_context().find_root()
    named = root.get_parameter_source("home") == ParameterSource.COMMANDLINE  # not LHY_GRADE_HOME, a course in use
    run(Path(root.obj).absolute() if named else None, seed)


def run(home: Path | None, seed: int | None) -> None:
    """Prepares HW1, trains two baselines, submits four files and shows the board.

    The course is made in `home`, which must be empty or missing; without it, in a temporary folder that is removed.
    Raises UserError if a step does not end as expected.
    """
    begun = time.monotonic()
    if home is None:
        with tempfile.TemporaryDirectory(prefix="lhy-grade-demo-", ignore_cleanup_errors=True) as folder:
            _show(Path(folder), seed)
        after = "This course was temporary; to keep one: lhy-grade --home DIR demo"
    else:
        if home.exists() and (not home.is_dir() or any(home.iterdir())):
            raise UserError(
                f"{home} is not empty; the demo makes a new course: name another folder with --home.",
                code="E_EXISTS",
                exit_code=8,
            )
        _show(home, seed)
        after = f"Look around: lhy-grade --home {shlex.quote(str(home))} leaderboard hw1"
    click.echo(f"Done in {time.monotonic() - begun:.0f} s. {after}", err=True)


def _show(home: Path, seed: int | None) -> None:
    """Runs all steps in a new home."""
    sample = home / "public" / "hw01" / "sample_submission.csv"
    broken = home / "broken.csv"
    fixed = [] if seed is None else ["--seed", str(seed)]
    _call(home, ["prepare", "hw1", *fixed])
    for level in ("medium", "strong"):
        _call(home, ["train", "hw1", "--level", level, "--submit"])
    _call(home, ["submit", "hw1", str(sample), "--as", "sample submission"])
    lines = sample.read_text(encoding="utf-8").splitlines()
    lines[3], lines[5], lines[7] = f"{lines[3]}x", lines[6], lines[7].replace(",", ",,")
    broken.write_text("\n".join(lines) + "\n", encoding="utf-8")
    if _call(home, ["submit", "hw1", str(broken), "--as", "broken file"]) != 3:
        raise UserError("the broken file should have been refused with exit code 3.", code="E_DEMO", exit_code=10)
    _call(home, ["leaderboard", "hw1", "--as", "sample submission"])


def _call(home: Path, words: list[str]) -> int:
    """Shows a command, runs it in this process, and returns its exit code; any code but 0 and 3 ends the demo."""
    command = click.get_current_context().find_root().command
    click.echo(err=True)
    shown = " ".join(f'"{word}"' if " " in word else word for word in words)
    click.echo(click.style(f"$ lhy-grade {shown}", bold=True), err=True)
    code = command.main(["--home", str(home), *words], prog_name="lhy-grade", standalone_mode=False)
    if code not in (None, 0, 3):
        raise click.exceptions.Exit(code)
    return code or 0
