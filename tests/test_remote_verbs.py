"""Each verb prints on a server what it prints at home, and what a server says is inert in the terminal."""

from __future__ import annotations

import json
from dataclasses import fields, is_dataclass, replace
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import pytest

from harness.cli import common
from harness.course import entries, login, remote, types
from harness.course.entries import to_json
from harness.home import Home, open_home
from tests import class_server
from tests.class_server import NOW, TOKEN, Served, call, constant, log_in, sample, serving, standing, work

home, served, folders = class_server.home, class_server.served, class_server.folders


# The verbs.


VERBS = (
    "quota hw1", "quota hw9", "submissions", "submissions hw01", "leaderboard", "leaderboard hw1",
    "leaderboard hw1 --top 1", "leaderboard hw1 --private", "leaderboard hw9", "submit hw1 9.csv",
    "submit hw1 none.csv", "submit hw1 1.csv", "select hw1 --preview", "select hw1 3 2 1", "select hw1 99",
    "select hw1", "status 99", "status 3", "receipt 3", "receipt 99", "tasks hw1", "check hw1 9.csv",
    "check hw1 nan.csv", "check hw1 none.csv", "files hw1",
)  # fmt: skip
UNNAMED = ("tasks", "receipt", "status", "check", "files")


def test_every_verb_prints_the_same_on_the_server_as_at_home(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (home.root / "config.toml").write_text("[hw01]\nquota = 2\n")
    with serving(open_home(home.root)) as served:
        work(served, monkeypatch)
        for who in ("bob", "ada"):
            log_in(served, who)
            for value in (9, 12.25) if who == "ada" else (11,):
                done = call("submit", "hw1", str(constant(home, tmp_path, value)), "-m", "dropout 0.3")
                assert done.exit_code == 0, done.output
        constant(home, tmp_path, 1)
        constant(home, tmp_path, "nan")
        assert call("select", "hw1", "3").stdout == "hw01: 3 will count on the private board.\n"
        for verb in VERBS:
            words = verb.split()
            for format in ("table",) if words[0] == "receipt" else ("table", "json", "csv"):
                more = [] if words[0] == "receipt" else ["--format", format]
                there = call(*words, *more)
                here = call("--home", str(home.root), *words, *more, *([] if words[0] in UNNAMED else ["--as", "ada"]))
                assert there.exit_code == here.exit_code, verb
                if "hw9" in words or "--private" in words:  # says what somebody there and here can do about it
                    continue
                if format == "json":
                    assert comparable(there.stdout, verb) == comparable(here.stdout, verb), verb
                elif words[0] == "leaderboard" and format == "csv":  # others' numbers are for staff
                    assert without_last(there.stdout) == without_last(here.stdout), verb
                elif words[0] == "files":
                    assert there.stdout == here.stdout
                else:
                    assert (there.stdout, there.stderr) == (here.stdout, here.stderr), (verb, format)


def comparable(text: str, verb: str) -> Any:
    """A JSON body without what a home and a class differ in: numbers of others' entries, the folder, the quota."""
    body = json.loads(text)
    for row in body.get("board", []):
        row["submission"] = row["submission"] if row["own"] else None
    body.pop("folder", None)
    if verb.startswith("tasks"):
        body.pop("quota", None)
    return body


def without_last(text: str) -> list[str]:
    return [line.rpartition(",")[0] for line in text.splitlines()]


def test_a_new_submission_and_the_list_of_homeworks_have_the_same_fields_as_at_home(
    served: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    work(served, monkeypatch)
    log_in(served)
    root = str(served.home.root)
    for value, format in enumerate(("json", "csv", "table")):
        file = str(constant(served.home, tmp_path, value))
        there = call("submit", "hw1", file, "--format", format)
        here = call("--home", root, "submit", "hw1", file, "--format", format, "--as", "bob")
        assert there.exit_code == here.exit_code == 0
        if format == "json":
            assert shape(json.loads(there.stdout)) == shape(json.loads(here.stdout))
        assert there.stdout.splitlines()[0] == here.stdout.splitlines()[0]
        assert len(there.stderr.splitlines()) == len(here.stderr.splitlines())
    (there,) = json.loads(call("tasks", "--format", "json").stdout)["tasks"]
    here = json.loads(call("--home", root, "tasks", "--format", "json").stdout)["tasks"][0]
    assert set(here) <= set(there)
    assert {key: there[key] for key in ("name", "title", "metric", "prepared")} == {
        key: here[key] for key in ("name", "title", "metric", "prepared")
    }


def shape(value: Any) -> Any:
    """The keys of a JSON value, down to its numbers and texts."""
    if isinstance(value, dict):
        return {key: shape(inner) for key, inner in value.items()}
    return [shape(inner) for inner in value[:1]] if isinstance(value, list) else None


def test_a_class_lists_what_is_prepared_and_staff_sees_everybodys(
    served: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    work(served, monkeypatch)
    log_in(served)
    assert [row["name"] for row in json.loads(call("tasks", "--format", "json").stdout)["tasks"]] == ["hw01"]
    assert call("submit", "hw1", str(sample(served.home))).exit_code == 0
    assert call("submissions", "--all").exit_code == 6
    log_in(served, "prof")
    listed = json.loads(call("submissions", "--all", "--format", "json").stdout)["submissions"]
    assert [row["participant"] for row in listed] == ["ada"]
    assert call("leaderboard", "hw1", "--private").exit_code == 6
    assert call("leaderboard", "hw1", "--private", "--unrevealed").exit_code == 0


def test_staff_see_the_gradebook_of_a_server_as_that_of_its_home(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    work(served, monkeypatch)
    log_in(served)
    assert call("submit", "hw1", str(sample(served.home))).exit_code == 0
    assert call("gradebook").exit_code == 6
    log_in(served, "prof")
    root = str(served.home.root)
    for words in (["gradebook"], ["gradebook", "hw1"], ["gradebook", "hw1", "--unrevealed"]):
        for format in ("json", "csv", "table"):
            there = call(*words, "--format", format)
            here = call("--home", root, *words, "--format", format)
            assert there.exit_code == 0, there.stderr
            assert (there.stdout, there.stderr) == (here.stdout, here.stderr)
    assert "ada" in there.stdout
    assert call("gradebook", "nothing").exit_code == 2


def test_a_saved_receipt_verifies_without_the_server(
    served: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    work(served, monkeypatch)
    log_in(served)
    assert call("submit", "hw1", str(sample(served.home))).exit_code == 0
    saved = tmp_path / "receipt.json"
    saved.write_text(call("receipt", "1").stdout)
    served.stop()
    assert call("receipt", "--verify", str(saved)).stdout.startswith("genuine: submission 1 of ada")
    saved.write_text(saved.read_text().replace('"size":', '"size":1'))
    assert call("receipt", "--verify", str(saved)).exit_code == 3


# Judges of other versions.


def test_check_and_doctor_say_where_the_course_judges_with_other_versions(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    import numpy as np

    from harness import answers
    from harness.plans import plan_homework
    from harness.prepare import prepare
    from tasks.base import Judge, Judged

    plan = plan_homework("hw12", None, None, "small")
    prepare(home, plan, seed=1, new_data=False, accept_leaks=False, now=NOW)
    shown = json.loads((home.public("hw12") / "format.json").read_text())["judge"]
    assert shown == plan.judge.version() if plan.judge else False
    file = str(next(home.public("hw12").glob("sample_submission.*")))
    with serving(home) as served:
        log_in(served)
        assert {"what": "hw12", "state": "ok"}.items() <= doctor_row("hw12").items()
        here = Judge(lambda: "gymnasium 0.1", check=lambda *_: Judged({"return": np.zeros(100)}))
        monkeypatch.setattr(answers, "find_judge", lambda _: here)
        for words in (["check", "hw12", file], ["--home", str(home.root), "check", "hw12", file]):
            done = call(*words)
            assert done.exit_code == 0
            assert shown in done.stderr
            assert "gymnasium 0.1" in done.stderr
            assert "gymnasium 0.1" in json.loads(call(*words, "--format", "json").stdout)["notes"][0]
        assert (doctor_row("hw12")["state"], shown in doctor_row("hw12")["detail"]) == ("note", True)
    rows = json.loads(call("--home", str(home.root), "doctor", "--format", "json").stdout.partition("\n{")[0])["checks"]
    assert any(row["what"] == "hw12" and row["state"] == "bad" and "gymnasium 0.1" in row["detail"] for row in rows)


def doctor_row(name: str) -> dict[str, str]:
    rows = json.loads(call("doctor", "--format", "json").stdout)["checks"]
    return next(row for row in rows if row["what"] == name)


TIMES = ("next_day", "next_slot", "closes", "at", "last", "revealed")


def filled(kind: Any, text: str, name: str = "") -> Any:
    """A value of a type with `text` in every place for any text; times, of the fields `TIMES`, are valid."""
    origin, inside = get_origin(kind), get_args(kind)
    if is_dataclass(kind) and isinstance(kind, type):
        types = get_type_hints(kind)
        return kind(**{one.name: filled(types[one.name], text, one.name) for one in fields(kind)})
    if kind is str:
        return "2027-03-02T08:00:00+08:00" if name in TIMES else text
    if origin in (Union, UnionType):
        return filled(inside[0], text, name)
    if origin is dict:
        return {text: filled(inside[1], text)}
    if origin is list:
        return [filled(inside[0], text)]
    if origin is tuple:
        return tuple(filled(each, text) for each in inside if each is not Ellipsis)
    return inside[0] if origin is Literal else {float: 0.5, int: 1, bool: False, Any: text}[kind]


def test_nothing_that_a_server_says_reaches_the_terminal_as_a_command_to_it() -> None:
    evil = "\x1b[2J\u202e\x9b[red]\n"
    seen, description = filled(entries.Submission, evil), to_json(filled(types.Homework, evil))
    answers = {
        "quota": filled(types.Quota, evil),
        "submissions": filled(entries.Submissions, evil),
        "board": filled(types.Board, evil),
        "homeworks": filled(types.Homeworks, evil),
        "files": replace(filled(types.Files, evil), folder=None),
        "1": replace(seen, state="queued"),
        "2": replace(seen, state="rejected"),
        "3": replace(seen, state="graded"),
        "receipt": to_json(seen) | {evil: evil},
        "me": filled(types.Me, evil),
        "points": filled(types.Points, evil),
        "selection": filled(entries.Selection, evil),
        "hw1": description,
    }

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = evil.encode() if self.path.endswith("sheet") else b"{}"
            body = (
                json.dumps(to_json(answers[name])).encode()
                if (name := self.path.rpartition("/")[2]) in answers
                else body
            )
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_PUT = do_GET

        def log_message(self, *_: Any) -> None:
            pass

    with standing(Handler) as url:
        login.write_login(common.login_file(), remote.RemoteCourse(url, TOKEN, course=evil))
        for words in (
            ["quota", "hw1"],
            ["submissions"],
            ["leaderboard", "hw1"],
            ["tasks"],
            ["files", "hw1"],
            ["status", "1"],
            ["status", "2"],
            ["status", "3"],
            ["points"],
            ["select", "hw1", "--preview"],
            ["select", "hw1", "1"],
            ["receipt", "1"],
            ["login"],
            ["tasks", "hw1"],
        ):
            for format in ("table", "csv", "json"):
                more = [] if words[0] in ("receipt", "login") else ["--format", format]
                done = call(*words, *more)
                if words[:2] == ["tasks", "hw1"] and format == "json":
                    continue
                assert done.exit_code == 0, (words, format, done.output)
                assert not {"\x1b", "\x9b", "\u202e"} & set(done.output), (words, format)
                assert "2J" in done.output, (words, format)
                assert format == "json" or "[red]" in done.output, (words, format)
