"""The command `train`, with its progress bar."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

import baselines
from harness import sweep
from harness.cli import common
from harness.cli.changes import ACTOR, YES, agree
from harness.cli.cluster import join_cluster
from harness.cli.output import Field, emit, say
from harness.competition import find_competition
from harness.course.bars import set_bars
from harness.grading.accept import submit as submit_file
from harness.shown import shown
from harness.words import number
from leaderboard.roster import checked_reason
from tasks.errors import UserError
from tasks.homeworks import packages_of

if TYPE_CHECKING:
    from pathlib import Path


LEVELS = ("simple", "medium", "strong", "boss")


SEEDS = click.option("--seeds", metavar="A-B", help="The first and the last seed.")
JOBS = click.option(
    "--jobs", type=click.IntRange(0, 256), default=0, metavar="N",
    help="Trainings at a time on this machine; default: as many as it has processors for, one on a GPU.",
)  # fmt: skip
RAY = click.option("--ray", "address", metavar="ADDRESS", help="Train on this Ray cluster.")
DEVICE = click.option("--device", type=click.Choice(["auto", "cuda", "cpu"]), default="auto", help="Where to train.")


@click.command()
@common.HW
@click.option("--level", type=click.Choice(LEVELS), help="Which baseline.")
@click.option("--levels", metavar="LEVELS", help="Several, side by side: all, or simple,medium.")
@click.option("--seed", default=0, show_default=True, help="On a CPU, the same seed gives the same file.")
@SEEDS
@DEVICE
@click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Change a setting of one training.")
@click.option("--submit", is_flag=True, help="Submit the result as the baseline of that level.")
@JOBS
@RAY
@common.command
def train(
    homework: str,
    level: str | None,
    levels: str | None,
    seed: int,
    seeds: str | None,
    device: str,
    overrides: tuple[str, ...],
    submit: bool,
    jobs: int,
    address: str | None,
) -> None:
    """Train a baseline, or resume an interrupted run.

    With --levels or --seeds, several are trained side by side, here or on a Ray cluster."""
    if (level is None) == (levels is None):
        raise click.UsageError("Give --level, or --levels for several.")
    home = common.find_home()
    competition = find_competition(home, homework)
    if level is None or seeds is not None or address is not None:
        if submit or overrides:
            raise click.UsageError("--submit and --set go with one --level and one --seed.")
        train_many(home, competition, levels_of(levels or str(level)), seeds_of(seeds, seed), device, jobs, address)
        return
    written = train_with_progress(home, competition, level, seed, device, overrides)
    click.echo(str(written))
    if submit:
        submit_baseline(home, competition, f"baseline {level}", written)


@click.command()
@common.HW
@click.option("--levels", default="all", show_default=True, metavar="LEVELS", help="All, or simple,medium.")
@SEEDS
@DEVICE
@JOBS
@RAY
@click.option("--set-bars", "writing", is_flag=True, help="Make the means the bars, before a file is handed in.")
@click.option("--reason", default="", metavar="TEXT", help="Why the bars are set; kept in the log.")
@ACTOR
@YES
@common.FORMAT
@common.command
def calibrate(
    homework: str,
    levels: str,
    seeds: str | None,
    device: str,
    jobs: int,
    address: str | None,
    writing: bool,
    reason: str,
    name: str | None,
    yes: bool,
    format: Any,
) -> None:
    """For instructors: what each level scores on your data.

    Shown are means and standard deviations over the seeds, exact and of both boards, so they are for staff alone.
    Nothing is submitted. With --set-bars, each board's means become its bars, until the first file is handed in.
    """
    home = common.find_home()
    competition, wanted = find_competition(home, homework), levels_of(levels)
    if writing:
        checked_reason(reason)
        agree(yes, f"{competition.key}: train {', '.join(wanted)}, and make their scores the bars?")
    trained = train_many(home, competition, wanted, seeds_of(seeds, 0), device, jobs, address, told=False)
    found = sweep.spreads(home, competition, trained, wanted)
    if writing:
        set_bars(home, competition, found, common.who(home, name), reason, common.clock())
        say(f"The bars of {competition.key} are now those of its levels; see: lhy-grade leaderboard {homework}")
    digits = {metric.name: metric.digits for metric in competition.metrics}
    labels = {metric.name: metric.label for metric in competition.metrics}
    rows = [
        row
        | {
            f"{board}_shown": " ± ".join(
                f"{value:.{digits[row['metric']]}f}" for value in (row[board], row[f"{board}_spread"])
            )
            for board in ("public", "private")
            if row[board] is not None
        }
        for row in sweep.rows(found)
    ]
    if format != "table":
        rows = [{key: value for key, value in row.items() if not key.endswith("_shown")} for row in rows]
    shown = "_shown" if format == "table" else ""
    fields = [
        Field("level", "level"),
        Field("metric", "metric", labels.__getitem__ if shown else str),
        Field("seeds", "seeds", right=True),
        Field(f"public{shown}", "public", right=True),
        *([] if shown else [Field("public_spread", "spread")]),
        Field(f"private{shown}", "private", right=True),
        *([] if shown else [Field("private_spread", "spread")]),
    ]
    emit(format, "levels", rows, fields, homework=competition.name, edition=competition.edition)


def levels_of(text: str) -> tuple[str, ...]:
    """The levels that --levels names, in their order. Raises UserError for an unknown one."""
    named = LEVELS if text == "all" else tuple(text.split(","))
    if unknown := [name for name in named if name not in LEVELS]:
        raise UserError(f"--levels: there is no level {unknown[0]!r}; the levels are: {', '.join(LEVELS)}.")
    return tuple(level for level in LEVELS if level in named)


def seeds_of(text: str | None, one: int) -> tuple[int, ...]:
    """The seeds that --seeds names, from A to B; only `one` without it. Raises UserError for anything else."""
    if text is None:
        return (one,)
    first, _, last = text.partition("-")
    if not first.isdecimal() or not (last or first).isdecimal() or int(last or first) < int(first):
        raise UserError(f"--seeds must be like 0-4, the first and the last seed; got {text!r}.")
    return tuple(range(int(first), int(last or first) + 1))


def train_many(
    home: Any,
    competition: Any,
    levels: tuple[str, ...],
    seeds: tuple[int, ...],
    device: str,
    jobs: int,
    address: str | None,
    told: bool = True,
) -> list[Any]:
    """Trains levels and seeds side by side with a line for each that ends; raises UserError if one has failed."""
    if packages_of(competition.name) is None:
        raise UserError(f"{competition.name} has no baselines; only homeworks have them.")
    baselines.require_training()
    if address is not None:
        join_cluster(address)
    done, total = [], len(levels) * len(seeds)
    for one in sweep.sweep(home, competition, levels, seeds, device, jobs, address is not None):
        done.append(one)
        what = f"{len(done)} of {total}: {competition.name} {one.level}, seed {one.seed}"
        say(f"{what}: {one.error}" if one.file is None else what)
        if told and one.file is not None:
            click.echo(str(one.file))
    failed = sum(one.file is None for one in done)
    if failed and told:
        raise UserError(f"{failed} of {total} trainings failed; the same command tries them again.")
    return done


def train_with_progress(
    home: Any, competition: Any, level: str, seed: int, device: str, overrides: tuple[str, ...]
) -> Path:
    """Trains one level in its run folder with a progress bar on stderr, and returns the submission file."""
    import hashlib

    from rich.console import Console

    if packages_of(competition.name) is None:
        raise UserError(f"{competition.name} has no baselines; only homeworks have them.")
    baselines.require_training()
    from baselines.common import train_level

    marks = hashlib.sha256(" ".join(sorted(overrides)).encode()).hexdigest()[:8] if overrides else ""
    run = sweep.run_folder(home, competition, level, seed, marks)
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
    done = submit_file(home, competition, file, participant=name, now=common.clock(), kind="baseline", limited=False)
    for score, card in zip(done.grade.scores, competition.metrics, strict=True):
        click.echo(f"{name}: public {card.label} {number(card.digits)(shown(score.public, card.digits))}")
