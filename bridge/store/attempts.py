"""Calls that we place, from the intent to the outcome: who dials which, and what is still to be found out.

::

    queued   -> dialling -> placed -> done
       ^           |  \\        \\
       +-----------+   +---------+-> unknown -> done     (a person, a callback that comes after all, or time)

``dialling`` without an owner is allowed and counted, and nobody has asked the carrier yet. Whoever is about to ask writes
itself down first, with the time (``intend``), and only once: whoever comes later must ask the carrier for the call before
anybody dials again. These rows decide what may be done; whoever does it (``outbound.runs``) may be killed or doubled.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final

import msgspec
from sqlalchemy import ColumnElement, delete, exists, or_, select, update

from bridge.call.record import CallRecord
from bridge.store.budget import ACTIVE, ALL, Budget, Denied, denial, spend, take_turn
from bridge.store.database import Database
from bridge.store.document import restore, snapshot
from bridge.store.tables import ATTEMPTS, CALLS, CAMPAIGNS, SUPPRESSED, micros
from bridge.store.transaction import Transaction

OPEN: Final = ("dialling", "placed", "unknown")
UNSETTLED: Final = ("queued", *OPEN)  # named one by one: the index leads to them past all that are done
TERMINAL: Final = 3
BATCH: Final = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One call to be placed. ``plan`` is how: JSON values that whoever dials understands."""

    call_id: str
    from_number: str
    to_number: str
    due_us: int
    state: str = "queued"
    campaign_id: str | None = None
    position: int | None = None
    not_after_us: int | None = None
    owner: str = ""
    tries: int = 0
    dialled_us: int | None = None
    plan: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Settled:
    """An attempt whose call is over."""

    attempt: Attempt
    record: CallRecord


