"""The only door for sound between a phone and an agent."""

from __future__ import annotations

from bridge.audio.formats import RATES, AudioFormat
from bridge.audio.kernels import CKernel, Kernel, NumpyKernel, Stream
from bridge.audio.resample import design
from bridge.errors import ProtocolError, Reason


class Transcoder:
    """One direction of one call, from one format to another; what goes in comes out, to the sample.

    Where both ends are alike, bytes pass through untouched. ``kernel`` does the arithmetic; None takes the fastest.
    Raises ProtocolError (``agent_format``) for sound that cannot be converted. A chunk may be of any size, an odd number
    of bytes of PCM16 included: half a sample waits for its other half.
    """

    __slots__ = ("_half", "_sounding", "_stream", "_whole", "source", "target")

    def __init__(self, source: AudioFormat, target: AudioFormat, *, kernel: Kernel | None = None) -> None:
        for format_ in (source, target):
            _check(format_)
        self.source = source
        self.target = target
        self._stream: Stream | None = None
        if source != target:
            self._stream = (kernel or _fastest()).stream(source, target)
        self._whole = source.sample_bytes == 1
        self._half = b""  # the first byte of a sample whose second has not come yet
        self._sounding = False  # whether the filter holds anything that flush could lose

    def process(self, data: bytes) -> bytes:
        """All the sound that these bytes make: nothing is withheld beyond the filter's own delay."""
        if self._stream is None:
            return data
        if not self._whole and (self._half or len(data) & 1):
            data = self._paired(data)
        if not data:
            return b""
        self._sounding = True
        return self._stream.process(data)

    def flush(self) -> bytes:
        """The filter's tail, for a gap or the end of the sound. b"" where it is out already. What follows starts from silence."""
        if self._stream is None or not self._sounding:
            return b""
        self._sounding = False
        return self._stream.flush()

    def reset(self) -> None:
        """Forget everything, half a sample included: only where what was played is thrown away."""
        self._half = b""
        self._sounding = False
        if self._stream is not None:
            self._stream.reset()

    @property
    def delay_ms(self) -> float:
        """The filter's delay in milliseconds, at every frequency: at most 2."""
        return 0.0 if self._stream is None else design(self.source.rate, self.target.rate).delay * 1000

    def __str__(self) -> str:
        if self._stream is None:
            return f"{self.source} -> {self.target}: passed through"
        bank = design(self.source.rate, self.target.rate)
        how = "by table" if bank.span == 1 else f"FIR {bank.span} taps, {self.delay_ms:.1f} ms"
        return f"{self.source} -> {self.target}: {how}"

    def _paired(self, data: bytes) -> bytes:
        if self._half:
            data = self._half + data
            self._half = b""
        if len(data) % 2:
            self._half = data[-1:]
            data = data[:-1]
        return data


def _fastest() -> Kernel:
    try:
        return CKernel()
    except ImportError:
        return NumpyKernel()


def _check(format_: AudioFormat) -> None:
    if format_.rate not in RATES:
        raise ProtocolError(
            f"sound as {format_} cannot be converted",
            reason=Reason.AGENT_FORMAT,
            hint=f"Set the agent to one of {', '.join(map(str, RATES))} Hz.",
        )
