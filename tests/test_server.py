"""The server's API: who may do what, what is refused and how, uploads, sessions, limits, headers and the log."""

from __future__ import annotations

import asyncio
import errno
import hashlib
import json
import os
import re
import shutil
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from itsdangerous import URLSafeSerializer

from harness.cli import common
from harness.competition import find_competition
from harness.course import catalogue
from harness.grading import audit, worker
from harness.home import Home, open_home
from harness.server import auth
from harness.server.app import HEADERS
from harness.server.pages import make_site
from harness.server.refusals import refusal
from harness.server.run import make_ready
from harness.server.settings import Settings, read_settings
from harness.server.state import THREADS
from leaderboard import access_tokens, enrolment, receipts, records, roster
from tasks.base import Problem, SubmissionError, UserError
from tests import test_images, test_reader

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
ROLES = ("nobody", "b01", "x01", "tom", "ian")
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
    entries = [roster.Entry(key, name, f"{key}@example.org", role, team) for key, name, role, team in PEOPLE]
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


# Who may do what.

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
    "GET /submissions/99": (LOGIN, GONE, GONE, GONE, GONE),
    "GET /submissions/..%2f1": (GONE, GONE, GONE, GONE, GONE),
    "GET /submissions/0": (GONE, GONE, GONE, GONE, GONE),
    f"GET /submissions/{2**63}": (GONE, GONE, GONE, GONE, GONE),
    "GET /homeworks/hw1/quota": (LOGIN, OK, OK, OK, OK),
    "GET /homeworks/hw1/points": (LOGIN, OK, OK, OK, OK),
    "GET /points": (LOGIN, OK, OK, OK, OK),
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
}


def ask(client: Client, words: str, data: bytes) -> httpx.Response:
    method, _, path = words.partition(" ")
    if method == "PUT":
        return client.put(f"/api/v1{path}", json={"submissions": []})
    return client.raw(method, f"/api/v1{path}", data if method == "POST" else None)


def test_each_role_gets_from_each_endpoint_what_the_table_says(school: Class) -> None:
    assert submit(school.client("b02"), school.sample).status_code == 202
    found = {}
    for words, expected in TABLE.items():
        got = []
        for place, role in enumerate(ROLES):
            response = ask(school.client(role), words, school.file(place + 1.0))
            got.append(response.status_code)
            if response.status_code >= 400:
                error(response)
        if tuple(got) != expected:
            found[words] = got
    assert found == {}


def test_the_endpoints_are_those_of_the_table_and_all_are_described(local: Class) -> None:
    described = local.client().get("/api/v1/openapi.json").json()
    assert described["openapi"].startswith("3.")
    paths = {
        f"{method.upper()} {path}" for path, methods in described["paths"].items() for method in methods
    }  # fmt: skip
    exact = {
        words.replace("/api/v1", "")
        .replace("{hw}", "hw1").replace("{number}", "1").replace("{name}", "sample_submission.csv")
        for words in paths
    }  # fmt: skip
    asked = {
        words.partition("?")[0].replace("hw01", "hw1").replace("/1/files", "/hw1/files").replace("/99", "/1")
        for words in TABLE
    }
    assert exact - asked == {"POST /session", "DELETE /session", "POST /tokens"}, "these have tests of their own"
    for path, methods in described["paths"].items():
        for method, what in methods.items():
            assert what["summary"], path
            assert {"429", "500", "503"} <= set(what["responses"]), (method, path)


def test_what_is_anothers_is_refused_like_what_does_not_exist(school: Class) -> None:
    number = submit(school.client("b02"), school.sample).json()["submission"]
    for path in ("/submissions/{}", "/submissions/{}/receipt"):
        theirs, none = (school.client("b01").get("/api/v1" + path.format(n)) for n in (number, 99))
        assert theirs.status_code == none.status_code == 404
        assert theirs.text.replace(str(number), "99") == none.text
    body = {"submissions": [number]}
    refused = school.client("b01").put("/api/v1/homeworks/hw1/selection", json=body)
    unknown = school.client("b01").put("/api/v1/homeworks/hw1/selection", json={"submissions": [99]})
    assert refused.status_code == unknown.status_code == 400
    assert refused.text.replace(f"{number}:", "99:") == unknown.text


def test_a_team_shares_its_submissions_and_quota(school: Class) -> None:
    number = submit(school.client("b03"), school.sample).json()["submission"]
    assert school.client("b04").get(f"/api/v1/submissions/{number}").json()["participant"] == "otters"
    assert school.client("b04").get("/api/v1/homeworks/hw1/quota").json()["quota"][0]["used"] == 1
    assert school.client("b01").get("/api/v1/homeworks/hw1/quota").json()["quota"][0]["used"] == 0


def test_no_students_key_or_address_reaches_another_student_or_nobody(school: Class) -> None:
    for key in ("b01", "b02", "b03"):
        assert submit(school.client(key), school.file((len(key) + ord(key[-1])) % 100)).status_code == 202
    school.work()
    for role in ("nobody", "b01", "x01"):
        client = school.client(role)
        seen = "".join(
            ask(client, words, b"").text
            for words in TABLE
            if words.startswith("GET") and "files/" not in words and not words.endswith("/archive")  # random bytes
        )
        for key, *_ in PEOPLE:
            places = [seen[found.start() - 60 : found.end() + 20] for found in re.finditer(rf"\b{key}\b", seen)]
            assert key == role or not places, (role, key)
            assert key == role or f"{key}@example.org" not in seen


