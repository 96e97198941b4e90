"""When speech counts as an interruption: what is reported of the caller, weighed by the agent's ``barge_in``.

Three can report that the caller speaks over the agent: our own ear (``bridge/audio/speech.py``), the agent's
interruption event, and the words that the agent transcribed. Whoever is first wins, once for each turn of the agent.

The policy decides and counts; it clears nothing. It needs three calls::

    policy.sounding(now, unplayed=...)      whenever sound of the agent is queued at the phone
    policy.listening(now, unplayed=...)     is the detector to hear this frame (process), or only its noise (track)?
    policy.decide(source, now, unplayed=...)  a report: is it an interruption?

``now`` is any clock in seconds that never goes back; ``unplayed``: there is sound of the agent at the phone that the
caller has not heard. What was rejected has cleared nothing, so nothing is lost by it; sound of the agent that is queued
after an accepted one is a turn that may be interrupted anew.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from bridge.audio.speech import Sensitivity


class BargeIn(StrEnum):
    """Who may interrupt the agent on the caller's behalf."""

    AGENT = "agent"  # only its own event
    LOCAL = "local"  # only what the bridge hears and reads
    BOTH = "both"  # whichever is first
    OFF = "off"  # nobody: the agent is heard to its end


class Source(StrEnum):
    """Who reports that the caller speaks."""

    AGENT = "agent"  # AgentInterrupted
    SPEECH = "speech"  # SpeechStarted
    TEXT = "text"  # CallerText


class Verdict(StrEnum):
    """What a report comes to. Only ACCEPTED is to clear the phone."""

    ACCEPTED = "accepted"
    OFF = "off"  # ``barge_in`` does not listen to this source
    UNHEARD = "nothing_unplayed"  # the agent is not speaking: a turn of the caller, and no interruption
    GUARD = "guard"  # the greeting has only begun
    REPEATED = "repeated"  # this turn was interrupted already
    LATE = "late_text"  # words that were spoken before the agent's turn, transcribed during it
    FEW = "too_few_words"

    def __bool__(self) -> bool:
        return self is Verdict.ACCEPTED


@dataclass(frozen=True, slots=True)
class TextRule:
    """When transcribed words are believed to be spoken over the agent."""

    after: float  # s of the agent's turn that must have gone by: transcripts are late by up to this
    words: int  # at least; a writing without spaces counts two characters for a word


TEXT_RULES: Final = {
    Sensitivity.LOW: TextRule(after=1.2, words=2),
    Sensitivity.MEDIUM: TextRule(after=0.7, words=1),
    Sensitivity.HIGH: TextRule(after=0.5, words=1),
}
HEEDED: Final = {
    BargeIn.AGENT: frozenset({Source.AGENT}),
    BargeIn.LOCAL: frozenset({Source.SPEECH, Source.TEXT}),
    BargeIn.BOTH: frozenset(Source),
    BargeIn.OFF: frozenset[Source](),
}


class InterruptionPolicy:
    """Decides for one call. Raises ValueError for a mode or sensitivity that does not exist, and for a negative guard.

    ``guard_ms``: so long after the first sound of the call nothing interrupts it.
    """

    __slots__ = (
        "_began",
        "_counts",
        "_guard",
        "_guarded_until",
        "_heeded",
        "_interrupted",
        "_rule",
        "hears",
        "settled",
    )

    def __init__(
        self,
        barge_in: BargeIn | str = BargeIn.AGENT,
        *,
        sensitivity: Sensitivity | str = Sensitivity.MEDIUM,
        guard_ms: int = 0,
    ) -> None:
        if guard_ms < 0:
            raise ValueError(f"guard_ms must be 0 or more, not {guard_ms}")
        self._heeded = HEEDED[BargeIn(barge_in)]
        self.hears = (
            Source.SPEECH in self._heeded
        )  # a detector is of use: not where only the agent, or nobody, interrupts
        self._rule = TEXT_RULES[Sensitivity(sensitivity)]
        self._guard = guard_ms / 1000
        self._guarded_until: float | None = None
        self._began = 0.0
        self._interrupted = False
        self.settled = False  # ``sounding`` would change nothing while sound is unplayed
        self._counts: dict[tuple[Source, Verdict], int] = {}

    def sounding(self, now: float, *, unplayed: bool) -> None:
        """Sound of the agent is queued at the phone. ``unplayed``: there was some before it that still plays."""
        if self._guarded_until is None:
            self._guarded_until = now + self._guard
        if self._interrupted or not unplayed:
            self._began = now
            self._interrupted = False
        self.settled = True

    def listening(self, now: float, *, unplayed: bool) -> bool:
        """Speech that is heard now would be accepted.

        Asked for every frame: speech that began too early (in the guard) and goes on is heard as soon as it counts.
        """
        return unplayed and not self._interrupted and self.hears and not self._guards(now)

    def decide(self, source: Source, now: float, *, unplayed: bool, text: str = "") -> Verdict:
        """Weigh one report, and count it. ``text``: the words, where they are the report."""
        verdict = self._weigh(source, now, unplayed, text)
        if verdict is Verdict.ACCEPTED:
            self._interrupted = True
            self.settled = False
        key = source, verdict
        self._counts[key] = self._counts.get(key, 0) + 1
        return verdict

    def account(self) -> dict[str, dict[str, int]]:
        """For the record: ``{"speech": {"accepted": 2, "guard": 1}, ...}``, only what has happened, no speech in it."""
        told: dict[str, dict[str, int]] = {}
        for (source, verdict), count in self._counts.items():
            told.setdefault(str(source), {})[str(verdict)] = count
        return told

    def _guards(self, now: float) -> bool:
        return self._guarded_until is not None and now < self._guarded_until

    def _weigh(self, source: Source, now: float, unplayed: bool, text: str) -> Verdict:
        if source not in self._heeded:
            return Verdict.OFF
        # Before UNHEARD: what is left of an interrupted turn has been cleared, and its second report is a repetition.
        if self._interrupted:
            return Verdict.REPEATED
        if not unplayed:
            return Verdict.UNHEARD
        if self._guards(now):
            return Verdict.GUARD
        if source is Source.TEXT:
            if _words(text) < self._rule.words:
                return Verdict.FEW
            if now - self._began < self._rule.after:
                return Verdict.LATE
        return Verdict.ACCEPTED


def _words(text: str) -> int:
    """How many words; two characters of a writing that has no spaces (from U+0E00 on: Thai, Chinese...) make one."""
    count = 0
    for part in text.split():
        letters = [letter for letter in part if letter.isalnum()]
        if letters:
            dense = sum(letter >= "\u0e00" for letter in letters)
            count += max(1, dense // 2)
    return count
