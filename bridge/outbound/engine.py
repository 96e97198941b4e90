"""The engine of the calls that wait: begins what is due and allowed, and sees to it that every call that was begun has a run.

What is due and allowed is decided here, from the store, at every look: windows, limits, pauses and the circuit breaker change
while a campaign runs. What was begun is a run (``outbound.runs``), which outlives the process.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, Protocol, TypeVar

import structlog

from bridge.errors import StoreUnavailable
from bridge.outbound.dialler import Dialler
from bridge.outbound.outcomes import Outcomes
from bridge.store.attempts import Attempt, Attempts
from bridge.store.budget import Budget, Denied
from bridge.store.instances import Instances

SOON_S: Final = 0.02  # between looks at what is due, while calls are being placed
IDLE_S: Final = 0.25  # and while none are
BEGIN_S: Final = 0.2  # between looks for calls that somebody else has allowed: an operator waits
SWEEP_S: Final = 0.5  # between looks at what is over
BEAT_S: Final = 2.0  # between signs of life, and looks for runs of workers that give none
ALIVE: Final = timedelta(seconds=10)  # without one
REVIVE_S: Final = 15.0  # between looks for calls that were begun and have no run
MAX_TASKS: Final = 50  # requests to the carrier at once
AWAY_S: Final = 1.0
FAILED_S: Final = 30.0  # before what failed by a mistake of ours is tried again
KEEP: Final = timedelta(days=8)  # settled attempts, which limits are counted by
KEEP_RUNS: Final = timedelta(days=1)
MAX_PURGES: Final = 1000

T = TypeVar("T")
log = structlog.get_logger("bridge.engine")


class Campaigns(Protocol):
    """What the engine asks of campaigns (``outbound.campaigning.Campaigning``)."""

    async def next(self, now: datetime) -> Attempt | Denied | None:
        """A person who may be called now; or why not just yet."""
        ...

    async def still(self, attempt: Attempt, now: datetime) -> bool:
        """Whether a call of a campaign that was begun before, and never dialled, may be dialled now."""
        ...


class Runs(Protocol):
    """The durable runs of attempts (``outbound.runs.Runs``)."""

    def has(self, attempt: Attempt) -> bool:
        """It is under way here."""
        ...

    async def start(self, attempt: Attempt) -> None:
        """Begin its run; nothing where it has one, wherever that is."""
        ...

    async def revive(self, attempts: Sequence[Attempt]) -> int:
        """Begin the runs of those that have none, or whose run is over though they are not; how many."""
        ...

    async def take_over(self, lost: Callable[[str], bool]) -> int:
        """Have the runs of executors that are ``lost`` gone on with; how many."""
        ...

    async def purge(self, before: datetime) -> int:
        """Forget runs that ended before ``before``, some at a time; how many."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Duties:
    """What an engine works with. ``may_dial``: somebody is there who takes the calls that are answered."""

    attempts: Attempts
    dialler: Dialler
    outcomes: Outcomes
    budget: Budget
    owner: str
    runs: Runs
    workers: Instances
    campaigns: Campaigns | None = None
    may_dial: Callable[[], Awaitable[bool]] | None = None
    slots: asyncio.Semaphore
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    monotonic: Callable[[], float] = time.monotonic


