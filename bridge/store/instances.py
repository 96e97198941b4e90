"""Who is alive: the running processes of a deployment, and how many calls they have."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from sqlalchemy import delete, select, text

from bridge.store.database import Database
from bridge.store.room import ALIVE, Room, room
from bridge.store.tables import INSTANCES

SHARES_LOCK: Final = 0x63616C6C73686172  # PostgreSQL's advisory lock of whoever takes a share: "callshar"


@dataclass(frozen=True, slots=True)
class Instance:
    """One process. Its id is of one run: a restarted process has another."""

    id: str
    active_calls: int
    draining: bool
    alive: bool


class Instances:
    """Those of one kind (bridge, worker): no others are seen. Signs of life are timed by the database's clock.

    Every method may raise StoreUnavailable.
    """

    def __init__(self, database: Database, *, kind: str = "bridge") -> None:
        self._database = database
        self._kind = kind

    async def beat(
        self, instance: str, *, active_calls: int, capacity: int | None = None, draining: bool = False
    ) -> None:
        """A sign of life. ``capacity``: how many calls it can have; None where that has no limit."""
        values = {
            "seen_us": self._database.now_us(),
            "active_calls": active_calls,
            "capacity": capacity,
            "draining": draining,
        }
        insert = self._database.insert(INSTANCES).values(id=instance, kind=self._kind, **values)
        async with self._database.write() as connection:
            await connection.execute(insert.on_conflict_do_update(index_elements=[INSTANCES.c.id], set_=values))

    async def all(self, *, alive: timedelta = ALIVE) -> list[Instance]:
        """Every instance that has not left or been forgotten. Those not ``alive`` died: their calls are to be reconciled."""
        fresh = INSTANCES.c.seen_us > self._database.now_us() - alive // timedelta(microseconds=1)
        query = select(INSTANCES, fresh.label("fresh")).where(INSTANCES.c.kind == self._kind).order_by(INSTANCES.c.id)
        async with self._database.read() as connection:
            rows = (await connection.execute(query)).all()
        return [Instance(row.id, row.active_calls, bool(row.draining), bool(row.fresh)) for row in rows]

    async def share(
        self,
        instance: str,
        *,
        active_calls: int,
        total: int,
        capacity: int | None = None,
        draining: bool = False,
        alive: timedelta = ALIVE,
    ) -> int:
        """How many calls ``instance`` may have until it asks again, so that all together never take more than ``total``.

        What is free is divided among those who are alive and do not drain. An instance that has just come gets its part
        when the others have asked again and so given up theirs. Is also a sign of life; ``capacity`` as ``beat`` has it.
        """
        fresh = INSTANCES.c.seen_us > self._database.now_us() - alive // timedelta(microseconds=1)
        others = select(INSTANCES).where(INSTANCES.c.id != instance, INSTANCES.c.kind == self._kind, fresh)
        values = {"active_calls": active_calls, "draining": draining, "seen_us": self._database.now_us()}
        async with self._database.write() as connection:
            if self._database.place.kind == "postgresql":  # SQLite has one writer at a time
                await connection.execute(text(f"SELECT pg_advisory_xact_lock({SHARES_LOCK})"))
            rows = (await connection.execute(others)).all()
            claimed = sum(max(int(row.ceiling), int(row.active_calls)) for row in rows)
            free = max(0, total - active_calls - sum(int(row.active_calls) for row in rows))
            sharers = 1 + sum(not row.draining for row in rows)
            fair = active_calls if draining else active_calls + -(-free // sharers)
            ceiling = max(active_calls, min(fair, total - int(claimed)))
            changed = {
                **values,
                "ceiling": ceiling,
                "capacity": ceiling if capacity is None else min(ceiling, capacity),
            }
            insert = self._database.insert(INSTANCES).values(id=instance, **changed)
            await connection.execute(insert.on_conflict_do_update(index_elements=[INSTANCES.c.id], set_=changed))
        return ceiling

    async def total(self, *, alive: timedelta = ALIVE) -> int:
        """Calls in progress on all instances that are alive."""
        return sum(each.active_calls for each in await self.all(alive=alive) if each.alive)

    async def room(self, *, apart_from: str = "") -> Room:
        """Whether somebody is there for one more person who answers, of all instances or all but one."""
        async with self._database.read() as connection:
            return await room(connection, apart_from=apart_from)

    async def dead(self, *, alive: timedelta = ALIVE) -> list[str]:
        """Instances that were never heard to leave, and are not heard any more."""
        return [each.id for each in await self.all(alive=alive) if not each.alive]

    async def leave(self, instance: str) -> None:
        """It has ended as it should, or what it left behind is settled."""
        async with self._database.write() as connection:
            await connection.execute(delete(INSTANCES).where(INSTANCES.c.id == instance))
