"""A call that the agent has let go of, to a person."""

from datetime import UTC, datetime
from typing import Any

import pytest

from bridge.call.handover import DIALLED, RETURNED, losses, parting, reason_of, transferring
from bridge.call.record import CallRecord, Direction
from bridge.errors import Reason


def record(**detail: Any) -> CallRecord:
    """A call that goes on, of which this is known."""
    now = datetime.now(UTC)
    return CallRecord("call_1", Direction.INBOUND, "+15550123456", "+15550100", "*", "support", now, detail=detail)


def test_a_call_is_handed_over_until_it_is_over() -> None:
    """It ends where the person hangs up, and then nobody waits for it."""
    call = record(then="transfer")
    assert transferring(call)
    call.finish(Reason.TRANSFERRED, datetime.now(UTC))
    assert not transferring(call)


@pytest.mark.parametrize("detail", [{}, {"then": "hangup"}, {"then": None}])
def test_a_call_that_its_agent_still_has_is_not(detail: dict[str, Any]) -> None:
    """Nor is one that was told to end."""
    assert not transferring(record(**detail))


@pytest.mark.parametrize(
    ("told", "reason"),
    [
        ("agent_transferred", Reason.AGENT_TRANSFERRED),
        ("transferred", Reason.TRANSFERRED),
        ("something else", Reason.TRANSFERRED),
        (None, Reason.TRANSFERRED),
    ],
)
def test_who_transferred_it_is_told(told: str | None, reason: Reason) -> None:
    """The agent where the record says so, else an operator: a record of an older release does not say."""
    assert reason_of(record(then="transfer", transfer_reason=told)) is reason


@pytest.mark.parametrize("told", ["agent_transferred", "transferred"])
def test_a_caller_who_goes_before_anybody_was_dialled_has_hung_up(told: str) -> None:
    """There was nobody whom they could have been connected with; once the carrier dials, it was a transfer."""
    call = record(then="transfer", transfer_reason=told)
    assert parting(call) is Reason.CALLER_HANGUP
    call.detail[DIALLED] = True
    assert parting(call) is Reason(told)


def test_what_a_transfer_asked_for_is_no_loss() -> None:
    """The stream that brings a caller back whom nobody took is not one that was lost."""
    call = record()
    call.resumes = 3
    assert losses(call) == 3
    call.detail[RETURNED] = 2
    assert losses(call) == 1
