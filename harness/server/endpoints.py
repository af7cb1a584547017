"""The endpoints under /api/v1; permissions are those of `harness.course`."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from datetime import UTC
from email.utils import format_datetime
from typing import Annotated, Any

from fastapi import FastAPI, Path, Query, Request
from fastapi.responses import FileResponse, JSONResponse, PlainTextResponse, Response

from harness.course import boards, catalogue, handing_in, limits, record, requests
from harness.course.entries import SPREAD, Accepted, Selection, Submission, Submissions, to_json
from harness.course.points import points
from harness.course.types import (
    About,
    Board,
    BoardRow,
    Files,
    Homework,
    Homeworks,
    Me,
    NewSession,
    Points,
    Quota,
)
from harness.server.refusals import Rejected
from harness.server.state import BASE, Who, limit, server_of
from harness.server.uploads import (
    accept,
    filename_of,
    key_of,
    length_of,
    one_of_few,
    read_json,
    receive,
    text_of,
    too_large_for,
    written_field,
)
from leaderboard.receipts import AttachmentReceipt, Receipt
from submissions.store import receiving
from tasks.errors import UserError

HomeworkName = Annotated[str, Path(max_length=60, description="A prepared homework: hw1, hw01 and 1 are the same.")]
DataVersion = Annotated[int | None, Query(ge=1, lt=2**31, description="An older data version of the homework.")]
Number = Annotated[int, Path(ge=1, lt=2**63, description="The number of a submission.")]
Unrevealed = Annotated[bool, Query(description="Staff: show it before the reveal, which is logged.")]
Exact = Annotated[bool, Query(description="Staff: exact scores, not truncated.")]
Responses = dict[int | str, dict[str, Any]]


@dataclass(frozen=True)
class SignedReceipt:
    """A receipt with its signature, in hexadecimal digits."""

    receipt: Receipt = field(metadata=SPREAD)
    signature: str


@dataclass(frozen=True)
class SignedAttachment:
    """A receipt of a second file with its signature, in hexadecimal digits."""

    receipt: AttachmentReceipt = field(metadata=SPREAD)
    signature: str


def answer(value: Any, status: int = 200) -> JSONResponse:
    return JSONResponse(to_json(value), status)


def describe(api: FastAPI) -> dict[str, Any]:
    """The OpenAPI description, where a `SPREAD` field's own fields stand beside the others, as in the answers."""
    if api.openapi_schema is not None:
        return api.openapi_schema
    described = FastAPI.openapi(api)  # which keeps it
    schemas = described["components"]["schemas"]
    for kind in (Homework, BoardRow, NewSession, SignedReceipt, SignedAttachment):
        whole = schemas[kind.__name__]
        for name in [one.name for one in fields(kind) if one.metadata.get("spread")]:
            part = whole["properties"].pop(name)
            whole["required"].remove(name)
            inner = schemas[part["$ref"].rpartition("/")[2]] if "$ref" in part else part
            whole["properties"] |= inner.get("properties", {})
            whole["required"] += inner.get("required", [])
            if "additionalProperties" in inner:
                whole["additionalProperties"] = inner["additionalProperties"]
    # A client keeps all fields of a receipt, also those of a newer server, since the signature is of all of them.
    schemas["Accepted"]["properties"]["receipt"] = {"$ref": "#/components/schemas/SignedReceipt"}
    schemas["Attached"]["properties"]["receipt"] = {"$ref": "#/components/schemas/SignedAttachment"}
    return described


def content(kind: str) -> Responses:
    return {200: {"content": {kind: {}}}}


FILE_PROBLEM = {
    "type": "object",
    "required": ["code", "message"],
    "properties": {name: {"type": "string"} for name in ("code", "message")}
    | {"line": {"type": ["integer", "null"], "description": "The header is line 1."}}
    | {name: {"type": ["string", "null"]} for name in ("column", "found", "expected")},
    "additionalProperties": False,
}
"""A detail of an error about a file, as `tasks.errors.Problem` has it."""

