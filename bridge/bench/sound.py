"""Sound that says which frame it is: what comes out of a bridge is recognised, byte for byte, in one look-up.

Frame ``n`` of a side holds its number (modulo PERIOD) as five steps of four levels. What a bridge that loses nothing
must make of it is computed beforehand with the bridge's own Transcoder, over the whole period: a frame that is not in
the book has lost, gained or changed samples somewhere. Such a frame is read by its levels, so that its number still
tells whether frames were lost.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from typing import Final

import numpy as np
import pybase64

from bridge.audio.formats import TELEPHONE, AudioFormat, Encoding
from bridge.audio.g711 import decode_mulaw, encode_mulaw
from bridge.audio.transcode import Transcoder

PERIOD: Final = 1024  # frames, 20.48 s: as many as five steps of four levels can number
STEPS: Final = 5
STEP: Final = 28  # samples at 8 kHz; the frame's last 20 are silent, so that the filter's delay fits in
LOUD: Final = (-12000, -4000, 4000, 12000)  # the agent's levels; far apart: a filter rings by a tenth of a step
QUIET: Final = (-120, -40, 40, 120)  # the caller's: -45 dB, below any speech, so that it interrupts nobody
FRAME_S: Final = 0.02
DELAY: Final = 16  # samples at 8 kHz, the filter's


@dataclass(frozen=True, slots=True)
class Book:
    """One direction: what is sent, as base64, and which frame each base64 that may come out is."""

    source: AudioFormat
    target: AudioFormat
    levels: tuple[int, ...]
    sent: tuple[bytes, ...]
    known: dict[bytes, int] = field(repr=False)

    def number(self, payload: bytes) -> int | None:
        """Which frame a changed one was, by its levels; None where they cannot be read."""
        try:
            data = pybase64.b64decode(payload, validate=True)
        except ValueError:
            return None
        samples = _samples(data, self.target)
        if len(samples) != self.target.rate // 50:
            return None
        levels = np.array(self.levels)
        for delay in (DELAY, 0):  # other bridges have other filters, or none
            at = (np.arange(STEPS) * STEP + STEP // 2 + delay) * self.target.rate // 8000
            digits = np.abs(samples[at].astype(np.int32)[:, None] - levels).argmin(axis=1)
            off = np.abs(samples[at] - levels[digits]).max()
            if off <= self.levels[-1] / 4:
                return int((digits * len(levels) ** np.arange(STEPS)).sum())
        return None


@cache
def book(source: AudioFormat, target: AudioFormat, levels: tuple[int, ...]) -> Book:
    """The frames of one direction."""
    frames = [_frame(number, source, levels) for number in range(PERIOD)]
    transcoder = Transcoder(source, target)
    made: list[bytes] = []
    for _lap in range(2):  # the second one follows on what a call in progress leaves in the filter
        made = [transcoder.process(frame) for frame in frames]
    known = {pybase64.b64encode(frame): number for number, frame in enumerate(made)}
    # The first frame of a call follows on silence.
    known[pybase64.b64encode(Transcoder(source, target).process(frames[0]))] = 0
    return Book(source, target, levels, tuple(pybase64.b64encode(frame) for frame in frames), known)


def uplink(ear: AudioFormat) -> Book:
    """The caller's sound, as an agent that hears ``ear`` gets it."""
    return book(TELEPHONE, ear, QUIET)


def downlink(voice: AudioFormat) -> Book:
    """The agent's sound, as the caller gets it."""
    return book(voice, TELEPHONE, LOUD)


def _frame(number: int, format_: AudioFormat, levels: tuple[int, ...]) -> bytes:
    factor = format_.rate // 8000
    digits = [number // len(levels) ** place % len(levels) for place in range(STEPS)]
    samples = np.zeros(160 * factor, np.int16)
    samples[: STEPS * STEP * factor] = np.repeat(np.array(levels, np.int16)[digits], STEP * factor)
    return samples.astype("<i2").tobytes() if format_.encoding is Encoding.PCM16 else encode_mulaw(samples)


def _samples(data: bytes, format_: AudioFormat) -> np.ndarray[tuple[int, ...], np.dtype[np.int16]]:
    if format_.encoding is Encoding.PCM16:
        return np.frombuffer(data[: len(data) // 2 * 2], "<i2").astype(np.int16)
    return decode_mulaw(data)
