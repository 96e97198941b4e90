"""Kura's REST API, its rate limit, and the door of its socket."""

import json
import time
import uuid
from collections import deque
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from math import ceil
from typing import Any

from aiohttp import web

from ..agent import AgentStandIn
from ..shape import problems
from ..web import Handler
from .session import KuraSession

WINDOW = 60.0  # s
PERMISSIONS = frozenset({"sessions:create", "sessions:connect", "assistants:read"})
REQUEST = {
    "assistant_id": int,
    "mode?": {"voice", "chat"},
    "phone_number?": str,
    "language_code?": str,
    "metadata?": dict,
}


@dataclass
class Assistant:
    """An assistant and what it can do."""

    id: int = 1
    name: str = "Customer Support"
    voice: bool = True
    chat: bool = True

    def json(self) -> dict[str, Any]:
        """As the API lists it."""
        return {"id": self.id, "name": self.name, "voice_enabled": self.voice, "chat_enabled": self.chat}


@dataclass
class Key:
    """An API key: what it may, and how often in a minute."""

    secret: str = "kura_live_standin00000001"
    permissions: frozenset[str] = PERMISSIONS
    per_minute: int = 60
    spent: deque[float] = field(default_factory=deque)  # when the requests of the last minute came

    def left(self, now: float) -> int:
        """Requests that are still free."""
        while self.spent and now - self.spent[0] >= WINDOW:
            self.spent.popleft()
        return self.per_minute - len(self.spent)


@dataclass
class Grant:
    """A session that was created, and by what request."""

    session_id: str
    key: Key
    assistant: Assistant
    asked: dict[str, Any]
    expires: float
    status: str = "created"

    @property
    def mode(self) -> str:
        """voice where nothing else was asked for."""
        return str(self.asked.get("mode", "voice"))


