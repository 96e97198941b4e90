"""The caller's ear and mouth on one sample clock, and the latencies between them. Pure: a tick is 20 ms."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Final

import numpy as np

from bridge.audio.sound import from_mulaw
from bridge.phone.playout import FRAME, SILENCE, Playout
from bridge.phone.report import Kind, Moment, PhoneReport

TICK_S: Final = 0.02
LOUD: Final = 0.0056  # RMS of full scale (-45 dB): well above mu-law's idle noise, below any speech
ONSET: Final = 2  # loud frames within four, before something counts as heard
QUIET_TICKS: Final = 25  # 0.5 s: longer than the pauses within a sentence


class Handset:
    """Hears what ``playout`` plays and says what ``say`` queues; tells ``watch`` of what happens."""

    def __init__(self, report: PhoneReport, watch: Callable[[Moment], None]) -> None:
        self.playout = Playout()
        self.ticks = 0
        self.agent_speaks = False
        self.agent_turns = 0  # onsets so far
        self._report = report
        self._watch = watch
        self._heard = bytearray()
        self._mouth: deque[bytes] = deque()
        self._power = from_mulaw(bytes(range(256))).samples ** 2
        self._loud: deque[int] = deque(maxlen=ONSET)  # ticks of the agent's latest loud frames
        self._last_loud = -1
        self._onset = 0
        self._stream_tick: int | None = None  # of a stream whose first word is still to come
        self._caller_onset: int | None = None
        self._caller_last: int | None = None  # last loud frame of ours that has had no response
        self._over_agent: int | None = None  # onset of ours that was spoken over the agent

    @property
    def now(self) -> float:
        """Seconds on the sample clock."""
        return self.ticks * TICK_S

    @property
    def heard(self) -> bytes:
        """All that the caller has heard, mu-law."""
        return bytes(self._heard)

    @property
    def talking(self) -> bool:
        """Something of ours is still to be said."""
        return bool(self._mouth)

    @property
    def quiet_s(self) -> float:
        """How long the agent has been silent."""
        return (self.ticks - self._last_loud - 1) * TICK_S

    def note(self, kind: Kind, text: str = "", ms: float | None = None, at: float | None = None) -> None:
        """Something happened, now or at another time on the clock."""
        moment = Moment(self.now if at is None else at, kind, text, None if ms is None else round(ms, 1))
        self._report.moments.append(moment)
        self._watch(moment)

    def say(self, mulaw: bytes, text: str = "") -> None:
        """Speak this, behind what is still to be said."""
        frames = [mulaw[at : at + FRAME].ljust(FRAME, SILENCE) for at in range(0, len(mulaw), FRAME)]
        self._mouth.extend(frames)
        self._caller_onset = None
        self.note(Kind.CALLER_SPEAKS, f'"{text}"' if text else f"speaks for {len(frames) * TICK_S:.1f} s")

    def connected(self) -> None:
        """A media stream has started: the next sound is its first word."""
        self._stream_tick = self.ticks

    def clear(self) -> list[str]:
        """The bridge wants silence; the marks to send back."""
        playing = self.playout.queued > 0
        marks = self.playout.clear()
        self._report.clears += 1
        if playing and self._over_agent is not None:
            ms = (self.ticks - self._over_agent) * TICK_S * 1000
            self._report.interruption_ms.append(round(ms, 1))
            self.note(Kind.INTERRUPTION, f"agent silent {ms:.0f} ms after the caller's first sound", ms)
        self._agent_stops()
        return marks

    def tick(self) -> tuple[bytes, list[str]]:
        """20 ms pass: the frame that the caller says (mu-law) and the marks that were reached."""
        frame, marks = self.playout.tick()
        self._heard += frame
        self._listen(frame)
        said = self._mouth.popleft() if self._mouth else SILENCE * FRAME
        self._speak(said)
        self.ticks += 1
        return said, marks

    def _is_loud(self, frame: bytes) -> bool:
        return float(np.mean(self._power[np.frombuffer(frame, np.uint8)])) > LOUD**2

    def _listen(self, frame: bytes) -> None:
        if self._is_loud(frame):
            self._last_loud = self.ticks
            self._loud.append(self.ticks)
            if not self.agent_speaks and len(self._loud) == ONSET and self._loud[-1] - self._loud[0] < 4:
                self._agent_starts(self._loud[0])
        elif self.ticks - self._last_loud >= QUIET_TICKS:
            self._agent_stops()

    def _agent_stops(self) -> None:
        self._loud.clear()
        self._over_agent = None
        if self.agent_speaks:
            self.agent_speaks = False
            seconds = (self._last_loud + 1 - self._onset) * TICK_S
            self.note(
                Kind.AGENT_QUIET, f"agent spoke for {seconds:.1f} s", seconds * 1000, (self._last_loud + 1) * TICK_S
            )

    def _agent_starts(self, onset: int) -> None:
        self.agent_speaks = True
        self.agent_turns += 1
        self._onset = onset
        text, ms = "agent speaks", None
        if self._stream_tick is not None:
            ms = (onset - self._stream_tick) * TICK_S * 1000
            text = f"agent speaks, {ms:.0f} ms after the stream's start"
            if self._report.first_word_ms is None:
                self._report.first_word_ms = round(ms, 1)
        elif self._caller_last is not None and not self._mouth:
            ms = (onset - self._caller_last - 1) * TICK_S * 1000
            text = f"agent answers, {ms:.0f} ms after the caller's last sound"
            self._report.response_ms.append(round(ms, 1))
        self._stream_tick = self._caller_last = None
        self.note(Kind.AGENT_SPEAKS, text, ms, onset * TICK_S)

    def _speak(self, frame: bytes) -> None:
        if not self._is_loud(frame):
            return
        self._caller_last = self.ticks
        if self._caller_onset is None:
            self._caller_onset = self.ticks
            if self.agent_speaks and self.playout.queued:
                self._over_agent = self.ticks
