"""What Twilio says of an end, in the bridge's own words."""

import pytest

from bridge.call.record import Direction, Status
from bridge.carriers.twilio.webhooks.codes import explain_code, explain_sip
from bridge.carriers.twilio.webhooks.outcome import ended, status_of
from bridge.errors import Reason


@pytest.mark.parametrize(
    ("call_status", "direction", "status", "reason"),
    [
        ("completed", Direction.INBOUND, Status.COMPLETED, Reason.CALLER_HANGUP),
        ("busy", Direction.OUTBOUND, Status.BUSY, Reason.BUSY),
        ("no-answer", Direction.OUTBOUND, Status.NO_ANSWER, Reason.NO_ANSWER),
        ("no-answer", Direction.INBOUND, Status.NO_ANSWER, Reason.CALLER_ABANDONED),
        ("canceled", Direction.OUTBOUND, Status.CANCELED, Reason.CANCELED),
        ("canceled", Direction.INBOUND, Status.CANCELED, Reason.CALLER_ABANDONED),
        ("failed", Direction.OUTBOUND, Status.FAILED, Reason.CARRIER_FAILED),
    ],
)
def test_every_end_has_a_status_and_a_reason(
    call_status: str, direction: Direction, status: Status, reason: Reason
) -> None:
    """A terminal CallStatus becomes a status and a reason of the closed list."""
    end = ended(call_status, direction=direction)
    assert end is not None
    assert (end.status, end.reason) == (status, reason)


@pytest.mark.parametrize("call_status", ["queued", "initiated", "ringing", "in-progress", "on-hold"])
def test_a_call_that_goes_on_has_no_end(call_status: str) -> None:
    """A status that is not terminal, or not known, ends nothing."""
    assert ended(call_status, direction=Direction.OUTBOUND) is None
    assert (status_of(call_status) is None) == (call_status == "on-hold")


@pytest.mark.parametrize(
    ("call_status", "status"),
    [
        ("queued", Status.QUEUED),
        ("initiated", Status.QUEUED),
        ("ringing", Status.RINGING),
        ("in-progress", Status.IN_PROGRESS),
        ("answered", Status.IN_PROGRESS),
        ("completed", Status.COMPLETED),
    ],
)
def test_every_status_has_its_own(call_status: str, status: Status) -> None:
    """Of calls and of the legs of a transfer."""
    assert status_of(call_status) is status


def test_an_end_is_told_in_words() -> None:
    """The network's answer, then Twilio's code; an answer that is no fault is not told."""
    end = ended("failed", direction=Direction.OUTBOUND, sip_code=404, error_code=13224)
    assert end is not None
    assert end.detail == f"{explain_sip(404).meaning}; {explain_code(13224).meaning}"
    for fine in (0, 180, 200):
        plain = ended("completed", direction=Direction.INBOUND, sip_code=fine)
        assert plain is not None
        assert plain.detail == ""
