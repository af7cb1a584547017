"""The web process never opens `secret/`: every file that it opens or looks at is watched, whatever it is asked."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from click.testing import CliRunner

from harness import answers, competition, home
from harness.cli.main import cli
from harness.competition import find_competition
from harness.course import access, catalogue
from harness.course.types import Me
from harness.grading import audit
from harness.home import Home, open_home
from harness.plans import plan_homework
from harness.prepare import prepare
from harness.server import run
from harness.versions import complete_data, read_bars
from leaderboard import access_tokens, competitions, receipts, records
from tasks.base import UserError
from tasks.split import derive
from tests import classes, started
from tests.classes import NOW, TABLE, Class, ask, make_class, submit
from tests.conftest import reseal
from tests.test_digits import api_answers, page_answers
from tests.web import FORM, signed_in
from tests.web import TABLE as PAGES

URL = "http://testserver"

# The watch.

_watched: list[tuple[str, list[str]]] = []


def _see(arguments: tuple[Any, ...]) -> None:
    for argument in arguments if _watched else ():
        if isinstance(argument, (str, bytes, os.PathLike)):
            with contextlib.suppress(TypeError, ValueError):
                path = os.path.normpath(os.fsdecode(argument))
                for folder, seen in _watched:
                    if path == folder or path.startswith(folder + os.sep):
                        seen.append(path)


@pytest.fixture(scope="module")
def hook() -> None:
    """An audit hook, which stays to the end of the process and does nothing outside of a watch."""
    sys.addaudithook(lambda event, arguments: _see(arguments))


@contextlib.contextmanager
def watch(root: Path) -> Iterator[list[str]]:
    """What is opened, listed, changed, or looked at (stat, access) of `secret/` meanwhile, in every thread."""
    seen: list[str] = []

    def told(real: Callable[..., Any]) -> Callable[..., Any]:
        def look(*arguments: Any, **values: Any) -> Any:
            _see(arguments)
            return real(*arguments, **values)

        return look

    with pytest.MonkeyPatch.context() as patch:
        for name in ("stat", "lstat", "access", "readlink"):
            patch.setattr(os, name, told(getattr(os, name)))
        _watched.append((str(root / "secret"), seen))
        try:
            yield seen
        finally:
            _watched.pop()


@pytest.fixture
def school(course: Path, tmp_path: Path, hook: None) -> Iterator[Class]:
    """A class whose bars have private thresholds; two students have a file graded, and one a file that waits."""
    made = make_class(course, tmp_path / "home", f"sqlite:///{tmp_path / 'leaderboard.db'}", quota=100)
    give_private_bars(made)
    fill(made)
    yield made
    made.close()


def give_private_bars(school: Class) -> None:
    """Gives the bars of HW1 thresholds for its private side, sealed as if it had been prepared so."""
    path = school.home.secret("hw01", 1) / "competition.json"
    values = json.loads(path.read_text())
    for bar in values["bars"]:
        bar["private"] = [[name, threshold * 1.01] for name, threshold in bar["public"]]
    path.write_text(json.dumps(values))
    reseal(school.home)
    forget_bars(school)
    complete_data(school.home)


def forget_bars(school: Class) -> None:
    """Takes the private thresholds out of the database."""
    with school.home.database() as database, database.transaction():
        for data in competitions.all_data(database):
            assert data.description is not None
            left = {name: value for name, value in data.description.items() if name != competition.HIDDEN_BARS}
            competitions.describe(database, replace(data, description=left))


def fill(school: Class) -> None:
    for key, value in (("b01", 11.0), ("b02", 12.0)):
        assert submit(school.client(key), school.file(value)).status_code == 202
    assert school.work() == []
    assert submit(school.client("b01"), school.file(13.0)).status_code == 202


def reveal(school: Class) -> None:
    with school.home.database() as database:
        records.reveal(database, "hw01/1", "ian", "the end", NOW)


# All that can be asked.


WHO = ("nobody", "b01", "tom", "ian")


def ask_everything(school: Class, who: Sequence[str] = WHO) -> dict[str, int]:
    """Asks for every endpoint, page and file, and does all that forms and the API do, as each of them; what it gave."""
    answers: dict[str, int] = {}
    for place, role in enumerate(who):
        api_answers(school, role)
        page_answers(school, role)
        for words in TABLE:
            answers[f"{role}: {words}"] = ask(school.client(role), words, school.file(place + 20.0)).status_code
        browser = school.client() if role == "nobody" else signed_in(school, role)
        for path in PAGES:
            answers[f"{role}: page {path}"] = browser.get(path).status_code
        for name in json.loads((school.home.public("hw01") / "manifest.json").read_text())["files"]:
            school.client(role).get(f"/api/v1/homeworks/hw1/files/{name}")
        if role == "nobody":
            continue
        answers |= {f"{role}: {words}": status for words, status in do_everything(school, role).items()}
    return answers


def do_everything(school: Class, role: str) -> dict[str, int]:
    """Logs in and out, makes and ends tokens, submits, selects, looks early: by the API and by the pages."""
    answers = {}
    client, browser = school.client(role), signed_in(school, role)
    number = submit(client, school.file(40.0 + WHO.index(role))).json().get("submission")
    sent = {"origin": URL}
    answers["again"] = submit(client, school.file(40.0 + WHO.index(role))).status_code
    answers["refused"] = submit(client, b"id,y\n1,\xff").status_code
    answers["select"] = client.put("/api/v1/homeworks/hw1/selection", json={"submissions": [number]}).status_code
    form = {"submission": str(number)}
    answers["select, page"] = browser.post("/homeworks/hw1/selection", data=form).status_code
    answers["early look"] = browser.post("/homeworks/hw1/board", headers=FORM).status_code
    for query in ("version=1", "version=1&private=true", "version=9", "private=true&unrevealed=true&exact=true"):
        answers[f"board {query}"] = client.get(f"/api/v1/homeworks/hw1/board?{query}").status_code
    answers["a token"] = client.post("/api/v1/tokens", json={"label": "more"}).status_code
    newest = client.get("/api/v1/tokens").json()["tokens"][-1]["id"]
    answers["end a token"] = client.delete(f"/api/v1/tokens/{newest}").status_code
    api = school.client()
    opened = api.post("/api/v1/session", json={"token": school.tokens[role]}, headers=sent)
    answers["log in"] = opened.status_code
    answers["session"] = api.get("/api/v1/session").status_code
    answers["select, session"] = api.put(
        "/api/v1/homeworks/hw1/selection", json={"submissions": [number]}, headers=sent
    ).status_code
    answers["log out"] = api.delete("/api/v1/session", headers=sent).status_code
    answers["log out, page"] = browser.post("/logout", headers=FORM).status_code
    answers["log in, wrong"] = browser.post("/login", data={"token": "no", "next": "/"}, headers=sent).status_code
    invitation = {"token": school.token(role, label=access_tokens.INVITATION), "next": "/"}
    answers["invitation"] = school.client().post("/login", data=invitation, headers=sent).status_code
    return answers


DONE = {
    "again": 200, "log in": 200, "session": 200, "log out": 200, "log out, page": 303, "a token": 200,
    "end a token": 200,
    "invitation": 200,
}  # fmt: skip


def all_went_well(answers: dict[str, int]) -> None:
    assert {words: status for words, status in answers.items() if status >= 500} == {}
    for words, status in answers.items():
        expected = DONE.get(words.partition(": ")[2])
        assert expected is None or status == expected, words


@pytest.mark.slow
@pytest.mark.parametrize("revealed", [False, True])
def test_no_request_of_anybody_opens_the_secret_folder(school: Class, revealed: bool) -> None:
    if revealed:
        reveal(school)
    with watch(school.home.root) as seen:
        answers = ask_everything(school)
    assert seen == []
    all_went_well(answers)
    for role in ("tom", "ian"):
        assert answers[f"{role}: GET /homeworks/hw1/board?private=true"] == (200 if revealed else 403)
        assert answers[f"{role}: board private=true&unrevealed=true&exact=true"] == 200
    assert answers["b01: POST /homeworks/hw1/submissions"] == 202
    assert school.work() == []
    assert audit.verify(school.home)[0] == [], "every receipt holds"


def test_older_data_and_a_change_that_was_cut_off_need_nothing_secret(school: Class) -> None:
    reveal(school)
    client = school.client("tom")
    old = client.get("/api/v1/homeworks/hw1/board?private=true").json()
    assert any(bar["private"] for bar in old["bars"])
    plan = plan_homework("hw1", None, None, "small")
    prepare(school.home, plan, seed=None, new_data=True, accept_leaks=False, reason="a draw", now=NOW)
    shutil.copytree(school.home.public("hw01"), following := school.home.public(".hw01.next"))
    described = json.loads((following / "format.json").read_text()) | {"version": 3}
    (following / "format.json").write_text(json.dumps(described))
    shutil.copytree(school.home.secret("hw01", 2), school.home.secret("hw01", 3))
    (school.home.root / "config.toml").write_text((school.home.root / "config.toml").read_text() + "\n")
    with watch(school.home.root) as seen:
        answers = ask_everything(school, ("b01", "tom"))
        again = client.get("/api/v1/homeworks/hw1/board?private=true&version=1").json()
    assert seen == []
    all_went_well(answers)
    assert not following.exists(), "data that the database does not have are taken back"
    assert again["bars"] == old["bars"]
    prepare(school.home, plan, seed=None, new_data=True, accept_leaks=False, reason="a draw", now=NOW)
    assert find_competition(school.home, "hw1").version == 4, "what was left there is not used"


@pytest.mark.parametrize("look", ["open", "stat", "list"])
def test_a_request_that_opens_or_looks_there_is_found(
    school: Class, monkeypatch: pytest.MonkeyPatch, look: str
) -> None:
    real = catalogue.me
    looks: dict[str, Callable[[Path], Any]] = {
        "open": lambda folder: (folder / "key").read_bytes(),
        "stat": lambda folder: (folder / "hw01").is_dir(),
        "list": lambda folder: list(folder.glob("*/*")),
    }

    def nosy(home: Home, viewer: access.Viewer) -> Me:
        looks[look](home.root / "secret")
        return real(home, viewer)

    monkeypatch.setattr(catalogue, "me", nosy)
    with watch(school.home.root) as seen:
        assert school.client("b01").get("/api/v1/me").status_code == 200
    assert seen
    with watch(school.home.root) as seen:
        assert school.client("b01").get("/api/v1/course").status_code == 200
    assert seen == []


def test_the_home_of_a_web_process_gives_neither_the_key_nor_a_path_there(school: Class) -> None:
    web = replace(school.home, served=True)
    for reach in (web.key, lambda: web.secret("hw01", 1), lambda: answers.course_key(web)):
        with pytest.raises(UserError, match="not for a web process"):
            reach()


# The real processes.

NOTED = """\
import os, sys
def note(event, arguments):
    for argument in arguments:
        if isinstance(argument, (str, bytes, os.PathLike)) and "/secret/" in os.fsdecode(argument) + "/":
            os.write(out, f"{os.getpid()} {os.fsdecode(argument)}\\n".encode())
