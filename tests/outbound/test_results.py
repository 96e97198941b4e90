"""What a call came to, in one word."""

from datetime import UTC, datetime
from typing import Any

import pytest

from bridge.call.record import CallRecord, Direction, Status, Turn
from bridge.errors import Reason
from bridge.outbound.results import FAILURES, result_of

START = datetime(2026, 11, 2, 15, 0, tzinfo=UTC)


def record(
    reason: Reason | None, status: Status = Status.COMPLETED, *, talked: bool = False, **detail: Any
) -> CallRecord:
    """A call that is over."""
    made = CallRecord("call_1", Direction.OUTBOUND, "+1", "+2", "+1", "support", START, detail=detail)
    made.started_at = START if talked else None
    if reason is None:
        made.status = status
    else:
        made.finish(reason, START, status=status)
    return made


def said(*words: str, role: str = "caller") -> str:
    """The result of a talk in which these words fell."""
    made = record(Reason.CALLER_HANGUP, talked=True)
    for text in words:
        made.add_turn(Turn(role, text, 0))
    return result_of(made)


@pytest.mark.parametrize(
    ("reason", "status", "result"),
    [
        (Reason.MESSAGE_LEFT, Status.COMPLETED, "message_left"),
        (Reason.MACHINE_HANGUP, Status.COMPLETED, "machine"),
        (Reason.CALLER_BLOCKED, Status.CANCELED, "suppressed"),
        (Reason.OUTSIDE_HOURS, Status.CANCELED, "too_late"),
        (Reason.CARRIER_REFUSED, Status.FAILED, "refused"),
        (Reason.UNRECONCILED, Status.FAILED, "unknown"),
        (Reason.OPTED_OUT, Status.COMPLETED, "opted_out"),
        (Reason.BUSY, Status.BUSY, "busy"),
        (Reason.NO_ANSWER, Status.NO_ANSWER, "no_answer"),
        (Reason.CANCELED, Status.CANCELED, "canceled"),
        (Reason.CARRIER_FAILED, Status.FAILED, "failed"),
        (Reason.CALLER_ABANDONED, Status.COMPLETED, "no_answer"),
        (None, Status.COMPLETED, "failed"),
    ],
)
def test_a_call_without_a_talk_tells_why(reason: Reason | None, status: Status, result: str) -> None:
    """Each end before the stream has its own word."""
    assert result_of(record(reason, status)) == result


def test_a_talk_of_which_nothing_is_known() -> None:
    """Somebody was talked to, and the agent's own words decide nothing."""
    assert said() == "talked"
    assert said("Do not call me", role="agent") == "talked"


def test_a_talk_that_failed_is_broken_off_and_counts_as_a_failure() -> None:
    """The breaker hears of agents that break down in the middle."""
    assert result_of(record(Reason.AGENT_LOST, talked=True)) == "broken_off"
    assert {"broken_off", "failed", "refused", "unknown"} == FAILURES


@pytest.mark.parametrize(
    ("words", "result"),
    [
        ("Please don\u2019t call again", "opted_out"),
        ("STOP CALLING me", "opted_out"),
        ("take me off your list, I'll be there", "opted_out"),
        ("No one here by that name", "wrong_number"),
        ("There is nobody here with that name", "wrong_number"),
        ("Can we reschedule?", "rescheduled"),
        ("another day, please", "rescheduled"),
        ("Yes, I'll be there", "confirmed"),
        ("I can't confirm", "talked"),
        ("I won't be there", "talked"),
        ("Reconfirmedly nothing", "talked"),
    ],
)
def test_what_people_say_is_understood_with_care(words: str, result: str) -> None:
    """Opting out wins over everything, a denied confirmation is none, and parts of words say nothing."""
    assert said(words) == result


def test_words_may_fall_in_several_turns() -> None:
    """An early word counts as much as a late one."""
    assert said("Confirmed.", "Actually, remove me.") == "opted_out"


def test_a_tools_word_counts_before_the_transcript_but_only_a_known_one() -> None:
    """What an agent made up is no result."""
    made = record(Reason.CALLER_HANGUP, talked=True, result="declined")
    made.add_turn(Turn("caller", "confirmed", 0))
    assert result_of(made) == "declined"
    for odd in ("busy", "", 7, ["confirmed"]):
        made.detail["result"] = odd
        assert result_of(made) == "confirmed"
