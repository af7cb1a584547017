"""The client: the commands of a home against a course's server, without its answers or its database.

The token goes to one address only: certificates are checked, no redirect is followed, a proxy is used only as a
tunnel, and plain http works only on this machine unless it is allowed explicitly. A request whose answer was lost is
repeated: except for creating a token, every request can safely arrive twice. A file that could not be sent is kept, and
the same bytes never use a second slot.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import secrets
import shlex
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property, partial
from pathlib import Path
from time import monotonic, sleep
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote, unquote, urlencode, urlsplit

from harness.home import making, write_file, write_json
from tasks.errors import Problem, SubmissionError, UserError

if TYPE_CHECKING:
    from harness.competition import Competition

T = TypeVar("T")
Body = dict[str, Any]
Tell = Callable[[Body], None]
Progress = Callable[[int, str], AbstractContextManager[Callable[[int], None]]]

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

POLL_SECONDS = (0.5, 5.0)
"""The first and the longest pause between polls for a score."""

MOST_SECONDS = 900.0
"""The longest wait for a score; `status` shows it later."""

TOKEN = re.compile(r"lhy_[A-Za-z0-9_-]{43}")

INVITATION = "invitation"
"""The label of a one-time token, the same as in `leaderboard.roster`."""

MANIFEST = "manifest.json"
"""The list of the downloaded files, in their folder."""

MOST_BYTES = 2**26
"""The size limit for answers other than files."""

UNAVAILABLE = (408, 502, 503, 504)
"""The statuses of a server, or a proxy in front of it, after which a retry may help."""

EXIT_CODES = {401: 6, 403: 6, 409: 8, 413: 3, 422: 3, 429: 4, 500: 10}


@dataclass(frozen=True)
class Server:
    """A course's server and the login to it. `ca` is a file of trusted certificates, None for the system's."""

    url: str
    token: str = field(repr=False)
    ca: str | None = None
    course: str = ""
    key: str | None = None
    expires: str | None = None

    @property
    def who(self) -> str:
        return str(self.me()["name"])

    def me(self) -> Body:
        return self.ask("GET", "/me")

    def names(self) -> list[str]:
        return [row["name"] for row in self.homeworks()["tasks"]]

    def receipt_key(self) -> str | None:
        return self.key

    def homeworks(self) -> Body:
        return self.ask("GET", "/homeworks")

    def homework(self, hw: str) -> Body:
        return self.ask("GET", f"/homeworks/{_part(hw)}")

    def sheet(self, hw: str) -> str:
        with self.send("GET", f"/homeworks/{_part(hw)}/sheet") as response:
            return _read(response).decode("utf-8", "replace")

    def files(self, hw: str) -> Body:
        return self.ask("GET", f"/homeworks/{_part(hw)}/files")

    def board(self, hw: str, private: bool, unrevealed: bool, exact: bool = False, version: int | None = None) -> Body:
        chosen = {"private": private, "unrevealed": unrevealed, "exact": exact}
        query = {name: "true" for name, wanted in chosen.items() if wanted} | _version(version)
        return self.ask("GET", f"/homeworks/{_part(hw)}/board", query)

    def submissions(self, hw: str | None, everyone: bool, exact: bool = False, version: int | None = None) -> Body:
        if version is not None and hw is None:
            raise UserError("an older data version belongs to one homework: name the homework.")
        where = f"/homeworks/{_part(hw)}/submissions" if hw else "/submissions"
        chosen = {"everyone": everyone, "exact": exact}
        query = {name: "true" for name, wanted in chosen.items() if wanted} | _version(version)
        return self.ask("GET", where, query)

    def submission(self, number: int) -> Body:
        return self.ask("GET", f"/submissions/{number}")

    def receipt(self, number: int) -> Body:
        return self.ask("GET", f"/submissions/{number}/receipt")

    def quota(self, hw: str) -> Body:
        return self.ask("GET", f"/homeworks/{_part(hw)}/quota")

    def selection(self, hw: str) -> Body:
        return self.ask("GET", f"/homeworks/{_part(hw)}/selection")

    def select(self, hw: str, ids: Sequence[int]) -> Body:
        body = json.dumps({"submissions": list(ids)}).encode()
        headers = {"Content-Type": "application/json"}
        return self.ask("PUT", f"/homeworks/{_part(hw)}/selection", body=body, headers=headers)

    def competition(self, hw: str, say: Callable[[str], None] = lambda text: None) -> Competition:
        """The public description of a homework: from the server if it changed, else from this machine's cache.

        If the server does not answer, the cached one is used, and `say` reports it.
        """
        from harness.competition import digest_of_files, read_competition
        from tasks.homeworks import canonical

        folder = cache_folder(self.url) / canonical(hw)
        try:
            listed = {entry["file"]: entry for entry in self.files(hw)["files"]}
            entry = listed["format.json"]
            path = folder / "format.json"
            if not path.exists() or hashlib.sha256(path.read_bytes()).hexdigest() != entry["sha256"]:
                with making(folder):
                    folder.mkdir(parents=True, exist_ok=True)
                    _fetch(self, _file_at(hw, entry), entry, path, lambda count: None)
            with contextlib.suppress(OSError):
                (folder / "digest").write_text(digest_of_files(listed), encoding="utf-8")
        except UserError as error:
            if error.exit_code != 7 or not (folder / "format.json").exists():
                raise
            say(f"{error} The format fetched last is used.")
        return read_competition(folder)

    def public(self, competition: Competition) -> Path | None:
        """The folder of downloaded files, or None."""
        return find_download(self.url, competition.name)

    def refuse_stale(self, competition: Competition, file: Path) -> None:
        """Raises UserError E_STALE_DATA if the local data are not the competition's current ones (`harness.held`)."""
        from harness.held import refuse_stale

        digest = None
        with contextlib.suppress(OSError):
            digest = (cache_folder(self.url) / competition.name / "digest").read_text(encoding="utf-8")
        found = find_download(self.url, competition.name)
        remedy = f"Download the new data and predict again: lhy-grade files {competition.name} --download"
        refuse_stale(file, competition, digest, remedy, [] if found is None else [found])

    def submit(self, hw: str, path: Path, message: str, wait: bool = True, tell: Tell = lambda body: None) -> Body:
        """Checks a file like the server, sends it and waits for its score; `tell` gets its state meanwhile.

        Raises SubmissionError for a file that cannot be scored, and UserError with exit code 7 if the server does not
        answer: the file is then kept, and the message says how to send it again.
        """
        from harness.view import check_message, finished
        from submissions.reader import load, read

        check_message(message)
        data = b""
        try:
            competition = self.competition(hw)
            form = competition.format
            data = load(path, form.max_bytes)
            self.refuse_stale(competition, path)
            read(data, form)
            accepted = self._send_file(hw, path.name, data, message)
        except (UserError, KeyboardInterrupt) as caught:
            error = caught if isinstance(caught, UserError) else interrupted("Interrupted.")
            if error.exit_code not in UNKNOWN:
                raise
            kept = keep_unsent(path, data or load(path, MOST_BYTES))
            words = ["lhy-grade", "submit", hw, str(kept), *(["-m", message] if message else [])]
            again = shlex.join([*words, *([] if wait else ["--no-wait"])])
            raise UserError(
                f"{error}\nThe file is kept. Send it again; if it already arrived, no second slot is used. The time of"
                f" arrival counts:\n  {again}",
                code=error.code,
                exit_code=error.exit_code,
            ) from None
        forget_unsent(data)
        return finished(accepted, self._result(accepted["submission"], wait, tell))

    def _send_file(self, hw: str, filename: str, data: bytes, message: str) -> Body:
        headers = {
            "Content-Type": "application/octet-stream",
            "Idempotency-Key": f"{hashlib.sha256(data).hexdigest()}/{secrets.token_hex(8)}",  # the same in every retry
            "X-Filename": quote(filename.encode("utf-8", "backslashreplace"), safe=""),
            "X-Message": quote(message, safe=""),
        }
        return self.ask("POST", f"/homeworks/{_part(hw)}/submissions", body=data, headers=headers)

    def _result(self, number: int, wait: bool, tell: Tell) -> Body:
        """The server's answer for a submission, after its grading if `wait`. Raises for one without a score."""
        try:
            body = self._wait(number, wait, tell)
        except (UserError, KeyboardInterrupt) as caught:
            error = caught if isinstance(caught, UserError) else interrupted("Interrupted.")
            text = f"{error}\nSubmission {number} is recorded. See its score later: lhy-grade status {number}"
            raise UserError(text, code=error.code, exit_code=error.exit_code) from None
        if body["state"] == "rejected":
            raise refusal(body["code"], f"Submission {number} was refused.", body["problems"], body["total"])
        if body["state"] == "failed" and wait:
            raise UserError(
                f"Submission {number} is recorded, but grading failed; an instructor has to look into it.",
                code=str(body["code"]),
                exit_code=10,
            )
        return body

    def _wait(self, number: int, wait: bool, tell: Tell) -> Body:
        pause, most = POLL_SECONDS
        waited = 0.0
        body = self.submission(number)
        while wait and body["state"] in ("queued", "grading") and waited < MOST_SECONDS:
            tell(body)
            sleep(pause)
            waited += pause
            pause = min(1.5 * pause, most)
            body = self.submission(number)
        return body

    def revoke(self) -> None:
        """Revokes the token of this login, without retries."""
        number = next(row["id"] for row in self.ask("GET", "/tokens", pauses=())["tokens"] if row["this"])
        self.ask("DELETE", f"/tokens/{number}", pauses=())

    def ask(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None = None,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        pauses: Sequence[float] | None = None,
    ) -> Body:
        """The JSON object in the server's answer."""
        with self.send(method, path, query, body, headers, pauses) as response:
            values = _json(_read(response))
        if not isinstance(values, dict):
            raise UserError(f"{self.url} does not answer like an lhy-grade server.", code="E_SERVER", exit_code=10)
        return values

    @contextlib.contextmanager
    def send(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None = None,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        pauses: Sequence[float] | None = None,
    ) -> Iterator[Any]:
        """A successful answer, not read yet; retries after each pause. Raises UserError."""
        import urllib3

        with _network(self.url):
            for pause in (*(PAUSES if pauses is None else pauses), None):
                try:
                    most = LONGEST_SECONDS + len(body or b"") / SLOWEST
                    response = _within(most, partial(self._once, method, path, query, body, headers))
                except urllib3.exceptions.HTTPError as error:
                    if _is_untrusted(error):
                        raise _bad_certificate(self.url, error) from None
                    if pause is None:
                        raise
                    sleep(pause)
                    continue
                wait = _retry_after(response)
                if pause is None or wait is None:
                    break
                response.close()
                sleep(max(pause, wait))
            try:
                if not 200 <= response.status < 300:
                    raise self._error(response)
                yield response
            finally:
                response.close()  # a completely read one has already returned its connection

    def _once(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None,
        body: bytes | None,
        headers: Mapping[str, str] | None,
    ) -> Any:
        import io

        import urllib3

        sent = {"Authorization": f"Bearer {self.token}", **(headers or {})}
        if body is not None:
            sent["Content-Length"] = str(len(body))
        return self._pool.request(
            method,
            f"{self.url}/api/v1{path}" + (f"?{urlencode(query)}" if query else ""),
            body=None if body is None else io.BytesIO(body),  # in pieces, so that the time limit applies to each piece
            headers=sent,
            redirect=False,
            retries=False,
            preload_content=False,
            timeout=urllib3.Timeout(connect=CONNECT_SECONDS, read=READ_SECONDS),
        )

    @cached_property
    def _pool(self) -> Any:
        import urllib3

        proxy = find_proxy(self.url)
        manager: Callable[..., Any] = urllib3.PoolManager
        try:
            if proxy is not None:
                name = unquote(urllib3.util.parse_url(proxy).auth or "")
                headers = urllib3.make_headers(proxy_basic_auth=name) if name else None
                manager = partial(urllib3.ProxyManager, proxy, proxy_headers=headers)
            return manager(cert_reqs="CERT_REQUIRED", ca_certs=self.ca, headers={"User-Agent": "lhy-grade"}, maxsize=1)
        except urllib3.exceptions.HTTPError:
            raise UserError("HTTPS_PROXY is not a valid proxy address; expected http://HOST:PORT.") from None
        except OSError:
            raise UserError(f"{self.ca} cannot be read as a certificate file.") from None

    def _error(self, response: Any) -> UserError:
        """The error for an unsuccessful answer; one from a proxy means that the server was not reached."""
        status = int(response.status)
        if 300 <= status < 400:
            there = urlsplit(response.headers.get("Location") or "").netloc or "another path"
            return UserError(
                f"{self.url} redirects to {there}; the token is not sent there. If that is the course's server, log in"
                " to it: lhy-grade login URL",
                code="E_REDIRECT",
                exit_code=7,
            )
        values = _json(_read(response))
        error = values.get("error") if isinstance(values, dict) else None
        if not isinstance(error, dict):
            if status in UNAVAILABLE:
                return unreachable(self.url, f"it answers {status}")
            return UserError(
                f"{self.url} answers {status}, not like an lhy-grade server.", code="E_SERVER", exit_code=10
            )
        code, message = str(error.get("code", "")), str(error.get("message", ""))
        if status in UNAVAILABLE:
            return unreachable(self.url, message.rstrip(".") or code)
        exit_code = 5 if code == "E_CLOSED" else EXIT_CODES.get(status, 2)
        return refusal(code, message, error.get("details"), error.get("total"), exit_code)


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
def _network(url: str) -> Iterator[None]:
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


