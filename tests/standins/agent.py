"""The WebSocket side that every agent stand-in shares: one session, steered by the test."""

import asyncio
import base64
import contextlib
import json
import time
from collections.abc import Awaitable, Callable
from typing import Any, ClassVar

import numpy as np
from aiohttp import WSMsgType, web

from . import sound
from .ledger import Pulse
from .shape import Shape, problems, strict_base64
from .web import NEVER_READY, StandIn, reset


class AgentSession:
    """One conversation. A dialect says how its messages look; the test says what happens, by the methods below.

    `heard_pcm` is all sound of the caller (int16 at `uplink_rate`), `arrivals` when it came: (monotonic s, bytes).
    """

    uplink_format = "pcm_16000"
    downlink_format = "pcm_16000"
    accepts: ClassVar[dict[str, Shape]] = {}  # type -> shape of the documented messages of a client

    def __init__(self, server: "AgentStandIn", request: web.Request, session_id: str) -> None:
        self.server, self.request, self.session_id = server, request, session_id
        self.pulse = Pulse()
        self.messages: list[dict[str, Any]] = []  # all that came, but sound
        self.sent: list[tuple[float, dict[str, Any]]] = []  # all that went
        self.arrivals: list[tuple[float, int]] = []
        self.uplink = bytearray()
        self.opened_at = time.monotonic()
        self.closed_at: float | None = None
        self.close_code: int | None = None  # 1006: lost without a close frame
        self.closed_by: str | None = None  # "client", "server"
        self.audio_ids = 0
        self._mark = 0
        self._reading = asyncio.Event()
        self._reading.set()
        self.ws = web.WebSocketResponse(autoclose=True, max_msg_size=1 << 20, compress=False, timeout=2.0)

    @property
    def uplink_rate(self) -> int:
        """Samples per second of what the caller says."""
        return sound.rate_of(self.uplink_format)

    @property
    def heard_pcm(self) -> sound.Pcm:
        """All that the caller has said so far."""
        return sound.decode(bytes(self.uplink), self.uplink_format)

    @property
    def never_ready(self) -> bool:
        """Whether this socket is to be taken and then left in silence."""
        return bool(self.request.get(NEVER_READY, False))

    @property
    def closed(self) -> bool:
        """Whether the socket is gone."""
        return self.closed_at is not None

    def violation(self, words: str) -> None:
        """Record a violation under this session's name."""
        self.server.violation(f"{self.session_id}: {words}")

    # ---- the life of the socket

    async def run(self) -> web.WebSocketResponse:
        """Serve the socket to its end."""
        await self.ws.prepare(self.request)
        self.opened_at = time.monotonic()
        script: asyncio.Task[Any] | None = None
        try:
            await self.begin()
            script = self.server.spawn(self.script())
            await self._receive()
        finally:
            self.closed_at = time.monotonic()
            self.close_code = self.ws.close_code if self.ws.close_code is not None else 1006
            self.closed_by = self.closed_by or "client"
            if script is not None:
                script.cancel()
            self.ended()
            self.pulse.beat()
        return self.ws

    async def _receive(self) -> None:
        async for message in self.ws:
            await self._reading.wait()
            if message.type is WSMsgType.TEXT:
                self._text(message.data)
            elif message.type is WSMsgType.BINARY:
                self.violation(f"binary message of {len(message.data)} bytes")
            self.pulse.beat()

    def _text(self, text: str) -> None:
        try:
            message = json.loads(text)
        except ValueError:
            self.violation(f"not JSON: {text[:60]!r}")
            return
        if not isinstance(message, dict):
            self.violation(f"not a JSON object: {text[:60]!r}")
            return
        kind = self.kind_of(message)
        if kind not in self.accepts:
            self.violation(f"undocumented message {kind!r}")
            return
        for problem in problems(message, self.accepts[kind], kind):
            self.violation(problem)
        self.take(kind, message)

    def kind_of(self, message: dict[str, Any]) -> str:
        """The type of a message."""
        return str(message.get("type"))

    def take(self, kind: str, message: dict[str, Any]) -> None:
        """Act on a documented message."""
        raise NotImplementedError

    async def begin(self) -> None:
        """Greet a client that has just connected."""

    async def script(self) -> None:
        """Wait until the session is ready, then hand it to the test."""
        await self.pulse.until(lambda: self.ready, "a session to become ready", timeout=600)
        self.server.offer(self)
        if self.server.on_session is not None:
            await self.server.on_session(self)

    @property
    def ready(self) -> bool:
        """Whether both sides have said what must be said first."""
        raise NotImplementedError

    def ended(self) -> None:
        """The socket is gone: what is left to judge."""

    def take_audio(self, text: Any) -> None:
        """Sound from the client: judged strictly, then kept."""
        if not isinstance(text, str):
            return
        try:
            data = strict_base64(text)
        except ValueError as error:
            self.violation(f"audio is {error}")
            return
        if not data:
            self.violation("audio is empty")
        if self.uplink_format.startswith("pcm") and len(data) % 2:
            self.violation(f"audio of {len(data)} bytes ends in half a sample")
        self.uplink += data
        self.arrivals.append((time.monotonic(), len(data)))

    # ---- what the test may do

    async def send(self, message: dict[str, Any]) -> bool:
        """Send a message as it stands; False where the client has gone."""
        return await self.send_raw(json.dumps(message), message)

    async def send_raw(self, data: bytes | str, note: dict[str, Any] | None = None) -> bool:
        """Send a text (str) or binary (bytes) frame whatever it holds; False where the client has gone."""
        if self.closed or self.ws.closed:
            return False
        self.sent.append((time.monotonic(), note if note is not None else {"raw": data}))
        try:
            if isinstance(data, str):
                await self.ws.send_str(data)
            else:
                await self.ws.send_bytes(data)
        except (ConnectionError, RuntimeError):
            return False
        return True

    def audio_message(self, data: bytes, event_id: int | None) -> dict[str, Any]:
        """A chunk of the agent's sound."""
        raise NotImplementedError

    async def say_text(self, text: str) -> None:
        """The words that belong to the sound that follows."""

    async def after_say(self, text: str | None) -> None:
        """What a dialect sends at the end of a turn."""

    async def say(
        self,
        what: bytes | float | sound.Pcm,
        *,
        text: str | None = None,
        chunk_ms: int = 100,
        chunk_bytes: int | None = None,
        event_id: int | None = None,
        with_ids: bool = True,
        speed: float | None = None,
        frequency: float = 440.0,
        level: float = 0.5,
    ) -> float:
        """Speak: seconds of a tone, int16 at the downlink's rate, or bytes of its format as they are.

        `speed` is sound per time (1.0: in real time; None: at once). Ids count up by chunk unless `event_id` fixes one
        or `with_ids` is off. `chunk_bytes` cuts anywhere, also through a sample. Returns the seconds that were sent.
        """
        rate = sound.rate_of(self.downlink_format)
        width = 1 if self.downlink_format.startswith("ulaw") else 2
        if isinstance(what, (int, float)):
            what = sound.tone(what, frequency=frequency, rate=rate, level=level)
        data = sound.encode(what, self.downlink_format) if isinstance(what, np.ndarray) else what
        if text is not None:
            await self.say_text(text)
        size = chunk_bytes or max(1, rate * chunk_ms // 1000) * width
        origin, sent = time.monotonic(), 0
        for start in range(0, len(data), size):
            if speed is not None:
                await asyncio.sleep(max(0.0, origin + sent / (rate * width) / speed - time.monotonic()))
            chunk = data[start : start + size]
            if event_id is None and with_ids:
                self.audio_ids += 1
            number = (event_id if event_id is not None else self.audio_ids) if with_ids else None
            if not await self.send(self.audio_message(chunk, number)):
                return sent / (rate * width)
            sent += len(chunk)
        await self.after_say(text)
        return sent / (rate * width)

    async def heard(self, seconds: float, *, timeout: float = 5.0) -> sound.Pcm:
        """Wait for that much more of the caller than the last time this was asked; return it."""
        width = 1 if self.uplink_format.startswith("ulaw") else 2
        wanted = self._mark + round(seconds * self.uplink_rate) * width
        await self.pulse.until(
            lambda: len(self.uplink) >= wanted or self.closed, f"{seconds:g} s of the caller", timeout=timeout
        )
        if len(self.uplink) < wanted:
            raise AssertionError(f"the session ended before {seconds:g} s of the caller had come")
        piece, self._mark = bytes(self.uplink[self._mark : wanted]), wanted
        return sound.decode(piece, self.uplink_format)

    async def got(self, kind: str, *, count: int = 1, timeout: float = 5.0) -> dict[str, Any]:
        """Wait for the `count`th message of a type (sound is not counted) and return it."""
        await self.pulse.until(lambda: len(self.of(kind)) >= count, f"{kind} from the client", timeout=timeout)
        return self.of(kind)[count - 1]

    def of(self, kind: str) -> list[dict[str, Any]]:
        """The messages of a type that came so far."""
        return [m for m in self.messages if self.kind_of(m) == kind]

    async def gone(self, *, timeout: float = 5.0) -> int | None:
        """Wait for the end of the socket; its close code, 1006 where it was lost."""
        await self.pulse.until(lambda: self.closed, "the session to end", timeout=timeout)
        return self.close_code

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """Close in order."""
        self.closed_by = self.closed_by or "server"
        writer = self.ws._writer
        if self.closed or self.ws.closed or writer is None:
            return
        with contextlib.suppress(ConnectionError, RuntimeError):
            # Not ws.close(): while somebody reads, that cuts TCP at once, and the reset takes our close frame along.
            await writer.close(code, reason.encode())
            try:
                await self.pulse.until(lambda: self.closed, "the client to close", timeout=2)
            except AssertionError:
                await self.ws.close(code=code, message=reason.encode())

    def abort(self) -> None:
        """TCP RST."""
        self.closed_by = self.closed_by or "server"
        reset(self.request.transport)

    def stall(self) -> None:
        """Stop reading the socket, as a peer that hangs; `resume` undoes it."""
        self._reading.clear()
        if self.request.transport is not None:
            self.request.transport.pause_reading()

    def resume(self) -> None:
        """Read again."""
        self._reading.set()
        if self.request.transport is not None:
            self.request.transport.resume_reading()


class AgentStandIn(StandIn):
    """A server of sessions. `on_session`: an async function run with each session once it is ready."""

    def __init__(self, *, host: str = "127.0.0.1", port: int = 0) -> None:
        super().__init__(host=host, port=port)
        self.sessions: list[AgentSession] = []
        self.on_session: Callable[[Any], Awaitable[None]] | None = None
        self._offered: asyncio.Queue[AgentSession] = asyncio.Queue(10_000)

    def offer(self, session: AgentSession) -> None:
        """A session is ready for the test."""
        self._offered.put_nowait(session)

    async def next(self, timeout: float) -> Any:
        """The next session that became ready, in order."""
        try:
            return await asyncio.wait_for(self._offered.get(), timeout)
        except TimeoutError:
            raise AssertionError(f"waited {timeout:g} s for a session") from None

    @property
    def live(self) -> list[AgentSession]:
        """Sessions whose socket is open."""
        return [s for s in self.sessions if not s.closed]

    async def close(self) -> None:
        """Drop what is still open."""
        for session in self.live:
            session.resume()
            session.abort()


def b64(data: bytes) -> str:
    """Base64 as text."""
    return base64.b64encode(data).decode()
