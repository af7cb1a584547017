"""A submission that staff take out of the count, and a person's page with everything of theirs."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any
from urllib.parse import quote

import pytest

from harness.grading import audit, worker
from leaderboard import adjustments, enrolment, events, roster
from tests import class_server, classes, web
from tests.class_server import Served, call, log_in, sample, work
from tests.classes import Class, error, submit
from tests.test_desk_changes import of_kind, previewed, sent
from tests.web import Reader, handed_in, reveal, signed_in

home, served, folders = class_server.home, class_server.served, class_server.folders
site, school = web.site, classes.school
API = "/api/v1/submissions/{}/disqualification"


def board(site: Class, side: str = "") -> list[tuple[str, int, int]]:
    rows = site.client("ian").get(f"/api/v1/homeworks/hw1/board{side}").json()["board"]
    return [(row["name"], row["submission"], row["entries"]) for row in rows]


def test_a_disqualified_submission_leaves_every_board_and_selection_and_comes_back(school: Class) -> None:
    site = school
    handed_in(site, "b01", 30.0, 20.0)
    handed_in(site, "b02", 25.0)
    site.work()
    own = site.client("b01")
    best, other = sorted((1, 2), key=lambda n: own.get(f"/api/v1/submissions/{n}").json()["scores"][0]["public"])
    assert own.put("/api/v1/homeworks/hw1/selection", json={"submissions": [best, other]}).status_code == 200
    before = board(site)
    assert ("Ada", best, 2) in before
    ian = site.client("ian")
    said = ian.post(API.format(best), json={"reason": "x", "preview": True}).json()
    assert (said["done"], f"submission {best} of Ada" in said["what"]) == (False, True)
    assert board(site) == before
    assert ian.post(API.format(best), json={"reason": "the file of Bob"}).status_code == 200
    assert ("Ada", other, 1) in board(site)
    quota = own.get("/api/v1/homeworks/hw1/quota").json()["quota"][0]
    assert (quota["used"], quota["refused"]) == (2, 0), "the slot stays used"
    assert own.get("/api/v1/homeworks/hw1/selection").json()["selected"] == [other]
    seen = own.get(f"/api/v1/submissions/{best}").json()
    assert (seen["state"], seen["code"], seen["scores"]) == ("rejected", "E_DISQUALIFIED", [])
    assert "the file of Bob" in seen["problems"][0]["message"]
    refused = own.put("/api/v1/homeworks/hw1/selection", json={"submissions": [best]})
    assert error(refused)[1] == "E_SELECTION"
    again = submit(own, site.file(30.0 if best == 1 else 20.0))
    assert (again.status_code, again.json()["submission"]) == (200, best), "the same file is the same submission"
    assert audit.verify(site.home)[0] == []
    for number, undo in ((best, False), (other, True), (99, False)):
        status, code = error(ian.post(API.format(number), json={"reason": "x", "undo": undo}))
        assert (status, code) == ((404, "E_NOT_FOUND") if number == 99 else (409, "E_DISQUALIFIED"))
    assert ian.post(API.format(best), json={"reason": "a mistake", "undo": True}).status_code == 200
    assert board(site) == before
    assert audit.verify(site.home)[0] == []
    reveal(site)
    assert ian.post(API.format(other), json={"reason": "late find"}).status_code == 200
    assert [row[1] for row in board(site, "?private=true") if row[0] == "Ada"] == [best]
    book = ian.get("/api/v1/homeworks/hw1/gradebook").json()["students"]
    assert next(row for row in book if row["id"] == "b01")["homeworks"]["hw01"]["submissions"] == [best]


def test_a_selection_comes_back_with_its_submission_after_the_close_where_it_has_room(school: Class) -> None:
    site = school
    handed_in(site, "b01", 30.0, 20.0, 25.0)
    site.work()
    own, where = site.client("b01"), "/api/v1/homeworks/hw1/selection"
    assert own.put(where, json={"submissions": [1, 2]}).status_code == 200
    ian = site.client("ian")
    again = {"reason": "a mistake", "undo": True}
    assert ian.post(API.format(1), json={"reason": "the file of Bob"}).status_code == 200
    with site.home.database() as database:
        (out,) = [event for event in events.events(database) if event.kind == "disqualified"]
    assert json.loads(out.body)["selected"] == [1, 2]
    assert own.put(where, json={"submissions": [2, 3]}).status_code == 200
    said = ian.post(API.format(1), json=again | {"preview": True}).json()
    assert said["lines"] == ["it was selected, and is no more: 2 others are"]
    assert ian.post(API.format(1), json=again).status_code == 200
    assert own.get(where).json()["selected"] == [2, 3], "no room"
    site.now += timedelta(days=60)
    assert error(own.put(where, json={"submissions": [1]})) == (409, "E_CLOSED")
    for _ in range(2):
        assert ian.post(API.format(2), json={"reason": "the file of Bob"}).status_code == 200
        assert own.get(where).json()["selected"] == [3]
        assert ian.post(API.format(2), json=again | {"preview": True}).json()["lines"] == [
            "it was selected, and is again"
        ]
        assert ian.post(API.format(2), json=again).status_code == 200
        assert own.get(where).json()["selected"] == [2, 3]
    last = of_kind(site, "selected")[-1]
    assert (last.actor, json.loads(last.body)["reason"]) == ("ian", "a mistake")
    assert audit.verify(site.home)[0] == []


def test_a_disqualification_is_refused_where_the_submission_is_not_as_previewed(school: Class) -> None:
    site = school
    handed_in(site, "b01", 30.0, 20.0)
    site.work()
    own, ian, where = site.client("b01"), site.client("ian"), "/api/v1/homeworks/hw1/selection"
    for undo in (False, True):
        asked: dict[str, Any] = {"reason": "a copy", "undo": undo}
        asked["seen"] = ian.post(API.format(1), json=asked | {"preview": True}).json()["seen"]
        assert own.put(where, json={"submissions": [2] if undo else [1]}).status_code == 200
        assert error(ian.post(API.format(1), json=asked)) == (409, "E_CHANGED")
        asked["seen"] = ian.post(API.format(1), json=asked | {"preview": True}).json()["seen"]
        assert ian.post(API.format(1), json=asked | {"undo": not undo}).status_code == 409
        assert ian.post(API.format(1), json=asked).status_code == 200
    assert own.get(where).json()["selected"] == [1, 2]


def test_a_running_worker_regrades_a_reinstated_submission_that_it_had_passed_over(site: Class) -> None:
    handed_in(site, "b01", 30.0)
    site.work()
    ian = site.client("ian")
    assert ian.post(API.format(1), json={"reason": "x"}).status_code == 200
    one = worker.new_worker(site.home, worker.Limits(20.0), site.lines.append)
    worker.refresh(one)
    one.answers = {key: replace(secret, metric_version="newer") for key, secret in one.answers.items()}
    with site.home.database() as database:
        for _ in range(2):
            assert worker.next_lease(one, database, lambda: site.now) is None
            assert one.settled == 1
        assert ian.post(API.format(1), json={"reason": "x", "undo": True}).status_code == 200
        lease = worker.next_lease(one, database, lambda: site.now)
        assert lease is not None
        assert lease.submission == 1


def test_a_row_that_was_disqualified_behind_the_log_is_found(site: Class) -> None:
    handed_in(site, "b01", 1.0)
    site.work()
    for code in ("E_DISQUALIFIED", "E_COLUMNS"):
        with site.home.database() as database, database.transaction():
            database.execute("UPDATE submissions SET rejected_at = 1, rejected_code = :code WHERE id = 1", code=code)
        assert any("the log says" in finding for finding in audit.verify(site.home)[0])


def test_only_an_instructor_disqualifies_by_a_page_with_a_preview_and_a_reason(site: Class) -> None:
    handed_in(site, "b01", 1.0, 2.0)
    site.work()
    handed_in(site, "b01", 3.0)
    where = "/submissions/1/disqualify"
    tom, ian = signed_in(site, "tom"), signed_in(site, "ian")
    page = previewed(ian, where, reason="a copy")
    assert tom.get(where).status_code == 403
    assert "Disqualify" not in tom.get("/submissions/1").text
    assert tom.post(where, data=sent(page, go="do")).status_code == 403
    assert error(site.client("tom").post(API.format(1), json={"reason": "x"})) == (403, "E_NOT_ALLOWED")
    assert of_kind(site, "disqualified") == []
    assert ian.post(where, data=sent(page, go="do")).status_code == 303
    (event,) = of_kind(site, "disqualified")
    assert (event.actor, json.loads(event.body)["reason"]) == ("ian", "a copy")
    mine = signed_in(site, "b01")
    assert "disqualified" in mine.get("/homeworks/hw1/submissions").text
    text = Reader(mine.get("/submissions/1").text)
    assert "Disqualified by the course staff: a copy" in "".join(one.text for one in text.all("bdi"))
    assert "Disqualify</a>" not in mine.get("/submissions/2").text
    waiting = ian.post("/submissions/3/disqualify", data=sent(ian.get(where), undo="0", go="preview", reason="x"))
    assert (waiting.status_code, "no score yet" in waiting.text) == (409, True)
    page = previewed(ian, where, reason="not a copy")
    assert ian.post(where, data=sent(page, go="do")).status_code == 303
    assert [event.kind for event in of_kind(site, "reinstated")] == ["reinstated"]


def test_a_persons_page_has_everything_of_theirs(site: Class) -> None:
    handed_in(site, "b03", 1.0)
    site.work()
    with site.home.database() as database:
        why: dict[str, Any] = {"actor": "tom", "now": site.now}
        adjustments.extend(database, "hw01/1", "team", "otters", until=None, slots=2, reason="lost files", **why)
        adjustments.extend(database, "hw01/1", "person", "b01", until=None, slots=2, reason="not theirs", **why)
        adjustments.enter_points(database, "hw01", "b04", "code", 1.5, reason="read well", **why)
    card = site.client("tom").get("/api/v1/roster/people/b04").json()
    assert [row["id"] for row in card["submissions"]] == [1], "of the team"
    assert card["points"]["homeworks"][0]["parts"]["code"] == 1.5
    assert [row["reason"] for one in card["extensions"] for row in one["extensions"]] == ["lost files"]
    assert [row["label"] for row in card["tokens"]] == ["test"]
    text = signed_in(site, "tom").get("/roster/people/b04").text
    for words in ("Kim", "otters", "b04@example.org", "lost files", "read well", "/submissions/1"):
        assert words in text
    assert "not theirs" not in text
    assert site.client("tom").get("/api/v1/roster/people/tom").json()["points"] is None


def test_a_person_whose_id_has_signs_of_addresses_has_a_page_too(site: Class) -> None:
    key = "a/b?c#d%2e"
    with site.home.database() as database:
        enrolment.add_person(database, roster.RosterEntry(key, "Zoe"), actor="ian", reason="x", now=site.now)
    ian = signed_in(site, "ian")
    links = [one.attributes["href"] for one in Reader(ian.get("/roster?q=Zoe").text).all("a") if one.text == "Zoe"]
    page = ian.get(links[0])
    assert (page.status_code, key in page.text) == (200, True)
    (stand,) = [
        one.attributes["href"]
        for one in Reader(page.text).all("a")
        if "roster" in one.text and "/stand" in one.attributes["href"]
    ]
    done = ian.post(stand, data=sent(previewed(ian, stand, reason="x"), go="do"))
    assert done.status_code == 303
    assert site.client("tom").get(f"/api/v1/roster/people/{quote(key, safe='')}").json()["disabled"] is True


def test_a_login_shows_a_person_and_disqualifies_as_the_machine_does(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    work(served, monkeypatch)
    log_in(served)
    assert call("submit", "hw1", str(sample(served.home))).exit_code == 0
    words = ["disqualify", "1", "--reason", "a copy", "--yes"]
    assert call(*words).exit_code == 6
    log_in(served, "prof")
    root = str(served.home.root)
    for format in ("json", "csv", "table"):
        there = call("roster", "show", "ada", "--format", format)
        here = call("--home", root, "roster", "show", "ada", "--format", format)
        assert (there.stdout, there.stderr, there.exit_code) == (here.stdout, here.stderr, 0)
    assert call("roster", "show", "nobody").exit_code == 2
    done = call(*words)
    assert (done.exit_code, done.stdout) == (0, "hw01, submission 1 of ada: disqualify\n"), done.output
    assert call(*words).exit_code == 8
    log_in(served)
    assert "a copy" in call("status", "1").output
    with served.home.database() as database:
        assert [event.actor for event in events.events(database) if event.kind == "disqualified"] == ["prof"]
