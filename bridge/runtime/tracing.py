"""Traces of calls to an OpenTelemetry collector, over OTLP/HTTP. Needs ``callbridge[tracing]``, and imports it only when made.

A call is one trace, made of its record when it is over: while it lasts nothing is done for it. The trace's id is made of
the call's, so that whoever has the one finds the other.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections import OrderedDict
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

import structlog

from bridge.call.record import CallRecord
from bridge.call.trace import Span, span_of
from bridge.threads import begun

SETTLE_S: Final = 1.0  # what is still said of a call after its end is waited for
MAX_WAITING: Final = 1000  # calls that are over and not told
MAX_TOLD: Final = 5000  # calls that are remembered: a record changes after its end, too
EXPORT_S: Final = 3.0  # of one request to the collector
PREFIX: Final = "callbridge."
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

log = structlog.get_logger("bridge.tracing")


def trace_id(call_id: str) -> int:
    """The trace of a call: 16 bytes (W3C Trace Context, "trace-id")."""
    return int.from_bytes(hashlib.sha256(call_id.encode()).digest()[:16]) or 1


class Tracing:
    """``ended`` with every record of a call that is over; ``run`` as a task.

    ``share``: of calls, 0 to 1. ``headers`` go with every request; what else ``OTEL_...`` in the environment says holds.
    Raises ImportError where the extra is not installed.
    """

    def __init__(self, url: str, *, instance: str, headers: Mapping[str, str], share: float = 1.0) -> None:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
        from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
        from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased

        self.dropped = 0  # calls that were not told: the collector was too slow
        self._trace = 1  # of the call that is being told
        ids: Any = RandomIdGenerator()
        ids.generate_trace_id = lambda: self._trace
        exporter = OTLPSpanExporter(endpoint=url, headers=dict(headers), timeout=EXPORT_S)
        self._provider = TracerProvider(
            resource=Resource.create({"service.name": "callbridge", "service.instance.id": instance}),
            id_generator=ids,
            sampler=None if share >= 1 else ParentBased(TraceIdRatioBased(share)),
            shutdown_on_exit=False,
        )
        self._provider.add_span_processor(BatchSpanProcessor(exporter))
        self._tracer = self._provider.get_tracer("callbridge")
        self._waiting: OrderedDict[str, CallRecord] = OrderedDict()
        self._told: OrderedDict[str, None] = OrderedDict()
        self._work = asyncio.Event()
        self._pool = begun(1, "tracing")

    def ended(self, record: CallRecord) -> None:
        """A call is over. May be told again: it is one trace."""
        if record.call_id in self._told:
            return
        if len(self._waiting) >= MAX_WAITING:
            self.dropped += 1
            return
        self._told[record.call_id] = None
        while len(self._told) > MAX_TOLD:
            self._told.popitem(last=False)
        self._waiting[record.call_id] = record
        self._work.set()

    async def run(self) -> None:
        """Tell the collector, until cancelled; then what is left, for EXPORT_S at most."""
        loop = asyncio.get_running_loop()
        try:
            while True:
                await self._work.wait()
                self._work.clear()
                await asyncio.sleep(SETTLE_S)
                await loop.run_in_executor(self._pool, self._tell, self._taken())
        finally:
            closing = loop.run_in_executor(self._pool, self._close, self._taken())
            try:
                async with asyncio.timeout(EXPORT_S):
                    await closing
            except TimeoutError:
                log.warning("traces_cut")
            self._pool.shutdown(wait=False)

    def _taken(self) -> list[Span]:
        waiting, self._waiting = self._waiting, OrderedDict()
        return [span_of(record) for record in waiting.values()]

    def _tell(self, calls: list[Span]) -> None:
        from opentelemetry.context import Context

        for call in calls:
            self._trace = trace_id(str(call.facts["call_id"]))
            self._put(call, Context())

    def _put(self, span: Span, within: Any) -> None:
        from opentelemetry.trace import Status, StatusCode, set_span_in_context

        put = self._tracer.start_span(span.name, within, attributes=_named(span.facts), start_time=_nanos(span.begin))
        for moment in span.moments:
            put.add_event(moment.name, _named(moment.facts), _nanos(moment.at))
        if span.fault:
            put.set_status(Status(StatusCode.ERROR, span.fault))
        inner = set_span_in_context(put, within)
        for each in span.inner:
            self._put(each, inner)
        put.end(_nanos(span.end))

    def _close(self, calls: list[Span]) -> None:
        self._tell(calls)
        self._provider.shutdown()


def _named(facts: Mapping[str, Any]) -> dict[str, Any]:
    return {PREFIX + name: value for name, value in facts.items()}


def _nanos(moment: datetime) -> int:
    return round((moment - EPOCH).total_seconds() * 1_000_000) * 1000
