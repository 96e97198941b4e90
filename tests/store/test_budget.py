"""How many calls may be begun."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from bridge.call.record import CallRecord, Direction
from bridge.errors import Reason
from bridge.store.attempts import Attempt, Attempts
from bridge.store.budget import ALL, Budget, Denied, denial, spend
from bridge.store.calls import Calls
from bridge.store.database import Database
from bridge.store.tables import micros

NOW = datetime(2026, 11, 2, 23, 0, tzinfo=UTC)
NO_LIMITS = Budget()
Make = Callable[..., CallRecord]


class World:
    """A store with calls in it."""

    def __init__(self, database: Database, make: Make) -> None:
        self._database, self._make = database, make
        self.attempts, self.calls = Attempts(database), Calls(database)

    async def begin(self, number: int, *, at: datetime = NOW, campaign: str | None = None) -> None:
        """A call is under way since then."""
        attempt = Attempt(
            call_id=f"call_{number}",
            from_number="+1",
            to_number="+2",
            due_us=micros(at),
            campaign_id=campaign,
        )
        record = self._make(f"call_{number}", direction=Direction.OUTBOUND)
        begun = await self.attempts.begin(attempt, record, budget=NO_LIMITS, now=at)
        assert isinstance(begun, Attempt)

    async def end(self, number: int, *, talked_s: float, at: datetime = NOW) -> None:
        """It is over."""

        def finish(record: CallRecord) -> None:
            record.started_at = at - timedelta(seconds=talked_s)
            record.finish(Reason.CALLER_HANGUP, at)

        record = await self.calls.change(f"call_{number}", finish)
        assert record is not None
        await self.attempts.settle(record, at)

    async def denial(self, *, now: datetime = NOW, scope: str = ALL, **limits: float) -> Denied | None:
        """Why not now."""
        async with self._database.write() as connection:
            return await denial(connection, Budget(**limits), scope, now)  # type: ignore[arg-type] - whole ones

    async def spend(self, rate: float, *, scope: str = ALL, now: datetime = NOW) -> None:
        """One is begun."""
        async with self._database.write() as connection:
            await spend(self._database, connection, Budget(calls_per_second=rate), scope, now)


@pytest.fixture
def world(database: Database, make: Make) -> World:
    """On both databases."""
    return World(database, make)


async def test_no_limits_deny_nothing(world: World) -> None:
    """Zero means none, however much is going on."""
    for number in range(3):
        await world.begin(number)
    assert await world.denial() is None


async def test_calls_keep_their_distance(world: World) -> None:
    """At two a second the next may begin after half of one, and is told how long that is."""
    assert await world.denial(calls_per_second=2) is None
    await world.spend(2)
    assert await world.denial(calls_per_second=2) == Denied("rate", 0.5)
    assert await world.denial(calls_per_second=2, now=NOW + timedelta(seconds=0.4)) == Denied("rate", 0.1)
    assert await world.denial(calls_per_second=2, now=NOW + timedelta(seconds=0.5)) is None
    await world.spend(4, now=NOW + timedelta(seconds=1))
    assert await world.denial(calls_per_second=4, now=NOW + timedelta(seconds=1)) == Denied("rate", 0.25)


async def test_a_pace_is_kept_for_each_scope_by_itself(world: World) -> None:
    """A slow campaign does not slow the others down."""
    await world.spend(0.1, scope="camp_1")
    assert await world.denial(calls_per_second=1) is None
    assert await world.denial(calls_per_second=1, scope="camp_2") is None
    assert await world.denial(calls_per_second=0.1, scope="camp_1") == Denied("rate", 10.0)


async def test_places_are_free_again_when_a_call_is_over(world: World) -> None:
    """Calls that ring or talk hold theirs, a call whose fate is unknown and one that waits do not."""
    await world.begin(1)
    await world.begin(2)
    await world.attempts.placed("call_2", look_at=NOW)
    denied = await world.denial(max_concurrent=2)
    assert denied is not None
    assert denied.why == "concurrent"
    assert denied.retry_after_s > 0
    assert await world.denial(max_concurrent=3) is None
    await world.end(2, talked_s=1)
    assert await world.denial(max_concurrent=2) is None
    await world.attempts.unknown("call_1", conclude_at=NOW)
    assert await world.denial(max_concurrent=1) is None


async def test_a_day_is_one_of_utc(world: World) -> None:
    """What was dialled since midnight counts, over or not; then the counter begins anew."""
    await world.begin(1, at=NOW - timedelta(hours=24))
    await world.begin(2)
    await world.end(2, talked_s=1)
    assert await world.denial(daily_limit=1) == Denied("daily", 3600.0)
    assert await world.denial(daily_limit=2) is None
    assert await world.denial(daily_limit=1, now=NOW + timedelta(hours=1)) is None


async def test_a_call_that_was_never_dialled_does_not_count(world: World) -> None:
    """What the carrier surely did not take gives its share back."""
    await world.begin(1)
    begun = await world.attempts.get("call_1")
    assert begun is not None
    await world.attempts.requeue(begun, due=NOW)
    assert await world.denial(daily_limit=1, max_concurrent=1) is None


async def test_minutes_are_those_talked_and_those_under_way(world: World) -> None:
    """A limit of minutes is not overrun by calls that have not ended yet."""
    await world.begin(1, at=NOW - timedelta(minutes=30))
    await world.end(1, talked_s=90)
    assert await world.denial(daily_minutes=2) is None
    await world.begin(2, at=NOW - timedelta(seconds=30))
    assert await world.denial(daily_minutes=2) == Denied("minutes", 3600.0)
    assert await world.denial(daily_minutes=3) is None
    await world.end(2, talked_s=5)
    assert await world.denial(daily_minutes=2) is None


async def test_a_campaigns_limits_count_its_own_calls(world: World) -> None:
    """Those of others hold places of all only."""
    await world.begin(1, campaign="camp_1")
    await world.begin(2, campaign="camp_2")
    assert await world.denial(max_concurrent=2, scope="camp_1") is None
    assert await world.denial(max_concurrent=2) is not None
    assert await world.denial(daily_limit=1, scope="camp_1") is not None
    assert await world.denial(daily_limit=1, scope="camp_3") is None
