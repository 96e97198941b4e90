"""The shapes of what a XUNA agent sends (document 003) and of what only its ElevenLabs dialect has.

The wrapper's name is not always the type's: ``user_transcript`` comes in ``user_transcription_event``.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec
from msgspec import Raw, Struct

from bridge.agents.wire import Identifier

NOTHING: Final = Raw(b"")

# Known, and of no use on the phone; every other type is counted as "unknown", so that no stranger invents labels.
UNUSED: Final = frozenset(
    [
        "agent_reasoning_response_part",
        "agent_tool_request",
        "agent_tool_response",
        "agent_tool_response_full_payload",
        "mcp_tool_call",
        "mcp_connection_status",
        "vad_score",
        "internal_tentative_agent_response",
        "internal_turn_probability",
        "context_usage",
        "asr_initiation_metadata",
        "guardrail_triggered",
        "agent_typing",
        "external_agent_connected",
        "external_agent_disconnected",
        "rich_content",
        "client_error",
        "dtmf_request",
        "agent_response_complete",
        "agent_response_metadata",
        "agent_response_correction",
        "client_tool_call",
        "tentative_user_transcript",
        "agent_chat_response_part",
        "error",
    ]
)


class Audio(Struct, gc=False):
    """Sound, in the announced format."""

    audio_base_64: str
    event_id: Identifier = None


class Message(Struct, gc=False):
    """Any message: sound is decoded in one pass, the other wrappers only when their type asks for them."""

    type: str
    audio_event: Audio | None = None
    conversation_initiation_metadata_event: Raw = NOTHING
    agent_response_event: Raw = NOTHING
    user_transcription_event: Raw = NOTHING
    ping_event: Raw = NOTHING
    interruption_event: Raw = NOTHING
    tentative_user_transcription_event: Raw = NOTHING
    agent_response_correction_event: Raw = NOTHING
    text_response_part: Raw = NOTHING
    client_tool_call: Raw = NOTHING
    error_event: Raw = NOTHING


class Metadata(Struct):
    """The conversation's id and formats; document 003 fixes the sound where nothing is announced. null is nothing."""

    conversation_id: str | None = ""
    agent_output_audio_format: str | None = "pcm_16000"
    user_input_audio_format: str | None = None


class Response(Struct):
    """What the agent says."""

    agent_response: str
    event_id: Identifier = None


class Transcript(Struct):
    """What the caller said."""

    user_transcript: str
    event_id: Identifier = None


class Event(Struct):
    """A wrapper that holds nothing but an identifier."""

    event_id: Identifier = None


class Correction(Struct):
    """What the agent takes the caller to have heard of an interrupted turn."""

    original_agent_response: str
    corrected_agent_response: str


class Part(Struct):
    """One piece of what the agent says."""

    text: str = ""
    type: str = ""
    event_id: Identifier = None


class ToolCall(Struct):
    """A tool that we are asked to run."""

    tool_name: str
    tool_call_id: str
    parameters: dict[str, Any] | None = None


class Error(Struct):
    """Why the agent is about to close."""

    code: Identifier = None
    error_type: str | None = None
    message: str | None = None
    reason: str | None = None


MESSAGE: Final = msgspec.json.Decoder(Message)
METADATA: Final = msgspec.json.Decoder(Metadata)
RESPONSE: Final = msgspec.json.Decoder(Response)
TRANSCRIPT: Final = msgspec.json.Decoder(Transcript)
EVENT: Final = msgspec.json.Decoder(Event | None)
CORRECTION: Final = msgspec.json.Decoder(Correction)
PART: Final = msgspec.json.Decoder(Part)
TOOL_CALL: Final = msgspec.json.Decoder(ToolCall)
ERROR: Final = msgspec.json.Decoder(Error)
