"""How soon speech over the agent is heard, and what else is taken for it: the table of ``docs/interruptions.md``.

python -m bench.interruptions [--hours 1] [--seed 1]
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from bench.corpus import (
    DISTURBANCES,
    NOISES,
    RATE,
    VOICES,
    Sound,
    Voice,
    at_level,
    babble,
    gain,
    mulaw,
    place,
    silence,
    spoken,
    telephone_band,
)
from bridge.audio.echo import Downlink
from bridge.audio.speech import Sensitivity, SpeechDetector, SpeechStarted

FRAME = 160  # samples of 20 ms
SPEECH_LEVELS = (-16.0, -21.0, -26.0, -31.0)  # dB of RMS: a loud, a usual, a quiet and a very quiet caller
NOISE_LEVELS = (-65.0, -55.0, -45.0)  # dB of RMS
LEAD = 3.0  # s of line before anybody speaks


@dataclass(frozen=True)
class Case:
    """Somebody speaks over the agent: what comes in, where it begins, what the phone plays meanwhile."""

    uplink: Sound
    onset: int  # sample
    downlink: Sound
    level: float
    noise: str
    echoed: bool


def line_noise(rng: np.random.Generator, kind: str, seconds: float, level: float) -> Sound:
    """One of NOISES as a line carries it."""
    return at_level(telephone_band(NOISES[kind](rng, seconds)), level)


def agent_speech(rng: np.random.Generator, seconds: float, level: float = -20.0) -> Sound:
    """An agent that talks with hardly a pause."""
    return at_level(babble(rng, seconds, talkers=1), level)


def echo_of(downlink: Sound, *, loss: float, delay: float) -> Sound:
    """What a line returns of it."""
    back = np.zeros(len(downlink))
    place(back, gain(downlink, -loss), int(delay * RATE))
    return telephone_band(back)


def cases(rng: np.random.Generator, *, voices: tuple[Voice, ...] = VOICES) -> Iterator[Case]:
    """Every voice and text at every level, each in a noise of its own at least 15 dB below it, half with an echo."""
    number = 0
    for voice in voices:
        for index in range(len(voice.texts)):
            for level in SPEECH_LEVELS:
                number += 1
                said = at_level(spoken(voice, index), level)
                seconds = LEAD + len(said) / RATE + 0.6
                noise = (*NOISES,)[number % len(NOISES)]
                loudness = min(NOISE_LEVELS[number % len(NOISE_LEVELS)], level - 15)
                uplink = line_noise(rng, noise, seconds, loudness)
                echoed = (number + number // len(SPEECH_LEVELS)) % 2 == 0
                downlink = agent_speech(rng, seconds) if echoed else silence(seconds)
                place(
                    uplink, echo_of(downlink, loss=float(rng.uniform(25, 45)), delay=float(rng.uniform(0.05, 0.3))), 0
                )
                onset = int((LEAD + rng.uniform(0, 0.02)) * RATE)
                place(uplink, said, onset)
                yield Case(uplink, onset, downlink, level, noise, echoed)


def starts(detector: SpeechDetector, uplink: Sound, downlink: Sound | None = None) -> list[SpeechStarted]:
    """All onsets that are heard in a sound, while ``downlink`` is played."""
    codes, played = mulaw(uplink), mulaw(downlink) if downlink is not None else b""
    phone, found = Downlink(), []
    for at in range(0, len(codes) - FRAME + 1, FRAME):
        now = detector.position / RATE
        if played:
            phone.queued(played[at : at + FRAME], now)
        event = detector.process(codes[at : at + FRAME], phone.level(now))
        if isinstance(event, SpeechStarted):
            found.append(event)
    return found


def delays(
    sensitivity: str, rng: np.random.Generator, voices: tuple[Voice, ...] = VOICES
) -> tuple[list[float], int, int]:
    """Seconds from each true onset to its detection; how many were missed; how many came before anybody spoke."""
    heard, missed, early = [], 0, 0
    for case in cases(rng, voices=voices):
        found = [start.at for start in starts(SpeechDetector(sensitivity), case.uplink, case.downlink)]
        early += any(at <= case.onset for at in found)
        after = [at for at in found if at > case.onset]
        if after:
            heard.append((after[0] - case.onset) / RATE)
        else:
            missed += 1
    return heard, missed, early


def nobody(
    rng: np.random.Generator, seconds: float, disturbances: tuple[str, ...] = (*DISTURBANCES,)
) -> Iterator[Sound]:
    """A line on which nobody speaks, a minute at a time: every noise at every level, a disturbance every 3 s or so."""
    minutes = int(seconds / 60)
    for minute in range(minutes):
        kind = (*NOISES,)[minute % len(NOISES)]
        level = NOISE_LEVELS[minute // len(NOISES) % len(NOISE_LEVELS)]
        line = line_noise(rng, kind, 60.0, level)
        at = RATE
        while disturbances and at < len(line) - RATE:
            sound = DISTURBANCES[disturbances[int(rng.integers(len(disturbances)))]](rng)
            place(line, sound, at)
            at += len(sound) + int(rng.uniform(0.2, 4.0) * RATE)
        yield line


def agent_alone(rng: np.random.Generator, seconds: float) -> Iterator[tuple[Sound, Sound]]:
    """(what comes in, what is played), a minute at a time: only the agent's echo, 20 to 30 dB down, 50 to 300 ms late."""
    for _ in range(int(seconds / 60)):
        downlink = agent_speech(rng, 60.0)
        uplink = line_noise(rng, "pink", 60.0, float(rng.choice(NOISE_LEVELS)))
        uplink += echo_of(downlink, loss=float(rng.uniform(20, 30)), delay=float(rng.uniform(0.05, 0.3)))
        yield uplink, downlink


