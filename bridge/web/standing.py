"""How a call stands by the carrier's word alone: for the record of one that no process here holds."""

from __future__ import annotations

from datetime import datetime

import structlog

from bridge.call.handover import parting, transferring
from bridge.call.record import CallRecord
from bridge.carriers.twilio.webhooks import StatusUpdate
from bridge.errors import Reason

log = structlog.get_logger("bridge.standing")


def move(record: CallRecord, update: StatusUpdate, now: datetime) -> None:
    """Forward only, in whatever order the carrier's words come; of another call's nothing is taken."""
    if record.carrier_call_id is None:
        record.carrier_call_id = update.call_sid  # before the answer to our request: the dial is proved
    if record.carrier_call_id != update.call_sid:
        log.error("placed_twice", call_id=record.call_id)
        return
    end = update.end
    if end is None:
        if update.status is not None:
            record.advance(update.status)
        return
    if transferring(record):
        record.finish(parting(record), now, status=end.status)
        return
    # A call that had begun and that no process holds: the one that held it is gone.
    lost = record.started_at is not None and end.reason is Reason.CALLER_HANGUP
    record.finish(Reason.PROCESS_LOST if lost else end.reason, now, status=end.status, detail=end.detail)
