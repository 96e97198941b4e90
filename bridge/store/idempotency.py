"""``Idempotency-Key``: the same request made twice is carried out once, whichever instance it reaches."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import delete, select, update

from bridge.store.database import Database
from bridge.store.tables import IDEMPOTENCY, micros
from bridge.store.transaction import Transaction

LIFE: Final = timedelta(hours=24)
NAMELESS: Final = ("call_id", "status")  # of a call's own account: what an answer keeps when the call is gone


@dataclass(frozen=True, slots=True)
class New:
    """Carry the request out, then ``complete`` it, or ``release`` it where surely nothing was done."""


@dataclass(frozen=True, slots=True)
class Same:
    """Answer this. ``http_status`` is None while the first request is still under way, or its process died in it."""

    http_status: int | None
    response: str | None


@dataclass(frozen=True, slots=True)
class Conflict:
    """The key came with another body before."""


Claim = New | Same | Conflict


class Idempotency:
    """Keys live for 24 h. ``scope``: whose key it is and of which route. Every method may raise StoreUnavailable."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def claim(self, scope: str, key: str, *, body_hash: str, now: datetime) -> Claim:
        """Of all who claim a key at once, one gets New."""
        mine = (IDEMPOTENCY.c.scope == scope, IDEMPOTENCY.c.key == key)
        values = {
            "body_hash": body_hash,
            "http_status": None,
            "response": None,
            "expires_us": micros(now + LIFE),
        }
        insert = self._database.insert(IDEMPOTENCY).values(scope=scope, key=key, **values)
        fresh = insert.on_conflict_do_update(
            index_elements=[IDEMPOTENCY.c.scope, IDEMPOTENCY.c.key],
            set_=values,
            where=IDEMPOTENCY.c.expires_us <= micros(now),
        ).returning(IDEMPOTENCY.c.key)
        async with self._database.write() as connection:
            if (await connection.execute(fresh)).first() is not None:
                return New()
            row = (await connection.execute(select(IDEMPOTENCY).where(*mine))).one()
        return Same(row.http_status, row.response) if row.body_hash == body_hash else Conflict()

    async def complete(self, scope: str, key: str, *, http_status: int, response: str) -> None:
        """What everyone who comes with the same key is answered."""
        done = update(IDEMPOTENCY).where(IDEMPOTENCY.c.scope == scope, IDEMPOTENCY.c.key == key)
        async with self._database.write() as connection:
            await connection.execute(done.values(http_status=http_status, response=response))

    async def release(self, scope: str, key: str) -> None:
        """Surely nothing was done: the key may be used again."""
        open_ = (IDEMPOTENCY.c.scope == scope, IDEMPOTENCY.c.key == key, IDEMPOTENCY.c.http_status.is_(None))
        async with self._database.write() as connection:
            await connection.execute(delete(IDEMPOTENCY).where(*open_))

    async def purge(self, now: datetime) -> int:
        """Forget what has expired; how many."""
        async with self._database.write() as connection:
            old = delete(IDEMPOTENCY).where(IDEMPOTENCY.c.expires_us <= micros(now))
            return (await connection.execute(old)).rowcount


async def forget(connection: Transaction, call_id: str) -> None:
    """A call is removed: the answers that tell of it name nobody any more. Their keys live on, so that nothing is done twice."""
    told = IDEMPOTENCY.c.response.contains(f'"{call_id}"', autoescape=True)
    rows = await connection.execute(select(IDEMPOTENCY.c.scope, IDEMPOTENCY.c.key, IDEMPOTENCY.c.response).where(told))
    for row in rows.all():
        account = _account(row.response)
        if account.get("call_id") != call_id:
            continue
        kept = json.dumps({name: account[name] for name in NAMELESS if name in account}, separators=(",", ":"))
        mine = (IDEMPOTENCY.c.scope == row.scope, IDEMPOTENCY.c.key == row.key)
        await connection.execute(update(IDEMPOTENCY).where(*mine).values(response=kept))


def _account(response: str) -> dict[str, Any]:
    try:
        found = json.loads(response)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
