"""Calls that are recorded: what is in the file, who may hear it, and that it goes when the call goes."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import numpy as np
import pytest
import soundfile

from bridge.app import House
from tests.standins import sound
from tests.standins.twilio import Carrier
from tests.standins.xuna import Xuna
from tests.support.house import API_KEY, PUBLIC, configuration, running

BEARER = {"Authorization": f"Bearer {API_KEY}"}


@pytest.fixture
async def xuna() -> AsyncIterator[Xuna]:
    """A strict XUNA."""
    async with Xuna() as server:
        yield server


def settings(folder: Path, xuna: Xuna, recording: str) -> str:
    """A bridge whose line is recorded."""
    agent = f'[agents.support]\nprovider = "xuna"\nagent_id = "agent_1"\napi_key = "{xuna.api_key}"\nbase_url = "{xuna.url}"\n'
    line = f'[[lines]]\nnumber = "*"\nagent = "support"\nrecording = {recording}\n'
    more = f'record_hops = true\n[recording]\nfolder = "{folder}/recordings"\n'
    return configuration(folder, agent, lines=line).replace(
        "database_url", f"{more.splitlines()[0]}\ndatabase_url", 1
    ) + ("\n" + more.split("\n", 1)[1])


@pytest.fixture
async def house(xuna: Xuna, tmp_path: Path) -> AsyncIterator[House]:
    """A bridge that records, and says so."""
    wanted = '{ mode = "bridge", announcement = "This call is recorded." }'
    async with running(tmp_path, settings(tmp_path, xuna, wanted)) as house:
        yield house


@pytest.fixture
async def carrier(house: House) -> AsyncIterator[Carrier]:
    """A strict Twilio."""
    async with Carrier(public_url=PUBLIC, address=f"127.0.0.1:{house.port}") as carrier:
        yield carrier


def strength(samples: np.ndarray, hertz: float) -> float:
    """How much of a tone is in there, 0 to 1."""
    if not len(samples):
        return 0.0
    wave = np.exp(-2j * np.pi * hertz * np.arange(len(samples)) / 8000)
    return float(2 * abs(np.mean(samples * wave)))


async def test_a_recording_holds_both_sides_as_heard(
    house: House, carrier: Carrier, xuna: Xuna, tmp_path: Path
) -> None:
    """Caller left, agent right, the announcement first; what an interruption cut is not in it, and a pause is silent."""
    call = await carrier.call()
    session = await xuna.session()
    await call.streaming()
    (running_call,) = house.switchboard.sessions
    base = f"http://127.0.0.1:{house.port}"
    await call.hears(1.5)
    await session.say(sound.tone(10.0, rate=16000), text="A long story.")
    await call.hears(3.0)
    await call.speak(sound.tone(0.5))
    await session.interrupt()
    async with aiohttp.ClientSession(base, headers=BEARER) as client:
        path = f"/api/v1/calls/{running_call.record.call_id}"
        async with client.post(f"{path}/recording/pause") as answer:
            assert answer.status == 202
        await call.speak(sound.tone(1.0))
        async with client.post(f"{path}/recording/resume") as answer:
            assert answer.status == 202
        await call.hang_up()
        async with asyncio.timeout(10):
            while not (recordings := list((tmp_path / "recordings").glob("*/*.flac"))) or house.switchboard.active:
                await asyncio.sleep(0.05)
            while True:
                async with client.get(f"{path}/recording") as answer:
                    if answer.status == 200 and (await answer.read())[:4] == b"fLaC":
                        break
                await asyncio.sleep(0.1)
        await asyncio.sleep(1.2)
        samples, rate = soundfile.read(recordings[0])
        assert rate == 8000
        assert samples.shape[1] == 2
        caller, agent = samples[:, 0], samples[:, 1]
        assert np.abs(agent[: 8000 * 1]).max() > 0.05, "the announcement"
        tone_s = sum(strength(agent[at : at + 800], 440) > 0.05 for at in range(0, len(agent), 800)) / 10
        assert 0.5 < tone_s < 6, "the rest was cleared, and is not there"
        caller_s = sum(strength(caller[at : at + 800], 440) > 0.05 for at in range(0, len(caller), 800)) / 10
        assert 0.2 < caller_s < 0.9, "what was said while it was paused is not there"
        async with client.get(path) as answer:
            assert (await answer.json())["recording"]["by"] == "bridge"
        async with client.delete(path) as answer:
            assert answer.status == 204
    assert not recordings[0].exists()
    assert not list((tmp_path / "recordings").rglob("*.hops"))
