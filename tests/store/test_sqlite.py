"""bridge/store/sqlite.py: what the threads of one process do to one file."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import Connection, text

from bridge.store.sqlite import READERS, SqliteFile


def open_files() -> int:
    """Descriptors of this process."""
    return len(list(Path("/proc/self/fd").iterdir()))


@pytest.fixture
async def file(tmp_path: Path) -> AsyncIterator[SqliteFile]:
    """A file with one table."""
    file = SqliteFile(tmp_path / "x.db", busy_ms=1000)
    async with file.write() as transaction:
        await transaction.execute(text("CREATE TABLE t (n INTEGER)"))
    yield file
    await file.close()


async def count(file: SqliteFile) -> int:
    """Rows that a reader sees."""
    async with file.read() as transaction:
        return int((await transaction.execute(text("SELECT count(*) FROM t"))).scalar_one())


async def test_what_is_committed_is_seen_and_what_fails_is_not(file: SqliteFile) -> None:
    """An exception undoes all of a transaction, and the next one begins afresh."""
    async with file.write() as transaction:
        await transaction.execute(text("INSERT INTO t VALUES (1)"))

    async def fails() -> None:
        async with file.write() as transaction:
            await transaction.execute(text("INSERT INTO t VALUES (2)"))
            raise KeyError

    with pytest.raises(KeyError):
        await fails()
    assert await count(file) == 1


async def test_several_statements_are_one_hop(file: SqliteFile) -> None:
    """``run_sync`` gives the connection to a function, in the transaction."""

    def twice(connection: Connection) -> str:
        for number in (1, 2):
            connection.execute(text("INSERT INTO t VALUES (:n)"), {"n": number})
        return threading.current_thread().name

    async with file.write() as transaction:
        assert (await transaction.run_sync(twice)).startswith("store")
    assert await count(file) == 2


async def test_a_reader_sees_one_state_of_the_file(file: SqliteFile) -> None:
    """What is committed meanwhile is not in it; writers do not wait for it."""
    async with file.read() as transaction:
        before = (await transaction.execute(text("SELECT count(*) FROM t"))).scalar_one()
        async with file.write() as other:
            await other.execute(text("INSERT INTO t VALUES (1)"))
        assert (await transaction.execute(text("SELECT count(*) FROM t"))).scalar_one() == before
    assert await count(file) == before + 1


async def test_more_readers_than_connections_take_turns(file: SqliteFile) -> None:
    """Nobody fails for want of one."""
    assert await asyncio.gather(*(count(file) for _ in range(10 * READERS))) == [0] * 10 * READERS


async def test_who_gives_up_leaves_nothing_behind(file: SqliteFile) -> None:
    """A transaction that is cancelled while its statement runs is undone behind it; the next one waits for that, no longer."""
    running, go = threading.Event(), threading.Event()

    def slow(connection: Connection) -> None:
        connection.execute(text("INSERT INTO t VALUES (1)"))
        running.set()
        go.wait(5)

    async def work() -> None:
        async with file.write() as transaction:
            await transaction.run_sync(slow)

    task = asyncio.create_task(work())
    assert await asyncio.to_thread(running.wait, 5)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    go.set()
    async with file.write() as transaction:
        await transaction.execute(text("INSERT INTO t VALUES (2)"))
    assert await count(file) == 1


async def test_the_files_that_are_open_do_not_depend_on_use(tmp_path: Path) -> None:
    """All connections are opened at once: a hundred transactions at once open nothing more."""
    file = SqliteFile(tmp_path / "x.db", busy_ms=1000)
    await file.open()
    async with file.write() as transaction:
        await transaction.execute(text("CREATE TABLE t (n INTEGER)"))
    await asyncio.gather(*(count(file) for _ in range(READERS)))
    before = open_files()
    await asyncio.gather(*(count(file) for _ in range(100)))
    assert open_files() == before
    await file.close()


async def test_a_closed_file_opens_again(file: SqliteFile) -> None:
    """As after an outage."""
    await file.close()
    await file.close()
    assert await count(file) == 0
