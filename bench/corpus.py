"""Sounds of a telephone line, made on the spot: voices, noises, coughs, clicks, keys, tones. Mono float64 at 8 kHz.

Full scale is 1.0 and levels are dB of RMS below it. Nothing here is shipped: tests and benchmarks hear with it.
"""

from __future__ import annotations

import ctypes
import functools
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy import signal

Sound = NDArray[np.float64]
RATE: Final = 8000  # Hz
KEYS: Final = {
    key: (low, high)
    for low, row in zip((697, 770, 852, 941), ("123A", "456B", "789C", "*0#D"), strict=True)
    for high, key in zip((1209, 1336, 1477, 1633), row, strict=True)
}  # ITU-T Q.23


@dataclass(frozen=True)
class Voice:
    """One espeak-ng voice: its name with variant (f: female, m: male), words a minute, and what it says."""

    name: str
    rate: int
    texts: tuple[str, ...]


_EN = (
    "Stop, I have a question.",
    "No, that is not what I meant.",
    "Wait a moment please.",
    "Excuse me, can I speak to a person?",
    "Actually I need to change my booking.",
    "Hold on, what did you say?",
)
_DE = (
    "Moment, ich habe eine Frage.",
    "Nein, das stimmt so nicht.",
    "Entschuldigung, wie bitte?",
    "Halt, warten Sie mal.",
)
_ES = ("Espere, tengo una pregunta.", "No, eso no es correcto.", "Perdone, ¿puede repetir?")
_FR = ("Attendez, j'ai une question.", "Non, ce n'est pas ça.", "Pardon, pouvez-vous répéter ?")
_IT = ("Aspetti, ho una domanda.", "No, non è giusto.", "Scusi, può ripetere?")
_PT = ("Espere, eu tenho uma pergunta.", "Não é isso que eu quero.")
_RU = ("Подождите, есть вопрос.", "Нет, это неправильно.")
_ZH = ("等一下,我有一个问题。", "不对,我要改时间。")
_HI = ("रुकिए, मेरा एक सवाल है।", "नहीं, यह सही नहीं है।")
VOICES: Final = (
    Voice("en-us", 175, _EN),
    Voice("en-us+f3", 160, _EN),
    Voice("en+m3", 210, _EN),
    Voice("en+f2", 240, _EN),
    Voice("en-us+m7", 130, _EN),
    Voice("en-us+f5", 190, _EN),
    Voice("de", 170, _DE),
    Voice("de+f4", 200, _DE),
    Voice("es+m1", 180, _ES),
    Voice("es+f1", 200, _ES),
    Voice("fr+m5", 170, _FR),
    Voice("fr+f2", 190, _FR),
    Voice("it+f3", 180, _IT),
    Voice("pt+m2", 175, _PT),
    Voice("ru+f2", 180, _RU),
    Voice("cmn+m4", 170, _ZH),
    Voice("hi+f4", 170, _HI),
)


class Espeak:
    """espeak-ng, in this process. Its C library has one global state: one object, used by one thread."""

    def __init__(self) -> None:
        import espeakng_loader

        self._library: Any = ctypes.CDLL(espeakng_loader.get_library_path())
        synchronous = 2  # AUDIO_OUTPUT_SYNCHRONOUS: the callback has run for all of it when espeak_Synth returns
        self._rate: int = self._library.espeak_Initialize(synchronous, 0, espeakng_loader.get_data_path().encode(), 0)
        if self._rate <= 0:
            raise RuntimeError("espeak-ng found no voice data")
        self._chunks: list[bytes] = []
        shape = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p)
        self._callback = shape(self._take)  # kept: the library holds only the bare pointer

    def _take(self, samples: Any, count: int, _events: Any) -> int:
        if samples and count > 0:
            self._chunks.append(ctypes.string_at(samples, count * 2))
        return 0

    def say(self, voice: str, text: str, *, rate: int = 175) -> Sound:
        """``text`` as ``voice`` speaks it, silence at both ends cut off, -20 dB of RMS. Raises ValueError: no such voice."""
        if self._library.espeak_SetVoiceByName(voice.encode()) != 0:
            raise ValueError(f"espeak-ng has no voice {voice}")
        # The library keeps its state in globals: whoever else speaks in this process may have set it.
        self._library.espeak_SetSynthCallback(self._callback)
        for parameter, value in ((1, rate), (3, 50), (7, 0)):  # espeakRATE, words a minute; espeakPITCH; espeakWORDGAP
            self._library.espeak_SetParameter(parameter, value, 0)
        self._chunks.clear()
        self._library.espeak_ng_SetRandSeed(ctypes.c_long(1))  # the same sound each time, whatever was said before
        words = text.encode()
        self._library.espeak_Synth(words, len(words) + 1, 0, 1, 0, 1, None, None)  # POS_CHARACTER, espeakCHARS_UTF8
        heard = np.frombuffer(b"".join(self._chunks), dtype="<i2").astype(np.float64) / 32768
        heard = signal.resample_poly(heard, RATE, self._rate)
        loud = np.flatnonzero(np.abs(heard) > np.abs(heard).max() * 0.02)
        return at_level(telephone_band(heard[loud[0] : loud[-1] + 1]), -20)


