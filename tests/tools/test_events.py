"""bridge/tools/events.py, over the store that it shares a transaction with."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from bridge.call.ports import Secret
from bridge.call.record import CallRecord, Direction, Status, Turn
from bridge.errors import AgentFailure, Reason, StoreUnavailable
from bridge.store.announced import Announced
from bridge.store.calls import Calls
from bridge.store.database import Database
from bridge.store.outbox import Outbox
from bridge.tools.courier import Later
from bridge.tools.events import ANALYSIS, ENDED, Announcer, Endpoint, analysing, analysis, telling
from bridge.tools.sending import Destination
from tests.support.receiver import SECRET, Receiver


class Scene:
    """A store with an announcer."""

    def __init__(self, database: Database, *types: str, analysed: bool = False) -> None:
        self.outbox = Outbox(database)
        self.calls = Calls(database)
        self.destination = Destination("http://127.0.0.1:9/", secrets=[Secret(SECRET)])
        self.endpoint = Endpoint("crm", self.destination, frozenset(types), timeout_s=1, give_up_s=60)
        names = frozenset({"support"}) if analysed else frozenset()
        self.announcer = Announcer(self.outbox, Announced(database), [self.endpoint], analysed=names)
        self.calls.announce = self.announcer.announce
        self.record = CallRecord(
            call_id="call_1",
            carrier_call_id="CA" + "0" * 32,
            direction=Direction.INBOUND,
            from_number="+15550123456",
            to_number="+15550100",
            line="+15550100",
            agent="support",
            created_at=datetime.now(UTC),
            status=Status.RINGING,
            agent_conversation_id="conv_1",
        )

    async def told(self) -> list[str]:
        """The kinds of what waits, in order."""
        return [each.kind for each in await self.outbox.list()]

    async def body(self, index: int) -> dict[str, Any]:
        """What is kept of a message."""
        for _ in range(index):
            [letter] = await self.outbox.claim(["event:crm"], lease_s=60, limit=1)
            await self.outbox.done(letter.message_id)
        [letter] = await self.outbox.claim(["event:crm"], lease_s=60, limit=1)
        return dict(msgspec.json.decode(letter.body))


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    """An empty one."""
    database = Database(f"sqlite:///{tmp_path}/events.db")
    await database.migrate()
    yield database
    await database.close()


async def test_a_call_tells_its_story_in_order_and_once(database: Database) -> None:
    """Started, answered, each turn when the next begins, the end; the same account again tells nothing new."""
    scene = Scene(database)
    record = scene.record
    await scene.calls.offer(record, "<Response/>")
    await scene.calls.save(record)
    assert await scene.told() == ["call.started"]
    record.started_at = datetime.now(UTC)
    record.advance(Status.IN_PROGRESS)
    record.add_turn(Turn("agent", "Hello!", 100))
    await scene.calls.save(record)
    assert await scene.told() == ["call.started", "call.answered"]
    record.add_turn(Turn("caller", "Hi.", 900))
    await scene.calls.save(record)
    await scene.calls.save(record)
    assert await scene.told() == ["call.started", "call.answered", "turn"]
    record.finish(Reason.CALLER_HANGUP, datetime.now(UTC))
    await scene.calls.save(record)
    await scene.calls.save(record)
    assert await scene.told() == ["call.started", "call.answered", "turn", "turn", "call.ended"]
    turn = await scene.body(3)
    assert turn["type"] == "turn"
    assert turn["data"] == {"call_id": "call_1", "index": 1, **record.turns[1].public()}


async def test_with_nobody_to_tell_a_call_is_noted_at_its_end_only(database: Database) -> None:
    """A caller does not wait for notes that nobody reads; the look at the agent's analysis is still made, once."""
    scene, announced = Scene(database), Announced(database)
    scene.announcer.use([], frozenset({"support"}))
    await scene.calls.offer(scene.record, "<Response/>")
    await scene.calls.save(scene.record)
    async with database.read() as connection:
        assert await announced.of(connection, ["call_1"]) == {}
    scene.record.finish(Reason.CALLER_HANGUP, datetime.now(UTC))
    await scene.calls.save(scene.record)
    await scene.calls.save(scene.record)
    assert await scene.told() == [ANALYSIS]


