"""bridge/assembly/recordings.py: a line whose calls the carrier records."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from tests.standins.twilio import Carrier
from tests.standins.twilio.rest import TwilioRest
from tests.standins.xuna import Xuna
from tests.support.deployment import Deployment, settled
from tests.support.house import PUBLIC, TOKEN, running


@pytest.fixture
async def all_(tmp_path: Path) -> AsyncIterator[Deployment]:
    """A deployment whose line is recorded by Twilio."""
    async with contextlib.AsyncExitStack() as stack:
        xuna = await stack.enter_async_context(Xuna())
        carrier = Carrier(public_url=PUBLIC, auth_token=TOKEN)
        rest = await stack.enter_async_context(TwilioRest(carrier))
        text = settled(tmp_path, xuna, rest.url) + 'recording = "carrier"\n'
        house = await stack.enter_async_context(running(tmp_path, text))
        carrier._hosts["bridge.example.com"] = f"127.0.0.1:{house.port}"
        http = await stack.enter_async_context(aiohttp.ClientSession())
        await stack.enter_async_context(carrier)
        yield Deployment(house, carrier, rest, xuna, http)


async def until_told(all_: Deployment, path: str, status: str) -> dict[str, object]:
    """The record's account of the recording, once it has this status."""
    async with asyncio.timeout(10):
        while True:
            told = (await all_.ask("GET", path)).json.get("recording") or {}
            if told.get("status") == status:
                return dict(told)
            await asyncio.sleep(0.05)


async def test_the_carriers_recording_is_begun_paused_told_and_deleted(all_: Deployment) -> None:
    """In both channels, through its own callback; the call's page names it; who deletes the call deletes it at the carrier."""
    call, _ = await all_.talking()
    (session,) = all_.house.switchboard.sessions
    path = f"/api/v1/calls/{session.record.call_id}"
    begun = await until_told(all_, path, "in_progress")
    (recording,) = call.recordings
    assert (begun["by"], begun["recording_id"]) == ("carrier", recording.sid)
    assert (await all_.ask("POST", f"{path}/recording/pause", body={})).status == 202
    assert recording.status == "paused"
    assert (await all_.ask("POST", f"{path}/recording/resume", body={})).status == 202
    assert recording.status == "in-progress"
    await call.hang_up()
    ended = await until_told(all_, path, "completed")
    assert ended["recording_id"] == recording.sid
    page = await all_.ask("GET", f"/calls/{session.record.call_id}")
    assert f"by the carrier, completed ({recording.sid})" in page.text
    assert (await all_.ask("GET", f"{path}/recording")).status == 404
    assert (await all_.ask("DELETE", path)).status == 204
    assert call.recordings == []


async def test_a_recording_that_the_carrier_refuses_harms_no_call(all_: Deployment) -> None:
    """The record says that it failed, and there is nothing to pause."""
    all_.rest.fault("record_call", status=500, times=None)
    call, _ = await all_.talking()
    (session,) = all_.house.switchboard.sessions
    path = f"/api/v1/calls/{session.record.call_id}"
    await until_told(all_, path, "failed")
    assert session.record.outcome is None
    await call.hang_up()
