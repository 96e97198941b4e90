"""What the bridge says itself, in the operator's words: to the carrier as text, on a live call as sound."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Final

import structlog

from bridge import settings as config
from bridge.agents.demo.voice import INSTALL, Voice, speaks
from bridge.audio.formats import TELEPHONE, AudioFormat, Encoding
from bridge.audio.prompts import Prompt, Prompts
from bridge.audio.transcode import Transcoder
from bridge.errors import LocalError
from bridge.web.answers import Words

RATE: Final = 16_000  # Hz, at which words are spoken before they become telephone sound
VARIANT: Final = "+f3"  # of espeak-ng's voices: the one of the clips that were rendered ahead

log = structlog.get_logger("bridge.prompts")


def words(prompts: config.Prompts) -> Words:
    """For the carrier's voice."""
    return Words(
        hold=prompts.hold,
        busy=prompts.busy,
        draining=prompts.draining,
        failed=prompts.failed,
        language=prompts.language,
    )


def changed(prompts: config.Prompts) -> dict[Prompt, str]:
    """What is said on live calls in other words than those of the clips that were rendered ahead."""
    ours = config.Prompts()
    told = {
        Prompt.ONE_MOMENT: (prompts.hold, ours.hold),
        Prompt.STILL_THERE: (prompts.slow, ours.slow),
        Prompt.GOODBYE_TROUBLE: (prompts.failed, ours.failed),
        Prompt.CLOSING: (prompts.farewell, ours.farewell),
    }
    return {prompt: text for prompt, (text, known) in told.items() if text != known}


async def clips(prompts: config.Prompts) -> dict[str, bytes]:
    """Every clip by name, as mu-law: rendered ahead, or spoken now where the operator has words of their own.

    What cannot be spoken here keeps the clip that was rendered ahead: an English sentence is better than silence.
    """
    found = {str(prompt): clip for prompt, clip in Prompts.load().items()}
    wanted = changed(prompts)
    if wanted and not speaks():
        log.warning("prompts_not_spoken", names=sorted(wanted), hint=INSTALL)
        return found
    for prompt, text in wanted.items():
        try:
            found[str(prompt)] = await _spoken(text, prompts.language)
        except LocalError as error:
            log.warning("prompt_not_spoken", name=str(prompt), error=str(error))
    return found


async def _spoken(text: str, language: str) -> bytes:
    """As mu-law. Raises LocalError where no voice has the language."""
    told = language.lower()
    for name in (told, told.partition("-")[0]):  # espeak-ng has "en-us", and "de" only
        voice = Voice(name + VARIANT)
        try:
            with contextlib.suppress(LocalError):
                sound = await voice.speak(text, RATE)
                convert = Transcoder(AudioFormat(Encoding.PCM16, RATE), TELEPHONE)
                return convert.process(sound.pcm) + convert.flush()
        finally:
            await asyncio.to_thread(voice.close)
    raise LocalError(f"no voice here speaks {language}", hint="Write the language alone, such as fr, or another one.")
