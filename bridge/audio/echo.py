"""The agent's own sound coming back: what the phone plays now, and how loud its echo may be.

A telephone returns part of what it plays: a hybrid in the network, a loudspeaker beside a microphone. The echo of a
voice is a voice: only its loudness gives it away, so it must be known how loud the agent is.
"""

from __future__ import annotations

import math
from typing import Final

from bridge.audio.level import power
from bridge.audio.loudness import FRAME, QUIETEST, Minimum, decibels

SLOT: Final = 0.02  # s, one frame
BEHIND: Final = 40  # slots: an echo of up to 300 ms, and the way to the phone and back
AHEAD: Final = 5  # slots: the phone may be ahead of our own account
LONGEST: Final = 6500  # slots: 130 s, more than may ever be queued
LEAST_LOSS: Final = 17.0  # dB: the worst lines return a voice 20 dB down; 3 for frames that do not line up
MOST_LOSS: Final = 45.0  # dB: beyond this an echo is below the noise of any line
SLACK: Final = 3.0  # dB that an echo may exceed the loudest one of the last seconds
AUDIBLE: Final = -40.0  # dB: sound below this teaches nothing about its echo


class Downlink:
    """How loud the phone plays at each moment. ``now`` is any clock in seconds that does not jump.

    It plays in real time what it is given, from when it is given: as a carrier that buffers does.
    """

    __slots__ = ("_levels", "_origin", "_rest")

    def __init__(self) -> None:
        self._levels = bytearray()  # dB above QUIETEST, one byte for each 20 ms from _origin on
        self._origin = 0.0
        self._rest = b""

    def queued(self, payload: bytes, now: float) -> None:
        """Mu-law sound of any length went to the phone, behind what was queued before."""
        levels = self._levels
        missing = self._forget(now) - len(levels)
        if missing > 0:
            levels.extend(bytes(missing))
        sound = self._rest + payload if self._rest else payload
        whole = len(sound) // FRAME * FRAME
        for at in range(0, min(whole, max(0, LONGEST - len(levels)) * FRAME), FRAME):
            levels.append(round(decibels(power(sound[at : at + FRAME])) - QUIETEST))
        self._rest = sound[whole:]

    def cleared(self, now: float) -> None:
        """What has not been played yet never will be."""
        self._rest = b""
        del self._levels[max(0, self._slot(now) + 1) :]

    def level(self, now: float) -> float:
        """The loudest 20 ms whose echo may be coming in now, dB below full scale."""
        at = self._slot(now)
        recent = self._levels[max(0, at - BEHIND) : max(0, at + AHEAD)]
        return QUIETEST + max(recent, default=0)

    def _slot(self, now: float) -> int:
        return math.floor((now - self._origin) / SLOT)

    def _forget(self, now: float) -> int:
        """Drop what no echo can be of any more, so that a long call costs no more than a short one: the slot of ``now``."""
        at = self._slot(now)
        old = at - BEHIND
        if old >= len(self._levels):
            self._levels.clear()
            self._origin = now
            return 0
        if old > LONGEST // 4:
            del self._levels[:old]
            self._origin += old * SLOT
            return at - old
        return at


class EchoLoss:
    """How much quieter this line's echo is than what it is the echo of, learned while the agent speaks.

    It starts from the worst line and trusts a better one after two seconds. The last one is not believed yet: a caller
    who begins to speak must not pass for a loud echo. A block is longer than any echo takes to come.
    """

    __slots__ = ("_losses",)

    def __init__(self) -> None:
        self._losses = Minimum(block=50, blocks=5, lag=1)  # 5 s in blocks of 1 s

    def observe(self, heard: float, returned: float) -> None:
        """Both levels of the same 20 ms, in dB: the loudest that the phone played, and what came in."""
        if heard > AUDIBLE:
            self._losses.add(heard - returned)

    def echo(self, heard: float) -> float:
        """How loud the echo of ``heard`` may be, dB."""
        loss = self._losses.value(default=LEAST_LOSS) - SLACK
        return heard - min(max(loss, LEAST_LOSS), MOST_LOSS)
