"""One conversation of the demo agent: the caller's sound in, actions out. Pure; its clock is the caller's own samples.

An action is done by whoever serves the conversation. ``Say`` is answered with ``spoken`` as soon as the length of its
sound is known, ``Understand`` with ``understood``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from bridge.agents.demo.dialogue import FAILED, Dialogue, Line
from bridge.agents.demo.ears import Change, Ears

PATIENCE_S: Final = 12.0  # of silence on both sides, before the caller is asked whether they are there


@dataclass(frozen=True, slots=True)
class Say:
    """Speak this. ``turn`` counts from 0; ``last``: then close the conversation."""

    turn: int
    text: str
    last: bool


@dataclass(frozen=True, slots=True)
class Hush:
    """Stop speaking: the caller speaks over it, pressed a key, or somebody asked for quiet. ``turn`` is the one that is cut."""

    turn: int


@dataclass(frozen=True, slots=True)
class Understand:
    """The caller has finished an utterance, this PCM16: make words of it."""

    pcm: bytes


@dataclass(frozen=True, slots=True)
class CallerSaid:
    """The words of the caller."""

    text: str


@dataclass(frozen=True, slots=True)
class Use:
    """Use the line's tool, and tell with ``used`` how it went."""

    line: Line


Action = Say | Hush | Understand | CallerSaid | Use


class Conversation:
    """``rate``: of the caller's PCM16 in Hz. ``yields``: stop by itself when the caller speaks over it."""

    def __init__(self, dialogue: Dialogue, *, rate: int, yields: bool = True) -> None:
        self._dialogue = dialogue
        self._rate = rate
        self._yields = yields
        self._ears = Ears(rate)
        self._rest = b""
        self._clock = 0  # samples heard of the caller
        self._turn = -1
        self._until = 0  # on that clock: when what has been said so far will have sounded
        self._hushed = -1  # the latest turn that was cut
        self._pending = False  # a Say whose length is not known yet
        self._thinking = False  # an utterance that is not understood yet
        self._last_sign = 0  # of life, from either side
        self._over = False

    @property
    def playing(self) -> bool:
        """By our own account the caller still hears the agent."""
        return self._clock < self._until

    def open(self) -> list[Action]:
        """The greeting. Call once."""
        return [self._say(self._dialogue.open())]

    def hear(self, pcm: bytes) -> list[Action]:
        """More of the caller's sound, any number of bytes."""
        actions: list[Action] = []
        data = self._rest + pcm
        size = self._ears.frame_bytes
        for start in range(0, len(data) - size + 1, size):
            self._clock += size // 2
            actions += self._frame(data[start : start + size])
        self._rest = data[len(data) // size * size :]
        return actions

    def spoken(self, turn: int, seconds: float) -> None:
        """The sound of a turn is on its way, and lasts so long."""
        if turn <= self._hushed:
            return
        self._pending = self._pending and turn != self._turn
        self._until = max(self._until, self._clock) + round(seconds * self._rate)
        self._last_sign = self._until

    def understood(self, text: str) -> list[Action]:
        """The words of the utterance that ``Understand`` brought."""
        self._thinking = False
        return [CallerSaid(text), self._reply(self._dialogue.answer(text))] if not self._over else []

    def used(self, line: Line, *, well: bool) -> list[Action]:
        """The tool of this line has answered."""
        self._thinking = False
        return [self._say(line if well else Line(FAILED, last=True))] if not self._over else []

    @property
    def expecting(self) -> str:
        """Which question the caller has been asked."""
        return self._dialogue.expecting

    def key(self) -> list[Action]:
        """The caller is active without speaking: a key was pressed."""
        return [*self.interrupt(), self._reply(self._dialogue.key())] if not self._over else []

    def interrupt(self) -> list[Action]:
        """Be quiet at once; the conversation goes on."""
        if not self.playing and not self._pending:
            return []
        self._until = self._clock
        self._pending = False
        self._hushed = self._turn
        return [Hush(self._turn)]

    def _frame(self, frame: bytes) -> list[Action]:
        change = self._ears.hear(frame)
        if self._ears.speaking:
            self._last_sign = self._clock
        if self._over:
            return []
        if change is Change.STARTED and self._yields and self.playing:
            return self.interrupt()
        if change is Change.ENDED:
            self._thinking = True
            return [Understand(bytes(self._ears.utterance))]
        if not (self._pending or self._thinking) and self._clock - self._last_sign > PATIENCE_S * self._rate:
            return [self._say(self._dialogue.silence())]
        return []

    def _reply(self, line: Line) -> Say | Use:
        if not line.tool:
            return self._say(line)
        self._thinking = True
        return Use(line)

    def _say(self, line: Line) -> Say:
        self._turn += 1
        self._pending = True
        self._last_sign = self._clock
        self._over = line.last
        return Say(self._turn, line.text, line.last)
