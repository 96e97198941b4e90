"""What one instance asks of another, which has the call or the conversation: a mailbox for each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import msgspec
from sqlalchemy import delete, or_, select, update

from bridge.store.database import Database
from bridge.store.tables import COMMANDS

STALE_US: Final = 60_000_000  # a minute: the caller of then may have gone, and digits are not kept longer than needed
MAX_TAKEN: Final = 100  # commands at once


@dataclass(frozen=True, slots=True)
class Command:
    """``verb`` and ``args`` as whoever put it meant them: hang up, transfer, digits."""

    call_id: str
    verb: str
    args: dict[str, Any]


class Commands:
    """Each command is taken at most once. Every method may raise StoreUnavailable."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def put(self, command: Command, *, instance: str) -> None:
        """Leave a command for ``instance``. ``args`` are JSON values."""
        insert = self._database.insert(COMMANDS).values(
            instance=instance,
            call_id=command.call_id,
            verb=command.verb,
            args=msgspec.json.encode(command.args).decode(),
            put_us=self._database.now_us(),
        )
        async with self._database.write() as connection:
            await connection.execute(insert)

    async def readdress(self, call_id: str, *, former: str, instance: str) -> None:
        """What was left about a call for ``former`` is for ``instance``, which has it now."""
        left = update(COMMANDS).where(COMMANDS.c.call_id == call_id, COMMANDS.c.instance == former)
        async with self._database.write() as connection:
            await connection.execute(left.values(instance=instance))

    async def take(self, instance: str) -> list[Command]:
        """What was left for ``instance``, in order; what is older than a minute is thrown away."""
        old = COMMANDS.c.put_us < self._database.now_us() - STALE_US
        looked = select(COMMANDS.c.id).where(or_(COMMANDS.c.instance == instance, old)).limit(1)
        async with self._database.read() as connection:  # most polls find nothing, and a read takes no lock
            if (await connection.execute(looked)).first() is None:
                return []
        mine = select(COMMANDS.c.id).where(COMMANDS.c.instance == instance).order_by(COMMANDS.c.id).limit(MAX_TAKEN)
        taken = delete(COMMANDS).where(COMMANDS.c.id.in_(mine.scalar_subquery()))
        columns = (COMMANDS.c.id, COMMANDS.c.call_id, COMMANDS.c.verb, COMMANDS.c.args)
        async with self._database.write() as connection:
            await connection.execute(delete(COMMANDS).where(old))
            rows = (await connection.execute(taken.returning(*columns))).all()
        return [
            Command(row.call_id, row.verb, msgspec.json.decode(row.args))
            for row in sorted(rows, key=lambda row: row.id)
        ]

    async def withdraw(self, call_id: str, verb: str) -> bool:
        """Take back what was left for an instance that may be gone; False where it was taken."""
        left = delete(COMMANDS).where(COMMANDS.c.call_id == call_id, COMMANDS.c.verb == verb)
        async with self._database.write() as connection:
            return (await connection.execute(left)).rowcount > 0
