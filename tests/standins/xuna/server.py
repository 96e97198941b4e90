"""XUNA's HTTP API, and the door of its socket."""

import json
import secrets
import time
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from .. import sound
from ..agent import AgentStandIn
from ..web import Handler
from .session import XunaSession


@dataclass
class XunaAgent:
    """An agent of the account. Only a public one takes a socket by `?agent_id=`."""

    agent_id: str
    name: str = "Agent"
    public: bool = False
    output_format: str = "pcm_16000"
    input_format: str = "pcm_16000"  # announced in dialects that announce it


def refusal(status: int, code: str, message: str) -> web.Response:
    """An error as the API words it."""
    return web.json_response({"detail": {"status": code, "message": message}}, status=status)


class Xuna(AgentStandIn):
    """The stand-in: `async with Xuna(api_key=..., agents=[...]) as xuna`, `base_url = xuna.url`.

    Named routes for `fault`: signed_url, token, agents, conversations, conversation, delete, audio, upgrade.
    """

    session_class: type[XunaSession] = XunaSession
    key_header = "xi-api-key"
    socket_query: tuple[str, ...] = ("agent_id", "token")
    page_size = 30

    def __init__(
        self,
        *,
        api_key: str = "xi-standin-key-0001",
        agents: list[XunaAgent] | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
        url_lifetime: float = 60.0,
        init_within: float = 2.0,
        pong_within: float = 1.0,
        ready_delay: float = 0.0,
        history_delay: float = 0.0,
        socket_base: str | None = None,
    ) -> None:
        """Take the times in seconds; `socket_base` (`ws://other:1`) is put into signed URLs in place of our own."""
        super().__init__(host=host, port=port)
        self.api_key = api_key
        self.agents = {a.agent_id: a for a in agents or [XunaAgent("agent_1")]}
        self.url_lifetime, self.init_within, self.pong_within = url_lifetime, init_within, pong_within
        self.ready_delay, self.history_delay, self.socket_base = ready_delay, history_delay, socket_base
        self.signed: dict[str, tuple[str, float]] = {}  # token -> agent, when it expires
        self.used: set[str] = set()
        self.tokens: dict[str, dict[str, str]] = {}  # WebRTC tokens -> how each was asked for
        self.history: dict[str, dict[str, Any]] = {}

    async def session(self, *, timeout: float = 5.0) -> XunaSession:
        """The next conversation that both sides have opened."""
        found = await self.next(timeout)
        assert isinstance(found, XunaSession)
        return found

    def routes(self) -> list[tuple[str, str, str, Handler]]:
        """The documented ones."""
        root = "/v1/convai"
        return [
            ("GET", f"{root}/conversation/get-signed-url", "signed_url", self._keyed(self._signed_url)),
            ("GET", f"{root}/conversation/token", "token", self._keyed(self._token)),
            ("GET", f"{root}/agents", "agents", self._keyed(self._agents)),
            ("GET", f"{root}/conversations", "conversations", self._keyed(self._conversations)),
            ("GET", f"{root}/conversations/{{id}}", "conversation", self._keyed(self._conversation)),
            ("DELETE", f"{root}/conversations/{{id}}", "delete", self._keyed(self._delete)),
            ("GET", f"{root}/conversations/{{id}}/audio", "audio", self._keyed(self._audio)),
            ("GET", f"{root}/conversation", "upgrade", self._upgrade),
        ]

    def _keyed(self, handler: Handler) -> Handler:
        async def guarded(request: web.Request) -> web.StreamResponse:
            if request.headers.get(self.key_header) != self.api_key:
                return refusal(401, "invalid_api_key", "Invalid API key")
            return await handler(request)

        return guarded

    def _only(self, request: web.Request, *allowed: str) -> None:
        for name in request.query:
            if name not in allowed:
                self.violation(f"{request.path}: undocumented query parameter {name!r}")

    def _agent_of(self, request: web.Request) -> XunaAgent | web.Response:
        name = request.query.get("agent_id")
        if not name:
            self.violation(f"{request.path} without agent_id")
            return refusal(422, "missing_field", "agent_id is required")
        return self.agents.get(name) or refusal(404, "not_found", "No such agent")

    # ---- credentials

    async def _signed_url(self, request: web.Request) -> web.Response:
        self._only(request, "agent_id")
        agent = self._agent_of(request)
        if isinstance(agent, web.Response):
            return agent
        token = f"sgn_{secrets.token_urlsafe(24)}"
        self.signed[token] = (agent.agent_id, time.monotonic() + self.url_lifetime)
        base = self.socket_base or f"ws://{self.host}:{self.port}"
        return web.json_response({"signed_url": f"{base}/v1/convai/conversation?token={token}"})

    async def _token(self, request: web.Request) -> web.Response:
        # the documents give the SDK's arguments, not their wire form: a JSON object as a query parameter is taken
        self._only(request, "agent_id", "dynamic_variables", "conversation_config_override")
        agent = self._agent_of(request)
        if isinstance(agent, web.Response):
            return agent
        for name in ("dynamic_variables", "conversation_config_override"):
            if name in request.query and not isinstance(json.loads(request.query[name]), dict):
                self.violation(f"{name} is not a JSON object")
        token = f"ctk_{secrets.token_urlsafe(24)}"
        self.tokens[token] = dict(request.query)
        return web.json_response({"token": token})

    # ---- the socket

    async def _upgrade(self, request: web.Request) -> web.StreamResponse:
        agent = self._admit(request)
        if isinstance(agent, web.Response):
            return agent
        session = self.session_class(self, request, agent, f"conv_{secrets.token_hex(12)}")
        self.sessions.append(session)
        self.pulse.beat()
        return await session.run()

    def _admit(self, request: web.Request) -> XunaAgent | web.Response:
        self._only(request, *self.socket_query)
        if self.key_header in request.headers:
            self.violation("the API key was sent to the socket")
        token = request.query.get("token")
        if token is None:
            agent = self._agent_of(request)
            if isinstance(agent, XunaAgent) and not agent.public:
                self.violation("a private agent was asked for without a signed URL")
                return refusal(401, "needs_authorization", "This agent needs a signed URL")
            return agent
        if token in self.tokens:
            self.violation("a conversation token (WebRTC) was used on the WebSocket")
        if token in self.used:
            self.violation("a signed URL was used twice")
        if token not in self.signed:
            return refusal(401, "invalid_token", "Unknown or used token")
        name, expires = self.signed.pop(token)
        self.used.add(token)
        if time.monotonic() > expires:
            return refusal(401, "expired_token", "The signed URL has expired")
        return self.agents[name]

    # ---- history

    def keep(self, session: XunaSession) -> None:
        """A conversation has ended: it goes into the history."""
        seconds = round(time.monotonic() - session.opened_at)
        now = int(time.time())
        meta = {
            "start_time": now - seconds,
            "end_time": now,
            "duration": seconds,
            "agent_id": session.agent.agent_id,
        }
        self.history[session.conversation_id] = {
            "conversation_id": session.conversation_id,
            "agent_id": session.agent.agent_id,
            "status": "done",
            "transcript": session.transcript,
            "audio": f"{self.url}/v1/convai/conversations/{session.conversation_id}/audio",
            "metadata": meta,
            "evaluation_results": {"solved": {"result": "success", "rationale": "The caller was helped."}},
            "collected_data": {"topic": "opening hours"},
            "_sound": sound.encode(session.heard_pcm, "pcm_16000"),
            "_ready_at": time.monotonic() + self.history_delay,
        }

    def _visible(self) -> dict[str, dict[str, Any]]:
        now = time.monotonic()
        return {k: v for k, v in self.history.items() if v["_ready_at"] <= now}

    async def _agents(self, request: web.Request) -> web.Response:
        self._only(request, "cursor", "page_size")
        found = [{"agent_id": a.agent_id, "name": a.name} for a in self.agents.values()]
        return self._page(request, "agents", found)

    async def _conversations(self, request: web.Request) -> web.Response:
        self._only(request, "agent_id", "cursor", "page_size")
        wanted = request.query.get("agent_id")
        found = [
            {k: v[k] for k in ("conversation_id", "agent_id", "status", "metadata")}
            for v in self._visible().values()
            if wanted in (None, v["agent_id"])
        ]
        return self._page(request, "conversations", found)

    def _page(self, request: web.Request, name: str, found: list[Any]) -> web.Response:
        cursor, size = request.query.get("cursor", "0"), request.query.get("page_size", str(self.page_size))
        if not cursor.isdigit() or not size.isdigit() or not 1 <= int(size) <= 100:
            self.violation(f"{request.path}: cursor {cursor!r} or page_size {size!r} is not one of ours")
            return refusal(422, "invalid_cursor", "Invalid cursor")
        end = int(cursor) + int(size)
        more = end < len(found)
        page = {name: found[int(cursor) : end], "next_cursor": str(end) if more else None, "has_more": more}
        return web.json_response(page)

    def _found(self, request: web.Request) -> dict[str, Any] | None:
        return self._visible().get(request.match_info["id"])

    async def _conversation(self, request: web.Request) -> web.Response:
        found = self._found(request)
        if found is None:
            return refusal(404, "not_found", "No such conversation")
        return web.json_response({k: v for k, v in found.items() if not k.startswith("_")})

    async def _delete(self, request: web.Request) -> web.Response:
        if self._found(request) is None:
            return refusal(404, "not_found", "No such conversation")
        del self.history[request.match_info["id"]]
        return web.json_response({})

    async def _audio(self, request: web.Request) -> web.Response:
        found = self._found(request)
        if found is None:
            return refusal(404, "not_found", "No such conversation")
        return web.Response(body=found["_sound"], content_type="audio/pcm")
