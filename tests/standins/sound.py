"""Sound for tests: tones to send, and measures of what arrived. PCM is a one-dimensional int16 array unless said otherwise."""

import re
import wave
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Pcm = NDArray[np.int16]

MULAW_BIAS = 132  # G.711: 33 on the 14-bit scale, here on the 16-bit one
MULAW_CLIP = 32635  # the largest magnitude that still fits below the top segment's end, once biased
MULAW_SILENCE = 0xFF
FULL_SCALE = 32768.0
FORMATS = ("pcm_8000", "pcm_16000", "pcm_22050", "pcm_24000", "pcm_44100", "pcm_48000", "ulaw_8000")


def tone(seconds: float, *, frequency: float = 440.0, rate: int = 8000, level: float = 0.5, start: int = 0) -> Pcm:
    """A sine of peak `level` (1.0 is full scale); `start` is the index of its first sample, so that pieces join."""
    n = np.arange(start, start + round(seconds * rate))
    return np.round(level * 32767 * np.sin(2 * np.pi * frequency * n / rate)).astype(np.int16)


def silence(seconds: float, *, rate: int = 8000) -> Pcm:
    """Digital silence."""
    return np.zeros(round(seconds * rate), np.int16)


def speechlike(seconds: float, *, rate: int = 8000, level: float = 0.5, pitch: float = 120.0, seed: int = 1) -> Pcm:
    """Harmonics of a voice under formants, swelling four times a second: enough to set off a detector of speech."""
    n = np.arange(round(seconds * rate)) / rate
    rng = np.random.default_rng(seed)
    wander = 1 + 0.02 * np.sin(2 * np.pi * 2.3 * n)
    total = np.zeros_like(n)
    for k in range(1, int(min(3400, rate / 2 - 200) / pitch)):
        f = k * pitch
        gain = (
            sum(np.exp(-(((f - centre) / width) ** 2)) for centre, width in ((500, 200), (1500, 300), (2500, 400)))
            + 0.02
        )
        total += gain * np.sin(2 * np.pi * f * n * wander + rng.uniform(0, 2 * np.pi))
    total *= 0.35 + 0.65 * np.abs(np.sin(2 * np.pi * 2.0 * n))
    scaled: Pcm = np.round(total / np.max(np.abs(total), initial=1e-9) * level * 32767).astype(np.int16)
    return scaled


def mulaw_encode(pcm: Pcm) -> bytes:
    """G.711 mu-law by its formula: sign, three bits of segment, four of step, all inverted."""
    x = pcm.astype(np.int32)
    sign = np.where(x < 0, 0x80, 0)
    magnitude = np.minimum(np.abs(x), MULAW_CLIP) + MULAW_BIAS
    segment = np.floor(np.log2(magnitude)).astype(np.int32) - 7
    step = (magnitude >> (segment + 3)) & 0x0F
    return bytes((~(sign | (segment << 4) | step) & 0xFF).astype(np.uint8))


def mulaw_decode(data: bytes) -> Pcm:
    """The inverse, at 8 kHz."""
    code = ~np.frombuffer(data, np.uint8) & 0xFF
    segment = ((code >> 4) & 7).astype(np.int32)
    step = (code & 0x0F).astype(np.int32)
    magnitude = (((step << 3) + MULAW_BIAS) << segment) - MULAW_BIAS
    return np.where(code & 0x80, -magnitude, magnitude).astype(np.int16)


def rate_of(fmt: str) -> int:
    """Samples per second of an announced format such as `pcm_24000`."""
    if fmt not in FORMATS:
        raise ValueError(f"unknown format {fmt!r}")
    return int(fmt.rpartition("_")[2])


def encode(pcm: Pcm, fmt: str) -> bytes:
    """PCM at the format's own rate, as that format's bytes."""
    return mulaw_encode(pcm) if fmt.startswith("ulaw") else pcm.astype("<i2").tobytes()


