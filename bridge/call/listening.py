"""When the caller is loud, by level alone: for latencies and for noticing that nobody answers, never for interrupting."""

from __future__ import annotations

from typing import Final

LOUD: Final = 400.0  # mean absolute amplitude of 16-bit samples, about -38 dBFS; telephone speech is well above
OVER_FLOOR: Final = 4.0  # times the noise floor
QUIET_S: Final = 0.3  # so much silence ends an utterance
SPEECH_S: Final = 0.3  # so much loudness makes one
ONSET_S: Final = 0.06  # so much may be the beginning of one
ASKED_S: Final = 2.0  # so much silence after speech: the caller waits for an answer
FLOOR_RISE: Final = 1.004  # a frame, so that a louder line becomes the new silence within seconds


class Listening:
    """Follows the level of the caller's sound, frame by frame. Times are seconds of the call's own clock."""

    def __init__(self) -> None:
        self.onset_at: float | None = None  # of the utterance in progress, or of the last one
        self.ended_at: float | None = None  # the last loud frame of the last utterance
        self.spoken_s = 0.0  # loud time since `forget`
        self._loudest = 0.0
        self._asked_at: float | None = None
        self._floor = 50.0
        self._last_loud = -1e9
        self._onset = 0.0
        self._loud_s = 0.0

    def frame(self, level: float, seconds: float, now: float) -> None:
        """One frame of ``seconds`` has arrived with the given mean absolute amplitude."""
        if level > self._loudest:
            self._loudest = level
        if level > LOUD and level > self._floor * OVER_FLOOR:
            if now - self._last_loud > QUIET_S:
                self._asked_at = self.unanswered_since(now)
                self._onset = now
                self._loud_s = 0.0
            self._last_loud = now
            self._loud_s += seconds
            if self._loud_s >= ONSET_S:
                self.onset_at = self._onset
            if self._loud_s >= SPEECH_S:
                self.ended_at = now
                self.spoken_s += seconds
        # Minimum following: down at once, up slowly.
        self._floor = max(level, 10.0) if level < self._floor else min(self._floor * FLOOR_RISE, 500.0)

    def loudest(self) -> float:
        """The level of the loudest frame since this was last asked: for people to look at."""
        loudest, self._loudest = self._loudest, 0.0
        return loudest

    def speaking(self, now: float) -> bool:
        """An utterance is in progress, or may be."""
        return now - self._last_loud <= QUIET_S

    def unanswered_since(self, now: float) -> float | None:
        """When the caller first stopped speaking and waited; None where all was answered, or the caller goes on speaking."""
        if self._asked_at is not None:
            return self._asked_at
        waits = self.ended_at is not None and now - self._last_loud >= ASKED_S
        return self.ended_at if waits else None

    def forget(self) -> None:
        """What was said has been answered."""
        self._asked_at = None
        self.ended_at = None
        self.spoken_s = 0.0
