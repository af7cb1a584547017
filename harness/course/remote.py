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
import secrets
import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import cached_property, partial
from pathlib import Path
from time import sleep
from typing import Any, TypeVar
from urllib.parse import quote, unquote, urlencode, urlsplit

from harness.competition import Competition, digest_of_files, read_competition
from harness.course.attached import Attached, Attachments
from harness.course.download import address_of, cache_folder, fetch, find_download, save_new
from harness.course.entries import Accepted, Selection, Signed, Submission, Submissions, Submitted, Tell, to_json
from harness.course.held import refuse_stale
from harness.course.requests import check_message
from harness.course.transport import (
    CONNECT_SECONDS,
    EXIT_CODES,
    LONGEST_SECONDS,
    MOST_BYTES,
    PAUSES,
    READ_SECONDS,
    SLOWEST,
    UNAVAILABLE,
    UNKNOWN,
    Body,
    bad_certificate,
    find_proxy,
    interrupted,
    is_untrusted,
    network_errors,
    own_version,
    pieces,
    quoted,
    read_all,
    read_json,
    refusal,
    retry_after,
    unreachable,
    within,
)
from harness.course.types import (
    About,
    Board,
    Files,
    Gradebook,
    Homework,
    Homeworks,
    Me,
    NewToken,
    Points,
    Quota,
    Tokens,
)
from harness.course.unsent import forget_unsent, keep_unsent
from harness.home import making
from tasks.errors import UserError
from tasks.homeworks import canonical

T = TypeVar("T")

POLL_SECONDS = (0.5, 5.0)
"""The first and the longest pause between polls for a score."""

MOST_SECONDS = 900.0
"""The longest wait for a score; `status` shows it later."""


