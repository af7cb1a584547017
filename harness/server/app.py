"""The JSON API under /api/v1: every answer is a body of `harness.view`, every refusal one of its errors.

Permissions are decided only in `harness.view`; this module handles requests: authentication (`harness.server.auth`),
size and rate limits, the streamed upload, headers, the access log, and one format for all errors.
Library calls run in the threads of a pool, each with its own database connection.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import json
import secrets
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from typing import Annotated, Any, TypeVar
from urllib.parse import unquote_to_bytes

from fastapi import Depends, FastAPI, Path, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, JSONResponse, PlainTextResponse, Response
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from harness import view
from harness.competition import find_competition, prepared
from harness.home import Home, open_home
from harness.server import auth
from harness.server.auth import ANYBODY, Login
from harness.server.pool import Pool
from harness.server.settings import Settings
from leaderboard.database import LeaderboardError
from submissions.store import Arriving, receiving
from submissions.text import too_large
from tasks.errors import SubmissionError, UserError, internal

T = TypeVar("T")
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]

BASE = "/api/v1"
THREADS = 8
JSON_BYTES = 2**16
"""The size limit in bytes of a request body, except for uploads."""

GRACE_SECONDS = 20.0
SLOWEST = 4096
"""A body must arrive within the grace period plus its size at this many bytes per second."""

UPLOADS_AT_ONCE = 4
"""The most simultaneous uploads of one token."""

HEADERS = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
    "cache-control": "no-store",
}
"""The headers of every answer unless its endpoint sets others."""

STATUS = {
    "E_LOGIN": 401,
    "E_NOT_FOUND": 404,
    "E_NO_BOARD": 404,
    "E_NO_SUBMISSION": 404,
    "E_METHOD": 405,
    "E_SLOW": 408,
    "E_LENGTH": 411,
    "E_TOO_LARGE": 413,
    "E_RATE": 429,
    "E_BUSY": 503,
    "E_DISK": 503,
    "E_DISK_FULL": 503,
    "E_READ_ONLY": 503,
    "E_STORE": 503,
    "E_UNREACHABLE": 503,
}
BY_EXIT_CODE = {2: 400, 3: 422, 4: 429, 5: 409, 6: 403, 7: 503, 8: 409}
OUT_OF_ORDER = ("E_USAGE", "E_KEY", "E_NO_ANSWERS")
"""Codes by which the library says to whoever asks a server that its home is not in order."""

METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH")


class Rejected(UserError):
    """A request that the server itself refuses; `wait` is the seconds until a retry, 0 for no retry."""

    def __init__(self, code: str, message: str, wait: float = 0.0) -> None:
        super().__init__(message, code=code, exit_code=4 if wait else 2)
        self.wait = wait


@dataclass
class Server:
    """The state shared by the requests of one process."""

    first: Home
    settings: Settings
    clock: Callable[[], datetime]
    log: Callable[[str], None]
    grace: float
    pool: Pool
    threads: ThreadPoolExecutor
    requests: auth.Limiter
    uploads: auth.Limiter
    strangers: auth.Limiter
    sending: Counter[int] = field(default_factory=Counter)
    read: tuple[int, Home] | None = None

    @property
    def home(self) -> Home:
        """The home with its current config.toml, whose rules may change; the database stays the one from the start.

        If the file cannot be read or has an invalid rule, the previous settings stay in force.
        """
        path = self.first.root / "config.toml"
        changed = path.stat().st_mtime_ns if path.exists() else 0
        if self.read is None or self.read[0] != changed:
            home = self.read[1] if self.read else self.first
            try:
                settings = open_home(self.first.root).settings
                new = replace(self.first, settings=settings | {"database": self.first.settings.get("database")})
                for name in prepared(new):
                    find_competition(new, name)
                home = new
            except UserError as error:
                self.tell(error)
            self.read = changed, home
        return self.read[1]

    def close(self) -> None:
        """Waits for the threads and closes their connections."""
        self.threads.shutdown(wait=True)
        self.pool.close()

    async def call(self, function: Callable[..., T], *args: Any, **values: Any) -> T:
        """Runs a library call in a thread.

        Requests are checked before, so a usage error here means a misconfigured home: answer 503, and log the cause.
        """
        try:
            return await asyncio.get_running_loop().run_in_executor(self.threads, partial(function, *args, **values))
        except UserError as error:
            if error.code not in OUT_OF_ORDER:
                raise
            self.tell(error)
            raise UserError("the course is misconfigured.", code="E_COURSE", exit_code=7) from error

    def tell(self, error: UserError) -> None:
        """Logs a problem of the home."""
        self.log(json.dumps({"at": self.clock().isoformat(timespec="milliseconds"), "error": str(error)}))


def make_app(
    home: Home,
    settings: Settings,
    clock: Callable[[], datetime],
    log: Callable[[str], None],
    grace: float = GRACE_SECONDS,
) -> FastAPI:
    """The server's application; `log` gets one line of JSON for each request, without names, tokens or bodies."""

    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> Any:
        yield
        server.close()

    api = FastAPI(
        title="lhy-grade",
        description="Competitions of a machine learning course."
        " Every error is `{error: {code, message, details, total}}`.",
        version="1",
        openapi_url=f"{BASE}/openapi.json",
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
        redirect_slashes=False,
    )
    pool = Pool()
    server = Server(
        first=replace(home, connect=pool.connect, served=True),
        pool=pool,
        settings=settings,
        clock=clock,
        log=log,
        grace=grace,
        threads=ThreadPoolExecutor(THREADS, "call"),
        requests=auth.Limiter(settings.requests_per_minute),
        uploads=auth.Limiter(settings.uploads_per_minute),
        strangers=auth.Limiter(settings.requests_per_minute),
    )
    api.state.server = server
    for kind in (UserError, LeaderboardError, HTTPException, RequestValidationError):
        api.add_exception_handler(kind, _refusal)
    api.add_middleware(_guard, server=server)
    _add_reading(api)
    _add_handing_in(api)
    _add_sessions(api)
    _add_tokens(api)
    return api


