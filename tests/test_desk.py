"""What staff ask and enter through a server, under their own name: by command, API and page."""

from __future__ import annotations

import csv
import hashlib
import io
import itertools
import json
import zipfile
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.course.classwork import bins_of
from leaderboard import access_tokens, adjustments, enrolment, events
from tests import class_server, web
from tests.class_server import Served, call, log_in, sample, work
from tests.classes import NOW, Class, replace_data, submit
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


def test_who_has_not_handed_in_is_listed_with_what_there_is_instead(site: Class) -> None:
    handed_in(site, "b03", 1.0)  # for the team of b04, too
    assert submit(site.client("b01"), b"id,y\n1,\xff").status_code == 202
    site.work()
    staff = site.client("tom")
    body = staff.get("/api/v1/homeworks/hw1/missing").json()
    assert (body["students"], [(row["id"], row["files"]) for row in body["missing"]]) == (
        4,
        [("b01", "refused"), ("b02", "none")],
    )
    site.now = NOW + timedelta(days=60)
    handed_in(site, "b02", 2.0)
    assert staff.get("/api/v1/homeworks/hw1/missing").json()["missing"][1]["files"] == "practice"
    with site.home.database() as database:
        enrolment.disable(database, "b01", actor="ian", reason="left", now=NOW)
    assert [row["id"] for row in staff.get("/api/v1/homeworks/hw1/missing").json()["missing"]] == ["b02"]
    text = signed_in(site, "tom").get("/homeworks/hw1/missing").text
    assert "1 of 3 students" in text
    assert "b02@example.org" in text


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=60), st.booleans())
def test_every_score_is_in_one_bin_of_a_histogram_and_the_bins_have_no_gap(scores: list[float], higher: bool) -> None:
    bins = bins_of(scores, higher)
    assert sum(one.participants for one in bins) == len(scores)
    assert len(bins) <= 14
    rising = bins if higher else bins[::-1]
    assert all(left.high == right.low for left, right in itertools.pairwise(rising))


def test_the_histogram_counts_people_and_teams_by_their_best_public_score(site: Class) -> None:
    for key, value in (("b01", 9.0), ("b02", 9.5), ("b03", 40.0)):
        handed_in(site, key, value, 99.0)
    site.work()
    staff = site.client("tom")
    board = staff.get("/api/v1/homeworks/hw1/board").json()["board"]
    found = staff.get("/api/v1/homeworks/hw1/histogram").json()
    assert found["participants"] == sum(one["participants"] for one in found["bins"]) == 3
    for row in board:
        (one,) = [
            one
            for one in found["bins"]
            if (one["low"] is None or one["low"] <= row["score"])
            and (one["high"] is None or row["score"] < one["high"])
        ]
        assert one["participants"] > 0
    page = Reader(signed_in(site, "tom").get("/homeworks/hw1/staff").text)
    assert len(page.all("rect")) == len(found["bins"])
    assert "3</strong> of 4" not in page.loose
    (handed,) = [one.text for one in page.all("p") if "students have a file" in one.text]
    assert handed.startswith("4 of 4 students"), "both of the team"


def test_all_files_of_a_homework_come_as_one_archive_with_safe_names(site: Class, tmp_path: Path) -> None:
    evil = "../../x|y\u202e.csv"
    assert submit(site.client("b01"), site.file(1.0), **{"x-filename": quote(evil)}).status_code == 202
    handed_in(site, "b01", 2.0)
    handed_in(site, "b03", 3.0)
    assert submit(site.client("b02"), b"=cmd,\xff", **{"x-filename": quote("=1+1")}).status_code == 202
    site.work()
    staff = site.client("tom")
    for query, names in (
        ("", {"hw01/b01/1-x_y_.csv", "hw01/b01/2-submission", "hw01/otters/3-submission", "hw01/b02/4-1_1"}),
        ("?counting=true", {"hw01/b01/1-x_y_.csv", "hw01/b01/2-submission", "hw01/otters/3-submission"}),
    ):
        got = staff.get(f"/api/v1/homeworks/hw1/uploads{query}")
        assert got.headers["content-type"] == "application/zip"
        with zipfile.ZipFile(io.BytesIO(got.content)) as archive:
            assert archive.testzip() is None
            assert set(archive.namelist()) == names | {"hw01/index.csv"}
            assert archive.read("hw01/b01/2-submission") == site.file(2.0)
            rows = list(csv.DictReader(io.StringIO(archive.read("hw01/index.csv").decode())))
        assert [row["path"] for row in rows if row["path"]] == sorted(names, key=lambda name: name.split("/")[2])
        assert rows[0]["sha256"] == hashlib.sha256(site.file(1.0)).hexdigest()
        assert all(not cell.startswith(("=", "+", "-", "@")) for row in rows for cell in row.values())


def test_a_login_writes_the_same_archive_and_lists_as_the_machine(
    served: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    work(served, monkeypatch)
    log_in(served)
    assert call("submit", "hw1", str(sample(served.home))).exit_code == 0
    assert call("submissions", "hw1", "--download", str(tmp_path / "no.zip")).exit_code == 6
    assert not (tmp_path / "no.zip").exists()
    log_in(served, "prof")
    root = str(served.home.root)
    for words in (["submissions", "hw1", "--missing"], ["leaderboard", "hw1", "--histogram"]):
        for format in ("json", "csv", "table"):
            there, here = call(*words, "--format", format), call("--home", root, *words, "--format", format)
            assert (there.stdout, there.exit_code) == (here.stdout, 0)
    for name, home in (("there.zip", []), ("here.zip", ["--home", root])):
        done = call(*home, "submissions", "hw1", "--download", str(tmp_path / name))
        assert (done.exit_code, done.stderr[:11]) == (0, "1 files are"), done.output
    assert (tmp_path / "there.zip").read_bytes() == (tmp_path / "here.zip").read_bytes()
    work_of_before = (tmp_path / "here.zip").read_bytes()
    replace_data(served.home)
    for name, home in (("old there.zip", []), ("old here.zip", ["--home", root])):
        words = [*home, "submissions", "hw1", "--download", str(tmp_path / name)]
        done = call(*words, "--version", "1")
        assert (done.exit_code, done.stderr[:11]) == (0, "1 files are"), done.output
        assert (tmp_path / name).read_bytes() == work_of_before
        for more, said in (("--version", "9"), "there are: 1, 2"), (("--version", "1", "--missing"), "--missing"):
            done = call(*words[:-1], str(tmp_path / "no.zip"), *more)
            assert (done.exit_code, said in done.stderr, (tmp_path / "no.zip").exists()) == (2, True, False)
        done = call(*words[:-2], "--missing", "--version", "1")
        assert (done.exit_code, "leave out --version" in done.stderr) == (2, True)
        done = call(*words[:-1], str(tmp_path / f"new {name}"))
        assert (done.exit_code, done.stderr[:11]) == (0, "0 files are"), done.output
    again = call("submissions", "hw1", "--download", str(tmp_path / "there.zip"))
    assert (again.exit_code, "is there already" in again.stderr) == (8, True)
