"""What the commands share: options, the clock, the home folder, and how errors reach a person."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar, cast

import click

from tasks.errors import SubmissionError, UserError, internal

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

F = TypeVar("F", bound=Callable[..., Any])


def clock() -> datetime:
    """The one place where the time of day is read."""
    from datetime import UTC, datetime

    return datetime.now(UTC)


FORMAT = click.option(
    "--format", "format", type=click.Choice(["table", "json", "csv"]), default="table", help="How to write the result."
)
NAME = click.option(
    "--as", "name", metavar="NAME", help="Who, in a home folder; default: `name` in config.toml, or the login."
)
EXACT = click.option("--exact", is_flag=True, help="For staff: scores with all their digits.")
HW = click.argument("homework", metavar="HW")
VERSION = click.option(
    "--version", type=click.IntRange(min=1), metavar="N", help="Of older data, which `prepare --new-data` put away."
)
FILE = click.argument("file", metavar="FILE", type=click.Path())


PIPE_EXIT = 141
"""The exit code of a program whose reader has gone, as a shell shows it: 128 and the number of SIGPIPE."""


class Group(click.Group):
    """A group of commands that answers a mistyped name with the nearest ones."""

    def resolve_command(
        self, context: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        if self.get_command(context, name) is None and not name.startswith("-"):
            from difflib import get_close_matches

            near = get_close_matches(name.lower(), self.list_commands(context), 3)
            hint = f" Did you mean {' or '.join(near)}?" if near else f" See: {context.command_path} --help"
            context.fail(f"No such command {name!r}.{hint}")
        return super().resolve_command(context, args)


def command(function: F) -> F:
    """Turns the errors a person can mend into their text and exit code, and all others into one inert line.

    Where nobody reads the output any more, it ends the program quietly; what is recorded by then stays.
    """

    @functools.wraps(function)
    def run(*args: Any, **kwargs: Any) -> Any:
        context = click.get_current_context()
        try:
            if "homework" in kwargs and "file" in kwargs:
                refuse_swapped(context, kwargs["homework"], kwargs["file"])
            return function(*args, **kwargs)
        except click.ClickException:
            raise
        except (click.exceptions.Exit, click.Abort, KeyboardInterrupt):
            raise
        except Exception as error:
            if isinstance(error, BrokenPipeError) and close_unread():
                context.exit(PIPE_EXIT)
            if not hasattr(error, "exit_code") or not hasattr(error, "code"):
                if context.find_root().params.get("debug"):
                    raise
                error = internal(error)
            fail(error, kwargs.get("format"))
            context.exit(int(error.exit_code))

    return cast(F, run)


def close_unread() -> bool:
    """Whether stdout or stderr lost its reader; if so, what is left for it is dropped, here and at the end."""
    import contextlib
    import os

    gone = False
    for stream in (sys.__stdout__, sys.__stderr__):
        with contextlib.suppress(OSError, ValueError):  # one that has no descriptor, as in a notebook
            if stream is not None and _unread(number := stream.fileno()):
                null = os.open(os.devnull, os.O_WRONLY)
                os.dup2(null, number)
                os.close(null)
                gone = True
    return gone


def _unread(descriptor: int) -> bool:
    """Whether nobody reads what is written there."""
    import select

    if not hasattr(select, "poll"):
        return True
    watched = select.poll()
    watched.register(descriptor, select.POLLOUT)
    return any(event & (select.POLLERR | select.POLLHUP | select.POLLNVAL) for _, event in watched.poll(0))


def refuse_swapped(context: click.Context, homework: str | None, file: str | None) -> None:
    """Raises UserError for `submit FILE HW`, with the order that was meant."""
    import shlex
    from pathlib import Path

    from tasks.homeworks import is_name

    if homework is None or file is None or not is_name(file):
        return
    if not is_name(homework) or (Path(homework).is_file() and not Path(file).is_file()):
        meant = shlex.join(["lhy-grade", str(context.info_name), file, homework])
        raise UserError(f"the homework comes first, then the file. Did you mean: {meant}")


def confirm(question: str) -> None:
    """Asks on the terminal. Raises click.Abort for a no, and UserError where nobody is there to answer."""
    from harness.render import inert

    click.echo(f"{inert(question)} [y/N]: ", nl=False, err=True)
    answer = sys.stdin.readline() if sys.stdin is not None else ""
    if not answer:
        click.echo(err=True)
        raise UserError("nobody is here to answer that question, so nothing was changed. Answer it with --yes.",
                        code="E_ASK", exit_code=1)  # fmt: skip
    if answer.strip().lower() not in ("y", "yes"):
        raise click.Abort


def fail(error: Exception, format: str | None) -> None:
    """Writes an error: as lines on stderr, or as one JSON object on stdout where JSON was asked for.

    The notes of an error are for people; JSON leaves them out.
    """
    if format == "json":
        import json

        problems = [problem._asdict() for problem in error.problems] if isinstance(error, SubmissionError) else []
        total = error.total if isinstance(error, SubmissionError) else None
        body = {"code": getattr(error, "code", ""), "message": str(error), "details": problems, "total": total}
        click.echo(json.dumps({"error": body}, indent=2))
        return
    from harness.render import inert

    for line in "\n".join([str(error), *getattr(error, "__notes__", ())]).split("\n"):
        click.echo(inert(line), err=True)


def find_home() -> Any:
    """The home folder of this call: --home, LHY_GRADE_HOME, or the platform's folder for user data.

    Raises UserError for the last one while a login says that a server is meant.
    """
    from pathlib import Path

    from harness.home import open_home

    root = _given_home()
    if root is not None:
        return open_home(Path(root))
    import platformdirs

    folder = platformdirs.user_data_path("lhy-grade")
    if login_file().exists():
        refuse_login(folder)
    return open_home(folder)


def refuse_login(folder: Path) -> None:
    """Raises UserError: what works on a home alone never takes that of this machine for the server's."""
    import shlex

    from harness.remote import read_login

    verb = click.get_current_context().command_path.partition(" ")[2]
    home = shlex.quote(str(folder))
    raise UserError(
        f"`lhy-grade {verb}` is for the staff of a course, on the machine that holds it; you are logged in to"
        f" {read_login(login_file()).url}. Staff run it on that machine, over ssh for example. For the home folder of"
        f" this machine, name it: lhy-grade --home {home} {verb} ...",
        code="E_STAFF",
        exit_code=6,
    )


