"""Refusals: one format for all errors, and the status of each."""

from __future__ import annotations

from typing import Any

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException

from tasks.errors import SubmissionError, UserError

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


class Rejected(UserError):
    """A request that the server itself refuses; `wait` is the seconds until a retry, 0 for no retry."""

    def __init__(self, code: str, message: str, wait: float = 0.0) -> None:
        super().__init__(message, code=code, exit_code=4 if wait else 2)
        self.wait = wait


async def answer_refusal(request: Request, error: Exception) -> Response:
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
    elif isinstance(error, UserError):
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
