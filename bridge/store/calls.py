"""The records of all calls, seen and changed by every instance."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final, TypeAlias

from sqlalchemy import BindParameter, ColumnElement, Executable, bindparam, delete, func, or_, select, update

from bridge.call.record import CallRecord, Direction, Status
from bridge.errors import StoreUnavailable
from bridge.store import idempotency
from bridge.store.database import Database
from bridge.store.document import Snapshot, merge, restore, snapshot
from bridge.store.grants import NewGrant
from bridge.store.listing import Page, Wanted, list_calls
from bridge.store.tables import ANNOUNCED, ANSWERS, ATTEMPTS, CALLS, ERASED, GRANTS, OUTBOX, micros
from bridge.store.transaction import Transaction

TERMINAL: Final = Status.COMPLETED.rank
Records: TypeAlias = list[CallRecord]
Announce: TypeAlias = Callable[[Transaction, Sequence[CallRecord]], Awaitable[None]]
MAX_ELSEWHERE: Final = 1000  # calls of other instances that are looked at
BATCH: Final = 200  # records that one transaction reads or removes
REMEMBER_ERASED: Final = timedelta(days=30)  # longer than any instance keeps a snapshot unwritten

# Asked with every batch of a writer: made once, for a statement's parts hold each other in cycles.
THESE: Final[BindParameter[Any]] = bindparam("these", expanding=True)
STORED: Final = (
    select(CALLS.c.call_id, CALLS.c.rank, CALLS.c.resumes, CALLS.c.steps, CALLS.c.written_by)
    .where(CALLS.c.call_id.in_(THESE))
    .order_by(CALLS.c.call_id)  # so that two instances with the same calls at hand do not wait for each other in a ring
    .with_for_update()
)
GONE: Final = select(ERASED.c.call_id).where(ERASED.c.call_id.in_(THESE))
OWNED: Final = select(CALLS.c.carrier_call_id, CALLS.c.call_id).where(CALLS.c.carrier_call_id.in_(THESE))

# Asked for every call: to make a statement costs several times what it costs to ask it.
NAMED: Final = or_(CALLS.c.call_id == bindparam("any_id"), CALLS.c.carrier_call_id == bindparam("any_id"))
DOCUMENT: Final = select(CALLS.c.document).where(NAMED)
LOCKED: Final = select(CALLS).where(NAMED).with_for_update()
REPLACE: Final = update(CALLS).where(CALLS.c.call_id == bindparam("of"))
ANSWER: Final = select(ANSWERS.c.twiml).where(
    ANSWERS.c.call_id == bindparam("of"), ANSWERS.c.counter == bindparam("at")
)


@dataclass(frozen=True, slots=True)
class Offered:
    """Who has the call. ``won``: the one who asked; otherwise everything here is the winner's."""

    won: bool
    record: CallRecord
    twiml: str | None

    @property
    def instance(self) -> str:
        """The process that took the call."""
        return self.record.instance


