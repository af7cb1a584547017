"""The clocks of a course, frozen at the edges: quota days, deadlines, extensions, practice, selection."""

from __future__ import annotations

import json
import math
import random
import shutil
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.cli.main import cli
from harness.clocks import closing, last_closing, quota_day, terms
from harness.competition import Competition, find_competition
from harness.course import access, boards, limits
from harness.course.gradebook import find_schemes, gradebook
from harness.course.rules import change_rules, unread_rules
from harness.grading.accept import accept_file, submit
from harness.home import CHANGEABLE, Home, instant, open_home
from harness.versions import read_versions
from leaderboard import acceptance, adjustments, enrolment, events, ranking, receipts, records, results
from leaderboard.acceptance import Upload
from leaderboard.database import Database
from leaderboard.roster import Entry
from tasks.base import Rules, UserError
from tasks.split import derive
from tests.accepting import accepted

pytestmark = pytest.mark.slow_on_postgresql

SECOND = timedelta(seconds=1)
TICK = timedelta(microseconds=1)
_files = count()


@pytest.mark.parametrize(
    ("written", "last"),
    [
        ("2027-03-26T23:59+08:00", "2027-03-26T15:59:59.999999+00:00"),
        ("2027-03-26 23:59+08:00", "2027-03-26T15:59:59.999999+00:00"),
        ("20270326T2359+0800", "2027-03-26T15:59:59.999999+00:00"),
        ("2027-03-26T23:59:00+08:00", "2027-03-26T15:59:00.999999+00:00"),
        ("2027-03-26T23:59:59+08:00", "2027-03-26T15:59:59.999999+00:00"),
        ("2027-03-26T23:59:59.5+08:00", "2027-03-26T15:59:59.500000+00:00"),
        ("2027-03-26T23:59:59.000000+08:00", "2027-03-26T15:59:59+00:00"),
        ("2027-03-26T15:59Z", "2027-03-26T15:59:59.999999+00:00"),
        ("2027-03-26T15:59:59Z", "2027-03-26T15:59:59.999999+00:00"),
        ("2027-03-26T15:59-00:30", "2027-03-26T16:29:59.999999+00:00"),
        ("2027-W12-5T23:59+08:00", "2027-03-26T15:59:59.999999+00:00"),
        ("2027-03-28T02:30+01:00", "2027-03-28T01:30:59.999999+00:00"),  # no clock of Berlin shows 02:30 on that day
        ("2027-10-31T02:30+02:00", "2027-10-31T00:30:59.999999+00:00"),  # and twice on this one: the first 02:30
        ("2027-10-31T02:30+01:00", "2027-10-31T01:30:59.999999+00:00"),  # the second
    ],
)
@pytest.mark.parametrize("zone", ["Asia/Taipei", "UTC", "America/New_York", "Europe/Berlin"])
def test_a_deadline_includes_the_seconds_that_it_does_not_write(written: str, last: str, zone: str) -> None:
    found = closing(Rules(deadline=written, deadline_zone=zone))
    assert found is not None
    assert found.astimezone(UTC).isoformat() == last
    assert str(found.tzinfo) == zone, "it is told in the zone of deadlines"


@pytest.mark.parametrize(
    "written",
    [
        "2027-03-26_23:59:59+08:00", "2027-03-26T23+08:00", "2027-03-26", "2027-03-26T23:59", "9999-12-31T23:59Z",
        "0001-01-01T00:00+08:00", "",
    ],
)  # fmt: skip
def test_a_deadline_that_says_no_minute_or_no_zone_or_that_no_zone_can_tell_is_refused(written: str) -> None:
    with pytest.raises(UserError):
        closing(Rules(deadline=written))


def test_the_time_of_the_next_slot_is_one_that_clocks_show() -> None:
    _, next_slot = quota_day(datetime(2026, 4, 23, 12, tzinfo=UTC), "Africa/Cairo")
    assert next_slot.isoformat() == "2026-04-24T01:00:00+03:00"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("2027-13-01", "2027-13-01 is not in the calendar: month must be in 1..12"),
        ("2027-02-29T23:59:59+08:00", "2027-02-29 is not in the calendar: day is out of range for month"),
        ("2027-03-26", "must be a time with a UTC offset"),
        ("2027-03-26T23:59:59", "must be a time with a UTC offset"),
        ("2027-03-26T25:00:00+08:00", "must be a time with a UTC offset"),
        ("tomorrow", "must be a time with a UTC offset"),
    ],
)
def test_a_time_that_cannot_be_names_what_is_wrong_with_it(text: str, said: str) -> None:
    with pytest.raises(UserError) as caught:
        instant(text, "deadline")
    assert said in str(caught.value)


