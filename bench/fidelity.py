"""What converting sound costs and what it does to the sound: ours in C and in numpy beside audioop and soxr.

Run ``python -m bench.fidelity``. Costs are the best of several rounds in which the ways take turns; on a busy machine
trust the ratios. audioop is there up to Python 3.12, soxr where it was installed.
"""

from __future__ import annotations

import importlib
import timeit
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from bridge.audio.formats import TELEPHONE, AudioFormat, Encoding
from bridge.audio.g711 import decode_mulaw, encode_mulaw
from bridge.audio.kernels import CKernel, Kernel, NumpyKernel
from bridge.audio.transcode import Transcoder

Process = Callable[[bytes], bytes]
Way = Callable[[AudioFormat, AudioFormat], Process]

FRAMES = 1000  # of one round
ROUNDS = 7
TONES = (1013.0, 2503.0, 3399.0)  # Hz, going up
BEYOND = (4601.0, 5003.0, 6007.0, 7001.0)  # Hz, going down: what must not fold into the band
PEAK = 16000
NARROW = AudioFormat(Encoding.PCM16, 8000)


@dataclass(frozen=True)
class Row:
    """One way at one rate."""

    way: str
    rate: int  # Hz
    up_us: float  # a 20 ms frame, mu-law to PCM16
    down_us: float  # and back
    image_db: float  # the worst, against the tone
    alias_db: float
    edge_db: float  # level of 3.4 kHz
    delay_ms: float  # of the sound, and of what is withheld beyond the frame
    missing: int  # samples that a second of frames up and a second down did not bring


def main() -> int:
    """Print the table."""
    print("20 ms frames     rate   up us  down us  image dB  alias dB  3.4k dB  delay ms  missing")
    for row in table():
        print(
            f"{row.way:14} {row.rate:>6} {row.up_us:>7.1f} {row.down_us:>8.1f} {row.image_db:>9.0f} {row.alias_db:>9.0f}"
            f" {row.edge_db:>8.1f} {row.delay_ms:>9.1f} {row.missing:>8}"
        )
    return 0


def table(rates: tuple[int, ...] = (16000, 24000)) -> list[Row]:
    """All the ways that can be had here, at each rate."""
    ways = _ways()
    rows = []
    for wide in (AudioFormat(Encoding.PCM16, rate) for rate in rates):
        costs = _costs(ways, wide)
        rows += [
            Row(
                way=name,
                rate=wide.rate,
                up_us=costs[name][0],
                down_us=costs[name][1],
                image_db=max(_image(way, tone, wide) for tone in TONES),
                alias_db=max(_alias(way, tone, wide) for tone in BEYOND),
                edge_db=_level(_sent(way, 3399, NARROW, wide), 3399, wide.rate),
                delay_ms=max(_delay(way, NARROW, wide), _delay(way, wide, NARROW)),
                missing=_missing(way, NARROW, wide) + _missing(way, wide, NARROW),
            )
            for name, way in ways.items()
        ]
    return rows


def _ways() -> dict[str, Way]:
    ways: dict[str, Way] = {}
    try:
        ways["bridge, C"] = _ours(CKernel())
    except ImportError:
        print("the C extension was not built here")
    ways["bridge, numpy"] = _ours(NumpyKernel())
    if audioop := _optional("audioop"):
        ways["audioop"] = lambda source, target: _audioop(audioop, source, target)
    if soxr := _optional("soxr"):
        ways["soxr QQ"] = lambda source, target: _soxr(soxr, "QQ", source, target)
        ways["soxr VHQ"] = lambda source, target: _soxr(soxr, "VHQ", source, target)
    return ways


def _optional(module: str) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        try:
            return importlib.import_module(module)
        except ImportError:
            print(f"{module} is not to be had here")
            return None


def _ours(kernel: Kernel) -> Way:
    return lambda source, target: Transcoder(source, target, kernel=kernel).process


def _audioop(audioop: Any, source: AudioFormat, target: AudioFormat) -> Process:
    state = None

    def process(data: bytes) -> bytes:
        nonlocal state
        linear = audioop.ulaw2lin(data, 2) if source.encoding is Encoding.MULAW else data
        made, state = audioop.ratecv(linear, 2, 1, source.rate, target.rate, state)
        return bytes(audioop.lin2ulaw(made, 2) if target.encoding is Encoding.MULAW else made)

    return process


