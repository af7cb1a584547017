"""The commands for submissions: submit, status, submissions, select, quota."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from harness.cli import common
from harness.cli.entered import show_missing
from harness.cli.output import Field, emit, emit_json, say
from harness.course.entries import to_json
from harness.course.requests import chosen_numbers, unselected_words
from harness.course.wording import HIDDEN, best_words
from harness.words import heat, inert, interval, number, shade, short_time, slot_words, words
from tasks.errors import SubmissionError, UserError

if TYPE_CHECKING:
    from harness.course.entries import Selection, Submission, Submitted, Tell
    from tasks.formats import Format


def valid_line(form: Format, name: str, edition: str) -> str:
    """The line for a valid file."""
    return inert(f"valid: {len(form):,} {form.unit} for {name}, edition {edition}")


@click.command()
@common.HW
@common.FILE
@click.option("-m", "--message", default="", metavar="TEXT", help="A note to yourself, kept with the submission.")
@click.option("--no-wait", is_flag=True, help="Do not wait until a server has scored it.")
@common.NAME
@common.FORMAT
@common.command
def submit(homework: str, file: str, message: str, no_wait: bool, name: str | None, format: Any) -> None:
    """Submit a file: record it, score it and put it on the board."""
    source = common.source(name)
    try:
        with waiting() as tell:
            done = source.submit(homework, Path(file), message, not no_wait, tell)
    except SubmissionError as error:
        error.add_note(f"The file was refused; {slot_words(error.code)}.")
        raise
    seen, quota = done.submission, done.accepted.quota
    if format == "json":
        emit_json(done.body)
    elif format == "csv":
        score = seen.scores[0] if seen.scores else None
        low, high = (score and score.interval) or (None, None)
        row = {
            "submission": seen.submission,
            "homework": seen.homework,
            "participant": seen.participant,
            "again": done.accepted.again,
            "metric": score and score.metric,
            "public": score and score.public,
            "low": low,
            "high": high,
            "bars": seen.bars,
            "rank": seen.rank,
            "improved": seen.improved,
            "best": seen.best and seen.best.submission,
            "quota_left": quota.left,
            "next_day": quota.next_slot,
            **({"model": seen.model} if seen.model != "" else {}),
        }
        emit("csv", "submission", [row], [Field(key, key) for key in row])
    else:
        competition = source.competition(seen.homework)
        click.echo(valid_line(competition.format, competition.name, competition.edition))
        show_result(seen)
        for line in slot_lines(done):
            say(line)


def show_result(seen: Submission) -> None:
    """Prints the score of a submission, or its state."""
    shown, said = result_lines(seen)
    for line in shown:
        click.echo(inert(line))
    for line in said:
        say(line)


def result_lines(seen: Submission) -> tuple[list[str], list[str]]:
    """The score of a submission or its state, as lines for stdout, and notes for stderr."""
    if seen.state != "graded":
        said = [f"{problem.code}  {problem.message}" for problem in seen.problems]
        if (more := seen.total - len(said)) > 0:
            said.append(f"… and {more} more of the same kinds.")
        return [standing(seen)], said
    shown = []
    if not seen.scores and seen.private is None:
        shown.append(HIDDEN)
    for score, card in zip(seen.scores, seen.metrics, strict=False):
        between = f"  (95 % interval {interval(card.digits)(score.interval)})" if score.interval else ""
        shown.append(f"public {card.label} {number(card.digits)(score.public)}{between}")
    if seen.private is not None:
        card = seen.metrics[0]
        side = "private " if seen.scores else ""
        shown.append(f"{side}{card.label} {number(card.digits)(seen.private)}")
    shown += matrix_lines(seen.matrix or []) + matrix_lines(seen.private_matrix or [], "private")
    if seen.model:
        shown.append(seen.model)
    if seen.has_bars:
        shown.append(f"bars passed: {', '.join(seen.bars) or 'none'}")
    if seen.practice:
        shown.append("late: scored for practice, not ranked")
    elif seen.rank is not None:
        shown.append(f"rank {seen.rank} on the public board")
    elif seen.best:
        shown.append(best_words(seen))
    return shown, list(seen.notes)


def matrix_lines(matrix: list[list[float]], side: str = "public") -> list[str]:
    """A heat map of shares, such as the accuracies after each task (rows) on each task (columns).

    >>> print("\\n".join(matrix_lines([[0.9, 0.3], [0.55, 1.0]])))
    public accuracy after each task (rows) on each task (columns):
      1  0.90 ██  0.30 ░░
      2  0.55 ▒▒  1.00 ██
    """
    rows = ["  ".join(f"{share:.2f} {shade(share) * 2}" for share in row).rstrip() for row in matrix]
    head = [f"{side} accuracy after each task (rows) on each task (columns):"] if rows else []
    return head + [f"{number:3}  {row}" for number, row in enumerate(rows, 1)]


def standing(seen: Submission) -> str:
    """The state of a submission without a score."""
    number = seen.submission
    words = {
        "queued": f"submission {number} is waiting, position {seen.position} in the queue",
        "grading": f"submission {number} is being graded",
        "rejected": f"submission {number} was refused ({seen.code}); {slot_words(seen.code or '')}"
        if seen.code != "E_DISQUALIFIED"
        else f"submission {number} is disqualified; the slot stays used",
        "failed": f"submission {number} could not be graded and keeps its slot; ask an instructor",
    }
    return words[seen.state]


def slot_lines(done: Submitted) -> list[str]:
    """What was recorded, and the remaining quota."""
    seen, left = done.submission, done.accepted.quota
    number = seen.submission
    if done.accepted.again:
        lines = [f"This file was already submitted as submission {number}; no slot was used."]
    else:
        lines = [f"Submission {number} of {seen.name} is recorded; receipt: lhy-grade receipt {number}"]
    if seen.state in ("queued", "grading"):
        lines.append(f"Its score: lhy-grade status {number}")
    kind = "practice submissions" if seen.practice else "submissions"
    lines.append(f"{left.left} of {left.limit} {kind} left today; the next day begins {left.next_slot}.")
    if seen.demo:
        lines.append("This competition has a fixed seed, so anyone can rebuild its answers: for practice only.")
    return lines


@contextlib.contextmanager
def waiting() -> Iterator[Tell]:
    """Shows the queue position on a terminal's stderr, in one line that is erased at the end."""
    shown = 0

    def tell(seen: Submission) -> None:
        nonlocal shown
        if sys.stderr.isatty():
            text = inert(f"{standing(seen)} …")
            click.echo("\r" + text.ljust(shown), nl=False, err=True)
            shown = len(text)

    try:
        yield tell
    finally:
        if shown:
            click.echo("\r" + " " * shown + "\r", nl=False, err=True)


