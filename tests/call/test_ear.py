"""The bridge's own ear on a call: it hears the caller, and not the agent's echo."""

import numpy as np
import pytest

from bench.corpus import RATE, VOICES, at_level, mulaw, place, spoken
from bench.interruptions import line_noise
from bridge.audio.speech import SpeechStarted
from bridge.call import events as e
from bridge.call.ear import Ear

FRAME = 160


def voice(level: float) -> np.ndarray:
    """A second of line noise, then words, then another second."""
    words = at_level(spoken(VOICES[5], 3), level)
    sound = line_noise(np.random.default_rng(1), "pink", 2.0 + len(words) / RATE, -60.0)
    place(sound, words, RATE)
    return sound


@pytest.fixture(scope="module")
def agent() -> bytes:
    """What the agent says, as mu-law."""
    return mulaw(voice(-16.0))


@pytest.fixture(scope="module")
def caller() -> bytes:
    """The caller at a usual loudness, as mu-law."""
    return mulaw(voice(-22.0))


@pytest.fixture(scope="module")
def echo() -> bytes:
    """The agent's words as they come back."""
    return mulaw(voice(-16.0) * 0.08)


def hears(uplink: bytes, downlink: bytes = b"", *, listening: bool = True, clear: bool = False) -> list[SpeechStarted]:
    """All that an ear tells of a sound, while the phone plays another."""
    ear, told = Ear("medium"), []
    for at in range(0, len(uplink), FRAME):
        now = at / 8000
        sound = downlink[at : at + FRAME]
        if clear and not at:  # everything is queued at once, and thrown away
            ear.sent([e.PlayAudio(downlink), e.ClearAudio()], now)
        elif sound and not clear:
            ear.sent([e.SendActivity(), e.PlayAudio(sound)], now)
        found = ear.hears(uplink[at : at + FRAME], now, listening=listening)
        if found is not None:
            told.append(found)
    return told


def test_a_caller_who_speaks_is_heard(caller: bytes) -> None:
    """Told when the speech starts, not when it ends."""
    told = hears(caller)
    assert told
    assert all(isinstance(each, SpeechStarted) for each in told)
    assert all(each.delay < 0.5 for each in told)


def test_while_nobody_listens_nothing_is_told(caller: bytes) -> None:
    """The line's noise is learned all the same."""
    assert hears(caller, listening=False) == []


def test_the_agents_own_echo_is_not_the_caller(agent: bytes, echo: bytes) -> None:
    """Because the ear knows what was sent: without that the same sound is taken for a caller."""
    assert hears(echo, agent) == []
    assert hears(echo)


def test_what_was_cleared_has_no_echo(agent: bytes, echo: bytes) -> None:
    """Sound that the phone never played excuses nothing."""
    assert hears(echo, agent, clear=True)
