"""What the translators of all agents need: identifiers, names of audio formats, base64 and JSON of a stranger.

Everything here is pure and raises nothing but ProtocolError, whatever the bytes.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final, TypeVar

import msgspec
import pybase64

from bridge.audio.formats import AudioFormat, Encoding
from bridge.call.ports import Brief
from bridge.errors import ProtocolError, Reason

MAX_ID: Final = 2**63 - 1  # an identifier beyond 64 bits is no identifier
MAX_ID_DIGITS: Final = 19
MAX_WORDS: Final = 300  # characters of an agent's own words about an error
MAX_CLOSE: Final = 123  # bytes of a close reason (RFC 6455, section 5.5)

FORMATS: Final[Mapping[str, AudioFormat]] = {
    "pcm_8000": AudioFormat(Encoding.PCM16, 8000),
    "pcm_16000": AudioFormat(Encoding.PCM16, 16000),
    "pcm_22050": AudioFormat(Encoding.PCM16, 22050),
    "pcm_24000": AudioFormat(Encoding.PCM16, 24000),
    "pcm_44100": AudioFormat(Encoding.PCM16, 44100),
    "pcm_48000": AudioFormat(Encoding.PCM16, 48000),
    "ulaw_8000": AudioFormat(Encoding.MULAW, 8000),
}

Identifier = int | str | float | None
"""How an ``event_id`` comes: an integer, but some senders write it as text, and some leave it out."""

T = TypeVar("T")


class UnsupportedFormat(ProtocolError):
    """The agent announces sound that cannot be converted: no later message can mend it, so the leg must end."""

    fatal = True

    def __init__(self, problem: str) -> None:
        super().__init__(
            problem,
            reason=Reason.AGENT_FORMAT,
            hint="Set the agent's audio formats to one of " + ", ".join(FORMATS) + ".",
        )


def malformed(what: str) -> ProtocolError:
    """The error for one message that cannot be understood; ``what`` holds none of the message's own text."""
    return ProtocolError(what, reason=Reason.AGENT_PROTOCOL)


def decode(decoder: msgspec.json.Decoder[T], message: bytes | msgspec.Raw, what: str) -> T:
    """JSON into ``decoder``'s type. Raises ProtocolError naming ``what``.

    msgspec's errors are ValueErrors, broken UTF-8 included; only nesting beyond the interpreter's limit is not.
    """
    try:
        return decoder.decode(message)
    except (ValueError, RecursionError):
        raise malformed(f"{what} is malformed") from None


def encode(value: Any) -> bytes:
    """JSON of our own. Half a surrogate pair, which UTF-8 cannot hold, becomes a question mark."""
    try:
        return msgspec.json.encode(value)
    except UnicodeEncodeError:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")


def sound(text: str) -> bytes:
    """The bytes of strict base64 (RFC 4648 section 4: alphabet, padding, nothing else). Raises ProtocolError.

    Lax decoders skip what is not of the alphabet and so make noise of garbage.
    """
    try:
        return pybase64.b64decode(
            text, None, True
        )  # no other alphabet, validated; by name it costs nearly twice as much
    except ValueError:
        raise malformed("the sound is not valid base64") from None


def number(value: Identifier) -> int | None:
    """An identifier as an integer, None where there is none or it is none."""
    if type(value) is int and -MAX_ID <= value <= MAX_ID:  # fifty times a second: ahead of the rest
        return value
    if isinstance(value, str):
        digits = value.strip()
        if not digits.isascii() or not digits.removeprefix("-").isdigit() or len(digits) > MAX_ID_DIGITS:
            return None
        return int(digits)
    if isinstance(value, float):
        return int(value) if value.is_integer() and abs(value) <= MAX_ID else None
    if value is None or abs(value) > MAX_ID:
        return None
    return value


def audio_format(name: str) -> AudioFormat:
    """The format of a name such as ``pcm_16000``. Raises UnsupportedFormat."""
    found = FORMATS.get(name)
    if found is None:
        raise UnsupportedFormat(
            f"the agent announces the audio format {printable(name, 40)!r}, which is not known here"
        )
    return found


def printable(text: str, limit: int = MAX_WORDS) -> str:
    """A stranger's words, cut and without control characters, fit for a record or a log."""
    return "".join(char if char.isprintable() else " " for char in text[:limit]).strip()


def system_variables(brief: Brief) -> dict[str, str]:
    """What the bridge itself knows of the call, by the names under which agents are told."""
    return {
        "phone_number": brief.phone_number,
        "called_number": brief.called_number,
        "call_id": brief.call_id,
        "carrier_call_id": brief.carrier_call_id,
        "direction": brief.direction,
    }
