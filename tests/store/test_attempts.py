"""Calls that we place, from the intent to the outcome."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from bridge.call.record import CallRecord, Direction, Status
from bridge.errors import Reason
from bridge.store.attempts import Attempt, Attempts
from bridge.store.budget import Budget, Denied
from bridge.store.calls import Calls
from bridge.store.database import Database
from bridge.store.suppression import Suppressions
from bridge.store.tables import micros

NOW = datetime(2026, 11, 2, 15, 0, tzinfo=UTC)
NO_LIMITS = Budget()
Make = Callable[..., CallRecord]


def after(seconds: float) -> datetime:
    """Later than NOW."""
    return NOW + timedelta(seconds=seconds)


class World:
    """A store."""

    def __init__(self, database: Database, make: Make) -> None:
        self.attempts, self.calls = Attempts(database), Calls(database)
        self.suppressions = Suppressions(database)
        self._make = make

    def pair(self, number: int = 1, **values: Any) -> tuple[Attempt, CallRecord]:
        """An intent and its record."""
        call_id = f"call_{number}"
        attempt = Attempt(call_id=call_id, from_number="+1", to_number=f"+2{number}", due_us=micros(NOW))
        return replace(attempt, **values), self._make(call_id, direction=Direction.OUTBOUND)

    async def begin(self, number: int = 1, budget: Budget = NO_LIMITS, now: datetime = NOW) -> Any:
        """One that may be dialled."""
        attempt, record = self.pair(number)
        return await self.attempts.begin(attempt, record, budget=budget, now=now)

    async def intend(self, number: int = 1, owner: str = "me", now: datetime = NOW) -> Any:
        """``owner`` is about to ask the carrier."""
        return await self.attempts.intend(f"call_{number}", owner=owner, now=now)

    async def claim(self, now: datetime = NOW, budget: Budget = NO_LIMITS) -> Any:
        """The next that is due."""
        return await self.attempts.claim(budget=budget, now=now)

    async def of(self, number: int = 1) -> Attempt:
        """One that is there."""
        found = await self.attempts.get(f"call_{number}")
        assert found is not None
        return found

    async def end(self, number: int = 1, *, seconds: float = 0, status: Status = Status.COMPLETED) -> CallRecord:
        """Its call ends at NOW, so many seconds after it was answered."""

        def finish(record: CallRecord) -> None:
            record.started_at = after(-seconds)
            record.finish(Reason.CALLER_HANGUP, NOW, status=status)

        found = await self.calls.change(f"call_{number}", finish)
        assert found is not None
        return found


@pytest.fixture
def world(database: Database, make: Make) -> World:
    """On both databases."""
    return World(database, make)


async def test_an_intent_and_its_record_are_stored_together_and_once(world: World) -> None:
    """What was stored comes back whole; the second of the same id changes nothing."""
    attempt, record = world.pair(campaign_id="camp_1", position=7, not_after_us=5, plan={"ring_timeout_s": 20})
    assert await world.attempts.add(attempt, record)
    assert not await world.attempts.add(replace(attempt, to_number="+9"), record)
    assert await world.of() == attempt
    assert (await world.calls.get("call_1")) is not None
    assert await world.attempts.get("call_2") is None


async def test_a_call_that_is_begun_counts_and_is_nobodys_yet(world: World) -> None:
    """It is among the day's, and whoever comes first may ask the carrier for it."""
    begun = await world.begin()
    assert begun == await world.of()
    assert (begun.state, begun.owner, begun.dialled_us) == ("dialling", "", micros(NOW))
    assert await world.attempts.allowed() == [begun]
    assert await world.begin() is None


async def test_one_is_about_to_ask_the_carrier_and_nobody_after_it(world: World) -> None:
    """Who, and the moment, stand in the store before; whoever comes later finds that, the same process too."""
    await world.begin()
    mine = await world.intend(now=after(3))
    assert mine == await world.of()
    assert (mine.owner, mine.dialled_us) == ("me", micros(after(3)))
    assert [await world.intend(owner=each, now=after(99)) for each in ("other", "me")] == [None, None]
    assert await world.attempts.allowed() == []
    assert await world.of() == mine


async def test_nobody_asks_for_what_was_not_allowed(world: World) -> None:
    """A call that waits in the queue is in no limit yet; one that is not there is nobody's."""
    await world.attempts.add(*world.pair(1))
    assert [await world.intend(1), await world.intend(2)] == [None, None]
    assert (await world.of()).state == "queued"


async def test_who_is_suppressed_is_not_begun(world: World) -> None:
    """Whoever put the number there a moment ago is heeded; nothing is stored."""
    await world.suppressions.add(["+21"], source="opt_out", now=NOW)
    assert await world.begin() == Denied("suppressed")
    assert await world.attempts.get("call_1") is None
    assert await world.calls.get("call_1") is None


async def test_a_denied_call_leaves_nothing_behind(world: World) -> None:
    """Neither the intent nor the record, so that the same id may be tried again."""
    await world.begin(1)
    assert isinstance(await world.begin(2, Budget(max_concurrent=1)), Denied)
    assert await world.calls.get("call_2") is None
    assert isinstance(await world.begin(2), Attempt)


async def test_what_is_due_first_is_claimed_first_and_once(world: World) -> None:
    """Nobody gets a call that another one has, or whose time has not come."""
    for number, due in ((1, 20.0), (2, 10.0), (3, 99.0)):
        await world.attempts.add(*world.pair(number, due_us=micros(after(due))))
    assert await world.claim(after(5)) is None
    assert [(await world.claim(after(20))).call_id for _ in range(2)] == ["call_2", "call_1"]
    assert await world.claim(after(20)) is None