class Refusal(Exception):
    """An answer that is an error."""

    def __init__(self, status: int, words: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(words)
        self.answer = web.json_response({"error": words}, status=status, headers=headers)


class Kura(AgentStandIn):
    """The stand-in: `async with Kura(keys=[Key(...)], assistants=[Assistant(...)]) as kura`, `base_url = kura.url`.

    Named routes for `fault`: health, assistants, assistant, create, session, end, upgrade.
    """

    def __init__(
        self,
        *,
        keys: list[Key] | None = None,
        assistants: list[Assistant] | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
        lifetime: float = 300.0,
        ready_delay: float = 0.0,
        socket_base: str | None = None,
    ) -> None:
        """Take the times in seconds; `socket_base` (`ws://other:1`) is granted in place of our own address."""
        super().__init__(host=host, port=port)
        self.keys = {k.secret: k for k in keys or [Key()]}
        self.assistants = {a.id: a for a in assistants or [Assistant()]}
        self.lifetime, self.ready_delay, self.socket_base = lifetime, ready_delay, socket_base
        self.closes_after_stop = True
        self.grants: dict[str, Grant] = {}

    async def session(self, *, timeout: float = 5.0) -> KuraSession:
        """The next session that is open."""
        found = await self.next(timeout)
        assert isinstance(found, KuraSession)
        return found

    def routes(self) -> list[tuple[str, str, str, Handler]]:
        """The documented ones."""
        root = "/api/v1"
        return [
            ("GET", f"{root}/health", "health", self._health),
            ("GET", f"{root}/assistants", "assistants", self._keyed("assistants:read", self._assistants)),
            ("GET", f"{root}/assistants/{{id}}", "assistant", self._keyed("assistants:read", self._assistant)),
            ("POST", f"{root}/sessions", "create", self._keyed("sessions:create", self._create)),
            ("GET", f"{root}/sessions/{{id}}", "session", self._keyed("sessions:create", self._status)),
            ("DELETE", f"{root}/sessions/{{id}}", "end", self._keyed("sessions:create", self._end)),
            ("GET", f"{root}/sessions/{{id}}/connect", "upgrade", self._upgrade),
        ]

    def _keyed(self, permission: str, handler: Any) -> Handler:
        async def guarded(request: web.Request) -> web.StreamResponse:
            scheme, _, secret = request.headers.get("Authorization", "").partition(" ")
            key = self.keys.get(secret)
            if scheme != "Bearer" or key is None:
                return Refusal(401, "Invalid API key").answer
            headers, over = self._spend(key)
            if over:
                return Refusal(429, "Rate limit exceeded", headers).answer
            if permission not in key.permissions:
                return Refusal(403, "Insufficient permissions", headers).answer
            try:
                answer: web.StreamResponse = await handler(request, key)
            except Refusal as refusal:
                answer = refusal.answer
            answer.headers.update(headers)
            return answer

        return guarded

    def _spend(self, key: Key) -> tuple[dict[str, str], bool]:
        now = time.monotonic()
        left = key.left(now)
        if left > 0:
            key.spent.append(now)
        wait = WINDOW - (now - key.spent[0]) if key.spent else WINDOW
        headers = {
            "X-RateLimit-Limit": str(key.per_minute),
            "X-RateLimit-Remaining": str(max(0, left - 1)),
            "X-RateLimit-Reset": str(int(time.time() + wait)),
        }
        if left <= 0:
            headers["Retry-After"] = str(ceil(wait))
        return headers, left <= 0

    async def _health(self, _: web.Request) -> web.Response:
        return web.json_response({"status": "ok"})

    async def _assistants(self, _: web.Request, __: Key) -> web.Response:
        return web.json_response({"assistants": [a.json() for a in self.assistants.values()]})

    async def _assistant(self, request: web.Request, _: Key) -> web.Response:
        name = request.match_info["id"]
        found = self.assistants.get(int(name)) if name.isdigit() else None
        if found is None:
            raise Refusal(404, "Assistant not found")
        return web.json_response(found.json())

    async def _create(self, request: web.Request, key: Key) -> web.Response:
        try:
            asked = json.loads(await request.read())
        except ValueError:
            self.violation("POST /sessions: the body is not JSON")
            raise Refusal(400, "Invalid JSON") from None
        found = problems(asked, REQUEST, "session request")
        for problem in found:
            self.violation(problem)
        if found:
            raise Refusal(400, "; ".join(found))
        assistant = self.assistants.get(asked["assistant_id"])
        if assistant is None:
            raise Refusal(404, "Assistant not found")
        grant = Grant(str(uuid.uuid4()), key, assistant, asked, time.monotonic() + self.lifetime)
        if not getattr(assistant, grant.mode):
            raise Refusal(400, f"Assistant does not support {grant.mode}")
        self.grants[grant.session_id] = grant
        base = self.socket_base or f"ws://{self.host}:{self.port}"
        expires = datetime.now(UTC) + timedelta(seconds=self.lifetime)
        body = {
            "session_id": grant.session_id,
            "mode": grant.mode,
            "websocket_url": f"{base}/api/v1/sessions/{grant.session_id}/connect?api_key={key.secret}",
            "expires_at": expires.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "assistant": {"id": assistant.id, "name": assistant.name},
        }
        return web.json_response(body, status=201)

    def _grant(self, request: web.Request) -> Grant:
        grant = self.grants.get(request.match_info["id"])
        if grant is None or (grant.status == "created" and time.monotonic() > grant.expires):
            raise Refusal(404, "Session expired")
        return grant

    async def _status(self, request: web.Request, _: Key) -> web.Response:
        grant = self._grant(request)
        return web.json_response({"session_id": grant.session_id, "mode": grant.mode, "status": grant.status})

    async def _end(self, request: web.Request, _: Key) -> web.Response:
        grant = self._grant(request)
        grant.status = "ended"
        for session in self.live:
            if session.session_id == grant.session_id:
                self.spawn(session.close(1000))
        return web.Response(status=204)

    @property
    def unreleased(self) -> list[str]:
        """Sessions that were created and neither ended nor deleted."""
        return [g.session_id for g in self.grants.values() if g.status != "ended"]

    async def _upgrade(self, request: web.Request) -> web.StreamResponse:
        key = self.keys.get(request.query.get("api_key", ""))
        if key is None:
            return Refusal(401, "Invalid API key").answer
        if "sessions:connect" not in key.permissions:
            return Refusal(403, "Insufficient permissions").answer
        try:
            grant = self._grant(request)
        except Refusal as refusal:
            return refusal.answer
        if grant.status != "created":
            self.violation("a session's socket was opened a second time")
            return Refusal(404, "Session expired").answer
        if "Authorization" in request.headers:
            self.violation("the API key was sent to the socket in a header, too")
        grant.status = "active"
        session = KuraSession(self, request, grant)
        self.sessions.append(session)
        self.pulse.beat()
        return await session.run()