REQUEST_PROBLEM = {
    "type": "object",
    "required": ["where", "message"],
    "properties": {"where": {"type": "array", "items": {"type": "string"}}, "message": {"type": "string"}},
    "additionalProperties": False,
}
"""A detail of an error about a request that is not well formed."""


def errors_of(*statuses: int) -> Responses:
    """The OpenAPI descriptions of an endpoint's errors."""
    schema = {
        "type": "object",
        "required": ["error"],
        "properties": {
            "error": {
                "type": "object",
                "required": ["code", "message", "details", "total"],
                "properties": {
                    "code": {"type": "string"},
                    "message": {"type": "string"},
                    "details": {"type": "array", "items": {"anyOf": [FILE_PROBLEM, REQUEST_PROBLEM]}},
                    "total": {"type": ["integer", "null"], "description": "Number of problems; not all are shown."},
                },
            }
        },
    }
    content = {"application/json": {"schema": schema}}
    words = {
        400: "The request is not well formed", 401: "No valid token", 403: "Not allowed", 404: "Not found",
        405: "Method not allowed", 408: "The body arrived too slowly", 409: "Closed, or another file with the same key",
        411: "Content-Length is missing", 413: "The file is too large", 415: "Not JSON", 422: "The file cannot be read",
        429: "Quota or rate limit exceeded", 500: "Internal server error", 503: "Temporarily unavailable",
    }  # fmt: skip
    return {status: {"description": words[status], "content": content} for status in (*statuses, 429, 500, 503)}