# Authentication.


def _server(request: Request) -> Server:
    server: Server = request.app.state.server
    return server


async def find_login(request: Request) -> Login:
    """The login of a request, within the rate limits; a change by cookie must come from a page of this server."""
    server = _server(request)
    authorization = request.headers.get("authorization")
    cookie = request.cookies.get(auth.cookie_name(server.settings.secure))
    if authorization is None and cookie is None:
        login = ANYBODY
    else:
        try:
            login = await server.call(auth.find_login, server.home, authorization, cookie, server.clock())
        except UserError as error:
            if error.code == "E_LOGIN":
                limit(server.strangers, _address(request.scope))
            raise
    request.scope["lhy.token"] = login.token
    if login.token is None:
        limit(server.strangers, _address(request.scope))
    else:
        limit(server.requests, str(login.token))
    changes = request.method not in ("GET", "HEAD") or "unrevealed" in request.query_params
    if login.by == "cookie" and changes:
        assert cookie is not None
        auth.check_csrf(server.home, cookie, request.headers.get(auth.CSRF_HEADER))
    return login


def limit(limiter: auth.Limiter, name: str) -> None:
    """Counts a request. Raises Rejected E_RATE above the limit."""
    wait = limiter.take(name, time.monotonic())
    if wait:
        raise Rejected("E_RATE", f"too many requests; try again in {int(wait) + 1} s.", wait)


def _address(scope: Message) -> str:
    """The client address of a request; an IPv6 /64 network counts as one."""
    try:
        address = ipaddress.ip_address((scope.get("client") or ("",))[0])
    except ValueError:
        return "-"
    return str(address) if address.version == 4 else str(ipaddress.ip_network((address, 64), strict=False))


Who = Annotated[Login, Depends(find_login)]
Homework = Annotated[str, Path(max_length=60, description="A prepared homework: hw1, hw01 and 1 are the same.")]
DataVersion = Annotated[int | None, Query(ge=1, lt=2**31, description="An older data version of the homework.")]
Number = Annotated[int, Path(ge=1, lt=2**63, description="The number of a submission.")]
Exact = Annotated[bool, Query(description="Staff: exact scores, not truncated.")]
Responses = dict[int | str, dict[str, Any]]


