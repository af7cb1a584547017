"""A quiz in a home and in the database, and that nothing tells a score before the deadline."""

from __future__ import annotations

import itertools
import json
import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from harness.cli import common
from harness.cli.main import cli
from harness.home import TAKEN, open_home
from harness.server.run import make_ready
from leaderboard import acceptance, access_tokens, drafts, enrolment, roster
from leaderboard.database import Database
from tasks.base import UserError
from tasks.quiz import read_key, sheet
from tests import accepting, quiz_key
from tests.classes import Class
from tests.quiz_key import AFTER, ANSWERS, BEFORE, DEADLINE, END, KEY, points

write, run = quiz_key.write, quiz_key.run


FLIPPED = KEY.replace(",B,0.4", ",C,0.4").replace("A C,", "B D,").replace(",no,1.2", ",yes,1.2")
"""The same questions with other right options, as many of them for each."""


# A quiz in a home.


def make(run: Callable[..., Result], key: str = "key.csv") -> None:
    run("new", "quiz1", "--quiz", key, "--deadline", DEADLINE, "--title", "Quiz <1>")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "a quiz needs a deadline"),
        (("--deadline", "soon"), "must be a time"),
        (("--deadline", "2027-03-25T15:59:59Z"), "has passed"),
        (("--deadline", DEADLINE, "--metric", "rmse"), "leave out --metric"),
    ],
)
def test_a_quiz_without_a_deadline_to_come_is_refused(
    run: Callable[..., Result], words: tuple[str, ...], said: str
) -> None:
    assert said in run("new", "quiz1", "--quiz", "key.csv", *words, code=2).stderr
    assert not Path("home", "public").exists()


def test_a_quota_of_a_quiz_refuses_the_next_file_and_a_large_one_leaves_tries_open(run: Callable[..., Result]) -> None:
    make(run)
    run("rules", "quiz1", "quota=1", "--reason", "one try", "--yes")
    run("submit", "quiz1", "a.csv", "--as", "ada")
    refused = run("submit", "quiz1", "b.csv", "--as", "ada", code=4)
    assert "All 1 submissions of 2027-03-25 are used" in refused.stderr
    run("rules", "quiz1", "quota=1000", "--reason", "as many tries as they like", "--yes")
    for name in "babababababa":
        run("submit", "quiz1", f"{name}.csv", "--as", "ada")
    assert json.loads(run("quota", "quiz1", "--as", "ada", "--format", "json").stdout)["quota"][0]["used"] == 13


def test_the_last_file_counts_even_if_an_earlier_one_had_the_same_bytes(run: Callable[..., Result]) -> None:
    make(run)
    for name in ("a", "b", "a"):
        run("submit", "quiz1", f"{name}.csv", "--as", "ada")
    again = json.loads(run("submit", "quiz1", "a.csv", "--as", "ada", "--format", "json").stdout)
    assert (again["submission"], again["again"], again["quota"]["used"]) == (3, True, 3)
    assert points(run, "ada") == {1: 1.8, 2: 0.0, 3: 1.8}
    book = json.loads(run("gradebook", "quiz1", "--format", "json", now=AFTER).stdout)
    (student,) = book["students"]
    assert student["homeworks"]["quiz1"]["submissions"] == [3]
    assert student["homeworks"]["quiz1"]["parts"] == {"quiz": 1.8}
    run("audit", "verify")


def test_another_rule_lets_the_first_or_the_best_count(run: Callable[..., Result]) -> None:
    make(run)
    for name in ("c", "a", "b"):
        run("submit", "quiz1", f"{name}.csv", "--as", "ada")
    for rule, expected in (("first", 0.0), ("all", 1.8), ("last", 0.0)):
        run("rules", "quiz1", f"unselected={rule}", "--reason", "the rule", "--yes")
        row = json.loads(run("gradebook", "--unrevealed", "--format", "json").stdout)["students"][0]
        assert row["homeworks"]["quiz1"]["total"] == expected
    refused = run("rules", "quiz1", "unselected=best_public", "--reason", "x y z", "--yes", code=2)
    assert "`unselected` must be first, last or all" in refused.stderr
    assert "nothing is selected" in run("select", "quiz1", "1", "--as", "ada", code=2).stderr


