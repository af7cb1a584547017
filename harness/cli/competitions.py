"""The commands that make, open and end a competition: prepare, new, reveal."""

from __future__ import annotations

import os
from contextlib import nullcontext, suppress
from typing import TYPE_CHECKING, Any

import click

from harness import plans
from harness.answers import load_answers, read_hidden, refuse_changed_source
from harness.cli import common
from harness.cli.changes import SHOWN, agree
from harness.cli.output import say
from harness.competition import find_competition
from harness.course.desk import How
from harness.extras import Extras, refuse_passed
from harness.folders import export as write_folder
from harness.folders import read_folder
from harness.grading.accept import grade_pending
from harness.grading.grader import grade_within
from harness.grading.scoring import grade_here
from harness.model_submissions import DEFAULT_PARAMETERS, MOST_PARAMETERS
from harness.prepare import counted, hidden_by_new_data
from harness.prepare import prepare as make
from harness.preview import preview, refuse_over
from harness.settings import read_settings
from harness.show import DRAWN, find_picture, show
from harness.words import inert
from leaderboard.competitions import current
from tasks.errors import UserError
from tasks.formats import QuizFormat
from tasks.homeworks import canonical
from tasks.named import NAMED
from tasks.repeats import MOST_ROWS

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path


@click.command()
@common.HW
@click.option("--edition", metavar="NAME", help="A year of the course, or the built-in data (default).")
@click.option("--from", "source", metavar="DIR-OR-ARCHIVE", type=click.Path(), help="The course's own files.")
@click.option(
    "--size", type=click.Choice(["small", "full"]), default="small", help="The amount of built-in data to make."
)
@click.option("--seed", type=int, metavar="N", help="Make data that anyone can rebuild: for demos and tests only.")
@click.option("--new-data", is_flag=True, help="Replace the data; the old board stays readable.")
@click.option("--reason", default="", metavar="TEXT", help="Why the data are replaced; kept in the log.")
@click.option("--accept-leaks", is_flag=True, help="Continue even if a leak check finds something.")
@common.NAME
@click.option("--yes", is_flag=True, help="Do not ask.")
@common.command
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

    plan = plans.plan_homework(homework, edition, Path(source) if source else None, size)
    _prepare(plan, seed, new_data, reason, accept_leaks, name, yes)


def _prepare(
    plan: Any,
    seed: int | None,
    new_data: bool,
    reason: str,
    accept_leaks: bool,
    name: str | None,
    yes: bool,
    without: Collection[int] | None = None,
    expected: str | None = None,
) -> None:
    home, actor = common.find_home(), "instructor"  # for a user without a name, as in a container
    with nullcontext() if new_data or name is not None else suppress(UserError):
        actor = common.who(home, name)
    if new_data and (hides := hidden_by_new_data(home, plan.name, reason)) is not None:
        for line in hides.lines() if yes else ():  # --yes skips the question alone
            say(line)
        agree(yes, f"Replace the data of {plan.name}?", hides.lines())
    done = make(
        home,
        plan,
        seed=seed,
        new_data=new_data,
        reason=reason,
        without=without,
        expected=expected,
        accept_leaks=accept_leaks,
        now=common.clock(),
        actor=actor,
    )
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
    if name not in DRAWN or (not anew and find_picture(folder) is not None):
        return
    try:
        show(folder)
    except Exception as error:  # whatever it is, the data are there
        why = str(error).partition("\n")[0] if isinstance(error, UserError) else repr(error)
        say(f"There is no picture of the data: {why}")


def _several() -> str:
    """What several answer columns mean to each metric by name."""
    meanings: dict[str, list[str]] = {}
    for one in NAMED.values():
        meanings.setdefault(one.several or "not allowed", []).append(one.name)
    return "\n\n".join(
        ["Several answer columns:", *(f"{', '.join(names)}: {meaning}." for meaning, names in meanings.items())]
    )


