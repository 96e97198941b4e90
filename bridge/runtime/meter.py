"""How long agents have talked today: here counted call by call, elsewhere as the store last told."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import date


class Meter:
    """Agent-seconds of one day of UTC. A call counts from its being taken to its end, each second as it passes."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.elsewhere_s = 0.0  # of the other instances, and of those that are gone
        self._clock = clock
        self._running = 0
        self._counted = 0.0
        self._at = clock()
        self._day: date | None = None

    def begin(self) -> None:
        """A call is taken."""
        self._advance()
        self._running += 1

    def end(self) -> None:
        """It is over."""
        self._advance()
        self._running -= 1

    def here(self, today: date) -> float:
        """Seconds of this instance. On another day than at the last look all count from nothing."""
        self._advance()
        if self._day not in (None, today):
            self._counted = self.elsewhere_s = 0.0
        self._day = today
        return self._counted

    @property
    def total(self) -> float:
        """Seconds of all instances."""
        self._advance()
        return self._counted + self.elsewhere_s

    def _advance(self) -> None:
        now = self._clock()
        self._counted += self._running * (now - self._at)
        self._at = now
