"""bridge/store/agent_time.py: how long agents have talked on a day, on all instances."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from bridge.store.agent_time import AgentTime
from bridge.store.database import Database

TODAY = date(2026, 5, 4)


@pytest.fixture
def time(database: Database) -> AgentTime:
    """The time of all instances."""
    return AgentTime(database)


async def test_each_instance_learns_what_the_others_had(time: AgentTime) -> None:
    """An instance reports its own sum, as often as it likes, and gets that of all others."""
    assert await time.report("a", TODAY, 10.5) == 0
    assert await time.report("b", TODAY, 3) == 10.5
    assert await time.report("a", TODAY, 12) == 3
    assert await time.report("a", TODAY, 12) == 3  # said twice, counted once
    assert await time.report("c", TODAY, 0) == 15


async def test_each_day_has_its_own(time: AgentTime) -> None:
    """What was used yesterday is not held against today."""
    await time.report("a", TODAY, 100)
    assert await time.report("b", TODAY + timedelta(days=1), 0) == 0


async def test_old_days_are_forgotten(time: AgentTime) -> None:
    """Yesterday is kept, for an instance whose clock is behind; older days are not."""
    for back in (0, 1, 3):
        await time.report("a", TODAY - timedelta(days=back), 5)
    assert await time.purge(TODAY) == 1
    assert await time.report("b", TODAY - timedelta(days=1), 0) == 5
    assert await time.report("b", TODAY, 0) == 5
