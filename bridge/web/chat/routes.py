"""``/chat/widget.js``, ``/chat/messages`` and ``/chat/call``: what a visitor's browser may ask, and nothing more.

The agent's key stays here. A browser is let in by the origin of its page; a conversation by an id that only it was given.
"""

from __future__ import annotations

import secrets
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from typing import Any, Final

import msgspec
import structlog
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from bridge.errors import AgentFailure, BridgeError, Reason, StoreUnavailable
from bridge.web.bodies import BodyTooLarge, read_body
from bridge.web.chat.limits import Hourly
from bridge.web.conversing import Conversing
from bridge.web.problems import problem
from bridge.web.proxies import Proxies

MAX_BODY: Final = 16 * 1024
MAX_TEXT: Final = 4000  # characters of one message
MAX_NAME: Final = 100  # characters of a conversation's id
MAX_CONVERSATIONS: Final = 20_000
CALLS_PER_ADDRESS: Final = 3  # in an hour
CALLS_PER_NUMBER: Final = 1
WIDGET_AGE_S: Final = 300

log = structlog.get_logger("bridge.chat")

CallMe = Callable[[str, str, str], Awaitable[str]]  # (number, agent, conversation) -> call id; raises BridgeError


class Said(msgspec.Struct, forbid_unknown_fields=True):
    """A visitor's message. ``conversation_id`` as it was given, none for the first."""

    agent: str
    text: str
    conversation_id: str = ""


class CallAsked(msgspec.Struct, forbid_unknown_fields=True):
    """A visitor wants to be called."""

    conversation_id: str
    number: str


@dataclass(frozen=True, slots=True)
class ChatRules:
    """``origins``: of the pages that may embed the widget. ``call_me`` None: nobody is called."""

    agents: Sequence[str]
    origins: frozenset[str]
    per_hour: int
    call_me: CallMe | None = None
    ids: Mapping[str, str] = field(default_factory=dict)  # what agents are called by their own provider -> agent


class Refusal(Exception):
    """The request is answered with an error."""

    def __init__(self, status: int, detail: str, remedy: str = "") -> None:
        super().__init__(detail)
        self.status = status
        self.remedy = remedy


