"""Acceptance, quota, grades, boards and selections, each on SQLite and on PostgreSQL."""

from __future__ import annotations

import hashlib
import json
import math
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from leaderboard import acceptance, events, ranking, receipts, records, results
from leaderboard.database import Database, open_database
from tasks.errors import UserError
from tests.accepting import accepted

pytestmark = pytest.mark.slow_on_postgresql

ROOT = Path(__file__).parents[1]
SEED = bytes(range(32))
NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
DATA, METRIC = "data 1", "metric 1"
HASH = "ab" * 32
_keys = count()


def hand_in(db: Database, participant: str = "ann", **changes: Any) -> acceptance.Accepted:
    """Accept a file with a fresh client key, bytes of the key's own and a quota of five, unless told otherwise."""
    key = str(changes.get("client_key", f"k{next(_keys)}"))
    values: dict[str, Any] = {
        "course": "Machine Learning", "competition": "hw01", "participant": participant, "kind": "person",
        "sha256": hashlib.sha256(key.encode()).hexdigest(), "size": 10, "filename": "predictions.csv", "message": "",
        "client_key": key, "now": NOW, "day": "2026-11-20", "next_slot": datetime(2026, 11, 21, tzinfo=UTC),
        "quota": 5, "rejections": 3, "closes": None, "sign": receipts.signer(SEED),
    }  # fmt: skip
    return accepted(db, **(values | changes))


def grade(db: Database, submission: int, public: float, private: float | None = None, **changes: Any) -> bool:
    """Record a grade where lower is better, unless told otherwise."""
    values: dict[str, Any] = {
        "data_version": DATA, "metric_version": METRIC, "public_version": "hw01 version 1", "higher_is_better": False,
        "public": public, "private": private, "details": "{}", "passed_public": [], "passed_private": [], "mac": "",
        "now": NOW,
    }  # fmt: skip
    return results.record(db, submission, **(values | changes))


def places(rows: list[ranking.BoardRow]) -> list[tuple[int, str, float | None]]:
    return [(row.rank, row.participant, row.score) for row in rows]


def code_of(error: pytest.ExceptionInfo[UserError]) -> tuple[str, int]:
    return error.value.code, error.value.exit_code


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
    assert [one.next_slot for one in accepted[3:]] == [None, datetime(2026, 11, 21, tzinfo=UTC)]
    with pytest.raises(UserError, match=r"All 5 submissions.*2026-11-21T00:00:00") as error:
        hand_in(database)
    assert code_of(error) == ("E_QUOTA", 4)
    assert hand_in(database, "bob").used == 1
    assert hand_in(database, competition="hw02").used == 1
    assert hand_in(database, day="2026-11-21", now=NOW + timedelta(days=1)).used == 1
    assert acceptance.quota_state(database, "hw01", "ann", "2026-11-21") == acceptance.QuotaState("2026-11-21", 1, 0)
    assert acceptance.quota_state(database, "hw01", "nobody", "2026-11-21") == acceptance.QuotaState("2026-11-21", 0, 0)


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
    assert acceptance.quota_state(database, "hw01", "ann", "2026-11-20") == acceptance.QuotaState("2026-11-20", 0, 3)
    assert ranking.board(database, "hw01", DATA, METRIC, False) == []
    assert records.count_submissions(database, "hw01") == 3


@pytest.mark.parametrize("key", ["once", "another"])
def test_the_same_bytes_give_the_same_receipt_and_use_no_second_slot_whatever_their_key(
    database: Database, key: str
) -> None:
    first = hand_in(database, client_key="once", sha256=HASH, quota=1)
    late = NOW + timedelta(days=9)
    second = hand_in(database, client_key=key, sha256=HASH, quota=1, now=late, closes=NOW, day="2026-11-29")
    assert second == replace(first, again=True)
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