@dataclass(frozen=True)
class RemoteCourse:
    """A course's server and the login to it. `ca` is a file of trusted certificates, None for the system's."""

    url: str
    token: str = field(repr=False)
    ca: str | None = None
    course: str = ""
    key: str | None = None
    expires: str | None = None

    @property
    def who(self) -> str:
        return self.me().name

    def about(self) -> About:
        return self.read(About, self.ask("GET", "/course"))

    def me(self) -> Me:
        return self.read(Me, self.ask("GET", "/me"))

    def tokens(self, pauses: Sequence[float] | None = None) -> Tokens:
        return self.read(Tokens, self.ask("GET", "/tokens", pauses=pauses))

    def new_token(self, label: str) -> NewToken:
        """A new token for the caller; it uses up an invitation, so there are no retries."""
        headers = {"Content-Type": "application/json"}
        body = json.dumps({"label": label}).encode()
        return self.read(NewToken, self.ask("POST", "/tokens", body=body, headers=headers, pauses=()))

    def revoke(self, number: int | None = None) -> None:
        """Revokes the token of that number, or that of this login, without retries."""
        if number is None:
            number = next(token.id for token in self.tokens(pauses=()).tokens if token.this)
        self.ask("DELETE", f"/tokens/{number}", pauses=())

    def names(self) -> list[str]:
        return [row.name for row in self.homeworks().tasks]

    def receipt_key(self) -> str | None:
        return self.key

    def homeworks(self) -> Homeworks:
        return self.read(Homeworks, self.ask("GET", "/homeworks"))

    def homework(self, hw: str) -> Homework:
        body = self.ask("GET", f"/homeworks/{quoted(hw)}")
        named = {one.name for one in fields(Homework)}
        return self.read(Homework, body | {"format": {key: body[key] for key in body if key not in named}})

    def sheet(self, hw: str) -> str:
        with self.send("GET", f"/homeworks/{quoted(hw)}/sheet") as response:
            return read_all(response).decode("utf-8", "replace")

    def files(self, hw: str) -> Files:
        return self.read(Files, self.ask("GET", f"/homeworks/{quoted(hw)}/files"))

    def board(self, hw: str, private: bool, unrevealed: bool, exact: bool = False, version: int | None = None) -> Board:
        chosen = {"private": private, "unrevealed": unrevealed, "exact": exact}
        query = {name: "true" for name, wanted in chosen.items() if wanted} | own_version(version)
        body = self.ask("GET", f"/homeworks/{quoted(hw)}/board", query)
        with contextlib.suppress(LookupError, TypeError, AttributeError):  # then `read` says what is missing
            others = [card["name"] for card in body["metrics"][1:]]
            body["board"] = [row | {"others": {name: row.get(name) for name in others}} for row in body["board"]]
        return self.read(Board, body)

    def submissions(
        self, hw: str | None, everyone: bool, exact: bool = False, version: int | None = None
    ) -> Submissions:
        if version is not None and hw is None:
            raise UserError("an older data version belongs to one homework: name the homework.")
        where = f"/homeworks/{quoted(hw)}/submissions" if hw else "/submissions"
        chosen = {"everyone": everyone, "exact": exact}
        query = {name: "true" for name, wanted in chosen.items() if wanted} | own_version(version)
        return self.read(Submissions, self.ask("GET", where, query))

    def submission(self, number: int) -> Submission:
        return self.read(Submission, self.ask("GET", f"/submissions/{number}"))

    def receipt(self, number: int) -> Signed:
        return self.ask("GET", f"/submissions/{number}/receipt")

    def save(self, number: int, path: Path) -> None:
        with self.send("GET", f"/submissions/{number}/file") as response:
            save_new(path, pieces(response, decode=False))

    def attach(self, hw: str, path: Path) -> Attached:
        """Hands in a second file; a retry after a lost answer is the same one."""
        from submissions.attachments import LONGEST, kind_of, oversized

        asked = self.attachments(hw).asked
        if asked is None:
            raise UserError(f"{hw} asks for no second file; nothing was recorded.", code="E_ATTACHMENT_NONE")
        try:
            with path.open("rb") as stream:
                data = stream.read(asked.max_bytes + 1)
        except OSError as error:
            raise UserError(f"{path} cannot be read: {error.strerror or error}.") from None
        if len(data) > asked.max_bytes:
            raise oversized(asked.max_bytes)
        kind_of(data[:LONGEST], asked.kinds)
        headers = {
            "Content-Type": "application/octet-stream",
            "Idempotency-Key": secrets.token_hex(16),  # the same in every retry
            "X-Filename": quote(path.name.encode("utf-8", "backslashreplace"), safe=""),
        }
        answer = self.ask("POST", f"/homeworks/{quoted(hw)}/attachments", body=data, headers=headers)
        return self.read(Attached, answer)

    def attachments(self, hw: str) -> Attachments:
        return self.read(Attachments, self.ask("GET", f"/homeworks/{quoted(hw)}/attachments"))

    def save_attachment(self, number: int, path: Path) -> None:
        with self.send("GET", f"/attachments/{number}/file") as response:
            save_new(path, pieces(response, decode=False))

    def attachment_receipt(self, number: int) -> Signed:
        return self.ask("GET", f"/attachments/{number}/receipt")

    def points(self, hw: str | None) -> Points:
        return self.read(Points, self.ask("GET", f"/homeworks/{quoted(hw)}/points" if hw else "/points"))

    def gradebook(self, hw: str | None, unrevealed: bool, version: int | None = None) -> Gradebook:
        where = f"/homeworks/{quoted(hw)}/gradebook" if hw else "/gradebook"
        query = ({"unrevealed": "true"} if unrevealed else {}) | own_version(version)
        return self.read(Gradebook, self.ask("GET", where, query))

    def quota(self, hw: str) -> Quota:
        return self.read(Quota, self.ask("GET", f"/homeworks/{quoted(hw)}/quota"))

    def selection(self, hw: str) -> Selection:
        return self.read(Selection, self.ask("GET", f"/homeworks/{quoted(hw)}/selection"))

    def select(self, hw: str, ids: Sequence[int]) -> Selection:
        body = json.dumps({"submissions": list(ids)}).encode()
        headers = {"Content-Type": "application/json"}
        answer = self.ask("PUT", f"/homeworks/{quoted(hw)}/selection", body=body, headers=headers)
        return self.read(Selection, answer)

    def competition(self, hw: str, say: Callable[[str], None] = lambda text: None) -> Competition:
        """The public description of a homework: from the server if it changed, else from this machine's cache.

        If the server does not answer, the cached one is used, and `say` reports it.
        """
        folder = cache_folder(self.url) / canonical(hw)
        try:
            listed = {file.file: vars(file) for file in self.files(hw).files}
            entry = listed["format.json"]
            path = folder / "format.json"
            if not path.exists() or hashlib.sha256(path.read_bytes()).hexdigest() != entry["sha256"]:
                with making(folder):
                    folder.mkdir(parents=True, exist_ok=True)
                    fetch(self, address_of(hw, entry), entry, path, lambda count: None)
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
        """Raises UserError E_STALE_DATA if the local data are not the competition's current ones."""
        digest = None
        with contextlib.suppress(OSError):
            digest = (cache_folder(self.url) / competition.name / "digest").read_text(encoding="utf-8")
        found = find_download(self.url, competition.name)
        remedy = f"Download the new data and predict again: lhy-grade files {competition.name} --download"
        refuse_stale(file, competition, digest, remedy, [] if found is None else [found])

    def submit(self, hw: str, path: Path, message: str, wait: bool = True, tell: Tell = lambda seen: None) -> Submitted:
        """Checks a file like the server, sends it and waits for its score; `tell` gets its state meanwhile.

        Raises SubmissionError for a file that cannot be scored, and UserError with exit code 7 if the server does not
        answer: the file is then kept, and the message says how to send it again.
        """
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
        return Submitted(accepted, self._result(accepted.submission, wait, tell))

    def _send_file(self, hw: str, filename: str, data: bytes, message: str) -> Accepted:
        headers = {
            "Content-Type": "application/octet-stream",
            "Idempotency-Key": f"{hashlib.sha256(data).hexdigest()}/{secrets.token_hex(8)}",  # the same in every retry
            "X-Filename": quote(filename.encode("utf-8", "backslashreplace"), safe=""),
            "X-Message": quote(message, safe=""),
        }
        answer = self.ask("POST", f"/homeworks/{quoted(hw)}/submissions", body=data, headers=headers)
        return self.read(Accepted, answer)

    def _result(self, number: int, wait: bool, tell: Tell) -> Submission:
        """The server's answer for a submission, after its grading if `wait`. Raises for one without a score."""
        try:
            seen = self._wait(number, wait, tell)
        except (UserError, KeyboardInterrupt) as caught:
            error = caught if isinstance(caught, UserError) else interrupted("Interrupted.")
            text = f"{error}\nSubmission {number} is recorded. See its score later: lhy-grade status {number}"
            raise UserError(text, code=error.code, exit_code=error.exit_code) from None
        if seen.state == "rejected":
            raise refusal(seen.code or "", f"Submission {number} was refused.", to_json(seen.problems), seen.total)
        if seen.state == "failed" and wait:
            raise UserError(
                f"Submission {number} is recorded, but grading failed; an instructor has to look into it.",
                code=str(seen.code),
                exit_code=10,
            )
        return seen

    def _wait(self, number: int, wait: bool, tell: Tell) -> Submission:
        pause, most = POLL_SECONDS
        waited = 0.0
        seen = self.submission(number)
        while wait and seen.state in ("queued", "grading") and waited < MOST_SECONDS:
            tell(seen)
            sleep(pause)
            waited += pause
            pause = min(1.5 * pause, most)
            seen = self.submission(number)
        return seen

    def read(self, kind: type[T], body: Body) -> T:
        """An answer of its JSON, without what a newer server adds. Raises UserError if a field is missing or wrong."""
        import msgspec

        try:
            return msgspec.convert(body, kind)
        except msgspec.ValidationError as error:
            raise UserError(
                f"{self.url} does not answer as this version of lhy-grade expects ({error}); install the version that"
                " the course uses.",
                code="E_SERVER",
                exit_code=10,
            ) from None

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
            values = read_json(read_all(response))
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

        with network_errors(self.url):
            for pause in (*(PAUSES if pauses is None else pauses), None):
                try:
                    most = LONGEST_SECONDS + len(body or b"") / SLOWEST
                    response = within(most, partial(self._once, method, path, query, body, headers))
                except urllib3.exceptions.HTTPError as error:
                    if is_untrusted(error):
                        raise bad_certificate(self.url, error) from None
                    if pause is None:
                        raise
                    sleep(pause)
                    continue
                wait = retry_after(response)
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
        values = read_json(read_all(response))
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
        exit_code = 5 if code in ("E_CLOSED", "E_ATTACHMENT_LATE") else EXIT_CODES.get(status, 2)
        return refusal(code, message, error.get("details"), error.get("total"), exit_code)
