"""One call from offer to end. START READING HERE.

A session owns everything of one call that runs: the two sockets, the timers, the tasks that fetch and release agents.
It decides nothing. What happens is told to the CallMachine, and what the machine orders is done::

    phone socket -> carrier stream.receive -> machine (converts, decides) -> agent stream.send   -> agent socket
    agent socket -> agent stream.receive   -> machine (converts, decides) -> carrier stream.send -> phone socket

Everything but connecting is synchronous: a frame goes from one socket to the other within one callback, with no task,
queue or lock between.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Final

import structlog

from bridge.call import events as e
from bridge.call.interruption import InterruptionPolicy
from bridge.call.machine import CallMachine
from bridge.call.plan import CallPlan
from bridge.call.ports import Agent, Brief, PhoneStream, Session
from bridge.call.record import CallRecord
from bridge.call.state import Leg
from bridge.errors import AgentFailure, Reason
from bridge.runtime.moment import Moment
from bridge.runtime.receivers import AgentLink, AgentReceiver, PhoneReceiver
from bridge.runtime.sockets import Socket, connect

RELEASE_S: Final = 5.0  # giving back an agent's session may take this long after the end
PROBE_S: Final = 5.0  # the carrier must answer a ping within this time
MAX_TRANSCRIPT: Final = 8000  # characters of what was said, told to a successor
CONNECT_S: Final = 30.0  # the machine's own timer is shorter; this one holds if it were not

log = structlog.get_logger("bridge.session")


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a session needs of the house. ``saved`` and ``closing`` are called in the event loop and never block."""

    agents: Mapping[str, Agent]
    saved: Callable[[CallRecord], None]  # the record has changed
    closing: Callable[
        [CallSession, e.ClosePhone], None
    ]  # the phone's stream was closed: see to it that the line is, too
    run_tool: Callable[[CallSession, e.RunTool], None]
    resume_message: str = "Sorry, I was gone for a moment. Please go on."  # a successor's first; "": its own
    returned_message: str = ""  # where nobody has taken a transfer; "": as a successor's


