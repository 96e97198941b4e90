"""How loud a frame is."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.audio.g711 import decode_mulaw, encode_mulaw
from bridge.audio.level import level, numpy_level, numpy_power, power
from tests.audio.sound import tone


@pytest.mark.parametrize("measure", [level, numpy_level])
def test_silence_is_zero_and_the_loudest_frame_is_full_scale(measure: object) -> None:
    """Both zeros and no frame at all are silence; all-loudest is 32124."""
    assert [measure(frame) for frame in (b"", b"\xff" * 160, b"\x7f" * 160)] == [0, 0, 0]  # type: ignore[operator]
    assert measure(b"\x80\x00" * 80) == 32124  # type: ignore[operator]


@given(frame=st.binary(max_size=400))
def test_the_level_is_the_mean_magnitude(frame: bytes) -> None:
    """Whoever counts, it is the mean of the magnitudes, rounded down."""
    expected = sum(abs(int(sample)) for sample in decode_mulaw(frame)) // max(len(frame), 1)
    assert level(frame) == numpy_level(frame) == expected


def test_a_tone_has_the_level_of_its_mean() -> None:
    """A sine reads 2/pi of its peak."""
    assert level(encode_mulaw(tone(1013, 8000, peak=10000))) == pytest.approx(10000 * 2 / np.pi, rel=0.01)


@given(st.binary(max_size=400))
def test_the_power_of_a_frame_is_the_same_from_c_and_numpy(codes: bytes) -> None:
    """Both ways give the mean square of the samples, to the last bit."""
    samples = decode_mulaw(codes).astype(float)
    expected = float(np.mean(np.square(samples))) if codes else 0.0
    assert numpy_power(codes) == pytest.approx(expected, rel=1e-12)
    assert power(codes) == numpy_power(codes)
