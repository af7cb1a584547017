"""Boards, selections and names, each on SQLite and on PostgreSQL."""

from __future__ import annotations

import math
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from leaderboard import acceptance, events, ranking, receipts, records, results
from leaderboard.database import Database, open_database
from tasks.errors import UserError
from tests.bookkeeping import DATA, METRIC, NOW, SEED, _keys, code_of, grade, hand_in, places

pytestmark = pytest.mark.slow_on_postgresql


def test_nulls_come_last_and_ties_go_to_the_earlier_on_both_databases(database: Database) -> None:
    for name, score in (("zoe", None), ("ann", 0.5), ("bob", 0.25), ("Ärger", 0.5), ("carl", None), ("dan", 0.25)):
        number = hand_in(database, name).submission
        if score is not None:
            grade(database, number, score, None if name == "ann" else 1 - score)
    public = ranking.board(database, "hw01", DATA, METRIC, False)
    assert places(public) == [
        (1, "bob", 0.25),
        (2, "dan", 0.25),
        (3, "ann", 0.5),
        (4, "Ärger", 0.5),
        (5, "zoe", None),
        (6, "carl", None),
    ]
    private = ranking.board(database, "hw01", DATA, METRIC, False, private=True)
    assert places(private) == [
        (1, "Ärger", 0.5),
        (2, "bob", 0.75),
        (3, "dan", 0.75),
        (4, "zoe", None),
        (5, "ann", None),
        (6, "carl", None),
    ]


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
                    db,
                    accepted.submission,
                    0.5 + shift,
                    0.25 - shift,
                    data_version=f"answers {shift}",
                    metric_version=f"signature {shift}",
                    details=f"{shift}",
                    passed_public=bars,
                    passed_private=bars,
                )
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
        for name in (*own, "nobody"):
            asked = (database, competition, DATA, METRIC)
            one = (
                ranking.private_place(*asked, higher, name, selections=limit, unselected=rule)
                if private
                else ranking.place(*asked, name)
            )
            there = [row for row in board if row.participant == name]
            assert [(row.rank, len(own), row.submission, row.score, row.passed) for row in there] == (
                [] if one is None else [(one.rank, one.of, one.submission, one.score, one.passed)]
            )


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
