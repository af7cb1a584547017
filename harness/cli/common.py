"""Shared by the commands: options, the clock, the home folder, and the printing of errors."""

from __future__ import annotations

import contextlib
import functools
import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, TypeVar, cast

import click

from tasks.errors import SubmissionError, UserError, inert, internal

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from harness.course.desk import Desk
    from harness.course.remote import RemoteCourse
    from harness.course.types import Course
    from harness.home import Home


F = TypeVar("F", bound=Callable[..., Any])


def clock() -> datetime:
    """The current time; the only place where the clock is read."""
    from datetime import UTC, datetime

    return datetime.now(UTC)


FORMAT = click.option(
    "--format", "format", type=click.Choice(["table", "json", "csv"]), default="table", help="The output format."
)
NAME = click.option(
    "--as",
    "name",
    metavar="NAME",
    help="Your name, in a home folder; default: `name` in config.toml, or your user name.",
)
EXACT = click.option("--exact", is_flag=True, help="For staff: show scores with all digits.")
HW = click.argument("homework", metavar="HW")
VERSION = click.option(
    "--version",
    type=click.IntRange(min=1),
    metavar="N",
    help="An older version of the data, replaced by `prepare --new-data`.",
)
FILE = click.argument("file", metavar="FILE", type=click.Path())


PIPE_EXIT = 141
"""The exit code if the reader of the output has closed it, as in a shell: 128 plus the number of SIGPIPE."""


class Group(click.Group):
    """A group of commands that suggests the nearest names for a mistyped one."""

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
    """Prints the errors a person can fix and exits with their code; prints any other error as one inert line.

    If the output is closed, ends the program quietly; what was recorded until then stays.
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
    """Whether stdout or stderr was closed by its reader; if so, drops the remaining output."""
    import os

    gone = False
    for stream in (sys.__stdout__, sys.__stderr__):
        with contextlib.suppress(OSError, ValueError):  # a stream without a descriptor, as in a notebook
            if stream is not None and _unread(number := stream.fileno()):
                null = os.open(os.devnull, os.O_WRONLY)
                os.dup2(null, number)
                os.close(null)
                gone = True
    return gone


def _unread(descriptor: int) -> bool:
    """Whether the reader of a descriptor has closed it."""
    import select

    if not hasattr(select, "poll"):
        return True
    watched = select.poll()
    watched.register(descriptor, select.POLLOUT)
    return any(event & (select.POLLERR | select.POLLHUP | select.POLLNVAL) for _, event in watched.poll(0))


def refuse_swapped(context: click.Context, homework: str | None, file: str | None) -> None:
    """Raises UserError for `submit FILE HW`, with the right order."""
    import shlex
    from pathlib import Path

    from tasks.homeworks import is_name

    if homework is None or file is None or not is_name(file):
        return
    if not is_name(homework) or (Path(homework).is_file() and not Path(file).is_file()):
        meant = shlex.join(["lhy-grade", str(context.info_name), file, homework])
        raise UserError(f"the homework comes first, then the file. Did you mean: {meant}")


def confirm(question: str) -> None:
    """Asks on the terminal. Raises click.Abort for a no, and UserError if there is no terminal."""
    click.echo(f"{inert(question)} [y/N]: ", nl=False, err=True)
    answer = sys.stdin.readline() if sys.stdin is not None else ""
    if not answer:
        click.echo(err=True)
        raise UserError(
            "there is no terminal to answer this question, so nothing was changed. To agree, add --yes.",
            code="E_ASK",
            exit_code=1,
        )
    if answer.strip().lower() not in ("y", "yes"):
        raise click.Abort


@contextlib.contextmanager
def progress_bar(length: int, label: str) -> Iterator[Callable[[int], None]]:
    """Shows a progress bar of `length` bytes on stderr if that is a terminal, else one line."""
    if not sys.stderr.isatty():
        click.echo(f"{label} {length:,} bytes", err=True)
        yield lambda count: None
        return
    with click.progressbar(length=length, label=label, file=sys.stderr) as bar:
        yield bar.update


def fail(error: Exception, format: str | None) -> None:
    """Writes an error: as lines on stderr, or as one JSON object on stdout with --format json.

    The notes of an error are for people; JSON leaves them out.
    """
    if format == "json":
        import json

        problems = [problem._asdict() for problem in error.problems] if isinstance(error, SubmissionError) else []
        total = error.total if isinstance(error, SubmissionError) else None
        body = {"code": getattr(error, "code", ""), "message": str(error), "details": problems, "total": total}
        click.echo(json.dumps({"error": body}, indent=2))
        return
    for line in "\n".join([str(error), *getattr(error, "__notes__", ())]).split("\n"):
        click.echo(inert(line), err=True)


def find_home() -> Home:
    """The home folder of this call: --home, LHY_GRADE_HOME, or the platform's folder for user data.

    Raises UserError for the last one while logged in to a server.
    """
    from pathlib import Path

    from harness.home import open_home

    root = _given_home()
    if root is not None:
        return open_home(Path(root))
    import platformdirs

    folder = platformdirs.user_data_path("lhy-grade")
    server = remote()
    if server is not None:
        refuse_login(folder, server.url)
    return open_home(folder)


def refuse_login(folder: Path, url: str) -> None:
    """Refuses a command for home folders while logged in to a server."""
    import shlex

    verb = click.get_current_context().command_path.partition(" ")[2]
    home = shlex.quote(str(folder))
    raise UserError(
        f"`lhy-grade {verb}` is for course staff, on the machine of the course; you are logged in to"
        f" {url}. Staff run it on that machine, over ssh for example. To use the home folder"
        f" of this machine, name it: lhy-grade --home {home} {verb} ...",
        code="E_STAFF",
        exit_code=6,
    )


def _given_home() -> str | None:
    """The folder given by --home or LHY_GRADE_HOME; without a command line, as in a notebook, by the variable."""
    import os

    context = click.get_current_context(silent=True)
    given: str | None = os.environ.get("LHY_GRADE_HOME") if context is None else context.find_root().obj
    return given


def login_file() -> Path:
    """The path of this user's login."""
    import platformdirs

    return platformdirs.user_config_path("lhy-grade") / "login.json"


