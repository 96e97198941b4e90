"""A booking that must not be lost, over the death of the process that was making it."""

import asyncio
import signal
from pathlib import Path

import aiohttp
import pytest

from tests.standins import sound
from tests.standins.twilio import Carrier
from tests.standins.xuna import Xuna
from tests.support.house import PUBLIC, configuration
from tests.support.instances import Instance, free_ports
from tests.support.receiver import SECRET, Receiver

KEY = "tk-0123456789"


@pytest.mark.slow
async def test_a_booking_is_made_once_though_its_process_was_killed(tmp_path: Path) -> None:
    """Killed (-9) while the business system had the request: the next process makes it under the same id, and no more."""
    (port,) = free_ports(1)
    async with Xuna() as xuna, Receiver() as receiver:
        agent = (
            f'[agents.support]\nprovider = "xuna"\nagent_id = "agent_1"\napi_key = "{xuna.api_key}"\n'
            f'base_url = "{xuna.url}"\ntools_key = "{KEY}"\n'
        )
        tool = f'[tools.book]\nurl = "{receiver.url}"\nsecret = "{SECRET}"\ndurable = true\ntimeout_s = 2\n'
        config = tmp_path / "bridge.toml"
        config.write_text(configuration(tmp_path, agent, more=tool + "[server]\nworker = false\n"))
        instance = Instance(tmp_path, config, port)
        carrier = Carrier(public_url=PUBLIC, address=f"127.0.0.1:{port}")
        try:
            await instance.start()
            call = await carrier.call()
            session = await xuna.session()
            await call.streaming()
            await session.say(sound.tone(0.3, rate=16000), text="Hello!")
            await call.hears(0.2)
            receiver.answers = [receiver.hang]
            asking = asyncio.create_task(book(port, str(session.variables["call_id"])))
            await receiver.got(1)
            instance.send(signal.SIGKILL)
            await instance.ended()
            with pytest.raises(aiohttp.ClientError):
                await asking
            await instance.start()
            await receiver.got(2, timeout=30)
        finally:
            await instance.close()
            carrier.violations.clear()  # a killed process answers nothing: that is what the test is about
            await carrier.__aexit__(None, None, None)
    assert [delivery.valid for delivery in receiver.deliveries] == [True, True]
    assert len({delivery.message_id for delivery in receiver.deliveries}) == 1
    assert receiver.once[0]["tool_args"]["date"] == "2026-12-03"


async def book(port: int, call_id: str) -> None:
    """The agent's platform calls its webhook."""
    body = {"tool_name": "book", "tool_args": {"call_id": call_id, "date": "2026-12-03"}, "assistant_id": 1}
    async with (
        aiohttp.ClientSession() as http,
        http.post(f"http://127.0.0.1:{port}/tools/support?key={KEY}", json=body),
    ):
        pass
