"""``[outbound]`` and ``[transfers]``: whom the bridge may call, when, and how often."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Annotated, ClassVar, Literal

from bridge.settings.hours import Period, WeekTime
from bridge.settings.kinds import PhoneNumber, Prefix, Range, Spoken


@dataclass(frozen=True, slots=True, kw_only=True)
class Transfer:
    """A place that calls may be sent to. Written short: ``reception = "+15550777"``."""

    shorthand: ClassVar[str] = "number"
    number: PhoneNumber
    mode: Literal["cold", "warm"] = "cold"  # warm: a spoken summary first to whom takes it
    timeout_s: Annotated[int, Range(5, 120)] = 25  # of ringing, then back to the agent


@dataclass(frozen=True, slots=True, kw_only=True)
class Outbound:
    """The rules of every call that the bridge places. Nothing is dialled where ``allowed_prefixes`` is empty."""

    allowed_prefixes: tuple[Prefix, ...] = ()
    calls_per_second: Annotated[float, Range(0.01, 100)] = 1.0
    max_concurrent: Annotated[int, Range(1, 10_000)] = 10
    daily_limit: Annotated[int, Range(0, 10_000_000)] = 1000  # calls
    daily_minutes: Annotated[int, Range(0, 10_000_000)] = 0  # of all calls together; 0: no limit
    caller_numbers: tuple[PhoneNumber, ...] = ()  # lines of ours that campaigns may call from; empty: the one they name
    calling_hours: tuple[WeekTime, ...] = (Period.parse("mon-sun 08:00-21:00"),)  # by the called person's clock
    holidays: tuple[date, ...] = ()  # on which nobody is called
    first_line: Spoken = ""  # said before the agent speaks: who calls, and that it is an AI
    machine_detection: Literal["off", "detect", "leave_message"] = "off"  # where a request does not say
    ring_timeout_s: Annotated[int, Range(5, 600)] = 30  # Twilio's own bounds
    max_duration_s: Annotated[int, Range(1, 14_400)] = 1800
    max_attempts: Annotated[int, Range(1, 20)] = 3  # per person of a campaign
    retry_delay_s: Annotated[int, Range(60, 604_800)] = 3600  # after busy or no answer, doubled each time
    max_failure_rate: Annotated[float, Range(0, 1)] = 0.5  # of the last calls, beyond which a campaign pauses itself
    failure_window: Annotated[int, Range(5, 1000)] = 20  # how many calls "the last" are
