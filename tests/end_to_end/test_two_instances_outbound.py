"""Calls that we place and calls that are handed over, where webhooks reach one instance and sockets another."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest

from bridge.app import House
from bridge.call.record import CallRecord
from bridge.errors import Reason
from tests.standins.twilio import Carrier, DialResult, Person, PhoneCall, TwilioRest
from tests.standins.xuna import Xuna
from tests.support.house import API_KEY, PUBLIC, configuration, running
from tests.support.scene import eventually

THEM, US, DESK = "+12125550123", "+15550100", "+15550777"
MORE = f"""[transfers]
reception = "{DESK}"
[outbound]
allowed_prefixes = ["+1"]
calls_per_second = 100
"""


@dataclass
class World:
    """Two bridges with one database, of which the first is asked and the second has the sound."""

    first: House
    second: House
    carrier: Carrier
    rest: TwilioRest
    xuna: Xuna

    async def place(self, **more: object) -> PhoneCall:
        """A call that the first places and the second has."""
        url = f"http://127.0.0.1:{self.first.port}/api/v1/calls"
        headers = {"Authorization": f"Bearer {API_KEY}"}
        body = {"to": THEM, "from": US, **more}
        async with aiohttp.ClientSession(headers=headers) as http, http.post(url, json=body) as answer:
            assert answer.status == 202, await answer.text()
        await self.carrier.pulse.until(lambda: bool(self.carrier.calls), "the call to be dialled")
        call = self.carrier.calls[-1]
        await call.streaming()
        await self._moved(call)
        return call

    async def _moved(self, call: PhoneCall) -> None:
        assert self.first.operations is not None
        await self.first.operations.take_commands()

        async def there() -> bool:
            live, stored = self.second.switchboard.find(call.sid), await self.first.calls.get(call.sid)
            has_it = live is not None and live.record.started_at is not None
            known = stored is not None and stored.instance == self.second.instance
            return has_it and known and self.first.switchboard.find(call.sid) is None

        await eventually(there, "the second instance to have the call")

    async def record(self, call: PhoneCall) -> CallRecord:
        """The account of a call that is over."""
        async with asyncio.timeout(10):
            while True:
                found = await self.first.calls.get(call.sid)
                if found is not None and found.status.terminal:
                    return found
                await asyncio.sleep(0.02)


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    """All of it on loopback."""
    async with contextlib.AsyncExitStack() as stack:
        xuna = await stack.enter_async_context(Xuna())
        agent = (
            f'[agents.support]\nprovider = "xuna"\nagent_id = "agent_1"\napi_key = "{xuna.api_key}"\n'
            f'base_url = "{xuna.url}"\n'
        )
        carrier = await stack.enter_async_context(Carrier(public_url=PUBLIC))
        rest = await stack.enter_async_context(TwilioRest(carrier))
        houses = []
        for name in ("a", "b"):
            (tmp_path / name).mkdir()
            lines = f'[[lines]]\nnumber = "{US}"\nagent = "support"\n'
            text = configuration(tmp_path, agent, lines=lines, more=MORE, rest_url=rest.url)
            text = 'media_url = "wss://media.example.com"\n' + text
            houses.append(await stack.enter_async_context(running(tmp_path / name, text, worker=name == "a")))
        carrier._hosts[PUBLIC.removeprefix("https://")] = f"127.0.0.1:{houses[0].port}"
        carrier._hosts["media.example.com"] = f"127.0.0.1:{houses[1].port}"
        for house in houses:
            assert house.operations is not None
            await house.operations.beat()
        yield World(*houses, carrier, rest, xuna)
        await carrier.pulse.until(lambda: all(call.over for call in carrier.calls), "every call to end")


@pytest.mark.parametrize(
    ("mode", "reason", "said"),
    [("leave_message", Reason.MESSAGE_LEFT, ["Call us <back> & soon."]), ("detect", Reason.MACHINE_HANGUP, [])],
)
async def test_the_instance_that_has_the_call_deals_with_the_machine(
    world: World, mode: str, reason: Reason, said: list[str]
) -> None:
    """The other one is told by the carrier, which asks it what follows, too, and may do both before it has been told that the
    call has gone; the message is left whole, and one outcome stands.
    """
    world.rest.people[THEM] = Person(rings=0.02, answered_by="machine", detected_after=1.5)
    call = await world.place(machine_detection=mode, voicemail_message="Call us <back> & soon.")
    assert await call.ended() == "completed"
    record = await world.record(call)
    assert record.outcome is reason
    assert call.said == said
    answered = [each["answered_by"] for each in record.events if each["type"] == "answered_by"]
    assert len(answered) == 1


@pytest.mark.parametrize("how", ["busy", "completed"])
async def test_a_call_is_handed_over_and_back_by_whoever_is_asked(world: World, how: str) -> None:
    """The second has the agent, the first is asked whom to dial, and how it went."""
    world.carrier.dial_results[DESK] = DialResult(how, 0.2)
    world.rest.people[THEM] = Person(rings=0.02)
    call = await world.place()
    url = f"http://127.0.0.1:{world.first.port}/api/v1/calls/{call.sid}/transfer"
    headers = {"Authorization": f"Bearer {API_KEY}"}
    async with aiohttp.ClientSession(headers=headers) as http, http.post(url, json={"to": "reception"}) as answer:
        assert answer.status == 202
    await call.pulse.until(lambda: bool(call.dialled), "the person to be dialled")
    if how == "busy":
        await call.streaming(count=2)
        await call.hang_up()
        record = await world.record(call)
        assert record.outcome is Reason.CALLER_HANGUP
        assert [each["why"] for each in record.events if each["type"] == "transfer_failed"] == ["busy"]
        return
    assert await call.ended() == "completed"
    assert (await world.record(call)).outcome is Reason.TRANSFERRED
