"""Which instance answers whom by text: one for each conversation, as long as it lives and somebody writes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from sqlalchemy import ColumnElement, case, delete, or_, select, update

from bridge.store.database import Database
from bridge.store.room import ALIVE
from bridge.store.tables import CONVERSATIONS, INSTANCES

MICROSECOND: Final = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Hold:
    """``instance`` answers. ``call_id``: of the session that it has open, "" where it has none. ``former``: the instance
    that it was taken from just now, "" where it was free or ours.
    """

    instance: str
    agent: str
    call_id: str = ""
    former: str = ""


class Conversations:
    """One for each process. Every method may raise StoreUnavailable."""

    def __init__(self, database: Database, instance: str) -> None:
        self.instance = instance
        self._database = database

    async def claim(self, key: str, *, agent: str, person: str, hold_s: float) -> Hold:
        """Who answers ``key`` now: whoever has it and lives, else we, for ``hold_s`` seconds from this message on."""
        now = self._database.now_us()
        until = now + int(hold_s * 1_000_000)
        mine = CONVERSATIONS.c.instance == self.instance
        values = {"instance": self.instance, "agent": agent, "person": person, "until_us": until}
        insert = self._database.insert(CONVERSATIONS).values(key=key, call_id="", **values)
        kept = case((mine & (CONVERSATIONS.c.agent == agent), CONVERSATIONS.c.call_id), else_="")
        taken = insert.on_conflict_do_update(
            index_elements=[CONVERSATIONS.c.key],
            set_={**values, "call_id": kept},
            where=or_(mine, CONVERSATIONS.c.until_us <= now, ~self._lives()),
        )
        known = select(CONVERSATIONS).where(CONVERSATIONS.c.key == key)
        async with self._database.write() as connection:
            before = (await connection.execute(known.with_for_update())).first()
            await connection.execute(taken)
            row = (await connection.execute(known)).one()
        former = "" if before is None or before.instance == row.instance else str(before.instance)
        return Hold(row.instance, row.agent, row.call_id, former)

    async def opened(self, key: str, call_id: str) -> None:
        """A session is open for a conversation of ours."""
        mine = (CONVERSATIONS.c.key == key) & (CONVERSATIONS.c.instance == self.instance)
        await self._write(update(CONVERSATIONS).where(mine).values(call_id=call_id))

    async def closed(self, call_id: str) -> None:
        """It is over. Its conversation may go on in another one."""
        await self._write(update(CONVERSATIONS).where(CONVERSATIONS.c.call_id == call_id).values(call_id=""))

    async def find(self, key: str) -> Hold | None:
        """Of a conversation that may be over."""
        return await self._one(CONVERSATIONS.c.key == key)

    async def purge(self, *, after: timedelta) -> None:
        """Forget those in which nobody has written for as long."""
        before = self._database.now_us() - after // MICROSECOND
        await self._write(delete(CONVERSATIONS).where(CONVERSATIONS.c.until_us < before))

    async def _one(self, which: ColumnElement[bool]) -> Hold | None:
        async with self._database.read() as connection:
            row = (await connection.execute(select(CONVERSATIONS).where(which))).first()
        return None if row is None else Hold(row.instance, row.agent, row.call_id)

    async def _write(self, statement: Any) -> None:
        async with self._database.write() as connection:
            await connection.execute(statement)

    def _lives(self) -> ColumnElement[bool]:
        fresh = INSTANCES.c.seen_us > self._database.now_us() - ALIVE // MICROSECOND
        # IN, not a correlated EXISTS: within ON CONFLICT that names the table anew, and looks at every conversation.
        return CONVERSATIONS.c.instance.in_(select(INSTANCES.c.id).where(fresh))
