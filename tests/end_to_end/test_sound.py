"""The sound of whole calls: over real sockets, through both translators, measured at both ends."""

from pathlib import Path

import numpy as np
import pytest

from tests.standins import sound
from tests.standins.xuna import Xuna, XunaAgent
from tests.support.scene import scene

FORMATS = ["pcm_8000", "pcm_16000", "pcm_22050", "pcm_24000", "pcm_44100", "pcm_48000", "ulaw_8000"]


def limit_db(level: float) -> float:
    """The signal-to-noise ratio that mu-law itself leaves of a 1 kHz tone of this level."""
    tone = sound.mulaw_decode(sound.mulaw_encode(sound.tone(1.0, frequency=997, level=level)))
    return sound.fit_sine(tone, 997, 8000).snr_db


@pytest.mark.parametrize("output", FORMATS)
async def test_the_agents_sound_reaches_the_phone_as_good_as_mulaw_can_carry_it(output: str, tmp_path: Path) -> None:
    """Whatever format the agent announces: to the sample, at its level, at its pitch, with no noise but mu-law's."""
    async with scene(tmp_path, xuna=Xuna(agents=[XunaAgent("agent_1", output_format=output)])) as cast:
        call, session = await cast.talking()
        await session.say(2.0, frequency=997, level=0.5, chunk_ms=70)
        await call.hears(1.9)
        await call.silent_for(0.2)
        assert call.stream is not None
        start, length = call.stream.playout.spans[0]
        assert sum(size for _, size in call.stream.playout.spans) == pytest.approx(16000, abs=2)
        middle = call.stream.heard_pcm[start + 400 : start + length - 400]
        fit = sound.fit_sine(middle, 997, 8000)
        assert fit.snr_db > limit_db(0.5) - 1.0
        assert fit.level == pytest.approx(0.5, rel=0.015)


async def test_mulaw_passes_through_bit_for_bit(tmp_path: Path) -> None:
    """An agent that speaks mu-law is heard untouched."""
    async with scene(tmp_path, xuna=Xuna(agents=[XunaAgent("agent_1", output_format="ulaw_8000")])) as cast:
        call, session = await cast.talking()
        noise = np.random.default_rng(1).integers(0, 0x7E, 12_000, dtype=np.uint8).tobytes()
        await session.say(noise, chunk_bytes=333)
        await call.hears(1.4)
        await call.silent_for(0.1)
        assert noise in call.heard


async def test_the_callers_sound_reaches_the_agent_as_good_as_mulaw_carried_it(tmp_path: Path) -> None:
    """Every frame, doubled in rate, to the sample."""
    async with scene(tmp_path) as cast:
        call, session = await cast.talking()
        await call.speak(sound.tone(2.0, frequency=997, level=0.5))
        assert call.stream is not None
        frames = call.stream.frames_sent
        await session.heard((frames + 2) * 0.02)
        heard = session.heard_pcm
        loud = np.flatnonzero(np.abs(heard) > 3000)
        middle = heard[loud[0] + 1600 : loud[-1] - 1600]
        fit = sound.fit_sine(middle, 997, 16000)
        assert fit.snr_db > limit_db(0.5) - 1.0
        assert fit.level == pytest.approx(0.5, rel=0.015)
        assert loud[-1] - loud[0] == pytest.approx(32000, abs=40)
        assert len(heard) % 320 == 0


async def test_samples_cut_in_half_are_joined_again(tmp_path: Path) -> None:
    """Chunks of an odd number of bytes make no noise: half a sample waits for its other half."""
    async with scene(tmp_path) as cast:
        call, session = await cast.talking()
        await session.say(sound.tone(1.0, rate=16000, frequency=997), chunk_bytes=1001)
        await call.hears(0.95)
        assert call.stream is not None
        start, length = call.stream.playout.spans[0]
        fit = sound.fit_sine(call.stream.heard_pcm[start + 400 : start + length - 400], 997, 8000)
        assert fit.snr_db > limit_db(0.5) - 1.0


async def test_a_minute_sent_in_a_moment_is_heard_in_order(tmp_path: Path) -> None:
    """A burst is bounded at the carrier (30 s in flight), and what plays is a steady tone without a gap."""
    async with scene(tmp_path) as cast:
        call, session = await cast.talking()
        await session.say(60.0, frequency=997, chunk_ms=1000)
        await call.hears(2.0)
        assert call.stream is not None
        assert call.stream.playout.peak <= 30 * 8000
        start, length = call.stream.playout.spans[0]
        assert len(call.stream.playout.spans) == 1
        assert sound.fit_sine(call.stream.heard_pcm[start + 400 : start + length - 400], 997, 8000).snr_db > 30


async def test_kura_speaks_and_hears_at_24_kilohertz(tmp_path: Path) -> None:
    """Both directions, as good as mu-law carries them."""
    async with scene(tmp_path, lines='[[lines]]\nnumber = "*"\nagent = "booking"\n') as cast:
        call = await cast.carrier.call()
        session = await cast.kura.session()
        await call.streaming()
        await session.say(1.0, frequency=997)
        await call.hears(0.9)
        await call.speak(sound.tone(1.0, frequency=997))
        await session.heard(1.2)
        assert call.stream is not None
        start, length = call.stream.playout.spans[0]
        assert (
            sound.fit_sine(call.stream.heard_pcm[start + 400 : start + length - 400], 997, 8000).snr_db
            > limit_db(0.5) - 1
        )
        heard = session.heard_pcm
        loud = np.flatnonzero(np.abs(heard) > 3000)
        assert sound.fit_sine(heard[loud[0] + 2400 : loud[-1] - 2400], 997, 24000).snr_db > limit_db(0.5) - 1
