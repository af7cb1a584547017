"""The endpoints of sessions and tokens under /api/v1."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import Response

from harness.course import catalogue
from harness.course.types import Done, Me, NewSession, NewToken, Tokens
from harness.server import auth
from harness.server.auth import Login
from harness.server.endpoints import Number, answer, errors_of
from harness.server.refusals import Rejected
from harness.server.state import BASE, Who, address_of, limit, server_of
from harness.server.uploads import read_json
from harness.settings import Settings


def add_sessions(api: FastAPI) -> None:
    token = {"type": "object", "required": ["token"], "properties": {"token": {"type": "string"}}}

    @api.post(
        f"{BASE}/session",
        response_model=NewSession,
        responses=errors_of(400, 401, 403, 408, 411, 413),
        openapi_extra={"requestBody": {"required": True, "content": {"application/json": {"schema": token}}}},
    )
    async def log_in(request: Request) -> Response:
        """Log a browser in with a token: the answer sets a cookie.

        An invitation is used up: `token` is then your new token, shown only once; otherwise it is null.
        """
        server = server_of(request)
        limit(server.strangers, address_of(request.scope))
        given = (await read_json(request)).get("token")
        if not isinstance(given, str):
            raise auth.refused()
        cookie, login, own = await server.call(auth.open_session, server.home, given.strip(), server.clock())
        request.scope["lhy.token"] = login.token
        me = await server.call(catalogue.me, server.home, login.viewer)
        response = answer(NewSession(me, own))
        set_cookie(response, server.settings, cookie)
        return response

    @api.get(f"{BASE}/session", response_model=Me, responses=errors_of(400, 401))
    async def session(request: Request, login: Who) -> Response:
        """Who is logged in."""
        server = server_of(request)
        return answer(await server.call(catalogue.me, server.home, login.viewer))

    @api.delete(f"{BASE}/session", response_model=Done, responses=errors_of(400, 401, 403))
    async def log_out(request: Request, login: Who) -> Response:
        """Log the browser out. The token stays valid until it expires or is revoked."""
        response = answer(Done())
        await sign_out(request, response, login)
        return response


def add_tokens(api: FastAPI) -> None:
    label = {"type": "object", "properties": {"label": {"type": "string", "maxLength": 60}}}

    @api.get(f"{BASE}/tokens", response_model=Tokens, responses=errors_of(400, 401))
    async def tokens(request: Request, login: Who) -> Response:
        """Your valid tokens, without the secrets."""
        server = server_of(request)
        return answer(await server.call(auth.tokens, server.home, login, server.clock()))

    @api.post(
        f"{BASE}/tokens",
        response_model=NewToken,
        responses=errors_of(400, 401, 403, 408, 409, 411, 413),
        openapi_extra={"requestBody": {"required": True, "content": {"application/json": {"schema": label}}}},
    )
    async def new_token(request: Request, login: Who) -> Response:
        """Create a token, shown only once. An invitation is used up by it."""
        server = server_of(request)
        label = label_of((await read_json(request)).get("label", ""))
        return answer(await server.call(auth.new_token, server.home, login, label, server.clock()))

    @api.delete(f"{BASE}/tokens/{{number}}", response_model=Done, responses=errors_of(400, 401, 403, 404))
    async def revoke(request: Request, login: Who, number: Number) -> Response:
        """Revoke one of your tokens."""
        server = server_of(request)
        return answer(await server.call(auth.revoke, server.home, login, number, server.clock()))


def label_of(label: Any) -> str:
    """The name of a new token. Raises Rejected for one that is not short plain text."""
    if not isinstance(label, str) or len(label) > 60 or not label.isprintable():
        raise Rejected("E_USAGE", "a label can have at most 60 printable characters.")
    return label or "token"


def set_cookie(response: Response, settings: Settings, cookie: str) -> None:
    """Sets the session cookie: not readable by scripts, and not sent with requests from other sites."""
    response.set_cookie(
        auth.cookie_name(settings.secure),
        cookie,
        max_age=auth.SESSION_DAYS * 86400,
        path="/",
        secure=settings.secure,
        httponly=True,
        samesite="lax",
    )


async def sign_out(request: Request, response: Response, login: Login) -> None:
    """Ends a browser's session and deletes its cookie."""
    server = server_of(request)
    name = auth.cookie_name(server.settings.secure)
    if login.by == "cookie":
        await server.call(auth.close_session, server.home, request.cookies.get(name), server.clock())
    response.delete_cookie(name, path="/", secure=server.settings.secure, httponly=True, samesite="lax")
