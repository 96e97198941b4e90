"""Our ElevenLabs dialect beside ElevenLabs' own Python client, both on what our stand-in says.

The stand-in is strict: it fails a test for whatever of the client's it would not take.
"""

import asyncio
import base64
import json
import warnings
from collections.abc import AsyncIterator
from typing import Any

import pytest

from bridge.agents.xuna.opening import Configured
from bridge.agents.xuna.stream import XunaStream
from bridge.call.events import (
    AgentAudio,
    AgentInterrupted,
    AgentPing,
    AgentToolCall,
    SendAudio,
    SendPong,
    SendToolResult,
)
from bridge.call.ports import Brief
from bridge.call.stale import StaleGate
from tests.standins.elevenlabs import ElevenLabs, ElevenLabsSession
from tests.standins.xuna import XunaAgent

with warnings.catch_warnings():
    # an annotation of it names a class of websockets that is deprecated there
    warnings.simplefilter("ignore", DeprecationWarning)
    pytest.importorskip("elevenlabs", reason="ElevenLabs' own client is not installed")
    import httpx
    from elevenlabs.client import ElevenLabs as Client
    from elevenlabs.conversational_ai import conversation as sdk

OVERRIDE = {"agent": {"first_message": "Hello!", "language": "de"}, "tts": {"voice_id": "anna"}}
BRIEF = Brief(
    call_id="call_1", carrier_call_id="CA1", direction="inbound", phone_number="+15550123", called_number="+15550100"
)
CONFIGURED = Configured(first_message="Hello!", language="de", voice_id="anna")


class Ear(sdk.AudioInterface):  # type: ignore[misc]
    """Keeps what the client would play."""

    def __init__(self) -> None:
        self.played: list[bytes] = []
        self.interruptions = 0

    def start(self, input_callback: Any) -> None:
        """Nothing is said by itself."""
        self.speak = input_callback

    def stop(self) -> None:
        """Nothing runs."""

    def output(self, audio: bytes) -> None:
        """One chunk that was let through."""
        self.played.append(audio)

    def interrupt(self) -> None:
        """What is queued would be thrown away."""
        self.interruptions += 1


class Pair:
    """Their client in a conversation with the stand-in, and our translation of the same messages."""

    def __init__(self, session: ElevenLabsSession, ear: Ear) -> None:
        self.session, self.ear = session, ear
        self.ours = XunaStream(BRIEF, configured=CONFIGURED, dialect="elevenlabs")

    async def settled(self) -> None:
        """Until their client has read all that was sent."""
        await self.session.ponged(await self.session.ping())

    def theirs(self, kind: str) -> dict[str, Any]:
        """The last message of this type that their client sent."""
        found: dict[str, Any] = [each for each in self.session.messages if each["type"] == kind][-1]
        return found

    def events(self) -> list[Any]:
        """What we make of everything that their client was sent."""
        return [event for _, sent in self.session.sent for event in self.ours.receive(json.dumps(sent).encode())]

    def heard(self) -> list[bytes]:
        """What we would play of it."""
        gate, played = StaleGate(), []
        for event in self.events():
            if isinstance(event, AgentInterrupted):
                gate.interrupted(event.event_id)
            elif isinstance(event, AgentAudio) and gate.admits(event.event_id, 0.0):
                played.append(event.payload)
        return played


@pytest.fixture
async def pair(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Pair]:
    """Both, connected over loopback."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with httpx.Client(trust_env=False) as http:
        async with ElevenLabs(agents=[XunaAgent("agent_1")]) as server:
            ear, tools = Ear(), sdk.ClientTools()
            tools.register("book", lambda parameters: f"booked {parameters['day']}")
            variables = json.loads(XunaStream(BRIEF).open()[0])["dynamic_variables"]
            talk = sdk.Conversation(
                Client(api_key=server.api_key, base_url=server.url, httpx_client=http),
                "agent_1",
                requires_auth=True,
                audio_interface=ear,
                client_tools=tools,
                config=sdk.ConversationInitiationData(
                    conversation_config_override=OVERRIDE, dynamic_variables=variables
                ),
            )
            opening = asyncio.create_task(asyncio.to_thread(talk.start_session))
            try:
                session = await server.session()
                await opening
                yield Pair(session, ear)
            finally:
                await asyncio.to_thread(talk.end_session)
                async with asyncio.timeout(5):
                    await asyncio.to_thread(talk.wait_for_session_end)


async def test_the_first_message_says_the_same(pair: Pair) -> None:
    """Same type, overrides and variables; theirs also names its own kind of client."""
    theirs = dict(pair.theirs("conversation_initiation_client_data"))
    assert theirs.pop("source_info")["source"] == "python_sdk"
    assert theirs.pop("custom_llm_extra_body") == {}
    assert theirs == json.loads(pair.ours.open()[0])


async def test_a_ping_gets_the_same_pong(pair: Pair) -> None:
    """With the id of the ping and nothing else."""
    await pair.session.ponged(await pair.session.ping(77))
    (ping,) = (event for event in pair.events() if isinstance(event, AgentPing))
    assert json.loads(pair.ours.send(SendPong(ping.event_id)) or b"") == pair.theirs("pong")


async def test_the_callers_sound_has_the_same_shape(pair: Pair) -> None:
    """user_audio_chunk, base64, without a type: the strict stand-in takes both, and hears the same."""
    sound = bytes(range(256)) * 25
    await pair.settled()  # it reads only once it listens
    await asyncio.to_thread(pair.ear.speak, sound)
    assert (await pair.session.heard(0.2)).tobytes() == sound
    ours = json.loads(pair.ours.send(SendAudio(sound)) or b"")
    assert ours == {"user_audio_chunk": base64.b64encode(sound).decode()}


async def test_a_tool_gets_its_result_in_the_same_shape(pair: Pair) -> None:
    """client_tool_result with the call's id, for a tool that runs and for one that is not there."""
    for name, is_error in (("book", False), ("fly", True)):
        result = await pair.session.result(await pair.session.call_tool(name, {"day": "Monday"}))
        called = [event for event in pair.events() if isinstance(event, AgentToolCall)][-1]
        order = SendToolResult(called.tool_call_id, result["result"], is_error)
        assert json.loads(pair.ours.send(order) or b"") == result


async def test_the_same_sound_is_heard_after_an_interruption(pair: Pair) -> None:
    """Before it everything, of what was under way nothing, and the answer to it whole."""
    for number in (1, 2, 3):
        await pair.session.say(bytes([number, 0]) * 100, event_id=number)
    await pair.session.interrupt(5)
    for number in (4, 3, 6, 7):
        await pair.session.say(bytes([number, 0]) * 100, event_id=number)
    await pair.settled()
    assert pair.ear.interruptions == 1
    assert [chunk[0] for chunk in pair.ear.played] == [1, 2, 3, 6, 7]
    assert pair.heard() == pair.ear.played


async def test_only_sound_with_the_interruptions_own_id_is_judged_otherwise(pair: Pair) -> None:
    """Their client drops it, and a whole answer with it where the answer carries that id; we play it, on purpose."""
    await pair.session.say(b"\x01\x00" * 100, event_id=1)
    await pair.session.interrupt(2)
    for number in (2, 3):
        await pair.session.say(bytes([number, 0]) * 100, event_id=number)
    await pair.settled()
    assert [chunk[0] for chunk in pair.ear.played] == [1, 3]
    assert [chunk[0] for chunk in pair.heard()] == [1, 2, 3]
