"""A class of people with roles and tokens, and requests to its server in this process."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from harness.course.access import Viewer
from harness.course.desk import How
from harness.course.entering import change_rules_of
from harness.grading import worker
from harness.home import Home, open_home
from harness.plans import plan_homework
from harness.prepare import prepare
from harness.server.pages import make_site
from harness.server.run import make_ready
from harness.settings import Settings
from leaderboard import access_tokens, enrolment, roster

NOW = datetime(2027, 3, 1, 12, tzinfo=UTC)
ENDS = NOW + timedelta(days=100)
PEOPLE: tuple[tuple[str, str, roster.Role, str | None], ...] = (
    ("ian", "Ian", "instructor", None),
    ("tom", "Tom", "ta", None),
    ("b01", "Ada", "student", None),
    ("b02", "Bob", "student", None),
    ("b03", "Eve", "student", "otters"),
    ("b04", "Kim", "student", "otters"),
    ("x01", "Aud", "auditor", None),
)
WIDE = Settings(requests_per_minute=10_000, uploads_per_minute=1_000)


class Client:
    """An HTTP client that calls an application in this process; it keeps headers and cookies."""

    def __init__(self, app: Any, base: str) -> None:
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        self._client = httpx.AsyncClient(transport=transport, base_url=base)
        self.headers, self.cookies = self._client.headers, self._client.cookies

    def request(self, method: str, path: str, **values: Any) -> httpx.Response:
        if hasattr(values.get("content"), "__next__"):
            values["content"] = pieces(values["content"])
        return asyncio.run(self._client.request(method, path, **values))

    def raw(self, method: str, path: str, content: bytes | None) -> httpx.Response:
        """A request whose path is sent as it stands, dots and all."""
        request = self._client.build_request(method, "/", content=content)
        request.url = request.url.copy_with(raw_path=path.encode())
        return asyncio.run(self._client.send(request))

    def get(self, path: str, **values: Any) -> httpx.Response:
        return self.request("GET", path, **values)

    def post(self, path: str, **values: Any) -> httpx.Response:
        return self.request("POST", path, **values)

    def put(self, path: str, **values: Any) -> httpx.Response:
        return self.request("PUT", path, **values)

    def delete(self, path: str, **values: Any) -> httpx.Response:
        return self.request("DELETE", path, **values)


async def pieces(chunks: Iterator[bytes]) -> AsyncIterator[bytes]:
    for chunk in chunks:
        yield chunk


@dataclass
class Class:
    """A course with a roster, its application, a clock that stands still, and a token of everybody."""

    home: Home
    now: datetime = NOW
    lines: list[str] = field(default_factory=list)
    tokens: dict[str, str] = field(default_factory=dict)
    apps: dict[Settings, Any] = field(default_factory=dict)

    def token(self, key: str, **values: Any) -> str:
        """A new token of a person."""
        made = access_tokens.new_token()
        known: dict[str, Any] = {"scope": "all", "label": "test", "expires": ENDS, "actor": "ian", "now": NOW}
        with self.home.database() as database:
            access_tokens.issue_token(database, key, access_tokens.hash_token(made), **(known | values))
        return made

    def client(self, key: str = "nobody", settings: Settings = WIDE) -> Client:
        """A client logged in as that person."""
        if settings not in self.apps:
            self.apps[settings] = make_site(self.home, settings, lambda: self.now, self.lines.append, 5.0)
        scheme = "https" if settings.secure else "http"
        client = Client(self.apps[settings], f"{scheme}://testserver")
        if key != "nobody":
            client.headers["Authorization"] = f"Bearer {self.tokens[key]}"
        return client

    def close(self) -> None:
        for app in self.apps.values():
            app.state.server.close()

    @property
    def sample(self) -> bytes:
        return (self.home.public("hw01") / "sample_submission.csv").read_bytes()

    def file(self, value: float) -> bytes:
        """A valid file with the same prediction on every row."""
        header, *rows = self.sample.decode().splitlines()
        return "\n".join([header, *(f"{row.split(',')[0]},{value}" for row in rows)]).encode() + b"\n"

    def work(self, **changes: Any) -> list[str]:
        """Grades all that waits; what the worker said."""
        said: list[str] = []
        one = worker.new_worker(self.home, worker.Limits(20.0), said.append)
        with self.home.database() as database:
            if changes:
                worker.refresh(one)
                one.answers = {
                    key: replace(secret, competition=replace(secret.competition, **changes))
                    for key, secret in one.answers.items()
                }
            for _ in range(1000):
                if not worker.work(one, database, lambda: self.now):
                    break
        return said


def make_class(course: Path, root: Path, database_url: str, quota: int = 3) -> Class:
    shutil.copytree(course, root)
    (root / "config.toml").write_text(
        f'database = "{database_url}"\n'
        f'[hw01]\nquota = {quota}\nrejections = {10 * quota}\ndeadline = "2027-03-26T23:59:59+08:00"\n'
    )
    made = Class(open_home(root))
    entries = [roster.RosterEntry(key, name, f"{key}@example.org", role, team) for key, name, role, team in PEOPLE]
    with made.home.database() as database:
        enrolment.import_people(database, entries, actor="ian", reason="the class begins", now=NOW)
    make_ready(made.home)
    made.tokens = {key: made.token(key) for key, *_ in PEOPLE}
    return made


@pytest.fixture
def school(course: Path, tmp_path: Path, database_url: str) -> Iterator[Class]:
    """A course with a roster, on each kind of database in turn."""
    made = make_class(course, tmp_path / "home", database_url)
    yield made
    made.close()


@pytest.fixture
def local(course: Path, tmp_path: Path) -> Iterator[Class]:
    """The same on SQLite alone and with more slots, for what does not depend on them."""
    made = make_class(course, tmp_path / "home", f"sqlite:///{tmp_path / 'leaderboard.db'}", quota=100)
    yield made
    made.close()


def submit(client: Client, data: bytes, hw: str = "hw1", **headers: str) -> httpx.Response:
    return client.post(f"/api/v1/homeworks/{hw}/submissions", content=data, headers=headers)


PDF = b"%PDF-1.7 a report"


def ask_for_attachment(school: Class, **rules: str) -> None:
    """Asks for a second file of HW1, under these rules."""
    asked = {"attachment": "pdf,zip", "attachment_deadline": "2027-04-02T12:00Z"} | rules
    change_rules_of(school.home, Viewer("instructor", "ian"), "hw1", asked, How("a report"), NOW)


def attach(client: Client, data: bytes = PDF, hw: str = "hw1", **headers: str) -> httpx.Response:
    return client.post(f"/api/v1/homeworks/{hw}/attachments", content=data, headers=headers)


def replace_data(home: Home) -> None:
    """Prepares HW1 with other data."""
    plan = plan_homework("hw1", None, None, "small")
    prepare(home, plan, seed=None, new_data=True, accept_leaks=False, now=NOW, reason="new data")


def kept(home: Home) -> set[str]:
    """The hashes of the files in the store; no half-sent file may be there."""
    files = [path for path in home.submissions.rglob("*") if path.is_file()]
    assert not [path for path in files if path.name.endswith(".part")]
    return {path.parent.name + path.name for path in files}


def error(response: httpx.Response) -> tuple[int, str]:
    body = response.json()
    assert set(body) == {"error"}
    assert set(body["error"]) == {"code", "message", "details", "total"}
    return response.status_code, body["error"]["code"]


OK, NO, LOGIN, GONE = 200, 403, 401, 404
TABLE: dict[str, tuple[int, int, int, int, int]] = {
    # nobody, student, auditor, TA, instructor
    "GET /course": (OK, OK, OK, OK, OK),
    "GET /me": (LOGIN, OK, OK, OK, OK),
    "GET /homeworks": (OK, OK, OK, OK, OK),
    "GET /homeworks/hw1": (OK, OK, OK, OK, OK),
    "GET /homeworks/hw01/sheet": (OK, OK, OK, OK, OK),
    "GET /homeworks/1/files": (LOGIN, OK, OK, OK, OK),
    "GET /homeworks/hw1/files/sample_submission.csv": (LOGIN, OK, OK, OK, OK),
    "GET /homeworks/hw1/archive": (LOGIN, OK, OK, OK, OK),
    "GET /homeworks/hw1/archive/x": (GONE, GONE, GONE, GONE, GONE),
    "GET /homeworks/hw9/archive": (LOGIN, GONE, GONE, GONE, GONE),
    "GET /homeworks/hw1/picture": (LOGIN, GONE, GONE, GONE, GONE),  # none is drawn
    "GET /homeworks/..%2f..%2fsecret/picture": (GONE, GONE, GONE, GONE, GONE),
    "GET /homeworks/..%2f.archives/archive": (GONE, GONE, GONE, GONE, GONE),
    "GET /homeworks/hw1/files/../../../secret/key": (GONE, GONE, GONE, GONE, GONE),
    "GET /homeworks/hw1/files/%2e%2e/%2e%2e/%2e%2e/secret/key": (LOGIN, GONE, GONE, GONE, GONE),
    "GET /homeworks/hw1/files/..%2f..%2f..%2fsecret%2fkey": (LOGIN, GONE, GONE, GONE, GONE),
    "GET /homeworks/hw1/files/%2fetc%2fpasswd": (LOGIN, GONE, GONE, GONE, GONE),
    "GET /homeworks/hw1/files/manifest.json%00": (LOGIN, GONE, GONE, GONE, GONE),
    "GET /homeworks/..%2f..%2fsecret/files": (GONE, GONE, GONE, GONE, GONE),
    "GET /homeworks/hw1/board": (OK, OK, OK, OK, OK),
    "GET /homeworks/hw1/board?private=true": (NO, NO, NO, NO, NO),
    "GET /homeworks/hw1/board?private=true&unrevealed=true": (NO, NO, NO, OK, OK),
    "GET /homeworks/hw1/submissions": (LOGIN, OK, OK, OK, OK),
    "GET /homeworks/hw1/submissions?everyone=true": (LOGIN, NO, NO, OK, OK),
    "GET /submissions": (LOGIN, OK, OK, OK, OK),
    "GET /submissions?everyone=1": (LOGIN, NO, NO, OK, OK),
    "GET /submissions/1": (LOGIN, GONE, GONE, OK, OK),
    "GET /submissions/1/receipt": (LOGIN, GONE, GONE, OK, OK),
    "GET /submissions/1/file": (LOGIN, GONE, GONE, OK, OK),
    "GET /submissions/99": (LOGIN, GONE, GONE, GONE, GONE),
    "GET /submissions/..%2f1": (GONE, GONE, GONE, GONE, GONE),
    "GET /submissions/0": (GONE, GONE, GONE, GONE, GONE),
    f"GET /submissions/{2**63}": (GONE, GONE, GONE, GONE, GONE),
    "GET /homeworks/hw1/quota": (LOGIN, OK, OK, OK, OK),
    "GET /homeworks/hw1/points": (LOGIN, OK, OK, OK, OK),
    "GET /points": (LOGIN, OK, OK, OK, OK),
    "GET /gradebook": (LOGIN, NO, NO, OK, OK),
    "GET /gradebook?unrevealed=true": (LOGIN, NO, NO, OK, OK),
    "GET /homeworks/hw1/gradebook": (LOGIN, NO, NO, OK, OK),
    "GET /homeworks/hw16/gradebook": (LOGIN, NO, NO, GONE, GONE),
    "GET /log": (LOGIN, NO, NO, OK, OK),
    "GET /log?homework=hw1&kind=accepted&last=0": (LOGIN, NO, NO, OK, OK),
    "GET /log?homework=..%2fsecret": (LOGIN, NO, NO, GONE, GONE),
    "GET /log?since=March": (LOGIN, NO, NO, 400, 400),
    "GET /homeworks/hw1/extensions": (LOGIN, NO, NO, OK, OK),
    "GET /homeworks/hw16/extensions": (LOGIN, NO, NO, GONE, GONE),
    "GET /homeworks/hw1/parts": (LOGIN, NO, NO, OK, OK),
    "GET /homeworks/hw16/parts": (LOGIN, NO, NO, GONE, GONE),
    "POST /homeworks/hw1/extensions": (LOGIN, NO, NO, OK, OK),
    "POST /homeworks/hw16/extensions": (LOGIN, NO, NO, GONE, GONE),
    "POST /homeworks/hw1/parts": (LOGIN, NO, NO, OK, OK),
    "POST /homeworks/hw16/parts": (LOGIN, NO, NO, GONE, GONE),
    "GET /homeworks/hw1/rules": (LOGIN, NO, NO, OK, OK),
    "PATCH /homeworks/hw1/rules": (LOGIN, NO, NO, OK, OK),
    "GET /queue": (LOGIN, NO, NO, OK, OK),
    "GET /homeworks/hw1/missing": (LOGIN, NO, NO, OK, OK),
    "GET /homeworks/hw1/histogram": (LOGIN, NO, NO, OK, OK),
    "GET /homeworks/hw1/uploads": (LOGIN, NO, NO, OK, OK),
    "GET /homeworks/hw1/uploads?counting=true": (LOGIN, NO, NO, OK, OK),
    "GET /homeworks/hw1/uploads?version=1": (LOGIN, NO, NO, OK, OK),
    "GET /homeworks/hw1/uploads?version=9": (LOGIN, NO, NO, GONE, GONE),
    "GET /homeworks/hw16/uploads": (LOGIN, NO, NO, GONE, GONE),
    "POST /homeworks/hw1/attachments": (LOGIN, 201, 201, 201, 201),
    "POST /homeworks/hw16/attachments": (LOGIN, GONE, GONE, GONE, GONE),
    "GET /homeworks/hw1/attachments": (LOGIN, OK, OK, OK, OK),
    "GET /homeworks/hw16/attachments": (LOGIN, GONE, GONE, GONE, GONE),
    "GET /homeworks/hw1/attachments/students": (LOGIN, NO, NO, OK, OK),
    "GET /homeworks/hw1/attachments/archive": (LOGIN, NO, NO, OK, OK),
    "GET /homeworks/hw1/attachments/archive?latest=true": (LOGIN, NO, NO, OK, OK),
    "GET /homeworks/hw16/attachments/archive": (LOGIN, NO, NO, GONE, GONE),
    "GET /attachments/1/file": (LOGIN, GONE, GONE, OK, OK),
    "GET /attachments/1/receipt": (LOGIN, GONE, GONE, OK, OK),
    "GET /attachments/99/file": (LOGIN, GONE, GONE, GONE, GONE),
    "GET /attachments/0/file": (GONE, GONE, GONE, GONE, GONE),
    f"GET /attachments/{2**63}/file": (GONE, GONE, GONE, GONE, GONE),
    "POST /submissions/99/disqualification": (LOGIN, NO, NO, NO, GONE),
    "POST /homeworks/hw16/reveal": (LOGIN, NO, NO, NO, GONE),
    "GET /roster/people/b01": (LOGIN, NO, NO, OK, OK),
    "GET /roster/people/nobody": (LOGIN, NO, NO, GONE, GONE),
    "GET /roster/people": (LOGIN, NO, NO, OK, OK),
    "POST /roster/people": (LOGIN, NO, NO, NO, OK),
    "PATCH /roster/teams/ducks": (LOGIN, NO, NO, NO, GONE),
    "PATCH /roster/people/nobody": (LOGIN, NO, NO, NO, GONE),
    "POST /roster/tokens/99/end": (LOGIN, NO, NO, NO, GONE),
    "POST /roster/invitations": (LOGIN, NO, NO, NO, OK),
    "GET /announcements": (LOGIN, OK, OK, OK, OK),
    "POST /announcements": (LOGIN, NO, NO, OK, OK),
    "DELETE /announcements/99": (LOGIN, NO, NO, GONE, GONE),
    "GET /roster/tokens": (LOGIN, NO, NO, OK, OK),
    "GET /homeworks/hw1/selection": (LOGIN, OK, OK, OK, OK),
    "GET /homeworks/hw16": (GONE, GONE, GONE, GONE, GONE),
    "GET /homeworks/hw16/board": (GONE, GONE, GONE, GONE, GONE),
    "GET /homeworks/%2e%2e%2fsecret/sheet": (GONE, GONE, GONE, GONE, GONE),
    "GET /session": (LOGIN, OK, OK, OK, OK),
    "GET /tokens": (LOGIN, OK, OK, OK, OK),
    "GET /openapi.json": (OK, OK, OK, OK, OK),
    "GET /nothing": (GONE, GONE, GONE, GONE, GONE),
    "DELETE /tokens/99": (LOGIN, GONE, GONE, GONE, GONE),
    "DELETE /homeworks": (405, 405, 405, 405, 405),
    "PUT /homeworks/hw1/selection": (LOGIN, OK, OK, OK, OK),
    "PUT /homeworks/hw16/selection": (LOGIN, GONE, GONE, GONE, GONE),
    "POST /homeworks/hw16/submissions": (LOGIN, GONE, GONE, GONE, GONE),
    "POST /homeworks/hw1/submissions": (LOGIN, 202, 202, 202, 202),
    "POST /homeworks/hw1/reveal": (LOGIN, NO, NO, NO, OK),  # the last, since others are of the time before it
}


BODIES: dict[str, dict[str, Any]] = {
    "selection": {"submissions": []},
    "extensions": {"everybody": True, "slots": 1, "reason": "a test"},
    "parts": {"entries": [{"id": "b01", "part": "code", "points": 1}], "reason": "a test"},
    "people": {"csv": "id,name\nb01,Ada\n", "reason": "a test"},
    "nobody": {"disabled": True, "reason": "a test"},
    "ducks": {"name": "geese", "reason": "a test"},
    "end": {"reason": "a test"},
    "invitations": {"people": ["x01"], "reason": "a test"},
    "disqualification": {"reason": "a test"},
    "reveal": {"reason": "a test"},
    "announcements": {"text": "a test"},
    "rules": {"changes": {"rejections": "900"}, "reason": "a test"},
}
"""What is sent to the endpoints that take JSON, by the end of their path."""


def ask(client: Client, words: str, data: bytes) -> httpx.Response:
    method, _, path = words.partition(" ")
    body = BODIES.get(path.rpartition("/")[2]) if method in ("PUT", "POST", "PATCH") else None
    if body is not None:
        return client.request(method, f"/api/v1{path}", json=body)
    sent = PDF if path.endswith("/attachments") else data
    return client.raw(method, f"/api/v1{path}", sent if method == "POST" else None)
