"""Requests to a course's server: connections, retries, limits and what their failures mean."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Callable, Iterator
from time import monotonic
from typing import Any, TypeVar
from urllib.parse import quote, urlsplit

from tasks.errors import Problem, SubmissionError, UserError

T = TypeVar("T")
Body = dict[str, Any]


CONNECT_SECONDS = 10.0
READ_SECONDS = 60.0
LONGEST_SECONDS = 120.0
"""Seconds until an answer begins, and again until it is complete, plus the time at `SLOWEST`."""

SLOWEST = 4096
"""The slowest accepted transfer, in bytes per second."""

PAUSES = (0.5, 2.0)
"""Seconds to wait before the second and the third attempt of a request."""

LONGEST_WAIT = 10.0
"""The longest Retry-After, in seconds, that is waited for."""


MOST_BYTES = 2**26
"""The size limit for answers other than files."""

UNAVAILABLE = (408, 502, 503, 504)
"""The statuses of a server, or a proxy in front of it, after which a retry may help."""

EXIT_CODES = {401: 6, 403: 6, 409: 8, 413: 3, 422: 3, 429: 4, 500: 10}


UNREACHABLE = "E_UNREACHABLE"
UNKNOWN = (7, 10, 130)
"""The exit codes after which a file may or may not have arrived: no answer, a broken one, Ctrl-C."""


def unreachable(url: str, reason: str) -> UserError:
    return UserError(f"{url} cannot be reached: {reason}.", code=UNREACHABLE, exit_code=7)


def interrupted(text: str) -> UserError:
    return UserError(text, code="E_INTERRUPTED", exit_code=130)


def refusal(code: str, message: str, problems: Any, total: Any, exit_code: int = 3) -> UserError:
    """The server's error, as a local one."""
    if exit_code == 3 and isinstance(problems, list) and problems:
        known = [
            Problem(str(row["code"]), str(row["message"]), *(row.get(key) for key in Problem._fields[2:]))
            for row in problems
            if isinstance(row, dict) and "code" in row and "message" in row
        ]
        if known:
            return SubmissionError(known, total if isinstance(total, int) else None)
    return UserError(message or code, code=code, exit_code=exit_code)


@contextlib.contextmanager
def network_errors(url: str) -> Iterator[None]:
    """Turns failures of the network into a UserError with exit code 7."""
    import urllib3

    try:
        yield
    except urllib3.exceptions.LocationValueError:
        raise UserError(f"{url} is not a valid server address.") from None
    except TimeoutError:
        raise unreachable(url, "it answers too slowly") from None
    except urllib3.exceptions.HTTPError as error:
        raise unreachable(url, _reason(url, error)) from None


def _reason(url: str, error: Exception) -> str:
    """A network error in plain words, without the library's message."""
    import urllib3

    if isinstance(error, urllib3.exceptions.ProxyError):
        parts = urlsplit(find_proxy(url) or "")
        _, tunnel, said = str(error.original_error).partition("Tunnel connection failed: ")
        return f"the proxy {parts.hostname}:{parts.port} " + (f"answers {said}" if tunnel else "does not answer")
    if isinstance(error, urllib3.exceptions.SSLError):
        return f"no secure connection could be made ({_tls_words(error)})"
    kinds = (
        (urllib3.exceptions.NameResolutionError, "there is no host with that name"),
        (urllib3.exceptions.NewConnectionError, "nothing answers there"),  # also a ConnectTimeoutError by its class
        (urllib3.exceptions.ConnectTimeoutError, "it did not answer in time"),
        (urllib3.exceptions.ReadTimeoutError, "it did not answer in time"),
    )
    return next((words for kind, words in kinds if isinstance(error, kind)), "the connection was lost")


def is_untrusted(error: Exception) -> bool:
    """Whether a server's certificate is not valid, so that a retry cannot help."""
    import ssl

    import urllib3

    inner = error.args[0] if error.args else None
    known = isinstance(inner, ssl.SSLError) and not isinstance(inner, ssl.SSLCertVerificationError)
    return isinstance(error, urllib3.exceptions.SSLError) and not known


def bad_certificate(url: str, error: Exception) -> UserError:
    return UserError(
        f"{url} cannot be trusted: {_tls_words(error)}. If the course has its own certificate authority, log in with"
        " --ca FILE.",
        code="E_CERTIFICATE",
        exit_code=7,
    )


def _tls_words(error: Exception) -> str:
    return re.sub(r"\s*\(_ssl\.c:\d+\)", "", str(error).partition("] ")[2]).rstrip(".") or "no reason given"


def find_proxy(url: str) -> str | None:
    """The proxy for an address by HTTPS_PROXY, ALL_PROXY and NO_PROXY; None for a direct connection.

    Only for https, where a proxy sees only host and port: over plain http it could read the token.
    """
    from urllib.request import getproxies, proxy_bypass

    parts, proxies = urlsplit(url), getproxies()
    proxy = proxies.get("https") or proxies.get("all")
    if not proxy or parts.scheme != "https" or is_loopback(parts.hostname or "") or proxy_bypass(parts.netloc):
        return None
    return proxy if "://" in proxy else f"http://{proxy}"


def within(seconds: float, call: Callable[[], T]) -> T:
    """The result of a call with a time limit; it runs in a daemon thread.

    Raises TimeoutError.
    """
    import threading

    done: list[T] = []
    failed: list[BaseException] = []

    def run() -> None:
        try:
            done.append(call())
        except BaseException as error:
            failed.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    until = monotonic() + seconds
    while thread.is_alive():
        if monotonic() > until:
            raise TimeoutError
        thread.join(0.5)  # in pieces, since on Windows Ctrl-C waits for the end of a join
    if failed:
        raise failed[0]
    return done[0]


def pieces(response: Any, decode: bool) -> Iterator[bytes]:
    """The bytes of an answer as they arrive. Raises TimeoutError for one that is too slow."""
    until = monotonic() + LONGEST_SECONDS
    while piece := response.read1(2**18, decode_content=decode):
        until += len(piece) / SLOWEST
        if monotonic() > until:
            raise TimeoutError
        yield piece


def retry_after(response: Any) -> float | None:
    """Seconds to wait before a retry; None if a retry soon cannot help."""
    given = response.headers.get("Retry-After") or ""
    wait = float(given) if given.isdecimal() else 0.0
    if response.status == 429:  # rate limit; without a wait, or with a long one, a used-up quota
        return wait if 0 < wait <= LONGEST_WAIT else None
    return min(wait, LONGEST_WAIT) if response.status in UNAVAILABLE else None


def read_all(response: Any) -> bytes:
    data = bytearray()
    for piece in pieces(response, decode=True):
        data += piece
        if len(data) > MOST_BYTES:
            raise UserError("the server's answer is too long.", code="E_SERVER", exit_code=10)
    return bytes(data)


def read_json(data: bytes) -> Any:
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        return None


def own_version(version: int | None) -> dict[str, str]:
    return {} if version is None else {"version": str(version)}


def quoted(text: str) -> str:
    """Text quoted as one segment of a path."""
    return quote(text, safe="")


def is_loopback(host: str) -> bool:
    import ipaddress

    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
