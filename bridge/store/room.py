"""Whether somebody is there for one more person who answers: the places of all instances, less what is taken or promised."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from sqlalchemy import func, or_, select

from bridge.store.tables import ATTEMPTS, CALLS, INSTANCES
from bridge.store.transaction import Transaction

DIALLED: Final = ("dialling", "placed")
TERMINAL: Final = 3
ALIVE: Final = timedelta(seconds=15)  # without a sign of life; a beat is due every few seconds
# Conversations by text are records too, and take no place: the carrier has no call of them, and their ids are not counted.
# Nothing else narrows it down: it would lead SQLite away from the index of unfinished calls, to all that ever were.
HELD: Final = (
    select(CALLS.c.instance, func.count(CALLS.c.carrier_call_id))
    .where(CALLS.c.rank < TERMINAL)
    .group_by(CALLS.c.instance)
)


@dataclass(frozen=True, slots=True)
class Room:
    """``free``: places that nobody has, on instances that take calls; None: one of them has no limit. ``promised``: calls of
    ours that ring or will, and have still to come to one of the ``takers``; ``ringing``: those that the carrier was asked for.
    """

    free: int | None
    promised: int
    takers: int
    ringing: int = 0

    @property
    def promised_each(self) -> int:
        """How many places each taker keeps for people who are being called."""
        return -(-self.promised // max(1, self.takers))

    @property
    def for_another(self) -> bool:
        """One more may be dialled. (Where nobody takes calls at all this is not what says so.)"""
        return self.free is None or not self.takers or self.free > self.promised


async def room(connection: Transaction, *, apart_from: str = "") -> Room:
    """As the store knows it, of all instances or all but one. A sign of life may be seconds old: what was taken since is
    counted by the records.

    Who lives is told by the newest sign of life, so that it does not matter whose clock is asked.
    """
    bridges = INSTANCES.c.kind == "bridge"
    newest = select(func.max(INSTANCES.c.seen_us)).where(bridges).scalar_subquery()
    fresh = INSTANCES.c.seen_us > newest - ALIVE // timedelta(microseconds=1)
    takers = (bridges, fresh, INSTANCES.c.draining.is_(False), INSTANCES.c.id != apart_from)
    there = (await connection.execute(select(INSTANCES).where(*takers))).all()
    records = {row[0]: int(row[1]) for row in await connection.execute(HELD)}
    asked = or_(ATTEMPTS.c.state == "placed", ATTEMPTS.c.owner != "")
    called = (
        select(func.count(), func.count().filter(asked))
        .select_from(ATTEMPTS.join(CALLS, CALLS.c.call_id == ATTEMPTS.c.call_id))
        .where(ATTEMPTS.c.state.in_(DIALLED), CALLS.c.rank < TERMINAL, CALLS.c.instance == "")
    )
    promised, ringing = (int(each) for each in (await connection.execute(called)).one())
    free: int | None = 0
    for each in there:
        if each.capacity is None or free is None:
            free = None
        else:
            free += max(0, each.capacity - max(each.active_calls, records.get(each.id, 0)))
    return Room(free, promised, len(there), ringing)
