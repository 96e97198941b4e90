"""How far the events of a call have been put into the outbox; kept in the same transaction as the record and the events."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import delete, select

from bridge.store.database import Database
from bridge.store.tables import ANNOUNCED, micros
from bridge.store.transaction import Transaction


@dataclass(frozen=True, slots=True)
class Progress:
    """``stage``: 0 nothing, 1 started, 2 answered, 3 ended. ``turns``: how many were told."""

    stage: int = 0
    turns: int = 0


class Announced:
    """Every method may raise StoreUnavailable."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def of(self, connection: Transaction, call_ids: Sequence[str]) -> dict[str, Progress]:
        """What was told of these calls; those of which nothing was are left out."""
        # In one order, so that two instances with the same calls at hand do not wait for each other in a ring.
        known = (
            select(ANNOUNCED).where(ANNOUNCED.c.call_id.in_(call_ids)).order_by(ANNOUNCED.c.call_id).with_for_update()
        )
        return {row.call_id: Progress(row.stage, row.turns) for row in await connection.execute(known)}

    async def note(self, connection: Transaction, call_id: str, progress: Progress) -> None:
        """So much was told."""
        now = micros(datetime.now(UTC))
        values = {"stage": progress.stage, "turns": progress.turns, "changed_us": now}
        insert = self._database.insert(ANNOUNCED).values(call_id=call_id, **values)
        await connection.execute(insert.on_conflict_do_update(index_elements=[ANNOUNCED.c.call_id], set_=values))

    async def purge(self, before: datetime) -> int:
        """Forget calls of which nothing was told since; how many."""
        async with self._database.write() as connection:
            old = delete(ANNOUNCED).where(ANNOUNCED.c.changed_us < micros(before))
            return (await connection.execute(old)).rowcount