class Calls:
    """Every method may raise StoreUnavailable. ``any_id``: ours or the carrier's."""

    def __init__(self, database: Database) -> None:
        self._database = database
        # Told of every record that is written, within the transaction that writes it: what it writes stands or falls with it.
        self.announce: Announce | None = None
        # Made once: each look at what is ``excluded`` copies the table, and the copies hold each other in cycles.
        self._forward = _forward(database)
        self._take = database.insert(CALLS).on_conflict_do_nothing().returning(CALLS.c.call_id)
        self._grant = database.insert(GRANTS).on_conflict_do_nothing()
        self._answer = database.insert(ANSWERS).on_conflict_do_nothing()

    async def _told(self, connection: Transaction, records: Sequence[CallRecord]) -> None:
        if self.announce is not None and records:
            await self.announce(connection, records)

    async def offer(self, record: CallRecord, twiml: str | None = None, grant: NewGrant | None = None) -> Offered:
        """Take a call for this instance: of all who offer the same carrier call id, one wins, and the others get what the
        winner answered. A call that we placed is there already; it is taken by the first who brings TwiML. The winner's
        ``grant`` for the stream is kept with it: a caller waits for both, and a second transaction costs as much again.
        """
        values = snapshot(record, written_by=record.instance).row() | {"twiml": twiml}
        async with self._database.write() as connection:
            if (await connection.execute(self._take, values)).first() is not None:
                await self._keep(connection, grant, record)
                await self._told(connection, [record])
                return Offered(won=True, record=record, twiml=twiml)
            row = await _locked(connection, record.carrier_call_id) or await _locked(connection, record.call_id)
            if row is None:
                raise StoreUnavailable("the call was deleted while it was offered", hint="Ask again.")
            stored = restore(row.document)
            if row.call_id != record.call_id or row.twiml is not None or twiml is None or stored.status.terminal:
                # An offer whose commit was not confirmed is made again: then the winner is ourselves.
                own = row.call_id == record.call_id and row.twiml == twiml
                return Offered(won=own, record=stored, twiml=row.twiml)
            taken = merge(stored, record)
            await _replace(connection, taken, {"twiml": twiml})
            await self._keep(connection, grant, taken)
            await self._told(connection, [taken])
            return Offered(won=True, record=taken, twiml=twiml)

    async def _keep(self, connection: Transaction, grant: NewGrant | None, record: CallRecord) -> None:
        if grant is not None:
            await connection.execute(self._grant, grant.row(record))

    async def after(self, call_id: str, *, counter: int, twiml: str) -> str:
        """The answer to ``/twilio/after`` with this counter: ``twiml``, or what was answered the first time."""
        async with self._database.write() as connection:
            await connection.execute(self._answer, {"call_id": call_id, "counter": counter, "twiml": twiml})
            return str((await connection.execute(ANSWER, {"of": call_id, "at": counter})).scalar_one())

    async def get(self, any_id: str) -> CallRecord | None:
        """The record, None where there is none."""
        async with self._database.read() as connection:
            row = (await connection.execute(DOCUMENT, {"any_id": any_id})).first()
        return None if row is None else restore(row.document)

    async def save(self, record: CallRecord) -> None:
        """Write a record, merged with what is stored of it. (A live call's goes through the Writer.)"""
        await self.write([snapshot(record)])

    async def change(self, any_id: str, change: Callable[[CallRecord], object]) -> CallRecord | None:
        """Read, change and write in one step; the changed record, None where there is none. ``change`` must be quick; what it
        does to the status and outcome obeys the record's own rules (``advance``, ``finish``).
        """
        async with self._database.write() as connection:
            row = await _locked(connection, any_id)
            if row is None:
                return None
            record = restore(row.document)
            change(record)
            await _replace(connection, record, {})
            await self._told(connection, [record])
            return record

    async def write(self, snapshots: Sequence[Snapshot]) -> None:
        """Write snapshots of different calls in one transaction, each only forward."""
        async with self._database.write() as connection:
            moved = await _moved(connection, snapshots)
            rows = [each.row() for each in moved]
            if not rows:
                return
            await connection.execute(self._forward, rows)
            if self.announce is not None:
                await self._told(connection, [restore(each.document) for each in moved])

    async def list(
        self,
        *,
        limit: int = 50,
        cursor: str | None = None,
        status: Status | None = None,
        direction: Direction | None = None,
        agent: str | None = None,
        line: str | None = None,
        number: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
    ) -> Page:
        """Newest first, at most ``limit`` (1 to 200); ``number`` is either side's. Raises ValueError where ``cursor`` is none."""
        wanted = Wanted(status, direction, agent, line, number, since, until)
        async with self._database.read() as connection:
            return await list_calls(connection, wanted, limit=limit, cursor=cursor)

    async def unfinished(
        self, *, instances: Sequence[str] | None = None, before: datetime | None = None, limit: int = BATCH
    ) -> Records:
        """Calls without a terminal status, oldest first: those of ``instances``, those offered before ``before``."""
        tests: list[ColumnElement[bool]] = [CALLS.c.rank < TERMINAL]
        if instances is not None:
            tests.append(CALLS.c.instance.in_(instances))
        if before is not None:
            tests.append(CALLS.c.created_us < micros(before))
        query = select(CALLS.c.document).where(*tests).order_by(CALLS.c.created_us).limit(limit)
        async with self._database.read() as connection:
            return [restore(row.document) for row in await connection.execute(query)]

    async def elsewhere(self, instance: str, *, limit: int = MAX_ELSEWHERE) -> dict[str, tuple[int, int]]:
        """Calls without a terminal status that this instance has not: by call_id, how far each has come (rank and steps)."""
        tests = (CALLS.c.rank < TERMINAL, CALLS.c.instance != instance)
        query = select(CALLS.c.call_id, CALLS.c.rank, CALLS.c.steps).where(*tests).order_by(CALLS.c.created_us)
        async with self._database.read() as connection:
            return {row.call_id: (row.rank, row.steps) for row in await connection.execute(query.limit(limit))}

    async def several(self, call_ids: Sequence[str]) -> Records:
        """Those that there are, oldest first."""
        query = select(CALLS.c.document).where(CALLS.c.call_id.in_(call_ids)).order_by(CALLS.c.created_us)
        async with self._database.read() as connection:
            return [restore(row.document) for row in await connection.execute(query)]

    async def delete(self, any_id: str) -> CallRecord | None:
        """Remove a call that has ended, with all that belongs to it, for good: a snapshot that comes late does not bring it
        back. What was removed (its recording is the caller's to remove), None where there is none, it is live, or a campaign
        has still to be told of its end.
        """
        async with self._database.write() as connection:
            row = await _locked(connection, any_id)
            if row is None or row.rank < TERMINAL or await _awaited(connection, row.call_id):
                return None
            now = micros(datetime.now(UTC))
            tombstone = self._database.insert(ERASED).values(call_id=row.call_id, erased_us=now)
            await connection.execute(tombstone.on_conflict_do_nothing())
            await _remove(connection, [row.call_id])
            await idempotency.forget(connection, row.call_id)  # what is old enough to expire has outlived its keys
            return restore(row.document)

    async def expire(self, before: datetime, *, limit: int = BATCH) -> Records:
        """Remove calls that ended and were offered before ``before``; at most ``limit``, oldest first: ask until none comes.
        What was removed: recordings are the caller's to remove.
        """
        old = select(CALLS.c.call_id, CALLS.c.document).where(
            CALLS.c.rank >= TERMINAL, CALLS.c.created_us < micros(before)
        )
        async with self._database.write() as connection:
            rows = (await connection.execute(old.order_by(CALLS.c.created_us).limit(limit))).all()
            await _remove(connection, [row.call_id for row in rows])
            forgotten = micros(datetime.now(UTC) - REMEMBER_ERASED)
            await connection.execute(delete(ERASED).where(ERASED.c.erased_us < forgotten))
        return [restore(row.document) for row in rows]