def cost(sound: Sound) -> tuple[float, float]:
    """Microseconds of CPU for a frame of ``process`` and of ``track``."""
    codes = mulaw(sound)
    frames = [codes[at : at + FRAME] for at in range(0, len(codes) - FRAME + 1, FRAME)]
    detector, used = SpeechDetector(), []
    for method in (detector.process, detector.track):
        begun = time.process_time()
        for frame in frames:
            method(frame)
        used.append((time.process_time() - begun) / len(frames) * 1e6)
    return used[0], used[1]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.interruptions", description="Interruption detection, measured."
    )
    parser.add_argument("--hours", type=float, default=1.0, help="of line without a caller, for each row")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    seconds = max(60.0, options.hours * 3600)
    print(
        "| sensitivity | onsets | missed | too early | p50 ms | p95 ms | false an hour, no caller | false an hour, echo only |"
    )
    print("|---|---|---|---|---|---|---|---|")
    for sensitivity in Sensitivity:
        found, missed, early = delays(sensitivity, np.random.default_rng(options.seed))
        detector = SpeechDetector(sensitivity)
        false = sum(len(starts(detector, line)) for line in nobody(np.random.default_rng(options.seed), seconds))
        echoes = sum(
            len(starts(SpeechDetector(sensitivity), up, down))
            for up, down in agent_alone(np.random.default_rng(options.seed), seconds)
        )
        p50, p95 = np.quantile(found + [math.inf] * missed, (0.5, 0.95), method="higher") * 1000
        hours = int(seconds / 60) / 60
        print(
            f"| {sensitivity} | {len(found) + missed} | {missed} | {early} | {p50:.0f} | {p95:.0f} "
            f"| {false / hours:g} | {echoes / hours:g} |"
        )
    rng = np.random.default_rng(options.seed)
    silent = cost(line_noise(rng, "pink", 60.0, -55.0))
    talk = cost(agent_speech(rng, 60.0))
    print(f"\nCPU us a frame: process {silent[0]:.1f} (noise) {talk[0]:.1f} (speech), track {silent[1]:.1f}")


if __name__ == "__main__":
    main()
