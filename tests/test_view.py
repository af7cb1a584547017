"""The one projection: what each role may see and do, asked of every function of `harness.course`."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest

from harness.cli.hand_in import best_words
from harness.competition import find_competition
from harness.course import access, boards, catalogue, handing_in, limits, points, record
from harness.course.access import NOBODY, Viewer
from harness.course.entries import Accepted, FileProblem, to_json
from harness.course.types import Place
from harness.grading.accept import grade_pending
from harness.home import Home, open_home
from harness.plans import plan_homework, plan_own
from harness.prepare import prepare
from harness.shown import shown
from harness.versions import read_versions
from leaderboard import acceptance, adjustments, enrolment, events, queue, records, results, roster
from leaderboard.acceptance import Upload
from submissions.store import keep
from tasks.base import PRIVATE, UserError
from tests.conftest import reseal

pytestmark = pytest.mark.slow_on_postgresql

NOW = datetime(2027, 3, 1, 12, tzinfo=UTC)
PEOPLE = (
    roster.Entry("prof-hung", "The Professor", "hung@ntu.example", "instructor"),
    roster.Entry("ta-wei", "Assistant Wei", "wei@ntu.example", "ta"),
    roster.Entry("b10901001", "Ann", "ann@ntu.example"),
    roster.Entry("b10901002", "Bob", "bob@ntu.example", "student", "Blue"),
    roster.Entry("b10901003", "Cyd", "cyd@ntu.example", "student", "Blue"),
    roster.Entry("aud-1", "Eve", "eve@ntu.example", "auditor"),
)
PROF, TA, ANN, BOB, CYD, EVE = (Viewer(p.role, p.key) for p in PEOPLE)
ROLES = {"nobody": NOBODY, "student": ANN, "member of a team": CYD, "auditor": EVE, "ta": TA, "instructor": PROF}
WEAK_STAFF = [Viewer("ta", TA.key, "submit"), Viewer("instructor", PROF.key, "read")]


@pytest.fixture
def home(course: Path, tmp_path: Path, database_url: str) -> Home:
    """A course with a roster, on each kind of database in turn."""
    return course_at(course, tmp_path / "home", f'database = "{database_url}"\n')


def course_at(course: Path, root: Path, config: str = "") -> Home:
    shutil.copytree(course, root)
    (root / "config.toml").write_text(config)
    home = open_home(root)
    with home.database() as database:
        for entry in PEOPLE:
            enrolment.add_person(database, entry, actor="prof-hung", reason="start", now=NOW)
    return home


def predictions(home: Home, value: object) -> bytes:
    """A file that predicts one value everywhere."""
    header, *rows = (home.public("hw01") / "sample_submission.csv").read_text().splitlines()
    return "\n".join([header, *(f"{row.split(',')[0]},{value}" for row in rows)]).encode()


def hand_in(home: Home, viewer: Viewer, value: object, now: datetime = NOW) -> Accepted:
    data = predictions(home, value)
    sha256 = keep(home.submissions, data)
    upload = Upload(sha256, len(data), "preds.csv", "a note", sha256, now)
    return handing_in.submit_accept(home, viewer, "hw1", upload)


def graded(home: Home, viewer: Viewer, *values: object, now: datetime = NOW) -> list[int]:
    """Hands in and grades; the numbers of the submissions."""
    numbers = [hand_in(home, viewer, value, now).submission for value in values]
    grade_pending(home, now, ["hw01"])
    return numbers


def asked(home: Home, viewer: Viewer, numbers: list[int], now: datetime = NOW) -> dict[str, str]:
    """What every reading function answers that viewer, errors included, as text."""
    calls: dict[str, Callable[[], Any]] = {
        "homeworks": lambda: catalogue.homeworks(home, viewer, now),
        "homework": lambda: catalogue.homework(home, viewer, "hw1", now),
        "sheet": lambda: catalogue.sheet(home, viewer, "hw1"),
        "files": lambda: catalogue.files(home, viewer, "hw1"),
        "archive": lambda: str(catalogue.archive(home, viewer, "hw1").relative_to(home.root)),
        "file": lambda: str(catalogue.file_path(home, viewer, "hw1", "sheet.md").relative_to(home.root)),
        "me": lambda: catalogue.me(home, viewer),
        "points": lambda: asdict(points.points(home, viewer, None, now)),
        "points of one": lambda: asdict(points.points(home, viewer, "hw1", now)),
        "quota": lambda: limits.quota(home, viewer, "hw1", now),
        "selection": lambda: limits.selection(home, viewer, "hw1", now),
        "submissions": lambda: record.submissions(home, viewer, None, now=now),
        "everybody's": lambda: record.submissions(home, viewer, "hw1", everyone=True, now=now),
        "public board": lambda: boards.board(home, viewer, "hw1", now=now),
        "private board": lambda: boards.board(home, viewer, "hw1", private=True, now=now),
        "gradebook": lambda: boards.gradebook(home, viewer, "hw1", now=now),
        "gradebook of all": lambda: boards.gradebook(home, viewer, None, now=now),
        "full gradebook": lambda: boards.gradebook(home, viewer, "hw1", unrevealed=True, now=now),
        "early look": lambda: boards.board(home, viewer, "hw1", private=True, unrevealed=True, now=now),
    }
    for n in numbers:
        calls[f"submission {n}"] = partial(record.submission, home, viewer, n, now)
        calls[f"receipt {n}"] = partial(record.receipt, home, viewer, n)
    answers = {}
    for name, call in calls.items():
        try:
            answers[name] = json.dumps(to_json(call()), allow_nan=False)
        except UserError as error:
            answers[name] = f"{error.code}: {error}"
    return answers


def code(answer: str) -> str:
    return answer.partition(":")[0] if answer.startswith("E_") else "ok"


def test_each_role_sees_what_it_may_and_nothing_else(home: Home) -> None:
    own, other = graded(home, ANN, 9)[0], graded(home, BOB, 8)[0]
    everybody = ["homeworks", "homework", "sheet", "public board"]
    people = [
        *everybody,
        "files",
        "archive",
        "file",
        "me",
        "points",
        "points of one",
        "quota",
        "selection",
        "submissions",
    ]
    staff = [*people, "everybody's", "early look", "gradebook", "gradebook of all", "full gradebook",
             *(f"{what} {number}" for what in ("submission", "receipt") for number in (own, other))]  # fmt: skip
    allowed = {
        "nobody": everybody,
        "student": [*people, f"submission {own}", f"receipt {own}"],
        "member of a team": [*people, f"submission {other}", f"receipt {other}"],
        "auditor": people,
        "ta": staff,
        "instructor": staff,
    }
    assert {viewer.role for viewer in ROLES.values()} == set(get_args(access.Role))
    for role, viewer in ROLES.items():
        answers = asked(home, viewer, [own, other])
        assert {name for name, answer in answers.items() if code(answer) == "ok"} == set(allowed[role]), role
        assert code(answers["private board"]) == "E_NOT_REVEALED"
        refused = {code(answer) for name, answer in answers.items() if name not in allowed[role]}
        assert refused <= {"E_LOGIN", "E_NOT_FOUND", "E_NOT_ALLOWED", "E_NOT_REVEALED"}, role


def test_what_is_anothers_is_refused_in_the_very_words_of_what_does_not_exist(home: Home) -> None:
    other = graded(home, BOB, 8)[0]
    calls: list[Callable[[Home, Viewer, int], Any]] = [record.receipt, partial(record.submission, now=NOW)]
    for call in calls:
        answers = []
        for number in (other, 4711):
            with pytest.raises(UserError) as error:
                call(home, ANN, number)
            answers.append((error.value.code, str(error.value).replace(str(number), "N")))
        assert answers[0] == answers[1] == ("E_NOT_FOUND", "There is no submission N.")
    refusals = []
    for number in (other, 4711):
        with pytest.raises(UserError) as refusal:
            limits.select(home, ANN, "hw1", [number], NOW)
        refusals.append(str(refusal.value).removeprefix(str(number)))
    assert refusals[0] == refusals[1]


def test_no_key_and_no_address_of_another_reaches_anybody_but_staff(home: Home) -> None:
    numbers = graded(home, ANN, 9, 8) + graded(home, BOB, 7) + graded(home, EVE, 6)
    for role, viewer in ROLES.items():
        answers = " ".join(asked(home, viewer, numbers).values())
        mates = {"b10901002", "b10901003"} if viewer in (BOB, CYD) else set()
        strange = {text for p in PEOPLE for text in (p.key, p.email)} - {viewer.key, f"{viewer.key}"} - mates
        own_mail = {p.email for p in PEOPLE if p.key == viewer.key}
        found = {text for text in strange - own_mail if text in answers}
        assert bool(found) == viewer.staff, (role, found)
    board = boards.board(home, ANN, "hw1", now=NOW).board
    assert {row.name for row in board} == {"Ann", "Blue", "Eve"}
    assert [row.name for row in board if row.own] == ["Ann"]
    assert all((row.submission is not None) == row.own for row in board)
    nobody = boards.board(home, NOBODY, "hw1", now=NOW).board
    assert {row.name for row in nobody} == {"a participant"}
    assert [row.score for row in nobody] == [row.score for row in board]


def test_a_person_who_joins_a_team_later_stays_alone_in_what_has_begun(home: Home) -> None:
    graded(home, ANN, 9)
    moved = roster.Entry("b10901001", "Ann", "ann@ntu.example", "student", "Green")
    with home.database() as database:
        enrolment.import_people(database, [moved], actor="prof-hung", reason="teams", now=NOW)
    graded(home, ANN, 8)
    (row,) = boards.board(home, ANN, "hw1", now=NOW).board
    assert (row.name, row.entries, row.own) == ("Ann", 2, True)


def test_the_private_board_opens_to_all_with_the_reveal_and_before_it_each_look_of_staff_is_logged(home: Home) -> None:
    graded(home, ANN, 9)
    graded(home, BOB, 8)

    def looks() -> list[str]:
        with home.database() as database:
            return [event.actor for event in events.events(database) if event.kind == "private board seen"]

    for viewer in [*ROLES.values(), *WEAK_STAFF]:
        if not viewer.staff:
            for unrevealed in (False, True):
                with pytest.raises(UserError) as error:
                    boards.board(home, viewer, "hw1", private=True, unrevealed=unrevealed, now=NOW)
                assert (error.value.code, error.value.exit_code) == ("E_NOT_REVEALED", 6)
    assert looks() == []
    assert boards.gradebook(home, TA, None, now=NOW)["hidden"] == ["hw01"]
    assert looks() == []
    assert boards.board(home, TA, "hw1", private=True, unrevealed=True, now=NOW).side == "private"
    assert looks() == ["ta-wei"]
    full = boards.gradebook(home, PROF, "hw1", unrevealed=True, now=NOW)
    assert full["hidden"] == []
    assert [student["id"] for student in full["students"]] == ["b10901001", "b10901002", "b10901003"]
    assert looks() == ["ta-wei", "prof-hung"]
    with home.database() as database:
        records.reveal(database, "hw01/1", "prof-hung", "end of term", NOW)
    both = [boards.board(home, viewer, "hw1", private=True, now=NOW) for viewer in ROLES.values()]
    assert all(len(board.board) == 2 for board in both)
    assert all(None not in (row.public_rank, row.move) for board in both for row in board.board)
    assert looks() == ["ta-wei", "prof-hung"]
    ended = catalogue.homework(home, ANN, "hw1", NOW)
    assert ended.closed
    assert ended.revealed == "2027-03-01T20:00:00+08:00"


def test_private_scores_of_submissions_are_told_with_the_reveal_and_to_nobody_before(home: Home) -> None:
    numbers = graded(home, ANN, 9, 30) + graded(home, BOB, 8)

    def told(viewer: Viewer, everyone: bool = False) -> dict[int, float | None]:
        rows = record.submissions(home, viewer, "hw1", everyone=everyone, now=NOW).submissions
        single = {row.id: record.submission(home, viewer, row.id, NOW).private for row in rows}
        assert single == {row.id: row.private for row in rows}
        return single

    before = [told(ANN), told(BOB), told(TA, everyone=True), told(PROF, everyone=True)]
    assert [list(one) for one in before] == [numbers[:2], numbers[2:], numbers, numbers]
    assert all(score is None for one in before for score in one.values())
    with home.database() as database:
        exact = {row.submission: row.private and shown(row.private, 5) for row in results.grade_rows(database)}
        records.reveal(database, "hw01/1", "prof-hung", "end of term", NOW)
    assert told(ANN) == {number: exact[number] for number in numbers[:2]}
    assert told(TA, everyone=True) == exact
    board = boards.board(home, ANN, "hw1", private=True, now=NOW).board
    assert {row.submission: row.score for row in board if row.own}.items() <= told(ANN).items()


def test_a_flipped_private_label_changes_no_body_of_any_role_before_the_reveal(course: Path, tmp_path: Path) -> None:
    bodies: list[dict[str, dict[str, str]]] = []
    for flipped in (False, True):
        home = course_at(course, tmp_path / str(flipped))
        if flipped:
            folder = home.secret("hw01", 1)
            answers = np.load(folder / "column-0.npy")
            row = np.flatnonzero(np.load(folder / "usage.npy") == PRIVATE)[3]
            answers[row] += 1e7  # so far that whoever was better on this side is now worse
            np.save(folder / "column-0.npy", answers)
            reseal(home)
        numbers = graded(home, ANN, 9, 800) + graded(home, BOB, 7, 900) + graded(home, EVE, 6)
        limits.select(home, BOB, "hw1", numbers[2:3], NOW)
        bodies.append({role: asked(home, viewer, numbers) for role, viewer in ROLES.items()})
    for role, answers in bodies[0].items():
        changed = [name for name in answers if answers[name] != bodies[1][role][name]]
        assert set(changed) <= ({"early look", "full gradebook"} if ROLES[role].staff else set()), role
        assert ("early look" in changed) == ROLES[role].staff


def test_a_token_that_only_reads_changes_nothing_and_one_that_submits_has_no_rights_of_staff(home: Home) -> None:
    number = graded(home, ANN, 9)[0]
    reading = Viewer("student", ANN.key, "read")
    changes: list[Callable[[Viewer], Any]] = [
        lambda viewer: hand_in(home, viewer, 5),
        lambda viewer: limits.select(home, viewer, "hw1", [number], NOW),
        lambda viewer: handing_in.submit_limit(home, viewer, "hw1", NOW),
    ]
    for change in changes:
        for viewer, wanted in ((reading, "E_SCOPE"), (NOBODY, "E_LOGIN")):
            with pytest.raises(UserError) as error:
                change(viewer)
            assert (error.value.code, error.value.exit_code) == (wanted, 6)
    assert record.submission(home, reading, number, NOW).state == "graded"
    for viewer in WEAK_STAFF:
        assert code(asked(home, viewer, [number])[f"submission {number}"]) == "E_NOT_FOUND"
        assert code(asked(home, viewer, [])["everybody's"]) == "E_NOT_ALLOWED"


def test_a_submission_is_queued_with_its_place_then_graded_then_on_the_board(home: Home) -> None:
    first, second = hand_in(home, ANN, 60), hand_in(home, BOB, 15)
    assert [(body.state, body.position) for body in (first, second)] == [("queued", 1), ("queued", 2)]
    assert (first.quota.used, first.quota.left, first.again) == (1, 4, False)
    again = hand_in(home, ANN, 60)
    assert again.again
    assert again.receipt == first.receipt
    assert again.quota.used == 1
    versions = {"hw01/1": read_versions(home, find_competition(home, "hw1"))}
    with home.database() as database:
        leased = queue.lease(database, versions, "worker", NOW, timedelta(seconds=60))
    assert leased is not None
    assert record.submission(home, ANN, first.submission, NOW).state == "grading"
    grade_pending(home, NOW, ["hw01"])
    done = record.submission(home, ANN, first.submission, NOW)
    assert (done.state, done.rank, done.position) == ("graded", 2, None)
    assert done.scores[0].public == boards.board(home, ANN, "hw1", now=NOW).board[1].score
    listed = record.submissions(home, ANN, "hw1", now=NOW).submissions
    assert [(row.id, row.state, row.message) for row in listed] == [(first.submission, "graded", "a note")]


def test_the_owner_of_a_refused_file_sees_every_problem_that_the_reader_found(home: Home) -> None:
    number = graded(home, ANN, "nan")[0]
    seen = record.submission(home, ANN, number, NOW)
    assert seen.state == "rejected"
    assert str(seen.code).startswith("E_")
    assert seen.problems[0].line == 2
    assert len(seen.problems) > 1
    assert seen.scores == []
    quota = limits.quota(home, ANN, "hw1", NOW).quota[0]
    assert (quota.used, quota.refused) == (0, 1)


def test_a_file_with_more_problems_than_are_shown_says_how_many_there_are(home: Home) -> None:
    rows = len(predictions(home, "nan").splitlines()) - 1
    seen = record.submission(home, ANN, graded(home, ANN, "nan")[0], NOW)
    assert seen.total == rows > len(seen.problems)
    assert record.submission(home, ANN, graded(home, ANN, 9)[0], NOW).total == 0
    with home.database() as database:  # as it was kept before the total was
        acceptance.reject(database, hand_in(home, ANN, 5).submission, "E_X", NOW, '[{"code": "E_X", "message": "no"}]')
    old = record.submission(home, ANN, 3, NOW)
    assert (old.total, old.problems) == (1, [FileProblem("E_X", "no")])


def test_ones_place_is_that_of_the_board_with_ties_practice_baselines_and_what_waits(home: Home) -> None:
    from harness.grading.accept import accept_file

    close = datetime(2027, 3, 1, 14, tzinfo=UTC)
    (home.root / "config.toml").write_text(
        (home.root / "config.toml").read_text() + '[hw01]\ndeadline = "2027-03-01T22:00:00+08:00"\n'
    )
    home = open_home(home.root)
    viewers = {viewer.key: viewer for viewer in (TA, ANN, BOB, EVE, PROF)}

    def compare() -> None:
        board = boards.board(home, ANN, "hw1", now=NOW).board
        people = sum(row.kind == "person" for row in board)
        for viewer in viewers.values():
            line = next((row for row in boards.board(home, viewer, "hw1", now=NOW).board if row.own), None)
            place = catalogue.homeworks(home, viewer, NOW).tasks[0].place
            assert (line is None) == (place is None)
            if line is not None:
                assert place == Place(line.rank, people, line.score, 5, line.bars, line.submission)
        assert catalogue.homeworks(home, NOBODY, NOW).tasks[0].place is None

    compare()
    graded(home, EVE, "nan")
    compare()
    hand_in(home, BOB, 40)
    hand_in(home, TA, 41)
    compare()
    grade_pending(home, NOW, ["hw01"])
    graded(home, ANN, 40)
    compare()
    board = boards.board(home, ANN, "hw1", now=NOW).board
    assert board[0].score == board[1].score != board[2].score
    graded(home, ANN, 13)
    sha256 = keep(home.submissions, predictions(home, 14))
    with home.database() as database:
        accept_file(
            home, database, find_competition(home, "hw1"), Upload(sha256, 1, "b.csv", "", "b", NOW),
            participant="baseline strong", kind="baseline", limited=False,
        )  # fmt: skip
    grade_pending(home, NOW, ["hw01"])
    compare()
    graded(home, TA, 12, now=close + timedelta(seconds=1))
    graded(home, PROF, 11, now=close + timedelta(seconds=1))
    compare()
    hand_in(home, PROF, 60)
    hand_in(home, EVE, 61)
    compare()
    board = boards.board(home, ANN, "hw1", now=NOW).board
    assert [row.score is None for row in board] == [False] * (len(board) - 2) + [True] * 2


@pytest.mark.parametrize("rule", ["best_public", "first", "last", "all"])
def test_the_preview_of_the_selection_is_what_the_private_board_takes(course: Path, tmp_path: Path, rule: str) -> None:
    home = course_at(course, tmp_path / "home", f'[hw01]\nunselected = "{rule}"\nselections = 2\n')
    numbers = graded(home, ANN, 60, 15, 90, 12)
    wanted = {"best_public": [1, 3], "first": [0, 1], "last": [2, 3], "all": [0, 1, 2, 3]}[rule]
    preview = limits.selection(home, ANN, "hw1", NOW)
    assert [row.id for row in preview.counts] == [numbers[place] for place in wanted]
    assert (preview.selected, preview.locked, preview.unselected) == ([], False, rule)
    board = boards.board(home, PROF, "hw1", private=True, unrevealed=True, now=NOW).board
    assert board[0].submission in [row.id for row in preview.counts]
    chosen = limits.select(home, ANN, "hw1", [numbers[0], numbers[2]], NOW)
    assert chosen.selected == [row.id for row in chosen.counts] == [numbers[0], numbers[2]]
    board = boards.board(home, PROF, "hw1", private=True, unrevealed=True, now=NOW).board
    assert board[0].submission in (numbers[0], numbers[2])


def test_the_clocks_are_those_of_the_viewer_extensions_included(course: Path, tmp_path: Path) -> None:
    home = course_at(course, tmp_path / "home", '[hw01]\ndeadline = "2027-03-01T23:59+08:00"\nquota = 2\n')
    closes = datetime(2027, 3, 1, 15, 59, 59, 999_999, tzinfo=UTC)
    with home.database() as database:
        until = closes + timedelta(days=1)
        adjustments.extend(
            database, "hw01/1", "person", ANN.key, until=until, slots=1, actor="prof-hung", reason="ill", now=NOW
        )
    late = closes + timedelta(microseconds=1)
    assert catalogue.homework(home, BOB, "hw1", NOW).closes == "2027-03-01T23:59:59+08:00"
    assert catalogue.homework(home, ANN, "hw1", NOW).closes == "2027-03-02T23:59:59+08:00"
    assert [catalogue.homework(home, viewer, "hw1", late).closed for viewer in (ANN, BOB, NOBODY)] == [
        False,
        True,
        True,
    ]
    assert [limits.quota(home, viewer, "hw1", NOW).quota[0].limit for viewer in (ANN, BOB)] == [3, 2]
    assert [hand_in(home, viewer, 9, late).practice for viewer in (ANN, BOB)] == [False, True]
    assert [limits.selection(home, viewer, "hw1", late).locked for viewer in (ANN, BOB)] == [False, True]
    with pytest.raises(UserError, match="closed"):
        limits.select(home, BOB, "hw1", [], late)
    assert [row.name for row in catalogue.homeworks(home, ANN, late).tasks] == ["hw01"]


def test_practice_is_scored_but_has_no_place_and_does_not_count(course: Path, tmp_path: Path) -> None:
    home = course_at(course, tmp_path / "home", '[hw01]\ndeadline = "2027-03-01T20:00:00+08:00"\n')
    numbers = graded(home, ANN, 60) + graded(home, ANN, 15, now=NOW + timedelta(seconds=1))
    timely, late = (record.submission(home, ANN, number, NOW) for number in numbers)
    assert (timely.practice, timely.rank) == (False, 1)
    assert (late.practice, late.rank, late.state) == (True, None, "graded")
    assert late.scores[0].public < timely.scores[0].public
    assert boards.board(home, ANN, "hw1", now=NOW).board[0].score == timely.scores[0].public
    assert [row.id for row in limits.selection(home, ANN, "hw1", NOW).counts] == numbers[:1]


@pytest.mark.parametrize(
    "name", ["../../secret/key", "/etc/passwd", "manifest.json", "../hw01/sheet.md", "", ".", "sheet.md/", "SHEET.MD"]
)
def test_only_files_of_the_manifest_are_given_out(course: Path, tmp_path: Path, name: str) -> None:
    home = course_at(course, tmp_path / "home")
    with pytest.raises(UserError) as error:
        catalogue.file_path(home, ANN, "hw1", name)
    assert error.value.code == "E_NOT_FOUND"
    listed = [entry.file for entry in catalogue.files(home, ANN, "hw1").files]
    assert all(catalogue.file_path(home, ANN, "hw1", entry).is_file() for entry in listed)
    assert "folder" not in to_json(catalogue.files(home, ANN, "hw1"))


@pytest.mark.parametrize("name", ["hw03", "hw99", "../x", "public", "", "hw01/../hw01", "x" * 500])
def test_a_homework_that_is_not_prepared_does_not_exist_for_a_class(course: Path, tmp_path: Path, name: str) -> None:
    home = course_at(course, tmp_path / "home")
    for viewer in (ANN, PROF, NOBODY):
        with pytest.raises(UserError) as error:
            catalogue.homework(home, viewer, name, NOW)
        assert error.value.code == "E_NOT_FOUND"
        assert str(home.root) not in str(error.value)


def test_positions_count_what_waits_in_all_homeworks(home: Home, tmp_path: Path) -> None:
    graded(home, ANN, 9)
    (tmp_path / "solution.csv").write_text("id,price\n" + "".join(f"{n},{n * 1.5}\n" for n in range(30)))
    plan = plan_own(
        "own", tmp_path / "solution.csv", "rmse", title=None, public=None, higher_is_better=None, public_share=0.5
    )
    prepare(home, plan, seed=1, new_data=False, accept_leaks=True, now=NOW)
    data = (home.public("own") / "sample_submission.csv").read_bytes()
    sha256 = keep(home.submissions, data)
    other = handing_in.submit_accept(home, ANN, "own", Upload(sha256, len(data), "a.csv", "", sha256, NOW))
    mine = hand_in(home, BOB, 15)
    assert [body.position for body in (other, mine)] == [1, 2]
    shutil.rmtree(home.root / "secret" / "own")
    assert record.submission(home, BOB, mine.submission, NOW).position == 1, "what is not graded holds nobody up"


def test_who_was_taken_off_the_roster_hands_in_nothing(home: Home) -> None:
    graded(home, ANN, 9)
    with home.database() as database:
        enrolment.disable(database, ANN.key, actor="prof-hung", reason="left", now=NOW)
    with pytest.raises(UserError) as error:
        hand_in(home, ANN, 8)
    assert (error.value.code, error.value.exit_code) == ("E_DISABLED", 6)
    assert [row.name for row in boards.board(home, BOB, "hw1", now=NOW).board] == ["Ann"]


def test_a_submission_to_a_competition_that_was_made_anew_keeps_its_score(course: Path, tmp_path: Path) -> None:
    home = course_at(course, tmp_path / "home")
    number = graded(home, ANN, 9)[0]
    before = record.submission(home, ANN, number, NOW)
    plan = plan_homework("hw1", None, None, "small")
    prepare(home, plan, seed=None, new_data=True, accept_leaks=False, now=NOW, reason="why")
    assert record.submission(home, ANN, number, NOW).scores == before.scores
    assert record.submissions(home, ANN, "hw1", now=NOW).submissions == []


def test_the_owner_of_a_home_needs_no_roster_and_may_do_all(course: Path, tmp_path: Path) -> None:
    shutil.copytree(course, tmp_path / "home")
    home, owner = open_home(tmp_path / "home"), access.owner("me")
    done = handing_in.submit(home, owner, "hw1", home.public("hw01") / "sample_submission.csv", "first", NOW)
    assert (done.submission.state, done.submission.rank, done.accepted.quota.used) == ("graded", 1, 1)
    assert done.accepted.receipt["participant"] == "me"
    assert code(asked(home, owner, [1])["early look"]) == "ok"
    assert len(catalogue.homeworks(home, owner, NOW).tasks) > 1


def test_scores_are_cut_for_everybody_and_exact_for_staff_who_ask(home: Home) -> None:
    numbers = graded(home, ANN, 60, 80) + graded(home, BOB, 50)  # far above the answers: the farther, the worse
    with home.database() as database:
        exact = {row.submission: row.public for row in results.grade_rows(database)}
    cut = {number: shown(score, 5) for number, score in exact.items()}
    assert all(cut[number] != exact[number] for number in numbers)
    for viewer in ROLES.values():
        board = boards.board(home, viewer, "hw1", now=NOW).board
        assert [row.score for row in board] == sorted((cut[numbers[0]], cut[numbers[2]]))
        assert all(list(row.interval or ()) == [round(end, 3) for end in row.interval or ()] for row in board)
    for viewer in (TA, PROF):
        everyone = record.submissions(home, viewer, "hw1", everyone=True, now=NOW).submissions
        assert {row.id: row.score for row in everyone} == cut
        everyone = record.submissions(home, viewer, "hw1", everyone=True, exact=True, now=NOW).submissions
        assert {row.id: row.score for row in everyone} == exact
        rows = boards.board(home, viewer, "hw1", exact=True, now=NOW).board
        assert {row.submission: row.score for row in rows} == {n: exact[n] for n in (numbers[0], numbers[2])}
        assert all(row.interval and row.score and row.interval[0] < row.score < row.interval[1] for row in rows)
    for viewer in [NOBODY, ANN, CYD, EVE, *WEAK_STAFF]:
        calls: list[Callable[[], Any]] = [
            partial(boards.board, home, viewer, "hw1", exact=True, now=NOW),
            partial(record.submissions, home, viewer, "hw1", exact=True, now=NOW),
        ]
        for call in calls:
            with pytest.raises(UserError) as error:
                call()
            assert (error.value.code, error.value.exit_code) in (("E_NOT_ALLOWED", 6), ("E_LOGIN", 6))


def test_a_worse_file_names_the_best_one_and_has_no_rank_of_its_own(home: Home) -> None:
    graded(home, BOB, 40)
    first, worse, better = graded(home, ANN, 60, 80, 50)  # far above the answers: the farther, the worse

    def said(number: int) -> tuple[Any, ...]:
        body = record.submission(home, ANN, number, NOW)
        assert body.best is not None
        assert body.best.score == boards.board(home, ANN, "hw1", now=NOW).board[1].score
        return body.rank, body.improved, body.best.submission

    assert said(better) == (2, True, better)
    assert said(worse) == (None, False, better)
    assert said(first) == (None, True, better), "it was the best in its day"
    assert best_words(record.submission(home, ANN, worse, NOW)).startswith(
        "not an improvement: your best is still submission"
    )
    assert best_words(record.submission(home, ANN, first, NOW)).startswith(f"your best is submission {better} (")
    again = graded(home, ANN, "50.0")[0]
    assert said(again) == (None, False, better), "an equal score is no improvement"
    queued = hand_in(home, ANN, 7).submission
    body = record.submission(home, ANN, queued, NOW)
    assert (body.rank, body.improved, body.best) == (None, None, None)


def test_after_the_reveal_the_quota_is_one_of_practice_and_says_since_when(home: Home) -> None:
    graded(home, ANN, 9)
    before = limits.quota(home, ANN, "hw1", NOW).quota[0]
    assert (before.practice, before.revealed, before.used) == (False, None, 1)
    with home.database() as database:
        records.reveal(database, "hw01/1", "prof-hung", "end of term", NOW)
    after = limits.quota(home, ANN, "hw1", NOW + timedelta(hours=1)).quota[0]
    assert (after.practice, after.revealed, after.used) == (True, "2027-03-01T20:00:00+08:00", 0)
    number = graded(home, ANN, 8, now=NOW + timedelta(hours=1))[0]
    body = record.submission(home, ANN, number, NOW)
    assert (body.practice, body.rank, body.improved, body.best) == (True, None, None, None)


def test_a_board_of_few_rows_says_where_its_intervals_fall_short(
    home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    from harness.cli import board

    assert boards.board(home, BOB, "hw1", now=NOW).interval_note is None  # there is no interval yet
    graded(home, BOB, 3)
    body = boards.board(home, BOB, "hw1", now=NOW)
    assert body.interval_note == (
        "With 446 rows, the interval misses more often than 1 in 20 times where a few errors are very large."
    )
    board._show(body, None, "table", None)
    assert "With 446 rows, the interval misses" in " ".join(capsys.readouterr().err.split())
