"""bridge/call/ending.py: how a call ends, exactly once."""

import pytest

from bridge.call import events as e
from bridge.call.record import Status
from bridge.errors import Reason
from tests.call.stage import Stage, opened, ready


def test_the_operator_ends_a_call_at_once() -> None:
    """Nothing is heard out, and both legs are closed."""
    stage = Stage().connected()
    stage.says(9.0)
    orders = stage.tell(e.EndRequested(Reason.OPERATOR_HANGUP))
    assert [type(order).__name__ for order in orders][-3:] == ["ClosePhone", "Save", "Ended"]
    assert stage.reason is Reason.OPERATOR_HANGUP
    assert stage.record.status is Status.COMPLETED


def test_an_end_after_the_words_hears_them_out() -> None:
    """As a tool asks for it."""
    stage = Stage().connected()
    stage.says(2.0)
    stage.tell(e.EndRequested(Reason.AGENT_HANGUP, after_words=True))
    assert stage.until_over() == pytest.approx(2.0, abs=0.2)


def test_an_end_with_words_of_its_own_says_them_in_place_of_the_agents() -> None:
    """Drain: the agent is cut off, the farewell is heard."""
    stage = Stage().connected()
    stage.says(20.0)
    orders = stage.tell(e.EndRequested(Reason.DRAIN_TIMEOUT, prompt="closing"))
    assert orders[0] == e.ClearAudio()
    stage.until_over()
    assert stage.now < 1.0
    assert stage.prompted == ["closing"]
    assert stage.reason is Reason.DRAIN_TIMEOUT


@pytest.mark.parametrize(
    ("reason", "status"),
    [
        (Reason.OPERATOR_HANGUP, Status.CANCELED),
        (Reason.CANCELED, Status.CANCELED),
        (Reason.DRAIN_TIMEOUT, Status.FAILED),
    ],
)
def test_a_call_that_had_no_stream_is_not_completed(reason: Reason, status: Status) -> None:
    """It was canceled, or it failed."""
    stage = Stage()
    stage.tell(e.EndRequested(reason))
    assert (stage.reason, stage.record.status) == (reason, status)


def test_a_transfer_hears_the_agent_out_and_lets_it_go() -> None:
    """The carrier is then told to dial the named place."""
    stage = Stage().connected()
    stage.says(1.0)
    stage.tell(e.TransferRequested("reception", Reason.TRANSFERRED))
    assert stage.sent(e.SendStop)
    stage.until_over()
    assert stage.sent(e.ClosePhone) == [e.ClosePhone("transfer", "reception")]
    assert stage.record.detail["target"] == "reception"
    assert stage.now == pytest.approx(1.0, abs=0.1)


def test_a_transfer_without_a_caller_is_refused() -> None:
    """Before the stream there is nobody to transfer."""
    assert Stage().tell(e.TransferRequested("reception", Reason.TRANSFERRED)) == []


def test_the_first_decision_to_leave_stands() -> None:
    """A transfer after the agent has left changes nothing."""
    stage = Stage().connected()
    stage.says(1.0)
    stage.tell(e.AgentClosed(1000), e.TransferRequested("reception", Reason.TRANSFERRED))
    stage.until_over()
    assert (stage.then, stage.reason) == ("hangup", Reason.AGENT_HANGUP)


def test_a_call_that_is_too_long_is_said_goodbye_to() -> None:
    """The line's max_duration_s, with words."""
    stage = Stage(max_duration_s=30.0).connected()
    stage.idle(32.0)
    assert stage.over
    assert stage.reason is Reason.MAX_DURATION
    assert stage.prompted == ["closing"]


def test_a_call_that_another_instance_has_is_let_go_of_quietly() -> None:
    """The agent is dropped; record and line are the other's."""
    stage = Stage().connected()
    orders = stage.tell(e.Superseded())
    assert stage.over
    assert stage.reason is None
    assert not any(isinstance(order, e.ClosePhone | e.Save) for order in orders)
    assert stage.sent(e.DropAgent)


def test_more_last_words_than_the_carrier_takes_are_all_heard() -> None:
    """A minute of farewell goes out as its marks make room, and then the phone is hung up."""
    stage = Stage().connected()
    stage.says(60.0)
    stage.tell(e.AgentClosed(1000))
    stage.idle(59.5)
    assert not stage.over
    assert len(stage.played) == 60 * 8000
    assert stage.until_over() < 1.0
    assert stage.reason is Reason.AGENT_HANGUP


def test_the_record_counts_what_was_not_as_it_should_be() -> None:
    """Stale chunks, bad messages, dropped samples: one look tells."""
    stage = Stage().connected()
    stage.says(0.5, event_id=1)
    stage.tell(e.AgentInterrupted(), e.AgentAudio(b"\x55" * 160, 1), e.Garbage("phone", Reason.CARRIER_PROTOCOL))
    stage.tell(e.EndRequested(Reason.OPERATOR_HANGUP))
    counts = stage.record.detail["counts"]
    assert counts["stale_chunks"] == 1
    assert counts["bad_messages"] == {"phone": 1, "agent": 0}
    assert counts["interruptions"] == {"agent": {"accepted": 1}}


def test_after_the_end_nothing_follows() -> None:
    """Every further event is ignored."""
    stage = Stage().connected()
    stage.tell(e.EndRequested(Reason.OPERATOR_HANGUP))
    late = (opened(), ready(), e.PhoneAudio(b"\x01" * 160), e.AgentAudio(b"\x01" * 160), e.PhoneClosed(orderly=True))
    assert stage.tell(*late, e.EndRequested(Reason.DRAIN_TIMEOUT), e.TimedOut("gone"), e.Superseded()) == []


def test_a_call_that_is_abandoned_is_ended_from_any_state() -> None:
    """Our own bug: legs closed, record final, once."""
    stage = Stage().connected()
    orders = stage.machine.abandon(Reason.INTERNAL_ERROR, 1.0)
    assert [type(order).__name__ for order in orders] == ["DropAgent", "ClosePhone", "Save", "Ended"]
    assert stage.reason is Reason.INTERNAL_ERROR
    assert stage.over
