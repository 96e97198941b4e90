"""How the last day went."""

from datetime import UTC, datetime, timedelta

from bridge.call.record import Latency, Status
from bridge.errors import Reason
from bridge.web.dashboard.overview import BUCKET_MS, MAX_MS, Overview, percentile
from tests.web.desk import kept

T0 = datetime(2026, 1, 1, tzinfo=UTC)


def test_calls_are_counted_by_hour_outcome_and_agent() -> None:
    """A busy person is no failure of ours; a call without an outcome counts by its status."""
    overview = Overview(T0, 2)
    overview.add(kept(created_at=T0 + timedelta(minutes=5), outcome=Reason.CALLER_HANGUP))
    overview.add(kept(created_at=T0 + timedelta(minutes=65), outcome=Reason.BUSY, agent="sales"))
    overview.add(kept(created_at=T0 + timedelta(minutes=119), outcome=Reason.AGENT_LOST))
    overview.add(kept(created_at=T0 + timedelta(minutes=120), status=Status.IN_PROGRESS))
    charts = overview.charts()
    assert (charts["calls"], charts["failed"]) == ([1, 2, 1], [0, 1, 0])
    assert charts["hours"][1] - charts["hours"][0] == 3600
    assert overview.outcomes == {"caller_hangup": 1, "busy": 1, "agent_lost": 1, "in_progress": 1}
    assert overview.agents == {"support": {"calls": 3, "failed": 1}, "sales": {"calls": 1, "failed": 0}}


def test_times_are_spread_over_buckets_and_the_slowest_share_one() -> None:
    """As many buckets as names for them."""
    overview = Overview(T0, 1)
    latency = Latency(first_word_ms=300.0, response_ms=[0.0, 99.9, 100.0, MAX_MS + 0.0, 60_000.0])
    overview.add(kept(created_at=T0, latency=latency, events=[{"type": "interruption"}, {"type": "dtmf"}]))
    charts = overview.charts()
    assert charts["answers"][:2] == [2, 1]
    assert charts["answers"][-1] == 2
    assert charts["ms"][1] == BUCKET_MS
    assert len(charts["ms"]) == len(charts["answers"])
    assert (overview.answer_ms, overview.interruptions) == ([300.0], 1)


def test_talk_is_from_stream_to_end_and_never_negative() -> None:
    """A clock that was set back adds nothing."""
    overview = Overview(T0, 1)
    overview.add(kept(created_at=T0, started_at=T0, ended_at=T0 + timedelta(seconds=30)))
    overview.add(kept(created_at=T0, started_at=T0, ended_at=T0 - timedelta(seconds=30)))
    assert overview.talk_s == 30.0


def test_percentiles() -> None:
    """Of none there is none; of one it is that one."""
    assert percentile([], 0.5) is None
    assert percentile([7.0], 0.99) == 7.0
    values = [float(each) for each in range(100, 0, -1)]
    assert [percentile(values, share) for share in (0.0, 0.5, 0.95, 1.0)] == [1.0, 51.0, 96.0, 100.0]
