"""Recording, per line: by the bridge, by the carrier, or not at all; and the taps that tell which hop broke the sound."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import structlog

from bridge import settings as config
from bridge.agents.demo.voice import Voice
from bridge.assembly.operations import Operations
from bridge.audio.formats import TELEPHONE, AudioFormat, Encoding
from bridge.audio.transcode import Transcoder
from bridge.call.ports import Agent, PhoneStream
from bridge.call.record import CallRecord
from bridge.carriers.twilio.rest import TwilioRest
from bridge.carriers.twilio.webhooks import RecordingUpdate
from bridge.errors import CarrierFailure
from bridge.runtime.hops import Hops
from bridge.runtime.recorder import Recorder
from bridge.runtime.session import CallSession
from bridge.runtime.switchboard import Switchboard
from bridge.store.calls import Calls
from bridge.web.control import NotNow
from bridge.web.recordings import PAUSE, RESUME, RecordingsApi, Sounds

RATE = 16_000  # Hz, at which announcements are spoken before they become telephone sound

log = structlog.get_logger("bridge.recordings")


class RecordingWing:
    """Made before the first session; ``join`` when the operations are there; ``run`` as a task."""

    def __init__(self, settings: config.Settings, rest: TwilioRest, calls: Calls, switchboard: Switchboard) -> None:
        self.announcements: dict[str, bytes] = {}  # the clip's name -> mu-law
        self.api: RecordingsApi | None = None
        self._settings = settings
        self._rest = rest
        self._calls = calls
        self._switchboard = switchboard
        folder = Path(settings.recording.folder)
        self._recorder = Recorder(folder, settings.recording.format)
        self._hops = Hops(folder / "hops") if settings.record_hops else None

    async def load(self) -> None:
        """Speak the announcements."""
        self.announcements = await self._spoken(self._settings)

    async def _spoken(self, settings: config.Settings) -> dict[str, bytes]:
        wanted = {
            f"announcement {line.number}": line.recording.announcement
            for line in settings.lines
            if line.recording.mode != "off" and line.recording.announcement
        }
        found: dict[str, bytes] = {}
        if not wanted:
            return found
        voice = Voice()
        try:
            for name, words in wanted.items():
                sound = await voice.speak(words, RATE)
                convert = Transcoder(AudioFormat(Encoding.PCM16, RATE), TELEPHONE)
                found[name] = convert.process(sound.pcm) + convert.flush()
        finally:
            await asyncio.to_thread(voice.close)
        return found

    async def prepare_change(self, settings: config.Settings) -> Callable[[], None]:
        """What changes when the configuration is read again, made ready."""
        announcements = await self._spoken(settings)

        def commit() -> None:
            self._settings = settings
            self.announcements = announcements

        return commit

    def join(self, operations: Operations) -> None:
        """Routes, verbs, and what is deleted with a call."""
        self.api = RecordingsApi(Sounds(control=operations.control, path=self._recorder.path))
        operations.api.add(*self.api.endpoints())
        operations.control.verbs[PAUSE] = lambda session, args: self._pause(session, paused=True)
        operations.control.verbs[RESUME] = lambda session, args: self._pause(session, paused=False)
        operations.forgetters += [self._recorder.forget, self._forget_at_carrier]
        if self._hops is not None:
            operations.forgetters.append(self._hops.forget)

    async def run(self) -> None:
        """Write, until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._recorder.run(), name="recorder")
            if self._hops is not None:
                group.create_task(self._hops.run(), name="hops")

    def saved(self, record: CallRecord) -> None:
        """A record has changed."""
        self._recorder.saved(record)
        if self._hops is not None:
            self._hops.saved(record)

    # ------------------------------------------------------------ calls

    def agents(self, agents: Mapping[str, Agent]) -> Mapping[str, Agent]:
        """The same, tapped where every hop is to be kept."""
        hops = self._hops
        return dict(agents) if hops is None else {name: hops.agent(agent) for name, agent in agents.items()}

    def prepare(self, session: CallSession) -> None:
        """A session was made: what the caller is told about recording comes before everything else."""
        name = f"announcement {session.record.line}"
        if name not in self.announcements:
            name = "announcement *"
        if name in self.announcements and self._mode(session.record) != "off":
            session.machine.call.say(name, session.now)

    def attach(self, session: CallSession, stream: PhoneStream) -> PhoneStream:
        """A stream of this call begins: record it as its line wants."""
        record = session.record
        mode = self._mode(record)
        if mode == "carrier" and record.carrier == "twilio" and record.recording is None:
            record.recording = {"by": "carrier", "status": "starting"}
            self._switchboard.spawn(self._start_at_carrier(record), name="start recording")
        elif mode != "off":
            stream = self._recorder.tap(record, stream)
        return stream if self._hops is None else self._hops.phone(record, stream)

    def _mode(self, record: CallRecord) -> str:
        line = self._settings.line_for(record.line)
        return "off" if line is None else line.recording.mode

    async def _pause(self, session: CallSession, *, paused: bool) -> None:
        record = session.record
        if self._recorder.pause(record.call_id, paused=paused):
            pass
        elif (record.recording or {}).get("by") == "carrier" and record.carrier_call_id:
            act = self._rest.pause_recording if paused else self._rest.resume_recording
            await act(record.carrier_call_id)
        else:
            raise NotNow("The call is not recorded.")
        session.machine.call.note("recording_paused" if paused else "recording_resumed", session.now)

    # ------------------------------------------------------------ at the carrier

    async def _start_at_carrier(self, record: CallRecord) -> None:
        url = f"{(self._settings.public_url or '').rstrip('/')}/twilio/recording"
        try:
            recording_id = await self._rest.start_recording(record.carrier_call_id or "", status_callback=url)
            record.recording = {"by": "carrier", "status": "in_progress", "recording_id": recording_id}
        except CarrierFailure as error:
            record.recording = {"by": "carrier", "status": "failed"}
            log.warning("recording_not_started", call_id=record.call_id, error=str(error))

    async def carrier_update(self, update: Any) -> None:
        """``/twilio/recording``: the carrier's recording is there, or is not."""
        assert isinstance(update, RecordingUpdate)
        told = {
            "by": "carrier",
            "status": update.recording_status,
            "recording_id": update.recording_sid,
            "duration_s": update.duration_s,
            "channels": ["caller", "agent"] if update.channels == 2 else ["both"],
        }
        session = self._switchboard.find(update.call_sid)
        if session is not None:
            session.record.recording = told
            return

        def change(record: CallRecord) -> None:
            record.recording = told

        await self._calls.change(update.call_sid, change)

    async def _forget_at_carrier(self, record: CallRecord) -> None:
        recording_id = (record.recording or {}).get("recording_id")
        if isinstance(recording_id, str):
            await self._rest.delete_recording(recording_id)