def _is_untrusted(error: Exception) -> bool:
    """Whether a server's certificate is not valid, so that a retry cannot help."""
    import ssl

    import urllib3

    inner = error.args[0] if error.args else None
    known = isinstance(inner, ssl.SSLError) and not isinstance(inner, ssl.SSLCertVerificationError)
    return isinstance(error, urllib3.exceptions.SSLError) and not known


def _bad_certificate(url: str, error: Exception) -> UserError:
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
    if not proxy or parts.scheme != "https" or _is_loopback(parts.hostname or "") or proxy_bypass(parts.netloc):
        return None
    return proxy if "://" in proxy else f"http://{proxy}"


def _within(seconds: float, call: Callable[[], T]) -> T:
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


def _pieces(response: Any, decode: bool) -> Iterator[bytes]:
    """The bytes of an answer as they arrive. Raises TimeoutError for one that is too slow."""
    until = monotonic() + LONGEST_SECONDS
    while piece := response.read1(2**18, decode_content=decode):
        until += len(piece) / SLOWEST
        if monotonic() > until:
            raise TimeoutError
        yield piece


def _retry_after(response: Any) -> float | None:
    """Seconds to wait before a retry; None if a retry soon cannot help."""
    given = response.headers.get("Retry-After") or ""
    wait = float(given) if given.isdecimal() else 0.0
    if response.status == 429:  # rate limit; without a wait, or with a long one, a used-up quota
        return wait if 0 < wait <= LONGEST_WAIT else None
    return min(wait, LONGEST_WAIT) if response.status in UNAVAILABLE else None


