"""How often somebody may do something: a bucket for each, refilled as time goes by, bounded in number."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

MAX_KNOWN: Final = 10_000


class Throttle:
    """``limit`` at once, then one each ``per_s / limit`` seconds, for each name."""

    def __init__(self, limit: int, per_s: float, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._limit = limit
        self._rate = limit / per_s
        self._clock = clock
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()  # name -> (left, when)

    def wait(self, name: str) -> float:
        """Seconds until ``name`` may do it again; 0 where it may now."""
        left = self._left(name)
        return 0.0 if left >= 1 else (1 - left) / self._rate

    def take(self, name: str) -> float:
        """Do it once: 0, or the seconds to wait where it may not be done now."""
        wait = self.wait(name)
        if not wait:
            self.count(name)
        return wait

    def count(self, name: str) -> None:
        """It was done, allowed or not."""
        left = max(self._left(name) - 1, 0.0)
        self._buckets[name] = (left, self._clock())
        self._buckets.move_to_end(name)
        while len(self._buckets) > MAX_KNOWN:
            self._buckets.popitem(last=False)

    def _left(self, name: str) -> float:
        left, when = self._buckets.get(name, (float(self._limit), self._clock()))
        return min(left + (self._clock() - when) * self._rate, float(self._limit))
