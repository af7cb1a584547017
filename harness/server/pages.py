"""The web pages, rendered from the bodies of `harness.course`, the only source of their data.

Templates escape every value, and text from outside is made inert as on a terminal. Everything except uploading a file
works without scripts; `static/app.js` uploads files and refreshes a page by fetching it again.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from urllib.parse import parse_qs, quote, urlsplit

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException

from harness.archive import grouped
from harness.cli.board import with_bars
from harness.cli.hand_in import HIDDEN, best_words
from harness.course import boards, catalogue, handing_in, limits, points, quizzes, record
from harness.course.entries import Submission, to_json
from harness.course.types import Board, Files
from harness.home import Home
from harness.server import app, auth, endpoints, quiz, refusals, state, uploads
from harness.server.chart import chart
from harness.server.rendering import HERE, STATIC, Ask, Page, Values, markdown, render, score_text
from harness.server.settings import Settings
from harness.show import SEEN
from harness.words import interval, number, short_time
from tasks.base import as_written
from tasks.errors import UserError
from tasks.formats import QuizFormat

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self';"
    " base-uri 'none'; frame-ancestors 'none'"
)
PER_PAGE = 200
"""Submissions per page of the staff's list of all submissions."""


Make = Callable[..., "Page"]
Line = Mapping[str, Any]
"""A line of a table, by the keys of its columns."""


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
        return await _answer(request, overview)

    @api.get("/homeworks/{hw}", include_in_schema=False)
    async def _sheet(request: Request, hw: str) -> Response:
        return await _answer(request, homework, hw)

    @api.get("/homeworks/{hw}/board", include_in_schema=False)
    async def _board(request: Request, hw: str, sort: str = "", private: bool = False) -> Response:
        return await _answer(request, board, hw, sort[:40], private)


def _add_own(api: FastAPI) -> None:
    @api.get("/homeworks/{hw}/submit", include_in_schema=False)
    async def _hand_in(request: Request, hw: str) -> Response:
        return await _answer(request, hand_in, hw)

    @api.get("/homeworks/{hw}/submissions", include_in_schema=False)
    async def _submissions(request: Request, hw: str, saved: bool = False) -> Response:
        return await _answer(request, submissions, hw, saved)

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
            chosen = limits.chosen_numbers(form.get("submission", []))
            await server.call(limits.select, server.home, login.viewer, hw, chosen, server.clock())
        except UserError as error:
            if error.code in ("E_NOT_FOUND", "E_LOGIN", "E_SCOPE"):
                raise
            status = 400 if error.code == "E_USAGE" else 409
            return await _answer(request, submissions, hw, False, str(error), status, login=login)
        return _see(f"/homeworks/{quote(hw, safe='')}/submissions?saved=1#selection")

    @api.get("/points", include_in_schema=False)
    async def _points(request: Request) -> Response:
        return await _answer(request, own_points)

    @api.get("/submissions/{number}", include_in_schema=False)
    async def _submission(request: Request, number: endpoints.Number, handed: bool = False) -> Response:
        return await _answer(request, submission, number, handed)


def _add_quiz(api: FastAPI) -> None:
    async def told(request: Request, hw: str) -> tuple[auth.Login, Form, QuizFormat, quiz.Answers, int]:
        """The login, the quiz and the answers of a form that was sent."""
        form, login = await _read_post(request, quiz.FIELDS, quiz.BYTES)
        server = app_server(request)
        of_quiz = await server.call(quizzes.quiz, server.home, login.viewer, hw)
        return login, form, of_quiz, *quiz.answers_of(of_quiz, form)

    @api.get("/homeworks/{hw}/quiz", include_in_schema=False)
    async def _quiz(request: Request, hw: str, saved: bool = False) -> Response:
        return await _answer(request, quiz_form, hw, saved)

    @api.post("/homeworks/{hw}/quiz", include_in_schema=False)
    async def _hand_in_quiz(request: Request, hw: str) -> Response:
        login, form, of_quiz, answers, seen = await told(request, hw)
        server = app_server(request)
        draft = await server.call(quizzes.save_draft, server.home, login.viewer, hw, answers, server.clock(), seen)
        if draft.conflict:
            return await _answer(request, quiz_form, hw, False, answers, draft.conflict, login=login)
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
        return await _answer(request, board, hw, "", True, True, login=login)

    @api.get("/homeworks/{hw}/everyone", include_in_schema=False)
    async def _everyone(request: Request, hw: str, q: str = "", page: int = 1) -> Response:
        return await _answer(request, everyone, hw, q[:100], max(1, min(page, 10**6)))

    @api.get("/gradebook", include_in_schema=False)
    async def _gradebook(request: Request, hw: str = "") -> Response:
        return await _answer(request, gradebook, hw[:60] or None)

    @api.get("/gradebook.csv", include_in_schema=False)
    async def _gradebook_csv(request: Request, hw: str = "") -> Response:
        from harness.sheets import write_rows

        server, login = app_server(request), await state.find_login(request)
        body = await server.call(boards.gradebook, server.home, login.viewer, hw[:60] or None, now=server.clock())
        text = write_rows(body["table"]["header"], body["table"]["rows"])
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