def _read(response: Any) -> bytes:
    data = bytearray()
    for piece in _pieces(response, decode=True):
        data += piece
        if len(data) > MOST_BYTES:
            raise UserError("the server's answer is too long.", code="E_SERVER", exit_code=10)
    return bytes(data)


def _json(data: bytes) -> Any:
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        return None


def _version(version: int | None) -> dict[str, str]:
    return {} if version is None else {"version": str(version)}


def _part(text: str) -> str:
    """Text quoted as one segment of a path."""
    return quote(text, safe="")


def check_url(url: str, insecure: bool) -> str:
    """The address without a trailing slash.

    Raises UserError for an invalid one, and for plain http to another machine unless `insecure`.
    """
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        _ = parts.port
    except ValueError:
        parts, host = urlsplit(""), ""
    if parts.scheme not in ("https", "http") or not host or parts.query or parts.fragment or "@" in parts.netloc:
        hint = ""
        if "://" not in url and re.fullmatch(r"[\w.\[\]:-]+(/[\w./~-]*)?", url):
            host = urlsplit(f"//{url}").hostname or ""
            hint = f" Did you mean {'http' if _is_loopback(host) else 'https'}://{url}?"
        raise UserError(f"{url!r} is not a valid server address; expected https://HOST or https://HOST/PATH.{hint}")
    if parts.scheme == "http" and not (_is_loopback(host) or insecure):
        raise UserError(
            f"{url} is not encrypted: anyone on the network path could read the token. Use https, or --insecure on a"
            " network that you trust.",
            code="E_INSECURE",
            exit_code=6,
        )
    return url.rstrip("/")


