"""Text messages to our lines: answered by the line's text agent, with STOP and HELP honoured and loops broken."""

from __future__ import annotations

import asyncio
import re
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Protocol

import structlog

from bridge.carriers.twilio.portions import MAX_BODY
from bridge.carriers.twilio.webhooks.requests import InboundMessage
from bridge.errors import AgentFailure, CarrierFailure, StoreUnavailable
from bridge.outbound.numbers import may_text
from bridge.runtime.loopguard import LoopGuard
from bridge.web.conversing import Conversing

STOP: Final = frozenset({"stop", "stopall", "unsubscribe", "cancel", "end", "quit", "revoke", "optout"})  # CTIA
START: Final = frozenset({"start", "yes", "unstop"})
HELP: Final = frozenset({"help", "info"})
OPTED_OUT: Final = 21610  # Twilio: the recipient has replied STOP
TROUBLE: Final = "Sorry, we cannot answer just now. Please try again later."
STOP_AGAIN_S: Final = (1.0, 5.0, 30.0, *(60.0,) * 60)  # between attempts to put a STOP on the list
MAX_ANSWER: Final = 5 * MAX_BODY  # characters: an agent that does not end costs no more messages than that
MAX_REMEMBERED: Final = 5000
_PERSON: Final = re.compile(r"\+[1-9][0-9]{6,14}")  # not a short code, which is a machine

log = structlog.get_logger("bridge.texting")


class Suppressed(Protocol):
    """Who wants nothing of us (``store.suppression.Suppressions``)."""

    async def add(self, numbers: Any, *, source: str, note: str = "", now: datetime) -> int:
        """Put on the list."""
        ...

    async def has(self, number: str) -> bool:
        """On it?"""
        ...

    async def remove(self, number: str) -> bool:
        """Take off it."""
        ...


@dataclass(frozen=True, slots=True)
class Means:
    """What texting works with. ``agents``: the text agent of each of our numbers; ``lines``: all of them."""

    texts: Conversing
    agents: Mapping[str, str]
    lines: Callable[[], Mapping[str, object]]
    suppressed: Suppressed
    send: Callable[..., Awaitable[object]]  # (to, from_, body=)
    tell: Callable[..., Awaitable[None]]  # an event
    spawn: Callable[..., object]
    elsewhere: Callable[
        [InboundMessage], Awaitable[bool]
    ]  # another instance has this person and answers; raises BridgeError
    help_text: str
    per_hour: int
    prefixes: Sequence[str] = ()  # of numbers that are answered, see outbound.numbers.may_text