def add_reading(api: FastAPI) -> None:
    errors = errors_of(400, 401, 403, 404)

    @api.get(f"{BASE}/course", response_model=About, responses=errors_of(400))
    async def course(request: Request, login: Who) -> Response:
        """The course's name, its time zone, the key that verifies receipts, and the server's version."""
        server = server_of(request)
        return answer(await server.call(catalogue.course, server.home))

    @api.get(f"{BASE}/me", response_model=Me, responses=errors)
    async def me(request: Request, login: Who) -> Response:
        """Who is logged in."""
        server = server_of(request)
        return answer(await server.call(catalogue.me, server.home, login.viewer))

    @api.get(f"{BASE}/homeworks", response_model=Homeworks, responses=errors)
    async def homeworks(request: Request, login: Who) -> Response:
        """The homeworks with their deadlines."""
        server = server_of(request)
        return answer(await server.call(catalogue.homeworks, server.home, login.viewer, server.clock()))

    @api.get(f"{BASE}/homeworks/{{hw}}", response_model=Homework, responses=errors)
    async def homework(request: Request, login: Who, hw: HomeworkName) -> Response:
        """One homework: metrics, rules, bars, when it closes for you, and your quota."""
        server = server_of(request)
        return answer(await server.call(catalogue.homework, server.home, login.viewer, hw, server.clock()))

    @api.get(
        f"{BASE}/homeworks/{{hw}}/sheet",
        response_class=PlainTextResponse,
        responses=content("text/markdown") | errors,
    )
    async def sheet(request: Request, login: Who, hw: HomeworkName) -> Response:
        """The sheet of a homework, in Markdown."""
        server = server_of(request)
        text = await server.call(catalogue.sheet, server.home, login.viewer, hw)
        return Response(text, media_type="text/markdown; charset=utf-8")

    @api.get(f"{BASE}/homeworks/{{hw}}/files", response_model=Files, responses=errors)
    async def files(request: Request, login: Who, hw: HomeworkName) -> Response:
        """The data files with their sizes and SHA-256."""
        server = server_of(request)
        return answer(await server.call(catalogue.files, server.home, login.viewer, hw))

    @api.get(
        f"{BASE}/homeworks/{{hw}}/files/{{name:path}}",
        response_class=FileResponse,
        responses=content("application/octet-stream") | errors,
    )
    async def file(request: Request, login: Who, hw: HomeworkName, name: str) -> Response:
        """One data file."""
        server = server_of(request)
        path = await server.call(catalogue.file_path, server.home, login.viewer, hw, name)
        return FileResponse(path, media_type="application/octet-stream", filename=path.name)

    @api.get(
        f"{BASE}/homeworks/{{hw}}/archive",
        response_class=FileResponse,
        responses=content("application/zip") | errors,
    )
    async def archive(request: Request, login: Who, hw: HomeworkName) -> Response:
        """All data files in one archive; Range requests are supported."""
        server = server_of(request)
        path = await server.call(catalogue.archive, server.home, login.viewer, hw)
        return FileResponse(path, media_type="application/zip", filename=path.name)

    @api.get(
        f"{BASE}/homeworks/{{hw}}/picture",
        response_class=FileResponse,
        responses=content("image/png") | errors,
    )
    async def picture(request: Request, login: Who, hw: HomeworkName) -> Response:
        """The picture of the data, where there is one."""
        server = server_of(request)
        found = await server.call(catalogue.picture, server.home, login.viewer, hw)
        if found is None:
            raise UserError("There is no picture of these data.", code="E_NOT_FOUND")
        kept = {"cache-control": "private, max-age=3600"}  # the page's address for it holds the hash of the data
        return FileResponse(found.path, media_type="image/png", headers=kept)

    @api.get(f"{BASE}/homeworks/{{hw}}/board", response_model=Board, responses=errors)
    async def board(
        request: Request,
        login: Who,
        hw: HomeworkName,
        private: Annotated[bool, Query(description="The private board, available after the reveal.")] = False,
        unrevealed: Unrevealed = False,
        exact: Exact = False,
        version: DataVersion = None,
    ) -> Response:
        """The public or the private board."""
        server = server_of(request)
        asked = {"private": private, "unrevealed": unrevealed, "exact": exact, "version": version}
        return answer(await server.call(boards.board, server.home, login.viewer, hw, **asked, now=server.clock()))

    @api.get(f"{BASE}/homeworks/{{hw}}/submissions", response_model=Submissions, responses=errors)
    async def submissions(
        request: Request,
        login: Who,
        hw: HomeworkName,
        everyone: Annotated[bool, Query(description="Staff: all submissions.")] = False,
        exact: Exact = False,
        version: DataVersion = None,
    ) -> Response:
        """Your submissions of a homework."""
        server = server_of(request)
        asked = {"everyone": everyone, "exact": exact, "version": version}
        return answer(await server.call(record.submissions, server.home, login.viewer, hw, **asked, now=server.clock()))

    @api.get(f"{BASE}/submissions", response_model=Submissions, responses=errors)
    async def all_submissions(
        request: Request,
        login: Who,
        everyone: Annotated[bool, Query(description="Staff: all submissions.")] = False,
        exact: Exact = False,
    ) -> Response:
        """Your submissions of all homeworks."""
        server = server_of(request)
        whose = {"everyone": everyone, "exact": exact}
        return answer(
            await server.call(record.submissions, server.home, login.viewer, None, **whose, now=server.clock())
        )

    @api.get(f"{BASE}/submissions/{{number}}", response_model=Submission, responses=errors)
    async def submission(request: Request, login: Who, number: Number) -> Response:
        """One submission: its position in the queue, its score, or the problems of its file."""
        server = server_of(request)
        return answer(await server.call(record.submission, server.home, login.viewer, number, server.clock()))

    @api.get(f"{BASE}/submissions/{{number}}/receipt", response_model=SignedReceipt, responses=errors)
    async def receipt(request: Request, login: Who, number: Number) -> Response:
        """The signed receipt of a submission."""
        server = server_of(request)
        return answer(await server.call(record.receipt, server.home, login.viewer, number))

    @api.get(
        f"{BASE}/submissions/{{number}}/file",
        response_class=FileResponse,
        responses=content("application/octet-stream") | errors,
    )
    async def own_file(request: Request, login: Who, number: Number) -> Response:
        """The file of a submission, as it was handed in."""
        server = server_of(request)
        found = await server.call(record.file, server.home, login.viewer, number)
        arrived = format_datetime(found.at.astimezone(UTC), usegmt=True)  # not when the store wrote it
        kept = {"etag": f'"{found.sha256}"', "last-modified": arrived}
        return FileResponse(found.path, media_type="application/octet-stream", filename=found.name, headers=kept)

    @api.get(f"{BASE}/points", response_model=Points, responses=errors)
    async def all_points(request: Request, login: Who) -> Response:
        """Your points in every homework, and the course total so far."""
        server = server_of(request)
        return answer(await server.call(points, server.home, login.viewer, None, server.clock()))

    @api.get(f"{BASE}/homeworks/{{hw}}/points", response_model=Points, responses=errors)
    async def own_points(request: Request, login: Who, hw: HomeworkName) -> Response:
        """Your points in one homework, by bar and by part."""
        server = server_of(request)
        return answer(await server.call(points, server.home, login.viewer, hw, server.clock()))

    @api.get(f"{BASE}/homeworks/{{hw}}/quota", response_model=Quota, responses=errors)
    async def quota(request: Request, login: Who, hw: HomeworkName) -> Response:
        """Your remaining submissions for today."""
        server = server_of(request)
        return answer(await server.call(limits.quota, server.home, login.viewer, hw, server.clock()))

    @api.get(f"{BASE}/homeworks/{{hw}}/selection", response_model=Selection, responses=errors)
    async def selection(request: Request, login: Who, hw: HomeworkName) -> Response:
        """Your selection, and which submissions would count if the homework ended now."""
        server = server_of(request)
        return answer(await server.call(limits.selection, server.home, login.viewer, hw, server.clock()))


