"""The engine of the calls that wait."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from bridge.call.record import CallRecord, Direction
from bridge.errors import StoreUnavailable
from bridge.outbound.dialler import Times
from bridge.outbound.engine import MAX_TASKS, Duties, Engine
from bridge.store.attempts import Attempt, Settled
from bridge.store.budget import Budget, Denied

NOW = datetime(2026, 11, 2, 15, 0, tzinfo=UTC)
BUDGET = Budget(max_concurrent=3)


def attempt(number: int = 1, campaign_id: str | None = None) -> Attempt:
    """One."""
    return Attempt(call_id=f"call_{number}", from_number="+1", to_number="+2", due_us=0, campaign_id=campaign_id)


class World:
    """A store, a dialler and campaigns that give out what they hold and note what they are told."""

    def __init__(self) -> None:
        self.times = Times()
        self.due: list[Attempt | Denied | Exception] = []
        self.of_campaigns: list[Attempt] = []
        self.orphans: list[Attempt] = []
        self.late: list[tuple[Attempt, str]] = []
        self.ended: list[Settled] = []
        self.unknown: list[Attempt] = []
        self.over_for: set[str] = set()
        self.poison: set[str] = set()
        self.seen: list[tuple[Any, ...]] = []
        self.gate: asyncio.Event | None = None
        self.breaks: Exception | None = None
        self._changed = asyncio.Event()

    def note(self, *what: Any) -> None:
        """Something was done."""
        self.seen.append(what)
        self._changed.set()

    async def until(self, holds: Callable[[], bool]) -> None:
        """Wait for what is done."""
        async with asyncio.timeout(5):
            while not holds():
                self._changed.clear()
                await self._changed.wait()

    def count(self, what: str) -> int:
        """How often."""
        return sum(each[0] == what for each in self.seen)

    # ------------------------------------------------------------ store

    async def claim(self, *, budget: Budget, owner: str, lease: timedelta, now: datetime) -> Any:
        """The next."""
        self.note("claim", budget, owner, lease, now)
        found = self.due.pop(0) if self.due else None
        if isinstance(found, Exception):
            raise found
        return found

    async def proved(self, *, look_at: datetime) -> int:
        """Nothing."""
        self.note("proved", look_at)
        return 0

    async def over(self) -> list[Settled]:
        """What ended."""
        found, self.ended = self.ended, []
        return found

    async def settle(self, record: CallRecord, now: datetime) -> None:
        """Done."""
        self.note("settle", record.call_id, now)

    async def take_over(self, **_: Any) -> list[Attempt]:
        """Without an owner."""
        found, self.orphans = self.orphans, []
        return found

    async def overdue(self, **_: Any) -> list[tuple[Attempt, str]]:
        """Not heard of."""
        found, self.late = self.late, []
        return found

    async def inconclusive(self, **_: Any) -> list[Attempt]:
        """Unknown for long."""
        found, self.unknown = self.unknown, []
        return found

    async def purge(self, before: datetime) -> int:
        """Forgotten."""
        self.note("purge", before)
        return 0

    # ------------------------------------------------------------ dialler

    async def dial(self, attempt: Attempt) -> None:
        """Dialled."""
        self.note("dial", attempt.call_id)
        if self.gate is not None:
            await self.gate.wait()
        if self.breaks is not None:
            raise self.breaks
        self.note("dialled", attempt.call_id)

    async def find_out(self, attempt: Attempt) -> None:
        """Looked for."""
        self.note("find_out", attempt.call_id)

    async def conclude(self, attempt: Attempt) -> None:
        """Asked for once more."""
        self.note("conclude", attempt.call_id)

    async def look(self, attempt: Attempt, call_sid: str) -> None:
        """Looked at."""
        self.note("look", attempt.call_id, call_sid)

    # ------------------------------------------------------------ campaigns

    async def next(self, now: datetime) -> Attempt | None:
        """A person."""
        self.note("next", now)
        return self.of_campaigns.pop(0) if self.of_campaigns else None

    async def still(self, attempt: Attempt, now: datetime) -> bool:
        """Not those that are named."""
        self.note("still", attempt.call_id)
        return attempt.call_id not in self.over_for

    async def settled(self, settled: Settled, now: datetime) -> None:
        """A person's call is over."""
        if settled.attempt.call_id in self.poison:
            raise RuntimeError("a bug")
        self.note("settled", settled.attempt.call_id, now)

    @asynccontextmanager
    async def running(self, *, campaigns: bool = True, **more: Any) -> AsyncIterator[Engine]:
        """An engine at work on all this."""
        engine = Engine(
            Duties(
                attempts=self,  # type: ignore[arg-type] - all that it is asked
                dialler=self,  # type: ignore[arg-type]
                budget=BUDGET,
                owner="me",
                campaigns=self if campaigns else None,
                clock=lambda: NOW,
                **more,
            )
        )
        async with asyncio.timeout(10), asyncio.TaskGroup() as group:
            group.create_task(engine.run())
            yield engine
            engine.stop()


