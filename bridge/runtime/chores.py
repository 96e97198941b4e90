"""What a process does again and again beside its calls. A chore that fails or hangs harms nothing and is tried again."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import structlog

from bridge.errors import StoreUnavailable

log = structlog.get_logger("bridge.chores")


@dataclass(frozen=True, slots=True)
class Chore:
    """``work`` is done at once and then every ``every_s`` seconds, give or take a tenth: instances must not march in step."""

    name: str
    every_s: float
    work: Callable[[], Awaitable[None]]
    limit_s: float = 30.0


class Chores:
    """Owns the tasks of all chores."""

    def __init__(self) -> None:
        self.all: list[Chore] = []

    def add(self, *chores: Chore) -> None:
        """More of them. Before ``run``."""
        self.all += chores

    async def run(self) -> None:
        """Until cancelled."""
        async with asyncio.TaskGroup() as group:
            for chore in self.all:
                group.create_task(self._repeat(chore), name=f"chore {chore.name}")

    async def _repeat(self, chore: Chore) -> None:
        while True:
            await self.do(chore)
            await asyncio.sleep(chore.every_s * random.uniform(0.9, 1.1))  # noqa: S311 - no secret

    async def do(self, chore: Chore) -> None:
        """Once. Never raises."""
        try:
            async with asyncio.timeout(chore.limit_s):
                await chore.work()
        except (StoreUnavailable, TimeoutError) as error:
            log.debug("chore_put_off", chore=chore.name, error=str(error))
        except Exception:
            log.exception("chore_failed", chore=chore.name)
