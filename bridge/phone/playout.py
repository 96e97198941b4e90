"""The carrier's play-out buffer: sound and marks in order, emptied 20 ms at a time. Pure; its clock is the ticks."""

from __future__ import annotations

from collections import deque
from typing import Final

FRAME: Final = 160  # bytes of mu-law in 20 ms
SILENCE: Final = b"\xff"  # mu-law's zero
MAX_QUEUED: Final = 600 * 8000  # bytes: ten minutes. No carrier promises more


class Playout:
    """What is on its way to the caller's ear."""

    def __init__(self) -> None:
        self._queue: deque[bytes | str] = deque()  # sound, and the names of marks between it
        self.queued = 0  # bytes of sound

    def play(self, payload: bytes) -> bool:
        """Queue mu-law; False (and dropped) where the buffer is full."""
        if self.queued + len(payload) > MAX_QUEUED:
            return False
        if payload:
            self._queue.append(payload)
            self.queued += len(payload)
        return True

    def mark(self, name: str) -> list[str]:
        """Queue a mark; returned at once where nothing is queued before it."""
        if not self._queue:
            return [name]
        self._queue.append(name)
        return []

    def clear(self) -> list[str]:
        """Forget all sound; the marks come back at once, in order."""
        marks = [item for item in self._queue if isinstance(item, str)]
        self._queue.clear()
        self.queued = 0
        return marks

    def tick(self) -> tuple[bytes, list[str]]:
        """The next 20 ms that the caller hears (padded with silence), and the marks that it passed."""
        frame, marks = b"", []
        while self._queue:
            item = self._queue.popleft()
            if isinstance(item, str):
                marks.append(item)
                continue
            if len(frame) == FRAME:
                self._queue.appendleft(item)
                break
            room = FRAME - len(frame)
            frame += item[:room]
            if len(item) > room:
                self._queue.appendleft(item[room:])
                break
        self.queued -= len(frame)
        return frame.ljust(FRAME, SILENCE), marks
