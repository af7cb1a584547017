"""The command line: what everyone uses. The board is in `harness.board`, the rest in `harness.staff`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from harness import board, options, staff
from tasks.errors import UserError

if TYPE_CHECKING:
    from tasks.base import Format


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.option(
    "--home",
    metavar="DIR",
    envvar="LHY_GRADE_HOME",
    type=click.Path(),
    help="The course's folder; default: LHY_GRADE_HOME, or the user's data folder.",
)
@click.option("--debug", is_flag=True, help="Show the traceback of an internal error.")
@click.version_option(package_name="lhy-grade")
@click.pass_context
def cli(context: click.Context, home: str | None, debug: bool) -> None:
    """Competitions of a machine learning course: data, bars, hidden scores and a board."""
    context.obj = home


@cli.command()
@click.argument("homework", metavar="[HW]", required=False)
@options.FORMAT
@options.command
def tasks(homework: str | None, format: Any) -> None:
    """List the homeworks, or show the sheet of one."""
    from harness.competition import find_competition, prepared
    from harness.render import Field, emit, emit_json, say, words
    from tasks.homeworks import all_tasks

    home = options.find_home()
    if homework is not None:
        competition = find_competition(home, homework)
        if format == "json":
            emit_json({key: value for key, value in competition.to_json().items() if key != "ids"})
        else:
            from harness.render import inert

            sheet = (home.public(competition.name) / "sheet.md").read_text(encoding="utf-8")
            click.echo("\n".join(inert(line) for line in sheet.splitlines()))
        return
    here = prepared(home)
    rows = [
        {
            "name": task.name,
            "title": task.title,
            "metric": task.editions[0].metrics[0].label,
            "editions": [edition.name for edition in task.editions],
            "prepared": task.name in here,
        }
        for task in all_tasks()
    ]
    for name in here:
        if name not in {row["name"] for row in rows}:
            own = find_competition(home, name)
            rows.append({"name": name, "title": own.title, "editions": [own.edition], "metric": own.ranking.label,
                         "prepared": True})  # fmt: skip
    emit(
        format,
        "tasks",
        rows,
        [
            Field("name", "name"),
            Field("title", "title"),
            Field("metric", "metric"),
            Field("editions", "editions", words, rank=1),
            Field("prepared", "prepared", lambda yes: "yes" if yes else "no"),
        ],
    )
    if not here and format == "table":
        say("Nothing is prepared yet. Begin with: lhy-grade prepare hw1")


@cli.command()
@options.HW
@options.FORMAT
@options.command
def files(homework: str, format: Any) -> None:
    """List the files that students get for a homework, and where they lie."""
    import json

    from harness.competition import find_competition
    from harness.prepare import damaged_files
    from harness.render import Field, emit, say

    home = options.find_home()
    competition = find_competition(home, homework)
    folder = home.public(competition.name)
    listed = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))["files"]
    rows = [{"file": name, **entry} for name, entry in listed.items()]
    fields = [
        Field("file", "file"),
        Field("bytes", "bytes", lambda n: f"{n:,}", right=True),
        Field("sha256", "SHA-256", rank=1),
    ]
    emit(format, "files", rows, fields, folder=str(folder))
    if format == "table":
        say(f"in {folder}")
    damaged = damaged_files(folder)
    if damaged:
        raise UserError(
            f"changed, missing or added since it was prepared: {', '.join(damaged)}. Get the files again.", exit_code=8
        )


@cli.command()
@options.HW
@options.FILE
@click.option("--edition", metavar="YEAR", help="Check against the course's own form of that year; needs no data.")
@options.FORMAT
@options.command
def check(homework: str, file: str, edition: str | None, format: Any) -> None:
    """Check a file the way `submit` does: no answers, no quota, nothing recorded."""
    from pathlib import Path

    from harness.competition import find_competition, find_judge
    from harness.grading import check as check_file
    from harness.render import emit_json, say
    from tasks.homeworks import canonical, find_task

    if edition is None:
        competition = find_competition(options.find_home(), homework)
        name, form, edition = competition.name, competition.format, competition.edition
        judge = find_judge(competition)
    else:
        name = canonical(homework)
        task = find_task(name)
        if task is None:
            raise UserError(f"there is no homework {name}; `lhy-grade tasks` lists what there is.")
        form, judge = task.edition(edition).format, task.edition(edition).judge
        if not len(form):
            raise UserError(f"what edition {edition} asks for is drawn by `prepare`; leave --edition away.")
    checked = check_file(Path(file), form, judge)
    rows = len(form)
    if format == "json":
        body = {"schema": 1, "valid": True, "homework": name, "edition": edition, form.unit: rows}
        emit_json(body | {"notes": checked.notes})
    elif format == "csv":
        click.echo(f"valid,homework,edition,{form.unit}\nTrue,{name},{edition},{rows}")
    else:
        click.echo(valid_line(form, name, edition))
        for note in checked.notes:
            say(note)


def valid_line(form: Format, name: str, edition: str) -> str:
    return f"valid: {len(form):,} {form.unit} for {name}, edition {edition}"


@cli.command()
@options.HW
@options.FILE
@click.option("-m", "--message", default="", metavar="TEXT", help="A note to yourself.")
@options.NAME
@options.FORMAT
@options.command
def submit(homework: str, file: str, message: str, name: str | None, format: Any) -> None:
    """Hand in a file: it is recorded, scored, and placed on the board."""
    from harness.grading import quota_day, submit as submit_file  # isort: skip
    import json
    from pathlib import Path

    from harness.render import Field, emit, emit_json, inert, interval, number, say

    home = options.find_home()
    now = options.clock()
    if len(message) > 500:
        raise UserError(f"a message has at most 500 characters, got {len(message)}.")
    person = options.who(home, name)
    done = submit_file(home, homework, Path(file), participant=person, now=now, message=message)
    competition, accepted = done.competition, done.accepted
    _, next_slot = quota_day(now, competition.rules.quota_zone)
    left = max(0, competition.rules.quota - accepted.used)
    place = board.rank_of(home, competition, person)
    if format == "json":
        body = {
            "schema": 1,
            "homework": competition.name,
            "edition": competition.edition,
            "submission": accepted.submission,
            "again": accepted.again,
            "scores": [
                {"metric": s.metric, "public": s.public, "interval": s.public_interval} for s in done.grade.scores
            ],
            "notes": done.grade.notes,
            "bars": done.bars,
            "rank": place,
            "quota": {
                "used": accepted.used,
                "limit": competition.rules.quota,
                "next_slot": options.local(home, next_slot),
            },
            "receipt": json.loads(accepted.receipt),
        }
        emit_json(body)
        return
    if format == "csv":
        score = done.grade.scores[0]
        low, high = score.public_interval or (None, None)
        row = {
            "submission": accepted.submission,
            "homework": competition.name,
            "participant": person,
            "again": accepted.again,
            "metric": score.metric,
            "public": score.public,
            "low": low,
            "high": high,
            "bars": done.bars,
            "rank": place,
            "quota_left": left,
            "next_day": options.local(home, next_slot),
        }
        emit("csv", "submission", [row], [Field(key, key) for key in row])
        return
    click.echo(valid_line(competition.format, competition.name, competition.edition))
    for score, card in zip(done.grade.scores, competition.metrics, strict=True):
        between = f"  (95 % interval {interval(card.digits)(score.public_interval)})" if score.public_interval else ""
        click.echo(f"public {card.label} {number(card.digits)(score.public)}{between}")
    if any(bar.comparable for bar in competition.bars):
        click.echo(f"bars passed: {', '.join(done.bars) or 'none'}")
    click.echo(f"rank {place} on the public board")
    for note in done.grade.notes:
        say(note)
    if accepted.again:
        say(f"These bytes were already handed in as submission {accepted.submission}; no slot was used.")
    else:
        say(
            f"Submission {accepted.submission} of {inert(person)} is recorded;"
            f" receipt: lhy-grade receipt {accepted.submission}"
        )
    again = options.local(home, next_slot)
    say(f"{left} of {competition.rules.quota} submissions left today; the next day begins {again}.")
    if competition.demo:
        say("This competition has a fixed seed, so anybody can rebuild its answers: good for practice only.")


@cli.command()
@click.argument("homework", metavar="[HW]", required=False)
@click.option("--all", "everyone", is_flag=True, help="Those of all participants.")
@options.NAME
@options.FORMAT
@options.command
def submissions(homework: str | None, everyone: bool, name: str | None, format: Any) -> None:
    """List one's submissions with their public scores."""
    import json

    from harness.competition import find_competition, prepared, read_versions
    from harness.render import Field, emit, inert, say, short_time, words
    from leaderboard import store
    from tasks.base import truncate

    home = options.find_home()
    rows: list[dict[str, Any]] = []
    for competition in [find_competition(home, n) for n in ([homework] if homework else prepared(home))]:
        digits = competition.ranking.digits
        person = None if everyone else options.who(home, name)
        with home.database() as database:
            grades = store.public_grades(database, competition.key, *read_versions(home, competition), person)
            for entry in store.submissions(database, competition.key, person):
                grade = grades.get(entry.id)
                rows.append(
                    {
                        "id": entry.id,
                        "homework": competition.name,
                        "participant": entry.participant,
                        "at": options.local(home, entry.accepted_at),
                        "state": entry.rejected or ("graded" if grade else "waiting"),
                        "score": grade and (truncate(grade.public, digits) if format == "table" else grade.public),
                        "selected": entry.selected,
                        "file": entry.filename,
                        "message": entry.message,
                        "notes": json.loads(grade.details).get("notes", []) if grade else [],
                    }
                )
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
            Field("selected", "selected", lambda yes: "yes" if yes else "", rank=2),
            Field("file", "file", rank=3),
            Field("message", "message", rank=4),
            *([Field("notes", "notes", words, rank=5)] if any(row["notes"] for row in rows) else []),
        ],
    )
    if not rows and format == "table":
        say(
            "No submissions yet"
            + ("." if everyone else f" of {inert(options.who(home, name))}; --as NAME for another.")
        )


