"""Everything once, with the same commands a person types, in a fresh temporary course."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import click


def run(seed: int | None) -> None:
    """Prepares HW1, trains two baselines, hands in four files and shows the board. The folder is kept.

    Raises UserError where a step does not end as it should.
    """
    from tasks.base import UserError

    begun = time.monotonic()
    home = Path(tempfile.mkdtemp(prefix="lhy-grade-demo-"))
    sample = home / "public" / "hw01" / "sample_submission.csv"
    broken = home / "broken.csv"
    fixed = [] if seed is None else ["--seed", str(seed)]
    _call(home, ["prepare", "hw1", *fixed])
    for level in ("simple", "strong"):
        _call(home, ["train", "hw1", "--level", level, "--submit"])
    _call(home, ["submit", "hw1", str(sample), "--as", "sample submission"])
    lines = sample.read_text(encoding="utf-8").splitlines()
    lines[3], lines[5], lines[7] = f"{lines[3]}x", lines[6], lines[7].replace(",", ",,")
    broken.write_text("\n".join(lines) + "\n", encoding="utf-8")
    if _call(home, ["submit", "hw1", str(broken), "--as", "broken file"]) != 3:
        raise UserError("the broken file should have been refused with exit code 3.", code="E_DEMO", exit_code=10)
    _call(home, ["leaderboard", "hw1", "--as", "sample submission"])
    click.echo(
        f"done in {time.monotonic() - begun:.0f} s; look around with: lhy-grade --home {home} leaderboard hw1", err=True
    )


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
