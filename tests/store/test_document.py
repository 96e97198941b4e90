"""Records as documents, and two accounts of one call."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.call.record import CallRecord, Direction, Latency, Status, Turn
from bridge.errors import Reason
from bridge.store.document import merge, restore, snapshot, steps, without_transcript
from tests.store.conftest import Make

words = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
numbers = st.floats(allow_nan=False, allow_infinity=False)
offsets = st.integers(-12 * 60, 12 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
moments = st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC) | offsets)  # noqa: DTZ001
json = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | numbers | words,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3),
    max_leaves=8,
)
objects = st.dictionaries(words, json, max_size=4)
turns = st.builds(
    Turn,
    role=st.sampled_from(["caller", "agent"]),
    text=words,
    at_ms=st.integers(0, 10**8),
    heard=st.none() | words,
    interrupted=st.booleans(),
)
latencies = st.builds(
    Latency,
    st.none() | numbers,
    st.none() | numbers,
    st.none() | numbers,
    st.lists(numbers, max_size=3),
    st.lists(numbers, max_size=3),
)
records = st.builds(
    CallRecord,
    call_id=st.just("call_1"),
    direction=st.sampled_from(Direction),
    from_number=words,
    to_number=words,
    line=words,
    agent=words,
    created_at=moments,
    carrier=words,
    carrier_call_id=st.none() | words,
    status=st.sampled_from(Status),
    started_at=st.none() | moments,
    ended_at=st.none() | moments,
    outcome=st.none() | st.sampled_from(Reason),
    outcome_detail=words,
    turns=st.lists(turns, max_size=4),
    events=st.lists(objects, max_size=4),
    dropped=st.integers(0, 100),
    latency=latencies,
    agent_conversation_id=st.none() | words,
    analysis=st.none() | objects,
    recording=st.none() | objects,
    instance=words,
    resumes=st.integers(0, 3),
    detail=objects,
)


@given(records)
def test_a_record_comes_back_as_it_was(record: CallRecord) -> None:
    """Every field survives, to the microsecond and to the last character."""
    back = restore(snapshot(record).document)
    assert back == record
    assert type(back.status) is Status
    assert back.public() == record.public()


@given(records, records)
def test_two_accounts_become_one_that_only_moves_forward(stored: CallRecord, incoming: CallRecord) -> None:
    """Whatever comes, a terminal status and an outcome stand and no turn is lost; the same again changes nothing."""
    merged = merge(stored, incoming)
    assert merged.status.rank == max(stored.status.rank, incoming.status.rank)
    if stored.status.terminal:
        assert merged.status is stored.status
    if stored.outcome is not None:
        assert (merged.outcome, merged.ended_at) == (stored.outcome, stored.ended_at)
    assert len(merged.turns) == max(len(stored.turns), len(incoming.turns))
    assert len(merged.events) == max(len(stored.events), len(incoming.events))
    assert merge(merged, incoming) == merge(merge(merged, incoming), incoming)


@pytest.mark.parametrize("bad", ["\ud800", {"\udfff": ["\ud800"]}, float("nan"), 10**30])
def test_a_record_is_not_lost_for_what_no_json_can_hold(make: Make, bad: Any) -> None:
    """An agent's odd value is written as near as can be, and everything else as it is."""
    record = make(turns=[Turn("agent", "good", 1)], analysis={"bad": bad}, agent="a\0\ud800")
    record.latency.response_ms = [float("nan"), 5.0]
    written = snapshot(record)
    back = restore(written.document)
    assert [turn.text for turn in back.turns] == ["good"]
    assert back.latency.response_ms == [5.0]
    assert "\0" not in written.agent


def test_without_its_transcript_a_record_keeps_everything_else(make: Make) -> None:
    """What is dropped for want of room is counted, and never undoes what was stored before."""
    full = make(turns=[Turn("agent", "x" * 1000, 1)], detail={"a": 1})
    full.add_event("e", 1)
    bare = without_transcript(snapshot(full))
    assert bare.weight < snapshot(full).weight - 1000
    assert (bare.has_transcript, snapshot(full).has_transcript) == (False, True)
    assert bare.steps == steps(full) == 2
    assert restore(bare.document).detail == {"a": 1}
    assert merge(full, restore(bare.document)).turns == full.turns


def test_what_is_last_said_of_a_recording_stands(make: Make) -> None:
    """The carrier's word that it is there may come before the call's own last account, which does not know of it."""
    told = make(recording={"by": "carrier", "status": "completed", "duration_s": 9})
    last = make(recording={"by": "carrier", "status": "in_progress"}, turns=[Turn("caller", "Bye", 1)])
    assert merge(told, last).recording == told.recording
    assert merge(last, told).recording == told.recording
    assert merge(make(), last).recording == last.recording
