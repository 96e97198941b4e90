"""Whether an agent has, or had until just now, a call on another instance."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

from sqlalchemy import or_, select

from bridge.call.record import Status
from bridge.store.database import Database
from bridge.store.tables import CALLS, micros

LONGEST: Final = timedelta(hours=5)  # no carrier lets a call last longer: an older one was forgotten, not held


class Busy:
    """Asked before a call is taken for an agent's only one. Raises StoreUnavailable."""

    def __init__(self, database: Database, instance: str) -> None:
        self._database = database
        self._instance = instance

    async def elsewhere(self, agent: str, quiet_s: float) -> bool:
        """Another instance has a call of this agent, or had one within ``quiet_s`` seconds."""
        now = datetime.now(UTC)
        recent = CALLS.c.ended_us > micros(now - timedelta(seconds=quiet_s))
        query = select(CALLS.c.call_id).where(
            CALLS.c.agent == agent,
            CALLS.c.instance != self._instance,
            CALLS.c.created_us > micros(now - LONGEST),
            or_(CALLS.c.rank < Status.COMPLETED.rank, recent),
        )
        async with self._database.read() as connection:
            return (await connection.execute(query.limit(1))).first() is not None
