"""Which hop broke the sound: the four taps of a call, read and judged. Pure.

A file is a row of pieces: tap (uint8), seconds since the call's first piece (float64), size (uint32), sound, little-endian.
"""

from __future__ import annotations

import itertools
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from bridge.audio.formats import TELEPHONE, AudioFormat, Encoding
from bridge.audio.g711 import decode_alaw, decode_mulaw

HEAD: Final = struct.Struct("<BdI")
PHONE_IN, AGENT_IN, AGENT_OUT, PHONE_OUT, CLEARED = range(5)
NAMES: Final = ("phone in", "agent in", "agent out", "phone out")
STEADY: Final = frozenset({PHONE_IN, AGENT_IN})  # sound that comes in real time; the other two come ahead of it
GAP_S: Final = 0.1  # between two pieces of steady sound: more is heard
SENTENCE_S: Final = 0.7  # sound that comes so soon after its queue ran dry belonged to the same sentence
LATE_S: Final = 0.03
CLIPPED: Final = 32_000  # of 32,767
CLIPPED_SHARE: Final = 0.005
SILENT: Final = 40  # mean magnitude below which there is nothing to hear

Samples = npt.NDArray[np.int16]


@dataclass(frozen=True, slots=True)
class Piece:
    """Sound that passed a tap, when (seconds)."""

    tap: int
    at: float
    sound: bytes


@dataclass(frozen=True, slots=True)
class Finding:
    """What is wrong at a tap, since when, and how much of it."""

    tap: int
    kind: str  # gap, late, clipping, silence
    at: float
    words: str

    @property
    def hop(self) -> str:
        """The tap's name."""
        return NAMES[self.tap]


def read(data: bytes) -> Iterator[Piece]:
    """The pieces of a file; one that was cut short at its end is left out."""
    at = 0
    while at + HEAD.size <= len(data):
        tap, moment, size = HEAD.unpack_from(data, at)
        at += HEAD.size
        if tap > CLEARED or at + size > len(data):
            return
        yield Piece(tap, moment, data[at : at + size])
        at += size


def diagnose(pieces: list[Piece], formats: Mapping[int, AudioFormat]) -> list[Finding]:
    """What is wrong, the first hop of each direction first. ``formats``: of the taps that are not TELEPHONE."""
    findings = []
    for tap in range(4):
        format_ = formats.get(tap, TELEPHONE)
        mine = [piece for piece in pieces if piece.tap in (tap, CLEARED)]
        heard = [piece for piece in mine if piece.tap == tap]
        if not heard:
            findings.append(Finding(tap, "silence", 0.0, "nothing has passed here at all"))
            continue
        findings += _gaps(tap, heard) if tap in STEADY else _late(tap, mine, format_)
        findings += _level(tap, heard, format_)
    return findings


def culprit(findings: list[Finding]) -> str:
    """One sentence: where it began."""
    for first, second, side in (
        (PHONE_IN, AGENT_IN, "the caller's sound"),
        (AGENT_OUT, PHONE_OUT, "the agent's sound"),
    ):
        kinds = {finding.kind for finding in findings if finding.tap == first}
        worse = [finding for finding in findings if finding.tap == second and finding.kind not in kinds]
        begun = [finding for finding in findings if finding.tap == first]
        if begun:
            where = "before it reached the bridge"
            return f"{side.capitalize()} was broken ({begun[0].kind}) {where}, at {begun[0].at:.1f} s."
        if worse:
            return f"{side.capitalize()} was broken ({worse[0].kind}) within the bridge, at {worse[0].at:.1f} s."
    return "Nothing is wrong with the sound at any hop."


