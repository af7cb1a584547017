"""The commands for submissions: submit, status, submissions, select."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import click

from harness.cli import common
from tasks.errors import SubmissionError, UserError

if TYPE_CHECKING:
    from pathlib import Path

    from harness.competition import Competition
    from tasks.formats import Format


HIDDEN = "recorded and read; its points appear after the deadline"
"""The state of an answer to a quiz that is graded while nobody sees points."""


def valid_line(form: Format, name: str, edition: str) -> str:
    """The line for a valid file."""
    from harness.words import inert

    return inert(f"valid: {len(form):,} {form.unit} for {name}, edition {edition}")


def check_with(
    source: Any, homework: str, path: Path, say: Callable[[str], None]
) -> tuple[Competition, tuple[str, ...], tuple[str, ...]]:
    """Checks a file as `submit` does. Returns the competition, the notes that `say` already got, and the others."""
    from harness.answers import find_judge, other_judge
    from harness.grading.scoring import check

    competition = source.competition(homework, say)
    source.refuse_stale(competition, path)
    other = other_judge(competition)
    if other is not None:
        say(other)
    checked = check(path, competition.format, find_judge(competition), source.public(competition))
    return competition, () if other is None else (other,), tuple(checked.notes)


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
    from pathlib import Path

    from harness.cli.output import Field, emit, emit_json

    source = common.source(name)
    try:
        with waiting() as tell:
            body = source.submit(homework, Path(file), message, not no_wait, tell)
    except SubmissionError as error:
        error.add_note("The file was refused; no slot was used.")
        raise
    if format == "json":
        emit_json(body)
    elif format == "csv":
        score = body["scores"][0] if body["scores"] else {"metric": None, "public": None, "interval": None}
        low, high = score["interval"] or (None, None)
        row = {
            "submission": body["submission"],
            "homework": body["homework"],
            "participant": body["participant"],
            "again": body["again"],
            "metric": score["metric"],
            "public": score["public"],
            "low": low,
            "high": high,
            "bars": body["bars"],
            "rank": body["rank"],
            "improved": body["improved"],
            "best": body["best"] and body["best"]["submission"],
            "quota_left": body["quota"]["left"],
            "next_day": body["quota"]["next_slot"],
            **({"model": body["model"]} if "model" in body else {}),
        }
        emit("csv", "submission", [row], [Field(key, key) for key in row])
    else:
        competition = source.competition(body["homework"])
        click.echo(valid_line(competition.format, competition.name, competition.edition))
        show_result(body)
        show_slots(body)


def show_result(body: dict[str, Any]) -> None:
    """Prints the score of a submission, or its state."""
    from harness.cli.output import say
    from harness.words import inert

    shown, said = result_lines(body)
    for line in shown:
        click.echo(inert(line))
    for line in said:
        say(line)


def result_lines(body: dict[str, Any]) -> tuple[list[str], list[str]]:
    """The score of a submission or its state, as lines for stdout, and notes for stderr."""
    from harness.words import interval, number

    if body["state"] != "graded":
        said = [f"{problem['code']}  {problem['message']}" for problem in body.get("problems", [])]
        if (more := body.get("total", 0) - len(said)) > 0:
            said.append(f"… and {more} more of the same kinds.")
        return [standing(body)], said
    shown = []
    if not body["scores"] and body.get("private") is None:
        shown.append(HIDDEN)
    for score, card in zip(body["scores"], body["metrics"], strict=False):
        digits = card["digits"]
        between = f"  (95 % interval {interval(digits)(score['interval'])})" if score["interval"] else ""
        shown.append(f"public {card['label']} {number(digits)(score['public'])}{between}")
    if body.get("private") is not None:
        card = body["metrics"][0]
        side = "private " if body["scores"] else ""
        shown.append(f"{side}{card['label']} {number(card['digits'])(body['private'])}")
    shown += matrix_lines(body.get("matrix", [])) + matrix_lines(body.get("private_matrix", []), "private")
    if body.get("model"):
        shown.append(body["model"])
    if body["has_bars"]:
        shown.append(f"bars passed: {', '.join(body['bars']) or 'none'}")
    if body["practice"]:
        shown.append("late: scored for practice, not ranked")
    elif body["rank"] is not None:
        shown.append(f"rank {body['rank']} on the public board")
    elif body["best"]:
        shown.append(best_words(body))
    return shown, list(body["notes"])


SHADES = " ░▒▓█"
"""Nothing to all, a fifth each."""


def matrix_lines(matrix: list[list[float]], side: str = "public") -> list[str]:
    """A heat map of shares, such as the accuracies after each task (rows) on each task (columns).

    >>> print("\\n".join(matrix_lines([[0.9, 0.3], [0.55, 1.0]])))
    public accuracy after each task (rows) on each task (columns):
      1  0.90 ██  0.30 ░░
      2  0.55 ▒▒  1.00 ██
    """
    rows = [
        "  ".join(f"{share:.2f} {SHADES[min(4, max(0, int(share * 5)))] * 2}" for share in row).rstrip()
        for row in matrix
    ]
    head = [f"{side} accuracy after each task (rows) on each task (columns):"] if rows else []
    return head + [f"{number:3}  {row}" for number, row in enumerate(rows, 1)]


def best_words(body: dict[str, Any], *, own: bool = True) -> str:
    """The participant's best submission, next to one that is not it."""
    from harness.words import number

    best, digits = body["best"], body["metrics"][0]["digits"]
    which = f"submission {best['submission']} ({number(digits)(best['score'])}, rank {best['rank']})"
    whose = "your" if own else "the participant's"
    return f"{whose} best is {which}" if body["improved"] else f"not an improvement: {whose} best is still {which}"


