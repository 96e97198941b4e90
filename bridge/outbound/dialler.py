"""Dials, and finds out what became of it. The carrier's calls carry no id of ours, so:

1. the intent is stored before the carrier is asked, once, whoever runs (``Attempts.intend``, with the time);
2. our id rides in the callback addresses, and a callback that comes with it proves the dial;
3. an attempt that was intended and not answered is looked up at the carrier, by both numbers and the time, before it is dialled
   again;
4. what stays unsure is ``unknown``, for a person, and never dialled again; in the end it is an outcome.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Literal, Protocol

import structlog

from bridge.call.record import CallRecord, Direction, Status
from bridge.carriers.twilio.rest import CallFacts
from bridge.carriers.twilio.webhooks import ended, twiml
from bridge.errors import CarrierFailure, Reason
from bridge.store.attempts import Attempt, Attempts
from bridge.store.calls import Calls
from bridge.store.suppression import Suppressions
from bridge.store.tables import EPOCH

UNSURE: Final = timedelta(
    seconds=30
)  # from the intent to the look-up: three times what one request to the carrier may take
LOOK: Final = timedelta(seconds=60)  # after the last ring, when nothing was heard
CLOCKS: Final = timedelta(seconds=120)  # by which ours and the carrier's may differ
SETTLE: Final = timedelta(seconds=15)  # a callback may still be on its way
CONCLUDE: Final = timedelta(hours=4, minutes=10)  # after the dial: the longest call at the carrier is over
MAX_TRIES: Final = 8
GIVE_UP_S: Final = (1.0, 2.0)  # between attempts to stop a phone that is not to ring
HOLD_S: Final = (1, 2, 4, 8, 15, 30, 60)  # before a request that was refused for now is made again

log = structlog.get_logger("bridge.dialler")


class Rest(Protocol):
    """The carrier (``carriers.twilio.rest.TwilioRest``)."""

    async def dial(
        self,
        to: str,
        from_: str,
        *,
        url: str,
        status_callback: str,
        ring_timeout_s: int = 30,
        machine_detection: Literal["off", "detect", "leave_message"] = "off",
        async_amd_callback: str | None = None,
        time_limit_s: int | None = None,
    ) -> str:
        """Place a call; its id."""
        ...

    async def find(self, to: str, from_: str, *, since: datetime) -> list[CallFacts]:
        """The calls between two numbers since then."""
        ...

    async def fetch(self, call_id: str) -> CallFacts | None:
        """How a call stands."""
        ...

    async def cancel(self, call_id: str) -> bool:
        """Give up a call that has not been answered; False where it was."""
        ...

    async def end(self, call_id: str) -> None:
        """End a call."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Times:
    """How long things may take; tests have less patience."""

    unsure: timedelta = UNSURE
    look: timedelta = LOOK
    settle: timedelta = SETTLE


