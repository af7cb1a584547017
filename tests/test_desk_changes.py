"""What staff change through a server: previewed, under their own name, whole or not at all."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from harness.competition import find_competition
from harness.grading import audit
from leaderboard import adjustments, events, records
from tests import class_server, web
from tests.class_server import Served, call, log_in
from tests.classes import NOW, Class, Client, error
from tests.web import FORM, Reader, browsing, signed_in

home, served, folders = class_server.home, class_server.served, class_server.folders
site = web.site

HW = "/homeworks/hw1"


def sent(page: httpx.Response, **values: str) -> dict[str, str]:
    """The fields of the form of a page that posts, with these values."""
    found = Reader(page.text)
    fields = {
        one.attributes["name"]: one.attributes.get("value", "")
        for one in found.all("input")
        if one.attributes.get("type") != "file"
        and "form" in one.inside
        and "name" in one.attributes
        and (one.attributes.get("type") != "checkbox" or "checked" in one.attributes)
    }
    fields |= {one.attributes["name"]: one.text for one in found.all("textarea")}
    return fields | values


def previewed(client: Client, where: str, **values: str) -> httpx.Response:
    """The preview of a change by the form of a page."""
    page = client.post(where, data=sent(client.get(where), go="preview", **values))
    assert (page.status_code, "Preview." in page.text) == (200, True), page.text
    return page


def of_kind(site: Class, kind: str) -> list[events.Event]:
    with site.home.database() as database:
        return [event for event in events.events(database) if event.kind == kind]


def test_an_extension_for_many_is_previewed_and_given_to_all_or_none(site: Class) -> None:
    staff, where = signed_in(site, "tom"), f"{HW}/extensions"
    reason = {"reason": "a fire alarm", "slots": "2", "day": "every"}
    page = staff.post(where, data=sent(staff.get(where), go="preview", people="b01\nb02\nnobody b03", **reason))
    assert page.status_code == 400, site.lines[-1]
    for words in ("Nobody on the roster has the id nobody", "extend the team", "Nothing was entered."):
        assert words in page.text
    page = previewed(staff, where, people="name,id\nAda,b01\nBob,b02\n", teams="otters\n", **reason)
    assert "2 more submissions every day for b01, b02, otters" in page.text
    assert of_kind(site, "extended") == []
    changed = staff.post(where, data=sent(page, go="do", people="b01", **reason))
    assert "Preview." in changed.text, "what was not previewed is not done"
    assert of_kind(site, "extended") == []
    done = staff.post(where, data=sent(page, go="do"))
    assert (done.status_code, done.headers["location"]) == (303, f"{where}?done=1")
    given = of_kind(site, "extended")
    assert [(event.actor, json.loads(event.body)["who"]) for event in given] == [
        ("tom", "b01"),
        ("tom", "b02"),
        ("tom", "otters"),
    ]
    again = staff.post(where, data=sent(page, go="do"))
    assert (again.status_code, "somebody else changed" in again.text.lower()) == (409, True), "sent twice, done once"
    assert len(of_kind(site, "extended")) == 3
    assert site.client("b01").get("/api/v1/homeworks/hw1/quota").json()["quota"][0]["limit"] == 102
    assert audit.verify(site.home)[0] == []


@pytest.mark.parametrize("what", ["hours", "day"])
def test_an_extension_that_comes_to_another_time_or_day_than_previewed_is_refused(site: Class, what: str) -> None:
    where, ian, page = f"/api/v1{HW}/extensions", site.client("ian"), signed_in(site, "tom")
    more = {"hours": 24} if what == "hours" else {"slots": 2}
    body = {"people": ["b01"], "reason": "ill", **more}
    seen = ian.post(where, json=body | {"preview": True}).json()["seen"]
    fields = {name: str(value) for name, value in more.items()}
    form = previewed(page, f"{HW}/extensions", people="b01", reason="ill", **fields)
    if what == "hours":
        rules = {"changes": {"deadline": "2027-04-20T00:00Z"}, "reason": "x"}
        assert ian.request("PATCH", f"/api/v1{HW}/rules", json=rules).status_code == 200
    else:
        site.now += timedelta(days=1)
    assert error(ian.post(where, json=body | {"seen": seen})) == (409, "E_CHANGED")
    assert error(ian.post(where, json=body | {"seen": "0"})) == (409, "E_CHANGED")
    raced = page.post(f"{HW}/extensions", data=sent(form, go="do"))
    assert (raced.status_code, "<code>E_CHANGED</code>" in raced.text) == (409, True)
    assert of_kind(site, "extended") == []
    seen = ian.post(where, json=body | {"preview": True}).json()["seen"]
    assert ian.post(where, json=body | {"seen": seen}).status_code == 200


def test_of_two_who_change_the_same_deadline_at_once_the_second_is_told_and_nothing_is_half_done(site: Class) -> None:
    where = f"{HW}/rules"
    tom, ian = signed_in(site, "tom"), signed_in(site, "ian")
    reason = {"reason": "announced"}
    both = [
        (one, previewed(one, where, rule_deadline=f"2027-04-0{day}T23:59+08:00", **more, **reason))
        for one, day, more in ((tom, 1, {}), (ian, 2, {"rule_quota": "9"}))
    ]
    assert "deadline from 2027-03-26T23:59:59+08:00 to 2027-04-01T23:59+08:00" in both[0][1].text
    assert both[0][0].post(where, data=sent(both[0][1], go="do")).status_code == 303
    late = both[1][0].post(where, data=sent(both[1][1], go="do"))
    assert (late.status_code, "Somebody else changed" in late.text or "somebody else changed" in late.text) == (
        409,
        True,
    )
    rules = find_competition(site.home, "hw1").rules
    assert (rules.deadline, rules.quota) == ("2027-04-01T23:59+08:00", 100)
    page = ian.post(where, data=sent(late, go="preview"))
    assert "deadline from 2027-04-01T23:59+08:00 to 2027-04-02T23:59+08:00" in page.text
    assert ian.post(where, data=sent(page, go="do")).status_code == 303
    assert [event.actor for event in of_kind(site, "rules changed")] == ["tom", "ian"]
    assert find_competition(site.home, "hw1").rules.quota == 9
    body = {"changes": {"quota": "4"}, "reason": "x"}
    seen = site.client("tom").request("PATCH", f"/api/v1{where}", json=body | {"preview": True}).json()["seen"]
    assert site.client("ian").request("PATCH", f"/api/v1{where}", json=body).status_code == 200
    refused = site.client("tom").request("PATCH", f"/api/v1{where}", json=body | {"seen": seen})
    assert error(refused) == (409, "E_CHANGED")


def test_of_many_who_confirm_at_the_same_instant_exactly_one_changes_the_deadline(site: Class) -> None:
    where = f"{HW}/rules"
    ian = site.client("ian")
    body = {"reason": "at once", "preview": True, "changes": {"deadline": "2027-05-01T00:00Z"}}
    seen = ian.request("PATCH", f"/api/v1{where}", json=body).json()["seen"]

    def change(day: int) -> int:
        asked = {"reason": "at once", "seen": seen, "changes": {"deadline": f"2027-05-{day:02}T00:00Z"}}
        return site.client("tom" if day % 2 else "ian").request("PATCH", f"/api/v1{where}", json=asked).status_code

    with ThreadPoolExecutor(6) as pool:
        assert sorted(pool.map(change, range(1, 7))) == [200] + [409] * 5
    (event,) = of_kind(site, "rules changed")
    assert find_competition(site.home, "hw1").rules.deadline == json.loads(event.body)["changes"]["deadline"][1]
    extending = {"everybody": True, "slots": 1, "reason": "at once"}
    before = ian.post(f"/api/v1{HW}/extensions", json=extending | {"preview": True}).json()["seen"]

    def extend(slots: int) -> int:
        asked = extending | {"slots": slots, "seen": before}
        return site.client("ian").post(f"/api/v1{HW}/extensions", json=asked).status_code

    with ThreadPoolExecutor(6) as pool:
        assert sorted(pool.map(extend, range(1, 7))) == [200] + [409] * 5
    assert len(of_kind(site, "extended")) == 1
    assert audit.verify(site.home)[0] == []


def test_a_form_that_another_changed_rules_behind_does_not_turn_them_back(site: Class) -> None:
    where = f"{HW}/rules"
    tom, ian = signed_in(site, "tom"), signed_in(site, "ian")
    old = ian.get(where)
    assert tom.post(where, data=sent(previewed(tom, where, rule_quota="7", reason="x"), go="do")).status_code == 303
    page = ian.post(where, data=sent(old, go="preview", rule_deadline="2027-05-01T00:00Z", reason="x"))
    assert "quota" not in page.text.partition("Preview.")[2].partition("</div>")[0]
    assert ian.post(where, data=sent(page, go="do")).status_code == 303
    rules = find_competition(site.home, "hw1").rules
    assert (rules.quota, rules.deadline) == (7, "2027-05-01T00:00Z")


def test_points_of_a_csv_are_previewed_and_entered_all_or_none(site: Class) -> None:
    staff, where = signed_in(site, "tom"), f"{HW}/parts"
    page = staff.post(where, data=sent(staff.get(where), go="preview", csv="id,code\nb01,1\nb02,99\n", reason="read"))
    assert (page.status_code, "the CSV line 3: expected 0 to 2 points" in page.text) == (400, True)
    page = previewed(staff, where, csv="id,code\nb01,1\nb02,2\n", reason="read")
    assert "code: 2, from 1 to 2, mean 1.5" in page.text
    assert staff.post(where, data=sent(page, go="do")).status_code == 303
    page = previewed(staff, where, csv="id,code\nb01,1.5\n", reason="looked again")
    assert "b01: code from 1 to 1.5" in page.text
    assert staff.post(where, data=sent(page, go="do")).status_code == 303
    with site.home.database() as database:
        entered = {key: (one.points, one.actor) for key, one in adjustments.parts(database, "hw01").items()}
    assert entered == {("b01", "code"): (1.5, "tom"), ("b02", "code"): (2.0, "tom")}
    assert audit.verify(site.home)[0] == []


@pytest.mark.parametrize("name", ["extensions", "parts", "rules"])
def test_a_form_of_staff_comes_from_a_page_of_the_server_and_wants_a_reason(site: Class, name: str) -> None:
    where = f"{HW}/{name}"
    given = {
        "extensions": {"everybody": "1", "slots": "1"},
        "parts": {"csv": "id,code\nb01,1\n"},
        "rules": {"rule_quota": "5"},
    }[name]
    before = len(of_kind(site, "extended") + of_kind(site, "points entered") + of_kind(site, "rules changed"))
    staff = signed_in(site, "tom")
    page = previewed(staff, where, reason="so", **given)
    for headers in ({"origin": "https://evil.example"}, {"sec-fetch-site": "cross-site"}):
        assert staff.post(where, data=sent(page, go="do"), headers=headers).status_code == 403
    del staff.headers["origin"]
    assert staff.post(where, data=sent(page, go="do")).status_code == 403, "neither header"
    staff.headers["origin"] = web.URL
    empty = staff.post(where, data=sent(previewed(staff, where, reason=" ", **given), go="do"))
    assert (empty.status_code, "a reason must have" in empty.text.lower()) == (400, True)
    assert signed_in(site, "b01").post(where, data=sent(page, go="do")).status_code == 403
    assert browsing(site).post(where, data=sent(page, go="do"), headers=FORM).status_code == 401
    reading = site.client()
    reading.headers.update({"authorization": f"Bearer {site.token('tom', scope='read')}", "origin": web.URL})
    assert reading.post(where, data=sent(page, go="do")).status_code == 403
    after = len(of_kind(site, "extended") + of_kind(site, "points entered") + of_kind(site, "rules changed"))
    assert after == before


def test_an_instructor_reveals_on_the_page_once_and_nobody_else_does(site: Class) -> None:
    staff, where = signed_in(site, "ian"), f"{HW}/reveal"
    link = "/homeworks/hw01/reveal"
    assert link in staff.get(f"{HW}/staff").text
    assert link not in signed_in(site, "tom").get(f"{HW}/staff").text
    page = previewed(staff, where, reason="end of term")
    assert "students can still submit until" in page.text
    assert "this cannot be undone" in page.text
    assert not of_kind(site, "revealed"), "a preview reveals nothing"
    form = sent(page, go="do")
    for who in ("tom", "b01"):
        refused = signed_in(site, who).post(where, data=form)
        assert (refused.status_code, of_kind(site, "revealed")) == (403, [])
    with site.home.database() as database:
        adjustments.extend(
            database, "hw01/1", "all", "", until=site.now + timedelta(days=90), actor="tom", reason="x", now=site.now
        )
    moved = staff.post(where, data=form)
    assert (moved.status_code, "<code>E_CHANGED</code>" in moved.text, of_kind(site, "revealed")) == (409, True, [])
    page = previewed(staff, where, reason="end of term")
    assert staff.post(where, data=sent(page, go="do")).status_code == 303
    (event,) = of_kind(site, "revealed")
    assert (event.actor, json.loads(event.body)["reason"]) == ("ian", "end of term")
    assert site.client("b01").get("/api/v1/homeworks/hw1/board?private=true").status_code == 200
    again = site.client("ian").post(f"/api/v1{where}", json={"reason": "again"})
    assert (again.status_code, "was revealed at" in again.json()["what"]) == (200, True)
    assert len(of_kind(site, "revealed")) == 1
    assert "It was revealed" in staff.get(where).text
    assert link not in staff.get(f"{HW}/staff").text
    assert audit.verify(site.home)[0] == []


def test_a_board_is_revealed_by_the_command_under_a_login(served: Served, folders: Path) -> None:
    log_in(served)
    refused = call("reveal", "hw1", "--reason", "end", "--yes")
    assert (refused.exit_code, "can reveal a private board" in refused.stderr) == (6, True)
    log_in(served, "prof")
    assert call("reveal", "hw1", "--reason", "end", input="n\n").exit_code == 1
    assert call("leaderboard", "hw1", "--private").exit_code == 6
    done = call("reveal", "hw1", "--reason", "end", "--yes")
    assert (done.exit_code, "hw01: the private board is revealed" in done.stdout) == (0, True), done.output
    assert call("leaderboard", "hw1", "--private").exit_code == 0
    with served.home.database() as database:
        assert [event.actor for event in events.events(database) if event.kind == "revealed"] == ["prof"]


def test_after_the_reveal_nobody_is_extended_and_rules_are_final(site: Class) -> None:
    with site.home.database() as database:
        records.reveal(database, "hw01/1", "ian", "the end", site.now)
    staff = site.client("ian")
    body: dict[str, Any] = {"everybody": True, "slots": 1, "reason": "x"}
    assert error(staff.post(f"/api/v1{HW}/extensions", json=body)) == (409, "E_CLOSED")
    body = {"changes": {"quota": "5"}, "reason": "x"}
    assert error(staff.request("PATCH", f"/api/v1{HW}/rules", json=body)) == (409, "E_CLOSED")


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("extensions", {"everybody": True, "people": ["b01"], "slots": 1}),
        ("extensions", {"people": ["b01"]}),
        ("extensions", {"people": "b01", "slots": 1}),
        ("extensions", {"people": ["b01"], "slots": 1.5}),
        ("extensions", {"people": ["b01"], "until": "soon"}),
        ("extensions", {"everybody": True, "hours": -1}),
        ("extensions", {"everybody": True, "slots": 1, "day": "tomorrow"}),
        ("extensions", {"people": ["b01", 2], "slots": 1}),
        ("parts", {"entries": []}),
        ("parts", {"entries": [{"id": "b01", "part": "code"}]}),
        ("parts", {"entries": [{"id": "b01", "part": "code", "points": "2"}]}),
        ("parts", {"entries": [{"id": "b01", "part": "code", "points": 2}] * 2}),
        ("rules", {"changes": {"beauty": "1"}}),
        ("rules", {"changes": {"quota": "-1"}}),
        ("rules", {"changes": {"deadline": "soon"}}),
        ("rules", {"changes": {"quota": 5}}),
    ],
)
def test_a_change_that_cannot_be_is_refused_with_a_code_and_changes_nothing(
    site: Class, path: str, body: dict[str, Any]
) -> None:
    with site.home.database() as database:
        before = events.count(database)
    method = "PATCH" if path == "rules" else "POST"
    answer = site.client("tom").request(method, f"/api/v1{HW}/{path}", json=body | {"reason": "x"})
    assert answer.status_code == 400, answer.text
    assert error(answer)[1] in ("E_USAGE", "E_INPUT", "E_ROSTER")
    with site.home.database() as database:
        assert events.count(database) == before


def test_a_login_changes_what_the_machine_does_under_its_own_name(served: Served, tmp_path: Path) -> None:
    (tmp_path / "people.csv").write_text("id\nada\nbob\n")
    (tmp_path / "code.csv").write_text("id,code\nada,1\nbob,2\n")
    changes = (
        ["extend", "hw1", "--people", str(tmp_path / "people.csv"), "--slots", "3"],
        ["points", "hw1", "eve", "code", "1.5"],
        ["points", "hw1", "--csv", str(tmp_path / "code.csv")],
        ["rules", "hw1", "quota=7"],
    )
    log_in(served)
    for words in changes:
        assert call(*words, "--reason", "so", "--yes").exit_code == 6, words
    log_in(served, "prof")
    for words in changes:
        asked = call(*words, "--reason", "so", input="n\n")
        assert asked.exit_code == 1, asked.output
    with served.home.database() as database:
        assert {event.kind for event in events.events(database)} <= {"roster imported", "tokens issued", "prepared"}
    for words in changes:
        done = call(*words, "--reason", "so", "--yes")
        assert done.exit_code == 0, done.output
    with served.home.database() as database:
        done_by = [(event.kind, event.actor) for event in events.events(database)]
    assert done_by[-6:] == [("extended", "prof")] * 2 + [("points entered", "prof")] * 3 + [("rules changed", "prof")]
    assert "E_CHANGED" not in call("extend", "hw1", "--list").output


def test_time_given_with_hours_ends_after_the_deadline_in_its_zone(site: Class) -> None:
    staff, where = signed_in(site, "tom"), f"{HW}/extensions"
    page = previewed(staff, where, people="b01", until="2027-03-28T12:00", reason="ill")
    assert "until 2027-03-28T" in page.text
    assert staff.post(where, data=sent(page, go="do")).status_code == 303
    closes = site.client("b01").get("/api/v1/homeworks/hw1").json()["closes"]
    zone = find_competition(site.home, "hw1").rules.deadline_zone
    assert zone
    assert closes > "2027-03-28"
    assert site.client("b02").get("/api/v1/homeworks/hw1").json()["closes"] < "2027-03-27"
    assert site.now + timedelta() == NOW
