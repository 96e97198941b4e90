"""Text over several instances behind a balancer that sends every message elsewhere."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from sqlalchemy import update

from bridge.app import House
from bridge.store.instances import Instances
from bridge.store.tables import CONVERSATIONS
from tests.standins.kura import Key, Kura
from tests.standins.twilio import Carrier
from tests.standins.twilio.rest import TwilioRest
from tests.support.house import API_KEY, PUBLIC, running

from .test_texts import KEY, PAGE, PERSON, Scene, answer_all, configuration

TOOLS_KEY = "tk-0123456789"


@dataclass
class Pair(Scene):
    """Two bridges with one database; ``house`` is the one that the balancer chooses."""

    houses: tuple[House, House]

    def choose(self, number: int) -> None:
        """The next requests go there."""
        self.house = self.houses[number]
        self.carrier._hosts["bridge.example.com"] = f"127.0.0.1:{self.house.port}"

    @property
    def open(self) -> list[int]:
        """Sessions of each instance."""
        return [len(house.business.text.texts.sessions) for house in self.houses]


@pytest.fixture
async def pair(tmp_path: Path) -> AsyncIterator[Pair]:
    """Both, knowing of each other."""
    async with contextlib.AsyncExitStack() as stack:
        kura = await stack.enter_async_context(Kura(keys=[Key(KEY, per_minute=1000)]))
        carrier = Carrier(public_url=PUBLIC, address="127.0.0.1:1")
        rest = await stack.enter_async_context(TwilioRest(carrier))
        houses = []
        for name in ("a", "b"):
            (tmp_path / name).mkdir()
            text = configuration(tmp_path, kura, rest).replace(
                "assistant_id = 1", f'assistant_id = 1\ntools_key = "{TOOLS_KEY}"'
            )
            houses.append(await stack.enter_async_context(running(tmp_path / name, text)))
        for house in houses:
            assert house.operations is not None
            await house.operations.beat()
        await stack.enter_async_context(carrier)
        answering = asyncio.create_task(answer_all(kura))
        found = Pair(houses[0], kura, carrier, rest, {answering}, (houses[0], houses[1]))
        found.choose(0)
        try:
            yield found
        finally:
            answering.cancel()
            await asyncio.gather(answering, return_exceptions=True)


async def test_a_person_has_one_session_wherever_the_texts_land(pair: Pair) -> None:
    """The instance that has the person answers; the other one passes on what comes to it."""
    for number, words in enumerate(["Hello", "Are you there?", "When are you open?"], 1):
        pair.choose(number % 2)
        await pair.text(words, replies=number)
    assert [body for _, body in pair.sent] == ["1: Hello", "2: Are you there?", "3: When are you open?"]
    assert len(pair.kura.grants) == 1
    assert sum(pair.open) == 1


async def test_texts_that_come_to_both_at_once_open_one_session(pair: Pair) -> None:
    """The store decides whose the person is."""
    await pair.text("one")
    pair.choose(1)
    await pair.text("two", replies=2)
    assert len(pair.kura.grants) == 1


async def test_a_stop_counts_on_all_instances_and_ends_the_session(pair: Pair) -> None:
    """Whichever one hears of it; so do the messages of machines."""
    await pair.text("Hello", replies=1)
    pair.choose(1)
    await pair.text("STOP")
    async with asyncio.timeout(10):
        while pair.open != [0, 0]:
            await asyncio.sleep(0.01)
    for number in (0, 1):
        pair.choose(number)
        await pair.text("Are you there?")
    await pair.text("start")
    await pair.text("And now?", replies=2)
    assert [body for _, body in pair.sent] == ["1: Hello", "1: And now?"]


async def test_two_bridges_stop_answering_each_other_through_a_balancer(pair: Pair) -> None:
    """At most three answers in all, not three of each instance."""
    for number in range(1, 4):
        pair.choose(number % 2)
        await pair.text(f"machine {number}", replies=number)
    for number in range(4, 10):
        pair.choose(number % 2)
        await pair.text(f"machine {number}")
    pair.choose(0)
    await pair.text("Hello", sender="+15550199999", replies=4)
    assert sum(to == PERSON for to, _ in pair.sent) == 3


async def test_the_session_is_taken_over_where_its_instance_is_gone(pair: Pair) -> None:
    """The next message opens a new one on the instance that it comes to, and the ones after it go there."""
    await pair.text("Hello", replies=1)
    async with pair.houses[1].database.write() as connection:  # as if it had been one that gives no sign of life
        await connection.execute(update(CONVERSATIONS).values(instance="killed"))
    pair.choose(1)
    await pair.text("Still there?", replies=2)
    pair.choose(0)
    await pair.text("Thanks", replies=3)
    assert [body for _, body in pair.sent] == ["1: Hello", "1: Still there?", "2: Thanks"]
    assert pair.open[1] == 1


async def test_an_instance_that_leaves_ends_its_sessions_first(pair: Pair) -> None:
    """Then the others have its people."""
    await pair.text("Hello", replies=1)
    pair.houses[0].stop()
    async with asyncio.timeout(20):
        while any(each.id == pair.houses[0].instance for each in await Instances(pair.houses[1].database).all()):
            await asyncio.sleep(0.05)
    assert pair.open[0] == 0
    pair.choose(1)
    await pair.text("Still there?", replies=2)
    assert pair.sent[-1][1] == "1: Still there?"


async def test_pages_and_apps_go_on_wherever_they_land(pair: Pair) -> None:
    """Under the id that they were given; an id that nobody was given opens a conversation of its own everywhere."""
    body = {"agent": "booking", "text": "Hello"}
    first = (await pair.post("/chat/messages", body, Origin=PAGE))[1]
    bearer = {"Authorization": f"Bearer {API_KEY}"}
    asked = {"agent": "booking", "message": "Hi"}
    app = (await pair.post("/api/v1/chat", asked, **bearer))[1]
    pair.choose(1)
    again = body | {"conversation_id": first["conversation_id"]}
    assert (await pair.post("/chat/messages", again, Origin=PAGE))[1]["reply"] == "2: Hello"
    asked["conversation_id"] = app["conversation_id"]
    assert (await pair.post("/api/v1/chat", asked, **bearer))[1]["reply"] == "2: Hi"
    guessed = await pair.post("/chat/messages", body | {"conversation_id": "guessed"}, Origin=PAGE)
    assert guessed[1]["conversation_id"] != "guessed"
    assert len(pair.kura.grants) == 3


async def tool(house: House, name: str, **arguments: Any) -> Any:
    """What Kura's platform does when its assistant calls a webhook tool."""
    timestamp = datetime.now(UTC).isoformat()
    payload = {"tool_name": name, "tool_args": arguments, "assistant_id": 1, "timestamp": timestamp}
    url = f"http://127.0.0.1:{house.port}/tools/booking?key={TOOLS_KEY}"
    async with aiohttp.ClientSession() as client, client.post(url, json=payload) as response:
        assert response.status == 200
        return await response.json(content_type=None)


async def test_a_tool_call_finds_its_call_wherever_it_lands(pair: Pair) -> None:
    """A call, or a conversation by text: by its id, or as the agent's only one; what is over is found nowhere."""
    call = await pair.carrier.call()
    await call.streaming()
    (session,) = pair.houses[0].switchboard.sessions
    await pair.houses[0].writer.flush(5.0)
    other = pair.houses[1]
    assert "not allowed" in (await tool(other, "transfer_call", to="+19005551234"))["error"]
    assert any(event["type"] == "transfer_denied" for event in session.record.events)
    await pair.text("Hello", sender="+15550199999", replies=1)
    (text,) = [each for house in pair.houses for each in house.business.text.texts.sessions]
    for house in pair.houses:
        assert "several calls" in (await tool(house, "end_call"))["error"]
        denied = await tool(house, "transfer_call", to="x", call_id=text.record.call_id)
        assert "not allowed" in denied["error"]
    assert "result" in (await tool(other, "end_call", call_id=call.sid))
    assert await call.ended() == "completed"
    await pair.houses[0].writer.flush(5.0)
    assert "over" in (await tool(other, "end_call", call_id=call.sid))["error"]
