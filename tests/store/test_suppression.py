"""Who must not be called."""

from datetime import UTC, datetime

import pytest

from bridge.store.database import Database
from bridge.store.suppression import BATCH, Suppressed, Suppressions

NOW = datetime(2026, 11, 2, 15, 0, tzinfo=UTC)


@pytest.fixture
def suppressions(database: Database) -> Suppressions:
    """An empty list, on both databases."""
    return Suppressions(database)


async def test_a_number_on_the_list_is_known_to_be(suppressions: Suppressions) -> None:
    """And no other is."""
    assert await suppressions.add(["+21"], source="api", note="asked by mail", now=NOW) == 1
    assert await suppressions.has("+21")
    assert not await suppressions.has("+2")
    assert not await suppressions.has("+211")
    assert await suppressions.list() == [Suppressed("+21", "api", "asked by mail", NOW)]


async def test_what_was_said_first_stands(suppressions: Suppressions) -> None:
    """An import does not turn an opt-out into something that can be taken back; only new numbers are counted."""
    await suppressions.add(["+21"], source="opt_out", now=NOW)
    assert await suppressions.add(["+21", "+22", "+22"], source="import", now=NOW) == 1
    assert [(each.number, each.source) for each in await suppressions.list()] == [("+21", "opt_out"), ("+22", "import")]


async def test_long_lists_are_added_and_asked_whole(suppressions: Suppressions) -> None:
    """More than one statement takes."""
    numbers = [f"+2{number:05d}" for number in range(2 * BATCH + 1)]
    assert await suppressions.add(iter(numbers), source="import", now=NOW) == len(numbers)
    assert await suppressions.of([*numbers, "+9"]) == set(numbers)
    assert await suppressions.of([]) == set()
    assert await suppressions.add([], source="import", now=NOW) == 0


async def test_the_list_is_read_page_by_page(suppressions: Suppressions) -> None:
    """In the order of the numbers, none twice."""
    await suppressions.add(["+23", "+21", "+22"], source="api", now=NOW)
    first = await suppressions.list(limit=2)
    assert [each.number for each in first] == ["+21", "+22"]
    assert [each.number for each in await suppressions.list(limit=2, after=first[-1].number)] == ["+23"]


async def test_an_opt_out_is_for_ever(suppressions: Suppressions) -> None:
    """What an operator put there an operator may take away; not what the person said."""
    await suppressions.add(["+21"], source="opt_out", now=NOW)
    await suppressions.add(["+22"], source="api", now=NOW)
    assert not await suppressions.remove("+21")
    assert await suppressions.remove("+22")
    assert not await suppressions.remove("+22")
    assert [each.number for each in await suppressions.list()] == ["+21"]


async def test_a_long_note_is_cut(suppressions: Suppressions) -> None:
    """It is never why a number stays off the list."""
    await suppressions.add(["+21"], source="api", note="x" * 1000, now=NOW)
    (found,) = await suppressions.list()
    assert len(found.note) == 200
