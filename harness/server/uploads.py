"""Bodies of requests, within their limits of size and time; the upload of a file."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any
from urllib.parse import unquote_to_bytes

from fastapi import Request

from harness.course import handing_in, limits
from harness.course.entries import Accepted
from harness.server.auth import Login
from harness.server.refusals import Rejected
from harness.server.state import JSON_BYTES, SLOWEST, UPLOADS_AT_ONCE, Server, server_of
from leaderboard.acceptance import Upload
from submissions.store import Arriving
from submissions.text import too_large
from tasks.errors import UserError


async def accept(
    server: Server, login: Login, hw: str, arriving: Arriving, filename: str, message: str, key: str | None
) -> Accepted:
    """Records a completely received file; its bytes are stored inside the same transaction. Without a key its hash."""

    def step(name: str) -> None:
        if name == "submission":
            arriving.keep()

    sha256 = await server.call(arriving.sync)
    now = server.clock()  # a file arrives with its last byte
    upload = Upload(sha256, arriving.size, filename, message, key or sha256, now)
    try:
        return await server.call(handing_in.submit_accept, server.home, login.viewer, hw, upload, step)
    except UserError as error:
        if error.exit_code == 4:
            found = await server.call(limits.quota, server.home, login.viewer, hw, now)
            opens = datetime.fromisoformat(found.quota[0].next_day)
            refusal = Rejected(error.code, str(error), max(1.0, (opens - now).total_seconds()))
            raise refusal from error
        raise


@contextlib.contextmanager
def one_of_few(server: Server, login: Login) -> Iterator[None]:
    """Counts a token's uploads in progress."""
    token = login.token or 0
    if server.sending[token] >= UPLOADS_AT_ONCE:
        raise Rejected("E_RATE", f"at most {UPLOADS_AT_ONCE} uploads at the same time.", 5.0)
    server.sending[token] += 1
    try:
        yield
    finally:
        server.sending[token] -= 1
        server.sending += Counter()  # drops the zero counts


def length_of(request: Request) -> int:
    """The Content-Length of a body, which is required."""
    text = request.headers.get("content-length", "")
    if not text.isascii() or not text.isdigit() or len(text) > 18 or "transfer-encoding" in request.headers:
        raise Rejected("E_LENGTH", "send the body with a Content-Length header, not chunked.")
    return int(text)


def too_large_for(size: int | None, most: int) -> UserError:
    return UserError(str(too_large(size, most).problems[0].message), code="E_TOO_LARGE", exit_code=3)


async def receive(request: Request, length: int, grace: float, write: Callable[[bytes], None]) -> None:
    """Passes on a body of exactly that length, which must arrive fast enough."""
    size = 0
    try:
        async with asyncio.timeout(grace + length / SLOWEST):
            async for chunk in request.stream():
                size += len(chunk)
                if size > length:
                    break
                write(chunk)
    except TimeoutError:
        raise Rejected("E_SLOW", f"only {size:,} of {length:,} bytes arrived in time; nothing was recorded.") from None
    if size != length:
        raise Rejected("E_USAGE", f"{size:,} bytes arrived, but Content-Length is {length:,}; nothing was recorded.")


async def read_json(request: Request, most: int = JSON_BYTES) -> dict[str, Any]:
    """The JSON object of a body of at most so many bytes.

    Its Content-Type must be JSON, which a form of another site cannot send.
    """
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise Rejected("E_USAGE", "the body must be JSON, with Content-Type: application/json.")
    try:
        values = json.loads(await read_body(request, most), parse_int=_whole_number)
    except (ValueError, RecursionError):
        values = None
    if not isinstance(values, dict):
        raise Rejected("E_USAGE", "the body must be a JSON object.")
    return values


def written_field(value: Any) -> str:
    """A value of a JSON list as shown in a message; a text is quoted, so it does not look like a number."""
    if isinstance(value, (int, float)):
        return str(value)
    return f'"{value}"' if isinstance(value, str) else "null" if value is None else "a list or an object"


def _whole_number(text: str) -> int:
    if len(text) > 40:
        raise Rejected("E_USAGE", f"the body has a number with {len(text):,} digits. Nothing was changed.")
    return int(text)


async def read_body(request: Request, most: int = JSON_BYTES) -> bytes:
    """A small body, of at most so many bytes, which must arrive fast enough."""
    length = length_of(request)
    if length > most:
        raise too_large_for(length, most)
    data = bytearray()
    await receive(request, length, server_of(request).grace, data.extend)
    return bytes(data)


def key_of(request: Request) -> str | None:
    """The Idempotency-Key of a file and its retries, or None."""
    key = request.headers.get("idempotency-key")
    if key is not None and not (0 < len(key) <= 200 and key.isascii() and key.isprintable()):
        raise Rejected("E_USAGE", "an Idempotency-Key must have 1 to 200 printable ASCII characters.")
    return key


def filename_of(request: Request) -> str:
    """The name of a file that is sent, without folders; empty where it has none."""
    return text_of(request, "x-filename").replace("\\", "/").rpartition("/")[2].strip()[:200]


def text_of(request: Request, header: str) -> str:
    """The text of a header, percent-encoded UTF-8."""
    value = request.headers.get(header, "")
    try:
        return unquote_to_bytes(value.encode("ascii")).decode("utf-8")
    except UnicodeError:
        raise Rejected("E_USAGE", f"the header {header} must be percent-encoded UTF-8.") from None
