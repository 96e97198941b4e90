"""Sessions of the dashboard that were ended before they expired: known to every instance, and after a restart."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from sqlalchemy import delete, select

from bridge.store.database import Database
from bridge.store.tables import LOGOUTS

MAX_KNOWN: Final = 10_000  # those that expire last
SECOND: Final = 1_000_000  # us


class Logouts:
    """Sessions by what their cookies have of their own, with when they expire (s since 1970). Every method may raise
    StoreUnavailable.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def exchange(self, ended: Mapping[str, float], now: float) -> dict[str, float]:
        """``ended`` are over too; all that are over and would not have expired yet."""
        rows = [{"session": name, "expires_us": round(expires * SECOND)} for name, expires in ended.items()]
        if rows:
            async with self._database.write() as connection:
                await connection.execute(self._database.insert(LOGOUTS).values(rows).on_conflict_do_nothing())
        known = (
            select(LOGOUTS)
            .where(LOGOUTS.c.expires_us > round(now * SECOND))
            .order_by(LOGOUTS.c.expires_us.desc())
            .limit(MAX_KNOWN)
        )
        async with self._database.read() as connection:
            return {row.session: row.expires_us / SECOND for row in await connection.execute(known)}

    async def purge(self, now: float) -> int:
        """Forget those that have expired; how many."""
        old = delete(LOGOUTS).where(LOGOUTS.c.expires_us <= round(now * SECOND))
        async with self._database.write() as connection:
            return (await connection.execute(old)).rowcount