def test_tokens_that_do_not_hold_are_refused_all_alike(school: Class, tmp_path: Path) -> None:
    expired = school.token("b01", expires=NOW)
    revoked, disabled = school.token("b01"), school.tokens["b02"]
    with school.home.database() as database:
        row = access_tokens.find_token(database, access_tokens.hash_token(revoked), NOW)
        assert row is not None
        access_tokens.revoke_token(database, row[0].id, "ian", NOW)
        enrolment.disable(database, "b02", actor="ian", reason="left", now=NOW)
    other = access_tokens.new_token()  # of another course: no row here
    answers = []
    for header in (
        f"Bearer {expired}", f"Bearer {revoked}", f"Bearer {disabled}", f"Bearer {other}", "Bearer ", "Bearer x",
        f"Basic {school.tokens['b01']}", f"Bearer {school.tokens['b01']}x", "Bearer " + "é" * 40,
        "Bearer " + "a" * 5000, school.tokens["b01"], f"Bearer {access_tokens.hash_token(school.tokens['b01'])}",
    ):  # fmt: skip
        client = school.client()
        for path in ("/me", "/course", "/homeworks/hw1/board"):
            response = client.get("/api/v1" + path, headers={"Authorization": header.encode()})
            assert response.headers["www-authenticate"] == "Bearer"
            assert response.headers["x-request-id"] not in response.text
            answers.append((*error(response), response.text))
    assert len(set(answers)) == 1
    assert answers[0][:2] == (401, "E_LOGIN")
    school.now = ENDS - timedelta(microseconds=1)
    assert school.client("b01").get("/api/v1/me").status_code == 200
    school.now = ENDS
    assert school.client("b01").get("/api/v1/me").status_code == 401


def test_a_role_that_changes_in_the_roster_holds_from_the_next_request_on(school: Class) -> None:
    client = school.client("tom")
    assert client.get("/api/v1/submissions?everyone=1").status_code == 200
    with school.home.database() as database:
        enrolment.add_person(
            database, roster.Entry("tom", "Tom", "", "student"), actor="ian", reason="was none", now=NOW
        )  # fmt: skip
    assert client.get("/api/v1/submissions?everyone=1").status_code == 403


@pytest.mark.parametrize(("scope", "expected"), [("read", (200, 403, 403)), ("submit", (200, 202, 403))])
def test_a_token_of_smaller_scope_does_less(school: Class, scope: str, expected: tuple[int, int, int]) -> None:
    client = school.client()
    client.headers["Authorization"] = f"Bearer {school.token('ian', scope=scope)}"
    got = (
        client.get("/api/v1/homeworks/hw1/submissions").status_code,
        submit(client, school.sample).status_code,
        client.get("/api/v1/submissions?everyone=1").status_code,
    )
    assert got == expected
    assert client.post("/api/v1/tokens", json={}).status_code == 403


# Handing in.


def test_a_file_is_accepted_graded_and_on_the_board(school: Class) -> None:
    client = school.client("b01")
    name = "père/../été.csv"
    response = submit(client, school.sample, **{"X-Filename": quote(name), "X-Message": quote("dropout 0.3 – ü")})
    assert response.status_code == 202
    body = response.json()
    assert (body["state"], body["position"], body["quota"]["left"]) == ("queued", 1, 2)
    key = client.get("/api/v1/course").json()["receipt_key"]
    receipt = receipts.verify(json.dumps(body["receipt"]), key)
    assert (receipt.participant, receipt.sha256) == ("b01", hashlib.sha256(school.sample).hexdigest())
    assert client.get(f"/api/v1/submissions/{body['submission']}/receipt").json() == body["receipt"]
    assert school.work() == []
    mine = client.get(f"/api/v1/submissions/{body['submission']}").json()
    assert (mine["state"], mine["file"], mine["message"], mine["rank"]) == (
        "graded", "été.csv", "dropout 0.3 – ü", 1,
    )  # fmt: skip
    (row,) = client.get("/api/v1/homeworks/hw1/board").json()["board"]
    assert (row["name"], row["own"], row["score"]) == ("Ada", True, mine["scores"][0]["public"])
    chosen = client.put("/api/v1/homeworks/hw1/selection", json={"submissions": [body["submission"]]})
    assert chosen.json()["selected"] == [body["submission"]]
    assert audit.verify(school.home)[0] == []


def test_the_same_bytes_again_are_the_same_submission_also_after_the_last_slot(school: Class) -> None:
    client = school.client("b01")
    first = submit(client, school.sample)
    for value in (1.0, 2.0):
        assert submit(client, school.file(value)).status_code == 202
    again = submit(client, school.sample)
    assert (first.status_code, again.status_code) == (202, 200)
    assert again.json()["receipt"] == first.json()["receipt"]
    other = submit(client, school.file(1.0), **{"Idempotency-Key": "mine"})
    assert (other.status_code, other.json()["again"]) == (200, True), "another key makes no other submission of them"
    assert submit(client, school.file(3.0), **{"Idempotency-Key": "mine"}).status_code == 429


def test_one_client_key_belongs_to_one_file_of_one_person(school: Class) -> None:
    headers = {"Idempotency-Key": "k1"}
    first = submit(school.client("b01"), school.sample, **headers)
    assert first.status_code == 202
    assert error(submit(school.client("b01"), school.file(1.0), **headers)) == (409, "E_CLIENT_KEY")
    assert submit(school.client("b02"), school.file(1.0), **headers).status_code == 202
    assert submit(school.client("b01"), school.sample, **headers).json()["receipt"] == first.json()["receipt"]


