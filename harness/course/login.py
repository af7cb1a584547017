"""The login to a server, kept in a file that only its owner can read."""

from __future__ import annotations

import contextlib
import json
import os
import re
from dataclasses import asdict, replace
from pathlib import Path
from urllib.parse import urlsplit

from harness.course.remote import RemoteCourse
from harness.course.transport import is_loopback
from harness.home import making, write_json
from tasks.errors import UserError

TOKEN = re.compile(r"lhy_[A-Za-z0-9_-]{43}")

INVITATION = "invitation"
"""The label of a one-time token, the same as in `leaderboard.roster`."""


def check_url(url: str, insecure: bool) -> str:
    """The address without a trailing slash.

    Raises UserError for an invalid one, and for plain http to another machine unless `insecure`.
    """
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        _ = parts.port
    except ValueError:
        parts, host = urlsplit(""), ""
    if parts.scheme not in ("https", "http") or not host or parts.query or parts.fragment or "@" in parts.netloc:
        hint = ""
        if "://" not in url and re.fullmatch(r"[\w.\[\]:-]+(/[\w./~-]*)?", url):
            host = urlsplit(f"//{url}").hostname or ""
            hint = f" Did you mean {'http' if is_loopback(host) else 'https'}://{url}?"
        raise UserError(f"{url!r} is not a valid server address; expected https://HOST or https://HOST/PATH.{hint}")
    if parts.scheme == "http" and not (is_loopback(host) or insecure):
        raise UserError(
            f"{url} is not encrypted: anyone on the network path could read the token. Use https, or --insecure on a"
            " network that you trust.",
            code="E_INSECURE",
            exit_code=6,
        )
    return url.rstrip("/")


def named_server(url: str | None, token: str | None) -> RemoteCourse:
    """The server of LHY_GRADE_SERVER and LHY_GRADE_TOKEN. Raises UserError if one is missing or not valid."""
    if not url or not token:
        missing = "LHY_GRADE_TOKEN" if url else "LHY_GRADE_SERVER"
        raise UserError(f"LHY_GRADE_SERVER and LHY_GRADE_TOKEN work together; {missing} is not set.")
    _check_token(token)
    return RemoteCourse(check_url(url, insecure=False), token)


def _check_token(token: str) -> None:
    if not TOKEN.fullmatch(token):
        raise UserError(
            "a token is lhy_ followed by 43 letters, digits, _ or -; copy all of it.", code="E_TOKEN", exit_code=6
        )


def log_in(url: str, token: str, ca: str | None) -> RemoteCourse:
    """Logs in at a checked address; an invitation is exchanged for a new token. Raises UserError."""
    _check_token(token)
    if ca is not None and not Path(ca).is_file():
        raise UserError(f"there is no file {ca}.")
    server = RemoteCourse(url.rstrip("/"), token, None if ca is None else str(Path(ca).absolute()))
    about = server.about()
    this = next(token for token in server.tokens().tokens if token.this)
    expires = this.expires
    if this.label == INVITATION:
        made = server.new_token("command line")
        server, expires = replace(server, token=made.token), made.expires
    return replace(server, course=about.course, key=about.receipt_key, expires=expires)


def write_login(path: Path, server: RemoteCourse) -> None:
    """Writes a login to a file that only its owner can read."""
    with making(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        new = path.with_name(f".{path.name}.{os.getpid()}")
        with contextlib.suppress(FileNotFoundError):
            new.unlink()
        write_json(new, asdict(server), mode=0o600)
        new.replace(path)


def read_login(path: Path) -> RemoteCourse:
    """The login in a file. Raises UserError if it cannot be read."""
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        server = RemoteCourse(**values)
        if not isinstance(server.url, str) or not TOKEN.fullmatch(server.token):
            raise TypeError
    except (OSError, ValueError, TypeError):
        raise UserError(f"{path} cannot be read as a login; log in again: lhy-grade login URL") from None
    return server