def standing(body: dict[str, Any]) -> str:
    """The state of a submission without a score."""
    number = body["submission"]
    words = {
        "queued": f"submission {number} is waiting, position {body['position']} in the queue",
        "grading": f"submission {number} is being graded",
        "rejected": f"submission {number} was refused ({body['code']}); no slot was used",
        "failed": f"submission {number} could not be graded and keeps its slot; ask an instructor",
    }
    return words[body["state"]]


def show_slots(body: dict[str, Any]) -> None:
    """What was recorded, and the remaining quota."""
    from harness.cli.output import say

    for line in slot_lines(body):
        say(line)


def slot_lines(body: dict[str, Any]) -> list[str]:
    """What was recorded, and the remaining quota."""
    number, left = body["submission"], body["quota"]
    if body["again"]:
        lines = [f"This file was already submitted as submission {number}; no slot was used."]
    else:
        lines = [f"Submission {number} of {body['name']} is recorded; receipt: lhy-grade receipt {number}"]
    if body["state"] in ("queued", "grading"):
        lines.append(f"Its score: lhy-grade status {number}")
    kind = "practice submissions" if body["practice"] else "submissions"
    lines.append(f"{left['left']} of {left['limit']} {kind} left today; the next day begins {left['next_slot']}.")
    if body["demo"]:
        lines.append("This competition has a fixed seed, so anyone can rebuild its answers: for practice only.")
    return lines


@contextlib.contextmanager
def waiting() -> Iterator[Callable[[dict[str, Any]], None]]:
    """Shows the queue position on a terminal's stderr, in one line that is erased at the end."""
    from harness.words import inert

    shown = 0

    def tell(body: dict[str, Any]) -> None:
        nonlocal shown
        if sys.stderr.isatty():
            text = inert(f"{standing(body)} …")
            click.echo("\r" + text.ljust(shown), nl=False, err=True)
            shown = len(text)

    try:
        yield tell
    finally:
        if shown:
            click.echo("\r" + " " * shown + "\r", nl=False, err=True)


@click.command()
@click.argument("id", metavar="ID", type=int)
@common.FORMAT
@common.command
def status(id: int, format: Any) -> None:
    """Show a submission's score, queue position or problems."""
    from harness.cli.output import Field, emit, emit_json

    body = common.source(named=False).submission(id)
    if format == "json":
        emit_json(body)
    elif format == "csv":
        score = body["scores"][0]["public"] if body["scores"] else None
        row = {key: body[key] for key in ("submission", "homework", "state", "position", "code", "at", "file")}
        row |= {"public": score, "private": body.get("private"), "rank": body["rank"]}
        row |= {"improved": body.get("improved"), "best": (body.get("best") or {}).get("submission")}
        row |= {"model": body["model"]} if "model" in body else {}
        emit("csv", "submission", [row], [Field(key, key) for key in row])
    else:
        show_result(body)


