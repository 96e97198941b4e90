"""One-time grants for media sockets: minted with the TwiML, redeemed with the stream's start.

The store knows them so that any instance can redeem what another minted, once. While the store is away the instance
that minted a grant decides alone, from memory.
"""

from __future__ import annotations

import hashlib
import secrets
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, Protocol

import structlog

from bridge.errors import StoreUnavailable
from bridge.store.grants import NewGrant
from bridge.web.patience import Patience

LIFE_S: Final = 60.0
TOKEN_BYTES: Final = 24  # 192 bits
MAX_KNOWN: Final = 10_000
STORE_S: Final = 0.5  # the caller is waiting

log = structlog.get_logger("bridge.grants")


class GrantStore(Protocol):
    """Where all instances see the grants (``store.grants.Grants``)."""

    async def mint(
        self, token_hash: str, *, carrier_call_id: str, account_id: str, call_id: str, expires_at: datetime
    ) -> None:
        """Keep a grant."""
        ...

    async def consume(self, token_hash: str, *, carrier_call_id: str, account_id: str, now: datetime) -> str | None:
        """The call that the grant admits to, once."""
        ...


@dataclass(slots=True)
class Known:
    """A grant that this instance minted. ``stored``: the others know it too."""

    call_id: str
    carrier_call_id: str
    account_id: str
    expires: float  # monotonic
    stored: bool = False
    used: bool = False


class GrantOffice:
    """Mints and redeems."""

    def __init__(self, store: GrantStore) -> None:
        self._store = store
        self._known: dict[str, Known] = {}
        self._patience = Patience()

    def token(self) -> str:
        """A fresh one."""
        return secrets.token_urlsafe(TOKEN_BYTES)

    def prepared(self, token: str, *, account_id: str, after_s: float = 0.0) -> NewGrant:
        """What the store is to keep of ``token``, together with the call that it is for."""
        return NewGrant(_fingerprint(token), account_id, datetime.now(UTC) + timedelta(seconds=LIFE_S + after_s))

    def remember(
        self, token: str, *, call_id: str, carrier_call_id: str, account_id: str, stored: bool = False
    ) -> Known:
        """Let ``token`` admit one media socket of this call within LIFE_S, here. ``stored``: the other instances know it."""
        now = time.monotonic()
        while self._known:  # the oldest expire first, but for those of a call on hold
            oldest = next(iter(self._known))
            if len(self._known) < MAX_KNOWN and self._known[oldest].expires >= now:
                break
            del self._known[oldest]
        known = self._known[_fingerprint(token)] = Known(call_id, carrier_call_id, account_id, now + LIFE_S, stored)
        return known

    async def mint(
        self,
        token: str,
        *,
        call_id: str,
        carrier_call_id: str,
        account_id: str,
        store: bool = True,
        after_s: float = 0.0,
    ) -> None:
        """Let ``token`` admit one media socket of this call within LIFE_S. Never raises: memory is enough for a start.

        ``store`` False: the store is known to be away, and a caller is waiting. ``after_s``: the carrier does something
        else first, for so long.
        """
        known = self.remember(token, call_id=call_id, carrier_call_id=carrier_call_id, account_id=account_id)
        known.expires += after_s
        if not store:
            return
        new = self.prepared(token, account_id=account_id, after_s=after_s)
        try:
            kept = self._store.mint(
                new.token_hash,
                carrier_call_id=carrier_call_id,
                account_id=account_id,
                call_id=call_id,
                expires_at=new.expires_at,
            )
            await self._patience.wait(kept, STORE_S)
            known.stored = True
        except StoreUnavailable:
            log.warning("grant_in_memory_only", call_id=call_id)

    def minted(self, token: str) -> bool:
        """It was this process that let ``token`` admit a socket."""
        return _fingerprint(token) in self._known

    async def redeem(self, token: str, *, carrier_call_id: str, account_id: str) -> str | None:
        """Our id of the call that ``token`` admits to; None where it is unknown, expired, used, or another call's."""
        if not token or len(token) > 100:
            return None
        name = _fingerprint(token)
        known = self._known.get(name)
        if known is not None:
            if known.carrier_call_id != carrier_call_id or known.account_id != account_id:
                return None
            # A used one is kept: the store may have taken it after all, late, and would admit it a second time.
            if known.used or known.expires < time.monotonic():
                return None
            known.used = True
            if not known.stored:
                return known.call_id
        try:
            found = self._store.consume(
                name, carrier_call_id=carrier_call_id, account_id=account_id, now=datetime.now(UTC)
            )
            return await self._patience.wait(found, STORE_S)
        except StoreUnavailable:
            log.warning("grant_from_memory", known=known is not None)
            return known.call_id if known is not None else None


def _fingerprint(token: str) -> str:
    return hashlib.sha256(token.encode(errors="replace")).hexdigest()
