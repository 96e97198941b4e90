"""A call that the agent has let go of, to a person: what its record tells of where it stands."""

from __future__ import annotations

from typing import Final

from bridge.call.record import CallRecord
from bridge.errors import Reason

DIALLED: Final = "dialled"  # a key of ``detail``: the carrier has been told to connect it
RETURNED: Final = "returned"  # another one: how often nobody took it, and the agent got it back


def transferring(record: CallRecord) -> bool:
    """The agent has let go of the call, and it is not over."""
    return not record.status.terminal and record.detail.get("then") == "transfer"


def times(record: CallRecord) -> int:
    """How often a person was dialled for it."""
    return int(record.detail.get("transfers", 0))


def losses(record: CallRecord) -> int:
    """How often its stream was lost: resumes, less those that a transfer which failed asked for."""
    return record.resumes - int(record.detail.get(RETURNED, 0))


def reason_of(record: CallRecord) -> Reason:
    """Who transferred it: an operator or the agent."""
    told = record.detail.get("transfer_reason")
    return Reason.AGENT_TRANSFERRED if told == Reason.AGENT_TRANSFERRED else Reason.TRANSFERRED


def parting(record: CallRecord) -> Reason:
    """Why such a call is over, where nothing is known but that it is: before anybody was dialled the caller has hung up."""
    return reason_of(record) if record.detail.get(DIALLED) else Reason.CALLER_HANGUP