def test_points_are_hidden_until_nobody_has_time_left_and_open_by_themselves(run: Callable[..., Result]) -> None:
    make(run)
    run("submit", "quiz1", "a.csv", "--as", "ada")
    run("submit", "quiz1", "c.csv", "--as", "bob")
    later = END + timedelta(hours=24)
    run("extend", "quiz1", "--person", "bob", "--hours", "24", "--reason", "was ill", "--yes")
    for now in (BEFORE, END, AFTER, later):
        assert points(run, "ada", now) == {1: None}
        assert "appear after the deadline" in run("status", "1", now=now).stdout
        book = json.loads(run("gradebook", "--format", "json", now=now).stdout)
        assert book["students"][0]["homeworks"]["quiz1"]["total"] == 0
    late = json.loads(run("submit", "quiz1", "b.csv", "--as", "ada", "--format", "json", now=AFTER).stdout)
    assert (late["practice"], late["private"]) == (True, None)
    run("submit", "quiz1", "b.csv", "--as", "bob", now=AFTER)
    over = later + timedelta(microseconds=1)
    assert points(run, "ada", over) == {1: 1.8, 3: 0.0}
    assert "points 1.800" in run("status", "1", now=over).stdout
    book = json.loads(run("gradebook", "--format", "json", now=over).stdout)
    assert {one["id"]: one["homeworks"]["quiz1"]["total"] for one in book["students"]} == {"ada": 1.8, "bob": 0.0}
    words = ("--reason", "too late", "--yes")
    assert "are open since" in run("extend", "quiz1", "--all", "--hours", "99", *words, now=over, code=5).stderr
    assert "rules are final" in run("rules", "quiz1", "deadline=2027-06-01T00:00Z", *words, now=over, code=5).stderr


def test_a_quiz_has_no_board_and_nobody_reveals_it(run: Callable[..., Result]) -> None:
    make(run)
    run("submit", "quiz1", "a.csv", "--as", "ada")
    for words in (("leaderboard", "quiz1"), ("leaderboard", "quiz1", "--private", "--unrevealed")):
        for now in (BEFORE, AFTER):
            assert "has no board" in run(*words, now=now, code=2).stderr
    assert "open by themselves" in run("reveal", "quiz1", "--reason", "now then", "--yes", code=2).stderr
    assert run("leaderboard").stdout == ""


def test_points_of_replaced_data_never_open_since_the_questions_may_still_be_asked(run: Callable[..., Result]) -> None:
    make(run)
    run("submit", "quiz1", "a.csv", "--as", "ada")
    words = ("new", "quiz1", "--quiz", "key.csv", "--deadline", "2027-04-30T23:59+08:00")
    run(*words, "--new-data", "--reason", "one more month", "--yes")
    row = json.loads(run("submissions", "quiz1", "--version", "1", "--format", "json", "--as", "ada", now=AFTER).stdout)
    assert [one["private"] for one in row["submissions"]] == [None]
    book = run("gradebook", "quiz1", "--version", "1", "--format", "json", now=AFTER)
    assert json.loads(book.stdout)["students"][0]["homeworks"]["quiz1"]["parts"] == {"quiz": None}
    run("gradebook", "quiz1", "--version", "1", "--unrevealed", "--format", "json", now=AFTER)


