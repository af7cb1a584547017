"""Acceptance, receipts, quota and grades, each on SQLite and on PostgreSQL."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from leaderboard import acceptance, events, ranking, receipts, records, results
from leaderboard.database import Database, open_database
from tasks.errors import UserError
from tests.bookkeeping import DATA, METRIC, NOW, SEED, code_of, grade, hand_in, places

pytestmark = pytest.mark.slow_on_postgresql


HASH = "ab" * 32


def test_an_accepted_file_has_a_receipt_that_verifies_without_a_database(database: Database) -> None:
    accepted = hand_in(database, message="dropout 0.3")
    receipt = receipts.verify(accepted.receipt, receipts.public_key(SEED))
    assert (receipt.participant, receipt.submission, receipt.entry, receipt.size) == ("ann", 1, 1, 10)
    assert (receipt.quota_used, receipt.quota_limit, receipt.next_slot) == (1, 5, None)
    assert receipt.accepted_at == "2026-11-20T12:00:00.000000Z"
    assert records.receipt(database, 1) == accepted.receipt
    row = records.submission(database, 1)
    assert (row.message, row.filename, row.accepted_at, row.rejected) == ("dropout 0.3", "predictions.csv", NOW, None)


@pytest.mark.parametrize("name", ["participant", "sha256", "size", "accepted_at", "chain_hash", "quota_used"])
def test_a_receipt_with_a_changed_field_is_refused(name: str, tmp_path: Path) -> None:
    with open_database(f"sqlite:///{tmp_path / 'a.db'}") as db:
        fields = json.loads(hand_in(db).receipt)
    fields[name] = 7 if isinstance(fields[name], int) else "f" * 64
    with pytest.raises(UserError) as error:
        receipts.verify(json.dumps(fields), receipts.public_key(SEED))
    assert code_of(error) == ("E_RECEIPT", 3)


@pytest.mark.parametrize("text", ["", "{}", "[]", "null", '{"signature":"zz"}', '{"signature":"00"}', "[" * 100_000])
def test_what_is_no_receipt_is_refused(text: str) -> None:
    with pytest.raises(UserError, match="is not valid"):
        receipts.verify(text, receipts.public_key(SEED))


def test_a_receipt_of_another_course_is_refused(tmp_path: Path) -> None:
    with open_database(f"sqlite:///{tmp_path / 'a.db'}") as db:
        text = hand_in(db).receipt
    with pytest.raises(UserError, match="signature"):
        receipts.verify(text, receipts.public_key(bytes(32)))
    with pytest.raises(UserError, match="public key"):
        receipts.verify(text, "not a key")


def test_white_space_in_a_saved_receipt_does_no_harm(tmp_path: Path) -> None:
    with open_database(f"sqlite:///{tmp_path / 'a.db'}") as db:
        text = hand_in(db, "李宏毅").receipt
    pretty = json.dumps(json.loads(text), indent=2, ensure_ascii=False)
    assert receipts.verify(pretty, receipts.public_key(SEED)).participant == "李宏毅"


def test_the_sixth_file_of_a_day_is_refused_and_told_when_the_next_slot_opens(database: Database) -> None:
    accepted = [hand_in(database) for _ in range(5)]
    assert [one.used for one in accepted] == [1, 2, 3, 4, 5]
    told = [receipts.verify(one.receipt, receipts.public_key(SEED)).next_slot for one in accepted[3:]]
    assert told == [None, "2026-11-21T00:00:00.000000Z"]
    with pytest.raises(UserError, match=r"All 5 submissions.*2026-11-21T00:00:00") as error:
        hand_in(database)
    assert code_of(error) == ("E_QUOTA", 4)
    assert hand_in(database, "bob").used == 1
    assert hand_in(database, competition="hw02").used == 1
    assert hand_in(database, day="2026-11-21", now=NOW + timedelta(days=1)).used == 1
    assert acceptance.quota_state(database, "hw01", "ann", "2026-11-21") == acceptance.QuotaDay("2026-11-21", 1, 0)
    assert acceptance.quota_state(database, "hw01", "nobody", "2026-11-21") == acceptance.QuotaDay("2026-11-21", 0, 0)


def test_no_quota_means_no_limit(database: Database) -> None:
    assert [hand_in(database, quota=None, rejections=None).used for _ in range(7)][-1] == 7


def test_a_refused_file_leaves_no_trace(database: Database) -> None:
    with pytest.raises(UserError):
        hand_in(database, closes=NOW - timedelta(seconds=1))
    assert records.participants(database) == []
    assert events.count(database) == 0


def test_a_rejected_file_gives_its_slot_back_and_counts_on_its_own(database: Database) -> None:
    for _ in range(3):
        accepted = hand_in(database, quota=1)
        assert acceptance.reject(database, accepted.submission, "E_ID_MISSING", NOW)
    assert not acceptance.reject(database, accepted.submission, "E_OTHER", NOW)
    assert records.submission(database, accepted.submission).rejected == "E_ID_MISSING"
    with pytest.raises(UserError, match="3 files were rejected") as error:
        hand_in(database, quota=1)
    assert code_of(error) == ("E_REJECTIONS", 4)
    assert acceptance.quota_state(database, "hw01", "ann", "2026-11-20") == acceptance.QuotaDay("2026-11-20", 0, 3)
    assert ranking.board(database, "hw01", DATA, METRIC, False) == []
    assert records.count_submissions(database, "hw01") == 3


@pytest.mark.parametrize("key", ["once", "another"])
def test_the_same_bytes_give_the_same_receipt_and_use_no_second_slot_whatever_their_key(
    database: Database, key: str
) -> None:
    first = hand_in(database, client_key="once", sha256=HASH, quota=1)
    late = NOW + timedelta(days=9)
    second = hand_in(database, client_key=key, sha256=HASH, quota=1, now=late, closes=NOW, day="2026-11-29")
    assert second == replace(first, again=True, used=0), "of that day"
    assert records.count_submissions(database, "hw01") == 1
    with pytest.raises(UserError, match="other bytes") as error:
        hand_in(database, client_key="once", sha256="cd" * 32)
    assert code_of(error) == ("E_CLIENT_KEY", 8)
    assert not hand_in(database, "bob", client_key="once", sha256=HASH).again
    assert acceptance.quota_state(database, "hw01", "ann", "2026-11-20").used == 1


@pytest.mark.parametrize("key", ["once", "another"])
def test_bytes_and_key_are_free_again_after_the_file_was_rejected(database: Database, key: str) -> None:
    first = hand_in(database, client_key="once", sha256=HASH)
    acceptance.reject(database, first.submission, "E_X", NOW)
    second = hand_in(database, client_key=key, sha256=HASH)
    assert (second.again, second.entry) == (False, 2)


def test_practice_bytes_under_another_key_count_once_they_are_in_time_and_then_come_first(database: Database) -> None:
    late: dict[str, Any] = {
        "sha256": HASH,
        "closes": NOW,
        "now": NOW + timedelta(days=1),
        "late": "practice",
        "day": "2026-11-21",
    }
    practice = hand_in(database, client_key="a", **late)
    assert hand_in(database, client_key="b", **late) == replace(practice, again=True)
    counting = hand_in(database, client_key="c", **late | {"closes": None})
    assert (counting.practice, counting.again) == (False, False)
    for key in ("a", "b", "c"):
        assert hand_in(database, client_key=key, **late) == replace(counting, again=True)
    with pytest.raises(UserError, match="other bytes"):
        hand_in(database, client_key="a", **late | {"sha256": "cd" * 32})
    assert records.count_submissions(database, "hw01") == 2


def test_the_deadline_is_the_last_instant_that_is_in_time(database: Database) -> None:
    hand_in(database, closes=NOW)
    with pytest.raises(UserError, match="closed") as error:
        hand_in(database, closes=NOW - timedelta(microseconds=1))
    assert code_of(error) == ("E_CLOSED", 5)


def test_a_clock_that_steps_back_opens_no_fresh_slots_and_is_logged(database: Database) -> None:
    for _ in range(5):
        hand_in(database)
    before = NOW - timedelta(days=1)
    with pytest.raises(UserError, match="2026-11-22T00:00:00") as error:
        hand_in(database, now=before, day="2026-11-19", next_slot=datetime(2026, 11, 21, tzinfo=UTC))
    assert code_of(error) == ("E_QUOTA", 4)
    assert acceptance.quota_state(database, "hw01", "ann", "2026-11-19").used == 5
    late = hand_in(database, "bob", now=before, day="2026-11-19")
    assert late.submission == 6
    assert "clock stepped back" in [event.kind for event in events.events(database)]
    assert events.verify(database, receipts.public_key(SEED)) == []
    grade(database, 1, 0.5)
    grade(database, 6, 0.5)
    board = ranking.board(database, "hw01", DATA, METRIC, False)
    assert places(board) == [(1, "ann", 0.5), (2, "bob", 0.5)], "bob came later, whatever the clock said"


def test_a_step_of_less_than_the_tolerance_is_not_logged(database: Database) -> None:
    hand_in(database)
    hand_in(database, now=NOW - acceptance.CLOCK_TOLERANCE)
    assert [event.kind for event in events.events(database)] == ["accepted", "accepted"]


def test_a_second_grade_of_the_same_versions_changes_nothing(database: Database) -> None:
    accepted = hand_in(database)
    assert grade(database, accepted.submission, 1.0, 2.0)
    assert not grade(database, accepted.submission, 0.0, 0.0)
    assert places(ranking.board(database, "hw01", DATA, METRIC, False)) == [(1, "ann", 1.0)]
    assert grade(database, accepted.submission, 0.0, metric_version="metric 2")
    assert places(ranking.board(database, "hw01", DATA, METRIC, False)) == [(1, "ann", 1.0)]
    assert places(ranking.board(database, "hw01", DATA, "metric 2", False)) == [(1, "ann", 0.0)]
    assert [row.metric_version for row in results.grade_rows(database)] == [METRIC, "metric 2"]


@pytest.mark.parametrize("score", [math.nan, math.inf, -math.inf])
def test_a_score_that_is_not_finite_is_never_kept(database: Database, score: float) -> None:
    accepted = hand_in(database)
    with pytest.raises(ValueError, match="not finite"):
        grade(database, accepted.submission, score)
    with pytest.raises(ValueError, match="not finite"):
        grade(database, accepted.submission, 0.0, score)
    assert list(results.grade_rows(database)) == []


def test_scores_are_kept_to_the_last_bit(database: Database) -> None:
    scores = [0.1 + 0.2, 5e-324, 1.7976931348623157e308, -2.5, 1 / 3, 0.0, math.nextafter(1, 2)]
    for score in scores:
        grade(database, hand_in(database, quota=None).submission, score, score)
    kept = list(results.grade_rows(database))
    assert [row.public for row in kept] == scores
    assert [row.private for row in kept] == scores


def test_the_direction_of_a_version_cannot_change(database: Database) -> None:
    grade(database, hand_in(database).submission, 1.0)
    with pytest.raises(ValueError, match="direction"):
        grade(database, hand_in(database).submission, 1.0, higher_is_better=True)
    with pytest.raises(ValueError, match="direction"):
        ranking.board(database, "hw01", DATA, METRIC, True)


def test_graded_and_rejected_exclude_each_other(database: Database) -> None:
    graded, rejected = hand_in(database), hand_in(database)
    grade(database, graded.submission, 1.0)
    acceptance.reject(database, rejected.submission, "E_X", NOW)
    with pytest.raises(UserError) as error:
        acceptance.reject(database, graded.submission, "E_X", NOW)
    assert code_of(error) == ("E_CONFLICT", 8)
    with pytest.raises(UserError) as error:
        grade(database, rejected.submission, 1.0)
    assert code_of(error) == ("E_CONFLICT", 8)


def test_pending_is_what_has_no_grade_of_the_present_versions(database: Database) -> None:
    one, two, three = (hand_in(database).submission for _ in range(3))
    other = hand_in(database, competition="hw02").submission
    grade(database, one, 1.0)
    acceptance.reject(database, two, "E_X", NOW)
    waiting = results.pending(database, {"hw01": (DATA, METRIC), "hw02": (DATA, METRIC)})
    assert [row.id for row in waiting] == [three, other]
    assert [row.id for row in results.pending(database, {"hw01": (DATA, "metric 2")})] == [one, three]
    assert results.pending(database, {}) == []
