"""Voices against everything that is loud and no voice."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from bench.corpus import KEYS, RATE, VOICES, Sound, Voice, at_level, cough, pink, spoken, white
from bridge.audio.voicing import Voicing

FRAME = 160


def share(sound: Sound) -> float:
    """How many of the frames are voiced, 0 to 1."""
    voicing = Voicing()
    samples = (sound * 32768).astype(np.float32)
    frames = [samples[at : at + FRAME] for at in range(0, len(samples) - FRAME + 1, FRAME)]
    return sum(voicing.voiced(frame) for frame in frames) / len(frames)


@pytest.mark.parametrize("voice", VOICES, ids=lambda voice: voice.name)
def test_voices_are_voiced(voice: Voice) -> None:
    """At least a quarter of what any voice says is voiced."""
    assert share(spoken(voice, 0)) > 0.25


@pytest.mark.parametrize("noise", [white, pink])
def test_noise_is_not(noise: Callable[..., Sound]) -> None:
    """Of noise at most one frame in fifty."""
    assert share(at_level(noise(np.random.default_rng(1), 20.0), -20.0)) < 0.02


def test_coughs_are_not() -> None:
    """Of coughs, their short voiced ends included, at most one frame in ten."""
    rng = np.random.default_rng(2)
    assert share(np.concatenate([cough(rng) for _ in range(30)])) < 0.1


@pytest.mark.parametrize("key", sorted(KEYS))
def test_keys_are_not(key: str) -> None:
    """A held key of the pad has no voiced frame after its first."""
    t = np.arange(RATE) / RATE
    low, high = KEYS[key]
    assert share(0.2 * (np.sin(2 * np.pi * low * t) + np.sin(2 * np.pi * high * t))) <= 0.02


def test_a_held_chord_is_not() -> None:
    """A chord repeats as a voice does, but never changes."""
    t = np.arange(RATE) / RATE
    assert share(np.sum([0.1 * np.sin(2 * np.pi * f * t) for f in (392, 494, 587)], axis=0)) <= 0.04


def test_a_monotone_is_voiced_where_it_has_syllables() -> None:
    """One vowel at one pitch, swelling and fading as speech does; held as loud as it began it is a tone."""
    t = np.arange(RATE) / RATE
    buzz = np.sum([0.1 * np.sin(2 * np.pi * 140 * h * t) / h for h in range(1, 20)], axis=0)
    assert share(buzz * (0.6 + 0.4 * np.sin(2 * np.pi * 4 * t))) > 0.25
    assert share(buzz) <= 0.04


def test_silence_is_not() -> None:
    """Nothing at all is no voice."""
    assert share(np.zeros(RATE)) == 0
