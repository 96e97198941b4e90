"""Lists of calls."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from bridge.call.record import CallRecord, Direction, Status
from bridge.store.calls import Calls
from bridge.store.database import Database
from bridge.store.listing import MAX_PAGE, Page, Wanted, list_calls

START = datetime(2026, 5, 1, 12, tzinfo=UTC)
Make = Callable[..., CallRecord]


class World:
    """A store with calls in it."""

    def __init__(self, database: Database, make: Make) -> None:
        self._database, self._make = database, make

    async def save(self, *numbers: int, **values: Any) -> None:
        """Calls, each a second newer than the one of the number before."""
        given = [
            self._make(f"call_{number:03d}", **{"created_at": START + timedelta(seconds=number)} | values)
            for number in numbers
        ]
        for record in given:
            await Calls(self._database).save(record)

    async def page(self, *, limit: int = 50, cursor: str | None = None, **wanted: Any) -> Page:
        """One."""
        async with self._database.read() as connection:
            return await list_calls(connection, Wanted(**wanted), limit=limit, cursor=cursor)

    async def ids(self, **wanted: Any) -> list[int]:
        """Of a page."""
        return [int(record.call_id[-3:]) for record in (await self.page(**wanted)).calls]


@pytest.fixture
def world(database: Database, make: Make) -> World:
    """On both databases."""
    return World(database, make)


async def test_pages_hold_every_call_once_newest_first(world: World) -> None:
    """Calls that come meanwhile, and calls of the same moment, move nothing."""
    await world.save(1, 2)
    await world.save(3, 4, 5, created_at=START)
    seen: list[int] = []
    cursor: str | None = None
    for new in range(900, 910):
        page = await world.page(limit=2, cursor=cursor)
        seen += [int(record.call_id[-3:]) for record in page.calls]
        await world.save(new)
        cursor = page.next_cursor
        if cursor is None:
            break
    assert seen == [2, 1, 5, 4, 3]


async def test_a_last_page_that_is_full_is_known_to_be_the_last(world: World) -> None:
    """Nobody is sent for an empty one."""
    await world.save(1, 2)
    assert (await world.page(limit=2)).next_cursor is None
    assert (await world.page(limit=1)).next_cursor is not None


@pytest.mark.parametrize(("limit", "size"), [(0, 1), (-5, 1), (10**9, MAX_PAGE)])
async def test_a_page_has_bounds(world: World, limit: int, size: int) -> None:
    """Whatever is asked for."""
    if size == MAX_PAGE:
        await world.save(*range(MAX_PAGE + 1))
    else:
        await world.save(1, 2)
    page = await world.page(limit=limit)
    assert len(page.calls) == size
    assert page.next_cursor is not None


async def test_each_filter_takes_what_it_names(world: World) -> None:
    """One call differs in one thing from all others, and is found by it."""
    await world.save(1)
    await world.save(2, status=Status.IN_PROGRESS)
    await world.save(3, direction=Direction.OUTBOUND)
    await world.save(4, agent="sales")
    await world.save(5, line="+15550199")
    await world.save(6, from_number="+15550777")
    await world.save(7, to_number="+15550777")
    assert await world.ids(status=Status.IN_PROGRESS) == [2]
    assert await world.ids(direction=Direction.OUTBOUND) == [3]
    assert await world.ids(agent="sales") == [4]
    assert await world.ids(line="+15550199") == [5]
    assert await world.ids(number="+15550777") == [7, 6]
    assert await world.ids(agent="sales", number="+15550777") == []
    assert await world.ids() == [7, 6, 5, 4, 3, 2, 1]


async def test_a_span_holds_its_start_and_not_its_end(world: World) -> None:
    """Two spans side by side hold every call once."""
    await world.save(1, 2, 3)
    second = START + timedelta(seconds=2)
    assert await world.ids(since=second) == [3, 2]
    assert await world.ids(until=second) == [1]


@pytest.mark.parametrize(
    "cursor", ["", "x", "!!", "W10", "WzEsMl0", "Wy0xLCJhIl0", "WzE4NDQ2NzQ0MDczNzA5NTUxNjE2LCJhIl0", "\u00e9"]
)
async def test_a_cursor_that_is_none_is_told_apart(world: World, cursor: str) -> None:
    """ValueError, never a database's error: the reader sent something wrong."""
    with pytest.raises(ValueError, match="none of ours"):
        await world.page(cursor=cursor)
