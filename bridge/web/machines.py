"""Who picked up a call that we placed: told beside the conversation, which never waits for it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Protocol

import structlog

from bridge.call import events as e
from bridge.call.record import CallRecord
from bridge.carriers.twilio.webhooks import MachineResult, twiml
from bridge.errors import CarrierFailure, Reason
from bridge.runtime.switchboard import Switchboard
from bridge.web.call_store import CallStore

LEAVE: Final = "leave_message"

log = structlog.get_logger("bridge.machines")


class Redirect(Protocol):
    """The carrier's own means (``carriers.twilio.rest.TwilioRest``)."""

    async def redirect(self, call_id: str, *, twiml: str | None = None) -> None:
        """Give a live call other TwiML."""
        ...

    async def end(self, call_id: str) -> None:
        """End a call."""
        ...


@dataclass(frozen=True, slots=True)
class Machines:
    """The callback of answering-machine detection."""

    switchboard: Switchboard
    calls: CallStore
    carrier: Redirect

    async def told(self, found: object) -> None:
        """A person: nothing changes. A machine: the agent goes, and a message is left where one was asked for."""
        if not isinstance(found, MachineResult):
            return
        session = self.switchboard.find(found.call_sid)
        if session is not None:
            record = session.record
            _note(record, found)
            if found.machine:
                reason = verdict(record, found)
                then = "message" if reason is Reason.MESSAGE_LEFT else "hangup"
                session.handle(e.EndRequested(reason, then=then))
            return
        await self._elsewhere(found)

    async def _elsewhere(self, found: MachineResult) -> None:
        """Another instance has the call: the carrier takes the line from it, and the outcome is set in the store."""
        record = await self.calls.change(found.call_sid, lambda record: _note(record, found))
        if record is None or not found.machine or record.status.terminal:
            return
        reason = verdict(record, found)
        await self.calls.change(found.call_sid, lambda record: record.finish(reason, datetime.now(UTC)))
        try:
            if reason is Reason.MESSAGE_LEFT:
                words = twiml.say(str(record.detail.get("voicemail_message", "")))
                await self.carrier.redirect(found.call_sid, twiml=str(words + twiml.hangup()))
            else:
                await self.carrier.end(found.call_sid)
        except CarrierFailure as error:
            log.warning("machine_not_told", call_id=record.call_id, code=error.code)


def verdict(record: CallRecord, found: MachineResult) -> Reason:
    """What becomes of a call that a machine has taken."""
    wanted = record.detail.get("machine_detection") == LEAVE and record.detail.get("voicemail_message")
    return Reason.MESSAGE_LEFT if wanted and found.ready_for_message else Reason.MACHINE_HANGUP


def _note(record: CallRecord, found: MachineResult) -> None:
    at = max(0, int((datetime.now(UTC) - record.created_at).total_seconds() * 1000))
    record.detail["answered_by"] = found.answered_by
    record.add_event("answered_by", at, answered_by=found.answered_by, detection_ms=found.duration_ms)
