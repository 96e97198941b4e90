"""The connection to the database: transactions with a time limit.

Everything that means "away" (refused, locked, full, read-only, no connection left, too slow) becomes StoreUnavailable.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final, cast

import asyncpg  # type: ignore[import-untyped]
from sqlalchemy import URL, BigInteger, ColumnElement, Table, event, exc, func, literal, text
from sqlalchemy import cast as sql_cast
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import AsyncAdaptedQueuePool

from bridge.call.ports import Secret
from bridge.errors import StoreUnavailable
from bridge.store import schema
from bridge.store.failures import OUTAGES, verdict
from bridge.store.url import Place, parse

TIME_LIMIT: Final = (
    2.0  # s, of one transaction: a caller hears nothing for 5 s at most, and a webhook makes a few of them
)
GRACE: Final = 0.25  # s beyond the limit for the driver to let go by itself
REST: Final = 1.0  # s in which nothing is asked of a database that has just let somebody wait in vain
CACHE: Final = "cache_size=-500"  # KiB of one connection: the system's own cache holds the file, once
POOL: Final = 5  # connections of one process


class Database:
    """One database for one process. Call ``migrate`` before use, ``close`` after; both may be repeated."""

    def __init__(self, url: str | Secret, *, timeout: float = TIME_LIMIT, pool: int = POOL) -> None:
        self.place: Final[Place] = parse(url)
        self.timeout: Final = timeout
        self._engine: Final = _engine(self.place, timeout=timeout, pool=pool)
        self._turn: Final = asyncio.Lock() if self.place.kind == "sqlite" else None
        self._rests_until = 0.0

    def __repr__(self) -> str:
        return f"Database({self.place.shown!r})"

    async def migrate(self, *, patience: float = 30.0) -> None:
        """Make the database fit this code; several processes may do so at once. Raises ConfigurationError where it is newer
        than the code, StoreUnavailable where it does not answer within ``patience`` seconds.
        """
        deadline = time.monotonic() + patience
        while True:
            try:
                await self._migrate(patience)
            except StoreUnavailable:
                if time.monotonic() + 0.2 > deadline:
                    raise
                await asyncio.sleep(0.2)
            else:
                return

    async def _migrate(self, limit: float) -> None:
        _make_room(self.place)
        self._rests_until = 0.0
        async with self.read() as connection:
            if await connection.run_sync(schema.is_current):
                return
        async with self.write(limit) as connection:
            if self.place.kind == "postgresql":
                await connection.execute(text(f"SET LOCAL statement_timeout = {int(limit * 1000)}"))
                await connection.execute(text(f"SELECT pg_advisory_xact_lock({schema.LOCK})"))
            await connection.run_sync(schema.upgrade)

    async def ping(self) -> float:
        """Seconds that the database takes to answer. Raises StoreUnavailable."""
        began = time.monotonic()
        async with self.read() as connection:
            await connection.execute(text("SELECT 1"))
        return time.monotonic() - began

    async def close(self) -> None:
        """Give every connection back. A database that hangs is left to itself."""
        try:
            async with asyncio.timeout(self.timeout + GRACE):
                await self._engine.dispose()
        except OUTAGES:
            await self._engine.dispose(close=False)

    @asynccontextmanager
    async def read(self, timeout: float | None = None) -> AsyncIterator[AsyncConnection]:
        """A transaction that only reads. Raises StoreUnavailable."""
        async with self._bounded(timeout), self._transaction(timeout, begin="BEGIN") as connection:
            yield connection

    @asynccontextmanager
    async def write(self, timeout: float | None = None) -> AsyncIterator[AsyncConnection]:
        """A transaction that writes, committed at the end, undone by an exception. Raises StoreUnavailable: then it may still
        have been committed, where the answer to the commit was what got lost.
        """
        async with self._bounded(timeout):
            if self._turn is None:
                async with self._transaction(timeout, begin="BEGIN") as connection:
                    yield connection
            else:
                # SQLite has one writer; waiting here is fair, waiting in its busy handler is a race between sleepers.
                async with self._turn, self._transaction(timeout, begin="BEGIN IMMEDIATE") as connection:
                    yield connection

    def insert(self, table: Table) -> postgresql.Insert:
        """INSERT with ON CONFLICT, which both dialects write alike but SQLAlchemy declares twice."""
        if self.place.kind == "sqlite":
            return cast("postgresql.Insert", sqlite.insert(table))
        return postgresql.insert(table)

    def now_us(self) -> ColumnElement[int]:
        """The time by the database's clock, which all instances share. (One machine's own is that for SQLite.)"""
        if self.place.kind == "sqlite":
            return literal(time.time_ns() // 1000, BigInteger)
        return sql_cast(func.extract("epoch", func.clock_timestamp()) * 1_000_000, BigInteger)

    @asynccontextmanager
    async def _bounded(self, timeout: float | None) -> AsyncIterator[None]:
        now = time.monotonic()
        if now < self._rests_until:
            raise StoreUnavailable(
                "the database did not answer a moment ago", hint="Is it running, and reachable from here?"
            )
        limit = self.timeout if timeout is None else timeout
        try:
            async with asyncio.timeout(limit + GRACE):
                yield
        except OUTAGES as error:
            if time.monotonic() - now >= min(limit, self.timeout) * 0.7:
                self._rests_until = time.monotonic() + REST
            # The cause is cut off on purpose: its text may quote rows.
            raise verdict(error) from None

    @asynccontextmanager
    async def _transaction(self, timeout: float | None, *, begin: str) -> AsyncIterator[AsyncConnection]:
        limit = self.timeout if timeout is None else timeout
        async with self._engine.connect() as connection:
            await connection.execution_options(bridge_begin=begin)
            raw = await connection.get_raw_connection()
            driver = raw.driver_connection
            # A query that hangs is cut here. Cancelling it would wait for the server once more: asyncpg asks the server to
            # stop, and SQLAlchemy then closes the connection politely.
            cut = (
                asyncio.get_running_loop().call_later(limit, driver.terminate)
                if isinstance(driver, asyncpg.Connection)
                else None
            )
            try:
                async with connection.begin():
                    yield connection
            finally:
                if cut is not None:
                    cut.cancel()


def _make_room(place: Place) -> None:
    """The folder, and a file that only its owner may read: it holds what people said."""
    if place.path is None or place.path.exists():
        return
    try:
        place.path.parent.mkdir(parents=True, exist_ok=True)
        os.close(os.open(place.path, os.O_CREAT | os.O_RDWR, 0o600))
    except OSError as error:
        raise verdict(error) from None


def _engine(place: Place, *, timeout: float, pool: int) -> AsyncEngine:
    common: dict[str, Any] = {
        "poolclass": AsyncAdaptedQueuePool,
        "pool_size": pool,
        "max_overflow": 0,
        "pool_timeout": timeout,
        "hide_parameters": True,  # they are numbers and speech
    }
    if place.kind == "sqlite":
        engine = create_async_engine(URL.create("sqlite+aiosqlite", database=str(place.path)), **common)
        # Less than the time limit, so that the thread of a waiting statement comes back by itself.
        _tell_sqlite(engine, busy_ms=int(timeout * 750))
        return engine
    dsn = place.dsn or Secret("")
    settings = {"application_name": "callbridge"}
    if not place.pgbouncer:  # which refuses settings that it does not know when a connection is made
        settings |= {"statement_timeout": str(int(timeout * 1000)), "idle_in_transaction_session_timeout": "60000"}
    known: dict[str, Any] = {"statement_cache_size": 0} if place.pgbouncer else {}

    async def connect(**_: Any) -> Any:
        return await asyncpg.connect(dsn.reveal(), timeout=timeout, server_settings=settings, **known)

    if place.pgbouncer:
        # Every transaction meets another server connection, which knows no statement of ours: an unnamed one lives as
        # long as it is needed, and never collides with a neighbour's.
        common["connect_args"] = {"prepared_statement_cache_size": 0, "prepared_statement_name_func": lambda: ""}
    engine = create_async_engine("postgresql+asyncpg://", async_creator=connect, pool_recycle=1800, **common)
    _notice_lost_connections(engine)
    return engine


def _tell_sqlite(engine: AsyncEngine, *, busy_ms: int) -> None:
    @event.listens_for(engine.sync_engine, "connect")
    def _connected(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # or the driver begins transactions by itself, and never before DDL
        cursor = connection.cursor()
        for pragma in (f"busy_timeout={busy_ms}", "journal_mode=WAL", "synchronous=NORMAL", "foreign_keys=ON", CACHE):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @event.listens_for(engine.sync_engine, "begin")
    def _begun(connection: Any) -> None:
        connection.exec_driver_sql(connection.get_execution_options().get("bridge_begin", "BEGIN"))


def _notice_lost_connections(engine: AsyncEngine) -> None:
    @event.listens_for(engine.sync_engine, "checkout")
    def _taken(connection: Any, _record: Any, _proxy: Any) -> None:
        # After a fail-over every idle connection is dead, and its transport knows: no need to ask the server each time.
        if connection.driver_connection.is_closed():
            raise exc.DisconnectionError