async def test_a_claim_keeps_the_budget(world: World) -> None:
    """What waits for a place is denied for now, and stays in the queue."""
    await world.begin(1)
    await world.attempts.add(*world.pair(2))
    assert isinstance(await world.claim(budget=Budget(max_concurrent=1)), Denied)
    assert (await world.of(2)).state == "queued"
    await world.attempts.settle(await world.end(1), NOW)
    assert (await world.claim(budget=Budget(max_concurrent=1))).call_id == "call_2"


async def test_only_what_was_asked_for_in_vain_can_be_queued_again(world: World) -> None:
    """A placed one would ring twice."""
    await world.begin()
    mine = await world.intend()
    assert await world.attempts.requeue(mine, due=after(5))
    queued = await world.of()
    assert (queued.state, queued.owner, queued.dialled_us, queued.tries) == ("queued", "", None, 1)
    assert await world.claim(after(4)) is None
    assert isinstance(await world.claim(after(5)), Attempt)
    mine = await world.intend(now=after(5))
    await world.attempts.placed("call_1", look_at=after(60))
    assert not await world.attempts.requeue(mine, due=NOW)
    assert (await world.of()).state == "placed"


async def test_who_looked_for_an_earlier_dial_does_not_queue_a_later_one(world: World) -> None:
    """Two workers may look for the same dial: when the first has had it dialled anew, the second knows nothing of that."""
    await world.begin()
    earlier = await world.intend()
    await world.attempts.requeue(earlier, due=NOW)
    await world.claim(after(1))
    await world.intend(owner="other", now=after(1))
    assert not await world.attempts.requeue(earlier, due=NOW)
    assert ((await world.of()).state, (await world.of()).owner) == ("dialling", "other")


async def test_what_is_unknown_is_not_dialled_again_by_anybody(world: World) -> None:
    """Neither queued nor asked for."""
    await world.begin()
    mine = await world.intend()
    await world.attempts.unknown("call_1", conclude_at=after(3600))
    assert await world.claim(after(600)) is None
    assert await world.intend(now=after(600)) is None
    assert not await world.attempts.requeue(mine, due=NOW)
    assert await world.attempts.counts() == {"unknown": 1}
    assert (await world.of()).due_us == micros(after(3600))


async def test_everything_that_was_begun_and_is_not_settled_is_under_way(world: World) -> None:
    """Whatever its state; what waits in the queue, or is done, is not."""
    for number in (1, 2, 3, 4):
        await world.begin(number)
    await world.intend(2)
    await world.attempts.placed("call_2", look_at=NOW)
    await world.attempts.unknown("call_3", conclude_at=NOW)
    await world.attempts.settle(await world.end(4), NOW)
    await world.attempts.add(*world.pair(5))
    assert {each.call_id for each in await world.attempts.under_way()} == {"call_1", "call_2", "call_3"}


@pytest.mark.parametrize("state", ["dialling", "unknown"])
async def test_a_callback_proves_a_dial(world: World, state: str) -> None:
    """With the carrier's id in the record the call is placed, whatever was thought of it."""
    await world.begin()
    if state == "unknown":
        await world.attempts.unknown("call_1", conclude_at=after(3600))
    assert await world.attempts.proved(look_at=after(60)) == []
    await world.calls.change("call_1", lambda record: setattr(record, "carrier_call_id", "CA1"))
    assert await world.attempts.proved(look_at=after(60)) == ["call_1"]
    assert ((await world.of()).state, (await world.of()).owner) == ("placed", "")
    assert await world.attempts.proved(look_at=after(60)) == []


async def test_a_call_that_is_over_is_settled_once(world: World) -> None:
    """Until then it is told of again and again, whatever its state: a process may die in between."""
    await world.begin()
    assert await world.attempts.over() == []
    await world.end()
    for _ in range(2):
        (found,) = await world.attempts.over()
    assert (found.attempt.call_id, found.record.outcome) == ("call_1", Reason.CALLER_HANGUP)
    await world.attempts.settle(found.record, NOW)
    assert await world.attempts.over() == []
    assert (await world.of()).state == "done"


async def test_nothing_moves_a_settled_call(world: World) -> None:
    """What comes late, a lookup's answer, changes nothing."""
    await world.begin()
    await world.attempts.settle(await world.end(), NOW)
    await world.attempts.placed("call_1", look_at=NOW)
    await world.attempts.unknown("call_1", conclude_at=after(3600))
    assert (await world.of()).state == "done"


async def test_open_attempts_are_counted_by_state(world: World) -> None:
    """Settled ones are no longer of interest."""
    for number in (1, 2):
        await world.begin(number)
    await world.attempts.add(*world.pair(3))
    await world.begin(4)
    await world.attempts.settle(await world.end(4), NOW)
    assert await world.attempts.counts() == {"dialling": 2, "queued": 1}


async def test_only_what_was_settled_long_ago_is_forgotten(world: World) -> None:
    """Open ones are kept whatever their age."""
    for number in (1, 2, 3):
        await world.begin(number)
    await world.attempts.settle(await world.end(1), NOW)
    await world.attempts.settle(await world.end(2), after(10))
    assert await world.attempts.purge(after(5)) == 1
    assert await world.attempts.get("call_1") is None
    assert (await world.of(2)).state == "done"
    assert (await world.of(3)).state == "dialling"