def test_an_open_competition_has_no_last_instant() -> None:
    assert closing(Rules()) is None


# For each zone an instant that begins a quota day, and that day.
EDGES = [
    ("UTC", "2027-03-02T00:00:00Z", "2027-03-02"),
    ("Asia/Taipei", "2027-03-01T16:00:00Z", "2027-03-02"),
    ("America/New_York", "2027-03-14T05:00:00Z", "2027-03-14"),  # 23 hours begin
    ("America/New_York", "2027-03-15T04:00:00Z", "2027-03-15"),  # and end
    ("America/New_York", "2027-11-07T04:00:00Z", "2027-11-07"),  # 25 hours begin
    ("America/New_York", "2027-11-08T05:00:00Z", "2027-11-08"),
    ("Europe/Berlin", "2027-03-27T23:00:00Z", "2027-03-28"),
    ("Europe/Berlin", "2027-03-28T22:00:00Z", "2027-03-29"),
    ("Europe/Berlin", "2027-10-30T22:00:00Z", "2027-10-31"),  # 25 hours begin
    ("Europe/Berlin", "2027-10-31T23:00:00Z", "2027-11-01"),
    ("Africa/Cairo", "2026-04-23T22:00:00Z", "2026-04-24"),  # there is no midnight: 23:59:59 is followed by 01:00
    ("Africa/Cairo", "2026-10-29T22:00:00Z", "2026-10-30"),  # the hour before midnight came twice
    ("America/Havana", "2026-11-01T04:00:00Z", "2026-11-01"),  # midnight comes twice: the day begins with the first
    ("Australia/Lord_Howe", "2027-04-03T13:00:00Z", "2027-04-04"),  # half an hour
    ("Pacific/Apia", "2011-12-30T10:00:00Z", "2011-12-31"),  # a day that was left out
]


@pytest.mark.parametrize(("zone", "edge", "day"), EDGES)
def test_a_quota_day_begins_at_its_zones_midnight_and_not_a_second_before(zone: str, edge: str, day: str) -> None:
    start = datetime.fromisoformat(edge)
    for before in (SECOND, TICK):
        earlier, next_slot = quota_day(start - before, zone)
        assert earlier < day
        assert next_slot.astimezone(UTC) == start
    for after in (timedelta(0), TICK, SECOND):
        now_day, next_slot = quota_day(start + after, zone)
        assert now_day == day
        assert next_slot.astimezone(UTC) > start + SECOND


ZONES = ["UTC", "Asia/Taipei", "America/New_York", "Africa/Cairo", "America/Havana", "America/Santiago",
         "Australia/Lord_Howe", "Asia/Kathmandu", "Pacific/Chatham", "America/St_Johns"]  # fmt: skip


@given(
    st.datetimes(datetime(2020, 1, 1), datetime(2035, 1, 1), timezones=st.just(UTC)),
    st.sampled_from(ZONES),
)
def test_the_next_slot_opens_with_the_next_quota_day_whatever_the_zone(now: datetime, zone: str) -> None:
    day, next_slot = quota_day(now, zone)
    assert day == now.astimezone(ZoneInfo(zone)).date().isoformat()
    assert now < next_slot <= now + timedelta(hours=25)
    assert quota_day(next_slot, zone)[0] > day
    assert quota_day(next_slot.astimezone(UTC) - TICK, zone)[0] == day


# A homework of a class, on both databases

DEADLINE = datetime(2027, 3, 26, 16, tzinfo=UTC) - TICK  # the last instant of 23:59 in Taipei
LATE = DEADLINE + TICK


@pytest.fixture
def home(course: Path, tmp_path: Path, database_url: str) -> Home:
    """A home with HW1 prepared and two slots a day by UTC, closing at 23:59 in Taipei."""
    shutil.copytree(course, tmp_path / "home")
    url = f"database = {json.dumps(database_url)}\n"
    rules = '[hw01]\nquota = 2\nrejections = 2\ndeadline = "2027-03-26T23:59+08:00"\n'
    (tmp_path / "home" / "config.toml").write_text(url + rules)
    return open_home(tmp_path / "home")


