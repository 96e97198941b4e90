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
LEASE = timedelta(seconds=30)
AGAIN = timedelta(seconds=60)
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
        """Being dialled by "me"."""
        attempt, record = self.pair(number)
        return await self.attempts.begin(attempt, record, budget=budget, owner="me", lease=LEASE, now=now)

    async def claim(self, now: datetime = NOW, budget: Budget = NO_LIMITS, owner: str = "me") -> Any:
        """The next that is due."""
        return await self.attempts.claim(budget=budget, owner=owner, lease=LEASE, now=now)

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


async def test_a_call_that_is_begun_is_leased(world: World) -> None:
    """Its owner, the moment before the carrier is asked, and the end of the lease stand in the store."""
    begun = await world.begin()
    assert begun == await world.of()
    assert (begun.state, begun.owner) == ("dialling", "me")
    assert (begun.dialled_us, begun.due_us) == (micros(NOW), micros(NOW + LEASE))
    assert await world.begin() is None


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
    assert [(await world.claim(after(20), owner=owner)).call_id for owner in ("a", "b")] == ["call_2", "call_1"]
    assert await world.claim(after(20)) is None
    assert (await world.of(2)).owner == "a"


async def test_a_claim_keeps_the_budget(world: World) -> None:
    """What waits for a place is denied for now, and stays in the queue."""
    await world.begin(1)
    await world.attempts.add(*world.pair(2))
    assert isinstance(await world.claim(budget=Budget(max_concurrent=1)), Denied)
    assert (await world.of(2)).state == "queued"
    await world.attempts.settle(await world.end(1), NOW)
    assert (await world.claim(budget=Budget(max_concurrent=1))).call_id == "call_2"


async def test_a_lease_that_ran_out_is_taken_over_by_one(world: World) -> None:
    """Never earlier; the next one who looks finds it taken."""
    await world.begin()
    assert await world.attempts.take_over(owner="other", lease=LEASE, now=after(29)) == []
    (orphan,) = await world.attempts.take_over(owner="other", lease=LEASE, now=after(30))
    assert orphan.dialled_us == micros(NOW)
    assert (await world.of()).owner == "other"
    assert await world.attempts.take_over(owner="third", lease=LEASE, now=after(31)) == []


async def test_a_placed_call_is_nobodys_and_never_taken_over(world: World) -> None:
    """The carrier has it: looking at it is all that is left."""
    await world.begin()
    await world.attempts.placed("call_1", look_at=after(60))
    assert (await world.of()).owner == ""
    assert await world.attempts.take_over(owner="other", lease=LEASE, now=after(600)) == []


async def test_a_silent_call_is_looked_at_once_in_a_while(world: World) -> None:
    """With the carrier's id; not before its time, and not by two at once."""
    await world.begin()
    await world.calls.change("call_1", lambda record: setattr(record, "carrier_call_id", "CA1"))
    await world.attempts.placed("call_1", look_at=after(60))
    assert await world.attempts.overdue(now=after(59), again=AGAIN) == []
    ((attempt, call_sid),) = await world.attempts.overdue(now=after(60), again=AGAIN)
    assert (attempt.call_id, call_sid) == ("call_1", "CA1")
    assert await world.attempts.overdue(now=after(61), again=AGAIN) == []
    assert len(await world.attempts.overdue(now=after(120), again=AGAIN)) == 1


async def test_a_call_that_ended_is_not_looked_at(world: World) -> None:
    """It waits to be settled, which needs no carrier."""
    await world.begin()
    await world.attempts.placed("call_1", look_at=NOW)
    await world.end()
    assert await world.attempts.overdue(now=after(60), again=AGAIN) == []


async def test_only_a_call_that_is_being_dialled_can_be_queued_again(world: World) -> None:
    """A placed one would ring twice."""
    await world.begin()
    assert await world.attempts.requeue("call_1", due=after(5))
    queued = await world.of()
    assert (queued.state, queued.owner, queued.dialled_us, queued.tries) == ("queued", "", None, 1)
    assert await world.claim(after(4)) is None
    assert isinstance(await world.claim(after(5)), Attempt)
    await world.attempts.placed("call_1", look_at=after(60))
    assert not await world.attempts.requeue("call_1", due=NOW)
    assert (await world.of()).state == "placed"


async def test_looks_in_vain_are_counted(world: World) -> None:
    """So that somebody can give up one day; the state stays."""
    await world.begin()
    await world.attempts.look_later("call_1", due=after(90))
    found = await world.of()
    assert (found.tries, found.state, found.due_us) == (1, "dialling", micros(after(90)))


async def test_what_is_unknown_is_not_dialled_again_by_anybody(world: World) -> None:
    """Neither queued, nor orphaned, nor looked at."""
    await world.begin()
    await world.attempts.unknown("call_1", conclude_at=after(3600))
    assert await world.claim(after(600)) is None
    assert await world.attempts.take_over(owner="other", lease=LEASE, now=after(600)) == []
    assert await world.attempts.overdue(now=after(600), again=AGAIN) == []
    assert not await world.attempts.requeue("call_1", due=NOW)
    assert await world.attempts.counts() == {"unknown": 1}


async def test_what_is_unknown_is_concluded_in_the_end(world: World) -> None:
    """When its time has come it is given out, once in a while, and never before."""
    await world.begin()
    await world.attempts.unknown("call_1", conclude_at=after(600))
    assert await world.attempts.inconclusive(now=after(599), again=AGAIN) == []
    (found,) = await world.attempts.inconclusive(now=after(600), again=AGAIN)
    assert (found.call_id, found.state) == ("call_1", "unknown")
    assert await world.attempts.inconclusive(now=after(600), again=AGAIN) == []
    assert len(await world.attempts.inconclusive(now=after(600) + AGAIN, again=AGAIN)) == 1


@pytest.mark.parametrize("state", ["dialling", "unknown"])
async def test_a_callback_proves_a_dial(world: World, state: str) -> None:
    """With the carrier's id in the record the call is placed, whatever was thought of it."""
    await world.begin()
    if state == "unknown":
        await world.attempts.unknown("call_1", conclude_at=after(3600))
    assert await world.attempts.proved(look_at=after(60)) == 0
    await world.calls.change("call_1", lambda record: setattr(record, "carrier_call_id", "CA1"))
    assert await world.attempts.proved(look_at=after(60)) == 1
    assert ((await world.of()).state, (await world.of()).owner) == ("placed", "")
    assert await world.attempts.proved(look_at=after(60)) == 0


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
