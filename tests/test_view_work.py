"""What the projection shows of one's own work: its place, its score, its clocks, its files."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from harness.competition import find_competition
from harness.course import access, boards, catalogue, handing_in, limits, record
from harness.course.access import NOBODY
from harness.course.entries import FileProblem, to_json
from harness.course.types import Place
from harness.course.wording import best_words
from harness.grading.accept import grade_pending
from harness.home import Home, open_home
from harness.plans import plan_homework, plan_own
from harness.prepare import prepare
from harness.shown import shown
from harness.versions import read_versions
from leaderboard import acceptance, adjustments, enrolment, queue, records, results
from leaderboard.acceptance import Upload
from submissions.store import keep
from tasks.base import UserError
from tests import asking
from tests.asking import (
    ANN,
    BOB,
    CYD,
    EVE,
    NOW,
    PROF,
    ROLES,
    TA,
    WEAK_STAFF,
    asked,
    code,
    course_at,
    graded,
    hand_in,
    predictions,
)

pytestmark = pytest.mark.slow_on_postgresql

home = asking.home


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
            home,
            database,
            find_competition(home, "hw1"),
            Upload(sha256, 1, "b.csv", "", "b", NOW),
            participant="baseline strong",
            kind="baseline",
            limited=False,
        )
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
