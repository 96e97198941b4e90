"""A caller's line whose clock the test holds."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import numpy as np

from bridge.audio.sound import from_samples
from bridge.phone.handset import Handset
from bridge.phone.line import Line
from bridge.phone.report import PhoneReport

LOUD = from_samples(0.2 * np.sin(2 * np.pi * 300 * np.arange(8000) / 8000), 8000)  # one second


class Call:
    """One call of which the test lets the time pass. ``each_tick``: what the other side does meanwhile."""

    def __init__(self, each_tick: Callable[["Call"], None] = lambda call: None) -> None:
        self.report = PhoneReport("CA")
        self.keys: list[tuple[str, int]] = []
        self.handset = Handset(self.report, lambda moment: None)
        self.line = Line(self.handset, lambda key: self.keys.append((key, self.handset.ticks)))
        self._each_tick = each_tick

    async def run(self, doing: Awaitable[Any], most: int = 100_000) -> Any:
        """Tick until it is done."""
        task = asyncio.ensure_future(doing)
        for _ in range(most):
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            if task.done():
                return task.result()
            self._each_tick(self)
            self.handset.tick()
            self.line.tick()
        raise AssertionError("it does not end")
