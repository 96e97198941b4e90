"""The arithmetic of frames."""

import pytest

from bridge.audio.formats import RATES, TELEPHONE, AudioFormat, Encoding


def test_the_telephone_is_mu_law_at_8_khz() -> None:
    """160 bytes each 20 ms, 8000 a second."""
    assert AudioFormat(Encoding.MULAW, 8000) == TELEPHONE
    assert (TELEPHONE.sample_bytes, TELEPHONE.frame_bytes(), TELEPHONE.bytes_per_second) == (1, 160, 8000)
    assert str(TELEPHONE) == "mulaw/8000"


def test_a_sample_is_one_byte_or_two() -> None:
    """G.711 has one, PCM two."""
    assert [AudioFormat(each, 8000).sample_bytes for each in Encoding] == [1, 1, 2]


@pytest.mark.parametrize("rate", RATES)
def test_a_frame_is_whole_samples(rate: int) -> None:
    """Also where 20 ms or 1 ms are not a whole number of them: rounded down, never an odd byte of PCM."""
    format_ = AudioFormat(Encoding.PCM16, rate)
    for ms in (1, 7, 20, 33):
        size = format_.frame_bytes(ms)
        assert size % 2 == 0
        assert size <= format_.bytes_per_second * ms / 1000 < size + 2


def test_seconds_undo_bytes() -> None:
    """One second of sound is one second long."""
    for rate in RATES:
        format_ = AudioFormat(Encoding.PCM16, rate)
        assert format_.seconds(format_.bytes_per_second) == 1.0
    assert TELEPHONE.seconds(160) == pytest.approx(0.02)


def test_formats_are_values() -> None:
    """Two that say the same are the same, and fit as keys."""
    assert len({AudioFormat(Encoding.PCM16, 16000), AudioFormat(Encoding("pcm16"), 16000)}) == 1
