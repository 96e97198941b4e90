"""Who must not be called: kept for ever, seen by every instance."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import delete, select

from bridge.store.database import Database
from bridge.store.tables import EPOCH, SUPPRESSED, micros

BATCH: Final = 500  # rows of one statement


@dataclass(frozen=True, slots=True)
class Suppressed:
    """One number, and who said so: import, api or opt_out."""

    number: str
    source: str
    note: str
    added_at: datetime


class Suppressions:
    """Every method may raise StoreUnavailable."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, numbers: Iterable[str], *, source: str, note: str = "", now: datetime) -> int:
        """Call none of these any more; how many are new. What was said first stands."""
        rows = [
            {"number": number, "source": source, "note": note[:200], "added_us": micros(now)}
            for number in dict.fromkeys(numbers)
        ]
        added = 0
        for start in range(0, len(rows), BATCH):
            insert = self._database.insert(SUPPRESSED).values(rows[start : start + BATCH])
            async with self._database.write(timeout=10.0) as connection:
                done = await connection.execute(insert.on_conflict_do_nothing().returning(SUPPRESSED.c.number))
                added += len(done.all())
        return added

    async def has(self, number: str) -> bool:
        """Whether nobody may call this number."""
        return bool(await self.of([number]))

    async def of(self, numbers: Sequence[str]) -> set[str]:
        """Those of ``numbers`` that must not be called."""
        found: set[str] = set()
        for start in range(0, len(numbers), BATCH):
            query = select(SUPPRESSED.c.number).where(SUPPRESSED.c.number.in_(numbers[start : start + BATCH]))
            async with self._database.read() as connection:
                found.update((await connection.execute(query)).scalars())
        return found

    async def list(self, *, limit: int = 1000, after: str = "") -> list[Suppressed]:
        """In the order of the numbers, those behind ``after``."""
        query = select(SUPPRESSED).where(SUPPRESSED.c.number > after).order_by(SUPPRESSED.c.number).limit(limit)
        async with self._database.read() as connection:
            rows = (await connection.execute(query)).all()
        return [
            Suppressed(row.number, row.source, row.note, EPOCH + timedelta(microseconds=row.added_us)) for row in rows
        ]

    async def remove(self, number: str) -> bool:
        """Allow a number again. Not one that its owner has opted out with: that is kept for ever."""
        allowed = delete(SUPPRESSED).where(SUPPRESSED.c.number == number, SUPPRESSED.c.source != "opt_out")
        async with self._database.write() as connection:
            return (await connection.execute(allowed)).rowcount > 0
