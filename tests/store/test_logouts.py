"""bridge/store/logouts.py: sessions of the dashboard that were ended, on all instances."""

from __future__ import annotations

import pytest

from bridge.store.database import Database
from bridge.store.logouts import Logouts

NOW = 1_800_000_000.0


@pytest.fixture
def logouts(database: Database) -> Logouts:
    """Those of all instances."""
    return Logouts(database)


async def test_what_one_instance_says_every_other_learns(logouts: Logouts) -> None:
    """Whoever asks, with or without something to say, gets all that are over; said twice is said once."""
    assert await logouts.exchange({"a": NOW + 60}, NOW) == {"a": NOW + 60}
    assert await logouts.exchange({"a": NOW + 60, "b": NOW + 30}, NOW) == {"a": NOW + 60, "b": NOW + 30}
    assert await logouts.exchange({}, NOW) == {"a": NOW + 60, "b": NOW + 30}


async def test_who_has_expired_need_not_be_remembered(logouts: Logouts) -> None:
    """A cookie that proves nothing by itself any more is neither told nor kept."""
    await logouts.exchange({"a": NOW + 60, "b": NOW + 30}, NOW)
    assert await logouts.exchange({}, NOW + 30) == {"a": NOW + 60}
    assert await logouts.purge(NOW + 30) == 1
    assert await logouts.exchange({}, NOW) == {"a": NOW + 60}