@functools.cache
def espeak() -> Espeak:
    """The one synthesiser of this process."""
    return Espeak()


@functools.cache
def _everything() -> dict[tuple[str, str], Sound]:
    """All texts of all voices, always in this order: what espeak-ng said before changes a little of what it says next."""
    return {
        (voice.name, text): espeak().say(voice.name, text, rate=voice.rate) for voice in VOICES for text in voice.texts
    }


def spoken(voice: Voice, index: int) -> Sound:
    """One text of one of VOICES."""
    return _everything()[voice.name, voice.texts[index % len(voice.texts)]]


# ---------------------------------------------------------------- levels and the line


def rms_db(sound: Sound) -> float:
    """Level of the sound, dB below full scale."""
    return float(10 * np.log10(np.mean(np.square(sound)) + 1e-12))


def at_level(sound: Sound, db: float) -> Sound:
    """The same sound at an RMS level of ``db``."""
    return sound * 10 ** ((db - rms_db(sound)) / 20)


def gain(sound: Sound, db: float) -> Sound:
    """The same sound ``db`` louder."""
    return sound * 10 ** (db / 20)


@functools.cache
def _band() -> Any:
    return signal.butter(4, (250, 3450), btype="bandpass", fs=RATE, output="sos")


def telephone_band(sound: Sound) -> Sound:
    """What a telephone network lets through."""
    filtered: Sound = signal.sosfilt(_band(), sound)
    return filtered


def mulaw(sound: Sound) -> bytes:
    """G.711 mu-law, from its definition (ITU-T G.711, 14-bit magnitudes, segments of 16 steps)."""
    samples = np.clip(np.rint(sound * 32768), -32635, 32635).astype(np.int32)
    magnitude = np.abs(samples) + 132
    exponent = np.floor(np.log2(magnitude)).astype(np.int32) - 7
    mantissa = (magnitude >> (exponent + 3)) & 15
    sign = np.where(samples < 0, 0x80, 0)
    return bytes((~(sign | (exponent << 4) | mantissa) & 0xFF).astype(np.uint8))


def silence(seconds: float) -> Sound:
    """Nothing at all."""
    return np.zeros(int(seconds * RATE))


def place(onto: Sound, sound: Sound, at: int) -> None:
    """Add ``sound`` to ``onto`` from sample ``at`` on, in place; what does not fit is left out."""
    part = sound[: max(0, len(onto) - at)]
    onto[at : at + len(part)] += part


# ---------------------------------------------------------------- noises


def white(rng: np.random.Generator, seconds: float) -> Sound:
    """White noise, 0 dB."""
    return rng.standard_normal(int(seconds * RATE))


def pink(rng: np.random.Generator, seconds: float) -> Sound:
    """Noise that falls by 3 dB an octave (a three-pole fit)."""
    shaped: Sound = signal.lfilter(
        [0.049922035, -0.095993537, 0.050612699, -0.004408786],
        [1, -2.494956002, 2.017265875, -0.522189400],
        white(rng, seconds),
    )
    return shaped


def hum(rng: np.random.Generator, seconds: float) -> Sound:
    """Mains hum with its harmonics, over a little noise."""
    t = np.arange(int(seconds * RATE)) / RATE
    base = rng.choice([50.0, 60.0])
    waves = [np.sin(2 * np.pi * base * k * t + rng.uniform(0, 6)) / k for k in range(1, 12)]
    return np.asarray(np.sum(waves, axis=0) + 0.05 * rng.standard_normal(len(t)))


def crackle(rng: np.random.Generator, seconds: float) -> Sound:
    """A bad contact: some twenty impulses a second of random height, each ringing shortly."""
    length = int(seconds * RATE)
    impulses = np.zeros(length)
    where = rng.integers(0, length, max(1, int(seconds * 20)))
    impulses[where] = rng.standard_normal(len(where)) * rng.exponential(1.0, len(where))
    ring = np.exp(-np.arange(40) / 8) * np.cos(np.arange(40) * 1.3)
    return np.convolve(impulses, ring)[:length] + 0.02 * rng.standard_normal(length)


