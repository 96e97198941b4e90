"""The demo agent in Kura's shape: a session over HTTP, then JSON over a WebSocket. Source: Kura "API Documentation"."""

from __future__ import annotations

import json
import secrets
import time
import uuid
from base64 import b64encode
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from aiohttp import web

from bridge.agents.demo.conversation import Conversation, Hush
from bridge.agents.demo.dialogue import Dialogue
from bridge.agents.demo.host import Host, Recogniser
from bridge.agents.demo.socket import Socket, sound
from bridge.agents.demo.voice import Voice

RATE: Final = 24000  # Hz, both ways
SESSION_S: Final = 300.0  # within which the socket must be opened
MAX_SESSIONS: Final = 1000
ASSISTANT: Final[dict[str, Any]] = {"id": 1, "name": "Demo"}


@dataclass(slots=True)
class _Granted:
    phone_number: str
    until: float  # monotonic seconds
    connected: bool = False


class KuraDoor:
    """Routes in Kura's shape. ``key``: what the client must send as its bearer; ``origin``: gives "ws://host:port"."""

    def __init__(
        self, *, voice: Voice, key: str, origin: Callable[[], str], recogniser: Recogniser | None = None
    ) -> None:
        self._voice = voice
        self._key = key
        self._origin = origin
        self._recogniser = recogniser
        self._sessions: dict[str, _Granted] = {}

    def routes(self) -> list[web.RouteDef]:
        """What to serve."""
        base = "/api/v1"
        return [
            web.get(f"{base}/health", self._health),
            web.get(f"{base}/assistants", self._assistants),
            web.get(f"{base}/assistants/{{id}}", self._assistant),
            web.post(f"{base}/sessions", self._create),
            web.get(f"{base}/sessions/{{id}}", self._status),
            web.delete(f"{base}/sessions/{{id}}", self._delete),
            web.get(f"{base}/sessions/{{id}}/connect", self._connect),
        ]

    async def _health(self, request: web.Request) -> web.Response:
        del request
        return web.json_response({"status": "ok"})

    async def _assistants(self, request: web.Request) -> web.Response:
        self._check(request)
        return web.json_response([ASSISTANT])

    async def _assistant(self, request: web.Request) -> web.Response:
        self._check(request)
        if request.match_info["id"] != str(ASSISTANT["id"]):
            raise _not_found("assistant")
        return web.json_response(ASSISTANT)

    async def _create(self, request: web.Request) -> web.Response:
        self._check(request)
        try:
            body = await request.json()
        except ValueError:
            body = None
        if not isinstance(body, dict) or body.get("assistant_id") != ASSISTANT["id"]:
            raise _not_found("assistant")
        now = time.monotonic()
        self._sessions = {name: one for name, one in self._sessions.items() if one.connected or one.until > now}
        if len(self._sessions) >= MAX_SESSIONS:
            raise web.HTTPTooManyRequests(headers={"Retry-After": "5"})
        session_id, number = str(uuid.uuid4()), body.get("phone_number")
        self._sessions[session_id] = _Granted(number if isinstance(number, str) else "", now + SESSION_S)
        expires = datetime.now(UTC) + timedelta(seconds=SESSION_S)
        return web.json_response(
            {
                "session_id": session_id,
                "mode": "voice",
                "websocket_url": f"{self._origin()}/api/v1/sessions/{session_id}/connect?api_key={self._key}",
                "expires_at": expires.isoformat(timespec="seconds").replace("+00:00", "Z"),
                "assistant": ASSISTANT,
            },
            status=201,
        )

    async def _status(self, request: web.Request) -> web.Response:
        self._check(request)
        granted = self._sessions.get(request.match_info["id"])
        if granted is None:
            raise _not_found("session")
        return web.json_response(
            {"session_id": request.match_info["id"], "status": "active" if granted.connected else "pending"}
        )

    async def _delete(self, request: web.Request) -> web.Response:
        self._check(request)
        if self._sessions.pop(request.match_info["id"], None) is None:
            raise _not_found("session")
        return web.json_response({"status": "ended"})

    async def _connect(self, request: web.Request) -> web.StreamResponse:
        if not self._is_key(request.query.get("api_key", "")):
            raise web.HTTPUnauthorized
        session_id = request.match_info["id"]
        granted = self._sessions.get(session_id)
        if granted is None or granted.connected or granted.until < time.monotonic():
            raise _not_found("session")
        granted.connected = True
        socket = Socket()
        response = await socket.accept(request)
        try:
            await _Talk(socket, voice=self._voice, recogniser=self._recogniser).run(granted.phone_number)
        except* (ConnectionError, TimeoutError):
            response.force_close()
        finally:
            self._sessions.pop(session_id, None)
        return response

    def _check(self, request: web.Request) -> None:
        scheme, _, key = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not self._is_key(key):
            raise web.HTTPUnauthorized(text='{"error":"invalid API key"}', content_type="application/json")

    def _is_key(self, text: str) -> bool:
        return secrets.compare_digest(text.encode(), self._key.encode())


def _not_found(what: str) -> web.HTTPNotFound:
    return web.HTTPNotFound(text=json.dumps({"error": f"no such {what}"}), content_type="application/json")


class _Talk:
    """One socket; also the Outlet of its conversation. It does not report interruptions: it obeys ``interrupt``."""

    rate = RATE

    def __init__(self, socket: Socket, *, voice: Voice, recogniser: Recogniser | None) -> None:
        self._socket = socket
        self._voice = voice
        self._recogniser = recogniser
        self._said = ""  # by the caller, since the agent's last turn
        self._open = ""  # the agent's turn that is not complete yet

    async def run(self, phone_number: str) -> None:
        """From sessionOpen to the close, by either side."""
        await self._socket.send({"type": "sessionOpen", "provider": "demo", "mode": "voice"})
        conversation = Conversation(Dialogue(phone_number=phone_number), rate=RATE, yields=False)
        host = Host(conversation, self, voice=self._voice, rate=RATE, recogniser=self._recogniser)
        await host.perform(conversation.open())
        await host.converse(self._listen(self._socket.messages(), conversation, host))
        await self._socket.close()

    async def _listen(self, messages: AsyncIterator[dict[str, Any]], conversation: Conversation, host: Host) -> None:
        async for message in messages:
            match message.get("type"):
                case "audioChunk":
                    await host.perform(conversation.hear(sound(message.get("audio"))))
                case "textMessage" if isinstance(message.get("text"), str):
                    await host.perform(conversation.understood(message["text"]))
                case "interrupt":
                    cut = conversation.interrupt()
                    await host.perform([action for action in cut if isinstance(action, Hush)])
                case "stopSession":
                    return
                case _:
                    pass  # whatever a newer client may send

    async def text(self, text: str) -> None:
        self._open = text
        await self._socket.send({"type": "transcriptionUpdate", "source": "output", "text": text})

    async def audio(self, pcm: bytes) -> None:
        await self._socket.send({"type": "agentAudioChunk", "audio": b64encode(pcm).decode()})

    async def caller(self, text: str) -> None:
        self._said = text
        await self._socket.send({"type": "transcriptionUpdate", "source": "input", "text": text})

    async def hush(self) -> None:
        if self._open:
            await self.complete(self._open)

    async def complete(self, text: str) -> None:
        self._open = ""
        await self._socket.send({"type": "turnComplete", "fullInput": self._said, "fullOutput": text})
        self._said = ""