def _content(kind: str) -> Responses:
    return {200: {"content": {kind: {}}}}


def _errors(*statuses: int) -> Responses:
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
                    "details": {"type": "array", "items": {"type": "object"}},
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


# Reading.


def _add_reading(api: FastAPI) -> None:
    errors = _errors(400, 401, 403, 404)

    @api.get(f"{BASE}/course", responses=_errors(400))
    async def course(request: Request, login: Who) -> dict[str, Any]:
        """The course's name, its time zone, the key that verifies receipts, and the server's version."""
        server = _server(request)
        return await server.call(view.course, server.home)

    @api.get(f"{BASE}/me", responses=errors)
    async def me(request: Request, login: Who) -> dict[str, Any]:
        """Who is logged in."""
        server = _server(request)
        return await server.call(view.me, server.home, login.viewer)

    @api.get(f"{BASE}/homeworks", responses=errors)
    async def homeworks(request: Request, login: Who) -> dict[str, Any]:
        """The homeworks with their deadlines."""
        server = _server(request)
        return await server.call(view.homeworks, server.home, login.viewer, server.clock())

    @api.get(f"{BASE}/homeworks/{{hw}}", responses=errors)
    async def homework(request: Request, login: Who, hw: Homework) -> dict[str, Any]:
        """One homework: metrics, rules, bars, when it closes for you, and your quota."""
        server = _server(request)
        return await server.call(view.homework, server.home, login.viewer, hw, server.clock())

    @api.get(
        f"{BASE}/homeworks/{{hw}}/sheet",
        response_class=PlainTextResponse,
        responses=_content("text/markdown") | errors,
    )
    async def sheet(request: Request, login: Who, hw: Homework) -> Response:
        """The sheet of a homework, in Markdown."""
        server = _server(request)
        text = await server.call(view.sheet, server.home, login.viewer, hw)
        return Response(text, media_type="text/markdown; charset=utf-8")

    @api.get(f"{BASE}/homeworks/{{hw}}/files", responses=errors)
    async def files(request: Request, login: Who, hw: Homework) -> dict[str, Any]:
        """The data files with their sizes and SHA-256."""
        server = _server(request)
        return await server.call(view.files, server.home, login.viewer, hw)

    @api.get(
        f"{BASE}/homeworks/{{hw}}/files/{{name:path}}",
        response_class=FileResponse,
        responses=_content("application/octet-stream") | errors,
    )
    async def file(request: Request, login: Who, hw: Homework, name: str) -> Response:
        """One data file."""
        server = _server(request)
        path = await server.call(view.file_path, server.home, login.viewer, hw, name)
        return FileResponse(path, media_type="application/octet-stream", filename=path.name)

    @api.get(
        f"{BASE}/homeworks/{{hw}}/archive",
        response_class=FileResponse,
        responses=_content("application/zip") | errors,
    )
    async def archive(request: Request, login: Who, hw: Homework) -> Response:
        """All data files in one archive; Range requests are supported."""
        server = _server(request)
        path = await server.call(view.archive, server.home, login.viewer, hw)
        return FileResponse(path, media_type="application/zip", filename=path.name)

    @api.get(
        f"{BASE}/homeworks/{{hw}}/picture",
        response_class=FileResponse,
        responses=_content("image/png") | errors,
    )
    async def picture(request: Request, login: Who, hw: Homework) -> Response:
        """The picture of the data, where there is one."""
        server = _server(request)
        found = await server.call(view.picture, server.home, login.viewer, hw)
        if found is None:
            raise UserError("There is no picture of these data.", code="E_NOT_FOUND")
        kept = {"cache-control": "private, max-age=3600"}  # the page's address for it holds the hash of the data
        return FileResponse(found.path, media_type="image/png", headers=kept)

    @api.get(f"{BASE}/homeworks/{{hw}}/board", responses=errors)
    async def board(
        request: Request,
        login: Who,
        hw: Homework,
        private: Annotated[bool, Query(description="The private board, available after the reveal.")] = False,
        unrevealed: Annotated[bool, Query(description="Staff: show it before the reveal, which is logged.")] = False,
        exact: Exact = False,
        version: DataVersion = None,
    ) -> dict[str, Any]:
        """The public or the private board."""
        server = _server(request)
        asked = {"private": private, "unrevealed": unrevealed, "exact": exact, "version": version}
        return await server.call(view.board, server.home, login.viewer, hw, **asked, now=server.clock())

    @api.get(f"{BASE}/homeworks/{{hw}}/submissions", responses=errors)
    async def submissions(
        request: Request,
        login: Who,
        hw: Homework,
        everyone: Annotated[bool, Query(description="Staff: all submissions.")] = False,
        exact: Exact = False,
        version: DataVersion = None,
    ) -> dict[str, Any]:
        """Your submissions of a homework."""
        server = _server(request)
        asked = {"everyone": everyone, "exact": exact, "version": version}
        return await server.call(view.submissions, server.home, login.viewer, hw, **asked, now=server.clock())

    @api.get(f"{BASE}/submissions", responses=errors)
    async def all_submissions(
        request: Request,
        login: Who,
        everyone: Annotated[bool, Query(description="Staff: all submissions.")] = False,
        exact: Exact = False,
    ) -> dict[str, Any]:
        """Your submissions of all homeworks."""
        server = _server(request)
        whose = {"everyone": everyone, "exact": exact}
        return await server.call(view.submissions, server.home, login.viewer, None, **whose, now=server.clock())

    @api.get(f"{BASE}/submissions/{{number}}", responses=errors)
    async def submission(request: Request, login: Who, number: Number) -> dict[str, Any]:
        """One submission: its position in the queue, its score, or the problems of its file."""
        server = _server(request)
        return await server.call(view.submission, server.home, login.viewer, number, server.clock())

    @api.get(f"{BASE}/submissions/{{number}}/receipt", responses=errors)
    async def receipt(request: Request, login: Who, number: Number) -> dict[str, Any]:
        """The signed receipt of a submission."""
        server = _server(request)
        return await server.call(view.receipt, server.home, login.viewer, number)

    @api.get(f"{BASE}/homeworks/{{hw}}/quota", responses=errors)
    async def quota(request: Request, login: Who, hw: Homework) -> dict[str, Any]:
        """Your remaining submissions for today."""
        server = _server(request)
        return await server.call(view.quota, server.home, login.viewer, hw, server.clock())

    @api.get(f"{BASE}/homeworks/{{hw}}/selection", responses=errors)
    async def selection(request: Request, login: Who, hw: Homework) -> dict[str, Any]:
        """Your selection, and which submissions would count if the homework ended now."""
        server = _server(request)
        return await server.call(view.selection, server.home, login.viewer, hw, server.clock())


