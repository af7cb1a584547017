"""The pages of staff: their addresses and forms. What each shows is in `harness.server.staff_views`."""

from __future__ import annotations

from fastapi import FastAPI, Request
from fastapi.responses import Response

from harness.course import points
from harness.course.desk import LogQuestion
from harness.course.gradebook import gradebook_table
from harness.server import endpoints, staff_views, state, views
from harness.server.forms import Entry, answer, changing, read_post
from harness.server.roster_pages import add_roster_pages
from harness.sheets import write_rows


def add_staff_pages(api: FastAPI) -> None:
    _add_board(api)
    _add_lists(api)
    add_roster_pages(api)


def _add_board(api: FastAPI) -> None:
    @api.post("/homeworks/{hw}/board", include_in_schema=False)
    async def _early_look(request: Request, hw: str) -> Response:
        _, login = await read_post(request)
        return await answer(request, views.board, hw, "", True, True, login=login)

    @api.get("/homeworks/{hw}/everyone", include_in_schema=False)
    async def _everyone(request: Request, hw: str, q: str = "", page: int = 1) -> Response:
        return await answer(request, views.everyone, hw, q[:100], within(page))

    @api.get("/gradebook", include_in_schema=False)
    async def _gradebook(request: Request, hw: str = "", q: str = "", page: int = 1) -> Response:
        return await answer(request, views.gradebook, hw[:60] or None, q[:100], within(page))

    @api.get("/gradebook.csv", include_in_schema=False)
    async def _gradebook_csv(request: Request, hw: str = "") -> Response:
        server, login = state.server_of(request), await state.find_login(request)
        book = await server.call(points.gradebook, server.home, login.viewer, hw[:60] or None, now=server.clock())
        text = write_rows(*gradebook_table(book, bool(hw)))
        named = {"content-disposition": 'attachment; filename="gradebook.csv"'}
        return Response(text, media_type="text/csv; charset=utf-8", headers=named)


def _add_lists(api: FastAPI) -> None:
    @api.get("/log", include_in_schema=False)
    async def _log(
        request: Request, hw: str = "", by: str = "", kind: str = "", since: str = "", before: int = 0
    ) -> Response:
        asked = LogQuestion(hw[:60], by.strip()[:60], kind.strip()[:60], since.strip()[:40], clamped(before))
        return await answer(request, staff_views.log, asked)

    @api.get("/homeworks/{hw}/staff", include_in_schema=False)
    async def _standing(request: Request, hw: str) -> Response:
        return await answer(request, staff_views.standing, hw)

    @api.get("/homeworks/{hw}/missing", include_in_schema=False)
    async def _missing(request: Request, hw: str) -> Response:
        return await answer(request, staff_views.missing, hw)

    @api.get("/homeworks/{hw}/extensions", include_in_schema=False)
    async def _extensions(request: Request, hw: str, done: bool = False) -> Response:
        return await answer(request, staff_views.extensions, hw, Entry(done=done))

    @api.post("/homeworks/{hw}/extensions", include_in_schema=False)
    async def _extend(request: Request, hw: str) -> Response:
        return await changing(request, staff_views.extensions, staff_views.extend, hw)

    @api.get("/homeworks/{hw}/parts", include_in_schema=False)
    async def _parts(request: Request, hw: str, done: bool = False) -> Response:
        return await answer(request, staff_views.parts, hw, Entry(done=done))

    @api.post("/homeworks/{hw}/parts", include_in_schema=False)
    async def _enter(request: Request, hw: str) -> Response:
        return await changing(request, staff_views.parts, staff_views.enter_points, hw)

    @api.get("/homeworks/{hw}/rules", include_in_schema=False)
    async def _rules(request: Request, hw: str, done: bool = False) -> Response:
        return await answer(request, staff_views.rules, hw, Entry(done=done))

    @api.post("/homeworks/{hw}/rules", include_in_schema=False)
    async def _change_rules(request: Request, hw: str) -> Response:
        return await changing(request, staff_views.rules, staff_views.change_rules, hw)

    @api.get("/roster/people/{key}", include_in_schema=False)
    async def _person(request: Request, key: str) -> Response:
        return await answer(request, staff_views.person, key[:60])

    @api.get("/submissions/{number}/disqualify", include_in_schema=False)
    async def _disqualification(request: Request, number: endpoints.Number, done: bool = False) -> Response:
        return await answer(request, staff_views.disqualification, str(number), Entry(done=done))

    @api.post("/submissions/{number}/disqualify", include_in_schema=False)
    async def _disqualify(request: Request, number: endpoints.Number) -> Response:
        return await changing(request, staff_views.disqualification, staff_views.disqualify, str(number))

    @api.get("/roster/tokens", include_in_schema=False)
    async def _tokens(request: Request, q: str = "", page: int = 1) -> Response:
        return await answer(request, staff_views.tokens, q[:100], within(page))


def within(page: int) -> int:
    """The number of a page within what can be."""
    return max(1, min(page, 10**6))


def clamped(event: int) -> int:
    """The number of an event that a database can hold."""
    return max(0, min(event, 2**62))
