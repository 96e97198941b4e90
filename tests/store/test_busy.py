"""Whether an agent has a call on another instance."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from bridge.call.record import CallRecord, Status
from bridge.errors import Reason
from bridge.store.busy import LONGEST, Busy
from bridge.store.calls import Calls
from bridge.store.database import Database

Make = Callable[..., CallRecord]


@pytest.mark.parametrize(
    ("values", "ago", "busy"),
    [
        ({}, timedelta(0), True),
        ({"status": Status.IN_PROGRESS}, timedelta(hours=1), True),
        ({"instance": "here"}, timedelta(0), False),
        ({"agent": "sales"}, timedelta(0), False),
        ({}, LONGEST + timedelta(minutes=1), False),
    ],
    ids=["ringing", "talking", "ours", "another agent's", "forgotten"],
)
async def test_a_call_elsewhere_makes_an_agent_busy(
    database: Database, make: Make, values: dict[str, Any], ago: timedelta, *, busy: bool
) -> None:
    """Only another instance's, of this agent, and no older than any call can be."""
    created = datetime.now(UTC) - ago
    await Calls(database).save(make(**{"instance": "there", "created_at": created} | values))
    assert await Busy(database, "here").elsewhere("support", 10.0) is busy


async def test_an_agent_is_left_in_peace_for_a_while(database: Database, make: Make) -> None:
    """A call that has just ended may still hold the agent's only session."""
    ended = datetime.now(UTC) - timedelta(seconds=30)
    record = make(instance="there", created_at=ended - timedelta(seconds=60))
    record.finish(Reason.CALLER_HANGUP, ended)
    await Calls(database).save(record)
    busy = Busy(database, "here")
    assert await busy.elsewhere("support", 300.0)
    assert not await busy.elsewhere("support", 1.0)