def decode(data: bytes, fmt: str) -> Pcm:
    """The bytes of a format as PCM at its own rate; a half sample at the end is dropped."""
    if fmt.startswith("ulaw"):
        return mulaw_decode(data)
    return np.frombuffer(data[: len(data) & ~1], "<i2").astype(np.int16)


def read_wav(path: str | Path) -> tuple[Pcm, int]:
    """Mono PCM16 and its rate."""
    with wave.open(str(path), "rb") as f:
        if f.getnchannels() != 1 or f.getsampwidth() != 2:
            raise ValueError(f"{path}: mono PCM16 wanted")
        return np.frombuffer(f.readframes(f.getnframes()), "<i2").astype(np.int16), f.getframerate()


def write_wav(path: str | Path, pcm: Pcm, rate: int) -> None:
    """Mono PCM16."""
    with wave.open(str(path), "wb") as f:
        f.setnchannels(1)
        f.setsampwidth(2)
        f.setframerate(rate)
        f.writeframes(pcm.astype("<i2").tobytes())


@dataclass(frozen=True)
class Sine:
    """The sine that fits a signal best. `level`: peak, 1.0 is full scale; `phase`: radians; `snr_db`: sine over the rest."""

    level: float
    phase: float
    offset: float
    snr_db: float


def fit_sine(pcm: Pcm, frequency: float, rate: int) -> Sine:
    """Least squares of sine, cosine and a constant: what a gain, a delay and an offset cannot spoil, and noise does."""
    x = np.asarray(pcm, np.float64) / FULL_SCALE
    w = 2 * np.pi * frequency * np.arange(len(x)) / rate
    basis = np.stack([np.sin(w), np.cos(w), np.ones_like(w)], axis=1)
    (s, c, d), *_ = np.linalg.lstsq(basis, x, rcond=None)
    rest = x - basis @ np.array([s, c, d])
    noise = float(np.mean(rest**2))
    power = (s * s + c * c) / 2
    snr_db = float(10 * np.log10(max(power, 1e-20) / max(noise, 1e-20)))
    return Sine(level=float(np.hypot(s, c)), phase=float(np.arctan2(c, s)), offset=float(d), snr_db=snr_db)


def frequency_of(pcm: Pcm, rate: int) -> float:
    """The strongest frequency in Hz, by a windowed spectrum and a parabola over its peak."""
    x = np.asarray(pcm, np.float64) * np.hanning(len(pcm))
    spectrum = np.log(np.abs(np.fft.rfft(x, 4 * len(x))) + 1e-12)
    k = int(np.clip(np.argmax(spectrum), 1, len(spectrum) - 2))
    a, b, c = spectrum[k - 1 : k + 2]
    return float((k + (0.5 * (a - c) / (a - 2 * b + c) if a - 2 * b + c else 0.0)) * rate / (4 * len(x)))


def level_db(pcm: Pcm) -> float:
    """RMS in dB below full scale; -200 for digital silence."""
    x = np.asarray(pcm, np.float64) / FULL_SCALE
    return float(10 * np.log10(max(float(np.mean(x**2)) if len(x) else 0.0, 1e-20)))


def align(reference: Pcm, signal: Pcm) -> int:
    """Where in `signal` (samples) `reference` begins, by cross-correlation; negative where it began before."""
    n = 1 << (len(reference) + len(signal)).bit_length()
    spectrum = np.fft.rfft(signal.astype(float), n) * np.conj(np.fft.rfft(reference.astype(float), n))
    lag = int(np.argmax(np.fft.irfft(spectrum, n)))
    return lag - n if lag > n // 2 else lag


def loud_runs(mulaw: bytes, *, join: int = 0) -> list[tuple[int, int]]:
    """Runs (first sample, length) of mu-law that are not silence (0xFF or 0x7F); gaps of up to `join` samples are bridged."""
    pattern = re.compile(rb"[^\xff\x7f](?:[\xff\x7f]{0,%d}[^\xff\x7f])*" % join, re.DOTALL)
    return [(m.start(), m.end() - m.start()) for m in pattern.finditer(mulaw)]
