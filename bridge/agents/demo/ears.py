"""When the caller speaks and when they have finished: by energy alone, on the clock of the samples themselves."""

from __future__ import annotations

from enum import Enum
from typing import Final

import numpy as np

FRAME_S: Final = 0.02
THRESHOLD: Final = 0.011  # RMS of full scale (-39 dB): above line noise, below quiet telephone speech
ABOVE_NOISE: Final = 3.0  # and at least so many times (10 dB) the line's own noise
ONSET_FRAMES: Final = 5  # of sound within ONSET_WINDOW, before it counts as speech: a click is one or two
ONSET_WINDOW: Final = 8  # frames: speech has gaps of its own
NOISE_RISE: Final = 1.02  # a frame: the noise estimate follows downwards at once and upwards within a few seconds
NOISE_LEAST: Final = 1e-4  # RMS: digital silence must not hold the estimate at nothing
MAX_UTTERANCE_S: Final = 30.0  # kept for recognition


class Change(Enum):
    """What a frame brought."""

    NONE = "none"
    STARTED = "started"
    ENDED = "ended"


class Ears:
    """Listens to one caller. ``pause``: seconds of silence after which an utterance is over."""

    def __init__(self, rate: int, *, pause: float = 0.6) -> None:
        self.frame_bytes = round(rate * FRAME_S) * 2
        self.utterance = bytearray()  # the sound of the utterance in progress, or of the last one
        self._pause_frames = round(pause / FRAME_S)
        self._limit = int(MAX_UTTERANCE_S / FRAME_S) * self.frame_bytes
        self._noise = THRESHOLD / ABOVE_NOISE
        self._recent: list[bytes] = []
        self._loud: list[bool] = []
        self._quiet = 0
        self.speaking = False

    def hear(self, frame: bytes) -> Change:
        """One frame of ``frame_bytes`` of PCM16."""
        level = float(np.sqrt(np.mean((np.frombuffer(frame, "<i2").astype(np.float64) / 32768) ** 2)))
        loud = level > max(THRESHOLD, self._noise * ABOVE_NOISE)
        if not loud:
            self._noise = max(min(level, self._noise * NOISE_RISE), NOISE_LEAST)
        self._recent = [*self._recent[1 - ONSET_WINDOW :], frame]
        self._loud = [*self._loud[1 - ONSET_WINDOW :], loud]
        if self.speaking:
            return self._go_on(frame, loud=loud)
        if sum(self._loud) < ONSET_FRAMES:
            return Change.NONE
        self.speaking = True
        self._quiet = 0
        self.utterance = bytearray(b"".join(self._recent))
        return Change.STARTED

    def _go_on(self, frame: bytes, *, loud: bool) -> Change:
        if len(self.utterance) < self._limit:
            self.utterance += frame
        self._quiet = 0 if loud else self._quiet + 1
        if self._quiet < self._pause_frames:
            return Change.NONE
        self.speaking = False
        self._loud = []
        return Change.ENDED
