"""Lines that must be over. Closing its stream ends a call; this is for the carrier that has lost track of one."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Any, Final

import structlog

from bridge.errors import CarrierFailure

CHECK_S: Final = 2.0  # after the stream was closed the carrier should have ended the call by then
LAST_S: Final = 2.0  # what the process waits at its end for the carrier's API

log = structlog.get_logger("bridge.hangups")


class HangUps:
    """``end``: over the carrier's API, raises CarrierFailure. ``known``: the carrier knows that this call is over."""

    def __init__(
        self,
        end: Callable[[str], Awaitable[None]],
        *,
        known: Callable[[str], bool],
        spawn: Callable[..., asyncio.Task[None] | None],
    ) -> None:
        self._end = end
        self._known = known
        self._spawn = spawn
        self._leaving = asyncio.Event()
        self._waiting: set[asyncio.Task[Any]] = set()

    def see(self, carrier_call_id: str, *, attached: bool) -> None:
        """That this one ends: at once where it had no stream that could be closed."""
        task = self._spawn(self._see(carrier_call_id, CHECK_S if attached else 0.0), name="hang up")
        if task is not None:
            self._waiting.add(task)
            task.add_done_callback(self._waiting.discard)

    async def _see(self, carrier_call_id: str, delay: float) -> None:
        if delay:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(delay):
                    await self._leaving.wait()
        if self._known(carrier_call_id):
            return
        try:
            await self._end(carrier_call_id)
        except CarrierFailure as error:
            log.warning("hangup_unconfirmed", carrier_call_id=carrier_call_id, code=error.code, error=str(error))

    async def finish(self) -> None:
        """The process ends: what was to be seen to later is seen to now. ``LAST_S`` at most."""
        self._leaving.set()
        if self._waiting:
            await asyncio.wait(self._waiting, timeout=LAST_S)