def _soxr(soxr: Any, quality: str, source: AudioFormat, target: AudioFormat) -> Process:
    stream = soxr.ResampleStream(source.rate, target.rate, 1, dtype="int16", quality=quality)

    def process(data: bytes) -> bytes:
        linear = decode_mulaw(data) if source.encoding is Encoding.MULAW else np.frombuffer(data, np.int16)
        made = stream.resample_chunk(linear)
        return encode_mulaw(made) if target.encoding is Encoding.MULAW else bytes(made.tobytes())

    return process


def _costs(ways: dict[str, Way], wide: AudioFormat) -> dict[str, list[float]]:
    best = {name: [np.inf, np.inf] for name in ways}
    for _ in range(ROUNDS):
        for name, way in ways.items():
            for i, (source, target) in enumerate([(TELEPHONE, wide), (wide, TELEPHONE)]):
                process, sound = way(source, target), _tone(1013, source.rate)[: source.rate // 50]
                frame = encode_mulaw(sound) if source is TELEPHONE else sound.tobytes()
                process(frame)
                seconds = timeit.timeit(partial(process, frame), number=FRAMES)
                best[name][i] = min(best[name][i], seconds / FRAMES * 1e6)
    return best


def _tone(frequency: float, rate: int) -> npt.NDArray[np.int16]:
    sine = PEAK * np.sin(2 * np.pi * frequency * np.arange(rate) / rate)
    return np.asarray(np.rint(sine), np.int16)


def _framewise(process: Process, sound: bytes, size: int) -> list[bytes]:
    return [process(sound[i : i + size]) for i in range(0, len(sound), size)]


def _sent(way: Way, frequency: float, source: AudioFormat, target: AudioFormat) -> npt.NDArray[np.int16]:
    made = _framewise(way(source, target), _tone(frequency, source.rate).tobytes(), source.frame_bytes())
    return np.frombuffer(b"".join(made), np.int16)


def _level(sound: npt.NDArray[np.int16], frequency: float, rate: int) -> float:
    """The sine at this frequency against the one that went in, in dB; floor -120."""
    samples = sound[rate // 10 : -rate // 10].astype(np.float64)
    angle = 2 * np.pi * frequency * np.arange(len(samples)) / rate
    window = np.hanning(len(samples))  # else the tone itself leaks in at -70 dB
    basis = np.stack([np.sin(angle) * window, np.cos(angle) * window], axis=1)
    fit, *_ = np.linalg.lstsq(basis, samples * window, rcond=None)
    return float(20 * np.log10(max(np.hypot(*fit) / PEAK, 1e-6)))


def _image(way: Way, tone: float, wide: AudioFormat) -> float:
    made = _sent(way, tone, NARROW, wide)
    images = [k * 8000 + sign * tone for k in (1, 2) for sign in (-1, 1)]
    return max(_level(made, image, wide.rate) for image in images if image < wide.rate / 2)


def _alias(way: Way, tone: float, wide: AudioFormat) -> float:
    return _level(_sent(way, tone, wide, NARROW), 8000 - tone, 8000)


def _delay(way: Way, source: AudioFormat, target: AudioFormat) -> float:
    click = np.zeros(source.rate, np.int16)
    at, length = source.rate // 2, source.rate // 1000
    click[at : at + length] = PEAK
    made = _framewise(way(source, target), click.tobytes(), source.frame_bytes())
    sound = np.frombuffer(b"".join(made), np.int16).astype(np.float64)
    centre = (sound @ np.arange(len(sound))) / sound.sum() / target.rate
    shifted = centre - (at + (length - 1) / 2) / source.rate
    given = np.cumsum([len(piece) for piece in made]) / target.bytes_per_second
    withheld = np.max(np.arange(1, len(made) + 1) / 50 - given)
    return 1000 * float(shifted + max(withheld, 0.0))


def _missing(way: Way, source: AudioFormat, target: AudioFormat) -> int:
    return abs(target.rate - len(_sent(way, 1013, source, target)))


if __name__ == "__main__":
    raise SystemExit(main())
