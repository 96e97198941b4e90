"""Does an agent's sound keep up with its own speech? Gaps within a turn are counted; too many are the agent's fault."""

from __future__ import annotations

from typing import Final

WINDOW_S: Final = 10.0  # so long is looked back
MOST_MISSING_S: Final = WINDOW_S / 2  # more of it may not be missing
PAUSE_S: Final = 1.0  # a longer gap is a pause between sentences: somebody thinks
GAP_S: Final = 0.02  # a shorter one nobody hears


class Supply:
    """Follows the agent's chunks as they arrive. Times are seconds of the call's own clock."""

    def __init__(self) -> None:
        self.underruns = 0  # gaps so far, in the whole call
        self._turn = 0
        self._began = 0.0  # of what has been spoken without a pause
        self._ends_at = -1e9  # when all that arrived has been played
        self._gaps: list[tuple[float, float]] = []  # (when it ended, how long it was), within the window
        self._missing = 0.0  # their sum

    def arrived(self, seconds: float, turn: int, now: float) -> bool:
        """So much sound of ``turn`` has come. True: for ten seconds more than half of the agent's speech was missing."""
        gap = now - self._ends_at
        if turn != self._turn or gap > PAUSE_S:
            self.begin(now)
            self._turn = turn
        elif gap > GAP_S:
            self.underruns += 1
            self._gaps.append((now, gap))
            self._missing += gap
        self._ends_at = max(self._ends_at, now) + seconds
        while self._gaps and self._gaps[0][0] <= now - WINDOW_S:
            self._missing -= self._gaps.pop(0)[1]
        return self._missing > MOST_MISSING_S and now - self._began >= WINDOW_S

    def begin(self, now: float) -> None:
        """Somebody begins to speak: what was before counts no more."""
        self._began = now
        self._ends_at = now
        self._gaps.clear()
        self._missing = 0.0
