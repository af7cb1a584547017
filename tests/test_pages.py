"""The web pages: who sees what, what is inert, that forms cannot be forged, and all of it in a real Chromium."""

from __future__ import annotations

import csv
import io
import itertools
import json
import math
import re
import shutil
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from PIL import Image

from harness.cli.main import cli
from harness.competition import MetricCard
from harness.course import catalogue
from harness.course.entries import SubmissionRow
from harness.course.types import BarCard
from harness.home import open_home
from harness.server import app, chart, pages, rendering
from harness.show import show
from leaderboard import access_tokens, enrolment, events, records, roster
from tasks.base import PRIVATE, PUBLIC
from tests.test_secrecy import change_answer
from tests.test_server import NOW, WIDE, Class, Client, make_class, submit
from tests.test_server import TABLE as API

URL = "http://testserver"
FORM = {"content-type": "application/x-www-form-urlencoded"}  # also of a form without fields
HW1 = "/homeworks/hw1"
EVIL = {
    "markup": "<img src=x onerror=document.title=1>",
    "quotes": "\"'><script>document.title=1</script>",
    "escapes": "a\x1b[31mred",
    "direction": "abc\u202e\u2066fdp\u2069",
    "template": "{{ 7 * 7 }}{% raw %}",
    "letters": "\u05e9\u05dc\u05d5\u05dd 1 (",
}
NAMES = dict(zip(("b01", "b02", "x01", "tom"), EVIL.values(), strict=False))


@pytest.fixture
def site(course: Path, tmp_path: Path) -> Iterator[Class]:
    """A course with a roster, with slots for all."""
    made = make_class(course, tmp_path / "home", f"sqlite:///{tmp_path / 'leaderboard.db'}", quota=100)
    yield made
    made.close()


def reveal(site: Class) -> None:
    with site.home.database() as database:
        records.reveal(database, "hw01/1", "ian", "the end", site.now)


def rename(site: Class, names: dict[str, str]) -> None:
    """Gives people names that the roster would refuse."""
    with site.home.database() as database, database.transaction():
        for key, name in names.items():
            database.execute("UPDATE people SET name = :name WHERE key = :key", name=name, key=key)


def browsing(site: Class) -> Client:
    """A client whose requests come from a page of the server."""
    client = site.client()
    client.headers["origin"] = URL
    return client


def signed_in(site: Class, key: str) -> Client:
    """A client with a session's cookie, as a browser has it."""
    client = browsing(site)
    response = client.post("/login", data={"token": site.tokens[key], "next": "/"})
    assert (response.status_code, response.headers["location"]) == (303, "/")
    return client


def handed_in(site: Class, key: str, *values: float, **headers: str) -> list[int]:
    return [int(submit(site.client(key), site.file(value), **headers).json()["submission"]) for value in values]


# Who sees what.

OK, SEE, NO, GONE = 200, 303, 403, 404
TABLE = {
    # nobody, student, auditor, TA, instructor
    "/": (OK, OK, OK, OK, OK),
    "/login": (OK, OK, OK, OK, OK),
    "/homeworks/hw1": (OK, OK, OK, OK, OK),
    "/homeworks/hw01/board": (OK, OK, OK, OK, OK),
    "/homeworks/1/board?sort=-name": (OK, OK, OK, OK, OK),
    "/homeworks/hw1/board?private=true": (NO, NO, NO, NO, NO),
    "/homeworks/hw1/board?private=true&unrevealed=true": (NO, NO, NO, NO, NO),
    "/homeworks/hw1/submit": (SEE, OK, OK, OK, OK),
    "/homeworks/hw1/submissions": (SEE, OK, OK, OK, OK),
    "/homeworks/hw1/everyone": (SEE, NO, NO, OK, OK),
    "/points": (SEE, OK, OK, OK, OK),
    "/gradebook": (SEE, NO, NO, OK, OK),
    "/gradebook?hw=hw1": (SEE, NO, NO, OK, OK),
    "/gradebook.csv": (SEE, NO, NO, OK, OK),
    "/submissions/1": (SEE, OK, GONE, OK, OK),
    "/submissions/2": (SEE, GONE, GONE, OK, OK),
    "/submissions/99": (SEE, GONE, GONE, GONE, GONE),
    "/submissions/0": (GONE, GONE, GONE, GONE, GONE),
    "/submissions/x": (GONE, GONE, GONE, GONE, GONE),
    "/homeworks/hw9/board": (GONE, GONE, GONE, GONE, GONE),
    "/homeworks/..%2f..%2fsecret": (GONE, GONE, GONE, GONE, GONE),
    "/static/../pages.py": (GONE, GONE, GONE, GONE, GONE),
    "/static/pages.py": (GONE, GONE, GONE, GONE, GONE),
    "/static/app.js": (OK, OK, OK, OK, OK),
    "/nothing": (GONE, GONE, GONE, GONE, GONE),
}
ROLES = ("nobody", "b01", "x01", "tom", "ian")


def test_each_role_gets_its_pages_and_no_others(site: Class) -> None:
    handed_in(site, "b01", 1.0)
    handed_in(site, "b02", 2.0)
    site.work()
    for place, role in enumerate(ROLES):
        client = signed_in(site, role) if role != "nobody" else site.client()
        for path, expected in TABLE.items():
            response = client.get(path)
            assert response.status_code == expected[place], (path, role)
            if expected[place] == SEE:
                assert response.headers["location"].startswith("/login?next=%2F")
            elif expected[place] != OK and role != "nobody":
                assert "Sign out" in response.text, path
            elif path[1:7] != "static" and not path.endswith(".csv"):
                assert response.headers["content-type"] == "text/html; charset=utf-8", path
                Reader(response.text)
    assert not [event for event in seen(site) if event == "private board seen"]


def seen(site: Class) -> list[str]:
    with site.home.database() as database:
        return [event.kind for event in events.events(database)]


def test_keys_and_addresses_of_others_are_on_no_page_of_a_student(site: Class) -> None:
    handed_in(site, "b01", 1.0)
    handed_in(site, "b02", 2.0)
    site.work()
    student, nobody, staff = signed_in(site, "b01"), site.client(), signed_in(site, "tom")
    for path in TABLE:
        assert "b02" not in re.sub(r"\b[0-9a-f]{12,}\b", "", student.get(path).text), path  # a digest may hold it
        assert not {"b01", "b02", "Ada", "Bob", "otters"} & set(re.findall(r"\w+", nobody.get(path).text)), path
    assert "b02" in staff.get("/homeworks/hw1/everyone").text


# What is hidden: a label that is flipped far enough turns round who is better on its side.

WORDS = (
    *(f"{words.replace(' /', ' /api/v1/', 1)}" for words in API if words.startswith(("GET", "PUT"))),
    *(f"GET /api/v1/submissions/{number}{what}" for number in range(1, 12) for what in ("", "/receipt")),
    *(f"GET {path}" for path in TABLE),
    *(f"GET /submissions/{number}" for number in range(1, 12)),
    *(f"GET /homeworks/hw1/board?sort={key}" for key in ("score", "-last", "bars", "-entries", "submission")),
    "GET /homeworks/hw1/everyone?q=graded&page=1",
    "GET /gradebook.csv?hw=hw1",
    "POST /homeworks/hw1/board",
    "POST /homeworks/hw1/selection",
    "POST /login",
    "POST /api/v1/session",
)
MOMENTS = {"open": timedelta(hours=1), "closed": timedelta(days=30), "revealed": timedelta(days=31)}
Seen = dict[tuple[str, str, str], str]


