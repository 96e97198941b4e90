"""Closes the records of calls that no process has any more, by what the carrier knows of them.

A call whose process died is resumed when the carrier asks what follows, which is at once. What nobody has taken up
within a minute is asked for at the carrier; and no record stays open longer than a call can last.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, Protocol

import structlog

from bridge.call.record import CallRecord, Status
from bridge.errors import CarrierFailure, Reason

RESUME_S: Final = 60.0  # from the moment an instance is known to be dead
LOST_SESSION_S: Final = 120.0  # a record of ours that no session of ours carries: a callback was lost
LONGEST: Final = timedelta(hours=4, minutes=30)  # the carrier's own limit of a call is 4 h
NEVER_REACHED: Final = {
    Status.BUSY: Reason.BUSY,
    Status.NO_ANSWER: Reason.NO_ANSWER,
    Status.CANCELED: Reason.CANCELED,
    Status.FAILED: Reason.CARRIER_FAILED,
}

log = structlog.get_logger("bridge.reconciler")


class Facts(Protocol):
    """A call as the carrier knows it."""

    @property
    def status(self) -> Status | None:
        """Where it stands; None for a word that is not known."""
        ...

    @property
    def ended_at(self) -> datetime | None:
        """When it ended."""
        ...


class Carrier(Protocol):
    """Whom to ask (``carriers.twilio.rest.TwilioRest``)."""

    async def fetch(self, call_id: str) -> Facts | None:
        """None where it knows no such call. Raises CarrierFailure."""
        ...


class Records(Protocol):
    """``store.calls.Calls``."""

    async def unfinished(
        self, *, instances: Sequence[str] | None = None, before: datetime | None = None
    ) -> list[CallRecord]:
        """Calls without a terminal status."""
        ...

    async def change(self, any_id: str, change: Callable[[CallRecord], object]) -> CallRecord | None:
        """Read, change and write in one step."""
        ...


class Processes(Protocol):
    """``store.instances.Instances``."""

    async def dead(self) -> list[str]:
        """Instances that are not heard any more."""
        ...

    async def leave(self, instance: str) -> None:
        """What it left behind is settled."""
        ...


@dataclass(frozen=True, slots=True)
class ReconcilerParts:
    """``held``: this process has the call (live, or its record still to be written)."""

    instance: str
    records: Records
    processes: Processes
    carrier: Carrier
    held: Callable[[str], bool]
    closed: Callable[[CallRecord], None] = lambda record: None
    clock: Callable[[], float] = time.monotonic
    now: Callable[[], datetime] = lambda: datetime.now(UTC)


class Reconciler:
    """``run_once`` is a chore of every instance; that several do it at once changes nothing."""

    def __init__(self, parts: ReconcilerParts) -> None:
        self._parts = parts
        self._since: dict[str, float] = {}  # call -> when it was first seen without a process

    async def run_once(self) -> None:
        """Look once. Raises StoreUnavailable."""
        parts = self._parts
        dead = await parts.processes.dead()
        orphans = await parts.records.unfinished(instances=dead) if dead else []
        own = await parts.records.unfinished(instances=[parts.instance])
        ancient = await parts.records.unfinished(before=parts.now() - LONGEST)
        due = {each.call_id: RESUME_S for each in orphans}
        due |= {each.call_id: LOST_SESSION_S for each in own}
        due |= {each.call_id: 0.0 for each in ancient}
        found = {each.call_id: each for each in (*orphans, *own, *ancient) if _concerns_us(each)}
        found = {call_id: each for call_id, each in found.items() if not parts.held(call_id)}
        now = parts.clock()
        self._since = {call_id: self._since.get(call_id, now) for call_id in found}
        for call_id, record in found.items():
            if now - self._since[call_id] >= due[call_id]:
                await self._settle(record, ancient=parts.now() - record.created_at > LONGEST)
        left = {each.instance for each in orphans if _concerns_us(each)}
        for instance in set(dead) - left:
            await parts.processes.leave(instance)

    async def _settle(self, record: CallRecord, *, ancient: bool) -> None:
        parts = self._parts
        reason, status, ended = Reason.PROCESS_LOST, Status.FAILED, parts.now()
        if record.carrier_call_id is not None:
            try:
                facts = await parts.carrier.fetch(record.carrier_call_id)
            except CarrierFailure as failure:
                log.warning("carrier_not_asked", call_id=record.call_id, error=str(failure))
                if not ancient:
                    return
                facts = None
            except ValueError:  # no id of this carrier's: a call from a browser, say
                facts = None
            if facts is not None and facts.status is not None and not facts.status.terminal and not ancient:
                return  # the carrier still has it: the caller hears the fallback, or is being connected again
            reason, status, ended = _verdict(record, facts, parts.now())

        def close(stored: CallRecord) -> None:
            if stored.instance == record.instance and not stored.status.terminal:
                stored.finish(reason, ended, status=status)

        changed = await parts.records.change(record.call_id, close)
        self._since.pop(record.call_id, None)
        if changed is not None and changed.outcome is reason:
            log.warning("call_reconciled", call_id=record.call_id, reason=str(reason), instance=record.instance)
            parts.closed(changed)


def _concerns_us(record: CallRecord) -> bool:
    """A call that waits for its dialler is no process's."""
    return not (record.status is Status.QUEUED and record.carrier_call_id is None)


def _verdict(record: CallRecord, facts: Facts | None, now: datetime) -> tuple[Reason, Status, datetime]:
    if facts is None or facts.status is None or not facts.status.terminal:
        return Reason.UNRECONCILED, Status.FAILED, now
    ended = facts.ended_at or now
    if record.started_at is not None:
        return Reason.PROCESS_LOST, facts.status, max(ended, record.started_at)
    if facts.status is Status.COMPLETED:
        return Reason.CALLER_ABANDONED, facts.status, ended
    return NEVER_REACHED.get(facts.status, Reason.CARRIER_FAILED), facts.status, ended
