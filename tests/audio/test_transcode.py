"""What comes out of the only door, on every kernel."""

import contextlib
import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.audio.formats import RATES, TELEPHONE, AudioFormat, Encoding
from bridge.audio.g711 import decode_mulaw, encode_mulaw
from bridge.audio.kernels import CKernel, Kernel, NumpyKernel
from bridge.audio.resample import design
from bridge.audio.transcode import Transcoder
from bridge.errors import ProtocolError, Reason
from tests.audio.sound import amplitude, db, noise_ratio, tone

KERNELS: list[Kernel] = [NumpyKernel()]
with contextlib.suppress(ImportError):  # installed without a compiler: there is one kernel to hold to its promises
    KERNELS.append(CKernel())

HIGH = [rate for rate in RATES if rate != 8000]
BAND = [301, 700.7, 1013, 1999, 2703, 3101, 3399]  # Hz; none divides 8000, so that rounding errors do not pile up

kernels = pytest.mark.parametrize("kernel", KERNELS, ids=lambda kernel: kernel.name)
rates = pytest.mark.parametrize("rate", HIGH)


def pcm(rate: int) -> AudioFormat:
    """16-bit linear sound."""
    return AudioFormat(Encoding.PCM16, rate)


def samples(sound: bytes) -> np.ndarray:
    """PCM16 as numbers."""
    return np.frombuffer(sound, "<i2")


def run(sound: bytes, source: AudioFormat, target: AudioFormat, kernel: Kernel) -> bytes:
    """The sound in the other format, converted in 20 ms frames."""
    transcoder = Transcoder(source, target, kernel=kernel)
    size = source.frame_bytes()
    return b"".join(transcoder.process(sound[i : i + size]) for i in range(0, len(sound), size))


@kernels
@rates
@pytest.mark.parametrize("frequency", BAND)
def test_the_telephone_band_is_flat(kernel: Kernel, rate: int, frequency: float) -> None:
    """A tone from 300 to 3400 Hz keeps its level within 0.1 dB, up and down."""
    up = run(tone(frequency, 8000).tobytes(), pcm(8000), pcm(rate), kernel)
    down = run(tone(frequency, rate).tobytes(), pcm(rate), pcm(8000), kernel)
    assert abs(db(amplitude(samples(up), frequency, rate) / 16000)) < 0.1
    assert abs(db(amplitude(samples(down), frequency, 8000) / 16000)) < 0.1


@kernels
@rates
@pytest.mark.parametrize("frequency", BAND)
def test_no_image_of_a_tone_is_heard(kernel: Kernel, rate: int, frequency: float) -> None:
    """Going up, every mirror image of a tone is 60 dB below it."""
    made = samples(run(tone(frequency, 8000).tobytes(), pcm(8000), pcm(rate), kernel))
    images = [abs(k * 8000 + sign * frequency) for k in range(1, 4) for sign in (1, -1)]
    for image in images:
        if image < rate / 2:
            assert db(amplitude(made, image, rate) / 16000) < -60


@kernels
@rates
def test_nothing_above_the_band_folds_into_it(kernel: Kernel, rate: int) -> None:
    """Going down, a tone anywhere from 4.6 kHz on leaves 60 dB less than itself, whatever that is."""
    for frequency in [*np.arange(4601, rate / 2, 613), rate / 2 - 37]:
        made = samples(run(tone(frequency, rate, 0.4).tobytes(), pcm(rate), pcm(8000), kernel))
        left = np.sqrt(np.mean(made[400:].astype(float) ** 2))
        assert db(left / (16000 / np.sqrt(2))) < -60, frequency


@kernels
@rates
@pytest.mark.parametrize("frequency", [1013, 2703])
def test_sound_is_as_good_as_mulaw_allows(kernel: Kernel, rate: int, frequency: float) -> None:
    """A tone through the bridge has the signal-to-noise ratio that mu-law alone leaves it, within 1 dB."""
    codes = encode_mulaw(tone(frequency, 8000))
    limit = noise_ratio(decode_mulaw(codes), frequency, 8000)
    assert limit > 35
    up = run(codes, TELEPHONE, pcm(rate), kernel)
    down = run(tone(frequency, rate).tobytes(), pcm(rate), TELEPHONE, kernel)
    assert noise_ratio(samples(up), frequency, rate) > limit - 1
    assert noise_ratio(decode_mulaw(down), frequency, 8000) > limit - 1


