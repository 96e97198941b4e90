"""What the translators of all agents need."""

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.agents.wire import (
    FORMATS,
    MAX_ID,
    Identifier,
    UnsupportedFormat,
    audio_format,
    decode,
    encode,
    number,
    printable,
    sound,
    system_variables,
)
from bridge.audio.formats import AudioFormat, Encoding
from bridge.call.ports import Brief
from bridge.errors import ProtocolError, Reason

ANY: msgspec.json.Decoder[object] = msgspec.json.Decoder()


@pytest.mark.parametrize(
    ("value", "found"),
    [
        (7, 7),
        (-7, -7),
        ("7", 7),
        (" -7 ", -7),
        (7.0, 7),
        (MAX_ID, MAX_ID),
        (None, None),
        ("", None),
        ("-", None),
        ("--7", None),
        ("7.0", None),
        ("\u0667", None),
        ("9" * 20, None),
        (7.5, None),
        (float("nan"), None),
        (float("inf"), None),
        (MAX_ID + 1, None),
        (1e300, None),
    ],
)
def test_an_identifier_is_a_whole_number_or_none(value: Identifier, found: int | None) -> None:
    """However it was written; what is none does no harm."""
    assert number(value) == found


@pytest.mark.parametrize("text", ["/w", "/w=", "/w==\n", " /w==", "/-==", "_w==", "\u00e9", "/w==x"])
def test_sound_is_strict_base64(text: str) -> None:
    """Lax decoders make noise of garbage."""
    with pytest.raises(ProtocolError) as caught:
        sound(text)
    assert caught.value.reason is Reason.AGENT_PROTOCOL
    assert sound("/w==") == b"\xff"
    assert sound("") == b""


@pytest.mark.parametrize("message", [b"", b"{", b"\xff", b"[" * 100_000, b'"\xc3"'])
def test_json_that_is_none_is_the_agents_fault(message: bytes) -> None:
    """Named by what it should have been, without its own text."""
    with pytest.raises(ProtocolError, match="the thing is malformed"):
        decode(ANY, message, "the thing")


@given(st.text(st.characters(exclude_categories=())))
def test_any_text_can_be_sent(text: str) -> None:
    """Half a surrogate pair becomes a question mark, everything else stays."""
    assert json.loads(encode({"text": text}))["text"] == text.encode("utf-8", "replace").decode()


def test_formats_have_their_names() -> None:
    """A name that is not known ends the leg, with a list of those that are, and prints nothing strange."""
    assert audio_format("pcm_16000") == AudioFormat(Encoding.PCM16, 16000)
    assert audio_format("ulaw_8000") == AudioFormat(Encoding.MULAW, 8000)
    with pytest.raises(UnsupportedFormat) as caught:
        audio_format("mp3\x1b[31m" + "x" * 100)
    assert (caught.value.fatal, caught.value.reason) == (True, Reason.AGENT_FORMAT)
    assert all(name in caught.value.hint for name in FORMATS)
    assert "\x1b" not in str(caught.value)
    assert len(str(caught.value)) < 120


def test_a_strangers_words_are_cut_and_cleaned() -> None:
    """Fit for a log."""
    assert printable(" a\nb\x1b[0m\u202ec ") == "a b [0m c"
    assert len(printable("x" * 1000)) == 300
    assert printable("abcdef", 3) == "abc"


def test_what_the_bridge_knows_has_names() -> None:
    """By which prompts refer to it."""
    assert system_variables(Brief("call_1", "CA1", "inbound", "+1", "+2", {"x": 1})) == {
        "phone_number": "+1",
        "called_number": "+2",
        "call_id": "call_1",
        "carrier_call_id": "CA1",
        "direction": "inbound",
    }
