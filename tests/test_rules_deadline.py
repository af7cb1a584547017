"""What arrives in time counts, what arrives later is practice, on both databases."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from harness.competition import find_competition
from harness.course import access, limits
from harness.grading.accept import submit
from harness.home import Home, open_home
from harness.versions import read_versions
from leaderboard import acceptance, adjustments, events, receipts, records, results
from leaderboard.database import Database
from tasks.base import UserError
from tasks.split import derive
from tests import deadlines
from tests.deadlines import DEADLINE, LATE, SECOND, TICK, both_boards, code_of, extend, hand_in

pytestmark = pytest.mark.slow_on_postgresql

home, db, written = deadlines.home, deadlines.db, deadlines.written


@pytest.mark.parametrize("shift", [-SECOND, timedelta(0)])
def test_what_arrives_until_the_last_instant_counts(home: Home, db: Database, shift: timedelta) -> None:
    accepted = hand_in(home, db, DEADLINE + shift, score=0.5)
    assert not accepted.practice
    assert "practice" not in json.loads(accepted.receipt)
    assert [row.participant for row in both_boards(home, db)[1]] == ["ada"]


@pytest.mark.parametrize(
    ("written", "zone", "last"),
    [
        ("2027-03-26T23:59:59+08:00", "Asia/Taipei", "2027-03-26T15:59:59.999999Z"),
        ("2027-03-26T23:59:59.5+08:00", "Asia/Taipei", "2027-03-26T15:59:59.5Z"),
        ("2027-03-28T02:30+01:00", "Europe/Berlin", "2027-03-28T01:30:59.999999Z"),  # there was no 02:30
        ("2027-10-31T02:30+02:00", "Europe/Berlin", "2027-10-31T00:30:59.999999Z"),  # the first of two
        ("2027-11-07T01:30:00-05:00", "America/New_York", "2027-11-07T06:30:00.999999Z"),  # the second of two
    ],
)
def test_every_form_of_a_deadline_holds_to_the_microsecond_also_where_clocks_are_changed(
    home: Home, db: Database, written: str, zone: str, last: str
) -> None:
    path = home.root / "config.toml"
    path.write_text(
        path.read_text()
        .replace("2027-03-26T23:59+08:00", written)
        .replace("quota = 2", f'quota = 9\ndeadline_zone = "{zone}"')
    )
    home, end = open_home(home.root), datetime.fromisoformat(last)
    mine = hand_in(home, db, end - SECOND).submission
    assert [hand_in(home, db, end + shift).practice for shift in (-TICK, timedelta(0), TICK, SECOND)] == [
        False,
        False,
        True,
        True,
    ]
    ada = access.owner("ada")
    assert limits.select(home, ada, "hw1", [mine], end).selected == [mine]
    for shift in (TICK, SECOND):
        with pytest.raises(UserError):
            limits.select(home, ada, "hw1", [mine], end + shift)
    extend(db, "person", "ada", end + SECOND)
    assert [hand_in(home, db, end + SECOND + shift).practice for shift in (timedelta(0), TICK)] == [False, True]


@pytest.mark.parametrize("shift", [timedelta(0), SECOND, timedelta(days=300)])
def test_what_arrives_later_is_practice_and_touches_no_record(home: Home, db: Database, shift: timedelta) -> None:
    first = hand_in(home, db, DEADLINE, score=0.5).submission
    before = both_boards(home, db)
    late = hand_in(home, db, LATE + shift, score=0.1)
    assert late.practice
    receipt = receipts.verify(late.receipt, receipts.public_key(derive(home.key(), "receipts")))
    assert receipt.practice
    stranger = hand_in(home, db, LATE + shift, "bob", score=0.2)
    assert both_boards(home, db) == before, "who only practises is on no board"
    grades = results.public_grades(db, "hw01/1", *read_versions(home, find_competition(home, "hw1")))
    assert sorted(grades) == [first, late.submission, stranger.submission], "but sees the score"
    assert [row.practice for row in records.submissions(db)] == [False, True, True]
    for ids in ([late.submission], [first, late.submission]):
        with pytest.raises(UserError) as error:
            records.select(db, "hw01/1", "ada", ids, 2, LATE, None)
        assert code_of(error) == ("E_SELECTION", 2)
    assert events.verify(db, receipts.public_key(derive(home.key(), "receipts"))) == []


def test_practice_has_a_quota_of_its_own(home: Home, db: Database) -> None:
    day = "2027-03-26"
    for _ in range(2):
        hand_in(home, db, DEADLINE)
    with pytest.raises(UserError) as error:
        hand_in(home, db, DEADLINE)
    assert code_of(error) == ("E_QUOTA", 4)
    assert [hand_in(home, db, LATE).used for _ in range(2)] == [1, 2]
    with pytest.raises(UserError) as error:
        hand_in(home, db, LATE)
    assert code_of(error) == ("E_QUOTA", 4)
    acceptance.reject(db, 3, "E_X", LATE, "[]")
    assert acceptance.quota_state(db, "hw01/1", "ada", day) == acceptance.QuotaDay(day, 2, 0)
    assert acceptance.quota_state(db, "hw01/1", "ada", day, practice=True) == acceptance.QuotaDay(day, 1, 1)


def test_entries_on_the_board_leave_practice_out_also_where_it_lies_between(home: Home, db: Database) -> None:
    hand_in(home, db, DEADLINE, score=0.5)
    hand_in(home, db, LATE, score=0.1)
    rejected = hand_in(home, db, LATE).submission
    acceptance.reject(db, rejected, "E_X", LATE)
    adjustments.extend(db, "hw01/1", "all", "", until=LATE + SECOND, actor="p", reason="outage", now=LATE)
    hand_in(home, db, LATE + SECOND, score=0.4)
    for board in both_boards(home, db):
        assert [(row.entries, row.last, row.score) for row in board] == [(2, LATE + SECOND, 0.4)]


def test_after_the_reveal_everything_is_practice(home: Home, db: Database) -> None:
    records.reveal(db, "hw01/1", "prof", "the end", DEADLINE - SECOND)
    assert hand_in(home, db, DEADLINE).practice


def test_the_same_file_again_after_an_extension_counts_and_its_practice_stays(home: Home, db: Database) -> None:
    practice = hand_in(home, db, LATE, file="ab" * 32)
    assert hand_in(home, db, LATE + SECOND, file="ab" * 32) == replace(practice, again=True)
    adjustments.extend(db, "hw01/1", "person", "ada", until=LATE + 9 * SECOND, actor="p", reason="ill", now=LATE)
    counting = hand_in(home, db, LATE + 2 * SECOND, file="ab" * 32)
    assert (counting.practice, counting.again) == (False, False)
    assert hand_in(home, db, LATE + 3 * SECOND, file="ab" * 32) == replace(counting, again=True)
    late = hand_in(home, db, LATE + timedelta(days=1), file="ab" * 32)
    assert late == replace(counting, again=True, used=0), "a retry after the end gives the receipt of what counts"
    assert records.count_submissions(db, "hw01/1") == 2
    assert events.verify(db) == []


def test_a_late_file_is_read_graded_and_called_practice(home: Home, db: Database) -> None:
    file = home.public("hw01") / "sample_submission.csv"
    done = submit(home, find_competition(home, "hw1"), file, participant="ada", now=LATE)
    assert done.accepted.practice
    assert done.grade.scores[0].public > 0
    assert both_boards(home, db) == [[], []]


def test_the_problems_of_a_refused_file_are_kept_for_its_owner(home: Home, db: Database, tmp_path: Path) -> None:
    from tasks.base import SubmissionError

    bad = tmp_path / "bad.csv"
    bad.write_text("id,nothing\n0,1\n")
    competition = find_competition(home, "hw1")
    with pytest.raises(SubmissionError) as error:
        submit(home, competition, bad, participant="ada", now=DEADLINE)
    row = records.submission(db, 1)
    assert row.rejected == error.value.code
    assert row.rejected_details is not None
    kept = json.loads(row.rejected_details)
    assert [one["message"] for one in kept["problems"]] == [one.message for one in error.value.problems]
    assert kept["total"] == error.value.total
    assert "rejected_details" not in repr([event.body for event in events.events(db)])
