"""Twilio's play-out buffer: mu-law that plays in real time, marks that come back when the sound before them has."""

from collections import deque

from ..sound import MULAW_SILENCE

RATE = 8000  # Hz, one byte a sample
NEGATIVE_ZERO = 0x7F


class Playout:
    """What the caller hears, sample by sample since `origin` (monotonic s); where nothing is queued that is silence.

    `heard` is the line, `spans` the (first sample, length) of what came from the bridge.
    """

    def __init__(self, origin: float, *, cushion: float = 0.0) -> None:
        """Take the moment of `start`, and how long (s) sound waits on an empty line: a cushion against jitter."""
        self.origin = origin
        self.cushion = round(cushion * RATE)
        self._hold = 0  # no sound before this sample
        self.heard = bytearray()
        self.spans: list[tuple[int, int]] = []
        self.queued = 0  # samples not played yet
        self.peak = 0  # the most there ever were
        self.loud = 0  # samples heard that were not silence
        self.last_loud = -1
        self.cleared = 0  # samples thrown away by `clear`
        self._queue: deque[memoryview | str] = deque()

    @property
    def seconds(self) -> float:
        """How long the line has been heard."""
        return len(self.heard) / RATE

    def advance(self, now: float) -> list[str]:
        """Play up to `now`; the marks that were reached."""
        due: list[str] = []
        need = int((now - self.origin) * RATE) - len(self.heard)
        while self._queue:
            head = self._queue[0]
            if isinstance(head, str):
                due.append(head)
                self._queue.popleft()
            elif need <= 0:
                break
            elif (wait := min(need, self._hold - len(self.heard))) > 0:
                self.heard += bytes([MULAW_SILENCE]) * wait
                need -= wait
            else:
                piece = bytes(head[:need])
                self._play(piece)
                need -= len(piece)
                if len(piece) == len(head):
                    self._queue.popleft()
                else:
                    self._queue[0] = head[len(piece) :]
        if need > 0:
            self.heard += bytes([MULAW_SILENCE]) * need
        return due

    def _play(self, piece: bytes) -> None:
        start = len(self.heard)
        if self.spans and sum(self.spans[-1]) == start:
            self.spans[-1] = (self.spans[-1][0], self.spans[-1][1] + len(piece))
        else:
            self.spans.append((start, len(piece)))
        self.heard += piece
        self.queued -= len(piece)
        loud = len(piece) - piece.count(MULAW_SILENCE) - piece.count(NEGATIVE_ZERO)
        if loud:
            self.loud += loud
            self.last_loud = len(self.heard)

    def push(self, data: bytes, now: float) -> list[str]:
        """Queue sound; the marks reached meanwhile."""
        due = self.advance(now)
        if not self.queued:
            self._hold = len(self.heard) + self.cushion
        self._queue.append(memoryview(data))
        self.queued += len(data)
        self.peak = max(self.peak, self.queued)
        return due

    def mark(self, name: str, now: float) -> list[str]:
        """Queue a mark; with nothing before it, it is reached at once."""
        self._queue.append(name)
        return self.advance(now)

    def clear(self, now: float) -> list[str]:
        """Empty the buffer: every mark in it comes back at once."""
        due = self.advance(now) + [item for item in self._queue if isinstance(item, str)]
        self._queue.clear()
        self.cleared += self.queued
        self.queued = 0
        return due