@cli.command()
@options.HW
@click.argument("ids", metavar="ID...", type=int, nargs=-1, required=True)
@options.NAME
@options.command
def select(homework: str, ids: tuple[int, ...], name: str | None) -> None:
    """Choose which submissions count on the private board."""
    from harness.competition import find_competition, refuse_one_board
    from harness.grading import closing
    from leaderboard import store

    home = options.find_home()
    competition = find_competition(home, homework)
    refuse_one_board(competition)
    rules = competition.rules
    closes = closing(rules)
    with home.database() as database:
        store.select(
            database, competition.key, options.who(home, name), list(ids), rules.selections, options.clock(), closes
        )
    click.echo(f"{competition.name}: {', '.join(str(i) for i in sorted(set(ids)))} will count on the private board.")


@cli.command()
@options.HW
@options.NAME
@options.FORMAT
@options.command
def quota(homework: str, name: str | None, format: Any) -> None:
    """Show how many submissions are left today and when the next day begins."""
    from harness.competition import find_competition
    from harness.grading import quota_day
    from harness.render import Field, emit, short_time
    from leaderboard import store

    home = options.find_home()
    competition = find_competition(home, homework)
    day, next_slot = quota_day(options.clock(), competition.rules.quota_zone)
    with home.database() as database:
        state = store.quota_state(database, competition.key, options.who(home, name), day)
    row = {
        "homework": competition.name,
        "used": state.used,
        "left": max(0, competition.rules.quota - state.used),
        "limit": competition.rules.quota,
        "refused": state.rejected,
        "next_day": options.local(home, next_slot),
    }
    emit(
        format,
        "quota",
        [row],
        [
            Field("homework", "homework"),
            Field("used", "used today", right=True),
            Field("left", "left", right=True),
            Field("limit", "a day", right=True),
            Field("refused", "refused files", right=True, rank=1),
            Field("next_day", f"next day begins ({home.zone})", short_time),
        ],
    )


