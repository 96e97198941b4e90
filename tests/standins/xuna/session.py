"""One conversation over XUNA's WebSocket."""

import asyncio
import time
from typing import TYPE_CHECKING, Any, ClassVar

from aiohttp import web

from ..agent import AgentSession, b64
from ..shape import Shape

if TYPE_CHECKING:
    from .server import Xuna, XunaAgent

INIT = "conversation_initiation_client_data"
OVERRIDES: Shape = {
    "agent?": {"prompt?": {"prompt?": str}, "first_message?": str, "language?": str},
    "tts?": {"voice_id?": str},
}


class XunaSession(AgentSession):
    """A conversation; ids, scripts and judgement by the documents. See `AgentSession` for what a test may do."""

    accepts: ClassVar[dict[str, Shape]] = {
        INIT: {"type": str, "conversation_config_override?": OVERRIDES, "dynamic_variables?": dict},
        "audio": {"type": str, "audio_event": {"audio_base_64": str}},
        "user_activity": {"type": str},
        "pong": {"type": str, "event_id": int},
    }
    metadata_waits_for_init = False

    def __init__(self, server: "Xuna", request: web.Request, agent: "XunaAgent", session_id: str) -> None:
        super().__init__(server, request, session_id)
        self.xuna, self.agent = server, agent
        self.downlink_format = agent.output_format
        self.init: dict[str, Any] | None = None
        self.transcript: list[dict[str, Any]] = []
        self.pong_delays: list[float] = []  # s, of every pong
        self.pings: dict[int, float] = {}  # unanswered: id -> when it was sent
        self._ping_ids = 0
        self._metadata_sent = False
        self._timers: set[asyncio.TimerHandle] = set()
        self._first = True

    @property
    def conversation_id(self) -> str:
        """As announced."""
        return self.session_id

    @property
    def variables(self) -> dict[str, Any]:
        """The dynamic variables that came with the first message."""
        return dict((self.init or {}).get("dynamic_variables") or {})

    @property
    def overrides(self) -> dict[str, Any]:
        """The overrides that came with the first message."""
        return dict((self.init or {}).get("conversation_config_override") or {})

    @property
    def ready(self) -> bool:
        """Whether the metadata went out and the first message came in."""
        return self._metadata_sent and self.init is not None

    async def begin(self) -> None:
        """Start the clocks; the metadata goes out at once where the documents say so."""
        self._later(self.xuna.init_within, self._judge_init)
        if not self.never_ready and not self.metadata_waits_for_init:
            await self._send_metadata()

    async def _send_metadata(self) -> None:
        if self.xuna.ready_delay:
            await asyncio.sleep(self.xuna.ready_delay)
        await self.send(self.metadata_message())
        self._metadata_sent = True
        self.pulse.beat()

    def metadata_message(self) -> dict[str, Any]:
        """What the server says first."""
        event = {"conversation_id": self.conversation_id, "agent_output_audio_format": self.downlink_format}
        return {"type": "conversation_initiation_metadata", "conversation_initiation_metadata_event": event}

    def _later(self, seconds: float, judge: Any) -> None:
        self._timers.add(asyncio.get_running_loop().call_later(seconds, judge))

    def _judge_init(self) -> None:
        if self.init is None:
            self.violation(f"no {INIT} within {self.xuna.init_within:g} s")

    def take(self, kind: str, message: dict[str, Any]) -> None:
        """Judge order and act."""
        if self._first and kind != INIT:
            self.violation(f"the first message is {kind!r}, not {INIT}")
        self._first = False
        if kind == "audio":
            event = message.get("audio_event")
            self.take_audio(event.get("audio_base_64") if isinstance(event, dict) else None)
            return
        self.messages.append(message)
        if kind == INIT:
            self._take_init(message)
        elif kind == "pong":
            self._take_pong(message.get("event_id"))

    def _take_init(self, message: dict[str, Any]) -> None:
        if self.init is not None:
            self.violation(f"{INIT} a second time")
            return
        self.init = message
        for name, value in self.variables.items():
            if not isinstance(value, (str, int, float, bool)):
                self.violation(f"dynamic variable {name!r} is {type(value).__name__}")
        if self.metadata_waits_for_init and not self.never_ready:
            self.server.spawn(self._send_metadata())

    def _take_pong(self, event_id: Any) -> None:
        sent = self.pings.pop(event_id, None) if isinstance(event_id, int) else None
        if sent is None:
            self.violation(f"pong {event_id!r} answers no ping, or one answered before")
            return
        self.pong_delays.append(time.monotonic() - sent)

    def _judge_pong(self, event_id: int) -> None:
        if event_id in self.pings and not self.closed:
            self.violation(f"no pong {event_id} within {self.xuna.pong_within:g} s")

    def ended(self) -> None:
        """Stop the clocks and keep the conversation."""
        for timer in self._timers:
            timer.cancel()
        self.xuna.keep(self)

    # ---- what the test may do

    def audio_message(self, data: bytes, event_id: int | None) -> dict[str, Any]:
        """A chunk of the agent's sound, with or without an id."""
        event: dict[str, Any] = {"audio_base_64": b64(data)}
        if event_id is not None:
            event["event_id"] = event_id
        return {"type": "audio", "audio_event": event}

    async def say_text(self, text: str) -> None:
        """The words, slightly before their sound."""
        self._note("agent", text)
        await self.send({"type": "agent_response", "agent_response_event": {"agent_response": text}})

    async def user_transcript(self, text: str) -> None:
        """What the caller was understood to say."""
        self._note("user", text)
        await self.send({"type": "user_transcript", "user_transcription_event": {"user_transcript": text}})

    async def interrupt(self, event_id: int | None = None) -> None:
        """The caller has interrupted; an id is not in the documents, but may be there."""
        message: dict[str, Any] = {"type": "interruption"}
        if event_id is not None:
            message["interruption_event"] = {"event_id": event_id}
        await self.send(message)

    async def ping(self, event_id: int | None = None) -> int:
        """Ask for a pong, which has `pong_within` seconds; the id that it must carry."""
        self._ping_ids = event_id if event_id is not None else self._ping_ids + 1
        number = self._ping_ids
        self.pings[number] = time.monotonic()
        self._later(self.xuna.pong_within, lambda: self._judge_pong(number))
        await self.send({"type": "ping", "ping_event": self.ping_event(number)})
        return number

    def ping_event(self, number: int) -> dict[str, Any]:
        """The inside of a ping."""
        return {"event_id": number}

    async def ponged(self, event_id: int, *, timeout: float = 5.0) -> float:
        """Wait for the pong to a ping; how long it took in seconds."""
        await self.pulse.until(lambda: event_id not in self.pings, f"pong {event_id}", timeout=timeout)
        return self.pong_delays[-1]

    def _note(self, role: str, text: str) -> None:
        self.transcript.append(
            {"role": role, "message": text, "time_in_call_secs": round(time.monotonic() - self.opened_at)}
        )
