"""The endpoints of staff under /api/v1; permissions are those of `harness.course`."""

from __future__ import annotations

from typing import Annotated

from fastapi import FastAPI, Path, Query, Request
from fastapi.responses import Response, StreamingResponse

from harness.course import announcing, classwork, entered, entering, people, persons, points
from harness.course.desk import (
    Extensions,
    Histogram,
    Log,
    LogQuestion,
    Missing,
    Parts,
    People,
    PersonCard,
    PersonTokens,
    Queue,
    RulesInForce,
)
from harness.course.types import Announcements, Gradebook
from harness.server.endpoints import DataVersion, HomeworkName, Unrevealed, answer, content, errors_of
from harness.server.state import BASE, Who, server_of


def add_staff(api: FastAPI) -> None:
    errors = errors_of(400, 401, 403, 404)

    @api.get(f"{BASE}/gradebook", response_model=Gradebook, responses=errors)
    async def whole_gradebook(request: Request, login: Who, unrevealed: Unrevealed = False) -> Response:
        """Staff: each student's points in all homeworks, and the course total."""
        server = server_of(request)
        asked = {"unrevealed": unrevealed, "now": server.clock()}
        return answer(await server.call(points.gradebook, server.home, login.viewer, None, **asked))

    @api.get(f"{BASE}/log", response_model=Log, responses=errors)
    async def log(
        request: Request,
        login: Who,
        homework: Annotated[str, Query(max_length=60, description="Only what is about this homework.")] = "",
        by: Annotated[str, Query(max_length=60, description="Only what this person or team did.")] = "",
        kind: Annotated[str, Query(max_length=60, description="Only kinds with these words.")] = "",
        since: Annotated[str, Query(max_length=40, description="Only from this day on, like 2027-03-26.")] = "",
        before: Annotated[int, Query(ge=0, lt=2**62, description="Only events before this number.")] = 0,
        last: Annotated[int, Query(ge=0, lt=2**31, description="The newest so many; 0: all.")] = 50,
    ) -> Response:
        """Staff: what was done, by whom and why."""
        server = server_of(request)
        asked = LogQuestion(homework, by, kind, since, before, last)
        return answer(await server.call(entered.log, server.home, login.viewer, asked))

    @api.get(f"{BASE}/homeworks/{{hw}}/extensions", response_model=Extensions, responses=errors)
    async def extensions(request: Request, login: Who, hw: HomeworkName) -> Response:
        """Staff: all extensions of a homework."""
        server = server_of(request)
        return answer(await server.call(entered.extensions, server.home, login.viewer, hw))

    @api.get(f"{BASE}/homeworks/{{hw}}/parts", response_model=Parts, responses=errors)
    async def parts(request: Request, login: Who, hw: HomeworkName) -> Response:
        """Staff: the points of a homework that were given by hand."""
        server = server_of(request)
        return answer(await server.call(entered.parts, server.home, login.viewer, hw))

    @api.get(f"{BASE}/homeworks/{{hw}}/rules", response_model=RulesInForce, responses=errors)
    async def rules(request: Request, login: Who, hw: HomeworkName) -> Response:
        """Staff: the rules of a homework that can be changed."""
        server = server_of(request)
        return answer(await server.call(entering.rules, server.home, login.viewer, hw))

    @api.get(f"{BASE}/queue", response_model=Queue, responses=errors)
    async def queue(request: Request, login: Who) -> Response:
        """Staff: what waits for its grade and what is being graded, of all homeworks."""
        server = server_of(request)
        return answer(await server.call(classwork.waiting, server.home, login.viewer, server.clock()))

    @api.get(f"{BASE}/homeworks/{{hw}}/missing", response_model=Missing, responses=errors)
    async def missing(request: Request, login: Who, hw: HomeworkName) -> Response:
        """Staff: who has handed in no file that counts."""
        server = server_of(request)
        return answer(await server.call(classwork.missing, server.home, login.viewer, hw))

    @api.get(f"{BASE}/homeworks/{{hw}}/histogram", response_model=Histogram, responses=errors)
    async def histogram(request: Request, login: Who, hw: HomeworkName) -> Response:
        """Staff: how the scores of the public board are spread."""
        server = server_of(request)
        return answer(await server.call(classwork.histogram, server.home, login.viewer, hw))

    @api.get(
        f"{BASE}/homeworks/{{hw}}/uploads",
        response_class=StreamingResponse,
        responses=content("application/zip") | errors,
    )
    async def uploads(
        request: Request,
        login: Who,
        hw: HomeworkName,
        counting: Annotated[bool, Query(description="Only the files that count now.")] = False,
        version: DataVersion = None,
    ) -> Response:
        """Staff: all files of a homework in one archive, with a table of them; it is made as it is sent."""
        server = server_of(request)
        home = server.home
        found = await server.call(classwork.uploads, home, login.viewer, hw, counting, version)
        of_version = "" if version is None else f"-version-{version}"
        named = {"content-disposition": f'attachment; filename="{found.name}{of_version}-files.zip"'}
        return StreamingResponse(classwork.archive(home, found), media_type="application/zip", headers=named)

    @api.get(f"{BASE}/announcements", response_model=Announcements, responses=errors_of(400, 401))
    async def announcements(request: Request, login: Who) -> Response:
        """What the staff tell the course, the newest first."""
        server = server_of(request)
        return answer(await server.call(announcing.read, server.home, login.viewer))

    @api.get(f"{BASE}/roster/people", response_model=People, responses=errors)
    async def everybody(request: Request, login: Who) -> Response:
        """Staff: everybody on the roster."""
        server = server_of(request)
        return answer(await server.call(people.people, server.home, login.viewer, server.clock()))

    @api.get(f"{BASE}/roster/people/{{key:path}}", response_model=PersonCard, responses=errors)
    async def person(
        request: Request, login: Who, key: Annotated[str, Path(max_length=60, description="A person's id.")]
    ) -> Response:
        """Staff: everything of a person."""
        server = server_of(request)
        return answer(await server.call(persons.person, server.home, login.viewer, key, server.clock()))

    @api.get(f"{BASE}/roster/tokens", response_model=PersonTokens, responses=errors)
    async def person_tokens(
        request: Request, login: Who, person: Annotated[str | None, Query(max_length=60)] = None
    ) -> Response:
        """Staff: the tokens of everybody, or of one person, without their secrets."""
        server = server_of(request)
        return answer(await server.call(entered.person_tokens, server.home, login.viewer, person, server.clock()))

    @api.get(f"{BASE}/homeworks/{{hw}}/gradebook", response_model=Gradebook, responses=errors)
    async def gradebook(
        request: Request, login: Who, hw: HomeworkName, unrevealed: Unrevealed = False, version: DataVersion = None
    ) -> Response:
        """Staff: each student's points in one homework, by bar and by part."""
        server = server_of(request)
        asked = {"unrevealed": unrevealed, "version": version, "now": server.clock()}
        return answer(await server.call(points.gradebook, server.home, login.viewer, hw, **asked))
