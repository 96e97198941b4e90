"""When somebody may be called: by the clock on their wall, or by every clock that may be on it.

Source: 47 CFR 64.1200(c)(1): 8 to 21 h, local time at the called party's location. A number's area is not where its owner
is, so a zone that is given counts; else the time must be right in every zone that the number may be in.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import Final, Protocol
from zoneinfo import ZoneInfo

import phonenumbers
from phonenumbers import timezone

AHEAD: Final = 15  # days that are searched for an opening: a week, and a week of holidays
MARGIN: Final = timedelta(minutes=1)  # from the decision to the ring
_UNKNOWN: Final = "Etc/Unknown"


class Hours(Protocol):
    """A part of some days of the week (``settings.hours.Period``); minutes since midnight."""

    @property
    def days(self) -> frozenset[int]:
        """0 is Monday."""
        ...

    @property
    def start(self) -> int:
        """The first minute."""
        ...

    def holds(self, local: datetime) -> bool:
        """Whether this moment, told by the clock of the place, is within."""
        ...


@dataclass(frozen=True, slots=True)
class Window:
    """Calling hours, and days on which nobody is called."""

    hours: tuple[Hours, ...]
    holidays: frozenset[date] = field(default_factory=frozenset)

    def holds(self, moment: datetime, zones: Sequence[str]) -> bool:
        """It is calling time in every one of ``zones``, and still will be when the phone rings."""
        return bool(zones) and all(
            self._local(at.astimezone(_zone(name))) for at in (moment, moment + MARGIN) for name in zones
        )

    def opens(self, moment: datetime, zones: Sequence[str]) -> datetime | None:
        """The first moment from ``moment`` on that holds; None where there is none in the days ahead."""
        if self.holds(moment, zones):
            return moment
        starts = sorted({start for name in zones for start in self._starts(moment, name)})
        return next((start for start in starts if start > moment and self.holds(start, zones)), None)

    def _local(self, local: datetime) -> bool:
        return local.date() not in self.holidays and any(period.holds(local) for period in self.hours)

    def _starts(self, moment: datetime, name: str) -> list[datetime]:
        """Wherever it is calling time in all zones, it became so with the beginning of a period in one of them."""
        zone = _zone(name)
        today = moment.astimezone(zone).date()
        return [
            datetime.combine(day, time(period.start // 60, period.start % 60), zone).astimezone(UTC)
            for day in (today + timedelta(days=ahead) for ahead in range(-1, AHEAD))
            for period in self.hours
            if day.weekday() in period.days
        ]


def zones_of(number: str) -> tuple[str, ...]:
    """Every zone that a number may be in; empty where nothing is known."""
    parsed = phonenumbers.parse(number)
    found = timezone.time_zones_for_number(parsed)
    if found == (_UNKNOWN,):
        found = timezone.time_zones_for_geographical_number(parsed)
    return tuple(name for name in found if name != _UNKNOWN and is_zone(name))


def is_zone(name: str) -> bool:
    """Whether this is a zone of the tz database."""
    try:
        _zone(name)
    except (KeyError, ValueError, OSError):  # ZoneInfoNotFoundError is a KeyError; a folder's name gives OSError
        return False
    return True


@lru_cache(maxsize=1000)
def _zone(name: str) -> ZoneInfo:
    return ZoneInfo(name)
