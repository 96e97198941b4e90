"""Render the bridge's own prompts: ``python -m bench.prompts`` (or ``make prompts``)."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from bridge.agents.demo.voice import Voice
from bridge.audio import prompts
from bridge.audio.prompts import Prompt
from bridge.audio.sound import Sound, from_samples
from bridge.audio.wav import write_mulaw

WORDS = {
    Prompt.ONE_MOMENT: "One moment, please.",
    Prompt.STILL_THERE: "I am sorry, the connection is slow. Please hold on.",
    Prompt.TRANSFERRING: "One moment, I am connecting you.",
    Prompt.GOODBYE_TROUBLE: "We are having technical trouble. Please call again later. Goodbye.",
    Prompt.BUSY: "All our lines are busy at the moment. Please try again later.",
    Prompt.CLOSING: "We have to close this call now. Please call again in a moment. Goodbye.",
    Prompt.RECORDING_NOTICE: "This call may be recorded.",
}
HOLD_HZ, HOLD_DBFS, HOLD_SECONDS, HOLD_PERIOD = 425.0, -36.0, 0.2, 2.0  # two quiet beats, then nothing


def hold_tone(rate: int = 8000) -> Sound:
    """Two short quiet beats every two seconds: the line is alive, and nobody need listen."""
    time = np.arange(int(HOLD_SECONDS * rate)) / rate
    fade = np.minimum(1, np.minimum(time, time[::-1]) / 0.02)
    beat = np.sqrt(2) * 10 ** (HOLD_DBFS / 20) * np.sin(2 * np.pi * HOLD_HZ * time) * fade
    samples = np.zeros(int(HOLD_PERIOD * rate))
    for start in (0.0, 0.3):
        samples[int(start * rate) :][: beat.size] = beat
    return from_samples(samples, rate)


def main() -> None:
    """Write every prompt into the package."""
    folder = Path(prompts.__file__).parent
    voice = Voice()
    total = 0
    for prompt in Prompt:
        sound = voice.render(WORDS[prompt]) if prompt in WORDS else hold_tone()
        data = write_mulaw(sound.mulaw())
        total += len(data)
        (folder / f"{prompt}.wav").write_bytes(data)
        print(f"{prompt:18} {sound.seconds:5.2f} s  {len(data):6} bytes")
    print(f"{'':18} {'':7}  {total:6} bytes")
    voice.close()


if __name__ == "__main__":
    main()