class CallSession:
    """One call. Made by the switchboard, which awaits ``run``."""

    def __init__(
        self,
        record: CallRecord,
        plan: CallPlan,
        policy: InterruptionPolicy,
        surroundings: Surroundings,
        *,
        variables: Mapping[str, str | int | float | bool],
        brief_overrides: Mapping[str, str] | None = None,
        age_s: float = 0.0,
    ) -> None:
        self.machine = CallMachine(plan, record, policy)
        self.plan = plan
        self.started = Moment()
        self.ended = Moment()
        self.phone_socket: Socket | None = None
        self.awaited: tuple[str, float] | None = None  # grant and patience of the stream that the carrier was asked for
        self.facts: dict[str, Any] = {}  # what the front door keeps about the call: grants, answers given
        self._phone_stream: PhoneStream | None = None
        self._variables = dict(variables)
        self._overrides = dict(brief_overrides or {})
        self._surroundings = surroundings
        # Until an agent was there: one that is fetched later has nothing to do with it.
        self._returned = bool(record.events) and record.events[-1]["type"] == "transfer_failed"
        self.link: AgentLink | None = None  # the one that has the call
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._decide = self.machine.handle
        self._loop = asyncio.get_running_loop()
        self._time = self._loop.time
        self._t0 = self._loop.time() - age_s
        self._group: asyncio.TaskGroup | None = None
        self._probe: asyncio.TimerHandle | None = None

    @property
    def record(self) -> CallRecord:
        """The account of the call."""
        return self.machine.record

    @property
    def now(self) -> float:
        """Seconds since the offer, on the monotonic clock."""
        return self._loop.time() - self._t0

    @property
    def levels(self) -> tuple[float, float]:
        """How loud caller and agent are: mean amplitude, 0 to 32124. The caller's loudest since this was last asked."""
        return self.machine.call.levels(self.now)

    @property
    def streaming(self) -> bool:
        """Its stream is here: the carrier's, and not one that was lost or is being replaced."""
        return self.machine.call.phone is Leg.OPEN

    @property
    def leaving(self) -> bool:
        """It is decided how the call ends, or whom it goes to; what is queued is still heard."""
        return self.machine.call.leaving is not None

    async def run(self) -> None:
        """The whole life of the call: returns when both legs are closed and the agent's session is given back."""
        async with asyncio.TaskGroup() as group:
            self._group = group
            try:
                self._do(self.machine.start(self.now))
                self.started.set()
                await self.ended.wait()
            except asyncio.CancelledError:
                self._group = None
                raise
            finally:
                for timer in self._timers.values():
                    timer.cancel()
                self._timers.clear()
        self._group = None

    def handle(self, event: e.Event) -> None:
        """Something happened: let the machine decide and do what it orders."""
        try:
            perform = self._PERFORM
            for order in self._decide(event, self._time() - self._t0):
                perform[type(order)](self, order)
        except Exception:
            # Our own bug. It must end this call, loudly, and no other: a callback has nobody above it to raise to.
            log.exception("call_failed", call_id=self.record.call_id, event_type=type(event).__name__)
            self.abandon(Reason.INTERNAL_ERROR)

    def perform(self, order: e.Order) -> None:
        """Do one order that comes from outside the machine (a tool's answer)."""
        self._PERFORM[type(order)](self, order)

    def abandon(self, reason: Reason) -> None:
        """End the call at once, with as much of the end as still works."""
        for order in self.machine.abandon(reason, self.now):
            try:
                self._PERFORM[type(order)](self, order)
            except Exception:
                log.exception("call_failed", call_id=self.record.call_id, order_type=type(order).__name__)

    def _do(self, orders: list[e.Order]) -> None:
        for order in orders:
            self._PERFORM[type(order)](self, order)

    # ------------------------------------------------------------ the phone

    def attach_phone(self, socket: Socket, stream: PhoneStream, opened: e.PhoneOpened) -> None:
        """The carrier's media socket has proved that it belongs to this call. An earlier one no longer counts."""
        old = self.phone_socket
        self.phone_socket = socket
        self._phone_stream = stream
        socket.receiver = PhoneReceiver(self, socket, stream)
        if old is not None and old is not socket:
            old.close(1000, "replaced")
        self.handle(opened)
        if self.awaited is not None:
            grant, patience = self.awaited
            if opened.parameters.get("grant") == grant:
                self.awaited = None
            else:  # promised earlier, and about to be replaced, if it is not by now: its stop is no hang-up
                self.handle(e.StreamPromised(patience, ours=True))

    def detach_phone(self) -> None:
        """The carrier was promised another stream: what the old socket still says changes nothing."""
        old, self.phone_socket = self.phone_socket, None
        if old is not None:
            old.receiver = None
            old.close(1000, "replaced")

    def _to_phone(self, order: e.PlayAudio | e.PlayMark | e.ClearAudio) -> None:
        socket, stream = self.phone_socket, self._phone_stream
        if socket is not None and stream is not None:
            socket.send(stream.send(order))

    def _close_phone(self, order: e.ClosePhone) -> None:
        if self.phone_socket is not None:
            self.phone_socket.close(1000)
        self._surroundings.closing(self, order)

    def _probe_phone(self, order: e.ProbePhone) -> None:
        if self.phone_socket is not None:
            self.phone_socket.ping()
            self._probe = self._loop.call_later(PROBE_S, self._probe_failed, self.phone_socket)

    def _probe_failed(self, socket: Socket) -> None:
        if socket is self.phone_socket:
            self.handle(e.PhoneStalled())
            socket.abort()

    def phone_answered(self) -> None:
        """The carrier's socket answered a ping."""
        if self._probe is not None:
            self._probe.cancel()
            self._probe = None
            self.handle(e.PhoneAlive())

    # ------------------------------------------------------------ the agent

    def _to_agent(self, order: Any) -> None:
        link = self.link
        if link is not None and (socket := link.socket) is not None and (stream := link.stream) is not None:
            message = stream.send(order)
            if message is not None:
                socket.send(message)

    def _connect_agent(self, order: e.ConnectAgent) -> None:
        link = AgentLink(self._surroundings.agents[order.name])
        self.link = link
        link.task = self._spawn(self._reach(link, resumed=order.resumed))

    def brief(self, *, resumed: bool) -> Brief:
        """What the agent is told about this call."""
        record = self.record
        outbound = record.direction == "outbound"
        variables = dict(self._variables)
        overrides = dict(self._overrides)
        if resumed:
            variables["previous_transcript"] = self.machine.call.turns.transcript()[-MAX_TRANSCRIPT:]
            words = self._surroundings.resume_message
            if words:  # without them no agent's first message may be overridden at all
                overrides["first_message"] = (self._returned and self._surroundings.returned_message) or words
        return Brief(
            call_id=record.call_id,
            carrier_call_id=record.carrier_call_id or "",
            direction=str(record.direction),
            phone_number=record.phone_number,
            called_number=record.from_number if outbound else record.to_number,
            variables=variables,
            first_message=overrides.get("first_message"),
            prompt=overrides.get("prompt"),
            language=overrides.get("language"),
            voice_id=overrides.get("voice_id"),
        )

    async def _reach(self, link: AgentLink, *, resumed: bool) -> None:
        began = self.now
        try:
            async with asyncio.timeout(CONNECT_S):
                link.session = await link.agent.open(self.brief(resumed=resumed))
                self.handle(e.AgentProgress("credential", (self.now - began) * 1000))
                link.stream = link.session.stream
                receiver = AgentReceiver(self, link)
                link.socket = await connect(link.session.url, receiver, timeout_s=CONNECT_S)
                for message in link.stream.open():
                    link.socket.send(message)
                receiver.begin()
                self._returned = False
                self.handle(e.AgentProgress("socket", (self.now - began) * 1000))
        except AgentFailure as failure:
            log.warning(
                "agent_failed",
                call_id=self.record.call_id,
                agent=link.agent.name,
                reason=failure.reason,
                error=str(failure),
                hint=failure.hint,
            )
            self._lost(link, failure)
        except TimeoutError:
            self._lost(link, AgentFailure("the agent did not answer", reason=Reason.AGENT_TIMEOUT))
        except Exception:
            log.exception("call_failed", call_id=self.record.call_id)
            self.abandon(Reason.INTERNAL_ERROR)

    def _lost(self, link: AgentLink, failure: AgentFailure) -> None:
        if link is self.link:
            self._part(link, stopped=False)
            self.handle(e.AgentFailed(failure))

    def _drop_agent(self, order: e.DropAgent) -> None:
        if self.link is not None:
            self._part(self.link, stopped=order.stopped)

    def _part(self, link: AgentLink, *, stopped: bool) -> None:
        self.link = None
        task = link.task
        if task is not None and not task.done() and task is not asyncio.current_task():
            task.cancel()
        if link.socket is not None:
            link.socket.close(1000)
        if link.session is not None:
            self._spawn(self._release(link.agent, link.session, stopped=stopped))

    async def _release(self, agent: Agent, session: Session, *, stopped: bool) -> None:
        try:
            async with asyncio.timeout(RELEASE_S):
                await agent.release(session, stopped=stopped)
        except TimeoutError:
            log.warning("release_slow", call_id=self.record.call_id, agent=agent.name)
        except Exception:
            log.exception("release_failed", call_id=self.record.call_id, agent=agent.name)

    # ------------------------------------------------------------ timers, record, end

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None] | None:
        if self._group is None:
            work.close()
            log.warning("task_not_started", call_id=self.record.call_id)
            return None
        return self._group.create_task(work)

    def _start_timer(self, order: e.StartTimer) -> None:
        running = self._timers.get(order.name)
        if running is not None:
            running.cancel()
        self._timers[order.name] = self._loop.call_later(order.seconds, self._time_out, order.name)

    def _stop_timer(self, order: e.StopTimer) -> None:
        running = self._timers.pop(order.name, None)
        if running is not None:
            running.cancel()

    def _time_out(self, name: str) -> None:
        self._timers.pop(name, None)
        self.handle(e.TimedOut(name))

    def _run_tool(self, order: e.RunTool) -> None:
        self._surroundings.run_tool(self, order)

    def _save(self, order: e.Save) -> None:
        self._surroundings.saved(self.record)

    def _end(self, order: e.Ended) -> None:
        if self._probe is not None:
            self._probe.cancel()
        if self.phone_socket is not None:  # another instance may have the call, and nobody else closes this socket
            self.phone_socket.close(1000)
        self.ended.set()

    # The class's, not each session's: one of its own methods would keep a session until cycles are looked for.
    _PERFORM: ClassVar[Mapping[type[e.Order], Callable[[CallSession, Any], None]]] = {
        e.PlayAudio: _to_phone,
        e.PlayMark: _to_phone,
        e.ClearAudio: _to_phone,
        e.SendAudio: _to_agent,
        e.SendPong: _to_agent,
        e.SendActivity: _to_agent,
        e.SendInterrupt: _to_agent,
        e.SendStop: _to_agent,
        e.SendToolResult: _to_agent,
        e.SendText: _to_agent,
        e.SendContext: _to_agent,
        e.StartTimer: _start_timer,
        e.StopTimer: _stop_timer,
        e.ConnectAgent: _connect_agent,
        e.DropAgent: _drop_agent,
        e.ClosePhone: _close_phone,
        e.ProbePhone: _probe_phone,
        e.RunTool: _run_tool,
        e.Save: _save,
        e.Ended: _end,
    }
