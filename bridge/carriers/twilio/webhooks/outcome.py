"""CallStatus, SIP answer and error code to the bridge's own status and reason."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from bridge.call.record import Direction, Status
from bridge.carriers.twilio.webhooks.codes import explain_code, explain_sip
from bridge.errors import Reason

_STATUSES: Final = {
    "queued": Status.QUEUED,
    "initiated": Status.QUEUED,
    "ringing": Status.RINGING,
    "in-progress": Status.IN_PROGRESS,
    "answered": Status.IN_PROGRESS,
    "completed": Status.COMPLETED,
    "busy": Status.BUSY,
    "no-answer": Status.NO_ANSWER,
    "failed": Status.FAILED,
    "canceled": Status.CANCELED,
}


@dataclass(frozen=True, slots=True)
class Ended:
    """How Twilio says that a call ended. ``detail``: in words, for the record; no numbers of people in it."""

    status: Status
    reason: Reason
    detail: str = ""


def status_of(call_status: str) -> Status | None:
    """The bridge's status for a CallStatus (or DialCallStatus); None for one that Twilio has added since."""
    return _STATUSES.get(call_status)


def ended(call_status: str, *, direction: Direction, sip_code: int = 0, error_code: int = 0) -> Ended | None:
    """The end that a terminal CallStatus tells; None where the call goes on.

    The reason is only what the carrier can know: a record that already has an outcome keeps it. An inbound call that was
    never answered was abandoned by its caller, whichever word Twilio uses for it.
    """
    status = status_of(call_status)
    if status is None or not status.terminal:
        return None
    inbound = direction is Direction.INBOUND
    if status is Status.COMPLETED:
        reason = Reason.CALLER_HANGUP
    elif status is Status.FAILED:
        reason = Reason.CARRIER_FAILED
    elif status is Status.BUSY:
        reason = Reason.BUSY
    elif inbound:
        reason = Reason.CALLER_ABANDONED
    else:
        reason = Reason.CANCELED if status is Status.CANCELED else Reason.NO_ANSWER
    return Ended(status, reason, _words(sip_code, error_code))


def _words(sip_code: int, error_code: int) -> str:
    words = []
    if sip_code >= 300:  # 1xx and 2xx are no fault
        words.append(explain_sip(sip_code).meaning)
    if error_code:
        words.append(explain_code(error_code).meaning)
    return "; ".join(words)
