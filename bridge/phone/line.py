"""What a script may do while a call goes on: speak, press keys, listen, hang up. Its waits end with the call."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from bridge.audio.sound import Sound
from bridge.phone.handset import TICK_S, Handset
from bridge.phone.report import Kind

DIGIT_S: Final = 0.25  # between two keys
PAUSES: Final = {"w": 0.5, "W": 1.0, ",": 0.5}  # seconds; as in sendDigits


class Line:
    """One call, seen by the person who holds the telephone. ``press_key`` sends a digit to the bridge."""

    def __init__(self, handset: Handset, press_key: Callable[[str], None]) -> None:
        self.handset = handset
        self._press_key = press_key
        self._turns = 0  # of the agent, when the caller last did something
        self._over = asyncio.Event()
        self._ticked = asyncio.Event()

    @property
    def over(self) -> bool:
        """The call has ended, or the caller has hung up."""
        return self._over.is_set()

    async def say(self, sound: Sound, text: str = "") -> None:
        """Speak; returns when the last of it has been said. ``text``: the words, for the account of the call."""
        self._turns = self.handset.agent_turns
        self.handset.say(await asyncio.to_thread(sound.mulaw), text)
        await self.until(lambda: not self.handset.talking, sound.seconds + 5)

    async def press(self, digits: str) -> None:
        """Press keys, a quarter of a second apart; ``w`` waits half a second."""
        self._turns = self.handset.agent_turns
        for digit in digits:
            if digit not in PAUSES and not self.over:
                self.handset.note(Kind.DIGIT, f"caller presses {digit}")
                self._press_key(digit)
            await self.wait(PAUSES.get(digit, DIGIT_S))

    async def until_heard(self, timeout: float) -> bool:
        """Wait until the agent has begun a turn since the caller last spoke or pressed a key. False: not in time."""
        return await self.until(lambda: self.handset.agent_turns > self._turns, timeout)

    async def until_quiet(self, timeout: float, *, pause: float = 1.0) -> bool:
        """Wait until the agent has been silent for ``pause`` seconds. False: it was not in time."""
        return await self.until(lambda: self.handset.quiet_s >= pause, timeout)

    async def wait(self, seconds: float) -> None:
        """Let time pass, on the sample clock."""
        end = self.handset.ticks + round(seconds / TICK_S)
        await self.until(lambda: self.handset.ticks >= end, seconds + 1)

    async def until(self, condition: Callable[[], bool], timeout: float) -> bool:
        """Wait for a condition, seen at each tick, for at most so many seconds of the sample clock, or the call's end."""
        last = self.handset.ticks + round(timeout / TICK_S)
        while not condition():
            if self.over or self.handset.ticks >= last:
                return False
            self._ticked.clear()
            await self._ticked.wait()
        return True

    def hang_up(self) -> None:
        """End the call."""
        self._over.set()
        self._ticked.set()

    async def ended(self) -> None:
        """Wait for the caller to hang up."""
        await self._over.wait()

    def tick(self) -> None:
        """A tick has passed: whoever keeps the clock says so."""
        self._ticked.set()


Script = Callable[[Line], Awaitable[None]]
