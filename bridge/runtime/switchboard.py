"""The calls of this instance: admit, find, drain."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

import structlog

from bridge.call import events as e
from bridge.call.record import Direction
from bridge.errors import Reason
from bridge.runtime.lag import LoopLag
from bridge.runtime.meter import Meter
from bridge.runtime.session import CallSession

HOUR_S: Final = 3600.0
MAX_CALLERS: Final = 10_000  # whose calls of the last hour are remembered
FAREWELL_S: Final = 12.0  # what the farewell prompt may take after the drain's deadline

log = structlog.get_logger("bridge.switchboard")


@dataclass(frozen=True, slots=True)
class Limits:
    """What this instance takes on."""

    max_calls: int = 200
    max_calls_per_caller: int = 5  # at once
    max_calls_per_caller_hour: int = 0  # 0: no limit
    loop_lag_s: float = 0.1
    agent_minutes_per_day: int = 0  # of all instances; 0: no limit
    prewarmed: int = 50  # agents' sessions held for streams that are not there yet


class Switchboard:
    """Owns every session and every task that outlives one."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.lag = LoopLag(limit_s=limits.loop_lag_s)
        self.meter = Meter()
        self.share: int | None = None  # of a limit over all instances; None: there is none
        self.promised = 0  # places kept for people who are being called
        self.leaving = False  # about to drain: no more calls are wanted, those that come are still taken
        self.draining = False
        self.admitted = 0
        self.refused: dict[Reason, int] = {}
        self._sessions: dict[str, CallSession] = {}
        self._by_carrier: dict[str, str] = {}
        self._callers: dict[str, int] = {}
        self._coming = 0  # calls that were not refused and are not taken yet
        self._recent: dict[str, deque[float]] = {}
        self._group: asyncio.TaskGroup | None = None
        self._idle = asyncio.Event()
        self._idle.set()

    @property
    def active(self) -> int:
        """Calls that are not over."""
        return len(self._sessions)

    @property
    def sessions(self) -> list[CallSession]:
        """Every call that is not over."""
        return list(self._sessions.values())

    async def run(self, started: asyncio.Event) -> None:
        """Own the tasks until cancelled; cancelling ends every call."""
        async with asyncio.TaskGroup() as group:
            self._group = group
            group.create_task(self.lag.run(), name="loop lag")
            started.set()
            try:
                await asyncio.Event().wait()
            finally:
                self._group = None  # no more tasks: the group ends those that run

    def spawn(self, work: Coroutine[Any, Any, None], *, name: str) -> asyncio.Task[None] | None:
        """Run something that outlives its caller. An error in it is logged and harms nothing else. None: the process ends."""
        if self._group is None:
            work.close()
            log.warning("task_not_started", task=name)
            return None
        return self._group.create_task(self._guarded(work, name), name=name)

    async def _guarded(self, work: Coroutine[Any, Any, None], name: str) -> None:
        try:
            await work
        except Exception:
            log.exception("task_failed", task=name)

    # ------------------------------------------------------------ calls

    @property
    def capacity(self) -> int:
        """Calls that this instance can have: where the machine cannot keep up no more than it has, but for one alone, which
        hurts no other.
        """
        most = self.limits.max_calls
        return min(most, max(1, self.active + self._coming)) if self.lag.overloaded else most

    @property
    def spent(self) -> bool:
        """The agents have talked today for as long as they may. What is in progress goes on."""
        minutes = self.limits.agent_minutes_per_day
        return minutes > 0 and self.meter.total >= minutes * 60

    @property
    def offered(self) -> int:
        """Calls that this instance would have: nobody is to be dialled for whom there is no agent's time."""
        return self.active if self.spent else self.capacity

    @property
    def full(self) -> bool:
        """No call more: as many as may be, of this instance or of all, or the machine cannot keep up."""
        return self.active + self._coming >= self._within(self.capacity)

    def _within(self, most: int) -> int:
        return most if self.share is None else min(most, self.share)

    def refusal(self, caller: str, *, placed: bool = False) -> Reason | None:
        """Why a new call cannot be taken now; None where it can.

        ``placed``: we called. A place was kept for it, and what bounds callers does not bound whom we call; nor is whose phone
        rang when the drain began told to call again later.
        """
        most = self.limits.max_calls if placed else self.capacity - self.promised
        crowded = self.active + self._coming >= self._within(most)
        greedy = (
            not placed
            and bool(caller)
            and (self._callers.get(caller, 0) >= self.limits.max_calls_per_caller or self._too_often(caller))
        )
        draining = self.draining and not placed
        reason = Reason.DRAINING if draining else Reason.OVERLOADED if crowded or greedy else None
        if reason is None and self.spent and not placed:
            reason = Reason.AGENT_BUDGET
        if reason is not None:
            self.refused[reason] = self.refused.get(reason, 0) + 1
        return reason

    @contextmanager
    def coming(self, caller: str) -> Iterator[None]:
        """A call that was not refused has its place from here on: while the store is asked about it, others come."""
        self._coming += 1
        self._callers[caller] = self._callers.get(caller, 0) + 1
        try:
            yield
        finally:
            self._coming -= 1
            self._left(caller)

    def _left(self, caller: str) -> None:
        left = self._callers.get(caller, 0) - 1
        if left > 0:
            self._callers[caller] = left
        else:
            self._callers.pop(caller, None)

    def _too_often(self, caller: str) -> bool:
        limit = self.limits.max_calls_per_caller_hour
        times = self._recent.get(caller)
        if not limit or times is None or len(times) < limit:
            return False
        return asyncio.get_running_loop().time() - times[0] < HOUR_S

    def _count(self, caller: str) -> None:
        if not caller or not self.limits.max_calls_per_caller_hour:
            return
        times = self._recent.pop(caller, None) or deque(maxlen=self.limits.max_calls_per_caller_hour)
        times.append(asyncio.get_running_loop().time())
        self._recent[caller] = times  # newest last: the oldest callers are forgotten first
        while len(self._recent) > MAX_CALLERS:
            del self._recent[next(iter(self._recent))]

    @property
    def may_prewarm(self) -> bool:
        """An agent's session may be opened before the stream is there: so many at the most are kept waiting."""
        waiting = sum(session.record.started_at is None for session in self._sessions.values())
        return waiting < self.limits.prewarmed

    def take(self, session: CallSession) -> None:
        """Begin a call that was admitted."""
        record = session.record
        self.admitted += 1
        self.meter.begin()
        self._sessions[record.call_id] = session
        if record.carrier_call_id:
            self._by_carrier[record.carrier_call_id] = record.call_id
        self._callers[record.person] = self._callers.get(record.person, 0) + 1
        if record.direction is Direction.INBOUND:
            self._count(record.person)
        else:
            self.promised = max(0, self.promised - 1)  # until the next look at the store
        self._idle.clear()
        self.spawn(self._carry(session), name=f"call {record.call_id}")

    async def _carry(self, session: CallSession) -> None:
        record = session.record
        try:
            await session.run()
        finally:
            if not session.machine.over:
                session.abandon(Reason.DRAIN_TIMEOUT if self._stopping() else Reason.INTERNAL_ERROR)
            if self._sessions.get(record.call_id) is session:  # and not one that has taken the call over since
                del self._sessions[record.call_id]
                if record.carrier_call_id:
                    self._by_carrier.pop(record.carrier_call_id, None)
            self.meter.end()
            self._left(record.person)
            if not self._sessions:
                self._idle.set()

    @staticmethod
    def _stopping() -> bool:
        task = asyncio.current_task()
        return task is not None and task.cancelling() > 0

    def find(self, any_id: str) -> CallSession | None:
        """The live call with this id, ours or the carrier's."""
        session = self._sessions.get(any_id) or self._sessions.get(self._by_carrier.get(any_id, ""))
        return None if session is None or session.machine.over else session

    # ------------------------------------------------------------ drain

    async def drain(self, deadline_s: float) -> None:
        """No new calls; return when the last one is over. After the deadline the rest are said goodbye to."""
        self.draining = True
        log.info("draining", calls=self.active, deadline_s=deadline_s)
        try:
            async with asyncio.timeout(deadline_s):
                await self._idle.wait()
        except TimeoutError:
            for session in self.sessions:
                session.handle(e.EndRequested(Reason.DRAIN_TIMEOUT, prompt="closing"))
            try:
                async with asyncio.timeout(FAREWELL_S):
                    await self._idle.wait()
            except TimeoutError:
                log.warning("drain_incomplete", calls=self.active)
        log.info("drained")
