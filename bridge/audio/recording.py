"""Both sides of a call as they were heard, on one clock. Pure: times come in as seconds since the tape began.

The caller's sound lies where it came in. The agent's lies where the phone played it: behind what was queued before it,
and what was cleared before it sounded is not there. Sound is mu-law at 8 kHz, one byte a sample.
"""

from __future__ import annotations

from typing import Final

RATE: Final = 8000
SILENCE: Final = b"\xff"  # mu-law for 0
LAG_S: Final = 1.0  # so much later nothing comes any more that belongs before
SLACK: Final = RATE // 4  # samples by which the caller's sound may run ahead of the clock
MAX_KEPT: Final = 150 * RATE  # samples of one side that nobody has taken; the bridge itself queues at most 150 s


class Tape:
    """One call. Put sound on it as it comes, ``take`` what is settled."""

    def __init__(self) -> None:
        self.dropped = 0  # samples for which there was no room or time
        self._base = 0  # position of the first sample that was not taken
        self._caller = bytearray()
        self._agent = bytearray()
        self._begun = False
        self._pauses: list[list[int]] = []  # [from, to), positions; the last may be open: -1

    def caller(self, sound: bytes, now: float) -> None:
        """The caller's sound has come. It is a steady stream: the number of its samples is its clock."""
        at = int(now * RATE)
        if not self._begun:
            self._begun = True
            self._pad(self._caller, at - len(sound))
        room = min(at + SLACK, self._base + MAX_KEPT) - self._base - len(self._caller)
        if room < len(sound):
            self.dropped += len(sound) - max(room, 0)
            sound = sound[: max(room, 0)]
        self._caller += sound

    def agent(self, sound: bytes, now: float) -> None:
        """Sound was queued at the phone: it is heard when what is queued there has been."""
        self._pad(self._agent, int(now * RATE))
        room = MAX_KEPT - len(self._agent)
        if room < len(sound):
            self.dropped += len(sound) - max(room, 0)
            sound = sound[: max(room, 0)]
        self._agent += sound

    def clear(self, now: float) -> None:
        """The phone has forgotten what it had not played."""
        del self._agent[max(int(now * RATE) - self._base, 0) :]

    def pause(self, now: float) -> None:
        """Silence on both sides from here on, until ``resume``: a card number is read out. Time goes on."""
        if not self.paused:
            self._pauses.append([int(now * RATE), -1])

    def resume(self, now: float) -> None:
        """Go on."""
        if self.paused:
            self._pauses[-1][1] = int(now * RATE)

    @property
    def paused(self) -> bool:
        """Nothing is kept at the moment."""
        return bool(self._pauses) and self._pauses[-1][1] < 0

    def take(self, now: float, *, all_: bool = False) -> tuple[bytes, bytes]:
        """What was heard since the last time, up to LAG_S ago: caller and agent, equally long. ``all_``: up to now, or to
        the end of the caller's sound where that has run ahead of the clock.
        """
        size = int((now if all_ else now - LAG_S) * RATE) - self._base
        if all_:
            size = max(size, len(self._caller))
        if size <= 0:
            return b"", b""
        sides = []
        for side in (self._caller, self._agent):
            piece = bytearray(side[:size].ljust(size, SILENCE))
            del side[:size]
            for start, end in self._pauses:
                low = max(start - self._base, 0)
                high = size if end < 0 else min(end - self._base, size)
                if high > low:
                    piece[low:high] = SILENCE * (high - low)
            sides.append(bytes(piece))
        self._base += size
        self._pauses = [each for each in self._pauses if each[1] < 0 or each[1] > self._base]
        return sides[0], sides[1]

    def _pad(self, side: bytearray, position: int) -> None:
        missing = min(position - self._base, MAX_KEPT) - len(side)
        if missing > 0:
            side += SILENCE * missing