def test_points_entered_by_hand_replace_those_of_the_file(run: Callable[..., Result]) -> None:
    make(run)
    run("submit", "quiz1", "a.csv", "--as", "ada")
    Path("home", "config.toml").write_text("[quiz1]\nparts = { report = 2 }\n")
    with open_home(Path("home")).database() as database:
        entries = [roster.RosterEntry("ada", "Ada", "", "student"), roster.RosterEntry("bob", "Bob", "", "student")]
        enrolment.import_people(database, entries, actor="ian", reason="the class", now=BEFORE)
    run("points", "quiz1", "ada", "report", "1.5", "--reason", "a report", "--yes")
    run("points", "quiz1", "bob", "quiz", "2", "--reason", "on paper", "--yes")
    body = json.loads(run("gradebook", "quiz1", "--format", "json", now=AFTER).stdout)
    assert body["homeworks"][0]["maximum"] == 4
    found = {one["id"]: one["homeworks"]["quiz1"]["parts"] for one in body["students"]}
    assert found == {"ada": {"quiz": 1.8, "report": 1.5}, "bob": {"quiz": 2.0, "report": None}}
    assert (
        run("gradebook", "quiz1", "--format", "csv", now=AFTER)
        .stdout.splitlines()[0]
        .endswith('"quiz","report","total"')
    )
    Path("home", "config.toml").write_text("[quiz1]\npoints = { quiz = [1, 1] }\n")
    assert "those of its key" in run("gradebook", code=2).stderr


def test_the_texts_of_a_key_stand_for_themselves_on_the_sheet(write: Callable[..., Path]) -> None:
    from harness.server.rendering import markdown

    html = markdown(sheet("# *T* <i>", read_key(write(KEY)).form))
    assert "Where is *the* gradient &lt;b&gt;zero&lt;/b&gt;?" in html
    assert "=1+1" in html
    assert [mark for mark in ("<em>", "<i>", "<b>") if mark in html] == []


# Nothing tells a score before the deadline.


OF_THE_MOMENT = ("x-request-id", "last-modified", "etag")
"""Headers of a number drawn for each request, and of the time at which a file was written."""


