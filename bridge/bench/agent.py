"""The agent's end of the load: signed URLs or sessions over HTTP, then sound in XUNA's or in Kura's shape.

It talks without a pause, hears everything, pings, and says in words what was said, as a real one does. Whoever drives
the load calls ``tick`` every 20 ms of every conversation.
"""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter
from typing import Any, Final

import picows

from bridge.audio.formats import AudioFormat
from bridge.bench.track import Track
from bridge.bench.wire import Wire, silent, value

PING_FRAMES: Final = 100  # 2 s
TEXT_FRAMES: Final = 250  # 5 s
XUNA_SOUND: Final = b'"audio_base_64"'
KURA_SOUND: Final = b'"audio"'


@dataclass(frozen=True, slots=True)
class Shape:
    """How the agent speaks: whose messages, in which formats."""

    provider: str  # xuna or kura
    voice: AudioFormat
    ear: AudioFormat

    @property
    def announced(self) -> str:
        """XUNA's name of the voice's format."""
        return "ulaw_8000" if self.voice.sample_bytes == 1 else f"pcm_{self.voice.rate}"


class Conversation:
    """One socket of the agent. Which call it belongs to is known when it begins."""

    def __init__(self, server: AgentServer, call: str) -> None:
        self._server = server
        self._kura = server.shape.provider == "kura"
        self._key = KURA_SOUND if self._kura else XUNA_SOUND
        self._frames = 0
        self._pong: int | None = None
        self._heard: Track | None = None
        self._said: Track | None = None
        self._call = call
        self.wire = Wire(self._hear, self._gone, self._opened)

    def tick(self) -> None:
        """Say the next 20 ms, and now and then something else."""
        wire, said, frames = self.wire, self._said, self._frames
        if said is None or not wire.open:
            return
        self._frames = frames + 1
        sound = said.send(perf_counter())
        if self._kura:
            wire.send(b'{"type":"agentAudioChunk","audio":"' + sound + b'"}')
        else:
            number = frames // 50 + 1
            wire.send(b'{"type":"audio","audio_event":{"audio_base_64":"' + sound + b'","event_id":%d}}' % number)
            if frames % PING_FRAMES == PING_FRAMES - 1:
                self._ping(frames)
        if frames % TEXT_FRAMES == TEXT_FRAMES - 1:
            self._words(frames)

    def _ping(self, number: int) -> None:
        if self._pong is not None:
            self._server.late_pongs += 1
        self._pong = number
        self.wire.send(b'{"type":"ping","ping_event":{"event_id":%d,"ping_ms":20}}' % number)

    def _words(self, number: int) -> None:
        asked, said = f"What comes after number {number}?", f"After {number} comes {number + 1}, if nothing is lost."
        messages: list[dict[str, Any]]
        if self._kura:  # whose words of the caller would be an interruption of an agent that never pauses
            messages = [
                {"type": "transcriptionUpdate", "source": "output", "text": said},
                {"type": "turnComplete", "fullInput": asked, "fullOutput": said},
            ]
        else:
            messages = [
                {"type": "user_transcript", "user_transcription_event": {"user_transcript": asked}},
                {"type": "agent_response", "agent_response_event": {"agent_response": said}},
            ]
        for message in messages:
            self.wire.send(json.dumps(message).encode())

    def _hear(self, message: bytes) -> None:
        sound = value(message, self._key)
        if sound and self._heard is not None:
            self._heard.arrived(sound, perf_counter())
        elif b'"pong"' in message:
            self._pong = None
        elif b"conversation_initiation_client_data" in message:
            self._call = value(message, b'"carrier_call_id"').decode()
            shape = self._server.shape
            event = {"conversation_id": secrets.token_hex(8), "agent_output_audio_format": shape.announced}
            body = {"type": "conversation_initiation_metadata", "conversation_initiation_metadata_event": event}
            self.wire.send(json.dumps(body).encode())
            self._begin()

    def _opened(self) -> None:
        if self._kura:  # which speaks first
            self.wire.send(b'{"type":"sessionOpen","provider":"bench","mode":"voice"}')
            self._begin()

    def _begin(self) -> None:
        tracks = self._server.join(self._call, self)
        if tracks is not None:
            self._heard, self._said = tracks

    def _gone(self) -> None:
        self._said = None
        self._server.leave(self._call, self)


class AgentServer:
    """``async with``: HTTP and WebSocket on two ports of loopback."""

    def __init__(self, shape: Shape) -> None:
        self.shape = shape
        self.late_pongs = 0
        self.join: Callable[[str, Conversation], tuple[Track, Track] | None] = lambda call, conversation: None
        self.leave: Callable[[str, Conversation], None] = lambda call, conversation: None
        self.base_url = ""
        self.socket_url = ""
        self._servers: list[asyncio.Server] = []

    async def __aenter__(self) -> AgentServer:
        loop = asyncio.get_running_loop()
        sockets = await picows.ws_create_server(self._accept, "127.0.0.1", 0, logger_name=silent(), backlog=1024)
        plain = await loop.create_server(lambda: _Http(self), "127.0.0.1", 0, backlog=1024)
        self._servers = [sockets, plain]
        self.socket_url = f"ws://127.0.0.1:{sockets.sockets[0].getsockname()[1]}/converse"
        self.base_url = f"http://127.0.0.1:{plain.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        for server in self._servers:
            server.close()

    def _accept(self, request: Any) -> picows.WSListener:
        return Conversation(self, value(request.path.replace(b"call=", b'call="') + b'"', b"call=").decode()).wire

    def answer(self, method: str, path: str, body: bytes) -> bytes:
        """The API's answer: a credential for XUNA, a session for Kura, a call for the carrier's API."""
        if "get-signed-url" in path:
            return json.dumps({"signed_url": f"{self.socket_url}?token={secrets.token_hex(8)}"}).encode()
        if path.endswith("/sessions") and method == "POST":
            name, call = secrets.token_hex(8), value(body, b'"carrier_call_id"').decode()
            url = f"{self.socket_url}?session={name}&call={call}"
            return json.dumps({"session_id": name, "mode": "voice", "websocket_url": url}).encode()
        return b'{"sid":"CA00000000000000000000000000000000","status":"completed"}'


class _Http(asyncio.Protocol):
    """Just enough HTTP/1.1 for one client that is not hostile: the whole request in memory, one answer for each."""

    def __init__(self, server: AgentServer) -> None:
        self._server = server
        self._data = b""
        self._transport: Any = None

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._data += data
        while b"\r\n\r\n" in self._data:
            head, _, rest = self._data.partition(b"\r\n\r\n")
            lines = head.decode("latin-1").split("\r\n")
            fields = dict(line.lower().split(": ", 1) for line in lines[1:] if ": " in line)
            size = int(fields.get("content-length", "0"))
            if len(rest) < size:
                return
            self._data = rest[size:]
            method, path, _ = lines[0].split(" ", 2)
            told = b"" if method == "DELETE" else self._server.answer(method, path.split("?", 1)[0], rest[:size])
            status = "200 OK" if told else "204 No Content"
            self._transport.write(
                f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nX-RateLimit-Limit: 1000000\r\n"
                f"X-RateLimit-Remaining: 1000000\r\nContent-Length: {len(told)}\r\n\r\n".encode()
                + told
            )
