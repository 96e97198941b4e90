"""Levels of telephone sound."""

from __future__ import annotations

import math

import pytest

from bridge.audio.loudness import QUIETEST, Minimum, decibels, mulaw_samples


def test_mulaw_values_are_those_of_the_recommendation() -> None:
    """The ends, the zeros and the first steps of ITU-T G.711 table 2, at 16 bits."""
    values = mulaw_samples()
    assert [values[code] for code in (0x00, 0x80, 0x7F, 0xFF, 0xFE, 0x7E)] == [-32124, 32124, 0, 0, 8, -8]


def test_levels_are_below_full_scale() -> None:
    """A square wave at full scale is 0 dB, half of it 6 dB less, nothing at all the least there is."""
    assert decibels(32768.0**2) == 0
    assert math.isclose(decibels(16384.0**2), -6.02, abs_tol=0.01)
    assert decibels(0.0) == decibels(1e-9) == QUIETEST


def test_the_minimum_forgets() -> None:
    """Only the last blocks count, and with a lag not the latest of them."""
    least = Minimum(block=2, blocks=2)
    assert least.value(9) == 9
    for value in (1, 5, 6, 7, 8, 8):
        least.add(value)
    assert least.value(9) == 6
    late = Minimum(block=1, blocks=2, lag=1)
    for value in (4, 3, 1):
        late.add(value)
    assert late.value(9) == 3


@pytest.mark.parametrize("count", [0, 1])
def test_an_unfinished_block_does_not_count(count: int) -> None:
    """Until a block is complete the default holds."""
    least = Minimum(block=2, blocks=1)
    for _ in range(count):
        least.add(-5)
    assert least.value(7) == 7
