"""Whole sounds: rates, levels, and the telephone's encoding."""

import numpy as np
import pytest

from bridge.audio.sound import Sound, from_mulaw, from_samples, silence


def tone(hz: float, *, rate: int, seconds: float = 1.0, peak: float = 0.5) -> Sound:
    """A sine."""
    return from_samples(peak * np.sin(2 * np.pi * hz * np.arange(round(seconds * rate)) / rate), rate)


@pytest.mark.parametrize("rate", [8000, 11025, 16000, 22050, 24000, 32000, 44100, 48000])
def test_a_tone_survives_the_way_to_8_khz(rate: int) -> None:
    """A 1 kHz tone of any rate comes out at 8 kHz with the right length and at least 60 dB above its error."""
    heard = tone(1000, rate=rate).at(8000)
    assert len(heard.pcm) == 16000
    middle = slice(400, -400)
    ideal = tone(1000, rate=8000).samples
    assert np.mean((heard.samples - ideal)[middle] ** 2) < 1e-6 * np.mean(ideal[middle] ** 2)


def test_what_8_khz_cannot_carry_is_gone() -> None:
    """A 5 kHz tone at 22.05 kHz leaves no alias above -60 dB when it goes down to 8 kHz."""
    heard = tone(5000, rate=22050).at(8000)
    assert from_samples(heard.samples[400:-400], 8000).level < -60


def test_level_is_set_and_pauses_do_not_count() -> None:
    """A phrase with a long pause is brought to the level of its speech, and nothing passes full scale."""
    pause = Sound(tone(500, rate=8000, peak=0.02).pcm + silence(3, 8000).pcm, 8000)
    louder = pause.at_level(-18)
    assert louder.level == pytest.approx(-18, abs=0.2)
    assert louder.seconds == 4
    assert np.max(np.abs(pause.at_level(0).samples)) <= 1


def test_silence_stays_silence() -> None:
    """Silence has no level and is left as it is."""
    quiet = silence(0.5, 8000)
    assert quiet.level == float("-inf")
    assert quiet.at_level(-18) == quiet


def test_mulaw_there_and_back() -> None:
    """A tone at -12 dB survives mu-law with the signal-to-noise ratio of G.711 (at least 35 dB), sample for sample."""
    sent = tone(1000, rate=8000, peak=0.25)
    heard = from_mulaw(sent.mulaw())
    assert len(sent.mulaw()) == 8000
    error = heard.samples - sent.samples
    assert 10 * np.log10(np.mean(sent.samples**2) / np.mean(error**2)) > 35
