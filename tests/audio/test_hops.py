"""What the taps of a call tell about its sound."""

from xml.etree import ElementTree as ET

import numpy as np
import pytest

from bridge.audio.formats import AudioFormat, Encoding
from bridge.audio.hops import (
    AGENT_IN,
    AGENT_OUT,
    CLEARED,
    HEAD,
    PHONE_IN,
    PHONE_OUT,
    Piece,
    culprit,
    diagnose,
    formats_of,
    picture,
    read,
)

WIDE = AudioFormat(Encoding.PCM16, 16000)
FORMATS = {AGENT_IN: WIDE, AGENT_OUT: WIDE}
TONE = (np.sin(np.arange(3200) / 5) * 9000).astype("<i2").tobytes()  # 200 ms at 16 kHz
PHONE = bytes([0x20, 0xA0] * 80)  # 20 ms, loud


def healthy() -> list[Piece]:
    """Two seconds without a fault."""
    pieces = [Piece(PHONE_IN, n * 0.02, PHONE) for n in range(100)]
    pieces += [Piece(AGENT_IN, n * 0.02, TONE[:640]) for n in range(100)]
    pieces += [Piece(AGENT_OUT, 0.5 + n * 0.05, TONE) for n in range(5)]
    pieces += [Piece(PHONE_OUT, 0.5 + n * 0.05, PHONE * 10) for n in range(5)]
    return sorted(pieces, key=lambda piece: piece.at)


def test_sound_that_is_well_is_called_well() -> None:
    """Nothing is found in a call without a fault."""
    assert diagnose(healthy(), FORMATS) == []
    assert culprit([]).startswith("Nothing is wrong")


@pytest.mark.parametrize(("tap", "where"), [(PHONE_IN, "before it reached"), (AGENT_IN, "within the bridge")])
def test_a_gap_is_found_where_it_began(tap: int, where: str) -> None:
    """A hole in the caller's sound is blamed on the first tap that has it."""
    pieces = [piece for piece in healthy() if piece.tap != tap or not 0.5 < piece.at < 0.8]
    (found,) = diagnose(pieces, FORMATS)
    assert (found.tap, found.kind) == (tap, "gap")
    assert 0.45 < found.at < 0.55
    assert where in culprit([found])


@pytest.mark.parametrize("tap", [AGENT_OUT, PHONE_OUT])
def test_sound_that_comes_too_late_is_found(tap: int) -> None:
    """A sentence whose next piece comes after the last one was played is late; a new sentence, or one after a clear, is not."""
    late = Piece(tap, 1.8, TONE if tap == AGENT_OUT else PHONE)
    assert [found.kind for found in diagnose([*healthy(), late], FORMATS)] == ["late"]
    assert diagnose([*healthy(), Piece(CLEARED, 0.7, b""), late], FORMATS) == []
    assert diagnose([*healthy(), Piece(tap, 9.0, late.sound)], FORMATS) == []


def test_clipping_and_silence_are_found() -> None:
    """Sound at the limit, and sound with nothing in it, are named with their hop."""
    loud, mute = b"\x00" * 160, b"\xff" * 1600
    pieces = [
        Piece(piece.tap, piece.at, {PHONE_IN: loud, PHONE_OUT: mute}.get(piece.tap, piece.sound)) for piece in healthy()
    ]
    assert {(found.hop, found.kind) for found in diagnose(pieces, FORMATS)} == {
        ("phone in", "clipping"),
        ("phone out", "silence"),
    }


def test_a_file_that_was_cut_short_is_read_as_far_as_it_goes() -> None:
    """Pieces come back as they were written, and a half-written last one is left out."""
    data = b"".join(HEAD.pack(piece.tap, piece.at, len(piece.sound)) + piece.sound for piece in healthy()[:3])
    assert list(read(data)) == healthy()[:3]
    assert list(read(data[:-5])) == healthy()[:2]


def test_the_picture_is_a_picture() -> None:
    """It is well-formed SVG that names every hop and every finding."""
    pieces = [piece for piece in healthy() if piece.tap != PHONE_IN or not 0.5 < piece.at < 0.8]
    text = "".join(ET.fromstring(picture(pieces, FORMATS, diagnose(pieces, FORMATS))).itertext())
    assert all(word in text for word in ("phone in", "agent in", "agent out", "phone out", "gap"))


def test_formats_are_read_from_the_codec_chain() -> None:
    """What the record says of the chain tells how the agent's taps sound."""
    found = formats_of("mulaw/8000 -> pcm16/16000: FIR 32 taps, 2.0 ms", "pcm16/24000 -> mulaw/8000: FIR")
    assert found == {AGENT_IN: WIDE, AGENT_OUT: AudioFormat(Encoding.PCM16, 24000)}
