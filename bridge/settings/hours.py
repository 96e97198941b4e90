"""Times of the week: ``"mon-fri 09:00-17:00"``."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Final

from bridge.settings.kinds import Parse

DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_DAY: Final = "|".join(DAYS)
_PERIOD: Final = re.compile(rf"({_DAY})(?:-({_DAY}))? ([0-2][0-9]):([0-5][0-9])-([0-2][0-9]):([0-5][0-9])")
_END_OF_DAY: Final = 24 * 60  # minutes


@dataclass(frozen=True, slots=True)
class Period:
    """A part of some days of the week, by the clock of some zone. ``end`` is not included."""

    days: frozenset[int]  # 0 is Monday
    start: int  # minutes since midnight
    end: int

    @classmethod
    def parse(cls, text: str) -> Period:
        """``"mon-fri 09:00-17:00"`` or ``"sat 10:00-24:00"``; ``"fri-mon ..."`` goes over the weekend. Raises ValueError."""
        found = _PERIOD.fullmatch(" ".join(text.lower().split()))
        if found is None:
            raise ValueError("is not a time of the week")
        first = DAYS.index(found[1])
        last = DAYS.index(found[2] or found[1])
        start = int(found[3]) * 60 + int(found[4])
        end = int(found[5]) * 60 + int(found[6])
        if not start < end <= _END_OF_DAY:
            raise ValueError("ends before it begins, or after midnight")
        return cls(frozenset((first + step) % 7 for step in range((last - first) % 7 + 1)), start, end)

    def holds(self, local: datetime) -> bool:
        """Whether this moment, told by the clock of the place, is within."""
        return local.weekday() in self.days and self.start <= local.hour * 60 + local.minute < self.end


WeekTime = Annotated[
    Period,
    Parse(Period.parse, 'Write "mon-fri 09:00-17:00" or "sat 10:00-24:00"; what goes past midnight is two entries.'),
]