class Dialler:
    """One for each process that dials, which is ``owner``. Methods may raise StoreUnavailable; whoever then asks for the same
    again, or was killed and is asked for it anew, comes to 3.
    """

    def __init__(
        self,
        *,
        calls: Calls,
        attempts: Attempts,
        suppressions: Suppressions,
        rest: Rest,
        public_url: str,
        owner: str,
        times: Times | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._calls = calls
        self._attempts = attempts
        self._suppressions = suppressions
        self._rest = rest
        self._base = public_url.rstrip("/")
        self._owner = owner
        self._clock = clock
        self.times = times or Times()
        self.dialled = 0

    def address(self, path: str, call_id: str) -> str:
        """A callback's address, with our id and with retries: an instance may be restarting just then."""
        return twiml.with_retries(f"{self._base}{path}?call={call_id}", connect_ms=2000, total_ms=15000)

    async def dial(self, call_id: str) -> None:
        """Ask the carrier for a call that may be dialled; nothing where anybody has been about to ask before."""
        record = await self._calls.get(call_id)
        if record is None or record.status.terminal or record.carrier_call_id:
            return
        attempt = await self._attempts.intend(call_id, owner=self._owner, now=self._clock())
        if attempt is None or not await self._may(attempt):
            return
        plan = attempt.plan
        options: dict[str, Any] = {"ring_timeout_s": plan.get("ring_timeout_s", 30)}
        if plan.get("time_limit_s"):
            options["time_limit_s"] = plan["time_limit_s"]
        if plan.get("machine_detection", "off") != "off":
            options["machine_detection"] = plan["machine_detection"]
            options["async_amd_callback"] = self.address("/twilio/amd", attempt.call_id)
        asked = EPOCH + timedelta(microseconds=attempt.dialled_us or 0)
        if self._clock() - asked > self.times.unsure / 2:
            return  # we were stopped in the meantime: somebody may be about to look for the call
        try:
            self.dialled += 1
            call_sid = await self._rest.dial(
                attempt.to_number,
                attempt.from_number,
                url=self.address("/twilio/voice", attempt.call_id),
                status_callback=self.address("/twilio/status", attempt.call_id),
                **options,
            )
        except CarrierFailure as failure:
            await self._failed(attempt, failure)
            return
        await self._bind(attempt, call_sid)

    async def _may(self, attempt: Attempt) -> bool:
        now = self._clock()
        if await self._suppressions.has(attempt.to_number):
            await self._finish(attempt.call_id, Reason.CALLER_BLOCKED, Status.CANCELED, "on the suppression list")
        elif attempt.not_after_us is not None and EPOCH + timedelta(microseconds=attempt.not_after_us) < now:
            await self._finish(attempt.call_id, Reason.OUTSIDE_HOURS, Status.CANCELED, "its time had passed")
        else:
            return True
        return False

    async def _failed(self, attempt: Attempt, failure: CarrierFailure) -> None:
        log.warning("dial_failed", call_id=attempt.call_id, code=failure.code, unsure=failure.unsure, hint=failure.hint)
        if failure.unsure:
            return
        if failure.retry and attempt.tries < MAX_TRIES:
            wait = HOLD_S[min(attempt.tries, len(HOLD_S) - 1)]
            await self._attempts.requeue(attempt, due=self._clock() + timedelta(seconds=wait))
            return
        # A 400 is about this number, or how it was to be called; the rest about the account, or the carrier's state.
        refused = failure.status == 400 and not failure.retry
        reason = Reason.CARRIER_REFUSED if refused else Reason.CARRIER_FAILED
        await self._finish(attempt.call_id, reason, Status.FAILED, str(failure))

    async def _bind(self, attempt: Attempt, call_sid: str) -> CallRecord | None:
        record = await self._calls.change(attempt.call_id, lambda record: bind(record, call_sid))
        ring = timedelta(seconds=float(attempt.plan.get("ring_timeout_s", 30)))
        await self._attempts.placed(attempt.call_id, look_at=self._clock() + ring + self.times.look)
        if record is not None and record.status.terminal and record.outcome is Reason.CANCELED:
            await self._give_up(attempt, call_sid)
        return record

    async def _give_up(self, attempt: Attempt, call_sid: str) -> None:
        """Somebody gave it up while we dialled. Whoever picks up all the same is hung up by the answer to the webhook."""
        for wait in (*GIVE_UP_S, None):
            try:
                await self._rest.cancel(call_sid)
                await self._rest.end(call_sid)
            except CarrierFailure as failure:
                log.warning("cancel_failed", call_id=attempt.call_id, code=failure.code)
                if wait is not None:
                    await asyncio.sleep(wait)
            else:
                return

    # ------------------------------------------------------------ what became of it

    async def find_out(self, attempt: Attempt) -> bool:
        """Nobody knows whether the carrier was asked, or what it answered: does it have a call that may be this one? False
        where it could not be asked.
        """
        record = await self._calls.get(attempt.call_id)
        if record is None or record.status.terminal:
            return True
        if record.carrier_call_id:
            await self._attempts.placed(attempt.call_id, look_at=self._clock())
            return True
        try:
            mine = await self._candidates(attempt)
        except CarrierFailure as failure:
            log.warning("lookup_failed", call_id=attempt.call_id, code=failure.code)
            return False
        if len(mine) > 1:
            log.error("dial_unknown", call_id=attempt.call_id, candidates=len(mine))
            await self.give_up(attempt)
        elif mine:
            log.info("dial_found", call_id=attempt.call_id)
            await self._take(attempt, mine[0])
        elif attempt.tries >= MAX_TRIES:
            await self._finish(attempt.call_id, Reason.CARRIER_REFUSED, Status.FAILED, "it could not be dialled")
        else:
            log.info("dial_never_was", call_id=attempt.call_id)
            await self._attempts.requeue(attempt, due=self._clock())
        return True

    async def give_up(self, attempt: Attempt) -> None:
        """It cannot be found out: for a person, a callback that comes after all, or ``conclude``."""
        asked = EPOCH + timedelta(microseconds=attempt.dialled_us or 0)
        await self._attempts.unknown(attempt.call_id, conclude_at=asked + CONCLUDE)

    async def conclude(self, attempt: Attempt) -> None:
        """It has been unknown for as long as the longest call: ask once more, and let that be the end of it."""
        try:
            mine = await self._candidates(attempt)
        except CarrierFailure as failure:
            log.warning("lookup_failed", call_id=attempt.call_id, code=failure.code)
            return
        if len(mine) == 1:
            await self._take(attempt, mine[0])
        else:
            words = "it could not be found out whether the carrier placed it"
            await self._finish(attempt.call_id, Reason.UNRECONCILED, Status.FAILED, words)

    async def _candidates(self, attempt: Attempt) -> list[CallFacts]:
        asked = EPOCH + timedelta(microseconds=attempt.dialled_us or 0)
        found = await self._rest.find(attempt.to_number, attempt.from_number, since=asked - CLOCKS)
        return [facts for facts in found if await self._is_nobodys(facts.carrier_call_id, attempt.call_id)]

    async def _take(self, attempt: Attempt, facts: CallFacts) -> None:
        await self._bind(attempt, facts.carrier_call_id)
        await self._learn(attempt.call_id, facts)

    async def _is_nobodys(self, call_sid: str, call_id: str) -> bool:
        record = await self._calls.get(call_sid)
        return record is None or record.call_id == call_id

    async def look(self, attempt: Attempt, call_sid: str) -> None:
        """Nothing was heard of a placed call for long: how does it stand?"""
        try:
            facts = await self._rest.fetch(call_sid)
        except CarrierFailure as failure:
            log.warning("lookup_failed", call_id=attempt.call_id, code=failure.code)
            return
        if facts is None:
            await self._finish(attempt.call_id, Reason.UNRECONCILED, Status.FAILED, "the carrier does not know it")
        else:
            await self._learn(attempt.call_id, facts)

    async def _learn(self, call_id: str, facts: CallFacts) -> None:
        end = ended(facts.call_status, direction=Direction.OUTBOUND)
        if end is None:
            return
        if facts.ended_at is not None and self._clock() - facts.ended_at < self.times.settle:
            return
        at = facts.ended_at or self._clock()

        def move(record: CallRecord) -> None:
            if facts.started_at is not None and end.status is Status.COMPLETED and record.started_at is None:
                record.detail["answered_at"] = facts.started_at.isoformat()
            record.add_event("reconciled", _ms(record, self._clock()), carrier_status=facts.call_status)
            lost = record.started_at is not None and end.reason is Reason.CALLER_HANGUP
            record.finish(Reason.PROCESS_LOST if lost else end.reason, at, status=end.status, detail=end.detail)

        await self._calls.change(call_id, move)

    async def _finish(self, call_id: str, reason: Reason, status: Status, detail: str) -> None:
        now = self._clock()
        await self._calls.change(call_id, lambda record: record.finish(reason, now, status=status, detail=detail))


def bind(record: CallRecord, call_sid: str) -> None:
    """The carrier's id of a call, learned from its answer, a callback or a search: the first one stands."""
    if record.carrier_call_id is None:
        record.carrier_call_id = call_sid


def _ms(record: CallRecord, now: datetime) -> int:
    return max(0, int((now - record.created_at).total_seconds() * 1000))
