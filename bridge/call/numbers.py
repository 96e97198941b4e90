"""Which numbers the agent gave to the sound that the caller has yet to hear."""

from __future__ import annotations

from typing import Final

MAX_NUMBERS: Final = 8000  # 150 s of sound in chunks of 20 ms, each with a number of its own: more than can be queued


class UnheardNumbers:
    """One entry for each number, gone when its sound was heard. Positions are samples, as ``Playback`` counts them."""

    __slots__ = ("_ends",)

    def __init__(self) -> None:
        self._ends: list[tuple[int, int]] = []  # (position of its end, number)

    def __len__(self) -> int:
        return len(self._ends)

    def queued(self, end: int, number: int, *, heard: int) -> None:
        """Sound with ``number`` was queued up to ``end``; up to ``heard`` the caller has heard us, for certain."""
        ends = self._ends
        if ends and ends[-1][1] == number:
            ends[-1] = (end, number)
        else:
            ends.append((end, number))
            if len(ends) > MAX_NUMBERS:
                del ends[0]
        if ends[0][0] <= heard:
            self._drop(heard)

    def all_newer(self, number: int, *, heard: int) -> bool:
        """There is something to hear beyond ``heard``, and all of it has a higher number."""
        self._drop(heard)
        return bool(self._ends) and all(each > number for _, each in self._ends)

    def clear(self) -> None:
        """The queue was cleared."""
        self._ends.clear()

    def _drop(self, heard: int) -> None:
        gone = 0
        for end, _ in self._ends:
            if end > heard:
                break
            gone += 1
        del self._ends[:gone]
