"""What students do on their pages beside handing in: tokens, files of theirs, announcements, boards without names."""

from __future__ import annotations

import html
import itertools
import json
import re
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from urllib.parse import quote

import pytest

from harness.grading import audit
from harness.home import open_home
from harness.server import chart
from harness.settings import read_settings
from leaderboard.acceptance import KEPT_FILES
from tasks.errors import UserError
from tests import class_server, web
from tests.class_server import Served, call, log_in, sample
from tests.classes import NOW, WIDE, Class, error, submit
from tests.test_desk_changes import of_kind, sent
from tests.test_pages_drawn import metric
from tests.web import FORM, Reader, entry, handed_in, signed_in

home, served, folders = class_server.home, class_server.served, class_server.folders
site = web.site


def test_a_token_is_made_named_shown_once_and_ended_on_a_page(site: Class) -> None:
    mine = signed_in(site, "b01")
    page = mine.post("/tokens", data=sent(mine.get("/tokens"), label="my laptop"))
    (token,) = re.findall(r"lhy_[\w-]{43}", page.text)
    assert page.headers["cache-control"] == "no-store"
    assert [one.attributes["data-copy"] for one in Reader(page.text).all("button") if "data-copy" in one.attributes]
    again = mine.get("/tokens").text
    assert "my laptop" in again
    assert token not in again
    api = site.client()
    api.headers["Authorization"] = f"Bearer {token}"
    assert api.get("/api/v1/me").json()["key"] == "b01"
    numbers = [row["id"] for row in api.get("/api/v1/tokens").json()["tokens"]]
    other = signed_in(site, "b02")
    assert other.post(f"/tokens/{numbers[-1]}/end", headers=FORM).status_code == 404, "not hers"
    del mine.headers["origin"]
    assert mine.post(f"/tokens/{numbers[-1]}/end", headers=FORM).status_code == 403
    assert mine.post("/tokens", data={"label": "x"}).status_code == 403
    mine.headers["origin"] = web.URL
    assert mine.post(f"/tokens/{numbers[-1]}/end", headers=FORM).headers["location"] == "/tokens?done=1"
    assert api.get("/api/v1/me").status_code == 401
    assert mine.post(f"/tokens/{numbers[0]}/end", headers=FORM).headers["location"] == "/login", "that of the browser"
    assert mine.get("/tokens").status_code == 303


def test_a_token_with_a_bad_name_or_one_too_many_is_refused_on_the_page(site: Class) -> None:
    mine = signed_in(site, "b01")
    for label in ("invitation", "a\x1b[31m", "x" * 61):
        page = mine.post("/tokens", data={"label": label})
        assert (page.status_code, "lhy_" in Reader(page.text).loose) == (400, False), label
    for number in range(19):
        assert mine.post("/tokens", data={"label": f"{number}"}).status_code == 200
    page = mine.post("/tokens", data={"label": "one more"})
    assert (page.status_code, "you have 20 tokens" in page.text) == (400, True)
    reading = site.client()
    reading.headers.update({"authorization": f"Bearer {site.token('b01', scope='read')}", "origin": web.URL})
    assert 'name="label"' not in reading.get("/tokens").text
    assert reading.post("/tokens", data={"label": "x"}).status_code == 403


def test_one_gets_ones_own_files_back_byte_by_byte_and_no_others(site: Class) -> None:
    name = "../../my \u202efile|.csv"
    assert submit(site.client("b03"), site.file(1.0), **{"x-filename": quote(name)}).status_code == 202
    for number in range(KEPT_FILES + 1):
        submit(site.client("b03"), b"id,y\n%d,\xff" % number)
    site.work()
    for who in ("b03", "b04", "tom"):
        got = site.client(who).get("/api/v1/submissions/1/file")
        assert got.content == site.file(1.0)
        assert got.headers["content-type"] == "application/octet-stream"
        assert got.headers["content-disposition"].startswith("attachment; filename*=utf-8''my")
        assert got.headers["x-content-type-options"] == "nosniff"
        assert got.headers["last-modified"] == "Mon, 01 Mar 2027 12:00:00 GMT", "as it arrived, not as it was written"
    for who, number in (("b01", 1), ("b03", KEPT_FILES + 2), ("b03", 99)):
        assert error(site.client(who).get(f"/api/v1/submissions/{number}/file")) == (404, "E_NOT_FOUND")
    assert "/api/v1/submissions/1/file" in signed_in(site, "b03").get("/submissions/1").text