def test_a_refused_file_uses_no_slot_leaves_no_byte_and_says_when_to_come_again(school: Class) -> None:
    client = school.client("b01")
    for value in (1.0, 2.0, 3.0):
        assert submit(client, school.file(value)).status_code == 202
    before = kept(school.home)
    assert len(before) == 3
    refused = submit(client, school.file(4.0))
    assert error(refused) == (429, "E_QUOTA")
    assert 0 < int(refused.headers["retry-after"]) <= 86_401
    with school.home.database() as database:
        enrolment.disable(database, "b02", actor="ian", reason="left", now=NOW)
    assert submit(school.client("b02"), school.file(5.0)).status_code == 401
    assert kept(school.home) == before
    with school.home.database() as database:
        assert records.count_submissions(database, "hw01/1") == 3


def test_a_broken_file_is_accepted_and_its_owner_alone_sees_what_was_wrong(school: Class) -> None:
    broken = b"id,tested_positive\n0,nan\n0,1e400\nx,y,z\n"
    number = submit(school.client("b01"), broken).json()["submission"]
    school.work()
    body = school.client("b01").get(f"/api/v1/submissions/{number}").json()
    assert body["state"] == "rejected"
    assert body["code"] == body["problems"][0]["code"]
    assert len(body["problems"]) > 1
    assert school.client("b01").get("/api/v1/homeworks/hw1/quota").json()["quota"][0]["used"] == 0
    assert school.client("b02").get(f"/api/v1/submissions/{number}").status_code == 404


def test_a_file_that_comes_after_the_end_is_practice(school: Class) -> None:
    school.now = datetime(2027, 3, 27, tzinfo=UTC)
    body = submit(school.client("b01"), school.sample).json()
    assert body["practice"] is True
    assert error(school.client("b01").put("/api/v1/homeworks/hw1/selection", json={"submissions": []})) == (
        409, "E_CLOSED",
    )  # fmt: skip


def test_a_file_that_is_too_large_is_refused_before_it_is_read(local: Class) -> None:
    cap = find_competition(local.home, "hw1").format.max_bytes
    client = local.client("b01")
    assert error(submit(client, b"x" * (cap + 1))) == (413, "E_TOO_LARGE")

    def never() -> Iterator[bytes]:
        raise AssertionError("the body was asked for")
        yield b""

    headers = {"Content-Length": str(10**15)}
    refused = client.post("/api/v1/homeworks/hw1/submissions", content=never(), headers=headers)
    assert error(refused) == (413, "E_TOO_LARGE")
    assert kept(local.home) == set()


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"Transfer-Encoding": "chunked"}, (411, "E_LENGTH")),
        ({"Content-Length": "-1"}, (411, "E_LENGTH")),
        ({"Content-Length": "1e3"}, (411, "E_LENGTH")),
        ({"Content-Length": "٣"}, (411, "E_LENGTH")),
        ({"Content-Length": "9" * 30}, (411, "E_LENGTH")),
        ({"Content-Length": "3"}, (400, "E_USAGE")),
        ({"Content-Length": "900"}, (400, "E_USAGE")),
        ({"X-Message": "%ff"}, (400, "E_USAGE")),
        ({"X-Filename": "%C0%AF"}, (400, "E_USAGE")),
        ({"X-Message": quote("x" * 501)}, (400, "E_USAGE")),
        ({"Idempotency-Key": ""}, (400, "E_USAGE")),
        ({"Idempotency-Key": "k" * 201}, (400, "E_USAGE")),
        ({"Idempotency-Key": "a\tb"}, (400, "E_USAGE")),
    ],
)
def test_a_request_that_contradicts_itself_is_refused_and_leaves_nothing(
    local: Class, headers: dict[str, str], expected: tuple[int, str]
) -> None:
    client = local.client("b01")
    data = local.sample[:100]
    sent = {name: value.encode() for name, value in headers.items()}
    content: Any = iter([data]) if "Content-Length" in headers or "Transfer-Encoding" in headers else data
    assert error(client.post("/api/v1/homeworks/hw1/submissions", content=content, headers=sent)) == expected
    assert kept(local.home) == set()


@pytest.mark.parametrize(
    "name",
    [
        "../../secret/key",
        "..\\..\\x",
        "/etc/passwd",
        "a\0b.csv",
        "\x1b[31mred.csv",
        "x" * 5000,
        "",
        "\u202evsc.exe",
        "<b>.csv",
    ],
)
def test_a_file_name_is_only_a_text(school: Class, name: str) -> None:
    response = submit(school.client("b01"), school.sample, **{"X-Filename": quote(name, safe="")})
    assert response.status_code == 202
    shown = school.client("b01").get(f"/api/v1/submissions/{response.json()['submission']}").json()["file"]
    assert "/" not in shown
    assert len(shown) <= 210
    assert "\0" not in shown
    assert len(kept(school.home)) == 1


@pytest.mark.parametrize(
    "body",
    [
        b"", b"[]", b"null", b"{", b'{"submissions": 1}', b'{"submissions": ["1"]}', b'{"submissions": [true]}',
        b'{"submissions": [1.0]}', b'{"submissions": [-1]}', b'{"submissions": [9223372036854775808]}', b"\xff",
        b'{"submissions": [' + b"1," * 200 + b"1]}", b"[" * 60_000, b'{"submissions": [NaN]}',
        b'{"submissions": [null]}', b'{"submissions": [[1]]}', b'{"submissions": ["\xef\xbc\x91"]}',
        b'{"submissions": [' + b"9" * 5000 + b"]}", b'{"submissions": [-' + b"9" * 5000 + b"]}",
    ],
)  # fmt: skip
def test_a_selection_that_is_no_list_of_numbers_is_refused(local: Class, body: bytes) -> None:
    headers = {"Content-Type": "application/json"}
    response = local.client("b01").put("/api/v1/homeworks/hw1/selection", content=body, headers=headers)
    assert error(response) == (400, "E_USAGE")


