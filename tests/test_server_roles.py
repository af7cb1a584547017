"""The server's API: who may do what, what is anyone's, and which tokens hold."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path

import pytest

from leaderboard import access_tokens, enrolment, roster
from tests import classes
from tests.classes import ENDS, NOW, PEOPLE, TABLE, Class, ask, error, submit

school, local = classes.school, classes.local


ROLES = ("nobody", "b01", "x01", "tom", "ian")


def test_each_role_gets_from_each_endpoint_what_the_table_says(school: Class) -> None:
    assert submit(school.client("b02"), school.sample).status_code == 202
    classes.ask_for_attachment(school)
    assert classes.attach(school.client("b02")).status_code == 201
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
    paths = {f"{method.upper()} {path}" for path, methods in described["paths"].items() for method in methods}
    exact = {
        words.replace("/api/v1", "")
        .replace("{hw}", "hw1")
        .replace("{number}", "1")
        .replace("{name}", "sample_submission.csv")
        .replace("{key}", "b01")
        .replace("{old}", "ducks")
        for words in paths
    }
    asked = {
        words.partition("?")[0]
        .replace("hw01", "hw1")
        .replace("/nobody", "/b01")
        .replace("/1/files", "/hw1/files")
        .replace("/99", "/1")
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
        f"Bearer {expired}",
        f"Bearer {revoked}",
        f"Bearer {disabled}",
        f"Bearer {other}",
        "Bearer ",
        "Bearer x",
        f"Basic {school.tokens['b01']}",
        f"Bearer {school.tokens['b01']}x",
        "Bearer " + "é" * 40,
        "Bearer " + "a" * 5000,
        school.tokens["b01"],
        f"Bearer {access_tokens.hash_token(school.tokens['b01'])}",
    ):
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
            database, roster.RosterEntry("tom", "Tom", "", "student"), actor="ian", reason="was none", now=NOW
        )
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