def _is_loopback(host: str) -> bool:
    import ipaddress

    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def named_server(url: str | None, token: str | None) -> Server:
    """The server of LHY_GRADE_SERVER and LHY_GRADE_TOKEN. Raises UserError if one is missing or not valid."""
    if not url or not token:
        missing = "LHY_GRADE_TOKEN" if url else "LHY_GRADE_SERVER"
        raise UserError(f"LHY_GRADE_SERVER and LHY_GRADE_TOKEN work together; {missing} is not set.")
    _check_token(token)
    return Server(check_url(url, insecure=False), token)


def _check_token(token: str) -> None:
    if not TOKEN.fullmatch(token):
        raise UserError(
            "a token is lhy_ followed by 43 letters, digits, _ or -; copy all of it.", code="E_TOKEN", exit_code=6
        )


def log_in(url: str, token: str, ca: str | None) -> Server:
    """Logs in at a checked address; an invitation is exchanged for a new token. Raises UserError."""
    _check_token(token)
    if ca is not None and not Path(ca).is_file():
        raise UserError(f"there is no file {ca}.")
    server = Server(url.rstrip("/"), token, None if ca is None else str(Path(ca).absolute()))
    about = server.ask("GET", "/course")
    key = about.get("receipt_key")
    this = next(row for row in server.ask("GET", "/tokens")["tokens"] if row["this"])
    if this["label"] == INVITATION:
        this = new_token(server, "command line")
        server = replace(server, token=str(this["token"]))
    key = None if key is None else str(key)
    return replace(server, course=str(about.get("course")), key=key, expires=str(this["expires"]))


