"""Calls recorded to stereo files."""

import asyncio
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest
import soundfile  # type: ignore[import-untyped]

from bridge.call import events as e
from bridge.call.record import CallRecord, Status
from bridge.runtime.recorder import Recorder
from tests.call.stage import record
from tests.runtime.wires import Translator

LOUD, QUIET = b"\x10" * 160, b"\xff" * 160


class Deck:
    """A recorder that runs, on a clock that the test moves."""

    def __init__(self, folder: Path, kind: str = "flac") -> None:
        self.recorder = Recorder(folder, kind)
        self.stream = Translator(loud=[e.PhoneAudio(LOUD), e.PhoneDigit("5")])
        self.task = asyncio.create_task(self.recorder.run())
        self._loop = asyncio.get_running_loop()
        self._time, self._later = self._loop.time, 0.0
        self._loop.time = lambda: self._time() + self._later  # type: ignore[method-assign]

    def passes(self, seconds: float) -> None:
        """So much later."""
        self._later += seconds

    async def stop(self) -> None:
        """The process ends."""
        await asyncio.sleep(0)  # a task that has not begun is not cancelled but dropped
        self.task.cancel()
        await asyncio.wait({self.task})

    async def end(self, call: CallRecord) -> Path:
        """The call is over and its file is whole."""
        self.passes(0.5)
        call.status = Status.COMPLETED
        self.recorder.saved(call)
        await self.stop()
        path = self.recorder.path(call)
        assert path is not None
        return path


@pytest.fixture
async def deck(tmp_path: Path) -> AsyncIterator[Deck]:
    """A recorder."""
    found = Deck(tmp_path / "recordings")
    yield found
    found.task.cancel()
    await asyncio.wait({found.task})


@pytest.mark.parametrize("kind", ["flac", "opus"])
async def test_a_call_is_in_a_file_of_two_sides(tmp_path: Path, kind: str) -> None:
    """By month and id; the record says where, and the file can be played."""
    deck, call = Deck(tmp_path, kind), record()
    tapped = deck.recorder.tap(call, deck.stream)  # type: ignore[arg-type]
    tapped.receive(b"loud")
    tapped.send(e.PlayAudio(LOUD))
    path = await deck.end(call)
    assert path == tmp_path / f"2026-01/call_1.{kind}"
    assert call.recording == {
        "by": "bridge",
        "file": f"2026-01/call_1.{kind}",
        "format": kind,
        "channels": ["caller", "agent"],
    }
    sound, _ = soundfile.read(path)
    assert sound.shape[1] == 2
    assert path.stat().st_mode & 0o007 == 0


async def test_each_side_is_on_its_own_channel(deck: Deck) -> None:
    """The caller left, the agent right."""
    call = record()
    tapped = deck.recorder.tap(call, deck.stream)  # type: ignore[arg-type]
    tapped.receive(b"loud")
    sound, rate = soundfile.read(await deck.end(call))
    assert rate == 8000
    assert np.abs(sound[:, 0]).max() > 0.1
    assert np.abs(sound[:, 1]).max() < 0.01


async def test_a_stream_that_is_recorded_is_the_stream(deck: Deck) -> None:
    """Its events and messages pass unchanged, marks and clears too."""
    tapped = deck.recorder.tap(record(), deck.stream)  # type: ignore[arg-type]
    assert tapped.receive(b"loud") == [e.PhoneAudio(LOUD), e.PhoneDigit("5")]
    orders = (e.PlayAudio(LOUD), e.PlayMark("m"), e.ClearAudio())
    assert [tapped.send(each) for each in orders] == [b"PlayAudio", b"PlayMark", b"ClearAudio"]


async def test_a_recording_ends_with_its_call(deck: Deck) -> None:
    """However late the writer comes to it: no second of silence is added to what was heard."""
    call = record()
    tapped = deck.recorder.tap(call, deck.stream)  # type: ignore[arg-type]
    tapped.receive(b"loud")
    deck.passes(2.0)
    call.status = Status.COMPLETED
    deck.recorder.saved(call)
    deck.passes(60.0)
    await deck.stop()
    path = deck.recorder.path(call)
    assert path is not None
    assert 2.0 <= soundfile.info(path).duration < 3.0


async def test_while_it_is_paused_there_is_silence(deck: Deck) -> None:
    """A card number is not on the tape; a call that is not recorded here cannot be paused."""
    call = record()
    tapped = deck.recorder.tap(call, deck.stream)  # type: ignore[arg-type]
    assert deck.recorder.pause("call_1", paused=True)
    assert not deck.recorder.pause("call_2", paused=True)
    for _ in range(5):
        tapped.receive(b"loud")
    deck.passes(0.5)
    call.status = Status.COMPLETED
    deck.recorder.saved(call)
    await deck.stop()
    path = deck.recorder.path(call)
    assert path is not None
    sound, _ = soundfile.read(path, always_2d=True)
    assert len(sound) > 0
    assert np.abs(sound).max() < 0.01


