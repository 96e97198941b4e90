"""The account of one call: what users read at ``/api/v1/calls`` and what the store keeps.

It is written when a call is offered and only moves forward: a terminal status is never left again, and the first
outcome stands.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Final

from bridge.errors import Reason

RESULT: Final = "result"  # a key of ``detail``: what a tool says that the call came to, one of RESULTS
RESULTS: Final = ("confirmed", "rescheduled", "declined", "callback", "wrong_number", "opted_out")
MAX_TURNS: Final = 2000  # of one record; an hour of talk has some hundreds
MAX_EVENTS: Final = 1000  # of one record


class Direction(StrEnum):
    """Who called whom, seen from the line."""

    INBOUND = "inbound"
    OUTBOUND = "outbound"


class Status(StrEnum):
    """Where a call stands. ``rank`` only grows; everything from COMPLETED on is terminal."""

    rank: int

    def __new__(cls, value: str, rank: int) -> Status:
        """A member that is its own text and carries what is declared beside it."""
        member = str.__new__(cls, value)
        member._value_ = value
        member.rank = rank
        return member

    QUEUED = "queued", 0
    RINGING = "ringing", 1
    IN_PROGRESS = "in_progress", 2
    COMPLETED = "completed", 3
    BUSY = "busy", 3
    NO_ANSWER = "no_answer", 3
    FAILED = "failed", 3
    CANCELED = "canceled", 3

    @property
    def terminal(self) -> bool:
        """Nothing follows this status."""
        return self.rank == 3


@dataclass(slots=True)
class Turn:
    """One side speaking until the other does."""

    role: str  # caller | agent
    text: str
    at_ms: int  # since the call was offered
    heard: str | None = None  # of an interrupted turn: what was played. None: all of it, as far as is known
    interrupted: bool = False

    def public(self) -> dict[str, Any]:
        """As the contract has it: ``heard`` is the whole text where nothing was cut."""
        return {
            "role": self.role,
            "text": self.text,
            "heard": self.text if self.heard is None else self.heard,
            "interrupted": self.interrupted,
            "at_ms": self.at_ms,
        }


@dataclass(slots=True)
class Latency:
    """Milliseconds. None: it did not come to that."""

    credential_ms: float | None = None  # the agent's token or session
    connect_ms: float | None = None  # its socket, up to ready
    first_word_ms: float | None = None  # from the stream's start to the agent's first sound on its way to the phone
    response_ms: list[float] = field(default_factory=list)  # caller's last word to agent's first, each turn
    interruption_ms: list[float] = field(default_factory=list)  # caller's onset to the clearing of the queue

    def public(self) -> dict[str, Any]:
        """As the contract has it."""
        return {
            "credential_ms": self.credential_ms,
            "connect_ms": self.connect_ms,
            "first_word_ms": self.first_word_ms,
            "response_ms": list(self.response_ms),
            "interruption_ms": list(self.interruption_ms),
        }


@dataclass(slots=True)
class CallRecord:
    """Everything that is kept of one call. ``detail`` holds what only some calls have (variables, transfer, machine)."""

    call_id: str
    direction: Direction
    from_number: str
    to_number: str
    line: str
    agent: str
    created_at: datetime
    carrier: str = "twilio"
    carrier_call_id: str | None = None
    status: Status = Status.QUEUED
    started_at: datetime | None = None  # the stream was there
    ended_at: datetime | None = None
    outcome: Reason | None = None
    outcome_detail: str = ""
    turns: list[Turn] = field(default_factory=list)
    events: list[dict[str, Any]] = field(default_factory=list)
    dropped: int = 0  # turns and events beyond the bounds
    latency: Latency = field(default_factory=Latency)
    agent_conversation_id: str | None = None
    analysis: dict[str, Any] | None = None
    recording: dict[str, Any] | None = None
    instance: str = ""  # the process that has its media socket
    resumes: int = 0
    detail: dict[str, Any] = field(default_factory=dict)

    @property
    def person(self) -> str:
        """The number of the person on the phone: the caller of an inbound call, the called one of an outbound call."""
        return self.from_number if self.direction is Direction.INBOUND else self.to_number

    @property
    def phone_number(self) -> str:
        """The person's number as agents and tools are told it; "" where it is withheld or none (client:..., sip:...)."""
        return self.person if self.person.startswith("+") else ""

    def advance(self, status: Status) -> bool:
        """Move forward; False (and nothing changes) where ``status`` is not ahead of where the call stands."""
        if status.rank <= self.status.rank:
            return False
        self.status = status
        return True

    def finish(self, reason: Reason, at: datetime, *, status: Status = Status.COMPLETED, detail: str = "") -> bool:
        """The end: the first outcome stands, False where there was one already."""
        if self.outcome is not None:
            return False
        self.outcome = reason
        self.outcome_detail = detail
        self.ended_at = at
        self.advance(status)
        return True

    def add_turn(self, turn: Turn) -> None:
        """Append, within bounds."""
        if len(self.turns) < MAX_TURNS:
            self.turns.append(turn)
        else:
            self.dropped += 1

    def came_to(self, result: str) -> None:
        """A tool says what the call came to (one of RESULTS): the latest word, but who has opted out has."""
        if self.detail.get(RESULT) != "opted_out":
            self.detail[RESULT] = result

    def add_event(self, kind: str, at_ms: int, **facts: Any) -> None:
        """Append ``{"type", "at_ms", ...}``, within bounds. Facts are JSON values and hold neither secrets nor speech."""
        if len(self.events) < MAX_EVENTS:
            self.events.append({"type": kind, "at_ms": at_ms, **facts})
        else:
            self.dropped += 1

    def public(self) -> dict[str, Any]:
        """The JSON of the operator API."""
        outcome = self.outcome
        duration = (self.ended_at - self.started_at).total_seconds() if self.ended_at and self.started_at else None
        body: dict[str, Any] = {
            "call_id": self.call_id,
            "carrier_call_id": self.carrier_call_id,
            "direction": str(self.direction),
            "from": self.from_number,
            "to": self.to_number,
            "line": self.line,
            "agent": self.agent,
            "status": str(self.status),
            "outcome": None
            if outcome is None
            else {
                "side": str(outcome.side),
                "class": str(outcome.class_),
                "reason": str(outcome),
                **({"detail": self.outcome_detail} if self.outcome_detail else {}),
            },
            "created_at": iso(self.created_at),
            "started_at": iso(self.started_at),
            "ended_at": iso(self.ended_at),
            "duration_s": None if duration is None else round(max(duration, 0.0), 3),
            "turns": [turn.public() for turn in self.turns],
            "events": list(self.events),
            "latency": self.latency.public(),
            "agent_conversation_id": self.agent_conversation_id,
        }
        if self.analysis is not None:
            body["analysis"] = self.analysis
        if self.recording is not None:
            body["recording"] = self.recording
        return body


def iso(moment: datetime | None) -> str | None:
    """ISO 8601 in UTC with milliseconds and ``Z``."""
    if moment is None:
        return None
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def masked(number: str) -> str:
    """A phone number by its last two digits, for whoever need not know it."""
    return f"***{number[-2:]}" if len(number) > 4 else ("***" if number else "withheld")