class Engine:
    """``run`` until cancelled; ``stop`` begins nothing more. Its ``dial``, ``until_over`` and ``settle`` are a run's steps."""

    def __init__(self, duties: Duties) -> None:
        self._duties = duties
        self._stopped = asyncio.Event()
        self._beating_since: float | None = None

    def stop(self) -> None:
        """Begin nothing more; ``run`` returns when the requests under way are answered."""
        self._stopped.set()

    async def run(self) -> None:
        """Work, until ``stop``."""
        duties = self._duties
        async with asyncio.TaskGroup() as group:
            loops = [
                group.create_task(self._repeat(work, seconds), name=f"engine {name}")
                for name, work, seconds in (
                    ("dial", self._dial_due, 0.0),
                    ("begin", self._begin_allowed, BEGIN_S),
                    ("sweep", self._sweep, SWEEP_S),
                    ("beat", self._beat, BEAT_S),
                    ("revive", self._revive, REVIVE_S),
                    ("purge", self._purge, 3600.0),
                )
            ]
            await self._stopped.wait()
            for each in loops:
                each.cancel()
            for _ in range(
                MAX_TASKS
            ):  # what the carrier may be carrying out is not torn off, and nothing more is asked of it
                await duties.slots.acquire()

    async def _repeat(self, work: Callable[[], Awaitable[None]], seconds: float) -> None:
        while True:
            try:
                await work()
            except StoreUnavailable as error:
                log.warning("engine_waits_for_store", error=str(error))
                await asyncio.sleep(AWAY_S)
            except Exception:
                log.exception("engine_failed")
                await asyncio.sleep(AWAY_S)
            await asyncio.sleep(seconds)

    # ------------------------------------------------------------ what is begun

    async def _may_dial(self) -> bool:
        may_dial = self._duties.may_dial
        return may_dial is None or await may_dial()

    async def _dial_due(self) -> None:
        duties = self._duties
        if not await self._may_dial():
            await asyncio.sleep(IDLE_S)
            return
        async with duties.slots:  # not more than can be asked of the carrier soon
            found = await self._next()
        if isinstance(found, Attempt):
            await duties.runs.start(found)
            return
        soon = found is not None and found.why == "rate"
        await asyncio.sleep(max(SOON_S, min(found.retry_after_s, IDLE_S)) if found and soon else IDLE_S)

    async def _next(self) -> Attempt | Denied | None:
        duties = self._duties
        while True:
            found = await duties.attempts.claim(budget=duties.budget, now=duties.clock())
            if duties.campaigns is None:
                return found
            if found is None:
                return await duties.campaigns.next(duties.clock())
            if isinstance(found, Denied) or found.campaign_id is None:
                return found
            if await duties.campaigns.still(found, duties.clock()):
                return found

    async def _begin_allowed(self) -> None:
        """Calls that an operator has asked for; and what a worker had allowed when it was killed."""
        duties = self._duties
        waiting = [each for each in await duties.attempts.allowed() if not duties.runs.has(each)]
        if waiting and await self._may_dial():
            for each in waiting:
                await duties.runs.start(each)

    # ------------------------------------------------------------ what is under way

    async def _sweep(self) -> None:
        """Tell the runs what has been heard of their calls."""
        duties = self._duties
        for call_id in await duties.attempts.proved(look_at=duties.clock() + duties.dialler.times.look):
            duties.outcomes.ring(call_id)
        for each in await duties.attempts.over():
            if duties.runs.has(each.attempt):
                duties.outcomes.ring(each.attempt.call_id)
            elif each.attempt.state == "queued":  # given up before it was begun: it has no run yet
                await duties.runs.start(each.attempt)

    async def _beat(self) -> None:
        """Give a sign of life, and have the runs taken over of workers that give none."""
        duties = self._duties
        now = duties.monotonic()
        try:
            await duties.workers.beat(duties.owner, active_calls=0, draining=True)  # it takes no calls
        except BaseException:
            self._beating_since = None
            raise
        if self._beating_since is None:
            self._beating_since = now
        # Where the database was away, nobody was heard. Whoever has left is gone without doubt.
        sure = now - self._beating_since >= ALIVE.total_seconds()
        others = await duties.workers.all(alive=ALIVE)
        alive = {each.id for each in others if each.alive}
        silent = {each.id for each in others if not each.alive}
        taken = await duties.runs.take_over(lambda each: each not in alive and (sure or each not in silent))
        if taken:
            log.warning("runs_taken_over", runs=taken)
        if sure:
            for each in silent:
                await duties.workers.leave(each)

    async def _revive(self) -> None:
        """Every call that was begun has a run: also where the checkpoints are lost, or older than the store."""
        duties = self._duties
        begun = await duties.runs.revive(await duties.attempts.under_way())
        if begun:
            log.warning("runs_begun_anew", runs=begun)

    async def _purge(self) -> None:
        duties = self._duties
        await duties.attempts.purge(duties.clock() - KEEP)
        for _ in range(MAX_PURGES):
            if not await duties.runs.purge(duties.clock() - KEEP_RUNS):
                return

    # ------------------------------------------------------------ the steps of a run

    async def dial(self, call_id: str) -> None:
        """Ask the carrier for the call, if nobody has been about to before."""
        duties = self._duties

        async def ask() -> None:
            async with duties.slots:
                await duties.dialler.dial(call_id)

        await self._in_the_end(ask, call_id)

    async def until_over(self, call_id: str) -> bool:
        """Wait until the call has ended; False where it is to be dialled again."""
        return await self._in_the_end(lambda: self._duties.outcomes.until_over(call_id), call_id)

    async def settle(self, call_id: str) -> None:
        """Draw the consequences."""
        await self._in_the_end(lambda: self._duties.outcomes.settle(call_id), call_id)

    async def _in_the_end(self, work: Callable[[], Awaitable[T]], call_id: str) -> T:
        """A step that failed would end its run for good: it is tried until it has been done."""
        while True:
            try:
                return await work()
            except StoreUnavailable as error:
                log.warning("attempt_waits_for_store", call_id=call_id, error=str(error))
                await asyncio.sleep(AWAY_S)
            except Exception:
                log.exception("attempt_failed", call_id=call_id)
                await asyncio.sleep(FAILED_S)
