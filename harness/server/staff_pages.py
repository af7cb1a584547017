"""The pages of staff: their addresses and forms. What each shows is in `harness.server.staff_views`."""

from __future__ import annotations

from fastapi import FastAPI, Request
from fastapi.responses import Response

from harness.course import announcing, attachments, points
from harness.course.desk import LogQuestion
from harness.course.exports import fill_canvas, moodle_table, workbook
from harness.course.gradebook import gradebook_table
from harness.course.types import Gradebook
from harness.server import endpoints, staff_views, state, views
from harness.server.endpoints import DataVersion
from harness.server.forms import FormEntry, answer, changing, first, read_change, read_post, see
from harness.server.roster_pages import add_roster_pages
from harness.sheets import write_rows
from tasks.errors import UserError

XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


def add_staff_pages(api: FastAPI) -> None:
    _add_board(api)
    _add_exports(api)
    _add_announcements(api)
    add_roster_pages(api)  # an id may have a slash, so the pages below a person's come first
    _add_lists(api)


def _add_board(api: FastAPI) -> None:
    @api.post("/homeworks/{hw}/board", include_in_schema=False)
    async def _early_look(request: Request, hw: str) -> Response:
        form, login = await read_post(request)
        version = numbered(first(form, "version"))
        return await answer(request, views.board, hw, "", True, True, "", 1, version, login=login)

    @api.get("/homeworks/{hw}/everyone", include_in_schema=False)
    async def _everyone(request: Request, hw: str, q: str = "", page: int = 1, version: DataVersion = None) -> Response:
        return await answer(request, views.everyone, hw, q[:100], within(page), version)

    @api.get("/gradebook", include_in_schema=False)
    async def _gradebook(
        request: Request, hw: str = "", q: str = "", page: int = 1, version: DataVersion = None
    ) -> Response:
        of = of_one(hw, version)
        return await answer(request, views.gradebook, hw[:60] or None, q[:100], within(page), of)

    @api.get("/gradebook.csv", include_in_schema=False)
    async def _gradebook_csv(request: Request, hw: str = "", version: DataVersion = None) -> Response:
        book = await book_of(request, hw, version)
        return as_csv(write_rows(*gradebook_table(book, bool(hw))), "gradebook.csv")


def _add_exports(api: FastAPI) -> None:
    @api.get("/gradebook/moodle.csv", include_in_schema=False)
    async def _moodle(request: Request, hw: str = "", version: DataVersion = None) -> Response:
        book = await book_of(request, hw, version)
        return as_csv(write_rows(*moodle_table(book, bool(hw))), "moodle.csv")

    @api.get("/gradebook/book.xlsx", include_in_schema=False)
    async def _xlsx(request: Request, hw: str = "", version: DataVersion = None) -> Response:
        book = await book_of(request, hw, version)
        named = {"content-disposition": 'attachment; filename="gradebook.xlsx"'}
        made = await state.server_of(request).call(workbook, book, bool(hw))
        return Response(made, media_type=XLSX, headers=named)

    @api.get("/gradebook/canvas", include_in_schema=False)
    async def _canvas(request: Request) -> Response:
        return await answer(request, staff_views.canvas)

    @api.post("/gradebook/canvas", include_in_schema=False)
    async def _fill_canvas(request: Request) -> Response:
        sent = await read_change(request)
        server, given = state.server_of(request), sent.values.get("csv", "").encode("utf-8", "replace")
        book = await server.call(points.gradebook, server.home, sent.login.viewer, None, now=server.clock())
        try:
            filled = await server.call(fill_canvas, book, given, "the export", "partial" in sent.values)
        except UserError as error:
            if error.code != "E_CANVAS":
                raise
            entry = FormEntry(sent.values, problem=str(error), code=error.code)
            return await answer(request, staff_views.canvas, entry, login=sent.login)
        lines = filled.lines[1:]
        if book.hidden:
            lines.append(f"private points are left out until they are revealed: {', '.join(book.hidden)}")
        if lines and "noted" not in sent.values:
            return await answer(request, staff_views.canvas, FormEntry(sent.values), lines, login=sent.login)
        return as_csv(filled.text, "canvas.csv")


async def book_of(request: Request, hw: str, version: int | None) -> Gradebook:
    """The gradebook of a homework, or of all."""
    server, login = state.server_of(request), await state.find_login(request)
    asked = {"version": of_one(hw, version), "now": server.clock()}
    return await server.call(points.gradebook, server.home, login.viewer, hw[:60] or None, **asked)


def as_csv(text: str, name: str) -> Response:
    """A CSV to be saved under that name."""
    named = {"content-disposition": f'attachment; filename="{name}"'}
    return Response(text, media_type="text/csv; charset=utf-8", headers=named)


def _add_announcements(api: FastAPI) -> None:
    @api.post("/announcements", include_in_schema=False)
    async def _announce(request: Request) -> Response:
        form, login = await read_post(request)
        server = state.server_of(request)
        text = first(form, "text")
        try:
            await server.call(announcing.announce, server.home, login.viewer, text, server.clock())
        except UserError as error:
            if error.code != "E_INPUT":
                raise
            return await answer(request, views.overview, False, str(error), text, login=login)
        return see("/?done=1")

    @api.post("/announcements/{number}/end", include_in_schema=False)
    async def _end(request: Request, number: endpoints.Number) -> Response:
        _, login = await read_post(request)
        server = state.server_of(request)
        await server.call(announcing.end, server.home, login.viewer, number, server.clock())
        return see("/?done=1")


