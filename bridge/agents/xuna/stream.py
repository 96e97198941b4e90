"""The messages of a XUNA agent's socket (document 003), and of its ElevenLabs dialect, to events and from orders.

The sound of the caller goes up as PCM16 at 16 kHz, always; in the dialect, in the format that the agent announces. The
sound of the agent comes in the format that ``conversation_initiation_metadata`` announces. Bytes pass unchanged, an odd
byte of PCM16 included: whoever converts carries it into the next chunk.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final, Literal

import pybase64
from msgspec import Raw

from bridge.agents.wire import (
    MAX_CLOSE,
    UnsupportedFormat,
    audio_format,
    decode,
    encode,
    malformed,
    number,
    printable,
    sound,
)
from bridge.agents.xuna.messages import (
    CORRECTION,
    ERROR,
    EVENT,
    MESSAGE,
    METADATA,
    PART,
    RESPONSE,
    TOOL_CALL,
    TRANSCRIPT,
    UNUSED,
    Audio,
    Message,
)
from bridge.agents.xuna.opening import Configured, initiation
from bridge.agents.xuna.problems import problem, problem_of_close
from bridge.audio.formats import AudioFormat
from bridge.call.events import (
    AgentAudio,
    AgentClosed,
    AgentEvent,
    AgentInterrupted,
    AgentOrder,
    AgentPing,
    AgentReady,
    AgentText,
    AgentTextCorrected,
    AgentToolCall,
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
from bridge.call.ports import Brief

Dialect = Literal["xuna", "elevenlabs"]

PCM_16000: Final = audio_format("pcm_16000")  # document 003, "Audio format": what is meant where nothing is announced


class XunaStream:
    """Translates one socket of a XUNA agent (``dialect="xuna"``) or of an ElevenLabs one (``"elevenlabs"``)."""

    def __init__(self, brief: Brief, *, configured: Configured | None = None, dialect: Dialect = "xuna") -> None:
        self._first = encode(initiation(configured or Configured(), brief))
        self._elevenlabs = dialect == "elevenlabs"
        self._readers = ELEVENLABS if self._elevenlabs else XUNA
        self._up = b'{"user_audio_chunk":"' if self._elevenlabs else b'{"type":"audio","audio_event":{"audio_base_64":"'
        self._up_end = b'"}' if self._elevenlabs else b'"}}'
        self._formats: tuple[AudioFormat, AudioFormat] | None = None  # the agent's speech, the agent's ear

    def open(self) -> Sequence[bytes]:
        """``conversation_initiation_client_data``: nothing may come before it."""
        return (self._first,)

    def receive(self, message: bytes) -> Sequence[AgentEvent]:
        """The events of one text message. Raises ProtocolError; with ``fatal`` set where no later message can mend it."""
        found = decode(MESSAGE, message, "the message")
        if found.type == "audio":
            return (self._audio(found.audio_event),)
        if found.type == "conversation_initiation_metadata":
            return (self._metadata(found.conversation_initiation_metadata_event),)
        reader = self._readers.get(found.type)
        if reader is None:
            return (Ignored(found.type if found.type in UNUSED else "unknown"),)
        return (reader(found),)

    def _audio(self, event: Audio | None) -> AgentEvent:
        if event is None:
            raise malformed("audio has no audio_event")
        if self._formats is None:
            raise malformed("audio came before conversation_initiation_metadata")
        payload = sound(event.audio_base_64)
        if not payload:
            return Ignored("empty_audio")
        return AgentAudio(payload, number(event.event_id))

    def _metadata(self, wrapper: Raw) -> AgentEvent:
        event = decode(METADATA, wrapper, "conversation_initiation_metadata_event")
        announced = event.agent_output_audio_format
        output = PCM_16000 if announced is None else audio_format(announced)
        ear = audio_format(event.user_input_audio_format or "pcm_16000") if self._elevenlabs else PCM_16000
        if self._formats == (output, ear):
            return Ignored("conversation_initiation_metadata")
        if self._formats is not None:  # a converter that runs keeps its rate: better no sound than a wrong one
            raise UnsupportedFormat("the agent changes its audio formats in the middle of a call")
        self._formats = output, ear
        return AgentReady(event.conversation_id or "", output, ear)

    def closed(self, code: int, detail: str = "") -> Sequence[AgentEvent]:
        """The events of the socket's end: in the dialect, what its close code means first."""
        found = problem_of_close(code, detail) if self._elevenlabs else None
        gone = AgentClosed(code, printable(detail, MAX_CLOSE))
        return (gone,) if found is None else (found, gone)

    def send(self, order: AgentOrder) -> bytes | None:
        """The message for one order; None where the dialect has no word for it."""
        if type(order) is SendAudio:  # fifty times a second: ahead of the rest
            return self._up + pybase64.b64encode(order.payload) + self._up_end
        match order:
            case SendAudio(payload):
                return self._up + pybase64.b64encode(payload) + self._up_end
            case SendPong(event_id):
                return b'{"type":"pong","event_id":%d}' % event_id
            case SendActivity():
                return b'{"type":"user_activity"}'
            case SendInterrupt() | SendStop():
                return None  # the agent hears the caller itself; a session ends with its socket
            case SendToolResult() | SendText() | SendContext():
                return _dialect_words(order) if self._elevenlabs else None


