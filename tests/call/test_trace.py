"""bridge/call/trace.py: a record as a trace."""

from datetime import UTC, datetime, timedelta
from typing import Any

from bridge.call.record import CallRecord, Direction, Turn
from bridge.call.trace import Span, span_of
from bridge.errors import Reason

NOW = datetime(2026, 5, 1, 12, 0, tzinfo=UTC)
NUMBER, LINE, WORDS = "+15550123456", "+15550100", "my card is 4111 1111 1111 1111"


def at(seconds: float) -> datetime:
    """So long after the offer."""
    return NOW + timedelta(seconds=seconds)


def record(**values: Any) -> CallRecord:
    """A call of ten seconds with everything that a trace may show, and much that it must not."""
    call = CallRecord(
        "call_1", Direction.INBOUND, NUMBER, LINE, LINE, "support", NOW, carrier_call_id="CA1", started_at=at(0.5)
    )
    call.latency.credential_ms, call.latency.connect_ms, call.latency.first_word_ms = 100.0, 400.0, 300.0
    call.latency.response_ms = [700.0]
    call.add_event("stream_started", 500)
    call.add_event("agent_ready", 600, agent="support", uplink="mulaw/8000", downlink="mulaw/8000")
    call.add_event("prompt", 700, name=f"announcement {LINE}")
    call.add_event("dtmf", 2000, digit="4")
    call.add_event("tool_call", 3000, name=NUMBER)
    call.add_event("tool_answered", 3500, name="book", took_ms=400, failed="timeout")
    call.add_event("agent_problem", 3600, code=WORDS)
    call.add_event("agent_expired", 3700, reason=WORDS)
    call.add_event("interruption", 4000, by="agent", took_ms=12.0)
    call.add_event("leaving", 9000, reason="agent_ended", then="hangup")
    call.turns = [Turn("agent", "Hello there", 800, "Hello", interrupted=True), Turn("caller", WORDS, 2000)]
    call.finish(values.pop("outcome", Reason.CALLER_HANGUP), at(10))
    for name, value in values.items():
        setattr(call, name, value)
    return call


def part(span: Span, name: str) -> Span:
    """The only part of this name."""
    (found,) = [each for each in span.inner if each.name == name]
    return found


def test_a_call_is_told_from_the_webhook_to_the_end() -> None:
    """Each part begins and ends when the record says, in order, within the call."""
    call = span_of(record())
    assert (call.begin, call.end, call.fault) == (NOW, at(10), "")
    times = {each.name: (each.begin, each.end) for each in call.inner}
    assert times == {
        "webhook": (NOW, at(0.5)),
        "agent credential": (at(0.2), at(0.3)),
        "agent socket": (at(0.3), at(0.6)),
        "first word": (at(0.5), at(0.8)),
        "turn: agent": (at(0.8), at(2)),
        "turn: caller": (at(2), at(10)),
        "tool": (at(3.1), at(3.5)),
        "ending": (at(9), at(10)),
    }
    assert [each.begin for each in call.inner] == sorted(each.begin for each in call.inner)
    assert part(call, "tool").fault == "timeout"
    assert part(call, "turn: agent").facts["characters_heard"] == 5
    assert call.facts["outcome.reason"] == "caller_hangup"


def test_nothing_personal_is_in_a_trace() -> None:
    """No number, no word, no digit, and nothing that an agent or a caller could have put into a name or a code."""
    text = repr(span_of(record()))
    for canary in (NUMBER, LINE, "4111", "Hello", "'4'"):
        assert canary not in text
    assert "***56" in text


def test_a_fault_of_ours_or_the_agents_is_an_error() -> None:
    """A caller who hangs up is none."""
    assert span_of(record(outcome=Reason.AGENT_LOST)).fault == "agent_lost"
    assert span_of(record(outcome=Reason.CALLER_HANGUP)).fault == ""


def test_a_call_that_came_to_nothing_is_still_a_trace() -> None:
    """Without stream, agent, turns and events there is the beginning alone."""
    call = CallRecord("call_2", Direction.OUTBOUND, LINE, NUMBER, LINE, "support", NOW)
    call.finish(Reason.CALLER_HANGUP, at(3))
    assert [(each.name, each.end) for each in span_of(call).inner] == [("dial", at(3))]
    phone = CallRecord("call_3", Direction.INBOUND, "", "", "*", "demo", NOW, carrier="softphone")
    assert [each.name for each in span_of(phone).inner] == ["offer"]


def test_a_long_call_is_a_trace_of_bounded_size() -> None:
    """Two thousand turns are not two thousand spans."""
    call = record()
    call.turns = [Turn("caller", "x", 1000 + number) for number in range(2000)]
    assert len(span_of(call).inner) == 500
