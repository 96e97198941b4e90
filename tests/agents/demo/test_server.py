"""The demo agent over real HTTP and WebSockets, seen by a small client."""

import asyncio
import json
from base64 import b64decode, b64encode
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from bridge.agents.demo.dialogue import HOURS, SLOTS
from bridge.agents.demo.server import DemoServer
from bridge.agents.demo.voice import Voice
from bridge.audio.sound import Sound


@pytest.fixture(scope="module")
def question() -> bytes:
    """A spoken question and a pause, PCM16 at 48 kHz so that both shapes can take it."""
    return Voice("en-us+m3").render("What are your opening hours?", 48000).pcm + bytes(2 * 48000)


@pytest.fixture
async def server() -> AsyncIterator[DemoServer]:
    """On a free port."""
    async with DemoServer() as one:
        yield one


class Client:
    """Receives until something comes, and keeps what came before it."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        self.seen: list[dict[str, Any]] = []

    async def send(self, **message: Any) -> None:
        """One message."""
        await self.socket.send(json.dumps(message))

    async def until(self, kind: str, text: str = "") -> dict[str, Any]:
        """The next message of a kind that holds a text."""
        async with asyncio.timeout(20):
            while True:
                message = json.loads(await self.socket.recv())
                self.seen.append(message)
                if message["type"] == kind and text in json.dumps(message):
                    return message

    def take(self, kind: str) -> list[dict[str, Any]]:
        """What has been seen of a kind, which is then forgotten with all else."""
        seen, self.seen = self.seen, []
        return [message for message in seen if message["type"] == kind]


async def signed_url(server: DemoServer) -> str:
    """A fresh one."""
    async with aiohttp.ClientSession(server.base_url, headers={"xi-api-key": server.api_key}) as http:
        answer = await http.get("/v1/convai/conversation/get-signed-url", params={"agent_id": server.agent_id})
        return str((await answer.json())["signed_url"])


def speech(pcm48: bytes, rate: int) -> list[str]:
    """In base64 chunks of 20 ms."""
    pcm = Sound(pcm48, 48000).at(rate).pcm
    return [b64encode(pcm[at : at + rate // 25]).decode() for at in range(0, len(pcm), rate // 25)]


async def test_xuna_greets_listens_and_answers(server: DemoServer, question: bytes) -> None:
    """Metadata comes first, then a greeting with the caller's digits as text and speech; a spoken question is answered."""
    async with connect(await signed_url(server), proxy=None) as socket:
        client = Client(socket)
        await client.send(type="conversation_initiation_client_data", dynamic_variables={"phone_number": "+15550134"})
        metadata = await client.until("conversation_initiation_metadata")
        assert metadata["conversation_initiation_metadata_event"]["agent_output_audio_format"] == "pcm_16000"
        assert client.seen[0] is metadata
        assert "1 3 4" in (await client.until("agent_response"))["agent_response_event"]["agent_response"]
        await client.until("ping")  # by then all of the greeting has been sent
        for chunk in speech(question, 16000):
            await client.send(type="audio", audio_event={"audio_base_64": chunk})
        await client.until("user_transcript")
        await client.until("agent_response", HOURS[:20])
        audio = [message["audio_event"] for message in client.take("audio")]
        await client.until("audio")
    greeting = Sound(b"".join(b64decode(event["audio_base_64"]) for event in audio), 16000)
    assert greeting.level == pytest.approx(-18, abs=2)
    assert [event["event_id"] for event in audio] == sorted({event["event_id"] for event in audio})


async def test_xuna_reports_an_interruption_and_falls_silent(server: DemoServer, question: bytes) -> None:
    """A caller who speaks over the greeting brings one interruption; no sound of the old turn comes after it."""
    async with connect(await signed_url(server), proxy=None) as socket:
        client = Client(socket)
        await client.send(type="conversation_initiation_client_data")
        await client.until("audio")
        for chunk in speech(question, 16000):
            await client.send(type="audio", audio_event={"audio_base_64": chunk})
        await client.until("interruption")
        client.take("audio")
        await client.until("agent_response")
        assert client.take("audio") == []


async def test_xuna_answers_a_key_and_an_override(server: DemoServer) -> None:
    """A first message that the client gives is said as it stands; user activity is answered as a key."""
    async with connect(await signed_url(server), proxy=None) as socket:
        client = Client(socket)
        override = {"agent": {"first_message": "Good morning."}}
        await client.send(type="conversation_initiation_client_data", conversation_config_override=override)
        await client.until("agent_response", "Good morning.")
        await client.send(type="user_activity")
        await client.until("agent_response", "You pressed a key.")