out = os.open(os.environ["NOTES"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
sys.addaudithook(note)
from harness.cli.main import main
main()
"""


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="the server needs POSIX")
def test_the_web_process_of_a_running_server_opens_nothing_there_and_goes_on_when_it_is_gone(
    course: Path, tmp_path: Path, hook: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    school = make_class(course, tmp_path / "home", f"sqlite:///{tmp_path / 'leaderboard.db'}", quota=100)
    shutil.rmtree(school.home.root / "keys")
    hidden, notes = school.home.root / "secret", tmp_path / "notes"
    monkeypatch.setenv("NOTES", str(notes))
    monkeypatch.setattr(started, "START", NOTED)
    with started.running(school.home) as server:
        web, grader = server.children()
        assert started.send(server.url, school, "b01", school.file(11.0)).status_code == 202
        started.until(lambda: started.graded(school, 1))
        reveal(school)
        assert ask_by_network(school, server.url) == set()
        opened = {int(line.split()[0]) for line in notes.read_text().splitlines()}
        assert opened == {server.process.pid, grader}, (
            "the parent and the worker read the key, the web process does not"
        )
        moved = hidden.rename(tmp_path / "moved")
        assert ask_by_network(school, server.url) == set()
        sent = started.send(server.url, school, "b02", school.file(12.0))
        assert (sent.status_code, sent.json()["state"]) == (202, "queued")
        moved.rename(hidden)
        started.until(lambda: started.graded(school, 2))
        assert web in server.children(), "it is the same process"
    assert str(web) not in {line.split()[0] for line in notes.read_text().splitlines()}
    assert audit.verify(school.home)[0] == []


def ask_by_network(school: Class, url: str) -> set[tuple[str, int]]:
    """Each GET of the tables as nobody and as staff, who may ask for all; which of them the server could not answer."""
    failed = set()
    paths = [f"/api/v1{words[4:]}" for words in TABLE if words.startswith("GET ")] + list(PAGES)
    for role in ("nobody", "tom"):
        with httpx.Client(base_url=url) as client:
            if role != "nobody":
                answer = client.post(
                    "/login", data={"token": school.tokens[role], "next": "/"}, headers={"origin": url}
                )
                assert answer.status_code == 303
            for path in paths:
                status = client.get(path).status_code
                failed |= {(path, status)} if status >= 500 else set()
    return failed


# What it has instead.


def test_the_keys_are_those_that_follow_from_the_secret_one_and_are_private(school: Class) -> None:
    folder, key = school.home.root / "keys", school.home.key()
    web = replace(school.home, served=True)
    assert sorted(path.name for path in folder.iterdir()) == sorted(home.WEB_KEYS) == ["receipts", "sessions"]
    assert folder.stat().st_mode & 0o777 == 0o700
    for purpose in home.WEB_KEYS:
        assert (folder / purpose).stat().st_mode & 0o777 == 0o600
        assert web.derived(purpose) == school.home.derived(purpose) == derive(key, purpose)
    known = json.loads((school.home.root / "public" / "course.json").read_text())["receipt_key"]
    assert known == receipts.public_key(web.derived("receipts"))


def call(school: Class, *words: str) -> Any:
    return CliRunner().invoke(cli, ["--home", str(school.home.root), *words])


@pytest.mark.parametrize("name", ["receipts", "sessions"])
def test_a_key_that_does_not_follow_from_the_secret_one_stops_preparing_and_serving_and_is_found(
    school: Class, name: str
) -> None:
    path = school.home.root / "keys" / name
    path.write_bytes(bytes(32))
    done = call(school, "prepare", "hw1")
    assert done.exit_code == 10
    assert f"{path} does not follow from" in done.stderr
    with pytest.raises(UserError) as caught:
        run.make_ready(school.home)
    assert caught.value.code == "E_KEY"
    found = call(school, "audit", "verify")
    assert found.exit_code != 0
    assert f"{path} does not follow from the secret key" in found.output
    assert path.read_bytes() == bytes(32), "nothing is written over"
    shutil.rmtree(path.parent)
    run.make_ready(school.home)
    assert path.read_bytes() == derive(school.home.key(), name)
    assert call(school, "audit", "verify").exit_code == 0


@pytest.mark.parametrize("damage", ["gone", "short", "another"])
def test_without_a_right_key_a_web_process_takes_no_file_and_reads_on(school: Class, damage: str) -> None:
    client, path = school.client("b01"), school.home.root / "keys" / "receipts"
    whole, lines = path.read_bytes(), len(school.lines)
    path.unlink()
    if damage != "gone":
        path.write_bytes(bytes(31 if damage == "short" else 32))
    refused = submit(client, school.file(50.0))
    assert classes.error(refused) == (503, "E_COURSE")
    assert str(school.home.root) not in refused.text
    assert str(path) in "".join(school.lines[lines:])
    assert client.get("/api/v1/homeworks/hw1/board").status_code == 200
    path.write_bytes(whole)
    assert submit(client, school.file(50.0)).status_code == 202
    assert school.work() == []
    assert audit.verify(school.home)[0] == []


def test_a_home_of_an_earlier_release_gets_them_when_it_is_prepared_again_or_served(school: Class) -> None:
    shutil.rmtree(school.home.root / "keys")
    assert classes.error(submit(school.client("b01"), school.file(50.0))) == (503, "E_COURSE")
    assert call(school, "prepare", "hw1").exit_code == 0
    assert submit(school.client("b01"), school.file(50.0)).status_code == 202
    shutil.rmtree(school.home.root / "keys")
    run.make_ready(school.home)
    assert submit(school.client("b01"), school.file(51.0)).status_code == 202


def test_private_bars_come_from_the_database_and_a_change_of_them_is_found(school: Class) -> None:
    one = find_competition(school.home, "hw1")
    sealed = json.loads((school.home.secret("hw01", 1) / "competition.json").read_text())["bars"]
    bars = tuple(competition.bar_from_json(bar) for bar in sealed)
    assert any(bar.private for bar in bars)
    web = replace(school.home, served=True)
    assert read_bars(web, one) == read_bars(school.home, one) == bars
    forget_bars(school)
    assert read_bars(school.home, one) == bars, "at home they are still read where they were sealed"
    with pytest.raises(UserError, match="start the server anew"):
        read_bars(web, one)
    complete_data(school.home)
    assert read_bars(web, one) == bars
    assert audit.verify(school.home)[0] == []
    with school.home.database() as database, database.transaction():
        data = competitions.find(database, "hw01/1")
        assert data is not None
        assert data.description is not None
        changed = [{**bar, "private": bar["public"]} for bar in sealed]
        description = {**data.description, competition.HIDDEN_BARS: changed}
        competitions.describe(database, replace(data, description=description))
    found = "the private bars in the database are not those that were prepared"
    assert audit.verify(school.home)[0] == [f"hw01/1: {found}"]


def test_data_of_an_earlier_release_are_described_before_the_web_process_starts(school: Class) -> None:
    plan = plan_homework("hw1", None, None, "small")
    prepare(school.home, plan, seed=None, new_data=True, accept_leaks=False, reason="a draw", now=NOW)
    reveal(school)
    client = school.client("tom")
    paths = [f"/api/v1/homeworks/hw1/board?private=true&version={n}" for n in (1, 2)] + ["/api/v1/submissions/1"]
    with school.home.database() as database:
        records.reveal(database, "hw01/2", "ian", "the end", NOW)
    before = [client.get(path) for path in paths]
    with school.home.database() as database, database.transaction():
        database.execute("UPDATE competitions SET description = NULL, prepared_at = NULL, digest = NULL")
        database.execute("DELETE FROM competitions WHERE number = :two", two=2)
    assert client.get(paths[1]).status_code == 503
    complete_data(open_home(school.home.root))
    with watch(school.home.root) as seen:
        after = [client.get(path) for path in paths]
    assert seen == []
    assert [answer.status_code for answer in (*before, *after)] == [200] * 6
    assert [answer.json() for answer in after] == [answer.json() for answer in before]
