"""Agents that ask for tools in the middle of a call, over the whole bridge."""

import json
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from bridge.app import House
from tests.standins import sound
from tests.standins.elevenlabs import ElevenLabs
from tests.standins.kura import Kura
from tests.standins.twilio import Carrier
from tests.support.house import PUBLIC, configuration, running
from tests.support.receiver import SECRET, Receiver

KEY = "tk-0123456789"


def kura_agent(kura: Kura) -> str:
    """One that may ask for tools."""
    key = next(iter(kura.keys))
    return (
        f'[agents.booking]\nprovider = "kura"\nassistant_id = 1\napi_key = "{key}"\n'
        f'base_url = "{kura.url}"\ntools_key = "{KEY}"\n'
    )


def elevenlabs_agent(server: ElevenLabs) -> str:
    """One that calls tools over its socket."""
    return (
        f'[agents.support]\nprovider = "xuna"\ndialect = "elevenlabs"\nagent_id = "agent_1"\n'
        f'api_key = "{server.api_key}"\nbase_url = "{server.url}"\n'
    )


def more(receiver: Receiver) -> str:
    """A tool and a place to transfer to."""
    return f'[tools.book]\nurl = "{receiver.url}"\nsecret = "{SECRET}"\n[transfers]\nreception = "+15550777"\n'


async def ask(house: House, name: str, *, key: str = KEY, **arguments: Any) -> tuple[int, Any]:
    """What Kura's platform does when its assistant calls a webhook tool."""
    payload = {
        "tool_name": name,
        "tool_args": arguments,
        "assistant_id": 1,
        "timestamp": "2026-02-13T10:30:00.000Z",
    }
    url = f"http://127.0.0.1:{house.port}/tools/booking?key={key}"
    async with aiohttp.ClientSession() as client, client.post(url, json=payload) as response:
        return response.status, await response.json(content_type=None)


async def test_a_booking_is_made_and_the_call_ended_by_the_agent(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Kura's webhook reaches the business system with the call's facts, and end_call hangs up after the last words."""
    async with (
        Kura() as kura,
        Receiver() as receiver,
        running(tmp_path, configuration(tmp_path, kura_agent(kura), more=more(receiver))) as house,
        Carrier(public_url=PUBLIC, address=f"127.0.0.1:{house.port}") as carrier,
    ):
        call = await carrier.call()
        session = await kura.session()
        await call.streaming()
        call_id = session.asked["metadata"]["call_id"]
        [live] = house.switchboard.sessions
        assert await ask(house, "book", date="2026-02-15", call_id=call_id) == (200, {"ok": True})
        assert receiver.once[0]["call"]["phone_number"] == session.asked["phone_number"]
        assert (await ask(house, "book", key="wrong"))[0] == 401
        status, answer = await ask(house, "transfer_call", to="+19005551234", call_id=call_id)
        assert (status, "not allowed" in answer["error"]) == (200, True)
        await session.say(sound.tone(1.0, rate=24000), text="Goodbye!")
        await call.hears(0.1)
        assert "result" in (await ask(house, "end_call", call_id=call_id))[1]
        assert await call.ended() == "completed"
        assert "error" in (await ask(house, "end_call", call_id=call_id))[1]
    assert KEY not in capsys.readouterr().out
    assert str(live.record.outcome) == "agent_hangup"
    assert any(event["type"] == "transfer_denied" for event in live.record.events)


async def test_tools_over_the_socket_are_answered_once(tmp_path: Path) -> None:
    """Known, unknown, refused and wrong ones: each id gets one result, and the conversation goes on."""
    async with (
        ElevenLabs() as server,
        Receiver() as receiver,
        running(tmp_path, configuration(tmp_path, elevenlabs_agent(server), more=more(receiver))) as house,
        Carrier(public_url=PUBLIC, address=f"127.0.0.1:{house.port}") as carrier,
    ):
        call = await carrier.call()
        session = await server.session()
        await call.streaming()
        booked = await session.result(await session.call_tool("book", {"date": "2026-02-15"}))
        assert (json.loads(booked["result"]), booked["is_error"]) == ({"ok": True}, False)
        for name, arguments in [("rm", {}), ("transfer_call", {"to": "+19005551234"}), ("send_digits", {})]:
            refused = await session.result(await session.call_tool(name, arguments))
            assert refused["is_error"]
        await session.say(sound.tone(0.5, rate=16000), text="I put you through.")
        await call.hears(0.4)
        await session.call_tool("transfer_call", {"to": "reception"})
        assert await call.ended() == "completed"
        assert [body["tool_name"] for body in receiver.once] == ["book"]
