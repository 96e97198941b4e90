"""Room for one more person who answers."""

import contextlib
import sqlite3
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import update
from sqlalchemy.dialects import sqlite

from bridge.call.record import CallRecord, Direction, Status
from bridge.errors import Reason
from bridge.store.attempts import Attempt, Attempts
from bridge.store.budget import Budget, Denied
from bridge.store.calls import Calls
from bridge.store.database import Database
from bridge.store.instances import Instances
from bridge.store.room import HELD, Room
from bridge.store.tables import INSTANCES, micros

NOW = datetime(2026, 11, 2, 15, 0, tzinfo=UTC)
Make = Callable[..., CallRecord]


class World:
    """Instances, and people who are being called."""

    def __init__(self, database: Database, make: Make) -> None:
        self._database, self._make = database, make
        self.instances, self.attempts, self.calls = Instances(database), Attempts(database), Calls(database)

    async def begin(self, number: int) -> Denied | Attempt | None:
        """Somebody is dialled, where that may be."""
        attempt = Attempt(call_id=f"call_{number}", from_number="+1", to_number=f"+2{number}", due_us=micros(NOW))
        record = self._make(
            f"call_{number}", carrier_call_id=None, direction=Direction.OUTBOUND, instance="", status=Status.QUEUED
        )
        return await self.attempts.begin(attempt, record, budget=Budget(), now=NOW)

    async def answered(self, number: int, instance: str) -> None:
        """The person is with an instance now."""

        def move(record: CallRecord) -> None:
            record.carrier_call_id, record.instance = f"CA{number}", instance
            record.advance(Status.IN_PROGRESS)

        await self.calls.change(f"call_{number}", move)

    async def over(self, number: int) -> None:
        """The call has ended."""
        await self.calls.change(f"call_{number}", lambda record: record.finish(Reason.CALLER_HANGUP, NOW))


@pytest.fixture
def world(database: Database, make: Make) -> World:
    """On both databases."""
    return World(database, make)


async def test_nobody_is_dialled_whom_no_instance_could_take(world: World) -> None:
    """Places that are taken count, and those promised to people whose phone rings; when a call is over there is one again."""
    await world.instances.beat("i-1", active_calls=1, capacity=2)
    await world.instances.beat("i-2", active_calls=0, capacity=1)
    assert await world.instances.room() == Room(free=2, promised=0, takers=2)
    assert isinstance(await world.begin(1), Attempt)
    assert isinstance(await world.begin(2), Attempt)
    assert await world.instances.room() == Room(free=2, promised=2, takers=2)
    denied = await world.begin(3)
    assert isinstance(denied, Denied)
    assert denied.why == "full"
    assert denied.retry_after_s > 0
    await world.over(1)
    assert isinstance(await world.begin(4), Attempt)


async def test_a_call_counts_from_its_answer_on_whatever_the_last_sign_of_life_said(world: World) -> None:
    """It is not counted twice either, as ringing and as taken."""
    await world.instances.beat("i-1", active_calls=0, capacity=2)
    await world.begin(1)
    await world.answered(1, "i-1")
    assert await world.instances.room() == Room(free=1, promised=0, takers=1)
    await world.instances.beat("i-1", active_calls=1, capacity=2)
    assert await world.instances.room() == Room(free=1, promised=0, takers=1)


async def test_places_of_the_dead_and_of_those_who_drain_are_none(world: World, database: Database) -> None:
    """Nobody is dialled for an instance that is gone, or about to go."""
    await world.instances.beat("i-1", active_calls=0, capacity=5)
    await world.instances.beat("i-2", active_calls=0, capacity=5, draining=True)
    await world.instances.beat("i-3", active_calls=3, capacity=3)
    async with database.write() as connection:
        gone = update(INSTANCES).where(INSTANCES.c.id == "i-1")
        await connection.execute(gone.values(seen_us=INSTANCES.c.seen_us - 60_000_000))
    assert await world.instances.room() == Room(free=0, promised=0, takers=1)
    assert isinstance(await world.begin(1), Denied)
    assert await world.instances.room(apart_from="i-3") == Room(free=0, promised=0, takers=0)


async def test_an_instance_that_has_more_than_its_limit_takes_no_place_of_another(world: World) -> None:
    """A limit that was lowered while calls went on."""
    await world.instances.beat("i-1", active_calls=9, capacity=2)
    await world.instances.beat("i-2", active_calls=0, capacity=2)
    assert (await world.instances.room()).free == 2


async def test_an_instance_that_names_no_limit_has_none(world: World) -> None:
    """One of another version, whose signs of life say nothing of it."""
    await world.instances.beat("i-1", active_calls=9)
    await world.instances.beat("i-2", active_calls=1, capacity=1)
    assert await world.instances.room() == Room(free=None, promised=0, takers=2)
    assert isinstance(await world.begin(1), Attempt)


async def test_of_a_limit_over_all_an_instance_has_its_share(world: World) -> None:
    """The smaller of the two is what it can take."""
    await world.instances.share("i-1", active_calls=0, total=4, capacity=10)
    assert (await world.instances.room()).free == 4
    await world.instances.share("i-1", active_calls=0, total=40, capacity=10)
    assert (await world.instances.room()).free == 10


async def test_a_conversation_by_text_takes_no_place(world: World, make: Make) -> None:
    """It is a record of the instance, but no call."""
    await world.instances.beat("i-1", active_calls=0, capacity=1)
    await world.calls.offer(make("call_text", carrier_call_id=None, instance="i-1"), "")
    assert (await world.instances.room()).free == 1


async def test_calls_that_are_over_are_not_looked_at(tmp_path: Path) -> None:
    """Before each dial the calls in progress are counted, and nobody waits for the millions that were."""
    database = Database(f"sqlite:///{tmp_path}/calls.db")
    await database.migrate()
    await database.close()
    statement = HELD.compile(dialect=sqlite.dialect())
    with contextlib.closing(sqlite3.connect(tmp_path / "calls.db")) as connection:
        parameters = tuple(statement.params[name] for name in statement.positiontup or ())
        plan = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {statement}", parameters)]
    assert any("calls_unfinished" in step for step in plan), plan
    assert sum("calls" in step for step in plan) == 1


def test_what_is_promised_is_divided_among_those_who_may_get_it() -> None:
    """Rounded up: too many places are kept rather than too few."""
    assert [Room(9, promised, 3).promised_each for promised in (0, 1, 3, 4)] == [0, 1, 1, 2]
    assert Room(0, 2, 0).promised_each == 2


async def test_only_a_call_that_the_carrier_was_asked_for_rings(world: World) -> None:
    """A drain waits for those. Whom nobody has begun to dial is promised a place, and rings when a worker is there."""
    await world.instances.beat("a", active_calls=0, capacity=9)
    for number in (1, 2, 3):
        await world.begin(number)
    await world.attempts.intend("call_1", owner="worker", now=NOW)
    await world.attempts.placed("call_2", look_at=NOW)
    room = await world.instances.room()
    assert (room.promised, room.ringing) == (3, 2)
