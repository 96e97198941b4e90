"""WAV files of every kind that people have."""

import io
import struct
import wave
from pathlib import Path

import numpy as np
import pytest

from bridge.audio.sound import Sound, from_samples
from bridge.audio.wav import BadWav, mulaw_payload, read, read_file, write, write_mulaw

SAMPLES = 0.5 * np.sin(2 * np.pi * 440 * np.arange(800) / 8000)


def riff(tag: int, bits: int, body: bytes, *, channels: int = 1, rate: int = 8000, extensible: bool = False) -> bytes:
    """A file with these bytes as its sound."""
    width = bits // 8 * channels
    head = struct.pack("<HHIIHH", 0xFFFE if extensible else tag, channels, rate, rate * width, width, bits)
    if extensible:
        head += struct.pack("<HHI", 22, bits, 4) + struct.pack("<H", tag) + bytes(14)
    chunks = b"LIST" + struct.pack("<I", 3) + b"abc\0"
    chunks += b"fmt " + struct.pack("<I", len(head)) + head + b"data" + struct.pack("<I", len(body)) + body
    return b"RIFF" + struct.pack("<I", 4 + len(chunks)) + b"WAVE" + chunks


BODIES = {
    "pcm8": (1, 8, np.round(SAMPLES * 127 + 128).astype(np.uint8).tobytes()),
    "pcm16": (1, 16, np.round(SAMPLES * 32767).astype("<i2").tobytes()),
    "pcm24": (1, 24, b"".join(int(s * 8388607).to_bytes(3, "little", signed=True) for s in SAMPLES)),
    "pcm32": (1, 32, np.round(SAMPLES * 2147483647).astype("<i4").tobytes()),
    "float32": (3, 32, SAMPLES.astype("<f4").tobytes()),
    "mulaw": (7, 8, from_samples(SAMPLES, 8000).mulaw()),
}


@pytest.mark.parametrize("kind", BODIES)
@pytest.mark.parametrize("extensible", [False, True])
def test_each_encoding_is_read(kind: str, *, extensible: bool) -> None:
    """Every common encoding is read to the same sound, also where other chunks come first or the head is extensible."""
    tag, bits, body = BODIES[kind]
    sound = read(riff(tag, bits, body, extensible=extensible))
    assert sound.rate == 8000
    assert np.max(np.abs(sound.samples - SAMPLES)) < (0.02 if bits == 8 else 0.001)


def test_stereo_is_mixed() -> None:
    """Two channels become their mean."""
    left = np.full(100, 8000, "<i2")
    body = np.column_stack([left, np.zeros(100, "<i2")]).astype("<i2").tobytes()
    sound = read(riff(1, 16, body, channels=2, rate=44100))
    assert sound.rate == 44100
    assert set(np.frombuffer(sound.pcm, "<i2")) == {4000}


def test_what_is_written_can_be_read_by_others() -> None:
    """The standard library reads what is written, as mono PCM16 of the same samples."""
    sound = from_samples(SAMPLES, 8000)
    with wave.open(io.BytesIO(write(sound))) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (1, 2, 8000)
        assert file.readframes(10_000) == sound.pcm


def test_a_telephone_file_passes_untouched() -> None:
    """The bytes of a mono 8 kHz mu-law file come out as they stand; of any other file they do not."""
    payload = bytes(range(255))
    assert mulaw_payload(write_mulaw(payload)) == payload
    assert mulaw_payload(write(Sound(b"\0\0", 8000))) is None
    assert mulaw_payload(b"nothing") is None


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"ID3\x04 this is an MP3",
        b"RIFF\0\0\0\0WAVE",
        riff(1, 16, b""),
        riff(2, 4, bytes(100)),
        riff(1, 16, bytes(100), channels=0),
        riff(1, 16, bytes(100), rate=0),
        riff(1, 16, bytes(100))[:30],
    ],
)
def test_no_wav_is_one_clear_line(data: bytes, tmp_path: Path) -> None:
    """What is no WAV is refused in one line that names the file, with a remedy."""
    path = tmp_path / "caller.wav"
    path.write_bytes(data)
    with pytest.raises(BadWav) as caught:
        read_file(path)
    assert "caller.wav" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert caught.value.hint


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    """A file that is not there is an error that names it."""
    with pytest.raises(BadWav, match=r"gone\.wav"):
        read_file(tmp_path / "gone.wav")


def test_a_recording_that_was_cut_short_is_taken() -> None:
    """A size field larger than the file, as a broken-off recorder leaves it, costs nothing but the missing end."""
    data = bytearray(riff(1, 16, bytes(200)))
    data[-204:-200] = b"\xff\xff\xff\xff"
    assert len(read(bytes(data)).pcm) == 200