def test_nulls_come_last_and_ties_go_to_the_earlier_on_both_databases(database: Database) -> None:
    for name, score in (("zoe", None), ("ann", 0.5), ("bob", 0.25), ("Ärger", 0.5), ("carl", None), ("dan", 0.25)):
        number = hand_in(database, name).submission
        if score is not None:
            grade(database, number, score, None if name == "ann" else 1 - score)
    public = ranking.board(database, "hw01", DATA, METRIC, False)
    assert places(public) == [
        (1, "bob", 0.25), (2, "dan", 0.25), (3, "ann", 0.5), (4, "Ärger", 0.5), (5, "zoe", None), (6, "carl", None),
    ]  # fmt: skip
    private = ranking.board(database, "hw01", DATA, METRIC, False, private=True)
    assert places(private) == [
        (1, "Ärger", 0.5), (2, "bob", 0.75), (3, "dan", 0.75), (4, "zoe", None), (5, "ann", None), (6, "carl", None),
    ]  # fmt: skip


def test_entries_and_last_time_leave_rejected_files_out(database: Database) -> None:
    for minute in range(4):
        hand_in(database, now=NOW + timedelta(minutes=minute), quota=None)
    acceptance.reject(database, 2, "E_X", NOW)
    acceptance.reject(database, 4, "E_X", NOW)
    grade(database, 1, 0.5, details='{"n": 3}', passed_public=["simple"], passed_private=["boss"])
    for private in (False, True):
        (row,) = ranking.board(database, "hw01", DATA, METRIC, False, private=private)
        assert (row.entries, row.last) == (2, NOW + timedelta(minutes=2))
    (row,) = ranking.board(database, "hw01", DATA, METRIC, False)
    assert (row.submission, row.details, row.passed) == (1, '{"n": 3}', ("simple",))


def test_only_the_private_board_holds_anything_private(database: Database) -> None:
    number = hand_in(database).submission
    grade(database, number, 0.5, 0.77, private_details='{"secret": 1}', passed_private=["boss"])
    public = [
        ranking.board(database, "hw01", DATA, METRIC, False),
        results.public_grades(database, "hw01", DATA, METRIC),
    ]
    shown = repr(
        [public, records.submissions(database), list(events.events(database)), records.receipt(database, number)]
    )
    assert not any(word in shown for word in ("0.77", "secret", "boss"))
    (row,) = ranking.board(database, "hw01", DATA, METRIC, False, private=True)
    assert (row.score, row.details, row.passed) == (0.77, '{"secret": 1}', ("boss",))


def test_log_and_receipts_are_the_same_whatever_the_hidden_answers_are(database_url: str, tmp_path: Path) -> None:
    seen = []
    for url, shift in ((database_url, 0.0), (f"sqlite:///{tmp_path / 'other.db'}", 0.125)):
        with open_database(url) as db:
            for number in range(3):
                accepted = hand_in(db, client_key=f"c{number}")
                bars = ["boss"] if shift else []
                grade(
                    db, accepted.submission, 0.5 + shift, 0.25 - shift, data_version=f"answers {shift}",
                    metric_version=f"signature {shift}", details=f"{shift}", passed_public=bars, passed_private=bars,
                )  # fmt: skip
            records.reveal(db, "hw01", "prof", "the end", NOW)
            seen.append((list(events.events(db)), [records.receipt(db, number) for number in (1, 2, 3)]))
    assert seen[0] == seen[1]


SCORES = st.sampled_from([0.1 + 0.2, 0.3, math.nextafter(0.3, 0), 0.0, -1.5, 2.0, 1e300, 5e-324])
ENTRY = st.tuples(
    st.integers(0, 3), st.one_of(st.none(), st.tuples(SCORES, st.one_of(st.none(), SCORES))), st.booleans()
)
RULES = st.sampled_from(["best_public", "first", "last", "all"])


