"""The web pages: their addresses, forms and errors. What each shows is in `harness.server.views`.

Templates escape every value, and text from outside is made inert as on a terminal. Everything except uploading a file
works without scripts; `static/app.js` uploads files and refreshes a page by fetching it again.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException

from harness.course import limits, points, quizzes, requests
from harness.course.gradebook import gradebook_table
from harness.home import Home
from harness.server import app, auth, endpoints, quiz, refusals, state, uploads, views
from harness.server.rendering import HERE, STATIC, Ask, Page, render
from harness.server.settings import Settings
from harness.sheets import write_rows
from tasks.errors import UserError
from tasks.formats import QuizFormat

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self';"
    " base-uri 'none'; frame-ancestors 'none'"
)
Make = Callable[..., "Page"]


def make_site(
    home: Home,
    settings: Settings,
    clock: Callable[[], datetime],
    log: Callable[[str], None],
    grace: float = state.GRACE_SECONDS,
) -> FastAPI:
    """The application with its pages; outside /api, errors are pages too."""
    api = app.make_app(home, settings, clock, log, grace)
    _add_errors(api)
    _add_static(api)
    _add_session(api)
    _add_reading(api)
    _add_own(api)
    _add_quiz(api)
    _add_staff(api)
    for route in api.routes:  # uptime monitors send HEAD requests
        if isinstance(route, APIRoute) and not route.include_in_schema and route.methods == {"GET"}:
            route.methods = {"GET", "HEAD"}
    return api


def _add_reading(api: FastAPI) -> None:
    @api.get("/", include_in_schema=False)
    async def _overview(request: Request) -> Response:
        return await _answer(request, views.overview)

    @api.get("/homeworks/{hw}", include_in_schema=False)
    async def _sheet(request: Request, hw: str) -> Response:
        return await _answer(request, views.homework, hw)

    @api.get("/homeworks/{hw}/board", include_in_schema=False)
    async def _board(
        request: Request, hw: str, sort: str = "", private: bool = False, q: str = "", page: int = 1
    ) -> Response:
        return await _answer(request, views.board, hw, sort[:40], private, False, q[:100], max(1, min(page, 10**6)))


def _add_own(api: FastAPI) -> None:
    @api.get("/homeworks/{hw}/submit", include_in_schema=False)
    async def _hand_in(request: Request, hw: str) -> Response:
        return await _answer(request, views.hand_in, hw)

    @api.get("/homeworks/{hw}/submissions", include_in_schema=False)
    async def _submissions(request: Request, hw: str, saved: bool = False) -> Response:
        return await _answer(request, views.submissions, hw, saved)

    @api.get("/homeworks/{hw}/selection", include_in_schema=False)
    async def _selection(hw: str) -> Response:
        return _see(f"/homeworks/{quote(hw, safe='')}/submissions#selection")

    @api.post("/homeworks/{hw}/selection", include_in_schema=False)
    async def _select(request: Request, hw: str) -> Response:
        form, login = await _read_post(request)
        server = app_server(request)
        try:
            if not form.keys() <= {"submission"}:
                raise UserError("the selection form has unexpected fields. Nothing was changed.")
            chosen = requests.chosen_numbers(form.get("submission", []))
            await server.call(limits.select, server.home, login.viewer, hw, chosen, server.clock())
        except UserError as error:
            if error.code in ("E_NOT_FOUND", "E_LOGIN", "E_SCOPE"):
                raise
            status = 400 if error.code == "E_USAGE" else 409
            return await _answer(request, views.submissions, hw, False, str(error), status, login=login)
        return _see(f"/homeworks/{quote(hw, safe='')}/submissions?saved=1#selection")

    @api.get("/points", include_in_schema=False)
    async def _points(request: Request) -> Response:
        return await _answer(request, views.own_points)

    @api.get("/submissions/{number}", include_in_schema=False)
    async def _submission(request: Request, number: endpoints.Number, handed: bool = False) -> Response:
        return await _answer(request, views.submission, number, handed)


def _add_quiz(api: FastAPI) -> None:
    async def told(request: Request, hw: str) -> tuple[auth.Login, Form, QuizFormat, quiz.Answers, int]:
        """The login, the quiz and the answers of a form that was sent."""
        form, login = await _read_post(request, quiz.FIELDS, quiz.BYTES)
        server = app_server(request)
        of_quiz = await server.call(quizzes.quiz, server.home, login.viewer, hw)
        return login, form, of_quiz, *quiz.answers_of(of_quiz, form)

    @api.get("/homeworks/{hw}/quiz", include_in_schema=False)
    async def _quiz(request: Request, hw: str, saved: bool = False) -> Response:
        return await _answer(request, views.quiz_form, hw, saved)

    @api.post("/homeworks/{hw}/quiz", include_in_schema=False)
    async def _hand_in_quiz(request: Request, hw: str) -> Response:
        login, form, of_quiz, answers, seen = await told(request, hw)
        server = app_server(request)
        draft = await server.call(quizzes.save_draft, server.home, login.viewer, hw, answers, server.clock(), seen)
        if draft.conflict:
            return await _answer(request, views.quiz_form, hw, False, answers, draft.conflict, login=login)
        if first(form, "go") != "submit":
            return _see(f"/homeworks/{quote(hw, safe='')}/quiz?saved=1#saved")
        number = await quiz.hand_in(server, login, hw, of_quiz, answers)
        return _see(f"/submissions/{number}?handed=1")

    @api.post("/homeworks/{hw}/quiz/answer", include_in_schema=False)
    async def _save_answer(request: Request, hw: str) -> Response:
        """Saves the answers to some questions, for a script; its errors are JSON."""
        try:
            login, form, _, answers, _ = await told(request, hw)
            server = app_server(request)
            some = {name: chosen for name, chosen in answers.items() if name in form.get("question", [])}
            draft = await server.call(quizzes.save_draft, server.home, login.viewer, hw, some, server.clock())
        except UserError as error:
            return refusals.refusal(request.scope.get("lhy.id", "-"), error)
        return JSONResponse({"revision": draft.revision, "saved_at": draft.saved_at})


def _add_staff(api: FastAPI) -> None:
    @api.post("/homeworks/{hw}/board", include_in_schema=False)
    async def _early_look(request: Request, hw: str) -> Response:
        _, login = await _read_post(request)
        return await _answer(request, views.board, hw, "", True, True, login=login)

    @api.get("/homeworks/{hw}/everyone", include_in_schema=False)
    async def _everyone(request: Request, hw: str, q: str = "", page: int = 1) -> Response:
        return await _answer(request, views.everyone, hw, q[:100], max(1, min(page, 10**6)))

    @api.get("/gradebook", include_in_schema=False)
    async def _gradebook(request: Request, hw: str = "", q: str = "", page: int = 1) -> Response:
        return await _answer(request, views.gradebook, hw[:60] or None, q[:100], max(1, min(page, 10**6)))

    @api.get("/gradebook.csv", include_in_schema=False)
    async def _gradebook_csv(request: Request, hw: str = "") -> Response:
        server, login = app_server(request), await state.find_login(request)
        book = await server.call(points.gradebook, server.home, login.viewer, hw[:60] or None, now=server.clock())
        text = write_rows(*gradebook_table(book, bool(hw)))
        named = {"content-disposition": 'attachment; filename="gradebook.csv"'}
        return Response(text, media_type="text/csv; charset=utf-8", headers=named)


def _add_session(api: FastAPI) -> None:
    @api.get("/login", include_in_schema=False)
    async def _log_in(request: Request, next: str = "/") -> Response:
        return await _answer(request, log_in, next)

    @api.post("/login", include_in_schema=False)
    async def _open(request: Request) -> Response:
        form, _ = await _read_post(request)
        server, target = app_server(request), _inside(first(form, "next"))
        try:
            cookie, login, own = await server.call(
                auth.open_session, server.home, first(form, "token").strip(), server.clock()
            )
        except UserError as error:
            if error.code != "E_LOGIN":
                raise
            return await _answer(request, log_in, target, str(error), login=auth.ANYBODY)
        request.scope["lhy.token"] = login.token
        if own is None:
            response: Response = _see(target)
        else:
            values = {"token": own, "address": server.settings.address, "next": target}
            response = await server.call(write, server, _ask(request, login), Page("welcome.html", values))
        endpoints.set_cookie(response, server.settings, cookie)
        return response

    @api.post("/logout", include_in_schema=False)
    async def _log_out(request: Request) -> Response:
        _, login = await _read_post(request)
        response = _see("/login")
        await endpoints.sign_out(request, response, login)
        return response


def _add_static(api: FastAPI) -> None:
    contents = {name: (HERE / "static" / name).read_bytes() for name in STATIC}

    @api.get("/static/{name}", include_in_schema=False)
    async def _static(name: str) -> Response:
        if name not in contents:
            raise HTTPException(404)
        kept = {"cache-control": "public, max-age=31536000, immutable"}  # its address holds its hash
        return Response(contents[name], media_type=f"{STATIC[name]}; charset=utf-8", headers=kept)


def _add_errors(api: FastAPI) -> None:
    async def answer(request: Request, error: Exception) -> Response:
        plain = refusals.refusal(request.scope.get("lhy.id", "-"), error)
        if request.url.path.startswith("/api/"):
            return plain
        body = json.loads(bytes(plain.body))["error"]
        if body["code"] == "E_LOGIN" and request.method == "GET":
            asked = request.url.path + (f"?{request.url.query}" if request.url.query else "")
            return _see(f"/login?next={quote(asked, safe='')}")
        server = app_server(request)
        page = Page("error.html", {"status": plain.status_code, "lines": body["message"].split("\n"), **body})
        try:
            html = await server.call(write, server, await _ask_again(request, plain.status_code), page)
        except UserError:  # then show the page without the viewer's name
            html = await server.call(write, server, None, page)
        html.status_code = plain.status_code
        for name in ("retry-after", "allow"):
            if name in plain.headers:
                html.headers[name] = plain.headers[name]
        return html

    for kind in (UserError, HTTPException, RequestValidationError):
        api.add_exception_handler(kind, answer)


def app_server(request: Request) -> state.Server:
    """The state shared by the requests of this process."""
    server: state.Server = request.app.state.server
    return server


async def _answer(request: Request, make: Make, *values: Any, login: auth.Login | None = None) -> Response:
    """The page that `make` builds for the login of the request."""
    server = app_server(request)
    ask = _ask(request, login or await state.find_login(request))
    return await server.call(lambda: write(server, ask, make(ask, *values)))


def _ask(request: Request, login: auth.Login) -> Ask:
    server = app_server(request)
    return Ask(server.home, login.viewer, request.url.path, server.clock())


async def _ask_again(request: Request, status: int) -> Ask | None:
    """The viewer of an error page; None where finding the login again is not an option."""
    server = app_server(request)
    cookie = request.cookies.get(auth.cookie_name(server.settings.secure))
    if status in (401, 429) or status >= 500 or cookie is None:
        return None
    return _ask(request, await server.call(auth.find_login, server.home, None, cookie, server.clock()))


def write(server: state.Server, ask: Ask | None, page: Page) -> HTMLResponse:
    """The HTTP response with a page."""
    headers = {"content-security-policy": POLICY, "vary": "cookie"}
    return HTMLResponse(render(server.home, ask, page), page.status, headers)


def _see(target: str) -> RedirectResponse:
    return RedirectResponse(target, 303)


Form = dict[str, list[str]]


async def _read_post(request: Request, fields: int = 200, most: int = state.JSON_BYTES) -> tuple[Form, auth.Login]:
    """The fields of a form and the login that sent it; the form must come from a page of this server.

    It has so many fields and bytes at most.
    """
    auth.check_site(request, app_server(request).settings)
    if request.headers.get("content-type", "").partition(";")[0].strip() != "application/x-www-form-urlencoded":
        raise UserError("expected a form of a page of this server (application/x-www-form-urlencoded).")
    data = await uploads.read_body(request, most)
    try:
        form = parse_qs(data.decode("utf-8"), keep_blank_values=True, max_num_fields=fields)
    except ValueError:
        raise UserError("this form cannot be read; reload the page.") from None
    return form, await state.find_login(request)


def first(form: Form, name: str) -> str:
    """The first value of a field, or an empty string."""
    return form.get(name, [""])[0]


def _inside(target: str) -> str:
    """The target if it is a path on this server, else "/"."""
    parts = urlsplit(target)
    inside = target.startswith("/") and not target.startswith("//") and target.isprintable() and "\\" not in target
    return target if inside and not parts.netloc and not parts.scheme and not parts.path.startswith("/login") else "/"


def log_in(ask: Ask, target: str, problem: str = "") -> Page:
    """The form for a token."""
    return Page("login.html", {"next": _inside(target), "problem": problem}, 401 if problem else 200)
