"""Recordings over HTTP: whose ears they are for, what is logged, what is drawn."""

import struct
import wave
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import structlog

from bridge.call.ports import Secret
from bridge.call.record import CallRecord, Direction, Status
from bridge.errors import Reason
from bridge.web.access import Access, Key, Visitor
from bridge.web.api.endpoint import Api
from bridge.web.control import NoSuchCall, NotNow
from bridge.web.recordings import PAUSE, PEAKS, RESUME, RecordingsApi, Sounds
from tests.web.asking import Reply, ask

OPERATOR, VIEWER = "operator-key-0123456789", "viewer-key-0123456789"
ANN = Visitor("ann", "viewer")


def record(call_id: str, status: Status) -> CallRecord:
    """Of a call."""
    return CallRecord(
        call_id=call_id,
        direction=Direction.INBOUND,
        from_number="+15550123456",
        to_number="+15550100",
        line="+15550100",
        agent="support",
        created_at=datetime(2026, 11, 27, tzinfo=UTC),
        status=status,
        outcome=Reason.CALLER_HANGUP if status.terminal else None,
    )


class World:
    """Three calls: one that is over and recorded, one that goes on, one whose recording is elsewhere."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "call_over.flac"
        self.records = {
            "call_over": record("call_over", Status.COMPLETED),
            "call_live": record("call_live", Status.IN_PROGRESS),
            "call_away": record("call_away", Status.COMPLETED),
        }
        self.orders: list[tuple[str, str]] = []
        self.recordings = RecordingsApi(Sounds(self, self.path))  # type: ignore[arg-type]
        self.api = Api(Access([Key(Secret(OPERATOR)), Key(Secret(VIEWER), "viewer", "ann")]), None)  # type: ignore[arg-type]
        self.api.add(*self.recordings.endpoints())

    def path(self, record: CallRecord) -> Path | None:
        """Of the folder of this machine."""
        return self.file if record.call_id in ("call_over", "call_live") and self.file.exists() else None

    async def find(self, any_id: str) -> CallRecord | None:
        """Of the control."""
        return self.records.get(any_id)

    async def order(self, any_id: str, verb: str) -> CallRecord:
        """Of the control."""
        if any_id not in self.records:
            raise NoSuchCall
        if self.records[any_id].status.terminal:
            raise NotNow("The call has ended.")
        self.orders.append((any_id, verb))
        return self.records[any_id]

    async def ask(self, method: str, path: str, *, key: str = OPERATOR, **headers: str) -> Reply:
        """One request."""
        return await ask(
            self.api.routes(), method, f"/api/v1/calls/{path}", headers={"authorization": f"Bearer {key}", **headers}
        )


@pytest.fixture
def world(tmp_path: Path) -> World:
    """With a recording of two seconds: the caller at half of full scale in the first, the agent at a quarter in the second."""
    world = World(tmp_path)
    frames = [(16384, 0)] * 8000 + [(0, -8192)] * 8000
    with wave.open(str(world.file), "wb") as file:  # libsndfile goes by what is in a file, not by its name
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(b"".join(struct.pack("<hh", *frame) for frame in frames))
    return world


async def test_a_recording_is_heard_whole_or_in_part_and_the_log_knows_by_whom(world: World) -> None:
    """The bytes of the file, or the range that a player asks for; one line names who and which call."""
    with structlog.testing.capture_logs() as logs:
        whole = await world.ask("GET", "call_over/recording", key=VIEWER)
        part = await world.ask("GET", "call_over/recording", key=VIEWER, range="bytes=4-7")
    assert (whole.status, whole.body, whole.headers["content-type"]) == (200, world.file.read_bytes(), "audio/flac")
    assert (part.status, part.body) == (206, world.file.read_bytes()[4:8])
    heard = [each for each in logs if each["event"] == "recording_heard"]
    assert [(each["actor"], each["call_id"]) for each in heard] == [("ann", "call_over")] * 2


@pytest.mark.parametrize("call_id", ["call_live", "call_away", "call_none"])
async def test_what_cannot_be_heard_here_is_not_found_and_not_logged(world: World, call_id: str) -> None:
    """A call that goes on, one whose recording another instance has, and none: 404 with a word about where to look."""
    with structlog.testing.capture_logs() as logs:
        reply = await world.ask("GET", f"{call_id}/recording")
    assert reply.status == 404
    assert reply.json["remedy"]
    assert [each for each in logs if each["event"] == "recording_heard"] == []
    known: Any = world.records.get(call_id)
    assert known is None or not world.recordings.has(known)


async def test_only_an_operator_pauses_and_only_while_the_call_goes_on(world: World) -> None:
    """202 where it is ordered; 403, 404 and 409 where it is not."""
    assert (await world.ask("POST", "call_live/recording/pause", key=VIEWER)).status == 403
    assert (await world.ask("POST", "call_none/recording/pause")).status == 404
    assert (await world.ask("POST", "call_over/recording/resume")).status == 409
    assert world.orders == []
    for verb in ("pause", "resume"):
        reply = await world.ask("POST", f"call_live/recording/{verb}")
        assert (reply.status, reply.json) == (202, {"call_id": "call_live", "status": "in_progress"})
    assert world.orders == [("call_live", PAUSE), ("call_live", RESUME)]


async def test_the_waveform_shows_both_sides_on_one_clock(world: World) -> None:
    """Peaks of equal stretches: the caller's in the first half, the agent's in the second, and how long it all is."""
    import json

    drawn = await world.recordings.waveform(world.records["call_over"])
    assert drawn is not None
    told = json.loads(bytes(drawn.body))
    assert told["seconds"] == 2.0
    caller, agent = told["peaks"]
    assert len(caller) == len(agent) == PEAKS
    assert set(caller[: PEAKS // 2]) == {0.5}
    assert set(caller[PEAKS // 2 :]) == {0.0}
    assert set(agent[: PEAKS // 2]) == {0.0}
    assert set(agent[PEAKS // 2 :]) == {0.25}


async def test_a_call_that_goes_on_is_not_drawn(world: World) -> None:
    """Its recording is not finished."""
    assert await world.recordings.waveform(world.records["call_live"]) is None
    assert world.recordings.sound(world.records["call_live"], ANN) is None
