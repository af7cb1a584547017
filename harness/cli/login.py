"""The commands login and logout."""

from __future__ import annotations

import sys

import click

from harness.cli import common
from harness.cli.output import Field, emit, say
from harness.course import login as logins
from harness.course.remote import RemoteCourse
from harness.words import inert, short_time
from tasks.errors import UserError


@click.command()
@click.argument("url", required=False)
@click.option("--ca", metavar="FILE", type=click.Path(), help="Trust certificates signed by this authority.")
@click.option("--insecure", is_flag=True, help="Allow plain http to another machine; the token can be read on the way.")
@click.option("--new-token", is_flag=True, help="Print a new token, for a browser or another machine.")
@click.option("--label", metavar="NAME", help="With --new-token: its name, such as the machine; default: further.")
@click.option("--list", "listed", is_flag=True, help="Show your valid tokens, without their secrets.")
@click.option("--end", "ended", metavar="N", type=click.IntRange(min=1, max=2**62), help="End your token number N.")
@common.command
def login(
    url: str | None,
    ca: str | None,
    insecure: bool,
    new_token: bool,
    label: str | None,
    listed: bool,
    ended: int | None,
) -> None:
    """Log in to a course's server, or show who is logged in.

    Asks for the token, or reads it from standard input, and keeps it in a file that only you can read. An invitation
    works once: the first login replaces it with a token for this machine.
    """
    if new_token + listed + (ended is not None) > 1 or (label is not None and not new_token):
        raise UserError("choose one of --new-token, --list and --end N; --label NAME is for --new-token.")
    path = common.login_file()
    if url is None:
        server = logins.read_login(path) if path.exists() else None
        if server is None:
            raise UserError("you are not logged in; log in with: lhy-grade login URL")
    else:
        url = logins.check_url(url, insecure)
        token = click.prompt("Token", hide_input=True, err=True) if sys.stdin.isatty() else sys.stdin.readline()
        server = logins.log_in(url, token.strip(), ca)
    if url is not None:
        logins.write_login(path, server)
    if new_token:
        click.echo(inert(server.new_token(label or "further").token))
        return
    if listed:
        _show_tokens(server)
        return
    if ended is not None:
        _end_token(server, ended)
        return
    person = server.me()
    click.echo(inert(f"{server.course}: {person.name}, {person.role}, at {server.url}"))


def _show_tokens(server: RemoteCourse) -> None:
    rows = [vars(row) | {"this": "this machine" if row.this else ""} for row in server.tokens().tokens]
    fields = [
        Field("id", "#", right=True), Field("label", "name"), Field("scope", "rights"),
        Field("created", "made", short_time, rank=1), Field("expires", "ends", short_time), Field("this", ""),
    ]  # fmt: skip
    emit("table", "tokens", rows, fields)


def _end_token(server: RemoteCourse, number: int) -> None:
    """Ends a token of the caller; that of this machine is for logout, which removes it from the disk, too."""
    found = next((one for one in server.tokens().tokens if one.id == number), None)
    if found is None:
        raise UserError(f"you have no valid token {number}; see: lhy-grade login --list", code="E_NOT_FOUND")
    if found.this:
        raise UserError(f"token {number} is that of this machine; to end it: lhy-grade logout")
    server.revoke(number)
    click.echo(inert(f"token {number} ({found.label}) has ended"))


@click.command()
@common.command
def logout() -> None:
    """Log out and revoke the token of this machine.

    Commands then use the home folder again."""
    path = common.login_file()
    if not path.exists():
        raise UserError("you are not logged in.")
    text, expires = "logged out; the token has been revoked", "it expires"
    try:
        server = logins.read_login(path)
        expires = server.expires or expires
        server.revoke()
    except (UserError, KeyboardInterrupt) as error:
        if getattr(error, "code", "") != "E_LOGIN":
            say(str(error) or "Interrupted.")
            text = f"logged out on this machine; the token stays valid until {expires}, or until course staff revoke it"
    finally:
        path.unlink()
    click.echo(inert(text))
