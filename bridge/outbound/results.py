"""What a call came to: for the person's state, for a retry, and for the table of results."""

from __future__ import annotations

from typing import Final

from bridge.call.record import RESULT, RESULTS, CallRecord, Status
from bridge.errors import Class, Reason
from bridge.outbound.said import understood

CAPTURED: Final = frozenset(RESULTS)
FAILURES: Final = frozenset({"failed", "refused", "unknown", "broken_off"})  # what the circuit breaker counts


def result_of(record: CallRecord) -> str:
    """One word.

    What was said: confirmed, rescheduled, opted_out, wrong_number, declined, callback; talked where nothing is known of it;
    broken_off where the talk had begun and failed. Else: message_left, machine, busy, no_answer, canceled, suppressed,
    too_late, refused, unknown, failed.
    """
    told = record.detail.get(RESULT)
    if isinstance(told, str) and told in CAPTURED:
        return told
    outcome = record.outcome
    if outcome is Reason.OPTED_OUT:
        return "opted_out"
    plain = {
        Reason.MESSAGE_LEFT: "message_left",
        Reason.MACHINE_HANGUP: "machine",
        Reason.CALLER_BLOCKED: "suppressed",
        Reason.OUTSIDE_HOURS: "too_late",
        Reason.CARRIER_REFUSED: "refused",
        Reason.UNRECONCILED: "unknown",
    }
    if outcome in plain:
        return plain[outcome]
    if record.status in (Status.BUSY, Status.NO_ANSWER, Status.CANCELED):
        return str(record.status)
    if record.started_at is None:
        return "no_answer" if outcome is Reason.CALLER_ABANDONED else "failed"
    said = understood(turn.text for turn in record.turns if turn.role == "caller")
    if said:
        return said
    broken = outcome is not None and outcome.class_ not in (Class.SUCCESS, Class.CALLER_ERROR)
    return "broken_off" if broken else "talked"