async def test_a_second_stream_goes_on_with_the_same_file(deck: Deck) -> None:
    """The call's record is not told of another."""
    call = record()
    deck.recorder.tap(call, deck.stream).receive(b"loud")  # type: ignore[arg-type]
    told = call.recording
    deck.recorder.tap(call, deck.stream).receive(b"loud")  # type: ignore[arg-type]
    assert call.recording is told
    assert (await deck.end(call)).is_file()


async def test_what_runs_when_the_process_ends_is_written(deck: Deck) -> None:
    """Calls that are not over, too."""
    call = record()
    deck.recorder.tap(call, deck.stream).receive(b"loud")  # type: ignore[arg-type]
    deck.passes(0.5)
    await deck.stop()
    path = deck.recorder.path(call)
    assert path is not None
    assert soundfile.info(path).frames > 0


@pytest.mark.parametrize("name", ["../../etc/passwd", "/etc/passwd", "2026-01/call_2.flac", "call_1", 7, None])
async def test_only_the_calls_own_file_in_the_folder_is_its_recording(deck: Deck, tmp_path: Path, name: object) -> None:
    """Whatever a record says: nothing outside, nothing of another call, nothing that is not there."""
    other = tmp_path / "recordings" / "2026-01" / "call_2.flac"
    other.parent.mkdir(parents=True)
    other.write_bytes(b"x")
    call = record()
    call.recording = {"file": name}
    assert deck.recorder.path(call) is None
    await deck.recorder.forget(call)
    assert other.exists()


async def test_a_link_that_leads_out_of_the_folder_is_no_recording(deck: Deck, tmp_path: Path) -> None:
    """Nor is it deleted."""
    outside = tmp_path / "call_1.flac"
    outside.write_bytes(b"x")
    folder = tmp_path / "recordings"
    folder.mkdir()
    (folder / "call_1.flac").symlink_to(outside)
    call = record()
    call.recording = {"file": "call_1.flac"}
    assert deck.recorder.path(call) is None


async def test_a_recording_that_is_forgotten_is_gone(tmp_path: Path) -> None:
    """And may be forgotten again."""
    recorder, call = Recorder(tmp_path, "flac"), record()
    call.recording = {"file": "call_1.flac"}
    path = tmp_path / "call_1.flac"
    path.write_bytes(b"x")
    await recorder.forget(call)
    assert not path.exists()
    await recorder.forget(call)


async def test_a_disk_that_fails_is_counted_and_fails_no_call(tmp_path: Path) -> None:
    """The other calls' recordings are written."""
    (tmp_path / "2026-01").write_text("in the way")
    deck = Deck(tmp_path)
    good = record()
    good.call_id, good.created_at = "call_2", good.created_at.replace(month=2)
    for call in (record(), good):
        deck.recorder.tap(call, deck.stream).receive(b"loud")  # type: ignore[arg-type]
    assert (await deck.end(good)).is_file()
    assert deck.recorder.failed == 1


async def test_a_round_that_waits_for_the_disk_when_the_process_ends_is_not_lost(tmp_path: Path) -> None:
    """It was taken off the tape already: it is written behind what the disk is busy with."""
    deck, call, busy = Deck(tmp_path), record(), threading.Event()
    slow = record()
    slow.call_id, slow.recording = "call_2", {"file": "call_2.flac"}
    (tmp_path / "call_2.flac").write_bytes(b"x")
    deck.recorder.path = lambda record: BusyPath(busy)  # type: ignore[method-assign, assignment, return-value]
    forgetting = asyncio.create_task(deck.recorder.forget(slow))
    await asyncio.sleep(0)
    del deck.recorder.path
    deck.recorder.tap(call, deck.stream).receive(b"loud")  # type: ignore[arg-type]
    deck.passes(0.5)
    call.status = Status.COMPLETED
    deck.recorder.saved(call)
    await asyncio.sleep(0)
    deck.task.cancel()
    await asyncio.sleep(0)
    busy.set()
    await asyncio.wait({deck.task, forgetting})
    path = deck.recorder.path(call)
    assert path is not None
    assert soundfile.info(path).frames > 0


class BusyPath:
    """A file on a disk that takes its time."""

    def __init__(self, busy: threading.Event) -> None:
        self._busy = busy

    def unlink(self, *, missing_ok: bool) -> None:
        """When the disk has time."""
        self._busy.wait(5)
