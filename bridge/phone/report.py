"""What happened in a call, as the caller met it."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from bridge.audio.sound import Sound, from_mulaw


class Kind(StrEnum):
    """What a moment is about."""

    ANSWERED = "answered"  # ms: webhook to TwiML
    STREAM = "stream"  # the media socket is open; ms: since the answer
    AGENT_SPEAKS = "agent_speaks"  # ms: latency, where one can be told
    AGENT_QUIET = "agent_quiet"  # ms: how long it spoke
    CALLER_SPEAKS = "caller_speaks"  # text: the words, where known
    INTERRUPTION = "interruption"  # the agent fell silent; ms: since the caller's onset
    DIGIT = "digit"
    CARRIER = "carrier"  # a TwiML verb, or what the carrier says
    CLOSED = "closed"  # the media socket
    FAULT = "fault"  # what a real carrier would have stumbled over
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class Moment:
    """Something that happened ``at`` seconds on the sample clock, which starts with the answer."""

    at: float
    kind: Kind
    text: str = ""
    ms: float | None = None

    def __str__(self) -> str:
        return f"{self.at:7.2f}  {self.kind:14} {self.text}"


@dataclass(slots=True)
class PhoneReport:
    """One call. Milliseconds; ``heard`` is mu-law at 8 kHz on the sample clock: silence where nothing played."""

    call_sid: str
    answered: bool = False
    ended_by: str = ""  # caller | bridge | carrier
    moments: list[Moment] = field(default_factory=list)
    answer_ms: float | None = None
    first_word_ms: float | None = None  # from the stream's start to the first sound
    response_ms: list[float] = field(default_factory=list)  # caller's last sound to the agent's first
    interruption_ms: list[float] = field(default_factory=list)  # caller's onset to silence
    marks: int = 0  # sent back
    clears: int = 0  # received
    late_ticks: int = 0  # frames that this machine sent more than 40 ms late
    dropped: int = 0  # messages that the bridge was too slow to take
    heard: bytes = b""

    @property
    def faults(self) -> list[str]:
        """What a real carrier would have stumbled over."""
        return [moment.text for moment in self.moments if moment.kind is Kind.FAULT]

    @property
    def duration_s(self) -> float:
        """From the answer to the end."""
        return len(self.heard) / 8000

    def sound(self) -> Sound:
        """What the caller heard, PCM16 at 8 kHz."""
        return from_mulaw(self.heard)

    def public(self) -> dict[str, Any]:
        """For ``--json``; without the sound."""
        return {
            "call_sid": self.call_sid,
            "answered": self.answered,
            "ended_by": self.ended_by,
            "duration_s": round(self.duration_s, 2),
            "latency": {
                "answer_ms": self.answer_ms,
                "first_word_ms": self.first_word_ms,
                "response_ms": self.response_ms,
                "interruption_ms": self.interruption_ms,
            },
            "marks": self.marks,
            "clears": self.clears,
            "faults": self.faults,
            "late_ticks": self.late_ticks,
            "dropped": self.dropped,
            "moments": [
                {"at_s": round(one.at, 2), "kind": str(one.kind), "text": one.text, "ms": one.ms}
                for one in self.moments
            ],
        }
