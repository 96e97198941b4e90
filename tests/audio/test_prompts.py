"""The bridge's own voice."""

import sys
from pathlib import Path
from subprocess import run

import numpy as np
import pytest

from bridge.audio.prompts import Prompt, Prompts
from bridge.audio.sound import from_mulaw, from_samples
from bridge.audio.wav import write
from bridge.errors import ConfigurationError


def test_every_prompt_is_there_and_can_be_heard() -> None:
    """Each spoken prompt holds speech at telephone level, short enough to be listened to."""
    prompts = Prompts.load()
    assert set(prompts) == set(Prompt)
    for prompt in set(Prompt) - {Prompt.HOLD_TONE}:
        assert from_mulaw(prompts[prompt]).level == pytest.approx(-18, abs=2)
        assert 1 < prompts.seconds(prompt) < 7


def test_the_hold_tone_is_quiet_and_repeats() -> None:
    """The hold tone is well below speech and begins and ends in silence, so that it may be repeated."""
    tone = from_mulaw(Prompts.load()[Prompt.HOLD_TONE])
    assert -45 < tone.level < -30
    assert np.max(np.abs(tone.samples[-800:])) < 0.001


def test_an_operators_recordings_replace_ours(tmp_path: Path) -> None:
    """A recording named after a prompt takes its place, converted from its own rate; the others stay."""
    mine = from_samples(0.3 * np.sin(2 * np.pi * 500 * np.arange(44100) / 44100), 44100)
    (tmp_path / "busy.wav").write_bytes(write(mine))
    prompts, ours = Prompts.load(tmp_path), Prompts.load()
    assert prompts.seconds(Prompt.BUSY) == 1
    assert from_mulaw(prompts[Prompt.BUSY]).level == pytest.approx(mine.level, abs=0.2)
    assert prompts[Prompt.CLOSING] == ours[Prompt.CLOSING]


def test_every_unusable_recording_is_named_at_once(tmp_path: Path) -> None:
    """A WAV that is none, one that is too long and one with an unknown name are all reported, each with a remedy."""
    (tmp_path / "busy.wav").write_bytes(b"not a wav")
    (tmp_path / "bussy.wav").write_bytes(b"")
    (tmp_path / "closing.wav").write_bytes(write(from_samples(np.zeros(8000 * 31), 8000)))
    with pytest.raises(ConfigurationError) as caught:
        Prompts.load(tmp_path)
    assert [mistake.key for mistake in caught.value.mistakes] == ["bussy.wav", "busy.wav", "closing.wav"]
    assert all(mistake.remedy for mistake in caught.value.mistakes)


def test_a_missing_folder_is_a_mistake(tmp_path: Path) -> None:
    """A folder that does not exist is a mistake of the configuration, not an empty one."""
    with pytest.raises(ConfigurationError):
        Prompts.load(tmp_path / "nowhere")


def test_no_speech_synthesis_is_loaded() -> None:
    """The prompts sound without the library that rendered them."""
    program = "import sys; from bridge.audio.prompts import Prompts; Prompts.load(); sys.exit('espeakng_loader' in sys.modules)"
    assert run([sys.executable, "-c", program], check=False).returncode == 0
