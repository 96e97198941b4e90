"""``callbridge calls diagnose``: the taps that were kept of a call, told in words."""

from datetime import UTC, datetime
from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np
import pytest

from bridge.assembly.diagnosis import report
from bridge.audio.hops import AGENT_IN, AGENT_OUT, HEAD, PHONE_IN, PHONE_OUT, culprit
from bridge.call.record import CallRecord, Direction
from bridge.errors import BridgeError
from bridge.settings import Settings
from bridge.settings.services import RecordingSettings

LOUD = (np.sin(np.arange(480) / 5) * 9000).astype("<i2").tobytes()  # 20 ms at 24 kHz
PHONE = bytes([0x20, 0xA0] * 80)  # 20 ms


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Recordings are in a folder of the test's own."""
    return Settings(recording=RecordingSettings(folder=str(tmp_path)))


@pytest.fixture
def record() -> CallRecord:
    """A call whose agent speaks 24 kHz."""
    made = CallRecord("call_1", Direction.INBOUND, "+15550123456", "+15550100", "*", "support", datetime.now(UTC))
    made.events.append(
        {"type": "agent_ready", "uplink": "mulaw/8000 -> pcm16/24000", "downlink": "pcm16/24000 -> mulaw/8000"}
    )
    return made


def keep(tmp_path: Path, *, hole: bool = False) -> None:
    """Two seconds of taps, with a hole in what came from the telephone, perhaps."""
    pieces = [(PHONE_IN, n * 0.02, PHONE) for n in range(100) if not (hole and 25 < n < 40)]
    pieces += [(AGENT_IN, n * 0.02, LOUD) for n in range(100)]
    pieces += [(AGENT_OUT, n * 0.2, LOUD * 10) for n in range(10)]
    pieces += [(PHONE_OUT, n * 0.02, PHONE) for n in range(100)]
    folder = tmp_path / "hops"
    folder.mkdir()
    (folder / "call_1.hops").write_bytes(
        b"".join(HEAD.pack(tap, at, len(sound)) + sound for tap, at, sound in sorted(pieces, key=lambda each: each[1]))
    )


def test_a_call_that_was_well_is_said_to_be(settings: Settings, record: CallRecord, tmp_path: Path) -> None:
    """Nothing is found, and no picture is drawn that nobody asked for."""
    keep(tmp_path)
    assert report(settings, record, None) == {
        "call_id": "call_1",
        "verdict": culprit([]),
        "findings": [],
        "picture": None,
    }


def test_what_was_found_is_told_with_its_hop_and_time(settings: Settings, record: CallRecord, tmp_path: Path) -> None:
    """In a form for programs, and as a picture where one is wanted."""
    keep(tmp_path, hole=True)
    out = tmp_path / "call.svg"
    told = report(settings, record, out)
    (finding,) = told["findings"]
    assert (finding["hop"], finding["kind"], finding["at_s"]) == ("phone in", "gap", 0.5)
    assert "before it reached the bridge" in told["verdict"]
    assert told["picture"] == str(out)
    assert "gap" in "".join(ET.fromstring(out.read_text()).itertext())


def test_the_last_agents_format_counts(settings: Settings, record: CallRecord, tmp_path: Path) -> None:
    """A backup may have spoken another one: by the first one's format this sound would come too late."""
    keep(tmp_path)
    record.events.insert(
        0, {"type": "agent_ready", "uplink": "mulaw/8000 -> pcm16/48000", "downlink": "pcm16/48000 -> mulaw/8000"}
    )
    assert report(settings, record, None)["findings"] == []


def test_a_call_whose_agent_never_was_ready_is_diagnosed_too(
    settings: Settings, record: CallRecord, tmp_path: Path
) -> None:
    """The telephone's side is the whole of it; the agent's is found silent."""
    record.events.clear()
    folder = tmp_path / "hops"
    folder.mkdir()
    (folder / "call_1.hops").write_bytes(b"".join(HEAD.pack(PHONE_IN, n * 0.02, len(PHONE)) + PHONE for n in range(50)))
    found = report(settings, record, None)["findings"]
    assert {(each["hop"], each["kind"]) for each in found} == {
        (hop, "silence") for hop in ("agent in", "agent out", "phone out")
    }


def test_without_taps_the_remedy_is_told(settings: Settings, record: CallRecord, tmp_path: Path) -> None:
    """They are kept only where they are asked for, and only on the instance that had the call. No picture is left behind."""
    with pytest.raises(BridgeError) as refused:
        report(settings, record, tmp_path / "call.svg")
    assert "call_1" in str(refused.value)
    assert "record_hops = true" in refused.value.hint
    assert not (tmp_path / "call.svg").exists()
