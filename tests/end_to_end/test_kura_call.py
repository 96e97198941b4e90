"""Whole calls to a Kura assistant, over real sockets, with sound."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bridge.app import House
from tests.standins import sound
from tests.standins.kura import Key, Kura
from tests.standins.twilio import Carrier
from tests.support.house import PUBLIC, configuration, running

KEY = "kura_live_standin_0001"


@pytest.fixture
async def kura() -> AsyncIterator[Kura]:
    """A strict Kura."""
    async with Kura(keys=[Key(KEY)]) as server:
        yield server


@pytest.fixture
async def house(kura: Kura, tmp_path: Path) -> AsyncIterator[House]:
    """A bridge whose every line is answered by it."""
    agent = f'[agents.booking]\nprovider = "kura"\nassistant_id = 1\napi_key = "{KEY}"\nbase_url = "{kura.url}"\n'
    async with running(tmp_path, configuration(tmp_path, agent)) as house:
        yield house


@pytest.fixture
async def carrier(house: House) -> AsyncIterator[Carrier]:
    """A strict Twilio."""
    async with Carrier(public_url=PUBLIC, address=f"127.0.0.1:{house.port}") as carrier:
        yield carrier


async def test_a_caller_interrupts_an_agent_that_reports_no_interruptions(
    kura: Kura, carrier: Carrier, house: House
) -> None:
    """The bridge hears the caller itself, clears the phone, and tells the assistant once."""
    call = await carrier.call()
    session = await kura.session()
    stream = await call.streaming()
    assert session.asked["phone_number"] == "+15550123456"
    await session.say(sound.speechlike(6.0, rate=24000), speed=4.0)
    await session.transcription("output", "Good morning and welcome to the longest greeting of all greetings.")
    await call.hears(1.5)
    before = len(stream.playout.spans)
    await call.speak(sound.speechlike(1.0, pitch=210.0, seed=5))
    await session.interrupted()
    await call.silent_for(0.5)
    await session.turn_complete("Hello?", "Good morning and welcome to the longest greeting of all greetings.")
    await call.hang_up()
    await session.gone()
    assert before >= 1
    assert stream.playout.cleared > 8000
    assert len(session.of("interrupt")) == 1
    assert len(session.of("stopSession")) == 1
