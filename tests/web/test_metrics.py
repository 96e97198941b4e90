"""``/metrics``."""

from datetime import UTC, datetime, timedelta

import pytest
from prometheus_client.parser import text_string_to_metric_families

from bridge.call.record import CallRecord, Direction, Status
from bridge.errors import Reason
from bridge.runtime.switchboard import Limits, Switchboard
from bridge.web.metrics import Metrics, Sources

NUMBER = "+15550123456"


@pytest.fixture
def metrics() -> Metrics:
    """Metrics of a house with one agent."""
    sources = Sources(
        switchboard=Switchboard(Limits()),
        store_waiting=lambda: 3,
        store_lost=lambda: 1,
        media_refused=lambda: {"grant": 4},
        webhooks_refused=lambda: 5,
        api_refused=lambda: 6,
    )
    return Metrics(sources, frozenset({"support"}))


def ended(number: int = 1, *, agent: str = "support") -> CallRecord:
    """A call that is over."""
    now = datetime.now(UTC)
    record = CallRecord(
        call_id=f"call_{number}",
        direction=Direction.INBOUND,
        from_number=NUMBER,
        to_number="+15550100",
        line="+15550100",
        agent=agent,
        created_at=now - timedelta(seconds=20),
        started_at=now - timedelta(seconds=10),
    )
    record.latency.first_word_ms = 180.0
    record.latency.response_ms = [400.0, 600.0]
    record.add_event("agent_failed", 10, agent=agent, reason="agent_5xx")
    record.finish(Reason.CALLER_HANGUP, now, status=Status.COMPLETED)
    return record


def samples(metrics: Metrics) -> dict[str, float]:
    """Every sample, by name and labels, as a scraper reads it."""
    found = {}
    for family in text_string_to_metric_families(metrics.render().decode()):
        for sample in family.samples:
            labels = ",".join(f"{name}={value}" for name, value in sorted(sample.labels.items()))
            found[f"{sample.name}{{{labels}}}"] = sample.value
    return found


def test_a_call_is_counted_once_with_its_outcome_and_latencies(metrics: Metrics) -> None:
    """Direction, class and reason, failures of agents, and each latency as a histogram; a later change counts nothing."""
    record = ended()
    for _ in range(3):
        metrics.ended(record)
    found = samples(metrics)
    assert found["callbridge_calls_total{class=success,direction=inbound,reason=caller_hangup}"] == 1
    assert found["callbridge_agent_failures_total{agent=support,reason=agent_5xx}"] == 1
    assert found["callbridge_first_word_seconds_sum{agent=support}"] == pytest.approx(0.18)
    assert found["callbridge_response_seconds_count{agent=support}"] == 2
    assert found["callbridge_call_duration_seconds_sum{direction=inbound}"] == pytest.approx(10, abs=0.1)


def test_what_stands_elsewhere_is_read_when_asked(metrics: Metrics) -> None:
    """Active calls, backlog, refusals and loop lag are there without a call."""
    found = samples(metrics)
    assert found["callbridge_active_calls{}"] == 0
    assert found["callbridge_store_backlog{}"] == 3
    assert found["callbridge_media_refused_total{why=grant}"] == 4
    assert found["callbridge_webhooks_refused_total{}"] == 5
    assert "callbridge_loop_lag_seconds{}" in found


def test_labels_are_bounded_and_hold_no_number(metrics: Metrics) -> None:
    """Whatever a record holds, there are no more series, and nobody's number is among them."""
    metrics.ended(ended(0, agent="stranger-0"))
    few = len(samples(metrics))
    for number in range(1, 500):
        record = ended(number, agent=f"stranger-{number}")
        record.add_event("agent_failed", 1, agent=NUMBER, reason=NUMBER)
        metrics.ended(record)
    found = samples(metrics)
    assert len(found) <= few + 2
    assert not any("5550123456" in name for name in found)


def test_two_processes_share_nothing(metrics: Metrics) -> None:
    """Each has its own registry."""
    metrics.ended(ended())
    other = Metrics(
        Sources(Switchboard(Limits()), lambda: 0, lambda: 0, dict, lambda: 0, lambda: 0), frozenset({"support"})
    )
    assert not any(name.startswith("callbridge_calls_total") for name in samples(other))


def test_tools_are_timed_by_name_and_outcome(metrics: Metrics) -> None:
    """A histogram, so that slow business systems are seen."""
    metrics.tool("book", "ok", 0.2)
    metrics.tool("book", "timeout", 8.0)
    found = samples(metrics)
    assert found["callbridge_tool_seconds_count{outcome=ok,tool=book}"] == 1
    assert found["callbridge_tool_seconds_sum{outcome=timeout,tool=book}"] == 8.0