class Attempts:
    """Every method may raise StoreUnavailable."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, attempt: Attempt, record: CallRecord) -> Denied | bool:
        """Store an intent and its record together; False where this call id is there already, Denied where nobody may call."""
        async with self._database.write() as connection:
            if await is_suppressed(connection, attempt.to_number):
                return Denied("suppressed")
            return await insert(self._database, connection, attempt, record)

    async def begin(
        self, attempt: Attempt, record: CallRecord, *, budget: Budget, now: datetime
    ) -> Denied | Attempt | None:
        """Store a call that may be dialled now, within the budget. None where this call id is there already."""
        async with self._database.write() as connection:
            await take_turn(self._database, connection)
            known = select(ATTEMPTS.c.call_id).where(ATTEMPTS.c.call_id == attempt.call_id)
            if (await connection.execute(known)).first() is not None:
                return None
            if await is_suppressed(connection, attempt.to_number):
                return Denied("suppressed")
            denied = await denial(connection, budget, ALL, now)
            if denied is not None:
                return denied
            mine = allowed(attempt, now)
            if not await insert(self._database, connection, mine, record):
                return None
            await spend(self._database, connection, budget, ALL, now)
            return mine

    async def claim(self, *, budget: Budget, now: datetime) -> Denied | Attempt | None:
        """Allow the next call that is due and stored; those of a paused campaign wait. None where none is due."""
        paused = select(CAMPAIGNS.c.campaign_id).where(CAMPAIGNS.c.state == "paused")
        free = or_(ATTEMPTS.c.campaign_id.is_(None), ATTEMPTS.c.campaign_id.not_in(paused))
        due = (ATTEMPTS.c.state == "queued", ATTEMPTS.c.due_us <= micros(now), free)
        async with self._database.read() as connection:  # most polls find nothing, and a read takes no lock
            if (await connection.execute(select(ATTEMPTS.c.call_id).where(*due).limit(1))).first() is None:
                return None
        async with self._database.write() as connection:
            await take_turn(self._database, connection)
            denied = await denial(connection, budget, ALL, now)
            if denied is not None:
                return denied
            row = (await connection.execute(select(ATTEMPTS).where(*due).order_by(ATTEMPTS.c.due_us).limit(1))).first()
            if row is None:
                return None
            mine = allowed(_attempt(row), now)
            await _write(connection, mine)
            await spend(self._database, connection, budget, ALL, now)
            return mine

    async def get(self, call_id: str) -> Attempt | None:
        """One attempt."""
        async with self._database.read() as connection:
            row = (await connection.execute(select(ATTEMPTS).where(ATTEMPTS.c.call_id == call_id))).first()
        return None if row is None else _attempt(row)

    async def placed(self, call_id: str, *, look_at: datetime) -> None:
        """The carrier has the call; ask it how it stands if nothing has been heard by ``look_at``."""
        await self._move(call_id, state="placed", owner="", due_us=micros(look_at))

    async def intend(self, call_id: str, *, owner: str, now: datetime) -> Attempt | None:
        """``owner`` is about to ask the carrier. None where somebody was before, or it is not to be dialled (any more)."""
        free = (ATTEMPTS.c.call_id == call_id, ATTEMPTS.c.state == "dialling", ATTEMPTS.c.owner == "")
        taken = update(ATTEMPTS).where(*free).values(owner=owner, dialled_us=micros(now)).returning(ATTEMPTS)
        async with self._database.write() as connection:
            row = (await connection.execute(taken)).first()
        return None if row is None else _attempt(row)

    async def requeue(self, attempt: Attempt, *, due: datetime) -> bool:
        """The carrier surely does not have what was asked for then: dial again, not before ``due``. False where it is asked
        anew already, or has the call after all.
        """
        same = (ATTEMPTS.c.call_id == attempt.call_id, ATTEMPTS.c.state == "dialling")
        again = update(ATTEMPTS).where(*same, ATTEMPTS.c.dialled_us == attempt.dialled_us)
        values = {
            "state": "queued",
            "owner": "",
            "due_us": micros(due),
            "dialled_us": None,
            "tries": ATTEMPTS.c.tries + 1,
        }
        async with self._database.write() as connection:
            return (await connection.execute(again.values(values))).rowcount > 0

    async def unknown(self, call_id: str, *, conclude_at: datetime) -> None:
        """It cannot be found out: for a person, a callback that comes after all, or whoever asks at ``conclude_at``."""
        await self._move(call_id, state="unknown", owner="", due_us=micros(conclude_at))

    async def allowed(self, *, limit: int = BATCH) -> list[Attempt]:
        """Those that may be dialled and that nobody has asked the carrier for, oldest first."""
        query = (
            select(ATTEMPTS).where(ATTEMPTS.c.state == "dialling", ATTEMPTS.c.owner == "").order_by(ATTEMPTS.c.due_us)
        )
        async with self._database.read() as connection:
            return [_attempt(row) for row in await connection.execute(query.limit(limit))]

    async def under_way(self, *, limit: int = 10 * BATCH) -> list[Attempt]:
        """Those that were asked for and are not settled."""
        asked = select(ATTEMPTS).where(ATTEMPTS.c.state.in_(OPEN)).order_by(ATTEMPTS.c.dialled_us)
        async with self._database.read() as connection:
            return [_attempt(row) for row in await connection.execute(asked.limit(limit))]

    async def proved(self, *, look_at: datetime) -> list[str]:
        """Attempts that a callback has proved to be dialled are placed, whoever dialled them; which."""
        known = select(CALLS.c.call_id).where(CALLS.c.carrier_call_id.is_not(None), CALLS.c.rank < TERMINAL)
        unsure = ATTEMPTS.c.state.in_(("dialling", "unknown"))
        moved = update(ATTEMPTS).where(unsure, ATTEMPTS.c.call_id.in_(known)).returning(ATTEMPTS.c.call_id)
        waiting = select(ATTEMPTS.c.call_id).where(unsure, ATTEMPTS.c.call_id.in_(known)).limit(1)
        async with self._database.read() as connection:
            if (await connection.execute(waiting)).first() is None:
                return []
        async with self._database.write() as connection:
            rows = await connection.execute(moved.values(state="placed", owner="", due_us=micros(look_at)))
            return [row.call_id for row in rows]

    async def over(self, *, limit: int = BATCH) -> list[Settled]:
        """Attempts whose call has ended, still to be settled."""
        query = (
            select(ATTEMPTS, CALLS.c.document)
            .join(CALLS, CALLS.c.call_id == ATTEMPTS.c.call_id)
            .where(ATTEMPTS.c.state.in_(UNSETTLED), CALLS.c.rank >= TERMINAL)
        )
        async with self._database.read() as connection:
            rows = (await connection.execute(query.limit(limit))).all()
        return [Settled(_attempt(row), restore(row.document)) for row in rows]

    async def settle(self, record: CallRecord, now: datetime) -> None:
        """The call is over and nothing follows from it."""
        async with self._database.write() as connection:
            await close(connection, record, now)

    async def counts(self) -> dict[str, int]:
        """How many attempts are in which state, done ones left out."""
        async with self._database.read() as connection:
            rows = await connection.execute(select(ATTEMPTS.c.state).where(ATTEMPTS.c.state.in_(UNSETTLED)))
            found: dict[str, int] = {}
            for row in rows:
                found[row.state] = found.get(row.state, 0) + 1
            return found

    async def purge(self, before: datetime) -> int:
        """Forget settled attempts that ended before ``before``; how many."""
        old = delete(ATTEMPTS).where(ATTEMPTS.c.state == "done", ATTEMPTS.c.ended_us < micros(before))
        async with self._database.write() as connection:
            return (await connection.execute(old)).rowcount

    async def _move(self, call_id: str, **values: Any) -> None:
        moved = update(ATTEMPTS).where(ATTEMPTS.c.call_id == call_id, ATTEMPTS.c.state.in_(OPEN)).values(values)
        async with self._database.write() as connection:
            await connection.execute(moved)


async def insert(database: Database, connection: Transaction, attempt: Attempt, record: CallRecord) -> bool:
    """Both rows, or neither where the call id is there already."""
    first = database.insert(ATTEMPTS).values(_row(attempt)).on_conflict_do_nothing().returning(ATTEMPTS.c.call_id)
    if (await connection.execute(first)).first() is None:
        return False
    await connection.execute(database.insert(CALLS).values(snapshot(record).row()).on_conflict_do_nothing())
    return True


async def close(connection: Transaction, record: CallRecord, now: datetime) -> bool:
    """An attempt is done; False where it was before."""
    talked = (record.ended_at - record.started_at).total_seconds() if record.ended_at and record.started_at else 0.0
    done = update(ATTEMPTS).where(ATTEMPTS.c.call_id == record.call_id, ATTEMPTS.c.state != "done")
    values = {"state": "done", "owner": "", "ended_us": micros(now), "seconds": max(0, round(talked))}
    return (await connection.execute(done.values(values))).rowcount > 0


async def is_suppressed(connection: Transaction, number: str) -> bool:
    """Nobody may call this number."""
    return (
        await connection.execute(select(SUPPRESSED.c.number).where(SUPPRESSED.c.number == number))
    ).first() is not None


def in_a_call(number: ColumnElement[str]) -> ColumnElement[bool]:
    """A call of ours to this number is under way."""
    return exists().where(ATTEMPTS.c.to_number == number, or_(*(ATTEMPTS.c.state == state for state in ACTIVE)))


def allowed(attempt: Attempt, now: datetime) -> Attempt:
    """The attempt as it may be dialled, by whoever comes first. From here on it counts in every limit."""
    return replace(attempt, state="dialling", owner="", due_us=micros(now), dialled_us=micros(now))


async def _write(connection: Transaction, attempt: Attempt) -> None:
    await connection.execute(update(ATTEMPTS).where(ATTEMPTS.c.call_id == attempt.call_id).values(_row(attempt)))


def _row(attempt: Attempt) -> dict[str, Any]:
    return {
        "call_id": attempt.call_id,
        "campaign_id": attempt.campaign_id,
        "position": attempt.position,
        "state": attempt.state,
        "from_number": attempt.from_number,
        "to_number": attempt.to_number,
        "due_us": attempt.due_us,
        "not_after_us": attempt.not_after_us,
        "owner": attempt.owner,
        "tries": attempt.tries,
        "dialled_us": attempt.dialled_us,
        "ended_us": None,
        "seconds": 0,
        "plan": msgspec.json.encode(attempt.plan).decode(),
    }


def _attempt(row: Any) -> Attempt:
    return Attempt(
        call_id=row.call_id,
        from_number=row.from_number,
        to_number=row.to_number,
        due_us=row.due_us,
        state=row.state,
        campaign_id=row.campaign_id,
        position=row.position,
        not_after_us=row.not_after_us,
        owner=row.owner,
        tries=row.tries,
        dialled_us=row.dialled_us,
        plan=msgspec.json.decode(row.plan),
    )