def _dialect_words(order: SendToolResult | SendText | SendContext) -> bytes:
    match order:
        case SendToolResult(tool_call_id, result, is_error):
            return encode(
                {"type": "client_tool_result", "tool_call_id": tool_call_id, "result": result, "is_error": is_error}
            )
        case SendText(text):
            return encode({"type": "user_message", "text": text})
        case SendContext(text):
            return encode({"type": "contextual_update", "text": text})


def _response(message: Message) -> AgentEvent:
    event = decode(RESPONSE, message.agent_response_event, "agent_response_event")
    return AgentText(event.agent_response, event_id=number(event.event_id))


def _transcript(message: Message) -> AgentEvent:
    event = decode(TRANSCRIPT, message.user_transcription_event, "user_transcription_event")
    return CallerText(event.user_transcript)


def _ping(message: Message) -> AgentEvent:
    event = decode(EVENT, message.ping_event, "ping_event")
    event_id = number(event.event_id) if event else None
    if event_id is None:
        raise malformed("a ping has no event_id that could be answered")
    return AgentPing(event_id)


def _interruption(message: Message) -> AgentEvent:
    if not bytes(message.interruption_event):  # document 003 has it without a wrapper
        return AgentInterrupted()
    event = decode(EVENT, message.interruption_event, "interruption_event")
    return AgentInterrupted(number(event.event_id) if event else None)


def _tentative(message: Message) -> AgentEvent:
    event = decode(TRANSCRIPT, message.tentative_user_transcription_event, "tentative_user_transcription_event")
    return CallerText(event.user_transcript, final=False)


def _correction(message: Message) -> AgentEvent:
    event = decode(CORRECTION, message.agent_response_correction_event, "agent_response_correction_event")
    return AgentTextCorrected(event.original_agent_response, event.corrected_agent_response)


def _part(message: Message) -> AgentEvent:
    event = decode(PART, message.text_response_part, "text_response_part")
    if event.type != "delta" or not event.text:
        return Ignored("agent_chat_response_part")
    return AgentText(event.text, final=False, event_id=number(event.event_id))


def _tool_call(message: Message) -> AgentEvent:
    event = decode(TOOL_CALL, message.client_tool_call, "client_tool_call")
    return AgentToolCall(event.tool_call_id, event.tool_name, event.parameters or {})


def _error(message: Message) -> AgentEvent:
    event = decode(ERROR, message.error_event, "error_event")
    return problem(number(event.code) or 0, event.error_type or "", event.message or event.reason or "")


XUNA: Final[Mapping[str, Callable[[Message], AgentEvent]]] = {
    "agent_response": _response,
    "user_transcript": _transcript,
    "ping": _ping,
    "interruption": _interruption,
}
ELEVENLABS: Final[Mapping[str, Callable[[Message], AgentEvent]]] = {
    **XUNA,
    "tentative_user_transcript": _tentative,
    "agent_response_correction": _correction,
    "agent_chat_response_part": _part,
    "client_tool_call": _tool_call,
    "error": _error,
}
