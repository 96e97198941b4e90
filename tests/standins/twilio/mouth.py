"""What the caller says: mu-law that is taken 20 ms at a time, silence where there is none."""

import base64
from collections import deque

import numpy as np

from .. import sound


class Mouth:
    """A queue of speech, taken by whichever stream is up."""

    def __init__(self) -> None:
        self._queue: deque[bytes] = deque()
        self._head = b""
        self.waiting = 0  # samples queued
        self.spoken = 0  # samples of speech taken

    def say(self, what: float | bytes | sound.Pcm, *, frequency: float = 440.0, level: float = 0.5) -> float:
        """Queue seconds of a tone, int16 at 8 kHz, or mu-law as it is; the seconds queued."""
        if isinstance(what, (int, float)):
            what = sound.tone(what, frequency=frequency, level=level)
        data = sound.mulaw_encode(what) if isinstance(what, np.ndarray) else what
        self._queue.append(data)
        self.waiting += len(data)
        return len(data) / 8000

    def hush(self) -> None:
        """Stop in the middle of a word."""
        self._queue.clear()
        self._head, self.waiting = b"", 0

    def take(self, count: int) -> str:
        """The next `count` samples as base64, filled up with silence."""
        while len(self._head) < count and self._queue:
            self._head += self._queue.popleft()
        piece, self._head = self._head[:count], self._head[count:]
        self.waiting -= len(piece)
        self.spoken += len(piece)
        return base64.b64encode(piece.ljust(count, bytes([sound.MULAW_SILENCE]))).decode()