def samples(sound: bytes, format_: AudioFormat) -> Samples:
    """As 16-bit samples."""
    if format_.encoding is Encoding.MULAW:
        return decode_mulaw(sound)
    if format_.encoding is Encoding.ALAW:
        return decode_alaw(sound)
    return np.frombuffer(sound[: len(sound) // 2 * 2], "<i2").astype(np.int16)


def _gaps(tap: int, heard: list[Piece]) -> list[Finding]:
    gaps = [(before.at, after.at - before.at) for before, after in itertools.pairwise(heard)]
    wide = [(at, length) for at, length in gaps if length > GAP_S]
    if not wide:
        return []
    longest = max(length for _, length in wide)
    return [Finding(tap, "gap", wide[0][0], f"{len(wide)} gaps, the longest {longest * 1000:.0f} ms")]


def _late(tap: int, mine: list[Piece], format_: AudioFormat) -> list[Finding]:
    late: list[tuple[float, float]] = []
    dry: float | None = None  # when what was sent so far has been played
    for piece in mine:
        if piece.tap == CLEARED:
            dry = None
            continue
        if dry is not None and LATE_S < piece.at - dry < SENTENCE_S:
            late.append((dry, piece.at - dry))
        dry = max(piece.at, dry or 0.0) + format_.seconds(len(piece.sound))
    if not late:
        return []
    longest = max(length for _, length in late)
    return [
        Finding(tap, "late", late[0][0], f"{len(late)} times too late in mid-sentence, at most {longest * 1000:.0f} ms")
    ]


def _level(tap: int, heard: list[Piece], format_: AudioFormat) -> list[Finding]:
    whole = np.abs(samples(b"".join(piece.sound for piece in heard), format_).astype(np.int32))
    if not whole.size or whole.mean() < SILENT:
        return [Finding(tap, "silence", heard[0].at, "there is sound, but nothing in it to hear")]
    share = float((whole >= CLIPPED).mean())
    if share <= CLIPPED_SHARE:
        return []
    first = next(
        piece.at for piece in heard if (np.abs(samples(piece.sound, format_).astype(np.int32)) >= CLIPPED).any()
    )
    return [Finding(tap, "clipping", first, f"{share:.1%} of the samples are at the limit")]


WIDTH: Final = 1200  # of the picture
LANE: Final = 90
LEFT: Final = 90


def picture(pieces: list[Piece], formats: Mapping[int, AudioFormat], findings: list[Finding]) -> str:
    """The four taps on one clock, as SVG, with what was found marked."""
    seconds = max((piece.at for piece in pieces), default=0.0) + 0.5
    scale = (WIDTH - LEFT) / seconds
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {LANE * 4 + 30}" font-family="sans-serif" font-size="13">',
        f'<rect width="{WIDTH}" height="{LANE * 4 + 30}" fill="#fff"/>',
    ]
    for tap, name in enumerate(NAMES):
        middle = LANE * tap + LANE / 2
        peaks = np.zeros(WIDTH - LEFT)
        ends = 0.0
        for piece in pieces:
            if piece.tap != tap:
                continue
            format_ = formats.get(tap, TELEPHONE)
            start = piece.at if tap in STEADY else max(piece.at, ends)
            ends = start + format_.seconds(len(piece.sound))
            low = min(int(start * scale), len(peaks) - 1)
            high = max(min(int(ends * scale), len(peaks)), low + 1)
            blocks = np.array_split(np.abs(samples(piece.sound, format_).astype(np.int32)), high - low)
            peaks[low:high] = np.maximum(peaks[low:high], [block.max() if block.size else 0 for block in blocks])
        lines = "".join(
            f"M{LEFT + x} {middle - h:.1f}V{middle + h:.1f}" for x, h in enumerate(peaks / 32768 * LANE * 0.45) if h > 0
        )
        parts.append(f'<text x="6" y="{middle + 4}">{name}</text><path d="M{LEFT} {middle}H{WIDTH}" stroke="#ccc"/>')
        parts.append(f'<path d="{lines}" stroke="{"#1d4f91" if tap in STEADY else "#0b6e75"}"/>')
    for finding in findings:
        x, y = LEFT + finding.at * scale, LANE * finding.tap
        parts.append(f'<path d="M{x:.1f} {y + 4}v{LANE - 8}" stroke="#b3261e" stroke-width="2"/>')
        parts.append(f'<text x="{x + 4:.1f}" y="{y + 16}" fill="#b3261e">{finding.kind}</text>')
    step = max(round(seconds / 12), 1)
    parts += [
        f'<text x="{LEFT + second * scale:.0f}" y="{LANE * 4 + 20}" fill="#555">{second} s</text>'
        for second in range(0, int(seconds) + 1, step)
    ]
    return "\n".join([*parts, "</svg>"])


def formats_of(uplink: str, downlink: str) -> dict[int, AudioFormat]:
    """The agent's formats from the codec chain of a record ("mulaw/8000 -> pcm16/16000: ..."). Raises ValueError."""
    heard = uplink.partition("->")[2].partition(":")[0].strip()
    spoken = downlink.partition("->")[0].strip()
    return {AGENT_IN: _format(heard), AGENT_OUT: _format(spoken)}


def _format(text: str) -> AudioFormat:
    encoding, _, rate = text.partition("/")
    return AudioFormat(Encoding(encoding), int(rate))
