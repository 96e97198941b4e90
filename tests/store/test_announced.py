"""How far the events of a call have been told."""

from datetime import UTC, datetime, timedelta

from bridge.store.announced import Announced, Progress
from bridge.store.database import Database


async def test_what_was_told_is_known(database: Database) -> None:
    """Calls of which nothing was told are left out; the newest note stands."""
    announced = Announced(database)
    async with database.write() as connection:
        await announced.note(connection, "call_1", Progress(1, 0))
        await announced.note(connection, "call_2", Progress(1, 0))
        await announced.note(connection, "call_1", Progress(2, 5))
    async with database.write() as connection:
        found = await announced.of(connection, ["call_1", "call_2", "call_3"])
        assert found == {"call_1": Progress(2, 5), "call_2": Progress(1, 0)}
        assert await announced.of(connection, []) == {}


async def test_a_note_falls_with_its_transaction(database: Database) -> None:
    """An event that was not stored is not thought to be told."""
    announced = Announced(database)
    try:
        async with database.write() as connection:
            await announced.note(connection, "call_1", Progress(3, 1))
            raise LookupError
    except LookupError:
        pass
    async with database.write() as connection:
        assert await announced.of(connection, ["call_1"]) == {}


async def test_only_what_is_old_is_forgotten(database: Database) -> None:
    """A call that goes on is not told from the beginning again."""
    announced = Announced(database)
    async with database.write() as connection:
        await announced.note(connection, "call_1", Progress(1, 0))
    now = datetime.now(UTC)
    assert await announced.purge(now - timedelta(hours=1)) == 0
    assert await announced.purge(now + timedelta(hours=1)) == 1
    async with database.write() as connection:
        assert await announced.of(connection, ["call_1"]) == {}
