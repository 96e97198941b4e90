"""bridge/runtime/tracing.py: traces that reach a collector, and a collector that is away."""

import asyncio
import contextlib
import subprocess
import sys
from collections.abc import AsyncIterator

import pytest

pytest.importorskip(
    "opentelemetry.exporter.otlp.proto.http", reason="OpenTelemetry is not installed: callbridge[tracing]"
)

from bridge.runtime import tracing
from bridge.runtime.tracing import MAX_WAITING, Tracing, trace_id
from tests.call.test_trace import NOW, at, record
from tests.standins.otlp import Collector


@pytest.fixture
async def collector() -> AsyncIterator[Collector]:
    """It takes traces."""
    async with Collector() as collector:
        yield collector


@contextlib.asynccontextmanager
async def telling(told: Tracing) -> AsyncIterator[None]:
    """While it runs."""
    task = asyncio.create_task(told.run())
    await asyncio.sleep(0)  # it has begun
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_a_call_is_one_trace_whose_id_its_own_id_gives(collector: Collector) -> None:
    """Every part hangs below the call; times and facts are the record's; told twice it is one; the headers went with it."""
    told = Tracing(collector.endpoint, instance="here", headers={"x-token": "s3cret"})
    async with telling(told):
        for _ in range(3):
            told.ended(record())
    (call,) = [span for span in collector.spans if not span.parent]
    assert call.trace == f"{trace_id('call_1'):032x}"
    assert {span.trace for span in collector.spans} == {call.trace}
    assert {span.parent for span in collector.spans} == {"", call.span}
    assert len(collector.spans) == 9
    assert (call.begin, call.end) == (int(NOW.timestamp()) * 10**9, int(at(10).timestamp()) * 10**9)
    assert call.facts["callbridge.response_ms"] == [700.0]
    (tool,) = [span for span in collector.spans if span.name == "tool"]
    assert (tool.facts, tool.failed) == ({"callbridge.name": "book"}, "timeout")
    assert ("interruption", {"callbridge.by": "agent", "callbridge.took_ms": 12.0}) in call.moments
    assert collector.resources[0]["service.name"] == "callbridge"
    assert collector.resources[0]["service.instance.id"] == "here"
    assert {seen.headers["x-token"] for seen in collector.seen("traces")} == {"s3cret"}


async def test_a_share_of_no_calls_is_none(collector: Collector) -> None:
    """Who wants fewer traces gets fewer."""
    told = Tracing(collector.endpoint, instance="here", headers={}, share=0.0)
    async with telling(told):
        told.ended(record())
    assert collector.spans == []


async def test_a_collector_that_is_away_holds_nobody_up(collector: Collector, monkeypatch: pytest.MonkeyPatch) -> None:
    """The end comes within its limit though nobody answers."""
    monkeypatch.setattr(tracing, "EXPORT_S", 0.3)
    collector.fault("traces", hang=True, times=None)
    told = Tracing(collector.endpoint, instance="here", headers={})
    async with asyncio.timeout(10):
        async with telling(told):
            told.ended(record())


async def test_calls_beyond_what_may_wait_are_counted(collector: Collector) -> None:
    """A collector that is too slow costs traces, not memory."""
    told = Tracing(collector.endpoint, instance="here", headers={}, share=0.0)
    for number in range(MAX_WAITING + 5):
        told.ended(record(call_id=f"call_{number}"))
    assert told.dropped == 5
    async with telling(told):
        pass


def test_nothing_of_it_is_imported_until_it_is_wanted() -> None:
    """A bridge without traces does not pay for them."""
    code = (
        "import sys, bridge.app, bridge.cli.serve; print(any(name.startswith('opentelemetry') for name in sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