def add_handing_in(api: FastAPI) -> None:
    numbers = {"type": "array", "items": {"type": "integer", "minimum": 1}, "maxItems": 100}
    chosen = {"type": "object", "required": ["submissions"], "properties": {"submissions": numbers}}

    @api.put(
        f"{BASE}/homeworks/{{hw}}/selection",
        response_model=Selection,
        responses=errors_of(400, 401, 403, 404, 408, 409, 411, 413, 415),
        openapi_extra={"requestBody": {"required": True, "content": {"application/json": {"schema": chosen}}}},
    )
    async def select(request: Request, login: Who, hw: HomeworkName) -> Response:
        """Choose which of your submissions count on the private board, replacing an earlier choice."""
        server = server_of(request)
        ids = (await read_json(request)).get("submissions")
        if not isinstance(ids, list):
            raise Rejected("E_USAGE", 'the body must be {"submissions": [numbers]}.')
        chosen = requests.chosen_numbers([written_field(one) for one in ids])
        return answer(await server.call(limits.select, server.home, login.viewer, hw, chosen, server.clock()))

    texts = {"type": "string", "maxLength": 2000, "pattern": "^[ -~]*$"}
    headers = [
        {"name": name, "in": "header", "required": False, "description": words, "schema": texts}
        for name, words in (
            (
                "Idempotency-Key",
                "Of one file and its retries: other bytes are refused. The same bytes are one submission; with a new "
                "key after another file, a quiz takes them again.",
            ),
            ("X-Filename", "The file's name, percent-encoded UTF-8."),
            ("X-Message", "A note to yourself, percent-encoded UTF-8."),
        )
    ]
    body = {
        "required": True,
        "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
    }

    again: Responses = {200: {"model": Accepted, "description": "Already submitted; the same receipt again."}}

    @api.post(
        f"{BASE}/homeworks/{{hw}}/submissions",
        status_code=202,
        response_model=Accepted,
        responses=again | errors_of(400, 401, 403, 404, 408, 409, 411, 413, 422),
        openapi_extra={"parameters": headers, "requestBody": body},
    )
    async def submit(request: Request, login: Who, hw: HomeworkName) -> Response:
        """Submit a file: it is stored and recorded, with a receipt, and graded afterwards."""
        server = server_of(request)
        filename = filename_of(request) or "submission"
        message, key = text_of(request, "x-message"), key_of(request)
        most = await server.call(handing_in.submit_limit, server.home, login.viewer, hw, server.clock())
        requests.check_message(message)
        length = length_of(request)
        if length > most:
            raise too_large_for(length, most)
        with one_of_few(server, login), receiving(server.home.submissions, most) as arriving:
            limit(server.uploads, str(login.token))
            await receive(request, length, server.grace, arriving.write)
            accepted = await accept(server, login, hw, arriving, filename, message, key)
        return answer(accepted, 200 if accepted.again else 202)
