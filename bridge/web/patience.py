"""Waiting for the store no longer than a caller can."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, Final, TypeVar

from bridge.errors import StoreUnavailable

MAX_LATE: Final = 100  # questions that the store still owes an answer; with more it is not asked

T = TypeVar("T")


class Patience:
    """Owns the questions that the store has not answered in time.

    They are not cancelled: a statement that waits for a lock is waited for by its cancellation too, and a caller hears
    that as silence. What is late finishes behind everybody's back, or fails there.
    """

    def __init__(self) -> None:
        self._asked: set[asyncio.Task[Any]] = set()

    async def wait(self, question: Coroutine[Any, Any, T], seconds: float) -> T:
        """The answer. Raises StoreUnavailable where it does not come within ``seconds``."""
        if len(self._asked) >= MAX_LATE:
            question.close()
            raise StoreUnavailable("the store owes too many answers already")
        task = asyncio.get_running_loop().create_task(question, name="store question")
        self._asked.add(task)
        task.add_done_callback(self._answered)
        done, _ = await asyncio.wait({task}, timeout=seconds)
        if not done:
            raise StoreUnavailable("the store did not answer in time")
        return task.result()

    def _answered(self, task: asyncio.Task[Any]) -> None:
        self._asked.discard(task)
        if not task.cancelled():
            task.exception()  # nobody may be waiting for it any more
