"""When is one leg's nonsense too much? Single bad messages are skipped; a second's worth ends the leg."""

from __future__ import annotations

from collections import deque
from typing import Final

MAX_IN_A_ROW: Final = 50  # 1 s of 20 ms frames
MAX_IN_WINDOW: Final = 100  # among good ones
WINDOW_S: Final = 10.0


class GarbageCount:
    """Counts the messages of one leg that could not be understood. Times are seconds of the call's own clock."""

    def __init__(self) -> None:
        self.total = 0
        self.in_a_row = 0  # since the last good one
        self._times: deque[float] | None = None  # most legs have none

    def good(self) -> None:
        """A message was understood."""
        self.in_a_row = 0

    def bad(self, now: float) -> bool:
        """One was not; True where the leg should be given up."""
        self.total += 1
        self.in_a_row += 1
        times = self._times = self._times or deque(maxlen=MAX_IN_WINDOW)
        times.append(now)
        full = len(times) == MAX_IN_WINDOW and now - times[0] <= WINDOW_S
        return full or self.in_a_row >= MAX_IN_A_ROW
