"""Streaming sample-rate conversion: one polyphase FIR filter for each pair of rates, delay at most 2 ms.

The filter is a Kaiser-windowed sinc that spans SPAN periods of the lower rate, cut off in the middle of what that rate
can hold. Against 8 kHz: flat to 3.4 kHz, closed from 4.6 kHz on; what is between is the telephone's own guard band,
where a steeper filter would have to be a longer one, and its delay with it. Taps are whole numbers, so that every
implementation gives the same samples.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from math import ceil, gcd
from typing import Final

import numpy as np
import numpy.typing as npt

from bridge.audio.g711 import Samples

SPAN: Final = 32  # periods of the lower rate: 4 ms at 8 kHz, hence 2 ms of delay
BETA: Final = 7.4  # Kaiser: 75 dB of rejection before the taps are rounded, 66 dB after in the worst pair (48 to 8 kHz)
ALIGN: Final = 16  # taps for one output are padded to a multiple: a vector unit then has no remainder to care for
BLOCK: Final = 4096  # samples that numpy takes at once: every one of them costs a row of ``width`` numbers


@dataclass(frozen=True, slots=True, eq=False)
class Filter:
    """The filter between two rates. Shared and read-only; state lives in whoever runs it.

    Output ``n`` is ``(sum(taps[p] * x[i - width + 1 : i + 1]) + half) >> shift`` with ``i, p = divmod(n * down, up)``,
    clipped to 16 bits; no such sum leaves 32 bits.
    """

    up: int  # outputs for every ``down`` inputs
    down: int
    taps: npt.NDArray[np.int16]  # shape (up, width): one row a phase, oldest input first
    shift: int  # taps are in steps of 2**-shift
    tail: int  # input samples that the filter remembers: as many zeros push out all of them
    span: int  # length in samples of the higher rate
    delay: float  # seconds, the same at every frequency

    @property
    def width(self) -> int:
        """Inputs that make one output, padding included."""
        return int(self.taps.shape[1])


@cache
def design(source: int, target: int) -> Filter:
    """The filter from one rate to another, both in Hz. Equal rates give a single tap of 1 and no delay."""
    common = gcd(source, target)
    up, down = target // common, source // common
    steps = max(up, down)  # of the common grid to one period of the lower rate
    length = SPAN * steps if up != down else 1
    grid = np.arange(length) - (length - 1) / 2
    prototype = np.sinc(grid / steps) * np.kaiser(length, BETA)

    reach = ceil(length / up)
    phases = np.zeros(reach * up)
    phases[:length] = prototype
    rows = phases.reshape(reach, up).T
    rows = rows / rows.sum(axis=1, keepdims=True)  # each phase alone passes a constant unchanged
    width = ceil(reach / ALIGN) * ALIGN
    shift = _shift(rows)
    taps = np.zeros((up, width), np.int16)
    taps[:, width - reach :] = _rounded(rows, shift)[:, ::-1]
    taps.setflags(write=False)
    return Filter(
        up=up,
        down=down,
        taps=taps,
        shift=shift,
        tail=reach - 1,
        span=round(length / min(up, down)),
        delay=(length - 1) / 2 / (up * source),
    )


def _rounded(rows: npt.NDArray[np.float64], shift: int) -> npt.NDArray[np.float64]:
    whole: npt.NDArray[np.float64] = np.rint(rows * 2**shift)
    largest = whole.argmax(axis=1)
    # a constant must stay constant: phases that differ by one step would hum at the lower rate
    whole[np.arange(len(whole)), largest] += 2**shift - whole.sum(axis=1)
    return whole


def _shift(rows: npt.NDArray[np.float64]) -> int:
    """The finest step at which taps fit 16 bits and sums of full-scale samples 32."""
    for shift in (15, 14):
        whole = _rounded(rows, shift)
        if whole.max() < 2**15 and np.abs(whole).sum(axis=1).max() * 2**15 + 2 ** (shift - 1) < 2**31:
            return shift
    return 13


class Resampler:
    """Runs a filter over a stream of int16 samples, in numpy. Any chunk size; no sample is withheld or lost."""

    __slots__ = ("_filter", "_history", "_next")

    def __init__(self, filter_: Filter) -> None:
        self._filter = filter_
        self._history: npt.NDArray[np.float64] = np.zeros(filter_.width - 1)  # the last inputs, oldest first
        self._next = 0  # of the next output, in steps of 1/up of an input, counted from the next input

    def process(self, samples: Samples) -> Samples:
        """All the samples that these make: after n in all, ``ceil(n * up / down)`` have come out."""
        if len(samples) > BLOCK:
            return np.concatenate([self._block(samples[i : i + BLOCK]) for i in range(0, len(samples), BLOCK)])
        return self._block(samples)

    def _block(self, samples: Samples) -> Samples:
        bank, start, end = self._filter, self._next, len(samples) * self._filter.up
        work: npt.NDArray[np.float64] = np.concatenate((self._history, samples), dtype=np.float64)
        self._history = work[len(samples) :].copy()
        count = len(range(start, end, bank.down))
        self._next += count * bank.down - end
        if not count:
            return np.empty(0, np.int16)
        # float64 holds these whole numbers exactly, and multiplies them far faster than numpy's integers
        if bank.down == 1:
            sums = _windows(work, bank.width, 0, 1, len(samples)).dot(_columns(bank)).ravel()
        elif bank.up == 1:
            sums = _windows(work, bank.width, start, bank.down, count).dot(_columns(bank)).ravel()
        else:
            inputs, phases = np.divmod(np.arange(start, end, bank.down), bank.up)
            windows = _windows(work, bank.width, 0, 1, len(samples))
            sums = np.einsum("ij,ij->i", windows[inputs], bank.taps[phases], dtype=np.float64)
        rounded = (sums.astype(np.int32) + (1 << (bank.shift - 1))) >> bank.shift
        clipped: npt.NDArray[np.int32] = np.minimum(np.maximum(rounded, -32768), 32767)
        return clipped.astype(np.int16)

    def flush(self) -> Samples:
        """The rest of what the filter holds, followed by nothing: silence is put in its place."""
        return self.process(np.zeros(self._filter.tail, np.int16))

    def reset(self) -> None:
        """Forget every sample: only where what was played is thrown away."""
        self._history = np.zeros(self._filter.width - 1)
        self._next = 0


def _windows(work: npt.NDArray[np.float64], width: int, first: int, step: int, count: int) -> npt.NDArray[np.float64]:
    """``count`` overlapping rows, without a copy: shape (count, width). numpy's own sliding window costs 9 us a call."""
    size = work.itemsize
    return np.ndarray((count, width), np.float64, work, first * size, (step * size, size))


@cache
def _columns(bank: Filter) -> npt.NDArray[np.float64]:
    return np.ascontiguousarray(bank.taps.T, np.float64)
