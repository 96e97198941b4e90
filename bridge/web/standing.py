"""How a call stands by the carrier's word alone: for the record of one that no process here holds."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import structlog

from bridge.call.handover import parting, transferring
from bridge.call.record import CallRecord
from bridge.carriers.twilio.webhooks import StatusUpdate
from bridge.errors import Reason

log = structlog.get_logger("bridge.standing")


@dataclass(slots=True)
class Word:
    """A status callback on its way into a record. ``closed``: it was the word that ended the call."""

    update: StatusUpdate
    now: datetime
    closed: bool = False

    def move(self, record: CallRecord) -> None:
        """As ``move``."""
        self.closed = move(record, self.update, self.now)


def move(record: CallRecord, update: StatusUpdate, now: datetime) -> bool:
    """Forward only, in whatever order the carrier's words come; of another call's nothing is taken. True: that was its end."""
    if record.carrier_call_id is None:
        record.carrier_call_id = update.call_sid  # before the answer to our request: the dial is proved
    if record.carrier_call_id != update.call_sid:
        log.error("placed_twice", call_id=record.call_id)
        return False
    end = update.end
    if end is None:
        if update.status is not None:
            record.advance(update.status)
        return False
    if transferring(record):
        return record.finish(parting(record), now, status=end.status)
    # A call that had begun and that no process holds: the one that held it is gone.
    lost = record.started_at is not None and end.reason is Reason.CALLER_HANGUP
    return record.finish(Reason.PROCESS_LOST if lost else end.reason, now, status=end.status, detail=end.detail)