def test_a_body_that_does_not_say_it_is_json_or_is_too_long_is_refused(local: Class) -> None:
    client = local.client("b01")
    path = "/api/v1/homeworks/hw1/selection"
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", ""):
        response = client.put(path, content=b'{"submissions": []}', headers={"Content-Type": kind})
        assert error(response) == (400, "E_USAGE")
    long = client.put(path, content=b" " * 70_000, headers={"Content-Type": "application/json"})
    assert error(long) == (413, "E_TOO_LARGE")


@pytest.mark.slow
@pytest.mark.parametrize("part", range(5))
def test_every_hostile_table_is_accepted_refused_with_its_code_and_never_an_error(local: Class, part: int) -> None:
    client = local.client("b01")
    numbers: dict[str, int] = {}
    for name, data, *_ in test_reader.TRAPS[part::5]:
        response = submit(client, data, **{"Idempotency-Key": f"trap {len(numbers)}"})
        assert response.status_code == (200 if response.json()["again"] else 202), name
        numbers[name] = response.json()["submission"]
    assert local.work() == []
    for name, number in numbers.items():
        body = client.get(f"/api/v1/submissions/{number}").json()
        assert body["state"] == "rejected", name
        assert body["problems"], name
    assert len(numbers) > 10
    assert audit.verify(local.home)[0] == []


@pytest.mark.slow
@pytest.mark.parametrize("part", range(4))
def test_every_hostile_archive_of_images_is_accepted_and_refused_with_its_code(local: Class, part: int) -> None:
    client = local.client("b01")
    cap = find_competition(local.home, "hw1").format.max_bytes
    numbers: dict[str, tuple[str, int]] = {}
    for name, (code, build) in list(test_images.REFUSED.items())[part::4]:
        data = build()
        response = submit(client, data, **{"Idempotency-Key": f"archive {len(numbers)}"})
        assert response.status_code in ((413,) if len(data) > cap else (202, 200)), name
        if response.status_code != 413:
            numbers[name] = (code, response.json()["submission"])
    assert local.work(format=test_images.FORM) == []
    for name, (code, number) in numbers.items():
        body = client.get(f"/api/v1/submissions/{number}").json()
        assert body["state"] == "rejected", name
        assert code in {problem["code"] for problem in body["problems"]}, name
    assert len(numbers) > 5


# Sessions and tokens.


def browser(school: Class, key: str = "b01", settings: Settings = WIDE) -> Client:
    """A browser that has logged in."""
    client = school.client(settings=settings)
    assert client.post("/api/v1/session", json={"token": school.tokens[key]}).status_code == 200
    return client


def test_a_browser_logs_in_by_a_token_that_its_cookie_does_not_hold(school: Class) -> None:
    secure = replace(WIDE, url="https://grader.example.org")
    client = school.client(settings=secure)
    response = client.post("/api/v1/session", json={"token": f" {school.tokens['b01']}\n"})
    cookie = response.headers["set-cookie"]
    assert cookie.startswith("__Host-lhy_grade=")
    assert {"HttpOnly", "Secure", "SameSite=lax", "Path=/"} <= {part.strip() for part in cookie.split(";")}
    assert "Domain" not in cookie
    assert school.tokens["b01"] not in cookie + response.text
    assert client.get("/api/v1/session").json()["name"] == "Ada"
    assert client.get("/api/v1/me").json()["name"] == "Ada"
    assert school.client(settings=WIDE).post(
        "/api/v1/session", json={"token": school.tokens["b01"]}
    ).headers["set-cookie"].startswith("lhy_grade=")  # fmt: skip


OWN = {"Origin": "http://testserver"}


def test_a_request_by_cookie_that_changes_something_must_come_from_our_own_pages(school: Class) -> None:
    client = browser(school)
    elsewhere: list[dict[str, str]] = [
        {}, {"Origin": "null"}, {"Origin": "http://testserver:81"}, {"Origin": "http://evil.testserver"},
        {"Sec-Fetch-Site": "same-site"}, {"Sec-Fetch-Site": "none"}, OWN | {"Sec-Fetch-Site": "cross-site"},
    ]  # fmt: skip
    for sent in elsewhere:
        for method, path in (
            ("POST", "/homeworks/hw1/submissions"), ("PUT", "/homeworks/hw1/selection"), ("DELETE", "/session"),
            ("POST", "/tokens"), ("DELETE", "/tokens/1"), ("GET", "/homeworks/hw1/board?private=1&unrevealed=1"),
        ):  # fmt: skip
            response = client.request(method, f"/api/v1{path}", headers=sent)
            assert error(response) == (403, "E_CSRF"), (method, path)
    assert kept(school.home) == set()
    assert submit(client, school.sample, **OWN).status_code == 202
    assert client.get("/api/v1/homeworks/hw1/quota").status_code == 200


def test_a_login_is_no_form_that_another_site_could_send(local: Class) -> None:
    client = local.client()
    body = json.dumps({"token": local.tokens["b01"]})
    for kind in ("text/plain", "application/x-www-form-urlencoded"):
        response = client.post("/api/v1/session", content=body, headers={"Content-Type": kind})
        assert error(response) == (400, "E_USAGE")
        assert "set-cookie" not in response.headers
    for token in ("", "lhy_wrong", None, 5, ["x"], {"a": 1}, "é" * 50):
        assert error(client.post("/api/v1/session", json={"token": token})) == (401, "E_LOGIN")


