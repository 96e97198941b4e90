"""Who does the arithmetic of sound: the C extension where it was built, numpy elsewhere. Both give the same bytes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np
import structlog

from bridge.audio.formats import AudioFormat, Encoding
from bridge.audio.g711 import Codes, Samples, alaw_codes, alaw_values, mulaw_codes, mulaw_values
from bridge.audio.resample import Resampler, design


class Stream(Protocol):
    """One direction of one call. Input is whole samples; every chunk size is welcome."""

    def process(self, data: bytes, /) -> bytes:
        """All the sound that these bytes make."""
        ...

    def flush(self) -> bytes:
        """The rest of what the filter holds; silence takes its place."""
        ...

    def reset(self) -> None:
        """Forget every sample."""
        ...


class Kernel(Protocol):
    """A way to do the arithmetic. It has no state; its streams have."""

    @property
    def name(self) -> str:
        """``c`` or ``numpy``."""
        ...

    def stream(self, source: AudioFormat, target: AudioFormat) -> Stream:
        """A fresh stream between two formats."""
        ...


@dataclass(frozen=True, slots=True)
class NumpyKernel:
    """The reference, and what runs where no compiler was."""

    name: str = "numpy"

    def stream(self, source: AudioFormat, target: AudioFormat) -> Stream:
        """A fresh stream between two formats."""
        return _NumpyStream(source, target)


@dataclass(frozen=True, slots=True)
class CKernel:
    """The C extension: one pass over the sound. Raises ImportError where it was not built."""

    name: str = "c"

    def __post_init__(self) -> None:
        from bridge.audio import _kernel  # noqa: F401  # the promise of the class: an instance works

    def stream(self, source: AudioFormat, target: AudioFormat) -> Stream:
        """A fresh stream between two formats."""
        from bridge.audio import _kernel

        bank = design(source.rate, target.rate)
        return _kernel.Stream(
            bank.taps,
            up=bank.up,
            down=bank.down,
            shift=bank.shift,
            tail=bank.tail,
            decode=VALUES[source.encoding](),
            encode=CODES[target.encoding](),
        )


def choose_kernel() -> Kernel:
    """The fastest that works here, said in one log line. Called once, by whoever puts the process together."""
    log = structlog.get_logger(__name__)
    try:
        kernel = CKernel()
    except ImportError as error:
        log.info("sound is converted in numpy", kernel="numpy", because=str(error))
        return NumpyKernel()
    log.info("sound is converted in C", kernel="c")
    return kernel


def _no_values() -> Samples | None:
    return None


def _no_codes() -> Codes | None:
    return None


# None: samples as they are
VALUES: Final[dict[Encoding, Callable[[], Samples | None]]] = {
    Encoding.MULAW: mulaw_values,
    Encoding.ALAW: alaw_values,
    Encoding.PCM16: _no_values,
}
CODES: Final[dict[Encoding, Callable[[], Codes | None]]] = {
    Encoding.MULAW: mulaw_codes,
    Encoding.ALAW: alaw_codes,
    Encoding.PCM16: _no_codes,
}


class _NumpyStream:
    __slots__ = ("_codes", "_resampler", "_values")

    def __init__(self, source: AudioFormat, target: AudioFormat) -> None:
        self._values = VALUES[source.encoding]()
        self._codes = CODES[target.encoding]()
        self._resampler = Resampler(design(source.rate, target.rate))

    def process(self, data: bytes, /) -> bytes:
        """All the sound that these bytes make."""
        if self._values is None:
            samples = np.frombuffer(data, "<i2").astype(np.int16, copy=False)
        else:
            samples = self._values[np.frombuffer(data, np.uint8)]
        return self._written(self._resampler.process(samples))

    def flush(self) -> bytes:
        """The rest of what the filter holds; silence takes its place."""
        return self._written(self._resampler.flush())

    def reset(self) -> None:
        """Forget every sample."""
        self._resampler.reset()

    def _written(self, samples: Samples) -> bytes:
        if self._codes is None:
            return samples.astype("<i2", copy=False).tobytes()
        return self._codes[samples.view(np.uint16)].tobytes()
