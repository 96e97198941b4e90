"""What an agent has, or had until just now, on other instances: calls, and conversations by text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from sqlalchemy import or_, select

from bridge.call.record import Direction, Status
from bridge.store.database import Database
from bridge.store.room import ALIVE
from bridge.store.tables import CALLS, CONVERSATIONS, INSTANCES, micros

LONGEST: Final = timedelta(hours=5)  # no carrier lets a call last longer: an older one was forgotten, not held


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """A live call that another living instance has."""

    call_id: str
    instance: str
    agent: str
    person: str


class Busy:
    """Asked where a tool call finds no call here, or takes one for the only one. Every method may raise StoreUnavailable."""

    def __init__(self, database: Database, instance: str) -> None:
        self._database = database
        self._instance = instance

    async def named(self, call_id: str) -> Elsewhere | None:
        """The live call with this id, of either kind."""
        found, _ = await self._look(
            or_(CALLS.c.call_id == call_id, CALLS.c.carrier_call_id == call_id), call_id=call_id
        )
        return found[0] if found else None

    async def of(self, agent: str, quiet_s: float) -> tuple[Sequence[Elsewhere], bool]:
        """The agent's live calls, and whether there may be one besides: it ended within ``quiet_s`` seconds, or its instance
        gives no sign of life.
        """
        recent = CALLS.c.ended_us > micros(datetime.now(UTC) - timedelta(seconds=quiet_s))
        return await self._look(
            (CALLS.c.agent == agent) & or_(CALLS.c.rank < Status.COMPLETED.rank, recent), agent=agent
        )

    async def _look(self, which: object, *, call_id: str = "", agent: str = "") -> tuple[list[Elsewhere], bool]:
        now = datetime.now(UTC)
        fresh = INSTANCES.c.seen_us > self._database.now_us() - ALIVE // timedelta(microseconds=1)
        lives = select(INSTANCES.c.id).where(INSTANCES.c.id == CALLS.c.instance, fresh).correlate(CALLS).exists()
        calls = select(CALLS, lives.label("lives")).where(
            which,  # type: ignore[arg-type]
            CALLS.c.instance != self._instance,
            CALLS.c.created_us > micros(now - LONGEST),
        )
        wanted = CONVERSATIONS.c.call_id == call_id if call_id else CONVERSATIONS.c.agent == agent
        texts = (
            select(CONVERSATIONS)
            .join(INSTANCES, (INSTANCES.c.id == CONVERSATIONS.c.instance) & fresh)
            .where(
                wanted,
                CONVERSATIONS.c.call_id != "",
                CONVERSATIONS.c.instance != self._instance,
                CONVERSATIONS.c.until_us > self._database.now_us(),
            )
        )
        found, unclear = [], False
        async with self._database.read() as connection:
            for row in await connection.execute(calls.limit(3)):
                if row.rank < Status.COMPLETED.rank and row.lives:
                    person = row.to_number if row.direction == str(Direction.OUTBOUND) else row.from_number
                    found.append(Elsewhere(row.call_id, row.instance, row.agent, person))
                else:
                    unclear = True
            found += [
                Elsewhere(row.call_id, row.instance, row.agent, row.person)
                for row in await connection.execute(texts.limit(3))
            ]
        return found, unclear