@click.command(epilog=_several())
@click.argument("competition", metavar="NAME")
@click.option(
    "--from",
    "folder",
    type=click.Path(exists=True, file_okay=False),
    metavar="DIR",
    help="A folder with all of it, as `export` writes. A change is shown first.",
)
@click.option(
    "--solution",
    type=click.Path(exists=True, dir_okay=False),
    help="CSV: id, answer columns and optionally Usage (Public/Private/Ignored).",
)
@click.option("--metric", help=f"{', '.join(NAMED)}, or a Python file with score().")
@click.option(
    "--metric-arg",
    "metric_args",
    multiple=True,
    metavar="NAME=VALUE",
    help="An option of the metric, such as k=3; for a metric file, an argument of score.",
)
@click.option(
    "--quiz",
    metavar="KEY",
    type=click.Path(exists=True, dir_okay=False),
    help="A quiz, from a CSV: question, options, answer, points.",
)
@click.option("--deadline", metavar="TIME", help="The deadline, like 2027-03-26T23:59+08:00.")
@click.option("--quota", type=click.IntRange(1, 10_000), metavar="N", help="Submissions a day; default: 5.")
@click.option(
    "--sheet", type=click.Path(exists=True, dir_okay=False), metavar="FILE", help="The page for students, in Markdown."
)
@click.option(
    "--bar", "bars", multiple=True, metavar="NAME=VALUE", help="A bar: NAME=PUBLIC[/PRIVATE][:POINTS[/PRIVATE POINTS]]."
)
@click.option("--metric-name", metavar="TEXT", help="What students see the metric called.")
@click.option(
    "--sample",
    type=click.Path(exists=True, dir_okay=False),
    metavar="FILE",
    help="The sample submission, for a metric file: other columns, or .txt, .safetensors, .tgz, .onnx.",
)
@click.option(
    "--rows-per-id",
    type=click.IntRange(1, MOST_ROWS),
    default=1,
    metavar="N",
    help="With --sample: an id may have up to N rows, or none, as boxes of an image have.",
)
@click.option(
    "--inputs",
    type=click.Path(exists=True, dir_okay=False),
    metavar="FILE",
    help="With --sample FILE.onnx: the hidden inputs of the models, .npz, with the ids.",
)
@click.option(
    "--most-parameters",
    type=click.IntRange(1, MOST_PARAMETERS),
    metavar="N",
    help=f"With --sample FILE.onnx: the most parameters of a model; default: {DEFAULT_PARAMETERS:,}.",
)
@click.option("--public", type=click.Path(), metavar="DIR", help="The files for students.")
@click.option("--title", help="The title on the board.")
@click.option("--higher-is-better/--lower-is-better", default=None, help="Which scores are better, for a metric file.")
@click.option("--public-share", default=0.5, show_default=True, help="The public share of the rows, without Usage.")
@click.option("--group", metavar="COLUMN", help="Rows with the same value stay on one side of the split.")
@click.option("--strata", metavar="COLUMN", help="Each value gets the same public share.")
@click.option("--by-time", metavar="COLUMN", help="The earliest rows are public, the later ones private.")
@click.option("--new-data", is_flag=True, help="Replace the data; the old board stays readable.")
@click.option("--reason", default="", metavar="TEXT", help="Why the data are replaced; kept in the log.")
@click.option("--after-deadline", is_flag=True, help="With --from: change a competition that is over, and its scores.")
@click.option("--accept-leaks", is_flag=True, help="Continue even if a leak check finds something.")
@common.NAME
@click.option("--yes", is_flag=True, help="Do not ask.")
@common.command
def new(
    competition: str,
    folder: str | None,
    solution: str | None,
    metric: str | None,
    metric_args: tuple[str, ...],
    quiz: str | None,
    deadline: str | None,
    quota: int | None,
    sheet: str | None,
    bars: tuple[str, ...],
    metric_name: str | None,
    sample: str | None,
    rows_per_id: int,
    inputs: str | None,
    most_parameters: int | None,
    public: str | None,
    title: str | None,
    higher_is_better: bool | None,
    public_share: float,
    group: str | None,
    strata: str | None,
    by_time: str | None,
    new_data: bool,
    reason: str,
    after_deadline: bool,
    accept_leaks: bool,
    name: str | None,
    yes: bool,
) -> None:
    """Create your own competition, or a quiz.

    A competition is made from a solution file and a metric, or from a folder; a quiz from its key.
    """
    from pathlib import Path

    if folder is not None:
        data = {
            "--solution": solution,
            "--metric": metric,
            "--metric-arg": metric_args,
            "--quiz": quiz,
            "--deadline": deadline,
            "--quota": quota,
            "--sheet": sheet,
            "--bar": bars,
            "--metric-name": metric_name,
            "--sample": sample,
            "--public": public,
            "--title": title,
            "--higher-is-better": higher_is_better,
            "--group": group,
            "--strata": strata,
            "--by-time": by_time,
            "--rows-per-id": rows_per_id if rows_per_id > 1 else None,
            "--inputs": inputs,
            "--most-parameters": most_parameters,
            "--public-share": public_share if public_share != 0.5 else None,
        }
        if strange := [option for option, value in data.items() if value not in (None, ())]:
            raise UserError(f"--from takes all of it from the folder; leave out {', '.join(strange)}.")
        _from_folder(competition, Path(folder), new_data, reason, after_deadline, accept_leaks, name, yes)
        return
    if after_deadline:
        raise UserError("--after-deadline is for a change of a folder; add --from DIR, or leave it out.")
    if quiz is not None:
        given = {
            "--solution": solution,
            "--metric": metric,
            "--public": public,
            "--higher-is-better": higher_is_better,
            "--metric-arg": metric_args or None,
            "--quota": quota,
            "--sheet": sheet,
            "--bar": bars or None,
            "--metric-name": metric_name,
            "--sample": sample,
            "--group": group,
            "--strata": strata,
            "--by-time": by_time,
            "--rows-per-id": rows_per_id if rows_per_id > 1 else None,
            "--inputs": inputs,
            "--most-parameters": most_parameters,
        }
        if strange := [option for option, value in given.items() if value is not None]:
            raise UserError(f"a quiz is made from its key alone; leave out {', '.join(strange)}.")
        key, now = Path(quiz), common.clock()
        quiz_plan = plans.plan_quiz(common.find_home(), competition, key, title=title, deadline=deadline, now=now)
        _prepare(quiz_plan, None, new_data, reason, accept_leaks, name, yes)
        return
    if solution is None or metric is None:
        raise UserError("name the solution and the metric (--solution FILE --metric METRIC), or a quiz (--quiz KEY).")
    home = common.find_home()
    if new_data or not home.public(canonical(competition)).exists():
        refuse_passed(deadline, common.clock())
    extras = Extras(
        Path(sheet) if sheet else None,
        bars,
        deadline,
        quota,
        metric_name,
        Path(sample) if sample else None,
        group,
        strata,
        by_time,
        rows_per_id,
        inputs=Path(inputs) if inputs else None,
        most_parameters=most_parameters,
    )
    plan = plans.plan_own(
        competition,
        Path(solution),
        metric,
        title=title,
        public=Path(public) if public else None,
        higher_is_better=higher_is_better,
        public_share=public_share,
        metric_args=metric_args,
        extras=extras,
    )
    _prepare(plan, None, new_data, reason, accept_leaks, name, yes)


