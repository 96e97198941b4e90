"""Closes the records of calls that no process has any more, by what the carrier knows of them.

A call whose process died is resumed when the carrier asks what follows, which is at once. Where the carrier says that it
is over, its record is closed as soon as the process is known to be dead; where the carrier does not know, a minute later.
One that lives there is left alone, and asked about more and more seldom. No record stays open longer than a call can last.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, Protocol

import structlog

from bridge.call.handover import parting, transferring
from bridge.call.record import CallRecord, Status
from bridge.errors import CarrierFailure, Reason

RESUME_S: Final = 60.0  # a call of a dead instance, of which the carrier knows no end, may be taken up so long
LOST_SESSION_S: Final = 120.0  # a record of ours that no session of ours carries: a callback was lost
SURE_S: Final = 10.0  # the store must have been there so long: nobody gives a sign of life while it is away
ASKED: Final = 50  # calls that one look asks the carrier about
ASK_AGAIN_S: Final = 15.0  # and twice as long each time
MAX_ASK_AGAIN_S: Final = 240.0
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


@dataclass(slots=True)
class _Open:
    """A call that no process has. ``patience_s``: from ``since``, before it is closed without the carrier's word."""

    since: float
    patience_s: float
    ask_at: float
    again_s: float = ASK_AGAIN_S

    def asked(self, now: float) -> None:
        """When to ask the next time; when the patience is at its end, in any case."""
        end = self.since + self.patience_s
        later = now + self.again_s
        self.ask_at = end if now < end < later else later
        self.again_s = min(2 * self.again_s, MAX_ASK_AGAIN_S)


class Reconciler:
    """``run_once`` is a chore of every instance; that several do it at once changes nothing."""

    def __init__(self, parts: ReconcilerParts) -> None:
        self._parts = parts
        self._open: dict[str, _Open] = {}
        self._store_since: float | None = None  # it has answered every look since then

    async def run_once(self) -> None:
        """Look once. Raises StoreUnavailable."""
        parts = self._parts
        since, self._store_since = self._store_since, None
        dead = await parts.processes.dead()
        orphans = {each: await parts.records.unfinished(instances=[each]) for each in dead}
        own = await parts.records.unfinished(instances=[parts.instance])
        ancient = await parts.records.unfinished(before=parts.now() - LONGEST)
        now = parts.clock()
        self._store_since = now if since is None else since
        found: dict[str, tuple[CallRecord, _Open]] = {}
        for records, patience_s, first_s in (
            ([each for left in orphans.values() for each in left], RESUME_S, 0.0),
            (own, LOST_SESSION_S, LOST_SESSION_S),
            (ancient, 0.0, 0.0),
        ):
            for each in filter(_concerns_us, records):
                if not parts.held(each.call_id):
                    new = _Open(now, patience_s, now + first_s)
                    found[each.call_id] = each, self._open.get(each.call_id, new)
        self._open = {call_id: kept for call_id, (_, kept) in found.items()}
        for instance, left in orphans.items():
            if not any(map(_concerns_us, left)):
                await parts.processes.leave(instance)
        sure = now - self._store_since >= SURE_S
        due = [each for each in found.values() if each[1].ask_at <= now and (sure or self._ancient(each[0]))]
        await self._settle(sorted(due, key=lambda each: each[1].ask_at)[:ASKED])

    def _ancient(self, record: CallRecord) -> bool:
        return self._parts.now() - record.created_at > LONGEST

    async def _settle(self, due: Sequence[tuple[CallRecord, _Open]]) -> None:
        parts, reachable = self._parts, True
        for record, kept in due:
            facts, ancient = None, self._ancient(record)
            if reachable:
                kept.asked(parts.clock())
                try:
                    facts = await self._facts(record)
                except CarrierFailure as failure:
                    log.warning("carrier_not_asked", call_id=record.call_id, error=str(failure))
                    reachable = False
            status = None if facts is None else facts.status
            over = status is not None and status.terminal
            lives = status is not None and not over  # the caller hears the fallback, or is being connected again
            patient = parts.clock() - kept.since < kept.patience_s
            if not over and not ancient and (lives or patient or not reachable):
                continue
            if not parts.held(record.call_id):  # it may have been taken up meanwhile
                await self._close(record, facts)

    async def _facts(self, record: CallRecord) -> Facts | None:
        if record.carrier_call_id is None:
            return None
        try:
            return await self._parts.carrier.fetch(record.carrier_call_id)
        except ValueError:  # no id of this carrier's: a call from a browser, say
            return None

    async def _close(self, record: CallRecord, facts: Facts | None) -> None:
        parts = self._parts
        reason, status, ended = Reason.PROCESS_LOST, Status.FAILED, parts.now()
        if record.carrier_call_id is not None:
            reason, status, ended = _verdict(record, facts, ended)

        closed = False

        def close(stored: CallRecord) -> None:
            nonlocal closed
            as_found = stored.instance == record.instance and not stored.status.terminal
            closed = as_found and stored.finish(reason, ended, status=status)

        changed = await parts.records.change(record.call_id, close)
        self._open.pop(record.call_id, None)
        if changed is not None and closed:
            log.warning("call_reconciled", call_id=record.call_id, reason=str(reason), instance=record.instance)
            parts.closed(changed)


def _concerns_us(record: CallRecord) -> bool:
    """A call that waits for its dialler is no process's."""
    return not (record.status is Status.QUEUED and record.carrier_call_id is None)


def _verdict(record: CallRecord, facts: Facts | None, now: datetime) -> tuple[Reason, Status, datetime]:
    if facts is None or facts.status is None or not facts.status.terminal:
        return Reason.UNRECONCILED, Status.FAILED, now
    ended = facts.ended_at or now
    if transferring(record):
        return parting(record), facts.status, ended
    if record.started_at is not None:
        return Reason.PROCESS_LOST, facts.status, max(ended, record.started_at)
    if facts.status is Status.COMPLETED:
        return Reason.CALLER_ABANDONED, facts.status, ended
    return NEVER_REACHED.get(facts.status, Reason.CARRIER_FAILED), facts.status, ended