def test_a_login_saves_a_file_as_the_machine_does(served: Served, tmp_path: Path) -> None:
    log_in(served)
    file = sample(served.home)
    assert call("submit", "hw1", str(file), "--no-wait").exit_code == 0
    for name, words in (("there.csv", []), ("here.csv", ["--home", str(served.home.root)])):
        done = call(*words, "status", "1", "--save", str(tmp_path / name))
        assert done.exit_code == 0, done.output
        assert (tmp_path / name).read_bytes() == file.read_bytes()
    assert call("status", "1", "--save", str(tmp_path / "there.csv")).exit_code == 8
    log_in(served, "bob")
    assert call("status", "1", "--save", str(tmp_path / "no.csv")).exit_code == 2
    assert not (tmp_path / "no.csv").exists()


def test_a_board_without_names_tells_staff_all_and_students_their_own_alone(site: Class) -> None:
    path = site.home.root / "config.toml"
    path.write_text(path.read_text().replace("[hw01]", "anonymous = true\n[hw01]", 1))
    site.home = open_home(site.home.root)
    for key, value in (("b01", 9.0), ("b02", 10.0), ("b03", 11.0)):
        handed_in(site, key, value)
    site.work()

    def names(who: str) -> list[str]:
        return [row["name"] for row in site.client(who).get("/api/v1/homeworks/hw1/board").json()["board"]]

    assert sorted(names("tom")) == ["Ada", "Bob", "otters"]
    assert names("nobody") == ["a participant"] * 3
    seen = {who: dict(zip(names("tom"), names(who), strict=True)) for who in ("b01", "b02")}
    assert seen["b01"]["Ada"] == "Ada"
    assert seen["b02"]["Bob"] == "Bob"
    assert re.fullmatch("participant [0-9a-f]{8}", seen["b01"]["otters"])
    assert seen["b01"]["otters"] == seen["b02"]["otters"] != seen["b02"]["Ada"]
    text = signed_in(site, "b01").get("/homeworks/hw1/board").text
    assert not {"Bob", "otters"} & set(re.findall(r"\w+", text))
    path.write_text(path.read_text().replace("true", '"yes"', 1))
    site.apps.clear()
    assert site.client("b01").get("/api/v1/homeworks/hw1/board").status_code == 503, "no name by mistake"


def test_a_history_says_on_which_days_and_the_days_have_room() -> None:
    rows = [replace(entry(n, 1.0 + n), at=f"2027-03-{n:02}T12:00:00+08:00") for n in range(1, 29)]
    drawn = chart.chart(metric(higher=False), [], rows)
    assert drawn is not None
    assert drawn.dates[0].text == "2027-03-01"
    places = [day.x for day in drawn.dates]
    assert 3 <= len(places) <= 4
    assert all(right - left >= chart.DAY for left, right in itertools.pairwise(places))
    same = chart.chart(metric(higher=False), [], [entry(n, 1.0 + n) for n in range(9)])
    assert same is not None
    assert [day.text for day in same.dates] == ["2027-03-01"]


def test_the_page_of_the_client_has_the_address_of_the_course(site: Class) -> None:
    text = site.client().get("/client").text
    assert f"lhy-grade login {WIDE.address}" in text
    assert "/client" in site.client().get("/").text
    assert "course staff tell you where to get" in text
    for place in ("https://ml.example.edu/lhy_grade-1.0-py3-none-any.whl", "git+https://example.edu/ml/grade.git"):
        told = site.client(settings=replace(WIDE, client=place)).get("/client").text
        assert f"pipx install {place}" in told
        assert f'pipx install "lhy-grade[train] @ {place}"' in html.unescape(told)
        assert "course staff tell you where to get" not in told