async def test_everything_that_is_due_is_dialled() -> None:
    """One look takes all there is, by the rules it was given."""
    world = World()
    world.due = [attempt(1), attempt(2), attempt(3)]
    async with world.running():
        await world.until(lambda: world.count("dialled") == 3)
    assert world.seen[[each[0] for each in world.seen].index("claim")] == (
        "claim",
        BUDGET,
        "me",
        world.times.lease,
        NOW,
    )


async def test_campaigns_come_after_single_calls() -> None:
    """Somebody asked for those by hand; a person of a campaign is dialled when none is due."""
    world = World()
    world.due, world.of_campaigns = [attempt(1)], [attempt(2, "camp_1")]
    async with world.running():
        await world.until(lambda: world.count("dialled") == 2)
    assert [each[1] for each in world.seen if each[0] == "dial"] == ["call_1", "call_2"]


async def test_a_full_budget_is_full_for_campaigns_too() -> None:
    """Where a single call had to wait, no campaign slips in before it."""
    world = World()
    world.due, world.of_campaigns = [Denied("rate", 0.0), attempt(1)], [attempt(2, "camp_1")]
    async with world.running():
        await world.until(lambda: world.count("dialled") == 2)
    assert [each[1] for each in world.seen if each[0] == "dial"] == ["call_1", "call_2"]


async def test_nobody_is_dialled_where_nobody_could_talk() -> None:
    """An answered call needs an instance that takes it."""
    world = World()
    world.due = [attempt()]
    asked = asyncio.Event()

    async def nobody() -> bool:
        asked.set()
        return False

    async with world.running(may_dial=nobody):
        await asyncio.wait_for(asked.wait(), 5)
    assert not world.count("claim")


async def test_whether_somebody_could_talk_is_asked_before_every_dial() -> None:
    """However much is due: the bridge may begin to drain between two of them."""
    world = World()
    world.due = [attempt(1), attempt(2), attempt(3)]
    asked = 0

    async def once() -> bool:
        nonlocal asked
        asked += 1
        world.note("asked")
        return asked == 1

    async with world.running(may_dial=once):
        await world.until(lambda: world.count("asked") >= 2 and world.count("dialled") == 1)
    assert len(world.due) == 2


async def test_a_campaigns_call_that_was_begun_before_is_dialled_only_if_it_still_may_be() -> None:
    """Its window may have closed, or its campaign been canceled; a call by itself has no such rules."""
    world = World()
    world.due, world.over_for = [attempt(1, "camp_1"), attempt(2, "camp_1"), attempt(3)], {"call_1"}
    async with world.running():
        await world.until(lambda: world.count("dialled") == 2)
    assert [each[1] for each in world.seen if each[0] == "dial"] == ["call_2", "call_3"]
    assert [each[1] for each in world.seen if each[0] == "still"] == ["call_1", "call_2"]


async def test_a_bug_in_settling_one_call_holds_up_no_other() -> None:
    """It would stand before them for ever."""
    world = World()
    record = CallRecord("call_1", Direction.OUTBOUND, "+1", "+2", "+1", "support", NOW)
    world.poison = {"call_1"}
    world.ended = [Settled(attempt(1, "camp_1"), record), Settled(attempt(2, "camp_1"), record)]
    async with world.running():
        await world.until(lambda: world.count("settled") == 1)
    assert ("settled", "call_2", NOW) in world.seen