def test_a_session_ends_by_logging_out_by_time_by_damage_and_with_its_token(school: Class) -> None:
    client = browser(school)
    cookie = client.cookies["lhy_grade"]
    content, seal = cookie.rsplit(".", 1)
    theirs = browser(school, "b02").cookies["lhy_grade"].rsplit(".", 1)
    other = browser(school)
    forged = URLSafeSerializer("x", "session").dumps(("0" * 64, 10**10, "1"))
    for damaged in (
        f"{theirs[0]}.{seal}", f"{content}.{theirs[1]}", f"{content}.{seal[:-2]}", f"{content}.", f".{seal}", content,
        f"{content}.{'A' * len(seal)}", f"{content[:-1]}.{seal}", f"{content}x.{seal}", f"{content}..{seal}",
        forged, f"{forged.rpartition('.')[0]}.{seal}", "", "x", ".", "é.é",
    ):  # fmt: skip
        sent: Any = {"Cookie": f"lhy_grade={damaged}".encode()}
        assert school.client().get("/api/v1/me", headers=sent).status_code == 401, damaged
    assert school.client().get("/api/v1/me", headers={"Cookie": f"lhy_grade={cookie}"}).status_code == 200
    gone = client.delete("/api/v1/session", headers=OWN)
    assert 'lhy_grade="";' in gone.headers["set-cookie"]
    assert client.get("/api/v1/me").status_code == 401
    copied = school.client().get("/api/v1/me", headers={"Cookie": f"lhy_grade={cookie}"})
    assert copied.status_code == 401, "a copy of it is over, too"
    assert other.get("/api/v1/me").status_code == 200, "another browser of the same person goes on"
    later = browser(school)
    school.now = NOW + timedelta(days=auth.SESSION_DAYS, seconds=1)
    assert later.get("/api/v1/me").status_code == 401
    school.now = NOW
    assert later.get("/api/v1/me").status_code == 200
    with school.home.database() as database:
        assert len(database.fetch("SELECT session FROM ended_sessions")) == 1
        access_tokens.end_session(database, "x", NOW, NOW + timedelta(days=auth.SESSION_DAYS, seconds=1))
        assert database.column("SELECT session FROM ended_sessions") == ["x"], "what is over is not kept"
        enrolment.disable(database, "b01", actor="ian", reason="left", now=NOW)
    assert later.get("/api/v1/me").status_code == 401
    assert later.get("/api/v1/homeworks").status_code == 200, "like one who never logged in"


def test_an_invitation_is_spent_by_the_login_of_a_program_or_a_browser(school: Class) -> None:
    invitation = school.token("b01", label=access_tokens.INVITATION)
    client = school.client()
    client.headers["Authorization"] = f"Bearer {invitation}"
    made = client.post("/api/v1/tokens", json={"label": "laptop"}).json()
    assert client.get("/api/v1/me").status_code == 401
    client.headers["Authorization"] = f"Bearer {made['token']}"
    assert client.get("/api/v1/me").json()["key"] == "b01"
    invitation = school.token("b02", label=access_tokens.INVITATION)
    window = school.client()
    opened = window.post("/api/v1/session", json={"token": invitation})
    assert opened.status_code == 200
    assert school.client().post("/api/v1/session", json={"token": opened.json()["token"]}).status_code == 200
    assert window.get("/api/v1/me").json()["key"] == "b02"
    assert window.post("/api/v1/session", json={"token": invitation}).status_code == 401
    assert audit.verify(school.home)[0] == []


def test_a_person_makes_lists_and_revokes_own_tokens_and_no_others(school: Class) -> None:
    client = school.client("b01")
    made = client.post("/api/v1/tokens", json={"label": "laptop"}).json()
    assert made["token"].startswith("lhy_")
    listed = client.get("/api/v1/tokens")
    assert made["token"] not in listed.text
    assert [row["label"] for row in listed.json()["tokens"]] == ["test", "laptop"]
    number = listed.json()["tokens"][1]["id"]
    assert error(school.client("b02").delete(f"/api/v1/tokens/{number}")) == (404, "E_NOT_FOUND")
    assert error(school.client("ian").delete(f"/api/v1/tokens/{number}")) == (404, "E_NOT_FOUND")
    other = school.client()
    other.headers["Authorization"] = f"Bearer {made['token']}"
    assert other.get("/api/v1/me").status_code == 200
    assert client.delete(f"/api/v1/tokens/{number}").status_code == 200
    assert other.get("/api/v1/me").status_code == 401
    for label in ("x" * 61, "\x1b[31m", 5, access_tokens.INVITATION):
        assert error(client.post("/api/v1/tokens", json={"label": label}))[0] == 400
    for _ in range(auth.MOST_TOKENS - 1):
        assert client.post("/api/v1/tokens", json={}).status_code == 200
    assert error(client.post("/api/v1/tokens", json={})) == (409, "E_TOKENS")


# Limits, headers, the log.


