"""How the last day or week went, from the records."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from bridge.call.record import CallRecord
from bridge.errors import Class

HOUR: Final = timedelta(hours=1)
BUCKET_MS: Final = 100
MAX_MS: Final = 3000  # of the distribution; slower answers are in its last bucket


@dataclass(slots=True)
class Overview:
    """Sums over calls; ``add`` each, then ask."""

    since: datetime
    hours: int
    calls: int = 0
    per_hour: Counter[int] = field(default_factory=Counter)
    failed_per_hour: Counter[int] = field(default_factory=Counter)
    outcomes: Counter[str] = field(default_factory=Counter)
    agents: dict[str, Counter[str]] = field(default_factory=dict)
    answer_ms: list[float] = field(default_factory=list)
    response_ms: list[float] = field(default_factory=list)
    interruption_ms: list[float] = field(default_factory=list)
    interruptions: int = 0
    talk_s: float = 0.0
    partial: bool = False  # there were more calls than were looked at: the oldest are missing

    def add(self, record: CallRecord) -> None:
        """One call."""
        hour = int((record.created_at - self.since) / HOUR)
        failed = record.outcome is not None and record.outcome.class_ not in (Class.SUCCESS, Class.CALLER_ERROR)
        self.calls += 1
        self.per_hour[hour] += 1
        self.failed_per_hour[hour] += failed
        self.outcomes[str(record.outcome) if record.outcome else str(record.status)] += 1
        agent = self.agents.setdefault(record.agent, Counter())
        agent["calls"] += 1
        agent["failed"] += failed
        if record.latency.first_word_ms is not None:
            self.answer_ms.append(record.latency.first_word_ms)
        self.response_ms += record.latency.response_ms
        self.interruption_ms += record.latency.interruption_ms
        self.interruptions += sum(event.get("type") == "interruption" for event in record.events)
        if record.started_at and record.ended_at:
            self.talk_s += max((record.ended_at - record.started_at).total_seconds(), 0.0)

    def charts(self) -> dict[str, Any]:
        """What is drawn: calls per hour, and how soon callers were answered."""
        buckets = Counter(min(int(ms // BUCKET_MS), MAX_MS // BUCKET_MS) for ms in self.response_ms)
        return {
            "hours": [int((self.since + HOUR * hour).timestamp()) for hour in range(self.hours + 1)],
            "calls": [self.per_hour[hour] for hour in range(self.hours + 1)],
            "failed": [self.failed_per_hour[hour] for hour in range(self.hours + 1)],
            "ms": [index * BUCKET_MS for index in range(MAX_MS // BUCKET_MS + 1)],
            "answers": [buckets[index] for index in range(MAX_MS // BUCKET_MS + 1)],
        }


def percentile(values: Iterable[float], share: float) -> float | None:
    """The value below which ``share`` (0 to 1) of the values lie, None of none."""
    ordered = sorted(values)
    return ordered[min(int(len(ordered) * share), len(ordered) - 1)] if ordered else None
