"""No output that a student can obtain has more of a score than is shown: every one is read, number by number.

Two tests watch over it. One collects all numbers of all outputs and looks for one that is near an exact score,
interval or private score and has more digits. The other changes the exact scores behind the shown ones and compares
every byte, which finds what is encoded otherwise, as in the places of points in a chart.
"""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import click
import numpy as np
import pytest
from click.testing import CliRunner, Result
from fastapi.routing import APIRoute

from harness import notebook, shown
from harness.cli import common
from harness.cli.main import cli
from harness.cli.training import submit_baseline
from harness.competition import find_competition
from harness.course import access, record, remote
from harness.course.entries import Submissions
from harness.grading.accept import grade_pending
from harness.home import Home
from harness.plans import plan_own
from harness.prepare import prepare
from harness.server import chart, rendering
from harness.shown import SIGNIFICANT, shown_interval
from leaderboard import records, results
from tests import class_server
from tests.classes import NOW, Class, make_class, submit

ANN, BOB = "b01", "b02"
HOMEWORKS = ("hw01", "big")
SECOND = {"name": "second_score", "label": "second", "higher_is_better": True, "digits": 3}

NUMBER = re.compile(r"(?<![\w.])-?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?(?:[eE][+-]?\d+)?(?![\w])")


@dataclass(frozen=True)
class Exact:
    """A number that nobody but staff may know exactly, and how many decimals of it are shown."""

    value: float
    digits: int


def too_exact(text: str, exact: list[Exact]) -> list[str]:
    """The numbers in a text that lie within a thousandth of an exact one and have more digits than are shown."""
    found = []
    for match in NUMBER.finditer(text):
        number = Decimal(match[0].replace(",", ""))
        if number == number.to_integral_value():
            number = number.normalize()
        decimals, significant = -int(number.as_tuple().exponent), len(number.as_tuple().digits)
        if decimals < 3 and significant <= SIGNIFICANT:
            continue
        for one in exact:
            near = one.value != 0 and abs(float(number) - one.value) <= 1e-3 * abs(one.value)
            if near and (decimals > one.digits or significant > SIGNIFICANT):
                found.append(f"{match[0]} for {one.value!r}")
                break
    return found


@pytest.fixture
def school(course: Path, tmp_path: Path) -> Iterator[Class]:
    """A class with HW1 and a competition of large errors and two metrics; files with awkward scores are graded."""
    made = make_class(course, tmp_path / "home", f"sqlite:///{tmp_path / 'leaderboard.db'}", quota=100)
    random = np.random.default_rng(5)
    answers = random.normal(0, 3e4, 41)
    lines = [f"{n},{value}" for n, value in enumerate(answers.tolist())]
    (tmp_path / "solution.csv").write_text("id,y\n" + "\n".join(lines) + "\n")
    plan = plan_own(
        "big", tmp_path / "solution.csv", "mse", title=None, public=None, higher_is_better=None, public_share=0.5
    )
    prepare(made.home, plan, seed=None, new_data=False, accept_leaks=True, now=NOW)
    for person, count in ((ANN, 2), (BOB, 1)):
        for n in range(count):
            for hw, truth, scale in (("hw01", answers_of(made), 1.0 + n), ("big", answers, 5e3)):
                guess = truth + random.normal(0, scale, len(truth))
                data = table(made, hw, guess.clip(0, 100) if hw == "hw01" else guess)
                assert submit(made.client(person), data, hw).status_code == 202
    grade_pending(made.home, NOW, list(HOMEWORKS))
    add_second_metric(made)
    yield made
    made.close()


def add_second_metric(school: Class) -> None:
    """Gives the competition of large errors a second metric, with scores near 0.35."""
    path = school.home.public("big") / "format.json"
    described = json.loads(path.read_text())
    described["metrics"].append(SECOND)
    path.write_text(json.dumps(described))
    with school.home.database() as database, database.transaction():
        for row in list(results.grade_rows(database, "big/1")):
            value = 0.3456789123456 + row.submission / 700
            second = {"metric": SECOND["name"], "value": value, "interval": [value - 0.0123456, value + 0.0234567]}
            for column, text in (("details", row.details), ("private_details", row.private_details)):
                side = json.loads(text)
                side["scores"].append(second)
                statement = f"UPDATE grades SET {column} = :text WHERE submission_id = :id"
                database.execute(statement, text=json.dumps(side), id=row.submission)


def answers_of(school: Class) -> Any:
    """The hidden answers of HW1."""
    return np.load(school.home.secret("hw01", 1) / "column-0.npy")


def table(school: Class, hw: str, values: Any) -> bytes:
    """A file for a homework with these predictions."""
    header, *rows = (school.home.public(hw) / "sample_submission.csv").read_text().splitlines()
    lines = [f"{row.split(',')[0]},{value}" for row, value in zip(rows, values.tolist(), strict=True)]
    return "\n".join([header, *lines]).encode() + b"\n"