def everything(site: Class, files: dict[str, list[bytes]], moments: Sequence[str]) -> Seen:
    """What each role gets from each address at each moment, with its headers, by (moment, role, words).

    The number of a request, which is drawn anew each time, is left out.
    """
    seen: Seen = {}

    def keep(moment: str, role: str, words: str, response: httpx.Response) -> None:
        number = response.headers["x-request-id"]
        headers = sorted((name, value) for name, value in response.headers.items() if value != number)
        text = response.text.replace(number, "")
        seen[moment, role, words] = f"{response.status_code} {headers} {text}"

    for moment in moments:
        site.now = NOW + MOMENTS[moment]
        if moment == "revealed":
            reveal(site)
        for role, sent in files.items():
            for place, data in enumerate(sent):
                keep(moment, role, f"hand in {place}", submit(site.client(role), data))
        site.work()
        for role in ROLES if moment == "open" else ("nobody", "b01", "tom"):
            program = site.client(role)
            browser = signed_in(site, role) if role != "nobody" else browsing(site)
            for words in WORDS:
                method, _, path = words.partition(" ")
                if "unrevealed" in path and role in ("tom", "ian"):
                    continue  # a look that is logged, and meant to show what is hidden
                client = program if path.startswith("/api/") else browser
                if method == "GET":
                    response = client.raw(method, path, None)
                elif method == "PUT":
                    response = client.put(path, json={"submissions": [1, 2, 3]})
                elif path.startswith("/api/"):
                    response = client.post(path, json={"token": "lhy_" + "A" * 40})
                elif path.endswith("board") and role in ("tom", "ian"):
                    continue
                else:
                    form = {"submission": ["1", "2", "3"], "token": "lhy_wrong"}
                    response = client.post(path, data=form)
                keep(moment, role, words, response)
    return seen


@pytest.mark.slow
@pytest.mark.parametrize(("side", "moments"), [(PRIVATE, list(MOMENTS)), (PUBLIC, ["open"])])
def test_a_flipped_private_label_changes_no_byte_that_leaves_the_server_and_a_public_one_does(
    site: Class, tmp_path: Path, side: int, moments: list[str]
) -> None:
    site.home.root.with_name("leaderboard.db").rename(site.home.root / "leaderboard.db")
    header, *rows = site.sample.decode().splitlines()
    answers = np.load(site.home.secret("hw01", 1) / "column-0.npy").tolist()
    best = "\n".join([header, *(f"{row.split(',')[0]},{answer}" for row, answer in zip(rows, answers, strict=True))])
    files = {
        "b01": [site.file(25.0), site.file(1e4), b"id,tested_positive\n0,nan\n0,1\nx,y,z\n", best.encode() + b"\n"],
        "b03": [site.file(9.0), site.file(60.0)],
        "b02": [site.file(40.0), site.file(8.0), site.file(7.5), site.file(6.0), site.file(5.0)],
    }
    views = []
    for flipped in (False, True):
        root = tmp_path / str(flipped)
        shutil.copytree(site.home.root, root)
        text = (root / "config.toml").read_text().partition("\n")[2]
        (root / "config.toml").write_text(text.replace("quota = 100", "quota = 4"))
        if flipped:
            change_answer(root, side, 3, lambda value: value + 1e7)
        copy = Class(open_home(root), tokens=site.tokens)
        views.append(everything(copy, files, moments))
        copy.close()
    assert views[0].keys() == views[1].keys()
    changed = {what for what in views[0] if views[0][what] != views[1][what]}
    assert len(views[0]) > 400
    assert views[0]["open", "b02", "hand in 4"].startswith("429"), "errors are compared, too"
    if side == PRIVATE:
        assert {what for what in changed if what[0] != "revealed"} == set()
    if "revealed" in moments:
        boards = {"GET /api/v1/homeworks/hw1/board?private=true", "GET /homeworks/hw1/board?private=true"}
        books = {f"GET /gradebook{what}" for what in ("", "?hw=hw1", ".csv", ".csv?hw=hw1")}
        points = {"GET /points", "GET /api/v1/points", "GET /api/v1/homeworks/hw1/points"}
        for role, more in (("nobody", set()), ("b01", points), ("tom", books)):
            found = {words for _, who, words in changed if who == role and "unrevealed" not in words}
            scores = {words for words in found if re.search(r"/(submissions(/\d+)?|selection|everyone)(\?|$)", words)}
            assert found - scores - {"POST /homeworks/hw1/board"} == boards | more, role
            assert bool(scores) == (role != "nobody"), "the private scores of submissions are told by then"
            mine = set(re.findall(r'"id":(\d+)', views[0]["revealed", "b01", "GET /api/v1/submissions"]))
            assert role != "b01" or set(re.findall(r"submissions/(\d+)", " ".join(scores))) <= mine
    if side == PUBLIC:
        assert {("open", "nobody", "GET /api/v1/homeworks/hw1/board"), ("open", "b01", "GET /submissions/1")} <= changed
        assert not {words for *_, words in changed if "receipt" in words or "files" in words}


def test_staff_look_before_the_reveal_by_a_form_and_each_look_is_logged(site: Class) -> None:
    handed_in(site, "b01", 1.0)
    site.work()
    staff = signed_in(site, "ian")
    assert "Show the private board now" in staff.get("/homeworks/hw1/board").text
    response = staff.post("/homeworks/hw1/board", headers=FORM)
    assert response.status_code == 200
    assert "public #" in response.text
    assert seen(site).count("private board seen") == 1
    student = signed_in(site, "b01")
    page = student.get("/homeworks/hw1/board").text
    assert "private" not in page.lower()
    assert student.post("/homeworks/hw1/board", headers=FORM).status_code == 403
    assert seen(site).count("private board seen") == 1
    reveal(site)
    assert "public #" in student.get("/homeworks/hw1/board?private=true").text
    assert seen(site).count("private board seen") == 1


# Forms.


def test_the_head_of_a_page_is_that_of_the_page_and_has_no_body(site: Class) -> None:
    client = signed_in(site, "b01")
    for path in ("/", "/login", "/homeworks/hw1/board", "/static/style.css"):
        head, page = client.request("HEAD", path), client.get(path)
        assert (head.status_code, head.content) == (page.status_code, b"")
        assert head.headers["content-type"] == page.headers["content-type"]
    assert client.request("HEAD", "/homeworks/hw99").status_code == 404
    assert client.request("HEAD", "/logout").status_code == 405


