"""A call whose webhook one instance answers and whose media socket another one has."""

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bridge.app import House
from tests.standins.twilio import Carrier, TwilioRest
from tests.standins.xuna import Xuna
from tests.support.house import PUBLIC, configuration, running
from tests.support.scene import eventually


@pytest.fixture
async def xuna() -> AsyncIterator[Xuna]:
    """A strict XUNA."""
    async with Xuna() as server:
        yield server


@pytest.fixture
async def houses(xuna: Xuna, tmp_path: Path) -> AsyncIterator[list[House]]:
    """Two bridges with one database."""
    agent = f'[agents.support]\nprovider = "xuna"\nagent_id = "agent_1"\napi_key = "{xuna.api_key}"\nbase_url = "{xuna.url}"\n'
    async with contextlib.AsyncExitStack() as stack:
        houses = []
        for name in ("a", "b"):
            (tmp_path / name).mkdir()
            text = configuration(tmp_path, agent, more='media_url = "wss://media.example.com"')
            houses.append(await stack.enter_async_context(running(tmp_path / name, text)))
        yield houses


@pytest.fixture
async def carrier(houses: list[House]) -> AsyncIterator[Carrier]:
    """A strict Twilio, whose webhooks reach the first and whose sockets reach the second."""
    first, second = (f"127.0.0.1:{house.port}" for house in houses)
    also = {"media.example.com": second}
    async with Carrier(public_url=PUBLIC, address=first, also=also) as carrier, TwilioRest(carrier):
        yield carrier


async def test_the_instance_with_the_socket_has_the_call(xuna: Xuna, carrier: Carrier, houses: list[House]) -> None:
    """The socket's instance takes the call over with an agent of its own, and the webhook's instance lets go of it."""
    first, second = houses
    call = await carrier.call()
    await call.streaming()
    sessions = [await xuna.session(), await xuna.session()]
    for session in sessions:
        await session.say(0.5, text="Hello!")
    await call.hears(0.4)
    assert first.operations is not None
    await first.operations.take_commands()

    async def let_go() -> bool:
        return first.switchboard.active == 0

    await eventually(let_go, "the first instance to let go of the call")
    assert [house.switchboard.active for house in houses] == [0, 1]
    (left,) = [session for session in sessions if not session.closed]
    assert "previous_transcript" not in left.variables
    await left.close(1000)
    assert await call.ended() == "completed"
    assert len(call.streams) == 1
    record = await second.calls.get(call.sid)
    assert record is not None
    assert record.resumes == 0
