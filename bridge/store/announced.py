"""How far the events of a call have been put into the outbox; kept in the same transaction as the record and the events."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from sqlalchemy import bindparam, delete, select

from bridge.store.database import Database
from bridge.store.tables import ANNOUNCED, micros
from bridge.store.transaction import Transaction

# In one order, so that two instances with the same calls at hand do not wait for each other in a ring.
KNOWN: Final = (
    select(ANNOUNCED)
    .where(ANNOUNCED.c.call_id.in_(bindparam("calls", expanding=True)))
    .order_by(ANNOUNCED.c.call_id)
    .with_for_update()
)


@dataclass(frozen=True, slots=True)
class Progress:
    """``stage``: 0 nothing, 1 started, 2 answered, 3 ended. ``turns``: how many were told."""

    stage: int = 0
    turns: int = 0


class Announced:
    """Every method may raise StoreUnavailable."""

    def __init__(self, database: Database) -> None:
        self._database = database
        insert = database.insert(ANNOUNCED)
        brought = {name: insert.excluded[name] for name in ("stage", "turns", "changed_us")}
        self._note = insert.on_conflict_do_update(index_elements=[ANNOUNCED.c.call_id], set_=brought)

    async def of(self, connection: Transaction, call_ids: Sequence[str]) -> dict[str, Progress]:
        """What was told of these calls; those of which nothing was are left out."""
        rows = await connection.execute(KNOWN, {"calls": call_ids})
        return {row.call_id: Progress(row.stage, row.turns) for row in rows}

    async def note(self, connection: Transaction, call_id: str, progress: Progress) -> None:
        """So much was told."""
        told = {"call_id": call_id, "stage": progress.stage, "turns": progress.turns}
        await connection.execute(self._note, told | {"changed_us": micros(datetime.now(UTC))})

    async def purge(self, before: datetime) -> int:
        """Forget calls of which nothing was told since; how many."""
        async with self._database.write() as connection:
            old = delete(ANNOUNCED).where(ANNOUNCED.c.changed_us < micros(before))
            return (await connection.execute(old)).rowcount
