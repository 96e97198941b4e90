"""The engine of the calls that wait: takes what is due, dials it, and finds out what became of what was dialled.

It keeps nothing of its own: everything stands in the store, so that it may be killed at any moment and run in any number.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Protocol

import structlog

from bridge.errors import StoreUnavailable
from bridge.outbound.dialler import Dialler
from bridge.store.attempts import Attempt, Attempts, Settled
from bridge.store.budget import Budget, Denied

SOON_S: Final = 0.02  # between looks at what is due, while calls are being placed
IDLE_S: Final = 0.25  # and while none are
SWEEP_S: Final = 0.5  # between looks at what is over
FIND_S: Final = 2.0  # between looks for what nobody answers for
MAX_TASKS: Final = 50  # requests to the carrier at once
AWAY_S: Final = 1.0
CONCLUDE_AGAIN: Final = timedelta(minutes=10)  # where the carrier did not answer
KEEP: Final = timedelta(days=8)  # settled attempts, which limits are counted by

log = structlog.get_logger("bridge.engine")


class Campaigns(Protocol):
    """What the engine asks of campaigns (``outbound.campaigning.Campaigning``)."""

    async def next(self, now: datetime) -> Attempt | Denied | None:
        """A person who is to be called now, leased to this engine; or why not just yet."""
        ...

    async def still(self, attempt: Attempt, now: datetime) -> bool:
        """Whether a call of a campaign that was begun before, and never dialled, may be dialled now."""
        ...

    async def settled(self, settled: Settled, now: datetime) -> None:
        """A call of a campaign is over: settle the attempt, and decide what follows for the person."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Duties:
    """What an engine works with. ``may_dial``: somebody is there who takes the calls that are answered."""

    attempts: Attempts
    dialler: Dialler
    budget: Budget
    owner: str
    campaigns: Campaigns | None = None
    may_dial: Callable[[], Awaitable[bool]] | None = None
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)


class Engine:
    """``run`` until cancelled; ``stop`` begins nothing more."""

    def __init__(self, duties: Duties) -> None:
        self._duties = duties
        self._slots = asyncio.Semaphore(MAX_TASKS)
        self._stopped = asyncio.Event()
        self._group: asyncio.TaskGroup | None = None
        self._wake = asyncio.Event()

    def stop(self) -> None:
        """Begin nothing more; ``run`` returns when the requests under way are answered."""
        self._stopped.set()
        self._wake.set()

    async def run(self) -> None:
        """Work, until ``stop``."""
        async with asyncio.TaskGroup() as group:
            self._group = group
            loops = [
                group.create_task(self._repeat(work, seconds), name=f"engine {name}")
                for name, work, seconds in (
                    ("settle", self._settle, SWEEP_S),
                    ("find", self._find_out, FIND_S),
                    ("purge", self._purge, 3600.0),
                )
            ]
            loops.append(group.create_task(self._repeat(self._dial_due, 0.0), name="engine dial"))
            await self._stopped.wait()
            for each in loops:
                each.cancel()

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

    async def _dial_due(self) -> None:
        duties = self._duties
        if duties.may_dial is not None and not await duties.may_dial():
            await asyncio.sleep(IDLE_S)
            return
        await self._slots.acquire()
        try:
            found = await self._next()
        except BaseException:
            self._slots.release()
            raise
        if isinstance(found, Attempt):
            self._spawn(duties.dialler.dial(found))
            return
        self._slots.release()
        soon = found is not None and found.why == "rate"
        await asyncio.sleep(max(SOON_S, min(found.retry_after_s, IDLE_S)) if found and soon else IDLE_S)

    async def _next(self) -> Attempt | Denied | None:
        duties = self._duties
        while True:
            found = await duties.attempts.claim(
                budget=duties.budget, owner=duties.owner, lease=duties.dialler.times.lease, now=duties.clock()
            )
            if duties.campaigns is None:
                return found
            if found is None:
                return await duties.campaigns.next(duties.clock())
            if isinstance(found, Denied) or found.campaign_id is None:
                return found
            if await duties.campaigns.still(found, duties.clock()):
                return found

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Takes over a slot that was acquired."""
        if self._group is None:
            raise RuntimeError("the engine does not run")
        self._group.create_task(self._guarded(work))

    async def _guarded(self, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except StoreUnavailable as error:
            log.warning("attempt_waits_for_store", error=str(error))
        except Exception:
            log.exception("attempt_failed")
        finally:
            self._slots.release()

    async def _settle(self) -> None:
        duties = self._duties
        await duties.attempts.proved(look_at=duties.clock() + duties.dialler.times.look)
        for each in await duties.attempts.over():
            try:
                await self._settle_one(each)
            except StoreUnavailable:
                raise
            except Exception:  # those behind it are settled all the same
                log.exception("settling_failed", call_id=each.attempt.call_id)

    async def _settle_one(self, each: Settled) -> None:
        duties = self._duties
        if each.attempt.campaign_id is not None and duties.campaigns is not None:
            await duties.campaigns.settled(each, duties.clock())
        else:
            await duties.attempts.settle(each.record, duties.clock())

    async def _find_out(self) -> None:
        duties = self._duties
        times = duties.dialler.times
        for attempt in await duties.attempts.take_over(owner=duties.owner, lease=times.lease, now=duties.clock()):
            await self._slots.acquire()
            self._spawn(duties.dialler.find_out(attempt))
        for attempt, call_sid in await duties.attempts.overdue(now=duties.clock(), again=times.look):
            await self._slots.acquire()
            self._spawn(duties.dialler.look(attempt, call_sid))
        for attempt in await duties.attempts.inconclusive(now=duties.clock(), again=CONCLUDE_AGAIN):
            await self._slots.acquire()
            self._spawn(duties.dialler.conclude(attempt))

    async def _purge(self) -> None:
        await self._duties.attempts.purge(self._duties.clock() - KEEP)
