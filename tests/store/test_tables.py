"""Every table."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from bridge.store.tables import EPOCH, METADATA, micros


def test_a_moment_is_the_same_in_every_zone() -> None:
    """And exact to the microsecond, where a float would not be."""
    moment = datetime(2026, 11, 2, 15, 0, 0, 123457, tzinfo=UTC)
    assert micros(moment) == micros(moment.astimezone(timezone(timedelta(hours=5, minutes=45))))
    assert EPOCH + timedelta(microseconds=micros(moment)) == moment
    assert micros(moment + timedelta(microseconds=1)) - micros(moment) == 1


def test_moments_before_the_epoch_keep_their_order() -> None:
    """A clock that is far off sorts where it stands."""
    assert micros(EPOCH) == 0
    assert micros(EPOCH - timedelta(microseconds=1)) == -1


def test_a_moment_without_a_zone_is_refused() -> None:
    """It would be another one on another machine."""
    with pytest.raises(TypeError):
        micros(datetime(2026, 11, 2))  # noqa: DTZ001 - the promise is about those


def test_every_time_has_room_for_microseconds() -> None:
    """32 bits hold an hour of them."""
    for table in METADATA.tables.values():
        for column in table.columns:
            if column.name.endswith("_us"):
                assert str(column.type) == "BIGINT", f"{table.name}.{column.name}"
