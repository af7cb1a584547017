"""The command `serve`."""

from __future__ import annotations

import itertools
import os
import sys
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.cli import common
from harness.cli.cluster import join_cluster
from harness.cli.output import say
from harness.competition import find_competition, prepared
from harness.grading.worker import refuse_shared_disk
from harness.server.run import (
    FIRST,
    allow_connections,
    listen,
    make_ready,
    run_web,
    run_worker,
    supervise,
    sweep_left_overs,
)
from harness.settings import LOOPBACK, read_settings
from leaderboard import access_tokens, enrolment, roster
from tasks.errors import UserError

if TYPE_CHECKING:
    from harness.home import Home


TERM_DAYS = 200
"""Days until the first instructor's token expires."""


@click.command()
@click.option("--host", metavar="ADDRESS", help="Address to listen on; default: 127.0.0.1, this machine only.")
@click.option("--port", type=click.IntRange(0, 65535), metavar="N", help="Port; default: 8600. 0 picks a free one.")
@click.option("--processes", type=click.IntRange(1, 64), default=1, show_default=True, help="Web processes.")
@click.option("--workers", type=click.IntRange(0, 64), default=1, show_default=True, help="Grading processes.")
@common.command
def serve(host: str | None, port: int | None, processes: int, workers: int) -> None:
    """Serve this course to a class over the network.

    Settings are in config.toml, [server]."""
    if os.name != "posix":
        raise UserError("the server needs Linux, macOS or another POSIX system.")
    try:
        import uvicorn  # noqa: F401

        import harness.server.pages  # noqa: F401  # once, for all forked processes
    except ImportError:
        raise UserError('the server needs more packages: pip install "lhy-grade[server]"') from None
    home = common.find_home()
    settings = read_settings(home)
    settings = replace(settings, host=host or settings.host, port=settings.port if port is None else port)
    make_ready(home)  # raises if there is no course
    for name in prepared(home):
        find_competition(home, name)
    listening = listen(settings)
    settings = replace(settings, port=listening.getsockname()[1])
    token = first_login(home, common.clock())
    click.echo(f"{home.course} is served at {settings.address}")
    if token is not None:
        click.echo(f"the first instructor's login, shown only once: {token}")
        say(f"Log in with it: lhy-grade login {settings.address}")
    if settings.host not in LOOPBACK and not settings.secure:
        say("Without TLS, tokens can be read in transit: set certificate and key, or use a proxy with TLS.")
    if settings.url and not settings.trusted_proxies:
        say("Behind a proxy all visitors share its address and one rate limit: set trusted_proxies to that address.")
    sweep_left_overs(home, common.clock())
    sys.stdout.flush()
    allow_connections()
    supervise(
        [lambda: run_web(home, settings, common.clock, listening)] * processes
        + [lambda: run_worker(home, settings, common.clock, listening)] * workers
    )


@click.command()
@click.option("--ray", "address", metavar="ADDRESS", help="Grade on this Ray cluster.")
@common.command
def worker(address: str | None) -> None:
    """Grade what a server has accepted, here or on a Ray cluster.

    It ends with SIGTERM or Ctrl-C, and gives back what it has not graded. `serve` starts workers by itself; more of
    them run on other machines with the same home and a PostgreSQL database.
    """
    if os.name != "posix":
        raise UserError("grading workers need Linux, macOS or another POSIX system.")
    home = common.find_home()
    settings, mounts = read_settings(home), Path("/proc/self/mounts")
    refuse_shared_disk(home, mounts.read_text(encoding="utf-8") if mounts.exists() else "")
    if address is None:
        run_worker(home, settings, common.clock)
        return
    run_worker(home, settings, common.clock, loop=join_cluster(address).run)


def first_login(home: Home, now: datetime) -> str | None:
    """A token for a new instructor if the roster has none yet, else None."""
    with home.database() as database:
        people = roster.people(database)
        if any(person.role == "instructor" and not person.disabled_at for person in people):
            return None
        token, taken = (
            access_tokens.new_token(),
            {enrolment.alike(word) for one in people for word in (one.key, one.name)},
        )
        names = itertools.chain((FIRST,), (f"{FIRST}-{n}" for n in itertools.count(2)))
        key = next(name for name in names if enrolment.alike(name) not in taken)
        entry = roster.RosterEntry(key, key.capitalize(), "", "instructor")
        enrolment.add_person(database, entry, actor=key, reason="the first login of the server", now=now)
        ends = now + timedelta(days=TERM_DAYS)
        access_tokens.issue_token(database, key, access_tokens.hash_token(token), "all", "first login", ends, key, now)
    return token