def test_a_token_and_a_stranger_have_limits_of_their_own(local: Class, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.server.app.time.monotonic", lambda: 1000.0)
    settings = Settings(requests_per_minute=5, uploads_per_minute=2)
    client = local.client("b01", settings)
    got = [client.get("/api/v1/me") for _ in range(6)]
    assert [response.status_code for response in got] == [200] * 5 + [429]
    assert error(got[-1]) == (429, "E_RATE")
    assert got[-1].headers["retry-after"] == "13"
    client.headers["Authorization"] = f"Bearer {local.tokens['b02']}"
    assert client.get("/api/v1/me").status_code == 200, "others are not held up by it"
    client.headers["Authorization"] = "Bearer lhy_wrong-wrong-wrong-wrong"
    assert [client.get("/api/v1/me").status_code for _ in range(6)] == [401] * 5 + [429]
    client.headers["Authorization"] = f"Bearer {local.tokens['b02']}"
    assert client.get("/api/v1/me").status_code == 200, "nor by who guesses from the same address"
    client.headers["Authorization"] = f"Bearer {local.tokens['ian']}"
    sent = [submit(client, local.file(value)).status_code for value in (1.0, 2.0, 3.0)]
    assert sent == [202, 202, 429]
    monkeypatch.setattr("harness.server.app.time.monotonic", lambda: 1060.0)
    assert submit(client, local.file(3.0)).status_code == 202


def test_a_limiter_lets_through_exactly_its_rate_and_forgets_the_oldest_names() -> None:
    limiter = auth.Limiter(60)
    passed = sum(limiter.take("a", 1000.0 + second / 10) == 0.0 for second in range(1200))
    assert passed == 60 + 119
    assert limiter.take("a", 0.0) > 0, "a clock that steps back opens nothing"
    for number in range(auth.Limiter.MOST + 5):
        limiter.take(str(number), 2000.0)
    assert len(limiter._left) == auth.Limiter.MOST


def test_every_answer_carries_the_headers_and_a_number_of_its_own(
    local: Class, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catalogue, "me", lambda *_: 1 / 0)
    secure = replace(WIDE, url="https://grader.example.org")
    numbers = set()
    for settings in (WIDE, secure):
        client = local.client("b01", settings)
        for path, status in (
            ("/api/v1/course", 200), ("/api/v1/homeworks/hw1/files/sample_submission.csv", 200), ("/nothing", 404),
            ("/api/v1/me", 500), ("/api/v1/openapi.json", 200), ("/api/v1/homeworks/hw1/sheet", 200),
            ("/docs", 404), ("/redoc", 404), ("/openapi.json", 404),
        ):  # fmt: skip
            response = client.get(path, headers={"Origin": "https://evil.example.org"})
            assert response.status_code == status, path
            policy = response.headers["content-security-policy"]
            assert policy.startswith("default-src 'none'")
            assert "unsafe" not in policy
            expected = HEADERS if path.startswith("/api/") else HEADERS | {"content-security-policy": policy}
            assert {name: response.headers[name] for name in HEADERS} == expected
            assert ("strict-transport-security" in response.headers) == settings.secure
            assert not [name for name in response.headers if name.startswith("access-control")]
            assert "server" not in response.headers
            numbers.add(response.headers["x-request-id"])
    assert len(numbers) == 18
    preflight = client.request("OPTIONS", "/api/v1/homeworks", headers={"Access-Control-Request-Method": "PUT"})
    assert preflight.status_code == 405


def test_answers_of_every_status_carry_the_headers(local: Class, monkeypatch: pytest.MonkeyPatch) -> None:
    client, nobody = local.client("b01"), local.client()
    number = submit(client, local.sample).json()["submission"]
    monkeypatch.setattr(catalogue, "me", lambda *_: 1 / 0)
    json_sent, data = {"Content-Type": "application/json"}, "/api/v1/homeworks/hw1/files/sample_submission.csv"
    got = [
        client.get("/static/app.js"), client.get("/static/none"), client.post("/static/app.js"),
        nobody.get("/homeworks/hw1/submit"), nobody.get("/api/v1/submissions"), nobody.get(f"/submissions/{number}"),
        nobody.get("/homeworks/hw1/board?private=x"), nobody.get("/api/v1/homeworks/hw1/board?private=x"),
        nobody.get("/homeworks/hw1/board?private=1"), nobody.get("/submissions/x"), nobody.post("/nothing"),
        client.put("/api/v1/homeworks/hw1/selection", content=b"{", headers=json_sent),
        client.put("/api/v1/homeworks/hw1/selection", content=b" " * 70_000, headers=json_sent),
        client.get(data, headers={"Range": "bytes=99999999-"}), client.get(data, headers={"Range": "bytes=0-3"}),
        client.get(data, headers={"Range": "bytes=5-1"}), client.get("/api/v1/me"), client.get("/"),
        local.client("b01", replace(WIDE, requests_per_minute=1)).get("/api/v1/course"),
        local.client("b01", replace(WIDE, requests_per_minute=1)).get("/homeworks/hw1"),
        submit(client, local.sample), client.post("/api/v1/homeworks/hw1/submissions", content=iter([b"x"])),
    ]  # fmt: skip
    assert {200, 206, 303, 400, 401, 403, 404, 405, 411, 413, 416, 429, 500} <= {answer.status_code for answer in got}
    for answer in got:
        policy = answer.headers["content-security-policy"]
        assert policy.startswith("default-src 'none'")
        assert "unsafe" not in policy
        own = ("content-security-policy", "cache-control")
        assert {n: answer.headers[n] for n in HEADERS if n not in own} == {
            n: v for n, v in HEADERS.items() if n not in own
        }
        kept = answer.status_code == 200 and "immutable" in answer.headers["cache-control"]
        assert kept or answer.headers["cache-control"] == "no-store"
        assert answer.headers["x-request-id"]
        assert "Traceback" not in answer.text


def test_an_address_told_by_a_proxy_is_believed_from_the_set_proxy_alone(local: Class) -> None:
    from harness.server.run import web_config

    def ask(peer: str, told: str, settings: Settings = WIDE) -> str:
        local.client("nobody", settings)
        config = web_config(local.apps[settings], settings)
        config.load()

        async def get() -> None:
            transport = httpx.ASGITransport(config.loaded_app, client=(peer, 4711))
            async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as client:
                await client.get("/api/v1/course", headers={"X-Forwarded-For": told, "Forwarded": f"for={told}"})

        asyncio.run(get())
        return str(json.loads(local.lines[-1])["address"])

    assert Settings().trusted_proxies == ""
    assert ask("127.0.0.1", "203.0.113.7") == "127.0.0.1", "until one is set, a user of this machine is no proxy"
    behind = replace(WIDE, trusted_proxies="127.0.0.1")
    assert ask("127.0.0.1", "203.0.113.7", behind) == "203.0.113.7"
    assert ask("203.0.113.9", "198.51.100.1", behind) == "203.0.113.9", "nobody else may say who asks"
    assert ask("127.0.0.1", "1.2.3.4, 203.0.113.7", behind) == "203.0.113.7", "what a client wrote itself is no proof"
    assert ask("10.0.0.1", "203.0.113.7", replace(WIDE, trusted_proxies="10.0.0.1")) == "203.0.113.7"
    assert ask("127.0.0.1", "203.0.113.7", replace(WIDE, trusted_proxies="10.0.0.1")) == "127.0.0.1"
    assert ask("127.0.0.1", "2001:db8:1:2:3::4", behind) == "2001:db8:1:2::/64"
    assert ask("127.0.0.1", "<b>x\x7f", behind) == "-"


def test_an_error_of_ours_says_nothing_but_its_number(local: Class, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any) -> Any:
        raise ValueError("the answer is forty-two")

    def full(*_: Any) -> Any:
        raise UserError(f"{local.home.root}: the disk is full", code="E_DISK_FULL")

    monkeypatch.setattr(catalogue, "me", fail)
    monkeypatch.setattr(catalogue, "homeworks", full)
    client = local.client("b01")
    broken, busy = client.get("/api/v1/me"), client.get("/api/v1/homeworks")
    assert (error(broken), error(busy)) == ((500, "E_INTERNAL"), (503, "E_DISK_FULL"))
    for response in (broken, busy):
        assert "forty" not in response.text
        assert str(local.home.root) not in response.text
        assert response.headers["x-request-id"] in response.text
    assert busy.headers["retry-after"] == "10"
    assert "ValueError in test_server.py" in local.lines[0]
    assert "forty" not in "".join(local.lines)


def test_an_error_has_the_same_form_as_on_the_command_line_with_the_number_of_all_problems(
    capsys: pytest.CaptureFixture[str],
) -> None:
    for raised in (SubmissionError([Problem("E_X", "no", 2, "y", "a", "b")], 7), UserError("no", code="E_X")):
        common.fail(raised, "json")
        told, sent = json.loads(capsys.readouterr().out), json.loads(bytes(refusal("-", raised).body))
        assert told == sent
        assert sent["error"]["total"] == (7 if isinstance(raised, SubmissionError) else None)


def test_a_course_that_is_not_in_order_is_no_mistake_of_who_asks_and_its_places_are_for_the_log(local: Class) -> None:
    client = local.client("b01")
    number = submit(client, local.sample).json()["submission"]
    local.work()
    path = local.home.public("hw01") / "format.json"
    text = path.read_text()
    path.write_text("{")
    answers = [client.get(f"/api/v1/{what}") for what in ("homeworks/hw1/board", f"submissions/{number}")]
    answers += [submit(client, local.file(1.0)), client.get("/"), client.get("/homeworks/hw1/board")]
    for answer in answers:
        assert answer.status_code == 503
        assert str(local.home.root) not in answer.text
        assert "damaged" not in answer.text
    assert f"{path}" in local.lines[-2]
    path.write_text(text)
    assert client.get(f"/api/v1/submissions/{number}").json()["state"] == "graded"
    assert submit(client, local.file(1.0)).status_code == 202


def test_without_the_answers_all_requests_are_answered_and_what_is_handed_in_waits(local: Class) -> None:
    client = local.client("b01")
    number = submit(client, local.sample).json()["submission"]
    local.work()
    paths = ["/api/v1/homeworks/hw1/board", f"/api/v1/submissions/{number}", "/", "/homeworks/hw1/board"]
    before = [client.get(path) for path in paths]
    hidden = local.home.root / "secret" / "hw01"
    moved = hidden.rename(local.home.root / "moved")
    after = [client.get(path) for path in paths]
    assert [answer.status_code for answer in (*before, *after)] == [200] * 8
    assert [answer.json() for answer in after[:2]] == [answer.json() for answer in before[:2]]
    waits = submit(client, local.file(1.0))
    assert (waits.status_code, waits.json()["state"]) == (202, "queued")
    local.work()
    assert client.get(f"/api/v1/submissions/{waits.json()['submission']}").json()["state"] == "queued"
    moved.rename(hidden)
    local.work()
    assert client.get(f"/api/v1/submissions/{waits.json()['submission']}").json()["state"] == "graded"


def test_the_log_has_one_line_a_request_with_neither_token_nor_body_nor_name(local: Class) -> None:
    client = local.client("b01")
    submit(client, local.sample, **{"X-Filename": "sentinel.csv", "X-Message": "sentinel", "Cookie": "a=sentinel"})
    client.get("/api/v1/homeworks/hw1?sentinel=1")
    client.get("/api/v1/homeworks/sentinel/board")
    client.get("/sentinel", headers={"X-Request-Id": "sentinel", "User-Agent": "sentinel", "Referer": "sentinel"})
    client.request("SENTINEL", "/api/v1/course")
    client.post("/api/v1/session", json={"token": local.tokens["b01"]})
    client.get("/api/v1/me", headers={"Authorization": "Bearer lhy_sentinel-sentinel-sentinel"})
    lines = [json.loads(line) for line in local.lines]
    assert len(lines) == 7
    text = "\n".join(local.lines)
    assert "sentinel" not in text.lower()
    text = re.sub(r"\b[0-9a-f]{16,}\b", "", text)  # random numbers of requests, which may hold any three digits
    assert not [word for word in (*local.tokens.values(), "Ada", "b01", "lhy_") if word in text]
    assert [line["status"] for line in lines] == [202, 200, 404, 404, 405, 200, 401]
    assert lines[0]["route"] == "/api/v1/homeworks/{hw}/submissions"
    assert lines[0]["token"] == lines[1]["token"] != lines[6]["token"]
    assert lines[4]["method"] == "other"
    assert {"at", "request", "address", "ms"} <= set(lines[0])


# Faults.


@pytest.mark.parametrize("call", ["write", "fsync", "replace"])
def test_a_disk_that_is_full_refuses_the_file_and_leaves_nothing(
    school: Class, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    client, data = school.client("b01"), school.sample
    assert client.get("/api/v1/me").status_code == 200

    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path if call == "replace" else os, call, full)
    assert error(submit(client, data)) == (503, "E_STORE")
    monkeypatch.undo()
    assert kept(school.home) == set()
    with school.home.database() as database:
        assert records.count_submissions(database, "hw01/1") == 0
    assert submit(client, data).json()["quota"]["used"] == 1
    assert school.work() == []
    assert audit.verify(school.home)[0] == []


def test_a_database_that_was_cut_off_is_reached_again_and_nothing_counts_twice(school: Class) -> None:
    client = school.client("b01")
    first = submit(client, school.sample)
    with school.home.database() as database:
        if database.dialect != "postgresql":
            return  # SQLite has no server to lose
        database.fetch("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() "
                       "AND backend_type = 'client backend'")  # fmt: skip
    answers = [submit(client, school.sample) for _ in range(THREADS + 1)]
    assert {answer.status_code for answer in answers} <= {200, 503}
    assert answers[-1].status_code == 200
    assert answers[-1].json()["receipt"] == first.json()["receipt"]


def test_a_clock_that_steps_back_a_day_opens_no_fresh_slots(school: Class) -> None:
    client = school.client("b01")
    for value in (1.0, 2.0, 3.0):
        assert submit(client, school.file(value)).status_code == 202
    school.now = NOW - timedelta(days=1)
    client.headers["Authorization"] = f"Bearer {school.token('b01', now=school.now)}"
    assert error(submit(client, school.file(4.0))) == (429, "E_QUOTA")
    assert school.work() == []
    school.now = NOW
    assert audit.verify(school.home)[0] == []


# Settings.


def test_rules_that_change_in_the_file_hold_from_the_next_request_on_and_a_broken_file_changes_nothing(
    local: Class,
) -> None:
    client, path = local.client("b01"), local.home.root / "config.toml"
    before = path.read_text()

    def limit() -> int:
        return int(client.get("/api/v1/homeworks/hw1/quota").json()["quota"][0]["limit"])

    assert limit() == 100
    for place, (text, expected) in enumerate((("quota = 7", 7), ("quota = ", 7), ("quota = 9", 9))):
        path.write_text(
            before.replace("quota = 100", text).replace(str(local.home.settings["database"]), "sqlite:////x")
        )
        os.utime(path, (place, place))
        assert limit() == expected
    assert len([line for line in local.lines if "cannot be read" in line]) == 1
    for place, wrong in enumerate(("quota = 'x'", "qota = 3", "deadline = 'soon'", "quota_zone = 'Mars'"), 10):
        path.write_text(before.replace("quota = 100", wrong).replace("deadline", "deadline_", wrong.count("deadline")))
        os.utime(path, (place, place))
        assert limit() == 9, wrong
        assert submit(client, local.file(place)).status_code == 202
    assert len([line for line in local.lines if "config.toml: [hw01]" in line]) == 4


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[server]\nhots = 'x'", "no setting 'hots'"),
        ("[server]\nport = '1'", "port must be a int"),
        ("[server]\nport = 70000", "port: 70000 is out of range"),
        ("[server]\nseconds = 0", "seconds: 0 is out of range"),
        ("[server]\nseconds = true", "seconds must be a int"),
        ("[server]\ncertificate = 'x.pem'", "belong together"),
        ("[server]\ncertificate = 'x.pem'\nkey = 'y.pem'", "there is no file x.pem"),
        ("[server]\nurl = 'grader.example.org'", "must begin with http"),
        ("server = 1", "must be a table"),
    ],
)
def test_a_wrong_setting_is_told_by_name(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "config.toml").write_text(text)
    with pytest.raises(UserError, match=words):
        read_settings(open_home(tmp_path))


def test_settings_come_from_the_file_and_default_to_this_machine_alone(tmp_path: Path) -> None:
    assert read_settings(open_home(tmp_path)) == Settings()
    assert Settings().address == "http://127.0.0.1:8600"
    assert not Settings().secure
    (tmp_path / "config.toml").write_text('[server]\nhost = "::1"\nport = 1\nurl = "https://a.example/"\n')
    settings = read_settings(open_home(tmp_path))
    assert (settings.address, settings.secure) == ("https://a.example", True)
    assert replace(settings, url="").address == "http://[::1]:1"
