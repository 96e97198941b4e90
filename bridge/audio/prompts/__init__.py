"""What the bridge itself says to a caller: short clips, rendered ahead, so that they sound when nothing else works.

``make prompts`` renders them anew (``bench/prompts.py`` has the words). An operator's own recordings replace them by name.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import StrEnum
from importlib.resources import files
from pathlib import Path
from typing import Final

from bridge.audio.formats import TELEPHONE
from bridge.errors import ConfigurationError, Mistake

MAX_SECONDS: Final = 30.0  # of one prompt: the carrier holds as much in flight, and no caller listens longer


class Prompt(StrEnum):
    """The clips by name; an operator's replacement is ``NAME.wav``."""

    ONE_MOMENT = "one_moment"  # the agent is not there yet
    STILL_THERE = "still_there"  # the agent was lost and a successor is sought
    TRANSFERRING = "transferring"  # the call goes on to a person
    GOODBYE_TROUBLE = "goodbye_trouble"  # nothing and nobody could be had
    BUSY = "busy"  # no more calls can be taken
    CLOSING = "closing"  # the process has to stop
    RECORDING_NOTICE = "recording_notice"  # before anything is recorded
    HOLD_TONE = "hold_tone"  # no words; may be repeated without a gap


class Prompts(Mapping[Prompt, bytes]):
    """Every prompt as mu-law at 8 kHz, ready for the phone. Built once, by ``load``."""

    def __init__(self, clips: Mapping[Prompt, bytes]) -> None:
        self._clips = dict(clips)

    @classmethod
    def load(cls, folder: Path | None = None) -> Prompts:
        """The bridge's own clips, with those of ``folder`` (``NAME.wav``: PCM, float, mu-law or A-law; any rate) in their place.

        Raises ConfigurationError with every file that cannot be used.
        """
        from bridge.audio.wav import mulaw_payload

        clips: dict[Prompt, bytes] = {}
        for prompt in Prompt:
            payload = mulaw_payload(files(__name__).joinpath(f"{prompt}.wav").read_bytes())
            assert payload is not None, f"{prompt}.wav was not rendered as mono 8 kHz mu-law"
            clips[prompt] = payload
        if folder is not None:
            clips |= _replacements(folder)
        return cls(clips)

    def seconds(self, prompt: Prompt) -> float:
        """How long it sounds."""
        return TELEPHONE.seconds(len(self._clips[prompt]))

    def __getitem__(self, prompt: Prompt) -> bytes:
        return self._clips[prompt]

    def __iter__(self) -> Iterator[Prompt]:
        return iter(self._clips)

    def __len__(self) -> int:
        return len(self._clips)


def _replacements(folder: Path) -> dict[Prompt, bytes]:
    from bridge.audio.wav import BadWav, read_file

    where, clips, mistakes = str(folder), {}, []
    if not folder.is_dir():
        raise ConfigurationError(
            [Mistake(where, "prompts", "there is no such folder", "Create it, or leave the key out.")]
        )
    for path in sorted(folder.glob("*.wav")):
        if path.stem not in set(Prompt):
            known = ", ".join(Prompt)
            mistakes.append(Mistake(where, path.name, "no prompt has this name", f"Name it after one of: {known}."))
            continue
        try:
            sound = read_file(path)
        except BadWav as error:
            mistakes.append(Mistake(where, path.name, str(error), error.hint))
            continue
        if sound.seconds > MAX_SECONDS:
            mistakes.append(
                Mistake(where, path.name, f"it lasts {sound.seconds:.0f} s", f"Cut it to {MAX_SECONDS:.0f} s or less.")
            )
            continue
        clips[Prompt(path.stem)] = sound.mulaw()
    if mistakes:
        raise ConfigurationError(mistakes)
    return clips