def test_signing_in_keeps_the_token_out_of_addresses_and_pages_and_the_cookie_out_of_scripts(site: Class) -> None:
    client = browsing(site)
    response = client.post("/login", data={"token": site.tokens["b01"], "next": "/homeworks/hw1"})
    assert response.headers["location"] == "/homeworks/hw1"
    cookie = response.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=lax" in cookie
    assert site.tokens["b01"].lower() not in cookie
    assert "Ada" in client.get("/").text
    copied = {"cookie": f"lhy_grade={client.cookies['lhy_grade']}"}
    assert client.post("/logout", headers=FORM).status_code == 303
    assert "Ada" not in client.get("/").text
    assert "Ada" not in site.client().get("/", headers=copied).text
    wrong = browsing(site).post("/login", data={"token": "lhy_" + "A" * 43})
    assert wrong.status_code == 401
    assert 'role="alert"' in wrong.text
    assert "AAAA" not in wrong.text
    assert not [line for line in site.lines if "lhy_" in line]


@pytest.mark.parametrize(
    "target",
    ["//evil.example", "https://evil.example", "/\\evil.example", "javascript:alert(1)", "/login", "", "/a\nb", "///x"],
)
def test_signing_in_leads_nowhere_outside(site: Class, target: str) -> None:
    response = browsing(site).post("/login", data={"token": site.tokens["b01"], "next": target})
    assert response.headers["location"] == "/"


