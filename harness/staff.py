"""The commands for instructors, and `demo` and `doctor`."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

import click

from harness import options
from tasks.errors import UserError
from tasks.formats import QuizFormat

if TYPE_CHECKING:
    from pathlib import Path

LEVELS = ("simple", "medium", "strong", "boss")


@click.command()
@options.HW
@click.option("--edition", metavar="NAME", help="A year of the course, or the built-in data (default).")
@click.option("--from", "source", metavar="DIR-OR-ARCHIVE", type=click.Path(), help="The course's own files.")
@click.option(
    "--size", type=click.Choice(["small", "full"]), default="small", help="The amount of built-in data to make."
)
@click.option("--seed", type=int, metavar="N", help="Make data that anyone can rebuild: for demos and tests only.")
@click.option("--new-data", is_flag=True, help="Replace the data; the old board stays readable.")
@click.option("--reason", default="", metavar="TEXT", help="Why the data are replaced; kept in the log.")
@click.option("--accept-leaks", is_flag=True, help="Continue even if a leak check finds something.")
@options.NAME
@click.option("--yes", is_flag=True, help="Do not ask.")
@options.command
def prepare(
    homework: str,
    edition: str | None,
    source: str | None,
    size: str,
    seed: int | None,
    new_data: bool,
    reason: str,
    accept_leaks: bool,
    name: str | None,
    yes: bool,
) -> None:
    """Prepare a homework: its data, hidden answers and split."""
    from pathlib import Path

    from harness.prepare import plan_homework

    plan = plan_homework(homework, edition, Path(source) if source else None, size)
    _prepare(plan, seed, new_data, reason, accept_leaks, name, yes)


def _prepare(
    plan: Any, seed: int | None, new_data: bool, reason: str, accept_leaks: bool, name: str | None, yes: bool
) -> None:
    from harness.course import agree
    from harness.prepare import hidden_by_new_data
    from harness.prepare import prepare as make
    from harness.render import say

    home = options.find_home()
    if new_data and (hides := hidden_by_new_data(home, plan.name, reason)) is not None:
        for line in hides.lines() if yes else ():  # --yes skips the question alone
            say(line)
        agree(yes, f"Replace the data of {plan.name}?", hides.lines())
    done = make(
        home, plan, seed=seed, new_data=new_data, reason=reason, accept_leaks=accept_leaks, now=options.clock(),
        actor=options.who(home, name) if new_data else "instructor",
    )  # fmt: skip
    for file in done.restored:
        say(f"restored: {file}")
    _draw(plan.name, done.folder, anew=bool(done.restored))
    if done.already:
        version = done.competition.version
        click.echo(f"{plan.name} is already prepared: same data, version {version}. To replace them, add --new-data")
        return
    parts = f"{done.n_public:,} public and {done.n_private:,} private hidden rows"
    form = done.competition.format
    if isinstance(form, QuizFormat):
        parts = f"{len(form)} questions, {form.points:g} points; they open after {done.competition.rules.deadline}"
    elif not done.competition.two_boards:
        parts = f"{done.n_public:,} rows, all on the single public board"
    ignored = f", {done.n_ignored:,} not scored" if done.n_ignored else ""
    click.echo(
        f"{done.competition.name} is ready, edition {done.competition.edition}, version {done.competition.version}:"
        f" {parts}{ignored}"
    )
    for note in done.notes:
        say(note[:1].upper() + note[1:])
    for warning in done.warnings:
        say(f"accepted: {warning}")
    if seed is not None:
        say(f"Made with --seed {seed}: anyone can rebuild the answers; for demos and tests only.")
    say(f"Give students {done.folder}; never share anything else in {home.root}.")


def _draw(name: str, folder: Path, *, anew: bool) -> None:
    """Puts the picture of a homework's data beside them; where that cannot be, says so, and goes on."""
    from harness.render import say
    from harness.show import DRAWN, find_picture, show

    if name not in DRAWN or (not anew and find_picture(folder) is not None):
        return
    try:
        show(folder)
    except Exception as error:  # whatever it is, the data are there
        why = str(error).partition("\n")[0] if isinstance(error, UserError) else repr(error)
        say(f"There is no picture of the data: {why}")


