"""The rules of every call that the bridge places."""

from datetime import UTC, datetime

from bridge.settings.outbound import Outbound, Transfer


def test_nothing_is_dialled_where_nobody_allowed_it() -> None:
    """And what is left out is careful: few calls, by day, with limits."""
    rules = Outbound()
    assert rules.allowed_prefixes == ()
    assert 0 < rules.calls_per_second <= 1
    assert 0 < rules.max_concurrent <= 10
    assert rules.daily_limit > 0


def test_nobody_is_called_at_night_by_default() -> None:
    """8 to 21 h (47 CFR 64.1200(c)(1)), on every day of the week."""
    (hours,) = Outbound().calling_hours
    for day in range(2, 9):
        at = datetime(2026, 11, day, tzinfo=UTC)
        assert [hours.holds(at.replace(hour=hour)) for hour in (7, 8, 20, 21)] == [False, True, True, False]


def test_a_transfer_is_cold_unless_told_otherwise() -> None:
    """Written short it is a number."""
    assert Transfer(number="+15550777").mode == "cold"
    assert Transfer.shorthand == "number"
