"""The engine of the calls that wait."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from bridge.call.record import CallRecord, Direction
from bridge.errors import StoreUnavailable
from bridge.outbound.dialler import Times
from bridge.outbound.engine import ALIVE, MAX_TASKS, Duties, Engine
from bridge.store.attempts import Attempt, Settled
from bridge.store.budget import Budget, Denied
from bridge.store.instances import Instance

NOW = datetime(2026, 11, 2, 15, 0, tzinfo=UTC)
BUDGET = Budget(max_concurrent=3)


def attempt(number: int = 1, campaign_id: str | None = None) -> Attempt:
    """One."""
    return Attempt(call_id=f"call_{number}", from_number="+1", to_number="+2", due_us=0, campaign_id=campaign_id)


class World:
    """A store, runs, workers and campaigns that give out what they hold and note what they are told."""

    def __init__(self) -> None:
        self.times = Times()
        self.due: list[Attempt | Denied | Exception] = []
        self.of_campaigns: list[Attempt] = []
        self.allowed_ones: list[Attempt] = []
        self.open: list[Attempt] = []
        self.running: set[str] = set()
        self.heard_of: list[str] = []
        self.ended: list[Settled] = []
        self.over_for: set[str] = set()
        self.pending: dict[str, str] = {}
        self.others: list[Instance] = []
        self.beats: list[Exception] = []
        self.seen: list[tuple[Any, ...]] = []
        self.gate: asyncio.Event | None = None
        self.breaks: list[Exception] = []
        self.clock = 0.0
        self.slots = asyncio.Semaphore(MAX_TASKS)
        self._changed = asyncio.Event()

    def note(self, *what: Any) -> None:
        """Something was done."""
        self.seen.append(what)
        self._changed.set()

    async def until(self, holds: Callable[[], bool]) -> None:
        """Wait for what is done."""
        async with asyncio.timeout(10):
            while not holds():
                self._changed.clear()
                await self._changed.wait()

    def count(self, what: str) -> int:
        """How often."""
        return sum(each[0] == what for each in self.seen)

    # ------------------------------------------------------------ store

    async def claim(self, *, budget: Budget, now: datetime) -> Any:
        """The next."""
        self.note("claim", budget, now)
        found = self.due.pop(0) if self.due else None
        if isinstance(found, Exception):
            raise found
        return found

    async def allowed(self) -> list[Attempt]:
        """Begun by others."""
        return list(self.allowed_ones)

    async def under_way(self) -> list[Attempt]:
        """Begun."""
        return list(self.open)

    async def proved(self, *, look_at: datetime) -> list[str]:
        """A callback came."""
        self.note("proved", look_at)
        found, self.heard_of = self.heard_of, []
        return found

    async def over(self) -> list[Settled]:
        """What ended."""
        return list(self.ended)

    # ------------------------------------------------------------ runs

    def has(self, attempt: Attempt) -> bool:
        """Here."""
        return attempt.call_id in self.running

    async def start(self, attempt: Attempt) -> None:
        """Begun."""
        self.running.add(attempt.call_id)
        self.note("start", attempt.call_id)

    async def revive(self, attempts: Sequence[Attempt]) -> int:
        """Those that have none."""
        self.note("revive", *(each.call_id for each in attempts))
        return len(attempts)

    async def take_over(self, lost: Callable[[str], bool]) -> int:
        """Those of whom that is said."""
        taken = [run for run, executor in self.pending.items() if lost(executor)]
        self.note("take_over", *taken)
        return len(taken)

    async def purge(self, before: datetime) -> int:
        """Forgotten."""
        self.note("purge", before)
        return 0

    def ring(self, call_id: str) -> None:
        """Told of."""
        self.note("ring", call_id)

    # ------------------------------------------------------------ the steps' own

    async def dial(self, call_id: str) -> None:
        """Dialled."""
        self.note("dial", call_id)
        if self.breaks:
            raise self.breaks.pop(0)
        if self.gate is not None:
            await self.gate.wait()
        self.note("dialled", call_id)

    async def until_over(self, call_id: str) -> bool:
        """Waited for."""
        self.note("until_over", call_id)
        if self.breaks:
            raise self.breaks.pop(0)
        return True

    async def settle(self, call_id: str) -> None:
        """Done."""
        self.note("settle", call_id)
        if self.breaks:
            raise self.breaks.pop(0)

    # ------------------------------------------------------------ workers

    async def beat(self, instance: str, *, active_calls: int, draining: bool) -> None:
        """A sign of life."""
        if self.beats:
            raise self.beats.pop(0)
        self.note("beat", instance, active_calls, draining)

    async def all(self, *, alive: timedelta) -> list[Instance]:
        """Who is there."""
        return list(self.others)

    async def leave(self, instance: str) -> None:
        """Gone."""
        self.note("leave", instance)

    # ------------------------------------------------------------ campaigns

    async def next(self, now: datetime) -> Attempt | None:
        """A person."""
        self.note("next", now)
        return self.of_campaigns.pop(0) if self.of_campaigns else None

    async def still(self, attempt: Attempt, now: datetime) -> bool:
        """Not those that are named."""
        self.note("still", attempt.call_id)
        return attempt.call_id not in self.over_for

    @asynccontextmanager
    async def at_work(self, *, campaigns: bool = True, **more: Any) -> AsyncIterator[Engine]:
        """An engine at work on all this."""
        engine = self.engine(campaigns=campaigns, **more)
        async with asyncio.timeout(10), asyncio.TaskGroup() as group:
            group.create_task(engine.run())
            yield engine
            engine.stop()

    def engine(self, *, campaigns: bool = True, **more: Any) -> Engine:
        """One."""
        return Engine(
            Duties(
                attempts=self,  # type: ignore[arg-type] - all that it is asked
                dialler=self,  # type: ignore[arg-type]
                outcomes=self,  # type: ignore[arg-type]
                runs=self,
                workers=self,  # type: ignore[arg-type]
                budget=BUDGET,
                owner="me",
                campaigns=self if campaigns else None,
                slots=self.slots,
                clock=lambda: NOW,
                monotonic=lambda: self.clock,
                **more,
            )
        )


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Looks follow one another at once."""
    for name in ("BEGIN_S", "SWEEP_S", "BEAT_S", "REVIVE_S", "AWAY_S", "FAILED_S", "IDLE_S"):
        monkeypatch.setattr(f"bridge.outbound.engine.{name}", 0.001)


