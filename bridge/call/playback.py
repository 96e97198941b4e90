"""What has been sent to the phone, what of it has been heard, and what waits here.

The carrier buffers what we send and plays it in real time, so "sent" says nothing about "heard". Three accounts are
kept, all in samples of the stream (mu-law at 8 kHz: one byte each), counted from the start of the call:

* ``sent``: handed to the carrier;
* confirmed: everything before a mark that came back;
* heard: between two marks time tells, but never more than could have been played since it was sent. A stream that
  returns no marks at all is judged by time alone once ``trust_clock`` was called.

At most MAX_IN_FLIGHT is at the carrier, the rest waits here up to MAX_WAITING; beyond that the newest is dropped and
counted. What is in flight is kept until it was heard, so that a stream that is replaced can go on where the old one
broke off.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from bridge.call.events import ClearAudio, PhoneOrder, PlayAudio, PlayMark

RATE: Final = 8000  # samples a second of the phone's stream
MAX_IN_FLIGHT: Final = 30 * RATE  # at the carrier
MAX_WAITING: Final = 120 * RATE  # here
MARK_AFTER_S: Final = 0.2  # the last sound sent gets its mark this much later, so that small chunks share one
MARK_SPACING: Final = RATE // 2  # no more than this goes without a mark (and one chunk)
MAX_PIECE: Final = 5 * RATE  # of one message: a mark stands behind each
SIGHT: Final = RATE // 20  # how much sound is looked at to say how loud it is
OVERLAP_S: Final = 0.2  # of a stream that played on: rather twice than not at all
MAX_SPANS: Final = 64  # of the newest turns
GRACE_S: Final = 2.0  # a mark may come this much later than its sound must have been played


@dataclass(slots=True)
class Span:
    """The stretch of sound that belongs to one turn; positions in samples, ``end`` growing while it speaks."""

    turn: int
    start: int
    end: int
    heard: int | None = None  # where it was cut

    def fraction(self, position: int) -> float:
        """How much of it lies before ``position``: 0 to 1."""
        length = self.end - self.start
        return 1.0 if length <= 0 else min(max((position - self.start) / length, 0.0), 1.0)


class Playback:
    """The phone's queue as we know it. Times are seconds of the call's own clock."""

    def __init__(self) -> None:
        self.dropped = 0  # samples for which there was no room
        self.clears = 0
        self._open = False
        self._clock_only = False
        self._sent = 0
        self.offered = 0  # samples that were queued so far: sent plus waiting
        self.confirmed = 0  # samples that were heard for certain: a mark behind them came back
        self._confirmed_at = 0.0
        self._sent_at = -1e9  # when something was last sent
        self._ends_at = 0.0  # when what was sent has been played, if all goes well
        self._flight: list[bytes] = []  # not yet confirmed, from _flight_from on
        self._flight_from = 0
        self._waiting: list[bytes] = []
        self._marks: dict[str, tuple[int, float]] = {}  # name -> (position, due)
        self._mark_number = 0
        self._marked = 0  # position of the newest mark
        self._cleared = 0  # what was offered when the queue was last cleared: nothing since, nothing to clear
        self._spans: list[Span] = []
        self._left: tuple[float, int] | None = None  # when the stream was left, and how much it still had to play

    # -------------------------------------------------------- sound in

    def flow(self, sound: bytes, turn: int, now: float) -> PlayAudio | None:
        """What ``offer`` does where sound of the same turn still plays, there is room and no mark is due, as for nearly
        every frame; None, and nothing is done, in every other case.
        """
        spans = self._spans
        if not self._open or self._clock_only or self._waiting or not spans:
            return None
        span, sent = spans[-1], self._sent
        end = sent + len(sound)
        if span.turn != turn or span.end != sent or self.confirmed >= sent or (self._ends_at - now) * RATE < 1:
            return None
        if end - self._marked >= MARK_SPACING or end - self.confirmed > MAX_IN_FLIGHT:
            return None
        self._sent = self.offered = span.end = end
        self._sent_at = now
        self._ends_at += len(sound) / RATE
        self._flight.append(sound)
        return PlayAudio(sound)

    def offer(self, sound: bytes, turn: int, now: float) -> list[PhoneOrder]:
        """Queue ``sound`` (mu-law) for the phone as part of ``turn``; what can go out now, goes."""
        room = MAX_WAITING - (self.offered - self._sent)
        if len(sound) > room:
            self.dropped += len(sound) - room
            sound = sound[:room]
        if not sound:
            return []
        start = self.offered
        self.offered += len(sound)
        span = self._spans[-1] if self._spans else None
        if span is not None and span.turn == turn and span.end == start:
            span.end = self.offered
        else:
            self._spans.append(Span(turn, start, self.offered))
            del self._spans[:-MAX_SPANS]
        if self._open and not self._waiting and len(sound) <= min(self._room(now), MAX_PIECE):
            return self._send(sound, now)
        self._waiting.append(sound)
        return self.release(now)

    def open(self, now: float) -> list[PhoneOrder]:
        """The stream is there: what waited goes out, and what an earlier stream took unheard goes again."""
        unheard = self._unheard(now)
        self._forget_flight(now)
        self._waiting[:0] = unheard
        self._open, self._left = True, None
        self._clock_only = False
        return self.release(now)

    def away(self, now: float) -> None:
        """The stream is gone: keep what it did not play, send nothing."""
        if self._open:
            unheard = self._unheard(now)
            self._left = now, sum(map(len, unheard))
            self._waiting[:0] = unheard
            self._forget_flight(now)
            self._open = False

    def played_on(self, now: float) -> None:
        """The stream that was left has sounded until now: what it played needs not be heard again."""
        if self._left is None or self._open:
            return
        left_at, unheard = self._left
        self._left = None
        played = min(max(int((now - left_at - OVERLAP_S) * RATE), 0), unheard)
        self._sent = self.confirmed = self._marked = self._flight_from = self._sent + played
        while played:
            sound = self._waiting.pop(0)
            if len(sound) > played:
                self._waiting.insert(0, sound[played:])
            played -= min(len(sound), played)

    def release(self, now: float) -> list[PhoneOrder]:
        """Send on what waits, as far as the carrier may have it; marked, where it is held back, so that it goes on."""
        orders: list[PhoneOrder] = []
        while self._open and self._waiting and (room := self._room(now)) > 0:
            sound = self._waiting.pop(0)
            size = min(room, MAX_PIECE)
            if len(sound) > size:
                self._waiting.insert(0, sound[size:])
                sound = sound[:size]
            orders += self._send(sound, now)
        if self._waiting:
            orders += self.mark(now)
        return orders

    def _room(self, now: float) -> int:
        heard = self._position(now) if self._clock_only else self.confirmed
        return MAX_IN_FLIGHT - (self._sent - heard)

    def _send(self, sound: bytes, now: float) -> list[PhoneOrder]:
        if self._clock_only:
            self._confirm(self._position(now), now)
        size = len(sound)
        self._sent += size
        self._sent_at = now
        self._ends_at = max(self._ends_at, now) + size / RATE
        self._flight.append(sound)
        if self._sent - self._marked >= MARK_SPACING:
            return [PlayAudio(sound), *self.mark(now)]
        return [PlayAudio(sound)]

    # -------------------------------------------------------- marks

    @property
    def unmarked(self) -> bool:
        """Something was sent that no mark follows yet, and one should."""
        return self._marked < self._sent and not self._clock_only

    def flowing(self, now: float) -> bool:
        """Something was sent a moment ago, and more will follow by all appearances."""
        return now - self._sent_at < MARK_AFTER_S / 2

    @property
    def by_clock(self) -> bool:
        """The stream returns no marks: time alone tells what was heard."""
        return self._clock_only

    @property
    def held_back(self) -> bool:
        """Something waits here because the carrier has enough, or is away."""
        return bool(self._waiting)

    def mark(self, now: float) -> list[PhoneOrder]:
        """A mark behind all that was sent, where there is none yet."""
        if not self._open or not self.unmarked:
            return []
        self._mark_number += 1
        # The number of clearings is in the name: after a clear the carrier returns every pending mark unheard.
        name = f"{self.clears}.{self._mark_number}"
        self._marks[name] = (self._sent, max(self._ends_at, now))
        self._marked = self._sent
        return [PlayMark(name)]

    def reached(self, name: str, now: float) -> bool:
        """A mark came back; False for one that we do not know (any more)."""
        found = self._marks.get(name)
        if found is None:
            return False
        position = found[0]
        for other in [known for known, (at, _) in self._marks.items() if at <= position]:
            del self._marks[other]
        self._confirm(position, now)
        return True

    def overdue(self, now: float) -> bool:
        """A mark should have come back GRACE_S ago and has not."""
        if self._clock_only:
            return False
        return any(due + GRACE_S < now for _, due in self._marks.values())

    def due_in(self, now: float) -> float:
        """Seconds until the oldest mark that is out would be overdue; 0 where none is out."""
        if self._clock_only or not self._marks:
            return 0.0
        return max(min(due for _, due in self._marks.values()) + GRACE_S - now, 0.01)

    def trust_clock(self, now: float) -> None:
        """The carrier reads but returns no marks: from here on time alone tells what was heard."""
        self._clock_only = True
        self._marks.clear()
        self._marked = self._sent
        self._confirm(self._position(now), now)

    def _confirm(self, position: int, now: float) -> None:
        self.confirmed = max(self.confirmed, position)
        self._confirmed_at = now
        heard = 0
        for sound in self._flight:
            if self._flight_from + len(sound) > self.confirmed:
                break
            self._flight_from += len(sound)
            heard += 1
        del self._flight[:heard]

    # -------------------------------------------------------- what was heard

    def _position(self, now: float) -> int:
        playable = self._sent - max(int((self._ends_at - now) * RATE), 0)
        if self._clock_only:
            return max(playable, self.confirmed)
        since = int(max(now - self._confirmed_at, 0.0) * RATE)
        return max(min(playable, self.confirmed + since), self.confirmed)

    def heard(self, now: float) -> int:
        """Samples that the caller has heard, as well as we know."""
        return self._position(now)

    @property
    def sounding(self) -> bool:
        """Something is queued, here or at the carrier, that no mark has confirmed."""
        return self.offered > self.confirmed

    def finished(self, now: float) -> bool:
        """All is played: confirmed, or so long due that a mark must have been lost."""
        if not self.sounding:
            return True
        if self._waiting or not self._open:
            return False
        return now >= self._ends_at + (0.0 if self._clock_only else GRACE_S)

    def unplayed(self, now: float) -> bool:
        """The caller is still hearing us, or will."""
        if (self._ends_at - now) * RATE >= 1 and self.confirmed < self._sent:  # time alone says so
            return True
        return bool(self._waiting) or self._position(now) < self._sent

    def left(self, now: float) -> float:
        """Seconds of sound that the caller has not heard yet."""
        return (self.offered - self._position(now)) / RATE

    def fraction_heard(self, turn: int, now: float) -> float | None:
        """How much of a turn's sound was heard, 0 to 1; None where it had none."""
        spans = [span for span in self._spans if span.turn == turn]
        if not spans:
            return None
        total = sum(span.end - span.start for span in spans)
        position = self._position(now)
        played = 0.0
        for span in spans:
            at = position if span.heard is None else min(span.heard, position)
            played += span.fraction(at) * (span.end - span.start)
        return played / total if total else 1.0

    def turns_unplayed(self, now: float) -> list[int]:
        """The turns of which something has not been heard, oldest first."""
        position = self._position(now)
        return list(dict.fromkeys(span.turn for span in self._spans if span.heard is None and span.end > position))

    def sounds(self, now: float) -> bytes:
        """What the caller hears about now, SIGHT on either side at most; empty where that is silence, or gone already."""
        at = self._position(now)
        if at >= self._sent and (now - self._ends_at) * RATE > SIGHT:
            return b""
        first, last = at - SIGHT, at + SIGHT
        near = bytearray()
        start = self._flight_from
        for sound in self._flight:
            end = start + len(sound)
            if end > first:
                if start > last:
                    break
                near += sound[max(first - start, 0) : last - start]
            start = end
        return bytes(near)

    # -------------------------------------------------------- cutting

    def clear(self, now: float) -> list[PhoneOrder]:
        """Forget everything unheard, here and at the carrier: the caller is to hear silence now."""
        position = self._position(now)
        for span in self._spans:
            if span.heard is None and span.end > position:
                span.heard = max(position, span.start)
        self._waiting.clear()
        self._left = None
        self._forget_flight(now)
        # Positions go on from what was sent, so that spans of the cut turns keep their length.
        fresh = self.offered != self._cleared
        self._sent = self.confirmed = self._marked = self._cleared = self._flight_from = self.offered
        self.clears += 1
        return [ClearAudio()] if self._open and fresh else []

    def _unheard(self, now: float) -> list[bytes]:
        position = self._position(now)
        unheard = []
        start = self._flight_from
        for sound in self._flight:
            if start + len(sound) > position:
                unheard.append(sound[max(position - start, 0) :])
            start += len(sound)
        return unheard

    def _forget_flight(self, now: float) -> None:
        position = self._position(now)
        self._flight.clear()
        self._marks.clear()
        self._sent = self.confirmed = self._marked = self._flight_from = position
        self._confirmed_at = now
        self._ends_at = now
