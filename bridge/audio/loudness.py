"""How loud telephone sound is, and how quiet it gets between words."""

from __future__ import annotations

from functools import cache
from math import inf, log10
from typing import Final

import numpy as np
from numpy.typing import NDArray

from bridge.audio.g711 import mulaw_values

FRAME: Final = 160  # samples of 20 ms at 8 kHz
QUIETEST: Final = -96.0  # dB below full scale: one step of 16 bits, and what digital silence is taken for
FULL_POWER: Final = 32768.0**2  # mean square of a square wave at full scale


@cache
def mulaw_samples() -> NDArray[np.float32]:
    """``g711.mulaw_values`` as float32, for arithmetic that must not overflow: shape (256,), read-only."""
    values = mulaw_values().astype(np.float32)
    values.flags.writeable = False
    return values


def decibels(power: float) -> float:
    """Mean square of 16-bit samples as dB below full scale, at least QUIETEST."""
    if power <= 0:
        return QUIETEST
    level = 10 * log10(power / FULL_POWER)
    return max(QUIETEST, level)


class Minimum:
    """The least value of the last few seconds, without keeping them: of each block of values only its least one.

    ``lag`` blocks that are complete are not yet believed: what has just begun does not move the answer.
    """

    __slots__ = ("_block", "_blocks", "_count", "_kept", "_lag", "_least")

    def __init__(self, *, block: int, blocks: int, lag: int = 0) -> None:
        self._block = block  # values
        self._kept = blocks + lag
        self._lag = lag
        self._blocks: list[float] = []
        self._least = inf
        self._count = 0

    def add(self, value: float) -> None:
        """One more value."""
        if value < self._least:
            self._least = value
        self._count += 1
        if self._count == self._block:
            self._blocks.append(self._least)
            del self._blocks[: -self._kept]
            self._least = inf
            self._count = 0

    def value(self, default: float) -> float:
        """The least of the blocks that count; ``default`` until there is one."""
        counted = self._blocks[: -self._lag] if self._lag else self._blocks
        return min(counted, default=default)
