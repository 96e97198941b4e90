"""How often somebody may do something within an hour."""

from __future__ import annotations

import time
from collections import OrderedDict, deque
from collections.abc import Callable
from typing import Final

HOUR_S: Final = 3600.0
MAX_KEYS: Final = 20_000


class Hourly:
    """``admit`` counts. Keys that were not seen for long are forgotten first."""

    def __init__(self, limit: int, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._limit = limit
        self._clock = clock
        self._times: OrderedDict[str, deque[float]] = OrderedDict()

    def admit(self, key: str) -> bool:
        """Whether it may be done once more."""
        now = self._clock()
        times = self._times.setdefault(key, deque())
        self._times.move_to_end(key)
        while len(self._times) > MAX_KEYS:
            self._times.popitem(last=False)
        while times and now - times[0] >= HOUR_S:
            times.popleft()
        if len(times) >= self._limit:
            return False
        times.append(now)
        return True
