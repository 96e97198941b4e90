"""The account of one call: only forward, bounded, and as the contract shows it."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest

from bridge.call.record import MAX_EVENTS, MAX_TURNS, RESULT, Direction, Status, Turn, iso
from bridge.errors import Reason
from tests.call.stage import record

T0 = datetime(2026, 1, 1, tzinfo=UTC)


def test_a_status_only_moves_forward() -> None:
    """Back, sideways or out of the end it does not go."""
    call = record()
    assert call.status is Status.RINGING
    assert not call.advance(Status.QUEUED)
    assert not call.advance(Status.RINGING)
    assert call.advance(Status.IN_PROGRESS)
    assert call.advance(Status.BUSY)
    for later in Status:
        assert not call.advance(later)
    assert call.status is Status.BUSY


def test_what_is_terminal() -> None:
    """Five ends, three on the way; each is its own word."""
    ends = {each for each in Status if each.terminal}
    assert ends == {Status.COMPLETED, Status.BUSY, Status.NO_ANSWER, Status.FAILED, Status.CANCELED}
    assert json.dumps(Status.NO_ANSWER) == '"no_answer"'
    assert Status("in_progress") is Status.IN_PROGRESS


def test_the_first_outcome_stands() -> None:
    """With its time and words; the second one is told that it comes late."""
    call = record()
    assert call.finish(Reason.AGENT_LOST, T0, status=Status.FAILED, detail="gone")
    assert not call.finish(Reason.CALLER_HANGUP, T0 + timedelta(hours=1), status=Status.COMPLETED, detail="x")
    assert (call.outcome, call.status, call.ended_at, call.outcome_detail) == (
        Reason.AGENT_LOST,
        Status.FAILED,
        T0,
        "gone",
    )


def test_an_outcome_without_an_end_is_added_to_a_status_that_stands() -> None:
    """A carrier that said busy first keeps its word when the reason comes."""
    call = record()
    call.advance(Status.BUSY)
    assert call.finish(Reason.BUSY, T0)
    assert call.status is Status.BUSY


def test_what_a_call_came_to_is_the_latest_word_unless_somebody_opted_out() -> None:
    """That binds us, whatever the agent says afterwards."""
    subject = record()
    for told, kept in (("confirmed", "confirmed"), ("rescheduled", "rescheduled"), ("opted_out", "opted_out")):
        subject.came_to(told)
        assert subject.detail[RESULT] == kept
    subject.came_to("confirmed")
    assert subject.detail[RESULT] == "opted_out"


def test_turns_and_events_are_bounded_and_what_is_left_out_is_counted() -> None:
    """The first ones are kept."""
    call = record()
    for number in range(MAX_TURNS + 3):
        call.add_turn(Turn("caller", str(number), number))
    for number in range(MAX_EVENTS + 4):
        call.add_event("x", number, number=number)
    assert (len(call.turns), call.turns[-1].text) == (MAX_TURNS, str(MAX_TURNS - 1))
    assert (len(call.events), call.events[0]) == (MAX_EVENTS, {"type": "x", "at_ms": 0, "number": 0})
    assert call.dropped == 7


@pytest.mark.parametrize("caller", ["", "client:bob", "sip:bob@example.com", "sip:+15550123456@example.com"])
def test_a_caller_without_a_number_has_no_phone_number(caller: str) -> None:
    """What is told as a phone number can be dialled; an address of a browser or a SIP phone is none."""
    assert replace(record(), from_number=caller).phone_number == ""
    assert record().phone_number == "+15550123456"


def test_the_person_is_the_other_side() -> None:
    """Who calls us, or whom we call."""
    assert record().person == "+15550123456"
    assert replace(record(), direction=Direction.OUTBOUND).person == "+15550100"


def test_a_turn_that_was_not_cut_was_heard_whole() -> None:
    """One that was cut to nothing was not heard at all."""
    assert Turn("agent", "Hello.", 5).public()["heard"] == "Hello."
    cut = Turn("agent", "Hello.", 5, heard="", interrupted=True)
    assert cut.public() == {"role": "agent", "text": "Hello.", "heard": "", "interrupted": True, "at_ms": 5}


def test_a_record_in_public() -> None:
    """JSON as the contract has it: side, class and reason of the outcome, the duration from stream to end."""
    call = replace(record(), started_at=T0 + timedelta(seconds=2))
    assert call.public()["outcome"] is None
    assert call.public()["duration_s"] is None
    call.finish(Reason.CALLER_HANGUP, T0 + timedelta(seconds=12.3456))
    body = json.loads(json.dumps(call.public()))
    assert body["outcome"] == {"side": "caller", "class": "success", "reason": "caller_hangup"}
    assert body["duration_s"] == 10.346
    assert (body["status"], body["direction"]) == ("completed", "inbound")
    assert (body["from"], body["to"]) == ("+15550123456", "+15550100")
    assert body["created_at"] == "2026-01-01T00:00:00.000Z"
    assert "analysis" not in body
    refused = record()
    refused.finish(Reason.CARRIER_REFUSED, T0, detail="Twilio refused: no such number (HTTP 400, code 21211)")
    assert refused.public()["outcome"]["detail"] == "Twilio refused: no such number (HTTP 400, code 21211)"
    assert "recording" not in body


def test_a_clock_that_was_set_back_makes_no_negative_duration() -> None:
    """Nothing is shorter than nothing."""
    call = replace(record(), started_at=T0)
    call.finish(Reason.CALLER_HANGUP, T0 - timedelta(seconds=5))
    assert call.public()["duration_s"] == 0.0


def test_what_is_internal_is_not_in_public() -> None:
    """Details hold variables and prompts: they stay inside."""
    call = replace(record(), detail={"variables": {"ssn": "secret-7"}}, instance="host-7")
    assert "secret-7" not in json.dumps(call.public())


@pytest.mark.parametrize(
    ("moment", "text"),
    [
        (None, None),
        (T0, "2026-01-01T00:00:00.000Z"),
        (datetime(2026, 1, 1, 2, 0, 0, 999_999, tzinfo=timezone(timedelta(hours=2))), "2026-01-01T00:00:00.999Z"),
    ],
)
def test_times_are_utc_in_milliseconds(moment: datetime | None, text: str | None) -> None:
    """Whatever zone they come in."""
    assert iso(moment) == text
