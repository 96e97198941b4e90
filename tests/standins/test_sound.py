"""The tests' own sound: its codec by published values, its measures by signals whose measure is known."""

import numpy as np

from tests.standins import sound


def test_mulaw_has_the_published_corner_values() -> None:
    """G.711's end points and both zeros decode as its tables say."""
    assert sound.mulaw_decode(bytes([0x00, 0x80, 0x7F, 0xFF, 0x01])).tolist() == [-32124, 32124, 0, 0, -31100]
    assert sound.mulaw_encode(np.array([0, 32767, -32768, 8, -8], np.int16))[:3] == bytes([0xFF, 0x80, 0x00])


def test_every_mulaw_code_survives_a_round_trip() -> None:
    """Decoding and encoding again gives the same code; negative zero becomes the positive one."""
    codes = bytes(c for c in range(256) if c != 0x7F)
    assert sound.mulaw_encode(sound.mulaw_decode(codes)) == codes


def test_a_fit_tells_level_and_noise() -> None:
    """A sine of known level under known noise is measured to half a decibel."""
    rng = np.random.default_rng(7)
    clean = sound.tone(1.0, frequency=1000, rate=8000, level=0.5)
    noisy = (clean + rng.normal(0, 0.5 * 32768 / np.sqrt(2) / 100, 8000)).astype(np.int16)
    fit = sound.fit_sine(noisy, 1000, 8000)
    assert abs(fit.level - 0.5) < 0.005
    assert abs(fit.snr_db - 40) < 0.5
    assert abs(sound.frequency_of(noisy, 8000) - 1000) < 1


def test_alignment_finds_the_delay() -> None:
    """A delayed copy is found to the sample."""
    voice = sound.speechlike(0.5)
    assert sound.align(voice, np.concatenate([np.zeros(1234, np.int16), voice, np.zeros(99, np.int16)])) == 1234


def test_loud_runs_are_told_from_silence() -> None:
    """Runs of sound have their place and length; short gaps may be bridged."""
    line = b"\xff" * 10 + b"\x20" * 5 + b"\xff" * 3 + b"\x21" * 4 + b"\xff" * 20
    assert sound.loud_runs(line) == [(10, 5), (18, 4)]
    assert sound.loud_runs(line, join=3) == [(10, 12)]
