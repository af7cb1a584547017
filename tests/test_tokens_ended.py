"""Ending one token of somebody else, and how many a person can make."""

from __future__ import annotations

from datetime import timedelta

import pytest

from harness.grading import audit
from harness.server import auth
from leaderboard import events
from tests import class_server, classes, web
from tests.class_server import Served, call, issue, log_in
from tests.classes import Class, error
from tests.web import Reader, signed_in

school, local, site = classes.school, classes.local, web.site
home, served, folders = class_server.home, class_server.served, class_server.folders


def number_of(school: Class, key: str) -> int:
    rows = school.client("ian").get(f"/api/v1/roster/tokens?person={key}").json()["tokens"]
    return int(rows[0]["token"])


def test_an_instructor_ends_one_token_and_leaves_the_others(school: Class) -> None:
    other = school.token("b01", label="laptop")
    number, ian = number_of(school, "b01"), school.client("ian")
    where = f"/api/v1/roster/tokens/{number}/end"
    preview = ian.post(where, json={"reason": "", "preview": True}).json()
    assert preview["what"] == f"end token {number} (laptop, all) of Ada (b01)"
    assert preview["lines"] == ["b01 keeps 1 valid token"]
    bearer = {"Authorization": f"Bearer {other}"}
    assert school.client().get("/api/v1/me", headers=bearer).status_code == 200, "a preview ends nothing"
    assert error(ian.post(where, json={"reason": " "})) == (400, "E_REASON")
    for who in ("b01", "tom"):
        assert error(school.client(who).post(where, json={"reason": "mine"})) == (403, "E_NOT_ALLOWED")
    assert ian.post(where, json={"reason": "seen on a screen"}).json()["done"] is True
    assert error(school.client().get("/api/v1/me", headers=bearer)) == (401, "E_LOGIN")
    assert school.client("b01").get("/api/v1/me").status_code == 200
    assert error(ian.post(where, json={"reason": "again"})) == (400, "E_INPUT")
    assert error(ian.post("/api/v1/roster/tokens/999/end", json={"reason": "none"})) == (404, "E_NOT_FOUND")
    with school.home.database() as database:
        last = list(events.events(database))[-1]
    assert (last.kind, last.actor) == ("token revoked", "ian")
    assert "seen on a screen" in last.body
    assert audit.verify(school.home)[0] == []


def test_the_page_of_a_person_leads_to_the_end_of_a_token_and_its_browser_is_signed_out(site: Class) -> None:
    ian, ada, number = signed_in(site, "ian"), signed_in(site, "b01"), number_of(site, "b01")
    where = f"/roster/tokens/{number}/end"
    assert where in [one.attributes.get("href") for one in Reader(ian.get("/roster/people/b01").text).all("a")]
    tom = signed_in(site, "tom")
    assert where not in [one.attributes.get("href") for one in Reader(tom.get("/roster/people/b01").text).all("a")]
    body = {"reason": "lost laptop"}
    page = Reader(ian.post(where, data=body | {"go": "preview"}).text)
    assert "cannot log in without a new invitation" in page.loose + "".join(one.text for one in page.all("bdi"))
    (seen,) = [one.attributes["value"] for one in page.all("input") if one.attributes.get("name") == "seen"]
    done = ian.post(where, data=body | {"go": "do", "seen": seen})
    assert (done.status_code, done.headers["location"]) == (303, f"{where}?done=1")
    assert "The token has ended." in ian.get(f"{where}?done=1").text
    assert ada.get("/points").status_code == 303, "to sign in"


def test_it_is_ended_by_command_on_the_server_and_at_home(served: Served) -> None:
    issue(served.home, "ada", "one")
    issue(served.home, "ada", "two")
    log_in(served)
    assert call("roster", "end-token", "1", "--reason", "mine", "--yes").exit_code == 6
    log_in(served, "prof")
    done = call("roster", "end-token", "1", "--reason", "seen", "--yes")
    assert (done.exit_code, done.stdout) == (0, "end token 1 (one, all) of ada (ada)\n"), done.output
    home = ["--home", str(served.home.root)]
    done = call(*home, "roster", "end-token", "2", "--reason", "seen", "--yes", "--as", "prof")
    assert (done.exit_code, done.stdout) == (0, "end token 2 (two, all) of ada (ada)\n")
    for more in ([], home):
        assert call(*more, "roster", "end-token", "99", "--reason", "seen", "--yes").exit_code == 2
        assert call(*more, "roster", "end-token", "1", "--reason", "seen", "--yes").exit_code == 2


def test_tokens_made_and_ended_in_a_loop_come_to_an_end(local: Class, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(auth, "MOST_A_DAY", 4)
    client = local.client("b01")

    def make() -> int:
        made = client.post("/api/v1/tokens", json={"label": "x"})
        if made.status_code < 300:
            rows = client.get("/api/v1/tokens").json()["tokens"]
            assert client.delete(f"/api/v1/tokens/{rows[-1]['id']}").status_code == 200
        return made.status_code

    first = [make() for _ in range(6)]
    assert first[3:] == [409] * 3, "with the one of the login"
    assert set(first[:3]) <= {200, 201}
    local.now += timedelta(days=1, seconds=1)
    assert make() in (200, 201)
