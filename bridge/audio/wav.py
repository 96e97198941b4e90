"""WAV files: any mono or stereo PCM, float, mu-law or A-law one in; mono PCM16 or mu-law out.

Source: Microsoft "Multimedia Programming Interface and Data Specifications 1.0" (RIFF WAVE) and RFC 2361 (format tags).
The standard library's ``wave`` reads PCM only, and telephone recordings are mostly mu-law.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from bridge.audio.g711 import decode_alaw, decode_mulaw
from bridge.audio.sound import Sound, from_samples
from bridge.errors import BridgeError

PCM: Final = 1
FLOAT: Final = 3
ALAW: Final = 6
MULAW: Final = 7
EXTENSIBLE: Final = 0xFFFE  # the true tag is then the first two bytes of the sub-format at offset 24
MAX_BYTES: Final = 100_000_000  # an hour of stereo at 16 kHz is 230 MB: this is for prompts and test calls
RATES: Final = range(4000, 192_001)  # Hz


class BadWav(BridgeError):
    """The file is no WAV, or none that can be played on a telephone."""


def read_file(path: Path) -> Sound:
    """The sound of a file, mixed to mono, at the file's own rate. Raises BadWav, in one line that names the file."""
    try:
        if path.stat().st_size > MAX_BYTES:
            raise BadWav(f"{path.name} is larger than {MAX_BYTES // 1_000_000} MB", hint="Use a shorter recording.")
        return read(path.read_bytes())
    except OSError as error:
        raise BadWav(
            f"{path.name} cannot be read: {error.strerror}", hint="Check the path and its permissions."
        ) from error
    except BadWav as error:
        if path.name in str(error):
            raise
        raise BadWav(f"{path.name} {error}", hint=error.hint) from error


def read(data: bytes) -> Sound:
    """The sound of a WAV file's bytes, mixed to mono, at its own rate. Raises BadWav."""
    remedy = "Save it as a PCM WAV, for example with: ffmpeg -i INPUT -ac 1 -ar 8000 -c:a pcm_s16le OUTPUT.wav"
    if len(data) < 12 or data[:4] != b"RIFF" or data[8:12] != b"WAVE":
        raise BadWav("is no WAV file (it does not begin with RIFF and WAVE)", hint=remedy)
    chunks = _chunks(data)
    head, body = chunks.get(b"fmt "), chunks.get(b"data")
    if head is None or len(head) < 16:
        raise BadWav("is a WAV file without its format", hint=remedy)
    if body is None:
        raise BadWav("is a WAV file without sound", hint=remedy)
    tag, channels, rate, _, _, bits = struct.unpack_from("<HHIIHH", head)
    if tag == EXTENSIBLE and len(head) >= 26:
        (tag,) = struct.unpack_from("<H", head, 24)
    if channels not in range(1, 9) or rate not in RATES:
        raise BadWav(f"has {channels} channels at {rate} Hz", hint=remedy)
    samples = _decode(body, tag, bits)
    if samples is None:
        raise BadWav(f"is a WAV file of a kind that is not supported (format {tag}, {bits} bits)", hint=remedy)
    if samples.size < channels:
        raise BadWav("is a WAV file without sound", hint=remedy)
    frames = samples[: samples.size // channels * channels].reshape(-1, channels)
    return from_samples(np.mean(frames, axis=1), rate)


def write(sound: Sound) -> bytes:
    """A mono PCM16 file."""
    return _file(PCM, sound.rate, 16, sound.pcm)


def write_mulaw(payload: bytes, rate: int = 8000) -> bytes:
    """A mono mu-law file."""
    return _file(MULAW, rate, 8, payload)


def mulaw_payload(data: bytes) -> bytes | None:
    """The bytes of a mono 8 kHz mu-law file as they stand; None where it is anything else."""
    chunks = _chunks(data) if data[:4] == b"RIFF" and data[8:12] == b"WAVE" else {}
    head = chunks.get(b"fmt ", b"")
    if len(head) < 16 or struct.unpack_from("<HHI", head) != (MULAW, 1, 8000):
        return None
    return chunks.get(b"data")


def _chunks(data: bytes) -> dict[bytes, bytes]:
    chunks: dict[bytes, bytes] = {}
    at = 12
    while at + 8 <= len(data):
        name, size = data[at : at + 4], int.from_bytes(data[at + 4 : at + 8], "little")
        # A recorder that was cut short, or wrote to a pipe, leaves a size that is too large or 0xFFFFFFFF: take what is there.
        chunks.setdefault(name, data[at + 8 : at + 8 + size])
        at += 8 + size + (size & 1)
    return chunks


def _decode(body: bytes, tag: int, bits: int) -> npt.NDArray[np.float64] | None:
    if tag in (MULAW, ALAW) and bits == 8:
        decode = decode_mulaw if tag == MULAW else decode_alaw
        return decode(body).astype(np.float64) / 2**15
    if tag == FLOAT and bits in (32, 64):
        width = bits // 8
        values = np.frombuffer(body[: len(body) // width * width], f"<f{width}").astype(np.float64)
        return np.nan_to_num(values, nan=0.0, posinf=1.0, neginf=-1.0)
    if tag != PCM:
        return None
    if bits == 8:  # unsigned, unlike every other width
        return (np.frombuffer(body, np.uint8).astype(np.float64) - 128) / 128
    if bits in (16, 32):
        width = bits // 8
        return np.frombuffer(body[: len(body) // width * width], f"<i{width}").astype(np.float64) / 2.0 ** (bits - 1)
    if bits == 24:
        triples = np.frombuffer(body[: len(body) // 3 * 3], np.uint8).reshape(-1, 3).astype(np.int64)
        values24 = triples[:, 0] | triples[:, 1] << 8 | triples[:, 2] << 16
        signed: npt.NDArray[np.int64] = (values24 ^ 0x800000) - 0x800000
        return signed.astype(np.float64) / 2**23
    return None


def _file(tag: int, rate: int, bits: int, body: bytes) -> bytes:
    width = bits // 8
    head = struct.pack("<HHIIHH", tag, 1, rate, rate * width, width, bits)
    pad = b"\0" * (len(body) & 1)
    size = 4 + 8 + len(head) + 8 + len(body) + len(pad)
    return b"".join(
        [
            b"RIFF",
            struct.pack("<I", size),
            b"WAVEfmt ",
            struct.pack("<I", len(head)),
            head,
            b"data",
            struct.pack("<I", len(body)),
            body,
            pad,
        ]
    )
