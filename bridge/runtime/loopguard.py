"""Keeps two machines from texting each other for ever, and one from asking too much."""

from __future__ import annotations

from collections import OrderedDict, deque
from dataclasses import dataclass, field
from typing import Final

FAST_S: Final = 3.0  # nobody reads a reply and types an answer in less, three times running
MAX_FAST: Final = 2  # such answers that are still replied to
HOUR_S: Final = 3600.0
MAX_PEOPLE: Final = 20_000


@dataclass(slots=True)
class Habit:
    """What one person has sent lately."""

    times: deque[float] = field(default_factory=deque)
    replied: float = float("-inf")
    reply: str = ""
    fast: int = 0
    muted: float = float("-inf")  # until then


class LoopGuard:
    """Times are seconds of a monotonic clock."""

    def __init__(self, per_hour: int) -> None:
        self._per_hour = per_hour
        self._people: OrderedDict[str, Habit] = OrderedDict()

    def admit(self, person: str, text: str, now: float) -> bool:
        """Whether this message is to be answered."""
        habit = self._people.setdefault(person, Habit())
        self._people.move_to_end(person)
        while len(self._people) > MAX_PEOPLE:
            self._people.popitem(last=False)
        while habit.times and now - habit.times[0] >= HOUR_S:
            habit.times.popleft()
        if now < habit.muted or len(habit.times) >= self._per_hour:
            return False
        habit.times.append(now)
        echo = bool(habit.reply) and text.strip() == habit.reply.strip()
        habit.fast = habit.fast + 1 if echo or now - habit.replied < FAST_S else 0
        if habit.fast > MAX_FAST:
            habit.muted = now + HOUR_S
            return False
        return True

    def replied(self, person: str, text: str, now: float) -> None:
        """So was answered."""
        habit = self._people.get(person)
        if habit is not None:
            habit.replied, habit.reply = now, text
