"""Calls that are with a person."""

import asyncio
import re
from datetime import UTC, datetime
from typing import Any

import pytest

from bridge.call.handover import reason_of, transferring
from bridge.call.record import CallRecord, Status, Turn
from bridge.errors import Reason
from bridge.web.answers import Answers
from bridge.web.transfers import MAX_KEPT, MAX_SUMMARY, MAX_TRANSFERS, Transfers, summary
from tests.web.desk import CALL, HELPER, Person, after, kept

PLACES = {"desk": Person(), "boss": Person("+15550188", "warm", 45)}


class Keeper:
    """Transfers, and what they saved."""

    def __init__(self) -> None:
        self.saved: list[CallRecord] = []
        self.transfers = Transfers(PLACES, Answers("https://bridge.example.com"), self.saved.append, settle_s=0.05)

    def begun(self, target: str = "desk", **detail: Any) -> CallRecord:
        """A call that a session has let go of."""
        record = kept(status=Status.IN_PROGRESS, detail={"then": "transfer", "target": target, **detail})
        self.transfers.begun(record)
        return record


def test_a_place_is_dialled_as_it_was_configured() -> None:
    """Its number and ring time, the next counter asked for afterwards; a cold transfer hears no summary."""
    keeper = Keeper()
    record = keeper.begun()
    text = keeper.transfers.dial(record, 2)
    assert text is not None
    assert HELPER in text
    assert 'timeout="20"' in text
    assert re.search(r'action="https://bridge.example.com/twilio/after\?n=2&amp;dial=1#', text)
    assert "whisper" not in text
    assert keeper.saved == [record]
    assert text.index("<Hangup/>") > text.index(HELPER)


@pytest.mark.parametrize(
    ("caller", "shown"),
    [("+15550123456", None), ("", None), ("client:ada", "+15550100"), ("sip:ada@example.com", "+15550100")],
)
def test_the_callers_number_is_kept_where_there_is_one(caller: str, shown: str | None) -> None:
    """Withheld it stays withheld. From a browser or a SIP phone, which have none, the line calls: the carrier would refuse."""
    keeper = Keeper()
    record = keeper.begun()
    record.from_number = caller
    text = keeper.transfers.dial(record, 2)
    assert text is not None
    found = re.search(r'callerId="([^"]*)"', text)
    assert (found.group(1) if found else None) == shown


def test_who_takes_a_warm_transfer_is_told_first() -> None:
    """The number dialled is given the whisper's address, with this call's id."""
    keeper = Keeper()
    text = keeper.transfers.dial(keeper.begun("boss"), 2)
    assert text is not None
    assert "https://bridge.example.com/twilio/whisper?call=call_kept" in text
    assert 'timeout="45"' in text


def test_a_place_that_is_gone_is_no_transfer() -> None:
    """Nobody is dialled, the agent is told of it, and the call is no longer one that is transferred."""
    keeper = Keeper()
    record = keeper.begun("nobody", variables={"plan": "gold"})
    assert keeper.transfers.dial(record, 2) is None
    assert not transferring(record)
    assert keeper.transfers.find(CALL) is None
    assert record.detail["variables"] == {"plan": "gold", "transfer_failed": "nobody"}
    assert [(event["type"], event["to"], event["why"]) for event in record.events] == [
        ("transfer_failed", "nobody", "not_possible")
    ]
    assert not record.status.terminal


def test_a_call_is_transferred_so_often_and_no_more() -> None:
    """Transfers that failed count: a caller is not sent in circles."""
    keeper = Keeper()
    record = keeper.begun()
    for number in range(MAX_TRANSFERS):
        assert keeper.transfers.dial(record, number) is not None
    assert keeper.transfers.dial(record, 9) is None
    assert record.detail["transfers"] == MAX_TRANSFERS


