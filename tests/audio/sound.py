"""Tones and how to measure them, for the tests of sound. Imports nothing from the bridge."""

import numpy as np
import numpy.typing as npt


def tone(frequency: float, rate: int, seconds: float = 1.0, peak: float = 16000.0) -> npt.NDArray[np.int16]:
    """A sine as int16 samples."""
    time = np.arange(round(rate * seconds)) / rate
    return np.rint(peak * np.sin(2 * np.pi * frequency * time)).astype(np.int16)


def amplitude(sound: npt.NDArray[np.int16], frequency: float, rate: int) -> float:
    """The peak of the sine at one frequency, least squares over all but the first and last 50 ms."""
    edge = rate // 20
    samples = sound[edge:-edge].astype(np.float64)
    angle = 2 * np.pi * frequency * np.arange(edge, edge + len(samples)) / rate
    window = np.hanning(len(samples))  # else a louder tone beside it leaks in at -70 dB
    basis = np.stack([np.sin(angle) * window, np.cos(angle) * window], axis=1)
    fit, *_ = np.linalg.lstsq(basis, samples * window, rcond=None)
    return float(np.hypot(*fit))


def noise_ratio(sound: npt.NDArray[np.int16], frequency: float, rate: int) -> float:
    """Signal to everything else, in dB."""
    edge = rate // 20
    samples = sound[edge:-edge].astype(np.float64)
    angle = 2 * np.pi * frequency * np.arange(len(samples)) / rate
    basis = np.stack([np.sin(angle), np.cos(angle)], axis=1)
    fit, *_ = np.linalg.lstsq(basis, samples, rcond=None)
    signal = basis @ fit
    return float(10 * np.log10(np.mean(signal**2) / np.mean((samples - signal) ** 2)))


def db(ratio: float) -> float:
    """An amplitude ratio in dB."""
    return float(20 * np.log10(max(ratio, 1e-9)))
