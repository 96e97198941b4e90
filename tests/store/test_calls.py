"""Records: offered once, only forward, found and removed."""

from __future__ import annotations

import asyncio
import gc
import json
from datetime import UTC, datetime, timedelta

import pytest

from bridge.call.record import CallRecord, Direction, Status, Turn
from bridge.errors import Reason
from bridge.store.calls import Calls
from bridge.store.database import Database
from bridge.store.document import snapshot
from bridge.store.idempotency import Idempotency, Same
from tests.store.conftest import Make

SID = "CA" + "0" * 32
T0 = datetime(2026, 5, 1, 12, tzinfo=UTC)


async def test_of_twenty_offers_of_one_call_one_wins(calls: Calls, make: Make) -> None:
    """A webhook delivered to many instances at once is one call, and all answer the winner's TwiML."""
    records = [make(f"call_{n}", carrier_call_id=SID, instance=f"i-{n}") for n in range(20)]
    offers = await asyncio.gather(
        *(calls.offer(record, f"<Response>{n}</Response>") for n, record in enumerate(records))
    )
    winners = [offer for offer in offers if offer.won]
    assert len(winners) == 1
    assert {offer.twiml for offer in offers} == {winners[0].twiml}
    assert {offer.instance for offer in offers} == {winners[0].instance}
    assert {offer.record.call_id for offer in offers} == {winners[0].record.call_id}
    assert len((await calls.list()).calls) == 1


async def test_an_offer_made_again_after_a_lost_answer_is_still_ours(calls: Calls, make: Make) -> None:
    """Whoever could not hear that it had won may ask again."""
    record = make(carrier_call_id=SID)
    await calls.offer(record, "<a/>")
    assert (await calls.offer(record, "<a/>")).won


async def test_a_call_that_we_placed_is_taken_by_the_first_who_brings_twiml(calls: Calls, make: Make) -> None:
    """The record of a dialled call is there before the carrier asks for it, and keeps what was known."""
    await calls.offer(make(direction=Direction.OUTBOUND, detail={"variables": {"name": "Ann"}}))
    first = await calls.offer(make(direction=Direction.OUTBOUND, carrier_call_id=SID, status=Status.RINGING), "<a/>")
    second = await calls.offer(make(direction=Direction.OUTBOUND, carrier_call_id=SID), "<b/>")
    assert (first.won, second.won, second.twiml) == (True, False, "<a/>")
    stored = await calls.get(SID)
    assert stored is not None
    assert (stored.call_id, stored.status, stored.detail) == ("call_1", Status.RINGING, {"variables": {"name": "Ann"}})


async def test_a_call_that_has_ended_is_not_taken_again(calls: Calls, make: Make) -> None:
    """A webhook replayed after the end starts nothing."""
    record = make(carrier_call_id=SID)
    await calls.offer(record, "<a/>")
    record.finish(Reason.CALLER_HANGUP, T0)
    await calls.save(record)
    again = await calls.offer(make("call_2", carrier_call_id=SID), "<b/>")
    assert (again.won, again.twiml, again.record.outcome) == (False, "<a/>", Reason.CALLER_HANGUP)


async def test_the_first_answer_to_a_counter_stands(calls: Calls) -> None:
    """Asked again what follows the stream, every instance gives the first answer."""
    answers = await asyncio.gather(*(calls.after("call_1", counter=1, twiml=f"<r>{n}</r>") for n in range(10)))
    assert len(set(answers)) == 1
    assert await calls.after("call_1", counter=2, twiml="<other/>") == "<other/>"
    assert await calls.after("call_1", counter=1, twiml="<late/>") == answers[0]


async def test_a_record_is_found_by_either_id(calls: Calls, make: Make) -> None:
    """Users may name a call by our id or by the carrier's."""
    record = make(carrier_call_id=SID)
    await calls.save(record)
    assert await calls.get("call_1") == await calls.get(SID) == record
    assert await calls.get("call_2") is None


async def test_a_terminal_status_and_the_first_outcome_stand(calls: Calls, make: Make) -> None:
    """Whatever is written after the end, the end stays as it was first told."""
    ended = make(status=Status.IN_PROGRESS)
    ended.finish(Reason.PROCESS_LOST, T0, status=Status.FAILED)
    await calls.save(ended)
    late = make(status=Status.IN_PROGRESS, turns=[Turn("caller", "hello", 10)])
    await calls.save(late)
    late.finish(Reason.CALLER_HANGUP, T0 + timedelta(seconds=9))
    await calls.save(late)
    stored = await calls.get("call_1")
    assert stored is not None
    assert (stored.status, stored.outcome, stored.ended_at) == (Status.FAILED, Reason.PROCESS_LOST, T0)
    assert stored.turns == late.turns