@pytest.fixture
def db(home: Home) -> Iterator[Database]:
    with home.database() as opened:
        yield opened


@pytest.fixture
def hw1(home: Home) -> Competition:
    return find_competition(home, "hw1")


def hand_in(
    home: Home, db: Database, now: datetime, who: str = "ada", *, file: str | None = None, score: float | None = None
) -> acceptance.Accepted:
    """Accepts a file of fresh content unless named, and records its score where one is given."""
    competition = find_competition(home, "hw1")
    sha256 = f"{next(_files):064x}" if file is None else file
    accepted = accept_file(home, db, competition, Upload(sha256, 1, "a.csv", "", sha256, now), participant=who)
    if score is not None:
        grade(home, db, accepted.submission, score, score, now)
    return accepted


def grade(home: Home, db: Database, number: int, public: float, private: float, now: datetime) -> None:
    data_version, metric_version = read_versions(home, find_competition(home, "hw1"))
    results.record(
        db, number, data_version=data_version, metric_version=metric_version, public_version="1",
        higher_is_better=False, public=public, private=private, details="{}", passed_public=[], passed_private=[],
        mac="", now=now,
    )  # fmt: skip


def both_boards(home: Home, db: Database) -> list[list[ranking.BoardRow]]:
    rules = find_competition(home, "hw1").rules
    versions = read_versions(home, find_competition(home, "hw1"))
    return [
        ranking.board(
            db, "hw01/1", *versions, False, private=side, selections=rules.selections, unselected=rules.unselected
        )
        for side in (False, True)
    ]


def code_of(error: pytest.ExceptionInfo[UserError]) -> tuple[str, int]:
    return error.value.code, error.value.exit_code


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
        False, False, True, True
    ]  # fmt: skip
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
    assert acceptance.quota_state(db, "hw01/1", "ada", day) == acceptance.QuotaState(day, 2, 0)
    assert acceptance.quota_state(db, "hw01/1", "ada", day, practice=True) == acceptance.QuotaState(day, 1, 1)


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
    assert late == replace(counting, again=True), "a retry after the end gives the receipt of what counts"
    assert records.count_submissions(db, "hw01/1") == 2
    assert events.verify(db) == []


def test_a_late_file_is_read_graded_and_called_practice(home: Home, db: Database) -> None:
    file = home.public("hw01") / "sample_submission.csv"
    done = submit(home, "hw1", file, participant="ada", now=LATE)
    assert done.accepted.practice
    assert done.grade.scores[0].public > 0
    assert both_boards(home, db) == [[], []]


def test_the_problems_of_a_refused_file_are_kept_for_its_owner(home: Home, db: Database, tmp_path: Path) -> None:
    from tasks.base import SubmissionError

    bad = tmp_path / "bad.csv"
    bad.write_text("id,nothing\n0,1\n")
    with pytest.raises(SubmissionError) as error:
        submit(home, "hw1", bad, participant="ada", now=DEADLINE)
    row = records.submission(db, 1)
    assert row.rejected == error.value.code
    assert row.rejected_details is not None
    kept = json.loads(row.rejected_details)
    assert [one["message"] for one in kept["problems"]] == [one.message for one in error.value.problems]
    assert kept["total"] == error.value.total
    assert "rejected_details" not in repr([event.body for event in events.events(db)])


CLASS = [Entry("ada", "Ada"), Entry("bob", "Bob", team="Owls"), Entry("eve", "Eve", team="Owls"), Entry("kim", "Kim")]


