"""The server's API: sessions of browsers, invitations, and a person's tokens."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

from itsdangerous import URLSafeSerializer

from harness.grading import audit
from harness.server import auth
from harness.settings import Settings
from leaderboard import access_tokens, enrolment
from tests import classes
from tests.classes import NOW, WIDE, Class, Client, error, kept, submit

school, local = classes.school, classes.local


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
    assert (
        school.client(settings=WIDE)
        .post("/api/v1/session", json={"token": school.tokens["b01"]})
        .headers["set-cookie"]
        .startswith("lhy_grade=")
    )


OWN = {"Origin": "http://testserver"}


def test_a_request_by_cookie_that_changes_something_must_come_from_our_own_pages(school: Class) -> None:
    client = browser(school)
    elsewhere: list[dict[str, str]] = [
        {}, {"Origin": "null"}, {"Origin": "http://testserver:81"}, {"Origin": "http://evil.testserver"},
        {"Sec-Fetch-Site": "same-site"}, {"Sec-Fetch-Site": "none"}, OWN | {"Sec-Fetch-Site": "cross-site"},
    ]  # fmt: skip
    for sent in elsewhere:
        for method, path in (
            ("POST", "/homeworks/hw1/submissions"),
            ("PUT", "/homeworks/hw1/selection"),
            ("DELETE", "/session"),
            ("POST", "/tokens"),
            ("DELETE", "/tokens/1"),
            ("GET", "/homeworks/hw1/board?private=1&unrevealed=1"),
        ):
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
        f"{theirs[0]}.{seal}",
        f"{content}.{theirs[1]}",
        f"{content}.{seal[:-2]}",
        f"{content}.",
        f".{seal}",
        content,
        f"{content}.{'A' * len(seal)}",
        f"{content[:-1]}.{seal}",
        f"{content}x.{seal}",
        f"{content}..{seal}",
        forged,
        f"{forged.rpartition('.')[0]}.{seal}",
        "",
        "x",
        ".",
        "é.é",
    ):
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