# Submitting.


def _add_handing_in(api: FastAPI) -> None:
    numbers = {"type": "array", "items": {"type": "integer", "minimum": 1}, "maxItems": 100}
    chosen = {"type": "object", "required": ["submissions"], "properties": {"submissions": numbers}}

    @api.put(
        f"{BASE}/homeworks/{{hw}}/selection",
        responses=_errors(400, 401, 403, 404, 408, 409, 411, 413, 415),
        openapi_extra={"requestBody": {"required": True, "content": {"application/json": {"schema": chosen}}}},
    )
    async def select(request: Request, login: Who, hw: Homework) -> dict[str, Any]:
        """Choose which of your submissions count on the private board, replacing an earlier choice."""
        server = _server(request)
        ids = (await read_json(request)).get("submissions")
        if not isinstance(ids, list):
            raise Rejected("E_USAGE", 'the body must be {"submissions": [numbers]}.')
        chosen = view.chosen_numbers([_written(one) for one in ids])
        return await server.call(view.select, server.home, login.viewer, hw, chosen, server.clock())

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

    again: Responses = {200: {"description": "Already submitted; the same receipt again."}}

    @api.post(
        f"{BASE}/homeworks/{{hw}}/submissions",
        status_code=202,
        responses=again | _errors(400, 401, 403, 404, 408, 409, 411, 413, 422),
        openapi_extra={"parameters": headers, "requestBody": body},
    )
    async def submit(request: Request, response: Response, login: Who, hw: Homework) -> dict[str, Any]:
        """Submit a file: it is stored and recorded, with a receipt, and graded afterwards."""
        server = _server(request)
        filename = _text(request, "x-filename").replace("\\", "/").rpartition("/")[2].strip()[:200] or "submission"
        message, key = _text(request, "x-message"), request.headers.get("idempotency-key")
        if key is not None and not (0 < len(key) <= 200 and key.isascii() and key.isprintable()):
            raise Rejected("E_USAGE", "an Idempotency-Key must have 1 to 200 printable ASCII characters.")
        most = await server.call(view.submit_limit, server.home, login.viewer, hw, server.clock())
        view.check_message(message)
        length = _length(request)
        if length > most:
            raise _too_large(length, most)
        with one_of_few(server, login), receiving(server.home.submissions, most) as arriving:
            limit(server.uploads, str(login.token))
            await _receive(request, length, server.grace, arriving.write)
            sha256 = await server.call(arriving.sync)
            accepted = await accept(server, login, hw, arriving, sha256, filename, message, key or sha256)
        if accepted.get("again"):
            response.status_code = 200
        return accepted


