"""The filters against an offline design, and the streaming resampler against an offline run of the same taps."""

import itertools

import numpy as np
import pytest
from scipy import signal

from bridge.audio.formats import RATES
from bridge.audio.resample import Resampler, design
from tests.audio.sound import db

PAIRS = [(a, b) for a, b in itertools.permutations(RATES, 2) if 8000 in (a, b)]
ALL_PAIRS = list(itertools.permutations(RATES, 2))


def prototype(source: int, target: int) -> np.ndarray:
    """The taps of all phases in the order in which they follow one another, with a gain of ``up``."""
    bank = design(source, target)
    return bank.taps[:, ::-1].T.ravel() / 2.0**bank.shift


@pytest.mark.parametrize(("source", "target"), ALL_PAIRS)
def test_the_taps_are_those_of_an_offline_design(source: int, target: int) -> None:
    """What is computed at run time is scipy's Kaiser-windowed low-pass, but for rounding."""
    bank = design(source, target)
    steps = max(bank.up, bank.down)
    reference = bank.up * signal.firwin(32 * steps, 1 / steps, window=("kaiser", 7.4))
    taps = prototype(source, target)
    assert np.abs(taps[: len(reference)] - reference).max() < 10 / 2**bank.shift
    assert not taps[len(reference) :].any()


@pytest.mark.parametrize(("source", "target"), PAIRS)
def test_the_rounded_filter_keeps_the_telephone_band_and_nothing_else(source: int, target: int) -> None:
    """300 to 3400 Hz within 0.1 dB, 60 dB and more of rejection from 4.6 kHz on, rounding of the taps included."""
    bank = design(source, target)
    taps, grid = prototype(source, target) / bank.up, source * bank.up
    _, passed = signal.freqz(taps, worN=np.linspace(300, 3400, 60), fs=grid)
    _, stopped = signal.freqz(taps, worN=np.linspace(4600, min(grid / 2, 200_000), 2000), fs=grid)
    assert max(abs(db(abs(gain))) for gain in passed) < 0.1
    assert db(np.abs(stopped).max()) < -65


@pytest.mark.parametrize(("source", "target"), ALL_PAIRS)
def test_the_delay_is_two_milliseconds_at_most(source: int, target: int) -> None:
    """Whatever the rates, the filter holds sound back for no more than 2 ms."""
    assert 0 < design(source, target).delay <= 0.002


@pytest.mark.parametrize(("source", "target"), ALL_PAIRS)
def test_a_stream_in_chunks_is_the_offline_run_of_the_same_taps(source: int, target: int) -> None:
    """Chunk by chunk, tail included, the samples are those of scipy's upfirdn, one least bit apart at most."""
    bank = design(source, target)
    rng = np.random.default_rng(7)
    sound = rng.integers(-32768, 32768, 3000).astype(np.int16)
    resampler = Resampler(bank)
    edges = [0, 1, 2, 30, 161, 162, 1000, 3000]
    made = np.concatenate([resampler.process(sound[a:b]) for a, b in itertools.pairwise(edges)] + [resampler.flush()])
    reference = signal.upfirdn(prototype(source, target), sound.astype(np.float64), bank.up, bank.down)
    count = -(-(len(sound) + bank.tail) * bank.up // bank.down)
    assert len(made) == count
    length = min(count, len(reference))
    assert np.abs(made[:length] - np.clip(reference[:length], -32768, 32767)).max() <= 1
    assert not np.rint(reference[length:]).any()


@pytest.mark.parametrize(("source", "target"), ALL_PAIRS)
def test_a_constant_stays_a_constant(source: int, target: int) -> None:
    """An offset on the line makes no hum: all phases pass it alike."""
    made = Resampler(design(source, target)).process(np.full(2000, 12345, np.int16))
    assert set(made[len(made) // 2 :].tolist()) == {12345}


def test_a_long_piece_is_as_many_short_ones() -> None:
    """A minute at once gives what its frames give."""
    sound = np.random.default_rng(3).integers(-9000, 9000, 24000 * 3).astype(np.int16)
    whole, framed = Resampler(design(24000, 8000)), Resampler(design(24000, 8000))
    frames = [framed.process(sound[i : i + 480]) for i in range(0, len(sound), 480)]
    assert np.array_equal(whole.process(sound), np.concatenate(frames))


def test_filters_are_shared_and_cannot_be_written() -> None:
    """A thousand calls hold one filter, and none can spoil it for the others."""
    assert design(8000, 16000) is design(8000, 16000)
    with pytest.raises(ValueError, match="read-only"):
        design(8000, 16000).taps[0, 0] = 1
