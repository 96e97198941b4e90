"""What becomes of a call that was dialled, or may have been."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from bridge.call.record import CallRecord, Direction, Status
from bridge.errors import Reason
from bridge.outbound.dialler import MAX_TRIES, Times
from bridge.outbound.outcomes import Outcomes
from bridge.store.attempts import Attempt, Attempts, Settled
from bridge.store.budget import Budget
from bridge.store.calls import Calls
from bridge.store.database import Database
from bridge.store.tables import micros

NOW = datetime(2026, 11, 2, 15, 0, tzinfo=UTC)
CALL = "call_" + "0" * 24


class World:
    """A store, a dialler that notes what it is asked, and a clock that jumps to whatever is waited for."""

    def __init__(self, database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = NOW
        self.times = Times()
        self.calls, self.attempts = Calls(database), Attempts(database)
        self.seen: list[tuple[str, timedelta]] = []
        self.settled_for: list[str] = []
        self.answers: list[bool] = []
        self.then: Callable[[], Any] | None = None
        self.outcomes = Outcomes(
            attempts=self.attempts,
            calls=self.calls,
            dialler=self,  # type: ignore[arg-type] - all that it is asked
            slots=asyncio.Semaphore(2),
            campaigns=self,
            clock=lambda: self.now,
        )

        async def jump(_: asyncio.Event, limit: timedelta) -> None:
            self.now += limit
            await asyncio.sleep(0)

        monkeypatch.setattr("bridge.outbound.outcomes._rung", jump)

    async def begin(self, campaign_id: str | None = None) -> Attempt:
        """Somebody is about to ask the carrier."""
        record = CallRecord(CALL, Direction.OUTBOUND, "+1", "+2", "+1", "support", NOW)
        attempt = Attempt(call_id=CALL, from_number="+1", to_number="+2", due_us=micros(NOW), campaign_id=campaign_id)
        assert isinstance(await self.attempts.begin(attempt, record, budget=Budget(), now=NOW), Attempt)
        mine = await self.attempts.intend(CALL, owner="me", now=NOW)
        assert mine is not None
        return mine

    async def end(self) -> None:
        """The call ends."""
        await self.calls.change(CALL, lambda record: record.finish(Reason.BUSY, self.now, status=Status.BUSY))

    async def state(self) -> str:
        """Of the attempt."""
        found = await self.attempts.get(CALL)
        assert found is not None
        return found.state

    async def _note(self, what: str) -> bool:
        self.seen.append((what, self.now - NOW))
        if self.then is not None and not self.answers:
            await self.then()
        return self.answers.pop(0) if self.answers else True

    # ------------------------------------------------------------ dialler, campaigns

    async def find_out(self, attempt: Attempt) -> bool:
        """Asked."""
        return await self._note("find_out")

    async def look(self, attempt: Attempt, call_sid: str) -> None:
        """Looked at."""
        await self._note(f"look {call_sid}")

    async def conclude(self, attempt: Attempt) -> None:
        """Asked for once more."""
        await self._note("conclude")

    async def give_up(self, attempt: Attempt) -> None:
        """Enough."""
        await self._note("give_up")

    async def settled(self, settled: Settled, now: datetime) -> None:
        """A person's call is over."""
        self.settled_for.append(settled.attempt.campaign_id or "")
        await self.attempts.settle(settled.record, now)


@pytest.fixture
def world(database: Database, monkeypatch: pytest.MonkeyPatch) -> World:
    """On both databases."""
    return World(database, monkeypatch)


async def test_an_unsure_dial_is_asked_for_when_the_carrier_must_have_it(world: World) -> None:
    """Not sooner: whoever was about to dial may be a moment behind. Then it is to be dialled again, or not."""
    mine = await world.begin()

    async def never_was() -> None:
        await world.attempts.requeue(mine, due=world.now)

    world.then = never_was
    assert not await world.outcomes.until_over(CALL)
    assert world.seen == [("find_out", world.times.unsure)]


async def test_a_carrier_that_does_not_answer_is_asked_again_and_given_up(world: World) -> None:
    """After so many looks it is for a person."""
    await world.begin()
    world.answers = [False] * MAX_TRIES
    world.then = world.end
    assert await world.outcomes.until_over(CALL)
    asked = [at for what, at in world.seen if what == "find_out"]
    assert asked == [world.times.unsure * number for number in range(1, MAX_TRIES + 1)]
    assert world.seen[-1][0] == "give_up"


async def test_a_silent_call_is_looked_at_once_in_a_while(world: World) -> None:
    """By the carrier's id, not before its time, and again, until it has ended."""
    await world.begin()
    await world.calls.change(CALL, lambda record: setattr(record, "carrier_call_id", "CA1"))
    await world.attempts.placed(CALL, look_at=NOW + timedelta(seconds=90))
    world.answers = [True, True]
    world.then = world.end
    assert await world.outcomes.until_over(CALL)
    assert world.seen == [("look CA1", timedelta(seconds=90) + world.times.look * number) for number in range(3)]


async def test_what_is_unknown_is_concluded_when_its_time_has_come(world: World) -> None:
    """And again after a while, where the carrier did not answer."""
    await world.begin()
    await world.attempts.unknown(CALL, conclude_at=NOW + timedelta(hours=4))
    world.answers = [True]
    world.then = world.end
    assert await world.outcomes.until_over(CALL)
    assert world.seen == [("conclude", timedelta(hours=4)), ("conclude", timedelta(hours=4, minutes=10))]


@pytest.mark.parametrize("why", ["ended", "settled", "deleted"])
async def test_what_is_over_is_not_asked_for(world: World, why: str) -> None:
    """Whoever was sooner."""
    await world.begin()
    await world.end()
    if why == "settled":
        await world.outcomes.settle(CALL)
    elif why == "deleted":
        assert await world.calls.delete(CALL)
    assert await world.outcomes.until_over(CALL)
    assert not world.seen


async def test_a_bell_wakes_who_waits(database: Database) -> None:
    """What was heard of a call is looked at at once."""
    with pytest.MonkeyPatch.context() as patch:
        world = World(database, patch)
    await world.begin()
    async with asyncio.timeout(10), asyncio.TaskGroup() as group:
        waiting = group.create_task(world.outcomes.until_over(CALL))
        await world.end()
        while not waiting.done():
            world.outcomes.ring(CALL)
            await asyncio.sleep(0.01)
    assert waiting.result()
    assert not world.seen


async def test_a_campaign_hears_of_its_calls_and_once(world: World) -> None:
    """However often the step is made."""
    await world.begin("camp_1")
    await world.end()
    for _ in range(2):
        await world.outcomes.settle(CALL)
    assert world.settled_for == ["camp_1"]
    assert await world.state() == "done"


async def test_a_call_by_itself_is_settled_without_campaigns(world: World) -> None:
    """Nobody else hears of it."""
    await world.begin()
    await world.end()
    await world.outcomes.settle(CALL)
    assert not world.settled_for
    assert await world.state() == "done"


async def test_a_call_that_was_deleted_counts_no_more(world: World) -> None:
    """It would take a place for ever."""
    await world.begin()
    await world.end()
    assert await world.calls.delete(CALL)
    await world.outcomes.settle(CALL)
    assert await world.state() == "done"
