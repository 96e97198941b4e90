"""Recordings over HTTP: to hear, to look at, to pause. Who heard what is logged."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import structlog
from starlette.responses import FileResponse, JSONResponse, Response

from bridge.call.record import CallRecord
from bridge.web.access import Visitor
from bridge.web.api.endpoint import Asked, Endpoint, Refused, answer
from bridge.web.control import CallControl, NoSuchCall, NotNow

PAUSE: Final = "pause_recording"
RESUME: Final = "resume_recording"
KINDS: Final = {".flac": "audio/flac", ".opus": "audio/ogg"}
PEAKS: Final = 1600  # of one side's waveform
MAX_AT_ONCE: Final = 2  # waveforms that are computed

log = structlog.get_logger("bridge.recordings")


@dataclass(frozen=True, slots=True)
class Sounds:
    """Where recordings are found. ``path``: None where there is none on this machine."""

    control: CallControl
    path: Callable[[CallRecord], Path | None]


class RecordingsApi:
    """The routes of the operator API, and what the dashboard shows of a recording."""

    def __init__(self, sounds: Sounds) -> None:
        self._sounds = sounds
        self._busy = asyncio.Semaphore(MAX_AT_ONCE)

    def endpoints(self) -> list[Endpoint]:
        """All of them."""
        one = "/calls/{id}/recording"
        return [
            Endpoint("GET", one, self._get),
            Endpoint("POST", f"{one}/pause", self._pause, role="operator"),
            Endpoint("POST", f"{one}/resume", self._resume, role="operator"),
        ]

    def has(self, record: CallRecord) -> bool:
        """The call has ended, and its sound can be played here."""
        return record.status.terminal and self._sounds.path(record) is not None

    def sound(self, record: CallRecord, visitor: Visitor) -> Response | None:
        """The file, whole or the range that was asked for; None where there is none."""
        path = self._sounds.path(record)
        if path is None or not record.status.terminal:
            return None
        log.info("recording_heard", actor=visitor.name, call_id=record.call_id)
        return FileResponse(path, media_type=KINDS[path.suffix], filename=path.name, content_disposition_type="inline")

    async def waveform(self, record: CallRecord) -> Response | None:
        """The peaks of both sides and the length, for a picture."""
        path = self._sounds.path(record)
        if path is None or not record.status.terminal:
            return None
        async with self._busy:
            return JSONResponse(await asyncio.to_thread(_peaks, path))

    async def _get(self, asked: Asked) -> Response:
        record = await self._sounds.control.find(asked.id)
        found = None if record is None else self.sound(record, asked.visitor)
        if found is None:
            raise Refused(
                404,
                "There is no recording of such a call on this instance.",
                "The call's record says who has it (recording, instance); a carrier's is fetched from the carrier.",
            )
        return found

    async def _pause(self, asked: Asked) -> Response:
        return await self._order(asked, PAUSE)

    async def _resume(self, asked: Asked) -> Response:
        return await self._order(asked, RESUME)

    async def _order(self, asked: Asked, verb: str) -> Response:
        try:
            record = await self._sounds.control.order(asked.id, verb)
        except NoSuchCall:
            raise Refused(
                404, "There is no such call.", "Use call_id or carrier_call_id of GET /api/v1/calls."
            ) from None
        except NotNow as error:
            raise Refused(409, str(error), "Look at the call's recording.") from None
        return answer(202, {"call_id": record.call_id, "status": str(record.status)})


def _peaks(path: Path) -> dict[str, object]:
    import numpy as np
    import soundfile  # type: ignore[import-untyped]

    with soundfile.SoundFile(path) as file:
        seconds = file.frames / file.samplerate
        step = max(file.frames // PEAKS, 1)
        peaks = [np.abs(block).max(axis=0) for block in file.blocks(step, dtype="float32", always_2d=True)]
    sides = np.stack(peaks, axis=1) if peaks else np.zeros((2, 1))
    return {"seconds": round(seconds, 3), "peaks": [[round(float(each), 3) for each in side] for side in sides]}