@pytest.mark.parametrize("place", ["file:///etc", "https://a.org/x; rm -rf ~", "https://a.org/$(id)", "x", "https://"])
def test_a_place_of_the_client_that_is_no_address_is_refused(site: Class, place: str) -> None:
    (site.home.root / "config.toml").write_text(f"[server]\nclient = {json.dumps(place)}\n")
    with pytest.raises(UserError, match="client must be an address"):
        read_settings(open_home(site.home.root))


def test_an_announcement_is_read_by_those_who_are_in_the_course_and_ends(site: Class) -> None:
    evil = "Exam on <b>Monday</b>\nBring {{ 7 * 7 }} & a pen"
    body = {"text": evil}
    assert error(site.client("b01").post("/api/v1/announcements", json=body)) == (403, "E_NOT_ALLOWED")
    staff = signed_in(site, "tom")
    for bad in ("", " ", "x" * 2001, "a\x1b[31m"):
        assert error(site.client("tom").post("/api/v1/announcements", json={"text": bad})) == (400, "E_INPUT")
    done = staff.post("/announcements", data={"text": evil.replace("\n", "\r\n")})
    assert (done.status_code, done.headers["location"]) == (303, "/?done=1")
    site.now = NOW + timedelta(hours=1)
    assert site.client("ian").post("/api/v1/announcements", json={"text": "The newer one"}).status_code == 200
    page = signed_in(site, "b01").get("/")
    assert "&lt;b&gt;Monday&lt;/b&gt;" in page.text
    assert "{{ 7 * 7 }}" in page.text
    assert page.text.index("The newer one") < page.text.index("Monday")
    assert 'action="/announcements' not in page.text
    Reader(page.text)
    assert "Monday" not in site.client().get("/").text, "for the course alone"
    assert error(site.client().get("/api/v1/announcements")) == (401, "E_LOGIN")
    listed = site.client("b01").get("/api/v1/announcements").json()["announcements"]
    assert [(row["id"], row["by"]) for row in listed] == [(2, "Ian"), (1, "Tom")]
    assert listed[1]["text"] == evil
    assert error(site.client("b01").delete("/api/v1/announcements/1")) == (403, "E_NOT_ALLOWED")
    del staff.headers["origin"]
    assert staff.post("/announcements/1/end", headers=FORM).status_code == 403
    staff.headers["origin"] = web.URL
    assert staff.post("/announcements/1/end", headers=FORM).status_code == 303
    assert error(site.client("tom").delete("/api/v1/announcements/1")) == (404, "E_NOT_FOUND")
    assert "Monday" not in signed_in(site, "b01").get("/").text
    assert [event.actor for event in of_kind(site, "announced")] == ["tom", "ian"]
    assert audit.verify(site.home)[0] == []
    with site.home.database() as database, database.transaction():
        database.execute("UPDATE announcements SET text = 'No exam' WHERE id = 2")
    assert any("announcement 2" in finding for finding in audit.verify(site.home)[0])


def test_a_login_announces_lists_and_ends_as_the_machine_does(served: Served) -> None:
    log_in(served)
    assert call("announce", "hello").exit_code == 6
    log_in(served, "prof")
    root = str(served.home.root)
    assert call("announce", "No class on Friday").exit_code == 0
    assert call("--home", root, "announce", "Class on Monday", "--as", "prof").exit_code == 0
    log_in(served)
    there, here = call("announce", "--list"), call("--home", root, "announce", "--list")
    assert (there.stdout, there.exit_code) == (here.stdout, 0)
    assert "No class on Friday" in there.stdout
    assert call("announce", "--end", "1").exit_code == 6
    log_in(served, "prof")
    assert call("announce", "--end", "1").exit_code == 0
    assert "Friday" not in call("announce", "--list").stdout
    assert call("announce").exit_code == 2
