"""A record that is moved by the carrier's word alone."""

from datetime import UTC, datetime, timedelta

import pytest

from bridge.call.record import Direction, Status
from bridge.carriers.twilio.webhooks import StatusUpdate
from bridge.errors import Reason
from bridge.web.standing import Word, move
from tests.web.desk import CALL, kept

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)


def update(word: str, call: str = CALL) -> StatusUpdate:
    """What the carrier says."""
    return StatusUpdate(call_sid=call, call_status=word, direction=Direction.INBOUND)


@pytest.mark.parametrize(
    ("begun", "word", "reason", "status"),
    [
        (True, "completed", Reason.PROCESS_LOST, Status.COMPLETED),
        (True, "failed", Reason.CARRIER_FAILED, Status.FAILED),
        (False, "completed", Reason.CALLER_HANGUP, Status.COMPLETED),
        (False, "no-answer", Reason.CALLER_ABANDONED, Status.NO_ANSWER),
        (False, "ringing", None, Status.RINGING),
    ],
)
def test_an_end_is_told_with_what_is_known(begun: bool, word: str, reason: Reason | None, status: Status) -> None:
    """A call that had begun was lost by its process; one that had not is the carrier's to explain."""
    record = kept(started_at=NOW if begun else None)
    move(record, update(word), NOW)
    assert (record.outcome, record.status) == (reason, status)
    assert record.ended_at == (NOW if reason else None)


def test_the_first_end_stands() -> None:
    """Whatever the carrier says afterwards."""
    record = kept()
    move(record, update("busy"), NOW)
    move(record, update("completed"), NOW + timedelta(seconds=5))
    move(record, update("ringing"), NOW + timedelta(seconds=6))
    assert (record.outcome, record.status, record.ended_at) == (Reason.BUSY, Status.BUSY, NOW)


def test_the_word_on_another_call_is_not_taken() -> None:
    """It is our mistake, and loud."""
    record = kept()
    move(record, update("completed", "CA" + "9" * 32), NOW)
    assert record.outcome is None


def test_the_first_word_on_a_call_that_we_placed_names_it() -> None:
    """It may come before the answer to the request that placed it."""
    record = kept(carrier_call_id=None)
    move(record, update("ringing"), NOW)
    assert record.carrier_call_id == CALL


def test_a_word_knows_whether_it_was_the_end() -> None:
    """The first one that ends the call; neither one that tells of no end, nor a second end, nor the end of another call."""
    record = kept()
    words = [Word(update(each), NOW) for each in ("in-progress", "completed", "completed")]
    words.insert(0, Word(update("completed", "CA" + "9" * 32), NOW))
    for each in words:
        each.move(record)
    assert [each.closed for each in words] == [False, False, True, False]
    handed_over = kept(status=Status.IN_PROGRESS, detail={"then": "transfer"})
    last = Word(update("completed"), NOW)
    last.move(handed_over)
    assert last.closed
