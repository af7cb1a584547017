"""The server's API: limits, headers, errors, the log, faults and settings."""

from __future__ import annotations

import asyncio
import errno
import json
import os
import re
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from harness.cli import common
from harness.course import catalogue
from harness.grading import audit
from harness.home import open_home
from harness.server import auth
from harness.server.app import HEADERS
from harness.server.refusals import refusal
from harness.server.state import THREADS
from harness.settings import Settings, read_settings
from leaderboard import records
from tasks.base import Problem, SubmissionError, UserError
from tests import classes
from tests.classes import NOW, WIDE, Class, error, kept, submit

school, local = classes.school, classes.local


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
            ("/api/v1/course", 200),
            ("/api/v1/homeworks/hw1/files/sample_submission.csv", 200),
            ("/nothing", 404),
            ("/api/v1/me", 500),
            ("/api/v1/openapi.json", 200),
            ("/api/v1/homeworks/hw1/sheet", 200),
            ("/docs", 404),
            ("/redoc", 404),
            ("/openapi.json", 404),
        ):
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
    assert "ValueError in test_server_answers.py" in local.lines[0]
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
        database.fetch(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() "
            "AND backend_type = 'client backend'"
        )
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
