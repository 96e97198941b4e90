"""Text: SMS to our lines, chat over the API and in the widget, and calls that a tool or a visitor asks for."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec
from starlette.responses import Response
from starlette.routing import BaseRoute

from bridge import settings as config
from bridge.assembly.engine import policy_of
from bridge.assembly.operations import Operations
from bridge.call.plan import Line
from bridge.call.ports import Agent
from bridge.call.record import CallRecord
from bridge.carriers.twilio.rest import TwilioRest
from bridge.carriers.twilio.webhooks import InboundMessage
from bridge.outbound.placing import Placing, new_call_id
from bridge.outbound.wanted import Wanted
from bridge.runtime.chores import Chore
from bridge.runtime.switchboard import Switchboard
from bridge.runtime.texts import Texts
from bridge.store.attempts import Attempts
from bridge.store.calls import Calls
from bridge.store.conversations import Conversations
from bridge.store.database import Database
from bridge.store.suppression import Suppressions
from bridge.tools.asking import LiveCall
from bridge.tools.events import Announcer
from bridge.web.api.endpoint import Asked, Endpoint, Refused, answer
from bridge.web.chat.routes import ChatRoutes, ChatRules, Refusal, ask
from bridge.web.conversing import Conversing
from bridge.web.proxies import Proxies
from bridge.web.texting import Means, Texting

MESSAGE: Final = "message"  # a question of another instance: this person is ours, answer them
MESSAGE_S: Final = 5.0  # to take it, not to answer it
PERSON_S: Final = 3600.0  # as long as the loop guard counts
HOLD_S: Final = 60.0  # longer than a session: nobody else opens one beside it
FORGET_S: Final = 3600.0
KEPT: Final = timedelta(days=1)  # a visitor who comes back goes on under the same id


class ChatAsked(msgspec.Struct, forbid_unknown_fields=True):
    """``POST /api/v1/chat``. The same ``conversation_id`` goes on with the same conversation."""

    agent: str
    message: str
    conversation_id: str = ""


@dataclass(frozen=True, slots=True)
class TextParts:
    """What the process has already."""

    settings: config.Settings
    lines: Mapping[str, Line]
    agents: Mapping[str, Agent]
    database: Database
    calls: Calls
    rest: TwilioRest
    switchboard: Switchboard
    instance: str
    announcer: Announcer


class TextWing:
    """One for each process."""

    def __init__(self, parts: TextParts, *, changed: Callable[[CallRecord], None]) -> None:
        self._parts = parts
        settings = parts.settings
        chat = settings.chat
        self.texts = Texts(parts.agents, idle_s=chat.idle_s, max_sessions=chat.max_sessions, changed=changed)
        self._text_agents = text_agents(settings)
        self._holds = Conversations(parts.database, parts.instance)
        self.conversing = Conversing(
            self.texts,
            self._holds,
            hold_s=chat.idle_s + HOLD_S,
            spawn=parts.switchboard.spawn,
        )
        self._policy = policy_of(settings, parts.lines)
        self._placing = Placing(
            policy=self._policy,
            calls=parts.calls,
            attempts=Attempts(parts.database),
            draining=lambda: parts.switchboard.draining,
        )
        self.texting = Texting(
            Means(
                texts=self.conversing,
                agents=self._text_agents,
                lines=lambda: parts.lines,
                suppressed=Suppressions(parts.database),
                send=parts.rest.send_message,
                tell=parts.announcer.tell,
                spawn=parts.switchboard.spawn,
                elsewhere=self._answered_elsewhere,
                help_text=chat.help_text,
                per_hour=chat.messages_per_hour,
                prefixes=chat.text_prefixes,
            )
        )
        public = urlsplit(settings.public_url or "")
        self._chat = ChatRoutes(
            ChatRules(
                agents=chat.agents,
                origins=frozenset({*(each.rstrip("/") for each in chat.origins), f"{public.scheme}://{public.netloc}"}),
                per_hour=chat.messages_per_hour,
                call_me=self.call_me if chat.call_from else None,
                ids={
                    str(agent.assistant_id): name
                    for name, agent in settings.agents.items()
                    if isinstance(agent, config.KuraAgent) and name in chat.agents
                },
            ),
            self.conversing,
            Proxies(settings.server.trusted_proxies),
        )

    def prepare(self, settings: config.Settings) -> Callable[[], None]:
        """What changes when the configuration is read again, made ready."""

        def commit() -> None:
            self._text_agents.clear()
            self._text_agents.update(text_agents(settings))
            self._policy.become(policy_of(settings, self._parts.lines))

        return commit

    def routes(self) -> list[BaseRoute]:
        """What visitors reach."""
        return self._chat.routes()

    def join(self, operations: Operations) -> None:
        """What apps with an operator's key reach."""
        self.conversing.join(operations.questions)
        operations.questions.kinds[MESSAGE] = self._message
        operations.chores.add(Chore("conversations", FORGET_S, self._forget))
        operations.api.add(Endpoint("POST", "/chat", self._asked, role="operator", body=ChatAsked))

    async def close(self) -> None:
        """End every conversation here, so that others may have them."""
        await self.texts.close()

    async def _forget(self) -> None:
        await self._holds.purge(after=KEPT)

    # ------------------------------------------------------------ a person's messages are judged by one instance

    async def _answered_elsewhere(self, message: InboundMessage) -> bool:
        """Another instance has this person, with all that it remembers of them, and answers."""

        async def here() -> dict[str, Any]:
            return {"here": True}

        answer = await self.conversing.at_owner(
            _person(message),
            MESSAGE,
            dataclasses.asdict(message),
            here,
            agent="",
            person=message.sender,
            hold_s=PERSON_S,
            timeout_s=MESSAGE_S,
        )
        return "here" not in answer

    async def _message(self, args: Mapping[str, Any]) -> dict[str, Any]:
        message = InboundMessage(**args)
        if not await self.conversing.owns(_person(message), agent="", person=message.sender, hold_s=PERSON_S):
            return {"moved": True}
        self.texting.take(message)
        return {}

    # ------------------------------------------------------------ asked by apps and visitors

    async def _asked(self, asked: Asked) -> Response:
        body: ChatAsked = asked.body
        name = body.conversation_id or new_call_id().replace("call_", "chat_")
        if len(name) > 100 or not 0 < len(body.message.strip()) <= 4000:
            raise Refused(422, "The message has 1 to 4000 characters, a conversation_id at most 100.")
        if not self.texts.chats(body.agent):
            raise Refused(404, "There is no agent of this name that chats.", "Name one of [agents.*] of provider kura.")
        key = f"api:{asked.visitor.name}:{body.agent}:{name}"
        try:
            reply = await ask(self.conversing, key, body.agent, body.message)
        except Refusal as refusal:
            raise Refused(refusal.status, str(refusal)) from None
        return answer(200, {"conversation_id": name, "reply": reply})

    async def call_me(self, number: str, agent: str, conversation: str) -> str:
        """Call a visitor, once for a conversation, from the line that is configured for it. Raises BridgeError."""
        line = self._parts.settings.chat.call_from or ""
        # The same conversation is the same call: of two instances that are asked at once, one dials.
        call_id = new_call_id(f"chat\n{conversation}")
        return await self._place(number, line, agent="", variables={"chat_agent": agent}, call_id=call_id)

    async def call_back(self, session: LiveCall, at: datetime, note: str) -> bool:
        """Call the person of a call again. Raises BridgeError."""
        record = session.record
        await self._place(
            record.person, record.line, agent=record.agent, variables={"callback_note": note} if note else {}, at=at
        )
        return True

    async def _place(
        self,
        to: str,
        from_: str,
        *,
        agent: str,
        variables: Mapping[str, Any],
        at: datetime | None = None,
        call_id: str = "",
    ) -> str:
        line = self._policy.caller(from_)
        wanted = Wanted(
            to=self._policy.destinations.check(to),
            from_=from_,
            agent=agent or line.agents[0],
            line=from_,
            variables=variables,
            machine_detection="off" if self._policy.machine_detection == "off" else "detect",  # no message to leave
            max_duration_s=self._policy.max_duration_s,
            not_before=at,
        )
        return (await self._placing.place(wanted, call_id=call_id or new_call_id())).call_id


def _person(message: InboundMessage) -> str:
    return f"person:{message.sender}"


def text_agents(settings: config.Settings) -> dict[str, str]:
    """Who answers texts to each of our numbers."""
    return {line.number: line.text_agent for line in settings.lines if line.text_agent}
