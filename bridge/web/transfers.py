"""Calls that are with a person: dialled by the carrier, given back to the agent where nobody takes them.

The carrier dials with ``<Dial>``: when the caller hangs up, it stops the ringing of the other side by itself.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final, Protocol

import structlog

from bridge.call.handover import DIALLED, RETURNED, parting, reason_of, times
from bridge.call.record import CallRecord
from bridge.carriers.twilio.webhooks import AfterRequest, twiml
from bridge.errors import Reason
from bridge.web.answers import Answers, caller_id_of

MAX_TRANSFERS: Final = 3  # of one call, failed ones included, where nobody says otherwise
MAX_KEPT: Final = 1000
MAX_SUMMARY: Final = 400  # characters, half a minute
TAKEN: Final = frozenset({"completed", "answered"})
RING_SLACK_S: Final = 5.0  # the carrier may let it ring longer (API reference, Timeout), and asks then
SETTLE_S: Final = 3.0  # the call is over: how the transfer went is told by another question, which may come after

log = structlog.get_logger("bridge.transfers")


class Place(Protocol):
    """A place of ``[transfers]``."""

    @property
    def number(self) -> str:
        """Whom the carrier dials."""
        ...

    @property
    def mode(self) -> str:
        """cold, or warm: a summary is spoken first to whom takes it."""
        ...

    @property
    def timeout_s(self) -> int:
        """How long it rings."""
        ...


@dataclass(slots=True, eq=False)
class _Open:
    """A transfer that is not over."""

    record: CallRecord
    over: asyncio.Event = field(default_factory=asyncio.Event)
    rings_until: float = 0.0


@dataclass(slots=True)
class Transfers:
    """What the reception knows of them. ``saved``: a record has changed. ``most``: of one call, failed ones included."""

    places: Mapping[str, Place]
    answers: Answers
    saved: Callable[[CallRecord], None]
    most: Callable[[], int] = lambda: MAX_TRANSFERS
    settle_s: float = SETTLE_S
    clock: Callable[[], float] = time.monotonic
    _open: OrderedDict[str, _Open] = field(default_factory=OrderedDict)

    def begun(self, record: CallRecord) -> None:
        """A session has let go of a call: the carrier is about to ask what follows."""
        record.detail[DIALLED] = False
        if record.carrier_call_id:
            self._open[record.carrier_call_id] = _Open(record)
            while len(self._open) > MAX_KEPT:
                self._open.popitem(last=False)

    def find(self, carrier_call_id: str) -> CallRecord | None:
        """A call that is being transferred from here."""
        known = self._open.get(carrier_call_id)
        return None if known is None else known.record

    @property
    def unasked(self) -> bool:
        """The carrier has still to ask whom to dial."""
        return any(not known.record.detail.get(DIALLED) for known in self._open.values())

    @property
    def ringing(self) -> bool:
        """Somebody's phone may be ringing, and the caller be back when nobody picks up."""
        now = self.clock()
        return any(now < known.rings_until for known in self._open.values())

    def dial(self, record: CallRecord, counter: int) -> str | None:
        """TwiML that connects the call; None where it cannot be: the place is gone, or it was transferred too often."""
        place = self.places.get(str(record.detail.get("target", "")))
        count = times(record) + 1
        if place is None or count > self.most():
            self._failed(record, "not_possible")
            return None
        record.detail |= {"transfers": count, DIALLED: True}
        known = self._open.get(record.carrier_call_id or "")
        if known is not None:
            known.rings_until = self.clock() + place.timeout_s + RING_SLACK_S
        whisper = self.answers.whisper_url(record.call_id) if place.mode == "warm" else None
        action = self.answers.after_url(counter, dialled=True)
        self.saved(record)
        verbs = twiml.dial(
            place.number,
            caller_id=caller_id_of(record),
            action_url=action,
            timeout_s=place.timeout_s,
            whisper_url=whisper,
        )
        return str(verbs + twiml.hangup())

    def over(self, record: CallRecord, request: AfterRequest) -> bool:
        """The dialled person has gone, or never came. True: the call is over; False: it goes back to the agent."""
        if request.dial_status in TAKEN and request.dial_bridged is not False:
            self.close(record, reason_of(record))
        elif request.over:
            self.close(record, Reason.CALLER_HANGUP)
        else:
            record.detail[RETURNED] = int(record.detail.get(RETURNED, 0)) + 1
            taken = request.dial_status in TAKEN  # picked up, and gone before they were connected
            self._failed(record, "not_bridged" if taken else request.dial_status or "failed")
            return False
        return True

    async def told_over(self, record: CallRecord) -> None:
        """A status callback says that the call is over. It may come before the question that tells how the transfer went."""
        known = self._open.get(record.carrier_call_id or "")
        if known is None:
            return
        try:
            async with asyncio.timeout(self.settle_s):
                await known.over.wait()
        except TimeoutError:
            self.close(record, parting(record))

    def close(self, record: CallRecord, reason: Reason) -> None:
        """The end of a call that was transferred."""
        self.forget(record)
        if record.finish(reason, datetime.now(UTC)):
            self.saved(record)
        log.info("transfer_over", call_id=record.call_id, reason=str(reason))

    def forget(self, record: CallRecord) -> None:
        """It is over, back, or another instance's."""
        known = self._open.pop(record.carrier_call_id or "", None)
        if known is not None:
            known.over.set()

    def _failed(self, record: CallRecord, why: str) -> None:
        self.forget(record)
        at = max(0, int((datetime.now(UTC) - record.created_at).total_seconds() * 1000))
        target = str(record.detail.get("target", ""))
        record.add_event("transfer_failed", at, to=target, why=why)
        record.detail["then"] = "hangup"  # not removed: what is stored is merged with it
        variables = record.detail.get("variables")
        record.detail["variables"] = {**(variables if isinstance(variables, dict) else {}), "transfer_failed": target}
        log.warning("transfer_failed", call_id=record.call_id, why=why)


def summary(record: CallRecord) -> str:
    """What is said to the person who takes a warm transfer: the agent's own words for it, else what the caller said last."""
    told = record.detail.get("transfer_summary")
    if isinstance(told, str) and told.strip():
        return told.strip()[:MAX_SUMMARY]
    said = " ".join(turn.text for turn in record.turns[-6:] if turn.role == "caller").strip()
    words = f"The caller said: {said[-MAX_SUMMARY:]}" if said else "The caller has said nothing yet."
    return f"A call is transferred to you. {words}"