@pytest.mark.parametrize("most", [0, 1, 5])
def test_how_often_is_the_configurations_to_say(most: int) -> None:
    """As many as the limit is when it is asked for: more than three, fewer, or none."""
    keeper = Keeper()
    keeper.transfers.most = lambda: most
    record = keeper.begun()
    for number in range(most):
        assert keeper.transfers.dial(record, number) is not None
    assert keeper.transfers.dial(record, 9) is None


def test_a_person_who_took_it_ends_the_call_with_success() -> None:
    """Whoever asked for the transfer is the reason; it is saved once and forgotten."""
    for told, reason in (("agent_transferred", Reason.AGENT_TRANSFERRED), ("transferred", Reason.TRANSFERRED)):
        for word in ("completed", "answered"):
            keeper = Keeper()
            record = keeper.begun(transfer_reason=told)
            assert keeper.transfers.over(record, after(dial_status=word)) is True
            assert record.outcome is reason
            assert record.status is Status.COMPLETED
            assert record.ended_at is not None
            assert keeper.saved == [record]
            assert keeper.transfers.find(CALL) is None


def test_nobody_took_it_gives_the_caller_back() -> None:
    """Busy, no answer, failed, or a word that is missing: the call goes on, and the agent learns which place it was."""
    for word, why in (("busy", "busy"), ("no-answer", "no-answer"), ("failed", "failed"), ("", "failed")):
        keeper = Keeper()
        record = keeper.begun()
        assert keeper.transfers.over(record, after(dial_status=word)) is False
        assert record.outcome is None
        assert record.events[-1]["why"] == why
        assert record.detail["variables"] == {"transfer_failed": "desk"}
        assert not transferring(record)


def test_a_caller_who_hangs_up_while_it_rings_has_hung_up() -> None:
    """The call is over with the caller's reason, not the transfer's."""
    keeper = Keeper()
    record = keeper.begun()
    assert keeper.transfers.over(record, after(dial_status="no-answer", call_status="completed")) is True
    assert record.outcome is Reason.CALLER_HANGUP


def test_who_picked_up_and_was_gone_before_the_two_were_connected_did_not_take_it() -> None:
    """They hung up while the summary was spoken: the caller goes back to the agent, or has hung up."""
    for word in ("completed", "answered"):
        keeper = Keeper()
        record = keeper.begun("boss")
        assert keeper.transfers.over(record, after(dial_status=word, dial_bridged=False)) is False
        assert record.events[-1]["why"] == "not_bridged"
        record = keeper.begun("boss")
        gone = after(dial_status=word, dial_bridged=False, call_status="completed")
        assert keeper.transfers.over(record, gone) is True
        assert record.outcome is Reason.CALLER_HANGUP
        record = keeper.begun("boss")
        assert keeper.transfers.over(record, after(dial_status=word, dial_bridged=True)) is True
        assert record.outcome is Reason.TRANSFERRED


def test_it_rings_for_as_long_as_it_may() -> None:
    """Whoever waits for it waits no longer: the configured time, and what the carrier may add to it."""
    keeper = Keeper()
    now = 100.0
    keeper.transfers.clock = lambda: now
    record = keeper.begun()
    assert not keeper.transfers.ringing
    keeper.transfers.dial(record, 2)
    now += 24.0
    assert keeper.transfers.ringing
    now += 2.0
    assert not keeper.transfers.ringing
    now -= 10.0
    keeper.transfers.over(record, after(dial_status="busy"))
    assert not keeper.transfers.ringing


async def test_the_end_that_is_told_first_waits_for_how_it_went() -> None:
    """Two requests tell of the end, in any order: nobody took the call whom the caller did not wait for."""
    keeper = Keeper()
    keeper.transfers.settle_s = 30
    record = keeper.begun()
    keeper.transfers.dial(record, 2)
    told = asyncio.create_task(keeper.transfers.told_over(record))
    twice = asyncio.create_task(keeper.transfers.told_over(record))
    await asyncio.sleep(0)
    assert record.outcome is None
    keeper.transfers.over(record, after(dial_status="no-answer", call_status="completed"))
    async with asyncio.timeout(5):
        await asyncio.gather(told, twice)
    assert record.outcome is Reason.CALLER_HANGUP
    await keeper.transfers.told_over(record)
    assert record.outcome is Reason.CALLER_HANGUP


