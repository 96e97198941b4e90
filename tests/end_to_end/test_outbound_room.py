"""A bridge that is full dials nobody; who has been dialled finds a place."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from tests.end_to_end.test_outbound_call import OUTBOUND, THEM, US, World
from tests.standins import sound
from tests.standins.twilio import Carrier, Person, TwilioRest
from tests.standins.xuna import Xuna
from tests.support.house import PUBLIC, configuration, running

OTHER = "+12125550124"


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    """A bridge that takes two calls."""
    async with Xuna() as xuna, Carrier(public_url=PUBLIC) as carrier, TwilioRest(carrier) as rest:
        rest.people[THEM] = rest.people[OTHER] = Person(rings=0.1)
        agent = f'[agents.support]\nprovider = "xuna"\nagent_id = "agent_1"\napi_key = "{xuna.api_key}"\nbase_url = "{xuna.url}"\n'
        text = configuration(tmp_path, agent, lines=f'[[lines]]\nnumber = "{US}"\nagent = "support"\n', more=OUTBOUND)
        text = "max_calls = 2\n" + text.replace("http://127.0.0.1:9", rest.url)
        async with running(tmp_path, text, worker=True) as house, aiohttp.ClientSession() as http:
            carrier._hosts[PUBLIC.removeprefix("https://")] = f"127.0.0.1:{house.port}"
            yield World(house, carrier, rest, xuna, http)
            await carrier.pulse.until(lambda: all(call.over for call in carrier.calls), "every call to end")


async def test_a_full_bridge_dials_nobody(world: World) -> None:
    """429 with a time to come back, before the carrier is asked; when a call is over the next one is placed."""
    callers = [await world.carrier.call(from_=f"+1555012340{n}") for n in range(2)]
    for each in callers:
        await each.streaming()
    status, body, headers = await world.post("/calls", {"to": THEM, "from": US})
    assert (status, int(headers["Retry-After"]) > 0) == (429, True)
    assert "max_calls" in body["remedy"]
    assert len(world.carrier.calls) == 2
    await callers[0].hang_up()
    async with asyncio.timeout(10):
        while (await world.post("/calls", {"to": THEM, "from": US}))[0] != 202:
            assert world.house.operations is not None
            await world.house.operations.beat()
    call = await world.dialled(3)
    await call.streaming()
    for each in (callers[1], call):
        await each.hang_up()


async def test_a_phone_that_rings_has_its_place_already(world: World) -> None:
    """While two ring no third is dialled, who calls in is told that all lines are busy, and both who answer are talked to."""
    world.rest.people[THEM] = world.rest.people[OTHER] = Person(rings=1.5)
    for number in (THEM, OTHER):
        assert (await world.post("/calls", {"to": number, "from": US}))[0] == 202
    placed = [await world.dialled(2), world.carrier.calls[0]]
    assert (await world.post("/calls", {"to": "+12125550125", "from": US}))[0] == 429
    assert world.house.operations is not None
    await world.house.operations.beat()
    caller = await world.carrier.call(from_="+15550123409")
    await caller.ended()
    assert caller.said
    for each in placed:
        await each.streaming()
    for each in placed:
        await each.hang_up()


async def test_whose_phone_rings_when_the_drain_begins_is_talked_to(world: World) -> None:
    """Nobody else is there: the process that dialled waits for them to pick up. Nobody new is dialled, who calls in is
    told so, and the process ends with the call.
    """
    world.rest.people[THEM] = Person(rings=1.5)
    call_id = await world.place()
    call = await world.dialled()
    await world.carrier.pulse.until(lambda: call.status == "ringing", "it to ring")
    world.house.stop()
    async with asyncio.timeout(5):
        while not world.house.switchboard.draining:
            await asyncio.sleep(0.01)
    assert (await world.post("/calls", {"to": OTHER, "from": US}))[0] == 503
    caller = await world.carrier.call(from_="+15550123409")
    await caller.ended()
    assert caller.said
    session = await world.xuna.session()
    await call.streaming()
    await session.say(sound.tone(0.5, rate=16000), text="Hello!")
    await call.hears(0.4)
    await session.close(1000)
    assert await call.ended() == "completed"
    record = await world.record(call_id)
    assert record.outcome == "agent_hangup"
