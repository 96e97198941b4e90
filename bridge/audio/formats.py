"""Encodings, formats, and the arithmetic of frames; the constants of telephony."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

FRAME_MS: Final = 20  # one telephone frame: 160 samples at 8 kHz
RATES: Final = (8000, 16000, 22050, 24000, 44100, 48000)  # Hz, every rate that an agent may announce


class Encoding(StrEnum):
    """How a sample is written as bytes."""

    MULAW = "mulaw"  # ITU-T G.711 mu-law, 1 byte
    ALAW = "alaw"  # ITU-T G.711 A-law, 1 byte
    PCM16 = "pcm16"  # 16-bit signed, little-endian, 2 bytes


@dataclass(frozen=True, slots=True)
class AudioFormat:
    """Mono sound: an encoding at a sample rate in Hz."""

    encoding: Encoding
    rate: int

    @property
    def sample_bytes(self) -> int:
        """Bytes of one sample."""
        return 2 if self.encoding is Encoding.PCM16 else 1

    @property
    def bytes_per_second(self) -> int:
        """Bytes of one second of sound."""
        return self.rate * self.sample_bytes

    def frame_bytes(self, ms: int = FRAME_MS) -> int:
        """Bytes of ``ms`` milliseconds, rounded down to a whole sample."""
        return self.rate * ms // 1000 * self.sample_bytes

    def seconds(self, size: int) -> float:
        """How long ``size`` bytes sound, in seconds."""
        return size / self.bytes_per_second

    def __str__(self) -> str:
        return f"{self.encoding}/{self.rate}"


TELEPHONE: Final = AudioFormat(Encoding.MULAW, 8000)