def overview(ask: Ask) -> Page:
    """The homeworks with their deadlines and the viewer's standing."""
    return Page("overview.html", {"rows": catalogue.homeworks(ask.home, ask.viewer, ask.now).tasks})


def homework(ask: Ask, hw: str) -> Page:
    """The text, the data, the rules and the bars of a homework."""
    found = catalogue.homework(ask.home, ask.viewer, hw, ask.now)
    name = found.name
    known = ask.viewer.role != "nobody"
    data = catalogue.files(ask.home, ask.viewer, name) if known else Files(name, found.version, [])
    picture = catalogue.picture(ask.home, ask.viewer, name) if known else None
    cards = {card.name: card for card in found.metrics}
    needs = {
        bar.name: [
            (cards[metric].label, str(as_written(value, bar.digits)), cards[metric].higher_is_better)
            for metric, value in bar.public
        ]
        for bar in found.bars
    }
    return Page(
        "homework.html",
        {"hw": found, "tab": "sheet", "sheet": markdown(catalogue.sheet(ask.home, ask.viewer, name)), "needs": needs}
        | {"files": grouped([vars(file) for file in data.files if file.file != "sheet.md"])}
        | {"unselected": limits.unselected_words(found.rules)}
        | {"archive": data.archive, "count": len(data.files), "picture": picture, "seen": SEEN.get(name, "")},
    )


@dataclass(frozen=True)
class Heading:
    """A column of the board: `order` is the value of `sort` that orders by it, or reverses the order."""

    key: str
    title: str
    show: Callable[[Any], str] = str
    right: bool = False
    sorted: Literal["ascending", "descending", "none"] = "none"
    order: str = ""


def board(ask: Ask, hw: str, sort: str = "", private: bool = False, unrevealed: bool = False) -> Page:
    """The public or private board, sorted by a column; sorted by rank it also has rows for the bars."""
    homework = catalogue.homework(ask.home, ask.viewer, hw, ask.now)
    found = boards.board(ask.home, ask.viewer, hw, private=private, unrevealed=unrevealed, now=ask.now)
    rows = to_json(found.board)
    headings = [
        heading
        for heading in _headings(found)
        if heading.key in ("rank", "name", "score") or any(row.get(heading.key) not in (None, []) for row in rows)
    ]
    by, down = sort.removeprefix("-"), sort.startswith("-")
    if by not in {heading.key for heading in headings}:
        by, down = "rank", False
    rows = with_bars(rows, found) if (by, down) == ("rank", False) else ordered(rows, by, down)
    shown = [
        Heading(
            heading.key, heading.title, heading.show, heading.right,
            "none" if heading.key != by else "descending" if down else "ascending",
            f"-{heading.key}" if heading.key == by and not down else heading.key,
        )
        for heading in headings
    ]  # fmt: skip
    own = next((row for row in found.board if row.own), None)
    return Page(
        "board.html",
        {"hw": homework, "tab": "board", "board": found, "rows": rows, "headings": shown, "own": own}
        | {"metric": found.metrics[0], "private": private, "unrevealed": unrevealed, "sort": sort},
    )


def _headings(found: Board) -> list[Heading]:
    metric, *others = found.metrics
    moves = [
        Heading("public_rank", "public #", right=True),
        Heading("move", "move", lambda n: f"▲ {n}" if n > 0 else f"▼ {-n}" if n < 0 else "=", right=True),
    ]
    return [
        Heading("rank", "#", right=True),
        Heading("name", "name"),
        Heading("score", metric.label, number(metric.digits), right=True),
        *(Heading(other.name, other.label, number(other.digits), right=True) for other in others),
        *(moves if found.side == "private" else []),
        Heading("model", "model"),
        Heading("bars", "bars passed", ", ".join),
        Heading("interval", "95 % interval", interval(metric.digits), right=True),
        Heading("entries", "entries", right=True),
        Heading("last", "last", short_time),
    ]


def ordered(rows: Sequence[Line], key: str, down: bool) -> list[Line]:
    """The lines sorted by a column, ties by rank; those without a value come last in both directions."""

    def value(row: Line) -> Any:
        found = row[key]
        if isinstance(found, str):
            return found.casefold()
        return len(found) if key == "bars" else found

    known = [row for row in rows if row.get(key) is not None]
    return sorted(known, key=value, reverse=down) + [row for row in rows if row.get(key) is None]


def hand_in(ask: Ask, hw: str) -> Page:
    """The form for submitting a file."""
    handing_in.submit_limit(ask.home, ask.viewer, hw, ask.now)
    found = catalogue.homework(ask.home, ask.viewer, hw, ask.now)
    return Page("submit.html", {"hw": found, "tab": "submit"})


