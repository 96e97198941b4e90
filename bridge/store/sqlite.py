"""SQLite behind threads: one connection that writes and a few that read, each in a thread of its own.

SQLAlchemy's asynchronous SQLite hops to the thread and back four times for a statement, and under load every hop waits
for the interpreter's lock; here a statement is one hop. All connections are opened at the start and kept: a process has
the same files open with any number of calls.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final, TypeVar, cast

from sqlalchemy import URL, Connection, Engine, Executable, NullPool, create_engine, event, exc

from bridge.store.transaction import Rows

READERS: Final = 2  # a long list must not hold up the look-up that a caller waits for
CACHE: Final = "cache_size=-500"  # KiB of one connection: the system's own cache holds the file, once

T = TypeVar("T")


class SqliteFile:
    """The connections of one process to one file. ``busy_ms``: how long a statement waits for another process's lock."""

    def __init__(self, path: Path, *, busy_ms: int) -> None:
        self._path: Final = path
        self._engine: Final = _engine(path, busy_ms)
        self._writer: Final = _Seat(self._engine, "BEGIN IMMEDIATE")
        self._readers: Final = [_Seat(self._engine, "BEGIN") for _ in range(READERS)]
        self._free: Final = list(self._readers)
        # SQLite has one writer; waiting here is fair, waiting in its busy handler is a race between sleepers.
        self._turn: Final = asyncio.Lock()
        self._places: Final = asyncio.Semaphore(READERS)

    async def open(self) -> None:
        """Open what is not open yet."""
        for seat in (self._writer, *self._readers):
            await seat.run(lambda _: None)

    def unfolded(self) -> int:
        """Bytes of the write-ahead log beside the file: its last user folds it in and removes it, unless it died."""
        try:
            return self._path.with_name(self._path.name + "-wal").stat().st_size
        except OSError:
            return 0

    @contextlib.asynccontextmanager
    async def read(self) -> AsyncIterator[SqliteTransaction]:
        """A transaction that only reads, with one state of the file."""
        async with self._places:
            seat = self._free.pop()
            try:
                yield SqliteTransaction(seat)
            finally:
                seat.undo()
                self._free.append(seat)

    @contextlib.asynccontextmanager
    async def write(self) -> AsyncIterator[SqliteTransaction]:
        """A transaction that writes."""
        async with self._turn:
            try:
                yield SqliteTransaction(self._writer)
                await self._writer.run(Connection.commit)
            except BaseException:
                self._writer.undo()
                raise

    async def close(self) -> None:
        """Close every connection and end its thread. What is asked afterwards opens them again."""
        for seat in (self._writer, *self._readers):
            await seat.close()


class SqliteTransaction:
    """See ``Transaction``. It begins with its first statement."""

    def __init__(self, seat: _Seat) -> None:
        self._seat = seat

    async def execute(self, statement: Executable, parameters: Any = None, /) -> Rows:
        """One statement; its rows are all here."""
        return await self._seat.run(lambda connection: _fetched(connection.execute(statement, parameters)))

    async def run_sync(self, work: Callable[[Connection], T], /) -> T:
        """Several statements in one hop."""
        return await self._seat.run(work)


class _Seat:
    """A connection and its thread. Work that was given up is finished there before any other begins."""

    def __init__(self, engine: Engine, begin: str) -> None:
        self._engine = engine
        self._begin = begin
        self._thread: ThreadPoolExecutor | None = None
        self._connection: Connection | None = None  # the thread's own

    async def run(self, work: Callable[[Connection], T]) -> T:
        return await asyncio.wrap_future(self._submit(lambda: work(self._connected())))

    def undo(self) -> None:
        """Behind what runs: nobody waits for it."""
        self._submit(self._roll_back)

    async def close(self) -> None:
        thread, self._thread = self._thread, None
        if thread is not None:
            closed = asyncio.wrap_future(thread.submit(self._disconnect))
            thread.shutdown(wait=False)
            await closed

    def _submit(self, work: Callable[[], T]) -> Future[T]:
        if self._thread is None:
            self._thread = ThreadPoolExecutor(1, thread_name_prefix="store")
        return self._thread.submit(work)

    def _connected(self) -> Connection:
        if self._connection is None:
            self._connection = self._engine.connect().execution_options(bridge_begin=self._begin)
        return self._connection

    def _roll_back(self) -> None:
        if self._connection is not None:
            try:
                self._connection.rollback()
            except exc.SQLAlchemyError:
                self._disconnect()

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(exc.SQLAlchemyError):
                connection.close()


def _fetched(result: Rows) -> Rows:
    """With its rows in memory: the cursor belongs to the connection's thread."""
    return cast("Rows", result.freeze()()) if result.returns_rows else result


def _engine(path: Path, busy_ms: int) -> Engine:
    url = URL.create("sqlite+pysqlite", database=str(path))
    engine = create_engine(url, poolclass=NullPool, hide_parameters=True)  # parameters are numbers and speech

    @event.listens_for(engine, "connect")
    def _connected(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # or the driver begins transactions by itself, and never before DDL
        cursor = connection.cursor()
        for pragma in (f"busy_timeout={busy_ms}", "journal_mode=WAL", "synchronous=NORMAL", "foreign_keys=ON", CACHE):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @event.listens_for(engine, "begin")
    def _begun(connection: Any) -> None:
        connection.exec_driver_sql(connection.get_execution_options()["bridge_begin"])

    return engine
