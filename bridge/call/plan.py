"""What is settled about a call before it begins."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from bridge.audio.formats import AudioFormat


class Conversion(Protocol):
    """One direction of sound, from one format to another (``audio.transcode.Transcoder``)."""

    def process(self, sound: bytes) -> bytes:
        """All of ``sound``, converted, but for the filter's own delay and a split sample."""
        ...

    def flush(self) -> bytes:
        """What the filter still holds."""
        ...

    def reset(self) -> None:
        """Forget what the filter holds."""
        ...


@dataclass(frozen=True, slots=True)
class CallPlan:
    """Who answers, within which limits. Times in seconds."""

    agents: tuple[str, ...]  # the line's agent, then its backups
    convert: Callable[[AudioFormat, AudioFormat], Conversion]
    level: Callable[[bytes], float]  # mean absolute amplitude of mu-law sound
    prompts: Mapping[str, bytes] = field(default_factory=dict)  # name -> mu-law at 8 kHz
    prewarm: bool = True
    prewarm_hold_s: float = 10.0  # then a session for which no stream has come is given back
    has_fallback: bool = False
    start_timeout_s: float = 4.0
    max_duration_s: float = 14_400.0  # Twilio's own limit for a call
    uplink_chunk_ms: int = 20
    sensitivity: str = "medium"  # of the bridge's own ear: low, medium, high
    resumed: bool = False  # there is a conversation to go on with, from another process


@dataclass(frozen=True, slots=True)
class Line:
    """A phone number of ours, and how it is answered. ``number`` "*" takes any other."""

    number: str
    agents: tuple[str, ...]
    fallback_say: str = ""
    fallback_dial: str | None = None
    max_duration_s: float = 14_400.0
    variables: Mapping[str, str | int | float | bool] = field(default_factory=dict)

    @property
    def has_fallback(self) -> bool:
        """There is something to say or somebody to dial when no agent can be had."""
        return bool(self.fallback_say or self.fallback_dial)


@dataclass(frozen=True, slots=True)
class AgentRules:
    """How one configured agent is treated."""

    barge_in: str = "agent"  # agent, local, both, off
    sensitivity: str = "medium"
    guard_ms: int = 0
    uplink_chunk_ms: int = 20
    prewarm: bool = True
    start_timeout_s: float = 4.0
