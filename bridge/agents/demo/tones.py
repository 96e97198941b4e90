"""What the demo agent has for a voice where nothing that speaks is installed: a note for each word."""

from __future__ import annotations

from typing import Final

import numpy as np

from bridge.agents.demo.voice import LEVEL, MAX_CHARACTERS, Voice
from bridge.audio.sound import Sound, from_samples

NOTES: Final = (262.0, 294.0, 330.0, 392.0, 440.0)  # Hz, one after another, by the length of the word
NOTE_S: Final = 0.18
REST_S: Final = 0.08
FADE_S: Final = 0.02


class Tones(Voice):
    """As long as speech would last, so that a call goes its way and can be heard to; its words are in the transcript."""

    def render(self, text: str, rate: int | None = None) -> Sound:
        """A note for each word."""
        rate = rate or 16000
        time = np.arange(round(NOTE_S * rate)) / rate
        fade = np.minimum(1.0, np.minimum(time, time[::-1]) / FADE_S)
        rest = np.zeros(round(REST_S * rate))
        pieces = [rest]
        for word in text[:MAX_CHARACTERS].split():
            pieces += [fade * np.sin(2 * np.pi * NOTES[len(word) % len(NOTES)] * time), rest]
        sound = from_samples(0.5 * np.concatenate(pieces), rate)
        return sound.at_level(LEVEL) if len(pieces) > 1 else sound