@kernels
@rates
def test_the_delay_is_what_is_said_and_at_most_two_milliseconds(kernel: Kernel, rate: int) -> None:
    """A click arrives ``delay_ms`` later, measured on the sound, and that is never more than 2 ms."""
    for source, target in [(pcm(8000), pcm(rate)), (pcm(rate), pcm(8000))]:
        transcoder = Transcoder(source, target, kernel=kernel)
        click = np.zeros(source.rate // 10, np.int16)
        at = source.rate // 50
        click[at : at + source.rate // 1000] = 12000  # 1 ms long
        made = samples(transcoder.process(click.tobytes())).astype(float)
        centre = (made @ np.arange(len(made))) / made.sum() / target.rate
        expected = (at + (source.rate // 1000 - 1) / 2) / source.rate
        assert 1000 * (centre - expected) == pytest.approx(transcoder.delay_ms, abs=0.02)
        assert transcoder.delay_ms <= 2


@kernels
@rates
def test_an_hour_of_frames_is_an_hour_of_sound(kernel: Kernel, rate: int) -> None:
    """Every 20 ms frame in makes exactly one 20 ms frame out, for ever, in both directions."""
    frames = 180_000 if kernel.name == "c" or rate == 16000 else 9_000
    for source, target in [(TELEPHONE, pcm(rate)), (pcm(rate), TELEPHONE)]:
        transcoder = Transcoder(source, target, kernel=kernel)
        frame, size = bytes(range(200)) * 20, target.frame_bytes()
        frame = frame[: source.frame_bytes()]
        assert {len(transcoder.process(frame)) for _ in range(frames)} == {size}


formats = st.builds(AudioFormat, st.sampled_from(Encoding), st.sampled_from(RATES))


@kernels
@given(source=formats, target=formats, seed=st.integers(0, 2**32), cuts=st.lists(st.integers(0, 4001), max_size=12))
@settings(max_examples=60, deadline=None)
def test_chunks_make_no_difference(
    kernel: Kernel, source: AudioFormat, target: AudioFormat, seed: int, cuts: list[int]
) -> None:
    """However the bytes are cut, within samples too, the same bytes come out, and as many as the rates say."""
    sound = np.random.default_rng(seed).bytes(4001)
    whole, cut = Transcoder(source, target, kernel=kernel), Transcoder(source, target, kernel=kernel)
    edges = [0, *sorted(cuts), len(sound)]
    pieces = [cut.process(sound[a:b]) for a, b in itertools.pairwise(edges)]
    expected = whole.process(sound)
    assert b"".join(pieces) == expected
    assert cut.flush() == whole.flush()
    if source != target:
        count = len(sound) // source.sample_bytes
        assert len(expected) == -(-count * target.rate // source.rate) * target.sample_bytes


@pytest.mark.skipif(len(KERNELS) < 2, reason="the C extension was not built")
@given(source=formats, target=formats, sound=st.binary(max_size=3000))
@settings(max_examples=200, deadline=None)
def test_both_kernels_give_the_same_bytes(source: AudioFormat, target: AudioFormat, sound: bytes) -> None:
    """Which kernel runs cannot be heard: no bit differs, at full scale too."""
    made = []
    for kernel in KERNELS:
        transcoder = Transcoder(source, target, kernel=kernel)
        made.append([transcoder.process(sound), transcoder.process(sound[::-1]), transcoder.flush()])
    assert made[0] == made[1]


@kernels
def test_alike_is_passed_through_untouched(kernel: Kernel) -> None:
    """Between equal formats the very same bytes come back, odd ones too, and nothing is held."""
    transcoder = Transcoder(pcm(16000), pcm(16000), kernel=kernel)
    sound = b"\x01\x02\x03"
    assert transcoder.process(sound) is sound
    assert transcoder.flush() == b""
    transcoder.reset()
    assert transcoder.delay_ms == 0


@kernels
@pytest.mark.parametrize(("law", "kept"), [(Encoding.MULAW, {0x7F: 0xFF}), (Encoding.ALAW, {})])
def test_a_round_trip_at_the_same_rate_keeps_every_code(kernel: Kernel, law: Encoding, kept: dict[int, int]) -> None:
    """G.711 to PCM16 and back at 8 kHz gives the same codes, mu-law's negative zero alone becoming the positive one."""
    every = bytes(range(256))
    linear = run(every, AudioFormat(law, 8000), pcm(8000), kernel)
    back = run(linear, pcm(8000), AudioFormat(law, 8000), kernel)
    assert list(back) == [kept.get(code, code) for code in every]


@kernels
def test_half_a_sample_waits_for_its_other_half(kernel: Kernel) -> None:
    """PCM16 byte by byte is the same sound as in one piece: nothing is shifted, nothing lost."""
    sound = tone(1013, 16000, 0.02).tobytes()
    one, many = (Transcoder(pcm(16000), TELEPHONE, kernel=kernel) for _ in range(2))
    assert b"".join(many.process(sound[i : i + 1]) for i in range(len(sound))) == one.process(sound)


@kernels
def test_half_a_sample_survives_a_flush(kernel: Kernel) -> None:
    """A gap in the middle of a sample does not turn what follows into noise."""
    sound = tone(1013, 16000, 0.02).tobytes()
    transcoder, fresh = (Transcoder(pcm(16000), TELEPHONE, kernel=kernel) for _ in range(2))
    transcoder.process(sound[:1])
    transcoder.flush()
    assert transcoder.process(sound[1:]) == fresh.process(sound)


@kernels
@rates
def test_flush_gives_all_that_is_left_and_only_once(kernel: Kernel, rate: int) -> None:
    """After a flush all of the sound is out: silence behind it brings no more."""
    for source, target in [(pcm(8000), pcm(rate)), (pcm(rate), pcm(8000))]:
        flushed, padded = Transcoder(source, target, kernel=kernel), Transcoder(source, target, kernel=kernel)
        sound = tone(1013, source.rate, 0.0202).tobytes()
        made = flushed.process(sound) + flushed.flush()
        expected = padded.process(sound + bytes(source.frame_bytes()))
        assert made == expected[: len(made)]
        assert not any(expected[len(made) :])
        assert flushed.flush() == b""


@kernels
def test_sound_after_a_flush_starts_from_silence(kernel: Kernel) -> None:
    """What the filter has given out it does not give again."""
    sound = encode_mulaw(tone(1013, 8000, 0.02))
    transcoder, fresh = (Transcoder(TELEPHONE, pcm(16000), kernel=kernel) for _ in range(2))
    transcoder.process(sound)
    transcoder.flush()
    assert transcoder.process(sound) == fresh.process(sound)


@kernels
@rates
def test_reset_forgets_everything(kernel: Kernel, rate: int) -> None:
    """After a reset nothing is left of what was cleared, not even half a sample or a fraction of a step."""
    for source, target in [(TELEPHONE, pcm(rate)), (pcm(rate), TELEPHONE)]:
        used, fresh = (Transcoder(source, target, kernel=kernel) for _ in range(2))
        used.process(bytes(range(211)) * 3)
        used.reset()
        assert used.flush() == b""
        assert used.process(bytes(range(100))) == fresh.process(bytes(range(100)))


@kernels
@rates
def test_too_loud_is_clipped_not_wrapped(kernel: Kernel, rate: int) -> None:
    """A full-scale square wave overshoots the filter and is cut off at full scale, never turned over."""
    for source, target in [(pcm(8000), pcm(rate)), (pcm(rate), pcm(8000))]:
        half = source.rate / 200  # 5 ms each way
        square = np.where(np.arange(source.rate) // half % 2, -32768, 32767).astype(np.int16)
        made = samples(run(square.tobytes(), source, target, kernel)).astype(int)
        assert (made.max(), made.min()) == (32767, -32768)
        delay = design(source.rate, target.rate).delay
        place = (np.arange(len(made)) / target.rate - delay) * 200 % 2  # 0 to 1: high, 1 to 2: low
        assert (made[(place > 0.1) & (place < 0.9)][100:] > 0).all()
        assert (made[(place > 1.1) & (place < 1.9)][100:] < 0).all()


@kernels
def test_silence_stays_silent(kernel: Kernel) -> None:
    """mu-law silence is zeros at every rate, and zeros are mu-law silence."""
    assert not any(run(b"\xff" * 1600, TELEPHONE, pcm(24000), kernel))
    assert set(run(bytes(4800), pcm(24000), TELEPHONE, kernel)) == {0xFF}


@kernels
def test_no_sound_makes_no_sound(kernel: Kernel) -> None:
    """An empty chunk is welcome and changes nothing."""
    transcoder = Transcoder(TELEPHONE, pcm(16000), kernel=kernel)
    assert transcoder.process(b"") == b""
    assert transcoder.flush() == b""


def test_it_says_what_it_does() -> None:
    """The data path can print itself."""
    assert str(Transcoder(TELEPHONE, pcm(16000))) == "mulaw/8000 -> pcm16/16000: FIR 64 taps, 2.0 ms"
    assert str(Transcoder(TELEPHONE, pcm(24000))) == "mulaw/8000 -> pcm16/24000: FIR 96 taps, 2.0 ms"
    assert str(Transcoder(TELEPHONE, pcm(8000))) == "mulaw/8000 -> pcm16/8000: by table"
    assert str(Transcoder(TELEPHONE, TELEPHONE)) == "mulaw/8000 -> mulaw/8000: passed through"


@pytest.mark.parametrize("rate", [0, -8000, 11025, 8001, 192000])
def test_a_rate_that_nobody_can_convert_is_refused(rate: int) -> None:
    """An unknown rate is the agent's mistake: it is named, with what would do."""
    with pytest.raises(ProtocolError, match=f"pcm16/{rate}") as caught:
        Transcoder(pcm(rate), TELEPHONE)
    assert caught.value.reason is Reason.AGENT_FORMAT
    assert "24000" in caught.value.hint
