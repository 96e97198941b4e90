"""One session over Kura's WebSocket."""

from typing import TYPE_CHECKING, Any, ClassVar

from aiohttp import web

from ..agent import AgentSession, b64
from ..shape import Shape

if TYPE_CHECKING:
    from .server import Grant, Kura

VOICE_ONLY, CHAT_ONLY = {"audioChunk", "interrupt"}, {"textMessage"}


class KuraSession(AgentSession):
    """A session of voice (24 kHz PCM16 both ways) or chat. See `AgentSession` for what a test may do."""

    uplink_format = "pcm_24000"
    downlink_format = "pcm_24000"
    accepts: ClassVar[dict[str, Shape]] = {
        "audioChunk": {"type": str, "audio": str},
        "textMessage": {"type": str, "text": str},
        "interrupt": {"type": str},
        "stopSession": {"type": str},
    }

    def __init__(self, server: "Kura", request: web.Request, grant: "Grant") -> None:
        super().__init__(server, request, grant.session_id)
        self.kura, self.grant = server, grant
        self.stopped = False  # by the client's stopSession
        self._open = False

    @property
    def asked(self) -> dict[str, Any]:
        """The request that created the session: phone_number, language_code, metadata..."""
        return self.grant.asked

    @property
    def mode(self) -> str:
        """voice or chat."""
        return self.grant.mode

    @property
    def ready(self) -> bool:
        """Whether sessionOpen went out."""
        return self._open

    async def begin(self) -> None:
        """Say that the session is open."""
        if not self.never_ready:
            self.server.spawn(self._say_open())

    async def _say_open(self) -> None:
        await self.kura.pause(self.kura.ready_delay)
        await self.send({"type": "sessionOpen", "provider": "gemini", "mode": self.mode})
        self._open = True
        self.pulse.beat()

    def take(self, kind: str, message: dict[str, Any]) -> None:
        """Judge by mode and order, then act."""
        if self.stopped:
            self.violation(f"{kind} after stopSession")
        if not self._open and kind != "stopSession":
            self.violation(f"{kind} before sessionOpen")
        if (kind in VOICE_ONLY and self.mode != "voice") or (kind in CHAT_ONLY and self.mode != "chat"):
            self.violation(f"{kind} in {self.mode} mode")
        if kind == "audioChunk":
            self.take_audio(message.get("audio"))
            return
        self.messages.append(message)
        if kind == "stopSession":
            self.stopped = True
            if self.kura.closes_after_stop:
                self.server.spawn(self.close(1000))

    def ended(self) -> None:
        """The grant is spent."""
        self.grant.status = "ended"

    # ---- what the test may do

    def audio_message(self, data: bytes, event_id: int | None) -> dict[str, Any]:
        """A chunk of sound; there are no ids here."""
        return {"type": "agentAudioChunk", "audio": b64(data)}

    async def say_text(self, text: str) -> None:
        """The words as they are spoken."""
        await self.transcription("output", text)

    async def transcription(self, source: str, text: str) -> None:
        """What was said: `source` is input (the caller) or output (the agent)."""
        await self.send({"type": "transcriptionUpdate", "source": source, "text": text})

    async def user_transcript(self, text: str) -> None:
        """What the caller was understood to say."""
        await self.transcription("input", text)

    async def turn_complete(self, full_input: str = "", full_output: str = "") -> None:
        """The turn is over."""
        await self.send({"type": "turnComplete", "fullInput": full_input, "fullOutput": full_output})

    async def timed_out(self, seconds: int = 120) -> None:
        """The session was idle for too long."""
        await self.send({"type": "sessionTimeout", "reason": "idle", "timeoutSeconds": seconds})

    async def fail(self, words: str = "upstream error") -> None:
        """An error; `close` separately where it ends the session."""
        await self.send({"type": "sessionError", "error": words})

    async def interrupted(self, *, count: int = 1, timeout: float = 5.0) -> None:
        """Wait for the client's interrupt."""
        await self.got("interrupt", count=count, timeout=timeout)