@click.command()
@click.argument("competition", metavar="NAME")
@click.option("--solution", type=click.Path(exists=True, dir_okay=False),
              help="CSV: id, answer columns and optionally Usage (Public/Private/Ignored).")  # fmt: skip
@click.option("--metric", help="rmse, mse, mae, accuracy, exact_match, auc, or a Python file with score().")
@click.option("--quiz", metavar="KEY", type=click.Path(exists=True, dir_okay=False),
              help="A quiz, from a CSV: question, options, answer, points.")  # fmt: skip
@click.option("--deadline", metavar="TIME", help="The deadline of a quiz, like 2027-03-26T23:59+08:00.")
@click.option("--public", type=click.Path(), metavar="DIR", help="The files for students.")
@click.option("--title", help="The title on the board.")
@click.option("--higher-is-better/--lower-is-better", default=None, help="Which scores are better, for a metric file.")
@click.option("--public-share", default=0.5, show_default=True, help="The public share of the rows, without Usage.")
@click.option("--new-data", is_flag=True, help="Replace the data; the old board stays readable.")
@click.option("--reason", default="", metavar="TEXT", help="Why the data are replaced; kept in the log.")
@click.option("--accept-leaks", is_flag=True, help="Continue even if a leak check finds something.")
@options.NAME
@click.option("--yes", is_flag=True, help="Do not ask.")
@options.command
def new(
    competition: str,
    solution: str | None,
    metric: str | None,
    quiz: str | None,
    deadline: str | None,
    public: str | None,
    title: str | None,
    higher_is_better: bool | None,
    public_share: float,
    new_data: bool,
    reason: str,
    accept_leaks: bool,
    name: str | None,
    yes: bool,
) -> None:
    """Create your own competition, or a quiz.

    A competition is made from a solution file and a metric, a quiz from its key.
    """
    from pathlib import Path

    from harness.prepare import plan_own

    if quiz is not None:
        from harness.quiz import plan_quiz

        given = {"--solution": solution, "--metric": metric, "--public": public, "--higher-is-better": higher_is_better}
        if strange := [option for option, value in given.items() if value is not None]:
            raise UserError(f"a quiz is made from its key alone; leave out {', '.join(strange)}.")
        key, now = Path(quiz), options.clock()
        quiz_plan = plan_quiz(options.find_home(), competition, key, title=title, deadline=deadline, now=now)
        _prepare(quiz_plan, None, new_data, reason, accept_leaks, name, yes)
        return
    if solution is None or metric is None:
        raise UserError("name the solution and the metric (--solution FILE --metric METRIC), or a quiz (--quiz KEY).")
    if deadline is not None:
        raise UserError(f"--deadline is for quizzes; here: lhy-grade rules {competition} deadline={deadline}")
    plan = plan_own(
        competition,
        Path(solution),
        metric,
        title=title,
        public=Path(public) if public else None,
        higher_is_better=higher_is_better,
        public_share=public_share,
    )
    _prepare(plan, None, new_data, reason, accept_leaks, name, yes)


@click.command()
@options.HW
@click.option("--level", required=True, type=click.Choice(LEVELS), help="Which baseline.")
@click.option("--seed", default=0, show_default=True, help="On a CPU, the same seed gives the same file.")
@click.option("--device", type=click.Choice(["auto", "cuda", "cpu"]), default="auto", help="Where to train.")
@click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Change a setting.")
@click.option("--submit", is_flag=True, help="Submit the result as the baseline of that level.")
@options.command
def train(homework: str, level: str, seed: int, device: str, overrides: tuple[str, ...], submit: bool) -> None:
    """Train a baseline, or resume an interrupted run."""
    from harness.competition import find_competition

    home = options.find_home()
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
    from harness.render import say
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
    from harness.grading import submit as submit_file
    from harness.render import number
    from harness.shown import shown

    done = submit_file(
        home, competition.name, file, participant=name, now=options.clock(), kind="baseline", limited=False
    )
    for score, card in zip(done.grade.scores, competition.metrics, strict=True):
        click.echo(f"{name}: public {card.label} {number(card.digits)(shown(score.public, card.digits))}")


