"""``/metrics``: how the bridge fares, for Prometheus. Labels are from closed lists and configured names: no number, no id."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import generate_latest
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from bridge.call.record import CallRecord
from bridge.errors import Reason
from bridge.runtime.switchboard import Switchboard
from bridge.web.access import Access, Denied
from bridge.web.problems import problem

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
LATENCIES: Final = (0.025, 0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0)  # s
DURATIONS: Final = (5, 15, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 14400)  # s
SINGLE: Final = ("credential", "connect", "first_word")
SEVERAL: Final = ("response", "interruption")
MAX_COUNTED: Final = 5000
REASONS: Final = frozenset(map(str, Reason))


@dataclass(frozen=True, slots=True)
class Sources:
    """What is read when somebody looks. Each mapping goes from a label of a closed list to a count."""

    switchboard: Switchboard
    store_waiting: Callable[[], int]
    store_lost: Callable[[], int]
    media_refused: Callable[[], Mapping[str, int]]
    webhooks_refused: Callable[[], int]
    api_refused: Callable[[], int]


class Metrics:
    """One registry for one process. ``ended`` at the end of every call; the rest is read when it is asked for."""

    def __init__(self, sources: Sources, agents: frozenset[str]) -> None:
        self.registry = CollectorRegistry()
        self._sources = sources
        self.agents = agents
        self._counted: OrderedDict[str, None] = OrderedDict()  # a record changes after its end, too
        self._calls = Counter(
            "callbridge_calls", "Calls that have ended.", ("direction", "class", "reason"), registry=self.registry
        )
        self._failures = Counter(
            "callbridge_agent_failures",
            "Failed or lost sessions of agents.",
            ("agent", "reason"),
            registry=self.registry,
        )
        self._duration = Histogram(
            "callbridge_call_duration_seconds", "From the stream's start to the end.", ("direction",),
            buckets=DURATIONS, registry=self.registry,
        )  # fmt: skip
        self._latency = {
            name: Histogram(
                f"callbridge_{name}_seconds", f"Latency: {name}.", ("agent",), buckets=LATENCIES, registry=self.registry
            )
            for name in (*SINGLE, *SEVERAL)
        }
        self._tools = Histogram(
            "callbridge_tool_seconds", "Tool calls of agents, to their answer.", ("tool", "outcome"),
            buckets=LATENCIES, registry=self.registry,
        )  # fmt: skip
        self._resumes = Counter("callbridge_resumes", "Streams that were opened again.", registry=self.registry)
        self.registry.register(Readings(sources))

    def ended(self, record: CallRecord) -> None:
        """Count a call, once."""
        outcome = record.outcome
        if outcome is None or record.call_id in self._counted:
            return
        self._counted[record.call_id] = None
        while len(self._counted) > MAX_COUNTED:
            self._counted.popitem(last=False)
        direction, agent = str(record.direction), self._named(record.agent)
        self._calls.labels(direction, str(outcome.class_), str(outcome)).inc()
        self._resumes.inc(record.resumes)
        if record.started_at is not None and record.ended_at is not None:
            self._duration.labels(direction).observe(max((record.ended_at - record.started_at).total_seconds(), 0.0))
        for event in record.events:
            if event["type"] in {"agent_failed", "agent_lost"}:
                self._failures.labels(self._named(event.get("agent", record.agent)), _reason(event.get("reason"))).inc()
        for name in SINGLE:
            value = getattr(record.latency, f"{name}_ms")
            if value is not None:
                self._latency[name].labels(agent).observe(value / 1000)
        for name in SEVERAL:
            for value in getattr(record.latency, f"{name}_ms"):
                self._latency[name].labels(agent).observe(value / 1000)

    def tool(self, name: str, outcome: str, seconds: float) -> None:
        """A tool has answered. Names and outcomes are of closed lists: only tools that there are get here."""
        self._tools.labels(name, outcome).observe(seconds)

    def render(self) -> bytes:
        """The exposition text."""
        return generate_latest(self.registry)

    def _named(self, agent: Any) -> str:
        return agent if agent in self.agents else "other"


class Readings:
    """What stands somewhere already, read when it is asked for."""

    def __init__(self, sources: Sources) -> None:
        self._sources = sources

    def collect(self) -> Iterator[Metric]:
        """As prometheus_client asks a collector."""
        sources, board = self._sources, self._sources.switchboard
        yield GaugeMetricFamily("callbridge_active_calls", "Calls in progress.", board.active)
        yield GaugeMetricFamily(
            "callbridge_agent_seconds_today",
            "Of all instances, where limits.agent_minutes_per_day is set.",
            board.meter.total,
        )
        yield GaugeMetricFamily("callbridge_draining", "1 from the signal to the end.", int(board.draining))
        yield GaugeMetricFamily("callbridge_loop_lag_seconds", "p95 of the last 3 s.", board.lag.p95)
        yield GaugeMetricFamily("callbridge_loop_lag_worst_seconds", "The worst so far.", board.lag.worst)
        yield GaugeMetricFamily("callbridge_store_backlog", "Records to be written.", sources.store_waiting())
        yield CounterMetricFamily("callbridge_store_lost", "Records that were dropped.", sources.store_lost())
        yield CounterMetricFamily("callbridge_calls_admitted", "Calls that were taken.", board.admitted)
        refused = CounterMetricFamily("callbridge_calls_refused", "Calls that were not taken.", labels=["reason"])
        for reason, count in board.refused.items():
            refused.add_metric([str(reason)], count)
        yield refused
        media = CounterMetricFamily("callbridge_media_refused", "Media sockets turned away.", labels=["why"])
        for why, count in sources.media_refused().items():
            media.add_metric([why], count)
        yield media
        yield CounterMetricFamily(
            "callbridge_webhooks_refused", "Carrier requests refused.", sources.webhooks_refused()
        )
        yield CounterMetricFamily("callbridge_api_refused", "Requests without a right key.", sources.api_refused())


def metrics_route(metrics: Metrics, access: Access) -> Route:
    """Open on loopback; elsewhere a key is needed."""

    async def endpoint(request: Request) -> Response:
        if not access.proxies.is_local(request):
            try:
                access.admit(request, "operator")
            except Denied as error:
                return problem(error.status, error.detail, remedy=error.remedy, headers=error.headers)
        return Response(metrics.render(), media_type=CONTENT_TYPE, headers={"Cache-Control": "no-store"})

    return Route("/metrics", endpoint)


def _reason(value: Any) -> str:
    return value if value in REASONS else "other"
