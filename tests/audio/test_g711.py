"""G.711 against the tables of the recommendation, built here segment by segment as they are printed there."""

import itertools

import numpy as np
import pytest

from bridge.audio.g711 import (
    ALAW_SILENCE,
    MULAW_SILENCE,
    alaw_codes,
    alaw_values,
    decode_alaw,
    decode_mulaw,
    encode_alaw,
    encode_mulaw,
    mulaw_codes,
    mulaw_values,
)


def mulaw_table() -> list[tuple[int, int, int]]:
    """Table 2 at 16 bits, positive half: (lower decision value, output value, code as sent), step by step outward."""
    edges = [0, 1]
    for segment in range(8):
        steps = 15 if segment == 0 else 16
        edges += list(itertools.accumulate([2 << segment] * steps, initial=edges[-1]))[1:]
    outputs = [0] + [(low + high) // 2 for low, high in itertools.pairwise(edges[1:])]
    return [(4 * low, 4 * out, 0xFF - n) for n, (low, out) in enumerate(zip(edges, outputs, strict=False))]


def alaw_table() -> list[tuple[int, int, int]]:
    """Table 1 at 16 bits, positive half: (lower decision value, output value, code as sent), step by step outward."""
    edges = [0]
    for width, steps in [(2, 32), (4, 16), (8, 16), (16, 16), (32, 16), (64, 16), (128, 16)]:
        edges += list(itertools.accumulate([width] * steps, initial=edges[-1]))[1:]
    outputs = [(low + high) // 2 for low, high in itertools.pairwise(edges)]
    return [(8 * low, 8 * out, (0x80 | n) ^ 0x55) for n, (low, out) in enumerate(zip(edges, outputs, strict=False))]


@pytest.mark.parametrize(("table", "values"), [(mulaw_table(), mulaw_values()), (alaw_table(), alaw_values())])
def test_every_code_stands_for_the_value_of_the_recommendation(
    table: list[tuple[int, int, int]], values: object
) -> None:
    """All 256 codes decode to the output values of G.711."""
    assert len(table) == 128
    for _, value, code in table:
        assert values[code] == value  # type: ignore[index]
        assert values[code & 0x7F if code & 0x80 else code | 0x80] == -value  # type: ignore[index]


@pytest.mark.parametrize(("table", "codes"), [(mulaw_table(), mulaw_codes()), (alaw_table(), alaw_codes())])
def test_every_sample_gets_the_code_of_its_decision_interval(
    table: list[tuple[int, int, int]], codes: np.ndarray
) -> None:
    """All 65536 samples encode to the code between whose decision values they lie."""
    lows = np.array([low for low, _, _ in table])
    sent = np.array([code for _, _, code in table])
    samples = np.arange(-32768, 32768)
    interval = np.searchsorted(lows, np.abs(samples), side="right") - 1
    expected = np.where(samples < 0, sent[interval] ^ 0x80, sent[interval])
    assert np.array_equal(codes[samples.astype(np.int16).view(np.uint16)], expected)


def test_the_last_values_are_those_that_everyone_knows() -> None:
    """The loudest mu-law value is 32124 and the loudest A-law value 32256, as any other implementation has them."""
    assert (int(mulaw_values()[0x80]), int(mulaw_values()[0])) == (32124, -32124)
    assert (int(alaw_values()[0xAA]), int(alaw_values()[0x2A])) == (32256, -32256)


def test_a_code_survives_decoding_and_encoding() -> None:
    """Every code comes back as itself; of mu-law's two zeros the positive one does."""
    every = bytes(range(256))
    assert encode_alaw(decode_alaw(every)) == every
    assert encode_mulaw(decode_mulaw(every)) == every.replace(b"\x7f", b"\xff")


def test_silence_is_the_quietest_code() -> None:
    """What is sent as silence decodes to nothing, or to A-law's least step."""
    assert decode_mulaw(bytes([MULAW_SILENCE])).tolist() == [0]
    assert decode_alaw(bytes([ALAW_SILENCE])).tolist() == [8]


def test_no_sound_is_no_sound() -> None:
    """Nothing decodes to nothing and encodes to nothing."""
    assert encode_mulaw(decode_mulaw(b"")) == b""
    assert encode_alaw(decode_alaw(b"")) == b""