async def accept(
    server: Server, login: Login, hw: str, arriving: Arriving, sha256: str, filename: str, message: str, key: str
) -> dict[str, Any]:
    """Records a completely received file; its bytes are stored inside the same transaction."""

    def step(name: str) -> None:
        if name == "submission":
            arriving.keep()

    now = server.clock()  # a file arrives with its last byte
    try:
        return await server.call(
            view.submit_accept,
            server.home,
            login.viewer,
            hw,
            sha256=sha256,
            size=arriving.size,
            filename=filename,
            message=message,
            client_key=key,
            now=now,
            step=step,
        )
    except LeaderboardError as error:
        if error.exit_code == 4:
            body = await server.call(view.quota, server.home, login.viewer, hw, now)
            opens = datetime.fromisoformat(body["quota"][0]["next_day"])
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


def _length(request: Request) -> int:
    """The Content-Length of a body, which is required."""
    text = request.headers.get("content-length", "")
    if not text.isascii() or not text.isdigit() or len(text) > 18 or "transfer-encoding" in request.headers:
        raise Rejected("E_LENGTH", "send the body with a Content-Length header, not chunked.")
    return int(text)


def _too_large(size: int | None, most: int) -> UserError:
    return UserError(str(too_large(size, most).problems[0].message), code="E_TOO_LARGE", exit_code=3)


async def _receive(request: Request, length: int, grace: float, write: Callable[[bytes], None]) -> None:
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


