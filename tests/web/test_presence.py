"""Whether a call is here, where its stream may have gone to another instance."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from bridge.call import events as e
from bridge.call.record import CallRecord, Direction, Status
from bridge.carriers.twilio.webhooks import StatusUpdate
from bridge.errors import Reason
from bridge.store.document import restore, snapshot
from bridge.web.presence import Presence
from tests.web.desk import CALL, HELPER, OURS, PERSON, Office, after, grant, kept, opened, voice


@pytest.fixture
async def office() -> AsyncIterator[Office]:
    """The instance called one, with its store."""
    async with Office() as found:
        yield found


def presence(office: Office) -> Presence:
    """As the reception has it."""
    return Presence(office.board, office.store, "one")


def moves(office: Office) -> None:
    """By the store another instance has the call now."""
    office.store.keep(replace(office.session.record, instance="two", status=Status.IN_PROGRESS))


async def test_a_call_that_waits_for_its_stream_is_ours(office: Office) -> None:
    """By either id, as long as the store says nothing else."""
    await office.reception.voice(voice())
    session = office.session
    for any_id in (CALL, session.record.call_id):
        assert await presence(office).find(any_id) is session
    office.store.records.clear()
    assert await presence(office).find(CALL) is session


async def test_a_call_that_nobody_knows_is_not_here(office: Office) -> None:
    """And the store is not asked."""
    office.store.away = True
    assert await presence(office).find(CALL) is None


async def test_a_call_that_has_moved_is_let_go_of(office: Office) -> None:
    """Its session ends without a word to the carrier or to the store: the other instance has both."""
    await office.reception.voice(voice())
    session = office.session
    await session.started.wait()
    saved = len(office.saved)
    moves(office)
    assert await presence(office).find(CALL) is None
    async with asyncio.timeout(5):
        await session.ended.wait()
    assert office.closings == []
    assert len(office.saved) == saved
    assert session.record.outcome is None


async def test_a_call_whose_stream_is_here_is_ours_whatever_the_store_says(office: Office) -> None:
    """The store is not asked either: this is the usual case."""
    session, _ = await office.connected()
    moves(office)
    office.store.away = True
    assert await presence(office).find(CALL) is session
    office.store.away = False
    session.handle(e.PhoneClosed(orderly=False))
    assert await presence(office).find(CALL) is None


async def test_without_the_store_a_call_counts_as_ours(office: Office) -> None:
    """The carrier is answered all the same."""
    await office.reception.voice(voice())
    moves(office)
    office.store.away = True
    assert await presence(office).find(CALL) is office.session


async def test_a_fresh_calls_stream_asks_the_store_for_its_grant_and_nothing_else(office: Office) -> None:
    """The grant was minted here and used here: nobody else can have the call."""
    looks: list[int] = []
    token = grant(await office.reception.voice(voice()))
    office.store.looked = lambda: looks.append(1)
    assert await office.reception.redeem(opened(token)) is office.session
    await office.reception.status(StatusUpdate(call_sid=CALL, call_status="in-progress", direction=Direction.INBOUND))
    assert looks == []


async def test_a_stream_that_comes_while_the_store_is_asked_settles_it(office: Office) -> None:
    """Whoever has the sound has the call."""
    session, _ = await office.connected()
    session.handle(e.PhoneClosed(orderly=False))
    moves(office)
    office.store.looked = lambda: session.handle(opened(""))
    assert await presence(office).find(CALL) is session
    assert session.record.outcome is None


async def test_whom_we_have_it_from_is_no_new_owner(office: Office) -> None:
    """Taken over from another instance, the call is ours although the store has not been told yet."""
    office.store.keep(kept(status=Status.IN_PROGRESS, instance="two", carrier_call_id=CALL))
    await office.reception.after(after(), 1, dialled=False)
    session = office.session
    office.store.keep(replace(session.record, instance="two"))
    assert await presence(office).find(CALL) is session
    office.store.keep(replace(session.record, instance="three"))
    assert await presence(office).find(CALL) is None


async def test_what_follows_a_call_that_has_moved_is_the_others_outcome(office: Office) -> None:
    """The one that answered the webhook, and has not been told yet that its call has gone, promises no stream for it."""
    await office.reception.voice(voice())
    record = replace(office.session.record, instance="two", status=Status.IN_PROGRESS)
    record.finish(Reason.AGENT_HANGUP, record.created_at)
    office.store.keep(record)
    assert "<Response><Hangup/></Response>" in await office.reception.after(after(), 1, dialled=False)


async def test_a_stream_that_comes_back_takes_the_call_over_properly(office: Office) -> None:
    """One instance, another, and the first again, which had not been told: the other one is told that it has lost the call."""
    await office.reception.voice(voice())
    stale = office.session
    moves(office)
    async with Office(office.store, instance="two") as other:
        token = grant(await other.reception.after(after(), 1, dialled=False))
        office.store.keep(other.session.record)
        session = await office.reception.redeem(opened(token))
    assert session is not None
    assert session is not stale
    assert office.taken == [(session.record.call_id, "two")]
    assert (session.record.from_number, session.record.to_number) == (PERSON, OURS)


# ------------------------------------------------------------ calls that were handed to a person


def copied(record: CallRecord) -> CallRecord:
    """As the store keeps it: later changes to the one in memory are not in it."""
    return restore(snapshot(record).document)


async def handed_over(office: Office) -> CallRecord:
    """A call whose agent has let go of it, here; the carrier asks another instance everything that follows."""
    session, _ = await office.connected()
    session.handle(e.TransferRequested("desk", Reason.AGENT_TRANSFERRED))
    office.store.keep(copied(session.record))
    while office.board.active:
        await asyncio.sleep(0)
    return session.record


async def test_a_person_is_dialled_once_whoever_is_asked(office: Office) -> None:
    """Dialled by another instance and back with the agent there: this one, asked what follows its end, dials nobody again."""
    await handed_over(office)
    async with Office(office.store, instance="two") as other:
        assert HELPER in await other.reception.after(after(), 1, dialled=False)
        office.store.keep(copied(other.saved[-1]))
        text = await other.reception.after(after(dial_status="busy"), 2, dialled=True)
        assert "<Stream" in text
        back = copied(other.session.record)
        assert back.instance == "two"
        back.finish(Reason.AGENT_HANGUP, back.created_at)
        office.store.keep(back)
        assert "<Response><Hangup/></Response>" in await office.reception.after(after(), 3, dialled=False)
        assert office.reception.transfers.find(CALL) is None


async def test_a_call_that_came_back_elsewhere_is_not_closed_here(office: Office) -> None:
    """Its status callback reaches this instance: what it knew of the transfer is no outcome any more."""
    await handed_over(office)
    stored = copied(office.store.records[CALL])
    stored.instance = "two"
    stored.detail["then"] = "hangup"
    stored.finish(Reason.AGENT_HANGUP, stored.created_at)
    office.store.keep(stored)
    saved = len(office.saved)
    end = StatusUpdate(call_sid=CALL, call_status="completed", direction=Direction.INBOUND)
    await office.reception.status(end)
    assert len(office.saved) == saved
    assert office.store.records[CALL].outcome is Reason.AGENT_HANGUP


async def test_what_came_of_a_person_dialled_by_another_instance_is_told_to_the_store(office: Office) -> None:
    """By the record that knows of the dial, not by the one from before it."""
    await handed_over(office)
    async with Office(office.store, instance="two") as other:
        await other.reception.after(after(), 1, dialled=False)
        office.store.keep(copied(other.saved[-1]))
    await office.reception.after(after(dial_status="completed"), 2, dialled=True)
    assert office.saved[-1].outcome is Reason.AGENT_TRANSFERRED
    assert office.saved[-1].detail["transfers"] == 1


async def test_without_the_store_a_transfer_goes_on_from_memory(office: Office) -> None:
    """The caller waits for nobody's database."""
    await handed_over(office)
    office.store.away = True
    assert HELPER in await office.reception.after(after(), 1, dialled=False)
