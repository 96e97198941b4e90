"""G.711 by table: mu-law and A-law, one byte a sample, to and from 16-bit linear samples.

Source: ITU-T Recommendation G.711 (11/88), tables 1 (A-law) and 2 (mu-law). Its 13- and 14-bit values are scaled to 16
bits (x8 and x4). Both laws are symmetric here: the code of -x is that of x but for the sign bit.
"""

from __future__ import annotations

from functools import cache
from typing import Final, TypeVar

import numpy as np
import numpy.typing as npt

MULAW_BIAS: Final = 132  # 33 at 14 bits: moves every segment's start to a power of two
MULAW_CLIP: Final = 32635  # 8158.75 at 14 bits: the largest magnitude that still has a code
MULAW_SILENCE: Final = 0xFF  # +0; 0x7F is -0 and decodes to 0 as well
ALAW_MASK: Final = 0x55  # even bits are inverted on the line, table 1 note 2
ALAW_SILENCE: Final = 0xD5  # +1 at 13 bits: A-law has no zero

Samples = npt.NDArray[np.int16]
Codes = npt.NDArray[np.uint8]
Number = TypeVar("Number", np.int16, np.uint8)


@cache
def mulaw_values() -> Samples:
    """What each of the 256 mu-law codes stands for: shape (256,), int16, read-only."""
    inverted = ~np.arange(256) & 0xFF
    segment, step = (inverted >> 4) & 7, inverted & 15
    magnitude = (((step << 3) + MULAW_BIAS) << segment) - MULAW_BIAS
    return _fixed(np.where(inverted & 0x80, -magnitude, magnitude).astype(np.int16))


@cache
def alaw_values() -> Samples:
    """What each of the 256 A-law codes stands for: shape (256,), int16, read-only."""
    code = np.arange(256) ^ ALAW_MASK
    segment, step = (code >> 4) & 7, code & 15
    magnitude = np.where(segment == 0, (step << 4) + 8, ((step << 4) + 264) << np.maximum(segment - 1, 0))
    return _fixed(np.where(code & 0x80, magnitude, -magnitude).astype(np.int16))


@cache
def mulaw_codes() -> Codes:
    """The mu-law code of every 16-bit sample, at the sample's own bits read as unsigned: shape (65536,), uint8, read-only."""
    sample = _every_sample()
    magnitude = np.minimum(np.abs(sample), MULAW_CLIP) + MULAW_BIAS
    segment = _highest_bit(magnitude) - 7
    code = np.where(sample < 0, 0x80, 0) | segment << 4 | (magnitude >> (segment + 3)) & 15
    return _fixed((~code).astype(np.uint8))


@cache
def alaw_codes() -> Codes:
    """The A-law code of every 16-bit sample, at the sample's own bits read as unsigned: shape (65536,), uint8, read-only."""
    sample = _every_sample()
    magnitude = np.minimum(np.abs(sample), 32767)
    segment = np.maximum(_highest_bit(magnitude | 255) - 7, 0)
    step = (magnitude >> (np.maximum(segment, 1) + 3)) & 15
    return _fixed(((np.where(sample < 0, 0, 0x80) | segment << 4 | step) ^ ALAW_MASK).astype(np.uint8))


def decode_mulaw(codes: bytes) -> Samples:
    """Linear samples, int16, one for each byte."""
    return mulaw_values()[np.frombuffer(codes, np.uint8)]


def decode_alaw(codes: bytes) -> Samples:
    """Linear samples, int16, one for each byte."""
    return alaw_values()[np.frombuffer(codes, np.uint8)]


def encode_mulaw(samples: Samples) -> bytes:
    """One byte for each int16 sample."""
    return mulaw_codes()[samples.view(np.uint16)].tobytes()


def encode_alaw(samples: Samples) -> bytes:
    """One byte for each int16 sample."""
    return alaw_codes()[samples.view(np.uint16)].tobytes()


def _every_sample() -> npt.NDArray[np.int64]:
    return np.arange(65536, dtype=np.uint16).view(np.int16).astype(np.int64)


def _highest_bit(value: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    return np.frexp(value.astype(np.float64))[1].astype(np.int64) - 1


def _fixed(table: npt.NDArray[Number]) -> npt.NDArray[Number]:
    table.setflags(write=False)
    return table