async def read_json(request: Request) -> dict[str, Any]:
    """The small JSON object of a body; its Content-Type must be JSON, which a form of another site cannot send."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise Rejected("E_USAGE", "the body must be JSON, with Content-Type: application/json.")
    try:
        values = json.loads(await read_body(request), parse_int=_whole_number)
    except (ValueError, RecursionError):
        values = None
    if not isinstance(values, dict):
        raise Rejected("E_USAGE", "the body must be a JSON object.")
    return values


def _written(value: Any) -> str:
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
    length = _length(request)
    if length > most:
        raise _too_large(length, most)
    data = bytearray()
    await _receive(request, length, _server(request).grace, data.extend)
    return bytes(data)


def _text(request: Request, header: str) -> str:
    """The text of a header, percent-encoded UTF-8."""
    value = request.headers.get(header, "")
    try:
        return unquote_to_bytes(value.encode("ascii")).decode("utf-8")
    except UnicodeError:
        raise Rejected("E_USAGE", f"the header {header} must be percent-encoded UTF-8.") from None


# Browser sessions and tokens.


def _add_sessions(api: FastAPI) -> None:
    token = {"type": "object", "required": ["token"], "properties": {"token": {"type": "string"}}}

    @api.post(
        f"{BASE}/session",
        responses=_errors(400, 401, 403, 408, 411, 413),
        openapi_extra={"requestBody": {"required": True, "content": {"application/json": {"schema": token}}}},
    )
    async def log_in(request: Request, response: Response) -> dict[str, Any]:
        """Log a browser in with a token: the answer sets a cookie and has the value for `X-CSRF-Token`.

        An invitation is used up: `token` is then your new token, shown only once; otherwise it is null.
        """
        server = _server(request)
        limit(server.strangers, _address(request.scope))
        given = (await read_json(request)).get("token")
        if not isinstance(given, str):
            raise auth.refused()
        cookie, login, own = await server.call(auth.open_session, server.home, given.strip(), server.clock())
        request.scope["lhy.token"] = login.token
        set_cookie(response, server.settings, cookie)
        body = await server.call(view.me, server.home, login.viewer)
        return body | {"csrf": auth.csrf_token(server.home, cookie), "token": own}

    @api.get(f"{BASE}/session", responses=_errors(400, 401))
    async def session(request: Request, login: Who) -> dict[str, Any]:
        """Who is logged in, and the value of `X-CSRF-Token` for this browser."""
        server = _server(request)
        body = await server.call(view.me, server.home, login.viewer)
        cookie = request.cookies.get(auth.cookie_name(server.settings.secure))
        csrf = auth.csrf_token(server.home, cookie) if cookie and login.by == "cookie" else None
        return body | {"csrf": csrf}

    @api.delete(f"{BASE}/session", responses=_errors(400, 401, 403))
    async def log_out(request: Request, response: Response, login: Who) -> dict[str, Any]:
        """Log the browser out. The token stays valid until it expires or is revoked."""
        await sign_out(request, response, login)
        return {"schema": 1}


def _add_tokens(api: FastAPI) -> None:
    label = {"type": "object", "properties": {"label": {"type": "string", "maxLength": 60}}}

    @api.get(f"{BASE}/tokens", responses=_errors(400, 401))
    async def tokens(request: Request, login: Who) -> dict[str, Any]:
        """Your valid tokens, without the secrets."""
        server = _server(request)
        return await server.call(auth.tokens, server.home, login, server.clock())

    @api.post(
        f"{BASE}/tokens",
        responses=_errors(400, 401, 403, 408, 409, 411, 413),
        openapi_extra={"requestBody": {"required": True, "content": {"application/json": {"schema": label}}}},
    )
    async def new_token(request: Request, login: Who) -> dict[str, Any]:
        """Create a token, shown only once. An invitation is used up by it."""
        server = _server(request)
        label = (await read_json(request)).get("label", "")
        if not isinstance(label, str) or len(label) > 60 or not label.isprintable():
            raise Rejected("E_USAGE", "a label can have at most 60 printable characters.")
        return await server.call(auth.new_token, server.home, login, label or "token", server.clock())

    @api.delete(f"{BASE}/tokens/{{number}}", responses=_errors(400, 401, 403, 404))
    async def revoke(request: Request, login: Who, number: Number) -> dict[str, Any]:
        """Revoke one of your tokens."""
        server = _server(request)
        return await server.call(auth.revoke, server.home, login, number, server.clock())


def set_cookie(response: Response, settings: Settings, cookie: str) -> None:
    """Sets the session cookie: not readable by scripts, and not sent with requests from other sites."""
    response.set_cookie(
        auth.cookie_name(settings.secure),
        cookie,
        max_age=auth.SESSION_DAYS * 86400,
        path="/",
        secure=settings.secure,
        httponly=True,
        samesite="lax",
    )


async def sign_out(request: Request, response: Response, login: Login) -> None:
    """Ends a browser's session and deletes its cookie."""
    server = _server(request)
    name = auth.cookie_name(server.settings.secure)
    if login.by == "cookie":
        await server.call(auth.close_session, server.home, request.cookies.get(name), server.clock())
    response.delete_cookie(name, path="/", secure=server.settings.secure, httponly=True, samesite="lax")