async def test_xuna_says_goodbye_and_closes(server: DemoServer, question: bytes) -> None:
    """At the end of the script the goodbye is sent whole and the socket closes with 1000; pings came meanwhile."""
    async with connect(await signed_url(server), proxy=None) as socket:
        client = Client(socket)
        await client.send(type="conversation_initiation_client_data")
        for _ in range(3):
            for chunk in speech(question, 16000):
                await client.send(type="audio", audio_event={"audio_base_64": chunk})
            await client.until("user_transcript")
        await client.send(type="user_activity")
        await client.until("ping")
        await client.send(type="user_activity")
        with pytest.raises(ConnectionClosed):
            await client.until("agent_response", "nobody says this")
        assert socket.close_code == 1000


async def test_a_signed_url_serves_once(server: DemoServer) -> None:
    """A token that was used, or never given, does not open a socket; a wrong key gives no token."""
    url = await signed_url(server)
    async with connect(url, proxy=None):
        pass
    for bad in (url, url + "x"):
        with pytest.raises(InvalidStatus):
            await connect(bad, proxy=None)
    async with aiohttp.ClientSession(server.base_url, headers={"xi-api-key": "wrong"}) as http:
        answer = await http.get("/v1/convai/conversation/get-signed-url", params={"agent_id": "demo"})
        assert answer.status == 401


async def kura_session(server: DemoServer, **more: object) -> dict[str, Any]:
    """A fresh one."""
    async with aiohttp.ClientSession(server.base_url, headers={"Authorization": f"Bearer {server.api_key}"}) as http:
        answer = await http.post("/api/v1/sessions", json={"assistant_id": server.assistant_id, **more})
        assert answer.status == 201
        return dict(await answer.json())


async def test_kura_talks_and_obeys_an_interrupt(server: DemoServer, question: bytes) -> None:
    """Kura's shape: open, speech at 24 kHz, turns; speaking over it changes nothing, ``interrupt`` ends the turn."""
    session = await kura_session(server, phone_number="+15550134")
    async with connect(session["websocket_url"], proxy=None) as socket:
        client = Client(socket)
        await client.until("sessionOpen")
        await client.until("turnComplete", "1 3 4")
        pcm = b"".join(b64decode(message["audio"]) for message in client.take("agentAudioChunk"))
        assert Sound(pcm, 24000).level == pytest.approx(-18, abs=2)
        for chunk in speech(question, 24000):
            await client.send(type="audioChunk", audio=chunk)
        await client.until("transcriptionUpdate", HOURS[:20])
        await client.until("agentAudioChunk")
        client.take("agentAudioChunk")
        await client.send(type="interrupt")
        await client.until("turnComplete", HOURS[:20])
        assert len(client.take("agentAudioChunk")) < 5
        await client.send(type="textMessage", text="an appointment please")
        await client.until("transcriptionUpdate", SLOTS[:20])
        await client.send(type="stopSession")
        with pytest.raises(ConnectionClosed):
            await client.until("nothing")
        assert socket.close_code == 1000


async def test_kura_tells_assistants_and_sessions(server: DemoServer) -> None:
    """Health, assistants and sessions answer as documented: unknown ones 404, a wrong key 401, a deleted session is gone."""
    async with aiohttp.ClientSession(server.base_url) as http:
        assert (await http.get("/api/v1/health")).status == 200
        assert (await http.get("/api/v1/assistants")).status == 401
    session = await kura_session(server)
    async with aiohttp.ClientSession(server.base_url, headers={"Authorization": f"Bearer {server.api_key}"}) as http:
        assert (await http.get("/api/v1/assistants/1")).status == 200
        assert (await http.get("/api/v1/assistants/2")).status == 404
        assert (await http.delete(f"/api/v1/sessions/{session['session_id']}")).status == 200
        assert (await http.get(f"/api/v1/sessions/{session['session_id']}")).status == 404
    with pytest.raises(InvalidStatus):
        await connect(session["websocket_url"], proxy=None)


async def test_garbage_is_passed_over(server: DemoServer) -> None:
    """What is not JSON, not an object, or not base64 changes nothing: the conversation goes on."""
    async with connect(await signed_url(server), proxy=None) as socket:
        client = Client(socket)
        for text in (
            "",
            "{",
            "[]",
            '"x"',
            '{"type":"audio","audio_event":{"audio_base_64":"***"}}',
            '{"type":"audio","audio_event":7}',
        ):
            await socket.send(text)
        await socket.send(b"\x00\x01")
        await client.send(type="user_activity")
        await client.until("agent_response", "You pressed a key.")


async def test_a_client_that_goes_leaves_nothing_behind(server: DemoServer) -> None:
    """A client that vanishes in the middle of a sentence does not keep the server from closing or serving others."""
    async with connect(await signed_url(server), proxy=None) as socket:
        client = Client(socket)
        await client.send(type="conversation_initiation_client_data")
        await client.until("audio")
        socket.transport.abort()
    async with connect(await signed_url(server), proxy=None) as socket:
        client = Client(socket)
        await client.send(type="conversation_initiation_client_data")
        await client.until("agent_response")
