"""When the caller speaks."""

import numpy as np
import pytest

from bridge.agents.demo.ears import Change, Ears
from bridge.agents.demo.voice import Voice

RATE = 16000


def hear(ears: Ears, samples: np.ndarray) -> list[tuple[float, Change]]:
    """The changes and when they came, in seconds."""
    pcm = np.round(np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes()
    size = ears.frame_bytes
    heard = [(at / 2 / RATE, ears.hear(pcm[at : at + size])) for at in range(0, len(pcm) - size + 1, size)]
    return [(at, change) for at, change in heard if change is not Change.NONE]


@pytest.fixture(scope="module")
def sentence() -> np.ndarray:
    """A man's, of about 2 s."""
    return Voice("en-us+m3").render("I would like an appointment, please.", RATE).samples


@pytest.mark.parametrize("noise_db", [-90.0, -60.0, -48.0])
def test_a_sentence_has_one_beginning_and_one_end(sentence: np.ndarray, noise_db: float) -> None:
    """A sentence between pauses starts within 250 ms of its onset and ends once, 0.5 to 1 s after its last sound."""
    silence = np.zeros(2 * RATE)
    track = np.concatenate([silence, sentence, silence])
    track = track + 10 ** (noise_db / 20) * np.random.default_rng(1).standard_normal(track.size)
    changes = hear(Ears(RATE), track)
    assert [change for _, change in changes] == [Change.STARTED, Change.ENDED]
    end = 2 + sentence.size / RATE
    assert 2 <= changes[0][0] < 2.25
    assert end + 0.3 < changes[1][0] < end + 1


def test_clicks_and_line_noise_are_nobody() -> None:
    """A minute of noise at -55 dB with a loud click each second is not speech."""
    noise = 10 ** (-55 / 20) * np.random.default_rng(2).standard_normal(60 * RATE)
    for second in range(60):
        noise[second * RATE : second * RATE + 200] = 0.5
    assert hear(Ears(RATE), noise) == []


def test_the_utterance_is_kept_for_recognition(sentence: np.ndarray) -> None:
    """After the end the utterance holds the whole sentence, its onset included."""
    ears = Ears(RATE)
    hear(ears, np.concatenate([np.zeros(RATE), sentence, np.zeros(RATE)]))
    kept = np.frombuffer(bytes(ears.utterance), "<i2").astype(float) / 32768
    assert np.sum(kept**2) > 0.99 * np.sum(sentence**2)
