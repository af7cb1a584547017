"""A person's places on both boards, beside the points: those of the boards, and nothing private before the reveal."""

from __future__ import annotations

import csv
import io
import json
from datetime import timedelta
from typing import Any

import numpy as np
from click.testing import CliRunner

from harness.cli.main import cli
from harness.course.access import Viewer
from harness.course.desk import How
from harness.course.entering import disqualify
from harness.home import open_home
from leaderboard import records
from tests import classes, web
from tests.classes import NOW, Class, submit
from tests.web import Reader, reveal, signed_in

school, site = classes.school, web.site
ALL = ("ian", "tom", "b01", "b02", "b03", "b04", "x01")


def fill(school: Class) -> None:
    """A tie of Ada and the auditor, a team, one out of the count, a TA without a grade, and one late."""
    answers = np.load(school.home.secret("hw01", 1) / "column-0.npy").tolist()
    header, *rows = school.sample.decode().splitlines()
    lines = [f"{row.partition(',')[0]},{answer}" for row, answer in zip(rows, answers, strict=True)]
    best = "\n".join([header, *lines]).encode()
    sent: list[tuple[str, bytes]] = [
        ("x01", school.file(30.0)), ("b01", school.file(30.0)), ("b01", school.file(95.0)), ("b04", school.file(12.0)),
        ("b02", best), ("b02", school.file(90.0)), ("b03", school.file(13.0)),
    ]  # fmt: skip
    for key, data in sent:
        assert submit(school.client(key), data).status_code == 202
    school.work()
    disqualify(school.home, Viewer("instructor", "ian"), 5, False, How("copied"), NOW)
    with school.home.database() as database:
        records.select(database, "hw01/1", "b01", [3], 2, NOW)
    school.now = NOW + timedelta(days=40)
    assert submit(school.client("ian"), school.file(13.0)).status_code == 202
    school.work()
    school.now = NOW
    assert submit(school.client("tom"), school.file(13.5)).status_code == 202


def boards_of(school: Class, key: str, private: str) -> tuple[dict[str, Any] | None, int]:
    """The viewer's row of a board of the API, and how many people are on it."""
    rows = school.client(key).get(f"/api/v1/homeworks/hw1/board{private}").json()["board"]
    return next((row for row in rows if row["own"]), None), sum(row["kind"] == "person" for row in rows)


def told(school: Class, key: str) -> list[dict[str, Any]]:
    """What the API tells a person of the homework beside the points, and in the list of homeworks."""
    client = school.client(key)
    found = [client.get(f"/api/v1{path}").json()["homeworks"][0] for path in ("/points", "/homeworks/hw1/points")]
    return [*found, client.get("/api/v1/homeworks").json()["tasks"][0]]


def test_places_are_those_of_the_boards_and_the_private_one_comes_with_the_reveal(school: Class) -> None:
    fill(school)
    for private in ("", "?private=true"):
        places: dict[str, Any] = {}
        for key in ALL:
            row, people = boards_of(school, key, private)
            for answer in told(school, key):
                place = answer["private_place" if private else "place"]
                assert (place is None) == (row is None), key
                if row is not None:
                    assert {name: place[name] for name in ("rank", "score", "bars", "submission")} == {
                        name: row[name] for name in ("rank", "score", "bars", "submission")
                    }
                    assert place["of"] == people == 5
                assert private or answer["private_place"] is None
            places[key] = None if row is None else row["rank"]
        assert places["ian"] is None, "late"
        assert places["x01"] == (places["b01"] - 1 if not private else places["x01"]), "the earlier one of a tie"
        assert places["b03"] == places["b04"], "a team"
        if not private:
            public = places
            reveal(school)
    assert places != public, "the selection counts on the private board"
    assert places["tom"] == 5, "without a grade the last"


def test_the_pages_show_points_and_places_and_the_private_one_only_after_the_reveal(site: Class) -> None:
    fill(site)
    ada = signed_in(site, "b01")
    for revealed in (False, True):
        if revealed:
            reveal(site)
        answer, _, _ = told(site, "b01")
        first, own = ada.get("/").text, ada.get("/points").text
        facts = dict(
            zip(*([one.text for one in Reader(first).all(tag)] for tag in ("dt", "dd")), strict=True),
        )
        public = f"{answer['place']['rank']} of 5"
        assert facts["Public place"] == public
        assert "Rank" not in facts
        cells = [one.text for one in Reader(own).all("td")]
        assert cells[0].startswith(public)
        total = site.client("b01").get("/api/v1/points").json()
        (line,) = [one.text for one in Reader(first).all("p") if "My points" in one.text]
        assert line == f"My points: {total['total']:g} of {total['maximum']:g} so far."
        assert ("Private place" in facts) == revealed
        if revealed:
            private = f"{answer['private_place']['rank']} of 5"
            assert facts["Private place"] == private != public
            assert cells[1].startswith(private)
        else:
            assert cells[1] == "after the reveal"
    for key in ("tom", "x01"):
        assert "My points:" not in "".join(one.text for one in Reader(signed_in(site, key).get("/").text).all("p"))


def test_the_first_page_stands_where_the_rule_of_the_total_is_invalid(site: Class) -> None:
    config = site.home.root / "config.toml"
    config.write_text(config.read_text() + "[total]\nbest = -1\n")
    broken = Class(open_home(site.home.root), tokens=site.tokens)
    page = signed_in(broken, "b01").get("/")
    assert (page.status_code, "My points:" in page.text) == (200, False)
    broken.close()


def test_the_command_shows_the_places(site: Class) -> None:
    fill(site)

    def call(*words: str) -> str:
        done = CliRunner().invoke(
            cli, ["--home", str(site.home.root), "points", *words, "--as", "b01"], env={"COLUMNS": "160"}
        )
        assert done.exit_code == 0, done.output
        return done.stdout

    (row,) = csv.DictReader(io.StringIO(call("--format", "csv")))
    answer, _, _ = told(site, "b01")
    assert (row["place"], row["private_place"]) == (str(answer["place"]["rank"]), "")
    assert "private #" not in call()
    assert "private place" not in call("hw1")
    reveal(site)
    answer, _, _ = told(site, "b01")
    (row,) = csv.DictReader(io.StringIO(call("--format", "csv")))
    assert row["private_place"] == str(answer["private_place"]["rank"])
    assert "private #" in call()
    assert f"public place {row['place']} of 5; private place {row['private_place']} of 5" in call("hw1")
    assert json.loads(call("--format", "json"))["homeworks"] == [answer]
