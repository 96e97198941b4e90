"""The shapes of a tool call."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from bridge.call.record import CallRecord, Direction
from bridge.tools.asking import About, ToolCall, ToolProblem


def record(direction: Direction) -> CallRecord:
    """A call from one to two."""
    return CallRecord("call_1", direction, "+1", "+2", "+9", "support", datetime(2026, 5, 1, tzinfo=UTC))


@pytest.mark.parametrize(("direction", "person", "called"), [("inbound", "+1", "+2"), ("outbound", "+2", "+1")])
def test_a_business_learns_who_the_person_is_and_which_number_of_ours(direction: str, person: str, called: str) -> None:
    """Whoever called whom."""
    assert About.of(record(Direction(direction))).public() == {
        "call_id": "call_1",
        "phone_number": person,
        "called_number": called,
        "direction": direction,
        "agent": "support",
    }


def test_a_business_is_told_no_address_for_a_number() -> None:
    """A browser or a SIP phone that calls has none."""
    call = replace(record(Direction.INBOUND), from_number="client:bob")
    assert About.of(call).phone_number == ""


@pytest.mark.parametrize(
    ("value", "text"), [(" a ", "a"), (12, "12"), ("", ""), (None, ""), (True, ""), (["x"], ""), ({}, ""), (1.5, "")]
)
def test_an_argument_is_a_text_or_a_number_or_nothing(value: Any, text: str) -> None:
    """A language model sends anything; what is no text is never made one."""
    call = ToolCall("support", "find", {"who": value}, {})
    assert call.text("who") == text
    assert call.text("other") == ""


def test_what_was_asked_does_not_reach_a_log() -> None:
    """The request holds names and numbers of people."""
    assert "+15550123456" not in repr(ToolCall("support", "find", {}, {"who": "+15550123456"}))


def test_a_problem_is_a_sentence_with_a_label() -> None:
    """The one for the agent, the other for the figures."""
    problem = ToolProblem("Try later.", kind="busy")
    assert (str(problem), problem.kind) == ("Try later.", "busy")