@cli.command()
@click.argument("id", metavar="ID", type=int, required=False)
@click.option("--verify", "file", metavar="FILE", type=click.Path(), help="Verify a saved receipt.")
@click.option("--key", metavar="KEY", help="The course's public key; default: the one in public/course.json.")
@options.command
def receipt(id: int | None, file: str | None, key: str | None) -> None:
    """Print the signed receipt of a submission, or verify a saved one without any database."""
    import json
    from pathlib import Path

    from leaderboard import receipts, store

    home = options.find_home()
    if file is None:
        if id is None:
            raise UserError("give the number of a submission, or --verify FILE.")
        with home.database() as database:
            click.echo(store.receipt(database, id))
        return
    if key is None:
        try:
            key = json.loads((home.root / "public" / "course.json").read_text(encoding="utf-8"))["receipt_key"]
        except (OSError, ValueError, KeyError):
            raise UserError("the course's public key is not here; give it with --key.") from None
    try:
        text = Path(file).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        raise UserError(f"{file} cannot be read as a receipt.") from None
    found = receipts.verify(text, str(key))
    click.echo(
        f"genuine: submission {found.submission} of {found.participant}, {found.competition}, {found.accepted_at}"
    )


for added in (board.leaderboard, staff.prepare, staff.new, staff.train, staff.grade, staff.reveal, staff.audit,
              staff.demo, staff.doctor):  # fmt: skip
    cli.add_command(added)


def main() -> None:
    """The entry point of `lhy-grade`."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")  # a terminal that cannot show a letter shows its code
    cli()