def _from_folder(
    competition: str,
    folder: Path,
    new_data: bool,
    reason: str,
    after_deadline: bool,
    accept_leaks: bool,
    name: str | None,
    yes: bool,
) -> None:
    """Makes the competition in a folder; where it is there with other data, shows what these would do, and asks."""
    home, own = common.find_home(), read_folder(folder)
    exists = home.public(canonical(competition)).exists()
    if new_data or not exists:
        refuse_passed(own.extras.deadline, common.clock())
    plan = plans.plan_own(
        competition, own.solution, own.metric, title=own.title, public=own.public, metric_args=own.metric_args,
        higher_is_better=own.higher_is_better, public_share=own.public_share, extras=own.extras,
    )  # fmt: skip
    try:
        _prepare(plan, None, new_data, reason, accept_leaks, name, yes)
        if exists:  # a change that was killed before its files were scored
            grade_pending(home, common.clock(), [plan.name])
        return
    except UserError as error:
        if error.code != "E_EXISTS":
            raise
        say(str(error).partition(". To make")[0] + ".")
    refuse_over(home, find_competition(home, plan.name), own.extras.deadline, common.clock(), after_deadline)
    with home.database() as database:
        before = current(database, plan.name)
    assert before is not None, "there are data"
    hidden_by_new_data(home, plan.name, reason)  # refuses a change without a reason before anything is scored
    with grade_within(read_settings(home).limits) if os.name == "posix" else nullcontext(grade_here) as graded:
        found = preview(home, plan, graded)
        lines = found.lines(plan.metrics[0].digits)
        for line in lines[:SHOWN]:
            say(inert(line))
        if len(lines) > SHOWN:
            say(f"… and {len(lines) - SHOWN:,} more people")
        if found.files:
            say("The files are kept with their times, and scored by the new data; for an empty board, add --new-data.")
        _prepare(plan, None, True, reason, accept_leaks, name, yes, [one.id for one, _ in found.refused], before.key)
        came = [outcome for *_, outcome in grade_pending(home, common.clock(), [plan.name], graded)]
    if came:
        say(f"{sum(one == 'graded' for one in came):,} of {counted(len(came), 'file')} scored by the new data.")


@click.command()
@click.argument("competition", metavar="NAME")
@click.argument("folder", metavar="DIR", type=click.Path())
@common.command
def export(competition: str, folder: str) -> None:
    """Write your own competition as a folder for `new --from`.

    The folder holds the answers and their split: keep it as the answers are kept."""
    from pathlib import Path

    home = common.find_home()
    found = find_competition(home, competition)
    hidden = read_hidden(home, found)
    refuse_changed_source(found, hidden)
    answers = load_answers(hidden, found.format)
    for file in write_folder(home, found, answers, Path(folder)):
        click.echo(inert(file))
    say(f"{folder} has the answers of {found.name}; never share it with students.")


@click.command()
@common.HW
@click.option("--reason", required=True, metavar="TEXT", help="Why now; kept in the log.")
@common.NAME
@click.option("--yes", is_flag=True, help="Do not ask.")
@common.command
def reveal(homework: str, reason: str, name: str | None, yes: bool) -> None:
    """Show the private board to everyone; this cannot be undone."""
    desk = common.desk(name)
    change = desk.reveal(homework, How(reason, preview=True))
    if change.done:
        click.echo(inert(change.what))
        return
    for line in change.lines:
        say(line)
    agree(yes, f"{change.what}?")
    done = desk.reveal(homework, How(reason, seen=change.seen))
    click.echo(inert(f"{done.what}; lhy-grade leaderboard {canonical(homework)} --private"))
