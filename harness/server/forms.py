"""Shared by the pages: reading a form that was sent, and answering with a page."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import parse_qs, urlsplit

from fastapi import Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from harness.course.access import require_staff
from harness.course.desk import Change, How
from harness.server import auth, state, uploads
from harness.server.rendering import Ask, Page, render
from tasks.errors import UserError

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self';"
    " base-uri 'none'; frame-ancestors 'none'"
)
Make = Callable[..., Page]
Form = dict[str, list[str]]


async def answer(request: Request, make: Make, *values: Any, login: auth.Login | None = None) -> Response:
    """The page that `make` builds for the login of the request."""
    server = state.server_of(request)
    ask = ask_of(request, login or await state.find_login(request))
    return await server.call(lambda: write(server, ask, make(ask, *values)))


def ask_of(request: Request, login: auth.Login) -> Ask:
    server = state.server_of(request)
    return Ask(server.home, login.viewer, request.url.path, server.clock())


async def ask_again(request: Request, status: int) -> Ask | None:
    """The viewer of an error page; None where finding the login again is not an option."""
    server = state.server_of(request)
    cookie = request.cookies.get(auth.cookie_name(server.settings.secure))
    if status in (401, 429) or status >= 500 or cookie is None:
        return None
    return ask_of(request, await server.call(auth.find_login, server.home, None, cookie, server.clock()))


def write(server: state.Server, ask: Ask | None, page: Page) -> HTMLResponse:
    """The HTTP response with a page."""
    headers = {"content-security-policy": POLICY, "vary": "cookie"}
    return HTMLResponse(render(server.home, ask, page), page.status, headers)


def see(target: str) -> RedirectResponse:
    return RedirectResponse(target, 303)


async def read_post(request: Request, fields: int = 200, most: int = state.JSON_BYTES) -> tuple[Form, auth.Login]:
    """The fields of a form and the login that sent it; the form must come from a page of this server.

    It has so many fields and bytes at most.
    """
    auth.check_site(request, state.server_of(request).settings)
    if request.headers.get("content-type", "").partition(";")[0].strip() != "application/x-www-form-urlencoded":
        raise UserError("expected a form of a page of this server (application/x-www-form-urlencoded).")
    data = await uploads.read_body(request, most)
    try:
        form = parse_qs(data.decode("utf-8"), keep_blank_values=True, max_num_fields=fields)
    except ValueError:
        raise UserError("this form cannot be read; reload the page.") from None
    return form, await state.find_login(request)


@dataclass(frozen=True)
class FormEntry:
    """What the form of a change was sent with, and what came of it: a preview, a problem, or that it is done.

    `seen` goes back with the form: the state that the preview was made for, and a digest of what was sent then.
    """

    values: Mapping[str, str] = field(default_factory=dict)
    change: Change | None = None
    seen: str = ""
    problem: str = ""
    code: str = ""
    done: bool = False

    def of(self, name: str, otherwise: str = "") -> str:
        """What a field was sent with; else as it stands before."""
        return self.values.get(name, otherwise)


NOTHING = FormEntry()
FIELDS, BYTES = 100, 2**21
"""The most fields and bytes of the form of a change."""


@dataclass(frozen=True)
class Sent:
    """The form of a change: its fields, their digest, and how the change is made."""

    login: auth.Login
    values: Mapping[str, str]
    digest: str
    how: How

    def previewed(self, change: Change) -> FormEntry:
        return FormEntry(self.values, change, f"{change.seen}.{self.digest}")


async def read_change(request: Request) -> Sent:
    """The form of a change; it is a preview, unless the same fields were previewed before."""
    auth.check_site(request, state.server_of(request).settings)
    login = await state.find_login(request)
    require_staff(login.viewer, "change this")
    form, login = await read_post(request, FIELDS, BYTES)
    values = {name: plain(given[0]) for name, given in form.items() if name not in ("go", "seen")}
    digest = hashlib.sha256(repr(sorted(values.items())).encode("utf-8", "backslashreplace")).hexdigest()[:16]
    before, _, sent = first(form, "seen").partition(".")
    doing = first(form, "go") == "do" and sent == digest
    return Sent(login, values, digest, How(values.get("reason", ""), not doing, before if doing else None))


async def changing(
    request: Request,
    show: Callable[[Ask, str, FormEntry], Page],
    change: Callable[[Ask, str, Mapping[str, str], How], Change],
    hw: str = "",
) -> Response:
    """Previews a change, or does it where the same form was previewed before and nothing else changed meanwhile."""
    sent = await read_change(request)
    server, ask = state.server_of(request), ask_of(request, sent.login)
    try:
        done = await server.call(change, ask, hw, sent.values, sent.how)
    except UserError as error:
        return await not_changed(request, sent, error, show, hw)
    if done.done:
        return see(f"{request.url.path}?done=1")
    return await answer(request, show, hw, sent.previewed(done), login=sent.login)


async def not_changed(
    request: Request, sent: Sent, error: UserError, show: Callable[[Ask, str, FormEntry], Page], hw: str = ""
) -> Response:
    """The form again, with the problem. Raises the error where it is not about what was entered."""
    if error.code in ("E_LOGIN", "E_NOT_FOUND", "E_NOT_ALLOWED", "E_SCOPE") or error.exit_code in (7, 10):
        raise error
    page = FormEntry(sent.values, problem=str(error), code=error.code)
    status = 409 if error.exit_code in (5, 8) else 400
    return await answer(request, lambda ask: replace(show(ask, hw, page), status=status), login=sent.login)


def plain(text: str) -> str:
    """A field's text as the page can give it back: lines that end alike, no tabs, no mark of byte order."""
    return text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\t", " ").strip()


def first(form: Form, name: str) -> str:
    """The first value of a field, or an empty string."""
    return form.get(name, [""])[0]


def inside(target: str) -> str:
    """The target if it is a path on this server, else "/"."""
    parts = urlsplit(target)
    inside = target.startswith("/") and not target.startswith("//") and target.isprintable() and "\\" not in target
    return target if inside and not parts.netloc and not parts.scheme and not parts.path.startswith("/login") else "/"
