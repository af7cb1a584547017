"""Deadlines as they are written, and the days of a quota in each zone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.clocks import closing, quota_day
from harness.home import instant
from tasks.base import Rules, UserError
from tests import deadlines
from tests.deadlines import EDGES, SECOND, TICK

pytestmark = pytest.mark.slow_on_postgresql

written = deadlines.written


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
        "2027-03-26_23:59:59+08:00",
        "2027-03-26T23+08:00",
        "2027-03-26",
        "2027-03-26T23:59",
        "9999-12-31T23:59Z",
        "0001-01-01T00:00+08:00",
        "",
    ],
)
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


ZONES = [
    "UTC",
    "Asia/Taipei",
    "America/New_York",
    "Africa/Cairo",
    "America/Havana",
    "America/Santiago",
    "Australia/Lord_Howe",
    "Asia/Kathmandu",
    "Pacific/Chatham",
    "America/St_Johns",
]


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