@click.command()
@click.argument("id", metavar="[ID]", type=int, required=False)
@click.option("--save", "path", metavar="FILE", type=click.Path(path_type=Path), help="Write its file here instead.")
@click.option("--queue", is_flag=True, help="For staff: all that is being graded, waits, or failed.")
@common.FORMAT
@common.command
def status(id: int | None, path: Path | None, queue: bool, format: Any) -> None:
    """Show a submission's score, queue position or problems."""
    if queue or id is None:
        if not queue or id is not None or path is not None:
            raise UserError("give the number of a submission, or --queue alone.")
        _show_queue(format)
        return
    if path is not None:
        common.source(named=False).save(id, path)
        say(f"The file of submission {id} is in {path}.")
        return
    seen = common.source(named=False).submission(id)
    if format == "json":
        emit_json(to_json(seen))
    elif format == "csv":
        row = {key: getattr(seen, key) for key in ("submission", "homework", "state", "position", "code", "at", "file")}
        row |= {"public": seen.scores[0].public if seen.scores else None, "private": seen.private, "rank": seen.rank}
        row |= {"improved": seen.improved, "best": seen.best and seen.best.submission}
        row |= {"model": seen.model} if seen.model != "" else {}
        emit("csv", "submission", [row], [Field(key, key) for key in row])
    else:
        show_result(seen)


def _show_queue(format: Any) -> None:
    found = common.desk().queue()
    fields = [
        Field("submission", "id", right=True),
        Field("homework", "homework"),
        *([Field("version", "data version", right=True)] if format == "csv" else []),
        Field("participant", "participant", rank=1),
        Field("name", "name"),
        Field("state", "state", lambda state: {"queued": "waiting", "grading": "being graded"}.get(state, state)),
        Field("position", "position", right=True),
        Field("at", "arrived", short_time),
        Field("failed", "failed", right=True),
        Field("lost", "workers lost", right=True, rank=2),
    ]
    emit(format, "submissions", to_json(found.submissions), fields, title="queue of all homeworks")