async def test_what_another_instance_added_survives_the_owners_next_snapshot(calls: Calls, make: Make) -> None:
    """A status or a recording that came to another instance is not undone by the instance that has the call."""
    record = make(status=Status.IN_PROGRESS)
    await calls.write([snapshot(record, written_by="i-1")])
    await calls.change("call_1", lambda stored: setattr(stored, "recording", {"seconds": 3}))
    for text in ("one", "two"):
        record.add_turn(Turn("caller", text, 10))
        await calls.write([snapshot(record, written_by="i-1")])
    stored = await calls.get("call_1")
    assert stored is not None
    assert stored.recording == {"seconds": 3}
    assert [turn.text for turn in stored.turns] == ["one", "two"]


async def test_changes_made_at_once_all_arrive(calls: Calls, make: Make) -> None:
    """Instances that change one record at the same time do not undo each other."""
    await calls.save(make())
    await asyncio.gather(*(calls.change("call_1", lambda stored, n=n: stored.add_event("e", n)) for n in range(10)))
    stored = await calls.get("call_1")
    assert stored is not None
    assert sorted(event["at_ms"] for event in stored.events) == list(range(10))
    assert await calls.change("call_9", CallRecord.public) is None


async def test_a_call_that_two_instances_took_while_the_store_was_away_is_kept_twice(calls: Calls, make: Make) -> None:
    """No account of a call is lost because another one has the carrier's id already."""
    await calls.write([snapshot(make("call_1", carrier_call_id=SID)), snapshot(make("call_2", carrier_call_id=SID))])
    await calls.write([snapshot(make("call_3", carrier_call_id=SID))])
    assert len((await calls.list()).calls) == 3
    by_carrier = await calls.get(SID)
    assert by_carrier is not None
    assert by_carrier.call_id == "call_1"