async def test_what_is_written_and_what_is_told_stand_or_fall_together(database: Database) -> None:
    """An announcement that fails undoes the record with it, so that the writer tries both again."""
    scene = Scene(database)
    working = scene.calls.announce

    async def failing(connection: Any, records: Any) -> None:
        assert working is not None
        await working(connection, records)
        raise StoreUnavailable("away")

    scene.calls.announce = failing
    with pytest.raises(StoreUnavailable):
        await scene.calls.save(scene.record)
    assert await scene.calls.get("call_1") is None
    assert await scene.told() == []
    scene.calls.announce = working
    await scene.calls.save(scene.record)
    assert await scene.told() == ["call.started"]


async def test_a_call_that_another_process_finishes_is_told_of(database: Database) -> None:
    """A call whose process was killed ends in the store, and that is an end like any other."""
    scene = Scene(database)
    await scene.calls.save(scene.record)
    ended = datetime.now(UTC)
    await scene.calls.change("call_1", lambda record: record.finish(Reason.PROCESS_LOST, ended))
    assert await scene.told() == ["call.started", "call.ended"]


async def test_an_endpoint_hears_what_it_asked_for(database: Database) -> None:
    """``types`` chooses."""
    scene = Scene(database, "call.ended")
    scene.record.finish(Reason.CALLER_HANGUP, datetime.now(UTC))
    await scene.calls.save(scene.record)
    assert await scene.told() == ["call.ended"]


async def test_a_deleted_call_is_told_of_no_more(database: Database) -> None:
    """What waits to be told goes with the record."""
    scene = Scene(database)
    scene.record.finish(Reason.CALLER_HANGUP, datetime.now(UTC))
    await scene.calls.save(scene.record)
    await scene.calls.delete("call_1")
    assert await scene.told() == []


async def test_the_end_waits_for_the_analysis(database: Database) -> None:
    """What the agent's platform found is fetched, kept in the record, and told with the end of the call."""
    scene = Scene(database, analysed=True)
    scene.record.finish(Reason.CALLER_HANGUP, datetime.now(UTC))
    await scene.calls.save(scene.record)
    assert sorted(await scene.told()) == [ANALYSIS, "call.ended", "call.started"]
    answers: list[Any] = [
        AgentFailure("none yet", reason=Reason.AGENT_NOT_FOUND),
        None,
        {"evaluation_results": {"solved": True}},
    ]

    async def fetch(agent: str, conversation_id: str) -> dict[str, Any] | None:
        assert (agent, conversation_id) == ("support", "conv_1")
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return dict(answer) if answer is not None else None

    channel = analysing(fetch, get=scene.calls.get, change=scene.calls.change, outbox=scene.outbox)
    await scene.outbox.hasten("call_1", ANALYSIS)
    [letter] = await scene.outbox.claim([ANALYSIS], lease_s=60, limit=1)
    for _ in range(2):
        with pytest.raises(Later):
            await channel.deliver(letter)
    await channel.deliver(letter)
    async with Receiver() as receiver:
        destination = Destination(receiver.url, secrets=[Secret(SECRET)])
        endpoint = Endpoint("crm", destination, frozenset(), timeout_s=1, give_up_s=60)
        crm = telling(endpoint, scene.calls.get)
        [started] = await scene.outbox.claim(["event:crm"], lease_s=60, limit=5)
        await scene.outbox.done(started.message_id)
        [ended] = await scene.outbox.claim(["event:crm"], lease_s=60, limit=5)
        await crm.deliver(ended)
        await destination.close()
    [body] = receiver.once
    assert (body["type"], body["data"]["analysis"]) == (ENDED, {"evaluation_results": {"solved": True}})
    assert body["data"]["outcome"]["reason"] == "caller_hangup"


async def test_other_events_are_told_once(database: Database) -> None:
    """The end of a campaign, told by every instance that sees it, is one event."""
    scene = Scene(database)
    for _ in range(2):
        await scene.announcer.tell("campaign.finished", {"campaign_id": "cmp_1"}, lane="cmp_1", identity="1")
    assert await scene.told() == ["campaign.finished"]


def test_both_shapes_of_an_analysis_are_known() -> None:
    """Document 002's, and that of the ElevenLabs dialect; one that is being made is awaited."""
    assert analysis({"evaluation_results": {"a": 1}, "collected_data": {}}) == {
        "evaluation_results": {"a": 1},
        "collected_data": {},
    }
    dialect = {"status": "done", "analysis": {"evaluation_criteria_results": {"a": 1}, "transcript_summary": "Short."}}
    assert analysis(dialect) == {"evaluation_results": {"a": 1}, "summary": "Short."}
    assert analysis({"status": "processing"}) is None
