"""What a caller does in a call."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from bridge.audio.sound import Sound
from bridge.phone.line import Line, Script

GREETING_S: Final = 10.0  # to wait for the first word
ANSWER_S: Final = 8.0  # and for an answer
TURN_S: Final = 60.0  # the longest turn that is listened to

Speak = Callable[[str], Awaitable[Sound]]


def converse(turns: Sequence[tuple[str, Sound]], digits: str = "") -> Script:
    """Let the agent finish its greeting, say each of ``turns`` (words and sound) and hear the answer, press the digits.

    With neither the caller only listens, until the other side hangs up.
    """

    async def script(line: Line) -> None:
        await line.until_heard(GREETING_S)
        await line.until_quiet(TURN_S)
        for text, sound in turns:
            await line.say(sound, text)
            if await line.until_heard(ANSWER_S):
                await line.until_quiet(TURN_S)
        if digits:
            await line.press(digits)
            if await line.until_heard(ANSWER_S):
                await line.until_quiet(TURN_S)
        if not turns and not digits:
            await line.until(lambda: False, 24 * 3600)

    return script


async def demonstration(speak: Speak) -> Script:
    """The demo's caller: asks, interrupts the second answer in its middle, confirms with a key, hears the goodbye."""
    questions = [
        "What are your opening hours?",
        "I would like to make an appointment, please.",
        "Thursday at half past ten, please.",
        "Yes, please.",
    ]
    hours, appointment, thursday, yes = [(text, await speak(text)) for text in questions]

    async def script(line: Line) -> None:
        await line.until_heard(GREETING_S)
        await line.until_quiet(TURN_S)
        await line.say(hours[1], hours[0])
        await line.until_heard(ANSWER_S)
        await line.until_quiet(TURN_S)
        await line.say(appointment[1], appointment[0])
        await line.until_heard(ANSWER_S)
        await line.wait(2.5)
        await line.say(thursday[1], thursday[0])
        await line.until_heard(ANSWER_S)
        await line.until_quiet(TURN_S)
        await line.press("1")
        if not await line.until_heard(4.0):  # not every agent is told of keys
            await line.say(yes[1], yes[0])
        await line.until(lambda: False, TURN_S / 2)

    return script