def new_token(server: Server, label: str) -> Body:
    """A new token for the caller; it uses up an invitation, so there are no retries."""
    body = json.dumps({"label": label}).encode()
    headers = {"Content-Type": "application/json"}
    return server.ask("POST", "/tokens", body=body, headers=headers, pauses=())


def write_login(path: Path, server: Server) -> None:
    """Writes a login to a file that only its owner can read."""
    with making(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        new = path.with_name(f".{path.name}.{os.getpid()}")
        with contextlib.suppress(FileNotFoundError):
            new.unlink()
        write_json(new, asdict(server), mode=0o600)
        new.replace(path)


def read_login(path: Path) -> Server:
    """The login in a file. Raises UserError if it cannot be read."""
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        server = Server(**values)
        if not isinstance(server.url, str) or not TOKEN.fullmatch(server.token):
            raise TypeError
    except (OSError, ValueError, TypeError):
        raise UserError(f"{path} cannot be read as a login; log in again: lhy-grade login URL") from None
    return server


def cache_folder(url: str) -> Path:
    import platformdirs

    return platformdirs.user_cache_path("lhy-grade") / hashlib.sha256(url.encode()).hexdigest()[:16]


def _unsent(data: bytes) -> Path:
    import platformdirs

    return platformdirs.user_state_path("lhy-grade") / "unsent" / hashlib.sha256(data).hexdigest()[:16]


def keep_unsent(path: Path, data: bytes) -> Path:
    """Keeps a copy of a file that could not be sent; if that fails, returns the path of the file itself.

    The copy's name has no unprintable characters, since people copy it from the terminal.
    """
    from harness.render import inert

    kept = _unsent(data) / "".join(letter if inert(letter) == letter else "_" for letter in path.name)
    try:
        kept.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        if not kept.exists() or kept.read_bytes() != data:
            write_file(kept, data, mode=0o600)
    except OSError:
        return path.absolute()
    return kept


def forget_unsent(data: bytes) -> None:
    """Removes the copy of a file that has arrived."""
    folder = _unsent(data)
    with contextlib.suppress(OSError):
        for path in folder.iterdir():
            path.unlink()
        folder.rmdir()


def download(server: Server, listing: Body, folder: Path, progress: Progress) -> Path:
    """Downloads the files of a listing into a folder, as one archive, and returns the folder.

    A new folder is created completely or not at all. In an existing one, unlisted files stay, and unchanged files of an
    earlier download are replaced. An interrupted download resumes. Raises UserError for a name outside the folder, and
    if a different file already has the name of a listed one.
    """
    hw, files = str(listing["homework"]), listing["files"]
    check_names([entry["file"] for entry in files])
    folder = folder.absolute()
    with making(folder):
        before = _untouched(folder, hw)
        missing = _missing(folder, files, before)
        gone = sorted(set(before) - {entry["file"] for entry in files})
        if missing or gone or not (folder / MANIFEST).is_file():
            work = folder / ".part" if folder.exists() else folder.with_name(f".{folder.name}.part")
            _get(server, listing, work, progress)
            if folder.exists():
                for name in [*missing, MANIFEST]:
                    target = _inside(folder, name)
                    target.parent.mkdir(parents=True, exist_ok=True)
                    (work / "files" / name).replace(target)
                for name in gone:
                    _inside(folder, name).unlink()
            else:
                (work / "files").rename(folder)
            shutil.rmtree(work)
    remember_download(server.url, hw, folder)
    return folder


def _get(server: Server, listing: Body, work: Path, progress: Progress) -> None:
    """Downloads the files of a listing and their manifest into `work`/files, and checks them all."""
    from harness.archive import most_bytes, unpack

    hw, files, archive = str(listing["homework"]), listing["files"], listing.get("archive")
    if work.is_symlink():
        raise UserError(f"{work} is a link; nothing is written to it.", code="E_MANIFEST", exit_code=8)
    work.mkdir(parents=True, exist_ok=True)
    unpacked, size = work / "files", sum(entry["bytes"] for entry in files)
    if unpacked.exists() or unpacked.is_symlink():
        shutil.rmtree(unpacked)  # incomplete, from an interrupted call; this follows no link
    if archive is not None:
        check_names([archive["file"]])
        if archive["bytes"] > most_bytes(files):
            raise UserError(
                "the archive is larger than its files; it is not downloaded.", code="E_MANIFEST", exit_code=8
            )
    with _goes_on():
        if archive is None:  # a server of an earlier version
            with progress(size, "downloading") as tell:
                for entry in files:
                    target = unpacked / entry["file"]
                    target.parent.mkdir(parents=True, exist_ok=True)
                    _fetch(server, _file_at(hw, entry), entry, target, tell)
            listed = {entry["file"]: {"sha256": entry["sha256"], "bytes": entry["bytes"]} for entry in files}
            write_json(unpacked / MANIFEST, {"schema": 1, "files": listed})
            return
        packed = work / archive["file"]
        if not _is_whole(packed, archive):
            packed.unlink(missing_ok=True)
            with progress(archive["bytes"], "downloading") as tell:
                _fetch(server, f"/homeworks/{_part(hw)}/archive", archive, packed, tell)
        with progress(size, "unpacking") as tell:
            unpack(packed, files, unpacked, tell)


@contextlib.contextmanager
def _goes_on() -> Iterator[None]:
    """Adds to the error of an interrupted download how to resume it."""
    try:
        yield
    except (UserError, KeyboardInterrupt) as caught:
        error = caught if isinstance(caught, UserError) else interrupted("Interrupted.")
        if error.exit_code not in UNKNOWN:
            raise
        text = f"{error}\nRun the same command again to resume."
        raise UserError(text, code=error.code, exit_code=error.exit_code) from None


def _untouched(folder: Path, hw: str) -> dict[str, Body]:
    """The unchanged files of an earlier download of that homework, by name."""
    try:
        listed = json.loads((folder / MANIFEST).read_bytes())["files"]
        check_names(list(listed))
        form = folder / "format.json"
        if not _is_whole(form, listed["format.json"]) or json.loads(form.read_bytes())["name"] != hw:
            return {}
        return {name: entry for name, entry in listed.items() if _is_whole(_inside(folder, name), entry)}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError, UserError):
        return {}


