"""One conversation in ElevenLabs' dialect: what differs from XUNA, and nothing else."""

import time
from typing import TYPE_CHECKING, Any, ClassVar

from aiohttp import web

from ..shape import Shape
from ..xuna import XunaAgent, XunaSession
from ..xuna.session import INIT

if TYPE_CHECKING:
    from .server import ElevenLabs

AUDIO = "user_audio_chunk"
OVERRIDES: Shape = {
    "agent?": {
        "prompt?": {"prompt?": str, "llm?": str},
        "first_message?": str,
        "language?": str,
        "native_mcp_server_ids?": list,
    },
    "tts?": {"voice_id?": str, "stability?": (int, float), "speed?": (int, float), "similarity_boost?": (int, float)},
    "asr?": {"keywords?": list},
    "conversation?": {"text_only?": bool, "client_events?": list},
}
CLOSE_CODES = {  # error_type -> close code
    **dict.fromkeys(
        ("invalid_message", "value_error", "missing_fields", "override_error", "missing_dynamic_variable"), 1008
    ),
    **dict.fromkeys(
        ("safety_violation", "llm_timeout", "transport_receive_timeout", "llm_error", "asr_transcription_error"), 1002
    ),
    **dict.fromkeys(
        ("vad_error", "tts_cascade_error", "asyncio_timeout", "http_exception", "redis_timeout_error"), 1002
    ),
    "max_duration_exceeded": 1000,
    "unknown_websocket_crash": 1011,
}


class ElevenLabsSession(XunaSession):
    """Everything of `XunaSession`, with ids on every event, corrections, client tools and errors before closes."""

    accepts: ClassVar[dict[str, Shape]] = {
        INIT: {
            "type": str,
            "conversation_config_override?": OVERRIDES,
            "custom_llm_extra_body?": dict,
            "dynamic_variables?": dict,
            "user_id?": str,
            "source_info?": {"source?": str, "version?": str},
            "tool_mock_config?": dict,
        },
        AUDIO: {AUDIO: str},
        "pong": {"type": str, "event_id": int},
        "client_tool_result": {"type": str, "tool_call_id": str, "result": str, "is_error": bool},
        "contextual_update": {"type": str, "text": str, "context_id?": str},
        "user_message": {"type": str, "text?": str},
        "user_activity": {"type": str},
        "feedback": {"type": str, "event_id": int, "score": (str, type(None))},
    }
    metadata_waits_for_init = True

    def __init__(self, server: "ElevenLabs", request: web.Request, agent: XunaAgent, session_id: str) -> None:
        super().__init__(server, request, agent, session_id)
        self.uplink_format = agent.input_format
        self.calls: dict[str, float] = {}  # client tool calls without a result: id -> when
        self.results: dict[str, dict[str, Any]] = {}
        self.last_ping_ms: int | None = None
        self._event_ids = 0

    def kind_of(self, message: dict[str, Any]) -> str:
        """Sound has no type: its key tells."""
        return AUDIO if "type" not in message and AUDIO in message else str(message.get("type"))

    def take(self, kind: str, message: dict[str, Any]) -> None:
        """Sound and tool results here, the rest as with XUNA."""
        if kind == AUDIO:
            if self.init is None:
                self.violation(f"the first message is {kind!r}, not {INIT}")
            self.take_audio(message.get(AUDIO))
            return
        super().take(kind, message)
        if kind == "pong" and self.pong_delays:
            self.last_ping_ms = round(self.pong_delays[-1] * 1000)
        if kind == "client_tool_result":
            name = message.get("tool_call_id")
            if not isinstance(name, str) or self.calls.pop(name, None) is None:
                self.violation(f"client_tool_result for {name!r}, which was not called or is answered")
            else:
                self.results[name] = message

    # ---- what the test may do

    def _id(self) -> int:
        self._event_ids += 1
        return self._event_ids

    def metadata_message(self) -> dict[str, Any]:
        """Announces the format of both directions."""
        message = super().metadata_message()
        message["conversation_initiation_metadata_event"]["user_input_audio_format"] = self.uplink_format
        return message

    async def say_text(self, text: str) -> None:
        """The words, with the id of the sound that follows."""
        self._note("agent", text)
        event = {"agent_response": text, "event_id": self.audio_ids + 1}
        await self.send({"type": "agent_response", "agent_response_event": event})

    async def user_transcript(self, text: str) -> None:
        """What the caller was understood to say."""
        self._note("user", text)
        event = {"user_transcript": text, "event_id": self._id()}
        await self.send({"type": "user_transcript", "user_transcription_event": event})

    async def interrupt(self, event_id: int | None = None) -> None:
        """The caller has interrupted: audio up to this id (default: the highest sent) is void."""
        await self.send(
            {
                "type": "interruption",
                "interruption_event": {"event_id": event_id if event_id is not None else self.audio_ids},
            }
        )

    async def correct(self, original: str, heard: str) -> None:
        """What of an interrupted answer was heard."""
        event = {"original_agent_response": original, "corrected_agent_response": heard, "event_id": self.audio_ids}
        await self.send({"type": "agent_response_correction", "agent_response_correction_event": event})

    def ping_event(self, number: int) -> dict[str, Any]:
        """With how long the last one took; null on the first."""
        return {"event_id": number, "ping_ms": self.last_ping_ms}

    async def call_tool(self, name: str, parameters: dict[str, Any], *, tool_call_id: str | None = None) -> str:
        """Ask the client to run a tool; the id under which `result` waits for the answer."""
        number = self._id()
        tool_call_id = tool_call_id or f"toolcall_{number}"
        self.calls[tool_call_id] = time.monotonic()
        call = {"tool_name": name, "tool_call_id": tool_call_id, "parameters": parameters, "event_id": number}
        await self.send({"type": "client_tool_call", "client_tool_call": call})
        return tool_call_id

    async def result(self, tool_call_id: str, *, timeout: float = 5.0) -> dict[str, Any]:
        """Wait for the client's answer to a tool call."""
        await self.pulse.until(lambda: tool_call_id in self.results, f"the result of {tool_call_id}", timeout=timeout)
        return self.results[tool_call_id]

    async def fail(self, error_type: str, message: str = "made to fail") -> None:
        """An error of a documented type, then the close that goes with it."""
        code = CLOSE_CODES[error_type]
        event = {
            "code": code,
            "message": message,
            "error_type": error_type,
            "reason": None,
            "debug_message": None,
            "details": None,
        }
        await self.send({"type": "error", "error_event": event})
        await self.close(code, message)