def extend(db: Database, kind: adjustments.Whom, who: str, until: datetime | None, **more: Any) -> None:
    adjustments.extend(db, "hw01/1", kind, who, until=until, actor="prof", reason="why", now=LATE, **more)


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
                database, number, data_version="d", metric_version="m", public_version="1", higher_is_better=False,
                public=scores[0], private=scores[1], details="{}", passed_public=[], passed_private=[], mac="",
                now=now,
            )  # fmt: skip
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
    for row in ranking.board(database, competition, "d", "m", False, private=True, **ask):
        own = counting.get(row.participant, ranking.Counting(row.participant, (), False))
        scores_of = sorted((hidden.get(number, math.inf), number) for number in own.submissions)
        best = scores_of[0] if scores_of and scores_of[0][0] < math.inf else (None, None)
        assert (row.score, row.submission) == best
        assert ranking.what_counts(database, competition, "d", "m", participant=row.participant, **ask) == (
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


# Changing rules


CONFIG = """\
name = "prof"

[hw03]
quota = 9

[hw01]
quota = 2
deadline = "2027-03-26T23:59+08:00"
public_share = 0.4
parts = { report = 2 }
"""


@pytest.fixture
def written(course: Path, tmp_path: Path, database_url: str) -> Path:
    shutil.copytree(course, tmp_path / "home")
    (tmp_path / "home" / "config.toml").write_text(f"database = {json.dumps(database_url)}\n{CONFIG}")
    return tmp_path / "home"


def change(root: Path, now: datetime = DEADLINE, **wanted: str) -> Home:
    home = open_home(root)
    change_rules(home, find_competition(home, "hw1"), wanted, "prof", "agreed in class", now)
    return home


def problems(home: Home) -> list[str]:
    from harness.grading.audit import verify

    return verify(home)[0]


def logged(home: Home) -> list[events.Event]:
    with home.database() as db:
        return [event for event in events.events(db) if event.kind == "rules changed"]


def test_the_first_change_takes_over_the_rules_of_the_file_and_the_log_says_so(written: Path) -> None:
    before, file = find_competition(open_home(written), "hw1").rules, (written / "config.toml").read_text()
    home = change(written, quota="3", unselected="first")
    rules = find_competition(home, "hw1").rules
    assert rules == replace(before, quota=3, unselected="first")
    assert (rules.deadline, rules.public_share) == ("2027-03-26T23:59+08:00", 0.4)
    assert (written / "config.toml").read_text() == file, "no command writes it"
    (last,) = logged(home)
    assert (last.actor, json.loads(last.body)) == ("prof", {
        "competition": "hw01/1", "reason": "agreed in class",
        "changes": {"quota": [2, 3], "unselected": ["best_public", "first"]},
        "rules": {"quota": 3, "unselected": "first", "deadline": "2027-03-26T23:59+08:00"},
    })  # fmt: skip
    assert problems(home) == []
    assert find_competition(change(written, deadline=""), "hw1").rules.deadline is None
    assert find_competition(change(written, quota="", unselected=""), "hw1").rules.quota == Rules().quota
    assert len(logged(home)) == 3
    assert problems(home) == []


def test_after_a_change_the_rules_of_the_file_are_not_read_and_that_is_said(written: Path) -> None:
    path = written / "config.toml"
    path.write_text(path.read_text().replace("quota = 2", "quota = 4"))
    assert find_competition(open_home(written), "hw1").rules.quota == 4, "until then they are"
    change(written, quota="3")
    file = path.read_text()
    for text in ("quota = 50", ""):
        path.write_text(file.replace("quota = 4", text))
        home = open_home(written)
        rules = find_competition(home, "hw1").rules
        assert (rules.quota, rules.deadline, rules.public_share) == (3, "2027-03-26T23:59+08:00", 0.4)
        assert unread_rules(home, find_competition(home, "hw1")) == (["quota = 50"] if text else [])
        assert problems(home) == []


@pytest.mark.parametrize(
    "tampering",
    [
        "UPDATE rules SET rules = '{\"quota\": 50}'", "DELETE FROM rules", "UPDATE rules SET name = 'hw02'",
        "UPDATE rules SET event_seq = 98", "INSERT INTO rules (name, rules, event_seq) VALUES ('hw04', '{}', 99)",
    ],
)  # fmt: skip
def test_rules_that_are_changed_behind_the_logs_back_are_found(written: Path, tampering: str) -> None:
    home = change(written, quota="3")
    with home.database() as db, db.transaction():
        db.execute(tampering)
    assert [text for text in problems(home) if "rules in the database are not what the log says" in text]


def test_what_changes_nothing_leaves_no_event(written: Path) -> None:
    assert logged(change(written, quota="2")) == []
    assert len(logged(change(written, quota="3"))) == len(logged(change(written, quota="3"))) == 1


def test_two_changes_at_once_are_both_in_force(written: Path) -> None:
    home = open_home(written)
    seen = find_competition(home, "hw1")  # by both
    for wanted in ({"quota": "3"}, {"rejections": "7"}):
        change_rules(home, seen, wanted, "prof", "agreed in class", DEADLINE)
    assert replace(seen.rules, quota=3, rejections=7) == find_competition(home, "hw1").rules
    assert [json.loads(event.body)["changes"] for event in logged(home)] == [
        {"quota": [2, 3]}, {"rejections": [seen.rules.rejections, 7]}
    ]  # fmt: skip


def test_a_file_is_accepted_by_the_rules_of_the_moment_that_it_is_accepted_in(
    home: Home, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The rules change after they were read for it, and before it has the lock."""
    accept, pending = acceptance.accept, ["5", "1", "9"]

    def meanwhile(*values: Any, **more: Any) -> acceptance.Accepted:
        if pending:
            change_rules(home, find_competition(home, "hw1"), {"quota": pending.pop(0)}, "prof", "late", DEADLINE)
        return accept(*values, **more)

    stale = find_competition(home, "hw1")
    monkeypatch.setattr(acceptance, "accept", meanwhile)
    accepted = accept_file(home, db, stale, Upload("ab" * 32, 1, "a.csv", "", "a", DEADLINE), participant="ada")
    assert (pending, json.loads(accepted.receipt)["quota_limit"]) == ([], 9)
    change_rules(home, stale, {"deadline": "2027-03-01T12:00+08:00"}, "prof", "earlier", DEADLINE)
    assert hand_in(home, db, DEADLINE).practice
    assert events.verify(db) == []


@pytest.mark.parametrize(
    ("rule", "value"),
    [
        ("quota", "many"), ("quota", "-1"), ("quota", "1e3"), ("selections", "0"), ("unselected", "random"),
        ("quota_zone", "Mars"), ("deadline", "tomorrow"), ("deadline", "2027-03-26"), ("public_share", "0.1"),
        ("colour", "red"), ("deadline_zone", "\x7f"), ("deadline", "9999-12-31T23:59Z"),
    ],
)  # fmt: skip
def test_a_rule_that_cannot_be_is_refused_and_nothing_is_written(written: Path, rule: str, value: str) -> None:
    with pytest.raises(UserError):
        change(written, DEADLINE, **{rule: value})
    home = open_home(written)
    assert logged(home) == []
    with home.database() as db:
        assert db.fetch("SELECT name FROM rules") == []


def test_each_rule_has_its_name_in_every_format(written: Path) -> None:
    words = ["--home", str(written), "rules", "hw1", "--format"]
    told = json.loads(CliRunner().invoke(cli, [*words, "json"]).stdout)["rules"]
    assert [row["rule"] for row in told] == list(CHANGEABLE)
    lines = CliRunner().invoke(cli, [*words, "csv"]).stdout.splitlines()
    assert [line.partition(",")[0] for line in lines] == ["rule", *CHANGEABLE]


def test_rules_stay_after_the_reveal(written: Path) -> None:
    with open_home(written).database() as db:
        records.reveal(db, "hw01/1", "prof", "the end", LATE)
    with pytest.raises(UserError, match="revealed") as error:
        change(written, selections="5")
    assert (error.value.code, error.value.exit_code) == ("E_CLOSED", 5)
    assert logged(open_home(written)) == []


def test_a_practice_file_that_is_made_to_count_behind_the_logs_back_is_found(home: Home, db: Database) -> None:
    hand_in(home, db, LATE)
    with db.transaction():
        db.execute("UPDATE submissions SET practice = :no", no=False)
    found = [finding.message for finding in events.verify(db)]
    assert any("practice differ" in text for text in found)
    assert any("receipt of submission 1 differs from its row" in text for text in found)


def test_the_last_instant_for_anybody_is_that_of_the_longest_extension(
    home: Home, db: Database, hw1: Competition
) -> None:
    assert last_closing(db, hw1) == DEADLINE
    extend(db, "all", "", DEADLINE + SECOND)
    assert last_closing(db, hw1) == DEADLINE + SECOND
    hand_in(home, db, DEADLINE)
    extend(db, "person", "ada", DEADLINE + timedelta(days=300))
    assert last_closing(db, hw1) == DEADLINE + timedelta(days=300)
    extend(db, "person", "ada", DEADLINE + 3 * SECOND)
    assert last_closing(db, hw1) == DEADLINE + 3 * SECOND, "a mended mistake is over"
