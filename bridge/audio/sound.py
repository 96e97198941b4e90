"""A whole sound in memory (a prompt, a phrase, a file), as opposed to the streams of a call, which ``transcode`` converts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import gcd
from typing import Final

import numpy as np
import numpy.typing as npt

from bridge.audio.formats import TELEPHONE
from bridge.audio.g711 import decode_mulaw, encode_mulaw

FULL_SCALE: Final = 32768.0  # of PCM16
ZERO_CROSSINGS: Final = 24  # of the resampling kernel on each side: 70 dB down within a tenth of the band
BETA: Final = 7.0  # Kaiser window: stop band about -70 dB
CUTOFF: Final = 0.92  # of the lower Nyquist frequency, so that the transition ends before it
BANK: Final = 1 << 18  # half the taps that are held at once (4 MB): bounds the memory that a long file takes
VOICED_DB: Final = 30.0  # frames within this of the loudest count towards the level; pauses do not

Samples = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Sound:
    """Mono PCM16, little-endian, at ``rate`` Hz."""

    pcm: bytes
    rate: int

    @property
    def seconds(self) -> float:
        """How long it sounds."""
        return len(self.pcm) / 2 / self.rate

    @property
    def samples(self) -> Samples:
        """As float64, full scale 1.0."""
        return np.frombuffer(self.pcm, dtype="<i2").astype(np.float64) / FULL_SCALE

    @property
    def level(self) -> float:
        """RMS of the 20 ms frames that hold sound, in dB below full scale; -inf for silence."""
        size = max(self.rate // 50, 1)
        samples = self.samples
        whole = (
            samples[: samples.size // size * size]
            if samples.size >= size
            else np.pad(samples, (0, size - samples.size))
        )
        power = np.mean(whole.reshape(-1, size) ** 2, axis=1)
        if not power.size or power.max() <= 0:
            return float("-inf")
        voiced = power[power > power.max() * 10 ** (-VOICED_DB / 10)]
        return float(10 * np.log10(np.mean(voiced)))

    def at(self, rate: int) -> Sound:
        """The same sound at another rate; ``len * rate / self.rate`` samples, rounded."""
        return self if rate == self.rate else from_samples(resample(self.samples, self.rate, rate), rate)

    def at_level(self, dbfs: float) -> Sound:
        """The same sound with its level set; peaks that would pass full scale are rounded off, not cut."""
        now = self.level
        if now == float("-inf"):
            return self
        return from_samples(soft_limit(self.samples * 10 ** ((dbfs - now) / 20)), self.rate)

    def mulaw(self) -> bytes:
        """As the telephone has it: G.711 mu-law at 8 kHz, one byte a sample."""
        return encode_mulaw(np.frombuffer(self.at(TELEPHONE.rate).pcm, dtype="<i2"))


def from_samples(samples: Samples, rate: int) -> Sound:
    """A sound of float samples, full scale 1.0; what lies beyond is clipped."""
    scaled = np.clip(np.rint(samples * FULL_SCALE), -FULL_SCALE, FULL_SCALE - 1)
    return Sound(scaled.astype("<i2").tobytes(), rate)


def from_mulaw(payload: bytes) -> Sound:
    """The sound of G.711 mu-law bytes at 8 kHz."""
    return Sound(decode_mulaw(payload).astype("<i2").tobytes(), TELEPHONE.rate)


def silence(seconds: float, rate: int) -> Sound:
    """Nothing, for so long."""
    return Sound(bytes(2 * round(seconds * rate)), rate)


def soft_limit(samples: Samples, *, knee: float = 0.7) -> Samples:
    """Leave what is below ``knee`` alone and bend what is above towards full scale."""
    size = np.abs(samples)
    bent = knee + (1 - knee) * np.tanh((size - knee) / (1 - knee))
    return np.where(size <= knee, samples, np.sign(samples) * bent)


def resample(samples: Samples, source: int, target: int) -> Samples:
    """Windowed-sinc interpolation between any two rates in Hz. For whole sounds: it looks ahead, and costs accordingly."""
    if samples.size == 0 or source == target:
        return samples
    return np.concatenate(list(_blocks(samples, source, target)))


def _blocks(samples: Samples, source: int, target: int) -> Iterator[Samples]:
    band = CUTOFF * min(1.0, target / source)  # in units of the source's Nyquist frequency
    reach = int(np.ceil(ZERO_CROSSINGS / band))
    up, down = target // gcd(source, target), source // gcd(source, target)
    bank = _kernel(np.arange(up) / up, band, reach) if up * reach <= BANK else None
    padded = np.pad(samples, reach)
    offsets = np.arange(1, 2 * reach + 1)
    total, step = round(samples.size * target / source), max(BANK // reach, 1)
    for start in range(0, total, step):
        where = np.arange(start, min(start + step, total)) * down
        whole, phase = np.minimum(where // up, samples.size - 1), where % up
        kernel = _kernel(phase / up, band, reach) if bank is None else bank[phase]
        yield np.einsum("ij,ij->i", padded[whole[:, None] + offsets[None, :]], kernel)


def _kernel(fraction: Samples, band: float, reach: int) -> Samples:
    """One row of 2 * reach taps for each place between two samples."""
    distance = np.arange(-reach + 1, reach + 1)[None, :] - fraction[:, None]
    window = np.i0(BETA * np.sqrt(np.clip(1 - (distance / reach) ** 2, 0, None))) / np.i0(BETA)
    taps: Samples = band * np.sinc(band * distance) * window
    return taps
