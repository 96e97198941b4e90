"""The messages of a Kura session's socket (document 004, "WebSocket Protocol") to events and from orders.

Sound is PCM16 at 24 kHz both ways. In voice there is no word for text and none for what a caller types; in chat there is
none for sound.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Literal

import msgspec
import pybase64
from msgspec import Struct

from bridge.agents.wire import MAX_CLOSE, Identifier, audio_format, decode, encode, malformed, printable, sound
from bridge.call.events import (
    AgentAudio,
    AgentClosed,
    AgentEvent,
    AgentExpired,
    AgentOrder,
    AgentProblem,
    AgentReady,
    AgentText,
    AgentTurnComplete,
    CallerText,
    Ignored,
    SendActivity,
    SendAudio,
    SendContext,
    SendInterrupt,
    SendPong,
    SendStop,
    SendText,
    SendToolResult,
)

Mode = Literal["voice", "chat"]

PCM_24000: Final = audio_format("pcm_24000")  # document 004, "Audio Format"
MAX_IDLE: Final = 86_400.0  # s; an idle limit beyond a day is no limit


class Message(Struct, gc=False):
    """Any message: all fields of all types, each None where its type does not have it."""

    type: str
    audio: str | None = None
    source: str | None = None
    text: str | None = None
    fullInput: str | None = None  # noqa: N815  # as the document spells it
    fullOutput: str | None = None  # noqa: N815
    reason: str | None = None
    timeoutSeconds: Identifier = None  # noqa: N815
    error: Any = None


MESSAGE: Final = msgspec.json.Decoder(Message)


class KuraStream:
    """Translates one socket of the Kura session ``session_id``."""

    def __init__(self, session_id: str, *, mode: Mode = "voice") -> None:
        self._session_id = session_id
        self._voice = mode == "voice"
        self._ready = False

    def open(self) -> Sequence[bytes]:
        """Nothing: the session was described when it was created."""
        return ()

    def receive(self, message: bytes) -> Sequence[AgentEvent]:
        """The events of one text message. Raises ProtocolError."""
        found = decode(MESSAGE, message, "the message")
        if found.type == "agentAudioChunk":
            return (self._audio(found.audio),)
        if found.type == "sessionOpen":
            if self._ready:
                return (Ignored("sessionOpen"),)
            self._ready = True
            return (AgentReady(self._session_id, PCM_24000, PCM_24000),)
        reader = READERS.get(found.type)
        return (Ignored("unknown") if reader is None else reader(found),)

    def _audio(self, text: str | None) -> AgentEvent:
        if text is None:
            raise malformed("agentAudioChunk has no audio")
        if not self._ready:
            raise malformed("agentAudioChunk came before sessionOpen")
        payload = sound(text)
        return AgentAudio(payload) if payload else Ignored("empty_audio")

    def closed(self, code: int, detail: str = "") -> Sequence[AgentEvent]:
        """The events of the socket's end."""
        return (AgentClosed(code, printable(detail, MAX_CLOSE)),)

    def send(self, order: AgentOrder) -> bytes | None:
        """The message for one order; None where the protocol has no word for it in this mode."""
        if type(order) is SendAudio and self._voice:  # fifty times a second: ahead of the rest
            return b'{"type":"audioChunk","audio":"' + pybase64.b64encode(order.payload) + b'"}'
        match order:
            case SendInterrupt():
                return b'{"type":"interrupt"}'
            case SendStop():
                return b'{"type":"stopSession"}'
            case SendText(text):
                return None if self._voice else encode({"type": "textMessage", "text": text})
            case SendAudio() | SendPong() | SendActivity() | SendToolResult() | SendContext():
                return None


def _transcription(message: Message) -> AgentEvent:
    if message.text is None:
        raise malformed("transcriptionUpdate has no text")
    if message.source == "input":
        return CallerText(message.text, final=False)
    if message.source == "output":
        return AgentText(message.text, final=False)
    return Ignored("transcriptionUpdate")


def _turn_complete(message: Message) -> AgentEvent:
    return AgentTurnComplete(message.fullInput or "", message.fullOutput or "")


def _timeout(message: Message) -> AgentEvent:
    try:
        seconds = float(message.timeoutSeconds or 0)
    except (ValueError, OverflowError):
        seconds = 0.0
    known = seconds if 0.0 <= seconds <= MAX_IDLE else 0.0
    return AgentExpired(printable(message.reason or "idle", 40), known)


def _error(message: Message) -> AgentEvent:
    words = message.error
    if isinstance(words, dict):
        words = words.get("message")
    text = printable(words) if isinstance(words, str) else ""
    return AgentProblem(text or "no reason was given")


READERS: Final[Mapping[str, Callable[[Message], AgentEvent]]] = {
    "transcriptionUpdate": _transcription,
    "turnComplete": _turn_complete,
    "sessionTimeout": _timeout,
    "sessionError": _error,
}
