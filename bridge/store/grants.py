"""One-time grants: the proof that a media socket belongs to a call that we answered. Only their SHA-256 is kept."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import bindparam, delete, update

from bridge.call.record import CallRecord
from bridge.store.database import Database
from bridge.store.tables import GRANTS, micros

CLAIM: Final = (
    update(GRANTS)
    .where(
        GRANTS.c.token_hash == bindparam("token"),
        GRANTS.c.carrier_call_id == bindparam("carrier_call"),
        GRANTS.c.account_id == bindparam("account"),
        GRANTS.c.expires_us > bindparam("now"),
        GRANTS.c.consumed_us.is_(None),
    )
    .values(consumed_us=bindparam("now"))
    .returning(GRANTS.c.call_id)
)


def fingerprint(token: str) -> str:
    """What is kept of a token: its SHA-256, 64 hex digits. (A token of 128 random bits needs no salt.)"""
    return hashlib.sha256(token.encode(errors="replace")).hexdigest()


@dataclass(frozen=True, slots=True)
class NewGrant:
    """A grant that is minted together with what it belongs to, in one transaction."""

    token_hash: str
    account_id: str
    expires_at: datetime

    def row(self, record: CallRecord) -> dict[str, object]:
        """For the table of grants."""
        return {
            "token_hash": self.token_hash,
            "carrier_call_id": record.carrier_call_id or "",
            "account_id": self.account_id,
            "call_id": record.call_id,
            "expires_us": micros(self.expires_at),
        }


class Grants:
    """Minted by one instance, consumed once by any. Every method may raise StoreUnavailable."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._mint = database.insert(GRANTS).on_conflict_do_nothing()

    async def mint(
        self, token_hash: str, *, carrier_call_id: str, account_id: str, call_id: str, expires_at: datetime
    ) -> None:
        """Keep a grant. The same again changes nothing."""
        grant = {"token_hash": token_hash, "carrier_call_id": carrier_call_id, "account_id": account_id}
        async with self._database.write() as connection:
            await connection.execute(self._mint, grant | {"call_id": call_id, "expires_us": micros(expires_at)})

    async def consume(self, token_hash: str, *, carrier_call_id: str, account_id: str, now: datetime) -> str | None:
        """Our id of the call that the grant admits to; None where there is no such grant for that call and account, or it has
        expired or been consumed. Of all who ask at once, one gets it.
        """
        asked = {"token": token_hash, "carrier_call": carrier_call_id, "account": account_id, "now": micros(now)}
        async with self._database.write() as connection:
            row = (await connection.execute(CLAIM, asked)).first()
        return None if row is None else str(row.call_id)

    async def purge(self, now: datetime) -> int:
        """Forget what has expired; how many."""
        async with self._database.write() as connection:
            return (await connection.execute(delete(GRANTS).where(GRANTS.c.expires_us <= micros(now)))).rowcount
