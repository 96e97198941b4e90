"""Conversations by text over all instances: each lives on one of them, and what comes to another is passed on.

The store says which: whoever gets the first message has the conversation, until nobody writes any more or the instance gives
no sign of life. Then the next message opens a new session, on the instance that it came to.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

import structlog

from bridge.call.record import CallRecord
from bridge.errors import AgentFailure, Reason, StoreUnavailable
from bridge.runtime.chat import OPEN_S, REPLY_S
from bridge.runtime.texts import Texts
from bridge.store.conversations import Conversations, Hold
from bridge.web.questions import Questions, Unanswered

TEXT: Final = "text"
LET_GO: Final = "let go"
SPARE_S: Final = 5.0  # both ways through the store
PATIENCE_S: Final = 2 * (OPEN_S + REPLY_S)  # of one message, taken over once
TOLD_S: Final = 5.0  # for an instance that may be gone to be told that it is

log = structlog.get_logger("bridge.chat")


class Conversing:
    """One for each process. ``texts``: the sessions of this instance. ``hold_s``: how long one is kept without a message."""

    def __init__(self, texts: Texts, holds: Conversations, *, hold_s: float, spawn: Callable[..., object]) -> None:
        self._texts = texts
        self._holds = holds
        self._hold_s = hold_s
        self._spawn = spawn
        self._questions: Questions | None = None
        texts.opened, texts.closed = self._opened, self._closed

    def join(self, questions: Questions) -> None:
        """Other instances can be asked from now on, and may ask."""
        self._questions = questions
        questions.kinds[TEXT] = self._asked
        questions.kinds[LET_GO] = self._let_go

    async def ask(self, key: str, agent: str, text: str, *, person: str, line: str, metadata: Mapping[str, Any]) -> str:
        """The answer to a message of the conversation ``key``, wherever it lives. Raises AgentFailure, StoreUnavailable."""

        async def here() -> dict[str, Any]:
            return {"reply": await self._texts.ask(key, agent, text, person=person, line=line, metadata=metadata)}

        question = {
            "key": key,
            "agent": agent,
            "text": text,
            "person": person,
            "line": line,
            "metadata": dict(metadata),
        }
        answer = await self.at_owner(
            key, TEXT, question, here, agent=agent, person=person, hold_s=self._hold_s, timeout_s=OPEN_S + REPLY_S
        )
        if "failure" in answer:
            raise AgentFailure("the agent did not answer", reason=Reason[answer["failure"]])
        return str(answer["reply"])

    async def at_owner(
        self,
        key: str,
        kind: str,
        question: Mapping[str, Any],
        here: Callable[[], Awaitable[dict[str, Any]]],
        *,
        agent: str,
        person: str,
        hold_s: float,
        timeout_s: float,
    ) -> dict[str, Any]:
        """``here()`` where ``key`` is ours, else what its instance answers to the question; where that one is gone meanwhile,
        ``key`` is ours. Raises AgentFailure where nobody answers, StoreUnavailable, and what ``here`` raises.
        """
        loop = asyncio.get_running_loop()
        until = loop.time() + PATIENCE_S
        while loop.time() < until:
            hold = await self._claim(key, agent=agent, person=person, hold_s=hold_s)
            if hold.instance == self._holds.instance or self._questions is None:
                return await here()
            self._texts.forget(key)  # we had it, and were taken for dead
            try:
                answer = await self._questions.ask(
                    kind, question, instance=hold.instance, timeout_s=min(timeout_s + SPARE_S, until - loop.time())
                )
            except Unanswered:
                continue
            if not answer.get("moved"):
                return answer
        raise AgentFailure("the instance that has this conversation does not answer", reason=Reason.AGENT_TIMEOUT)

    async def owns(self, key: str, *, agent: str, person: str, hold_s: float) -> bool:
        """Whether ``key`` is ours. Raises StoreUnavailable."""
        hold = await self._claim(key, agent=agent, person=person, hold_s=hold_s)
        return hold.instance == self._holds.instance

    async def agent_of(self, key: str) -> str:
        """Whom a conversation is with, "" where there is none. Raises StoreUnavailable."""
        hold = await self._holds.find(key)
        return "" if hold is None else hold.agent

    def forget(self, key: str) -> None:
        """The person wants no more of a conversation of ours."""
        self._texts.forget(key)

    async def _claim(self, key: str, *, agent: str, person: str, hold_s: float) -> Hold:
        hold = await self._holds.claim(key, agent=agent, person=person, hold_s=hold_s)
        if hold.former and self._questions is not None:
            log.info("conversation_taken_over", from_instance=hold.former)
            self._spawn(self._tell_former(hold.former, key), name="let go")
        return hold

    async def _tell_former(self, instance: str, key: str) -> None:
        """It may only have been slow: then it ends its session."""
        assert self._questions is not None
        try:
            await self._questions.ask(LET_GO, {"key": key}, instance=instance, timeout_s=TOLD_S)
        except (Unanswered, StoreUnavailable):
            return  # it is gone, and so is its session

    # ------------------------------------------------------------ asked by other instances

    async def _asked(self, args: Mapping[str, Any]) -> dict[str, Any]:
        key, agent, person = str(args["key"]), str(args["agent"]), str(args["person"])
        if not await self.owns(key, agent=agent, person=person, hold_s=self._hold_s):
            return {"moved": True}
        try:
            return {
                "reply": await self._texts.ask(
                    key, agent, str(args["text"]), person=person, line=str(args["line"]), metadata=args["metadata"]
                )
            }
        except AgentFailure as failure:
            return {"failure": failure.reason.name}

    async def _let_go(self, args: Mapping[str, Any]) -> dict[str, Any]:
        self._texts.forget(str(args["key"]))
        return {}

    # ------------------------------------------------------------ what the sessions here tell

    async def _opened(self, key: str, record: CallRecord) -> None:
        try:
            await self._holds.opened(key, record.call_id)
        except StoreUnavailable:
            log.warning("conversation_unrecorded", call_id=record.call_id)  # tools find it on this instance only

    async def _closed(self, record: CallRecord) -> None:
        try:
            await self._holds.closed(record.call_id)
        except StoreUnavailable:
            log.info("conversation_end_unrecorded", call_id=record.call_id)