def quiz_form(
    ask: Ask, hw: str, saved: bool = False, kept: quiz.Answers | None = None, conflict: Sequence[str] = ()
) -> Page:
    """The questions of a quiz with the saved answers, or with those of a form whose draft was changed meanwhile."""
    homework, draft = (
        catalogue.homework(ask.home, ask.viewer, hw, ask.now),
        quizzes.draft(ask.home, ask.viewer, hw, ask.now),
    )
    questions = quiz.shown(quizzes.quiz(ask.home, ask.viewer, hw), draft.answers if kept is None else kept)
    found = [(name, " ".join(draft.answers[name]) or "nothing") for name in conflict]
    blank = [one["name"] for one in questions if not one["chosen"]]
    values = {"hw": homework, "tab": "submit", "questions": questions, "draft": draft, "conflict": found}
    return Page("quiz.html", values | {"saved": saved, "blank": blank}, 409 if conflict else 200)


def submissions(ask: Ask, hw: str, saved: bool = False, problem: str = "", status: int = 200) -> Page:
    """The viewer's submissions, their score history and the selection."""
    homework = catalogue.homework(ask.home, ask.viewer, hw, ask.now)
    rows = record.submissions(ask.home, ask.viewer, hw, now=ask.now).submissions
    chosen = limits.selection(ask.home, ask.viewer, hw, ask.now)
    counting = {row.id for row in chosen.counts}
    return Page(
        "submissions.html",
        {"hw": homework, "tab": "submissions", "rows": rows[::-1], "selection": chosen, "counting": counting}
        | {"chart": chart(homework.metrics[0], homework.bars, rows), "saved": saved, "problem": problem}
        | {"unselected": limits.unselected_words(chosen)}
        | {"waiting": any(row.state in ("queued", "grading") for row in rows)}
        | {"revealed": any(row.private is not None for row in rows)},
        status,
    )


def submission(ask: Ask, number: int, handed: bool = False) -> Page:
    """One submission: its state, its score or the problems of its file, and its receipt."""
    seen = record.submission(ask.home, ask.viewer, number, ask.now)
    homework = catalogue.homework(ask.home, ask.viewer, seen.homework, ask.now)
    receipt = json.dumps(record.receipt(ask.home, ask.viewer, number), indent=2, ensure_ascii=True)
    cards = {card.name: card for card in seen.metrics}
    values: Values = {"hw": homework, "tab": "submissions" if seen.own else "everyone", "one": seen, "cards": cards}
    values |= {"receipt": receipt.split("\n"), "said": standing(seen), "handed": handed and seen.own}
    return Page("submission.html", values)


def standing(seen: Submission) -> str:
    """The state of a submission as a sentence."""
    card = seen.metrics[0]
    if seen.state == "graded" and not seen.scores:
        points = None if seen.private is None else score_text(seen.private, card.digits)
        return f"{HIDDEN[:1].upper()}{HIDDEN[1:]}." if points is None else f"Graded: {points} {card.label}."
    if seen.state == "graded":
        text = f"Graded: public {card.label} {score_text(seen.scores[0].public, card.digits)}"
        if seen.rank is not None:
            return f"{text}, rank {seen.rank}."
        return f"{text}; {best_words(seen, own=seen.own)}." if seen.best else f"{text}."
    return {
        "queued": f"Waiting at position {seen.position} in the queue.",
        "grading": "Being graded now.",
        "rejected": "The file was refused; no slot was used.",
        "failed": "Grading failed. The file is kept; the course staff have to look into it.",
    }[seen.state]


def everyone(ask: Ask, hw: str, search: str, page: int) -> Page:
    """All submissions of a homework, newest first, for staff."""
    homework = catalogue.homework(ask.home, ask.viewer, hw, ask.now)
    rows = record.submissions(ask.home, ask.viewer, hw, everyone=True, now=ask.now).submissions[::-1]
    wanted = search.strip().casefold()
    if wanted:
        rows = [row for row in rows if wanted in f"{row.name}\n{row.participant}\n{row.state}".casefold()]
    pages = max(1, math.ceil(len(rows) / PER_PAGE))
    page = min(page, pages)
    return Page(
        "everyone.html",
        {"hw": homework, "tab": "everyone", "search": search, "page": page, "pages": pages, "total": len(rows)}
        | {"rows": rows[(page - 1) * PER_PAGE : page * PER_PAGE]},
    )


def own_points(ask: Ask) -> Page:
    """The viewer's points by homework and part, and the course total."""
    return Page("points.html", {"points": points.points(ask.home, ask.viewer, None, ask.now)})


def gradebook(ask: Ask, hw: str | None) -> Page:
    """The points of all students, for staff."""
    body = boards.gradebook(ask.home, ask.viewer, hw, now=ask.now)
    names = [row.name for row in catalogue.homeworks(ask.home, ask.viewer, ask.now).tasks]
    return Page("gradebook.html", {"book": body, "chosen": hw, "names": names})
