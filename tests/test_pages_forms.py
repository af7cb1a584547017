"""The forms of the web pages: signing in, choosing what counts, and that none can be forged."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta

import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from harness.cli.main import cli
from leaderboard import access_tokens, enrolment, roster
from tests import web
from tests.classes import WIDE, Class
from tests.web import FORM, HW1, URL, browsing, handed_in, seen, signed_in

site = web.site


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
            "login",
            "logout",
            "homeworks/{hw}/selection",
            "homeworks/{hw}/board",
            "homeworks/{hw}/quiz",
            "homeworks/{hw}/quiz/answer",
            "homeworks/{hw}/extensions",
            "homeworks/{hw}/parts",
            "homeworks/{hw}/rules",
            "homeworks/{hw}/reveal",
            "submissions/{number}/disqualify",
            "roster/import",
            "roster/invite",
            "roster/people/{key:path}/stand",
            "roster/teams/{name:path}/rename",
            "roster/tokens/{number}/end",
            "tokens",
            "tokens/{number}/end",
            "announcements",
            "announcements/{number}/end",
            "gradebook/canvas",
        )
    }
    for method, path in changing:
        for headers in ELSEWHERE.values():
            data = {"token": site.tokens["b01"]}
            response = client.request(
                method, path.replace("{hw}", "hw1").replace("{number}", "1"), data=data, headers=headers
            )
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
            access_tokens.issue_tokens(
                database,
                new,
                scope="all",
                label="short",
                expires=site.now + timedelta(days=9),
                actor="ian",
                reason="lost",
                now=site.now,
                replace=True,
            )
        else:
            entry = roster.RosterEntry("tom", "Tom", "", "student")
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