async def test_a_list_is_newest_first_and_its_pages_join(calls: Calls, make: Make) -> None:
    """Pages follow each other without a gap or a repetition, also when calls come meanwhile."""
    same_moment = [make(f"call_{n}", created_at=T0 + timedelta(seconds=n // 3)) for n in range(10)]
    for record in same_moment:
        await calls.save(record)
    seen, cursor = [], None
    while True:
        page = await calls.list(limit=3, cursor=cursor)
        seen += [record.call_id for record in page.calls]
        await calls.save(make(f"new_{len(seen)}", created_at=T0 + timedelta(days=1)))
        cursor = page.next_cursor
        if cursor is None:
            break
    expected = sorted(same_moment, key=lambda record: (record.created_at, record.call_id), reverse=True)
    assert seen == [record.call_id for record in expected]


@pytest.mark.parametrize("cursor", ["", "x", "AAAA", "WzEsMl0", "é", "bnVsbA"])
async def test_a_cursor_that_is_none_is_refused(calls: Calls, cursor: str) -> None:
    """A made-up cursor is the asker's mistake and nobody's fault."""
    with pytest.raises(ValueError):
        await calls.list(cursor=cursor)


async def test_lists_are_narrowed(calls: Calls, make: Make) -> None:
    """Every filter of the operator API picks its calls and no others."""
    await calls.save(make("in", agent="a"))
    await calls.save(
        make(
            "out",
            agent="b",
            direction=Direction.OUTBOUND,
            from_number="+15550100",
            to_number="+1777",
            line="+1888",
            status=Status.BUSY,
            created_at=T0 + timedelta(hours=1),
        )
    )

    async def found(**wanted: object) -> list[str]:
        return [record.call_id for record in (await calls.list(**wanted)).calls]  # type: ignore[arg-type]

    assert await found() == ["out", "in"]
    assert await found(status=Status.BUSY) == ["out"]
    assert await found(direction=Direction.INBOUND) == ["in"]
    assert await found(agent="a") == ["in"]
    assert await found(line="+1888") == ["out"]
    assert await found(number="+15550100") == ["out", "in"]
    assert await found(number="+1777") == ["out"]
    assert await found(since=T0 + timedelta(hours=1)) == ["out"]
    assert await found(until=T0 + timedelta(hours=1)) == ["in"]
    assert await found(agent="a", status=Status.BUSY) == []


async def test_unfinished_calls_are_found_for_whoever_reconciles(calls: Calls, make: Make) -> None:
    """Calls of a dead instance, or of long ago, that nobody has ended."""
    await calls.save(make("call_1", instance="dead"))
    await calls.save(make("call_2", instance="alive", created_at=T0 + timedelta(hours=1)))
    await calls.save(make("call_3", instance="dead", status=Status.COMPLETED))
    assert [record.call_id for record in await calls.unfinished(instances=["dead"])] == ["call_1"]
    assert [record.call_id for record in await calls.unfinished(before=T0 + timedelta(minutes=1))] == ["call_1"]
    assert [record.call_id for record in await calls.unfinished()] == ["call_1", "call_2"]


async def test_calls_of_other_instances_are_seen_by_how_far_they_have_come(calls: Calls, make: Make) -> None:
    """Those in progress, without their documents; which of them to read is then the reader's choice."""
    await calls.save(make("call_1", instance="there", turns=[Turn("caller", "Hello", 1)]))
    await calls.save(make("call_2", instance="here"))
    await calls.save(make("call_3", instance="there", status=Status.COMPLETED))
    standing = await calls.elsewhere("here")
    assert list(standing) == ["call_1"]
    assert standing["call_1"][1] == 1
    assert [each.call_id for each in await calls.several(["call_3", "call_1", "call_9"])] == ["call_1", "call_3"]


async def test_a_deleted_call_does_not_come_back(calls: Calls, make: Make) -> None:
    """A snapshot that was under way when its call was deleted does not bring back what was said."""
    record = make(carrier_call_id=SID, status=Status.COMPLETED, turns=[Turn("caller", "my secret", 1)])
    await calls.save(record)
    removed = await calls.delete(SID)
    assert removed == record
    await calls.save(record)
    assert await calls.get("call_1") is None
    assert await calls.delete("call_1") is None


async def test_what_its_request_was_answered_goes_with_a_call(calls: Calls, make: Make, database: Database) -> None:
    """The answer that is kept for an ``Idempotency-Key`` does not name the person for the rest of the day."""
    record = make(status=Status.COMPLETED)
    await calls.save(record)
    keys = Idempotency(database)
    await keys.claim("op", "k", body_hash="h", now=T0)
    await keys.complete("op", "k", http_status=202, response=json.dumps(record.public()))
    await calls.delete("call_1")
    again = await keys.claim("op", "k", body_hash="h", now=T0)
    assert again == Same(202, '{"call_id":"call_1","status":"completed"}')


async def test_a_live_call_is_not_deleted(calls: Calls, make: Make) -> None:
    """The record of a call in progress stays."""
    await calls.save(make(status=Status.IN_PROGRESS))
    assert await calls.delete("call_1") is None
    assert await calls.get("call_1") is not None


async def test_records_expire(calls: Calls, make: Make) -> None:
    """What is older than the retention goes, batch by batch; live calls and newer ones stay."""
    for n in range(5):
        await calls.save(make(f"old_{n}", status=Status.COMPLETED, created_at=T0 + timedelta(seconds=n)))
    await calls.save(make("live"))
    await calls.save(make("new", status=Status.COMPLETED, created_at=T0 + timedelta(days=30)))
    limit = T0 + timedelta(days=1)
    batches = [[record.call_id for record in await calls.expire(limit, limit=3)] for _ in range(3)]
    assert batches == [["old_0", "old_1", "old_2"], ["old_3", "old_4"], []]
    assert [record.call_id for record in (await calls.list()).calls] == ["new", "live"]


async def test_what_is_written_again_and_again_leaves_little_to_the_garbage_collector(calls: Calls, make: Make) -> None:
    """Records of live calls are written every moment, and cycles are looked for seldom: a copy of the table each time, 200
    objects, was megabytes.
    """
    record = make(status=Status.IN_PROGRESS)
    await calls.save(record)
    gc.collect()
    gc.disable()
    try:
        for at_ms in range(10):
            record.add_turn(Turn("caller", "hello", at_ms))
            await calls.save(record)
        assert gc.collect() < 10 * 20
    finally:
        gc.enable()
