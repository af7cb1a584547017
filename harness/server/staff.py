"""The endpoints of staff under /api/v1; permissions are those of `harness.course`."""

from __future__ import annotations

from fastapi import FastAPI, Request
from fastapi.responses import Response

from harness.course import points
from harness.course.types import Gradebook
from harness.server.endpoints import DataVersion, HomeworkName, Unrevealed, answer, errors_of
from harness.server.state import BASE, Who, server_of


def add_staff(api: FastAPI) -> None:
    errors = errors_of(400, 401, 403, 404)

    @api.get(f"{BASE}/gradebook", response_model=Gradebook, responses=errors)
    async def whole_gradebook(request: Request, login: Who, unrevealed: Unrevealed = False) -> Response:
        """Staff: each student's points in all homeworks, and the course total."""
        server = server_of(request)
        asked = {"unrevealed": unrevealed, "now": server.clock()}
        return answer(await server.call(points.gradebook, server.home, login.viewer, None, **asked))

    @api.get(f"{BASE}/homeworks/{{hw}}/gradebook", response_model=Gradebook, responses=errors)
    async def gradebook(
        request: Request, login: Who, hw: HomeworkName, unrevealed: Unrevealed = False, version: DataVersion = None
    ) -> Response:
        """Staff: each student's points in one homework, by bar and by part."""
        server = server_of(request)
        asked = {"unrevealed": unrevealed, "version": version, "now": server.clock()}
        return answer(await server.call(points.gradebook, server.home, login.viewer, hw, **asked))
