"""The command line: the list of all commands.

Each module of this folder is loaded when one of its commands is called, and imports at its top what they need: where
one needs much more than another, it has a module of its own. A command gets its data from `common.source()`, a home or
a server, and shows them the same way.
"""

from __future__ import annotations

import sys
from importlib import import_module

import click

from harness.cli import common

ELSEWHERE = {
    "announce": ("announce", "Tell the whole course something, or read what was told."),
    "attach": ("attach", "Hand in a second file, such as a report or code."),
    "attachments": ("attach", "List the second files that you handed in, or save one."),
    "audit": ("operate", "Show the log, and verify the integrity of all records."),
    "calibrate": ("training", "For instructors: what each level scores on your data."),
    "causes": ("causes", "After the reveal, write a page with the causes of HW9."),
    "check": ("check", "Check a file as `submit` does, without recording anything."),
    "demo": ("demo", "Run a tour of everything in a new course, from data to board."),
    "disqualify": ("rules", "Take a submission out of the count, for a reason."),
    "doctor": ("doctor", "Check this installation, and the home folder or the login."),
    "export": ("competitions", "Write your own competition as a folder for `new --from`."),
    "extend": ("rules", "Give more time or more submissions to a person, a team or all."),
    "files": ("files", "List the data files of a homework, or download them."),
    "grade": ("operate", "Finish grading that a crash interrupted."),
    "gradebook": ("gradebook", "Show each student's points, by bars and by hand."),
    "leaderboard": ("board", "Show the board of a homework, or all boards."),
    "login": ("login", "Log in to a course's server, or show who is logged in."),
    "logout": ("login", "Log out and revoke the token of this machine."),
    "new": ("competitions", "Create your own competition, or a quiz."),
    "points": ("points", "Show your points, or enter those given by hand."),
    "prepare": ("competitions", "Prepare a homework: its data, hidden answers and split."),
    "quota": ("hand_in", "Show your remaining submissions for today."),
    "receipt": ("receipt", "Print the receipt of a submission, or verify a saved one."),
    "reveal": ("competitions", "Show the private board to everyone; this cannot be undone."),
    "roster": ("people", "Manage the people of the course, their teams and tokens."),
    "rules": ("rules", "Show or change the rules of a homework."),
    "select": ("hand_in", "Choose which submissions count on the private board."),
    "serve": ("serve", "Serve this course to a class over the network."),
    "starter": ("starter", "Write the sample code that a homework begins with."),
    "status": ("hand_in", "Show a submission's score, queue position or problems."),
    "submissions": ("hand_in", "List your submissions with their scores."),
    "submit": ("hand_in", "Submit a file: record it, score it and put it on the board."),
    "tasks": ("tasks", "List the homeworks, or show the overview or the data of one."),
    "train": ("training", "Train a baseline, or resume an interrupted run."),
    "verify": ("verify", "Verify an entry's size with a model that gives the same file."),
    "worker": ("serve", "Grade what a server has accepted, here or on a Ray cluster."),
}
"""The commands: the module of each in this folder, and its line in the list of all commands."""


LINE = 62
"""The longest line in the list of commands, in characters."""


class Commands(common.Group):
    """The group of all commands; lists them without loading their modules."""

    def list_commands(self, context: click.Context) -> list[str]:
        return sorted(ELSEWHERE)

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        if name not in ELSEWHERE:
            return None
        found: click.Command = getattr(import_module(f"harness.cli.{ELSEWHERE[name][0]}"), name)
        return found

    def format_commands(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        rows = [(name, line) for name, (_, line) in sorted(ELSEWHERE.items())]
        with formatter.section("Commands"):
            formatter.write_dl(rows)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.option(
    "--home",
    metavar="DIR",
    envvar="LHY_GRADE_HOME",
    type=click.Path(),
    help="The course's folder; default: LHY_GRADE_HOME, or the user's data folder.",
)
@click.option(
    "--plugin",
    "folders",
    multiple=True,
    metavar="DIR",
    envvar="LHY_GRADE_PLUGIN",
    type=click.Path(),
    help="A homework of your own in this folder; default: LHY_GRADE_PLUGIN.",
)
@click.option("--debug", is_flag=True, help="Show the traceback of an internal error.")
@click.version_option(package_name="lhy-grade")
@click.pass_context
@common.command
def cli(context: click.Context, home: str | None, folders: tuple[str, ...], debug: bool) -> None:
    """Run the competitions of a machine learning course: data, bars, hidden scores and leaderboards."""
    context.obj = home
    if folders:
        from pathlib import Path

        from tasks.homeworks import add_plugin

        for folder in filter(None, folders):  # LHY_GRADE_PLUGIN may end in a separator
            add_plugin(Path(folder))


def main() -> None:
    """The entry point of `lhy-grade`."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")  # a terminal that cannot show a character shows its code
    try:
        cli()
    except SystemExit as end:
        if end.code == 1 and common.close_unread():  # click exits by itself, as after a help text
            sys.exit(common.PIPE_EXIT)
        raise