def remote() -> RemoteCourse | None:
    """The server that the user is logged in to, or that LHY_GRADE_SERVER and LHY_GRADE_TOKEN name.

    None without either, or if a home is named, which has precedence.
    """
    import os

    if _given_home() is not None:
        return None
    url, token = os.environ.get("LHY_GRADE_SERVER"), os.environ.get("LHY_GRADE_TOKEN")
    if url or token:
        from harness.course.login import named_server

        return named_server(url, token)
    path = login_file()
    if not path.exists():
        return None
    from harness.course.login import read_login

    return read_login(path)


def source(name: str | None = None, *, named: bool = True) -> Course:
    """The course that the commands use, on a server or in a home folder.

    `name` is the value of --as. `named` is false where it does not matter who asks.
    """
    server = remote()
    if server is not None:
        if name is not None:
            raise UserError("--as works only with a home folder; a server knows you by your login.")
        return server
    from harness.course import access, local

    home = find_home()
    return local.LocalCourse(home, access.owner(who(home, name) if named else ""), clock)


def desk(name: str | None = None) -> Desk:
    """What staff ask of the course, on a server or in a home folder; `name` is the value of --as."""
    server = remote()
    if server is not None:
        if name is not None:
            raise UserError("--as works only with a home folder; a server knows you by your login.")
        from harness.course import remote_desk

        return remote_desk.RemoteDesk(server)
    from harness.course import access, local_desk

    home = find_home()
    return local_desk.LocalDesk(home, access.owner(who(home, name)), clock)


def nothing_yet() -> str:
    """The message if no homework is prepared."""
    if remote() is not None:
        return "The course has no homework yet."
    return "Nothing is prepared yet. Begin with: lhy-grade prepare hw1"


def who(home: Home, name: str | None) -> str:
    """The participant's name. Raises UserError for one that is empty, too long or not printable."""
    import getpass

    if name is None:
        name = home.settings.get("name")
    if name is None:
        try:
            name = getpass.getuser()
        except (OSError, KeyError, ImportError):
            raise UserError('your name is not known: add --as NAME, or write name = "…" in config.toml.') from None
    name = name.strip()
    if not name or len(name) > 60 or not name.isprintable():
        raise UserError("a name must have 1 to 60 printable characters; choose another with --as NAME.")
    return name
