"""All conversations by text of this instance: one for each person and line, ended when nobody writes any more."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

import structlog

from bridge.call.ports import Brief
from bridge.call.record import CallRecord, Direction, Status
from bridge.errors import AgentFailure, Reason
from bridge.runtime.chat import ChatAgent, TextSession

SWEEP_S: Final = 5.0

log = structlog.get_logger("bridge.chat")


class Texts:
    """``agents`` may be filled later. ``run`` belongs to a TaskGroup; ``changed`` is told when one begins and when it ends."""

    def __init__(
        self,
        agents: Mapping[str, Any],
        *,
        idle_s: float,
        max_sessions: int,
        changed: Callable[[CallRecord], None] = lambda record: None,
    ) -> None:
        self._agents = agents
        self._idle_s = idle_s
        self._max = max_sessions
        self._changed = changed
        self.opened: Callable[[str, CallRecord], Awaitable[None]] | None = None  # waited for before the first message
        self.closed: Callable[[CallRecord], Awaitable[None]] | None = None
        self._recorded: set[str] = set()  # call ids of which ``opened`` was told, and ``closed`` was not yet
        self._shut = False
        self._sessions: dict[str, TextSession] = {}
        self._leaving: list[TextSession] = []
        self._wake = asyncio.Event()

    @property
    def sessions(self) -> list[TextSession]:
        """Those that go on."""
        return [session for session in self._sessions.values() if not session.over]

    async def ask(self, key: str, agent: str, text: str, *, person: str, line: str, metadata: Mapping[str, Any]) -> str:
        """The answer to a message of the conversation ``key``, which is opened where there is none. Raises AgentFailure."""
        session = self._sessions.get(key)
        fresh = session is None or session.over
        if session is None or session.over:
            session = await self._fresh(key, agent, person=person, line=line, metadata=metadata)
        try:
            return await session.ask(text)
        except AgentFailure as failure:
            if fresh or session.dismissed or not failure.retry:
                raise
        # It was lost between two messages: the person should not have to write again.
        session = await self._fresh(key, agent, person=person, line=line, metadata=metadata)
        return await session.ask(text)

    async def _fresh(self, key: str, agent: str, **facts: Any) -> TextSession:
        session = self._sessions.get(key)
        if session is not None and not session.over:  # another message was quicker
            return session
        session = self._open(key, agent, **facts)
        if self.opened is not None:
            self._recorded.add(session.record.call_id)
            await self.opened(key, session.record)
        return session

    def chats(self, agent: str) -> bool:
        """Whether there is an agent of this name whose provider knows text."""
        return hasattr(self._agents.get(agent), "create")

    def _open(self, key: str, agent: str, *, person: str, line: str, metadata: Mapping[str, Any]) -> TextSession:
        found: ChatAgent | None = self._agents.get(agent)
        if found is None or not self.chats(agent):
            raise AgentFailure("this agent does not chat", reason=Reason.AGENT_NOT_FOUND)
        if self._shut or len(self._sessions) >= self._max:
            raise AgentFailure("too many conversations at once", reason=Reason.OVERLOADED)
        record = CallRecord(
            call_id="text_" + secrets.token_hex(12),
            direction=Direction.INBOUND,
            from_number=person,
            to_number=line,
            line=line,
            agent=agent,
            created_at=datetime.now(UTC),
            status=Status.IN_PROGRESS,
        )
        brief = Brief(record.call_id, "", str(record.direction), person, line, variables=dict(metadata))
        session = TextSession(found, brief, record, ended=self._ended)
        self._sessions[key] = session
        self._changed(record)
        return session

    def _ended(self, session: TextSession) -> None:
        for key, each in list(self._sessions.items()):
            if each is session:
                del self._sessions[key]
        self._leaving.append(session)
        self._changed(session.record)
        self._wake.set()

    def forget(self, key: str) -> None:
        """The person wants no more of it."""
        session = self._sessions.get(key)
        if session is not None:
            session.dismissed = True
            self._ended(session)

    async def run(self) -> None:
        """End what nobody uses, until cancelled; then everything."""
        try:
            while True:
                self._wake.clear()
                await self._sweep()
                try:
                    async with asyncio.timeout(min(SWEEP_S, self._idle_s / 2)):
                        await self._wake.wait()
                except TimeoutError:
                    continue
        finally:
            await self.close()

    async def close(self) -> None:
        """End everything, and open nothing more."""
        self._shut = True
        self._leaving += self._sessions.values()
        await self._part()

    async def _sweep(self) -> None:
        now = asyncio.get_running_loop().time()
        idle = [each for each in self._sessions.values() if not each.asking and now - each.used >= self._idle_s]
        self._leaving += idle
        await self._part()

    async def _part(self) -> None:
        while self._leaving:  # an end may bring another one
            leaving, self._leaving = self._leaving, []
            await asyncio.gather(*(self._end(session) for session in dict.fromkeys(leaving)))

    async def _end(self, session: TextSession) -> None:
        if self.closed is not None and session.record.call_id in self._recorded:
            self._recorded.discard(session.record.call_id)
            await self.closed(session.record)
        await session.close()