def _given_home() -> str | None:
    """What --home or LHY_GRADE_HOME names; without a command line, as in a notebook, the variable."""
    import os

    context = click.get_current_context(silent=True)
    given: str | None = os.environ.get("LHY_GRADE_HOME") if context is None else context.find_root().obj
    return given


def login_file() -> Path:
    """Where the login of this user is kept."""
    import platformdirs

    return platformdirs.user_config_path("lhy-grade") / "login.json"


def remote() -> Any:
    """The server that one is logged in to; None where there is none, or where a home is named, which comes first."""
    if _given_home() is not None:
        return None
    path = login_file()
    if not path.exists():
        return None
    from harness.remote import read_login

    return read_login(path)


def source(name: str | None = None, *, named: bool = True) -> Any:
    """What answers the verbs: the server (`harness.remote.Server`), or a home (`harness.view.AtHome`).

    `named` says that it matters who asks: `name` is what --as says.
    """
    server = remote()
    if server is not None:
        if name is not None:
            raise UserError("--as is for a home folder; a server knows you by your login.")
        return server
    from harness import view

    home = find_home()
    return view.AtHome(home, view.owner(who(home, name) if named else ""), clock)


def nothing_yet() -> str:
    """What is said where no homework is prepared."""
    if remote() is not None:
        return "The course has no homework yet."
    return "Nothing is prepared yet. Begin with: lhy-grade prepare hw1"


def who(home: Any, name: str | None) -> str:
    """The participant's name. Raises UserError for one that is empty, too long or not printable."""
    import getpass

    if name is None:
        name = home.settings.get("name")
    if name is None:
        try:
            name = getpass.getuser()
        except (OSError, KeyError, ImportError):
            raise UserError('who hands in? Add --as NAME, or write name = "…" in config.toml.') from None
    name = name.strip()
    if not name or len(name) > 60 or not name.isprintable():
        raise UserError("a name has 1 to 60 printable characters; choose another with --as NAME.")
    return name
