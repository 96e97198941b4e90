"""Whole calls to a XUNA agent, over real sockets, with sound."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bridge.app import House
from tests.standins import sound
from tests.standins.twilio import Carrier
from tests.standins.xuna import Xuna
from tests.support.house import PUBLIC, configuration, running


@pytest.fixture
async def xuna() -> AsyncIterator[Xuna]:
    """A strict XUNA."""
    async with Xuna() as server:
        yield server


@pytest.fixture
async def house(xuna: Xuna, tmp_path: Path) -> AsyncIterator[House]:
    """A bridge whose every line is answered by it."""
    agent = f'[agents.support]\nprovider = "xuna"\nagent_id = "agent_1"\napi_key = "{xuna.api_key}"\nbase_url = "{xuna.url}"\n'
    async with running(tmp_path, configuration(tmp_path, agent)) as house:
        yield house


@pytest.fixture
async def carrier(house: House) -> AsyncIterator[Carrier]:
    """A strict Twilio."""
    async with Carrier(public_url=PUBLIC, address=f"127.0.0.1:{house.port}") as carrier:
        yield carrier


async def test_a_call_reaches_the_agent_and_back(xuna: Xuna, carrier: Carrier, house: House) -> None:
    """Sound goes both ways, the agent is told who calls, and the line is hung up when the agent leaves."""
    call = await carrier.call()
    session = await xuna.session()
    await call.streaming()
    await session.say(sound.tone(1.0, rate=16000), text="Hello! How can I help?")
    await call.hears(0.9)
    await call.speak(sound.tone(1.0))
    heard = await session.heard(1.0)
    assert abs(sound.frequency_of(heard[-8000:], 16000) - 440) < 2
    assert session.variables["phone_number"] == "+15550123456"
    await session.close(1000)
    assert await call.ended() == "completed"
    assert house.switchboard.active == 0
    xuna.check()
    carrier.check()