def exact_numbers(school: Class) -> list[Exact]:
    """Every score and every end of an interval on either side, of all homeworks."""
    found = []
    with school.home.database() as database:
        for name in HOMEWORKS:
            digits = {metric.name: metric.digits for metric in find_competition(school.home, name).metrics}
            for row in results.grade_rows(database, f"{name}/1"):
                for side in (row.details, row.private_details):
                    for score in json.loads(side)["scores"]:
                        numbers = [score["value"], *(score["interval"] or ())]
                        found += [Exact(number, digits[score["metric"]]) for number in numbers]
    assert len(found) >= 3 * (3 + 6) * 2, "three files, up to two metrics, both sides"
    return found


# What a student can obtain.


def api_answers(school: Class, key: str) -> dict[str, str]:
    """The answer to each GET of the API, with its boolean parameters in all ways; data files aside."""
    client = school.client(key)
    answers = {}
    for path, methods in client.get("/api/v1/openapi.json").json()["paths"].items():
        if "get" not in methods:
            continue
        flags = [one["name"] for one in methods["get"].get("parameters", ()) if one["schema"].get("type") == "boolean"]
        ways = itertools.product((False, True), repeat=len(flags))
        queries = [urlencode({f: "true" for f, on in zip(flags, way, strict=True) if on}) for way in ways]
        for address, query in itertools.product(addresses(school, path), queries):
            whole = f"{address}?{query}" if query else address
            answers[whole] = client.get(whole).text
    return answers


def page_answers(school: Class, key: str) -> dict[str, str]:
    """The HTML of each page, with its parameters in several ways."""
    client = school.client(key)
    values = {"sort": ("score", "-interval"), "private": ("true",), "saved": ("true",), "page": ("1",), "hw": ("hw1",)}
    answers = {}
    for route in client._client._transport.app.routes:  # type: ignore[attr-defined]
        if not isinstance(route, APIRoute) or route.include_in_schema or "GET" not in (route.methods or ()):
            continue
        names = [one.name for one in route.dependant.query_params]
        ways = [dict(way) for way in itertools.product(*([(n, v) for v in ("", *values.get(n, ()))] for n in names))]
        for address, way in itertools.product(addresses(school, route.path), ways):
            query = urlencode({name: value for name, value in way.items() if value})
            whole = f"{address}?{query}" if query else address
            answers[whole] = client.get(whole).text
    return answers


def addresses(school: Class, path: str) -> Iterator[str]:
    """A path with each homework and each submission in it; of the static files the script."""
    if "{name:path}" in path or "/files/{name}" in path or path.endswith("/file"):  # of one's own, handed in
        return
    with school.home.database() as database:
        numbers = [entry.id for entry in records.submissions(database)] if "{number}" in path else [0]
    for hw, number in itertools.product(HOMEWORKS if "{hw}" in path else [""], numbers):
        yield path.replace("{hw}", hw).replace("{number}", str(number)).replace("{name}", "app.js")


AS = ["--as", ANN]
WALKED: dict[str, list[list[str]]] = {
    "attachments": [["attachments", "{hw}", *AS]],
    "check": [["check", "hw1", "FILE"]],
    "files": [["files", "{hw}"]],
    "gradebook": [["gradebook"]],
    "leaderboard": [["leaderboard"], ["leaderboard", "{hw}"], ["leaderboard", "{hw}", "--private"]],
    "points": [["points", *AS], ["points", "{hw}", *AS]],
    "quota": [["quota", "{hw}", *AS]],
    "receipt": [["receipt", "1"]],
    "select": [["select", "{hw}", "--preview", *AS]],
    "status": [["status", "1"], ["status", "2"], ["status", "--queue"]],
    "submissions": [["submissions", *AS], ["submissions", "{hw}", *AS], ["submissions", "--all"]],
    "submit": [["submit", "hw1", "FILE", *AS]],
    "tasks": [["tasks"], ["tasks", "{hw}"]],
    "audit": [["audit", "verify"], ["audit", "log", "--last", "0"]],
    "grade": [["grade", "--pending"]],
    "doctor": [["doctor"]],
}
OF_STAFF = {
    "announce",
    "attach",
    "calibrate",
    "causes",
    "demo",
    "disqualify",
    "export",
    "extend",
    "new",
    "prepare",
    "reveal",
    "roster",
    "rules",
    "serve",
    "starter",
    "train",
    "verify",
    "worker",
}
"""Commands that show no score of a participant, but for `train --submit`, which has a test of its own."""
OF_A_LOGIN = {"login", "logout"}


