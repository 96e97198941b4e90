"""The ElevenLabs stand-in: the dialect on XUNA's core, and what it does not take."""

import base64
import json
from typing import Any

import aiohttp
import pytest

from tests.standins import sound
from tests.standins.elevenlabs import ElevenLabs
from tests.standins.xuna import XunaAgent

INIT = json.dumps({"type": "conversation_initiation_client_data", "user_id": "x", "dynamic_variables": {"n": 1}})
ULAW = XunaAgent("agent_1", public=True, output_format="ulaw_8000", input_format="ulaw_8000")
PATH = "/v1/convai/conversation?agent_id=agent_1"


def audio(data: bytes) -> str:
    """Sound, which has no type here."""
    return json.dumps({"user_audio_chunk": base64.b64encode(data).decode()})


async def read(ws: aiohttp.ClientWebSocketResponse, kind: str) -> dict[str, Any]:
    """The next message, which must be of that type."""
    message: dict[str, Any] = await ws.receive_json()
    assert message["type"] == kind
    return message


async def test_a_whole_conversation_is_served() -> None:
    """Metadata follows the first message; mu-law both ways, ids on everything, a tool call answered."""
    async with ElevenLabs(agents=[ULAW]) as it, aiohttp.ClientSession() as http, http.ws_connect(it.url + PATH) as ws:
        await ws.send_str(INIT)
        event = (await read(ws, "conversation_initiation_metadata"))["conversation_initiation_metadata_event"]
        assert (event["agent_output_audio_format"], event["user_input_audio_format"]) == ("ulaw_8000", "ulaw_8000")
        session = await it.session()
        await session.say(0.1, text="Hello")
        assert (await read(ws, "agent_response"))["agent_response_event"]["event_id"] == 1
        assert len(base64.b64decode((await read(ws, "audio"))["audio_event"]["audio_base_64"])) == 800
        await ws.send_str(audio(sound.mulaw_encode(sound.tone(0.1))))
        assert len(await session.heard(0.1)) == 800
        first = await session.ping()
        assert (await read(ws, "ping"))["ping_event"] == {"event_id": first, "ping_ms": None}
        await ws.send_json({"type": "pong", "event_id": first})
        await session.ponged(first)
        await session.interrupt()
        assert (await read(ws, "interruption"))["interruption_event"] == {"event_id": 1}
        await session.correct("Hello there", "Hello")
        await read(ws, "agent_response_correction")
        called = await session.call_tool("end_call", {})
        assert (await read(ws, "client_tool_call"))["client_tool_call"]["tool_call_id"] == called
        await ws.send_json({"type": "client_tool_result", "tool_call_id": called, "result": "done", "is_error": False})
        assert (await session.result(called))["result"] == "done"


@pytest.mark.parametrize(
    ("error_type", "code"), [("override_error", 1008), ("llm_timeout", 1002), ("max_duration_exceeded", 1000)]
)
async def test_an_error_precedes_its_close(error_type: str, code: int) -> None:
    """The error's type and the close code belong together."""
    async with ElevenLabs(agents=[ULAW]) as it, aiohttp.ClientSession() as http, http.ws_connect(it.url + PATH) as ws:
        await ws.send_str(INIT)
        await ws.receive()
        session = await it.session()
        it.spawn(session.fail(error_type))
        assert (await read(ws, "error"))["error_event"]["code"] == code
        await ws.receive()
        assert ws.close_code == code


WRONG: dict[str, tuple[list[str], str]] = {
    "xuna's audio": (
        [INIT, '{"type": "audio", "audio_event": {"audio_base_64": "AAA="}}'],
        "undocumented message 'audio'",
    ),
    "order": ([audio(b"\xff")], "the first message is 'user_audio_chunk'"),
    "unasked result": (
        [INIT, '{"type": "client_tool_result", "tool_call_id": "t", "result": "", "is_error": false}'],
        "which was not called",
    ),
    "object result": (
        [INIT, '{"type": "client_tool_result", "tool_call_id": "t", "result": {}, "is_error": false}'],
        "client_tool_result.result is dict",
    ),
    "typed audio": ([INIT, '{"user_audio_chunk": "/w==", "event_id": 1}'], "event_id is undocumented"),
}


@pytest.mark.parametrize("case", list(WRONG))
async def test_a_wrong_message_is_a_violation(case: str) -> None:
    """Every kind of wrong message is caught and named."""
    messages, words = WRONG[case]
    async with ElevenLabs(agents=[ULAW]) as it, aiohttp.ClientSession() as http:
        async with http.ws_connect(it.url + PATH) as ws:
            for message in messages:
                await ws.send_str(message)
            await it.sessions[0].pulse.until(lambda: bool(it.violations), "a violation")
        it.forgive(words)
        it.violations.clear()
