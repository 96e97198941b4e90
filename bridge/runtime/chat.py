"""One conversation by text with an agent: a question goes in, the whole answer comes out."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any, Final, Protocol

import structlog

from bridge.call import events as e
from bridge.call.ports import Agent, AgentStream, Brief, Session
from bridge.call.record import CallRecord, Status
from bridge.errors import AgentFailure, ProtocolError, Reason
from bridge.runtime.sockets import Socket, connect

OPEN_S: Final = 8.0  # session, socket and sessionOpen
REPLY_S: Final = 45.0  # the answer to one message
RELEASE_S: Final = 5.0
MAX_REPLY: Final = 8000  # characters

log = structlog.get_logger("bridge.chat")


class ChatAgent(Agent, Protocol):
    """An agent that can also chat."""

    async def create(self, brief: Brief, *, mode: Any) -> Session:
        """A fresh session. Raises AgentFailure."""
        ...


class TextSession:
    """Not shared between people. ``record`` is its account, which is not stored; ``ended`` is called once, at its end."""

    def __init__(
        self, agent: ChatAgent, brief: Brief, record: CallRecord, *, ended: Callable[[TextSession], None]
    ) -> None:
        self.record = record
        self.facts: dict[str, Any] = {}
        self.used = asyncio.get_running_loop().time()
        self._agent = agent
        self._brief = brief
        self._ended = ended
        self._session: Session | None = None
        self._stream: AgentStream | None = None
        self._socket: Socket | None = None
        self._ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._reply: asyncio.Future[str] | None = None
        self._pieces: list[str] = []
        self._turn = asyncio.Lock()
        self._began = self.used
        self._over = False
        self.dismissed = False  # the person wants no more of it

    @property
    def asking(self) -> bool:
        """An answer is waited for."""
        return self._turn.locked()

    @property
    def over(self) -> bool:
        """Nothing more can be asked here."""
        return self._over

    @property
    def leaving(self) -> bool:
        """A text is answered or not: nothing is left to be heard."""
        return self._over

    @property
    def now(self) -> float:
        """Seconds since it began."""
        return asyncio.get_running_loop().time() - self._began

    async def ask(self, text: str) -> str:
        """The agent's whole answer. Raises AgentFailure; then the session is over."""
        async with self._turn:
            self.used = asyncio.get_running_loop().time()
            try:
                if self._session is None:
                    async with asyncio.timeout(OPEN_S):
                        await self._open()
                async with asyncio.timeout(REPLY_S):
                    return await self._ask(text)
            except TimeoutError:
                self._finish(Reason.AGENT_TIMEOUT)
                raise AgentFailure("the agent did not answer in time", reason=Reason.AGENT_TIMEOUT) from None
            except AgentFailure as failure:
                self._finish(failure.reason)
                raise
            finally:
                self.used = asyncio.get_running_loop().time()

    async def _open(self) -> None:
        self._session = await self._agent.create(self._brief, mode="chat")
        self._stream = self._session.stream
        self._socket = await connect(self._session.url, self, timeout_s=OPEN_S)
        for message in self._stream.open():
            self._socket.send(message)
        await self._ready

    async def _ask(self, text: str) -> str:
        if self._over or self._socket is None or self._stream is None:
            raise AgentFailure("the session is over", reason=Reason.AGENT_LOST, retry=True)
        message = self._stream.send(e.SendText(text))
        if message is None:
            raise AgentFailure("this agent does not chat", reason=Reason.AGENT_PROTOCOL)
        self._pieces.clear()
        self._reply = asyncio.get_running_loop().create_future()
        self._socket.send(message)
        return await self._reply

    # ------------------------------------------------------------ what the socket tells

    def received(self, message: bytes) -> None:
        """A message of the agent."""
        if self._stream is None:
            return
        try:
            events: Sequence[e.Event] = self._stream.receive(message)
        except ProtocolError:
            log.info("chat_garbage", call_id=self.record.call_id)
            return
        for event in events:
            self._take(event)

    def _take(self, event: e.Event) -> None:
        match event:
            case e.AgentReady(conversation_id):
                self.record.agent_conversation_id = conversation_id
                if not self._ready.done():
                    self._ready.set_result(None)
            case e.AgentText(text):
                if sum(map(len, self._pieces)) < MAX_REPLY:
                    self._pieces.append(text)
            case e.AgentTurnComplete(_, agent_text):
                if self._reply is not None and not self._reply.done():
                    self._reply.set_result((agent_text or "".join(self._pieces)).strip()[:MAX_REPLY])
            case e.AgentExpired():
                self._finish(Reason.AGENT_IDLE)
            case e.AgentProblem():
                self._lost(Reason.AGENT_SESSION_ERROR)
            case _:
                return

    def received_binary(self, size: int) -> None:
        """Agents send text only."""

    def answered(self) -> None:
        """The library watches over pings itself."""

    def closed(self, code: int, detail: str) -> None:
        """The socket is gone."""
        self._finish(Reason.AGENT_HANGUP if code == 1000 else Reason.AGENT_LOST)

    # ------------------------------------------------------------ the end

    def handle(self, event: e.Event) -> None:
        """What a tool asks of the conversation: an end is all that there is by text."""
        if isinstance(event, e.EndRequested):
            self._finish(event.reason)

    def _lost(self, reason: Reason) -> None:
        failure = AgentFailure("the agent's session is lost", reason=reason, retry=True)
        for waiting in (self._ready, self._reply):
            if waiting is not None and not waiting.done():
                waiting.set_exception(failure)
                waiting.exception()  # nobody may be waiting

    def _finish(self, reason: Reason) -> None:
        if self._over:
            return
        self._over = True
        self.record.finish(reason, datetime.now(UTC), status=Status.COMPLETED)
        self._lost(reason)
        self._ended(self)

    async def close(self) -> None:
        """Give the agent's session back."""
        self._finish(Reason.AGENT_IDLE)
        stopped = False
        socket, self._socket = self._socket, None
        if socket is not None and self._stream is not None:
            last = self._stream.send(e.SendStop())
            if last is not None:
                socket.send(last)
                stopped = True
            socket.close(1000)
        if self._session is not None:
            session, self._session = self._session, None
            try:
                async with asyncio.timeout(RELEASE_S):
                    await self._agent.release(session, stopped=stopped)
            except TimeoutError:
                log.warning("release_slow", call_id=self.record.call_id)
