"""The command `train`, with its progress bar."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from harness.cli import common
from tasks.errors import UserError

if TYPE_CHECKING:
    from pathlib import Path


LEVELS = ("simple", "medium", "strong", "boss")


@click.command()
@common.HW
@click.option("--level", required=True, type=click.Choice(LEVELS), help="Which baseline.")
@click.option("--seed", default=0, show_default=True, help="On a CPU, the same seed gives the same file.")
@click.option("--device", type=click.Choice(["auto", "cuda", "cpu"]), default="auto", help="Where to train.")
@click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Change a setting.")
@click.option("--submit", is_flag=True, help="Submit the result as the baseline of that level.")
@common.command
def train(homework: str, level: str, seed: int, device: str, overrides: tuple[str, ...], submit: bool) -> None:
    """Train a baseline, or resume an interrupted run."""
    from harness.competition import find_competition

    home = common.find_home()
    competition = find_competition(home, homework)
    written = train_with_progress(home, competition, level, seed, device, overrides)
    click.echo(str(written))
    if submit:
        submit_baseline(home, competition, f"baseline {level}", written)


def train_with_progress(
    home: Any, competition: Any, level: str, seed: int, device: str, overrides: tuple[str, ...]
) -> Path:
    """Trains one level in its run folder with a progress bar on stderr, and returns the submission file."""
    import hashlib

    from rich.console import Console

    from baselines import require_training
    from harness.cli.output import say
    from tasks.homeworks import module_of

    if module_of(competition.name) is None:
        raise UserError(f"{competition.name} has no baselines; only the homeworks of the course have them.")
    require_training()
    from baselines.common import train_level

    marks = hashlib.sha256(" ".join(sorted(overrides)).encode()).hexdigest()[:8] if overrides else ""
    label = "-".join(
        part for part in (level, competition.edition, f"v{competition.version}", f"seed{seed}", marks) if part
    )
    run = home.runs / competition.name / label
    title = f"{competition.name} {level}"
    with training_bar(Console(stderr=True)) as progress:
        bar = progress.add_task(title, total=None, note="")

        def show(done: int, total: int, values: Any) -> None:
            note = note_of(values, progress.console.width - len(title) - 2 * len(str(total)) - BAR - 14)
            progress.update(bar, completed=done, total=total, note=note)

        public = home.public(competition.name)
        try:
            written = train_level(
                competition.name, level, public, run, seed=seed, device=device, overrides=overrides,
                shared=run.parent / "shared", progress=show,
            )  # fmt: skip
        except KeyboardInterrupt:
            say("Stopped. Run the same command again to resume.")
            raise
        done = progress.tasks[0].completed or 1
        progress.update(bar, completed=done, total=done)  # early stopping ends before the last epoch
    for line in trained(run):
        say(line)
    return written


BAR = 16
"""The width of a training's progress bar, in characters."""


def training_bar(console: Any) -> Any:
    """A progress bar with a note, on one line of the terminal."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
    from rich.table import Column

    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=BAR),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}", markup=False, table_column=Column(no_wrap=True, overflow="ellipsis")),
        console=console,
    )


def note_of(values: Any, room: int) -> str:
    """The values of an epoch, those on held-out data first, as many as fit into `room` columns.

    >>> note_of({"train_loss": 0.5, "valid_accuracy": 0.75, "pseudo_labels": 0.0}, 32)
    'valid_accuracy 0.75'
    """
    note = ""
    for name in sorted(values, key=lambda name: "valid" not in name):
        longer = f"{note}  {name} {values[name]:.4g}".strip()
        if len(longer) <= room:
            note = longer
    return note


def trained(run: Path) -> list[str]:
    """The last lines of a training: its validation score, or its last values, and the path of its curves."""
    import json

    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    lines = []
    if rows:
        last = {name: value for name, value in rows[-1].items() if name != "epoch"}
        held = {name: value for name, value in last.items() if "valid" in name}
        shown = ", ".join(f"{name.replace('_', ' ')} {value:.5g}" for name, value in (held or last).items())
        lines.append(f"after {rows[-1]['epoch']} epochs: {shown}")
    if (run / "curves.png").exists():
        lines.append(f"learning curves: {run / 'curves.png'}")
    return lines


def submit_baseline(home: Any, competition: Any, name: str, file: Path) -> None:
    """Submits a baseline's file, outside of any quota, and prints its public score."""
    from harness.grading.accept import submit as submit_file
    from harness.shown import shown
    from harness.words import number

    done = submit_file(
        home, competition.name, file, participant=name, now=common.clock(), kind="baseline", limited=False
    )
    for score, card in zip(done.grade.scores, competition.metrics, strict=True):
        click.echo(f"{name}: public {card.label} {number(card.digits)(shown(score.public, card.digits))}")
