"""The one line that the log keeps of a call."""

from __future__ import annotations

from typing import Any

from bridge.call.record import CallRecord, masked


def summary(record: CallRecord) -> dict[str, Any]:
    """The canonical line of a call: no number in full, no word of what was said."""
    body = record.public()
    return {
        "call_id": record.call_id,
        "carrier_call_id": record.carrier_call_id,
        "direction": body["direction"],
        "person": masked(record.person),
        "line": masked(record.line),
        "agent": record.agent,
        "status": body["status"],
        "outcome": body["outcome"],
        "duration_s": body["duration_s"],
        "turns": len(record.turns),
        "resumes": record.resumes,
        "latency": {key: value for key, value in body["latency"].items() if not isinstance(value, list)},
        **record.detail.get("counts", {}),
    }
