"""The JSON API under /api/v1: every answer is a body of `harness.course`, every refusal one of its errors.

Permissions are decided only in `harness.course`; this module handles requests: authentication (`harness.server.auth`),
size and rate limits, the streamed upload, headers, the access log, and one format for all errors.
Library calls run in threads, each with a database connection of a pool.
"""

from __future__ import annotations

import contextlib
import json
import secrets
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from harness.home import Home
from harness.server import auth
from harness.server.attachments import add_attachments
from harness.server.changes import add_changes
from harness.server.endpoints import add_handing_in, add_reading, describe
from harness.server.refusals import answer_refusal, refusal
from harness.server.sessions import add_sessions, add_tokens
from harness.server.staff import add_staff
from harness.server.state import BASE, GRACE_SECONDS, THREADS, App, Message, Receive, Send, Server, address_of
from harness.settings import Settings
from leaderboard.database import open_pool, pooled
from tasks.errors import UserError, internal

HEADERS = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
    "cache-control": "no-store",
}
"""The headers of every answer unless its endpoint sets others."""


METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH")


def make_app(
    home: Home,
    settings: Settings,
    clock: Callable[[], datetime],
    log: Callable[[str], None],
    grace: float = GRACE_SECONDS,
) -> FastAPI:
    """The server's application; `log` gets one line of JSON for each request, without names, tokens or bodies."""

    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> Any:
        yield
        server.close()

    api = FastAPI(
        title="lhy-grade",
        description="Competitions of a machine learning course."
        " Every error is `{error: {code, message, details, total}}`.",
        version="1",
        openapi_url=f"{BASE}/openapi.json",
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
        redirect_slashes=False,
    )
    pool = open_pool(home.database_url, THREADS)
    server = Server(
        first=replace(home, connect=partial(pooled, pool), served=True),
        pool=pool,
        settings=settings,
        clock=clock,
        log=log,
        grace=grace,
        threads=ThreadPoolExecutor(THREADS, "call"),
        requests=auth.Limiter(settings.requests_per_minute),
        uploads=auth.Limiter(settings.uploads_per_minute),
        strangers=auth.Limiter(settings.requests_per_minute),
    )
    api.state.server = server
    for kind in (UserError, HTTPException, RequestValidationError):
        api.add_exception_handler(kind, answer_refusal)
    api.add_middleware(_guard, server=server)
    add_reading(api)
    add_handing_in(api)
    add_sessions(api)
    add_tokens(api)
    add_staff(api)
    add_changes(api)
    add_attachments(api)
    api.openapi = partial(describe, api)  # type: ignore[method-assign]
    return api


def _guard(app: App, server: Server) -> App:
    """Wraps every request: its number, the headers, the log line; hides the text of unexpected errors."""

    async def run(scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await app(scope, receive, send)
            return
        scope["lhy.id"] = number = secrets.token_hex(8)
        begun, status, failed = time.perf_counter(), 0, ""

        async def answer(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                have = {name.lower() for name, _ in message["headers"]}
                more = HEADERS | {"x-request-id": number}
                if server.settings.secure:
                    more |= {"strict-transport-security": "max-age=31536000"}
                message["headers"] = [
                    *message["headers"],
                    *((n.encode(), v.encode()) for n, v in more.items() if n.encode() not in have),
                ]
            await send(message)

        try:
            await app(scope, receive, answer)
        except ClientDisconnect:
            failed = "the client disconnected"
        except Exception as error:
            hidden = internal(error)
            failed = str(hidden).partition(". ")[0]
            if status == 0:
                try:
                    response = await scope["app"].exception_handlers[UserError](Request(scope), hidden)
                except Exception:
                    response = refusal(number, hidden)
                await response(scope, receive, answer)
        finally:
            server.log(_line(server, scope, number, status, begun, failed))

    return run


def _line(server: Server, scope: Message, number: str, status: int, begun: float, failed: str) -> str:
    """The log line of a request: the route, not the path or query, which could contain names."""
    route = scope.get("route")
    line = {
        "at": server.clock().isoformat(timespec="milliseconds"),
        "request": number,
        "address": address_of(scope),
        "token": scope.get("lhy.token"),
        "method": scope["method"] if scope["method"] in METHODS else "other",
        "route": getattr(route, "path", None),
        "status": status or None,
        "ms": round((time.perf_counter() - begun) * 1000, 1),
    }
    return json.dumps(line | ({"error": failed} if failed else {}))