def _forward(database: Database) -> Executable:
    """Write rows of snapshots, where none has come further."""
    insert = database.insert(CALLS)
    brought = insert.excluded
    new: dict[str, Any] = {name: brought[name] for name in Snapshot.__slots__ if name not in {"call_id", "created_us"}}
    new["carrier_call_id"] = func.coalesce(CALLS.c.carrier_call_id, brought.carrier_call_id)
    return insert.on_conflict_do_update(index_elements=[CALLS.c.call_id], set_=new, where=CALLS.c.rank <= brought.rank)


async def _locked(connection: Transaction, any_id: str | None) -> Any:
    if any_id is None:
        return None
    return (await connection.execute(LOCKED, {"any_id": any_id})).first()


async def _replace(connection: Transaction, record: CallRecord, more: dict[str, Any]) -> None:
    # written_by stays empty: the owner's next snapshot does not know of this change and must be merged with it.
    values = snapshot(record).row() | more
    await connection.execute(REPLACE, values | {"of": record.call_id})


async def _remove(connection: Transaction, call_ids: Sequence[str]) -> None:
    await connection.execute(delete(OUTBOX).where(OUTBOX.c.lane.in_(call_ids)))
    for table in (ANSWERS, GRANTS, ANNOUNCED, CALLS):
        await connection.execute(delete(table).where(table.c.call_id.in_(call_ids)))
    # The attempts stay, for the day's limits; whom they were to is forgotten, and none holds a place for a call that is gone.
    mine = ATTEMPTS.c.call_id.in_(call_ids)
    over = {"state": "done", "owner": "", "ended_us": micros(datetime.now(UTC))}
    await connection.execute(update(ATTEMPTS).where(mine, ATTEMPTS.c.state != "done").values(over))
    await connection.execute(update(ATTEMPTS).where(mine).values(to_number="", plan="{}"))


async def _awaited(connection: Transaction, call_id: str) -> bool:
    """A campaign has still to learn what became of its person."""
    query = select(ATTEMPTS.c.call_id).where(ATTEMPTS.c.call_id == call_id, ATTEMPTS.c.campaign_id.is_not(None))
    return (await connection.execute(query.where(ATTEMPTS.c.state != "done"))).first() is not None


async def _moved(connection: Transaction, snapshots: Sequence[Snapshot]) -> list[Snapshot]:
    """What to write: the snapshot itself where its writer alone has written the call so far, else both accounts merged."""
    ids = [each.call_id for each in snapshots]
    stored = {row.call_id: row for row in await connection.execute(STORED, {"these": ids})}
    erased = set((await connection.execute(GONE, {"these": ids})).scalars())
    owners = await _owners(connection, snapshots)
    moved = []
    for each in snapshots:
        if each.call_id in erased:
            continue
        row = stored.get(each.call_id)
        if row is not None and not _continues(row, each):
            document = (
                await connection.execute(select(CALLS.c.document).where(CALLS.c.call_id == each.call_id))
            ).scalar_one()
            each = snapshot(merge(restore(document), restore(each.document)))  # noqa: PLW2901
        if owners.get(each.carrier_call_id or "", each.call_id) != each.call_id:
            # Two instances took the same call while the store was away. Both accounts are kept; the first has the name.
            each = replace(each, carrier_call_id=None)  # noqa: PLW2901
        moved.append(each)
    return moved


async def _owners(connection: Transaction, snapshots: Sequence[Snapshot]) -> dict[str, str]:
    names = [each.carrier_call_id for each in snapshots if each.carrier_call_id is not None]
    owners = {row.carrier_call_id: row.call_id for row in await connection.execute(OWNED, {"these": names})}
    for each in snapshots:
        if each.carrier_call_id is not None:
            owners.setdefault(each.carrier_call_id, each.call_id)
    return owners


def _continues(row: Any, each: Snapshot) -> bool:
    return bool(
        each.written_by
        and row.written_by == each.written_by
        and row.rank < TERMINAL
        and (row.rank, row.resumes, row.steps) <= (each.rank, each.resumes, each.steps)
    )
