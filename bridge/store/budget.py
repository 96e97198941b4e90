"""How many calls may be begun: counted, in the transaction that begins one, over all instances."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from sqlalchemy import ColumnElement, func, select, update

from bridge.store.database import Database
from bridge.store.room import room
from bridge.store.tables import ATTEMPTS, PACE, micros
from bridge.store.transaction import Transaction

ALL: Final = ""  # the scope of every call
ACTIVE: Final = ("dialling", "placed")
SECOND: Final = 1_000_000  # us
BUSY_RETRY_S: Final = 5.0  # all places are taken: one may be free again by then


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """Limits of all calls or of one campaign's; 0 means none. A day is one of UTC."""

    calls_per_second: float = 0.0
    max_concurrent: int = 0
    daily_limit: int = 0
    daily_minutes: int = 0


@dataclass(frozen=True, slots=True)
class Denied:
    """No call may be begun now. ``why``: full (of the instances), rate, concurrent, daily, minutes, suppressed."""

    why: str
    retry_after_s: float = 0.0


async def take_turn(database: Database, connection: Transaction) -> None:
    """Be the only one who begins calls until this transaction ends."""
    insert = database.insert(PACE).values(scope=ALL, next_us=0).on_conflict_do_nothing()
    await connection.execute(insert)
    await connection.execute(select(PACE.c.next_us).where(PACE.c.scope == ALL).with_for_update())


async def denial(connection: Transaction, budget: Budget, scope: str, now: datetime) -> Denied | None:
    """Why no call may be begun now within ``scope`` (ALL or a campaign), None where one may."""
    tests = [ATTEMPTS.c.campaign_id == scope] if scope else []
    row = (await connection.execute(select(PACE.c.next_us).where(PACE.c.scope == scope))).first()
    wait = 0 if row is None else row.next_us - micros(now)
    if budget.calls_per_second and wait > 0:
        return Denied("rate", wait / SECOND)
    if budget.max_concurrent:
        active = await _count(connection, [*tests, ATTEMPTS.c.state.in_(ACTIVE)])
        if active >= budget.max_concurrent:
            return Denied("concurrent", BUSY_RETRY_S)
    today = [*tests, ATTEMPTS.c.dialled_us >= micros(_midnight(now))]
    if budget.daily_limit and await _count(connection, today) >= budget.daily_limit:
        return Denied("daily", _until_midnight(now))
    if budget.daily_minutes:
        talked = select(func.coalesce(func.sum(ATTEMPTS.c.seconds), 0)).where(*today)
        running = select(func.coalesce(func.sum(micros(now) - ATTEMPTS.c.dialled_us), 0)).where(
            *today, ATTEMPTS.c.state.in_(ACTIVE)
        )
        seconds = int((await connection.execute(talked)).scalar_one())
        seconds += int((await connection.execute(running)).scalar_one()) // SECOND
        if seconds >= budget.daily_minutes * 60:
            return Denied("minutes", _until_midnight(now))
    if not scope and not (await room(connection)).for_another:
        return Denied("full", BUSY_RETRY_S)
    return None


async def spend(database: Database, connection: Transaction, budget: Budget, scope: str, now: datetime) -> None:
    """A call is begun: the next one waits its time."""
    if not budget.calls_per_second:
        return
    next_us = micros(now) + round(SECOND / budget.calls_per_second)
    done = await connection.execute(update(PACE).where(PACE.c.scope == scope).values(next_us=next_us))
    if not done.rowcount:
        await connection.execute(database.insert(PACE).values(scope=scope, next_us=next_us))


async def _count(connection: Transaction, tests: list[ColumnElement[bool]]) -> int:
    return int((await connection.execute(select(func.count()).select_from(ATTEMPTS).where(*tests))).scalar_one())


def _midnight(now: datetime) -> datetime:
    return now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


def _until_midnight(now: datetime) -> float:
    return (_midnight(now) + timedelta(days=1) - now).total_seconds()
