"""The commands login and logout."""

from __future__ import annotations

import sys

import click

from harness.cli import common
from harness.cli.output import say
from harness.course import login as logins
from harness.words import inert
from tasks.errors import UserError


@click.command()
@click.argument("url", required=False)
@click.option("--ca", metavar="FILE", type=click.Path(), help="Trust certificates signed by this authority.")
@click.option("--insecure", is_flag=True, help="Allow plain http to another machine; the token can be read on the way.")
@click.option("--new-token", is_flag=True, help="Print a new token, for a browser or another machine.")
@common.command
def login(url: str | None, ca: str | None, insecure: bool, new_token: bool) -> None:
    """Log in to a course's server, or show who is logged in.

    Asks for the token, or reads it from standard input, and keeps it in a file that only you can read. An invitation
    works once: the first login replaces it with a token for this machine.
    """
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
        click.echo(inert(server.new_token("further").token))
        return
    person = server.me()
    click.echo(inert(f"{server.course}: {person.name}, {person.role}, at {server.url}"))


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