@click.command()
@click.argument("homework", metavar="[HW]", required=False)
@click.option("--all", "everyone", is_flag=True, help="The submissions of all participants.")
@click.option("--missing", is_flag=True, help="For staff: who has handed in no file that counts.")
@click.option(
    "--download",
    "archive",
    metavar="ZIP",
    type=click.Path(path_type=Path),
    help="For staff: write all files of HW into this archive.",
)
@click.option("--counting", is_flag=True, help="With --download: only the files that count now.")
@common.VERSION
@common.EXACT
@common.NAME
@common.FORMAT
@common.command
def submissions(
    homework: str | None,
    everyone: bool,
    missing: bool,
    archive: Path | None,
    counting: bool,
    version: int | None,
    exact: bool,
    name: str | None,
    format: Any,
) -> None:
    """List your submissions with their scores.

    Private scores are shown once the private board is revealed."""
    if missing or archive is not None:
        if homework is None or (missing and archive is not None):
            raise UserError("name one homework, and --missing or --download.")
        if archive is not None:
            count = common.desk(name).uploads(homework, archive, counting, version)
            say(f"{count} files are in {archive}; index.csv there lists them.")
        elif version is not None:
            raise UserError("--missing is about the data in use; leave out --version.")
        else:
            show_missing(common.desk(name), homework, format)
        return
    source = common.source(name, named=not everyone)
    found = source.submissions(homework, everyone, exact, version)
    if format == "json":
        emit_json(to_json(found))
        return
    rows = [shown_entry(to_json(row), row.digits, written=format == "table") for row in found.submissions]
    private = any(row.private is not None for row in found.submissions)
    emit(
        format,
        "submissions",
        rows,
        [
            Field("id", "id", right=True),
            Field("homework", "homework"),
            *([Field("participant", "participant")] if everyone else []),
            Field("at", "arrived", short_time, rank=1),
            Field("state", "state"),
            Field("score", "public score", right=True),
            *([Field("private", "private score", right=True)] if private else []),
            *([Field("model", "model")] if any("model" in row for row in rows) else []),
            *(
                [Field("matrix", "after each task", heat, rank=2)]
                if format == "table" and any("matrix" in row for row in rows)
                else []
            ),
            Field("selected", "selected", lambda yes: "yes" if yes else "", rank=2),
            Field("file", "file", rank=3),
            Field("message", "message", rank=4, wrap=True),
            *([Field("notes", "notes", words, rank=5)] if any(row["notes"] for row in rows) else []),
        ],
    )
    if not rows and format == "table":
        say("No submissions yet" + ("." if everyone else f" by {source.who}; use --as NAME for somebody else."))


def shown_entry(row: dict[str, Any], digits: int, *, written: bool) -> dict[str, Any]:
    """A line of a table with its state in words and, if `written`, its scores with the digits of the metric."""
    state = str({"queued": "waiting", "rejected": row.get("code")}.get(row["state"], row["state"]))
    if row["practice"]:
        state += ", practice"
    scores = {key: row[key] for key in ("score", "private") if row.get(key) is not None and written}
    return row | {"state": state} | {key: number(digits)(score) for key, score in scores.items()}


@click.command()
@common.HW
@click.argument("ids", metavar="[ID]...", nargs=-1)
@click.option("--preview", is_flag=True, help="Only show which ones would count if the competition ended now.")
@common.NAME
@common.FORMAT
@common.command
def select(homework: str, ids: tuple[str, ...], preview: bool, name: str | None, format: Any) -> None:
    """Choose which submissions count on the private board."""
    if preview == bool(ids):
        raise UserError("give the numbers of the submissions that should count, or --preview alone.")
    numbers = chosen_numbers(ids)
    source = common.source(name)
    found = source.selection(homework) if preview else source.select(homework, numbers)
    if format == "json":
        emit_json(to_json(found))
        return
    if not preview and format == "table":
        chosen = ", ".join(str(number) for number in found.selected)
        click.echo(inert(f"{found.homework}: {chosen} will count on the private board."))
        return
    rows = [shown_entry(to_json(row), found.digits, written=format == "table") for row in found.counts]
    fields = [
        Field("id", "id", right=True),
        Field("at", "arrived", short_time, rank=1),
        Field("state", "state"),
        Field("score", f"public {found.metric}", right=True),
        Field("file", "file", rank=3),
        Field("message", "message", rank=4, wrap=True),
    ]
    emit(format, "counts", rows, fields)
    if format == "table":
        say(why_it_counts(found))


def why_it_counts(found: Selection) -> str:
    """Why the previewed submissions count, and until when the choice can be changed."""
    most, rule = found.selections, unselected_words(found)
    why = "You chose these." if found.selected else f"You have not chosen any: {rule}."
    if found.locked:
        return f"{why} The choice is locked."
    if not most:
        return f"{rule[:1].upper()}{rule[1:]}."
    until = f" until {found.closes}" if found.closes else ""
    return f"{why} You can choose up to {most}{until}: lhy-grade select {found.homework} ID..."


@click.command()
@common.HW
@common.NAME
@common.FORMAT
@common.command
def quota(homework: str, name: str | None, format: Any) -> None:
    """Show your remaining submissions for today."""
    found = common.source(name).quota(homework)
    if format == "json":
        emit_json(to_json(found))
        return
    row = found.quota[0]
    fields = [
        Field("homework", "homework"),
        Field("used", "practice today" if row.practice else "used today", right=True),
        Field("left", "left", right=True),
        Field("limit", "a day", right=True),
        Field("refused", "refused files", right=True, rank=1),
        Field("next_day", f"next day begins ({found.zone})", short_time),
    ]
    if row.closes and not row.revealed:
        fields.append(Field("closes", "closed" if row.practice else "closes", short_time, rank=1))
    emit(format, "quota", to_json(found.quota), fields)
    if row.practice and format == "table":
        since = "revealed" if row.revealed else "closed"
        since += f" {short_time(row.revealed or row.closes or '')}"
        say(f"{row.homework} is over ({since}): what you submit now is scored for practice, not ranked.")
