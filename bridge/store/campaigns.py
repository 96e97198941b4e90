"""Campaigns and their people, seen and changed by every instance."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

import msgspec
from sqlalchemy import delete, exists, func, or_, select, update

from bridge.call.record import CallRecord
from bridge.store.attempts import Attempt, allowed, close, in_a_call, insert, is_suppressed
from bridge.store.budget import ALL, Budget, Denied, denial, spend, take_turn
from bridge.store.database import Database
from bridge.store.document import restore
from bridge.store.tables import ATTEMPTS, CALLS, CAMPAIGNS, EPOCH, TARGETS, micros
from bridge.store.transaction import Transaction

IMPORT_S: Final = 60.0  # a list of ten thousand is stored in one transaction, or not at all
ROWS: Final = 500  # of one statement: SQLite binds 32766 values
LOOKED_AT: Final = 20  # people of one campaign, per look


@dataclass(frozen=True, slots=True, kw_only=True)
class Campaign:
    """``state``: draft, running, paused, finished, canceled; ``why`` it is paused. ``rules``: JSON values."""

    campaign_id: str
    name: str
    state: str = "draft"
    why: str = ""
    rules: Mapping[str, Any] = field(default_factory=dict)
    created_at: datetime = EPOCH


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One person. ``state``: waiting, calling, done, skipped. ``document``: zones, times, variables."""

    position: int
    number: str
    name: str = ""
    state: str = "waiting"
    due_us: int = 0
    tries: int = 0
    call_id: str | None = None
    result: str = ""
    note: str = ""
    document: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Step:
    """What follows for a person: ``state`` and, while waiting, when. ``tries`` as it is then."""

    state: str
    due_us: int = 0
    result: str = ""
    note: str = ""


Told = Callable[[Transaction, Campaign], Awaitable[None]]


