"""``[[lines]]``: our phone numbers, and how each is answered."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Annotated, ClassVar, Literal

from bridge.call.ports import Secret
from bridge.settings.addresses import Address
from bridge.settings.hours import WeekTime
from bridge.settings.kinds import CallerPattern, Length, LineNumber, PhoneNumber, Range, Scalar, Spoken, TimeZone

CalledUrl = Annotated[str, Address(schemes=("https", "http"), plain="anywhere", query=True, public_only=True)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Diversion:
    """Where a call goes that no agent takes: words, then perhaps a number. Neither: the bridge's own words, then the end."""

    say: Spoken = ""
    dial: PhoneNumber | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Hours:
    """When the line is open. The zone's own clock counts, daylight saving included."""

    zone: TimeZone
    open: Annotated[tuple[WeekTime, ...], Length(1, 100)]
    holidays: tuple[date, ...] = ()  # closed all day
    agent: str = ""  # another agent answers while closed
    say: Spoken = ""  # else: words
    dial: PhoneNumber | None = None  # and then a number

    def is_open(self, local: datetime) -> bool:
        """``local`` is told by the clock of ``zone``."""
        return local.date() not in self.holidays and any(period.holds(local) for period in self.open)


@dataclass(frozen=True, slots=True, kw_only=True)
class Callers:
    """Who is let in. Blocked wins over allowed; a caller's number can be forged, so this keeps out pests, not attackers."""

    allow: tuple[CallerPattern, ...] = ()  # empty: everybody
    block: tuple[CallerPattern, ...] = ()
    withheld: Literal["take", "refuse"] = "take"  # callers who show no number
    attestation: Literal["any", "C", "B", "A"] = "any"  # the least STIR/SHAKEN level that is let in
    say: Spoken = ""  # to those refused; "": the call is rejected unheard


@dataclass(frozen=True, slots=True, kw_only=True)
class Lookup:
    """Asked while it rings: who is calling? The answer may give variables, overrides, another agent or a refusal."""

    url: Annotated[CalledUrl, Length(1, 2000)] = field(repr=False)
    headers: Mapping[str, Secret] = field(default_factory=dict)
    timeout_s: Annotated[float, Range(0.1, 10)] = 1.5
    on_failure: Literal["continue", "refuse"] = "continue"
    allow_private: bool = False  # a name that resolves to a private address is called too


@dataclass(frozen=True, slots=True, kw_only=True)
class LineRecording:
    """Whether calls of the line are recorded. Written short: ``recording = "bridge"``."""

    shorthand: ClassVar[str] = "mode"
    mode: Literal["off", "bridge", "carrier"] = "off"
    announcement: Spoken = ""  # said before the agent speaks


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A phone number of ours."""

    number: LineNumber
    agent: str
    backup_agents: tuple[str, ...] = ()  # in this order, when the agent fails
    fallback: Diversion = field(default_factory=Diversion)  # when all of them fail
    overflow: Diversion | None = None  # when the bridge is full or draining; None: the fallback
    max_duration_s: Annotated[int, Range(1, 14_400)] = 3600  # Twilio itself ends calls after four hours
    variables: Mapping[str, Scalar] = field(default_factory=dict)  # told to the agent, over its own
    hours: Hours | None = None  # None: always open
    callers: Callers = field(default_factory=Callers)
    lookup: Lookup | None = None
    recording: LineRecording = field(default_factory=LineRecording)
    text_agent: str = ""  # a Kura agent that answers SMS to this number; "": they are not answered
