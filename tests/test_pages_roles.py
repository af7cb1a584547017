"""The web pages: who sees what, and what no page shows before the reveal."""

from __future__ import annotations

import re
import shutil
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import httpx
import numpy as np
import pytest

from harness.home import open_home
from tasks.base import PRIVATE, PUBLIC
from tests import web
from tests.classes import NOW, Class, submit
from tests.classes import TABLE as API
from tests.test_secrecy import change_answer
from tests.web import FORM, OK, SEE, TABLE, Reader, browsing, handed_in, reveal, seen, signed_in

site = web.site


# Who sees what.


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
            elif path[1:7] != "static" and not path.endswith((".csv", ".xlsx")):
                assert response.headers["content-type"] == "text/html; charset=utf-8", path
                Reader(response.text)
    assert not [event for event in seen(site) if event == "private board seen"]


def test_staff_alone_fill_an_export_of_canvas(site: Class) -> None:
    handed_in(site, "b01", 1.0)
    site.work()
    for role, status in (("nobody", 401), ("b01", 403), ("x01", 403), ("tom", OK), ("ian", OK)):
        client = signed_in(site, role) if role != "nobody" else browsing(site)
        response = client.post("/gradebook/canvas", data=CANVAS)
        assert response.status_code == status, role
        assert response.text.startswith("Student,ID,SIS User ID,Section,HW1 (7)") == (status == OK), role


def test_keys_and_addresses_of_others_are_on_no_page_of_a_student(site: Class) -> None:
    handed_in(site, "b01", 1.0)
    handed_in(site, "b02", 2.0)
    site.work()
    student, nobody, staff = signed_in(site, "b01"), site.client(), signed_in(site, "tom")
    for path in TABLE:
        assert "b02" not in re.sub(r"\b[0-9a-f]{12,}\b", "", student.get(path).text), path  # a digest may hold it
        assert not {"b01", "b02", "Ada", "Bob", "otters"} & set(re.findall(r"\w+", nobody.get(path).text)), path
    assert "b02" in staff.get("/homeworks/hw1/everyone").text


CANVAS = {
    "csv": "Student,ID,SIS User ID,Section,HW1 (7)\nAda,1,b01,a,\nBob,2,b02,a,\nEve,3,b03,a,\nKim,4,b04,a,\n",
    "noted": "1",
}
"""An export of Canvas, as the form sends it."""


# What is hidden: a label that is flipped far enough turns round who is better on its side.


WORDS = (
    *(f"{words.replace(' /', ' /api/v1/', 1)}" for words in API if words.startswith(("GET", "PUT"))),
    *(f"GET /api/v1/submissions/{number}{what}" for number in range(1, 12) for what in ("", "/receipt")),
    *(f"GET {path}" for path in TABLE),
    *(f"GET /submissions/{number}" for number in range(1, 12)),
    *(f"GET /homeworks/hw1/board?sort={key}" for key in ("score", "-last", "bars", "-entries", "submission")),
    "GET /homeworks/hw1/everyone?q=graded&page=1",
    "GET /gradebook.csv?hw=hw1",
    "POST /gradebook/canvas",
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
                    response = client.post(path, data=CANVAS if path.endswith("canvas") else form)
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
        books = {f"GET /gradebook{what}" for what in ("", "?hw=hw1", "?hw=hw1&version=1", ".csv", ".csv?hw=hw1")}
        books |= {"GET /api/v1/gradebook", "GET /api/v1/homeworks/hw1/gradebook"}
        books |= {
            "GET /gradebook/moodle.csv",
            "GET /gradebook/book.xlsx",
            "POST /gradebook/canvas",
            "GET /roster/people/b01",
            "GET /api/v1/roster/people/b01",
        }
        points = {"GET /points", "GET /api/v1/points", "GET /api/v1/homeworks/hw1/points"}
        points |= {"GET /", "GET /api/v1/homeworks"}  # the place on the private board
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