class CampaignStore:
    """Every method may raise StoreUnavailable."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def create(self, campaign: Campaign, targets: Sequence[Target]) -> bool:
        """Store all of it, or nothing; False where this id is there already."""
        values = {
            "campaign_id": campaign.campaign_id,
            "name": campaign.name,
            "state": campaign.state,
            "why": campaign.why,
            "rules": msgspec.json.encode(campaign.rules).decode(),
            "created_us": micros(campaign.created_at),
            "changed_us": micros(campaign.created_at),
        }
        rows = [_row(campaign.campaign_id, target) for target in targets]
        async with self._database.write(IMPORT_S) as connection:
            first = self._database.insert(CAMPAIGNS).values(values).on_conflict_do_nothing()
            if (await connection.execute(first.returning(CAMPAIGNS.c.campaign_id))).first() is None:
                return False
            for start in range(0, len(rows), ROWS):
                await connection.execute(self._database.insert(TARGETS), rows[start : start + ROWS])
        return True

    async def expire(self, before: datetime) -> str | None:
        """Remove the oldest campaign that was over before ``before``, with its people; its id. Ask until none comes."""
        over = select(CAMPAIGNS.c.campaign_id).where(
            CAMPAIGNS.c.state.in_(("finished", "canceled")), CAMPAIGNS.c.changed_us < micros(before)
        )
        async with self._database.write(IMPORT_S) as connection:
            found = (await connection.execute(over.order_by(CAMPAIGNS.c.changed_us).limit(1))).scalar()
            if found is None:
                return None
            for table in (TARGETS, CAMPAIGNS):
                await connection.execute(delete(table).where(table.c.campaign_id == found))
        return str(found)

    async def get(self, campaign_id: str) -> Campaign | None:
        """One campaign."""
        async with self._database.read() as connection:
            query = select(CAMPAIGNS).where(CAMPAIGNS.c.campaign_id == campaign_id)
            row = (await connection.execute(query)).first()
        return None if row is None else _campaign(row)

    async def all(self, *, state: str | None = None, limit: int = 200) -> list[Campaign]:
        """Newest first."""
        query = select(CAMPAIGNS).order_by(CAMPAIGNS.c.created_us.desc()).limit(limit)
        if state is not None:
            query = query.where(CAMPAIGNS.c.state == state)
        async with self._database.read() as connection:
            return [_campaign(row) for row in await connection.execute(query)]

    async def move(self, campaign_id: str, *, to: str, only_from: Sequence[str], now: datetime, why: str = "") -> bool:
        """Start, pause, resume, cancel, finish; False where it does not stand so that it could."""
        changed = update(CAMPAIGNS).where(CAMPAIGNS.c.campaign_id == campaign_id, CAMPAIGNS.c.state.in_(only_from))
        async with self._database.write() as connection:
            done = await connection.execute(changed.values(state=to, why=why, changed_us=micros(now)))
            if done.rowcount and to == "canceled":
                mine = (TARGETS.c.campaign_id == campaign_id, TARGETS.c.state == "waiting")
                await connection.execute(update(TARGETS).where(*mine).values(state="done", result="canceled"))
            return done.rowcount > 0

    async def change_rules(self, campaign_id: str, rules: Mapping[str, Any], *, now: datetime) -> bool:
        """Other rules, from the next call on. Everybody who waits is looked at again."""
        changed = update(CAMPAIGNS).where(
            CAMPAIGNS.c.campaign_id == campaign_id, CAMPAIGNS.c.state.in_(("draft", "running", "paused"))
        )
        async with self._database.write() as connection:
            text = msgspec.json.encode(rules).decode()
            done = await connection.execute(changed.values(rules=text, changed_us=micros(now)))
            fresh = (TARGETS.c.campaign_id == campaign_id, TARGETS.c.state == "waiting", TARGETS.c.tries == 0)
            await connection.execute(update(TARGETS).where(*fresh).values(due_us=0))
            return done.rowcount > 0

    async def targets(self, campaign_id: str, *, after: int = 0, limit: int = 1000) -> list[Target]:
        """In the order of the list, those behind ``after``."""
        query = select(TARGETS).where(TARGETS.c.campaign_id == campaign_id, TARGETS.c.position > after)
        async with self._database.read(IMPORT_S) as connection:
            rows = (await connection.execute(query.order_by(TARGETS.c.position).limit(limit))).all()
        return [_target(row) for row in rows]

    async def tally(self, campaign_id: str) -> dict[str, dict[str, int]]:
        """How many people are in which state, and with which result: ``{"states": ..., "results": ...}``."""
        return (await self.tallies([campaign_id]))[campaign_id]

    async def tallies(self, campaign_ids: Sequence[str]) -> dict[str, dict[str, dict[str, int]]]:
        """The tally of each, in one look."""
        found: dict[str, dict[str, dict[str, int]]] = {each: {"states": {}, "results": {}} for each in campaign_ids}
        mine = TARGETS.c.campaign_id.in_(campaign_ids)
        keys = (TARGETS.c.campaign_id, TARGETS.c.state, TARGETS.c.result)
        async with self._database.read() as connection:
            rows = await connection.execute(select(*keys, func.count()).where(mine).group_by(*keys))
        for campaign_id, state, result, count in rows:
            for name, key in (("states", state), ("results", result)):
                if key:
                    found[campaign_id][name][key] = found[campaign_id][name].get(key, 0) + count
        return found

    # ------------------------------------------------------------ calling

    async def due(self, campaign_id: str, now: datetime) -> list[Target]:
        """People who may be called now, the one who waits longest first."""
        query = select(TARGETS).where(
            TARGETS.c.campaign_id == campaign_id,
            TARGETS.c.state == "waiting",
            TARGETS.c.due_us <= micros(now),
            ~in_a_call(TARGETS.c.number),
        )
        async with self._database.read() as connection:
            rows = (await connection.execute(query.order_by(TARGETS.c.due_us).limit(LOOKED_AT))).all()
        return [_target(row) for row in rows]

    async def put_off(self, campaign_id: str, target: Target, step: Step) -> None:
        """Not now: later, or never. Nothing changes where the person was called meanwhile."""
        mine = _mine(campaign_id, target.position) & (TARGETS.c.state == "waiting") & (TARGETS.c.tries == target.tries)
        values = {"state": step.state, "due_us": step.due_us, "result": step.result, "note": step.note}
        async with self._database.write() as connection:
            await connection.execute(update(TARGETS).where(mine).values(values))

    async def begin(
        self,
        campaign_id: str,
        target: Target,
        attempt: Attempt,
        record: CallRecord,
        *,
        budgets: tuple[Budget, Budget],
        now: datetime,
    ) -> Attempt | Denied | str:
        """Call a person: in one step the limits (of all, of the campaign) are kept, the intent, its record and the person's
        state are stored. Else why not: Denied, or suppressed, gone.
        """
        mine = _mine(campaign_id, target.position) & (TARGETS.c.state == "waiting") & (TARGETS.c.tries == target.tries)
        running = select(CAMPAIGNS.c.state).where(
            CAMPAIGNS.c.campaign_id == campaign_id, CAMPAIGNS.c.state == "running"
        )
        async with self._database.write() as connection:
            await take_turn(self._database, connection)
            for budget, scope in zip(budgets, (ALL, campaign_id), strict=True):
                denied = await denial(connection, budget, scope, now)
                if denied is not None:
                    return denied
            if await is_suppressed(connection, target.number):
                return "suppressed"
            if (await connection.execute(running)).first() is None:
                return "gone"
            taken = update(TARGETS).where(mine, ~in_a_call(TARGETS.c.number))
            values = {"state": "calling", "tries": TARGETS.c.tries + 1, "call_id": attempt.call_id}
            if not (await connection.execute(taken.values(values))).rowcount:
                return "gone"
            begun = allowed(attempt, now)
            await insert(self._database, connection, begun, record)
            for budget, scope in zip(budgets, (ALL, campaign_id), strict=True):
                await spend(self._database, connection, budget, scope, now)
            return begun

    async def settle(self, campaign_id: str, position: int, record: CallRecord, step: Step, now: datetime) -> None:
        """A call is over: the attempt is done, and the person's state moves, in one step and once."""
        async with self._database.write() as connection:
            if not await close(connection, record, now):
                return
            mine = _mine(campaign_id, position) & (TARGETS.c.call_id == record.call_id)
            values = {"state": step.state, "due_us": step.due_us, "result": step.result, "note": step.note}
            await connection.execute(update(TARGETS).where(mine, TARGETS.c.state == "calling").values(values))

    async def finish(self, campaign: Campaign, *, now: datetime, told: Told) -> bool:
        """End a running campaign of which nobody is to be called or being called; False where it does not stand so.

        ``told`` puts the news into the outbox, within the transaction that ends it: neither is there without the other.
        """
        mine = CAMPAIGNS.c.campaign_id == campaign.campaign_id
        undone = exists().where(
            TARGETS.c.campaign_id == campaign.campaign_id,
            or_(TARGETS.c.state == "waiting", TARGETS.c.state == "calling"),
        )
        async with self._database.read() as connection:  # most looks find somebody, and a read takes no lock
            if (await connection.execute(select(CAMPAIGNS.c.campaign_id).where(mine, ~undone))).first() is None:
                return False
        ended = update(CAMPAIGNS).where(mine, CAMPAIGNS.c.state == "running", ~undone)
        async with self._database.write() as connection:
            done = await connection.execute(ended.values(state="finished", why="", changed_us=micros(now)))
            if done.rowcount:
                await told(connection, campaign)
            return done.rowcount > 0

    async def last_calls(self, campaign_id: str, count: int) -> list[CallRecord]:
        """The newest calls of a campaign that are over, since it was last started."""
        since = select(CAMPAIGNS.c.changed_us).where(CAMPAIGNS.c.campaign_id == campaign_id).scalar_subquery()
        query = (
            select(CALLS.c.document)
            .join(ATTEMPTS, ATTEMPTS.c.call_id == CALLS.c.call_id)
            .where(ATTEMPTS.c.campaign_id == campaign_id, ATTEMPTS.c.state == "done", ATTEMPTS.c.dialled_us >= since)
            .order_by(ATTEMPTS.c.ended_us.desc())
            .limit(count)
        )
        async with self._database.read() as connection:
            return [restore(row.document) for row in await connection.execute(query)]


def _mine(campaign_id: str, position: int) -> Any:
    return (TARGETS.c.campaign_id == campaign_id) & (TARGETS.c.position == position)


def _row(campaign_id: str, target: Target) -> dict[str, Any]:
    return {
        "campaign_id": campaign_id,
        "position": target.position,
        "number": target.number,
        "name": target.name,
        "state": target.state,
        "due_us": target.due_us,
        "tries": target.tries,
        "call_id": target.call_id,
        "result": target.result,
        "note": target.note,
        "document": msgspec.json.encode(target.document).decode(),
    }


def _campaign(row: Any) -> Campaign:
    return Campaign(
        campaign_id=row.campaign_id,
        name=row.name,
        state=row.state,
        why=row.why,
        rules=msgspec.json.decode(row.rules),
        created_at=EPOCH + timedelta(microseconds=row.created_us),
    )


def _target(row: Any) -> Target:
    return Target(
        position=row.position,
        number=row.number,
        name=row.name,
        state=row.state,
        due_us=row.due_us,
        tries=row.tries,
        call_id=row.call_id,
        result=row.result,
        note=row.note,
        document=msgspec.json.decode(row.document),
    )
