"""One direction of one call: what was sent, what of it has come, how late."""

from __future__ import annotations

from bridge.bench.sound import PERIOD, Book


class Tally:
    """What all tracks of one direction saw. Latencies are seconds, kept while ``measuring``."""

    def __init__(self) -> None:
        self.measuring = False
        self.latencies: list[float] = []
        self.frames = 0  # received
        self.lost = 0
        self.repeated = 0  # again, or behind a later one
        self.changed = 0  # samples lost, gained or changed within
        self.unreadable = 0
        self.first_changed = ""


class Track:
    """Frames are numbered from 0 and must come in order, each once."""

    __slots__ = ("_book", "_known", "_next", "_sent", "_tally", "alive")

    def __init__(self, book: Book, tally: Tally) -> None:
        self._book = book
        self._known = book.known
        self._tally = tally
        self._sent: list[float] = []
        self._next = 0
        self.alive = False  # something has come

    @property
    def sent(self) -> int:
        """Frames."""
        return len(self._sent)

    def send(self, now: float) -> bytes:
        """The base64 of the next frame to send."""
        sent = self._sent
        sent.append(now)
        return self._book.sent[(len(sent) - 1) % PERIOD]

    def arrived(self, payload: bytes, now: float) -> None:
        """The base64 of a message that has come."""
        number = self._known.get(payload)
        tally = self._tally
        if number is None:
            self._examine(payload, now)
            return
        tally.frames += 1
        self.alive = True
        if number != self._next % PERIOD and not self._found(number):
            return
        if tally.measuring:
            tally.latencies.append(now - self._sent[self._next])
        self._next += 1

    def _examine(self, payload: bytes, now: float) -> None:
        tally = self._tally
        number = self._book.number(payload)
        self.alive = True
        if number is None:
            tally.unreadable += 1
            return
        tally.frames += 1
        tally.changed += 1
        if not tally.first_changed:
            tally.first_changed = f"frame {number} where {self._next % PERIOD} was due"
        if number == self._next % PERIOD or self._found(number):
            if tally.measuring:
                tally.latencies.append(now - self._sent[self._next])
            self._next += 1

    def _found(self, number: int) -> bool:
        """Another frame than the next one: how many are missing before it? False where it is an old one."""
        gap = (number - self._next) % PERIOD
        if self._next + gap >= len(self._sent):
            self._tally.repeated += 1
            return False
        self._tally.lost += gap
        self._next += gap
        return True

    def close(self) -> None:
        """Nothing more will come: what is missing is lost."""
        self._tally.lost += len(self._sent) - self._next
        self._next = len(self._sent)