def _add_lists(api: FastAPI) -> None:
    @api.get("/log", include_in_schema=False)
    async def _log(
        request: Request, hw: str = "", by: str = "", kind: str = "", since: str = "", before: int = 0
    ) -> Response:
        asked = LogQuestion(hw[:60], by.strip()[:60], kind.strip()[:60], since.strip()[:40], clamped(before))
        return await answer(request, staff_views.log, asked)

    @api.get("/queue", include_in_schema=False)
    async def _queue(request: Request, page: int = 1) -> Response:
        return await answer(request, staff_views.queue, within(page))

    @api.get("/homeworks/{hw}/staff", include_in_schema=False)
    async def _standing(request: Request, hw: str) -> Response:
        return await answer(request, staff_views.standing, hw)

    @api.get("/homeworks/{hw}/missing", include_in_schema=False)
    async def _missing(request: Request, hw: str) -> Response:
        return await answer(request, staff_views.missing, hw)

    @api.get("/homeworks/{hw}/handed", include_in_schema=False)
    async def _handed(request: Request, hw: str) -> Response:
        return await answer(request, staff_views.handed, hw)

    @api.get("/homeworks/{hw}/handed.csv", include_in_schema=False)
    async def _handed_csv(request: Request, hw: str) -> Response:
        server, login = state.server_of(request), await state.find_login(request)
        found = await server.call(attachments.handed, server.home, login.viewer, hw, server.clock())
        return as_csv(write_rows(*attachments.handed_table(found)), f"{found.homework}-second-files.csv")

    @api.get("/homeworks/{hw}/extensions", include_in_schema=False)
    async def _extensions(request: Request, hw: str, done: bool = False) -> Response:
        return await answer(request, staff_views.extensions, hw, FormEntry(done=done))

    @api.post("/homeworks/{hw}/extensions", include_in_schema=False)
    async def _extend(request: Request, hw: str) -> Response:
        return await changing(request, staff_views.extensions, staff_views.extend, hw)

    @api.get("/homeworks/{hw}/parts", include_in_schema=False)
    async def _parts(request: Request, hw: str, done: bool = False) -> Response:
        return await answer(request, staff_views.parts, hw, FormEntry(done=done))

    @api.post("/homeworks/{hw}/parts", include_in_schema=False)
    async def _enter(request: Request, hw: str) -> Response:
        return await changing(request, staff_views.parts, staff_views.enter_points, hw)

    @api.get("/homeworks/{hw}/rules", include_in_schema=False)
    async def _rules(request: Request, hw: str, done: bool = False) -> Response:
        return await answer(request, staff_views.rules, hw, FormEntry(done=done))

    @api.post("/homeworks/{hw}/rules", include_in_schema=False)
    async def _change_rules(request: Request, hw: str) -> Response:
        return await changing(request, staff_views.rules, staff_views.change_rules, hw)

    @api.get("/roster/people/{key:path}", include_in_schema=False)
    async def _person(request: Request, key: str) -> Response:
        return await answer(request, staff_views.person, key[:60])

    @api.get("/homeworks/{hw}/reveal", include_in_schema=False)
    async def _revealing(request: Request, hw: str, done: bool = False) -> Response:
        return await answer(request, staff_views.revealing, hw, FormEntry(done=done))

    @api.post("/homeworks/{hw}/reveal", include_in_schema=False)
    async def _reveal(request: Request, hw: str) -> Response:
        return await changing(request, staff_views.revealing, staff_views.reveal, hw)

    @api.get("/submissions/{number}/disqualify", include_in_schema=False)
    async def _disqualification(request: Request, number: endpoints.Number, done: bool = False) -> Response:
        return await answer(request, staff_views.disqualification, str(number), FormEntry(done=done))

    @api.post("/submissions/{number}/disqualify", include_in_schema=False)
    async def _disqualify(request: Request, number: endpoints.Number) -> Response:
        return await changing(request, staff_views.disqualification, staff_views.disqualify, str(number))

    @api.get("/roster/tokens", include_in_schema=False)
    async def _tokens(request: Request, q: str = "", page: int = 1) -> Response:
        return await answer(request, staff_views.tokens, q[:100], within(page))


def numbered(text: str) -> int | None:
    """The number of a data version in a form; None for the data in use."""
    return int(text[:9]) if text.isascii() and text.isdecimal() else None


def of_one(hw: str, version: int | None) -> int | None:
    """The number of a data version, which belongs to one homework."""
    if version is not None and not hw:
        raise UserError("an older data version belongs to one homework: choose the homework.")
    return version


def within(page: int) -> int:
    """The number of a page within what can be."""
    return max(1, min(page, 10**6))


def clamped(event: int) -> int:
    """The number of an event that a database can hold."""
    return max(0, min(event, 2**62))
