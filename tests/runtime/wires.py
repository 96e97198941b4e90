"""A session of which every socket is a stand-in: what is sent is kept, what is heard is told by the test."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from bridge.audio.formats import TELEPHONE
from bridge.call import events as e
from bridge.call.interruption import InterruptionPolicy
from bridge.call.ports import Brief, Secret, Session
from bridge.call.record import CallRecord
from bridge.errors import ProtocolError, Reason
from bridge.runtime import session as subject
from bridge.runtime.session import CallSession, Surroundings
from tests.call.stage import plan, record


class Fatal(ProtocolError):
    """After it the leg cannot go on."""

    fatal = True


class Translator:
    """Of either side. An order's message is its name; a message's events are looked up in ``knows``."""

    def __init__(self, **knows: Sequence[e.Event]) -> None:
        self.knows: dict[str, Sequence[e.Event]] = dict(knows)
        self.last: Sequence[e.Event] | None = None

    def open(self) -> list[bytes]:
        """Two greetings."""
        return [b"hello", b"how are you"]

    def receive(self, message: bytes) -> Sequence[e.Event]:
        """What the message means."""
        if message == b"fatal":
            raise Fatal("no", reason=Reason.AGENT_PROTOCOL)
        if message.decode() not in self.knows:
            raise ProtocolError("no", reason=Reason.AGENT_PROTOCOL)
        return self.knows[message.decode()]

    def send(self, order: e.Order) -> bytes | None:
        """The order's name; of context this protocol has no word."""
        return None if isinstance(order, e.SendContext) else type(order).__name__.encode()

    def closed(self, code: int, detail: str) -> Sequence[e.Event]:
        """As told."""
        return [e.AgentClosed(code, detail)] if self.last is None else self.last


class Wire:
    """A socket."""

    def __init__(self) -> None:
        self.receiver: Any = None
        self.sent: list[bytes] = []
        self.codes: list[int] = []
        self.pings = 0
        self.aborted = False

    def send(self, message: bytes) -> None:
        """Kept."""
        self.sent.append(message)

    def close(self, code: int, detail: str = "") -> None:
        """Kept."""
        self.codes.append(code)

    def ping(self) -> None:
        """Counted."""
        self.pings += 1

    def abort(self) -> None:
        """Cut."""
        self.aborted = True


class Helper:
    """An agent. ``fails``: raised instead of a session; ``hangs``: it never answers."""

    provider = "none"
    reports_interruptions = True

    def __init__(self, name: str = "support") -> None:
        self.name = name
        self.fails: Exception | None = None
        self.hangs = False
        self.stream = Translator(ready=[e.AgentReady("conv_1", TELEPHONE, TELEPHONE)])
        self.briefs: list[Brief] = []
        self.released: list[bool] = []
        self.cancelled = 0

    async def open(self, brief: Brief) -> Session:
        """A session."""
        self.briefs.append(brief)
        if self.fails is not None:
            raise self.fails
        if self.hangs:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                self.cancelled += 1
                raise
        return Session(Secret("wss://agent.example.com/?token=x"), self.stream)  # type: ignore[arg-type]

    async def release(self, session: Session, *, stopped: bool) -> None:
        """Kept."""
        self.released.append(stopped)

    async def check(self) -> str:
        """Well."""
        return "well"

    async def close(self) -> None:
        """Nothing to close."""


class Bench:
    """A call, its agents and their sockets. ``connects``: what happens when a socket to an agent is opened."""

    def __init__(
        self,
        monkeypatch: Any,
        *agents: Helper,
        resume_message: str = "Where were we?",
        returned_message: str = "",
        happened: str = "",
        **planned: Any,
    ) -> None:
        self.agents = agents or (Helper(),)
        self.wires: list[Wire] = []
        self.saved: list[CallRecord] = []
        self.closings: list[e.ClosePhone] = []
        self.tools: list[e.RunTool] = []
        self.connects: Callable[[Wire], None] = lambda wire: None
        monkeypatch.setattr(subject, "connect", self._connect)
        self.around = Surroundings(
            agents={agent.name: agent for agent in self.agents},
            saved=self.saved.append,
            closing=lambda session, order: self.closings.append(order),
            run_tool=lambda session, order: self.tools.append(order),
            resume_message=resume_message,
            returned_message=returned_message,
        )
        account = record()
        if happened:
            account.add_event(happened, 1000)
        self.session = CallSession(
            account,
            plan(tuple(agent.name for agent in self.agents), **planned),
            InterruptionPolicy(),
            self.around,
            variables={"plan": "gold"},
            brief_overrides={"first_message": "Hi.", "language": "de"},
        )
        self.phone = Wire()
        self.phone_stream = Translator()
        self.task: asyncio.Task[None] | None = None

    async def _connect(self, url: Secret, receiver: Any, *, timeout_s: float) -> Wire:
        wire = Wire()
        wire.receiver = receiver
        self.wires.append(wire)
        self.connects(wire)
        return wire

    async def begin(self) -> CallSession:
        """The call runs."""
        self.task = asyncio.create_task(self.session.run())
        await self.session.started.wait()
        return self.session

    def attach(self) -> Wire:
        """The phone's stream is there."""
        opened = e.PhoneOpened("MZ1", "CA" + "0" * 32, "AC" + "0" * 32, TELEPHONE, {})
        self.session.attach_phone(self.phone, self.phone_stream, opened)  # type: ignore[arg-type]
        return self.phone

    async def connected(self) -> CallSession:
        """Both legs are open."""
        await self.begin()
        self.attach()
        await until(lambda: bool(self.wires) and bool(self.wires[0].sent))
        self.wires[0].receiver.received(b"ready")
        return self.session

    async def over(self) -> CallRecord:
        """The call's task has returned."""
        assert self.task is not None
        async with asyncio.timeout(2):
            await self.task
        return self.session.record


async def until(true: Callable[[], bool]) -> None:
    """Let the loop turn; what is waited for has no event of its own."""
    async with asyncio.timeout(2):
        while not true():
            await asyncio.sleep(0)