async def test_what_is_over_is_settled_with_whom_it_concerns() -> None:
    """A campaign hears of its calls, and of no other."""
    world = World()
    record = CallRecord("call_1", Direction.OUTBOUND, "+1", "+2", "+1", "support", NOW)
    world.ended = [Settled(attempt(1), record), Settled(attempt(2, "camp_1"), record)]
    async with world.running():
        await world.until(lambda: world.count("settled") == 1)
    assert ("settle", "call_1", NOW) in world.seen
    assert ("settled", "call_2", NOW) in world.seen
    assert world.count("settle") == 1


async def test_a_campaigns_call_is_settled_where_no_campaigns_run() -> None:
    """Or it would be looked at for ever."""
    world = World()
    record = CallRecord("call_2", Direction.OUTBOUND, "+1", "+2", "+1", "support", NOW)
    world.ended = [Settled(attempt(2, "camp_1"), record)]
    async with world.running(campaigns=False):
        await world.until(lambda: world.count("settle") == 1)


async def test_what_nobody_answers_for_is_found_out_and_not_dialled() -> None:
    """An orphan is looked up at the carrier, a silent call is looked at by its id, what was unknown is concluded."""
    world = World()
    world.orphans, world.late, world.unknown = [attempt(1)], [(attempt(2), "CA2")], [attempt(3)]
    async with world.running():
        await world.until(lambda: all(world.count(each) == 1 for each in ("look", "find_out", "conclude")))
    assert ("look", "call_2", "CA2") in world.seen
    assert not world.count("dial")


async def test_old_attempts_are_forgotten_after_a_week() -> None:
    """Not before the limits of a day have been counted by them."""
    world = World()
    async with world.running():
        await world.until(lambda: world.count("purge") == 1)
    (before,) = (each[1] for each in world.seen if each[0] == "purge")
    assert timedelta(days=7) < NOW - before < timedelta(days=31)


async def test_requests_to_the_carrier_are_bounded() -> None:
    """However much is due, so many are under way at once, and the rest follows."""
    world = World()
    world.gate = asyncio.Event()
    world.due = [attempt(number) for number in range(MAX_TASKS + 5)]
    async with world.running():
        await world.until(lambda: world.count("dial") == MAX_TASKS)
        for _ in range(20):
            await asyncio.sleep(0)
        assert len(world.due) == 5
        world.gate.set()
        await world.until(lambda: world.count("dialled") == MAX_TASKS + 5)


async def test_a_failure_gives_its_slot_back() -> None:
    """However many calls have met a store that was away, the next is dialled."""
    world = World()
    world.breaks = StoreUnavailable("away", hint="")
    world.due = [attempt(number) for number in range(MAX_TASKS + 1)]
    async with world.running():
        await world.until(lambda: world.count("dial") == MAX_TASKS + 1)


async def test_a_bug_in_one_call_holds_up_no_other() -> None:
    """The engine goes on."""
    world = World()
    world.breaks = RuntimeError("a bug")
    world.due = [attempt(1), attempt(2)]
    async with world.running():
        await world.until(lambda: world.count("dial") == 2)


async def test_stopping_waits_for_requests_under_way_and_begins_none() -> None:
    """A dial that the carrier may have carried out is not torn off."""
    world = World()
    world.gate = asyncio.Event()
    world.due = [attempt(1)]
    async with world.running() as engine:
        await world.until(lambda: world.count("dial") == 1)
        engine.stop()
        world.due = [attempt(2)]
        asyncio.get_running_loop().call_soon(world.gate.set)
    assert ("dialled", "call_1") in world.seen
    assert ("dial", "call_2") not in world.seen


async def test_a_store_that_is_away_stops_one_duty_and_not_the_engine() -> None:
    """What ended is settled all the same, and the engine goes on."""
    world = World()
    world.due = [StoreUnavailable("away", hint="")]
    record = CallRecord("call_1", Direction.OUTBOUND, "+1", "+2", "+1", "support", NOW)
    world.ended = [Settled(attempt(1), record)]
    async with world.running():
        await world.until(lambda: world.count("settle") == 1 and not world.due)