class ChatRoutes:
    """One for each process."""

    def __init__(self, rules: ChatRules, texts: Conversing, proxies: Proxies) -> None:
        self._rules = rules
        self._texts = texts
        self._proxies = proxies
        self._messages = Hourly(rules.per_hour)
        self._openings = Hourly(rules.per_hour)
        self._calls = Hourly(CALLS_PER_ADDRESS)
        self._numbers = Hourly(CALLS_PER_NUMBER)
        self._known: OrderedDict[str, str] = OrderedDict()  # conversation id -> agent
        self._called: OrderedDict[str, bool] = OrderedDict()

    def routes(self) -> list[BaseRoute]:
        """None where no agent may be talked to."""
        if not self._rules.agents:
            return []
        return [
            Route("/chat/widget.js", self._widget, methods=["GET"]),
            Route("/chat/messages", self._guarded(self._message), methods=["POST", "OPTIONS"]),
            Route("/chat/call", self._guarded(self._call), methods=["POST", "OPTIONS"]),
        ]

    async def _widget(self, request: Request) -> Response:
        script = files("bridge.web.chat").joinpath("widget.js").read_bytes()
        headers = {
            "Cache-Control": f"public, max-age={WIDGET_AGE_S}",
            "X-Content-Type-Options": "nosniff",
            "Cross-Origin-Resource-Policy": "cross-origin",
        }
        return Response(script, media_type="text/javascript; charset=utf-8", headers=headers)

    def _guarded(
        self, handler: Callable[[Request], Awaitable[dict[str, Any]]]
    ) -> Callable[[Request], Awaitable[Response]]:
        async def endpoint(request: Request) -> Response:
            origin = request.headers.get("origin", "")
            if origin not in self._rules.origins:
                return problem(403, "This page may not embed the chat.", remedy="Add its origin to [chat] origins.")
            allowed = {
                "Access-Control-Allow-Origin": origin,
                "Access-Control-Allow-Methods": "POST",
                "Access-Control-Allow-Headers": "content-type",
                "Access-Control-Max-Age": "600",
                "Vary": "Origin",
                "Cache-Control": "no-store",
            }
            if request.method == "OPTIONS":
                return Response(status_code=204, headers=allowed)
            try:
                return JSONResponse(await handler(request), headers=allowed)
            except Refusal as refusal:
                return problem(refusal.status, str(refusal), remedy=refusal.remedy, headers=allowed)

        return endpoint

    async def _body(self, request: Request, wanted: type[Any]) -> Any:
        # JSON only: a form could be sent by any page without asking the browser first.
        if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
            raise Refusal(415, "Send JSON.")
        try:
            return msgspec.json.decode(await read_body(request, MAX_BODY), type=wanted)
        except BodyTooLarge:
            raise Refusal(413, "That is too long.") from None
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            raise Refusal(400, "The request cannot be understood.") from None

    async def _message(self, request: Request) -> dict[str, Any]:
        said: Said = await self._body(request, Said)
        text = said.text.strip()
        agent = self._rules.ids.get(said.agent, said.agent)
        if agent not in self._rules.agents:
            raise Refusal(404, "There is no such assistant.", "Name one of [chat] agents in data-assistant-id.")
        if not text or len(text) > MAX_TEXT:
            raise Refusal(422, f"A message has 1 to {MAX_TEXT} characters.")
        name = said.conversation_id
        if await self._agent_of(name) != agent:
            # Also one that was forgotten: whoever brings it goes on in a new conversation.
            if not self._openings.admit(self._proxies.client(request)):
                raise Refusal(429, "Too many conversations. Please try again later.")
            name = secrets.token_urlsafe(24)
        self._known[name] = agent
        if not self._messages.admit(name):
            raise Refusal(429, "Too many messages. Please try again later.")
        self._known.move_to_end(name)
        while len(self._known) > MAX_CONVERSATIONS:
            self._known.popitem(last=False)
        reply = await ask(self._texts, f"web:{name}", agent, text)
        return {"conversation_id": name, "reply": reply, "call_me": self._rules.call_me is not None}

    async def _agent_of(self, name: str) -> str:
        """Of a conversation that this or another instance has given the id of; "" for none."""
        if not name or len(name) > MAX_NAME:
            return ""
        try:
            return self._known.get(name) or await self._texts.agent_of(f"web:{name}")
        except StoreUnavailable:
            raise Refusal(503, "The assistant cannot answer just now. Please try again later.") from None

    async def _call(self, request: Request) -> dict[str, Any]:
        asked: CallAsked = await self._body(request, CallAsked)
        agent = await self._agent_of(asked.conversation_id)
        if self._rules.call_me is None or not agent:
            raise Refusal(404, "There is no conversation to call from.")
        if asked.conversation_id in self._called:
            raise Refusal(409, "You are being called already.")
        if not self._calls.admit(self._proxies.client(request)) or not self._numbers.admit(asked.number):
            raise Refusal(429, "Too many calls. Please try again later.")
        try:
            call_id = await self._rules.call_me(asked.number, agent, asked.conversation_id)
        except BridgeError as error:
            log.warning("call_me_refused", error=type(error).__name__)
            raise Refusal(422, "This number cannot be called.", "Write it with + and the country code.") from None
        self._called[asked.conversation_id] = True
        while len(self._called) > MAX_CONVERSATIONS:
            self._called.popitem(last=False)
        return {"call_id": call_id, "status": "queued"}


async def ask(texts: Conversing, key: str, agent: str, text: str) -> str:
    """The answer of an agent. Raises Refusal."""
    try:
        return await texts.ask(key, agent, text, person="", line="", metadata={"channel": "web"})
    except StoreUnavailable:
        raise Refusal(503, "The assistant cannot answer just now. Please try again later.") from None
    except AgentFailure as failure:
        log.warning("chat_unanswered", agent=agent, reason=failure.reason, hint=failure.hint)
        crowded = failure.reason in (Reason.OVERLOADED, Reason.AGENT_BUSY)
        raise Refusal(
            503 if crowded else 502, "The assistant cannot answer just now. Please try again later."
        ) from None
