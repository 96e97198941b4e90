"""PostgreSQL through asyncpg. Imported only where a database is one: its driver is a tenth of a process's memory."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any, Final

import asyncpg  # type: ignore[import-untyped]
from sqlalchemy import Table, event, exc
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import AsyncAdaptedQueuePool

from bridge.call.ports import Secret
from bridge.store.url import Place

RECYCLE_S: Final = 1800


class PostgresqlServer:
    """A pool of connections to one server."""

    def __init__(self, place: Place, *, timeout: float, pool: int) -> None:
        self._engine: Final = _engine(place, timeout=timeout, pool=pool)

    @contextlib.asynccontextmanager
    async def transaction(self, limit: float) -> AsyncIterator[AsyncConnection]:
        """A transaction whose statements are cut after ``limit`` seconds."""
        async with self._engine.connect() as connection:
            raw = await connection.get_raw_connection()
            # A query that hangs is cut here. Cancelling it would wait for the server once more: asyncpg asks the server to
            # stop, and SQLAlchemy then closes the connection politely.
            driver: Any = raw.driver_connection
            cut = asyncio.get_running_loop().call_later(limit, driver.terminate)
            try:
                async with connection.begin():
                    yield connection
            finally:
                cut.cancel()

    async def close(self, *, politely: bool = True) -> None:
        """Give every connection back; or forget them."""
        await self._engine.dispose(close=politely)


def insert(table: Table) -> postgresql.Insert:
    """INSERT with ON CONFLICT."""
    return postgresql.insert(table)


def _engine(place: Place, *, timeout: float, pool: int) -> AsyncEngine:
    dsn = place.dsn or Secret("")
    settings = {"application_name": "callbridge"}
    if not place.pgbouncer:  # which refuses settings that it does not know when a connection is made
        settings |= {"statement_timeout": str(int(timeout * 1000)), "idle_in_transaction_session_timeout": "60000"}
    known: dict[str, Any] = {"statement_cache_size": 0} if place.pgbouncer else {}

    async def connect(**_: Any) -> Any:
        return await asyncpg.connect(dsn.reveal(), timeout=timeout, server_settings=settings, **known)

    # With a pooler every transaction meets another server connection, which knows no statement of ours: an unnamed one
    # lives as long as it is needed, and never collides with a neighbour's.
    unnamed = {"prepared_statement_cache_size": 0, "prepared_statement_name_func": lambda: ""}
    engine = create_async_engine(
        "postgresql+asyncpg://",
        async_creator=connect,
        poolclass=AsyncAdaptedQueuePool,
        pool_size=pool,
        max_overflow=0,
        pool_timeout=timeout,
        pool_recycle=RECYCLE_S,
        hide_parameters=True,  # they are numbers and speech
        connect_args=unnamed if place.pgbouncer else {},
    )

    @event.listens_for(engine.sync_engine, "checkout")
    def _taken(connection: Any, _record: Any, _proxy: Any) -> None:
        # After a fail-over every idle connection is dead, and its transport knows: no need to ask the server each time.
        if connection.driver_connection.is_closed():
            raise exc.DisconnectionError

    return engine
