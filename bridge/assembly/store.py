"""The database at the start of a process: it is waited for, but not by callers.

They are answered as at any time that it is away. Where it does not come, the process takes no more calls, and ends with the last.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

import structlog

from bridge.errors import BridgeError
from bridge.store.database import Database

PATIENCE_S: Final = 30.0
ATTEMPT_S: Final = 5.0  # of an attempt that is under way: it may be that a large table is changed

log = structlog.get_logger("bridge.store")


class StoreAwaited:
    """One for each process. ``give_up`` is told once where the database does not come."""

    def __init__(self, database: Database, give_up: Callable[[], object], *, patience_s: float | None = None) -> None:
        self.there = False
        self._lost: BridgeError | None = None
        self._database = database
        self._give_up = give_up
        self._patience_s = PATIENCE_S if patience_s is None else patience_s
        self._missed = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def begin(self) -> None:
        """Returns when the database is there, or known to be away. Raises as ``Database.migrate`` what no waiting can help."""
        self._task = task = asyncio.create_task(self._wait(), name="store")
        missed = asyncio.create_task(self._missed.wait(), name="store missed")
        await asyncio.wait({task, missed}, timeout=ATTEMPT_S, return_when=asyncio.FIRST_COMPLETED)
        missed.cancel()
        if task.done():
            task.result()
        else:
            self._missed.set()

    def settle(self) -> None:
        """Raises why the database was given up, where it was."""
        if self._lost is not None:
            raise self._lost

    async def close(self) -> None:
        """Wait no longer."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})

    async def _wait(self) -> None:
        try:
            await self._database.migrate(patience=self._patience_s, tell=True, missed=self._missed)
        except BridgeError as error:
            if not self._missed.is_set():
                raise
            self._lost = error
            log.error("store_given_up", error=str(error), hint=error.hint)  # noqa: TRY400 - a traceback says no more
            self._give_up()
        else:
            self.there = True