def all_that_a_student_gets(root: Path, key: str, monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    """Makes a quiz from that key, and everything that students get before the deadline, byte by byte."""
    root.mkdir()
    home, seen = root / "home", list[tuple[Any, ...]]()
    (home / "secret").mkdir(parents=True, mode=0o700)
    (home / "secret" / "key").write_bytes(bytes(range(32)))
    monkeypatch.chdir(root)
    for name, text in {**ANSWERS, "key": key, "bad": "question,answer\nq1,X\n"}.items():
        Path(f"{name}.csv").write_text(text)
    moments = (datetime(2027, 3, 25, tzinfo=UTC) + timedelta(seconds=n) for n in range(10_000))
    monkeypatch.setattr(common, "clock", lambda: next(moments))

    def run(*words: str) -> None:
        result = CliRunner().invoke(cli, ["--home", str(home), *words], env={"COLUMNS": "160"})
        seen.append((words, result.exit_code, result.stdout_bytes, result.stderr_bytes))

    run("new", "quiz1", "--quiz", "key.csv", "--deadline", DEADLINE)
    for name in ("a", "b", "c", "bad", "a"):
        run("check", "quiz1", f"{name}.csv")
        for form in ("table", "json", "csv"):
            run("submit", "quiz1", f"{name}.csv", "--as", form, "--format", form)
    shown = (
        "leaderboard quiz1",
        "leaderboard quiz1 --private",
        "submissions quiz1 --all",
        "tasks",
        "files quiz1",
        "quota quiz1 --as json",
        "points --as table",
        "points quiz1 --as csv",
        "select quiz1 --preview --as csv",
        *(f"status {n}" for n in (1, 2, 7)),
    )
    for form, words in itertools.product(("table", "json", "csv"), shown):
        run(*words.split(), "--format", form)
    for words in (
        "tasks quiz1",
        "receipt 1",
        "leaderboard",
        "select quiz1 1 --as csv",
        "reveal quiz1 --reason now --yes",
    ):
        run(*words.split())
    made = Class(open_home(home), now=END)
    with made.home.database() as database:
        entries = [roster.RosterEntry(name, name.title(), "", "student") for name in ("table", "json", "csv")]
        enrolment.import_people(database, entries, actor="ian", reason="the class", now=BEFORE)
    monkeypatch.setattr(access_tokens, "new_token", lambda: "lhy_" + "x" * 43)
    make_ready(made.home)
    made.tokens = {"table": made.token("table")}
    for path in ("", "/board", "/submissions", "/submit", "/quiz", "/everyone"):
        for role in ("nobody", "table"):
            page = made.client(role).get(f"/homeworks/quiz1{path}")
            seen.append((path, role, page.status_code, page.text))
    api = ("homeworks", "homeworks/quiz1", "homeworks/quiz1/submissions", "homeworks/quiz1/board",
           "homeworks/quiz1/selection", "homeworks/quiz1/files", "homeworks/quiz1/archive", "homeworks/quiz1/quota",
           "submissions", "submissions/1", "submissions/1/receipt", "submissions?everyone=true", "points",
           "homeworks/quiz1/points")  # fmt: skip
    pages = ("/", "/points", "/submissions/1", "/submissions/2", "/gradebook", "/gradebook.csv?hw=quiz1")
    for path in (*pages, *(f"/api/v1/{path}" for path in api)):
        answer = made.client("table").get(path)
        number = answer.headers["x-request-id"].encode()
        kept = {name: value for name, value in answer.headers.items() if name not in OF_THE_MOMENT}
        seen.append((path, answer.status_code, kept, answer.content.replace(number, b"")))
    made.close()
    for place in (home / "public", home / "submissions"):
        for file in sorted(place.rglob("*")):
            if file.is_file():
                seen.append((str(file.relative_to(home)), file.stat().st_size, file.read_bytes()))
    return seen


def test_another_key_changes_no_byte_that_a_student_can_obtain_before_the_deadline(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = all_that_a_student_gets(tmp_path / "one", KEY, monkeypatch)
    two = all_that_a_student_gets(tmp_path / "two", FLIPPED, monkeypatch)
    assert len(one) == len(two) > 90
    places = [os.fsencode(tmp_path / name) for name in ("one", "two")]

    def plain(value: Any, place: bytes) -> Any:
        return value.replace(place, b"") if isinstance(value, bytes) else value

    for left, right in zip(one, two, strict=True):
        assert [plain(v, places[0]) for v in left] == [plain(v, places[1]) for v in right], left[:2]
    assert {0, 2, 3} <= {code for _, code, *_ in one if isinstance(code, int)}
    monkeypatch.setattr(common, "clock", lambda: AFTER)
    words = ["submissions", "quiz1", "--all", "--format", "csv"]
    told = [
        CliRunner().invoke(cli, ["--home", str(tmp_path / name / "home"), *words]).stdout for name in ("one", "two")
    ]
    assert told[0] != told[1], "the comparison can fail"


@pytest.mark.parametrize("name", TAKEN)
def test_no_competition_has_the_name_of_a_section_or_a_key_of_the_settings(tmp_path: Path, name: str) -> None:
    (key := tmp_path / "key.csv").write_text(KEY)
    (solution := tmp_path / "solution.csv").write_text("id,y\n" + "".join(f"{n},{n}\n" for n in range(10)))
    for words in (["--quiz", key, "--deadline", DEADLINE], ["--solution", solution, "--metric", "rmse"]):
        done = CliRunner().invoke(cli, ["--home", str(tmp_path / "home"), "new", name, *map(str, words)])
        assert (done.exit_code, f"config.toml has its own '{name}'" in done.stderr) == (2, True), done.output
    assert not (tmp_path / "home" / "public").exists()


# In the database, on SQLite and on PostgreSQL.


def test_a_draft_keeps_what_others_saved_and_a_stale_form_changes_nothing(database: Database) -> None:
    def save(answers: dict[str, str], seen: int | None = None) -> tuple[dict[str, str], int, tuple[str, ...]]:
        found, other = drafts.save(database, "quiz1/1", "ada", answers, BEFORE, seen)
        return dict(found.answers), found.revision, other

    assert drafts.find(database, "quiz1/1", "ada") == drafts.SavedDraft({})
    assert save({"q1": "A"}) == ({"q1": "A"}, 1, ())
    assert save({"q2": "B C"}) == ({"q1": "A", "q2": "B C"}, 2, ())
    assert save({"q1": "B", "q2": ""}, seen=1) == ({"q1": "A", "q2": "B C"}, 2, ("q1", "q2"))
    assert save({"q1": "A", "q2": "B C"}, seen=0) == ({"q1": "A", "q2": "B C"}, 2, ()), "nothing is in the way"
    assert save({"q1": "B", "q2": ""}, seen=2) == ({"q1": "B", "q2": ""}, 3, ())
    assert drafts.find(database, "quiz1/1", "bob").revision == drafts.find(database, "quiz1/2", "ada").revision == 0
    assert drafts.find(database, "quiz1/1", "ada").saved_at == BEFORE


def test_bytes_are_accepted_again_as_a_new_file_unless_they_are_those_of_the_latest(database: Database) -> None:
    def accept(name: str, again: Any, late: bool = False) -> tuple[int, bool, bool]:
        done = accepted(database, name, again, late=late)
        return done.submission, done.again, done.practice

    assert [accept(name, "latest")[:2] for name in "abaabb"] == [
        (1, False),
        (2, False),
        (3, False),
        (3, True),
        (4, False),
        (4, True),
    ]
    assert accept("a", "any")[:2] == (1, True)
    assert accept("a", "latest", late=True) == (1, True, False), "late, it is the one in time"
    assert accept("c", "latest", late=True) == (5, False, True)
    assert accept("c", "latest") == (6, False, False)


def accepted(
    database: Database, name: str, again: Any = "latest", *, key: str | None = None, late: bool = False
) -> acceptance.Acceptance:
    """A file of bytes named by a letter, with the client's key or, as without one, its hash."""
    return accepting.accepted(
        database,
        course="",
        competition="quiz1/1",
        participant="ada",
        kind="person",
        sha256=name * 64,
        size=1,
        filename="",
        message="",
        client_key=key or name * 64,
        now=AFTER if late else BEFORE,
        day="2027-03-25",
        next_slot=None,
        quota=None,
        rejections=None,
        closes=END,
        sign=lambda _: b"",
        late="practice",
        again=again,
    )


def test_the_client_key_tells_a_late_retry_from_the_same_answers_handed_in_again(database: Database) -> None:
    def accept(name: str, key: str | None, late: bool = False) -> tuple[int, bool]:
        done = accepted(database, name, key=key, late=late)
        return done.submission, done.again

    assert [accept("a", "k1"), accept("b", "k2")] == [(1, False), (2, False)]
    assert accept("a", "k1") == (1, True), "a retry of the first, after the second: it does not count again"
    assert accept("b", None) == (2, True), "the second is still the latest"
    assert accept("a", "k3") == (3, False), "a new key: handed in again"
    assert [accept("a", "k1"), accept("b", "k2"), accept("a", "k3")] == [(1, True), (2, True), (3, True)]
    assert accept("a", "k4") == (3, True), "the bytes of the latest need no second entry"
    assert accept("b", None) == (4, False), "without a key, earlier bytes are handed in again"
    assert accept("b", "b" * 64 + "/4") == (4, True)
    with pytest.raises(UserError) as caught:
        accept("c", "k1")
    assert caught.value.code == "E_CLIENT_KEY"
    assert acceptance.reject(database, 3, "E_CELL", BEFORE)
    assert accept("a", "k3") == (5, False), "a refused file is no earlier one"
    assert accept("a", "k1", late=True) == (1, True)
