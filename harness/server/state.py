"""What the requests of one process share: home, threads, limits, and who asks."""

from __future__ import annotations

import asyncio
import ipaddress
import json
import time
from collections import Counter
from collections.abc import Awaitable, Callable, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

from fastapi import Depends, Request

from harness.competition import prepared, read_competition
from harness.home import Home, open_home, override
from harness.server import auth
from harness.server.auth import ANYBODY, Login
from harness.server.refusals import OUT_OF_ORDER, Rejected
from harness.settings import Settings
from tasks.errors import UserError

if TYPE_CHECKING:
    from sqlalchemy import Pool

T = TypeVar("T")
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]

BASE = "/api/v1"
THREADS = 8
JSON_BYTES = 2**16
"""The size limit in bytes of a request body, except for uploads."""

GRACE_SECONDS = 20.0
SLOWEST = 4096
"""A body must arrive within the grace period plus its size at this many bytes per second."""

UPLOADS_AT_ONCE = 4
"""The most simultaneous uploads of one token."""


@dataclass
class Server:
    """The state shared by the requests of one process."""

    first: Home
    settings: Settings
    clock: Callable[[], datetime]
    log: Callable[[str], None]
    grace: float
    pool: Pool
    threads: ThreadPoolExecutor
    requests: auth.Limiter
    uploads: auth.Limiter
    strangers: auth.Limiter
    sending: Counter[int] = field(default_factory=Counter)
    read: tuple[int, Home] | None = None

    @property
    def home(self) -> Home:
        """The home with its current config.toml, whose rules may change; the database stays the one from the start.

        If the file cannot be read or has an invalid rule, the previous settings stay in force.
        """
        path = self.first.root / "config.toml"
        changed = path.stat().st_mtime_ns if path.exists() else 0
        if self.read is None or self.read[0] != changed:
            home = self.read[1] if self.read else self.first
            try:
                settings = open_home(self.first.root).settings
                new = replace(self.first, settings=settings | {"database": self.first.settings.get("database")})
                for name in prepared(new):
                    override(read_competition(new.public(name)).rules, new.first_rules(name), f"config.toml: [{name}]")
                home = new
            except UserError as error:
                self.tell(error)
            self.read = changed, home
        return self.read[1]

    def close(self) -> None:
        """Waits for the threads and closes their connections."""
        self.threads.shutdown(wait=True)
        self.pool.dispose()

    async def call(self, function: Callable[..., T], *args: Any, **values: Any) -> T:
        """Runs a library call in a thread.

        Requests are checked before, so a usage error here means a misconfigured home: answer 503, and log the cause.
        """
        try:
            return await asyncio.get_running_loop().run_in_executor(self.threads, partial(function, *args, **values))
        except UserError as error:
            if error.code not in OUT_OF_ORDER:
                raise
            self.tell(error)
            raise UserError("the course is misconfigured.", code="E_COURSE", exit_code=7) from error

    def tell(self, error: UserError) -> None:
        """Logs a problem of the home."""
        self.log(json.dumps({"at": self.clock().isoformat(timespec="milliseconds"), "error": str(error)}))


def server_of(request: Request) -> Server:
    server: Server = request.app.state.server
    return server


async def find_login(request: Request) -> Login:
    """The login of a request, within the rate limits; a change by cookie must come from a page of this server."""
    server = server_of(request)
    authorization = request.headers.get("authorization")
    cookie = request.cookies.get(auth.cookie_name(server.settings.secure))
    if authorization is None and cookie is None:
        login = ANYBODY
    else:
        try:
            login = await server.call(auth.find_login, server.home, authorization, cookie, server.clock())
        except UserError as error:
            if error.code == "E_LOGIN":
                limit(server.strangers, address_of(request.scope))
            raise
    request.scope["lhy.token"] = login.token
    if login.token is None:
        limit(server.strangers, address_of(request.scope))
    else:
        limit(server.requests, str(login.token))
    changes = request.method not in ("GET", "HEAD") or "unrevealed" in request.query_params
    if login.by == "cookie" and changes:
        auth.check_site(request, server.settings)
    return login


def limit(limiter: auth.Limiter, name: str) -> None:
    """Counts a request. Raises Rejected E_RATE above the limit."""
    wait = limiter.take(name, time.monotonic())
    if wait:
        raise Rejected("E_RATE", f"too many requests; try again in {int(wait) + 1} s.", wait)


def address_of(scope: Message) -> str:
    """The client address of a request; an IPv6 /64 network counts as one."""
    try:
        address = ipaddress.ip_address((scope.get("client") or ("",))[0])
    except ValueError:
        return "-"
    return str(address) if address.version == 4 else str(ipaddress.ip_network((address, 64), strict=False))


Who = Annotated[Login, Depends(find_login)]
