"""Does the caller speak? Made for one question: is this an interruption of the agent, yes or no, within 400 ms.

A frame of 20 ms counts for speech when all of this holds, cheapest first; what fails one is not asked the next:

1. it is clearly louder than the line's own noise and than any echo of the agent;
2. WebRTC's voice activity detector takes it for speech;
3. it is voiced and is no tone (``voicing.py``).

Enough of them close together are an onset. Time is counted in samples; there is no clock in here.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from bridge.audio.echo import EchoLoss
from bridge.audio.g711 import decode_mulaw
from bridge.audio.level import power
from bridge.audio.loudness import FRAME, QUIETEST, Minimum, decibels, mulaw_samples
from bridge.audio.voicing import Voicing

RATE: Final = 8000  # Hz
QUIET_LINE: Final = -66.0  # dB: no line's noise is taken for less; digital silence ends and the true noise begins
FADE_NOISY: Final = 0.05  # of a frame's evidence that a loud frame without voice takes away: an "s", a "t"
FADE_QUIET: Final = 0.2  # of a frame's evidence that a quiet frame takes away
PAUSE: Final = 25  # frames: after 500 ms without speech it has ended
STRAY: Final = 5  # frames: after 100 ms of nothing an onset was not that of what follows
WARM_UP: Final = (
    10  # frames: the library calls the first 100 ms of any noise speech; it has them before the call begins
)


class Sensitivity(StrEnum):
    """How readily sound counts as speech."""

    LOW = "low"  # noisy places: only firm speech
    MEDIUM = "medium"
    HIGH = "high"  # quiet callers: also a short "no"


@dataclass(frozen=True, slots=True)
class Profile:
    """What a sensitivity means."""

    least: float  # dB below full scale: nothing quieter is speech
    above_noise: float  # dB
    evidence: float  # voiced frames of 20 ms


PROFILES: Final = {
    Sensitivity.LOW: Profile(least=-37, above_noise=15, evidence=4.5),
    Sensitivity.MEDIUM: Profile(least=-40, above_noise=12, evidence=3.5),
    Sensitivity.HIGH: Profile(least=-44, above_noise=10, evidence=2.5),
}


@dataclass(frozen=True, slots=True)
class SpeechStarted:
    """Somebody speaks. Positions are samples since the detector was made."""

    began: int  # where the speech set in, as far as can be told
    at: int  # where that was certain

    @property
    def delay(self) -> float:
        """Seconds from the one to the other."""
        return (self.at - self.began) / RATE


@dataclass(frozen=True, slots=True)
class SpeechEnded:
    """Nobody has spoken for half a second."""

    at: int


class _Vad(Protocol):
    """The part of webrtcvad that is used; it comes without types."""

    def is_speech(self, buf: bytes, sample_rate: int) -> bool: ...


def _vad() -> _Vad:
    import webrtcvad  # type: ignore[import-untyped]

    vad: _Vad = webrtcvad.Vad(2)  # of 0 (lets most pass) to 3: what it lets pass is judged again
    for _ in range(WARM_UP):
        vad.is_speech(bytes(2 * FRAME), RATE)
    return vad


class SpeechDetector:
    """Listens to one caller: mu-law at 8 kHz.

    While the agent's sound is unplayed, ``process`` hears every frame; at all other times ``track`` does, which costs a
    half and only learns how noisy the line is. Changing from one to the other may happen at any frame.
    """

    def __init__(self, sensitivity: Sensitivity | str = Sensitivity.MEDIUM) -> None:
        self._profile = PROFILES[Sensitivity(sensitivity)]
        self._samples = mulaw_samples()
        self._vad = _vad()
        self._voicing = Voicing()
        self._noise = Minimum(block=25, blocks=8)  # 4 s: nobody speaks that long without a gap
        self._smooth = QUIETEST
        self._skipped = b""  # the frame before, where its voice was not judged
        self._echo = EchoLoss()
        self._rest = b""
        self._position = 0
        self.speaking = False
        self._forget()

    @property
    def position(self) -> int:
        """Samples heard so far, by either method."""
        return self._position + len(self._rest)

    def process(self, payload: bytes, heard_level: float = QUIETEST) -> SpeechStarted | SpeechEnded | None:
        """Hear mu-law sound of any length and tell what has changed; of several changes a start is told.

        ``heard_level`` is how loud the agent's sound is that may come back as an echo, in dB below full scale:
        ``Downlink.level``. Without it an echo passes for a caller.
        """
        if len(payload) == FRAME and not self._rest:  # nearly every time
            return self._hear(payload, heard_level)
        told: SpeechStarted | SpeechEnded | None = None
        for frame in self._frames(payload):
            event = self._hear(frame, heard_level)
            if event is not None and not isinstance(told, SpeechStarted):
                told = event
        return told

    def track(self, payload: bytes) -> None:
        """Hear sound only for the noise in it. What was heard before no longer counts: ``reset`` is included."""
        self.reset()
        for frame in self._frames(payload):
            self._position += FRAME
            self._learn(decibels(power(frame)))

    def reset(self) -> None:
        """Listen anew: speech that goes on is told again. What is known of the line is kept."""
        if self.speaking or self._evidence or self._began is not None:
            self._forget()

    def _forget(self) -> None:
        self.speaking = False
        self._evidence = 0.0
        self._began: int | None = None
        self._silent = 0  # frames

    def _frames(self, payload: bytes) -> list[bytes]:
        if not self._rest and len(payload) == FRAME:
            return [payload]
        sound = self._rest + payload
        whole = len(sound) // FRAME * FRAME
        self._rest = sound[whole:]
        return [sound[at : at + FRAME] for at in range(0, whole, FRAME)]

    def _learn(self, level: float) -> None:
        self._smooth += 0.1 * (
            level - self._smooth
        )  # over 200 ms: a room of voices has short pauses, and they are not its level
        self._noise.add(self._smooth)

    def _loud(self, level: float, heard_level: float) -> bool:
        if level <= self._profile.least:  # nearly every frame of a caller who listens
            return False
        noise = max(self._noise.value(default=QUIET_LINE), QUIET_LINE)
        return level > noise + self._profile.above_noise and level > self._echo.echo(heard_level)

    def _hear(self, payload: bytes, heard_level: float) -> SpeechStarted | SpeechEnded | None:
        level = decibels(power(payload))
        loud = self._loud(level, heard_level)
        self._position += FRAME
        self._learn(level)
        self._echo.observe(heard_level, level)
        if not loud or not self._vad.is_speech(decode_mulaw(payload).tobytes(), RATE):
            self._skipped = payload
            return None if self._began is None and not self._evidence else self._quiet()
        if self._began is None:
            self._began = self._position - FRAME
        self._silent = 0
        if self.speaking:
            self._skipped = payload  # known: only silence changes it
            return None
        if self._skipped:
            self._voicing.skip(self._linear(self._skipped))
            self._skipped = b""
        if self._voicing.voiced(self._linear(payload)):
            self._evidence += 1
        else:
            self._evidence = max(0.0, self._evidence - FADE_NOISY)
        if self._evidence < self._profile.evidence:
            return None
        self.speaking = True
        return SpeechStarted(began=self._began, at=self._position)

    def _linear(self, payload: bytes) -> NDArray[np.float32]:
        return self._samples[np.frombuffer(payload, np.uint8)]

    def _quiet(self) -> SpeechEnded | None:
        self._evidence = max(0.0, self._evidence - FADE_QUIET)
        self._silent += 1
        if not self.speaking:
            if self._silent >= STRAY:
                self._began = None
            return None
        if self._silent < PAUSE:
            return None
        self._forget()
        return SpeechEnded(at=self._position)
