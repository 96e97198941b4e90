"""The database at the start of a process."""

import asyncio
import sqlite3
from pathlib import Path

import pytest

from bridge.assembly.store import StoreAwaited
from bridge.errors import ConfigurationError, StoreUnavailable
from bridge.store.database import Database


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Where the database is, or will be."""
    return tmp_path / "calls.db"


def taken(file: Path) -> sqlite3.Connection:
    """Somebody has it for themselves."""
    other = sqlite3.connect(file, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    return other


async def test_a_database_that_is_there_is_begun_with(file: Path) -> None:
    """Nothing goes on before it fits."""
    database, given_up = Database(f"sqlite:///{file}"), asyncio.Event()
    store = StoreAwaited(database, given_up.set)
    await store.begin()
    assert store.there
    await database.ping()
    store.settle()
    await store.close()
    await database.close()
    assert not given_up.is_set()


async def test_a_database_that_is_away_is_not_waited_for_by_others(file: Path) -> None:
    """They go on after the first attempt, and it is away for them; when it comes, it is there for all."""
    other = taken(file)
    database, given_up = Database(f"sqlite:///{file}", timeout=0.2), asyncio.Event()
    store = StoreAwaited(database, given_up.set)
    await store.begin()
    assert not store.there
    with pytest.raises(StoreUnavailable, match="since the start"):
        await database.ping()
    other.close()
    async with asyncio.timeout(10):
        while not store.there:
            await asyncio.sleep(0.01)
    await database.ping()
    store.settle()
    await store.close()
    await database.close()
    assert not given_up.is_set()


async def test_a_database_that_does_not_come_is_given_up(file: Path) -> None:
    """Once, with the reason; whoever asks then is told so."""
    other = taken(file)
    database, given_up = Database(f"sqlite:///{file}", timeout=0.1), asyncio.Event()
    store = StoreAwaited(database, given_up.set, patience_s=0.5)
    await store.begin()
    store.settle()
    async with asyncio.timeout(10):
        await given_up.wait()
    with pytest.raises(StoreUnavailable, match="SQLITE_BUSY"):
        store.settle()
    other.close()
    await store.close()
    await database.close()


async def test_what_no_waiting_helps_is_told_at_once(tmp_path: Path) -> None:
    """A folder that cannot be made."""
    (tmp_path / "taken").write_text("a file where the folder should be")
    database, given_up = Database(f"sqlite:///{tmp_path}/taken/calls.db"), asyncio.Event()
    store = StoreAwaited(database, given_up.set)
    with pytest.raises(ConfigurationError):
        await store.begin()
    await store.close()
    await database.close()
    assert not given_up.is_set()


async def test_a_process_that_ends_meanwhile_waits_no_longer(file: Path) -> None:
    """Nothing of it is left."""
    other = taken(file)
    database = Database(f"sqlite:///{file}", timeout=0.1)
    store = StoreAwaited(database, lambda: None)
    await store.begin()
    await store.close()
    assert not [each for each in asyncio.all_tasks() if each.get_name().startswith("store")]
    other.close()
    await database.close()
