"""A call that is over as a trace: what took how long. Made from the record alone; no number in full, no word, no digit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from bridge.call.record import CallRecord, Direction, masked
from bridge.errors import Class, Reason

Value = str | bool | int | float | list[float]
MAX_SPANS: Final = 500  # of one call: turns beyond are left out
MAX_ID: Final = 128  # characters of an id that the agent chose
# What of an event's facts may leave the house: our own words and figures. Names and codes that an agent or a caller has
# chosen may be anything, and a digit may be one of a card's number.
FACTS: Final = frozenset({"agent", "by", "side", "then", "took_ms", "uplink", "downlink"})
REASONS: Final = frozenset(map(str, Reason))


@dataclass(frozen=True, slots=True)
class Moment:
    """Something that happened within a span."""

    name: str
    at: datetime
    facts: Mapping[str, Value]


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of time. ``inner`` begin and end within it, as nearly as the record tells."""

    name: str
    begin: datetime
    end: datetime
    facts: Mapping[str, Value] = field(default_factory=dict)
    fault: str = ""  # why it failed; "" where it did not
    moments: tuple[Moment, ...] = ()
    inner: tuple[Span, ...] = ()


def span_of(record: CallRecord) -> Span:
    """The whole call as one span with its parts."""
    story = _Story(record)
    outcome = record.outcome
    facts: dict[str, Value | None] = {
        "call_id": record.call_id,
        "carrier_call_id": record.carrier_call_id,
        "conversation_id": (record.agent_conversation_id or "")[:MAX_ID] or None,
        "carrier": record.carrier,
        "direction": str(record.direction),
        "person": masked(record.person),
        "line": masked(record.line),
        "agent": record.agent,
        "instance": record.instance,
        "status": str(record.status),
        "turns": len(record.turns),
        "resumes": record.resumes,
        "response_ms": list(record.latency.response_ms) or None,
        "interruption_ms": list(record.latency.interruption_ms) or None,
    }
    if outcome is not None:
        facts |= {
            "outcome.side": str(outcome.side),
            "outcome.class": str(outcome.class_),
            "outcome.reason": str(outcome),
        }
    blamed = outcome is not None and outcome.class_ not in {Class.SUCCESS, Class.CALLER_ERROR}
    return Span(
        "call",
        record.created_at,
        story.end,
        {name: value for name, value in facts.items() if value is not None},
        str(outcome) if blamed else "",
        tuple(story.moments()),
        tuple(story.parts())[:MAX_SPANS],
    )


class _Story:
    def __init__(self, record: CallRecord) -> None:
        self._record = record
        self.end = max(record.ended_at or record.created_at, record.created_at)

    def _at(self, ms: float) -> datetime:
        return self._record.created_at + timedelta(milliseconds=ms)

    def _first(self, *kinds: str) -> dict[str, Any] | None:
        return next((event for event in self._record.events if event["type"] in kinds), None)

    def moments(self) -> list[Moment]:
        """Every event, by its kind and what of it may be told."""
        return [Moment(event["type"], self._at(event["at_ms"]), _told(event)) for event in self._record.events]

    def parts(self) -> list[Span]:
        """In the order in which they began."""
        found = [*self._beginning(), *self._agent(), *self._tools(), *self._turns(), *self._ending()]
        return sorted(found, key=lambda span: span.begin)

    def _beginning(self) -> list[Span]:
        record = self._record
        until = record.started_at or self.end
        name = (
            "dial"
            if record.direction is Direction.OUTBOUND
            else "offer"
            if record.carrier == "softphone"
            else "webhook"
        )
        parts = [Span(name, record.created_at, max(until, record.created_at))]
        if record.started_at is not None and record.latency.first_word_ms is not None:
            said = record.started_at + timedelta(milliseconds=record.latency.first_word_ms)
            parts.append(Span("first word", record.started_at, said))
        return parts

    def _agent(self) -> list[Span]:
        ready, latency = self._first("agent_ready"), self._record.latency
        if ready is None or latency.connect_ms is None:
            return []
        agent = {"agent": str(ready.get("agent", self._record.agent))}
        open_at = self._at(ready["at_ms"])
        begun = max(open_at - timedelta(milliseconds=latency.connect_ms), self._record.created_at)
        granted = min(begun + timedelta(milliseconds=latency.credential_ms or 0.0), open_at)
        return [Span("agent credential", begun, granted, agent), Span("agent socket", granted, open_at, agent)]

    def _tools(self) -> list[Span]:
        return [
            Span(
                "tool",
                self._at(max(event["at_ms"] - event["took_ms"], 0)),
                self._at(event["at_ms"]),
                {"name": event["name"]},
                str(event.get("failed", "")),
            )
            for event in self._record.events
            if event["type"] == "tool_answered"
        ]

    def _turns(self) -> list[Span]:
        turns = self._record.turns
        ends = [turn.at_ms for turn in turns[1:]]
        return [
            Span(
                f"turn: {turn.role}",
                self._at(turn.at_ms),
                max(self._at(ends[number]) if number < len(ends) else self.end, self._at(turn.at_ms)),
                {
                    "number": number + 1,
                    "interrupted": turn.interrupted,
                    "characters": len(turn.text),
                    "characters_heard": len(turn.text if turn.heard is None else turn.heard),
                },
            )
            for number, turn in enumerate(turns)
        ]

    def _ending(self) -> list[Span]:
        sign = self._first("leaving", "stream_stopped", "stream_lost", "agent_closed")
        return [] if sign is None else [Span("ending", min(self._at(sign["at_ms"]), self.end), self.end)]


def _told(event: Mapping[str, Any]) -> dict[str, Value]:
    facts = {name: event[name] for name in sorted(FACTS & event.keys()) if isinstance(event[name], str | int | float)}
    return facts | ({"reason": event["reason"]} if event.get("reason") in REASONS else {})
