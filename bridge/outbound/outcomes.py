"""What becomes of a call that was dialled, or may have been: waits for it, asks the carrier, and draws the consequences."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final, Protocol

from bridge.call.record import CallRecord
from bridge.outbound.dialler import MAX_TRIES, Dialler
from bridge.store.attempts import Attempt, Attempts, Settled
from bridge.store.calls import Calls
from bridge.store.tables import EPOCH

PATIENCE: Final = timedelta(seconds=60)  # without a bell: another worker may have moved it
CONCLUDE_AGAIN: Final = timedelta(minutes=10)  # where the carrier did not answer


class Campaigns(Protocol):
    """What is asked of campaigns here (``outbound.campaigning.Campaigning``)."""

    async def settled(self, settled: Settled, now: datetime) -> None:
        """A call of a campaign is over: settle the attempt, and decide what follows for the person."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcomes:
    """Those of one worker. ``slots`` bound what is asked of the carrier at once. Methods may raise StoreUnavailable."""

    attempts: Attempts
    calls: Calls
    dialler: Dialler
    slots: AbstractAsyncContextManager[None]
    campaigns: Campaigns | None = None
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    _bells: dict[str, asyncio.Event] = field(default_factory=dict)

    def ring(self, call_id: str) -> None:
        """Something has happened to it: who waits for it looks now."""
        bell = self._bells.get(call_id)
        if bell is not None:
            bell.set()

    async def until_over(self, call_id: str) -> bool:
        """Wait until the call has ended; False where it is to be dialled again."""
        bell = self._bells.setdefault(call_id, asyncio.Event())
        vain, not_before = 0, EPOCH
        try:
            while True:
                bell.clear()
                attempt, record = await self.attempts.get(call_id), await self.calls.get(call_id)
                if attempt is None or record is None or record.status.terminal or attempt.state == "done":
                    return True
                if attempt.state == "queued":
                    return False
                wait = max(self._due(attempt), not_before) - self.clock()
                if wait > timedelta(0):
                    await _rung(bell, min(wait, PATIENCE))
                    continue
                async with self.slots:
                    answered = await self._ask(attempt, record)
                vain = 0 if answered else vain + 1
                if attempt.state == "dialling" and vain >= MAX_TRIES:
                    await self.dialler.give_up(attempt)
                not_before = self.clock() + self._again(attempt)
        finally:
            self._bells.pop(call_id, None)

    def _due(self, attempt: Attempt) -> datetime:
        if attempt.state == "dialling":
            return EPOCH + timedelta(microseconds=attempt.dialled_us or 0) + self.dialler.times.unsure
        return EPOCH + timedelta(microseconds=attempt.due_us)

    def _again(self, attempt: Attempt) -> timedelta:
        times = self.dialler.times
        return {"dialling": times.unsure, "placed": times.look}.get(attempt.state, CONCLUDE_AGAIN)

    async def _ask(self, attempt: Attempt, record: CallRecord) -> bool:
        if attempt.state == "dialling":
            return await self.dialler.find_out(attempt)
        if attempt.state == "unknown":
            await self.dialler.conclude(attempt)
        else:
            await self.dialler.look(attempt, record.carrier_call_id or "")
        return True

    async def settle(self, call_id: str) -> None:
        """Draw the consequences of a call that is over, once."""
        attempt, record = await self.attempts.get(call_id), await self.calls.get(call_id)
        if attempt is None or record is None or attempt.state == "done":  # whoever deletes a record settles its call
            return
        if attempt.campaign_id is not None and self.campaigns is not None:
            await self.campaigns.settled(Settled(attempt, record), self.clock())
        else:
            await self.attempts.settle(record, self.clock())


async def _rung(bell: asyncio.Event, limit: timedelta) -> None:
    try:
        async with asyncio.timeout(limit.total_seconds()):
            await bell.wait()
    except TimeoutError:
        return