@settings(max_examples=40, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(entries=st.lists(ENTRY, max_size=9), higher=st.booleans(), limit=st.integers(1, 3), rule=RULES)
def test_boards_are_ordered_by_exact_scores(
    database: Database,
    entries: list[tuple[int, tuple[float, float | None] | None, bool]],
    higher: bool,
    limit: int,
    rule: ranking.Unselected,
) -> None:
    competition = f"c{next(_keys)}"
    sign = -1 if higher else 1
    own: dict[str, list[tuple[int, tuple[float, float | None] | None, bool]]] = {}
    for who, scores, selected in entries:
        name = f"student {who}"
        number = hand_in(database, name, competition=competition, quota=None).submission
        own.setdefault(name, []).append((number, scores, selected))
        if scores is not None:
            grade(database, number, *scores, higher_is_better=higher)
    expected_public, expected_private = [], []
    for name, rows in own.items():
        ranked = sorted((sign * scores[0], number, scores[0]) for number, scores, _ in rows if scores is not None)
        expected_public.append((*(ranked[0] if ranked else (math.inf, rows[0][0], None)), name))
        chosen = [number for number, _, selected in rows if selected][:limit]
        if chosen:
            records.select(database, competition, name, chosen, limit, NOW)
        else:
            by_rule = {
                "best_public": [number for _, number, _ in ranked[:limit]],
                "first": [number for number, _, _ in rows[:limit]],
                "last": [number for number, _, _ in rows[-limit:]],
                "all": [number for number, _, _ in rows],
            }
            chosen = by_rule[rule]
        hidden = sorted(
            (sign * scores[1], number, scores[1])
            for number, scores, _ in rows
            if number in chosen and scores is not None and scores[1] is not None
        )
        expected_private.append((*(hidden[0] if hidden else (math.inf, rows[0][0], None)), name))
    for private, expected in ((False, expected_public), (True, expected_private)):
        board = ranking.board(
            database, competition, DATA, METRIC, higher, private=private, selections=limit, unselected=rule
        )
        ordered = sorted(expected, key=lambda row: (row[2] is None, row[0], row[1]))
        assert places(board) == [(rank, name, score) for rank, (_, _, score, name) in enumerate(ordered, 1)]


def test_a_selection_replaces_the_one_before_and_can_be_cleared(database: Database) -> None:
    one, two, three = (hand_in(database).submission for _ in range(3))
    for number, score in ((one, 0.3), (two, 0.2), (three, 0.1)):
        grade(database, number, score, score)

    def private() -> float | None:
        return ranking.board(database, "hw01", DATA, METRIC, False, private=True)[0].score

    assert private() == 0.1
    records.select(database, "hw01", "ann", [one, two], 2, NOW)
    assert private() == 0.2
    records.select(database, "hw01", "ann", [one], 2, NOW)
    assert private() == 0.3
    assert [row.selected for row in records.submissions(database, "hw01", "ann")] == [True, False, False]
    records.select(database, "hw01", "ann", [], 2, NOW)
    assert private() == 0.1
    assert events.verify(database) == []


def test_only_own_valid_submissions_within_the_limit_can_be_selected(database: Database) -> None:
    one, two, three = (hand_in(database).submission for _ in range(3))
    acceptance.reject(database, two, "E_X", NOW)
    strange = hand_in(database, "bob").submission
    for ids in ([one, two], [one, strange], [99], [one, two, three]):
        with pytest.raises(UserError) as error:
            records.select(database, "hw01", "ann", ids, 2, NOW)
        assert code_of(error) == ("E_SELECTION", 2)
    with pytest.raises(UserError) as error:
        records.select(database, "hw01", "ann", [one], 2, NOW, closes=NOW - timedelta(seconds=1))
    assert code_of(error) == ("E_CLOSED", 5)


def test_a_selected_file_that_is_rejected_is_no_longer_selected(database: Database) -> None:
    one, two = hand_in(database).submission, hand_in(database).submission
    records.select(database, "hw01", "ann", [one, two], 2, NOW)
    acceptance.reject(database, one, "E_X", NOW)
    assert [row.selected for row in records.submissions(database)] == [False, True]
    assert events.verify(database) == []


def test_a_reveal_happens_once_and_closes_the_selection(database: Database) -> None:
    number = hand_in(database).submission
    assert records.revealed(database, "hw01") is None
    assert records.reveal(database, "hw01", "prof", "the end", NOW) == NOW
    assert records.reveal(database, "hw01", "other", "again", NOW + timedelta(days=1)) == NOW
    assert records.revealed(database, "hw01") == NOW
    with pytest.raises(UserError) as error:
        records.select(database, "hw01", "ann", [number], 2, NOW)
    assert code_of(error) == ("E_CLOSED", 5)


NAMES = [
    "O'Brien",
    'Robert"); DROP TABLE submissions;--',
    "李宏毅",
    ":name %s %(x)s ?",
    "\u202eevil",
    "a\\b",
    "🦙" * 50,
]


@pytest.mark.parametrize("name", NAMES)
def test_any_text_is_a_name_and_comes_back_unchanged(database: Database, name: str) -> None:
    number = hand_in(database, name, filename=name, message=name).submission
    grade(database, number, 1.0)
    (row,) = records.submissions(database, "hw01", name)
    assert (row.participant, row.filename, row.message) == (name, name, name)
    assert places(ranking.board(database, "hw01", DATA, METRIC, False)) == [(1, name, 1.0)]
    assert events.verify(database, receipts.public_key(SEED)) == []


@pytest.mark.parametrize("name", ["", "  ", "x" * 201, "a\0b", "\ud800"])
def test_what_no_database_can_keep_is_refused_as_a_name(database: Database, name: str) -> None:
    with pytest.raises(UserError) as error:
        hand_in(database, name)
    assert code_of(error) == ("E_NAME", 2)


def test_a_file_name_that_is_not_text_is_kept_escaped(database: Database) -> None:
    hand_in(database, filename="a\udcff\0.csv")
    assert records.submission(database, 1).filename == "a\\udcff\\x00.csv"


def test_a_baseline_and_a_person_cannot_share_a_name(database: Database) -> None:
    hand_in(database, "strong baseline", kind="baseline")
    with pytest.raises(UserError, match="belongs to a baseline") as error:
        hand_in(database, "strong baseline")
    assert code_of(error) == ("E_NAME", 6)
    assert [(one.name, one.kind) for one in records.participants(database, "hw01")] == [("strong baseline", "baseline")]


@pytest.mark.parametrize("number", [0, -1, 2, 2**70])
def test_an_unknown_submission_is_named(database: Database, number: int) -> None:
    hand_in(database)
    for ask in (records.submission, records.receipt):
        with pytest.raises(UserError, match=f"no submission {number}"):
            ask(database, number)


def test_an_instant_without_a_zone_is_a_mistake_of_ours(database: Database) -> None:
    with pytest.raises(ValueError, match="zone"):
        hand_in(database, now=datetime(2026, 11, 20))
    assert records.count_submissions(database, "hw01") == 0


def test_a_full_disk_gives_a_clear_error_and_no_half_state(tmp_path: Path) -> None:
    with open_database(f"sqlite:///{tmp_path / 'a.db'}") as db:
        pages = db.value("PRAGMA page_count")
        db.connection.execute(f"PRAGMA max_page_count = {pages + 2}")
        accepted: list[acceptance.Accepted] = []

        def fill() -> None:
            for number in range(1000):
                accepted.append(hand_in(db, quota=None, message="m" * 1000, client_key=f"key {number}"))

        with pytest.raises(UserError, match=r"disk is full\. Nothing was recorded") as error:
            fill()
        done = len(accepted)
        assert error.value.code == "E_DISK_FULL"
        assert 0 < done == records.count_submissions(db, "hw01")
        assert events.verify(db, receipts.public_key(SEED)) == []
        db.connection.execute(f"PRAGMA max_page_count = {pages + 1000}")
        assert not hand_in(db, quota=None, client_key=f"key {done}").again


FULL_DISK = """
import resource, sys
from datetime import datetime, timezone
from leaderboard import acceptance
from leaderboard.database import open_database
from tasks.errors import UserError
from tests.accepting import accepted
with open_database(sys.argv[1]) as db:
    resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))
    done = 0
    try:
        while done < 1000:
            accepted(db, course="", competition="hw01", participant="ann", kind="person",
                sha256=f"{done:064x}", size=1, filename="", message="m" * 1000, client_key=str(done),
                now=datetime(2026, 1, 1, tzinfo=timezone.utc), day="2026-01-01",
                next_slot=None, quota=None, rejections=None, closes=None, sign=lambda text: b"")
            done += 1
    except UserError as error:
        print(done, error.code)
"""


@pytest.mark.skipif(os.name != "posix", reason="file size limits are POSIX")
def test_a_write_that_fails_half_way_leaves_what_was_there(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'a.db'}"
    open_database(url).close()
    ended = subprocess.run(
        [sys.executable, "-c", FULL_DISK, url], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    done, code = ended.stdout.split()
    assert code in ("E_DISK", "E_DISK_FULL")
    with open_database(url) as db:
        assert 0 < int(done) == records.count_submissions(db, "hw01")
        assert events.verify(db) == []


@contextmanager
def without_rights(folder: Path) -> Iterator[None]:
    """As a user who may read the folder's files but not write; root turns into somebody else."""
    paths = [folder, *folder.iterdir()]
    for path in paths:
        path.chmod(0o555 if path.is_dir() else 0o444)
    if os.geteuid() == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        if os.getuid() == 0:
            os.seteuid(0)
        for path in paths:
            path.chmod(0o755 if path.is_dir() else 0o600)


@pytest.mark.skipif(os.name != "posix", reason="file modes are POSIX")
@pytest.mark.parametrize("exists", [False, True])
def test_a_read_only_home_gives_a_clear_error(exists: bool) -> None:
    with tempfile.TemporaryDirectory() as name:
        url = f"sqlite:///{name}/a.db"
        open_database(f"sqlite:///{name}/other.db").close()  # loads the driver, which cannot be read later
        if exists:
            open_database(url).close()

        def write() -> None:
            with open_database(url) as db:
                hand_in(db)

        with without_rights(Path(name)), pytest.raises(UserError, match=r"writable|writing|created") as error:
            write()
        assert code_of(error) == ("E_READ_ONLY", 10)
        with open_database(url) as db:
            assert records.count_submissions(db, "hw01") == 0


def test_a_read_only_server_gives_a_clear_error(request: pytest.FixtureRequest) -> None:
    server = request.getfixturevalue("postgresql")
    url = server.new_database()
    open_database(url).close()
    server.administer(f"ALTER DATABASE {server.name_of(url)} SET default_transaction_read_only = on")
    with open_database(url) as db, pytest.raises(UserError) as error:
        hand_in(db)
    assert code_of(error) == ("E_READ_ONLY", 10)
    server.drop(url)


def test_a_server_that_goes_away_gives_a_clear_error(request: pytest.FixtureRequest) -> None:
    server = request.getfixturevalue("postgresql")
    url = server.new_database()
    with open_database(url) as db:
        hand_in(db, client_key="once")
        server.administer(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            f"WHERE datname = '{server.name_of(url)}' AND pid <> pg_backend_pid()"
        )
        with pytest.raises(UserError, match="run the same command again") as error:
            hand_in(db)
        assert code_of(error) == ("E_UNREACHABLE", 7)
    with open_database(url) as db:
        assert hand_in(db, client_key="once").again
    server.drop(url)


@pytest.mark.skipif(os.name != "posix", reason="file modes are POSIX")
def test_only_the_owner_can_read_the_database(tmp_path: Path) -> None:
    with open_database(f"sqlite:///{tmp_path / 'a.db'}") as db:
        hand_in(db)
        modes = {path.name: path.stat().st_mode & 0o777 for path in tmp_path.iterdir()}
    assert modes == dict.fromkeys(("a.db", "a.db-wal", "a.db-shm", "a.db.lock"), 0o600)


def test_sqlite_is_set_to_survive_a_power_cut(tmp_path: Path) -> None:
    with open_database(f"sqlite:///{tmp_path / 'a.db'}") as db:
        found = [db.value(f"PRAGMA {name}") for name in ("journal_mode", "synchronous", "foreign_keys")]
    assert found == ["wal", 2, 1]
