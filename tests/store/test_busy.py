"""Whether an agent has a call on another instance."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from bridge.call.record import CallRecord, Status
from bridge.errors import Reason
from bridge.store.busy import LONGEST, Busy, Elsewhere
from bridge.store.calls import Calls
from bridge.store.conversations import Conversations
from bridge.store.database import Database
from bridge.store.instances import Instances

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
    await Instances(database).beat("there", active_calls=1)
    found, unclear = await Busy(database, "here").of("support", 10.0)
    assert (bool(found), unclear) == (busy, False)


async def test_an_agent_is_left_in_peace_for_a_while(database: Database, make: Make) -> None:
    """A call that has just ended may still hold the agent's only session."""
    ended = datetime.now(UTC) - timedelta(seconds=30)
    record = make(instance="there", created_at=ended - timedelta(seconds=60))
    record.finish(Reason.CALLER_HANGUP, ended)
    await Calls(database).save(record)
    busy = Busy(database, "here")
    assert await busy.of("support", 300.0) == ([], True)
    assert await busy.of("support", 1.0) == ([], False)


async def test_a_call_is_found_by_either_id_on_an_instance_that_lives(database: Database, make: Make) -> None:
    """With its person's number. Of an instance without a sign of life nobody knows; what is over is not found."""
    record = make(instance="there", created_at=datetime.now(UTC), carrier_call_id="CA" + "0" * 32)
    await Calls(database).save(record)
    busy = Busy(database, "here")
    assert await busy.named(record.call_id) is None
    assert await busy.of("support", 10.0) == ([], True)
    await Instances(database).beat("there", active_calls=1)
    found = Elsewhere(record.call_id, "there", record.agent, record.person)
    assert record.carrier_call_id
    assert await busy.named(record.call_id) == await busy.named(record.carrier_call_id) == found
    assert await busy.named("call_other") is None
    assert await Busy(database, "there").named(record.call_id) is None
    record.finish(Reason.CALLER_HANGUP, datetime.now(UTC))
    await Calls(database).save(record)
    assert await busy.named(record.call_id) is None


async def test_a_conversation_by_text_counts_while_it_is_open(database: Database) -> None:
    """Like a call."""
    await Instances(database).beat("there", active_calls=0)
    theirs, busy = Conversations(database, "there"), Busy(database, "here")
    await theirs.claim("web:1", agent="support", person="+15550123456", hold_s=60)
    assert await busy.of("support", 10.0) == ([], False)
    await theirs.opened("web:1", "text_1")
    found = Elsewhere("text_1", "there", "support", "+15550123456")
    assert await busy.of("support", 10.0) == ([found], False)
    assert await busy.named("text_1") == found
    assert await busy.of("sales", 10.0) == ([], False)
    await theirs.closed("text_1")
    assert await busy.named("text_1") is None
