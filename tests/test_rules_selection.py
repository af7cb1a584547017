"""Which entries count: chosen, unchosen, before the end and after the reveal."""

from __future__ import annotations

import math
import random
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.clocks import terms
from harness.competition import Competition, find_competition
from harness.course import access, boards, limits
from harness.course.gradebook import find_schemes, gradebook
from harness.home import Home, open_home
from harness.versions import read_versions
from leaderboard import acceptance, ranking, records, results
from leaderboard.database import Database
from tasks.base import UserError
from tests import deadlines
from tests.accepting import accepted
from tests.deadlines import DEADLINE, LATE, SECOND, TICK, _files, code_of, extend, grade, hand_in

pytestmark = pytest.mark.slow_on_postgresql

home, db, hw1 = deadlines.home, deadlines.db, deadlines.hw1


def test_the_selection_is_locked_at_the_deadline_that_holds_for_its_owner(
    home: Home, db: Database, hw1: Competition
) -> None:
    mine, other = hand_in(home, db, DEADLINE).submission, hand_in(home, db, DEADLINE, "bob").submission

    def select(who: str, number: int, now: datetime) -> None:
        records.select(db, "hw01/1", who, [number], 2, now, terms(home, db, hw1, who, now).closes)

    select("ada", mine, DEADLINE)
    for now in (LATE, LATE + SECOND):
        with pytest.raises(UserError) as error:
            select("ada", mine, now)
        assert code_of(error) == ("E_CLOSED", 5)
    extend(db, "person", "bob", DEADLINE + timedelta(hours=1))
    select("bob", other, LATE)
    select("bob", other, DEADLINE + timedelta(hours=1))
    with pytest.raises(UserError) as error:
        select("bob", other, DEADLINE + timedelta(hours=1) + TICK)
    assert code_of(error) == ("E_CLOSED", 5)


ENTRY = st.tuples(
    st.integers(0, 2),  # who
    st.one_of(st.none(), st.tuples(st.sampled_from([0.1, 0.2, 0.3]), st.sampled_from([0.1, 0.2, 0.3]))),  # scores
    st.sampled_from(["valid", "selected", "rejected", "practice"]),
)
RULES = st.sampled_from(["best_public", "first", "last", "all"])


