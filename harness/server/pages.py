"""The web pages: their addresses, forms and errors. What each shows is in `harness.server.views`.

Templates escape every value, and text from outside is made inert as on a terminal. Everything except uploading a file
works without scripts; `static/app.js` uploads files and refreshes a page by fetching it again.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime
from urllib.parse import quote

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException

from harness.course import limits, quizzes, requests
from harness.home import Home
from harness.server import app, auth, endpoints, quiz, refusals, sessions, state, views
from harness.server.forms import Form, answer, ask_again, ask_of, first, inside, read_post, see, write
from harness.server.rendering import HERE, STATIC, Ask, Page
from harness.server.staff_pages import add_staff_pages
from harness.settings import Settings
from tasks.errors import UserError
from tasks.formats import QuizFormat


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
    _add_tokens(api)
    add_staff_pages(api)
    for route in api.routes:  # uptime monitors send HEAD requests
        if isinstance(route, APIRoute) and not route.include_in_schema and route.methods == {"GET"}:
            route.methods = {"GET", "HEAD"}
    return api


def _add_reading(api: FastAPI) -> None:
    @api.get("/", include_in_schema=False)
    async def _overview(request: Request, done: bool = False) -> Response:
        return await answer(request, views.overview, done)

    @api.get("/homeworks/{hw}", include_in_schema=False)
    async def _sheet(request: Request, hw: str) -> Response:
        return await answer(request, views.homework, hw)

    @api.get("/homeworks/{hw}/board", include_in_schema=False)
    async def _board(
        request: Request,
        hw: str,
        sort: str = "",
        private: bool = False,
        q: str = "",
        page: int = 1,
        version: endpoints.DataVersion = None,
    ) -> Response:
        page = max(1, min(page, 10**6))
        return await answer(request, views.board, hw, sort[:40], private, False, q[:100], page, version)


def _add_own(api: FastAPI) -> None:
    @api.get("/homeworks/{hw}/submit", include_in_schema=False)
    async def _hand_in(request: Request, hw: str) -> Response:
        return await answer(request, views.hand_in, hw)

    @api.get("/homeworks/{hw}/submissions", include_in_schema=False)
    async def _submissions(
        request: Request, hw: str, saved: bool = False, version: endpoints.DataVersion = None
    ) -> Response:
        return await answer(request, views.submissions, hw, saved, version)

    @api.get("/homeworks/{hw}/selection", include_in_schema=False)
    async def _selection(hw: str) -> Response:
        return see(f"/homeworks/{quote(hw, safe='')}/submissions#selection")

    @api.post("/homeworks/{hw}/selection", include_in_schema=False)
    async def _select(request: Request, hw: str) -> Response:
        form, login = await read_post(request)
        server = state.server_of(request)
        try:
            if not form.keys() <= {"submission"}:
                raise UserError("the selection form has unexpected fields. Nothing was changed.")
            chosen = requests.chosen_numbers(form.get("submission", []))
            await server.call(limits.select, server.home, login.viewer, hw, chosen, server.clock())
        except UserError as error:
            if error.code in ("E_NOT_FOUND", "E_LOGIN", "E_SCOPE"):
                raise
            status = 400 if error.code == "E_USAGE" else 409
            return await answer(request, views.submissions, hw, False, None, str(error), status, login=login)
        return see(f"/homeworks/{quote(hw, safe='')}/submissions?saved=1#selection")

    @api.get("/homeworks/{hw}/attachments", include_in_schema=False)
    async def _attachments(request: Request, hw: str, done: int = 0, again: bool = False) -> Response:
        return await answer(request, views.own_attachments, hw, done, again)

    @api.get("/points", include_in_schema=False)
    async def _points(request: Request) -> Response:
        return await answer(request, views.own_points)

    @api.get("/submissions/{number}", include_in_schema=False)
    async def _submission(request: Request, number: endpoints.Number, handed: bool = False) -> Response:
        return await answer(request, views.submission, number, handed)


def _add_quiz(api: FastAPI) -> None:
    async def told(request: Request, hw: str) -> tuple[auth.Login, Form, QuizFormat, quiz.FormAnswers, int]:
        """The login, the quiz and the answers of a form that was sent."""
        form, login = await read_post(request, quiz.FIELDS, quiz.BYTES)
        server = state.server_of(request)
        of_quiz = await server.call(quizzes.quiz, server.home, login.viewer, hw)
        return login, form, of_quiz, *quiz.answers_of(of_quiz, form)

    @api.get("/homeworks/{hw}/quiz", include_in_schema=False)
    async def _quiz(request: Request, hw: str, saved: bool = False) -> Response:
        return await answer(request, views.quiz_form, hw, saved)

    @api.post("/homeworks/{hw}/quiz", include_in_schema=False)
    async def _hand_in_quiz(request: Request, hw: str) -> Response:
        login, form, of_quiz, answers, seen = await told(request, hw)
        server = state.server_of(request)
        draft = await server.call(quizzes.save_draft, server.home, login.viewer, hw, answers, server.clock(), seen)
        if draft.conflict:
            return await answer(request, views.quiz_form, hw, False, answers, draft.conflict, login=login)
        if first(form, "go") != "submit":
            return see(f"/homeworks/{quote(hw, safe='')}/quiz?saved=1#saved")
        number = await quiz.hand_in(server, login, hw, of_quiz, answers)
        return see(f"/submissions/{number}?handed=1")

    @api.post("/homeworks/{hw}/quiz/answer", include_in_schema=False)
    async def _save_answer(request: Request, hw: str) -> Response:
        """Saves the answers to some questions, for a script; its errors are JSON."""
        try:
            login, form, _, answers, _ = await told(request, hw)
            server = state.server_of(request)
            some = {name: chosen for name, chosen in answers.items() if name in form.get("question", [])}
            draft = await server.call(quizzes.save_draft, server.home, login.viewer, hw, some, server.clock())
        except UserError as error:
            return refusals.refusal(request.scope.get("lhy.id", "-"), error)
        return JSONResponse({"revision": draft.revision, "saved_at": draft.saved_at})


def _add_session(api: FastAPI) -> None:
    @api.get("/login", include_in_schema=False)
    async def _log_in(request: Request, next: str = "/") -> Response:
        return await answer(request, log_in, next)

    @api.post("/login", include_in_schema=False)
    async def _open(request: Request) -> Response:
        form, _ = await read_post(request)
        server, target = state.server_of(request), inside(first(form, "next"))
        try:
            cookie, login, own = await server.call(
                auth.open_session, server.home, first(form, "token").strip(), server.clock()
            )
        except UserError as error:
            if error.code != "E_LOGIN":
                raise
            return await answer(request, log_in, target, str(error), login=auth.ANYBODY)
        request.scope["lhy.token"] = login.token
        if own is None:
            response: Response = see(target)
        else:
            values = {"token": own, "address": server.settings.address, "next": target}
            response = await server.call(write, server, ask_of(request, login), Page("welcome.html", values))
        sessions.set_cookie(response, server.settings, cookie)
        return response

    @api.post("/logout", include_in_schema=False)
    async def _log_out(request: Request) -> Response:
        _, login = await read_post(request)
        response = see("/login")
        await sessions.sign_out(request, response, login)
        return response


def _add_tokens(api: FastAPI) -> None:
    @api.get("/client", include_in_schema=False)
    async def _client(request: Request) -> Response:
        settings = state.server_of(request).settings
        return await answer(request, views.client, settings.address, settings.client)

    @api.get("/tokens", include_in_schema=False)
    async def _tokens(request: Request, done: bool = False) -> Response:
        login = await state.find_login(request)
        return await answer(request, views.own_tokens, login, done, login=login)

    @api.post("/tokens", include_in_schema=False)
    async def _new_token(request: Request) -> Response:
        form, login = await read_post(request)
        server = state.server_of(request)
        label = first(form, "label").strip()
        try:
            made = await server.call(auth.new_token, server.home, login, sessions.label_of(label), server.clock())
        except UserError as error:
            if error.code not in ("E_TOKENS", "E_LABEL", "E_USAGE"):
                raise
            return await answer(request, views.own_tokens, login, False, str(error), label, login=login)
        return await answer(request, views.own_tokens, login, False, "", "", made.token, login=login)

    @api.post("/tokens/{number}/end", include_in_schema=False)
    async def _end_token(request: Request, number: endpoints.Number) -> Response:
        _, login = await read_post(request)
        server = state.server_of(request)
        await server.call(auth.revoke, server.home, login, number, server.clock())
        return see("/login" if number == login.token else "/tokens?done=1")


def _add_static(api: FastAPI) -> None:
    contents = {name: (HERE / "static" / name).read_bytes() for name in STATIC}

    @api.get("/static/{name}", include_in_schema=False)
    async def _static(name: str) -> Response:
        if name not in contents:
            raise HTTPException(404)
        kept = {"cache-control": "public, max-age=31536000, immutable"}  # its address holds its hash
        return Response(contents[name], media_type=f"{STATIC[name]}; charset=utf-8", headers=kept)


def _add_errors(api: FastAPI) -> None:
    async def refused(request: Request, error: Exception) -> Response:
        plain = refusals.refusal(request.scope.get("lhy.id", "-"), error)
        if request.url.path.startswith("/api/"):
            return plain
        body = json.loads(bytes(plain.body))["error"]
        if body["code"] == "E_LOGIN" and request.method == "GET":
            asked = request.url.path + (f"?{request.url.query}" if request.url.query else "")
            return see(f"/login?next={quote(asked, safe='')}")
        server = state.server_of(request)
        page = Page("error.html", {"status": plain.status_code, "lines": body["message"].split("\n"), **body})
        try:
            html = await server.call(write, server, await ask_again(request, plain.status_code), page)
        except UserError:  # then show the page without the viewer's name
            html = await server.call(write, server, None, page)
        html.status_code = plain.status_code
        for name in ("retry-after", "allow"):
            if name in plain.headers:
                html.headers[name] = plain.headers[name]
        return html

    for kind in (UserError, HTTPException, RequestValidationError):
        api.add_exception_handler(kind, refused)


def log_in(ask: Ask, target: str, problem: str = "") -> Page:
    """The form for a token."""
    return Page("login.html", {"next": inside(target), "problem": problem}, 401 if problem else 200)