async def test_an_end_of_which_nothing_more_is_told_is_what_it_most_likely_was() -> None:
    """Where nobody was dialled yet, the caller has hung up; else they talked."""
    for dialled, reason in ((False, Reason.CALLER_HANGUP), (True, Reason.TRANSFERRED)):
        keeper = Keeper()
        record = keeper.begun()
        assert keeper.transfers.unasked
        if dialled:
            keeper.transfers.dial(record, 2)
            assert not keeper.transfers.unasked
        await keeper.transfers.told_over(record)
        assert record.outcome is reason
        assert keeper.saved[-1] is record
        assert not keeper.transfers.unasked


def test_an_outcome_that_stands_is_not_saved_again() -> None:
    """The first end is the end."""
    keeper = Keeper()
    record = keeper.begun()
    record.finish(Reason.CALLER_HANGUP, datetime.now(UTC))
    keeper.transfers.close(record, Reason.TRANSFERRED)
    assert record.outcome is Reason.CALLER_HANGUP
    assert keeper.saved == []
    assert keeper.transfers.find(CALL) is None


def test_what_is_kept_is_bounded() -> None:
    """The oldest is forgotten; a call that the carrier does not know is not kept at all."""
    keeper = Keeper()
    keeper.transfers.begun(kept(carrier_call_id=None))
    for number in range(MAX_KEPT + 1):
        keeper.transfers.begun(kept(carrier_call_id=f"CA{number}"))
    assert keeper.transfers.find("") is None
    assert keeper.transfers.find("CA0") is None
    assert keeper.transfers.find("CA1") is not None
    assert keeper.transfers.find(f"CA{MAX_KEPT}") is not None


def test_only_a_live_call_that_was_let_go_is_being_transferred() -> None:
    """Not one that ended, nor one that is to be hung up."""
    assert transferring(kept(detail={"then": "transfer"}))
    assert not transferring(kept(detail={"then": "hangup"}))
    assert not transferring(kept())
    assert not transferring(kept(detail={"then": "transfer"}, status=Status.COMPLETED))


def test_without_a_word_of_who_asked_it_was_an_operator() -> None:
    """The agent is named only where it did ask."""
    assert reason_of(kept()) is Reason.TRANSFERRED
    assert reason_of(kept(detail={"transfer_reason": "agent_transferred"})) is Reason.AGENT_TRANSFERRED


def test_the_summary_is_the_agents_own_words() -> None:
    """Trimmed and of bounded length."""
    assert summary(kept(detail={"transfer_summary": "  Wants a refund. "})) == "Wants a refund."
    assert len(summary(kept(detail={"transfer_summary": "x" * 9000}))) == MAX_SUMMARY


def test_without_the_agents_words_the_summary_is_what_the_caller_said_last() -> None:
    """Not what the agent said, nor what is long past; where nothing was said that is told."""
    turns = [Turn("caller", "Good morning.", 0)]
    turns += [Turn("agent", "Hello!", 1), Turn("caller", "It is broken.", 2), Turn("agent", "Which one?", 3)]
    turns += [Turn("caller", "The red one.", 4), Turn("agent", "I see.", 5), Turn("agent", "One moment.", 6)]
    told = summary(kept(turns=turns, detail={"transfer_summary": "  "}))
    assert told.endswith("The caller said: It is broken. The red one.")
    assert "has said nothing yet" in summary(kept(turns=[Turn("agent", "Hello!", 1)]))
    assert len(summary(kept(turns=[Turn("caller", "x" * 9000, 0)]))) < MAX_SUMMARY + 100
