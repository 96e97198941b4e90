"""Who said on the phone not to be called again is not called again: in whatever call, and whatever the store does just then."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Final, Protocol

import structlog

from bridge.call.record import CallRecord
from bridge.errors import StoreUnavailable
from bridge.outbound.results import result_of

AGAIN_S: Final = (1.0, 5.0, 30.0, *(60.0,) * 60)  # between attempts to put somebody on the list

log = structlog.get_logger("bridge.optouts")


class Listed(Protocol):
    """``store.suppression.Suppressions``."""

    async def add(self, numbers: list[str], *, source: str, now: datetime) -> int:
        """Raises StoreUnavailable."""
        ...


class OptOuts:
    """One for each process. ``judge``: the outcome of a call by its record, asked for in a thread."""

    def __init__(
        self,
        listed: Listed,
        *,
        judge: Callable[[CallRecord], str] = result_of,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._listed = listed
        self._judge = judge
        self._sleep = sleep

    async def heed(self, record: CallRecord) -> None:
        """Put the person of a call that is over on the list, if they asked for it; an hour long, where the store is away."""
        result = await asyncio.to_thread(self._judge, record)  # every phrase of every language: the sound does not wait
        if result != "opted_out":
            return
        said = datetime.now(UTC)
        for seconds in (0.0, *AGAIN_S):
            await self._sleep(seconds)
            try:
                await self._listed.add([record.person], source="opt_out", now=said)
            except StoreUnavailable:
                log.warning("opt_out_not_kept_yet", call_id=record.call_id)
                continue
            return
        log.error("opt_out_lost", call_id=record.call_id, hint="Put this call's person on the list by hand.")
