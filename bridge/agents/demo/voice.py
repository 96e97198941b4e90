"""Speech from text with espeak-ng: the wheel of the extra ``callbridge[demo]``, else the system's own library; no network.

Source: espeak-ng ``speak_lib.h`` (API revision 12).
"""

from __future__ import annotations

import asyncio
import ctypes
import ctypes.util
import threading
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any, Final

from bridge.audio.formats import AudioFormat, Encoding
from bridge.audio.sound import Sound
from bridge.audio.transcode import Transcoder
from bridge.errors import LocalError

RETRIEVAL: Final = 1  # AUDIO_OUTPUT_RETRIEVAL: sound goes to the callback; the call returns when all of it is there
DONT_EXIT: Final = (
    0x8000  # espeakINITIALIZE_DONT_EXIT: without it the library ends the process where its data is missing
)
CHARS_UTF8: Final = 1
PARAMETER_RATE: Final = 1  # words a minute
PARAMETER_PITCH: Final = 3  # 0 to 100
PARAMETER_WORDGAP: Final = 7  # units of 10 ms
LEVEL: Final = -18.0  # dB below full scale, RMS while speaking: where telephone speech usually lies
CACHED: Final = 64  # phrases kept
MAX_CHARACTERS: Final = 2000  # of one phrase; about two minutes

INSTALL: Final = 'Install espeak-ng: pip install "callbridge[demo]", or the system\'s package libespeak-ng1.'

Callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p)


class Voice:
    """One way of speaking. ``speak`` never blocks the loop: the library works in a thread of its own.

    ``name``: espeak-ng's, such as "en-us+f3" (a language and a variant). ``speed``: words a minute; 150 is clear on a telephone.
    """

    def __init__(self, name: str = "en-us+f3", *, speed: int = 150, pitch: int = 50) -> None:
        self.name = name
        self.speed = speed
        self.pitch = pitch
        self._phrases: OrderedDict[tuple[str, int | None], Sound] = OrderedDict()
        self._worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="voice")

    async def speak(self, text: str, rate: int | None = None) -> Sound:
        """The text as mono PCM16 at telephone level; at the library's own rate (22050 Hz) where none of ``RATES`` is asked for."""
        known = self._phrases.get((text, rate))
        if known is not None:
            self._phrases.move_to_end((text, rate))
            return known
        sound = await asyncio.get_running_loop().run_in_executor(self._worker, self.render, text, rate)
        self._phrases[text, rate] = sound
        if len(self._phrases) > CACHED:
            self._phrases.popitem(last=False)
        return sound

    def render(self, text: str, rate: int | None = None) -> Sound:
        """As ``speak``, in the calling thread and without the cache."""
        library = _library()
        spoken = library.synthesize(text[:MAX_CHARACTERS], name=self.name, speed=self.speed, pitch=self.pitch).at_level(
            LEVEL
        )
        return spoken if rate is None else _converted(spoken, rate)

    def close(self) -> None:
        """End the thread; a phrase in progress is finished first."""
        self._worker.shutdown(wait=True, cancel_futures=True)


def _converted(sound: Sound, rate: int) -> Sound:
    """By the filter of the calls rather than ``Sound.at``: a caller is waiting, and it is ten times as fast."""
    converter = Transcoder(AudioFormat(Encoding.PCM16, sound.rate), AudioFormat(Encoding.PCM16, rate))
    return Sound(converter.process(sound.pcm) + converter.flush(), rate)


class _Library:
    """libespeak-ng. It keeps its state in C globals, so there is one in a process and a lock around each phrase."""

    def __init__(self) -> None:
        library, data = _installed()
        self._lock = threading.Lock()
        self._chunks: list[bytes] = []
        self._c: Any = ctypes.CDLL(library)
        self.rate = int(self._c.espeak_Initialize(RETRIEVAL, 0, data, DONT_EXIT))
        if self.rate <= 0:
            raise LocalError("espeak-ng could not be started", hint="Reinstall the package espeakng-loader.")
        # The C side keeps a bare pointer: without a reference of ours the thunk would be collected under it.
        self._callback = Callback(self._collect)

    def synthesize(self, text: str, *, name: str, speed: int, pitch: int) -> Sound:
        """The text as the library speaks it. Raises LocalError for a voice that it does not have."""
        with self._lock:
            if self._c.espeak_SetVoiceByName(name.encode()) != 0:
                raise LocalError(f"espeak-ng has no voice {name!r}", hint="Use a name such as en-us+f3.")
            self._c.espeak_SetSynthCallback(self._callback)  # each time: the library is the whole process's
            self._c.espeak_SetParameter(PARAMETER_RATE, speed, 0)
            self._c.espeak_SetParameter(PARAMETER_PITCH, pitch, 0)
            self._c.espeak_SetParameter(PARAMETER_WORDGAP, 1, 0)
            self._chunks.clear()
            # C text ends at its first NUL
            spoken = text.replace("\0", " ").encode() + b"\0"
            if self._c.espeak_Synth(spoken, ctypes.c_size_t(len(spoken)), 0, 1, 0, CHARS_UTF8, None, None) != 0:
                raise LocalError("espeak-ng could not speak a phrase")
            self._c.espeak_Synchronize()
            sound = Sound(b"".join(self._chunks), self.rate)
            self._chunks.clear()
            return sound

    def _collect(self, samples: int | None, count: int, events: int | None) -> int:
        del events
        if samples and count > 0:
            self._chunks.append(ctypes.string_at(samples, count * 2))
        return 0  # go on


@cache
def _library() -> _Library:
    return _Library()


def _installed() -> tuple[str, bytes | None]:
    """The library, and where its data are (None: it knows). Raises LocalError."""
    try:
        import espeakng_loader  # type: ignore[import-untyped,import-not-found,unused-ignore]
    except ImportError:
        library = ctypes.util.find_library("espeak-ng")
        if library is None:
            raise LocalError("nothing that speaks is installed", hint=INSTALL) from None
        return library, None
    return str(espeakng_loader.get_library_path()), str(espeakng_loader.get_data_path()).encode()


def speaks() -> bool:
    """Whether a library is here."""
    try:
        _installed()
    except LocalError:
        return False
    return True
