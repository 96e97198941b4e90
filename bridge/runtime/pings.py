"""How many pings of a peer are answered: a flood of them costs neither side anything."""

from __future__ import annotations

from typing import Final

ANSWERED: Final = 50  # of one second; more are read and not answered, as RFC 6455, 5.5.3 allows
ENDURED: Final = 1000  # of one second; beyond, the socket is closed


class PingCount:
    """Counts pings second by second."""

    def __init__(self) -> None:
        self._since = -1e9
        self._count = 0

    def another(self, now: float) -> int:
        """One more ping, at ``now`` of the loop's clock: how many there were in this second."""
        if now - self._since >= 1.0:
            self._since = now
            self._count = 0
        self._count += 1
        return self._count