def command_answers(call: Callable[..., Result], file: Path, *, staff: bool = True) -> dict[str, str]:
    """The output of every command that can show a score, in every format; a login has none of those for staff."""
    known = cli.list_commands(click.Context(cli))
    assert set(known) == set(WALKED) | OF_STAFF | OF_A_LOGIN, "a new command is walked, or shows no score"
    answers = {}
    for name, uses in WALKED.items():
        if not staff and name in ("audit", "grade", "gradebook", "doctor"):
            continue
        command = cli.get_command(click.Context(cli), name)
        assert command is not None
        formats = any(parameter.name == "format" for parameter in command.params)
        for use, hw in itertools.product(uses, HOMEWORKS):
            if "{hw}" not in use and hw != HOMEWORKS[0]:
                continue
            for format in ("table", "json", "csv") if formats else ("",):
                words = [word.replace("{hw}", hw).replace("FILE", str(file)) for word in use]
                words += ["--format", format] if format else []
                if not staff:
                    words = [word for word in words if word not in AS]
                done = call(*words)
                answers[" ".join(words)] = done.stdout + done.stderr
    return answers


def at_home(school: Class, *words: str) -> Result:
    return CliRunner().invoke(cli, ["--home", str(school.home.root), *words], env={"COLUMNS": "200"})


def everything(school: Class, file: Path) -> dict[str, str]:
    """All that a student, and whoever looks over the shoulder of the owner of a home, gets without --exact."""
    found: dict[str, str] = {}
    for key in ("nobody", ANN):
        found |= {f"{key}: GET {name}": text for name, text in api_answers(school, key).items()}
        found |= {f"{key}: page {name}": text for name, text in page_answers(school, key).items()}
    found |= {f"at home: {words}": text for words, text in command_answers(partial(at_home, school), file).items()}
    return found


def offences(outputs: Mapping[str, str], exact: list[Exact]) -> list[str]:
    return [f"{name}: {number}" for name, text in outputs.items() for number in too_exact(text, exact)]


