"""Messages that must arrive: kept until whoever they are for has taken them, then forgotten.

Of one lane of a channel only the oldest is handed out: they arrive in order. What is handed out is leased: when its
process dies, another takes it up. What could not be delivered at last is a dead letter, which holds up nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from sqlalchemy import and_, bindparam, delete, exists, func, select, update

from bridge.store.database import Database
from bridge.store.tables import EPOCH, OUTBOX, micros
from bridge.store.transaction import Transaction

MAX_ERROR: Final = 200  # characters
SECOND: Final = 1_000_000  # microseconds
EARLIER: Final = OUTBOX.alias("earlier")
# Said once: the copy of a table is some two hundred objects in rings, and this is asked every second.
WAITS: Final = exists().where(
    and_(
        EARLIER.c.channel == OUTBOX.c.channel,
        EARLIER.c.lane == OUTBOX.c.lane,
        EARLIER.c.id < OUTBOX.c.id,
        EARLIER.c.dead_us.is_(None),
    )
)

# Made once, too: to make one costs several times what it costs to ask it.
DUE: Final = (
    select(OUTBOX.c.id)
    .where(OUTBOX.c.dead_us.is_(None), OUTBOX.c.due_us <= bindparam("now"), OUTBOX.c.leased_us <= bindparam("now"))
    .where(OUTBOX.c.channel.in_(bindparam("channels", expanding=True)), ~WAITS)
    .order_by(OUTBOX.c.due_us, OUTBOX.c.id)
    .limit(bindparam("most"))
)
FREE: Final = DUE.with_for_update(skip_locked=True, of=OUTBOX)
TAKE: Final = (
    update(OUTBOX)
    .where(OUTBOX.c.id.in_(bindparam("ids", expanding=True)), OUTBOX.c.leased_us <= bindparam("now"))
    .values(leased_us=bindparam("until"), attempts=OUTBOX.c.attempts + 1)
    .returning(OUTBOX)
)
DONE: Final = delete(OUTBOX).where(OUTBOX.c.message_id == bindparam("message"))
HASTEN: Final = (
    update(OUTBOX)
    .where(OUTBOX.c.lane == bindparam("of_lane"), OUTBOX.c.kind == bindparam("of_kind"), OUTBOX.c.attempts == 0)
    .values(due_us=bindparam("now"))
)


@dataclass(frozen=True, slots=True)
class Letter:
    """A message to be kept. ``message_id``: the same again is the same message. ``lane``: within it the order counts."""

    channel: str
    message_id: str
    body: str
    lane: str = ""
    kind: str = ""
    delay_s: float = 0.0
    lease_s: float = 0.0  # whoever keeps it is at work on it already


@dataclass(frozen=True, slots=True)
class Leased:
    """A message that is to be delivered now, by us, within the lease."""

    id: int
    channel: str
    message_id: str
    lane: str
    kind: str
    body: str
    attempts: int  # this one included
    created_at: datetime
    until_us: int

    @property
    def age_s(self) -> float:
        """Seconds since it was kept."""
        return (datetime.now(UTC) - self.created_at).total_seconds()


@dataclass(frozen=True, slots=True)
class Waiting:
    """A message in a list: what is known of it but its text. ``dead_at`` None: it is still being tried."""

    id: int
    channel: str
    message_id: str
    lane: str
    kind: str
    attempts: int
    created_at: datetime
    due_at: datetime
    dead_at: datetime | None
    error: str


class Outbox:
    """Every method may raise StoreUnavailable."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._keep = database.insert(OUTBOX).on_conflict_do_nothing()

    async def put(self, letters: Sequence[Letter], *, connection: Transaction | None = None) -> None:
        """Keep messages, in this order; one that is there already is left as it is. ``connection``: a transaction that
        writes, of which this becomes a part.
        """
        if not letters:
            return
        if connection is None:
            async with self._database.write() as own:
                await self._insert(own, letters)
        else:
            await self._insert(connection, letters)

    async def _insert(self, connection: Transaction, letters: Sequence[Letter]) -> None:
        now = micros(datetime.now(UTC))
        for letter in letters:
            values: dict[str, Any] = {
                "message_id": letter.message_id,
                "channel": letter.channel,
                "lane": letter.lane or letter.message_id,
                "kind": letter.kind,
                "body": letter.body,
                "created_us": now,
                "due_us": now + int(letter.delay_s * SECOND),
                "leased_us": now + int(letter.lease_s * SECOND) if letter.lease_s else 0,
                "attempts": 1 if letter.lease_s else 0,
                "error": "",
            }
            await connection.execute(self._keep, values)

    async def claim(self, channels: Sequence[str], *, lease_s: float, limit: int) -> list[Leased]:
        """What is due in these channels, at most ``limit``, leased to the caller."""
        if not channels:
            return []
        now = micros(datetime.now(UTC))
        asked = {"now": now, "channels": channels}
        async with self._database.read() as connection:  # most polls find nothing, and a read takes no lock
            if (await connection.execute(DUE, asked | {"most": 1})).first() is None:
                return []
        until = now + int(lease_s * SECOND)
        async with self._database.write() as connection:
            ids = list((await connection.execute(FREE, asked | {"most": limit})).scalars())
            rows = (await connection.execute(TAKE, {"ids": ids, "now": now, "until": until})).all()
        return [
            Leased(
                id=row.id,
                channel=row.channel,
                message_id=row.message_id,
                lane=row.lane,
                kind=row.kind,
                body=row.body,
                attempts=row.attempts,
                created_at=EPOCH + _delta(row.created_us),
                until_us=until,
            )
            for row in sorted(rows, key=lambda row: row.id)
        ]

    async def done(self, message_id: str) -> None:
        """It has arrived."""
        async with self._database.write() as connection:
            await connection.execute(DONE, {"message": message_id})

    async def again(self, message_id: str, *, after_s: float, error: str) -> None:
        """It has not; try again after so many seconds."""
        due = micros(datetime.now(UTC)) + int(after_s * SECOND)
        await self._update(message_id, due_us=due, leased_us=0, error=error[:MAX_ERROR])

    async def bury(self, message_id: str, *, error: str) -> None:
        """It never will: keep it as a dead letter."""
        await self._update(message_id, dead_us=micros(datetime.now(UTC)), leased_us=0, error=error[:MAX_ERROR])

    async def rewrite(self, message_id: str, body: str) -> None:
        """What is sent from now on, however often."""
        await self._update(message_id, body=body)

    async def _update(self, message_id: str, **values: Any) -> None:
        async with self._database.write() as connection:
            await connection.execute(update(OUTBOX).where(OUTBOX.c.message_id == message_id).values(**values))

    async def hasten(self, lane: str, kind: str) -> None:
        """What waits in a lane waits no longer: what it waited for is there."""
        asked = {"of_lane": lane, "of_kind": kind, "now": micros(datetime.now(UTC))}
        async with self._database.write() as connection:
            await connection.execute(HASTEN, asked)

    async def list(self, *, dead: bool | None = None, limit: int = 100) -> list[Waiting]:
        """What has not arrived, oldest first; ``dead``: only dead letters, or only what is still tried."""
        query = select(OUTBOX).order_by(OUTBOX.c.id).limit(limit)
        if dead is not None:
            query = query.where(OUTBOX.c.dead_us.is_not(None) if dead else OUTBOX.c.dead_us.is_(None))
        async with self._database.read() as connection:
            rows = (await connection.execute(query)).all()
        return [
            Waiting(
                id=row.id,
                channel=row.channel,
                message_id=row.message_id,
                lane=row.lane,
                kind=row.kind,
                attempts=row.attempts,
                created_at=EPOCH + _delta(row.created_us),
                due_at=EPOCH + _delta(row.due_us),
                dead_at=None if row.dead_us is None else EPOCH + _delta(row.dead_us),
                error=row.error,
            )
            for row in rows
        ]

    async def resend(self, message_ids: Sequence[str] | None = None) -> int:
        """Try dead letters again, all of them where none is named; how many."""
        now = micros(datetime.now(UTC))
        dead = update(OUTBOX).where(OUTBOX.c.dead_us.is_not(None))
        if message_ids is not None:
            dead = dead.where(OUTBOX.c.message_id.in_(message_ids))
        # Its time begins anew: by its old age it would be given up after one attempt.
        async with self._database.write() as connection:
            fresh = dead.values(dead_us=None, due_us=now, leased_us=0, attempts=0, created_us=now)
            return (await connection.execute(fresh)).rowcount

    async def purge(self, before: datetime) -> int:
        """Forget dead letters older than that; how many."""
        async with self._database.write() as connection:
            return (await connection.execute(delete(OUTBOX).where(OUTBOX.c.dead_us < micros(before)))).rowcount

    async def counts(self) -> dict[str, int]:
        """How many messages wait and how many are dead."""
        query = select(func.count(), func.count(OUTBOX.c.dead_us))
        async with self._database.read() as connection:
            total, dead = (await connection.execute(query)).one()
        return {"waiting": total - dead, "dead": dead}


def _delta(us: int) -> timedelta:
    return timedelta(microseconds=us)
