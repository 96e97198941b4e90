"""Calling hours, by the clocks of the people who are called."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.outbound.windows import Window, zones_of
from bridge.settings.hours import Period

ZONES = (
    "America/New_York",
    "America/St_Johns",
    "America/Phoenix",
    "America/Adak",
    "Europe/London",
    "Europe/Berlin",
    "Asia/Kolkata",
    "Asia/Kathmandu",
    "Australia/Lord_Howe",  # daylight saving of half an hour
    "Pacific/Chatham",
    "Africa/Casablanca",  # daylight saving that pauses
    "America/Asuncion",
)
# Around the days on which clocks change, on both halves of the earth.
CHANGES = (
    date(2026, 3, 8),
    date(2026, 3, 29),
    date(2026, 4, 5),
    date(2026, 10, 4),
    date(2026, 10, 25),
    date(2026, 11, 1),
)
NINE_TO_FIVE = (Period.parse("mon-fri 09:00-17:00"),)

moments = st.builds(
    lambda day, offset, minutes: datetime.combine(day, time(), UTC) + timedelta(days=offset, minutes=minutes),
    st.sampled_from(CHANGES),
    st.integers(-4, 4),
    st.integers(0, 1439),
)
periods = st.builds(
    lambda first, last, start, length: Period(
        frozenset(range(min(first, last), max(first, last) + 1)), start, min(start + length, 1440)
    ),
    st.integers(0, 6),
    st.integers(0, 6),
    st.integers(0, 1400),
    st.integers(10, 900),
)
windows = st.builds(
    lambda hours, holidays: Window(tuple(hours), frozenset(holidays)),
    st.lists(periods, min_size=1, max_size=3),
    st.lists(st.sampled_from(CHANGES), max_size=2),
)
zones = st.lists(st.sampled_from(ZONES), min_size=1, max_size=4, unique=True)


@settings(max_examples=400, deadline=None)
@given(moments, windows, zones)
def test_no_call_is_placed_outside_the_window_in_any_zone(moment: datetime, window: Window, names: list[str]) -> None:
    """Whatever is called the opening, every clock that the person may have is then within hours and on no holiday."""
    opening = window.opens(moment, names)
    if opening is None:
        return
    assert opening >= moment
    for name in names:
        local = opening.astimezone(ZoneInfo(name))
        assert local.date() not in window.holidays
        assert any(
            local.weekday() in period.days and period.start <= local.hour * 60 + local.minute < period.end
            for period in window.hours
        )


@settings(max_examples=100, deadline=None)
@given(moments, windows, zones)
def test_no_opening_is_passed_over(moment: datetime, window: Window, names: list[str]) -> None:
    """Between now and the opening there is no quarter of an hour in which everybody's clock would have allowed a call."""
    opening = window.opens(moment, names)
    until = min(opening or moment + timedelta(days=3), moment + timedelta(days=3))
    at = moment
    while at < until - timedelta(hours=1):  # where a clock skips an hour, a period may be entered that much late
        assert not window.holds(at, names) or not window.holds(at + timedelta(hours=1), names)
        at += timedelta(minutes=15)


def test_the_window_is_told_by_the_called_persons_clock() -> None:
    """Nine in Berlin is not nine in New York."""
    window = Window(NINE_TO_FIVE)
    monday = datetime(2026, 11, 2, 8, 0, tzinfo=UTC)
    assert window.opens(monday, ["Europe/Berlin"]) == monday
    assert window.opens(monday, ["America/New_York"]) == datetime(2026, 11, 2, 14, 0, tzinfo=UTC)
    assert window.opens(monday, ["Europe/Berlin", "America/New_York"]) == datetime(2026, 11, 2, 14, 0, tzinfo=UTC)


def test_the_opening_follows_daylight_saving() -> None:
    """On the Monday after the change nine is an hour earlier or later in UTC."""
    window = Window(NINE_TO_FIVE)
    spring = window.opens(datetime(2026, 3, 7, 12, tzinfo=UTC), ["America/New_York"])
    autumn = window.opens(datetime(2026, 10, 31, 12, tzinfo=UTC), ["America/New_York"])
    assert spring == datetime(2026, 3, 9, 13, 0, tzinfo=UTC)
    assert autumn == datetime(2026, 11, 2, 14, 0, tzinfo=UTC)


def test_a_call_is_not_begun_in_the_last_minute() -> None:
    """The phone rings after the decision: it must ring within hours, too."""
    window = Window(NINE_TO_FIVE)
    assert window.holds(datetime(2026, 11, 2, 15, 58, tzinfo=UTC), ["Europe/Berlin"])
    assert not window.holds(datetime(2026, 11, 2, 15, 59, 30, tzinfo=UTC), ["Europe/Berlin"])


def test_clocks_that_never_agree_never_open() -> None:
    """Without an hour that is right everywhere nobody is called."""
    assert Window(NINE_TO_FIVE).opens(datetime(2026, 11, 2, tzinfo=UTC), ["America/New_York", "Asia/Kolkata"]) is None


@pytest.mark.parametrize(
    ("number", "some"),
    [
        ("+12125550123", {"America/New_York"}),
        ("+447986123456", {"Europe/London", "Europe/Jersey"}),
        ("+4930123456", {"Europe/Berlin"}),
        ("+18005550123", {"America/New_York", "America/Los_Angeles"}),
        ("+8816551234567", set()),
    ],
)
def test_a_number_is_in_every_zone_it_may_be_in(number: str, some: set[str]) -> None:
    """A number without an area has all zones of its country; a satellite's has none."""
    found = set(zones_of(number))
    assert some <= found
    assert bool(found) is bool(some)
