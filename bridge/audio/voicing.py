"""Is this a voice? Vocal cords repeat; breath, coughs, clicks and line noise do not; tones repeat without ever changing.

Three measures of a 32 ms window, all from one spectrum:

* how well it repeats at some pitch of 70 to 333 Hz: the normalised autocorrelation, corrected for the window (after
  P. Boersma, "Accurate short-term analysis of the fundamental frequency", IFA Proceedings 17, 1993);
* how much of it lies in its two strongest partials: a keypad tone (ITU-T Q.23) and the tones of call progress are
  nothing else, a vowel is more;
* how much its spectrum and its loudness have changed in 20 and in 40 ms: held tones, chords and mains hum do not change.
"""

from __future__ import annotations

from functools import cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from bridge.audio.loudness import FRAME

Spectrum = NDArray[np.float32]

RATE: Final = 8000  # Hz
WINDOW: Final = 256  # samples: two periods of the deepest voice
SIZE: Final = 512  # of the transform: room for the autocorrelation not to wrap
LOWEST, HIGHEST = 13, 224  # bins: 203 to 3484 Hz, what a telephone carries
SHORTEST, LONGEST = 24, 115  # lags in samples: 333 to 70 Hz
LOBE: Final = 4  # bins to each side of a partial that are still it: the window's main lobe

REPEATS: Final = 0.6  # noise and coughs stay below in 99 frames of 100, vowels are above 0.8
TONAL: Final = 0.95  # of the energy in two partials: keypad tones 0.99 and more, vowels rarely over 0.9
KEYED: Final = 0.7  # of the energy in the two tones of a key, the rest being noise
KEY_LOW = frozenset({44, 45, 49, 50, 54, 55, 60, 61})  # bins of 697, 770, 852 and 941 Hz, ITU-T Q.23
KEY_HIGH = frozenset({77, 78, 85, 86, 94, 95, 104, 105})  # bins of 1209, 1336, 1477 and 1633 Hz
SWELL: Final = 1.6  # of the energy in 20 ms, 2 dB: syllables swell and fade, what is held does not
STEADY: Final = 0.03  # change of the spectrum's shape, 0 to 1: tones 0.00, vowels 0.03 and more


@cache
def _shape() -> NDArray[np.float32]:
    return np.asarray(np.hanning(WINDOW + 2)[1:-1], np.float32)


@cache
def _lags() -> NDArray[np.float32]:
    """Power at each bin -> autocorrelation at each lag, undoing what the window does to it: (bins, lags)."""
    own = np.fft.irfft(np.square(np.abs(np.fft.rfft(_shape(), SIZE))))
    lags = np.arange(SHORTEST, LONGEST + 1)
    bins = np.arange(LOWEST, HIGHEST + 1)
    return np.asarray(np.cos(2 * np.pi * np.outer(bins, lags) / SIZE) / (own[lags] / own[0]), np.float32)


class Voicing:
    """Tells the voiced frames of one line's sound. It remembers the two frames before."""

    __slots__ = ("_before", "_earlier", "_lags", "_shape", "_spectrum")

    def __init__(self) -> None:
        self._before = np.zeros(WINDOW - FRAME, np.float32)
        self._spectrum: Spectrum | None = None
        self._earlier: Spectrum | None = None
        self._shape = _shape()
        self._lags = _lags()

    def skip(self, frame: NDArray[np.float32]) -> None:
        """A frame that need not be judged."""
        self._before = frame[2 * FRAME - WINDOW :]
        self._earlier = self._spectrum = None

    def voiced(self, frame: NDArray[np.float32]) -> bool:
        """True for a frame of 160 samples in which somebody's voice sounds."""
        window = np.concatenate((self._before, frame))
        window *= self._shape
        bins = np.fft.rfft(window, SIZE)[LOWEST : HIGHEST + 1]
        power = np.asarray(bins.real**2 + bins.imag**2, np.float32)
        earlier, before = self._earlier, self._spectrum
        self._earlier, self._spectrum = before, power
        self._before = frame[2 * FRAME - WINDOW :]
        energy = float(power.sum())
        if energy <= 0 or float((power @ self._lags).max()) < REPEATS * energy:
            return False
        return not (self._steady(power, before) or self._steady(power, earlier) or self._tonal(power, energy))

    def _steady(self, power: Spectrum, before: Spectrum | None) -> bool:
        """The shape is that of an earlier frame, and the loudness nearly."""
        if before is None:
            return False
        now, then = float(power.sum()), float(before.sum())
        if not then / SWELL < now < then * SWELL:
            return False
        return float(np.sqrt(power * before).sum()) > (1 - STEADY) * float(np.sqrt(now * then))

    def _tonal(self, power: Spectrum, energy: float) -> bool:
        """Next to nothing is left without the two strongest partials; or little, and they are those of a key."""
        rest = power.copy()
        peaks = set()
        for _ in range(2):
            peak = int(rest.argmax())
            peaks.add(peak + LOWEST)
            rest[max(0, peak - LOBE) : peak + LOBE + 1] = 0
        keyed = not (peaks.isdisjoint(KEY_LOW) or peaks.isdisjoint(KEY_HIGH))
        return float(rest.sum()) < (1 - (KEYED if keyed else TONAL)) * energy
