"""Records calls to stereo files, caller left and agent right, as heard. The sound never waits for the disk."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import structlog

from bridge.audio.g711 import decode_mulaw
from bridge.audio.recording import RATE, Tape
from bridge.call import events as e
from bridge.call.ports import PhoneStream
from bridge.call.record import CallRecord
from bridge.threads import begun

ROUND_S: Final = 1.0
CLOSE_S: Final = 10.0  # for what is not written yet, when the process ends
KINDS: Final = {"flac": ("FLAC", "PCM_16"), "opus": ("OGG", "OPUS")}
SUFFIX: Final = {"flac": ".flac", "opus": ".opus"}

log = structlog.get_logger("bridge.recorder")


class RecordedStream:
    """A carrier's translator that puts what passes through it on a tape."""

    def __init__(self, stream: PhoneStream, tape: Tape, clock: Callable[[], float]) -> None:
        self._stream = stream
        self._tape = tape
        self._clock = clock

    def receive(self, message: bytes) -> Sequence[e.PhoneEvent]:
        """As the stream's own."""
        events = self._stream.receive(message)
        for event in events:
            if type(event) is e.PhoneAudio:
                self._tape.caller(event.payload, self._clock())
        return events

    def send(self, order: e.PhoneOrder) -> bytes:
        """As the stream's own."""
        if type(order) is e.PlayAudio:
            self._tape.agent(order.payload, self._clock())
        elif type(order) is e.ClearAudio:
            self._tape.clear(self._clock())
        return self._stream.send(order)


class Reel:
    """The tape of one call and the file that it goes to. ``append`` and ``close`` run in the writer's thread."""

    def __init__(self, path: Path, kind: str, began: float) -> None:
        self.tape = Tape()
        self.began = began  # on the loop's clock
        self.ended: float | None = None  # when the call was over: the writer may come later
        self.path = path
        self._kind = kind
        self._file: Any = None

    def append(self, caller: bytes, agent: bytes) -> None:
        """Write a piece of both sides. Raises OSError or soundfile's own error."""
        import soundfile  # type: ignore[import-untyped]

        if self._file is None:
            self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o750)
            container, encoding = KINDS[self._kind]
            self._file = soundfile.SoundFile(self.path, "w", RATE, 2, encoding, format=container)
            self.path.chmod(0o640)
        self._file.write(np.stack([decode_mulaw(caller), decode_mulaw(agent)], axis=1))

    def close(self) -> None:
        """The file is whole."""
        if self._file is not None:
            self._file.close()


class Recorder:
    """Every recording of this process. ``folder`` holds a file for each call, by month and the call's id."""

    def __init__(self, folder: Path, kind: str) -> None:
        self.failed = 0  # recordings that could not be written to their end
        self._folder = folder
        self._kind = kind
        self._reels: dict[str, Reel] = {}
        self._ended: list[Reel] = []
        self._work = asyncio.Event()
        self._pool = begun(1, "recorder")

    def tap(self, record: CallRecord, stream: PhoneStream) -> PhoneStream:
        """A stream of this call, from here on recorded; a later stream of the same call goes on with its tape."""
        loop = asyncio.get_running_loop()
        reel = self._reels.get(record.call_id)
        if reel is None:
            name = f"{record.created_at:%Y-%m}/{record.call_id}{SUFFIX[self._kind]}"
            reel = self._reels[record.call_id] = Reel(self._folder / name, self._kind, loop.time())
            record.recording = {"by": "bridge", "file": name, "format": self._kind, "channels": ["caller", "agent"]}
        began = reel.began
        reel.tape.clear(loop.time() - began)  # what a lost stream had not played is sent again over this one
        self._work.set()
        return RecordedStream(stream, reel.tape, lambda: loop.time() - began)

    def pause(self, call_id: str, *, paused: bool) -> bool:
        """Leave silence from now on, or go on; False where this call is not recorded here."""
        reel = self._reels.get(call_id)
        if reel is None:
            return False
        now = asyncio.get_running_loop().time() - reel.began
        (reel.tape.pause if paused else reel.tape.resume)(now)
        return True

    def saved(self, record: CallRecord) -> None:
        """A record has changed: with the call's end its file is finished."""
        if record.status.terminal and (reel := self._reels.pop(record.call_id, None)) is not None:
            reel.ended = asyncio.get_running_loop().time()
            self._ended.append(reel)
            self._work.set()

    def path(self, record: CallRecord) -> Path | None:
        """Where a call's recording is, None where there is none on this machine."""
        name = (record.recording or {}).get("file")
        if not isinstance(name, str):
            return None
        path = (self._folder / name).resolve()
        inside = path.is_relative_to(self._folder.resolve()) and record.call_id in path.name
        return path if inside and path.is_file() else None

    async def forget(self, record: CallRecord) -> None:
        """Delete a call's recording."""
        path = self.path(record)
        if path is not None:
            await asyncio.get_running_loop().run_in_executor(self._pool, lambda: path.unlink(missing_ok=True))
            log.info("recording_deleted", call_id=record.call_id)

    async def run(self) -> None:
        """Write what has come, until cancelled; then what is left."""
        try:
            while True:
                await self._work.wait()
                await self._round()
                if not self._reels and not self._ended:
                    self._work.clear()
                else:
                    await asyncio.sleep(ROUND_S)
        finally:
            self._ended += self._reels.values()
            self._reels.clear()
            try:
                async with asyncio.timeout(CLOSE_S):
                    await self._round()
            except TimeoutError:
                log.warning("recordings_cut")
            self._pool.shutdown(wait=False)

    async def _round(self) -> None:
        loop = asyncio.get_running_loop()
        ended, self._ended = self._ended, []
        work = [
            (reel, *reel.tape.take((reel.ended or loop.time()) - reel.began, all_=reel in ended), reel in ended)
            for reel in [*self._reels.values(), *ended]
        ]
        writing = loop.run_in_executor(self._pool, _write, work)
        writing.add_done_callback(self._written)
        # Not cancelled with us: what was taken off the tapes is nowhere else, and the pool may not have begun with it.
        await asyncio.shield(writing)

    def _written(self, done: asyncio.Future[int]) -> None:
        if not done.cancelled() and done.exception() is None:
            self.failed += done.result()


def _write(work: list[tuple[Reel, bytes, bytes, bool]]) -> int:
    failed = 0
    for reel, caller, agent, last in work:
        try:
            if caller:
                reel.append(caller, agent)
            if last:
                reel.close()
        except (OSError, RuntimeError, ValueError) as error:  # the disk, or the library (its errors are RuntimeErrors)
            failed += 1
            log.warning("recording_failed", call_id=reel.path.stem, error=f"{type(error).__name__}: {error}"[:200])
    return failed
