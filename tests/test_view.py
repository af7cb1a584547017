"""The one projection: what each role may see and do, asked of every function of `harness.course`."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest

from harness.course import access, boards, catalogue, handing_in, limits, points, record
from harness.course.access import NOBODY, Viewer
from harness.home import Home
from harness.shown import shown
from leaderboard import enrolment, events, records, results, roster
from tasks.base import PRIVATE, UserError
from tests import asking
from tests.asking import (
    ANN,
    BOB,
    CYD,
    EVE,
    NOW,
    PEOPLE,
    PROF,
    ROLES,
    TA,
    WEAK_STAFF,
    asked,
    code,
    course_at,
    graded,
    hand_in,
)
from tests.conftest import reseal

pytestmark = pytest.mark.slow_on_postgresql

home = asking.home


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
    staff = [
        *people,
        "everybody's",
        "early look",
        "gradebook",
        "gradebook of all",
        "full gradebook",
        "queue",
        *(f"{what} {number}" for what in ("submission", "receipt") for number in (own, other)),
    ]
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
    moved = roster.RosterEntry("b10901001", "Ann", "ann@ntu.example", "student", "Green")
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
    assert points.gradebook(home, TA, None, now=NOW).hidden == ["hw01"]
    assert looks() == []
    assert boards.board(home, TA, "hw1", private=True, unrevealed=True, now=NOW).side == "private"
    assert looks() == ["ta-wei"]
    full = points.gradebook(home, PROF, "hw1", unrevealed=True, now=NOW)
    assert full.hidden == []
    assert [student.id for student in full.students] == ["b10901001", "b10901002", "b10901003"]
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
