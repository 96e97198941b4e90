"""Speech from text."""

import asyncio

import numpy as np
import pytest

from bridge.agents.demo.voice import Voice
from bridge.errors import LocalError


async def test_speech_has_the_length_level_and_shape_of_speech() -> None:
    """A sentence lasts as long as a person takes, lies at telephone level, and varies like speech and unlike a tone."""
    voice = Voice()
    sound = await voice.speak("What are your opening hours on Saturday?")
    voice.close()
    assert sound.rate == 22050
    assert 1.5 < sound.seconds < 4
    assert sound.level == pytest.approx(-18, abs=1.5)
    frames = sound.samples[: sound.samples.size // 441 * 441].reshape(-1, 441)
    levels = 10 * np.log10(np.mean(frames**2, axis=1) + 1e-12)
    assert np.std(levels) > 5
    spectrum = np.abs(np.fft.rfft(sound.samples)) ** 2
    hertz = np.fft.rfftfreq(sound.samples.size, 1 / sound.rate)
    assert np.sum(spectrum[(hertz > 80) & (hertz < 4000)]) / np.sum(spectrum) > 0.8


async def test_more_words_take_longer_and_other_words_sound_otherwise() -> None:
    """The sound depends on the words."""
    voice = Voice()
    short, other, long = await asyncio.gather(
        *(voice.speak(t) for t in ("Yes.", "Goodbye.", "Yes, on Thursday at half past ten."))
    )
    voice.close()
    assert long.seconds > 2 * short.seconds
    assert short.pcm != other.pcm


async def test_the_rate_that_is_asked_for() -> None:
    """Speech comes at the rate that is asked for, and as long as at the library's own."""
    voice = Voice()
    own, telephone = await voice.speak("One moment."), await voice.speak("One moment.", 8000)
    voice.close()
    assert telephone.rate == 8000
    assert telephone.seconds == pytest.approx(own.seconds, abs=0.005)
    assert telephone.level == pytest.approx(own.level, abs=1)


async def test_two_voices_in_many_tasks_do_not_mix() -> None:
    """Voices that speak at the same time say each what they say alone."""
    her, him = Voice("en-us+f3"), Voice("en-us+m3")
    texts = [f"This is sentence number {n}." for n in range(5)]
    alone = [voice.render(text) for voice in (her, him) for text in texts]
    together = await asyncio.gather(*(voice.speak(text) for voice in (her, him) for text in texts))
    her.close()
    him.close()
    for mine, theirs in zip(alone, together, strict=True):
        # the library's pitch flutters a little: lengths of the same phrase differ by some samples
        assert theirs.seconds == pytest.approx(mine.seconds, abs=0.01)
        assert theirs.level == pytest.approx(mine.level, abs=0.5)
    assert abs(alone[0].seconds - alone[5].seconds) > 0.01


def test_an_unknown_voice_is_named() -> None:
    """A voice that does not exist is an error that names it and a remedy."""
    with pytest.raises(LocalError, match="martian") as caught:
        Voice("martian").render("Hello.")
    assert caught.value.hint


def test_nothing_to_say_is_silence() -> None:
    """Empty text gives a sound without speech rather than an error."""
    assert Voice().render("").seconds < 0.5
