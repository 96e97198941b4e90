"""The one line that the log keeps of a call."""

from datetime import UTC, datetime

from bridge.assembly.summary import masked, summary
from bridge.call.record import CallRecord, Direction, Turn
from bridge.errors import Reason


def test_the_line_of_a_call_tells_its_outcome_and_nothing_personal() -> None:
    """Who, how long and why are in it; no number in full, no word of what was said."""
    now = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
    record = CallRecord("call_1", Direction.INBOUND, "+15550123456", "+15550100", "+15550100", "support", now)
    record.add_turn(Turn("caller", "my secret wish", 10))
    record.finish(Reason.CALLER_HANGUP, now)
    line = summary(record)
    assert line["outcome"] == {"side": "caller", "class": "success", "reason": "caller_hangup"}
    assert line["person"] == "***56"
    assert "5550123" not in str(line)
    assert "secret" not in str(line)


def test_numbers_are_masked_to_two_digits() -> None:
    """Two digits tell callers apart in a log and tell nobody who they are."""
    assert [masked("+15550123456"), masked("123"), masked("")] == ["***56", "***", "withheld"]