async def test_everything_that_is_due_is_begun() -> None:
    """One look takes all there is, by the rules it was given."""
    world = World()
    world.due = [attempt(1), attempt(2), attempt(3)]
    async with world.at_work():
        await world.until(lambda: world.count("start") == 3)
    assert ("claim", BUDGET, NOW) in world.seen


async def test_campaigns_come_after_single_calls() -> None:
    """Somebody asked for those by hand; a person of a campaign is dialled when none is due."""
    world = World()
    world.due, world.of_campaigns = [attempt(1)], [attempt(2, "camp_1")]
    async with world.at_work():
        await world.until(lambda: world.count("start") == 2)
    assert [each[1] for each in world.seen if each[0] == "start"] == ["call_1", "call_2"]


async def test_a_full_budget_is_full_for_campaigns_too() -> None:
    """Where a single call had to wait, no campaign slips in before it."""
    world = World()
    world.due, world.of_campaigns = [Denied("rate", 0.0), attempt(1)], [attempt(2, "camp_1")]
    async with world.at_work():
        await world.until(lambda: world.count("start") == 2)
    assert [each[1] for each in world.seen if each[0] == "start"] == ["call_1", "call_2"]


async def test_what_an_operator_has_asked_for_is_begun_once() -> None:
    """The server has allowed it, and found it within the limits: the worker begins it, and leaves alone what runs."""
    world = World()
    world.allowed_ones, world.running = [attempt(1), attempt(2)], {"call_2"}
    async with world.at_work():
        await world.until(lambda: world.count("start") == 1 and world.count("proved") > 3)
    assert [each[1] for each in world.seen if each[0] == "start"] == ["call_1"]


async def test_nobody_is_dialled_where_nobody_could_talk() -> None:
    """An answered call needs an instance that takes it."""
    world = World()
    world.due, world.allowed_ones = [attempt(1)], [attempt(2)]
    asked = 0

    async def nobody() -> bool:
        nonlocal asked
        asked += 1
        world.note("asked")
        return False

    async with world.at_work(may_dial=nobody):
        await world.until(lambda: world.count("asked") >= 4)
    assert not world.count("claim")
    assert not world.count("start")


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

    async with world.at_work(may_dial=once):
        await world.until(lambda: world.count("asked") >= 2 and world.count("start") == 1)
    assert len(world.due) == 2


async def test_a_campaigns_call_that_was_begun_before_is_dialled_only_if_it_still_may_be() -> None:
    """Its window may have closed, or its campaign been canceled; a call by itself has no such rules."""
    world = World()
    world.due, world.over_for = [attempt(1, "camp_1"), attempt(2, "camp_1"), attempt(3)], {"call_1"}
    async with world.at_work():
        await world.until(lambda: world.count("start") == 2)
    assert [each[1] for each in world.seen if each[0] == "start"] == ["call_2", "call_3"]
    assert [each[1] for each in world.seen if each[0] == "still"] == ["call_1", "call_2"]


async def test_whoever_waits_for_a_call_is_told_what_was_heard_of_it() -> None:
    """A callback that proves a dial, and the end of a call. A call given up in the queue has no run yet: it gets one."""
    world = World()
    record = CallRecord("call_1", Direction.OUTBOUND, "+1", "+2", "+1", "support", NOW)
    world.heard_of, world.running = ["call_9"], {"call_1"}
    placed = replace(attempt(2), state="placed")  # another worker's
    world.ended = [Settled(each, record) for each in (attempt(1), placed, attempt(3))]
    async with world.at_work():
        await world.until(lambda: world.count("start") == 1 and world.count("ring") >= 2)
    assert {each[1] for each in world.seen if each[0] == "ring"} >= {"call_9", "call_1"}
    assert {each[1] for each in world.seen if each[0] == "start"} == {"call_3"}


