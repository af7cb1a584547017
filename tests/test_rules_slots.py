"""Extensions, slots, and clocks that are changed or step back, on both databases."""

from __future__ import annotations

import json
import random
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from harness.clocks import terms
from harness.competition import Competition
from harness.home import Home, open_home
from leaderboard import enrolment, events, receipts, records
from leaderboard.database import Database
from leaderboard.roster import RosterEntry
from tasks.base import UserError
from tasks.split import derive
from tests import deadlines
from tests.deadlines import DEADLINE, EDGES, LATE, SECOND, TICK, both_boards, code_of, extend, hand_in

pytestmark = pytest.mark.slow_on_postgresql

home, db, hw1 = deadlines.home, deadlines.db, deadlines.hw1


CLASS = [
    RosterEntry("ada", "Ada"),
    RosterEntry("bob", "Bob", team="Owls"),
    RosterEntry("eve", "Eve", team="Owls"),
    RosterEntry("kim", "Kim"),
]


def closes(home: Home, db: Database, hw1: Competition, who: str) -> datetime | None:
    return terms(home, db, hw1, who, LATE).closes


def test_an_extension_holds_for_those_it_names_to_the_instant(home: Home, db: Database, hw1: Competition) -> None:
    enrolment.import_people(db, CLASS, actor="prof", reason="start", now=DEADLINE)
    one, two, everyone = (DEADLINE + timedelta(hours=hours) for hours in (5, 7, 6))
    extend(db, "person", "ada", one)
    extend(db, "team", "Owls", two)
    ends = {"ada": one, "Owls": two, "kim": DEADLINE}
    assert {who: closes(home, db, hw1, who) for who in ends} == ends
    extend(db, "all", "", everyone)
    ends = {"ada": everyone, "Owls": two, "kim": everyone}
    assert {who: closes(home, db, hw1, who) for who in ends} == ends
    for who, end in ends.items():
        assert not hand_in(home, db, end, who).practice
        assert hand_in(home, db, end + TICK, who).practice
        assert hand_in(home, db, end + SECOND, who).practice
    other = replace(hw1, name="hw02")
    assert closes(home, db, other, "ada") == DEADLINE
    told = closes(home, db, hw1, "ada")
    assert told is not None
    assert str(told.tzinfo) == "Asia/Taipei"


def test_the_newest_extension_for_the_same_people_counts_and_none_ends_before_the_deadline(
    home: Home, db: Database, hw1: Competition
) -> None:
    enrolment.import_people(db, CLASS, actor="prof", reason="start", now=DEADLINE)
    extend(db, "person", "ada", DEADLINE + timedelta(days=300))
    extend(db, "person", "ada", DEADLINE + timedelta(days=3))
    assert closes(home, db, hw1, "ada") == DEADLINE + timedelta(days=3)
    extend(db, "person", "ada", None, slots=4, day="2027-03-26")
    assert closes(home, db, hw1, "ada") == DEADLINE + timedelta(days=3), "slots take no time back"
    extend(db, "person", "ada", DEADLINE - timedelta(days=3))
    assert closes(home, db, hw1, "ada") == DEADLINE
    assert closes(home, db, replace(hw1, rules=replace(hw1.rules, deadline=None)), "ada") is None


def test_more_slots_hold_on_their_day_and_add_up_over_person_and_all(
    home: Home, db: Database, hw1: Competition
) -> None:
    enrolment.import_people(db, CLASS, actor="prof", reason="start", now=DEADLINE)

    def quota(who: str, now: datetime = DEADLINE) -> int:
        return terms(home, db, hw1, who, now).quota

    extend(db, "all", "", None, slots=3, day="2027-03-26")
    extend(db, "person", "ada", None, slots=1, day="2027-03-26")
    extend(db, "team", "Owls", None, slots=7)
    assert [quota(who) for who in ("ada", "Owls", "kim")] == [6, 12, 5]
    tomorrow = DEADLINE + timedelta(days=1)
    assert [quota(who, tomorrow) for who in ("ada", "Owls", "kim")] == [2, 9, 2]
    extend(db, "all", "", None, slots=0, day="2027-03-26")
    assert quota("kim") == 2, "a mistake is taken back"
    extend(db, "person", "ada", DEADLINE + SECOND)
    assert quota("ada") == 3, "more time takes no slots back"
    for _ in range(3):
        hand_in(home, db, DEADLINE, "ada")
    with pytest.raises(UserError) as error:
        hand_in(home, db, DEADLINE, "ada")
    assert code_of(error) == ("E_QUOTA", 4)


def test_quota_and_deadline_each_have_a_zone(home: Home, db: Database) -> None:
    """The quota day ends at 00:00 UTC, eight hours after the day on which the course closes in Taipei."""
    midnight = datetime(2027, 3, 26, tzinfo=UTC)
    for _ in range(2):
        hand_in(home, db, midnight - SECOND)
    with pytest.raises(UserError) as error:
        hand_in(home, db, midnight - TICK)
    assert code_of(error) == ("E_QUOTA", 4)
    assert "2027-03-26T08:00:00+08:00" in str(error.value), "told in the course's zone"
    assert [hand_in(home, db, now).used for now in (midnight, DEADLINE)] == [1, 2]
    assert json.loads(hand_in(home, db, DEADLINE, "bob").receipt)["quota_day"] == "2027-03-26"
    assert hand_in(home, db, LATE, "bob").practice, "though the quota day goes on"