@click.command()
@click.argument("homework", metavar="[HW]", required=False)
@click.option("--all", "everyone", is_flag=True, help="The submissions of all participants.")
@common.VERSION
@common.EXACT
@common.NAME
@common.FORMAT
@common.command
def submissions(
    homework: str | None, everyone: bool, version: int | None, exact: bool, name: str | None, format: Any
) -> None:
    """List your submissions with their scores.

    Private scores are shown once the private board is revealed."""
    from harness.cli.output import Field, emit, emit_json, say
    from harness.words import short_time, words

    source = common.source(name, named=not everyone)
    body = source.submissions(homework, everyone, exact, version)
    if format == "json":
        emit_json(body)
        return
    rows = [shown_entry(row, written=format == "table") for row in body["submissions"]]
    private = any(row.get("private") is not None for row in rows)
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
            Field("selected", "selected", lambda yes: "yes" if yes else "", rank=2),
            Field("file", "file", rank=3),
            Field("message", "message", rank=4),
            *([Field("notes", "notes", words, rank=5)] if any(row["notes"] for row in rows) else []),
        ],
    )
    if not rows and format == "table":
        say("No submissions yet" + ("." if everyone else f" by {source.who}; use --as NAME for somebody else."))


def shown_entry(row: dict[str, Any], *, written: bool) -> dict[str, Any]:
    """A row with its state in words and, if `written`, its scores with the digits of the metric."""
    from harness.words import number

    state = str({"queued": "waiting", "rejected": row.get("code")}.get(row["state"], row["state"]))
    if row["practice"]:
        state += ", practice"
    scores = {key: row[key] for key in ("score", "private") if row.get(key) is not None and written}
    return row | {"state": state} | {key: number(row["digits"])(score) for key, score in scores.items()}


@click.command()
@common.HW
@click.argument("ids", metavar="[ID]...", nargs=-1)
@click.option("--preview", is_flag=True, help="Only show which ones would count if the competition ended now.")
@common.NAME
@common.FORMAT
@common.command
def select(homework: str, ids: tuple[str, ...], preview: bool, name: str | None, format: Any) -> None:
    """Choose which submissions count on the private board."""
    from harness.cli.output import Field, emit, emit_json, say
    from harness.course.limits import chosen_numbers
    from harness.words import inert, short_time

    if preview == bool(ids):
        raise UserError("give the numbers of the submissions that should count, or --preview alone.")
    numbers = chosen_numbers(ids)
    source = common.source(name)
    body = source.selection(homework) if preview else source.select(homework, numbers)
    if format == "json":
        emit_json(body)
        return
    if not preview and format == "table":
        chosen = ", ".join(str(number) for number in body["selected"])
        click.echo(inert(f"{body['homework']}: {chosen} will count on the private board."))
        return
    rows = [shown_entry(row | {"digits": body["digits"]}, written=format == "table") for row in body["counts"]]
    fields = [
        Field("id", "id", right=True),
        Field("at", "arrived", short_time, rank=1),
        Field("state", "state"),
        Field("score", f"public {body['metric']}", right=True),
        Field("file", "file", rank=3),
        Field("message", "message", rank=4),
    ]
    emit(format, "counts", rows, fields)
    if format == "table":
        say(why_it_counts(body))


def why_it_counts(body: dict[str, Any]) -> str:
    """Why the previewed submissions count, and until when the choice can be changed."""
    from harness.course.limits import unselected_words

    most = body["selections"]
    why = "You chose these." if body["selected"] else f"You have not chosen any: {unselected_words(body)}."
    if body["locked"]:
        return f"{why} The choice is locked."
    if not most:
        return f"{unselected_words(body)[:1].upper()}{unselected_words(body)[1:]}."
    until = f" until {body['closes']}" if body["closes"] else ""
    return f"{why} You can choose up to {most}{until}: lhy-grade select {body['homework']} ID..."
