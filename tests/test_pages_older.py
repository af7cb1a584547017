"""Pages of data that other data have replaced: who sees them, and how they are found."""

from __future__ import annotations

import csv
import io

import numpy as np
import pytest

from tests import web
from tests.classes import Class, replace_data, submit
from tests.web import FORM, NO, OK, SEE, Reader, handed_in, reveal, seen, signed_in

site = web.site
HW1 = "/homeworks/hw01"


@pytest.fixture
def old(site: Class) -> Class:
    """The class after new data: Ada and Bob each had a file, Bob's a perfect one; nobody has one for the new data."""
    handed_in(site, "b01", 30.0)
    answers = np.load(site.home.secret("hw01", 1) / "column-0.npy").tolist()
    header, *rows = site.sample.decode().splitlines()
    lines = [f"{row.partition(',')[0]},{answer}" for row, answer in zip(rows, answers, strict=True)]
    assert submit(site.client("b02"), "\n".join([header, *lines]).encode()).status_code == 202
    site.work()
    replace_data(site.home)
    return site


def links(page: Reader) -> set[str]:
    return {one.attributes.get("href", "") for one in page.all("a")}


def numbers(page: Reader) -> set[float]:
    """The numbers that are alone in a cell of a table."""
    found = {one.text.strip() for one in page.all("td")}
    return {float(text) for text in found if text.replace(".", "", 1).isdecimal()}


def test_who_has_no_submissions_yet_after_new_data_finds_the_old_ones(old: Class) -> None:
    ada = signed_in(old, "b01")
    page = Reader(ada.get(f"{HW1}/submissions").text)
    assert "no submissions yet" in page.loose
    where = f"{HW1}/submissions?version=1"
    assert where in links(page)
    page = Reader(ada.get(where).text)
    assert {"/submissions/1", f"{HW1}/submissions"} <= links(page)
    assert "/submissions/2" not in links(page), "that is Bob's"
    assert not [one for one in page.all("input") if one.attributes.get("name") == "submission"], "nothing to choose"
    told = old.client("b01").get("/api/v1/homeworks/hw1/submissions?version=1").json()["submissions"]
    assert [row["score"] in numbers(page) for row in told] == [True]
    assert (
        Reader(ada.get(f"{HW1}/submissions?version=2").text).loose == Reader(ada.get(f"{HW1}/submissions").text).loose
    )
    assert old.client().get("/api/v1/homeworks/hw1").json()["older"] == [1]


def test_an_old_board_has_its_page_with_its_own_reveal(old: Class) -> None:
    ada, staff = signed_in(old, "b01"), signed_in(old, "tom")
    board = old.client("b01").get("/api/v1/homeworks/hw1/board?version=1").json()["board"]
    for client in (old.client(), ada, staff):
        assert f"{HW1}/board?version=1" in links(Reader(client.get(f"{HW1}/board").text))
        page = Reader(client.get(f"{HW1}/board?version=1&sort=score").text)
        assert {row["score"] for row in board} <= numbers(page)
        sorting = {link for link in links(page) if "sort=" in link}
        assert sorting
        assert all("&version=1" in link for link in sorting)
    private = f"{HW1}/board?private=true&version=1"
    assert [client.get(private).status_code for client in (old.client(), ada, staff)] == [NO, NO, NO]
    assert ada.post(f"{HW1}/board", data={"version": "1"}).status_code == NO
    assert "private board seen" not in seen(old)
    (hidden,) = [
        one
        for one in Reader(staff.get(f"{HW1}/board?version=1").text).all("input")
        if one.attributes["name"] == "version"
    ]
    page = Reader(staff.post(f"{HW1}/board", data={"version": hidden.attributes["value"]}).text)
    exact = old.client("tom").get("/api/v1/homeworks/hw1/board?version=1&private=true&unrevealed=true").json()["board"]
    assert {row["score"] for row in exact} <= numbers(page)
    assert seen(old).count("private board seen") == 2
    empty = staff.post(f"{HW1}/board", headers=FORM)
    assert "No submissions yet" in empty.text, "the form of the page of the data in use"
    reveal(old)  # of version 1
    for client in (old.client(), ada, staff):
        assert client.get(private).status_code == OK
        assert private in links(Reader(client.get(f"{HW1}/board?version=1").text))
        assert client.get(f"{HW1}/board?private=true").status_code == NO


def test_staff_alone_see_all_files_and_the_gradebook_of_older_data(old: Class) -> None:
    ada, staff = signed_in(old, "b01"), signed_in(old, "tom")
    paths = (f"{HW1}/everyone?version=1", "/gradebook?hw=hw1&version=1", "/gradebook.csv?hw=hw1&version=1")
    for path in (*paths, "/gradebook/moodle.csv?hw=hw1&version=1"):
        assert [client.get(path).status_code for client in (old.client(), ada, staff)] == [SEE, NO, OK], path
    page = Reader(staff.get(paths[0]).text)
    assert {"/submissions/1", "/submissions/2", "/api/v1/homeworks/hw01/uploads?version=1"} <= links(page)
    assert f"{HW1}/everyone?version=1" in links(Reader(staff.get(f"{HW1}/everyone").text))
    assert "/gradebook?hw=hw01&version=1" in links(Reader(staff.get("/gradebook?hw=hw1").text))
    book = Reader(staff.get(paths[1]).text)
    assert "/gradebook.csv?hw=hw1&version=1" in links(book)
    told = old.client("tom").get("/api/v1/homeworks/hw1/gradebook?version=1").json()["students"]
    rows = {row["id"]: row for row in csv.DictReader(io.StringIO(staff.get(paths[2]).text))}
    assert {one["id"]: float(rows[one["id"]]["total"]) for one in told} == {one["id"]: one["total"] for one in told}
    assert any(one["total"] for one in told)
    assert {one["total"] for one in told} <= numbers(book)
    now = staff.get("/gradebook.csv?hw=hw1").text
    assert {row["total"] for row in csv.DictReader(io.StringIO(now))} == {"0.0"}


def test_a_version_that_never_was_is_not_found_on_any_page(old: Class) -> None:
    staff = signed_in(old, "tom")
    for path in (
        f"{HW1}/board?",
        f"{HW1}/submissions?",
        f"{HW1}/everyone?",
        "/gradebook?hw=hw1&",
        "/gradebook.csv?hw=1&",
    ):
        for version, status in ((3, 404), (0, 400), ("x", 400), (2**31, 400)):
            assert staff.get(f"{path}version={version}").status_code == status, path
    assert "there are: 1, 2" in staff.get(f"{HW1}/board?version=3").text
    for path in ("/gradebook", "/gradebook.csv", "/gradebook/moodle.csv", "/gradebook/book.xlsx"):
        assert staff.get(f"{path}?version=1").status_code == 400, path
