"""A CallRecord as a row and back, and how two accounts of one call become one."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import isfinite
from typing import Any, Final

import msgspec

from bridge.call.record import CallRecord
from bridge.store.tables import micros

ENCODER: Final = msgspec.json.Encoder()
DECODER: Final = msgspec.json.Decoder(CallRecord)
RECORDED: Final = frozenset({"completed", "absent", "failed"})  # what is last said of a recording
MAX_NESTING: Final = 64  # of what an agent's analysis may hold; deeper is cut


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A record as it is written: its document, and the columns by which it is found. The names are those of the table."""

    call_id: str
    carrier_call_id: str | None
    direction: str
    status: str
    rank: int
    agent: str
    line: str
    from_number: str
    to_number: str
    outcome: str | None
    instance: str
    created_us: int
    ended_us: int | None
    resumes: int
    steps: int
    written_by: str
    document: str

    @property
    def weight(self) -> int:
        """Bytes that it holds in memory, near enough."""
        return len(self.document) + 600

    @property
    def has_transcript(self) -> bool:
        """There are turns or events that ``without_transcript`` would take away."""
        return '"turns":[],"events":[],' not in self.document

    def row(self) -> dict[str, Any]:
        """The values by column."""
        return {name: getattr(self, name) for name in self.__slots__}


def snapshot(record: CallRecord, *, written_by: str = "") -> Snapshot:
    """The record as it is now. ``written_by``: the instance whose own account this is, "" where several had a hand in it.

    Raises TypeError where a date has no time zone or a value is no JSON.
    """
    latency = record.latency
    if not all(map(isfinite, latency.response_ms)) or not all(map(isfinite, latency.interruption_ms)):
        record = _cleaned(record)
    try:
        document = ENCODER.encode(record).decode()
    except (UnicodeEncodeError, OverflowError, RecursionError):
        record = _cleaned(record)
        document = ENCODER.encode(record).decode()
    return Snapshot(
        call_id=record.call_id,
        carrier_call_id=record.carrier_call_id,
        direction=str(record.direction),
        status=str(record.status),
        rank=record.status.rank,
        agent=_column(record.agent),
        line=_column(record.line),
        from_number=_column(record.from_number),
        to_number=_column(record.to_number),
        outcome=None if record.outcome is None else str(record.outcome),
        instance=record.instance,
        created_us=micros(record.created_at),
        ended_us=None if record.ended_at is None else micros(record.ended_at),
        resumes=record.resumes,
        steps=steps(record),
        written_by=written_by,
        document=document,
    )


def restore(document: str | bytes) -> CallRecord:
    """The record in a document. Raises ValueError where it is none."""
    return DECODER.decode(document)


def steps(record: CallRecord) -> int:
    """How far this account of the call has come."""
    return len(record.turns) + len(record.events) + record.dropped


def merge(stored: CallRecord, incoming: CallRecord) -> CallRecord:
    """One account out of two of the same call, which only moves forward: the first terminal status and outcome stand, the
    longer transcript stays, and what one of them does not know the other adds.
    """
    late = _progress(incoming) < _progress(stored)
    fresh, old = (stored, incoming) if late else (incoming, stored)
    standing = stored if stored.status.terminal or stored.status.rank > incoming.status.rank else incoming
    end = stored if stored.outcome is not None else incoming
    return replace(
        fresh,
        status=standing.status,
        outcome=end.outcome,
        outcome_detail=end.outcome_detail,
        ended_at=end.ended_at,
        carrier_call_id=fresh.carrier_call_id or old.carrier_call_id,
        started_at=fresh.started_at or old.started_at,
        turns=fresh.turns if len(fresh.turns) >= len(old.turns) else old.turns,
        events=fresh.events if len(fresh.events) >= len(old.events) else old.events,
        agent_conversation_id=fresh.agent_conversation_id or old.agent_conversation_id,
        analysis=old.analysis if fresh.analysis is None else fresh.analysis,
        recording=_recording(fresh.recording, old.recording),
        detail={**old.detail, **fresh.detail},
    )


def _recording(fresh: dict[str, Any] | None, old: dict[str, Any] | None) -> dict[str, Any] | None:
    """What the carrier says at last of its recording stands: it may be told before the call's own last account is written."""
    if fresh is None or (old is not None and old.get("status") in RECORDED and fresh.get("status") not in RECORDED):
        return old
    return fresh


def without_transcript(held: Snapshot) -> Snapshot:
    """The same with turns and events counted as dropped. It no longer stands for all its writer knows: it is merged."""
    record = restore(held.document)
    lost = len(record.turns) + len(record.events)
    return snapshot(replace(record, turns=[], events=[], dropped=record.dropped + lost))


def _progress(record: CallRecord) -> tuple[bool, int, int, int]:
    return (record.status.terminal, record.resumes, record.status.rank, steps(record))


def _column(value: str) -> str:
    """PostgreSQL has no NUL in a text, and no encoding has a lone surrogate."""
    return value.replace("\0", "").encode(errors="replace").decode()


def _cleaned(record: CallRecord) -> CallRecord:
    """Without what no JSON text can hold: lone surrogates, integers past 64 bits, endless nesting, measurements that are no
    numbers.

    An agent's message may bring each of these (``"\\ud800"`` is lawful JSON), and a record must not be lost for it.
    """
    values = {name: getattr(record, name) for name in record.__slots__}
    values["turns"] = [replace(turn, text=_clean(turn.text), heard=_clean(turn.heard)) for turn in record.turns]
    values["latency"] = replace(
        record.latency,
        response_ms=list(filter(isfinite, record.latency.response_ms)),
        interruption_ms=list(filter(isfinite, record.latency.interruption_ms)),
    )
    for name, value in values.items():
        if (isinstance(value, dict | list) and name != "turns") or type(value) is str:
            values[name] = _clean(value)
    return CallRecord(**values)


def _clean(value: Any, depth: int = 0) -> Any:
    if depth > MAX_NESTING:
        return None
    if isinstance(value, str):
        return str(value).encode(errors="replace").decode()
    if isinstance(value, dict):
        return {_clean(str(key)): _clean(item, depth + 1) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_clean(item, depth + 1) for item in value]
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        return str(value)
    return value