@click.command()
@click.option("--pending", is_flag=True, required=True, help="Grade accepted submissions that have no score yet.")
@options.command
def grade(pending: bool) -> None:
    """Finish grading that a crash interrupted."""
    from harness.competition import prepared
    from harness.grading import grade_here, grade_pending
    from harness.server.settings import read_settings
    from harness.worker import Limits, grade_within

    home = options.find_home()
    settings = read_settings(home)
    limits = Limits(settings.seconds, settings.memory_gb * 2**30)
    grader = grade_within(limits) if os.name == "posix" else grade_here
    done = grade_pending(home, options.clock(), prepared(home), grader)
    for name, submission, result in done:
        click.echo(f"{name}: submission {submission} {result}")
    if not done:
        click.echo("nothing is waiting")


@click.command()
@options.HW
@click.option("--reason", required=True, metavar="TEXT", help="Why now; kept in the log.")
@options.NAME
@click.option("--yes", is_flag=True, help="Do not ask.")
@options.command
def reveal(homework: str, reason: str, name: str | None, yes: bool) -> None:
    """Show the private board to everyone; this cannot be undone."""
    from harness.competition import find_competition, read_versions, refuse_one_board
    from harness.home import local
    from harness.render import in_words, say
    from harness.rules import last_closing
    from leaderboard import store
    from leaderboard.roster import checked_reason

    home, now = options.find_home(), options.clock()
    competition = find_competition(home, homework)
    refuse_one_board(competition)
    reason = checked_reason(reason)
    with home.database() as database:
        opened = store.revealed(database, competition.key)
        if opened is not None:
            click.echo(f"the private board of {competition.name} was revealed at {local(home, opened)}")
            return
        end = last_closing(database, competition)
        if end is None:
            say(f"{competition.name} has no deadline; submissions after the reveal are only practice.")
        elif now <= end:
            say(
                f"Students can still submit until {local(home, end)}, {in_words(end - now)} from now; after the reveal"
                " all submissions are only practice."
            )
        waiting = store.pending(database, {competition.key: read_versions(home, competition, database)})
        if waiting:
            say(f"{len(waiting)} submissions have no score yet; the board will change when they are graded.")
        if not yes:
            early = f" {in_words(end - now)} before the deadline" if end is not None and now <= end else ""
            options.confirm(f"Show the private scores of {competition.name} to everyone{early}?")
        store.reveal(database, competition.key, options.who(home, name), reason, options.clock())
    click.echo(f"{competition.name}: the private board is revealed; lhy-grade leaderboard {competition.name} --private")


@click.group(cls=options.Group)
def audit() -> None:
    """Verify the integrity of all records."""


@audit.command()
@options.command
def verify() -> None:
    """Check events, receipts, scores and files for tampering or damage."""
    from harness.audit import verify as verify_home

    home = options.find_home()
    problems, counts = verify_home(home)
    if problems:
        raise UserError("\n".join(problems), code="E_AUDIT", exit_code=8)
    click.echo(", ".join(f"{number:,} {what}" for what, number in counts.items()) + ": all intact")


@click.command()
@click.option("--seed", type=int, metavar="N", help="Use repeatable data; default: new data from a new key.")
@options.command
def demo(seed: int | None) -> None:
    """Run a tour of everything in a new course, from data to board.

    With --home, the course is made in that folder and kept; without, in a temporary folder that is removed.
    """
    from pathlib import Path

    from click.core import ParameterSource

    from harness.demo import run

    root = click.get_current_context().find_root()
    named = root.get_parameter_source("home") == ParameterSource.COMMANDLINE  # not LHY_GRADE_HOME, a course in use
    run(Path(root.obj).absolute() if named else None, seed)


@click.command()
@options.FORMAT
@options.command
def doctor(format: Any) -> None:
    """Check this installation, and the home folder or the login."""
    from harness.doctor import examine
    from harness.render import Field, emit

    rows = examine(options.find_home, sys.version_info[:3], options.remote())
    fields = [Field("what", "what"), Field("state", "state"), Field("detail", "detail")]
    emit(format, "checks", rows, fields)
    if any(row["state"] == "bad" for row in rows):
        raise UserError("the grader cannot work until the rows marked bad are fixed.", code="E_DOCTOR", exit_code=10)
