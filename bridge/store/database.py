"""The connection to the database: transactions with a time limit.

Everything that means "away" (refused, locked, full, read-only, no connection left, too slow) becomes StoreUnavailable.
"""

from __future__ import annotations

import asyncio
import errno
import os
import time
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TYPE_CHECKING, Final, cast

import structlog
from sqlalchemy import BigInteger, ColumnElement, Table, func, literal, text
from sqlalchemy import cast as sql_cast
from sqlalchemy.dialects import sqlite

from bridge.call.ports import Secret
from bridge.errors import ConfigurationError, Mistake, StoreUnavailable
from bridge.store import schema
from bridge.store.failures import OUTAGES, verdict
from bridge.store.sqlite import SqliteFile
from bridge.store.transaction import Transaction
from bridge.store.url import Place, parse

if TYPE_CHECKING:
    from bridge.store.postgresql import PostgresqlServer

TIME_LIMIT: Final = (
    2.0  # s, of one transaction: a caller hears nothing for 5 s at most, and a webhook makes a few of them
)
GRACE: Final = 0.25  # s beyond the limit for the driver to let go by itself
REST: Final = 1.0  # s in which nothing is asked of a database that has just let somebody wait in vain
RECOVERED: Final = (
    "Another process has the database open, or one has died without closing it: what it had committed is there, and what"
    " a loss of power has torn is not."
)
HOPELESS: Final = {  # no waiting helps where a file cannot be made for these
    errno.EACCES,
    errno.EPERM,
    errno.ENOENT,
    errno.EEXIST,
    errno.ENOTDIR,
    errno.EISDIR,
    errno.EROFS,
}
POOL: Final = 5  # connections of one process to PostgreSQL

log = structlog.get_logger(__name__)


class Database:
    """One database for one process. Call ``migrate`` before use, ``close`` after; both may be repeated."""

    def __init__(self, url: str | Secret, *, timeout: float = TIME_LIMIT, pool: int = POOL) -> None:
        self.place: Final[Place] = parse(url)
        self.timeout: Final = timeout
        self._driver: Final = _driver(self.place, timeout=timeout, pool=pool)
        self._rests_until = 0.0
        self._fit = self._awaited = False

    def __repr__(self) -> str:
        return f"Database({self.place.shown!r})"

    async def migrate(self, *, patience: float = 30.0, tell: bool = False, missed: asyncio.Event | None = None) -> None:
        """Make the database fit this code; several processes may do so at once. Raises ConfigurationError where it is newer
        than the code or its file cannot be made, StoreUnavailable where it does not answer within ``patience`` seconds.
        ``tell``: log what a process that died has left, and that it has to be waited for. ``missed`` is set when it has: then
        others may go on, for whom the database is away until it is fit.
        """
        deadline, told = time.monotonic() + patience, not tell
        self._awaited = not self._fit
        if tell and isinstance(self._driver, SqliteFile) and (left := self._driver.unfolded()):
            log.warning("store_recovered", bytes=left, hint=RECOVERED)
        while True:
            try:
                await self._migrate(patience)
            except StoreUnavailable as away:
                if time.monotonic() + 0.2 > deadline:
                    raise
                if not told:
                    log.warning("store_awaited", error=str(away), hint=away.hint, at_most_s=patience)
                    told = True
                if missed is not None:
                    missed.set()
                await asyncio.sleep(0.2)
            else:
                self._fit, self._awaited = True, False
                return

    async def _migrate(self, limit: float) -> None:
        _make_room(self.place)
        self._rests_until = 0.0
        async with self._reading(self.timeout) as connection:
            current = await connection.run_sync(schema.is_current)
        if isinstance(self._driver, SqliteFile):
            async with self._bounded(limit):
                await self._driver.open()
        if current:
            return
        async with self._writing(limit) as connection:
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
                await self._driver.close()
        except OUTAGES:
            if not isinstance(self._driver, SqliteFile):
                await self._driver.close(politely=False)

    def read(self, timeout: float | None = None) -> AbstractAsyncContextManager[Transaction]:
        """A transaction that only reads. Raises StoreUnavailable."""
        self._admit()
        return self._reading(self.timeout if timeout is None else timeout)

    def write(self, timeout: float | None = None) -> AbstractAsyncContextManager[Transaction]:
        """A transaction that writes, committed at the end, undone by an exception. Raises StoreUnavailable: then it may still
        have been committed, where the answer to the commit was what got lost.
        """
        self._admit()
        return self._writing(self.timeout if timeout is None else timeout)

    def _admit(self) -> None:
        # What is older than this code must not be read by it, nor written.
        if self._awaited:
            raise StoreUnavailable(
                "the database has not been there since the start", hint="Is it running, and reachable from here?"
            )

    @asynccontextmanager
    async def _reading(self, limit: float) -> AsyncIterator[Transaction]:
        driver = self._driver
        begun = driver.read() if isinstance(driver, SqliteFile) else driver.transaction(limit)
        async with self._bounded(limit), begun as transaction:
            yield transaction

    @asynccontextmanager
    async def _writing(self, limit: float) -> AsyncIterator[Transaction]:
        driver = self._driver
        begun = driver.write() if isinstance(driver, SqliteFile) else driver.transaction(limit)
        async with self._bounded(limit), begun as transaction:
            yield transaction

    def insert(self, table: Table) -> sqlite.Insert:
        """INSERT with ON CONFLICT, which both dialects write alike but SQLAlchemy declares twice."""
        if self.place.kind == "sqlite":
            return sqlite.insert(table)
        from bridge.store import postgresql

        return cast("sqlite.Insert", postgresql.insert(table))

    def now_us(self) -> ColumnElement[int]:
        """The time by the database's clock, which all instances share. (One machine's own is that for SQLite.)"""
        if self.place.kind == "sqlite":
            return literal(time.time_ns() // 1000, BigInteger)
        return sql_cast(func.extract("epoch", func.clock_timestamp()) * 1_000_000, BigInteger)

    @asynccontextmanager
    async def _bounded(self, limit: float) -> AsyncIterator[None]:
        now = time.monotonic()
        if now < self._rests_until:
            raise StoreUnavailable(
                "the database did not answer a moment ago", hint="Is it running, and reachable from here?"
            )
        try:
            async with asyncio.timeout(limit + GRACE):
                yield
        except OUTAGES as error:
            if time.monotonic() - now >= min(limit, self.timeout) * 0.7:
                self._rests_until = time.monotonic() + REST
            # The cause is cut off on purpose: its text may quote rows.
            raise verdict(error) from None


def _make_room(place: Place) -> None:
    """The folder, and a file that only its owner may read: it holds what people said."""
    if place.path is None or place.path.exists():
        return
    try:
        place.path.parent.mkdir(parents=True, exist_ok=True)
        os.close(os.open(place.path, os.O_CREAT | os.O_RDWR, 0o600))
    except OSError as error:
        if error.errno not in HOPELESS:
            raise verdict(error) from None
        remedy = "Let the user that runs the bridge write in its folder, or name another file."
        raise ConfigurationError(
            [
                Mistake(
                    "database", "database_url", f"names {place.path}, which cannot be made ({error.strerror})", remedy
                )
            ]
        ) from None


def _driver(place: Place, *, timeout: float, pool: int) -> SqliteFile | PostgresqlServer:
    if place.path is not None:
        # Less than the time limit, so that the thread of a waiting statement comes back by itself.
        return SqliteFile(place.path, busy_ms=int(timeout * 750))
    from bridge.store.postgresql import PostgresqlServer

    return PostgresqlServer(place, timeout=timeout, pool=pool)