def _missing(folder: Path, files: Sequence[Body], before: Mapping[str, Body]) -> list[str]:
    """The files of a list that a folder does not have yet, or has unchanged from an earlier list.

    Raises UserError if a different file has the name of one.
    """
    missing, others = [], []
    for entry in files:
        name = entry["file"]
        path = _inside(folder, name)
        if not path.exists() or (name in before and before[name]["sha256"] != entry["sha256"]):
            missing.append(name)
        elif not (name in before or _is_whole(path, entry)):
            others.append(name)
    if others:
        shown = ", ".join(others[:5]) + (f" and {len(others) - 5} more" if len(others) > 5 else "")
        raise UserError(
            f"{folder} already has different files named {shown}. Move them away, or choose another folder:"
            " --download DIR",
            code="E_EXISTS",
            exit_code=8,
        )
    return missing


def _downloads() -> Path:
    import platformdirs

    return platformdirs.user_state_path("lhy-grade") / "downloads.json"


def remember_download(url: str, homework: str, folder: Path) -> None:
    """Remembers the last download folder of a homework of that server; ignores a failure to write it."""
    path = _downloads()
    known = _read_downloads()
    known.setdefault(url, {})[homework] = str(folder)
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        new = path.with_name(f".{path.name}.{os.getpid()}")
        write_json(new, known, mode=0o600)
        new.replace(path)


