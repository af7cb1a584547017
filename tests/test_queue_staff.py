"""The queue of all homeworks, for staff: by API, page and command."""

from __future__ import annotations

import csv
import io
import json
from datetime import timedelta
from typing import Any

import pytest

from harness.cli import common
from harness.versions import all_versions
from leaderboard import queue
from tests import class_server, classes, web
from tests.class_server import Served, call, log_in, sample
from tests.classes import NOW, Class, replace_data
from tests.web import Reader, handed_in, signed_in

school, site = classes.school, web.site
home, served, folders = class_server.home, class_server.served, class_server.folders
HOUR = timedelta(hours=1)


def take(school: Class, worker: str = "w") -> queue.Lease | None:
    with school.home.database() as database:
        return queue.lease(database, all_versions(school.home, database), worker, school.now, HOUR)


def end(school: Class, lease: queue.Lease | None, how: str) -> None:
    assert lease is not None
    with school.home.database() as database:
        {"fail": queue.fail, "lose": queue.lose}[how](database, lease)


def listed(school: Class) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = school.client("tom").get("/api/v1/queue").json()["submissions"]
    return rows


def test_the_queue_is_in_the_order_in_which_it_is_taken_with_what_failed_at_its_end(school: Class) -> None:
    assert listed(school) == []
    handed_in(school, "tom", 9.0)
    school.work()  # a grade, which is not in the queue
    handed_in(school, "b01", 1.0, 2.0, 3.0)
    handed_in(school, "b03", 4.0)
    handed_in(school, "b02", 5.0)
    for _ in range(queue.ATTEMPTS):
        end(school, take(school), "fail")  # submission 2
    end(school, take(school), "fail")  # submission 3
    end(school, take(school), "lose")
    replace_data(school.home)  # what waits is graded still
    handed_in(school, "x01", 6.0)
    assert (lease := take(school)) is not None
    assert lease.submission == 3
    rows = listed(school)
    expected = [
        (3, "grading", None, 1, 1), (5, "queued", 1, 0, 0), (6, "queued", 2, 0, 0), (7, "queued", 3, 0, 0),
        (4, "queued", 4, 0, 0), (2, "failed", None, 2, 0),
    ]  # fmt: skip
    told = [(row["submission"], row["state"], row["position"], row["failed"], row["lost"]) for row in rows]
    assert told == expected
    assert {(row["homework"], row["version"]) for row in rows} == {("hw01", 1), ("hw01", 2)}
    assert (rows[1]["participant"], rows[2]["name"], rows[2]["at"]) == ("otters", "Bob", "2027-03-01T20:00:00+08:00")
    taken = [take(school) for _ in range(4)]
    assert [one.submission for one in taken if one is not None] == [row["submission"] for row in rows[1:5]]
    school.now += 2 * HOUR  # all leases have run out
    assert {row["state"] for row in listed(school) if row["submission"] != 2} == {"queued"}
    school.work()
    assert [row["submission"] for row in listed(school)] == [2], "it waits for an instructor"


def test_the_page_shows_what_the_endpoint_answers_in_pages(site: Class, monkeypatch: pytest.MonkeyPatch) -> None:
    staff = signed_in(site, "tom")
    assert "0 being graded, 0 waiting, 0 failed" in staff.get("/queue").text
    assert "/queue" in [one.attributes.get("href") for one in Reader(staff.get("/").text).all("a")]
    assert "/queue" not in signed_in(site, "b01").get("/").text
    handed_in(site, "b01", 1.0, 2.0)
    handed_in(site, "b02", 3.0)
    for _ in range(queue.ATTEMPTS):
        end(site, take(site), "fail")
    take(site)
    page = Reader(staff.get("/queue").text)
    assert "1 being graded, 1 waiting, 1 failed" in page.loose
    states = [one.text for one in page.all("span") if one.attributes.get("class", "").startswith("state")]
    assert states == ["being graded", "waiting, position 1", "failed"]
    numbers = [one.text for one in page.all("th") if one.attributes["scope"] == "row"]
    assert numbers == [str(row["submission"]) for row in listed(site)] == ["2", "3", "1"]
    monkeypatch.setattr("harness.server.staff_views.PER_PAGE", 2)
    assert "page 2 of 2" in staff.get("/queue?page=9").text


def test_the_command_lists_the_queue_at_home_and_under_a_login_of_staff(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(common, "clock", lambda: NOW)
    log_in(served)
    assert call("submit", "hw1", str(sample(served.home)), "--no-wait").exit_code == 0
    refused = call("status", "--queue")
    assert (refused.exit_code, "only course staff" in refused.stderr) == (6, True)
    log_in(served, "prof")
    root = str(served.home.root)
    for format in ("json", "csv", "table"):
        there = call("status", "--queue", "--format", format)
        here = call("--home", root, "status", "--queue", "--format", format)
        assert there.exit_code == here.exit_code == 0, there.output
        assert there.stdout == here.stdout
        rows = json.loads(there.stdout)["submissions"] if format == "json" else []
        rows = list(csv.DictReader(io.StringIO(there.stdout))) if format == "csv" else rows
        assert [(str(row["submission"]), row["state"]) for row in rows] == ([("1", "queued")] if rows else [])
        assert format == "table" or rows
    assert "waiting" in there.stdout
    for words in (["status"], ["status", "1", "--queue"], ["status", "--queue", "--save", "x"]):
        assert (call(*words).exit_code, call(*words).stdout) == (2, "")
