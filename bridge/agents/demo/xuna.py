"""The demo agent in XUNA's shape: a signed URL over HTTP, then JSON over a WebSocket.

Source: XUNA "Authentication", "Conversations" and "WebSocket API".
"""

from __future__ import annotations

import asyncio
import itertools
import secrets
import time
from base64 import b64encode
from collections.abc import AsyncIterator, Callable
from typing import Any, Final

from aiohttp import web

from bridge.agents.demo.conversation import Conversation
from bridge.agents.demo.dialogue import from_variables
from bridge.agents.demo.host import Host, Recogniser
from bridge.agents.demo.socket import Socket, part, sound
from bridge.agents.demo.tools import Tools
from bridge.agents.demo.voice import Voice

RATE: Final = 16000  # Hz, both ways
TOKEN_S: Final = 60.0  # that a signed URL may be used, once
MAX_TOKENS: Final = 1000
PING_S: Final = 2.0
OPENING_S: Final = 3.0  # to wait for the client's first message before greeting without it
AGENT_ID: Final = "demo"


class XunaDoor:
    """Routes in XUNA's shape. ``key``: what the client must send as ``xi-api-key``; ``origin``: gives "ws://host:port"."""

    def __init__(
        self, *, voice: Voice, key: str, origin: Callable[[], str], recogniser: Recogniser | None = None
    ) -> None:
        self._voice = voice
        self._key = key
        self._origin = origin
        self._recogniser = recogniser
        self._tokens: dict[str, float] = {}

    def routes(self) -> list[web.RouteDef]:
        """What to serve."""
        base = "/v1/convai"
        return [
            web.get(f"{base}/agents", self._agents),
            web.get(f"{base}/conversation/get-signed-url", self._signed_url),
            web.get(f"{base}/conversation", self._conversation),
        ]

    async def _agents(self, request: web.Request) -> web.Response:
        self._check(request)
        return web.json_response({"agents": [{"agent_id": AGENT_ID, "name": "Demo"}], "has_more": False})

    async def _signed_url(self, request: web.Request) -> web.Response:
        self._check(request)
        if request.query.get("agent_id") != AGENT_ID:
            raise web.HTTPNotFound(text='{"detail":"agent not found"}', content_type="application/json")
        now = time.monotonic()
        self._tokens = {token: until for token, until in self._tokens.items() if until > now}
        if len(self._tokens) >= MAX_TOKENS:
            raise web.HTTPTooManyRequests(headers={"Retry-After": "5"})
        token = secrets.token_urlsafe(24)
        self._tokens[token] = now + TOKEN_S
        return web.json_response({"signed_url": f"{self._origin()}/v1/convai/conversation?token={token}"})

    async def _conversation(self, request: web.Request) -> web.StreamResponse:
        if self._tokens.pop(request.query.get("token", ""), 0.0) < time.monotonic():
            raise web.HTTPForbidden(text='{"detail":"token unknown, used or expired"}', content_type="application/json")
        socket = Socket()
        response = await socket.accept(request)
        talk = _Talk(socket, voice=self._voice, recogniser=self._recogniser)
        try:
            await talk.run()
        except* (ConnectionError, TimeoutError):
            response.force_close()
        return response

    def _check(self, request: web.Request) -> None:
        if not secrets.compare_digest(request.headers.get("xi-api-key", "").encode(), self._key.encode()):
            raise web.HTTPUnauthorized(text='{"detail":"invalid api key"}', content_type="application/json")


class _Talk:
    """One socket; also the Outlet of its conversation."""

    rate = RATE

    def __init__(self, socket: Socket, *, voice: Voice, recogniser: Recogniser | None) -> None:
        self._socket = socket
        self._voice = voice
        self._recogniser = recogniser
        self._chunk = itertools.count(1)

    async def run(self) -> None:
        """From metadata to the close, by either side."""
        await self._socket.send(
            {
                "type": "conversation_initiation_metadata",
                "conversation_initiation_metadata_event": {
                    "conversation_id": f"conv_{secrets.token_hex(10)}",
                    "agent_output_audio_format": f"pcm_{RATE}",
                },
            }
        )
        messages = self._socket.messages()
        try:
            async with asyncio.timeout(OPENING_S):
                first = await anext(messages, None)
        except TimeoutError:
            # the iterator ends with the wait that was cut short
            first, messages = {}, self._socket.messages()
        if first is None:
            return
        opening = first if first.get("type") == "conversation_initiation_client_data" else {}
        greeting = part(opening, "conversation_config_override", "agent").get("first_message")
        variables = part(opening, "dynamic_variables")
        dialogue = from_variables(variables, greeting if isinstance(greeting, str) else None)
        conversation = Conversation(dialogue, rate=RATE)
        host = Host(
            conversation, self, voice=self._voice, rate=RATE, recogniser=self._recogniser, tools=Tools.of(variables)
        )
        await host.perform(conversation.open())
        await host.converse(self._listen(messages, conversation, host), self._ping())
        await self._socket.close()

    async def _listen(self, messages: AsyncIterator[dict[str, Any]], conversation: Conversation, host: Host) -> None:
        async for message in messages:
            match message.get("type"):
                case "audio":
                    await host.perform(conversation.hear(sound(part(message, "audio_event").get("audio_base_64"))))
                case "user_activity":
                    await host.perform(conversation.key())
                case _:
                    pass  # pong, and whatever a newer client may send

    async def _ping(self) -> None:
        for event_id in itertools.count(1):
            await asyncio.sleep(PING_S)
            await self._socket.send({"type": "ping", "ping_event": {"event_id": event_id}})

    async def text(self, text: str) -> None:
        await self._socket.send({"type": "agent_response", "agent_response_event": {"agent_response": text}})

    async def audio(self, pcm: bytes) -> None:
        event = {"audio_base_64": b64encode(pcm).decode(), "event_id": next(self._chunk)}
        await self._socket.send({"type": "audio", "audio_event": event})

    async def caller(self, text: str) -> None:
        await self._socket.send({"type": "user_transcript", "user_transcription_event": {"user_transcript": text}})

    async def hush(self) -> None:
        await self._socket.send({"type": "interruption"})

    async def complete(self, text: str) -> None:
        """XUNA has no word for the end of a turn."""
