"""``callbridge calls diagnose``: which hop broke the sound of a call, in words and as a picture."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from bridge.audio.hops import culprit, diagnose, formats_of, picture, read
from bridge.call.record import CallRecord
from bridge.errors import BridgeError
from bridge.settings import Settings


def report(settings: Settings, record: CallRecord, out: Path | None) -> dict[str, Any]:
    """What the taps of a call tell; the picture goes to ``out``. Raises BridgeError where they were not kept here."""
    path = Path(settings.recording.folder) / "hops" / f"{record.call_id}.hops"
    if not path.is_file():
        raise BridgeError(
            f"the taps of {record.call_id} were not kept here",
            hint="Set record_hops = true, make the call again, and ask on the instance that had it.",
        )
    chain = next((event for event in reversed(record.events) if event.get("type") == "agent_ready"), None)
    formats = {} if chain is None else formats_of(str(chain["uplink"]), str(chain["downlink"]))
    pieces = list(read(path.read_bytes()))
    findings = diagnose(pieces, formats)
    if out is not None:
        out.write_text(picture(pieces, formats, findings))
    return {
        "call_id": record.call_id,
        "verdict": culprit(findings),
        "findings": [
            {"hop": each.hop, "kind": each.kind, "at_s": round(each.at, 3), "found": each.words} for each in findings
        ],
        "picture": None if out is None else str(out),
    }
