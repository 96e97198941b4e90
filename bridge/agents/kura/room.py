"""How many requests each API key still has (document 004, "Rate Limiting": 60 a minute and key, unless told otherwise).

Pure: ``now`` is any clock in seconds that only goes forward.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

LIMIT: Final = 60  # requests a window, until the server names another number
WINDOW: Final = 60.0  # s
MAX_REST: Final = 3600.0  # s; whatever a server says, an hour later it is asked again
MAX_LIMIT: Final = 1_000_000


@dataclass(slots=True)
class _Key:
    limit: int = LIMIT
    left: int = LIMIT
    under_way: int = 0
    window_ends: float = 0.0
    rests_until: float = 0.0
    broken_until: float = 0.0


class RateRoom:
    """Room of ``keys`` keys, by index. ``take`` before each request, ``heard`` once after it, reply or not."""

    def __init__(self, keys: int) -> None:
        self._keys = [_Key() for _ in range(keys)]

    def room(self, key: int, now: float) -> int:
        """Requests that ``key`` has left in this window; 0 while it rests."""
        known = self._keys[key]
        if now < known.rests_until:
            return 0
        return known.left if now < known.window_ends else known.limit

    def pick(self, now: float) -> int | None:
        """The key with the most room, one that was refused as invalid only where there is no other; None: all rest."""
        sound = [key for key in range(len(self._keys)) if not self._broken(key, now)]
        best = max(sound or range(len(self._keys)), key=lambda key: self.room(key, now), default=None)
        return best if best is not None and self.room(best, now) > 0 else None

    def wait(self, now: float) -> float:
        """Seconds until some key has room again, 0 where one has."""
        return min((self._wait(key, now) for key in range(len(self._keys))), default=0.0)

    def others(self, key: int, now: float) -> bool:
        """Whether a key other than ``key`` has room and is not known to be refused."""
        others = (other for other in range(len(self._keys)) if other != key)
        return any(not self._broken(other, now) and self.room(other, now) > 0 for other in others)

    def take(self, key: int, now: float) -> None:
        """One request goes out with ``key``."""
        known = self._keys[key]
        if now >= known.window_ends:
            known.left, known.window_ends = known.limit, now + WINDOW
        known.left = max(known.left - 1, 0)
        known.under_way += 1

    def heard(
        self, key: int, now: float, *, limit: int | None = None, left: int | None = None, ends_in: float | None = None
    ) -> None:
        """A request is over: what the reply's ``X-RateLimit-*`` say, None where they say nothing or there was no reply.

        ``left`` is taken as said, less what is still under way and may not be counted in it yet. It may rise: a server
        may count the last 60 s rather than minutes.
        """
        known = self._keys[key]
        known.under_way = max(known.under_way - 1, 0)
        if limit is not None and 0 < limit <= MAX_LIMIT:
            known.limit = limit
        if left is not None:
            known.left = max(min(left, known.limit) - known.under_way, 0)
            known.window_ends = max(known.window_ends, now + 1.0)
        if ends_in is not None and ends_in > 0:
            known.window_ends = now + min(ends_in, MAX_REST)

    def rest(self, key: int, now: float, seconds: float | None) -> None:
        """``key`` was told to wait (429): it is left alone for ``seconds``, or until its window ends."""
        known = self._keys[key]
        if seconds is None:
            seconds = known.window_ends - now if known.window_ends > now else WINDOW
        known.rests_until = max(known.rests_until, now + min(max(seconds, 0.0), MAX_REST))

    def refused(self, key: int, now: float) -> None:
        """``key`` is invalid or lacks a permission (401, 403): for a minute it is taken only where there is no other."""
        self._keys[key].broken_until = now + WINDOW

    def _broken(self, key: int, now: float) -> bool:
        return now < self._keys[key].broken_until

    def _wait(self, key: int, now: float) -> float:
        known = self._keys[key]
        if self.room(key, now) > 0:
            return 0.0
        return max(known.rests_until - now, known.window_ends - now if known.left < 1 else 0.0, 0.0)