class Texting:
    """``received`` is the carrier's hook: it returns at once, the answer goes out by itself."""

    def __init__(self, means: Means, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.guard = LoopGuard(means.per_hour)
        self._means = means
        self._clock = clock
        self._stopped: OrderedDict[str, bool] = OrderedDict()  # not on the list yet
        self._seen: OrderedDict[str, bool] = OrderedDict()
        self._turns: OrderedDict[str, asyncio.Lock] = OrderedDict()

    async def received(self, message: object) -> None:
        """A message came in."""
        assert isinstance(message, InboundMessage)
        self._means.spawn(self._pass_on(message), name="text message")

    async def _pass_on(self, message: InboundMessage) -> None:
        """To the instance that has the person, which remembers what was said: this one, or another."""
        try:
            if await self._means.elsewhere(message):
                return
        except (AgentFailure, StoreUnavailable) as error:
            log.warning("text_owner_unknown", error=type(error).__name__)
        self.take(message)

    def take(self, message: InboundMessage) -> None:
        """Answer a message here; the same one again is ignored."""
        if message.message_sid in self._seen:
            return
        self._seen[message.message_sid] = True
        while len(self._seen) > MAX_REMEMBERED:
            self._seen.popitem(last=False)
        self._means.spawn(self.answer(message), name="text message")

    async def answer(self, message: InboundMessage) -> None:
        """Tell of it, then reply where a reply is due."""
        person, line = message.sender, message.receiver
        try:
            async with self._turn(person):  # a STOP must not be overtaken by what was written after it
                agent, words = await self._judge(message)
            if agent:
                words = await self._ask(agent, person, line, message.body)
                if await self._wants_no_more(person):  # said while the agent was at work
                    return
        except StoreUnavailable:
            log.warning("text_unanswered", reason="store_unavailable")  # nobody can tell whether they want an answer
            return
        await self._reply(person, line, words)

    def _turn(self, person: str) -> asyncio.Lock:
        turn = self._turns.setdefault(person, asyncio.Lock())
        self._turns.move_to_end(person)
        while len(self._turns) > MAX_REMEMBERED:
            self._turns.popitem(last=False)
        return turn

    async def _judge(self, message: InboundMessage) -> tuple[str, str]:
        """The agent that is to answer, or the words; both "" where nothing is due."""
        means = self._means
        person, line = message.sender, message.receiver
        data = {"from": person, "to": line, "text": message.body, "message_id": message.message_sid}
        try:
            await means.tell("message.received", data, lane=message.message_sid, identity=message.message_sid)
        except StoreUnavailable:
            log.warning("event_lost", kind="message.received")
        word = re.sub(r"[^a-z]", "", message.body.lower())
        if not _PERSON.fullmatch(person) or person in means.lines():
            log.info("text_ignored", why="not_a_person")
            return "", ""
        if word in STOP or message.opt_out == "STOP":
            means.texts.forget(_key(person, line))
            await self._stop(person)
            return "", ""  # the carrier confirms a STOP itself, and lets no answer of ours pass
        if await self._wants_no_more(person):
            if word in START or message.opt_out == "START":
                self._stopped.pop(person, None)
                await means.suppressed.remove(person)
            return "", ""
        if not may_text(person, line, means.prefixes):
            log.warning("text_ignored", why="foreign")
            return "", ""
        if not self.guard.admit(person, message.body, self._clock()):
            log.warning("text_ignored", why="too_many")
            return "", ""
        if word in HELP or message.opt_out == "HELP":
            return "", "" if message.opt_out else means.help_text
        agent = means.agents.get(line) or means.agents.get("*") or ""
        return (agent, "") if message.body.strip() else ("", "")

    async def _ask(self, agent: str, person: str, line: str, text: str) -> str:
        try:
            return await self._means.texts.ask(
                _key(person, line), agent, text[:MAX_BODY], person=person, line=line, metadata={"channel": "sms"}
            )
        except AgentFailure as failure:
            log.warning("text_unanswered", agent=agent, reason=failure.reason, hint=failure.hint)
            return TROUBLE
        except StoreUnavailable:
            log.warning("text_unanswered", agent=agent, reason="store_unavailable")
            return TROUBLE

    async def _wants_no_more(self, person: str) -> bool:
        return person in self._stopped or await self._means.suppressed.has(person)

    async def _stop(self, person: str) -> None:
        """For good. Where the store is away it is remembered here, and put on the list when the store is back."""
        try:
            await self._means.suppressed.add([person], source="sms", now=datetime.now(UTC))
        except StoreUnavailable:
            log.warning("stop_not_kept_yet")
            self._stopped[person] = True
            while len(self._stopped) > MAX_REMEMBERED:
                self._stopped.popitem(last=False)
            self._means.spawn(self._stop_later(person), name="stop")

    async def _stop_later(self, person: str) -> None:
        for seconds in STOP_AGAIN_S:
            await asyncio.sleep(seconds)
            if person not in self._stopped:
                return  # START came meanwhile
            try:
                await self._means.suppressed.add([person], source="sms", now=datetime.now(UTC))
            except StoreUnavailable:
                continue
            self._stopped.pop(person, None)
            return
        log.error("stop_lost")  # the carrier itself lets nothing of ours pass to them

    async def _reply(self, person: str, line: str, body: str) -> None:
        if not body:
            return
        if len(body) > MAX_ANSWER:
            log.warning("text_cut", characters=len(body))
        self.guard.replied(person, body, self._clock())
        try:
            await self._means.send(person, line, body=body[:MAX_ANSWER])
        except CarrierFailure as failure:
            log.warning("text_not_sent", code=failure.code)
            if failure.code == OPTED_OUT:
                await self._means.suppressed.add([person], source="sms", now=datetime.now(UTC))


def _key(person: str, line: str) -> str:
    return f"sms:{person}:{line}"