@pytest.mark.parametrize(
    ("zone", "edge", "day"), [edge for edge in EDGES if edge[0] in ("America/New_York", "Africa/Cairo")]
)
def test_slots_open_at_the_second_on_days_that_are_longer_or_shorter(
    home: Home, db: Database, zone: str, edge: str, day: str
) -> None:
    path = home.root / "config.toml"
    path.write_text(
        path.read_text().replace('deadline = "2027-03-26', f'quota_zone = "{zone}"\ndeadline = "2033-01-01')
    )
    home = open_home(home.root)
    start = datetime.fromisoformat(edge)
    for _ in range(2):
        hand_in(home, db, start - SECOND)
    with pytest.raises(UserError) as error:
        hand_in(home, db, start - TICK)
    assert code_of(error) == ("E_QUOTA", 4)
    accepted = hand_in(home, db, start)
    assert (accepted.used, json.loads(accepted.receipt)["quota_day"]) == (1, day)


@pytest.mark.parametrize("step", [SECOND, timedelta(hours=20), timedelta(days=40)])
def test_a_clock_that_steps_back_over_midnight_opens_no_slots_and_orders_by_arrival(
    home: Home, db: Database, step: timedelta
) -> None:
    midnight = datetime(2027, 3, 20, tzinfo=UTC)
    for _ in range(2):
        hand_in(home, db, midnight, score=0.5)
    with pytest.raises(UserError) as error:
        hand_in(home, db, midnight - step)
    assert code_of(error) == ("E_QUOTA", 4)
    hand_in(home, db, midnight - step, "bob", score=0.5)
    assert [row.participant for row in both_boards(home, db)[0]] == ["ada", "bob"]
    assert [event.kind for event in events.events(db)].count("clock stepped back") == (step > SECOND)
    assert events.verify(db) == []


def test_a_clock_that_steps_back_into_a_day_with_more_slots_opens_none_of_them_again(
    home: Home, db: Database, hw1: Competition
) -> None:
    midnight = datetime(2027, 3, 20, tzinfo=UTC)
    hand_in(home, db, midnight - SECOND)
    extend(db, "person", "ada", None, slots=3, day="2027-03-19")
    for _ in range(2):
        hand_in(home, db, midnight)
    assert terms(home, db, hw1, "ada", midnight - SECOND).quota == 2
    with pytest.raises(UserError) as error:
        hand_in(home, db, midnight - SECOND)
    assert code_of(error) == ("E_QUOTA", 4)
    hand_in(home, db, midnight - SECOND, "bob")
    assert terms(home, db, hw1, "ada", midnight).quota == 2
    extend(db, "person", "ada", None, slots=1, day="2027-03-20")
    assert hand_in(home, db, midnight - SECOND).used == 3
    assert events.verify(db, receipts.public_key(derive(home.key(), "receipts"))) == []


@pytest.mark.parametrize("edge", ["2027-03-28T00:00:00Z", "2027-10-31T00:00:00Z"])
def test_a_clock_that_steps_back_between_any_two_arrivals_keeps_the_order_and_the_quota(
    home: Home, db: Database, edge: str
) -> None:
    """On both days on which the clocks of Berlin are changed; the deadline is far, the quota two a day."""
    path = home.root / "config.toml"
    path.write_text(
        path.read_text().replace('deadline = "2027-03-26', 'quota_zone = "Europe/Berlin"\ndeadline = "2033-01-01')
    )
    home = open_home(home.root)
    start, chance, taken = datetime.fromisoformat(edge), random.Random(edge), Counter[tuple[str, str]]()
    arrived: list[int] = []
    for _ in range(40):
        who = chance.choice(["ada", "bob", "eve"])
        now = start + timedelta(hours=chance.randint(-60, 60), microseconds=chance.choice([-1, 0, 1]))
        try:
            accepted = hand_in(home, db, now, who, score=0.5)
        except UserError as error:
            if error.code != "E_QUOTA":
                raise
            continue
        arrived.append(accepted.submission)
        taken[who, json.loads(accepted.receipt)["quota_day"]] += 1
        assert accepted.used == taken[who, json.loads(accepted.receipt)["quota_day"]]
    assert arrived == list(range(1, len(arrived) + 1))
    assert max(taken.values()) == 2
    days: dict[str, list[str]] = {}
    for row in records.submissions(db):
        days.setdefault(row.participant, []).append(row.quota_day)
    assert all(found == sorted(found) for found in days.values()), "no day comes back"
    firsts = list(dict.fromkeys(row.participant for row in records.submissions(db)))
    assert [row.participant for row in both_boards(home, db)[0]] == firsts, "of equals, who arrived first"
    assert events.verify(db, receipts.public_key(derive(home.key(), "receipts"))) == []


def test_a_clock_that_steps_back_over_the_deadline_is_logged_and_changes_no_practice(home: Home, db: Database) -> None:
    assert hand_in(home, db, LATE + timedelta(minutes=1)).practice
    assert not hand_in(home, db, DEADLINE).practice
    assert [row.practice for row in records.submissions(db)] == [True, False]
    assert "clock stepped back" in [event.kind for event in events.events(db)]
    assert events.verify(db) == []