async def test_what_was_begun_and_has_no_run_gets_one() -> None:
    """The rows are the truth, whatever became of the checkpoints."""
    world = World()
    world.open = [attempt(1), attempt(2)]
    async with world.at_work():
        await world.until(lambda: ("revive", "call_1", "call_2") in world.seen)


async def test_runs_of_whoever_has_left_are_taken_over_at_once() -> None:
    """Our own and those of the living are not."""
    world = World()
    world.pending = {"run_1": "left", "run_2": "me", "run_3": "alive"}
    world.others = [Instance(each, 0, draining=True, alive=True) for each in ("me", "alive")]
    async with world.at_work():
        await world.until(lambda: world.count("take_over") >= 3)
    assert {each for each in world.seen if each[0] == "take_over"} == {("take_over", "run_1")}


async def test_runs_of_the_silent_are_taken_over_when_we_would_have_heard_them() -> None:
    """Where the database was away nobody was heard: only after as long a time of hearing is silence a death."""
    world = World()
    world.pending, world.others = {"run_1": "silent"}, [Instance("silent", 0, draining=True, alive=False)]
    async with world.at_work():
        await world.until(lambda: world.count("take_over") >= 2)
        world.clock += ALIVE.total_seconds() - 1
        world.beats = [StoreUnavailable("away", hint="")]
        await world.until(lambda: not world.beats)
        before = world.count("take_over")
        world.clock += 2
        await world.until(lambda: world.count("take_over") >= before + 2)
        assert {each for each in world.seen if each[0] == "take_over"} == {("take_over",)}
        assert not world.count("leave")
        world.clock += ALIVE.total_seconds()
        await world.until(lambda: ("take_over", "run_1") in world.seen and ("leave", "silent") in world.seen)


async def test_a_worker_takes_no_calls() -> None:
    """It is alive, and counts among nobody who answers."""
    world = World()
    async with world.at_work():
        await world.until(lambda: world.count("beat") == 1)
    assert ("beat", "me", 0, True) in world.seen


async def test_old_attempts_are_forgotten_after_a_week_and_their_runs_after_a_day() -> None:
    """Not before the limits of a day have been counted by them."""
    world = World()
    async with world.at_work():
        await world.until(lambda: world.count("purge") >= 2)
    attempts, runs = [NOW - each[1] for each in world.seen if each[0] == "purge"][:2]
    assert timedelta(days=7) < attempts < timedelta(days=31)
    assert runs == timedelta(days=1)


async def test_requests_to_the_carrier_are_bounded() -> None:
    """However many runs are about to dial, so many are under way at once; nothing more is begun, and the rest follows."""
    world = World()
    world.gate = asyncio.Event()
    async with world.at_work() as engine, asyncio.TaskGroup() as group:
        await world.until(lambda: world.count("claim") >= 1)
        for number in range(MAX_TASKS + 5):
            group.create_task(engine.dial(f"call_{number}"))
        await world.until(lambda: world.count("dial") == MAX_TASKS)
        world.due = [attempt(99)]
        for _ in range(50):
            await asyncio.sleep(0.001)
        assert world.count("dial") == MAX_TASKS
        world.gate.set()
        await world.until(lambda: world.count("dialled") == MAX_TASKS + 5)


@pytest.mark.parametrize("why", [StoreUnavailable("away", hint=""), RuntimeError("a bug")], ids=["away", "bug"])
@pytest.mark.parametrize("step", ["dial", "until_over", "settle"])
async def test_a_step_is_tried_until_it_has_been_done(step: str, why: Exception) -> None:
    """A run whose step failed would be over for good, and its person forgotten."""
    world = World()
    world.breaks = [why, why]
    await asyncio.wait_for(getattr(world.engine(), step)("call_1"), 5)
    assert world.count(step) == 3


async def test_stopping_waits_for_requests_under_way_and_begins_none() -> None:
    """A dial that the carrier may have carried out is not torn off; one that waits for its turn never has it."""
    world = World()
    world.gate = asyncio.Event()
    async with world.at_work() as engine:
        dialling = asyncio.create_task(engine.dial("call_1"))
        await world.until(lambda: world.count("dial") == 1)
        engine.stop()
        world.due = [attempt(2)]
        asyncio.get_running_loop().call_soon(world.gate.set)
    await dialling
    late = asyncio.create_task(engine.dial("call_3"))
    done, _ = await asyncio.wait({late}, timeout=0.05)
    late.cancel()
    assert not done
    assert ("dialled", "call_1") in world.seen
    assert not {("start", "call_2"), ("dial", "call_3")} & set(world.seen)


async def test_a_store_that_is_away_stops_one_duty_and_not_the_engine() -> None:
    """What ended is told all the same, and the engine goes on."""
    world = World()
    world.due = [StoreUnavailable("away", hint=""), attempt(2)]
    world.heard_of = ["call_1"]
    async with world.at_work():
        await world.until(lambda: world.count("ring") == 1 and world.count("start") == 1)
