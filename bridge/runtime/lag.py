"""How late the event loop is: the one measure that tells a busy process from one that hurts its calls."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Final

EVERY_S: Final = 0.05
WINDOW: Final = 60  # looks
SPAN_S: Final = WINDOW * EVERY_S  # 3 s
LIMIT_S: Final = 0.1


class LoopLag:
    """Measures by sleeping: what a sleep takes beyond its time is what every frame waits too."""

    def __init__(self, *, limit_s: float = LIMIT_S) -> None:
        self.limit_s = limit_s
        self.worst = 0.0
        self._lags: deque[float] = deque(maxlen=WINDOW)

    async def run(self) -> None:
        """Measure until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            began = loop.time()
            await asyncio.sleep(EVERY_S)
            self.note(max(loop.time() - began - EVERY_S, 0.0))

    def note(self, lag: float) -> None:
        """One measurement, in seconds."""
        self._lags.append(lag)
        # A loop that is very late comes to few looks: those of minutes ago say nothing of now.
        while self._seconds() - (EVERY_S + self._lags[0]) >= SPAN_S:
            self._lags.popleft()
        self.worst = max(self.worst, lag)

    def _seconds(self) -> float:
        return len(self._lags) * EVERY_S + sum(self._lags)

    @property
    def p95(self) -> float:
        """Over the last 3 s, in seconds."""
        ordered = sorted(self._lags)
        return ordered[int(len(ordered) * 0.95)] if ordered else 0.0

    @property
    def overloaded(self) -> bool:
        """The loop has been late for the whole window: no more calls until it recovers."""
        return self._seconds() >= SPAN_S and self.p95 > self.limit_s