def test_the_address_of_the_selection_form_leads_to_its_page(site: Class) -> None:
    """It is in the address bar once a selection was refused, and is loaded again from there."""
    client = signed_in(site, "b01")
    answer = client.get("/homeworks/hw1/selection", follow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (303, "/homeworks/hw1/submissions#selection")
    assert client.get("/homeworks/hw1/selection", follow_redirects=True).status_code == 200
    assert client.get("/homeworks/hw9/selection", follow_redirects=True).status_code == 404


ELSEWHERE: dict[str, dict[str, str]] = {
    "another site": {"origin": "https://evil.example", "sec-fetch-site": "cross-site"},
    "another site, an old browser": {"origin": "https://evil.example"},
    "another port": {"origin": f"{URL}:8080"},
    "another host of the site": {"origin": "http://evil.testserver", "sec-fetch-site": "same-site"},
    "a sandboxed frame": {"origin": "null"},
    "same site by what it says": {"origin": URL, "sec-fetch-site": "same-site"},
    "another site by what it says": {"origin": URL, "sec-fetch-site": "cross-site"},
    "no page": {"sec-fetch-site": "none"},
    "another site without its name": {"sec-fetch-site": "cross-site"},
    "an empty name": {"origin": ""},
    "a browser that says nothing": {},
}
OURS: tuple[dict[str, str], ...] = (
    {"origin": URL},
    {"sec-fetch-site": "same-origin"},
    {"origin": URL, "sec-fetch-site": "same-origin"},
)


def test_forms_of_other_places_change_nothing(site: Class) -> None:
    number = handed_in(site, "b01", 1.0)[0]
    site.work()
    client = signed_in(site, "b01")
    data = {"submission": str(number)}
    path = "/homeworks/hw1/selection"
    assert client.post(path, content=b"x", headers={"content-type": "text/plain"}).status_code == 400
    assert client.post(path, content=b"a=%ff\xff", headers=FORM).status_code == 400
    assert client.post(path, content=b"&".join([b"a=1"] * 300), headers=FORM).status_code == 400
    assert client.post(path, content=b"a" * 70_000, headers=FORM).status_code == 413
    del client.headers["origin"]
    for words, headers in ELSEWHERE.items():
        assert client.post(path, data=data, headers=headers).status_code == 403, words
        other = client.post("/login", data={"token": site.tokens["b02"]}, headers=headers)
        assert (other.status_code, "set-cookie" in other.headers) == (403, False), words
    assert "checked" not in client.get("/homeworks/hw1/submissions").text
    for headers in OURS:
        assert client.post(path, data=data, headers=headers).status_code == 303
        assert "checked" in client.get("/homeworks/hw1/submissions").text
        assert client.post(path, headers=headers | FORM).status_code == 303
        assert "checked" not in client.get("/homeworks/hw1/submissions").text


def test_no_form_of_the_site_is_taken_from_elsewhere(site: Class) -> None:
    client = signed_in(site, "ian")
    del client.headers["origin"]
    routes = [route for route in site.apps[WIDE].routes if "/api/" not in route.path]
    changing = {(method, route.path) for route in routes for method in route.methods - {"GET", "HEAD"}}
    assert changing == {
        ("POST", f"/{path}")
        for path in (
            "login", "logout", "homeworks/{hw}/selection", "homeworks/{hw}/board",
            "homeworks/{hw}/quiz", "homeworks/{hw}/quiz/answer",
        )
    }  # fmt: skip
    for method, path in changing:
        for headers in ELSEWHERE.values():
            data = {"token": site.tokens["b01"]}
            response = client.request(method, path.replace("{hw}", "hw1"), data=data, headers=headers)
            assert (response.status_code, "E_CSRF" in response.text) == (403, True), path
            assert "set-cookie" not in response.headers
    assert "Ian" in client.get("/").text
    assert seen(site).count("private board seen") == 0


@pytest.mark.parametrize("end", ["disabled", "revoked", "expired", "invited anew", "another role"])
def test_a_session_of_a_browser_ends_or_changes_with_the_token_and_the_person(site: Class, end: str) -> None:
    site.tokens["tom"] = site.token("tom", expires=site.now + timedelta(hours=1), label="short")
    client = signed_in(site, "tom")
    assert client.get("/gradebook").status_code == 200
    with site.home.database() as database:
        if end == "disabled":
            enrolment.disable(database, "tom", actor="ian", reason="left", now=site.now)
        elif end == "revoked":
            found = access_tokens.find_token(database, access_tokens.hash_token(site.tokens["tom"]), site.now)
            assert found is not None
            access_tokens.revoke_token(database, found[0].id, "ian", site.now)
        elif end == "expired":
            site.now += timedelta(hours=1)
        elif end == "invited anew":
            new = {"tom": access_tokens.hash_token(access_tokens.new_token())}
            access_tokens.issue_tokens(database, new, scope="all", label="short", expires=site.now + timedelta(days=9),
                                actor="ian", reason="lost", now=site.now, replace=True)  # fmt: skip
        else:
            entry = roster.Entry("tom", "Tom", "", "student")
            enrolment.add_person(database, entry, actor="ian", reason="no ta", now=site.now)
    gone = client.get("/gradebook")
    form = client.post("/homeworks/hw1/board", headers=FORM)
    assert form.status_code == 403
    assert seen(site).count("private board seen") == 0
    if end == "another role":
        assert gone.status_code == 403
        assert "Tom" in client.get("/").text
        assert "Gradebook" not in client.get("/").text
    else:
        assert gone.status_code == 303
        assert "Tom" not in client.get("/").text
        assert client.post("/homeworks/hw1/selection", headers=FORM).status_code == 401


NUMBER = st.one_of(
    st.integers(1, 5).map(str),
    st.integers(-(10**20), 10**20).map(str),
    st.sampled_from(["-1", "+1", "0", "01", " 1", "1 ", "1.0", "1e0", "1_0", "", "\uff11", "\u0661", "\u00b2", "1,2"]),
    st.integers(19, 5_000).map(lambda digits: "9" * digits),
    st.text(max_size=5),
)


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(texts=st.lists(NUMBER, min_size=1, max_size=3))
@example(texts=["9" * 5000])
@example(texts=["1", "-1"])
@example(texts=["1", "\uff11"])
@example(texts=["1"] * 150)
def test_a_selection_with_anything_that_is_no_number_changes_nothing_at_any_door(
    chosen: Class, texts: list[str]
) -> None:
    """On the page, by the API and on the command line: saved as it was given, or refused and as before."""
    client, page = chosen.client("b01"), signed_in(chosen, "b01")
    home = ["--home", str(chosen.home.root), "select", "hw1", "--as", "b01"]

    def by_command(texts: list[str]) -> int:
        done = CliRunner().invoke(cli, [*home, "--", *texts])
        assert done.exception is None or isinstance(done.exception, SystemExit)
        return done.exit_code

    ways: list[tuple[Callable[[list[str]], int], int, tuple[int, ...]]] = [
        (lambda texts: page.post(f"{HW1}/selection", data={"submission": texts}).status_code,
         303, (400, 409)),
        (lambda texts: client.put(f"/api/v1{HW1}/selection", json={"submissions": [
            int(text) if re.fullmatch("-?[1-9][0-9]{0,3000}", text) else text for text in texts]}).status_code,
         200, (400,)),
        (by_command, 0, (2,)),
    ]  # fmt: skip
    own = {"1", "2", "3"}
    for way, done, refused in ways:
        assert way(["2"]) == done
        code = way(texts)
        if set(texts) <= own and len(set(texts)) <= 2 and len(texts) <= 100:
            assert code == done
            expected = sorted(int(text) for text in set(texts))
        else:
            assert code in refused
            expected = [2]
        assert client.get(f"/api/v1{HW1}/selection").json()["selected"] == expected


@pytest.mark.parametrize(
    ("texts", "named"),
    [
        (["9" * 5000], "got &#39;999999999999999999999999999999&#39; and 4,970 more characters"),
        (["1", "-1"], "got &#39;-1&#39;"),
        (["1", "\uff11"], "got &#39;\\uff11&#39;"),
        (["1", ""], "got &#39;&#39;"),
        (["1"] * 101, "101 submissions were named; at most 100 are allowed"),
    ],
)
def test_a_selection_that_is_refused_names_the_fault_and_changes_nothing(
    chosen: Class, texts: list[str], named: str
) -> None:
    page = signed_in(chosen, "b01")
    answer = page.post(f"{HW1}/selection", data={"submission": texts})
    assert answer.status_code == 400
    assert named in answer.text
    assert "Nothing was changed" in answer.text
    assert chosen.client("b01").get(f"/api/v1{HW1}/selection").json()["selected"] == [2]
    other = page.post(f"{HW1}/selection", data={"submissions": "1"})
    assert other.status_code == 400, "a field of another name is no empty selection"
    assert chosen.client("b01").get(f"/api/v1{HW1}/selection").json()["selected"] == [2]


@pytest.fixture
def chosen(site: Class) -> Class:
    """A class in which b01 handed in submissions 1 to 3 and chose the second."""
    assert handed_in(site, "b01", 8.0, 9.0, 30.0) == [1, 2, 3]
    answer = site.client("b01").put(f"/api/v1{HW1}/selection", json={"submissions": [2]})
    assert answer.status_code == 200
    return site


def test_a_selection_shows_what_would_count_and_too_many_are_refused_in_place(site: Class) -> None:
    numbers = handed_in(site, "b01", 8.0, 9.0, 30.0)
    site.work()
    client = signed_in(site, "b01")
    page = client.get("/homeworks/hw1/submissions")
    assert "you chose none" in page.text
    (third,) = set(numbers) - set(counted(page.text))
    path = "/homeworks/hw1/selection"
    assert client.post(path, data={"submission": str(third)}).status_code == 303
    page = client.get("/homeworks/hw1/submissions?saved=1")
    assert counted(page.text) == [third]
    assert "is saved" in page.text
    refused = client.post(path, data={"submission": [str(number) for number in numbers]})
    assert refused.status_code == 409
    assert 'role="alert"' in refused.text
    assert counted(client.get("/homeworks/hw1/submissions").text) == [third]
    site.now += timedelta(days=60)
    client = signed_in(site, "b01")
    page = client.get("/homeworks/hw1/submissions")
    assert "The selection is locked" in page.text
    assert "Save the selection" not in page.text
    late = client.post(path, data={"submission": str(numbers[0])})
    assert late.status_code == 409
    assert 'role="alert"' in late.text


def counted(text: str) -> list[int]:
    part = text.partition("Would count if it ended now")[2].partition("</p>")[0]
    return [int(number) for number in re.findall(r'href="/submissions/(\d+)"', part)]


# What the pages are made of.


@dataclass
class Element:
    """An element with its attributes, its text and those around it."""

    tag: str
    attributes: dict[str, str]
    text: str = ""
    inside: tuple[str, ...] = ()


VOID = {"meta", "link", "input", "br", "hr"}
SHAPES = {"line", "circle"}


class Reader(HTMLParser):
    """Reads a page, and asserts what holds for every page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[Element] = []
        self.open: list[Element] = []
        self.loose = ""  # the text outside of bdi
        self.feed(text)
        assert not self.open, [element.tag for element in self.open]
        self.check()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = [name for name, _ in attrs]
        assert len(names) == len(set(names)), (tag, names)
        inside = tuple(element.tag for element in self.open)
        element = Element(tag, {name: value or "" for name, value in attrs}, "", inside)
        self.elements.append(element)
        if tag not in VOID:
            self.open.append(element)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in SHAPES
        self.handle_starttag(tag, attrs)
        self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        if tag in ("td", "th", "li", "p") and self.open[-1].tag != tag:
            raise AssertionError((tag, self.open[-1].tag))
        assert self.open.pop().tag == tag

    def handle_data(self, data: str) -> None:
        if "bdi" not in [element.tag for element in self.open]:
            self.loose += data
        for element in self.open:
            element.text += data

    def all(self, tag: str) -> list[Element]:
        return [element for element in self.elements if element.tag == tag]

    def check(self) -> None:
        ids = [element.attributes["id"] for element in self.elements if "id" in element.attributes]
        assert len(ids) == len(set(ids)), ids
        for element in self.elements:
            shown = (element.tag, element.attributes)
            assert "style" not in element.attributes, shown
            assert not [name for name in element.attributes if name.startswith("on")], shown
            for name in ("href", "src", "action", "data-url"):
                parts = urlsplit(element.attributes.get(name, ""))
                outside = parts.scheme or parts.netloc
                assert not outside or (element.tag == "a" and "rel" in element.attributes), shown
            for name in ("for", "aria-labelledby", "aria-describedby"):
                assert set(element.attributes.get(name, "").split()) <= set(ids), shown
            if element.attributes.get("href", "").startswith("#"):
                assert element.attributes["href"][1:] in ids, shown
        assert [element.text.strip() for element in self.all("script")] == [""]
        assert not self.all("style")
        assert self.all("html")[0].attributes["lang"] == "en"
        for tag in ("h1", "main", "header", "footer", "title"):
            assert len([e for e in self.all(tag) if "svg" not in e.inside]) == 1, tag
        labels = {element.attributes["for"] for element in self.all("label")}
        for element in [*self.all("input"), *self.all("progress")]:
            kind = element.attributes.get("type")
            named = element.attributes.get("id") in labels or element.attributes.get("aria-label")
            assert kind == "hidden" or "hidden" in element.attributes or named, element
        for element in [*self.all("button"), *self.all("a"), *self.all("h1"), *self.all("h2")]:
            assert element.text.strip() or element.attributes.get("aria-label"), element
        for element in self.all("nav"):
            assert element.attributes.get("aria-label"), element
        levels = [int(e.tag[1]) for e in self.elements if e.tag in ("h1", "h2", "h3", "h4")]
        assert all(right - left <= 1 for left, right in itertools.pairwise(levels)), levels


PAGES = (
    "/", "/login", "/homeworks/hw01", "/homeworks/hw01/board", "/homeworks/hw01/board?sort=last",
    "/homeworks/hw01/board?private=true", "/homeworks/hw01/submit", "/homeworks/hw01/submissions", "/submissions/1",
    "/submissions/4", "/submissions/5", "/nothing",
)  # fmt: skip
STAFF = ("/homeworks/hw01/everyone", "/gradebook", "/gradebook?hw=hw01", "/homeworks/hw01/board")


def fill(site: Class) -> None:
    """Submissions in all states: two graded ones, a refused and a waiting one, and one of somebody else."""
    handed_in(site, "b01", 8.0, 9.0)
    handed_in(site, "b02", 10.0)
    submit(site.client("b01"), b"id,tested_positive\n0,abc\n1,\n", **{"x-filename": "broken.csv"})
    site.work()
    handed_in(site, "b01", 11.0)


def test_every_page_is_whole_labelled_and_without_a_script_or_style_of_its_own(site: Class) -> None:
    fill(site)
    for revealed in (False, True):
        for key, paths in (("b01", PAGES), ("ian", (*PAGES, *STAFF))):
            client = signed_in(site, key)
            for path in paths:
                response = client.get(path)
                Reader(response.text)
                policy = response.headers["content-security-policy"]
                assert "unsafe" not in policy
                assert "default-src 'none'" in policy
                assert response.headers["cache-control"] == "no-store"
        reveal(site) if not revealed else None


def test_what_people_type_is_inert_on_every_page(site: Class) -> None:
    from urllib.parse import quote

    rename(site, NAMES)
    with site.home.database() as database, database.transaction():
        database.execute("UPDATE people SET team = :team WHERE team = 'otters'", team=EVIL["letters"])
    for key, evil in (NAMES | {"b03": EVIL["letters"]}).items():
        named = {"x-filename": quote(evil.replace("/", "|")), "x-message": quote(evil)}
        assert submit(site.client(key), site.file(len(evil)), **named).status_code == 202
        data = b"id,tested_positive\n0," + json.dumps(evil).encode() + b"\n" + evil.encode() + b",1\n"
        assert submit(site.client(key), data, **named).status_code == 202
    site.work()
    client = signed_in(site, "b03")
    refused = Reader(client.post("/homeworks/hw1/selection", data={"submission": "99"}).text)
    assert EVIL["letters"] not in refused.loose
    assert ">private<" not in signed_in(site, "b01").get("/homeworks/hw1/submissions").text
    reveal(site)
    assert ">private<" in signed_in(site, "b01").get("/homeworks/hw1/submissions").text
    for key in ("b01", "b02", "b03", "ian"):
        client = signed_in(site, key)
        for path in (
            *PAGES,
            *STAFF,
            "/submissions/2",
            "/submissions/6",
            f"/homeworks/hw01/everyone?q={EVIL['quotes']}",
        ):
            text = client.get(path).text
            page = Reader(text)
            assert not {e.tag for e in page.elements} & {"img", "iframe", "object", "embed", "base"}
            assert not [character for character in text if character in "\x1b\u202e\u2066\u2069\u200b"], path
            assert not [evil for evil in EVIL.values() if rendering.shown(evil) in page.loose], path
    shown = site.client("ian").get("/homeworks/hw01/everyone").text
    names = [e.text for e in Reader(shown).all("bdi")]
    assert EVIL["markup"] in names
    assert "abc\\u202e\\u2066fdp\\u2069" in names
    assert "a\\x1b[31mred" in names


def test_what_people_type_is_inert_in_json_in_csv_and_in_the_log(site: Class) -> None:
    from urllib.parse import quote

    formula = "=HYPERLINK(1)"
    rename(site, NAMES | {"b02": formula})
    for key, evil in NAMES.items():
        named = {"x-filename": quote(evil.replace("/", "|")), "x-message": quote(evil)}
        assert submit(site.client(key), site.file(len(evil)), **named).status_code == 202
    site.work()
    staff = site.client("ian")
    for path in (
        "homeworks/hw1/board",
        "submissions?everyone=1",
        "submissions/1",
        "submissions/3",
        "submissions/1/receipt",
    ):
        response = staff.get(f"/api/v1/{path}")
        assert response.headers["content-type"] == "application/json"
        assert response.headers["x-content-type-options"] == "nosniff"
        assert min(response.text) >= " "
        json.loads(response.text)
    names = {row["name"] for row in staff.get("/api/v1/homeworks/hw1/board").json()["board"]}
    assert names == {*NAMES.values(), formula} - {NAMES["b02"]}
    book = staff.get("/gradebook.csv")
    assert "attachment" in book.headers["content-disposition"]
    assert "'=HYPERLINK" in book.text
    cells = [cell for row in csv.reader(io.StringIO(book.text)) for cell in row]
    assert not [cell for cell in cells if cell.startswith(tuple("=+-@\t\r"))]
    assert all(cell.isprintable() for cell in cells)
    text = "\n".join(site.lines)
    assert text.replace("\n", "").isprintable()
    assert not [evil for evil in (*EVIL.values(), formula) if evil in text or json.dumps(evil)[1:-1] in text]


def test_the_board_is_sorted_by_any_column_and_shows_bars_only_in_the_order_of_places(site: Class) -> None:
    rename(site, {"b01": "Zoe", "b02": "adam"})
    handed_in(site, "b01", 8.0)
    handed_in(site, "b02", 9.0, 10.0)
    handed_in(site, "x01", 30.0)
    site.work()
    client = signed_in(site, "b02")

    def rows(sort: str) -> tuple[list[str], str]:
        page = Reader(client.get(f"/homeworks/hw1/board?sort={sort}").text)
        names = [e.text.replace(" you", "") for e in page.all("th") if e.attributes.get("scope") == "row"]
        sorted_by = [(e.text, e.attributes["aria-sort"]) for e in page.all("th") if "aria-sort" in e.attributes]
        assert len(sorted_by) == 1
        return names, sorted_by[0][1]

    bars = ["boss bar (measured)", "strong bar (measured)", "medium bar (measured)", "simple bar (measured)"]
    assert rows("") == rows("rank") == rows("nonsense") == rows("submission") == rows("own")
    placed = rows("")[0]
    assert [name for name in placed if name not in bars] != placed
    people = [name for name in placed if name not in bars]
    assert rows("-rank") == (people[::-1], "descending")
    assert rows("name") == (["adam", "Aud", "Zoe"], "ascending")
    assert rows("-name") == (["Zoe", "Aud", "adam"], "descending")
    assert rows("-entries")[0][0] == "adam"
    own = [e for e in Reader(client.get("/homeworks/hw1/board").text).all("tr") if e.attributes.get("id") == "own"]
    assert len(own) == 1
    assert "adam" in own[0].text


def test_an_error_of_ours_is_a_page_with_its_number_and_nothing_of_its_text(
    site: Class, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any, **__: Any) -> Any:
        raise ValueError("the answer is forty-two")

    client = signed_in(site, "b01")
    good = client.get("/nothing")
    monkeypatch.setattr(catalogue, "homework", fail)
    for answer in (
        client.get("/homeworks/hw1/board"),
        client.post("/homeworks/hw1/board", headers=FORM),
    ):
        assert answer.status_code == 500
        assert answer.headers["content-type"] == "text/html; charset=utf-8"
        assert {n: v for n, v in answer.headers.items() if n in app.HEADERS} == {
            n: v for n, v in good.headers.items() if n in app.HEADERS
        }
        Reader(answer.text)
        assert f"request {answer.headers['x-request-id']}" in answer.text
        assert not [word for word in ("forty", "ValueError", "Traceback", "Ada") if word in answer.text]
        assert "ValueError in test_pages.py" in site.lines[-1]
        assert "forty" not in site.lines[-1]
    assert client.get("/api/v1/homeworks/hw1").json()["error"]["code"] == "E_INTERNAL"
    monkeypatch.setattr(pages, "render", fail)
    last = client.get("/homeworks/hw1/board")
    assert (last.status_code, last.json()["error"]["code"]) == (500, "E_INTERNAL")
    assert last.headers["content-security-policy"] == app.HEADERS["content-security-policy"]
    assert "forty" not in last.text


def test_a_board_without_anybody_still_shows_its_bars(site: Class) -> None:
    page = Reader(site.client().get("/homeworks/hw1/board").text)
    assert "No submissions yet" in page.all("main")[0].text
    assert len([e for e in page.all("tr") if e.attributes.get("class") == "bar"]) == 4


def test_a_token_that_only_reads_is_offered_nothing_to_change(site: Class) -> None:
    handed_in(site, "b01", 8.0)
    site.work()
    site.tokens["b01"] = site.token("b01", scope="read")
    client = signed_in(site, "b01")
    for path in PAGES[:-1]:
        assert "/submit" not in client.get(path).text, path
    assert client.get("/homeworks/hw1/submit").status_code == 403
    page = client.get("/homeworks/hw1/submissions").text
    assert "Save the selection" not in page
    response = client.post("/homeworks/hw1/selection", data={"submission": "1"})
    assert response.status_code == 403


def test_an_invitation_in_a_browser_shows_the_token_that_it_became_and_only_once(site: Class) -> None:
    invitation = site.token("b01", label=access_tokens.INVITATION)
    client = site.client()
    form = {"token": invitation, "next": "/homeworks/hw1"}
    welcome = client.post("/login", data=form, headers={"origin": URL})
    assert welcome.status_code == 200
    assert welcome.headers["cache-control"] == "no-store"
    page = Reader(welcome.text)
    (token,) = [e.text for e in page.all("code") if e.attributes.get("id") == "token"]
    assert 'href="/homeworks/hw1"' in welcome.text
    assert client.post("/logout", headers=FORM | {"origin": URL}).status_code == 303
    assert client.post("/login", data=form, headers={"origin": URL}).status_code == 401
    again = client.post("/login", data=form | {"token": token}, headers={"origin": URL})
    assert (again.status_code, again.headers["location"]) == (303, "/homeworks/hw1")
    assert token not in client.get("/").text
    assert token not in "".join(site.lines)


def test_forms_hold_behind_a_proxy_that_calls_the_server_by_another_name(site: Class) -> None:
    settings = replace(WIDE, url="https://ml.example.edu")
    for origin, status in (("https://ml.example.edu", 303), ("https://evil.example", 403)):
        client = site.client(settings=settings)
        form = {"token": site.tokens["b01"], "next": "/"}
        response = client.post("/login", data=form, headers={"origin": origin, "host": "127.0.0.1:8600"})
        assert response.status_code == status


def test_a_sheet_shows_its_tables_and_runs_nothing() -> None:
    text = (
        "# Title\n\ntext <script>alert(1)</script> <b>b</b> [bad](javascript:alert(1)) [good](https://example.org)\n\n"
        "![x](https://example.org/x.png)\n\n| a | b |\n|--:|:-:|\n| 1 | <i>2</i> |\n\n# Again\n"
    )
    html = rendering.markdown(text)
    assert "Title" not in html
    assert "<h2>Again</h2>" in html
    assert not re.search(r"<(script|b|i|img)\b", html)
    assert "style" not in html
    assert '<td class="right">1</td>' in html
    assert 'href="javascript' not in html
    assert '<a href="https://example.org" rel="noopener noreferrer">good</a>' in html


def test_the_picture_of_the_data_stands_on_the_sheet_for_those_who_get_the_data(site: Class) -> None:
    where = r"/api/v1/homeworks/hw01/picture\?of=[0-9a-f]{12}"
    address = re.compile(rf'<img src="({where})" width="(\d+)" height="(\d+)" [^>]*>')
    assert not address.search(signed_in(site, "b01").get(HW1).text), "none is drawn yet"
    path = show(site.home.public("hw01"))
    for key in ("b01", "tom", "ian"):
        client = signed_in(site, key)
        found = address.search(client.get(HW1).text)
        assert found is not None
        assert 'loading="lazy" alt="The data: some rows&#39; share' in found[0]
        answer = client.get(found[1])
        assert (answer.status_code, answer.headers["content-type"]) == (200, "image/png")
        assert answer.content == path.read_bytes()
        with Image.open(path) as image:
            assert image.size == (int(found[2]), int(found[3]))
    assert not address.search(site.client().get(HW1).text)
    assert site.client().get("/api/v1/homeworks/hw1/picture").status_code == 401
    manifest = site.home.public("hw01") / "manifest.json"
    manifest.write_bytes(manifest.read_bytes() + b"\n")
    assert signed_in(site, "b01").get("/api/v1/homeworks/hw1/picture").status_code == 404, "it is one of other data"


finite = st.floats(-1e9, 1e9)


def metric(higher: bool) -> MetricCard:
    return MetricCard("rmse", "RMSE", higher, 5)


def bar_card(name: str, threshold: float) -> BarCard:
    return BarCard(name, (("rmse", threshold),), "measured", (1.0, 1.0), 5)


def entry(number: int, score: float | None, practice: bool = False) -> SubmissionRow:
    return SubmissionRow(
        id=number, homework="hw01", participant="b01", name="Ann", at="2027-03-01T20:00:00+08:00", selected=False,
        practice=practice, file="a.csv", message="", state="graded", position=None, code=None, score=score,
        metric="RMSE", digits=5,
    )  # fmt: skip


@given(st.lists(st.tuples(finite, st.booleans()), min_size=1, max_size=30), st.booleans(), finite)
def test_a_history_is_drawn_inside_its_frame_and_its_line_only_gets_better(
    history: list[tuple[float, bool]], higher: bool, threshold: float
) -> None:
    rows = [entry(n, score, practice) for n, (score, practice) in enumerate(history, 1)]
    drawn = chart.chart(metric(higher), [bar_card("boss", threshold)], [entry(0, None), *rows])
    assert drawn is not None
    assert len(drawn.points) == len(rows)
    for line in (*drawn.best, *drawn.bars, *drawn.ticks):
        assert all(math.isfinite(n) for n in (line.y, line.up, line.x, line.to))
        assert 0 < line.y < drawn.height
        assert 0 <= line.x <= line.to <= 100
    assert all(0 < point.y < drawn.height and 0 < point.x < 100 for point in drawn.points)
    heights = [line.y for line in drawn.best]
    assert heights == sorted(heights, reverse=higher)
    assert bool(drawn.best) == any(not practice for _, practice in history)
    within = {point.y for point in drawn.points if not point.beyond}
    assert within or len({score for score, _ in history}) > 1


def test_a_history_has_round_levels_and_the_next_bar_and_one_bad_file_does_not_flatten_it() -> None:
    bars = [bar_card("simple", 2.0), bar_card("medium", 1.1), bar_card("strong", 0.9)]

    def drawn(*scores: float) -> chart.Chart:
        made = chart.chart(metric(higher=False), bars, [entry(1, score) for score in scores])
        assert made is not None
        return made

    far = drawn(1.203, 22.8)
    assert [point.beyond for point in far.points] == [False, True]
    assert [line.text for line in far.ticks] == ["1.2", "1.4", "1.6", "1.8", "2.0"]
    assert len(far.bars) == 2
    near = drawn(1.203, 1.212)
    assert not any(point.beyond for point in near.points)
    assert {line.text for line in near.bars} == {"simple 2.00000", "medium 1.10000"}


def test_no_history_is_no_chart() -> None:
    assert chart.chart(metric(higher=False), [], []) is None


def luminance(colour: str) -> float:
    parts = [int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def test_text_stands_out_from_what_it_is_on_in_light_and_dark() -> None:
    assert round(contrast("#000000", "#ffffff"), 3) == 21
    css = (rendering.HERE / "static" / "style.css").read_text()
    light, dark = (dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", part)) for part in css.split("@media")[:2])
    assert set(dark) == set(light)
    on = {
        "text": ("page", "panel", "own", "note", "bad-panel"), "muted": ("page", "panel", "note"),
        "link": ("page", "panel", "own", "note"), "on-button": ("button",), "bar-text": ("bar", "page"),
        "good": ("page", "panel", "own"), "bad": ("page", "panel", "own"),
    }  # fmt: skip
    for theme in (light, dark):
        low = {(t, b): contrast(theme[t], theme[b]) for t, grounds in on.items() for b in grounds}
        assert {pair: value for pair, value in low.items() if value < 4.5} == {}


def test_a_worse_file_is_said_to_be_no_improvement_with_the_best_and_its_rank(site: Class) -> None:
    first, worse = handed_in(site, "b01", 60.0, 80.0)  # far above the answers: the farther, the worse
    site.work()
    own, staff = (site.client(key).get(f"/submissions/{worse}").text for key in ("b01", "tom"))
    assert f"not an improvement: your best is still submission {first} (" in own
    assert f"not an improvement: the participant’s best is still submission {first} (" in staff.replace("&#39;", "’")
    assert ", rank 1)" in own
    assert "not an improvement" not in site.client("b01").get(f"/submissions/{first}").text


# In a browser. These tests come last: playwright's loop runs in this thread until the last of them.


def chromium() -> Any:
    """A running Chromium, or a line that says why there is none."""
    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if path is None:
        return "no Chromium here: install Debian's chromium"
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        return "needs the package playwright"
    playwright = sync_playwright().start()
    return playwright, playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """A headless Chromium; skips with the reason where there is none."""
    found = chromium()
    if isinstance(found, str):
        pytest.skip(found)
    playwright, running = found
    yield running
    running.close()
    playwright.stop()


@dataclass
class Live:
    """A class whose server listens on a port, and tabs of a browser that look at it."""

    school: Class
    url: str
    browser: Any
    said: list[str] = field(default_factory=list)
    contexts: list[Any] = field(default_factory=list)

    def tab(self, key: str = "", **options: Any) -> Any:
        """A new window, signed in as that person; what goes wrong in it is in `said`."""
        context = self.browser.new_context(**({"viewport": {"width": 1280, "height": 860}} | options))
        self.contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(20_000)
        page.on("console", lambda m: self.said.append(m.text) if m.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: self.said.append(str(error)))
        page.on("dialog", lambda dialog: self.said.append("a dialog"))
        if key:
            page.goto(f"{self.url}/login")
            page.focus("#token")  # it has the focus anyway, once the page is drawn
            page.keyboard.type(self.school.tokens[key])
            page.keyboard.press("Enter")
            page.wait_for_selector("text=Sign out")
        return page

    def upload(self, key: str, data: bytes, **headers: str) -> int:
        """Hands in without the browser."""
        headers["authorization"] = f"Bearer {self.school.tokens[key]}"
        where = f"{self.url}/api/v1/homeworks/hw1/submissions"
        answer = httpx.post(where, content=data, headers=headers, timeout=60)
        assert answer.status_code == 202
        return int(answer.json()["submission"])


@pytest.fixture
def live(site: Class, browser: Any) -> Iterator[Live]:
    """The class behind a real port."""
    import uvicorn

    site.client()
    config = uvicorn.Config(
        site.apps[WIDE], port=0, log_config=None, access_log=False, lifespan="off", http="h11", ws="none"
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        thread.join(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    made = Live(site, f"http://127.0.0.1:{port}", browser)
    yield made
    for context in made.contexts:
        context.close()
    server.should_exit = True
    thread.join(20)
    assert made.said == []


def file(name: str, data: bytes) -> dict[str, Any]:
    return {"name": name, "mimeType": "text/csv", "buffer": data}


def test_a_student_hands_in_by_keyboard_and_sees_the_queue_then_the_score_without_loading_again(live: Live) -> None:
    page = live.tab("b01")
    page.goto(f"{live.url}/homeworks/hw01/submit")
    page.evaluate("window.stayed = true")
    page.set_input_files("#file", file("preds \u202e.csv", live.school.file(9.0)))
    assert "preds ?.csv" in page.inner_text("#chosen")
    page.focus("#message")
    page.keyboard.type("second try")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Submit"
    page.keyboard.press("Enter")
    page.wait_for_selector("#result >> text=Waiting at position 1")
    assert "position 1" in page.inner_text("#said")
    page.wait_for_selector("#clocks >> text=99 of 100")
    heading = page.query_selector("#result h2")
    live.school.work()
    page.wait_for_selector("#result >> text=Graded: public RMSE")
    assert heading.evaluate("element => element.isConnected")  # what did not change stayed
    assert "Graded" in page.inner_text("#said")
    assert page.evaluate("window.stayed")
    assert "second try" in page.inner_text("#result")


def test_a_refused_file_shows_what_is_wrong_and_a_second_time_the_same_file_uses_no_slot(live: Live) -> None:
    page = live.tab("b01")
    page.goto(f"{live.url}/homeworks/hw01/submit")
    page.set_input_files("#file", file("bad.csv", b"id,tested_positive\n0,<b>abc</b>\n1,\n"))
    page.click("#hand-in button")
    page.wait_for_selector("#result >> text=Waiting")
    live.school.work()
    page.wait_for_selector("#result table.problems")
    text = page.inner_text("#result")
    assert "<b>abc</b>" in text
    assert "E_NUMBER" in text
    page.wait_for_selector("#clocks >> text=100 of 100")
    for _ in range(2):
        page.set_input_files("#file", file("good.csv", live.school.file(5.0)))
        page.click("#hand-in button")
        page.wait_for_selector("#result >> text=Waiting")
    page.wait_for_selector("#result >> text=already submitted")
    page.wait_for_selector("#clocks >> text=99 of 100")


def test_a_file_is_dropped_and_one_that_is_too_large_or_over_the_quota_is_refused_in_words(live: Live) -> None:
    page = live.tab("b01")
    page.goto(f"{live.url}/homeworks/hw01/submit")
    drop = """([text]) => {
        const data = new DataTransfer();
        data.items.add(new File([text], "dropped.csv"));
        const zone = document.getElementById("drop");
        for (const kind of ["dragover", "drop"])
            zone.dispatchEvent(new DragEvent(kind, {dataTransfer: data, bubbles: true, cancelable: true}));
    }"""
    page.evaluate(drop, [live.school.file(5.0).decode()])
    assert "dropped.csv" in page.inner_text("#chosen")
    page.evaluate("document.getElementById('hand-in').dataset.most = '10'")
    page.click("#hand-in button")
    assert "at most 10 bytes" in page.inner_text("#refusal")
    page.evaluate("document.getElementById('hand-in').dataset.most = '10000000'")
    page.click("#hand-in button")
    page.wait_for_selector("#result >> text=Waiting")
    path = live.school.home.root / "config.toml"
    path.write_text(path.read_text().replace("quota = 100", "quota = 1"))
    page.evaluate(drop, [live.school.file(6.0).decode()])
    page.click("#hand-in button")
    page.wait_for_selector("#refusal .problem")
    assert "quota" in page.inner_text("#refusal").lower() or "submissions" in page.inner_text("#refusal")
    live.said[:] = [text for text in live.said if "429" not in text]


def test_a_failing_network_keeps_the_file_and_the_next_try_goes_through(live: Live) -> None:
    page = live.tab("b01")
    page.goto(f"{live.url}/homeworks/hw01/submit")
    page.set_input_files("#file", file("a.csv", live.school.file(5.0)))
    page.context.set_offline(True)
    page.click("#hand-in button")
    page.wait_for_selector("#refusal >> text=The network failed")
    page.context.set_offline(False)
    page.click("#hand-in button")
    page.wait_for_selector("#result >> text=Waiting")
    live.said[:] = [text for text in live.said if "ERR_INTERNET_DISCONNECTED" not in text]


def test_the_board_is_sorted_by_keyboard_with_and_without_scripts(live: Live) -> None:
    rename(live.school, {"b01": "Zoe", "b02": "adam"})
    live.upload("b01", live.school.file(8.0))
    live.upload("b02", live.school.file(12.0))
    live.school.work()
    for scripts in (True, False):
        page = live.tab(java_script_enabled=scripts)
        page.goto(f"{live.url}/login")
        page.fill("#token", live.school.tokens["b01"])
        page.press("#token", "Enter")
        page.wait_for_selector("text=Sign out")
        page.goto(f"{live.url}/homeworks/hw01/board")
        for wanted in ("ascending", "descending"):
            page.focus("th.name a")
            page.keyboard.press("Enter")
            page.wait_for_selector(f"th.name[aria-sort={wanted}]")
            names = page.locator("tbody th.name bdi").all_inner_texts()
            assert names == sorted(["adam", "Zoe"], key=str.casefold, reverse=wanted == "descending")
            assert page.url.endswith(f"sort={'-' if wanted == 'descending' else ''}name")
            if scripts:
                assert page.evaluate("document.activeElement.closest('th').className").strip() == "name"


def test_my_submissions_change_in_place_and_ticks_that_are_not_saved_stay(live: Live) -> None:
    live.upload("b01", live.school.file(8.0))
    live.school.work()
    second = live.upload("b01", live.school.file(9.0))
    page = live.tab("b01")
    page.goto(f"{live.url}/homeworks/hw01/submissions")
    page.check("input[value='1']")
    page.focus("input[value='1']")
    box = page.query_selector("input[value='1']")
    assert page.locator("circle").count() == 1
    live.school.work()
    page.wait_for_selector("circle >> nth=1")
    assert box.evaluate("element => element.isConnected && element.checked && element === document.activeElement")
    page.click("text=Save the selection")
    page.wait_for_selector("text=Your selection is saved")
    assert page.is_checked("input[value='1']")
    assert not page.is_checked(f"input[value='{second}']")


@pytest.mark.slow
@pytest.mark.parametrize(("width", "theme"), [(360, "dark"), (1280, "light")])
@pytest.mark.parametrize(("key", "paths"), [("b01", PAGES), ("ian", STAFF)])
def test_no_page_is_wider_than_its_window_or_breaks_its_policy_in_light_and_dark(
    live: Live, key: str, paths: tuple[str, ...], width: int, theme: str
) -> None:
    rename(live.school, NAMES | {"b03": "N" * 60})
    for who, value in (("b01", 8.0), ("b01", 9.0), ("b02", 10.0)):
        live.upload(who, live.school.file(value), **{"x-filename": "a" * 150, "x-message": "b" * 400})
    live.upload("b01", b"id,tested_positive\n0,abc\n")
    live.school.work()
    live.upload("b01", live.school.file(11.0))
    reveal(live.school)
    page = live.tab(key, viewport={"width": width, "height": 740}, color_scheme=theme)
    for path in paths:
        page.goto(live.url + path)
        assert page.evaluate("document.documentElement.scrollWidth") <= width, path
        ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert (ground == "rgb(255, 255, 255)") == (theme == "light")
    live.said[:] = [text for text in live.said if "404" not in text]


def test_the_first_tab_leads_past_the_menu_and_focus_is_seen(live: Live) -> None:
    page = live.tab("b01")
    page.goto(f"{live.url}/homeworks/hw01/board")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    assert page.evaluate("document.activeElement.getBoundingClientRect().left") >= 0
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
    page.keyboard.press("Tab")
    width = page.evaluate("getComputedStyle(document.activeElement).outlineWidth")
    assert (page.evaluate("document.activeElement.textContent"), width) == ("Overview", "3px")
