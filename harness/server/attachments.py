"""The endpoints of second files, such as reports and code; permissions are those of `harness.course`.

The server never opens such a file, and sends it back only as a download.
"""

from __future__ import annotations

import secrets
from datetime import UTC
from email.utils import format_datetime
from typing import Annotated

from fastapi import FastAPI, Path, Query, Request
from fastapi.responses import FileResponse, Response, StreamingResponse

from harness.course import attachments, classwork
from harness.course.attached import Attached, Attachments, Handed
from harness.server.endpoints import HomeworkName, Responses, SignedAttachment, answer, content, errors_of
from harness.server.state import BASE, Who, limit, server_of
from harness.server.uploads import filename_of, key_of, length_of, one_of_few, receive
from leaderboard.acceptance import Upload
from submissions.attachments import Checked, oversized
from submissions.store import receiving

Number = Annotated[int, Path(ge=1, lt=2**63, description="The number of a second file.")]


def add_attachments(api: FastAPI) -> None:
    _add_own(api)
    _add_of_staff(api)


def _add_own(api: FastAPI) -> None:
    errors = errors_of(400, 401, 403, 404)
    texts = {"type": "string", "maxLength": 2000, "pattern": "^[ -~]*$"}
    headers = [
        {"name": name, "in": "header", "required": False, "description": words, "schema": texts}
        for name, words in (
            ("Idempotency-Key", "Of one file and its retries: other bytes are refused."),
            ("X-Filename", "The file's name, percent-encoded UTF-8."),
        )
    ]
    body = {
        "required": True,
        "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
    }
    again: Responses = {200: {"model": Attached, "description": "Already recorded; the same receipt again."}}

    @api.post(
        f"{BASE}/homeworks/{{hw}}/attachments",
        status_code=201,
        response_model=Attached,
        responses=again | errors_of(400, 401, 403, 404, 408, 409, 411, 413, 422),
        openapi_extra={"parameters": headers, "requestBody": body},
    )
    async def attach(request: Request, login: Who, hw: HomeworkName) -> Response:
        """Hand in the second file of a homework, a PDF or a zip archive; the latest one counts."""
        server = server_of(request)
        filename, key = filename_of(request) or "attachment", key_of(request) or secrets.token_hex(16)
        rules = await server.call(attachments.asked_for, server.home, login.viewer, hw)
        length, most = length_of(request), rules.attachment_bytes
        if length > most:
            raise oversized(most, length)
        with one_of_few(server, login), receiving(server.home.submissions, most) as arriving:
            limit(server.uploads, str(login.token))
            file = Checked(arriving, rules.attachment_kinds, most)
            await receive(request, length, server.grace, file.write)
            kind = file.end()
            sha256 = await server.call(arriving.sync)
            now = server.clock()  # a file arrives with its last byte

            def step(name: str) -> None:
                if name == "row":
                    arriving.keep()

            upload = Upload(sha256, arriving.size, filename, "", key, now)
            done = await server.call(attachments.attach, server.home, login.viewer, hw, upload, kind, step)
        return answer(done, 200 if done.again else 201)

    @api.get(f"{BASE}/homeworks/{{hw}}/attachments", response_model=Attachments, responses=errors)
    async def own(request: Request, login: Who, hw: HomeworkName) -> Response:
        """Your second files of a homework, all versions, and what is asked for."""
        server = server_of(request)
        return answer(await server.call(attachments.attachments, server.home, login.viewer, hw, server.clock()))

    @api.get(
        f"{BASE}/attachments/{{number}}/file",
        response_class=FileResponse,
        responses=content("application/octet-stream") | errors,
    )
    async def file(request: Request, login: Who, number: Number) -> Response:
        """A second file, as it was handed in; that staff read one is logged."""
        server = server_of(request)
        found = await server.call(attachments.file, server.home, login.viewer, number, server.clock())
        arrived = format_datetime(found.at.astimezone(UTC), usegmt=True)  # not when the store wrote it
        kept = {"etag": f'"{found.sha256}"', "last-modified": arrived}
        return FileResponse(found.path, media_type="application/octet-stream", filename=found.name, headers=kept)

    @api.get(f"{BASE}/attachments/{{number}}/receipt", response_model=SignedAttachment, responses=errors)
    async def receipt(request: Request, login: Who, number: Number) -> Response:
        """The signed receipt of a second file."""
        server = server_of(request)
        return answer(await server.call(attachments.receipt, server.home, login.viewer, number))


def _add_of_staff(api: FastAPI) -> None:
    errors = errors_of(400, 401, 403, 404)

    @api.get(f"{BASE}/homeworks/{{hw}}/attachments/students", response_model=Handed, responses=errors)
    async def handed(request: Request, login: Who, hw: HomeworkName) -> Response:
        """Staff: each student with the latest second file, or without one."""
        server = server_of(request)
        return answer(await server.call(attachments.handed, server.home, login.viewer, hw, server.clock()))

    @api.get(
        f"{BASE}/homeworks/{{hw}}/attachments/archive",
        response_class=StreamingResponse,
        responses=content("application/zip") | errors,
    )
    async def archive(
        request: Request,
        login: Who,
        hw: HomeworkName,
        latest: Annotated[bool, Query(description="Only the latest file of each.")] = False,
    ) -> Response:
        """Staff: all second files of a homework in one archive, with a table of them; this is logged."""
        server = server_of(request)
        home = server.home
        found = await server.call(attachments.uploads, home, login.viewer, hw, latest, server.clock())
        named = {"content-disposition": f'attachment; filename="{found.name}-second-files.zip"'}
        return StreamingResponse(classwork.archive(home, found), media_type="application/zip", headers=named)