@pytest.fixture
def file(school: Class, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """One more file, handed in and graded by then, for commands that want one; their clock stands still."""
    monkeypatch.setattr(common, "clock", lambda: NOW)
    path = tmp_path / "more.csv"
    guess = answers_of(school) + np.random.default_rng(6).normal(0, 3, 893)
    path.write_bytes(table(school, "hw01", guess.clip(0, 100)))
    assert at_home(school, "submit", "hw1", str(path), *AS).exit_code == 0
    return path


def reveal(school: Class) -> None:
    with school.home.database() as database:
        for name in HOMEWORKS:
            records.reveal(database, f"{name}/1", "ian", "the end", NOW)


@pytest.mark.parametrize("revealed", [False, True])
def test_no_number_in_any_output_has_more_of_a_score_than_is_shown(school: Class, file: Path, revealed: bool) -> None:
    if revealed:
        reveal(school)
    outputs = everything(school, file)
    assert offences(outputs, exact_numbers(school)) == []
    with school.home.database() as database:
        own = [row for row in results.grade_rows(database, "hw01/1") if row.participant == ANN]
    told = "\n".join(outputs.values())
    assert all(repr(shown.shown(row.public, 5)) in told for row in own), "the scores are there, cut"
    assert all((repr(shown.shown(row.private or 0.0, 5)) in told) == revealed for row in own)


def test_a_login_a_notebook_and_a_baseline_show_no_more(
    school: Class, file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import platformdirs

    for name in ("config", "cache", "state", "data"):
        monkeypatch.setattr(platformdirs, f"user_{name}_path", lambda app, name=name: tmp_path / "user" / name / app)
    monkeypatch.delenv("LHY_GRADE_HOME", raising=False)
    reveal(school)
    with class_server.serving(school.home) as served:
        monkeypatch.setattr(remote, "sleep", served.grade)
        assert class_server.call("login", served.url, input=school.tokens[ANN] + "\n").exit_code == 0
        outputs = command_answers(partial(class_server.call, columns=200), file, staff=False)
        done = notebook.submit(file, "hw1")
        outputs["notebook"] = f"{done!r} {done._repr_html_()} {done.score!r} {json.dumps(done.done.body)}"
    assert not any("Traceback" in text for text in outputs.values())
    submit_baseline(school.home, find_competition(school.home, "hw1"), "baseline simple", file)
    outputs["train --submit"] = capsys.readouterr().out
    assert "public RMSE" in outputs["train --submit"]
    assert offences(outputs, exact_numbers(school)) == []


def move(value: float, cut: float) -> float:
    """Another exact score that is shown as the same, in the same order with others."""
    return cut + (value - cut) / 2


def blur(school: Class) -> int:
    """Changes every exact score and interval to others that are shown as the same; how many changed."""
    changed = 0
    with school.home.database() as database, database.transaction():
        for name in HOMEWORKS:
            competition = find_competition(school.home, name)
            digits = {metric.name: metric.digits for metric in competition.metrics}
            for row in list(results.grade_rows(database, f"{name}/1")):
                sides = []
                for text in (row.details, row.private_details):
                    side = json.loads(text)
                    for score in side["scores"]:
                        places, value = digits[score["metric"]], score["value"]
                        score["value"] = move(value, shown.shown(value, places))
                        assert shown.shown(score["value"], places) == shown.shown(value, places)
                        changed += score["value"] != value
                        if score["interval"]:
                            ends = shown_interval((score["interval"][0], score["interval"][1]), places)
                            score["interval"] = [move(*pair) for pair in zip(score["interval"], ends, strict=True)]
                    sides.append(side)
                public, private = (side["scores"][0]["value"] for side in sides)
                database.execute(
                    "UPDATE grades SET public = :public, public_key = :key, private = :private, details = :details, "
                    "private_details = :hidden WHERE submission_id = :id",
                    public=public,
                    key=public if row.higher_is_better else -public,
                    private=private,
                    details=json.dumps(sides[0]),
                    hidden=json.dumps(sides[1]),
                    id=row.submission,
                )
    return changed


def differing(school: Class, file: Path) -> list[str]:
    """The outputs that change with the exact scores behind the shown ones."""
    before = everything(school, file)
    assert blur(school) > 15
    after = everything(school, file)
    others = ("at home: audit verify", "at home: doctor")  # one finds the change, the other measures this machine
    return [name for name in before if before[name] != after[name] and not name.startswith(others)]


@pytest.mark.parametrize("revealed", [False, True])
def test_every_output_depends_on_the_shown_scores_alone(school: Class, file: Path, revealed: bool) -> None:
    if revealed:
        reveal(school)
    assert differing(school, file) == []


# That the tests can fail.


@pytest.fixture
def five_digits_more(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A cut that leaves five digits too many; the scanner finds one already, but that may be a zero."""
    decimals = shown.decimals

    def more(value: float, digits: int, significant: int = SIGNIFICANT) -> int:
        return decimals(value, digits + 5, significant + 5)

    with monkeypatch.context() as patch:
        patch.setattr(shown, "decimals", more)
        shown.shown.cache_clear()
        shown.shown_interval.cache_clear()
        yield
    shown.shown.cache_clear()
    shown.shown_interval.cache_clear()


@pytest.mark.usefixtures("five_digits_more")
def test_digits_too_many_are_found_in_every_kind_of_output(school: Class, file: Path) -> None:
    reveal(school)
    found = "\n".join(offences(everything(school, file), exact_numbers(school)))
    for kind in (
        "GET /api/v1/homeworks:",
        "GET /api/v1/homeworks/hw01/board:",
        "GET /api/v1/homeworks/big/board:",
        "GET /api/v1/homeworks/hw01/submissions:",
        "GET /api/v1/submissions/1:",
        "GET /api/v1/homeworks/hw01/selection:",
        "page /:",
        "page /homeworks/hw01/board:",
        "page /homeworks/hw01/submissions:",
        "page /submissions/1:",
        "at home: leaderboard hw01 --format csv",
        "at home: leaderboard hw01 --format table",
        "at home: submissions hw01",
        "at home: status 1 --format json",
        "at home: select hw01 --preview",
        "at home: submit hw1",
    ):
        assert kind in found, kind


def test_a_chart_that_places_points_by_exact_scores_is_found(
    school: Class, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed = record.submissions

    def exact(home: Home, viewer: access.Viewer, hw: str, **more: Any) -> Submissions:
        return listed(home, access.owner(viewer.key), hw, **more, exact=True)

    with monkeypatch.context() as patch:
        patch.setattr(rendering, "number", lambda digits: lambda value: "a number")
        patch.setattr(record, "submissions", exact)
        patch.setattr(chart, "BOTTOM", 1e7)
        before = page_answers(school, ANN)["/homeworks/hw01/submissions"]
        blur(school)
        after = page_answers(school, ANN)["/homeworks/hw01/submissions"]
    assert "a number" in before
    assert before != after


def test_the_scanner_knows_a_number_when_it_sees_one() -> None:
    exact = [Exact(0.8571428571428571, 5), Exact(31234567.8, 5), Exact(0.0, 5)]
    for text in ("0.857142", '"score":0.857143}', "<td>0.8571428</td>", "31,234,567.8", "3.123456e7", "(31234568)"):
        assert too_exact(text, exact), text
    for text in (
        "0.85714",
        "0.857",
        "31,234,500",
        "a0.857142",
        "3.12345e7",
        "2027-03-01T20:00:00",
        "0.000001",
        "0.9571428",
    ):
        assert not too_exact(text, exact), text