# Refusals, headers and the log.


async def _refusal(request: Request, error: Exception) -> Response:
    """An error as JSON; `harness.server.pages` replaces it with a page."""
    return refusal(request.scope.get("lhy.id", "-"), error)


def refusal(number: str, error: Exception) -> JSONResponse:
    """The answer for an error; its text is shown only if the user can fix the cause."""
    headers = {}
    details: list[dict[str, Any]] = []
    total = None
    code, message = "E_INTERNAL", ""
    status = 500
    if isinstance(error, RequestValidationError):
        status, code, message = 400, "E_USAGE", "the request is not well formed."
        if any(part["loc"][0] == "path" for part in error.errors()):
            status, code, message = 404, "E_NOT_FOUND", "Not found."
        details = [{"where": [str(part) for part in found["loc"]], "message": found["msg"]} for found in error.errors()]
    elif isinstance(error, HTTPException):
        status = error.status_code
        code = {404: "E_NOT_FOUND", 405: "E_METHOD"}.get(status, "E_USAGE")
        message = {404: "Not found.", 405: "Method not allowed."}.get(status, "bad request.")
        headers = dict(error.headers or {})
    elif isinstance(error, (UserError, LeaderboardError)):
        code, message = error.code, str(error)
        status = STATUS.get(code, BY_EXIT_CODE.get(error.exit_code, 500))
        if isinstance(error, SubmissionError):
            details, total = [problem._asdict() for problem in error.problems], error.total
    if isinstance(error, Rejected) and error.wait:
        headers["retry-after"] = str(int(error.wait) + 1)
    if status == 401:
        headers["www-authenticate"] = "Bearer"
    if status >= 500:  # details about this machine are only for the log
        done = "Every submission with a receipt is safe."
        message = f"The server cannot do this now. {done} Try again later, or tell the course staff: request {number}."
        headers["retry-after"] = "10"
    body = {"code": code, "message": message, "details": details, "total": total}
    return JSONResponse({"error": body}, status_code=status, headers=headers)


def _guard(app: App, server: Server) -> App:
    """Wraps every request: its number, the headers, the log line; hides the text of unexpected errors."""

    async def run(scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await app(scope, receive, send)
            return
        scope["lhy.id"] = number = secrets.token_hex(8)
        begun, status, failed = time.perf_counter(), 0, ""

        async def answer(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                have = {name.lower() for name, _ in message["headers"]}
                more = HEADERS | {"x-request-id": number}
                if server.settings.secure:
                    more |= {"strict-transport-security": "max-age=31536000"}
                message["headers"] = [
                    *message["headers"],
                    *((n.encode(), v.encode()) for n, v in more.items() if n.encode() not in have),
                ]
            await send(message)

        try:
            await app(scope, receive, answer)
        except ClientDisconnect:
            failed = "the client disconnected"
        except Exception as error:
            hidden = internal(error)
            failed = str(hidden).partition(". ")[0]
            if status == 0:
                try:
                    response = await scope["app"].exception_handlers[UserError](Request(scope), hidden)
                except Exception:
                    response = refusal(number, hidden)
                await response(scope, receive, answer)
        finally:
            server.log(_line(server, scope, number, status, begun, failed))

    return run


def _line(server: Server, scope: Message, number: str, status: int, begun: float, failed: str) -> str:
    """The log line of a request: the route, not the path or query, which could contain names."""
    route = scope.get("route")
    line = {
        "at": server.clock().isoformat(timespec="milliseconds"),
        "request": number,
        "address": _address(scope),
        "token": scope.get("lhy.token"),
        "method": scope["method"] if scope["method"] in METHODS else "other",
        "route": getattr(route, "path", None),
        "status": status or None,
        "ms": round((time.perf_counter() - begun) * 1000, 1),
    }
    return json.dumps(line | ({"error": failed} if failed else {}))