def babble(rng: np.random.Generator, seconds: float, talkers: int = 6) -> Sound:
    """A room of people: voices on top of each other without a pause, each at its own loudness."""
    room = silence(seconds)
    for _ in range(talkers):
        voice = VOICES[rng.integers(len(VOICES))]
        at, loudness = -int(rng.integers(0, RATE)), rng.uniform(-4, 2)
        while at < len(room):
            said = gain(spoken(voice, int(rng.integers(6))), loudness)
            place(room, said[max(0, -at) :], max(0, at))
            at += len(said) + int(rng.integers(0, RATE // 2))
    return room


NOISES: Final = {"white": white, "pink": pink, "hum": hum, "crackle": crackle, "babble": babble}


# ---------------------------------------------------------------- what is loud and yet no speech


def cough(rng: np.random.Generator) -> Sound:
    """One to three coughs: a burst, a noisy tail, 100 to 350 ms each; a third of them end in a short voiced part."""
    bouts = []
    for _ in range(int(rng.integers(1, 4))):
        length = int(rng.uniform(0.10, 0.35) * RATE)
        t = np.arange(length) / RATE
        breath = rng.standard_normal(length)
        for centre, width in ((rng.uniform(450, 900), 350), (rng.uniform(1200, 2000), 600)):
            b, a = signal.iirpeak(centre, centre / width, fs=RATE)
            breath = breath + 1.5 * signal.lfilter(b, a, breath)
        envelope = np.minimum(t / 0.008, 1) * (np.exp(-t / 0.04) + 0.35 * np.exp(-t / 0.15))
        sound = breath * envelope
        if rng.random() < 1 / 3:
            voiced = int(rng.uniform(0.03, 0.08) * RATE)
            pulses = signal.sawtooth(2 * np.pi * rng.uniform(110, 240) * np.arange(voiced) / RATE) * np.hanning(voiced)
            place(sound, pulses * 0.5, max(0, length - voiced))
        bouts += [sound, silence(float(rng.uniform(0.12, 0.4)))]
    return at_level(telephone_band(np.concatenate(bouts)), -22)


def click(rng: np.random.Generator) -> Sound:
    """A switch: one to five short pulses."""
    sound = silence(0.2)
    for _ in range(int(rng.integers(1, 6))):
        width = int(rng.integers(2, 60))
        place(sound, rng.standard_normal(width) * np.exp(-np.arange(width) / 10), int(rng.integers(0, 1400)))
    return telephone_band(sound / (np.abs(sound).max() + 1e-9) * rng.uniform(0.2, 0.9))


def keypad(rng: np.random.Generator) -> Sound:
    """One to eight keys, 60 to 250 ms each, with or without pauses between them."""
    parts = []
    for key in rng.choice(list(KEYS), int(rng.integers(1, 9))):
        length = int(rng.uniform(0.06, 0.25) * RATE)
        t = np.arange(length) / RATE
        low, high = KEYS[str(key)]
        twist = 10 ** (rng.uniform(-4, 4) / 20)
        parts += [
            np.sin(2 * np.pi * low * t) + twist * np.sin(2 * np.pi * high * t),
            silence(float(rng.uniform(0.03, 0.3))),
        ]
    return at_level(np.concatenate(parts), float(rng.uniform(-24, -10)))


def tones(rng: np.random.Generator) -> Sound:
    """Steady tones: call progress pairs, beeps, and a held chord as queues play them."""
    pairs = [
        (350, 440),
        (440, 480),
        (480, 620),
        (425,),
        (1000,),
        (1400,),
        (2100,),
        (1100,),
        (392, 494, 587),
        (262, 330, 392, 523),
    ]
    parts = []
    for _ in range(int(rng.integers(1, 5))):
        length = int(rng.uniform(0.2, 1.2) * RATE)
        t = np.arange(length) / RATE
        chosen = pairs[rng.integers(len(pairs))]
        wave = np.sum([np.sin(2 * np.pi * f * t + rng.uniform(0, 6)) for f in chosen], axis=0)
        edge = np.minimum(1, np.minimum(t, t[::-1]) / 0.005)
        parts += [wave * edge, silence(float(rng.uniform(0, 0.3)))]
    return at_level(np.concatenate(parts), float(rng.uniform(-28, -14)))


DISTURBANCES: Final = {"cough": cough, "click": click, "keypad": keypad, "tones": tones}
