"""What staff ask and enter through a server, under their own name: by command, API and page."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest

from leaderboard import access_tokens, adjustments, events
from tests import class_server, web
from tests.class_server import Served, call, log_in, sample, work
from tests.classes import NOW, Class
from tests.web import Reader, handed_in, signed_in

home, served, folders = class_server.home, class_server.served, class_server.folders
site = web.site


def listed(*words: str) -> list[dict[str, Any]]:
    done = call(*words, "--format", "json")
    assert done.exit_code == 0, done.output
    (rows,) = [value for value in json.loads(done.stdout).values() if isinstance(value, list)]
    return list(rows)


def test_staff_logged_in_to_a_server_see_what_the_machine_shows_and_students_do_not(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    work(served, monkeypatch)
    log_in(served)
    assert call("submit", "hw1", str(sample(served.home))).exit_code == 0
    with served.home.database() as database:
        why: dict[str, Any] = {"actor": "prof", "reason": "an outage", "now": NOW}
        adjustments.extend(database, "hw01/1", "all", "", until=None, slots=2, **why)
        adjustments.enter_points(database, "hw01", "ada", "code", 1.5, **why)
    asked = (
        ["audit", "log", "--last", "0"], ["audit", "log", "--kind", "extend", "--since", "2027-01-01"],
        ["extend", "hw1", "--list"], ["points", "hw1", "--list"], ["roster", "tokens"], ["roster", "tokens", "ada"],
    )  # fmt: skip
    for words in asked:
        done = call(*words)
        assert (done.exit_code, "only course staff" in done.stderr) == (6, True), words
    log_in(served, "prof")
    for words in asked:
        for format in ("json", "table", "csv"):
            there = call(*words, "--format", format)
            here = call("--home", str(served.home.root), *words, "--format", format)
            assert there.exit_code == 0, there.output
            assert (there.stdout, there.stderr) == (here.stdout, here.stderr), words
    assert [row["reason"] for row in listed(*asked[1])] == ["an outage"]
    assert [row["slots"] for row in listed(*asked[2])] == [2]
    assert [(row["id"], row["points"]) for row in listed(*asked[3])] == [("ada", 1.5)]
    assert {row["id"] for row in listed(*asked[5])} == {"ada"}
    text = call(*asked[4], "--format", "json").stdout
    with served.home.database() as database:
        hashes = database.column("SELECT hash FROM tokens")
    assert not [digest for digest in hashes if digest in text]


def test_the_log_is_read_page_by_page_by_homework_person_kind_and_day(site: Class) -> None:
    handed_in(site, "b01", 1.0, 2.0)
    with site.home.database() as database:
        for number in range(120):
            why: dict[str, Any] = {"actor": "tom", "reason": f"reason {number}", "now": NOW + timedelta(days=1)}
            adjustments.extend(database, "hw01/1", "all", "", until=None, slots=number, **why)
        every = [event.seq for event in events.events(database)]
    staff = signed_in(site, "tom")
    got, address = [], "/log"
    while address:
        page = Reader(staff.get(address).text)
        got += [int(one.text) for one in page.all("th") if one.attributes.get("scope") == "row"]
        address = next((one.attributes["href"] for one in page.all("a") if one.text == "Older"), "")
    assert got == every[::-1]
    found = [staff.get(f"/log?{query}").text for query in ("by=b01", "kind=extended&hw=hw1", "since=2027-03-03")]
    assert (found[0].count("<td>accepted</td>"), "reason 119" in found[0]) == (2, False)
    assert "reason 119" in found[1]
    assert "No event fits." in found[2]
    body = site.client("tom").get("/api/v1/log?by=tom&last=3").json()
    assert [row["reason"] for row in body["events"]] == ["reason 117", "reason 118", "reason 119"]
    assert body["older"] is True


def test_the_page_of_tokens_has_states_and_no_secret(site: Class) -> None:
    expired = site.token("b02", expires=NOW, label="old laptop")
    revoked = site.token("b02", label="lost phone")
    with site.home.database() as database:
        found = access_tokens.find_token(database, access_tokens.hash_token(revoked), NOW)
        assert found is not None
        access_tokens.revoke_token(database, found[0].id, "ian", NOW)
    text = signed_in(site, "tom").get("/roster/tokens?q=b02").text
    for label, state in (("old laptop", "expired"), ("lost phone", "revoked"), ("test", "valid")):
        row = next(line for line in text.splitlines() if label in line)
        assert f"<td>{state}</td>" in row
    for token in (expired, revoked, site.tokens["b02"]):
        assert token not in text
        assert access_tokens.hash_token(token) not in text