def find_download(url: str, homework: str) -> Path | None:
    """The last download folder of a homework of that server, if it still exists."""
    folder = _read_downloads().get(url, {}).get(homework)
    return Path(folder) if isinstance(folder, str) and Path(folder).is_dir() else None


def _read_downloads() -> dict[str, dict[str, str]]:
    try:
        known = json.loads(_downloads().read_bytes())
    except (OSError, ValueError):
        return {}
    well = isinstance(known, dict) and all(isinstance(inner, dict) for inner in known.values())
    return known if well else {}


def check_names(names: Sequence[str]) -> None:
    """Raises UserError for a name that is not a plain relative path on every system, and for duplicate names."""
    for name in names:
        parts = name.split("/")
        plain = name.isprintable() and not set(name) & set('\\:*?"<>|') and len(name) < 200
        if not plain or any(part.strip(". ") != part.lstrip(".") or not part.strip(".") for part in parts):
            raise UserError(f"the server lists {name[:100]!r}, which is not a valid file name.", code="E_MANIFEST",
                            exit_code=8)  # fmt: skip
    folded = [name.casefold() for name in [*names, MANIFEST]]
    if len(set(folded)) < len(folded):
        raise UserError("the server lists two files with the same name.", code="E_MANIFEST", exit_code=8)


def _inside(folder: Path, name: str) -> Path:
    """The path of a checked name; no link may lead out of the folder."""
    path = folder / name
    if not path.parent.resolve().is_relative_to(folder.resolve()) or path.is_symlink():
        raise UserError(f"{path} is a link or leads out of {folder}; nothing is written to it.", code="E_MANIFEST",
                        exit_code=8)  # fmt: skip
    return path


def _is_whole(path: Path, entry: Body) -> bool:
    if not path.is_file() or path.stat().st_size != entry["bytes"]:
        return False
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest() == str(entry["sha256"])


def _file_at(hw: str, entry: Body) -> str:
    """The API path of a listed file."""
    return f"/homeworks/{_part(hw)}/files/{quote(entry['file'], safe='/')}"


def _fetch(server: Server, where: str, entry: Body, path: Path, tell: Callable[[int], None]) -> None:
    """Downloads one file and checks it; resumes a partial download, once."""
    part = path.with_name(f".{path.name}.part")
    for attempt in range(2):
        begun = part.stat().st_size if part.is_file() and not part.is_symlink() and not attempt else 0
        _fetch_rest(server, where, entry, part, begun, tell)
        if _is_whole(part, entry):
            part.replace(path)
            return
        part.unlink()
        if not begun:
            break
    raise UserError(
        f"{entry['file']} does not match the server's list; it may just have changed. Run the same command again.",
        code="E_MANIFEST",
        exit_code=8,
    )


def _fetch_rest(server: Server, where: str, entry: Body, part: Path, begun: int, tell: Callable[[int], None]) -> None:
    """Downloads the bytes of a file from offset `begun`, never more than listed."""
    size = int(entry["bytes"])
    if 0 < begun == size:
        tell(begun)
        return
    headers = {"Range": f"bytes={begun}-"} if 0 < begun < size else {}
    flags = os.O_WRONLY | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
    with server.send("GET", where, headers=headers) as response, os.fdopen(os.open(part, flags, 0o644), "wb") as stream:
        goes_on = response.status == 206 and (response.headers.get("Content-Range") or "").startswith(f"bytes {begun}-")
        at = begun if headers and goes_on else 0
        stream.truncate(at)
        stream.seek(at)
        tell(at)
        for chunk in _pieces(response, decode=False):
            at += len(chunk)
            if at > size:
                break
            stream.write(chunk)
            tell(len(chunk))