@settings(max_examples=30, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(entries=st.lists(ENTRY, max_size=8), limit=st.integers(1, 3), rule=RULES)
def test_what_would_count_is_what_the_private_board_counts(
    database: Database,
    entries: list[tuple[int, tuple[float, float] | None, str]],
    limit: int,
    rule: ranking.Unselected,
) -> None:
    competition, now = f"c{next(_files)}", DEADLINE
    hidden: dict[int, float] = {}
    chosen: dict[str, list[int]] = {}
    for who, scores, state in entries:
        number = accepted(
            database, course="", competition=competition, participant=f"student {who}", kind="person",
            sha256=f"{next(_files):064x}", size=1, filename="", message="", client_key=f"k{next(_files)}", now=now,
            day="2027-03-26", next_slot=None, quota=None, rejections=None,
            closes=now - SECOND if state == "practice" else now, sign=lambda _: b"", late="practice",
        ).submission  # fmt: skip
        if state == "rejected":
            acceptance.reject(database, number, "E_X", now)
        elif scores is not None:
            results.record(
                database,
                number,
                data_version="d",
                metric_version="m",
                public_version="1",
                higher_is_better=False,
                public=scores[0],
                private=scores[1],
                details="{}",
                passed_public=[],
                passed_private=[],
                mac="",
                now=now,
            )
            hidden[number] = scores[1]
        if state == "selected":
            chosen.setdefault(f"student {who}", []).append(number)
    for name, numbers in chosen.items():
        records.select(database, competition, name, numbers[:limit], limit, now)
    ask: dict[str, Any] = {"selections": limit, "unselected": rule}
    counting = ranking.what_counts(database, competition, "d", "m", **ask)
    assert {name: one.submissions for name, one in counting.items() if one.selected} == {
        name: tuple(numbers[:limit]) for name, numbers in chosen.items()
    }
    left_out = {row.id for row in records.submissions(database, competition) if row.rejected or row.practice}
    assert not left_out & {number for one in counting.values() for number in one.submissions}
    assert rule == "all" or all(len(one.submissions) <= limit for one in counting.values())
    for side in (False, True):
        rows = ranking.board(database, competition, "d", "m", False, private=side, **ask)
        there = {row.participant: ranking.Passed(row.submission, row.passed) for row in rows if row.submission}
        assert ranking.passed(database, competition, "d", "m", False, private=side, **ask) == there
        for row in rows:
            whose = ranking.passed(
                database, competition, "d", "m", False, private=side, among=[row.participant, "nobody"], **ask
            )
            assert whose == {name: one for name, one in there.items() if name == row.participant}
    for row in ranking.board(database, competition, "d", "m", False, private=True, **ask):
        own = counting.get(row.participant, ranking.Counting(row.participant, (), False))
        scores_of = sorted((hidden.get(number, math.inf), number) for number in own.submissions)
        best = scores_of[0] if scores_of and scores_of[0][0] < math.inf else (None, None)
        assert (row.score, row.submission) == best
        assert ranking.what_counts(database, competition, "d", "m", among=[row.participant], **ask) == (
            {row.participant: own} if own.submissions else {}
        )


@pytest.mark.slow_on_postgresql
@pytest.mark.parametrize("rule", ["best_public", "first", "last", "all"])
@pytest.mark.parametrize("most", [0, 1])
def test_what_the_preview_shows_before_the_end_is_what_counts_after_the_reveal(
    home: Home, db: Database, rule: str, most: int
) -> None:
    path = home.root / "config.toml"
    path.write_text(
        path.read_text().replace(
            "quota = 2\nrejections = 2", f'quota = 9\nunselected = "{rule}"\nunselected_count = {most}'
        )
    )
    home, chance = open_home(home.root), random.Random(f"{rule}{most}")
    names, hidden = [f"student {number}" for number in range(6)], {}
    for _ in range(25):
        who, private = chance.choice(names), chance.choice([0.1, 0.2, 0.3])
        number = hand_in(home, db, DEADLINE - timedelta(minutes=chance.randint(0, 60)), who).submission
        if chance.random() < 0.15:
            acceptance.reject(db, number, "E_X", DEADLINE)
        elif chance.random() < 0.9:
            grade(home, db, number, chance.choice([0.1, 0.2, 0.3]), private, DEADLINE)
            hidden[number] = private
    for who in names[:3]:
        own = [row.id for row in records.submissions(db, "hw01/1", who) if row.rejected is None]
        records.select(
            db, "hw01/1", who, chance.sample(own, min(len(own), chance.randint(1, 2))), 2, DEADLINE, DEADLINE
        )

    def counting(now: datetime) -> dict[str, list[int]]:
        shown = {who: limits.selection(home, access.owner(who), "hw1", now).counts for who in names}
        return {who: [row.id for row in rows] for who, rows in shown.items()}

    preview = counting(DEADLINE)
    for who in names:
        late = hand_in(home, db, LATE, who, score=0.01)
        assert late.practice
        for choose in ([late.submission], preview[who][:1]):
            with pytest.raises(UserError):
                limits.select(home, access.owner(who), "hw1", choose, LATE)
    assert counting(LATE) == preview
    records.reveal(db, "hw01/1", "prof", "the end", LATE)
    hand_in(home, db, LATE + SECOND, names[0], score=0.01)
    assert counting(LATE + SECOND) == preview
    board = boards.board(home, access.owner("prof"), "hw1", private=True, now=LATE + SECOND)
    shown = {row.name: (row.score, row.submission) for row in board.board}
    for who, numbers in preview.items():
        scores = sorted((hidden[number], number) for number in numbers if number in hidden)
        assert shown.get(who, (None, None)) == (scores[0] if scores else (None, None))
    lines = gradebook(home, db, find_schemes(home, "hw1"), ["hw01"])
    assert {line.key: list(line.scores["hw01"].submissions) for line in lines} == {
        who: preview[who] for who in sorted(names)
    }


def test_where_fewer_may_be_chosen_than_were_the_earliest_of_them_count(home: Home, db: Database) -> None:
    one, two = (hand_in(home, db, DEADLINE, score=score).submission for score in (0.3, 0.1))
    records.select(db, "hw01/1", "ada", [one, two], 2, DEADLINE)
    ask: dict[str, Any] = {"selections": 1, "unselected": "best_public"}
    versions = read_versions(home, find_competition(home, "hw1"))
    assert ranking.what_counts(db, "hw01/1", *versions, **ask)["ada"].submissions == (one,)
    assert ranking.board(db, "hw01/1", *versions, False, private=True, **ask)[0].score == 0.3


def test_after_the_reveal_ranks_and_moves_are_told_and_what_comes_later_changes_none(home: Home, db: Database) -> None:
    scores = {"ada": (0.1, 0.3), "bob": (0.2, 0.1), "eve": (0.3, 0.1), "kim": (0.4, 0.2)}
    for who, (public, private) in scores.items():
        number = hand_in(home, db, DEADLINE, who).submission
        grade(home, db, number, public, private, DEADLINE)
    waiting = hand_in(home, db, DEADLINE, "kim").submission
    for viewer in (access.NOBODY, access.Viewer("student", "ada"), access.Viewer("instructor", "prof")):
        with pytest.raises(UserError) as error:
            boards.board(home, viewer, "hw1", private=True, now=LATE)
        assert error.value.code == "E_NOT_REVEALED"
    records.reveal(db, "hw01/1", "prof", "the end", LATE)

    def shown() -> list[tuple[Any, ...]]:
        rows = boards.board(home, access.owner("ada"), "hw1", private=True, now=LATE).board
        return [(row.rank, row.name, row.public_rank, row.move) for row in rows]

    before = [(1, "bob", 2, 1), (2, "eve", 3, 1), (3, "kim", 4, 1), (4, "ada", 1, -3)]
    assert shown() == before, "of equals, who arrived first"
    assert hand_in(home, db, LATE + SECOND, "ada", score=0.01).practice
    assert shown() == before
    grade(home, db, 1, 0.0, 0.0, LATE)
    assert shown() == before, "a second grade changes nothing"
    grade(home, db, waiting, 0.9, 0.05, LATE + SECOND)
    assert shown()[0] == (1, "kim", 4, 3), "what had come in time and was graded after the reveal counts"
